"""Output that nobody can read any more ends no run: the certificate is what counts.

A reader that goes away (``pytest | head``), a full disk behind a redirection and a closed stream
are no reasons to lose what was measured, nor to leave the exit status to the interpreter.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TextIO

STREAMS = ("stdout", "stderr")


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
        self._attempt(lambda: self._stream.write(text))
        return len(text)

    def writelines(self, lines: list[str]) -> None:
        """Write texts one after the other, or drop them likewise."""
        self.write("".join(lines))

    def flush(self) -> None:
        """Pass on what is held back, or drop it likewise."""
        self._attempt(self._stream.flush)

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
