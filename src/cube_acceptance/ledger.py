"""Keeps what became of every case that the run owes, whatever pytest did to it.

The ledger starts from the catalogue, not from the collected items. A case that never reports is
``not-run``; one that reports twice counts with its worst end; a failure that belongs to no case
is a complaint.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from cube_acceptance.judge import Judgement, fact
from cube_acceptance.verdict import worst

if TYPE_CHECKING:
    from cube_acceptance.expected import Owed

CASE_PROPERTY = "acceptance_case"
JUDGEMENT_PROPERTY = "acceptance_judgement"
"""Names under which a case and what it came to travel with pytest's reports."""

_NOT_RUN = Judgement(outcome="not-run", text="not-run")


class Complaint(msgspec.Struct, frozen=True, kw_only=True):
    """A failure that belongs to no requirement."""

    code: str
    """``collection`` or ``stray``: a key of the catalogue's complaints."""
    place: str


class Ledger:
    """The judgements of one run, by case."""

    def __init__(self, owed: tuple[Owed, ...]) -> None:
        """Start with nothing run."""
        self.owed = owed
        self._names = {owing.case for owing in owed}
        self._judgements: dict[str, Judgement] = {}
        self._complaints: dict[Complaint, None] = {}

    def record(self, case: str, judgement: Judgement) -> None:
        """Enter what a case came to; of several entries for one case the worst stays."""
        if case not in self._names:
            self.complain("stray", case)
            return
        known = self._judgements.get(case)
        if known is None or worst([known.outcome, judgement.outcome]) != known.outcome:
            self._judgements[case] = judgement

    def broken(self, case: str, detail: str) -> None:
        """Enter that something around a case broke, so that its result cannot be believed."""
        self.record(
            case,
            Judgement(
                outcome="inconclusive",
                cause="internal-error",
                text="internal-error",
                facts={"detail": fact(detail)},
            ),
        )

    def complain(self, code: str, place: str) -> None:
        """Enter a failure that belongs to no requirement."""
        self._complaints[Complaint(code=code, place=place[:200])] = None

    @property
    def complaints(self) -> tuple[Complaint, ...]:
        """Every complaint once, in order of arrival."""
        return tuple(self._complaints)

    def judgement(self, case: str) -> Judgement:
        """Return what a case came to; ``not-run`` where it never reported."""
        return self._judgements.get(case, _NOT_RUN)
