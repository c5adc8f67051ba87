"""A command's options: its help and its refusals are in the user's language.

The language is that of ``--lang``, else this computer's where it is German or English, else
English. Commands and argparse have their sentences in English; each has a German one in
``usage.toml``, and what argparse may say tomorrow stays as it is.
"""

from __future__ import annotations

import argparse
import sys
from importlib.resources import files
from typing import TYPE_CHECKING, Any, NoReturn

from cube_acceptance.text import computer, usage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cube_acceptance.catalogue import Language

LANG = "--lang"
REFUSED = 2
"""argparse's status of a refusal; the console command makes 4 of it."""

_GERMAN = {"usage: ": "Aufruf: ", "positional arguments:": "Angaben:", "options:": "Optionen:"}
"""argparse's headings."""
_ERROR: dict[Language, str] = {"de": "Fehler", "en": "error"}


def asked(arguments: Sequence[str]) -> Language:
    """Return the language that a command line asks for, else this computer's, else English."""
    named = [word.removeprefix(f"{LANG}=") for word in arguments if word.startswith(f"{LANG}=")]
    named += [arguments[at + 1] for at, word in enumerate(arguments[:-1]) if word == LANG]
    if {"de", "en"} & set(named):
        return "de" if "de" in named else "en"
    return computer.told() or "en"


def overview(name: str, language: Language) -> str:
    """Return a text that shows a whole command line: of all ``commands`` or of a ``run``."""
    place = files("cube_acceptance.text").joinpath("help", f"{name}.{language}.txt")
    return place.read_text("utf-8")


class Options(argparse.ArgumentParser):
    """Reads the options of one command, and helps and refuses in the user's language."""

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        prog: str,
        description: str,
        epilog: str,
        lang: str = "language (default: this computer's)",
    ) -> None:
        """Speak as these arguments ask for; ``lang`` says what ``--lang`` is for."""
        self.language: Language = asked(arguments)
        super().__init__(
            prog=prog,
            description=self.said(description),
            epilog=self.said(epilog),
            add_help=False,
        )
        self.add_argument("-h", "--help", action="help", help="show this help and end")
        self.add_argument(LANG, choices=["de", "en"], help=lang)

    def said(self, sentence: str) -> str:
        """Return a sentence in the user's language."""
        return usage.said(sentence, self.language)

    def add_argument(self, *names: str, **settings: Any) -> argparse.Action:  # noqa: ANN401 - as argparse has it
        """Add an argument, its help and the name of its value in the user's language."""
        for key in {"help", "metavar"} & settings.keys():
            settings[key] = self.said(settings[key])
        return super().add_argument(*names, **settings)

    def format_usage(self) -> str:
        """Describe in a line or two how the command is called."""
        return self._headed(super().format_usage())

    def format_help(self) -> str:
        """Describe the command and each of its arguments."""
        return self._headed(super().format_help())

    def _headed(self, text: str) -> str:
        for english, german in _GERMAN.items() if self.language == "de" else ():
            text = text.replace(english, german, 1)
        return text

    def error(self, message: str) -> NoReturn:
        """Say how the command is called and what is wrong, and end."""
        self._print_message(self.format_usage(), sys.stderr)
        self.exit(REFUSED, f"{self.prog}: {_ERROR[self.language]}: {self.said(message)}\n")
