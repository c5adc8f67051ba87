"""Tests of conversations in one thread: each goes on when something came, or its time is over."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
from collections.abc import Callable
from itertools import chain
from typing import TYPE_CHECKING, Any

import pytest

from cube_acceptance.probes.net import together as module
from cube_acceptance.probes.net.together import Ready, Sockets, Wire, alone, aside, together
from selftests.support.held import outcomes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cube_acceptance.probes.net.together import Awaited, Steps

LONG_S = 20.0
"""A wait that no test comes to the end of, unless it fails."""


class Line(Wire[bytes]):
    """One end of a party line: the first byte says whose a packet is."""

    reading_limit = 8

    def __init__(self, line: Party, name: str) -> None:
        """Join."""
        super().__init__(line)
        line.wires[name.encode()] = self


class Party:
    """A shared socket."""

    def __init__(self) -> None:
        """Open both ends."""
        self.sock, self.peer = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.wires: dict[bytes, Line] = {}
        self.fresh: set[Line] = set()

    def read(self, limit_s: float) -> bool:
        """Hand on one packet."""
        self.sock.settimeout(limit_s)
        try:
            packet = self.sock.recv(100)
        except BlockingIOError:
            return False
        if wire := self.wires.get(packet[:1]):
            wire.waiting.append(packet[1:])
            self.fresh.add(wire)
        return True


@pytest.fixture
def sockets() -> Iterator[Sockets[Party]]:
    """Open sockets and close them."""
    with contextlib.closing(Sockets[Party]()) as opened:
        yield opened


@pytest.fixture
def party(sockets: Sockets[Party]) -> Iterator[Party]:
    """Open a shared socket."""
    made = sockets.of("here", Party)
    with made.peer:
        yield made


Pairs = Callable[[int], list[tuple[socket.socket, socket.socket]]]


@pytest.fixture
def pairs() -> Iterator[Pairs]:
    """Open pairs of connected sockets."""
    with contextlib.ExitStack() as opened:

        def open_some(count: int) -> list[tuple[socket.socket, socket.socket]]:
            made = [socket.socketpair() for _ in range(count)]
            for end in chain.from_iterable(made):
                opened.enter_context(end)
            return made

        yield open_some


def listen(wire: Line, count: int, limit_s: float = LONG_S) -> Steps[list[bytes | None]]:
    """Wait for so many packets."""
    found = []
    for _ in range(count):
        yield wire, limit_s
        found.append(wire.receive(0.0))
    return found


class TestTogether:
    """One thread waits for all."""

    def test_each_has_its_own(self, sockets: Sockets[Party], party: Party) -> None:
        """What has come goes to whom it is for, in order; a stranger's is passed over."""
        for packet in (b"b1", b"?!", b"a1", b"b2"):
            party.peer.send(packet)
        talks = [(name, listen(Line(party, name), count)) for name, count in (("a", 1), ("b", 2))]

        assert outcomes(talks, sockets) == {"a": [b"1"], "b": [b"1", b"2"]}

    def test_a_wait_ends(self, sockets: Sockets[Party], party: Party) -> None:
        """Who is sent nothing goes on when the time is over, while others still wait."""

        def speak() -> Steps[str]:
            yield None, 0.0
            party.peer.send(b"blate")
            return "said"

        silent, late = Line(party, "a"), Line(party, "b")
        talks: list[tuple[str, Steps[object]]] = [
            ("late", listen(late, 1)),
            ("silent", listen(silent, 2, 0.0)),
            ("speaker", speak()),
        ]

        assert outcomes(talks, sockets) == {
            "silent": [None, None],
            "speaker": "said",
            "late": [b"late"],
        }

    def test_a_wait_that_ended_early_is_over(self, sockets: Sockets[Party], party: Party) -> None:
        """When its time would have been over, something else is waited for."""
        wire = Line(party, "a")

        def hear() -> Steps[list[bytes | None]]:
            yield wire, 0.1
            first = wire.receive(0.0)
            yield wire, LONG_S
            return [first, wire.receive(0.0)]

        def speak() -> Steps[list[bytes | None]]:
            party.peer.send(b"asoon")
            yield None, 0.3
            party.peer.send(b"alater")
            return []

        assert outcomes([("a", hear()), ("speaker", speak())], sockets) == {
            "speaker": [],
            "a": [b"soon", b"later"],
        }

    def test_a_failure_is_its_own(self, sockets: Sockets[Party], party: Party) -> None:
        """The others go on."""

        def fail() -> Steps[list[bytes | None]]:
            yield None, 0.0
            raise ZeroDivisionError("by zero")

        party.peer.send(b"aword")
        seen = outcomes([("broken", fail()), ("a", listen(Line(party, "a"), 1))], sockets)

        assert isinstance(seen["broken"], ZeroDivisionError)
        assert seen["a"] == [b"word"]

    def test_what_was_read_for_another_wakes_it(
        self, sockets: Sockets[Party], party: Party
    ) -> None:
        """Who looks for his own hands on what he finds; nobody waits for it at the socket then."""
        first, second = Line(party, "a"), Line(party, "b")

        def look() -> Steps[bytes | None]:
            yield first, 0.0
            party.peer.send(b"bfound")
            return first.receive(0.0)

        talks: list[tuple[str, Steps[object]]] = [("b", listen(second, 1)), ("a", look())]

        assert outcomes(talks, sockets) == {"a": None, "b": [b"found"]}

    def test_each_step_is_followed_by_a_look(self, sockets: Sockets[Party], party: Party) -> None:
        """Where many have something to ask at once, their answers do not fill the socket."""
        order = []

        def ask(name: str) -> Steps[None]:
            yield None, 0.0
            order.append(f"{name} asks")
            party.peer.send(name.encode())
            yield wires[name], LONG_S
            order.append(f"{name} hears")

        wires = {name: Line(party, name) for name in "abc"}
        for _ in together([[(name, ask(name)) for name in wires]], sockets):
            pass

        assert order == [f"{name} {does}" for name in "abc" for does in ("asks", "hears")]

    def test_they_begin_one_after_the_other(
        self, monkeypatch: pytest.MonkeyPatch, sockets: Sockets[Party]
    ) -> None:
        """All at once would be a storm."""
        monkeypatch.setattr(module, "START_S", LONG_S)
        begun = []

        def begin(name: str) -> Steps[None]:
            begun.append(name)
            yield None, 0.0

        held = together([[(name, begin(name)) for name in "ab"]], sockets)

        assert next(held) == [("a", None)]
        assert begun == ["a"]

    def test_groups_begin_beside_each_other(
        self, monkeypatch: pytest.MonkeyPatch, sockets: Sockets[Party]
    ) -> None:
        """Each at its own pace."""
        monkeypatch.setattr(module, "START_S", LONG_S)
        begun = []

        def begin(name: str) -> Steps[None]:
            begun.append(name)
            yield None, 0.0

        held = together(
            [[(name, begin(name)) for name in names] for names in ("ab", "cd")], sockets
        )

        assert sorted(key for key, _ in next(held)) == ["a", "c"]
        assert begun == ["a", "c"]

    def test_so_many_ask_before_a_look(
        self, monkeypatch: pytest.MonkeyPatch, sockets: Sockets[Party], party: Party
    ) -> None:
        """Where many have something to ask at once, their answers do not fill the socket."""
        monkeypatch.setattr(module, "START_S", 0.0)
        monkeypatch.setattr(module, "TURN", 2)
        order = []

        def ask(name: str) -> Steps[None]:
            yield None, 0.0
            order.append("asks")
            party.peer.send(name.encode())
            yield wires[name], LONG_S
            order.append("hears")

        wires = {name: Line(party, name) for name in "abcdef"}
        for _ in together([[(name, ask(name)) for name in wires]], sockets):
            pass

        ahead = [order[:end].count("asks") - order[:end].count("hears") for end in range(13)]
        assert max(ahead) <= 4  # two that ask while the two before them are read

    def test_waits_before_there_is_a_socket(self) -> None:
        """Windows takes it for an error to wait for none, and not every talk opens one."""

        class Strict:
            """Waits as Windows does."""

            def select(self, _limit_s: float) -> list[Any]:
                """Refuse."""
                raise OSError(10022, "An invalid argument was supplied")

            def get_map(self) -> dict[int, Any]:
                """Wait for none."""
                return {}

            def close(self) -> None:
                """Hold nothing."""

        def wait() -> Steps[str]:
            yield None, 0.01
            return "done"

        sockets: Sockets[Party] = Sockets()
        sockets.selector.close()
        sockets.selector = Strict()  # type: ignore[assignment]  # all that is used of it

        assert outcomes([("a", wait())], sockets) == {"a": "done"}

    def test_several_sockets(self, sockets: Sockets[Party], party: Party) -> None:
        """A computer may have several addresses that packets leave from."""
        other = sockets.of("there", Party)
        assert sockets.of("there", Party) is other
        with other.peer:
            party.peer.send(b"a1")
            other.peer.send(b"a2")
            talks = [
                (number, listen(Line(one, "a"), 1)) for number, one in ((1, party), (2, other))
            ]

            assert outcomes(talks, sockets) == {1: [b"1"], 2: [b"2"]}

    def test_what_ends_soon_after_is_told_with_it(
        self, monkeypatch: pytest.MonkeyPatch, sockets: Sockets[Party], party: Party
    ) -> None:
        """Whoever waits for outcomes is not woken for each; nor kept waiting while others talk."""
        monkeypatch.setattr(module, "START_S", 0.0)
        monkeypatch.setattr(module, "GATHER_S", 0.5)
        silent = listen(Line(party, "a"), 1)
        soon = [(name, listen(Line(party, name), 1, 0.01)) for name in "bc"]
        held = together([[("a", silent), *soon]], sockets)

        assert next(held) == [("b", [None]), ("c", [None])]


class TestOthers:
    """Who has a socket of its own is waited for beside those who share one."""

    def test_each_by_its_own_socket(self, sockets: Sockets[Party], party: Party) -> None:
        """It goes on when something can be read there, or written."""
        party.peer.send(b"ashared")
        own, peer = socket.socketpair()
        with own, peer:

            def use() -> Steps[list[bytes | None]]:
                yield Ready(own, selectors.EVENT_WRITE), LONG_S
                own.send(b"ask")
                yield None, 0.0
                peer.send(peer.recv(9))
                yield Ready(own, selectors.EVENT_READ), LONG_S
                return [own.recv(9)]

            talks = [("a", listen(Line(party, "a"), 1))]

            assert outcomes(talks, sockets, [("own", use())]) == {
                "a": [b"shared"],
                "own": [b"ask"],
            }

    def test_a_wait_ends(self, sockets: Sockets[Party]) -> None:
        """Then nothing is there, and the socket can be waited for anew."""
        own, peer = socket.socketpair()
        with own, peer:

            def use() -> Steps[list[bool]]:
                came = []
                for word in (b"", b"word"):
                    ready = Ready(own, selectors.EVENT_READ)
                    peer.send(word)
                    yield ready, LONG_S if word else 0.0
                    came.append(ready.waiting)
                return came

            assert outcomes((), sockets, [("own", use())]) == {"own": [False, True]}

    def test_what_cannot_be_waited_for_fails_alone(self, sockets: Sockets[Party]) -> None:
        """A defect of one is no other's."""

        def fail() -> Steps[str]:
            with socket.socket() as closed:
                pass
            yield Ready(closed, selectors.EVENT_READ), LONG_S
            return "waited"

        def go() -> Steps[str]:
            yield None, 0.0
            return "done"

        seen = outcomes((), sockets, [("broken", fail()), ("good", go())], 2)

        assert isinstance(seen["broken"], ValueError)
        assert seen["good"] == "done"

    def test_who_shares_a_socket_goes_first(
        self, monkeypatch: pytest.MonkeyPatch, sockets: Sockets[Party], pairs: Pairs
    ) -> None:
        """However much there is to do for the others, which comes in rounds."""
        monkeypatch.setattr(module, "START_S", 0.0)
        monkeypatch.setattr(module, "TURN", 2)
        order: list[str] = []
        begun: list[int] = []

        def use(number: int, own: socket.socket) -> Steps[None]:
            begun.append(number)
            while order.count("sharing") < 5:
                yield Ready(own, selectors.EVENT_WRITE), LONG_S
                order.append("other")

        def go() -> Steps[None]:
            while len(begun) < 6:
                yield None, 0.0
            order.clear()
            for _ in range(5):
                yield None, 0.0
                order.append("sharing")

        others = [(number, use(number, own)) for number, (own, _) in enumerate(pairs(6))]
        for _ in together([[("a", go())]], sockets, others, len(others)):
            pass

        assert order.index("sharing") <= 2
        last = len(order) - 1 - order[::-1].index("sharing")
        assert order[:last].count("other") <= 5 * 2

    def test_who_begins_waits_for_a_round(
        self, monkeypatch: pytest.MonkeyPatch, sockets: Sockets[Party], pairs: Pairs
    ) -> None:
        """Those under way go on first, so that none is kept waiting longer the more there are."""
        monkeypatch.setattr(module, "START_S", 0.0)
        order: list[str] = []

        def use(number: int, own: socket.socket) -> Steps[None]:
            order.append(f"{number} begins")
            yield Ready(own, selectors.EVENT_WRITE), LONG_S
            order.append(f"{number} goes on")

        others = [(number, use(number, own)) for number, (own, _) in enumerate(pairs(3))]
        outcomes((), sockets, others, len(others))

        assert order == [
            f"{number} {does}" for number in range(3) for does in ("begins", "goes on")
        ]

    def test_nothing_is_waited_for_within_a_round(
        self, monkeypatch: pytest.MonkeyPatch, sockets: Sockets[Party], pairs: Pairs
    ) -> None:
        """Whoever is in it can go on, and is watched no longer."""
        monkeypatch.setattr(module, "START_S", 0.0)
        monkeypatch.setattr(module, "TURN", 1)
        monkeypatch.setattr(module, "GATHER_S", LONG_S)
        limits: list[float] = []
        read = sockets.read

        def watched(limit_s: float) -> list[Any]:
            limits.append(limit_s)
            return read(0.0)

        def use(own: socket.socket) -> Steps[None]:
            yield Ready(own, selectors.EVENT_WRITE), LONG_S

        monkeypatch.setattr(sockets, "read", watched)
        outcomes((), sockets, [(number, use(own)) for number, (own, _) in enumerate(pairs(2))], 2)

        # The first one begins; it goes on, and the second one would begin; that begins, ...
        assert limits[2] == 0.0
        assert limits[3] > 0.0

    def test_who_comes_too_late_for_a_round_is_in_the_next(self, sockets: Sockets[Party]) -> None:
        """A wait that ends while its turn has not come is not taken for two."""
        own, peer = socket.socketpair()
        with own, peer:
            peer.send(b"word")

            def use() -> Steps[bytes]:
                ready = Ready(own, selectors.EVENT_READ)
                yield ready, 0.0
                return own.recv(9) if ready.waiting else b""

            assert outcomes((), sockets, [("own", use())]) == {"own": b"word"}

    @pytest.mark.parametrize("places", [1, 2, 3])
    def test_so_many_at_once(self, sockets: Sockets[Party], places: int) -> None:
        """A computer allows so many sockets; whoever has ended makes room."""
        under_way: set[int] = set()
        most = 0

        def use(number: int) -> Steps[None]:
            nonlocal most
            under_way.add(number)
            most = max(most, len(under_way))
            yield None, 0.01
            under_way.remove(number)

        others = [(number, use(number)) for number in range(7)]

        assert sorted(outcomes((), sockets, others, places)) == list(range(7))
        assert most == places

    def test_a_flood_is_read_in_turns(
        self, monkeypatch: pytest.MonkeyPatch, sockets: Sockets[Party], party: Party
    ) -> None:
        """Whoever has more than one look's worth lets the others go on meanwhile."""
        monkeypatch.setattr(module, "START_S", 0.0)
        order: list[str] = []
        wire = Line(party, "a")
        wire.waiting.extend([b"one of many"] * 3 * module.AT_A_TIME)

        def read() -> Steps[None]:
            while wire.waiting:
                yield wire, LONG_S
                wire.receive(0.0)
                order.append("flooded")

        def go() -> Steps[None]:
            yield None, 0.0
            order.append("other")

        for _ in together([[("a", read()), ("b", go())]], sockets):
            pass

        assert module.AT_A_TIME <= order.index("other") + 1 <= 2 * module.AT_A_TIME
        assert order.count("flooded") == 3 * module.AT_A_TIME

    def test_a_flood_is_not_all_that_is_read(
        self, monkeypatch: pytest.MonkeyPatch, sockets: Sockets[Party], party: Party
    ) -> None:
        """A socket at which there is always something more keeps nobody from another one."""
        monkeypatch.setattr(module, "AT_A_TIME", 3)
        for word in (b"a1", b"a2", b"a3", b"a4"):
            party.peer.send(word)
        wire = Line(party, "a")

        assert sockets.read(LONG_S) == [wire]
        assert list(wire.waiting) == [b"1", b"2", b"3"]


class TestAlone:
    """The same steps by themselves."""

    def test_goes_through(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """What a wire is waited for waits itself; what nothing tells of is waited for here."""
        slept: list[float] = []
        monkeypatch.setattr(module.time, "sleep", slept.append)

        def steps() -> Steps[str]:
            yield object(), 5.0
            yield None, 0.25
            return "done"

        assert alone(steps()) == "done"
        assert slept == [0.25]


class TestAside:
    """What would keep the others waiting."""

    def test_result(self) -> None:
        """It is done in another thread, and looked after now and then."""
        go = threading.Event()
        steps: Steps[str] = aside(lambda: threading.current_thread().name if go.wait() else "")
        awaited: Awaited = next(steps)
        go.set()

        assert awaited == (None, module.POLL_S)
        assert alone(steps).startswith("aside")

    def test_failure(self) -> None:
        """What it raises comes through."""

        def fail() -> None:
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            alone(aside(fail))
