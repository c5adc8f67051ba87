"""Packet sockets and the packet filters that the kernel runs for them (packet(7), bpf(4); Linux).

A filter is written as a list of steps with labels, and assembled to classic BPF. It reads a packet
from its IP header on: that is where our kinds of sockets begin.
"""

from __future__ import annotations

import ctypes
import socket
import struct
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

AF_PACKET = 17  # linux/socket.h; the socket module names it on Linux only
ETH_P_ALL, ETH_P_IP, ETH_P_ARP = 0x0003, 0x0800, 0x0806  # linux/if_ether.h
TO_US, OUTGOING = 0, 4  # linux/if_packet.h: PACKET_HOST, PACKET_OUTGOING

Step = str | tuple[str, int] | tuple[str, int, str, str]
"""A label; an operation and its constant; or a test with the labels to go on at if it holds and if
not, where an empty one means the next step."""

_OPERATIONS = {
    "word": 0x20, "half": 0x28, "byte": 0x30, "half of": 0x48, "byte of": 0x50,
    "header": 0xB1, "=": 0x15, "&": 0x45, "return": 0x06,
}  # fmt: skip
"""Classic BPF's numbers (linux/bpf_common.h). ``header`` keeps the length of the IP header, from
whose end ``half of`` and ``byte of`` count; ``return`` ends with the bytes to let through."""
_SO_ATTACH_FILTER = 26  # asm-generic/socket.h
_FILTER_STEP = struct.Struct("=HBBI")  # linux/filter.h, struct sock_filter


def assemble(steps: Iterable[Step]) -> bytes:
    """Write a filter program: labels become the numbers of steps to jump over."""
    places: dict[str, int] = {}
    plain: list[tuple[str, int, str, str]] = []
    for step in steps:
        if isinstance(step, str):
            places[step] = len(plain)
        else:
            plain.append(step if len(step) == 4 else (*step, "", ""))  # noqa: PLR2004 - a test
    return b"".join(
        _FILTER_STEP.pack(
            _OPERATIONS[operation],
            places[yes] - at - 1 if yes else 0,
            places[no] - at - 1 if no else 0,
            constant,
        )
        for at, (operation, constant, yes, no) in enumerate(plain)
    )


def attach_filter(sock: socket.socket, program: bytes) -> None:
    """Give a packet filter to a socket.

    Raises:
        OSError: the system does not take it.
    """
    memory = ctypes.create_string_buffer(program, len(program))
    steps = len(program) // _FILTER_STEP.size
    described = struct.pack("@HP", steps, ctypes.addressof(memory))
    sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, described)


def give_back(sock: socket.socket) -> None:
    """Close a packet socket in a thread of its own, since nobody needs to wait for that.

    The system takes some ten milliseconds, until no processor reads its list of them any more.
    """
    try:
        threading.Thread(target=sock.close, name="closing", daemon=True).start()
    except RuntimeError:  # the system has no thread for us
        sock.close()
