"""How long a peer is still waited for, by a clock that stands still while this program does.

A program that was stopped, or a virtual machine that was, has heard nobody in the meantime: what
goes by on the wall then is nobody's silence, and must not be taken from the peer's time.
"""

from __future__ import annotations

import contextlib
import selectors
import threading
from time import monotonic, sleep
from typing import TYPE_CHECKING

from cube_acceptance.probes.net.together import Ready, waits

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from cube_acceptance.probes.net.together import Steps

BEAT_S = 0.1
"""How often this program makes sure that it is running."""
GAP_LIMIT_S = 0.5
"""A longer time from one beat to the next counts as this much: the program was stopped in it."""


class Running:
    """Counts the seconds in which this program was running."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        """Begin with none."""
        self._clock = clock
        self._lock = threading.Lock()
        self._ran_s = 0.0
        self._beat_s = clock()
        self._beating = False

    def seconds(self) -> float:
        """Return the seconds so far; to ask is a beat as well."""
        with self._lock:
            now_s = self._clock()
            self._ran_s += min(now_s - self._beat_s, GAP_LIMIT_S)
            self._beat_s = now_s
            return self._ran_s

    def start(self) -> None:
        """Beat from now on, in a thread that ends with the program."""
        with self._lock:
            if self._beating:
                return
            self._beating = True
            self._beat_s = self._clock()
        threading.Thread(target=self._beat, name="running", daemon=True).start()

    def _beat(self) -> None:
        while True:
            sleep(BEAT_S)
            self.seconds()


_RUNNING = Running()


class Deadline:
    """What is left of a time limit, and of the one that it lies within."""

    def __init__(self, limit_s: float, within: Deadline | None = None) -> None:
        """Wait ``limit_s`` seconds from now on, but no longer than ``within`` allows."""
        _RUNNING.start()
        self._end_s = _RUNNING.seconds() + limit_s
        self._within = within

    def left(self) -> float:
        """Seconds that are left, never negative."""
        own_s = max(0.0, self._end_s - _RUNNING.seconds())
        return min(own_s, self._within.left()) if self._within else own_s

    def timeout(self) -> float:
        """Return the same as a socket's time limit, to which nothing would mean never to wait."""
        return max(self.left(), 0.001)

    def receive(self, sock: socket.socket, size: int, *flags: int) -> bytes:
        """Wait for something until the time is over, also where this program was stopped in it.

        Raises:
            TimeoutError: nothing came.
            OSError: see :meth:`socket.socket.recv`.
        """
        while left_s := self.left():
            sock.settimeout(left_s)
            with contextlib.suppress(TimeoutError):
                return sock.recv(size, *flags)
        raise TimeoutError

    def receive_in_steps(self, sock: socket.socket, size: int) -> Steps[bytes]:
        """Do the same beside others, where the socket itself does not wait.

        What has come by the time's end is received, however late this program looks.
        """
        if waits(sock):
            return self.receive(sock, size)
        while left_s := self.left():
            yield Ready(sock, selectors.EVENT_READ), left_s
            with contextlib.suppress(BlockingIOError):
                return sock.recv(size)
        raise TimeoutError

    def send_in_steps(self, sock: socket.socket, data: bytes) -> Steps[None]:
        """Send all of it, likewise.

        Raises:
            TimeoutError: not all could be sent.
            OSError: see :meth:`socket.socket.sendall`.
        """
        if waits(sock):
            sock.settimeout(self.timeout())
            sock.sendall(data)
            return
        rest = memoryview(data)
        while True:
            with contextlib.suppress(BlockingIOError):
                rest = rest[sock.send(rest) :]
            if not rest:
                return
            if not (left_s := self.left()):
                raise TimeoutError
            yield Ready(sock, selectors.EVENT_WRITE), left_s
