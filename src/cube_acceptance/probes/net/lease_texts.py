"""Read what this computer's DHCP clients write down, or print, of the leases that they hold.

Every client keeps its lease elsewhere and writes it differently; each has a function here that
reads its text or bytes. Where a client is known to have asked the server for a list, its absence
says that the server has none to give (:attr:`Lease.asked`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cube_acceptance import addresses
from cube_acceptance.probes.net import dhcp_message
from cube_acceptance.probes.net.receive import MalformedError

if TYPE_CHECKING:
    import ipaddress
    from collections.abc import Iterable, Mapping

INFINITE = 0xFFFFFFFF
"""A lease time that means for ever (RFC 2131 section 3.3)."""

_ACK = 5
_DNS, _NTP = 6, 42
_LISTS = {_DNS: "domain_name_servers", _NTP: "ntp_servers"}
"""The options whose absence decides something, by the names that dhclient and dhcpcd share."""
_NO = frozenset({"0", "n", "no", "f", "false", "off"})
"""What systemd.syntax(7) reads as no."""
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
    asked: tuple[int, ...] = ()
    """Which of the options 6 and 42 the client is known to have asked for."""
    defects: tuple[str, ...] = ()
    """Lists that hold a text instead of addresses."""


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
        routers=_default_routers(values.get("ROUTES", "")) or values.get("ROUTER", ""),
        dns=values.get("DNS", ""),
        ntp=values.get("NTP", ""),
        lease_s=lease_s,
        expires_s=_end_of(written_s, lease_s),
    )


def asked_by_networkd(configuration: str) -> tuple[int, ...]:
    """Read in systemd.network(5) files which of the options 6 and 42 they ask for: both, if let."""
    settings = re.findall(r"^[ \t]*(\w+)[ \t]*=[ \t]*(\w+)", configuration, re.MULTILINE)
    denied = {name for name, value in settings if value.lower() in _NO}
    if any(name == "Anonymize" and name not in denied for name, _ in settings):
        return ()
    switches = {_DNS: "UseDNS", _NTP: "UseNTP"}
    return tuple(option for option, switch in switches.items() if switch not in denied)


def read_nmcli(text: str) -> Lease | None:
    """Read what ``nmcli -t -f DHCP4 device show`` prints: ``DHCP4.OPTION[1]:name = value``."""
    found = re.findall(r"^DHCP4\.OPTION\[\d+\]:\s*(\w+) = (.*)$", text, re.MULTILINE)
    values = {name: value.strip() for name, value in found}
    expiry = _number(values.get("expiry", ""))
    asked = _options(name.removeprefix("requested_") for name in values if values[name] == "1")
    lease = _of_options("NetworkManager", values.get("ip_address", ""), values)
    return lease and replace(lease, expires_s=expiry, asked=asked)


def read_variables(text: str) -> Lease | None:
    """Read what ``dhcpcd -U`` prints: the variables that it gives to its scripts."""
    values = _assignments(text)
    return _of_options("dhcpcd", values.get("ip_address", ""), values)


def _of_options(client: str, address: str, values: Mapping[str, str]) -> Lease | None:
    """Make a lease of options by the names that dhclient and dhcpcd give them alike."""
    return _lease(
        client,
        address,
        server_id=values.get("dhcp_server_identifier", ""),
        mask=values.get("subnet_mask", ""),
        routers=_default_routers(_classless(values)) or values.get("routers", ""),
        dns=values.get("domain_name_servers", ""),
        ntp=values.get("ntp_servers", ""),
        lease_s=_number(values.get("dhcp_lease_time", "")),
    )


def read_dhclient(text: str, interface: str) -> Lease | None:
    """Read the last lease of an interface in dhclient.leases(5); None if it does not say its end.

    The file is a log: every renewal is written behind the ones before.
    """
    found: Lease | None = None
    for block in re.findall(r'\blease\s*\{((?:"(?:\\.|[^"\\])*+"|[^"{}])*+)\}', _uncommented(text)):
        statements = re.findall(r'((?:"(?:\\.|[^"\\])*+"|[^";])++);?', block)
        values = {}
        for statement in statements:
            name, _, value = statement.strip().removeprefix("option ").partition(" ")
            values[name.replace("-", "_")] = value.strip()
        if values.get("interface") == f'"{interface}"':
            found = _read_dhclient_block(values)
    return found


def _uncommented(text: str) -> str:
    """Take out comments, and end the statement before one, which has no other end.

    With ``db-time-format local`` dhclient writes ``renew epoch 1795973987; # Sun Nov 29 ...``.
    """
    return re.sub(r'("(?:\\.|[^"\\])*+"?)|#[^\n]*', lambda found: found[1] or ";", text)


def _read_dhclient_block(values: Mapping[str, str]) -> Lease | None:
    expire = values.get("expire", "")
    expires_s = _dhclient_time(expire)
    if expires_s is None and expire != "never":
        return None
    lease = _of_options("dhclient", values.get("fixed_address", ""), values)
    return lease and replace(lease, expires_s=expires_s)


def asked_by_dhclient(configuration: str) -> tuple[int, ...]:
    """Read in dhclient.conf(5) which of the options 6 and 42 it asks for.

    Without a list of its own it asks for 6. What holds for one interface only is not followed.
    """
    text = _uncommented(configuration)
    if re.search(r"\binterface\s", text):
        return ()
    statements = [statement.split() for statement in text.split(";")[:-1]]
    whole = [_names(" ".join(said[1:])) for said in statements if said[:1] == ["request"]]
    more = [_names(" ".join(said[2:])) for said in statements if said[:2] == ["also", "request"]]
    first = set.intersection(*whole) if whole else {"domain_name_servers"}
    return _options(first.union(*more))


def read_packet(packet: bytes, written_s: float) -> Lease | None:
    """Read the server's last ACK as dhcpcd keeps it; None if it does not say its end."""
    try:
        message = dhcp_message.parse(packet, "", 0.0)
    except MalformedError:
        return None
    if message.kind != _ACK or message.lease_s is None:
        return None
    ways_out = tuple(router for target, router in message.routes if target == "0.0.0.0/0")
    return Lease(
        client="dhcpcd",
        address=message.address,
        server_id=message.server_id,
        subnet_mask=message.subnet_mask,
        routers=ways_out or message.routers,
        dns=message.dns,
        ntp=message.ntp,
        lease_s=message.lease_s,
        expires_s=_end_of(written_s, message.lease_s),
        defects=message.defects,
    )


def asked_by_dhcpcd(configuration: str) -> tuple[int, ...]:
    """Read in dhcpcd.conf(5) which of the options 6 and 42 it asks for.

    What holds for one interface or network only is not followed.
    """
    if re.search(
        r"^[ \t]*(?:interface|ssid|profile|arping|nooption)\b", configuration, re.MULTILINE
    ):
        return ()
    lists = re.findall(r"^[ \t]*option[ \t]+([^#\n]*)", configuration, re.MULTILINE)
    return _options(set().union(*map(_names, lists)))


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
        routers=_default_routers(_classless(values)) or values.get("router", ""),
        dns=values.get("domain_name_server", ""),
        ntp=values.get("network_time_protocol_servers", ""),
        lease_s=int(lease_time, 16) if is_hex else _number(lease_time),
        asked=(_DNS,),
    )


def read_windows(values: Mapping[str, object]) -> Lease | None:
    """Read what the DHCP client service wrote into the registry about an interface.

    The registry's ``Dhcp...`` values cannot be mistaken for what somebody set by hand. It keeps
    no time servers.
    """
    if values.get("EnableDHCP") != 1:
        return None

    def text(name: str) -> str:
        value = values.get(name)
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
        asked=(_DNS,),
    )


def with_time_servers(lease: Lease, told: tuple[str, ...] | None) -> Lease:
    """Add the time servers that were asked for apart from the lease; None: nobody answered."""
    return lease if told is None else replace(lease, ntp=told, asked=(_DNS, _NTP))


def read_wicked(text: str, written_s: float) -> Lease | None:
    """Read the XML that wicked keeps; None for one that is not granted or not of DHCP."""
    head, _, body = text.partition("<ipv4:dhcp>")
    if _elements(head, "state") != ["granted"]:
        return None
    routes = (route for route in _sections(body, "route") if _is_default(route))
    lease_s = _number(_first(body, "lease-time"))
    acquired_s = _number(_first(head, "acquired"))
    return _lease(
        "wicked",
        _first(body, "address"),
        server_id=_first(body, "server-address") or _first(body, "server-id"),
        mask=_first(body, "netmask"),
        routers=" ".join(gateway for route in routes for gateway in _elements(route, "gateway")),
        dns=" ".join(_elements("".join(_sections(body, "dns")), "server")),
        ntp=" ".join(_elements("".join(_sections(body, "ntp")), "server")),
        lease_s=lease_s,
        expires_s=_end_of(written_s if acquired_s is None else acquired_s, lease_s),
    )


def connman_services(text: str) -> tuple[str, ...]:
    """Read which services are connected in what ``connmanctl services`` prints."""
    return tuple(re.findall(r"^\*?A[RO]\b.*[ \t]([a-z]+_\w+)$", text, re.MULTILINE))


def read_connman(text: str, interface: str) -> Lease | None:
    """Read what ``connmanctl services SERVICE`` prints; None for another interface's service.

    It keeps neither the server nor the end of the lease, and gives the address up with it.
    """
    values = dict(re.findall(r"^[ \t]*([\w.]+) = \[ (.*) \]$", text, re.MULTILINE))
    link = _pairs(values.get("Ethernet", ""))
    ipv4 = _pairs(values.get("IPv4", ""))
    if link.get("Interface") != interface or ipv4.get("Method") != "dhcp":
        return None
    return _lease(
        "ConnMan",
        ipv4.get("Address", ""),
        server_id="",
        mask=ipv4.get("Netmask", ""),
        routers=ipv4.get("Gateway", ""),
        dns="" if values.get("Nameservers.Configuration", "") else values.get("Nameservers", ""),
        ntp="" if values.get("Timeservers.Configuration", "") else values.get("Timeservers", ""),
        lease_s=None,
    )


def read_udhcpc(text: str, written_s: float, interface: str) -> Lease | None:
    """Read the variables of udhcpc's script, which some systems keep in a file."""
    values = _assignments(text)
    if values.get("interface", interface) != interface:
        return None
    lease_s = _number(values.get("lease", ""))
    if lease_s is None:
        return None
    return _lease(
        "udhcpc",
        values.get("ip", ""),
        server_id=values.get("serverid", ""),
        mask=values.get("subnet", ""),
        routers=_default_routers(values.get("staticroutes", "")) or values.get("router", ""),
        dns=values.get("dns", ""),
        ntp=values.get("ntpsrv", ""),
        lease_s=lease_s,
        expires_s=_end_of(written_s, lease_s),
    )


# The words they share


def _assignments(text: str) -> dict[str, str]:
    found = re.findall(r"^(?:export )?(\w+)=(.*)$", text, re.MULTILINE)
    return {key: value.strip().strip("'\"") for key, value in found}


def _addresses(text: str) -> list[ipaddress.IPv4Address]:
    """List the IPv4 addresses among the words of a text; names have no place there."""
    return list(filter(None, map(addresses.read, re.split(r"[\s,;{}\[\]]+", text))))


def _hosts(text: str) -> tuple[str, ...]:
    found = (str(address) for address in _addresses(text) if addresses.is_host(address))
    return tuple(found)[: dhcp_message.ADDRESS_LIMIT]


def _text_instead(option: int, text: str) -> str:
    """Describe what else a client has read as addresses; empty where they are addresses."""
    sent = b"".join(address.packed for address in _addresses(text))
    return dhcp_message.no_addresses(option, sent)


def _names(text: str) -> set[str]:
    """Return the names of options in a list, with the underscores that variables have."""
    return {name.replace("-", "_") for name in re.findall(r"[\w-]+", text)}


def _options(names: Iterable[str]) -> tuple[int, ...]:
    """Return which of the options 6 and 42 are among the names."""
    given = set(names)
    return tuple(option for option, name in _LISTS.items() if name in given)


def _pairs(text: str) -> dict[str, str]:
    return dict(re.findall(r"(\w+)=([^,\s]+)", text))


def _elements(text: str, name: str) -> list[str]:
    return re.findall(rf"<{name}>([^<]*)</{name}>", text)


def _first(text: str, name: str) -> str:
    return next(iter(_elements(text, name)), "")


def _sections(text: str, name: str) -> list[str]:
    """Return what stands in each element of a name; the last one may be cut off."""
    parts = text.split(f"<{name}>")[1:]
    return [part.partition(f"</{name}>")[0] for part in parts]


def _is_default(route: str) -> bool:
    """Whether a route of wicked's leads everywhere: it leaves that destination out."""
    return _first(route, "destination") in ("", "0.0.0.0/0")


def _classless(values: Mapping[str, str]) -> str:
    """Find option 121, or Microsoft's 249, under one of the names that clients have for it."""
    name = r"(?:rfc3442_)?classless_static_routes?|unknown_121"
    microsofts = r"ms_classless_static_routes|unknown_249"
    for wanted in (name, microsofts):
        for key, value in values.items():
            if value and re.fullmatch(wanted, key):
                return value
    return ""


def _number(text: str) -> int | None:
    return int(text) if re.fullmatch(r"[0-9]{1,10}", text) else None


def _timespan(text: str) -> int | None:
    parts = [re.fullmatch(r"([0-9]{1,10})([a-z]*)", word) for word in text.split()]
    amounts = [(int(part[1]), part[2]) for part in parts if part and part[2] in _UNITS_S]
    if not parts or len(amounts) < len(parts):
        return None
    return sum(amount * _UNITS_S[unit] for amount, unit in amounts)


def _default_routers(routes: str) -> str:
    """Find the routers that lead everywhere, whether routes or the option's bytes are written.

    Some write a destination by its size and as much of it as that says: ``0 10.20.0.1`` for
    everything, ``24.10.9.8 10.20.0.2`` for a network.
    """
    found = re.findall(r"(?<![0-9.])0(?:\.0\.0\.0/0)?[ ,]+([0-9]+(?:\.[0-9]+){3})", routes)
    if found or "/" in routes:
        return " ".join(found)
    try:
        read = dhcp_message.read_routes(_written_bytes(routes))
    except ValueError:
        return ""
    return " ".join(router for target, router in read if target == "0.0.0.0/0")


def _written_bytes(text: str) -> bytes:
    """Read bytes as dhclient writes them: ``0,10,20,0,1``, ``0 10 20 0 1`` or ``0:a:14:0:1``.

    Raises:
        ValueError: they are none.
    """
    base = 16 if ":" in text else 10
    return bytes(int(word, base) for word in re.split(r"[\s,:]+", text.strip()))


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
    asked: tuple[int, ...] = (),
) -> Lease | None:
    own = _hosts(address)
    if not own:
        return None
    no_dns, no_ntp = _text_instead(_DNS, dns), _text_instead(_NTP, ntp)
    return Lease(
        client=client,
        address=own[0],
        server_id=next(iter(_hosts(server_id)), None),
        subnet_mask=_mask(mask),
        routers=_hosts(routers),
        dns=() if no_dns else _hosts(dns),
        ntp=() if no_ntp else _hosts(ntp),
        lease_s=lease_s,
        expires_s=expires_s,
        asked=asked,
        defects=tuple(filter(None, (no_dns, no_ntp))),
    )


def _mask(text: str) -> str | None:
    mask = addresses.read(text)
    return str(mask) if mask and dhcp_message.is_mask(mask) else None
