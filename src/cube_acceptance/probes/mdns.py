"""Ask the link for the CUBE's name and services: RFC 6762, and RFC 6763 section 9 for the list.

The questions go to the group from an ephemeral port, as RFC 6762 section 5.1 has it for one
question that is asked once. Whoever answers must then do so by unicast, repeating our id
(section 6.7), so nothing has to be joined, port 5353 stays with this computer's own responder,
and a reply can be told from somebody else's. No packet to the group is ever forwarded: only who
is on the link can know the id, which is what section 11 wants to be sure of.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype

from cube_acceptance.evidence import (
    RAW_LIMIT,
    CannotMeasure,
    MdnsObserved,
    NameReply,
    Vantage,
)
from cube_acceptance.probes.net.dns_message import NAME_LIMIT, Repeated, names_in, text_of
from cube_acceptance.probes.net.errors import CannotAskError
from cube_acceptance.probes.net.group_socket import (
    Arrival,
    GroupSockets,
    GroupWire,
    open_group,
    source_of,
)
from cube_acceptance.probes.net.log import Log
from cube_acceptance.probes.net.measuring import Stopwatch, measured_in_steps
from cube_acceptance.probes.net.multicast import (
    Asking,
    Collected,
    ask_group,
    collect,
    host_trouble,
    send,
)
from cube_acceptance.probes.net.receive import UnwantedError
from cube_acceptance.probes.net.routing import udp
from cube_acceptance.probes.net.sockets import confirm_interface, watching
from cube_acceptance.probes.net.together import POLL_S, Steps, alone

if TYPE_CHECKING:
    from collections.abc import Iterable

GROUP = "224.0.0.251"
"""RFC 6762 section 3."""
PORT = 5353
"""RFC 6762 section 3."""
TRIES = 3
WINDOW_S = 3.0
"""How long replies are collected, from the first question on; each try has its share of it."""

SERVICES = dns.name.from_text("_services._dns-sd._udp.local")
"""RFC 6763 section 9."""
LOCAL = dns.name.from_text("local")


def services_in(message: dns.message.Message) -> tuple[str, ...]:
    """Return the service types of the DNS-SD listing, ``_http._tcp`` (RFC 6763 section 9)."""
    found: dict[str, None] = {}
    for records in message.answer:
        if records.rdtype == dns.rdatatype.PTR and records.name == SERVICES:
            for record in records:
                found[text_of(record.target.relativize(LOCAL))] = None
    return tuple(found)[:NAME_LIMIT]


def gives_no_address(query: dns.message.Message, reply: dns.message.Message, *, own: bool) -> bool:
    """Whether a reply is about the name whose address was asked for, and gives none.

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


class Listing:
    """The question for the services of a link, put once for all CUBEs of a run.

    Every responder of the link answers it. Asked for each CUBE anew it would bring the square of
    their number in replies, a storm on the network of which no socket can hold its own share.
    Whoever comes first asks, within the probe's own limits and before anything else, so that the
    others mostly find it answered.
    """

    def __init__(self, hosts: Iterable[str]) -> None:
        """Know whose replies will be wanted."""
        self.hosts = tuple(hosts)
        self._begun = False
        self._asked: tuple[Stopwatch, dict[str, Collected]] | CannotAskError | None = None

    def ask(self, probe: MdnsProbe) -> Steps[None]:
        """Put the question, unless somebody has."""
        if self._begun:
            return
        self._begun = True
        try:
            self._asked = yield from self._ask(probe)
        except CannotAskError as obstacle:
            self._asked = obstacle
        finally:
            self._begun = self._asked is not None

    def of(self, probe: MdnsProbe) -> Steps[tuple[Stopwatch, Collected]]:
        """Return what the probe's CUBE replied, and the watch that its times are counted by.

        Raises:
            CannotAskError: the question could not be put.
        """
        while self._asked is None:
            yield None, POLL_S
            yield from self.ask(probe)  # again, where a defect kept somebody from it
        if isinstance(self._asked, CannotAskError):
            raise self._asked
        watch, found = self._asked
        return watch, found[probe.address]

    def _ask(self, probe: MdnsProbe) -> Steps[tuple[Stopwatch, dict[str, Collected]]]:
        watch = Stopwatch()
        found = {host: Collected(probe.asking(host), read_mdns, Log(watch)) for host in self.hosts}
        waiting, asking = dict(found), Repeated(SERVICES, dns.rdatatype.PTR)

        def take(arrival: Arrival) -> None:
            """Give a packet to the host that sent it; who has answered is waited for no longer."""
            if arrival.address in waiting:
                waiting[arrival.address].take(arrival)
                if waiting[arrival.address].answered:
                    del waiting[arrival.address]

        with contextlib.closing(probe.open(watch, everybody=True)) as wire:
            yield from ask_group(
                wire,
                list(found.values()),
                lambda: send(wire, list(waiting.values()), asking),
                take,
                lambda: bool(waiting),
            )
        found[probe.address].log.check_sent()
        return watch, found


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
    sockets: GroupSockets | None = field(default=None, repr=False)
    """What it shares with the probes of other CUBEs, in place of a socket of its own."""

    @property
    def key(self) -> str:
        """``mdns/`` and the CUBE's name in the site file."""
        return f"mdns/{self.cube}"

    @property
    def claim(self) -> str:
        """The name that only the CUBE may answer for; empty where it is not known."""
        return f"{self.hostname.lower()}.local" if self.hostname else ""

    def asking(self, host: str) -> Asking:
        """Describe how questions about a host are put."""
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
        return alone(self.steps())

    def steps(self) -> Steps[MdnsObserved | CannotMeasure]:
        """Do the same in steps, beside others."""
        return measured_in_steps(self._measure, self.vantage)

    def open(self, watch: Stopwatch, *, everybody: bool = False) -> GroupWire:
        """Open a wire for questions about the CUBE, or to everybody on its link."""
        if self.sockets:
            return self.sockets.open(self.vantage, self.address, watch, everybody=everybody)
        return open_group(self.vantage, self.address, watch)

    def _measure(self, watch: Stopwatch) -> Steps[MdnsObserved]:
        questions = [] if self.listing else [(SERVICES, dns.rdatatype.PTR)]
        if self.claim:
            questions.insert(0, (dns.name.from_text(self.claim), dns.rdatatype.A))
        read = partial(read_mdns, host=self.address)
        found = Collected(self.asking(self.address), read, Log(watch))
        if self.listing:
            # Whoever comes first asks for all, and may be on the link where this one is not.
            source_of(self.vantage, self.address)
            yield from self.listing.ask(self)
        if questions:
            with (
                contextlib.closing(self.open(watch)) as wire,
                watching(self.vantage, self.address, udp(self.port), wire.port) as capture,
            ):
                found = yield from collect(wire, found.asking, questions, read)
                if host_trouble(found):
                    confirm_interface(capture)
        if self.listing:
            other, listed = yield from self.listing.of(self)
            found.join(listed, watch.until(other))
        return MdnsObserved(
            started=watch.started,
            duration_s=watch.elapsed(),
            tries=tuple(found.log.tries),
            ignored=tuple(found.log.ignored),
            hostname=self.hostname,
            replies=tuple(found.replies),
            trouble=host_trouble(found),
        )
