"""Tests of the judge: only an explicit pass that rests on an observation is a pass."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cube_acceptance.evidence import (
    CannotMeasure,
    DhcpObserved,
    NtpObserved,
    Trouble,
    Try,
    timestamp,
)
from cube_acceptance.judge import (
    TEXT_LIMIT,
    FailedError,
    InconclusiveError,
    Judge,
    Judgement,
    Note,
    PassedError,
    RulingError,
    Word,
    fact,
    obstacle,
    on_the_wire,
)
from cube_acceptance.text.foreign import is_plain
from selftests.support.builders import Known, cannot, dhcp
from selftests.support.healthy import OFFER, SERVER, STARTED

if TYPE_CHECKING:
    from cube_acceptance.judge import Fact

EARLIER = "2026-11-23T08:59:59.000Z"

anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats()
    | st.text(max_size=TEXT_LIMIT * 2)
    | st.binary(max_size=20)
    | st.builds(Word, st.sampled_from(["router", "silence"])),
    lambda inner: st.lists(inner, max_size=20) | st.tuples(inner, inner),
    max_leaves=30,
)


@pytest.fixture
def judge() -> Judge:
    """A judge of NTP-01 who finds an offer, a silent time server and an obstacle."""
    return Judge(
        "NTP-01",
        Known(
            {
                "dhcp": dhcp(OFFER),
                f"ntp/{SERVER}": NtpObserved(
                    started=EARLIER,
                    duration_s=6.0,
                    server=SERVER,
                    tries=(Try(at_s=0.0, to=SERVER, result="silence"),) * 2,
                ),
                "lease": cannot(),
            }
        ),
    )


def passed(judge: Judge, **facts: object) -> PassedError:
    """How a case ends that passes."""
    with pytest.raises(PassedError) as end:
        judge.passes(**facts)
    return end.value


class TestFact:
    """What may travel to the certificate."""

    @given(anything)
    def test_survives_the_journey(self, value: object) -> None:
        """A fact crosses processes as JSON; what JSON cannot carry would lose the case."""
        made = fact(value)

        assert msgspec.json.decode(msgspec.json.encode(made)) == made

    @given(anything)
    def test_is_bounded_and_plain(self, value: object) -> None:
        """Whatever the network said, it must not flood or steer a terminal."""

        def check(made: Fact) -> None:
            if isinstance(made, list):
                assert len(made) <= 16
                for item in made:
                    check(item)
            elif isinstance(made, dict):
                assert set(made) == {"word"}
            elif isinstance(made, str):
                assert len(made) <= TEXT_LIMIT
                assert is_plain(made)
            else:
                assert math.isfinite(made)

        check(fact(value))

    @pytest.mark.parametrize(
        ("value", "made"),
        [
            ("plain", "plain"),
            ("a\x1b[31m\nb\u202ec", "a\N{REPLACEMENT CHARACTER}[31m b\ufffdc"),
            (3, 3),
            (0.5, 0.5),
            (True, True),
            (math.inf, "inf"),
            (math.nan, "nan"),
            (None, "None"),
            (Word("router"), {"word": "router"}),
            ((Word("router"), 1, ["x"]), [{"word": "router"}, 1, ["x"]]),
            ("x" * 301, "x" * 299 + "…"),
            (list(range(20)), list(range(16))),
        ],
    )
    def test_keeps_what_can_be_kept(self, value: object, made: Fact) -> None:
        """Sentences need numbers as numbers and words as words."""
        assert fact(value) == made


class TestJudgement:
    """What a case came to."""

    def test_without_a_ruling_is_a_defect(self, judge: Judge) -> None:
        """A case that falls off its end has proven nothing."""
        judge.get("dhcp")

        result = judge.judgement(None)

        assert (result.outcome, result.cause, result.text) == (
            "inconclusive",
            "internal-error",
            "internal-error",
        )
        assert "without a ruling" in str(result.facts["detail"])

    def test_a_pass_without_reading_anything_is_a_defect(self, judge: Judge) -> None:
        """A pass that rests on nothing is the false pass itself."""
        assert judge.judgement(passed(judge)).cause == "internal-error"

    def test_a_pass_from_obstacles_alone_is_a_defect(self, judge: Judge) -> None:
        """What could not be asked is no observation."""
        judge.get("lease")

        assert judge.judgement(passed(judge)).outcome == "inconclusive"

    def test_a_pass_with_an_observation_passes(self, judge: Judge) -> None:
        """One real observation carries a pass, whatever else was in the way."""
        judge.get("lease")
        judge.get("dhcp")

        result = judge.judgement(passed(judge, server=SERVER))

        assert (result.outcome, result.cause, result.text, result.facts) == ("pass", "", "", {})
        assert result.observed == {"server": SERVER}

    @pytest.mark.parametrize(
        "end",
        [
            ValueError("bad"),
            KeyError("dns/1"),
            AssertionError(),
            LookupError("no observation"),
            KeyboardInterrupt(),
            SystemExit(0),
        ],
    )
    def test_any_other_exception_is_a_defect(self, judge: Judge, end: BaseException) -> None:
        """A bug of ours is inconclusive: neither fail nor pass."""
        judge.get("dhcp")

        result = judge.judgement(end)

        assert (result.outcome, result.cause) == ("inconclusive", "internal-error")
        assert type(end).__name__ in str(result.facts["detail"])

    def test_a_failure_is_a_failure(self, judge: Judge) -> None:
        """What ends a case decides."""
        judge.get("dhcp")

        assert judge.judgement(FailedError("refused")).outcome == "fail"

    def test_a_hostile_message_is_made_harmless(self, judge: Judge) -> None:
        """An exception's words can hold what a server sent."""
        result = judge.judgement(ValueError("\x1b]0;owned\x07" + "x" * 1000))

        detail = str(result.facts["detail"])
        assert detail.isprintable()
        assert len(detail) == TEXT_LIMIT

    def test_tells_how_it_was_reached(self, judge: Judge) -> None:
        """The certificate shows begin, length and tries of what a case rests on."""
        judge.get("dhcp")
        judge.get(f"ntp/{SERVER}")
        judge.get("dhcp")

        result = judge.judgement(FailedError("no-answer"))

        assert result.evidence == ("dhcp", f"ntp/{SERVER}")
        assert (result.started, result.duration_s, result.attempts) == (EARLIER, 6.0, 2)

    def test_without_evidence_it_starts_now(self, judge: Judge) -> None:
        """A case that read nothing still has a place in time."""
        before = timestamp()

        assert judge.judgement(None).started >= before

    def test_without_evidence_it_took_nothing(self, judge: Judge) -> None:
        """A case that read nothing has neither length nor tries."""
        result = judge.judgement(None)

        assert (result.duration_s, result.attempts) == (0.0, 0)
        never = Judgement(outcome="not-run")
        assert (never.duration_s, never.attempts, never.started) == (0.0, 0, "")

    def test_travels_as_json(self, judge: Judge) -> None:
        """A judgement reaches the controller as one JSON string."""
        judge.get("dhcp")
        judge.note("server-failed", server=SERVER, detail=Word("silence"))
        result = judge.judgement(passed(judge, offset_s=0.5, servers=(SERVER,)))

        there = msgspec.json.decode(msgspec.json.encode(result), type=Judgement)

        assert there == result


class TestReading:
    """A case reads the evidence through its judge."""

    def test_get_gives_what_is_there(self, judge: Judge) -> None:
        """Obstacles are for the case to look at."""
        assert judge.get("lease") == cannot()

    def test_get_does_not_hide_what_is_missing(self, judge: Judge) -> None:
        """What was not measured must not become an opinion."""
        with pytest.raises(LookupError):
            judge.get("ntp/elsewhere")

        assert judge.judgement(LookupError()).evidence == ()

    def test_measured_gives_the_kind_asked_for(self, judge: Judge) -> None:
        """The usual way for a case to get its observation."""
        assert judge.measured("dhcp", DhcpObserved).offers == (OFFER,)

    def test_measured_ends_at_an_obstacle(self, judge: Judge) -> None:
        """A question that could not be asked has no answer to judge."""
        with pytest.raises(InconclusiveError) as ruling:
            judge.measured("lease", DhcpObserved)

        assert ruling.value.cause == "not-permitted"
        assert judge.judgement(ruling.value).evidence == ("lease",)

    def test_measured_refuses_another_kind(self, judge: Judge) -> None:
        """A mix-up of keys is a bug of ours and must not be judged."""
        with pytest.raises(TypeError, match="DhcpObserved, not NtpObserved") as mixed_up:
            judge.measured("dhcp", NtpObserved)

        assert judge.judgement(mixed_up.value).cause == "internal-error"


class TestSpeaking:
    """What a case says beside its ruling."""

    def test_notes_keep_their_order(self, judge: Judge) -> None:
        """Observations appear on the certificate as the case made them."""
        judge.note("first", servers=[SERVER])
        judge.note("second")

        assert judge.judgement(None).notes == (
            Note(code="first", facts={"servers": [SERVER]}),
            Note(code="second", facts={}),
        )

    def test_shown_facts_stay_in_a_failure(self, judge: Judge) -> None:
        """What was seen before the failure helps to understand it."""
        judge.show(issuer="CN=Box")
        judge.show(version="TLSv1.3")

        assert judge.judgement(FailedError("untrusted")).observed == {
            "issuer": "CN=Box",
            "version": "TLSv1.3",
        }

    @pytest.mark.parametrize(
        ("how", "outcome"), [("fail", "fail"), ("inconclusive", "inconclusive")]
    )
    def test_rulings_end_the_case(self, judge: Judge, how: str, outcome: str) -> None:
        """Nothing after a ruling may change it."""
        with pytest.raises(RulingError) as ruling:
            getattr(judge, how)("no-answer", "no-answer.tls", host="a.example")

        result = judge.judgement(ruling.value)
        assert (result.outcome, result.cause, result.text, result.facts) == (
            outcome,
            "no-answer",
            "no-answer.tls",
            {"host": "a.example"},
        )

    def test_a_text_is_the_cause_by_default(self) -> None:
        """Most causes have one sentence."""
        assert FailedError("refused").text == "refused"
        assert str(FailedError("refused")) == "refused"
        assert str(FailedError("refused", "refused.tls")) == "refused.tls"


class TestObstacle:
    """From a question that could not be asked to a ruling."""

    def test_names_the_command_that_helps(self) -> None:
        """The exact command is what the engineer needs."""
        ruling = obstacle(cannot("not-permitted", "port 68", "setcap x"))

        assert (ruling.cause, ruling.text) == ("not-permitted", "not-permitted")
        assert ruling.facts == {"detail": "port 68", "command": "setcap x"}

    def test_without_a_command_says_who_blocks(self) -> None:
        """A sentence that asks to run nothing would be useless."""
        assert obstacle(cannot("not-permitted")).text == "not-permitted.blocked"

    @pytest.mark.parametrize(
        "cause", ["off-link", "other-route", "not-configured", "internal-error"]
    )
    def test_keeps_every_other_cause(self, cause: str) -> None:
        """The cause is the probe's to know."""
        ruling = obstacle(cannot(cause))

        assert isinstance(ruling, InconclusiveError)
        assert (ruling.cause, ruling.text) == (cause, cause)

    def test_keeps_a_disturbance_apart_from_what_a_case_finds_ambiguous(self) -> None:
        """A case has words of its own for what it finds ambiguous, with facts of its own."""
        assert obstacle(cannot("ambiguous")).text == "ambiguous.disturbed"

    def test_names_a_disturbance_for_what_it_is(self) -> None:
        """What a probe finds ambiguous is something on this computer, not a requirement's doubt."""
        ruling = obstacle(cannot("ambiguous"))

        assert (ruling.cause, ruling.text) == ("ambiguous", "ambiguous.disturbed")

    def test_of_every_kind_is_inconclusive(self) -> None:
        """Could-not-ask never looks like an answer."""
        assert obstacle(
            CannotMeasure(started=STARTED, duration_s=0.0, cause="ambiguous", detail="")
        )
        assert InconclusiveError.outcome == "inconclusive"


class TestOnTheWire:
    """Signs that an administrator knows in any language."""

    @pytest.mark.parametrize(
        ("kind", "phase", "code", "sign"),
        [
            ("refused", "tcp", None, "TCP RST"),
            ("refused", "http", None, "HTTP"),
            ("refused", "ssh", None, "SSH"),
            ("refused", "tls", None, "TLS"),
            ("refused", "udp", None, "ICMP 3/3"),
            ("refused", "tcp", 13, "ICMP 3/13"),
            ("no-route", "tcp", 0, "ICMP 3/0"),
            ("no-route", "tcp", None, "ARP/ICMP"),
            ("no-answer", "udp", None, "UDP"),
            ("malformed", "http", None, "HTTP"),
        ],
    )
    def test_shows_what_was_seen(self, kind: str, phase: str, code: int | None, sign: str) -> None:
        """A reset, a reject and a dropped packet point at different devices."""
        assert on_the_wire(Trouble(kind=kind, phase=phase, icmp_code=code)) == sign

    def test_quotes_what_the_probe_saw(self) -> None:
        """An alert has a name, a shell may have words, and a refusal by ICMP a sender."""
        alert = Trouble(kind="refused", phase="tls", sign="TLS alert: handshake_failure")
        message = Trouble(kind="refused", phase="tcp", icmp_code=13, icmp_source="10.20.0.1")

        assert on_the_wire(alert) == "TLS alert: handshake_failure"
        assert on_the_wire(message) == "ICMP 3/13, 10.20.0.1"
