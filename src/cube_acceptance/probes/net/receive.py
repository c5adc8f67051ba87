"""Receive until a moment, on a computer that may be too busy to run this program then.

A packet shows when it was read, not when it came. When it came lies between the reading and the
last moment at which none was waiting, and this program may be kept from running for that long, as
by other programs, a stopped virtual machine or a closed lid. So time alone ends no wait: a socket
that was found empty at its end does. What came meanwhile is read in *overtime*, which makes no peer
look silent; and overtime is bounded, so that a flood keeps nobody reading.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator

    from cube_acceptance.probes.net.measuring import Stopwatch

T = TypeVar("T")

RECEIVE_LIMIT = 65535
"""Bytes of one datagram that are read: all that UDP can carry. A shorter limit would lose the rest,
and Windows reports a longer datagram as an error."""
OVERTIME_LIMIT = 256
"""How many packets in a row are read for which no time was left."""
PAUSE_S = 0.05
"""How long to wait after a failed reception, which may fail again at once."""


class UnwantedError(Exception):
    """A packet is not the answer to what was asked; the text says why."""


class MalformedError(UnwantedError):
    """Bytes are not the protocol's; the text says why."""


def receive(sock: socket.socket, limit_s: float, read: Callable[[], T]) -> T | None:
    """Wait on a socket for what ``read`` reads from it; None where nothing came.

    Raises:
        OSError: an ICMP error met a connected socket, or the interface has gone.
    """
    sock.settimeout(max(limit_s, 0.0))
    try:
        return read()
    except (TimeoutError, BlockingIOError):  # a limit of zero does not wait at all
        return None


def receive_from_any(sock: socket.socket, limit_s: float) -> tuple[bytes, Any] | None:
    """Wait for one datagram from whomever, and tell its sender; None where nothing came.

    An error belongs to none of many peers. It is waited out, since it may come again at once.
    """
    try:
        return receive(sock, limit_s, lambda: sock.recvfrom(RECEIVE_LIMIT))
    except OSError:
        time.sleep(min(max(limit_s, 0.0), PAUSE_S))
        return None


def receive_with_notes(
    sock: socket.socket, limit_s: float, size: int
) -> tuple[bytes, list[tuple[int, int, bytes]], Any] | None:
    """Likewise, with what the kernel notes of the datagram in up to ``size`` bytes (recvmsg(2))."""
    try:
        received = receive(sock, limit_s, lambda: sock.recvmsg(RECEIVE_LIMIT, size))
    except OSError:
        time.sleep(min(max(limit_s, 0.0), PAUSE_S))
        return None
    return None if received is None else (received[0], received[1], received[3])


class Inbox(Generic[T]):
    """What arrives for one measurement, and until when it is known that nothing came."""

    def __init__(
        self,
        watch: Stopwatch,
        receive_one: Callable[[float], T | None],
        overtime_limit: int = OVERTIME_LIMIT,
    ) -> None:
        """Receive by ``receive_one``, which waits for some seconds or reads what is there."""
        self.empty_s = -math.inf
        """The last moment at which it is known that no packet was waiting."""
        self._watch = watch
        self._receive_one = receive_one
        self._overtime = 0
        self._overtime_limit = overtime_limit

    def receive(self, until_s: float) -> T | None:
        """Wait until a moment for one packet; if it has passed, take one that is there."""
        left_s = self._watch.left(until_s)
        self._overtime = 0 if left_s else self._overtime + 1
        packet = self._receive_one(left_s)
        if packet is None:
            self.empty_s = max(self.empty_s, min(until_s, self._watch.elapsed()))
        return packet

    def over(self, end_s: float) -> bool:
        """Whether all that came until a moment is read, or more of it than can be."""
        flooded = self._overtime >= self._overtime_limit and not self._watch.left(end_s)
        return flooded or self.empty_s >= end_s

    def until(self, end_s: float) -> Iterator[T]:
        """Return what comes until a moment, as far as :meth:`over` says."""
        while not self.over(end_s):
            packet = self.receive(end_s)
            if packet is not None:
                yield packet
