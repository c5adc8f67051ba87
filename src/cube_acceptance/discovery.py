"""What a network shows of itself before there is a site file: for ``init``.

DHCP and mDNS are asked as in a session, and who answers is looked at more closely. Nothing of it is
evidence: a person confirms it.
"""

from __future__ import annotations

import ipaddress
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from cube_acceptance import network
from cube_acceptance.evidence import CannotMeasure, Vantage
from cube_acceptance.method import FAR_AWAY
from cube_acceptance.probes import candidates
from cube_acceptance.probes.dhcp import DhcpProbe
from cube_acceptance.probes.net import local
from cube_acceptance.probes.net import vantage as vantages
from cube_acceptance.probes.net.dhcp_packet import BROADCAST
from cube_acceptance.probes.net.errors import CannotAskError
from cube_acceptance.probes.net.neighbours import learned
from cube_acceptance.setup import Setup
from cube_acceptance.site import LoadedSite, Site

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cube_acceptance.evidence import DhcpMessage
    from cube_acceptance.setup import Ports

SWEPT_PREFIX = 24
"""A sweep goes through this computer's own /24 and no further."""


class Candidate(NamedTuple):
    """A host that shows pages of a CUBE's."""

    address: str
    hostname: str
    mac: str
    title: str
    version: str


class Found(NamedTuple):
    """What was found out."""

    vantage: Vantage
    network: str
    dhcp: str
    """The server that offers addresses; empty where none does."""
    routers: tuple[str, ...]
    dns: tuple[str, ...]
    ntp: tuple[str, ...]
    obstacle: str
    """Why DHCP could not be asked; empty where it could."""
    cubes: tuple[Candidate, ...]


def here(interface: str = "") -> Vantage:
    """Return where this computer stands: on the interface named, else the one that leads out.

    Raises:
        CannotAskError: there is no such interface, or none with an address.
    """
    try:
        return vantages.find_vantage(FAR_AWAY, interface)
    except CannotAskError:
        if interface:
            raise
        for name in local.system_interfaces():
            networks = local.interface_networks(name)
            if networks and not networks[0].ip.is_loopback and local.plugged_in(name):
                return vantages.find_vantage(FAR_AWAY, name)
        raise


def swept(vantage: Vantage) -> tuple[str, ...]:
    """List the addresses that a sweep knocks at: those of the own network, of a /24 at most."""
    prefix = max(vantage.prefix, SWEPT_PREFIX)
    network = ipaddress.IPv4Network(f"{vantage.address}/{prefix}", strict=False)
    return tuple(str(host) for host in network.hosts() if str(host) != vantage.address)


def find(vantage: Vantage, ports: Ports, *, sweep: bool) -> Found:
    """Ask DHCP and mDNS, and look at who answers."""
    offer, obstacle = _offer(vantage, ports)
    hosts: dict[str, None] = {}
    if vantage.address:
        hosts |= dict.fromkeys(_answering(vantage, ports))
        if sweep:
            knocked = candidates.sweep(vantage, swept(vantage), (ports.conn, ports.diag_new))
            hosts |= dict.fromkeys(knocked)
    return Found(
        vantage=vantage,
        network=_network(vantage),
        dhcp=network.server_of(offer) if offer else "",
        routers=network.ways_out(offer) if offer else (),
        dns=offer.dns if offer else (),
        ntp=offer.ntp if offer else (),
        obstacle=obstacle,
        cubes=_cubes(vantage, ports, hosts),
    )


def _network(vantage: Vantage) -> str:
    if not vantage.address:
        return ""
    return str(ipaddress.IPv4Network(f"{vantage.address}/{vantage.prefix}", strict=False))


def _offer(vantage: Vantage, ports: Ports) -> tuple[DhcpMessage | None, str]:
    setup = Setup(loaded=LoadedSite(site=Site()), vantage=vantage)
    seen = DhcpProbe(
        vantage=vantage,
        port_server=ports.dhcp_server,
        port_client=ports.dhcp_client,
        server_address="127.0.0.1" if vantage.loopback else BROADCAST,
        suffices=partial(network.will_do, setup),
    ).run()
    if isinstance(seen, CannotMeasure):
        return None, seen.detail
    return network.leading_offer(setup, seen), ""


def _answering(vantage: Vantage, ports: Ports) -> tuple[str, ...]:
    neighbour = vantage.address if vantage.loopback else next(iter(swept(vantage)), "")
    try:
        return candidates.answering(vantage, neighbour, ports.mdns) if neighbour else ()
    except CannotAskError:
        return ()


def _cubes(vantage: Vantage, ports: Ports, hosts: Iterable[str]) -> tuple[Candidate, ...]:
    """Look at hosts side by side, and keep those whose pages are a CUBE's."""
    asked = [one for one in hosts if one != vantage.address or vantage.loopback]
    if not asked:
        return ()
    with ThreadPoolExecutor(max_workers=len(asked)) as pool:
        seen = pool.map(lambda host: _look(vantage, ports, host), asked)
        cubes = [one for one in seen if one]
    known = learned(vantage.interface)
    cubes.sort(key=lambda one: ipaddress.IPv4Address(one.address))
    return tuple(one._replace(mac=known.get(one.address, "")) for one in cubes)


def _look(vantage: Vantage, ports: Ports, host: str) -> Candidate | None:
    """Look at a host's pages, one after the other; None where no page is a CUBE's."""
    wanted = dict.fromkeys((ports.conn, ports.diag_new, ports.diag_old))
    pages = [page for port in wanted if (page := candidates.look(vantage, host, port))]
    if not any(page.familiar for page in pages):
        return None
    diagnosis = [page for page in pages if page.port != ports.conn]
    said = [*diagnosis, *pages]
    return Candidate(
        address=host,
        hostname=candidates.name_of(vantage, host, ports.mdns),
        mac="",
        title=next((page.title for page in said if page.title), ""),
        version=next((page.version for page in said if page.version), ""),
    )
