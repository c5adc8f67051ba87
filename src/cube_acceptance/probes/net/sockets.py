"""The way onto the network that all probes share: bound to the vantage and honest about errors.

Every socket is bound to the vantage interface and to one of its addresses, so that neither a
VPN nor a second network card can answer for the network under test. Before anything is sent,
the system's own route to the target must leave by that interface; otherwise the question
cannot be asked and :class:`CannotAskError` says why.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import ipaddress
import os
import select
import socket
import struct
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
import psutil

from cube_acceptance.evidence import (
    CannotMeasure,
    DhcpObserved,
    DnsObserved,
    HttpsObserved,
    NtpObserved,
    PageObserved,
    PingObserved,
    SshObserved,
    Trouble,
    Vantage,
    timestamp,
)
from cube_acceptance.probes.net.capture import BLIND, HOPS, THIS_COMPUTER, Witness
from cube_acceptance.probes.net.neighbours import told_by_hand
from cube_acceptance.probes.net.routing import (
    ANY,
    Flow,
    Route,
    ask_netlink,
    connected_source,
    neighbour_answers,
    tcp,
    udp,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from cube_acceptance.evidence import CannotCause, TroubleKind

ObservationT = TypeVar("ObservationT")

INTERFACES = Path("/sys/class/net")
"""Where Linux describes its interfaces (sysfs(5))."""

UNREACHABLE = 3
"""ICMP type destination unreachable (RFC 792)."""
PROHIBITED_CODES = frozenset({9, 10, 13})
"""Its codes for a prohibition by an administrator (RFC 1812 section 5.2.7.1)."""
NOBODY_THERE = 1
"""Its code for a host that cannot be reached: nobody answers ARP (RFC 1122 section 2.3.2.2)."""
CLOSED_CODES = frozenset({2, 3})
"""Its codes for a protocol or a port that nobody serves (RFC 792)."""

SYN_TRIES = 6
"""How often Linux may repeat a connection request; more than fit into any time limit here, so that
the computer's own setting does not end it early."""
PROMPT_S = 0.5
"""Within what time an ICMP error can only come from this computer's own packet filter."""
LATE_S = 0.05
"""How long an answer that came at the last moment may take from the wire to its socket."""

_IP_RECVERR = 11  # linux/in.h; the socket module does not name it
_MSG_ERRQUEUE = 0x2000  # linux/socket.h
_SO_EE_ORIGIN_ICMP = 2  # linux/errqueue.h
_IP_BOUND_IF = 25  # netinet/in.h on macOS
_TCP_INFO = struct.Struct("=BxB33xI60xI")
"""From linux/tcp.h, struct tcp_info: state, retransmits, retrans and total_retrans."""
_SYN_SENT = 2  # linux/tcp.h: TCP_SYN_SENT
_EXTENDED_ERROR = struct.Struct("=IBBBBII")  # struct sock_extended_err

_REFUSED = frozenset({errno.ECONNREFUSED, errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED})
_RESET = frozenset({errno.ECONNRESET, errno.EPIPE})
"""A reset came; after it, or after the peer's farewell, Linux says the latter to who writes on."""
_NO_ROUTE = frozenset(
    {errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN, errno.EADDRNOTAVAIL}
)
FORBIDDEN = frozenset({errno.EPERM, errno.EACCES})
"""What the system says where its packet filter, or a missing right, forbids the sending."""
_DROPPED = os.strerror(errno.ENOBUFS)
_OWN_DOING = frozenset({*map(os.strerror, FORBIDDEN), _DROPPED})


class CannotAskError(Exception):
    """The question cannot be put on the wire from this computer; becomes a CannotMeasure."""

    def __init__(self, cause: CannotCause, detail: str, command: str = "") -> None:
        """Name the cause, what stood in the way, and the command that removes it, if any."""
        super().__init__(detail)
        self.cause: CannotCause = cause
        self.detail = detail
        self.command = command


class ReachError(Exception):
    """The target was asked and cannot be reached; carries the :class:`Trouble`."""

    def __init__(self, trouble: Trouble) -> None:
        """Keep what the wire showed."""
        super().__init__(trouble.detail)
        self.trouble = trouble


class Stopwatch:
    """When a probe started and how long it has been running."""

    def __init__(self) -> None:
        """Start now."""
        self.started = timestamp()
        self._begin = time.monotonic()

    def elapsed(self) -> float:
        """Seconds since the start, to the microsecond."""
        return round(time.monotonic() - self._begin, 6)

    def left(self, limit_s: float) -> float:
        """Seconds until ``limit_s`` after the start, never negative."""
        return max(0.0, self._begin + limit_s - time.monotonic())

    def until(self, other: Stopwatch) -> float:
        """Seconds from this watch's start to another's; negative where that started earlier."""
        return other._begin - self._begin

    def wait_until(self, moment_s: float) -> None:
        """Sleep until ``moment_s`` seconds after the start; at once when that has passed."""
        time.sleep(self.left(moment_s))


def measured(
    measure: Callable[[Stopwatch], ObservationT], vantage: Vantage
) -> ObservationT | CannotMeasure:
    """Run a measurement; a question that cannot be asked becomes a :class:`CannotMeasure`.

    What came to nothing says something about the network only if this computer stood in it all
    the time, and sent its packets to whom the network says that they are for.
    """
    watch = Stopwatch()
    before = footing(vantage)
    try:
        observation = measure(watch)
        if in_vain(observation) and not vantage.loopback:
            check_footing(vantage, before)
            check_neighbours(vantage, unheard(observation))
    except CannotAskError as obstacle:
        return CannotMeasure(
            started=watch.started,
            duration_s=watch.elapsed(),
            cause=obstacle.cause,
            detail=obstacle.detail,
            command=obstacle.command,
        )
    return observation


def in_vain(observation: object) -> bool:
    """Tell whether an observation shows that something did not come about."""
    if isinstance(observation, DhcpObserved):
        return not observation.offers
    return getattr(observation, "trouble", None) is not None


def unheard(observation: object) -> tuple[str, ...]:
    """List the hosts that an observation shows to be silent or not to be found."""
    trouble: Trouble | None = getattr(observation, "trouble", None)
    if trouble is None or trouble.kind not in {"no-answer", "no-route"}:
        return ()
    match observation:
        case DnsObserved(server=host) | NtpObserved(server=host):
            return (host,)
        case PageObserved(address=host) | PingObserved(address=host) | SshObserved(address=host):
            return (host,)
        case HttpsObserved(addresses=hosts):
            return hosts
    return ()


def check_neighbours(vantage: Vantage, hosts: Collection[str]) -> None:
    """Make sure that nobody told this computer by hand where hosts are, or the routers to them.

    Raises:
        CannotAskError: somebody did (``ambiguous``).
    """
    for host in hosts:
        way = route_to(host)
        next_hop = (way and way.gateway) or host
        if entry := told_by_hand(vantage.interface, next_hop):
            command = f"ip neigh del {next_hop} dev {vantage.interface}"
            raise CannotAskError("ambiguous", f"{vantage.interface}: {entry}", command)


def carrier_changes(interface: str, root: Path = INTERFACES) -> str:
    """Read how often an interface has lost and found its carrier (Linux); empty where unknown."""
    try:
        return (root / interface / "carrier_changes").read_text("ascii")
    except (OSError, ValueError):
        return ""


def link_is_up(interface: str) -> bool | None:
    """Tell whether an interface is switched on and has a carrier; None where there is none."""
    state = psutil.net_if_stats().get(interface)
    return None if state is None else bool(state.isup)


def can_broadcast(interface: str) -> bool:
    """Tell whether an interface can reach all of a link at once; True where nobody can tell.

    A tunnel leads to one peer (``IFF_BROADCAST`` of netdevice(7)).
    """
    state = psutil.net_if_stats().get(interface)
    flags = state.flags if state else ""
    return not flags or not {"broadcast", "loopback"}.isdisjoint(flags.split(","))


def plugged_in(interface: str) -> bool:
    """Tell whether an interface is switched on and has a link; True where nobody can tell."""
    try:
        return link_is_up(interface) is not False
    except OSError:
        return True


def check_plugged_in(vantage: Vantage) -> None:
    """Make sure that the vantage has a link, as far as anybody can tell.

    Raises:
        CannotAskError: it has none (``off-link``).
    """
    if not plugged_in(vantage.interface):
        raise CannotAskError("off-link", f"{vantage.interface} has no link", "ip link show")


def is_here(address: str) -> bool:
    """Tell whether this computer has an address now; with none in question, it has it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as trial:
        try:
            trial.bind((address, 0))
        except OSError:
            return False
    return True


def footing(vantage: Vantage) -> tuple[str, bool]:
    """Say what a measurement rests on: the carrier's history, and whether the address is there."""
    return carrier_changes(vantage.interface), is_here(vantage.address)


def check_footing(vantage: Vantage, before: tuple[str, bool]) -> None:
    """Make sure that the vantage stands as it did before.

    Raises:
        CannotAskError: it does not (``off-link``).
    """
    check_plugged_in(vantage)
    if footing(vantage) != before:
        detail = f"{vantage.interface} lost its carrier or its address during the measurement"
        raise CannotAskError("off-link", detail)


def system_interfaces() -> dict[str, list[Any]]:
    """List the addresses of every interface, as psutil gives them.

    An address with a label of its own, ``eth0:1`` on Linux, belongs to its interface.
    """
    found: dict[str, list[Any]] = {}
    for name, entries in psutil.net_if_addrs().items():
        found.setdefault(name.partition(":")[0], []).extend(entries)
    return found


def interface_networks(interface: str) -> tuple[ipaddress.IPv4Interface, ...]:
    """List the interface's IPv4 addresses with their prefixes, in the system's order."""
    return tuple(
        ipaddress.IPv4Interface(f"{entry.address}/{entry.netmask or 32}")
        for entry in system_interfaces().get(interface, ())
        if entry.family == socket.AF_INET
    )


def interface_of(address: str) -> str | None:
    """Name the interface that has this IPv4 address; None where none has it."""
    for name, entries in system_interfaces().items():
        if any(entry.family == socket.AF_INET and entry.address == address for entry in entries):
            return name
    return None


def route_to(target: str, flow: Flow = ANY, source: str = "") -> Route | None:
    """Ask the system for the way to a host, from one of its addresses where that is given.

    None where there is none. Only Linux knows about rules by source, protocol and port.
    """
    if sys.platform.startswith("linux"):
        with contextlib.suppress(OSError):
            return ask_netlink(target, flow, source)
    chosen = connected_source(target)
    if chosen is None:
        return None
    return Route(source=chosen, interface=interface_of(chosen) or "", own=chosen == target)


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
                "other-route", f"this computer has no route to {target}", "ip route get " + target
            )
    interfaces = system_interfaces()
    if interface not in interfaces:
        known = ", ".join(sorted(interfaces))
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
    )


def on_link(vantage: Vantage, address: str) -> bool:
    """Tell whether ``address`` is in one of the networks that the vantage interface is in."""
    if not vantage.address:
        return False
    there = ipaddress.IPv4Address(address)
    return _in_own_network(vantage, address) or any(
        there in network.network for network in interface_networks(vantage.interface)
    )


@functools.lru_cache(maxsize=4096)
def _in_own_network(vantage: Vantage, address: str) -> bool:
    """Tell whether an address is in the network of the vantage's own address."""
    own = ipaddress.IPv4Interface(f"{vantage.address}/{vantage.prefix}")
    return ipaddress.IPv4Address(address) in own.network


def source_for(vantage: Vantage, target: str, flow: Flow = ANY) -> str:
    """Give the vantage address that packets to ``target`` leave from.

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
            "other-route", f"{target} is one of this computer's own addresses", "ip address"
        )
    source = _source_among(chosen, vantage, target)
    way = route_to(target, flow, source)
    if way is None:
        check_footing(vantage, (carrier_changes(vantage.interface), True))
        raise CannotAskError(
            "other-route", f"this computer has no route to {target}", f"ip route get {target}"
        )
    if way.interface != vantage.interface:
        raise CannotAskError(
            "other-route",
            f"the route to {target} leaves by {way.interface or way.source},"
            f" not by {vantage.interface}",
            f"ip route get {target}",
        )
    if not _belongs(source, vantage):
        detail = f"{vantage.interface} no longer has {vantage.address} but {source}"
        raise CannotAskError("off-link", detail, "ip address")
    return source


def _source_among(chosen: Route | None, vantage: Vantage, target: str) -> str:
    """Give the address that the system would choose itself, else the vantage's own.

    A VPN gives the interface an address of its own and lets everything be sent from there. Whoever
    is next on the way and stands in the vantage's network is met with the vantage's own address.
    """
    if not chosen or chosen.interface != vantage.interface or not chosen.source:
        return vantage.address
    near = _in_own_network(vantage, chosen.gateway or target)
    strange = not _in_own_network(vantage, chosen.source)
    if near and strange and interface_of(vantage.address) == vantage.interface:
        return vantage.address
    return chosen.source


def _belongs(source: str, vantage: Vantage) -> bool:
    """Tell whether an address of the interface stands for where the run began.

    A renewed lease may change the address within its network. Another network is another place,
    unless the first address is still there beside it.
    """
    return _in_own_network(vantage, source) or interface_of(vantage.address) == vantage.interface


def bind_interface(sock: socket.socket, vantage: Vantage, platform: str = sys.platform) -> None:
    """Tie a socket to the vantage interface, by the means of the platform.

    How far its packets may go is not for the computer's settings to say. Linux allows it without
    privilege since 5.7. Windows has no such means for TCP; there the route check and the source
    address have to do.
    """
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, HOPS)
    if platform.startswith("linux"):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, vantage.interface.encode())
    elif platform == "darwin":
        index = socket.if_nametoindex(vantage.interface)
        sock.setsockopt(socket.IPPROTO_IP, _IP_BOUND_IF, index)


@contextlib.contextmanager
def usable(vantage: Vantage) -> Iterator[None]:
    """Say that nothing can be asked where a socket cannot be opened at the vantage.

    Raises:
        CannotAskError: the interface or its address has gone, or this user may not use it.
    """
    try:
        yield
    except OSError as error:
        cause: CannotCause = "not-permitted" if error.errno in FORBIDDEN else "off-link"
        detail = f"{vantage.interface} cannot be used: {error.strerror or type(error).__name__}"
        raise CannotAskError(cause, detail) from error


def _prepare(
    sock: socket.socket,
    vantage: Vantage,
    target: str,
    flow: Flow = ANY,
    platform: str = sys.platform,
) -> None:
    source = source_for(vantage, target, flow)
    with usable(vantage):
        bind_interface(sock, vantage, platform)
        if platform.startswith("linux"):
            sock.setsockopt(socket.IPPROTO_IP, _IP_RECVERR, 1)
        if platform.startswith("linux") and flow.protocol == socket.IPPROTO_TCP:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_SYNCNT, SYN_TRIES)
        sock.bind((source, 0))


def open_udp(vantage: Vantage, address: str, port: int) -> socket.socket:
    """Open a UDP socket bound to the vantage and connected to one peer.

    Connected, so that only packets from that address and port are received and an ICMP error
    ends the wait (RFC 1122 section 4.1.3.3).

    Raises:
        CannotAskError: see :func:`source_for`, and an interface that cannot be used.
    """
    with usable(vantage):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        _prepare(sock, vantage, address, udp(port))
        with usable(vantage):
            sock.connect((address, port))
    except BaseException:
        sock.close()
        raise
    return sock


def open_tcp(
    vantage: Vantage, address: str, port: int, limit_s: float, then: str = "tcp"
) -> socket.socket:
    """Connect to one address within ``limit_s`` seconds, from the vantage.

    A request that nobody takes is refused; only a connection that somebody has taken can be
    reset, however soon. That is the end of the phase that comes ``then``, unless there is
    something to be read: whoever answers without waiting for a question has answered.

    Raises:
        CannotAskError: see :func:`source_for`, an interface that cannot be used, and a local
            firewall that forbids sending.
        ReachError: the connection did not come about, phase ``tcp``, or did not last.
    """
    flow = tcp(port)
    with usable(vantage):
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        _prepare(sock, vantage, address, flow)
        sock.settimeout(max(limit_s, 0.001))
        with watching(vantage, address, flow, port_of(sock)) as witness:
            _connect(sock, (address, port), witness, then)
    except BaseException:
        sock.close()
        raise
    return sock


def _connect(sock: socket.socket, peer: tuple[str, int], witness: Witness, then: str) -> None:
    begin = time.monotonic()
    try:
        sock.connect(peer)
    except OSError as error:
        taken = error.errno == errno.ECONNRESET
        if taken and _left_something(sock):
            confirm_answer(witness)
            return
        prompt = time.monotonic() - begin < PROMPT_S
        found = trouble(
            sock,
            error,
            then if taken else "tcp",
            lambda: next_hop_answers(witness, prompt=prompt),
        )
        found = refused_by(peer[0], found)
        if found.kind == "no-answer":
            confirm_silence(witness, lambda: shows(sock, select.POLLOUT))
        elif found.kind == "refused" and found.icmp_code is None:
            confirm_answer(witness)
        raise ReachError(found) from error
    confirm_answer(witness)


@contextlib.contextmanager
def watching(vantage: Vantage, address: str, flow: Flow, own: int) -> Iterator[Witness]:
    """Watch on the wire what passes between this computer and one peer; blind where it may not.

    ``own`` is the port, or the identifier, that an answer comes to.
    """
    way = None if vantage.loopback else route_to(address, flow)
    witness = Witness(
        wire=BLIND if vantage.loopback else THIS_COMPUTER,
        interface=vantage.interface,
        address=address,
        protocol=flow.protocol,
        port=flow.port,
        own=own,
        next_hop=(way and way.gateway) or address,
    )
    witness.begin()
    try:
        yield witness
    finally:
        witness.end()


def port_of(sock: socket.socket) -> int:
    """Give the port that a socket is bound to."""
    port: int = sock.getsockname()[1]
    return port


def next_hop_answers(witness: Witness, *, prompt: bool) -> bool:
    """Tell whether the next hop to a peer answers ARP; where nothing is known, whether it may.

    An error that comes promptly is none of ARP's: it asks for three seconds first, and a neighbour
    that it is just asking for is known to the system.
    """
    known = neighbour_answers(witness.interface, witness.next_hop)
    return prompt if known is None else known


def confirm_answer(witness: Witness) -> None:
    """Make sure that what looks like an answer came from the network.

    Raises:
        CannotAskError: this computer gave it itself.
    """
    if diverted := witness.diverted():
        raise _disturbed(diverted)


def confirm_silence(witness: Witness, came_late: Callable[[], bool]) -> None:
    """Make sure that what looks like silence is not this computer's doing.

    ``came_late`` tells whether an answer was still on its way from the wire to the socket.

    Raises:
        CannotAskError: this computer kept the question or the answer back, or the answer arrived
            at another of its interfaces.
    """
    kept_back = witness.kept_back()
    if kept_back and not came_late():
        confirm_interface(witness)
        raise _disturbed(kept_back)


def confirm_interface(witness: Witness) -> None:
    """Make sure that no answer arrived at another interface of this computer.

    Raises:
        CannotAskError: one did.
    """
    if elsewhere := witness.other_interface():
        detail = f"the answer of {witness.address} arrived at {elsewhere}"
        raise CannotAskError("other-route", f"{detail}, not at {witness.interface}")


def shows(sock: socket.socket, event: int) -> bool:
    """Tell whether a socket is ready for ``event`` (:mod:`select`), now or in an instant."""
    waiting = select.poll()
    waiting.register(sock, event)
    return bool(waiting.poll(LATE_S * 1000))


def _left_something(sock: socket.socket) -> bool:
    """Tell whether a peer that has reset the connection said something before."""
    patience = sock.gettimeout()
    sock.settimeout(0.0)
    try:
        return bool(sock.recv(1, socket.MSG_PEEK))
    except OSError:
        return False
    finally:
        sock.settimeout(patience)


def icmp_error(sock: socket.socket) -> tuple[int, int, str] | None:
    """Read type, code and sender of the ICMP error that a socket met; None where unknown.

    Linux keeps it in the socket's error queue (``IP_RECVERR``), for TCP since 5.9.
    """
    try:
        patience = sock.gettimeout()
        sock.settimeout(0.0)  # with a time limit set, Python would wait for what is not there
        try:
            _, ancillary, _, _ = sock.recvmsg(512, 512, _MSG_ERRQUEUE | socket.MSG_DONTWAIT)
        finally:
            sock.settimeout(patience)
    except (OSError, AttributeError, NotImplementedError):  # nothing there, closed, TLS, Windows
        return None
    for level, kind, data in ancillary:
        if (level, kind) == (socket.IPPROTO_IP, _IP_RECVERR) and len(data) >= _EXTENDED_ERROR.size:
            _, origin, icmp_type, code, _, _, _ = _EXTENDED_ERROR.unpack_from(data)
            if origin == _SO_EE_ORIGIN_ICMP:
                offender = data[_EXTENDED_ERROR.size :]
                sender = socket.inet_ntoa(offender[4:8]) if len(offender) >= 8 else ""  # noqa: PLR2004 - sockaddr_in
                return icmp_type, code, sender
    return None


def trouble(
    sock: socket.socket,
    error: OSError,
    phase: str,
    answers: Callable[[], bool | None] = lambda: None,
) -> Trouble:
    """Say in the evidence's words what an operating system error on a socket means.

    ``answers`` tells whether the next hop answers ARP. Where it does not, this computer itself
    says that the target cannot be reached, and rightly.

    Raises:
        CannotAskError: this computer's own packet filter forbade the sending.
    """
    if isinstance(error, TimeoutError):
        if phase == "tcp" and kept_back(sock):
            raise forbidden("no connection request left it")
        return Trouble(kind="no-answer", phase=phase, detail="nothing came back in time")
    message = icmp_error(sock)
    if message and message[0] == UNREACHABLE:
        _, code, sender = message
        kind: TroubleKind = "refused" if code in PROHIBITED_CODES | CLOSED_CODES else "no-route"
        detail = f"ICMP destination unreachable, code {code}, from {sender}"
        if sender and _is_own(sender) and (code != NOBODY_THERE or answers()):
            raise forbidden(detail)
        return Trouble(kind=kind, phase=phase, detail=detail, icmp_code=code, icmp_source=sender)
    detail = error.strerror or type(error).__name__
    if error.errno in FORBIDDEN:
        raise forbidden(detail)
    if error.errno in _REFUSED:
        sign = "TCP RST" if error.errno in _RESET else ""
        return Trouble(kind="refused", phase=phase, detail=detail, sign=sign)
    if error.errno in _NO_ROUTE:
        return Trouble(kind="no-route", phase=phase, detail=detail)
    return Trouble(kind="no-answer", phase=phase, detail=detail)


def refused_by(address: str, problem: Trouble) -> Trouble:
    """Take it for a refusal where a host says of itself that it cannot be reached: it is there."""
    if problem.icmp_source != address:
        return problem
    return msgspec.structs.replace(problem, kind="refused")


def forbidden(detail: str, command: str = "") -> CannotAskError:
    """Say that this computer's own firewall forbids the sending; ``command`` may help."""
    what = f"this computer's own firewall forbids the sending: {detail}"
    return CannotAskError("not-permitted", what, command)


def cannot_send(words: str, what: str = "nothing can be sent") -> CannotAskError:
    """Say that the sending failed, by the system's words for it.

    Linux says that it lacks room (``ENOBUFS``) when a packet is dropped behind its own packet
    filter, by protection software or a full queue. The link is there then, as it is where that
    filter forbids the sending.
    """
    cause: CannotCause = "not-permitted" if words in _OWN_DOING else "off-link"
    return CannotAskError(cause, f"{what}: {words}")


def check_sent(words: Collection[str]) -> None:
    """Refuse to call it silence where this computer itself dropped a question.

    It says so only once it knows the neighbour's address; what waits for that seems to be sent.
    ``words`` are the system's for what met each question.

    Raises:
        CannotAskError: it did (``not-permitted``).
    """
    if _DROPPED in words:
        raise cannot_send(_DROPPED, "a question was dropped by this computer")


def kept_back(sock: socket.socket) -> bool:
    """Tell whether this computer let none of a connection's repeated requests go (Linux).

    A packet filter that drops what goes out says so to a UDP socket, but lets a TCP one wait as
    if nobody answered. The kernel's own account tells the two apart: what it repeated is counted,
    and what of it is under way is not. A request that waits for its neighbour's address is not
    repeated and not counted.
    """
    try:
        account = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO.size)
        state, timeouts, under_way, repeated = _TCP_INFO.unpack(account)
    except (OSError, AttributeError, struct.error):  # closed, or not Linux
        return False
    return state == _SYN_SENT and 0 < timeouts <= repeated and not under_way


def _is_own(address: str) -> bool:
    """Tell whether an ICMP error came from this computer itself; on loopback all of them do."""
    return not ipaddress.IPv4Address(address).is_loopback and interface_of(address) is not None


def _disturbed(detail: str) -> CannotAskError:
    return CannotAskError("not-permitted", f"this computer disturbs the measurement: {detail}")
