"""Tests of the assembler that all packet filters are written with."""

from __future__ import annotations

import struct
import threading

import pytest

from cube_acceptance.probes.net.bpf import assemble, give_back
from selftests.support.fakes import wait_for_closing
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


class Slow:
    """A socket that takes its time to close."""

    def __init__(self) -> None:
        """Be open."""
        self.may = threading.Event()
        self.closed = False

    def close(self) -> None:
        """Close once that is allowed."""
        self.closed = self.may.wait(10)


class TestGiveBack:
    """A packet socket is closed without anybody's waiting for it."""

    def test_waits_for_nothing(self) -> None:
        """A run of one CUBE would wait four times."""
        slow = Slow()
        give_back(slow)  # type: ignore[arg-type]
        assert not slow.closed

        slow.may.set()
        wait_for_closing()
        assert slow.closed

    def test_where_no_thread_is_to_be_had(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """An open socket would be worse than to wait."""

        def refuse(_: threading.Thread) -> None:
            raise RuntimeError("can't start new thread")

        slow = Slow()
        slow.may.set()
        monkeypatch.setattr(threading.Thread, "start", refuse)
        give_back(slow)  # type: ignore[arg-type]
        assert slow.closed
