"""Checks a run's folder on its own: form, completeness, verdict, outcomes, hashes, signature.

Everything that stands in ``certificate.html`` is rendered from ``certificate.json`` or covered
by a hash in it; the other files are covered by hashes, and the signature covers the lot.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from cube_acceptance import catalogue as catalogues
from cube_acceptance import plan, run, survey
from cube_acceptance.certificate import build, signature
from cube_acceptance.certificate.model import Certificate
from cube_acceptance.certificate.sections import ANNEX_HASH

if TYPE_CHECKING:
    from collections.abc import Callable

    from cube_acceptance.survey import Saved

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


class Finding(NamedTuple):
    """One thing that was checked."""

    what: str
    wrong: str
    """What does not hold; empty where it holds."""


class BrokenError(Exception):
    """Something does not hold; the message says what."""


def verify(folder: Path, allowed_signers: Path | None = None) -> list[Finding]:
    """Check a run's folder; one finding for each thing checked, in the order of trust."""
    try:
        data = (folder / "certificate.json").read_bytes()
        certificate = read(data)
    except (OSError, BrokenError) as error:
        return [Finding("form", f"certificate.json: {error}")]
    checks: list[tuple[str, Callable[[], None]]] = [
        ("completeness", lambda: check_completeness(certificate, folder)),
        ("verdict", lambda: check_verdict(certificate)),
        ("hashes", lambda: check_hashes(certificate, folder)),
        ("page", lambda: check_page(certificate, survey.load(folder / "evidence.json"), folder)),
        ("outcomes", lambda: check_outcomes(certificate, folder)),
        ("signature", lambda: check_signature(certificate, data, folder, allowed_signers)),
    ]
    return [Finding("form", ""), *(_find(what, check) for what, check in checks)]


def _find(what: str, check: Callable[[], None]) -> Finding:
    try:
        check()
    except (BrokenError, OSError, survey.EvidenceError, signature.SignatureError) as error:
        return Finding(what, str(error))
    return Finding(what, "")


def read(data: bytes) -> dict[str, Any]:
    """Read ``certificate.json`` strictly, and only in the one way that it is written.

    Raises:
        BrokenError: it is no certificate of this version, or is written differently.
    """
    try:
        msgspec.json.decode(data, type=Certificate)
        certificate: dict[str, Any] = json.loads(data)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise BrokenError(str(error)) from error
    if build.dump(certificate) != data:
        raise BrokenError("it is not written as this suite writes it")
    return certificate


def check_completeness(certificate: dict[str, Any], folder: Path) -> None:
    """Check that every catalogue entry and subject has its result, in order, with every case."""
    catalogue = catalogues.load()
    if certificate["requirements_document"]["catalogue_sha256"] != catalogue.sha256:
        raise BrokenError("it was made with another catalogue of requirements")
    site = survey.load(folder / "evidence.json").setup.site
    wanted = [
        (entry.id, entry.level, subject)
        for entry in catalogue.requirement
        for subject in plan.subjects(entry, site)
    ]
    present = [
        (result["requirement"], result["level"], result["subject"])
        for result in certificate["results"]
    ]
    if present != wanted:
        raise BrokenError("its results are not those that the catalogue demands")
    cases = [case["case"] for result in certificate["results"] for case in result["cases"]]
    if cases != [owing.case for owing in plan.owed(catalogue, site)]:
        raise BrokenError("its cases are not those that the catalogue demands")


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
    html = (folder / "certificate.html").read_bytes().decode("utf-8", errors="surrogateescape")
    fragment = run.certificate_part(certificate, saved)
    if html.count(fragment) != 1:
        raise BrokenError("certificate.html does not show this certificate")
    annex = html.replace(fragment, run.CERTIFICATE_MARK, 1)
    digest = hashlib.sha256(annex.encode("utf-8", errors="surrogateescape")).hexdigest()
    if digest != certificate["files"].get(ANNEX_HASH):
        raise BrokenError("certificate.html was changed outside the certificate")


def check_outcomes(certificate: dict[str, Any], folder: Path) -> None:
    """Check the outcomes by judging the evidence again."""
    project = Path(__file__).parents[2]
    if not (project / "tests").is_dir():
        raise BrokenError("the acceptance cases are not installed; run from a checkout")
    with tempfile.TemporaryDirectory(prefix="cube-acceptance-verify-") as reports:
        try:
            asked = subprocess.run(  # noqa: S603 - fixed program, arguments are passed as they are
                replay_command(project, folder, certificate["language"], reports),
                capture_output=True,
                text=True,
                timeout=REPLAY_LIMIT_S,
                check=False,
                cwd=project,
            )
        except subprocess.TimeoutExpired as error:
            raise BrokenError("judging the evidence again did not finish in time") from error
        made = list(Path(reports).glob("*/certificate.json"))
        if not made:
            said = (asked.stderr or asked.stdout).strip().splitlines()
            raise BrokenError(f"the evidence cannot be judged again: {said[-1] if said else ''}")
        again = json.loads(made[0].read_bytes())
    for key in ("results", "observations", "deviations", "waivers", "totals"):
        if comparable(again[key]) != comparable(certificate[key]):
            raise BrokenError(
                f"judged again, the evidence gives other {key}: {difference(again, certificate)}"
            )


def replay_command(project: Path, folder: Path, language: str, reports: str) -> list[str]:
    """Write the command that judges a folder's evidence again, without its certificate's say."""
    return [
        *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"),
        *("--rootdir", str(project), "-c", str(project / "pyproject.toml")),
        *("--replay", str((folder / "evidence.json").resolve())),
        *("--lang", language, "--reports", reports),
        str(project / "tests"),
    ]


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
    sys.stdout.write(f"holds: {', '.join(holding) or 'nothing'}\n")
    for finding in findings:
        if finding.wrong:
            wrong = re.sub(r"[^\x20-\x7e\xa0-\uffff]", "?", finding.wrong)
            sys.stdout.write(f"does not hold: {finding.what}: {wrong}\n")
    return int(any(finding.wrong for finding in findings))
