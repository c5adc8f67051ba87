"""A command's options; what cannot be used is refused in the user's language.

The language is that of ``--lang``, else this computer's where it is German or English, else
English. argparse makes its sentences in English; those of today have a German one in
``usage.toml``, and any other stays as it is.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, NoReturn

from cube_acceptance.text import computer, usage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cube_acceptance.catalogue import Language

LANG = "--lang"
REFUSED = 2
"""argparse's status of a refusal; the console command makes 4 of it."""

_USAGE: dict[Language, str] = {"de": "Aufruf: ", "en": "usage: "}
_ERROR: dict[Language, str] = {"de": "Fehler", "en": "error"}


def asked(arguments: Sequence[str]) -> Language:
    """Return the language that a command line asks for, else this computer's, else English."""
    named = [word.removeprefix(f"{LANG}=") for word in arguments if word.startswith(f"{LANG}=")]
    named += [arguments[at + 1] for at, word in enumerate(arguments[:-1]) if word == LANG]
    if {"de", "en"} & set(named):
        return "de" if "de" in named else "en"
    return computer.told() or "en"


class Options(argparse.ArgumentParser):
    """Reads the options of one command, and refuses in the user's language."""

    def __init__(
        self, arguments: Sequence[str], *, prog: str, epilog: str, description: str = ""
    ) -> None:
        """Speak as these arguments ask for; the other three are argparse's own."""
        super().__init__(prog=prog, description=description or None, epilog=epilog)
        self.language: Language = asked(arguments)

    def error(self, message: str) -> NoReturn:
        """Say how the command is called and what is wrong, and end."""
        how = self.format_usage().replace(_USAGE["en"], _USAGE[self.language], 1)
        what = usage.said(message, self.language)
        self._print_message(how, sys.stderr)
        self.exit(REFUSED, f"{self.prog}: {_ERROR[self.language]}: {what}\n")
