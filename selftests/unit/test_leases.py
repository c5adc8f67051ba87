"""The lease probe: where each DHCP client keeps its lease, and what counts as current."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import psutil
import pytest
from leasesamples import (
    CONNMAN,
    CONNMAN_SERVICES,
    DHCLIENT,
    DHCLIENT_CONF,
    DHCPCD,
    DHCPCD_ACK,
    DHCPCD_CONF,
    EXPIRES_S,
    IPCONFIG,
    NETWORK,
    NETWORKD,
    NMCLI,
    UDHCPC,
    WICKED,
    WINDOWS,
    WRITTEN_S,
)

from cube_acceptance.evidence import CannotMeasure, LeaseObserved, Vantage
from cube_acceptance.probes import leases
from cube_acceptance.probes.leases import LeaseProbe
from cube_acceptance.probes.net.grant import grant_command
from cube_acceptance.programs import OUTPUT_LIMIT, run_command

LOOPBACK = next(name for name in psutil.net_if_stats() if name.lower().startswith("lo"))
INDEX = socket.if_nameindex()[0][0]
LINK = "ADMIN_STATE=configured\nNETWORK_FILE=/run/systemd/network/1.network\n"
"""What systemd-networkd notes of a link."""


class TestRunCommand:
    """`run_command` asks a program of this computer."""

    def test_gives_the_output(self) -> None:
        """Standard output only; a failure's exit status does not matter."""
        script = "import sys; print('a lease'); sys.stderr.write('noise'); sys.exit(3)"

        assert run_command((sys.executable, "-c", script), 30).strip() == "a lease"

    def test_is_bounded(self) -> None:
        """Nothing that big is a lease."""
        script = "print('x' * 200_000)"

        assert len(run_command((sys.executable, "-c", script), 30)) == OUTPUT_LIMIT

    def test_gives_nothing_for_a_program_that_is_not_there(self) -> None:
        """Most computers have one DHCP client, not four."""
        assert run_command(("no-such-dhcp-client",), 30) == ""

    def test_gives_nothing_for_a_program_that_hangs(self) -> None:
        """A bus that does not answer must not hold up the run."""
        assert run_command((sys.executable, "-c", "input() or 1"), 30) == ""
        assert run_command((sys.executable, "-c", "import time; time.sleep(60)"), 0.2) == ""


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
            (f"var/lib/wicked/lease-{LOOPBACK}-dhcp-ipv4.xml", WICKED, "wicked"),
            (f"run/wicked/lease-dhcp-ipv4-{LOOPBACK}.xml", WICKED, "wicked"),
            (f"run/udhcpc.{LOOPBACK}.info", UDHCPC, "udhcpc"),
            (f"run/udhcpc/{LOOPBACK}.lease", UDHCPC, "udhcpc"),
            (f"var/lib/udhcpc/lease.{LOOPBACK}", UDHCPC, "udhcpc"),
        ],
    )
    def test_reads_files(
        self, tmp_path: Path, name: str, content: str | bytes, client: str
    ) -> None:
        """Each client in the place where it keeps its leases."""
        if isinstance(content, str):
            content = content.replace("eth0", LOOPBACK)
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

    def test_asks_connman_service_by_service(self, tmp_path: Path) -> None:
        """The connected ones, until one is on the interface."""

        def connman(arguments: tuple[str, ...], _limit_s: float) -> str:
            if arguments == ("connmanctl", "services"):
                return CONNMAN_SERVICES
            wired = arguments == ("connmanctl", "services", "ethernet_bea666b58976_cable")
            return CONNMAN.replace("eth0", LOOPBACK) if wired else ""

        found = look(tmp_path, run_command=connman)

        assert isinstance(found, LeaseObserved)
        assert (found.client, found.address) == ("ConnMan", "10.20.0.161")

    @pytest.mark.parametrize(
        ("lease", "others", "asked"),
        [
            (f"run/systemd/netif/leases/{INDEX}", {}, ()),
            (
                f"run/systemd/netif/leases/{INDEX}",
                {
                    f"run/systemd/netif/links/{INDEX}": LINK,
                    "run/systemd/network/1.network": NETWORK,
                },
                (6, 42),
            ),
            (
                f"run/systemd/netif/leases/{INDEX}",
                {
                    f"run/systemd/netif/links/{INDEX}": LINK,
                    "run/systemd/network/1.network": NETWORK,
                    "etc/systemd/network/1.network.d/time.conf": "[DHCPv4]\nUseNTP=no\n",
                },
                (6,),
            ),
            (f"run/systemd/netif/leases/{INDEX}", {f"run/systemd/netif/links/{INDEX}": LINK}, ()),
            ("var/lib/dhcp/dhclient.leases", {}, (6,)),
            ("var/lib/dhcp/dhclient.leases", {"etc/dhcp/dhclient.conf": DHCLIENT_CONF}, (6, 42)),
            (
                f"var/lib/NetworkManager/dhclient-7-{LOOPBACK}.lease",
                {
                    "etc/dhcp/dhclient.conf": "request routers;",
                    f"var/lib/NetworkManager/dhclient-{LOOPBACK}.conf": DHCLIENT_CONF,
                },
                (6, 42),
            ),
            (f"var/lib/dhcpcd/{LOOPBACK}.lease", {"etc/dhcpcd.conf": DHCPCD_CONF}, (6,)),
        ],
    )
    def test_knows_what_was_asked_for(
        self, tmp_path: Path, lease: str, others: dict[str, str], asked: tuple[int, ...]
    ) -> None:
        """The client's own configuration says it."""
        content = {"systemd": NETWORKD, "dhcpcd": DHCPCD_ACK}
        text = next((content[word] for word in content if word in lease), DHCLIENT)
        put(tmp_path, lease, text.replace("eth0", LOOPBACK) if isinstance(text, str) else text)
        for name, other in others.items():
            put(tmp_path, name, other)

        found = look(tmp_path)

        assert isinstance(found, LeaseObserved)
        assert found.asked == asked

    def test_tells_what_is_wrong_with_the_lists(self, tmp_path: Path) -> None:
        """A text instead of time servers."""
        letters = "110.116.112.46,100.101.46.101"
        text = DHCLIENT.replace("eth0", LOOPBACK).replace("10.20.0.3", letters)
        put(tmp_path, "var/lib/dhcp/dhclient.leases", text)

        found = look(tmp_path)

        assert isinstance(found, LeaseObserved)
        assert found.defects == ('option 42: "ntp.de.e"',)

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

    @pytest.mark.parametrize(("told", "asked"), [(("10.20.0.3",), (6, 42)), (None, (6,))])
    def test_asks_windows(
        self, tmp_path: Path, told: tuple[str, ...] | None, asked: tuple[int, ...]
    ) -> None:
        """The registry has the lease; the client may tell which time servers it brought."""
        found = look(
            tmp_path, platform="win32", registry=lambda _: WINDOWS, time_servers=lambda _: told
        )

        assert isinstance(found, LeaseObserved)
        assert (found.client, found.lease_s, found.asked) == ("windows", 3600, asked)
        assert found.ntp == (told or ())

    @pytest.mark.parametrize("platform", ["linux", "darwin", "win32", "sunos5"])
    def test_says_how_to_be_allowed_to_ask(self, tmp_path: Path, platform: str) -> None:
        """Without a lease the way out is the right to ask; neither pass nor fail."""
        found = look(tmp_path, platform=platform)

        assert isinstance(found, CannotMeasure)
        assert found.cause == "not-permitted"
        assert LOOPBACK in found.detail
        assert found.command == grant_command(platform)

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
