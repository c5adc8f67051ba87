"""Runs packet filters as the kernel does: classic BPF, of the kinds of steps that ours have."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_SIZES = {0x20: "!I", 0x28: "!H", 0x30: "!B", 0x48: "!H", 0x50: "!B"}


def run_filter(program: bytes, packet: bytes, known: Mapping[int, int] | None = None) -> int:
    """Return how many bytes of a packet a program lets through; ``known`` stands beside it."""
    steps = [struct.unpack_from("=HBBI", program, at) for at in range(0, len(program), 8)]
    accumulator = index = at = 0
    while True:
        operation, when_true, when_false, constant = steps[at]
        at += 1
        if operation == 0x06:
            return constant
        if operation == 0x15:
            at += when_true if accumulator == constant else when_false
        elif operation == 0x45:
            at += when_true if accumulator & constant else when_false
        elif operation == 0xB1:
            index = (packet[constant] & 0x0F) * 4
        elif known and constant in known:
            accumulator = known[constant]
        else:
            place = constant + (index if operation in {0x48, 0x50} else 0)
            (accumulator,) = struct.unpack_from(_SIZES[operation], packet, place)
