"""Tests of what this computer knows of its neighbours, by ARP or by somebody's hand."""

from __future__ import annotations

import socket
import struct
import sys
from typing import TYPE_CHECKING

import pytest

from cube_acceptance.evidence import NeighboursObserved, Vantage
from cube_acceptance.probes.neighbours import NeighboursProbe
from cube_acceptance.probes.net import neighbours
from cube_acceptance.probes.net.neighbours import (
    DELAY,
    FAILED,
    INCOMPLETE,
    NO_ARP,
    PERMANENT,
    PROBE,
    REACHABLE,
    STALE,
    Neighbour,
    ask_neighbours,
    knows_no_arp,
    learned,
    neighbour_answers,
    read_neighbour,
    told_by_hand,
    told_not_to_ask,
)
from selftests.support.fakes import attribute

if TYPE_CHECKING:
    from pathlib import Path

CUBE = "10.20.0.50"
HARDWARE = bytes((2, 0, 0, 0, 0, 0x99))


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> list[Neighbour]:
    """A table of neighbours that a test lays out, and an interface with number 7."""
    entries: list[Neighbour] = []
    monkeypatch.setattr(neighbours, "ask_neighbours", lambda: tuple(entries))
    monkeypatch.setattr(neighbours, "knows_no_arp", lambda _: False)
    monkeypatch.setattr(neighbours.sys, "platform", "linux")
    monkeypatch.setattr(neighbours.socket, "if_nametoindex", lambda _: 7)
    return entries


class TestToldByHand:
    """Which entries Linux uses without asking."""

    @pytest.mark.parametrize(
        ("state", "word"),
        [(PERMANENT, "PERMANENT"), (NO_ARP, "NOARP"), (REACHABLE, ""), (STALE, "")],
    )
    def test_by_its_state(self, table: list[Neighbour], state: int, word: str) -> None:
        """What Linux has learned by ARP it asks for again; what it was told, never."""
        table.append(Neighbour(7, CUBE, HARDWARE.hex(":"), state))
        found = told_by_hand("eth0", CUBE)

        assert str(found or "") == (f"{CUBE} 02:00:00:00:00:99 {word}" if word else "")

    @pytest.mark.parametrize(("interface", "address"), [(8, CUBE), (7, "10.20.0.51")])
    def test_of_something_else(self, table: list[Neighbour], interface: int, address: str) -> None:
        """Another interface's entry, or another host's, has no part in it."""
        table.append(Neighbour(interface, address, "", PERMANENT))

        assert told_by_hand("eth0", CUBE) is None

    def test_without_arp(self, table: list[Neighbour], monkeypatch: pytest.MonkeyPatch) -> None:
        """A tunnel's entries are all without ARP, and nobody made them."""
        table.append(Neighbour(7, CUBE, "", NO_ARP))
        monkeypatch.setattr(neighbours, "knows_no_arp", lambda _: True)

        assert told_by_hand("wg0", CUBE) is None

    def test_elsewhere(self, table: list[Neighbour], monkeypatch: pytest.MonkeyPatch) -> None:
        """Other systems are not asked."""
        table.append(Neighbour(7, CUBE, "", PERMANENT))
        monkeypatch.setattr(neighbours.sys, "platform", "darwin")

        assert told_by_hand("eth0", CUBE) is None

    def test_interface_has_gone(self, table: list[Neighbour]) -> None:
        """Whoever unplugs it meanwhile meets no traceback."""
        table.append(Neighbour(7, CUBE, "", PERMANENT))

        def gone(_name: str) -> int:
            raise OSError

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(neighbours.socket, "if_nametoindex", gone)

            assert told_by_hand("eth9", CUBE) is None

    def test_an_entry_as_the_command_writes_it(self) -> None:
        """A state that is neither stands as its number, and no hardware address as nothing."""
        assert str(Neighbour(7, CUBE, "", STALE)) == f"{CUBE} 4"


class TestLearned:
    """Who answers for which address, as ARP has told."""

    def test_on_one_interface(self, table: list[Neighbour]) -> None:
        """Other interfaces, entries by hand and those without an answer tell nothing."""
        table += [
            Neighbour(7, CUBE, "02:00:00:00:00:99", REACHABLE),
            Neighbour(7, "10.20.0.51", "", STALE),
            Neighbour(7, "10.20.0.52", "02:00:00:00:00:98", PERMANENT),
            Neighbour(7, "10.20.0.54", "02:00:00:00:00:96", FAILED),
            Neighbour(8, "10.20.0.53", "02:00:00:00:00:97", REACHABLE),
        ]

        assert learned("eth0") == {CUBE: "02:00:00:00:00:99"}

    def test_elsewhere(self, table: list[Neighbour], monkeypatch: pytest.MonkeyPatch) -> None:
        """Other systems are not asked."""
        table.append(Neighbour(7, CUBE, "02:00:00:00:00:99", REACHABLE))
        monkeypatch.setattr(neighbours.sys, "platform", "darwin")

        assert learned("eth0") == {}

    def test_interface_has_gone(
        self, table: list[Neighbour], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Whoever unplugs it meanwhile meets no traceback."""
        table.append(Neighbour(7, CUBE, "02:00:00:00:00:99", REACHABLE))

        def gone(_name: str) -> int:
            raise OSError

        monkeypatch.setattr(neighbours.socket, "if_nametoindex", gone)

        assert learned("eth9") == {}

    def test_the_probe_keeps_those_that_it_was_asked_for(self, table: list[Neighbour]) -> None:
        """The rest of the plant is nobody's business."""
        table += [Neighbour(7, f"10.20.0.{n}", f"02:00:00:00:00:{n}", STALE) for n in (50, 60)]
        vantage = Vantage(interface="eth0", address="127.0.0.1", prefix=8, loopback=True)
        probe = NeighboursProbe(vantage=vantage, addresses=(CUBE, "10.20.0.51"))
        seen = probe.run()

        assert probe.key == "neighbours"
        assert isinstance(seen, NeighboursObserved)
        assert seen.hardware == ((CUBE, "02:00:00:00:00:50"),)


class TestNeighbourAnswers:
    """Whether somebody has an address."""

    @pytest.mark.parametrize(
        ("state", "answers"),
        [
            *((state, True) for state in (REACHABLE, STALE, DELAY, PROBE, PERMANENT)),
            *((state, False) for state in (INCOMPLETE, FAILED)),
            *((state, None) for state in (0, NO_ARP)),
        ],
    )
    def test_by_its_state(
        self, *, table: list[Neighbour], state: int, answers: bool | None
    ) -> None:
        """Who has not answered yet and who never did is nobody; without a question, who knows."""
        table.append(Neighbour(7, CUBE, "", state))

        assert neighbour_answers("eth0", CUBE) is answers

    def test_of_something_else(self, table: list[Neighbour]) -> None:
        """Another interface's entry, or another host's, says nothing."""
        table += [Neighbour(8, CUBE, "", FAILED), Neighbour(7, "10.20.0.51", "", FAILED)]

        assert neighbour_answers("eth0", CUBE) is None


class TestKnowsNoArp:
    """The interface's own flag."""

    @pytest.mark.parametrize(("flags", "none"), [("0x1003\n", False), ("0x10d1\n", True)])
    def test_flag(self, tmp_path: Path, flags: str, *, none: bool) -> None:
        """As sysfs writes it."""
        (tmp_path / "x0").mkdir()
        (tmp_path / "x0" / "flags").write_text(flags)

        assert knows_no_arp("x0", tmp_path) is none

    def test_unknown(self, tmp_path: Path) -> None:
        """Nobody says so."""
        assert not knows_no_arp("x0", tmp_path)

    @pytest.mark.parametrize(
        ("kind", "flags", "below", "told"),
        [
            ("1", "0x1083", "", True),
            ("1", "0x1003", "", False),
            ("65534", "0x10d1", "", False),
            ("1", "0x1083", "lower_eth0", False),
        ],
        ids=["switched-off", "card", "tunnel", "ipvlan"],
    )
    def test_told_not_to_ask(
        self, *, tmp_path: Path, kind: str, flags: str, below: str, told: bool
    ) -> None:
        """Only a card of Ethernet's that lies over nothing else should ask, and does not."""
        (tmp_path / "x0" / below).mkdir(parents=True)
        (tmp_path / "x0" / "type").write_text(f"{kind}\n")
        (tmp_path / "x0" / "flags").write_text(f"{flags}\n")

        assert told_not_to_ask("x0", tmp_path) is told
        assert not told_not_to_ask("x1", tmp_path)


class TestReading:
    """Linux's table."""

    def test_entry(self) -> None:
        """Whatever else stands in it."""
        entry = struct.pack("=BxxxiHBB", socket.AF_INET, 7, PERMANENT, 0, 1)
        entry += attribute(3, bytes(16)) + attribute(1, socket.inet_aton(CUBE))
        entry += attribute(2, HARDWARE)

        assert read_neighbour(entry) == Neighbour(7, CUBE, HARDWARE.hex(":"), PERMANENT)

    def test_no_address(self) -> None:
        """An entry without an IPv4 address is nobody's."""
        entry = struct.pack("=BxxxiHBB", socket.AF_INET, 7, PERMANENT, 0, 1)

        assert read_neighbour(entry) == Neighbour(7, "", "", PERMANENT)

    @pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks Linux itself")
    def test_this_computer(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The question is one that Linux understands; an entry that is too short is none."""
        assert all(one.interface for one in ask_neighbours())

        monkeypatch.setattr(neighbours, "ask_list", lambda *_: (b"short",))
        assert ask_neighbours() == ()
