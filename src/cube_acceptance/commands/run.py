"""``cube-acceptance run``: the acceptance cases of this suite, from any folder.

Options and exit status are pytest's own, which runs by the same interpreter. ``run`` is what the
console command does where it is given no other name.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys

from cube_acceptance import __version__, started
from cube_acceptance.output import make_lasting

USAGE = "usage: cube-acceptance [run] [OPTION...]\n"

HELP = """\

Tests whether a network gives a HOMAG CUBE what its documented prerequisites ask for, and writes
the certificate into a new folder below ./reports.

  cube-acceptance                                      the simulated site: nothing else is asked
  cube-acceptance --cube 10.20.0.50                    one CUBE, every other setting at its default
  cube-acceptance --site werk-ulm.toml                 what a site file says
  cube-acceptance --site werk-ulm.toml -m required     required requirements only
  cube-acceptance --site werk-ulm.toml -k NTP-01       one requirement: incomplete at best
  cube-acceptance --site werk-ulm.toml -n auto         spread over processes, for many CUBEs

options:
  --site FILE        the site file that says what to test
  --cube ADDRESS     test one CUBE without a site file
  --reports DIR      where the run's folder goes (default: ./reports)
  --lang de|en       language of terminal and certificate (default: the site file's or computer's)
  --sign KEY         sign the certificate with this OpenSSH private key
  --pdf              print the certificate to PDF with an installed browser
  --replaces FOLDER  name the certificate of that run as the one that this one replaces
  --replay FILE      judge a saved evidence.json instead of measuring
  --version          the version of the suite

exit status:
  0           accepted, or accepted with reservations
  1           rejected
  10          incomplete: something required was not measured
  2, 3, 4, 5  interrupted, internal error, usage error, no case selected

All of pytest's options work as well:

"""

TAKES_OVER = os.name == "posix"
"""Whether a program can take over another one's process; Windows starts a second one."""

HELP_OPTIONS = frozenset({"-h", "--help"})


def main(arguments: list[str]) -> int:
    """Run the acceptance cases, and return pytest's exit status."""
    return start(f"{started.COMMAND} run", arguments)


def start(name: str, typed: list[str], usage: str = USAGE) -> int:
    """Run the cases for a command of this name with what was typed behind it.

    Where that asks for help, ``usage`` comes first, and pytest's own options last.

    Only a system that cannot put one program into another's place gets here a second time.
    """
    make_lasting()
    if typed == ["--version"]:
        sys.stdout.write(f"{started.COMMAND} {__version__}\n")
        return 0
    if HELP_OPTIONS.intersection(typed):
        sys.stdout.write(usage + HELP)
    command = [sys.executable, "-m", "pytest", *started.arguments(name, typed)]
    # What lies in the working folder under the name of a module is none.
    environment = {**os.environ, "PYTHONSAFEPATH": "1"}
    sys.stdout.flush()
    if TAKES_OVER:  # so every signal means to this process what it means to pytest
        os.execve(sys.executable, command, environment)  # noqa: S606 - the same interpreter
    return wait(command, environment)


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
