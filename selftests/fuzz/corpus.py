"""Keeps a target's corpus: one archive each, written the same way from the same inputs."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

FOLDER = Path(__file__).parent / "corpus"
LIMIT = 1000
"""How many inputs are kept of each target: the shortest."""
_EPOCH = (1980, 1, 1, 0, 0, 0)


def read(target: str) -> list[bytes]:
    """Read what was kept of a target; nothing where it was never fuzzed."""
    path = FOLDER / f"{target}.zip"
    if not path.exists():
        return []
    with zipfile.ZipFile(path) as archive:
        return [archive.read(name) for name in sorted(archive.namelist())]


def write(target: str, inputs: Iterable[bytes]) -> int:
    """Keep these inputs of a target, and say how many they are."""
    shortest = sorted(set(inputs), key=lambda one: (len(one), one))[:LIMIT]
    FOLDER.mkdir(exist_ok=True)
    with zipfile.ZipFile(FOLDER / f"{target}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for one in sorted(shortest, key=_name):
            archive.writestr(zipfile.ZipInfo(_name(one), _EPOCH), one, zipfile.ZIP_DEFLATED)
    return len(shortest)


def _name(one: bytes) -> str:
    return hashlib.sha256(one).hexdigest()[:16]
