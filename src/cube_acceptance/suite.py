"""Which suite this is and where its cases lie: in a checkout beside the package, in a wheel inside.

One SHA-256 covers everything that has a say in a judgement or on a page, and is the same for a
checkout and for the wheel that was built of it. A version number or a commit does not tell that: a
checkout or an installation may be changed, and most commits change nothing that judges.

Nothing here needs another package: the build hook in ``tools/`` asks it for the commit.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import subprocess
from functools import cache
from pathlib import Path

from cube_acceptance import __version__
from cube_acceptance.programs import find_program

PACKAGE = Path(__file__).parent

SOURCE = "src/cube_acceptance"
"""Where a checkout has the package."""

JUDGING = (SOURCE, "tests", "fixtures", "conftest.py", "pyproject.toml")
"""What of a checkout has a say in a verdict."""

SHIPPED = "suite"
"""The folder of an installed package that holds what lies beside the package in a checkout."""

COMMIT = "commit.txt"
"""The file in there that names the commit which the wheel was built from."""

GIT_LIMIT_S = 5.0


def find(package: Path) -> Path:
    """Return the folder of the cases that belong to a package: its own, else its checkout's."""
    shipped = package / SHIPPED
    return shipped if (shipped / "pyproject.toml").exists() else package.parents[1]


PROJECT = find(PACKAGE)
"""The folder of this suite's cases: a checkout, or the part of an installation that looks so."""


@cache
def sha256(package: Path = PACKAGE) -> str:
    """Return the SHA-256 of a suite's names and contents; how lines end makes no difference."""
    digest = hashlib.sha256()
    for name, path in sorted(_files(package).items()):
        data = path.read_bytes().replace(b"\r\n", b"\n")
        digest.update(f"{name} {len(data)}\n".encode() + data)
    return digest.hexdigest()


def _files(package: Path) -> dict[str, Path]:
    """Find what has a say, by the name that it has in a checkout."""
    found = {}
    for room in JUDGING:
        place = package if room == SOURCE else find(package) / room
        for path in place.rglob("*") if place.is_dir() else (place,):
            inside = path.relative_to(place)
            shipped = room == SOURCE and inside.parts[:1] == (SHIPPED,)
            if path.is_file() and "__pycache__" not in inside.parts and not shipped:
                found[(Path(room) / inside).as_posix()] = path
    return found


def commit(package: Path = PACKAGE) -> str:
    """Return the commit that this suite stands at; empty where nobody can tell.

    A plus sign follows where what judges was changed since: it is not what the commit holds.
    """
    project = find(package)
    if project != package / SHIPPED:
        return checked_out(project)
    try:
        head = (project / COMMIT).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""
    changed = head and not head.endswith("+") and not _as_built(package)
    return f"{head}+" if changed else head


def _as_built(package: Path) -> bool:
    """Whether an installed package holds what its wheel's list of hashes says, and nothing else."""
    record = package.parent / f"{package.name}-{__version__}.dist-info" / "RECORD"
    try:
        with record.open(encoding="utf-8", newline="") as lines:
            listed = {row[0]: row[1] for row in csv.reader(lines)}
    except (OSError, ValueError, IndexError, csv.Error):
        return False
    own = {
        name: digest
        for name, digest in listed.items()
        if name.startswith(f"{package.name}/") and "__pycache__" not in name
    }
    files = (*_files(package).values(), package / SHIPPED / COMMIT)
    return own == {path.relative_to(package.parent).as_posix(): _recorded(path) for path in files}


def _recorded(path: Path) -> str:
    """Return a file's hash as the list of an installed wheel has it."""
    digest = hashlib.sha256(path.read_bytes()).digest()
    return f"sha256={base64.urlsafe_b64encode(digest).decode().rstrip('=')}"


def checked_out(folder: Path) -> str:
    """Return the commit of a checkout, likewise with a plus sign; empty where it is none."""
    if not (folder / ".git").exists():
        return ""
    head = _git(folder, "rev-parse", "HEAD")
    changed = head and _git(folder, "status", "--porcelain", "--", *JUDGING)
    return f"{head}+" if changed else head


def _git(folder: Path, *arguments: str) -> str:
    git = find_program("git")
    if not git:
        return ""
    try:
        asked = subprocess.run(  # noqa: S603 - fixed arguments
            [git, "-C", str(folder), *arguments],
            capture_output=True,
            text=True,
            timeout=GIT_LIMIT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return asked.stdout.strip() if asked.returncode == 0 else ""
