"""Ask for an address the way a CUBE does, up to the OFFER: RFC 2131 and its options, RFC 2132.

One DISCOVER, repeated while nothing comes, every OFFER that it brings, and no REQUEST: no lease
is taken. Several ways onto the wire exist. A *packet socket* (Linux, root or ``CAP_NET_RAW``) sends
from 0.0.0.0 as a computer without an address does, and receives before this computer's packet
filter, its reverse path filter and its own DHCP client can take a reply away; it is preferred.
A *UDP socket* on port 68 needs the right to bind a low port only, and a reply that this computer's
own firewall drops is silence there, unless the firewall is known to let it in (Windows). As root on
macOS, which has no packet socket, a *packet filter device* hears what comes before the firewall.
Which one was used stands in the detail of every try.
"""

from __future__ import annotations

import contextlib
import errno
import math
import os
import platform as system
import secrets
import shlex
import socket
import struct
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

import msgspec

from cube_acceptance.evidence import CannotMeasure, DhcpMessage, DhcpObserved, Try, Vantage
from cube_acceptance.network import CUBE_LIMIT, complete, ways_out
from cube_acceptance.probes import Offered, unread
from cube_acceptance.probes.net.arp import Asker, open_asker
from cube_acceptance.probes.net.bpf import (
    AF_PACKET,
    ETH_P_ALL,
    ETH_P_IP,
    OUTGOING,
    assemble,
    attach_filter,
)
from cube_acceptance.probes.net.checksum import INTACT, checksum
from cube_acceptance.probes.net.dhcp_message import (
    MESSAGE_NAMES,
    OFFER,
    build_discover,
    hardware_of,
    header_of,
    parse,
)
from cube_acceptance.probes.net.errors import (
    FORBIDDEN,
    CannotAskError,
    cannot_send,
    forbidden,
    words,
)
from cube_acceptance.probes.net.local import can_broadcast, interface_networks, link_is_up
from cube_acceptance.probes.net.log import Log
from cube_acceptance.probes.net.macos_bpf import Tap
from cube_acceptance.probes.net.measuring import Stopwatch, measured
from cube_acceptance.probes.net.receive import (
    RECEIVE_LIMIT,
    Inbox,
    UnwantedError,
    receive_from_any,
    receive_with_notes,
)
from cube_acceptance.probes.net.sockets import bind_interface
from cube_acceptance.probes.net.windows_firewall import admits_udp, running_program

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cube_acceptance.probes import Outbox

SERVER_PORT = 67
"""RFC 2131 section 4.1."""
CLIENT_PORT = 68
"""RFC 2131 section 4.1."""
BROADCAST = "255.255.255.255"
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

OFFER_LIMIT = 32
"""How many OFFERs are kept, beside the first that tells enough."""

_IPV4_HEADER = struct.Struct("!BBHHHBBH4s4s")  # RFC 791 section 3.1
_UDP_HEADER = struct.Struct("!HHHH")  # RFC 768
_UDP = 17
_FRAGMENT = 0x3FFF  # RFC 791: more fragments, and the fragment's offset
_TTL = 64
_NOBODY = bytes(4)
"""The address of a sender that has none yet, 0.0.0.0 (RFC 1122 section 3.2.1.3)."""
_EVERYBODY = b"\xff" * 6

_SOL_PACKET = 263  # linux/socket.h
_AUXDATA = 8  # linux/if_packet.h, PACKET_AUXDATA
_CSUM_NOT_READY = 1 << 3  # linux/if_packet.h, TP_STATUS_CSUMNOTREADY
_NOTES_SIZE = 64
"""Bytes of auxiliary data that are read with a packet; what the kernel tells takes 36."""

ADMITTED = "datagram socket, let in by the firewall"
"""What a socket is called whose silence counts; evidence of earlier versions has no such word."""

_GONE = frozenset({errno.ENODEV, errno.ENXIO, errno.EADDRNOTAVAIL})


@dataclass(frozen=True, slots=True)
class Datagram:
    """What arrived: a UDP payload and its sender, or a defect where it is no whole datagram."""

    payload: bytes
    address: str = ""
    port: int = 0
    defect: str = ""

    @property
    def source(self) -> str:
        """The sender as ``address:port``; empty where it is unknown."""
        return f"{self.address}:{self.port}" if self.address else ""


class Wire(Protocol):
    """A way to send a DHCP message from the vantage and to receive what comes back."""

    @property
    def name(self) -> str:
        """What it is, for the evidence."""
        ...

    @property
    def deaf(self) -> bool:
        """Whether an OFFER may come to this computer and still not be heard."""
        ...

    def send(self, payload: bytes) -> None:
        """Send one UDP payload; an OSError says why that is not possible."""
        ...

    def receive(self, limit_s: float) -> Datagram | None:
        """Wait at most ``limit_s`` seconds for one datagram; None where none came."""
        ...

    def close(self) -> None:
        """Give the socket back."""
        ...


# The two ways onto the wire


def wrap(payload: bytes, target: tuple[str, int], port_client: int) -> bytes:
    """Write the IP and UDP headers of a message from 0.0.0.0 (RFC 791, RFC 768)."""
    source, destination = _NOBODY, socket.inet_aton(target[0])
    length = _UDP_HEADER.size + len(payload)
    pseudo = source + destination + struct.pack("!HH", _UDP, length)
    unsummed = _UDP_HEADER.pack(port_client, target[1], length, 0) + payload
    udp = _UDP_HEADER.pack(port_client, target[1], length, checksum(pseudo + unsummed))

    def header(summed: int) -> bytes:
        total = _IPV4_HEADER.size + length
        return _IPV4_HEADER.pack(0x45, 0, total, 0, 0, _TTL, _UDP, summed, source, destination)

    return header(checksum(header(0))) + udp + payload


def unwrap(packet: bytes, *, unsummed: bool = False) -> Datagram:
    """Read an IPv4 packet down to its UDP payload.

    One with a wrong checksum is dropped, as every client drops it (RFC 1122 section 4.1.3.4), and
    one without a checksum is not (RFC 768). ``unsummed`` says that its kernel has not computed it
    yet, as on virtual links, where there is nothing to go wrong.
    """
    if len(packet) < _IPV4_HEADER.size:
        return Datagram(packet, defect="too short for an IPv4 packet")
    first, _, total, _, fragment, _, protocol, _, source, _ = _IPV4_HEADER.unpack_from(packet)
    header_size = (first & 0x0F) * 4
    if first >> 4 != 4 or header_size < _IPV4_HEADER.size:  # noqa: PLR2004 - IP version 4
        return Datagram(packet, defect="not an IPv4 packet")
    address = socket.inet_ntoa(source)
    datagram = packet[header_size:total]
    if protocol != _UDP or fragment & _FRAGMENT or len(datagram) < _UDP_HEADER.size:
        return Datagram(packet, address, defect="not a whole UDP datagram")
    port, _, length, summed = _UDP_HEADER.unpack_from(datagram)
    pseudo = packet[12:20] + struct.pack("!HH", _UDP, length)
    if summed and not unsummed and checksum(pseudo + datagram[:length]) != INTACT:
        return Datagram(packet, address, port, defect="a wrong UDP checksum")
    return Datagram(datagram[_UDP_HEADER.size : length], address, port)


def is_unsummed(notes: Iterable[tuple[int, int, bytes]]) -> bool:
    """Whether a packet's checksum is still to be computed, as its auxiliary data say (packet(7)).

    Without them nobody knows, and no OFFER is dropped for that.
    """
    status = [note for level, kind, note in notes if (level, kind) == (_SOL_PACKET, _AUXDATA)]
    return not status or bool(int.from_bytes(status[0][:4], sys.byteorder) & _CSUM_NOT_READY)


def port_filter(port: int) -> bytes:
    """Write the kernel's filter program that lets unfragmented UDP to one port pass.

    Without it every packet of the interface would fill the socket's buffer and push a reply out.
    """
    return assemble(
        (
            ("byte", 9),  # the protocol inside IP
            ("=", _UDP, "", "drop"),
            ("half", 6),  # flags and offset of a fragment
            ("&", _FRAGMENT, "drop", ""),
            ("header", 0),
            ("half of", 2),  # the destination port
            ("=", port, "", "drop"),
            ("return", RECEIVE_LIMIT),
            "drop",
            ("return", 0),
        )
    )


@dataclass(frozen=True, slots=True)
class PacketWire:
    """A packet socket of Linux (packet(7)) that writes the IP and UDP headers itself."""

    sock: socket.socket
    interface: str
    target: tuple[str, int]
    port_client: int
    name: str = "packet socket"
    deaf: bool = False

    def send(self, payload: bytes) -> None:
        """Send to every station of the link, from 0.0.0.0."""
        packet = wrap(payload, self.target, self.port_client)
        self.sock.sendto(packet, (self.interface, ETH_P_IP, 0, 0, _EVERYBODY))

    def receive(self, limit_s: float) -> Datagram | None:
        """Wait for one packet that the filter lets pass; None also for one that is no reply."""
        received = receive_with_notes(self.sock, limit_s, _NOTES_SIZE)
        if received is None:
            return None
        packet, notes, (_, protocol, kind, *_) = received
        if protocol != ETH_P_IP or kind == OUTGOING:
            return None
        return unwrap(packet, unsummed=is_unsummed(notes))

    def close(self) -> None:
        """Close the socket."""
        self.sock.close()


@dataclass(frozen=True, slots=True)
class UdpWire:
    """A UDP socket on the client's port.

    What this computer broadcasts itself comes back to it: connection sharing or a virtual machine's
    network may run a DHCP server here, which nobody else's network has.
    """

    sock: socket.socket
    target: tuple[str, int]
    name: str = "UDP socket"
    deaf: bool = True
    own: frozenset[str] = frozenset()
    """This computer's addresses."""

    def send(self, payload: bytes) -> None:
        """Send as the system does it, from an address of its choice."""
        self.sock.sendto(payload, self.target)

    def receive(self, limit_s: float) -> Datagram | None:
        """Wait for one datagram."""
        received = receive_from_any(self.sock, limit_s)
        if received is None:
            return None
        payload, (address, port) = received
        defect = "sent by this computer itself" if address in self.own else ""
        return Datagram(payload, address, port, defect)

    def close(self) -> None:
        """Close the socket."""
        self.sock.close()


@dataclass(frozen=True, slots=True)
class TappedWire:
    """A UDP socket of macOS that sends, and a device that hears what its socket may not."""

    sock: socket.socket
    tap: Tap
    target: tuple[str, int]
    name: str = "packet filter device"
    deaf: bool = False

    def send(self, payload: bytes) -> None:
        """Send as the system does it, from an address of its choice."""
        self.sock.sendto(payload, self.target)

    def receive(self, limit_s: float) -> Datagram | None:
        """Wait for one packet that the filter lets pass."""
        packet = self.tap.receive(limit_s)
        return None if packet is None else unwrap(packet)

    def close(self) -> None:
        """Give both back."""
        self.tap.close()
        self.sock.close()


def grant_command(platform: str = sys.platform, executable: str = running_program()) -> str:
    """Give the command that grants the right to ask for an address, on this platform.

    Linux: ``CAP_NET_RAW`` for this one run and for nothing else; it ends with the run, and the
    options of the run go behind it. macOS: the run as root. Windows has no such right, there the
    firewall has to let the replies in.
    """
    if platform.startswith("linux"):
        identity = f"--reuid={os.getuid()} --regid={os.getgid()} --init-groups"
        right = "--inh-caps=+net_raw --ambient-caps=+net_raw"
        return f"sudo setpriv {identity} {right} -- {shlex.quote(executable)} -m pytest"
    if platform == "win32":
        return (
            "New-NetFirewallRule -DisplayName cube-acceptance -Direction Inbound -Protocol UDP"
            f' -LocalPort {CLIENT_PORT} -Program "{executable}" -Action Allow'
        )
    return f"sudo {shlex.quote(executable)} -m pytest"


def in_wsl(release: str = system.release()) -> bool:
    """Whether this is the Windows Subsystem for Linux, whose kernel says so by its name."""
    return "microsoft" in release.casefold()


def open_wire(  # noqa: PLR0913 - the seams stand beside the three that matter
    vantage: Vantage,
    target: tuple[str, int],
    port_client: int,
    *,
    platform: str = sys.platform,
    new_socket: Callable[..., socket.socket] = socket.socket,
    is_up: Callable[[str], bool | None] = link_is_up,
    broadcasts: Callable[[str], bool] = can_broadcast,
    admits: Callable[[int], bool] = admits_udp,
    new_tap: Callable[[str, int], Tap] = Tap,
) -> Wire:
    """Open the best way onto the wire that this user may have.

    Raises:
        CannotAskError: ``not-permitted`` without the right to either way or with port 68 taken,
            ``off-link`` for an interface that is down, without carrier or without broadcast,
            ``not-configured`` for one that does not exist.
    """
    if not vantage.loopback:
        _check_link(vantage.interface, is_up(vantage.interface))
        if not broadcasts(vantage.interface):
            detail = f"{vantage.interface} is a tunnel, which no DHCP server can be asked through"
            raise CannotAskError("off-link", detail)
        if platform.startswith("linux"):
            with contextlib.suppress(OSError):
                sock = _packet_socket(vantage.interface, port_client, new_socket)
                return PacketWire(sock, vantage.interface, target, port_client)
    if platform == "win32" and not vantage.address:
        raise CannotAskError(
            "off-link",
            f"{vantage.interface} has no IPv4 address, without which Windows would ask through"
            " another interface",
        )
    try:
        if vantage.loopback:
            return UdpWire(_local_socket(vantage, port_client, new_socket), target, deaf=False)
        own = frozenset(str(network.ip) for network in interface_networks(vantage.interface))
        sock = _udp_socket(vantage, port_client, platform, new_socket)
        if platform == "darwin":
            with contextlib.suppress(OSError):
                return TappedWire(sock, new_tap(vantage.interface, port_client), target)
        # What the firewall of Windows says of itself is the only word that there is.
        if platform == "win32" and admits(port_client):
            return UdpWire(sock, target, name=ADMITTED, deaf=False, own=own)
        return UdpWire(sock, target, own=own)
    except OSError as error:
        raise _no_way(error, port_client, platform) from error


def _check_link(interface: str, up: bool | None) -> None:  # noqa: FBT001 - three states
    if up is None:
        raise CannotAskError("not-configured", f"there is no interface {interface}")
    if not up:
        detail = f"{interface} is switched off or has no carrier"
        raise CannotAskError("off-link", detail)


def _local_socket(
    vantage: Vantage, port_client: int, new_socket: Callable[..., socket.socket]
) -> socket.socket:
    sock = new_socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sock.bind((vantage.address, port_client))
    except BaseException:
        sock.close()
        raise
    return sock


def _packet_socket(
    interface: str, port_client: int, new_socket: Callable[..., socket.socket]
) -> socket.socket:
    # Protocol 0 receives nothing until the filter is in place and bind names the protocol.
    sock = new_socket(AF_PACKET, socket.SOCK_DGRAM, 0)
    try:
        attach_filter(sock, port_filter(port_client))
        with contextlib.suppress(OSError):
            sock.setsockopt(_SOL_PACKET, _AUXDATA, 1)
        # Every protocol: so it hears a packet first, before a bridge takes it or a filter.
        sock.bind((interface, ETH_P_ALL))
    except BaseException:
        sock.close()
        raise
    return sock


def _udp_socket(
    vantage: Vantage,
    port_client: int,
    platform: str,
    new_socket: Callable[..., socket.socket],
) -> socket.socket:
    sock = new_socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if platform == "darwin":  # beside the system's own client
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        bind_interface(sock, vantage, platform)
        # Windows picks a broadcast's interface by the address bound; elsewhere a socket that is
        # bound to an address receives no broadcast.
        sock.bind((vantage.address if platform == "win32" else "", port_client))
    except BaseException:
        sock.close()
        raise
    return sock


def _no_way(error: OSError, port_client: int, platform: str) -> CannotAskError:
    if error.errno in _GONE:
        return CannotAskError("off-link", f"the interface cannot be used: {words(error)}")
    if error.errno == errno.EADDRINUSE:
        detail = f"another program of this computer keeps UDP port {port_client} for itself"
    else:
        detail = f"UDP port {port_client} cannot be used: {words(error)}"
    if platform.startswith("linux"):
        detail = f"a packet socket is not permitted, and {detail}"
    return CannotAskError("not-permitted", detail, grant_command(platform))


def missing_right(vantage: Vantage) -> str:
    """Return the command that grants the right to ask for an address; empty where nothing lacks.

    It is tried, and nothing is sent.
    """
    try:
        wire = open_wire(vantage, (BROADCAST, SERVER_PORT), CLIENT_PORT)
    except CannotAskError as obstacle:
        return obstacle.command if obstacle.cause == "not-permitted" else ""
    wire.close()
    return ""


# The measurement


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
        """Give when the next DISCOVER is due, as long after the one before as was planned."""
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
            _check_link(self.vantage.interface, self.is_up(self.vantage.interface))

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
