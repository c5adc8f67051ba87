"""What the first page shows, made from ``certificate.json``; how it looks is in its template."""

from __future__ import annotations

from collections import Counter
from ipaddress import IPv4Network
from typing import TYPE_CHECKING, Any

from cube_acceptance.catalogue import SITE
from cube_acceptance.text.foreign import one_line
from cube_acceptance.text.wording import date, local, say, some, verdict_word
from cube_acceptance.verdict import OUTCOMES, verdict_kind, worst

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cube_acceptance.catalogue import Language
    from cube_acceptance.certificate.reading import Reading
    from cube_acceptance.verdict import Outcome

CUBES_ON_FRONT = 6
"""Up to this many CUBEs stand on the first page one by one; above, as a summary."""

LINES_ON_FRONT = 8
"""How many lines CUBEs, remarks on them and deviations may take on the first page together; a
single CUBE stands there in any case."""

LINE_ON_FRONT = 150
"""Characters that a line of the first page has room for, rather too many than too few."""

NAMES_ON_FRONT = 12
"""How many CUBEs the first page's summary names as not passing."""

VERSIONS_ON_FRONT = 6
"""How many software versions the first page's summary counts one by one."""


RESERVATIONS_ON_FRONT = 5
"""How many deviations stand on the first page; all of them follow in their sections."""

RESERVATION_LIMIT = 120
"""Characters of somebody's own words in one of them."""

ON_FRONT = (
    "named-late", "alias-lost", "tcp-refused", "offer-without-names", "offer-without-time",
    "servers-disagree", "two-devices", "cube-clock", "other-device", "small-packets",
)  # fmt: skip
"""Observations that whoever signs has to know, the gravest first: what was tested may not be what
the CUBE is given, or not what is installed."""


def title(certificate: Mapping[str, Any], language: Language) -> str:
    """Name the document by what it is: certificate, readiness report, or neither."""
    if certificate["simulated"]:
        return say("document.simulated", language)
    key = "readiness" if certificate["stage"] == "readiness" else "certificate"
    return say(f"document.{key}", language)


def verdict(certificate: Mapping[str, Any], language: Language) -> str:
    """Return the verdict in the words of its kind."""
    kind = verdict_kind(certificate["stage"], simulated=certificate["simulated"])
    return verdict_word(certificate["verdict"], kind, language)


def reason(certificate: Mapping[str, Any], language: Language) -> str:
    """Describe what the verdict follows from."""
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


def person(who: Mapping[str, str] | None) -> str:
    """Name somebody with their organisation; empty where nobody is named."""
    return ", ".join(text for text in (who["name"], who["organisation"]) if text) if who else ""


def reached(who: Mapping[str, str] | None) -> str:
    """Name somebody with organisation and how to reach them; empty where nobody is named."""
    return ", ".join(filter(None, (person(who), (who or {}).get("contact", ""))))


def laboratory(who: Mapping[str, str] | None) -> str:
    """Name who tests, with the address of the organisation; empty where nobody is named."""
    return ", ".join(filter(None, (person(who), (who or {}).get("address", ""))))


def customer(site: Mapping[str, str]) -> str:
    """Name the customer, and how the customer is reached."""
    return ", ".join(filter(None, (site["customer"], site.get("contact", ""))))


def issue(reading: Reading) -> str:
    """Return when the certificate was made, behind its number; empty where that is not known."""
    time = reading.certificate["time"]
    if not time.get("issued"):
        return ""
    issued = local(time["issued"], time).isoformat()
    return reading.say("front.issued", date=date(issued, reading.language))


def one_by_one(reading: Reading) -> bool:
    """Whether the first page has room for a line for every CUBE, beside what must stand there."""
    cubes = len(reading.certificate["item"]["cubes"])
    said = [*remarks(reading), *reservations(reading)]
    beside = sum(1 + len(text) // LINE_ON_FRONT for text in said)
    return cubes <= CUBES_ON_FRONT and cubes + beside <= max(LINES_ON_FRONT, beside + 1)


def identity(cube: Mapping[str, str]) -> str:
    """Return what tells a CUBE from others: its serial number, else its hardware address."""
    return cube["serial"] or cube["mac"] or cube.get("mac_seen", "")


def reservations(reading: Reading) -> list[str]:
    """Return accepted deviations and those from the method, and how many more there are."""
    certificate = reading.certificate
    accepted = [
        reading.say(
            "front.accepted",
            what=" ".join(filter(None, (each["requirement"], each.get("cube"), each.get("cause")))),
            why=one_line(each["justification"], RESERVATION_LIMIT),
            approver=one_line(each["approver"], RESERVATION_LIMIT),
            expires=date(each["expires"], reading.language),
        )
        for each in certificate["waivers"]
        if each["used"]
    ]
    texts = accepted + [entry["text"] for entry in certificate["deviations"]]
    rest = len(texts) - RESERVATIONS_ON_FRONT
    more = [reading.say("cube.others", count=rest)] if rest > 0 else []
    return texts[:RESERVATIONS_ON_FRONT] + more


def speaks(certificate: Mapping[str, Any], language: Language) -> str:
    """Say for whom the results speak; empty where nothing was measured from anywhere."""
    vantage = certificate["vantage"]
    if not vantage["address"]:
        return ""
    readiness = certificate["stage"] == "readiness"
    said = say(
        "front.speaks_readiness" if readiness else "front.speaks",
        language,
        address=vantage["address"],
        interface=vantage["interface"],
        **({"network": _network(vantage)} if readiness else {}),
    )
    own = [
        say(
            "front.speaks_own",
            language,
            entries=", ".join(entries),
            cubes=some(cubes, NAMES_ON_FRONT, language),
        )
        for entries, cubes in from_cubes(certificate).items()
    ]
    return " ".join([said, *own])


def from_cubes(certificate: Mapping[str, Any]) -> dict[tuple[str, ...], list[str]]:
    """Return which entries were measured from which CUBEs themselves: in all of their cases."""
    entries: dict[str, tuple[str, ...]] = {}
    for result in certificate["results"]:
        cases = [case["observed"].get("from_cubes", ()) for case in result["cases"]]
        for cube in cases[0] if cases else ():
            if all(cube in names for names in cases):
                entries[cube] = (*entries.get(cube, ()), result["requirement"])
    found: dict[tuple[str, ...], list[str]] = {}
    for cube, measured in entries.items():
        found.setdefault(measured, []).append(cube)
    return found


def _network(vantage: Mapping[str, Any]) -> str:
    return str(IPv4Network(f"{vantage['address']}/{vantage['prefix']}", strict=False))


def interface(vantage: Mapping[str, Any]) -> str:
    """Name the interface under test with its address and network."""
    if not vantage["address"]:
        return str(vantage["interface"])
    return f"{vantage['interface']}, {vantage['address']}/{vantage['prefix']}"


def place(vantage: Mapping[str, Any]) -> str:
    """Name the computer and the interface that were measured from."""
    return ", ".join(text for text in (vantage["host"], interface(vantage)) if text)


def basis(reading: Reading) -> str:
    """Name the document that the requirements come from."""
    document = reading.certificate["requirements_document"]
    publisher = document.get("publisher", "HOMAG")
    text = reading.say("front.basis_text", publisher=publisher, title=document["title"])
    read_on = document.get("read_on")
    if not read_on:
        return text
    return reading.say("front.basis_read", basis=text, date=date(read_on, reading.language))


def standings(certificate: Mapping[str, Any]) -> list[tuple[Mapping[str, Any], Outcome]]:
    """Return every CUBE with the worst outcome of its required requirements."""
    outcomes: dict[str, list[Outcome]] = {}
    for result in certificate["results"]:
        if result["level"] == "required":
            outcomes.setdefault(result["subject"], []).append(result["outcome"])
    return [(cube, worst(outcomes.get(cube["name"], ()))) for cube in certificate["item"]["cubes"]]


def remarks(reading: Reading) -> list[str]:
    """Return the observations that belong on the first page, and how many more there are.

    Of those about the network the gravest: they are long, and the signatures have to fit below.
    """
    observed = reading.certificate["observations"]
    known = sorted(
        (entry for entry in observed if entry["code"] in ON_FRONT),
        key=lambda entry: ON_FRONT.index(entry["code"]),
    )
    network = [f"{one['requirement']}: {one['text']}" for one in known if one["subject"] == SITE]
    cubes = [f"{one['subject']}: {one['text']}" for one in known if one["subject"] != SITE]
    texts = [*network[:1], *cubes[: CUBES_ON_FRONT - len(network[:1])]]
    rest = len(known) - len(texts)
    return texts + ([reading.say("cube.others", count=rest)] if rest > 0 else [])


def by_outcome(certificate: Mapping[str, Any]) -> list[tuple[Outcome, list[str]]]:
    """Return which CUBEs fare how, by name, the worst first."""
    names: dict[Outcome, list[str]] = {}
    for cube, outcome in standings(certificate):
        names.setdefault(outcome, []).append(cube["name"])
    return [(word, names[word]) for word in OUTCOMES if word in names]


def versions(reading: Reading) -> str:
    """Count the CUBEs by their software version, the most frequent first."""
    cubes = reading.certificate["item"]["cubes"]
    counts = Counter(cube["version"] or reading.say("cube.no_version") for cube in cubes)
    told = [
        reading.say("cube.version_count", version=version, count=count)
        for version, count in counts.most_common()
    ]
    return some(told, VERSIONS_ON_FRONT, reading.language)


def aggregate(results: Sequence[Mapping[str, Any]]) -> tuple[Outcome, str]:
    """Return the worst outcome, and of several CUBEs how many of them have it."""
    word = worst(result["outcome"] for result in results)
    if len(results) == 1:
        return word, ""
    return word, f"{sum(result['outcome'] == word for result in results)}/{len(results)}"


def ports(results: Sequence[Mapping[str, Any]]) -> str:
    """Name the ports of a requirement, each once; CUBEs of two versions can have two."""
    return ", ".join(dict.fromkeys(result["port"] for result in results))


def signatories(people: Mapping[str, Any]) -> list[tuple[str, Mapping[str, str] | None]]:
    """Return who signs, and in which role; a witness only where one is named."""
    roles = [("operator", people["operator"]), ("customer", people["approver"])]
    return roles + ([("witness", people["witness"])] if people["witness"] else [])
