"""The work, its floors and its peers, in turn, several times."""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import peers
from benchmarks.plants import DARK, FIRST, FULL, HEALTHY, SERVERS, built, cases_of, of_many
from benchmarks.work import Bench, Measured
from selftests.lab.certificates import Authorities
from selftests.lab.session import SITE

if TYPE_CHECKING:
    from collections.abc import Callable

FLEET, LARGE, SILENT = 100, 1000, 10
PROCESSES = 2
SLOW_ROUNDS = 2
"""How often what takes half a minute and more is run; two show that it is no slip."""


def measure(rounds: int, say: Callable[[str], None]) -> dict[str, list[Measured]]:
    """Run everything ``rounds`` times, in turn, and give every run by the name of its work."""
    found: dict[str, list[Measured]] = defaultdict(list)
    with contextlib.ExitStack() as opened:
        folder = opened.enter_context(tempfile.TemporaryDirectory(prefix="cube-bench-"))
        bench = Bench(Path(folder))
        bench.prepare()
        works, slow = _works(bench, opened)
        for name in ("empty", "collect", "healthy"):
            works[name]()  # writes the bytecode; not counted
        for number in range(rounds):
            for name, work in works.items():
                if name in slow and number >= SLOW_ROUNDS:
                    continue
                found[name].append(work())
                last = found[name][-1]
                say(
                    f"{number + 1}/{rounds} {name}: {last.seconds:.2f} s, {last.cpu_s:.2f} s CPU,"
                    f" {last.peak_kib // 1024} MiB, status {last.status} {last.verdict}"
                )
    return dict(found)


def _works(
    bench: Bench, opened: contextlib.ExitStack
) -> tuple[dict[str, Callable[[], Measured]], frozenset[str]]:
    """Build the plants and name what is done in them, in the order of one round."""
    authorities = Authorities.make()
    fleets = {
        "fleet": of_many(FLEET),
        "large": of_many(LARGE),
        "large-dark": of_many(LARGE, SILENT),
    }
    conditions = {"healthy": HEALTHY, "full": FULL, "dark": DARK} | fleets
    plants = {
        name: opened.enter_context(built(condition, authorities))
        for name, condition in conditions.items()
    }
    healthy = plants["healthy"]
    works: dict[str, Callable[[], Measured]] = {
        "empty-collect": lambda: bench.empty(healthy, ["--collect-only"]),
        "collect": lambda: bench.session(healthy, HEALTHY, ["--collect-only"]),
        "empty": lambda: bench.empty(healthy),
        "required": lambda: bench.session(healthy, HEALTHY, ["-m", "required"]),
        "command": lambda: bench.session(healthy, HEALTHY, program="cube-acceptance"),
        "dark-servers": lambda: bench.session(plants["dark"], SERVERS),
    }
    for name, condition in conditions.items():
        plant = plants[name]
        works[name] = lambda plant=plant, row=condition: bench.session(plant, row)  # type: ignore[misc]
    for name in ("healthy", "large"):
        works[f"{name}-spread"] = lambda plant=plants[name], row=conditions[name]: bench.session(  # type: ignore[misc]
            plant, row, ["-n", str(PROCESSES)]
        )
    for name, count in (("fleet", FLEET), ("large", LARGE)):
        plant = plants[name]
        works[f"{name}-plain"] = lambda plant=plant, count=count: bench.exchanges(  # type: ignore[misc]
            plant, FIRST, count
        )
        cases = cases_of(conditions[name])
        works[f"{name}-empty"] = lambda plant=plant, cases=cases: bench.cases(plant, cases)  # type: ignore[misc]
    slow = set()
    for peer, writer in (("plugins", peers.plugins), ("nmap", peers.nmap)):
        for way in ("parallel", "sequence"):
            text = writer(SITE, parallel=way == "parallel")
            for state in ("healthy", "dark"):
                plant, name = plants[state], f"{peer}-{way}-{state}"
                works[name] = lambda plant=plant, text=text: bench.script(plant, text)  # type: ignore[misc]
                if peer == "nmap" or (way, state) == ("sequence", "dark"):
                    slow.add(name)
    return works, frozenset(slow)


def commit() -> str:
    """Name the commit that is measured, and say where something was changed since."""
    here = Path(__file__).parent
    shown = ["git", "-C", str(here), "describe", "--always", "--dirty", "--abbrev=12"]
    asked = subprocess.run(shown, capture_output=True, text=True, check=True)
    return asked.stdout.strip()


def moment() -> str:
    """Return today's date for the page."""
    return time.strftime("%Y-%m-%d", time.gmtime())
