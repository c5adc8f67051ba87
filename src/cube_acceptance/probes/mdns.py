"""Ask the link for the CUBE's name and services: RFC 6762, and RFC 6763 section 9 for the list.

The questions go to the group from an ephemeral port, as RFC 6762 section 5.1 has it for one
question that is asked once. Whoever answers must then do so by unicast, repeating our id
(section 6.7), so nothing has to be joined, port 5353 stays with this computer's own responder,
and a reply can be told from somebody else's. No packet to the group is ever forwarded: only who
is on the link can know the id, which is what section 11 wants to be sure of.

How a question is put to a group and what comes back is kept, :func:`collect` and what it works
with, is the same for LLMNR.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeVar

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import msgspec

from cube_acceptance.evidence import (
    RAW_LIMIT,
    CannotMeasure,
    Ignored,
    MdnsObserved,
    NameReply,
    Trouble,
    Try,
    Vantage,
)
from cube_acceptance.probes.net.dns_message import (
    NAME_LIMIT,
    names_in,
    question,
    read_message,
    reply_to,
    text_of,
)
from cube_acceptance.probes.net.errors import CannotAskError, cannot_send, trouble
from cube_acceptance.probes.net.measuring import Stopwatch, measured
from cube_acceptance.probes.net.receive import MalformedError, UnwantedError
from cube_acceptance.probes.net.routing import udp
from cube_acceptance.probes.net.sockets import (
    bind_interface,
    confirm_interface,
    port_of,
    usable,
    watching,
)
from cube_acceptance.probes.net.vantage import on_link, source_for

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

EntryT = TypeVar("EntryT", Try, Ignored, NameReply)

GROUP = "224.0.0.251"
"""RFC 6762 section 3."""
PORT = 5353
"""RFC 6762 section 3."""
TRIES = 3
WINDOW_S = 3.0
"""How long replies are collected, from the first question on; each try has its share of it."""
HOPS = 255
"""The TTL of what is sent (RFC 6762 section 11, RFC 4795 section 2.5)."""

OWN_LIMIT = 16
"""How many different replies of the CUBE are kept."""
CLAIM_LIMIT = 32
"""How many different replies are kept in which others claim the name."""
OTHER_LIMIT = 16
"""How many of all other replies are kept: every device of a plant answers for the service list."""
IGNORED_LIMIT = 32
"""How many packets that do not count are kept."""
OVERTIME_LIMIT = 4096
"""How many packets are read that wait when the window closes; a computer that is too busy to run
this program must not make a CUBE look silent, and a flood must not keep it reading."""
RECEIVE_LIMIT = 65535
"""How many bytes of one packet are read: all that UDP can carry."""

SERVICES = dns.name.from_text("_services._dns-sd._udp.local")
"""RFC 6763 section 9."""
LOCAL = dns.name.from_text("local")
LISTING_ROOM = 4 * 1024 * 1024
"""Bytes of replies that may wait to be read when everybody answers; the system may allow less."""
_PAUSE_S = 0.05
"""How long to wait after a failed reception, which may fail again at once."""
_BLINK_S = 0.001
"""The shortest wait for a packet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """How questions about one host are put to a multicast group."""

    group: str
    port: int
    tries: int
    window_s: float
    host: str
    """The address of the host that is meant."""
    claim: str = ""
    """The name that only this host may answer for, as it stands in :class:`NameReply`."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A packet, who sent it, and when it came."""

    packet: bytes
    address: str
    port: int
    at_s: float

    @property
    def source(self) -> str:
        """The sender as ``address:port``."""
        return f"{self.address}:{self.port}"


class Reader(Protocol):
    """What reads a reply by the rules of one protocol."""

    def __call__(
        self, query: dns.message.Message, reply: dns.message.Message, arrival: Arrival
    ) -> NameReply:
        """Give what the reply says; an UnwantedError says why it does not count."""
        ...


def open_group(vantage: Vantage, host: str) -> socket.socket:
    """Open a UDP socket that sends to link-local groups from the vantage.

    It has an ephemeral port, belongs to no group and needs no route to the group.

    Raises:
        CannotAskError: the host is not on the vantage's link, is reached by another interface,
            or the interface cannot be used.
    """
    if not on_link(vantage, host):
        detail = f"{host} is not in a network of {vantage.interface}"
        raise CannotAskError("off-link", detail, f"ip route get {host}")
    source = source_for(vantage, host)
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        with usable(vantage):
            bind_interface(sock, vantage)
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(source))
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, HOPS)
            sock.bind((source, 0))
    except BaseException:
        sock.close()
        raise
    return sock


def services_in(message: dns.message.Message) -> tuple[str, ...]:
    """Give the service types of the DNS-SD listing, ``_http._tcp`` (RFC 6763 section 9)."""
    found: dict[str, None] = {}
    for records in message.answer:
        if records.rdtype == dns.rdatatype.PTR and records.name == SERVICES:
            for record in records:
                found[text_of(record.target.relativize(LOCAL))] = None
    return tuple(found)[:NAME_LIMIT]


def gives_no_address(query: dns.message.Message, reply: dns.message.Message, *, own: bool) -> bool:
    """Tell whether a reply is about the name whose address was asked for, and gives none.

    Its owner says so by an NSEC record or by records of other types (RFC 6762 section 6.1), or
    as in unicast DNS by no record at all. A cut reply may have held an address. Records of other
    names only come from responders that answer whatever they are asked, and so does no record
    from who is not the name's ``own`` host: without an answer nobody may reply (section 6).
    """
    asked = query.question[0]
    records = [*reply.answer, *reply.authority, *reply.additional]
    about = any(entry.name == asked.name for entry in records) or (own and not records)
    if asked.rdtype != dns.rdatatype.A or reply.flags & dns.flags.TC or not about:
        return False
    return text_of(asked.name).lower() not in dict(names_in(reply))


def read_mdns(
    query: dns.message.Message, reply: dns.message.Message, arrival: Arrival, host: str = ""
) -> NameReply:
    """Read an mDNS reply (RFC 6762 section 18); ``host`` is the address of the name's owner.

    Raises:
        UnwantedError: its code is not zero, and it must be ignored (section 18.11).
    """
    if reply.rcode() != dns.rcode.NOERROR:
        raise UnwantedError(f"code {dns.rcode.to_text(reply.rcode())}")
    return NameReply(
        source=arrival.address,
        source_port=arrival.port,
        at_s=arrival.at_s,
        names=names_in(reply),
        services=services_in(reply),
        addressless=gives_no_address(query, reply, own=arrival.address == host),
        truncated=bool(reply.flags & dns.flags.TC),
        raw=arrival.packet[:RAW_LIMIT],
    )


@dataclass(slots=True)
class Collected:
    """What was asked and what came back so far."""

    asking: Asking
    read: Reader
    tries: list[Try] = field(default_factory=list)
    ignored: list[Ignored] = field(default_factory=list)
    replies: list[NameReply] = field(default_factory=list)
    nonsense: bytes = b""
    """What the host sent that is no DNS message."""
    sent: dict[int, tuple[int, dns.message.Message]] = field(default_factory=dict)
    """Number of the try and query, by id."""
    answered: set[dns.name.Name] = field(default_factory=set)
    """The questions that the host itself has answered."""
    heard: set[tuple[int, str]] = field(default_factory=set)
    """Which try has brought a reply, and from whom."""

    def begin(self, query: dns.message.Message, packet: bytes, at_s: float) -> None:
        """Note a question that is about to be sent, and the bytes that it is sent as."""
        to = f"{self.asking.group}:{self.asking.port}"
        self.sent[query.id] = len(self.tries), query
        self.tries.append(Try(at_s=at_s, to=to, result="silence", sent=packet))

    def not_sent(self, query: dns.message.Message, detail: str) -> None:
        """Note that a question did not leave this computer."""
        number, _ = self.sent[query.id]
        self.tries[number] = msgspec.structs.replace(
            self.tries[number], result="not-sent", detail=detail
        )

    def take(self, arrival: Arrival) -> None:
        """Read one packet and keep what it says, or why it does not count."""
        try:
            number, query, reply = self._read(arrival)
            if arrival.address == self.asking.host:
                self._answered(number, query, reply)
            self._keep(number, reply)
        except UnwantedError as reason:
            if isinstance(reason, MalformedError) and arrival.address == self.asking.host:
                self.nonsense = arrival.packet[:RAW_LIMIT]
            if len(self.ignored) < IGNORED_LIMIT:
                raw = arrival.packet[:RAW_LIMIT]
                self.ignored.append(
                    Ignored(at_s=arrival.at_s, source=arrival.source, reason=str(reason), raw=raw)
                )

    def _read(self, arrival: Arrival) -> tuple[int, dns.message.Message, NameReply]:
        if arrival.port != self.asking.port:
            raise UnwantedError(f"not from port {self.asking.port}")
        message = read_message(arrival.packet)
        if message.id not in self.sent:
            raise UnwantedError("another id")
        number, query = self.sent[message.id]
        reply_to(query, message)
        return number, query, self.read(query, message, arrival)

    def _answered(self, number: int, query: dns.message.Message, reply: NameReply) -> None:
        source = f"{reply.source}:{reply.source_port}"
        self.tries[number] = msgspec.structs.replace(
            self.tries[number], result="answer", received=reply.raw, source=source
        )
        if not reply.tentative:
            self.answered.add(query.question[0].name)

    def _keep(self, number: int, reply: NameReply) -> None:
        again = (number, reply.source) in self.heard
        self.heard.add((number, reply.source))
        if any(_what_it_says(reply) == _what_it_says(kept) for kept in self.replies):
            if again:
                raise UnwantedError("the same reply again")
            return
        limits = (OWN_LIMIT, CLAIM_LIMIT, OTHER_LIMIT)
        rank = self._rank(reply)
        if sum(self._rank(kept) == rank for kept in self.replies) >= limits[rank]:
            raise UnwantedError(f"more than {limits[rank]} such replies")
        self.replies.append(reply)

    def join(self, other: Collected, later_s: float) -> None:
        """Add what was asked and came back elsewhere, on a watch started ``later_s`` later."""

        def moved(entry: EntryT) -> EntryT:
            return msgspec.structs.replace(entry, at_s=round(entry.at_s + later_s, 6))

        self.tries += map(moved, other.tries)
        self.ignored += map(moved, other.ignored)
        self.replies += map(moved, other.replies)
        self.nonsense = self.nonsense or other.nonsense

    def _rank(self, reply: NameReply) -> int:
        """Tell the host's own replies (0) from claims of its name (1) and all others (2)."""
        if reply.source == self.asking.host:
            return 0
        claim = reply.addressless or any(owner == self.asking.claim for owner, _ in reply.names)
        return 1 if claim else 2


def _what_it_says(reply: NameReply) -> NameReply:
    return msgspec.structs.replace(reply, at_s=0.0, raw=b"")


def collect(
    sock: socket.socket,
    watch: Stopwatch,
    asking: Asking,
    questions: Iterable[tuple[dns.name.Name, dns.rdatatype.RdataType]],
    read: Reader,
) -> Collected:
    """Ask a group and collect replies, from whomever, until the window closes.

    What the host has not answered yet is asked again, and so is the name that only the host may
    answer for: whoever else has it may have missed the question. Without such a name, the host's
    last answer is the end. Each try has its share of the window from the moment on at which it
    was sent, however long this program was kept from running before.

    Raises:
        CannotAskError: not one question could be sent.
    """
    found = Collected(asking, read)
    asked = tuple(questions)
    rounds, due_s = 0, 0.0
    while asking.claim or len(found.answered) < len(asked):
        if not watch.left(due_s):
            if rounds == asking.tries:
                break
            # A host that answers only so much at a time gets what it still owes first.
            for name, kind in sorted(asked, key=lambda one: one[0] in found.answered):
                if kind == dns.rdatatype.A or name not in found.answered:
                    _send(sock, watch, [found], question(name, kind))
            rounds += 1
            due_s = watch.elapsed() + asking.window_s / asking.tries
        arrival = _receive(sock, watch, due_s)
        if arrival:
            found.take(arrival)
    for late in _waiting(sock, watch):
        found.take(late)
    _check_asked(found.tries)
    return found


def _send(
    sock: socket.socket, watch: Stopwatch, asked: Sequence[Collected], query: dns.message.Message
) -> None:
    """Put a question once to the group of all those whose replies are collected."""
    packet = query.to_wire()
    at_s = watch.elapsed()
    for found in asked:
        found.begin(query, packet, at_s)
    try:
        sock.sendto(packet, (asked[0].asking.group, asked[0].asking.port))
    except OSError as error:
        detail = trouble(sock, error, "udp").detail
        for found in asked:
            found.not_sent(query, detail)


def _check_asked(tries: Sequence[Try]) -> None:
    """Refuse to call it silence where nothing was asked.

    Raises:
        CannotAskError: not one question could be sent.
    """
    if all(attempt.result == "not-sent" for attempt in tries):
        raise cannot_send(tries[-1].detail)


def _receive(sock: socket.socket, watch: Stopwatch, until_s: float) -> Arrival | None:
    # A limit of zero would make the socket non-blocking.
    left_s = max(watch.left(until_s), _BLINK_S)
    sock.settimeout(left_s)
    try:
        packet, (address, port) = sock.recvfrom(RECEIVE_LIMIT)
    except TimeoutError:
        return None
    except OSError:
        time.sleep(min(left_s, _PAUSE_S))
        return None
    return Arrival(packet, address, port, watch.elapsed())


def _waiting(sock: socket.socket, watch: Stopwatch) -> Iterator[Arrival]:
    """Give what came while this program could not run."""
    for _ in range(OVERTIME_LIMIT):
        arrival = _receive(sock, watch, 0.0)
        if arrival is None:
            return
        yield arrival


class Listing:
    """The question for the services of a link, put once for all CUBEs of a run.

    Every responder of the link answers it. Asked for each CUBE anew it would bring the square of
    their number in replies, a storm on the network of which no socket can hold its own share.
    Whoever comes first asks, within the probe's own limits; the others wait for that.
    """

    def __init__(self, hosts: Iterable[str]) -> None:
        """Know whose replies will be wanted."""
        self.hosts = tuple(hosts)
        self._guard = threading.Lock()
        self._asked: tuple[Stopwatch, dict[str, Collected]] | CannotAskError | None = None

    def of(self, probe: MdnsProbe) -> tuple[Stopwatch, Collected]:
        """Give what the probe's CUBE replied, and the watch that its times are counted by.

        Raises:
            CannotAskError: the question could not be put.
        """
        with self._guard:
            if self._asked is None:
                try:
                    self._asked = self._ask(probe)
                except CannotAskError as obstacle:
                    self._asked = obstacle
        if isinstance(self._asked, CannotAskError):
            raise self._asked
        watch, found = self._asked
        return watch, found[probe.address]

    def _ask(self, probe: MdnsProbe) -> tuple[Stopwatch, dict[str, Collected]]:
        watch = Stopwatch()
        found = {host: Collected(probe.asking(host), read_mdns) for host in self.hosts}
        waiting = dict.fromkeys(self.hosts)
        rounds, due_s = 0, 0.0
        with contextlib.closing(open_group(probe.vantage, probe.address)) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, LISTING_ROOM)
            while waiting:
                if not watch.left(due_s):
                    if rounds == probe.tries:
                        break
                    query = question(SERVICES, dns.rdatatype.PTR)
                    _send(sock, watch, [found[host] for host in waiting], query)
                    rounds += 1
                    due_s = watch.elapsed() + probe.window_s / probe.tries
                arrival = _receive(sock, watch, due_s)
                if arrival:
                    _hear(arrival, found, waiting)
            for late in _waiting(sock, watch):
                _hear(late, found, waiting)
        _check_asked(found[probe.address].tries)
        return watch, found


def _hear(arrival: Arrival, found: dict[str, Collected], waiting: dict[str, None]) -> None:
    """Give a packet to the host that sent it, and no longer wait for one that has answered."""
    if arrival.address in waiting:
        found[arrival.address].take(arrival)
        if found[arrival.address].answered:
            del waiting[arrival.address]


def host_trouble(found: Collected) -> Trouble | None:
    """Say why the host itself gave no firm reply; None where it gave one."""
    host = found.asking.host
    own = [reply for reply in found.replies if reply.source == host]
    if any(not reply.tentative for reply in own):
        return None
    if found.nonsense:
        return Trouble(kind="malformed", phase="udp", detail=f"what {host} sent is no DNS message")
    others = len({reply.source for reply in found.replies} - {host})
    what = "only tentative replies" if own else "nothing"
    detail = f"{what} came from {host} in time; {others} other hosts answered"
    return Trouble(kind="no-answer", phase="udp", detail=detail)


@dataclass(frozen=True, slots=True, kw_only=True)
class MdnsProbe:
    """Ask for the CUBE's name, where it is known, and for the list of service types."""

    vantage: Vantage
    cube: str
    address: str
    hostname: str = ""
    group: str = GROUP
    port: int = PORT
    tries: int = TRIES
    window_s: float = WINDOW_S
    listing: Listing | None = field(default=None, repr=False)
    """What asks for the services of several CUBEs at once; None where this is the only one."""

    @property
    def key(self) -> str:
        """``mdns/`` and the CUBE's name in the site file."""
        return f"mdns/{self.cube}"

    @property
    def claim(self) -> str:
        """The name that only the CUBE may answer for; empty where it is not known."""
        return f"{self.hostname.lower()}.local" if self.hostname else ""

    def asking(self, host: str) -> Asking:
        """Say how questions about a host are put."""
        return Asking(
            group=self.group,
            port=self.port,
            tries=self.tries,
            window_s=self.window_s,
            host=host,
            claim=self.claim if host == self.address else "",
        )

    def run(self) -> MdnsObserved | CannotMeasure:
        """Measure once; ends when the window closes at the latest."""
        return measured(self._measure, self.vantage)

    def _measure(self, watch: Stopwatch) -> MdnsObserved:
        questions = [] if self.listing else [(SERVICES, dns.rdatatype.PTR)]
        if self.claim:
            questions.insert(0, (dns.name.from_text(self.claim), dns.rdatatype.A))
        read = partial(read_mdns, host=self.address)
        found = Collected(self.asking(self.address), read)
        # Whoever comes first asks for the list, and may be on the link where this one is not.
        with (
            contextlib.closing(open_group(self.vantage, self.address)) as sock,
            watching(self.vantage, self.address, udp(self.port), port_of(sock)) as witness,
        ):
            if questions:
                found = collect(sock, watch, found.asking, questions, read)
                if host_trouble(found):
                    confirm_interface(witness)
        if self.listing:
            other, listed = self.listing.of(self)
            found.join(listed, watch.until(other))
        return MdnsObserved(
            started=watch.started,
            duration_s=watch.elapsed(),
            tries=tuple(found.tries),
            ignored=tuple(found.ignored),
            hostname=self.hostname,
            replies=tuple(found.replies),
            trouble=host_trouble(found),
        )
