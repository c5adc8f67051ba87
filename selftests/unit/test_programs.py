"""Unit tests of where programs are looked for."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from cube_acceptance.programs import find_program

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with programs of both kinds."""
    for name in ("tool", "tool.exe", "other.txt"):
        (tmp_path / name).write_text("")
        (tmp_path / name).chmod(0o755)
    return tmp_path


class TestFindProgram:
    """`find_program` looks on the search path alone."""

    def test_on_the_path(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """This computer's, where no other is given."""
        monkeypatch.setenv("PATH", str(folder))

        assert find_program("tool", platform="linux") == str(folder / "tool")
        assert find_program("no-such-tool", platform="linux") is None

    def test_on_windows(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A program has one of the endings that Windows knows."""
        monkeypatch.setenv("PATHEXT", ".COM;.EXE")

        assert find_program("tool", str(folder), "win32") == str(folder / "tool.exe")
        assert find_program("tool.exe", str(folder), "win32") == str(folder / "tool.exe")
        assert find_program("other", str(folder), "win32") is None

    @pytest.mark.parametrize("platform", ["linux", "win32"])
    def test_never_in_the_current_folder(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, platform: str
    ) -> None:
        """What lies where somebody works is not the system's program."""
        monkeypatch.chdir(folder)

        assert find_program("tool", os.pathsep.join((".", "")), platform) is None
