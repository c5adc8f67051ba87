"""Tests of the record of what was sent and of what did not count."""

from __future__ import annotations

import pytest

from cube_acceptance.evidence import RAW_LIMIT, Ignored, Try
from cube_acceptance.probes.net.errors import CannotAskError
from cube_acceptance.probes.net.log import IGNORED_LIMIT, Log


class FakeWatch:
    """A stopwatch that a test moves on."""

    now_s = 0.0

    def elapsed(self) -> float:
        """As long as the test says."""
        return self.now_s


def log() -> tuple[Log, FakeWatch]:
    """An empty log, and its watch."""
    watch = FakeWatch()
    return Log(watch), watch  # type: ignore[arg-type]


class TestTries:
    """Every try is recorded, whatever comes of it."""

    def test_is_silence_until_something_comes(self) -> None:
        """A try that is cut short by whatever stands as what it was."""
        one, watch = log()
        watch.now_s = 1.5

        assert one.begin("192.0.2.1:53", b"question", "udp name") == 0
        assert one.tries == [
            Try(at_s=1.5, to="192.0.2.1:53", result="silence", sent=b"question", detail="udp name")
        ]

    def test_keeps_what_came(self) -> None:
        """From whom, bounded, with both details, at the try that it belongs to."""
        one, _ = log()
        numbers = [one.begin("group", b"first"), one.begin("group", b"second", "tcp")]
        one.end(numbers[1], "answer", "NOERROR", b"x" * (RAW_LIMIT + 1), "192.0.2.1:53")
        one.end(numbers[0], "refused", "ICMP")

        assert [(entry.result, entry.detail) for entry in one.tries] == [
            ("refused", "ICMP"),
            ("answer", "tcp: NOERROR"),
        ]
        assert one.tries[1].received == b"x" * RAW_LIMIT
        assert [entry.source for entry in one.tries] == ["", "192.0.2.1:53"]

    def test_nothing_has_no_sender(self) -> None:
        """A source beside no bytes would look like an answer."""
        one, _ = log()
        one.end(one.begin("server", b""), "silence", source="192.0.2.1:53")

        assert one.tries[0].source == ""

    def test_one_question_is_enough(self) -> None:
        """Only where not one left this computer was nobody asked."""
        one, _ = log()
        one.end(one.begin("server", b""), "not-sent", "Network is unreachable")
        with pytest.raises(CannotAskError, match="Network is unreachable"):
            one.check_sent()

        one.begin("server", b"")
        one.check_sent()


class TestIgnored:
    """What does not count is kept with the reason, and a flood fills nothing."""

    def test_keeps_the_first(self) -> None:
        """Bounded in number and size, each with its moment."""
        one, watch = log()
        watch.now_s = 2.0
        for number in range(IGNORED_LIMIT + 1):
            one.ignore("192.0.2.9:53", ValueError(f"no {number}"), b"y" * (RAW_LIMIT + 1))

        assert len(one.ignored) == IGNORED_LIMIT
        assert one.ignored[0] == Ignored(
            at_s=2.0, source="192.0.2.9:53", reason="no 0", raw=b"y" * RAW_LIMIT
        )
