"""Tests of the explanations: each requirement and cause has one, and the pages are up to date."""

from __future__ import annotations

import re
import runpy
import sys
from pathlib import Path

import pytest

from cube_acceptance import catalogue as catalogues
from cube_acceptance import commands, explain
from cube_acceptance.text import wording

DOCS = Path(__file__).parents[2] / "docs"
ENTRIES = catalogues.load().requirement


class TestExplanations:
    """The data beside the catalogue."""

    def test_are_complete(self) -> None:
        """A requirement without its purpose would stand there with a gap."""
        assert set(explain.load().requirement) == {entry.id for entry in ENTRIES}

    def test_recipes_are_for_causes_that_there_are(self) -> None:
        """A recipe that no cause leads to helps nobody; one without a source is hearsay."""
        known = {f"{entry.id} {cause}" for entry in ENTRIES for cause in explain.causes(entry)}

        for recipe in explain.load().recipe:
            assert set(recipe.causes) <= known
            assert recipe.source.startswith("https://")

    @pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.id)
    def test_every_cause_is_explained(self, entry: catalogues.Requirement) -> None:
        """Whatever a certificate names, one finds it, with somebody to put it right."""
        for cause in explain.causes(entry):
            blocks = list(explain.of_cause(entry, cause, "de"))
            assert {"sentence", "remedy"} <= {block.kind for block in blocks}

    def test_facts_have_names(self) -> None:
        """What the measurement fills in is named in the reader's language."""
        asked = {
            name
            for entry in ENTRIES
            for cause in explain.causes(entry)
            for text in explain.texts(entry, cause)
            for template in (text.de, text.ask_de, text.own_de)
            for name in catalogues.placeholders(template)
        }

        assert {name for name in asked if f"fact.{name}" not in wording.words()} == set()


class TestPages:
    """The pages in docs/."""

    @pytest.mark.parametrize("language", ["de", "en"])
    def test_are_up_to_date(self, language: catalogues.Language) -> None:
        """`python -m cube_acceptance.explain docs` has been run after the last change."""
        page = (DOCS / f"requirements.{language}.md").read_text("utf-8")

        assert page == explain.as_markdown(language)

    def test_have_an_anchor_for_each_cause(self) -> None:
        """GitHub and its like make anchors of headings: lower case, hyphens for spaces."""
        headings = re.findall(r"(?m)^### (.+)$", explain.as_markdown("en"))

        assert [heading.lower().replace(" ", "-") for heading in headings] == [
            f"{entry.id}-{cause}".lower() for entry in ENTRIES for cause in explain.causes(entry)
        ]

    def test_are_written_by_a_command(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """The one that the page itself names."""
        assert explain.main([]) == 4
        assert "usage" in capsys.readouterr().err
        monkeypatch.setattr(sys, "argv", ["explain", str(tmp_path)])
        with pytest.raises(SystemExit) as stop:
            runpy.run_path(explain.__file__, run_name="__main__")

        assert stop.value.code == 0
        assert {path.name for path in tmp_path.iterdir()} == {
            *("requirements.de.md", "requirements.en.md")
        }


class TestCommand:
    """``cube-acceptance explain``."""

    def test_explains_a_requirement(self, capsys: pytest.CaptureFixture[str]) -> None:
        """With every cause."""
        assert commands.main(["explain", "ntp-01", "--lang", "en"]) == 0
        said = capsys.readouterr().out

        assert said.startswith("NTP-01 Time server (NTP)\n=====")
        assert "What that does not prove: " in said
        assert "NTP-01 unsynchronised\n-----" in said

    def test_explains_a_cause(self, capsys: pytest.CaptureFixture[str]) -> None:
        """With recipes, and nothing of the other causes."""
        assert commands.main(["explain", "NTP-01", "Not-Offered", "--lang", "de"]) == 0
        said = capsys.readouterr().out

        assert "  -> Netzwerkadministration: Im DHCP-Bereich" in said
        assert "    Set-DhcpServerv4OptionValue -ScopeId" in said
        assert "    Quelle: https://" in said
        assert "Stratum" not in said

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [(["NTP-2"], "there are DHCP-01, NTP-01"), (["ntp-01", "x"], "there are not-offered, no")],
    )
    def test_usage(
        self, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """It names what there is."""
        assert commands.main(["explain", *arguments]) == 4
        assert said in capsys.readouterr().err
