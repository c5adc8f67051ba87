"""Tests of the request to the network's administrator: what it asks for, as text and as CSV."""

from __future__ import annotations

import csv
import io

import pytest

from cube_acceptance.certificate import request
from selftests.support import samples


def rows(asked: request.Request) -> list[dict[str, str]]:
    """The table, by column."""
    return list(csv.DictReader(io.StringIO(request.as_csv(asked), newline="")))


class TestText:
    """For a mail, or a ticket."""

    def test_makes_sense_on_its_own(self) -> None:
        """It is read where nobody sees the certificate."""
        made = samples.rejected("de")
        made["people"]["operator"]["contact"] = "+49 7443 130"
        said = request.as_text(request.after(made, "de"))

        assert said.startswith("Freigabeantrag Netzwerk für HOMAG CUBE: Werk Ulm\n")
        assert made["certificate_id"] in said
        assert "Rückfragen an: Jana Krüger, HOMAG Service, +49 7443 130\n" in said
        assert "Grund:       Zeitserver 10.20.0.1: keine Antwort auf UDP 123.\n" in said
        assert "Folge:       Der CUBE kann ohne richtige Uhrzeit" in said
        assert "Quelle:      10.20.0.50; für die Prüfung auch 10.20.0.9 (Prüfcomputer)\n" in said
        assert "Ziel:        10.20.0.1\n" in said

    def test_keeps_required_and_optional_apart(self) -> None:
        """An administrator with little time does what is needed first."""
        said = request.as_text(request.after(samples.rejected("de"), "de"))
        required, _, optional = said.partition("OPTIONAL")

        assert "ERFORDERLICH" in required
        assert "NTP-01" in required
        assert "PING-01" not in required
        assert "PING-01" in optional
        assert "keiner (Echo-Anfrage Typ 8, Antwort Typ 0)" in optional

    def test_asks_for_what_an_administrator_can_do(self) -> None:
        """An exemption without a rule; nothing that was not determined, nothing of the tester's."""
        asked = request.after(samples.rejected("de"), "de")

        assert [item.requirement for item in asked.items] == [
            "NTP-01", "HTTPS-01", "PING-01", "CONN-01",
        ]  # fmt: skip
        https = asked.items[1]
        assert "TLS-Inspektion" in https.actions[0]
        assert https.rules == ()
        assert asked.items[3].cubes == ("line-1 (10.20.0.50)",)
        assert [each.requirement for each in asked.own] == ["CONN-01", "LLMNR-01", "SSH-01"]

    def test_says_once_what_holds_for_many(self) -> None:
        """Twenty CUBEs behind one closed port are one thing to do."""
        outcomes = {("CONN-01", f"line-{n}"): ("fail", "refused") for n in range(1, 21)}
        outcomes |= {("DIAG-01", "line-1"): ("fail", "wrong-answer.proxy")}
        made = samples.certificate("de", count=20, outcomes=outcomes)
        diag, conn = request.after(made, "de").items

        assert len(conn.cubes) == 20
        assert len(conn.reasons) == len(conn.actions) == len(conn.rules) == 1
        assert "(Ebenso bei 19 weiteren der genannten CUBEs.)" in conn.reasons[0]
        assert "Ebenso" not in conn.actions[0] + diag.reasons[0]
        assert conn.rules[0].destination.count(", ") == 19

    def test_no_rule_is_cut_short(self) -> None:
        """Whoever copies it has to have every address."""
        outcomes = {("CONN-01", f"line-{n}"): ("fail", "no-answer") for n in range(1, 401)}
        asked = request.after(samples.certificate("de", count=400, outcomes=outcomes), "de")

        for written in (request.as_text(asked), request.as_csv(asked)):
            assert "\N{HORIZONTAL ELLIPSIS}" not in written
            assert "10.20.2.49" in written

    def test_asks_whose_a_stray_server_is(self) -> None:
        """It leaves the requirement open, and nobody but the administrator can take it away."""
        outcomes = {("DHCP-01", "site"): ("inconclusive", "ambiguous")}
        asked = request.after(samples.certificate("en", outcomes=outcomes), "en")

        assert [(item.requirement, item.rules) for item in asked.items] == [("DHCP-01", ())]
        assert "stray router" in asked.items[0].actions[0]
        assert "site file" in asked.own[0].texts[0]

    def test_names_only_the_cubes_that_it_is_for(self) -> None:
        """A CUBE that is switched off is nothing for the administrator."""
        outcomes = {
            ("CONN-01", "line-1"): ("fail", "no-route"),
            ("CONN-01", "line-2"): ("fail", "no-answer"),
        }
        asked = request.after(samples.certificate("en", count=2, outcomes=outcomes), "en")

        assert asked.items[0].cubes == ("line-2 (10.20.0.51)",)

    def test_of_a_reservation_still_asks(self) -> None:
        """An accepted deviation is to go one day."""
        asked = request.after(samples.reserved("en"), "en")

        assert [(item.requirement, item.cause) for item in asked.items] == [("NTP-01", "no-answer")]

    def test_names_some_site(self) -> None:
        """A site file need not name the plant, nor anybody."""
        made = samples.accepted("en")
        made["site"] = {"name": "", "customer": "", "location": ""}
        made["people"]["operator"] = None
        said = request.as_text(request.after(made, "en"))

        assert said.startswith("Network change request for the HOMAG CUBE: HOMAG CUBE\n")
        assert "Questions to" not in said
        assert said.endswith("There is nothing for the network administration to do.\n")

    def test_of_an_older_certificate_is_empty(self) -> None:
        """Before there were shares of a remedy, nobody's was told."""
        made = samples.rejected("en")
        for result in made["results"]:
            result["requests"] = []
            for case in result["cases"]:
                del case["asked"], case["own_work"]

        assert request.after(made, "en").items == request.after(made, "en").own == ()


class TestTable:
    """For a ticket system."""

    def test_has_a_line_for_a_rule_and_for_an_action(self) -> None:
        """Whoever imports it finds the columns by their names, whatever the language."""
        found = rows(request.after(samples.rejected("de"), "de"))

        assert [(row["requirement"], row["destination"]) for row in found] == [
            ("NTP-01", "10.20.0.1"),
            ("HTTPS-01", ""),
            ("CONN-01", "10.20.0.50"),
            ("PING-01", "10.20.0.1"),
        ]
        assert tuple(found[0]) == request.COLUMNS
        assert found[0]["source"] == "10.20.0.50"
        assert found[0]["for_the_test"] == "10.20.0.9"
        assert found[2]["level"] == "required"
        assert "UDP 123" in found[0]["action"]

    @pytest.mark.parametrize("name", ["=1+1", "\u202eevil"])
    def test_is_safe_to_open(self, name: str) -> None:
        """A CUBE's name is no formula, and does not turn the line round."""
        made = samples.rejected("en")
        made["site"]["name"] = name
        row = rows(request.after(made, "en"))[0]

        assert not row["site"].startswith(("=", "\u202e"))


class TestNamed:
    """A CUBE's name."""

    def test_says_an_address_once(self) -> None:
        """A nameless CUBE is called by its address."""
        assert request.named({"name": "10.0.0.1", "address": "10.0.0.1"}) == "10.0.0.1"
        assert request.named({"name": "a", "address": "10.0.0.1"}) == "a (10.0.0.1)"
