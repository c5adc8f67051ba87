"""Tests of the reading of the lists that Linux keeps of its network."""

from __future__ import annotations

import struct

import pytest

from cube_acceptance.probes.net import netlink
from cube_acceptance.probes.net.netlink import ask_list, attributes, read_part
from selftests.support.fakes import FakeNetlink

ENTRY, QUESTION = 28, 30
DONE = struct.pack("=IHHIIi", 20, 3, 2, 1, 0, 0)


def message(body: bytes, kind: int = ENTRY) -> bytes:
    """Write one message of a list as Linux does."""
    head = struct.pack("=IHHII", 16 + len(body), kind, 2, 1, 0)
    return head + body + bytes(-len(body) % 4)


class TestAskList:
    """A list, in parts."""

    def test_whole(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Every entry until Linux says that it is done, whatever its length."""
        fake = FakeNetlink(message(b"first") + message(b"second12"), message(b"third"), DONE)
        monkeypatch.setattr(netlink.socket, "socket", fake)

        assert ask_list(QUESTION, ENTRY, b"body") == (b"first", b"second12", b"third")
        assert struct.unpack_from("=IHH", fake.asked) == (20, QUESTION, 0x301)
        assert fake.asked.endswith(b"body")

    def test_without_end(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """It is read for so long only."""
        monkeypatch.setattr(netlink.socket, "socket", FakeNetlink(*[message(b"more")] * 300))

        assert len(ask_list(QUESTION, ENTRY, b"")) == 256

    @pytest.mark.parametrize(
        "part",
        [message(struct.pack("=i", -95), kind=2), struct.pack("=IHHII", 0, ENTRY, 2, 1, 0)],
        ids=["an-error", "no-length"],
    )
    def test_another_message(self, part: bytes) -> None:
        """What is no entry of the list is said to be none."""
        with pytest.raises(OSError, match="instead of 28"):
            read_part(part, ENTRY)


class TestAttributes:
    """What an entry holds behind its fixed part."""

    def test_in_order(self) -> None:
        """Each starts at a multiple of four bytes."""
        entry = (
            b"fixed---" + struct.pack("=HH", 5, 1) + b"a\0\0\0" + struct.pack("=HH", 8, 2) + b"bcde"
        )

        assert list(attributes(entry, 8)) == [(1, b"a"), (2, b"bcde")]

    def test_without_a_length(self) -> None:
        """One that claims to have no length keeps nobody busy."""
        assert list(attributes(struct.pack("=HHHH", 0, 7, 4, 8), 0)) == [(7, b""), (8, b"")]
