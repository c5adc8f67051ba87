"""A DHCP message as bytes: what is read of a reply, and what is written of a question."""

from __future__ import annotations

import socket
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cube_acceptance.evidence import (
    RAW_LIMIT,
    DhcpMessage,
    Vantage,
)
from cube_acceptance.probes.net import dhcp_message
from cube_acceptance.probes.net.dhcp_message import MalformedError
from fixtures.simulator.dhcp import (
    addresses,
    kind_of,
    options_of,
    reply,
    write,
)
from selftests.support.leased import HARDWARE, LISTED, PLANT, REQUEST

DNSMASQ_OFFER = bytes.fromhex(
    "0201060097a22c2500008000000000000a1400a20a14000100000000bea666b58976" + "00" * 202 + "63825363"
    "35010236040a140001330400000e103a04000007083b0400000c4e0104ffffff001c040a1400ff790c000a140001"
    "100a1e0a1400092a040a14000106040a14000103040a140001ff"
)
"""What dnsmasq 2.90 really sent, with option 121."""


def offer(options: bytes, **fields: bytes) -> DhcpMessage:
    """Read an OFFER with the options given."""
    return dhcp_message.parse(reply(REQUEST, LISTED, options, **fields), "10.20.0.1", 0.5)


def code(number: int, value: bytes) -> bytes:
    """Write one option."""
    return bytes((number, len(value))) + value


class TestParse:
    """`parse` reads a whole reply."""

    def test_reads_what_a_real_server_sends(self) -> None:
        """Our own simulator could share a misreading of ours; dnsmasq's bytes cannot."""
        message = dhcp_message.parse(DNSMASQ_OFFER, "10.20.0.1", 0.25)

        assert message == DhcpMessage(
            source="10.20.0.1",
            at_s=0.25,
            kind=2,
            address="10.20.0.162",
            server_id="10.20.0.1",
            subnet_mask="255.255.255.0",
            routers=("10.20.0.1",),
            dns=("10.20.0.1",),
            ntp=("10.20.0.1",),
            lease_s=3600,
            routes=(("0.0.0.0/0", "10.20.0.1"), ("10.30.0.0/16", "10.20.0.9")),
            raw=DNSMASQ_OFFER,
        )

    def test_keeps_lists_in_the_servers_order(self) -> None:
        """RFC 2132 lists routers and servers in order of preference."""
        message = offer(write(options_of(LISTED)))

        assert message.routers == ("10.20.0.1", "10.20.0.2")
        assert message.ntp == ("10.20.0.4", "10.20.0.5")
        assert message.defects == ()

    def test_tells_the_relay(self) -> None:
        """A relay agent explains an OFFER from another network."""
        message = dhcp_message.parse(
            reply(REQUEST, replace(LISTED, relay="192.0.2.1"), write([])), "10.20.0.1", 0.0
        )

        assert message.relay == "192.0.2.1"

    def test_bounds_what_it_keeps(self) -> None:
        """A packet of 64 KiB must not fill the evidence."""
        message = offer(write([(53, b"\x02")]) + bytes(5000))

        assert len(message.raw) == RAW_LIMIT

    @pytest.mark.parametrize(
        ("packet", "reason"),
        [
            (b"", "0 bytes are too short"),
            (DNSMASQ_OFFER[:239], "239 bytes are too short"),
            (b"\x01" + DNSMASQ_OFFER[1:], "operation code 1 is not a reply"),
            (DNSMASQ_OFFER[:236] + bytes(4) + DNSMASQ_OFFER[240:], "magic cookie 00000000"),
        ],
    )
    def test_says_what_is_no_reply(self, packet: bytes, reason: str) -> None:
        """What is not the protocol must be told apart from an OFFER that lacks something."""
        with pytest.raises(MalformedError, match=reason):
            dhcp_message.parse(packet, "10.20.0.1", 0.0)

    @settings(max_examples=150)
    @given(st.binary(max_size=600))
    def test_survives_any_options(self, options: bytes) -> None:
        """Whoever is on the link can send us any bytes; nothing but a message may come of them."""
        message = dhcp_message.parse(DNSMASQ_OFFER[:240] + options, "10.20.0.1", 0.0)

        assert len(message.defects) <= dhcp_message.DEFECT_LIMIT

    @settings(max_examples=150)
    @given(st.binary(max_size=600))
    def test_survives_any_bytes(self, packet: bytes) -> None:
        """The same for what is not even a header."""
        try:
            message = dhcp_message.parse(packet, "10.20.0.1", 0.0)
        except MalformedError:
            message = None

        assert message is None or message.raw == packet


class TestOptions:
    """Options: joined, overloaded, damaged."""

    def test_skips_padding_and_stops_at_the_end(self) -> None:
        """What stands behind the end option is rubbish from the server's buffer."""
        message = offer(b"\0\0\0" + code(3, addresses("10.20.0.1")) + b"\xff" + code(6, bytes(4)))

        assert message.routers == ("10.20.0.1",)
        assert message.dns == ()
        assert message.defects == ()

    def test_joins_pieces(self) -> None:
        """RFC 3396: a value may be cut anywhere, also within an address."""
        value = addresses("10.20.0.1", "10.20.0.2")

        message = offer(code(3, value[:3]) + code(6, value[:4]) + code(3, value[3:]) + b"\xff")

        assert message.routers == ("10.20.0.1", "10.20.0.2")
        assert message.defects == ()

    @pytest.mark.parametrize(("overload", "expected"), [(1, "file"), (2, "sname"), (3, "both")])
    def test_goes_on_in_file_and_sname(self, overload: int, expected: str) -> None:
        """RFC 2131 section 4.1: options first, then file, then sname."""
        file = code(3, addresses("10.20.0.1")) + b"\xff"
        sname = code(3, addresses("10.20.0.2")) + b"\xff"

        message = offer(code(52, bytes([overload])) + b"\xff", file=file, sname=sname)

        routers = {"file": ("10.20.0.1",), "sname": ("10.20.0.2",)}
        assert message.routers == routers.get(expected, ("10.20.0.1", "10.20.0.2"))

    def test_leaves_file_and_sname_alone_without_overload(self) -> None:
        """They are a boot file's and a server's name then."""
        message = offer(b"\xff", file=code(3, addresses("10.20.0.1")) + b"\xff")

        assert message.routers == ()

    @pytest.mark.parametrize(
        ("option", "defect"),
        [
            (code(52, b"\x04"), "option 52: value 4"),
            (code(53, b""), "option 53: length 0"),
            (code(53, b"\x02\x05"), "option 53: length 2"),
            (code(54, bytes(3)), "option 54: length 3"),
            (code(54, bytes(4)), "option 54: 0.0.0.0 is no host's address"),
            (code(51, bytes(5)), "option 51: length 5"),
            (code(1, bytes(4)), "option 1: 0.0.0.0 is no subnet mask"),
            (code(1, b"\xff\x00\xff\x00"), "option 1: 255.0.255.0 is no subnet mask"),
            (code(1, b"\xff"), "option 1: length 1"),
            (code(3, b""), "option 3: length 0"),
            (code(3, bytes(5)), "option 3: length 5"),
            (code(3, b"\xff\xff\xff\xff"), "option 3: 255.255.255.255 is no host's address"),
            (code(42, b"\xe0\x00\x01\x01"), "option 42: 224.0.1.1 is no host's address"),
            (code(42, b"\x7f\x00\x00\x01"), "option 42: 127.0.0.1 is no host's address"),
            (code(121, b""), "option 121: length 0"),
            (code(121, b"\x21" + bytes(9)), "option 121: broken route at byte 0"),
            (code(121, b"\x08\x0a" + bytes(3)), "option 121: broken route at byte 0"),
        ],
    )
    def test_takes_a_broken_option_as_missing(self, option: bytes, defect: str) -> None:
        """A value read out of a broken option would be a guess; the defect names the option."""
        message = offer(option + b"\xff", file=code(6, addresses("10.20.0.9")) + b"\xff")

        assert message.defects == (defect,)
        assert message.kind is None
        assert (message.server_id, message.subnet_mask, message.lease_s) == (None, None, None)
        assert message.routers + message.dns + message.ntp + message.routes == ()

    def test_keeps_the_good_addresses_of_a_list(self) -> None:
        """One useless entry must not hide a server that works."""
        message = offer(code(6, addresses("0.0.0.0", "10.20.0.3")) + b"\xff")

        assert message.dns == ("10.20.0.3",)

    def test_takes_loopback_from_loopback(self) -> None:
        """On the embedded site everything is on this computer; on a wire nothing is."""
        packet = bytes(offer(code(6, addresses("127.0.0.3")) + b"\xff").raw)

        assert dhcp_message.parse(packet, "127.0.0.1", 0.0).dns == ("127.0.0.3",)
        assert dhcp_message.parse(packet, "10.20.0.1", 0.0).dns == ()

    def test_understands_the_same_value_said_twice(self) -> None:
        """Some relays append what is there already; joined as RFC 3396 says it would be lost."""
        message = offer(code(53, b"\x02") * 2 + code(54, addresses("10.20.0.1")) * 3 + b"\xff")

        assert (message.kind, message.server_id) == (2, "10.20.0.1")
        assert message.defects == ("option 53: given 2 times", "option 54: given 3 times")

    @pytest.mark.parametrize("tail", [b"\x03", b"\x03\x04", b"\x03\x04\x0a\x14"])
    def test_drops_an_option_that_is_cut_off(self, tail: bytes) -> None:
        """Half a router list is none, even if an earlier piece of it is whole."""
        message = offer_without_padding(code(3, addresses("10.20.0.1")) + code(53, b"\x02") + tail)

        assert message.kind == 2
        assert message.routers == ()
        assert message.defects == ("option 3: cut off at the end of options",)

    def test_notes_a_missing_end(self) -> None:
        """RFC 2131 section 4.1 asks for it; a packet cut between two options shows there only."""
        message = offer_without_padding(code(53, b"\x02"))

        assert message.kind == 2
        assert message.defects == ("options: no end option",)

    def test_bounds_a_list(self) -> None:
        """Thousands of servers would be thousands of questions."""
        message = offer(code(6, addresses("10.20.0.3") * 40) + b"\xff")

        assert len(message.dns) == dhcp_message.ADDRESS_LIMIT
        assert message.defects == ("option 6: more than 32 addresses",)

    def test_bounds_the_routes(self) -> None:
        """The same for option 121."""
        message = offer(code(121, b"\x00\x0a\x14\x00\x01" * 50) + b"\xff")

        assert len(message.routes) == dhcp_message.ADDRESS_LIMIT

    def test_bounds_the_defects(self) -> None:
        """They come from the network, too."""
        message = offer(code(6, bytes(4) * 40) + code(3, bytes(4) * 40) + b"\xff")

        assert len(message.defects) == dhcp_message.DEFECT_LIMIT

    @pytest.mark.parametrize(
        ("route", "expected"),
        [
            (b"\x00\x0a\x14\x00\x01", ("0.0.0.0/0", "10.20.0.1")),
            (b"\x18\x0a\x1e\x05\x0a\x14\x00\x01", ("10.30.5.0/24", "10.20.0.1")),
            (b"\x19\x0a\x1e\x05\x80\x0a\x14\x00\x01", ("10.30.5.128/25", "10.20.0.1")),
            (b"\x20\x0a\x1e\x05\x07\x00\x00\x00\x00", ("10.30.5.7/32", "0.0.0.0")),
            (b"\x04\x1f\x0a\x14\x00\x01", ("16.0.0.0/4", "10.20.0.1")),
        ],
    )
    def test_reads_classless_routes(self, route: bytes, expected: tuple[str, str]) -> None:
        """RFC 3442: as many bytes of destination as the prefix needs, stray host bits cleared."""
        message = offer(code(121, route) + b"\xff")

        assert message.routes == (expected,)
        assert message.defects == ()


def offer_without_padding(options: bytes) -> DhcpMessage:
    """Read an OFFER whose packet ends with the options given."""
    packet = reply(REQUEST, LISTED, options)[: 240 + len(options)]
    return dhcp_message.parse(packet, "10.20.0.1", 0.5)


class TestServersInWriting:
    """A text in option 6 or 42 names nobody: RFC 2132 sections 3.8 and 8.3 want addresses."""

    @pytest.mark.parametrize("option", [6, 42])
    @pytest.mark.parametrize(
        "text",
        [
            "pool.ntp.org",
            "time.plant.example",
            "ntp.de",
            "a.de",
            "NTP-1.Plant_2.local.",
            "10.20.0.1",
            "192.168.1.1",
            "10.20.0.1,10.20.0.2",
            "ntp1.plant.example ntp2.plant.example",
            "ntp1.plant.example, 10.20.0.2",
        ],
    )
    @pytest.mark.parametrize("end", [b"", b"\0", b"\r\n"])
    def test_quotes_the_text(self, option: int, text: str, end: bytes) -> None:
        """Whatever its length: 12 letters are three addresses, of nobody who was meant."""
        message = offer(write([(53, b"\x02"), (option, text.encode() + end)]))

        assert (message.dns, message.ntp) == ((), ())
        assert message.defects == (f'option {option}: "{text}"',)

    @pytest.mark.parametrize(
        "text",
        [
            "pool.ntp.org:123",
            "10.20.0.1/24",
            "ptbtime1.ptb.de,",
            "'pool.ntp.org'",
            "ntp://10.20.0.1/",
            "10.20.0.1\tpool.ntp.org\0",
        ],
    )
    def test_quotes_what_was_typed(self, text: str) -> None:
        """With a port, a scheme, quotes, a list's comma: nobody is asked at 112.111.111.108."""
        message = offer(write([(53, b"\x02"), (42, text.encode())]))

        said = text.replace("\t", " ").rstrip("\0")
        assert (message.ntp, message.defects) == ((), (f'option 42: "{said}"',))

    @pytest.mark.parametrize(
        "address",
        [
            *("114.114.114.114", "46.46.46.46", "50.46.49.57", "10.20.0.1", "49.46.50.46"),
            "97.46.98.44",
        ],
    )
    def test_takes_an_address_for_an_address(self, address: str) -> None:
        """No dot, dots only, a number at the end, no letters: all that is no text."""
        message = offer(write([(53, b"\x02"), (42, socket.inet_aton(address))]))

        assert (message.ntp, message.defects) == ((address,), ())

    def test_quotes_no_more_than_a_line(self) -> None:
        """Whoever sends it decides what the report says, but not how much."""
        message = offer(write([(53, b"\x02"), (42, b"a." * 120 + b"de")]))

        assert message.defects == (f'option 42: "{"a." * 50}"',)

    def test_looks_at_lists_of_servers_only(self) -> None:
        """A router is never named."""
        message = offer(write([(53, b"\x02"), (3, b"a.de")]))

        assert (message.routers, message.defects) == (("97.46.100.101",), ())


class TestServersOfAnotherKind:
    """An address of IPv6 in option 6 or 42 names nobody either."""

    @pytest.mark.parametrize("option", [6, 42])
    @pytest.mark.parametrize(
        "addresses",
        [
            ["2001:db8::1"],
            ["fd00::1"],
            ["fd12:3456:789a:bcde:1234:5678:9abc:def0"],
            ["fe80::1"],
            ["2a02:8109:1234:5678:211:22ff:fe33:4455"],
            ["2001:4860:4860::8888", "2001:4860:4860::8844"],
        ],
    )
    def test_is_quoted(self, option: int, addresses: list[str]) -> None:
        """Read as IPv4, 2001:db8::1 would be 32.1.13.184, and somebody there would be asked."""
        value = b"".join(socket.inet_pton(socket.AF_INET6, one) for one in addresses)
        message = offer(write([(53, b"\x02"), (option, value)]))

        assert (message.dns, message.ntp) == ((), ())
        assert message.defects == (f"option {option}: IPv6 {' '.join(addresses)}",)

    def test_is_quoted_on_one_line(self) -> None:
        """However many there are."""
        value = socket.inet_pton(socket.AF_INET6, "fd12:3456:789a:bcde:1234:5678:9abc:def0") * 8
        message = offer(write([(53, b"\x02"), (42, value)]))

        assert len(message.defects[0]) == len("option 42: IPv6 ") + dhcp_message.TEXT_LIMIT

    @pytest.mark.parametrize(
        "servers",
        [
            "62.1.2.3 46.4.5.6 10.20.0.1 192.168.1.1",
            "62.1.2.3 0.0.0.0 0.0.0.0 0.0.0.0",
            "62.1.2.3 255.255.255.255 127.0.0.1 224.0.1.1",
            "62.1.2.3 46.4.5.6 10.20.0.1 192.168.1.1 0.0.0.1",
            "10.20.0.1 0.0.0.0 0.0.0.1 240.0.0.1",
            "62.1.2.3 46.4.5.6 10.20.0.1 192.168.1.1 192.0.2.1 0.0.0.1 46.4.5.6 46.4.5.7",
        ],
    )
    def test_four_of_the_old_kind_are_taken(self, servers: str) -> None:
        """Fields that somebody left empty are nobody's, and the servers beside them are asked."""
        value = b"".join(map(socket.inet_aton, servers.split()))
        message = offer(write([(53, b"\x02"), (42, value)]))

        assert message.ntp[0] == servers.split(maxsplit=1)[0]
        assert not any("IPv6" in defect for defect in message.defects)


class TestBuildDiscover:
    """`build_discover` writes the only message that is ever sent."""

    def test_asks_as_a_new_computer(self) -> None:
        """The header's fields by the number: RFC 2131 section 2."""
        message = dhcp_message.build_discover(0xDEADBEEF, HARDWARE, 3.9)

        assert message[:4] == b"\x01\x01\x06\x00"
        assert message[4:8] == b"\xde\xad\xbe\xef"
        assert message[8:10] == b"\x00\x03", "seconds elapsed"
        assert message[10:12] == b"\x80\x00", "broadcast flag"
        assert message[12:28] == bytes(16), "no address of our own is claimed"
        assert message[28:44] == HARDWARE + bytes(10)
        assert message[236:240] == b"\x63\x82\x53\x63"

    def test_carries_the_options(self) -> None:
        """Many servers send option 42 only to those who ask for it."""
        body = REQUEST[240:]

        assert kind_of(REQUEST) == 1
        assert code(55, bytes((1, 3, 6, 42, 51, 54, 121))) in body
        assert code(61, b"\0cube-acceptance-" + HARDWARE) in body
        assert code(57, (1472).to_bytes(2, "big")) in body
        assert body.rstrip(b"\0").endswith(b"\xff")

    def test_is_no_shorter_than_old_relays_accept(self) -> None:
        """RFC 1542 section 2.1."""
        assert len(REQUEST) >= 300


class TestHardwareOf:
    """`hardware_of` finds the address to ask with."""

    def test_takes_the_interfaces_own(self) -> None:
        """Switches with port security let no other pass."""
        assert dhcp_message.hardware_of(PLANT) == HARDWARE

    @pytest.mark.parametrize("mac", ["", "00:00:00:00:00:00", "00:01:02:03:04:05:06:07", "zz"])
    def test_stands_in_where_there_is_none(self, mac: str) -> None:
        """The loopback interface and tunnels have none of six bytes."""
        vantage = Vantage(interface="tun0", address="10.20.0.9", prefix=24, mac=mac)

        assert dhcp_message.hardware_of(vantage) == dhcp_message.STAND_IN_HARDWARE
