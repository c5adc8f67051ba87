"""Tests of the ledger: nothing that is owed gets lost, nothing bad gets painted over."""

from __future__ import annotations

from itertools import permutations, product
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cube_acceptance.expected import Owed, owed
from cube_acceptance.judge import TEXT_LIMIT, Judgement
from cube_acceptance.ledger import Complaint, Ledger
from cube_acceptance.verdict import worst
from selftests.support.builders import failed, passed, unclear
from selftests.support.healthy import SITE

if TYPE_CHECKING:
    from cube_acceptance.catalogue import Catalogue

OWED = (
    Owed(requirement="DHCP-01", subject="site", case="DHCP-01"),
    Owed(requirement="NTP-01", subject="site", case="NTP-01"),
)
ENDS = (passed(), failed("no-answer"), unclear(), Judgement(outcome="not-run", text="not-run"))


@pytest.fixture
def ledger() -> Ledger:
    """A ledger that owes two cases."""
    return Ledger(OWED)


class TestJudgement:
    """What a case came to."""

    def test_what_never_reports_was_not_run(self, catalogue: Catalogue) -> None:
        """A lost worker, a deselection, a crash: they all end here."""
        ledger = Ledger(owed(catalogue, SITE))

        assert {ledger.judgement(owing.case).outcome for owing in ledger.owed} == {"not-run"}
        assert ledger.judgement("DHCP-01").text == "not-run"
        assert ledger.complaints == ()

    def test_keeps_what_is_recorded(self, ledger: Ledger) -> None:
        """One report for one case is the usual way."""
        ledger.record("DHCP-01", passed())

        assert ledger.judgement("DHCP-01") == passed()
        assert ledger.judgement("NTP-01").outcome == "not-run"

    def test_keeps_what_is_owed(self, ledger: Ledger) -> None:
        """The certificate walks over this list."""
        assert ledger.owed == OWED


class TestRecord:
    """Entering what a case came to."""

    @pytest.mark.parametrize(("first", "second"), list(product(ENDS, repeat=2)))
    def test_of_two_the_worst_stays(
        self, ledger: Ledger, first: Judgement, second: Judgement
    ) -> None:
        """A second try that passes must not wash off a first one that failed."""
        ledger.record("DHCP-01", first)
        ledger.record("DHCP-01", second)

        kept = ledger.judgement("DHCP-01")
        assert kept.outcome == worst([first.outcome, second.outcome])
        assert kept in (first, second)

    def test_the_order_of_reports_does_not_matter(self) -> None:
        """Worker processes report in any order."""
        for order in permutations(ENDS):
            ledger = Ledger(OWED)
            for judgement in order:
                ledger.record("DHCP-01", judgement)

            assert ledger.judgement("DHCP-01").outcome == "fail"

    def test_of_two_alike_the_first_stays(self, ledger: Ledger) -> None:
        """The first failure is the one that the reader sees in the log."""
        ledger.record("DHCP-01", failed("no-answer"))
        ledger.record("DHCP-01", failed("wrong-answer"))

        assert ledger.judgement("DHCP-01").cause == "no-answer"

    def test_a_case_that_nobody_owes_is_a_complaint(self, ledger: Ledger) -> None:
        """A pass for an unknown case must not count, and must not go unnoticed."""
        ledger.record("DHCP-02", passed())

        assert ledger.complaints == (Complaint(code="stray", place="DHCP-02"),)
        assert ledger.judgement("DHCP-02").outcome == "not-run"

    @given(st.lists(st.tuples(st.sampled_from(["DHCP-01", "NTP-01", "X"]), st.sampled_from(ENDS))))
    def test_passes_only_what_always_passed(self, reports: list[tuple[str, Judgement]]) -> None:
        """However the reports come in, a pass means that there was nothing else."""
        ledger = Ledger(OWED)
        for case, judgement in reports:
            ledger.record(case, judgement)

        for owing in OWED:
            mine = [judgement.outcome for case, judgement in reports if case == owing.case]
            assert (ledger.judgement(owing.case).outcome == "pass") == (set(mine) == {"pass"})
        assert bool(ledger.complaints) == any(case == "X" for case, _ in reports)


class TestBroken:
    """Something around a case broke."""

    @pytest.mark.parametrize("broken_first", [True, False])
    def test_beats_a_pass(self, ledger: Ledger, *, broken_first: bool) -> None:
        """A case whose teardown crashed cannot be believed, whichever report comes first."""
        if broken_first:
            ledger.broken("DHCP-01", "teardown: boom")
            ledger.record("DHCP-01", passed())
        else:
            ledger.record("DHCP-01", passed())
            ledger.broken("DHCP-01", "teardown: boom")

        kept = ledger.judgement("DHCP-01")
        assert (kept.outcome, kept.cause, kept.text) == (
            "inconclusive",
            "internal-error",
            "internal-error",
        )
        assert kept.facts == {"detail": "teardown: boom"}

    def test_bounds_the_detail(self, ledger: Ledger) -> None:
        """What pytest says of a crash can hold anything that came from the network."""
        ledger.broken("DHCP-01", "\x1b[31m" + "x" * 1000)

        detail = str(ledger.judgement("DHCP-01").facts["detail"])
        assert detail.isprintable()
        assert len(detail) <= TEXT_LIMIT

    def test_does_not_soften_a_failure(self, ledger: Ledger) -> None:
        """What was measured as failed stays failed."""
        ledger.record("DHCP-01", failed("no-answer"))
        ledger.broken("DHCP-01", "teardown: boom")

        assert ledger.judgement("DHCP-01").outcome == "fail"


class TestComplain:
    """Failures that belong to no requirement."""

    def test_keeps_each_once_in_order(self, ledger: Ledger) -> None:
        """Every worker reports the same collection error; once is enough."""
        ledger.complain("collection", "tests/test_dns.py")
        ledger.complain("stray", "elsewhere")
        ledger.complain("collection", "tests/test_dns.py")

        assert [complaint.place for complaint in ledger.complaints] == [
            "tests/test_dns.py",
            "elsewhere",
        ]

    def test_bounds_the_place(self, ledger: Ledger) -> None:
        """A test id can be as long as somebody likes."""
        ledger.complain("stray", "x" * 1000)

        assert len(ledger.complaints[0].place) == 200
