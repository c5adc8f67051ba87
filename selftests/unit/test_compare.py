"""``compare``: what has changed from one certificate to another, in both languages."""

from __future__ import annotations

import io
import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

from cube_acceptance.commands import compare
from cube_acceptance.output import Lasting
from cube_acceptance.siblings import BrokenError, number_of
from selftests.support import samples

if TYPE_CHECKING:
    from pathlib import Path


def changed(before: dict[str, Any], after: dict[str, Any], language: str = "en") -> list[str]:
    """What is said of two certificates."""
    return list(compare.changes(before, after, language))  # type: ignore[arg-type]


def test_what_got_worse_comes_first() -> None:
    """With its reason; the title is in the reader's language, whatever the certificate's."""
    worse = changed(samples.accepted("de"), samples.rejected("de"))
    better = changed(samples.rejected("de"), samples.accepted("de"))
    reason = next(
        one["reason"] for one in samples.rejected("de")["results"] if one["requirement"] == "NTP-01"
    )

    assert worse[0] == "Verdict: Accepted → Rejected"
    assert f"✗ NTP-01 Time server (NTP): met → not met (no-answer). {reason}" in worse
    assert "✓ NTP-01 Time server (NTP): not met (no-answer) → met" in better


def test_results_that_only_one_of_them_has() -> None:
    """A CUBE more, or a requirement of another version."""
    one, two = samples.accepted(), samples.accepted()
    gone = two["results"].pop()
    gone["requirement"], gone["title"] = "VLAN-01", "A VLAN"
    one["results"][-1] = gone
    lines = changed(one, two)

    assert "- VLAN-01 A VLAN" in "".join(lines)
    assert any(line.endswith("→ not contained") for line in lines)
    assert any("not contained → met" in line for line in changed(two, one))


def test_cubes() -> None:
    """New ones, others that are gone, and what is another at the same one."""
    one, two = samples.accepted(), samples.accepted()
    two["item"]["cubes"][0]["version"] = ""
    two["item"]["cubes"].append({"name": "line-9", "address": "10.20.0.59"})
    name, version = one["item"]["cubes"][0]["name"], one["item"]["cubes"][0]["version"]

    assert changed(one, two) == [
        f"{name}, Version: {version} → \N{EN DASH}",
        "CUBE line-9 is new.",
    ]
    assert "CUBE line-9 ist nicht mehr dabei." in changed(two, one, "de")


def test_waivers_deviations_and_version() -> None:
    """What was accepted, how it was tested, and by what."""
    one, two = samples.accepted(), samples.accepted()
    one["deviations"] = [{"code": "private-ca", "text": "Eigene Stelle."}]
    two["deviations"] = [{"code": "private-addresses", "text": "Private Adressen."}]
    two["waivers"] = [{"requirement": "NTP-01", "justification": "later"}]
    two["method"]["version"] = "9.0"
    lines = changed(one, two, "de")

    assert lines[:3] == [
        "+ Zugelassene Abweichungen: NTP-01: later",
        "+ Abweichungen vom Prüfverfahren: Private Adressen.",
        "- Abweichungen vom Prüfverfahren: Eigene Stelle.",
    ]
    assert lines[3].endswith("→ 9.0")
    one["deviations"][0]["text"] = "A private authority."
    again = samples.accepted() | {"deviations": [{"code": "private-ca", "text": "Eine."}]}
    assert changed(one, again) == []


def test_heads() -> None:
    """Both runs, and how they belong together."""
    one, two = samples.accepted(), samples.rejected()
    two["certificate_id"] = "other"
    two["replaces"] = one["certificate_id"]
    two["site"] = {"name": "", "customer": "", "location": ""}
    lines = list(compare.heads(one, two, "en"))

    assert lines[0].startswith("Before: Werk Ulm · ")
    assert lines[0].endswith(": Accepted")
    assert lines[1].startswith("After: \N{EN DASH} · ")
    assert lines[2:] == [
        "! These are certificates of different sites.",
        "The second certificate replaces the first.",
    ]


class TestCommand:
    """From two folders to an exit status."""

    @pytest.fixture
    def opened(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Folders named as the samples."""

        def read(folder: Path) -> tuple[bytes, dict[str, Any]]:
            if folder.name == "none":
                raise BrokenError("certificate.json: file missing")
            return b"", getattr(samples, folder.name)()

        monkeypatch.setattr(compare.verify, "opened", read)

    @pytest.mark.usefixtures("opened")
    @pytest.mark.parametrize(
        ("folders", "status", "said"),
        [
            (("accepted", "accepted"), 0, "Nothing has changed."),
            (("rejected", "accepted"), 1, "✓ NTP-01"),
        ],
    )
    def test_ends(
        self,
        folders: tuple[str, str],
        status: int,
        said: str,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """As diff does."""
        assert compare.main([*folders, "--lang", "en"]) == status
        assert said in capsys.readouterr().out

    @pytest.mark.usefixtures("opened")
    def test_no_certificate(self, capsys: pytest.CaptureFixture[str]) -> None:
        """It is named."""
        with pytest.raises(SystemExit):
            compare.main(["accepted", "none"])
        assert "none: certificate.json: file missing" in capsys.readouterr().err

    @pytest.mark.usefixtures("opened")
    def test_a_terminal_without_signs(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """It gets plainer ones."""
        written = io.BytesIO()
        monkeypatch.setattr(sys, "stdout", Lasting(io.TextIOWrapper(written, "latin-1")))
        compare.main(["rejected", "accepted", "--lang", "en"])
        sys.stdout.flush()

        assert b"+ NTP-01 Time server (NTP): not met (no-answer) -> met" in written.getvalue()


class TestNumber:
    """The number of the certificate that is to be replaced."""

    def test_of_a_run(self, tmp_path: Path) -> None:
        """It is in its certificate."""
        certificate = samples.accepted()
        (tmp_path / "certificate.json").write_text(json.dumps(certificate))

        assert number_of(tmp_path) == certificate["certificate_id"]

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            (None, "No such file"),
            ("{}", "is no certificate"),
            ("x", "is no certificate"),
            (json.dumps(samples.accepted() | {"certificate_id": "<b>"}), "has no number"),
        ],
    )
    def test_of_none(self, tmp_path: Path, text: str | None, said: str) -> None:
        """What is none is named."""
        if text is not None:
            (tmp_path / "certificate.json").write_text(text)
        with pytest.raises(BrokenError, match=said):
            number_of(tmp_path)
