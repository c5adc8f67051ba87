"""What has to be seen at a glance: signs, seal, network path."""

from __future__ import annotations

import re
from itertools import combinations

import pytest

from cube_acceptance.certificate import picture
from cube_acceptance.verdict import EXIT_STATUS, OUTCOMES
from selftests.support import samples


def luminance(colour: str) -> float:
    """Return a colour's relative luminance (WCAG 2.2)."""
    parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


class TestIcon:
    """The outcomes' signs."""

    def test_no_two_outcomes_share_their_shape(self) -> None:
        """Outcomes have to be told apart without colour."""
        shapes = {word: re.sub(r"#[0-9a-f]{6}", "", picture.icon(word)) for word in OUTCOMES}

        assert all(shapes[one] != shapes[other] for one, other in combinations(OUTCOMES, 2))

    @pytest.mark.parametrize("word", OUTCOMES)
    def test_the_colour_can_be_seen(self, word: str) -> None:
        """WCAG 2.2, 1.4.3, asks for 4.5 to 1 against the white sign or paper."""
        contrast = 1.05 / (luminance(picture.COLOURS[word]) + 0.05)

        assert contrast >= 4.5

    @pytest.mark.parametrize("word", OUTCOMES)
    def test_the_word_stands_beside_it(self, word: str) -> None:
        """The sign is silent to a screen reader, so the word has to be there."""
        shown = picture.outcome(word, "de")

        assert 'aria-hidden="true"' in shown
        assert re.sub(r"<[^>]*>", "", shown).strip()


class TestSeal:
    """The verdicts' signs."""

    def test_every_verdict_has_its_own(self) -> None:
        """A glance has to tell a rejection from an acceptance."""
        assert len({picture.seal(verdict) for verdict in EXIT_STATUS}) == len(EXIT_STATUS)

    def test_a_simulated_one_is_an_outline(self) -> None:
        """A simulated acceptance must not look like one."""
        seal = picture.seal("accepted", simulated=True)

        assert picture.COLOURS["pass"] not in seal
        assert "stroke-dasharray" in seal


class TestPath:
    """The picture of the network path."""

    def test_every_requirement_is_an_arrow(self) -> None:
        """The picture must not leave out what the table says."""
        certificate = samples.rejected("de")

        drawn = picture.arrows(certificate)

        assert [arrow.requirement for arrow in drawn] == list(
            picture.by_requirement(certificate["results"])
        )

    def test_arrows_lead_where_the_requirement_does(self) -> None:
        """Inward to the CUBE, to the plant network, or out as far as the requirement reaches."""
        ends = {arrow.requirement: arrow.end.key for arrow in picture.arrows(samples.accepted())}

        assert ends["DIAG-01"] == "cube"
        assert ends["DHCP-01"] == "network"
        assert ends["NTP-01"] == "internet"
        assert ends["PING-01"] == "tapio"
        assert ends["HTTPS-01"] == "homag"

    def test_the_worst_cube_decides_the_arrow(self) -> None:
        """One CUBE out of many that fails must show, counted as in the table below."""
        drawn = {arrow.requirement: arrow for arrow in picture.arrows(samples.few())}

        assert drawn["DIAG-01"].outcome == "fail"
        assert drawn["DIAG-01"].label == "DIAG-01  1/6"
        assert drawn["CONN-01"].label == "CONN-01  6/6"

    def test_a_reservation_outweighs_a_pass(self) -> None:
        """The outcomes' order is the verdict's, not the alphabet's."""
        made = samples.certificate(
            count=2, outcomes={("DIAG-01", "line-1"): ("waived", "no-answer")}
        )
        drawn = {arrow.requirement: arrow for arrow in picture.arrows(made)}

        assert drawn["DIAG-01"].outcome == "waived"

    def test_it_has_a_text_that_says_all_of_it(self) -> None:
        """Somebody who cannot see the picture gets every arrow in words."""
        certificate = samples.rejected("de")

        svg = picture.path(certificate, "de")

        assert 'role="img" aria-labelledby="path-title" aria-describedby="path-desc"' in svg
        assert "NTP-01, Zeitserver (NTP), Prüfcomputer bis Internet: nicht erfüllt." in svg
        assert svg.count(": erfüllt.") == 5

    def test_places_show_their_addresses(self) -> None:
        """Support has to see which computer, gateway and CUBE were meant."""
        svg = picture.path(samples.accepted(), "en")

        assert all(address in svg for address in ("10.20.0.50", "10.20.0.9", "10.20.0.1<"))

    def test_many_cubes_are_counted(self) -> None:
        """200 addresses have no room in a picture."""
        assert "200 CUBEs" in picture.path(samples.fleet(), "en")

    def test_no_cube_leaves_its_address_out(self) -> None:
        """Before a CUBE is there, its place is empty."""
        certificate = samples.readiness()
        certificate["item"]["cubes"] = []

        assert "10.20.0.50" not in picture.path(certificate, "de")

    def test_the_legend_explains_what_is_used(self) -> None:
        """Signs without their words would have to be guessed; unused ones distract."""
        legend = picture.legend(samples.accepted(), "de")

        assert "erfüllt" in legend
        assert "nicht" not in legend
