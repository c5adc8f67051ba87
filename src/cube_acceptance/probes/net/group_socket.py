"""UDP sockets for questions to link-local multicast groups, about one host or about many.

Whose a reply is, its id says: no two questions have the same that are put over one socket. What
bears none of them belongs to whom it comes from, and what nobody else's is to who asks everybody.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cube_acceptance.probes.net.commands import show_route
from cube_acceptance.probes.net.dns_message import ID_SIZE
from cube_acceptance.probes.net.errors import CannotAskError
from cube_acceptance.probes.net.receive import receive_from_any
from cube_acceptance.probes.net.sockets import bind_interface, opening, port_of, usable
from cube_acceptance.probes.net.together import Sockets, Wire
from cube_acceptance.probes.net.vantage import on_link, source_for

if TYPE_CHECKING:
    from collections.abc import Collection

    from cube_acceptance.evidence import Vantage
    from cube_acceptance.probes.net.measuring import Stopwatch

HOPS = 255
"""The TTL of what is sent (RFC 6762 section 11, RFC 4795 section 2.5)."""
OVERTIME_LIMIT = 4096
"""How many packets are read that wait when a window closes: hundreds of hosts answer at once."""
ROOM = 4 * 1024 * 1024
"""Bytes of replies that may wait to be read when everybody answers; the system may allow less."""
EVERYBODY = ""
"""Stands for the host of who asks all hosts of the link."""


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


class GroupSocket:
    """A socket for questions to groups, and the wires of all who ask over it."""

    def __init__(self, sock: socket.socket, *, kept: bool) -> None:
        """Take over a bound socket; it is closed with the last wire, unless somebody keeps it."""
        self.sock = sock
        self.fresh: set[GroupWire] = set()
        self.by_id: dict[int, GroupWire] = {}
        self._by_host: dict[str, GroupWire] = {}
        self._kept = kept

    def join(self, wire: GroupWire, host: str) -> None:
        """Let a wire ask about a host."""
        self._by_host[host] = wire

    def leave(self, wire: GroupWire, host: str, numbers: Collection[int]) -> None:
        """Let it ask no longer."""
        del self._by_host[host]
        for number in numbers:
            del self.by_id[number]
        self.fresh.discard(wire)
        if not self._by_host and not self._kept:
            self.sock.close()

    def read(self, limit_s: float) -> bool:
        """Wait for one packet and hand it to its wire; False where none came."""
        received = receive_from_any(self.sock, limit_s)
        if received is None:
            return False
        packet, (address, port) = received
        if wire := self._about(packet, address):
            wire.waiting.append(Arrival(packet, address, port, wire.watch.elapsed()))
            self.fresh.add(wire)
        return True

    def _about(self, packet: bytes, address: str) -> GroupWire | None:
        """Find whose a packet is; None where it is nobody's. Who is alone is given all."""
        if len(self._by_host) == 1:
            return next(iter(self._by_host.values()))
        asked = self.by_id.get(int.from_bytes(packet[:ID_SIZE], "big"))
        return asked or self._by_host.get(address) or self._by_host.get(EVERYBODY)


class GroupWire(Wire[Arrival]):
    """Questions about one host over a socket, which others may share."""

    reading_limit = OVERTIME_LIMIT

    def __init__(self, shared: GroupSocket, host: str, watch: Stopwatch) -> None:
        """Join those who ask over the socket; ``watch`` tells when a packet came."""
        super().__init__(shared)
        self.shared = shared
        self.watch = watch
        self._host = host
        self._numbers: set[int] = set()
        shared.join(self, host)

    @property
    def port(self) -> int:
        """The port that replies come to."""
        return port_of(self.shared.sock)

    def send(self, number: int, packet: bytes, to: tuple[str, int]) -> None:
        """Send a question whose id is ``number``.

        Raises:
            OSError: it cannot be sent.
        """
        self._numbers.add(number)
        self.shared.by_id[number] = self
        self.shared.sock.sendto(packet, to)

    def close(self) -> None:
        """Leave the socket."""
        self.shared.leave(self, self._host, self._numbers)


def source_of(vantage: Vantage, host: str) -> str:
    """Return the address that questions about a host leave from.

    Raises:
        CannotAskError: the host is not on the vantage's link, or is reached by another interface.
    """
    if not on_link(vantage, host):
        detail = f"{host} is not in a network of {vantage.interface}"
        raise CannotAskError("off-link", detail, show_route(host))
    return source_for(vantage, host)


def open_socket(vantage: Vantage, source: str) -> socket.socket:
    """Open a UDP socket that sends to link-local groups from the vantage.

    It has an ephemeral port, belongs to no group and needs no route to the group.

    Raises:
        CannotAskError: the interface cannot be used.
    """
    with opening(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as sock, usable(vantage):
        bind_interface(sock, vantage)
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(source))
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, HOPS)
        sock.bind((source, 0))
    return sock


def open_group(vantage: Vantage, host: str, watch: Stopwatch) -> GroupWire:
    """Open a socket for questions about one host.

    Raises:
        CannotAskError: see :func:`source_of` and :func:`open_socket`.
    """
    sock = open_socket(vantage, source_of(vantage, host))
    return GroupWire(GroupSocket(sock, kept=False), host, watch)


class GroupSockets(Sockets[GroupSocket]):
    """What lets one thread ask about many hosts."""

    def open(
        self, vantage: Vantage, host: str, watch: Stopwatch, *, everybody: bool = False
    ) -> GroupWire:
        """Open a wire for questions about a host, or to everybody on its link.

        Raises:
            CannotAskError: see :func:`source_of` and :func:`open_socket`.
        """
        source = source_of(vantage, host)

        def open_one() -> GroupSocket:
            sock = open_socket(vantage, source)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, ROOM)
            return GroupSocket(sock, kept=True)

        return GroupWire(self.of(source, open_one), EVERYBODY if everybody else host, watch)
