"""Asking who holds an address: what is asked, what counts as an answer, and what is left alone."""

from __future__ import annotations

import errno
import socket

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cube_acceptance.evidence import Vantage
from cube_acceptance.probes.net import arp
from selftests.support.fakes import NotingSocket, wait_for_closing
from selftests.support.filters import run_filter

VANTAGE = Vantage(interface="eth0", address="10.20.0.20", prefix=24, mac="02:00:00:00:00:20")
OWN = bytes.fromhex("020000000020")
THEIRS = bytes.fromhex("020000000050")
HOST, OTHER_HOST = 0, 1
OUTGOING = 4

DOWN = OSError(errno.ENETDOWN, "Network is down")


def reply(address: str, hardware: bytes = THEIRS, head: bytes = b"\0\1\x08\0\6\4\0\2") -> bytes:
    """Write a reply, RFC 826 by the number."""
    asking = OWN + socket.inet_aton("10.20.0.20")
    return head + hardware + socket.inet_aton(address) + asking


def came(packet: bytes, kind: int) -> tuple[bytes, tuple[object, ...]]:
    """Return a packet as a packet socket hands it out, by whom it was sent to."""
    return packet, ("eth0", 0x0806, kind, 1, b"")


def asker(fake: NotingSocket) -> arp.Asker:
    """Open an asker over a fake socket."""
    opened = arp.open_asker(VANTAGE, OWN, lambda *_: fake)
    assert opened is not None
    return opened


class TestAsk:
    """One ordinary question an address."""

    def test_bears_this_computers_own_address(self) -> None:
        """Never 0.0.0.0: a probe makes some devices give up the address that they hold."""
        fake = NotingSocket()

        asker(fake).ask(["10.20.0.123"])

        question = b"\0\1\x08\0\6\4\0\1" + OWN + socket.inet_aton("10.20.0.20") + bytes(6)
        everybody = ("eth0", 0x0806, 0, 0, b"\xff" * 6)
        assert fake.sent == [(question + socket.inet_aton("10.20.0.123"), everybody)]
        assert fake.bound == ("eth0", 0x0806)

    def test_asks_for_each_address_once(self) -> None:
        """However often it is offered; not for this computer's own, nor beyond the link."""
        fake = NotingSocket()
        ours = asker(fake)

        ours.ask(["10.20.0.123", "10.20.0.20", "10.20.1.1", "10.20.0.1"])
        ours.ask(["10.20.0.123"])

        assert [packet[-4:] for packet, _ in fake.sent] == [b"\x0a\x14\0\x7b", b"\x0a\x14\0\x01"]

    def test_is_bounded(self) -> None:
        """Whoever offers ever new addresses makes no storm of questions."""
        fake = NotingSocket()

        asker(fake).ask(f"10.20.0.{number}" for number in range(100, 200))

        assert len(fake.sent) == arp.QUESTION_LIMIT

    def test_survives_a_link_that_goes_down(self) -> None:
        """Nobody is known to have the address then."""
        asker(NotingSocket(fails={"sendto": DOWN})).ask(["10.20.0.123"])


class TestAnswers:
    """What counts as an answer."""

    def test_names_who_answered(self) -> None:
        """Each once, at the end and without waiting."""
        fake = NotingSocket(
            came(reply("10.20.0.123"), HOST),
            came(reply("10.20.0.123"), HOST),
            came(reply("10.20.0.123", OWN), OTHER_HOST),
            came(reply("10.20.0.99"), HOST),
            came(reply("10.20.0.123", b"\1" * 6), OUTGOING),
        )
        ours = asker(fake)
        ours.ask(["10.20.0.123"])

        assert ours.answers() == (
            ("10.20.0.123", "02:00:00:00:00:50"),
            ("10.20.0.123", "02:00:00:00:00:20"),
        )
        assert fake.limits_s[-1] == 0.0

    def test_reads_no_flood(self) -> None:
        """Whoever answers without end keeps nobody reading."""
        fake = NotingSocket(*[came(reply("10.20.0.9"), HOST)] * (arp.READ_LIMIT + 5))

        asker(fake).answers()

        assert len(fake.arrived) == 5

    @pytest.mark.parametrize(
        "packet",
        [
            b"",
            reply("10.20.0.123")[:-1],
            reply("10.20.0.123", head=b"\0\1\x08\0\6\4\0\1"),
            reply("10.20.0.123", head=b"\0\6\x08\0\6\4\0\2"),
            reply("10.20.0.123", head=b"\0\1\x86\xdd\6\4\0\2"),
            reply("10.20.0.123", head=b"\0\1\x08\0\x08\4\0\2"),
        ],
    )
    def test_knows_what_is_no_reply(self, packet: bytes) -> None:
        """A question, another kind of link, half a packet."""
        assert arp.read_reply(packet) is None

    @settings(max_examples=100)
    @given(st.binary(max_size=60))
    def test_survives_any_bytes(self, packet: bytes) -> None:
        """Whoever is on the link can send them."""
        answer = arp.read_reply(packet)

        assert answer is None or len(answer) == 2


class TestOpenAsker:
    """`open_asker` opens what is permitted."""

    def test_gives_the_socket_back(self) -> None:
        """At the end of the run."""
        fake = NotingSocket()

        asker(fake).close()

        wait_for_closing()
        assert fake.closed

    @pytest.mark.parametrize("fails", ["setsockopt", "bind"])
    def test_is_none_where_it_fails(self, fails: str) -> None:
        """Then nobody is asked, and nothing is said of it."""
        fake = NotingSocket(fails={fails: DOWN})

        assert arp.open_asker(VANTAGE, OWN, lambda *_: fake) is None
        assert fake.closed

    def test_is_none_without_the_right(self) -> None:
        """An ordinary user has no packet socket."""

        def refuse(*_: int) -> socket.socket:
            raise PermissionError(errno.EPERM, "Operation not permitted")

        assert arp.open_asker(VANTAGE, OWN, refuse) is None

    @pytest.mark.parametrize(("operation", "passes"), [(1, False), (2, True), (3, False)])
    def test_lets_replies_pass(self, operation: int, *, passes: bool) -> None:
        """Every ARP question of the link would fill its buffer."""
        packet = reply("10.20.0.1", head=b"\0\1\x08\0\6\4\0" + bytes([operation]))

        assert bool(run_filter(arp.reply_filter(), packet)) is passes
