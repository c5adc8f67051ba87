"""Printing with a browser that is there, is not there, or does not do it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cube_acceptance.certificate import pdf
from cube_acceptance.certificate.pdf import PdfError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """A page to print."""
    file = tmp_path / "certificate.html"
    file.write_text("<title>x</title>")
    return file


def browser(tmp_path: Path, script: str) -> Path:
    """A program of a browser's name that does what the script says."""
    fake = tmp_path / "bin" / "chromium"
    fake.parent.mkdir()
    fake.write_text(f"#!/bin/sh\n{script}\n")
    fake.chmod(0o700)
    return fake


WRITES = 'for a; do case $a in --print-to-pdf=*) printf "%%PDF-1.4" >"${a#*=}";; esac; done'


class TestFindBrowser:
    """Which browser, if any."""

    def test_on_the_path(self, tmp_path: Path) -> None:
        """The first known name wins."""
        fake = browser(tmp_path, "")

        assert pdf.find_browser(str(fake.parent), ()) == str(fake)

    def test_in_its_place(self, tmp_path: Path) -> None:
        """MacOS and Windows keep theirs off the path."""
        fake = browser(tmp_path, "")

        assert pdf.find_browser("", ("/nowhere", str(fake))) == str(fake)

    def test_nowhere(self) -> None:
        """Said with what to do instead."""
        with pytest.raises(PdfError, match=r"open certificate\.html"):
            pdf.find_browser("", ("/nowhere",))


class TestArguments:
    """No network, no window, no header of its own; the sandbox stays for an ordinary user."""

    @pytest.mark.parametrize(("user", "sandbox"), [(0, False), (1000, True)])
    def test_sandbox(
        self, page: Path, monkeypatch: pytest.MonkeyPatch, user: int, *, sandbox: bool
    ) -> None:
        """Only root has to do without it."""
        monkeypatch.setattr(pdf.os, "geteuid", lambda: user)
        given = pdf.arguments(page, page.with_suffix(".pdf"), "profile")

        assert ("--no-sandbox" not in given) == sandbox
        assert "--host-resolver-rules=MAP * ~NOTFOUND" in given


class TestMake:
    """What the browser leaves."""

    def test_writes(self, tmp_path: Path, page: Path) -> None:
        """The printed page lands beside the certificate."""
        target = tmp_path / "certificate.pdf"
        pdf.make(page, target, str(browser(tmp_path, WRITES)))

        assert target.read_bytes() == b"%PDF-1.4"

    @pytest.mark.parametrize("script", ["exit 1", 'for a; do :; done; echo "no"'])
    def test_writes_nothing(self, tmp_path: Path, page: Path, script: str) -> None:
        """A browser that fails silently is found out."""
        target = tmp_path / "certificate.pdf"
        with pytest.raises(PdfError, match="wrote no PDF"):
            pdf.make(page, target, str(browser(tmp_path, script)))

        assert not target.exists()

    def test_cannot_be_started(self, tmp_path: Path, page: Path) -> None:
        """Neither is a browser that is gone."""
        with pytest.raises(PdfError, match="did not print"):
            pdf.make(page, tmp_path / "x.pdf", str(tmp_path / "gone"))

    def test_hangs(self, tmp_path: Path, page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A browser that never ends is given up."""
        monkeypatch.setattr(pdf, "PRINT_LIMIT_S", 0.05)
        with pytest.raises(PdfError, match="did not print"):
            pdf.make(page, tmp_path / "x.pdf", str(browser(tmp_path, "exec sleep 5")))
