"""What one value of a site file may be. Each check returns None for a good value."""

from __future__ import annotations

import ipaddress
import re
from typing import NamedTuple

from cube_acceptance import addresses
from cube_acceptance.catalogue import SITE
from cube_acceptance.text.foreign import is_plain

TEXT_LIMIT = 200
"""Characters of one text."""
TOLERANCE_LIMITS_S = (0.001, 3600.0)
"""Smallest and largest ``ntp.tolerance_s``: beyond an hour, wrong time is no tolerance."""
PREFIX_LIMITS = (8, 30)
"""Prefix lengths of a network that a plant can have and that holds more than one host."""
SHOWN = 60
"""Characters of a wrong value that an error repeats."""


class Complaint(NamedTuple):
    """What is wrong with one value, and what to write instead."""

    problem: str
    hint: str


def check_text(text: str) -> Complaint | None:
    """Accept a short line that shows on paper what it says."""
    if len(text) > TEXT_LIMIT:
        return Complaint(
            f"has {len(text)} characters", f"Shorten it to at most {TEXT_LIMIT} characters"
        )
    if not is_plain(text):
        return Complaint(
            "contains a control or invisible character", "Write it as one line of plain text"
        )
    if text and not any(one.isprintable() and not one.isspace() for one in text):
        return Complaint("is blank", "Fill it in or leave the key out")
    return None


def check_cube_name(text: str) -> Complaint | None:
    """Accept any name but the one that results about the site are filed under."""
    if text.casefold() == SITE:
        return Complaint(
            f"{show(text)} is the suite's word for the whole site", "Give the CUBE another name"
        )
    return None


def check_address(text: str) -> Complaint | None:
    """Accept the IPv4 address of one host."""
    hint = 'Write an IPv4 address such as "10.20.0.50"'
    address = addresses.read(text)
    if address is None:
        return _not_an_address(text, hint)
    what = next((what for what, network in _NO_HOSTS.items() if address in network), "")
    return Complaint(f"{text} is {what}, not the address of a host", hint) if what else None


def _not_an_address(text: str, hint: str) -> Complaint:
    shown = f"{show(text)} is not an IPv4 address"
    if re.fullmatch(r"\d+(\.\d+){3}", text, re.ASCII) and re.search(r"(^|\.)0\d", text):
        return Complaint(shown, "Write its numbers without leading zeros")
    if _is_ipv6(text):
        return Complaint(
            f"{show(text)} is an IPv6 address", "Everything here is tested over IPv4: " + hint
        )
    if "/" in text or ":" in text:
        return Complaint(shown, hint + ", without scheme, port or prefix length")
    if re.search(r"[A-Za-z]", text):
        return Complaint(f"{show(text)} is a name", hint + ", not a host name")
    return Complaint(shown, hint)


def check_network(text: str) -> Complaint | None:
    """Accept an IPv4 network in CIDR notation, without host bits."""
    hint = 'Write address and prefix length, such as "10.20.0.0/24"'
    if not re.fullmatch(r"[0-9.]+/[0-9]{1,2}", text):
        return Complaint(f"{show(text)} is not an IPv4 network", hint)
    try:
        network = ipaddress.IPv4Interface(text).network
    except ValueError:
        return Complaint(f"{show(text)} is not an IPv4 network", hint)
    widest, narrowest = PREFIX_LIMITS
    if not widest <= network.prefixlen <= narrowest:
        return Complaint(
            f"{show(text)} is no plant's network",
            f"Write the network that the CUBE is in, with a prefix from /{widest} to /{narrowest}",
        )
    if str(network) != text:
        return Complaint(f"{show(text)} is an address within a network", f'Write "{network}"')
    return None


def check_host(text: str) -> Complaint | None:
    """Accept a fully qualified host name in ASCII (RFC 1123 section 2.1)."""
    for pattern, problem, hint in _NO_HOST_NAMES:
        if re.search(pattern, text):
            return Complaint(f"{show(text)} {problem}", hint)
    labels = text.split(".")
    if not all(re.fullmatch(LABEL, label) for label in labels):
        return Complaint(f"{show(text)} is not a host name", _WRITE_HOST)
    if len(labels) == 1:
        return Complaint(f"{show(text)} has no domain", _WRITE_HOST)
    return None


def check_hostname(text: str) -> Complaint | None:
    """Accept a single label, as mDNS and LLMNR announce it (RFC 1035 section 2.3.1)."""
    label, dot, _ = text.partition(".")
    if dot and re.fullmatch(LABEL, label):
        return Complaint(
            f"{show(text)} has more than one label", f'Write only the first one: "{label}"'
        )
    if not re.fullmatch(LABEL, text):
        return Complaint(
            f"{show(text)} is not a host name",
            "Write letters, digits and inner hyphens only, at most 63",
        )
    return None


def check_mac(text: str) -> Complaint | None:
    """Accept six bytes in hexadecimal, with colons or hyphens, of one device (IEEE 802)."""
    if not re.fullmatch(MAC, text):
        return Complaint(f"{show(text)} is not a MAC address", 'Write it as "aa:bb:cc:dd:ee:ff"')
    number = int(re.sub("[:-]", "", text), 16)
    if not number or number & GROUP:
        return Complaint(
            f"{show(text)} is no device's MAC address", "Write the CUBE's, or take the key out"
        )
    return None


def check_fingerprint(text: str) -> Complaint | None:
    """Accept the SHA-256 fingerprint of a host key as OpenSSH prints it."""
    if re.fullmatch(FINGERPRINT, text):
        return None
    return Complaint(
        f"{show(text)} is not a SHA-256 fingerprint",
        'Write it as `ssh-keygen -l -E sha256` prints it: "SHA256:" and 43 characters',
    )


def check_variable(text: str) -> Complaint | None:
    """Accept the name of an environment variable; a password itself rarely is one."""
    if re.fullmatch(VARIABLE, text):
        return None
    return Complaint(
        "is not the name of an environment variable",
        "Write capital letters, digits and underscores only; the password itself belongs into it",
    )


def check_version(text: str) -> Complaint | None:
    """Accept what :func:`parse_version` can read."""
    if parse_version(text) is not None:
        return None
    return Complaint(
        f"{show(text)} is not a version number",
        'Write it as the CUBE shows it, such as "0.131.0", or leave the key out if unknown',
    )


def check_tolerance(seconds: float) -> Complaint | None:
    """Accept what :data:`TOLERANCE_LIMITS_S` allow; ``nan`` lies nowhere."""
    low, high = TOLERANCE_LIMITS_S
    if low <= seconds <= high:
        return None
    return Complaint("is out of range", f"Write a number from {low:g} to {high:g}")


def _is_ipv6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True


def show(text: str) -> str:
    """Quote a text for a message: printable, one line, short."""
    return repr(text if len(text) <= SHOWN else text[:SHOWN] + "…")


_WRITE_HOST = 'Write a host name such as "disco.tapio.one"'
_NO_HOST_NAMES = (
    (r"\*", "is a pattern, not a name", "Write each host name that is to be tested"),
    (r"[/:@]", "is more than a host name", f"{_WRITE_HOST}, without scheme, port or path"),
    (r"\.$", "ends with a dot", "Write the name without it"),
    (r"[^\x00-\x7f]", "is not ASCII", "Write the xn-- form of the name"),
    (r"(^|\.)[0-9]+$", "is an address, or part of one", f"{_WRITE_HOST}; names are tested here"),
)
"""What is written in place of a host name: pattern, problem, hint."""
LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
MAC = r"[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}|[0-9A-Fa-f]{2}(-[0-9A-Fa-f]{2}){5}"
GROUP = 1 << 40
"""The bit of a MAC address that makes it a group's: broadcast is everybody's."""
FINGERPRINT = r"SHA256:[A-Za-z0-9+/]{43}"
VARIABLE = r"[A-Z_][A-Z0-9_]*"
QUAD = r"[0-9]{1,3}(\.[0-9]{1,3}){3}"
_VERSION = re.compile(
    r"(?:v|version)?\.?\s*([0-9]{1,9}(?:\.[0-9]{1,9})+)(?:[-+~_ ].*)?", re.IGNORECASE
)
_NO_HOSTS = {
    "an address of no network": ipaddress.IPv4Network("0.0.0.0/8"),
    "this computer itself": ipaddress.IPv4Network("127.0.0.0/8"),
    "a multicast address": ipaddress.IPv4Network("224.0.0.0/4"),
    "a broadcast address": ipaddress.IPv4Network("255.255.255.255/32"),
    "a reserved address": ipaddress.IPv4Network("240.0.0.0/4"),
}


def parse_version(text: str) -> tuple[int, ...] | None:
    """Read a version's numbers, ``v0.129.10-rc1`` as ``(0, 129, 10)``; None where it is none.

    Final zeros are dropped, so that ``0.130`` and ``0.130.0`` are the same version.
    """
    match = _VERSION.fullmatch(text.strip())
    if not match:
        return None
    numbers = [int(number) for number in match[1].split(".")]
    while numbers and not numbers[-1]:
        numbers.pop()
    return tuple(numbers)
