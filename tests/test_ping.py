"""PING-01, PING-02: the tapio Cloud and the CUBE answer pings (RFC 792)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

import pytest

from cube_acceptance.evidence import PingObserved
from cube_acceptance.judge import on_the_wire
from cube_acceptance.network import addresses
from judging import fail_without_address, givers, note_one_address, other_way, stand_in_the_segment

if TYPE_CHECKING:
    from cube_acceptance.judge import Judge
    from cube_acceptance.setup import Setup
    from cube_acceptance.site import Cube


@pytest.mark.requirement("PING-01")
def test_the_cloud_answers_pings(judge: Judge, setup: Setup) -> None:
    """The tapio Cloud answers echo requests."""
    stand_in_the_segment(judge, setup)
    host = setup.site.cloud.ping_target
    if not addresses(setup, judge, host):
        fail_without_address(judge, setup, host)
    seen = judge.measured(f"ping/{host}", PingObserved)
    if elsewhere := other_way(judge, setup, "icmp", seen.address, 0):
        raise elsewhere
    if seen.trouble:
        note_one_address(judge, setup, givers(judge, setup, host, seen.address))
    rule_on_echoes(judge, seen)


@pytest.mark.requirement("PING-02")
def test_the_cube_answers_pings(judge: Judge, cube: Cube) -> None:
    """The CUBE answers echo requests, at most one a second."""
    rule_on_echoes(judge, judge.measured(f"ping/{cube.address}", PingObserved))


def rule_on_echoes(judge: Judge, seen: PingObserved) -> None:
    """Rule on a few echo requests: one reply from the address asked is enough."""
    replies = [echo for echo in seen.echoes if echo.result == "reply"]
    sent = len(seen.echoes)
    if not replies:
        rule_on_loss(judge, seen)
    if len(replies) < sent:
        judge.note("lost", lost=sent - len(replies), sent=sent, address=seen.address)
    times = [echo.rtt_s for echo in replies if echo.rtt_s is not None]
    judge.passes(
        address=seen.address,
        replies=len(replies),
        sent=sent,
        fastest_ms=round(min(times, default=0.0) * 1000, 3),
        method=seen.method,
    )


def rule_on_loss(judge: Judge, seen: PingObserved) -> NoReturn:
    """Rule where no reply came from the address asked; what came instead is for the sentence."""
    where = {"address": seen.address, "sent": len(seen.echoes)}
    strangers = [echo.source for echo in seen.echoes if echo.result == "wrong-host"]
    if strangers:
        judge.fail("no-answer", "no-answer.wrong-host", **where, source=strangers[0])
    trouble = seen.trouble
    if trouble and trouble.kind in {"refused", "no-route"}:
        judge.fail("no-answer", f"no-answer.{trouble.kind}", **where, detail=on_the_wire(trouble))
    judge.fail("no-answer", **where)
