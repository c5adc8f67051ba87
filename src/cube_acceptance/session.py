"""What one process of a pytest session holds, and under which keys pytest's objects keep it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

import msgspec
import pytest

from cube_acceptance import expected, logins
from cube_acceptance.judge import Judge, Judgement
from cube_acceptance.ledger import Ledger
from cube_acceptance.setup import Setup

if TYPE_CHECKING:
    from pathlib import Path

    from cube_acceptance import store, survey
    from cube_acceptance.catalogue import Catalogue, Language
    from cube_acceptance.judge import Evidence
    from cube_acceptance.lines import Lines
    from cube_acceptance.run import Run
    from cube_acceptance.site import LoadedSite

LOOKING = (
    *("collectonly", "showfixtures", "show_fixtures_per_test"),
    *("markers", "help", "version", "cacheshow"),
)
"""Options of pytest's with which nothing is tested, so that there is nothing to certify."""


class Shared(msgspec.Struct, frozen=True, kw_only=True):
    """What the controller tells its worker processes."""

    setup: Setup
    language: str
    spool: str


class SimulatedSite(Protocol):
    """What the embedded site has to offer to the plugin; made by a hook of the fixtures."""

    loaded: LoadedSite
    logins: logins.Logins
    """What logs in at its CUBE's shell; known as soon as it is started."""

    def start(self) -> Setup:
        """Start the servers and say where they are."""
        ...

    def stop(self) -> None:
        """Stop the servers."""
        ...


class HookSpecs:
    """The seam between the plugin and the fixtures below which it must not look."""

    @pytest.hookspec(firstresult=True)
    def pytest_cube_acceptance_simulated_site(self) -> SimulatedSite:
        """Make the embedded site, not started yet."""
        raise NotImplementedError  # pragma: no cover - a specification is never called


class AsItStands(str):
    """A path in which nobody finds a variable to replace.

    pytest-html reads its own as a shell would (os.path.expandvars), and would write its report
    elsewhere where the name of a folder holds a dollar sign.
    """

    __slots__ = ()

    def __contains__(self, part: str) -> bool:  # type: ignore[override]
        """Whether a text stands in it that is not the sign of a variable."""
        return part not in {"$", "%"} and super().__contains__(part)


class State:
    """What one process of the session holds."""

    def __init__(self, catalogue: Catalogue, loaded: LoadedSite, language: Language) -> None:
        """Know the site; the rest comes when the session starts."""
        self.catalogue = catalogue
        self.loaded = loaded
        self.language: Language = language
        self.setup: Setup
        self.settled = False
        """Whether there is a setup: from the session's start on, but not where it only collects."""
        self.evidence: Evidence | None = None
        self.simulated: SimulatedSite | None = None
        self.replay: store.Replay | None = None
        self.survey: survey.Survey | None = None
        self.spool: store.Spool | None = None
        self.folder: Path
        """The run's, from the configuration on; not where pytest only shows something."""
        self.run: Run | None = None
        self.ledger = Ledger(expected.owed(catalogue, loaded.site))
        self.running: pytest.Item
        """The case that runs."""
        self.stopped = False
        """Whether a rule of the session's ended it (``-x``, ``--maxfail``) and no person did."""
        self.logins: logins.Logins = {}
        """What logs in at the CUBEs' shells; nobody else is told."""
        self.lines: Lines | None = None
        """What writes a line for each requirement, where that is left to us."""
        self.needs: tuple[expected.Owed, ...] = ()
        """The cases that were selected."""
        self.made: list[Path] = []
        """The folders that were made for the run's."""
        self.wishes: dict[str, Path] = {}
        self.browser = ""
        self.replaces = ""
        """The number of the certificate that is replaced."""
        self.key: Path | None = None
        self.said: int | None = None
        """The exit status with which the certificate was written; None: there is none."""


STATE = pytest.StashKey[State]()
OWED = pytest.StashKey[expected.Owed]()
CASE = pytest.StashKey[Callable[..., None]]()
JUDGE = pytest.StashKey[Judge]()
JUDGED = pytest.StashKey[Judgement]()


def only_looks(config: pytest.Config) -> bool:
    """Whether pytest is asked to show something, and to test nothing."""
    return any(config.getoption(name, None) for name in LOOKING)
