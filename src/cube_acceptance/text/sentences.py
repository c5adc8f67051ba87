"""Makes sentences from the catalogue's templates and a judgement's facts, in German or English."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from cube_acceptance.text import usage

if TYPE_CHECKING:
    from cube_acceptance.catalogue import Catalogue, Language
    from cube_acceptance.judge import Fact

MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?Z")
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_GROUP = "\N{NARROW NO-BREAK SPACE}"
_MINUS = "\N{MINUS SIGN}"
_MISSING = "\N{EN DASH}"


def number(value: float, language: Language) -> str:
    """Write a number: at most one decimal, a comma in German, thousands set apart (ISO 80000-1)."""
    text = f"{abs(value):,.1f}".replace(",", _GROUP).removesuffix(".0")
    text = text.replace(".", ",") if language == "de" else text
    return f"{_MINUS}{text}" if value < 0 and text != "0" else text


def date(moment: str, language: Language) -> str:
    """Write the day of an ISO moment as 23.11.2026 or 23 November 2026."""
    day = datetime.fromisoformat(moment)
    if language == "de":
        return f"{day:%d.%m.%Y}"
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"


def spoken(value: Fact, catalogue: Catalogue, language: Language) -> str:
    """Write one fact as a part of a sentence."""
    if isinstance(value, dict):
        said, words = value.get("said"), catalogue.common.words
        return usage.said(said, language) if said else words[value["word"]].sentence(language)
    if isinstance(value, list):
        return ", ".join(spoken(item, catalogue, language) for item in value)
    if isinstance(value, int | float):
        return number(value, language)
    if not MOMENT.fullmatch(value):
        return value
    try:
        return date(value, language)
    except ValueError:  # a text from the network that only looks like a moment
        return value


def fill(template: str, facts: dict[str, Fact], catalogue: Catalogue, language: Language) -> str:
    """Fill a template; a fact that it names and that is missing shows as an en dash."""
    words = {name: spoken(value, catalogue, language) for name, value in facts.items()}
    return re.sub(r"\{(\w+)\}", lambda name: words.get(name[1]) or _MISSING, template)


class Told(NamedTuple):
    """What is said of a case that did not pass."""

    reason: str
    """Why its requirement is not met or cannot be judged."""
    asked: str
    """What is asked of the network's administrator; empty where nothing is."""
    own_work: str
    """What the tester has to do about it; empty where nothing is."""

    @property
    def remedy(self) -> str:
        """Everything that can be done about it, the network's administrator's share first."""
        return " ".join(filter(None, (self.asked, self.own_work)))


def tell(
    catalogue: Catalogue, requirement: str, text: str, facts: dict[str, Fact], language: Language
) -> Told:
    """Say all that there is to be said of a case, by the key of its text."""
    said = catalogue.text(requirement, text)
    templates = (said.sentence(language), said.ask(language), said.own(language))
    return Told(*(fill(template, facts, catalogue, language) for template in templates))


def note(
    catalogue: Catalogue, requirement: str, code: str, facts: dict[str, Fact], language: Language
) -> str:
    """Describe an observation that moves no verdict."""
    template = catalogue[requirement].notes[code].sentence(language)
    return fill(template, facts, catalogue, language)
