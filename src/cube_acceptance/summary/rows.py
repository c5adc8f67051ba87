"""One row a folder, and which rows count: a newer certificate replaces an older of its site."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from cube_acceptance.verdict import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

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

ACCEPTED, NOT_ACCEPTED, NO_STATEMENT = 0, 1, 10
"""Exit statuses, as those of a run."""

ORDER = (NOT_ACCEPTED, NO_STATEMENT, ACCEPTED)
"""Exit statuses, the worst first."""

TEXT_LIMIT = 80
"""Characters of a name that are shown."""

REASON_LIMIT = 240
"""Characters of a reason that are shown."""

CUBE_DIGEST = 8
"""Bytes that stand for one CUBE's name in a row."""

FOLDER_NAME = re.compile(r"(\d{8}T\d{6}Z)-([a-z0-9-]+)-[0-9a-f]{6}")
"""How :func:`run.folder_name` names a run's folder."""


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
    outcomes: dict[str, Outcome] = {}
    """The worst outcome of every requirement over its subjects, in its certificate's order."""


def status(row: Row, stages: frozenset[Stage]) -> int:
    """Return the exit status that one row calls for."""
    if row.state in {"rejected", "untrusted"}:
        return NOT_ACCEPTED
    accepted = row.state in {"accepted", "accepted-with-reservations"}
    return ACCEPTED if accepted and counts(row, stages) else NO_STATEMENT


def counts(row: Row, stages: frozenset[Stage]) -> bool:
    """Whether a certificate says something about a real network, measured by this run."""
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
            problem = "another certificate bears the same number"
            yield Row(folder=row.folder, state="untrusted", site=row.site, reason=problem)
        else:
            yield row


def covers(cubes: bytes, others: bytes) -> bool:
    """Whether all of the others are among some CUBEs."""
    return cubes == others or _digests(others) <= _digests(cubes)


def _digests(cubes: bytes) -> set[bytes]:
    return {cubes[at : at + CUBE_DIGEST] for at in range(0, len(cubes), CUBE_DIGEST)}


def _repeated(row: Row, newest: dict[tuple[Path, str], str]) -> bool:
    """Whether a run that did not finish was repeated, by the names of the folders."""
    folder = Path(row.folder)
    found = FOLDER_NAME.fullmatch(folder.name)
    if not found:
        return False
    began = found[1]
    again = newest.get((folder.parent, found[2]), "")
    return re.sub(r"[:-]", "", again) > began
