"""A certificate as it is read: in which language, and with which observations at hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from cube_acceptance import catalogue
from cube_acceptance.text.wording import say

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cube_acceptance.catalogue import Language
    from cube_acceptance.evidence import Observation

FLEET_CUBES = 12
"""Above this many CUBEs, raw data and paper show only the cases that did not pass."""


class Reading(NamedTuple):
    """A certificate, the language to write it in, and the observations if they are at hand."""

    certificate: Mapping[str, Any]
    language: Language
    observations: Mapping[str, Observation]

    def say(self, key: str, **facts: object) -> str:
        """Return a word or sentence in the reader's language."""
        return say(key, self.language, **facts)

    def says(self, *keys: str) -> tuple[str, ...]:
        """Return several words, such as the heads of a table's columns."""
        return tuple(map(self.say, keys))

    @property
    def several(self) -> bool:
        """Whether there is more than one CUBE."""
        return len(self.certificate["item"]["cubes"]) > 1

    @property
    def fleet(self) -> bool:
        """Whether there are too many CUBEs to show everything about each."""
        return len(self.certificate["item"]["cubes"]) > FLEET_CUBES

    def subject(self, name: str) -> str:
        """Name what a result is about."""
        return self.say("result.site") if name == catalogue.SITE else name
