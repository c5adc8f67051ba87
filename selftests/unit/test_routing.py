"""Tests of what the system says about the way that a packet would take."""

from __future__ import annotations

import errno
import socket
import struct
from typing import TYPE_CHECKING

import pytest

from cube_acceptance.probes.net import routing
from cube_acceptance.probes.net.routing import (
    Flow,
    Route,
    ask_netlink,
    connected_source,
    tcp,
    udp,
)
from selftests.support.fakes import FakeNetlink, attribute

if TYPE_CHECKING:
    from collections.abc import Callable

NO_ROUTE = "255.255.255.255"
"""No host's address, whatever routes this computer has."""


def answer(*attributes: bytes, kind: int = 24, route_type: int = 1) -> bytes:
    """Write Linux's answer."""
    body = struct.pack("=BBBBBBBBI", socket.AF_INET, 32, 0, 0, 254, 0, 0, route_type, 0)
    body += b"".join(attributes)
    return struct.pack("=IHHII", 16 + len(body), kind, 0, 1, 0) + body


def refusal(number: int) -> bytes:
    """Write Linux's refusal."""
    return struct.pack("=IHHIIi", 36, 2, 0, 1, 0, -number) + bytes(16)


@pytest.fixture
def netlink(monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], FakeNetlink]:
    """Linux with an answer that a test lays out."""

    def lay_out(reply: bytes) -> FakeNetlink:
        fake = FakeNetlink(reply)
        monkeypatch.setattr(routing.socket, "socket", fake)
        monkeypatch.setattr(routing.socket, "if_indextoname", {4: "eth0"}.__getitem__)
        return fake

    return lay_out


GATEWAY = attribute(5, socket.inet_aton("10.20.0.1"))
SOURCE = attribute(7, socket.inet_aton("10.20.0.20"))
ETH0 = attribute(4, struct.pack("=I", 4))


class TestAskNetlink:
    """Linux's own opinion."""

    def test_of_this_computer(self) -> None:
        """An address of its own is no network's."""
        assert ask_netlink("127.0.0.1") == Route(source="127.0.0.1", interface="lo", own=True)

    def test_without_a_way(self) -> None:
        """What is no host's address leads to no host."""
        assert ask_netlink(NO_ROUTE) is None

    def test_from_an_address_that_is_not_here(self) -> None:
        """Nothing leaves from there."""
        assert ask_netlink("127.0.0.1", source="192.0.2.77") is None

    def test_reads_the_answer(self, netlink: Callable[[bytes], FakeNetlink]) -> None:
        """Attributes come in any order, and with others between them."""
        netlink(answer(attribute(15, b"\xfe\0\0\0"), GATEWAY, attribute(99, b"odd"), ETH0, SOURCE))

        assert ask_netlink("11.20.0.10") == Route(
            source="10.20.0.20", interface="eth0", gateway="10.20.0.1"
        )

    def test_asks_for_exactly_this_packet(self, netlink: Callable[[bytes], FakeNetlink]) -> None:
        """Rules choose by source, protocol and port; the source is not told back."""
        fake = netlink(answer(ETH0))
        found = ask_netlink("11.20.0.10", tcp(443), "10.20.0.20")

        assert found == Route(source="10.20.0.20", interface="eth0")
        assert attribute(1, socket.inet_aton("11.20.0.10")) in fake.asked
        assert attribute(2, socket.inet_aton("10.20.0.20")) in fake.asked
        assert attribute(27, b"\6") in fake.asked
        assert attribute(29, b"\x01\xbb") in fake.asked
        assert struct.unpack_from("=I", fake.asked) == (len(fake.asked),)

    def test_asks_for_no_more_than_is_known(self, netlink: Callable[[bytes], FakeNetlink]) -> None:
        """A zero would be taken for a protocol or a port."""
        fake = netlink(answer(ETH0))
        ask_netlink("11.20.0.10")

        assert fake.asked[28:] == attribute(1, socket.inet_aton("11.20.0.10"))

    def test_names_no_interface_that_has_gone(
        self, netlink: Callable[[bytes], FakeNetlink], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It may go between the answer and the look at its name."""

        def gone(_index: int) -> str:
            raise OSError(errno.ENXIO, "No such device")

        netlink(answer(ETH0, SOURCE))
        monkeypatch.setattr(routing.socket, "if_indextoname", gone)

        assert ask_netlink("11.20.0.10") == Route(source="10.20.0.20", interface="")

    @pytest.mark.parametrize("route_type", [3, 5, 6])
    def test_leads_to_hosts_only(
        self, netlink: Callable[[bytes], FakeNetlink], route_type: int
    ) -> None:
        """Broadcast, multicast, a black hole."""
        netlink(answer(ETH0, SOURCE, route_type=route_type))

        assert ask_netlink("10.20.0.255") is None

    @pytest.mark.parametrize(
        "number", [errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EACCES, errno.EINVAL]
    )
    def test_no_way(self, netlink: Callable[[bytes], FakeNetlink], number: int) -> None:
        """No route, and routes that are there to lead nowhere."""
        netlink(refusal(number))

        assert ask_netlink("11.20.0.10") is None

    @pytest.mark.parametrize("reply", [refusal(errno.EOPNOTSUPP), answer(ETH0, kind=3)])
    def test_cannot_be_asked(self, netlink: Callable[[bytes], FakeNetlink], reply: bytes) -> None:
        """What only looks like Linux must not look like a computer without a route."""
        netlink(reply)

        with pytest.raises(OSError, match="instead of a route"):
            ask_netlink("11.20.0.10")

    def test_flows(self) -> None:
        """What is meant by them."""
        assert udp(53) == Flow(protocol=socket.IPPROTO_UDP, port=53)
        assert tcp(443) == Flow(protocol=socket.IPPROTO_TCP, port=443)


class TestConnectedSource:
    """Any system's opinion."""

    def test_of_this_computer(self) -> None:
        """The loopback network is reached from the loopback address."""
        assert connected_source("127.0.0.1") == "127.0.0.1"

    def test_without_a_route(self) -> None:
        """No route is no error of ours."""
        assert connected_source(NO_ROUTE) is None
