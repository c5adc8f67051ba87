"""What the fuzzer has kept is read again in every run of the tests, without the fuzzer."""

from __future__ import annotations

import msgspec
import pytest

from selftests.fuzz import corpus
from selftests.fuzz.seeds import SEEDS
from selftests.fuzz.targets import TARGETS, Peer, kept

pytestmark = pytest.mark.filterwarnings("error")


@pytest.mark.parametrize("target", sorted(TARGETS))
def test_everything_that_was_kept_ends_well(target: str) -> None:
    """Nothing escapes a reader, and what it gives can stand in evidence."""
    read, size = TARGETS[target]
    inputs = [*SEEDS[target](), *corpus.read(target)]

    assert inputs
    for one in inputs:
        read(one[:size])


@pytest.mark.parametrize("target", sorted(set(TARGETS) - {"icmp"}))
def test_a_target_that_reads_nothing_would_find_nothing(
    target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The seeds are not turned away at the door: what was read comes to be written."""
    first = SEEDS[target]()[0]
    monkeypatch.setattr(msgspec.json, "encode", _stop)

    with pytest.raises(StopIteration):
        TARGETS[target][0](first)


def _stop(_record: object) -> bytes:
    raise StopIteration


def test_a_record_that_cannot_be_kept_is_found() -> None:
    """Infinity is no number of JSON."""
    with pytest.raises(msgspec.ValidationError):
        kept(float("inf"))


def test_a_peer_ends() -> None:
    """It says what it has, in pieces, and closes."""
    peer = Peer(b"abc", 2)

    assert [peer.recv(9), peer.recv(9), peer.recv(9)] == [b"ab", b"c", b""]
