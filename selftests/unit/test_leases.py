"""The lease probe: what each DHCP client writes, where it keeps it, and what counts as current."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cube_acceptance.evidence import CannotMeasure, LeaseObserved, Vantage
from cube_acceptance.probes import dhcp, leases
from cube_acceptance.probes.leases import Lease, LeaseProbe
from cube_acceptance.probes.net import dhcp_message

LOOPBACK = next(name for name in psutil.net_if_stats() if name.lower().startswith("lo"))
INDEX = socket.if_nametoindex(LOOPBACK)
WRITTEN_S = 1_795_446_139.0
"""2026-11-23T15:02:19Z, when the leases below were written."""
EXPIRES_S = WRITTEN_S + 3600

NETWORKD = """\
# This is private data. Do not parse.
ADDRESS=10.20.0.161
NETMASK=255.255.255.0
ROUTER=10.20.0.1
SERVER_ADDRESS=10.20.0.1
NEXT_SERVER=10.20.0.1
BROADCAST=10.20.0.255
T1=1800
T2=3150
LIFETIME=3600
DNS=10.20.0.1 10.20.0.2
NTP=10.20.0.3
HOSTNAME=vm
CLIENTID=01bea666b58976
"""
"""What systemd-networkd 252 wrote."""

DHCLIENT = """\
lease {
  interface "eth0";
  fixed-address 10.20.0.99;
  option dhcp-lease-time 3600;
  expire 0 2026/11/22 16:02:19;
}
lease {
  interface "eth0";
  fixed-address 10.20.0.161;
  option subnet-mask 255.255.255.0;
  option routers 10.20.0.1;
  option dhcp-lease-time 3600;
  option dhcp-message-type 5;
  option domain-name-servers 10.20.0.1,10.20.0.2;
  option dhcp-server-identifier 10.20.0.1;
  option domain-name "a}; fixed-address 192.0.2.1; {\\"";
  option ntp-servers 10.20.0.3;
  renew 1 2026/11/23 15:30:09;
  rebind 1 2026/11/23 15:54:49;
  expire 1 2026/11/23 16:02:19;
}
lease {
  interface "wlan0";
  fixed-address 192.0.2.7;
  expire never;
}
"""
"""What dhclient 4.4.3 writes, with a hostile domain name."""

DHCLIENT_WORDS = (
    "lease {",
    "}",
    ";",
    " ",
    '"',
    "\\",
    'interface "eth0"',
    "fixed-address 10.20.0.161",
    "option ",
    "option routers ,",
    "expire ",
    "expire never",
)

DHCPCD = """\
reason=BOUND
interface=eth0
protocol=dhcp
ip_address=10.20.0.161
subnet_cidr=24
network_number=10.20.0.0
subnet_mask=255.255.255.0
routers=10.20.0.1
broadcast_address=10.20.0.255
domain_name_servers='10.20.0.1 10.20.0.2'
ntp_servers=10.20.0.3
dhcp_lease_time=3600
dhcp_message_type=5
dhcp_server_identifier=10.20.0.1
"""
"""What ``dhcpcd -4 -U eth0`` 9.4.1 printed, with servers added."""

DHCPCD_ACK = bytes.fromhex(
    "020106002c755a2d00000000000000000a1400a10a14000100000000bea666b58976" + "00" * 202 + "63825363"
    "35010536040a140001330400000e103a04000007083b0400000c4e0104ffffff001c040a1400ff03040a140001ff"
).ljust(300, b"\0")
"""The lease file that dhcpcd 9.4.1 kept."""

NMCLI = """\
DHCP4.OPTION[1]:dhcp_lease_time = 3600
DHCP4.OPTION[2]:dhcp_server_identifier = 10.20.0.1
DHCP4.OPTION[3]:domain_name_servers = 10.20.0.1 10.20.0.2
DHCP4.OPTION[4]:expiry = 1795449739
DHCP4.OPTION[5]:ip_address = 10.20.0.161
DHCP4.OPTION[6]:ntp_servers = 10.20.0.3
DHCP4.OPTION[7]:requested_broadcast_address = 1
DHCP4.OPTION[8]:requested_routers = 1
DHCP4.OPTION[9]:routers = 10.20.0.1
DHCP4.OPTION[10]:subnet_mask = 255.255.255.0
"""

IPCONFIG = """\
op = BOOTREPLY
htype = 1
flags = 0x0
hlen = 6
hops = 0
xid = 0x2c755a2d
secs = 0
ciaddr = 0.0.0.0
yiaddr = 10.20.0.161
siaddr = 10.20.0.1
giaddr = 0.0.0.0
chaddr = be:a6:66:b5:89:76
sname =
file =
options:
Options count is 8
dhcp_message_type (uint8): ACK 0x5
server_identifier (ip): 10.20.0.1
lease_time (uint32): 0xe10
subnet_mask (ip): 255.255.255.0
router (ip_mult): {10.20.0.1}
domain_name_server (ip_mult): {10.20.0.1, 10.20.0.2}
domain_name (string): yiaddr = 192.0.2.1
network_time_protocol_servers (ip_mult): {10.20.0.3}
end (none):
"""

WINDOWS = """\
[{"EnableDHCP":0,"DhcpIPAddress":"10.20.0.160","DhcpSubnetMask":"255.255.255.0"},
 {"EnableDHCP":1,"DhcpIPAddress":"10.20.0.161","DhcpSubnetMask":"255.255.255.0",
  "DhcpServer":"10.20.0.1","DhcpDefaultGateway":["10.20.0.1"],
  "DhcpNameServer":"10.20.0.1 10.20.0.2","Lease":3600,"LeaseTerminatesTime":1795449739},
 {"EnableDHCP":1,"DhcpIPAddress":"0.0.0.0"}, 7]
"""


def lease(client: str, **changes: object) -> Lease:
    """Give the lease that all of the above mean, but for what is changed."""
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
        assert leases.read_networkd(NETWORKD, WRITTEN_S) == lease("systemd-networkd")

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

        found = leases.read_networkd(text, WRITTEN_S)

        assert found is not None
        assert found.lease_s == lease_s

    def test_knows_a_lease_without_an_end(self) -> None:
        """RFC 2131 section 3.3: 0xffffffff is for ever, not 136 years."""
        found = leases.read_networkd(NETWORKD.replace("3600", "4294967295"), WRITTEN_S)

        assert found is not None
        assert found.expires_s is None

    def test_finds_the_router_among_the_routes(self) -> None:
        """With option 121 a client ignores option 3 (RFC 3442)."""
        routes = "ROUTES=10.30.0.0/16,10.20.0.9 0.0.0.0/0,10.20.0.1"

        found = leases.read_networkd(NETWORKD.replace("ROUTER=10.20.0.1", routes), WRITTEN_S)

        assert found is not None
        assert found.routers == ("10.20.0.1",)

    @pytest.mark.parametrize("text", ["", "ADDRESS=", "ADDRESS=10.20.0", "ADDRESS=0.0.0.0", "\0"])
    def test_needs_an_address(self, text: str) -> None:
        """Half a file is no lease."""
        assert leases.read_networkd(text, WRITTEN_S) is None

    def test_leaves_out_what_is_no_address(self) -> None:
        """A mask that is none, a name where an address belongs, more servers than anybody asks."""
        text = NETWORKD.replace("255.255.255.0", "255.0.255.0").replace(
            "NTP=10.20.0.3", "NTP=ntp.example 224.0.1.1"
        )
        text = text.replace("DNS=", "DNS=" + "10.20.0.7 " * 50).replace(
            "SERVER_ADDRESS=10.20.0.1", "SERVER_ADDRESS=dhcp"
        )

        found = leases.read_networkd(text, WRITTEN_S)

        assert found is not None
        assert (found.subnet_mask, found.server_id, found.ntp) == (None, None, ())
        assert len(found.dns) == dhcp_message.ADDRESS_LIMIT

    def test_leaves_out_a_mask_that_is_no_address(self) -> None:
        """A prefix length is not what this file holds."""
        found = leases.read_networkd(NETWORKD.replace("255.255.255.0", "24"), WRITTEN_S)

        assert found is not None
        assert found.subnet_mask is None


class TestReadNmcli:
    """`read_nmcli` reads NetworkManager's own words."""

    def test_reads_what_it_prints(self) -> None:
        """``requested_routers`` must not be taken for the routers."""
        assert leases.read_nmcli(NMCLI) == lease("NetworkManager")

    def test_knows_a_lease_without_an_end(self) -> None:
        """NetworkManager leaves ``expiry`` out then."""
        found = leases.read_nmcli(NMCLI.replace("expiry", "other"))

        assert found == lease("NetworkManager", expires_s=None)

    @pytest.mark.parametrize("text", ["", "Error: Device 'eth0' not found.", "DHCP4:\n"])
    def test_finds_nothing_in_anything_else(self, text: str) -> None:
        """An interface without DHCP has no such lines."""
        assert leases.read_nmcli(text) is None


class TestReadVariables:
    """`read_variables` reads ``dhcpcd -U``."""

    def test_reads_what_it_prints(self) -> None:
        """It prints no end; a running dhcpcd prints only what is current."""
        assert leases.read_variables(DHCPCD) == lease("dhcpcd", expires_s=None)

    @pytest.mark.parametrize(
        "routes",
        [
            "classless_static_routes='10.30.0.0/16 10.20.0.9 0.0.0.0/0 10.20.0.1'",
            "rfc3442_classless_static_routes='0.0.0.0/0 10.20.0.1'",
        ],
    )
    def test_finds_the_router_among_the_routes(self, routes: str) -> None:
        """Option 121 under both of its names."""
        found = leases.read_variables(DHCPCD.replace("routers=10.20.0.1", routes))

        assert found is not None
        assert found.routers == ("10.20.0.1",)


class TestReadDhclient:
    """`read_dhclient` reads a log of leases."""

    def test_takes_the_last_of_the_interface(self) -> None:
        """Older ones and other interfaces' stand in the same file; a quoted brace ends nothing."""
        assert leases.read_dhclient(DHCLIENT, "eth0") == lease("dhclient")

    def test_knows_a_lease_without_an_end(self) -> None:
        """``expire never``."""
        found = leases.read_dhclient(DHCLIENT, "wlan0")

        assert found is not None
        assert (found.address, found.expires_s) == ("192.0.2.7", None)

    @pytest.mark.parametrize(
        "expire", ["epoch 1795449739; # Mon Nov 23 16:02:19 2026", "1 2026/11/23 16:02:19;"]
    )
    def test_reads_both_ways_of_writing_a_time(self, expire: str) -> None:
        """``db-time-format local`` writes seconds since 1970."""
        text = DHCLIENT.replace("1 2026/11/23 16:02:19;", expire)

        found = leases.read_dhclient(text, "eth0")

        assert found is not None
        assert found.expires_s == EXPIRES_S

    @pytest.mark.parametrize("expire", ["1 2026/13/45 16:02:19", "soon", ""])
    def test_needs_an_end(self, expire: str) -> None:
        """A lease that does not say its end cannot be called current."""
        text = DHCLIENT.replace("expire 1 2026/11/23 16:02:19", f"expire {expire}")

        assert leases.read_dhclient(text, "eth0") is None

    def test_knows_only_its_interface(self) -> None:
        """The vantage interface is what is measured."""
        assert leases.read_dhclient(DHCLIENT, "eth1") is None

    def test_survives_a_cut_file(self) -> None:
        """Only the end of a long file is read, and it is written while we read."""
        cuts = [leases.read_dhclient(DHCLIENT[at:], "wlan0") for at in range(0, 700, 7)]
        heads = [leases.read_dhclient(DHCLIENT[:at], "wlan0") for at in range(0, 700, 7)]

        assert cuts[0] is not None
        assert heads[0] is None


class TestReadPacket:
    """`read_packet` reads the message that dhcpcd keeps."""

    def test_reads_what_it_kept(self) -> None:
        """Parsed as any reply of a server."""
        assert leases.read_packet(DHCPCD_ACK, WRITTEN_S) == lease("dhcpcd", dns=(), ntp=())

    def test_finds_the_router_among_the_routes(self) -> None:
        """Option 121."""
        packet = DHCPCD_ACK.replace(b"\x03\x04\x0a\x14\x00\x01", b"\x79\x05\x00\x0a\x14\x00\x01")

        found = leases.read_packet(packet, WRITTEN_S)

        assert found is not None
        assert found.routers == ("10.20.0.1",)

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
        assert leases.read_packet(packet, WRITTEN_S) is None


class TestReadIpconfig:
    """`read_ipconfig` reads what macOS prints."""

    def test_reads_what_it_prints(self) -> None:
        """The lease time is hexadecimal; a domain name must not become an address."""
        assert leases.read_ipconfig(IPCONFIG) == lease("ipconfig", expires_s=None)

    def test_reads_a_decimal_lease_time(self) -> None:
        """In case a release prints it for people."""
        assert leases.read_ipconfig(IPCONFIG.replace("0xe10", "3600")) == lease(
            "ipconfig", expires_s=None
        )

    def test_finds_nothing_where_nothing_is_printed(self) -> None:
        """An interface without DHCP."""
        assert leases.read_ipconfig("") is None


class TestReadWindows:
    """`read_windows` reads the registry's interfaces."""

    def test_reads_the_interfaces_that_use_dhcp(self) -> None:
        """Values of an earlier lease stay behind when somebody sets an address by hand."""
        assert leases.read_windows(WINDOWS) == (lease("windows", ntp=()),)

    def test_reads_a_single_interface(self) -> None:
        """ConvertTo-Json writes no list around one object."""
        found = leases.read_windows('{"EnableDHCP":1,"DhcpIPAddress":"10.20.0.161"}')

        assert [one.address for one in found] == ["10.20.0.161"]

    def test_knows_a_lease_without_an_end(self) -> None:
        """The end of time is 2038 there."""
        (found,) = leases.read_windows(WINDOWS.replace("1795449739", "2147483647"))

        assert found.expires_s is None

    @pytest.mark.parametrize("text", ["", "{", "null", "[[]]", "[" * 100_000])
    def test_finds_nothing_in_anything_else(self, text: str) -> None:
        """PowerShell's own errors are no JSON."""
        assert leases.read_windows(text) == ()


class TestReaders:
    """All readers together."""

    @settings(max_examples=200, deadline=None, database=None)
    @given(st.text(max_size=300))
    def test_survive_any_text(self, text: str) -> None:
        """A file of somebody else's program may hold anything."""
        found = (
            leases.read_networkd(text, WRITTEN_S),
            leases.read_nmcli(text),
            leases.read_variables(text),
            leases.read_dhclient(text, "eth0"),
            leases.read_ipconfig(text),
            *leases.read_windows(text),
        )

        assert all(one is None or isinstance(one, Lease) for one in found)

    @settings(max_examples=200, deadline=None, database=None)
    @given(st.lists(st.sampled_from(DHCLIENT_WORDS), max_size=30).map("".join))
    def test_survive_any_order_of_words(self, text: str) -> None:
        """The log of dhclient is the one with a grammar, and may be cut anywhere."""
        found = leases.read_dhclient(text, "eth0")

        assert found is None or found.address == "10.20.0.161"


class TestRunCommand:
    """`run_command` asks a program of this computer."""

    def test_gives_the_output(self) -> None:
        """Standard output only; a failure's exit status does not matter."""
        script = "import sys; print('a lease'); sys.stderr.write('noise'); sys.exit(3)"

        assert leases.run_command((sys.executable, "-c", script), 30).strip() == "a lease"

    def test_is_bounded(self) -> None:
        """Nothing that big is a lease."""
        script = "print('x' * 200_000)"

        assert len(leases.run_command((sys.executable, "-c", script), 30)) == leases.READ_LIMIT

    def test_gives_nothing_for_a_program_that_is_not_there(self) -> None:
        """Most computers have one DHCP client, not four."""
        assert leases.run_command(("no-such-dhcp-client",), 30) == ""

    def test_gives_nothing_for_a_program_that_hangs(self) -> None:
        """A bus that does not answer must not hold up the run."""
        assert leases.run_command((sys.executable, "-c", "input() or 1"), 30) == ""
        assert leases.run_command((sys.executable, "-c", "import time; time.sleep(60)"), 0.2) == ""


class TestReadFile:
    """`read_file` reads a regular file's end."""

    def test_gives_content_and_time(self, tmp_path: Path) -> None:
        """The time of writing is when the lease began."""
        path = tmp_path / "lease"
        path.write_bytes(b"content")
        os.utime(path, (WRITTEN_S, WRITTEN_S))

        assert leases.read_file(path) == (b"content", WRITTEN_S)

    def test_reads_the_end_of_a_long_file(self, tmp_path: Path) -> None:
        """A log's last entry counts."""
        path = tmp_path / "lease"
        path.write_bytes(b"a" * leases.READ_LIMIT + b"z")

        content, _ = leases.read_file(path) or (b"", 0)

        assert len(content) == leases.READ_LIMIT
        assert content.endswith(b"az")

    def test_gives_nothing_for_what_is_no_file(self, tmp_path: Path) -> None:
        """A named pipe would wait for ever."""
        pipe = tmp_path / "pipe"
        os.mkfifo(pipe)

        assert leases.read_file(pipe) is None
        assert leases.read_file(tmp_path) is None
        assert leases.read_file(tmp_path / "nothing") is None


class TestAddressesOf:
    """`addresses_of` asks the system."""

    def test_knows_the_loopback_interface(self) -> None:
        """It has 127.0.0.1 everywhere."""
        assert "127.0.0.1" in leases.addresses_of(LOOPBACK)


def put(root: Path, name: str, content: str | bytes, written_s: float = WRITTEN_S) -> None:
    """Write a file below the folder that stands for ``/``."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    os.utime(path, (written_s, written_s))


class _Commands:
    """Programs that print what they are told to, and a note of what was run."""

    def __init__(self, **outputs: str) -> None:
        self.outputs = outputs
        self.run: list[tuple[str, ...]] = []

    def __call__(self, arguments: tuple[str, ...], limit_s: float) -> str:
        assert limit_s == leases.COMMAND_LIMIT_S
        self.run.append(arguments)
        return self.outputs.get(arguments[0], "")


def look(
    root: Path, commands: _Commands | None = None, **changes: object
) -> LeaseObserved | CannotMeasure:
    """Run the probe on a made-up computer, ten minutes after the lease was written."""
    settings = {
        "vantage": Vantage(interface=LOOPBACK, address="10.20.0.161", prefix=24),
        "root": root,
        "platform": "linux",
        "run_command": commands or _Commands(),
        "addresses_of": lambda _interface: frozenset({"10.20.0.161"}),
        "now": lambda: WRITTEN_S + 600,
    }
    return LeaseProbe(**{**settings, **changes}).run()


class TestRun:
    """`run` finds the client that holds the current lease."""

    @pytest.mark.parametrize(
        ("name", "content", "client"),
        [
            (f"run/systemd/netif/leases/{INDEX}", NETWORKD, "systemd-networkd"),
            (
                f"var/lib/NetworkManager/internal-7d2c-{LOOPBACK}.lease",
                NETWORKD,
                "NetworkManager",
            ),
            ("var/lib/dhcp/dhclient.leases", DHCLIENT, "dhclient"),
            ("var/lib/dhcp/dhclient.eth0.leases", DHCLIENT, "dhclient"),
            ("var/lib/dhclient/dhclient.leases", DHCLIENT, "dhclient"),
            (f"var/lib/NetworkManager/dhclient-7d2c-{LOOPBACK}.lease", DHCLIENT, "dhclient"),
            (f"var/lib/dhcpcd/{LOOPBACK}.lease", DHCPCD_ACK, "dhcpcd"),
            (f"var/lib/dhcpcd/{LOOPBACK}-wifi.lease", DHCPCD_ACK, "dhcpcd"),
            (f"var/lib/dhcpcd5/dhcpcd-{LOOPBACK}.lease", DHCPCD_ACK, "dhcpcd"),
        ],
    )
    def test_reads_files(
        self, tmp_path: Path, name: str, content: str | bytes, client: str
    ) -> None:
        """Each client in the place where it keeps its leases."""
        if isinstance(content, str):
            content = content.replace('"eth0"', f'"{LOOPBACK}"')
        put(tmp_path, name, content)

        found = look(tmp_path)

        assert isinstance(found, LeaseObserved)
        assert (found.client, found.address) == (client, "10.20.0.161")
        assert (found.server_id, found.routers) == ("10.20.0.1", ("10.20.0.1",))
        assert found.expires == "2026-11-23T16:02:19.000Z"

    @pytest.mark.parametrize(
        ("platform", "program", "output", "client"),
        [
            ("linux", "nmcli", NMCLI, "NetworkManager"),
            ("linux", "dhcpcd", DHCPCD, "dhcpcd"),
            ("darwin", "ipconfig", IPCONFIG, "ipconfig"),
            ("win32", "powershell", WINDOWS, "windows"),
        ],
    )
    def test_asks_programs(
        self, tmp_path: Path, platform: str, program: str, output: str, client: str
    ) -> None:
        """Where the files are another user's, the client itself says it to anybody."""
        commands = _Commands(**{program: output})

        found = look(tmp_path, commands, platform=platform)

        assert isinstance(found, LeaseObserved)
        assert (found.client, found.lease_s) == (client, 3600)
        assert found.dns == ("10.20.0.1", "10.20.0.2")
        assert program in [arguments[0] for arguments in commands.run]

    @pytest.mark.parametrize(
        ("name", "content"),
        [
            (f"var/lib/NetworkManager/internal-7d2c-{LOOPBACK}.lease", NETWORKD),
            ("var/lib/dhcp/dhclient.leases", DHCLIENT.replace("eth0", LOOPBACK)),
            (f"var/lib/dhcpcd/{LOOPBACK}.lease", DHCPCD_ACK),
        ],
    )
    def test_does_not_believe_an_expired_lease(
        self, tmp_path: Path, name: str, content: str | bytes
    ) -> None:
        """These files stay behind when the network is long another one."""
        put(tmp_path, name, content)

        assert isinstance(look(tmp_path, now=lambda: EXPIRES_S), CannotMeasure)

    def test_believes_networkd_as_long_as_the_file_is_there(self, tmp_path: Path) -> None:
        """It goes with the lease, and is not written anew at every renewal."""
        put(tmp_path, f"run/systemd/netif/leases/{INDEX}", NETWORKD)

        found = look(tmp_path, now=lambda: EXPIRES_S + 1)

        assert isinstance(found, LeaseObserved)
        assert found.expires is None

    def test_does_not_believe_networkmanager_without_an_end(self, tmp_path: Path) -> None:
        """Its newer files hold the last address only, whether or not it is in use."""
        name = f"var/lib/NetworkManager/internal-7d2c-{LOOPBACK}.lease"
        put(tmp_path, name, "ADDRESS=10.20.0.161\n")

        assert isinstance(look(tmp_path), CannotMeasure)

    def test_does_not_believe_a_lease_for_another_address(self, tmp_path: Path) -> None:
        """The interface was given its address by hand since."""
        put(tmp_path, f"run/systemd/netif/leases/{INDEX}", NETWORKD)

        found = look(tmp_path, addresses_of=lambda _interface: frozenset({"10.20.0.7"}))

        assert isinstance(found, CannotMeasure)

    def test_goes_on_to_the_next_client(self, tmp_path: Path) -> None:
        """What one client left behind must not hide what another one holds."""
        put(tmp_path, f"run/systemd/netif/leases/{INDEX}", NETWORKD.replace(".161", ".99"))
        put(tmp_path, "var/lib/dhcp/dhclient.leases", DHCLIENT.replace("eth0", LOOPBACK))

        found = look(tmp_path)

        assert isinstance(found, LeaseObserved)
        assert found.client == "dhclient"

    def test_takes_the_file_written_last(self, tmp_path: Path) -> None:
        """One connection after the other leaves a file each."""
        older = NETWORKD.replace("DNS=10.20.0.1 10.20.0.2", "DNS=10.20.0.8")
        folder = "var/lib/NetworkManager/internal"
        put(tmp_path, f"{folder}-1-{LOOPBACK}.lease", older, WRITTEN_S - 60)
        put(tmp_path, f"{folder}-2-{LOOPBACK}.lease", NETWORKD)
        put(tmp_path, f"{folder}-3-{LOOPBACK}.lease", older, WRITTEN_S - 30)

        found = look(tmp_path)

        assert isinstance(found, LeaseObserved)
        assert found.dns == ("10.20.0.1", "10.20.0.2")

    @pytest.mark.parametrize("platform", ["linux", "darwin", "win32", "sunos5"])
    def test_says_how_to_be_allowed_to_ask(self, tmp_path: Path, platform: str) -> None:
        """Without a lease the way out is the right to ask; neither pass nor fail."""
        found = look(tmp_path, platform=platform)

        assert isinstance(found, CannotMeasure)
        assert found.cause == "not-permitted"
        assert LOOPBACK in found.detail
        assert found.command == dhcp.grant_command(platform)

    def test_survives_an_interface_that_is_gone(self, tmp_path: Path) -> None:
        """An adapter may be pulled at any time."""
        gone = Vantage(interface="nowhere0", address="", prefix=32)

        assert isinstance(look(tmp_path, vantage=gone), CannotMeasure)

    def test_survives_a_folder_that_cannot_be_searched(self) -> None:
        """Some are root's own."""

        class Forbidden:
            def glob(self, _pattern: str) -> list[Path]:
                raise PermissionError

        assert isinstance(look(Forbidden()), CannotMeasure)

    def test_leaves_out_an_end_beyond_the_calendar(self, tmp_path: Path) -> None:
        """A damaged number is no crash."""
        text = DHCLIENT.replace("eth0", LOOPBACK).replace(
            "expire 1 2026/11/23 16:02:19", "expire epoch 999999999999"
        )
        put(tmp_path, "var/lib/dhcp/dhclient.leases", text)

        found = look(tmp_path)

        assert isinstance(found, LeaseObserved)
        assert found.expires is None

    def test_has_a_key_and_the_systems_own_seams(self) -> None:
        """By default it looks at this computer; comparing probes must not compare seams."""
        vantage = Vantage(interface=LOOPBACK, address="127.0.0.1", prefix=8, loopback=True)
        probe = LeaseProbe(vantage=vantage)

        assert probe.key == "lease"
        assert (probe.root, probe.platform) == (Path("/"), sys.platform)
        assert probe == LeaseProbe(vantage=vantage, run_command=_Commands(), now=lambda: 0.0)
