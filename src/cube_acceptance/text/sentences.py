"""Makes sentences from the catalogue's templates and a judgement's facts, in German or English."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING

from cube_acceptance.text import usage

if TYPE_CHECKING:
    from cube_acceptance.catalogue import Catalogue, Language
    from cube_acceptance.judge import Fact

_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?Z")
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
        said = value.get("said")
        return (
            usage.said(said, language) if said else catalogue.word(value["word"]).sentence(language)
        )
    if isinstance(value, list):
        return ", ".join(spoken(item, catalogue, language) for item in value)
    if isinstance(value, int | float):
        return number(value, language)
    if not _MOMENT.fullmatch(value):
        return value
    try:
        return date(value, language)
    except ValueError:  # a text from the network that only looks like a moment
        return value


def fill(template: str, facts: dict[str, Fact], catalogue: Catalogue, language: Language) -> str:
    """Fill a template; a fact that it names and that is missing shows as an en dash."""
    words = {name: spoken(value, catalogue, language) for name, value in facts.items()}
    return re.sub(r"\{(\w+)\}", lambda name: words.get(name[1]) or _MISSING, template)


def reason(
    catalogue: Catalogue, requirement: str, text: str, facts: dict[str, Fact], language: Language
) -> str:
    """Return why a requirement is not met or cannot be judged."""
    return fill(catalogue.text(requirement, text).sentence(language), facts, catalogue, language)


def remedy(
    catalogue: Catalogue, requirement: str, text: str, facts: dict[str, Fact], language: Language
) -> str:
    """Describe everything that can be done about it, the network's administrator's share first."""
    arguments = (catalogue, requirement, text, facts, language)
    return " ".join(filter(None, (asked(*arguments), own_work(*arguments))))


def asked(
    catalogue: Catalogue, requirement: str, text: str, facts: dict[str, Fact], language: Language
) -> str:
    """Describe what is asked of the network's administrator; empty where nothing is."""
    return fill(catalogue.text(requirement, text).ask(language), facts, catalogue, language)


def own_work(
    catalogue: Catalogue, requirement: str, text: str, facts: dict[str, Fact], language: Language
) -> str:
    """Describe what the tester has to do about it; empty where nothing is."""
    return fill(catalogue.text(requirement, text).own(language), facts, catalogue, language)


def note(
    catalogue: Catalogue, requirement: str, code: str, facts: dict[str, Fact], language: Language
) -> str:
    """Describe an observation that moves no verdict."""
    return fill(catalogue.note(requirement, code).sentence(language), facts, catalogue, language)
