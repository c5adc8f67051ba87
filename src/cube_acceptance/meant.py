"""What somebody probably meant by a word of the command line that is not understood."""

from __future__ import annotations

import difflib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from cube_acceptance import addresses
from cube_acceptance.started import COMMAND
from cube_acceptance.text.foreign import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable

WORD_LIMIT = 200
CERTIFICATE = "certificate.json"

_REQUIREMENT = re.compile(r"[A-Za-z]{3,6}-[0-9]{2}")


def sentence(word: str, commands: Iterable[str]) -> str:
    """Say that a word is not understood, and what to write where that can be guessed."""
    meant = _guess(word, commands)
    hint = f"did you mean: {COMMAND} {meant}" if meant else f"see {COMMAND} --help"
    return one_line(f'"{one_line(word, WORD_LIMIT)}" is not understood; {hint}', 3 * WORD_LIMIT)


def _guess(word: str, commands: Iterable[str]) -> str:
    path = Path(word)
    # A name that no file can have is an answer, too, for which Path.is_file has an error.
    finished = os.path.isfile(path / CERTIFICATE)  # noqa: PTH113
    guesses = (
        *((True, near) for near in difflib.get_close_matches(word.lower(), list(commands), n=1)),
        (path.suffix.lower() == ".toml", f"--site {word}"),
        (path.name == "evidence.json", f"--replay {word}"),
        (addresses.read(word), f"--cube {word}"),
        (_REQUIREMENT.fullmatch(word), f"-k {word}"),
        (path.name == CERTIFICATE, f"verify {path.parent}"),
        (finished, f"verify {word}"),
    )
    return next((guess for fits, guess in guesses if fits), "")
