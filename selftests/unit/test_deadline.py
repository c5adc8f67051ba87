"""Time limits that a program which was stopped does not use up."""

from __future__ import annotations

import contextlib
import selectors
import socket
import ssl
import threading
from typing import TYPE_CHECKING

import pytest

from cube_acceptance.probes import ssh
from cube_acceptance.probes.net import deadline, http1, tls
from cube_acceptance.probes.net.deadline import Deadline, Running
from cube_acceptance.probes.net.errors import ReachError
from cube_acceptance.probes.net.together import alone
from fixtures.simulator.https import Authority, Behaviour, HttpsServer
from fixtures.simulator.tcp import reset

if TYPE_CHECKING:
    from collections.abc import Iterator


class Clock:
    """A clock that a test moves."""

    now = 1000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A clock of our own, and nothing that beats by itself."""
    moved = Clock()
    running = Running(moved)
    monkeypatch.setattr(running, "start", lambda: None)
    monkeypatch.setattr(deadline, "_RUNNING", running)
    return moved


def pass_by(clock: Clock, seconds: float) -> None:
    """Let time go by while the program is running."""
    end = clock.now + seconds
    while clock.now < end:
        clock.now += deadline.BEAT_S
        deadline._RUNNING.seconds()


class TestPatience:
    """What is left of a limit."""

    def test_runs_out(self, clock: Clock) -> None:
        """Time that goes by while somebody listens is the peer's."""
        limit = Deadline(2.0)
        pass_by(clock, 1.5)
        assert 0.3 < limit.left() < 0.7

        pass_by(clock, 1.0)
        assert limit.left() == 0.0
        assert limit.timeout() > 0.0

    @pytest.mark.parametrize("stopped_s", [5.0, 3600.0])
    def test_time_in_which_we_were_stopped_is_nobodys(self, clock: Clock, stopped_s: float) -> None:
        """However long that was."""
        limit = Deadline(2.0)
        clock.now += stopped_s

        assert 2.0 - deadline.GAP_LIMIT_S <= limit.left() < 2.0

    def test_lies_within_another(self, clock: Clock) -> None:
        """The one that ends first ends both."""
        whole = Deadline(1.0)

        assert Deadline(9.0, whole).left() <= 1.0
        assert Deadline(0.5, whole).left() <= 0.5
        pass_by(clock, 1.5)
        assert Deadline(0.5, whole).left() == 0.0

    def test_beats_by_itself(self) -> None:
        """A long wait without a look at the clock is time that went by."""
        running = Running()
        running.start()
        running.start()
        beats = [thread for thread in threading.enumerate() if thread.name == "running"]
        threading.Event().wait(4 * deadline.GAP_LIMIT_S)

        assert running.seconds() > 2 * deadline.GAP_LIMIT_S
        assert all(thread.daemon for thread in beats)


class Stopped:
    """Fakes a connection on which a wait ends by the wall clock, while the program was stopped."""

    def __init__(self, *pieces: bytes) -> None:
        """Bring these after the first wait."""
        self._pieces = [*pieces]
        self._waited = False

    def settimeout(self, limit_s: float) -> None:
        """Take any time limit."""

    def gettimeout(self) -> float:
        """Have one."""
        return 1.0

    def sendall(self, data: bytes) -> None:
        """Take anything."""

    def recv(self, _size: int) -> bytes:
        """Time out once, then bring a piece."""
        if not self._waited:
            self._waited = True
            raise TimeoutError
        return self._pieces.pop(0)


class TestStopped:
    """A peer that answers while nobody can hear it has answered."""

    def test_page(self) -> None:
        """The wait for a response goes on."""
        answer = b"HTTP/1.1 204 No Content\r\n\r\n"
        question = http1.Question(url="", host="cube")
        reply, _ = http1.fetch(Stopped(answer), question, Deadline(5.0))

        assert reply.status == 204

    def test_shell(self) -> None:
        """The wait for an identification goes on."""
        talk = ssh._Talk(Stopped(b"SSH-2.0-OpenSSH\r\n"), Deadline(5.0))

        assert alone(talk.identification()) == "SSH-2.0-OpenSSH"

    def test_handshake(self) -> None:
        """A handshake is taken up again where it stood."""
        authority = Authority()

        class Once(ssl.SSLSocket):
            waited = False

            def do_handshake(self, block: bool = False) -> None:  # noqa: FBT001, FBT002 - as in ssl
                if not self.waited:
                    self.waited = True
                    self.settimeout(0.000001)
                super().do_handshake(block)

        context = tls.unverified_context()
        context.sslsocket_class = Once
        with HttpsServer(Behaviour.GOOD, authority=authority) as server:
            plain = socket.create_connection((server.address, server.port))
            with (
                plain.dup() as wire,
                tls.handshake(plain, wire, context, None, Deadline(5.0)) as secure,
            ):
                assert secure.waited
                assert secure.version()


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Open a connection whose own end does not wait."""
    own, peer = socket.socketpair()
    with own, peer:
        own.settimeout(0.0)
        yield own, peer


Ends = tuple[socket.socket, socket.socket]


class TestBeside:
    """Where the socket does not wait, somebody else does."""

    def test_what_comes_is_received(self, ends: Ends) -> None:
        """However often it was looked for in vain."""
        own, peer = ends
        steps = Deadline(60.0).receive_in_steps(own, 16)
        first, second = next(steps), next(steps)
        peer.send(b"word")

        assert [(ready.sock, ready.event) for ready, _ in (first, second)] == [
            (own, selectors.EVENT_READ)
        ] * 2
        assert 0.0 < second[1] <= first[1] <= 60.0
        assert alone(steps) == b"word"

    def test_what_came_in_time_counts(self, ends: Ends, clock: Clock) -> None:
        """This program may look late, when others keep it at work."""
        own, peer = ends
        limit = Deadline(1.0)
        steps = limit.receive_in_steps(own, 16)
        next(steps)
        peer.send(b"word")
        pass_by(clock, 2.0)

        assert limit.left() == 0.0
        assert alone(steps) == b"word"
        with pytest.raises(TimeoutError):
            alone(limit.receive_in_steps(own, 16))

    def test_silence(self, ends: Ends, clock: Clock) -> None:
        """Where nothing came until the end."""
        steps = Deadline(1.0).receive_in_steps(ends[0], 16)
        next(steps)
        pass_by(clock, 2.0)
        with pytest.raises(TimeoutError):
            alone(steps)

    def test_more_is_sent_than_finds_room(self, ends: Ends) -> None:
        """A peer that does not read keeps nobody waiting; in the end it has everything."""
        own, peer = ends
        steps = Deadline(60.0).send_in_steps(own, bytes(4_000_000))
        read = 0
        for ready, limit_s in steps:
            assert (ready.sock, ready.event) == (own, selectors.EVENT_WRITE)
            assert 0.0 < limit_s <= 60.0
            read += len(peer.recv(1_000_000))
        peer.settimeout(0.0)
        with contextlib.suppress(BlockingIOError):
            while part := peer.recv(1_000_000):
                read += len(part)

        assert read == 4_000_000

    def test_nobody_reads(self, ends: Ends, clock: Clock) -> None:
        """Time is over for what is sent as well."""
        steps = Deadline(1.0).send_in_steps(ends[0], bytes(4_000_000))
        next(steps)
        pass_by(clock, 2.0)
        with pytest.raises(TimeoutError):
            alone(steps)


class TestReset:
    """A connection that is reset between TCP and TLS."""

    def test_is_a_refusal_and_leaves_nothing_open(self) -> None:
        """Python's ssl forgets its socket then, which a garbage collector would complain of."""
        with socket.create_server(("127.0.0.1", 0)) as listening:
            plain = socket.create_connection(listening.getsockname())
            reset(listening.accept()[0])
            threading.Event().wait(0.05)
            with plain.dup() as wire, pytest.raises(ReachError) as ended:
                tls.handshake(plain, wire, tls.unverified_context(), None, Deadline(1.0))

        assert (ended.value.trouble.kind, ended.value.trouble.phase) == ("refused", "tls")
