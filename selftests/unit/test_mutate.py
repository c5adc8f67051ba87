"""Tests of how judgements are bent, to show that the rows notice it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from selftests import mutate

if TYPE_CHECKING:
    from pathlib import Path


class TestMutants:
    """One change at a time, of everything that judges."""

    @pytest.mark.parametrize(
        ("source", "bent"),
        [
            ("0 < a <= b", ["0 <= a <= b", "0 < a < b", "1 < a <= b"]),
            ("a in b", ["a not in b"]),
            ("a and b", ["a or b"]),
            ("not a", ["+bool(a)"]),
            ("a if b else c", ["a if True else c", "a if False else c"]),
            ("[a for a in b if c if d]", ["[a for a in b if d]", "[a for a in b if c]"]),
            ("a = True, 'text', 2.5", ["a = (True, 'text', 3.5)"]),
            ("while a:\n    b()", ["while False:\n    b()"]),
            ("if TYPE_CHECKING:\n    b()", []),
        ],
    )
    def test_bends(self, tmp_path: Path, source: str, bent: list[str]) -> None:
        """The rest of the file stays as it is."""
        file = tmp_path / "judges.py"
        file.write_text(f"first = a\n{source}\nlast = b\n", "utf-8")

        found = list(mutate.mutants(file))

        assert [one.source for one in found] == [f"first = a\n{one}\nlast = b" for one in bent]
        assert {one.line for one in found} <= {2}
