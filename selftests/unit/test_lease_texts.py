"""What each DHCP client writes of its lease, and what is read of it."""

from __future__ import annotations

import socket
import time

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from leasesamples import (
    CONNMAN,
    CONNMAN_SERVICES,
    DHCLIENT,
    DHCLIENT_CONF,
    DHCLIENT_LOCAL,
    DHCLIENT_WORDS,
    DHCPCD,
    DHCPCD_ACK,
    DHCPCD_CONF,
    EXPIRES_S,
    IPCONFIG,
    NETWORK,
    NETWORKD,
    NMCLI,
    NMCLI_DHCLIENT,
    UDHCPC,
    WICKED,
    WINDOWS,
    WRITTEN_S,
)

from cube_acceptance.probes.net import dhcp_message, lease_texts
from cube_acceptance.probes.net.lease_texts import Lease

LOOPBACK = next(name for name in psutil.net_if_stats() if name.lower().startswith("lo"))
INDEX = socket.if_nameindex()[0][0]


def lease(client: str, **changes: object) -> Lease:
    """Return the lease that all of the above mean, but for what is changed."""
    fields: dict[str, object] = {
        "address": "10.20.0.161",
        "server_id": "10.20.0.1",
        "subnet_mask": "255.255.255.0",
        "routers": ("10.20.0.1",),
        "dns": ("10.20.0.1", "10.20.0.2"),
        "ntp": ("10.20.0.3",),
        "lease_s": 3600,
        "expires_s": EXPIRES_S,
    }
    return Lease(client=client, **{**fields, **changes})


class TestReadNetworkd:
    """`read_networkd` reads systemd's own lease files."""

    def test_reads_what_it_wrote(self) -> None:
        """The lease runs from the time of writing."""
        assert lease_texts.read_networkd(NETWORKD, WRITTEN_S) == lease("systemd-networkd")

    @pytest.mark.parametrize(
        ("written", "lease_s"),
        [
            ("1h", 3600),
            ("1d 30min", 88200),
            ("1y 1month 1w", 31557600 + 2629800 + 604800),
            ("90s", 90),
            ("infinity", None),
            ("", None),
            ("5 parsecs", None),
            ("5parsecs", None),
            ("4294967295", 4294967295),
        ],
    )
    def test_reads_a_lease_time_with_units(self, written: str, lease_s: int | None) -> None:
        """Newer releases write it for people."""
        text = NETWORKD.replace("LIFETIME=3600", f"LIFETIME={written}")

        found = lease_texts.read_networkd(text, WRITTEN_S)

        assert found.lease_s == lease_s

    def test_knows_a_lease_without_an_end(self) -> None:
        """RFC 2131 section 3.3: 0xffffffff is for ever, not 136 years."""
        found = lease_texts.read_networkd(NETWORKD.replace("3600", "4294967295"), WRITTEN_S)

        assert found.expires_s is None

    def test_finds_the_router_among_the_routes(self) -> None:
        """With option 121 a client ignores option 3 (RFC 3442)."""
        routes = "ROUTES=10.30.0.0/16,10.20.0.9 0.0.0.0/0,10.20.0.1"

        found = lease_texts.read_networkd(NETWORKD.replace("ROUTER=10.20.0.1", routes), WRITTEN_S)

        assert found.routers == ("10.20.0.1",)

    @pytest.mark.parametrize("text", ["", "ADDRESS=", "ADDRESS=10.20.0", "ADDRESS=0.0.0.0", "\0"])
    def test_needs_an_address(self, text: str) -> None:
        """Half a file is no lease."""
        assert lease_texts.read_networkd(text, WRITTEN_S) is None

    def test_leaves_out_what_is_no_address(self) -> None:
        """A mask that is none, a name where an address belongs, more servers than anybody asks."""
        text = NETWORKD.replace("255.255.255.0", "255.0.255.0").replace(
            "NTP=10.20.0.3", "NTP=ntp.example 224.0.1.1"
        )
        text = text.replace("DNS=", "DNS=" + "10.20.0.7 " * 50).replace(
            "SERVER_ADDRESS=10.20.0.1", "SERVER_ADDRESS=dhcp"
        )

        found = lease_texts.read_networkd(text, WRITTEN_S)

        assert (found.subnet_mask, found.server_id, found.ntp) == (None, None, ())
        assert len(found.dns) == dhcp_message.ADDRESS_LIMIT

    def test_leaves_out_a_mask_that_is_no_address(self) -> None:
        """A prefix length is not what this file holds."""
        found = lease_texts.read_networkd(NETWORKD.replace("255.255.255.0", "24"), WRITTEN_S)

        assert found.subnet_mask is None


class TestAskedByNetworkd:
    """`asked_by_networkd` reads what a network's file lets it ask for."""

    @pytest.mark.parametrize(
        ("added", "asked"),
        [
            ("", (6, 42)),
            ("UseNTP=yes\nUseDNS=true", (6, 42)),
            ("Anonymize=no", (6, 42)),
            ("UseNTP = false", (6,)),
            ("UseDNS=no", (42,)),
            ("UseDNS=OFF\nUseNTP=0", ()),
            ("Anonymize=yes", ()),
        ],
    )
    def test_asks_for_both_unless_told_not_to(self, added: str, asked: tuple[int, ...]) -> None:
        """systemd.network(5): both are on by default; who stays anonymous asks for little."""
        assert lease_texts.asked_by_networkd(NETWORK + added) == asked


class TestReadNmcli:
    """`read_nmcli` reads NetworkManager's own words."""

    def test_reads_what_it_prints(self) -> None:
        """``requested_routers`` must not be taken for the routers."""
        assert lease_texts.read_nmcli(NMCLI) == lease("NetworkManager")

    def test_knows_a_lease_without_an_end(self) -> None:
        """NetworkManager leaves ``expiry`` out then."""
        found = lease_texts.read_nmcli(NMCLI.replace("expiry", "other"))

        assert found == lease("NetworkManager", expires_s=None)

    @pytest.mark.parametrize("text", ["", "Error: Device 'eth0' not found.", "DHCP4:\n"])
    def test_finds_nothing_in_anything_else(self, text: str) -> None:
        """An interface without DHCP has no such lines."""
        assert lease_texts.read_nmcli(text) is None

    def test_reads_what_dhclient_told_it(self) -> None:
        """Option 121 byte by byte; what was asked for stands beside what came."""
        expected = lease("NetworkManager", asked=(6, 42))

        assert lease_texts.read_nmcli(NMCLI_DHCLIENT) == expected

    def test_does_not_take_a_value_for_a_question(self) -> None:
        """Only ``requested_...`` says that something was asked for."""
        found = lease_texts.read_nmcli(NMCLI.replace("requested_routers", "requested_ntp_servers"))

        assert found.asked == (42,)


class TestReadVariables:
    """`read_variables` reads ``dhcpcd -U``."""

    def test_reads_what_it_prints(self) -> None:
        """It prints no end; a running dhcpcd prints only what is current."""
        assert lease_texts.read_variables(DHCPCD) == lease("dhcpcd", expires_s=None)

    @pytest.mark.parametrize(
        "routes",
        [
            "classless_static_routes='10.30.0.0/16 10.20.0.9 0.0.0.0/0 10.20.0.1'",
            "rfc3442_classless_static_routes='0.0.0.0/0 10.20.0.1'",
            "ms_classless_static_routes='0.0.0.0/0 10.20.0.1'",
            "routers=10.20.0.7\nclassless_static_routes='0.0.0.0/0 10.20.0.1'",
            "routers=10.20.0.1\nclassless_static_routes='10.30.0.0/16 10.20.0.9'",
            "routers=10.20.0.1\nclassless_static_routes='nonsense'",
        ],
    )
    def test_finds_the_router_among_the_routes(self, routes: str) -> None:
        """Option 121 under each of its names; it stands in place of option 3 (RFC 3442)."""
        found = lease_texts.read_variables(DHCPCD.replace("routers=10.20.0.1", routes))

        assert found.routers == ("10.20.0.1",)


class TestReadDhclient:
    """`read_dhclient` reads a log of leases."""

    def test_takes_the_last_of_the_interface(self) -> None:
        """Older ones and other interfaces' stand in the same file; a quoted brace ends nothing."""
        assert lease_texts.read_dhclient(DHCLIENT, "eth0") == lease("dhclient")

    def test_reads_local_times_and_routes(self) -> None:
        """A time's comment has no semicolon behind it; option 121 is a list of bytes."""
        assert lease_texts.read_dhclient(DHCLIENT_LOCAL, "eth0") == lease("dhclient")

    @pytest.mark.parametrize(
        "routes",
        [
            "classless-static-routes 0 10 20 0 1 16 10 30 10 20 0 9",
            "classless-static-routes 16.10.30 10.20.0.9, 0 10.20.0.1",
            "unknown-121 0:a:14:0:1:10:a:1e:a:14:0:9",
            "ms-classless-static-routes 0,10,20,0,1",
            "unknown-249 0:a:14:0:1",
        ],
    )
    def test_reads_routes_under_each_name(self, routes: str) -> None:
        """Each distribution gives option 121 a name of its own, or none."""
        old = "rfc3442-classless-static-routes 0,10,20,0,1,16,10,30,10,20,0,9"

        found = lease_texts.read_dhclient(DHCLIENT_LOCAL.replace(old, routes), "eth0")

        assert found == lease("dhclient")

    @pytest.mark.parametrize("routes", ["0,10,20", "0,10,20,0,300", "0,ten", ""])
    def test_finds_no_router_in_broken_routes(self, routes: str) -> None:
        """Half a route leads nowhere."""
        text = DHCLIENT_LOCAL.replace("0,10,20,0,1,16,10,30,10,20,0,9", routes)

        found = lease_texts.read_dhclient(text, "eth0")

        assert found.routers == ()

    def test_ends_no_lease_within_a_comment(self) -> None:
        """And a hash in a name begins none."""
        text = DHCLIENT_LOCAL.replace("# Mon Nov 23 15:32:19 2026", "# } lease {").replace(
            'interface "eth0";', 'option domain-name "a#b"; interface "eth0";'
        )

        assert lease_texts.read_dhclient(text, "eth0") == lease("dhclient")

    def test_takes_no_text_for_addresses(self) -> None:
        """Dhclient reads the letters of ``pool.ntp.org`` as three addresses."""
        letters = "112.111.111.108,46.110.116.112,46.111.114.103"

        found = lease_texts.read_dhclient(DHCLIENT_LOCAL.replace("10.20.0.3", letters), "eth0")

        assert found == lease("dhclient", ntp=(), defects=('option 42: "pool.ntp.org"',))

    def test_knows_a_lease_without_an_end(self) -> None:
        """``expire never``."""
        found = lease_texts.read_dhclient(DHCLIENT, "wlan0")

        assert (found.address, found.expires_s) == ("192.0.2.7", None)

    @pytest.mark.parametrize(
        "expire", ["epoch 1795449739; # Mon Nov 23 16:02:19 2026", "1 2026/11/23 16:02:19;"]
    )
    def test_reads_both_ways_of_writing_a_time(self, expire: str) -> None:
        """``db-time-format local`` writes seconds since 1970."""
        text = DHCLIENT.replace("1 2026/11/23 16:02:19;", expire)

        found = lease_texts.read_dhclient(text, "eth0")

        assert found.expires_s == EXPIRES_S

    @pytest.mark.parametrize("expire", ["1 2026/13/45 16:02:19", "soon", ""])
    def test_needs_an_end(self, expire: str) -> None:
        """A lease that does not say its end cannot be called current."""
        text = DHCLIENT.replace("expire 1 2026/11/23 16:02:19", f"expire {expire}")

        assert lease_texts.read_dhclient(text, "eth0") is None

    def test_knows_only_its_interface(self) -> None:
        """The vantage interface is what is measured."""
        assert lease_texts.read_dhclient(DHCLIENT, "eth1") is None

    def test_survives_a_cut_file(self) -> None:
        """Only the end of a long file is read, and it is written while we read."""
        cuts = [lease_texts.read_dhclient(DHCLIENT[at:], "wlan0") for at in range(0, 700, 7)]
        heads = [lease_texts.read_dhclient(DHCLIENT[:at], "wlan0") for at in range(0, 700, 7)]

        assert cuts[0] is not None
        assert heads[0] is None


class TestAskedByDhclient:
    """`asked_by_dhclient` reads dhclient.conf(5)."""

    @pytest.mark.parametrize(
        ("text", "asked"),
        [
            (DHCLIENT_CONF, (6, 42)),
            ("", (6,)),
            ("request subnet-mask, routers;", ()),
            ("request ntp-servers;", (42,)),
            ("also request ntp-servers;", (6, 42)),
            ("request routers; also request ntp-servers, domain-name-servers;", (6, 42)),
            ("request ntp-servers; request routers;", ()),
            ("# request ntp-servers;", (6,)),
            ('interface "eth0" { request ntp-servers; }', ()),
        ],
    )
    def test_reads_the_lists(self, text: str, asked: tuple[int, ...]) -> None:
        """In doubt it has asked for nothing, and nothing is proven."""
        assert lease_texts.asked_by_dhclient(text) == asked


class TestReadPacket:
    """`read_packet` reads the message that dhcpcd keeps."""

    def test_reads_what_it_kept(self) -> None:
        """Parsed as any reply of a server."""
        assert lease_texts.read_packet(DHCPCD_ACK, WRITTEN_S) == lease("dhcpcd", dns=(), ntp=())

    def test_finds_the_router_among_the_routes(self) -> None:
        """Option 121."""
        packet = DHCPCD_ACK.replace(b"\x03\x04\x0a\x14\x00\x01", b"\x79\x05\x00\x0a\x14\x00\x01")

        found = lease_texts.read_packet(packet, WRITTEN_S)

        assert found.routers == ("10.20.0.1",)

    def test_keeps_what_is_wrong_with_it(self) -> None:
        """A text in option 42 names nobody."""
        packet = DHCPCD_ACK.replace(b"\x35\x01\x05", b"\x35\x01\x05\x2a\x06ntp.de")

        found = lease_texts.read_packet(packet, WRITTEN_S)

        assert (found.ntp, found.defects) == ((), ('option 42: "ntp.de"',))

    @pytest.mark.parametrize(
        "packet",
        [
            b"",
            DHCPCD_ACK.replace(b"\x35\x01\x05", b"\x35\x01\x02"),
            DHCPCD_ACK.replace(b"\x33\x04", b"\x32\x04"),
        ],
    )
    def test_needs_an_ack_with_an_end(self, packet: bytes) -> None:
        """Not a reply, not an ACK, without a lease time."""
        assert lease_texts.read_packet(packet, WRITTEN_S) is None


class TestAskedByDhcpcd:
    """`asked_by_dhcpcd` reads dhcpcd.conf(5)."""

    @pytest.mark.parametrize(
        ("added", "asked"),
        [
            ("", (6,)),
            ("option ntp_servers", (6, 42)),
            ("  option host_name ntp_servers # time", (6, 42)),
            ("interface eth1\noption ntp_servers", ()),
            ("nooption domain_name_servers", ()),
        ],
    )
    def test_reads_the_lists(self, added: str, asked: tuple[int, ...]) -> None:
        """In doubt it has asked for nothing, and nothing is proven."""
        assert lease_texts.asked_by_dhcpcd(DHCPCD_CONF + added) == asked

    def test_asks_for_nothing_by_itself(self) -> None:
        """Without a list it wants an address and no more."""
        assert lease_texts.asked_by_dhcpcd("") == ()


class TestReadIpconfig:
    """`read_ipconfig` reads what macOS prints."""

    def test_reads_what_it_prints(self) -> None:
        """The lease time is hexadecimal; a domain name must not become an address."""
        assert lease_texts.read_ipconfig(IPCONFIG) == lease("ipconfig", expires_s=None, asked=(6,))

    @pytest.mark.parametrize(
        "routes",
        [
            "{10.30.0.0/16, 10.20.0.9; 0.0.0.0/0, 10.20.0.1}",
            "{10.30.0.0/16, 10.20.0.9}, {0.0.0.0/0, 10.20.0.1}",
        ],
    )
    def test_finds_the_router_among_the_routes(self, routes: str) -> None:
        """Option 121, as it writes it."""
        text = IPCONFIG.replace(
            "router (ip_mult): {10.20.0.1}", f"classless_static_route (classless_route): {routes}"
        )

        assert lease_texts.read_ipconfig(text) == lease("ipconfig", expires_s=None, asked=(6,))

    def test_reads_a_decimal_lease_time(self) -> None:
        """In case a release prints it for people."""
        assert lease_texts.read_ipconfig(IPCONFIG.replace("0xe10", "3600")) == lease(
            "ipconfig", expires_s=None, asked=(6,)
        )

    def test_finds_nothing_where_nothing_is_printed(self) -> None:
        """An interface without DHCP."""
        assert lease_texts.read_ipconfig("") is None


class TestReadWindows:
    """`read_windows` reads the registry's values of an interface."""

    def test_reads_an_interface_that_uses_dhcp(self) -> None:
        """Texts, numbers and lists of texts."""
        assert lease_texts.read_windows(WINDOWS) == lease("windows", ntp=(), asked=(6,))

    def test_adds_the_time_servers(self) -> None:
        """They were asked for apart; whoever got no answer has not asked."""
        found = lease("windows", ntp=(), asked=(6,))

        assert lease_texts.with_time_servers(found, ("10.20.0.3",)) == lease(
            "windows", ntp=("10.20.0.3",), asked=(6, 42)
        )
        assert lease_texts.with_time_servers(found, None) == found

    def test_knows_a_lease_without_an_end(self) -> None:
        """The end of time is 2038 there."""
        found = lease_texts.read_windows({**WINDOWS, "LeaseTerminatesTime": 2147483647})

        assert found
        assert found.expires_s is None

    @pytest.mark.parametrize(
        "values",
        [{}, {**WINDOWS, "EnableDHCP": 0}, {"EnableDHCP": 1, "DhcpIPAddress": "0.0.0.0"}],
    )
    def test_finds_nothing_in_anything_else(self, values: dict[str, object]) -> None:
        """Values of an earlier lease stay behind when somebody sets an address by hand."""
        assert lease_texts.read_windows(values) is None


class TestReadWicked:
    """`read_wicked` reads SUSE's lease files."""

    def test_reads_what_it_keeps(self) -> None:
        """The default route has no destination; a domain is no server."""
        assert lease_texts.read_wicked(WICKED, 0.0) == lease("wicked")

    def test_reads_a_default_route_that_says_so(self) -> None:
        """In case a release writes it out."""
        text = WICKED.replace(
            "<route>\n        <nexthop>",
            "<route>\n        <destination>0.0.0.0/0</destination>\n        <nexthop>",
        )

        assert lease_texts.read_wicked(text, 0.0) == lease("wicked")

    def test_counts_from_the_writing_without_a_time(self) -> None:
        """Half a file is still a lease, as long as it says how long it holds."""
        text = WICKED.replace("acquired", "wanted").replace("server-address", "server-id")

        assert lease_texts.read_wicked(text, WRITTEN_S) == lease("wicked")

    @pytest.mark.parametrize(
        "text",
        ["", WICKED.replace("granted", "released"), WICKED.replace("ipv4:dhcp", "ipv6:dhcp")],
    )
    def test_knows_what_is_no_lease(self, text: str) -> None:
        """Files stay behind after a release."""
        assert lease_texts.read_wicked(text, WRITTEN_S) is None


class TestReadConnman:
    """`connman_services` and `read_connman` read what ConnMan's own client prints."""

    def test_finds_the_connected_services(self) -> None:
        """Ready or online; a network that is only known has no lease."""
        assert lease_texts.connman_services(CONNMAN_SERVICES) == (
            "ethernet_bea666b58976_cable",
            "wifi_d45d64aabbcc_5765726b_managed_psk",
        )

    def test_reads_a_service(self) -> None:
        """It keeps no server and no end."""
        expected = lease("ConnMan", server_id=None, lease_s=None, expires_s=None)

        assert lease_texts.read_connman(CONNMAN, "eth0") == expected

    def test_leaves_out_what_somebody_set(self) -> None:
        """Servers from its settings are not the network's."""
        text = CONNMAN.replace(
            "Nameservers.Configuration = [  ]", "Nameservers.Configuration = [ 9.9.9.9 ]"
        )
        text = text.replace(
            "Timeservers.Configuration = [  ]", "Timeservers.Configuration = [ a.example ]"
        )

        found = lease_texts.read_connman(text, "eth0")

        assert (found.dns, found.ntp) == ((), ())

    @pytest.mark.parametrize(
        ("text", "interface"),
        [(CONNMAN, "eth1"), (CONNMAN.replace("dhcp", "manual"), "eth0"), ("", "eth0")],
    )
    def test_knows_what_is_no_lease(self, text: str, interface: str) -> None:
        """Another interface, an address set by hand, no ConnMan at all."""
        assert lease_texts.read_connman(text, interface) is None


class TestReadUdhcpc:
    """`read_udhcpc` reads the variables of its script."""

    def test_reads_what_it_tells(self) -> None:
        """The lease runs from the time of writing."""
        assert lease_texts.read_udhcpc(UDHCPC, WRITTEN_S, "eth0") == lease("udhcpc")

    def test_reads_exported_variables_and_a_plain_router(self) -> None:
        """As a script may write them."""
        text = "".join(f"export {line}\n" for line in UDHCPC.splitlines())
        text = text.replace(
            "staticroutes='0.0.0.0/0 10.20.0.1 10.30.0.0/16 10.20.0.9'", "router=10.20.0.1"
        )

        assert lease_texts.read_udhcpc(text, WRITTEN_S, "eth0") == lease("udhcpc")

    @pytest.mark.parametrize("text", ["4711\n", UDHCPC.replace("lease=", "opt51="), "ip=\nlease=1"])
    def test_knows_what_is_no_lease(self, text: str) -> None:
        """A process id has the same name, and a lease without an end cannot be called current."""
        assert lease_texts.read_udhcpc(text, WRITTEN_S, "eth0") is None

    def test_knows_only_its_interface(self) -> None:
        """The vantage interface is what is measured."""
        assert lease_texts.read_udhcpc(UDHCPC, WRITTEN_S, "eth1") is None


class TestReaders:
    """All readers together."""

    @settings(max_examples=200)
    @given(st.text(max_size=300))
    def test_survive_any_text(self, text: str) -> None:
        """A file of somebody else's program may hold anything."""
        found = (
            lease_texts.read_networkd(text, WRITTEN_S),
            lease_texts.read_nmcli(text),
            lease_texts.read_variables(text),
            lease_texts.read_dhclient(text, "eth0"),
            lease_texts.read_ipconfig(text),
            lease_texts.read_windows({"EnableDHCP": 1, "DhcpIPAddress": text, "Lease": text}),
            lease_texts.read_wicked(text, WRITTEN_S),
            lease_texts.read_connman(text, "eth0"),
            lease_texts.read_udhcpc(text, WRITTEN_S, "eth0"),
        )

        assert all(one is None or isinstance(one, Lease) for one in found)

    @pytest.mark.parametrize("piece", ["\n", '"', '\\"', "lease{", "request ", "option ", "AO a_ "])
    def test_are_quick_about_any_file(self, piece: str) -> None:
        """A file as long as is read must not keep the run waiting, whatever was repeated in it."""
        text = piece * (60_000 // len(piece))
        begin_s = time.process_time()

        lease_texts.read_dhclient(text, "eth0")
        lease_texts.read_connman(text, "eth0")
        lease_texts.connman_services(text)
        lease_texts.asked_by_networkd(text)
        lease_texts.asked_by_dhclient(text)
        lease_texts.asked_by_dhcpcd(text)

        assert time.process_time() - begin_s < 3

    @settings(max_examples=200)
    @given(st.lists(st.sampled_from(DHCLIENT_WORDS), max_size=30).map("".join))
    def test_survive_any_order_of_words(self, text: str) -> None:
        """The log of dhclient is the one with a grammar, and may be cut anywhere."""
        found = lease_texts.read_dhclient(text, "eth0")

        assert found is None or found.address == "10.20.0.161"
