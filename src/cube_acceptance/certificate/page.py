"""Renders ``certificate.json`` as a page that stands alone: no script, no network, one part.

The first page is the certificate for those who sign it; what follows is for those who have to
act on it or to check it. How it looks is in ``templates/``, what it shows is made by the
functions that they call. Whatever a template shows goes through :func:`shown`, without being
asked to: no text from outside can become markup or mislead.
"""

from __future__ import annotations

import re
from functools import cache, partial
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from cube_acceptance.certificate import front, picture, sections
from cube_acceptance.certificate import request as asking
from cube_acceptance.certificate.reading import Reading
from cube_acceptance.text import usage, wording
from cube_acceptance.text.foreign import plain
from cube_acceptance.text.wording import say

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cube_acceptance.catalogue import Language
    from cube_acceptance.evidence import Observation

WATERMARKS = 3
"""How often the simulated run's mark crosses the screen and every printed page."""

NOT_OF_A_RUN = frozenset({"letter.jinja", "outside.jinja", "summary.jinja"})
"""The templates of other commands' documents."""

PIECES = 512
"""How many pieces of a template's output are handed on at once."""

_BEFORE_UNIT = re.compile(r"(?<=\d) (?=m?s\b)")
_CSS_PLAIN = re.compile(r"[^A-Za-z0-9 .,:+/-]")


def shown(value: object) -> object:
    """Make what a template shows fit to be seen; finished HTML is, and the rest gets escaped."""
    return value if isinstance(value, Markup) else plain(value)


@cache
def prepare() -> None:
    """Make what every run's documents have in common, for which the network leaves time enough."""
    picture.signs()
    for name in templates().list_templates():
        if name not in NOT_OF_A_RUN:
            templates().get_template(name)


@cache
def templates() -> Environment:
    """Return the templates, with what they may call by name."""
    environment = Environment(
        loader=PackageLoader("cube_acceptance.certificate"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"css": css_text, "prose": prose, "whole": whole}
    environment.globals |= {
        "asking": asking,
        "front": front,
        "picture": picture,
        "sections": sections,
        "wording": wording,
        "in_words": usage.said,
        "style": Markup(style()),  # noqa: S704 - our own style sheet
        "zip": zip,
        "WATERMARKS": WATERMARKS,
    }
    return environment


@cache
def style() -> str:
    """Load the style sheet."""
    return files("cube_acceptance.certificate").joinpath("style.css").read_text("utf-8")


def render(
    certificate: Mapping[str, Any],
    language: Language,
    observations: Mapping[str, Observation] | None = None,
) -> Iterator[str]:
    """Render the certificate as an HTML fragment: a style sheet and one ``main`` element.

    It comes in pieces, made one after another: a fleet's page is megabytes.

    Args:
        certificate: The content of ``certificate.json``.
        language: The language of labels; what the certificate says is in its own language.
        observations: The observations of ``evidence.json`` by key, for the raw data.
    """
    reading = Reading(certificate, language, observations or {})
    stream = (
        templates()
        .get_template("certificate.jinja")
        .stream(
            certificate=certificate,
            language=language,
            reading=reading,
            say=reading.say,
            says=reading.says,
            outcome=partial(picture.outcome, language=language),
            unknown=reading.say("cube.unknown"),
            title=front.title(certificate, language),
            groups=picture.by_requirement(certificate["results"]),
            parts=sections.parts(certificate),
            request=asking.after(certificate, language),
        )
    )
    stream.enable_buffering(PIECES)
    return stream


def css_text(text: str) -> Markup:
    """Write a text as a CSS string that cannot end early, whatever it holds."""
    escaped = _CSS_PLAIN.sub(lambda found: f"\\{ord(found[0]):x} ", plain(text))
    return Markup('"{}"').format(escaped)


def prose(sentence: str) -> str:
    """Set as code what stands between backticks in a sentence; a unit stays with its figure."""
    sentence = _BEFORE_UNIT.sub(wording.SPACE, sentence)
    if "`" not in sentence:
        return sentence
    parts = plain(sentence).split("`")
    parts[1::2] = [Markup("<code>{}</code>").format(part) for part in parts[1::2]]
    return Markup("").join(parts)


def whole(text: str) -> Markup:
    """Show a text of any length in full; ours, where parts of it came from outside."""
    return escape(plain(text, len(text)))


def unfinished(language: Language, facts: Mapping[str, str]) -> str:
    """Render the page that stands in a run's folder until the run has finished.

    ``facts`` may name ``started``, ``site`` and ``folder``; a reader sees what there is.
    """
    told = {
        key: sections.spoken(facts.get(key, ""), language) for key in ("site", "started", "folder")
    }
    template = templates().get_template("unfinished.jinja")
    return template.render(language=language, say=partial(say, language=language), facts=told)
