"""What `pyproject.toml` says of the packages that the suite stands on."""

from __future__ import annotations

import ast
import sys
import tomllib
from importlib import metadata
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


def imported() -> set[str]:
    """Every module that the installed suite imports, by its first name."""
    files = (
        file for room in ("src", "tests", "fixtures") for file in (PROJECT / room).rglob("*.py")
    )
    nodes = [node for file in files for node in ast.walk(ast.parse(file.read_bytes()))]
    plain = [name.name for node in nodes if isinstance(node, ast.Import) for name in node.names]
    named = [node.module for node in nodes if isinstance(node, ast.ImportFrom) and not node.level]
    return {name.partition(".")[0] for name in (*plain, *named) if name}


def test_what_is_imported_is_declared() -> None:
    """What another package happens to bring along may be gone with its next release."""
    declared = {one.name for one in ALLOWED}
    own = {path.stem for room in (".", "src", "tests") for path in (PROJECT / room).glob("*")}
    homes = {
        module: {name.casefold() for name in names}
        for module, names in metadata.packages_distributions().items()
    }
    foreign = imported() - sys.stdlib_module_names - own

    assert {name for name in foreign if not declared & homes.get(name, set())} == set()
