"""The commands without a pytest session, by name, and pytest's exit status for a usage error."""

from __future__ import annotations

import runpy
import sys
from typing import TYPE_CHECKING

import pytest

from cube_acceptance import __main__, commands

if TYPE_CHECKING:
    from pathlib import Path


class TestMain:
    """Which command runs, and what a wrong one ends with."""

    def test_verify(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """One folder, checked in full."""
        assert commands.main(["verify", str(tmp_path)]) == 1
        assert "does not hold: form" in capsys.readouterr().out

    def test_summary(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Many folders in one table."""
        assert commands.main(["summary", str(tmp_path), "--lang", "en"]) == 10
        assert "No certificate: 1" in capsys.readouterr().out

    @pytest.mark.parametrize(
        "arguments", [[], ["other"], ["verify"], ["summary"], ["outside", "10.20.0.50"]]
    )
    def test_usage(self, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
        """4, so that no pipeline takes a misspelt command for a rejected certificate."""
        assert commands.main(arguments) == 4
        assert "usage: " in capsys.readouterr().err

    def test_help(self, capsys: pytest.CaptureFixture[str]) -> None:
        """Asking for help is no error."""
        assert commands.main(["summary", "--help"]) == 0
        assert "--allowed-signers" in capsys.readouterr().out

    def test_module(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """``python -m cube_acceptance`` reads its own arguments and hands the status on."""
        monkeypatch.setattr(sys, "argv", ["cube_acceptance"])
        with pytest.raises(SystemExit) as stop:
            runpy.run_path(__main__.__file__, run_name="__main__")

        assert stop.value.code == 4
