"""To whom a run's files belong after ``sudo``."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from cube_acceptance import ownership

if TYPE_CHECKING:
    from pathlib import Path

CALLED = {"SUDO_UID": "1000", "SUDO_GID": "1001"}


@pytest.fixture
def changed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int, int]]:
    """What would change hands."""
    found: list[tuple[str, int, int]] = []

    def chown(path: Path, user: int, group: int, *, follow_symlinks: bool) -> None:
        assert not follow_symlinks
        found.append((path.name, user, group))

    monkeypatch.setattr(os, "chown", chown, raising=False)
    return found


def test_the_caller_gets_what_is_roots(
    tmp_path: Path, changed: list[tuple[str, int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder with its files, and nothing that is somebody's already."""
    folder = tmp_path / "run"
    folder.mkdir()
    for name in ("a", "b"):
        (folder / name).touch()
    theirs = type("Stat", (), {"st_uid": 7})()
    roots = type("Stat", (), {"st_uid": 0})()
    path_type = type(folder)
    monkeypatch.setattr(path_type, "lstat", lambda path: theirs if path.name == "b" else roots)
    ownership.give_back([folder, folder / "a"], CALLED)

    assert sorted(changed) == [("a", 1000, 1001), ("a", 1000, 1001), ("run", 1000, 1001)]


@pytest.mark.parametrize(
    "environment", [{}, {"SUDO_UID": "1000"}, {"SUDO_UID": "x", "SUDO_GID": "1"}]
)
def test_nobody_called(
    tmp_path: Path, changed: list[tuple[str, int, int]], environment: dict[str, str]
) -> None:
    """Who is root and no caller keeps what it made."""
    ownership.give_back([tmp_path], environment)

    assert changed == []


def test_what_cannot_be_given_stays(tmp_path: Path) -> None:
    """It is no reason to end a run."""
    ownership.give_back([tmp_path / "nothing"], CALLED)
