"""The lab runs where it can: elsewhere its tests are skipped with the reason, except in CI."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from selftests.lab.certificates import Authorities
from selftests.lab.daemons import missing
from selftests.lab.plant import LabError, Plant, clear_leftovers

if TYPE_CHECKING:
    from collections.abc import Iterator


def obstacle() -> str:
    """Describe what keeps the lab from running here; empty when nothing does."""
    lacking = missing()
    if lacking:
        return f"the lab needs {', '.join(lacking)}"
    try:
        with Plant():
            return ""
    except (LabError, OSError) as error:
        return f"no network namespaces can be made here: {error}"


@pytest.fixture(scope="session", autouse=True)
def _possible() -> None:
    need_the_lab()


def need_the_lab() -> None:
    """Skip where the lab cannot run; fail in CI, which has to provide for it."""
    reason = obstacle()
    if reason and os.environ.get("CI") == "true":
        pytest.fail(reason)
    if reason:
        pytest.skip(reason)
    clear_leftovers()


@pytest.fixture(scope="session")
def authorities(_possible: None) -> Iterator[Authorities]:
    """The throw-away certification authorities."""
    return Authorities.make()
