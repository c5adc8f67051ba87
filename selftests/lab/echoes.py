"""A host that answers echo requests in a crooked way, or says by ICMP why it does not.

    python -m selftests.lab.echoes 10.20.0.50 after:1900

It wants to be alone: ``net.ipv4.icmp_echo_ignore_all`` switches the system's own replies off. When
it is ready it holds the UDP port of the Echo service (RFC 862), which answers nobody. A reply from
another address comes from :data:`OTHER`, which this host has to have as well.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import os
import socket
import struct
import sys
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    Answer = Callable[..., list["Reply"]]

OTHER = "10.20.0.77"
ECHO_PORT = 7
IP_HEADER_SIZE = 20
ICMP_HEADER_SIZE = 8
REPLY, UNREACHABLE, QUENCH, REDIRECT, REQUEST = 0, 3, 4, 5, 8
"""ICMP types (RFC 792)."""
SOON_S = 0.05
HASTE = -15
"""Added to the niceness: a reply just in time must not wait for the other plants' programs."""


@dataclass(frozen=True, slots=True)
class Request:
    """An echo request and how many came before."""

    packet: bytes
    """With its IP header, which an ICMP error quotes."""
    number: int
    """1 for the first one."""

    @property
    def kind(self) -> int:
        """The ICMP type."""
        return self.packet[IP_HEADER_SIZE]

    @property
    def numbers(self) -> bytes:
        """Identifier and sequence number."""
        return self.packet[IP_HEADER_SIZE + 4 : IP_HEADER_SIZE + ICMP_HEADER_SIZE]

    @property
    def payload(self) -> bytes:
        """What the reply has to repeat."""
        return self.packet[IP_HEADER_SIZE + ICMP_HEADER_SIZE :]


@dataclass(frozen=True, slots=True)
class Reply:
    """An ICMP message to send, so many seconds after the request came."""

    message: bytes
    after_s: float = 0.0
    by_another: bool = False


def message(kind: int, code: int, numbers: bytes, body: bytes, spoilt: int = 0) -> bytes:
    """Write an ICMP message; ``spoilt`` is added to its checksum (RFC 1071)."""
    unsummed = struct.pack("!BBH", kind, code, 0) + numbers + body
    padded = unsummed + b"\0" * (len(unsummed) % 2)
    total = 0xFFFF - int.from_bytes(padded, "big") % 0xFFFF
    return struct.pack("!BBH", kind, code, (total + spoilt) & 0xFFFF) + numbers + body


def echo(request: Request, payload: bytes | None = None) -> bytes:
    """Write the reply to an echo request, with another payload where one is given."""
    return message(REPLY, 0, request.numbers, request.payload if payload is None else payload)


def error(request: Request, kind: int, code: int) -> bytes:
    """Write an ICMP error about an echo request."""
    quoted = request.packet[: IP_HEADER_SIZE + ICMP_HEADER_SIZE]
    return message(kind, code, bytes(4), quoted)


def changed(request: Request, place: int) -> bytes:
    """Write a reply with one bit of its identifier or of its sequence number changed."""
    numbers = bytearray(request.numbers)
    numbers[place] ^= 0x40
    return message(REPLY, 0, bytes(numbers), request.payload)


ANSWERS: dict[str, Answer] = {
    "first-only": lambda request: [Reply(echo(request))] * (request.number == 1),
    "fourth-only": lambda request: [Reply(echo(request))] * (request.number == 4),
    "after": lambda request, milliseconds: [Reply(echo(request), milliseconds / 1000)],
    "twice": lambda request: [Reply(echo(request))] * 2,
    "payload-changed": lambda request: [Reply(echo(request, request.payload[:-1] + b"!"))],
    "payload-cut": lambda request: [Reply(echo(request, request.payload[:8]))],
    "payload-longer": lambda request: [Reply(echo(request, request.payload + b"more"))],
    "identifier": lambda request: [Reply(changed(request, 0))],
    "sequence": lambda request: [Reply(changed(request, 2))],
    "checksum": lambda request: [
        Reply(message(REPLY, 0, request.numbers, request.payload, spoilt=1))
    ],
    "another-first": lambda request: [
        Reply(echo(request), by_another=True),
        Reply(echo(request), SOON_S),
    ],
    "advice-first": lambda request: [
        Reply(error(request, QUENCH, 0)),
        Reply(error(request, REDIRECT, 1)),
        Reply(echo(request), SOON_S),
    ],
    "error": lambda request, kind, code: [Reply(error(request, kind, code))],
    "error-first": lambda request, kind, code: [
        Reply(error(request, kind, code)),
        Reply(echo(request), SOON_S),
    ],
}
"""What a request brings, by the name of the behaviour; numbers follow it after a colon."""


def serve(address: str, answer: Answer) -> None:
    """Answer echo requests until the process is ended."""
    due: list[tuple[float, int, Callable[[], object]]] = []
    order = itertools.count()
    with contextlib.ExitStack() as opened:
        raw = (socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        sock, other = (opened.enter_context(socket.socket(*raw)) for _ in range(2))
        sock.bind((address, 0))
        with contextlib.suppress(OSError):  # most behaviours do without it
            other.bind((OTHER, 0))
        ready = opened.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        ready.bind((address, ECHO_PORT))
        for number in itertools.count(1):
            request, source = wait_for_request(sock, number, due)
            for reply in answer(request):
                sender = other if reply.by_another else sock
                send = partial(sender.sendto, reply.message, (source, 0))
                heapq.heappush(due, (time.monotonic() + reply.after_s, next(order), send))


def wait_for_request(
    sock: socket.socket, number: int, due: list[tuple[float, int, Callable[[], object]]]
) -> tuple[Request, str]:
    """Send what is due until the next request comes."""
    while True:
        while due and due[0][0] <= time.monotonic():
            heapq.heappop(due)[2]()
        sock.settimeout(max(due[0][0] - time.monotonic(), 0.001) if due else None)
        with contextlib.suppress(TimeoutError):
            packet, (source, _) = sock.recvfrom(2048)
            request = Request(packet, number)
            if request.kind == REQUEST:
                return request, source


def main(address: str, behaviour: str) -> None:
    """Serve under one behaviour, ``error:3,1`` for instance."""
    os.nice(HASTE)
    name, _, numbers = behaviour.partition(":")
    values = [int(number) for number in numbers.split(",")] if numbers else []
    serve(address, lambda request: ANSWERS[name](request, *values))


if __name__ == "__main__":
    main(*sys.argv[1:])
