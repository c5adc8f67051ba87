"""Ask who holds an address: one ordinary ARP question each (RFC 826), over a packet socket.

The question bears this computer's own address as its sender. Probes from 0.0.0.0 (RFC 5227) have
made devices give up the address that they held.
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import struct
from typing import TYPE_CHECKING

from cube_acceptance.probes.net.bpf import AF_PACKET, OUTGOING, assemble, attach_filter, give_back

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cube_acceptance.evidence import Vantage

QUESTION_LIMIT = 80
"""How many addresses one run asks for, CUBEs' and offered ones; whoever offers ever new ones gets
no more questions."""
READ_LIMIT = 256
"""How many replies of one run are read."""

ETH_P_ARP = 0x0806
_REQUEST, _REPLY = 1, 2
_PACKET = struct.Struct("!HHBBH6s4s6s4s")  # RFC 826, for Ethernet and IPv4
_ETHERNET, _IPV4 = 1, 0x0800
_EVERYBODY = b"\xff" * 6


def reply_filter() -> bytes:
    """Write the kernel's filter program that lets ARP replies pass, and no question."""
    return assemble(
        (
            ("half", 6),  # the operation
            ("=", _REPLY, "", "drop"),
            ("return", _PACKET.size),
            "drop",
            ("return", 0),
        )
    )


class Asker:
    """Asks from one vantage, and reads at the end who has answered."""

    def __init__(self, sock: socket.socket, vantage: Vantage, hardware: bytes) -> None:
        """Ask over a packet socket that is bound to the vantage's interface."""
        self._sock = sock
        self._vantage = vantage
        self._hardware = hardware
        self._network = ipaddress.IPv4Network(f"{vantage.address}/{vantage.prefix}", strict=False)
        self._asked: set[str] = set()

    def ask(self, addresses: Iterable[str]) -> None:
        """Ask for each address once; not for this computer's own, nor for one beyond the link."""
        for address in addresses:
            here = ipaddress.IPv4Address(address) in self._network
            known = address == self._vantage.address or address in self._asked
            if here and not known and len(self._asked) < QUESTION_LIMIT:
                self._asked.add(address)
                with contextlib.suppress(OSError):
                    self._sock.sendto(self._question(address), self._everybody())

    def _everybody(self) -> tuple[str, int, int, int, bytes]:
        return self._vantage.interface, ETH_P_ARP, 0, 0, _EVERYBODY

    def _question(self, address: str) -> bytes:
        return _PACKET.pack(
            _ETHERNET,
            _IPV4,
            len(_EVERYBODY),
            4,
            _REQUEST,
            self._hardware,
            socket.inet_aton(self._vantage.address),
            bytes(6),
            socket.inet_aton(address),
        )

    def answers(self) -> tuple[tuple[str, str], ...]:
        """Return pairs of an address that was asked for and the hardware address that answered."""
        found: dict[tuple[str, str], None] = {}
        self._sock.settimeout(0.0)
        for _ in range(READ_LIMIT):
            try:
                packet, (_, _, kind, *_) = self._sock.recvfrom(_PACKET.size)
            except OSError:  # nothing more has come
                break
            answer = read_reply(packet)
            if answer and kind != OUTGOING and answer[0] in self._asked:
                found[answer] = None
        return tuple(found)

    def close(self) -> None:
        """Give the socket back."""
        give_back(self._sock)


def read_reply(packet: bytes) -> tuple[str, str] | None:
    """Read whose address a reply tells, and the hardware address; None where it is none."""
    if len(packet) < _PACKET.size:
        return None
    kind, protocol, size, width, operation, hardware, address, *_ = _PACKET.unpack_from(packet)
    if (kind, protocol, size, width, operation) != (_ETHERNET, _IPV4, 6, 4, _REPLY):
        return None
    return socket.inet_ntoa(address), hardware.hex(":")


def open_asker(
    vantage: Vantage,
    hardware: bytes,
    new_socket: Callable[..., socket.socket] = socket.socket,
) -> Asker | None:
    """Open an asker on the vantage's interface; None where that is not possible."""
    try:
        sock = new_socket(AF_PACKET, socket.SOCK_DGRAM, 0)
    except OSError:
        return None
    try:
        attach_filter(sock, reply_filter())
        sock.bind((vantage.interface, ETH_P_ARP))
        return Asker(sock, vantage, hardware)
    except (OSError, ValueError):
        sock.close()
        return None
