"""Ask everybody on a link for one host, and keep what comes: mDNS (RFC 6762) and LLMNR (RFC 4795).

The questions go to the group from an ephemeral port, so nothing has to be joined, and the port of
the protocol stays with this computer's own responder. Whoever answers does so by unicast. Anybody
may: the host that is meant, others that claim its name, and all the rest.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeVar

import dns.message
import dns.name
import dns.rdatatype
import msgspec

from cube_acceptance.evidence import (
    RAW_LIMIT,
    Ignored,
    NameReply,
    Trouble,
    Try,
)
from cube_acceptance.probes.net.dns_message import ID_SIZE, Repeated, read_message, reply_to
from cube_acceptance.probes.net.errors import trouble
from cube_acceptance.probes.net.group_socket import OVERTIME_LIMIT
from cube_acceptance.probes.net.log import Log
from cube_acceptance.probes.net.receive import (
    Inbox,
    MalformedError,
    UnwantedError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from cube_acceptance.probes.net.group_socket import Arrival, GroupWire
    from cube_acceptance.probes.net.together import Steps

EntryT = TypeVar("EntryT", Try, Ignored, NameReply)

OWN_LIMIT = 16
"""How many different replies of the host that is meant are kept."""
CLAIM_LIMIT = 32
"""How many different replies are kept in which others claim the name."""
OTHER_LIMIT = 16
"""How many of all other replies are kept: every device of a plant answers for the service list."""


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


class Reader(Protocol):
    """What reads a reply by the rules of one protocol."""

    def __call__(
        self, query: dns.message.Message, reply: dns.message.Message, arrival: Arrival
    ) -> NameReply:
        """Return what the reply says; an UnwantedError says why it does not count."""
        ...


@dataclass(slots=True)
class Collected:
    """What was asked and what came back so far."""

    asking: Asking
    read: Reader
    log: Log
    replies: list[NameReply] = field(default_factory=list)
    nonsense: bytes = b""
    """What the host sent that is no DNS message."""
    sent: dict[int, tuple[int, dns.message.Message]] = field(default_factory=dict)
    """Number of the try and query, by id."""
    answered: set[dns.name.Name] = field(default_factory=set)
    """The questions that the host itself has answered."""
    heard: set[tuple[int, str]] = field(default_factory=set)
    """Which try has brought a reply, and from whom."""
    known: dict[tuple[str, bytes], tuple[object, NameReply]] = field(default_factory=dict)
    """What was asked and what the reply says, by its sender and its bytes behind the id: who is
    asked again mostly says the same again."""

    def begin(self, query: dns.message.Message, packet: bytes) -> None:
        """Note a question that is about to be sent, and the bytes that it is sent as."""
        to = f"{self.asking.group}:{self.asking.port}"
        self.sent[query.id] = self.log.begin(to, packet), query

    def not_sent(self, query: dns.message.Message, detail: str) -> None:
        """Note that a question did not leave this computer."""
        number, _ = self.sent[query.id]
        self.log.end(number, "not-sent", detail)

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
            self.log.ignore(arrival.source, reason, arrival.packet)

    def _read(self, arrival: Arrival) -> tuple[int, dns.message.Message, NameReply]:
        if arrival.port != self.asking.port:
            raise UnwantedError(f"not from port {self.asking.port}")
        same = arrival.address, arrival.packet[ID_SIZE:]
        if same in self.known:
            number, query = self._sent(int.from_bytes(arrival.packet[:ID_SIZE], "big"))
            asked, known = self.known[same]
            if query.question is asked:
                raw = arrival.packet[:RAW_LIMIT]
                return number, query, msgspec.structs.replace(known, at_s=arrival.at_s, raw=raw)
        message = read_message(arrival.packet)
        number, query = self._sent(message.id)
        reply_to(query, message)
        reply = self.read(query, message, arrival)
        if len(self.known) < OWN_LIMIT:
            self.known[same] = query.question, reply
        return number, query, reply

    def _sent(self, number: int) -> tuple[int, dns.message.Message]:
        if number not in self.sent:
            raise UnwantedError("another id")
        return self.sent[number]

    def _answered(self, number: int, query: dns.message.Message, reply: NameReply) -> None:
        source = f"{reply.source}:{reply.source_port}"
        self.log.end(number, "answer", received=reply.raw, source=source)
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

        self.log.tries += map(moved, other.log.tries)
        self.log.ignored += map(moved, other.log.ignored)
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


def ask_group(
    wire: GroupWire,
    found: Sequence[Collected],
    ask: Callable[[], None],
    take: Callable[[Arrival], None],
    wanted: Callable[[], bool],
) -> Steps[None]:
    """Ask a group while anything is wanted, and take what comes, until the window closes.

    Each try has its share of the window from the moment on at which it was sent, however long this
    program was kept from running before.
    """
    asking, watch = found[0].asking, found[0].log.watch
    inbox = Inbox(watch, wire.receive, OVERTIME_LIMIT)
    for _ in range(asking.tries):
        if not wanted():
            break
        ask()
        end_s = watch.elapsed() + asking.window_s / asking.tries
        while wanted() and not inbox.over(end_s):
            yield wire, watch.left(end_s)
            if arrival := inbox.receive(end_s):
                take(arrival)
    for late in inbox.until(watch.elapsed()):
        take(late)


def collect(
    wire: GroupWire,
    asking: Asking,
    questions: Iterable[tuple[dns.name.Name, dns.rdatatype.RdataType]],
    read: Reader,
) -> Steps[Collected]:
    """Ask a group and collect replies, from whomever.

    What the host has not answered yet is asked again, and so is the name that only the host may
    answer for: whoever else has it may have missed the question. Without such a name, the host's
    last answer is the end.

    Raises:
        CannotAskError: not one question could be sent.
    """
    found = Collected(asking, read, Log(wire.watch))
    asked = {each: Repeated(*each) for each in questions}

    def ask() -> None:
        # A host that answers only so much at a time gets what it still owes first.
        for name, kind in sorted(asked, key=lambda one: one[0] in found.answered):
            if kind == dns.rdatatype.A or name not in found.answered:
                send(wire, [found], asked[name, kind])

    def wanted() -> bool:
        return bool(asking.claim) or len(found.answered) < len(asked)

    yield from ask_group(wire, [found], ask, found.take, wanted)
    found.log.check_sent()
    return found


def send(wire: GroupWire, asked: Sequence[Collected], question: Repeated) -> None:
    """Put a question once to the group of all those whose replies are collected."""
    query, packet = question.again(wire.shared.by_id)
    for found in asked:
        found.begin(query, packet)
    try:
        wire.send(query.id, packet, (asked[0].asking.group, asked[0].asking.port))
    except OSError as error:
        detail = trouble(wire.shared.sock, error, "udp").detail
        for found in asked:
            found.not_sent(query, detail)


def host_trouble(found: Collected) -> Trouble | None:
    """Return why the host itself gave no firm reply; None where it gave one."""
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
