"""What of a CUBE answers from elsewhere in the world: asked from beyond the plant's router."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from selftests.lab.condition import Condition
from selftests.lab.plant import CUBE, UPLINK
from selftests.lab.session import PROJECT, plant_under

if TYPE_CHECKING:
    from selftests.lab.certificates import Authorities

PAGE = f"gateway dnat tcp dport 5555 dnat ip to {CUBE}"
SHELL = f"gateway dnat tcp dport 22 dnat ip to {CUBE}"
SILENT = 'gateway input iifname "eth1" drop'


@pytest.mark.quick
@pytest.mark.parametrize(
    ("rules", "finding", "status"),
    [
        ((), "nothing", 0),
        ((SILENT,), "nothing", 0),
        ((SILENT, PAGE), "cube", 1),
        ((SHELL,), "shell", 1),
    ],
    ids=["refused", "dropped", "page-forwarded", "shell-forwarded"],
)
def test_what_the_router_forwards(
    authorities: Authorities, rules: tuple[str, ...], finding: str, status: int
) -> None:
    """Only what somebody has forwarded to the CUBE answers at the plant's public address."""
    condition = Condition(id="outside", field="Asked from the Internet.", sshd=(), firewall=rules)
    with plant_under(condition, authorities) as plant:
        reports = plant.folder / "outside"
        command = (sys.executable, "-m", "cube_acceptance", "outside", UPLINK)
        done = subprocess.run(
            plant.inside("cloud", *command, "--reports", str(reports)),
            cwd=PROJECT,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        (page,) = reports.glob("*/outside.html")
        told = json.loads(page.with_name("outside.json").read_bytes())

    assert (told["finding"], done.returncode) == (finding, status), done.stdout + done.stderr
