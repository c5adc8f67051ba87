"""What a session's options mean; what is wrong with them ends it before anything is asked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cube_acceptance import evidence_file, logins, store
from cube_acceptance.site import SiteError

if TYPE_CHECKING:
    from cube_acceptance.session import State
    from cube_acceptance.site import LoadedSite


WITH_VALUE = ("site", "cube", "replay", "reports", "sign", "replaces")
"""Our options that name something."""


def check_values(config: pytest.Config) -> None:
    """Refuse an option that names nothing: a variable of the caller's may be empty.

    Without it another run would be made than was meant, the embedded site's for instance.

    Raises:
        UsageError: names the option.
    """
    for name in WITH_VALUE:
        value = config.getoption(name)
        if value is not None and "" in (value if isinstance(value, list) else [value]):
            raise pytest.UsageError(
                f"--{name} is given and names nothing; name one or leave it out"
            )


def one(config: pytest.Config, name: str) -> str:
    """Return the value of an option of which a second one would be tested by nobody."""
    values: list[str] = config.getoption(name) or [""]
    if len(values) > 1:
        raise pytest.UsageError(
            f"--{name} is given {len(values)} times, and one run has one; "
            "a site file can name any number of CUBEs"
        )
    return values[0]


def replay(config: pytest.Config) -> store.Replay | None:
    """Load the evidence that is to be judged again; None where none is."""
    path = one(config, "replay")
    if not path:
        return None
    if one(config, "site") or one(config, "cube"):
        raise pytest.UsageError(
            "--replay judges the site that its evidence was taken at; leave out --site and --cube"
        )
    try:
        saved = evidence_file.load(Path(path))
        evidence_file.check_origin(saved)
        evidence_file.check_belonging(Path(path))
    except evidence_file.EvidenceError as error:
        raise pytest.UsageError(f"--replay: {error}") from error
    return store.Replay(evidence_file.in_place(saved))


def load(config: pytest.Config) -> LoadedSite:
    """Load the site that is to be tested, by its file or by the one CUBE's address."""
    from cube_acceptance.method import load_to_measure

    path, cube = one(config, "site"), one(config, "cube")
    if path and cube:
        raise pytest.UsageError("give either --site or --cube: a site file names its CUBEs itself")
    try:
        return load_to_measure(path, cube)
    except SiteError as error:
        raise pytest.UsageError(str(error)) from error


def find_tools(config: pytest.Config, state: State) -> None:
    """Find what prints, what signs and what logs in, before anything is measured."""
    from cube_acceptance import siblings
    from cube_acceptance.certificate import pdf, signature

    try:
        if config.getoption("pdf"):
            state.browser = pdf.find_browser()
        if config.getoption("sign"):
            state.key = config.invocation_params.dir / config.getoption("sign")
            signature.fingerprint(state.key)
        if config.getoption("replaces"):
            earlier = config.invocation_params.dir / config.getoption("replaces")
            state.replaces = siblings.number_of(earlier)
        if path := one(config, "site"):
            state.logins = logins.load(state.loaded.site, Path(path))
    except pdf.PdfError as error:
        raise pytest.UsageError(f"--pdf: {error}") from error
    except SiteError as error:
        raise pytest.UsageError(str(error)) from error
    except signature.SignatureError as error:
        raise pytest.UsageError(f"--sign: {error}") from error
    except siblings.BrokenError as error:
        raise pytest.UsageError(f"--replaces: {error}") from error


def find_room(state: State) -> None:
    """Make sure that this computer lets the run have the threads, files and packets it needs."""
    from cube_acceptance.method import find_vantage
    from cube_acceptance.runner import NoRoomError, check_packets, check_room

    if state.replay:
        return
    try:
        check_room(simulated=state.simulated is not None)
        if not state.simulated:
            check_packets(find_vantage(state.loaded.site))
    except NoRoomError as error:
        raise pytest.UsageError(str(error)) from error
