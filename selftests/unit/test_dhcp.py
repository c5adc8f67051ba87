"""The DHCP probe: the two ways onto the wire, and the measurement itself."""

from __future__ import annotations

import errno
import ipaddress
import itertools
import os
import queue
import re
import socket
import struct
import time
from dataclasses import replace
from queue import SimpleQueue
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from cube_acceptance import network, probes
from cube_acceptance.evidence import CannotMeasure, DhcpMessage, DhcpObserved
from cube_acceptance.probes import dhcp
from cube_acceptance.probes.dhcp import DhcpProbe
from cube_acceptance.probes.net import dhcp_packet, dhcp_wire, sockets, windows
from cube_acceptance.probes.net.checksum import INTACT, checksum
from cube_acceptance.probes.net.dhcp_packet import Datagram
from cube_acceptance.probes.net.errors import CannotAskError
from cube_acceptance.probes.net.grant import grant_command
from cube_acceptance.probes.net.log import IGNORED_LIMIT, Log
from cube_acceptance.probes.net.measuring import Stopwatch
from cube_acceptance.probes.net.receive import OVERTIME_LIMIT, RECEIVE_LIMIT
from fixtures.simulator.dhcp import (
    Behaviour,
    DhcpServer,
    Reply,
    kind_of,
    options_of,
    reply,
    second_server,
    write,
)
from selftests.support import healthy
from selftests.support.fakes import NotingSocket, wait_for_closing
from selftests.support.filters import run_filter
from selftests.support.leased import HARDWARE, LISTED, LOCAL, LOOPBACK, PLANT, REQUEST

if TYPE_CHECKING:
    from cube_acceptance.probes import Event


class TestSuffices:
    """`network.complete` says when nothing needs to be waited for."""

    @pytest.mark.parametrize(
        ("changes", "expected"),
        [
            ({}, True),
            ({"dns": (), "ntp": (), "lease_s": None}, True),
            ({"routers": (), "routes": (("0.0.0.0/0", "10.20.0.1"),)}, True),
            ({"routers": (), "routes": (("10.0.0.0/8", "10.20.0.1"),)}, False),
            ({"routers": ()}, False),
            ({"subnet_mask": None}, False),
            ({"server_id": None}, False),
            ({"address": "0.0.0.0"}, False),
        ],
    )
    def test_asks_for_what_a_cube_needs(self, changes: dict[str, object], expected: bool) -> None:  # noqa: FBT001 - the expectation
        """What follows from an OFFER must not start from one that a CUBE could not use."""
        fields: dict[str, object] = {
            "source": "10.20.0.1",
            "at_s": 0.1,
            "kind": 2,
            "address": "10.20.0.50",
            "server_id": "10.20.0.1",
            "subnet_mask": "255.255.255.0",
            "routers": ("10.20.0.1",),
        }

        assert network.complete(DhcpMessage(**{**fields, **changes})) is expected


class TestWrap:
    """`wrap` writes IP and UDP headers."""

    def test_can_be_verified(self) -> None:
        """A server's kernel drops what has a wrong checksum: over all of it the sum is nothing."""
        packet = dhcp_packet.wrap(b"odd", ("255.255.255.255", 67), 68)

        assert checksum(packet[:20]) == INTACT
        assert checksum(packet[12:20] + struct.pack("!HH", 17, 11) + packet[20:]) == INTACT

    def test_says_who_and_where(self) -> None:
        """From 0.0.0.0 as a computer without an address (RFC 2131 section 4.1)."""
        packet = dhcp_packet.wrap(b"payload", ("255.255.255.255", 67), 68)

        assert packet[0] == 0x45
        assert struct.unpack("!H", packet[2:4]) == (len(packet),)
        assert packet[9] == 17
        assert packet[12:20] == bytes(4) + b"\xff" * 4
        assert struct.unpack("!HHH", packet[20:26]) == (68, 67, 15)
        assert packet[28:] == b"payload"

    def test_writes_a_zero_sum_as_ones(self) -> None:
        """RFC 768: all zero means that there is no checksum."""
        summed = checksum(b"\xff" * 4 + struct.pack("!HHHHHH", 17, 10, 68, 67, 10, 0))

        packet = dhcp_packet.wrap(summed.to_bytes(2, "big"), ("255.255.255.255", 67), 68)

        assert packet[26:28] == b"\xff\xff"


class TestUnwrap:
    """`unwrap` reads a packet socket's packets."""

    def test_gives_back_what_was_wrapped(self) -> None:
        """The sender's address and port are evidence."""
        packet = dhcp_packet.wrap(b"payload", ("255.255.255.255", 67), 68)

        assert dhcp_packet.unwrap(packet) == Datagram(b"payload", "0.0.0.0", 68)

    def test_ignores_the_frames_padding(self) -> None:
        """An Ethernet frame has at least 46 bytes of payload."""
        packet = dhcp_packet.wrap(b"payload", ("255.255.255.255", 67), 68)

        assert dhcp_packet.unwrap(packet + bytes(20)).payload == b"payload"

    def test_drops_a_wrong_checksum(self) -> None:
        """As every client does (RFC 1122 section 4.1.3.4): the CUBE does not see that OFFER."""
        packet = bytearray(dhcp_packet.wrap(b"payload", ("255.255.255.255", 67), 68))
        packet[26:28] = b"\x12\x34"

        dropped = dhcp_packet.unwrap(bytes(packet) + bytes(20))

        assert dropped.defect == "a wrong UDP checksum"
        assert dropped.source == "0.0.0.0:68"

    def test_accepts_an_unfinished_checksum(self) -> None:
        """Checksum offload: the network card or the veth pair would have filled it in."""
        packet = bytearray(dhcp_packet.wrap(b"payload", ("255.255.255.255", 67), 68))
        packet[26:28] = b"\x12\x34"

        assert dhcp_packet.unwrap(bytes(packet), unsummed=True).defect == ""

    def test_accepts_a_datagram_without_a_checksum(self) -> None:
        """RFC 768: all zero means that none was computed."""
        packet = bytearray(dhcp_packet.wrap(b"payload", ("255.255.255.255", 67), 68))
        packet[26:28] = bytes(2)

        assert dhcp_packet.unwrap(bytes(packet)).defect == ""

    def test_accepts_an_empty_datagram(self) -> None:
        """Nothing is wrong with it but that it is no DHCP message, which is said elsewhere."""
        packet = dhcp_packet.wrap(b"", ("255.255.255.255", 67), 68)

        assert dhcp_packet.unwrap(packet) == Datagram(b"", "0.0.0.0", 68)

    def test_skips_ip_options(self) -> None:
        """RFC 791: the header's length counts, not twenty bytes."""
        packet = bytearray(dhcp_packet.wrap(b"payload", ("255.255.255.255", 67), 68))
        packet[20:20] = b"\x01\x01\x01\x00"
        packet[0] = 0x46
        packet[3] += 4

        assert dhcp_packet.unwrap(bytes(packet)).payload == b"payload"

    @pytest.mark.parametrize(
        ("change", "defect"),
        [
            (lambda packet: packet[:19], "too short for an IPv4 packet"),
            (lambda packet: b"\x65" + packet[1:], "not an IPv4 packet"),
            (lambda packet: b"\x44" + packet[1:], "not an IPv4 packet"),
            (lambda packet: packet[:9] + b"\x06" + packet[10:], "not a whole UDP datagram"),
            (lambda packet: packet[:6] + b"\x20\x00" + packet[8:], "not a whole UDP datagram"),
            (lambda packet: packet[:27], "not a whole UDP datagram"),
        ],
    )
    def test_says_what_is_wrong(self, change, defect: str) -> None:  # noqa: ANN001 - a lambda
        """Hostile bytes end in the evidence and nowhere else."""
        packet = change(dhcp_packet.wrap(b"payload", ("255.255.255.255", 67), 68))

        assert dhcp_packet.unwrap(packet).defect == defect

    def test_names_no_source_where_it_knows_none(self) -> None:
        """``:0`` would look like an address."""
        assert Datagram(b"").source == ""
        assert Datagram(b"", "10.20.0.1", 67).source == "10.20.0.1:67"


class TestPortFilter:
    """`port_filter` lets replies pass and nothing else."""

    def test_lets_a_reply_pass(self) -> None:
        """Wrapped for port 68, whole."""
        packet = dhcp_packet.wrap(bytes(300), ("255.255.255.255", 68), 67)

        assert run_filter(dhcp_packet.port_filter(68), packet) == RECEIVE_LIMIT

    @pytest.mark.parametrize(
        ("at", "value"), [(9, b"\x06"), (6, b"\x20\x00"), (6, b"\x00\x01"), (22, b"\x00\x43")]
    )
    def test_refuses_the_rest(self, at: int, value: bytes) -> None:
        """TCP, fragments, another port: a download beside the run must not push replies out."""
        packet = bytearray(dhcp_packet.wrap(bytes(300), ("255.255.255.255", 68), 67))
        packet[at : at + len(value)] = value

        assert run_filter(dhcp_packet.port_filter(68), bytes(packet)) == 0


class _Factory:
    """Hands out fake sockets by family; a family without one is not permitted."""

    def __init__(self, **sockets: NotingSocket) -> None:
        self.sockets = sockets
        self.asked: list[tuple[int, ...]] = []

    def __call__(self, family: int, *rest: int) -> NotingSocket:
        self.asked.append((family, *rest))
        name = "udp" if family == socket.AF_INET else "packet"
        if name not in self.sockets:
            raise PermissionError(errno.EPERM, "Operation not permitted")
        return self.sockets[name]


def open_plant(factory: _Factory, platform: str = "linux", **changes: object) -> dhcp_wire.Wire:
    """Open a wire on a plant's network by fake sockets."""
    return dhcp_wire.open_wire(
        PLANT,
        ("255.255.255.255", 67),
        68,
        platform=platform,
        new_socket=factory,
        **{"is_up": lambda _interface: True, **changes},
    )


class TestOpenWire:
    """`open_wire` picks the best way that this user may have."""

    def test_needs_a_broadcast(self) -> None:
        """Through a tunnel no DHCP server hears the question; that is nobody's silence."""
        with pytest.raises(CannotAskError, match="is a tunnel") as obstacle:
            open_plant(_Factory(packet=NotingSocket()), broadcasts=lambda _interface: False)

        assert obstacle.value.cause == "off-link"

    def test_prefers_the_packet_socket(self) -> None:
        """It sees replies that this computer's own firewall would take away."""
        fake = NotingSocket()
        factory = _Factory(packet=fake, udp=NotingSocket())

        wire = open_plant(factory)

        assert wire.name == "packet socket"
        assert factory.asked == [(17, socket.SOCK_DGRAM, 0)], "nothing arrives before the filter"
        assert fake.bound == (LOOPBACK, 0x0003), "before a bridge or a filter takes it"
        assert (socket.SOL_SOCKET, 26) in fake.options, "the filter is attached"

    def test_falls_back_to_a_udp_socket(self) -> None:
        """Port 68 alone is the smaller right."""
        fake = NotingSocket()

        wire = open_plant(_Factory(udp=fake))

        assert wire.name == "UDP socket"
        assert fake.bound == ("", 68)
        options = {option for _, option in fake.options}
        assert options >= {socket.SO_REUSEADDR, socket.SO_BROADCAST}
        assert len(options) == 3, "and it is tied to the interface"

    def test_knows_this_computers_addresses(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A UDP socket also hears what this computer says to everybody."""
        own = (ipaddress.IPv4Interface("10.20.0.9/24"), ipaddress.IPv4Interface("10.20.0.8/24"))
        monkeypatch.setattr(dhcp_wire, "interface_networks", {LOOPBACK: own}.__getitem__)

        wire = open_plant(_Factory(udp=NotingSocket()))

        assert isinstance(wire, dhcp_wire.UdpWire)
        assert wire.own == {"10.20.0.9", "10.20.0.8"}

    def test_gives_back_a_packet_socket_that_cannot_be_bound(self) -> None:
        """A leaked socket is a warning, and a warning an error."""
        broken = NotingSocket(fails={"bind": OSError(errno.ENODEV, "No such device")})

        wire = open_plant(_Factory(packet=broken, udp=NotingSocket()))

        assert wire.name == "UDP socket"
        assert broken.closed

    @pytest.mark.parametrize(("platform", "host"), [("darwin", ""), ("win32", "10.20.0.9")])
    def test_uses_udp_elsewhere(
        self, monkeypatch: pytest.MonkeyPatch, platform: str, host: str
    ) -> None:
        """Packet sockets are Linux's own; Windows picks the interface by the address."""
        fake = NotingSocket()
        monkeypatch.setattr(sockets.windows, "adapter", lambda _: windows.Adapter(4, "", ""))

        wire = open_plant(_Factory(packet=NotingSocket(), udp=fake), platform)

        assert wire.name == "UDP socket"
        assert wire.deaf
        assert fake.bound == (host, 68)
        assert ((socket.SOL_SOCKET, socket.SO_REUSEPORT) in fake.options) == (platform == "darwin")

    @pytest.mark.parametrize("admitted", [True, False])
    def test_asks_windows_firewall(
        self, monkeypatch: pytest.MonkeyPatch, *, admitted: bool
    ) -> None:
        """Silence counts only where it is known to let the replies in to this program."""
        monkeypatch.setattr(sockets.windows, "adapter", lambda _: windows.Adapter(4, "", ""))

        wire = open_plant(_Factory(udp=NotingSocket()), "win32", admits=lambda _: admitted)

        assert wire.deaf is not admitted
        assert ("UDP socket" in wire.name) is not admitted, "the words of what misses offers"

    def test_hears_by_a_device_on_macos(self) -> None:
        """What comes by unicast, or what the firewall drops, is heard by root."""
        offer = dhcp_packet.wrap(b"offer", ("10.20.0.9", 68), 67)
        heard = iter((offer, None))
        closed: list[str] = []
        tap = SimpleNamespace(receive=lambda _: next(heard), close=lambda: closed.append("tap"))
        fake = NotingSocket()

        wire = open_plant(_Factory(udp=fake), "darwin", new_tap=lambda *_: tap)

        assert not wire.deaf
        assert "UDP socket" not in wire.name
        wire.send(b"discover")
        found = wire.receive(1.0)
        assert found
        assert (found.payload, found.port) == (b"offer", 67)
        assert wire.receive(1.0) is None
        wire.close()
        assert closed == ["tap"]
        assert fake.closed

    @pytest.mark.parametrize(
        ("platform", "error", "cause", "words"),
        [
            ("linux", errno.EACCES, "not-permitted", "a packet socket is not permitted, and UDP"),
            ("linux", errno.EADDRINUSE, "not-permitted", "another program of this computer keeps"),
            ("linux", errno.ENODEV, "off-link", "the interface cannot be used"),
            ("win32", errno.EACCES, "not-permitted", "UDP port 68 cannot be used: Permission"),
        ],
    )
    def test_says_what_stands_in_the_way(
        self, monkeypatch: pytest.MonkeyPatch, platform: str, error: int, cause: str, words: str
    ) -> None:
        """Not being allowed to ask must never look like silence."""
        fake = NotingSocket(fails={"bind": OSError(error, "words")})
        monkeypatch.setattr(sockets.windows, "adapter", lambda _: windows.Adapter(4, "", ""))

        with pytest.raises(CannotAskError, match=words) as caught:
            open_plant(_Factory(udp=fake), platform)

        assert fake.closed
        assert caught.value.cause == cause
        assert bool(caught.value.command) == (cause == "not-permitted")

    def test_notices_that_the_interface_may_not_be_tied(self) -> None:
        """Linux before 5.7 asks for a privilege for SO_BINDTODEVICE."""
        fake = NotingSocket(
            fails={f"setsockopt {socket.SO_BINDTODEVICE}": PermissionError(1, "words")}
        )

        with pytest.raises(CannotAskError, match="not permitted") as caught:
            open_plant(_Factory(udp=fake))

        assert caught.value.cause == "not-permitted"

    @pytest.mark.parametrize(("up", "cause"), [(None, "not-configured"), (False, "off-link")])
    def test_looks_at_the_cable_first(self, up: bool | None, cause: str) -> None:  # noqa: FBT001 - three states
        """Into an unplugged interface everything can be sent, and nothing comes back."""
        with pytest.raises(CannotAskError) as caught:
            open_plant(_Factory(packet=NotingSocket()), is_up=lambda _interface: up)

        assert caught.value.cause == cause

    def test_stays_on_the_loopback_interface_there(self) -> None:
        """The embedded site needs no privilege and must broadcast nothing."""
        fake = NotingSocket()

        wire = dhcp_wire.open_wire(
            LOCAL, ("127.0.0.1", 40067), 0, new_socket=_Factory(packet=NotingSocket(), udp=fake)
        )

        assert wire.name == "UDP socket"
        assert fake.bound == ("127.0.0.1", 0)
        assert fake.options == []

    def test_says_that_a_local_address_is_not_ours(self) -> None:
        """A site file's mistake is no crash."""
        fake = NotingSocket(fails={"bind": OSError(errno.EADDRNOTAVAIL, "words")})

        with pytest.raises(CannotAskError, match="cannot be used"):
            dhcp_wire.open_wire(LOCAL, ("127.0.0.1", 40067), 0, new_socket=_Factory(udp=fake))

        assert fake.closed


class TestLinkIsUp:
    """`link_is_up` asks the system."""

    def test_knows_the_loopback_interface(self) -> None:
        """It is up on every computer that runs this."""
        assert dhcp_wire.link_is_up(LOOPBACK) is True

    def test_knows_what_is_not_there(self) -> None:
        """Another thing than switched off."""
        assert dhcp_wire.link_is_up("nowhere0") is None


class TestWires:
    """The two wires do the same over different sockets."""

    def test_sends_packets_to_everybody(self) -> None:
        """The whole link hears it, as a CUBE's own DISCOVER."""
        fake = NotingSocket()
        wire = dhcp_wire.PacketWire(fake, "eth0", ("255.255.255.255", 67), 68)

        wire.send(b"payload")
        wire.close()

        packet = dhcp_packet.wrap(b"payload", ("255.255.255.255", 67), 68)
        assert fake.sent == [(packet, ("eth0", 0x0800, 0, 0, b"\xff" * 6))]
        wait_for_closing()
        assert fake.closed

    def test_receives_packets(self) -> None:
        """The headers are the wire's business, the payload the probe's."""
        packet = dhcp_packet.wrap(b"payload", ("255.255.255.255", 68), 67)
        fake = NotingSocket((packet, ("eth0", 0x0800, 1, 1, bytes(6))))
        wire = dhcp_wire.PacketWire(fake, "eth0", ("", 67), 68)

        assert wire.receive(0.1) == Datagram(b"payload", "0.0.0.0", 67)

    @pytest.mark.parametrize(
        ("notes", "defect"),
        [
            ([(263, 8, struct.pack("=IIIHHHH", 1, 38, 38, 0, 0, 0, 0))], "a wrong UDP checksum"),
            ([(263, 8, struct.pack("=IIIHHHH", 9, 38, 38, 0, 0, 0, 0))], ""),
            ([(1, 8, b"\0" * 20), (263, 9, b"\0" * 20)], ""),
            ([], ""),
        ],
    )
    def test_believes_the_kernel_about_checksums(
        self, notes: list[tuple[int, int, bytes]], defect: str
    ) -> None:
        """Bit 3 of the status says that the sum is still to come (packet(7)); without it, wrong."""
        packet = bytearray(dhcp_packet.wrap(b"payload", ("255.255.255.255", 68), 67))
        packet[26:28] = b"\x12\x34"
        fake = NotingSocket((bytes(packet), ("eth0", 0x0800, 1, 1, bytes(6))))
        fake.notes = notes

        received = dhcp_wire.PacketWire(fake, "eth0", ("", 67), 68).receive(0.1)

        assert received.defect == defect

    @pytest.mark.parametrize(
        ("status", "tag", "defect"),
        [
            (0x19, 7, "tagged for VLAN 7"),
            (0x19, 0xE007, "tagged for VLAN 7"),
            (0x19, 0xE000, ""),
            (0x09, 7, ""),
        ],
        ids=["tagged", "with-priority", "priority-only", "no-tag"],
    )
    def test_hears_nothing_of_another_vlan(self, status: int, tag: int, defect: str) -> None:
        """The kernel hands a packet socket what nobody on this interface would get."""
        packet = dhcp_packet.wrap(b"payload", ("255.255.255.255", 68), 67)
        fake = NotingSocket((packet, ("eth0", 0x0800, 3, 1, bytes(6))))
        fake.notes = [(263, 8, struct.pack("=IIIHHHH", status, 38, 38, 0, 0, tag, 0x8100))]

        received = dhcp_wire.PacketWire(fake, "eth0", ("", 67), 68).receive(0.1)

        assert received == Datagram(b"payload", "0.0.0.0", 67, defect)

    @pytest.mark.parametrize(("protocol", "kind"), [(0x86DD, 1), (0x0800, 4)])
    def test_receives_replies_only(self, protocol: int, kind: int) -> None:
        """Neither another protocol nor what a server on this computer sends counts."""
        packet = dhcp_packet.wrap(b"payload", ("255.255.255.255", 68), 67)
        fake = NotingSocket((packet, ("eth0", protocol, kind, 1, bytes(6))))

        assert dhcp_wire.PacketWire(fake, "eth0", ("", 67), 68).receive(0.1) is None

    def test_receives_datagrams(self) -> None:
        """The kernel has taken the headers off."""
        fake = NotingSocket((b"payload", ("10.20.0.1", 67)))
        wire = dhcp_wire.UdpWire(fake, ("", 67))

        assert wire.receive(0.1) == Datagram(b"payload", "10.20.0.1", 67)
        assert fake.limits_s == [0.1]

    def test_tells_this_computers_own_server(self) -> None:
        """A broadcast comes back to the sender: connection sharing must not prove the plant's."""
        fake = NotingSocket((b"offer", ("10.20.0.9", 67)))
        wire = dhcp_wire.UdpWire(fake, ("", 67), own=frozenset({"10.20.0.9"}))

        received = wire.receive(0.1)

        assert received == Datagram(
            b"offer", "10.20.0.9", 67, defect="sent by this computer itself"
        )

    def test_never_waits_for_ever(self) -> None:
        """A time limit of zero makes a socket look once, one of None would make it wait."""
        fake = NotingSocket(fails={"recvfrom": TimeoutError()})

        assert dhcp_wire.UdpWire(fake, ("", 67)).receive(0.0) is None
        assert fake.limits_s == [0.0]

    @pytest.mark.parametrize("error", [TimeoutError(), OSError(errno.ENETDOWN, "down")])
    def test_calls_nothing_what_is_nothing(self, error: OSError) -> None:
        """A failed reception (an ICMP error on Windows, a link that goes down) is no answer."""
        fake = NotingSocket(fails={"recvfrom": error})

        assert dhcp_wire.UdpWire(fake, ("", 67)).receive(0.001) is None
        assert dhcp_wire.PacketWire(fake, "eth0", ("", 67), 68).receive(0.001) is None


class TestGrantCommand:
    """`grant_command` is what the technician copies into a terminal."""

    def test_grants_one_right_to_one_run(self) -> None:
        """Not to the interpreter for ever, and not root for everything."""
        command = grant_command("linux", "/home/me/my venv/bin/python")

        assert command.startswith(f"sudo setpriv --reuid={os.getuid()} --regid={os.getgid()} ")
        assert "--ambient-caps=+net_raw" in command
        assert command.endswith("-- '/home/me/my venv/bin/python' -m pytest")

    def test_knows_the_other_platforms(self) -> None:
        """The requirement asks for the exact command wherever the suite runs."""
        assert grant_command("darwin", "/v/bin/python") == "sudo /v/bin/python -m pytest"
        assert '-LocalPort 68 -Program "C:\\py.exe"' in grant_command("win32", "C:\\py.exe")


class TestMissingRight:
    """What is said before a run: whether the right to ask is there."""

    @pytest.mark.parametrize(
        ("end", "command"),
        [
            (None, ""),
            (CannotAskError("off-link", "no carrier", "ip link"), ""),
            (CannotAskError("not-permitted", "no", "sudo"), "sudo"),
        ],
    )
    def test_is_tried(
        self, monkeypatch: pytest.MonkeyPatch, end: CannotAskError | None, command: str
    ) -> None:
        """The way onto the wire is opened and closed again, and nothing is sent."""
        closed: list[int] = []

        def open_wire(*_: object) -> object:
            if end:
                raise end
            return type("Wire", (), {"close": lambda _: closed.append(1)})()

        monkeypatch.setattr(dhcp_wire, "open_wire", open_wire)

        assert dhcp_wire.missing_right(healthy.VANTAGE) == command
        assert bool(closed) == (end is None)


class _FakeWire:
    """A link with a simulated server on it, without sockets: what is sent is answered at once."""

    name = "fake"
    deaf = False

    def __init__(self, server: DhcpServer, fails: dict[int, OSError] | None = None) -> None:
        self.server = server
        self.fails = fails or {}
        self.attempts = 0
        self.waiting: list[Datagram] = []
        self.closed = False

    def send(self, payload: bytes) -> None:
        self.attempts += 1
        if self.attempts in self.fails:
            raise self.fails[self.attempts]
        for answer in self.server.respond(payload):
            self.waiting.append(Datagram(answer.payload, "10.20.0.1", 67))

    def receive(self, limit_s: float) -> Datagram | None:
        if self.waiting:
            return self.waiting.pop(0)
        time.sleep(limit_s)
        return None

    def close(self) -> None:
        self.closed = True


class _StoppedWire(_FakeWire):
    """A link on which packets arrive while this program is stopped, as by a busy computer."""

    def __init__(self, server: DhcpServer, *before: Datagram) -> None:
        super().__init__(server)
        self.before = [*before] * 3
        self.stopped = False

    def receive(self, limit_s: float) -> Datagram | None:
        if not self.stopped:
            self.stopped = True
            time.sleep(0.4)
        return self.before.pop() if self.before else super().receive(limit_s)


def ask_by(wire: _FakeWire, /, **changes: object) -> DhcpObserved | CannotMeasure:
    """Run the probe over a fake wire, ten times as fast as in a plant."""
    settings = {
        "vantage": PLANT,
        "send_at_s": (0.0, 0.02, 0.04, 0.06),
        "silence_s": 0.3,
        "listen_s": 0.05,
        "after_offer_s": 0.02,
        "wire": lambda *_: wire,
        "is_up": lambda _interface: True,
        "asker": lambda *_: None,
    }
    return DhcpProbe(**{**settings, **changes}).run()


class TestRun:
    """`run`, over a fake wire: what is sent, what counts, what is kept."""

    def test_ends_with_the_offer(self) -> None:
        """The good case in full: one DISCOVER, one OFFER, no REQUEST, the wire given back."""
        wire = _FakeWire(DhcpServer(offered=LISTED))

        observed = ask_by(wire)

        assert isinstance(observed, DhcpObserved)
        assert [offer.address for offer in observed.offers] == ["10.20.0.50"]
        assert observed.ignored == ()
        (attempt,) = observed.tries
        assert (attempt.result, attempt.to) == ("answer", "255.255.255.255:67")
        assert (attempt.source, attempt.detail) == ("10.20.0.1:67", "fake")
        assert kind_of(attempt.sent) == 1
        assert attempt.received == observed.offers[0].raw
        assert wire.closed

    def test_repeats_the_question_in_silence(self) -> None:
        """One lost packet is no missing server; the transaction id stays (RFC 2131 4.1)."""
        observed = ask_by(_FakeWire(DhcpServer(Behaviour.SILENT)))

        assert isinstance(observed, DhcpObserved)
        assert observed.offers == ()
        assert [attempt.result for attempt in observed.tries] == ["silence"] * 4
        assert len({attempt.sent[4:8] for attempt in observed.tries}) == 1

    def test_notes_which_question_was_answered(self) -> None:
        """A first DISCOVER that gets lost is worth knowing."""
        observed = ask_by(_FakeWire(DhcpServer(Behaviour.LOSES_FIRST, offered=LISTED)))

        assert [attempt.result for attempt in observed.tries] == ["silence", "answer"]

    def test_asks_anew_in_every_run(self) -> None:
        """A late reply to an earlier run must not count."""
        first, second = (ask_by(_FakeWire(DhcpServer())).tries[0].sent[4:8] for _ in range(2))

        assert first != second

    def test_hears_the_second_server(self) -> None:
        """It is why listening goes on."""
        observed = ask_by(_FakeWire(DhcpServer(Behaviour.TWO_SERVERS, offered=LISTED)))

        other = second_server(LISTED)
        assert [offer.server_id for offer in observed.offers] == ["10.20.0.1", other.server_id]

    def test_goes_on_asking_after_half_an_offer(self) -> None:
        """A boot server that answers at once has not heard for the server that missed it."""

        class Beside(DhcpServer):
            def respond(self, request: bytes) -> list[Reply]:
                half = replace(second_server(LISTED), address="0.0.0.0")
                boot = Reply(reply(request, half, write(options_of(half))))
                return [boot, *super().respond(request)]

        observed = ask_by(_FakeWire(Beside(Behaviour.LOSES_FIRST, offered=LISTED)))

        assert [offer.address for offer in observed.offers] == ["0.0.0.0", "10.20.0.50"]
        assert [attempt.result for attempt in observed.tries] == ["answer", "silence"]

    def test_counts_the_same_offer_once(self) -> None:
        """A slow server answers every DISCOVER that it heard; that makes no second server."""
        observed = ask_by(_FakeWire(DhcpServer(Behaviour.SAME_TWICE, offered=LISTED)))

        assert len(observed.offers) == 1
        assert [packet.reason for packet in observed.ignored] == ["the same OFFER again"]

    @pytest.mark.parametrize(
        ("behaviour", "reason"),
        [
            (Behaviour.FORGED_ID, r"transaction id [0-9a-f]{8} is not ours"),
            (Behaviour.OTHER_CLIENT, "hardware address 02:99:99:99:99:99 is not ours"),
            (Behaviour.ACK_INSTEAD, r"message type 5 \(ACK\) is not an OFFER"),
            (Behaviour.WRONG_COOKIE, "magic cookie"),
            (Behaviour.REQUEST_BACK, "operation code 1"),
            (Behaviour.GARBAGE, "too short"),
        ],
    )
    def test_keeps_what_does_not_count(self, behaviour: Behaviour, reason: str) -> None:
        """Each of these is no OFFER to us, and the administrator should see that it came."""
        observed = ask_by(_FakeWire(DhcpServer(behaviour)))

        assert isinstance(observed, DhcpObserved)
        assert observed.offers == ()
        assert observed.ignored[0].source == "10.20.0.1:67"
        assert re.search(reason, observed.ignored[0].reason)

    def test_notes_a_refusal_and_takes_the_offer(self) -> None:
        """A NAK answers a REQUEST; to a DISCOVER it is noise."""
        observed = ask_by(_FakeWire(DhcpServer(Behaviour.REFUSES_FIRST)))

        assert len(observed.offers) == 1
        assert observed.ignored[0].reason == "message type 6 (NAK) is not an OFFER"

    @pytest.mark.parametrize(
        ("options", "reason"),
        [
            (write([]), "no readable message type"),
            (write([(53, b"\x63")]), "message type 99 (unknown) is not an OFFER"),
        ],
    )
    def test_needs_a_message_type(self, options: bytes, reason: str) -> None:
        """Without it the reply is BOOTP's, which knows no leases."""

        class Untyped(DhcpServer):
            def respond(self, request: bytes) -> list[Reply]:
                return [Reply(reply(request, LISTED, options))]

        observed = ask_by(_FakeWire(Untyped()))

        assert observed.offers == ()
        assert observed.ignored[0].reason == reason

    def test_keeps_a_broken_packet(self) -> None:
        """What a packet socket could not read is no OFFER, and no crash."""
        wire = _FakeWire(DhcpServer(Behaviour.SILENT))
        wire.waiting.append(Datagram(b"\x45", defect="too short for an IPv4 packet"))

        observed = ask_by(wire)

        assert observed.ignored[0].reason == "too short for an IPv4 packet"
        assert observed.ignored[0].raw == b"\x45"

    def test_bounds_what_it_keeps(self) -> None:
        """Whoever floods us must not fill the certificate, nor make the run longer."""
        time_enough = {"silence_s": 2.0, "listen_s": 2.0}
        foreign = ask_by(_FakeWire(DhcpServer(Behaviour.DRIP)), **time_enough)
        offers = ask_by(_FakeWire(DhcpServer(Behaviour.OFFER_FLOOD)), **time_enough)

        assert len(foreign.ignored) == IGNORED_LIMIT
        assert len(offers.offers) == dhcp.OFFER_LIMIT
        assert offers.ignored[0].reason == "more than 32 OFFERs"

    def test_hears_what_came_while_this_program_could_not_run(self) -> None:
        """A busy computer finds everybody's packets when the time is over, the OFFER last."""
        foreign = Datagram(b"\xff" * 17, "10.20.0.7", 67)
        wire = _StoppedWire(DhcpServer(), foreign)

        observed = ask_by(wire, send_at_s=(0.0,), listen_s=0.0, after_offer_s=0.0)

        assert len(observed.offers) == 1
        assert [packet.source for packet in observed.ignored] == ["10.20.0.7:67"] * 3

    def test_listens_for_others_as_long_after_a_late_question(self) -> None:
        """A server that first looks whether its address is free starts when it hears us."""
        wire = _FakeWire(DhcpServer(offered=LISTED))

        def opened_late(*_: object) -> _FakeWire:
            time.sleep(0.4)
            return wire

        observed = ask_by(wire, wire=opened_late, listen_s=0.3)

        assert observed.offers
        assert observed.duration_s - observed.tries[0].at_s >= 0.3

    def test_reads_no_flood_when_the_time_is_over(self) -> None:
        """Somebody who shouts faster than this program reads must not keep it."""
        wire = _FakeWire(DhcpServer(Behaviour.SILENT))
        wire.waiting = [Datagram(b"", "10.20.0.7", 67)] * (OVERTIME_LIMIT + 10)

        ask_by(wire, send_at_s=(0.0,), silence_s=0.0)

        assert len(wire.waiting) == 10

    def test_asks_as_often_after_a_stop(self) -> None:
        """What could not be sent in time is sent later, at the same pace, and waited for."""
        wire = _StoppedWire(DhcpServer(Behaviour.SILENT))

        observed = ask_by(wire)

        moments = [attempt.at_s for attempt in observed.tries]
        assert len(moments) == 4
        assert all(later - earlier >= 0.02 for earlier, later in itertools.pairwise(moments))
        assert observed.duration_s - moments[-1] >= 0.24

    def test_keeps_the_whole_offer_behind_a_flood_of_halves(self) -> None:
        """Whoever floods us with nonsense must not hide the server that the plant has."""

        class Crowd(DhcpServer):
            def respond(self, request: bytes) -> list[Reply]:
                others = [replace(LISTED, address=f"10.20.1.{n}", routers=()) for n in range(40)]
                offers = [*others, LISTED, replace(LISTED, address="10.20.0.77")]
                return [Reply(reply(request, one, write(options_of(one)))) for one in offers]

        observed = ask_by(_FakeWire(Crowd()))

        assert len(observed.offers) == dhcp.OFFER_LIMIT + 1
        assert observed.offers[-1].address == "10.20.0.50"

    def test_takes_an_offer_that_came_before_any_question(self) -> None:
        """It cannot be, but with a schedule that starts later it must not end the run either."""
        findings = dhcp._Findings(Log(Stopwatch()), 0x01020304, HARDWARE)
        packet = reply(REQUEST, LISTED, write(options_of(LISTED)))

        DhcpProbe(vantage=PLANT)._take(Datagram(packet, "10.20.0.1", 67), findings)

        assert len(findings.offers) == 1
        assert findings.log.tries == []

    def test_leaves_what_could_not_be_sent_unanswered(self) -> None:
        """The answer belongs to a DISCOVER that was on the wire."""
        findings = dhcp._Findings(Log(Stopwatch()), 0x01020304, HARDWARE)
        for result in ("silence", "silence", "not-sent", "not-sent"):
            number = findings.log.begin("", b"")
            findings.log.end(number, result)
            findings.tries.setdefault(findings.transaction, []).append(number)
        packet = reply(REQUEST, LISTED, write(options_of(LISTED)))

        DhcpProbe(vantage=PLANT)._take(Datagram(packet, "10.20.0.1", 67), findings)

        found = [attempt.result for attempt in findings.log.tries]
        assert found == ["silence", "answer", "not-sent", "not-sent"]

    @pytest.mark.parametrize(
        ("error", "cause"),
        [
            (OSError(errno.ENETDOWN, "Network is down"), "off-link"),
            (PermissionError(errno.EPERM, "Operation not permitted"), "not-permitted"),
            (OSError(errno.ENOBUFS, os.strerror(errno.ENOBUFS)), "not-permitted"),
            (OSError("without words"), "off-link"),
        ],
    )
    def test_says_that_nothing_could_be_sent(self, error: OSError, cause: str) -> None:
        """No question, no silence."""
        wire = _FakeWire(DhcpServer(), {1: error})

        observed = ask_by(wire)

        assert isinstance(observed, CannotMeasure)
        assert observed.cause == cause
        assert wire.closed

    def test_does_not_call_it_silence_when_the_link_went_down(self) -> None:
        """A cable pulled in the middle says nothing about the server."""
        wire = _FakeWire(DhcpServer(Behaviour.SILENT), {2: OSError(errno.ENETDOWN, "down")})

        observed = ask_by(wire)

        assert isinstance(observed, CannotMeasure)
        assert (observed.cause, wire.attempts) == ("off-link", 4)
        assert observed.detail == "the sending failed later on: down"

    def test_does_not_call_it_a_missing_link_when_the_firewall_came_up(self) -> None:
        """Protection software that wakes up in the middle leaves the cable where it is."""
        words = os.strerror(errno.EPERM)
        wire = _FakeWire(DhcpServer(Behaviour.SILENT), {2: OSError(errno.EPERM, words)})

        observed = ask_by(wire)

        assert isinstance(observed, CannotMeasure)
        assert observed.cause == "not-permitted"
        assert observed.detail == f"the sending failed later on: {words}"

    def test_looks_at_the_cable_after_silence(self) -> None:
        """Without a carrier sending goes on without an error."""
        observed = ask_by(_FakeWire(DhcpServer(Behaviour.SILENT)), is_up=lambda _interface: False)

        assert isinstance(observed, CannotMeasure)
        assert observed.cause == "off-link"

    def test_forgives_a_failed_sending_when_an_offer_comes(self) -> None:
        """An OFFER proves the server, whatever became of one repetition; it is the third's here."""

        class Late(DhcpServer):
            def respond(self, request: bytes) -> list[Reply]:
                self.requests.append((request, ("", 0)))
                return super().respond(request) if len(self.requests) > 1 else []

        observed = ask_by(_FakeWire(Late(offered=LISTED), {2: OSError(errno.ENOBUFS, "full")}))

        assert isinstance(observed, DhcpObserved)
        assert [attempt.result for attempt in observed.tries] == ["silence", "not-sent", "answer"]

    def test_brings_home_what_forbids_it(self) -> None:
        """The obstacle and its command reach the certificate."""

        def refuse(*_: object) -> _FakeWire:
            raise CannotAskError("not-permitted", "why", "sudo something")

        observed = DhcpProbe(vantage=PLANT, wire=refuse).run()

        assert isinstance(observed, CannotMeasure)
        assert (observed.cause, observed.command) == ("not-permitted", "sudo something")

    def test_has_a_key_and_the_plants_defaults(self) -> None:
        """The schedule is the requirement's; comparing probes must not compare seams."""
        probe = DhcpProbe(vantage=PLANT)

        assert probe.key == "dhcp"
        assert (probe.port_server, probe.port_client) == (67, 68)
        assert probe.server_address == "255.255.255.255"
        assert probe.send_at_s == (0, 2, 4, 6)
        assert (probe.silence_s, probe.listen_s, probe.after_offer_s) == (10, 4, 1)
        assert probe == DhcpProbe(vantage=PLANT, wire=print, is_up=print)


def told_by(wire: _FakeWire) -> tuple[DhcpObserved | CannotMeasure, list[Event]]:
    """Run the probe over a fake wire; what it observed, and what it told meanwhile."""
    outbox: queue.SimpleQueue[Event] = queue.SimpleQueue()
    observed = ask_by(wire, outbox=outbox)
    return observed, [outbox.get_nowait() for _ in range(outbox.qsize())]


class TestEvents:
    """What follows from an OFFER starts as soon as it is told."""

    def test_tells_of_the_first_complete_offer(self) -> None:
        """Half an OFFER of a rogue server must not decide where names are asked for."""

        class RogueFirst(DhcpServer):
            def respond(self, request: bytes) -> list[Reply]:
                rogue = replace(second_server(LISTED), routers=())
                both = (rogue, LISTED, replace(LISTED, address="10.20.0.77"))
                return [Reply(reply(request, one, write(options_of(one)))) for one in both]

        observed, events = told_by(_FakeWire(RogueFirst()))

        assert len(observed.offers) == 3
        assert events == [probes.Offered("dhcp", observed.offers[1])]

    def test_asks_on_after_an_offer_that_no_cube_could_use(self) -> None:
        """What counts in the end and what ends the waiting are the same."""

        class UselessFirst(DhcpServer):
            def respond(self, request: bytes) -> list[Reply]:
                useless = replace(second_server(LISTED), routers=("10.20.0.255",))
                given = LISTED if wire.attempts > 1 else useless
                return [Reply(reply(request, given, write(options_of(given))))]

        wire = _FakeWire(UselessFirst())
        observed, events = told_by(wire)

        assert wire.attempts == 2
        assert len(observed.offers) == 2
        assert events == [probes.Offered("dhcp", observed.offers[1])]

    def test_does_not_wait_for_the_end(self) -> None:
        """Names, time and TLS start while others may still answer."""
        wire = _FakeWire(DhcpServer(offered=LISTED))
        open_then: list[bool] = []

        class Outbox:
            """Looks whether the measurement is still going on."""

            def put(self, _event: Event, /) -> None:
                """Take it."""
                open_then.append(not wire.closed)

        ask_by(wire, outbox=Outbox())

        assert open_then == [True]

    @pytest.mark.parametrize("behaviour", [Behaviour.NO_ROUTER, Behaviour.SILENT])
    def test_has_nothing_to_tell_without_a_complete_offer(self, behaviour: Behaviour) -> None:
        """What there is stands in the observation."""
        assert told_by(_FakeWire(DhcpServer(behaviour)))[1] == []


class _FakeAsker:
    """Notes whom it asks about."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.closed = False

    def ask(self, addresses: list[str]) -> None:
        self.asked += addresses

    def answers(self) -> tuple[tuple[str, str], ...]:
        return (("10.20.0.50", "02:00:00:00:00:99"),)

    def close(self) -> None:
        self.closed = True


class TestHolders:
    """Whoever has an address that is offered."""

    def test_are_asked_for(self) -> None:
        """For the offered address, and for the router, by which one for everything is known."""
        asker = _FakeAsker()

        observed = ask_by(_FakeWire(DhcpServer(offered=LISTED)), asker=lambda *_: asker)

        assert isinstance(observed, DhcpObserved)
        assert asker.asked == ["10.20.0.50", "10.20.0.1", "10.20.0.2"]
        assert asker.closed
        assert observed.holders == (("10.20.0.50", "02:00:00:00:00:99"),)

    def test_of_cubes_are_asked_for_whatever_is_offered(self) -> None:
        """Two devices with one address make a plant fail now and then; a fleet is no storm."""
        asker = _FakeAsker()
        fleet = tuple(f"10.20.1.{last}" for last in range(1, dhcp.CUBES_ASKED + 2))

        ask_by(_FakeWire(DhcpServer(Behaviour.SILENT)), addresses=fleet, asker=lambda *_: asker)

        assert asker.asked == list(fleet[: dhcp.CUBES_ASKED])

    def test_are_not_asked_for_half_an_offer(self) -> None:
        """Nobody lives by it."""
        asker = _FakeAsker()

        ask_by(_FakeWire(DhcpServer(offered=replace(LISTED, mask=None))), asker=lambda *_: asker)

        assert asker.asked == []

    @pytest.mark.parametrize("deaf", [True, False])
    def test_are_asked_over_a_packet_socket_only(self, *, deaf: bool) -> None:
        """Without the right to one there is none for ARP either; the embedded site has no link."""
        wire = _FakeWire(DhcpServer(offered=LISTED))
        wire.deaf = deaf
        vantage = PLANT if deaf else LOCAL

        observed = ask_by(wire, vantage=vantage, asker=lambda *_: pytest.fail("asked"))

        assert isinstance(observed, DhcpObserved)
        assert observed.holders == ()


class TestCubes:
    """A DISCOVER for each CUBE's own hardware address."""

    MACS = ("02:00:00:00:00:51", "02:00:00:00:00:52")

    def ask(self, wire: _FakeWire, **changes: object) -> DhcpObserved:
        """Run the probe for two CUBEs."""
        observed = ask_by(wire, **{"cubes": self.MACS, "cube_pause_s": 0.005, **changes})
        assert isinstance(observed, DhcpObserved)
        return observed

    def test_is_sent_without_an_identifier(self) -> None:
        """The hardware address alone says whom it is for; each has a transaction of its own."""
        observed = self.ask(_FakeWire(DhcpServer(offered=LISTED)))

        sent = [attempt.sent for attempt in observed.tries]
        assert [packet[28:34].hex(":") for packet in sent] == ["02:42:0a:14:00:09", *self.MACS]
        assert [b"cube-acceptance-" in packet for packet in sent] == [True, False, False]
        assert len({packet[4:8] for packet in sent}) == 3
        assert [attempt.detail for attempt in observed.tries[1:]] == [
            f"for {mac}: fake" for mac in self.MACS
        ]

    def test_brings_offers_of_their_own(self) -> None:
        """They are kept apart from those to this computer."""
        observed = self.ask(_FakeWire(DhcpServer(offered=LISTED)))

        assert [offer.hardware for offer in observed.offers] == ["", *self.MACS]
        assert [attempt.result for attempt in observed.tries] == ["answer"] * 3

    def test_counts_as_an_offer_to_us(self) -> None:
        """A server that serves registered devices only has answered then."""

        class Registered(DhcpServer):
            def respond(self, request: bytes) -> list[Reply]:
                known = request[28:34].hex(":") == TestCubes.MACS[1]
                return super().respond(request) if known else []

        told = SimpleQueue()
        observed = self.ask(_FakeWire(Registered(offered=LISTED)), outbox=told)

        assert [offer.hardware for offer in observed.offers] == [self.MACS[1]]
        assert told.get_nowait().offer == observed.offers[0]
        answered = [attempt.detail for attempt in observed.tries if attempt.result == "answer"]
        assert answered == [f"for {self.MACS[1]}: fake"]

    def test_must_be_answered_by_its_own_transaction(self) -> None:
        """An OFFER of our transaction to the CUBE's address is nobody's."""

        class Mixed(DhcpServer):
            def respond(self, request: bytes) -> list[Reply]:
                mac = bytes.fromhex(TestCubes.MACS[0].replace(":", ""))
                return [Reply(reply(request, LISTED, write(options_of(LISTED)), hardware=mac))]

        observed = self.ask(_FakeWire(Mixed(offered=LISTED)), cubes=self.MACS[:1])

        assert [offer.hardware for offer in observed.offers] == [self.MACS[0]]
        assert "is not ours" in observed.ignored[0].reason

    def test_is_sent_for_eight_at_most(self) -> None:
        """Each of them half a second after the one before."""
        macs = tuple(f"02:00:00:00:01:{number:02x}" for number in range(10))

        observed = self.ask(_FakeWire(DhcpServer(offered=LISTED)), cubes=macs)

        moments_s = [attempt.at_s for attempt in observed.tries]
        pauses_s = [after - before for before, after in itertools.pairwise(moments_s)]
        assert len(moments_s) == 9
        assert min(pauses_s) >= 0.005

    def test_does_not_lengthen_silence(self) -> None:
        """The end is counted from our own last DISCOVER."""
        observed = self.ask(_FakeWire(DhcpServer(Behaviour.SILENT)), cube_pause_s=0.05)

        own = [attempt for attempt in observed.tries if attempt.detail == "fake"]
        assert len(own) == 4
        assert observed.duration_s < own[-1].at_s + 0.3 + 0.2


class TestDeaf:
    """Where silence proves nothing."""

    def silence(self, *, deaf: bool, **changes: object) -> DhcpObserved:
        """Ask where nobody answers."""
        wire = _FakeWire(DhcpServer(Behaviour.SILENT))
        wire.deaf = deaf
        observed = ask_by(wire, **changes)
        assert isinstance(observed, DhcpObserved)
        return observed

    def test_says_which_command_helps(self) -> None:
        """A packet socket misses nothing."""
        unheard, heard = self.silence(deaf=True), self.silence(deaf=False)

        assert (unheard.deaf, unheard.command) == ("udp-socket", grant_command())
        assert (heard.deaf, heard.command) == ("", "")

    @pytest.mark.parametrize("deaf", [True, False])
    def test_knows_wsl(self, *, deaf: bool) -> None:
        """No DHCP server's OFFER comes through to it."""
        assert self.silence(deaf=deaf, in_wsl=lambda: True).deaf == "wsl"

    def test_leaves_the_embedded_site_alone(self) -> None:
        """It runs in WSL as well as anywhere."""
        assert self.silence(deaf=False, vantage=LOCAL, in_wsl=lambda: True).deaf == ""

    def test_says_nothing_beside_an_offer(self) -> None:
        """There was no silence."""
        wire = _FakeWire(DhcpServer(offered=LISTED))
        wire.deaf = True

        observed = ask_by(wire, in_wsl=lambda: True)

        assert isinstance(observed, DhcpObserved)
        assert (observed.deaf, observed.command) == ("", "")

    @pytest.mark.parametrize(
        ("release", "expected"),
        [
            ("5.15.167.4-microsoft-standard-WSL2", True),
            ("4.4.0-19041-Microsoft", True),
            ("6.1.0-18-amd64", False),
        ],
    )
    def test_tells_wsl_by_its_kernel(self, release: str, *, expected: bool) -> None:
        """Microsoft builds it."""
        assert dhcp.in_wsl(release) is expected


def ask_server(server: DhcpServer, **changes: object) -> DhcpObserved:
    """Run the probe against a simulated server over real sockets of the loopback interface."""
    settings = {
        "vantage": LOCAL,
        "server_address": "127.0.0.1",
        "port_server": server.port,
        "port_client": 0,
        "send_at_s": (0.0, 0.05, 0.1, 0.15),
        "silence_s": 0.4,
        "listen_s": 0.06,
        "after_offer_s": 0.05,
    }
    observed = DhcpProbe(**{**settings, **changes}).run()
    assert isinstance(observed, DhcpObserved)
    return observed


class TestRunOverSockets:
    """`run`, over real sockets: the embedded site's way."""

    @pytest.mark.parametrize(
        "behaviour",
        [
            Behaviour.GOOD,
            Behaviour.OVERLOADED,
            Behaviour.SPLIT,
            Behaviour.REPEATED,
            Behaviour.OTHER_PORT,
        ],
    )
    def test_reads_every_way_of_writing_the_same_offer(self, behaviour: Behaviour) -> None:
        """How a server arranges its options must not change the result."""
        with DhcpServer(behaviour, offered=LISTED) as server:
            (found,) = ask_server(server).offers

        assert found.source == "127.0.0.1"
        assert found.address == "10.20.0.50"
        assert found.subnet_mask == "255.255.255.0"
        assert found.server_id == "10.20.0.1"
        assert (found.routers, found.dns, found.ntp) == (LISTED.routers, LISTED.dns, LISTED.ntp)
        assert found.lease_s == 3600

    @pytest.mark.parametrize(
        ("behaviour", "field", "value"),
        [
            (Behaviour.NO_ROUTER, "routers", ()),
            (Behaviour.NO_DNS, "dns", ()),
            (Behaviour.NO_NTP, "ntp", ()),
            (Behaviour.NO_MASK, "subnet_mask", None),
            (Behaviour.NO_SERVER_ID, "server_id", None),
            (Behaviour.NO_LEASE_TIME, "lease_s", None),
            (Behaviour.NO_ADDRESS, "address", "0.0.0.0"),
            (Behaviour.EMPTY_OPTIONS, "routers", ()),
            (Behaviour.CLASSLESS, "routes", (("0.0.0.0/0", "10.20.0.1"),)),
            (Behaviour.MALFORMED_LENGTHS, "subnet_mask", None),
            (Behaviour.TRUNCATED, "routers", ()),
            (Behaviour.OUTSIDE, "address", "203.0.113.50"),
            (Behaviour.SHORT_LEASE, "lease_s", 120),
            (Behaviour.RELAYED, "relay", "192.0.2.1"),
        ],
    )
    def test_shows_what_the_server_says(
        self, behaviour: Behaviour, field: str, value: object
    ) -> None:
        """The probe brings home what is missing or odd and leaves the judging to the case."""
        with DhcpServer(behaviour, offered=LISTED) as server:
            (found,) = ask_server(server).offers

        assert getattr(found, field) == value
        assert bool(found.defects) == (
            behaviour in {Behaviour.EMPTY_OPTIONS, Behaviour.MALFORMED_LENGTHS, Behaviour.TRUNCATED}
        )

    @pytest.mark.parametrize(
        ("behaviour", "field", "values"),
        [
            (Behaviour.SECOND_THOUGHT, "address", ["10.20.0.50", "10.20.0.51"]),
            (Behaviour.INCOMPLETE_FIRST, "routers", [(), LISTED.routers]),
            (Behaviour.TWO_RELAYS, "relay", ["192.0.2.1", "192.0.2.2"]),
        ],
    )
    def test_keeps_every_offer_of_one_server(
        self, behaviour: Behaviour, field: str, values: list[object]
    ) -> None:
        """Which one counts is the case's business."""
        with DhcpServer(behaviour, offered=LISTED) as server:
            offers = ask_server(server, listen_s=0.5).offers

        assert [getattr(found, field) for found in offers] == values
        assert {found.server_id for found in offers} == {"10.20.0.1"}

    def test_waits_for_others_after_a_late_offer(self) -> None:
        """At least ``after_offer_s``, also when the time for listening is over by then."""

        class Late(DhcpServer):
            def respond(self, request: bytes) -> list[Reply]:
                other = second_server(LISTED)
                return [
                    Reply(reply(request, LISTED, write(options_of(LISTED))), 0.05),
                    Reply(reply(request, other, write(options_of(other))), 0.10),
                ]

        with Late() as server:
            observed = ask_server(server, send_at_s=(0.0,), listen_s=0.0, after_offer_s=0.5)

        assert len(observed.offers) == 2

    def test_is_not_kept_busy_by_foreign_packets(self) -> None:
        """A drip of other clients' replies must not move the end."""
        with DhcpServer(Behaviour.DRIP) as server:
            observed = ask_server(server)

        assert observed.offers == ()
        assert len(observed.tries) == 4

    def test_sends_nothing_but_discovers(self) -> None:
        """No lease is taken: the server's pool is as it was."""
        with DhcpServer() as server:
            ask_server(server)

        assert [kind_of(request) for request, _ in server.requests] == [1]


class TestServer:
    """The simulated server itself, where the probe does not reach it."""

    def test_is_silent_on_anything_but_a_discover(self) -> None:
        """It must not make a REQUEST look harmless."""
        request = REQUEST.replace(b"\x35\x01\x01", b"\x35\x01\x03")

        assert DhcpServer().respond(request) == []
        assert DhcpServer().respond(b"\x01" * 300) == []
        assert DhcpServer().respond(REQUEST[:241]) == []

    def test_slow_takes_its_time(self) -> None:
        """As long as dnsmasq, which asks whether the address is taken."""
        (answer,) = DhcpServer(Behaviour.SLOW).respond(REQUEST)

        assert answer.after_s == 3.0

    def test_noise_comes_before_the_offer(self) -> None:
        """Hundreds of other clients' replies, and ours behind them."""
        *noise, answer = DhcpServer(Behaviour.NOISE_FIRST).respond(REQUEST)

        assert max(packet.after_s for packet in noise) < answer.after_s == 3.0

    def test_every_behaviour_can_be_had(self) -> None:
        """A name without an answer behind it would be SILENT by mistake."""
        unanswered = {
            behaviour for behaviour in Behaviour if not DhcpServer(behaviour).respond(REQUEST)
        }

        assert unanswered == {Behaviour.SILENT, Behaviour.LOSES_FIRST}

    def test_gives_its_port_back(self) -> None:
        """Hundreds of tests start one."""
        with DhcpServer() as server:
            port = server.port
        with DhcpServer(port=port) as again:
            assert again.port == port

    def test_closes_its_socket_when_the_port_is_taken(self) -> None:
        """A leaked socket is a warning, and a warning an error."""
        with DhcpServer() as server, pytest.raises(OSError, match="in use"):
            DhcpServer(port=server.port).__enter__()
