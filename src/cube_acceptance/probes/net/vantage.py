"""Where the measurements are made from, and whether the way to a target leads out there.

Before anything is sent, the system's own route to the target must leave by the vantage interface;
otherwise the question cannot be asked and :class:`CannotAskError` says why.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import ipaddress
import sys

import psutil

from cube_acceptance.evidence import Vantage
from cube_acceptance.probes.net.commands import show_addresses, show_links, show_route
from cube_acceptance.probes.net.errors import CannotAskError
from cube_acceptance.probes.net.local import (
    can_broadcast,
    carrier_changes,
    interface_networks,
    interface_of,
    is_here,
    is_text,
    mtu_of,
    plugged_in,
    system_interfaces,
)
from cube_acceptance.probes.net.routing import (
    ANY,
    Flow,
    Route,
    ask_netlink,
    ask_windows,
    connected_source,
    flow_matters,
    macos_router,
)
from cube_acceptance.probes.net.standing import STANDING
from cube_acceptance.programs import run_command

ROUTE_LIMIT_S = 5.0
"""How long the command may take that tells the router."""


def check_plugged_in(vantage: Vantage) -> None:
    """Make sure that the vantage has a link, as far as anybody can tell.

    Raises:
        CannotAskError: it has none (``off-link``).
    """
    question = "plugged in", vantage.interface
    if not STANDING.recall(question, lambda: plugged_in(vantage.interface)):
        raise CannotAskError("off-link", f"{vantage.interface} has no link", show_links())


def link_state(vantage: Vantage) -> tuple[str, bool]:
    """Return the carrier's history, and whether the vantage's address is there."""
    return carrier_changes(vantage.interface), is_here(vantage.address)


def standing_link_state(vantage: Vantage) -> tuple[str, bool]:
    """Return the same as it was at the last change that the system has told of."""
    question = "link state", vantage.interface, vantage.address
    return STANDING.recall(question, lambda: link_state(vantage))


def check_link_state(vantage: Vantage, before: tuple[str, bool]) -> None:
    """Make sure that the vantage stands as it did before.

    Raises:
        CannotAskError: it does not (``off-link``).
    """
    STANDING.look()
    check_plugged_in(vantage)
    if link_state(vantage) != before:
        detail = f"{vantage.interface} lost its carrier or its address during the measurement"
        raise CannotAskError("off-link", detail)


def route_to(target: str, flow: Flow = ANY, source: str = "") -> Route | None:
    """Ask the system for the way to a host, from one of its addresses where that is given.

    None where there is none. Only Linux knows about rules by source, protocol and port.
    """
    if flow != ANY and STANDING.held and not STANDING.recall("flows", flow_matters, _always):
        way = route_to(target, ANY, source)
        if _lasts(way):
            return way
    return STANDING.recall(
        ("route", target, flow, source), lambda: _ask_route(target, flow, source), _lasts
    )


def _always(_answer: object) -> bool:
    return True


def _lasts(way: Route | None) -> bool:
    """Whether a way stays as it is until the system tells of a change.

    A router may name a better one (RFC 792), and one of several may be taken for each flow.
    """
    return way is not None and not way.gateway


def _ask_route(target: str, flow: Flow, source: str) -> Route | None:
    with contextlib.suppress(OSError):
        if sys.platform.startswith("linux"):
            return ask_netlink(target, flow, source)
        if sys.platform == "win32":
            return ask_windows(target, source)
    chosen = connected_source(target)
    if chosen is None:
        return None
    own = chosen == target
    return Route(source=chosen, interface=interface_of(chosen) or "", gateway=None, own=own)


def whole_route(target: str, flow: Flow = ANY, source: str = "") -> Route | None:
    """Ask likewise, and on macOS for the router by a command, which takes its time."""
    route = route_to(target, flow, source)
    if route is None or route.own or route.gateway is not None or sys.platform != "darwin":
        return route
    said = run_command(("route", "-n", "get", target), ROUTE_LIMIT_S)
    return dataclasses.replace(route, gateway=macos_router(said))


def default_router(far_away: str) -> str:
    """Return the router to a far address as Windows or macOS tells; empty where nobody does."""
    way = None if sys.platform.startswith("linux") else whole_route(far_away)
    return (way and way.gateway) or ""


def find_vantage(target: str, interface: str = "") -> Vantage:
    """Find the place to measure from: the named interface, or the one that reaches ``target``.

    ``target`` is the first CUBE's address, or any far address for the default route. An
    interface without an IPv4 address gives a vantage with an empty address: DHCP can still be
    measured from there.

    Raises:
        CannotAskError: there is no such interface, or no route and no interface named.
    """
    way = route_to(target)
    if not interface:
        interface = (way and (interface_of(target) if way.own else way.interface)) or ""
        if not interface:
            raise CannotAskError(
                "other-route", f"this computer has no route to {target}", show_route(target)
            )
    if not is_text(interface):
        raise CannotAskError(
            "not-configured",
            f"the name of the interface that reaches {target} is no text: {interface!a}",
            "ip link set",
        )
    interfaces = system_interfaces()
    if interface not in interfaces:
        known = ", ".join(sorted(filter(is_text, interfaces)))
        raise CannotAskError(
            "not-configured", f"there is no interface {interface}; this computer has {known}"
        )
    networks = interface_networks(interface)
    chosen = next(
        (network for network in networks if way and str(network.ip) == way.source),
        networks[0] if networks else None,
    )
    hardware = [entry.address for entry in interfaces[interface] if entry.family == psutil.AF_LINK]
    return Vantage(
        interface=interface,
        address=str(chosen.ip) if chosen else "",
        prefix=chosen.network.prefixlen if chosen else 32,
        mac=(hardware[0] if hardware else "").lower().replace("-", ":"),
        loopback=bool(chosen and chosen.ip.is_loopback),
        mtu=mtu_of(interface),
    )


def on_link(vantage: Vantage, address: str) -> bool:
    """Whether packets for an address reach it without a router.

    The networks that the vantage interface is in tell, and a route without a router does: a /32
    address may have its whole network on the link.
    """
    if not vantage.address:
        return False
    return _in_a_network(vantage, address) or router_to(vantage, address) == ""


def router_to(vantage: Vantage, address: str) -> str | None:
    """Return the router that packets from the vantage to an address are handed to.

    Empty where the address is on the link, None where nobody can tell: the system does not say, or
    does not send them by the vantage interface. Behind a tunnel there is a router that its routes
    need not name; the tunnel's own name stands for it.
    """
    route = whole_route(address)
    if route is None or route.own or route.interface != vantage.interface:
        return None
    return route.gateway if can_broadcast(vantage.interface) else route.gateway or vantage.interface


def _in_a_network(vantage: Vantage, address: str) -> bool:
    there = ipaddress.IPv4Address(address)
    return in_own_network(vantage, address) or any(
        there in network.network for network in interface_networks(vantage.interface)
    )


@functools.lru_cache(maxsize=4096)
def in_own_network(vantage: Vantage, address: str) -> bool:
    """Whether an address is in the network of the vantage's own address."""
    own = ipaddress.IPv4Interface(f"{vantage.address}/{vantage.prefix}")
    return ipaddress.IPv4Address(address) in own.network


def source_for(vantage: Vantage, target: str, flow: Flow = ANY) -> str:
    """Return the vantage address that packets to ``target`` leave from.

    The way from there must leave by the vantage interface.

    Raises:
        CannotAskError: the interface has no address or no link (``off-link``), the target is one
            of this computer's own addresses, or the route to it leaves elsewhere (``other-route``).
    """
    if not vantage.address:
        raise CannotAskError("off-link", f"{vantage.interface} has no IPv4 address")
    check_plugged_in(vantage)
    chosen = route_to(target, flow)
    if chosen and chosen.own and not vantage.loopback:
        raise CannotAskError(
            "other-route", f"{target} is one of this computer's own addresses", show_addresses()
        )
    source = _source_among(chosen, vantage, target)
    way = route_to(target, flow, source)
    if way is None:
        check_link_state(vantage, (carrier_changes(vantage.interface), True))
        raise CannotAskError(
            "other-route", f"this computer has no route to {target}", show_route(target)
        )
    if way.interface != vantage.interface:
        raise CannotAskError(
            "other-route",
            f"the route to {target} leaves by {way.interface or way.source},"
            f" not by {vantage.interface}",
            show_route(target),
        )
    if not _belongs(source, vantage):
        detail = f"{vantage.interface} no longer has {vantage.address} but {source}"
        raise CannotAskError("off-link", detail, show_addresses())
    return source


def _source_among(chosen: Route | None, vantage: Vantage, target: str) -> str:
    """Return the address that the system would choose itself, else the vantage's own.

    A VPN gives the interface an address of its own and lets everything be sent from there. Whoever
    is next on the way and stands in the vantage's network is met with the vantage's own address.
    """
    if not chosen or chosen.interface != vantage.interface or not chosen.source:
        return vantage.address
    near = in_own_network(vantage, chosen.gateway or target)
    strange = not in_own_network(vantage, chosen.source)
    if near and strange and interface_of(vantage.address) == vantage.interface:
        return vantage.address
    return chosen.source


def _belongs(source: str, vantage: Vantage) -> bool:
    """Whether an address of the interface stands for where the run began.

    A renewed lease may change the address within its network. Another network is another place,
    unless the first address is still there beside it.
    """
    return in_own_network(vantage, source) or interface_of(vantage.address) == vantage.interface
