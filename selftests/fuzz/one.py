"""Runs libFuzzer on one target: ``python -m selftests.fuzz.one TARGET [libFuzzer's options]``."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["cube_acceptance", "dns", "ntplib"]):
    from selftests.fuzz.seeds import SEEDS
    from selftests.fuzz.targets import TARGETS


def main() -> None:
    """Hand over to libFuzzer, which ends the process."""
    _, name, *options = sys.argv
    target, size = TARGETS[name]
    folder = Path(tempfile.mkdtemp(prefix="cube-acceptance-seeds-"))
    for number, seed in enumerate(SEEDS[name]()):
        (folder / str(number)).write_bytes(seed)
    sys.path.insert(0, os.fspath(Path(__file__).parents[2]))
    atheris.Setup([name, *options, str(folder), f"-max_len={size}"], target)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
