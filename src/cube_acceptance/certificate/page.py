"""Renders ``certificate.json`` as a page that stands alone: no script, no network, one part.

The first page is the certificate for those who sign it; what follows is for those who have to
act on it or to check it.
"""

from __future__ import annotations

import re
from collections import Counter
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from cube_acceptance.certificate import picture, wording
from cube_acceptance.certificate.markup import (
    Markup,
    closing,
    element,
    join,
    opening,
    pairs,
    table,
)
from cube_acceptance.certificate.sections import Reading, Section, interface, sections, spoken
from cube_acceptance.certificate.wording import say
from cube_acceptance.text.foreign import plain
from cube_acceptance.verdict import OUTCOMES, worst

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cube_acceptance.catalogue import Language
    from cube_acceptance.evidence import Observation
    from cube_acceptance.verdict import Outcome

CUBES_ON_FRONT = 6
"""Up to this many CUBEs stand on the first page one by one; above, as a summary."""

NAMES_ON_FRONT = 12
"""How many CUBEs the first page's summary names as not passing."""

VERSIONS_ON_FRONT = 6
"""How many software versions the first page's summary counts one by one."""

WATERMARKS = 3
"""How often the simulated run's mark crosses the screen and every printed page."""

_CSS_PLAIN = re.compile(r"[^A-Za-z0-9 .,:+/-]")


@cache
def style() -> str:
    """Load the style sheet."""
    return files("cube_acceptance.certificate").joinpath("style.css").read_text("utf-8")


def title(certificate: Mapping[str, Any], language: Language) -> str:
    """Name the document by what it is: certificate, readiness report, or neither."""
    if certificate["simulated"]:
        return say("document.simulated", language)
    key = "readiness" if certificate["stage"] == "readiness" else "certificate"
    return say(f"document.{key}", language)


def verdict(certificate: Mapping[str, Any], language: Language) -> str:
    """Say the verdict; a simulated one says so."""
    word = say(f"verdict.{certificate['verdict']}", language)
    return say("verdict.simulated", language, verdict=word) if certificate["simulated"] else word


def render(
    certificate: Mapping[str, Any],
    language: Language,
    observations: Mapping[str, Observation] | None = None,
) -> Iterator[Markup]:
    """Render the certificate as an HTML fragment: a style sheet and one ``main`` element.

    It comes in pieces, made one after another: a fleet's page is megabytes.

    Args:
        certificate: The content of ``certificate.json``.
        language: The language of labels; what the certificate says is in its own language.
        observations: The observations of ``evidence.json`` by key, for the raw data.
    """
    reading = Reading(certificate, language, observations or {})
    parts = sections(reading)
    numbers = {part.key: number for number, part in enumerate(parts, 1)}
    sheet = element("style", Markup(style() + running_lines(certificate, language)))
    yield sheet
    yield opening("main", class_="certificate", lang=language)
    yield picture.signs()
    yield _notices(reading)
    yield front(reading, numbers)
    for number, part in enumerate(parts, 1):
        yield from _numbered(reading, part, number)
    number_text = plain(certificate["certificate_id"])
    yield element("p", say("document.end", language, id=number_text), class_="end")
    yield closing("main")


def running_lines(certificate: Mapping[str, Any], language: Language) -> str:
    """Write the style sheet's part for what stands on every printed page."""
    name = f"{title(certificate, language)} · {certificate['certificate_id']}"
    before, between, after = re.split(
        r"[12]", say("document.page", language, page=1, pages=2), maxsplit=2
    )
    numbering = (
        f"{css_text(before)} counter(page) {css_text(between)} counter(pages) {css_text(after)}"
    )
    mark = say("notice.simulated", language) if certificate["simulated"] else ""
    return (
        f"@page {{ @bottom-left {{ content: {css_text(name)} }}"
        f" @bottom-right {{ content: {numbering} }}"
        f" @top-center {{ content: {css_text(mark)} }} }}\n"
    )


def css_text(text: str) -> str:
    """Write a text as a CSS string that cannot end early, whatever it holds."""
    escaped = _CSS_PLAIN.sub(lambda found: f"\\{ord(found[0]):x} ", plain(text))
    return f'"{escaped}"'


def _numbered(reading: Reading, part: Section, number: int) -> Iterator[Markup]:
    """Give a section in pieces."""
    heading = f"{number} {reading.say(f'{part.key}.heading')}"
    key = f"part-{part.key}"
    yield opening("section", aria_labelledby=key, class_=f"part {key}")
    yield element("h2", heading, id=key)
    yield from part.body
    yield closing("section")


def _notices(reading: Reading) -> Markup:
    """Say loudly what keeps this page from being an ordinary certificate."""
    return join(
        [
            _simulated_notice(reading) if reading.certificate["simulated"] else "",
            _notice(reading, "replayed") if reading.certificate["replayed"] else "",
        ]
    )


def _notice(reading: Reading, kind: str) -> Markup:
    return element(
        "p",
        element("strong", reading.say(f"notice.{kind}")),
        " ",
        element("span", reading.say(f"notice.{kind}_why")),
        class_=f"notice {kind}",
    )


def _simulated_notice(reading: Reading) -> Markup:
    """Lay the simulated run's mark over the screen and every printed page, and say what it is."""
    mark = element("span", data_mark=reading.say("notice.simulated_mark"))
    watermark = element("div", join([mark] * WATERMARKS), class_="watermark", aria_hidden="true")
    return join([watermark, _notice(reading, "simulated")])


def front(reading: Reading, numbers: Mapping[str, int]) -> Markup:
    """Build the first page."""
    certificate, language = reading.certificate, reading.language
    blocks = [
        element(
            "header",
            element(
                "div",
                element("h1", title(certificate, language)),
                element(
                    "p",
                    f"{reading.say('document.number')} ",
                    element("span", certificate["certificate_id"], class_="id"),
                    class_="number",
                ),
            ),
            class_="head",
        ),
        _verdict(reading),
        _circumstances(reading),
        _block(reading, "item", _item(reading, numbers)),
        _block(reading, "path", _path(reading), picture.legend(certificate, language)),
        _block(
            reading,
            "requirements",
            _requirements(reading),
            element("p", reading.say("result.icmp_short"), class_="hint"),
        ),
        _block(reading, "signatures", *_signatures(reading)),
    ]
    name = title(certificate, language)
    return element("section", join(blocks, "\n"), class_="front", aria_label=name)


def _block(reading: Reading, key: str, body: Markup, aside: Markup | None = None) -> Markup:
    """Build a part of the first page; ``aside`` stands beside its heading."""
    head = element("h2", reading.say(f"front.{key}"))
    if aside:
        head = element("div", head, aside, class_="heading")
    return element("section", head, body, class_=f"block {key}")


def _verdict(reading: Reading) -> Markup:
    certificate, language = reading.certificate, reading.language
    decided = certificate["verdict"]
    return element(
        "div",
        picture.seal(decided, simulated=certificate["simulated"]),
        element(
            "div",
            element("p", reading.say("verdict.heading"), class_="verdict-label"),
            element("p", verdict(certificate, language), class_="verdict-word"),
            element("p", reason(certificate, language), class_="verdict-why"),
            element(
                "p",
                join(element("span", line) for line in totals(certificate, language)),
                class_="totals",
            ),
        ),
        class_="verdict simulated" if certificate["simulated"] else f"verdict verdict-{decided}",
    )


def reason(certificate: Mapping[str, Any], language: Language) -> str:
    """Say what the verdict follows from."""
    decided = certificate["verdict"]
    open_ = {"inconclusive", "not-run"} & set(certificate["totals"].get("required", {}))
    if decided == "incomplete" and not open_:
        return say("because.incomplete-otherwise", language)
    return say(f"because.{decided}", language)


def totals(certificate: Mapping[str, Any], language: Language) -> list[str]:
    """Count the results of each level by outcome, the worst first, as lines of text."""
    lines = []
    for level in ("required", "optional"):
        counts = certificate["totals"].get(level, {})
        shown = ", ".join(
            say(
                "result.total",
                language,
                count=counts[word],
                outcome=say(f"outcome.{word}", language),
            )
            for word in OUTCOMES
            if counts.get(word)
        )
        name = say(f"level.{level}", language)
        lines.append(
            say(
                "result.totals",
                language,
                level=name[0].upper() + name[1:],
                counts=shown or say("result.none", language),
            )
        )
    return lines


def _circumstances(reading: Reading) -> Markup:
    """Say where, when, by whom and against what it was tested."""
    certificate = reading.certificate
    site, people, vantage = certificate["site"], certificate["people"], certificate["vantage"]
    document = certificate["requirements_document"]
    place = ", ".join(text for text in (vantage["host"], interface(vantage)) if text)
    return pairs(
        [
            (reading.say("front.site"), site["name"]),
            (reading.say("front.customer"), site["customer"]),
            (reading.say("front.location"), site["location"]),
            (reading.say("front.tested"), wording.span(certificate["time"], reading.language)),
            (reading.say("front.operator"), person(people["operator"])),
            (reading.say("front.measured_from"), place),
            (
                reading.say("front.basis"),
                reading.say(
                    "front.basis_text",
                    publisher=document.get("publisher", "HOMAG"),
                    title=document["title"],
                ),
            ),
            (reading.say("document.stage"), reading.say(f"stage.{certificate['stage']}")),
        ],
        "circumstances",
    )


def person(who: Mapping[str, str] | None) -> str:
    """Name somebody with their organisation; empty where nobody is named."""
    return ", ".join(text for text in (who["name"], who["organisation"]) if text) if who else ""


def standings(certificate: Mapping[str, Any]) -> dict[str, Outcome]:
    """Give the worst outcome of the required requirements of every CUBE, by its name."""
    outcomes: dict[str, list[Outcome]] = {}
    for result in certificate["results"]:
        if result["level"] == "required":
            outcomes.setdefault(result["subject"], []).append(result["outcome"])
    return {
        cube["name"]: worst(outcomes.get(cube["name"], ())) for cube in certificate["item"]["cubes"]
    }


def _item(reading: Reading, numbers: Mapping[str, int]) -> Markup:
    cubes = reading.certificate["item"]["cubes"]
    if not cubes:
        return element("p", reading.say("front.no_cube"))
    if len(cubes) > CUBES_ON_FRONT:
        return _fleet(reading, cubes, numbers["each"])
    unknown = reading.say("cube.unknown")
    fields = ("name", "address", "version", "serial")
    standing = standings(reading.certificate)
    return table(
        [*(reading.say(f"cube.{field}") for field in fields), reading.say("cube.result")],
        [
            [
                *(cube[field] or unknown for field in fields),
                picture.outcome(standing[cube["name"]], reading.language),
            ]
            for cube in cubes
        ],
        "cubes",
    )


def _fleet(reading: Reading, cubes: Sequence[Mapping[str, Any]], section: int) -> Markup:
    """Sum up many CUBEs: how many, which versions, how many fare how, and which do not pass."""
    certificate, language = reading.certificate, reading.language
    by_outcome: dict[Outcome, list[str]] = {}
    for name, outcome in standings(certificate).items():
        by_outcome.setdefault(outcome, []).append(name)
    outcomes = [
        element(
            "li",
            picture.outcome(word, language),
            f": {len(by_outcome[word])}",
            "" if word in {"pass", "not-applicable"} else f" ({_names(reading, by_outcome[word])})",
        )
        for word in OUTCOMES
        if word in by_outcome
    ]
    addresses = [cube["address"] for cube in cubes]
    return pairs(
        [
            (
                reading.say("cube.count"),
                reading.say("cube.fleet", count=len(cubes), section=section),
            ),
            (
                reading.say("cube.addresses"),
                reading.say("front.span", start=addresses[0], end=addresses[-1]),
            ),
            (reading.say("cube.versions"), _versions(reading, cubes)),
            (reading.say("cube.result"), element("ul", join(outcomes))),
        ],
        "fleet",
    )


def _names(reading: Reading, names: Sequence[str]) -> str:
    shown = ", ".join(names[:NAMES_ON_FRONT])
    rest = len(names) - NAMES_ON_FRONT
    return f"{shown} {reading.say('cube.others', count=rest)}" if rest > 0 else shown


def _versions(reading: Reading, cubes: Sequence[Mapping[str, Any]]) -> str:
    counts = Counter(cube["version"] or reading.say("cube.no_version") for cube in cubes)
    shown = [
        reading.say("cube.version_count", version=plain(version), count=count)
        for version, count in counts.most_common(VERSIONS_ON_FRONT)
    ]
    rest = len(counts) - len(shown)
    return ", ".join(shown) + (f" {reading.say('cube.others', count=rest)}" if rest > 0 else "")


def _path(reading: Reading) -> Markup:
    return element(
        "div",
        picture.path(reading.certificate, reading.language),
        class_="scroll",
        tabindex="0",
        role="group",
        aria_label=reading.say("picture.scroll"),
    )


def _requirements(reading: Reading) -> Markup:
    heads = ("requirement", "port", "level", "outcome")
    groups = picture.by_requirement(reading.certificate["results"])
    return table(
        [reading.say(f"result.{head}") for head in heads],
        [
            [
                join([element("b", requirement), " ", results[0]["title"]]),
                results[0]["port"],
                reading.say(f"level.{results[0]['level']}"),
                _aggregate(reading, results),
            ]
            for requirement, results in groups.items()
        ],
        "requirements",
    )


def _aggregate(reading: Reading, results: Sequence[Mapping[str, Any]]) -> Markup:
    """Show the worst outcome; of several CUBEs with the number that has it."""
    word = worst(result["outcome"] for result in results)
    shown = picture.outcome(word, reading.language)
    if len(results) == 1:
        return shown
    count = sum(result["outcome"] == word for result in results)
    return join([shown, element("small", f" {count}/{len(results)}")])


def _signatures(reading: Reading) -> tuple[Markup, Markup | None]:
    """Build the lines to sign on, and what signing means; a simulated run has neither."""
    certificate = reading.certificate
    if certificate["simulated"]:
        return element("p", reading.say("signature.none"), class_="unsigned"), None
    people = certificate["people"]
    roles = {"operator": people["operator"], "customer": people["approver"]}
    if people["witness"]:
        roles["witness"] = people["witness"]
    statement = "readiness" if certificate["stage"] == "readiness" else certificate["verdict"]
    return (
        join(_signature(reading, role, who) for role, who in roles.items()),
        element("p", reading.say(f"signature.{statement}"), class_="hint"),
    )


def _signature(reading: Reading, role: str, who: Mapping[str, str] | None) -> Markup:
    return element(
        "div",
        element("h3", reading.say(f"signature.{role}")),
        _line(reading.say("signature.name"), person(who)),
        _line(reading.say("signature.place_date"), ""),
        _line(reading.say("signature.sign"), ""),
        class_="signatory",
    )


def _line(name: str, filled: str) -> Markup:
    """Leave a line to be filled in by hand, with its name below."""
    return element(
        "p", element("span", filled, class_="blank"), element("span", name, class_="under")
    )


def unfinished(language: Language, facts: Mapping[str, str]) -> str:
    """Render the page that stands in a run's folder until the run has finished.

    ``facts`` may name ``started``, ``site`` and ``folder``; a reader sees what there is.
    """
    shown = pairs(
        (say(f"unfinished.{key}", language), spoken(facts.get(key, ""), language))
        for key in ("site", "started", "folder")
    )
    name = say("unfinished.title", language)
    body = element(
        "main",
        element("h1", picture.icon("not-run"), " ", name),
        element("p", say("unfinished.text", language)),
        element("p", say("unfinished.again", language)),
        shown,
        class_="certificate unfinished",
    )
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", name),
        element("style", Markup(style())),
    )
    page = element("html", head, element("body", body), lang=language)
    return f"<!DOCTYPE html>\n{page}\n"
