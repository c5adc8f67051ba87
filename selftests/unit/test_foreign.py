"""Text from outside: one rule at every door."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cube_acceptance.judge import fact
from cube_acceptance.probes.net import http1
from cube_acceptance.site import check_text
from cube_acceptance.text.foreign import PAGE_LIMIT, is_plain, one_line, plain

UNSEEN = (
    *("\x00", "\x1b", "\x7f", "\x9b", "\ud800", "\ue000", "\u00ad", "\u200b", "\ufeff"),
    *("\u061c", "\u200e", "\u200f", "\u202a", "\u202e", "\u2066", "\u2069", "\U000e0041"),
)
"""Control characters, half a character, one of no alphabet, invisible ones, and such as change
the direction of writing."""

SPELT = ("Möbelwerk „Süd“ & Söhne <1>", "می\u200cخواهم", "工場", "क्\u200dष", "שלום")  # noqa: RUF001 - such letters are meant
"""Names of people and plants in every script."""

anything = st.text() | st.text(st.sampled_from(UNSEEN + tuple("ab \t\n\r\u2028\u00a0\u200c")))


@pytest.mark.parametrize("sign", UNSEEN)
class TestOnePolicy:
    """The same character is the same thing wherever it comes in."""

    def test_it_is_seen_on_the_page_and_in_a_line(self, sign: str) -> None:
        """It could make a line say something else."""
        assert plain(f"a{sign}b") == one_line(f"a{sign}b", 9) == "a\ufffdb"

    def test_it_is_seen_in_evidence_and_in_facts(self, sign: str) -> None:
        """What the network says is kept and told by the same rule."""
        assert http1.title_of(f"<title>a{sign}b</title>".encode("utf-8", "replace"), "") in {
            "a\ufffdb",
            "a?b",  # no page can bring half a character
        }
        assert fact(f"a{sign}b") == "a\ufffdb"

    def test_a_site_file_may_not_hold_it(self, sign: str) -> None:
        """Whoever writes it can put it right."""
        found = check_text(f"a{sign}b")

        assert found.problem == "contains a control or invisible character"


@pytest.mark.parametrize("text", SPELT)
def test_every_script_stays(text: str) -> None:
    """Nobody's name is mutilated, neither on the page nor in a site file."""
    assert plain(text) == one_line(text, 99) == fact(text) == text
    assert check_text(text) is None


class TestPlain:
    """Text of several lines."""

    def test_lines_and_typographic_spaces_stay(self) -> None:
        """Our own texts use them."""
        text = "a\n\tb\N{NO-BREAK SPACE}c\N{NARROW NO-BREAK SPACE}d"

        assert plain(text) == text

    def test_a_long_text_is_bounded(self) -> None:
        """Nothing from the network may blow the page up, and what was cut off says so."""
        assert plain("x" * PAGE_LIMIT) == "x" * PAGE_LIMIT
        assert plain("x" * (PAGE_LIMIT + 1)) == "x" * (PAGE_LIMIT - 1) + "…"

    @given(anything)
    def test_is_done_once(self, text: str) -> None:
        """What was made plain at one door passes the next one as it is."""
        assert plain(plain(text)) == plain(text)


class TestOneLine:
    """Text for one cell or one line of a terminal."""

    @pytest.mark.parametrize(
        ("text", "made"),
        [
            ("\n IoT\r\n\t CUBE ", "IoT CUBE"),
            ("a\u2028b\N{NO-BREAK SPACE}c", "a b c"),
            ("abcdef", "abcd…"),
            ("  abcde  ", "abcde"),
            (None, "None"),
        ],
    )
    def test_white_space_is_one_space(self, text: object, made: str) -> None:
        """A break would let a text from outside look like a line of ours."""
        assert one_line(text, 5 if made.startswith("abc") else 99) == made

    @given(anything)
    def test_is_plain(self, text: str) -> None:
        """Nothing is left that anybody would have to clean again."""
        made = one_line(text, 20)

        assert is_plain(made)
        assert len(made) <= 20
        assert len(made.splitlines()) <= 1


@pytest.mark.parametrize("text", ["a\nb", "a\tb", "a\u2028b", "a\x1fb"])
def test_several_lines_are_not_one(text: str) -> None:
    """A site file's text stands in one cell."""
    assert not is_plain(text)
