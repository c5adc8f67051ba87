"""``cube-acceptance compare``: what has changed from one run to another of the same site."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cube_acceptance import catalogue, verify
from cube_acceptance.catalogue import SITE
from cube_acceptance.certificate import front
from cube_acceptance.certificate.terminal import SIGNS
from cube_acceptance.siblings import BrokenError
from cube_acceptance.text import computer
from cube_acceptance.text.foreign import one_line
from cube_acceptance.text.options import Options
from cube_acceptance.text.wording import label, moment, say

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cube_acceptance.catalogue import Language

    Certificate = Mapping[str, Any]

SAME, OTHER, USAGE_ERROR = 0, 1, 4
LIMIT = 400
"""Characters of a line: a certificate can come from anybody."""

GOOD = frozenset({"pass", "not-applicable"})
CUBE_FACTS = ("address", "version", "serial", "hostname", "mac")
ARROW = "→"


def main(arguments: list[str]) -> int:
    """Run ``cube-acceptance compare FOLDER FOLDER``."""
    parser = Options(
        arguments,
        prog="cube-acceptance compare",
        description="Say what has changed from one run's certificate to another's. Neither is "
        "verified.",
        epilog="Exit status: 0 nothing has; 1 something has; 4 usage.",
    )
    parser.add_argument("before", type=Path, metavar="FOLDER", help="the folder of the earlier run")
    parser.add_argument("after", type=Path, metavar="FOLDER", help="the folder of the later run")
    options = parser.parse_args(arguments)
    both = []
    for folder in (options.before, options.after):
        try:
            both.append(verify.opened(folder)[1])
        except (BrokenError, OSError) as error:
            why = getattr(error, "strerror", "") or error
            parser.error(one_line(f"{folder}: {why}", LIMIT))
    language: Language = options.lang or computer.language()
    before, after = both
    found = list(changes(before, after, language))
    for line in (*heads(before, after, language), *(found or [say("compare.nothing", language)])):
        sys.stdout.write(f"{one_line(line, LIMIT)}\n")
    return OTHER if found else SAME


def heads(before: Certificate, after: Certificate, language: Language) -> Iterator[str]:
    """Name both runs: site, time, number and verdict."""
    for word, one in (("before", before), ("after", after)):
        name = one["site"]["name"] or say("cube.unknown", language)
        time = {"utc_offset_min": 0, "zone": "UTC", **one["time"]}
        facts = (name, moment(one["time"]["started"], time, language), one["certificate_id"])
        verdict = front.verdict(one, language)
        yield f"{say(f'compare.{word}', language)}: {' · '.join(facts)}: {verdict}"
    if before["site"]["name"] != after["site"]["name"]:
        yield f"! {say('compare.other_site', language)}"
    if after.get("replaces") == before["certificate_id"]:
        yield say("compare.replaces", language)


def changes(before: Certificate, after: Certificate, language: Language) -> Iterator[str]:
    """Describe what has changed, the verdict first, what got worse before what got better."""
    words = [front.verdict(one, language) for one in (before, after)]
    if words[0] != words[1]:
        yield f"{say('verdict.heading', language)}: {words[0]} {ARROW} {words[1]}"
    yield from _cubes(before, after, language)
    yield from _results(before, after, language)
    for key, part in (("waivers", "waiver"), ("deviations", "deviation")):
        yield from _listed(before.get(key, ()), after.get(key, ()), part, language)
    versions = [one["method"]["version"] for one in (before, after)]
    if versions[0] != versions[1]:
        yield f"{say('method.suite', language)}: {versions[0]} {ARROW} {versions[1]}"


def _results(before: Certificate, after: Certificate, language: Language) -> Iterator[str]:
    old, new = (
        {(r["requirement"], r["subject"]): r for r in c["results"]} for c in (before, after)
    )
    lines = []
    for key in [*new, *(key for key in old if key not in new)]:
        ends = [_end(results.get(key)) for results in (old, new)]
        if ends[0] == ends[1]:
            continue
        shown = new.get(key) or old[key]
        worse = ends[1][0] not in GOOD
        sign = SIGNS.get(ends[1][0], ("-",))[0]
        told = [_told(end, language) for end in ends]
        text = f"{sign} {_about(shown, language)}: {told[0]} {ARROW} {told[1]}"
        lines.append((not worse, f"{text}. {new[key]['reason']}" if worse and key in new else text))
    yield from (text for _, text in sorted(lines, key=lambda line: line[0]))


def _end(result: Mapping[str, Any] | None) -> tuple[str, str]:
    return (result["outcome"], result["cause"]) if result else ("", "")


def _told(end: tuple[str, str], language: Language) -> str:
    outcome, cause = end
    if not outcome:
        return say("compare.missing", language)
    word = label("outcome", outcome, language)
    return f"{word} ({cause})" if cause else word


def _about(result: Mapping[str, Any], language: Language) -> str:
    known = {entry.id: entry.describe(language).title for entry in catalogue.load().requirement}
    title = known.get(result["requirement"], result.get("title", ""))
    subject = "" if result["subject"] == SITE else f" ({result['subject']})"
    return f"{result['requirement']} {title}{subject}"


def _cubes(before: Certificate, after: Certificate, language: Language) -> Iterator[str]:
    old, new = ({cube["name"]: cube for cube in c["item"]["cubes"]} for c in (before, after))
    for name in [*new, *(name for name in old if name not in new)]:
        if name not in old or name not in new:
            word = "new_cube" if name in new else "gone_cube"
            yield say(f"compare.{word}", language, name=name)
            continue
        for key in CUBE_FACTS:
            values = [cubes[name].get(key, "") for cubes in (old, new)]
            if values[0] != values[1]:
                shown = f" {ARROW} ".join(
                    value or say("cube.unknown", language) for value in values
                )
                yield f"{name}, {say(f'cube.{key}', language)}: {shown}"


def _listed(
    before: tuple[Mapping[str, Any], ...],
    after: tuple[Mapping[str, Any], ...],
    part: str,
    language: Language,
) -> Iterator[str]:
    """Describe what is in one list and not in the other."""
    old, new = ({_key(one): one for one in entries} for entries in (before, after))
    heading = say(f"{part}.heading", language)
    for sign, these, others in (("+", new, old), ("-", old, new)):
        for key, one in these.items():
            if key not in others:
                text = one.get("text") or f"{one['requirement']}: {one['justification']}"
                yield f"{sign} {heading}: {text}"


def _key(entry: Mapping[str, Any]) -> str:
    """Return what makes an entry the same, in whatever language it is told."""
    return str(entry.get("code") or sorted(map(str, entry.items())))
