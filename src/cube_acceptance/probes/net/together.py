"""Hold many conversations in one thread, over a socket that they share.

A measurement that does little but wait is written in *steps*: a generator that says before each
reception what it would wait for, and for how long at most. Held alone, its reception then does
wait. Held *together* with others, it goes on as soon as something is there for it or its time is
over, so that its reception has nothing to wait for: one thread waits for all of them. Either way
the measurement is the same.

For a thousand CUBEs that takes a third of the processor's time that a thread and a socket for each
would take: threads that all want to run spend much of their time on taking turns, and the kernel
hands every ICMP packet to every raw socket.

A step must not block. What has to, goes :func:`aside`.
"""

from __future__ import annotations

import heapq
import selectors
import time
from collections import deque
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterable, Iterator

T = TypeVar("T")
KeyT = TypeVar("KeyT")
SharedT = TypeVar("SharedT", bound="Shared")

START_S = 0.001
"""From the beginning of one conversation to that of the next: a link is not flooded with questions,
and their answers find room at this computer's socket."""
POLL_S = 0.1
"""How often is looked whether something has come about that no socket tells."""


class Wire(Generic[T]):
    """One conversation's end of a shared socket."""

    reading_limit: int
    """How many packets are read at a time, where they are for others."""

    def __init__(self, shared: Shared) -> None:
        """Have nothing yet."""
        self.waiting: deque[T] = deque()
        """What has been read for this conversation and not been taken yet."""
        self._reads = shared.read

    def receive(self, limit_s: float) -> T | None:
        """Wait at most ``limit_s`` seconds for what comes next; None where nothing came."""
        for _ in range(self.reading_limit):
            if self.waiting:
                return self.waiting.popleft()
            if not self._reads(limit_s):
                break
            limit_s = 0.0
        return None


Awaited = tuple[object, float]
"""What is waited for, a :class:`Wire` where conversations are held together and None where nothing
will come; and the seconds for which it is, at most."""


Steps = Generator[Awaited, None, T]
"""A measurement that can be held beside others."""


class Shared(Protocol):
    """A socket that conversations share, each by a wire of its own."""

    sock: socket.socket

    @property
    def fresh(self) -> set[Any]:
        """The wires for which something has been read since somebody looked."""
        ...

    def read(self, limit_s: float) -> bool:
        """Wait for one packet and hand it to its wire; False where none came."""
        ...


class Sockets(Generic[SharedT]):
    """Shared sockets, one for each address of this computer that packets leave from."""

    def __init__(self) -> None:
        """Open none yet."""
        self._opened: dict[str, SharedT] = {}
        self._selector = selectors.DefaultSelector()

    def of(self, source: str, open_one: Callable[[], SharedT]) -> SharedT:
        """Return the socket of one address; ``open_one`` opens it where there is none yet."""
        if source not in self._opened:
            opened = open_one()
            self._selector.register(opened.sock, selectors.EVENT_READ, opened)
            self._opened[source] = opened
        return self._opened[source]

    def read(self, limit_s: float) -> list[Wire[Any]]:
        """Wait for something to come, and return the wires that it is for."""
        if not self._opened:
            time.sleep(limit_s)  # Windows cannot wait for no socket
        elif not any(shared.fresh for shared in self._opened.values()):
            for ready, _ in self._selector.select(limit_s):
                ready.data.read(0.0)
        found: list[Wire[Any]] = []
        for shared in self._opened.values():
            found += shared.fresh
            shared.fresh.clear()
        return found

    def close(self) -> None:
        """Close them all."""
        self._selector.close()
        for shared in self._opened.values():
            shared.sock.close()


def alone(steps: Steps[T]) -> T:
    """Go through a measurement's steps, which wait themselves; return what it came to."""
    try:
        while True:
            wire, limit_s = next(steps)
            if wire is None:
                time.sleep(limit_s)
    except StopIteration as end:
        found: T = end.value
        return found


def aside(work: Callable[[], T]) -> Steps[T]:
    """Do in a thread of its own what would keep the others waiting."""
    with ThreadPoolExecutor(1, "aside") as beside:
        done = beside.submit(work)
        while not done.done():
            yield None, POLL_S
    return done.result()


@dataclass(slots=True, eq=False)
class _Talk(Generic[KeyT, T]):
    """One conversation, and until when it waits for what."""

    key: KeyT
    steps: Steps[T]
    until_s: float
    wire: Any = None

    def goes_on(self, now_s: float) -> bool:
        """Whether it has nothing to wait for any more."""
        return self.until_s <= now_s or bool(self.wire and self.wire.waiting)


def together(
    conversations: Iterable[tuple[KeyT, Steps[T]]], sockets: Sockets[Any]
) -> Iterator[tuple[KeyT, T | Exception]]:
    """Hold conversations, and return what each has come to as soon as it has; one may also fail."""
    begin_s = time.monotonic()
    talks = [
        _Talk(key, steps, begin_s + number * START_S)
        for number, (key, steps) in enumerate(conversations)
    ]
    # A talk whose wait is over sooner, or begins anew, leaves an entry that means nothing more.
    due = [(talk.until_s, number, talk) for number, talk in enumerate(talks)]
    by_wire: dict[object, _Talk[KeyT, T]] = {}
    left = number = len(talks)
    while left:
        fresh = sockets.read(max(0.0, due[0][0] - time.monotonic()))
        ready = {by_wire[wire]: None for wire in fresh if wire in by_wire}
        now_s = time.monotonic()
        if due[0][0] <= now_s:  # one at a time: what they all ask would be answered all at once
            ready[heapq.heappop(due)[2]] = None
        for talk in ready:
            if not talk.goes_on(now_s):
                continue
            try:
                talk.wire, limit_s = next(talk.steps)
            except StopIteration as end:
                outcome: T | Exception = end.value
            except Exception as error:  # noqa: BLE001 - a defect of ours is no other's
                outcome = error
            else:
                by_wire[talk.wire] = talk
                there = talk.wire and talk.wire.waiting  # read for it while it was at work
                talk.until_s = time.monotonic() + (0.0 if there else limit_s)
                number += 1
                heapq.heappush(due, (talk.until_s, number, talk))
                continue
            left -= 1
            by_wire.pop(talk.wire, None)
            talk.until_s = float("inf")
            yield talk.key, outcome
