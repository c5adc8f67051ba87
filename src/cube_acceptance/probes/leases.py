"""Read the DHCP lease that this computer itself holds on the vantage interface.

What is left where :mod:`~cube_acceptance.probes.dhcp` lacks the right to ask: a current lease
proves a server, though not a free address. Every DHCP client keeps its lease elsewhere and writes
it differently; each has a function here that reads its text or bytes. A lease counts only if it
has not expired and its address is one that the interface has now.
"""

from __future__ import annotations

import glob
import ipaddress
import json
import os
import re
import shutil
import socket
import stat
import subprocess
import sys
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from cube_acceptance.addresses import is_host
from cube_acceptance.evidence import CannotMeasure, LeaseObserved, Vantage, timestamp
from cube_acceptance.probes import dhcp
from cube_acceptance.probes.net import dhcp_message
from cube_acceptance.probes.net.sockets import (
    CannotAskError,
    Stopwatch,
    interface_networks,
    measured,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

READ_LIMIT = 64 * 1024
"""How many bytes of a file (its end) and of a command's output (its beginning) are read."""
FILE_LIMIT = 32
"""How many files of one client are looked into."""
COMMAND_LIMIT_S = 15.0
"""How long one command may take; PowerShell needs several seconds to start."""
INFINITE = 0xFFFFFFFF
"""A lease time that means for ever (RFC 2131 section 3.3)."""
ADMINISTRATOR_FOLDERS = ("/usr/sbin", "/sbin")
"""Where dhcpcd is; not on an ordinary user's path everywhere."""

_ACK = 5
_UNITS_S = {
    "": 1,
    "s": 1,
    "min": 60,
    "h": 3600,
    "d": 86400,
    "w": 7 * 86400,
    "month": 2629800,
    "y": 31557600,
}
"""systemd.time(7); newer releases of systemd-networkd write a lease time with units."""
_WINDOWS_LEASES = (
    r"Get-ItemProperty 'HKLM:\SYSTEM\CurrentControlSet\Services\Tcpip\Parameters\Interfaces\*'"
    " | Select-Object EnableDHCP,DhcpIPAddress,DhcpSubnetMask,DhcpServer,DhcpDefaultGateway,"
    "DhcpNameServer,Lease,LeaseTerminatesTime | ConvertTo-Json -Compress"
)
_WINDOWS_FOR_EVER = 0x7FFFFFFF


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """A lease as some client wrote it down; times are seconds since 1970."""

    client: str
    address: str
    server_id: str | None = None
    subnet_mask: str | None = None
    routers: tuple[str, ...] = ()
    dns: tuple[str, ...] = ()
    ntp: tuple[str, ...] = ()
    lease_s: int | None = None
    expires_s: float | None = None


# What the clients write


def read_networkd(text: str, written_s: float, client: str = "systemd-networkd") -> Lease | None:
    """Read systemd's ``KEY=value`` lines; the lease runs from when they were written."""
    values = _assignments(text)
    lease_s = _timespan(values.get("LIFETIME", ""))
    return _lease(
        client,
        values.get("ADDRESS", ""),
        server_id=values.get("SERVER_ADDRESS", ""),
        mask=values.get("NETMASK", ""),
        routers=values.get("ROUTER", "") or _default_router(values.get("ROUTES", "")),
        dns=values.get("DNS", ""),
        ntp=values.get("NTP", ""),
        lease_s=lease_s,
        expires_s=_end_of(written_s, lease_s),
    )


def read_nmcli(text: str) -> Lease | None:
    """Read what ``nmcli -t -f DHCP4 device show`` prints: ``DHCP4.OPTION[1]:name = value``."""
    values = dict(re.findall(r"^DHCP4\.OPTION\[\d+\]:\s*(\w+) = (.*)$", text, re.MULTILINE))
    expiry = _number(values.get("expiry", ""))
    lease = read_variables("\n".join(f"{key}={value}" for key, value in values.items()))
    if lease is None:
        return None
    return replace(lease, client="NetworkManager", expires_s=expiry)


def read_variables(text: str) -> Lease | None:
    """Read what ``dhcpcd -U`` prints: the variables that it gives to its scripts."""
    values = _assignments(text)
    return _lease(
        "dhcpcd",
        values.get("ip_address", ""),
        server_id=values.get("dhcp_server_identifier", ""),
        mask=values.get("subnet_mask", ""),
        routers=values.get("routers", "")
        or _default_router(
            values.get("classless_static_routes", "")
            or values.get("rfc3442_classless_static_routes", "")
        ),
        dns=values.get("domain_name_servers", ""),
        ntp=values.get("ntp_servers", ""),
        lease_s=_number(values.get("dhcp_lease_time", "")),
    )


def read_dhclient(text: str, interface: str) -> Lease | None:
    """Read the last lease of an interface in dhclient.leases(5); None if it does not say its end.

    The file is a log: every renewal is written behind the ones before.
    """
    found: Lease | None = None
    for block in re.findall(r'\blease\s*\{((?:"(?:\\.|[^"\\])*+"|[^"}])*+)\}', text):
        statements = re.findall(r'((?:"(?:\\.|[^"\\])*+"|[^";])++);', block)
        values = {}
        for statement in statements:
            name, _, value = statement.strip().removeprefix("option ").partition(" ")
            values[name] = value.strip()
        if values.get("interface") == f'"{interface}"':
            found = _read_dhclient_block(values)
    return found


def _read_dhclient_block(values: Mapping[str, str]) -> Lease | None:
    expire = values.get("expire", "")
    expires_s = _dhclient_time(expire)
    if expires_s is None and expire != "never":
        return None
    return _lease(
        "dhclient",
        values.get("fixed-address", ""),
        server_id=values.get("dhcp-server-identifier", ""),
        mask=values.get("subnet-mask", ""),
        routers=values.get("routers", ""),
        dns=values.get("domain-name-servers", ""),
        ntp=values.get("ntp-servers", ""),
        lease_s=_number(values.get("dhcp-lease-time", "")),
        expires_s=expires_s,
    )


def read_packet(packet: bytes, written_s: float) -> Lease | None:
    """Read the server's last ACK as dhcpcd keeps it; None if it does not say its end."""
    try:
        message = dhcp_message.parse(packet, "", 0.0)
    except dhcp_message.MalformedError:
        return None
    if message.kind != _ACK or message.lease_s is None:
        return None
    ways_out = (router for target, router in message.routes if target == "0.0.0.0/0")
    return Lease(
        client="dhcpcd",
        address=message.address,
        server_id=message.server_id,
        subnet_mask=message.subnet_mask,
        routers=message.routers or tuple(ways_out),
        dns=message.dns,
        ntp=message.ntp,
        lease_s=message.lease_s,
        expires_s=_end_of(written_s, message.lease_s),
    )


def read_ipconfig(text: str) -> Lease | None:
    """Read what macOS's ``ipconfig getpacket`` prints: ``name (type): value``, and the header."""
    values = dict(re.findall(r"^(\w+)(?: \([\w ]*\):| =) (.*)$", text, re.MULTILINE))
    lease_time = values.get("lease_time", "")
    is_hex = re.fullmatch(r"0x[0-9a-f]{1,8}", lease_time)
    return _lease(
        "ipconfig",
        values.get("yiaddr", ""),
        server_id=values.get("server_identifier", ""),
        mask=values.get("subnet_mask", ""),
        routers=values.get("router", ""),
        dns=values.get("domain_name_server", ""),
        ntp=values.get("network_time_protocol_servers", ""),
        lease_s=int(lease_time, 16) if is_hex else _number(lease_time),
    )


def read_windows(text: str) -> tuple[Lease, ...]:
    """Read the JSON of the registry's interfaces: what the DHCP client service wrote there.

    The registry's ``Dhcp...`` values cannot be mistaken for what somebody set by hand. It keeps
    no time servers.
    """
    try:
        decoded = json.loads(text)
    except (ValueError, RecursionError):
        return ()
    entries = decoded if isinstance(decoded, list) else [decoded]
    found = (
        _read_windows_entry(entry)
        for entry in entries
        if isinstance(entry, dict) and entry.get("EnableDHCP") == 1
    )
    return tuple(lease for lease in found if lease)


def _read_windows_entry(entry: Mapping[str, object]) -> Lease | None:
    def text(name: str) -> str:
        value = entry.get(name)
        return " ".join(map(str, value)) if isinstance(value, list) else str(value or "")

    ends_s = _number(text("LeaseTerminatesTime"))
    return _lease(
        "windows",
        text("DhcpIPAddress"),
        server_id=text("DhcpServer"),
        mask=text("DhcpSubnetMask"),
        routers=text("DhcpDefaultGateway"),
        dns=text("DhcpNameServer"),
        ntp="",
        lease_s=_number(text("Lease")),
        expires_s=None if ends_s in (None, _WINDOWS_FOR_EVER) else ends_s,
    )


# The words they share


def _assignments(text: str) -> dict[str, str]:
    found = re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE)
    return {key: value.strip().strip("'\"") for key, value in found}


def _hosts(text: str) -> tuple[str, ...]:
    """Give the IPv4 addresses of hosts among the words of a text; names have no place there."""
    found: list[str] = []
    for word in re.split(r"[\s,{}]+", text):
        try:
            address = ipaddress.IPv4Address(word)
        except ValueError:
            continue
        if is_host(address):
            found.append(str(address))
    return tuple(found[: dhcp_message.ADDRESS_LIMIT])


def _number(text: str) -> int | None:
    return int(text) if re.fullmatch(r"[0-9]{1,10}", text) else None


def _timespan(text: str) -> int | None:
    parts = [re.fullmatch(r"([0-9]{1,10})([a-z]*)", word) for word in text.split()]
    amounts = [(int(part[1]), part[2]) for part in parts if part and part[2] in _UNITS_S]
    if not parts or len(amounts) < len(parts):
        return None
    return sum(amount * _UNITS_S[unit] for amount, unit in amounts)


def _default_router(routes: str) -> str:
    found = re.search(r"\b0\.0\.0\.0/0[ ,]+([0-9.]+)", routes)
    return found[1] if found else ""


def _dhclient_time(text: str) -> float | None:
    """Read ``2 2026/11/24 10:00:00`` (UTC, with the day of the week) or ``epoch 1795514400``."""
    if match := re.match(r"epoch ([0-9]{1,12})", text):
        return float(match[1])
    try:
        moment = datetime.strptime(text[2:].strip(), "%Y/%m/%d %H:%M:%S")  # noqa: DTZ007 - UTC, next line
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC).timestamp()


def _end_of(start_s: float, lease_s: int | None) -> float | None:
    return None if lease_s in (None, INFINITE) else start_s + lease_s


def _lease(  # noqa: PLR0913 - the fields of a lease
    client: str,
    address: str,
    *,
    server_id: str,
    mask: str,
    routers: str,
    dns: str,
    ntp: str,
    lease_s: int | None,
    expires_s: float | None = None,
) -> Lease | None:
    own = _hosts(address)
    if not own:
        return None
    return Lease(
        client=client,
        address=own[0],
        server_id=next(iter(_hosts(server_id)), None),
        subnet_mask=_mask(mask),
        routers=_hosts(routers),
        dns=_hosts(dns),
        ntp=_hosts(ntp),
        lease_s=lease_s,
        expires_s=expires_s,
    )


def _mask(text: str) -> str | None:
    try:
        mask = ipaddress.IPv4Address(text)
    except ValueError:
        return None
    return str(mask) if dhcp_message.is_mask(mask) else None


# Where they keep it


def run_command(arguments: tuple[str, ...], limit_s: float) -> str:
    """Run a program of this computer and give the beginning of its output; empty where it fails."""
    path = os.pathsep.join((os.environ.get("PATH", ""), *ADMINISTRATOR_FOLDERS))
    program = shutil.which(arguments[0], path=path)
    if program is None:
        return ""
    try:
        finished = subprocess.run(  # noqa: S603 - fixed arguments and the interface's name, no shell
            (program, *arguments[1:]),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "LC_ALL": "C"},
            timeout=limit_s,
            check=False,
        )
    except (OSError, subprocess.SubprocessError, ValueError):
        return ""
    return finished.stdout[:READ_LIMIT].decode("utf-8", "replace")


def read_file(path: Path) -> tuple[bytes, float] | None:
    """Give the end of a regular file and when it was written; None where it cannot be read."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            return None
        with path.open("rb") as file:
            file.seek(max(0, status.st_size - READ_LIMIT))
            return file.read(READ_LIMIT), status.st_mtime
    except (OSError, ValueError):
        return None


def addresses_of(interface: str) -> frozenset[str]:
    """List the IPv4 addresses that an interface has now."""
    return frozenset(str(network.ip) for network in interface_networks(interface))


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseProbe:
    """Look for a current lease of this computer on the vantage interface; sends nothing.

    The fields behind ``vantage`` are seams: the folder that stands for ``/``, the platform, how a
    command is run, which addresses the interface has, and the time in seconds since 1970.
    """

    vantage: Vantage
    root: Path = Path("/")
    platform: str = sys.platform
    command_limit_s: float = COMMAND_LIMIT_S
    run_command: Callable[[tuple[str, ...], float], str] = field(
        default=run_command, compare=False, repr=False
    )
    addresses_of: Callable[[str], frozenset[str]] = field(
        default=addresses_of, compare=False, repr=False
    )
    now: Callable[[], float] = field(default=time.time, compare=False, repr=False)

    @property
    def key(self) -> str:
        """``lease``: there is one vantage in a session."""
        return "lease"

    def run(self) -> LeaseObserved | CannotMeasure:
        """Look once; ``not-permitted`` with :func:`~dhcp.grant_command` where nothing is found."""
        return measured(self._measure, self.vantage)

    def _measure(self, watch: Stopwatch) -> LeaseObserved:
        here = self.addresses_of(self.vantage.interface)
        now_s = self.now()
        for lease in self._leases():
            current = lease.expires_s is None or lease.expires_s > now_s
            if current and lease.address in here:
                return LeaseObserved(
                    started=watch.started,
                    duration_s=watch.elapsed(),
                    client=lease.client,
                    address=lease.address,
                    server_id=lease.server_id,
                    subnet_mask=lease.subnet_mask,
                    routers=lease.routers,
                    dns=lease.dns,
                    ntp=lease.ntp,
                    lease_s=lease.lease_s,
                    expires=_written(lease.expires_s),
                )
        raise CannotAskError(
            "not-permitted",
            f"no current DHCP lease of this computer on {self.vantage.interface} can be read",
            dhcp.grant_command(self.platform),
        )

    def _leases(self) -> Iterator[Lease]:
        if self.platform.startswith("linux"):
            candidates: tuple[Iterator[Lease | None], ...] = (
                self._of_networkd(),
                self._of_network_manager(),
                self._of_dhclient(),
                self._of_dhcpcd(),
            )
        elif self.platform == "darwin":
            candidates = (self._of_macos(),)
        elif self.platform == "win32":
            candidates = (self._of_windows(),)
        else:
            candidates = ()
        for leases in candidates:
            yield from (lease for lease in leases if lease)

    def _of_networkd(self) -> Iterator[Lease | None]:
        try:
            index = socket.if_nametoindex(self.vantage.interface)
        except OSError:
            return
        for content, written_s in self._files(f"run/systemd/netif/leases/{index}"):
            lease = read_networkd(content.decode("utf-8", "replace"), written_s)
            # networkd removes the file with the lease and does not rewrite it at every renewal.
            if lease and lease.expires_s is not None and lease.expires_s <= self.now():
                lease = replace(lease, expires_s=None)
            yield lease

    def _of_network_manager(self) -> Iterator[Lease | None]:
        interface = self.vantage.interface
        yield read_nmcli(self._say("nmcli", "-t", "-f", "DHCP4", "device", "show", interface))
        # Left behind when the connection ends, so only one that says its end is worth something.
        name = f"var/lib/NetworkManager/internal-*-{glob.escape(interface)}.lease"
        for content, written_s in self._files(name):
            text = content.decode("utf-8", "replace")
            lease = read_networkd(text, written_s, "NetworkManager")
            if lease and lease.lease_s is not None:
                yield lease

    def _of_dhclient(self) -> Iterator[Lease | None]:
        interface = self.vantage.interface
        patterns = (
            "var/lib/dhcp/dhclient*.lease*",
            "var/lib/dhclient/*.lease*",
            f"var/lib/NetworkManager/dhclient-*-{glob.escape(interface)}.lease",
        )
        for content, _ in self._files(*patterns):
            yield read_dhclient(content.decode("utf-8", "replace"), interface)

    def _of_dhcpcd(self) -> Iterator[Lease | None]:
        interface = glob.escape(self.vantage.interface)
        patterns = (
            f"var/lib/dhcpcd/{interface}.lease",
            f"var/lib/dhcpcd/{interface}-*.lease",
            f"var/lib/dhcpcd*/dhcpcd-{interface}*.lease",
        )
        for content, written_s in self._files(*patterns):
            yield read_packet(content, written_s)
        yield read_variables(self._say("dhcpcd", "-4", "-U", self.vantage.interface))

    def _of_macos(self) -> Iterator[Lease | None]:
        yield read_ipconfig(self._say("ipconfig", "getpacket", self.vantage.interface))

    def _of_windows(self) -> Iterator[Lease | None]:
        shell = ("powershell", "-NoProfile", "-NonInteractive", "-Command")
        yield from read_windows(self._say(*shell, _WINDOWS_LEASES))

    def _say(self, *arguments: str) -> str:
        return self.run_command(arguments, self.command_limit_s)

    def _files(self, *patterns: str) -> list[tuple[bytes, float]]:
        """Read the files that match, the one written last first."""
        try:
            paths = [path for pattern in patterns for path in sorted(self.root.glob(pattern))]
        except (OSError, ValueError, NotImplementedError):
            return []
        contents = [content for path in paths[:FILE_LIMIT] if (content := read_file(path))]
        return sorted(contents, key=lambda content: content[1], reverse=True)


def _written(moment_s: float | None) -> str | None:
    if moment_s is None:
        return None
    try:
        return timestamp(datetime.fromtimestamp(moment_s, UTC))
    except (OverflowError, ValueError, OSError):
        return None
