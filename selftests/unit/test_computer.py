"""The language of a computer's user."""

from __future__ import annotations

import ctypes
from types import SimpleNamespace

import pytest

from cube_acceptance.text import computer


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({"LANG": "en_GB.UTF-8"}, "en"),
        ({"LANG": "de_AT.UTF-8"}, "de"),
        ({"LANG": "de_DE", "LC_ALL": "en_US"}, "en"),
        ({"LANG": "en_GB", "LC_MESSAGES": "de_DE"}, "de"),
        ({"LANG": "en"}, "en"),
        ({"LANG": "fr_FR.UTF-8"}, "de"),
        ({"LANG": "C.UTF-8"}, "de"),
        ({}, "de"),
    ],
)
def test_by_the_variables(environment: dict[str, str], language: str) -> None:
    """The first that is set counts; what is neither German nor English is German."""
    assert computer.language(environment, "linux") == language


@pytest.mark.parametrize(("told", "language"), [(0x0809, "en"), (0x0C07, "de"), (0x040C, "de")])
def test_by_windows(monkeypatch: pytest.MonkeyPatch, told: int, language: str) -> None:
    """Which asks its user's desktop."""
    kernel = SimpleNamespace(GetUserDefaultUILanguage=lambda: told)
    monkeypatch.setattr(ctypes, "windll", SimpleNamespace(kernel32=kernel), raising=False)

    assert computer.language({}, "win32") == language


def test_windows_that_does_not_say(monkeypatch: pytest.MonkeyPatch) -> None:
    """German, as everywhere."""
    monkeypatch.delattr(ctypes, "windll", raising=False)

    assert computer.language({}, "win32") == "de"


def test_a_computer_that_says_neither() -> None:
    """Nobody knows what its user speaks."""
    assert computer.told({"LANG": "C"}, "linux") is None
    assert computer.told({"LANG": "en_GB"}, "linux") == "en"
