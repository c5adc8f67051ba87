"""Help, usage errors and findings in German: what is said beside a certificate and its language.

The sentences are made in English where they arise. This finds the German one that belongs
to it in ``usage.toml``, and the words in it; what has no German one, of pytest's own for instance,
stays as it is.
"""

from __future__ import annotations

import re
import tomllib
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cube_acceptance.catalogue import Language
    from cube_acceptance.site import SiteError

_PLACE = re.compile(r"\{[a-c]\}")
_ABOUT = re.compile(r"(\S+: )(.*)", re.DOTALL)
"""An option or a file, and what is said of it."""
NEXT = "; "
LIMIT = 2000
"""Characters of a sentence that is looked up."""


@cache
def sentences() -> tuple[tuple[re.Pattern[str], str], ...]:
    """Load how each English sentence is recognised, and its German one."""
    data = files("cube_acceptance.text").joinpath("usage.toml").read_text("utf-8")
    return tuple((_pattern(entry["en"]), entry["de"]) for entry in tomllib.loads(data)["sentence"])


def _pattern(template: str) -> re.Pattern[str]:
    names = (name[1] for name in _PLACE.findall(template))
    parts = map(re.escape, _PLACE.split(template))
    whole = next(parts)
    for name, part in zip(names, parts, strict=True):
        whole += f"(?P<{name}>.+?){part}"
    return re.compile(whole, re.DOTALL)


def said(sentence: str, language: Language) -> str:
    """Return a sentence in a language; as it is where there is no other."""
    if language == "en" or len(sentence) > LIMIT:
        return sentence
    for pattern, german in sentences():
        if found := pattern.fullmatch(sentence):
            facts = {name: said(value, language) for name, value in found.groupdict().items()}
            return german.format(**facts)
    if NEXT in sentence:
        return NEXT.join(said(part, language) for part in sentence.split(NEXT))
    if found := _ABOUT.fullmatch(sentence):
        return found[1] + said(found[2], language)
    return sentence


def site_error(error: SiteError, language: Language) -> str:
    """Describe what is wrong with a site file: file, key, problem and what to do."""
    if language == "en":
        return str(error)
    where = ": ".join(filter(None, (error.file, error.key)))
    return f"{where}: {said(error.problem, language)}. {said(error.hint, language)}."
