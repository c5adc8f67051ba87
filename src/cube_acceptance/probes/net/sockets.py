"""The sockets that all probes share: bound to the vantage, with this computer's part watched.

Every socket is bound to the vantage interface and to one of its addresses, so that neither a
VPN nor a second network card can answer for the network under test.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import selectors
import socket
import sys
import time
from typing import TYPE_CHECKING

from cube_acceptance.probes.net import windows
from cube_acceptance.probes.net.capture import BLIND, HOPS, RECORDER, Capture
from cube_acceptance.probes.net.neighbours import neighbour_answers
from cube_acceptance.probes.net.routing import ANY, Flow, tcp, udp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cube_acceptance.evidence import CannotCause, Vantage
    from cube_acceptance.probes.net.together import Steps

from cube_acceptance.probes.net.errors import (
    FORBIDDEN,
    IP_RECVERR,
    CannotAskError,
    ReachError,
    disturbed,
    local_network,
    refused_by,
    trouble,
    words,
)
from cube_acceptance.probes.net.together import Ready, alone, waits
from cube_acceptance.probes.net.vantage import in_own_network, route_to, source_for

SYN_TRIES = 6
"""How often Linux may repeat a connection request; more than fit into any time limit here, so that
the computer's own setting does not end it early."""
PROMPT_S = 0.5
"""Within what time an ICMP error can only come from this computer's own packet filter."""
LATE_S = 0.05
"""How long an answer that came at the last moment may take from the wire to its socket."""
_IP_BOUND_IF = 25  # netinet/in.h on macOS
_IP_UNICAST_IF = 31  # ws2ipdef.h on Windows, with the number in network byte order


def bind_interface(sock: socket.socket, vantage: Vantage, platform: str = sys.platform) -> None:
    """Tie a socket to the vantage interface, by the means of the platform.

    How far its packets may go is not for the computer's settings to say. Linux allows it without
    privilege since 5.7. Windows has no such means for loopback, where it knows one interface only.
    """
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, HOPS)
    if platform.startswith("linux"):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, os.fsencode(vantage.interface))
    elif platform == "darwin":
        index = socket.if_nametoindex(vantage.interface)
        sock.setsockopt(socket.IPPROTO_IP, _IP_BOUND_IF, index)
    elif platform == "win32" and not vantage.loopback:
        number = windows.adapter(vantage.interface).number
        sock.setsockopt(socket.IPPROTO_IP, _IP_UNICAST_IF, number.to_bytes(4, "big"))


@contextlib.contextmanager
def opening(sock: socket.socket) -> Iterator[socket.socket]:
    """Close a socket that does not get as far as its user."""
    try:
        yield sock
    except BaseException:
        sock.close()
        raise


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
        detail = f"{vantage.interface} cannot be used: {words(error)}"
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
            sock.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
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
    with opening(sock):
        _prepare(sock, vantage, address, udp(port))
        with usable(vantage):
            sock.connect((address, port))
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
    return alone(open_tcp_in_steps(vantage, address, port, limit_s, then))


def open_tcp_in_steps(  # noqa: PLR0913 - how it waits stands beside what it opens
    vantage: Vantage,
    address: str,
    port: int,
    limit_s: float,
    then: str = "tcp",
    *,
    beside: bool = False,
) -> Steps[socket.socket]:
    """Connect likewise; ``beside`` others the socket never waits itself, neither now nor later."""
    flow = tcp(port)
    with usable(vantage):
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    with opening(sock):
        _prepare(sock, vantage, address, flow)
        limit_s = max(limit_s, 0.001)
        sock.settimeout(0.0 if beside else limit_s)
        with watching(vantage, address, flow, port_of(sock)) as capture:
            try:
                yield from _connect(sock, (address, port), capture, then, limit_s)
            except ReachError as error:
                check_local_network(error, vantage, address)
                raise
    return sock


def check_local_network(
    error: ReachError, vantage: Vantage, address: str, platform: str = sys.platform
) -> None:
    """Make sure that macOS lets this program into the network that it stands in.

    Raises:
        CannotAskError: there is no way to a neighbour, which no neighbour can have said.
    """
    if (
        platform == "darwin"
        and error.trouble.kind == "no-route"
        and in_own_network(vantage, address)
    ):
        cause = error.__cause__
        if isinstance(cause, OSError) and cause.errno == errno.EHOSTUNREACH:
            raise local_network(error.trouble.detail) from error


def beside_others(platform: str = sys.platform) -> bool:
    """Whether connections can be made beside others with what the system says of each that fails.

    Windows has its words for who waits only.
    """
    return platform != "win32"


def _connect(
    sock: socket.socket, peer: tuple[str, int], capture: Capture, then: str, limit_s: float
) -> Steps[None]:
    begin = time.monotonic()
    try:
        yield from _made(sock, peer, limit_s)
    except OSError as error:
        taken = error.errno == errno.ECONNRESET
        if taken and _left_something(sock):
            confirm_answer(capture)
            return
        prompt = time.monotonic() - begin < PROMPT_S
        found = trouble(
            sock,
            error,
            then if taken else "tcp",
            lambda: next_hop_answers(capture, prompt=prompt),
        )
        found = refused_by(peer[0], found)
        if found.kind == "no-answer":
            if not waits(sock):
                yield Ready(sock, selectors.EVENT_WRITE), LATE_S
            late_s = LATE_S if waits(sock) else 0.0
            confirm_silence(capture, lambda: shows(sock, select.POLLOUT, late_s))
        elif found.kind == "refused" and found.icmp_code is None:
            confirm_answer(capture)
        raise ReachError(found) from error
    confirm_answer(capture)


def _made(sock: socket.socket, peer: tuple[str, int], limit_s: float) -> Steps[None]:
    """Make a connection.

    Raises:
        OSError: it did not come about; a TimeoutError where nobody said why.
    """
    try:
        sock.connect(peer)
    except BlockingIOError:
        yield Ready(sock, selectors.EVENT_WRITE), limit_s
        if not shows(sock, select.POLLOUT, 0.0):
            raise TimeoutError from None
        if failed := sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise OSError(failed, os.strerror(failed)) from None


@contextlib.contextmanager
def watching(vantage: Vantage, address: str, flow: Flow, own: int) -> Iterator[Capture]:
    """Watch on the wire what passes between this computer and one peer; blind where it may not.

    ``own`` is the port, or the identifier, that an answer comes to.
    """
    way = None if vantage.loopback else route_to(address, flow)
    capture = Capture(
        recorder=BLIND if vantage.loopback else RECORDER,
        interface=vantage.interface,
        address=address,
        protocol=flow.protocol,
        port=flow.port,
        own=own,
        next_hop=(way and way.gateway) or address,
    )
    capture.begin()
    try:
        yield capture
    finally:
        capture.end()


def port_of(sock: socket.socket) -> int:
    """Return the port that a socket is bound to."""
    port: int = sock.getsockname()[1]
    return port


def next_hop_answers(capture: Capture, *, prompt: bool) -> bool:
    """Whether the next hop to a peer answers ARP; where nothing is known, whether it may.

    An error that comes promptly is none of ARP's: it asks for three seconds first, and a neighbour
    that it is just asking for is known to the system.
    """
    known = neighbour_answers(capture.interface, capture.next_hop)
    return prompt if known is None else known


def confirm_answer(capture: Capture) -> None:
    """Make sure that what looks like an answer came from the network.

    Raises:
        CannotAskError: this computer gave it itself.
    """
    if diverted := capture.diverted():
        raise disturbed(diverted)


def confirm_silence(capture: Capture, came_late: Callable[[], bool]) -> None:
    """Make sure that what looks like silence is not this computer's doing.

    ``came_late`` tells whether an answer was still on its way from the wire to the socket.

    Raises:
        CannotAskError: this computer kept the question or the answer back, or the answer arrived
            at another of its interfaces.
    """
    kept_back = capture.kept_back()
    if kept_back and not came_late():
        confirm_interface(capture)
        raise disturbed(kept_back)


def confirm_interface(capture: Capture) -> None:
    """Make sure that no answer arrived at another interface of this computer.

    Raises:
        CannotAskError: one did.
    """
    if elsewhere := capture.other_interface():
        detail = f"the answer of {capture.address} arrived at {elsewhere}"
        raise CannotAskError("other-route", f"{detail}, not at {capture.interface}")


def shows(sock: socket.socket, event: int, late_s: float = LATE_S) -> bool:
    """Whether a socket is ready for ``event`` (:mod:`select`), now or in an instant."""
    waiting = select.poll()
    waiting.register(sock, event)
    return bool(waiting.poll(late_s * 1000))


def _left_something(sock: socket.socket) -> bool:
    """Whether a peer that has reset the connection said something before."""
    limit_s = sock.gettimeout()
    sock.settimeout(0.0)
    try:
        return bool(sock.recv(1, socket.MSG_PEEK))
    except OSError:
        return False
    finally:
        sock.settimeout(limit_s)
