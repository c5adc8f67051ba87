"""Output that nobody can read any more ends no run: the certificate is what counts.

A reader that goes away (``pytest | head``), a full disk behind a redirection and a closed stream
are no reasons to lose what was measured, nor to leave the exit status to the interpreter. Neither
is a code page that lacks a character: what it has stands in for it.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import TextIO

STREAMS = ("stdout", "stderr")


STAND_INS = {
    "\N{RIGHTWARDS ARROW}": "->",
    "\N{LEFTWARDS ARROW}": "<-",
    "\N{DOUBLE LOW-9 QUOTATION MARK}": '"',
    "\N{LEFT DOUBLE QUOTATION MARK}": '"',
    "\N{RIGHT DOUBLE QUOTATION MARK}": '"',
    "\N{SINGLE LOW-9 QUOTATION MARK}": "'",
    "\N{LEFT SINGLE QUOTATION MARK}": "'",
    "\N{RIGHT SINGLE QUOTATION MARK}": "'",
    "\N{EN DASH}": "-",
    "\N{EM DASH}": "-",
    "\N{MIDDLE DOT}": "-",
    "\N{BULLET}": "-",
    "\N{CHECK MARK}": "+",
    "\N{BALLOT X}": "x",
    "\N{MULTIPLICATION SIGN}": "x",
    "\N{LATIN SMALL LETTER SHARP S}": "ss",
    "\N{LATIN SMALL LETTER A WITH DIAERESIS}": "ae",
    "\N{LATIN SMALL LETTER O WITH DIAERESIS}": "oe",
    "\N{LATIN SMALL LETTER U WITH DIAERESIS}": "ue",
    "\N{LATIN CAPITAL LETTER A WITH DIAERESIS}": "Ae",
    "\N{LATIN CAPITAL LETTER O WITH DIAERESIS}": "Oe",
    "\N{LATIN CAPITAL LETTER U WITH DIAERESIS}": "Ue",
}
"""What everybody reads for a character that a code page may lack."""


def showable(text: str, encoding: str, errors: str = "strict") -> str:
    """Write a text with the characters that an encoding has; none is escaped."""
    if _has(encoding, text, errors):
        return text
    return "".join(_shown(character, encoding, errors) for character in text)


def _shown(character: str, encoding: str, errors: str) -> str:
    alike = unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode("ascii")
    for one in (character, STAND_INS.get(character, ""), alike):
        if one and _has(encoding, one, errors):
            return one
    return "?"


def _has(encoding: str, text: str, errors: str) -> bool:
    try:
        text.encode(encoding, errors)
    except UnicodeEncodeError:
        return False
    return True


class Lasting:
    """A text stream that goes on where writing to it fails: into nowhere."""

    def __init__(self, stream: TextIO) -> None:
        """Stand in for this stream."""
        self._stream = stream

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the stream has
        """Return the stream's own."""
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write a text, or drop it where the stream cannot take it; return its length."""
        shown = showable(text, self._stream.encoding or "utf-8", self._errors())
        self._attempt(lambda: self._stream.write(shown))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write texts one after the other, or drop them likewise."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Pass on what is held back, or drop it likewise."""
        self._attempt(self._stream.flush)

    def _errors(self) -> str:
        """Return how the stream passes on bytes that are no text; it escapes nothing else."""
        return "surrogateescape" if self._stream.errors == "surrogateescape" else "strict"

    def _attempt(self, action: Callable[[], object]) -> None:
        """Do it; where that fails, turn the stream to nowhere with what it still holds.

        ``ValueError`` is what a stream says that has been closed.
        """
        try:
            action()
        except (OSError, ValueError):
            with contextlib.suppress(OSError, ValueError):
                _lead_nowhere(self._stream)
                self._stream.flush()


def make_lasting() -> None:
    """Put such a stream into the place of both standard streams, one that is closed included."""
    for name in STREAMS:
        stream = getattr(sys, name)
        if stream is None:
            stream = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - for the process
        if not isinstance(stream, Lasting):
            setattr(sys, name, Lasting(stream))


def _lead_nowhere(stream: TextIO) -> None:
    """Turn the file below a stream to the null device; the interpreter flushes it at its end.

    Raises:
        OSError: there is no file below it.
    """
    try:
        descriptor = stream.fileno()
    except io.UnsupportedOperation:
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, descriptor)
    finally:
        os.close(nowhere)
