"""Ask a time server for the time as a simple client does: SNTP version 4 (RFC 5905, RFC 4330).

The transmit timestamp of a question is a random number and not our time: the server only has to
give it back as the origin timestamp (RFC 5905 section 8), nobody can guess it, and it tells nothing
about this computer. When the question left is kept aside, on the monotonic clock, so that a clock
that is set during the exchange cannot bend the result.

Stratum 0 is a kiss-o'-death or a server that is not synchronised yet (RFC 5905 section 7.4). It
counts as a reply even without a transmit timestamp: some servers leave it empty, ntpd puts our own
number there. Its timestamps must not be used, so it has no transmit time and no offset.

Only the kiss code RATE says *later*: somebody else may have used up what the server grants to the
address that we share. The second question is asked all the same; the last reply counts.
"""

from __future__ import annotations

import secrets
import select
import socket
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import ntplib

from cube_acceptance.evidence import (
    NOBODY,
    CannotMeasure,
    NtpObserved,
    NtpReply,
    Trouble,
    Vantage,
    clock_s,
    timestamp,
)
from cube_acceptance.probes import Asked, unread
from cube_acceptance.probes.net.errors import check_sent, trouble
from cube_acceptance.probes.net.log import Log
from cube_acceptance.probes.net.measuring import Stopwatch, measured
from cube_acceptance.probes.net.neighbours import neighbour_answers
from cube_acceptance.probes.net.receive import RECEIVE_LIMIT, Inbox, UnwantedError, receive
from cube_acceptance.probes.net.routing import udp
from cube_acceptance.probes.net.sockets import (
    confirm_answer,
    confirm_silence,
    open_udp,
    port_of,
    shows,
    watching,
)

if TYPE_CHECKING:
    from cube_acceptance.probes import Outbox

PORT = 123
"""RFC 5905 section 7.2."""
TRIES = 2
WAIT_S = 3.0
"""How long an answer may take."""
INTERVAL_S = 2.0
"""From one question to the next at least; servers send the impatient away (RFC 4330 section 10)."""
LOOK_S = 1.0
"""How often the neighbour is looked for during the wait: Linux may forget at once that it missed
one, which takes three seconds."""

LATER = "RATE"
"""The kiss code of a server that is asked too often, by us or by others (RFC 5905 section 7.4)."""

VERSION = 4
VERSIONS = range(1, VERSION + 1)
"""Those that some client takes: ntpd and chrony any, systemd-timesyncd 3 and 4 only."""
CLIENT = 3
SERVER = 4
HEADER_SIZE = 48
"""RFC 5905 section 7.3."""

_TIMESTAMP_SIZE = 8
_ORIGIN = slice(24, 32)
_TRANSMIT_AT = 40
_ERA_S = 2**32
"""RFC 5905 section 6: after so many seconds the timestamps start again, next in February 2036."""
_UNIX_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question that was sent."""

    packet: bytes
    at_s: float
    """When, in seconds since the probe started."""
    moment: float
    """When, by ``time.monotonic``."""
    clock_s: float
    """When, by this computer's clock, in seconds since 1970."""

    @property
    def number(self) -> bytes:
        """The random number in the place of the transmit timestamp."""
        return self.packet[_TRANSMIT_AT:]


def build_question() -> bytes:
    """Write a client's packet with nothing in it but version, mode and a random number."""
    header: bytes = ntplib.NTPPacket(version=VERSION, mode=CLIENT).to_data()[:_TRANSMIT_AT]
    return header + secrets.token_bytes(_TIMESTAMP_SIZE)


def seconds_between(later_s: float, earlier_s: float) -> float:
    """Subtract two timestamps, whatever eras they are from (RFC 5905 section 6).

    The result is the one nearest to zero, within 68 years.
    """
    return (later_s - earlier_s + _ERA_S / 2) % _ERA_S - _ERA_S / 2


def reference_id(stratum: int, raw: bytes) -> str:
    """Write the reference id: a kiss code for stratum 0, four numbers otherwise."""
    code = raw.rstrip(b"\0 ").decode("ascii", "replace")
    if stratum == 0 and code and code.isascii() and code.isprintable():
        return code
    return socket.inet_ntoa(raw)


def read_reply(packet: bytes, question: Question, moment: float) -> NtpReply:
    """Read an answer that arrived at ``moment`` (RFC 5905 sections 7.3 and 8).

    A server that leaves the receive timestamp empty is taken to have answered at once. So is one
    whose timestamps claim a share of the exchange that it cannot have had: the delay tells how
    far the offset can be off, and a server must not have a say in that.
    """
    header = ntplib.NTPPacket()
    header.from_data(packet)
    stratum: int = header.stratum
    transmit, offset_s = "", 0.0
    delay_s = moment - question.moment
    if stratum:
        sent_s = ntplib.system_to_ntp_time(question.clock_s)
        arrived_s = sent_s + delay_s
        taken_s = header.recv_timestamp or header.tx_timestamp
        share_s = seconds_between(header.tx_timestamp, taken_s)
        delay_s -= share_s if 0 <= share_s <= delay_s else 0.0
        ahead_s = seconds_between(header.tx_timestamp, arrived_s)
        offset_s = (seconds_between(taken_s, sent_s) + ahead_s) / 2
        told = timedelta(seconds=question.clock_s + moment - question.moment + ahead_s)
        transmit = timestamp(_UNIX_EPOCH + told)
    return NtpReply(
        leap=header.leap,
        version=header.version,
        mode=header.mode,
        stratum=stratum,
        reference_id=reference_id(stratum, header.ref_id.to_bytes(4, "big")),
        root_delay_s=round(header.root_delay, 6),
        root_dispersion_s=round(header.root_dispersion, 6),
        root_distance_s=round(header.root_delay / 2 + header.root_dispersion, 6),
        transmit=transmit,
        offset_s=round(offset_s, 6),
        delay_s=round(delay_s, 6),
    )


def question_of(packet: bytes, questions: list[Question]) -> Question:
    """Find the question that a packet answers (RFC 5905 section 8, RFC 4330 section 5).

    Raises:
        UnwantedError: it answers none.
    """
    if len(packet) < HEADER_SIZE:
        raise UnwantedError(f"{len(packet)} bytes are too short for NTP")
    version, mode, stratum = packet[0] >> 3 & 0x07, packet[0] & 0x07, packet[1]
    if mode != SERVER:
        raise UnwantedError(f"mode {mode} is not a server's answer")
    if version not in VERSIONS:
        raise UnwantedError(f"version {version} is no client's")
    if stratum and not any(packet[_TRANSMIT_AT:HEADER_SIZE]):
        raise UnwantedError("no transmit timestamp")
    for question in questions:
        if question.number == packet[_ORIGIN]:
            return question
    raise UnwantedError("the origin timestamp is not ours")


@dataclass(frozen=True, slots=True, kw_only=True)
class NtpProbe:
    """Ask one time server, once more if nothing comes or it wants to be asked later.

    The outbox is told when a question has left or could not leave, before its answer is waited for;
    not where this computer's own packet filter forbids it, which ends the measurement.
    """

    vantage: Vantage
    server: str
    """IPv4 address."""
    port: int = PORT
    tries: int = TRIES
    wait_s: float = WAIT_S
    interval_s: float = INTERVAL_S
    outbox: Outbox = field(default_factory=unread, compare=False, repr=False)

    @property
    def key(self) -> str:
        """The observation's name: ``ntp/<server>``."""
        return f"ntp/{self.server}"

    def run(self) -> NtpObserved | CannotMeasure:
        """Measure once; ends with the first answer that is not RATE, whatever it says."""
        return measured(self._measure, self.vantage)

    def _measure(self, watch: Stopwatch) -> NtpObserved:
        with (
            open_udp(self.vantage, self.server, self.port) as sock,
            watching(self.vantage, self.server, udp(self.port), port_of(sock)) as capture,
        ):
            exchange = _Exchange(self, sock, watch)
            exchange.run()
            if exchange.reply or exchange.log.ignored:
                confirm_answer(capture)
            elif exchange.trouble().kind == "no-answer":
                check_sent([attempt.detail for attempt in exchange.log.tries])
                confirm_silence(capture, lambda: shows(sock, select.POLLIN))
        return NtpObserved(
            started=watch.started,
            duration_s=watch.elapsed(),
            tries=tuple(exchange.log.tries),
            ignored=tuple(exchange.log.ignored),
            server=self.server,
            reply=exchange.reply,
            trouble=None if exchange.reply else exchange.trouble(),
        )


class _Exchange:
    """The course of one measurement."""

    def __init__(self, probe: NtpProbe, sock: socket.socket, watch: Stopwatch) -> None:
        self.log = Log(watch)
        self.reply: NtpReply | None = None
        self._probe = probe
        self._sock = sock
        self._watch = watch
        self._inbox = Inbox(watch, lambda limit_s: receive(sock, limit_s, self._read))
        self._peer = f"{probe.server}:{probe.port}"
        self._questions: list[Question] = []
        self._troubles: list[Trouble] = []
        self._answered: set[bytes] = set()
        """The numbers of the questions that have had their answer."""
        self._unwanted = ""
        self._neighbour: bool | None = None

    def run(self) -> None:
        """Ask until an answer settles it or the tries are used up.

        Raises:
            CannotAskError: no question left this computer; the network has no part in that.
        """
        while not self._settled() and len(self._questions) < self._probe.tries:
            if self._questions:
                self._watch.wait_until(self._questions[-1].at_s + self._probe.interval_s)
            self._ask()
        self.log.check_sent()

    def _settled(self) -> bool:
        reply = self.reply
        return reply is not None and (reply.stratum, reply.reference_id) != (0, LATER)

    def trouble(self) -> Trouble:
        """Return why there is no answer: by what came closest to one."""
        unreadable = [met for met in self._troubles if met.kind == "malformed"]
        if met := unreadable or self._troubles:
            return met[-1]
        if self._neighbour is False:
            return Trouble(kind="no-route", phase="udp", detail=NOBODY)
        return Trouble(kind="no-answer", phase="udp", detail="nothing came back in time")

    def _ask(self) -> None:
        packet = build_question()
        # An ICMP error that waits from the question before would be taken for a failure to send.
        self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        number = self.log.begin(self._peer, packet)
        question = Question(
            packet=packet,
            at_s=self.log.tries[number].at_s,
            moment=time.monotonic(),
            clock_s=clock_s(),
        )
        self._questions.append(question)
        self._unwanted = ""
        met = self._send(packet)
        self._probe.outbox.put(Asked(self._probe.key))
        if met and met.kind != "refused":
            self.log.end(number, "not-sent", met.detail)
            return
        received = b""
        if not met:
            try:
                received = self._listen(question.at_s + self._probe.wait_s)
            except OSError as error:
                met = trouble(self._sock, error, "udp")
        if self._unwanted:
            met = Trouble(kind="malformed", phase="udp", detail=self._unwanted)
        if met:
            self._troubles.append(met)
        result = "answer" if received else met.kind if met else "silence"
        self.log.end(number, result, met.detail if met else "", received, self._peer)

    def _send(self, packet: bytes) -> Trouble | None:
        """Describe what kept the packet from being sent, if anything did.

        Raises:
            CannotAskError: this computer's own packet filter did.
        """
        try:
            self._sock.send(packet)
        except OSError as error:
            return trouble(self._sock, error, "udp")
        return None

    def _read(self) -> bytes:
        return self._sock.recv(RECEIVE_LIMIT)

    def _listen(self, end_s: float) -> bytes:
        """Return the packet that answers, empty where none comes until ``end_s``."""
        while not self._inbox.over(end_s):
            until_s = min(self._watch.elapsed() + LOOK_S, self._next_limit())
            packet = self._inbox.receive(until_s)
            if packet is None:
                self._look()
            elif self._accept(packet, time.monotonic()):
                return packet
        return b""

    def _limit(self, question: Question) -> float:
        return question.at_s + self._probe.wait_s

    def _next_limit(self) -> float:
        """Return the moment at which the first question ends that did not pass in silence."""
        limits_s = map(self._limit, self._questions)
        return min(limit_s for limit_s in limits_s if limit_s > self._inbox.empty_s)

    def _look(self) -> None:
        """Note what is known of the neighbour now."""
        known = neighbour_answers(self._probe.vantage.interface, self._probe.server)
        if known is not None:
            self._neighbour = known

    def _accept(self, packet: bytes, moment: float) -> bool:
        try:
            question = question_of(packet, self._questions)
        except UnwantedError as reason:
            self._unwanted = str(reason)
            self.log.ignore(self._peer, reason, packet)
            return False
        if question.number in self._answered:
            self.log.ignore(self._peer, "answers a question that is answered already", packet)
            return False
        if self._inbox.empty_s >= self._limit(question):
            late = f"too late, after {moment - question.moment:.3f} s"
            self.log.ignore(self._peer, late, packet)
            return False
        self._answered.add(question.number)
        # It came in time, however much later this program could read it.
        self.reply = read_reply(packet, question, min(moment, question.moment + self._probe.wait_s))
        return True
