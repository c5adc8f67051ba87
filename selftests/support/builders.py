"""What the unit tests of the suite's core share: short ways to make its records."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cube_acceptance.evidence import CannotMeasure, DhcpMessage, DhcpObserved, LeaseObserved
from cube_acceptance.judge import Judgement
from selftests.support.healthy import SERVER, STARTED

if TYPE_CHECKING:
    from cube_acceptance.evidence import Observation

SECOND = "10.20.0.2"
"""Another server of the plant."""


class Known:
    """Evidence that is simply there; asks for anything else end in LookupError."""

    def __init__(self, observations: dict[str, Observation] | None = None) -> None:
        """Hold these observations."""
        self.observations = dict(observations or {})
        self.asked: list[str] = []

    def get(self, key: str) -> Observation:
        """Return an observation and remember that it was asked for."""
        self.asked.append(key)
        return self.observations[key]


def cannot(cause: str = "not-permitted", detail: str = "no", command: str = "") -> CannotMeasure:
    """A question that could not be asked."""
    return CannotMeasure(
        started=STARTED, duration_s=0.5, cause=cause, detail=detail, command=command
    )


def dhcp(*offers: DhcpMessage) -> DhcpObserved:
    """What a DISCOVER brought."""
    return DhcpObserved(started=STARTED, duration_s=4.0, offers=offers)


def lease(**changes: object) -> LeaseObserved:
    """The lease that this computer holds."""
    values = {
        "started": STARTED,
        "duration_s": 0.01,
        "client": "dhclient",
        "address": "10.20.0.20",
        "dns": (SERVER,),
        "ntp": (SERVER,),
    }
    return LeaseObserved(**(values | changes))


def passed(**changes: object) -> Judgement:
    """A case that passed."""
    values = {
        "outcome": "pass",
        "observed": {"server": SERVER},
        "evidence": ("dhcp",),
        "started": STARTED,
        "duration_s": 0.012,
        "attempts": 1,
    }
    return Judgement(**(values | changes))


def failed(cause: str, text: str = "", **facts: object) -> Judgement:
    """A case that failed."""
    return Judgement(
        outcome="fail", cause=cause, text=text or cause, facts=facts, started=STARTED, attempts=3
    )


def unclear(cause: str = "other-route", text: str = "") -> Judgement:
    """A case that could not be judged."""
    return Judgement(outcome="inconclusive", cause=cause, text=text or cause)
