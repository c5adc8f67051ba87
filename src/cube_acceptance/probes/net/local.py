"""What this computer's interfaces are, as its system tells."""

from __future__ import annotations

import ipaddress
import socket
from pathlib import Path
from typing import Any

import psutil

INTERFACES = Path("/sys/class/net")
"""Where Linux describes its interfaces (sysfs(5))."""


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


def is_here(address: str) -> bool:
    """Tell whether this computer has an address now; with none in question, it has it."""
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
