"""The commands without a pytest session, by name, and pytest's exit status for a usage error."""

from __future__ import annotations

import os
import runpy
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from cube_acceptance import __main__, __version__, commands, entry, started
from cube_acceptance.commands import run

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Self


class TestMain:
    """Which command runs, and what a wrong one ends with."""

    def test_verify(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """One folder, checked in full."""
        assert commands.main(["verify", str(tmp_path), "--lang", "en"]) == 1
        assert "does not hold: form" in capsys.readouterr().out

    def test_summary(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Many folders in one table."""
        assert commands.main(["summary", str(tmp_path), "--lang", "en"]) == 10
        assert "No certificate: 1" in capsys.readouterr().out

    @pytest.mark.parametrize(
        "arguments", [["other"], ["verify"], ["summary"], ["outside", "10.20.0.50"]]
    )
    def test_usage(self, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
        """4, so that no pipeline takes a misspelt command for a rejected certificate."""
        assert commands.main(arguments) == 4
        assert "usage: " in capsys.readouterr().err

    @pytest.mark.parametrize(
        ("language", "said"),
        [
            ("en", ["usage: ", "\noptions:\n", "FILE"]),
            ("de", ["Aufruf: ", "\nOptionen:\n", "DATEI"]),
        ],
    )
    def test_help(self, language: str, said: list[str], capsys: pytest.CaptureFixture[str]) -> None:
        """Asking for help is no error, and answered in the user's language."""
        assert commands.main(["summary", "--help", "--lang", language]) == 0
        shown = capsys.readouterr().out

        assert [part for part in [*said, "--allowed-signers"] if part not in shown] == []

    def test_unknown_word(self, capsys: pytest.CaptureFixture[str]) -> None:
        """Nothing is run, least of all the simulated site."""
        assert commands.main(["werk.toml"]) == 4
        assert "did you mean: cube-acceptance --site werk.toml" in capsys.readouterr().err

    def test_module(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """``python -m cube_acceptance`` reads its own arguments and hands the status on."""
        monkeypatch.setattr(sys, "argv", ["cube_acceptance", "other"])
        with pytest.raises(SystemExit) as stop:
            runpy.run_path(__main__.__file__, run_name="__main__")

        assert stop.value.code == 4


class Replaced(Exception):  # noqa: N818 - what happens, and no error
    """Another program has taken this process over."""


class TestRun:
    """The acceptance cases, from any folder."""

    @pytest.fixture
    def command(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        """The command line of the program that takes over."""
        found: list[str] = []

        def execve(_: str, command: list[str], environment: dict[str, str]) -> None:
            assert environment["PYTHONSAFEPATH"] == "1"
            found.extend(command)
            raise Replaced

        monkeypatch.setattr(run, "TAKES_OVER", True)
        monkeypatch.setattr(os, "execve", execve)
        return found

    @pytest.mark.parametrize(
        ("arguments", "name", "typed"),
        [
            ([], "cube-acceptance", []),
            (["-m", "required"], "cube-acceptance", ["-m", "required"]),
            (["run", "--lang=en"], "cube-acceptance run", ["--lang=en"]),
        ],
    )
    def test_is_pytest(
        self, command: list[str], arguments: list[str], name: str, typed: list[str]
    ) -> None:
        """It takes the place of this process, so that every signal is its own."""
        with pytest.raises(Replaced):
            commands.main(arguments)

        assert command == [
            *(sys.executable, "-m", "pytest"),
            *started.arguments(name, typed),
        ]

    @pytest.mark.parametrize("language", ["de", "en"])
    def test_help(
        self, language: str, command: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Our own options first, every one of them, then pytest's."""
        with pytest.raises(Replaced):
            commands.main(["--lang", language, "--help"])
        said = capsys.readouterr().out
        parser = pytest.Parser(_ispytest=True)
        entry.pytest_addoption(parser)
        options = [each.names()[0] for each in parser.getgroup("cube-acceptance").options]

        assert command[-1] == "--help"
        assert [name for name in options if f"\n  {name} " not in said] == [started.MARK]
        assert [name for name in commands.MODULES if name not in said] == []

    @pytest.mark.parametrize(
        ("language", "said"), [("de", "Anführungszeichen"), ("en", "quotation mark")]
    )
    def test_options_from_outside_that_nobody_can_read(
        self,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
        language: str,
        said: str,
    ) -> None:
        """Pytest would end with a traceback, and as after a rejection."""
        monkeypatch.setenv("PYTEST_ADDOPTS", "-k 'DHCP")

        assert commands.main(["--lang", language]) == run.USAGE_ERROR
        told = capsys.readouterr().err
        assert told.startswith("PYTEST_ADDOPTS: ")
        assert said in told

    def test_version(self, capsys: pytest.CaptureFixture[str]) -> None:
        """The suite's, and not pytest's."""
        assert commands.main(["--version"]) == 0
        assert capsys.readouterr().out == f"cube-acceptance {__version__}\n"

    def test_on_windows(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """There a program cannot take over another's process: its exit status is handed on."""
        before = signal.getsignal(signal.SIGINT)
        asked = []

        class Child(FakeChild):
            def wait(self) -> int:
                asked.append(signal.getsignal(signal.SIGINT))
                return 10

        monkeypatch.setattr(run, "TAKES_OVER", False)
        monkeypatch.setattr(subprocess, "Popen", Child)
        assert run.start("cube-acceptance", []) == 10
        assert asked == [signal.SIG_IGN]
        assert signal.getsignal(signal.SIGINT) == before


class FakeChild:
    """A child that ends at once."""

    def __init__(self, command: list[str], env: dict[str, str]) -> None:
        """Be started."""
        assert command[:3] == [sys.executable, "-m", "pytest"]
        assert env["PYTHONSAFEPATH"] == "1"

    def __enter__(self) -> Self:
        """Be waited for."""
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
