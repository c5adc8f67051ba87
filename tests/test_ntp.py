"""NTP-01: the time server that DHCP hands out answers and is right (RFC 5905, RFC 4330)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

from clocks import OWN_CLOCK, Clock, cloud_clocks, margin, within
from cube_acceptance.evidence import CannotMeasure, NtpObserved, Trouble
from cube_acceptance.judge import Said, Word, obstacle
from cube_acceptance.network import (
    LAST_STRATUM,
    ROOT_DISTANCE_LIMIT_S,
    UNSYNCHRONISED_LEAP,
    handed_out,
    time_servers,
    unsynchronised_by,
)
from judging import Flaw, flaw_of, none_works, other_way, some, stand_in_the_segment

if TYPE_CHECKING:
    from cube_acceptance.evidence import NtpReply
    from cube_acceptance.judge import InconclusiveError, Judge
    from cube_acceptance.setup import Setup

TURNED_AWAY = {"RATE": "refused.rate", "DENY": "refused.denied", "RSTR": "refused.denied"}
"""Sentences for the kiss codes by which a server turns a client away (RFC 5905 section 7.4)."""

RANKING = ("wrong-time", "unsynchronised", "refused", "no-route", "no-answer")
"""Causes in the order of how close a server came to working."""


@pytest.mark.requirement("NTP-01")
def test_a_time_server_answers_with_the_right_time(judge: Judge, setup: Setup) -> None:
    """A time server that DHCP hands out is synchronised and gives the right time."""
    stand_in_the_segment(judge, setup)
    site = setup.site
    servers = some(judge, setup, time_servers(site, handed_out(setup, judge)))
    replies, flaws, blocked = ask_all(judge, setup, servers)
    clouds = cloud_clocks(judge, site)
    unclear = []
    right = []
    for server, reply in replies.items():
        agreeing, disagreeing = compare(server, replies, clouds, site.ntp.tolerance_s)
        if agreeing:
            right.append((server, reply, agreeing))
        elif disagreeing is OWN_CLOCK:
            unclear.append((server, reply))
        else:
            flaws.append(wrong_time(server, reply, disagreeing, site.ntp.tolerance_s))
    if not right and unclear and not blocked:
        server, reply = unclear[0]
        judge.inconclusive("ambiguous", servers=server, offset=reply.offset_s)
    if not right:
        none_works(judge, flaws, blocked, RANKING)
    for flaw in flaws:
        judge.note("server-failed", server=flaw.server, detail=flaw.detail)
    for server, _ in unclear:
        judge.note("server-failed", server=server, detail=Word("bad-time"))
    server, reply, reference = right[0]
    if reference is not OWN_CLOCK and abs(reply.offset_s) > site.ntp.tolerance_s + margin(reply):
        judge.note("own-clock", offset=-reply.offset_s, reference=reference.name)
    judge.passes(
        server=server,
        stratum=reply.stratum,
        offset_s=reply.offset_s,
        root_distance_s=reply.root_distance_s,
        reference=reference.name,
    )


def ask_all(
    judge: Judge, setup: Setup, servers: tuple[str, ...]
) -> tuple[dict[str, NtpReply], list[Flaw], list[InconclusiveError]]:
    """Sort the servers: those that are synchronised, those that are not, those not askable."""
    good, flaws, blocked = {}, [], []
    for server in servers:
        observed = judge.get(f"ntp/{server}")
        if isinstance(observed, CannotMeasure):
            blocked.append(obstacle(observed))
            continue
        if elsewhere := other_way(judge, setup, "udp", server, setup.ports.ntp):
            blocked.append(elsewhere)
            continue
        answer = judge.measured(f"ntp/{server}", NtpObserved)
        if answer.reply is None:
            flaws.append(unanswered(answer))
        elif flaw := turned_away(server, answer.reply) or unsynchronised(server, answer.reply):
            flaws.append(flaw)
        else:
            good[server] = answer.reply
    return good, flaws, blocked


def unanswered(answer: NtpObserved) -> Flaw:
    """Describe a server that gave no reply, or gave it too late."""
    flaw = flaw_of(answer.server, answer.trouble or Trouble(kind="no-answer", phase="udp"))
    late = any(one.reason.startswith("too late") for one in answer.ignored)
    if late and flaw.text == "no-answer":
        return flaw._replace(text="no-answer.late", detail=Word("late"))
    return flaw


def turned_away(server: str, reply: NtpReply) -> Flaw | None:
    """Describe a server that answers only to say that it does not serve us."""
    code = reply.reference_id
    if reply.stratum or code not in TURNED_AWAY:
        return None
    return Flaw(server, "refused", TURNED_AWAY[code], code, {"code": code})


def unsynchronised(server: str, reply: NtpReply) -> Flaw | None:
    """Describe a server that does not count as synchronised (RFC 5905 sections 7.3 and 7.4)."""
    cause, by = "unsynchronised", unsynchronised_by(reply)
    if by == "stratum":
        said = str(reply.stratum) if reply.stratum else f"0 ({reply.reference_id})"
        facts: dict[str, object] = {"stratum": said, "limit": LAST_STRATUM}
        return Flaw(server, cause, "unsynchronised.stratum", Said(f"stratum {said}"), facts)
    if by == "leap":
        facts = {"leap": reply.leap, "limit": UNSYNCHRONISED_LEAP - 1}
        return Flaw(server, cause, cause, Said(f"leap {reply.leap}"), facts)
    if by == "distance":
        distance = math.ceil(reply.root_distance_s * 10) / 10  # never as small as the limit
        facts = {"distance": distance, "limit": ROOT_DISTANCE_LIMIT_S}
        return Flaw(server, cause, "unsynchronised.distance", Word("root-distance"), facts)
    return None


def agree(reply: NtpReply, clock: Clock, tolerance_s: float) -> bool:
    """Whether a server and a clock show the same time within the tolerance."""
    return within(clock, Clock(reply.offset_s, margin(reply)), tolerance_s)


def compare(
    server: str, replies: dict[str, NtpReply], clouds: list[Clock], tolerance_s: float
) -> tuple[Clock | None, Clock | None]:
    """Find a clock that confirms a server's time, or else the one that speaks against it.

    The cloud's time decides where there is one; then another time server or this computer's
    clock confirms. Where only this computer's clock is left to disagree, nothing is decided.
    """
    reply = replies[server]
    if clouds:
        confirming = next((clock for clock in clouds if agree(reply, clock, tolerance_s)), None)
        return confirming, clouds[0]
    others = [
        Clock(other.offset_s, margin(other), Word("other-server"))
        for address, other in replies.items()
        if address != server
    ]
    for clock in [OWN_CLOCK, *others]:
        if agree(reply, clock, tolerance_s):
            return clock, None
    return None, OWN_CLOCK


def wrong_time(server: str, reply: NtpReply, against: Clock | None, tolerance_s: float) -> Flaw:
    """Say by how much a server's time is wrong."""
    clock = against or OWN_CLOCK
    facts: dict[str, object] = {
        "offset": reply.offset_s - clock.offset_s,
        "reference": clock.name,
        "tolerance": tolerance_s,
    }
    return Flaw(server, "wrong-time", "wrong-time", Word("bad-time"), facts)
