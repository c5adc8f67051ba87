"""The fixed words of the certificate in German and English, and how both write times and figures.

The words are data in ``wording.toml``. What is said about a requirement comes localised from
``certificate.json``.
"""

from __future__ import annotations

import tomllib
from datetime import UTC, datetime, timedelta, timezone
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from cube_acceptance.text import sentences
from cube_acceptance.text.foreign import plain

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cube_acceptance.catalogue import Language, VerdictKind

SPACE = "\N{NO-BREAK SPACE}"
MINUS = "\N{MINUS SIGN}"

GERMAN_ZONES = {"CET": "MEZ", "CEST": "MESZ"}
"""Zone names that have a German short form."""


@cache
def words() -> dict[str, dict[Language, str]]:
    """Load every word as ``section.key``, in both languages."""
    data = files("cube_acceptance.text").joinpath("wording.toml").read_text("utf-8")
    return {
        f"{section}.{key}": texts
        for section, entries in tomllib.loads(data).items()
        for key, texts in entries.items()
    }


def say(key: str, language: Language, **facts: object) -> str:
    """Return a word or sentence of the certificate.

    Raises:
        KeyError: there is no such word, or a fact that it needs is missing.
    """
    return words()[key][language].format(**facts)


def can_write(signs: str, encoding: str | None) -> bool:
    """Whether a stream of this encoding has these characters."""
    try:
        signs.encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def verdict_word(verdict: str, kind: VerdictKind, language: Language) -> str:
    """Return a verdict: only a run with the CUBE there accepts, and only in a real network."""
    return say(
        f"verdict.{verdict}" if kind == "acceptance" else f"verdict.{kind}-{verdict}", language
    )


def label(section: str, key: str, language: Language) -> str:
    """Return a word for a key that data brings along; the key itself where there is none."""
    texts = words().get(f"{section}.{key}")
    return texts[language] if texts else plain(key)


def some(names: Sequence[str], limit: int, language: Language) -> str:
    """List at most so many names, and how many more there are."""
    shown, rest = ", ".join(names[:limit]), len(names) - limit
    return f"{shown} {say('cube.others', language, count=rest)}" if rest > 0 else shown


def decimal(value: float, language: Language) -> str:
    """Write a measured figure with at most six decimals and the language's decimal sign."""
    text = str(abs(value))
    if isinstance(value, float):  # no more precisely than it was measured
        text = f"{abs(value):.6f}".rstrip("0").rstrip(".")
    text = text.replace(".", ",") if language == "de" else text
    return f"{MINUS}{text}" if value < 0 and text != "0" else text


def milliseconds(seconds: float, language: Language) -> str:
    """Write a duration in milliseconds, or from one second on in seconds."""
    if seconds < 1:
        return f"{sentences.number(round(seconds * 1000, 1), language)}{SPACE}ms"
    return f"{sentences.number(seconds, language)}{SPACE}s"


def local(moment: str, time: Mapping[str, object]) -> datetime:
    """Turn an ISO moment in UTC into local time of the run, ``time`` as on the certificate."""
    offset = timedelta(minutes=int(str(time["utc_offset_min"])))
    return datetime.fromisoformat(moment).astimezone(timezone(offset) if offset else UTC)


def zone(time: Mapping[str, object], language: Language) -> str:
    """Name the run's time zone: MEZ or MESZ in German where they are meant, else UTC+1."""
    name = GERMAN_ZONES.get(str(time["zone"]))
    if language == "de" and name:
        return name
    offset = int(str(time["utc_offset_min"]))
    hours, minutes = divmod(abs(offset), 60)
    if not offset:
        return "UTC"
    sign = "+" if offset > 0 else MINUS
    return f"UTC{sign}{hours}:{minutes:02d}" if minutes else f"UTC{sign}{hours}"


def clock(moment: str, time: Mapping[str, object], language: Language) -> str:
    """Write the time of day with milliseconds."""
    text = local(moment, time).isoformat(timespec="milliseconds")[11:23]
    return text.replace(".", ",") if language == "de" else text


def moment(when: str, time: Mapping[str, object], language: Language) -> str:
    """Write date and time of day with the zone: ``23.11.2026, 10:00:00 Uhr (MEZ)``."""
    here = local(when, time)
    day = date(here.isoformat(), language)
    return f"{day}, {here:%H:%M:%S}{SPACE}{_behind_a_time(time, language)}"


def span(time: Mapping[str, object], language: Language) -> str:
    """Write from when to when a run lasted; the day once where it is the same."""
    start, end = (local(str(time[key]), time) for key in ("started", "ended"))
    if start.date() != end.date():
        ends = [moment(str(time[key]), time, language) for key in ("started", "ended")]
        return say("front.span", language, start=ends[0], end=ends[1])
    clocks = say("front.span", language, start=f"{start:%H:%M:%S}", end=f"{end:%H:%M:%S}")
    day = date(start.isoformat(), language)
    return f"{day}, {clocks}{SPACE}{_behind_a_time(time, language)}"


def _behind_a_time(time: Mapping[str, object], language: Language) -> str:
    name = zone(time, language)
    return f"Uhr ({name})" if language == "de" else name


def date(day: str, language: Language) -> str:
    """Write the day of an ISO date or moment: 23.11.2026 or 23 November 2026."""
    return sentences.date(day, language).replace(" ", SPACE)
