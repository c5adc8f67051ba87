"""Change each judgement a little and show which changes no test notices.

    python -m selftests.mutate                      every file that judges
    python -m selftests.mutate tests/test_dns.py    some of them

Every comparison, bound, negation, `and`, `or` and condition in the case files, in `network.py` and
in `verdict.py` is bent, one at a time. Each change is tried in a process of its own, forked from
one that has everything loaded: by the rows of made-up evidence, those first that reach the changed
line, and by the unit tests of the two modules. Exit status 0 when every change was noticed, 1 when
one survives. Needs fork (Linux, macOS).
"""

from __future__ import annotations

import argparse
import ast
import importlib
import os
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from selftests.support import approved, cases
from selftests.support.conditions import ROWS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from _typeshed import TraceFunction

    from selftests.support.conditions import Row

PROJECT = Path(__file__).parents[1]
PACKAGE = PROJECT / "src" / "cube_acceptance"
NETWORK, VERDICT = PACKAGE / "network.py", PACKAGE / "verdict.py"
BY_ROWS = (*sorted(cases.CASES.glob("*.py")), NETWORK)
"""The files of whose changes the rows have to tell."""
BY_TESTS = {NETWORK: "test_network.py", VERDICT: "test_verdict.py"}
"""The files that have unit tests of their own beside them, or instead."""
FILES = (*BY_ROWS, VERDICT)

LIMIT_S = 60
"""How much processor time a change may take; one by which the tests never end is noticed."""

NEAR = 15
"""How many lines away a line is near."""

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

Reached = dict[tuple[str, int], set[str]]
"""The rows that reach a line, by the file's name and the line."""


class Mutant(NamedTuple):
    """One file with one change."""

    file: Path
    line: int
    change: str
    source: str

    def __str__(self) -> str:
        """Say where the change is, and what it is."""
        return f"{self.file.relative_to(PROJECT)}:{self.line}: {self.change}"


def mutants(file: Path) -> Iterator[Mutant]:
    """Bend every judgement of a file, one at a time."""
    tree = ast.parse(file.read_text("utf-8"))
    for node in list(ast.walk(tree)):
        for change, fields in bends(node):
            straight = {name: getattr(node, name) for name in fields}
            vars(node).update(fields)
            yield Mutant(file, line_of(node), change, ast.unparse(tree))
            vars(node).update(straight)


def bends(node: ast.AST) -> Iterator[tuple[str, dict[str, Any]]]:
    """Say in which ways a node can be bent, and which of its fields become what."""
    yield from bends_of_expression(node)
    if isinstance(node, ast.If | ast.IfExp) and not is_for_types(node):
        for always in (True, False):
            yield f"the condition is always {always}", {"test": ast.Constant(always)}
    elif isinstance(node, ast.While):
        yield "the loop is never entered", {"test": ast.Constant(value=False)}
    elif isinstance(node, ast.comprehension):
        for index in range(len(node.ifs)):
            yield "the filter is dropped", {"ifs": node.ifs[:index] + node.ifs[index + 1 :]}


def bends_of_expression(node: ast.AST) -> Iterator[tuple[str, dict[str, Any]]]:
    """Say so of what compares, joins, negates or counts."""
    if isinstance(node, ast.Compare):
        for index, old in enumerate(node.ops):
            new = SWAPS[type(old)]()
            ops = [*node.ops[:index], new, *node.ops[index + 1 :]]
            yield f"{type(old).__name__} becomes {type(new).__name__}", {"ops": ops}
    elif isinstance(node, ast.BoolOp):
        other = ast.And() if isinstance(node.op, ast.Or) else ast.Or()
        yield f"{type(node.op).__name__} becomes {type(other).__name__}", {"op": other}
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        truth = ast.Call(ast.Name("bool", ast.Load()), [node.operand], [])
        yield "not is dropped", {"op": ast.UAdd(), "operand": truth}
    elif isinstance(node, ast.Constant) and type(node.value) in {int, float}:
        yield f"the number is {node.value + 1}", {"value": node.value + 1}


def line_of(node: ast.AST) -> int:
    """Return the line of a node; a comprehension's filters have none but their target's."""
    return node.target.lineno if isinstance(node, ast.comprehension) else getattr(node, "lineno", 0)


def is_for_types(node: ast.If | ast.IfExp) -> bool:
    """Whether a condition is the one around imports for types, which judges nothing."""
    return isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def reached() -> Reached:
    """Watch which rows reach which lines of the files that judge."""
    found: Reached = defaultdict(set)
    names = {str(path): path.name for path in BY_ROWS}

    def watch(frame: FrameType, event: str, _: object) -> TraceFunction | None:
        name = names.get(frame.f_code.co_filename)
        if name and event == "line":
            found[name, frame.f_lineno].add(row.name)
        return watch if name else None

    approved.read()
    approved.usual()  # of a healthy site without a change
    for row in ROWS:
        sys.settrace(watch)
        cases.judge_all(row.saved())
        sys.settrace(None)
    return found


def likely(mutant: Mutant, found: Reached) -> list[Row]:
    """Sort the rows: those first that reach the changed line, and of them the unusual ones.

    They are those that also reach a line near it which few rows reach.
    """
    rarest = dict.fromkeys((row.name for row in ROWS), len(ROWS))
    for (name, line), rows in found.items():
        if name == mutant.file.name and abs(line - mutant.line) <= NEAR:
            rarest |= {row: min(rarest[row], len(rows)) for row in rows}
    there = found.get((mutant.file.name, mutant.line), set())
    return sorted(ROWS, key=lambda row: (row.name not in there, rarest[row.name]))


def load(mutant: Mutant, scratch: Path) -> None:
    """Put the changed file in the place of the one that was loaded."""
    if mutant.file.is_relative_to(PACKAGE):
        module = importlib.import_module(f"cube_acceptance.{mutant.file.stem}")
        exec(compile(mutant.source, mutant.file, "exec"), vars(module))  # noqa: S102 - our own
    cases.CASES = shutil.copytree(cases.CASES, scratch / "tests")
    if not mutant.file.is_relative_to(PACKAGE):
        (cases.CASES / mutant.file.name).write_text(mutant.source, "utf-8")
    for path in BY_ROWS:
        sys.modules.pop(path.stem, None)
    cases.functions.cache_clear()


def survives(mutant: Mutant, rows: list[Row]) -> bool:
    """Whether all tests pass in spite of a change; for a process that ends with the answer."""
    with tempfile.TemporaryDirectory(prefix="mutate-") as scratch:
        load(mutant, Path(scratch))
        if mutant.file in BY_ROWS and not all(map(approved.is_as_expected, rows)):
            return False
        return mutant.file not in BY_TESTS or passes(BY_TESTS[mutant.file])


def passes(tests: str) -> bool:
    """Whether unit tests pass as pytest runs them."""
    folder = PROJECT / "selftests"
    where = [f"-c={folder}/pytest.toml", f"--rootdir={folder}", f"{folder}/unit/{tests}"]
    return pytest.main(["-x", "-q", "--assert=plain", "-p", "no:cacheprovider", *where]) == 0


def start(mutant: Mutant, rows: list[Row]) -> int:
    """Try a change in a forked process, which ends with 0 where the change survives."""
    sys.stdout.flush()
    process = os.fork()
    if process:
        return process
    status = 1
    try:
        signal.setitimer(signal.ITIMER_VIRTUAL, LIMIT_S)
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 1)
        os.dup2(silence, 2)
        status = 0 if survives(mutant, rows) else 1
    finally:
        os._exit(status)


def survivors(todo: list[Mutant], found: Reached, jobs: int) -> Iterator[Mutant]:
    """Try changes, some at the same time, and give those that no test notices."""
    running: dict[int, Mutant] = {}
    waiting = iter(todo)
    while True:
        while len(running) < jobs and (mutant := next(waiting, None)):
            running[start(mutant, likely(mutant, found))] = mutant
        if not running:
            return
        process, status = os.wait()
        mutant = running.pop(process)
        if status == 0:
            yield mutant


def proven(files: list[Path], found: Reached, jobs: int) -> bool:
    """Whether each file survives without a change, and none does whose functions all fail."""
    same, broken = [], []
    for file in files:
        tree = ast.parse(file.read_text("utf-8"))
        same.append(Mutant(file, 0, "nothing changed", ast.unparse(tree)))
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                node.body = [ast.Raise(ast.Name("ArithmeticError", ast.Load()))]
        broken.append(Mutant(file, 0, "every function fails", ast.unparse(tree)))
    return set(survivors(same + broken, found, jobs)) == set(same)


def main() -> int:
    """Try what the command line names."""
    parser = argparse.ArgumentParser(
        prog="python -m selftests.mutate",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="one that judges")
    parser.add_argument("--jobs", type=int, default=2, help="changes tried at the same time")
    chosen = parser.parse_args()
    files = [path.resolve() for path in chosen.files] or list(FILES)
    if strange := [str(path) for path in files if path not in FILES]:
        parser.error(f"nothing is judged in {', '.join(strange)}")
    with tempfile.TemporaryDirectory(prefix="mutate-") as scratch:
        tempfile.tempdir = scratch  # what a change leaves that hangs and is ended goes with it
        return try_all(files, chosen.jobs)


def try_all(files: list[Path], jobs: int) -> int:
    """Try every change of these files, and say which survive."""
    begin = time.monotonic()
    found = reached()
    if not proven(files, found, jobs):
        print("the tests do not pass without a change, or not fail with every function broken")
        return 2
    todo = [mutant for file in files for mutant in mutants(file)]
    alive: Counter[Path] = Counter()
    for mutant in survivors(todo, found, jobs):
        alive[mutant.file] += 1
        print(f"survives: {mutant}", flush=True)
    for file, count in Counter(mutant.file for mutant in todo).items():
        print(f"{file.relative_to(PROJECT)}: {count} changes, {count - alive[file]} noticed")
    seconds = time.monotonic() - begin
    print(f"{len(todo)} changes, {len(todo) - alive.total()} noticed, in {seconds:.0f} s")
    return 1 if alive else 0


if __name__ == "__main__":
    sys.exit(main())
