"""Tests of the assembler that all packet filters are written with."""

from __future__ import annotations

import struct

import pytest

from cube_acceptance.probes.net.bpf import assemble
from selftests.support.filters import run_filter

ONE_IN_THREE = assemble(
    (
        ("byte", 0),
        ("=", 1, "first", ""),
        ("=", 2, "", "drop"),
        ("return", 20),
        "first",
        ("return", 10),
        "drop",
        ("return", 0),
    )
)


class TestAssemble:
    """From steps with labels to the numbers that Linux runs."""

    def test_writes_what_linux_reads(self) -> None:
        """`struct sock_filter`: operation, steps to jump over if true and if false, constant."""
        assert assemble(("end", ("return", 96))) == struct.pack("=HBBI", 0x06, 0, 0, 96)
        assert ONE_IN_THREE[8:16] == struct.pack("=HBBI", 0x15, 2, 0, 1)
        assert ONE_IN_THREE[16:24] == struct.pack("=HBBI", 0x15, 0, 2, 2)

    @pytest.mark.parametrize(("byte", "bytes_passed"), [(1, 10), (2, 20), (3, 0)])
    def test_leads_where_the_labels_stand(self, byte: int, bytes_passed: int) -> None:
        """An empty label is the next step."""
        assert run_filter(ONE_IN_THREE, bytes((byte,))) == bytes_passed

    def test_knows_no_other_words(self) -> None:
        """A misspelt label or operation never becomes a filter that lets something else pass."""
        with pytest.raises(KeyError, match="gone"):
            assemble((("=", 1, "gone", ""),))
        with pytest.raises(KeyError, match="bite"):
            assemble((("bite", 1),))
