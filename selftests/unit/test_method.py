"""Tests of what a run says about itself: vantage, computer, versions, limits."""

from __future__ import annotations

import dataclasses
import importlib
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from cube_acceptance import __version__, method, setup
from cube_acceptance.evidence import CannotMeasure, Vantage
from cube_acceptance.probes import PROBES
from cube_acceptance.probes.net import errors, vantage
from cube_acceptance.setup import Computer, Setup
from cube_acceptance.site import Cube, LoadedSite, Site, VantageWish
from selftests.support.builders import cannot
from selftests.support.healthy import HOSTS, SITE, VANTAGE

if TYPE_CHECKING:
    from cube_acceptance.evidence import CannotCause

TAPIO, *_ = HOSTS
NEAR, FAR = "10.20.0.50", "10.21.0.50"
RELEASED = Path(__file__).parents[1] / "released"
"""Folders that released versions have written."""
LOOPBACK = Site(cubes=(Cube(address="127.0.0.1"),))
"""A site that every computer has a route to."""

GATEWAY = """\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t0000140A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
eth0\t00000000\t0100140A\t0003\t0\t0\t0\t00000000\t0\t0\t0
"""


class TestFindVantage:
    """Where to stand."""

    def test_reaches_the_first_cube(self) -> None:
        """The interface that leads to it."""
        found = method.find_vantage(LOOPBACK)

        assert isinstance(found, Vantage)
        assert (found.interface, found.address) == ("lo", "127.0.0.1")

    def test_without_a_cube_takes_the_default_route(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Readiness has no CUBE to reach."""
        asked: list[tuple[str, str]] = []

        def find(target: str, interface: str) -> Vantage:
            asked.append((target, interface))
            return VANTAGE

        monkeypatch.setattr(vantage, "find_vantage", find)
        site = Site(stage="readiness", vantage=VantageWish(interface="eth0"))

        assert method.find_vantage(site) is VANTAGE
        assert asked == [(method.FAR_AWAY, "eth0")]

    def test_says_why_there_is_none(self) -> None:
        """A wrong interface name ends in a certificate that says so, not in a traceback."""
        site = msgspec.structs.replace(LOOPBACK, vantage=VantageWish(interface="gone0"))

        found = method.find_vantage(site)

        assert isinstance(found, CannotMeasure)
        assert found.cause == "not-configured"
        assert "gone0" in found.detail

    def test_stands_in_some_network(self) -> None:
        """Nothing but this computer answers at the loopback interface that somebody named."""
        site = msgspec.structs.replace(LOOPBACK, vantage=VantageWish(interface="lo"))

        found = method.find_vantage(site)

        assert isinstance(found, CannotMeasure)
        assert (found.cause, "lo leads to this computer" in found.detail) == (
            "not-configured",
            True,
        )

    @pytest.mark.parametrize(
        ("network", "inside"), [("127.0.0.0/8", True), ("10.20.0.0/24", False), ("", True)]
    )
    def test_stands_in_the_network_named(self, network: str, *, inside: bool) -> None:
        """A result from another network says nothing about this one."""
        site = msgspec.structs.replace(LOOPBACK, vantage=VantageWish(network=network))

        found = method.find_vantage(site)

        assert isinstance(found, Vantage) == inside
        if isinstance(found, CannotMeasure):
            assert found.cause == "off-link"
            assert found.detail == "lo has 127.0.0.1, which is not in 10.20.0.0/24"

    def test_without_an_address_has_no_network_yet(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """DHCP can be measured before there is an address."""
        bare = Vantage(interface="eth0", address="", prefix=32)
        monkeypatch.setattr(vantage, "find_vantage", lambda *_: bare)
        site = msgspec.structs.replace(LOOPBACK, vantage=VantageWish(network="10.20.0.0/24"))

        assert method.find_vantage(site) is bare


class TestThisComputer:
    """Who measures."""

    def test_is_described(self) -> None:
        """The certificate names the computer and its addresses."""
        found = method.this_computer(Vantage(interface="lo", address="127.0.0.1", prefix=8))

        assert found.host
        assert found.system
        assert "127.0.0.1/8" in found.addresses

    @pytest.mark.parametrize(("user", "privilege"), [(0, "root"), (1000, "user")])
    def test_has_a_privilege(
        self, monkeypatch: pytest.MonkeyPatch, user: int, privilege: str
    ) -> None:
        """What could be measured depends on it."""
        monkeypatch.setattr("os.geteuid", lambda: user)

        assert method.this_computer(VANTAGE).privilege == privilege

    def test_may_have_no_vantage(self) -> None:
        """It is the same computer."""
        assert method.this_computer(cannot("off-link")).addresses == ()

    def test_may_know_no_users(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Windows has no such number."""
        monkeypatch.delattr("os.geteuid")

        assert method.this_computer(VANTAGE).privilege == "user"

    @pytest.mark.parametrize(("administrator", "privilege"), [(True, "root"), (False, "user")])
    def test_may_be_an_administrators(
        self, monkeypatch: pytest.MonkeyPatch, *, administrator: bool, privilege: str
    ) -> None:
        """Windows has no root, but who may do everything."""
        monkeypatch.delattr("os.geteuid", raising=False)
        monkeypatch.setattr(method.windows, "is_administrator", lambda: administrator)

        assert method.this_computer(VANTAGE).privilege == privilege

    @pytest.mark.parametrize(
        ("system", "release", "version", "mac", "name"),
        [
            ("Linux", "6.1.0", "#1 SMP", "", "Linux 6.1.0"),
            ("Windows", "11", "10.0.22631", "", "Windows 11 (10.0.22631)"),
            ("Windows", "10", "10.0.22631", "", "Windows 11 (10.0.22631)"),
            ("Windows", "10", "10.0.19045", "", "Windows 10 (10.0.19045)"),
            ("Darwin", "24.1.0", "Darwin Kernel", "15.1", "macOS 15.1"),
            ("Darwin", "24.1.0", "Darwin Kernel", "", "Darwin 24.1.0"),
        ],
    )
    def test_has_a_system(
        self, monkeypatch: pytest.MonkeyPatch, system: str, release: str, version: str, mac: str,
        name: str,
    ) -> None:  # fmt: skip
        """Name and version are its maker's."""
        monkeypatch.setattr("platform.system", lambda: system)
        monkeypatch.setattr("platform.release", lambda: release)
        monkeypatch.setattr("platform.version", lambda: version)
        monkeypatch.setattr("platform.mac_ver", lambda: (mac, ("", "", ""), ""))

        assert method.system_name() == name


class TestVantageFacts:
    """The vantage on the certificate."""

    COMPUTER = Computer(
        host="laptop",
        system="Linux 6.1",
        privilege="root",
        addresses=("10.20.0.20/24",),
        gateway="10.20.0.1",
    )

    def facts(self, vantage: Vantage | CannotMeasure) -> dict[str, Any]:
        """Describe a vantage of this computer."""
        return method.vantage_facts(
            Setup(loaded=LoadedSite(site=SITE), vantage=vantage, computer=self.COMPUTER)
        )

    def test_come_from_the_evidence(self) -> None:
        """A replay on another computer must still name the one that measured."""
        assert self.facts(VANTAGE) == {
            "host": "laptop",
            "system": "Linux 6.1",
            "privilege": "root",
            "interface": "eth0",
            "address": "10.20.0.20",
            "prefix": 24,
            "mac": "02:00:00:00:00:20",
            "addresses": ["10.20.0.20/24"],
            "gateway": "10.20.0.1",
            "problem": "",
        }

    def test_have_the_same_keys_without_a_vantage(self) -> None:
        """Readers need not look which kind it is."""
        blocked = self.facts(cannot("off-link", "no cable"))

        assert blocked.keys() == self.facts(VANTAGE).keys()
        assert (blocked["interface"], blocked["problem"]) == ("", "no cable")


class TestDefaultGateway:
    """The way out of the network."""

    @pytest.mark.parametrize(
        ("table", "gateway"),
        [
            (GATEWAY, "10.20.0.1"),
            (GATEWAY.replace("eth0", "Büro"), "10.20.0.1"),
            (GATEWAY.replace("eth0", "網\N{IDEOGRAPHIC SPACE}零"), "10.20.0.1"),
            (GATEWAY.rpartition("eth0")[0], ""),
            ("Iface\n\nshort line\n", ""),
            ("", ""),
        ],
    )
    def test_is_read_from_the_table(self, tmp_path: Path, table: str, gateway: str) -> None:
        """The kernel writes its bytes in the computer's own order."""
        path = tmp_path / "route"
        path.write_text(table, "utf-8")

        assert method.default_gateway(path) == gateway

    def test_is_unknown_elsewhere(self, tmp_path: Path) -> None:
        """Other systems have no such table."""
        assert method.default_gateway(tmp_path / "route") == ""


class TestCommandLine:
    """How the run was started."""

    @pytest.mark.parametrize(
        ("arguments", "shown"),
        [
            (("--site", "a.toml", "-m", "required"), "--site a.toml -m required"),
            (("--sign", "/home/a/.ssh/id", "--lang=de"), "--sign … --lang=de"),
            (("--sign=/home/a/.ssh/id", "-q"), "--sign=… -q"),
            (("-q", "--sign"), "-q --sign"),
        ],
    )
    def test_is_repeated_without_the_key(self, arguments: tuple[str, ...], shown: str) -> None:
        """Where somebody keeps the key is nobody's business."""
        assert " ".join(method.command_line(("pytest", *arguments))) == f"pytest {shown}"


class TestLimits:
    """Tries and time limits."""

    def test_are_the_probes_own(self) -> None:
        """What the requirements promise, read from what is really used."""
        limits = method.limits()

        assert limits.keys() == PROBES.keys()
        assert (limits["ntp"]["tries"], limits["ntp"]["wait_s"]) == (2, 3.0)
        assert (limits["dns"]["tries"], limits["dns"]["wait_s"]) == (3, 2.0)
        assert limits["dhcp"]["silence_s"] == 10.0
        assert (limits["icmp"]["count"], limits["icmp"]["interval_s"]) == (4, 1.2)
        assert limits["icmp"]["wait_s"] == 2.0
        assert limits["http"]["limit_s"] == 10.0

    def test_are_positive_numbers(self) -> None:
        """Nothing else goes onto the certificate under this name."""
        for protocol, limits in method.limits().items():
            assert limits, protocol
            assert all(value > 0 for value in limits.values())

    @pytest.mark.parametrize("protocol", PROBES)
    def test_are_all_published(self, protocol: str) -> None:
        """A new limit of a probe gets a name on the certificate."""
        probe = getattr(
            importlib.import_module(f"cube_acceptance.probes.{protocol}"), PROBES[protocol]
        )
        fields = {
            field.name
            for field in dataclasses.fields(probe)
            if re.fullmatch(r".*_s|tries|count", field.name)
            and isinstance(field.default, int | float)
        }

        held = {method.FIELDS.get((protocol, name), name) for name in method.LIMITS[protocol]}
        assert held == fields

    def test_keep_their_names(self) -> None:
        """A reader of certificates finds what earlier versions published where it was."""
        certificates = sorted(RELEASED.glob("*/*/certificate.json"))

        assert certificates
        for path in certificates:
            published = json.loads(path.read_text("utf-8"))["method"]["limits"]
            for protocol, limits in published.items():
                assert limits.keys() <= method.limits()[protocol].keys(), path


class TestMethod:
    """By what was measured."""

    def test_names_what_has_a_say(self) -> None:
        """Suite, commit, command line, packages and limits."""
        found = method.facts(("pytest", "--cube", "10.20.0.50"))

        assert (found["suite"], found["version"]) == ("cube-acceptance", __version__)
        assert found["command_line"] == ["pytest", "--cube", "10.20.0.50"]
        assert set(found["packages"]) == set(method.PACKAGES)
        assert all(found["packages"].values())
        assert found["limits"] == method.limits()
        assert re.fullmatch(r"[0-9a-f]{40}\+?|", found["commit"])
        assert json.loads(json.dumps(found)) == found


class TestMakeSetup:
    """What is settled before the first packet."""

    def test_of_a_real_site(self) -> None:
        """Standard ports, no simulation, and the computer that measures."""
        loaded = LoadedSite(site=LOOPBACK)

        made = method.make_setup(loaded)

        assert made.loaded is loaded
        assert made.ports == setup.Ports()
        assert not made.simulated
        assert isinstance(made.vantage, Vantage)
        assert "127.0.0.1/8" in made.computer.addresses

    @pytest.mark.parametrize("cause", ["other-route"])
    def test_of_a_computer_without_a_route(
        self, monkeypatch: pytest.MonkeyPatch, cause: CannotCause
    ) -> None:
        """The run goes on to a certificate that says why nothing was measured."""

        def fail(*_: object) -> None:
            raise errors.CannotAskError(cause, "no route")

        monkeypatch.setattr(vantage, "find_vantage", fail)

        made = method.make_setup(LoadedSite(site=SITE))

        assert isinstance(made.vantage, CannotMeasure)
        assert (made.vantage.cause, made.computer.addresses) == (cause, ())


class TestRoutedCubes:
    """Which CUBEs stand in another segment."""

    SITE = Site(cubes=(Cube(address=NEAR), Cube(name="far", address=FAR)))

    @pytest.mark.parametrize(
        ("router", "near", "routed"),
        [
            ("", False, ()),
            (None, True, ()),
            ("10.20.0.1", True, (("far", "10.20.0.1"),)),
            (None, False, (("far", ""),)),
        ],
    )
    def test_are_those_behind_a_router(
        self,
        monkeypatch: pytest.MonkeyPatch,
        router: str | None,
        near: bool,  # noqa: FBT001 - a parameter of the table
        routed: tuple[tuple[str, str], ...],
    ) -> None:
        """Where the system names no router, the networks of the interface tell."""
        monkeypatch.setattr(
            vantage, "router_to", lambda _vantage, address: "" if address == NEAR else router
        )
        monkeypatch.setattr(vantage, "on_link", lambda _vantage, _address: near)
        found = method.routed_cubes(self.SITE, VANTAGE)

        assert found == tuple(
            setup.Routed(cube=cube, address=FAR, gateway=gateway) for cube, gateway in routed
        )

    def test_need_to_be_there(self) -> None:
        """Before the CUBEs are there, nothing is said of their segment."""
        site = msgspec.structs.replace(self.SITE, stage="readiness")

        assert method.routed_cubes(site, VANTAGE) == ()

    def test_from_nowhere(self) -> None:
        """A card without an address stands in no network yet; DHCP can be asked all the same."""
        vantage = msgspec.structs.replace(VANTAGE, address="")

        assert method.routed_cubes(self.SITE, vantage) == ()

    def test_on_the_embedded_site(self) -> None:
        """Everything is on this computer there."""
        vantage = msgspec.structs.replace(VANTAGE, loopback=True)

        assert method.routed_cubes(self.SITE, vantage) == ()
