"""The JSON Schema of the site file, made from the model, for editors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec

from cube_acceptance.site.model import Site

FILE = Path(__file__).parents[1] / "site.schema.json"
"""What was generated last; part of the package, for editors to read."""


def document() -> dict[str, Any]:
    """Make the JSON Schema (2020-12) of a site file from the model.

    Editors for TOML may know older drafts only, so it keeps to what those read alike.
    """
    made = _tidy(msgspec.json.schema(Site))
    root = made["$defs"].pop("Site")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **root,
        "title": "Site file of cube-acceptance",
        "if": {"properties": {"stage": {"const": "readiness"}}, "required": ["stage"]},
        "else": {"properties": {"cube": {"minItems": 1}}, "required": ["cube"]},
        "$defs": made["$defs"],
    }


def text() -> str:
    """Return what :data:`FILE` has to hold."""
    return json.dumps(document(), indent=2, ensure_ascii=False) + "\n"


def _tidy(node: Any) -> Any:  # noqa: ANN401 - JSON
    """Take out what TOML cannot say (null) and what tells an editor nothing."""
    if not isinstance(node, dict):
        return node
    kept = {key: _tidy(value) for key, value in node.items() if not _says_nothing(key, value)}
    choices = kept.get("anyOf", [])
    if {"type": "null"} in choices:
        del kept["anyOf"]
        kept |= next(choice for choice in choices if choice != {"type": "null"})
    return kept


def _says_nothing(key: str, value: object) -> bool:
    return (key == "required" and value == []) or (
        key == "default" and (value in (None, "", ()) or isinstance(value, dict))
    )
