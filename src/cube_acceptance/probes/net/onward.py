"""Where a response sends a browser: by its status, by a field, or by what stands in the page.

Portals and small devices send on from inside a page as often as by a status, and browsers follow
all of it (HTML standard, sections 4.2.5.3 *Refresh* and 7.2.4 *Location*).
"""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING, NamedTuple

from cube_acceptance.probes.net import http1

if TYPE_CHECKING:
    from cube_acceptance.evidence import HttpReply

REFRESH_LIMIT_S = 30
"""Who is sent on after a longer time has been shown a page."""
ROOM = 65536
"""Characters of a page in which is looked for what sends on."""
VALUE_ROOM = 2048
WORDS_LIMIT = 12
"""How many words a page may show that is nothing but a script: *Redirecting, please wait.*"""

_REFRESH = re.compile(
    r"\s*(\d{1,9})(?:\.[\d.]*)?\s*(?:[;,\s]\s*)(?:url\s*=\s*)?(?:\"([^\"]*)|'([^']*)|(\S.*))",
    re.IGNORECASE | re.DOTALL,
)
_IGNORED = re.compile(
    r"<!--.*?(?:-->|\Z)|<(script|style|template|noscript)\b.*?(?:</\1\s*>|\Z)",
    re.IGNORECASE | re.DOTALL,
)
"""What is no part of the page as a browser with scripts shows it."""
_META = re.compile(
    r"<meta\b((?:[^<>\"']|\"[^\"]{0,2000}\"|'[^']{0,2000}'){0,2000})>", re.IGNORECASE
)
_ATTRIBUTE = re.compile(r"([\w-]+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s\"'>]+))")
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_SCRIPT = re.compile(r"<script\b([^>]{0,500})>(.*?)(?:</script\s*>|\Z)", re.IGNORECASE | re.DOTALL)
_HANDLER = re.compile(r"\bonload\s*=\s*(?:\"([^\"]{0,2000})\"|'([^']{0,2000})')", re.IGNORECASE)
_HEAD = re.compile(r"<title\b.*?(?:</title\s*>|\Z)", re.IGNORECASE | re.DOTALL)
_TAG = re.compile(r"<[^<>]*>")
_SETS = re.compile(
    r"(?<![\w.$])(?:(?:window|document|self|top|parent|this)\s*\.\s*){0,3}location"
    r"(?:\s*\.\s*href)?\s*(?:=(?!=)|\.\s*(?:replace|assign)\s*\()\s*([^;\n]{1,2000})"
)
_NAMED = re.compile(r"(?<![\w.$])([A-Za-z_$][\w$]{0,60})\s*=\s*(?:\"([^\"\n]*)\"|'([^'\n]*)')")
_LITERAL = re.compile(r"\s*(?:\"((?:[^\"\\\n]|\\.)*)\"|'((?:[^'\\\n]|\\.)*)'|`([^`$]*)(`)?)")
_WORD = re.compile(r"\s*([A-Za-z_$][\w$.]{0,80})\s*")
_ESCAPE = re.compile(r"\\(/|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|.)", re.DOTALL)


class Onward(NamedTuple):
    """Where somebody is sent, and whether that stands inside a page."""

    location: str
    inside: bool


def onward(reply: HttpReply, text: str) -> Onward | None:
    """Where a response sends whoever reads it; None where it is the page itself."""
    fields = dict(reply.headers)
    if reply.status in http1.REDIRECTS and (location := fields.get("location", "")):
        return Onward(location, inside=False)
    text = text[:ROOM]
    found = refreshed(fields.get("refresh", "")) or _meta(text) or _scripted(text, reply.url)
    return Onward(found, inside=True) if found else None


def refreshed(value: str) -> str:
    """Read where a ``Refresh`` leads; nothing where it only loads the same page again, or late."""
    found = _REFRESH.match(value[:VALUE_ROOM])
    if found is None or int(found[1]) > REFRESH_LIMIT_S:
        return ""
    return (found[2] or found[3] or found[4] or "").strip()


def _meta(text: str) -> str:
    for tag in _META.finditer(_IGNORED.sub(" ", text)):
        given = {
            name.lower(): html.unescape(double or single or bare)
            for name, double, single, bare in _ATTRIBUTE.findall(tag[1])
        }
        if given.get("http-equiv", "").strip().lower() == "refresh":
            return refreshed(given.get("content", ""))
    return ""


def _scripted(text: str, url: str) -> str:
    """Where a page leads that is nothing but a script which sets the location.

    A page with a program of its own somewhere else, or with something to be read, is a page.
    """
    text = _COMMENT.sub(" ", text)
    scripts = _SCRIPT.findall(text)
    if any("src" in attributes.lower() for attributes, _ in scripts):
        return ""
    handlers = [double or single for double, single in _HANDLER.findall(text)]
    shown = _TAG.sub(" ", _IGNORED.sub(" ", _HEAD.sub(" ", text)))
    if len(html.unescape(shown).split()) > WORDS_LIMIT:
        return ""
    program = "\n".join([*(body for _, body in scripts), *map(html.unescape, handlers)])
    names = {name: double or single for name, double, single in _NAMED.findall(program)}
    for setting in _SETS.finditer(program):
        if location := _value(setting[1], names | _places(url)):
            return location
    return ""


def _places(url: str) -> dict[str, str]:
    """What a script finds as the place of its page."""
    scheme, _, rest = url.partition("://")
    authority = rest.partition("/")[0]
    known = {
        "location.protocol": f"{scheme}:",
        "location.host": authority,
        "location.hostname": authority.partition(":")[0],
        "location.origin": f"{scheme}://{authority}",
    }
    return known | {f"{owner}.{name}": value for name, value in known.items() for owner in OWNERS}


OWNERS = ("window", "document", "self")


def _value(expression: str, names: dict[str, str]) -> str:
    """Read as much of an expression as is known: texts and names that are put together.

    What is not known ends it. An address whose host would come after that is none.
    """
    value, rest = "", expression
    while True:
        if literal := _LITERAL.match(rest):
            value += _unescaped(literal[1] or literal[2] or literal[3] or "")
            if literal[3] is not None and not literal[4]:
                break
            rest = rest[literal.end() :]
        elif (word := _WORD.match(rest)) and word[1] in names:
            value += names[word[1]]
            rest = rest[word.end() :]
        else:
            break
        rest = rest.lstrip()
        if not rest.startswith("+"):
            return value.strip()
        rest = rest[1:]
    host = value.partition("//")[2]
    known = "//" not in value or any(sign in host for sign in "/?#")
    return value.strip() if value and known else ""


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(
        lambda found: chr(int(found[2] or found[3], 16)) if found[2] or found[3] else found[1], text
    )
