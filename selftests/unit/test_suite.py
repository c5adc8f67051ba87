"""Which suite this is: the same for a checkout and its wheel, and another after any change."""

from __future__ import annotations

import base64
import hashlib
import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from cube_acceptance import __version__, suite

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FILES = {
    "src/cube_acceptance/__init__.py": "one\n",
    "src/cube_acceptance/probes/dns.py": "two\n",
    "tests/test_dns.py": "three\n",
    "fixtures/sites/a.toml": "four\n",
    "conftest.py": "five\n",
    "pyproject.toml": "six\n",
}
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def write(root: Path, files: dict[str, str]) -> None:
    """Write files by their names below a folder."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())


def record(site: Path) -> None:
    """Write the list of hashes of what lies in an installation, as an installer does."""
    rows = []
    for path in sorted(site.rglob("*.*")):
        if path.is_file():
            digest = base64.urlsafe_b64encode(hashlib.sha256(path.read_bytes()).digest())
            rows.append(f"{path.relative_to(site).as_posix()},sha256={digest.decode()[:-1]},1")
    info = site / f"cube_acceptance-{__version__}.dist-info"
    info.mkdir(exist_ok=True)
    own = f"{info.name}/RECORD,,"
    (info / "RECORD").write_text("\n".join([*rows, own, ""]), "utf-8")


@pytest.fixture
def checked_out(tmp_path: Path) -> Path:
    """The package of a checkout, without git."""
    write(tmp_path / "checkout", FILES)
    return tmp_path / "checkout" / suite.SOURCE


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The package of the wheel of that checkout."""
    site = tmp_path / "site-packages"
    package = site / "cube_acceptance"
    for name, text in FILES.items():
        inside = name.removeprefix("src/cube_acceptance/")
        write(package if inside != name else package / suite.SHIPPED, {inside: text})
    write(package / suite.SHIPPED, {suite.COMMIT: f"{COMMIT}\n"})
    record(site)
    return package


class TestSha256:
    """One number for everything that has a say."""

    def test_is_the_same_for_a_checkout_and_its_wheel(
        self, checked_out: Path, installed: Path
    ) -> None:
        """So that each verifies in full what the other has measured."""
        assert suite.find(checked_out) == checked_out.parents[1]
        assert suite.find(installed) == installed / "suite"
        assert suite.sha256(checked_out) == suite.sha256(installed)

    @pytest.mark.parametrize(
        ("name", "text", "same"),
        [
            ("tests/test_dns.py", "three\r\n", True),
            ("tests/__pycache__/test_dns.pyc", "x", True),
            (".pytest_cache/README.md", "x", True),
            ("tests/test_dns.py", "other\n", False),
            ("tests/test_more.py", "", False),
            ("fixtures/sites/b.toml", "", False),
        ],
    )
    def test_changes_with_what_judges(
        self, installed: Path, name: str, text: str, *, same: bool
    ) -> None:
        """And with nothing else."""
        before = suite.sha256(installed)
        suite.sha256.cache_clear()
        write(installed / "suite", {name: text})

        assert (suite.sha256(installed) == before) == same
        suite.sha256.cache_clear()


class TestCommit:
    """Which state of the suite measured."""

    @pytest.fixture
    def checkout(self, tmp_path: Path) -> Path:
        """A folder with one commit."""
        identity = ("-c", "user.name=A", "-c", "user.email=a@example.org")
        for command in (
            ("init", "-q"),
            (*identity, "commit", "-q", "--allow-empty", "--no-gpg-sign", "-m", "first"),
        ):
            subprocess.run(["git", "-C", str(tmp_path), *command], check=True, capture_output=True)
        return tmp_path

    def test_of_a_checkout(self, checkout: Path) -> None:
        """Its hash."""
        write(checkout, {"notes.txt": "x"})

        assert re.fullmatch(r"[0-9a-f]{40}", suite.checked_out(checkout))

    def test_of_a_changed_checkout(self, checkout: Path) -> None:
        """What judges is not what the commit holds, and the certificate says so."""
        clean = suite.checked_out(checkout)
        write(checkout, FILES)

        assert suite.commit(checkout / suite.SOURCE) == f"{clean}+"

    def test_of_no_checkout_is_unknown(self, tmp_path: Path) -> None:
        """Nor may a checkout that happens to lie around it speak for it, or a broken one."""
        assert suite.checked_out(tmp_path) == ""
        (tmp_path / ".git").mkdir()
        assert suite.checked_out(tmp_path) == ""

    def test_without_git_is_unknown(self, checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Test computers have no git."""
        monkeypatch.setattr(suite, "find_program", lambda _: None)

        assert suite.checked_out(checkout) == ""

    @pytest.mark.parametrize("error", [subprocess.TimeoutExpired("git", 5.0), OSError()])
    def test_of_a_slow_disk_is_unknown(
        self, checkout: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
    ) -> None:
        """A git that hangs must not cost the certificate."""

        def hang(*_: object, **__: object) -> None:
            raise error

        monkeypatch.setattr(subprocess, "run", hang)

        assert suite.checked_out(checkout) == ""

    def test_of_a_wheel(self, installed: Path) -> None:
        """What the build has written into it; what Python compiles of it is no change."""
        write(installed, {"__pycache__/again.cpython-311.pyc": "x"})

        assert suite.commit(installed) == COMMIT

    @pytest.mark.parametrize(
        "change",
        [
            lambda package: write(package, {"suite/tests/test_dns.py": "judge kindly"}),
            lambda package: write(package, {"suite/tests/test_more.py": ""}),
            lambda package: write(package, {"probes/dns.py": "ask kindly"}),
            lambda package: (package / "suite/fixtures/sites/a.toml").unlink(),
            lambda package: write(package, {"suite/commit.txt": COMMIT}),
            lambda package: shutil.rmtree(next(package.parent.glob("*.dist-info"))),
            lambda package: next(package.parent.glob("*/RECORD")).write_text("\n\n"),
        ],
        ids=["case", "more", "probe", "gone", "commit", "no list", "empty list"],
    )
    def test_of_a_changed_wheel(self, installed: Path, change: Callable[[Path], object]) -> None:
        """Whatever differs from its own list of hashes is not what the commit holds."""
        change(installed)

        assert suite.commit(installed) == f"{COMMIT}+"

    @pytest.mark.parametrize("told", ["", f"{COMMIT}+"])
    def test_of_a_wheel_is_what_its_build_knew(self, installed: Path, told: str) -> None:
        """Built without git nothing is known; of a changed checkout it was changed before."""
        write(installed, {"suite/commit.txt": told})

        assert suite.commit(installed) == told

    def test_of_a_wheel_without_its_file_is_unknown(self, installed: Path) -> None:
        """A damaged installation still writes certificates."""
        (installed / "suite" / suite.COMMIT).unlink()

        assert suite.commit(installed) == ""
