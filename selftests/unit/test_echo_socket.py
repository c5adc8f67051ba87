"""Tests of the sockets for echo requests: whose a packet is, alone and beside others."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import struct
import sys
import time
from typing import Any, NoReturn

import pytest

from cube_acceptance.evidence import Vantage
from cube_acceptance.probes.net import echo_socket
from cube_acceptance.probes.net.echo import Method, build_request, strip_ip_header
from cube_acceptance.probes.net.echo_socket import (
    EchoSocket,
    EchoSockets,
    SocketWire,
    age,
    filter_program,
    may_share,
    open_socket,
)
from cube_acceptance.probes.net.errors import CannotAskError
from cube_acceptance.probes.net.receive import OVERTIME_LIMIT
from selftests.support.echoes import (
    ADDRESS,
    IDENTIFIER,
    PAYLOAD,
    ROUTER,
    FakeSocket,
    error,
    ip_header,
    note,
    reply,
    reply_to,
)

LOOPBACK = Vantage(interface="lo", address="127.0.0.1", prefix=8, loopback=True)

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux only")


def wire_over(sock: FakeSocket, method: Method, platform: str = "linux") -> SocketWire:
    """Put a wire on a fake socket."""
    shared: Any = EchoSocket
    return SocketWire(shared(sock, method, platform, kept=False), ADDRESS)


class TestSocketWire:
    """Raw and datagram sockets."""

    def test_raw_socket(self) -> None:
        """A raw socket gives the IP header too, and is filtered in the kernel on Linux."""
        sock = FakeSocket()
        wire = wire_over(sock, "raw")
        request = wire.request(1)
        sock.packets.append((ip_header() + reply_to(request), ADDRESS))
        left_ago_s = wire.send(1)
        arrival = wire.receive(1.0)

        assert left_ago_s == 0.0
        assert sock.sent == [(request, (ADDRESS, 0))]
        assert sock.options == [(socket.SOL_SOCKET, 35), (socket.SOL_SOCKET, 26)]
        assert arrival
        assert (arrival.sequence, arrival.result) == (1, "reply")

    def test_datagram_socket_of_linux(self) -> None:
        """Linux chooses the identifier, and gives no IP header."""
        sock = FakeSocket()
        wire = wire_over(sock, "datagram")
        request = wire.request(1)
        sock.packets.append((reply_to(request), ADDRESS))
        arrival = wire.receive(1.0)

        assert request[4:6] == IDENTIFIER.to_bytes(2, "big")
        assert sock.options == [(socket.SOL_SOCKET, 35), (socket.IPPROTO_IP, 11)]
        assert arrival
        assert arrival.result == "reply"

    def test_datagram_socket_of_macos(self) -> None:
        """On macOS a datagram socket gives the IP header as a raw one does."""
        sock = FakeSocket()
        wire = wire_over(sock, "datagram", "darwin")
        sock.packets.append((ip_header() + reply_to(wire.request(4)), ADDRESS))
        wire.send(4)
        arrival = wire.receive(1.0)

        assert sock.options == []
        assert arrival
        assert arrival.sequence == 4

    def test_silence(self) -> None:
        """The limit reaches the socket, and its end is no arrival."""
        sock = FakeSocket()

        assert wire_over(sock, "raw").receive(0.25) is None
        assert sock.limits == [0.25]

    @linux
    def test_error_queue(self) -> None:
        """A Linux datagram socket hears of errors by its error queue, several at once."""
        sock = FakeSocket(OSError(errno.EHOSTUNREACH, "No route to host"))
        wire = wire_over(sock, "datagram")
        for sequence, code in ((1, 1), (2, 13)):
            quoted = wire.request(sequence)[:8]
            sock.errors.append((quoted, [(socket.IPPROTO_IP, 11, note(3, code))]))
        arrivals = [wire.receive(1.0), wire.receive(1.0)]

        assert [(one.sequence, one.result, one.source) for one in arrivals if one] == [
            (1, "unreachable", ROUTER),
            (2, "prohibited", ROUTER),
        ]

    @pytest.mark.parametrize(
        ("level", "kind", "data"),
        [
            (socket.IPPROTO_IP, 11, note()[:12]),
            (socket.IPPROTO_IP, 11, note(origin=1)),
            (socket.IPPROTO_IP, 11, note(icmp_type=12)),
            (socket.SOL_SOCKET, 11, note()),
            (socket.IPPROTO_IP, 8, note()),
        ],
        ids=["short", "local", "parameter-problem", "other-level", "other-kind"],
    )
    def test_other_notes(self, level: int, kind: int, data: bytes) -> None:
        """What else the queue may hold is no news of our requests."""
        sock = FakeSocket(OSError(errno.EHOSTUNREACH, "No route to host"))
        wire = wire_over(sock, "datagram")
        sock.errors.append((wire.request(1), [(level, kind, data)]))

        assert wire.receive(0.0) is None

    def test_error_about_something_else(self) -> None:
        """What quotes nothing of ours is somebody else's."""
        sock = FakeSocket(OSError(errno.EHOSTUNREACH, "No route to host"))
        wire = wire_over(sock, "datagram")
        sock.errors.append((b"short", [(socket.IPPROTO_IP, 11, note())]))

        assert wire.receive(0.0) is None

    @linux
    def test_flood_of_errors(self) -> None:
        """However many errors are queued, only so many are read at once."""
        sock = FakeSocket()
        wire = wire_over(sock, "datagram")
        quoted = wire.request(1)
        sock.errors.extend([(quoted, [(socket.IPPROTO_IP, 11, note())])] * 100)
        wire.send(1)

        assert len(sock.errors) == 100 - echo_socket._ERROR_LIMIT

    @linux
    def test_errors_before_sending(self) -> None:
        """An error that waits is not taken for a failure to send the next request."""
        sock = FakeSocket()
        wire = wire_over(sock, "datagram")
        sock.errors.append((wire.request(1), [(socket.IPPROTO_IP, 11, note())]))
        wire.send(2)
        arrival = wire.receive(1.0)

        assert arrival
        assert arrival.sequence == 1

    def test_raw_socket_has_no_error_queue(self) -> None:
        """A raw socket is given ICMP errors as packets; hearing of them twice helps nobody."""
        sock = FakeSocket(OSError(errno.ENETDOWN, "Network is down"))
        wire = wire_over(sock, "raw")
        sock.errors.append((wire.request(1), [(socket.IPPROTO_IP, 11, note())]))

        assert wire.receive(0.0) is None
        assert len(sock.errors) == 1

    def test_failing_reception(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A socket that fails again and again must not keep the processor busy."""
        slept: list[float] = []
        monkeypatch.setattr(time, "sleep", slept.append)
        wire = wire_over(FakeSocket(OSError(errno.ENETDOWN, "Network is down")), "raw")

        assert wire.receive(1.0) is None
        assert slept == [0.05]

    def test_own_firewall(self) -> None:
        """This computer's own packet filter says nothing about the target."""
        sock = FakeSocket()
        sock.refusal = PermissionError(errno.EPERM, "Operation not permitted")

        with pytest.raises(CannotAskError, match="own firewall") as caught:
            wire_over(sock, "raw").send(1)

        assert (caught.value.cause, caught.value.command) == ("not-permitted", "")

    def test_interface_goes_down(self) -> None:
        """Neither does an interface that is gone."""
        sock = FakeSocket()
        sock.refusal = OSError(errno.ENETDOWN, "Network is down")

        with pytest.raises(CannotAskError, match="Network is down") as caught:
            wire_over(sock, "raw").send(1)

        assert caught.value.cause == "off-link"

    def test_computer_drops_requests(self) -> None:
        """Protection software that lets none out is no missing link."""
        sock = FakeSocket()
        sock.refusal = OSError(errno.ENOBUFS, os.strerror(errno.ENOBUFS))

        with pytest.raises(CannotAskError, match="nothing can be sent") as caught:
            wire_over(sock, "datagram").send(1)

        assert caught.value.cause == "not-permitted"

    def test_no_route(self) -> None:
        """A missing way is what came of this request; nothing is raised."""
        sock = FakeSocket()
        sock.refusal = OSError(errno.EHOSTUNREACH, "No route to host")
        wire = wire_over(sock, "raw")
        wire.send(3)
        arrival = wire.receive(1.0)

        assert arrival
        assert (arrival.sequence, arrival.result) == (3, "unreachable")

    def test_close(self) -> None:
        """The socket is given back."""
        sock = FakeSocket()
        wire_over(sock, "raw").close()

        assert sock.closed

    @linux
    def test_filter(self) -> None:
        """The kernel takes the filter, and lets through what is about our identifier only."""
        program = filter_program(IDENTIFIER)
        one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        with one, other:
            echo_socket.attach_filter(other, program)
            other.settimeout(0)
            foreign = error(request=build_request(9, 1, PAYLOAD))
            passing = [reply(), reply(2), error(3), error(11)]
            stopped = [reply(identifier=9), build_request(IDENTIFIER, 1, b""), foreign, error(5)]
            for message in [*stopped, *passing]:
                one.send(ip_header() + message)
            one.send(ip_header(options=bytes(4)) + reply(5))
            got = [strip_ip_header(other.recv(200)) for _ in range(5)]

            with pytest.raises(BlockingIOError):
                other.recv(200)

        assert got == [*passing, reply(5)]


class TestOpenSocket:
    """Which sockets this user may have."""

    def test_not_allowed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A right that is missing means another way onto the wire, not an error."""

        def refuse(*_: object) -> NoReturn:
            raise PermissionError(errno.EPERM, "Operation not permitted")

        monkeypatch.setattr(echo_socket.socket, "socket", refuse)
        monkeypatch.setattr(echo_socket, "source_for", lambda *_: "127.0.0.1")

        assert open_socket(LOOPBACK, "127.0.0.1", socket.SOCK_RAW) is None

    @pytest.mark.parametrize(
        ("number", "outcome"), [(errno.EPERM, "none"), (errno.ENODEV, "obstacle")]
    )
    def test_cannot_be_bound(
        self, monkeypatch: pytest.MonkeyPatch, number: int, outcome: str
    ) -> None:
        """A socket that cannot be bound is closed: bound to nothing it would prove nothing."""
        sock = FakeSocket()

        def refuse(*_: object) -> NoReturn:
            raise OSError(number, "no")

        monkeypatch.setattr(echo_socket.socket, "socket", lambda *_: sock)
        monkeypatch.setattr(echo_socket, "bind_interface", refuse)
        monkeypatch.setattr(echo_socket, "source_for", lambda *_: "127.0.0.1")
        if outcome == "none":
            assert open_socket(LOOPBACK, "127.0.0.1", socket.SOCK_RAW) is None
        else:
            with pytest.raises(CannotAskError, match="no ICMP socket"):
                open_socket(LOOPBACK, "127.0.0.1", socket.SOCK_RAW)

        assert sock.closed

    @linux
    def test_real_one(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A socket is bound to the vantage's interface and address; here any kind will do."""
        real = socket.socket
        monkeypatch.setattr(
            echo_socket.socket, "socket", lambda family, *_: real(family, socket.SOCK_DGRAM)
        )
        sock = open_socket(LOOPBACK, "127.0.0.1", socket.SOCK_RAW)

        assert sock
        with sock:
            bound = sock.getsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, 16)
            assert bound.rstrip(b"\0") == b"lo"
            assert sock.getsockname()[0] == "127.0.0.1"


class TestAge:
    """When a packet came, by what Linux notes at it."""

    @staticmethod
    def noted(seconds: int, nanoseconds: int) -> tuple[int, int, bytes]:
        """Write what Linux notes (socket(7), SO_TIMESTAMPNS)."""
        return socket.SOL_SOCKET, 35, struct.pack("@ll", seconds, nanoseconds)

    def test_noted(self) -> None:
        """Seconds and nanoseconds of the same clock that tells the time."""
        assert age([self.noted(99, 500_000_000)], 100_000_000_000) == 0.5

    @pytest.mark.parametrize(
        "note",
        [(socket.SOL_SOCKET, 35, b"short"), (socket.SOL_SOCKET, 29, bytes(16)), (0, 35, bytes(16))],
    )
    def test_not_noted(self, note: tuple[int, int, bytes]) -> None:
        """Other notes tell nothing about it."""
        assert age([note], 1) is None

    @linux
    def test_dates_a_reply(self) -> None:
        """A reply that has waited came before it was read."""
        sock = FakeSocket()
        wire = wire_over(sock, "raw")
        wire._opened -= 60
        sock.packets.append((ip_header() + reply_to(wire.request(1)), ADDRESS))
        sock.notes.append(self.noted(*divmod(time.time_ns() - 30_000_000_000, 1_000_000_000)))
        arrival = wire.receive(1.0)

        assert arrival
        assert arrival.timed
        assert 0 < time.monotonic() - 30 - arrival.moment < 30

    @pytest.mark.parametrize("wrong_s", [-3600, 3600])
    def test_clock_set_meanwhile(self, wrong_s: int) -> None:
        """A reply from the future, or from before the question, is not dated."""
        sock = FakeSocket()
        wire = wire_over(sock, "raw")
        sock.packets.append((ip_header() + reply_to(wire.request(1)), ADDRESS))
        sock.notes.append(self.noted(time.time_ns() // 1_000_000_000 + wrong_s, 0))
        arrival = wire.receive(1.0)

        assert arrival
        assert not arrival.timed


class TestSharing:
    """One socket for many addresses: whose a packet is."""

    OTHER = "192.0.2.51"

    def two(self, sock: FakeSocket, method: Method = "raw") -> tuple[SocketWire, SocketWire]:
        """Let two ask over one socket."""
        shared: Any = EchoSocket
        one = shared(sock, method, "linux", kept=True)
        return SocketWire(one, ADDRESS), SocketWire(one, self.OTHER)

    @staticmethod
    def seen(wire: SocketWire) -> list[tuple[str, int | None]]:
        """Take all that has come for a wire."""
        arrivals = iter(lambda: wire.receive(0.0), None)
        return [(one.result, one.sequence) for one in arrivals if one]

    def test_a_reply_is_whose_payload_it_has(self) -> None:
        """Both have one identifier, and count from one on; whoever sends it, the payload tells."""
        sock = FakeSocket()
        first, second = self.two(sock)
        for wire, source in ((second, self.OTHER), (first, ADDRESS), (second, ADDRESS)):
            sock.packets.append((ip_header() + reply_to(wire.request(1)), source))

        assert first.identifier == second.identifier
        assert self.seen(first) == [("reply", 1)]
        assert self.seen(second) == [("reply", 1), ("wrong-host", 1)]

    def test_another_payload_is_whom_it_comes_from(self) -> None:
        """Who answers with something else has answered; a stranger's is nobody's."""
        sock = FakeSocket()
        first, second = self.two(sock)
        for source in (self.OTHER, "192.0.2.99"):
            sock.packets.append((ip_header() + reply(identifier=first.identifier), source))

        assert first.receive(0.0) is None
        arrival = second.receive(0.0)
        assert arrival
        assert arrival.detail == "a reply with another payload"
        assert second.receive(0.0) is None

    def test_an_error_is_whose_address_it_quotes(self) -> None:
        """A router sends it, about a request of one of them."""
        sock = FakeSocket()
        first, second = self.two(sock)
        quoted = error(destination=self.OTHER, request=second.request(2))
        sock.packets.append((ip_header() + quoted, ROUTER))

        assert self.seen(first) == []
        assert self.seen(second) == [("unreachable", 2)]

    @linux
    def test_a_queued_error_is_whose_address_was_asked(self) -> None:
        """The kernel says to whom the packet went that it is about; a stranger's is nobody's."""
        sock = FakeSocket(OSError(errno.EHOSTUNREACH, "No route to host"))
        first, second = self.two(sock, "datagram")
        for asked in (self.OTHER, "192.0.2.99"):
            sock.errors.append(
                (second.request(3)[:8], [(socket.IPPROTO_IP, 11, note())], (asked, 0))
            )

        assert self.seen(first) == []
        assert self.seen(second) == [("unreachable", 3)]

    def test_stays_open_while_somebody_keeps_it(self) -> None:
        """Others may ask over it later; who has left is told nothing any more."""
        sock = FakeSocket()
        first, second = self.two(sock)
        sock.packets.append((ip_header() + reply_to(first.request(1)), ADDRESS))
        assert second.receive(0.0) is None
        first.close()
        second.close()

        assert not sock.closed
        assert first._shared.fresh == set()

    def test_a_flood_of_others_keeps_nobody_reading(self) -> None:
        """So many packets are read, and the wait is over."""
        sock = FakeSocket()
        first, second = self.two(sock)
        packet = ip_header() + reply_to(first.request(1)), ADDRESS
        sock.packets.extend([packet] * (OVERTIME_LIMIT + 1))

        assert second.receive(1.0) is None
        assert len(sock.packets) == 1


class TestEchoSockets:
    """One socket for each address that packets leave from."""

    def test_opened_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Whoever leaves from the same address shares it; in the end all are closed."""
        opened: list[socket.socket] = []

        def open_one(*_: object) -> socket.socket:
            opened.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            return opened[-1]

        monkeypatch.setattr(echo_socket, "open_socket", open_one)
        monkeypatch.setattr(
            echo_socket, "source_for", lambda _, address, __: f"127.0.0.{address[-1]}"
        )
        with contextlib.closing(EchoSockets()) as sockets:
            wires = [sockets.open(LOOPBACK, address) for address in ("9.9.9.1", "8.8.8.1", "7.2")]
            assert [wire._shared.sock for wire in wires] == [opened[0], opened[0], opened[1]]

        assert [sock.fileno() for sock in opened] == [-1, -1]

    def test_no_socket(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The right may be taken away meanwhile."""
        monkeypatch.setattr(echo_socket, "open_socket", lambda *_: None)
        with (
            contextlib.closing(EchoSockets()) as sockets,
            pytest.raises(CannotAskError, match="no ICMP socket any more"),
        ):
            sockets.open(LOOPBACK, "127.0.0.1")

    @pytest.mark.parametrize(
        ("platform", "refused", "may"),
        [("win32", 0, False), ("linux", 0, True), ("linux", 1, True), ("linux", 2, False)],
    )
    def test_who_may_share(
        self, monkeypatch: pytest.MonkeyPatch, platform: str, refused: int, *, may: bool
    ) -> None:
        """Where neither kind of socket is allowed, and on Windows, everybody asks for himself."""
        left = [PermissionError()] * refused

        def choose(*_: object) -> FakeSocket:
            if left:
                raise left.pop()
            return FakeSocket()

        monkeypatch.setattr(echo_socket.socket, "socket", choose)

        assert may_share(platform) is may
