"""The ways onto the wire for DHCP, and which of them this user may go.

A *packet socket* (Linux, root or ``CAP_NET_RAW``) sends from 0.0.0.0 as a computer without an
address does, and receives before this computer's packet filter, its reverse path filter and its own
DHCP client can take a reply away; it is preferred.
A *UDP socket* on port 68 needs the right to bind a low port only, and a reply that this computer's
own firewall drops is silence there, unless the firewall is known to let it in (Windows). As root on
macOS, which has no packet socket, a *packet filter device* hears what comes before the firewall.
"""

from __future__ import annotations

import contextlib
import errno
import socket
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from cube_acceptance.probes.net.bpf import (
    AF_PACKET,
    ETH_P_ALL,
    ETH_P_IP,
    OUTGOING,
    attach_filter,
    give_back,
)
from cube_acceptance.probes.net.dhcp_packet import (
    BROADCAST,
    CLIENT_PORT,
    SERVER_PORT,
    Datagram,
    port_filter,
    unwrap,
    wrap,
)
from cube_acceptance.probes.net.errors import CannotAskError, words
from cube_acceptance.probes.net.grant import grant_command
from cube_acceptance.probes.net.local import can_broadcast, interface_networks, link_is_up
from cube_acceptance.probes.net.macos_bpf import Tap
from cube_acceptance.probes.net.receive import receive_from_any, receive_with_notes
from cube_acceptance.probes.net.sockets import bind_interface, opening
from cube_acceptance.probes.net.windows_firewall import admits_udp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cube_acceptance.evidence import Vantage

_EVERYBODY = b"\xff" * 6
_SOL_PACKET = 263  # linux/socket.h
_AUXDATA = 8  # linux/if_packet.h, PACKET_AUXDATA
_CSUM_NOT_READY = 1 << 3  # linux/if_packet.h, TP_STATUS_CSUMNOTREADY
_VLAN_VALID = 1 << 4  # linux/if_packet.h, TP_STATUS_VLAN_VALID
_VLAN_AT = slice(16, 18)  # linux/if_packet.h: tp_vlan_tci in struct tpacket_auxdata
_VLAN_ID = 0x0FFF  # IEEE 802.1Q: beside it stands the priority
_NOTES_SIZE = 64
"""Bytes of auxiliary data that are read with a packet; what the kernel tells takes 36."""

ADMITTED = "datagram socket, let in by the firewall"
"""What a socket is called whose silence counts; evidence of earlier versions has no such word."""

_GONE = frozenset({errno.ENODEV, errno.ENXIO, errno.EADDRNOTAVAIL})


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


def is_unsummed(notes: Iterable[tuple[int, int, bytes]]) -> bool:
    """Whether a packet's checksum is still to be computed, as its auxiliary data say (packet(7)).

    Without them nobody knows, and no OFFER is dropped for that.
    """
    told = _auxiliary(notes)
    return not told or bool(int.from_bytes(told[:4], sys.byteorder) & _CSUM_NOT_READY)


def vlan_of(notes: Iterable[tuple[int, int, bytes]]) -> int:
    """Return the VLAN that a frame was tagged for (IEEE 802.1Q), 0 for none or a priority only.

    A packet socket hears those as well, though nobody on this interface has any part in them.
    """
    told = _auxiliary(notes)
    if not int.from_bytes(told[:4], sys.byteorder) & _VLAN_VALID:
        return 0
    return int.from_bytes(told[_VLAN_AT], sys.byteorder) & _VLAN_ID


def _auxiliary(notes: Iterable[tuple[int, int, bytes]]) -> bytes:
    told = [note for level, kind, note in notes if (level, kind) == (_SOL_PACKET, _AUXDATA)]
    return told[0] if told else b""


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
        datagram = unwrap(packet, unsummed=is_unsummed(notes))
        if vlan := vlan_of(notes):
            return replace(datagram, defect=f"tagged for VLAN {vlan}")
        return datagram

    def close(self) -> None:
        """Give the socket back."""
        give_back(self.sock)


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
        check_link(vantage.interface, is_up(vantage.interface))
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


def check_link(interface: str, up: bool | None) -> None:  # noqa: FBT001 - three states
    """Refuse an interface that does not exist, ``None``, or has no link."""
    if up is None:
        raise CannotAskError("not-configured", f"there is no interface {interface}")
    if not up:
        detail = f"{interface} is switched off or has no carrier"
        raise CannotAskError("off-link", detail)


def _local_socket(
    vantage: Vantage, port_client: int, new_socket: Callable[..., socket.socket]
) -> socket.socket:
    with opening(new_socket(socket.AF_INET, socket.SOCK_DGRAM)) as sock:
        sock.bind((vantage.address, port_client))
    return sock


def _packet_socket(
    interface: str, port_client: int, new_socket: Callable[..., socket.socket]
) -> socket.socket:
    # Protocol 0 receives nothing until the filter is in place and bind names the protocol.
    with opening(new_socket(AF_PACKET, socket.SOCK_DGRAM, 0)) as sock:
        attach_filter(sock, port_filter(port_client))
        with contextlib.suppress(OSError):
            sock.setsockopt(_SOL_PACKET, _AUXDATA, 1)
        # Every protocol: so it hears a packet first, before a bridge takes it or a filter.
        sock.bind((interface, ETH_P_ALL))
    return sock


def _udp_socket(
    vantage: Vantage,
    port_client: int,
    platform: str,
    new_socket: Callable[..., socket.socket],
) -> socket.socket:
    with opening(new_socket(socket.AF_INET, socket.SOCK_DGRAM)) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if platform == "darwin":  # beside the system's own client
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        bind_interface(sock, vantage, platform)
        # Windows picks a broadcast's interface by the address bound; elsewhere a socket that is
        # bound to an address receives no broadcast.
        sock.bind((vantage.address if platform == "win32" else "", port_client))
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
