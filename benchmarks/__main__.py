"""Measures the suite beside its floors and peers: ``python -m benchmarks [timing|conditions]``.

``timing`` (the default) runs the work, in turn, ``--times`` times; ``conditions`` lets suite and
peers judge a sample of the fault matrix. Both keep their figures in ``docs/performance.json`` and
write ``docs/performance.md`` from all that is there. Linux and root, as for the lab.
"""

from __future__ import annotations

import argparse
import os
import platform
import signal
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path

import msgspec

from benchmarks import conditions, page, peers, timing
from selftests.lab.daemons import missing
from selftests.lab.plant import clear_leftovers

DOCS = Path(__file__).parents[1] / "docs"
FIGURES = DOCS / "performance.json"
PAGE = DOCS / "performance.md"

PACKAGES = ("pytest", "pytest-html", "pytest-xdist", "dnspython", "requests", "paramiko")
DEBIAN = ("monitoring-plugins-basic", "nmap", "nginx-light", "dnsmasq-base")


def machine() -> dict[str, str]:
    """Describe what the figures were taken on, without naming the machine."""
    processors = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(":")[2] for line in processors if "model name" in line), "")
    memory = Path("/proc/meminfo").read_text().split()[1]
    return {
        "processors": f"{os.cpu_count()}, {' '.join(model.split())}",
        "memory": f"{int(memory) / 1024**2:.0f} GiB",
        "system": f"{platform.system()} {platform.release().partition('-')[0]}",
        "Python": platform.python_version(),
        "packages": ", ".join(f"{name} {metadata.version(name)}" for name in PACKAGES),
        "servers and peers": ", ".join(f"{name} {debian(name)}" for name in DEBIAN),
    }


def debian(package: str) -> str:
    """Return the version of a Debian package; empty where it did not come as one."""
    asked = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Version}", package],
        capture_output=True,
        text=True,
        check=False,
    )
    return asked.stdout


def load() -> page.Figures:
    """Read the figures of before; none where there are none."""
    if not FIGURES.exists():
        return page.Figures()
    return msgspec.json.decode(FIGURES.read_bytes(), type=page.Figures)


def save(figures: page.Figures) -> None:
    """Keep the figures and write the page, once there is something to be shown."""
    encoded = msgspec.json.format(msgspec.json.encode(figures, order="sorted"), indent=1)
    FIGURES.write_bytes(encoded + b"\n")
    if figures.timing:
        PAGE.write_text(page.write(figures), encoding="utf-8")


def say(line: str) -> None:
    """Write a line at once, so that a long run can be watched."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main(arguments: list[str] | None = None) -> int:
    """Measure what the command line asks for; 0 whatever the figures are."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("part", nargs="?", choices=("timing", "conditions"), default="timing")
    parser.add_argument("--times", type=int, default=5, help="rounds of the timing")
    parser.add_argument("--stride", type=int, default=10, help="every how many conditions")
    parser.add_argument("--jobs", type=int, default=4, help="conditions at the same time")
    chosen = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if lacking := [*missing(), *peers.missing()]:
        say(f"this computer lacks {', '.join(lacking)}")
        return 1
    clear_leftovers()
    begin, load_before = time.monotonic(), os.getloadavg()[1]
    figures, measured = load(), timing.commit()
    if chosen.part == "timing":
        figures.timing = timing.measure(chosen.times, say)
        figures.rounds, figures.date = chosen.times, timing.moment()
        figures.commit = measured
        figures.facts = machine() | {"load before the first round": f"{load_before:.1f}"}
    else:
        figures.conditions = conditions.decide(chosen.stride, chosen.jobs, say)
        figures.stride = chosen.stride
    save(figures)
    say(f"{chosen.part} took {time.monotonic() - begin:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
