"""Tests of the run: its folder, its facts, and the order in which its files are written."""

from __future__ import annotations

import hashlib
import json
import re
import time
from datetime import UTC, date, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from cube_acceptance import catalogue as catalogues
from cube_acceptance import evidence_file, method, run
from cube_acceptance.certificate import build, pdf, signature
from cube_acceptance.certificate.annex import CERTIFICATE_MARK
from cube_acceptance.evidence import NtpObserved, VerifyError
from cube_acceptance.run import Run
from cube_acceptance.site import Plant, Site
from selftests.support import annexes
from selftests.support.cases import judged
from selftests.support.healthy import ENDED, HOSTS, NTP_REPLY, SITE, STARTED, https, saved
from selftests.support.keys import make_key

if TYPE_CHECKING:
    from pathlib import Path

    from cube_acceptance.evidence import Observation

TAPIO, *_ = HOSTS
DISBELIEVED = VerifyError(code=19, message="self-signed certificate in certificate chain")


@pytest.fixture(scope="session")
def annex(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A page that pytest-html itself has written, with the mark in its place."""
    return annexes.written(tmp_path_factory.mktemp("annex"), "def test_it():\n    pass\n")


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """A key to sign with, made for this test."""
    return make_key(tmp_path / "key")


def folder_of_a_run(tmp_path: Path, annex: str) -> Path:
    """A run's folder as pytest leaves it when everything has reported."""
    folder = tmp_path / "reports" / "run"
    folder.mkdir(parents=True)
    (folder / "certificate.html").write_text(annex, "utf-8")
    (folder / "junit.xml").write_text("<testsuites/>", "utf-8")
    return folder


def run_in(folder: Path, **changes: Any) -> Run:  # noqa: ANN401 - whatever a run takes
    """A run of the healthy site."""
    values: dict[str, Any] = {
        "catalogue": catalogues.load(),
        "setup": saved().setup,
        "folder": folder,
        "language": "en",
        "arguments": ("--site", "werk-ulm.toml"),
        "replayed": False,
    }
    return Run(**(values | changes))


class TestSlug:
    """A site's name in a folder's name."""

    @pytest.mark.parametrize(
        ("text", "made"),
        [
            ("Werk Ulm", "werk-ulm"),
            ("Gröûß & Söhne, Halle 3", "groe-ss-soehne-halle-3"),
            ("ÄÖÜẞ", "aeoeuess"),
            ("../../etc/passwd", "etc-passwd"),
            ("10.20.0.50", "10-20-0-50"),
            ("", "site"),
            ("---", "site"),
            ("工場", "site"),
            ("x" * 100, "x" * 40),
            ("x" * 39 + " y", "x" * 39),
        ],
    )
    def test_is_fit_for_any_file_system(self, text: str, made: str) -> None:
        """A customer's name can be anything; a folder's name cannot."""
        assert run.slug(text) == made


class TestFolderName:
    """The folder of one run."""

    def test_sorts_by_time_and_tells_runs_apart(self) -> None:
        """Two runs in one second must not meet in one folder."""
        moment = datetime(2026, 11, 23, 10, 0, tzinfo=timezone(timedelta(hours=1)))

        names = {run.folder_name(SITE, moment) for _ in range(20)}

        assert len(names) == 20
        assert all(re.fullmatch(r"20261123T090000Z-werk-ulm-[0-9a-f]{6}", name) for name in names)

    @pytest.mark.parametrize(
        ("site", "middle"),
        [
            (Site(site=Plant(name="Werk"), cubes=SITE.cubes), "werk"),
            (Site(cubes=SITE.cubes), "line-1"),
            (Site(stage="readiness"), "site"),
        ],
    )
    def test_names_what_is_known(self, site: Site, middle: str) -> None:
        """The plant, else the first CUBE."""
        name = run.folder_name(site, datetime.now(UTC))

        assert name.partition("-")[2].rpartition("-")[0] == middle


class TestTimes:
    """When it was measured."""

    @pytest.mark.parametrize(
        ("zone", "name", "offset"),
        [("UTC0", "UTC", 0), ("CET-1", "CET", 60), ("NST3:30", "NST", -210)],
    )
    def test_tell_the_readers_zone(
        self, monkeypatch: pytest.MonkeyPatch, zone: str, name: str, offset: int
    ) -> None:
        """Moments are UTC; a reader at the plant wants to know how far that is from the clock."""
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        try:
            found = run.times(STARTED, ENDED)
        finally:
            monkeypatch.undo()
            time.tzset()

        assert found == {
            "started": STARTED,
            "ended": ENDED,
            "zone": name,
            "utc_offset_min": offset,
        }


class TestWholePage:
    """The certificate in pytest-html's page."""

    def test_puts_it_at_the_mark(self) -> None:
        """Once, and nothing else changes."""
        evidence = saved()
        certificate = certificate_of(evidence)

        pieces = run.whole_page(
            f"<p>before</p>{CERTIFICATE_MARK}<p>after</p>".encode(), certificate, evidence
        )
        page = b"".join(pieces).decode()

        assert page.startswith("<p>before</p>")
        assert page.endswith("<p>after</p>")
        assert certificate["certificate_id"] in page
        assert CERTIFICATE_MARK not in page


def certificate_of(evidence: evidence_file.Saved) -> dict[str, Any]:
    """The content of the certificate of a run on this evidence."""
    facts = build.Facts(
        certificate_id="11111111-2222-4333-8444-555555555555",
        language="en",
        replayed=False,
        method=method.facts(()),
        vantage=method.vantage_facts(evidence.setup),
        time=run.times(evidence.started, evidence.ended),
        today=datetime(2026, 11, 23, tzinfo=UTC).date(),
    )
    return build.build(catalogues.load(), judged(evidence), evidence, facts)


class TestOpen:
    """A run's folder at its beginning."""

    @pytest.mark.parametrize("language", ["de", "en"])
    def test_holds_a_page_that_says_so(self, tmp_path: Path, language: str) -> None:
        """A killed run leaves that page and no certificate."""
        folder = tmp_path / "deep" / "reports" / "run"
        run_in(folder, language=language).open()

        assert [path.name for path in folder.iterdir()] == ["certificate.html"]
        page = (folder / "certificate.html").read_text("utf-8")
        assert f'lang="{language}"' in page
        assert "Werk Ulm" in page
        assert "accepted" not in page.partition("</style>")[2]

    def test_may_be_there_already(self, tmp_path: Path) -> None:
        """pytest-html makes the folder of its page by itself."""
        run_in(tmp_path).open()

        assert (tmp_path / "certificate.html").exists()

    def test_that_cannot_be_made_is_an_error(self, tmp_path: Path) -> None:
        """A run that cannot report must not begin."""
        (tmp_path / "file").write_text("")

        with pytest.raises(OSError, match="file"):
            run_in(tmp_path / "file" / "run").open()


class TestConclude:
    """A run's end."""

    def test_writes_everything(self, tmp_path: Path, annex: str) -> None:
        """Evidence, certificate and page, and nothing half written."""
        folder = folder_of_a_run(tmp_path, annex)
        evidence = saved()

        certificate = run_in(folder).conclude(judged(evidence), evidence)

        assert {path.name for path in folder.iterdir()} == {
            "certificate.html",
            "certificate.json",
            "evidence.json",
            "junit.xml",
            "request.csv",
            "request.txt",
        }
        assert json.loads((folder / "certificate.json").read_bytes()) == certificate
        assert certificate["verdict"] == "accepted"
        assert certificate["signature"] is None
        assert evidence_file.load(folder / "evidence.json") == evidence
        page = (folder / "certificate.html").read_text("utf-8")
        assert certificate["certificate_id"] in page
        assert CERTIFICATE_MARK not in page

    def test_names_what_it_replaces(self, tmp_path: Path, annex: str) -> None:
        """In the file and on page 1."""
        folder = folder_of_a_run(tmp_path, annex)
        evidence, number = saved(), "0b7c0cb6-8131-438a-a528-48985cdb5d88"

        certificate = run_in(folder, replaces=number).conclude(judged(evidence), evidence)

        assert certificate["replaces"] == number
        assert f'Replaces certificate no. <span class="id">{number}' in (
            folder / "certificate.html"
        ).read_text("utf-8")

    def test_binds_the_files_together(self, tmp_path: Path, annex: str) -> None:
        """A file of another run beside the certificate must be noticed."""
        folder = folder_of_a_run(tmp_path, annex)
        evidence = saved()

        certificate = run_in(folder).conclude(judged(evidence), evidence)

        files = certificate["files"]
        assert files.keys() == {
            *("certificate.html", "evidence.json", "junit.xml", "request.csv", "request.txt")
        }
        for name, digest in files.items():
            assert digest == hashlib.sha256((folder / name).read_bytes()).hexdigest()
        page = (folder / "certificate.html").read_text("utf-8")
        assert page.count(run.certificate_part(certificate, evidence)) == 1
        assert page.count(certificate["content_sha256"]) == 2  # page 1 and every printed page
        evidence_file.check_belonging(folder / "evidence.json")

    def test_leaves_no_half_a_file(self, tmp_path: Path, annex: str) -> None:
        """A page without a place for the certificate stays as it is, and nothing beside it."""
        evidence = saved()
        folder = folder_of_a_run(tmp_path, annex.replace(CERTIFICATE_MARK, "elsewhere"))
        before = (folder / "certificate.html").read_bytes()

        with pytest.raises(ValueError, match="no place"):
            run_in(folder).conclude(judged(evidence), evidence)

        assert (folder / "certificate.html").read_bytes() == before
        assert not (folder / "certificate.json").exists()
        assert not list(folder.glob(".*"))

    def test_gives_every_run_an_id(self, tmp_path: Path, annex: str) -> None:
        """Two certificates must not be taken for one."""
        evidence = saved()
        ids = set()
        for name in "ab":
            folder = folder_of_a_run(tmp_path / name, annex)
            ids.add(run_in(folder).conclude(judged(evidence), evidence)["certificate_id"])

        assert len(ids) == 2

    def test_says_that_it_is_a_replay(self, tmp_path: Path, annex: str) -> None:
        """And tells the moments of the measurement, not its own."""
        folder = folder_of_a_run(tmp_path, annex)
        evidence = saved()

        certificate = run_in(folder, replayed=True).conclude(judged(evidence), evidence)

        assert certificate["replayed"] is True
        assert (certificate["time"]["started"], certificate["time"]["ended"]) == (STARTED, ENDED)

    def test_signs(self, tmp_path: Path, annex: str, key: Path) -> None:
        """The signature is over the bytes that are there, and the certificate announces it."""
        folder = folder_of_a_run(tmp_path, annex)
        evidence = saved()

        certificate = run_in(folder, key=key).conclude(judged(evidence), evidence)

        data = (folder / "certificate.json").read_bytes()
        fingerprint = signature.check(folder / "certificate.json.sig", data, None)
        assert certificate["signature"]["fingerprint"] == fingerprint
        assert "ssh-keygen" in certificate["signature"]["command"]

    def test_that_cannot_sign_says_so(
        self, tmp_path: Path, annex: str, key: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A wrong passphrase costs the signature, not what was measured, and announces none."""
        folder = folder_of_a_run(tmp_path, annex)
        evidence = saved()

        def refuse(*_: object) -> None:
            raise signature.SignatureError("incorrect passphrase")

        monkeypatch.setattr(signature, "sign", refuse)
        ending = run_in(folder, key=key)

        certificate = ending.conclude(judged(evidence), evidence)

        assert ending.failings == ["--sign: incorrect passphrase"]
        assert certificate["signature"] is None
        assert json.loads((folder / "certificate.json").read_bytes()) == certificate
        assert not (folder / "certificate.json.sig").exists()

    def test_that_lost_its_key_says_so(self, tmp_path: Path, annex: str) -> None:
        """A stick that was pulled out during the run is no reason to lose it."""
        folder = folder_of_a_run(tmp_path, annex)
        evidence = saved()
        ending = run_in(folder, key=tmp_path / "gone")

        certificate = ending.conclude(judged(evidence), evidence)

        assert certificate["signature"] is None
        assert ending.failings == ["--sign: there is no key gone"]

    @pytest.fixture
    def printed(self, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, str]]:
        """A browser that prints at once."""
        calls: list[tuple[str, str, str]] = []

        def make(page: Path, target: Path, browser: str) -> None:
            calls.append((page.name, target.name, browser))
            target.write_bytes(b"%PDF-" + hashlib.sha256(page.read_bytes()).digest())

        monkeypatch.setattr(pdf, "make", make)
        return calls

    def test_prints_where_asked(
        self, tmp_path: Path, annex: str, printed: list[tuple[str, str, str]]
    ) -> None:
        """The finished page, and without a key nothing is signed."""
        folder = folder_of_a_run(tmp_path, annex)
        evidence = saved()
        ending = run_in(folder, browser="/usr/bin/chromium")

        ending.conclude(judged(evidence), evidence)

        assert printed == [("certificate.html", "certificate.pdf", "/usr/bin/chromium")]
        page = (folder / "certificate.html").read_bytes()
        assert (folder / "certificate.pdf").read_bytes()[5:] == hashlib.sha256(page).digest()
        assert not list(folder.glob("*.sig"))
        assert ending.failings == []

    @pytest.mark.usefixtures("printed")
    def test_signs_what_it_prints(self, tmp_path: Path, annex: str, key: Path) -> None:
        """The PDF travels alone."""
        folder = folder_of_a_run(tmp_path, annex)
        evidence = saved()

        certificate = run_in(folder, key=key, browser="chromium").conclude(
            judged(evidence), evidence
        )

        data = (folder / "certificate.pdf").read_bytes()
        fingerprint = signature.check(folder / "certificate.pdf.sig", data, None)
        assert certificate["signature"]["fingerprint"] == fingerprint

    @pytest.mark.usefixtures("printed")
    def test_does_not_sign_the_print_of_an_unsigned_certificate(
        self, tmp_path: Path, annex: str
    ) -> None:
        """One failing is told once."""
        folder = folder_of_a_run(tmp_path, annex)
        evidence = saved()
        ending = run_in(folder, key=tmp_path / "gone", browser="chromium")

        ending.conclude(judged(evidence), evidence)

        assert ending.failings == ["--sign: there is no key gone"]
        assert (folder / "certificate.pdf").exists()

    def test_that_cannot_print_says_so(
        self, tmp_path: Path, annex: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A browser that fails costs the print and nothing else."""
        folder = folder_of_a_run(tmp_path, annex)
        evidence = saved()

        def fail(*_: object) -> None:
            raise pdf.PdfError("the browser did not end")

        monkeypatch.setattr(pdf, "make", fail)
        ending = run_in(folder, browser="chromium")

        certificate = ending.conclude(judged(evidence), evidence)

        assert ending.failings == ["--pdf: the browser did not end"]
        assert certificate["verdict"] == "accepted"
        assert (folder / "certificate.json").exists()

    def test_needs_what_pytest_reports(self, tmp_path: Path) -> None:
        """Without its reports there is no certificate, and the page still says so."""
        folder = tmp_path / "run"
        unfinished = run_in(folder)
        unfinished.open()
        evidence = saved()

        with pytest.raises(Exception, match="pytest-html"):
            unfinished.conclude(judged(evidence), evidence)
        assert not (folder / "certificate.json").exists()
        assert 'class="certificate unfinished"' in (folder / "certificate.html").read_text("utf-8")


class TestDay:
    """Which day it was when a waiver is looked at."""

    @pytest.mark.parametrize(
        ("changes", "days"),
        [
            ({}, 0),
            ({"date_offset_s": 86400.0 * 3}, 3),
            ({"date_offset_s": -86400.0 * 3}, 0),
            ({"date_offset_s": 86400.0 * 3, "tls": None}, 0),
            ({"date_offset_s": 86400.0 * 3, "verify_error": DISBELIEVED}, 0),
            ({"date_offset_s": None}, 0),
        ],
    )
    def test_is_the_later_one(self, changes: dict[str, object], days: int) -> None:
        """This computer's day, unless a cloud host that is believed is further."""
        seen = saved({f"https/{TAPIO}": https(TAPIO, **changes)})

        assert run.day(seen) == datetime.fromisoformat(STARTED).date() + timedelta(days=days)

    @pytest.mark.parametrize(
        ("offsets", "leap", "days"),
        [
            ((86400.0 * 3, 86400.0 * 5), 0, 3),
            ((86400.0 * 3,), 0, 0),
            ((86400.0 * 3, 0.1), 0, 0),
            ((86400.0 * 3, -86400.0 * 3), 0, 0),
            ((86400.0 * 3, 86400.0 * 3), 3, 0),
        ],
    )
    def test_is_what_several_time_servers_say(
        self, offsets: tuple[float, ...], leap: int, days: int
    ) -> None:
        """One that is wrong expires nothing; NTP-01 does not pass by it alone."""
        told: dict[str, Observation | None] = {
            f"ntp/10.20.0.{number}": NtpObserved(
                started=STARTED,
                duration_s=0.01,
                server=f"10.20.0.{number}",
                reply=msgspec.structs.replace(NTP_REPLY, offset_s=offset, leap=leap),
            )
            for number, offset in enumerate(offsets, start=1)
        }
        silent = NtpObserved(started=STARTED, duration_s=6.0, server="10.20.0.9")
        seen = saved(told | {"ntp/10.20.0.9": silent})

        assert run.day(seen) == datetime.fromisoformat(STARTED).date() + timedelta(days=days)

    def test_has_an_end(self) -> None:
        """An absurd date expires everything."""
        seen = saved({f"https/{TAPIO}": https(TAPIO, date_offset_s=1e15)})

        assert run.day(seen) == date.max


def test_what_is_prepared_is_not_done_again(
    tmp_path: Path, annex: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To hash every file that judges and to ask git takes longer than to write the certificate."""
    evidence = saved()
    prepared = run_in(folder_of_a_run(tmp_path, annex))
    prepared.prepare()
    monkeypatch.delattr(method, "facts")
    prepared.prepare()
    certificate = prepared.conclude(judged(evidence), evidence)

    assert certificate["method"]["command_line"] == ["--site", "werk-ulm.toml"]
