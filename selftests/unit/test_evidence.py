"""Tests of the evidence's records: strict, frozen, and the same after a journey through JSON."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, get_args

import msgspec
import pytest

from cube_acceptance import evidence
from cube_acceptance.evidence import (
    CannotMeasure,
    DhcpObserved,
    Ignored,
    NtpObserved,
    Observation,
    Observed,
    Record,
    Trouble,
    Try,
    TunnelObserved,
    Vantage,
    timestamp,
)
from selftests.support.builders import cannot, lease
from selftests.support.healthy import STARTED, VANTAGE, observations

if TYPE_CHECKING:
    from collections.abc import Iterator

SAMPLES = observations() | {
    "lease": lease(),
    "none": cannot("off-link", "x", "ip address"),
    "tunnel": TunnelObserved(
        started=STARTED,
        duration_s=0.1,
        cube="line-1",
        address="10.20.0.50",
        host="disco.tapio.one",
        shell=Trouble(kind="refused", phase="login"),
    ),
}
KINDS = get_args(Observation)


def records(of: type[Record] = Record) -> Iterator[type[Record]]:
    """Every type of record."""
    for kind in of.__subclasses__():
        yield kind
        yield from records(kind)


class TestJourney:
    """Through JSON and back."""

    @pytest.mark.parametrize("key", SAMPLES)
    def test_changes_nothing(self, key: str) -> None:
        """Replay judges what was measured, not something near it."""
        there = msgspec.json.decode(msgspec.json.encode(SAMPLES[key]), type=Observation)

        assert there == SAMPLES[key]
        assert type(there) is type(SAMPLES[key])

    def test_every_kind_is_tried(self) -> None:
        """A new kind of observation belongs into the samples."""
        assert {type(sample) for sample in SAMPLES.values()} == set(KINDS)

    def test_keeps_bytes(self) -> None:
        """Raw packets are evidence to the last bit."""
        raw = bytes(range(256))
        before = NtpObserved(
            started=STARTED,
            duration_s=0.5,
            server="10.0.0.1",
            tries=(Try(at_s=0.0, to="10.0.0.1:123", result="malformed", sent=raw, received=raw),),
            ignored=(Ignored(at_s=0.1, source="10.0.0.9:53", reason="stranger", raw=raw),),
            trouble=Trouble(kind="malformed", phase="udp", icmp_code=13),
        )

        assert msgspec.json.decode(msgspec.json.encode(before), type=Observation) == before

    def test_keeps_the_vantage_apart_from_an_obstacle(self) -> None:
        """A setup holds one or the other."""
        for before in (VANTAGE, cannot("off-link")):
            there = msgspec.json.decode(msgspec.json.encode(before), type=Vantage | CannotMeasure)
            assert there == before


class TestStrictness:
    """Evidence that is not what it should be is refused."""

    @pytest.mark.parametrize(
        "change",
        [
            {"offrs": []},
            {"started": 1},
            {"offers": "none"},
            {"type": "dchp"},
            {"tries": [{"at_s": 0.0}]},
            {"tries": [{"at_s": 0.0, "to": "x", "result": "answer", "sent": "not base64!"}]},
        ],
    )
    def test_refuses_what_does_not_fit(self, change: dict[str, object]) -> None:
        """A misspelled field of a saved file must not be taken for an absent one."""
        good = msgspec.to_builtins(DhcpObserved(started=STARTED, duration_s=1.0))

        assert msgspec.convert(good, Observation)
        with pytest.raises(msgspec.ValidationError):
            msgspec.json.decode(msgspec.json.encode(good | change), type=Observation)

    def test_knows_no_other_cause(self) -> None:
        """The list of obstacles is closed."""
        data = msgspec.to_builtins(cannot()) | {"cause": "bad-luck"}

        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(data, Observation)

    @pytest.mark.parametrize("kind", list(records()), ids=lambda kind: kind.__name__)
    def test_every_record_is_frozen_and_closed(self, kind: type[Record]) -> None:
        """Observations are shared between threads, and msgspec does not inherit every setting."""
        assert kind.__struct_config__.frozen
        assert kind.__struct_config__.forbid_unknown_fields
        assert all(
            field.required or field.default is not msgspec.NODEFAULT
            for field in msgspec.structs.fields(kind)
        )
        with pytest.raises(TypeError):
            kind(STARTED)

    @pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
    def test_every_observation_has_a_tag_of_its_own(self, kind: type[Observed]) -> None:
        """The tag is what a saved observation is recognised by."""
        tags = [other.__struct_config__.tag for other in KINDS]

        assert isinstance(kind.__struct_config__.tag, str)
        assert tags.count(kind.__struct_config__.tag) == 1
        assert issubclass(kind, Observed)

    def test_bounds_packets(self) -> None:
        """What probes promise to keep of one packet; a whole Ethernet frame fits."""
        assert 1514 <= evidence.RAW_LIMIT <= 4096


class TestTimestamp:
    """Moments as they are written everywhere."""

    def test_is_utc_with_milliseconds(self) -> None:
        """Moments compare as texts, so they must all have one form."""
        noon = datetime(2026, 11, 23, 12, 0, 0, 5999, timezone(timedelta(hours=1)))

        assert timestamp(noon) == "2026-11-23T11:00:00.005Z"

    def test_keeps_its_form_at_a_full_second(self) -> None:
        """Python drops the fraction of a full second unless told not to."""
        assert timestamp(datetime(2026, 1, 1, tzinfo=UTC)) == "2026-01-01T00:00:00.000Z"

    def test_is_now_by_default(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A probe starts now, by the clock as it was when the run began."""
        monkeypatch.setattr(evidence, "clock_s", lambda: 1.5)

        assert timestamp() == "1970-01-01T00:00:01.500Z"

    def test_goes_on_evenly(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Whoever sets the clock meanwhile moves no moment."""
        before_s = evidence.clock_s()
        monkeypatch.setattr(time, "time", lambda: 0.0)

        assert evidence.clock_s() >= before_s
