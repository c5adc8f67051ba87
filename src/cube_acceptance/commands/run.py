"""``cube-acceptance run``: the acceptance cases of this suite, from any folder.

Options and exit status are pytest's own, which runs by the same interpreter. ``run`` is what the
console command does where it is given no other name.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys

from cube_acceptance import __version__, started
from cube_acceptance.output import make_lasting
from cube_acceptance.text import usage
from cube_acceptance.text.options import asked, overview

TAKES_OVER = os.name == "posix"
"""Whether a program can take over another one's process; Windows starts a second one."""

USAGE_ERROR = 4
"""pytest's word for it."""

OUTSIDE = "PYTEST_ADDOPTS"
"""The variable of the environment with options for pytest."""

HELP_OPTIONS = frozenset({"-h", "--help"})


def main(arguments: list[str]) -> int:
    """Run the acceptance cases, and return pytest's exit status."""
    return start(f"{started.COMMAND} run", arguments)


def start(name: str, typed: list[str]) -> int:
    """Run the cases for a command of this name with what was typed behind it.

    Where that asks for help, ours comes first, and pytest's own options last.

    Only a system that cannot put one program into another's place gets here a second time.
    """
    make_lasting()
    if trouble := check_outside(os.environ.get(OUTSIDE, "")):
        sys.stderr.write(f"{usage.said(trouble, asked(typed))}\n")
        return USAGE_ERROR
    if typed == ["--version"]:
        sys.stdout.write(f"{started.COMMAND} {__version__}\n")
        return 0
    if HELP_OPTIONS.intersection(typed):
        language = asked(typed)
        sys.stdout.write(overview("commands", language) + overview("run", language))
    command = [sys.executable, "-m", "pytest", *started.arguments(name, typed)]
    # What lies in the working folder under the name of a module is none.
    environment = {**os.environ, "PYTHONSAFEPATH": "1"}
    sys.stdout.flush()
    if TAKES_OVER:  # so every signal means to this process what it means to pytest
        os.execve(sys.executable, command, environment)  # noqa: S606 - the same interpreter
    return wait(command, environment)


def check_outside(options: str) -> str:
    """Return what is wrong with the options from the environment; empty where they can be read.

    pytest itself would end with a traceback and the exit status of a rejection.
    """
    try:
        shlex.split(options)
    except ValueError:
        return f"{OUTSIDE}: a quotation mark is not closed; correct the variable or empty it"
    return ""


def wait(command: list[str], environment: dict[str, str]) -> int:
    """Run pytest as a child and return its exit status.

    On Windows Ctrl-C reaches every program of the console: it is the child's to answer.
    """
    with subprocess.Popen(command, env=environment) as child:  # noqa: S603 - the same interpreter
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            return child.wait()
        finally:
            signal.signal(signal.SIGINT, before)
