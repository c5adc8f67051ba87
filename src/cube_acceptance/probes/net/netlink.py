"""Lists that Linux keeps of its network, read by rtnetlink(7); nothing is sent to the network."""

from __future__ import annotations

import socket
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_NETLINK = 16  # linux/socket.h: AF_NETLINK; the socket module names it on Linux only
_DONE = 3  # linux/netlink.h: NLMSG_DONE
_REQUEST, _DUMP = 0x001, 0x300  # linux/netlink.h: NLM_F_...
_HEADER = struct.Struct("=IHHII")  # struct nlmsghdr
_ATTRIBUTE = struct.Struct("=HH")  # struct rtattr
_ALIGNED = 4
_RECEIVE_LIMIT = 1 << 16
"""Bytes of one part of a list; Linux writes parts of at most 32 KiB."""
_PARTS = 256
"""How many parts are read; a table of neighbours has 1,024 entries unless somebody wants more."""


def ask_list(question: int, wanted: int, body: bytes) -> tuple[bytes, ...]:
    """Ask for a list and give its entries, each from behind its header.

    Raises:
        OSError: this system cannot be asked so.
    """
    found: list[bytes] = []
    header = _HEADER.pack(_HEADER.size + len(body), question, _REQUEST | _DUMP, 1, 0)
    with socket.socket(_NETLINK, socket.SOCK_RAW, 0) as asking:
        asking.send(header + body)
        for _ in range(_PARTS):
            entries, more = read_part(asking.recv(_RECEIVE_LIMIT), wanted)
            found += entries
            if not more:
                break
    return tuple(found)


def read_part(part: bytes, wanted: int) -> tuple[list[bytes], bool]:
    """Read the entries of one part of a list, and whether another part follows.

    Raises:
        OSError: it holds another message, an error for instance.
    """
    found: list[bytes] = []
    at = 0
    while at + _HEADER.size <= len(part):
        size, kind, *_ = _HEADER.unpack_from(part, at)
        if kind == _DONE:
            return found, False
        if kind != wanted or size < _HEADER.size:
            raise OSError(f"netlink message {kind} instead of {wanted}")
        found.append(part[at + _HEADER.size : at + size])
        at += size + -size % _ALIGNED
    return found, True


def attributes(entry: bytes, at: int) -> Iterator[tuple[int, bytes]]:
    """Read the attributes of an entry, from one of its bytes on, as kind and value."""
    while at + _ATTRIBUTE.size <= len(entry):
        length, kind = _ATTRIBUTE.unpack_from(entry, at)
        yield kind, entry[at + _ATTRIBUTE.size : at + length]
        at += max(length, _ATTRIBUTE.size) + -length % _ALIGNED
