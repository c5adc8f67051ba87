"""The engineer's day in the lab: a site file from what the network shows, and then the rest."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import tomllib
from typing import TYPE_CHECKING

import pytest

from selftests.lab.condition import Condition, Laptop
from selftests.lab.daemons import PAGES
from selftests.lab.plant import CUBE, run
from selftests.lab.session import PROJECT, as_toml, hold_and_finish, plant_under, site_file

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
        ended = started(plant, "--site", "werk.toml")
        assert ended.returncode == 0, ended.stdout
        assert "Verdict: Accepted" in ended.stdout


@pytest.mark.quick
def test_a_missing_right_is_said_first(authorities: Authorities) -> None:
    """To an ordinary user, before anything is asked, with the whole command that grants it."""
    condition = Condition(
        id="ordinary-user",
        field="The engineer has no rights on the computer.",
        laptop=Laptop(user=True, arguments=("--lang", "en")),
    )
    with plant_under(condition, authorities) as plant:
        ended = hold_and_finish(plant, condition)
    (warned,) = re.findall(r"^! This computer is not permitted.*", ended.terminal, re.MULTILINE)

    assert "setpriv" in warned
    assert "--lang en" in warned
    assert ended.terminal.index(warned) < ended.terminal.index("collected ")


FAULTS = {
    "gateway": ("gateway input udp dport 123 drop", "NTP-01"),
    "cube": ("cube input tcp dport 5555 reject with tcp reset", "CONN-01"),
    "cloud": ("cloud input tcp dport 443 drop", "HTTPS-01"),
}
"""By host: a rule of its packet filter, and the requirement that is not met for it."""


def test_watch_sees_three_faults_go(authorities: Authorities) -> None:
    """One after the other, each on a line of its own; then the whole run and its certificate."""
    condition = Condition(
        id="three-faults",
        field="Time, a page and the cloud are missing.",
        firewall=tuple(rule for rule, _ in FAULTS.values()),
    )
    with plant_under(condition, authorities) as plant:
        file = plant.folder / "site.toml"
        file.write_text(as_toml(site_file(condition)))
        watching = subprocess.Popen(
            command(plant, "watch", "--site", str(file)),
            cwd=plant.folder,
            env={**os.environ, "PYTHONPATH": str(PROJECT / "src")},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        said: list[str] = []
        assert watching.stdout is not None

        def wait_for(sign: str, requirement: str) -> None:
            for line in watching.stdout:  # type: ignore[union-attr]
                said.append(line)
                if f"{sign} {requirement}" in line:
                    return
            pytest.fail("".join(said))

        with watching:
            guard = threading.Timer(LIMIT_S, watching.kill)
            guard.start()
            try:
                seen = {}
                while len(seen) < len(FAULTS):
                    line = watching.stdout.readline()
                    said.append(line)
                    found = re.match(r"\S+ ✗ (\S+)", line)
                    seen |= {found[1]: line} if found else {}
                    assert line, "".join(said)
                assert seen.keys() == {requirement for _, requirement in FAULTS.values()}
                for host, (_, requirement) in FAULTS.items():
                    run(plant.inside(host, "nft", "delete", "table", "inet", "lab"))
                    wait_for("✓", requirement)
                said += list(watching.stdout)
            finally:
                guard.cancel()
        assert watching.returncode == 0, "".join(said)
        (certificate,) = plant.folder.glob("reports/*/certificate.json")
        assert json.loads(certificate.read_bytes())["verdict"] == "accepted"
        assert "Everything required is met" in "".join(said)
