"""Every network condition gives exactly the certificate that its row says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from selftests.lab.condition import REQUIREMENTS, Condition, load
from selftests.lab.matrix import try_out

if TYPE_CHECKING:
    from selftests.lab.certificates import Authorities

ROWS = load()


def _parameter(row: Condition) -> object:
    marks = [pytest.mark.quick] if row.quick else []
    return pytest.param(row, id=row.id, marks=marks)


@pytest.mark.parametrize("row", [_parameter(row) for row in ROWS])
def test_condition(row: Condition, authorities: Authorities) -> None:
    """A row's outcomes, causes, observations, verdict and exit status are all exact."""
    tried = try_out(row, authorities)

    assert not tried.lines, f"{row.field}\n" + "\n".join(tried.lines)


class TestTheRows:
    """The matrix itself is complete."""

    @pytest.mark.quick
    @pytest.mark.parametrize("outcome", ["fail", "inconclusive"])
    @pytest.mark.parametrize("requirement", REQUIREMENTS)
    def test_short_matrix_moves_every_entry(self, requirement: str, outcome: str) -> None:
        """Every entry fails in one quick row and is inconclusive in another."""
        moving = [row for row in ROWS if row.quick and requirement in row.expect]

        assert any(row.expect[requirement].startswith(f"{outcome} ") for row in moving)

    @pytest.mark.quick
    def test_a_row_that_moves_several_says_why(self) -> None:
        """One fault moves one entry, unless the row says what makes others follow."""
        silent = [row.id for row in ROWS if len(row.expect) > 1 and not row.follows]

        assert not silent
