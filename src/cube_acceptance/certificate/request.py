"""The request to the network's administrator: one model, written as text, as CSV and as a page.

It holds only what an administrator can do. What is left for whoever tests stands apart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from cube_acceptance.catalogue import LEVELS, SITE, Language, Level
from cube_acceptance.certificate import front, picture, sections
from cube_acceptance.text import wording
from cube_acceptance.text.comma import csv_line
from cube_acceptance.text.foreign import plain
from cube_acceptance.text.wording import say

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from cube_acceptance.certificate.rules import Rule

TEXT = "request.txt"
TABLE = "request.csv"

RULE_FIELDS = ("source", "destination", "protocol", "port", "direction")
"""What a rule says, in the order that administrators read it."""

COLUMNS = (
    *("reference", "site", "requirement", "title", "level", "cause", "cubes", "reason", "action"),
    *("source", "for_the_test", "destination", "protocol", "port", "direction", "contact"),
)
"""The columns of the table, in the words of ``certificate.json``."""

WIDTH = 13
"""How far the values of the text stand in, behind their names."""


class Item(NamedTuple):
    """What is asked for one requirement."""

    requirement: str
    title: str
    level: Level
    cause: str
    cubes: tuple[str, ...]
    """Which CUBEs it is for, by name and address; empty where it is for all."""
    reasons: tuple[str, ...]
    meaning: str
    actions: tuple[str, ...]
    rules: tuple[Rule, ...]


class OwnWork(NamedTuple):
    """What the tester has to do for one requirement."""

    requirement: str
    title: str
    texts: tuple[str, ...]


class Request(NamedTuple):
    """A request to the network's administrator."""

    language: Language
    site: str
    reference: str
    """The certificate's number; empty before the visit."""
    date: str
    contact: str
    items: tuple[Item, ...]
    own: tuple[OwnWork, ...] = ()
    simulated: bool = False

    def say(self, key: str, **facts: object) -> str:
        """Return a word or sentence in the language of the request."""
        return say(key, self.language, **facts)

    def of(self, level: Level) -> list[Item]:
        """Return what is asked for the requirements of one level."""
        return [item for item in self.items if item.level == level]


def after(certificate: Mapping[str, Any], language: Language) -> Request:
    """Make the request that follows from a certificate: what is not met."""
    groups = picture.by_requirement(certificate["results"])
    items = (_item(certificate, results, language) for results in groups.values())
    own = (_own_work(results) for results in groups.values())
    return Request(
        language=language,
        site=certificate["site"]["name"] or certificate["site"]["customer"],
        reference=certificate["certificate_id"],
        date=wording.moment(certificate["time"]["started"], certificate["time"], language),
        contact=front.reached(certificate["people"]["operator"]),
        items=tuple(item for item in items if item.actions),
        own=tuple(each for each in own if each.texts),
        simulated=certificate["simulated"],
    )


def _item(
    certificate: Mapping[str, Any], results: Sequence[Mapping[str, Any]], language: Language
) -> Item:
    open_ = [result for result in results if any(case.get("asked") for case in result["cases"])]
    asked = [
        (result["subject"], case)
        for result in open_
        for case in result["cases"]
        if case.get("asked")
    ]
    names = {result["subject"] for result in open_ if result["subject"] != SITE}
    cubes = {cube["name"]: cube for cube in certificate["item"]["cubes"] if cube["name"] in names}
    return Item(
        requirement=results[0]["requirement"],
        title=results[0]["title"],
        level=results[0]["level"],
        cause=next((case["cause"] for _, case in asked), ""),
        cubes=tuple(map(named, cubes.values())),
        reasons=_alike(((subject, case["reason"]) for subject, case in asked), cubes, language),
        meaning=open_[0]["meaning"] if open_ else "",
        actions=_alike(((subject, case["asked"]) for subject, case in asked), cubes, language),
        rules=tuple(sections.rules_of(open_)),
    )


def _alike(
    said: Iterable[tuple[str, str]], cubes: Mapping[str, Mapping[str, Any]], language: Language
) -> tuple[str, ...]:
    """Say once what is said of several CUBEs alike, and of how many more it holds."""
    kinds: dict[str, list[str]] = {}
    for subject, text in said:
        kinds.setdefault(sections.of_any(cubes.get(subject, {}), text), []).append(text)
    return tuple(
        f"{texts[0]} {say('request.likewise', language, count=len(texts) - 1)}"
        if kind != texts[0] and len(texts) > 1
        else texts[0]
        for kind, texts in kinds.items()
    )


def _own_work(results: Sequence[Mapping[str, Any]]) -> OwnWork:
    cases = (case for result in results for case in result["cases"])
    return OwnWork(
        requirement=results[0]["requirement"],
        title=results[0]["title"],
        texts=tuple(dict.fromkeys(case["own_work"] for case in cases if case.get("own_work"))),
    )


def named(cube: Mapping[str, Any]) -> str:
    """Name a CUBE with its address."""
    name, address = str(cube["name"]), str(cube["address"])
    return address if name == address else f"{name} ({address})"


def sources(request: Request, rule: Rule) -> str:
    """Name the sources of a rule: the CUBEs, and for the test the test computer."""
    key = "rule.also" if rule.source else "rule.computer"
    computer = rule.for_the_test and request.say(key, address=rule.for_the_test)
    return "; ".join(filter(None, (rule.source, computer)))


def values(request: Request, rule: Rule) -> list[str]:
    """Return a rule's fields as words, in the order of :data:`RULE_FIELDS`."""
    port = rule.port or request.say("rule.no_port")
    direction = wording.label("direction", rule.direction, request.language)
    return [sources(request, rule), rule.destination, rule.protocol, port, direction]


def as_text(request: Request) -> str:
    """Write the request as plain text for a mail or a ticket."""
    lines = [*heading(request), ""]
    lines += list(_asked(request)) if request.items else [request.say("request.nothing")]
    if request.simulated:
        notice = request.say("notice.simulated")
        lines = [notice, "", *lines, "", notice]
    return "\n".join(map(_whole, lines)) + "\n"


def heading(request: Request) -> list[str]:
    """Write what the request is, what it rests on, and whom to ask."""
    kind = "subject" if request.reference else "letter"
    lines = [request.say(f"request.{kind}", site=request.site or "HOMAG CUBE")]
    if request.reference:
        lines.append(request.say("request.reference", id=request.reference, date=request.date))
    if request.contact:
        lines.append(request.say("request.contact", contact=request.contact))
    return lines


def _asked(request: Request) -> Iterator[str]:
    yield request.say("request.intro" if request.reference else "request.letter_intro")
    number = 0
    for level in LEVELS:
        items = request.of(level)
        if items:
            yield from ("", request.say(f"request.{level}"))
        for item in items:
            number += 1
            yield from ("", f"{number}. {item.requirement} {item.title}")
            yield from _told(request, item)
    if request.reference:
        yield from ("", request.say("request.after"))


def _told(request: Request, item: Item) -> Iterator[str]:
    for key, texts in told(request, item):
        yield from (_aligned(request.say(key), text) for text in texts)
    for rule in item.rules:
        yield from ("", f"   {request.say('request.rule')}: {rule.text}")
        for field, value in zip(RULE_FIELDS, values(request, rule), strict=True):
            yield "  " + _aligned(request.say(f"rule.{field}"), value)


def told(request: Request, item: Item) -> list[tuple[str, tuple[str, ...]]]:
    """Return what is said of an item by the word's key, without what is empty."""
    cubes = (", ".join(item.cubes),) if item.cubes else ()
    meaning = (item.meaning,) if item.meaning else ()
    what, why = ("reason", "meaning") if request.reference else ("what", "why")
    said = [
        ("request.cubes", cubes),
        (f"request.{what}", item.reasons),
        (f"request.{why}", meaning),
        ("request.action", item.actions),
    ]
    return [(key, texts) for key, texts in said if texts]


def _aligned(name: str, value: str) -> str:
    return f"   {(name + ':').ljust(WIDTH)}{value}"


def as_csv(request: Request) -> str:
    """Write the request as comma-separated values, one line for a rule or for an action."""
    return "".join(map(csv_line, [COLUMNS, *_rows(request)]))


def _rows(request: Request) -> Iterator[Iterable[object]]:
    for level in LEVELS:
        for item in request.of(level):
            for rule in item.rules or (None,):
                yield map(_whole, _row(request, item, rule))


def _row(request: Request, item: Item, rule: Rule | None) -> tuple[str, ...]:
    rule_cells: tuple[str, ...] = ("",) * 6
    action = " ".join(item.actions)
    if rule:
        action = action or rule.text
        rule_cells = (rule.source, rule.for_the_test, *rule[2:6])
    return (
        *(request.reference, request.site, item.requirement, item.title, item.level, item.cause),
        *("; ".join(item.cubes), " ".join(item.reasons) or item.meaning, action),
        *(*rule_cells, request.contact),
    )


def _whole(text: str) -> str:
    """Make a text fit to be shown; a list of addresses that is cut short is no rule."""
    return plain(text, len(text))
