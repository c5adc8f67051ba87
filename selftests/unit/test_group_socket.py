"""Tests of the sockets for questions to groups: whose a packet is, alone and beside others."""

from __future__ import annotations

import contextlib
import socket
from typing import TYPE_CHECKING

import pytest

from cube_acceptance.evidence import Vantage
from cube_acceptance.probes.net.group_socket import GroupSockets, GroupWire, open_group
from cube_acceptance.probes.net.measuring import Stopwatch

if TYPE_CHECKING:
    from collections.abc import Iterator

LOOPBACK = Vantage(interface="lo", address="127.0.0.1", prefix=8, loopback=True)
HOSTS = ("127.0.0.2", "127.0.0.3")


@pytest.fixture
def sockets() -> Iterator[GroupSockets]:
    """Open sockets and close them."""
    with contextlib.closing(GroupSockets()) as opened:
        yield opened


def opened(sockets: GroupSockets, host: str, *, everybody: bool = False) -> GroupWire:
    """Open a wire about a host."""
    return sockets.open(LOOPBACK, host, Stopwatch(), everybody=everybody)


def tell(wire: GroupWire, packet: bytes, source: str) -> None:
    """Send a packet to where replies come to."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as host:
        host.bind((source, 0))
        host.sendto(packet, ("127.0.0.1", wire.port))


def heard(wire: GroupWire) -> list[bytes]:
    """Take all that has come for a wire."""
    return [arrival.packet for arrival in iter(lambda: wire.receive(0.0), None)]


class TestSharing:
    """One socket for many hosts."""

    def test_a_reply_is_whose_id_it_bears(self, sockets: GroupSockets) -> None:
        """Whoever sends it: others may claim the name that was asked for."""
        first, second = (opened(sockets, host) for host in HOSTS)
        second.send(0x1234, b"question", ("127.0.0.1", 9))
        tell(first, b"\x12\x34 claim", HOSTS[0])

        assert first.shared is second.shared
        assert heard(first) == []
        assert heard(second) == [b"\x12\x34 claim"]

    def test_another_id_is_whom_it_comes_from(self, sockets: GroupSockets) -> None:
        """What a host says that is no reply belongs to its observation; a stranger's to none."""
        first, second = (opened(sockets, host) for host in HOSTS)
        for source in (HOSTS[1], "127.0.0.9"):
            tell(first, b"nonsense", source)

        assert heard(first) == []
        assert heard(second) == [b"nonsense"]

    def test_what_is_left_is_whose_who_asks_everybody(self, sockets: GroupSockets) -> None:
        """A host may have been asked already about its name."""
        first, everybody = opened(sockets, HOSTS[0]), opened(sockets, HOSTS[0], everybody=True)
        tell(first, b"its own", HOSTS[0])
        tell(first, b"others", HOSTS[1])

        assert heard(first) == [b"its own"]
        assert heard(everybody) == [b"others"]

    def test_who_has_left_is_told_nothing(self, sockets: GroupSockets) -> None:
        """Its ids are free again, and the socket stays open for others."""
        first, second = (opened(sockets, host) for host in HOSTS)
        second.send(0x1234, b"question", ("127.0.0.1", 9))
        tell(first, b"\x12\x34", HOSTS[1])
        assert heard(first) == []
        second.close()
        first.close()

        assert first.shared.by_id == {}
        assert first.shared.fresh == set()
        assert first.shared.sock.fileno() != -1


class TestAlone:
    """A socket of one's own."""

    def test_is_given_all(self) -> None:
        """Whatever its id, and whoever sends it; it ends with the socket."""
        with contextlib.closing(open_group(LOOPBACK, HOSTS[0], Stopwatch())) as wire:
            tell(wire, b"anything", HOSTS[1])
            arrival = wire.receive(1.0)
            assert arrival
            assert (arrival.packet, arrival.address) == (b"anything", HOSTS[1])
            assert arrival.source == f"{HOSTS[1]}:{arrival.port}"

        assert wire.shared.sock.fileno() == -1
