"""Tests of the Internet checksum."""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st

from cube_acceptance.probes.net.checksum import INTACT, checksum


def added_up(data: bytes) -> int:
    """The ones' complement of the ones' complement sum, step by step as RFC 1071 has it."""
    padded = data + b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


class TestChecksum:
    """What IP, UDP and ICMP put into their headers."""

    def test_adds_as_the_rfc_does(self) -> None:
        """RFC 1071 section 3 has the example."""
        assert checksum(bytes.fromhex("0001f203f4f5f6f7")) == 0xFFFF ^ 0xDDF2

    def test_carries_around(self) -> None:
        """One's complement: what overflows is added again; an odd byte counts as the high one."""
        assert checksum(b"\xff\xff\x00\x02\x01") == 0xFFFF ^ 0x0102

    @given(st.binary(max_size=40))
    def test_is_the_sum(self, data: bytes) -> None:
        """The remainder of the whole number is the sum, whatever the data; zero has two ways."""
        assert checksum(data) % 0xFFFF == added_up(data) % 0xFFFF

    @given(st.binary(max_size=40))
    def test_verifies(self, data: bytes) -> None:
        """What the receiver computes over data and checksum is always the same."""
        whole = data + b"\0" * (len(data) % 2)

        assert checksum(whole + checksum(whole).to_bytes(2, "big")) == INTACT

    def test_is_never_zero(self) -> None:
        """RFC 768: all zero means that there is no checksum."""
        assert checksum(b"\xff\xff") == 0xFFFF
