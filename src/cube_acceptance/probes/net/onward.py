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
PROGRAM_LIMIT = 8000
"""Characters of script from which on it is an application's: it knows places to go to one day."""

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
_COMMENT = re.compile(
    r"<!--.*?(?:-->|\Z)|(<script\b.*?(?:</script\s*>|\Z))", re.IGNORECASE | re.DOTALL
)
"""A comment; in a script the same signs hide the program from browsers that know no scripts."""
_UNUSED = re.compile(r"^[ \t]*//[^\n]*|/\*.*?(?:\*/|\Z)", re.MULTILINE | re.DOTALL)
"""What a program says to its readers only."""
_SCRIPT = re.compile(r"<script\b([^>]{0,500})>(.*?)(?:</script\s*>|\Z)", re.IGNORECASE | re.DOTALL)
_HANDLER = re.compile(r"\bonload\s*=\s*(?:\"([^\"]{0,2000})\"|'([^']{0,2000})')", re.IGNORECASE)
_HEAD = re.compile(r"<title\b.*?(?:</title\s*>|\Z)", re.IGNORECASE | re.DOTALL)
_TAG = re.compile(r"<[^<>]*>")
_SETS = re.compile(
    r"(?<![\w.$])(?:(?:window|document|self|top|parent|this)\s*\.\s*){0,3}location"
    r"(?:[\"']\s*\])?(?:\s*\.\s*href|\s*\[\s*[\"']href[\"']\s*\])?"
    r"\s*(?:=(?!=)|\.\s*(?:replace|assign)\s*\()\s*([^;\n]{1,2000})"
    r"|(?<![\w$])open\s*\(\s*([^;,\n]{1,2000}),\s*[\"']_(?:self|top|parent)[\"']"
)
_SUBMITS = re.compile(r"\.\s*(?:submit|requestSubmit)\s*\(")
_FORM = re.compile(r"<form\b([^>]{0,2000})>", re.IGNORECASE)
_FRAME = re.compile(r"<frame\b([^>]{0,2000})>", re.IGNORECASE)
_INLINE = re.compile(r"<iframe\b([^>]{0,2000})>.*?(?:</iframe\s*>|\Z)", re.IGNORECASE | re.DOTALL)
_NAMED = re.compile(r"(?<![\w.$])([A-Za-z_$][\w$]{0,60})\s*=\s*(?:\"([^\"\n]*)\"|'([^'\n]*)')")
_LITERAL = re.compile(r"\s*(?:\"((?:[^\"\\\n]|\\.)*)\"|'((?:[^'\\\n]|\\.)*)'|`([^`$]*)(`)?)")
_WORD = re.compile(r"\s*([A-Za-z_$][\w$.]{0,80})\s*")
_ESCAPE = re.compile(r"\\(/|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|.)", re.DOTALL)


class Onward(NamedTuple):
    """Where somebody is sent, and whether that stands inside a page."""

    location: str
    inside: bool
    asked: bool = True
    """A browser asks for it as it asks for a page; not by a form, nor for a frame of the page."""


def onward(reply: HttpReply, text: str) -> Onward | None:
    """Where a response sends whoever reads it; None where it is the page itself."""
    fields = dict(reply.headers)
    if reply.status in http1.REDIRECTS and (location := fields.get("location", "")):
        return Onward(location, inside=False)
    text = _COMMENT.sub(lambda found: found[1] or " ", text[:ROOM])
    if found := refreshed(fields.get("refresh", "")) or _meta(text) or _scripted(text, reply.url):
        return Onward(found, inside=True)
    if found := _submitted(text) or _framed(text):
        return Onward(found, inside=True, asked=False)
    return None


def refreshed(value: str) -> str:
    """Read where a ``Refresh`` leads; nothing where it only loads the same page again, or late."""
    found = _REFRESH.match(value[:VALUE_ROOM])
    if found is None or int(found[1]) > REFRESH_LIMIT_S:
        return ""
    return (found[2] or found[3] or found[4] or "").strip()


def _meta(text: str) -> str:
    for tag in _META.finditer(_IGNORED.sub(" ", text)):
        given = _attributes(tag[1])
        if given.get("http-equiv", "").strip().lower() == "refresh":
            return refreshed(given.get("content", ""))
    return ""


def _scripted(text: str, url: str) -> str:
    """Where a page leads that is nothing but a script which sets the location."""
    program = _program(text)
    names = {name: double or single for name, double, single in _NAMED.findall(program)}
    for setting in _SETS.finditer(program):
        if location := _value(setting[1] or setting[2], names | _places(url)):
            return location
    return ""


def _submitted(text: str) -> str:
    """Where the only form of a page leads that sends it off by itself."""
    forms = _FORM.findall(text)
    alone = len(forms) == 1 and _SUBMITS.search(_program(text))
    return _attributes(forms[0]).get("action", "").strip() if alone else ""


def _framed(text: str) -> str:
    """Where the first frame of a page leads that is nothing but frames.

    A frame among other things belongs to the page that it stands in.
    """
    page = _IGNORED.sub(" ", text)
    frame = _FRAME.search(page)
    if frame is None and (inline := _INLINE.search(page)):
        alone = not _SCRIPT.search(text) and not _shown(_INLINE.sub(" ", page))
        frame = inline if alone else None
    return _attributes(frame[1]).get("src", "").strip() if frame else ""


def _shown(text: str) -> list[str]:
    """Return the words that a page shows beside its title."""
    return html.unescape(_TAG.sub(" ", _IGNORED.sub(" ", _HEAD.sub(" ", text)))).split()


def _program(text: str) -> str:
    """Return the program of a page that is nothing but one; else nothing.

    A page with a program of its own somewhere else, with a long one, or with something to be
    read, is a page.
    """
    scripts = _SCRIPT.findall(text)
    if any("src" in attributes.lower() for attributes, _ in scripts):
        return ""
    handlers = [double or single for double, single in _HANDLER.findall(text)]
    if len(_shown(text)) > WORDS_LIMIT:
        return ""
    program = "\n".join([*(body for _, body in scripts), *map(html.unescape, handlers)])
    return _UNUSED.sub(" ", program) if len(program) <= PROGRAM_LIMIT else ""


def _attributes(tag: str) -> dict[str, str]:
    """Read what a tag says beside its name."""
    return {
        name.lower(): html.unescape(double or single or bare)
        for name, double, single, bare in _ATTRIBUTE.findall(tag)
    }


def _places(url: str) -> dict[str, str]:
    """What a script finds as the place of its page; a scheme's own port is not named there."""
    scheme, _, rest = url.partition("://")
    authority, _, path = rest.partition("/")
    authority = authority.removesuffix(OWN_PORTS.get(scheme, ""))
    known = {
        "location.pathname": f"/{path.partition('?')[0]}",
        "location.protocol": f"{scheme}:",
        "location.host": authority,
        "location.hostname": authority.partition(":")[0],
        "location.origin": f"{scheme}://{authority}",
    }
    return known | {f"{owner}.{name}": value for name, value in known.items() for owner in OWNERS}


OWNERS = ("window", "document", "self")
OWN_PORTS = {"http": ":80", "https": ":443"}


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
