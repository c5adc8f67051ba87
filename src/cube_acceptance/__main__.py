"""The commands that need no pytest session: ``python -m cube_acceptance verify FOLDER``."""

from __future__ import annotations

import sys

USAGE = "usage: python -m cube_acceptance verify FOLDER [--allowed-signers FILE]\n"


def main(arguments: list[str]) -> int:
    """Run the command that the first argument names; 4 is pytest's word for a usage error."""
    if arguments[:1] == ["verify"]:
        from cube_acceptance import verify  # noqa: PLC0415 - each command loads what it needs

        return verify.main(arguments[1:])
    sys.stderr.write(USAGE)
    return 4


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
