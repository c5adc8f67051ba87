"""The command ``cube-acceptance explain``: a requirement, or one of its causes, in sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cube_acceptance import catalogue as catalogues
from cube_acceptance import explain
from cube_acceptance.summary.command import write
from cube_acceptance.text import computer
from cube_acceptance.text.foreign import plain
from cube_acceptance.text.options import Options

if TYPE_CHECKING:
    from cube_acceptance.catalogue import Language


def main(arguments: list[str]) -> int:
    """Run ``cube-acceptance explain ID [CAUSE]``."""
    parser = Options(
        arguments,
        prog="cube-acceptance explain",
        description="Say what a requirement is for, how it is measured, and what each cause means.",
        epilog="Exit status: 0 it is said; 4 usage.",
    )
    parser.add_argument("id", metavar="ID", help="a requirement, NTP-01 for instance")
    parser.add_argument(
        "cause", metavar="CAUSE", nargs="?", help="one cause, no-answer for instance"
    )
    options = parser.parse_args(arguments)
    language: Language = options.lang or computer.language()
    entries = {entry.id: entry for entry in catalogues.load().requirement}
    entry = entries.get(options.id.upper())
    if entry is None:
        parser.error(f"{plain(options.id)}: no such requirement; there are {', '.join(entries)}")
    causes = explain.causes(entry)
    if options.cause and options.cause.lower() not in causes:
        known = ", ".join(causes)
        parser.error(f"{plain(options.cause)}: no cause of {entry.id}; there are {known}")
    blocks = (
        explain.of_cause(entry, options.cause.lower(), language)
        if options.cause
        else explain.of_requirement(entry, language)
    )
    write([explain.as_text(blocks)], None)
    return 0
