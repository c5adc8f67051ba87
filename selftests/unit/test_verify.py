"""Everything that can be wrong with a run's folder, one thing at a time."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import healthy
import pytest
import sessions

from cube_acceptance import survey, verify
from cube_acceptance.verify import BrokenError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An unsigned run's folder."""
    return sessions.run(tmp_path_factory.mktemp("run")).folder


@pytest.fixture
def folder(original: Path, tmp_path: Path) -> Path:
    """A copy of it to be spoiled."""
    copy = tmp_path / "copy"
    shutil.copytree(original, copy)
    return copy


@pytest.fixture
def certificate(folder: Path) -> dict[str, Any]:
    """Its certificate."""
    return verify.read((folder / "certificate.json").read_bytes())


class TestForm:
    """What is a certificate at all."""

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"{}",
            b"[]",
            b"not JSON",
            b"\xff\xfe",
            b'{"schema": "cube-acceptance/certificate/2"}',
        ],
    )
    def test_nonsense(self, folder: Path, data: bytes) -> None:
        """Only the form is reported, for nothing else can be said."""
        (folder / "certificate.json").write_bytes(data)
        (finding,) = verify.verify(folder)

        assert finding.what == "form"
        assert finding.wrong

    def test_missing(self, tmp_path: Path) -> None:
        """A folder without a certificate is none."""
        (finding,) = verify.verify(tmp_path)

        assert "certificate.json" in finding.wrong

    def test_written_differently(self, folder: Path) -> None:
        """The same JSON in another dress has changed bytes."""
        path = folder / "certificate.json"
        path.write_bytes(json.dumps(json.loads(path.read_bytes())).encode())

        with pytest.raises(BrokenError, match="not written as this suite writes it"):
            verify.read(path.read_bytes())

    def test_unknown_key(self, certificate: dict[str, Any]) -> None:
        """Nothing may be added."""
        with pytest.raises(BrokenError, match="unknown"):
            verify.read(verify.build.dump(certificate | {"more": 1}))


class TestCompleteness:
    """What the catalogue demands has to be there."""

    def test_another_catalogue(self, folder: Path, certificate: dict[str, Any]) -> None:
        """A shorter list of requirements would be easy to meet."""
        certificate["requirements_document"]["catalogue_sha256"] = "0" * 64

        with pytest.raises(BrokenError, match="another catalogue"):
            verify.check_completeness(certificate, folder)

    def test_a_result_is_missing(self, folder: Path, certificate: dict[str, Any]) -> None:
        """Every entry and subject, in order."""
        del certificate["results"][1]

        with pytest.raises(BrokenError, match="results are not those"):
            verify.check_completeness(certificate, folder)

    def test_a_case_is_missing(self, folder: Path, certificate: dict[str, Any]) -> None:
        """One of two hosts is not enough."""
        del certificate["results"][2]["cases"][0]

        with pytest.raises(BrokenError, match="cases are not those"):
            verify.check_completeness(certificate, folder)


class TestVerdict:
    """The verdict follows from the outcomes."""

    def test_another_verdict(self, certificate: dict[str, Any]) -> None:
        """What it says and what follows are named."""
        certificate["results"][0]["outcome"] = "fail"

        with pytest.raises(BrokenError, match="says accepted, its outcomes say rejected"):
            verify.check_verdict(certificate)


class TestFiles:
    """Hashes, strangers, the page."""

    def test_a_stranger(self, folder: Path, certificate: dict[str, Any]) -> None:
        """Nothing may be slipped in."""
        (folder / "certificate (1).html").write_text("")

        with pytest.raises(BrokenError, match="of other origin"):
            verify.check_hashes(certificate, folder)

    def test_another_page(self, folder: Path, certificate: dict[str, Any]) -> None:
        """A page that shows something else."""
        (folder / "certificate.html").write_text("<h1>Abgenommen</h1>")

        with pytest.raises(BrokenError, match="does not show this certificate"):
            verify.check_page(certificate, survey.load(folder / "evidence.json"), folder)

    def test_a_page_with_an_addition(self, folder: Path, certificate: dict[str, Any]) -> None:
        """The certificate is there, and something beside it."""
        with (folder / "certificate.html").open("a") as page:
            page.write("<!-- -->")

        with pytest.raises(BrokenError, match="outside the certificate"):
            verify.check_page(certificate, survey.load(folder / "evidence.json"), folder)


class TestOutcomes:
    """Judged again, the evidence has to give the same."""

    def test_other_outcomes(self, folder: Path, certificate: dict[str, Any]) -> None:
        """The requirements that differ are named."""
        certificate["results"][0] |= {"outcome": "fail", "cause": "no-answer"}

        with pytest.raises(BrokenError, match="DHCP-01 pass instead of fail"):
            verify.check_outcomes(certificate, folder)

    def test_other_details(self, folder: Path, certificate: dict[str, Any]) -> None:
        """A changed sentence is noticed as well."""
        certificate["results"][0]["cases"][0]["observed"]["server"] = "10.9.9.9"

        with pytest.raises(BrokenError, match="in the details"):
            verify.check_outcomes(certificate, folder)

    def test_no_evidence(self, folder: Path, certificate: dict[str, Any]) -> None:
        """Without evidence there is nothing to judge."""
        (folder / "evidence.json").write_text("{}")

        with pytest.raises(BrokenError, match="cannot be judged again"):
            verify.check_outcomes(certificate, folder)

    def test_no_cases(
        self,
        folder: Path,
        certificate: dict[str, Any],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """An installation without the cases says so."""
        monkeypatch.setattr(verify, "__file__", str(tmp_path / "a" / "b" / "c.py"))

        with pytest.raises(BrokenError, match="run from a checkout"):
            verify.check_outcomes(certificate, folder)

    def test_too_slow(
        self, folder: Path, certificate: dict[str, Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A replay that hangs is given up."""
        monkeypatch.setattr(verify, "REPLAY_LIMIT_S", 0.01)

        with pytest.raises(BrokenError, match="did not finish"):
            verify.check_outcomes(certificate, folder)

    def test_unobserved_cases_may_differ_in_time(self) -> None:
        """What was never observed has no time of its own."""
        case = {"evidence": [], "started": "now", "duration_s": 0.0, "outcome": "not-run"}

        assert verify.comparable([case]) == [{"evidence": [], "outcome": "not-run"}]


class TestSignature:
    """Announced and present, or neither."""

    def test_unannounced(self, folder: Path, certificate: dict[str, Any]) -> None:
        """A signature from somewhere."""
        (folder / "certificate.json.sig").write_text("")

        with pytest.raises(BrokenError, match="does not announce"):
            verify.check_signature(certificate, b"", folder, None)

    def test_demanded(self, folder: Path, certificate: dict[str, Any]) -> None:
        """Who names allowed signers wants a signature."""
        with pytest.raises(BrokenError, match="not signed"):
            verify.check_signature(certificate, b"", folder, folder / "signers")

    def test_missing(self, folder: Path, certificate: dict[str, Any]) -> None:
        """Announced and taken away."""
        certificate["signature"] = {"fingerprint": "SHA256:x", "command": ""}

        with pytest.raises(BrokenError, match="is missing"):
            verify.check_signature(certificate, b"", folder, None)

    @pytest.fixture
    def sign(self, folder: Path, tmp_path: Path) -> Callable[[str], str]:
        """Sign a file of the folder with a new key and give the fingerprint."""

        def signing(name: str) -> str:
            key = tmp_path / f"key for {name}"
            subprocess.run(
                ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True
            )
            verify.signature.sign(folder / name, key)
            return verify.signature.fingerprint(key)

        return signing

    def test_by_another_key(
        self, folder: Path, certificate: dict[str, Any], sign: Callable[[str], str]
    ) -> None:
        """The announced key has to be the one that signed."""
        certificate["signature"] = {"fingerprint": "SHA256:x", "command": ""}
        sign("certificate.json")
        data = (folder / "certificate.json").read_bytes()

        with pytest.raises(BrokenError, match="not by SHA256:x"):
            verify.check_signature(certificate, data, folder, None)

    def test_print_by_another_key(
        self, folder: Path, certificate: dict[str, Any], sign: Callable[[str], str]
    ) -> None:
        """The print is signed by the same key."""
        fingerprint = sign("certificate.json")
        certificate["signature"] = {"fingerprint": fingerprint, "command": ""}
        (folder / "certificate.pdf").write_bytes(b"%PDF-1.4")
        sign("certificate.pdf")
        data = (folder / "certificate.json").read_bytes()

        with pytest.raises(BrokenError, match=r"certificate\.pdf was signed by"):
            verify.check_signature(certificate, data, folder, None)


class TestMain:
    """The command's two kinds of lines."""

    def test_holds(self, original: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """One line, exit 0."""
        assert verify.main([str(original)]) == 0
        assert capsys.readouterr().out.startswith("holds: form")

    def test_does_not_hold(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """What does not hold is said without what a terminal would obey."""
        place = tmp_path / "\x1b[2J"
        place.mkdir()
        (place / "certificate.json").write_text('"\\u001b[2J"')
        assert verify.main([str(place)]) == 1
        said = capsys.readouterr().out

        assert said.startswith("holds: nothing\ndoes not hold: form: ")
        assert "\x1b" not in said

    def test_replayed_certificate_holds(self, original: Path, tmp_path: Path) -> None:
        """A folder made by a replay proves itself like any other."""
        evidence = str(original / "evidence.json")
        folder = sessions.start(tmp_path, "--replay", evidence).folder

        assert not any(finding.wrong for finding in verify.verify(folder))

    def test_rejected_certificate_holds(self, tmp_path: Path) -> None:
        """It is the proof that counts, not the verdict."""
        saved = healthy.saved({"ntp/10.20.0.1": None})
        folder = sessions.run(tmp_path, saved=saved).folder

        assert not any(finding.wrong for finding in verify.verify(folder))
