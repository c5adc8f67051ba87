"""Worker processes: what they report arrives as pytest's own way brings it, in a good order."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import execnet
import pytest

from cube_acceptance import catalogue as catalogues
from cube_acceptance import expected, needs, workers
from cube_acceptance.site import Cube, Site

if TYPE_CHECKING:
    from collections.abc import Generator

WORKER, CONTROLLER = SimpleNamespace(workerinput={}), SimpleNamespace()


def returned(hook: Generator[None, Any, Any], value: object) -> Any:  # noqa: ANN401 - of any hook
    """Run a hook's wrapper around a hook that returns a value."""
    next(hook)
    with pytest.raises(StopIteration) as end:
        hook.send(value)
    return end.value.value


def chained() -> object:
    """Represent an exception that another one caused, with a section of its own."""
    try:
        try:
            int("twelve")
        except ValueError as error:
            raise TypeError("in vain") from error
    except TypeError:
        shown = pytest.ExceptionInfo.from_current().getrepr(showlocals=True)
    shown.addsection("beside", "it")
    return shown


def report(**changes: object) -> pytest.TestReport:
    """Report a case that passed, with all that reports carry."""
    told = {
        "nodeid": "tests/test_ntp.py::test_x[cube-1]",
        "location": ("tests/test_ntp.py", 7, "test_x[cube-1]"),
        "keywords": {"required": 1, "cube-1": 1},
        "outcome": "passed",
        "longrepr": None,
        "when": "call",
        "sections": [("Captured stdout call", "Zeit: 12 Uhr ✓\n")],
        "duration": 0.1,
        "start": 1.0,
        "stop": 1.1,
        "user_properties": [("acceptance_case", "NTP-01"), ("count", 2)],
        "extras": [{"name": "Text", "content": "more"}],
    }
    return pytest.TestReport(**(told | changes))  # type: ignore[arg-type]


def arrived(hook: Any, one: object, *, config: object = WORKER) -> dict[str, Any]:  # noqa: ANN401 - pytest's relay of hooks
    """Send a report as a worker process does, and read what the controller is given."""
    data = hook.pytest_report_to_serializable(config=config, report=one)
    data = returned(workers.pytest_report_to_serializable(config), data)  # type: ignore[arg-type]
    there: dict[str, Any] = execnet.loads(execnet.dumps({**data, "worker_id": "gw0"}))
    assert returned(workers.pytest_report_from_serializable(there), "a report") == "a report"
    return there


class TestJourney:
    """From a worker process to the controller."""

    @pytest.mark.parametrize(
        "changes",
        [
            {},
            {"outcome": "skipped", "longrepr": ("tests/test_ntp.py", 7, "Skipped: not here")},
            {"outcome": "failed", "longrepr": "NTP-01: no answer\nAsk the administrator"},
            {"outcome": "failed", "longrepr": chained()},
        ],
        ids=["passed", "skipped", "failed", "raised"],
    )
    def test_what_arrives(self, request: pytest.FixtureRequest, changes: dict[str, object]) -> None:
        """Everything, tuples as tuples, and one value in execnet's hands."""
        hook = request.config.hook
        sent = hook.pytest_report_to_serializable(config=CONTROLLER, report=report(**changes))

        assert arrived(hook, report(**changes)) == {**sent, "worker_id": "gw0"}
        once = returned(workers.pytest_report_to_serializable(WORKER), sent)  # type: ignore[arg-type]
        assert list(once) == [workers.PACKED]

    def test_cases_that_could_not_be_loaded(self, request: pytest.FixtureRequest) -> None:
        """The report of a collection goes the same way."""
        hook = request.config.hook
        broken = pytest.CollectReport("tests/test_ntp.py", "failed", chained(), [])  # type: ignore[arg-type]
        sent = hook.pytest_report_to_serializable(config=CONTROLLER, report=broken)

        assert arrived(hook, broken) == {**sent, "worker_id": "gw0"}

    def test_text_that_is_no_unicode(self, request: pytest.FixtureRequest) -> None:
        """The name of a file may be that; execnet would give up the worker process."""
        sections = [("Captured stdout call", "caf\udce9")]

        assert arrived(request.config.hook, report(sections=sections))["sections"] == sections

    def test_what_does_not_fit(self, request: pytest.FixtureRequest) -> None:
        """It is execnet's to refuse, with its own words."""
        properties = [("where", Path("tests"))]
        with pytest.raises(execnet.DumpError, match="can't serialize"):
            arrived(request.config.hook, report(user_properties=properties))

    def test_others_who_ask(self, request: pytest.FixtureRequest) -> None:
        """A plugin on the controller writes reports to a file, and nobody knew this one."""
        hook = request.config.hook
        sent = hook.pytest_report_to_serializable(config=CONTROLLER, report=report())

        assert arrived(hook, report(), config=CONTROLLER) == {**sent, "worker_id": "gw0"}
        assert returned(workers.pytest_report_to_serializable(CONTROLLER), sent) is sent  # type: ignore[arg-type]
        assert returned(workers.pytest_report_to_serializable(WORKER), None) is None  # type: ignore[arg-type]


class TestOrder:
    """What is measured first is judged first."""

    def test_every_requirement_has_its_place(self) -> None:
        """Once."""
        placed = [requirement for group in workers.ORDER for requirement in group]

        assert sorted(placed) == sorted(needs.NEEDS)

    def test_one_cube_after_the_other(self) -> None:
        """As their observations come; what is the site's comes before theirs."""
        site = Site(
            cubes=(Cube(name="b", address="10.20.0.50"), Cube(name="a", address="10.20.0.51"))
        )
        cases = [
            (owing.requirement, owing.subject)
            for owing in sorted(
                expected.owed(catalogues.load(), site), key=workers.measured_first(site)
            )
        ]

        assert cases[:4] == [("CONN-01", "b"), ("SSH-01", "b"), ("CONN-01", "a"), ("SSH-01", "a")]
        assert cases[4:7] == [("DHCP-01", catalogues.SITE), ("DIAG-01", "b"), ("DIAG-01", "a")]
        assert [subject for _, subject in cases[7:]][:6] == ["b"] * 3 + ["a"] * 3

    @pytest.mark.parametrize(("told", "dealt"), [(None, workers.AT_A_TIME), (1, 1), (500, 500)])
    def test_few_at_a_time(self, told: int | None, dealt: int) -> None:
        """Unless somebody says how many."""
        config: Any = SimpleNamespace(option=SimpleNamespace(maxschedchunk=told))
        workers.deal_few(config)

        assert config.option.maxschedchunk == dealt

    def test_without_xdist(self) -> None:
        """There is nothing to deal."""
        config: Any = SimpleNamespace(option=SimpleNamespace())
        workers.deal_few(config)

        assert not hasattr(config.option, "maxschedchunk")


class TestProtocol:
    """What a worker process reports of a case."""

    @staticmethod
    def reported(
        monkeypatch: pytest.MonkeyPatch, *reports: pytest.TestReport, config: object = WORKER
    ) -> tuple[bool | None, list[tuple[str | None, str]]]:
        """Run a case that has these reports; tell whether it was run, and what was reported."""
        told: list[tuple[str | None, str]] = []

        def hear(report: pytest.TestReport) -> None:
            told.append((report.when, report.outcome))

        def run(item: object, *, log: bool, nextitem: object) -> list[pytest.TestReport]:
            assert (item, log, nextitem) == (one, False, None)
            return list(reports)

        monkeypatch.setattr(workers, "runtestprotocol", run)
        one: Any = SimpleNamespace(
            config=config, ihook=SimpleNamespace(pytest_runtest_logreport=hear)
        )
        return workers.pytest_runtest_protocol(one, None), told

    def test_of_a_setup_that_passed_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """pytest-html closes a case's row with its teardown."""
        setup, call, teardown = (
            report(when=when, sections=[]) for when in ("setup", "call", "teardown")
        )

        assert self.reported(monkeypatch, setup, call, teardown) == (
            True,
            [("call", "passed"), ("teardown", "passed")],
        )

    @pytest.mark.parametrize(
        ("changes", "outcome"),
        [({"outcome": "failed"}, "failed"), ({"outcome": "skipped"}, "skipped"), ({}, "passed")],
        ids=["failed", "skipped", "has said something"],
    )
    def test_of_another_setup(
        self, monkeypatch: pytest.MonkeyPatch, changes: dict[str, object], outcome: str
    ) -> None:
        """What it says is on the certificate's annex."""
        setup = report(when="setup", **changes)

        assert self.reported(monkeypatch, setup) == (True, [("setup", outcome)])

    def test_in_one_process(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """There pytest runs its cases itself."""
        assert self.reported(monkeypatch, config=CONTROLLER) == (None, [])
