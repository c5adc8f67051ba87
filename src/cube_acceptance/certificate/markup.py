"""Builds the few elements that no template lays out: the picture's, and the annex' own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from markupsafe import Markup, escape

from cube_acceptance.text.foreign import plain

if TYPE_CHECKING:
    from collections.abc import Iterable

VOID = frozenset({"path", "line", "circle", "rect", "polygon"})
"""Elements that never have content here."""


def text(value: object) -> Markup:
    """Turn a value into HTML text: finished HTML stays, anything else is cleaned and escaped."""
    return value if isinstance(value, Markup) else escape(plain(value))


def join(parts: Iterable[object]) -> Markup:
    """Put parts together, escaping what is not finished HTML."""
    return Markup("").join(map(text, parts))


def element(tag: str, /, *children: object, **attributes: object) -> Markup:
    """Build one element.

    Attribute names lose a final underscore and have hyphens for the others; an attribute that
    is ``None`` is left out.
    """
    shown = [_attribute(name, value) for name, value in attributes.items() if value is not None]
    begin = join([Markup("<%s") % tag, *shown])
    if tag in VOID:
        return begin + Markup("/>")
    return join([begin, Markup(">"), *children, Markup("</%s>") % tag])


def _attribute(name: str, value: object) -> Markup:
    return Markup(' {}="{}"').format(name.rstrip("_").replace("_", "-"), plain(value))
