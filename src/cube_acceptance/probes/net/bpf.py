"""What all packet sockets and packet filters have in common (packet(7), bpf(4); Linux)."""

from __future__ import annotations

import ctypes
import socket
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

AF_PACKET = 17  # linux/socket.h; the socket module names it on Linux only
ETH_P_ALL, ETH_P_IP, ETH_P_ARP = 0x0003, 0x0800, 0x0806  # linux/if_ether.h
TO_US, OUTGOING = 0, 4  # linux/if_packet.h: PACKET_HOST, PACKET_OUTGOING

_SO_ATTACH_FILTER = 26  # asm-generic/socket.h
_FILTER_STEP = struct.Struct("=HBBI")  # linux/filter.h, struct sock_filter


def filter_bytes(steps: Iterable[tuple[int, int, int, int]]) -> bytes:
    """Write a filter program: operation, steps to jump over if true and if false, constant."""
    return b"".join(_FILTER_STEP.pack(*step) for step in steps)


def attach_filter(sock: socket.socket, program: bytes) -> None:
    """Give a packet filter to a socket.

    Raises:
        OSError: the system does not take it.
    """
    memory = ctypes.create_string_buffer(program, len(program))
    steps = len(program) // _FILTER_STEP.size
    described = struct.pack("@HP", steps, ctypes.addressof(memory))
    sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, described)
