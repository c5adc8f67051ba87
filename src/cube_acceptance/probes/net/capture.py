"""See on the wire whether a question and its answer really passed there.

A local firewall, proxy, resolver or VPN can keep an answer back, or give one itself, and a socket
does not notice: the one looks like the network's silence, the other like the network's answer. A
packet socket (packet(7); Linux, root or ``CAP_NET_RAW``) sees what leaves behind all of that and
what arrives before it. Without that right nothing is seen and nothing is claimed.

One packet socket serves all exchanges that are under way; a thousand would slow every packet of
this computer.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import sys
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cube_acceptance.probes.net.bpf import (
    AF_PACKET,
    ETH_P_ALL,
    ETH_P_ARP,
    ETH_P_IP,
    OUTGOING,
    TO_US,
    assemble,
    attach_filter,
    give_back,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from cube_acceptance.probes.net.bpf import Step

HOPS = 68
"""The TTL of what is sent: more than the 64 of RFC 1340, so that questions can be told from those
that another program of this computer asks the same peer."""
UDP_PORTS = (53, 123, 5353, 5355)
"""The ports of the datagrams that are watched; a computer's others would be too many."""
SNAP = 96
"""Bytes of a packet that are read: the longest IPv4 header and the beginning of what follows."""
PACKET_LIMIT = 65536
"""How many packets are read at a look; a flood must not keep it reading."""
ROOM = 16 * 1024 * 1024
"""Bytes of packets that may wait to be read; the system may allow less."""

_SO_RCVBUFFORCE = 33  # asm-generic/socket.h
_SOL_PACKET, _STATISTICS = 263, 6  # linux/if_packet.h
_COUNTS = struct.Struct("=II")  # struct tpacket_stats: packets and drops
_PROTOCOL_OF_FRAME, _KIND_OF_PACKET = 0xFFFFF000, 0xFFFFF004  # linux/filter.h: SKF_AD_...
_LOOPBACK = "lo"
_FRAGMENT_OFFSET = 0x1FFF  # RFC 791
_FRAGMENT = struct.Struct("!6xH")
_MORE_FRAGMENTS = 0x2000
_PORTS = struct.Struct("!HH")  # RFC 768, RFC 9293: source, destination
_SEGMENT = struct.Struct("!4xIIxB")  # RFC 9293: numbers of sequence and acknowledgement, flags
_SYN, _RST, _ACK = 0x02, 0x04, 0x10
_ECHO = struct.Struct("!BxxxH")  # RFC 792: type, identifier
_ECHO_REPLY, _ECHO_REQUEST = 0, 8
_ERRORS = frozenset({3, 11})  # RFC 792: destination unreachable, time exceeded
_TOO_LARGE = b"\3\4"  # the type and code that end no exchange (RFC 1191)
_ICMP_HEADER_SIZE = 8
_ARP_OPERATION, _ARP_SENDER, _ARP_TARGET = slice(6, 8), slice(14, 18), slice(24, 28)
_ARP_REQUEST = b"\0\1"  # RFC 826, for Ethernet and IPv4

Key = tuple[str, int, int]
"""A peer's address, the protocol, and its port (0 for ICMP)."""


@dataclass(slots=True)
class Passed:
    """What has passed between this computer and one peer while somebody watched."""

    watchers: int = 0
    sent: set[tuple[str, int, int]] = field(default_factory=set)
    """Interface, own port or identifier of echo requests, and TTL, of what left."""
    heard: set[tuple[str, int]] = field(default_factory=set)
    """Interface and own port, or identifier, at which something whole arrived."""
    denied: set[tuple[str, int]] = field(default_factory=set)
    """Interface at which an ICMP error arrived, and own port of what could not be delivered."""
    begun: set[str] = field(default_factory=set)
    """Interfaces at which a first fragment arrived, which is nothing without the others."""
    numbers: dict[int, int] = field(default_factory=dict)
    """What an answer to a connection request acknowledges, by own port."""


def no_socket() -> socket.socket:
    """Refuse.

    Raises:
        OSError: always.
    """
    raise OSError("nothing is watched")


def packet_socket() -> socket.socket:
    """Open a packet socket that hears all interfaces.

    Raises:
        OSError: this user may not, or this is not Linux.
    """
    if not sys.platform.startswith("linux"):
        raise OSError("packet sockets are Linux's own")
    return socket.socket(AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_ALL))


class Recorder:
    """All that passes and is watched; open while anybody watches, or holds it from then on."""

    def __init__(self, new_socket: Callable[[], socket.socket] = packet_socket) -> None:
        """Watch nothing yet."""
        self._new_socket = new_socket
        self._lock = threading.Lock()
        self._sock: socket.socket | None = None
        self._missed = False
        self._holders = 0
        self._watched: dict[Key, Passed] = {}
        self._waiting: set[tuple[str, str]] = set()
        """Interface and address of whom ARP was asked for and who has not answered."""

    def hold(self) -> None:
        """Keep the socket, once somebody has watched, until :meth:`release`.

        To close one takes the system milliseconds, in which nobody else can begin to watch.
        """
        with self._lock:
            self._holders += 1

    def release(self) -> None:
        """Hold no longer."""
        with self._lock:
            self._holders -= 1
            self._close_unused()

    def watch(self, key: Key) -> None:
        """Begin to watch a peer."""
        with self._lock:
            # What passed before belongs to nobody, and if it was too much, nobody missed it.
            if not self._read() and not self._watched:
                self._close()
                self._open()
                self._read()  # nor does what came before the filter stood
            self._watched.setdefault(key, Passed()).watchers += 1

    def leave(self, key: Key) -> None:
        """End watching; the last one to leave closes the socket, unless somebody holds it."""
        with self._lock:
            self._watched[key].watchers -= 1
            if not self._watched[key].watchers:
                del self._watched[key]
            self._close_unused()

    def look(self, key: Key) -> Passed | None:
        """Return a copy of what has passed; None where something of it was missed."""
        with self._lock:
            if not self._read():
                return None
            passed = self._watched[key]
            return Passed(
                sent=set(passed.sent),
                heard=set(passed.heard),
                denied=set(passed.denied),
                begun=set(passed.begun),
            )

    def waits_for(self, interface: str, address: str) -> bool:
        """Whether ARP was asked for somebody who has not answered yet."""
        with self._lock:
            return (interface, address) in self._waiting

    def _close_unused(self) -> None:
        if not self._watched and not self._holders:
            self._close()

    def _close(self) -> None:
        if self._sock:
            give_back(self._sock)
            self._sock = None

    def _open(self) -> None:
        self._missed = False
        self._waiting.clear()
        try:
            sock = self._new_socket()
        except OSError:
            return
        try:
            sock.settimeout(0)
            attach_filter(sock, filter_program())
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, ROOM)
            with contextlib.suppress(PermissionError):
                sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, ROOM)
        except OSError:
            sock.close()
            return
        self._sock = sock

    def _read(self) -> bool:
        if self._sock is None or self._missed:
            return False
        try:
            for _ in range(PACKET_LIMIT):
                with contextlib.suppress(UnicodeError):  # an interface whose name is no text
                    packet, place = self._sock.recvfrom(SNAP)
                    self._note(packet, *place[:3])
        except BlockingIOError:
            counts = self._sock.getsockopt(_SOL_PACKET, _STATISTICS, _COUNTS.size)
            self._missed = bool(_COUNTS.unpack(counts)[1])
            return not self._missed
        except OSError:  # an interface went down
            pass
        self._missed = True
        return False

    def _note(self, packet: bytes, interface: str, frame: int, kind: int) -> None:
        try:
            if frame == ETH_P_ARP:
                self._note_arp(packet, interface, outgoing=kind == OUTGOING)
            elif frame == ETH_P_IP:
                self._note_ip(packet, interface, outgoing=kind == OUTGOING)
        except (struct.error, OSError, IndexError):  # cut short
            return

    def _note_arp(self, packet: bytes, interface: str, *, outgoing: bool) -> None:
        if not outgoing:
            self._waiting.discard((interface, socket.inet_ntoa(packet[_ARP_SENDER])))
        elif packet[_ARP_OPERATION] == _ARP_REQUEST:
            self._waiting.add((interface, socket.inet_ntoa(packet[_ARP_TARGET])))

    def _note_ip(self, packet: bytes, interface: str, *, outgoing: bool) -> None:
        peer = socket.inet_ntoa(packet[16:20] if outgoing else packet[12:16])
        body = packet[(packet[0] & 0x0F) * 4 :]
        protocol = packet[9]
        if protocol == socket.IPPROTO_ICMP:
            message, own = _ECHO.unpack_from(body)
            if message in _ERRORS and not outgoing:
                self._note_denial(body, interface)
            if message != (_ECHO_REQUEST if outgoing else _ECHO_REPLY):
                return
            port = 0
        else:
            source, destination = _PORTS.unpack_from(body)
            own, port = (source, destination) if outgoing else (destination, source)
        passed = self._watched.get((peer, protocol, port))
        if passed is None or (
            protocol == socket.IPPROTO_TCP and not _takes_up(passed, own, body, outgoing=outgoing)
        ):
            return
        if outgoing:
            passed.sent.add((interface, own, packet[8]))
        elif _FRAGMENT.unpack_from(packet)[0] & _MORE_FRAGMENTS:
            passed.begun.add(interface)
        else:
            passed.heard.add((interface, own))

    def _note_denial(self, message: bytes, interface: str) -> None:
        """Note an ICMP error about what is watched, whose beginning it repeats (RFC 792).

        What comes by the loopback interface is this computer's own idea.
        """
        packet = message[_ICMP_HEADER_SIZE:]
        own, port = _PORTS.unpack_from(packet, (packet[0] & 0x0F) * 4)
        passed = self._watched.get((socket.inet_ntoa(packet[16:20]), packet[9], port))
        if passed and interface != _LOOPBACK and message[:2] != _TOO_LARGE:
            passed.denied.add((interface, own))


def _takes_up(passed: Passed, own: int, body: bytes, *, outgoing: bool) -> bool:
    """Whether a segment is a connection request or takes one up.

    A system ignores whatever else arrives for it (RFC 9293 section 3.10.7.3).
    """
    number, acknowledged, flags = _SEGMENT.unpack_from(body)
    if outgoing:
        passed.numbers[own] = (number + 1) % 2**32
        return bool(flags & _SYN)
    return bool(flags & _ACK) and acknowledged == passed.numbers.get(own)


@dataclass(frozen=True, slots=True, kw_only=True)
class Capture:
    """What passes between this computer and one peer, as the recorder sees it."""

    recorder: Recorder
    interface: str
    """Where all of it should pass."""
    address: str
    """The peer's."""
    protocol: int
    port: int
    """The peer's; 0 for ICMP."""
    own: int
    """The port, or the identifier of echo requests, that an answer comes to."""
    next_hop: str
    """Who has to answer ARP before anything can be sent to the peer."""

    @property
    def key(self) -> Key:
        """What is watched."""
        return self.address, self.protocol, self.port

    def begin(self) -> None:
        """Watch from now on."""
        self.recorder.watch(self.key)

    def end(self) -> None:
        """Watch no longer."""
        self.recorder.leave(self.key)

    def diverted(self) -> str:
        """Say so where what looks like the peer's answer cannot be; empty where it can.

        An answer to any port will do: this computer may have changed the port on the way.
        """
        passed = self.recorder.look(self.key)
        if passed is None:
            return ""
        left = self._left(passed)
        arrived = self.interface in passed.begun | {interface for interface, _ in passed.heard}
        if left and arrived:
            return ""
        missing = "an answer arrived" if left else "the question left"
        return f"something on it answers in place of {self.address}: it is not seen that {missing}"

    def kept_back(self) -> str:
        """Say so where silence is this computer's doing; empty where it can be the network's."""
        passed = self.recorder.look(self.key)
        if passed is None:
            return ""
        if any(own == self.own for _, own in passed.heard | passed.denied):
            return f"what came from {self.address} did not get past it"
        if not self._left(passed) and not self.recorder.waits_for(self.interface, self.next_hop):
            return f"no question to {self.address} left it"
        return ""

    def _left(self, passed: Passed) -> bool:
        """Whether the question left by the interface.

        A resolver on this computer that took it may ask the same server itself; but this computer
        may also have changed the port on the way.
        """
        return any(
            interface == self.interface
            and (own == self.own or hops == HOPS or self.protocol == socket.IPPROTO_ICMP)
            for interface, own, hops in passed.sent
        )

    def other_interface(self) -> str:
        """Name the other interface at which an answer arrived instead; empty where none did.

        Who asks by one of two cards of the same network may be answered at the other. What comes
        by the loopback interface is no network's answer.
        """
        passed = self.recorder.look(self.key)
        heard = passed.heard | passed.denied if passed else set()
        places = {interface for interface, own in heard if own == self.own} - {_LOOPBACK}
        return "" if self.interface in places else min(places, default="")


def filter_program() -> bytes:
    """Write a packet filter for what can be watched: the beginnings of exchanges, and ARP.

    That is echo messages, the watched datagrams, connection requests and what takes them up; and
    of ARP what this computer asks and what is said to it alone. A computer's other packets would
    push out what is looked for.
    """
    ports: list[Step] = [("=", port, "pass", "") for port in UDP_PORTS]
    return assemble(
        (
            ("word", _PROTOCOL_OF_FRAME),
            ("=", ETH_P_ARP, "arp", ""),
            ("=", ETH_P_IP, "", "drop"),
            ("half", 6),  # flags and offset of a fragment
            ("&", _FRAGMENT_OFFSET, "drop", ""),
            ("header", 0),
            ("byte", 9),  # the protocol inside IP
            ("=", socket.IPPROTO_ICMP, "pass", ""),
            ("=", socket.IPPROTO_TCP, "tcp", ""),
            ("=", socket.IPPROTO_UDP, "", "drop"),
            ("half of", 0),  # the source port
            *ports,
            ("half of", 2),  # the destination port
            *ports,
            ("return", 0),
            "tcp",
            ("byte of", 13),  # the flags
            ("&", _SYN | _RST, "pass", "drop"),
            "arp",
            ("word", _KIND_OF_PACKET),
            ("=", OUTGOING, "pass", ""),
            ("=", TO_US, "pass", "drop"),
            "pass",
            ("return", SNAP),
            "drop",
            ("return", 0),
        )
    )


RECORDER = Recorder()
"""What passes on this computer's interfaces."""
BLIND = Recorder(no_socket)
"""Where nothing is watched: on the embedded site everything is this computer's own doing."""
