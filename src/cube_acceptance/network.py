"""What the network told: servers handed out, and addresses that count.

Pure, and the same live and in replay: probes, cases and replay have to agree on which servers were
handed out and which addresses a cloud name has. They all ask here.
"""

from __future__ import annotations

import contextlib
import ipaddress
import re
from typing import TYPE_CHECKING, Literal
from urllib.parse import urljoin, urlsplit

import msgspec

from cube_acceptance import addresses as ipv4
from cube_acceptance.evidence import (
    CannotMeasure,
    DhcpMessage,
    DhcpObserved,
    DnsObserved,
    LeaseObserved,
    PageObserved,
    Vantage,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cube_acceptance.evidence import NtpReply
    from cube_acceptance.judge import Evidence
    from cube_acceptance.setup import Setup
    from cube_acceptance.site import Site


SERVER_LIMIT = 32
"""How many servers of one kind are asked: as many as are kept of an offer. Somebody's long list
may end in the only one that works; one that is still longer is an attack."""

DNS_OPTION, NTP_OPTION = 6, 42
"""The options of DHCP that name servers (RFC 2132 sections 3.8 and 8.3)."""

PASSED_OVER = frozenset({"SERVFAIL", "REFUSED", "NOTIMP"})
"""Codes of DNS after which a resolver asks the next server (glibc's ``res_send``); all other ones
are final to it, NXDOMAIN and an answer without an address as well (RFC 2308)."""

NO_ROUTER = "0.0.0.0"  # noqa: S104 - an address in a packet, nothing is bound to it
"""What option 121 says in the place of a router where the destination is on the link (RFC 3442)."""
EVERYWHERE = "0.0.0.0/0"
"""The destination of a default route."""
UNSYNCHRONISED_LEAP = 3
LAST_STRATUM = 15
ROOT_DISTANCE_LIMIT_S = 5.0
"""A time server's figures that count as synchronised, or in the leap's case do not."""

UNSPECIFIED = "0.0.0.0"  # noqa: S104 - what an OFFER of nothing offers

RIVAL_LIMIT = 3
"""How many offers beside the leading one have their servers asked as well."""

CUBE_LIMIT = 8
"""How many CUBEs' own hardware addresses DHCP is asked for."""

FULL_SIZE = 1500
"""Bytes of the largest packet on an Ethernet (RFC 894), as a CUBE sends them."""

FAMILIAR = ("CUBE", "tapio", "Connector")
"""What a page of a CUBE says somewhere."""

NAME_LIMIT = 253
"""Characters of a host name (RFC 1035 section 2.3.4, without the last dot)."""
_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*")
ADDRESS_LIMIT = 16
"""How many addresses of one name are kept."""

_PRIVATE = tuple(
    ipaddress.IPv4Network(network)
    for network in (
        "10.0.0.0/8",  # RFC 1918
        "172.16.0.0/12",
        "192.168.0.0/16",
        "100.64.0.0/10",  # RFC 6598
        "198.18.0.0/15",  # RFC 2544
    )
)
_NOBODY = tuple(
    ipaddress.IPv4Network(network)
    for network in (
        "169.254.0.0/16",  # RFC 3927
        "192.0.0.0/24",  # RFC 6890
        "192.0.2.0/24",  # RFC 5737
        "198.51.100.0/24",
        "203.0.113.0/24",
    )
)


class HandedOut(msgspec.Struct, frozen=True, kw_only=True):
    """What the network told a newcomer by DHCP."""

    origin: Literal["dhcp", "lease", "nobody"]
    dns: tuple[str, ...] = ()
    ntp: tuple[str, ...] = ()
    obstacle: CannotMeasure | None = None
    """Why DHCP could not be measured at all, where that is so."""
    asked: tuple[int, ...] = ()
    """The options that this computer's own DHCP client asked for: it had them if there were any."""
    stranger: DhcpMessage | None = None
    """An offer of another network, where none fits this one."""


class Servers(msgspec.Struct, frozen=True, kw_only=True):
    """The servers of one kind that the CUBE would use."""

    addresses: tuple[str, ...]
    origin: Literal["dhcp", "lease", "site", "nobody"]
    obstacle: CannotMeasure | None = None
    """Why nobody knows what DHCP hands out, where that is so."""
    stranger: DhcpMessage | None = None
    """An offer of another network, where that is the reason."""


def complete(offer: DhcpMessage) -> bool:
    """Whether an offer has all that a device needs to join the network."""
    return not missing(offer)


def missing(offer: DhcpMessage) -> tuple[str, ...]:
    """List what an offer lacks, as words of the catalogue.

    A default route of option 121 is a router too. A loopback address can only come from one.
    """
    strayed = is_loopback(offer.address) and not is_loopback(offer.source)
    lacks = {
        "address": strayed or not hosts([offer.address], offer),
        "subnet-mask": not offer.subnet_mask,
        "router": not hosts([*offer.routers, *default_routers(offer)], offer),
        "server-identifier": not (offer.server_id and is_host(offer.server_id)),
    }
    return tuple(word for word, lacking in lacks.items() if lacking)


def default_routers(offer: DhcpMessage) -> tuple[str, ...]:
    """List the routers of the default routes in option 121 (RFC 3442).

    Routes that lead everywhere together are as good as one: 0.0.0.0/1 and 128.0.0.0/1 are often
    written in its place.
    """
    named = tuple(router for network, router in offer.routes if network == EVERYWHERE)
    if named:
        return named
    routes = routes_of(offer)
    networks = ipaddress.collapse_addresses(network for network, _ in routes)
    together = [str(network) for network in networks] == [EVERYWHERE]
    return tuple(dict.fromkeys(by for _, by in routes)) if together else ()


def routes_of(offer: DhcpMessage) -> tuple[tuple[ipaddress.IPv4Network, str], ...]:
    """List the routes of option 121 whose destinations are networks; a file may hold anything."""
    found = []
    for to, by in offer.routes:
        with contextlib.suppress(ValueError):
            found.append((ipaddress.IPv4Network(to), by))
    return tuple(found)


def ways_out(offer: DhcpMessage) -> tuple[str, ...]:
    """List the routers that an offer names: who understands option 121 ignores option 3."""
    return default_routers(offer) or offer.routers


def next_hops(offer: DhcpMessage, target: str) -> frozenset[str]:
    """List the routers that a device with this offer may hand its packets for a target to.

    An empty text stands for the target itself, where it is on the device's own link. Nothing is
    listed where the offer names no way, or no mask (RFC 1122 section 3.3.1.1). Of the routes of
    option 121 the most specific ones count, and a router 0.0.0.0 there means the link (RFC 3442).
    """
    there = ipaddress.IPv4Address(target)
    network = network_of(offer)
    if network is None:
        return frozenset()
    if there in network:
        return frozenset({""})
    if not offer.routes:
        return frozenset(hosts(offer.routers, offer))
    matching = [
        (network.prefixlen, router) for network, router in routes_of(offer) if there in network
    ]
    longest = max((length for length, _ in matching), default=None)
    return frozenset(
        "" if router == NO_ROUTER else router for length, router in matching if length == longest
    )


def network_of(told: DhcpMessage | LeaseObserved) -> ipaddress.IPv4Network | None:
    """Return the network that DHCP told of; None where it gave no mask."""
    try:
        return ipaddress.IPv4Network(f"{told.address}/{told.subnet_mask}", strict=False)
    except ValueError:
        return None


def real_offers(observed: DhcpObserved) -> tuple[DhcpMessage, ...]:
    """Keep the offers that offer an address: 0.0.0.0 is a boot server's, or an empty pool's."""
    return tuple(offer for offer in observed.offers if offer.address != UNSPECIFIED)


def fits(setup: Setup, offer: DhcpMessage) -> bool:
    """Whether a CUBE here can live by an offer: its network is a CUBE's, or this computer's.

    Where it describes no network nothing speaks against it: without a mask, with one of 32 ones,
    or where its address cannot be a host's. The site file's own network decides before there is a
    CUBE.
    """
    network = network_of(offer)
    strayed = is_loopback(offer.address) and not is_loopback(offer.source)
    if network is None or network.num_addresses == 1 or strayed or not is_host(offer.address):
        return True
    here = [cube.address for cube in setup.site.cubes]
    if isinstance(setup.vantage, Vantage) and setup.vantage.address:
        here.append(setup.vantage.address)
    wanted = setup.site.vantage.network
    return any(ipaddress.IPv4Address(address) in network for address in here) or bool(
        wanted and network.overlaps(ipaddress.IPv4Network(wanted))
    )


def will_do(setup: Setup, offer: DhcpMessage) -> bool:
    """Whether no better offer needs to be waited for."""
    return complete(offer) and fits(setup, offer)


def leading_offer(setup: Setup, observed: DhcpObserved) -> DhcpMessage | None:
    """Choose the offer that everything follows: of those that lead, the first that came.

    None where nobody offers an address.
    """
    return next(iter(leading_offers(setup, observed)), None)


def leading_offers(setup: Setup, observed: DhcpObserved) -> tuple[DhcpMessage, ...]:
    """List the offers of which a CUBE may take any: they fit and are complete, whoever was first.

    A CUBE's own lead, and stand in place of what the same server offers to this computer. If
    there is none that is complete, those that fit; those of another network come last.
    """

    def rank(one: DhcpMessage) -> tuple[bool, bool, bool]:
        return not fits(setup, one), not complete(one), not one.hardware

    offers = real_offers(observed)
    own = {server_of(offer) for offer in offers if offer.hardware}
    counting = [offer for offer in offers if offer.hardware or server_of(offer) not in own]
    best = min(map(rank, counting), default=None)
    return tuple(offer for offer in counting if rank(offer) == best)


def rivals(setup: Setup, observed: DhcpObserved) -> tuple[DhcpMessage, ...]:
    """List the offers that a CUBE may take as well and that name other servers than the leading.

    Which one it takes is for chance to decide, so theirs are asked, too. Of DNS servers the first
    that answers decides, so the same ones in another order are others.
    """
    by_servers: dict[tuple[tuple[str, ...], frozenset[str]], DhcpMessage] = {}
    for offer in leading_offers(setup, observed):
        by_servers.setdefault((offer.dns, frozenset(offer.ntp)), offer)
    return tuple(by_servers.values())[1 : 1 + RIVAL_LIMIT]


def server_of(offer: DhcpMessage) -> str:
    """Name the server of an offer."""
    return offer.server_id or offer.source


def handed_out(setup: Setup, evidence: Evidence) -> HandedOut:
    """Read from the evidence what DHCP told: by an offer, or else by this computer's own lease.

    A lease only holds what its client asked for. A list that it lacks for another reason may be
    handed out all the same, so its absence is an obstacle and no proof.

    Raises:
        LookupError: DHCP was not measured.
    """
    observed = evidence.get("dhcp")
    if isinstance(observed, DhcpObserved):
        offer = leading_offer(setup, observed)
        if offer is not None:
            return handed_out_by(setup, offer)
        if not silence_is_doubtful(setup, observed):
            return HandedOut(origin="nobody")
    obstacle = _unheard(observed) if isinstance(observed, DhcpObserved) else None
    if isinstance(observed, CannotMeasure):
        obstacle = observed
    lease = evidence.get("lease")
    if not isinstance(lease, LeaseObserved):
        return HandedOut(origin="nobody", obstacle=obstacle)
    return HandedOut(
        origin="lease",
        dns=hosts(lease.dns, lease),
        ntp=hosts(lease.ntp, lease),
        obstacle=obstacle,
        asked=lease.asked,
    )


def _unheard(observed: DhcpObserved) -> CannotMeasure:
    return CannotMeasure(
        started=observed.started,
        duration_s=observed.duration_s,
        cause="not-permitted",
        detail="a DHCP server's offer would not have been heard in any case",
        command=observed.command,
    )


def handed_out_by(setup: Setup, offer: DhcpMessage) -> HandedOut:
    """Read from one offer what it hands out; nothing if it is of another network."""
    if not fits(setup, offer):
        return HandedOut(origin="nobody", stranger=offer)
    return HandedOut(origin="dhcp", dns=hosts(offer.dns, offer), ntp=hosts(offer.ntp, offer))


def silence_is_doubtful(setup: Setup, observed: DhcpObserved) -> bool:
    """Whether no OFFER was heard, although there may have been one.

    A packet socket hears whatever comes. An ordinary socket does not, unless this computer's own
    DHCP client has heard nothing either: it then has an address of its own making (RFC 3927).
    Evidence of earlier versions says by the detail of a try which one it was.
    """
    if observed.offers:
        return False
    if observed.deaf == "wsl":
        return True
    vantage = setup.vantage
    if isinstance(vantage, CannotMeasure) or vantage.loopback:
        return False
    if vantage.address and ipaddress.IPv4Address(vantage.address).is_link_local:
        return False
    return bool(observed.deaf) or any("UDP socket" in one.detail for one in observed.tries)


def name_servers(site: Site, given: HandedOut) -> Servers:
    """Choose the DNS servers: those handed out, else those of the site file."""
    obstacle = None if DNS_OPTION in given.asked else given.obstacle
    return _servers(given.dns, hosts(site.dns.servers), given, obstacle)


def time_servers(site: Site, given: HandedOut) -> Servers:
    """Choose the time servers: those handed out, else those of the site file."""
    obstacle = None if NTP_OPTION in given.asked else given.obstacle
    return _servers(given.ntp, hosts(site.ntp.servers), given, obstacle)


def _servers(
    given: tuple[str, ...],
    configured: tuple[str, ...],
    source: HandedOut,
    obstacle: CannotMeasure | None,
) -> Servers:
    if given:
        return Servers(addresses=given, origin=source.origin)
    if configured:
        return Servers(addresses=configured, origin="site")
    return Servers(addresses=(), origin="nobody", obstacle=obstacle, stranger=source.stranger)


def is_host(address: str) -> bool:
    """Whether a text is an address that can belong to one host at all."""
    try:
        candidate = ipaddress.IPv4Address(address)
    except ValueError:
        return False
    return ipv4.is_host(candidate)


def is_loopback(address: str) -> bool:
    """Whether a text is an address of the computer that says it (RFC 1122 3.2.1.3)."""
    try:
        return ipaddress.IPv4Address(address).is_loopback
    except ValueError:
        return False


def hosts(
    addresses: Iterable[str], told: DhcpMessage | LeaseObserved | None = None
) -> tuple[str, ...]:
    """Keep the addresses that can belong to a host, each once, at most :data:`SERVER_LIMIT`.

    In the network that DHCP told of, its own address and its broadcast address belong to none.
    """
    nobody = no_hosts_of(told) if told else ()
    kept = (address for address in addresses if is_host(address) and address not in nobody)
    return tuple(dict.fromkeys(kept))[:SERVER_LIMIT]


def no_hosts_of(told: DhcpMessage | LeaseObserved) -> tuple[str, ...]:
    """Return the addresses of a network itself and of all its hosts (RFC 1122 section 3.2.1.3).

    A network of one or two addresses has room for neither (RFC 3021).
    """
    network = network_of(told)
    if network is None or network.prefixlen >= 31:  # noqa: PLR2004 - bits, of 32
        return ()
    return str(network.network_address), str(network.broadcast_address)


def usable(address: str, *, allow_private: bool, simulated: bool = False) -> bool:
    """Whether a cloud service can have this address (RFC 6890 and the ranges it lists).

    Private covers RFC 1918 and RFC 6598, and the benchmark range of RFC 2544, which labs use.
    Loopback counts only on the embedded site.
    """
    if not is_host(address):
        return False
    candidate = ipaddress.IPv4Address(address)
    if candidate.is_loopback:
        return simulated
    if any(candidate in network for network in _NOBODY):
        return False
    return allow_private or not any(candidate in network for network in _PRIVATE)


def usable_addresses(setup: Setup, answer: DnsObserved) -> tuple[str, ...]:
    """Keep the addresses of an answer that a cloud service can have."""
    if answer.rcode != "NOERROR":
        return ()
    return tuple(
        address
        for address in dict.fromkeys(answer.addresses)
        if usable(address, allow_private=setup.site.cloud.allow_private, simulated=setup.simulated)
    )[:ADDRESS_LIMIT]


def is_final(answer: DnsObserved) -> bool:
    """Whether a resolver that got an answer asks no other server.

    A cut answer of which the whole cannot be had is none (RFC 7766 section 5).
    """
    whole = answer.tcp in {"not-needed", "answer"}
    return answer.rcode is not None and answer.rcode not in PASSED_OVER and whole


def leading(servers: Iterable[str], answers: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Choose the addresses of a name: the first server's that are usable, in the servers' order.

    Empty while a server is still being asked whose answer would come first: where servers
    disagree, the quicker one must not decide.
    """
    for server in servers:
        if server not in answers:
            break
        if answers[server]:
            return answers[server]
    return ()


def unsynchronised_by(reply: NtpReply) -> Literal["", "stratum", "leap", "distance"]:
    """Return what keeps a time server from counting as synchronised; "" where nothing does.

    Stratum and leap indicator are its own word for it (RFC 5905 section 7.3). How far it may be
    from a primary clock is the client's decision; of those known, systemd-timesyncd allows most.
    """
    if not 0 < reply.stratum <= LAST_STRATUM:
        return "stratum"
    if reply.leap == UNSYNCHRONISED_LEAP:
        return "leap"
    return "distance" if reply.root_distance_s > ROOT_DISTANCE_LIMIT_S else ""


def dns_key(server: str, host: str) -> str:
    """Name the observation of one DNS server's answer for one host."""
    return f"dns/{server}/{host}"


def way_key(over: str, target: str, port: int) -> str:
    """Name the observation of the way to a target, ``way/udp/10.20.0.1:53`` for instance."""
    return f"way/{over}/{target}:{port}"


def tunnel_key(cube: str, host: str) -> str:
    """Return the key of what a CUBE's own way to a cloud host showed."""
    return f"tunnel/{cube}/{host}"


def page_key(address: str, port: int, name: str = "") -> str:
    """Name the observation of one page of a CUBE; ``name`` is one that a first look led to."""
    return f"page/{address}:{port}" + (f"/{name}" if name else "")


def redirect_name(page: PageObserved) -> str:
    """The host name that a page leads away to; empty where it leads nowhere, or to an address."""
    came_from = page.replies[-1].url if page.replies else ""
    try:
        name = (urlsplit(urljoin(came_from, page.redirect)).hostname or "").rstrip(".").lower()
    except ValueError:
        return ""
    legible = len(name) <= NAME_LIMIT and _NAME.fullmatch(name) is not None
    return name if page.redirect and legible and not is_host(name) else ""


def addresses(setup: Setup, evidence: Evidence, host: str) -> tuple[str, ...]:
    """Collect the usable addresses that the site's DNS servers gave for a host, in their order.

    Raises:
        LookupError: DHCP or a DNS server was not measured.
    """
    found: dict[str, None] = {}
    for server in name_servers(setup.site, handed_out(setup, evidence)).addresses:
        answer = evidence.get(dns_key(server, host))
        if isinstance(answer, DnsObserved):
            found |= dict.fromkeys(usable_addresses(setup, answer))
    return tuple(found)
