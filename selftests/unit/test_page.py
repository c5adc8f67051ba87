"""The certificate as a page: complete, readable by everybody, and never markup by accident."""

from __future__ import annotations

import json
import re
from functools import cache
from html.parser import HTMLParser
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import jinja2
import pytest
from markupsafe import Markup

from cube_acceptance.certificate import front, page, picture, request, sections
from cube_acceptance.certificate.markup import VOID, element, text
from cube_acceptance.certificate.reading import Reading
from cube_acceptance.evidence import Ignored, NtpObserved, Try
from cube_acceptance.text import wording
from selftests.support import samples

if TYPE_CHECKING:
    from cube_acceptance.catalogue import Language

LANGUAGES = ("de", "en")
PAYLOADS = (
    "<script>alert(1)</script>",
    "\"><img src=x onerror='alert(1)'>",
    "</style></main><script>",
    "--><svg onload=alert(1)>",
    "`<b>`",
    "\u202e\x00\ud800",
)


class Structure(HTMLParser):
    """Collects elements with their attributes, text, and elements that do not nest."""

    def __init__(self, html: str) -> None:
        """Read a page."""
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.said: list[str] = []
        self.problems: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element that opens."""
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element without content."""
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        """Check that it is the element opened last."""
        if not self._open or self._open.pop() != tag:
            self.problems.append(tag)

    def handle_data(self, data: str) -> None:
        """Collect the text outside of style sheets."""
        if not self._open or self._open[-1] != "style":
            self.said.append(data)

    @property
    def text(self) -> str:
        """Return all text."""
        return "".join(self.said)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """List the attributes of all elements of one kind."""
        return [attributes for name, attributes in self.elements if name == tag]


def poisoned(value: Any, payload: str) -> Any:  # noqa: ANN401 - JSON
    """Append a payload to every text of a certificate that is not one of our own words."""
    if isinstance(value, dict):
        kept = {"verdict", "stage", "outcome", "level", "direction", "subject", "requirement",
                "started", "ended", "zone", "expires", "privilege", "ssh"}  # fmt: skip
        nothing = {key for key in ("asked",) if value.get(key) == ""}  # else there is a request
        return {
            key: item if key in kept | nothing else poisoned(item, payload)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [poisoned(item, payload) for item in value]
    return value + payload if isinstance(value, str) else value


def render(*arguments: Any) -> str:  # noqa: ANN401 - as page.render
    """Render a certificate in one piece."""
    return "".join(page.render(*arguments))


@cache
def rendered(name: str, language: Language) -> str:
    """Render a sample once for all who look at it."""
    return render(samples.SAMPLES[name](language), language)


@cache
def seen(name: str, language: Language) -> Structure:
    """Read a rendered sample once for all who look at it."""
    return Structure(rendered(name, language))


class TestRender:
    """The whole certificate."""

    @pytest.mark.parametrize("language", LANGUAGES)
    @pytest.mark.parametrize("name", samples.SAMPLES)
    def test_every_kind_is_well_formed(self, name: str, language: Language) -> None:
        """A browser's repair of broken markup could move or hide a result."""
        read = seen(name, language)

        ids = [attributes["id"] for _, attributes in read.elements if "id" in attributes]
        assert read.problems == []
        assert len(ids) == len(set(ids))
        assert read.all("main") == [{"class": "certificate", "lang": language}]

    @pytest.mark.parametrize("name", samples.SAMPLES)
    def test_it_stands_alone(self, name: str) -> None:
        """It has to open the same from a mail attachment, with scripts disabled, offline."""
        elements = seen(name, "de").elements
        places = {f"#{attributes['id']}" for _, attributes in elements if "id" in attributes}
        links = [attributes["href"] for tag, attributes in elements if tag == "a"]

        assert not {"script", "link", "img", "iframe", "form"} & {tag for tag, _ in elements}
        assert len(links) == len(
            {each["requirement"] for each in samples.SAMPLES[name]("de")["results"]}
        )
        assert set(links) <= places
        assert not re.search(r"url\(|@import|javascript:|\son\w+=", rendered(name, "de"))

    @pytest.mark.parametrize("name", samples.SAMPLES)
    def test_headings_do_not_skip_a_level(self, name: str) -> None:
        """Screen readers move by headings."""
        elements = seen(name, "en").elements
        levels = [int(tag[1]) for tag, _ in elements if re.fullmatch(r"h\d", tag)]

        assert levels[0] == 1
        assert levels.count(1) == 1
        assert all(after <= before + 1 for before, after in pairwise(levels))

    @pytest.mark.parametrize("payload", PAYLOADS)
    @pytest.mark.parametrize("name", ["rejected", "incomplete", "reserved", "few"])
    def test_nothing_from_outside_is_markup(self, name: str, payload: str) -> None:
        """Whatever a device or a site file says, the page keeps its elements."""
        clean = samples.SAMPLES[name]("de")
        hostile = poisoned(clean, payload)

        before = Structure(render(clean, "de"))
        after = Structure(render(hostile, "de"))

        assert after.problems == []
        kinds = {tag for tag, _ in before.elements} | {"code"}
        assert {tag for tag, _ in after.elements} <= kinds
        plain = [tag for tag, _ in after.elements if tag != "code"]
        assert len(plain) >= len([tag for tag, _ in before.elements if tag != "code"])
        render(hostile, "de").encode("utf-8")

    def test_the_page_has_a_result_for_everything(self) -> None:
        """The first page's table holds every requirement with its outcome."""
        certificate = samples.rejected("de")
        html = render(certificate, "de")
        front = html[: html.index('id="part-')]

        for result in certificate["results"]:
            assert f"<b>{result['requirement']}</b>" in front

    @pytest.mark.parametrize("language", LANGUAGES)
    @pytest.mark.parametrize("name", samples.SAMPLES)
    def test_no_language_falls_back(self, name: str, language: Language) -> None:
        """A word of the other language would mean that somebody forgot one."""
        shown = seen(name, language).text
        other = "en" if language == "de" else "de"
        foreign = [
            texts[other]
            for key, texts in wording.words().items()
            if len(texts[other]) > 12 and "{" not in texts[other] and texts["de"] != texts["en"]
            and not key.startswith("fact.")
        ]  # fmt: skip

        assert [text for text in foreign if text in shown and text not in own(language)] == []


def own(language: Language) -> str:
    """Put all words of a language together, to look up accidental equality."""
    return "\n".join(texts[language] for texts in wording.words().values())


class TestVerdict:
    """The verdict on the page."""

    @pytest.mark.parametrize(
        ("name", "word"),
        [
            ("accepted", "Abgenommen"),
            ("rejected", "Nicht abgenommen"),
            ("incomplete", "Unvollständig \N{EN DASH} keine Aussage"),
            ("reserved", "Abgenommen mit Vorbehalt"),
            ("simulated", "Simulation bestanden"),
            ("readiness", "Netz bereit"),
        ],
    )
    def test_it_is_said_in_words(self, name: str, word: str) -> None:
        """Colour and shape alone are not read by everybody."""
        html = rendered(name, "de")

        assert f'<p class="verdict-word">{word}</p>' in html

    def test_incomplete_says_which_of_two_reasons(self) -> None:
        """A stray failure must not be told as a requirement that was not determined."""
        stray = samples.certificate("de", complaints=["Ein Fehler."])

        assert stray["verdict"] == "incomplete"
        assert front.reason(stray, "de").startswith("Der Lauf lässt kein Urteil zu")
        assert front.reason(samples.incomplete("de"), "de").startswith("Mindestens eine")

    def test_totals_name_the_worst_first(self) -> None:
        """The reader looks for what is wrong."""
        assert front.totals(samples.rejected("de"), "de") == [
            "Erforderlich: 3 nicht erfüllt, 3 erfüllt",
            "Optional: 1 nicht erfüllt, 1 nicht feststellbar, 1 nicht geprüft, 2 erfüllt",
        ]

    def test_a_level_without_results_says_so(self) -> None:
        """An empty list would look like a defect."""
        assert front.totals({"totals": {}}, "en") == ["Required: none", "Optional: none"]


class TestSimulated:
    """A simulated run can never be mistaken for a certificate."""

    @pytest.mark.parametrize(("language", "mark"), [("de", "SIMULIERT"), ("en", "SIMULATED")])
    def test_it_says_so_all_over(self, language: Language, mark: str) -> None:
        """On screen, on every printed page, in title, verdict and request, and unsigned."""
        made = samples.rejected(language) | {"simulated": True}
        html = render(made, language)

        assert html.count(f'data-mark="{mark}"') == page.WATERMARKS
        running = page.css_text(wording.say("notice.simulated", language))
        assert f"@top-center {{ content: {running} }}" in html
        assert request.as_text(request.after(made, language)).count(mark) == 2
        assert front.title(made, language) == wording.say("document.simulated", language)
        assert 'class="signatory"' not in html

    def test_a_real_run_does_not(self) -> None:
        """The mark would be worthless if it stood everywhere."""
        html = rendered("rejected", "de")

        assert "SIMULIERT" not in html
        assert "data-mark=" not in html

    def test_a_replay_says_so(self) -> None:
        """Nothing was measured anew."""
        assert "Judged again" in rendered("incomplete", "en")


class TestFront:
    """The first page."""

    def test_a_readiness_report_is_not_called_a_certificate(self) -> None:
        """Before a CUBE is there nothing can be accepted."""
        html = rendered("readiness", "de")

        assert "<h1>Vorprüfungsprotokoll" in html
        assert "Die Prüfung mit eingebautem CUBE steht noch aus." in html
        assert "bgenommen" not in html

    def test_ports_of_two_versions_both_stand_there(self) -> None:
        """Several CUBEs share a line of the table."""
        results = [{"port": port} for port in ("TCP 80", "TCP 45001", "TCP 80")]

        assert front.ports(results) == "TCP 80, TCP 45001"

    def test_without_a_cube_it_says_so(self) -> None:
        """An empty table would look like a defect."""
        made = samples.readiness("de")
        made["item"]["cubes"] = []

        html = render(made, "de")

        assert "Es ist noch kein CUBE eingebaut" in html
        assert "part-each" not in html.partition("</style>")[2]

    def test_both_sides_sign_with_place_and_date(self) -> None:
        """That is what the document is for."""
        html = rendered("accepted", "de")

        assert html.count('class="signatory"') == 2
        assert html.count("Ort, Datum") == 2
        assert "Dr. Peter Groß, Möbelwerke Ulm GmbH" in html

    def test_a_witness_gets_a_line(self) -> None:
        """Whoever the site file names may sign."""
        assert rendered("few", "de").count('class="signatory"') == 3

    def test_nobody_named_leaves_the_line_empty(self) -> None:
        """Names can be written by hand."""
        assert front.person(None) == ""
        assert front.person({"name": "", "organisation": "HOMAG"}) == "HOMAG"

    def test_a_few_cubes_stand_one_by_one(self) -> None:
        """With its version, address and serial number each."""
        html = rendered("few", "de")
        front = html[: html.index('id="part-')]

        assert all(f"HC-22000{number}" in front for number in range(1, 7))

    def test_a_fleet_is_summed_up(self) -> None:
        """200 rows would push everything else off the first page."""
        html = rendered("fleet", "de")
        front = html[html.index("<h1") : html.index('id="part-')]

        assert "200 CUBEs, aufgeführt in Abschnitt 3" in front
        assert "line-7, line-18" in front
        assert "und 6 weitere" in front
        assert "0.131.0 (160-mal), 0.129.7 (40-mal)" in front
        assert len(front) < 40_000

    def test_many_versions_are_counted_together(self) -> None:
        """A fleet with a version each must not fill the page; an unknown version counts too."""
        made = samples.fleet("en")
        for number, cube in enumerate(made["item"]["cubes"]):
            cube["version"] = f"0.{number}" if number else ""

        front = render(made, "en")

        assert "and 194 more" in front
        assert "unknown (\N{MULTIPLICATION SIGN}1)" in front

    def test_says_for_whom_it_was_measured(self) -> None:
        """The test computer stands in for the CUBE, and whoever signs has to know."""
        made = samples.accepted("de")

        assert "an Stelle des CUBE gemessen" in render(made, "de")
        assert "gilt für das Netz" in render(samples.readiness("de"), "de")
        made["vantage"]["address"] = ""
        assert "Für wen gemessen wurde" not in render(made, "de")

    def test_deviations_and_waivers_are_on_it(self) -> None:
        """Who signs reads one page, and a reservation without a name and a date is none."""
        made = samples.reserved("de")
        made["deviations"] = [{"code": "x", "text": f"Anderes {n}."} for n in range(7)]
        front = render(made, "de").partition('id="part-')[0]

        assert "Zugelassen: NTP-01. Zeitserver folgt" in front
        assert "Dr. Peter Groß, gültig bis" in front
        assert "Anderes 3." in front
        assert "Anderes 4." not in front
        assert "und 3 weitere" in front
        assert "Abweichungen und Vorbehalte" not in rendered("accepted", "de")

    def test_what_a_test_report_owes(self) -> None:
        """ISO/IEC 17025, 7.8.2: issue, testing body, customer, item, basis, what is replaced."""
        made = samples.accepted("en")
        made["time"] |= {"issued": "2026-11-24T09:00:00.000Z", "clock_uncertainty_s": 0.0142}
        made["people"]["operator"]["address"] = "Homagstr. 3, Schopfloch"
        made["site"]["contact"] = "+49 731 1"
        made["item"]["cubes"][0] |= {"serial": "", "mac": "", "mac_seen": "02:00:00:00:00:50"}
        made["requirements_document"]["read_on"] = "2026-11-23"
        made["replaces"] = "other-number"
        html = render(made, "en").replace("\N{NO-BREAK SPACE}", " ")
        front, _, rest = html.partition('id="part-')

        for said in (
            "24 November 2026",
            "Jana Krüger, HOMAG Service, Homagstr. 3, Schopfloch",
            "Möbelwerke Ulm GmbH, +49 731 1",
            "02:00:00:00:00:50",
            "as of 23 November 2026",
            "other-number",
        ):
            assert said in front
        assert "3.217 ms against the time server, uncertainty 14.2 ms at most" in rest

    def test_what_must_be_on_it_comes_before_a_line_for_every_cube(self) -> None:
        """It is one sheet of paper."""
        made = samples.few("de")
        assert '<td data-label="Adresse">10.20.0.54</td>' in render(made, "de")
        made["deviations"] = [{"code": "x", "text": f"Anderes {n}."} for n in range(3)]

        front = render(made, "de").partition('id="part-')[0]
        assert "6 CUBEs, aufgeführt" in front
        made["item"]["cubes"] = made["item"]["cubes"][:1]
        made["deviations"] *= 4
        assert '<td data-label="Adresse">10.20.0.50</td>' in render(made, "de")

    def test_a_doubtful_cube_is_on_it(self) -> None:
        """A wrong clock of the CUBE's belongs before the signatures; the rest is counted."""
        made = samples.accepted("en")
        seen = {"requirement": "DIAG-01", "code": "cube-clock", "text": "Two days behind."}
        made["observations"] = [seen | {"subject": f"line-{number}"} for number in range(9)]
        front = render(made, "en").partition('id="part-')[0]

        assert "line-5: Two days behind." in front
        assert "line-6: Two days behind." not in front
        assert "and 3 more" in front

    def test_servers_that_disagree_are_on_it(self) -> None:
        """What chance gives the CUBE, in one word: the signatures have to fit below."""
        made = samples.few("en")
        seen = {"requirement": "DHCP-01", "subject": "site"}
        made["observations"] = [
            seen | {"code": "servers-disagree", "text": "They disagree."},
            seen | {"code": "offer-without-names", "text": "Switch one off. " * 20},
            seen | {"code": "second-server", "text": "There are two."},
        ]
        front = render(made, "en").partition('id="part-')[0]

        assert "DHCP-01: Switch one off." in front
        assert "They disagree." not in front
        assert "and 1 more" in front
        assert "6 CUBEs, listed" in front


class TestRunningLines:
    """What stands on every printed page."""

    def test_page_numbers_and_the_certificates_id(self) -> None:
        """A loose sheet has to find its way back."""
        lines = rendered("accepted", "de").partition("</style>")[0]

        assert "5b0f2c1e-8f6d-4a57-9d53-0c1f6f2f9a11" in lines
        assert f'"Inhalt \\28 SHA-256\\29  {samples.CONTENT}"' in lines
        assert '"Seite " counter(page) " von " counter(pages) ""' in lines

    def test_nothing_ends_a_css_text_early(self) -> None:
        """The id comes from a file that somebody may have changed."""
        assert page.css_text('a"}</style>\n') == '"a\\22 \\7d \\3c /style\\3e \\a "'


class TestTemplates:
    """The one rule for hostile text, and nothing that goes round it."""

    @pytest.mark.parametrize("payload", ["<b>&\"'", "\u202e\x00\ud800", "x" * 9000])
    def test_whatever_is_shown_is_made_fit_and_escaped(self, payload: str) -> None:
        """No template has to remember it."""
        shown = page.templates().from_string('<a b="{{ x }}">{{ x }}</a>').render(x=payload)

        assert shown == Markup('<a b="{0}">{0}</a>').format(page.plain(payload))

    def test_finished_html_stays(self) -> None:
        """The picture is drawn elsewhere."""
        shown = page.templates().from_string("{{ x }}").render(x=Markup("<svg/>"))

        assert shown == "<svg/>"

    def test_a_name_that_is_missing_is_a_defect(self) -> None:
        """An empty place on a certificate would look like a statement."""
        with pytest.raises(jinja2.UndefinedError, match="x"):
            page.templates().from_string("{{ x }}").render()

    @pytest.mark.parametrize("name", page.templates().list_templates())
    def test_no_template_goes_round_the_rule(self, name: str) -> None:
        """``safe`` and its kin would show a text as it came."""
        environment = page.templates()
        source, _, _ = environment.loader.get_source(environment, name)
        parsed = environment.parse(source)
        filters = {found.name for found in parsed.find_all(jinja2.nodes.Filter)}

        assert filters <= {"css", "join", "length", "prose", "whole"}
        assert not list(parsed.find_all(jinja2.nodes.ScopedEvalContextModifier))


class TestSections:
    """What follows the first page."""

    def test_a_failure_has_all_four_answers_and_its_rule(self) -> None:
        """Expected, observed, meaning, and what to ask for."""
        html = rendered("rejected", "de")
        failure = html[html.index("<h3>NTP-01") :]
        failure = failure[: failure.index("</section>")]

        assert re.findall(r"<dt>([^<]*)</dt>", failure) == [
            "Ergebnis", "Ursache", "Erwartet", "Festgestellt", "Bedeutung für den CUBE",
            "Zu veranlassen",
        ]  # fmt: skip
        assert (
            re.findall(r'data-label="(\w+)">([^<]*)<', failure)
            == [
                ("Quelle", "Quelle"),
                ("Quelle", "10.20.0.50; für die Prüfung auch 10.20.0.9 (Prüfcomputer)"),
                ("Ziel", "10.20.0.1"),
                ("Protokoll", "UDP"),
                ("Port", "123"),
                ("Richtung", "aus dem Netz des CUBE hinaus (ausgehend)"),
            ][1:]
        )

    def test_a_fleets_failures_share_what_they_have_in_common(self) -> None:
        """18 CUBEs behind one closed port are one thing to do, and one rule."""
        html = rendered("fleet", "de")
        failure = html[html.index("<h3>CONN-01") :]
        failure = failure[: failure.index("</section>")]

        assert failure.count("<tr>") == 1 + 18 + 1 + 1
        assert "10.20.0.56, 10.20.0.67" in failure
        assert failure.count("TCP 5555 aus dem Kundennetz") == 1

    def test_different_remedies_stay_apart(self) -> None:
        """What helps one CUBE need not help another."""
        made = samples.certificate(
            count=2,
            outcomes={
                ("CONN-01", "line-1"): ("fail", "no-answer"),
                ("CONN-01", "line-2"): ("fail", "refused"),
            },
        )
        html = render(made, "de")

        assert 'data-label="Zu veranlassen"' in html

    def test_every_unsettled_case_has_its_say(self) -> None:
        """Two hosts can fail for two reasons; a result has room for one."""
        made = samples.rejected("de")
        https = next(each for each in made["results"] if each["requirement"] == "HTTPS-01")
        https["cases"][1] |= {"outcome": "fail", "reason": "Zweiter Grund.", "remedy": "Tu das."}
        html = render(made, "de")
        failures = html[html.index('id="part-failed"') : html.index('id="part-request"')]

        assert "Zweiter Grund." in failures
        assert "Tu das." in failures

    def test_icmp_has_no_port(self) -> None:
        """An administrator who opens 13 opens the wrong thing."""
        assert "ICMP hat keine Ports." in rendered("accepted", "de")

    def test_the_testers_own_work_stands_apart(self) -> None:
        """Nobody who administers a network edits a site file."""
        html = rendered("rejected", "de")
        asked, _, own = html.partition("Vom Prüfer selbst zu erledigen")

        assert "Cloud-Connector auf dem CUBE neu starten" in own
        assert "neu starten" not in asked[asked.index('<pre class="request"') :]

    def test_nothing_to_ask_for_is_said(self) -> None:
        """An empty box would look like a defect."""
        html = rendered("accepted", "en")

        assert "There is nothing for the network administration to do." in html
        assert "Every requirement that applies is met." in html

    def test_a_waiver_shows_who_and_until_when(self) -> None:
        """A reservation without a name and a date is none."""
        html = rendered("reserved", "de")
        part = html[html.index('id="part-waiver"') :]

        assert "Dr. Peter Groß" in part
        assert "31.03.2027" in part
        assert ">ja<" in part

    def test_a_waiver_that_was_not_needed_says_so(self) -> None:
        """Somebody should take it out of the site file."""
        made = samples.reserved("de")
        made["waivers"][0]["used"] = False

        assert ">nein<" in render(made, "de")

    def test_failures_of_nobody_are_shown(self) -> None:
        """They are why the run is incomplete."""
        html = rendered("incomplete", "en")

        assert "tests/test_extra.py" in html[html.index('id="part-complaint"') :]

    def test_a_fleets_settled_cases_stay_off_paper(self) -> None:
        """Nobody reads a hundred pages of success; the page says that they are in the file."""
        html = rendered("fleet", "de")

        assert 'class="cases fleet-cases"' in html
        assert "nur in der Datei und nicht auf Papier" in html

    def test_the_signature_shows_how_to_check_it(self) -> None:
        """A fingerprint nobody can check proves nothing."""
        html = rendered("rejected", "de")

        assert "SHA256:2vJ6a0bQ0c3oK4Yw1mR7n5tXqkqf8H1sYJ0mTz6oE1A" in html
        assert "ssh-keygen -Y verify" in html

    def test_the_page_does_not_show_its_own_hash(self) -> None:
        """It could not: the hash covers what it shows."""
        made = samples.accepted("en")
        made["files"]["certificate.html"] = "0" * 64

        assert "0" * 64 not in render(made, "en")

    def test_an_obstacle_of_the_vantage_is_shown(self) -> None:
        """Without an address there was nothing to measure from; a missing clock is said too."""
        made = samples.incomplete("en")
        made["vantage"] |= {"address": "", "interface": "", "problem": "no route"}
        made["time"]["clock_offset_s"] = None
        made["site_file"] = None
        made["method"]["limits"] = {"ntp tries": 2}
        html = render(made, "en")

        assert "<dd>no route</dd>" in html
        assert "<dd>not compared</dd>" in html
        assert "<code>ntp tries</code>: 2" in html

    def test_a_requirement_without_cases_says_so(self) -> None:
        """What does not apply has no evidence."""
        html = rendered("readiness", "de")

        assert html.count("Zu dieser Anforderung gibt es keinen Prüffall.") == 6


class TestSpoken:
    """Facts."""

    @pytest.mark.parametrize(
        ("value", "said"),
        [
            (True, "ja"),
            (None, "keine Angabe"),
            (0.5, "0,5"),
            (["a", 1], "a, 1"),
            (list(range(20)), ", ".join(str(number) for number in range(16)) + ", …"),
            ({"word": "silence"}, "keine Antwort"),
            ({"word": "no such"}, "word: no such"),
            ({"port": 80, "new": [1]}, "Port: 80; new: 1"),
            ("2026-11-23T09:00:00.000Z", "23.11.2026, 09:00:00\N{NO-BREAK SPACE}Uhr (UTC)"),
            ("text", "text"),
        ],
    )
    def test_each_kind_is_readable(self, value: object, said: str) -> None:
        """A case may show any JSON."""
        assert sections.spoken(value, "de") == said

    @pytest.mark.parametrize(
        ("name", "value", "said"),
        [
            ("state", "disabled", "Zustand: ausgeschaltet"),
            ("method", "service", "Verfahren: Echo-Dienst von Windows"),
            ("host", "disabled", "Host: disabled"),
        ],
    )
    def test_a_word_of_the_code_is_said_in_the_language(
        self, name: str, value: str, said: str
    ) -> None:
        """Only under the fact's name that it belongs to: a host may be called anything."""
        case = {"observed": {name: value}, "evidence": []}

        assert sections._facts(Reading(samples.accepted("de"), "de", {}), case) == [said]


class TestRaw:
    """The bytes on the wire."""

    def observation(self) -> NtpObserved:
        """Make an observation with a try and an ignored packet."""
        return NtpObserved(
            started="2026-11-23T09:00:00.000Z",
            duration_s=0.1,
            server="10.20.0.1",
            tries=(
                Try(at_s=0.0, to="10.20.0.1:123", result="answer", sent=b"\x1b" + b"A" * 300,
                    received=b"<b>\x00", source="10.20.0.1:123", detail="<i>"),
                Try(at_s=2.0, to="10.20.0.1:123", result="silence", detail="line-1: packet socket"),
            ),
            ignored=(Ignored(at_s=0.5, source="10.9.9.9:123", reason="id", raw=b"zz"),),
        )  # fmt: skip

    def test_they_are_folded_away_and_bounded(self) -> None:
        """They are for experts, and evidence.json has all of them."""
        html = render(samples.accepted("de"), "de", {"ntp/10.20.0.1": self.observation()})
        raw = html[html.index("<details") :]
        raw = raw[: raw.index("</details>")]

        assert "0000  1b 41 41" in raw
        assert raw.count("41") == sections.RAW_SHOWN - 1
        assert "… 45 weitere Bytes in evidence.json" in raw
        assert "3c 62 3e 00" in raw
        assert "&lt;b&gt;." in raw
        assert "nicht gewertet: id" in raw
        assert "10.20.0.1:123  Antwort  10.20.0.1:123  &lt;i&gt;" in raw
        assert "keine Antwort    line-1: am Betriebssystem vorbei gefragt" in raw

    def test_an_observation_without_packets_shows_none(self) -> None:
        """An empty fold would only be clicked in vain."""
        bare = NtpObserved(started="2026-11-23T09:00:00.000Z", duration_s=0.1, server="10.20.0.1")

        assert "<details" not in render(samples.accepted("de"), "de", {"ntp/10.20.0.1": bare})

    def test_of_a_fleet_only_what_did_not_pass(self) -> None:
        """200 CUBEs' packets would make the file too heavy to mail."""
        html = render(
            samples.fleet("de"),
            "de",
            {"ntp/10.20.0.1": self.observation(), "conn/line-7": self.observation()},
        )

        assert html.count("<details") == 1


class TestUnfinished:
    """The page of a run that has not ended."""

    @pytest.mark.parametrize("language", LANGUAGES)
    def test_it_claims_nothing(self, language: Language) -> None:
        """A killed run leaves this page; it must not look like a certificate."""
        facts = {"site": "<Werk>", "started": "2026-11-23T09:00:00.000Z", "folder": "x"}
        html = page.unfinished(language, facts)
        read = Structure(html.removeprefix("<!DOCTYPE html>"))

        assert html.startswith(f'<!DOCTYPE html>\n<html lang="{language}">')
        assert read.problems == []
        assert wording.say("unfinished.title", language) in read.text
        assert "<Werk>" in read.text
        assert not any(
            wording.say(f"verdict.{verdict}", language) in read.text
            for verdict in ("accepted", "rejected")
        )

    def test_it_needs_no_facts(self) -> None:
        """A site file need not name the site."""
        assert "<dd>" not in page.unfinished("de", {})


class TestElement:
    """The builder under all of it."""

    def test_children_and_attributes_are_escaped(self) -> None:
        """Escaping must not depend on anybody remembering it."""
        made = element("td", "<b>", data_x='"><', id=None)

        assert made == '<td data-x="&#34;&gt;&lt;">&lt;b&gt;</td>'

    def test_markup_in_an_attribute_is_escaped_too(self) -> None:
        """Finished HTML is finished for content only."""
        assert element("td", title=Markup('"')) == '<td title="&#34;"></td>'

    def test_void_elements_have_no_end(self) -> None:
        """A browser would read it as another element."""
        assert element("line", x1=4) == '<line x1="4"/>'

    def test_finished_html_stays(self) -> None:
        """Nesting must not escape twice."""
        assert text(Markup("<b>")) == "<b>"

    def test_backticks_are_code(self) -> None:
        """The catalogue writes keys of the site file that way."""
        assert page.prose("a `b<` <c") == "a <code>b&lt;</code> &lt;c"
        assert (
            page.prose("in 10 s, 2 ms, 3 servers")
            == "in 10\N{NO-BREAK SPACE}s, 2\N{NO-BREAK SPACE}ms, 3 servers"
        )


def test_samples_are_json() -> None:
    """A sample that JSON cannot hold would test something that never happens."""
    for make in samples.SAMPLES.values():
        made = make("de")

        assert json.loads(json.dumps(made)) == made


def test_what_runs_have_in_common_is_made_beforehand() -> None:
    """While a run waits for the network it has time for it; at its end somebody is waiting."""
    page.prepare.cache_clear()
    page.templates.cache_clear()
    picture.signs.cache_clear()
    page.prepare()
    assert picture.signs.cache_info().currsize == 1
    cache = page.templates().cache
    assert cache is not None
    compiled = {name for _, name in cache}
    assert {"certificate.jinja", "annex.jinja", "parts/each.jinja"} <= compiled
    assert not compiled & page.NOT_OF_A_RUN
