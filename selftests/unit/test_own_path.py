"""Tests of what follows from several CUBEs' own ways: whom a result speaks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from cube_acceptance.certificate import front
from cube_acceptance.expected import Owed
from cube_acceptance.setup import Routed
from cube_acceptance.site import Cube
from selftests.support import cases, healthy
from selftests.support.conditions import (
    LOGIN,
    TAPIO,
    WITH_LOGIN,
    channel,
    https_trouble,
    not_opened,
    through,
    tunnel,
)

if TYPE_CHECKING:
    from cube_acceptance.catalogue import Language
    from cube_acceptance.evidence import Observation
    from cube_acceptance.judge import Judgement
    from cube_acceptance.site import Site

OTHER = "10.20.0.51"
GOOD = channel()
SILENT = not_opened(code=None), not_opened("11.20.0.10", None)


def two(**changes: object) -> Site:
    """Two CUBEs, of which the first has a login."""
    second = Cube(name="line-2", address=OTHER, **changes)
    return msgspec.structs.replace(WITH_LOGIN, cubes=(*WITH_LOGIN.cubes, second))


def judged(
    changes: dict[str, Observation | None], site: Site, routed: tuple[Routed, ...] = ()
) -> Judgement:
    """What HTTPS-01 says of the tapio Cloud."""
    owing = Owed(requirement="HTTPS-01", subject="site", case=f"HTTPS-01[{TAPIO}]", host=TAPIO)
    return cases.judge(healthy.saved(changes, site=site, routed=routed), owing)


BOTH = two(**LOGIN)
ONE = two()


class TestSeveralCubes:
    """Each speaks for itself; this computer speaks for those that do not."""

    def test_one_of_two_fails(self) -> None:
        """It is named."""
        judgement = judged(through(GOOD) | tunnel(*SILENT, cube="line-2"), BOTH)

        assert (judgement.outcome, judgement.text) == ("fail", "no-answer.own")
        assert judgement.facts["cube"] == "line-2"
        assert judgement.observed["from_cubes"] == ["line-1", "line-2"]

    def test_both_work_where_this_computer_does_not(self) -> None:
        """Nobody is left for whom it would speak."""
        changes = through(GOOD) | tunnel(GOOD, cube="line-2") | https_trouble("no-answer", "tcp")

        assert judged(changes, BOTH).outcome == "pass"

    @pytest.mark.parametrize("site", [ONE, BOTH], ids=["no login", "no session"])
    def test_this_computer_speaks_for_the_other(self, site: Site) -> None:
        """A CUBE that works proves nothing for one that nobody asked."""
        changes = through(GOOD) | tunnel(ended="login", cube="line-2")
        changes |= https_trouble("no-answer", "tcp")

        judgement = judged(changes, site)

        assert (judgement.outcome, judgement.text) == ("fail", "no-answer")
        assert judgement.observed["from_cubes"] == ["line-1"]

    def test_an_unknown_one_is_no_pass(self) -> None:
        """One CUBE in another segment without a login leaves it open."""
        away = (
            Routed(cube="line-1", address="10.20.0.50", gateway="10.20.0.1"),
            Routed(cube="line-2", address=OTHER, gateway="10.20.0.1"),
        )

        judgement = judged(through(GOOD), ONE, away)

        assert (judgement.outcome, judgement.cause) == ("inconclusive", "off-link")
        assert judgement.facts["cube"] == "line-2"

    def test_a_failure_counts_more_than_the_unknown(self) -> None:
        """The CUBE that fails is found though another one is unknown."""
        away = (Routed(cube="line-2", address=OTHER, gateway="10.20.0.1"),)

        assert judged(through(*SILENT), ONE, away).outcome == "fail"


class TestFront:
    """Page 1 says what was measured from which CUBE."""

    def results(self, *named: tuple[str, list[list[str]]]) -> dict[str, object]:
        """Results with their cases, each measured from some CUBEs."""
        return {
            "results": [
                {
                    "requirement": entry,
                    "cases": [{"observed": {"from_cubes": cubes}} for cubes in each],
                }
                for entry, each in named
            ]
        }

    def test_every_case_counts(self) -> None:
        """An entry was measured from a CUBE only where all of its hosts were."""
        certificate = self.results(
            ("DHCP-01", []),
            ("DNS-01", [["a", "b"], ["a", "b"]]),
            ("HTTPS-01", [["a", "b", "c"], ["a"]]),
        )

        assert front.from_cubes(certificate) == {
            ("DNS-01", "HTTPS-01"): ["a"],
            ("DNS-01",): ["b"],
        }

    @pytest.mark.parametrize(
        ("language", "said"),
        [
            ("de", "durch seinen Wartungszugang, gemessen: DNS-01, HTTPS-01"),
            ("en", "through its maintenance shell: DNS-01, HTTPS-01"),
        ],
    )
    def test_it_is_said(self, language: Language, said: str) -> None:
        """After the sentence about the test computer, and for few CUBEs by name."""
        cubes = [f"line-{number}" for number in range(1, 21)]
        certificate = self.results(("DNS-01", [cubes]), ("HTTPS-01", [cubes]))
        certificate |= {
            "stage": "acceptance",
            "vantage": {"address": "10.20.0.20", "prefix": 24, "interface": "eth0"},
        }

        text = front.speaks(certificate, language)

        assert said in text
        assert "line-12" in text
        assert "line-13" not in text
        assert "10.20.0.20" in text
