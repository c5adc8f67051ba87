"""To whom files belong that were made with borrowed rights: to who called, and not to root."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path


def caller(environment: Mapping[str, str]) -> tuple[int, int] | None:
    """Return user and group of who called ``sudo``; None where nobody has (sudo(8))."""
    told = environment.get("SUDO_UID", ""), environment.get("SUDO_GID", "")
    if not all(one.isascii() and one.isdigit() for one in told):
        return None
    return int(told[0]), int(told[1])


def give_back(paths: Iterable[Path], environment: Mapping[str, str] = os.environ) -> None:
    """Give files, and folders with the files in them, to who called ``sudo``; only what is root's.

    A run that may not do so is none the worse for it.
    """
    owner = caller(environment)
    if owner is None:
        return
    for path in paths:
        with contextlib.suppress(OSError, AttributeError):  # Windows has no owners of this kind
            for one in (path, *(path.iterdir() if path.is_dir() else ())):
                if one.lstat().st_uid == 0:
                    os.chown(one, *owner, follow_symlinks=False)
