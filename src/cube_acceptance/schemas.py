"""The JSON Schemas of the files that the suite writes, generated from the models.

    python -m cube_acceptance.schemas DIRECTORY

writes them; ``docs/`` holds what it wrote last, and a test compares what the two mean.
"""

from __future__ import annotations

import inspect
import json
import sys
from pathlib import Path
from typing import Any

import msgspec

from cube_acceptance.certificate.model import Certificate
from cube_acceptance.evidence_file import Saved
from cube_acceptance.outside import Report

DIALECT = "https://json-schema.org/draft/2020-12/schema"

UNORDERED = frozenset({"anyOf", "enum", "required"})
"""Keywords whose list means the same in any order (JSON Schema 2020-12)."""

MODELS: dict[str, type[msgspec.Struct]] = {
    "certificate.schema.json": Certificate,
    "evidence.schema.json": Saved,
    "outside.schema.json": Report,
}


def schema(model: type[msgspec.Struct]) -> dict[str, Any]:
    """Generate the schema of one file, the same by every release of the library that does it."""
    plain: dict[str, Any] = normalised(msgspec.json.schema(model))
    return {"$schema": DIALECT, **plain}


def normalised(node: Any) -> Any:  # noqa: ANN401 - JSON
    """Write a part of a schema in the one form that is published.

    Whether the names of a mapping are told is the library's choice and is left out, and so is how
    far a docstring is indented; the order of what has none (choices, required keys) is that of the
    texts.
    """
    if isinstance(node, dict):
        named = {key: part for key, part in node.items() if key != "propertyNames"}
        plain = {key: normalised(part) for key, part in named.items()}
        if isinstance(told := named.get("description"), str):
            plain["description"] = inspect.cleandoc(told)
        lists = {key for key in UNORDERED & plain.keys() if isinstance(plain[key], list)}
        return plain | {key: sorted(plain[key], key=json.dumps) for key in lists}
    return [normalised(part) for part in node] if isinstance(node, list | tuple) else node


def text(model: type[msgspec.Struct]) -> str:
    """Write a schema in the form in which it is published."""
    return json.dumps(schema(model), ensure_ascii=False, indent=2, sort_keys=True) + "\n"


def main(arguments: list[str]) -> int:
    """Write every schema into a directory; 4 is pytest's word for a usage error."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m cube_acceptance.schemas DIRECTORY\n")
        return 4
    for name, model in MODELS.items():
        (Path(arguments[0]) / name).write_text(text(model), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
