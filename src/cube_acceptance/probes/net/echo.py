"""Echo requests, whichever way they go: what is written, what may come back, what it means.

RFC 792. A reply counts when it comes from the address asked with our identifier, sequence number
and payload. An ICMP error counts when it quotes our request, whoever sent it.
"""

from __future__ import annotations

import errno
import secrets
import socket
import struct
import sys
import time
from dataclasses import dataclass
from typing import Literal, Protocol

from cube_acceptance.evidence import RAW_LIMIT
from cube_acceptance.probes.net.checksum import INTACT, checksum
from cube_acceptance.probes.net.errors import (
    FORBIDDEN,
    REFUSING_CODES,
    UNREACHABLE,
    cannot_send,
    forbidden,
    local_network,
    words,
)
from cube_acceptance.probes.net.routing import Flow

Method = Literal["raw", "datagram", "command", "service"]
Result = Literal["reply", "silence", "unreachable", "prohibited", "wrong-host"]

PERMIT = 'sudo sysctl -w net.ipv4.ping_group_range="0 2147483647"'
"""Lets everybody on a Linux computer use datagram ICMP sockets."""

ECHO = Flow(protocol=socket.IPPROTO_ICMP)
ECHO_REPLY = 0
ECHO_REQUEST = 8
TIME_EXCEEDED = 11
_ECHO = struct.Struct("!BBHHH")  # RFC 792: type, code, checksum, identifier, sequence number
ECHO_HEADER_SIZE = _ECHO.size
_ICMP = b"\x01"  # RFC 790: the protocol's number
IP_HEADER_SIZE = 20  # RFC 791 section 3.1
_ERRORS = frozenset({bytes([UNREACHABLE]), bytes([TIME_EXCEEDED])})
_NONCE_SIZE = 16
_SIGNATURE = b"cube-acceptance echo request"
"""Tells the administrator who looks at the wire what this is."""

_NO_ROUTE = frozenset({errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN})


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """What was received: something about one of our requests, or a packet with no meaning."""

    moment: float
    """When it was read, by ``time.monotonic``; when it came, where that is known."""
    source: str
    sequence: int | None = None
    """Which request it belongs to; None where it does not count, and ``detail`` says why. Without
    a detail it has nothing to do with our requests."""
    result: Result = "silence"
    detail: str = ""
    code: int | None = None
    """The code of an ICMP destination unreachable message."""
    rtt_s: float | None = None
    """The round trip where the way onto the wire has measured it itself."""
    timed: bool = False
    """The system has noted when it came."""
    kept_back: bool = False
    """Nothing came, and this computer discarded what it should have sent, or something else."""
    raw: bytes = b""


class Wire(Protocol):
    """A way to send echo requests to one address and to hear of them."""

    @property
    def method(self) -> Method:
        """What it is, for the evidence."""
        ...

    @property
    def identifier(self) -> int:
        """What marks our requests (RFC 792); 0 where it is not known."""
        ...

    def send(self, sequence: int) -> float:
        """Send one request; give how many seconds ago it left at the latest.

        Raises:
            CannotAskError: this computer does not let it go.
        """
        ...

    def request(self, sequence: int) -> bytes:
        """Return a request's bytes, for the evidence; empty where they are not known."""
        ...

    def receive(self, limit_s: float) -> Arrival | None:
        """Wait at most ``limit_s`` seconds for one arrival; None where nothing came."""
        ...

    def close(self) -> None:
        """Give back what it holds."""
        ...


def permit_command(platform: str = sys.platform) -> str:
    """Return the command that lets this user send echo requests; empty where none is needed."""
    return PERMIT if platform.startswith("linux") else ""


def new_payload() -> bytes:
    """Make the payload of one series of requests, which nobody can guess."""
    return secrets.token_bytes(_NONCE_SIZE) + _SIGNATURE


def build_request(identifier: int, sequence: int, payload: bytes) -> bytes:
    """Write an echo request (RFC 792)."""
    unsummed = _ECHO.pack(ECHO_REQUEST, 0, 0, identifier, sequence) + payload
    summed = _ECHO.pack(ECHO_REQUEST, 0, checksum(unsummed), identifier, sequence)
    return summed + payload


def strip_ip_header(packet: bytes) -> bytes:
    """Return what follows the IPv4 header (RFC 791 section 3.1); empty where there is nothing."""
    size = (packet[0] & 0x0F) * 4 if packet else 0
    return packet[size:] if size >= IP_HEADER_SIZE else b""


def error_result(icmp_type: int, code: int) -> Result:
    """Describe what an ICMP error means: no way there, or somebody forbids it.

    A closed port or protocol is what packet filters say by default; no host says it of an echo.
    """
    if icmp_type == UNREACHABLE and code in REFUSING_CODES:
        return "prohibited"
    return "unreachable"


def about(message: bytes) -> str:
    """Return the address that an ICMP error quotes as asked; empty where it is none."""
    quoted = message[ECHO_HEADER_SIZE:]
    if message[:1] not in _ERRORS or len(quoted) < IP_HEADER_SIZE:
        return ""
    return socket.inet_ntoa(quoted[16:20])


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads ICMP messages and finds out which of our requests they are about."""

    address: str
    """The address asked."""
    identifier: int
    payload: bytes

    def read(self, message: bytes, source: str) -> Arrival | None:
        """Read one ICMP message; None where it has nothing to do with our requests."""
        if len(message) < ECHO_HEADER_SIZE:
            return None
        icmp_type, code, _, identifier, sequence = _ECHO.unpack_from(message)
        if icmp_type in {UNREACHABLE, TIME_EXCEEDED}:
            quoted = message[ECHO_HEADER_SIZE:]
            if quoted[9:10] != _ICMP or quoted[16:20] != socket.inet_aton(self.address):
                return None
            return self.read_error(icmp_type, code, source, strip_ip_header(quoted))
        if icmp_type != ECHO_REPLY or identifier != self.identifier:
            return None
        moment, raw = time.monotonic(), message[:RAW_LIMIT]
        if flaw := self._flaw(message):
            return Arrival(moment=moment, source=source, detail=f"a reply with {flaw}", raw=raw)
        result: Result = "reply" if source == self.address else "wrong-host"
        return Arrival(moment=moment, source=source, sequence=sequence, result=result, raw=raw)

    def _flaw(self, message: bytes) -> str:
        """Describe what keeps an echo reply from being our request's (RFC 792); else empty."""
        if message[ECHO_HEADER_SIZE:] != self.payload:
            return "another payload"
        return "" if checksum(message) == INTACT else "a wrong checksum"

    def read_error(self, icmp_type: int, code: int, source: str, quoted: bytes) -> Arrival | None:
        """Read an ICMP error by the request that it quotes, from its ICMP header on (RFC 792)."""
        if len(quoted) < ECHO_HEADER_SIZE:
            return None
        quoted_type, _, _, identifier, sequence = _ECHO.unpack_from(quoted)
        if (quoted_type, identifier) != (ECHO_REQUEST, self.identifier):
            return None
        unreachable = icmp_type == UNREACHABLE
        kind = f"destination unreachable, code {code}," if unreachable else "time exceeded"
        return Arrival(
            moment=time.monotonic(),
            source=source,
            sequence=sequence,
            result=error_result(icmp_type, code),
            detail=f"ICMP {kind} from {source}",
            code=code if unreachable else None,
            raw=quoted[:RAW_LIMIT],
        )


def not_sent(error: OSError, sequence: int, platform: str = sys.platform) -> Arrival:
    """Describe what a failure to send means.

    macOS says of a neighbour that answers no ARP that it is down. That there is no way is its own
    word there, of its Local Network permission for instance.

    Raises:
        CannotAskError: it says nothing about the target.
    """
    if error.errno in FORBIDDEN:
        raise forbidden(words(error)) from error
    own = platform == "darwin" and error.errno == errno.EHOSTUNREACH
    if own:
        raise local_network(words(error)) from error
    if error.errno not in _NO_ROUTE:
        raise cannot_send(words(error)) from error
    return Arrival(
        moment=time.monotonic(),
        source="",
        sequence=sequence,
        result="unreachable",
        detail=words(error),
    )
