"""What the terminal says: a line a requirement, progress, and the end of a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from cube_acceptance import catalogue as catalogues
from cube_acceptance import expected
from cube_acceptance.certificate import terminal
from cube_acceptance.judge import Judgement
from cube_acceptance.site import Cube, Site
from selftests.support import cases, healthy

if TYPE_CHECKING:
    from cube_acceptance.catalogue import Catalogue

FOLDER = Path("reports") / "run"
CUBES = [
    {"name": f"line-{number}", "address": f"10.20.0.{number}", "hostname": ""}
    for number in range(1, 60)
]


def result(number: int = 1, **changes: object) -> dict[str, object]:
    """A result that did not pass."""
    return {
        "requirement": "PING-02",
        "title": "Ping to the CUBE",
        "level": "optional",
        "subject": f"line-{number}",
        "outcome": "fail",
        "cause": "no-answer",
        "reason": f"No reply from 10.20.0.{number}.",
        "remedy": f"Allow it to 10.20.0.{number}.",
        "waiver": None,
        "cases": [],
    } | changes


def certificate(*results: dict[str, object], **changes: object) -> dict[str, object]:
    """As much of a certificate as the terminal shows."""
    return {
        "verdict": "accepted",
        "simulated": False,
        "stage": "acceptance",
        "vantage": {"address": "", "interface": "", "prefix": 0},
        "item": {"cubes": CUBES},
        "results": list(results),
        "complaints": [],
        "observations": [],
    } | changes


def texts(given: dict[str, object], folder: Path = FOLDER, **more: object) -> list[str]:
    """The last lines without their looks."""
    return [line.text for line in terminal.last_lines(given, folder, "en", **more)]  # type: ignore[arg-type]


class TestLastLines:
    """What did not pass, then verdict, next step and path."""

    def test_verdict_and_path_are_last(self) -> None:
        """A script finds them in the last block: verdict, next step, folder, page."""
        lines = terminal.last_lines(certificate(), FOLDER, "en")

        assert lines[-4] == ("Verdict: Accepted", ("bold", "green"))
        assert lines[-3].text.startswith("Next step: have both sides sign")
        assert [line.text for line in lines[-2:]] == [
            str(FOLDER),
            (FOLDER / "certificate.html").absolute().as_uri(),
        ]

    def test_a_print_is_named(self, tmp_path: Path) -> None:
        """Where there is one."""
        (tmp_path / "certificate.pdf").touch()

        assert texts(certificate(), tmp_path)[-1] == str(tmp_path / "certificate.pdf")

    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({"verdict": "rejected"}, "remove the obstacles"),  # nothing of it is others' work
            ({"verdict": "incomplete"}, "remove the obstacles"),
            ({"stage": "readiness"}, "install the CUBE"),
            ({"simulated": True, "verdict": "rejected"}, "test a real network"),
        ],
    )
    def test_what_to_do_next(self, changes: dict[str, object], words: str) -> None:
        """It follows from the verdict."""
        assert words in texts(certificate(**changes))[-3]

    def test_the_request_is_named(self) -> None:
        """Where it asks for something."""
        case = {"case": "x", "outcome": "fail", "reason": "", "remedy": "", "asked": "Allow it."}
        given = certificate(result(cases=[case]), verdict="rejected")

        assert "give request.txt to" in texts(given)[-3]

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
        lines = texts(certificate(stage=stage, vantage=vantage))

        assert "10.20.0.20 on eth0" in lines[-6]
        assert words in lines[-6]

    def test_simulated_says_so(self) -> None:
        """A simulated run is never mistaken for a certificate."""
        lines = terminal.last_lines(certificate(simulated=True), FOLDER, "de")

        assert lines[-4].text == "Gesamturteil: Simulation bestanden"

    def test_what_did_not_pass_comes_with_its_remedy(self) -> None:
        """The engineer reads on the spot what to do."""
        lines = terminal.last_lines(certificate(result()), FOLDER, "en")

        assert lines[1:4] == [
            (
                "  ✗ PING-02 Ping to the CUBE (optional): not met (no-answer) \N{EN DASH} line-1",
                ("red",),
            ),
            ("      No reply from 10.20.0.1.", ()),
            ("      → Allow it to 10.20.0.1.", ()),
        ]

    def test_no_remedy_no_arrow(self) -> None:
        """Where there is nothing to do, nothing is said; a site needs no name."""
        lines = texts(certificate(result(subject="site", remedy="")))

        assert lines[1] == "  ✗ PING-02 Ping to the CUBE (optional): not met (no-answer)"
        assert "→" not in "".join(lines)

    @pytest.mark.parametrize("outcome", ["pass", "not-applicable"])
    def test_what_is_settled_is_not_listed(self, outcome: str) -> None:
        """Good news is the verdict."""
        assert not any("PING-02" in line for line in texts(certificate(result(outcome=outcome))))

    def test_equal_remedies_are_one(self) -> None:
        """Of 29 CUBEs that all lack the same, whatever they are called."""
        lines = texts(certificate(*map(result, range(1, 30)), result(30, cause="lost")))

        assert [line for line in lines if "→" in line] == [
            "      → Allow it to 10.20.0.1.",
            "      → Allow it to 10.20.0.30.",
        ]
        assert any("line-5, line-6 and 23 more" in line for line in lines)

    def test_a_long_list_is_cut(self) -> None:
        """Two hundred lines would push the verdict off the screen."""
        many = [
            result(number, remedy=f"Mend {'x' * number}.")
            for number in range(terminal.LINES_LIMIT + 3)
        ]

        assert "  … 3" in texts(certificate(*many))

    def test_what_was_left_out_on_purpose(self) -> None:
        """``-m required`` is told in one line that the others were not tested."""
        given = certificate(result(outcome="not-run"), verdict="incomplete")
        lines = texts(given, left_out={("PING-02", "line-1")})

        assert lines[1] == "  Not tested, because not selected: PING-02."
        assert "without a selection" in lines[-3]
        assert not any("→" in line for line in lines)

    def test_what_was_tested_was_not_left_out(self) -> None:
        """Whatever the session knows of its selection."""
        lines = texts(certificate(result()), left_out={("PING-02", "line-1")})

        assert lines[1].startswith("  ✗ PING-02")

    def test_complaints_and_observations(self) -> None:
        """Both are shown, the network's text without control characters."""
        seen = {"requirement": "DHCP-01", "subject": "site", "code": "x", "text": "odd\x1b[31m"}
        lines = texts(certificate(complaints=["broken"], observations=[seen]))

        assert "  broken" in lines
        assert "  i DHCP-01: odd\N{REPLACEMENT CHARACTER}[31m" in lines


class TestRequirement:
    """One line a requirement, as soon as it is judged."""

    def judged(
        self, requirement: str, saved: object = None
    ) -> list[tuple[expected.Owed, Judgement]]:
        """What the healthy site's cases of a requirement come to."""
        evidence = saved or healthy.saved()
        return [
            (owing, cases.judge(evidence, owing))  # type: ignore[arg-type]
            for owing in expected.owed(catalogues.load(), healthy.SITE)
            if owing.requirement == requirement
        ]

    def test_what_was_seen(self, catalogue: Catalogue) -> None:
        """In the reader's language."""
        line = terminal.requirement(catalogue, self.judged("NTP-01"), "de")

        assert line.text.startswith("✓ NTP-01   Zeitserver (NTP): Server 10.20.0.1, Stratum ")
        assert "verglichen mit der Zeit der Cloud-Dienste" in line.text
        assert line.look == ("green",)

    def test_for_whom(self, catalogue: Catalogue) -> None:
        """Several cases are told by what they are about."""
        line = terminal.requirement(catalogue, self.judged("DNS-01"), "en")

        assert line.text.endswith(": disco.tapio.one, connect.homag.cloud")

    def test_that_it_is_met(self, catalogue: Catalogue) -> None:
        """Where nothing else is to be told."""
        owing = self.judged("NTP-01")[0][0]
        line = terminal.requirement(catalogue, [(owing, Judgement(outcome="pass"))], "en")

        assert line.text.endswith(": met")

    def test_one_of_several_fails(self, catalogue: Catalogue) -> None:
        """The worst is told, by name, with how many there are."""
        (first, met), (second, _) = self.judged("DNS-01")
        unclear = Judgement(outcome="inconclusive", cause="off-link", text="off-link")
        one = terminal.requirement(catalogue, [(first, met), (second, unclear)], "en", signs=False)
        both = terminal.requirement(catalogue, [(first, unclear), (second, unclear)], "en")

        assert one.text == (
            "? DNS-01   Name resolution (DNS): connect.homag.cloud: "
            "The test computer is not in the CUBE\N{RIGHT SINGLE QUOTATION MARK}s network."
        )
        assert "2 of 2; disco.tapio.one: The" in both.text

    def test_of_one_case(self, catalogue: Catalogue) -> None:
        """It needs no name."""
        (owing, _) = self.judged("SSH-01")[0]
        line = terminal.requirement(
            catalogue, [(owing, Judgement(outcome="not-run", text="not-run"))], "de"
        )

        assert ": Diese Prüfung wurde" in line.text


class TestHeader:
    """What is tested and from where."""

    def test_names_site_and_cubes(self) -> None:
        """A fleet by a few; a site without a name or a CUBE by a dash."""
        cubes = tuple(Cube(name=f"c{number}", address=f"10.0.0.{number}") for number in range(1, 9))
        site = msgspec.structs.replace(healthy.SITE, cubes=cubes)

        assert terminal.header(site, "eth0", "de") == (
            "Standort: Werk Ulm; CUBEs: c1, c2, c3, c4, c5, c6 und 2 weitere; "
            "gemessen wird von eth0"
        )
        assert terminal.header(Site(), "eth0", "en") == (
            "site: \N{EN DASH}; CUBEs: none; measured from eth0"
        )


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

    @pytest.mark.parametrize(
        ("text", "width", "shown"),
        [
            ("abc", 3, "abc"),
            ("abcd", 3, "ab…"),
            ("線線線", 5, "線線…"),
            ("線線線", 4, "線…"),
            ("a\u0308bc", 3, "a\u0308bc"),
        ],
    )
    def test_no_wider_than_the_terminal(self, text: str, width: int, shown: str) -> None:
        """Chinese characters take two columns, combining ones none."""
        assert terminal.fitted(text, width) == shown
