"""How many conditions of the fault matrix the suite and its peers decide rightly."""

from __future__ import annotations

import contextlib
import subprocess
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import msgspec

from benchmarks import peers
from selftests.lab.certificates import Authorities
from selftests.lab.condition import load
from selftests.lab.session import disagreements, hold_and_finish, plant_under, site_file

if TYPE_CHECKING:
    from collections.abc import Callable

    from selftests.lab.condition import Condition

PEER_LIMIT_S = 200.0


class Decided(msgspec.Struct, frozen=True, kw_only=True):
    """What was said about one condition."""

    condition: str
    well: bool
    """Whether the row expects an accepted network."""
    suite: bool
    exact: bool
    """Whether the suite also got every entry, cause and observation of the row."""
    plugins: bool
    nmap: bool


def sample(stride: int) -> tuple[Condition, ...]:
    """Take every ``stride``-th row of the matrix, over all files."""
    return load()[::stride]


def decide(stride: int, jobs: int, say: Callable[[str], None]) -> list[Decided]:
    """Let suite and peers judge each condition of the sample, a few plants at a time."""
    authorities = Authorities.make()
    rows = sample(stride)
    found = []
    with ThreadPoolExecutor(jobs) as pool:
        for number, one in enumerate(pool.map(lambda row: _one(row, authorities), rows), 1):
            say(f"{number}/{len(rows)} {msgspec.json.encode(one).decode()}")
            found.append(one)
    return found


def _one(row: Condition, authorities: Authorities) -> Decided:
    with plant_under(row, authorities) as plant:
        ended = hold_and_finish(plant, row)
        site = site_file(row)
        said = {}
        for name, writer in (("plugins", peers.plugins), ("nmap", peers.nmap)):
            script = plant.inside("laptop", "sh", "-c", writer(site, parallel=True))
            said[name] = False
            with contextlib.suppress(subprocess.TimeoutExpired):
                done = subprocess.run(
                    script, capture_output=True, timeout=PEER_LIMIT_S, check=False
                )
                said[name] = done.returncode == 0
    return Decided(
        condition=row.id,
        well=row.exit_status == 0,
        suite=ended.status == 0,
        exact=not disagreements(row, ended),
        plugins=said["plugins"],
        nmap=said["nmap"],
    )
