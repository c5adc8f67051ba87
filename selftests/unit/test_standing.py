"""What the system has said is asked once, and once more after every change that it tells of."""

from __future__ import annotations

import errno
import socket
import sys
from typing import TYPE_CHECKING

import pytest

from cube_acceptance.probes.net import routing, standing, vantage
from cube_acceptance.probes.net.routing import ANY, Route, tcp
from cube_acceptance.probes.net.standing import Standing

if TYPE_CHECKING:
    from collections.abc import Iterator

LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="netlink is Linux's own")
ON_LINK = Route(source="10.20.0.20", interface="eth0")
BEHIND = Route(source="10.20.0.20", interface="eth0", gateway="10.20.0.1")


class System:
    """A system that tells of changes when it is told to, and counts what it is asked."""

    def __init__(self) -> None:
        """Have told nothing."""
        self.here, self.there = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.here.settimeout(0)
        self.asked = 0
        self.now_s = 0.0
        self.standing = Standing(lambda: self.here, self.later)

    def later(self) -> float:
        """Let so much time pass with each look at the clock that a look at the notices is due."""
        self.now_s += standing.LOOK_S
        return self.now_s

    def change(self) -> None:
        """Announce a change."""
        self.there.send(b"changed")

    def answer(self) -> str:
        """Answer, each time differently."""
        self.asked += 1
        return f"answer {self.asked}"


@pytest.fixture
def system() -> Iterator[System]:
    """A system whose answers are remembered."""
    made = System()
    made.standing.hold()
    yield made
    made.here.close()
    made.there.close()


def test_an_answer_holds_until_the_system_tells_of_a_change(system: System) -> None:
    """What was seen before a change must not be believed behind it."""
    seen = [system.standing.recall("way", system.answer) for _ in range(2)]
    system.change()
    system.change()
    seen += [system.standing.recall("way", system.answer) for _ in range(2)]
    assert seen == ["answer 1", "answer 1", "answer 2", "answer 2"]


def test_an_answer_that_a_change_overtook_is_not_remembered(system: System) -> None:
    """It may be of before the change."""

    def overtaken() -> str:
        system.change()
        system.standing.recall("other", system.answer)  # somebody else has seen the notice
        return "old"

    assert system.standing.recall("way", overtaken) == "old"
    assert system.standing.recall("way", system.answer) == "answer 2"


def test_what_does_not_last_is_asked_again(system: System) -> None:
    """An answer whose change nobody would tell of, and one that says nothing."""
    assert [system.standing.recall("way", system.answer, lambda _: False) for _ in range(2)] == [
        "answer 1",
        "answer 2",
    ]


def test_nothing_is_remembered_but_while_somebody_holds_it(system: System) -> None:
    """The last one to let go closes the socket."""
    system.standing.hold()
    system.standing.recall("way", system.answer)
    system.standing.release()
    assert system.standing.recall("way", system.answer) == "answer 1"
    system.standing.release()
    assert not system.standing.held
    assert system.here.fileno() == -1
    assert system.standing.recall("way", system.answer) == "answer 2"


def test_a_system_that_tells_nothing_is_asked_every_time() -> None:
    """Without notices nobody knows whether an answer still holds."""

    def none() -> socket.socket:
        raise OSError(errno.EAFNOSUPPORT, "no netlink")

    system = System()
    system.standing = Standing(none)
    system.standing.hold()
    assert [system.standing.recall("way", system.answer) for _ in range(2)] == [
        "answer 1",
        "answer 2",
    ]
    system.standing.release()
    system.here.close()
    system.there.close()


def test_lost_notices_are_a_change(system: System) -> None:
    """Linux says ENOBUFS where there were more of them than it could keep."""

    class Overrun:
        """A socket that has lost something."""

        told = (OSError(errno.ENOBUFS, "lost"), BlockingIOError(), BlockingIOError())

        def __init__(self) -> None:
            """Have told nothing."""
            self.left = list(self.told)

        def recv(self, _size: int) -> bytes:
            """Raise the next error."""
            raise self.left.pop(0)

    remembering = Standing()
    remembering._sock = Overrun()  # type: ignore[assignment]
    remembering._known["way"] = "old"
    remembering.look()
    assert remembering.recall("way", system.answer) == "answer 1"


def test_between_two_looks_at_the_notices_nothing_is_read(system: System) -> None:
    """A thousand probes look at the same moment; who has waited in vain looks for certain."""
    system.standing._clock = lambda: 0.0
    system.standing._next_s = 1.0
    seen = [system.standing.recall("way", system.answer)]
    system.change()
    seen.append(system.standing.recall("way", system.answer))
    system.standing.look()
    seen.append(system.standing.recall("way", system.answer))
    assert seen == ["answer 1", "answer 1", "answer 2"]


@LINUX
def test_the_systems_own_notices_can_be_had_and_a_useless_socket_is_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A session of an ordinary user hears of changes as well."""
    with standing.notices() as heard, pytest.raises(BlockingIOError):
        heard.recv(1)
    monkeypatch.setattr(standing, "_GROUPS", "none")
    with pytest.raises(TypeError):
        standing.notices()


@LINUX
@pytest.mark.parametrize(
    ("way", "by_flow", "asked"),
    [(ON_LINK, False, 1), (ON_LINK, True, 2), (BEHIND, False, 6), (None, False, 6)],
    ids=["neighbour", "neighbour-by-flow", "router", "no-way"],
)
def test_the_way_to_a_neighbour_is_asked_once_unless_rules_tell_flows_apart(
    monkeypatch: pytest.MonkeyPatch, system: System, way: Route | None, *, by_flow: bool, asked: int
) -> None:
    """A router may name a better one, and nobody is told; a neighbour stays where it is."""
    counted = []

    def ask(*question: object) -> Route | None:
        counted.append(question)
        return way

    monkeypatch.setattr(vantage, "STANDING", system.standing)
    monkeypatch.setattr(vantage, "ask_netlink", ask)
    monkeypatch.setattr(vantage, "flow_matters", lambda: by_flow)
    for port in (80, 5555):
        assert vantage.route_to("10.20.0.50", tcp(port)) == way
    assert vantage.route_to("10.20.0.50", tcp(80)) == way
    assert len(counted) == asked
    system.change()
    vantage.route_to("10.20.0.50", ANY)
    assert len(counted) == asked + 1


@pytest.mark.parametrize(
    ("attributes", "matters"),
    [([(15, 254)], False), ([(15, 254), (24, 0x00500050)], True)],
    ids=["by-table", "by-port"],
)
def test_rules_that_tell_ports_apart_matter(
    monkeypatch: pytest.MonkeyPatch, attributes: list[tuple[int, int]], *, matters: bool
) -> None:
    """A VPN that takes only some of the traffic must be seen."""
    rule = bytes(12) + b"".join(
        (8).to_bytes(2, sys.byteorder)
        + kind.to_bytes(2, sys.byteorder)
        + value.to_bytes(4, sys.byteorder)
        for kind, value in attributes
    )
    monkeypatch.setattr(routing, "ask_list", lambda *_: (bytes(12), rule))
    assert routing.flow_matters() is matters


def test_rules_that_nobody_can_read_may_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then each flow is asked about by itself."""

    def refuse(*_: object) -> tuple[bytes, ...]:
        raise OSError(errno.EOPNOTSUPP, "no rules")

    monkeypatch.setattr(routing, "ask_list", refuse)
    assert routing.flow_matters()
