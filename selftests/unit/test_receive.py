"""Tests of the one loop by which all probes receive."""

from __future__ import annotations

import errno
import socket
from collections import deque
from typing import TYPE_CHECKING

import pytest

from cube_acceptance.probes.net import receive as receiving
from cube_acceptance.probes.net.receive import (
    OVERTIME_LIMIT,
    PAUSE_S,
    Inbox,
    receive,
    receive_from_any,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


class Computer:
    """A watch and a network: packets that come at certain moments, and stops of this program."""

    def __init__(self, *packets: tuple[float, str], stops: tuple[float, ...] = ()) -> None:
        """Let packets come; each stop keeps the program from its next reception so long."""
        self.now_s = 0.0
        self._packets = deque(packets)
        self._stops = deque(stops)

    def elapsed(self) -> float:
        """Seconds since the start."""
        return self.now_s

    def left(self, limit_s: float) -> float:
        """Seconds until a limit."""
        return max(0.0, limit_s - self.now_s)

    def receive_one(self, limit_s: float) -> str | None:
        """Return what is there, else what comes in time, else let the time pass."""
        self.now_s += self._stops.popleft() if self._stops else 0.0
        if not self._packets or self._packets[0][0] > self.now_s + limit_s:
            self.now_s += limit_s
            return None
        at_s, packet = self._packets.popleft()
        self.now_s = max(self.now_s, at_s)
        return packet

    def inbox(self) -> Inbox[str]:
        """What arrives here."""
        return Inbox(self, self.receive_one)  # type: ignore[arg-type]


class TestInbox:
    """When a wait ends."""

    def test_gives_what_comes_in_time(self) -> None:
        """And waits no longer than it was told."""
        computer = Computer((0.5, "one"), (1.0, "two"), (2.5, "late"))
        inbox = computer.inbox()

        assert list(inbox.until(2.0)) == ["one", "two"]
        assert computer.now_s == inbox.empty_s == 2.0
        assert list(inbox.until(3.0)) == ["late"]

    @pytest.mark.parametrize("stops", [(30.0,), (0.0, 30.0)], ids=["at-once", "later"])
    def test_a_stop_makes_nobody_silent(self, stops: tuple[float, ...]) -> None:
        """What came while this program stood still is read, all of it."""
        computer = Computer((0.5, "one"), (1.0, "two"), (1.5, "three"), stops=stops)

        assert list(computer.inbox().until(2.0)) == ["one", "two", "three"]

    def test_is_empty_no_longer_than_it_knows(self) -> None:
        """A packet that waited for a stopped program may have come at any time in the stop."""
        computer = Computer((0.1, "one"), (9.0, "two"), stops=(0.0, 10.0))
        inbox = computer.inbox()

        assert inbox.receive(2.0) == "one"
        assert inbox.receive(2.0) == "two"
        assert inbox.empty_s < 0.0
        assert inbox.receive(2.0) is None
        assert inbox.empty_s == 2.0

    def test_looks_at_least_once(self) -> None:
        """Before the first look nothing is known, also of a wait without any time."""
        assert list(Computer((0.0, "one")).inbox().until(0.0)) == ["one"]

    def test_an_end_that_has_passed_in_silence_stays_so(self) -> None:
        """What comes later is nothing that came before."""
        computer = Computer()
        inbox = computer.inbox()
        inbox.receive(2.0)

        assert inbox.over(1.0)
        assert not inbox.over(2.5)

    def test_a_flood_ends(self) -> None:
        """Somebody who sends faster than this program reads keeps it only for a while."""
        flood = [(0.0, "flood")] * (3 * OVERTIME_LIMIT)
        inbox = Computer(*flood, stops=(5.0,)).inbox()

        # The first was being waited for while there still was time.
        assert len(list(inbox.until(2.0))) == 1 + OVERTIME_LIMIT

    def test_a_flood_takes_no_time_from_others(self) -> None:
        """As long as there is time, everything is read, and the next wait is a new one."""
        flood = [(0.0, "flood")] * (3 * OVERTIME_LIMIT)
        inbox = Computer(*flood, stops=(5.0,)).inbox()
        first = len(list(inbox.until(2.0)))

        assert first + len(list(inbox.until(9.0))) == 3 * OVERTIME_LIMIT


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two UDP sockets on loopback, the first of which knows nobody."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ours,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as theirs,
    ):
        ours.bind(("127.0.0.1", 0))
        theirs.connect(ours.getsockname())
        yield ours, theirs


class TestReceive:
    """One reception from a real socket."""

    @pytest.mark.parametrize("limit_s", [-1.0, 0.0, 0.01])
    def test_nothing_is_nothing(
        self, pair: tuple[socket.socket, socket.socket], limit_s: float
    ) -> None:
        """With no time left it looks, and never waits for ever."""
        assert receive(pair[0], limit_s, lambda: pair[0].recv(9)) is None

    def test_reads_what_is_there(self, pair: tuple[socket.socket, socket.socket]) -> None:
        """Also when there is no time left."""
        ours, theirs = pair
        theirs.send(b"here")

        assert receive(ours, 1.0, lambda: ours.recv(9, socket.MSG_PEEK)) == b"here"
        assert receive_from_any(ours, 0.0) == (b"here", theirs.getsockname())

    def test_errors_of_a_connected_socket_are_words(self) -> None:
        """They say what became of the question."""

        def refuse() -> bytes:
            raise ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")

        with (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ours,
            pytest.raises(ConnectionRefusedError),
        ):
            receive(ours, 0.0, refuse)

    @pytest.mark.parametrize(("limit_s", "slept_s"), [(-1.0, 0.0), (0.01, 0.01), (9.0, PAUSE_S)])
    def test_errors_of_many_are_waited_out(
        self, monkeypatch: pytest.MonkeyPatch, limit_s: float, slept_s: float
    ) -> None:
        """An interface that is down fails at once, and again."""
        slept: list[float] = []
        monkeypatch.setattr(receiving.time, "sleep", slept.append)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as closed:
            pass

        assert receive_from_any(closed, limit_s) is None
        assert slept == [slept_s]
