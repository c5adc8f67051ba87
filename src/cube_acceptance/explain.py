"""What a requirement is for, how it is measured, what each cause means and how it is put right.

The sentences are the catalogue's; what they lack beside it is data in ``explanations.toml``.
``python -m cube_acceptance.explain docs`` writes the pages of all requirements.
"""

from __future__ import annotations

import re
import sys
import tomllib
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, get_args

import msgspec

from cube_acceptance import catalogue as catalogues
from cube_acceptance.catalogue import Language
from cube_acceptance.text.wording import label, say

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cube_acceptance.catalogue import Requirement, Text

ALWAYS = ("internal-error", "not-run")
"""Causes that any requirement can end in; ``not-run`` is none, and asked for all the same."""


GAP = (
    "\N{SINGLE LEFT-POINTING ANGLE QUOTATION MARK}{}\N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK}"
)
"""How a fact is named that a measurement fills in."""


class Said(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An explanation in the words of one language."""

    purpose: str
    measured: str
    unproven: str
    """What the measurement does not prove."""


class Explanation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be said of a requirement beside the catalogue."""

    de: Said
    en: Said


class Recipe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How one product is set up, as its vendor documents it."""

    product: str
    causes: tuple[str, ...]
    """What it puts right: requirement and cause."""
    de: str
    en: str
    command: str = ""
    source: str


class Explanations(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything in ``explanations.toml``."""

    requirement: dict[str, Explanation]
    recipe: tuple[Recipe, ...]


class Block(NamedTuple):
    """A piece of an explanation: a heading, a sentence with its name, a command or a source."""

    kind: str
    text: str
    name: str = ""


@cache
def load() -> Explanations:
    """Load the explanations that are part of this package, once."""
    data = files("cube_acceptance").joinpath("explanations.toml").read_text("utf-8")
    return msgspec.convert(tomllib.loads(data), Explanations)


def causes(requirement: Requirement) -> tuple[str, ...]:
    """List the causes that a case of this requirement can end in."""
    return (*requirement.causes, *requirement.unclear, *ALWAYS)


def texts(requirement: Requirement, cause: str) -> list[Text]:
    """List what can be said of a cause: the requirement's own sentences, then those of all."""
    known = catalogues.load().common.texts | requirement.texts
    own = [key for key in requirement.texts if key.partition(".")[0] == cause]
    common = [key for key in known if key.partition(".")[0] == cause and key not in own]
    return [known[key] for key in (own + common or ["dns"])]


def readable(template: str, language: Language) -> str:
    """Write a sentence without its facts: each is named instead."""
    return re.sub(r"\{(\w+)\}", lambda fact: GAP.format(label("fact", fact[1], language)), template)


def of_requirement(requirement: Requirement, language: Language) -> Iterator[Block]:
    """Explain a requirement, and then each of its causes."""
    words = requirement.describe(language)
    told = load().requirement[requirement.id]
    said = told.de if language == "de" else told.en
    port = f"{requirement.protocol} {requirement.port}".strip()
    level = say(f"level.{requirement.level}", language)
    yield Block("requirement", f"{requirement.id} {words.title}")
    yield Block("sentence", f"{level}; {port}", say("result.level", language))
    yield Block("sentence", words.expected, say("failed.expected", language))
    for name, text in (("purpose", said.purpose), ("measured", said.measured)):
        yield Block("sentence", text, say(f"explain.{name}", language))
    yield Block("sentence", said.unproven, say("explain.unproven", language))
    yield Block("sentence", words.meaning, say("explain.otherwise", language))
    for cause in causes(requirement):
        yield from of_cause(requirement, cause, language)


def of_cause(requirement: Requirement, cause: str, language: Language) -> Iterator[Block]:
    """Explain a cause: what it means, who puts it right, and how in some products."""
    yield Block("cause", f"{requirement.id} {cause}")
    for text in texts(requirement, cause):
        yield Block("sentence", readable(text.sentence(language), language))
        for name, template in (("asked", text.ask(language)), ("own", text.own(language))):
            if template:
                to_whom = say(f"explain.{name}", language)
                yield Block("remedy", readable(template, language), to_whom)
    for recipe in load().recipe:
        if f"{requirement.id} {cause}" in recipe.causes:
            yield Block("sentence", recipe.de if language == "de" else recipe.en, recipe.product)
            if recipe.command:
                yield Block("command", recipe.command.strip("\n"))
            yield Block("source", recipe.source, say("explain.source", language))


def as_text(blocks: Iterator[Block]) -> str:
    """Write an explanation for a terminal."""
    return "\n".join(map(_plain, blocks)) + "\n"


def _plain(block: Block) -> str:
    if block.kind == "requirement":
        return f"{block.text}\n{'=' * len(block.text)}"
    if block.kind == "cause":
        return f"\n{block.text}\n{'-' * len(block.text)}"
    if block.kind == "command":
        return "\n".join(f"    {line}" for line in block.text.splitlines())
    name = f"{block.name}: " if block.name else ""
    mark = {"remedy": "  -> ", "source": "    "}.get(block.kind, "")
    return f"{mark}{name}{block.text}"


def as_markdown(language: Language) -> str:
    """Write the page of all requirements."""
    entries = catalogues.load().requirement
    blocks = (block for entry in entries for block in of_requirement(entry, language))
    head = [f"# {say('explain.title', language)}", say("explain.intro", language)]
    return "\n\n".join([*head, *map(_marked, blocks)]) + "\n"


def _marked(block: Block) -> str:
    if block.kind in {"requirement", "cause"}:
        return f"{'##' if block.kind == 'requirement' else '###'} {block.text}"
    if block.kind == "command":
        return "\n".join(f"    {line}" for line in block.text.splitlines())
    text = f"<{block.text}>" if block.kind == "source" else block.text
    name = f"**{block.name}:** " if block.name else ""
    return f"- {name}{text}" if block.kind == "remedy" else f"{name}{text}"


def main(arguments: list[str]) -> int:
    """Write the pages of all requirements into a directory; 4 is pytest's word for usage."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m cube_acceptance.explain DIRECTORY\n")
        return 4
    for language in get_args(Language):
        page = Path(arguments[0]) / f"requirements.{language}.md"
        page.write_text(as_markdown(language), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
