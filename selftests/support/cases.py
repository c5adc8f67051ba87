"""Runs acceptance cases on made-up evidence, without a pytest session around them."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from cube_acceptance import cases, evidence_file, expected, store
from cube_acceptance import catalogue as catalogues
from cube_acceptance.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Callable

    from cube_acceptance.judge import Judgement

CASES = Path(__file__).parents[2] / "tests"


@cache
def functions() -> dict[str, Callable[..., None]]:
    """Load every case function from the case files, by the requirement that it judges."""
    return cases.functions(CASES)


def judge(saved: evidence_file.Saved, owing: expected.Owed) -> Judgement:
    """Judge one case on saved evidence, as a session would."""
    evidence = store.Replay(saved)
    judgement = cases.judge(functions()[owing.requirement], owing, saved.setup, evidence)
    assert judgement is not None
    return judgement


def judge_all(saved: evidence_file.Saved) -> dict[str, Judgement]:
    """Judge every case that a run of this site owes, by the case's name."""
    catalogue = catalogues.load()
    return {owing.case: judge(saved, owing) for owing in expected.owed(catalogue, saved.setup.site)}


def judged(saved: evidence_file.Saved) -> Ledger:
    """Judge every case likewise, and enter what comes of it as a session would."""
    ledger = Ledger(expected.owed(catalogues.load(), saved.setup.site))
    for case, judgement in judge_all(saved).items():
        ledger.record(case, judgement)
    return ledger
