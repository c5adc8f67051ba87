"""A capture for tests of whoever asks one: it says what it was told to say."""

from __future__ import annotations

from typing import Self


class Account:
    """A capture with a fixed account."""

    interface, address, next_hop = "eth9", "10.0.0.9", "10.99.0.254"

    def __init__(self, diverted: str = "", kept_back: str = "", elsewhere: str = "") -> None:
        """Give it."""
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
        """Tell of an answer."""
        return self.told[0]

    def kept_back(self) -> str:
        """Tell of silence."""
        return self.told[1]

    def other_interface(self) -> str:
        """Tell where else an answer arrived."""
        return self.told[2]
