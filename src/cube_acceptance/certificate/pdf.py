"""Prints the certificate to PDF with a browser that is installed on this computer.

Chromium and its relatives write tagged PDF with embedded fonts from the page's own print
layout. The page may fetch nothing, and the browser gets an empty profile and no network names.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from cube_acceptance.programs import find_program

PRINT_LIMIT_S = 120.0

NAMES = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "microsoft-edge",
    "microsoft-edge-stable",
    "chrome",
    "msedge",
)
"""What the browsers that can do this are called on the search path."""

PLACES = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
    r"C:\Program Files\Google\Chrome\Application\chrome.exe",
    r"C:\Program Files (x86)\Microsoft\Edge\Application\msedge.exe",
)
"""Where they are on systems that have them on no search path."""

MAGIC = b"%PDF-"


class PdfError(Exception):
    """No PDF can be made; says why and what to do."""


def find_browser(path: str | None = None, places: tuple[str, ...] = PLACES) -> str:
    """Find a browser that prints to PDF; ``path`` replaces the search path.

    Raises:
        PdfError: there is none.
    """
    for name in NAMES:
        if found := find_program(name, path):
            return found
    for place in places:
        if Path(place).exists():
            return place
    raise PdfError(
        "no browser to print with; install Chromium, Google Chrome or Microsoft Edge, "
        "or open certificate.html in any browser and print it"
    )


def arguments(page: Path, target: Path, profile: str) -> list[str]:
    """Write the browser's arguments: no window, no network, no header or footer of its own."""
    root = sys.platform.startswith("linux") and os.geteuid() == 0
    return [
        "--headless=new",
        "--disable-gpu",
        "--disable-extensions",
        "--disable-background-networking",
        "--host-resolver-rules=MAP * ~NOTFOUND",
        "--no-first-run",
        "--no-pdf-header-footer",
        f"--user-data-dir={profile}",
        f"--print-to-pdf={target}",
        *(["--no-sandbox"] if root else []),  # Chromium's sandbox refuses to run for root
        page.resolve().as_uri(),
    ]


def make(page: Path, target: Path, browser: str) -> None:
    """Print a page to a PDF file.

    Raises:
        PdfError: the browser did not write one.
    """
    with tempfile.TemporaryDirectory(prefix="cube-acceptance-print-") as profile:
        part = Path(profile) / "certificate.pdf"
        try:
            subprocess.run(  # noqa: S603 - a program we found, arguments of our own
                [browser, *arguments(page, part, profile)],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=PRINT_LIMIT_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise PdfError(f"{Path(browser).name} did not print: {error}") from error
        data = part.read_bytes() if part.exists() else b""
    if not data.startswith(MAGIC):
        raise PdfError(f"{Path(browser).name} wrote no PDF; print certificate.html by hand")
    target.write_bytes(data)
