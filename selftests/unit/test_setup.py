"""Tests of what is settled before the first packet."""

from __future__ import annotations

import msgspec
import pytest

from cube_acceptance.setup import Ports, Setup
from cube_acceptance.site import LoadedSite, Site
from selftests.support.builders import cannot
from selftests.support.healthy import SITE, VANTAGE


def setup(site: Site = SITE, *, simulated: bool = False) -> Setup:
    """A session's setup at a site."""
    return Setup(loaded=LoadedSite(site=site), vantage=VANTAGE, simulated=simulated)


class TestPorts:
    """Where the services are asked."""

    @pytest.mark.parametrize(
        ("version", "ports"),
        [
            ("0.129.7", (45001,)),
            ("0.129.10", (80,)),
            ("0.131.0", (80,)),
            ("0.9.0", (45001,)),
            ("", (45001, 80)),
        ],
    )
    def test_diag_follows_the_version(self, version: str, ports: tuple[int, ...]) -> None:
        """0.129.10 is later than 0.129.7, though it sorts before it as text."""
        assert Ports().diag(version) == ports

    def test_diag_of_the_embedded_site(self) -> None:
        """Which port is meant and where it is asked are two things there."""
        ports = Ports(diag_old=10001, diag_new=10002)

        assert ports.diag("0.129.7") == (10001,)
        assert ports.diag("0.130") == (10002,)
        assert ports.diag("") == (10001, 10002)

    def test_are_the_documented_ones(self) -> None:
        """What the source page prints; a typing error here would test another service."""
        assert msgspec.structs.asdict(Ports()) == {
            "dhcp_server": 67,
            "dhcp_client": 68,
            "ntp": 123,
            "dns": 53,
            "https": 443,
            "diag_old": 45001,
            "diag_new": 80,
            "conn": 5555,
            "mdns": 5353,
            "llmnr": 5355,
            "ssh": 22,
        }


class TestSetup:
    """What is settled before the first packet."""

    def test_travels_as_json(self) -> None:
        """Worker processes and evidence get it as JSON."""
        for vantage in (VANTAGE, cannot("off-link")):
            before = msgspec.structs.replace(setup(), vantage=vantage)

            assert msgspec.json.decode(msgspec.json.encode(before), type=Setup) == before

    def test_names_its_site(self) -> None:
        """A short way that everybody goes."""
        assert setup().site is SITE
