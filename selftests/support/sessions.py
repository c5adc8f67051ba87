"""Runs the acceptance suite on made-up evidence in a process of its own, as a user would."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from cube_acceptance import evidence_file
from selftests.support import healthy

if TYPE_CHECKING:
    from collections.abc import Mapping

PROJECT = Path(__file__).resolve().parents[2]
LIMIT_S = 240.0

INSTALLED = os.environ.get("CUBE_INSTALLED_PYTHON", "")
"""The Python of an environment that the suite's wheel is installed in, where that is to be tried:
sessions are then started there by the console command, from a folder without a checkout."""


class Session(NamedTuple):
    """What a run of the suite left behind."""

    status: int
    output: str
    folders: list[Path]

    @property
    def folder(self) -> Path:
        """The one folder that the run made."""
        (folder,) = self.folders
        return folder

    @property
    def certificate(self) -> dict[str, Any] | None:
        """The certificate, where one was written."""
        written = [folder / "certificate.json" for folder in self.folders]
        found = [path for path in written if path.exists()]
        certificate: dict[str, Any] | None = json.loads(found[0].read_bytes()) if found else None
        return certificate

    @property
    def verdict(self) -> str | None:
        """The certificate's verdict, where one was written."""
        return self.certificate["verdict"] if self.certificate else None

    def outcome(self, requirement: str) -> str:
        """The outcome of a requirement's first result."""
        assert self.certificate is not None
        return next(
            result["outcome"]
            for result in self.certificate["results"]
            if result["requirement"] == requirement
        )


def run(
    scratch: Path,
    *arguments: str,
    saved: evidence_file.Saved | None = None,
    plugin: str = "",
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> Session:
    """Judge evidence, the healthy site's by default; ``scratch`` keeps it and the reports."""
    evidence = scratch / "given" / "evidence.json"
    evidence.parent.mkdir(parents=True, exist_ok=True)
    evidence.write_bytes(evidence_file.dump(saved or healthy.saved()))
    replayed = ("--replay", str(evidence), *arguments)
    return start(scratch, *replayed, plugin=plugin, environment=environment, folder=folder)


def start(
    scratch: Path,
    *arguments: str,
    plugin: str = "",
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> Session:
    """Start the suite as a user would; with a cache where one is named, and somebody's plugin.

    From a checkout that is pytest in its folder. An installed suite is started from an empty one.
    """
    reports = scratch / "reports"
    if plugin:
        (scratch / "stranger.py").write_text(plugin)
        arguments = ("-p", "stranger", *arguments)
        environment = {"PYTHONPATH": str(scratch), **(environment or {})}
    cached = any(argument.startswith("cache_dir=") for argument in arguments)
    done = subprocess.run(
        [
            *program(),
            *(() if cached else ("-p", "no:cacheprovider")),
            "-W",
            "error",
            "--reports",
            str(reports),
            *arguments,
        ],
        cwd=folder or home(scratch),
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("PYTEST")},
            **(environment or {}),
        },
        capture_output=True,
        text=True,
        errors="surrogateescape",  # a folder's name may be no text
        timeout=LIMIT_S,
        check=False,
    )
    folders = sorted(reports.iterdir()) if reports.exists() else []
    return Session(done.returncode, done.stdout + done.stderr, folders)


def program() -> tuple[str, ...]:
    """Return the command that starts a session."""
    if INSTALLED:
        return (INSTALLED, "-m", "cube_acceptance", "run")
    return (sys.executable, "-m", "pytest")


def home(scratch: Path) -> Path:
    """Return the folder that a session is started in."""
    if not INSTALLED:
        return PROJECT
    scratch.mkdir(parents=True, exist_ok=True)
    return scratch


@cache
def suite_project() -> Path:
    """Return the folder of the cases of the suite that sessions are started of."""
    if not INSTALLED:
        return PROJECT
    asked = "from cube_acceptance import suite; print(suite.PROJECT)"
    done = subprocess.run(
        [INSTALLED, "-c", asked], check=True, capture_output=True, text=True, cwd="/"
    )
    return Path(done.stdout.strip())
