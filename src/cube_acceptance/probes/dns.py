"""Ask one DNS server for a name's IPv4 addresses: RFC 1035, and RFC 7766 after a cut reply.

The question is as plain as one can be: one name, type A, recursion desired, and no EDNS. With
EDNS some old or filtering servers answer FORMERR or nothing, which would be a false alarm;
without it the only price is that what does not fit into 512 bytes comes truncated and is asked
again over TCP, as RFC 7766 section 5 has it.
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
import dns.rcode
import dns.rdataclass
import dns.rdatatype

from cube_acceptance.evidence import CannotMeasure, DnsObserved, Trouble, Vantage
from cube_acceptance.network import PASSED_OVER
from cube_acceptance.probes.net.dns_message import (
    exchange,
    question,
    read_message,
    reply_to,
    same_question,
    text_of,
    trouble_of,
)
from cube_acceptance.probes.net.errors import ReachError, cannot_send, check_sent, trouble
from cube_acceptance.probes.net.log import Log
from cube_acceptance.probes.net.measuring import Stopwatch, measured
from cube_acceptance.probes.net.receive import (
    RECEIVE_LIMIT,
    Inbox,
    MalformedError,
    UnwantedError,
    receive,
)
from cube_acceptance.probes.net.routing import udp
from cube_acceptance.probes.net.sockets import (
    confirm_answer,
    confirm_silence,
    open_tcp,
    open_udp,
    port_of,
    shows,
    watching,
)

if TYPE_CHECKING:
    import socket

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
INVALID_LABEL_BYTES = 12
"""How many random bytes make a name under ``.invalid`` one that nobody has asked for before."""

_COUNTS_BEHIND = slice(8, 12)  # RFC 1035 section 4.1.1: of authority and additional records
_NO_QUESTION_BACK = frozenset(
    {dns.rcode.FORMERR, dns.rcode.SERVFAIL, dns.rcode.NOTIMP, dns.rcode.REFUSED}
)
"""Codes that some servers send without repeating the question; none of them is an answer."""
_CLOSENESS: tuple[TroubleKind, ...] = ("malformed", "refused", "no-route", "no-answer")
"""What tells most about a server comes first, when its tries ended differently."""


# Reading a message


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server's reply says about addresses."""

    rcode: str
    truncated: bool = False
    aliases: dict[dns.name.Name, dns.name.Name] = field(default_factory=dict)
    """Owner to target of every CNAME in the answer section."""
    addresses: dict[dns.name.Name, list[str]] = field(default_factory=dict)
    """Owner to A records of the answer section, in the server's order."""
    last: dns.name.Name | None = None
    """The name that the aliases lead to, read once from the first record to the last, as glibc
    and Android read them; None where no address of it follows."""


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
    aliases: dict[dns.name.Name, dns.name.Name] = {}
    addresses: dict[dns.name.Name, list[str]] = {}
    name, last = query.question[0].name, None
    for records in reply.answer:
        if records.rdclass == dns.rdataclass.IN and records.rdtype == dns.rdatatype.CNAME:
            aliases[records.name] = records[0].target
            name = records[0].target if records.name == name else name
        elif records.rdclass == dns.rdataclass.IN and records.rdtype == dns.rdatatype.A:
            addresses[records.name] = [record.address for record in records]
            last = name if records.name == name else last
    return Answer(
        rcode=dns.rcode.to_text(reply.rcode()),
        truncated=bool(reply.flags & dns.flags.TC),
        aliases=aliases,
        addresses=addresses,
        last=last,
    )


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
        log = Log(watch)
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
        aliased: Literal["plainly", "backwards", "in-part"] = "plainly"
        if answer and addresses and answer.last != chain.end:
            aliased = "backwards"
        if addresses and inquiry.names > 1:
            aliased = "in-part"
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
            aliased=aliased,
            truncated=inquiry.truncated,
            tcp=inquiry.tcp,
            # With an answer to the name itself, a failing further question is told by its tries.
            trouble=None if answer else failure,
        )


class _Inquiry:
    """The questions of one probe to its server."""

    def __init__(self, probe: DnsProbe, log: Log) -> None:
        self.names = 0
        """How many names the server has been asked for."""
        self.truncated = False
        self.tcp: TroubleKind | Literal["not-needed", "answer"] = "not-needed"
        self._probe = probe
        self._log = log
        self._peer = f"{probe.server}:{probe.port}"

    def ask(self, name: dns.name.Name) -> Answer | Trouble:
        """Ask for one name over UDP, and again over TCP where the reply was cut."""
        self.names += 1
        answer = self._ask_udp(name)
        if isinstance(answer, Trouble) or not answer.truncated:
            return answer
        self.truncated = True
        whole = self._ask_tcp(name)
        for again in range(self._probe.tries - 1):
            if isinstance(whole, Trouble):
                if again or whole.kind != "refused":  # one reset is no finding
                    break
            elif whole.rcode not in PASSED_OVER:
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
        with (
            contextlib.closing(open_udp(probe.vantage, probe.server, probe.port)) as sock,
            watching(probe.vantage, probe.server, udp(probe.port), port_of(sock)) as capture,
        ):
            conversation = _Conversation(sock, self._log, self._peer, name)
            pause_s = 0.0
            for _ in range(probe.tries):
                time.sleep(pause_s)
                outcome = conversation.ask(probe.wait_s)
                if isinstance(outcome, Trouble):
                    failures.append(outcome)
                    cheap = outcome.kind in {"refused", "no-route"}
                    pause_s = probe.refused_pause_s if cheap else 0.0
                elif outcome.rcode in PASSED_OVER:  # it may have passed with the next try
                    failed = outcome
                    pause_s = probe.later_pause_s
                else:
                    confirm_answer(capture)
                    return outcome
            if conversation.heard:
                confirm_answer(capture)
            elif all(failure.kind == "no-answer" for failure in failures):
                check_sent([failure.detail for failure in failures])
                confirm_silence(capture, lambda: shows(sock, select.POLLIN))
        if not conversation.sent:
            raise cannot_send(failures[-1].detail)
        return failed or min(failures, key=lambda failure: _CLOSENESS.index(failure.kind))

    def _ask_tcp(self, name: dns.name.Name) -> Answer | Trouble:
        probe, log = self._probe, self._log
        query = question(name, dns.rdatatype.A, recursion=True)
        number = log.begin(self._peer, query.to_wire(), f"tcp {text_of(name)}")
        until_s = log.tries[number].at_s + probe.tcp_wait_s
        packet = b""
        try:
            with contextlib.closing(
                open_tcp(probe.vantage, probe.server, probe.port, probe.tcp_wait_s)
            ) as sock:
                packet = exchange(sock, query.to_wire(), log.watch, until_s)
            answer = read_answer(query, packet)
        except (ReachError, UnwantedError) as error:
            found = trouble_of(error)
            result = "silence" if found.kind == "no-answer" else found.kind
            log.end(number, result, found.detail, packet, self._peer)
            return found
        log.end(number, "answer", answer.rcode, packet, self._peer)
        return answer


class _Conversation:
    """One question over one connected UDP socket.

    Each try has an id of its own. A reply to an earlier try counts as well: a resolver that
    takes longer than one try waits is slow, and not silent.
    """

    def __init__(self, sock: socket.socket, log: Log, peer: str, name: dns.name.Name) -> None:
        self.sent = False
        """At least one try left this computer."""
        self.heard = False
        """Something came back, whatever it was."""
        self._sock = sock
        self._log = log
        self._peer = peer
        self._name = name
        self._inbox = Inbox(log.watch, lambda limit_s: receive(sock, limit_s, self._read))
        self._open: dict[int, tuple[int, dns.message.Message]] = {}
        """Number and query of the tries that are not answered, by id."""

    def ask(self, wait_s: float) -> Answer | Trouble:
        """Send the question once more and wait for the reply to any of its tries."""
        query = question(self._name, dns.rdatatype.A, recursion=True)
        number = self._log.begin(self._peer, query.to_wire(), f"udp {text_of(self._name)}")
        until_s = self._log.tries[number].at_s + wait_s
        self._open[query.id] = number, query
        found = self._send(query.to_wire())
        if found:
            self._log.end(number, "not-sent", found.detail)
            return found
        self.sent = True
        nonsense = b""
        found = _SILENCE
        try:
            for packet in self._inbox.until(until_s):
                self.heard = True
                try:
                    return self._take(packet)
                except UnwantedError as error:
                    self._log.ignore(self._peer, error, packet)
                    if isinstance(error, MalformedError):
                        nonsense = packet
        except OSError as error:
            found = trouble(self._sock, error, "udp")
        return self._give_up(number, found, nonsense)

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

    def _read(self) -> bytes:
        return self._sock.recv(RECEIVE_LIMIT)

    def _take(self, packet: bytes) -> Answer:
        identifier = int.from_bytes(packet[:2], "big")
        if identifier not in self._open:
            read_message(packet)
            raise UnwantedError("another id")
        number, query = self._open[identifier]
        answer = read_answer(query, packet)
        del self._open[identifier]
        self._log.end(number, "answer", answer.rcode, packet, self._peer)
        return answer

    def _give_up(self, number: int, found: Trouble, nonsense: bytes) -> Trouble:
        if found.kind == "no-answer" and nonsense:
            found = Trouble(kind="malformed", phase="udp", detail="what came is no DNS message")
        result = "silence" if found.kind == "no-answer" else found.kind
        self._log.end(number, result, found.detail, nonsense, self._peer)
        return found


_SILENCE = Trouble(kind="no-answer", phase="udp", detail="nothing came back in time")
