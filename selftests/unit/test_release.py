"""What the artefacts are made with: the parts that no installation on this computer shows."""

from __future__ import annotations

import importlib.util
import zipfile
from typing import TYPE_CHECKING

import pytest

from selftests.support.sessions import PROJECT

if TYPE_CHECKING:
    from pathlib import Path

SPEC = importlib.util.spec_from_file_location("release", PROJECT / "tools" / "release.py")
assert SPEC
assert SPEC.loader
release = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(release)


def write_wheel(folder: Path, name: str, *requirements: str) -> None:
    """Write as much of a wheel as tells what it requires."""
    lines = [f"Name: {name}", "Version: 1.0", *(f"Requires-Dist: {one}" for one in requirements)]
    with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as archive:
        archive.writestr(f"{name}-1.0.dist-info/METADATA", "\n".join([*lines, "", ""]))


class TestWheelhouse:
    """What an installation without the Internet needs."""

    @pytest.mark.parametrize(
        ("system", "python", "missing"),
        [
            ("win64", "3.11", ["colorama>=0.4", "old-typing"]),
            ("win64", "3.13", ["colorama>=0.4"]),
            ("linux-x86_64", "3.13", ["ptyprocess"]),
            ("macos-arm64", "3.13", []),
        ],
    )
    def test_lacks_what_its_own_system_asks_for(
        self, tmp_path: Path, system: str, python: str, missing: list[str]
    ) -> None:
        """Whatever computer collects it; pip reads conditions for the one that it runs on."""
        write_wheel(
            tmp_path,
            "suite",
            'colorama>=0.4; sys_platform == "win32"',
            'ptyprocess; platform_system == "Linux" and platform_machine == "x86_64"',
            'old-typing; python_version < "3.12" and os_name == "nt"',
            'hypothesis; extra == "test"',
            "There.Already",
        )
        write_wheel(tmp_path, "there_already")

        environment = release.SYSTEMS[system].environment(python)
        assert release.missing(tmp_path, environment) == missing


class TestPortable:
    """The folder for Windows."""

    def test_wants_an_embeddable_python(self, tmp_path: Path) -> None:
        """Another archive is refused in a sentence."""
        with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
            archive.writestr("python.exe", "")
        with pytest.raises(SystemExit, match="not the embeddable package"):
            release.portable(tmp_path / "other.zip", tmp_path / "x.whl", tmp_path)

    @pytest.mark.parametrize("name", ["cube-acceptance.cmd", "prepare.cmd"])
    def test_speaks_to_every_code_page(self, name: str) -> None:
        """A batch file is read in whatever code page the console has."""
        text = (PROJECT / "tools" / "windows" / name).read_bytes()

        assert text.isascii()
        assert rb"%~dp0python\python.exe" in text

    def test_opens_the_firewall_for_its_python_alone(self) -> None:
        """And for no TCP, since nobody connects to it."""
        text = (PROJECT / "tools" / "windows" / "prepare.cmd").read_text("ascii")
        (added,) = (line for line in text.splitlines() if " add rule " in line)

        assert added.startswith("netsh ")
        assert {'program="%PROGRAM%"', "protocol=UDP", "dir=in"} <= set(added.split())


def test_a_folder_that_holds_something_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An old file would get a new line in the checksums."""
    (tmp_path / "old.whl").touch()
    with pytest.raises(SystemExit):
        release.main([str(tmp_path)])

    assert "is not empty" in capsys.readouterr().err
