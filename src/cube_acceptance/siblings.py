"""The files beside a certificate: whether each is the one that belongs to it, and if not, why.

Of any version: which files belong stands in ``files`` of the certificate, with their hashes.
"""

from __future__ import annotations

import json
import re
import stat
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import msgspec

from cube_acceptance import evidence_file
from cube_acceptance.certificate.model import Lasting
from cube_acceptance.run import sha256

if TYPE_CHECKING:
    import os
    from pathlib import Path

CERTIFICATE = "certificate.json"
PAGE = "certificate.html"
EVIDENCE = "evidence.json"
REPORT = "junit.xml"
REQUESTS = ("request.txt", "request.csv")

UNLISTED = frozenset(
    {CERTIFICATE, PAGE, "certificate.json.sig", "certificate.pdf", "certificate.pdf.sig"}
)
"""Files that may lie in a folder without standing in ``files``."""

OLD_PAGE_HASH = "certificate.html without the certificate"
"""What stood in ``files`` before 0.1.0, and is no file: the page's hash before the certificate
was put into it."""

RUN_BEGINS = timedelta(minutes=1)
"""How long before its first packet a run may begin, counted from its report."""

_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,60}")
_NUMBER = re.compile(rb"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class BrokenError(Exception):
    """Something does not hold; the message says what."""


def check_plain(name: str, found: os.stat_result) -> None:
    """Check that something in a run's folder is a plain file of bounded size.

    Raises:
        BrokenError: a pipe, a link, a device or a flood of bytes would keep the reader busy.
    """
    if not stat.S_ISREG(found.st_mode):
        raise BrokenError(f"{name} is no plain file")
    if found.st_size > evidence_file.FILE_LIMIT:
        raise BrokenError(f"{name} has more than {evidence_file.FILE_LIMIT} bytes")


def number_of(folder: Path) -> str:
    """Read the number of a run's certificate.

    Raises:
        BrokenError: there is none.
    """
    path = folder / CERTIFICATE
    try:
        check_plain(CERTIFICATE, path.lstat())
        number = msgspec.json.decode(path.read_bytes(), type=Lasting).certificate_id
    except OSError as error:
        raise BrokenError(f"{path}: {error.strerror}") from error
    except msgspec.MsgspecError as error:
        raise BrokenError(f"{path} is no certificate: {error}") from error
    if not _NUMBER.fullmatch(number.encode()):
        raise BrokenError(f"{path} has no number")
    return number


def listed(certificate: dict[str, Any]) -> dict[str, str]:
    """Return the files that belong to a certificate, with their hashes.

    Raises:
        BrokenError: one has a name that no run gives a file, such as a path.
    """
    files = {name: digest for name, digest in certificate["files"].items() if name != OLD_PAGE_HASH}
    for name in files:
        if name == CERTIFICATE or not _NAME.fullmatch(name):
            raise BrokenError("it lists files that no run makes")
    always = [EVIDENCE, REPORT, *([PAGE] if certificate.get("content_sha256") else [])]
    return dict.fromkeys(always, "") | files


def check(certificate: dict[str, Any], folder: Path) -> None:
    """Check the files beside a certificate by their hashes, and that there are no others.

    Raises:
        BrokenError: some do not belong to it; names each, and what became of it.
    """
    files = listed(certificate)
    found = {name: trouble(name, digest, certificate, folder) for name, digest in files.items()}
    wrong = [f"{name}: {what}" for name, what in found.items() if what]
    others = sorted({path.name for path in folder.iterdir()} - files.keys() - UNLISTED)
    wrong += [f"{name}: of other origin" for name in others]
    if wrong:
        raise BrokenError("; ".join(wrong))


def trouble(name: str, digest: str, certificate: dict[str, Any], folder: Path) -> str:
    """Return why a file is not the one with this hash; empty where it is."""
    try:
        check_plain(name, (folder / name).lstat())
    except FileNotFoundError:
        return "file missing"
    data = (folder / name).read_bytes()
    if sha256(data) == digest:
        return ""
    unix = data.replace(b"\r\n", b"\n")
    if digest in {sha256(unix), sha256(unix.replace(b"\n", b"\r\n"))}:
        return "line ends changed, and the content is as it was: copy it again, in an archive"
    if is_of_another_run(name, data, certificate):
        return "file of another run"
    return "content changed"


def is_of_another_run(name: str, data: bytes, certificate: dict[str, Any]) -> bool:
    """Whether a file names another run than the certificate's as its own."""
    try:
        if name in {PAGE, *REQUESTS}:
            numbers = set(_NUMBER.findall(data))
            return bool(numbers) and certificate["certificate_id"].encode() not in numbers
        if name == EVIDENCE:
            return moments(json.loads(data)) != moments(certificate["time"])
        return name == REPORT and _is_another_report(data, certificate)
    except (ValueError, KeyError, TypeError, RecursionError, ET.ParseError):
        return False


def moments(said: dict[str, Any]) -> tuple[str, str]:
    """Return when a run began and ended."""
    return said["started"], said["ended"]


def _is_another_report(data: bytes, certificate: dict[str, Any]) -> bool:
    """Whether a ``junit.xml`` names another certificate, or was not begun with the measurements.

    Before 0.2.0 it named none, and of a replay nobody knew.
    """
    # Bounded, and the parser bounds what entities grow to.
    (suite,) = ET.fromstring(data).iter("testsuite")  # noqa: S314
    for one in suite.findall("properties/property[@name='certificate_id']"):
        return one.get("value") != str(certificate["certificate_id"])
    if certificate["replayed"]:
        return False
    began = datetime.fromisoformat(suite.attrib["timestamp"])
    started, ended = map(datetime.fromisoformat, moments(certificate["time"]))
    return not started - RUN_BEGINS <= began <= ended
