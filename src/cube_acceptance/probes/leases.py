"""Read the DHCP lease that this computer itself holds on the vantage interface.

What is left where :mod:`~cube_acceptance.probes.dhcp` lacks the right to ask: a current lease
proves a server, though not a free address. How each client writes is known in
:mod:`~cube_acceptance.probes.net.lease_texts`, and where it does so is known here. A lease counts
only if it has not expired and its address is one that the interface has now.
"""

from __future__ import annotations

import glob
import re
import socket
import stat
import sys
import time
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from cube_acceptance.evidence import CannotMeasure, LeaseObserved, Vantage, timestamp
from cube_acceptance.probes.net import lease_texts, windows_lease
from cube_acceptance.probes.net.errors import CannotAskError
from cube_acceptance.probes.net.grant import grant_command
from cube_acceptance.probes.net.local import interface_networks
from cube_acceptance.probes.net.measuring import Stopwatch, measured
from cube_acceptance.programs import run_command

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from cube_acceptance.probes.net.lease_texts import Lease

READ_LIMIT = 64 * 1024
"""How many bytes of a file are read, its end."""
FILE_LIMIT = 32
"""How many files of one client are looked into."""
SERVICE_LIMIT = 8
"""How many of ConnMan's connected services are looked into."""
COMMAND_LIMIT_S = 15.0
"""How long one command may take."""

_PLACES = ("etc", "run", "usr/lib")
"""Where systemd looks for what was added to a file of its configuration."""


def read_file(path: Path) -> tuple[bytes, float] | None:
    """Return the end of a regular file and when it was written; None where it cannot be read."""
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
    command is run, what Windows' registry and its DHCP client say of an interface, which addresses
    the interface has, and the time in seconds since 1970.
    """

    vantage: Vantage
    root: Path = Path("/")
    platform: str = sys.platform
    command_limit_s: float = COMMAND_LIMIT_S
    run_command: Callable[[tuple[str, ...], float], str] = field(
        default=run_command, compare=False, repr=False
    )
    registry: Callable[[str], Mapping[str, object]] = field(
        default=windows_lease.read_registry, compare=False, repr=False
    )
    time_servers: Callable[[str], tuple[str, ...] | None] = field(
        default=windows_lease.time_servers, compare=False, repr=False
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
        """Look once; ``not-permitted`` with :func:`grant_command` where nothing is found."""
        return measured(self._measure, self.vantage)

    def _measure(self, watch: Stopwatch) -> LeaseObserved:
        here = self.addresses_of(self.vantage.interface)
        now_s = self.now()
        for lease in self._leases():
            current = lease.expires_s is None or lease.expires_s > now_s
            if current and lease.address in here:
                told = asdict(lease)
                return LeaseObserved(
                    started=watch.started,
                    duration_s=watch.elapsed(),
                    expires=_written(told.pop("expires_s")),
                    **told,
                )
        raise CannotAskError(
            "not-permitted",
            f"no current DHCP lease of this computer on {self.vantage.interface} can be read",
            grant_command(self.platform),
        )

    def _leases(self) -> Iterator[Lease]:
        if self.platform.startswith("linux"):
            candidates: tuple[Iterator[Lease | None], ...] = (
                self._of_networkd(),
                self._of_network_manager(),
                self._of_dhclient(),
                self._of_dhcpcd(),
                self._of_wicked(),
                self._of_connman(),
                self._of_udhcpc(),
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
            lease = lease_texts.read_networkd(_text(content), written_s)
            # networkd removes the file with the lease and does not rewrite it at every renewal.
            if lease and lease.expires_s is not None and lease.expires_s <= self.now():
                lease = replace(lease, expires_s=None)
            yield _asking(lease, self._asked_by_networkd(index))

    def _asked_by_networkd(self, index: int) -> tuple[int, ...]:
        state = self._read(f"run/systemd/netif/links/{index}")
        named = re.search(r"^NETWORK_FILE=/*(\S+)$", state, re.MULTILINE)
        whole = self._read(glob.escape(named[1])) if named else ""
        if not named or not whole:
            return ()
        name = glob.escape(Path(named[1]).name)
        added = self._read(*(f"{place}/systemd/network/{name}.d/*.conf" for place in _PLACES))
        return lease_texts.asked_by_networkd(f"{whole}\n{added}")

    def _of_network_manager(self) -> Iterator[Lease | None]:
        interface = self.vantage.interface
        yield lease_texts.read_nmcli(
            self._say("nmcli", "-t", "-f", "DHCP4", "device", "show", interface)
        )
        # Left behind when the connection ends, so only one that says its end is worth something.
        name = f"var/lib/NetworkManager/internal-*-{glob.escape(interface)}.lease"
        for content, written_s in self._files(name):
            lease = lease_texts.read_networkd(_text(content), written_s, "NetworkManager")
            if lease and lease.lease_s is not None:
                yield lease

    def _of_dhclient(self) -> Iterator[Lease | None]:
        interface = self.vantage.interface
        patterns = (
            "var/lib/dhcp/dhclient*.lease*",
            "var/lib/dhclient/*.lease*",
            f"var/lib/NetworkManager/dhclient-*-{glob.escape(interface)}.lease",
        )
        own = self._read("etc/dhcp/dhclient*.conf", "etc/dhclient*.conf")
        managed = self._read(f"var/lib/NetworkManager/dhclient-{glob.escape(interface)}.conf")
        asked = lease_texts.asked_by_dhclient(managed or own)
        for content, _ in self._files(*patterns):
            yield _asking(lease_texts.read_dhclient(_text(content), interface), asked)

    def _of_dhcpcd(self) -> Iterator[Lease | None]:
        interface = glob.escape(self.vantage.interface)
        patterns = (
            f"var/lib/dhcpcd/{interface}.lease",
            f"var/lib/dhcpcd/{interface}-*.lease",
            f"var/lib/dhcpcd*/dhcpcd-{interface}*.lease",
        )
        asked = lease_texts.asked_by_dhcpcd(self._read("etc/dhcpcd.conf", "etc/dhcpcd/dhcpcd.conf"))
        for content, written_s in self._files(*patterns):
            yield _asking(lease_texts.read_packet(content, written_s), asked)
        said = self._say("dhcpcd", "-4", "-U", self.vantage.interface)
        yield _asking(lease_texts.read_variables(said), asked)

    def _of_wicked(self) -> Iterator[Lease | None]:
        interface = glob.escape(self.vantage.interface)
        names = (f"lease-{interface}-dhcp-ipv4.xml", f"lease-dhcp-ipv4-{interface}.xml")
        places = [f"{place}/wicked/{name}" for place in ("var/lib", "run") for name in names]
        for content, written_s in self._files(*places):
            yield lease_texts.read_wicked(_text(content), written_s)

    def _of_connman(self) -> Iterator[Lease | None]:
        services = lease_texts.connman_services(self._say("connmanctl", "services"))
        for service in services[:SERVICE_LIMIT]:
            said = self._say("connmanctl", "services", service)
            yield lease_texts.read_connman(said, self.vantage.interface)

    def _of_udhcpc(self) -> Iterator[Lease | None]:
        interface = self.vantage.interface
        name = glob.escape(interface)
        patterns = (
            f"run/udhcpc*{name}*",
            f"run/udhcpc/*{name}*",
            f"var/lib/udhcpc/*{name}*",
        )
        for content, written_s in self._files(*patterns):
            yield lease_texts.read_udhcpc(_text(content), written_s, interface)

    def _of_macos(self) -> Iterator[Lease | None]:
        yield lease_texts.read_ipconfig(self._say("ipconfig", "getpacket", self.vantage.interface))

    def _of_windows(self) -> Iterator[Lease | None]:
        interface = self.vantage.interface
        lease = lease_texts.read_windows(self.registry(interface))
        told = self.time_servers(interface) if lease else None
        yield lease_texts.with_time_servers(lease, told) if lease else None

    def _say(self, *arguments: str) -> str:
        return self.run_command(arguments, self.command_limit_s)

    def _read(self, *patterns: str) -> str:
        """Read a client's configuration, of all the files that match."""
        return "\n".join(_text(content) for content, _ in self._files(*patterns))

    def _files(self, *patterns: str) -> list[tuple[bytes, float]]:
        """Read the files that match, the one written last first."""
        try:
            paths = [path for pattern in patterns for path in sorted(self.root.glob(pattern))]
        except (OSError, ValueError, NotImplementedError):
            return []
        contents = [content for path in paths[:FILE_LIMIT] if (content := read_file(path))]
        return sorted(contents, key=lambda content: content[1], reverse=True)


def _asking(lease: Lease | None, asked: tuple[int, ...]) -> Lease | None:
    return replace(lease, asked=asked) if lease else None


def _text(content: bytes) -> str:
    return content.decode("utf-8", "replace")


def _written(moment_s: float | None) -> str | None:
    if moment_s is None:
        return None
    try:
        return timestamp(datetime.fromtimestamp(moment_s, UTC))
    except (OverflowError, ValueError, OSError):
        return None
