"""Tests of JSON that is written piece by piece."""

from __future__ import annotations

import json

import pytest

from cube_acceptance import streamed

FIELDS = {
    "text": "prüfen\nund sagen",
    "nothing": None,
    "none": [],
    "empty": {},
    "list": [{"b": [1, {"c": "d\\n"}], "a": {}}, [], "x", 1.5],
    "object": {"z": {"y": [1, 2]}, "a": "b", "k": {}},
    "ä": 1,
}


def encoded(value: object) -> bytes:
    """Write a value on one line."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True).encode()


@pytest.mark.parametrize("fields", [FIELDS, {"one": {"two": 2}}], ids=["all", "one"])
def test_is_what_python_itself_would_write(fields: dict[str, object]) -> None:
    """What was signed and hashed before pieces were written has the same bytes."""
    whole = json.dumps(fields, ensure_ascii=False, sort_keys=True, indent=1) + "\n"

    assert b"".join(streamed.pieces(fields, encoded)).decode() == whole


def test_no_piece_is_much() -> None:
    """A fleet's certificate is never in memory as a whole."""
    fleet = {"results": [{"subject": f"line-{number}"} for number in range(100)]}

    assert max(map(len, streamed.pieces(fleet, encoded))) < 40
