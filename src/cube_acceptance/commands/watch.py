"""``cube-acceptance watch``: on the day, what is not met yet, until it is; then the whole run."""

from __future__ import annotations

import os
import shutil
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from cube_acceptance import cases, catalogue, expected, logins, suite
from cube_acceptance.certificate.terminal import Line, fitted
from cube_acceptance.commands import run
from cube_acceptance.method import load_to_measure, make_setup
from cube_acceptance.runner import NoRoomError, check_room
from cube_acceptance.site import SiteError
from cube_acceptance.survey import Survey
from cube_acceptance.text import computer, usage
from cube_acceptance.text.foreign import one_line, plain
from cube_acceptance.text.options import Options
from cube_acceptance.text.wording import can_write, say
from cube_acceptance.watching import Watch

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TextIO

    from cube_acceptance.catalogue import Catalogue, Language
    from cube_acceptance.site import LoadedSite
    from cube_acceptance.watching import Screen

USAGE_ERROR, INTERRUPTED = 4, 2
UP, WIPE = "\x1b[{}A", "\x1b[2K"
"""Ways of a terminal's cursor: up some lines, and over what stands in one (ECMA-48)."""
COLOURS = {"green": "\x1b[32m", "red": "\x1b[31m", "yellow": "\x1b[33m", "bold": "\x1b[1m"}
PLAIN = "\x1b[0m"
SIGNS = "✓✗"


def main(
    arguments: list[str],
    finish: Callable[[list[str]], int] = run.main,
    survey: Callable[..., Survey] = Survey,
) -> int:
    """Run ``cube-acceptance watch --site FILE``, and return its last run's exit status."""
    parser = Options(
        arguments,
        prog="cube-acceptance watch",
        description="Measure again and again what is not met, a line a requirement, until all that "
        "is required is met; then make one whole run with its certificate. Further options, such "
        "as --reports, --sign and --pdf, are that run's.",
        epilog="Exit status: that of the run; 2 interrupted, 4 usage.",
        lang="language of terminal and certificate",
    )
    about = parser.add_mutually_exclusive_group(required=True)
    about.add_argument(
        "--site",
        metavar=parser.said("FILE"),
        help=parser.said("the site file that says what to test"),
    )
    about.add_argument(
        "--cube", metavar=parser.said("ADDRESS"), help=parser.said("one CUBE without a site file")
    )
    options, more = parser.parse_known_args(arguments)
    book = catalogue.load()
    try:
        loaded = load_to_measure(options.site, options.cube)
        secrets = logins.load(loaded.site, Path(options.site)) if options.site else {}
        check_room(simulated=False)
    except SiteError as error:
        parser.error(plain(usage.site_error(error, parser.language)))
    except NoRoomError as error:
        parser.error(str(error))
    own: Language = loaded.site.language if loaded.name else computer.language()
    language: Language = options.lang or own
    try:
        _until_met(book, loaded, secrets, language, survey)
    except KeyboardInterrupt:
        sys.stdout.write(f"\n{say('watch.interrupted', language)}\n")
        return INTERRUPTED
    sys.stdout.write(f"\n{say('watch.finished', language)}\n")
    given = ("--site", options.site) if options.site else ("--cube", options.cube)
    return finish([*given, "--lang", language, *more])


def _until_met(
    book: Catalogue,
    loaded: LoadedSite,
    secrets: logins.Logins,
    language: Language,
    survey: Callable[..., Survey],
) -> None:
    owed = expected.owed(book, loaded.site)
    screen = screen_of(sys.stdout, language)
    watch = Watch(book, owed, cases.functions(suite.PROJECT / "tests"), language, screen)
    while True:
        began_s = time.monotonic()
        setup = make_setup(loaded)  # a cable may have been plugged in since
        watch.round(setup, survey(setup, watch.open, logins=secrets))
        if watch.finished:
            return
        watch.rest(began_s)


def screen_of(stream: TextIO, language: Language) -> Screen:
    """Return what shows lines in place on a terminal, and one after the other elsewhere."""
    return Table(stream, language) if stream.isatty() else Log(stream)


def _now() -> str:
    return f"{datetime.now().astimezone():%H:%M:%S}"


def _write(stream: TextIO, text: str) -> None:
    stream.write(text)
    stream.flush()


class Log:
    """Writes a line for each change, with its time."""

    def __init__(self, stream: TextIO) -> None:
        """Write to this stream."""
        self._stream = stream
        self.signs = can_write(SIGNS, stream.encoding)

    def show(self, line: Line) -> None:
        """Write a requirement's line."""
        _write(self._stream, f"{_now()} {one_line(line.text, len(line.text) + 1)}\n")

    def tell(self, number: int, waiting: tuple[str, ...], seconds: float) -> None:
        """Write nothing: it is no change."""


class Table:
    """Keeps a line for each requirement up to date, and one below that says what happens."""

    def __init__(self, stream: TextIO, language: Language) -> None:
        """Draw on this terminal."""
        if sys.platform == "win32":
            os.system("")  # noqa: S605, S607 - has the console understand ECMA-48
        self._stream = stream
        self._language: Language = language
        self._rows: dict[str, tuple[str, Line]] = {}
        self._drawn = 0
        self._status = ""
        self.signs = can_write(SIGNS, stream.encoding)

    def show(self, line: Line) -> None:
        """Put a requirement's line in the place of its last one."""
        self._rows[line.text.split()[1]] = (_now(), line)
        self._draw()

    def tell(self, number: int, waiting: tuple[str, ...], seconds: float) -> None:
        """Say what is asked, or how long nothing is."""
        asked = say("watch.asking", self._language, number=number, names=", ".join(waiting))
        resting = say("watch.resting", self._language, seconds=round(seconds))
        self._status = asked if waiting else resting
        self._draw()

    def _draw(self) -> None:
        width = shutil.get_terminal_size().columns - 1
        order = {entry.id: place for place, entry in enumerate(catalogue.load().requirement)}
        lines = [
            f"{''.join(COLOURS[look] for look in line.look)}"
            f"{fitted(f'{when} {line.text}', width)}{PLAIN}"
            for _, (when, line) in sorted(self._rows.items(), key=lambda row: order[row[0]])
        ]
        lines.append(fitted(self._status, width))
        up = UP.format(self._drawn) if self._drawn else ""
        body = "".join(f"{WIPE}{line}\n" for line in lines)
        _write(self._stream, f"{up}{body}")
        self._drawn = len(lines)
