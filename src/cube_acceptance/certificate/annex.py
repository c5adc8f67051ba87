"""The file around the certificate: pytest-html's report, in a template of our own, as its annex.

pytest-html hands everything that it has collected to the template that it is given. Ours puts the
certificate (or the mark that holds its place) first, and has the page's language, a viewport,
controls that everybody can use, and a content security policy under which nothing can run but
pytest-html's own script. That script puts test names, environment and logs into the page as HTML;
so they become text here, whatever they were.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from functools import cache, lru_cache, partial
from html import unescape
from importlib.resources import files
from typing import TYPE_CHECKING, Any, NamedTuple

from markupsafe import Markup, escape

from cube_acceptance.certificate import page
from cube_acceptance.certificate.markup import element, text
from cube_acceptance.text.foreign import plain
from cube_acceptance.text.wording import say

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cube_acceptance.catalogue import Language

CERTIFICATE_MARK = Markup(
    '<p class="unfinished"><strong>Dieser Lauf ist noch nicht beendet. '
    "This run has not finished yet.</strong></p>"
)
"""What holds the certificate's place until the run has ended."""

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
    """The page is not one of ours; nothing can be said about its safety."""


_BLOB = re.compile(r'data-jsonblob="(?P<blob>[^"]*)"')
_PAGE_WIDE = re.compile(r"^(?:body|h1|h2|p|a|table) \{[^}]*\}\n?", re.MULTILINE)
"""Rules of pytest-html's style sheet that would meet the certificate as well."""
_COLUMN = re.compile(r'<th class="sortable" data-column-type="(?P<kind>\w+)">(?P<name>.*)</th>')
_CELL = re.compile(r"<td(?: class=\"(?P<kind>[\w -]*)\")?[^>]*>(?P<inner>.*)</td>", re.DOTALL)
_TAG = re.compile(r"<[^>]*>")
_PRE = re.compile(r"<pre>(?P<text>[^<]*)</pre>")
_VARYING = re.compile(
    r"<title>[^<]*</title>"
    r"|\d{2}-\w{3}-\d{4} at \d{2}:\d{2}:\d{2}"
    r'|<p class="run-count">[\w .:]*</p>'
    r'|"(?: disabled)?> <span class="\w+">\d+ [\w ]+,?</span>'
    r'|data-jsonblob="[^"]*"'
)
"""What one run's annex differs in from that of another: when it was made, and its results."""

_ADDRESS = ("unescape(url.href)", "url.href")
"""pytest-html's script undoes the escapes of the page's address before it notes in it how the
table is sorted. Of a folder with an umlaut or brackets in its name that makes another address,
which the browser refuses, and the table stays empty."""


class Annex(NamedTuple):
    """What pytest-html is given as its template: it asks for nothing but to be rendered."""

    language: Language
    """The certificate's."""

    def render(self, **told: object) -> Iterator[str]:
        """Write the file, the mark in the certificate's place, from what pytest-html tells.

        It comes in pieces, as a fleet's is megabytes.
        """
        script = _resource("app.js").replace(*_ADDRESS)
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        return (
            page.templates()
            .get_template("annex.jinja")
            .generate(
                told,
                language=self.language,
                say=partial(say, language=self.language),
                mark=CERTIFICATE_MARK,
                policy=POLICY.format(digest=digest),
                script=Markup(script),  # noqa: S704 - pytest-html's own
                sheet=Markup(_PAGE_WIDE.sub("", _resource("style.css"))),  # noqa: S704 - likewise
                blob=blob,
                column=column,
            )
        )


@cache
def _resource(name: str) -> str:
    """Read a file that pytest-html's own template takes in."""
    return files("pytest_html").joinpath("resources", name).read_text("utf-8")


def blob(test_data: str) -> Iterator[Markup]:
    """Write what pytest-html's script reads, as an attribute's value, safe to be put into the page.

    The script puts it there as HTML. A fleet has thousands of tests, so they are made one by one.
    """
    report = json.loads(test_data)
    tests = report["tests"]
    about = {
        "title": plain(report.get("title", "")),
        "environment": {
            plain(name): _text(_flat(value)) for name, value in report["environment"].items()
        },
        "renderCollapsed": [plain(name) for name in report.get("renderCollapsed", [])],
        "initialSort": plain(report.get("initialSort", "result")),
    }
    yield escape(f'{json.dumps(about)[:-1]}, "tests": {{')
    names = {plain(name): name for name in tests}
    for number, (shown_as, name) in enumerate(names.items()):
        entries = [_test(entry) for entry in tests.pop(name)]
        yield escape(f"{', ' if number else ''}{json.dumps(shown_as)}: {json.dumps(entries)}")
    yield Markup("}}")


def column(html: str) -> tuple[str, str]:
    """Read a column's head: its kind where the table can be sorted by it, and its name."""
    found = _COLUMN.fullmatch(html.strip())
    name = found["name"] if found else html
    return found["kind"] if found else "", unescape(_TAG.sub("", name))


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
        name: _text(value)
        for name, value in entry.items()
        if name not in shown and name != "tableHtml"
    }
    return more | shown


def _result(word: object) -> str:
    return str(word) if str(word).lower() in RESULTS else "Error"


def _text(html: object) -> Markup:
    """Show HTML, or text that somebody forgot to escape, as the text that it was made from."""
    return text(unescape(str(html)))


@lru_cache(maxsize=256)
def _cell(html: str) -> str:
    """Make a table cell again: its class stays, its content becomes text."""
    found = _CELL.fullmatch(html.strip())
    kind = found["kind"] if found else None
    inner = found["inner"] if found else html
    if kind == "col-links":
        inner = _TAG.sub(" ", inner)
    begin = "<td>" if kind is None else f'<td class="{plain(kind)}">'
    return f"{begin}{_text(inner)}</td>"


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
    """Return what all pages of one version and language share: all but what tells of their run."""
    return _VARYING.sub("*", annex)


def shown(annex: str) -> dict[str, set[str]]:
    """Read which results a finished page's annex shows for every test.

    Raises:
        TemplateError: it holds what :func:`blob` would have made text of, so that it could
            show anything.
    """
    found = _BLOB.search(annex)
    if found is None:
        raise TemplateError("the page holds no report of pytest-html's")
    # A fleet's page has quotation marks by the hundred thousand; each by itself takes its time.
    data = unescape(found["blob"].replace("&#34;", '"'))
    results = {
        name: {str(entry["result"]) for entry in entries}
        for name, entries in json.loads(data)["tests"].items()
    }
    if "".join(blob(data)) != found["blob"]:
        raise TemplateError("the annex holds more than text")
    return results
