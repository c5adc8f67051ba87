"""What an error on a socket means: the target's doing, the way's, or this computer's own.

What the network did is a :class:`~cube_acceptance.evidence.Trouble`; that a question could not even
be asked is a :class:`CannotAskError`, and never looks like it.
"""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
import struct
from typing import TYPE_CHECKING

import msgspec

from cube_acceptance.evidence import Trouble

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from cube_acceptance.evidence import CannotCause, TroubleKind

from cube_acceptance.probes.net.local import interface_of

UNREACHABLE = 3
"""ICMP type destination unreachable (RFC 792)."""
PROHIBITED_CODES = frozenset({9, 10, 13})
"""Its codes for a prohibition by an administrator (RFC 1812 section 5.2.7.1)."""
NOBODY_THERE = 1
"""Its code for a host that cannot be reached: nobody answers ARP (RFC 1122 section 2.3.2.2)."""
CLOSED_CODES = frozenset({2, 3})
"""Its codes for a protocol or a port that nobody serves (RFC 792)."""

_IP_RECVERR = 11  # linux/in.h; the socket module does not name it
_MSG_ERRQUEUE = 0x2000  # linux/socket.h
_SO_EE_ORIGIN_ICMP = 2  # linux/errqueue.h
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


def legible(text: str) -> str:
    """Write as text what may hold bytes that are none, an interface's name (os.fsdecode)."""
    return text.encode("utf-8", "backslashreplace").decode()


class CannotAskError(Exception):
    """The question cannot be put on the wire from this computer; becomes a CannotMeasure."""

    def __init__(self, cause: CannotCause, detail: str, command: str = "") -> None:
        """Name the cause, what stood in the way, and the command that removes it, if any."""
        super().__init__(detail)
        self.cause: CannotCause = cause
        self.detail = legible(detail)
        self.command = legible(command)


class ReachError(Exception):
    """The target was asked and cannot be reached; carries the :class:`Trouble`."""

    def __init__(self, trouble: Trouble) -> None:
        """Keep what the wire showed."""
        super().__init__(trouble.detail)
        self.trouble = trouble


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
        if phase == "tcp" and requests_withheld(sock):
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


def requests_withheld(sock: socket.socket) -> bool:
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


def disturbed(detail: str) -> CannotAskError:
    """Say that this computer itself gave or withheld an answer."""
    return CannotAskError("not-permitted", f"this computer disturbs the measurement: {detail}")
