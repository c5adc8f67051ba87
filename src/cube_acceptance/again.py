"""Judges a folder's evidence again, and compares what this very suite has made of it before.

Both are for folders of this suite alone: another version may judge and render differently, which
makes nothing false of what it wrote.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from xml.etree import ElementTree as ET

import msgspec

from cube_acceptance import catalogue as catalogues
from cube_acceptance import evidence_file, expected, run, suite
from cube_acceptance.certificate import annex as annexes
from cube_acceptance.certificate import build
from cube_acceptance.certificate.markup import text
from cube_acceptance.judge import Judgement
from cube_acceptance.ledger import CASE_PROPERTY, JUDGEMENT_PROPERTY, Ledger
from cube_acceptance.siblings import BrokenError

if TYPE_CHECKING:
    from cube_acceptance.evidence_file import Saved

REPLAY_LIMIT_S = 600.0
"""Seconds that judging the evidence again may take."""

NOTHING = ("no result", "", "")

VOLATILE = ("started", "duration_s")
"""Keys of a case that tell when, not what; a replay may differ in them only where nothing was
observed."""

JUDGED = ("results", "observations", "deviations", "waivers", "totals", "decision_rule")
"""Keys that follow from the evidence and from how it is judged."""


class Reported(NamedTuple):
    """What a ``junit.xml`` says of one test."""

    case: str
    passed: bool
    judgement: str
    """As JSON; the report of a replay tells it, others do not."""


class Again(NamedTuple):
    """What came of judging a folder's evidence again."""

    judgements: dict[str, Judgement]
    annex: str
    """Its page, with the mark where the certificate was."""


def annex_of(certificate: dict[str, Any], saved: Saved, folder: Path) -> str:
    """Return the page with the mark in place of the certificate.

    Raises:
        BrokenError: it does not hold this certificate, or not once.
    """
    html = (folder / "certificate.html").read_bytes().decode("utf-8", errors="surrogateescape")
    fragment = run.certificate_part(certificate, saved)
    if html.count(fragment) != 1:
        raise BrokenError("certificate.html does not show this certificate")
    return html.replace(fragment, annexes.CERTIFICATE_MARK, 1)


def judge_again(language: str, folder: Path) -> Again:
    """Judge a folder's evidence with the cases of this suite, without its certificate's say.

    Raises:
        BrokenError: it cannot be judged.
    """
    project = suite.PROJECT
    if not (project / "tests").is_dir():
        raise BrokenError("the acceptance cases are missing here; install the suite again")
    with tempfile.TemporaryDirectory(prefix="cube-acceptance-verify-") as reports:
        try:
            asked = subprocess.run(  # noqa: S603 - fixed program, arguments are passed as they are
                replay_command(folder, language, reports),
                capture_output=True,
                text=True,
                timeout=REPLAY_LIMIT_S,
                check=False,
                cwd=project,
                env={
                    name: value
                    for name, value in os.environ.items()
                    if not name.startswith("PYTEST_")  # what somebody set there selects cases
                },
            )
        except subprocess.TimeoutExpired as error:
            raise BrokenError("judging the evidence again did not finish in time") from error
        made = list(Path(reports).glob("*/certificate.json"))
        if not made:
            said = (asked.stderr or asked.stdout).strip().splitlines()
            raise BrokenError(f"the evidence cannot be judged again: {said[-1] if said else ''}")
        place = made[0].parent
        certificate = json.loads(made[0].read_bytes())
        annex = annex_of(certificate, evidence_file.load(place / "evidence.json"), place)
        judgements = {
            test.case: msgspec.json.decode(test.judgement, type=Judgement)
            for test in reported(place / "junit.xml")
            if test.judgement
        }
        return Again(judgements, annex)


def replay_command(folder: Path, language: str, reports: str) -> list[str]:
    """Write the command that judges a folder's evidence again, without its certificate's say.

    It is for the project's folder as working directory: pytest replaces variables in the path of
    its root (os.path.expandvars), and a dollar sign may stand in the name of any folder.
    """
    return [
        *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"),
        *("--rootdir", ".", "-c", "pyproject.toml"),
        *("--replay", str((folder / "evidence.json").resolve())),
        *("--lang", language, "--reports", reports),
        "tests",
    ]


def reported(report: Path) -> list[Reported]:
    """Read a ``junit.xml``.

    Raises:
        BrokenError: it counts fewer failures than it tells of.
    """
    found = []
    # Bounded, and the parser bounds what entities grow to.
    for group in ET.parse(report).iter("testsuite"):  # noqa: S314
        bad = 0
        for test in group.iter("testcase"):
            ends = [test.find(kind) is not None for kind in ("failure", "error", "skipped")]
            bad += any(ends[:2])
            told = {entry.get("name"): entry.get("value", "") for entry in test.iter("property")}
            judgement = told.get(JUDGEMENT_PROPERTY, "")
            found.append(Reported(told.get(CASE_PROPERTY, ""), not any(ends), judgement))
        if int(group.get("failures", "0")) + int(group.get("errors", "0")) < bad:
            raise BrokenError(f"{report.name} counts fewer failures than it tells of")
    return found


def check_report(report: Path, judgements: dict[str, Judgement]) -> None:
    """Check that no test passes in a ``junit.xml`` whose case does not pass when judged again."""
    passing = {name for name, judgement in judgements.items() if judgement.outcome == "pass"}
    for test in reported(report):
        if test.passed and test.case not in passing:
            name = test.case or "something"
            raise BrokenError(f"{report.name} calls {name} passed, and it is not")


def check_annex(certificate: dict[str, Any], annex: str, again: str) -> None:
    """Check that around the certificate a page holds pytest-html's report of its cases only.

    A style sheet or a picture there could show another certificate in front of this one.

    Raises:
        BrokenError: there is something else, or a result that judging again does not give.
    """
    name, number = certificate["site"]["name"], certificate["certificate_id"]
    title = text(run.title(certificate, name, number, certificate["language"]))
    if annexes.frame(annex) != annexes.frame(again) or f"<title>{title}</title>" not in annex:
        made_with = certificate["method"]["packages"].get("pytest-html")
        raise BrokenError(
            "certificate.html holds something beside the certificate and pytest-html's report "
            f"(made with pytest-html {made_with}, checked with {metadata.version('pytest-html')})"
        )
    known = annexes.shown(again)
    for test, results in annexes.shown(annex).items():
        if "Passed" in results - known.get(test, set()):
            raise BrokenError(f"certificate.html calls {test} passed, and it is not")


def built_again(
    certificate: dict[str, Any], saved: Saved, judgements: dict[str, Judgement]
) -> dict[str, Any]:
    """Build the certificate again from judgements; what it calls not run claims nothing."""
    catalogue = catalogues.load()
    ledger = Ledger(expected.owed(catalogue, saved.setup.site))
    cases = (case for result in certificate["results"] for case in result["cases"])
    silent = {case["case"] for case in cases if case["outcome"] == "not-run"}
    for name, judgement in judgements.items():
        if name not in silent:
            ledger.record(name, judgement)
    facts = build.Facts(
        certificate_id=certificate["certificate_id"],
        language=certificate["language"],
        replayed=certificate["replayed"],
        method=certificate["method"],
        vantage=certificate["vantage"],
        time=certificate["time"],
        today=run.day(saved),
        replaces=certificate.get("replaces", ""),
    )
    return build.build(catalogue, ledger, saved, facts)


def comparable(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """Drop what tells when an unobserved case was judged."""
    if isinstance(value, list):
        return [comparable(item) for item in value]
    if isinstance(value, dict):
        return {
            key: comparable(item)
            for key, item in value.items()
            if key not in VOLATILE or value.get("evidence")
        }
    return value


def differing(again: dict[str, Any], certificate: dict[str, Any]) -> list[str]:
    """Name the results whose outcome, cause or level differs, or that only one of two has."""
    theirs, mine = by_subject(certificate), by_subject(again)
    found = []
    for key in theirs | mine:
        new, old = mine.get(key, NOTHING), theirs.get(key, NOTHING)
        if new[:2] != old[:2]:
            found.append(f"{' '.join(key)} {new[0]} instead of {old[0]}")
        elif new != old:
            found.append(f"{' '.join(key)} {new[2]} instead of {old[2]}")
    return found


def by_subject(certificate: dict[str, Any]) -> dict[tuple[str, str], tuple[str, str, str]]:
    """Return outcome, cause and level by requirement and subject."""
    return {
        (result["requirement"], result["subject"]): (
            result["outcome"],
            result["cause"],
            result["level"],
        )
        for result in certificate["results"]
    }
