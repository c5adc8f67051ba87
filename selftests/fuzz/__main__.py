"""Fuzz the readers of foreign bytes, guided by which of their branches an input reaches.

    python -m selftests.fuzz                        every target, 10 minutes each, two at a time
    python -m selftests.fuzz dns http --minutes 1   some targets, shorter

Every target starts from its kept corpus and a few valid inputs; what reached new branches is kept
for the next time. An input that ends in anything but what its reader may end in, takes more than
5 seconds or more than 768 MiB is a finding: it stops its target and stays in the folder that is
named. Exit status 0 when there was none, 1 otherwise. Needs the extra ``fuzz`` (Linux).
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from selftests.fuzz import corpus

NAMES = (
    "dhcp", "dns", "ntp", "mdns", "llmnr", "http", "ssh", "icmp", "leases", "site", "evidence",
)  # fmt: skip
INPUT_LIMIT_S = 5
MEMORY_LIMIT_MIB = 768
STARTING_S = 120
"""What a target may take beyond its time: to be instrumented, and to end."""
_DONE = re.compile(r"#(\d+)\s+DONE.*cov: (\d+)")


class Fuzzed(NamedTuple):
    """What became of one target."""

    target: str
    findings: list[Path]
    runs: int
    branches: int
    kept: int
    seconds: float
    log: str


def main() -> int:
    """Fuzz what the command line names."""
    parser = argparse.ArgumentParser(prog="python -m selftests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(NAMES))
    parser.add_argument("--minutes", type=float, default=10.0, help="time of each target")
    parser.add_argument("--jobs", type=int, default=2, help="targets at the same time")
    chosen = parser.parse_args()
    if unknown := set(chosen.targets) - set(NAMES):
        parser.error(f"no such target: {', '.join(sorted(unknown))}")
    found = 0
    with ThreadPoolExecutor(chosen.jobs) as pool:
        targets = chosen.targets or NAMES
        for done in pool.map(lambda target: fuzz(target, chosen.minutes * 60), targets):
            found += len(done.findings)
            said = (
                f"{done.target}: {done.runs} inputs in {done.seconds:.0f} s, {done.branches} "
                f"branches, {done.kept} inputs kept, {len(done.findings)} findings"
            )
            print(said, flush=True)
            for finding in done.findings:
                print(f"    {finding}\n{done.log[-3000:]}", flush=True)
    return 1 if found else 0


def fuzz(target: str, limit_s: float) -> Fuzzed:
    """Fuzz one target in a process of its own, then keep the inputs that matter."""
    folder = Path(tempfile.mkdtemp(prefix=f"cube-acceptance-fuzz-{target}-"))
    grown, artifacts = folder / "grown", folder / "findings"
    for made in (grown, artifacts):
        made.mkdir()
    for one in corpus.read(target):
        (grown / hashlib.sha256(one).hexdigest()).write_bytes(one)
    begin = time.monotonic()
    ended = _libfuzzer(
        target, f"-max_total_time={limit_s:.0f}", f"-artifact_prefix={artifacts}/", str(grown),
        folder=folder, limit_s=limit_s,
    )  # fmt: skip
    seconds = time.monotonic() - begin
    kept = corpus.write(target, (path.read_bytes() for path in grown.iterdir()))
    numbers = _DONE.search(ended) or re.match("()()", "")
    assert numbers
    findings = sorted(artifacts.iterdir())
    if not numbers[1] and not findings:
        raise RuntimeError(f"{target} did not run:\n{ended[-3000:]}")
    if not findings:
        shutil.rmtree(folder)
    return Fuzzed(
        target, findings, int(numbers[1] or 0), int(numbers[2] or 0), kept, seconds, ended
    )


def _libfuzzer(target: str, *arguments: str, folder: Path, limit_s: float) -> str:
    """Run it with ``folder`` for temporary files: libFuzzer ends a process without a farewell."""
    command = [
        sys.executable, "-m", "selftests.fuzz.one", target, f"-timeout={INPUT_LIMIT_S}",
        f"-rss_limit_mb={MEMORY_LIMIT_MIB}", "-print_final_stats=1", *arguments,
    ]  # fmt: skip
    done = subprocess.run(
        command,
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=os.environ | {"TMPDIR": os.fspath(folder)},
        timeout=limit_s + STARTING_S,
    )
    return done.stdout.decode(errors="replace")


if __name__ == "__main__":
    sys.exit(main())
