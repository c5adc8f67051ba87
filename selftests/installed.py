"""Try what an engineer is given: artefacts, installed in fresh environments, by an ordinary user.

    python -m selftests.installed                  artefacts, environments, the simulated site
    python -m selftests.installed --conspiracies   and every way to cheat, on the installed wheel

Each environment is made read-only before an ordinary user starts the suite from an empty folder:
the simulated site has to be accepted and the folder to hold, nothing else may be written, and what
judged has to be what the checkout holds. As root, that user is nobody, who may read everything
(root may keep its Python where nobody else looks) and write nothing of it. Where the kernel lets
it, the wheelhouse is installed without a network.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from typing import TYPE_CHECKING

from cube_acceptance import suite
from selftests.support.sessions import PROJECT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

NOBODY = 65534
LIMIT_S = 600.0
COMPLAINT = re.compile(r"warning|error|traceback|cache", re.IGNORECASE)

READING = "+dac_read_search"
AS_NOBODY = (
    *("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"),
    *(f"--inh-caps=-all,{READING}", f"--ambient-caps=-all,{READING}"),
    *(f"--bounding-set=-all,{READING}", "--no-new-privs", "--"),
)


def call(
    *command: str | Path, cwd: Path = PROJECT, environment: Mapping[str, str] | None = None
) -> str:
    """Run a program and return what it said.

    Raises:
        SystemExit: it failed.
    """
    done = subprocess.run(
        [str(part) for part in command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=cwd,
        env=environment,
        timeout=LIMIT_S,
        check=False,
    )
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}: status {done.returncode}\n{done.stdout}")
    return done.stdout


def make_environment(folder: Path, packages: Sequence[str | Path], *before: str) -> Path:
    """Make a fresh environment with these packages and return its Python."""
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    call(
        *(*before, sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"),
        *("--python", python, "install", *packages),
    )
    return python


def without_network() -> tuple[str, ...]:
    """Return what starts a program without a network, where that can be done."""
    if not shutil.which("unshare"):
        return ()
    command = ("unshare", "--net", "--") if os.geteuid() == 0 else ("unshare", "-rn", "--")
    tried = subprocess.run([*command, "true"], check=False, capture_output=True)
    return () if tried.returncode else command


def close(folder: Path) -> None:
    """Take everybody's right to write from a folder."""
    for path in (*folder.rglob("*"), folder):
        if not path.is_symlink():
            path.chmod(stat.S_IMODE(path.stat().st_mode) & ~0o222)


def open_again(folder: Path) -> None:
    """Let the owner remove it."""
    for path in (folder, *folder.rglob("*")):
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o755)


def contents(folder: Path) -> set[Path]:
    """List everything in a folder."""
    return set(folder.rglob("*"))


def accept(python: Path, empty: Path, *options: str) -> None:
    """Run the simulated site from an empty folder and verify what it leaves; nothing else may be.

    Raises:
        AssertionError: something is not as it must be.
    """
    temporary = empty.with_name(f"{empty.name}-tmp")
    user: tuple[str, ...] = AS_NOBODY if os.geteuid() == 0 else ()
    for folder in (empty, temporary):
        folder.mkdir()
        if user:
            os.chown(folder, NOBODY, NOBODY)
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": "/nonexistent",
        "TMPDIR": str(temporary),
        "LC_ALL": "C.UTF-8",
    }
    command = python.parent / "cube-acceptance"
    installed = contents(python.parents[1])
    said = call(*user, command, *options, cwd=empty, environment=environment)
    (folder,) = (empty / "reports").iterdir()
    certificate = json.loads((folder / "certificate.json").read_bytes())
    method = certificate["method"]

    assert str(folder) in said, said
    assert (certificate["verdict"], certificate["simulated"]) == ("accepted", True), said
    assert method["command_line"] == ["cube-acceptance", *options], method
    assert method["suite_sha256"] == suite.sha256(), "another suite than the checkout's"
    assert method["commit"] == suite.commit(), method
    assert not COMPLAINT.search(said), said
    verified = call(
        *user, command, "verify", folder, "--lang", "en", cwd=empty, environment=environment
    )
    assert "holds: form, completeness, verdict, content, files, page, outcomes" in verified
    assert contents(python.parents[1]) == installed
    assert [path.name for path in empty.iterdir()] == ["reports"]


def conspire(python: Path, chosen: str) -> None:
    """Let every conspiracy be tried on the installed suite.

    Raises:
        SystemExit: one succeeded.
    """
    settings = ("-c", "selftests/pytest.toml", "--rootdir=selftests", "-p", "no:cacheprovider")
    told = call(
        *(sys.executable, "-m", "pytest", *settings, "-q", "-n", "2", "--dist", "worksteal"),
        *("-k", chosen, "selftests/sessions/test_conspiracies.py"),
        environment=os.environ | {"CUBE_INSTALLED_PYTHON": str(python)},
    )
    say(told.strip().splitlines()[-1])


def say(line: str) -> None:
    """Print what was found or is being done."""
    print(line, flush=True)


def main() -> int:
    """Try everything."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--conspiracies", action="store_true", help="every way to cheat as well")
    parser.add_argument("-k", default="", help="which of them (pytest's expression)")
    given = parser.parse_args()
    root = Path(tempfile.mkdtemp(prefix="cube-acceptance-installed-"))
    root.chmod(0o755)
    try:
        try_out(root, given.k, conspiracies=given.conspiracies)
    finally:
        open_again(root)
        shutil.rmtree(root)
    say("all as it must be")
    return 0


def try_out(root: Path, chosen: str, *, conspiracies: bool) -> None:
    """Make artefacts and environments below a folder, and try them."""
    dist = root / "dist"
    say("the artefacts for this computer")
    call(sys.executable, "tools/release.py", "--system", "here", dist)
    call("sha256sum", "--check", "--strict", "SHA256SUMS", cwd=dist)
    (wheel,) = dist.glob("*.whl")
    (archive,) = dist.glob("*wheelhouse*.zip")

    say("the wheel in a fresh environment: an ordinary user, an empty folder")
    python = make_environment(root / "online", [wheel])
    close(root / "online")
    accept(python, root / "first", "--lang", "en")

    say("the same without the Internet, from the wheelhouse")
    wheels = root / "wheelhouse"
    shutil.unpack_archive(archive, wheels)
    packages = ("--no-index", "--find-links", wheels, "--require-hashes")
    alone = without_network()
    say(f"  {' '.join(alone)}" if alone else "  with a network: nothing here takes it away")
    offline = make_environment(
        root / "offline", [*packages, "-r", wheels / "requirements.txt"], *alone
    )
    close(root / "offline")
    accept(offline, root / "second", "-n", "2")

    if conspiracies:
        say("every way to cheat, on the installed wheel")
        conspire(python, chosen)


if __name__ == "__main__":
    raise SystemExit(main())
