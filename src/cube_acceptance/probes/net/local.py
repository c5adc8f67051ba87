"""What this computer's interfaces are, as its system tells, whatever they are called.

A name is bytes to Linux (netdevice(7)). psutil reads names as UTF-8 and lists nothing at all where
one of them is not. Such a name can stand in no site file and no evidence, so nothing is measured
from there; the other interfaces have no part in it, and Linux itself is asked for them.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import struct
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from cube_acceptance.probes.net.netlink import ask_list, attributes

try:
    from fcntl import ioctl
except ImportError:  # pragma: no cover - not on Windows, where names are text
    ioctl = None  # type: ignore[assignment]

INTERFACES = Path("/sys/class/net")
"""Where Linux describes its interfaces (sysfs(5))."""

FLAGS = {0x1: "up", 0x2: "broadcast", 0x8: "loopback", 0x40: "running"}
"""linux/if.h: IFF_..., by psutil's words."""

_GET_FLAGS = 0x8913  # linux/sockios.h: SIOCGIFFLAGS
_REQUEST = struct.Struct("=16sH22x")  # struct ifreq: name and flags
_NEW_ADDRESS, _GET_ADDRESS = 20, 22  # linux/rtnetlink.h
_ADDRESS = struct.Struct("=BBBBI")  # struct ifaddrmsg: family, prefix, flags, scope, interface
_LOCAL = 2  # linux/if_addr.h: IFA_LOCAL


class Entry(NamedTuple):
    """One address of an interface, as psutil gives it."""

    family: int
    address: str
    netmask: str | None = None


class State(NamedTuple):
    """Whether an interface has a link, and what it can, as psutil gives it."""

    isup: bool
    flags: str
    mtu: int = 0


def carrier_changes(interface: str, root: Path = INTERFACES) -> str:
    """Read how often an interface has lost and found its carrier (Linux); empty where unknown."""
    try:
        return (root / interface / "carrier_changes").read_text("ascii")
    except (OSError, ValueError):
        return ""


def link_is_up(interface: str) -> bool | None:
    """Whether an interface is switched on and has a carrier; None where there is none."""
    state = interface_state(interface)
    return None if state is None else bool(state.isup)


def can_broadcast(interface: str) -> bool:
    """Whether an interface can reach all of a link at once; True where nobody can tell.

    A tunnel leads to one peer (``IFF_BROADCAST`` of netdevice(7)).
    """
    state = interface_state(interface)
    flags = state.flags if state else ""
    return not flags or not {"broadcast", "loopback"}.isdisjoint(flags.split(","))


def mtu_of(interface: str) -> int:
    """Return how large a packet an interface can send, in bytes; 0 where nobody can tell."""
    state = interface_state(interface)
    return state.mtu if state else 0


def plugged_in(interface: str) -> bool:
    """Whether an interface is switched on and has a link; True where nobody can tell."""
    try:
        return link_is_up(interface) is not False
    except OSError:
        return True


def is_here(address: str) -> bool:
    """Whether this computer has an address now; with none in question, it has it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as trial:
        try:
            trial.bind((address, 0))
        except OSError:
            return False
    return True


def system_interfaces() -> dict[str, list[Any]]:
    """List the addresses of every interface, as psutil gives them.

    An address with a label of its own, ``eth0:1`` on Linux, belongs to its interface.
    """
    found: dict[str, list[Any]] = {}
    try:
        listed = psutil.net_if_addrs()
    except UnicodeError:
        return _ask_linux()
    for name, entries in listed.items():
        found.setdefault(name.partition(":")[0], []).extend(entries)
    return found


def interface_state(interface: str) -> Any:  # noqa: ANN401 - psutil's record, or one like it
    """Return what an interface is and can, with psutil's fields; None: there is none."""
    try:
        return psutil.net_if_stats().get(interface)
    except UnicodeError:
        return _ask_state(interface)


def is_text(name: str) -> bool:
    """Whether an interface's name is text, and not bytes that are none."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


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


def _ask_linux() -> dict[str, list[Any]]:
    names = dict(socket.if_nameindex())
    found: dict[str, list[Any]] = {name: [] for name in names.values()}
    for entry in ask_list(_GET_ADDRESS, _NEW_ADDRESS, _ADDRESS.pack(socket.AF_INET, 0, 0, 0, 0)):
        _, prefix, _, _, index = _ADDRESS.unpack_from(entry)
        local = dict(attributes(entry, _ADDRESS.size)).get(_LOCAL)
        if local and index in names:
            address = ipaddress.IPv4Interface((local, prefix))
            one = Entry(socket.AF_INET, str(address.ip), str(address.netmask))
            found[names[index]].append(one)
    for name, entries in found.items():
        try:
            hardware = (INTERFACES / name / "address").read_text("ascii").strip()
        except OSError:  # it has gone meanwhile
            continue
        entries.append(Entry(psutil.AF_LINK, hardware))
    return found


def _ask_state(interface: str) -> State | None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        try:
            answer = ioctl(asking, _GET_FLAGS, _REQUEST.pack(os.fsencode(interface), 0))
        except OSError:
            return None
    bits = _REQUEST.unpack(answer)[1]
    words = [word for bit, word in FLAGS.items() if bits & bit]
    return State("running" in words, ",".join(words))
