"""The commands that need no pytest session: ``python -m cube_acceptance verify FOLDER``."""

from __future__ import annotations

import sys

USAGE = """\
usage: python -m cube_acceptance verify FOLDER [--allowed-signers FILE]
       python -m cube_acceptance summary FOLDER... [--format table|csv|json|html]
           [--allowed-signers FILE] [--lang de|en] [--output FILE] [--all]
           [--stage acceptance|readiness]
       python -m cube_acceptance outside ADDRESS [--reports DIR] [--lang de|en]
"""

USAGE_ERROR = 4
"""pytest's word for it."""


def main(arguments: list[str]) -> int:
    """Run the command that the first argument names."""
    try:
        if arguments[:1] == ["verify"]:
            from cube_acceptance import verify  # noqa: PLC0415 - each command loads what it needs

            return verify.main(arguments[1:])
        if arguments[:1] == ["summary"]:
            from cube_acceptance.summary import command  # noqa: PLC0415 - likewise

            return command.main(arguments[1:])
        if arguments[:1] == ["outside"]:
            from cube_acceptance import outside  # noqa: PLC0415 - likewise

            return outside.main(arguments[1:])
    except SystemExit as stop:  # argparse ends a usage error with 2, and --help with 0
        return USAGE_ERROR if stop.code else 0
    sys.stderr.write(USAGE)
    return USAGE_ERROR


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
