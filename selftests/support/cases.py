"""Runs one acceptance case on made-up evidence, without a pytest session around it."""

from __future__ import annotations

import importlib.util
import inspect
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cube_acceptance import catalogue as catalogues
from cube_acceptance import evidence_file, expected, store
from cube_acceptance.judge import Judge

if TYPE_CHECKING:
    from collections.abc import Callable

    from cube_acceptance.judge import Judgement

CASES = Path(__file__).parents[2] / "tests"


@cache
def functions() -> dict[str, Callable[..., None]]:
    """Load every case function from the case files, by the requirement that it judges."""
    found: dict[str, Callable[..., None]] = {}
    sys.path.insert(0, str(CASES))
    try:
        for path in sorted(CASES.glob("test_*.py")):
            spec = importlib.util.spec_from_file_location(f"acceptance_{path.stem}", path)
            assert spec is not None
            assert spec.loader is not None
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            for value in vars(module).values():
                for mark in getattr(value, "pytestmark", ()):
                    if mark.name == "requirement":
                        assert mark.args[0] not in found
                        found[mark.args[0]] = value
    finally:
        sys.path.remove(str(CASES))
    return found


def judge(saved: evidence_file.Saved, owing: expected.Owed) -> Judgement:
    """Judge one case on saved evidence, as a session would."""
    judging = Judge(owing.requirement, store.Replay(saved))
    site = saved.setup.site
    values: dict[str, Any] = {
        "judge": judging,
        "setup": saved.setup,
        "site": site,
        "host": owing.host,
        "cube": expected.cube_named(site, owing.subject) if owing.subject != "site" else None,
    }
    function = functions()[owing.requirement]
    end: Exception | None = None
    try:
        function(**{name: values[name] for name in inspect.signature(function).parameters})
    except Exception as error:  # noqa: BLE001 - what ends a case is the judge's to read
        end = error
    return judging.judgement(end)


def judge_all(saved: evidence_file.Saved) -> dict[str, Judgement]:
    """Judge every case that a run of this site owes, by the case's name."""
    catalogue = catalogues.load()
    return {owing.case: judge(saved, owing) for owing in expected.owed(catalogue, saved.setup.site)}
