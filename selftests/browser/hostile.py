"""Evidence and site in which every text that can come from outside is somebody's payload.

Which texts there are is read off the types, so that a new field is hostile from its first day.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import inspect

from cube_acceptance import survey

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

OURS = frozenset({"schema", "suite", "started", "ended", "sha256", "ca_pem"})
"""Fields that the suite writes itself, or that are never shown."""
STEERING = frozenset(
    {
        *("address", "addresses", "server", "server_id", "source", "subnet_mask", "routers"),
        *("dns", "ntp", "connected", "rcode", "host", "hosts", "tapio", "homag", "ping"),
        *("interface", "network", "servers", "client", "names", "not_before", "not_after"),
    }
)
"""Fields that a judgement needs: with nonsense in them it says less of all the others."""


TROUBLES = frozenset({"trouble", "verify_error"})
"""Fields that make a case fail, so that it says nothing of what else was seen."""

WAYS: Mapping[str, frozenset[str]] = {
    "passing": OURS | STEERING | TROUBLES,
    "failing": OURS | STEERING,
    "nonsense": OURS,
}
"""What is left as it was, so that different sentences are said about the rest."""


def poisoned(saved: survey.Saved, payloads: Iterator[str], way: str) -> survey.Saved:
    """Give the evidence with a payload in every text, but in what this way leaves."""
    kept = WAYS[way]
    filled: survey.Saved = _filled(inspect.type_info(survey.Saved), saved, payloads, kept)
    # The keys are names of observations, which the suite forms from the site's names.
    return msgspec.structs.replace(
        filled,
        observations={
            key: _filled(inspect.type_info(type(seen)), seen, payloads, kept)
            for key, seen in saved.observations.items()
        },
    )


def _filled(node: inspect.Type, value: Any, payloads: Iterator[str], kept: frozenset[str]) -> Any:  # noqa: ANN401, PLR0911 - any value of any type
    match node:
        case inspect.StructType(cls=cls, fields=fields):
            old = value if isinstance(value, cls) else None
            return cls(
                **{
                    field.name: getattr(old, field.name)
                    if field.name in kept and old is not None
                    else _filled(field.type, getattr(old, field.name, None), payloads, kept)
                    for field in fields
                }
            )
        case inspect.VarTupleType(item_type=item):
            return tuple(_filled(item, one, payloads, kept) for one in value or [None])
        case inspect.TupleType(item_types=items):
            olds = value or [None] * len(items)
            return tuple(
                _filled(item, one, payloads, kept) for item, one in zip(items, olds, strict=True)
            )
        case inspect.UnionType(types=types):
            known = [one for one in types if not isinstance(one, inspect.NoneType)]
            chosen = next(
                (one for one in known if isinstance(one, inspect.StructType)
                 and isinstance(value, one.cls)),
                known[0],
            )  # fmt: skip
            return _filled(chosen, value, payloads, kept)
        case inspect.StrType(pattern=pattern):
            return next(payloads) if pattern is None else value or ""
        case inspect.LiteralType(values=values):
            return value if value in values else values[0]
        case inspect.BytesType():
            return next(payloads).encode(errors="replace")
        case inspect.IntType() | inspect.FloatType():
            return value if value is not None else 1
        case inspect.BoolType():
            return bool(value)
    return value
