"""Windows' tests run where Wine is: elsewhere they are skipped with the reason, except in CI."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from selftests.windows.prepare import prepare
from selftests.windows.wine import APT, PREFIX, Seat, missing, seat

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session", autouse=True)
def _possible() -> None:
    """Skip where Wine is not installed; fail in CI."""
    if os.environ.get("CI") == "true":
        prepare()
    elif lacking := missing():
        pytest.skip(f"no {', '.join(lacking)}: apt-get install {' '.join(APT)}")
    elif not (PREFIX / "system.reg").exists():
        pytest.skip("run python -m selftests.windows.prepare first")
    else:
        prepare()


@pytest.fixture(scope="session")
def windows(_possible: None) -> Iterator[Seat]:
    """A computer with Windows' Python."""
    with seat() as made:
        yield made
