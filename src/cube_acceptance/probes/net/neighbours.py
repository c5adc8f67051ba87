"""Which hardware addresses somebody has told this computer by hand; nothing is sent.

Linux asks by ARP who has an address, unless it was told (ip-neighbour(8), arp(8)): an entry that
is permanent, or that needs no ARP, is never asked for again. If it is wrong, packets go to a device
that is not there, and the silence that follows is this computer's doing.
"""

from __future__ import annotations

import socket
import struct
import sys
from pathlib import Path
from typing import NamedTuple

INTERFACES = Path("/sys/class/net")
"""Where Linux describes its interfaces (sysfs(5))."""

PERMANENT, NO_ARP = 0x80, 0x40  # linux/neighbour.h: NUD_...
WORDS = {PERMANENT: "PERMANENT", NO_ARP: "NOARP"}
"""How ip-neighbour(8) writes these states."""

_NETLINK = 16  # linux/socket.h: AF_NETLINK; the socket module names it on Linux only
_DONE = 3  # linux/netlink.h: NLMSG_DONE
_NEW_NEIGHBOUR, _GET_NEIGHBOUR = 28, 30  # linux/rtnetlink.h
_REQUEST, _DUMP = 0x001, 0x300  # linux/netlink.h: NLM_F_...
_HEADER = struct.Struct("=IHHII")  # struct nlmsghdr
_NEIGHBOUR = struct.Struct("=BxxxiHBB")  # struct ndmsg: family, interface, state, flags, type
_ATTRIBUTE = struct.Struct("=HH")  # struct rtattr
_DST, _HARDWARE = 1, 2  # NDA_...
_ALIGNED = 4
_IFF_NOARP = 0x80  # linux/if.h
_RECEIVE_LIMIT = 1 << 16
"""Bytes of one part of the list; Linux writes parts of at most 32 KiB."""
_PARTS = 256
"""How many parts are read; a table of neighbours has 1,024 entries unless somebody wants more."""


class Neighbour(NamedTuple):
    """An entry of the table of neighbours."""

    interface: int
    """The interface's number."""
    address: str
    hardware: str
    """The hardware address; empty where there is none."""
    state: int

    @property
    def by_hand(self) -> bool:
        """Whether Linux uses it without asking who has the address."""
        return bool(self.state & (PERMANENT | NO_ARP))

    def __str__(self) -> str:
        """Write it as ip-neighbour(8) does."""
        word = WORDS.get(self.state & (PERMANENT | NO_ARP), str(self.state))
        return " ".join(filter(None, (self.address, self.hardware, word)))


def told_by_hand(interface: str, address: str) -> Neighbour | None:
    """Find what somebody entered by hand for an address on an interface; None: nothing.

    On an interface that knows no ARP, a tunnel for instance, every entry is without it.
    """
    if not sys.platform.startswith("linux") or knows_no_arp(interface):
        return None
    try:
        index = socket.if_nametoindex(interface)
        return next(
            (
                one
                for one in ask_neighbours()
                if (one.interface, one.address) == (index, address) and one.by_hand
            ),
            None,
        )
    except OSError:  # the interface has gone, or this system cannot be asked so
        return None


def knows_no_arp(interface: str, root: Path = INTERFACES) -> bool:
    """Whether an interface works without ARP, as far as Linux says."""
    try:
        return bool(int((root / interface / "flags").read_text("ascii"), 16) & _IFF_NOARP)
    except (OSError, ValueError):
        return False


def ask_neighbours() -> tuple[Neighbour, ...]:
    """Ask Linux for its table of IPv4 neighbours (rtnetlink(7)).

    Raises:
        OSError: this system cannot be asked so.
    """
    found: list[Neighbour] = []
    size = _HEADER.size + _NEIGHBOUR.size
    question = _HEADER.pack(size, _GET_NEIGHBOUR, _REQUEST | _DUMP, 1, 0)
    question += _NEIGHBOUR.pack(socket.AF_INET, 0, 0, 0, 0)
    with socket.socket(_NETLINK, socket.SOCK_RAW, 0) as asking:
        asking.send(question)
        for _ in range(_PARTS):
            entries, more = read_neighbours(asking.recv(_RECEIVE_LIMIT))
            found += entries
            if not more:
                break
    return tuple(found)


def read_neighbours(part: bytes) -> tuple[list[Neighbour], bool]:
    """Read one part of the list, and whether another follows.

    Raises:
        OSError: it is another message, an error for instance.
    """
    found: list[Neighbour] = []
    at = 0
    while at + _HEADER.size <= len(part):
        size, kind, *_ = _HEADER.unpack_from(part, at)
        if kind == _DONE:
            return found, False
        if kind != _NEW_NEIGHBOUR or size < _HEADER.size + _NEIGHBOUR.size:
            raise OSError(f"netlink message {kind} instead of a neighbour")
        found.append(_read_one(part[at + _HEADER.size : at + size]))
        at += size + -size % _ALIGNED
    return found, True


def _read_one(entry: bytes) -> Neighbour:
    _, interface, state, _, _ = _NEIGHBOUR.unpack_from(entry)
    values: dict[int, bytes] = {}
    at = _NEIGHBOUR.size
    while at + _ATTRIBUTE.size <= len(entry):
        length, name = _ATTRIBUTE.unpack_from(entry, at)
        values[name] = entry[at + _ATTRIBUTE.size : at + length]
        at += max(length, _ATTRIBUTE.size) + -length % _ALIGNED
    address = values.get(_DST, b"")
    return Neighbour(
        interface=interface,
        address=socket.inet_ntoa(address) if len(address) == 4 else "",  # noqa: PLR2004 - IPv4
        hardware=values.get(_HARDWARE, b"").hex(":"),
        state=state,
    )
