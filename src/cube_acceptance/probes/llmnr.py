"""Ask the link for the CUBE's name: RFC 4795, and its section 2.4 over TCP after a cut reply.

A query must go to the group; a UDP query straight to the CUBE is one that it must not answer
(section 2.4). There is no way to list names, so without a host name nothing can be asked. The
query has no EDNS, which breaks some responders.
"""

from __future__ import annotations

import contextlib
import socket
from dataclasses import dataclass, field

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import msgspec

from cube_acceptance.evidence import (
    RAW_LIMIT,
    CannotMeasure,
    LlmnrObserved,
    NameReply,
    Trouble,
    Vantage,
)
from cube_acceptance.probes.net.dns_message import (
    exchange,
    names_in,
    question,
    read_message,
    reply_to,
    same_question,
    trouble_of,
)
from cube_acceptance.probes.net.errors import CannotAskError, ReachError, trouble
from cube_acceptance.probes.net.group_socket import Arrival, GroupSockets, GroupWire, open_group
from cube_acceptance.probes.net.measuring import Stopwatch, measured_in_steps
from cube_acceptance.probes.net.multicast import Asking, Collected, collect, host_trouble
from cube_acceptance.probes.net.receive import UnwantedError
from cube_acceptance.probes.net.routing import tcp, udp
from cube_acceptance.probes.net.sockets import (
    bind_interface,
    confirm_interface,
    opening,
    usable,
    watching,
)
from cube_acceptance.probes.net.together import Steps, alone, aside
from cube_acceptance.probes.net.vantage import source_for

GROUP = "224.0.0.252"
"""RFC 4795 section 2."""
PORT = 5355
"""RFC 4795 section 2, UDP and TCP."""
TRIES = 3
"""RFC 4795 section 2.7 allows no more."""
WINDOW_S = 3.0
"""How long replies are collected, from the first query on; each try has its share of it."""
TCP_WAIT_S = 2.0
"""How long asking again over TCP may take, from the first packet to the last byte."""
TCP_HOPS = 1
"""The TTL of what is sent over TCP: it must not leave the link (RFC 4795 section 2.5)."""

CONFLICT = 0x0400
"""The C bit of a response (RFC 4795 section 2.1.1), where DNS has AA."""
TENTATIVE = 0x0100
"""The T bit (RFC 4795 section 2.1.1), where DNS has RD."""


def read_llmnr(
    query: dns.message.Message, reply: dns.message.Message, arrival: Arrival
) -> NameReply:
    """Read an LLMNR response (RFC 4795 section 2.1.1).

    Raises:
        UnwantedError: the sender of the query must discard it: the question is not ours or the
            code not zero. A tentative response is for the caller to tell by its mark.
    """
    if not same_question(query, reply):
        raise UnwantedError("another question")
    if reply.rcode() != dns.rcode.NOERROR:
        raise UnwantedError(f"code {dns.rcode.to_text(reply.rcode())}")
    return NameReply(
        source=arrival.address,
        source_port=arrival.port,
        at_s=arrival.at_s,
        names=names_in(reply),
        conflict=bool(reply.flags & CONFLICT),
        tentative=bool(reply.flags & TENTATIVE),
        truncated=bool(reply.flags & dns.flags.TC),
        raw=arrival.packet[:RAW_LIMIT],
    )


def connect(vantage: Vantage, address: str, port: int, limit_s: float) -> socket.socket:
    """Connect to a host of the link with packets that cannot leave it (RFC 4795 section 2.5).

    Raises:
        CannotAskError: the route to the host does not leave by the vantage, or the vantage cannot
            be used any more.
        ReachError: the connection did not come about; phase ``tcp``.
    """
    source = source_for(vantage, address, tcp(port))
    with opening(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as sock:
        with usable(vantage):
            bind_interface(sock, vantage)
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, TCP_HOPS)
            sock.bind((source, 0))
        sock.settimeout(max(limit_s, 0.001))
        try:
            sock.connect((address, port))
        except OSError as error:
            raise ReachError(trouble(sock, error, "tcp")) from error
    return sock


@dataclass(frozen=True, slots=True, kw_only=True)
class LlmnrProbe:
    """Ask for the A records of the CUBE's host name."""

    vantage: Vantage
    cube: str
    address: str
    hostname: str
    group: str = GROUP
    port: int = PORT
    tries: int = TRIES
    window_s: float = WINDOW_S
    tcp_wait_s: float = TCP_WAIT_S
    sockets: GroupSockets | None = field(default=None, repr=False)
    """What it shares with the probes of other CUBEs, in place of a socket of its own."""

    @property
    def key(self) -> str:
        """``llmnr/`` and the CUBE's name in the site file."""
        return f"llmnr/{self.cube}"

    def run(self) -> LlmnrObserved | CannotMeasure:
        """Measure once; ends when the window closes, or one exchange over TCP later."""
        return alone(self.steps())

    def steps(self) -> Steps[LlmnrObserved | CannotMeasure]:
        """Do the same in steps, beside others."""
        return measured_in_steps(self._measure, self.vantage)

    def _open(self, watch: Stopwatch) -> GroupWire:
        if self.sockets:
            return self.sockets.open(self.vantage, self.address, watch)
        return open_group(self.vantage, self.address, watch)

    def _measure(self, watch: Stopwatch) -> Steps[LlmnrObserved]:
        if not self.hostname:
            raise CannotAskError("not-configured", "the site file has no host name of the CUBE")
        name = dns.name.from_text(self.hostname)
        asking = Asking(
            group=self.group,
            port=self.port,
            tries=self.tries,
            window_s=self.window_s,
            host=self.address,
            claim=self.hostname.lower(),
        )
        with (
            contextlib.closing(self._open(watch)) as wire,
            watching(self.vantage, self.address, udp(self.port), wire.port) as capture,
        ):
            found = yield from collect(wire, asking, [(name, dns.rdatatype.A)], read_llmnr)
            failure = host_trouble(found)
            if failure:
                confirm_interface(capture)
        own = [reply for reply in found.replies if reply.source == self.address]
        if any(reply.truncated for reply in own):
            over_tcp = yield from aside(lambda: self._ask_tcp(watch, found, name))
            # What was cut may still have held an address.
            if not any(reply.names for reply in own):
                failure = over_tcp
        return LlmnrObserved(
            started=watch.started,
            duration_s=watch.elapsed(),
            tries=tuple(found.log.tries),
            ignored=tuple(found.log.ignored),
            hostname=self.hostname,
            replies=tuple(found.replies),
            trouble=failure,
        )

    def _ask_tcp(self, watch: Stopwatch, found: Collected, name: dns.name.Name) -> Trouble | None:
        query = question(name, dns.rdatatype.A)
        place = f"{self.address}:{self.port}"
        number = found.log.begin(place, query.to_wire(), "tcp")
        until_s = found.log.tries[number].at_s + self.tcp_wait_s
        packet = b""
        try:
            with contextlib.closing(
                connect(self.vantage, self.address, self.port, self.tcp_wait_s)
            ) as sock:
                packet = exchange(sock, query.to_wire(), watch, until_s)
            message = read_message(packet)
            reply_to(query, message)
            arrival = Arrival(packet, self.address, self.port, watch.elapsed())
            reply = read_llmnr(query, message, arrival)
        except (ReachError, UnwantedError) as error:
            failure = trouble_of(error)
            result = "silence" if failure.kind == "no-answer" else failure.kind
            found.log.end(number, result, failure.detail, packet)
            return failure
        found.log.end(number, "answer", received=packet, source=place)
        found.replies.append(msgspec.structs.replace(reply, over="tcp"))
        return None
