"""Evidence and site in which every text that can come from outside is somebody's payload.

Which texts there are is read off the types, so that a new field is hostile from its first day.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import inspect

from cube_acceptance import evidence_file
from cube_acceptance.site import Waiver
from selftests.support import builders, conditions, healthy

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

OURS = frozenset({"schema", "suite", "started", "ended", "sha256", "ca_pem"})
"""Fields that the suite writes itself, or that are never shown."""
STEERING = frozenset(
    {
        *("address", "addresses", "server", "server_id", "source", "subnet_mask", "routers"),
        *("dns", "ntp", "connected", "rcode", "host", "hosts", "tapio", "homag", "ping"),
        *("interface", "network", "servers", "client", "names", "not_before", "not_after"),
        *("version", "requirement"),
    }
)
"""Fields that a judgement needs: with nonsense in them it says less of all the others."""

TROUBLES = frozenset({"trouble", "verify_error", "page_contains"})
"""Fields that make a case fail, so that it says nothing of what else was seen."""

LAST_DAY = dt.date(2099, 1, 1)

WAYS: Mapping[str, frozenset[str]] = {
    "passing": OURS | STEERING | TROUBLES,
    "failing": OURS | STEERING,
    "nonsense": OURS,
}
"""What is left as it was, so that different sentences are said about the rest."""


def bases() -> tuple[evidence_file.Saved, evidence_file.Saved]:
    """Return evidence that between its two halves holds every kind of observation.

    A failure of CONN-01 is waived in both; in the second one DHCP could not be asked.
    """
    waiver = Waiver(requirement="CONN-01", justification="", approver="", expires=LAST_DAY)
    cubes = tuple(msgspec.structs.replace(cube, **conditions.LOGIN) for cube in healthy.SITE.cubes)
    site = msgspec.structs.replace(healthy.SITE, cubes=cubes, waivers=(waiver,))
    opened = conditions.through(conditions.not_opened(words="refused"), conditions.channel())
    shut_out = conditions.through(ended="login")
    helpless = {"dhcp": builders.cannot(), "lease": builders.lease()}
    return healthy.saved(opened, site=site), healthy.saved(shut_out | helpless, site=site)


def poisoned(saved: evidence_file.Saved, payloads: Iterator[str], way: str) -> evidence_file.Saved:
    """Return the evidence with a payload in every text, but in what this way leaves."""
    kept = WAYS[way]
    filled: evidence_file.Saved = _filled(
        inspect.type_info(evidence_file.Saved), saved, payloads, kept
    )
    before, after = saved.setup.site.cubes, filled.setup.site.cubes
    names = {old.name: new.name for old, new in zip(before, after, strict=True)}
    return msgspec.structs.replace(
        filled,
        observations={
            _renamed(key, names): _filled(inspect.type_info(type(seen)), seen, payloads, kept)
            for key, seen in saved.observations.items()
        },
    )


def _renamed(key: str, names: Mapping[str, str]) -> str:
    """Return an observation's key, which may hold the name of a CUBE, with the CUBE's new name."""
    return "/".join(names.get(part, part) for part in key.split("/"))


def is_free(node: inspect.Type) -> bool:
    """Whether a value of this type can be, or can be made to hold, any text at all."""
    match node:
        case inspect.Metadata(type=inner) | inspect.VarTupleType(item_type=inner):
            return is_free(inner)
        case inspect.StrType(pattern=pattern):
            return pattern is None
    return isinstance(node, inspect.StructType | inspect.TupleType | inspect.UnionType)


def _filled(node: inspect.Type, value: Any, payloads: Iterator[str], kept: frozenset[str]) -> Any:  # noqa: ANN401, C901, PLR0911 - any value of any type
    match node:
        case inspect.Metadata(type=inner):
            return _filled(inner, value, payloads, kept)
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
            olds = value or ([None] if is_free(item) else [])
            return tuple(_filled(item, one, payloads, kept) for one in olds)
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
        case inspect.StrType(pattern=pattern, max_length=length):
            return next(payloads)[:length] if pattern is None else value or ""
        case inspect.LiteralType(values=values):
            return value if value in values else values[0]
        case inspect.BytesType():
            return next(payloads).encode(errors="replace")
        case inspect.IntType() | inspect.FloatType():
            return value if value is not None else 1
        case inspect.BoolType():
            return bool(value)
        case inspect.DateType():
            return value or LAST_DAY
        case inspect.DictType():  # the observations, which are filled one by one
            return value
    raise TypeError(f"what can be said in {node} is not known here")
