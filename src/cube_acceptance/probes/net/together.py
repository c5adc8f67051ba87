"""Hold many conversations in one thread, over sockets that they share or of their own.

A measurement that does little but wait is written in *steps*: a generator that says before each
reception what it would wait for, and for how long at most. Held alone, its reception then does
wait. Held *together* with others, it goes on as soon as something is there for it or its time is
over, so that its reception has nothing to wait for: one thread waits for all of them. Either way
the measurement is the same.

For a thousand CUBEs that takes a third of the processor's time that a thread and a socket for each
would take: threads that all want to run spend much of their time on taking turns, and the kernel
hands every ICMP packet to every raw socket.

A step must not block, and takes little time. What has to block goes :func:`aside`.
"""

from __future__ import annotations

import heapq
import math
import selectors
import time
from collections import deque
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, cast

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
GATHER_S = 0.02
"""For how long outcomes are gathered before they are handed on: each by itself would wake who waits
for them, who needs the interpreter's lock for it."""
AT_A_TIME = 64
"""How many packets are read from a socket, or taken by a conversation, before others have their
turn: enough for the answers to a question that everybody answers, and no flood's worth."""
TURN = 8
"""How many conversations go on, of either kind, before is looked again what has come: pages keep no
echo request waiting, and the answers to what is asked meanwhile find room at the socket."""


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


class Ready:
    """A conversation's own socket, until it can be read from, or written to."""

    __slots__ = ("event", "sock", "waiting")

    def __init__(self, sock: socket.socket, event: int) -> None:
        """Wait for an event of :mod:`selectors`; the socket itself does not wait."""
        self.sock = sock
        self.event = event
        self.waiting = False
        """It has come about."""


def waits(sock: socket.socket) -> bool:
    """Whether a socket waits itself for what is asked of it; beside others none does."""
    return sock.gettimeout() != 0.0


Awaited = tuple[object, float]
"""What is waited for, a :class:`Wire` or :class:`Ready` where conversations are held together and
None where nothing will come; and the seconds for which it is, at most."""


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

    def __init__(self, beside: Sockets[Any] | None = None) -> None:
        """Open none yet; those of another kind may be waited for ``beside`` them."""
        self.opened: dict[tuple[object, str], Shared] = beside.opened if beside else {}
        self.selector: selectors.BaseSelector = (
            beside.selector if beside else selectors.DefaultSelector()
        )

    def of(self, source: str, open_one: Callable[[], SharedT]) -> SharedT:
        """Return the socket of one address; ``open_one`` opens it where there is none yet."""
        key = self, source
        if key not in self.opened:
            opened = open_one()
            self.selector.register(opened.sock, selectors.EVENT_READ, opened)
            self.opened[key] = opened
        return cast("SharedT", self.opened[key])

    def watch(self, ready: Ready) -> None:
        """Wait for a conversation's own socket as well."""
        self.selector.register(ready.sock, ready.event, ready)

    def forget(self, ready: Ready) -> None:
        """Wait for it no longer."""
        if not ready.waiting:
            self.selector.unregister(ready.sock)

    def read(self, limit_s: float) -> list[Any]:
        """Wait for something to come, and return the wires that it is for, and what is ready."""
        found: list[Any] = []
        if any(shared.fresh for shared in self.opened.values()):
            limit_s = 0.0
        if not self.selector.get_map():
            time.sleep(limit_s)  # Windows cannot wait for no socket
            return found
        for come, _ in self.selector.select(limit_s):
            if isinstance(come.data, Ready):
                self.selector.unregister(come.data.sock)
                come.data.waiting = True
                found.append(come.data)
            else:
                _read_some(come.data)
        for shared in self.opened.values():
            found += shared.fresh
            shared.fresh.clear()
        return found

    def close(self) -> None:
        """Close them all."""
        self.selector.close()
        for shared in self.opened.values():
            shared.sock.close()


def _read_some(shared: Shared) -> None:
    for _ in range(AT_A_TIME):
        if not shared.read(0.0):
            return


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
    own: bool
    """It has a socket of its own."""
    until_s: float = 0.0
    awaited: Any = None
    outcome: T | Exception | None = None

    @property
    def there(self) -> bool:
        """Whether what it waits for has come."""
        return bool(self.awaited and self.awaited.waiting)

    def goes_on(self, now_s: float) -> bool:
        """Whether it has nothing to wait for any more."""
        return self.until_s <= now_s or self.there


class _Due(Generic[KeyT, T]):
    """Conversations by the moment at which their wait is over."""

    def __init__(self) -> None:
        # A talk whose wait is over sooner, or begins anew, leaves an entry that means nothing more.
        self._entries: list[tuple[float, int, _Talk[KeyT, T]]] = []
        self._number = 0

    @property
    def first_s(self) -> float:
        """The earliest moment; infinite where nobody waits."""
        return self._entries[0][0] if self._entries else math.inf

    def add(self, talk: _Talk[KeyT, T]) -> None:
        """Add one, which knows its moment."""
        self._number += 1
        heapq.heappush(self._entries, (talk.until_s, self._number, talk))

    def over(self, now_s: float, limit: int) -> list[_Talk[KeyT, T]]:
        """Take out those whose moment has come, so many at most."""
        taken: list[_Talk[KeyT, T]] = []
        while len(taken) < limit and self.first_s <= now_s:
            taken.append(heapq.heappop(self._entries)[2])
        return taken


class _Table(Generic[KeyT, T]):
    """All who talk in one thread.

    Who shares a socket goes on as soon as it can, for it takes little time. The others do in
    rounds, of which each holds all who can go on when it begins.
    """

    def __init__(self, sockets: Sockets[Any]) -> None:
        self._sockets = sockets
        self._by_awaited: dict[object, _Talk[KeyT, T]] = {}
        self._sharing = _Due[KeyT, T]()
        self._others = _Due[KeyT, T]()
        self._round: deque[_Talk[KeyT, T]] = deque()
        self._next_round: deque[_Talk[KeyT, T]] = deque()

    def wait(self, talk: _Talk[KeyT, T], until_s: float) -> None:
        """Let one go on at a moment at the latest."""
        talk.until_s = until_s
        (self._others if talk.own else self._sharing).add(talk)

    def ready(self, limit_s: float) -> list[_Talk[KeyT, T]]:
        """Wait until somebody can go on, at most so many seconds, and return who can."""
        begun = self._round or self._next_round
        first_s = min(self._sharing.first_s, self._others.first_s)
        left_s = 0.0 if begun else max(0.0, first_s - time.monotonic())
        found: list[_Talk[KeyT, T]] = []
        for one in self._sockets.read(min(left_s, limit_s)):
            if talk := self._by_awaited.get(one):
                (self._next_round if talk.own else found).append(talk)
        now_s = time.monotonic()
        found += self._sharing.over(now_s, TURN)
        if not self._round:
            self._round, self._next_round = self._next_round, self._round
            # One at a time: where much is to do, whoever begins would only have to wait.
            self._round.extend(self._others.over(now_s, 1))
        found += [self._round.popleft() for _ in range(min(TURN, len(self._round)))]
        return [talk for talk in dict.fromkeys(found) if talk.goes_on(now_s)]

    def go_on(self, talk: _Talk[KeyT, T]) -> bool:
        """Let one go on as far as it can; tell whether it has come to its end."""
        self._forget(talk)
        try:
            for _ in range(AT_A_TIME):
                talk.awaited, limit_s = next(talk.steps)
                if not talk.there:  # else it was read while it was at work
                    break
            if isinstance(talk.awaited, Ready):
                self._sockets.watch(talk.awaited)
        except StopIteration as end:
            talk.outcome = end.value
        except Exception as error:  # noqa: BLE001 - a defect of ours is no other's
            talk.outcome = error
        else:
            self._by_awaited[talk.awaited] = talk
            self.wait(talk, time.monotonic() + (0.0 if talk.there else limit_s))
            return False
        talk.awaited = None
        talk.until_s = math.inf
        return True

    def _forget(self, talk: _Talk[KeyT, T]) -> None:
        self._by_awaited.pop(talk.awaited, None)
        if isinstance(talk.awaited, Ready):
            self._sockets.forget(talk.awaited)


def together(
    groups: Iterable[Iterable[tuple[KeyT, Steps[T]]]],
    sockets: Sockets[Any],
    others: Iterable[tuple[KeyT, Steps[T]]] = (),
    places: int = 1,
) -> Iterator[list[tuple[KeyT, T | Exception]]]:
    """Hold conversations, and return what some have come to soon after; one may also fail.

    Those of each group begin one after the other, and the groups beside each other. The
    ``others`` open a socket each; so many ``places`` there are for them.
    """
    table: _Table[KeyT, T] = _Table(sockets)
    begin_s = time.monotonic()
    left = 0
    for group in groups:
        for number, (key, steps) in enumerate(group):
            table.wait(_Talk(key, steps, own=False), begin_s + number * START_S)
            left += 1
    outside = deque(_Talk(key, steps, own=True) for key, steps in others)
    left += len(outside)
    for number in range(min(places, len(outside))):
        table.wait(outside.popleft(), begin_s + number * START_S)
    outcomes: list[tuple[KeyT, T | Exception]] = []
    gathered_s = 0.0
    while left:
        for talk in table.ready(GATHER_S if outcomes else math.inf):
            if table.go_on(talk):
                left -= 1
                gathered_s = gathered_s if outcomes else time.monotonic() + GATHER_S
                outcomes.append((talk.key, cast("T | Exception", talk.outcome)))
                if talk.own and outside:
                    table.wait(outside.popleft(), time.monotonic())
        if outcomes and (not left or time.monotonic() >= gathered_s):
            yield outcomes
            outcomes = []
