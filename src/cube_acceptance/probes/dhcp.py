"""Ask for an address the way a CUBE does, up to the OFFER: RFC 2131 and its options, RFC 2132.

One DISCOVER, repeated while nothing comes, every OFFER that it brings, and no REQUEST: no lease
is taken. Which of the ways onto the wire (:mod:`~.net.dhcp_wire`) was used stands in the detail of
every try.
"""

from __future__ import annotations

import contextlib
import math
import platform as system
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import msgspec

from cube_acceptance.evidence import CannotMeasure, DhcpMessage, DhcpObserved, Try, Vantage
from cube_acceptance.network import CUBE_LIMIT, complete, ways_out
from cube_acceptance.probes import Offered, unread
from cube_acceptance.probes.net.arp import Asker, open_asker
from cube_acceptance.probes.net.dhcp_message import (
    MESSAGE_NAMES,
    OFFER,
    build_discover,
    hardware_of,
    header_of,
    parse,
)
from cube_acceptance.probes.net.dhcp_packet import BROADCAST, CLIENT_PORT, SERVER_PORT
from cube_acceptance.probes.net.dhcp_wire import Wire, check_link, open_wire
from cube_acceptance.probes.net.errors import (
    FORBIDDEN,
    CannotAskError,
    cannot_send,
    forbidden,
    words,
)
from cube_acceptance.probes.net.grant import grant_command
from cube_acceptance.probes.net.local import link_is_up
from cube_acceptance.probes.net.log import Log
from cube_acceptance.probes.net.measuring import Stopwatch, measured
from cube_acceptance.probes.net.receive import Inbox, UnwantedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from cube_acceptance.probes import Outbox
    from cube_acceptance.probes.net.dhcp_packet import Datagram

SEND_AT_S = (0.0, 2.0, 4.0, 6.0)
"""When the DISCOVER is sent, while nothing has come that a CUBE could use."""
SILENCE_S = 10.0
"""When waiting for a first usable OFFER ends; where a busy computer sent the last DISCOVER later,
as much later."""
LISTEN_S = 4.0
"""Until when others may follow it, counted from the first DISCOVER."""
AFTER_OFFER_S = 1.0
"""How long others may follow it at least."""

CUBE_PAUSE_S = 0.5
"""How long after the first DISCOVER the first of them is, and each after the one before."""

CUBES_ASKED = 64
"""How many CUBEs' addresses ARP is asked for, to learn whether two devices have one."""

OFFER_LIMIT = 32
"""How many OFFERs are kept, beside the first that tells enough."""


def in_wsl(release: str = system.release()) -> bool:
    """Whether this is the Windows Subsystem for Linux, whose kernel says so by its name."""
    return "microsoft" in release.casefold()


@dataclass(slots=True)
class _Findings:
    """What one run has sent and received so far."""

    log: Log
    transaction: int
    hardware: bytes
    waiting: list[bytes] = field(default_factory=list)
    """The CUBEs' hardware addresses that are still to be asked for."""
    cubes: dict[int, bytes] = field(default_factory=dict)
    """Those that were asked for, by transaction id."""
    tries: dict[int, list[int]] = field(default_factory=dict)
    """The numbers of the tries, by transaction id."""
    asker: Asker | None = None
    offers: list[DhcpMessage] = field(default_factory=list)
    enough: DhcpMessage | None = None
    """The first OFFER that suffices."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DhcpProbe:
    """Broadcast one DISCOVER and collect the OFFERs; never a REQUEST (RFC 2131 section 3.1).

    Repeated with the same transaction id while no OFFER has come that suffices: half an OFFER,
    of a boot server for instance, does not mean that the other server heard the DISCOVER as well.
    Between the tries each CUBE's own hardware address is asked for once, in ``chaddr`` and never as
    the frame's source, by which a switch would learn it at our port; its silence proves nothing.
    The outbox is told of the first OFFER that suffices, as soon as it is there.
    """

    vantage: Vantage
    port_server: int = SERVER_PORT
    port_client: int = CLIENT_PORT
    server_address: str = BROADCAST
    suffices: Callable[[DhcpMessage], bool] = field(default=complete, compare=False, repr=False)
    """Whether a CUBE could use an OFFER, so that no better one needs to be waited for."""
    outbox: Outbox = field(default_factory=unread, compare=False, repr=False)
    cubes: tuple[str, ...] = ()
    """The hardware addresses of CUBEs, ``aa:bb:cc:dd:ee:ff``; :data:`CUBE_LIMIT` are asked for."""
    addresses: tuple[str, ...] = ()
    """The addresses of CUBEs; ARP is asked for :data:`CUBES_ASKED` of those on the link."""
    send_at_s: tuple[float, ...] = SEND_AT_S
    cube_pause_s: float = CUBE_PAUSE_S
    silence_s: float = SILENCE_S
    listen_s: float = LISTEN_S
    after_offer_s: float = AFTER_OFFER_S
    wire: Callable[[Vantage, tuple[str, int], int], Wire] = field(
        default=open_wire, compare=False, repr=False
    )
    is_up: Callable[[str], bool | None] = field(default=link_is_up, compare=False, repr=False)
    in_wsl: Callable[[], bool] = field(default=in_wsl, compare=False, repr=False)
    asker: Callable[[Vantage, bytes], Asker | None] = field(
        default=open_asker, compare=False, repr=False
    )

    @property
    def key(self) -> str:
        """``dhcp``: there is one vantage in a session."""
        return "dhcp"

    def run(self) -> DhcpObserved | CannotMeasure:
        """Measure once; ends after :attr:`silence_s` at the latest when nothing comes."""
        return measured(self._measure, self.vantage)

    def _measure(self, watch: Stopwatch) -> DhcpObserved:
        cubes = [bytes.fromhex(mac.replace(":", "")) for mac in self.cubes[:CUBE_LIMIT]]
        hardware = hardware_of(self.vantage)
        findings = _Findings(Log(watch), secrets.randbits(32), hardware, waiting=cubes)
        target = (self.server_address, self.port_server)
        holders: tuple[tuple[str, str], ...] = ()
        with contextlib.ExitStack() as open_now:
            wire = self.wire(self.vantage, target, self.port_client)
            open_now.callback(wire.close)
            if self.vantage.address and not (wire.deaf or self.vantage.loopback):
                findings.asker = self.asker(self.vantage, hardware)
            if findings.asker:
                open_now.callback(findings.asker.close)
                findings.asker.ask(self.addresses[:CUBES_ASKED])
            self._converse(wire, findings)
            if findings.asker:
                holders = findings.asker.answers()
        if not findings.offers:
            self._check_silence(findings.log.tries)
        return DhcpObserved(
            started=watch.started,
            duration_s=watch.elapsed(),
            tries=tuple(findings.log.tries),
            ignored=tuple(findings.log.ignored),
            offers=tuple(findings.offers),
            deaf="" if findings.offers else self._deaf(wire),
            command="" if findings.offers or not wire.deaf else grant_command(),
            holders=holders,
        )

    def _deaf(self, wire: Wire) -> Literal["", "udp-socket", "wsl"]:
        if self.in_wsl() and not self.vantage.loopback:
            return "wsl"
        return "udp-socket" if wire.deaf else ""

    def _converse(self, wire: Wire, findings: _Findings) -> None:
        inbox = Inbox(findings.log.watch, wire.receive)
        while not inbox.over(self._end_s(findings)):
            if not findings.log.watch.left(self._next_s(findings)):
                self._send(wire, findings)
            if not findings.log.watch.left(self._next_cube_s(findings)):
                self._send_for_cube(wire, findings)
            next_s = min(self._next_s(findings), self._next_cube_s(findings))
            datagram = inbox.receive(min(self._end_s(findings), next_s))
            if datagram is not None:
                self._take(datagram, findings)

    def _next_s(self, findings: _Findings) -> float:
        """Return when the next DISCOVER is due, as long after the one before as was planned."""
        tries = self._own_tries(findings)
        sent = len(tries)
        if findings.enough or sent == len(self.send_at_s):
            return math.inf
        late_s = tries[-1].at_s - self.send_at_s[sent - 1] if sent else 0.0
        return self.send_at_s[sent] + late_s

    def _next_cube_s(self, findings: _Findings) -> float:
        """Return when the next CUBE is asked for: a pause after the one before, or after us."""
        asked = [findings.log.tries[findings.tries[one][0]] for one in findings.cubes]
        before = asked or self._own_tries(findings)[:1]
        if not findings.waiting or not before:
            return math.inf
        return before[-1].at_s + self.cube_pause_s

    def _own_tries(self, findings: _Findings) -> list[Try]:
        numbers = findings.tries.get(findings.transaction, [])
        return [findings.log.tries[number] for number in numbers]

    def _check_silence(self, tries: list[Try]) -> None:
        """Refuse to call it silence when this computer's own link went away meanwhile."""
        unsent = [attempt for attempt in tries if attempt.result == "not-sent"]
        if unsent:
            raise cannot_send(unsent[0].detail, "the sending failed later on")
        if not self.vantage.loopback:
            check_link(self.vantage.interface, self.is_up(self.vantage.interface))

    def _end_s(self, findings: _Findings) -> float:
        tries = self._own_tries(findings)
        if findings.enough:
            # A busy computer can be late with the first DISCOVER; a server that first looks
            # whether its address is free needs its time from then on.
            last_s = max(findings.log.tries[-1].at_s, findings.enough.at_s)
            return max(tries[0].at_s + self.listen_s, last_s + self.after_offer_s)
        last_s = tries[-1].at_s if tries else self.send_at_s[-1]
        return last_s + self.silence_s - self.send_at_s[-1]

    def _send(self, wire: Wire, findings: _Findings) -> None:
        discover = build_discover(
            findings.transaction, findings.hardware, findings.log.watch.elapsed()
        )
        self._put(wire, findings, findings.transaction, discover)

    def _send_for_cube(self, wire: Wire, findings: _Findings) -> None:
        hardware = findings.waiting.pop(0)
        transaction = secrets.randbits(32)
        findings.cubes[transaction] = hardware
        elapsed_s = findings.log.watch.elapsed()
        discover = build_discover(transaction, hardware, elapsed_s, identified=False)
        self._put(wire, findings, transaction, discover, f"for {hardware.hex(':')}")

    def _put(
        self, wire: Wire, findings: _Findings, transaction: int, discover: bytes, whom: str = ""
    ) -> None:
        log = findings.log
        number = log.begin(f"{self.server_address}:{self.port_server}", discover, whom)
        findings.tries.setdefault(transaction, []).append(number)
        try:
            wire.send(discover)
        except OSError as error:
            if not number:
                raise _not_sent(error) from error
            log.end(number, "not-sent", words(error))
        else:
            log.end(number, "silence", wire.name)

    def _take(self, datagram: Datagram, findings: _Findings) -> None:
        try:
            message = _read_offer(datagram, findings, self.suffices)
        except UnwantedError as reason:
            findings.log.ignore(datagram.source, reason, datagram.payload)
            return
        _note_answer(findings, message, datagram)
        findings.offers.append(message)
        if not self.suffices(message):
            return
        if findings.asker:
            findings.asker.ask([message.address, *ways_out(message)])
        if not findings.enough:
            findings.enough = message
            self.outbox.put(Offered(self.key, message))


def _note_answer(findings: _Findings, message: DhcpMessage, datagram: Datagram) -> None:
    """Note the first answer at the last try that was sent; those alike share a transaction id."""
    transaction, _ = header_of(datagram.payload)
    tries = [(number, findings.log.tries[number]) for number in findings.tries.get(transaction, ())]
    unanswered = [number for number, attempt in tries if attempt.result == "silence"]
    if unanswered and all(attempt.result != "answer" for _, attempt in tries):
        findings.log.end(unanswered[-1], "answer", received=message.raw, source=datagram.source)


def _read_offer(
    datagram: Datagram, findings: _Findings, suffices: Callable[[DhcpMessage], bool]
) -> DhcpMessage:
    """Read an OFFER to us, or to a CUBE that we asked for.

    RFC 2131 section 4.4.1: the transaction id must be that of the DISCOVER.
    """
    if datagram.defect:
        raise UnwantedError(datagram.defect)
    message = parse(datagram.payload, datagram.address, findings.log.watch.elapsed())
    transaction, hardware = header_of(datagram.payload)
    asked = {findings.transaction: findings.hardware, **findings.cubes}
    if transaction not in asked:
        raise UnwantedError(f"transaction id {transaction:08x} is not ours")
    if hardware != asked[transaction]:
        raise UnwantedError(f"hardware address {hardware.hex(':')} is not ours")
    if transaction in findings.cubes:
        message = msgspec.structs.replace(message, hardware=hardware.hex(":"))
    if message.kind is None:
        raise UnwantedError("no readable message type")
    if message.kind != OFFER:
        name = MESSAGE_NAMES.get(message.kind, "unknown")
        raise UnwantedError(f"message type {message.kind} ({name}) is not an OFFER")
    if any(_what_it_says(message) == _what_it_says(other) for other in findings.offers):
        raise UnwantedError("the same OFFER again")
    waited_for = not findings.enough and suffices(message)
    if len(findings.offers) >= OFFER_LIMIT and not waited_for:
        raise UnwantedError(f"more than {OFFER_LIMIT} OFFERs")
    return message


def _what_it_says(message: DhcpMessage) -> DhcpMessage:
    """Leave out when it came and its bytes: a server may answer each DISCOVER that it hears."""
    return msgspec.structs.replace(message, at_s=0.0, raw=b"")


def _not_sent(error: OSError) -> CannotAskError:
    if error.errno in FORBIDDEN:
        return forbidden(words(error), grant_command())
    return cannot_send(words(error))
