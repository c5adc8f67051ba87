"""Tests of the way onto the network, with real sockets on the loopback interface."""

from __future__ import annotations

import errno
import select
import socket
import struct
import sys
import time
from contextlib import ExitStack, closing, contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, NamedTuple

import psutil
import pytest

from cube_acceptance.evidence import (
    CannotMeasure,
    DhcpObserved,
    DnsObserved,
    HttpsObserved,
    MdnsObserved,
    NtpObserved,
    PageObserved,
    PingObserved,
    SshObserved,
    Trouble,
    Vantage,
)
from cube_acceptance.probes.net import errors, measuring, sockets, vantage
from cube_acceptance.probes.net.capture import BLIND, RECORDER
from cube_acceptance.probes.net.errors import CannotAskError, ReachError
from cube_acceptance.probes.net.local import (
    can_broadcast,
    carrier_changes,
    interface_networks,
    interface_of,
    is_here,
    plugged_in,
)
from cube_acceptance.probes.net.measuring import Stopwatch
from cube_acceptance.probes.net.routing import ANY, Flow, Route, tcp, udp
from selftests.support.fakes import Account
from selftests.support.held import open_tcp_beside

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import NoReturn

LOOPBACK = Vantage(interface="lo", address="127.0.0.1", prefix=8, loopback=True)
ELSEWHERE = Vantage(interface="eth9", address="10.99.0.1", prefix=24)
STANDING = Vantage(interface="lo", address="127.0.0.1", prefix=8)
MOVED = Vantage(interface="lo", address="192.0.2.77", prefix=24)
SEEN = {"started": "", "duration_s": 6.0}
NOTHING = Trouble(kind="no-answer", phase="udp")
AWAY = Trouble(kind="no-route", phase="tcp")
CLOSED = Trouble(kind="refused", phase="tcp")
BY_HAND = ("10.20.0.1", "10.20.0.50")
SILENT = NtpObserved(**SEEN, server="192.0.2.1", trouble=NOTHING)
ANSWERED = NtpObserved(started="", duration_s=0.1, server="")
NO_ROUTE = "255.255.255.255"
"""Where no ordinary socket can be connected to, whatever routes this computer has."""


class Entry(NamedTuple):
    """One address of an interface, as psutil gives it."""

    family: int
    address: str
    netmask: str | None = None


def ipv4(address: str, netmask: str | None = "255.255.255.0") -> Entry:
    """An IPv4 address of an interface."""
    return Entry(socket.AF_INET, address, netmask)


def hardware(address: str) -> Entry:
    """A hardware address of an interface."""
    return Entry(psutil.AF_LINK, address)


@pytest.fixture
def interfaces(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[Entry]]:
    """A computer with two network cards instead of this one."""
    table = {
        "lo": [ipv4("127.0.0.1", "255.0.0.0")],
        "eth9": [
            Entry(socket.AF_INET6, "fe80::1"),
            hardware("02-00-00-00-00-AA"),
            ipv4("10.99.0.1"),
        ],
        "eth9:1": [ipv4("10.98.0.1", "255.255.0.0")],
        "wlan0": [hardware("02:00:00:00:00:bb")],
        "tun0": [ipv4("10.97.0.1", None)],
    }
    monkeypatch.setattr(psutil, "net_if_addrs", lambda: table)
    return table


@pytest.fixture
def routes(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What this computer's routes say, instead of what they say here: target to source."""
    table: dict[str, str] = {}

    def route_to(target: str, _flow: Flow = ANY, _source: str = "") -> Route | None:
        source = table.get(target)
        if source is None:
            return None
        interface = interface_of(source) or ""
        return Route(source=source, interface=interface, own=source == target)

    monkeypatch.setattr(vantage, "route_to", route_to)
    return table


@pytest.fixture
def standing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A computer whose link and addresses stay."""
    monkeypatch.setattr(vantage, "check_link_state", lambda *_: None)


@contextmanager
def listening(backlog: int = 1) -> Iterator[int]:
    """A TCP port that somebody listens on and nobody answers."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(backlog)
        yield server.getsockname()[1]


def closed_port(kind: socket.SocketKind) -> int:
    """A port that nobody listens on."""
    with socket.socket(socket.AF_INET, kind) as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


class QueuedError:
    """Fakes a socket with something in its error queue."""

    def __init__(self, *ancillary: tuple[int, int, bytes]) -> None:
        """Hold this ancillary data."""
        self._ancillary = list(ancillary)

    def gettimeout(self) -> float:
        """Have a time limit, which must not delay the look into the queue."""
        return 5.0

    def settimeout(self, limit_s: float) -> None:
        """Take any time limit."""

    def recvmsg(self, *_: int) -> tuple[bytes, list[tuple[int, int, bytes]], int, None]:
        """Return what is in the queue."""
        return b"", self._ancillary, 0, None


def extended(icmp_type: int, code: int, *, origin: int = 2, offender: str = "10.0.0.1") -> bytes:
    """A ``struct sock_extended_err`` as Linux writes it, with the sender after it."""
    sender = struct.pack("=HH4s8x", socket.AF_INET, 0, socket.inet_aton(offender))
    return struct.pack("=IBBBBII", errno.EHOSTUNREACH, origin, icmp_type, code, 0, 0, 0) + sender


def icmp(icmp_type: int, code: int, **changes: object) -> QueuedError:
    """A socket that met an ICMP error."""
    return QueuedError((socket.IPPROTO_IP, 11, extended(icmp_type, code, **changes)))


EMPTY = QueuedError()


class TestStopwatch:
    """Time within one probe."""

    def test_counts_from_its_start(self) -> None:
        """Tries are placed in time by it."""
        watch = Stopwatch()

        first = watch.elapsed()
        assert 0.0 <= first <= watch.elapsed()
        assert watch.started.endswith("Z")

    def test_knows_what_is_left(self) -> None:
        """A deadline is for the whole, so what is left shrinks and never gets negative."""
        watch = Stopwatch()

        assert 3599.0 < watch.left(3600.0) <= 3600.0
        assert watch.left(0.0) == 0.0
        assert watch.left(-5.0) == 0.0

    def test_waits_until_a_moment(self) -> None:
        """Pacing counts from the start, not from the last packet."""
        watch = Stopwatch()

        watch.wait_until(0.02)

        assert watch.elapsed() >= 0.02

    def test_does_not_wait_for_the_past(self) -> None:
        """A moment that has passed is no reason to sleep, nor to fail."""
        watch = Stopwatch()

        watch.wait_until(-1.0)

        assert watch.left(60.0) > 0


class TestMeasured:
    """From an error to an observation."""

    def test_gives_what_was_measured(self) -> None:
        """The usual way through."""
        assert measure_with(LOOPBACK) == LOOPBACK

    def test_turns_an_obstacle_into_an_observation(self) -> None:
        """Could-not-ask is evidence as well, with the command that helps."""
        seen = measure_with(CannotAskError("not-permitted", "port 68", "setcap x"))

        assert isinstance(seen, CannotMeasure)
        assert (seen.cause, seen.detail, seen.command) == ("not-permitted", "port 68", "setcap x")
        assert seen.duration_s >= 0.0

    def test_hides_no_defect(self) -> None:
        """What is neither is for the survey to notice."""
        with pytest.raises(ZeroDivisionError):
            measuring.measured(lambda _: 1 // 0, LOOPBACK)

    @pytest.mark.parametrize(
        ("observation", "in_vain"),
        [
            (SILENT, True),
            (DhcpObserved(started="", duration_s=10.0), True),
            (ANSWERED, False),
            (LOOPBACK, False),
        ],
        ids=["silence", "no-offer", "answer", "something-else"],
    )
    @pytest.mark.parametrize("after", ["2", "4"], ids=["stood", "fell"])
    def test_stands_all_the_time(
        self,
        monkeypatch: pytest.MonkeyPatch,
        observation: object,
        after: str,
        *,
        in_vain: bool,
    ) -> None:
        """What came to nothing while the link was lost says nothing about the network."""
        told = iter(["2", after])
        monkeypatch.setattr(vantage, "carrier_changes", lambda _: next(told))
        seen = measuring.measured(lambda _: observation, STANDING)

        if in_vain and after == "4":
            assert isinstance(seen, CannotMeasure)
            assert (seen.cause, "lost its carrier" in seen.detail) == ("off-link", True)
        else:
            assert seen is observation

    def test_embedded_site_always_stands(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """There is no link to be lost."""
        told = iter(["2", "4"])
        monkeypatch.setattr(vantage, "carrier_changes", lambda _: next(told))

        assert measuring.measured(lambda _: SILENT, LOOPBACK) is SILENT


class TestNeighbours:
    """Whether packets went to whom the network says that they are for."""

    @pytest.fixture(autouse=True)
    def prepare(self, monkeypatch: pytest.MonkeyPatch, standing: None) -> None:  # noqa: ARG002 - a fixture
        """Somebody has entered the router and the CUBE by hand; every other host is on the link."""
        self.asked: list[str] = []

        def told(_interface: str, address: str) -> str:
            self.asked.append(address)
            return f"{address} 02:00:00:00:00:99 PERMANENT" if address in BY_HAND else ""

        def way(target: str) -> Route | None:
            gateway = "10.20.0.1" if target.startswith("11.") else ""
            return Route(source="10.20.0.20", interface="eth0", gateway=gateway)

        monkeypatch.setattr(measuring, "told_by_hand", told)
        monkeypatch.setattr(measuring, "route_to", way)

    @pytest.mark.parametrize(
        "observation",
        [
            PageObserved(**SEEN, address="10.20.0.50", port=80, trouble=NOTHING),
            PingObserved(**SEEN, address="10.20.0.50", method="raw", trouble=NOTHING),
            SshObserved(**SEEN, address="10.20.0.50", trouble=AWAY),
            NtpObserved(**SEEN, server="10.20.0.1", trouble=NOTHING),
            DnsObserved(**SEEN, server="11.20.0.53", name="a.example", trouble=NOTHING),
            HttpsObserved(**SEEN, host="a.example", addresses=("11.20.0.10",), trouble=NOTHING),
        ],
        ids=lambda seen: type(seen).__name__,
    )
    def test_entered_by_hand(self, observation: object) -> None:
        """Silence is then perhaps this computer's doing, and the command that ends it is said."""
        seen = measuring.measured(lambda _: observation, STANDING)

        assert isinstance(seen, CannotMeasure)
        assert seen.cause == "ambiguous"
        assert seen.detail == f"lo: {self.asked[-1]} 02:00:00:00:00:99 PERMANENT"
        assert seen.command == f"ip neigh del {self.asked[-1]} dev lo"
        assert self.asked[-1] in BY_HAND

    @pytest.mark.parametrize(
        "observation",
        [
            PageObserved(**SEEN, address="10.20.0.50", port=80),
            PageObserved(**SEEN, address="10.20.0.50", port=80, trouble=CLOSED),
            PageObserved(**SEEN, address="10.20.0.51", port=80, trouble=NOTHING),
            MdnsObserved(**SEEN, trouble=NOTHING),
            DhcpObserved(**SEEN),
        ],
        ids=["answer", "refusal", "another", "to-all", "from-anybody"],
    )
    def test_has_no_part_in_it(self, observation: object) -> None:
        """Who answers or refuses was reached, and what goes to all needs no entry."""
        assert measuring.measured(lambda _: observation, STANDING) is observation

    @pytest.mark.parametrize(
        ("observation", "cause"),
        [
            (PageObserved(**SEEN, address="10.20.0.51", port=80, trouble=NOTHING), "ambiguous"),
            (MdnsObserved(**SEEN, trouble=NOTHING), "ambiguous"),
            (SshObserved(**SEEN, address="10.20.0.51", trouble=AWAY), "ambiguous"),
            (PageObserved(**SEEN, address="10.20.0.51", port=80, trouble=CLOSED), ""),
            (DhcpObserved(**SEEN), ""),
        ],
        ids=["silence", "silence-of-all", "no-way", "refusal", "dhcp"],
    )
    def test_nobody_is_asked_for(
        self, monkeypatch: pytest.MonkeyPatch, observation: object, cause: str
    ) -> None:
        """Without ARP nobody finds this computer either; who refuses was found, and DHCP is."""
        monkeypatch.setattr(measuring, "told_not_to_ask", lambda _: True)
        seen = measuring.measured(lambda _: observation, STANDING)

        assert getattr(seen, "cause", "") == cause
        assert getattr(seen, "command", "") == ("ip link set dev lo arp on" if cause else "")


def measure_with(result: object) -> object:
    """Run a measurement that ends in this."""

    def measure(watch: Stopwatch) -> object:
        assert watch.elapsed() >= 0.0
        if isinstance(result, Exception):
            raise result
        return result

    return measuring.measured(measure, LOOPBACK)


class TestFooting:
    """Whether the vantage is still what it was."""

    def test_knows_the_carriers_history(self, tmp_path: Path) -> None:
        """A link that was lost and found again looks as before, but for this."""
        (tmp_path / "eth9").mkdir()
        (tmp_path / "eth9" / "carrier_changes").write_text("2\n")

        assert carrier_changes("eth9", tmp_path) == "2\n"
        assert carrier_changes("eth8", tmp_path) == ""

    def test_knows_the_address(self) -> None:
        """A lease may run out; without an address none can be lost."""
        assert is_here("127.0.0.1")
        assert is_here("")
        assert not is_here("192.0.2.77")
        assert vantage.link_state(LOOPBACK)[1]

    def test_knows_the_link(self) -> None:
        """The loopback interface is always up; one that does not exist is not called down."""
        assert plugged_in("lo")
        assert plugged_in("nowhere0")

    def test_holds(self) -> None:
        """The usual way."""
        vantage.check_link_state(LOOPBACK, vantage.link_state(LOOPBACK))

    def test_is_lost(self) -> None:
        """The network has no part in that."""
        with pytest.raises(CannotAskError, match="lost its carrier or its address") as obstacle:
            vantage.check_link_state(MOVED, ("", True))

        assert obstacle.value.cause == "off-link"

    def test_has_no_link(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A cable that is still out is said to be so."""
        monkeypatch.setattr(vantage, "plugged_in", lambda _: False)
        with pytest.raises(CannotAskError, match="lo has no link") as obstacle:
            vantage.check_link_state(STANDING, vantage.link_state(STANDING))

        assert obstacle.value.cause == "off-link"


class TestInterfaces:
    """What this computer has."""

    @pytest.mark.usefixtures("interfaces")
    def test_lists_an_interfaces_networks(self) -> None:
        """A labelled address is an address of its interface, on which alone a socket can be."""
        assert [str(network) for network in interface_networks("eth9")] == [
            "10.99.0.1/24",
            "10.98.0.1/16",
        ]
        assert [str(network) for network in interface_networks("tun0")] == ["10.97.0.1/32"]
        assert interface_networks("wlan0") == ()
        assert interface_networks("eth7") == ()

    @pytest.mark.usefixtures("interfaces")
    def test_finds_the_owner_of_an_address(self) -> None:
        """The route check asks by address."""
        assert interface_of("10.99.0.1") == "eth9"
        assert interface_of("10.98.0.1") == "eth9"
        assert interface_of("10.96.0.1") is None

    def test_sees_the_real_ones(self) -> None:
        """Every computer has a loopback interface."""
        assert interface_of("127.0.0.1") == "lo"
        assert "127.0.0.1/8" in [str(network) for network in interface_networks("lo")]


class TestRouteTo:
    """The system's own opinion about the way to a target."""

    def test_of_this_computer(self) -> None:
        """The loopback network is reached from the loopback address."""
        assert vantage.route_to("127.0.0.1") == Route(source="127.0.0.1", interface="lo", own=True)

    def test_without_a_route(self) -> None:
        """No route is no error of ours."""
        assert vantage.route_to(NO_ROUTE) is None

    @pytest.mark.usefixtures("interfaces")
    @pytest.mark.parametrize("platform", ["linux", "darwin"])
    def test_where_it_cannot_be_asked_of_netlink(
        self, monkeypatch: pytest.MonkeyPatch, platform: str
    ) -> None:
        """Then a connected socket says what it can."""
        sources = {"10.0.0.9": "10.99.0.1", "10.99.0.1": "10.99.0.1", "10.0.0.8": "10.96.0.1"}

        def refuse(*_: object) -> NoReturn:
            raise OSError(errno.EOPNOTSUPP, "Operation not supported")

        monkeypatch.setattr(vantage, "ask_netlink", refuse)
        monkeypatch.setattr(vantage, "connected_source", sources.get)
        monkeypatch.setattr(sys, "platform", platform)

        assert vantage.route_to("10.0.0.9") == Route(
            source="10.99.0.1", interface="eth9", gateway=None
        )
        assert vantage.route_to("10.99.0.1") == Route(
            source="10.99.0.1", interface="eth9", gateway=None, own=True
        )
        assert vantage.route_to("10.0.0.8") == Route(source="10.96.0.1", interface="", gateway=None)
        assert vantage.route_to("10.0.0.7") is None


class TestFindVantage:
    """Where to measure from."""

    def test_takes_the_interface_of_the_route(self) -> None:
        """Without a wish, the way to the CUBE decides."""
        found = vantage.find_vantage("127.0.0.1")

        assert (found.interface, found.address, found.prefix) == ("lo", "127.0.0.1", 8)
        assert found.loopback

    @pytest.mark.usefixtures("interfaces")
    def test_takes_the_interface_named(self, routes: dict[str, str]) -> None:
        """The site file's wish counts, even where the route leads elsewhere."""
        routes["10.0.0.9"] = "10.97.0.1"

        found = vantage.find_vantage("10.0.0.9", "eth9")

        assert found == Vantage(
            interface="eth9", address="10.99.0.1", prefix=24, mac="02:00:00:00:00:aa"
        )

    @pytest.mark.usefixtures("interfaces")
    def test_takes_the_address_that_the_route_leaves_from(self, routes: dict[str, str]) -> None:
        """An interface may have several; the first is not always the one."""
        routes["10.98.0.9"] = "10.98.0.1"

        found = vantage.find_vantage("10.98.0.9")

        assert (found.interface, found.address, found.prefix) == ("eth9", "10.98.0.1", 16)

    @pytest.mark.usefixtures("interfaces", "routes")
    def test_can_do_without_an_address(self) -> None:
        """DHCP is asked by a computer that has no address yet."""
        assert vantage.find_vantage("10.0.0.9", "wlan0") == Vantage(
            interface="wlan0", address="", prefix=32, mac="02:00:00:00:00:bb"
        )

    @pytest.mark.usefixtures("interfaces")
    def test_can_do_without_a_hardware_address(self, routes: dict[str, str]) -> None:
        """A tunnel has none."""
        routes["10.0.0.9"] = "10.97.0.1"

        assert vantage.find_vantage("10.0.0.9").mac == ""

    @pytest.mark.usefixtures("interfaces")
    def test_refuses_an_unknown_interface(self) -> None:
        """A misspelled name is told together with the right ones."""
        with pytest.raises(CannotAskError, match=r"eth7.*eth9, lo, tun0, wlan0") as obstacle:
            vantage.find_vantage("127.0.0.1", "eth7")

        assert obstacle.value.cause == "not-configured"

    def test_needs_a_route_or_a_wish(self, routes: dict[str, str]) -> None:
        """Without either there is no place to stand."""
        routes["10.0.0.9"] = "10.96.0.1"

        for target in ("10.0.0.8", "10.0.0.9"):
            with pytest.raises(CannotAskError, match="no route") as obstacle:
                vantage.find_vantage(target)
            assert obstacle.value.cause == "other-route"
            assert obstacle.value.command == f"ip route get {target}"


class TestOnLink:
    """Who can be reached without a router."""

    @pytest.mark.parametrize(
        ("address", "expected"),
        [
            ("10.99.0.200", True),
            ("10.98.77.1", True),
            ("10.99.1.1", False),
            ("10.97.0.2", False),
        ],
    )
    @pytest.mark.usefixtures("interfaces")
    def test_knows_every_network_of_the_interface(self, address: str, *, expected: bool) -> None:
        """Multicast reaches all networks on the wire, whatever their numbers."""
        assert vantage.on_link(ELSEWHERE, address) == expected

    def test_goes_by_the_vantage_first(self) -> None:
        """In replay the interface of the evidence is not there any more."""
        assert vantage.on_link(ELSEWHERE, "10.99.0.200")

    def test_needs_an_address(self) -> None:
        """Who has no address is in no network."""
        assert not vantage.on_link(Vantage(interface="lo", address="", prefix=32), "127.0.0.1")

    @pytest.mark.usefixtures("interfaces")
    def test_goes_by_a_route_without_a_router(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A /32 address may have its whole network on the link."""
        way = Route(source="10.99.0.1", interface="eth9")
        monkeypatch.setattr(vantage, "route_to", lambda *_: way)

        assert vantage.on_link(ELSEWHERE, "10.77.0.1")


class TestRouterTo:
    """Which router the system hands packets to."""

    @pytest.mark.parametrize(
        ("way", "broadcasts", "router"),
        [
            (None, True, None),
            (Route(source="10.99.0.1", interface="eth9"), True, ""),
            (
                Route(source="10.99.0.1", interface="eth9", gateway="10.99.0.254"),
                True,
                "10.99.0.254",
            ),
            (Route(source="10.99.0.1", interface="eth9", gateway=None), True, None),
            (Route(source="10.99.0.1", interface="eth9", own=True), True, None),
            (Route(source="10.98.0.1", interface="wlan0", gateway="10.98.0.254"), True, None),
            (Route(source="10.99.0.1", interface="eth9"), False, "eth9"),
            (Route(source="10.99.0.1", interface="eth9", gateway="10.9.0.1"), False, "10.9.0.1"),
        ],
    )
    def test_is_what_the_system_says(
        self,
        monkeypatch: pytest.MonkeyPatch,
        way: Route | None,
        broadcasts: bool,  # noqa: FBT001 - a parameter of the table
        router: str | None,
    ) -> None:
        """A tunnel has a router at its other end, whatever its routes say."""
        monkeypatch.setattr(vantage, "route_to", lambda *_: way)
        monkeypatch.setattr(vantage, "can_broadcast", lambda _interface: broadcasts)

        assert vantage.router_to(ELSEWHERE, "10.20.0.50") == router


class TestSourceFor:
    """Whether a packet would leave by the vantage."""

    @pytest.mark.usefixtures("interfaces")
    def test_is_the_vantage_address(self, routes: dict[str, str]) -> None:
        """The usual way."""
        routes["10.99.0.50"] = "10.99.0.1"

        assert vantage.source_for(ELSEWHERE, "10.99.0.50") == "10.99.0.1"

    @pytest.mark.usefixtures("interfaces")
    def test_may_be_another_address_of_the_interface(self, routes: dict[str, str]) -> None:
        """The system knows better which of its addresses fits the target."""
        routes["10.98.0.50"] = "10.98.0.1"

        assert vantage.source_for(ELSEWHERE, "10.98.0.50") == "10.98.0.1"

    @pytest.mark.usefixtures("interfaces")
    @pytest.mark.parametrize(
        ("gateway", "source", "expected"),
        [
            ("10.99.0.254", "10.98.0.1", "10.99.0.1"),
            ("", "10.98.0.1", "10.99.0.1"),
            ("10.98.0.254", "10.98.0.1", "10.98.0.1"),
            ("10.99.0.254", "10.99.0.1", "10.99.0.1"),
        ],
        ids=["router", "neighbour", "router-of-the-other-network", "own"],
    )
    def test_is_not_a_vpns_where_the_own_one_is_known(
        self, monkeypatch: pytest.MonkeyPatch, gateway: str, source: str, expected: str
    ) -> None:
        """A VPN without an interface of its own gives the card an address to send from."""
        way = Route(source=source, interface="eth9", gateway=gateway)
        monkeypatch.setattr(vantage, "route_to", lambda *_: way)

        assert vantage.source_for(ELSEWHERE, "10.99.0.50") == expected

    @pytest.mark.parametrize(
        ("source", "detail"),
        [
            ("10.97.0.1", "leaves by tun0, not by eth9"),
            ("10.96.0.1", "leaves by 10.96.0.1, not by eth9"),
            ("10.0.0.9", "one of this computer's own addresses"),
            (None, "no route"),
        ],
    )
    @pytest.mark.usefixtures("interfaces", "standing")
    def test_refuses_another_way(
        self, routes: dict[str, str], source: str | None, detail: str
    ) -> None:
        """A VPN that reaches the target says nothing about the network under test."""
        if source:
            routes["10.0.0.9"] = source

        with pytest.raises(CannotAskError, match=detail) as obstacle:
            vantage.source_for(ELSEWHERE, "10.0.0.9")

        assert obstacle.value.cause == "other-route"
        assert obstacle.value.command.startswith("ip ")

    def test_needs_a_link(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Who is not plugged in hears nobody, and that is nobody's silence."""
        unplugged = {"eth9": SimpleNamespace(isup=False)}
        monkeypatch.setattr(psutil, "net_if_stats", lambda: unplugged)

        with pytest.raises(CannotAskError, match="eth9 has no link") as obstacle:
            vantage.source_for(ELSEWHERE, "10.99.0.50")

        assert obstacle.value.cause == "off-link"

    @pytest.mark.parametrize(
        ("flags", "expected"),
        [
            ("up,broadcast,running,multicast", True),
            ("up,pointopoint,running,noarp,multicast", False),
            ("up,loopback,running", True),
            ("", True),
        ],
    )
    def test_a_broadcast(
        self,
        monkeypatch: pytest.MonkeyPatch,
        flags: str,
        expected: bool,  # noqa: FBT001 - the expectation
    ) -> None:
        """A tunnel has none; where the system does not say, there may be one."""
        monkeypatch.setattr(psutil, "net_if_stats", lambda: {"eth9": SimpleNamespace(flags=flags)})

        assert can_broadcast("eth9") is expected
        assert can_broadcast("eth8")

    def test_a_link_that_nobody_can_tell_of(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Some systems do not say; that keeps nobody from asking."""

        def deny() -> None:
            raise PermissionError

        monkeypatch.setattr(psutil, "net_if_stats", deny)
        assert plugged_in("eth9")

        monkeypatch.setattr(psutil, "net_if_stats", dict)
        assert plugged_in("eth9")

    @pytest.mark.usefixtures("interfaces")
    def test_may_be_by_rules_about_the_source(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A computer with two uplinks sends by the plant's router what comes from the plant."""
        ways = {
            "": Route(source="10.97.0.1", interface="tun0"),
            "10.99.0.1": Route(source="10.99.0.1", interface="eth9"),
        }
        monkeypatch.setattr(vantage, "route_to", lambda _target, _flow, source="": ways[source])

        assert vantage.source_for(ELSEWHERE, "10.0.0.9") == "10.99.0.1"

    @pytest.mark.usefixtures("interfaces")
    def test_must_not_be_by_rules_about_the_source(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A VPN may take just what comes from this address."""
        ways = {
            "": Route(source="10.99.0.1", interface="eth9"),
            "10.99.0.1": Route(source="10.99.0.1", interface="tun0"),
        }
        monkeypatch.setattr(vantage, "route_to", lambda _target, _flow, source="": ways[source])

        with pytest.raises(CannotAskError, match="leaves by tun0, not by eth9"):
            vantage.source_for(ELSEWHERE, "10.0.0.9")

    @pytest.mark.usefixtures("interfaces")
    def test_is_the_vantage_address_where_the_system_names_none(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A route without a source is one nevertheless."""
        monkeypatch.setattr(vantage, "route_to", lambda *_: Route(source="", interface="eth9"))

        assert vantage.source_for(ELSEWHERE, "10.0.0.9") == "10.99.0.1"

    @pytest.mark.usefixtures("interfaces")
    @pytest.mark.parametrize("prefix", [24, 16])
    def test_renewed_lease(self, routes: dict[str, str], prefix: int) -> None:
        """Another address of the same network is as good, one of another network is not."""
        routes["10.0.0.9"] = "10.99.0.1"
        before = Vantage(interface="eth9", address="10.99.7.7", prefix=prefix)
        fits = prefix == 16
        expected = ExitStack() if fits else pytest.raises(CannotAskError, match="no longer has")

        with expected:
            assert vantage.source_for(before, "10.0.0.9") == "10.99.0.1"

    def test_without_a_route_because_the_link_is_lost(self, routes: dict[str, str]) -> None:
        """A cable that was pulled out is no other way."""
        assert not routes

        with pytest.raises(CannotAskError, match="lost its carrier or its address") as obstacle:
            vantage.source_for(ELSEWHERE, "10.0.0.9")

        assert obstacle.value.cause == "off-link"

    def test_needs_an_address(self) -> None:
        """DHCP aside, nothing can be asked without one."""
        with pytest.raises(CannotAskError, match="no IPv4 address") as obstacle:
            vantage.source_for(Vantage(interface="eth9", address="", prefix=32), "10.0.0.9")

        assert obstacle.value.cause == "off-link"

    def test_may_be_the_target_on_the_embedded_site(self) -> None:
        """There both ends are this computer."""
        assert vantage.source_for(LOOPBACK, "127.0.0.1") == "127.0.0.1"

    def test_is_not_the_target_elsewhere(self) -> None:
        """A CUBE's address that this computer took by mistake must not pass."""
        with pytest.raises(CannotAskError, match="own addresses"):
            vantage.source_for(ELSEWHERE, "127.0.0.1")


class TestBindInterface:
    """Tying a socket to an interface."""

    def test_on_linux(self) -> None:
        """The kernel then refuses every other way out."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sockets.bind_interface(sock, LOOPBACK, "linux")

            bound = sock.getsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, 16)
            assert bound.rstrip(b"\0") == b"lo"

    @pytest.mark.parametrize(
        ("platform", "calls"),
        [("darwin", [(socket.IPPROTO_IP, 25, 1)]), ("win32", [])],
    )
    def test_elsewhere(self, platform: str, calls: list[tuple[int, int, int]]) -> None:
        """A Mac goes by the interface's number; Windows has no such means."""
        made: list[tuple[int, int, int]] = []
        sock = SimpleNamespace(setsockopt=lambda *arguments: made.append(arguments))

        sockets.bind_interface(sock, LOOPBACK, platform)

        assert made == [(socket.IPPROTO_IP, socket.IP_TTL, 68), *calls]

    def test_other_platforms_have_no_error_queue(self) -> None:
        """Only Linux knows the option; elsewhere it would be another one."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sockets._prepare(sock, LOOPBACK, "127.0.0.1", platform="win32")

            assert sock.getsockopt(socket.IPPROTO_IP, 11) == 0
            assert sock.getsockname()[0] == "127.0.0.1"


class TestOpenUdp:
    """A UDP socket to one peer."""

    def test_is_bound_to_the_vantage(self) -> None:
        """Neither another interface nor another address may answer for the network."""
        with closing(sockets.open_udp(LOOPBACK, "127.0.0.1", 9)) as sock:
            bound = sock.getsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, 16)

            assert bound.rstrip(b"\0") == b"lo"
            assert sock.getsockname()[0] == "127.0.0.1"
            assert sock.getpeername() == ("127.0.0.1", 9)

    def test_hears_its_peer_only(self) -> None:
        """A stranger's packet must not even arrive."""
        with (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger,
        ):
            peer.bind(("127.0.0.1", 0))
            with closing(sockets.open_udp(LOOPBACK, *peer.getsockname())) as sock:
                stranger.sendto(b"stranger", sock.getsockname())
                peer.sendto(b"peer", sock.getsockname())
                sock.settimeout(5.0)

                assert sock.recv(100) == b"peer"

    def test_hears_a_refusal(self) -> None:
        """A closed port is not silence: the host says so by ICMP."""
        port = closed_port(socket.SOCK_DGRAM)
        with closing(sockets.open_udp(LOOPBACK, "127.0.0.1", port)) as sock:
            sock.settimeout(5.0)
            sock.send(b"?")
            with pytest.raises(OSError, match="refused") as refusal:
                sock.recv(100)

            assert errors.trouble(sock, refusal.value, "udp") == Trouble(
                kind="refused",
                phase="udp",
                detail="ICMP destination unreachable, code 3, from 127.0.0.1",
                icmp_code=3,
                icmp_source="127.0.0.1",
            )

    def test_hears_silence(self) -> None:
        """A filtered port says nothing."""
        with (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mute,
        ):
            mute.bind(("127.0.0.1", 0))
            with closing(sockets.open_udp(LOOPBACK, *mute.getsockname())) as sock:
                sock.settimeout(0.01)
                sock.send(b"?")
                with pytest.raises(TimeoutError) as silence:
                    sock.recv(100)

                assert errors.trouble(sock, silence.value, "udp").kind == "no-answer"

    def test_cannot_be_without_a_way(self) -> None:
        """A question that cannot be sent says so instead of looking like silence."""
        with pytest.raises(CannotAskError, match="no route"):
            sockets.open_udp(LOOPBACK, NO_ROUTE, 53)

    def test_cannot_be_on_an_interface_that_is_gone(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A cable that is pulled out during the run is not the network's failure."""
        gone = Vantage(interface="gone0", address="10.99.0.1", prefix=24)
        monkeypatch.setattr(sockets, "source_for", lambda *_: "10.99.0.1")

        with pytest.raises(CannotAskError, match="gone0 cannot be used") as obstacle:
            sockets.open_udp(gone, "10.99.0.9", 53)

        assert obstacle.value.cause == "off-link"

    def test_cannot_be_from_an_address_that_is_gone(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A lease that ran out during the run is not the network's failure either."""
        gone = Vantage(interface="lo", address="10.99.0.1", prefix=24)
        monkeypatch.setattr(sockets, "source_for", lambda *_: "10.99.0.1")

        with pytest.raises(CannotAskError, match="lo cannot be used") as obstacle:
            sockets.open_udp(gone, "10.99.0.9", 53)

        assert obstacle.value.cause == "off-link"

    def test_cannot_be_where_connecting_is_refused_at_home(self, routes: dict[str, str]) -> None:
        """The route check and the socket can disagree, as with rules by interface."""
        routes[NO_ROUTE] = "127.0.0.1"

        with pytest.raises(CannotAskError, match="lo cannot be used") as obstacle:
            sockets.open_udp(LOOPBACK, NO_ROUTE, 53)

        assert obstacle.value.cause == "not-permitted"


class TestOpenTcp:
    """A TCP connection."""

    @pytest.fixture(autouse=True, params=["alone", "beside"])
    def way(self, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
        """Make it by itself, and beside others: to the same end."""
        if request.param == "beside":
            monkeypatch.setattr(sockets, "open_tcp", open_tcp_beside)
        return str(request.param)

    def test_connects_from_the_vantage(self) -> None:
        """An open port is reached from the vantage's address."""
        with (
            listening() as port,
            closing(sockets.open_tcp(LOOPBACK, "127.0.0.1", port, 5.0)) as sock,
        ):
            bound = sock.getsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, 16)

            assert bound.rstrip(b"\0") == b"lo"
            assert sock.getpeername() == ("127.0.0.1", port)
            assert sock.getsockname()[0] == "127.0.0.1"

    def test_hears_a_reset(self) -> None:
        """The host is there and the service is not."""
        with pytest.raises(ReachError) as refusal:
            sockets.open_tcp(LOOPBACK, "127.0.0.1", closed_port(socket.SOCK_STREAM), 5.0)

        assert refusal.value.trouble == Trouble(
            kind="refused", phase="tcp", detail="Connection refused"
        )

    def test_a_reset_after_all_is_another_thing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Somebody took the connection first, however little time there was to see it."""

        class TakenAndReset(socket.socket):
            def connect(self, place: tuple[str, int]) -> None:
                if self.type == socket.SOCK_STREAM:
                    raise ConnectionResetError(errno.ECONNRESET, "reset")
                super().connect(place)

        monkeypatch.setattr(sockets.socket, "socket", TakenAndReset)
        with pytest.raises(ReachError) as ended:
            sockets.open_tcp(LOOPBACK, "127.0.0.1", 22, 5.0, "ssh")

        assert (ended.value.trouble.kind, ended.value.trouble.phase) == ("refused", "ssh")

    def test_a_reset_after_an_answer_is_an_answer(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """What somebody said stays to be read."""

        class SaidAndReset(socket.socket):
            def connect(self, place: tuple[str, int]) -> None:
                super().connect(place)
                if self.type == socket.SOCK_STREAM:
                    raise ConnectionResetError(errno.ECONNRESET, "reset")

            def recv(self, size: int, flags: int = 0) -> bytes:
                if self.type != socket.SOCK_STREAM:
                    return super().recv(size, flags)
                assert flags == socket.MSG_PEEK
                return b"SSH-2.0-OpenSSH"[:size]

        monkeypatch.setattr(sockets.socket, "socket", SaidAndReset)
        with (
            listening() as port,
            closing(sockets.open_tcp(LOOPBACK, "127.0.0.1", port, 5.0)) as sock,
        ):
            assert sock.getpeername() == ("127.0.0.1", port)

    def test_hears_silence(self) -> None:
        """A listener whose queue is full drops what comes, as a firewall does."""
        with listening(0) as port, ExitStack() as stack:
            for _ in range(3):
                other = stack.enter_context(socket.socket())
                other.settimeout(0.0)
                other.connect_ex(("127.0.0.1", port))
            with pytest.raises(ReachError) as silence:
                sockets.open_tcp(LOOPBACK, "127.0.0.1", port, 0.05)

        assert silence.value.trouble == Trouble(
            kind="no-answer", phase="tcp", detail="nothing came back in time"
        )

    def test_has_no_time_left(self, way: str) -> None:
        """A limit of nothing must not mean to wait for ever, nor not to wait at all."""
        with (
            listening() as port,
            closing(sockets.open_tcp(LOOPBACK, "127.0.0.1", port, 0.0)) as sock,
        ):
            assert sock.gettimeout() == pytest.approx({"alone": 0.001, "beside": 0.0}[way])

    def test_cannot_be_by_another_way(self) -> None:
        """The obstacle passes through, and the socket is closed."""
        with pytest.raises(CannotAskError, match="own addresses"):
            sockets.open_tcp(ELSEWHERE, "127.0.0.1", 80, 1.0)

    def test_cannot_be_on_an_interface_that_is_gone(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """As for UDP."""
        gone = Vantage(interface="gone0", address="10.99.0.1", prefix=24)
        monkeypatch.setattr(sockets, "source_for", lambda *_: "10.99.0.1")

        with pytest.raises(CannotAskError, match="gone0 cannot be used"):
            sockets.open_tcp(gone, "10.99.0.9", 80, 1.0)

    def test_says_why_it_could_not_connect(self, routes: dict[str, str]) -> None:
        """The network out of reach at connect is what the wire showed."""
        routes["224.0.0.9"] = "127.0.0.1"

        with pytest.raises(ReachError) as failure:
            sockets.open_tcp(LOOPBACK, "224.0.0.9", 80, 1.0)

        assert failure.value.trouble.phase == "tcp"
        assert failure.value.trouble.kind == "no-route"


@pytest.mark.parametrize(("platform", "may"), [("linux", True), ("win32", False)])
def test_connections_beside_others(platform: str, *, may: bool) -> None:
    """Windows tells why a connection failed in words of its own, to who waits for it only."""
    assert sockets.beside_others(platform) is may


class TestIcmpError:
    """What the kernel keeps of an ICMP error."""

    def test_reads_type_code_and_sender(self) -> None:
        """The sender is the firewall that an administrator has to look at."""
        (found,) = errors.icmp_errors(icmp(3, 13, offender="10.0.0.254"))

        assert (found.kind, found.code, found.sender) == (3, 13, "10.0.0.254")

    def test_finds_it_among_others(self) -> None:
        """Other options may deliver something as well."""
        queue = QueuedError(
            (socket.SOL_SOCKET, 29, b"x" * 64),
            (socket.IPPROTO_IP, 11, extended(3, 1)),
        )

        assert [found.sender for found in errors.icmp_errors(queue)] == ["10.0.0.1"]

    def test_can_do_without_the_sender(self) -> None:
        """The kernel does not always know who it was."""
        queue = QueuedError((socket.IPPROTO_IP, 11, extended(3, 1)[:16]))

        assert [found.sender for found in errors.icmp_errors(queue)] == [""]

    @pytest.mark.parametrize(
        "queue",
        [
            EMPTY,
            QueuedError((socket.SOL_SOCKET, 11, extended(3, 1))),
            QueuedError((socket.IPPROTO_IP, 8, extended(3, 1))),
            QueuedError((socket.IPPROTO_IP, 11, b"short")),
            icmp(3, 1, origin=1),
            object(),
        ],
    )
    def test_is_unknown_otherwise(self, queue: object) -> None:
        """Where the system says nothing, nothing is made up."""
        assert errors.icmp_errors(queue) == []

    def test_of_a_healthy_socket_is_none(self) -> None:
        """An empty queue is the usual case, and reading it must not block."""
        with closing(sockets.open_udp(LOOPBACK, "127.0.0.1", 9)) as sock:
            assert errors.icmp_errors(sock) == []


class TestTrouble:
    """From the system's words to the evidence's."""

    @pytest.mark.parametrize(
        ("number", "kind"),
        [
            (errno.ECONNREFUSED, "refused"),
            (errno.ECONNRESET, "refused"),
            (errno.ECONNABORTED, "refused"),
            (errno.EPIPE, "refused"),
            (errno.EHOSTUNREACH, "no-route"),
            (errno.ENETUNREACH, "no-route"),
            (errno.EHOSTDOWN, "no-route"),
            (errno.ENETDOWN, "no-route"),
            (errno.EADDRNOTAVAIL, "no-route"),
            (errno.ETIMEDOUT, "no-answer"),
            (errno.EMSGSIZE, "no-answer"),
            (errno.EIO, "no-answer"),
        ],
    )
    def test_follows_the_number(self, number: int, kind: str) -> None:
        """Each number points the administrator at another device."""
        error = OSError(number, "in words")

        found = errors.trouble(EMPTY, error, "tcp")

        assert (found.kind, found.phase, found.icmp_code) == (kind, "tcp", None)

    def test_keeps_the_systems_words(self) -> None:
        """They are for the evidence."""
        assert (
            errors.trouble(EMPTY, OSError(errno.EPIPE, "Broken pipe"), "tls").detail
            == "Broken pipe"
        )
        assert errors.trouble(EMPTY, OSError(), "tls").detail == "OSError"

    @pytest.mark.parametrize(
        ("state", "timeouts", "under_way", "repeated", "own"),
        [
            pytest.param(2, 1, 0, 1, True, id="nothing-left"),
            pytest.param(2, 3, 0, 3, True, id="nothing-left-three-times"),
            pytest.param(2, 3, 1, 3, False, id="the-last-one-left"),
            pytest.param(2, 0, 0, 0, False, id="not-yet-repeated"),
            pytest.param(2, 3, 0, 2, False, id="waits-for-the-neighbour"),
            pytest.param(1, 3, 0, 3, False, id="connected"),
        ],
    )
    def test_own_firewall_keeps_connections_back(
        self, *, state: int, timeouts: int, under_way: int, repeated: int, own: bool
    ) -> None:
        """A packet filter that drops what goes out lets a TCP socket wait in vain.

        The figures are those that Linux gives in the lab.
        """
        account = bytearray(104)
        account[0], account[2] = state, timeouts
        account[36:40] = struct.pack("=I", under_way)
        account[100:104] = struct.pack("=I", repeated)
        waiting = SimpleNamespace(getsockopt=lambda *_: bytes(account))
        expected = pytest.raises(CannotAskError, match="own firewall") if own else ExitStack()

        with expected:
            assert errors.trouble(waiting, TimeoutError(), "tcp").kind == "no-answer"  # type: ignore[arg-type]

    def test_knows_nothing_of_what_was_kept_back(self) -> None:
        """Other systems give no such account, or a shorter one."""
        assert not errors.requests_withheld(SimpleNamespace(getsockopt=lambda *_: b"\2\0\3"))  # type: ignore[arg-type]

    @pytest.mark.parametrize("number", [errno.EPERM, errno.EACCES])
    def test_own_firewall_is_no_answer_of_the_network(self, number: int) -> None:
        """What this computer forbids says nothing about the network."""
        with pytest.raises(CannotAskError, match="own firewall") as obstacle:
            errors.trouble(EMPTY, OSError(number, "Operation not permitted"), "udp")

        assert obstacle.value.cause == "not-permitted"

    @pytest.mark.parametrize(
        ("code", "kind"),
        [
            (0, "no-route"),  # network
            (1, "no-route"),  # host
            (2, "refused"),  # protocol
            (3, "refused"),  # port
            (4, "no-route"),  # fragmentation needed
            (9, "refused"),  # network prohibited
            (10, "refused"),  # host prohibited
            (13, "refused"),  # communication prohibited
        ],
    )
    def test_icmp_knows_better_than_the_number(self, code: int, kind: str) -> None:
        """Linux reports a prohibition as host unreachable; the code tells them apart."""
        error = OSError(errno.EHOSTUNREACH, "No route to host")

        found = errors.trouble(icmp(3, code), error, "tcp")

        assert (found.kind, found.icmp_code, found.icmp_source) == (kind, code, "10.0.0.1")
        assert found.detail == f"ICMP destination unreachable, code {code}, from 10.0.0.1"

    @pytest.mark.usefixtures("interfaces")
    @pytest.mark.parametrize("code", [3, 9, 10, 13])
    def test_own_firewall_may_answer_by_icmp(self, code: int) -> None:
        """A refusal that this computer sends to itself says nothing about the network."""
        error = OSError(errno.EHOSTUNREACH, "No route to host")

        with pytest.raises(CannotAskError, match="own firewall") as obstacle:
            errors.trouble(icmp(3, code, offender="10.99.0.1"), error, "tcp")

        assert obstacle.value.cause == "not-permitted"

    @pytest.mark.usefixtures("interfaces")
    def test_own_kernel_may_find_nobody_there(self) -> None:
        """When nobody answers ARP, it is this computer that says so, and rightly."""
        error = OSError(errno.EHOSTUNREACH, "No route to host")

        assert errors.trouble(icmp(3, 1, offender="10.99.0.1"), error, "tcp").kind == "no-route"

    @pytest.mark.usefixtures("interfaces")
    @pytest.mark.parametrize(
        ("code", "answers", "own"),
        [(1, True, True), (1, False, False), (1, None, False), (0, False, True), (4, None, True)],
    )
    def test_own_firewall_may_say_that_nobody_is_there(
        self, code: int, *, answers: bool | None, own: bool
    ) -> None:
        """Whoever answers ARP is there; and ARP never says that there is no network."""
        error = OSError(errno.EHOSTUNREACH, "No route to host")
        expected = pytest.raises(CannotAskError, match="own firewall") if own else ExitStack()
        queue = icmp(3, code, offender="10.99.0.1")

        with expected:
            assert errors.trouble(queue, error, "tcp", lambda: answers).kind == "no-route"

    def test_a_refusal_of_nobody_known_counts(self) -> None:
        """Where the kernel does not say who it was, it was not this computer."""
        queue = QueuedError((socket.IPPROTO_IP, 11, extended(3, 13)[:16]))

        found = errors.trouble(queue, OSError(errno.EHOSTUNREACH, "No route to host"), "tcp")

        assert (found.kind, found.icmp_code) == ("refused", 13)

    @pytest.mark.parametrize(
        ("address", "kind"), [("10.0.0.1", "refused"), ("10.0.0.2", "no-route")]
    )
    def test_a_host_that_denies_itself_is_there(self, address: str, kind: str) -> None:
        """Its own firewall may say what it likes; a router that says the same knows no way."""
        error = OSError(errno.EHOSTUNREACH, "No route to host")

        found = errors.refused_by(address, errors.trouble(icmp(3, 1), error, "tcp"))

        assert (found.kind, found.icmp_code) == (kind, 1)

    @pytest.mark.parametrize(
        ("number", "sign"),
        [
            (errno.ECONNRESET, "TCP RST"),
            (errno.EPIPE, "TCP RST"),
            (errno.ECONNABORTED, ""),
            (errno.EHOSTUNREACH, ""),
        ],
    )
    def test_a_reset_is_said_where_one_came(self, number: int, sign: str) -> None:
        """An administrator looks for the device that sends it."""
        assert errors.trouble(EMPTY, OSError(number, "words"), "http").sign == sign

    def test_another_icmp_type_leaves_it_to_the_number(self) -> None:
        """Time exceeded is a routing loop and no destination unreachable."""
        found = errors.trouble(icmp(11, 0), OSError(errno.EHOSTUNREACH, "No route"), "tcp")

        assert (found.kind, found.icmp_code, found.detail) == ("no-route", None, "No route")

    def test_silence_needs_no_queue(self) -> None:
        """A time limit that ran out is nobody's error."""
        before = time.monotonic()

        assert errors.trouble(object(), TimeoutError(), "ssh").kind == "no-answer"
        assert time.monotonic() >= before


class TestWatching:
    """A capture of one exchange."""

    @pytest.mark.parametrize(
        ("way", "next_hop"),
        [
            (Route(source="10.99.0.1", interface="eth9", gateway="10.99.0.254"), "10.99.0.254"),
            (Route(source="10.99.0.1", interface="eth9"), "10.0.0.9"),
            (None, "10.0.0.9"),
        ],
        ids=["by-a-router", "on-the-link", "no-way"],
    )
    def test_knows_the_next_hop(
        self,
        monkeypatch: pytest.MonkeyPatch,
        account: Account,
        way: Route | None,
        next_hop: str,
    ) -> None:
        """What waits for ARP waits for that one."""
        monkeypatch.setattr(sockets, "route_to", lambda *_: way)
        with sockets.watching(ELSEWHERE, "10.0.0.9", udp(53), 40000):
            assert account.begun
            assert not account.ended

        assert account.ended
        assert account.given == {
            "recorder": RECORDER,
            "interface": "eth9",
            "address": "10.0.0.9",
            "protocol": socket.IPPROTO_UDP,
            "port": 53,
            "own": 40000,
            "next_hop": next_hop,
        }

    def test_is_blind_on_the_embedded_site(self, account: Account) -> None:
        """There everything is this computer's own doing."""
        with sockets.watching(LOOPBACK, "127.0.0.1", tcp(80), 40000):
            assert account.given["recorder"] is BLIND

    def test_confirms_an_answer(self) -> None:
        """Or says whose it was."""
        sockets.confirm_answer(Account())  # type: ignore[arg-type]

        with pytest.raises(CannotAskError, match="a proxy") as obstacle:
            sockets.confirm_answer(Account(diverted="a proxy"))  # type: ignore[arg-type]
        assert obstacle.value.cause == "not-permitted"

    @pytest.mark.parametrize(
        ("told", "late", "cause"),
        [
            (Account(), False, None),
            (Account(kept_back="dropped"), True, None),
            (Account(kept_back="dropped"), False, "not-permitted"),
            (Account(kept_back="dropped", elsewhere="wlan0"), False, "other-route"),
        ],
        ids=["network", "late", "own-firewall", "other-card"],
    )
    def test_confirms_silence(self, told: Account, *, late: bool, cause: str | None) -> None:
        """Or says what became of the answer."""
        expected = pytest.raises(CannotAskError) if cause else ExitStack()

        with expected as obstacle:
            sockets.confirm_silence(told, lambda: late)  # type: ignore[arg-type]
        if cause:
            assert obstacle.value.cause == cause  # type: ignore[union-attr]

    def test_a_socket_shows_what_came_late(self) -> None:
        """From the wire to the socket it takes an instant."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind(("127.0.0.1", 0))
            assert not sockets.shows(sock, select.POLLIN)

            sock.sendto(b"late", sock.getsockname())
            assert sockets.shows(sock, select.POLLIN)
            assert sockets.port_of(sock) == sock.getsockname()[1]

    @pytest.mark.parametrize(
        ("known", "prompt", "answers"),
        [(True, False, True), (False, True, False), (None, True, True), (None, False, False)],
    )
    def test_next_hop(
        self, monkeypatch: pytest.MonkeyPatch, *, known: bool | None, prompt: bool, answers: bool
    ) -> None:
        """ARP takes seconds to find that nobody is there, and the system then knows of it."""
        monkeypatch.setattr(sockets, "neighbour_answers", lambda *_: known)

        assert sockets.next_hop_answers(Account(), prompt=prompt) is answers  # type: ignore[arg-type]


class TestWatchedConnections:
    """A connection counts, comes about or not, if the wire saw it."""

    @pytest.fixture(autouse=True, params=["alone", "beside"])
    def way(self, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
        """Make it by itself, and beside others: to the same end."""
        if request.param == "beside":
            monkeypatch.setattr(sockets, "open_tcp", open_tcp_beside)
        return str(request.param)

    def test_answered_by_this_computer(self, account: Account) -> None:
        """A proxy that accepts in the cloud's place is not the cloud."""
        account.told = "a proxy", "", ""
        with listening() as port, pytest.raises(CannotAskError, match="a proxy"):
            sockets.open_tcp(LOOPBACK, "127.0.0.1", port, 5.0)

        assert account.ended

    def test_refused_by_this_computer(self, account: Account) -> None:
        """Nor is one that has crashed a service that is off."""
        account.told = "a proxy", "", ""
        with pytest.raises(CannotAskError, match="a proxy"):
            sockets.open_tcp(LOOPBACK, "127.0.0.1", closed_port(socket.SOCK_STREAM), 5.0)

    def test_kept_back_by_this_computer(self, account: Account) -> None:
        """A firewall that drops what comes in makes the whole network look silent."""
        account.told = "", "dropped", ""
        with listening(0) as port, ExitStack() as stack:
            for _ in range(3):
                other = stack.enter_context(socket.socket())
                other.settimeout(0.0)
                other.connect_ex(("127.0.0.1", port))
            with pytest.raises(CannotAskError, match="dropped"):
                sockets.open_tcp(LOOPBACK, "127.0.0.1", port, 0.05)
