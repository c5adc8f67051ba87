"""Builds HTML so that text cannot become markup: whatever is not :class:`Markup` is escaped."""

from __future__ import annotations

from functools import lru_cache
from html import escape
from typing import TYPE_CHECKING

from cube_acceptance.text.foreign import plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

VOID = frozenset({"meta", "path", "line", "circle", "rect", "polygon", "br"})
"""Elements that never have content here."""


class Markup(str):
    """Text that is finished HTML; made in this module and from our own constants only."""

    __slots__ = ()


def text(value: object) -> Markup:
    """Turn a value into HTML text: finished HTML stays, anything else is cleaned and escaped."""
    return value if isinstance(value, Markup) else Markup(escape(plain(value), quote=True))


def join(parts: Iterable[object], separator: str = "") -> Markup:
    """Put parts together, escaping what is not finished HTML."""
    return Markup(text(separator).join([text(part) for part in parts]))


def element(tag: str, /, *children: object, **attributes: object) -> Markup:
    """Build one element.

    Attribute names lose a final underscore and have hyphens for the others; an attribute that
    is ``None`` or ``False`` is left out, ``True`` stands without a value.
    """
    begin = opening(tag, **attributes)
    if tag in VOID:
        return Markup(f"{begin[:-1]}/>")
    # Put together at once: a fleet's tables are megabytes, and every step would copy them.
    return Markup("".join([begin, *map(text, children), closing(tag)]))


def opening(tag: str, /, **attributes: object) -> Markup:
    """Write an element's start tag, for what is too long to be copied into an element."""
    shown = [
        _attribute(name, value)
        for name, value in attributes.items()
        if value is not None and value is not False
    ]
    return Markup(f"<{tag}{''.join(shown)}>")


def closing(tag: str) -> Markup:
    """Write an element's end tag."""
    return Markup(f"</{tag}>")


@lru_cache(maxsize=1024, typed=True)
def _attribute(name: str, value: object) -> str:
    """Write one attribute; a page of thousands of rows has the same few over and over."""
    shown = f" {name.rstrip('_').replace('_', '-')}"
    return shown if value is True else f'{shown}="{escape(plain(value), quote=True)}"'


def table(heads: Sequence[str], rows: Iterable[Iterable[object]], kind: str) -> Markup:
    """Build a table whose first column names its row; on narrow screens each cell is labelled."""
    return element(
        "table",
        _head(heads),
        element("tbody", join((row(heads, cells) for cells in rows), "\n")),
        class_=kind,
    )


def stacked(texts: Iterable[str]) -> Markup:
    """Set each text on a line of its own, leaving out the empty ones."""
    begin, end = opening("span", class_="line"), closing("span")
    return Markup(" ".join([f"{begin}{prose(text)}{end}" for text in texts if text]))


def prose(value: str) -> Markup:
    """Turn a sentence into HTML text; what stands between backticks is set as code."""
    if "`" not in value:
        return text(value)
    parts = value.split("`")
    return join(element("code", part) if number % 2 else part for number, part in enumerate(parts))


def row(heads: Sequence[object], cells: Iterable[object], kind: str = "") -> Markup:
    """Build one row of a table: its name, then its cells with their columns' names."""
    first, *others = cells
    return element(
        "tr",
        element("th", first, scope="row", data_label=heads[0]),
        join(
            element("td", cell, data_label=head)
            for head, cell in zip(heads[1:], others, strict=True)
        ),
        class_=kind or None,
    )


def grouped_table(
    heads: Sequence[str], groups: Iterable[tuple[object, Iterable[Markup]]], kind: str
) -> Iterator[Markup]:
    """Build a table of finished rows in groups, each under a name of its own, in pieces."""
    yield opening("table", class_=kind)
    yield _head(heads)
    for name, rows in groups:
        yield opening("tbody")
        yield element("tr", element("th", name, colspan=len(heads), scope="rowgroup"))
        yield join(rows, "\n")
        yield closing("tbody")
    yield closing("table")


def _head(heads: Iterable[str]) -> Markup:
    return element("thead", element("tr", join(element("th", head, scope="col") for head in heads)))


def pairs(entries: Iterable[tuple[object, object]], kind: str = "") -> Markup:
    """Build a list of names with their values, leaving out what is empty."""
    return element(
        "dl",
        join(
            element("div", element("dt", name), element("dd", value))
            for name, value in entries
            if value
        ),
        class_=kind or None,
    )
