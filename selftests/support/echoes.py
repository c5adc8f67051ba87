"""Echo replies and ICMP errors as they come, and a socket that plays them back."""

from __future__ import annotations

import errno
import socket
import struct
from collections import deque
from typing import Any

from cube_acceptance.probes.net.checksum import checksum
from cube_acceptance.probes.net.echo import build_request

ADDRESS = "192.0.2.50"
ROUTER = "192.0.2.1"
IDENTIFIER = 0x4711
PAYLOAD = b"sixteen bytes..."


def reply(sequence: int = 1, identifier: int = IDENTIFIER, payload: bytes = PAYLOAD) -> bytes:
    """Write an echo reply."""
    return summed(struct.pack("!BBHHH", 0, 0, 0, identifier, sequence) + payload)


def summed(message: bytes) -> bytes:
    """Put the checksum of an ICMP message into its place."""
    unsummed = message[:2] + b"\0\0" + message[4:]
    return message[:2] + checksum(unsummed).to_bytes(2, "big") + message[4:]


def reply_to(request: bytes) -> bytes:
    """Write the reply to an echo request."""
    return summed(b"\0\0\0\0" + request[4:])


def ip_header(destination: str = ADDRESS, protocol: int = 1, options: bytes = b"") -> bytes:
    """Write an IPv4 header."""
    first = 0x45 + len(options) // 4
    fixed = struct.pack("!BBHHHBBH", first, 0, 0, 0, 0, 64, protocol, 0)
    return fixed + bytes(4) + socket.inet_aton(destination) + options


def error(
    icmp_type: int = 3,
    code: int = 1,
    *,
    destination: str = ADDRESS,
    protocol: int = 1,
    request: bytes | None = None,
) -> bytes:
    """Write an ICMP error that quotes a request."""
    quoted = build_request(IDENTIFIER, 2, PAYLOAD) if request is None else request
    head = struct.pack("!BBHI", icmp_type, code, 0, 0)
    return head + ip_header(destination, protocol) + quoted[:8]


class FakeSocket:
    """A socket that plays back what a test lays out."""

    def __init__(self, *packets: tuple[bytes, str] | OSError, number: int = IDENTIFIER) -> None:
        """Lay out what receiving brings, in order; then nothing."""
        self.packets: deque[tuple[bytes, str] | OSError] = deque(packets)
        self.errors: deque[tuple[Any, ...]] = deque()
        """The errors that are queued: what is quoted, the notes and, where known, who was asked."""
        self.refusal: OSError | None = None
        self.sent: list[tuple[bytes, tuple[str, int]]] = []
        self.options: list[tuple[int, int]] = []
        self.limits: list[float] = []
        self.notes: list[tuple[int, int, bytes]] = []
        """What the system notes at every packet."""
        self.closed = False
        self._number = number

    def setsockopt(self, level: int, option: int, _value: object) -> None:
        """Remember that it was set."""
        self.options.append((level, option))

    def getsockname(self) -> tuple[str, int]:
        """Return the identifier that the kernel chose."""
        return "192.0.2.10", self._number

    def settimeout(self, limit_s: float) -> None:
        """Remember the limit."""
        self.limits.append(limit_s)

    def gettimeout(self) -> float | None:
        """Return the limit."""
        return self.limits[-1] if self.limits else None

    def sendto(self, packet: bytes, target: tuple[str, int]) -> None:
        """Send, or refuse to."""
        if self.refusal:
            raise self.refusal
        self.sent.append((packet, target))

    def recvmsg(
        self, _size: int, _notes: int, flags: int = 0
    ) -> tuple[bytes, list[tuple[int, int, bytes]], int, tuple[str, int]]:
        """Return the next packet, or the next queued error."""
        if flags:
            assert self.limits[-1] == 0, "with a limit, Python waits for the error queue"
            if not self.errors:
                raise BlockingIOError
            quoted, notes, *asked = self.errors.popleft()
            return quoted, notes, 0, (*asked, ("", 0))[0]
        if not self.packets:
            raise TimeoutError
        packet = self.packets.popleft()
        if isinstance(packet, OSError):
            raise packet
        return packet[0], self.notes, 0, (packet[1], 0)

    def close(self) -> None:
        """Remember it."""
        self.closed = True


def note(icmp_type: int = 3, code: int = 1, origin: int = 2, offender: str = ROUTER) -> bytes:
    """Write what Linux says in its error queue (ip(7))."""
    extended = struct.pack("=IBBBBII", errno.EHOSTUNREACH, origin, icmp_type, code, 0, 0, 0)
    return extended + struct.pack("=H2x4s8x", socket.AF_INET, socket.inet_aton(offender))
