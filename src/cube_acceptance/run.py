"""One run: its folder, its setup, and the order in which its files are written."""

from __future__ import annotations

import hashlib
import re
import secrets
import uuid
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec

from cube_acceptance import evidence_file, method, network
from cube_acceptance.certificate import build, front, junit, page, pdf, request, signature
from cube_acceptance.certificate.annex import CERTIFICATE_MARK
from cube_acceptance.evidence import HttpsObserved, NtpObserved, timestamp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from cube_acceptance.catalogue import Catalogue, Language
    from cube_acceptance.evidence_file import Saved
    from cube_acceptance.ledger import Ledger
    from cube_acceptance.setup import Setup
    from cube_acceptance.site import Site

    Piece = bytes | memoryview


def slug(text: str) -> str:
    """Make a text fit for a file name: lower-case letters, digits and single hyphens."""
    plain = text.lower()
    for umlaut, letters in (("ä", "ae"), ("ö", "oe"), ("ü", "ue"), ("ß", "ss")):
        plain = plain.replace(umlaut, letters)
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:40].rstrip("-") or "site"


def folder_name(site: Site, moment: datetime) -> str:
    """Name a run's folder: UTC time, site, and a few random letters."""
    return folder_of(site.site.name or (site.cubes[0].name if site.cubes else ""), moment)


def folder_of(name: str, moment: datetime) -> str:
    """Name a folder: UTC time, what it is about, and a few random letters."""
    return f"{moment.astimezone(UTC):%Y%m%dT%H%M%SZ}-{slug(name)}-{secrets.token_hex(3)}"


def sha256(data: bytes) -> str:
    """Return the SHA-256 in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def day(saved: Saved) -> date:
    """Return the day of the measurements (UTC): this computer's, or a later one that others tell.

    A clock that is set back makes no waiver valid again. Of the cloud hosts, what came over a
    believed TLS connection counts; of time servers, what all of several say.
    """
    started = datetime.fromisoformat(saved.started)
    seen = saved.observations.values()
    clouds = (
        one.date_offset_s or 0.0
        for one in seen
        if isinstance(one, HttpsObserved) and one.tls and not one.verify_error
    )
    servers = [
        one.reply.offset_s
        for one in seen
        if isinstance(one, NtpObserved) and one.reply and not network.unsynchronised_by(one.reply)
    ]
    ahead_s = max(0.0, *clouds, min(servers) if len(servers) > 1 else 0.0)
    try:
        return max(started, started + timedelta(seconds=ahead_s)).date()
    except OverflowError:
        return date.max


def times(started: str, ended: str) -> dict[str, Any]:
    """Return when the measurements were made, and in which zone the reader's clock runs."""
    here = datetime.fromisoformat(started).astimezone()
    offset = here.utcoffset()
    return {
        "started": started,
        "ended": ended,
        "zone": here.tzname() or "UTC",
        "utc_offset_min": int(offset.total_seconds() // 60) if offset else 0,
    }


def title(kind: dict[str, Any], name: str, number: str, language: Language) -> str:
    """Write a page's title: what it is, of which site, and which certificate."""
    return " · ".join(filter(None, (front.title(kind, language), name, number)))


def whole_page(annex: bytes, certificate: dict[str, Any], saved: Saved) -> Iterator[Piece]:
    """Put the certificate into its place in the page that pytest-html wrote; in pieces."""
    place, mark = annex.index(CERTIFICATE_MARK.encode()), CERTIFICATE_MARK.encode()
    yield memoryview(annex)[:place]
    for piece in page.render(certificate, certificate["language"], saved.observations):
        yield piece.encode()
    yield memoryview(annex)[place + len(mark) :]


def certificate_part(certificate: dict[str, Any], saved: Saved) -> str:
    """Render the certificate, with the observations that it rests on."""
    return "".join(page.render(certificate, certificate["language"], saved.observations))


def requests(certificate: dict[str, Any]) -> dict[str, bytes]:
    """Write the request to the network's administrator, for a mail and for a ticket, by file."""
    asked = request.after(certificate, certificate["language"])
    return {
        request.TEXT: request.as_text(asked).encode(),
        request.TABLE: request.as_csv(asked).encode(),
    }


class Run:
    """The controller's side of a session: one folder, one survey, one certificate."""

    def __init__(  # noqa: PLR0913 - what a run is made of
        self,
        catalogue: Catalogue,
        setup: Setup,
        folder: Path,
        language: Language,
        arguments: tuple[str, ...],
        *,
        replayed: bool,
        key: Path | None = None,
        browser: str = "",
        replaces: str = "",
    ) -> None:
        """Prepare the run; touches nothing yet."""
        self.catalogue = catalogue
        self.setup = setup
        self.folder = folder
        self.language: Language = language
        self._arguments = arguments
        self._replayed = replayed
        self._key = key
        self._browser = browser
        self._replaces = replaces
        self.number = str(uuid.uuid4())
        self.failings: list[str] = []
        """What was asked for beside the certificate and could not be made, a line each."""
        self._started = timestamp()

    @property
    def title(self) -> str:
        """The title of the run's page."""
        kind = {"simulated": self.setup.simulated, "stage": self.setup.site.stage}
        return title(kind, self.setup.site.site.name, self.number, self.language)

    def open(self) -> None:
        """Make the folder, with a page that says that the run has not finished."""
        self.folder.mkdir(parents=True, exist_ok=True)  # pytest-html may have made it
        facts = {
            "started": self._started,
            "site": self.setup.site.site.name,
            "folder": self.folder.name,
        }
        self._write("certificate.html", [page.unfinished(self.language, facts).encode()])

    def prepare(self) -> None:
        """Do what the certificate needs and no observation changes: while others are awaited."""
        page.prepare()
        _ = self._method

    @cached_property
    def _method(self) -> dict[str, Any]:
        """By what is measured and judged; to find out takes a look at every file that has a say."""
        return method.facts(self._arguments)

    def conclude(self, ledger: Ledger, saved: Saved) -> dict[str, Any]:
        """Write the evidence and ``certificate.json``, then everything rendered from it."""
        annex = self._annex()
        files = {"evidence.json": self._write("evidence.json", evidence_file.pieces(saved))}
        facts = build.Facts(
            certificate_id=self.number,
            language=self.language,
            replayed=self._replayed,
            method=self._method,
            vantage=method.vantage_facts(saved.setup),
            time=times(saved.started, saved.ended) | {"issued": timestamp()},
            today=day(saved),
            files=files,
            replaces=self._replaces,
        )
        rendered = self.folder / ".certificate.html.rendered"

        def drafted(facts: build.Facts) -> dict[str, Any]:
            certificate = build.build(self.catalogue, ledger, saved, facts)
            asked = requests(certificate)
            hashes = {name: self._write(name, [data]) for name, data in asked.items()}
            hashes["junit.xml"] = self._report(certificate, ledger)
            # In the order of the file: a reader renders the page from that.
            certificate["files"] = dict(sorted((certificate["files"] | hashes).items()))
            pieces = whole_page(annex, certificate, saved)
            certificate["files"]["certificate.html"] = write_hashed(rendered, pieces)
            self._write("certificate.json", build.pieces(certificate))
            return certificate

        try:
            certificate = self._signed(drafted, facts) or drafted(facts)
            rendered.replace(self.folder / "certificate.html")
        finally:
            rendered.unlink(missing_ok=True)
        self._print(signed=certificate["signature"] is not None)
        return certificate

    def _report(self, certificate: dict[str, Any], ledger: Ledger) -> str:
        """Write ``junit.xml`` in the place of pytest's own, and return its SHA-256.

        That of a replay tells the judgements as well, for who compares them.
        """
        told = (
            {
                owing.case: msgspec.json.encode(ledger.judgement(owing.case)).decode()
                for owing in ledger.owed
                if ledger.judgement(owing.case).outcome != "not-run"
            }
            if self._replayed
            else {}
        )
        page = junit.place((self.folder / "certificate.html").absolute())
        return self._write("junit.xml", [junit.report(certificate, told, page)])

    def _annex(self) -> bytes:
        """Read the page that pytest-html wrote.

        Raises:
            ValueError: it has no place for the certificate, as that of an unfinished run.
        """
        written = (self.folder / "certificate.html").read_bytes()
        annex = written.replace(b"\r\n", b"\n")  # as Windows ends lines
        if CERTIFICATE_MARK.encode() not in annex:
            raise ValueError("pytest-html's page has no place for the certificate")
        return annex

    def _print(self, *, signed: bool) -> None:
        """Print the page to PDF where that was asked for; a signed run signs it as well."""
        if not self._browser:
            return
        target = self.folder / "certificate.pdf"
        try:
            pdf.make(self.folder / "certificate.html", target, self._browser)
            if signed and self._key:
                signature.sign(target, self._key)
        except (pdf.PdfError, signature.SignatureError) as error:
            self.failings.append(f"--pdf: {error}")

    def _signed(
        self, drafted: Callable[[build.Facts], dict[str, Any]], facts: build.Facts
    ) -> dict[str, Any] | None:
        """Write and sign a certificate that announces its signature; None where that fails.

        What was measured is not lost for a wrong passphrase: the caller then writes the
        certificate without a signature, and :attr:`failings` says why.
        """
        if self._key is None:
            return None
        try:
            fingerprint = signature.fingerprint(self._key)
            announced = {"fingerprint": fingerprint, "command": signature.command(fingerprint)}
            facts = msgspec.structs.replace(facts, signature=announced)
            certificate = drafted(facts)
            signature.sign(self.folder / "certificate.json", self._key)
        except (signature.SignatureError, KeyboardInterrupt) as error:
            self.failings.append(f"--sign: {error or 'interrupted'}")
            return None
        return certificate

    def _write(self, name: str, pieces: Iterable[bytes]) -> str:
        """Write a file of the run, and return its SHA-256."""
        return write_whole(self.folder / name, pieces)


def write_hashed(target: Path, pieces: Iterable[Piece]) -> str:
    """Write a file piece by piece and return its SHA-256."""
    digest = hashlib.sha256()
    with target.open("wb") as file:
        for piece in pieces:
            digest.update(piece)
            file.write(piece)
    return digest.hexdigest()


def write_whole(target: Path, pieces: Iterable[bytes]) -> str:
    """Write a file that is whole or not there, piece by piece, and return its SHA-256.

    Raises:
        OSError: it cannot be written; what was there before is still there.
    """
    part = target.with_name(f".{target.name}.part")
    try:
        digest = write_hashed(part, pieces)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    return digest
