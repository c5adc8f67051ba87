"""One piece of work, run once in a plant and measured from outside."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from selftests.lab.plant import compiled_once
from selftests.lab.session import PROJECT, command_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from selftests.lab.condition import Condition
    from selftests.lab.plant import Plant

PLUGINS = ("pytest_metadata.plugin", "pytest_html.plugin", "xdist.plugin", "xdist.looponfail")
"""What a run loads, named one by one: nothing else that is installed takes part."""

LIMIT_S = 900
"""When a piece of work counts as hanging, which ends the benchmark."""

EMPTY = {
    "pytest.ini": "[pytest]\njunit_family = xunit2\n",
    "test_nothing.py": '"""Nothing."""\n\n\ndef test_nothing() -> None:\n    """Pass."""\n',
}
"""The project of the empty run."""

MANY = """\
import os

import pytest


@pytest.mark.parametrize("number", range(int(os.environ["BENCHMARK_CASES"])))
def test_nothing(number: int) -> None:
    pass
"""
"""The cases of the empty run of a fleet, in a folder of their own."""

REPORTS = ("--junitxml", "junit.xml", "--html", "report.html", "--self-contained-html")
"""The reports that pytest and pytest-html write of a session of ours as well."""


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """What one run of a piece of work took."""

    seconds: float
    cpu_s: float
    """Processor time of the program and of those that it waited for."""
    peak_kib: int
    status: int
    certificate_s: float = 0.0
    """From the last file that pytest writes to the last one of ours."""
    verdict: str = ""


@dataclass(frozen=True, slots=True)
class Bench:
    """What all measurements share: where the empty project lies."""

    folder: Path
    _numbers: list[int] = field(default_factory=lambda: [0])

    def prepare(self) -> None:
        """Write the empty project."""
        one, many = self.folder / "one", self.folder / "many"
        one.mkdir()
        for name, text in EMPTY.items():
            (one / name).write_text(text)
        many.mkdir()
        (many / "pytest.ini").write_text(EMPTY["pytest.ini"])
        (many / "test_nothing.py").write_text(MANY)

    def next_name(self) -> str:
        """Name a session's folder in a plant."""
        self._numbers[0] += 1
        return f"bench-{self._numbers[0]}"

    def empty(self, plant: Plant, more: Sequence[str] = ()) -> Measured:
        """Run pytest with the same plugins on one test that does nothing."""
        program = [str(Path(sys.executable).with_name("pytest")), "-p", "no:cacheprovider"]
        command = plant.inside("laptop", *program, *loading(PLUGINS), *more)
        return passed(timed(command, {**os.environ, **environment()}, self.folder / "one"))

    def cases(self, plant: Plant, count: int) -> Measured:
        """Run pytest on so many cases that do nothing, with the reports that a session writes."""
        program = [str(Path(sys.executable).with_name("pytest")), "-p", "no:cacheprovider"]
        command = plant.inside("laptop", *program, *loading(PLUGINS), *REPORTS)
        env = {**os.environ, **environment(), "BENCHMARK_CASES": str(count)}
        return passed(timed(command, env, self.folder / "many"))

    def session(
        self,
        plant: Plant,
        condition: Condition,
        more: Sequence[str] = (),
        program: str = "pytest",
    ) -> Measured:
        """Run the acceptance suite as a user would, and read what it says about itself."""
        plugins = loading((*PLUGINS, "cube_acceptance.entry"))
        command, env, reports = command_line(
            plant, condition, self.next_name(), [*plugins, *more], program
        )
        measured = timed(command, env | environment(), PROJECT)
        for run_folder in sorted(reports.iterdir()):
            if (run_folder / "certificate.json").exists():
                written = (run_folder / "certificate.html").stat().st_mtime
                certificate = json.loads((run_folder / "certificate.json").read_bytes())
                return msgspec.structs.replace(
                    measured,
                    certificate_s=written - (run_folder / "junit.xml").stat().st_mtime,
                    verdict=certificate["verdict"],
                )
        return measured

    def script(self, plant: Plant, text: str) -> Measured:
        """Run a shell script on the laptop."""
        return timed(plant.inside("laptop", "sh", "-c", text), dict(os.environ), self.folder)

    def exchanges(self, plant: Plant, first: str, count: int) -> Measured:
        """Run the plain exchanges of a fleet."""
        program = (sys.executable, "-m", "benchmarks.exchanges", first, str(count))
        env = {**os.environ, **environment(), "PYTHONPATH": str(PROJECT)}
        return timed(plant.inside("laptop", *program), env, PROJECT)


def passed(measured: Measured) -> Measured:
    """Return the run of a floor; one that ended badly did not do what is compared with.

    Raises:
        ValueError: its exit status is not 0.
    """
    if measured.status:
        raise ValueError(f"an empty run ended with exit status {measured.status}")
    return measured


def environment() -> dict[str, str]:
    """Return what is added to the environment: bytecode as an installed suite has it."""
    return compiled_once() | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}


def loading(plugins: Sequence[str]) -> list[str]:
    """Return the command line that loads plugins by name."""
    return [word for plugin in plugins for word in ("-p", plugin)]


def timed(command: Sequence[str], env: dict[str, str], folder: Path) -> Measured:
    """Run a command to its end and say what it took."""
    script = Path(__file__).with_name("stopwatch.py")
    ended = subprocess.run(
        [sys.executable, "-I", "-S", str(script), *command],
        env=env,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=LIMIT_S,
    )
    seconds, cpu_s, peak_kib, status = ended.stdout.split()
    return Measured(
        seconds=float(seconds), cpu_s=float(cpu_s), peak_kib=int(peak_kib), status=int(status)
    )
