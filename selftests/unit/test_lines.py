"""When a requirement's line is written, and when again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cube_acceptance import expected
from cube_acceptance.judge import Judgement
from cube_acceptance.lines import Lines
from selftests.support import healthy

if TYPE_CHECKING:
    from cube_acceptance.catalogue import Catalogue
    from cube_acceptance.certificate.terminal import Line

GOOD = Judgement(outcome="pass")
BAD = Judgement(outcome="inconclusive", cause="off-link", text="off-link")
DNS = ("DNS-01[disco.tapio.one]", "DNS-01[connect.homag.cloud]")


@pytest.fixture
def written() -> list[Line]:
    """What was written."""
    return []


@pytest.fixture
def lines(catalogue: Catalogue, written: list[Line]) -> Lines:
    """Lines of the healthy site."""
    made = Lines(catalogue, "en", written.append)
    made.expect(expected.owed(catalogue, healthy.SITE))
    return made


def test_when_all_cases_are_judged(lines: Lines, written: list[Line]) -> None:
    """Half a requirement is not met."""
    lines.enter(DNS[0], GOOD)
    assert written == []

    lines.enter(DNS[1], GOOD)
    lines.enter(DNS[1], GOOD)
    assert [line.text[:8] for line in written] == ["✓ DNS-01"]
    assert not {owing.case for owing in lines.open()} & set(DNS)


def test_again_where_it_says_another_thing(lines: Lines, written: list[Line]) -> None:
    """What counts is judged last."""
    for judgement in (GOOD, BAD):
        lines.enter("SSH-01[line-1]", judgement)

    assert [line.text[0] for line in written] == ["✓", "?"]


def test_a_case_that_nobody_expects(lines: Lines, written: list[Line]) -> None:
    """It has no line."""
    lines.enter("NTP-02", GOOD)

    assert written == []
