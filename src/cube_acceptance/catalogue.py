"""The catalogue of documented requirements, loaded strictly from ``requirements.toml``.

The catalogue is the only list of what has to be proven. What applies at a site, which results
a run owes and every sentence that can be said about a requirement come from here.
"""

from __future__ import annotations

import hashlib
import string
import tomllib
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Literal

import msgspec

Language = Literal["de", "en"]
Level = Literal["required", "optional"]
Direction = Literal["outbound", "internal", "lan"]
VerdictKind = Literal["acceptance", "readiness", "simulated"]
"""What a verdict is about: network and CUBEs, the network before they come, or neither."""

LEVELS: tuple[Level, ...] = ("required", "optional")
DIRECTIONS: tuple[Direction, ...] = ("outbound", "internal", "lan")

SITE = "site"
"""The subject of a result that is about the site and not about one CUBE."""

IDS = frozenset(
    {
        "DHCP-01",
        "NTP-01",
        "DNS-01",
        "HTTPS-01",
        "PING-01",
        "DIAG-01",
        "CONN-01",
        "MDNS-01",
        "LLMNR-01",
        "PING-02",
        "SSH-01",
    }
)
"""What the source page documents. A catalogue that names anything else is not this one."""


class CatalogueError(Exception):
    """The catalogue contradicts itself or is not complete; a defect of this package."""


class Text(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One sentence in both languages, and what can be done about it by whom."""

    de: str
    en: str
    ask_de: str = ""
    ask_en: str = ""
    """What the network's administrator can do."""
    own_de: str = ""
    own_en: str = ""
    """What is the work of whoever tests."""
    rule: bool = False
    """Whether a rule in a firewall can be what is missing."""

    def sentence(self, language: Language) -> str:
        """Return the sentence's template in one language."""
        return self.de if language == "de" else self.en

    def ask(self, language: Language) -> str:
        """Return the template of what is asked of the network's administrator; it may be empty."""
        return self.ask_de if language == "de" else self.ask_en

    def own(self, language: Language) -> str:
        """Return the template of what the tester has to do; it may be empty."""
        return self.own_de if language == "de" else self.own_en


class Description(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A requirement in the words of one language."""

    title: str
    expected: str
    meaning: str
    """What it means for the CUBE when the requirement is not met."""
    request: str
    """What a rule for the network's administrator allows."""


class Requirement(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One documented requirement."""

    id: str
    level: Level
    direction: Direction
    about: Literal["site", "cube"]
    each: Literal["", "host"] = ""
    protocol: Literal["UDP", "TCP", "ICMP"]
    port: str
    group: str = ""
    """The multicast group that is asked; empty where a host is."""
    de: Description
    en: Description
    causes: tuple[str, ...]
    """What it can fail with."""
    unclear: tuple[str, ...]
    """What it can be inconclusive with; ``internal-error`` is always possible."""
    texts: dict[str, Text] = {}
    notes: dict[str, Text] = {}

    def describe(self, language: Language) -> Description:
        """Return the requirement's words in one language."""
        return self.de if language == "de" else self.en


class Document(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The page that the requirements come from."""

    title: str
    publisher: str
    source: str
    read_on: date
    """When its requirements were taken from it: the page itself bears no date."""


class Decisions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The decision rule, in the words of each kind of verdict."""

    acceptance: Text
    readiness: Text
    simulated: Text

    def of(self, kind: VerdictKind) -> Text:
        """Return the rule in the words of one kind."""
        return {"readiness": self.readiness, "simulated": self.simulated}.get(kind, self.acceptance)


class _Common(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    texts: dict[str, Text]
    words: dict[str, Text]
    deviations: dict[str, Text]
    complaints: dict[str, Text]
    decisions: Decisions


class Catalogue(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every documented requirement, in the source's order."""

    document: Document
    common: _Common
    requirement: tuple[Requirement, ...]
    sha256: str = ""

    def __getitem__(self, requirement: str) -> Requirement:
        """Return the entry with this id.

        Raises:
            KeyError: there is no such entry.
        """
        for entry in self.requirement:
            if entry.id == requirement:
                return entry
        raise KeyError(requirement)

    def text(self, requirement: str, key: str) -> Text:
        """Find the text for a requirement's cause or cause and variant.

        A variant that nobody wrote a text for is told by its cause.

        Raises:
            KeyError: neither the requirement nor the common part has it.
        """
        for wanted in (key, key.partition(".")[0]):
            for texts in (self[requirement].texts, self.common.texts):
                if wanted in texts:
                    return texts[wanted]
        raise KeyError(key)


def placeholders(template: str) -> frozenset[str]:
    """List the names that a template wants filled in.

    Raises:
        ValueError: its braces do not match.
    """
    return frozenset(name for _, name, _, _ in string.Formatter().parse(template) if name)


def parse(data: bytes) -> Catalogue:
    """Read a catalogue from the bytes of its file.

    Raises:
        CatalogueError: it is not valid, not complete, names a requirement twice, or its
            languages disagree or are empty.
    """
    try:
        catalogue = msgspec.convert(tomllib.loads(data.decode()), Catalogue)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as error:
        raise CatalogueError(f"requirements.toml: {error}") from error
    ids = [entry.id for entry in catalogue.requirement]
    if len(ids) != len(set(ids)):
        raise CatalogueError("requirements.toml names a requirement twice")
    if set(ids) != IDS:
        odd = ", ".join(sorted(set(ids) ^ IDS))
        raise CatalogueError(f"requirements.toml is not the documented list: {odd}")
    common = catalogue.common
    for texts in (common.texts, common.words, common.deviations, common.complaints):
        _check_texts(texts)
    _check_texts(msgspec.structs.asdict(common.decisions))
    for entry in catalogue.requirement:
        _check_texts(entry.texts)
        _check_texts(entry.notes)
    return msgspec.structs.replace(catalogue, sha256=hashlib.sha256(data).hexdigest())


def _check_texts(texts: dict[str, Text]) -> None:
    for key, text in texts.items():
        pairs = [(text.de, text.en), (text.ask_de, text.ask_en), (text.own_de, text.own_en)]
        try:
            same, *same_remedies = [placeholders(de) == placeholders(en) for de, en in pairs]
        except ValueError as error:
            raise CatalogueError(f"requirements.toml: {key}: {error}") from error
        if not text.de or any(bool(de) != bool(en) for de, en in pairs):
            raise CatalogueError(f"requirements.toml: {key}: a language is empty")
        if not same:
            raise CatalogueError(f"requirements.toml: {key}: the languages need different facts")
        if not all(same_remedies):
            raise CatalogueError(f"requirements.toml: {key}: the remedies need different facts")


@cache
def load() -> Catalogue:
    """Load the catalogue that is part of this package, once.

    Raises:
        CatalogueError: see :func:`parse`.
    """
    return parse(files("cube_acceptance").joinpath("requirements.toml").read_bytes())
