"""Send a few paced echo requests and tell what came of each: RFC 792, RFC 1122 section 3.2.2.6.

Three ways onto the wire, in this order. A *raw* socket needs root or ``CAP_NET_RAW``. A *datagram*
socket needs this user's group in ``net.ipv4.ping_group_range`` (Linux) and no right at all on
macOS. The system's ``ping`` *command* has the right by itself; there the next request waits until
the command has ended. All keep the pace of :mod:`cube_acceptance.probes.pace`.

A reply counts when it comes from the address asked with our identifier, sequence number and
payload, and within the time limit of its request. An ICMP error counts when it quotes our request,
whoever sent it; it may come later than that, since a system takes some seconds to find out that a
neighbour is not there.
"""

from __future__ import annotations

import collections
import contextlib
import errno
import os
import re
import secrets
import shutil
import socket
import struct
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

import msgspec

from cube_acceptance.evidence import (
    RAW_LIMIT,
    CannotMeasure,
    Echo,
    Ignored,
    PingObserved,
    Trouble,
    Try,
    Vantage,
)
from cube_acceptance.probes.link import (
    CLOSED_CODES,
    PROHIBITED_CODES,
    UNREACHABLE,
    CannotAskError,
    Stopwatch,
    bind_interface,
    measured,
    source_for,
)
from cube_acceptance.probes.pace import INTERVAL_S, Pace

if TYPE_CHECKING:
    from collections.abc import Callable

Method = Literal["raw", "datagram", "command"]
Result = Literal["reply", "silence", "unreachable", "prohibited", "wrong-host"]

COUNT = 4
"""How many echo requests are sent."""
WAIT_S = 2.0
"""How long a reply may take."""
PATIENCE_S = 60.0
"""How long to wait for one turn while others on this computer ask the same address."""
COURTESY_S = 0.02
"""How long who has just sent steps back, so that others who wait come first."""
IGNORED_LIMIT = 32
"""How many packets that do not count are kept."""
RECEIVE_LIMIT = 4096
"""How many bytes of one packet are read."""
OUTPUT_LIMIT = 2048
"""How many characters of the command's output are read."""
COMMAND_GRACE_S = 3.0
"""How much longer than its own time limit the command may take to start and to end."""

PERMIT = 'sudo sysctl -w net.ipv4.ping_group_range="0 2147483647"'
"""Lets everybody on a Linux computer use datagram ICMP sockets."""

ECHO_REPLY = 0
ECHO_REQUEST = 8
TIME_EXCEEDED = 11
_ECHO = struct.Struct("!BBHHH")  # RFC 792: type, code, checksum, identifier, sequence number
_ICMP = 1  # RFC 790
_IP_HEADER_SIZE = 20  # RFC 791 section 3.1
_NONCE_SIZE = 16
_SIGNATURE = b"cube-acceptance echo request"
"""Tells the administrator who looks at the wire what this is."""

_IP_RECVERR = 11  # linux/in.h; the socket module does not name it
_MSG_ERRQUEUE = 0x2000  # linux/socket.h
_SO_EE_ORIGIN_ICMP = 2  # linux/errqueue.h
_EXTENDED_ERROR = struct.Struct("=IBBBBII")  # struct sock_extended_err
_SOCKET_ADDRESS = struct.Struct("=H2x4s8x")  # struct sockaddr_in
_SO_ATTACH_FILTER = 26  # asm-generic/socket.h
_FILTER_STEP = struct.Struct("=HBBI")  # linux/filter.h, struct sock_filter
_PAUSE_S = 0.05
"""How long to wait after a failed reception, which may fail again at once."""

_FORBIDDEN = frozenset({errno.EPERM, errno.EACCES})
_NO_ROUTE = frozenset({errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN})
_NO_SUCH_SOCKET = frozenset(
    {errno.EPERM, errno.EACCES, errno.EPROTONOSUPPORT, errno.ESOCKTNOSUPPORT, errno.EAFNOSUPPORT}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """What was received: something about one of our requests, or a packet with no meaning."""

    moment: float
    """When, by ``time.monotonic``."""
    source: str
    sequence: int | None = None
    """Which request it belongs to; None where it does not count, and ``detail`` says why."""
    result: Result = "silence"
    detail: str = ""
    code: int | None = None
    """The code of an ICMP destination unreachable message."""
    rtt_s: float | None = None
    """The round trip where the way onto the wire has measured it itself."""
    raw: bytes = b""


class Wire(Protocol):
    """A way to send echo requests to one address and to hear of them."""

    @property
    def method(self) -> Method:
        """What it is, for the evidence."""
        ...

    def send(self, sequence: int) -> float:
        """Send one request; give how many seconds ago it left at the latest.

        Raises:
            CannotAskError: this computer does not let it go.
        """
        ...

    def request(self, sequence: int) -> bytes:
        """Give a request's bytes, for the evidence; empty where they are not known."""
        ...

    def receive(self, limit_s: float) -> Arrival | None:
        """Wait at most ``limit_s`` seconds for one arrival."""
        ...

    def close(self) -> None:
        """Give back what it holds."""
        ...


# Messages


def checksum(data: bytes) -> int:
    """Compute the Internet checksum (RFC 1071) of an even number of bytes.

    The ones' complement sum of 16-bit words is the remainder modulo 65535 of the whole number.
    """
    return 0xFFFF - int.from_bytes(data, "big") % 0xFFFF


def build_request(identifier: int, sequence: int, payload: bytes) -> bytes:
    """Write an echo request (RFC 792)."""
    unsummed = _ECHO.pack(ECHO_REQUEST, 0, 0, identifier, sequence) + payload
    summed = _ECHO.pack(ECHO_REQUEST, 0, checksum(unsummed), identifier, sequence)
    return summed + payload


def strip_ip_header(packet: bytes) -> bytes:
    """Give what follows the IPv4 header (RFC 791 section 3.1); empty where there is nothing."""
    size = (packet[0] & 0x0F) * 4 if packet else 0
    return packet[size:] if size >= _IP_HEADER_SIZE else b""


def error_result(icmp_type: int, code: int) -> Result:
    """Say what an ICMP error means: no way there, or somebody forbids it.

    A closed port or protocol is what packet filters say by default; no host says it of an echo.
    """
    if icmp_type == UNREACHABLE and code in PROHIBITED_CODES | CLOSED_CODES:
        return "prohibited"
    return "unreachable"


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads ICMP messages and finds out which of our requests they are about."""

    address: str
    identifier: int
    payload: bytes

    def read(self, message: bytes, source: str, moment: float) -> Arrival:
        """Read one ICMP message; never raises, whatever the bytes."""
        arrival = Arrival(moment=moment, source=source, raw=message[:RAW_LIMIT])
        if len(message) < _ECHO.size:
            return msgspec_replace(arrival, detail="too short for ICMP")
        return arrival


def msgspec_replace(arrival: Arrival, detail: str) -> Arrival:
    return arrival
