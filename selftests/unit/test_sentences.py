"""Tests of the sentences: numbers, days and words as a reader of either language writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cube_acceptance import catalogue as catalogues
from cube_acceptance.catalogue import placeholders
from cube_acceptance.judge import Said, Word, fact
from cube_acceptance.text import sentences

if TYPE_CHECKING:
    from cube_acceptance.catalogue import Catalogue, Language, Text

LANGUAGES: tuple[Language, ...] = ("de", "en")
EXAMPLES = {"port": "5555", "days": 3}


def templates() -> list[tuple[str, Text]]:
    """Every text that is about a requirement."""
    return [
        (f"{entry.id}-{key}", text)
        for entry in catalogues.load().requirement
        for key, text in (entry.texts | entry.notes).items()
    ]


class TestNumber:
    """ISO 80000-1: a narrow space between thousands, the language's own decimal sign."""

    @pytest.mark.parametrize(
        ("value", "german", "english"),
        [
            (0, "0", "0"),
            (7, "7", "7"),
            (10.0, "10", "10"),
            (1.25, "1,2", "1.2"),
            (0.04, "0", "0"),
            (-3.5, "\u22123,5", "\u22123.5"),
            (-0.01, "0", "0"),
            (1234.5, "1\u202f234,5", "1\u202f234.5"),
            (4294967295, "4\u202f294\u202f967\u202f295", "4\u202f294\u202f967\u202f295"),
        ],
    )
    def test_is_written_as_usual(self, value: float, german: str, english: str) -> None:
        """A comma for a point makes a thousand of a one in the other language."""
        assert sentences.number(value, "de") == german
        assert sentences.number(value, "en") == english


class TestDate:
    """Days as they are written."""

    @pytest.mark.parametrize(
        ("moment", "german", "english"),
        [
            ("2026-11-23T09:00:00.000Z", "23.11.2026", "23 November 2026"),
            ("2027-03-01T00:00:00Z", "01.03.2027", "1 March 2027"),
        ],
    )
    def test_cannot_be_misread(self, moment: str, german: str, english: str) -> None:
        """03/01 would be two different days."""
        assert sentences.date(moment, "de") == german
        assert sentences.date(moment, "en") == english


class TestSpoken:
    """One fact in a sentence."""

    def test_translates_words(self, catalogue: Catalogue) -> None:
        """A case says a word once; the reader's language comes later."""
        made = fact([Word("router"), Word("silence")])

        assert (
            sentences.spoken(made, catalogue, "de")
            == "ein brauchbarer Router (Option 3), keine Antwort"
        )
        assert sentences.spoken(made, catalogue, "en") == "a usable router (option 3), no answer"

    def test_a_fact_in_words(self, catalogue: Catalogue) -> None:
        """What the probe said in English is not left so in a German sentence."""
        made = fact([Said("option 26: length 3"), Said('option 42: "pool.ntp.org"')])

        german = 'Option 26: Länge 3, Option 42: "pool.ntp.org"'
        assert sentences.spoken(made, catalogue, "de") == german
        assert sentences.spoken(made, catalogue, "en") == german.lower().replace("länge", "length")

    def test_writes_moments_as_days(self, catalogue: Catalogue) -> None:
        """A certificate's validity is a day to its reader."""
        assert sentences.spoken("2027-10-01T00:00:00.000Z", catalogue, "de") == "01.10.2027"

    @pytest.mark.parametrize(
        "text",
        ["2027-10-01", "at 2027-10-01T00:00:00Z", "9999-99-99T99:99:99Z", "٢٠٢٧-01-01T00:00:00Z"],
    )
    def test_leaves_other_text_alone(self, text: str, catalogue: Catalogue) -> None:
        """What only looks like a moment can come from the network and must not end the run."""
        assert sentences.spoken(text, catalogue, "de") == text

    def test_writes_numbers(self, catalogue: Catalogue) -> None:
        """Numbers in a list are numbers too."""
        assert sentences.spoken([1, 2.5], catalogue, "de") == "1, 2,5"


class TestSay:
    """Filling a template."""

    def test_fills_in(self, catalogue: Catalogue) -> None:
        """The same template with the same facts is the same sentence."""
        said = sentences.fill("{a} and {b}, {a}", {"a": "x", "b": 2}, catalogue, "en")

        assert said == "x and 2, x"

    @pytest.mark.parametrize("facts", [{}, {"a": ""}, {"a": []}])
    def test_shows_a_dash_for_what_is_missing(
        self, facts: dict[str, object], catalogue: Catalogue
    ) -> None:
        """A sentence with a hole is better than none, and a hole must be seen."""
        assert sentences.fill("to {a}.", facts, catalogue, "en") == "to \u2013."

    def test_shows_a_zero(self, catalogue: Catalogue) -> None:
        """Nothing lost is not the same as nothing known."""
        assert sentences.fill("{a} lost", {"a": 0}, catalogue, "en") == "0 lost"

    @given(st.text(max_size=40))
    def test_fills_in_once(self, hostile: str) -> None:
        """Text from the network must not be taken for a template."""
        said = sentences.fill(
            "<{a}>", {"a": "{b}" + hostile, "b": "secret"}, catalogues.load(), "en"
        )

        assert said == "<{b}" + hostile + ">"


class TestSentencesOfRequirements:
    """What the certificate shows about a requirement."""

    @pytest.mark.parametrize(
        ("place", "text"), templates(), ids=[place for place, _ in templates()]
    )
    @pytest.mark.parametrize("language", LANGUAGES)
    def test_can_be_said(
        self, place: str, text: Text, language: Language, catalogue: Catalogue
    ) -> None:
        """With its facts, no sentence has a hole or a brace left in it."""
        for template in (text.sentence(language), text.ask(language), text.own(language)):
            facts = {name: EXAMPLES.get(name, "x") for name in placeholders(template)}

            said = sentences.fill(template, facts, catalogue, language)
            assert "{" not in said, place
            assert "\u2013" not in said.replace(" \u2013 ", ""), place

    def test_reason_and_remedy_belong_together(self, catalogue: Catalogue) -> None:
        """The reason names what is wrong, the remedy what to do about it."""
        arguments = (catalogue, "NTP-01", "no-answer", {"servers": ["10.0.0.1"]})
        text = catalogue["NTP-01"].texts["no-answer"]

        for language in LANGUAGES:
            told = sentences.tell(*arguments, language)
            assert told.reason == text.sentence(language).replace("{servers}", "10.0.0.1")
            assert told.remedy == text.ask(language).replace("{servers}", "10.0.0.1")

    def test_remedies_are_shared_out(self, catalogue: Catalogue) -> None:
        """Who administers the network must not be asked to edit the tester's site file."""
        told = sentences.tell(catalogue, "DHCP-01", "no-answer", {}, "en")

        assert told.remedy == f"{told.asked} {told.own_work}"
        assert "site file" in told.own_work
        assert "site file" not in told.asked

    def test_notes_come_from_the_notes(self, catalogue: Catalogue) -> None:
        """An observation's code may be spelled like a cause."""
        said = sentences.note(catalogue, "DHCP-01", "second-server", {"servers": ["a", "b"]}, "en")

        assert said == "More than one DHCP server offers addresses: a, b."
