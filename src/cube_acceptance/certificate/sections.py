"""What follows the first page: failures and what to ask for, evidence, method, validity."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from cube_acceptance import catalogue
from cube_acceptance.certificate import picture, wording
from cube_acceptance.certificate.markup import (
    Markup,
    element,
    grouped_table,
    join,
    pairs,
    row,
    stacked,
    table,
)
from cube_acceptance.certificate.wording import say
from cube_acceptance.text.foreign import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from cube_acceptance.catalogue import Language
    from cube_acceptance.evidence import Observation

FLEET_CUBES = 12
"""Above this many CUBEs, raw data and paper show only the cases that did not pass."""

RAW_SHOWN = 256
"""How many bytes of one packet the page shows; ``evidence.json`` has the rest."""

RAW_WIDTH = 16
MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?Z")
UTC: dict[str, object] = {"utc_offset_min": 0, "zone": "UTC"}
ITEMS_SHOWN = 16
"""How many items of one list among a case's facts are shown."""

ANNEX_HASH = "certificate.html without the certificate"
"""Under which name the page's hash stands in ``certificate.json``."""

RULE_FIELDS = ("source", "destination", "protocol", "port", "direction")
"""What a rule says, in the order that administrators read it."""

SETTLED = frozenset({"pass", "not-applicable"})
"""Outcomes that nothing has to be done about."""


class Reading(NamedTuple):
    """A certificate, the language to write it in, and the observations if they are at hand."""

    certificate: Mapping[str, Any]
    language: Language
    observations: Mapping[str, Observation]

    def say(self, key: str, **facts: object) -> str:
        """Say a word or sentence in the reader's language."""
        return say(key, self.language, **facts)

    @property
    def several(self) -> bool:
        """Tell whether there is more than one CUBE."""
        return len(self.certificate["item"]["cubes"]) > 1

    @property
    def fleet(self) -> bool:
        """Tell whether there are too many CUBEs to show everything about each."""
        return len(self.certificate["item"]["cubes"]) > FLEET_CUBES

    def subject(self, name: str) -> str:
        """Name what a result is about."""
        return self.say("result.site") if name == catalogue.SITE else name


class Section(NamedTuple):
    """A numbered part of the certificate."""

    key: str
    body: Iterator[Markup]
    """In pieces, made when they are asked for: a fleet's evidence is megabytes."""


def sections(reading: Reading) -> list[Section]:
    """List the parts that this certificate has, in their order."""
    builders: dict[str, Callable[[Reading], Iterator[Markup]]] = {
        "complaint": _whole(complaints),
        "failed": _whole(failures),
        "request": _whole(request),
        "each": _whole(each_cube),
        "observation": _whole(observations),
        "deviation": _whole(deviations),
        "waiver": _whole(waivers),
        "evidence": evidence,
        "method": _whole(method),
        "files": _whole(belonging_files),
        "validity": _whole(validity),
    }
    missing = {
        "complaint": not reading.certificate["complaints"],
        "each": not reading.certificate["item"]["cubes"],
    }
    return [Section(key, build(reading)) for key, build in builders.items() if not missing.get(key)]


def _whole(build: Callable[[Reading], Markup]) -> Callable[[Reading], Iterator[Markup]]:
    """Give a part in one piece."""

    def pieces(reading: Reading) -> Iterator[Markup]:
        yield build(reading)

    return pieces


def complaints(reading: Reading) -> Markup:
    """List failures that belong to no requirement."""
    return bullets(reading.certificate["complaints"])


def failures(reading: Reading) -> Markup:
    """Tell for each requirement that did not pass what it means and what to ask for."""
    groups = [
        (requirement, [result for result in results if result["outcome"] not in SETTLED])
        for requirement, results in picture.by_requirement(reading.certificate["results"]).items()
    ]
    parts = [_failure(reading, requirement, open_) for requirement, open_ in groups if open_]
    return join(parts, "\n") or element("p", reading.say("failed.nothing"))


def _failure(reading: Reading, requirement: str, results: Sequence[Mapping[str, Any]]) -> Markup:
    first = results[0]
    level = reading.say(f"level.{first['level']}")
    return element(
        "section",
        element("h3", f"{requirement} {first['title']} ", element("small", f"({level})")),
        _one(reading, first) if len(results) == 1 else _many(reading, results),
        _rules(reading, results),
        class_="failure",
    )


def _one(reading: Reading, result: Mapping[str, Any]) -> Markup:
    """Show what was expected and observed, what it means and what to do, of one subject."""
    return pairs(
        [
            (reading.say("result.outcome"), picture.outcome(result["outcome"], reading.language)),
            (
                reading.say("result.subject"),
                reading.several and reading.subject(result["subject"]),
            ),
            (reading.say("failed.expected"), result["expected"]),
            (reading.say("failed.observed"), _said(result, "reason")),
            (reading.say("failed.meaning"), result["meaning"]),
            (reading.say("failed.remedy"), _said(result, "remedy")),
        ]
    )


def _many(reading: Reading, results: Sequence[Mapping[str, Any]]) -> Markup:
    """Show what several subjects have in common once, and a row for each."""
    first = results[0]
    remedies = {result["remedy"] for result in results}
    shared = _said(first, "remedy") if len(remedies) == 1 else Markup()
    common = [
        (reading.say("failed.expected"), first["expected"]),
        (reading.say("failed.meaning"), first["meaning"]),
        (reading.say("failed.remedy"), shared),
    ]
    heads = ["result.subject", "result.outcome", "failed.observed"]
    heads += [] if shared else ["failed.remedy"]
    rows = [
        [
            reading.subject(result["subject"]),
            picture.outcome(result["outcome"], reading.language),
            _said(result, "reason"),
            *([] if shared else [_said(result, "remedy")]),
        ]
        for result in results
    ]
    return join([pairs(common), table([reading.say(head) for head in heads], rows, "found")])


def _said(result: Mapping[str, Any], key: str) -> Markup:
    """Give what is said of a result, and what its other unsettled cases say beside it.

    A waived result's reason holds its leading case's, so the cases are not repeated.
    """
    cases = [] if result["waiver"] else result["cases"]
    texts = [result[key], *(case[key] for case in cases if case["outcome"] not in SETTLED)]
    return stacked(dict.fromkeys(texts))


def merged_rules(results: Iterable[Mapping[str, Any]]) -> list[dict[str, str]]:
    """List the rules to ask for; those that differ in the destination only become one."""
    destinations: dict[tuple[str, ...], dict[str, None]] = {}
    for rule in (rule for result in results for rule in result["requests"]):
        alike = tuple(rule[field] for field in (*RULE_FIELDS, "text") if field != "destination")
        destinations.setdefault(alike, {})[rule["destination"]] = None
    return [
        {
            "source": source,
            "destination": ", ".join(places),
            "protocol": protocol,
            "port": port,
            "direction": direction,
            "text": text,
        }
        for (source, protocol, port, direction, text), places in destinations.items()
    ]


def rule_values(reading: Reading, rule: Mapping[str, str]) -> list[str]:
    """Give a rule's fields as words, in the order of :data:`RULE_FIELDS`."""
    port = rule["port"] or reading.say("rule.no_port")
    direction = wording.label("direction", rule["direction"], reading.language)
    return [rule["source"], rule["destination"], rule["protocol"], port, direction]


def _rules(reading: Reading, results: Sequence[Mapping[str, Any]]) -> Markup:
    rules = merged_rules(results)
    if not rules:
        return Markup()
    purposes = dict.fromkeys(rule["text"] for rule in rules)
    return join(
        [
            element("h4", reading.say("failed.rules")),
            join(element("p", purpose) for purpose in purposes),
            table(
                [reading.say(f"rule.{field}") for field in RULE_FIELDS],
                [rule_values(reading, rule) for rule in rules],
                "rules",
            ),
        ]
    )


def request(reading: Reading) -> Markup:
    """Put all there is to ask for together as plain text that can be copied."""
    text = request_text(reading)
    if not text:
        return element("p", reading.say("request.nothing"))
    return join(
        [
            element("p", reading.say("request.hint"), class_="hint"),
            element("pre", text, class_="request", tabindex="0"),
        ],
        "\n",
    )


def request_text(reading: Reading) -> str:
    """Write the request to the network's administrator as plain text."""
    certificate, language = reading.certificate, reading.language
    open_ = [result for result in certificate["results"] if _to_ask(result)]
    if not open_:
        return ""
    site = certificate["site"]["name"] or certificate["site"]["customer"] or "HOMAG CUBE"
    lines = [
        reading.say("request.subject", site=plain(site)),
        reading.say(
            "request.reference",
            id=plain(certificate["certificate_id"]),
            date=wording.moment(certificate["time"]["started"], certificate["time"], language),
        ),
        "",
        reading.say("request.intro"),
    ]
    number = 0
    for requirement, results in picture.by_requirement(open_).items():
        lines += ["", f"{requirement} {results[0]['title']}"]
        remedies = dict.fromkeys(
            text
            for result in results
            for text in [result["remedy"], *(case["remedy"] for case in result["cases"])]
            if text
        )
        lines += [f"- {remedy}" for remedy in remedies]
        for rule in merged_rules(results):
            number += 1
            lines += ["", f"  {reading.say('request.rule', number=number)}: {rule['text']}"]
            lines += _aligned(reading, rule)
    lines += ["", reading.say("request.after")]
    if certificate["simulated"]:
        notice = reading.say("notice.simulated")
        lines = [notice, "", *lines, "", notice]
    return "\n".join(plain(line) for line in lines)


def _to_ask(result: Mapping[str, Any]) -> bool:
    """Tell whether the network's administrator has something to do about a result."""
    return result["outcome"] in {"fail", "waived"} and bool(result["requests"] or result["remedy"])


def _aligned(reading: Reading, rule: Mapping[str, str]) -> list[str]:
    names = [reading.say(f"rule.{field}") for field in RULE_FIELDS]
    width = max(len(name) for name in names) + 2
    values = rule_values(reading, rule)
    return [
        f"    {(name + ':').ljust(width)}{value}" for name, value in zip(names, values, strict=True)
    ]


def each_cube(reading: Reading) -> Markup:
    """Show every CUBE with its data and with each of its results."""
    cubes = reading.certificate["item"]["cubes"]
    groups = picture.by_requirement(reading.certificate["results"])
    ids = [key for key, results in groups.items() if results[0]["direction"] == "internal"]
    outcomes = {
        (result["requirement"], result["subject"]): result["outcome"]
        for result in reading.certificate["results"]
    }
    fields = ("name", "address", "version", "serial", "hostname", "mac", "ssh")
    unknown = reading.say("cube.unknown")
    data = table(
        [reading.say(f"cube.{field}") for field in fields],
        [
            [
                reading.say(f"cube.ssh_{cube[field]}") if field == "ssh" else cube[field] or unknown
                for field in fields
            ]
            for cube in cubes
        ],
        "cubes",
    )
    results = table(
        [reading.say("cube.name"), *ids],
        [
            [
                cube["name"],
                *(
                    picture.outcome(outcomes.get((key, cube["name"]), "not-run"), reading.language)
                    for key in ids
                ),
            ]
            for cube in cubes
        ],
        "matrix",
    )
    return join([data, results], "\n")


def observations(reading: Reading) -> Markup:
    """List what was noticed and moves no verdict."""
    entries = reading.certificate["observations"]
    if not entries:
        return element("p", reading.say("observation.nothing"))
    return join(
        [
            element("p", reading.say("observation.hint"), class_="hint"),
            table(
                [
                    reading.say("result.requirement"),
                    reading.say("result.subject"),
                    reading.say("observation.text"),
                ],
                [
                    [entry["requirement"], reading.subject(entry["subject"]), entry["text"]]
                    for entry in entries
                ],
                "observations",
            ),
        ],
        "\n",
    )


def deviations(reading: Reading) -> Markup:
    """List where the method departed from the documented one."""
    texts = [entry["text"] for entry in reading.certificate["deviations"]]
    return bullets(texts) or element("p", reading.say("deviation.nothing"))


def waivers(reading: Reading) -> Markup:
    """List the failures that somebody accepted, and whether that was needed."""
    entries = reading.certificate["waivers"]
    if not entries:
        return element("p", reading.say("waiver.nothing"))
    keys = ("justification", "approver", "expires", "used")
    return table(
        [reading.say("result.requirement"), *(reading.say(f"waiver.{key}") for key in keys)],
        [
            [
                entry["requirement"],
                entry["justification"],
                entry["approver"],
                wording.date(entry["expires"], reading.language),
                reading.say("waiver.yes" if entry["used"] else "waiver.no"),
            ]
            for entry in entries
        ],
        "waivers",
    )


def bullets(texts: Sequence[str]) -> Markup:
    """Build a list; nothing where there are no texts."""
    return element("ul", join(element("li", text) for text in texts)) if texts else Markup()


def evidence(reading: Reading) -> Iterator[Markup]:
    """Show for every case when it ran, how often it asked, and the key facts it rests on."""
    groups = picture.by_requirement(reading.certificate["results"])
    heads = [
        reading.say(head)
        for head in ("evidence.case", "result.outcome", "evidence.time", "evidence.facts")
    ]
    zone = wording.zone(reading.certificate["time"], reading.language)
    keys = dict.fromkeys(key for results in groups.values() for key in _raw_keys(reading, results))
    yield element("p", reading.say("evidence.hint", zone=zone), class_="hint")
    if reading.fleet:
        yield element("p", reading.say("evidence.paper"), class_="hint")
    yield from grouped_table(
        heads,
        (
            (f"{requirement} {results[0]['title']}", _cases(reading, heads, results))
            for requirement, results in groups.items()
        ),
        "cases fleet-cases" if reading.fleet else "cases",
    )
    for key in keys:
        yield _raw(reading, key)


def _raw_keys(reading: Reading, results: Sequence[Mapping[str, Any]]) -> list[str]:
    """List the observations whose raw data are shown: of a fleet, those behind no pass."""
    return [
        key
        for result in results
        for case in result["cases"]
        for key in case["evidence"]
        if key in reading.observations and not (reading.fleet and case["outcome"] in SETTLED)
    ]


def _cases(
    reading: Reading, heads: Sequence[str], results: Sequence[Mapping[str, Any]]
) -> list[Markup]:
    cases = [case for result in results for case in result["cases"]]
    if not cases:
        nothing = element("td", reading.say("evidence.none"), colspan=len(heads))
        return [element("tr", nothing)]
    return [
        row(
            heads,
            [
                case["case"],
                picture.outcome(case["outcome"], reading.language),
                stacked(_timing(reading, case)),
                join([stacked([case["reason"]]), " ", stacked(_facts(reading, case))]),
            ],
            "settled" if case["outcome"] in SETTLED else "",
        )
        for case in cases
    ]


def _timing(reading: Reading, case: Mapping[str, Any]) -> list[str]:
    time, language = reading.certificate["time"], reading.language
    if not case["started"]:
        return [reading.say("cube.unknown")]
    began = wording.clock(case["started"], time, language)
    lasted = wording.milliseconds(case["duration_s"], language)
    return [
        reading.say("evidence.began", time=began),
        reading.say("evidence.lasted", time=lasted),
        reading.say("evidence.attempts", count=case["attempts"]),
    ]


def _facts(reading: Reading, case: Mapping[str, Any]) -> list[str]:
    """Write what a case goes by, name and value, and the keys of its observations."""
    facts = {
        wording.label("fact", name, reading.language): spoken(value, reading.language)
        for name, value in case["observed"].items()
    }
    keys = {reading.say("evidence.keys"): ", ".join(case["evidence"])}
    return [f"{name}: {value}" for name, value in (facts | keys).items() if value]


def spoken(value: object, language: Language) -> str:
    """Write a fact: figures in the language's way, the catalogue's words translated."""
    if isinstance(value, bool) or value is None:
        return str(value).lower()
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


def _raw(reading: Reading, key: str) -> Markup:
    """Fold away one observation's tries with the bytes that went over the wire."""
    observation = reading.observations[key]
    blocks = [
        block
        for attempt in observation.tries
        for block in (
            f"{attempt.at_s:8.3f} s  {attempt.to}  {attempt.result}  {attempt.source}"
            f"  {attempt.detail}".rstrip(),
            _bytes(reading, "evidence.sent", attempt.sent),
            _bytes(reading, "evidence.received", attempt.received),
        )
    ] + [
        block
        for packet in observation.ignored
        for block in (
            f"{packet.at_s:8.3f} s  {packet.source}  "
            + reading.say("evidence.ignored", reason=packet.reason),
            _bytes(reading, "evidence.received", packet.raw),
        )
    ]
    text = "\n".join(plain(block) for block in blocks if block)
    if not text:
        return Markup()
    return element(
        "details",
        element("summary", reading.say("evidence.raw"), " ", element("code", key)),
        element("pre", text, tabindex="0"),
        class_="raw",
    )


def _bytes(reading: Reading, word: str, data: bytes) -> str:
    if not data:
        return ""
    lines = [f"    {reading.say(word)}:"]
    lines += ["    " + line for line in dump(data[:RAW_SHOWN])]
    if len(data) > RAW_SHOWN:
        lines.append("    " + reading.say("evidence.more", count=len(data) - RAW_SHOWN))
    return "\n".join(lines)


def dump(data: bytes) -> list[str]:
    """Write bytes as offset, hexadecimal and ASCII."""
    rows = [data[start : start + RAW_WIDTH] for start in range(0, len(data), RAW_WIDTH)]
    return [
        f"{number * RAW_WIDTH:04x}  {row.hex(' ').ljust(RAW_WIDTH * 3)} "
        + "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)  # noqa: PLR2004 - ASCII
        for number, row in enumerate(rows)
    ]


def method(reading: Reading) -> Markup:
    """Say by what, from where and when it was measured, and against which document."""
    certificate, language = reading.certificate, reading.language
    how, vantage, time = certificate["method"], certificate["vantage"], certificate["time"]
    document = certificate["requirements_document"]
    site_file = certificate["site_file"]
    offset = time["clock_offset_s"]
    clock = reading.say("method.clock_unknown")
    if offset is not None:
        clock = reading.say("method.clock_text", offset=wording.decimal(offset * 1000, language))
    return pairs(
        [
            (
                reading.say("method.suite"),
                reading.say("method.suite_text", suite=how["suite"], version=how["version"]),
            ),
            (reading.say("method.commit"), how["commit"] and element("code", how["commit"])),
            (reading.say("method.command"), element("code", " ".join(how["command_line"]))),
            (reading.say("method.python"), how["python"]),
            (reading.say("method.packages"), _listed(how["packages"])),
            (reading.say("method.limits"), _limits(how["limits"])),
            (reading.say("method.time"), wording.span(time, language)),
            (reading.say("method.clock"), clock),
            (reading.say("method.host"), f"{vantage['host']}, {vantage['system']}"),
            (reading.say("method.interface"), interface(vantage)),
            (reading.say("cube.mac"), vantage["mac"]),
            (reading.say("method.addresses"), ", ".join(vantage["addresses"])),
            (reading.say("method.gateway"), vantage["gateway"]),
            (
                reading.say("method.privilege"),
                wording.label("method", f"privilege_{vantage['privilege']}", language),
            ),
            (reading.say("method.problem"), vantage["problem"]),
            (reading.say("method.document"), f"{document['title']}, {document['source']}"),
            (reading.say("method.catalogue"), element("code", document["catalogue_sha256"])),
            (
                reading.say("method.site_file"),
                join([site_file["name"], ": ", element("code", site_file["sha256"])])
                if site_file
                else reading.say("method.no_site_file"),
            ),
        ],
        "method",
    )


def interface(vantage: Mapping[str, Any]) -> str:
    """Name the interface under test with its address and network."""
    if not vantage["address"]:
        return str(vantage["interface"])
    return f"{vantage['interface']}, {vantage['address']}/{vantage['prefix']}"


def _listed(entries: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in entries.items())


def _limits(limits: Mapping[str, Any]) -> Markup:
    return stacked(
        f"`{name}`: {_listed(values) if isinstance(values, dict) else values}"
        for name, values in limits.items()
    )


def belonging_files(reading: Reading) -> Markup:
    """Name the sibling files by their hashes, and the signature with the command to check it."""
    certificate = reading.certificate
    signature = certificate["signature"]
    names = {ANNEX_HASH: reading.say("files.annex")}
    hashes = table(
        [reading.say("files.file"), reading.say("files.hash")],
        [
            [names.get(name, name), element("code", digest)]
            for name, digest in certificate["files"].items()
        ],
        "files",
    )
    if not signature:
        signed = pairs([(reading.say("files.signature"), reading.say("files.unsigned"))])
    else:
        key = reading.say("files.key", fingerprint=plain(signature["fingerprint"]))
        signed = pairs(
            [
                (reading.say("files.signature"), key),
                (reading.say("files.check"), element("code", signature["command"])),
            ]
        )
    return join([hashes, signed], "\n")


def validity(reading: Reading) -> Markup:
    """State the decision rule and what the results hold for."""
    texts = [
        reading.certificate["decision_rule"],
        reading.say("validity.item"),
        reading.say("result.icmp"),
        reading.say("validity.ipv4"),
        reading.say("validity.whole"),
    ]
    return join((element("p", text) for text in texts), "\n")
