"""Checks a run's folder on its own: form, completeness, verdict, hashes, page, outcomes, signature.

A certificate outlives its suite: whatever version made it, its form, completeness and verdict are
checked, its own hashes and its signature. What this very suite made is rendered and judged again
as well, and whatever follows from the evidence is compared. Of what another version made it is
said which of today's judgements differ; that makes nothing false.

A folder may come from anybody: whatever it holds, it ends in a finding.
"""

from __future__ import annotations

import json
import re
import sys
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from cube_acceptance import (
    __version__,
    again,
    evidence_file,
    expected,
    method,
    run,
    siblings,
    suite,
)
from cube_acceptance import catalogue as catalogues
from cube_acceptance.certificate import build, front, signature
from cube_acceptance.certificate.model import Certificate, Lasting
from cube_acceptance.siblings import BrokenError
from cube_acceptance.text import computer, usage
from cube_acceptance.text.foreign import plain
from cube_acceptance.text.options import Options
from cube_acceptance.text.wording import say
from cube_acceptance.verdict import worst

if TYPE_CHECKING:
    from collections.abc import Callable

    from cube_acceptance.catalogue import Language
    from cube_acceptance.evidence_file import Saved

TIMES = ("started", "ended", "clock_offset_s", "clock_uncertainty_s")
"""Keys of ``time`` that follow from the evidence; the others are the computer's zone."""

PLANT = ("name", "customer", "location")
"""What names a site."""

REQUIREMENT = re.compile(r"[A-Z]{2,8}-[0-9]{2}")
"""How a catalogue of any version names a requirement."""

NAMES_LIMIT = 64
"""Requirements that a catalogue of any version can have; a summary has a column for each."""

NO_SUCH_FOLDER = 4
"""pytest's word for a usage error."""

DOCUMENTED = frozenset(
    {
        *("DHCP-01", "NTP-01", "DNS-01", "HTTPS-01", "PING-01", "PING-02"),
        *("DIAG-01", "CONN-01", "MDNS-01", "LLMNR-01", "SSH-01"),
    }
)
"""What the manufacturer's page has asked for since the first version of this suite. A certificate
of any version that leaves one out is not about that page."""


class Finding(NamedTuple):
    """One thing that was checked."""

    what: str
    wrong: str = ""
    """What does not hold; empty where it holds."""
    note: str = ""
    """What has to be known about it all the same."""


def verify(folder: Path, allowed_signers: Path | None = None) -> list[Finding]:
    """Check a run's folder; one finding for each thing checked, in the order of trust."""
    found: list[tuple[bytes, dict[str, Any]]] = []
    form = _find("form", lambda: found.append(opened(folder)))
    if form.wrong:
        return [form]
    ((data, certificate),) = found
    checks: list[tuple[str, Callable[[], str | None]]] = [
        ("completeness", lambda: check_completeness(certificate, folder)),
        ("verdict", lambda: check_verdict(certificate)),
        ("content", lambda: check_content(certificate)),
        ("files", lambda: siblings.check(certificate, folder)),
        ("page", lambda: check_page(certificate, folder)),
        ("outcomes", lambda: check_outcomes(certificate, folder)),
        ("signature", lambda: check_signed(certificate, data, folder, allowed_signers)),
    ]
    return [form, *(_find(what, check) for what, check in checks)]


def _find(what: str, check: Callable[[], str | None]) -> Finding:
    try:
        return Finding(what, note=check() or "")
    except (BrokenError, evidence_file.EvidenceError, signature.SignatureError) as error:
        return Finding(what, str(error))
    except OSError as error:
        return Finding(what, f"{Path(str(error.filename)).name}: {error.strerror}")
    except Exception as error:  # noqa: BLE001 - a folder must not be able to end the check
        return Finding(what, f"{type(error).__name__}: {error}")


def opened(folder: Path) -> tuple[bytes, dict[str, Any]]:
    """Read the certificate of a run's folder, as it stands in the file and as data.

    Raises:
        BrokenError: it is none, or something in the folder is no plain file.
    """
    for path in sorted(folder.iterdir()):
        if path.name in siblings.UNLISTED | {siblings.EVIDENCE, siblings.REPORT}:
            siblings.check_plain(path.name, path.lstat())
    try:
        data = (folder / siblings.CERTIFICATE).read_bytes()
        return data, read(data)
    except FileNotFoundError as error:
        raise BrokenError(f"{siblings.CERTIFICATE}: file missing") from error
    except (OSError, BrokenError) as error:
        raise BrokenError(f"{siblings.CERTIFICATE}: {error}") from error


def read(data: bytes) -> dict[str, Any]:
    """Read ``certificate.json`` strictly: this suite's only in the one way that it is written.

    Raises:
        BrokenError: it is no certificate of any version, or is written differently.
    """
    if b"\r" in data:  # a text in JSON has \\r
        raise BrokenError("line ends changed: copy it again, in an archive")
    try:
        msgspec.json.decode(data, type=Lasting)
        certificate: dict[str, Any] = json.loads(data)
        written = build.dump(certificate)
        if made_here(certificate):
            msgspec.json.decode(data, type=Certificate)
        elif written != data:
            json.loads(data, object_pairs_hook=evidence_file.each_once)
            written = data
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise BrokenError(f"this is no certificate: {error}") from error
    if written != data:
        raise BrokenError("it is not written as this suite writes it")
    return certificate


def made_here(certificate: dict[str, Any]) -> bool:
    """Whether this very suite has made a certificate, by what judges and renders."""
    return bool(certificate["method"].get("suite_sha256") == suite.sha256())


def maker(certificate: dict[str, Any]) -> str:
    """Name the version that has made a certificate."""
    made = certificate["method"]
    return " ".join(filter(None, (made["version"], made["commit"][:12])))


def check_completeness(certificate: dict[str, Any], folder: Path) -> None:
    """Check that every requirement and subject has its result, in order, with every case."""
    if made_here(certificate):
        check_catalogue(certificate, evidence_file.load(folder / siblings.EVIDENCE))
    else:
        check_whole(certificate)


def check_catalogue(certificate: dict[str, Any], saved: Saved) -> None:
    """Check that results and cases are those that this suite's catalogue demands of the site."""
    catalogue, site = catalogues.load(), saved.setup.site
    if certificate["requirements_document"]["catalogue_sha256"] != catalogue.sha256:
        raise BrokenError("it was made with another catalogue of requirements")
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


def check_whole(certificate: dict[str, Any]) -> None:
    """Check that a certificate of another version is whole, by what it says itself.

    Every documented requirement is there, each with a result about the site or about every CUBE,
    and each outcome is the worst of its cases'.
    """
    cubes = [cube["name"] for cube in certificate["item"]["cubes"]]
    by_requirement = groupby(certificate["results"], lambda result: result["requirement"])
    subjects = [(name, [one["subject"] for one in results]) for name, results in by_requirement]
    names = [name for name, _ in subjects]
    if missing := DOCUMENTED - set(names):
        raise BrokenError(f"it has no result for {', '.join(sorted(missing))}")
    if len(names) > NAMES_LIMIT or not all(map(REQUIREMENT.fullmatch, names)):
        raise BrokenError("its results are about what no catalogue asks for")
    if len(names) != len(set(names)):
        raise BrokenError("its results are in no order")
    for name, told in subjects:
        if told not in ([catalogues.SITE], cubes):
            raise BrokenError(f"its results for {name} are not about the site or every CUBE")
    for result in certificate["results"]:
        outcomes = [case["outcome"] for case in result["cases"]]
        if result["waiver"]:
            outcomes = ["waived" if outcome == "fail" else outcome for outcome in outcomes]
        if result["outcome"] != (worst(outcomes) if outcomes else "not-applicable"):
            raise BrokenError(f"its outcome for {result['requirement']} is not its cases'")


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
    } | build.clock(saved)
    said = certificate | {"time": {key: certificate["time"][key] for key in TIMES}}
    for key, value in told.items():
        if said[key] != value:
            raise BrokenError(f"certificate and evidence differ in {key}")


def check_same_run(certificate: dict[str, Any], folder: Path) -> None:
    """Check that a certificate of another version and its evidence speak of the same run.

    Raises:
        BrokenError: they differ; names in what.
    """
    saved = json.loads((folder / siblings.EVIDENCE).read_bytes())
    site = saved["setup"]["loaded"]["site"]
    told = {
        "time": siblings.moments(saved),
        "simulated": saved["setup"]["simulated"],
        "stage": site["stage"],
        "site": [site["site"][key] for key in PLANT],
        "item": [cube["address"] for cube in site["cube"]],
    }
    said = {
        "time": siblings.moments(certificate["time"]),
        "simulated": certificate["simulated"],
        "stage": certificate["stage"],
        "site": [certificate["site"][key] for key in PLANT],
        "item": [cube["address"] for cube in certificate["item"]["cubes"]],
    }
    for key, value in told.items():
        if said[key] != value:
            raise BrokenError(f"certificate and evidence differ in {key}")


def check_verdict(certificate: dict[str, Any]) -> None:
    """Check that the verdict follows from the outcomes."""
    computed = build.verdict_of(certificate["results"], certificate["complaints"])
    if computed != certificate["verdict"]:
        raise BrokenError(f"it says {certificate['verdict']}, its outcomes say {computed}")


def check_content(certificate: dict[str, Any]) -> str:
    """Check the hash of what a certificate says; say where it has none."""
    said = certificate.get("content_sha256")
    if not said and not certificate["method"].get("suite_sha256"):
        return "it has no hash of its own; versions before 0.1.0 gave none"
    if said != build.content_sha256(certificate):
        raise BrokenError(f"{siblings.CERTIFICATE}: content changed")
    return ""


def check_bound(certificate: dict[str, Any], folder: Path) -> None:
    """Check that the page bears the certificate's number, and the hash of its content if any."""
    html = (folder / siblings.PAGE).read_bytes()
    for said in (certificate["certificate_id"], certificate.get("content_sha256", "")):
        if said.encode() not in html:
            raise BrokenError(f"{siblings.PAGE} does not show this certificate")


def check_page(certificate: dict[str, Any], folder: Path) -> str:
    """Check that the page shows this certificate; say where nothing binds it."""
    check_bound(certificate, folder)
    if siblings.PAGE not in certificate["files"]:
        return "no hash binds it; versions before 0.1.0 gave none, so certificate.json counts alone"
    if made_here(certificate):
        check_requests(certificate, folder)
        if certificate["method"]["packages"] == method.packages():
            again.annex_of(certificate, evidence_file.load(folder / siblings.EVIDENCE), folder)
    return ""


def check_requests(certificate: dict[str, Any], folder: Path) -> None:
    """Check that the request to the administrator asks for what this certificate says.

    Raises:
        BrokenError: it asks for something else: a rule in it may open what nobody needs.
    """
    for name, data in run.requests(certificate).items():
        if name not in certificate["files"] or (folder / name).read_bytes() != data:
            raise BrokenError(f"{name} does not ask for what this certificate says")


def check_outcomes(certificate: dict[str, Any], folder: Path) -> str:
    """Check the outcomes by judging the evidence again; of another version, say what differs."""
    if made_here(certificate):
        check_own_outcomes(certificate, folder)
        return ""
    check_same_run(certificate, folder)
    made_by = f"made by version {maker(certificate)}"
    try:
        saved = evidence_file.load(folder / siblings.EVIDENCE)
        judged = again.judge_again(certificate["language"], folder)
        rebuilt = again.built_again(certificate, saved, judged.judgements)
    except (BrokenError, evidence_file.EvidenceError) as error:
        return f"{made_by}; this one, {__version__}, cannot judge its evidence: {error}"
    differing = again.differing(rebuilt, certificate)
    today = f"would judge differently: {', '.join(differing)}" if differing else "judges alike"
    return f"{made_by}; this one, {__version__}, {today}"


def check_own_outcomes(certificate: dict[str, Any], folder: Path) -> None:
    """Check the outcomes, and what else follows from the evidence, by judging it again."""
    judged = again.judge_again(certificate["language"], folder)
    saved = evidence_file.load(folder / siblings.EVIDENCE)
    rebuilt = again.built_again(certificate, saved, judged.judgements)
    for key in again.JUDGED:
        if again.comparable(rebuilt[key]) != again.comparable(certificate[key]):
            differing = ", ".join(again.differing(rebuilt, certificate)) or "in the details"
            raise BrokenError(f"judged again, the evidence gives other {key}: {differing}")
    check_facts(certificate, saved)
    again.check_report(folder / siblings.REPORT, judged.judgements)
    if certificate["method"]["packages"] == method.packages():
        again.check_annex(certificate, again.annex_of(certificate, saved, folder), judged.annex)


def check_signed(
    certificate: dict[str, Any], data: bytes, folder: Path, allowed_signers: Path | None
) -> str:
    """Check the signature, and that a print has one: nothing else binds it to its certificate."""
    check_signature(certificate, data, folder, allowed_signers)
    if certificate["signature"]:
        return ""
    if (folder / "certificate.pdf").exists():
        raise BrokenError(
            "certificate.pdf may show anything, because the run was not signed; "
            "print certificate.html instead"
        )
    return "not signed, so nothing says who made it"


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


def kind(certificate: dict[str, Any], language: Language) -> str:
    """Return the verdict of a certificate, and what keeps it from being an ordinary one."""
    peculiar = {
        "readiness": certificate["stage"] == "readiness",
        "simulated": certificate["simulated"],
        "replayed": certificate["replayed"],
    }
    notes = [say(f"verify.{key}", language) for key, so in peculiar.items() if so]
    return ", ".join([front.verdict(certificate, language), *notes])


def lines(folder: Path, findings: list[Finding], language: Language) -> list[str]:
    """Write what was found, a line each."""
    names = [say(f"checked.{one.what}", language) for one in findings]
    told = []
    if not findings[0].wrong:
        told.append(say("verify.says", language, verdict=kind(opened(folder)[1], language)))
    named = list(zip(names, findings, strict=True))
    holding = [name for name, one in named if not one.wrong and not one.note]
    nothing = say("verify.nothing", language)
    told.append(say("verify.holds", language, names=", ".join(holding) or nothing))
    told += [f"{name}: {usage.said(one.note, language)}" for name, one in named if one.note]
    told += [
        say("verify.broken", language, name=name, why=usage.said(one.wrong, language))
        for name, one in named
        if one.wrong
    ]
    return [" ".join(plain(line).split()) for line in told]


def main(arguments: list[str]) -> int:
    """Run ``cube-acceptance verify FOLDER [--allowed-signers FILE]``."""
    parser = Options(
        arguments,
        prog="cube-acceptance verify",
        description="Check the folder of one run: whether its files belong together, and whether "
        "the verdict follows from what was measured.",
        epilog="Exit status: 0 all holds; 1 something does not; 4 no such folder, or usage.",
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="the folder of one run")
    parser.add_argument(
        "--allowed-signers", type=Path, metavar="FILE", help="whose signature counts"
    )
    options = parser.parse_args(arguments)
    if not options.folder.is_dir():
        said = f"{plain(str(options.folder))}: there is no such folder"
        sys.stderr.write(f"{usage.said(said, parser.language)}\n")
        return NO_SUCH_FOLDER
    findings = verify(options.folder, options.allowed_signers)
    for line in lines(options.folder, findings, options.lang or computer.language()):
        sys.stdout.write(f"{line}\n")
    return int(any(finding.wrong for finding in findings))
