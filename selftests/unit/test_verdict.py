"""Tests of the verdict, over every small combination of results."""

from __future__ import annotations

from itertools import combinations_with_replacement, permutations, product
from typing import TYPE_CHECKING, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cube_acceptance.verdict import (
    EXIT_STATUS,
    OUTCOMES,
    Outcome,
    Verdict,
    decide,
    verdict_kind,
    worst,
)

if TYPE_CHECKING:
    from cube_acceptance.catalogue import Level

LEVELS: tuple[Level, ...] = ("required", "optional")
RESULTS = list(product(LEVELS, OUTCOMES))
COMBINATIONS = [
    combination for size in range(5) for combination in combinations_with_replacement(RESULTS, size)
]
"""Every selection of up to four results; the order is shown not to matter."""

COMPLAINTS: tuple[tuple[str, ...], ...] = ((), ("stray",))

RANK = {"accepted": 0, "accepted-with-reservations": 1, "incomplete": 2, "rejected": 3}
"""How bad a verdict is."""

TRUTH = {"pass": 0, "waived": 1, "not-run": 2, "inconclusive": 2, "fail": 3}
"""How bad an outcome is for the verdict; what was not measured is equally unknown."""


class TestDecide:
    """The rule that everything else only feeds."""

    @pytest.mark.parametrize(
        ("outcomes", "verdict"),
        [
            (["pass", "pass"], "accepted"),
            (["pass", "fail"], "rejected"),
            (["inconclusive", "fail"], "rejected"),
            (["not-run", "waived", "fail"], "rejected"),
            (["pass", "inconclusive"], "incomplete"),
            (["pass", "not-run"], "incomplete"),
            (["waived", "not-run"], "incomplete"),
            (["pass", "waived"], "accepted-with-reservations"),
            (["pass", "not-applicable"], "accepted"),
            (["not-applicable"], "incomplete"),
            ([], "incomplete"),
        ],
    )
    def test_follows_the_contract(self, outcomes: list[Outcome], verdict: Verdict) -> None:
        """The decision rule of the design, row by row."""
        assert decide([("required", outcome) for outcome in outcomes], ()) == verdict

    def test_only_pass_is_true(self) -> None:
        """Accepted means that everything required that applies passed, and that something did."""
        for results in COMBINATIONS:
            required = [outcome for level, outcome in results if level == "required"]
            applying = [outcome for outcome in required if outcome != "not-applicable"]

            assert (decide(results, ()) == "accepted") == (
                bool(applying) and all(outcome == "pass" for outcome in applying)
            )

    def test_any_failure_rejects(self) -> None:
        """Rejected means that something required failed, whatever else there is."""
        for results, complaints in product(COMBINATIONS, COMPLAINTS):
            assert (decide(results, complaints) == "rejected") == (("required", "fail") in results)

    def test_is_monotone(self) -> None:
        """Nothing that gets worse may make the verdict better: that would be a way to cheat."""
        for results, complaints in product(COMBINATIONS, COMPLAINTS):
            before = RANK[decide(results, complaints)]
            for index, (level, outcome) in enumerate(results):
                if outcome == "not-applicable":
                    continue
                for worse, badness in TRUTH.items():
                    if badness < TRUTH[outcome]:
                        continue
                    changed = [*results]
                    changed[index] = level, worse

                    assert RANK[decide(changed, complaints)] >= before

    def test_never_gains_by_leaving_out(self) -> None:
        """A result that disappears as not-run must not help, unless it was the failure itself."""
        for results in COMBINATIONS:
            for index, (level, outcome) in enumerate(results):
                if outcome in {"fail", "not-applicable"}:
                    continue
                lost = [*results]
                lost[index] = level, "not-run"

                assert RANK[decide(lost, ())] >= RANK[decide(results, ())]

    def test_complaints_never_let_it_be_accepted(self) -> None:
        """A failure that belongs to no requirement makes the run incomplete at best."""
        for results in COMBINATIONS:
            verdict = decide(results, ("stray",))

            assert verdict in {"incomplete", "rejected"}
            assert RANK[verdict] >= RANK[decide(results, ())]

    def test_optional_results_move_nothing(self) -> None:
        """A failing optional requirement is an observation and no more."""
        for results, complaints in product(COMBINATIONS, COMPLAINTS):
            required = [result for result in results if result[0] == "required"]

            assert decide(results, complaints) == decide(required, complaints)

    def test_nothing_that_applies_is_incomplete(self) -> None:
        """An empty list has no failure in it, and is still no acceptance."""
        for results in COMBINATIONS:
            if all(
                level == "optional" or outcome == "not-applicable" for level, outcome in results
            ):
                assert decide(results, ()) == "incomplete"

    def test_order_does_not_matter(self) -> None:
        """The catalogue's order is for readers only."""
        for results in COMBINATIONS:
            if len(results) == 3:
                assert len({decide(order, ()) for order in permutations(results)}) == 1

    @given(
        st.lists(st.sampled_from(RESULTS), max_size=60), st.lists(st.text(max_size=3), max_size=2)
    )
    def test_holds_for_long_lists(
        self, results: list[tuple[Level, Outcome]], complaints: list[str]
    ) -> None:
        """A site with many CUBEs follows the same rule, written the other way round."""
        outcomes = {outcome for level, outcome in results if level == "required"}
        expected = (
            "rejected"
            if "fail" in outcomes
            else "incomplete"
            if outcomes & {"inconclusive", "not-run"}
            or complaints
            or outcomes <= {"not-applicable"}
            else "accepted-with-reservations"
            if "waived" in outcomes
            else "accepted"
        )

        assert decide(results, complaints) == expected


class TestWorst:
    """The outcome of an entry with several cases."""

    def test_of_nothing_is_not_run(self) -> None:
        """An entry without cases was not looked at."""
        assert worst([]) == "not-run"

    def test_of_two_is_one_of_them(self) -> None:
        """The worst is found whichever comes first, and it is the one named first."""
        for first, second in product(OUTCOMES, repeat=2):
            assert worst([first, second]) == min(first, second, key=OUTCOMES.index)

    def test_never_hides_a_failure(self) -> None:
        """One failing host among many is what the entry comes to."""
        for first, second in product(OUTCOMES, repeat=2):
            assert worst([first, "fail", second]) == "fail"

    def test_passes_only_where_all_pass(self) -> None:
        """A pass must not outweigh anything but what does not apply."""
        for outcomes in product(OUTCOMES, repeat=3):
            if worst(outcomes) == "pass":
                assert set(outcomes) <= {"pass", "not-applicable"}


class TestTables:
    """The closed lists."""

    def test_ranks_every_outcome(self) -> None:
        """An outcome without a rank would end the run."""
        assert sorted(OUTCOMES) == sorted(get_args(Outcome))

    def test_every_verdict_has_an_exit_status(self) -> None:
        """0 is for acceptance only, and pytest's own numbers are left alone."""
        assert EXIT_STATUS == {
            "accepted": 0,
            "accepted-with-reservations": 0,
            "rejected": 1,
            "incomplete": 10,
        }
        assert set(EXIT_STATUS) == set(get_args(Verdict))


class TestKind:
    """What a verdict is about."""

    @pytest.mark.parametrize(
        ("stage", "simulated", "kind"),
        [
            ("acceptance", False, "acceptance"),
            ("readiness", False, "readiness"),
            ("acceptance", True, "simulated"),
            ("readiness", True, "simulated"),
        ],
    )
    def test_names_it(self, stage: str, kind: str, *, simulated: bool) -> None:
        """A simulated network is neither accepted nor ready, whatever the stage."""
        assert verdict_kind(stage, simulated=simulated) == kind
