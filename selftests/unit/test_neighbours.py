"""Tests of what somebody has told this computer by hand about its neighbours."""

from __future__ import annotations

import socket
import struct
import sys
from typing import TYPE_CHECKING

import pytest

from cube_acceptance.probes.net import neighbours
from cube_acceptance.probes.net.neighbours import (
    NO_ARP,
    PERMANENT,
    Neighbour,
    ask_neighbours,
    knows_no_arp,
    read_neighbours,
    told_by_hand,
)

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Self

REACHABLE, STALE = 0x02, 0x04
CUBE = "10.20.0.50"
HARDWARE = bytes((2, 0, 0, 0, 0, 0x99))
DONE = struct.pack("=IHHIIi", 20, 3, 2, 1, 0, 0)


def attribute(kind: int, value: bytes) -> bytes:
    """Write an attribute as Linux does."""
    return struct.pack("=HH", len(value) + 4, kind) + value + bytes(-len(value) % 4)


def entry(address: str, state: int, interface: int = 7, *more: bytes) -> bytes:
    """Write an entry as Linux does."""
    body = struct.pack("=BxxxiHBB", socket.AF_INET, interface, state, 0, 1)
    body += attribute(1, socket.inet_aton(address)) + attribute(2, HARDWARE) + b"".join(more)
    return struct.pack("=IHHII", 16 + len(body), 28, 2, 1, 0) + body


class FakeNetlink:
    """Gives a list in parts."""

    def __init__(self, *parts: bytes) -> None:
        """Lay the parts out."""
        self.parts = list(parts)

    def __call__(self, *_: int) -> Self:
        """Be made as a socket."""
        return self

    def __enter__(self) -> Self:
        """Be open."""
        return self

    def __exit__(self, *_: object) -> None:
        """Be closed."""

    def send(self, question: bytes) -> None:
        """Take the question for all neighbours of IPv4."""
        assert struct.unpack_from("=IHH", question) == (28, 30, 0x301)
        assert question[16] == socket.AF_INET

    def recv(self, _size: int) -> bytes:
        """Give the next part."""
        return self.parts.pop(0)


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
        monkeypatch.setattr(neighbours.sys, "platform", "win32")

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


class TestReading:
    """Linux's list, in parts."""

    def test_entries(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """All of them, whatever else stands in them, until Linux says that it is done."""
        first = entry(CUBE, PERMANENT, 7, attribute(3, bytes(16)))
        fake = FakeNetlink(first + entry("10.20.0.1", STALE), entry("10.20.0.2", NO_ARP, 8), DONE)
        monkeypatch.setattr(neighbours.socket, "socket", fake)

        assert ask_neighbours() == (
            Neighbour(7, CUBE, HARDWARE.hex(":"), PERMANENT),
            Neighbour(7, "10.20.0.1", HARDWARE.hex(":"), STALE),
            Neighbour(8, "10.20.0.2", HARDWARE.hex(":"), NO_ARP),
        )

    def test_a_list_without_end(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """It is read for so long only."""
        monkeypatch.setattr(neighbours.socket, "socket", FakeNetlink(*[entry(CUBE, STALE)] * 300))

        assert len(ask_neighbours()) == 256

    @pytest.mark.parametrize(
        "part",
        [
            struct.pack("=IHHIIi", 20, 2, 0, 1, 0, -95),
            struct.pack("=IHHII", 16, 28, 2, 1, 0),
            struct.pack("=IHHII", 0, 28, 2, 1, 0),
        ],
        ids=["an-error", "no-entry", "no-length"],
    )
    def test_another_message(self, part: bytes) -> None:
        """What is no list of neighbours is said to be none."""
        with pytest.raises(OSError, match="instead of a neighbour"):
            read_neighbours(part)

    def test_no_address(self) -> None:
        """An entry without an IPv4 address is nobody's."""
        body = struct.pack("=BxxxiHBB", socket.AF_INET, 7, PERMANENT, 0, 1) + struct.pack(
            "=HH", 0, 1
        )
        part = struct.pack("=IHHII", 16 + len(body), 28, 2, 1, 0) + body

        assert read_neighbours(part) == ([Neighbour(7, "", "", PERMANENT)], True)

    @pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks Linux itself")
    def test_this_computer(self) -> None:
        """The question is one that Linux understands."""
        assert all(one.interface for one in ask_neighbours())
