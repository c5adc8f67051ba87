"""Tests of who imports whom: the rooms of the house stand in one order, and nothing goes round."""

from __future__ import annotations

import ast
import graphlib
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
SOURCE = PROJECT / "src" / "cube_acceptance"

ROOMS = (
    "text.foreign",
    "ownership",
    "addresses",
    "programs",
    "evidence",
    "catalogue",
    "site",
    "logins",
    "setup",
    "judge",
    "network",
    "probes.net",
    "probes",
    "runner",
    "text",
    "explain",
    "expected",
    "streamed",
    "evidence_file",
    "store",
    "needs",
    "survey",
    "verdict",
    "ledger",
    "cases",
    "suite",
    "started",
    "meant",
    "method",
    "certificate",
    "lines",
    "watching",
    "discovery",
    "run",
    "siblings",
    "again",
    "output",
    "entry",
    "refusals",
    "session",
    "arguments",
    "display",
    "table",
    "folder",
    "workers",
    "plugin",
    "verify",
    "summary",
    "outside",
    "schemas",
    "commands",
    "__main__",
)
"""The rooms in the order in which data passes through them: each imports from those before it."""

PYTEST_ROOMS = {
    *("output", "entry", "refusals", "session", "arguments", "display", "table", "folder"),
    *("workers", "plugin"),
}
"""The seam to pytest."""


def modules(folder: Path, package: str) -> dict[str, Path]:
    """The modules of a package by their dotted names below it; a package is its `__init__`."""
    found = {}
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder).with_suffix("").parts
        name = ".".join(part for part in parts if part != "__init__")
        found[f"{package}.{name}".rstrip(".")] = path
    return found


def imports(path: Path) -> set[str]:
    """Everything that a file imports, at its top or later, by dotted name."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {each.name for each in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
            found |= {f"{node.module}.{each.name}" for each in node.names}
    return found


def graph(folder: Path, package: str) -> dict[str, set[str]]:
    """Which modules each module imports from; what a package shows to others is of its members."""
    known = modules(folder, package)
    drawn = {}
    for name, path in known.items():
        found = imports(path) & known.keys()
        # `from package import module` names the package as well.
        found -= {each for each in found if any(other.startswith(f"{each}.") for other in found)}
        drawn[name] = found - {name}
    return drawn


def room(module: str) -> str:
    """The room of a module: the longest name in :data:`ROOMS` that it begins with."""
    below = module.partition(".")[2]
    return max((each for each in ROOMS if f"{below}.".startswith(f"{each}.")), key=len, default="")


IMPORTS = graph(SOURCE, "cube_acceptance")


def test_every_module_has_a_room() -> None:
    """A new room gets its place in the order."""
    assert [name for name in IMPORTS if not room(name)] == ["cube_acceptance"]


@pytest.mark.parametrize("name", sorted(IMPORTS.keys() - {"cube_acceptance"}))
def test_imports_point_down(name: str) -> None:
    """Data has one way through the house; nobody below knows who is above."""
    place = ROOMS.index(room(name))
    above = {each for each in IMPORTS[name] if room(each) and ROOMS.index(room(each)) > place}

    assert above == set()


@pytest.mark.parametrize(
    ("folder", "package"), [(SOURCE, "cube_acceptance"), (PROJECT / "selftests", "selftests")]
)
def test_nothing_goes_round(folder: Path, package: str) -> None:
    """What imports itself by a detour is one room with two doors."""
    graphlib.TopologicalSorter(graph(folder, package)).prepare()


def test_only_the_seam_knows_pytest() -> None:
    """The verdict does not depend on who runs the cases."""
    found = {
        room(name)
        for name, path in modules(SOURCE, "cube_acceptance").items()
        if any(each.partition(".")[0] in {"pytest", "_pytest", "xdist"} for each in imports(path))
    }

    assert found <= PYTEST_ROOMS
    assert "plugin" in found


def test_only_probes_open_sockets() -> None:
    """Nothing else of the suite may ask the network."""
    found = {
        room(name)
        for name, path in modules(SOURCE, "cube_acceptance").items()
        if "socket" in imports(path)
    }

    assert found == {"probes", "probes.net"}


def test_cases_load_no_probe() -> None:
    """They are collected before the first packet, which would wait for what they load."""
    found = {
        each
        for path in (PROJECT / "tests").glob("*.py")
        for each in imports(path)
        if each.startswith("cube_acceptance.probes")
    }

    assert found == set()
