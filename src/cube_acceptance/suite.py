"""Which suite this is: one SHA-256 of everything that has a say in a judgement or on a page.

A version number or a commit does not tell it: a checkout may be changed, and most commits change
nothing that judges.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PROJECT = Path(__file__).parents[2]
"""The checkout that this suite is installed from."""

JUDGING = ("src/cube_acceptance", "tests", "fixtures", "conftest.py", "pyproject.toml")
"""What of a checkout has a say in a verdict."""


@cache
def sha256(project: Path = PROJECT) -> str:
    """Return the SHA-256 of a checkout's names and contents; how lines end makes no difference."""
    digest = hashlib.sha256()
    for path in sorted(_files(project)):
        data = path.read_bytes().replace(b"\r\n", b"\n")
        digest.update(f"{path.relative_to(project).as_posix()} {len(data)}\n".encode() + data)
    return digest.hexdigest()


def _files(project: Path) -> Iterator[Path]:
    for name in JUDGING:
        place = project / name
        for path in place.rglob("*") if place.is_dir() else (place,):
            if path.is_file() and "__pycache__" not in path.parts:
                yield path
