"""The console command ``cube-acceptance``: its commands by name, each in a module of its own.

``python -m cube_acceptance`` is the same thing where scripts are not on the path.
"""

from __future__ import annotations

import importlib
import sys

from cube_acceptance import meant
from cube_acceptance.commands import run
from cube_acceptance.output import make_lasting
from cube_acceptance.started import COMMAND
from cube_acceptance.text import usage
from cube_acceptance.text.options import asked, overview

MODULES = {
    "compare": "cube_acceptance.commands.compare",
    "explain": "cube_acceptance.commands.explain",
    "init": "cube_acceptance.commands.init",
    "letter": "cube_acceptance.commands.letter",
    "outside": "cube_acceptance.outside",
    "run": "cube_acceptance.commands.run",
    "summary": "cube_acceptance.summary.command",
    "verify": "cube_acceptance.verify",
    "watch": "cube_acceptance.commands.watch",
}
"""Where each command stands; its ``main`` takes the arguments and returns the exit status."""


def main(arguments: list[str] | None = None) -> int:
    """Run the command that the first argument names, and return its exit status.

    Without a name it is ``run``. Without arguments given, those of this process count.
    """
    make_lasting()
    given = sys.argv[1:] if arguments is None else arguments
    if not given or given[0].startswith("-"):
        return run.start(COMMAND, given)
    name, *rest = given
    if name not in MODULES:
        language = asked(rest)
        what = usage.said(meant.sentence(name, MODULES), language)
        sys.stderr.write(f"{overview('commands', language)}{what}\n")
        return run.USAGE_ERROR
    try:
        status: int = importlib.import_module(MODULES[name]).main(rest)
    except SystemExit as stop:  # argparse ends a usage error with 2, and --help with 0
        return run.USAGE_ERROR if stop.code else 0
    return status
