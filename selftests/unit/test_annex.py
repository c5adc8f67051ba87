"""The file around the certificate: pytest-html's report in a template of our own."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html import unescape
from typing import TYPE_CHECKING, Any

import pytest

from cube_acceptance.certificate import annex
from cube_acceptance.text import wording
from selftests.support import annexes

if TYPE_CHECKING:
    from collections.abc import Callable

CASES = """
import pytest

@pytest.mark.parametrize("x", ["<img src=x onerror=alert(1)>", "a\\"><svg onload=b()>"])
def test_one(x):
    print("<b onclick=c()>out</b>")
    assert x == "y"

def test_two():
    pass

def test_three():
    pytest.skip("<script>d()</script>")
"""


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """Pages that pytest-html has written over cases with hostile names, output and environment."""
    made: dict[str, str] = {}

    def report(language: str) -> str:
        if language not in made:
            hostile = ("--metadata", "<i>key", "<img src=x onerror=e()>")
            folder = tmp_path_factory.mktemp(language)
            made[language] = annexes.written(folder, CASES, *hostile, language=language)
        return made[language]

    return report


@pytest.fixture
def report(reports: Callable[[str], str]) -> str:
    """The page in German."""
    return reports("de")


def data_of(html: str) -> dict[str, Any]:
    """Read the data that pytest-html's script will show."""
    found = re.search(r'data-jsonblob="([^"]*)"', html)
    assert found
    loaded: dict[str, Any] = json.loads(unescape(found[1]))
    return loaded


class TestAnnex:
    """The whole page."""

    def test_the_certificate_comes_first_and_once(self, report: str) -> None:
        """Readers must not scroll past an environment table to find the verdict."""
        body = report[report.index("<body>") :]

        assert report.count(annex.CERTIFICATE_MARK) == 1
        assert body.index(annex.CERTIFICATE_MARK) < body.index('class="annex"')

    @pytest.mark.parametrize("language", ["de", "en"])
    def test_it_has_language_charset_viewport_and_title(
        self, reports: Callable[[str], str], language: str
    ) -> None:
        """Readers, browsers and phones need them; pytest-html's own template sets only two."""
        html = reports(language)

        assert html.startswith(f'<!DOCTYPE html>\n<html lang="{language}"><head>\n<meta charset=')
        assert '<meta name="viewport" content="width=device-width, initial-scale=1"/>' in html
        assert "<title>A &amp; B</title>" in html
        assert html.count("<title>") == 1
        assert html.count("<h1") == 0
        assert wording.say("annex.heading", language) in html

    def test_only_the_one_script_may_run(self, report: str) -> None:
        """Whatever slips through is not executed."""
        scripts = re.findall(r"<script>(.*?)</script>", report, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(scripts[0].encode()).digest()).decode()

        assert len(scripts) == 1
        assert f"script-src &#39;sha256-{digest}&#39;;" in report
        assert report.index("Content-Security-Policy") < report.index("<style>")
        assert 'onclick="' not in report

    def test_the_script_leaves_the_address_as_it_is(self, report: str) -> None:
        """In a folder called ``Jörg (1)`` the browser would refuse it, and the table stay empty."""
        assert report.count("null, url.href)") == 3
        assert "unescape(" not in report

    def test_the_script_finds_what_it_looks_for(self, report: str) -> None:
        """A template without one of its elements would show an empty table."""
        page, _, script = report.partition("<script>")
        wanted = set(re.findall(r"getElementById\('([^']+)'\)", script))

        assert len(wanted) > 6
        assert {name for name in wanted if f'id="{name}"' not in page} == set()
        filters = re.findall(r'data-test-result="(\w+)"', page)
        assert set(filters) >= annex.RESULTS - {"retried"}

    def test_the_controls_have_names(self, report: str) -> None:
        """A checkbox without a label is none to a screen reader."""
        assert report.count("<label><input") == report.count("<input ")
        assert report.count('<th class="sortable" data-column-type="result"><button') == 1
        assert "<th>Links</th>" in report
        assert '<div class="logwrapper" tabindex="0"' in report
        assert '<img src=""' not in report

    def test_the_annex_is_off_paper_and_last(self, report: str) -> None:
        """It is no part of what is signed."""
        assert re.search(r"@media print \{[^@]*\.annex[^}]*display: none", report)
        assert report.rstrip().endswith("</script>\n</body></html>")
        assert wording.say("document.file_end", "de") in report

    def test_nothing_of_the_report_is_markup(self, report: str) -> None:
        """pytest-html puts names, environment and cells into the page as HTML."""
        data = data_of(report)
        entries = [entry for entries in data["tests"].values() for entry in entries]
        as_html = [[entry["resultsTableRow"], entry["log"], entry["extras"]] for entry in entries]
        shown = json.dumps([as_html, list(data["environment"].values())])

        assert not re.search(r"<(?!/?td\b)", shown)
        assert "&lt;img src=x onerror=alert(1)&gt;" in shown
        assert "&lt;img src=x onerror=e()&gt;" in shown

    def test_logs_read_as_before(self, report: str) -> None:
        """Escaping twice would show entities instead of the text."""
        shown = json.dumps(data_of(report))

        assert "&lt;b onclick=c()&gt;out&lt;/b&gt;" in shown
        assert "&amp;lt;" not in shown

    def test_pytest_htmls_page_wide_rules_are_gone(self, report: str) -> None:
        """They would colour the certificate and force a width."""
        assert "min-width: 800px" not in report
        assert ".logwrapper" in report.partition("</style>")[0]


@pytest.mark.parametrize(
    ("html", "kind", "name"),
    [
        ('<th class="sortable" data-column-type="result">Result</th>', "result", "Result"),
        ("<th>Links</th>", "", "Links"),
        ('<th onclick="x()"><img src=x>A &amp; B</th>', "", "A & B"),
    ],
)
def test_a_columns_head_becomes_text(html: str, kind: str, name: str) -> None:
    """Plugins may add columns, and nothing else."""
    assert annex.column(html) == (kind, name)


def cleaned(report: dict[str, Any]) -> dict[str, Any]:
    """Give what pytest-html's script reads of a report."""
    made: dict[str, Any] = json.loads(unescape("".join(annex.blob(json.dumps(report)))))
    return made


class TestCleaned:
    """pytest-html's data."""

    def test_nested_environment_values_become_one_line(self) -> None:
        """pytest-html would write a list inside a list, which is not valid."""
        made = cleaned({"environment": {"P": {"a": "1", "b": ["<", "3"]}}, "tests": {}})

        assert made["environment"] == {"P": "a 1, b &lt;, 3"}

    def entry(self, **values: object) -> dict[str, object]:
        """Clean one test's entry."""
        made = cleaned({"environment": {}, "tests": {"t": [values]}})
        entry: dict[str, object] = made["tests"]["t"][0]
        return entry

    def test_an_unknown_result_is_an_error(self) -> None:
        """The script makes a class name of it and stops at a space."""
        assert self.entry(result="two words")["result"] == "Error"
        assert self.entry(result="Passed")["result"] == "Passed"

    @pytest.mark.parametrize(
        ("cell", "made"),
        [
            ('<td class="col-testId">a<b>c</td>', '<td class="col-testId">a&lt;b&gt;c</td>'),
            ('<td class="col-x">a &lt; b</td>', '<td class="col-x">a &lt; b</td>'),
            ('<td class="x" onclick="y()">z</td>', '<td class="x">z</td>'),
            ("<td>z</td>", "<td>z</td>"),
            ("<script>z</script>", "<td>&lt;script&gt;z&lt;/script&gt;</td>"),
            (
                '<td class="col-links"><a href="javascript:x()">log</a></td>',
                '<td class="col-links"> log </td>',
            ),
        ],
    )
    def test_a_cell_becomes_text(self, cell: str, made: str) -> None:
        """A cell is the one place where pytest-html needs HTML."""
        assert self.entry(resultsTableRow=[cell])["resultsTableRow"] == [made]

    def test_pictures_in_the_page_stay(self) -> None:
        """They cannot run, and the policy lets nothing else in."""
        picture = {"name": "n", "format_type": "image", "content": "data:image/png;base64,AAAA"}

        assert self.entry(extras=[picture])["extras"] == [picture]

    @pytest.mark.parametrize(
        "extra",
        [
            {"format_type": "html", "content": "<script>x</script>", "name": "n"},
            {"format_type": "image", "content": "https://example.test/x.png", "name": "n"},
            {"format_type": "image", "content": "data:image/svg+xml;base64,AAAA", "name": "n"},
        ],
    )
    def test_other_extras_become_text(self, extra: dict[str, str]) -> None:
        """HTML from anywhere would be put into the page as it is."""
        made = self.entry(extras=[extra])["extras"]

        assert isinstance(made, list)
        assert made[0]["format_type"] == "html"
        assert re.fullmatch(r"<pre>[^<]*</pre>", made[0]["content"])

    def test_what_is_clean_stays_as_it_is(self) -> None:
        """A finished page is checked by cleaning it once more."""
        held = {
            "environment": {"a": "<b> & &lt;", "c": ["x", {"y": "'"}]},
            "tests": {
                "t": [
                    {
                        "result": "Failed",
                        "log": "<i> &amp;lt; x",
                        "resultsTableRow": ['<td class="col-links"><a>log</a></td>', "<b>"],
                        "extras": [{"format_type": "html", "content": "<pre>a &lt; b</pre> c"}],
                        "requirement": "&quot;<b>",
                    }
                ]
            },
        }
        once = cleaned(held)
        written = json.dumps(once)

        assert json.dumps(cleaned(json.loads(written))) == written

    def test_is_made_test_by_test(self) -> None:
        """A fleet's is megabytes; one piece is not."""
        tests = {f"t{number}": [{"log": "-" * 100}] for number in range(50)}
        pieces = list(annex.blob(json.dumps({"environment": {}, "tests": tests})))

        assert len(pieces) > 50
        assert max(map(len, pieces)) < 1000

    def test_html_of_hooks_is_dropped_and_other_values_are_text(self) -> None:
        """Another plugin's column must not bring markup along."""
        made = self.entry(tableHtml=["<b>"], requirement="<b>")

        assert "tableHtml" not in made
        assert made["requirement"] == "&lt;b&gt;"


class TestAgain:
    """Looking at a finished page that may come from anybody."""

    def test_two_reports_have_one_frame(self, report: str) -> None:
        """They differ in title, time, figures and data."""
        other = (
            report.replace("2 Failed", "0 Failed")
            .replace("&#34;Failed&#34;", "&#34;Passed&#34;")
            .replace("3 tests took", "1 test took")
            .replace('result="failed">', 'result="failed" disabled>')
            .replace("A &amp; B", "C")
        )

        assert other != report
        assert annex.frame(other) == annex.frame(report)

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ("</head>", "<style>main { display: none }</style></head>"),
            ("<body>", "<body><h1>Abgenommen</h1>"),
            ('<p class="run-count">', '<p class="run-count">x</p><p class="run-count">'),
            ("<title>", "<title>x</title><title>"),
            (" took ", " <b>took</b> "),
        ],
    )
    def test_an_addition_changes_the_frame(self, report: str, old: str, new: str) -> None:
        """Whatever could be seen beside the certificate, or in front of it."""
        assert old in report
        assert annex.frame(report.replace(old, new, 1)) != annex.frame(report)

    def test_results_are_shown(self, report: str) -> None:
        """By the names of the tests."""
        shown = annex.shown(report)

        assert shown["test_it.py::test_two"] == {"Passed"}
        assert min(map(str, shown.values())) == "{'Failed'}"

    def test_markup_in_the_data_is_refused(self, report: str) -> None:
        """The script would put it into the page."""
        forged = report.replace(
            "&#34;environment&#34;: {",
            "&#34;environment&#34;: {&#34;x&#34;: &#34;&lt;p&gt;&#34;, ",
        )

        assert forged != report
        with pytest.raises(annex.TemplateError, match="more than text"):
            annex.shown(forged)

    def test_a_page_without_a_report_is_refused(self) -> None:
        """Of a page that we do not know nothing can be promised."""
        with pytest.raises(annex.TemplateError, match="no report"):
            annex.shown("<html></html>")
