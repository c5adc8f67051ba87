"""Certificates of real sessions on made-up evidence, and the browser that shows them.

Every certificate is made once and looked at by many tests. Screenshots and PDFs stay in pytest's
temporary folder, in ``looks``, for whoever wants to see them: ``--basetemp`` says where.
"""

from __future__ import annotations

import datetime as dt
import os
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

import msgspec
import pytest
from playwright.sync_api import sync_playwright

from cube_acceptance.certificate import pdf
from cube_acceptance.evidence import Trouble, VerifyError
from cube_acceptance.site import Cube, Waiver
from selftests.support import healthy, sessions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

    from cube_acceptance.evidence import Observation
    from cube_acceptance.evidence_file import Saved

FLEET = 200
FLAGS = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
)
"""What a browser needs to leave the network alone."""

REFUSED = Trouble(kind="refused", phase="tcp", detail="Connection refused")
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


def _rejected() -> Saved:
    """No time, a firewall that inspects TLS, a closed port, a name that does not resolve."""
    seen = healthy.observations()
    forged = msgspec.structs.replace(healthy.TLS, issuer="CN=Untrusted CA,O=Firewall")
    distrust = VerifyError(code=19, message="self-signed certificate in certificate chain")
    silence = Trouble(kind="no-answer", phase="udp", detail="no answer in 3 s")
    changes = {
        f"ntp/{healthy.SERVER}": msgspec.structs.replace(
            seen[f"ntp/{healthy.SERVER}"], reply=None, trouble=silence
        ),
        **{
            f"https/{host}": healthy.https(host, tls=forged, verify_error=distrust, reply=None)
            for host in healthy.HOSTS
        },
        f"page/{healthy.CUBE}:5555": healthy.page(5555, replies=(), trouble=REFUSED),
        "llmnr/line-1": msgspec.structs.replace(seen["llmnr/line-1"], replies=()),
    }
    return healthy.saved(changes)


def _fleet() -> Saved:
    """Many CUBEs, all of them measured; every eleventh has its connector closed."""
    seen = healthy.observations()
    of_one = [key for key in seen if healthy.CUBE in key or "line-1" in key]
    changes: dict[str, Observation | None] = dict.fromkeys(of_one)
    cubes = []
    for number in range(FLEET):
        name, address = f"line-{number}", f"10.20.0.{number + 50}"
        hostname = f"cube-{4711 + number}"
        cubes.append(
            Cube(
                name=name,
                address=address,
                version="0.131.0",
                hostname=hostname,
                serial=f"HC-{220000 + number}",
            )
        )
        for key in of_one:
            moved = key.replace(healthy.CUBE, address).replace("line-1", name)
            changes[moved] = _elsewhere(seen[key], address, hostname)
        if number % 11 == 0:
            changes[f"page/{address}:5555"] = healthy.page(
                5555, address=address, replies=(), trouble=REFUSED
            )
    return healthy.saved(changes, site=msgspec.structs.replace(healthy.SITE, cubes=tuple(cubes)))


def _elsewhere(observation: Observation, address: str, hostname: str) -> Observation:
    """Make the observation of another CUBE of the one CUBE's."""
    text = msgspec.json.encode(observation).decode()
    text = text.replace(healthy.CUBE, address).replace("cube-4711", hostname)
    return msgspec.json.decode(text, type=type(observation))


STATES: dict[str, Callable[[], Saved]] = {
    "accepted": healthy.saved,
    "rejected": _rejected,
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
    """Return the run folder of a state in a language, made when it is first asked for."""

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
