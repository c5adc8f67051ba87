"""What this computer's table of neighbours says: by ARP, or by somebody's hand; nothing is sent.

Linux asks by ARP who has an address, unless it was told (ip-neighbour(8), arp(8)): an entry that
is permanent, or that needs no ARP, is never asked for again. If it is wrong, packets go to a device
that is not there, and the silence that follows is this computer's doing.
"""

from __future__ import annotations

import socket
import struct
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from cube_acceptance.probes.net import windows
from cube_acceptance.probes.net.netlink import ask_list, attributes

if TYPE_CHECKING:
    from cube_acceptance.probes.net.windows import Load

INTERFACES = Path("/sys/class/net")
"""Where Linux describes its interfaces (sysfs(5))."""

PERMANENT, NO_ARP = 0x80, 0x40  # linux/neighbour.h: NUD_...
REACHABLE, STALE, DELAY, PROBE = 0x02, 0x04, 0x08, 0x10  # likewise
INCOMPLETE, FAILED = 0x01, 0x20  # likewise
WORDS = {PERMANENT: "PERMANENT", NO_ARP: "NOARP"}
"""How ip-neighbour(8) writes these states."""

_NEW_NEIGHBOUR, _GET_NEIGHBOUR = 28, 30  # linux/rtnetlink.h
_NEIGHBOUR = struct.Struct("=BxxxiHBB")  # struct ndmsg: family, interface, state, flags, type
_DST, _HARDWARE = 1, 2  # NDA_...
_IFF_NOARP = 0x80  # linux/if.h
_ETHERNET = "1"  # linux/if_arp.h: ARPHRD_ETHER


class Neighbour(NamedTuple):
    """An entry of the table of neighbours."""

    interface: int
    """The interface's number."""
    address: str
    hardware: str
    """The hardware address; empty where there is none."""
    state: int
    """As Linux writes it."""

    @property
    def by_hand(self) -> bool:
        """Whether Linux uses it without asking who has the address."""
        return bool(self.state & (PERMANENT | NO_ARP))

    @property
    def answers(self) -> bool | None:
        """Whether somebody has the address; None where nobody was asked."""
        if self.state & (INCOMPLETE | FAILED):
            return False
        return bool(self.state & (PERMANENT | REACHABLE | STALE | DELAY | PROBE)) or None

    def __str__(self) -> str:
        """Write it as ip-neighbour(8) does."""
        word = WORDS.get(self.state & (PERMANENT | NO_ARP), str(self.state))
        return " ".join(filter(None, (self.address, self.hardware, word)))


def told_by_hand(interface: str, address: str) -> Neighbour | None:
    """Find what somebody entered by hand for an address on an interface; None: nothing.

    On an interface that knows no ARP, a tunnel for instance, every entry is without it.
    """
    if knows_no_arp(interface):
        return None
    known = (one for one in neighbours_on(interface) if one.address == address and one.by_hand)
    return next(known, None)


def learned(interface: str) -> dict[str, str]:
    """Return which hardware address answers for which address on an interface, as far as known."""
    known = neighbours_on(interface)
    return {
        one.address: one.hardware
        for one in known
        if one.hardware and not one.by_hand and one.answers
    }


def neighbour_answers(interface: str, address: str) -> bool | None:
    """Whether somebody on the link answers to an address, as the system sees it.

    None where it says nothing: the address is not on the link, or the system has forgotten it,
    which Linux does soon where it knows many. Linux tells a socket that is bound to an interface
    nothing of ARP without an answer: the error is its own and comes by the loopback interface.
    """
    known = (one for one in neighbours_on(interface) if one.address == address)
    entry = next(known, None)
    return entry.answers if entry else None


def neighbours_on(interface: str) -> tuple[Neighbour, ...]:
    """Return the entries of an interface; none where this system cannot be asked so."""
    try:
        if sys.platform == "win32":
            return ask_windows(interface)
        if sys.platform.startswith("linux"):
            index = socket.if_nametoindex(interface)
            return tuple(one for one in ask_neighbours() if one.interface == index)
    except OSError:  # the interface has gone, for instance
        pass
    return ()


def ask_windows(interface: str, load: Load = windows.windows_library) -> tuple[Neighbour, ...]:
    """Ask Windows for what it has found or was told on an interface (GetIpNetTable2).

    Raises:
        OSError: it cannot be asked so.
    """
    number = windows.adapter(interface, load).number
    return tuple(
        Neighbour(number, one.address, one.hardware, _as_linux_writes(one))
        for one in windows.neighbours(load)
        if one.interface == number
    )


def _as_linux_writes(row: windows.Row) -> int:
    if row.state in windows.INCOMPLETE:
        return FAILED
    return PERMANENT if row.hardware and row.state == windows.PERMANENT else REACHABLE


def knows_no_arp(interface: str, root: Path = INTERFACES) -> bool:
    """Whether an interface works without ARP, as far as Linux says."""
    try:
        return bool(int((root / interface / "flags").read_text("ascii"), 16) & _IFF_NOARP)
    except (OSError, ValueError):
        return False


def told_not_to_ask(interface: str, root: Path = INTERFACES) -> bool:
    """Whether somebody has switched ARP off on a network card, as far as Linux says.

    A tunnel needs none, and neither does an interface that lies over another one (ipvlan).
    """
    try:
        kind = (root / interface / "type").read_text("ascii").strip()
        below = list((root / interface).glob("lower_*"))
    except (OSError, ValueError):
        return False
    return kind == _ETHERNET and not below and knows_no_arp(interface, root)


def ask_neighbours() -> tuple[Neighbour, ...]:
    """Ask Linux for its table of IPv4 neighbours.

    Raises:
        OSError: this system cannot be asked so.
    """
    body = _NEIGHBOUR.pack(socket.AF_INET, 0, 0, 0, 0)
    entries = ask_list(_GET_NEIGHBOUR, _NEW_NEIGHBOUR, body)
    return tuple(read_neighbour(entry) for entry in entries if len(entry) >= _NEIGHBOUR.size)


def read_neighbour(entry: bytes) -> Neighbour:
    """Read one entry of the table."""
    _, interface, state, _, _ = _NEIGHBOUR.unpack_from(entry)
    values = dict(attributes(entry, _NEIGHBOUR.size))
    address = values.get(_DST, b"")
    return Neighbour(
        interface=interface,
        address=socket.inet_ntoa(address) if len(address) == 4 else "",  # noqa: PLR2004 - IPv4
        hardware=values.get(_HARDWARE, b"").hex(":"),
        state=state,
    )
