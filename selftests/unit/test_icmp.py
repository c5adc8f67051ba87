"""Unit tests of echo requests: whose reply counts, what an error means, and how they are paced."""

from __future__ import annotations

import contextlib
import itertools
import socket
import stat
import struct
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cube_acceptance.evidence import CannotMeasure, Observation, PingObserved, Trouble, Vantage
from cube_acceptance.probes import icmp
from cube_acceptance.probes.icmp import (
    COUNT,
    PingProbe,
    open_wire,
    trouble_of,
)
from cube_acceptance.probes.net import echo_socket, measuring, ping_command
from cube_acceptance.probes.net.checksum import INTACT, checksum
from cube_acceptance.probes.net.echo import (
    PERMIT,
    Arrival,
    Method,
    Reader,
    Result,
    build_request,
    error_result,
    permit_command,
    strip_ip_header,
)
from cube_acceptance.probes.net.echo_socket import EchoSockets, may_share
from cube_acceptance.probes.net.errors import CannotAskError
from cube_acceptance.probes.net.log import IGNORED_LIMIT
from cube_acceptance.probes.net.ping_command import (
    CommandWire,
    discarded,
    find_ping,
    ping_arguments,
    read_output,
)
from cube_acceptance.probes.net.ratelimit import Memory, RateLimit, Turn
from cube_acceptance.probes.net.receive import OVERTIME_LIMIT
from selftests.support.echoes import (
    ADDRESS,
    IDENTIFIER,
    PAYLOAD,
    ROUTER,
    FakeSocket,
    error,
    ip_header,
    reply,
)
from selftests.support.fakes import StandingTime
from selftests.support.held import outcomes
from selftests.support.windows import EchoService, no_library

if TYPE_CHECKING:
    from selftests.support.fakes import Account

LOOPBACK = Vantage(interface="lo", address="127.0.0.1", prefix=8, loopback=True)
READER = Reader(ADDRESS, IDENTIFIER, PAYLOAD)

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux only")
posix = pytest.mark.skipif(sys.platform == "win32", reason="a shell script as ping")


class TestMessages:
    """The bytes of RFC 792."""

    def test_request(self) -> None:
        """A packet with its checksum in place sums up to nothing, as the receiver checks."""
        request = build_request(IDENTIFIER, 7, PAYLOAD)

        assert request[:2] == b"\x08\x00"
        assert checksum(request) == INTACT

    @pytest.mark.parametrize(
        ("packet", "rest"),
        [
            (ip_header() + b"rest", b"rest"),
            (ip_header(options=bytes(8)) + b"rest", b"rest"),
            (b"", b""),
            (b"\x41" + bytes(30), b""),
            (b"\x4f" + bytes(10), b""),
        ],
        ids=["plain", "options", "empty", "length-too-small", "cut-off"],
    )
    def test_ip_header(self, packet: bytes, rest: bytes) -> None:
        """The header's own length field counts; a nonsensical one leaves nothing."""
        assert strip_ip_header(packet) == rest

    @pytest.mark.parametrize(
        ("icmp_type", "code", "result"),
        [
            (3, 0, "unreachable"),
            (3, 1, "unreachable"),
            (3, 2, "prohibited"),
            (3, 3, "prohibited"),
            (3, 9, "prohibited"),
            (3, 10, "prohibited"),
            (3, 13, "prohibited"),
            (3, 4, "unreachable"),
            (11, 0, "unreachable"),
            (11, 13, "unreachable"),
        ],
    )
    def test_error_result(self, icmp_type: int, code: int, result: str) -> None:
        """An administrator's prohibition is told apart from a missing way."""
        assert error_result(icmp_type, code) == result


class TestReader:
    """Which packets are about our requests."""

    def test_reply(self) -> None:
        """Address, identifier, sequence number and payload are ours."""
        arrival = READER.read(reply(3), ADDRESS)

        assert arrival
        assert (arrival.sequence, arrival.result, arrival.source) == (3, "reply", ADDRESS)

    def test_somebody_else_replies(self) -> None:
        """Our payload from another address: somebody else got our request."""
        arrival = READER.read(reply(3), "192.0.2.66")

        assert arrival
        assert (arrival.sequence, arrival.result) == (3, "wrong-host")

    def test_other_payload(self) -> None:
        """A reply that only guesses identifier and sequence number does not count."""
        arrival = READER.read(reply(1, payload=PAYLOAD[:-1] + b"!"), ADDRESS)

        assert arrival
        assert arrival.sequence is None
        assert arrival.detail == "a reply with another payload"

    def test_wrong_checksum(self) -> None:
        """A raw socket is given what the system itself would throw away (RFC 1122, 3.2.2)."""
        message = reply(3)
        arrival = READER.read(message[:2] + b"\0\0" + message[4:], ADDRESS)

        assert arrival
        assert arrival.sequence is None
        assert arrival.detail == "a reply with a wrong checksum"

    @pytest.mark.parametrize(
        "message",
        [
            b"",
            reply()[:7],
            reply(identifier=IDENTIFIER + 1),
            build_request(IDENTIFIER, 1, PAYLOAD),
            struct.pack("!BBHHH", 13, 0, 0, IDENTIFIER, 1) + PAYLOAD,
            error(destination="192.0.2.51"),
            error(protocol=17),
            error(request=build_request(IDENTIFIER + 1, 1, PAYLOAD)),
            error(request=reply()),
            error(request=b""),
            error()[:20],
            error(5),
        ],
        ids=[
            "empty", "cut-off", "another-program's", "our-own-request-on-loopback", "timestamp",
            "error-about-another-address", "error-about-udp", "error-about-another-program",
            "error-about-a-reply", "error-without-our-header", "error-cut-off", "redirect",
        ],
    )  # fmt: skip
    def test_not_about_us(self, message: bytes) -> None:
        """Other programs ping too; what they receive is none of our business."""
        assert READER.read(message, ADDRESS) is None

    def test_error(self) -> None:
        """An error belongs to the request that it quotes, whoever sends it."""
        arrival = READER.read(error(3, 13), ROUTER)

        assert arrival
        assert (arrival.sequence, arrival.result, arrival.code) == (2, "prohibited", 13)
        assert arrival.detail == "ICMP destination unreachable, code 13, from 192.0.2.1"

    def test_time_exceeded(self) -> None:
        """A routing loop is no way there, and its code is not one of unreachable."""
        arrival = READER.read(error(11, 0), ROUTER)

        assert arrival
        assert (arrival.sequence, arrival.result, arrival.code) == (2, "unreachable", None)
        assert arrival.detail == "ICMP time exceeded from 192.0.2.1"

    @given(st.binary(max_size=80), st.booleans())
    def test_any_bytes(self, message: bytes, about_us: bool) -> None:  # noqa: FBT001 - drawn
        """Whatever comes, reading it does not raise."""
        READER.read(error()[:20] + message if about_us else message, ADDRESS)


REPLY_OUTPUT = """\
PING 192.0.2.50 (192.0.2.50) from 192.0.2.10 eth0: 56(84) bytes of data.
64 bytes from 192.0.2.50: icmp_seq=1 ttl=64 time=0.059 ms

--- 192.0.2.50 ping statistics ---
1 packets transmitted, 1 received, 0% packet loss, time 0ms
"""
SILENT_OUTPUT = """\
PING 192.0.2.50 (192.0.2.50) from 192.0.2.10 eth0: 56(84) bytes of data.

--- 192.0.2.50 ping statistics ---
1 packets transmitted, 0 received, 100% packet loss, time 0ms
"""
ERROR_OUTPUT = """\
PING 192.0.2.50 (192.0.2.50) from 192.0.2.10 eth0: 56(84) bytes of data.
From 192.0.2.1 icmp_seq=1 {words}

--- 192.0.2.50 ping statistics ---
1 packets transmitted, 0 received, +1 errors, 100% packet loss, time 0ms
"""
SPOILT_OUTPUT = """\
PING 192.0.2.50 (192.0.2.50) from 192.0.2.10 eth0: 56(84) bytes of data.
64 bytes from 192.0.2.50: icmp_seq=1 ttl=64 time=4.96 ms
wrong data byte #55 should be 0x37 but was 0x21
#16\t10 11 12 13 14 15 16 17 18 19 1a 1b 1c 1d 1e 1f 20 21 22 23 24 25 26 27 28 29 2a 2b 2c 2d 2e 2f

--- 192.0.2.50 ping statistics ---
1 packets transmitted, 1 received, 0% packet loss, time 0ms
"""
BUSYBOX_REPLY = """\
PING 192.0.2.50 (192.0.2.50) from 192.0.2.10: 56 data bytes
64 bytes from 192.0.2.50: seq=0 ttl=64 time=10.540 ms

--- 192.0.2.50 ping statistics ---
1 packets transmitted, 1 packets received, 0% packet loss
round-trip min/avg/max = 10.540/10.540/10.540 ms
"""
BUSYBOX_SILENT = """\
PING 192.0.2.50 (192.0.2.50) from 192.0.2.10: 56 data bytes

--- 192.0.2.50 ping statistics ---
1 packets transmitted, 0 packets received, 100% packet loss
"""
MACOS_REPLY = """\
PING 192.0.2.50 (192.0.2.50): 56 data bytes
64 bytes from 192.0.2.50: icmp_seq=0 ttl=64 time=3.125 ms

--- 192.0.2.50 ping statistics ---
1 packets transmitted, 1 packets received, 0.0% packet loss
"""
REDIRECT_LINE = "\nFrom 192.0.2.1: icmp_seq=1 Redirect Host(New nexthop: 192.0.2.2)\n"
MACOS_ERROR = """\
PING 192.0.2.50 (192.0.2.50): 56 data bytes
92 bytes from 192.0.2.1: Communication prohibited by filter
Vr HL TOS  Len   ID Flg  off TTL Pro  cks      Src      Dst

--- 192.0.2.50 ping statistics ---
1 packets transmitted, 0 packets received, 100.0% packet loss
"""
WINDOWS_REPLY = """\
Ping wird ausgeführt für 192.0.2.50 mit 32 Bytes Daten:
Antwort von 192.0.2.50: Bytes=32 Zeit<1ms TTL=128

Ping-Statistik für 192.0.2.50:
    Pakete: Gesendet = 1, Empfangen = 1, Verloren = 0
    (0% Verlust),
"""
WINDOWS_SILENT = """\
Pinging 192.0.2.50 with 32 bytes of data:
Request timed out.

Ping statistics for 192.0.2.50:
    Packets: Sent = 1, Received = 0, Lost = 1 (100% loss),
"""


WINDOWS_FRENCH = """\
Envoi d'une requ�te 'Ping'  192.0.2.50 avec 32 octets de donn�es�:
R�ponse de 192.0.2.50�: octets=32 temps=7 ms TTL=64

Statistiques Ping pour 192.0.2.50:
    Paquets�: envoy�s = 1, re�us = 1, perdus = 0 (perte 0%),
"""
WINDOWS_RUSSIAN = """\
����� 192.0.2.50 � 32 ������ ������:
����� �� 192.0.2.50: ����� ����=32 �����<1�� TTL=64

���������� Ping ��� 192.0.2.50:
    �������: ���������� = 1, �������� = 1, �������� = 0
"""
WINDOWS_ELSE = """\
Reply from 192.0.2.1: Destination host unreachable.

Ping statistics for 192.0.2.50:
    Packets: Sent = 1, Received = 1, Lost = 0 (0% loss),
"""


class TestReadOutput:
    """What the system's command says."""

    @pytest.mark.parametrize(
        ("output", "platform", "rtt_s"),
        [
            (REPLY_OUTPUT, "linux", 0.000059),
            (BUSYBOX_REPLY, "linux", 0.01054),
            (MACOS_REPLY, "darwin", 0.003125),
            (WINDOWS_REPLY, "win32", 0.001),
            (WINDOWS_FRENCH, "win32", 0.007),
            (WINDOWS_RUSSIAN, "win32", 0.001),
            (REPLY_OUTPUT.replace("0.059", "1.2.3"), "linux", None),
        ],
        ids=["iputils", "busybox", "macos", "german", "french", "russian", "strange-time"],
    )
    def test_reply(self, output: str, platform: str, rtt_s: float | None) -> None:
        """A reply from the address asked, in the words of each system."""
        arrival = read_output(output, 3, ADDRESS, platform)

        assert arrival
        assert (arrival.sequence, arrival.result, arrival.rtt_s) == (3, "reply", rtt_s)

    def test_somebody_else(self) -> None:
        """The command shows replies from other addresses as well."""
        output = REPLY_OUTPUT.replace("from 192.0.2.50:", "from 192.0.2.66:")
        arrival = read_output(output, 1, ADDRESS, "linux")

        assert arrival
        assert (arrival.result, arrival.source) == ("wrong-host", "192.0.2.66")

    @pytest.mark.parametrize(
        ("output", "platform", "result", "code"),
        [
            *(
                (ERROR_OUTPUT.format(words=words), "linux", result, code)
                for words, result, code in (
                    ("Destination Net Unreachable", "unreachable", 0),
                    ("Destination Host Unreachable", "unreachable", 1),
                    ("Destination Protocol Unreachable", "prohibited", 2),
                    ("Destination Port Unreachable", "prohibited", 3),
                    ("Destination Net Prohibited", "prohibited", 9),
                    ("Destination Host Prohibited", "prohibited", 10),
                    ("Packet filtered", "prohibited", 13),
                )
            ),
            (ERROR_OUTPUT.format(words="Time to live exceeded"), "linux", "unreachable", None),
            (MACOS_ERROR, "darwin", "prohibited", 13),
        ],
    )
    def test_error(self, output: str, platform: str, result: str, code: int | None) -> None:
        """ICMP errors, by the words that stand for them."""
        arrival = read_output(output, 1, ADDRESS, platform)

        assert arrival
        assert (arrival.result, arrival.code, arrival.source) == (result, code, ROUTER)

    @pytest.mark.parametrize(
        ("output", "platform"),
        [
            (SILENT_OUTPUT, "linux"),
            (SILENT_OUTPUT, "darwin"),
            (BUSYBOX_SILENT, "linux"),
            (WINDOWS_SILENT, "win32"),
            (SPOILT_OUTPUT, "linux"),
            (REPLY_OUTPUT.replace("icmp_seq=1", "icmp_seq=10"), "linux"),
            (REPLY_OUTPUT.replace("time=0.059 ms", "(truncated)"), "linux"),
            (SILENT_OUTPUT.replace("\n\n", REDIRECT_LINE), "linux"),
        ],
        ids=[
            "iputils", "macos", "busybox", "windows",
            "another-payload", "another-number", "cut-payload", "redirected",
        ],
    )  # fmt: skip
    def test_silence(self, output: str, platform: str) -> None:
        """Silence is what the summary says, not what an exit status says."""
        arrival = read_output(output, 1, ADDRESS, platform)

        assert arrival
        assert arrival.result == "silence"

    @pytest.mark.parametrize("platform", ["linux", "win32"])
    def test_nothing_sent(self, platform: str) -> None:
        """A usage message ends with status 1 too; it must not pass for silence."""
        assert read_output("Usage: ping [options] <destination>", 1, ADDRESS, platform) is None

    def test_reply_in_other_words(self) -> None:
        """A reply that is counted but cannot be read must not pass for silence either."""
        output = REPLY_OUTPUT.replace("64 bytes from", "Response of")

        assert read_output(output, 1, ADDRESS, "linux") is None

    def test_windows_counts_anything(self) -> None:
        """Windows' ping counts an ICMP error as received: no silence, in no language."""
        assert read_output(WINDOWS_ELSE, 1, ADDRESS, "win32") is None


def test_permit() -> None:
    """Only Linux keeps echo requests from anybody."""
    assert permit_command("linux") == PERMIT
    assert permit_command("win32") == permit_command("darwin") == ""


class TestDiscarded:
    """What the system says of packets that it did not let go."""

    @pytest.mark.parametrize(
        ("account", "count"),
        [
            ("Ip: Forwarding OutRequests OutDiscards\nIp: 1 900 17\nIcmp: x\n", 17),
            ("Ip: Forwarding\nIp: 1\n", 0),
            ("Ip: Forwarding OutDiscards\nIp: 1\n", 0),
            ("", 0),
        ],
        ids=["linux", "without", "cut", "empty"],
    )
    def test_account(self, tmp_path: Path, account: str, count: int) -> None:
        """It is read by name, wherever it stands."""
        path = tmp_path / "snmp"
        path.write_text(account)

        assert discarded(path) == count

    def test_other_systems(self, tmp_path: Path) -> None:
        """Without such a file nothing is known."""
        assert discarded(tmp_path / "snmp") == 0


class TestPingArguments:
    """The command for one request."""

    @pytest.mark.parametrize(
        ("platform", "expected"),
        [
            ("linux", "-n -c 1 -W 2 -I lo -I 127.0.0.1 192.0.2.50"),
            ("darwin", "-n -c 1 -W 2000 -b lo -S 127.0.0.1 192.0.2.50"),
            ("win32", "-4 -n 1 -w 2000 -S 127.0.0.1 192.0.2.50"),
        ],
    )
    def test_platforms(self, platform: str, expected: str) -> None:
        """One request, no name resolution, from the vantage."""
        given_ = ping_arguments(LOOPBACK, "127.0.0.1", ADDRESS, 2.0, platform)

        assert " ".join(given_) == expected


class TestFindPing:
    """Where the command is looked for."""

    def test_fixed_places(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """A search path with another ping in front must not change what is measured."""
        fake_ping(tmp_path, "exit 0")
        monkeypatch.setenv("PATH", str(tmp_path))

        assert find_ping("linux") != str(tmp_path / "ping")
        monkeypatch.setattr(ping_command, "_SEARCH_PATH", str(tmp_path))
        assert find_ping("linux") == str(tmp_path / "ping")

    def test_windows(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """Windows keeps it in its system folder."""
        (tmp_path / "System32").mkdir()
        program = tmp_path / "System32" / "ping.exe"
        Path(fake_ping(tmp_path / "System32", "exit 0")).rename(program)
        monkeypatch.setenv("SYSTEMROOT", str(tmp_path))

        assert find_ping("win32") == str(program)


def fake_ping(folder: Path, script: str) -> str:
    """Put a ping command into a folder."""
    path = folder / "ping"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    return str(path)


@posix
class TestCommandWire:
    """One process for each request."""

    def test_reply(self, tmp_path: Path) -> None:
        """The command's words become an arrival, at its own round trip time."""
        ping = fake_ping(tmp_path, f"cat <<'END'\n{REPLY_OUTPUT}END")
        wire = CommandWire([ping], ADDRESS, 2.0)

        assert wire.send(1) == 0.0
        arrival = wire.receive(0.0)
        assert arrival
        assert (arrival.result, arrival.rtt_s) == ("reply", 0.000059)
        assert wire.receive(0.0) is None
        assert wire.request(1) == b""
        wire.close()

    def test_silence(self, tmp_path: Path) -> None:
        """A command that waited in vain sent its request that long ago."""
        ping = fake_ping(tmp_path, f"sleep 0.1\ncat <<'END'\n{SILENT_OUTPUT}END\nexit 1")

        assert CommandWire([ping], ADDRESS, 0.1).send(1) == 0.1

    @pytest.mark.parametrize("output", [SILENT_OUTPUT, SPOILT_OUTPUT])
    def test_silence_at_once(self, tmp_path: Path, output: str) -> None:
        """A command that did not wait may have sent its request just now."""
        ping = fake_ping(tmp_path, f"cat <<'END'\n{output}END")
        wire = CommandWire([ping], ADDRESS, 2.0)

        assert wire.send(1) == 0.0
        arrival = wire.receive(0.0)
        assert arrival
        assert arrival.result == "silence"

    def test_windows_gives_up_early(self, tmp_path: Path) -> None:
        """Windows' ping counts what never left as lost: only who has waited was in vain."""
        ping = fake_ping(tmp_path, f"cat <<'END'\n{WINDOWS_SILENT}END\nexit 1")

        with pytest.raises(CannotAskError, match="ping gave up early") as caught:
            CommandWire([ping], ADDRESS, 2.0, "win32").send(1)

        assert caught.value.command == ""
        assert CommandWire([ping], ADDRESS, 0.0, "win32").send(1) == 0.0

    @pytest.mark.parametrize("discarded", [0, 1])
    def test_kept_back(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, discarded: int
    ) -> None:
        """Many a ping keeps to itself that a packet filter took its request; Linux counts it."""
        counts = [7, 7 + discarded]
        monkeypatch.setattr(ping_command, "discarded", lambda: counts.pop(0))
        wire = CommandWire([fake_ping(tmp_path, f"cat <<'END'\n{SILENT_OUTPUT}END")], ADDRESS, 0.0)
        wire.send(1)
        arrival = wire.receive(0.0)

        assert arrival
        assert arrival.kept_back == bool(discarded)

    @pytest.mark.parametrize(
        ("words", "cause"),
        [("Operation not permitted", "not-permitted"), ("Invalid argument", "off-link")],
    )
    @pytest.mark.parametrize("output", ["", SILENT_OUTPUT], ids=["busybox", "macos"])
    def test_nothing_sent(self, tmp_path: Path, words: str, cause: str, output: str) -> None:
        """A command that says why nothing left it is believed."""
        script = f"echo 'ping: sendto: {words}' >&2\ncat <<'END'\n{output}END\nexit 1"

        with pytest.raises(CannotAskError) as caught:
            CommandWire([fake_ping(tmp_path, script)], ADDRESS, 2.0).send(1)

        assert (caught.value.cause, caught.value.command) == (cause, "")

    def test_no_way(self, tmp_path: Path) -> None:
        """A neighbour that is not there is the network's affair."""
        script = f"echo 'ping: sendto: No route to host' >&2\ncat <<'END'\n{SILENT_OUTPUT}END"
        wire = CommandWire([fake_ping(tmp_path, script)], ADDRESS, 2.0)
        wire.send(1)
        arrival = wire.receive(0.0)

        assert arrival
        assert arrival.result == "unreachable"

    def test_language(self, tmp_path: Path) -> None:
        """Its words must be the ones we know."""
        script = f"""[ "$LC_ALL" = C ] && cat <<'END'\n{REPLY_OUTPUT}END"""

        CommandWire([fake_ping(tmp_path, script)], ADDRESS, 2.0).send(1)

    def test_no_right(self, tmp_path: Path) -> None:
        """A ping without the right says so; its words are shown without control characters."""
        words = r"printf 'ping: socket:\033[1m Operation\n not permitted\n' >&2; exit 2"

        with pytest.raises(CannotAskError) as caught:
            CommandWire([fake_ping(tmp_path, words)], ADDRESS, 2.0).send(1)

        assert caught.value.cause == "not-permitted"
        assert caught.value.command == PERMIT
        assert caught.value.detail == (
            "ping ended with 2: ping: socket:\N{REPLACEMENT CHARACTER}[1m Operation not permitted"
        )

    def test_no_words(self, tmp_path: Path) -> None:
        """A ping that ends without a word is no silence of the target's."""
        with pytest.raises(CannotAskError, match="ping ended with 1: no word"):
            CommandWire([fake_ping(tmp_path, "exit 1")], ADDRESS, 2.0).send(1)

    def test_hanging(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A ping that does not end is ended."""
        monkeypatch.setattr(ping_command, "COMMAND_GRACE_S", 0.05)

        with pytest.raises(CannotAskError, match="ping ended with -9: no word"):
            CommandWire([fake_ping(tmp_path, "exec sleep 60")], ADDRESS, 0.0).send(1)

    def test_hanging_after_a_reply(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """What it said counts: it may have ended long ago, and this program could not run."""
        monkeypatch.setattr(ping_command, "COMMAND_GRACE_S", 0.3)
        script = f"cat <<'END'\n{REPLY_OUTPUT}END\nexec sleep 60"
        wire = CommandWire([fake_ping(tmp_path, script)], ADDRESS, 0.0)
        wire.send(1)
        arrival = wire.receive(0.0)

        assert arrival
        assert arrival.result == "reply"

    def test_missing(self, tmp_path: Path) -> None:
        """A ping that cannot be started is an obstacle of this computer's."""
        with pytest.raises(CannotAskError, match="ping did not work"):
            CommandWire([str(tmp_path / "ping")], ADDRESS, 2.0).send(1)


class TestOpenWire:
    """The order of the ways onto the wire."""

    @pytest.mark.parametrize(
        ("allowed", "method"), [(socket.SOCK_RAW, "raw"), (socket.SOCK_DGRAM, "datagram")]
    )
    def test_sockets_first(
        self, monkeypatch: pytest.MonkeyPatch, allowed: socket.SocketKind, method: str
    ) -> None:
        """A raw socket, else a datagram socket."""

        def choose(_vantage: Vantage, _address: str, kind: socket.SocketKind) -> FakeSocket | None:
            return FakeSocket() if kind == allowed else None

        monkeypatch.setattr(echo_socket, "open_socket", choose)

        assert open_wire(LOOPBACK, "127.0.0.1", 2.0, "linux").method == method

    def test_command_last(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Without a socket the system's ping."""
        monkeypatch.setattr(icmp, "open_shared", lambda *_: None)
        monkeypatch.setattr(icmp, "find_ping", lambda _platform: "/bin/ping")
        monkeypatch.setattr(icmp, "source_for", lambda *_: "127.0.0.1")

        assert open_wire(LOOPBACK, "127.0.0.1", 2.0, "linux").method == "command"

    def test_windows(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Windows has a service of its own; its ping is for where that is missing."""
        monkeypatch.setattr(icmp, "find_ping", lambda _platform: "ping.exe")
        monkeypatch.setattr(icmp, "source_for", lambda *_: "127.0.0.1")
        monkeypatch.setattr(icmp, "windows_library", EchoService())

        assert open_wire(LOOPBACK, "127.0.0.1", 2.0, "win32").method == "service"
        monkeypatch.undo()
        monkeypatch.setattr(icmp, "find_ping", lambda _platform: "ping.exe")
        monkeypatch.setattr(icmp, "source_for", lambda *_: "127.0.0.1")
        monkeypatch.setattr(icmp, "windows_library", no_library)
        assert open_wire(LOOPBACK, "127.0.0.1", 2.0, "win32").method == "command"

    def test_none(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Without any way the obstacle names the command that removes it."""
        monkeypatch.setattr(icmp, "open_shared", lambda *_: None)
        monkeypatch.setattr(icmp, "find_ping", lambda _platform: None)
        monkeypatch.setattr(icmp, "source_for", lambda *_: "127.0.0.1")

        with pytest.raises(CannotAskError, match="iputils-ping") as caught:
            open_wire(LOOPBACK, "127.0.0.1", 2.0, "linux")

        assert (caught.value.cause, caught.value.command) == ("not-permitted", PERMIT)


@pytest.fixture
def standing(monkeypatch: pytest.MonkeyPatch) -> StandingTime:
    """Make the probe wait in a time of the test's own."""
    standing = StandingTime()
    monkeypatch.setattr(icmp, "time", standing)
    monkeypatch.setattr(measuring, "time", standing)
    return standing


Answers = dict[int, list[tuple[float, dict[str, Any]]]]
"""By sequence number: seconds after the request, and the arrival's fields."""


class FakeWire:
    """A wire that answers each request as a test lays out."""

    method: Method = "raw"
    identifier = 4711

    def __init__(
        self,
        standing: StandingTime,
        answers: Answers | None = None,
        obstacles: dict[int, CannotAskError] | None = None,
    ) -> None:
        """Lay out the answers."""
        self.sent: list[float] = []
        self.closed = False
        self.stalls: dict[int, float] = {}
        """How long the program is kept from running after a request, by sequence number."""
        self.holdups: dict[int, float] = {}
        """Likewise, while it is about to send the request."""
        self._stall = 0.0
        self._time = standing
        self._answers = answers or {}
        self._obstacles = obstacles or {}
        self._due: list[tuple[float, Arrival]] = []

    def request(self, sequence: int) -> bytes:
        """Return some bytes."""
        return b"request %d" % sequence

    def send(self, sequence: int) -> float:
        """Take a request."""
        if sequence in self._obstacles:
            raise self._obstacles[sequence]
        self._time.sleep(self.holdups.get(sequence, 0.0))
        now = self._time.monotonic()
        self.sent.append(now)
        for after_s, fields in self._answers.get(sequence, []):
            whole = {"source": ADDRESS, "sequence": sequence, "result": "reply", **fields}
            self._due.append((now + after_s, Arrival(moment=now + after_s, **whole)))
        self._due.sort(key=lambda entry: entry[0])
        self._stall = self.stalls.get(sequence, 0.0)
        return 0.0

    def receive(self, limit_s: float) -> Arrival | None:
        """Return what is due, or let the time pass.

        An arrival bears the moment of its reading where the system does not note when it came.
        """
        self._time.sleep(self._stall)
        self._stall = 0.0
        left_s = self._due[0][0] - self._time.monotonic() if self._due else limit_s + 1
        self._time.sleep(max(0.0, min(left_s, limit_s)))
        if left_s > limit_s:
            return None
        arrival = self._due.pop(0)[1]
        return arrival if arrival.timed else replace(arrival, moment=self._time.monotonic())

    def close(self) -> None:
        """Remember it."""
        self.closed = True


def each(*answers: tuple[float, dict[str, Any]]) -> Answers:
    """Answer every request alike."""
    return {sequence: list(answers) for sequence in range(1, COUNT + 1)}


def results(observed: PingObserved) -> list[str]:
    """Return what came of each request."""
    return [echo.result for echo in observed.echoes]


class TestPingProbe:
    """The course of a measurement."""

    @pytest.fixture(autouse=True)
    def prepare(self, standing: StandingTime) -> None:
        """Keep the time and a pace of this test's own."""
        self.time = standing
        self.pace = RateLimit([Memory()], clock=standing.monotonic_ns)

    def ping(
        self,
        answers: Answers | None = None,
        obstacles: dict[int, CannotAskError] | None = None,
        pace: RateLimit | None = None,
        stalls: dict[int, float] | None = None,
        holdups: dict[int, float] | None = None,
    ) -> PingObserved | CannotMeasure:
        """Run a probe over a fake wire; whatever it brings home survives JSON."""
        self.wire = FakeWire(self.time, answers, obstacles)
        self.wire.stalls = stalls or {}
        self.wire.holdups = holdups or {}
        probe = PingProbe(
            vantage=LOOPBACK,
            subject="cube",
            address=ADDRESS,
            wire=lambda *_: self.wire,
            pace=pace or self.pace,
        )
        observed = probe.run()

        assert msgspec.json.decode(msgspec.json.encode(observed), type=Observation) == observed
        assert self.wire.closed
        return observed

    def observed(
        self,
        answers: Answers | None = None,
        obstacles: dict[int, CannotAskError] | None = None,
        pace: RateLimit | None = None,
        stalls: dict[int, float] | None = None,
        holdups: dict[int, float] | None = None,
    ) -> PingObserved:
        """Run a probe that measures."""
        observed = self.ping(answers, obstacles, pace, stalls, holdups)

        assert isinstance(observed, PingObserved)
        return observed

    def test_key(self) -> None:
        """A CUBE is filed under its address, the cloud under its host name."""
        probe = PingProbe(vantage=LOOPBACK, subject="disco.tapio.one", address=ADDRESS)

        assert probe.key == "ping/disco.tapio.one"

    def test_all_answer(self) -> None:
        """Four requests, four replies, and it ends with the last one."""
        observed = self.observed(each((0.01, {"raw": b"reply"})))

        assert results(observed) == ["reply"] * 4
        assert [echo.sequence for echo in observed.echoes] == [1, 2, 3, 4]
        assert [echo.rtt_s for echo in observed.echoes] == [0.01] * 4
        assert observed.duration_s == pytest.approx(3 * 1.24 + 0.01)
        assert (observed.trouble, observed.method) == (None, "raw")
        assert [attempt.result for attempt in observed.tries] == ["answer"] * 4
        assert observed.tries[0].sent == b"request 1"
        assert observed.tries[0].received == b"reply"

    def test_none_answers(self) -> None:
        """Silence is four requests without an answer, two seconds after the last one."""
        observed = self.observed()

        assert results(observed) == ["silence"] * 4
        assert observed.duration_s == pytest.approx(3 * 1.24 + 2.0)
        assert observed.trouble
        assert observed.trouble.kind == "no-answer"
        assert [attempt.result for attempt in observed.tries] == ["silence"] * 4

    def test_replies_of_this_computer(self, account: Account) -> None:
        """What the wire did not see does not count, whoever it claims to be from."""
        account.told = "a proxy", "", ""
        observed = self.ping(each((0.01, {})))

        assert isinstance(observed, CannotMeasure)
        assert (observed.cause, account.given["own"]) == ("not-permitted", 4711)

    def test_replies_that_this_computer_drops(self, account: Account) -> None:
        """They came, and no further."""
        account.told = "", "dropped", ""

        assert isinstance(self.ping(), CannotMeasure)

    def test_reply_at_the_last_moment(self, account: Account) -> None:
        """It was seen on the wire just now, and is too late: that is no firewall's doing."""
        account.told = "", "dropped", ""

        assert results(self.observed({4: [(2.01, {})]})) == ["silence"] * 4

    @pytest.mark.parametrize(
        "fields", [{"result": "unreachable"}, {"result": "wrong-host"}, {"sequence": 99}]
    )
    def test_other_arrivals(self, account: Account, fields: dict[str, Any]) -> None:
        """An error, or what does not count, is neither the target's reply nor silence."""
        account.told = "a proxy", "dropped", ""

        assert isinstance(self.ping({1: [(0.01, fields)]}), PingObserved)

    def test_loss(self) -> None:
        """A success does not end it, since loss is worth knowing; it is no trouble."""
        observed = self.observed({2: [(0.0, {})]})

        assert results(observed) == ["silence", "reply", "silence", "silence"]
        assert observed.trouble is None

    def test_spacing(self) -> None:
        """Two requests are never less than 1.2 s apart, and hardly more."""
        self.observed(each((0.3, {})))
        gaps = [later - earlier for earlier, later in itertools.pairwise(self.wire.sent)]

        assert min(gaps) >= 1.2
        assert max(gaps) < 1.3

    def test_waits_overlap(self) -> None:
        """The next request does not wait for the reply to the one before."""
        observed = self.observed({**each((0.0, {})), 1: [(1.9, {})]})

        assert results(observed) == ["reply"] * 4
        assert observed.echoes[1].at_s < 1.9
        assert observed.echoes[0].rtt_s == 1.9

    @pytest.mark.parametrize("result", ["reply", "wrong-host"])
    def test_late_reply(self, result: str) -> None:
        """A reply after the time limit of its own request is none, and is kept as evidence."""
        observed = self.observed({1: [(2.001, {"result": result})]})

        assert results(observed) == ["silence"] * 4
        assert observed.ignored[0].reason == "too late, after 2.001 s"

    @pytest.mark.parametrize("stalled", range(1, COUNT + 1))
    def test_busy_computer(self, stalled: int) -> None:
        """A reply that waits to be read is no loss, however long this program cannot run."""
        observed = self.observed(each((0.01, {})), stalls={stalled: 7.0})

        assert results(observed) == ["reply"] * 4
        assert observed.ignored == ()

    @pytest.mark.parametrize("held_up", range(1, COUNT + 1))
    def test_busy_while_sending(self, held_up: int) -> None:
        """A request that leaves late is waited for as long as any other."""
        observed = self.observed(each((1.9, {})), holdups={held_up: 7.0})

        assert results(observed) == ["reply"] * 4

    @pytest.mark.parametrize("timed", [True, False])
    def test_late_reply_to_a_busy_computer(self, timed: bool) -> None:  # noqa: FBT001 - drawn
        """Only where the system notes when a reply came, nobody gets the benefit of the doubt."""
        observed = self.observed({4: [(2.1, {"timed": timed})]}, stalls={4: 7.0})

        assert results(observed)[3] == ("silence" if timed else "reply")

    @pytest.mark.parametrize("late_s", [2.001, 2.3, 2.5])
    def test_late_reply_to_a_computer_that_listened(self, late_s: float) -> None:
        """Whoever listened until a request's limit knows that its reply came later."""
        observed = self.observed({2: [(late_s, {})], 3: [(0.01, {})]}, stalls={4: 7.0})

        assert results(observed) == ["silence", "silence", "reply", "silence"]

    def test_flood_beyond_the_end(self) -> None:
        """What waits when the time is over is read, but not without an end."""
        foreign = {"sequence": None, "detail": "a reply with another payload"}
        flood = [(0.0, foreign)] * 3 * OVERTIME_LIMIT
        observed = self.observed({4: [*flood, (0.1, {})]}, stalls={4: 7.0})

        assert results(observed) == ["silence"] * 4

    def test_late_error(self) -> None:
        """An error may come late: a system takes seconds to miss a neighbour."""
        fields = {"result": "unreachable", "source": "", "detail": "ARP", "code": 1}
        observed = self.observed({1: [(3.1, fields)]})

        assert results(observed) == ["unreachable", "silence", "silence", "silence"]
        assert observed.echoes[0].rtt_s is None
        assert observed.trouble == Trouble(kind="no-route", phase="icmp", detail="ARP", icmp_code=1)
        assert observed.tries[0].result == "no-route"

    def test_duplicates(self) -> None:
        """A reply that comes twice counts once."""
        observed = self.observed({1: [(0.1, {}), (0.2, {})]})

        assert results(observed) == ["reply", "silence", "silence", "silence"]
        assert [ignored.reason for ignored in observed.ignored] == [
            "a second answer to the same request"
        ]

    def test_reply_after_error(self) -> None:
        """A reply is stronger than an error that came before it, whoever sent that."""
        prohibited = {"result": "prohibited", "code": 13}
        strange = {"result": "wrong-host", "source": "192.0.2.66"}
        observed = self.observed(
            {1: [(0.1, prohibited), (0.2, prohibited), (0.3, strange), (0.4, {})]}
        )

        assert results(observed)[0] == "reply"
        assert [ignored.reason for ignored in observed.ignored] == [
            "a second message about the same request"
        ] * 2

    @pytest.mark.parametrize(
        "first", [{"result": "unreachable"}, {"result": "wrong-host", "source": "192.0.2.66"}]
    )
    def test_reply_after_something_else(self, first: dict[str, Any]) -> None:
        """What else is said about the last request does not end the waiting for its reply."""
        observed = self.observed(each((0.1, first), (1.9, {})))

        assert results(observed) == ["reply"] * 4

    def test_late_reply_after_something_else(self) -> None:
        """It ends with the time limit all the same, and a reply after that is late."""
        prohibited = {"result": "prohibited", "code": 13}
        observed = self.observed({1: [(0.1, prohibited), (2.1, {})]})

        assert results(observed) == ["prohibited", "silence", "silence", "silence"]
        assert observed.ignored[0].reason == "too late, after 2.1 s"

    def test_wrong_host(self) -> None:
        """Somebody else's answer is shown with its sender and is no reply."""
        observed = self.observed(each((0.0, {"result": "wrong-host", "source": "192.0.2.66"})))

        assert results(observed) == ["wrong-host"] * 4
        assert observed.echoes[0].source == "192.0.2.66"
        assert observed.trouble
        assert observed.trouble.kind == "no-answer"

    def test_foreign_packets(self) -> None:
        """Packets that do not count are kept with the reason, up to a limit."""
        foreign = {"sequence": None, "detail": "a reply with another payload", "raw": b"x"}
        observed = self.observed({1: [(0.0, foreign)] * 40, 2: [(0.0, {})]})

        assert results(observed)[:2] == ["silence", "reply"]
        assert len(observed.ignored) == IGNORED_LIMIT
        assert observed.ignored[0].reason == "a reply with another payload"

    @pytest.mark.parametrize("sequence", [0, 2, 65535])
    def test_unknown_sequence(self, sequence: int) -> None:
        """A reply to a request that was not sent, or not yet, is not counted."""
        observed = self.observed({1: [(0.0, {"sequence": sequence})]})

        assert results(observed) == ["silence"] * 4
        assert observed.ignored[0].reason == f"sequence number {sequence} was not sent"

    def test_drip(self) -> None:
        """A flow of packets that do not count does not keep the probe from ending."""
        foreign = {"sequence": None, "detail": "a reply with another payload"}
        observed = self.observed({1: [(0.1 * tick, foreign) for tick in range(200)]})

        assert observed.duration_s == pytest.approx(3 * 1.24 + 2.0)

    def test_own_measure_of_the_command(self) -> None:
        """The command's round trip time is taken, not how long its process took."""
        observed = self.observed(each((0.01, {"rtt_s": 0.000059})))

        assert observed.echoes[0].rtt_s == 0.000059

    def test_obstacle(self) -> None:
        """What cannot be sent is not silence."""
        observed = self.ping(obstacles={1: CannotAskError("not-permitted", "own firewall")})

        assert isinstance(observed, CannotMeasure)
        assert (observed.cause, observed.detail) == ("not-permitted", "own firewall")

    def test_obstacle_after_silence(self) -> None:
        """Fewer requests than owed prove no silence."""
        observed = self.ping(obstacles={2: CannotAskError("not-permitted", "own firewall")})

        assert isinstance(observed, CannotMeasure)

    def test_everything_kept_back(self) -> None:
        """What this computer discards itself is no silence of the target's."""
        kept = {"result": "silence", "source": "", "kept_back": True}
        observed = self.ping(each((2.0, kept)))

        assert isinstance(observed, CannotMeasure)
        assert (observed.cause, observed.command) == ("not-permitted", "")

    def test_something_discarded(self) -> None:
        """This computer discards what other programs send, too."""
        kept = {"result": "silence", "source": "", "kept_back": True}
        observed = self.observed({**each((2.0, kept)), 3: [(2.0, {**kept, "kept_back": False})]})

        assert results(observed) == ["silence"] * 4

    def test_obstacle_after_reply(self) -> None:
        """One reply is all it takes, whatever stands in the way of the others."""
        observed = self.observed(
            {1: [(1.5, {})]}, {2: CannotAskError("not-permitted", "own firewall")}
        )

        assert results(observed) == ["reply"]

    def test_another_session(self) -> None:
        """While another session asks the same address, this one waits its turn."""
        self.pace.send(ADDRESS, lambda: 0.0)
        started = self.time.monotonic()
        observed = self.observed(each((0.0, {})))

        assert results(observed) == ["reply"] * 4
        assert self.wire.sent[0] - started >= 1.2

    def test_who_has_waited_longer(self) -> None:
        """Of two who wait for a turn, the one who has waited longer asks first."""
        asked: list[float] = []

        class Busy(RateLimit):
            def send(self, *_: object) -> Turn:
                asked.append(clock.monotonic())
                return Turn(1.0) if len(asked) < 9 else Turn(100.0)

        clock = self.time
        self.ping(pace=Busy([]))
        waits = [later - earlier for earlier, later in itertools.pairwise(asked[:9])]

        assert waits == sorted(waits, reverse=True)
        assert 1.0 < waits[-1] < waits[0] < 1.0 + icmp.COURTESY_S

    def test_no_turn(self) -> None:
        """A pace that others use up is an obstacle, in bounded time."""

        class Busy(RateLimit):
            def send(self, *_: object) -> Turn:
                return Turn(0.02)

        started = self.time.monotonic()
        observed = self.ping(pace=Busy([]))

        assert isinstance(observed, CannotMeasure)
        assert observed.cause == "ambiguous"
        assert ADDRESS in observed.detail
        assert 60.0 <= self.time.monotonic() - started < 61.0

    def test_pace_is_not_kept_everywhere(self) -> None:
        """Where the computer-wide pace cannot be kept, the evidence says why."""

        class Limited(RateLimit):
            def send(self, *args: Any) -> Turn:  # noqa: ANN401
                turn = super().send(*args)
                return Turn(turn.wait_s, "/shared: Read-only file system")

        pace = Limited([Memory()], clock=self.time.monotonic_ns)
        observed = self.observed(each((0.0, {"detail": "words"})), pace=pace)

        assert observed.tries[0].detail == (
            "the pace is not kept computer-wide: /shared: Read-only file system; words"
        )

    def test_off_link(self) -> None:
        """Without an address on the vantage interface nothing can be asked."""
        vantage = Vantage(interface="lo", address="", prefix=32)
        observed = PingProbe(vantage=vantage, subject=ADDRESS, address=ADDRESS).run()

        assert isinstance(observed, CannotMeasure)
        assert observed.cause == "off-link"


@linux
def test_real_loopback() -> None:
    """The real thing on the loopback interface, by whatever way this user has."""
    probe = PingProbe(
        vantage=LOOPBACK,
        subject="127.0.0.1",
        address="127.0.0.1",
        count=2,
        interval_s=0.0,
        pace=RateLimit([Memory()], interval_s=0.0),
    )
    observed = probe.run()
    if isinstance(observed, CannotMeasure):
        pytest.skip(observed.detail)

    assert results(observed) == ["reply", "reply"]
    assert {echo.source for echo in observed.echoes} == {"127.0.0.1"}


@linux
def test_real_loopback_together() -> None:
    """Several addresses over one socket, in one thread."""
    if not may_share():
        pytest.skip("this user may open no ICMP socket")
    sockets, pace = EchoSockets(), RateLimit([Memory()], interval_s=0.0)
    addresses = ("127.0.0.1", "127.0.0.2")
    series = [
        PingProbe(
            vantage=LOOPBACK,
            subject=address,
            address=address,
            count=2,
            interval_s=0.0,
            pace=pace,
            sockets=sockets,
        ).steps()
        for address in addresses
    ]
    with contextlib.closing(sockets):
        seen = outcomes(zip(addresses, series, strict=True), sockets)

    for address in addresses:
        observed = seen[address]
        assert isinstance(observed, PingObserved)
        assert results(observed) == ["reply", "reply"]
        assert {echo.source for echo in observed.echoes} == {address}


class TestTroubleOf:
    """Why no request was answered."""

    @staticmethod
    def arrival(result: Result, code: int | None = None) -> Arrival:
        """Make an arrival."""
        return Arrival(moment=0.0, source=ROUTER, sequence=1, result=result, code=code)

    @pytest.mark.parametrize(
        ("seen", "kind"),
        [
            (("unreachable", "prohibited"), "refused"),
            (("wrong-host", "unreachable"), "no-route"),
            (("silence", "wrong-host"), "no-answer"),
        ],
    )
    def test_most_telling(self, seen: tuple[Result, ...], kind: str) -> None:
        """A prohibition tells more than a missing way, and that more than silence."""
        trouble = trouble_of([None, *(self.arrival(result, 13) for result in seen)], "raw")

        assert trouble
        assert trouble.kind == kind
        assert "own firewall" not in trouble.detail

    def test_command(self) -> None:
        """The command keeps its own computer's firewall to itself: the detail says so."""
        trouble = trouble_of([None], "command")

        assert trouble
        assert "own firewall" in trouble.detail
