"""Run network conditions side by side, each in a plant of its own, and say what disagrees.

    python -m selftests.lab.matrix                      every row
    python -m selftests.lab.matrix --quick --jobs 6     the short matrix
    python -m selftests.lab.matrix -k dns,ntp --keep D    some rows; keep what each session left
    python -m selftests.lab.matrix --times 10 -n 4      steadiness

Exit status 0 when every row is as it must be, 1 otherwise.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from selftests.lab.certificates import Authorities
from selftests.lab.condition import load
from selftests.lab.daemons import missing
from selftests.lab.plant import LabError, clear_leftovers
from selftests.lab.session import (
    SESSION_LIMIT_S,
    disagreements,
    hold_and_finish,
    keep,
    plant_under,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from selftests.lab.condition import Condition


@dataclass(frozen=True, slots=True)
class Tried:
    """One row, run once."""

    condition: Condition
    lines: list[str]
    """What disagrees with the row, a line each."""
    seconds: float


def try_out(
    condition: Condition,
    authorities: Authorities,
    more: Sequence[str] = (),
    kept: Path | None = None,
) -> Tried:
    """Build the plant under a condition, run one session in it, compare."""
    begin = time.monotonic()
    try:
        with plant_under(condition, authorities) as plant:
            before = [f"{lease}\n" for lease in condition.leases]
            ended = hold_and_finish(plant, condition, more=more)
            lines = disagreements(condition, ended)
            leases = (plant.folder / "dnsmasq.leases").read_text()
            if leases != "".join(before):
                lines.append(f"a DHCP lease was taken: {leases}")
            if kept:
                # A later round must not write over what disagreed.
                name = f"{condition.id}-differs-{time.time_ns()}" if lines else condition.id
                keep(ended, kept / name)
            if ended.certificate is None:
                lines.append(f"terminal: {ended.terminal[-2000:]}")
    except (LabError, OSError, ValueError) as error:
        lines = [f"lab: {type(error).__name__}: {error}"]
    return Tried(condition, lines, time.monotonic() - begin)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the rows that the command line chooses."""
    parser = argparse.ArgumentParser(prog="python -m selftests.lab.matrix", description=__doc__)
    parser.add_argument("--jobs", type=int, default=6, help="plants at the same time")
    parser.add_argument("--quick", action="store_true", help="the short matrix only")
    parser.add_argument("--times", type=int, default=1, help="how often each row is run")
    parser.add_argument("-k", default="", help="rows whose id holds one of these, with commas")
    parser.add_argument("-n", default="", help="processes of each session")
    parser.add_argument("--keep", type=Path, help="keep what each session left in this folder")
    chosen = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if lacking := missing():
        say(f"the lab lacks {', '.join(lacking)}")
        return 1
    clear_leftovers()
    texts = chosen.k.split(",")
    rows = [
        row
        for row in load()
        if (row.quick or not chosen.quick) and any(text in row.id for text in texts)
    ] * chosen.times
    more = ("-n", chosen.n) if chosen.n else ()
    authorities = Authorities.make()
    begin = time.monotonic()
    bad = 0
    with ThreadPoolExecutor(chosen.jobs) as pool:
        running = [pool.submit(try_out, row, authorities, more, chosen.keep) for row in rows]
        try:
            for done in as_completed(running):
                tried = done.result()
                bad += bool(tried.lines)
                word = "differs" if tried.lines else "as it must be"
                say(f"{tried.condition.id}: {word} ({tried.seconds:.1f} s)")
                for line in tried.lines:
                    say(f"    {line}")
        except BaseException:
            say(f"ending; sessions under way take up to {SESSION_LIMIT_S:.0f} s")
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    say(f"{len(rows) - bad} of {len(rows)} as they must be, {time.monotonic() - begin:.0f} s")
    return 1 if bad else 0


def say(line: str) -> None:
    """Write a line at once, so that a long run can be watched."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
