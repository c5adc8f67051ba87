"""The unit tests whose subject has branches of its own on Windows, by Windows' own Python.

What only Linux or POSIX has is marked where it stands, and skipped here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from selftests.windows.wine import path_for

if TYPE_CHECKING:
    from selftests.windows.wine import Seat

FILES = (
    "deadline", "icmp", "lease_texts", "local", "output", "programs", "ratelimit", "receive",
    "windows", "windows_echo",
)  # fmt: skip


def test_unit_tests(windows: Seat) -> None:
    """None fails."""
    ended = windows.run(
        "-m", "pytest", "-c", "selftests/pytest.toml", "--rootdir=selftests", "-q", "--tb=short",
        "-p", "no:cacheprovider", "-p", "no:cube_acceptance.entry",
        *(f"selftests/unit/test_{name}.py" for name in FILES),
        PYTHONPATH=path_for(),
    )  # fmt: skip

    assert ended.returncode == 0, ended.stdout + ended.stderr
