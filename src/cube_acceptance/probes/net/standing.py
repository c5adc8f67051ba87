"""What this computer has said of its network, for as long as it says that nothing has changed.

Before every exchange a probe looks whether the vantage stands and which way leads to its peer. With
a thousand CUBEs that is the same look some ten thousand times. Linux tells of every change of
links, addresses, routes and rules when it is made (rtnetlink(7)); until then what was seen holds.
Elsewhere, and where no session holds it, everything is looked up anew.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from typing import TYPE_CHECKING, Any, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

T = TypeVar("T")

LOOK_S = 0.005
"""How often the notices are looked at: sooner than a question is sent that was just prepared."""

_NETLINK = 16  # linux/socket.h: AF_NETLINK; the socket module names it on Linux only
_GROUPS = 0x1 | 0x10 | 0x40 | 0x80  # linux/rtnetlink.h: RTMGRP_LINK, _IPV4_IFADDR, _ROUTE, _RULE
_NEXT_HOPS = 1 << 31  # RTNLGRP_NEXTHOP: a route may name one that others share
_RECEIVE_LIMIT = 1


def notices() -> socket.socket:
    """Open a socket that the system's notices of changes come to.

    Raises:
        OSError: this system has none.
    """
    sock = socket.socket(_NETLINK, socket.SOCK_RAW, 0)
    try:
        sock.settimeout(0)
        sock.bind((0, _GROUPS | _NEXT_HOPS))
    except BaseException:
        sock.close()
        raise
    return sock


class Standing:
    """Remembers answers of the system until it tells of a change."""

    def __init__(
        self,
        new_socket: Callable[[], socket.socket] = notices,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Remember nothing yet."""
        self._new_socket = new_socket
        self._clock = clock
        self._lock = threading.Lock()
        self._sock: socket.socket | None = None
        self._holders = 0
        self._next_s = 0.0
        self._known: dict[Hashable, Any] = {}
        """Replaced as a whole with every change, so that nobody has to wait who reads it."""

    def hold(self) -> None:
        """Remember from now on, until :meth:`release`."""
        with self._lock:
            self._holders += 1
            if self._sock is None:
                with contextlib.suppress(OSError):  # then nothing is remembered
                    self._sock = self._new_socket()

    def release(self) -> None:
        """Forget everything, unless somebody else holds it."""
        with self._lock:
            self._holders -= 1
            if not self._holders and self._sock:
                self._sock.close()
                self._sock, self._known = None, {}

    @property
    def held(self) -> bool:
        """Whether anything is remembered."""
        return self._sock is not None

    def recall(
        self, question: Hashable, ask: Callable[[], T], lasts: Callable[[T], bool] = bool
    ) -> T:
        """Return what ``ask`` said when it was last asked, or ask it.

        An answer is remembered where it ``lasts``; what the system gives no notice of does not.
        """
        if not self.held:
            return ask()
        if self._clock() >= self._next_s:
            self.look()
        known = self._known
        if question in known:
            return cast("T", known[question])
        answer = ask()
        if lasts(answer):
            known[question] = answer  # which nobody reads any more if something has changed
        return answer

    def look(self) -> None:
        """Forget everything where the system has told of a change since the last look."""
        with self._lock:
            while self._sock and self._told(self._sock):
                self._known = {}
            self._next_s = self._clock() + LOOK_S

    @staticmethod
    def _told(sock: socket.socket) -> bool:
        try:
            sock.recv(_RECEIVE_LIMIT)
        except BlockingIOError:
            return False
        except OSError:  # more than it could keep
            return True
        return True


STANDING = Standing()
"""What all probes of this process remember."""
