"""What follows the first page: failures and what to ask for, evidence, method, validity.

These functions make what it shows; how it looks is in its templates.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from cube_acceptance import catalogue
from cube_acceptance.certificate.rules import Rule, merged
from cube_acceptance.text import wording
from cube_acceptance.text.sentences import MOMENT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from cube_acceptance.catalogue import Language
    from cube_acceptance.certificate.reading import Reading
    from cube_acceptance.verdict import Outcome

PARTS = (
    *("complaint", "failed", "request", "each", "observation", "deviation", "waiver"),
    *("evidence", "method", "files", "validity"),
)
"""The numbered parts in their order; each is a word of the certificate and a template."""

RAW_SHOWN = 256
"""How many bytes of one packet the page shows; ``evidence.json`` has the rest."""

RAW_WIDTH = 16
UTC: dict[str, object] = {"utc_offset_min": 0, "zone": "UTC"}
ITEMS_SHOWN = 16
"""How many items of one list among a case's facts are shown."""

SETTLED = frozenset({"pass", "not-applicable"})
"""Outcomes that nothing has to be done about."""


class CaseShown(NamedTuple):
    """One case as a row of the evidence."""

    name: str
    outcome: Outcome
    timing: tuple[str, ...]
    said: tuple[str, ...]
    """Why it did not pass, and what it goes by."""
    settled: bool


def parts(certificate: Mapping[str, Any]) -> list[str]:
    """List the parts that a certificate has, in their order."""
    missing = {
        "complaint": not certificate["complaints"],
        "each": not certificate["item"]["cubes"],
    }
    return [key for key in PARTS if not missing.get(key)]


def unsettled(
    groups: Mapping[str, Sequence[Mapping[str, Any]]],
) -> dict[str, list[Mapping[str, Any]]]:
    """Return what did not pass of each requirement; none where all of it did."""
    open_ = {
        requirement: [result for result in results if result["outcome"] not in SETTLED]
        for requirement, results in groups.items()
    }
    return {requirement: results for requirement, results in open_.items() if results}


def held_for(waiver: Mapping[str, Any]) -> str:
    """Return which CUBE and which cause a waiver is for; empty where it is for any."""
    return ", ".join(filter(None, (waiver.get("cube", ""), waiver.get("cause", ""))))


def place(results: Sequence[Mapping[str, Any]]) -> str:
    """Name the place of a requirement's details: what did not pass, else its evidence."""
    requirement = str(results[0]["requirement"]).lower()
    settled = all(result["outcome"] in SETTLED for result in results)
    return f"evidence-{requirement}" if settled else f"unmet-{requirement}"


def shared_remedy(results: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what helps every subject alike; nothing where that differs."""
    alike = len({result["remedy"] for result in results}) == 1
    return said(results[0], "remedy") if alike else []


def said(result: Mapping[str, Any], key: str) -> list[str]:
    """Return what its unsettled cases say of a result, each on its own.

    A result's own text holds those of the cases that decide, a waived one's the waiver as well.
    """
    if result["waiver"] and key == "reason":
        return [result[key]]
    texts = [case[key] for case in result["cases"] if case["outcome"] not in SETTLED]
    return [text for text in dict.fromkeys(texts or [result[key]]) if text]


def of_any(cube: Mapping[str, Any], text: str) -> str:
    """Write a text without what it calls a CUBE by, so that what is said of several is alike."""
    for key in ("address", "hostname", "name"):
        text = text.replace(cube[key], f"{{{key}}}") if cube.get(key) else text
    return text


def rules_of(results: Iterable[Mapping[str, Any]]) -> list[Rule]:
    """List the rules to ask for, those put together that differ in one end only."""
    return merged(Rule(**rule) for result in results for rule in result["requests"])


def purposes(rules: Iterable[Rule]) -> list[str]:
    """List what rules are for, each purpose once."""
    return list(dict.fromkeys(rule.text for rule in rules))


def internal(groups: Mapping[str, Sequence[Mapping[str, Any]]]) -> tuple[str, ...]:
    """List the requirements that lead to the CUBEs."""
    return tuple(key for key, results in groups.items() if results[0]["direction"] == "internal")


def matrix(
    certificate: Mapping[str, Any], requirements: Sequence[str]
) -> Iterator[tuple[str, list[Outcome]]]:
    """Return for every CUBE by name how it fares with each of these requirements."""
    outcomes = {
        (result["requirement"], result["subject"]): result["outcome"]
        for result in certificate["results"]
    }
    for cube in certificate["item"]["cubes"]:
        name = cube["name"]
        yield name, [outcomes.get((key, name), "not-run") for key in requirements]


def cases(reading: Reading, results: Iterable[Mapping[str, Any]]) -> Iterator[CaseShown]:
    """Make the rows of one requirement's evidence."""
    for result in results:
        for case in result["cases"]:
            yield CaseShown(
                name=case["case"],
                outcome=case["outcome"],
                timing=_timing(reading, case),
                said=tuple(filter(None, (case["reason"], *_facts(reading, case)))),
                settled=case["outcome"] in SETTLED,
            )


def _timing(reading: Reading, case: Mapping[str, Any]) -> tuple[str, ...]:
    time, language = reading.certificate["time"], reading.language
    if not case["started"]:
        return (reading.say("cube.unknown"),)
    began = wording.clock(case["started"], time, language)
    lasted = wording.milliseconds(case["duration_s"], language)
    return (
        reading.say("evidence.began", time=began),
        reading.say("evidence.lasted", time=lasted),
        reading.say("evidence.attempts", count=case["attempts"]),
    )


def _facts(reading: Reading, case: Mapping[str, Any]) -> list[str]:
    """Write what a case goes by, name and value, and the keys of its observations."""
    facts = {
        wording.label("fact", name, reading.language): observed(name, value, reading.language)
        for name, value in case["observed"].items()
    }
    keys = {reading.say("evidence.keys"): ", ".join(case["evidence"])}
    return [f"{name}: {value}" for name, value in (facts | keys).items() if value]


def observed(name: str, value: object, language: Language) -> str:
    """Write what was observed under a name; where that is a word of the code, in the language."""
    texts = wording.words().get(f"observed.{name}-{value}")
    return texts[language] if texts else spoken(value, language)


def spoken(value: object, language: Language) -> str:
    """Write a fact: figures in the language's way, the catalogue's words translated."""
    if isinstance(value, bool) or value is None:
        return wording.say(f"value.{str(value).lower()}", language)
    if isinstance(value, int | float):
        return wording.decimal(value, language)
    if isinstance(value, list):
        shown = [spoken(item, language) for item in value[:ITEMS_SHOWN]]
        return ", ".join(shown + ["…"] * (len(value) > ITEMS_SHOWN))
    if isinstance(value, dict):
        word = catalogue.load().common.words.get(value.get("word", ""))
        return word.sentence(language) if word else _nested(value, language)
    text = str(value)
    return wording.moment(text, UTC, language) if MOMENT.fullmatch(text) else text


def _nested(value: Mapping[str, Any], language: Language) -> str:
    return "; ".join(
        f"{wording.label('fact', name, language)}: {spoken(item, language)}"
        for name, item in list(value.items())[:ITEMS_SHOWN]
    )


def raw(reading: Reading) -> Iterator[tuple[str, str]]:
    """Write observations' tries and the bytes on the wire; of a fleet, those behind no pass."""
    keys = dict.fromkeys(
        key
        for result in reading.certificate["results"]
        for case in result["cases"]
        for key in case["evidence"]
        if key in reading.observations and not (reading.fleet and case["outcome"] in SETTLED)
    )
    for key in keys:
        text = "\n".join(_packets(reading, key))
        if text:
            yield key, text


def _packets(reading: Reading, key: str) -> Iterator[str]:
    observation = reading.observations[key]
    for attempt in observation.tries:
        result = wording.label("try", attempt.result, reading.language)
        detail = ": ".join(_way(part, reading.language) for part in attempt.detail.split(": "))
        yield (
            f"{attempt.at_s:8.3f} s  {attempt.to}  {result}  {attempt.source}  {detail}".rstrip()
        )
        yield from _bytes(reading, "evidence.sent", attempt.sent)
        yield from _bytes(reading, "evidence.received", attempt.received)
    for packet in observation.ignored:
        reason = reading.say("evidence.ignored", reason=packet.reason)
        yield f"{packet.at_s:8.3f} s  {packet.source}  {reason}"
        yield from _bytes(reading, "evidence.received", packet.raw)


def _way(text: str, language: Language) -> str:
    """Write a part of a try's detail; our own names of the ways onto the wire in the language."""
    texts = wording.words().get(f"try.{text.lower().replace(' ', '-')}")
    return texts[language] if texts else text


def _bytes(reading: Reading, word: str, data: bytes) -> Iterator[str]:
    if not data:
        return
    yield f"    {reading.say(word)}:"
    yield from ("    " + line for line in dump(data[:RAW_SHOWN]))
    if len(data) > RAW_SHOWN:
        yield "    " + reading.say("evidence.more", count=len(data) - RAW_SHOWN)


def dump(data: bytes) -> list[str]:
    """Write bytes as offset, hexadecimal and ASCII."""
    rows = [data[start : start + RAW_WIDTH] for start in range(0, len(data), RAW_WIDTH)]
    return [
        f"{number * RAW_WIDTH:04x}  {row.hex(' ').ljust(RAW_WIDTH * 3)} "
        + "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)  # noqa: PLR2004 - ASCII
        for number, row in enumerate(rows)
    ]


def clock(reading: Reading) -> str:
    """Say by how much the computer's clock was off, where that is known."""
    offset = reading.certificate["time"]["clock_offset_s"]
    if offset is None:
        return reading.say("method.clock_unknown")
    shown = wording.decimal(offset * 1000, reading.language)
    uncertainty = reading.certificate["time"].get("clock_uncertainty_s")
    if uncertainty is None:
        return reading.say("method.clock_text", offset=shown)
    doubt = wording.decimal(uncertainty * 1000, reading.language)
    return reading.say("method.clock_within", offset=shown, uncertainty=doubt)


def listed(entries: Mapping[str, Any]) -> str:
    """Write names with their values on one line."""
    return ", ".join(f"{name} {value}" for name, value in entries.items())


def limits(told: Mapping[str, Any]) -> list[str]:
    """Write every probe's limits, a line each."""
    return [
        f"`{name}`: {listed(values) if isinstance(values, dict) else values}"
        for name, values in told.items()
    ]
