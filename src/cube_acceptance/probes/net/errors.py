"""What an error on a socket means: the target's doing, the way's, or this computer's own.

What the network did is a :class:`~cube_acceptance.evidence.Trouble`; that a question could not even
be asked is a :class:`CannotAskError`, and never looks like it.
"""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import socket
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from cube_acceptance.evidence import Trouble

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from cube_acceptance.evidence import CannotCause, TroubleKind

from cube_acceptance.probes.net.local import interface_of

UNREACHABLE = 3
"""ICMP type destination unreachable (RFC 792)."""
NOBODY_THERE = 1
"""Its code for a host that cannot be reached: nobody answers ARP (RFC 1122 section 2.3.2.2)."""
REFUSING_CODES = frozenset({2, 3, 9, 10, 13})
"""Its codes for a protocol or a port that nobody serves (RFC 792), and for what an administrator
prohibits (RFC 1812 section 5.2.7.1); all others say that there is no way."""

FORBIDDEN = frozenset({errno.EPERM, errno.EACCES})
"""What the system says where its packet filter, or a missing right, forbids the sending."""
KINDS: dict[int | None, TroubleKind] = {
    errno.ECONNREFUSED: "refused",
    errno.ECONNABORTED: "refused",
    errno.ECONNRESET: "refused",
    errno.EPIPE: "refused",
    errno.EHOSTUNREACH: "no-route",
    errno.ENETUNREACH: "no-route",
    errno.EHOSTDOWN: "no-route",
    errno.ENETDOWN: "no-route",
    errno.EADDRNOTAVAIL: "no-route",
}
"""What other errors mean; one that is not here tells of no answer, and of nothing else."""

LOCAL_NETWORK_SETTINGS = (
    "open 'x-apple.systempreferences:com.apple.preference.security?Privacy_LocalNetwork'"
)
"""Opens where macOS lists who may reach the local network."""

IP_RECVERR = 11  # linux/in.h; the socket module does not name it
_MSG_ERRQUEUE = 0x2000  # linux/socket.h
_SO_EE_ORIGIN_ICMP = 2  # linux/errqueue.h
_QUOTE_SIZE = 512  # more than an ICMP error has to repeat (RFC 1812 section 4.3.2.3)
_NOTES_SIZE = 512
_EXTENDED_ERROR = struct.Struct("=IBBBBII")  # struct sock_extended_err
_SOCKET_ADDRESS = struct.Struct("=H2x4s8x")  # struct sockaddr_in
_TCP_INFO = struct.Struct("=BxB33xI60xI")
"""From linux/tcp.h, struct tcp_info: state, retransmits, retrans and total_retrans."""
_SYN_SENT = 2  # linux/tcp.h: TCP_SYN_SENT

_RESET = frozenset({errno.ECONNRESET, errno.EPIPE})
"""A reset came; after it, or after the peer's farewell, Linux says the latter to who writes on."""
_DROPPED = "No buffer space available"
_OWN_WORDS = {
    errno.EPERM: "Operation not permitted",
    errno.EACCES: "Permission denied",
    errno.ENOBUFS: _DROPPED,
}
"""How errors are called that are looked for later on: the system's words for them are in its own
language, or there are none."""
_OWN_DOING = frozenset(_OWN_WORDS.values())


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


@dataclass(frozen=True, slots=True)
class IcmpError:
    """An ICMP error that a socket met."""

    kind: int
    code: int
    sender: str
    """Who sent it; empty where that is not known."""
    quoted: bytes = b""
    """What it repeats of the packet that it is about, behind that packet's IP header."""
    asked: str = ""
    """To whom that packet was sent; empty where that is not known."""


def icmp_errors(sock: socket.socket, limit: int = 1) -> list[IcmpError]:
    """Read at most so many messages of a socket's error queue (``IP_RECVERR`` of ip(7); Linux).

    For TCP Linux keeps it since 5.9. Empty where there is nothing, or nobody can tell.
    """
    found: list[IcmpError] = []
    # Nothing is there any more, the socket is closed, or wrapped by TLS, or it is Windows.
    with contextlib.suppress(OSError, AttributeError, NotImplementedError):
        limit_s = sock.gettimeout()
        sock.settimeout(0.0)  # with a time limit set, Python would wait for what is not there
        try:
            for _ in range(limit):
                quoted, notes, _, asked = sock.recvmsg(
                    _QUOTE_SIZE, _NOTES_SIZE, _MSG_ERRQUEUE | socket.MSG_DONTWAIT
                )
                found += filter(None, (_noted(note, quoted, asked) for note in notes))
        finally:
            sock.settimeout(limit_s)
    return found


def _noted(note: tuple[int, int, bytes], quoted: bytes, asked: Any) -> IcmpError | None:  # noqa: ANN401 - a socket's address
    level, kind, data = note
    if (level, kind) != (socket.IPPROTO_IP, IP_RECVERR) or len(data) < _EXTENDED_ERROR.size:
        return None
    _, origin, icmp_type, code, _, _, _ = _EXTENDED_ERROR.unpack_from(data)
    if origin != _SO_EE_ORIGIN_ICMP:
        return None
    sender = ""
    if len(data) >= _EXTENDED_ERROR.size + _SOCKET_ADDRESS.size:
        sender = socket.inet_ntoa(_SOCKET_ADDRESS.unpack_from(data, _EXTENDED_ERROR.size)[1])
    return IcmpError(icmp_type, code, sender, quoted, asked[0] if asked else "")


def words(error: OSError) -> str:
    """Return words for an error: the system's own, but for those that have ours, by number."""
    known = _OWN_WORDS.get(error.errno or 0)
    return known or error.strerror or type(error).__name__


def told_by_icmp(message: IcmpError, phase: str) -> Trouble:
    """Describe what an ICMP destination unreachable message means."""
    return Trouble(
        kind="refused" if message.code in REFUSING_CODES else "no-route",
        phase=phase,
        detail=f"ICMP destination unreachable, code {message.code}, from {message.sender}",
        icmp_code=message.code,
        icmp_source=message.sender,
    )


def told_by_system(error: OSError, phase: str) -> Trouble:
    """Describe what an error of the operating system means, where nothing else is known of it."""
    return Trouble(
        kind=KINDS.get(error.errno, "no-answer"),
        phase=phase,
        detail=words(error),
        # Windows says of a datagram that it was reset where its port is closed.
        sign="TCP RST" if error.errno in _RESET and phase != "udp" else "",
    )


def trouble(
    sock: socket.socket,
    error: OSError,
    phase: str,
    answers: Callable[[], bool | None] = lambda: None,
) -> Trouble:
    """Describe in the evidence's words what an operating system error on a socket means.

    ``answers`` tells whether the next hop answers ARP. Where it does not, this computer itself
    says that the target cannot be reached, and rightly.

    Raises:
        CannotAskError: this computer's own packet filter forbade the sending.
    """
    if isinstance(error, TimeoutError):
        if phase == "tcp" and requests_withheld(sock):
            raise forbidden("no connection request left it")
        return Trouble(kind="no-answer", phase=phase, detail="nothing came back in time")
    for message in icmp_errors(sock):
        if message.kind == UNREACHABLE:
            found = told_by_icmp(message, phase)
            own = message.sender and _is_own(message.sender)
            if own and (message.code != NOBODY_THERE or answers()):
                raise forbidden(found.detail)
            return found
    if error.errno in FORBIDDEN:
        raise forbidden(words(error))
    return told_by_system(error, phase)


def refused_by(address: str, problem: Trouble) -> Trouble:
    """Take it for a refusal where a host says of itself that it cannot be reached: it is there."""
    if problem.icmp_source != address:
        return problem
    return msgspec.structs.replace(problem, kind="refused")


def forbidden(detail: str, command: str = "") -> CannotAskError:
    """Say that this computer's own firewall forbids the sending; ``command`` may help."""
    what = f"this computer's own firewall forbids the sending: {detail}"
    return CannotAskError("not-permitted", what, command)


def local_network(detail: str) -> CannotAskError:
    """Say that macOS does not let this program reach its own network; its settings are the remedy.

    Without the Local Network permission it says at once that there is no way (Apple's TN3179).
    """
    what = f"macOS does not let this program into the local network: {detail}"
    return CannotAskError("not-permitted", what, LOCAL_NETWORK_SETTINGS)


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
    """Whether this computer let none of a connection's repeated requests go (Linux).

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
    """Whether an ICMP error came from this computer itself; on loopback all of them do."""
    return not ipaddress.IPv4Address(address).is_loopback and interface_of(address) is not None


def disturbed(detail: str) -> CannotAskError:
    """Say that this computer itself gave or withheld an answer."""
    return CannotAskError("not-permitted", f"this computer disturbs the measurement: {detail}")
