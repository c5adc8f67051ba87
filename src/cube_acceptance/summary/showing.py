"""Shows the rows as a table for the terminal, as CSV, as JSON and as a page."""

from __future__ import annotations

import json
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from cube_acceptance.certificate import page
from cube_acceptance.summary.rows import ORDER, REASON_LIMIT, Row, Stage, counts, status
from cube_acceptance.text import usage
from cube_acceptance.text.comma import csv_line
from cube_acceptance.text.foreign import one_line, plain
from cube_acceptance.text.wording import say, verdict_word
from cube_acceptance.verdict import OUTCOMES, Outcome, verdict_kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cube_acceptance.catalogue import Language

Format = Literal["table", "csv", "json", "html"]

SCHEMA = "cube-acceptance/summary/1"

SIGNS: dict[Outcome, str] = {
    "pass": "+",
    "fail": "X",
    "inconclusive": "?",
    "not-run": "-",
    "waived": "w",
    "not-applicable": ".",
}
"""Outcomes in the terminal's table."""

MARKS: dict[Outcome, str] = {
    "pass": "\N{CHECK MARK}",
    "fail": "\N{BALLOT X}",
    "inconclusive": "?",
    "not-run": "\N{EN DASH}",
    "waived": "!",
    "not-applicable": "\N{MIDDLE DOT}",
}
"""Outcomes on the page: a column for each requirement has no room for words."""

OWN_WORDS = frozenset({"untrusted", "unfinished", "missing", "not-counted"})
"""What a row can be that no certificate says of itself."""

COLUMNS = (
    "site",
    "customer",
    "location",
    "verdict",
    "counts",
    "superseded",
    "stage",
    "simulated",
    "replayed",
    "started",
    "certificate_id",
    "signed_by",
)
"""What stands before the requirements in CSV."""


class Table(NamedTuple):
    """What is to be shown."""

    requirements: tuple[str, ...]
    current: list[Row]
    superseded: list[Row]
    """What a newer certificate has replaced."""
    stages: frozenset[Stage]
    """The stages whose certificates count."""
    language: Language
    signers: bool
    """Whether only the signatures of listed keys were trusted."""

    def say(self, key: str) -> str:
        """Return a word of the summary."""
        return say(f"summary.{key}", self.language)

    @property
    def status(self) -> int:
        """The exit status: that of the worst row."""
        return min((status(row, self.stages) for row in self.current), key=ORDER.index)


def word(row: Row, table: Table) -> str:
    """Describe what a folder says; in brackets an acceptance that is none."""
    if row.state in OWN_WORDS:
        return table.say(row.state)
    sort = verdict_kind(row.stage, simulated=row.simulated)
    verdict = verdict_word(row.state, sort, table.language)
    uncounted = kind(row, table) == "not-counted" and not row.simulated
    return f"({verdict})" if uncounted else verdict


def kind(row: Row, table: Table) -> str:
    """Name the sort of row: its state, or ``not-counted`` where an acceptance is none."""
    accepted = row.state in {"accepted", "accepted-with-reservations"}
    return "not-counted" if accepted and not counts(row, table.stages) else row.state


def remark(row: Row, table: Table, *, superseded: bool) -> str:
    """Describe what has to be known about a row beside its verdict."""
    parts = [table.say("superseded")] if superseded else []
    if row.replayed:
        parts.append(table.say("replayed"))
    if row.stage == "readiness":
        parts.append(table.say("readiness"))
    if kind(row, table) == "not-counted":
        parts.append(table.say("not-counted"))
    if row.reason:
        parts.append(usage.said(row.reason, table.language))
    if not row.identity:
        parts.append(f"{table.say('folder')}: {one_line(row.folder, REASON_LIMIT)}")
    return ". ".join(parts)


def total(table: Table) -> str:
    """Count the current rows by what they say, the worst first as in the table."""
    kinds = [(row, kind(row, table)) for row in table.current]
    tally = Counter(table.say(key) if key in OWN_WORDS else word(row, table) for row, key in kinds)
    return " · ".join(f"{said}: {count}" for said, count in tally.items())


def lines(table: Table) -> Iterator[tuple[Row, bool]]:
    """Return every row to be shown, and whether it is superseded."""
    yield from ((row, False) for row in table.current)
    yield from ((row, True) for row in table.superseded)


def as_table(table: Table) -> Iterator[str]:
    """Write the table for a terminal: one sign an outcome, explained below."""
    words = [(one_line(row.site, 32), word(row, table)) for row, _ in lines(table)]
    heads = [say(key, table.language) for key in ("front.site", "verdict.heading", "front.tested")]
    sizes = [
        max(len(heads[0]), *(len(site) for site, _ in words)),
        max(len(heads[1]), *(len(verdict) for _, verdict in words)),
        len("2026-11-23 09:00"),
    ]
    parts = [requirement.partition("-") for requirement in table.requirements]
    widths = [max(len(name), len(number)) for name, _, number in parts]
    above = [" " * size for size in sizes] + [name for name, _, _ in parts]
    below = [head.ljust(size) for head, size in zip(heads, sizes, strict=True)]
    below += [number.ljust(width) for (_, _, number), width in zip(parts, widths, strict=True)]
    yield "  ".join(above).rstrip() + "\n"
    yield "  ".join([*below, table.say("remark")]) + "\n"
    for (row, superseded), (site, verdict) in zip(lines(table), words, strict=True):
        told = map(row.outcomes.get, table.requirements)
        signs = [SIGNS[outcome] if outcome else "" for outcome in told]
        cells = [site.ljust(sizes[0]), verdict.ljust(sizes[1])]
        cells.append(row.started[:16].replace("T", " ").ljust(sizes[2]))
        cells += [sign.ljust(width) for sign, width in zip(signs, widths, strict=True)]
        yield "  ".join([*cells, remark(row, table, superseded=superseded)]).rstrip() + "\n"
    legend = (f"{sign} {say(f'outcome.{key}', table.language)}" for key, sign in SIGNS.items())
    yield f"\n{'  '.join(legend)}\n"
    yield f"{trust(table)}\n\n{total(table)}\n"


def trust(table: Table) -> str:
    """Describe what the checks are worth."""
    return table.say("signed" if table.signers else "unsigned")


def as_csv(table: Table) -> Iterator[str]:
    """Write comma-separated values (RFC 4180), in the words of ``certificate.json``."""
    yield csv_line([*COLUMNS, *table.requirements, "reason", "folder"])
    for row, superseded in lines(table):
        entry = as_entry(row, table, superseded=superseded)
        results = [entry["results"].get(requirement, "") for requirement in table.requirements]
        values = [entry[key] for key in COLUMNS] + results + [entry["reason"], entry["folder"]]
        yield csv_line(values)


def as_json(table: Table) -> Iterator[str]:
    """Write JSON, one line a certificate, in the words of ``certificate.json``."""
    head = {
        "schema": SCHEMA,
        "exit_status": table.status,
        "stages": sorted(table.stages),
        "signatures_demanded": table.signers,
        "totals": dict(Counter(kind(row, table) for row in table.current)),
        "requirements": table.requirements,
    }
    yield json.dumps(head, ensure_ascii=False)[:-1] + ', "certificates": ['
    for number, (row, superseded) in enumerate(lines(table)):
        entry = as_entry(row, table, superseded=superseded)
        yield ",\n"[number == 0 :] + json.dumps(entry, ensure_ascii=False)
    yield "\n]}\n"


def as_entry(row: Row, table: Table, *, superseded: bool) -> dict[str, Any]:
    """Write one row as data."""
    return {
        "site": row.site,
        "customer": row.customer,
        "location": row.location,
        "verdict": row.state,
        "counts": counts(row, table.stages) and bool(row.identity),
        "superseded": superseded,
        "stage": row.stage if row.identity else "",
        "simulated": row.simulated,
        "replayed": row.replayed,
        "started": row.started,
        "certificate_id": row.certificate_id,
        "signed_by": row.signed_by,
        "results": row.outcomes,
        "reason": row.reason,
        "folder": plain(row.folder),
    }


def as_html(table: Table) -> Iterator[str]:
    """Render a page that stands alone, in pieces: one table, no script, nothing to load."""
    template = page.templates().get_template("summary.jinja")
    stream = template.stream(
        table=table,
        language=table.language,
        say=partial(say, language=table.language),
        lines=lines(table),
        total=total(table),
        trust=trust(table),
        marks=MARKS,
        outcomes=OUTCOMES,
        names=names,
        word=word,
        kind=kind,
        remark=remark,
    )
    stream.enable_buffering(page.PIECES)
    return stream


def names(row: Row) -> str:
    """Name the site of a row, its customer and place."""
    return ", ".join(filter(None, (row.site, row.customer, row.location)))


WRITERS: dict[Format, Callable[[Table], Iterator[str]]] = {
    "table": as_table,
    "csv": as_csv,
    "json": as_json,
    "html": as_html,
}
