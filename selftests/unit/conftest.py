"""What the unit tests of the suite's core ask for by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from cube_acceptance import catalogue as catalogues
from cube_acceptance.probes.net import sockets
from selftests.support.fakes import Account

if TYPE_CHECKING:
    from cube_acceptance.catalogue import Catalogue

settings.register_profile("own", deadline=None, database=None)
settings.load_profile("own")
"""A test does not fail because the computer is busy, and leaves nothing behind."""


@pytest.fixture(scope="session")
def catalogue() -> Catalogue:
    """The catalogue that the package ships."""
    return catalogues.load()


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Account:
    """What a capture will say, whoever asks for one."""
    told = Account()
    monkeypatch.setattr(sockets, "Capture", told)
    return told
