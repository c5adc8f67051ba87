"""Tests of the look on the wire, with packets that nobody sent."""

from __future__ import annotations

import errno
import socket
import struct
import sys
from typing import Any

import pytest

from cube_acceptance.probes.net import capture
from cube_acceptance.probes.net.capture import BLIND, HOPS, Capture, Recorder, filter_program
from selftests.support.fakes import wait_for_closing
from selftests.support.filters import run_filter

PEER, OWN, GATEWAY = "11.20.0.10", "10.20.0.20", "10.20.0.1"
OUT, IN = 4, 0
IP, ARP = 0x0800, 0x0806
ICMP, TCP, UDP = socket.IPPROTO_ICMP, socket.IPPROTO_TCP, socket.IPPROTO_UDP
SYN, ACK, RST = 0x02, 0x10, 0x04

Seen = tuple[bytes, str, int, int]
"""A packet as a packet socket gives it: its bytes, interface, protocol and direction."""
START = 1000
SO_ATTACH_FILTER, SO_RCVBUFFORCE = 26, 33


def ip(
    source: str,
    destination: str,
    protocol: int,
    body: bytes,
    fragment: int = 0,
    hops: int = HOPS,
) -> bytes:
    """Write an IPv4 packet."""
    addresses = socket.inet_aton(source) + socket.inet_aton(destination)
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), 0, fragment, hops, protocol, 0)
    return head + addresses + body


def datagram(source: int, destination: int) -> bytes:
    """Write a UDP header."""
    return struct.pack("!HHHH", source, destination, 8, 0)


def segment(source: int, destination: int, flags: int, number: int, acknowledged: int = 0) -> bytes:
    """Write a TCP header."""
    return struct.pack(
        "!HHIIBBHHH", source, destination, number, acknowledged, 0x50, flags, 0, 0, 0
    )


def echo(kind: int, identifier: int) -> bytes:
    """Write the beginning of an echo message."""
    return struct.pack("!BBHHH", kind, 0, 0, identifier, 1)


def arp(operation: int, sender: str, target: str) -> bytes:
    """Write an ARP message."""
    head = struct.pack("!HHBBH", 1, IP, 6, 4, operation)
    return head + bytes(6) + socket.inet_aton(sender) + bytes(6) + socket.inet_aton(target)


class FakeTap:
    """A packet socket with packets that a test lays out."""

    def __init__(
        self, *packets: Seen | OSError | UnicodeError, drops: int = 0, fails: OSError | None = None
    ) -> None:
        """Lay them out, or fail to take the filter."""
        self.packets = list(packets)
        self.drops = drops
        self.fails = fails
        self.forced: OSError | None = None
        self.program = b""
        self.closed = False

    def settimeout(self, limit_s: float) -> None:
        """Never wait."""
        assert limit_s == 0

    def setsockopt(self, level: int, option: int, value: bytes | int) -> None:
        """Take the filter, and room."""
        assert level == socket.SOL_SOCKET
        if option == SO_ATTACH_FILTER and self.fails:
            raise self.fails
        if option == SO_ATTACH_FILTER:
            assert isinstance(value, bytes)
            self.program = value
        elif option == SO_RCVBUFFORCE and self.forced:
            raise self.forced

    def recvfrom(self, _size: int) -> tuple[bytes, tuple[object, ...]]:
        """Return the next one."""
        if not self.packets:
            raise BlockingIOError
        packet = self.packets.pop(0)
        if isinstance(packet, OSError | UnicodeError):
            raise packet
        return packet[0], (*packet[1:], 1, bytes(6))

    def getsockopt(self, *_: int) -> bytes:
        """Return, once, how many were dropped."""
        drops, self.drops = self.drops, 0
        return struct.pack("=II", len(self.packets) + drops, drops)

    def close(self) -> None:
        """Remember it."""
        self.closed = True


def capture_on(tap: FakeTap | OSError, protocol: int = UDP, port: int = 53) -> Capture:
    """Somebody who begins to watch now."""

    def make() -> Any:  # noqa: ANN401 - a socket's stand-in
        if isinstance(tap, OSError):
            raise tap
        return tap

    watching = Capture(
        recorder=Recorder(make),
        interface="eth0",
        address=PEER,
        protocol=protocol,
        port=port,
        own=40000,
        next_hop=GATEWAY,
    )
    watching.begin()
    return watching


def watching(
    *packets: Seen | OSError | UnicodeError, protocol: int = UDP, port: int = 53, drops: int = 0
) -> Capture:
    """A capture that has these packets to look at."""
    tap = FakeTap()
    begun = capture_on(tap, protocol, port)
    tap.packets += packets
    tap.drops = drops
    return begun


def seen(packet: bytes, kind: int, interface: str = "eth0") -> Seen:
    """A packet as a packet socket gives it."""
    return packet, interface, IP, kind


def asked(own: int = 40000, port: int = 53, interface: str = "eth0", hops: int = HOPS) -> Seen:
    """A question that left."""
    return seen(ip(OWN, PEER, UDP, datagram(own, port), hops=hops), OUT, interface)


def answered(own: int = 40000, port: int = 53, interface: str = "eth0") -> Seen:
    """An answer that arrived."""
    return seen(ip(PEER, OWN, UDP, datagram(port, own)), IN, interface)


def denied(
    own: int = 40000, port: int = 53, interface: str = "eth0", code: int = 3, kind: int = 3
) -> Seen:
    """Report by ICMP that a question could not be delivered (RFC 792)."""
    question = ip(OWN, PEER, UDP, datagram(own, port))
    return seen(ip(GATEWAY, OWN, ICMP, bytes((kind, code)) + bytes(6) + question), IN, interface)


def neighbour(operation: int, kind: int, sender: str, target: str) -> Seen:
    """An ARP message as a packet socket gives it."""
    return arp(operation, sender, target), "eth0", ARP, kind


class TestAnswers:
    """What looks like the peer's answer."""

    def test_passed_on_the_wire(self) -> None:
        """The usual way."""
        assert watching(asked(), answered()).diverted() == ""

    def test_of_another_question(self) -> None:
        """Another port stands for ours as well: this computer may have changed it on the way."""
        assert watching(asked(own=1), answered(own=2)).diverted() == ""

    def test_of_another_programs_question(self) -> None:
        """A resolver on this computer that takes the question asks the same server itself."""
        packets = asked(own=1, hops=64), answered(own=1)

        assert "the question left" in watching(*packets).diverted()
        assert "no question" in watching(*packets).kept_back()

    def test_of_a_question_whose_hops_were_changed(self) -> None:
        """The port is as good a sign."""
        assert watching(asked(hops=64), answered()).diverted() == ""

    @pytest.mark.parametrize(
        ("packets", "words"),
        [
            ((), "the question left"),
            ((answered(),), "the question left"),
            ((asked(),), "an answer arrived"),
            ((asked(), answered(port=54)), "an answer arrived"),
            ((asked(port=54), answered()), "the question left"),
            ((asked(interface="lo"), answered(interface="lo")), "the question left"),
        ],
        ids=["nothing", "no-question", "no-answer", "other-port", "to-other-port", "loopback"],
    )
    def test_did_not(self, packets: tuple[Seen, ...], words: str) -> None:
        """A resolver on this computer answers in the server's place."""
        found = watching(*packets).diverted()

        assert words in found
        assert PEER in found

    def test_of_strangers(self) -> None:
        """The filter lets only the peer's packets pass, except those of before."""
        stranger = seen(ip("10.20.0.9", OWN, UDP, datagram(53, 40000)), IN)

        assert "an answer arrived" in watching(asked(), stranger).diverted()

    def test_in_pieces(self) -> None:
        """The first of them arrived, so the others will have done so."""
        piece = seen(ip(PEER, OWN, UDP, datagram(53, 40000), fragment=0x2000), IN)

        assert watching(asked(), piece).diverted() == ""

    def test_of_another_protocol(self) -> None:
        """What came before the filter stood may be anything."""
        packet = ip(PEER, OWN, UDP, datagram(53, 40000)), "eth0", 0x86DD, IN

        assert "an answer arrived" in watching(asked(), packet).diverted()

    @pytest.mark.parametrize("size", [0, 5, 12, 20, 21])
    def test_cut_short(self, size: int) -> None:
        """What has no ports, or not even an address, is for nobody."""
        short = seen(ip(PEER, OWN, UDP, datagram(53, 40000))[:size], IN)

        assert "an answer arrived" in watching(asked(), short).diverted()


class TestConnections:
    """TCP has more to go by than addresses and ports."""

    QUESTION = seen(ip(OWN, PEER, TCP, segment(40000, 443, SYN, START)), OUT)

    @pytest.mark.parametrize("flags", [SYN | ACK, RST | ACK])
    def test_are_answered(self, flags: int) -> None:
        """Accepted, or refused."""
        reply = seen(ip(PEER, OWN, TCP, segment(443, 40000, flags, 5, START + 1)), IN)

        assert watching(self.QUESTION, reply, protocol=TCP, port=443).diverted() == ""

    @pytest.mark.parametrize(
        ("flags", "acknowledged"), [(SYN | ACK, START), (RST, START + 1), (RST | ACK, 7)]
    )
    def test_are_not_answered(self, flags: int, acknowledged: int) -> None:
        """A system ignores what does not acknowledge its request; so it was not kept back."""
        reply = seen(ip(PEER, OWN, TCP, segment(443, 40000, flags, 5, acknowledged)), IN)

        assert watching(self.QUESTION, reply, protocol=TCP, port=443).kept_back() == ""

    def test_numbers_start_again(self) -> None:
        """Behind the largest number comes zero."""
        question = seen(ip(OWN, PEER, TCP, segment(40000, 443, SYN, 2**32 - 1)), OUT)
        reply = seen(ip(PEER, OWN, TCP, segment(443, 40000, SYN | ACK, 5, 0)), IN)

        assert watching(question, reply, protocol=TCP, port=443).diverted() == ""


class TestEchoes:
    """ICMP has an identifier in the place of ports."""

    REQUEST = seen(ip(OWN, PEER, ICMP, echo(8, 40000)), OUT)

    def test_are_answered(self) -> None:
        """A reply with our identifier."""
        reply = seen(ip(PEER, OWN, ICMP, echo(0, 40000)), IN)
        watched = watching(self.REQUEST, reply, protocol=ICMP, port=0)

        assert watched.diverted() == ""
        assert "did not get past" in watched.kept_back()

    def test_are_not_answered_by_requests(self) -> None:
        """Who pings us does not answer us."""
        request = seen(ip(PEER, OWN, ICMP, echo(8, 40000)), IN)

        assert watching(self.REQUEST, request, protocol=ICMP, port=0).kept_back() == ""


class TestSilence:
    """What looks like the peer's silence."""

    def test_of_the_network(self) -> None:
        """The question left, and nothing arrived."""
        assert watching(asked()).kept_back() == ""

    def test_to_another_question(self) -> None:
        """An answer to a question of somebody else is none to ours."""
        assert watching(asked(), answered(own=1)).kept_back() == ""

    def test_of_this_computer(self) -> None:
        """Its own firewall drops what comes in."""
        assert "did not get past it" in watching(asked(), answered()).kept_back()

    def test_of_a_computer_that_takes_no_icmp(self) -> None:
        """A refusal came as far as this computer, whose own firewall dropped it."""
        assert "did not get past it" in watching(asked(), denied()).kept_back()
        assert "did not get past it" in watching(asked(), denied(kind=11, code=0)).kept_back()

    @pytest.mark.parametrize(
        "other",
        [
            denied(own=1),
            denied(port=54),
            denied(interface="lo"),
            denied(code=4),
            denied(kind=12),
            (*denied()[:3], OUT),
            (denied()[0][:30], *denied()[1:]),
        ],
        ids=["question", "service", "own-idea", "too-large", "other-kind", "outgoing", "cut-short"],
    )
    def test_despite_other_icmp(self, other: Seen) -> None:
        """Only what ends this exchange, and comes from the network, would have been an answer."""
        assert watching(asked(), other).kept_back() == ""

    def test_is_no_answer_where_it_is_denied(self) -> None:
        """A denial does not confirm an answer that this computer gave itself."""
        assert "an answer arrived" in watching(asked(), denied()).diverted()

    def test_denied_elsewhere(self) -> None:
        """A denial that arrives at another card is the other way's."""
        assert watching(asked(), denied(interface="eth1")).other_interface() == "eth1"

    def test_of_a_network_that_loses_pieces(self) -> None:
        """A first fragment without the others is no answer that this computer could drop."""
        piece = seen(ip(PEER, OWN, UDP, datagram(53, 40000), fragment=0x2000), IN)

        assert watching(asked(), piece).kept_back() == ""

    def test_nothing_left(self) -> None:
        """Its own proxy took the question and is silent."""
        assert "no question" in watching().kept_back()

    def test_nobody_answers_arp(self) -> None:
        """Then nothing can leave, and that is the network's."""
        request = neighbour(1, OUT, OWN, GATEWAY)

        assert watching(request, request).kept_back() == ""

    def test_arp_is_answered(self) -> None:
        """Then something could have left."""
        request, reply = neighbour(1, OUT, OWN, GATEWAY), neighbour(2, IN, GATEWAY, OWN)

        assert "no question" in watching(request, reply).kept_back()

    @pytest.mark.parametrize(
        "other",
        [
            neighbour(1, OUT, OWN, "10.20.0.9"),
            neighbour(2, OUT, OWN, GATEWAY),
            neighbour(1, IN, "10.20.0.9", GATEWAY),
            (arp(1, OWN, GATEWAY), "eth1", ARP, OUT),
        ],
        ids=["somebody-else", "our-answer", "somebody-elses-question", "other-interface"],
    )
    def test_other_arp_says_nothing(self, other: Seen) -> None:
        """Only our question for the next hop, at the vantage, makes a packet wait."""
        assert "no question" in watching(other).kept_back()

    def test_answered_elsewhere(self) -> None:
        """Of two cards in one network the plant may answer at the other one."""
        watched = watching(asked(), answered(interface="eth1"))

        assert "did not get past it" in watched.kept_back()
        assert watched.other_interface() == "eth1"

    @pytest.mark.parametrize(
        "packets",
        [
            (asked(),),
            (asked(), answered(interface="eth1"), answered()),
            (asked(), answered(interface="lo")),
            (asked(), asked(interface="eth1")),
        ],
        ids=["nowhere", "here-as-well", "loopback", "only-asked"],
    )
    def test_not_answered_elsewhere(self, packets: tuple[Seen, ...]) -> None:
        """A card below a bridge hears what the bridge hears; loopback is no card."""
        assert watching(*packets).other_interface() == ""


class TestBlindness:
    """Who has not seen everything says nothing."""

    @pytest.mark.parametrize(
        "watched",
        [
            capture_on(PermissionError(errno.EPERM, "not permitted")),
            capture_on(FakeTap(fails=OSError(errno.EINVAL, "no filter"))),
            watching(drops=1),
            watching(OSError(errno.ENETDOWN, "down")),
        ],
        ids=["without-the-right", "without-a-filter", "overrun", "interface-down"],
    )
    def test_says_nothing(self, watched: Capture) -> None:
        """Neither of an answer nor of silence, now or later."""
        assert (watched.diverted(), watched.kept_back(), watched.diverted()) == ("", "", "")
        assert watched.other_interface() == ""

    def test_an_interface_whose_name_is_no_text(self) -> None:
        """Python cannot say where that packet was; the next one tells as much as ever."""
        nameless = UnicodeDecodeError("utf-8", b"B\xfcro", 1, 2, "invalid start byte")

        assert watching(nameless, asked()).kept_back() == watching(asked()).kept_back()

    def test_does_not_read_for_ever(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A flood is more than anybody can look at."""
        monkeypatch.setattr(capture, "PACKET_LIMIT", 3)
        tap = FakeTap()
        watched = capture_on(tap)
        tap.packets += [asked()] * 4

        assert watched.diverted() == ""
        assert len(tap.packets) == 1

    def test_gives_a_broken_socket_back(self) -> None:
        """A leaked socket is a warning, and a warning an error."""
        tap = FakeTap(fails=OSError(errno.EINVAL, "no filter"))
        capture_on(tap)

        assert tap.closed

    def test_of_the_embedded_site(self) -> None:
        """There everything is this computer's own doing."""
        BLIND.watch((PEER, UDP, 53))

        assert BLIND.look((PEER, UDP, 53)) is None
        BLIND.leave((PEER, UDP, 53))

    def test_elsewhere(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The number of Linux's packet sockets means something else on a Mac."""
        monkeypatch.setattr(sys, "platform", "darwin")

        with pytest.raises(OSError, match="Linux"):
            capture.packet_socket()


class TestWire:
    """One socket for all who watch."""

    def test_is_open_while_anybody_watches(self) -> None:
        """The last one to leave closes it, the next one to come opens another."""
        taps = [FakeTap(), FakeTap()]
        made = iter(taps)
        recorder = Recorder(lambda: next(made))  # type: ignore[arg-type, return-value]
        recorder.watch((PEER, UDP, 53))
        recorder.watch((PEER, UDP, 53))
        recorder.watch((PEER, TCP, 443))
        recorder.leave((PEER, UDP, 53))
        recorder.leave((PEER, UDP, 53))
        assert not taps[0].closed

        recorder.leave((PEER, TCP, 443))
        wait_for_closing()
        assert taps[0].closed
        recorder.watch((PEER, UDP, 53))
        assert not taps[1].closed
        assert taps[1].program

    def test_stays_open_while_somebody_holds_it(self) -> None:
        """A system takes its time to close it; what passed meanwhile belongs to nobody."""
        tap = FakeTap()
        watched = capture_on(tap)
        watched.recorder.hold()
        watched.end()
        assert not tap.closed

        tap.packets += [asked(), answered()]
        watched.begin()
        assert "no question" in watched.kept_back()
        watched.end()
        watched.recorder.release()
        wait_for_closing()
        assert tap.closed

    def test_is_not_opened_for_who_only_holds_it(self) -> None:
        """Nothing is watched on the embedded site, nor before the first probe."""
        recorder = Recorder(lambda: pytest.fail("opened"))

        recorder.hold()
        recorder.release()

    def test_what_nobody_watched_is_missed_by_nobody(self) -> None:
        """Other programs' packets may have filled the socket before anybody came to watch."""
        taps = [FakeTap(), FakeTap()]
        made = iter(taps)
        recorder = Recorder(lambda: next(made))  # type: ignore[arg-type, return-value]
        recorder.hold()
        recorder.watch((PEER, TCP, 443))
        recorder.leave((PEER, TCP, 443))
        taps[0].drops = 1
        recorder.watch((PEER, TCP, 443))

        wait_for_closing()
        assert taps[0].closed
        assert recorder.look((PEER, TCP, 443)) is not None

    def test_what_somebody_missed_stays_missed(self) -> None:
        """Who comes later does not bring back what the others have not seen."""
        tap = FakeTap()
        watched = capture_on(tap)
        tap.drops = 1
        watched.recorder.watch((PEER, TCP, 443))

        assert watched.recorder.look(watched.key) is None
        assert not tap.closed

    def test_keeps_nothing_of_before(self) -> None:
        """A port may be used again for the same peer, and packets of then may still wait."""
        tap = FakeTap()
        watched = capture_on(tap)
        watched.recorder.watch((PEER, TCP, 443))
        tap.packets += [asked(), answered()]
        assert "did not get past" in watched.kept_back()
        tap.packets += [asked(), answered()]
        watched.end()
        watched.begin()

        assert "no question" in watched.kept_back()

    def test_does_without_more_room(self) -> None:
        """Only an administrator may have as much as he likes."""
        tap = FakeTap()
        tap.forced = PermissionError(errno.EPERM, "not permitted")
        watched = capture_on(tap)
        tap.packets += [asked(), answered()]

        assert "did not get past" in watched.kept_back()

    def test_opens_a_packet_socket(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """One that hears all interfaces from the beginning."""
        monkeypatch.setattr(sys, "platform", "linux")
        monkeypatch.setattr(capture.socket, "socket", lambda *arguments: arguments)

        made: object = capture.packet_socket()
        assert made == (17, socket.SOCK_DGRAM, socket.htons(0x0003))


def passes(frame: int, packet: bytes, kind: int = IN) -> bool:
    """Run the filter program on a packet."""
    return bool(run_filter(filter_program(), packet, {0xFFFFF000: frame, 0xFFFFF004: kind}))


class TestFilterProgram:
    """What is let through to the recorder."""

    @pytest.mark.parametrize(
        ("frame", "packet", "kind"),
        [
            *((IP, ip(OWN, PEER, UDP, datagram(40000, port)), OUT) for port in (53, 123, 5353)),
            *((IP, ip(PEER, OWN, UDP, datagram(port, 40000)), IN) for port in (53, 5353, 5355)),
            (IP, ip(OWN, PEER, ICMP, echo(8, 1)), OUT),
            (IP, ip(OWN, PEER, TCP, segment(1, 2, SYN, 0)), OUT),
            (IP, ip(PEER, OWN, TCP, segment(2, 1, SYN | ACK, 0)), IN),
            (IP, ip(PEER, OWN, TCP, segment(2, 1, RST | ACK, 0)), IN),
            (ARP, arp(1, OWN, GATEWAY), OUT),
            (ARP, arp(2, GATEWAY, OWN), IN),
        ],
    )
    def test_lets_pass(self, frame: int, packet: bytes, kind: int) -> None:
        """The beginnings of exchanges in both directions, and ARP with this computer."""
        assert passes(frame, packet, kind)

    @pytest.mark.parametrize(
        ("frame", "packet", "kind"),
        [
            (IP, ip(OWN, PEER, UDP, datagram(40000, 443)), OUT),
            (IP, ip(PEER, OWN, TCP, segment(2, 1, ACK, 0)), IN),
            (IP, ip(PEER, OWN, UDP, datagram(53, 40000), fragment=0x00B9), IN),
            (IP, ip(PEER, OWN, 47, bytes(40)), IN),
            (ARP, arp(1, "10.20.0.9", GATEWAY), 1),
            (0x86DD, bytes(60), IN),
        ],
        ids=["video-call", "download", "fragment", "tunnel", "others-arp", "ipv6"],
    )
    def test_holds_back(self, frame: int, packet: bytes, kind: int) -> None:
        """A busy computer's other traffic must not push out what is looked for."""
        assert not passes(frame, packet, kind)
