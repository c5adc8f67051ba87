"""The Internet checksum (RFC 1071)."""

from __future__ import annotations

INTACT = 0xFFFF
"""What is computed over data whose own checksum is right."""


def checksum(data: bytes) -> int:
    """Compute the Internet checksum; of the two ways to write zero it is never 0x0000.

    The ones' complement sum of 16-bit words is the remainder modulo 65535 of the whole number.
    """
    whole = int.from_bytes(data, "big") << 8 * (len(data) % 2)
    return INTACT - whole % 0xFFFF
