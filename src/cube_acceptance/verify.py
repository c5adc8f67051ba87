"""Checks a run's folder on its own: form, completeness, verdict, outcomes, hashes, signature.

Everything that stands in ``certificate.html`` is rendered from ``certificate.json`` or covered
by a hash in it; the other files are covered by hashes, and the signature covers the lot. The
evidence is judged again, and whatever follows from it is compared.

A folder may come from anybody: whatever it holds, it ends in a finding.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from xml.etree import ElementTree as ET

import msgspec

from cube_acceptance import catalogue as catalogues
from cube_acceptance import evidence_file, expected, method, run
from cube_acceptance.certificate import build, mend, signature
from cube_acceptance.certificate.markup import text
from cube_acceptance.certificate.model import Certificate
from cube_acceptance.certificate.sections import ANNEX_HASH
from cube_acceptance.judge import Judgement
from cube_acceptance.ledger import CASE_PROPERTY, JUDGEMENT_PROPERTY, Ledger
from cube_acceptance.text.foreign import plain

if TYPE_CHECKING:
    from collections.abc import Callable

    from cube_acceptance.evidence_file import Saved

REPLAY_LIMIT_S = 600.0
"""Seconds that judging the evidence again may take."""

OWN_FILES = frozenset(
    {
        "certificate.json",
        "certificate.html",
        "evidence.json",
        "junit.xml",
        "certificate.json.sig",
        "certificate.pdf",
        "certificate.pdf.sig",
    }
)

VOLATILE = ("started", "duration_s")
"""Keys of a case that tell when, not what; a replay may differ in them only where nothing was
observed."""

TIMES = ("started", "ended", "clock_offset_s")
"""Keys of ``time`` that follow from the evidence; the others are the computer's zone."""

JUDGED = ("results", "observations", "deviations", "waivers", "totals", "decision_rule")
"""Keys that follow from the evidence and from how it is judged."""


class Finding(NamedTuple):
    """One thing that was checked."""

    what: str
    wrong: str
    """What does not hold; empty where it holds."""


class BrokenError(Exception):
    """Something does not hold; the message says what."""


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


def verify(folder: Path, allowed_signers: Path | None = None) -> list[Finding]:
    """Check a run's folder; one finding for each thing checked, in the order of trust."""
    found: list[tuple[bytes, dict[str, Any]]] = []
    form = _find("form", lambda: found.append(_opened(folder)))
    if form.wrong:
        return [form]
    ((data, certificate),) = found
    checks: list[tuple[str, Callable[[], None]]] = [
        ("completeness", lambda: check_completeness(certificate, folder)),
        ("verdict", lambda: check_verdict(certificate)),
        ("hashes", lambda: check_hashes(certificate, folder)),
        (
            "page",
            lambda: check_page(certificate, evidence_file.load(folder / "evidence.json"), folder),
        ),
        ("outcomes", lambda: check_outcomes(certificate, folder)),
        ("signature", lambda: check_signed(certificate, data, folder, allowed_signers)),
    ]
    return [form, *(_find(what, check) for what, check in checks)]


def _find(what: str, check: Callable[[], None]) -> Finding:
    try:
        check()
    except (BrokenError, OSError, evidence_file.EvidenceError, signature.SignatureError) as error:
        return Finding(what, str(error))
    except Exception as error:  # noqa: BLE001 - a folder must not be able to end the check
        return Finding(what, f"{type(error).__name__}: {error}")
    return Finding(what, "")


def _opened(folder: Path) -> tuple[bytes, dict[str, Any]]:
    for name in sorted(OWN_FILES):
        if os.path.lexists(folder / name):
            check_plain(name, (folder / name).lstat())
    try:
        data = (folder / "certificate.json").read_bytes()
        return data, read(data)
    except (OSError, BrokenError) as error:
        raise BrokenError(f"certificate.json: {error}") from error


def check_plain(name: str, found: os.stat_result) -> None:
    """Check that something in a run's folder is a plain file of bounded size.

    Raises:
        BrokenError: a pipe, a link, a device or a flood of bytes would keep the reader busy.
    """
    if not stat.S_ISREG(found.st_mode):
        raise BrokenError(f"{name} is no plain file")
    if found.st_size > evidence_file.FILE_LIMIT:
        raise BrokenError(f"{name} has more than {evidence_file.FILE_LIMIT} bytes")


def read(data: bytes) -> dict[str, Any]:
    """Read ``certificate.json`` strictly, and only in the one way that it is written.

    Raises:
        BrokenError: it is no certificate of this version, or is written differently.
    """
    try:
        msgspec.json.decode(data, type=Certificate)
        certificate: dict[str, Any] = json.loads(data)
        written = build.dump(certificate)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise BrokenError(str(error)) from error
    if written != data:
        raise BrokenError("it is not written as this suite writes it")
    return certificate


def check_completeness(certificate: dict[str, Any], folder: Path) -> None:
    """Check that every catalogue entry and subject has its result, in order, with every case."""
    catalogue = catalogues.load()
    if certificate["requirements_document"]["catalogue_sha256"] != catalogue.sha256:
        raise BrokenError("it was made with another catalogue of requirements")
    site = evidence_file.load(folder / "evidence.json").setup.site
    wanted = [
        (entry.id, entry.level, subject)
        for entry in catalogue.requirement
        for subject in expected.subjects(entry, site)
    ]
    present = [
        (result["requirement"], result["level"], result["subject"])
        for result in certificate["results"]
    ]
    if present != wanted:
        raise BrokenError("its results are not those that the catalogue demands")
    cases = [case["case"] for result in certificate["results"] for case in result["cases"]]
    if cases != [owing.case for owing in expected.owed(catalogue, site)]:
        raise BrokenError("its cases are not those that the catalogue demands")


def check_facts(certificate: dict[str, Any], saved: Saved) -> None:
    """Check that certificate and evidence speak of the same site, time, place and kind of run.

    Raises:
        BrokenError: they differ; names in what.
    """
    told = build.about(catalogues.load(), saved)
    told["vantage"] = method.vantage_facts(saved.setup)
    told["time"] = {
        "started": saved.started,
        "ended": saved.ended,
        "clock_offset_s": build.clock_offset(saved),
    }
    said = certificate | {"time": {key: certificate["time"][key] for key in TIMES}}
    for key, value in told.items():
        if said[key] != value:
            raise BrokenError(f"certificate and evidence differ in {key}")


def check_verdict(certificate: dict[str, Any]) -> None:
    """Check that the verdict follows from the outcomes."""
    computed = build.verdict_of(certificate["results"], certificate["complaints"])
    if computed != certificate["verdict"]:
        raise BrokenError(f"it says {certificate['verdict']}, its outcomes say {computed}")


def check_hashes(certificate: dict[str, Any], folder: Path) -> None:
    """Check the hashes of the files beside the certificate, and that there are no others."""
    for name in ("evidence.json", "junit.xml"):
        if run.sha256((folder / name).read_bytes()) != certificate["files"].get(name):
            raise BrokenError(f"{name} is not the file that belongs to the certificate")
    strangers = {path.name for path in folder.iterdir()} - OWN_FILES
    if strangers:
        raise BrokenError(f"the folder holds files of other origin: {', '.join(sorted(strangers))}")


def check_page(certificate: dict[str, Any], saved: Saved, folder: Path) -> None:
    """Check that ``certificate.html`` shows this certificate and has no other byte changed."""
    annex = annex_of(certificate, saved, folder).encode("utf-8", errors="surrogateescape")
    if hashlib.sha256(annex).hexdigest() != certificate["files"].get(ANNEX_HASH):
        raise BrokenError("certificate.html was changed outside the certificate")


def annex_of(certificate: dict[str, Any], saved: Saved, folder: Path) -> str:
    """Give the page with the mark in place of the certificate.

    Raises:
        BrokenError: it does not hold this certificate, or not once.
    """
    html = (folder / "certificate.html").read_bytes().decode("utf-8", errors="surrogateescape")
    fragment = run.certificate_part(certificate, saved)
    if html.count(fragment) != 1:
        raise BrokenError("certificate.html does not show this certificate")
    return html.replace(fragment, run.CERTIFICATE_MARK, 1)


def check_outcomes(certificate: dict[str, Any], folder: Path) -> None:
    """Check the outcomes, and what else follows from the evidence, by judging it again."""
    again = judge_again(certificate["language"], folder)
    saved = evidence_file.load(folder / "evidence.json")
    rebuilt = built_again(certificate, saved, again.judgements)
    for key in JUDGED:
        if comparable(rebuilt[key]) != comparable(certificate[key]):
            raise BrokenError(
                f"judged again, the evidence gives other {key}: {difference(rebuilt, certificate)}"
            )
    check_facts(certificate, saved)
    check_report(folder / "junit.xml", again.judgements)
    check_annex(certificate, annex_of(certificate, saved, folder), again.annex)


def judge_again(language: str, folder: Path) -> Again:
    """Judge a folder's evidence with the cases of this suite, without its certificate's say.

    Raises:
        BrokenError: it cannot be judged.
    """
    project = Path(__file__).parents[2]
    if not (project / "tests").is_dir():
        raise BrokenError("the acceptance cases are not installed; run from a checkout")
    with tempfile.TemporaryDirectory(prefix="cube-acceptance-verify-") as reports:
        try:
            asked = subprocess.run(  # noqa: S603 - fixed program, arguments are passed as they are
                replay_command(project, folder, language, reports),
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


def replay_command(project: Path, folder: Path, language: str, reports: str) -> list[str]:
    """Write the command that judges a folder's evidence again, without its certificate's say."""
    return [
        *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"),
        *("--rootdir", str(project), "-c", str(project / "pyproject.toml")),
        *("--replay", str((folder / "evidence.json").resolve())),
        *("--lang", language, "--reports", reports),
        str(project / "tests"),
    ]


def reported(report: Path) -> list[Reported]:
    """Read a ``junit.xml``.

    Raises:
        BrokenError: it counts fewer failures than it tells of.
    """
    found = []
    # Bounded, and the parser bounds what entities grow to.
    for suite in ET.parse(report).iter("testsuite"):  # noqa: S314
        bad = 0
        for test in suite.iter("testcase"):
            ends = [test.find(kind) is not None for kind in ("failure", "error", "skipped")]
            bad += any(ends[:2])
            told = {entry.get("name"): entry.get("value", "") for entry in test.iter("property")}
            judgement = told.get(JUDGEMENT_PROPERTY, "")
            found.append(Reported(told.get(CASE_PROPERTY, ""), not any(ends), judgement))
        if int(suite.get("failures", "0")) + int(suite.get("errors", "0")) < bad:
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
    if mend.frame(annex) != mend.frame(again) or f"<title>{title}</title>" not in annex:
        made_with = certificate["method"]["packages"].get("pytest-html")
        raise BrokenError(
            "certificate.html holds something beside the certificate and pytest-html's report "
            f"(made with pytest-html {made_with}, checked with {metadata.version('pytest-html')})"
        )
    known = mend.shown(again)
    for test, results in mend.shown(annex).items():
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
    )
    rebuilt: dict[str, Any] = json.loads(build.dump(build.build(catalogue, ledger, saved, facts)))
    return rebuilt


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


def difference(again: dict[str, Any], certificate: dict[str, Any]) -> str:
    """Name the requirements whose outcome or cause differs."""
    differing = [
        f"{mine['requirement']} {mine['outcome']} instead of {theirs['outcome']}"
        for mine, theirs in zip(again["results"], certificate["results"], strict=False)
        if (mine["outcome"], mine["cause"]) != (theirs["outcome"], theirs["cause"])
    ]
    return ", ".join(differing) or "in the details"


def check_signed(
    certificate: dict[str, Any], data: bytes, folder: Path, allowed_signers: Path | None
) -> None:
    """Check the signature, and that a print has one: nothing else binds it to its certificate."""
    check_signature(certificate, data, folder, allowed_signers)
    if certificate["signature"] is None and (folder / "certificate.pdf").exists():
        raise BrokenError(
            "certificate.pdf may show anything, because the run was not signed; "
            "print certificate.html instead"
        )


def check_signature(
    certificate: dict[str, Any], data: bytes, folder: Path, allowed_signers: Path | None
) -> None:
    """Check the signature that the certificate announces, if it announces one."""
    announced = certificate["signature"]
    file = folder / "certificate.json.sig"
    if announced is None:
        if file.exists():
            raise BrokenError("there is a signature that the certificate does not announce")
        if allowed_signers:
            raise BrokenError("the certificate is not signed")
        return
    if not file.exists():
        raise BrokenError("the signature that the certificate announces is missing")
    made_by = signature.check(file, data, allowed_signers)
    if made_by != announced["fingerprint"]:
        raise BrokenError(f"it was signed by {made_by}, not by {announced['fingerprint']}")
    printed = folder / "certificate.pdf"
    if printed.exists():
        made_by = signature.check(
            folder / "certificate.pdf.sig", printed.read_bytes(), allowed_signers
        )
        if made_by != announced["fingerprint"]:
            raise BrokenError(f"certificate.pdf was signed by {made_by}")


def main(arguments: list[str]) -> int:
    """Run ``python -m cube_acceptance verify FOLDER [--allowed-signers FILE]``."""
    import argparse  # noqa: PLC0415 - only the command line needs it

    parser = argparse.ArgumentParser(prog="python -m cube_acceptance verify")
    parser.add_argument("folder", type=Path, help="the folder of one run")
    parser.add_argument(
        "--allowed-signers", type=Path, metavar="FILE", help="whose signature counts"
    )
    options = parser.parse_args(arguments)
    findings = verify(options.folder, options.allowed_signers)
    holding = [finding.what for finding in findings if not finding.wrong]
    lines = [f"holds: {', '.join(holding) or 'nothing'}"]
    for finding in findings:
        if finding.wrong:
            wrong = " ".join(plain(finding.wrong).split())
            lines.append(f"does not hold: {finding.what}: {wrong}")
    encoding = sys.stdout.encoding or "utf-8"
    for line in lines:
        sys.stdout.write(f"{line}\n".encode(encoding, errors="replace").decode(encoding))
    return int(any(finding.wrong for finding in findings))
