"""Make what an engineer is given: wheel, wheelhouses, the portable folder, the container's recipe.

    python tools/release.py                                    everything that needs nothing given
    python tools/release.py --windows-python python-embed.zip  the portable folder as well
    python tools/release.py --system here dist/here            for this computer alone

It wants ``hatchling``, ``packaging`` and pip (``tox -e release`` has them). Every artefact gets a
line in ``SHA256SUMS``.
"""

from __future__ import annotations

import argparse
import hashlib
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from email.parser import BytesParser
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PROJECT = Path(__file__).parents[1]
TOOLS = PROJECT / "tools"

PYTHONS = ("3.11", "3.12", "3.13", "3.14")

SUMS = "SHA256SUMS"
REQUIREMENTS = "requirements.txt"

LONG_AGO = (2020, 2, 2, 0, 0, 0)
"""The time of every file in an archive: the same content makes the same archive."""


class System(NamedTuple):
    """A system that wheels are for: pip's names for it, and Python's own."""

    platforms: tuple[str, ...]
    sys_platform: str
    platform_system: str
    machine: str

    def environment(self, python: str) -> dict[str, str]:
        """Return what the markers of requirements are compared with there."""
        return {
            "implementation_name": "cpython",
            "implementation_version": f"{python}.0",
            "os_name": "nt" if self.sys_platform == "win32" else "posix",
            "platform_machine": self.machine,
            "platform_python_implementation": "CPython",
            "platform_release": "",
            "platform_system": self.platform_system,
            "platform_version": "",
            "python_full_version": f"{python}.0",
            "python_version": python,
            "sys_platform": self.sys_platform,
            "extra": "",
        }


def _linux(machine: str) -> System:
    glibc = (f"manylinux_2_{minor}_{machine}" for minor in (28, 27, 26, 24, 17))
    return System((*glibc, f"manylinux2014_{machine}"), "linux", "Linux", machine)


def _macos(machine: str) -> System:
    return System((f"macosx_13_0_{machine}",), "darwin", "Darwin", machine)


SYSTEMS = {
    "linux-x86_64": _linux("x86_64"),
    "linux-aarch64": _linux("aarch64"),
    "macos-arm64": _macos("arm64"),
    "macos-x86_64": _macos("x86_64"),
    "win64": System(("win_amd64",), "win32", "Windows", "AMD64"),
}

WHEELHOUSE_README = """\
python -m pip install --no-index --find-links . --require-hashes -r requirements.txt

installs cube-acceptance without the Internet, for {system} and Python {python}, in this folder.
Best into an environment of its own: python -m venv ENVIRONMENT, and its python for the line above.
"""


def here() -> str:
    """Name this computer's system.

    Raises:
        SystemExit: there are no wheels for it.
    """
    found = (
        name
        for name, system in SYSTEMS.items()
        if (platform.system(), platform.machine()) == (system.platform_system, system.machine)
    )
    name = next(found, "")
    return name or sys.exit(f"{platform.system()} {platform.machine()} is none of {[*SYSTEMS]}")


def run(*command: str | Path) -> None:
    """Run a program.

    Raises:
        CalledProcessError: it fails.
    """
    subprocess.run([str(part) for part in command], check=True, cwd=PROJECT)


def pip(*arguments: str | Path) -> None:
    """Run this interpreter's pip, which says nothing but what is wrong."""
    run(sys.executable, "-m", "pip", "--disable-pip-version-check", "-q", *arguments)


def build(dist: Path) -> Path:
    """Build source distribution and wheel, and return the wheel."""
    run(sys.executable, "-m", "hatchling", "build", "-d", dist)
    (wheel,) = dist.glob("*.whl")
    return wheel


def wheelhouse(wheel: Path, name: str, python: str, folder: Path) -> None:
    """Collect the wheels that an installation needs, and their hashes.

    pip reads the markers of requirements for the computer that it runs on; what they ask for on
    the other one is added until nothing is missing.
    """
    system = SYSTEMS[name]
    wanted = [str(wheel)]
    while wanted:
        pip(
            *("download", "-d", folder, "--only-binary", ":all:", "--implementation", "cp"),
            *("--python-version", python, "--find-links", folder),
            *(f"--platform={tag}" for tag in system.platforms),
            *wanted,
        )
        wanted = missing(folder, system.environment(python))
    lines = sorted(
        "{}=={} --hash=sha256:{}\n".format(*parse_wheel_filename(path.name)[:2], sha256(path))
        for path in folder.glob("*.whl")
    )
    write(folder / REQUIREMENTS, "".join(lines))
    write(folder / "README.txt", WHEELHOUSE_README.format(system=name, python=python))


def missing(folder: Path, environment: dict[str, str]) -> list[str]:
    """Return the requirements of the wheels in a folder that none of them meets."""
    there = {parse_wheel_filename(path.name)[0] for path in folder.glob("*.whl")}
    asked = (
        requirement
        for path in sorted(folder.glob("*.whl"))
        for requirement in requirements(path)
        if requirement.marker is None or requirement.marker.evaluate(environment)
    )
    return sorted(
        {f"{one.name}{one.specifier}" for one in asked if canonicalize_name(one.name) not in there}
    )


def requirements(wheel: Path) -> Iterator[Requirement]:
    """Yield what a wheel requires, without its extras."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        told = BytesParser().parsebytes(archive.read(name))
    yield from map(Requirement, told.get_all("Requires-Dist", []))


def portable(embedded: Path, wheel: Path, folder: Path) -> None:
    """Make a folder that runs on Windows from wherever it is copied to.

    Raises:
        SystemExit: what was given is not python.org's embeddable package for 64-bit Windows.
    """
    python = folder / "python"
    with tempfile.TemporaryDirectory(dir=folder) as scratch, zipfile.ZipFile(embedded) as archive:
        archive.extractall(scratch)
        try:
            (settings,) = Path(scratch).rglob("python3*._pth")
            (library,) = settings.parent.glob("python3*.zip")
        except ValueError:
            sys.exit(f"{embedded}: not the embeddable package of a CPython for Windows")
        settings.parent.rename(python)
    settings = python / settings.name
    version = re.sub(r"python3(\d+)", r"3.\1", settings.stem)
    write(settings, f"{library.name}\n.\nLib\\site-packages\nimport site\n", "\r\n")
    site = python / "Lib" / "site-packages"
    with tempfile.TemporaryDirectory() as scratch:
        wheels = Path(scratch)
        wheelhouse(wheel, "win64", version, wheels)
        pip(
            *("install", "--no-index", "--no-deps", "--no-compile", "--no-warn-script-location"),
            *("--target", site, "--only-binary", ":all:", "--implementation", "cp"),
            *("--python-version", version, "--platform", "win_amd64"),
            *sorted(wheels.glob("*.whl")),
        )
    shutil.rmtree(site / "bin", ignore_errors=True)  # for the system that built it
    for path in sorted((TOOLS / "windows").iterdir()):
        mark = "\N{BYTE ORDER MARK}" if path.suffix == ".txt" else ""  # for Windows' editor
        write(folder / path.name, mark + path.read_text("utf-8"), "\r\n")


def write(path: Path, text: str, newline: str = "\n") -> None:
    """Write a text with these line ends."""
    path.write_text(text, "utf-8", newline=newline)


def pack(folder: Path, archive: Path, top: str = "") -> None:
    """Put what a folder holds into an archive."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                name = (Path(top) / path.relative_to(folder)).as_posix()
                entry = zipfile.ZipInfo(name, LONG_AGO)
                entry.compress_type = zipfile.ZIP_DEFLATED
                entry.external_attr = 0o644 << 16
                packed.writestr(entry, path.read_bytes())


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def sums(dist: Path) -> None:
    """Write the checksum file, which ``sha256sum -c`` reads."""
    artefacts = sorted(path for path in dist.iterdir() if path.is_file() and path.name != SUMS)
    write(dist / SUMS, "".join(f"{sha256(path)}  {path.name}\n" for path in artefacts))


def main(arguments: Iterable[str] | None = None) -> int:
    """Make the artefacts that the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dist", nargs="?", type=Path, default=PROJECT / "dist")
    parser.add_argument(
        "--system", action="append", choices=["here", "none", *SYSTEMS], help="default: all"
    )
    parser.add_argument("--python", action="append", metavar="3.N", help=f"default: {PYTHONS}")
    parser.add_argument("--windows-python", type=Path, metavar="ZIP", help="embeddable CPython")
    given = parser.parse_args(None if arguments is None else list(arguments))
    dist = given.dist.resolve()
    if dist.exists() and any(dist.iterdir()):
        parser.error(f"{dist} is not empty, and nothing old may be handed on")
    dist.mkdir(parents=True, exist_ok=True)
    systems = [here() if name == "here" else name for name in given.system or SYSTEMS]
    pythons = given.python or PYTHONS
    if given.system == ["here"]:
        pythons = given.python or [".".join(platform.python_version_tuple()[:2])]
    wheel = build(dist)
    shutil.copy(TOOLS / "Containerfile", dist)
    version = parse_wheel_filename(wheel.name)[1]
    for name in systems:
        for python in pythons if name != "none" else ():
            what = f"{name}-py{python.replace('.', '')}"
            print(f"wheelhouse for {what}", flush=True)
            with tempfile.TemporaryDirectory() as scratch:
                wheelhouse(wheel, name, python, Path(scratch))
                pack(Path(scratch), dist / f"cube-acceptance-{version}-wheelhouse-{what}.zip")
    if given.windows_python:
        print("portable folder for win64", flush=True)
        with tempfile.TemporaryDirectory() as scratch:
            portable(given.windows_python, wheel, Path(scratch))
            pack(Path(scratch), dist / "cube-acceptance-win64.zip", "cube-acceptance")
    sums(dist)
    print((dist / SUMS).read_text("utf-8"), end="")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
