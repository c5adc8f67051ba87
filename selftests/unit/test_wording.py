"""The fixed words of the certificate: complete in both languages, each in its own typography."""

from __future__ import annotations

import ast
import re
import string
import tomllib
from pathlib import Path

import pytest

from cube_acceptance.text import wording

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "cube_acceptance"
CET = {"zone": "CET", "utc_offset_min": 60}
UTC = {"zone": "UTC", "utc_offset_min": 0}
ALIKE = {
    "observed.over-tcp", "observed.over-udp",
    "cube.counted", "cube.ssh", "fact.cube", "cube.unknown", "cube.version",
    "files.hash", "level.optional", "method.gateway",
    "method.python", "method.suite_text", "picture.cube", "picture.gateway", "picture.homag",
    "picture.internet", "picture.tapio", "request.cubes",
    "result.port", "result.total", "result.totals", "rule.port",
}  # fmt: skip
"""Names and formats that are the same in both languages."""


def names(template: str) -> set[str]:
    """List a template's placeholders."""
    return {name for _, name, _, _ in string.Formatter().parse(template) if name}


class TestWords:
    """The data in ``wording.toml``."""

    @pytest.mark.parametrize("key", sorted(wording.words()))
    def test_both_languages_say_it(self, key: str) -> None:
        """A reader must never meet a gap, the other language, or an unfilled placeholder."""
        texts = wording.words()[key]

        assert set(texts) == {"de", "en"}
        assert all(text.strip() == text and text for text in texts.values())
        assert (texts["de"] == texts["en"]) == (key in ALIKE)
        assert names(texts["de"]) == names(texts["en"])

    @pytest.mark.parametrize("key", sorted(wording.words()))
    def test_the_typography_is_the_languages_own(self, key: str) -> None:
        """German quotes in German, curly apostrophes in English, no typewriter signs in either."""
        texts = wording.words()[key]

        assert not set("\"'") & set(texts["de"] + texts["en"])
        assert texts["de"].count("„") == texts["de"].count("“")
        assert "”" not in texts["de"]
        assert "„" not in texts["en"]
        assert " - " not in texts["de"] + texts["en"]

    def test_every_word_is_needed(self) -> None:
        """A word that nothing says would be translated for nobody."""
        package = ROOT / "src" / "cube_acceptance"
        code = "\n".join(
            path.read_text("utf-8") for kind in ("*.py", "*.jinja") for path in package.rglob(kind)
        )
        used = set(re.findall(r"['\"]([a-z]+\.[a-z0-9_-]+)['\"]", code))
        open_ = set(re.findall(r"['\"]([a-z]+)\.(?:\{|\" ~)", code)) | {"fact", "direction", "try"}
        said = {*re.findall(r"\"([a-z_]+)\"", code), "privilege_root", "privilege_user"}

        unused = {
            key
            for key in wording.words()
            if key not in used
            and key.partition(".")[0] not in open_
            and key.partition(".")[2] not in said
        }

        assert unused == set()

    def test_every_fact_that_a_case_shows_has_a_name(self) -> None:
        """What a case calls its facts is English code; a German reader needs words."""
        shown = {
            keyword.arg
            for path in (ROOT / "tests").glob("*.py")
            for node in ast.walk(ast.parse(path.read_text("utf-8")))
            if isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in {"passes", "show", "fail", "inconclusive"}
            for keyword in node.keywords
            if keyword.arg
        }

        assert {name for name in shown if f"fact.{name}" not in wording.words()} == set()


class TestSay:
    """Saying a word."""

    def test_facts_fill_the_template(self) -> None:
        """A sentence carries its facts."""
        said = wording.say("evidence.attempts", "de", count=3)

        assert said == "Versuche: 3"

    def test_an_unknown_word_is_a_defect(self) -> None:
        """A missing word must show in tests, never as an empty place on a certificate."""
        with pytest.raises(KeyError):
            wording.say("no.such", "de")

    def test_a_missing_fact_is_a_defect(self) -> None:
        """A sentence with a hole must not be printed."""
        with pytest.raises(KeyError):
            wording.say("evidence.attempts", "de")


class TestLabel:
    """Naming keys that data bring along."""

    def test_a_known_key_has_a_word(self) -> None:
        """Readers read words."""
        assert wording.label("fact", "lease_s", "de") == "Leasedauer (s)"

    def test_an_unknown_key_names_itself(self) -> None:
        """A new fact must not end the rendering."""
        assert wording.label("fact", "new\u202e_fact", "de") == "new\ufffd_fact"


class TestDecimal:
    """Figures."""

    @pytest.mark.parametrize(
        ("value", "german", "english"),
        [
            (0.003217, "0,003217", "0.003217"),
            (-1.5, "\N{MINUS SIGN}1,5", "\N{MINUS SIGN}1.5"),
            (86400, "86400", "86400"),
            (2.0, "2", "2"),
            (-0.0000001, "0", "0"),
        ],
    )
    def test_each_language_has_its_sign(self, value: float, german: str, english: str) -> None:
        """A decimal point in a German document reads as thousands."""
        assert wording.decimal(value, "de") == german
        assert wording.decimal(value, "en") == english


class TestMilliseconds:
    """Durations."""

    @pytest.mark.parametrize(
        ("seconds", "text"),
        [(0.0123, "12,3\N{NO-BREAK SPACE}ms"), (4.25, "4,2\N{NO-BREAK SPACE}s")],
    )
    def test_the_unit_follows_the_size(self, seconds: float, text: str) -> None:
        """0.0 s would say nothing about a fast answer."""
        assert wording.milliseconds(seconds, "de") == text


class TestMoment:
    """Dates and times of day."""

    @pytest.mark.parametrize(
        ("time", "german", "english"),
        [
            (CET, "23.11.2026, 10:00:00 Uhr (MEZ)", "23 November 2026, 10:00:00 UTC+1"),
            (UTC, "23.11.2026, 09:00:00 Uhr (UTC)", "23 November 2026, 09:00:00 UTC"),
            (
                {"zone": "IST", "utc_offset_min": 330},
                "23.11.2026, 14:30:00 Uhr (UTC+5:30)",
                "23 November 2026, 14:30:00 UTC+5:30",
            ),
            (
                {"zone": "EST", "utc_offset_min": -300},
                "23.11.2026, 04:00:00 Uhr (UTC\N{MINUS SIGN}5)",
                "23 November 2026, 04:00:00 UTC\N{MINUS SIGN}5",
            ),
        ],
    )
    def test_the_zone_is_always_said(
        self, time: dict[str, object], german: str, english: str
    ) -> None:
        """A time without a zone proves nothing a year later."""
        when = "2026-11-23T09:00:00.000Z"

        assert wording.moment(when, time, "de").replace("\N{NO-BREAK SPACE}", " ") == german
        assert wording.moment(when, time, "en").replace("\N{NO-BREAK SPACE}", " ") == english

    def test_the_clock_has_milliseconds(self) -> None:
        """Evidence is read beside packet captures."""
        assert wording.clock("2026-11-23T09:00:00.120Z", CET, "de") == "10:00:00,120"
        assert wording.clock("2026-11-23T09:00:00.120Z", CET, "en") == "10:00:00.120"


class TestSpan:
    """From when to when."""

    def test_one_day_is_said_once(self) -> None:
        """Repeating the day would hide the times."""
        time = CET | {"started": "2026-11-23T09:00:00.000Z", "ended": "2026-11-23T09:00:14.000Z"}

        german = wording.span(time, "de").replace("\N{NO-BREAK SPACE}", " ")
        english = wording.span(time, "en").replace("\N{NO-BREAK SPACE}", " ")

        assert german == "23.11.2026, 10:00:00 bis 10:00:14 Uhr (MEZ)"
        assert english == "23 November 2026, 10:00:00 to 10:00:14 UTC+1"

    def test_a_run_over_midnight_names_both_days(self) -> None:
        """Otherwise it would seem to end before it began."""
        time = CET | {"started": "2026-11-23T22:59:00.000Z", "ended": "2026-11-23T23:01:00.000Z"}

        said = wording.span(time, "de")

        assert "23.11.2026" in said
        assert "24.11.2026" in said


def texts(language: str) -> list[str]:
    """Every text of a language that certificate, request and documents are made of."""

    def under(key: str, value: object) -> list[str]:
        if isinstance(value, str):
            return [value] if language in key.split("_") else []
        if not isinstance(value, (dict, list)):
            return []
        within = value.items() if isinstance(value, dict) else enumerate(value)
        inherited = f"{key}_" if language in key.split("_") else ""
        return [one for name, each in within for one in under(f"{inherited}{name}", each)]

    files = ("requirements.toml", "explanations.toml", "text/wording.toml")
    return [
        text
        for file in files
        for table in tomllib.loads((SOURCE / file).read_text("utf-8")).values()
        for text in under("", table)
    ]


class TestTrade:
    """What a reader of the trade has struck once does not come back under another key."""

    GERMAN = (
        r"Hardware-Adress",  # MAC-Adresse, as everywhere else
        r"\b[Rr]aw\b|\b[Ss]ocket|\brefused\b|\bdisabled\b(?!\))",
        r"Frage(n)? (an den|nach)",  # a DNS server is sent an Anfrage
        r"\{(servers|theirs|macs)\} (ist|antwortet|läuft|weist|meldet)\b",  # they can be several
        r"in \{days\} Tagen",
        r"geht (aber )?um \{offset\} s falsch",  # the figure has a sign
    )
    ENGLISH = (
        r"hardware address",
        r"\bmend\b",
        r"\bis no (valid|web|SSH|port)\b",
        r"\{(servers|theirs|macs)\} (is|answers|says|runs)\b",
        r"in \{days\} days",
    )

    @pytest.mark.parametrize(("language", "struck"), [("de", GERMAN), ("en", ENGLISH)])
    def test_stays_away(self, language: str, struck: tuple[str, ...]) -> None:
        """In both languages."""
        said = texts(language)

        assert len(said) > 500
        assert [text for text in said if re.search("|".join(struck), text)] == []

    def test_the_test_computer_has_one_name_on_paper(self) -> None:
        """Whoever reads a certificate sits at another computer."""
        said = tomllib.loads((SOURCE / "requirements.toml").read_text("utf-8"))

        assert not re.search(r"\b[Dd]ies\w* Computer|\b[Tt]his computer", repr(said))
