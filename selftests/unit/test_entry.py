"""Where the acceptance cases are that belong to this package."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cube_acceptance.entry import is_suite
from cube_acceptance.suite import PROJECT

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Another checkout of the suite."""
    marker = tmp_path / "other" / "fixtures" / "given.py"
    marker.parent.mkdir(parents=True)
    marker.touch()
    return tmp_path / "other"


class TestIsSuite:
    """Whose cases may judge."""

    def test_of_an_installed_checkout(self, checkout: Path, tmp_path: Path) -> None:
        """Its own and no others, by whatever path."""
        (tmp_path / "link").symlink_to(PROJECT)

        assert is_suite(PROJECT)
        assert is_suite(tmp_path / "link")
        assert not is_suite(checkout)
        assert not is_suite(tmp_path / "nowhere")

    def test_that_is_gone(self, checkout: Path, tmp_path: Path) -> None:
        """A package without its cases takes no others in their place."""
        assert not is_suite(checkout, project=tmp_path / "suite")
