"""What a network shows of itself: on the embedded site, and where something is missing."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, NoReturn

import pytest
from msgspec import structs

from cube_acceptance import discovery
from cube_acceptance.evidence import CannotMeasure, DhcpObserved, Vantage
from cube_acceptance.probes import candidates
from cube_acceptance.probes.net.errors import CannotAskError
from cube_acceptance.setup import Ports
from fixtures.simulator.dhcp import DhcpServer
from fixtures.simulator.http import PageServer
from fixtures.simulator.mdns import MdnsResponder
from selftests.support import healthy

if TYPE_CHECKING:
    from collections.abc import Callable

LOOPBACK = Vantage(interface="lo", address="127.0.0.1", prefix=8, mac="", loopback=True)
ADDRESSLESS = Vantage(interface="eth0", address="", prefix=32, mac="")


def refuse(*_: object) -> NoReturn:
    """Find no way."""
    raise CannotAskError("off-link", "no way")


class TestFind:
    """Servers and CUBEs."""

    def test_simulated(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """DHCP's servers, and the CUBE with its page."""
        monkeypatch.setattr(candidates, "LISTEN_S", 0.3)
        answering = candidates.answering
        monkeypatch.setattr(candidates, "answering", lambda *given: answering(*given, window_s=0.3))
        monkeypatch.setattr(candidates, "name_of", lambda *_: "cube-4711")
        with DhcpServer() as dhcp, MdnsResponder() as mdns, PageServer() as page:
            ports = Ports(
                dhcp_server=dhcp.port, dhcp_client=0, mdns=mdns.port,
                conn=page.port, diag_new=page.port, diag_old=page.port,
            )  # fmt: skip
            found = discovery.find(LOOPBACK, ports, sweep=False)

        assert (found.dhcp, found.dns, found.ntp, found.network) == (
            "127.0.0.1",
            ("127.0.0.1",),
            ("127.0.0.1",),
            "127.0.0.0/8",
        )
        assert found.cubes == (discovery.Candidate("127.0.0.1", "cube-4711", "", "IoT CUBE", ""),)

    def test_of_two_servers(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The offer of this network leads, as in a session, and its server is named, no relay."""
        relayed = structs.replace(healthy.OFFER, source="10.20.0.254")
        stray = structs.replace(
            healthy.OFFER, address="192.168.178.20", source="192.168.178.1", dns=("192.168.178.1",)
        )
        seen = DhcpObserved(started=healthy.STARTED, duration_s=4.0, offers=(stray, relayed))
        monkeypatch.setattr(discovery.DhcpProbe, "run", lambda _: seen)
        monkeypatch.setattr(candidates, "answering", refuse)
        here = Vantage(interface="eth0", address="10.20.0.20", prefix=24, mac="")
        found = discovery.find(here, Ports(), sweep=False)

        assert (found.dhcp, found.dns) == (healthy.OFFER.server_id, healthy.OFFER.dns)

    @pytest.fixture
    def silent(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A network in which DHCP cannot be asked and a printer answers."""
        obstacle = CannotMeasure(
            started=healthy.STARTED, duration_s=0.0, cause="not-permitted", detail="no right"
        )
        monkeypatch.setattr(discovery.DhcpProbe, "run", lambda _: obstacle)
        printer = candidates.Page(80, "Printer", "", familiar=False)
        monkeypatch.setattr(candidates, "look", lambda *_: printer)
        monkeypatch.setattr(candidates, "answering", refuse)

    @pytest.mark.usefixtures("silent")
    def test_swept(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A printer is no CUBE, and nothing is swept that nobody wants to be."""
        swept: list[tuple[str, ...]] = []

        def sweep(_vantage: Vantage, hosts: tuple[str, ...], _ports: object) -> tuple[str, ...]:
            swept.append(hosts)
            return ("10.20.0.9",)

        monkeypatch.setattr(candidates, "sweep", sweep)
        assert discovery.find(healthy.VANTAGE, Ports(), sweep=False).cubes == ()
        assert swept == []

        found = discovery.find(healthy.VANTAGE, Ports(), sweep=True)
        assert (found.cubes, found.obstacle, len(swept[0])) == ((), "no right", 253)

    @pytest.mark.usefixtures("silent")
    def test_without_an_address(self) -> None:
        """Nobody but DHCP can be asked."""
        found = discovery.find(ADDRESSLESS, Ports(), sweep=True)

        assert (found.network, found.cubes) == ("", ())

    @pytest.mark.parametrize("prefix", [16, 24, 30])
    def test_no_more_than_the_own_24(self, prefix: int) -> None:
        """However large the network is."""
        vantage = Vantage(interface="eth0", address="10.20.3.1", prefix=prefix, mac="")
        hosts = discovery.swept(vantage)

        assert len(hosts) == (1 if prefix == 30 else 253)
        assert all(one.startswith("10.20.3.") for one in hosts)
        assert "10.20.3.1" not in hosts


class TestHere:
    """Where this computer stands."""

    def test_the_way_out(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Leads by the interface that is under test."""
        monkeypatch.setattr(discovery.vantages, "find_vantage", lambda *_: healthy.VANTAGE)

        assert discovery.here() == healthy.VANTAGE

    @pytest.fixture
    def find(self, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
        """A plant without a way out, whose interfaces are these."""

        def known(**networks: str) -> None:
            def find_vantage(_target: str, interface: str = "") -> Vantage:
                if not interface or interface not in networks:
                    refuse()
                return healthy.VANTAGE

            monkeypatch.setattr(discovery.vantages, "find_vantage", find_vantage)
            monkeypatch.setattr(discovery.local, "system_interfaces", lambda: networks)
            monkeypatch.setattr(
                discovery.local,
                "interface_networks",
                lambda name: tuple(map(ipaddress.IPv4Interface, networks[name].split())),
            )
            monkeypatch.setattr(discovery.local, "plugged_in", lambda name: name != "eth1")

        return known

    def test_no_way_out(self, find: Callable[..., None]) -> None:
        """The first interface that is plugged in and has an address will do."""
        find(lo="127.0.0.1/8", eth1="10.0.0.1/24", tun="", eth0="10.20.0.20/24")

        assert discovery.here() == healthy.VANTAGE

    @pytest.mark.parametrize("interface", ["", "eth7"])
    def test_nowhere(self, find: Callable[..., None], interface: str) -> None:
        """A computer without a network, or without this interface."""
        find(lo="127.0.0.1/8")
        with pytest.raises(CannotAskError):
            discovery.here(interface)
