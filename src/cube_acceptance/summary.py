"""Checks any number of certificates and gives one table by site and requirement.

Checked is what costs milliseconds: form, completeness, verdict, hashes, page, signature, and that
certificate and evidence speak of the same run. The outcomes are not judged again, so a
certificate proves nothing more than that its files belong together, unless it is signed by a
key of ``--allowed-signers``. ``python -m cube_acceptance verify`` judges again, one at a time.

Every text of a certificate is taken to be hostile: bounded, cleaned, and escaped for each format.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import io
import itertools
import json
import multiprocessing
import os
import re
import stat
import sys
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import msgspec

from cube_acceptance import catalogue as catalogues
from cube_acceptance import run, survey, verify
from cube_acceptance.certificate.markup import Markup, element, join
from cube_acceptance.certificate.signature import SignatureError
from cube_acceptance.certificate.wording import plain, say
from cube_acceptance.verdict import OUTCOMES, Outcome, worst
from cube_acceptance.verify import BrokenError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from concurrent.futures import Future

    from cube_acceptance.catalogue import Language
    from cube_acceptance.survey import Saved

State = Literal[
    "accepted",
    "accepted-with-reservations",
    "rejected",
    "incomplete",
    "untrusted",
    "unfinished",
    "missing",
]
"""What a folder says: a verdict, or why there is none that counts."""

Stage = Literal["acceptance", "readiness"]
Format = Literal["table", "csv", "json", "html"]

SCHEMA = "cube-acceptance/summary/1"

ACCEPTED, NOT_ACCEPTED, NO_STATEMENT = 0, 1, 10
"""Exit statuses, as those of a run."""

INTERNAL_ERROR = 3
"""pytest's word for it: no statement about any certificate."""

ORDER = (NOT_ACCEPTED, NO_STATEMENT, ACCEPTED)
"""Exit statuses, the worst first."""

FILE_LIMIT = 256 * 1024 * 1024
"""Bytes that one file of a run may have; a run of 1,000 CUBEs stays well below."""

TEXT_LIMIT = 80
"""Characters of a name that are shown."""

REASON_LIMIT = 240
"""Characters of a reason that are shown."""

NAMES_SHOWN = 3
"""How many CUBEs name a site that has no name of its own."""

CLOCK_TOLERANCE = timedelta(days=1)
"""How far a test computer's clock may be ahead. A certificate from the future would stay the
newest for ever and keep every later one out of the table."""

CHUNK = 16
"""Folders that one process checks before it reports."""

CHUNKS_WAITING = 4
"""Chunks that are under way or waiting for each process."""

CUBE_DIGEST = 8
"""Bytes that stand for one CUBE's name in a row."""

FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠")  # noqa: RUF001 - full-width signs are meant
"""Beginnings that a spreadsheet takes for a formula (OWASP, CSV Injection)."""

SIGNS: dict[Outcome, str] = {
    "pass": "+",
    "fail": "X",
    "inconclusive": "?",
    "not-run": "-",
    "waived": "w",
    "not-applicable": ".",
}
"""Outcomes in the terminal's table."""

FOLDER_NAME = re.compile(r"(\d{8}T\d{6}Z)-([a-z0-9-]+)-[0-9a-f]{6}")
"""How :func:`run.folder_name` names a run's folder."""

WORDS: dict[str, dict[Language, str]] = {
    "title": {
        "de": "Netzwerkabnahme HOMAG CUBE: Übersicht der Standorte",
        "en": "Network Acceptance for the HOMAG CUBE: Summary of Sites",
    },
    "caption": {
        "de": "Neuestes Protokoll je Standort, die schlechtesten zuerst. Zeiten in UTC.",
        "en": "The newest certificate of each site, the worst first. Times are UTC.",
    },
    "unsigned": {
        "de": "Geprüft ist, dass die Dateien zusammengehören, nicht, wer sie gemacht hat "
        "(--allowed-signers).",
        "en": "What was checked is that the files belong together, not who made them "
        "(--allowed-signers).",
    },
    "signed": {
        "de": "Geprüft ist auch, dass ein zugelassener Schlüssel unterschrieben hat.",
        "en": "It was also checked that an allowed key has signed.",
    },
    "remark": {"de": "Bemerkung", "en": "Remark"},
    "folder": {"de": "Ordner", "en": "Folder"},
    "untrusted": {"de": "Nicht vertrauenswürdig", "en": "Not trusted"},
    "unfinished": {"de": "Nicht beendet", "en": "Not finished"},
    "missing": {"de": "Kein Protokoll", "en": "No certificate"},
    "not-counted": {"de": "Zählt nicht als Abnahme", "en": "Does not count as acceptance"},
    "superseded": {"de": "Überholt", "en": "Superseded"},
    "replayed": {"de": "Erneut ausgewertet", "en": "Judged again"},
    "readiness": {"de": "Nur Vorprüfung", "en": "Readiness only"},
}
"""What the summary says beyond the certificate's own words."""

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

STYLE = """
body { margin: 1.5rem; color: #16202a; background: #fff;
  font: 1rem/1.4 system-ui, "Segoe UI", Roboto, Arial, sans-serif; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9em; }
caption { text-align: start; padding: .4rem 0; color: #48545f; }
th, td { border: 1px solid #c3cbd2; padding: .3rem .5rem; text-align: start; vertical-align: top; }
thead th { background: #f1f4f6; }
.verdict { font-weight: 700; white-space: nowrap; }
.accepted, .pass { color: #1a7f37; }
.accepted-with-reservations, .waived { color: #6639ba; }
.rejected, .untrusted, .fail { color: #b3261e; font-weight: 700; }
.incomplete, .unfinished, .missing, .not-counted, .inconclusive { color: #8a5a00; }
.not-run, .not-applicable { color: #57606a; }
.remark { overflow-wrap: anywhere; min-width: 16rem; }
@media print { body { margin: 0; } thead { display: table-header-group; } }
"""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """All that is kept of one folder; a kilobyte, whatever the certificate's size."""

    folder: str
    state: State
    site: str
    reason: str = ""
    customer: str = ""
    location: str = ""
    identity: str = ""
    """The site's, for telling which certificates are about the same one."""
    cubes: bytes = b""
    """Sorted digests of the CUBEs' names."""
    slug: str = ""
    """The site as it stands in the names of its runs' folders."""
    stage: Stage = "acceptance"
    simulated: bool = False
    replayed: bool = False
    started: str = ""
    certificate_id: str = ""
    digest: str = ""
    signed_by: str = ""
    outcomes: tuple[Outcome, ...] = ()
    """The worst outcome of every requirement over its subjects, in catalogue order."""


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
        """Say a word of the summary."""
        return WORDS[key][self.language]

    @property
    def status(self) -> int:
        """The exit status: that of the worst row."""
        return min((status(row, self.stages) for row in self.current), key=ORDER.index)


# Finding and checking.


def find_runs(folder: Path) -> list[Path]:
    """List the runs' folders that a folder is or directly holds; itself where there are none."""
    if is_run(folder):
        return [folder]
    with os.scandir(folder) as entries:
        inside = [Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False)]
    return sorted(filter(is_run, inside)) or [folder]


def is_run(folder: Path) -> bool:
    """Tell whether a folder is a run's, finished or not."""
    names = ("certificate.json", "certificate.html")
    return any(os.path.lexists(folder / name) for name in names)


def check(folder: Path, allowed_signers: Path | None, now: datetime) -> Row:
    """Check one folder; whatever it holds, a row comes of it."""
    name = one_line(folder.name)
    if not os.path.lexists(folder / "certificate.json"):
        if is_run(folder):
            return Row(folder=str(folder), state="unfinished", site=name)
        reason = "neither a run's folder nor one that directly holds some"
        return Row(folder=str(folder), state="missing", site=name, reason=reason)
    try:
        return _checked(folder, allowed_signers, now)
    except (BrokenError, OSError, survey.EvidenceError, SignatureError) as error:
        reason = str(error)
    except Exception as error:  # noqa: BLE001 - a folder must not be able to end the summary
        reason = f"{type(error).__name__}: {error}"
    return Row(
        folder=str(folder), state="untrusted", site=name, reason=one_line(reason, REASON_LIMIT)
    )


def _checked(folder: Path, allowed_signers: Path | None, now: datetime) -> Row:
    check_files(folder)
    data = (folder / "certificate.json").read_bytes()
    certificate = verify.read(data)
    verify.check_signature(certificate, data, folder, allowed_signers)
    verify.check_completeness(certificate, folder)
    verify.check_verdict(certificate)
    verify.check_hashes(certificate, folder)
    check_facts(certificate, survey.load(folder / "evidence.json"))
    verify.check_page(certificate, folder)
    site, names = certificate["site"], [cube["name"] for cube in certificate["item"]["cubes"]]
    shown = names[:NAMES_SHOWN] + ["…"] * (len(names) > NAMES_SHOWN)
    return Row(
        folder=str(folder),
        state=certificate["verdict"],
        site=one_line(site["name"] or ", ".join(shown)),
        customer=one_line(site["customer"]),
        location=one_line(site["location"]),
        identity=identity(certificate),
        cubes=b"".join(sorted({sha256(name)[:CUBE_DIGEST] for name in names})),
        slug=run.slug(site["name"] or (names[0] if names else "")),
        stage=certificate["stage"],
        simulated=certificate["simulated"],
        replayed=certificate["replayed"],
        started=moment(certificate["time"]["started"], now),
        certificate_id=one_line(certificate["certificate_id"]),
        digest=hashlib.sha256(data).hexdigest(),
        signed_by=one_line((certificate["signature"] or {}).get("fingerprint", "")),
        outcomes=outcomes(certificate["results"]),
    )


def check_files(folder: Path) -> None:
    """Check that a run's folder holds nothing but a few plain files of bounded size.

    Raises:
        BrokenError: a pipe, a link, a device or a flood of bytes would keep the reader busy.
    """
    with os.scandir(folder) as entries:
        for entry in itertools.islice(entries, len(verify.OWN_FILES) + 1):
            found = entry.stat(follow_symlinks=False)
            if entry.name not in verify.OWN_FILES:
                raise BrokenError(f"the folder holds files of other origin: {entry.name}")
            if not stat.S_ISREG(found.st_mode):
                raise BrokenError(f"{entry.name} is no plain file")
            if found.st_size > FILE_LIMIT:
                raise BrokenError(f"{entry.name} has more than {FILE_LIMIT} bytes")


def check_facts(certificate: dict[str, Any], saved: Saved) -> None:
    """Check that the certificate and its evidence speak of the same site, time and kind of run.

    Raises:
        BrokenError: they differ; names in what.
    """
    site = saved.setup.site
    cubes = [(cube["name"], cube["address"]) for cube in certificate["item"]["cubes"]]
    same = {
        "simulated": certificate["simulated"] == saved.setup.simulated,
        "stage": certificate["stage"] == site.stage,
        "site": certificate["site"] == msgspec.to_builtins(site.site),
        "item": cubes == [(cube.name, cube.address) for cube in site.cubes],
        "time": certificate["time"]["started"] == saved.started,
    }
    for key, holds in same.items():
        if not holds:
            raise BrokenError(f"certificate and evidence differ in {key}")


def moment(text: str, now: datetime) -> str:
    """Write a certificate's time in the one form in which times can be compared as texts.

    Raises:
        BrokenError: it is no time, names no zone, or lies in the future.
    """
    when = datetime.fromisoformat(text)
    if when.tzinfo is None:
        raise BrokenError("its time has no zone")
    if when > now + CLOCK_TOLERANCE:
        raise BrokenError("it is dated in the future")
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ").zfill(len("2026-11-23T09:00:00Z"))


def outcomes(results: Sequence[dict[str, Any]]) -> tuple[Outcome, ...]:
    """Give every requirement's worst outcome, in the order of the results."""
    found: dict[str, list[Outcome]] = {}
    for result in results:
        found.setdefault(result["requirement"], []).append(result["outcome"])
    return tuple(map(worst, found.values()))


def identity(certificate: dict[str, Any]) -> str:
    """Give a text that certificates of one site share and those of two sites do not.

    A site is its customer, name and location. Where it has no name, addresses such as
    192.168.0.50 are the same in many plants, and the test computer has to tell them apart.
    """
    site = certificate["site"]
    parts = [site["customer"], site["name"], site["location"]]
    if not site["name"]:
        vantage = certificate["vantage"]
        parts += [vantage["host"], vantage["mac"], vantage["gateway"]]
        parts += [f"{cube['name']} {cube['address']}" for cube in certificate["item"]["cubes"]]
    return sha256(json.dumps([" ".join(part.split()).casefold() for part in parts])).hex()


def sha256(text: str) -> bytes:
    """Give the SHA-256 of a text."""
    return hashlib.sha256(text.encode(errors="surrogatepass")).digest()


def one_line(value: object, limit: int = TEXT_LIMIT) -> str:
    """Make a text from outside fit for one cell: bounded, on one line, nothing but visible."""
    text = " ".join(plain(value).split())
    return text if len(text) <= limit else text[: limit - 1] + "…"


Checker = Callable[[Path, Path | None, datetime], Row]
"""What checks one folder."""


def check_some(
    folders: Sequence[Path],
    allowed_signers: Path | None,
    now: datetime,
    checker: Checker = check,
) -> list[Row]:
    """Check some folders, in a process of their own where there are many."""
    return [checker(folder, allowed_signers, now) for folder in folders]


def check_all(
    folders: Sequence[Path],
    allowed_signers: Path | None,
    now: datetime,
    processes: int,
    checker: Checker = check,
) -> Iterator[Row]:
    """Check folders and give their rows in order; only a few chunks are in the pool at once.

    Raises:
        BrokenProcessPool: the system ended a process.
    """
    chunks = [folders[at : at + CHUNK] for at in range(0, len(folders), CHUNK)]
    if len(chunks) == 1 or processes == 1:
        for chunk in chunks:
            yield from check_some(chunk, allowed_signers, now, checker)
        return
    # Not forked: a fork copies whatever threads hold at that moment.
    spawning = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(min(processes, len(chunks)), mp_context=spawning)
    try:
        waiting: deque[Future[list[Row]]] = deque()
        for chunk in chunks:
            waiting.append(pool.submit(check_some, chunk, allowed_signers, now, checker))
            if len(waiting) >= processes * CHUNKS_WAITING:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


# What counts.


def status(row: Row, stages: frozenset[Stage]) -> int:
    """Give the exit status that one row calls for."""
    if row.state in {"rejected", "untrusted"}:
        return NOT_ACCEPTED
    accepted = row.state in {"accepted", "accepted-with-reservations"}
    return ACCEPTED if accepted and counts(row, stages) else NO_STATEMENT


def counts(row: Row, stages: frozenset[Stage]) -> bool:
    """Tell whether a certificate says something about a real network, measured by this run."""
    return not row.simulated and not row.replayed and row.stage in stages


def settle(rows: Iterable[Row], stages: frozenset[Stage]) -> tuple[list[Row], list[Row]]:
    """Part what is current from what a newer certificate of the same site has replaced.

    A certificate is replaced only by one that speaks for at least the same CUBEs: two segments
    of a plant, tested one by one, both stay. What does not verify replaces nothing and is
    replaced by nothing.
    """
    sites: dict[str, list[Row]] = {}
    current, superseded, unfinished = [], [], []
    for row in _without_doubles(list(rows)):
        if row.state == "unfinished":
            unfinished.append(row)
        elif row.identity:
            sites.setdefault(row.identity, []).append(row)
        else:
            current.append(row)
    trusted: list[Row] = []
    for group in sites.values():
        group.sort(key=lambda row: ORDER.index(status(row, stages)))
        group.sort(key=lambda row: (counts(row, stages), row.started), reverse=True)
        covering: set[bytes] = set()
        for row in group:
            if any(covers(cubes, row.cubes) for cubes in covering):
                superseded.append(row)
            else:
                covering.add(row.cubes)
                trusted.append(row)
    newest: dict[tuple[Path, str], str] = {}
    for row in trusted:
        if counts(row, stages):
            place = Path(row.folder).parent, row.slug
            newest[place] = max(newest.get(place, ""), row.started)
    for row in unfinished:
        (superseded if _repeated(row, newest) else current).append(row)
    current += trusted
    current.sort(key=lambda row: (ORDER.index(status(row, stages)), row.site.casefold(), row.site))
    return current, superseded


def _without_doubles(rows: list[Row]) -> Iterator[Row]:
    """Trust none of several certificates that bear one number and are not the same."""
    bearing: dict[str, set[str]] = {}
    for row in rows:
        bearing.setdefault(row.certificate_id, set()).add(row.digest)
    for row in rows:
        if row.identity and len(bearing[row.certificate_id]) > 1:
            reason = "another certificate bears the same number"
            yield Row(folder=row.folder, state="untrusted", site=row.site, reason=reason)
        else:
            yield row


def covers(cubes: bytes, others: bytes) -> bool:
    """Tell whether all of the others are among some CUBEs."""
    return cubes == others or _digests(others) <= _digests(cubes)


def _digests(cubes: bytes) -> set[bytes]:
    return {cubes[at : at + CUBE_DIGEST] for at in range(0, len(cubes), CUBE_DIGEST)}


def _repeated(row: Row, newest: dict[tuple[Path, str], str]) -> bool:
    """Tell whether a run that did not finish was repeated, by the names of the folders."""
    folder = Path(row.folder)
    found = FOLDER_NAME.fullmatch(folder.name)
    if not found:
        return False
    began = found[1]
    again = newest.get((folder.parent, found[2]), "")
    return re.sub(r"[:-]", "", again) > began


# What is shown.


def word(row: Row, table: Table) -> str:
    """Say what a folder says; in brackets an acceptance that is none."""
    if row.state in WORDS:
        return table.say(row.state)
    verdict = say(f"verdict.{row.state}", table.language)
    if row.simulated:
        return say("verdict.simulated", table.language, verdict=verdict)
    return f"({verdict})" if kind(row, table) == "not-counted" else verdict


def kind(row: Row, table: Table) -> str:
    """Name the sort of row: its state, or ``not-counted`` where an acceptance is none."""
    accepted = row.state in {"accepted", "accepted-with-reservations"}
    return "not-counted" if accepted and not counts(row, table.stages) else row.state


def remark(row: Row, table: Table, *, superseded: bool) -> str:
    """Say what has to be known about a row beside its verdict."""
    parts = [table.say("superseded")] if superseded else []
    if row.replayed:
        parts.append(table.say("replayed"))
    if row.stage == "readiness":
        parts.append(table.say("readiness"))
    if kind(row, table) == "not-counted":
        parts.append(table.say("not-counted"))
    if row.reason:
        parts.append(row.reason)
    if not row.identity:
        parts.append(f"{table.say('folder')}: {one_line(row.folder, REASON_LIMIT)}")
    return ". ".join(parts)


def total(table: Table) -> str:
    """Count the current rows by what they say, the worst first as in the table."""
    tally = Counter(kind(row, table) for row in table.current)
    return " · ".join(
        f"{table.say(key) if key in WORDS else say(f'verdict.{key}', table.language)}: {count}"
        for key, count in tally.items()
    )


def lines(table: Table) -> Iterator[tuple[Row, bool]]:
    """Give every row to be shown, and whether it is superseded."""
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
        signs = [SIGNS[outcome] for outcome in row.outcomes] or [""] * len(widths)
        cells = [site.ljust(sizes[0]), verdict.ljust(sizes[1])]
        cells.append(row.started[:16].replace("T", " ").ljust(sizes[2]))
        cells += [sign.ljust(width) for sign, width in zip(signs, widths, strict=True)]
        yield "  ".join([*cells, remark(row, table, superseded=superseded)]).rstrip() + "\n"
    legend = (f"{sign} {say(f'outcome.{key}', table.language)}" for key, sign in SIGNS.items())
    yield f"\n{'  '.join(legend)}\n"
    yield f"{trust(table)}\n\n{total(table)}\n"


def trust(table: Table) -> str:
    """Say what the checks are worth."""
    return table.say("signed" if table.signers else "unsigned")


def as_csv(table: Table) -> Iterator[str]:
    """Write comma-separated values (RFC 4180), in the words of ``certificate.json``."""
    yield csv_line([*COLUMNS, *table.requirements, "reason", "folder"])
    for row, superseded in lines(table):
        entry = as_entry(row, table, superseded=superseded)
        results = [entry["results"].get(requirement, "") for requirement in table.requirements]
        values = [entry[key] for key in COLUMNS] + results + [entry["reason"], entry["folder"]]
        yield csv_line(values)


def csv_line(values: Iterable[object]) -> str:
    """Write one line of which a spreadsheet takes nothing for a formula."""
    texts = [json.dumps(value) if isinstance(value, bool) else str(value) for value in values]
    written = io.StringIO()
    safe = [f"'{text}" if text.startswith(FORMULA) else text for text in texts]
    csv.writer(written, lineterminator="\r\n").writerow(safe)
    return written.getvalue()


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
        "results": dict(zip(table.requirements, row.outcomes, strict=False)),
        "reason": row.reason,
        "folder": plain(row.folder),
    }


def as_html(table: Table) -> Iterator[str]:
    """Write a page that stands alone: one table, no script, nothing to load."""
    language = table.language
    title = table.say("title")
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", title),
        element("style", Markup(STYLE)),
    )
    yield f'<!doctype html>\n<html lang="{language}">\n{head}\n<body><main>\n'
    yield join([element("h1", title), element("p", total(table)), element("p", trust(table))])
    yield f'\n<div class="scroll" tabindex="0" role="region" aria-label="{title}">\n<table>\n'
    heads = [say(key, language) for key in ("front.site", "verdict.heading", "front.tested")]
    heads += [*table.requirements, table.say("remark")]
    cells = join(element("th", text, scope="col") for text in heads)
    yield element("caption", table.say("caption"))
    yield element("thead", element("tr", cells)) + "\n<tbody>\n"
    shown = {
        outcome: element("td", say(f"outcome.{outcome}", language), class_=outcome)
        for outcome in OUTCOMES
    }
    blank = element("td") * len(table.requirements)
    for row, superseded in lines(table):
        names = ", ".join(filter(None, (row.site, row.customer, row.location)))
        yield element(
            "tr",
            element("th", names, scope="row"),
            element("td", word(row, table), class_=f"verdict {kind(row, table)}"),
            element("td", row.started[:16].replace("T", " ")),
            Markup("".join(shown[outcome] for outcome in row.outcomes) or blank),
            element("td", remark(row, table, superseded=superseded), class_="remark"),
        )
        yield "\n"
    yield "</tbody>\n</table>\n</div>\n</main></body>\n</html>\n"


WRITERS: dict[Format, Callable[[Table], Iterator[str]]] = {
    "table": as_table,
    "csv": as_csv,
    "json": as_json,
    "html": as_html,
}


def write(texts: Iterable[str], output: Path | None) -> None:
    """Write to a file, which is whole or not there, or to the terminal with what it can show."""
    if output:
        part = output.with_name(f".{output.name}.part")
        with part.open("w", encoding="utf-8", newline="") as file:
            file.writelines(texts)
        part.replace(output)
        return
    encoding = sys.stdout.encoding or "utf-8"
    for text in texts:
        sys.stdout.write(text.encode(encoding, errors="replace").decode(encoding))


def processors() -> int:
    """Count the processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1  # pragma: no cover - no such function on Windows and macOS


def main(arguments: list[str], now: datetime | None = None) -> int:
    """Run ``python -m cube_acceptance summary FOLDER...``."""
    parser = argparse.ArgumentParser(
        prog="python -m cube_acceptance summary",
        description="Check certificates and give one table by site and requirement.",
        epilog="Exit status: 0 every site is accepted; 1 one is rejected or does not verify; "
        "10 one is incomplete; 4 usage.",
    )
    parser.add_argument(
        "folder", type=Path, nargs="+", help="a run's folder, or a folder that holds some"
    )
    parser.add_argument("--format", choices=list(WRITERS), default="table")
    parser.add_argument(
        "--allowed-signers", type=Path, metavar="FILE", help="whose signature counts"
    )
    parser.add_argument("--lang", choices=["de", "en"], default="de")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write there, not to stdout")
    parser.add_argument("--all", action="store_true", help="list what is superseded as well")
    parser.add_argument(
        "--stage",
        choices=["acceptance", "readiness"],
        default="acceptance",
        help="with readiness, a readiness report counts where there is no acceptance",
    )
    options = parser.parse_args(arguments)
    try:
        folders = list(dict.fromkeys(itertools.chain(*map(find_runs, options.folder))))
        if options.allowed_signers:
            options.allowed_signers.open("rb").close()
    except OSError as error:
        parser.error(f"{one_line(error.filename)}: {error.strerror}")
    moment_now = now or datetime.now(UTC)
    try:
        rows = list(check_all(folders, options.allowed_signers, moment_now, processors()))
    except BrokenProcessPool:
        sys.stderr.write("a process that checked certificates was ended by the system\n")
        return INTERNAL_ERROR
    stages: frozenset[Stage] = frozenset({"acceptance", options.stage})
    current, superseded = settle(rows, stages)
    table = Table(
        requirements=tuple(entry.id for entry in catalogues.load().requirement),
        current=current,
        superseded=superseded if options.all else [],
        stages=stages,
        language=options.lang,
        signers=options.allowed_signers is not None,
    )
    try:
        write(WRITERS[options.format](table), options.output)
    except OSError as error:
        parser.error(f"{one_line(options.output)}: {error.strerror}")
    return table.status
