"""Tests of the request before the visit: everything that applies, from the site file alone."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cube_acceptance import catalogue as catalogues
from cube_acceptance import commands
from cube_acceptance.certificate import letter, request
from cube_acceptance.site import Cube, Ntp, People, Person, Plant, Site, VantageWish
from cube_acceptance.text import wording

if TYPE_CHECKING:
    from cube_acceptance.certificate.rules import Rule

EXAMPLES = Path(__file__).parents[2] / "fixtures" / "sites"
ULM = EXAMPLES / "werk-ulm.toml"
OLD = Cube(name="old", address="10.20.0.51", version="0.129.7", ssh="enabled")
SITE = Site(
    site=Plant(name="Werk Ulm"),
    people=People(operator=Person(name="A. Beispiel", contact="<b>07443</b>")),
    cubes=(Cube(name="new", address="10.20.0.50", version="0.131.0"), OLD),
)


def rules_of(site: Site, requirement: str) -> list[Rule]:
    """The rules that are asked for because of one requirement."""
    asked = letter.before(catalogues.load(), site, "en")
    return [rule for item in asked.items if item.requirement == requirement for rule in item.rules]


class TestBefore:
    """What is asked for."""

    def test_is_everything_that_applies(self) -> None:
        """Each requirement with what, why and a rule; a shell that is off needs none."""
        asked = letter.before(catalogues.load(), Site(cubes=SITE.cubes[:1]), "de")
        known = [entry.id for entry in catalogues.load().requirement]

        assert [item.requirement for item in asked.items] == known[:-1]
        assert all(item.rules and item.reasons and item.meaning for item in asked.items)
        readiness = letter.before(catalogues.load(), Site(stage="readiness"), "de")
        assert [item.requirement for item in readiness.items] == known[:5]

    @pytest.mark.parametrize(
        ("requirement", "ends"),
        [
            ("DHCP-01", [("0.0.0.0", "255.255.255.255", "67, 68")]),
            (
                "HTTPS-01",
                [
                    (
                        "10.20.0.50, 10.20.0.51",
                        "*.tapio.one, disco.tapio.one, connect.homag.cloud",
                        "443",
                    )
                ],
            ),
            ("PING-01", [("10.20.0.50, 10.20.0.51", "disco.tapio.one", "")]),
            ("DIAG-01", [("", "10.20.0.50", "80"), ("", "10.20.0.51", "45001")]),
            ("CONN-01", [("", "10.20.0.50, 10.20.0.51", "5555")]),
            ("MDNS-01", [("10.20.0.50, 10.20.0.51", "224.0.0.251", "5353")]),
            ("SSH-01", [("", "10.20.0.51", "22")]),
        ],
    )
    def test_names_both_ends(self, requirement: str, ends: list[tuple[str, str, str]]) -> None:
        """As a firewall can hold it."""
        found = rules_of(SITE, requirement)

        assert [(rule.source, rule.destination, rule.port) for rule in found] == ends

    def test_names_servers_where_they_are_known(self) -> None:
        """Else it asks that DHCP hands them out."""
        (by_dhcp,) = rules_of(SITE, "NTP-01")
        (by_file,) = rules_of(Site(cubes=SITE.cubes, ntp=Ntp(servers=("10.9.9.1",))), "NTP-01")

        assert "option 42" in by_dhcp.destination
        assert by_file.destination == "10.9.9.1"
        asked = letter.before(catalogues.load(), SITE, "en")
        assert [bool(item.actions) for item in asked.items[:3]] == [False, True, True]

    @pytest.mark.parametrize(
        ("network", "source"),
        [("10.20.0.0/24", "10.20.0.0/24"), ("", wording.say("letter.cubes", "en"))],
    )
    def test_before_a_cube_is_there(self, network: str, source: str) -> None:
        """Its network, or a gap that is seen to be one."""
        site = Site(stage="readiness", vantage=VantageWish(network=network))
        (rule,) = rules_of(site, "DNS-01")

        assert rule.source == source


class TestWritten:
    """As a page, a mail or a ticket."""

    def test_page_to_print(self) -> None:
        """It stands alone, and what the site file says is text."""
        html = letter.as_html(letter.before(catalogues.load(), SITE, "de"))

        assert "Freigabeantrag vor der Prüfung</h1>" in html
        assert "&lt;b&gt;07443&lt;/b&gt;" in html
        assert "*.tapio.one" in html
        assert "http" not in html.replace("http-equiv", "")

    def test_text_says_why(self) -> None:
        """No certificate, no reason yet: what is needed, and what happens otherwise."""
        said = request.as_text(letter.before(catalogues.load(), SITE, "de"))

        assert "Gebraucht:" in said
        assert "Sonst:" in said
        assert "Protokoll 0" not in said
        assert "Danach" not in said


class TestCommand:
    """``cube-acceptance letter``."""

    def test_writes_a_file(self, tmp_path: Path) -> None:
        """In the language of the site file, or in the one asked for."""
        target = tmp_path / "letter.csv"
        arguments = ["letter", "--site", str(ULM), "--format", "csv", "--output", str(target)]

        assert commands.main([*arguments, "--lang", "en"]) == 0
        rows = list(csv.DictReader(io.StringIO(target.read_text("utf-8"), newline="")))
        assert rows[1]["title"] == "Time server (NTP)"

    def test_writes_to_the_terminal(self, capsys: pytest.CaptureFixture[str]) -> None:
        """HTML unless told otherwise."""
        assert commands.main(["letter", "--site", str(ULM)]) == 0
        assert capsys.readouterr().out.startswith('<!DOCTYPE html>\n<html lang="de">')

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            ([], "--site"),
            (["--site", "no-such.toml"], "no-such.toml"),
            (["--site", str(ULM), "--output", "no/such/folder"], "No such file"),
        ],
    )
    def test_usage(
        self, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """A sentence and never a traceback."""
        assert commands.main(["letter", *arguments]) == 4
        assert said in capsys.readouterr().err
