"""How the console command starts pytest, and how its session knows the command that was typed.

Everything that the command adds is an ordinary option of pytest's, in front of what was typed, so
that whoever types an option has the last word. What is in front is known, and is taken away again
where the command line is shown: nothing else can be hidden there.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from cube_acceptance import suite

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMAND = "cube-acceptance"
PYTEST = "pytest"

AGAIN = f"-m {PYTEST}"
"""How a command ends that starts the run again, without the options of the run."""

MARK = "--started-as"
"""The option, for nobody else, by which a session learns that the command started it."""

CACHE = ".pytest_cache"

_CACHED = re.compile(
    r"--(lf|lfnf|last-failed.*|ff|failed-first|nf|new-first|cache-.*|sw|sw-.*|stepwise.*)(=.*)?"
)
"""pytest's options that remember an earlier session."""


def cases() -> str:
    """Return the folder with the acceptance cases, the one thing that the command lets pytest run.

    It is named in full: pytest's own setting of it counts in the suite's folder only.
    """
    return str(suite.PROJECT / "tests")


def arguments(name: str, typed: Sequence[str]) -> list[str]:
    """Return pytest's arguments for what was typed behind a command of this name.

    The settings are named and no root: pytest takes that from beside them, and would replace
    variables in it, where a dollar sign may stand in the name of any folder. An installation is
    not written to, so pytest remembers nothing unless it is asked to, and then where it is started.
    """
    cached = any(_CACHED.fullmatch(argument) for argument in typed)
    memory = ("-o", f"cache_dir={Path.cwd() / CACHE}") if cached else ("-p", "no:cacheprovider")
    return [
        *(MARK, name, "-c", str(suite.PROJECT / "pyproject.toml")),
        *("--reports", "reports", *memory, cases()),
        *typed,
    ]


_ADDED = len(arguments(COMMAND, ()))


def command_line(given: Sequence[str], outside: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the command line as it was typed, from the arguments that pytest was given.

    Options from the environment (``outside``) come first, as pytest takes them.
    """
    typed = given[_ADDED:]
    line = (PYTEST, *outside, *given)
    if given[:1] == (MARK,) and list(given) == arguments(given[1], typed):
        line = (*given[1].split(), *outside, *typed)
    # A path may be written in bytes that are no text, and no file of ours could hold them.
    return tuple(word.encode("utf-8", "backslashreplace").decode() for word in line)


def again(command: str, line: Sequence[str]) -> str:
    """Complete a command that starts the run again, by the command line that started it.

    One that ends in anything else starts nothing, and stays as it is.
    """
    if not command.endswith(AGAIN):
        return command
    name, *options = line
    module = PYTEST if name == PYTEST else __package__
    return " ".join([command.removesuffix(AGAIN) + f"-m {module}", *map(shlex.quote, options)])
