"""Unit tests of what Windows tells: interfaces, routes, neighbours, leases and its firewall."""

from __future__ import annotations

import functools
import socket
import sys
from types import SimpleNamespace

import pytest

from cube_acceptance.evidence import Vantage
from cube_acceptance.probes.net import (
    commands,
    dhcp_wire,
    echo,
    errors,
    neighbours,
    routing,
    sockets,
    vantage,
    windows,
    windows_firewall,
    windows_lease,
)
from cube_acceptance.probes.net.errors import CannotAskError
from selftests.support.windows import (
    DhcpClient,
    Firewall,
    Helper,
    Library,
    Registry,
    no_library,
)

CUBE, ROUTER = "10.20.0.50", "10.20.0.1"
KEY = windows_lease.INTERFACES + r"\{0004}"


@pytest.mark.skipif(sys.platform == "win32", reason="elsewhere than on Windows")
class TestElsewhere:
    """What is Windows' own is not there on other systems."""

    def test_no_library(self) -> None:
        """Nobody gets as far as to ask."""
        with pytest.raises(OSError, match="Windows' own"):
            windows.windows_library("iphlpapi")
        assert windows.last_error() == 0
        assert windows.is_administrator() is None
        assert windows_lease.read_registry("eth0") == {}
        assert windows_lease.time_servers("eth0") is None
        assert not windows_firewall.admits_udp(68)
        assert windows_firewall.running_program() == sys.executable


class TestAdapters:
    """The interfaces and their numbers."""

    def test_all(self) -> None:
        """Names are the user's, numbers the system's."""
        assert windows.adapters(Helper()) == (
            (4, "{0004}", "Ethernet 2"),
            (1, "{0001}", "lo"),
        )

    def test_one(self) -> None:
        """By its name."""
        assert windows.adapter("Ethernet 2", Helper()).number == 4
        with pytest.raises(OSError, match="no interface eth9"):
            windows.adapter("eth9", Helper())

    def test_more_room(self) -> None:
        """A long list says how much it needs; one that never fits is given up."""
        helper = Helper()
        helper.wants = 40_000
        assert len(windows.adapters(helper)) == 2
        helper.wants = 10**9
        never = Library(GetAdaptersAddresses=lambda *_: 111)
        with pytest.raises(OSError, match="111"):
            windows.adapters(lambda _: never)

    def test_failure(self) -> None:
        """A status is an error with that number."""
        with pytest.raises(OSError, match="GetAdaptersAddresses failed with 8") as caught:
            windows.adapters(Helper(adapters=8))

        assert caught.value.errno == 8

    def test_missing_function(self) -> None:
        """A Windows without it cannot be asked."""
        with pytest.raises(OSError, match="no GetAdaptersAddresses"):
            windows.adapters(lambda _: Library())


class TestRoute:
    """The way to a target."""

    def test_by_a_router(self) -> None:
        """Its address, the interface and the address that packets leave from."""
        helper = Helper()

        assert windows.best_route("1.1.1.1", "10.20.0.20", helper) == (4, "10.20.0.20", ROUTER)
        assert windows.best_route("1.1.1.1", load=helper) == (4, "10.20.0.20", ROUTER)
        assert helper.asked == [("1.1.1.1", "10.20.0.20"), ("1.1.1.1", "")]

    def test_on_the_link(self) -> None:
        """No router is the address 0.0.0.0."""
        helper = Helper()
        helper.route = (4, "10.20.0.20", "0.0.0.0")

        assert windows.best_route(CUBE, load=helper) == (4, "10.20.0.20", "")

    @pytest.mark.parametrize(("kind", "gateway"), [(4, ROUTER), (3, "")])
    def test_without_the_newer_function(self, kind: int, gateway: str) -> None:
        """Some have it in name only."""
        helper = Helper(route=50)
        helper.plain = (4, ROUTER, kind)

        assert windows.best_route("1.1.1.1", load=helper) == (4, "", gateway)

    @pytest.mark.parametrize("statuses", [{"route": 1231}, {"route": 50, "plain": 1232}])
    def test_none(self, statuses: dict[str, int]) -> None:
        """No way there is an answer."""
        assert windows.best_route("1.1.1.1", load=Helper(**statuses)) is None
        assert routing.ask_windows("1.1.1.1", load=Helper(**statuses)) is None

    @pytest.mark.parametrize("statuses", [{"route": 87}, {"route": 50, "plain": 87}])
    def test_failure(self, statuses: dict[str, int]) -> None:
        """Any other status is none."""
        with pytest.raises(OSError, match="failed with 87"):
            windows.best_route("1.1.1.1", load=Helper(**statuses))

    def test_as_elsewhere(self) -> None:
        """The suite's own form names the interface."""
        route = routing.ask_windows("192.0.2.77", load=Helper())

        assert route == routing.Route(
            source="10.20.0.20", interface="Ethernet 2", gateway=ROUTER, own=False
        )

    def test_own_address(self) -> None:
        """This computer's own addresses lead nowhere else."""
        route = routing.ask_windows("127.0.0.1", load=Helper())

        assert route
        assert (route.own, route.gateway) == (True, "")

    def test_is_asked_on_windows(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where it cannot be asked, a connected socket tells."""
        monkeypatch.setattr(vantage.sys, "platform", "win32")
        monkeypatch.setattr(vantage, "ask_windows", lambda *asked: asked)
        assert vantage.route_to("127.0.0.1", source="127.0.0.1") == ("127.0.0.1", "127.0.0.1")

        def unable(*_: str) -> None:
            raise OSError

        monkeypatch.setattr(vantage, "ask_windows", unable)
        route = vantage.route_to("127.0.0.1")
        assert route
        assert route.gateway is None

    def test_default_router(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The router to a far address, where the system tells."""
        found = routing.Route(source="", interface="", gateway=ROUTER, own=False)
        monkeypatch.setattr(vantage, "whole_route", lambda _: found)
        assert vantage.default_router("1.1.1.1") == ("" if sys.platform == "linux" else ROUTER)
        monkeypatch.setattr(vantage.sys, "platform", "win32")
        assert vantage.default_router("1.1.1.1") == ROUTER
        monkeypatch.setattr(vantage, "whole_route", lambda _: None)
        assert vantage.default_router("1.1.1.1") == ""


class TestNeighbours:
    """Who answers ARP, as Windows knows."""

    def test_rows(self) -> None:
        """Address, hardware address and state of each; what was lent is given back."""
        helper = Helper()

        assert windows.neighbours(helper)[:2] == (
            (4, CUBE, "02:00:00:00:00:50", 5),
            (4, "10.20.0.51", "", 1),
        )
        assert helper.freed == 1

    @pytest.fixture
    def asked_of_windows(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Windows' own table, filled by hand."""
        ask = functools.partial(neighbours.ask_windows, load=Helper())
        monkeypatch.setattr(sys, "platform", "win32")
        monkeypatch.setattr(neighbours, "ask_windows", ask)

    @pytest.mark.usefixtures("asked_of_windows")
    def test_learned(self) -> None:
        """Neither entries by hand nor those without an answer, nor other interfaces."""
        assert neighbours.learned("Ethernet 2") == {CUBE: "02:00:00:00:00:50"}

    @pytest.mark.usefixtures("asked_of_windows")
    def test_by_hand(self) -> None:
        """What somebody entered is used without a question."""
        entry = neighbours.told_by_hand("Ethernet 2", "10.20.0.52")

        assert entry
        assert str(entry) == "10.20.0.52 02:00:00:00:00:52 PERMANENT"
        assert neighbours.told_by_hand("Ethernet 2", CUBE) is None
        assert neighbours.told_by_hand("eth9", CUBE) is None

    def test_no_table(self) -> None:
        """Where Windows does not tell it, that is said."""
        with pytest.raises(OSError, match="50"):
            neighbours.ask_windows("Ethernet 2", Helper(table=50))

    @pytest.mark.usefixtures("asked_of_windows")
    @pytest.mark.parametrize(
        ("address", "answers"),
        [(CUBE, True), ("10.20.0.51", False), ("10.20.0.53", False), ("10.20.0.99", None)],
    )
    def test_answers(self, address: str, answers: bool | None) -> None:  # noqa: FBT001 - three states
        """Unreachable and incomplete mean that nobody does."""
        assert neighbours.neighbour_answers("Ethernet 2", address) is answers
        assert neighbours.neighbour_answers("eth9", address) is None

    @pytest.mark.skipif(sys.platform == "win32", reason="elsewhere than on Windows")
    def test_are_asked_on_windows(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Its own table, and not Linux' files."""
        monkeypatch.setattr(sys, "platform", "win32")

        assert neighbours.learned("lo") == {}
        assert neighbours.told_by_hand("lo", CUBE) is None
        assert neighbours.neighbour_answers("lo", CUBE) is None


def test_administrator() -> None:
    """By the function that is made for it."""
    helper = Helper()
    assert windows.is_administrator(helper) is True
    helper.administrator = 0
    assert windows.is_administrator(helper) is False
    assert windows.is_administrator(no_library) is None


def found(name: str) -> windows.Adapter:
    """Find one of the interfaces of a made-up computer."""
    return next(one for one in windows.adapters(Helper()) if one.name == name)


def gone(name: str) -> windows.Adapter:
    """Find none."""
    raise OSError(f"there is no interface {name}")


class TestInterface:
    """A socket goes by its interface and no other."""

    def test_bound(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """IP_UNICAST_IF takes the number in network byte order."""
        made: list[tuple[object, ...]] = []
        sock = SimpleNamespace(setsockopt=lambda *arguments: made.append(arguments))
        monkeypatch.setattr(sockets.windows, "adapter", found)
        there = Vantage(interface="Ethernet 2", address="10.20.0.20", prefix=24)

        sockets.bind_interface(sock, there, "win32")

        assert made[1:] == [(socket.IPPROTO_IP, 31, b"\0\0\0\4")]

    def test_gone(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """An interface that is not there cannot be used."""
        monkeypatch.setattr(sockets.windows, "adapter", found)
        monkeypatch.setattr(sockets.windows, "adapter", gone)
        there = Vantage(interface="eth9", address="10.20.0.20", prefix=24)

        with pytest.raises(CannotAskError) as caught, sockets.usable(there):
            sockets.bind_interface(SimpleNamespace(setsockopt=lambda *_: None), there, "win32")

        assert caught.value.cause == "off-link"

    def test_without_an_address(self) -> None:
        """Windows would ask for one through another interface."""
        bare = Vantage(interface="Ethernet 2", address="", prefix=32)

        with pytest.raises(CannotAskError, match="no IPv4 address") as caught:
            dhcp_wire.open_wire(
                bare, ("255.255.255.255", 67), 68,
                platform="win32", is_up=lambda _: True, broadcasts=lambda _: True,
            )  # fmt: skip

        assert caught.value.cause == "off-link"


class TestRegistry:
    """The lease of an interface."""

    def test_values(self) -> None:
        """By the interface's GUID."""
        registry = Registry(KEY, EnableDHCP=1, DhcpServer=ROUTER)

        found = windows_lease.read_registry("Ethernet 2", Helper(), registry)

        assert found == {"EnableDHCP": 1, "DhcpServer": ROUTER}
        assert windows_lease.read_registry("lo", Helper(), registry) == {}


class TestTimeServers:
    """Option 42, which the registry does not keep."""

    def test_told(self) -> None:
        """Four bytes each; the interface by its GUID."""
        client = DhcpClient(bytes((10, 20, 0, 1, 10, 20, 0, 3, 9)))

        assert windows_lease.time_servers("Ethernet 2", client) == (ROUTER, "10.20.0.3")
        assert client.asked_for == [("{0004}", 42)]
        assert client.ended

    @pytest.mark.parametrize(
        ("told", "statuses"), [(None, {}), (b"\1\2", {}), (b"\1\2\3\4", {"request": 31})]
    )
    def test_nothing(self, told: bytes | None, statuses: dict[str, int]) -> None:
        """An empty answer has more reasons than one, so it says nothing."""
        client = DhcpClient(told, **statuses)

        assert windows_lease.time_servers("Ethernet 2", client) is None
        assert client.ended

    def test_no_client(self) -> None:
        """A client that cannot be asked was not asked."""
        client = DhcpClient(None, begin=5)

        assert windows_lease.time_servers("Ethernet 2", client) is None
        assert not client.asked_for


class TestFirewall:
    """Whether UDP 68 is let in to this program."""

    def test_known(self) -> None:
        """Allowed, and from everybody."""
        firewall = Firewall()

        assert windows_firewall.admits_udp(68, r"C:\python.exe", firewall)
        assert firewall.asked == [(0, 68, 17)]
        assert firewall.names == [r"C:\python.exe"]
        assert (firewall.freed, firewall.released) == (1, 1)

    @pytest.mark.parametrize(
        "firewall",
        [
            Firewall(allowed=0),
            Firewall(restricted=-1),
            Firewall(status=-2147467263),
            Firewall(create=-2147221164),
            Firewall(kind=3),
            no_library,
        ],
        ids=["closed", "restricted", "not-implemented", "no-object", "no-truth", "no-library"],
    )
    def test_not_known(self, firewall: windows.Load) -> None:
        """Everything else is no reason to believe that nobody answered."""
        assert not windows_firewall.admits_udp(68, load=firewall)

    def test_program(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """In a virtual environment another program runs than the one that is typed."""
        monkeypatch.setattr(sys, "platform", "win32")
        monkeypatch.setattr(sys, "_base_executable", r"C:\Python\python.exe", raising=False)

        assert windows_firewall.running_program() == r"C:\Python\python.exe"


class TestErrors:
    """What an error means is told by its number, in no language."""

    def test_own_doing(self) -> None:
        """Windows has no words, or its own, for what this computer did itself."""
        for number in (1, 13, errors.errno.ENOBUFS):
            said = errors.words(OSError(number, "Unbekannter Fehler"))

            assert errors.cannot_send(said).cause == "not-permitted"
        assert errors.words(OSError(9999, "Unbekannter Fehler")) == "Unbekannter Fehler"

    def test_closed_udp_port(self) -> None:
        """Windows calls a closed UDP port a reset connection; no RST was seen."""
        reset = ConnectionResetError(errors.errno.ECONNRESET, "forcibly closed")

        assert errors.told_by_system(reset, "udp").sign == ""
        assert errors.told_by_system(reset, "udp").kind == "refused"
        assert errors.told_by_system(reset, "tcp").sign == "TCP RST"


class TestCommands:
    """Each system has commands of its own."""

    @pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
    def test_own(self, platform: str) -> None:
        """None of another's."""
        said = " ".join(
            (
                commands.show_route(CUBE, platform),
                commands.show_addresses(platform),
                commands.show_links(platform),
                commands.forget_neighbour(CUBE, "Ethernet 2", platform),
            )
        )

        assert ("ip " in said.replace("ipconfig", "")) == (platform == "linux")
        assert ("netsh" in said) == (platform == "win32")
        assert ("ifconfig" in said) == (platform == "darwin")


class TestMacos:
    """What macOS tells, by its documentation."""

    @pytest.mark.parametrize(
        ("lines", "router"),
        [
            (("    gateway: 10.20.0.1", "  interface: en0"), ROUTER),
            (("  interface: en0",), ""),
            (("    gateway: link#4", "  interface: en0"), ""),
            (("route: writing to routing socket: not in table",), None),
        ],
    )
    def test_router(
        self, monkeypatch: pytest.MonkeyPatch, lines: tuple[str, ...], router: str | None
    ) -> None:
        """`route -n get` names it, or the link."""
        said = "\n".join(("   route to: 1.1.1.1", "destination: default", *lines))
        asked: list[tuple[str, ...]] = []
        away = routing.Route(source="10.20.0.20", interface="en0", gateway=None, own=False)
        monkeypatch.setattr(vantage.sys, "platform", "darwin")
        monkeypatch.setattr(vantage, "route_to", lambda *_: away)
        monkeypatch.setattr(vantage, "run_command", lambda *one: asked.append(one[0]) or said)

        route = vantage.whole_route("1.1.1.1")

        assert route
        assert route.gateway == router
        assert asked == [("route", "-n", "get", "1.1.1.1")]

    @pytest.mark.parametrize(
        ("platform", "number", "address", "refused"),
        [
            ("darwin", errors.errno.EHOSTUNREACH, CUBE, True),
            ("darwin", errors.errno.EHOSTUNREACH, "192.0.2.1", False),
            ("darwin", errors.errno.EHOSTDOWN, CUBE, False),
            ("linux", errors.errno.EHOSTUNREACH, CUBE, False),
        ],
    )
    def test_local_network(
        self, platform: str, number: int, address: str, *, refused: bool
    ) -> None:
        """No way to a neighbour is its own permission; one that is down is the network's."""
        here = Vantage(interface="en0", address="10.20.0.20", prefix=24)
        error = errors.ReachError(errors.told_by_system(OSError(number, "no way"), "tcp"))
        error.__cause__ = OSError(number, "no way")

        if refused:
            with pytest.raises(CannotAskError, match="local network") as caught:
                sockets.check_local_network(error, here, address, platform)
            assert caught.value.cause == "not-permitted"
            assert "Privacy_LocalNetwork" in caught.value.command
        else:
            sockets.check_local_network(error, here, address, platform)

    def test_ping(self) -> None:
        """Likewise at once, where the request is sent."""
        away = OSError(errors.errno.EHOSTUNREACH, "no way")

        with pytest.raises(CannotAskError, match="local network"):
            echo.not_sent(away, 1, "darwin")
        down = OSError(errors.errno.EHOSTDOWN, "down")
        assert echo.not_sent(down, 1, "darwin").result == "unreachable"
        assert echo.not_sent(away, 1, "linux").result == "unreachable"
