"""Which way a packet would take, as the system itself decides it; nothing is sent.

Linux is asked by rtnetlink(7) for exactly the packet that is meant: a rule can choose the way by
user, source address, protocol and port (ip-rule(8)), as VPNs do that take only some of the traffic.
Windows tells the router and the interface (GetBestRoute2). Elsewhere a UDP socket that is connected
tells its source address, and macOS names the router where its route(8) is asked.
"""

from __future__ import annotations

import errno
import ipaddress
import re
import socket
import struct
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cube_acceptance.probes.net.local import interface_of
from cube_acceptance.probes.net.netlink import ask_list, attributes
from cube_acceptance.probes.net.windows import adapters, best_route, windows_library

if TYPE_CHECKING:
    from cube_acceptance.probes.net.windows import Load

_NETLINK = 16  # linux/socket.h: AF_NETLINK; the socket module names it on Linux only
_ERROR = 2  # linux/netlink.h: NLMSG_ERROR
_NEW_ROUTE, _GET_ROUTE = 24, 26  # linux/rtnetlink.h
_REQUEST = 1  # linux/netlink.h: NLM_F_REQUEST
_HEADER = struct.Struct("=IHHII")  # struct nlmsghdr
_ROUTE = struct.Struct("=BBBBBBBBI")  # struct rtmsg
_ATTRIBUTE = struct.Struct("=HH")  # struct rtattr
_NEW_RULE, _GET_RULE = 32, 34
_RULE = struct.Struct("=B11x")  # linux/fib_rules.h: struct fib_rule_hdr
_BY_FLOW = frozenset({22, 23, 24})  # FRA_IP_PROTO, FRA_SPORT_RANGE, FRA_DPORT_RANGE
_NUMBER = struct.Struct("=i")  # struct nlmsgerr begins with it
_NOT_KNOWN = frozenset({errno.EOPNOTSUPP, errno.ENOSYS})
_ALIGNED = 4
_DST, _SRC, _OIF, _GATEWAY, _PREFSRC, _IP_PROTO, _DPORT = 1, 2, 4, 5, 7, 27, 29  # RTA_...
_UNICAST, _LOCAL = 1, 2  # RTN_...
_HOST_BITS = 32
_RECEIVE_LIMIT = 8192


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """What kind of packets are meant, where that is known."""

    protocol: int = 0
    """``socket.IPPROTO_UDP``, for instance."""
    port: int = 0
    """The target's port."""


ANY = Flow()


def udp(port: int) -> Flow:
    """Mean datagrams to a port."""
    return Flow(protocol=socket.IPPROTO_UDP, port=port)


def tcp(port: int) -> Flow:
    """Mean a connection to a port."""
    return Flow(protocol=socket.IPPROTO_TCP, port=port)


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """The way to a target."""

    source: str
    """The address that packets leave from."""
    interface: str
    """The interface that they leave by; empty where it is not known."""
    gateway: str | None = ""
    """The router that they are handed to; empty where the target is on the link, and None where
    the system does not say."""
    own: bool = False
    """The target is this computer itself."""


def ask_netlink(target: str, flow: Flow = ANY, source: str = "") -> Route | None:
    """Ask Linux for the way to a host, from ``source`` where that is given; None: there is none.

    Raises:
        OSError: this system cannot be asked so.
    """
    with socket.socket(_NETLINK, socket.SOCK_RAW, 0) as asking:
        asking.send(_question(target, flow, source))
        return _read(asking.recv(_RECEIVE_LIMIT), source)


def flow_matters() -> bool:
    """Whether a rule of this computer's chooses the way by protocol or port (ip-rule(8)).

    True where nobody can tell.
    """
    try:
        rules = ask_list(_GET_RULE, _NEW_RULE, _RULE.pack(socket.AF_INET))
    except OSError:
        return True
    return any(kind in _BY_FLOW for rule in rules for kind, _ in attributes(rule, _RULE.size))


def _question(target: str, flow: Flow, source: str) -> bytes:
    attributes = _attribute(_DST, socket.inet_aton(target))
    if source:
        attributes += _attribute(_SRC, socket.inet_aton(source))
    if flow.protocol:
        attributes += _attribute(_IP_PROTO, bytes((flow.protocol,)))
    if flow.port:
        attributes += _attribute(_DPORT, flow.port.to_bytes(2, "big"))
    source_bits = _HOST_BITS if source else 0
    route = _ROUTE.pack(socket.AF_INET, _HOST_BITS, source_bits, 0, 0, 0, 0, 0, 0)
    size = _HEADER.size + len(route) + len(attributes)
    return _HEADER.pack(size, _GET_ROUTE, _REQUEST, 1, 0) + route + attributes


def _attribute(kind: int, value: bytes) -> bytes:
    padding = bytes(-len(value) % _ALIGNED)
    return _ATTRIBUTE.pack(_ATTRIBUTE.size + len(value), kind) + value + padding


def _read(answer: bytes, source: str) -> Route | None:
    size, kind, *_ = _HEADER.unpack_from(answer)
    if kind == _ERROR and -_NUMBER.unpack_from(answer, _HEADER.size)[0] not in _NOT_KNOWN:
        return None
    if kind != _NEW_ROUTE:
        raise OSError(f"netlink message {kind} instead of a route")
    route_type = _ROUTE.unpack_from(answer, _HEADER.size)[7]
    if route_type not in {_UNICAST, _LOCAL}:
        return None
    found: dict[int, bytes] = {}
    at = _HEADER.size + _ROUTE.size
    while at + _ATTRIBUTE.size <= size:
        length, name = _ATTRIBUTE.unpack_from(answer, at)
        found[name] = answer[at + _ATTRIBUTE.size : at + length]
        at += max(length, _ATTRIBUTE.size) + -length % _ALIGNED
    return Route(
        source=_address(found.get(_PREFSRC)) or source,
        interface=_interface(found.get(_OIF)),
        gateway=_address(found.get(_GATEWAY)),
        own=route_type == _LOCAL,
    )


def _address(value: bytes | None) -> str:
    return socket.inet_ntoa(value) if value else ""


def _interface(value: bytes | None) -> str:
    try:
        return socket.if_indextoname(int.from_bytes(value or b"", sys.byteorder))
    except OSError:  # it has gone meanwhile
        return ""


def ask_windows(target: str, source: str = "", load: Load = windows_library) -> Route | None:
    """Ask Windows for the way to a host; None where there is none.

    Raises:
        OSError: it cannot be asked so.
    """
    way = best_route(target, source, load)
    if way is None:
        return None
    here = interface_of(target)
    names = {one.number: one.name for one in adapters(load)}
    return Route(
        source=way.source or source or connected_source(target) or "",
        interface=here or names.get(way.interface, ""),
        gateway="" if here else way.gateway,
        own=here is not None,
    )


def macos_router(said: str) -> str | None:
    """Read the router in what macOS' ``route -n get`` prints; empty: on the link, None: no way."""
    fields = dict(re.findall(r"^ *([a-z]+): +(\S+)", said, re.MULTILINE))
    if "interface" not in fields:
        return None
    try:
        return str(ipaddress.IPv4Address(fields.get("gateway", "")))
    except ValueError:  # a hardware address, or link#4
        return ""


def connected_source(target: str) -> str | None:
    """Ask any system which of its addresses it would reach ``target`` from; None: no way.

    A UDP ``connect`` makes the system look up the route only.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as query:
        try:
            query.connect((target, 9))
        except OSError:
            return None
        source: str = query.getsockname()[0]
        return source
