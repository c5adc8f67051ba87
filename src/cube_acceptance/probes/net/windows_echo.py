"""Echo requests by Windows' own echo service (IcmpSendEcho2Ex of iphlpapi).

Nobody needs a right for it, Windows' firewall lets its replies in, and what comes of a request is a
number and not a sentence in the language of the computer. Requests go out overlapped: the service
says at once that one is under way, and signals an event once it is answered or its time is over.
"""

from __future__ import annotations

import collections
import ctypes
import math
import socket
import struct
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cube_acceptance.evidence import RAW_LIMIT
from cube_acceptance.probes.net.echo import Arrival, Method, Result, new_payload
from cube_acceptance.probes.net.errors import CannotAskError
from cube_acceptance.probes.net.windows import found, last_error

if TYPE_CHECKING:
    from collections.abc import Callable

    from cube_acceptance.probes.net.windows import Load

IO_PENDING = 997
"""ERROR_IO_PENDING of winerror.h: the request is under way."""
SUCCESS, TIMED_OUT = 0, 11010
"""IP_SUCCESS and IP_REQ_TIMED_OUT of ipexport.h."""
ERRORS: dict[int, tuple[Result, str]] = {
    11002: ("unreachable", "destination network unreachable"),
    11003: ("unreachable", "destination host unreachable"),
    11004: ("prohibited", "destination protocol unreachable"),
    11005: ("prohibited", "destination port unreachable"),
    11009: ("unreachable", "packet too big"),
    11012: ("unreachable", "bad route"),
    11013: ("unreachable", "time exceeded in transit"),
    11014: ("unreachable", "time exceeded in reassembly"),
}
"""What the network says, by IP_STATUS of ipexport.h. Every other status is this computer's own."""

SERVICE_GRACE_S = 1.0
"""How much longer than its own time limit the service may take to say that it is over."""

_ROOM = 4096
"""Bytes for what comes of one request: the reply, its payload, an ICMP error and a status block."""
_WAIT_LIMIT = 64
"""MAXIMUM_WAIT_OBJECTS of winnt.h."""
_INVALID = ctypes.c_void_p(-1).value


class _Options(ctypes.Structure):
    """IP_OPTION_INFORMATION of ipexport.h."""

    _fields_ = (
        ("ttl", ctypes.c_ubyte),
        ("tos", ctypes.c_ubyte),
        ("flags", ctypes.c_ubyte),
        ("size", ctypes.c_ubyte),
        ("data", ctypes.c_void_p),
    )


class Reply(ctypes.Structure):
    """ICMP_ECHO_REPLY of ipexport.h."""

    _fields_ = (
        ("address", ctypes.c_uint32),
        ("status", ctypes.c_uint32),
        ("milliseconds", ctypes.c_uint32),
        ("size", ctypes.c_uint16),
        ("reserved", ctypes.c_uint16),
        ("data", ctypes.c_void_p),
        ("options", _Options),
    )


@dataclass(frozen=True, slots=True)
class _UnderWay:
    """A request that the service has taken over, and the room that it writes to."""

    sequence: int
    event: Any
    room: Any


_NEVER_ENDED: list[_UnderWay] = []
"""What the service may still write to; that room is never given back."""


class WindowsWire:
    """Echo requests by Windows' own service."""

    method: Method = "service"
    identifier = 0

    def __init__(
        self,
        load: Load,
        source: str,
        address: str,
        wait_s: float,
        *,
        error: Callable[[], int] = last_error,
    ) -> None:
        """Open the service.

        Raises:
            OSError: this Windows has none.
        """
        helper, kernel = load("iphlpapi"), load("kernel32")
        self._send = _declared(helper, "IcmpSendEcho2Ex", ctypes.c_uint32, *_SEND)
        self._parse = _declared(
            helper, "IcmpParseReplies", ctypes.c_uint32, ctypes.c_void_p, ctypes.c_uint32
        )
        self._close = _declared(helper, "IcmpCloseHandle", ctypes.c_int, ctypes.c_void_p)
        self._event = _declared(kernel, "CreateEventW", ctypes.c_void_p, *_EVENT)
        self._await = _declared(kernel, "WaitForMultipleObjects", ctypes.c_uint32, *_WAIT)
        self._drop = _declared(kernel, "CloseHandle", ctypes.c_int, ctypes.c_void_p)
        self._error = error
        self._source = _number(source)
        self._address = address
        self._wait_s = wait_s
        self._payload = new_payload()
        self._pending: list[_UnderWay] = []
        self._ready: collections.deque[Arrival] = collections.deque()
        self._handle = _declared(helper, "IcmpCreateFile", ctypes.c_void_p)()
        if self._handle in {None, _INVALID}:
            raise OSError(error(), "IcmpCreateFile failed")

    def request(self, sequence: int) -> bytes:  # noqa: ARG002 - see Wire
        """Know the payload and nothing else of the bytes: the service writes the header."""
        return self._payload

    def send(self, sequence: int) -> float:
        """Send one request; see :meth:`Wire.send`."""
        room = ctypes.create_string_buffer(_ROOM)
        event = self._event(None, 1, 0, None)
        limit_ms = math.ceil(self._wait_s * 1000)
        size = len(self._payload)
        target = _number(self._address)
        status = self._send(
            self._handle, event, None, None, self._source, target,
            self._payload, size, None, room, _ROOM, limit_ms,
        )  # fmt: skip
        problem = SUCCESS if status else self._error()
        if problem == IO_PENDING:
            self._pending.append(_UnderWay(sequence, event, room))
            return 0.0
        self._drop(event)
        if problem == SUCCESS:
            self._ready.append(self._read(sequence, room))
        else:
            self._ready.append(self._told(sequence, problem, ""))
        return 0.0

    def receive(self, limit_s: float) -> Arrival | None:
        """Wait at most ``limit_s`` seconds for one request to end; see :meth:`Wire.receive`."""
        if self._ready:
            return self._ready.popleft()
        if not self._pending:
            time.sleep(max(limit_s, 0.0))
            return None
        ended = self._end_of_one(limit_s)
        return self._read(ended.sequence, ended.room) if ended else None

    def close(self) -> None:
        """Give everything back, once the service has ended what is under way."""
        while self._pending and self._end_of_one(self._wait_s + SERVICE_GRACE_S):
            pass
        _NEVER_ENDED.extend(self._pending)
        self._close(self._handle)

    def _end_of_one(self, limit_s: float) -> _UnderWay | None:
        waiting = self._pending[:_WAIT_LIMIT]
        events = (ctypes.c_void_p * len(waiting))(*(one.event for one in waiting))
        number = self._await(len(waiting), events, 0, math.ceil(max(limit_s, 0.0) * 1000))
        if number >= len(waiting):  # nothing yet
            return None
        ended = self._pending.pop(number)
        self._drop(ended.event)
        return ended

    def _read(self, sequence: int, room: Any) -> Arrival:  # noqa: ANN401 - a buffer of ctypes
        """Read what came of one request."""
        if not self._parse(room, _ROOM):
            return self._told(sequence, self._error() or TIMED_OUT, "")
        reply = Reply.from_buffer(room)
        source = socket.inet_ntoa(struct.pack("=I", reply.address))
        if reply.status != SUCCESS:
            return self._told(sequence, reply.status, source)
        payload = ctypes.string_at(reply.data, min(reply.size, _ROOM)) if reply.data else b""
        moment = time.monotonic()
        if payload != self._payload:
            detail = "a reply with another payload"
            return Arrival(moment=moment, source=source, detail=detail, raw=payload[:RAW_LIMIT])
        return Arrival(
            moment=moment,
            source=source,
            sequence=sequence,
            result="reply" if source == self._address else "wrong-host",
            # The service counts whole milliseconds.
            rtt_s=max(reply.milliseconds, 1) / 1000,
            raw=payload[:RAW_LIMIT],
        )

    def _told(self, sequence: int, status: int, source: str) -> Arrival:
        """Describe what the service's number for a request means.

        Raises:
            CannotAskError: it says nothing about the target.
        """
        moment = time.monotonic()
        if status == TIMED_OUT:
            return Arrival(moment=moment, source="", sequence=sequence, result="silence")
        if status not in ERRORS:
            raise CannotAskError(
                "not-permitted",
                f"Windows did not let the echo request go (status {status}): its firewall,"
                " protection software or a missing way",
            )
        result, words = ERRORS[status]
        detail = f"ICMP status {status}, {words}, from {source}"
        return Arrival(
            moment=moment, source=source, sequence=sequence, result=result, detail=detail
        )


_SEND = (
    ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint32,
    ctypes.c_uint32, ctypes.c_char_p, ctypes.c_uint16, ctypes.c_void_p, ctypes.c_void_p,
    ctypes.c_uint32, ctypes.c_uint32,
)  # fmt: skip
_EVENT = (ctypes.c_void_p, ctypes.c_int, ctypes.c_int, ctypes.c_wchar_p)
_WAIT = (ctypes.c_uint32, ctypes.c_void_p, ctypes.c_int, ctypes.c_uint32)


def _declared(library: Any, name: str, result: Any, *arguments: Any) -> Any:  # noqa: ANN401 - ctypes
    """Give a library's function with the types that its handles and pointers need."""
    function = found(library, name)
    function.restype = result
    function.argtypes = arguments
    return function


def _number(address: str) -> int:
    """Write an address as IPAddr of inaddr.h, in network byte order."""
    number: int = struct.unpack("=I", socket.inet_aton(address))[0]
    return number
