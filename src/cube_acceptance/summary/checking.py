"""Checks a run's folder in milliseconds, and any number of them side by side.

Checked is form, completeness, verdict, hashes, signature, and that certificate and evidence speak
of the same run. Nothing is rendered or judged again, so a certificate of any version proves
nothing more than that its files belong together, unless it is signed by a key of
``--allowed-signers``.
``cube-acceptance verify`` judges again, one at a time.

Every text of a certificate is taken to be hostile: bounded and cleaned here, escaped for each
format where it is shown.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cube_acceptance import evidence_file, run, siblings, verify
from cube_acceptance.certificate.signature import SignatureError
from cube_acceptance.siblings import BrokenError
from cube_acceptance.summary.rows import CUBE_DIGEST, REASON_LIMIT, TEXT_LIMIT, Row
from cube_acceptance.text.foreign import one_line
from cube_acceptance.verdict import Outcome, worst

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from concurrent.futures import Future

FILE_LIMIT = evidence_file.FILE_LIMIT

FILES_LIMIT = 32
"""Files that a run's folder may hold; a run of today makes up to seven."""

NAMES_SHOWN = 3
"""How many CUBEs name a site that has no name of its own."""

CLOCK_TOLERANCE = timedelta(days=1)
"""How far a test computer's clock may be ahead. A certificate from the future would stay the
newest for ever and keep every later one out of the table."""

CHUNK = 16
"""Folders that one process checks before it reports."""

CHUNKS_WAITING = 4
"""Chunks that are under way or waiting for each process."""


def find_runs(folder: Path) -> list[Path]:
    """List the runs' folders that a folder is or directly holds; itself where there are none."""
    if is_run(folder):
        return [folder]
    with os.scandir(folder) as entries:
        inside = [Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False)]
    return sorted(filter(is_run, inside)) or [folder]


def is_run(folder: Path) -> bool:
    """Whether a folder is a run's, finished or not."""
    names = ("certificate.json", "certificate.html")
    return any(os.path.lexists(folder / name) for name in names)


def check(folder: Path, allowed_signers: Path | None, now: datetime) -> Row:
    """Check one folder; whatever it holds, a row comes of it."""
    name = one_line(folder.name, TEXT_LIMIT)
    if not os.path.lexists(folder / "certificate.json"):
        if is_run(folder):
            return Row(folder=str(folder), state="unfinished", site=name)
        problem = "neither a run's folder nor one that directly holds some"
        return Row(folder=str(folder), state="missing", site=name, reason=problem)
    try:
        return _checked(folder, allowed_signers, now)
    except (BrokenError, OSError, evidence_file.EvidenceError, SignatureError) as error:
        problem = str(error)
    except Exception as error:  # noqa: BLE001 - a folder must not be able to end the summary
        problem = f"{type(error).__name__}: {error}"
    return Row(
        folder=str(folder), state="untrusted", site=name, reason=one_line(problem, REASON_LIMIT)
    )


def _checked(folder: Path, allowed_signers: Path | None, now: datetime) -> Row:
    check_files(folder)
    data = (folder / "certificate.json").read_bytes()
    certificate = verify.read(data)
    verify.check_signature(certificate, data, folder, allowed_signers)
    if verify.made_here(certificate):
        saved = evidence_file.load(folder / siblings.EVIDENCE)
        verify.check_catalogue(certificate, saved)
        verify.check_facts(certificate, saved)
    else:
        verify.check_whole(certificate)
        verify.check_same_run(certificate, folder)
    verify.check_verdict(certificate)
    verify.check_content(certificate)
    siblings.check(certificate, folder)
    verify.check_bound(certificate, folder)
    site, names = certificate["site"], [cube["name"] for cube in certificate["item"]["cubes"]]
    shown = names[:NAMES_SHOWN] + ["…"] * (len(names) > NAMES_SHOWN)
    return Row(
        folder=str(folder),
        state=certificate["verdict"],
        site=one_line(site["name"] or ", ".join(shown), TEXT_LIMIT),
        customer=one_line(site["customer"], TEXT_LIMIT),
        location=one_line(site["location"], TEXT_LIMIT),
        identity=identity(certificate),
        cubes=b"".join(sorted({sha256(name)[:CUBE_DIGEST] for name in names})),
        slug=run.slug(site["name"] or (names[0] if names else "")),
        stage=certificate["stage"],
        simulated=certificate["simulated"],
        replayed=certificate["replayed"],
        started=moment(certificate["time"]["started"], now),
        certificate_id=one_line(certificate["certificate_id"], TEXT_LIMIT),
        digest=hashlib.sha256(data).hexdigest(),
        signed_by=one_line((certificate["signature"] or {}).get("fingerprint", ""), TEXT_LIMIT),
        outcomes=outcomes(certificate["results"]),
    )


def check_files(folder: Path) -> None:
    """Check that a run's folder holds nothing but a few plain files of bounded size.

    Raises:
        BrokenError: a pipe, a link, a device or a flood of bytes would keep the reader busy.
    """
    with os.scandir(folder) as entries:
        for number, entry in enumerate(entries):
            if number == FILES_LIMIT:
                raise BrokenError(f"the folder holds more than {FILES_LIMIT} files")
            siblings.check_plain(entry.name, entry.stat(follow_symlinks=False))


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


def outcomes(results: Sequence[dict[str, Any]]) -> dict[str, Outcome]:
    """Return every requirement's worst outcome, in the order of the results."""
    found: dict[str, list[Outcome]] = {}
    for result in results:
        found.setdefault(result["requirement"], []).append(result["outcome"])
    return {requirement: worst(told) for requirement, told in found.items()}


def identity(certificate: dict[str, Any]) -> str:
    """Return a text that certificates of one site share and those of two sites do not.

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
    """Return the SHA-256 of a text."""
    return hashlib.sha256(text.encode(errors="surrogatepass")).digest()


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
