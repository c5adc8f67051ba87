"""A capture, a netlink socket and a probe that say what they were told to say."""

from __future__ import annotations

import struct
import threading
from typing import TYPE_CHECKING, Self

from selftests.support.builders import lease

if TYPE_CHECKING:
    from cube_acceptance.evidence import Observation


def wait_for_closing() -> None:
    """Wait until every packet socket that was given back is closed."""
    for thread in threading.enumerate():
        if thread.name == "closing":
            thread.join()


class Account:
    """A capture with a fixed account."""

    interface, address, next_hop = "eth9", "10.0.0.9", "10.99.0.254"

    def __init__(self, diverted: str = "", kept_back: str = "", elsewhere: str = "") -> None:
        """Keep what it will say."""
        self.told = diverted, kept_back, elsewhere
        self.begun = self.ended = False

    def __call__(self, **given: object) -> Self:
        """Be made."""
        self.given = given
        return self

    def begin(self) -> None:
        """Remember it."""
        self.begun = True

    def end(self) -> None:
        """Remember it."""
        self.ended = True

    def diverted(self) -> str:
        """Return what became of an answer."""
        return self.told[0]

    def kept_back(self) -> str:
        """Return why nothing came."""
        return self.told[1]

    def other_interface(self) -> str:
        """Return where else an answer arrived."""
        return self.told[2]


def attribute(kind: int, value: bytes) -> bytes:
    """Write an attribute as Linux does."""
    return struct.pack("=HH", len(value) + 4, kind) + value + bytes(-len(value) % 4)


class FakeNetlink:
    """Hands out a list in parts."""

    def __init__(self, *parts: bytes) -> None:
        """Lay the parts out."""
        self.parts = list(parts)
        self.asked = b""

    def __call__(self, *_: int) -> Self:
        """Be made as a socket."""
        return self

    def __enter__(self) -> Self:
        """Be open."""
        return self

    def __exit__(self, *_: object) -> None:
        """Be closed."""

    def send(self, question: bytes) -> None:
        """Keep the question."""
        self.asked = question

    def recv(self, _size: int) -> bytes:
        """Return the next part."""
        return self.parts.pop(0)


class FakeProbe:
    """A probe of no protocol."""

    def __init__(self, key: str, result: Observation | None = None) -> None:
        """Bring home this result, or a lease."""
        self.key = key
        self._result = result or lease()

    def run(self) -> Observation:
        """Bring it home."""
        return self._result
