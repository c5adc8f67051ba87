"""Where this computer's programs are: on the search path, and never in the current folder.

Windows, and ``shutil.which`` there before Python 3.12, looks into the current folder first; what
lies in a folder that somebody works in is not what the system is meant to run.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

OUTPUT_LIMIT = 64 * 1024
"""How many bytes of a program's output are read, from its beginning."""
ADMINISTRATOR_FOLDERS = ("/usr/sbin", "/sbin")
"""What is not on an ordinary user's path everywhere."""
_ENDINGS = ".COM;.EXE;.BAT;.CMD"


def find_program(name: str, path: str | None = None, platform: str = sys.platform) -> str | None:
    """Find a program in the folders of a search path, else this computer's; None: it is not there.

    A folder that is named relative to the current one is none of them.
    """
    endings = [""]
    if platform == "win32":
        endings = os.environ.get("PATHEXT", _ENDINGS).lower().split(";")
    if Path(name).suffix.lower() in endings:
        endings = [""]
    for folder in (os.environ.get("PATH", "") if path is None else path).split(os.pathsep):
        if not Path(folder).is_absolute():
            continue
        for ending in endings:
            found = Path(folder, name + ending)
            if found.is_file() and os.access(found, os.X_OK):
                return str(found)
    return None


def run_command(arguments: tuple[str, ...], limit_s: float) -> str:
    """Run a program of this computer and give the beginning of its output; empty where it fails."""
    path = os.pathsep.join((os.environ.get("PATH", ""), *ADMINISTRATOR_FOLDERS))
    program = find_program(arguments[0], path)
    if program is None:
        return ""
    try:
        finished = subprocess.run(  # noqa: S603 - fixed arguments and names of the site, no shell
            (program, *arguments[1:]),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "LC_ALL": "C"},
            timeout=limit_s,
            check=False,
        )
    except (OSError, subprocess.SubprocessError, ValueError):
        return ""
    return finished.stdout[:OUTPUT_LIMIT].decode("utf-8", "replace")
