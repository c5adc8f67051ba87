"""Unit tests of the time client: which packets count, what they say, and how often it asks."""

from __future__ import annotations

import errno
import os
import socket
import struct
import sys
import threading
import time
from collections import deque
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NoReturn, Self

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cube_acceptance.evidence import CannotMeasure, NtpObserved, NtpReply, Observation, Vantage
from cube_acceptance.probes import Asked, ntp
from cube_acceptance.probes.net import measuring
from cube_acceptance.probes.net.errors import CannotAskError
from cube_acceptance.probes.net.log import IGNORED_LIMIT
from cube_acceptance.probes.net.receive import OVERTIME_LIMIT, UnwantedError
from cube_acceptance.probes.ntp import (
    HEADER_SIZE,
    NtpProbe,
    Question,
    build_question,
    question_of,
    read_reply,
    reference_id,
    seconds_between,
)
from fixtures.simulator.ntp import NEXT_ERA_S, Answer, Behaviour, NtpServer, Reply
from selftests.support.fakes import StandingTime

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cube_acceptance.probes import Event
    from selftests.support.fakes import Account

LOOPBACK = Vantage(
    interface="lo" if sys.platform.startswith("linux") else "lo0",
    address="127.0.0.1",
    prefix=8,
    loopback=True,
)
SERVER = "127.0.0.1"
DAY_S = 86400.0
YEAR_S = 365.2425 * DAY_S
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC).timestamp()
QUESTION = Question(packet=bytes(40) + b"question", at_s=0.0, moment=100.0, clock_s=NOON)

ANSWERING = (
    Behaviour.GOOD, Behaviour.PRIMARY, Behaviour.LAST_STRATUM, Behaviour.SLOW, Behaviour.KISS,
    Behaviour.KISS_BARE, Behaviour.STRATUM_0, Behaviour.STRATUM_16, Behaviour.STRATUM_17,
    Behaviour.LEAP_3, Behaviour.LOCAL_CLOCK, Behaviour.FAR_FROM_ROOT, Behaviour.ZERO_RECEIVE,
    Behaviour.VERSION_3, Behaviour.RECEIVED_AHEAD, Behaviour.SENT_AHEAD, Behaviour.LONG,
    Behaviour.TWICE, Behaviour.SECOND_RIGHT,
)  # fmt: skip
UNWANTED = {
    Behaviour.MODE_1: "mode 1 is not a server's answer",
    Behaviour.MODE_3: "mode 3 is not a server's answer",
    Behaviour.MODE_5: "mode 5 is not a server's answer",
    Behaviour.MODE_6: "mode 6 is not a server's answer",
    Behaviour.VERSION_0: "version 0 is no client's",
    Behaviour.VERSION_7: "version 7 is no client's",
    Behaviour.ZERO_TRANSMIT: "no transmit timestamp",
    Behaviour.ZERO_ORIGIN: "the origin timestamp is not ours",
    Behaviour.FORGED_ORIGIN: "the origin timestamp is not ours",
    Behaviour.DRIP: "the origin timestamp is not ours",
    Behaviour.SHORT: "47 bytes are too short for NTP",
    Behaviour.EMPTY: "0 bytes are too short for NTP",
    Behaviour.GARBAGE: "3 bytes are too short for NTP",
}
UNHEARD = (Behaviour.SILENT, Behaviour.OTHER_PORT, Behaviour.OTHER_ADDRESS, Behaviour.LATE)


def packet(**changes: Any) -> bytes:  # noqa: ANN401 - any field of Answer
    """Write an answer to the question, as a good server does half a second after it."""
    fields: dict[str, Any] = {
        "origin": QUESTION.number,
        "received_s": NOON + 0.4,
        "transmit_s": NOON + 0.6,
        **changes,
    }
    return Answer(**fields).pack()


def read(moment: float = 101.0, **changes: Any) -> NtpReply:  # noqa: ANN401 - any field of Answer
    """Read an answer to the question that arrived one second after it."""
    return read_reply(packet(**changes), QUESTION, moment)


class TestBuildQuestion:
    """What is sent."""

    def test_nothing_but_the_question(self) -> None:
        """Version 4, mode 3, and a number: not this computer's time, precision or source."""
        question = build_question()

        assert len(question) == HEADER_SIZE
        assert question[:40] == b"\x23" + bytes(39)

    def test_numbers_differ(self) -> None:
        """An answer to an earlier question must not pass for one to this one."""
        assert len({build_question() for _ in range(100)}) == 100


class TestSecondsBetween:
    """Time over the end of an era."""

    @pytest.mark.parametrize("difference", [0.0, 1.5, -1.5, 60 * YEAR_S, -60 * YEAR_S])
    @pytest.mark.parametrize("at", [0.0, 100.0, 2.0**32 - 1, 2.0**31])
    def test_any_place_in_the_era(self, at: float, difference: float) -> None:
        """The difference is right wherever the two lie, 2036 between them or not."""
        later = (at + difference) % 2**32

        assert seconds_between(later, at) == pytest.approx(difference, abs=1e-5)


class TestReferenceId:
    """A kiss code is text for stratum 0 only."""

    @pytest.mark.parametrize(
        ("stratum", "raw", "text"),
        [
            (0, b"RATE", "RATE"),
            (0, b"X\0\0\0", "X"),
            (0, b"\0\0\0\0", "0.0.0.0"),
            (0, b"A\x1b[m", "65.27.91.109"),
            (0, b"\xe4BCD", "228.66.67.68"),
            (0, b"    ", "32.32.32.32"),
            (1, b"GPS\0", "71.80.83.0"),
            (2, b"\x0a\x14\x00\x01", "10.20.0.1"),
            (16, b"INIT", "73.78.73.84"),
        ],
    )
    def test_forms(self, stratum: int, raw: bytes, text: str) -> None:
        """What is not printable is shown as numbers."""
        assert reference_id(stratum, raw) == text


class TestReadReply:
    """What an answer says."""

    def test_fields(self) -> None:
        """Every field of the header that a judgement needs."""
        reply = read(leap=1, version=3, stratum=7, root_delay_s=0.5, root_dispersion_s=0.25)

        assert (reply.leap, reply.version, reply.mode, reply.stratum) == (1, 3, 4, 7)
        assert reply.reference_id == "10.20.0.1"
        assert (reply.root_delay_s, reply.root_dispersion_s) == (0.5, 0.25)
        assert reply.root_distance_s == 0.5
        assert reply.transmit == "2026-11-23T12:00:00.600Z"

    def test_offset_and_delay(self) -> None:
        """The formulas of RFC 5905 section 8: both ways take 0.4 s, the server 0.2 s."""
        reply = read()

        assert reply.offset_s == pytest.approx(0.0, abs=1e-5)
        assert reply.delay_s == pytest.approx(0.8, abs=1e-5)

    def test_one_way_is_slower(self) -> None:
        """Half of the difference between the two ways is taken for an offset: nobody can tell."""
        reply = read(received_s=NOON + 0.1, transmit_s=NOON + 0.1)

        assert reply.offset_s == pytest.approx(-0.4, abs=1e-5)
        assert reply.delay_s == pytest.approx(1.0, abs=1e-5)

    @pytest.mark.parametrize(
        "wrong_s",
        [5.0, -3 * DAY_S, YEAR_S, -YEAR_S, 9.3 * YEAR_S, 30 * YEAR_S, -30 * YEAR_S, 60 * YEAR_S],
    )
    def test_wrong_time(self, wrong_s: float) -> None:
        """A wrong clock is wrong by what it is wrong, over the end of the era in 2036 too."""
        reply = read(received_s=NOON + 0.4 + wrong_s, transmit_s=NOON + 0.6 + wrong_s)
        told = datetime.fromisoformat(reply.transmit)

        assert reply.offset_s == pytest.approx(wrong_s, abs=1e-4)
        assert reply.delay_s == pytest.approx(0.8, abs=1e-4)
        assert told.timestamp() == pytest.approx(NOON + 0.6 + wrong_s, abs=0.002)

    @pytest.mark.parametrize("clock_s", [NEXT_ERA_S - 0.5, NEXT_ERA_S + 3600.0, 0.0, 4e9])
    def test_this_computer_in_another_era(self, clock_s: float) -> None:
        """It works the same after 2036, and on a computer whose clock starts in 1970."""
        question = Question(packet=QUESTION.packet, at_s=0.0, moment=100.0, clock_s=clock_s)
        answer = packet(received_s=clock_s + 0.4, transmit_s=clock_s + 0.6)
        reply = read_reply(answer, question, 101.0)

        assert reply.offset_s == pytest.approx(0.0, abs=1e-4)
        assert datetime.fromisoformat(reply.transmit).timestamp() == pytest.approx(
            clock_s + 0.6, abs=0.002
        )

    def test_no_receive_timestamp(self) -> None:
        """A server that leaves it empty is not decades wrong."""
        reply = read(received_s=None, transmit_s=NOON + 0.5)

        assert reply.offset_s == pytest.approx(0.0, abs=1e-5)
        assert reply.delay_s == pytest.approx(1.0, abs=1e-5)

    @pytest.mark.parametrize("name", ["received_s", "transmit_s"])
    @pytest.mark.parametrize("wrong_s", [3600.0, -3600.0])
    def test_timestamps_that_contradict_each_other(self, name: str, wrong_s: float) -> None:
        """An exchange of one second has no share of an hour, and is not taken to be so long."""
        reply = read(**{"received_s": NOON + 0.5, "transmit_s": NOON + 0.5, name: NOON + wrong_s})

        assert reply.delay_s == 1.0
        assert reply.offset_s == pytest.approx(wrong_s / 2, abs=1.0)

    def test_kiss(self) -> None:
        """A kiss-o'-death tells no time, whatever stands in its timestamps."""
        reply = read(stratum=0, leap=3, reference=b"DENY", received_s=1e9, transmit_s=2e9)

        assert (reply.stratum, reply.reference_id) == (0, "DENY")
        assert (reply.transmit, reply.offset_s, reply.delay_s) == ("", 0.0, 1.0)

    @given(st.binary(min_size=HEADER_SIZE, max_size=80), st.floats(0, 4e9))
    def test_any_bytes(self, answer: bytes, clock_s: float) -> None:
        """Whatever the fields say, reading them does not raise and survives JSON."""
        question = Question(packet=QUESTION.packet, at_s=0.0, moment=100.0, clock_s=clock_s)
        reply = read_reply(answer, question, 101.0)

        assert msgspec.json.decode(msgspec.json.encode(reply), type=NtpReply) == reply


class TestQuestionOf:
    """Which packets count."""

    def test_good_answer(self) -> None:
        """The number of one of our questions, the first as well as the second."""
        earlier = Question(packet=bytes(40) + b"number 0", at_s=0, moment=0, clock_s=0)

        assert question_of(packet(), [earlier, QUESTION]) is QUESTION
        assert question_of(packet(origin=b"number 0"), [earlier, QUESTION]) is earlier

    @pytest.mark.parametrize("stratum", range(1, 256, 51))
    def test_no_transmit_timestamp(self, stratum: int) -> None:
        """Without one an answer does not count."""
        with pytest.raises(UnwantedError, match="no transmit timestamp"):
            question_of(packet(stratum=stratum, transmit_s=None), [QUESTION])

    def test_kiss_without_transmit_timestamp(self) -> None:
        """A kiss-o'-death does all the same: it is no time but a refusal."""
        kiss = packet(stratum=0, received_s=None, transmit_s=None)

        assert question_of(kiss, [QUESTION]) is QUESTION

    def test_forged_kiss(self) -> None:
        """A kiss-o'-death that does not know our number could come from anybody."""
        with pytest.raises(UnwantedError, match="origin"):
            question_of(packet(stratum=0, origin=bytes(8)), [QUESTION])

    @pytest.mark.parametrize("mode", [0, 1, 2, 3, 5, 6, 7])
    def test_other_modes(self, mode: int) -> None:
        """Only a server's answer counts."""
        with pytest.raises(UnwantedError, match=f"mode {mode}"):
            question_of(packet(mode=mode), [QUESTION])

    @given(st.binary(max_size=80))
    def test_any_bytes(self, answer: bytes) -> None:
        """Whatever comes, there is a reason or a question."""
        with pytest.raises(UnwantedError):
            question_of(answer[:24] + bytes(8) + answer[32:], [QUESTION])


def ask(server: NtpServer, wait_s: float = 0.05) -> NtpObserved:
    """Ask a simulated server; whatever comes back survives JSON."""
    probe = NtpProbe(
        vantage=LOOPBACK, server=SERVER, port=server.port, wait_s=wait_s, interval_s=0.02
    )
    observed = probe.run()

    assert isinstance(observed, NtpObserved)
    assert msgspec.json.decode(msgspec.json.encode(observed), type=Observation) == observed
    return observed


class TestServers:
    """Against the simulated server, good and faulty."""

    @pytest.mark.parametrize("behaviour", ANSWERING)
    def test_answering(self, behaviour: Behaviour) -> None:
        """An answer ends it at once, whatever it says: judging is not the probe's work."""
        with NtpServer(behaviour, kiss="DENY") as server:
            observed = ask(server, wait_s=10.0)

        assert observed.reply
        assert observed.trouble is None
        assert [attempt.result for attempt in observed.tries] == ["answer"]
        assert observed.tries[0].source == f"{SERVER}:{server.port}"
        assert len(observed.tries[0].received) >= HEADER_SIZE
        assert len(server.requests) == 1
        assert server.requests[0][0] == observed.tries[0].sent

    @pytest.mark.parametrize(
        ("behaviour", "expected"),
        [
            (Behaviour.GOOD, (0, 2, "10.20.0.1")),
            (Behaviour.PRIMARY, (0, 1, "71.80.83.0")),
            (Behaviour.KISS, (3, 0, "RSTR")),
            (Behaviour.KISS_BARE, (3, 0, "RSTR")),
            (Behaviour.STRATUM_16, (3, 16, "0.0.0.0")),
            (Behaviour.LEAP_3, (3, 2, "10.20.0.1")),
            (Behaviour.LOCAL_CLOCK, (0, 1, "76.79.67.76")),
        ],
    )
    def test_what_it_says(self, behaviour: Behaviour, expected: tuple[int, int, str]) -> None:
        """Leap, stratum and reference id arrive as they were sent."""
        with NtpServer(behaviour, kiss="RSTR") as server:
            reply = ask(server, wait_s=10.0).reply

        assert reply
        assert (reply.leap, reply.stratum, reply.reference_id) == expected

    @pytest.mark.parametrize(
        ("behaviour", "stratum"), [(Behaviour.KISS_ONCE, 2), (Behaviour.KISS, 0)]
    )
    def test_asked_to_come_later(self, behaviour: Behaviour, stratum: int) -> None:
        """RATE is no verdict on the server: the reply to the second question counts."""
        with NtpServer(behaviour, kiss="RATE") as server:
            observed = ask(server, wait_s=10.0)

        assert [attempt.result for attempt in observed.tries] == ["answer", "answer"]
        assert observed.trouble is None
        assert observed.reply
        assert observed.reply.stratum == stratum

    @pytest.mark.parametrize("offset_s", [0.0, 300.0, -40 * YEAR_S])
    def test_offset(self, offset_s: float) -> None:
        """The server's clock against this computer's; no more exact than the exchange was."""
        with NtpServer(offset_s=offset_s) as server:
            reply = ask(server, wait_s=10.0).reply

        assert reply
        assert abs(reply.offset_s - offset_s) <= reply.delay_s / 2 + 0.001

    @pytest.mark.parametrize("behaviour", UNWANTED)
    def test_unwanted(self, behaviour: Behaviour) -> None:
        """What does not count is kept with the reason, and is not silence."""
        with NtpServer(behaviour) as server:
            observed = ask(server, wait_s=0.5 if behaviour is Behaviour.DRIP else 0.2)

        assert observed.reply is None
        assert observed.trouble
        assert observed.trouble.kind == "malformed"
        assert observed.ignored[0].reason == UNWANTED[behaviour]
        assert observed.ignored[0].source == f"{SERVER}:{server.port}"
        assert len(observed.ignored) <= IGNORED_LIMIT
        assert len(observed.tries) == 2

    @pytest.mark.parametrize("behaviour", UNHEARD)
    def test_unheard(self, behaviour: Behaviour) -> None:
        """Nothing from the address and port asked: silence, asked twice."""
        with NtpServer(behaviour) as server:
            observed = ask(server)

        assert observed.reply is None
        assert observed.trouble
        assert observed.trouble.kind == "no-answer"
        assert [attempt.result for attempt in observed.tries] == ["silence", "silence"]

    def test_refused(self) -> None:
        """A closed port says so, and is asked once more: the service may be starting."""
        with NtpServer(Behaviour.REFUSES) as server:
            observed = ask(server, wait_s=10.0)

        assert observed.trouble
        assert observed.trouble.kind == "refused"
        assert [attempt.result for attempt in observed.tries] == ["refused", "refused"]

    def test_answer_in_the_second_try(self) -> None:
        """One lost packet is not a closed firewall."""

        class Sleepy(NtpServer):
            def respond(self, request: bytes) -> Iterator[Reply]:
                if len(self.requests) == 2:
                    yield from super().respond(request)

        with Sleepy() as server:
            probe = NtpProbe(
                vantage=LOOPBACK, server=SERVER, port=server.port, wait_s=1.0, interval_s=0.0
            )
            observed = probe.run()

        assert isinstance(observed, NtpObserved)
        assert observed.reply
        assert [attempt.result for attempt in observed.tries] == ["silence", "answer"]
        assert observed.tries[0].sent != observed.tries[1].sent

    def test_clock_is_set_between_two_questions(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A system that sets its clock during the run makes no two servers disagree."""
        set_ahead_s = time.time() + 3600
        with NtpServer() as server:
            before = ask(server)
            monkeypatch.setattr(time, "time", lambda: set_ahead_s)
            after = ask(server)

        assert before.reply
        assert after.reply
        assert after.reply.offset_s == pytest.approx(before.reply.offset_s, abs=60.0)
        begins = [datetime.fromisoformat(observed.started) for observed in (before, after)]
        assert begins[1] - begins[0] < timedelta(minutes=1)

    def test_no_thread_and_no_socket_is_left(self) -> None:
        """The simulated server is gone when its block ends; its port can be used again."""
        with NtpServer() as server:
            ask(server, wait_s=10.0)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as again:
            again.bind((SERVER, server.port))

        assert "simulated NTP" not in {thread.name for thread in threading.enumerate()}


class FakeSocket:
    """A connected UDP socket with a server behind it that a test lays out."""

    def __init__(self, standing: StandingTime, *steps: list[tuple[float, Any]]) -> None:
        """For each question: what comes how long after it, an OSError or the answer's fields."""
        self.steps = deque(steps)
        self.asked_at: list[float] = []
        self.closed = False
        self.refusal: OSError | None = None
        self.on_answer = lambda: None
        self.stops: deque[float] = deque()
        """How long the program stands still before each look at the socket."""
        self._due: deque[tuple[float, Any]] = deque()
        self._limit_s: float | None = None
        self._time = standing
        self._began = standing.now

    def getsockopt(self, *_: int) -> int:
        """There is no waiting error."""
        return 0

    def getsockname(self) -> tuple[str, int]:
        """Be bound."""
        return "127.0.0.1", 40000

    def settimeout(self, limit_s: float) -> None:
        """Remember the limit."""
        self._limit_s = limit_s

    def send(self, question: bytes) -> None:
        """Take a question."""
        if self.refusal:
            raise self.refusal
        now = self._time.now
        self.asked_at.append(now - self._began)
        for after_s, what in self.steps.popleft() if self.steps else []:
            if isinstance(what, dict):
                fields = {"origin": question[40:], "received_s": now, "transmit_s": now, **what}
                self._due.append((now + after_s, Answer(**fields).pack()))
            else:
                self._due.append((now + after_s, what))

    def recv(self, _size: int) -> bytes:
        """Return what is due, or let the time pass."""
        assert self._limit_s is not None
        self._time.sleep(self.stops.popleft() if self.stops else 0.0)
        if not self._due or self._due[0][0] > self._time.now + self._limit_s:
            self._time.sleep(self._limit_s)
            raise TimeoutError if self._limit_s else BlockingIOError
        due, what = self._due.popleft()
        self._time.now = max(self._time.now, due)
        self.on_answer()
        if isinstance(what, OSError):
            raise what
        return bytes(what)

    def recvmsg(self, *_: int) -> NoReturn:
        """There is no ICMP error."""
        raise BlockingIOError

    def gettimeout(self) -> float | None:
        """Return the limit."""
        return self._limit_s

    def __enter__(self) -> Self:
        """Be open."""
        return self

    def __exit__(self, *_: object) -> None:
        """Be closed."""
        self.closed = True


RATE = {"stratum": 0, "reference": b"RATE"}
REFUSED = ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")
UNREACHABLE = OSError(errno.EHOSTUNREACH, "No route to host")


class TestCourse:
    """When it asks, how long it waits, and what it makes of the tries."""

    @pytest.fixture(autouse=True)
    def prepare(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Make the probe wait in a time of the test's own."""
        self.time = StandingTime(clock_s=NOON)
        self.patch = monkeypatch
        monkeypatch.setattr(ntp, "time", self.time)
        monkeypatch.setattr(ntp, "clock_s", self.time.time)
        monkeypatch.setattr(measuring, "time", self.time)
        monkeypatch.setattr(ntp, "neighbour_answers", lambda *_: None)

    def run(self, *steps: list[tuple[float, Any]]) -> NtpObserved:
        """Ask a server that was laid out."""
        self.sock = FakeSocket(self.time, *steps)
        observed = self.run_over(self.sock)

        assert isinstance(observed, NtpObserved)
        assert self.sock.closed
        return observed

    def run_over(self, sock: FakeSocket) -> NtpObserved | CannotMeasure:
        """Ask over a fake socket."""
        self.patch.setattr(ntp, "open_udp", lambda *_: sock)
        return NtpProbe(vantage=LOOPBACK, server="192.0.2.1").run()

    def test_silence(self) -> None:
        """Twice, three seconds each, and no more."""
        observed = self.run()

        assert self.sock.asked_at == [0.0, 3.0]
        assert observed.duration_s == 6.0
        assert observed.trouble
        assert observed.trouble.kind == "no-answer"
        assert [(attempt.to, attempt.source) for attempt in observed.tries] == [
            ("192.0.2.1:123", "")
        ] * 2

    @pytest.mark.parametrize("refusal", [None, OSError(errno.ENOBUFS, "no buffer space")])
    def test_it_says_when_it_has_asked(self, refusal: OSError | None) -> None:
        """Whoever waits for a question does not wait for its answer, nor for one that can leave."""
        self.sock = FakeSocket(self.time, [(1.0, {})])
        self.sock.refusal = refusal
        self.patch.setattr(ntp, "open_udp", lambda *_: self.sock)
        told_at: list[float] = []

        class Outbox:
            """Notes when something is told."""

            def put(self, event: Event, /) -> None:
                """Take it."""
                assert event == Asked("ntp/192.0.2.1")
                told_at.append(clock.now - 1000.0)

        clock = self.time
        NtpProbe(vantage=LOOPBACK, server="192.0.2.1", outbox=Outbox()).run()

        assert told_at == ([0.0, 2.0] if refusal else [0.0])

    def test_refused_and_then_an_answer(self) -> None:
        """After a refusal it waits two seconds before it asks again."""
        observed = self.run([(0.01, REFUSED)], [(0.01, {})])

        assert self.sock.asked_at == [0.0, 2.0]
        assert observed.reply
        assert observed.trouble is None
        assert [attempt.result for attempt in observed.tries] == ["refused", "answer"]

    def test_refused_twice(self) -> None:
        """The second refusal ends it."""
        observed = self.run([(0.01, REFUSED)], [(0.01, REFUSED)])

        assert observed.duration_s == 2.01
        assert [attempt.detail for attempt in observed.tries] == ["Connection refused"] * 2
        assert observed.trouble
        assert observed.trouble.kind == "refused"

    def test_refused_and_then_silence(self) -> None:
        """A refusal tells more than the silence after it."""
        observed = self.run([(0.01, REFUSED)])

        assert observed.duration_s == 5.0
        assert observed.trouble
        assert observed.trouble.kind == "refused"

    def test_neighbour_is_missed_late(self) -> None:
        """A system takes three seconds to miss a neighbour; the second try hears of it."""
        observed = self.run([(3.07, UNREACHABLE)])

        assert [attempt.result for attempt in observed.tries] == ["silence", "no-route"]
        assert observed.trouble
        assert observed.trouble.kind == "no-route"

    @pytest.mark.parametrize(
        ("looks", "kind"),
        [
            ([False] * 6, "no-route"),
            ([False, False, None, False, False, None], "no-route"),
            ([False, False, None, None, None, None], "no-route"),
            ([False, True, True, True, True, None], "no-answer"),
            ([None] * 6, "no-answer"),
        ],
        ids=["missed", "forgotten", "forgotten-early", "woken", "not-on-the-link"],
    )
    def test_neighbour_is_missed_silently(self, looks: list[bool | None], kind: str) -> None:
        """Where no error says so the ARP table does, though Linux may forget what it held."""
        seen = iter(looks)
        self.patch.setattr(ntp, "neighbour_answers", lambda *_: next(seen))
        observed = self.run()

        assert observed.trouble
        assert observed.trouble.kind == kind
        assert list(seen) == []

    @pytest.mark.parametrize("fields", [{"stratum": 0}, {"stratum": 16}, {"leap": 3}])
    def test_no_second_question(self, fields: dict[str, int]) -> None:
        """Who is not synchronised or sends us away is not asked again (RFC 4330 section 10)."""
        observed = self.run([(0.01, fields)])

        assert self.sock.asked_at == [0.0]
        assert observed.reply

    @pytest.mark.parametrize("then", [[], [(0.01, REFUSED)]], ids=["silence", "a-refusal"])
    def test_nothing_after_being_sent_away(self, then: list[tuple[float, Any]]) -> None:
        """The server has answered once; that tells more than what came of the second question."""
        observed = self.run([(0.01, RATE)], then)

        assert self.sock.asked_at == [0.0, 2.0]
        assert observed.trouble is None
        assert observed.reply
        assert observed.reply.reference_id == "RATE"

    def test_doubled_packet_is_no_second_reply(self) -> None:
        """A network that doubles packets must not use up the second question."""
        observed = self.run([(0.01, RATE), (2.5, RATE)], [(1.0, {})])

        assert [ignored.reason for ignored in observed.ignored] == [
            "answers a question that is answered already"
        ]
        assert observed.reply
        assert observed.reply.stratum == 2

    def test_late_answer(self) -> None:
        """An answer after the time limit of its own question is kept, and is none."""
        observed = self.run([(3.5, {})])

        assert observed.reply is None
        assert observed.trouble
        assert observed.trouble.kind == "no-answer"
        assert [ignored.reason for ignored in observed.ignored] == ["too late, after 3.500 s"]

    @pytest.mark.parametrize(
        "packets",
        [
            [(0.1, {})],
            [(0.1, {"mode": 5}), (0.2, {"mode": 5}), (0.3, {})],
        ],
        ids=["alone", "behind-others"],
    )
    @pytest.mark.parametrize("stops", [(30.0,), (0.0, 30.0)], ids=["before", "between"])
    def test_answer_that_could_not_be_read_in_time(
        self, packets: list[tuple[float, Any]], stops: tuple[float, ...]
    ) -> None:
        """A computer that stood still knows only that it came in time: three seconds at most."""
        self.sock = FakeSocket(self.time, [*packets])
        self.sock.stops.extend(stops)
        observed = self.run_over(self.sock)

        assert isinstance(observed, NtpObserved)
        assert self.sock.asked_at == [0.0]
        assert observed.reply
        assert observed.reply.delay_s <= 3.0

    def test_late_answer_after_a_stop(self) -> None:
        """What nobody listened to any more when it came is late, although it was read late."""
        self.sock = FakeSocket(self.time, [(3.5, {})])
        self.sock.stops.extend([0.0, 0.0, 0.0, 9.0])
        observed = self.run_over(self.sock)

        assert isinstance(observed, NtpObserved)
        assert observed.reply is None
        assert [ignored.reason for ignored in observed.ignored] == ["too late, after 12.000 s"]

    def test_flood_when_the_time_is_over(self) -> None:
        """Somebody who sends faster than this program reads must not keep it."""
        foreign = {"origin": b"whatever"}
        self.sock = FakeSocket(self.time, [(0.1, foreign)] * (OVERTIME_LIMIT + 10))
        self.sock.stops.append(4.0)
        observed = self.run_over(self.sock)

        assert isinstance(observed, NtpObserved)
        assert self.sock.asked_at == [0.0, 4.0]
        assert observed.duration_s == 7.0

    def test_answer_to_the_first_question(self) -> None:
        """An answer that crosses a refusal counts for the question that it answers."""
        observed = self.run([(0.01, REFUSED), (2.5, {})])

        assert observed.reply
        assert observed.reply.delay_s == 2.5

    def test_drip(self) -> None:
        """A flow of foreign packets does not make it wait longer."""
        foreign = {"origin": b"whatever"}
        observed = self.run(*[[(0.1 * tick, foreign) for tick in range(29)]] * 2)

        assert observed.duration_s == 6.0
        assert len(observed.ignored) == IGNORED_LIMIT

    def test_foreign_packet_at_the_last_moment(self) -> None:
        """What comes just when the time is over does not make it wait longer either."""
        observed = self.run([(3.0, {"origin": b"whatever"})])

        assert self.sock.asked_at == [0.0, 3.0]
        assert observed.duration_s == 6.0

    def test_unwanted_tells_more_than_a_refusal(self) -> None:
        """Somebody is there and talks: that is nearer to an answer than a refusal."""
        observed = self.run([(0.01, {"mode": 5}), (0.02, REFUSED)], [(0.01, REFUSED)])

        assert [attempt.result for attempt in observed.tries] == ["malformed", "refused"]
        assert observed.trouble
        assert observed.trouble.kind == "malformed"

    def test_clock_is_set_meanwhile(self) -> None:
        """A clock that jumps while the answer is under way does not bend the offset."""
        sock = FakeSocket(self.time, [(0.5, {})])

        def jump() -> None:
            self.time.clock_s += 3600

        sock.on_answer = jump
        sock.send = self.answer_now(sock)  # type: ignore[method-assign]
        observed = self.run_over(sock)

        assert isinstance(observed, NtpObserved)
        assert observed.reply
        assert abs(observed.reply.offset_s) < 1.0

    def answer_now(self, sock: FakeSocket) -> Any:  # noqa: ANN401 - a method's stand-in
        """Make the server tell this computer's time at the moment of the question."""
        real = sock.send

        def send(question: bytes) -> None:
            now = self.time.time()
            sock.steps[0] = [(0.5, {"received_s": now, "transmit_s": now})]
            real(question)

        return send

    @pytest.mark.parametrize(
        "steps", [[[(0.01, {})]], [[(0.01, {"mode": 5})]]], ids=["answer", "unwanted"]
    )
    def test_answer_of_this_computer(
        self, account: Account, steps: list[list[tuple[float, Any]]]
    ) -> None:
        """A time server on this computer that takes the question is not the plant's."""
        account.told = "a resolver", "", ""
        observed = self.run_over(FakeSocket(self.time, *steps))

        assert isinstance(observed, CannotMeasure)
        assert observed.cause == "not-permitted"

    def test_answer_that_this_computer_drops(self, account: Account) -> None:
        """It came, and no further."""
        account.told = "", "dropped", ""
        self.patch.setattr(ntp, "shows", lambda *_: False)

        assert isinstance(self.run_over(FakeSocket(self.time)), CannotMeasure)

    def test_answer_at_the_last_moment(self, account: Account) -> None:
        """What the socket has just got was not dropped."""
        account.told = "", "dropped", ""
        self.patch.setattr(ntp, "shows", lambda *_: True)

        assert self.run().trouble

    def test_no_route_is_no_silence(self, account: Account) -> None:
        """A question that waits for ARP did not leave, and nobody kept it back."""
        account.told = "", "no question left", ""
        self.patch.setattr(ntp, "neighbour_answers", lambda *_: False)
        observed = self.run()

        assert observed.trouble
        assert observed.trouble.kind == "no-route"

    def test_nothing_can_be_sent(self) -> None:
        """The way may be lost in the middle of a run; that is not the network's."""
        sock = FakeSocket(self.time)
        sock.refusal = OSError(errno.ENETUNREACH, "Network is unreachable")
        observed = self.run_over(sock)

        assert isinstance(observed, CannotMeasure)
        assert (observed.cause, "Network is unreachable" in observed.detail) == ("off-link", True)

    @pytest.mark.parametrize(
        ("refusal", "result"),
        [
            pytest.param(
                OSError(errno.ENOBUFS, "No buffer space"),
                "not-sent",
                id="did-not-leave",
            ),
            pytest.param(
                ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"),
                "refused",
                id="word-on-the-question-before",
            ),
        ],
    )
    def test_not_all_can_be_sent(self, refusal: OSError, result: str) -> None:
        """What was sent decides; the network's word that meets a sending stays its word."""
        sock = FakeSocket(self.time, [(0.5, {})])
        sock.refusal = refusal
        sock.getsockopt = self.mended(sock)  # type: ignore[method-assign]
        observed = self.run_over(sock)

        assert isinstance(observed, NtpObserved)
        assert [attempt.result for attempt in observed.tries] == [result, "answer"]

    def test_computer_drops_a_question(self) -> None:
        """Protection software says so only once the neighbour's address is known."""
        sock = FakeSocket(self.time)
        sock.refusal = OSError(errno.ENOBUFS, os.strerror(errno.ENOBUFS))
        sock.getsockopt = self.mended(sock)  # type: ignore[method-assign]
        observed = self.run_over(sock)

        assert isinstance(observed, CannotMeasure)
        assert observed.cause == "not-permitted"
        assert "dropped by this computer" in observed.detail

    def test_computer_drops_every_question(self) -> None:
        """It stands in the network all the same."""
        sock = FakeSocket(self.time)
        sock.refusal = OSError(errno.ENOBUFS, os.strerror(errno.ENOBUFS))
        observed = self.run_over(sock)

        assert isinstance(observed, CannotMeasure)
        assert observed.cause == "not-permitted"

    def mended(self, sock: FakeSocket) -> Any:  # noqa: ANN401 - a method's stand-in
        """Let the second question go."""
        looks = iter((sock.refusal, None))

        def getsockopt(*_: int) -> int:
            sock.refusal = next(looks)
            return 0

        return getsockopt

    def test_own_firewall(self) -> None:
        """What this computer does not let go is not silence."""
        sock = FakeSocket(self.time)
        sock.refusal = PermissionError(errno.EPERM, "Operation not permitted")
        observed = self.run_over(sock)

        assert isinstance(observed, CannotMeasure)
        assert observed.cause == "not-permitted"
        assert sock.closed

    def test_no_socket(self) -> None:
        """What keeps the socket from being opened says nothing about the server."""

        def refuse(*_: object) -> NoReturn:
            raise CannotAskError("other-route", "the route leaves by another interface")

        self.patch.setattr(ntp, "open_udp", refuse)
        observed = NtpProbe(vantage=LOOPBACK, server="192.0.2.1").run()

        assert isinstance(observed, CannotMeasure)
        assert observed.cause == "other-route"

    def test_key(self) -> None:
        """A server is filed under its address, and asked at the port of NTP."""
        probe = NtpProbe(vantage=LOOPBACK, server="192.0.2.1")

        assert (probe.key, probe.port) == ("ntp/192.0.2.1", 123)


class TestSimulator:
    """The simulated server itself, by its bytes."""

    def test_every_behaviour_is_tested(self) -> None:
        """A behaviour that no test names would be no use."""
        alone = {Behaviour.REFUSES, Behaviour.LOSES_FIRST, Behaviour.KISS_ONCE}
        named = {*ANSWERING, *UNWANTED, *UNHEARD, *alone}

        assert named == set(Behaviour)

    def test_loses_first(self) -> None:
        """The first question is lost, the second one answered."""
        question = build_question()
        with (
            NtpServer(Behaviour.LOSES_FIRST) as server,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client,
        ):
            client.connect((SERVER, server.port))
            client.send(question)
            client.send(question)
            client.settimeout(10.0)
            client.recv(100)

            client.settimeout(0.05)
            with pytest.raises(TimeoutError):
                client.recv(100)

        assert len(server.requests) == 2

    def test_layout(self) -> None:
        """The header as RFC 5905 section 7.3 draws it, worked out by hand."""
        answer = Answer(
            leap=3, version=4, mode=4, stratum=16, root_delay_s=1.0, root_dispersion_s=0.5,
            reference=b"INIT", origin=b"8 bytes.", received_s=0.0, transmit_s=0.5,
        )  # fmt: skip
        expected = bytes.fromhex("e41006ec 00010000 00008000") + b"INIT"
        expected += struct.pack("!II", 2208988800, 2**31) + b"8 bytes."
        expected += struct.pack("!IIII", 2208988800, 0, 2208988800, 2**31)

        assert answer.pack() == expected

    @pytest.mark.parametrize("request_", [b"", bytes(47), bytes([0x24]) + bytes(47)])
    def test_no_question(self, request_: bytes) -> None:
        """What is no client's question gets no answer."""
        assert list(NtpServer().respond(request_)) == []
