"""What pytest-html's page needs before it can be handed out."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import subprocess
import sys
from html import unescape
from typing import Any

import pytest

from cube_acceptance.certificate import mend, page, wording
from selftests.support import samples

MARK = "<!-- the certificate stands here -->"
CONFTEST = f"def pytest_html_results_summary(prefix):\n    prefix.append({MARK!r})\n"
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
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Let pytest-html write a page over cases with hostile names, output and environment."""
    folder = tmp_path_factory.mktemp("report")
    (folder / "conftest.py").write_text(CONFTEST, "utf-8")
    (folder / "test_hostile.py").write_text(CASES, "utf-8")
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--rootdir=.", "-c", os.devnull,
         "--html=out.html", "--self-contained-html",
         "--metadata", "<i>key", "<img src=x onerror=e()>"],
        cwd=folder, capture_output=True, check=False,
        env={**os.environ, "PYTEST_ADDOPTS": "", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
             "PYTEST_PLUGINS": "pytest_html.plugin,pytest_html.fixtures,pytest_metadata.plugin"},
    )  # fmt: skip

    assert ended.returncode == pytest.ExitCode.TESTS_FAILED, ended.stdout + ended.stderr
    return (folder / "out.html").read_text("utf-8")


def data_of(html: str) -> dict[str, Any]:
    """Read the data that pytest-html's script will show."""
    found = re.search(r'data-jsonblob="([^"]*)"', html)
    assert found
    loaded: dict[str, Any] = json.loads(unescape(found[1]))
    return loaded


class TestMend:
    """The whole page."""

    def test_the_certificate_comes_first_and_once(self, report: str) -> None:
        """Readers must not scroll past an environment table to find the verdict."""
        html = mend.mend(report, "de")
        body = html[html.index("<body>") :]

        assert html.count(MARK) == 1
        assert body.index(MARK) < body.index('class="annex"')
        assert '<div class="additional-summary prefix">' in body[: body.index(MARK)]

    @pytest.mark.parametrize("language", ["de", "en"])
    def test_it_has_language_charset_viewport_and_title(self, report: str, language: str) -> None:
        """Readers, browsers and phones need them; pytest-html sets only two."""
        html = mend.mend(report, language)

        assert html.startswith(f'<!DOCTYPE html>\n<html lang="{language}"><head><meta charset=')
        assert '<meta name="viewport" content="width=device-width, initial-scale=1"/>' in html
        assert f"<title>{wording.say('document.file', language)}</title>" in html
        assert html.count("<title>") == 1
        assert html.count("<h1") == 0

    def test_a_title_can_be_given(self, report: str) -> None:
        """The caller may know more."""
        assert "<title>A &amp; B</title>" in mend.mend(report, "en", "A & B")

    def test_only_the_one_script_may_run(self, report: str) -> None:
        """Whatever slips through is not executed."""
        html = mend.mend(report, "de")
        scripts = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(scripts[0].encode()).digest()).decode()

        assert len(scripts) == 1
        assert f"script-src &#39;sha256-{digest}&#39;;" in html
        assert html.index("Content-Security-Policy") < html.index("<style>")
        assert 'onclick="' not in html

    def test_the_script_leaves_the_address_as_it_is(self, report: str) -> None:
        """In a folder called ``Jörg (1)`` the browser would refuse it, and the table stay empty."""
        assert "unescape(url.href)" in report
        assert "unescape(" not in mend.mend(report, "de")

    def test_windows_line_ends_do_not_change_the_hash(self, report: str) -> None:
        """A browser hashes the script as it reads it, with plain line feeds."""
        assert mend.mend(report.replace("\n", "\r\n"), "de") == mend.mend(report, "de")

    def test_the_controls_have_names(self, report: str) -> None:
        """A checkbox without a label is none to a screen reader."""
        html = mend.mend(report, "de")

        assert html.count("<label><input") == html.count("<input ")
        assert html.count('<th class="sortable" data-column-type="result"><button') == 1
        assert '<div class="logexpander"' not in html
        assert '<div class="logwrapper" tabindex="0"' in html
        assert '<img src=""' not in html

    def test_the_annex_is_off_paper_and_last(self, report: str) -> None:
        """It is no part of what is signed."""
        html = mend.mend(report, "de")

        assert re.search(r"@media print \{[^@]*\.annex[^}]*display: none", html)
        assert html.rstrip().endswith("</script></body></html>")
        assert wording.say("document.file_end", "de") in html

    def test_nothing_of_the_report_is_markup(self, report: str) -> None:
        """pytest-html puts names, environment and cells into the page as HTML."""
        data = data_of(mend.mend(report, "de"))
        entries = [entry for entries in data["tests"].values() for entry in entries]
        as_html = [[entry["resultsTableRow"], entry["log"], entry["extras"]] for entry in entries]
        shown = json.dumps([as_html, list(data["environment"].values())])

        assert not re.search(r"<(?!/?td\b)", shown)
        assert "&lt;img src=x onerror=alert(1)&gt;" in shown
        assert "&lt;img src=x onerror=e()&gt;" in shown

    def test_logs_read_as_before(self, report: str) -> None:
        """Escaping twice would show entities instead of the text."""
        shown = json.dumps(data_of(mend.mend(report, "de")))

        assert "&lt;b onclick=c()&gt;out&lt;/b&gt;" in shown
        assert "&amp;lt;" not in shown

    def test_pytest_htmls_page_wide_rules_are_gone(self, report: str) -> None:
        """They would colour the certificate and force a width."""
        assert "min-width: 800px" not in mend.mend(report, "de")

    def test_a_certificate_in_its_place_stays_byte_for_byte(self, report: str) -> None:
        """What was rendered is what is checked later."""
        fragment = "".join(page.render(samples.rejected("de"), "de"))

        html = mend.mend(report.replace(MARK, fragment), "de")

        assert fragment in html

    @pytest.mark.parametrize("part", ["<body>", 'class="run-count"', "data-jsonblob", "<script>"])
    def test_another_page_is_refused(self, report: str, part: str) -> None:
        """Of a page that we do not know nothing can be promised."""
        with pytest.raises(mend.TemplateError):
            mend.mend(report.replace(part, "x"), "de")


class TestCleaned:
    """pytest-html's data."""

    def test_nested_environment_values_become_one_line(self) -> None:
        """pytest-html would write a list inside a list, which is not valid."""
        made = mend.cleaned({"environment": {"P": {"a": "1", "b": ["<", "3"]}}, "tests": {}})

        assert made["environment"] == {"P": "a 1, b &lt;, 3"}

    def entry(self, **values: object) -> dict[str, object]:
        """Clean one test's entry."""
        made = mend.cleaned({"environment": {}, "tests": {"t": [values]}})
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
        once = mend.cleaned(held)
        written = json.dumps(once)

        assert json.dumps(mend.cleaned(json.loads(written))) == written

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
            .replace("4 tests took", "1 test took")
        )
        one, two = mend.mend(report, "de", "One"), mend.mend(other, "de", "Two")

        assert one != two
        assert mend.frame(one) == mend.frame(two)

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
        made = mend.mend(report, "de")

        assert old in made
        assert mend.frame(made.replace(old, new, 1)) != mend.frame(made)

    def test_results_are_shown(self, report: str) -> None:
        """By the names of the tests."""
        shown = mend.shown(mend.mend(report, "de"))

        assert shown["test_hostile.py::test_two"] == {"Passed"}
        assert min(map(str, shown.values())) == "{'Failed'}"

    def test_markup_in_the_data_is_refused(self, report: str) -> None:
        """The script would put it into the page."""
        made = mend.mend(report, "de")
        forged = made.replace(
            "&quot;environment&quot;: {",
            "&quot;environment&quot;: {&quot;x&quot;: &quot;&lt;p&gt;&quot;, ",
        )

        assert forged != made
        with pytest.raises(mend.TemplateError, match="more than text"):
            mend.shown(forged)
