"""What every condition makes the cases say, as somebody has approved it.

    python -m selftests.support.approved

writes it again after a change of what is said: a judgement a line, so that the difference can be
read, and committed with the change. Outcomes and causes stand in the rows themselves and are not
taken from here.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from selftests.support import cases, healthy
from selftests.support.conditions import ROWS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cube_acceptance.judge import Judgement
    from selftests.support.conditions import Row

FILE = Path(__file__).parents[1] / "unit" / "approved" / "judgements.json"
HEALTHY = ""
"""The name under which stands what the cases say about a healthy site."""
UNSAID = ("started", "duration_s", "attempts", "evidence")
"""What a judgement says about how it came about and not about the condition."""

Said = dict[str, dict[str, Any]]
"""What judgements say, by case."""


def said(judged: Mapping[str, Judgement]) -> Said:
    """Return what the judgements say, without what is empty."""
    plain = msgspec.json.decode(msgspec.json.encode(judged), type=Said)
    return {
        case: {key: value for key, value in words.items() if value and key not in UNSAID}
        for case, words in plain.items()
    }


@cache
def usual() -> Said:
    """Return what the cases say about a healthy site."""
    return said(cases.judge_all(healthy.saved()))


def differences(judged: Mapping[str, Judgement]) -> Said:
    """Return what is said where it is not what is said about a healthy site."""
    return {case: words for case, words in said(judged).items() if words != usual().get(case)}


def outcomes(judged: Mapping[str, Judgement]) -> dict[str, str]:
    """Return outcome and cause of every case that is no pass."""
    return {
        case: f"{judgement.outcome} {judgement.cause}"
        for case, judgement in judged.items()
        if judgement.outcome != "pass"
    }


def notes(judged: Mapping[str, Judgement]) -> set[str]:
    """Return the codes of all that is noted."""
    return {note.code for judgement in judged.values() for note in judgement.notes}


def is_as_expected(row: Row) -> bool:
    """Whether the cases say of a row what it expects, in the words that were approved."""
    judged = cases.judge_all(row.saved())
    return (
        outcomes(judged) == row.expected
        and notes(judged) == set(row.notes)
        and differences(judged) == read()[row.name]
    )


@cache
def read() -> dict[str, Said]:
    """Read what was approved, by the row's name."""
    approved: dict[str, Said] = {row.name: {} for row in ROWS}
    for name, case, words in json.loads(FILE.read_text("utf-8")):
        approved.setdefault(name, {})[case] = words
    return approved


def main() -> None:
    """Write it again."""
    found = {row.name: differences(cases.judge_all(row.saved())) for row in ROWS}
    lines = [
        json.dumps([name, case, words], ensure_ascii=False, sort_keys=True)
        for name, judged in (found | {HEALTHY: usual()}).items()
        for case, words in judged.items()
    ]
    FILE.write_text("[\n" + ",\n".join(lines) + "\n]\n", "utf-8")


if __name__ == "__main__":
    main()
