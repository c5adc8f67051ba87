"""Certificates of real sessions on made-up evidence, and the browser that shows them.

Every certificate is made once and looked at by many tests. Screenshots and PDFs stay in pytest's
temporary folder, in ``looks``, for whoever wants to see them: ``--basetemp`` says where.
"""

from __future__ import annotations

import datetime as dt
import os
import sys
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest
from playwright.sync_api import sync_playwright

UNIT = Path(__file__).parents[1] / "unit"
sys.path.append(str(UNIT))

import healthy  # noqa: E402 - the unit tests' made-up evidence
import sessions  # noqa: E402 - and their way to run a session on it

from cube_acceptance.certificate import pdf  # noqa: E402
from cube_acceptance.evidence import DhcpObserved  # noqa: E402
from cube_acceptance.site import Cube, Waiver  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, Page

    from cube_acceptance.survey import Saved

FLEET = 200
FLAGS = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
)
"""What a browser needs to leave the network alone."""

NO_DHCP = {"dhcp": DhcpObserved(started=healthy.STARTED, duration_s=10.0)}
NO_CONNECTOR = {
    "page/10.20.0.50:5555": healthy.page(
        5555, replies=healthy.page(5555).replies, redirect="http://elsewhere/"
    )
}


def _reserved() -> Saved:
    waiver = Waiver(
        requirement="CONN-01",
        justification="Umbau der Anlage im März",
        approver="Dr. Peter Groß",
        expires=dt.date(2099, 1, 1),
    )
    site = msgspec.structs.replace(healthy.SITE, waivers=(waiver,))
    return healthy.saved(NO_CONNECTOR, site=site)


def _fleet() -> Saved:
    cubes = tuple(
        Cube(
            name=f"line-{number}",
            address=f"10.20.{number // 200}.{number % 200 + 50}",
            version="0.131.0",
            serial=f"HC-{220000 + number}",
        )
        for number in range(FLEET)
    )
    seen = {f"page/{cube.address}:{port}": None for cube in cubes for port in (80, 5555)}
    pages = {
        f"page/{cube.address}:{port}": msgspec.structs.replace(
            healthy.page(port), address=cube.address
        )
        for cube in cubes[1:]
        for port in (80, 5555)
    }
    return healthy.saved(seen | pages, site=msgspec.structs.replace(healthy.SITE, cubes=cubes))


STATES: dict[str, Callable[[], Saved]] = {
    "accepted": healthy.saved,
    "rejected": lambda: healthy.saved(NO_DHCP | NO_CONNECTOR),
    "incomplete": lambda: healthy.saved({"ntp/10.20.0.1": None}),
    "reserved": _reserved,
    "simulated": lambda: healthy.saved(simulated=True),
    "fleet": _fleet,
}
"""The certificates that are looked at: how each comes about."""


@pytest.fixture(scope="session")
def looks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder for pictures of what was looked at."""
    return tmp_path_factory.mktemp("looks", numbered=False)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Path]:
    """Give the run folder of a state in a language, made where it is asked for first."""

    @cache
    def make(state: str, language: str) -> Path:
        scratch = tmp_path_factory.mktemp(f"{state}-{language}")
        return sessions.run(scratch, "--lang", language, saved=STATES[state]()).folder

    return make


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """The installed browser, without a window."""
    sandbox = os.geteuid() != 0  # Chromium's sandbox refuses to run for root
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=pdf.find_browser(), args=list(FLAGS), chromium_sandbox=sandbox
        )
        yield browser
        browser.close()


class Opened:
    """A page and what it did: requests beyond itself, dialogs, messages on its console."""

    def __init__(self, page: Page) -> None:
        """Listen from the start."""
        self.page = page
        self.requests: list[str] = []
        self.dialogs: list[str] = []
        self.errors: list[str] = []
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("dialog", self._dismiss)
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    def _dismiss(self, dialog: object) -> None:
        self.dialogs.append(dialog.message)  # type: ignore[attr-defined]
        dialog.dismiss()  # type: ignore[attr-defined]


@pytest.fixture
def opened(chromium: Browser) -> Callable[..., object]:
    """Open a file as a mail attachment is opened, with the browser's settings as named."""

    @contextmanager
    def open_file(path: Path, **settings: object) -> Iterator[Opened]:
        settings = {"viewport": {"width": 1280, "height": 900}} | settings
        media = {key: settings.pop(key) for key in ("media", "forced_colors") if key in settings}
        context = chromium.new_context(**settings)  # type: ignore[arg-type]
        try:
            seen = Opened(context.new_page())
            if media:
                seen.page.emulate_media(**media)  # type: ignore[arg-type]
            seen.page.goto(path.as_uri())
            yield seen
        finally:
            context.close()

    return open_file
