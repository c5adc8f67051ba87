"""The command ``cube-acceptance summary``: any number of certificates in one table."""

from __future__ import annotations

import itertools
import os
import sys
from concurrent.futures.process import BrokenProcessPool
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from cube_acceptance import catalogue as catalogues
from cube_acceptance.run import write_whole
from cube_acceptance.summary.checking import check_all, find_runs
from cube_acceptance.summary.rows import settle
from cube_acceptance.summary.showing import WRITERS, Table
from cube_acceptance.text import computer, usage
from cube_acceptance.text.foreign import plain
from cube_acceptance.text.options import Options

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cube_acceptance.summary.rows import Row, Stage

INTERNAL_ERROR = 3
"""pytest's word for it: no statement about any certificate."""


def main(arguments: list[str], now: datetime | None = None) -> int:
    """Run ``cube-acceptance summary FOLDER...``."""
    parser = _parser(arguments)
    options = parser.parse_args(arguments)
    try:
        folders = list(dict.fromkeys(itertools.chain(*map(find_runs, options.folder))))
        if options.allowed_signers:
            options.allowed_signers.open("rb").close()
    except OSError as error:
        parser.error(f"{plain(error.filename)}: {error.strerror}")
    moment_now = now or datetime.now(UTC)
    try:
        rows = list(check_all(folders, options.allowed_signers, moment_now, processors()))
    except BrokenProcessPool:
        what = "a process that checked certificates was ended by the system"
        sys.stderr.write(f"{usage.said(what, parser.language)}\n")
        return INTERNAL_ERROR
    stages: frozenset[Stage] = frozenset({"acceptance", options.stage})
    current, superseded = settle(rows, stages)
    table = Table(
        requirements=columns(rows),
        current=current,
        superseded=superseded if options.all else [],
        stages=stages,
        language=options.lang or computer.language(),
        signers=options.allowed_signers is not None,
    )
    try:
        write(WRITERS[options.format](table), options.output)
    except OSError as error:
        parser.error(f"{plain(options.output)}: {error.strerror}")
    return table.status


def _parser(arguments: list[str]) -> Options:
    parser = Options(
        arguments,
        prog="cube-acceptance summary",
        description="Check certificates and give one table by site and requirement.",
        epilog="Exit status: 0 every site is accepted; 1 one is rejected or does not verify; "
        "10 one is incomplete; 4 usage.",
    )
    parser.add_argument(
        "folder",
        type=Path,
        nargs="+",
        metavar="FOLDER",
        help="a run's folder, or one that holds some",
    )
    parser.add_argument("--format", choices=list(WRITERS), default="table", help="default: table")
    parser.add_argument(
        "--allowed-signers", type=Path, metavar="FILE", help="whose signature counts"
    )
    parser.add_argument("--output", type=Path, metavar="FILE", help="write there, not to stdout")
    parser.add_argument("--all", action="store_true", help="list what is superseded as well")
    parser.add_argument(
        "--stage",
        choices=["acceptance", "readiness"],
        default="acceptance",
        help="with readiness, a readiness report counts where there is no acceptance",
    )
    return parser


def columns(rows: Iterable[Row]) -> tuple[str, ...]:
    """List today's requirements, then those that only certificates of another version have."""
    today = [entry.id for entry in catalogues.load().requirement]
    return tuple(dict.fromkeys(itertools.chain(today, *(row.outcomes for row in rows))))


def write(texts: Iterable[str], output: Path | None) -> None:
    """Write to a file, which is whole or not there, or to the terminal."""
    if output:
        write_whole(output, (text.encode() for text in texts))
        return
    sys.stdout.writelines(texts)


def processors() -> int:
    """Count the processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1  # pragma: no cover - no such function on Windows and macOS
