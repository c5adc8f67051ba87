"""Tests of what this computer's interfaces are called and are, where psutil cannot list them."""

from __future__ import annotations

import ipaddress
import socket
import struct
import sys
from typing import TYPE_CHECKING, NoReturn

import psutil
import pytest

from cube_acceptance.probes.net import local, vantage
from cube_acceptance.probes.net.errors import CannotAskError
from cube_acceptance.probes.net.routing import Route

if TYPE_CHECKING:
    from pathlib import Path

LATIN = "B\udcfcro"
"""How Python writes a name whose bytes are no text."""

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="elsewhere an interface's name is text"
)


def no_text() -> NoReturn:
    """Do as psutil does where one interface's name is no text."""
    raise UnicodeDecodeError("utf-8", b"B\xfcro", 1, 2, "invalid start byte")


@pytest.fixture(autouse=True)
def nameless(monkeypatch: pytest.MonkeyPatch) -> None:
    """A computer with such an interface."""
    monkeypatch.setattr(psutil, "net_if_addrs", no_text)
    monkeypatch.setattr(psutil, "net_if_stats", no_text)


class TestAskingLinux:
    """Linux itself lists them."""

    def test_this_computer(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """What it says is what psutil says where psutil can."""
        found = {
            name: [(one.family, one.address, one.netmask) for one in entries]
            for name, entries in local.system_interfaces().items()
        }
        monkeypatch.undo()

        assert (socket.AF_INET, "127.0.0.1", "255.0.0.0") in found["lo"]
        for name, entries in local.system_interfaces().items():
            told = [
                (one.family, one.address, one.netmask if one.family == socket.AF_INET else None)
                for one in entries
                if one.family != socket.AF_INET6
            ]
            assert sorted(told, key=str) == sorted(found[name], key=str)

    def test_networks(self) -> None:
        """Who asks for an interface's networks notices nothing."""
        assert ipaddress.IPv4Interface("127.0.0.1/8") in local.interface_networks("lo")
        assert local.interface_of("127.0.0.1") == "lo"

    def test_addresses_that_lead_nowhere(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        """An entry without an address of its own, and one of an interface that has gone."""
        entry = struct.pack("=BBBBI", socket.AF_INET, 24, 0, 0, 1)
        own = struct.pack("=HH4s", 8, 2, bytes((10, 0, 0, 1)))
        gone = struct.pack("=BBBBI", socket.AF_INET, 24, 0, 0, 9)
        monkeypatch.setattr(local, "ask_list", lambda *_: (entry, gone + own, entry + own))
        monkeypatch.setattr(socket, "if_nameindex", lambda: [(1, "eth0"), (2, LATIN)])
        monkeypatch.setattr(local, "INTERFACES", tmp_path)
        (tmp_path / LATIN).mkdir()
        (tmp_path / LATIN / "address").write_text("02:00:00:00:00:01\n")

        assert local.system_interfaces() == {
            "eth0": [(socket.AF_INET, "10.0.0.1", "255.255.255.0")],
            LATIN: [(psutil.AF_LINK, "02:00:00:00:00:01", None)],
        }

    def test_state(self) -> None:
        """Whether it is up, and what it can."""
        assert local.link_is_up("lo") is True
        assert local.can_broadcast("lo")
        assert local.link_is_up("nowhere0") is None
        assert local.link_is_up(LATIN) is None
        assert (local.mtu_of("lo"), local.mtu_of("nowhere0")) == (0, 0)


class TestVantage:
    """From an interface that cannot be named nothing is measured."""

    def test_is_said(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """In words that can be written down."""
        way = Route(source="10.0.0.1", interface=LATIN)
        monkeypatch.setattr(vantage, "route_to", lambda *_: way)

        with pytest.raises(CannotAskError, match="is no text") as obstacle:
            vantage.find_vantage("10.0.0.9")

        assert obstacle.value.cause == "not-configured"
        assert r"B\udcfcro" in obstacle.value.detail

    def test_is_not_named_among_others(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The list of those that there are has those that a site file can name."""
        monkeypatch.setattr(vantage, "system_interfaces", lambda: {"eth0": [], LATIN: []})

        with pytest.raises(CannotAskError, match=r"this computer has eth0$"):
            vantage.find_vantage("127.0.0.1", "eth9")

    def test_is_legible_elsewhere(self) -> None:
        """Evidence is text."""
        obstacle = CannotAskError("other-route", f"leaves by {LATIN}", f"ip link show {LATIN}")

        assert obstacle.detail.encode() == rb"leaves by B\udcfcro"
        assert obstacle.command.isascii()
