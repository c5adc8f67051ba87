"""The engineer's day in the lab: a site file from what the network shows, and then the rest."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from typing import TYPE_CHECKING

import pytest

from selftests.lab.condition import Condition
from selftests.lab.daemons import PAGES
from selftests.lab.plant import CUBE
from selftests.lab.session import PROJECT, plant_under

if TYPE_CHECKING:
    from pathlib import Path

    from selftests.lab.certificates import Authorities
    from selftests.lab.plant import Plant

LIMIT_S = 120.0
SECOND = "10.20.0.51"


def command(plant: Plant, *arguments: str) -> list[str]:
    """The console command, on the plant's laptop."""
    return plant.inside("laptop", sys.executable, "-m", "cube_acceptance", *arguments)


def started(plant: Plant, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the console command to its end."""
    return subprocess.run(
        command(plant, *arguments),
        cwd=plant.folder,
        env={**os.environ, "PYTHONPATH": str(PROJECT / "src"), "LANG": "en_GB.UTF-8"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )


def in_the_lab(file: Path, plant: Plant) -> None:
    """Let a site file trust the lab's authority, as no plant's has to."""
    authority = plant.folder / "lab-ca.pem"
    file.write_text(f'{file.read_text("utf-8")}\n[cloud]\nca_file = "{authority}"\n', "utf-8")


@pytest.mark.quick
def test_init_finds_both_cubes(authorities: Authorities) -> None:
    """And writes a file with which the run is accepted."""
    condition = Condition(
        id="two-cubes",
        field="Two CUBEs.",
        hosts={"second": f"{SECOND}/24"},
        further_pages={"second": {at.replace(CUBE, SECOND): page for at, page in PAGES.items()}},
        further_mdns={"second": "cube-4712"},
        further_llmnr={"second": "cube-4712"},
    )
    with plant_under(condition, authorities) as plant:
        made = started(plant, "init", "werk.toml", "--yes")
        assert made.returncode == 0, made.stderr
        file = plant.folder / "werk.toml"
        site = tomllib.loads(file.read_text("utf-8"))
        assert [(one["address"], one["hostname"]) for one in site["cube"]] == [
            (CUBE, "cube-4711"),
            (SECOND, "cube-4712"),
        ]
        assert all(one["mac"] for one in site["cube"])
        assert site["vantage"] == {"interface": "eth0", "network": "10.20.0.0/24"}

        in_the_lab(file, plant)
        run = started(plant, "--site", "werk.toml")
        assert run.returncode == 0, run.stdout
        assert "Verdict: Accepted" in run.stdout
