"""What the unit tests of the suite's core ask for by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cube_acceptance import catalogue as catalogues

if TYPE_CHECKING:
    from cube_acceptance.catalogue import Catalogue


@pytest.fixture(scope="session")
def catalogue() -> Catalogue:
    """The catalogue that the package ships."""
    return catalogues.load()
