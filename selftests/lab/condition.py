"""A network condition as data: what differs from the healthy plant, and what must come of it.

The rows stand in ``conditions/*.toml``, one file a protocol; this module reads them strictly.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Literal

import msgspec

FOLDER = Path(__file__).with_name("conditions")

REQUIREMENTS = (
    "DHCP-01", "NTP-01", "DNS-01", "HTTPS-01", "PING-01", "DIAG-01",
    "CONN-01", "MDNS-01", "LLMNR-01", "PING-02", "SSH-01",
)  # fmt: skip

Verdict = Literal["accepted", "accepted-with-reservations", "rejected", "incomplete"]

EXIT_STATUS: dict[Verdict, int] = {
    "accepted": 0,
    "accepted-with-reservations": 0,
    "rejected": 1,
    "incomplete": 10,
}


class Row(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The base of everything here: strict on decoding."""


class Lines(Row, frozen=True, kw_only=True):
    """A change to a list of configuration lines: by prefix out, then in."""

    drop: tuple[str, ...] = ()
    add: tuple[str, ...] = ()

    def apply(self, lines: list[str]) -> list[str]:
        """Return the lines without those that start with a dropped prefix, and with the added."""
        return [line for line in lines if not line.startswith(self.drop)] + list(self.add)


class CloudHost(Row, frozen=True, kw_only=True):
    """How one cloud host differs from a good one."""

    certificate: str = "good"
    """A name in :mod:`selftests.lab.certificates`."""
    answer: str = ""
    """nginx directives instead of the page."""
    options: tuple[str, ...] = ()
    """Further nginx directives of the server."""
    off: bool = False
    """nginx does not serve this host: something else does, or nothing."""


class Process(Row, frozen=True, kw_only=True):
    """A further server on one of the plant's hosts."""

    host: str
    command: str
    """Split as a shell would; ``{python}``, ``{folder}`` and ``{number}`` are replaced."""
    files: dict[str, str] = {}
    """What its files hold, by path in ``{folder}``, which is replaced in them as well."""
    listens: tuple[str, ...] = ()
    """``udp 67``, ``tcp 10.20.0.50:80``."""


class Laptop(Row, frozen=True, kw_only=True):
    """The engineer's computer and how the suite is started on it."""

    env: dict[str, str] = {}
    files: dict[str, str] = {}
    """Files that only the session sees, bound over the computer's own."""
    hide: tuple[str, ...] = ()
    """Programs that are not installed."""
    clock: str = ""
    """How far the computer's clock is wrong, as libfaketime says it: ``+3600``, ``-5d``; or the
    file in ``{folder}`` that says it, which may change meanwhile."""
    user: bool = False
    """An ordinary user without capabilities."""
    rights: tuple[str, ...] = ()
    """Capabilities that this user has nevertheless, ``net_raw``."""
    arguments: tuple[str, ...] = ()
    """Further arguments of the command line."""


class Condition(Row, frozen=True, kw_only=True):
    """One row: a condition of the network or the computer, and the certificate it must give."""

    id: str
    field: str
    """What it is in the field, in one sentence."""
    follows: str = ""
    """Where one fault decides several entries: why that is required."""
    quick: bool = False

    without: tuple[str, ...] = ()
    """Servers that are not there: dnsmasq, chronyd, cloud, pages, avahi, resolved."""
    dnsmasq: Lines = Lines()
    leases: tuple[str, ...] = ()
    """What dnsmasq's lease file holds before: who has taken the addresses."""
    chronyd: Lines = Lines()
    cloud: dict[str, CloudHost] = {}
    pages: dict[str, str] = {}
    """The CUBE's pages: port (or ADDRESS:PORT) to nginx directives; an empty text: no page."""
    mdns_name: str = "cube-4711"
    llmnr_name: str = "cube-4711"
    sshd: tuple[str, ...] | None = None
    """Turn the CUBE's shell on, with these further lines of configuration."""
    resolver: str = ""
    """The DNS server that the CUBE's shell asks, where it is not the gateway."""
    clocks: dict[str, str] = {}
    """Servers whose clock is wrong, and by how much: ``cloud = "+1d"``."""
    hosts: dict[str, str] = {}
    """Further computers on the plant's switch and their addresses (may be empty)."""
    further_dnsmasq: dict[str, tuple[str, ...]] = {}
    """A dnsmasq on another host: its configuration lines."""
    further_chronyd: dict[str, tuple[str, ...]] = {}
    """A time server on another host: its configuration lines."""
    further_pages: dict[str, dict[str, str]] = {}
    """Plain web servers on other hosts: ``ADDRESS:PORT`` to nginx directives."""
    further_mdns: dict[str, str] = {}
    """Other hosts that publish a name by mDNS."""
    further_llmnr: dict[str, str] = {}
    """Other hosts that answer for a name by LLMNR."""
    further_httpd: dict[str, str] = {}
    """Apache on a host: its directives, in which ``{folder}`` and ``{unpacked}`` are replaced."""
    further_squid: dict[str, str] = {}
    """Squid on a host, likewise."""
    servers: tuple[Process, ...] = ()
    fakes: tuple[str, ...] = ()
    """Faulty servers: ``HOST PROTOCOL BEHAVIOUR [ARGUMENT ...]``."""
    ip: tuple[str, ...] = ()
    """``HOST ARGUMENTS`` of the ip command, after the plant stands."""
    sysctl: tuple[str, ...] = ()
    firewall: tuple[str, ...] = ()
    laptop: Laptop = Laptop()
    site: dict[str, Any] = {}
    """Merged into the site file; a table merges, everything else replaces."""
    unset: tuple[str, ...] = ()
    """Keys taken out of the site file, ``cube.version``."""

    expect: dict[str, str] = {}
    """The entries that differ from a pass, as ``outcome cause``."""
    observations: tuple[str, ...] | None = None
    """Every observation of the certificate, as ``requirement code``; not compared when absent."""
    verdict: Verdict = "accepted"

    @property
    def exit_status(self) -> int:
        """The exit status that the verdict demands."""
        return EXIT_STATUS[self.verdict]

    def outcomes(self) -> dict[str, str]:
        """Return what each of the eleven entries must come to."""
        return dict.fromkeys(REQUIREMENTS, "pass") | self.expect


class Table(Row, frozen=True, kw_only=True):
    """One file of rows."""

    condition: tuple[Condition, ...]


def load(folder: Path = FOLDER) -> tuple[Condition, ...]:
    """Read every row, in the order of the files.

    Raises:
        ValueError: a row is not understood, unknown requirements, or an id stands twice.
    """
    rows: list[Condition] = []
    for path in sorted(folder.glob("*.toml")):
        try:
            with path.open("rb") as handle:
                table = msgspec.convert(tomllib.load(handle), Table)
        except (msgspec.ValidationError, tomllib.TOMLDecodeError) as error:
            raise ValueError(f"{path.name}: {error}") from error
        rows += table.condition
    seen: set[str] = set()
    for row in rows:
        if row.id in seen:
            raise ValueError(f"condition {row.id} stands twice")
        seen.add(row.id)
        unknown = {key.partition("@")[0] for key in row.expect} - set(REQUIREMENTS)
        if unknown:
            raise ValueError(f"{row.id}: no such requirement: {', '.join(sorted(unknown))}")
    return tuple(rows)
