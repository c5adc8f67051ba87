"""What `pyproject.toml` says of the packages that the suite stands on."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

PROJECT = Path(__file__).parents[2]
ALLOWED = [
    Requirement(line)
    for line in tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))["project"][
        "dependencies"
    ]
]
OLDEST = {
    name: version
    for name, _, version in (
        line.partition("==")
        for line in (PROJECT / "selftests" / "oldest.txt").read_text("utf-8").splitlines()
        if not line.startswith("#")
    )
}


def test_every_package_has_an_oldest() -> None:
    """A range of which nobody has tried the lower end is a guess."""
    assert [one.name for one in ALLOWED] == list(OLDEST)


@pytest.mark.parametrize("allowed", ALLOWED, ids=lambda one: one.name)
def test_the_oldest_is_where_the_range_begins(allowed: Requirement) -> None:
    """`tox -e oldest` installs what the range allows, and nothing newer than its beginning."""
    begin = next(bound.version for bound in allowed.specifier if bound.operator == ">=")

    assert OLDEST[allowed.name] in allowed.specifier
    assert f"{OLDEST[allowed.name]}.".startswith(f"{begin}.")
