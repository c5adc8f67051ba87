"""Makes text from outside fit to be kept and shown; one rule, whoever wrote the text.

A character that nobody would see for what it is becomes U+FFFD: a control character, half a
character, one that is invisible or that belongs to no alphabet, and one that changes the direction
of writing (UAX 9), so that a line would read differently from what it says. Where a person can
put it right, in a site file, such a text is refused instead: :func:`is_plain` tells.
"""

from __future__ import annotations

PAGE_LIMIT = 4000
"""Characters of one text on a page; longer than anything our own sentences can become."""

_KEPT = dict.fromkeys(map(ord, "\n\t\N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}\u200c\u200d"))
"""What is kept though Python does not call it printable: white space that a page shows as such,
and the two joiners without which Persian or Hindi is spelt wrongly (Unicode, chapter 23.2)."""


def plain(value: object, limit: int = PAGE_LIMIT) -> str:
    """Make text of a value, of one line or several: bounded, and nothing in it that misleads."""
    text = str(value)
    if len(text) > limit:
        text = text[: limit - 1] + "…"
    if text.isprintable() or text.translate(_KEPT).isprintable():  # nearly all
        return text
    return "".join(map(_visible, text))


def one_line(value: object, limit: int) -> str:
    """Make one line of a value, as :func:`plain` does; white space becomes one space."""
    return plain(" ".join(str(value).split()), limit)


def is_plain(text: str) -> bool:
    """Whether a text is one line that :func:`plain` would leave as it is."""
    return not {"\n", "\t"} & set(text) and plain(text, len(text)) == text


def _visible(character: str) -> str:
    kept = character.isprintable() or ord(character) in _KEPT
    return character if kept else "\N{REPLACEMENT CHARACTER}"
