"""Runs probes side by side, each question once, and hands on what they tell."""

from __future__ import annotations

import _thread
import contextlib
import os
import queue
import threading
import time
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cube_acceptance.evidence import CannotMeasure, Observation, Vantage, timestamp
from cube_acceptance.probes.net.together import together

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from cube_acceptance.probes import Event, Probe, Stepping
    from cube_acceptance.probes.net.together import Sockets

try:
    import resource
except ImportError:  # pragma: no cover - Windows has no such limit
    resource = None  # type: ignore[assignment]

WORKERS = 1024
"""Probes under way at once, each in a thread of its own; what is beyond waits its turn. A probe
spends its life waiting, so this bounds sockets and threads. Those that go by steps share a thread,
and those of them that share a socket do not count."""
BY_STEPS = 0.75
"""The share of those places for who goes by steps with a socket of its own: all CUBEs are among
them, and few others."""

FILES_EACH = 2
"""Files that a probe may hold open: its socket, and now and then one more."""
FILES_KEPT = 64
"""Files that are left to everything else."""
FILES_NEEDED = 32
"""Files without which not even one probe at a time has what it opens: a host's addresses are
looked at side by side, and reports are written."""
FILES_SIMULATED = 24
"""Files that the embedded site takes on top."""

THREADS_SOUGHT = 64
"""Who may start so many threads is taken to have no limit that matters."""
THREADS_KEPT = 12
"""Threads that are left to the survey itself and to what a probe starts beside itself."""
THREADS_NEEDED = THREADS_KEPT + 4
"""With fewer a run would take longer than anybody waits."""
THREADS_SIMULATED = 8
"""Threads that the embedded site takes on top."""

STACK_SIZE = 256 * 1024
"""Bytes of stack for each probe's thread."""

PACKET_NEEDED = 576
"""Bytes of a packet that every host has to take (RFC 791 section 3.1), an OFFER among them."""

PORTS = Path("/proc/sys/net/ipv4/ip_local_port_range")
"""Between which ports Linux chooses one for who asks (ip(7))."""
PORTS_NEEDED = 64
"""Questions under way at once have a port each; without one a question could not be asked."""


class NoRoomError(Exception):
    """This computer does not let the run have what it needs; says what, and how to grant it."""


@dataclass(frozen=True, slots=True)
class Finished:
    """A probe is back."""

    key: str
    observation: Observation


def places(files: int | None, threads: int) -> int:
    """Compute how many probes may be under way for a process that may have so many of each.

    Some systems allow 256 files; a probe without a socket would be inconclusive, one that waits is
    not. The same holds for one that cannot start a thread of its own.
    """
    by_files = WORKERS if files is None else (files - FILES_KEPT) // FILES_EACH
    by_threads = WORKERS if threads >= THREADS_SOUGHT else threads - THREADS_KEPT
    return max(1, min(WORKERS, by_files, by_threads))


def threads_to_be_had(wanted: int) -> int:
    """Try how many threads this process may start, at most ``wanted``; none of them stays.

    The limits, of a user (``ulimit -u``) or of a group of processes (``pids.max``), count what
    others have started as well, so there is no number to read.
    """
    hold, gone = threading.Lock(), threading.Semaphore(0)

    def stay() -> None:  # pragma: no cover - coverage follows no thread that is begun like this
        with hold:
            gone.release()

    started = 0
    with hold:
        try:
            while started < wanted:
                # Not threading.Thread, which waits for each: a busy computer takes 0.1 s for that.
                _thread.start_new_thread(stay, ())
                started += 1
        except RuntimeError:
            pass
    for _ in range(started):
        gone.acquire()
    return started


def files_to_be_had(wanted: int) -> int:
    """Try how many files this process may open, at most ``wanted``; none of them stays open.

    The limit (``ulimit -n``) counts those that are open already.
    """
    opened: list[int] = []
    try:
        for _ in range(wanted):
            opened.append(os.open(os.devnull, os.O_RDONLY))  # noqa: PERF401 - it ends by an error
    except OSError:
        pass
    finally:
        for descriptor in opened:
            os.close(descriptor)
    return len(opened)


def check_room(*, simulated: bool) -> None:
    """Make sure that a run can have the threads and open the files it needs.

    Raises:
        NoRoomError: it cannot.
    """
    needed = THREADS_NEEDED + THREADS_SIMULATED * simulated
    found = threads_to_be_had(needed)
    if found < needed:
        raise NoRoomError(
            f"this computer allows {found} more threads, and a run needs {needed}: raise the"
            " limit of processes or of memory (ulimit -u, ulimit -v, TasksMax, --pids-limit) or"
            " end other programs"
        )
    needed = FILES_NEEDED + FILES_SIMULATED * simulated
    found = files_to_be_had(needed)
    if found < needed:
        raise NoRoomError(
            f"this computer lets a run open {found} more files, and it needs {needed}: raise the"
            " limit of open files (ulimit -n, LimitNOFILE, --ulimit nofile)"
        )
    ports = ports_to_be_had()
    if ports is not None and ports < PORTS_NEEDED:
        raise NoRoomError(
            f"this computer has {ports} ports for questions, and a run needs {PORTS_NEEDED}: widen"
            " their range (sysctl net.ipv4.ip_local_port_range)"
        )


def ports_to_be_had(source: Path = PORTS) -> int | None:
    """Return how many ports this computer has for questions; None where nobody tells."""
    try:
        first, last = map(int, source.read_text("ascii").split())
    except (OSError, ValueError):
        return None
    return last - first + 1


def check_packets(vantage: Vantage | CannotMeasure) -> None:
    """Make sure that the interface can send and take what every host has to.

    Raises:
        NoRoomError: it cannot.
    """
    if isinstance(vantage, Vantage) and 0 < vantage.mtu < PACKET_NEEDED:
        raise NoRoomError(
            f"{vantage.interface} sends packets of at most {vantage.mtu} bytes (MTU), and a run"
            f" needs {PACKET_NEEDED}: set the MTU of the interface to 1500"
        )


def file_limit() -> int | None:
    """Return how many files this process may open; None where nothing says so, or any number."""
    if resource is None:
        return None
    limit: int = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return None if limit == resource.RLIM_INFINITY else limit


def run_probe(probe: Probe) -> Observation:
    """Let a probe measure."""
    return probe.run()


def run_together(
    groups: Sequence[Sequence[Stepping]],
    sockets: Sockets[Any],
    others: Sequence[Stepping],
    at_once: int,
) -> Iterator[list[tuple[str, Observation | Exception]]]:
    """Let probes measure in one thread that share their sockets; each may fail by itself.

    The ``others`` have a socket each, so many ``at_once``.
    """
    with contextlib.closing(sockets):
        yield from together(
            [[(probe.key, probe.steps()) for probe in group] for group in groups],
            sockets,
            [(probe.key, probe.steps()) for probe in others],
            at_once,
        )


def defect(key: str, error: Exception, begin_s: float, started: str) -> CannotMeasure:
    """Describe a defect of ours that kept something from being measured."""
    return CannotMeasure(
        started=started,
        duration_s=round(time.monotonic() - begin_s, 6),
        cause="internal-error",
        detail=f"{type(error).__name__} in {key}: {error}",
    )


class Runner:
    """Probes under way in threads of their own; what they tell waits in :attr:`events`."""

    def __init__(self, run: Callable[[Probe], Observation] = run_probe) -> None:
        """Let every probe that is by itself be run by ``run``."""
        self.events: queue.SimpleQueue[Event | Finished] = queue.SimpleQueue()
        self._run = run
        self._lock = threading.Lock()
        self._under_way: dict[str, None] = {}
        self._seen: set[str] = set()
        self._tasks: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._unfinished = 0
        """Tasks that wait or are under way."""
        self._threads = 0
        self._places = places(file_limit(), threads_to_be_had(THREADS_SOUGHT))

    def submit(self, probe: Probe) -> bool:
        """Run a probe as soon as there is a place; False where its question was asked before.

        Raises:
            RuntimeError: the system has not one thread for us.
        """
        with self._lock:
            if probe.key in self._seen:
                return False
            self._put([probe.key], partial(self._measure, probe))
            return True

    def submit_together(
        self,
        groups: Sequence[Sequence[Stepping]],
        sockets: Sockets[Any],
        others: Sequence[Stepping] = (),
    ) -> None:
        """Run probes in one thread; nobody has asked their questions yet.

        Those in groups share ``sockets``; the others have one each and take places for it.

        Raises:
            RuntimeError: the system has not one thread for us.
        """
        keys = [probe.key for probe in chain(*groups, others)]
        with self._lock:
            at_once = min(len(others), max(1, int(self._places * BY_STEPS)))
            taken = min(at_once, self._places - 1)
            self._places -= taken
            work = partial(run_together, groups, sockets, others, at_once)
            self._put(keys, partial(self._measure_all, keys, work, taken))

    def _put(self, keys: Sequence[str], task: Callable[[], None]) -> None:
        """Leave a task for the next thread that is free, and start one where there is a place."""
        self._seen.update(keys)
        self._under_way.update(dict.fromkeys(keys))
        self._tasks.put(task)
        self._unfinished += 1
        if self._threads >= min(self._places, self._unfinished):
            return
        self._threads += 1
        previous = threading.stack_size(STACK_SIZE)
        try:
            threading.Thread(target=self._work, name="probe", daemon=True).start()
        except RuntimeError:  # the system has no more threads: those under way have to do
            self._threads -= 1
            if not self._threads:
                raise
        finally:
            threading.stack_size(previous)

    def progress(self) -> tuple[int, int, tuple[str, ...]]:
        """Count the observations that are in and those that were asked for; list the others."""
        with self._lock:
            waiting = tuple(self._under_way)
            return len(self._seen) - len(waiting), len(self._seen), waiting

    def _work(self) -> None:
        while True:
            try:
                task = self._tasks.get_nowait()
            except queue.Empty:
                with self._lock:
                    self._threads -= 1
                    restart = not self._tasks.empty()
                    self._threads += restart
                if restart:
                    continue
                return
            task()
            with self._lock:
                self._unfinished -= 1

    def _measure(self, probe: Probe) -> None:
        begin_s, started = time.monotonic(), timestamp()
        try:
            observation = self._run(probe)
        except Exception as error:  # noqa: BLE001 - a defect of ours must not end the run
            observation = defect(probe.key, error, begin_s, started)
        self._finish(probe.key, observation)

    def _measure_all(
        self,
        keys: Sequence[str],
        work: Callable[[], Iterator[list[tuple[str, Observation | Exception]]]],
        taken: int,
    ) -> None:
        begin_s, started = time.monotonic(), timestamp()
        left = dict.fromkeys(keys)
        failure: Exception = LookupError("it was not held")
        try:
            for outcomes in work():
                for key, outcome in outcomes:
                    del left[key]
                    if isinstance(outcome, Exception):
                        self._finish(key, defect(key, outcome, begin_s, started))
                    else:
                        self._finish(key, outcome)
        except Exception as error:  # noqa: BLE001 - likewise
            failure = error
        with self._lock:
            self._places += taken
        for key in left:
            self._finish(key, defect(key, failure, begin_s, started))

    def _finish(self, key: str, observation: Observation) -> None:
        with self._lock:
            del self._under_way[key]
        self.events.put(Finished(key, observation))
