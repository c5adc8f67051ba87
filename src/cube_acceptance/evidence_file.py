"""``evidence.json``: its form, how it is read, and whether it belongs where it lies.

It may come from anybody: what cannot be judged is refused, with a sentence that says why.
"""

from __future__ import annotations

import hashlib
import json
import stat
from datetime import date, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from cube_acceptance import streamed
from cube_acceptance.evidence import (
    DnsObserved,
    HttpsObserved,
    NtpObserved,
    Observation,
    PageObserved,
    PingObserved,
    SshObserved,
    TunnelObserved,
    WayObserved,
    timestamp,
)
from cube_acceptance.network import is_host, page_key, tunnel_key, way_key
from cube_acceptance.setup import Ports, Setup
from cube_acceptance.site import SiteError, check_together

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

EVIDENCE_SCHEMA = "cube-acceptance/evidence/1"

FILE_LIMIT = 256 * 1024 * 1024
"""Bytes that one file of a run may have; a run of 1,000 CUBEs stays well below."""


class EvidenceError(Exception):
    """A saved evidence file cannot be judged; says why."""


class Saved(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The content of ``evidence.json``."""

    schema: str
    suite: str
    setup: Setup
    started: str
    ended: str
    observations: dict[str, Observation]


def dump(saved: Saved) -> bytes:
    """Write evidence as the bytes of ``evidence.json``."""
    return b"".join(pieces(saved))


def pieces(saved: Saved) -> Iterator[bytes]:
    """Write evidence likewise, in pieces."""
    return streamed.pieces(
        msgspec.structs.asdict(saved), partial(msgspec.json.encode, order="sorted")
    )


def read_file(path: Path) -> bytes:
    """Read a file of a run, which may come from anybody.

    Raises:
        EvidenceError: it cannot be read, or would keep the reader busy: a pipe, a device, a flood.
    """
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise EvidenceError(f"{path}: this is a directory, a pipe or a device, and no file")
        if found.st_size > FILE_LIMIT:
            raise EvidenceError(f"{path}: has more than {FILE_LIMIT} bytes")
        return path.read_bytes()
    except OSError as error:
        raise EvidenceError(f"{path}: {error.strerror}") from error


def load(path: Path) -> Saved:
    """Read an ``evidence.json``.

    Raises:
        EvidenceError: it cannot be read, is no evidence, or is of a version that this one
            does not know.
    """
    data = read_file(path)
    try:
        head = msgspec.json.decode(data, type=dict[str, msgspec.Raw])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise EvidenceError(f"{path}: this is no evidence file: {error}") from error
    schema = bytes(head.get("schema", b"null"))
    if schema != msgspec.json.encode(EVIDENCE_SCHEMA):
        raise EvidenceError(
            f"{path}: its schema is {schema[:80].decode(errors='replace')}, "
            f"this version judges {EVIDENCE_SCHEMA}"
        )
    try:
        saved = msgspec.json.decode(data, type=Saved)
        json.loads(data, object_pairs_hook=each_once)
        for moment in (saved.started, saved.ended):
            _check_moment(moment)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise EvidenceError(f"{path}: {error}") from error
    return saved


def each_once(pairs: list[tuple[str, object]]) -> None:
    """Refuse what two readers could read differently (RFC 8259 section 4)."""
    names = [name for name, _ in pairs]
    if len(names) != len(set(names)):
        raise ValueError("a key stands twice")


def _check_moment(text: str) -> None:
    """Accept a moment as it is written here, away from the ends of the calendar."""
    moment = datetime.fromisoformat(text)
    if not date.min.year < moment.year < date.max.year or timestamp(moment) != text:
        raise ValueError(f"{text[:40]} is no moment of a run")


def check_origin(saved: Saved) -> None:
    """Check that a run of this suite can have measured this site in this way.

    Raises:
        EvidenceError: it cannot; the evidence was put together from something else.
    """
    setup, site = saved.setup, saved.setup.site
    try:
        check_together(site)
    except SiteError as error:
        raise EvidenceError(f"its site: {error}") from error
    if setup.simulated:
        return
    if setup.ports != Ports():
        raise EvidenceError("it is of the embedded site, and says that it is not")
    if setup.loaded.ca_pem and not site.cloud.ca_file:
        raise EvidenceError("it trusts an authority that its site does not name")


def in_place(saved: Saved) -> Saved:
    """Leave out every observation that is about something else than its key says."""
    kept = {key: seen for key, seen in saved.observations.items() if belongs(key, seen)}
    return msgspec.structs.replace(saved, observations=kept)


def belongs(key: str, observation: Observation) -> bool:
    """Whether an observation is about what its key says."""
    about = key.partition("/")[2]
    match observation:
        case DnsObserved(server=server, name=name):
            names = {name, "invalid"} if name.endswith(".invalid") else {name}
            return about in {f"{server}/{one}" for one in names}
        case NtpObserved(server=told) | HttpsObserved(host=told) | SshObserved(address=told):
            return about == told
        case WayObserved() | TunnelObserved():
            return key == _key_of(observation)
        case PageObserved():
            own = page_key(observation.address, observation.port)
            return key == own or key.startswith(f"{own}/")
        case PingObserved():  # of a cloud host, the key has the name
            return about == observation.address or not is_host(about)
    return True


def _key_of(observation: WayObserved | TunnelObserved) -> str:
    if isinstance(observation, WayObserved):
        return way_key(observation.over, observation.target, observation.port)
    return tunnel_key(observation.cube, observation.host)


def check_belonging(path: Path) -> None:
    """Check saved evidence against the certificate that lies beside it, where one does.

    Raises:
        EvidenceError: the certificate was made from other evidence, so this one was changed.
    """
    certificate = path.with_name("certificate.json")
    if not certificate.exists():
        return
    try:
        data = read_file(certificate)
        recorded = msgspec.json.decode(data, type=dict[str, Any])["files"]["evidence.json"]
    except (EvidenceError, msgspec.MsgspecError, LookupError, TypeError, ValueError) as error:
        raise EvidenceError(f"{certificate}: this is no certificate") from error
    if hashlib.sha256(read_file(path)).hexdigest() != recorded:
        raise EvidenceError(
            f"{path}: it is not the evidence that the certificate beside it was made from"
        )
