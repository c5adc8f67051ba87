"""What to type on this computer's own system, Linux, macOS or Windows, to see or to mend something.

Linux' is the answer for every system that is none of the others.
"""

from __future__ import annotations

import sys


def show_route(target: str, platform: str = sys.platform) -> str:
    """Return the command that shows the way to a host."""
    if platform == "win32":
        return "route print -4"
    if platform == "darwin":
        return f"route -n get {target}"
    return f"ip route get {target}"


def show_addresses(platform: str = sys.platform) -> str:
    """Return the command that shows the interfaces and their addresses."""
    return {"win32": "ipconfig /all", "darwin": "ifconfig"}.get(platform, "ip address")


def show_links(platform: str = sys.platform) -> str:
    """Return the command that shows which interfaces have a link."""
    names = {"win32": "netsh interface show interface", "darwin": "ifconfig"}
    return names.get(platform, "ip link show")


def forget_neighbour(address: str, interface: str, platform: str = sys.platform) -> str:
    """Return the command that removes what was entered by hand for a neighbour."""
    if platform == "win32":
        return f'netsh interface ipv4 delete neighbors "{interface}" {address}'
    if platform == "darwin":
        return f"sudo arp -d {address}"
    return f"ip neigh del {address} dev {interface}"
