"""ICMP sockets, raw or datagram, over which echo requests go to one address or to many.

All who ask over one socket have one identifier. Whose a reply is, its payload says, of which
everybody has one of their own; a reply with a payload that nobody sent belongs to whom it comes
from, and an ICMP error to whom the address belongs that it quotes. Of many raw sockets the kernel
gives every ICMP packet to each.
"""

from __future__ import annotations

import contextlib
import errno
import secrets
import socket
import struct
import sys
import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from cube_acceptance.probes.net.bpf import assemble, attach_filter
from cube_acceptance.probes.net.echo import (
    ECHO,
    ECHO_HEADER_SIZE,
    ECHO_REPLY,
    IP_HEADER_SIZE,
    TIME_EXCEEDED,
    Arrival,
    Reader,
    about,
    build_request,
    new_payload,
    not_sent,
    strip_ip_header,
)
from cube_acceptance.probes.net.errors import (
    IP_RECVERR,
    UNREACHABLE,
    CannotAskError,
    icmp_errors,
    words,
)
from cube_acceptance.probes.net.receive import OVERTIME_LIMIT, PAUSE_S, receive
from cube_acceptance.probes.net.sockets import bind_interface
from cube_acceptance.probes.net.together import Sockets, Wire
from cube_acceptance.probes.net.vantage import source_for

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cube_acceptance.evidence import Vantage
    from cube_acceptance.probes.net.echo import Method

RECEIVE_LIMIT = 4096
"""How many bytes of one packet are read."""
_SO_TIMESTAMPNS = 35  # asm-generic/socket.h; SCM_TIMESTAMPNS is the same number
_TIMESTAMP = struct.Struct("@ll")  # struct timespec
_NANOSECONDS = 1_000_000_000
_NOTES_SIZE = 512
_ERROR_LIMIT = 64
"""How many queued ICMP errors are read at once."""

_NO_SUCH_SOCKET = frozenset(
    {errno.EPERM, errno.EACCES, errno.EPROTONOSUPPORT, errno.ESOCKTNOSUPPORT, errno.EAFNOSUPPORT}
)

KINDS: tuple[tuple[socket.SocketKind, Method], ...]
KINDS = ((socket.SOCK_RAW, "raw"), (socket.SOCK_DGRAM, "datagram"))
"""The sockets that a user may have, the best first."""


def open_socket(vantage: Vantage, address: str, kind: socket.SocketKind) -> socket.socket | None:
    """Open an ICMP socket bound to the vantage; None where this user may not have one.

    Raises:
        CannotAskError: see :func:`~cube_acceptance.probes.net.sockets.source_for`.
    """
    source = source_for(vantage, address, ECHO)
    sock = None
    try:
        sock = socket.socket(socket.AF_INET, kind, socket.IPPROTO_ICMP)
        bind_interface(sock, vantage)
        sock.bind((source, 0))
    except OSError as error:
        if sock:
            sock.close()
        if error.errno in _NO_SUCH_SOCKET:
            return None
        raise CannotAskError("off-link", f"no ICMP socket: {words(error)}") from error
    return sock


def filter_program(identifier: int) -> bytes:
    """Write a packet filter that lets through what can be about our requests.

    A raw socket is given every ICMP packet of this computer; beside many other probes that is
    more than a program can read. Echo replies pass with our identifier, errors when the packet
    that they quote has it. Our own requests, which loopback shows as well, do not pass.
    """
    quoted_identifier = ECHO_HEADER_SIZE + IP_HEADER_SIZE + 4
    return assemble(
        (
            ("header", 0),
            ("byte of", 0),  # the type of the message
            ("=", ECHO_REPLY, "reply", ""),
            ("=", UNREACHABLE, "error", ""),
            ("=", TIME_EXCEEDED, "error", "drop"),
            "reply",
            ("half of", 4),
            ("=", identifier, "pass", "drop"),
            "error",
            ("half of", quoted_identifier),
            ("=", identifier, "", "drop"),
            "pass",
            ("return", 0xFFFF),
            "drop",
            ("return", 0),
        )
    )


def age(notes: Iterable[tuple[int, int, bytes]], now_ns: int) -> float | None:
    """Return how many seconds ago a packet came, as Linux noted it; None where it noted nothing."""
    for level, kind, data in notes:
        known = (level, kind) == (socket.SOL_SOCKET, _SO_TIMESTAMPNS)
        if known and len(data) == _TIMESTAMP.size:
            seconds, nanoseconds = _TIMESTAMP.unpack(data)
            age_ns: int = now_ns - seconds * _NANOSECONDS - nanoseconds
            return age_ns / _NANOSECONDS
    return None


class EchoSocket:
    """A socket for echo requests, and the wires of all who ask over it."""

    def __init__(
        self, sock: socket.socket, method: Method, platform: str = sys.platform, *, kept: bool
    ) -> None:
        """Take over a bound socket; it is closed with the last wire, unless somebody keeps it.

        On Linux a datagram socket's identifier is the kernel's choice, what it receives is that
        identifier's only and without the IP header, and ICMP errors come through its error queue.
        """
        linux = platform.startswith("linux")
        self.sock = sock
        self.method: Method = method
        self.platform = platform
        self.identifier = secrets.randbits(16)
        self.fresh: set[SocketWire] = set()
        if linux:
            with contextlib.suppress(OSError):  # a sandbox may not know it
                sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        if linux and method == "datagram":
            sock.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
            self.identifier = sock.getsockname()[1]
        elif linux:
            attach_filter(sock, filter_program(self.identifier))
        self._bare = linux and method == "datagram"
        self._kept = kept
        self._by_address: dict[str, SocketWire] = {}
        self._by_payload: dict[bytes, SocketWire] = {}

    def join(self, wire: SocketWire, address: str, payload: bytes) -> None:
        """Let a wire ask an address."""
        self._by_address[address] = self._by_payload[payload] = wire

    def leave(self, wire: SocketWire, address: str, payload: bytes) -> None:
        """Let it ask no longer."""
        del self._by_address[address], self._by_payload[payload]
        self.fresh.discard(wire)
        if not self._by_address and not self._kept:
            self.sock.close()

    def send(self, packet: bytes, address: str) -> None:
        """Send one packet.

        Raises:
            OSError: it cannot be sent.
        """
        self._read_errors()  # a waiting error would be taken for a failure to send
        self.sock.sendto(packet, (address, 0))

    def read(self, limit_s: float) -> bool:
        """Wait for one packet and hand it to its wire; False where none came.

        What is wrong with the socket belongs to none of many. It is waited out, since it may come
        again at once.
        """
        try:
            received = receive(
                self.sock, limit_s, partial(self.sock.recvmsg, RECEIVE_LIMIT, _NOTES_SIZE)
            )
        except OSError:
            if self._read_errors():
                return True
            time.sleep(min(max(limit_s, 0.0), PAUSE_S))
            return False
        if received is None:
            return False
        packet, notes, _, (source, _) = received
        message = packet if self._bare else strip_ip_header(packet)
        if wire := self._about(message, source):
            wire.take(message, source, notes)
            self.fresh.add(wire)
        return True

    def _about(self, message: bytes, source: str) -> SocketWire | None:
        """Find whom a packet is about; None where that is nobody."""
        asked = about(message)
        known = None if asked else self._by_payload.get(message[ECHO_HEADER_SIZE:])
        return known or self._asking(asked or source)

    def _asking(self, address: str) -> SocketWire | None:
        """Find who asks an address; who is alone is given all."""
        if len(self._by_address) == 1:
            return next(iter(self._by_address.values()))
        return self._by_address.get(address)

    def _read_errors(self) -> bool:
        """Read the queue of ICMP errors that a Linux datagram socket has."""
        found = icmp_errors(self.sock, _ERROR_LIMIT) if self._bare else ()
        for error in found:
            wire = self._asking(error.asked)
            if wire and error.kind in {UNREACHABLE, TIME_EXCEEDED}:
                wire.take_error(error.kind, error.code, error.sender, error.quoted)
                self.fresh.add(wire)
        return any(wire.waiting for wire in self.fresh)


class SocketWire(Wire[Arrival]):
    """Echo requests to one address over a socket, which others may share."""

    reading_limit = OVERTIME_LIMIT

    def __init__(self, shared: EchoSocket, address: str) -> None:
        """Join those who ask over the socket."""
        super().__init__(shared)
        self.method = shared.method
        self.identifier = shared.identifier
        self._shared = shared
        self._address = address
        self._opened = time.monotonic()
        self._reader = Reader(address, shared.identifier, new_payload())
        shared.join(self, address, self._reader.payload)

    def request(self, sequence: int) -> bytes:
        """Return a request's bytes."""
        return build_request(self._reader.identifier, sequence, self._reader.payload)

    def send(self, sequence: int) -> float:
        """Send one request; see :meth:`Wire.send`."""
        try:
            self._shared.send(self.request(sequence), self._address)
        except OSError as error:
            self.waiting.append(not_sent(error, sequence, self._shared.platform))
        return 0.0

    def take(self, message: bytes, source: str, notes: Iterable[tuple[int, int, bytes]]) -> None:
        """Take a packet that was read; one that means nothing is one, too."""
        read = self._reader.read(message, source)
        arrival = read or Arrival(moment=time.monotonic(), source=source)
        self.waiting.append(self._dated(arrival, notes))

    def take_error(self, kind: int, code: int, source: str, quoted: bytes) -> None:
        """Take an ICMP error that the system has queued, if it is about a request of ours."""
        if arrival := self._reader.read_error(kind, code, source, quoted):
            self.waiting.append(arrival)

    def _dated(self, arrival: Arrival, notes: Iterable[tuple[int, int, bytes]]) -> Arrival:
        """Date an arrival by what the system has noted, unless the clock was set meanwhile."""
        # Both clocks at once: what keeps this program from running in between would count as age.
        age_s, now_s = age(notes, time.time_ns()), time.monotonic()
        if age_s is None or not 0.0 <= age_s <= now_s - self._opened:
            return arrival
        return replace(arrival, moment=now_s - age_s, timed=True)

    def close(self) -> None:
        """Leave the socket."""
        self._shared.leave(self, self._address, self._reader.payload)


def open_shared(
    vantage: Vantage, address: str, platform: str = sys.platform, *, kept: bool = False
) -> EchoSocket | None:
    """Open the best socket that this user may have; None where that is none.

    Raises:
        CannotAskError: see :func:`open_socket`.
    """
    for kind, method in KINDS:
        if sock := open_socket(vantage, address, kind):
            return EchoSocket(sock, method, platform, kept=kept)
    return None


class EchoSockets(Sockets[EchoSocket]):
    """What lets one thread ask many addresses for echoes."""

    def open(self, vantage: Vantage, address: str) -> SocketWire:
        """Open a wire to one of them.

        Raises:
            CannotAskError: as for :func:`open_socket`, or no socket can be had any more.
        """

        def open_one() -> EchoSocket:
            shared = open_shared(vantage, address, kept=True)
            if shared is None:
                raise CannotAskError("not-permitted", "this user may open no ICMP socket any more")
            return shared

        return SocketWire(self.of(source_for(vantage, address, ECHO), open_one), address)


def may_share(platform: str = sys.platform) -> bool:
    """Whether this user may open a socket for echo requests; Windows has another way."""
    if platform == "win32":
        return False
    for kind, _ in KINDS:
        with contextlib.suppress(OSError):
            socket.socket(socket.AF_INET, kind, socket.IPPROTO_ICMP).close()
            return True
    return False
