"""Mends what pytest-html's template cannot do, after it has written its page.

The certificate (or the mark that holds its place) comes first, pytest-html's table follows as the
technical annex. The page gets its language, a viewport, controls that everybody can use, and a
content security policy under which nothing can run but pytest-html's own script. What the
annex shows of test names, environment and logs becomes text, whatever it was.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from functools import lru_cache
from html import escape, unescape
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from cube_acceptance.certificate.markup import element, text
from cube_acceptance.certificate.page import style
from cube_acceptance.certificate.wording import say
from cube_acceptance.text.foreign import plain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cube_acceptance.catalogue import Language

POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src 'sha256-{digest}'; "
    "base-uri 'none'; form-action 'none'"
)
"""Nothing is loaded from anywhere, and the one script is known by its hash (CSP level 3)."""

IMAGE = re.compile(r"data:image/(?:png|jpeg|gif|webp);base64,[A-Za-z0-9+/=]*")

RESULTS = frozenset(
    {"passed", "skipped", "failed", "error", "xfailed", "xpassed", "rerun", "retried"}
)
"""pytest-html's own words for a result; its script makes a class name of them."""


class TemplateError(ValueError):
    """The page is not one that pytest-html 4 wrote; nothing can be said about its safety."""


_STYLE = re.compile(r"<style[^>]*>(?P<sheet>.*?)</style>", re.DOTALL)
_PREFIX = re.compile(
    r'<div class="additional-summary prefix">.*?</div>(?=\s*<p class="run-count">)', re.DOTALL
)
_SCRIPT = re.compile(r"<script>.*</script>", re.DOTALL)
_BLOB = re.compile(r'data-jsonblob="(?P<blob>[^"]*)"')
_BODY = re.compile(r"<body>(?P<body>.*)</body>", re.DOTALL)
_RELOAD = re.compile(r'<div class="summary__reload">.*?</div>\s*</div>\s*</div>', re.DOTALL)
_GLOBAL_RULE = re.compile(r"^(?:body|h1|h2|p|a|table) \{[^}]*\}\n?", re.MULTILINE)
_CELL = re.compile(r"<td(?: class=\"(?P<kind>[\w -]*)\")?[^>]*>(?P<inner>.*)</td>", re.DOTALL)
_TAG = re.compile(r"<[^>]*>")
_PRE = re.compile(r"<pre>(?P<text>[^<]*)</pre>")
_VARYING = re.compile(
    r"<title>[^<]*</title>"
    r"|\d{2}-\w{3}-\d{4} at \d{2}:\d{2}:\d{2}"
    r'|<p class="run-count">[\w .:]*</p>'
    r'|(?: disabled| )> <span class="\w+">\d+ [\w ]+,?</span>'
    r'|data-jsonblob="[^"]*"'
)
"""What one run's annex differs in from that of another: when it was made, and its results."""

_EXPAND = '<button type="button" class="logexpander" aria-label="Expand or collapse log"></button>'
_MOVE = '<button type="button" class="media-container__nav--{0}" aria-label="{0}">&{1}t;</button>'
_SORT = r'<th class="sortable" data-column-type="\1"><button type="button" data-column-type="\1">'

REPAIRS = (
    (r'<h1 id="title">.*?</h1>\s*', ""),
    (r"<h2>Environment</h2>", '<h3><button type="button">Environment</button></h3>'),
    (r"<h2>Summary</h2>", "<h3>Summary</h3>"),
    (
        r'(<input checked="true" class="filter"[^>]*>)\s*(<span class="\w+">[^<]*</span>)',
        r"<label>\1 \2</label>",
    ),
    (
        r'<div class="logwrapper">',
        '<div class="logwrapper" tabindex="0" role="group" aria-label="Log">',
    ),
    (r'<div class="logexpander"></div>', _EXPAND),
    (r'<div class="media-container__nav--left">&lt;</div>', _MOVE.format("left", "l")),
    (r'<div class="media-container__nav--right">&gt;</div>', _MOVE.format("right", "g")),
    (r'<img src="" />', '<img src="data:," alt="" />'),
    (
        r'<th class="sortable" data-column-type="(\w+)">(.*?)</th>',
        rf"{_SORT}\2</button></th>",
    ),
    (r'<a href="https://pypi[^"]*">pytest-html</a>', "pytest-html"),
)
"""What is wrong for readers with keyboard or screen reader in pytest-html's template, and its
repair. A template without one of these is left as it is there: nothing here guards safety."""

_ADDRESS = ("unescape(url.href)", "url.href")
"""pytest-html's script undoes the escapes of the page's address before it notes in it how the
table is sorted. Of a folder with an umlaut or brackets in its name that makes another address,
which the browser refuses, and the table stays empty."""


def mend(html: str, language: Language, title: str = "") -> str:
    """Make the finished page from what pytest-html wrote with ``--self-contained-html``.

    Args:
        html: The page; its summary prefix holds the certificate or the mark in its place.
        language: The certificate's language.
        title: The page's title; by default one that holds for every run.

    Raises:
        TemplateError: the page is not of the form that pytest-html 4 writes.
    """
    html = html.replace("\r\n", "\n")
    sheet = _GLOBAL_RULE.sub("", _only(_STYLE, html)["sheet"])
    before, prefix, after = _cut(_PREFIX, _only(_BODY, html)["body"])
    before, script, after = _cut(_SCRIPT, before + after)
    before, blob, after = _cut(_BLOB, before + after, "blob")
    body = _repaired(before) + _cleaned_blob(blob) + _repaired(after)
    code = script.removeprefix("<script>").removesuffix("</script>").replace(*_ADDRESS)
    return _page(prefix, body, code, sheet, language, title)


def _cut(pattern: re.Pattern[str], html: str, group: str | int = 0) -> tuple[str, str, str]:
    """Cut a part out of a page: what stands before it, the part, and what stands behind.

    A match would hold the whole page, and a fleet's page is megabytes.
    """
    begin, end = _only(pattern, html).span(group)
    return html[:begin], html[begin:end], html[end:]


def _cleaned_blob(blob: str) -> str:
    # A fleet's page has quotation marks by the hundred thousand; each by itself takes its time.
    return _packed(json.loads(unescape(blob.replace("&#34;", '"'))))


def _packed(report: dict[str, Any]) -> str:
    """Write what an annex's own script reads, as an attribute's value."""
    return escape(json.dumps(cleaned(report)), quote=True)


def _repaired(html: str) -> str:
    html = _RELOAD.sub("", html)
    for wrong, right in REPAIRS:
        html = re.sub(wrong, right, html, flags=re.DOTALL)
    return html


def _only(pattern: re.Pattern[str], html: str) -> re.Match[str]:
    found = pattern.search(html)
    if found is None:
        raise TemplateError(f"not a page of pytest-html 4: no {pattern.pattern[:40]}")
    return found


def _page(  # noqa: PLR0913, PLR0917 - the parts of a page
    prefix: str, annex: str, code: str, sheet: str, language: Language, title: str
) -> str:
    digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=POLICY.format(digest=digest)),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", title or say("document.file", language)),
        element("style", Markup(sheet)),  # noqa: S704 - pytest-html's own
        element("style", Markup(style())),  # noqa: S704 - our own
    )
    # Joined once: the annex of a fleet is megabytes, and every element would copy it.
    pieces = (
        *("<!DOCTYPE html>\n", f'<html lang="{language}">', head, "<body>", prefix, "\n"),
        '<aside class="annex" aria-labelledby="title">',
        element("h2", say("annex.heading", language), id="title"),
        element("p", say("annex.text", language)),
        element("noscript", element("p", say("annex.noscript", language))),
        *('<div lang="en" class="pytest-html">', annex, "</div>"),
        element("p", say("document.file_end", language), class_="end"),
        f"</aside>\n<script>{code}</script></body></html>\n",
    )
    return "".join(pieces)


def cleaned(report: Mapping[str, Any]) -> dict[str, Any]:
    """Make pytest-html's data safe to be put into the page as HTML, as its script does.

    The tests are taken out of the report one by one: a fleet's are tens of megabytes.
    """
    tests = report["tests"]
    return {
        "title": plain(report.get("title", "")),
        "environment": {
            plain(name): _text(_flat(value)) for name, value in report["environment"].items()
        },
        "renderCollapsed": [plain(name) for name in report.get("renderCollapsed", [])],
        "initialSort": plain(report.get("initialSort", "result")),
        "tests": {plain(name): [_test(entry) for entry in tests.pop(name)] for name in list(tests)},
    }


def _flat(value: object) -> str:
    """Write an environment value on one line; pytest-html would nest lists invalidly."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {_flat(item)}" for name, item in value.items())
    if isinstance(value, list):
        return ", ".join(_flat(item) for item in value)
    return str(value)


def _test(entry: Mapping[str, Any]) -> dict[str, Any]:
    shown = {
        "result": _result(entry.get("result", "")),
        "testId": plain(entry.get("testId", "")),
        "duration": plain(entry.get("duration", "")),
        "resultsTableRow": [_cell(str(cell)) for cell in entry.get("resultsTableRow", [])],
        "extras": [_extra(extra) for extra in entry.get("extras", [])],
        "log": _text(entry.get("log", "")),
    }
    more = {
        name: _text(value) for name, value in entry.items() if name not in {*shown, "tableHtml"}
    }
    return more | shown


def _result(word: object) -> str:
    return str(word) if str(word).lower() in RESULTS else "Error"


def _text(html: object) -> Markup:
    """Show HTML, or text that somebody forgot to escape, as the text that it was made from."""
    return text(unescape(str(html)))


@lru_cache(maxsize=256)
def _cell(html: str) -> Markup:
    """Make a table cell again: its class stays, its content becomes text."""
    found = _CELL.fullmatch(html.strip())
    kind = found["kind"] if found else None
    inner = found["inner"] if found else html
    if kind == "col-links":
        inner = _TAG.sub(" ", inner)
    return element("td", _text(inner), class_=kind)


def _extra(extra: Mapping[str, Any]) -> dict[str, Any]:
    """Keep pictures that are part of the page; everything else is shown as text."""
    content = str(extra.get("content", ""))
    name = plain(extra.get("name", ""))
    if extra.get("format_type") == "image" and IMAGE.fullmatch(content):
        return {"name": name, "format_type": "image", "content": content}
    found = _PRE.fullmatch(content)
    held = unescape(found["text"]) if found else content
    return {"name": name, "format_type": "html", "content": element("pre", held)}


def frame(annex: str) -> str:
    """Give what all pages of one version and language share: all but what tells of their run."""
    return _VARYING.sub("*", annex)


def shown(annex: str) -> dict[str, set[str]]:
    """Read which results a finished page's annex shows for every test.

    Raises:
        TemplateError: it holds what :func:`mend` would have made text of, so that it could show
            anything.
    """
    blob = _only(_BLOB, annex)["blob"]
    report = json.loads(unescape(blob))
    results = {
        name: {str(entry["result"]) for entry in entries}
        for name, entries in report["tests"].items()
    }
    if _packed(report) != blob:
        raise TemplateError("the annex holds more than text")
    return results
