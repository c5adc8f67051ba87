"""The end of a run on the terminal, and its progress."""

from __future__ import annotations

from pathlib import Path

import pytest

from cube_acceptance.certificate import terminal

FOLDER = Path("reports") / "run"


def result(number: int = 1, **changes: object) -> dict[str, object]:
    """A result that did not pass."""
    return {
        "requirement": "PING-02",
        "level": "optional",
        "subject": f"line-{number}",
        "outcome": "fail",
        "reason": "No reply.",
        "remedy": "Allow it.",
    } | changes


def certificate(*results: dict[str, object], **changes: object) -> dict[str, object]:
    """As much of a certificate as the terminal shows."""
    return {
        "verdict": "accepted",
        "simulated": False,
        "stage": "acceptance",
        "vantage": {"address": "", "interface": "", "prefix": 0},
        "results": list(results),
        "complaints": [],
        "observations": [],
    } | changes


class TestLastLines:
    """What did not pass, then verdict and path."""

    def test_verdict_and_path_are_last(self) -> None:
        """A script can read them from the end."""
        lines = terminal.last_lines(certificate(), FOLDER, "en")

        assert lines[-2:] == ["Verdict: Accepted", str(FOLDER / "certificate.html")]

    @pytest.mark.parametrize(
        ("stage", "words"),
        [
            ("acceptance", "measured by the test computer"),
            ("readiness", "for the network 10.20.0.0/24"),
        ],
    )
    def test_says_for_whom_it_was_measured(self, stage: str, words: str) -> None:
        """What the test computer can do, the CUBE need not be allowed to."""
        vantage = {"address": "10.20.0.20", "interface": "eth0", "prefix": 24}
        lines = terminal.last_lines(certificate(stage=stage, vantage=vantage), FOLDER, "en")

        assert "10.20.0.20 on eth0" in lines[-4]
        assert words in lines[-4]

    def test_simulated_says_so(self) -> None:
        """A simulated run is never mistaken for a certificate."""
        lines = terminal.last_lines(certificate(simulated=True), FOLDER, "de")

        assert lines[-2] == "Gesamturteil: Simulation bestanden"

    def test_what_did_not_pass_comes_with_its_remedy(self) -> None:
        """The engineer reads on the spot what to do."""
        lines = terminal.last_lines(certificate(result()), FOLDER, "en")

        assert lines[1:3] == [
            "  PING-02 line-1 (optional): not met. No reply.",
            "      → Allow it.",
        ]

    def test_no_remedy_no_arrow(self) -> None:
        """Where there is nothing to do, nothing is said."""
        site = result(subject="site", remedy="")
        lines = terminal.last_lines(certificate(site), FOLDER, "en")

        assert lines[1] == "  PING-02 (optional): not met. No reply."
        assert "→" not in "".join(lines)

    @pytest.mark.parametrize("outcome", ["pass", "not-applicable"])
    def test_what_is_settled_is_not_listed(self, outcome: str) -> None:
        """Good news is the verdict."""
        lines = terminal.last_lines(certificate(result(outcome=outcome)), FOLDER, "en")

        assert not any("PING-02" in line for line in lines)

    def test_a_fleets_list_is_cut(self) -> None:
        """Two hundred lines would push the verdict off the screen."""
        many = [result(number) for number in range(terminal.LINES_LIMIT + 3)]
        lines = terminal.last_lines(certificate(*many), FOLDER, "en")

        assert "  … 3" in lines

    def test_complaints_and_observations(self) -> None:
        """Both are shown, the network's text without control characters."""
        seen = {"requirement": "DHCP-01", "subject": "site", "code": "x", "text": "odd\x1b[31m"}
        lines = terminal.last_lines(
            certificate(complaints=["broken"], observations=[seen]), FOLDER, "en"
        )

        assert "  broken" in lines
        assert "  i DHCP-01: odd\N{REPLACEMENT CHARACTER}[31m" in lines


class TestProgress:
    """One line while measurements are under way."""

    def test_says_what_is_waited_for(self) -> None:
        """In both languages."""
        waiting = ("dhcp", "ping/10.20.0.50")

        assert terminal.progress(3, 5, waiting, "en") == (
            "Measurements: 3 of 5; waiting for: dhcp, ping/10.20.0.50"
        )
        assert terminal.progress(3, 5, waiting, "de").startswith("Messungen: 3 von 5;")

    def test_names_a_few(self) -> None:
        """A fleet's list is cut."""
        waiting = tuple(f"ping/{number}" for number in range(9))

        assert terminal.progress(0, 9, waiting, "en").endswith("ping/3 …")

    def test_done(self) -> None:
        """Nothing is waited for any more."""
        assert terminal.progress(5, 5, (), "en") == "Measurements: 5 of 5"
