"""Fakes that say what they were told to say: captures, sockets, netlink, probes, and the time."""

from __future__ import annotations

import struct
import threading
from typing import TYPE_CHECKING, Any, Self

from selftests.support.builders import lease

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cube_acceptance.evidence import Observation


def wait_for_closing() -> None:
    """Wait until every packet socket that was given back is closed."""
    for thread in threading.enumerate():
        if thread.name == "closing":
            thread.join()


class Account:
    """A capture with a fixed account."""

    interface, address, next_hop = "eth9", "10.0.0.9", "10.99.0.254"

    def __init__(self, diverted: str = "", kept_back: str = "", elsewhere: str = "") -> None:
        """Keep what it will say."""
        self.told = diverted, kept_back, elsewhere
        self.begun = self.ended = False

    def __call__(self, **given: object) -> Self:
        """Be made."""
        self.given = given
        return self

    def begin(self) -> None:
        """Remember it."""
        self.begun = True

    def end(self) -> None:
        """Remember it."""
        self.ended = True

    def diverted(self) -> str:
        """Return what became of an answer."""
        return self.told[0]

    def kept_back(self) -> str:
        """Return why nothing came."""
        return self.told[1]

    def other_interface(self) -> str:
        """Return where else an answer arrived."""
        return self.told[2]


def attribute(kind: int, value: bytes) -> bytes:
    """Write an attribute as Linux does."""
    return struct.pack("=HH", len(value) + 4, kind) + value + bytes(-len(value) % 4)


class FakeNetlink:
    """Hands out a list in parts."""

    def __init__(self, *parts: bytes) -> None:
        """Lay the parts out."""
        self.parts = list(parts)
        self.asked = b""

    def __call__(self, *_: int) -> Self:
        """Be made as a socket."""
        return self

    def __enter__(self) -> Self:
        """Be open."""
        return self

    def __exit__(self, *_: object) -> None:
        """Be closed."""

    def send(self, question: bytes) -> None:
        """Keep the question."""
        self.asked = question

    def recv(self, _size: int) -> bytes:
        """Return the next part."""
        return self.parts.pop(0)


class FakeProbe:
    """A probe of no protocol."""

    def __init__(self, key: str, result: Observation | None = None) -> None:
        """Bring home this result, or a lease."""
        self.key = key
        self._result = result or lease()

    def run(self) -> Observation:
        """Bring it home."""
        return self._result


class StandingTime:
    """Time that passes only while somebody waits, so that no test depends on how fast it runs."""

    def __init__(self, clock_s: float = 0.0) -> None:
        """Start somewhere after the system's start, at this time of the clock."""
        self.now = 1000.0
        self.clock_s = clock_s

    def monotonic(self) -> float:
        """Return the time since some start."""
        return self.now

    def monotonic_ns(self) -> int:
        """Return the same in nanoseconds."""
        return round(self.now * 1_000_000_000)

    def time(self) -> float:
        """Return this computer's clock."""
        return self.clock_s + self.now

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


class NotingSocket:
    """A socket that notes what is done to it, hands out what has come, and fails where told."""

    def __init__(self, *arrived: Any, fails: Mapping[str, OSError] | None = None) -> None:  # noqa: ANN401 - packets with their senders, as the system has them
        """Fail with an error where one stands under the name of a method."""
        self.arrived = list(arrived)
        self.fails = fails or {}
        self.notes: list[tuple[int, int, bytes]] = []
        self.options: list[tuple[int, int]] = []
        self.bound: object = None
        self.sent: list[tuple[bytes, object]] = []
        self.limits_s: list[float] = []
        self.closed = False

    def _do(self, name: str) -> None:
        if name in self.fails:
            raise self.fails[name]

    def setsockopt(self, level: int, option: int, _value: object) -> None:
        """Note the option."""
        self._do("setsockopt")
        self._do(f"setsockopt {option}")
        self.options.append((level, option))

    def bind(self, address: object) -> None:
        """Note the address."""
        self._do("bind")
        self.bound = address

    def sendto(self, data: bytes, target: object) -> None:
        """Note the packet."""
        self._do("sendto")
        self.sent.append((data, target))

    def settimeout(self, limit_s: float) -> None:
        """Note the limit."""
        self.limits_s.append(limit_s)

    def recvfrom(self, _limit: int) -> Any:  # noqa: ANN401 - as above
        """Return the next packet and its sender."""
        self._do("recvfrom")
        if not self.arrived:
            raise BlockingIOError
        return self.arrived.pop(0)

    def recvmsg(self, limit: int, _size: int) -> Any:  # noqa: ANN401 - as above
        """Return the next packet, what the system notes of it, and its sender."""
        packet, sender = self.recvfrom(limit)
        return packet, self.notes, 0, sender

    def close(self) -> None:
        """Note that it was given back."""
        self.closed = True


class SilentSocket:
    """A bound socket that has no say of its own; a test adds what is to come of it."""

    limit_s = 0.0
    closed = False

    def recvmsg(self, *_: int) -> tuple[bytes, list[object], int, object]:
        """Know nothing of an ICMP error."""
        return b"", [], 0, None

    def setsockopt(self, *_: object) -> None:
        """Accept any option."""

    def getsockname(self) -> tuple[str, int]:
        """Be bound."""
        return "127.0.0.1", 40000

    def settimeout(self, limit_s: float) -> None:
        """Wait no longer."""
        self.limit_s = limit_s

    def gettimeout(self) -> float:
        """Return some limit."""
        return 1.0

    def close(self) -> None:
        """Note that it was given back."""
        self.closed = True
