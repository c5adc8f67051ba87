"""OpenSSH keys that tests sign with, and the lists that they stand in."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def make_key(place: Path, kind: str = "ed25519", *more: str, phrase: str = "") -> Path:
    """Make a key pair."""
    command = ["ssh-keygen", "-q", "-t", kind, *more, "-N", phrase, "-f", str(place)]
    subprocess.run(command, check=True)
    return place


def signers(key: Path) -> Path:
    """Make a list of allowed signers with one key in it."""
    listed = key.with_name("signers")
    listed.write_text(f"tester {key.with_suffix('.pub').read_text()}")
    return listed
