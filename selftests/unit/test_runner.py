"""Tests of how probes are run: each question once, side by side, and nothing left behind."""

from __future__ import annotations

import _thread
import errno
import queue
import resource
import threading
import time
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from cube_acceptance import runner
from cube_acceptance.evidence import CannotMeasure, Observation
from cube_acceptance.probes.net.together import Sockets
from cube_acceptance.runner import Finished, Runner
from selftests.support import healthy
from selftests.support.builders import cannot, lease
from selftests.support.fakes import FakeProbe

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from cube_acceptance.probes import Probe
    from cube_acceptance.probes import Stepping as SteppingProbe
    from cube_acceptance.probes.net.together import Steps

    Outcomes = list[tuple[str, Observation]]

LIMIT_S = 20.0
"""How long a test waits for what must happen at once; reached only where it fails."""


def told(running: Runner, count: int) -> dict[str, Observation]:
    """What came back, by key: so many."""
    events = [running.events.get(timeout=LIMIT_S) for _ in range(count)]
    assert all(isinstance(event, Finished) for event in events)
    return {event.key: event.observation for event in events}


class TestRunner:
    """What is submitted comes back."""

    def test_probes_run_themselves(self) -> None:
        """What is put in its place in other tests is what a probe's own run is otherwise."""
        running = Runner()

        assert running.submit(FakeProbe("mine", cannot("ambiguous")))
        assert told(running, 1) == {"mine": cannot("ambiguous")}

    def test_the_same_question_is_asked_once(self) -> None:
        """Two cases that rest on one observation share it, also when it is in."""
        running = Runner()
        running.submit(FakeProbe("mine"))

        assert not running.submit(FakeProbe("mine"))
        assert told(running, 1) == {"mine": lease()}
        assert not running.submit(FakeProbe("mine"))
        assert running.progress() == (1, 1, ())

    def test_a_crash_is_an_obstacle(self) -> None:
        """A defect of one probe ends neither the run nor the others, and passes nothing."""

        def crash(_probe: Probe) -> Observation:
            raise ZeroDivisionError("by zero")

        running = Runner(crash)
        running.submit(FakeProbe("mine"))
        (seen,) = told(running, 1).values()

        assert isinstance(seen, CannotMeasure)
        assert (seen.cause, seen.detail) == (
            "internal-error",
            "ZeroDivisionError in mine: by zero",
        )

    def test_tells_what_is_waited_for(self) -> None:
        """A user sees that something goes on."""
        go = threading.Event()

        def measure(probe: Probe) -> Observation:
            assert probe.key == "quick" or go.wait(LIMIT_S)
            return cannot()

        running = Runner(measure)
        assert running.progress() == (0, 0, ())
        running.submit(FakeProbe("slow"))
        running.submit(FakeProbe("quick"))
        told(running, 1)

        assert running.progress() == (1, 2, ("slow",))
        go.set()
        told(running, 1)
        assert running.progress() == (2, 2, ())


class Stepping(FakeProbe):
    """A probe that measures in steps, or fails in one."""

    def steps(self) -> Steps[Observation]:
        """Take one."""
        yield None, 0.0
        if self.key == "broken":
            raise ZeroDivisionError("by zero")
        return self.run()


class TestTogether:
    """Probes that share their sockets share a thread."""

    def test_each_comes_back(self) -> None:
        """Each by itself, and one that fails is an obstacle; asked once is asked."""
        running = Runner()
        sockets: Sockets[Any] = Sockets()
        running.submit_together([[Stepping("a"), Stepping("broken")], [Stepping("b")]], sockets)
        seen = told(running, 3)

        assert (seen["a"], seen["b"]) == (lease(), lease())
        broken = seen["broken"]
        assert isinstance(broken, CannotMeasure)
        assert broken.detail == "ZeroDivisionError in broken: by zero"
        assert running.progress() == (3, 3, ())
        assert not running.submit(FakeProbe("a"))

    def test_a_failure_of_what_they_share_is_told_for_all(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Nobody waits for ever for what will not come."""

        def fail(groups: Sequence[Sequence[SteppingProbe]], *_: object) -> Iterator[Outcomes]:
            yield [(groups[0][0].key, lease())]
            raise OSError("no more")

        monkeypatch.setattr(runner, "run_together", fail)
        running = Runner()
        running.submit_together([[Stepping("a")], [Stepping("b")]], Sockets())
        seen = told(running, 2)

        assert seen["a"] == lease()
        assert isinstance(seen["b"], CannotMeasure)
        assert seen["b"].detail == "OSError in b: no more"

    def test_what_is_forgotten_is_told(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A defect as well."""
        monkeypatch.setattr(runner, "run_together", lambda *_: iter(()))
        running = Runner()
        running.submit_together([[Stepping("a")]], Sockets())
        (seen,) = told(running, 1).values()

        assert isinstance(seen, CannotMeasure)
        assert seen.cause == "internal-error"

    def test_they_take_one_thread(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """However many there are; what else is asked has one of its own."""
        go = threading.Event()

        def hold(groups: Sequence[Sequence[SteppingProbe]], *_: object) -> Iterator[Outcomes]:
            for probe in groups[0]:
                assert go.wait(LIMIT_S)
                yield [(probe.key, lease())]

        monkeypatch.setattr(runner, "run_together", hold)
        running = Runner()
        running.submit_together([[Stepping(str(number)) for number in range(20)]], Sockets())
        assert running._threads == 1
        running.submit(FakeProbe("mine"))
        assert told(running, 1) == {"mine": lease()}
        go.set()

        assert len(told(running, 20)) == 20

    @pytest.mark.parametrize(
        ("at_once", "beside", "others", "left"), [(96, 100, 72, 24), (96, 3, 3, 93), (1, 9, 1, 1)]
    )
    def test_those_with_a_socket_of_their_own_take_places(
        self, monkeypatch: pytest.MonkeyPatch, at_once: int, beside: int, others: int, left: int
    ) -> None:
        """All together open no more than this computer allows; what they took is given back."""
        monkeypatch.setattr(runner, "places", lambda *_: at_once)
        told_so: list[int] = []

        def hold(
            _: object, __: object, probes: Sequence[SteppingProbe], places: int
        ) -> Iterator[Outcomes]:
            told_so.append(places)
            for probe in probes:
                told_so.append(running._places)
                yield [(probe.key, lease())]

        monkeypatch.setattr(runner, "run_together", hold)
        running = Runner()
        probes = [Stepping(str(number)) for number in range(beside)]
        running.submit_together([], Sockets(), probes)
        assert len(told(running, beside)) == beside
        running.submit(FakeProbe("mine"))
        told(running, 1)

        assert told_so == [others, *[left] * beside]
        assert running._places == at_once

    def test_others_are_held_beside(self) -> None:
        """In the same thread, each to its end."""
        running = Runner()
        running.submit_together([[Stepping("a")]], Sockets(), [Stepping("b"), Stepping("broken")])
        seen = told(running, 3)

        assert (seen["a"], seen["b"]) == (lease(), lease())
        assert isinstance(seen["broken"], CannotMeasure)

    def test_wait_for_a_place_as_well(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where one thing can be done at a time, one is."""
        monkeypatch.setattr(runner, "places", lambda *_: 1)
        go = threading.Event()
        running = Runner(lambda _: lease() if go.wait(LIMIT_S) else cannot())
        running.submit(FakeProbe("mine"))
        running.submit_together([[Stepping("a"), Stepping("b")]], Sockets())
        assert running._threads == 1
        go.set()

        assert told(running, 3) == dict.fromkeys(("mine", "a", "b"), lease())


def allow(patch: pytest.MonkeyPatch, threads: int) -> None:
    """Let this process start only so many threads more."""
    start = threading.Thread.start
    left = [None] * threads

    def grudging(thread: threading.Thread) -> None:
        if not left:
            raise RuntimeError("can't start new thread")
        left.pop()
        start(thread)

    patch.setattr(threading.Thread, "start", grudging)


class TestThreads:
    """How many there are, and when they end."""

    @pytest.mark.parametrize(
        ("files", "at_once"), [(None, 1024), (20000, 1024), (1024, 480), (256, 96), (10, 1)]
    )
    def test_files_are_enough_for_what_is_under_way(self, files: int | None, at_once: int) -> None:
        """A probe that finds no socket left would be inconclusive; one that waits is not."""
        assert runner.places(files, runner.THREADS_SOUGHT) == at_once

    @pytest.mark.parametrize(("threads", "at_once"), [(64, 1024), (63, 51), (16, 4), (3, 1)])
    def test_threads_are_left_to_others(self, threads: int, at_once: int) -> None:
        """Where there are few, a probe must find those that it starts beside itself."""
        assert runner.places(None, threads) == at_once

    @pytest.mark.parametrize(("allowed", "found"), [(0, 0), (5, 5), (40, 16)])
    def test_tries_how_many_there_may_be(self, allowed: int, found: int) -> None:
        """No number says what others have taken; and none that was tried stays."""
        before = _thread._count()
        start = _thread.start_new_thread
        under_way: list[int] = []

        def grudging(*told: Any) -> int:  # noqa: ANN401 - a thread's function and its arguments
            if len(under_way) == allowed:
                raise RuntimeError("can't start new thread")
            under_way.append(start(*told))
            return under_way[-1]

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(_thread, "start_new_thread", grudging)
            assert runner.threads_to_be_had(16) == found

        deadline = time.monotonic() + LIMIT_S
        while _thread._count() > before and time.monotonic() < deadline:
            time.sleep(0.001)
        assert _thread._count() == before

    @pytest.mark.parametrize(("simulated", "needed"), [(False, 16), (True, 24)])
    def test_too_few_are_said_beforehand(
        self, monkeypatch: pytest.MonkeyPatch, *, simulated: bool, needed: int
    ) -> None:
        """How many there are, how many it takes, and what grants more."""
        monkeypatch.setattr(runner, "threads_to_be_had", lambda wanted: min(wanted, needed - 1))
        words = rf"allows {needed - 1} more threads, and a run needs {needed}: .*ulimit -v"
        with pytest.raises(runner.NoRoomError, match=words):
            runner.check_room(simulated=simulated)

        monkeypatch.setattr(runner, "threads_to_be_had", lambda wanted: min(wanted, needed))
        runner.check_room(simulated=simulated)

    @pytest.mark.parametrize(
        ("text", "ports"), [("40000\t40003\n", 4), ("32768 60999", 28232), ("none", None)]
    )
    def test_counts_the_ports(self, tmp_path: Path, text: str, ports: int | None) -> None:
        """As Linux tells; elsewhere nobody does."""
        (tmp_path / "range").write_text(text)

        assert runner.ports_to_be_had(tmp_path / "range") == ports
        assert runner.ports_to_be_had(tmp_path / "nothing") is None

    @pytest.mark.parametrize(("ports", "refused"), [(None, False), (63, True), (64, False)])
    def test_too_few_ports_are_said_beforehand(
        self, monkeypatch: pytest.MonkeyPatch, ports: int | None, *, refused: bool
    ) -> None:
        """Without one a question now and then looked like a computer in another network."""
        monkeypatch.setattr(runner, "ports_to_be_had", lambda: ports)
        words = "has 63 ports for questions, and a run needs 64: .*ip_local_port_range"
        with pytest.raises(runner.NoRoomError, match=words) if refused else nullcontext():
            runner.check_room(simulated=False)

    @pytest.mark.parametrize(("mtu", "refused"), [(0, False), (575, True), (576, False)])
    def test_too_small_packets_are_said_beforehand(self, mtu: int, *, refused: bool) -> None:
        """An interface that takes no whole OFFER or page would look like a silent network."""
        vantage = msgspec.structs.replace(healthy.VANTAGE, mtu=mtu)
        words = "eth0 sends packets of at most 575 bytes .* a run needs 576"
        with pytest.raises(runner.NoRoomError, match=words) if refused else nullcontext():
            runner.check_packets(vantage)

        runner.check_packets(cannot("other-route"))

    @pytest.mark.parametrize(("simulated", "needed"), [(False, 32), (True, 56)])
    def test_too_few_files_are_said_beforehand(
        self, monkeypatch: pytest.MonkeyPatch, *, simulated: bool, needed: int
    ) -> None:
        """Likewise; a probe that may not open its socket would be an internal error."""
        monkeypatch.setattr(runner, "threads_to_be_had", lambda wanted: wanted)
        monkeypatch.setattr(runner, "files_to_be_had", lambda wanted: min(wanted, needed - 1))
        words = rf"open {needed - 1} more files, and it needs {needed}: .*ulimit -n"
        with pytest.raises(runner.NoRoomError, match=words):
            runner.check_room(simulated=simulated)

        monkeypatch.setattr(runner, "files_to_be_had", lambda wanted: min(wanted, needed))
        runner.check_room(simulated=simulated)

    @pytest.mark.parametrize(("allowed", "found"), [(0, 0), (5, 5), (40, 16)])
    def test_tries_how_many_files_there_may_be(
        self, monkeypatch: pytest.MonkeyPatch, allowed: int, found: int
    ) -> None:
        """What is open already counts as well; and none that was tried stays open."""
        opened: list[int] = []

        def grudging(_path: str, _flags: int) -> int:
            if len(opened) == allowed:
                raise OSError(errno.EMFILE, "Too many open files")
            opened.append(len(opened))
            return opened[-1]

        closed: list[int] = []
        with monkeypatch.context() as patch:
            patch.setattr(runner.os, "open", grudging)
            patch.setattr(runner.os, "close", closed.append)
            assert runner.files_to_be_had(16) == found

        assert closed == opened

    def test_asks_the_system_how_many_files_there_may_be(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Windows has no such limit, and where there is one it may be lifted."""
        soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]

        assert runner.file_limit() == (None if soft == resource.RLIM_INFINITY else soft)
        monkeypatch.setattr(resource, "getrlimit", lambda _: (resource.RLIM_INFINITY,) * 2)
        assert runner.file_limit() is None
        monkeypatch.setattr(runner, "resource", None)
        assert runner.file_limit() is None

    def test_threads_are_bounded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Many CUBEs must not exhaust this computer's sockets; what is beyond waits its turn."""
        monkeypatch.setattr(runner, "file_limit", lambda: runner.FILES_KEPT + 7)
        lock = threading.Lock()
        go, together = threading.Event(), threading.Barrier(3)
        under_way = most = 0

        def measure(_: Probe) -> Observation:
            nonlocal under_way, most
            with lock:
                under_way += 1
                most = max(most, under_way)
            assert go.wait(LIMIT_S)
            together.wait(LIMIT_S)
            with lock:
                under_way -= 1
            return cannot()

        running = Runner(measure)
        for number in range(12):
            running.submit(FakeProbe(f"probe/{number}"))
        begun = running._threads
        go.set()

        assert len(told(running, 12)) == 12
        assert (begun, most) == (3, 3)

    def test_threads_end_with_the_work(self) -> None:
        """Nothing is left running behind the cases."""
        running = Runner()
        running.submit(FakeProbe("mine"))
        told(running, 1)
        deadline = time.monotonic() + LIMIT_S
        while running._threads and time.monotonic() < deadline:
            time.sleep(0.001)

        assert running._threads == 0

    def test_a_thread_does_not_leave_work_behind(self) -> None:
        """A task that comes while the last thread is about to leave is taken."""

        class Blink:
            """Looks empty once, just when the thread looks."""

            def __init__(self) -> None:
                self.tasks = [lambda: running._measure(FakeProbe("late"))]
                self.looked = False

            def get_nowait(self) -> object:
                if not self.looked:
                    self.looked = True
                    raise queue.Empty
                if not self.tasks:
                    raise queue.Empty
                return self.tasks.pop()

            def empty(self) -> bool:
                return not self.tasks

        running = Runner()
        running._tasks = Blink()
        running._under_way["late"] = None
        running._unfinished = 1
        running._threads = 1
        running._work()

        assert running._threads == 0
        assert told(running, 1) == {"late": lease()}

    def test_stack_size_is_put_back(self) -> None:
        """Other threads of the session keep the stack that they are used to."""
        before = threading.stack_size()
        running = Runner()
        running.submit(FakeProbe("mine"))
        told(running, 1)

        assert threading.stack_size() == before

    def test_goes_on_with_the_threads_there_are(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A computer that grants no more threads makes the survey slower, not shorter."""
        start = threading.Thread.start
        started: list[threading.Thread] = []

        def grudging(thread: threading.Thread) -> None:
            if any(other.is_alive() for other in started):
                raise RuntimeError("can't start new thread")
            started.append(thread)
            start(thread)

        go = threading.Event()

        def measure(_: Probe) -> Observation:
            assert go.wait(LIMIT_S)
            return cannot()

        running = Runner(measure)
        monkeypatch.setattr(threading.Thread, "start", grudging)
        for number in range(6):
            running.submit(FakeProbe(f"probe/{number}"))
        go.set()

        assert len(told(running, 6)) == 6
        assert len(started) == 1
