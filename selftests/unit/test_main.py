"""The commands that need no pytest session."""

from __future__ import annotations

import subprocess
import sys

import pytest

from cube_acceptance import __main__ as command


class TestMain:
    """Which command the first argument names."""

    @pytest.mark.parametrize("arguments", [[], ["nonsense"]])
    def test_usage(self, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
        """Anything else is answered with how it is used."""
        assert command.main(arguments) == 4
        assert "usage: python -m cube_acceptance verify FOLDER" in capsys.readouterr().err

    def test_verify(self, tmp_path: object, capsys: pytest.CaptureFixture[str]) -> None:
        """An empty folder proves nothing."""
        assert command.main(["verify", str(tmp_path)]) == 1
        assert "does not hold: form" in capsys.readouterr().out

    def test_runs_as_a_module(self) -> None:
        """The documented command is this module."""
        asked = subprocess.run([sys.executable, "-m", "cube_acceptance"], check=False)

        assert asked.returncode == 4
