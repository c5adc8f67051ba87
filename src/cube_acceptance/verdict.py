"""From outcomes to the verdict; pure, and computed from what the catalogue demands.

Nothing here knows what happened to run. A result that is owed and missing is ``not-run``, and
only ``pass`` counts as true.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cube_acceptance.catalogue import Level, VerdictKind

Outcome = Literal["pass", "fail", "inconclusive", "not-applicable", "waived", "not-run"]
Verdict = Literal["accepted", "accepted-with-reservations", "rejected", "incomplete"]

OUTCOMES: tuple[Outcome, ...] = (
    "fail",
    "inconclusive",
    "not-run",
    "waived",
    "pass",
    "not-applicable",
)
"""Every outcome, the worst first."""

EXIT_STATUS: dict[Verdict, int] = {
    "accepted": 0,
    "accepted-with-reservations": 0,
    "rejected": 1,
    "incomplete": 10,
}


def worst(outcomes: Iterable[Outcome]) -> Outcome:
    """Return the worst of some outcomes; ``not-run`` where there are none."""
    return min(outcomes, key=OUTCOMES.index, default="not-run")


def decide(results: Sequence[tuple[Level, Outcome]], complaints: Sequence[str]) -> Verdict:
    """Decide over all results; ``complaints`` are failures that belong to no requirement.

    Over the required results that apply: any fail rejects; else anything not measured, or a
    complaint, leaves it incomplete; else a waiver is a reservation.
    """
    required = [
        outcome for level, outcome in results if level == "required" and outcome != "not-applicable"
    ]
    if "fail" in required:
        return "rejected"
    if not required or complaints or not {"inconclusive", "not-run"}.isdisjoint(required):
        return "incomplete"
    return "accepted-with-reservations" if "waived" in required else "accepted"


def verdict_kind(stage: str, *, simulated: bool) -> VerdictKind:
    """Return what a verdict is about; a simulated run says nothing about any real network."""
    if simulated:
        return "simulated"
    return "readiness" if stage == "readiness" else "acceptance"
