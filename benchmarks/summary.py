"""Measures ``cube-acceptance summary`` over many certificates, each of its own.

    python benchmarks/summary.py [--count 10000] [--signed] [--from FOLDER] [--keep DIR]

The folders are copies of one run with another number, site and time, written anew in full, so
that every one of them verifies. Without ``--from`` the run is one of the embedded site; a copy
is then made out as measured at a real one. Nothing here is a certificate of anything.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from cube_acceptance import evidence_file, run
from cube_acceptance.certificate import build, signature
from cube_acceptance.certificate.annex import CERTIFICATE_MARK

PROJECT = Path(__file__).parents[1]
FORMATS = ("table", "csv", "json", "html")


def twin(  # noqa: PLR0913 - everything that tells one certificate from another
    original: Path,
    target: Path,
    *,
    name: str | None = None,
    later_s: float = 0.0,
    evidence: dict[str, Any] | None = None,
    key: Path | None = None,
    **changes: object,
) -> Path:
    """Write a run's folder anew as a certificate of its own; it verifies like the original.

    Args:
        original: The folder of a run.
        target: The folder to be made.
        name: Another name of the site.
        later_s: How much later it was measured.
        evidence: Changes to the evidence's ``setup``.
        key: Sign with this OpenSSH key.
        changes: Changes to the certificate's keys.
    """
    certificate = json.loads((original / "certificate.json").read_bytes())
    saved = evidence_file.load(original / "evidence.json")
    page = (original / "certificate.html").read_bytes().decode()
    annex = page.replace(run.certificate_part(certificate, saved), CERTIFICATE_MARK, 1)
    if annex == page:
        raise ValueError(f"{original}: its page was rendered by another version")

    began = datetime.fromisoformat(saved.started) + timedelta(seconds=later_s)
    started = began.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    plain = msgspec.to_builtins(saved)
    plain["started"] = started
    plain["setup"] |= evidence or {}
    if name is not None:
        plain["setup"]["loaded"]["site"]["site"]["name"] = name
    saved = msgspec.convert(plain, evidence_file.Saved)

    target.mkdir(parents=True)
    (target / "evidence.json").write_bytes(evidence_file.dump(saved))
    shutil.copy(original / "junit.xml", target)
    certificate["certificate_id"] = str(uuid.uuid4())
    certificate["site"] = msgspec.to_builtins(saved.setup.site.site)
    certificate["time"]["started"] = started
    if key:
        fingerprint = signature.fingerprint(key)
        certificate["signature"] = {
            "fingerprint": fingerprint,
            "command": signature.command(fingerprint),
        }
    certificate |= changes
    certificate["content_sha256"] = build.content_sha256(certificate)
    for file, data in run.requests(certificate).items():
        (target / file).write_bytes(data)
        certificate["files"].setdefault(file, "")
    shown = annex.replace(CERTIFICATE_MARK, run.certificate_part(certificate, saved), 1)
    (target / "certificate.html").write_bytes(shown.encode())
    for file in certificate["files"]:
        certificate["files"][file] = run.sha256((target / file).read_bytes())
    (target / "certificate.json").write_bytes(build.dump(certificate))
    if key:
        signature.sign(target / "certificate.json", key)
    return target


def first_run(folder: Path) -> Path:
    """Run the suite against the embedded site."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    subprocess.run(
        [*command, "--reports", str(folder)], cwd=PROJECT, check=True, capture_output=True
    )
    (made,) = folder.iterdir()
    return made


def make(original: Path, runs: Path, count: int, key: Path | None) -> None:
    """Make the folders, and the key and its list where they are to be signed."""
    begin = time.perf_counter()
    if key:
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
        listed = f"benchmark {key.with_suffix('.pub').read_text()}"
        key.with_name("allowed_signers").write_text(listed)
    for number in range(count):
        twin(
            original,
            runs / f"{number:06}",
            name=f"Plant {number}",
            evidence={"simulated": False},
            key=key,
            simulated=False,
            replayed=False,
        )
    print(f"{count} folders made in {time.perf_counter() - begin:.0f} s")


class Measured(NamedTuple):
    """What one summary took."""

    elapsed_s: float
    cpu_s: float
    """Over all its processes: on two cores that have nothing else to do, half of it passes."""
    status: int
    largest_mib: float
    """The memory of its largest process."""


def measure(folder: Path, *arguments: str) -> Measured:
    """Run one summary."""
    command = [sys.executable, "-m", "cube_acceptance", "summary", *arguments, str(folder)]
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, cwd=PROJECT, stdout=subprocess.DEVNULL, check=False)
    elapsed, after = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Measured(elapsed, cpu, done.returncode, after.ru_maxrss / 1024)


def main(arguments: list[str]) -> int:
    """Make the folders, measure every format, and say what it took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--signed", action="store_true", help="sign every certificate")
    parser.add_argument("--from", dest="original", type=Path, metavar="FOLDER")
    parser.add_argument("--format", action="append", choices=FORMATS)
    parser.add_argument(
        "--keep",
        type=Path,
        metavar="DIR",
        help="keep the folders there, or use those that are there",
    )
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="cube-acceptance-benchmark-") as scratch:
        place = options.keep or Path(scratch)
        runs, key, demanded = place / "runs", None, []
        if options.signed:
            key, signers = place / "key", place / "allowed_signers"
            demanded = ["--allowed-signers", str(signers)]
        if not runs.exists():
            make(options.original or first_run(place / "first"), runs, options.count, key)
        for form in options.format or FORMATS:
            took = measure(runs, "--format", form, *demanded)
            print(
                f"{form:5} {took.elapsed_s:6.1f} s elapsed  {took.cpu_s:6.1f} s CPU"
                f"  {took.cpu_s / options.count * 1000:5.2f} ms CPU each"
                f"  exit {took.status}  largest process {took.largest_mib:.0f} MiB"
            )
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
