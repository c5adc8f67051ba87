"""The embedded site under Windows' own Python: every probe, every file, every word."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from selftests.windows.wine import on_windows, path_for

if TYPE_CHECKING:
    from pathlib import Path

    from selftests.windows.wine import Seat


def test_accepted(windows: Seat, tmp_path: Path) -> None:
    """Every entry passes, and the folder verifies on Windows."""
    ended = windows.run(
        "-m", "pytest", "-W", "error", "-p", "no:cacheprovider",
        "--reports", on_windows(tmp_path), "--lang", "en",
        PYTHONPATH=path_for(),
    )  # fmt: skip

    assert ended.returncode == 0, ended.stdout + ended.stderr
    (folder,) = tmp_path.iterdir()
    certificate = json.loads((folder / "certificate.json").read_text("utf-8"))
    outcomes = {entry["requirement"]: entry["outcome"] for entry in certificate["results"]}
    assert set(outcomes.values()) == {"pass"}, outcomes
    assert certificate["vantage"]["system"].startswith("Windows")
    verified = windows.run(
        "-m", "cube_acceptance", "verify", on_windows(folder), PYTHONPATH=path_for()
    )
    assert verified.returncode == 0, verified.stdout + verified.stderr
