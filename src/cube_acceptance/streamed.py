"""Writes JSON files piece by piece: keys sorted, a space a level; a fleet's are megabytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    Encode = Callable[[object], bytes]


def pieces(fields: Mapping[str, object], encode: Encode) -> Iterator[bytes]:
    """Write an object and a line end; of lists and objects in it entry by entry.

    ``encode`` writes one value, with sorted keys, on one line.
    """
    for number, key in enumerate(sorted(fields)):
        yield (b",\n " if number else b"{\n ") + encode(key) + b": "
        yield from _entries(fields[key], encode)
    yield b"\n}\n"


def _entries(value: object, encode: Encode) -> Iterator[bytes]:
    if isinstance(value, list) and value:
        for number, entry in enumerate(value):
            yield (b",\n  " if number else b"[\n  ") + _indented(entry, 2, encode)
        yield b"\n ]"
    elif isinstance(value, dict) and value:
        for number, key in enumerate(sorted(value)):
            yield (b",\n  " if number else b"{\n  ") + encode(key) + b": "
            yield _indented(value[key], 2, encode)
        yield b"\n }"
    else:
        yield _indented(value, 1, encode)


def _indented(value: object, depth: int, encode: Encode) -> bytes:
    """Write a value that begins at a depth."""
    # json's own indenting is done in Python, at fifty times the cost.
    text: bytes = msgspec.json.format(encode(value), indent=1)
    return text.replace(b"\n", b"\n" + b" " * depth)
