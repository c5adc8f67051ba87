"""What is an IPv4 address, and which can belong to a host: for all who measure, judge or tell."""

from __future__ import annotations

import ipaddress

_NO_HOSTS = tuple(
    ipaddress.IPv4Network(network)
    for network in (
        "0.0.0.0/8",  # RFC 1122 section 3.2.1.3
        "224.0.0.0/4",  # RFC 5771
        "240.0.0.0/4",  # RFC 1112 section 4, and the broadcast address of RFC 919
    )
)


def read(text: str) -> ipaddress.IPv4Address | None:
    """Read an address; None where a text is none, a name for instance."""
    try:
        return ipaddress.IPv4Address(text)
    except ValueError:
        return None


def is_host(address: ipaddress.IPv4Address) -> bool:
    """Whether it can be one host's address: not 0.0.0.0/8, multicast, reserved, broadcast."""
    return not any(address in network for network in _NO_HOSTS)
