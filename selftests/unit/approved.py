"""What every condition of ``test_judgements.py`` makes the cases say, as somebody has approved it.

    python selftests/unit/approved.py

writes it again after a change of what is said; the difference is then read and committed with the
change. Outcomes and causes stand in the rows themselves and are not taken from here.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cases
import healthy
import msgspec

if TYPE_CHECKING:
    from cube_acceptance.evidence_file import Saved
    from cube_acceptance.judge import Judgement

FILE = Path(__file__).parent / "approved" / "judgements.json"
PASSING = ("started", "duration_s")
"""What a judgement says about the moment and not about the condition."""


def said(judgement: Judgement) -> dict[str, Any]:
    """Give what a judgement says, without what is empty."""
    plain = msgspec.json.decode(msgspec.json.encode(judgement), type=dict[str, Any])
    return {key: value for key, value in plain.items() if value and key not in PASSING}


def differences(saved: Saved) -> dict[str, Any]:
    """Give what the cases say about evidence where it is not what they say about a healthy site."""
    usual = {case: said(judgement) for case, judgement in cases.judge_all(healthy.saved()).items()}
    judged = {case: said(judgement) for case, judgement in cases.judge_all(saved).items()}
    return {case: words for case, words in judged.items() if words != usual.get(case)}


def read() -> dict[str, Any]:
    """Read what was approved, by the row's name."""
    approved: dict[str, Any] = json.loads(FILE.read_text("utf-8"))
    return approved


def main() -> None:
    """Write it again."""
    from test_judgements import ROWS  # noqa: PLC0415 - which reads this module

    usual = {case: said(judgement) for case, judgement in cases.judge_all(healthy.saved()).items()}
    found = {row.name: differences(healthy.saved(row.changes, site=row.site)) for row in ROWS}
    FILE.parent.mkdir(exist_ok=True)
    text = json.dumps({"": usual} | found, indent=1, ensure_ascii=False, sort_keys=True)
    FILE.write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    main()
