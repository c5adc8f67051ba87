"""DHCP messages inside IP packets: written and read where no socket of the system does it.

A packet socket and a packet filter device hand over whole packets, RFC 791 with RFC 768 in them.
"""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass

from cube_acceptance.probes.net.bpf import assemble
from cube_acceptance.probes.net.checksum import INTACT, checksum
from cube_acceptance.probes.net.receive import RECEIVE_LIMIT

SERVER_PORT = 67
"""RFC 2131 section 4.1."""
CLIENT_PORT = 68
"""RFC 2131 section 4.1."""
BROADCAST = "255.255.255.255"

_IPV4_HEADER = struct.Struct("!BBHHHBBH4s4s")  # RFC 791 section 3.1
_UDP_HEADER = struct.Struct("!HHHH")  # RFC 768
_UDP = 17
_FRAGMENT = 0x3FFF  # RFC 791: more fragments, and the fragment's offset
_TTL = 64
_NOBODY = bytes(4)
"""The address of a sender that has none yet, 0.0.0.0 (RFC 1122 section 3.2.1.3)."""


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
