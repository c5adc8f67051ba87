"""The portable folder for Windows, as an engineer unpacks it: nothing installed, no Internet."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING

import pytest

from selftests.windows.prepare import be_honest
from selftests.windows.wine import EMBEDDED, PROJECT, PYTHON, on_windows

if TYPE_CHECKING:
    from pathlib import Path

    from selftests.windows.wine import Seat


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, _possible: None) -> Path:
    """The unpacked folder, with what Wine lacks beside its interpreter."""
    place = tmp_path_factory.mktemp("portable")
    release = [sys.executable, str(PROJECT / "tools" / "release.py"), str(place / "dist")]
    subprocess.run(
        [*release, "--system", "none", "--windows-python", str(EMBEDDED)],
        check=True,
        capture_output=True,
    )
    with zipfile.ZipFile(place / "dist" / "cube-acceptance-win64.zip") as archive:
        archive.extractall(place)
    unpacked = place / "cube-acceptance"
    shutil.copy(PYTHON / "bcryptprimitives.dll", unpacked / "python")
    be_honest(unpacked / "python" / "Lib" / "site-packages")
    return unpacked


def start(
    windows: Seat, folder: Path, cwd: Path, *arguments: str
) -> subprocess.CompletedProcess[str]:
    """Start the folder's own command in another folder, as its user would."""
    return subprocess.run(
        ["wine", "cmd", "/c", on_windows(folder / "cube-acceptance.cmd"), *arguments],
        env=windows.environment(),
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=300.0,
        check=False,
    )


def test_accepts_and_verifies(windows: Seat, folder: Path, tmp_path: Path) -> None:
    """From an empty folder, spread over processes; the folder that it leaves holds."""
    ended = start(windows, folder, tmp_path, "-n", "2", "--lang", "de")

    assert ended.returncode == 0, ended.stdout + ended.stderr
    (left,) = (tmp_path / "reports").iterdir()
    certificate = json.loads((left / "certificate.json").read_text("utf-8"))
    outcomes = {entry["requirement"]: entry["outcome"] for entry in certificate["results"]}
    assert set(outcomes.values()) == {"pass"}, outcomes
    assert certificate["simulated"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["reports"]

    verified = start(windows, folder, tmp_path, "verify", on_windows(left))

    assert verified.returncode == 0, verified.stdout + verified.stderr


def test_usage_error(windows: Seat, folder: Path, tmp_path: Path) -> None:
    """A word that is not understood runs nothing, and its status comes through the command."""
    ended = start(windows, folder, tmp_path, "verfy")

    assert ended.returncode == 4, ended.stdout + ended.stderr
    assert not list(tmp_path.iterdir())
