"""Ask one DNS server for a name's IPv4 addresses: RFC 1035, and RFC 7766 after a cut reply.

The question is as plain as one can be: one name, type A, recursion desired, and no EDNS. With
EDNS some old or filtering servers answer FORMERR or nothing, which would be a false alarm;
without it the only price is that what does not fit into 512 bytes comes truncated and is asked
again over TCP, as RFC 7766 section 5 has it.

The reading of DNS messages from anybody, :func:`read_message` and what stands beside it, also
serves mDNS and LLMNR, whose messages have the same format.
"""

from __future__ import annotations

import contextlib
import secrets
import select
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import msgspec

from cube_acceptance.evidence import (
    RAW_LIMIT,
    CannotMeasure,
    DnsObserved,
    Ignored,
    Trouble,
    Try,
    Vantage,
)
from cube_acceptance.probes.net.routing import udp
from cube_acceptance.probes.net.sockets import (
    CannotAskError,
    ReachError,
    Stopwatch,
    cannot_send,
    check_sent,
    confirm_answer,
    confirm_silence,
    measured,
    open_tcp,
    open_udp,
    port_of,
    shows,
    trouble,
    watching,
)

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

    from cube_acceptance.evidence import TroubleKind

PORT = 53
"""RFC 1035 section 4.2."""
TRIES = 3
WAIT_S = 2.0
"""How long each try waits for a reply over UDP."""
TCP_WAIT_S = 2.0
"""How long asking again over TCP may take, from the first packet to the last byte."""
REFUSED_PAUSE_S = 0.2
"""The pause after a try that an ICMP error ended, so that a server's restart can pass."""
LATER_PAUSE_S = 0.5
"""The pause after a code that may pass: often it is a resolver's own first time limit."""
FURTHER_LIMIT = 8
"""How many CNAME targets are asked for that the server named but did not follow."""
FURTHER_S = 10.0
"""Until when, after the start, such a further question may begin."""
CHAIN_LIMIT = 16
"""How many CNAMEs are followed."""
ADDRESS_LIMIT = 64
"""How many addresses are kept."""
IGNORED_LIMIT = 32
"""How many packets that do not count are kept."""
RECEIVE_LIMIT = 65535
"""How many bytes of one packet are read: all that UDP can carry."""
OVERTIME_LIMIT = 256
"""How many packets of one try are read that wait when its time is over: a computer that is too
busy to run this program makes no server look silent, and a flood does not keep it reading."""
AT_ONCE_S = 0.001
"""A socket's time limit for what is there already; zero would not be a limit but another mode."""
RETRIED = frozenset({"SERVFAIL", "REFUSED", "NOTIMP"})
"""Codes that may have passed with the next try; resolvers of computers ask on after them."""
INVALID_LABEL_BYTES = 12
"""How many random bytes make a name under ``.invalid`` one that nobody has asked for before."""

HEADER_SIZE = 12
"""RFC 1035 section 4.1.1."""
_COUNTS_BEHIND = slice(8, 12)  # RFC 1035 section 4.1.1: of authority and additional records
_LENGTH_SIZE = 2  # RFC 1035 section 4.2.2: what precedes a message over TCP
_NO_QUESTION_BACK = frozenset(
    {dns.rcode.FORMERR, dns.rcode.SERVFAIL, dns.rcode.NOTIMP, dns.rcode.REFUSED}
)
"""Codes that some servers send without repeating the question; none of them is an answer."""
_CLOSENESS: tuple[TroubleKind, ...] = ("malformed", "refused", "no-route", "no-answer")
"""What tells most about a server comes first, when its tries ended differently."""


class UnwantedError(Exception):
    """A packet is not the reply to our question; the text says why."""


class MalformedError(UnwantedError):
    """The bytes are no DNS message; the text says why."""


# Reading a message


def read_message(packet: bytes) -> dns.message.Message:
    """Read a DNS message from anybody, hostile or broken (RFC 1035 section 4).

    Of a truncated message whatever can be read is kept (RFC 2181 section 9).

    Raises:
        MalformedError: the bytes are no DNS message. Nothing else, whatever the bytes.
    """
    if len(packet) < HEADER_SIZE:
        raise MalformedError(f"malformed: {len(packet)} bytes are too short for a DNS message")
    cut = bool(int.from_bytes(packet[2:4], "big") & dns.flags.TC)
    try:
        message = dns.message.from_wire(
            packet, keyring=False, ignore_trailing=True, continue_on_error=cut
        )
    except Exception as error:  # whatever these bytes make the library raise
        raise MalformedError(f"malformed: {type(error).__name__}") from error
    if message.errors and not message.question:
        raise MalformedError("malformed: no question can be read")
    return message


def reply_to(query: dns.message.Message, reply: dns.message.Message) -> None:
    """Check that a message is a reply to a query: direction, operation and id.

    Raises:
        UnwantedError: it is not.
    """
    if not reply.flags & dns.flags.QR:
        raise UnwantedError("a query, not a reply")
    if reply.opcode() != dns.opcode.QUERY:
        raise UnwantedError("the reply to another operation")
    if reply.id != query.id:
        raise UnwantedError("another id")


def same_question(query: dns.message.Message, reply: dns.message.Message) -> bool:
    """Tell whether a reply repeats the query's one question; case does not matter."""
    return [_asked(entry) for entry in reply.question] == [_asked(query.question[0])]


def _asked(
    entry: dns.rrset.RRset,
) -> tuple[dns.name.Name, dns.rdatatype.RdataType, dns.rdataclass.RdataClass]:
    return entry.name, entry.rdtype, entry.rdclass


def text_of(name: dns.name.Name) -> str:
    """Write a name without the final dot; what is not printable is escaped (RFC 4343)."""
    return name.to_text(omit_final_dot=True)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server's reply says about addresses."""

    rcode: str
    truncated: bool = False
    aliases: dict[dns.name.Name, dns.name.Name] = field(default_factory=dict)
    """Owner to target of every CNAME in the answer section."""
    addresses: dict[dns.name.Name, list[str]] = field(default_factory=dict)
    """Owner to A records of the answer section, in the server's order."""


def read_answer(query: dns.message.Message, packet: bytes) -> Answer:
    """Read the reply to a query for A records, as far as to the end of its answer section.

    What stands behind that, authority and additional records, is no client's concern: a router
    that cuts a reply there, or fills in nonsense, spoils nobody's answer.

    Raises:
        MalformedError: the bytes are no DNS message.
        UnwantedError: they are, but not the reply to this query.
    """
    reply = read_message(up_to_the_answers(packet))
    reply_to(query, reply)
    if not same_question(query, reply) and (
        reply.question or reply.rcode() not in _NO_QUESTION_BACK
    ):
        raise UnwantedError("another question")
    answer = Answer(
        rcode=dns.rcode.to_text(reply.rcode()), truncated=bool(reply.flags & dns.flags.TC)
    )
    for records in reply.answer:
        if records.rdclass == dns.rdataclass.IN and records.rdtype == dns.rdatatype.CNAME:
            answer.aliases[records.name] = records[0].target
        elif records.rdclass == dns.rdataclass.IN and records.rdtype == dns.rdatatype.A:
            answer.addresses[records.name] = [record.address for record in records]
    return answer


def up_to_the_answers(packet: bytes) -> bytes:
    """Take from a message the word that anything stands behind its answers."""
    counted = bytearray(packet)
    counted[_COUNTS_BEHIND] = bytes(len(counted[_COUNTS_BEHIND]))
    return bytes(counted)


@dataclass(slots=True)
class _Chain:
    """The CNAMEs followed so far, from the name that was asked for first."""

    first: dns.name.Name
    targets: list[dns.name.Name] = field(default_factory=list)
    closed: bool = False
    """It runs in a circle or is too long: there is nothing more to ask for."""

    @property
    def end(self) -> dns.name.Name:
        """The name that has the addresses, as far as is known."""
        return self.targets[-1] if self.targets else self.first

    def follow(self, answer: Answer) -> bool:
        """Go on as far as an answer leads, in whatever order its records stand."""
        before = len(self.targets)
        while not self.closed and self.end not in answer.addresses and self.end in answer.aliases:
            target = answer.aliases[self.end]
            circle = target in {self.first, *self.targets}
            self.targets.append(target)
            self.closed = circle or len(self.targets) >= CHAIN_LIMIT
        return len(self.targets) > before


def exchange(sock: socket.socket, query: bytes, watch: Stopwatch, until_s: float) -> bytes:
    """Send one message over a TCP connection and read one (RFC 1035 section 4.2.2).

    Bytes that trickle in do not extend the time, which ends ``until_s`` after the start. What has
    come by then is read whenever this program gets to it.

    Raises:
        ReachError: no whole message came; phase ``tcp``.
    """
    try:
        sock.settimeout(max(watch.left(until_s), AT_ONCE_S))
        sock.sendall(len(query).to_bytes(_LENGTH_SIZE, "big") + query)
        length = int.from_bytes(_read_exactly(sock, _LENGTH_SIZE, watch, until_s), "big")
        return _read_exactly(sock, length, watch, until_s)
    except OSError as error:
        raise ReachError(trouble(sock, error, "tcp")) from error


def _read_exactly(sock: socket.socket, size: int, watch: Stopwatch, until_s: float) -> bytes:
    data = b""
    while len(data) < size:
        sock.settimeout(watch.left(until_s))
        try:
            piece = sock.recv(size - len(data))
        except BlockingIOError as error:  # with no time left, nothing is waited for
            raise TimeoutError from error
        if not piece:
            detail = "the connection was closed without a whole answer"
            raise ReachError(Trouble(kind="no-answer", phase="tcp", detail=detail))
        data += piece
    return data


def trouble_of(error: ReachError | UnwantedError) -> Trouble:
    """Say in the evidence's words why asking over TCP gave no usable answer."""
    if isinstance(error, ReachError):
        return error.trouble
    return Trouble(kind="malformed", phase="tcp", detail=str(error))


@contextlib.contextmanager
def usable(vantage: Vantage) -> Iterator[None]:
    """Say that the question cannot be asked when a socket cannot be opened at the vantage.

    Raises:
        CannotAskError: the interface or its address has gone since the run began.
    """
    try:
        yield
    except OSError as error:
        detail = f"{vantage.interface} cannot be used: {error.strerror}"
        raise CannotAskError("off-link", detail) from error


# The measurement


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsProbe:
    """Ask one server for the A records of one name.

    CNAMEs are followed inside the answer; where the server did not follow them itself, their
    target is asked for next, at the same server.
    """

    vantage: Vantage
    server: str
    name: str
    key_name: str = ""
    """What stands for the name in the key, where the name itself is different each time."""
    port: int = PORT
    tries: int = TRIES
    wait_s: float = WAIT_S
    tcp_wait_s: float = TCP_WAIT_S
    refused_pause_s: float = REFUSED_PAUSE_S
    later_pause_s: float = LATER_PAUSE_S
    further_s: float = FURTHER_S

    @classmethod
    def inventing(cls, vantage: Vantage, server: str, port: int = PORT) -> DnsProbe:
        """Ask for a random name that cannot exist (RFC 6761 section 6.4)."""
        name = f"{secrets.token_hex(INVALID_LABEL_BYTES)}.invalid"
        return cls(vantage=vantage, server=server, name=name, key_name="invalid", port=port)

    @property
    def key(self) -> str:
        """``dns/<server>/<name>``, or ``dns/<server>/invalid`` for the random name."""
        return f"dns/{self.server}/{self.key_name or self.name}"

    def run(self) -> DnsObserved | CannotMeasure:
        """Measure once; one question takes at most all its tries and one exchange over TCP."""
        return measured(self._measure, self.vantage)

    def _measure(self, watch: Stopwatch) -> DnsObserved:
        log = _Log(watch, f"{self.server}:{self.port}")
        inquiry = _Inquiry(self, log)
        chain = _Chain(dns.name.from_text(self.name))
        answer, failure = None, None
        for _ in range(1 + FURTHER_LIMIT):
            outcome = inquiry.ask(chain.end)
            if isinstance(outcome, Trouble):
                failure = outcome
                break
            answer = outcome
            led_on = chain.follow(answer)
            found = chain.end in answer.addresses or answer.rcode != "NOERROR"
            if found or not led_on or chain.closed or not watch.left(self.further_s):
                break
        addresses = answer.addresses.get(chain.end, []) if answer else []
        return DnsObserved(
            started=watch.started,
            duration_s=watch.elapsed(),
            tries=tuple(log.tries),
            ignored=tuple(log.ignored),
            server=self.server,
            name=self.name,
            rcode=answer.rcode if answer else None,
            addresses=tuple(addresses[:ADDRESS_LIMIT]),
            chain=tuple(text_of(target) for target in chain.targets),
            truncated=inquiry.truncated,
            tcp=inquiry.tcp,
            # With an answer to the name itself, a failing further question is told by its tries.
            trouble=None if answer else failure,
        )


@dataclass(slots=True)
class _Log:
    """Every try of one probe and every packet that did not count."""

    watch: Stopwatch
    place: str
    tries: list[Try] = field(default_factory=list)
    ignored: list[Ignored] = field(default_factory=list)

    def begin(self, sent: bytes, what: str) -> int:
        """Note a question that is about to be sent, and give the number of the try."""
        at_s = self.watch.elapsed()
        self.tries.append(Try(at_s=at_s, to=self.place, result="silence", sent=sent, detail=what))
        return len(self.tries) - 1

    def end(self, number: int, result: str, detail: str, received: bytes = b"") -> None:
        """Note what came of a try."""
        before = self.tries[number]
        self.tries[number] = msgspec.structs.replace(
            before,
            result=result,
            received=received[:RAW_LIMIT],
            source=self.place if received else "",
            detail=f"{before.detail}: {detail}",
        )

    def ignore(self, packet: bytes, reason: UnwantedError) -> None:
        """Note a packet that does not count."""
        if len(self.ignored) < IGNORED_LIMIT:
            at_s, raw = self.watch.elapsed(), packet[:RAW_LIMIT]
            self.ignored.append(Ignored(at_s=at_s, source=self.place, reason=str(reason), raw=raw))


class _Inquiry:
    """The questions of one probe to its server."""

    def __init__(self, probe: DnsProbe, log: _Log) -> None:
        self.truncated = False
        self.tcp: TroubleKind | Literal["not-needed", "answer"] = "not-needed"
        self._probe = probe
        self._log = log

    def ask(self, name: dns.name.Name) -> Answer | Trouble:
        """Ask for one name over UDP, and again over TCP where the reply was cut."""
        answer = self._ask_udp(name)
        if isinstance(answer, Trouble) or not answer.truncated:
            return answer
        self.truncated = True
        whole = self._ask_tcp(name)
        for _ in range(self._probe.tries - 1):
            if isinstance(whole, Trouble) or whole.rcode not in RETRIED:
                break
            time.sleep(self._probe.later_pause_s)
            whole = self._ask_tcp(name)
        if isinstance(whole, Trouble):
            self.tcp = whole.kind
            return answer
        self.tcp = "answer"
        return whole

    def _ask_udp(self, name: dns.name.Name) -> Answer | Trouble:
        probe = self._probe
        failures: list[Trouble] = []
        failed: Answer | None = None
        with usable(probe.vantage):
            opened = open_udp(probe.vantage, probe.server, probe.port)
        with (
            contextlib.closing(opened) as sock,
            watching(probe.vantage, probe.server, udp(probe.port), port_of(sock)) as witness,
        ):
            conversation = _Conversation(sock, self._log, name)
            pause_s = 0.0
            for _ in range(probe.tries):
                time.sleep(pause_s)
                outcome = conversation.ask(probe.wait_s)
                if isinstance(outcome, Trouble):
                    failures.append(outcome)
                    cheap = outcome.kind in {"refused", "no-route"}
                    pause_s = probe.refused_pause_s if cheap else 0.0
                elif outcome.rcode in RETRIED:
                    failed = outcome
                    pause_s = probe.later_pause_s
                else:
                    confirm_answer(witness)
                    return outcome
            if conversation.heard:
                confirm_answer(witness)
            elif all(failure.kind == "no-answer" for failure in failures):
                check_sent([failure.detail for failure in failures])
                confirm_silence(witness, lambda: shows(sock, select.POLLIN))
        if not conversation.sent:
            raise cannot_send(failures[-1].detail)
        return failed or min(failures, key=lambda failure: _CLOSENESS.index(failure.kind))

    def _ask_tcp(self, name: dns.name.Name) -> Answer | Trouble:
        probe, log = self._probe, self._log
        query = question(name)
        number = log.begin(query.to_wire(), f"tcp {text_of(name)}")
        until_s = log.tries[number].at_s + probe.tcp_wait_s
        packet = b""
        try:
            with usable(probe.vantage):
                opened = open_tcp(probe.vantage, probe.server, probe.port, probe.tcp_wait_s)
            with contextlib.closing(opened) as sock:
                packet = exchange(sock, query.to_wire(), log.watch, until_s)
            answer = read_answer(query, packet)
        except (ReachError, UnwantedError) as error:
            found = trouble_of(error)
            result = "silence" if found.kind == "no-answer" else found.kind
            log.end(number, result, found.detail, packet)
            return found
        log.end(number, "answer", answer.rcode, packet)
        return answer


class _Conversation:
    """One question over one connected UDP socket.

    Each try has an id of its own. A reply to an earlier try counts as well: a resolver that
    takes longer than one try waits is slow, and not silent.
    """

    def __init__(self, sock: socket.socket, log: _Log, name: dns.name.Name) -> None:
        self.sent = False
        """At least one try left this computer."""
        self.heard = False
        """Something came back, whatever it was."""
        self._sock = sock
        self._log = log
        self._name = name
        self._open: dict[int, tuple[int, dns.message.Message]] = {}
        """Number and query of the tries that are not answered, by id."""

    def ask(self, wait_s: float) -> Answer | Trouble:
        """Send the question once more and wait for the reply to any of its tries."""
        query = question(self._name)
        number = self._log.begin(query.to_wire(), f"udp {text_of(self._name)}")
        until_s = self._log.tries[number].at_s + wait_s
        self._open[query.id] = number, query
        found = self._send(query.to_wire())
        if found:
            self._log.end(number, "not-sent", found.detail)
            return found
        self.sent = True
        nonsense = b""
        overtime = 0
        while True:
            left_s = self._log.watch.left(until_s)
            overtime += not left_s
            packet = self._receive(left_s) if overtime <= OVERTIME_LIMIT else _SILENCE
            if isinstance(packet, Trouble):
                return self._give_up(number, packet, nonsense)
            self.heard = True
            try:
                return self._take(packet)
            except UnwantedError as error:
                self._log.ignore(packet, error)
                if isinstance(error, MalformedError):
                    nonsense = packet

    def _send(self, wire: bytes) -> Trouble | None:
        """Send, and once more where the first attempt only brought an earlier try's error."""
        found = None
        for _ in range(2):
            try:
                self._sock.send(wire)
            except OSError as error:
                found = trouble(self._sock, error, "udp")
            else:
                return None
        return found

    def _receive(self, limit_s: float) -> bytes | Trouble:
        self._sock.settimeout(max(limit_s, AT_ONCE_S))
        try:
            return self._sock.recv(RECEIVE_LIMIT)
        except OSError as error:
            return trouble(self._sock, error, "udp")

    def _take(self, packet: bytes) -> Answer:
        identifier = int.from_bytes(packet[:2], "big")
        if identifier not in self._open:
            read_message(packet)
            raise UnwantedError("another id")
        number, query = self._open[identifier]
        answer = read_answer(query, packet)
        del self._open[identifier]
        self._log.end(number, "answer", answer.rcode, packet)
        return answer

    def _give_up(self, number: int, found: Trouble, nonsense: bytes) -> Trouble:
        if found.kind == "no-answer" and nonsense:
            found = Trouble(kind="malformed", phase="udp", detail="what came is no DNS message")
        result = "silence" if found.kind == "no-answer" else found.kind
        self._log.end(number, result, found.detail, nonsense)
        return found


_SILENCE = Trouble(kind="no-answer", phase="udp", detail="nothing came back in time")


def question(name: dns.name.Name) -> dns.message.QueryMessage:
    """Write a question for A records with a random id, recursion desired and no EDNS."""
    query = dns.message.make_query(name, dns.rdatatype.A, use_edns=False)
    query.id = secrets.randbits(16)
    return query
