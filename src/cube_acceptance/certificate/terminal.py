"""What the terminal says: a line for each requirement, and at the end what to do about which.

A line has a look, in the words of pytest's terminal writer. Whether it can be shown is the
terminal's business.
"""

from __future__ import annotations

import unicodedata
from itertools import accumulate
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from cube_acceptance.catalogue import SITE
from cube_acceptance.certificate import front, sections
from cube_acceptance.text import sentences
from cube_acceptance.text.foreign import one_line, plain
from cube_acceptance.text.wording import label, say, some
from cube_acceptance.verdict import worst

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from pathlib import Path

    from cube_acceptance.catalogue import Catalogue, Language
    from cube_acceptance.expected import Owed
    from cube_acceptance.judge import Judgement
    from cube_acceptance.site import Site

QUIET = frozenset({"pass", "not-applicable"})

WAITING_LIMIT = 4
"""How many outstanding measurements the progress line names."""

LINES_LIMIT = 40
"""How many groups of results are listed; a fleet's full list stands in the certificate."""

NAMES_LIMIT = 6
"""How many CUBEs or hosts one line names."""

SEEN_LIMIT = 400
"""Characters of what was seen, on the line of a requirement in a log."""

ID_WIDTH = 8

SIGNS = {
    "pass": ("✓", "+"),
    "fail": ("✗", "x"),
    "waived": ("✗", "x"),
    "inconclusive": ("?", "?"),
    "not-run": ("\N{EN DASH}", "-"),
    "not-applicable": ("\N{EN DASH}", "-"),
}
"""An outcome's sign, and the one for a terminal that has no such character."""

LOOKS = {
    "pass": ("green",),
    "fail": ("red",),
    "waived": ("yellow",),
    "inconclusive": ("yellow",),
    "accepted": ("bold", "green"),
    "accepted-with-reservations": ("bold", "yellow"),
    "rejected": ("bold", "red"),
    "incomplete": ("bold", "yellow"),
}


class Line(NamedTuple):
    """A line, and how it looks where there are colours."""

    text: str
    look: tuple[str, ...] = ()


# While it runs.


def header(site: Site, vantage: str, language: Language) -> str:
    """Describe what is tested and from where."""
    cubes = [cube.name for cube in site.cubes]
    return plain(
        say(
            "terminal.site",
            language,
            site=site.site.name or say("cube.unknown", language),
            cubes=some(cubes, NAMES_LIMIT, language) or say("result.none", language),
            vantage=vantage,
        )
    )


def progress(done: int, asked: int, waiting: tuple[str, ...], language: Language) -> str:
    """Write how many measurements are in and what is waited for, on one line."""
    if not waiting:
        return say("progress.done", language, asked=asked)
    shown = ", ".join(waiting[:WAITING_LIMIT]) + (" …" if len(waiting) > WAITING_LIMIT else "")
    return plain(say("progress.waiting", language, done=done, asked=asked, waiting=shown))


def requirement(
    catalogue: Catalogue,
    judged: Sequence[tuple[Owed, Judgement]],
    language: Language,
    *,
    signs: bool = True,
) -> Line:
    """Write one requirement's line: sign, id, title, and what was seen of all its cases."""
    entry = catalogue[judged[0][0].requirement]
    outcome = worst(judgement.outcome for _, judgement in judged)
    bad = [(owing, judgement) for owing, judgement in judged if judgement.outcome == outcome]
    if outcome == "pass":
        seen = _seen(judged, language)
    else:
        owing, judgement = bad[0]
        words = (catalogue, owing.requirement, judgement.text, judgement.facts)
        about = _about(owing) if len(judged) > 1 else ""
        seen = f"{about}: " if about else ""
        seen += sentences.tell(*words, language).reason
        if len(bad) > 1:
            many = say("terminal.of", language, count=len(bad), all=len(judged))
            seen = f"{many}; {seen}"
    title = entry.describe(language).title
    head = f"{SIGNS[outcome][not signs]} {entry.id.ljust(ID_WIDTH)} {title}"
    return Line(f"{head}: {one_line(seen, SEEN_LIMIT)}", LOOKS.get(outcome, ()))


def _about(owing: Owed) -> str:
    return owing.host or ("" if owing.subject == SITE else owing.subject)


def _seen(judged: Sequence[tuple[Owed, Judgement]], language: Language) -> str:
    """Describe what a requirement that is met goes by: its facts, or of several cases for whom."""
    if len(judged) > 1:
        return some([_about(owing) for owing, _ in judged], NAMES_LIMIT, language)
    observed = msgspec.to_builtins(judged[0][1].observed)
    shown = [
        f"{label('fact', name, language)} {sections.observed(name, value, language)}"
        for name, value in observed.items()
    ]
    return ", ".join(shown) or say("outcome.pass", language)


def fitted(text: str, width: int) -> str:
    """Cut a line so that it is no wider than this many columns of a terminal."""
    ends = list(accumulate(map(_columns, text)))
    if not ends or ends[-1] <= width:
        return text
    kept = (character for character, end in zip(text, ends, strict=True) if end < width)
    return f"{''.join(kept)}…"


def _columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in {"W", "F"} else 1


# At the end.


def last_lines(
    certificate: dict[str, Any],
    folder: Path,
    language: Language,
    left_out: Collection[tuple[str, str]] = (),
) -> list[Line]:
    """Write the end of a run: each trouble once, then verdict, next step and the run's files.

    ``left_out`` are requirements and subjects that nobody wanted to be tested.
    """
    loud = [result for result in certificate["results"] if result["outcome"] not in QUIET]
    unwanted = [
        one
        for one in loud
        if one["outcome"] == "not-run" and (one["requirement"], one["subject"]) in left_out
    ]
    cubes = certificate["item"]["cubes"]
    lines = [Line("")]
    groups = _grouped([one for one in loud if one not in unwanted], cubes, "remedy")
    for group in groups[:LINES_LIMIT]:
        lines += _group(group, language)
    if len(groups) > LINES_LIMIT:
        lines.append(Line(f"  … {len(groups) - LINES_LIMIT}"))
    lines += [Line(f"  {text}", ("red",)) for text in certificate["complaints"]]
    for alike in _grouped(certificate["observations"], cubes, "text")[:LINES_LIMIT]:
        first, about = alike[0], _subjects(alike, language)
        lines.append(Line(f"  i {first['requirement']}{about}: {first['text']}"))
    if unwanted:
        names = ", ".join(dict.fromkeys(one["requirement"] for one in unwanted))
        lines.append(Line(f"  {say('terminal.left_out', language, names=names)}"))
    if speaks := front.speaks(certificate, language):
        lines += [Line(""), Line(f"  {speaks}")]
    lines += [Line(""), *_verdict(certificate, folder, language, selected=bool(unwanted))]
    return [Line(plain(line.text), line.look) for line in lines]


def _grouped(
    entries: Iterable[Mapping[str, Any]], cubes: Sequence[Mapping[str, Any]], key: str
) -> list[list[Mapping[str, Any]]]:
    """Put together what says the same of several CUBEs, whatever they are called."""
    called = {cube["name"]: cube for cube in cubes}
    groups: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
    for entry in entries:
        text = sections.of_any(called.get(entry["subject"], {}), entry[key])
        end = str(entry.get("outcome", "")), str(entry.get("cause", entry.get("code", "")))
        groups.setdefault((entry["requirement"], *end, text), []).append(entry)
    return list(groups.values())


def _subjects(group: Sequence[Mapping[str, Any]], language: Language) -> str:
    names = [entry["subject"] for entry in group if entry["subject"] != SITE]
    return f" {some(names, NAMES_LIMIT, language)}" if names else ""


def _group(group: Sequence[Mapping[str, Any]], language: Language) -> list[Line]:
    first = group[0]
    outcome = first["outcome"]
    words = say(f"outcome.{outcome}", language), say(f"level.{first['level']}", language)
    name = f"{first['requirement']} {first['title']}"
    cause = f" ({first['cause']})" if first["cause"] else ""
    head = f"  {SIGNS[outcome][0]} {name} ({words[1]}): {words[0]}{cause}"
    about = _subjects(group, language)
    lines = [Line(f"{head} \N{EN DASH}{about}" if about else head, LOOKS.get(outcome, ()))]
    lines += [Line(f"      {text}") for text in sections.said(first, "reason")]
    return lines + [Line(f"      → {text}") for text in sections.said(first, "remedy")]


def _verdict(
    certificate: Mapping[str, Any], folder: Path, language: Language, *, selected: bool
) -> list[Line]:
    """Write the last block: verdict, next step, and where the run's files are."""
    decided = f"{say('verdict.heading', language)}: {front.verdict(certificate, language)}"
    page = folder / "certificate.html"
    lines = [
        Line(decided, LOOKS[certificate["verdict"]]),
        Line(say(_next(certificate, selected=selected), language)),
        Line(str(folder)),
        Line(page.absolute().as_uri()),
    ]
    printed = folder / "certificate.pdf"
    return lines + ([Line(str(printed))] if printed.exists() else [])


def _asked(certificate: Mapping[str, Any]) -> bool:
    """Whether the network's administrator has anything to do."""
    cases = [case for result in certificate["results"] for case in result["cases"]]
    return any(case.get("asked") for case in cases)


def _next(certificate: Mapping[str, Any], *, selected: bool) -> str:
    """Choose the word for what to do next."""
    verdict = certificate["verdict"]
    if certificate["simulated"]:
        return "next.simulated"
    if verdict == "rejected":
        return "next.request" if _asked(certificate) else "next.incomplete"
    if verdict == "incomplete":
        return "next.selected" if selected else "next.incomplete"
    return "next.readiness" if certificate["stage"] == "readiness" else "next.accepted"
