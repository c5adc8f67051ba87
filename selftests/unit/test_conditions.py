"""What the cases make of made-up evidence: the second layer of the fault matrix.

Every case's outcome and cause is compared, not only the changed one's: what a condition does not
name stays a pass. The first layer, with real servers, is the lab.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import pytest

from cube_acceptance import catalogue as catalogues
from selftests.support import approved, cases
from selftests.support.conditions import ROWS, Row

if TYPE_CHECKING:
    from cube_acceptance.judge import Judgement

APPROVED = approved.read()
BY_NAME = {row.name: row for row in ROWS}
each_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)


@cache
def judged(name: str) -> dict[str, Judgement]:
    """Judge a row's evidence once for all tests of it."""
    return cases.judge_all(BY_NAME[name].saved())


class TestRows:
    """Every condition, every case."""

    @each_row
    def test_outcome_and_cause_of_every_case(self, row: Row) -> None:
        """A condition changes what it should and nothing else."""
        assert approved.outcomes(judged(row.name)) == row.expected

    @each_row
    def test_notes(self, row: Row) -> None:
        """A condition brings its observations and no other."""
        assert approved.notes(judged(row.name)) == set(row.notes)

    @each_row
    def test_everything_that_is_said_was_approved(self, row: Row) -> None:
        """Sentences and the facts in them change only together with ``approved/``."""
        assert approved.differences(judged(row.name)) == APPROVED[row.name]

    def test_what_is_said_of_a_healthy_site_was_approved(self) -> None:
        """The passing cases' facts are, too, and nothing is of a row that is gone."""
        assert approved.usual() == APPROVED[approved.HEALTHY]
        assert APPROVED.keys() == {approved.HEALTHY, *BY_NAME}

    def test_names_are_unique(self) -> None:
        """No row hides behind another of the same name."""
        assert len(BY_NAME) == len(ROWS)


class TestGuard:
    """The rows as a whole see everything that the catalogue allows."""

    def seen(self, outcome: str) -> set[tuple[str, str]]:
        """Every requirement and cause that some row brings about."""
        return {
            (case.partition("[")[0], told.partition(" ")[2])
            for row in ROWS
            for case, told in row.expected.items()
            if told.startswith(outcome)
        }

    def test_every_requirement_is_seen_to_fail_with_each_of_its_causes(self) -> None:
        """A cause that no row brings about has not been shown to work."""
        owed = {
            (entry.id, cause) for entry in catalogues.load().requirement for cause in entry.causes
        }

        assert owed - self.seen("fail") == set()

    def test_no_requirement_fails_with_a_cause_that_is_not_listed(self) -> None:
        """The catalogue's lists are complete."""
        owed = {
            (entry.id, cause) for entry in catalogues.load().requirement for cause in entry.causes
        }

        assert self.seen("fail") - owed == set()

    def test_every_requirement_is_seen_inconclusive_with_each_of_its_causes(self) -> None:
        """Likewise for what could not be measured; elsewhere means off-link and other-route."""
        elsewhere = {"off-link", "other-route", "not-permitted"}
        owed = {
            (entry.id, cause)
            for entry in catalogues.load().requirement
            for cause in entry.unclear
            if cause not in elsewhere
        }

        assert owed - self.seen("inconclusive") == set()
