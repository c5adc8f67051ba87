"""What the terminal says at the end of a run: what did not pass, then verdict and path."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cube_acceptance.catalogue import SITE
from cube_acceptance.certificate import front
from cube_acceptance.text.foreign import plain
from cube_acceptance.text.wording import say

if TYPE_CHECKING:
    from pathlib import Path

    from cube_acceptance.catalogue import Language

QUIET = frozenset({"pass", "not-applicable"})

WAITING_LIMIT = 4
"""How many outstanding measurements the progress line names."""

LINES_LIMIT = 40
"""How many results are listed; a fleet's full list stands in the certificate."""


def last_lines(certificate: dict[str, Any], folder: Path, language: Language) -> list[str]:
    """Write the end of a run; the last two lines are the verdict and the path."""
    loud = [result for result in certificate["results"] if result["outcome"] not in QUIET]
    lines = [""]
    for result in loud[:LINES_LIMIT]:
        lines += _result(result, language)
    if len(loud) > LINES_LIMIT:
        lines.append(f"  … {len(loud) - LINES_LIMIT}")
    lines += [f"  {plain(text)}" for text in certificate["complaints"]]
    for observation in certificate["observations"][:LINES_LIMIT]:
        lines.append(
            f"  i {observation['requirement']}{_about(observation)}: {observation['text']}"
        )
    if speaks := front.speaks(certificate, language):
        lines += ["", f"  {speaks}"]
    lines += ["", f"{say('verdict.heading', language)}: {front.verdict(certificate, language)}"]
    lines.append(str(folder / "certificate.html"))
    return [plain(line) for line in lines]


def progress(done: int, asked: int, waiting: tuple[str, ...], language: Language) -> str:
    """Write how many measurements are in and what is waited for, on one line."""
    if not waiting:
        return say("progress.done", language, asked=asked)
    shown = ", ".join(waiting[:WAITING_LIMIT]) + (" …" if len(waiting) > WAITING_LIMIT else "")
    return plain(say("progress.waiting", language, done=done, asked=asked, waiting=shown))


def _about(entry: dict[str, Any]) -> str:
    return "" if entry["subject"] == SITE else f" {entry['subject']}"


def _result(result: dict[str, Any], language: Language) -> list[str]:
    outcome = say(f"outcome.{result['outcome']}", language)
    level = say(f"level.{result['level']}", language)
    head = f"  {result['requirement']}{_about(result)} ({level}): {outcome}"
    lines = [f"{head}. {result['reason']}"]
    if result["remedy"]:
        lines.append(f"      → {result['remedy']}")
    return lines
