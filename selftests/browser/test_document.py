"""The certificate as its readers see it: on a screen, on paper, without scripts, by ear."""

from __future__ import annotations

import io
import json
import re
from itertools import cycle
from typing import TYPE_CHECKING, Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from pypdf import PdfReader

from cube_acceptance import catalogue
from cube_acceptance.certificate import page, pdf
from cube_acceptance.summary import showing
from cube_acceptance.summary.rows import Row
from cube_acceptance.summary.showing import Table
from cube_acceptance.text import wording
from cube_acceptance.verdict import OUTCOMES
from selftests.support import samples

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LANGUAGES = ("de", "en")
STATES = ("accepted", "rejected", "incomplete", "reserved", "simulated")
WORDS = {
    "accepted": {"de": "Abgenommen", "en": "Accepted"},
    "rejected": {"de": "Nicht abgenommen", "en": "Rejected"},
    "incomplete": {"de": "Unvollständig", "en": "Incomplete"},
    "reserved": {"de": "Abgenommen mit Vorbehalt", "en": "Accepted with reservations"},
    "simulated": {"de": "Simulation bestanden", "en": "Simulation passed"},
}
"""How the verdict begins; written here once more, since it is what matters most."""

SIGNATURES = {
    "de": ["Unterschriften", "Für die Prüfung", "Ort, Datum"],
    "en": ["Signatures", "Place, date"],
}
"""What a simulated run does not have."""

NARROW = {"viewport": {"width": 320, "height": 640}}
ZOOMED = {"viewport": {"width": 640, "height": 450}, "device_scale_factor": 2}
PAPER = {"viewport": {"width": 680, "height": 1000}, "media": "print"}
"""What has room between the margins of A4: 180 mm."""
VIEWS: dict[str, dict[str, object]] = {
    "light": {"color_scheme": "light"},
    "dark": {"color_scheme": "dark"},
    "print": PAPER,
    "320 px": NARROW,
    "200 %": ZOOMED,
}
LIGATURES = set(map(chr, range(0xFB00, 0xFB07)))
A4_PT = (595, 842)
FLEET = 200
UNFOLD = "for (const one of document.querySelectorAll('details')) one.open = true"
OUTSIDE = """
() => {
  const width = document.documentElement.clientWidth;
  const style = node => getComputedStyle(node);
  const moves = node => node && (
    ["auto", "scroll"].includes(style(node).overflowX) || moves(node.parentElement));
  const out = node => node.getBoundingClientRect().right > width + 1;
  const cut = node => style(node).overflowX === "hidden" && style(node).clipPath === "none"
    && (node.scrollWidth > node.clientWidth + 1 || node.scrollHeight > node.clientHeight + 1);
  return [...document.querySelectorAll("main *, aside *")]
    .filter(node => node.checkVisibility() && !node.closest(".watermark"))
    .filter(node => out(node) && !moves(node.parentElement) || cut(node))
    .map(node => `${node.tagName}.${node.className}: ${node.textContent.slice(0, 60)}`);
}
"""
"""What reaches beyond the window, and boxes that cut their text, where nobody can scroll to it."""
ELEMENTS_A_CUBE = 400
"""Eleven cases with their evidence, folded away."""
BYTES_A_CUBE = 64 * 1024

every_certificate = pytest.mark.parametrize("language", LANGUAGES)
every_state = pytest.mark.parametrize("state", STATES)


def text_of(root: Path) -> dict[str, Any]:
    """Read the certificate's data."""
    data: dict[str, Any] = json.loads((root / "certificate.json").read_bytes())
    return data


def front_of(found: dict[str, Any], language: str) -> list[str]:
    """List what the first page has to hold, word for word."""
    cube = found["item"]["cubes"][0]
    results = [result["requirement"] for result in found["results"]]
    return [
        found["certificate_id"],
        found["site"]["name"],
        cube["name"],
        cube["address"],
        *dict.fromkeys(results),
        {"de": "Netzwerkpfad", "en": "Network Path"}[language],
        *([] if found["simulated"] else SIGNATURES[language]),
        "23.11.2026" if language == "de" else "23 November 2026",
        "UTC",
    ]


@every_certificate
@every_state
class TestOnScreen:
    """What a browser shows."""

    @pytest.mark.parametrize("view", ["light", "dark", "320 px", "200 %"])
    def test_first_look(
        self,
        state: str,
        language: str,
        view: str,
        certificate: Callable[..., Path],
        opened: Callable[..., Any],
        looks: Path,
    ) -> None:
        """Title and verdict are in sight at once, and nothing is wider than the window."""
        folder = certificate(state, language)
        with opened(folder / "certificate.html", **VIEWS[view]) as seen:
            seen.page.screenshot(path=looks / f"{state}-{language}-{view.split(maxsplit=1)[0]}.png")
            height = seen.page.viewport_size["height"]
            title = seen.page.locator("main h1").bounding_box()
            verdict = seen.page.locator("main .verdict-word")

            assert verdict.inner_text().startswith(WORDS[state][language])
            assert title["y"] + title["height"] < height
            assert verdict.bounding_box()["y"] < height
            assert seen.page.evaluate(
                "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
            )
            assert seen.page.evaluate(OUTSIDE) == []

    @pytest.mark.parametrize("view", VIEWS)
    def test_axe_finds_nothing(
        self,
        state: str,
        language: str,
        view: str,
        certificate: Callable[..., Path],
        opened: Callable[..., Any],
    ) -> None:
        """In the certificate nothing at all, in the annex nothing serious."""
        folder = certificate(state, language)
        with opened(folder / "certificate.html", **VIEWS[view]) as seen:
            seen.page.evaluate(UNFOLD)
            violations = Axe().run(seen.page).response["violations"]
            found = {
                (violation["id"], violation["impact"], str(node["target"][0]))
                for violation in violations
                for node in violation["nodes"]
            }
            annex = {
                one
                for one in found
                if seen.page.evaluate(
                    "target => !!document.querySelector(target).closest('.annex')", one[2]
                )
            }

        assert not {one for one in annex if one[1] in {"serious", "critical"}}
        assert not found - annex

    def test_without_scripts(
        self,
        state: str,
        language: str,
        certificate: Callable[..., Path],
        opened: Callable[..., Any],
    ) -> None:
        """A mail program's preview shows the same, and fetches nothing."""
        folder = certificate(state, language)
        page = folder / "certificate.html"
        with opened(page) as seen:
            live = seen.page.locator("main.certificate").inner_text()
        with opened(page, java_script_enabled=False) as seen:
            still = seen.page.locator("main.certificate").inner_text()

            assert seen.requests == [page.as_uri()]
        assert still == live
        for part in front_of(text_of(folder), language):
            assert part in still.replace("\N{NO-BREAK SPACE}", " ")

    def test_outcome_without_colour(
        self,
        state: str,
        language: str,
        certificate: Callable[..., Path],
        opened: Callable[..., Any],
    ) -> None:
        """Every outcome is a word, and a word in the picture's description, too."""
        folder = certificate(state, language)
        results = text_of(folder)["results"]
        with opened(folder / "certificate.html", forced_colors="active") as seen:
            rows = seen.page.locator("table.requirements tbody tr").all_inner_texts()
            tree = seen.page.locator("section.path svg[role]").first.text_content()

        assert len(rows) == len(results)
        for row, result in zip(rows, results, strict=True):
            word = wording.say(f"outcome.{result['outcome']}", language)
            assert word in row
            assert word in tree


BROKEN = """() => {
  const broken = [], texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const node = texts.currentNode, words = /[A-Za-zÄÖÜäöüß]{3,}/g;
    for (let word; (word = words.exec(node.data)); ) {
      const range = document.createRange();
      range.setStart(node, word.index);
      range.setEnd(node, word.index + word[0].length);
      const lines = new Set([...range.getClientRects()].map(box => Math.round(box.top)));
      if (lines.size > 1) broken.push(word[0]);
    }
  }
  return broken;
}"""
"""The words that a line ends within."""


@pytest.mark.parametrize("language", LANGUAGES)
class TestWide:
    """What is made for a screen of 1,200 pixels."""

    @pytest.mark.parametrize("width", [1200, 900])
    def test_thirty_cubes_break_no_word(
        self, language: str, width: int, tmp_path: Path, opened: Callable[..., Any]
    ) -> None:
        """Outcomes are the longest words, and every column has one."""
        outcomes = {("CONN-01", "line-2"): ("fail", "no-answer")}
        outcomes |= {("CONN-01", "line-3"): ("fail", "refused")}
        outcomes |= {("DIAG-01", "line-3"): ("inconclusive", "other-route")}
        outcomes |= {("DIAG-01", "line-5"): ("inconclusive", "off-link")}
        made = samples.certificate(language, count=30, outcomes=outcomes)
        file = tmp_path / "page.html"
        file.write_text("<!DOCTYPE html>" + "".join(page.render(made, language)), "utf-8")

        with opened(file, viewport={"width": width, "height": 1000}) as seen:
            assert seen.page.evaluate(BROKEN) == []

    def test_the_summary_fits(
        self, language: str, tmp_path: Path, opened: Callable[..., Any]
    ) -> None:
        """A column for each requirement, and every outcome there is."""
        ids = tuple(entry.id for entry in catalogue.load().requirement)
        rows = [
            Row(
                folder=f"/runs/{number}",
                state="accepted-with-reservations",
                site=f"Werk Ulm, Linie {number}",
                customer="Möbelwerke Beispiel GmbH",
                identity=str(number),
                started="2026-11-23T09:00:00Z",
                outcomes=dict(zip(ids, cycle(OUTCOMES), strict=False)),
            )
            for number in range(3)
        ]
        table = Table(ids, rows, [], frozenset({"acceptance"}), language, signers=False)
        file = tmp_path / "summary.html"
        file.write_text("".join(showing.as_html(table)), "utf-8")

        with opened(file, viewport={"width": 1200, "height": 800}) as seen:
            assert seen.page.evaluate(BROKEN) == []
            assert seen.page.evaluate(
                "(box => box.scrollWidth <= box.clientWidth)(document.querySelector('.scroll'))"
            )
            assert Axe().run(seen.page).response["violations"] == []


@every_certificate
@every_state
class TestOnPaper:
    """What a printer prints, made as ``--pdf`` makes it."""

    @pytest.fixture
    def printed(
        self, state: str, language: str, certificate: Callable[..., Path], looks: Path
    ) -> PdfReader:
        """The certificate as PDF; printed once and read again."""
        target = looks / f"{state}-{language}.pdf"
        if not target.exists():
            pdf.make(certificate(state, language) / "certificate.html", target, pdf.find_browser())
        return PdfReader(io.BytesIO(target.read_bytes()))

    def test_first_page_is_sufficient(
        self, state: str, language: str, certificate: Callable[..., Path], printed: PdfReader
    ) -> None:
        """Whoever gets only this sheet knows what was tested, with which result, and signs it."""
        first = plain(printed.pages[0].extract_text())

        assert plain(WORDS[state][language]) in first
        for part in front_of(text_of(certificate(state, language)), language):
            assert plain(part) in first

    def test_every_page_is_numbered_and_named(
        self, state: str, language: str, certificate: Callable[..., Path], printed: PdfReader
    ) -> None:
        """A sheet that is lost finds its way back."""
        number = text_of(certificate(state, language))["certificate_id"]
        pages = [plain(page.extract_text()) for page in printed.pages]
        line = {"de": "Seite{}von{}", "en": "Page{}of{}"}[language]

        for at, text in enumerate(pages, start=1):
            assert plain(number) in text
            assert line.format(at, len(pages)) in text
            assert not LIGATURES & set(text)  # of "Certificate", which is on every page, for one

    def test_nothing_is_cut_and_the_annex_stays_away(
        self,
        state: str,
        language: str,
        certificate: Callable[..., Path],
        opened: Callable[..., Any],
        printed: PdfReader,
    ) -> None:
        """Every word of the printed certificate is in the PDF, and none of the annex."""
        page = certificate(state, language) / "certificate.html"
        with opened(page, **PAPER) as seen:
            assert seen.page.evaluate(OUTSIDE) == []
            words = seen.page.locator("main.certificate").inner_text().split()
            outside = seen.page.evaluate(
                "[...document.body.querySelectorAll(':scope > *')]"
                ".filter(one => !one.matches('main') && one.innerText.trim()"
                " && getComputedStyle(one).display != 'none').length"
            )
        whole = plain("".join(page.extract_text() for page in printed.pages))

        assert outside == 0
        assert [word for word in words if plain(word) not in whole] == []

    def test_is_a_document(
        self, state: str, language: str, certificate: Callable[..., Path], printed: PdfReader
    ) -> None:
        """A4, tagged for screen readers, in its language, with its fonts and its title."""
        root = printed.trailer["/Root"]
        fonts = [
            font["/DescendantFonts"][0] if "/DescendantFonts" in font else font
            for page in printed.pages
            for font in page["/Resources"]["/Font"].values()
        ]

        assert root["/MarkInfo"]["/Marked"]
        assert "/StructTreeRoot" in root
        assert root["/Lang"][:2] == language
        assert text_of(certificate(state, language))["certificate_id"] in printed.metadata.title
        for sheet in printed.pages:
            size = (sheet.mediabox.width, sheet.mediabox.height)
            assert all(abs(a - b) < 1 for a, b in zip(size, A4_PT, strict=True))
        assert fonts
        for font in fonts:
            assert font["/Subtype"] == "/Type3" or any(
                key.startswith("/FontFile") for key in font["/FontDescriptor"]
            )


class TestFleet:
    """Two hundred CUBEs in one certificate."""

    @pytest.mark.parametrize("language", LANGUAGES)
    def test_first_page(self, language: str, certificate: Callable[..., Path], looks: Path) -> None:
        """It sums the CUBEs up, names the one that fails, and is still one page."""
        folder = certificate("fleet", language)
        target = looks / f"fleet-{language}.pdf"
        pdf.make(folder / "certificate.html", target, pdf.find_browser())
        first = plain(PdfReader(target).pages[0].extract_text())
        found = text_of(folder)

        for part in (
            *dict.fromkeys(result["requirement"] for result in found["results"]),
            found["certificate_id"],
            "200",
            "line-0",
            {"de": "Unterschriften", "en": "Signatures"}[language],
        ):
            assert plain(part) in first

    @pytest.mark.parametrize("view", VIEWS)
    def test_nothing_is_outside(
        self, view: str, certificate: Callable[..., Path], opened: Callable[..., Any]
    ) -> None:
        """The long tables fit as well."""
        with opened(certificate("fleet", "de") / "certificate.html", **VIEWS[view]) as seen:
            assert seen.page.evaluate(OUTSIDE) == []

    def test_opens_at_once(
        self, certificate: Callable[..., Path], opened: Callable[..., Any]
    ) -> None:
        """What a browser has to lay out grows by a few dozen elements for each CUBE, no more."""
        path = certificate("fleet", "de") / "certificate.html"
        with opened(path, java_script_enabled=False) as seen:
            elements = seen.page.locator("*").count()

        assert elements < FLEET * ELEMENTS_A_CUBE
        assert path.stat().st_size < FLEET * BYTES_A_CUBE


def plain(text: str) -> str:
    """Leave out spaces and hyphens, which a PDF's text has elsewhere than the page's."""
    return re.sub(r"[\s\u00ad\u200b\u2010-]", "", text)
