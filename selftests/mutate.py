"""Changes each judgement a little and shows which changes no test notices.

    python selftests/mutate.py [FILE ...]

Every comparison, bound, negation, `and`, `or` and condition in the case files and in
`verdict.py` is bent, one at a time, in a copy of the project; the made-up evidence and the
verdict's tests have to fail on each. Ends with 1 when a change survives.
"""

from __future__ import annotations

import ast
import copy
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

PROJECT = Path(__file__).parents[1]
TESTS = ("unit/test_conditions.py", "unit/test_verdict.py")
COPIES = 2
"""Copies of the project that are tried side by side."""
LIMIT_S = 120.0

SWAPS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}


class Mutant(NamedTuple):
    """One file with one change."""

    file: Path
    line: int
    change: str
    source: str


def mutants(file: Path) -> Iterator[Mutant]:
    """Bend every judgement of a file, one at a time."""
    tree = ast.parse(file.read_text("utf-8"))
    count = sum(1 for _ in ast.walk(tree))
    for index in range(count):
        for way in range(3):
            bent = copy.deepcopy(tree)
            node = list(ast.walk(bent))[index]
            change = bend(node, way)
            if change:
                source = ast.unparse(ast.fix_missing_locations(bent))
                yield Mutant(file, getattr(node, "lineno", 0), change, source)


def bend(node: ast.AST, way: int) -> str:
    """Change a node in place; say how, or nothing where this way does not fit."""
    if isinstance(node, ast.Compare) and way == 0:
        old = type(node.ops[0])
        node.ops[0] = SWAPS[old]()
        return f"{old.__name__} becomes {SWAPS[old].__name__}"
    if isinstance(node, ast.BoolOp) and way == 0:
        old_word = type(node.op).__name__
        node.op = ast.And() if isinstance(node.op, ast.Or) else ast.Or()
        return f"{old_word} becomes {type(node.op).__name__}"
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not) and way == 0:
        node.op = ast.UAdd()
        node.operand = ast.Call(ast.Name("bool", ast.Load()), [node.operand], [])
        return "not is dropped"
    if isinstance(node, ast.If | ast.IfExp) and way in {1, 2} and not for_types(node):
        node.test = ast.Constant(way == 1)
        return f"the condition is always {way == 1}"
    if isinstance(node, ast.Constant) and type(node.value) in {int, float} and way == 0:
        node.value += 1
        return f"the number is {node.value}"
    return ""


def for_types(node: ast.If | ast.IfExp) -> bool:
    """Whether a condition is the one around imports for types, which judges nothing."""
    return isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def copy_project(folder: Path) -> Path:
    """Copy what the tests need."""
    for name in ("src", "tests", "selftests"):
        shutil.copytree(
            PROJECT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "lab")
        )
    return folder


def passes(project: Path) -> bool:
    """Whether the tests pass in a copy of the project."""
    command = (sys.executable, "-B", "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *TESTS)
    try:
        run = subprocess.run(
            command, cwd=project / "selftests", capture_output=True, timeout=LIMIT_S, check=False
        )
    except subprocess.TimeoutExpired:
        return False
    return run.returncode == 0


def survives(mutant: Mutant, project: Path) -> bool:
    """Whether the tests pass in spite of the change."""
    target = project / mutant.file.relative_to(PROJECT)
    original = target.read_text("utf-8")
    target.write_text(mutant.source, "utf-8")
    try:
        return passes(project)
    finally:
        target.write_text(original, "utf-8")


def main(arguments: list[str]) -> int:
    """Try every mutant and say which survive."""
    files = [Path(name).resolve() for name in arguments] or [
        *sorted((PROJECT / "tests").glob("*.py")),
        PROJECT / "src" / "cube_acceptance" / "verdict.py",
    ]
    todo = [mutant for file in files for mutant in mutants(file)]
    alive: list[Mutant] = []
    with tempfile.TemporaryDirectory(prefix="mutate-") as scratch:
        copies: SimpleQueue[Path] = SimpleQueue()
        for number in range(COPIES):
            project = copy_project(Path(scratch) / str(number))
            if not passes(project):
                print("the tests do not pass even without a change")
                return 2
            copies.put(project)

        def attempt(mutant: Mutant) -> None:
            project = copies.get()
            try:
                if survives(mutant, project):
                    alive.append(mutant)
                    where = mutant.file.relative_to(PROJECT)
                    print(f"survives: {where}:{mutant.line}: {mutant.change}", flush=True)
            finally:
                copies.put(project)

        with ThreadPoolExecutor(COPIES) as pool:
            list(pool.map(attempt, todo))
    print(f"{len(todo)} mutants, {len(todo) - len(alive)} caught, {len(alive)} survive")
    return int(bool(alive))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
