"""What a session shows on the terminal as it runs, beside pytest's own reporter or in its place."""

from __future__ import annotations

import shutil
import sys
import time
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from cube_acceptance import cases, started
from cube_acceptance.judge import Judgement
from cube_acceptance.ledger import JUDGEMENT_PROPERTY
from cube_acceptance.session import CASE, OWED, STATE
from cube_acceptance.text import wording

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from cube_acceptance import survey
    from cube_acceptance.catalogue import Language
    from cube_acceptance.certificate.terminal import Line
    from cube_acceptance.session import State

PROGRESS_S = 10.0
"""How often a run that nobody watches says what it is waiting for."""

REDRAW_S = 0.2
"""How often the progress line of a terminal is drawn, and looked what can be judged."""

OWN_TRACE, OWN_SUMMARY = "auto", "fE"
"""Values of ``--tb`` and ``-r`` with which nobody has asked for pytest's own list of failures."""


def write_own_lines(reporter: Any, state: State) -> None:  # noqa: ANN401 - pytest's own
    """Let a line a requirement stand in the place of pytest's dots."""
    live = bool(reporter.isatty)

    def write(line: Line) -> None:
        text = line.text
        if live:  # over the line of progress
            reporter.rewrite(" " * _width())
            reporter.rewrite("")
            text = fitted(text, _width())
        reporter.write_line(text, **dict.fromkeys(line.look, True))

    from cube_acceptance.certificate.terminal import fitted
    from cube_acceptance.lines import Lines

    reporter.showfspath = False
    state.lines = Lines(state.catalogue, state.language, write)
    state.lines.signs = wording.can_write("✓✗", sys.stdout.encoding)


def _width() -> int:
    """Return how many columns a line of the terminal may take without beginning another."""
    return shutil.get_terminal_size().columns - 1


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Describe what is tested from where, and at once which right is missing."""
    state = config.stash.get(STATE, None)
    if state is None or state.run is None:
        return []
    from cube_acceptance.certificate import front, terminal
    from cube_acceptance.evidence import Vantage
    from cube_acceptance.method import vantage_facts
    from cube_acceptance.probes.net.dhcp_wire import missing_right

    site, vantage = state.loaded.site, state.setup.vantage
    facts = vantage_facts(state.setup)
    said = terminal.header(site, facts["problem"] or front.interface(facts), state.language)
    lines = [said]
    if isinstance(vantage, Vantage) and not vantage.loopback and not state.replay:
        line = started.command_line(config.invocation_params.args)
        if command := started.again(missing_right(vantage), line):
            say = wording.say("terminal.missing_right", state.language, command=command)
            lines.append(f"! {say}")
    return lines


def watch(
    reporter: Any,  # noqa: ANN401 - see above
    measuring: survey.Survey,
    language: Language,
    meanwhile: Callable[[], None],
) -> None:
    """Show progress as pytest shows that of collecting: on one line, or now and then in a log.

    Again and again there is time for what can be done ``meanwhile``. Where a plugin has taken
    pytest's reporter away, nothing is shown.
    """
    from cube_acceptance.certificate import terminal

    live, quiet = getattr(reporter, "isatty", False), getattr(reporter, "verbosity", -1) < 0
    said_s, drawn = time.monotonic(), False
    while not measuring.wait(REDRAW_S):
        meanwhile()
        line = terminal.progress(*measuring.progress(), language)
        if live and not quiet:
            drawn = True
            reporter.rewrite(terminal.fitted(line, _width()).ljust(_width()))
        elif not quiet and time.monotonic() - said_s > PROGRESS_S:
            said_s = time.monotonic()
            reporter.write_line(line)
    if drawn:
        reporter.rewrite(" " * _width())
        reporter.rewrite("")


def judge_early(session: pytest.Session, state: State) -> None:
    """Judge what can be judged before everything is measured, for the lines on the terminal.

    Under xdist the cases are in other processes; their lines are written as they come.
    """
    lines, measuring = state.lines, state.survey
    if not lines or not measuring or len(session.items) > cases.EARLY_LIMIT:
        return
    waiting = {owing.case for owing in lines.open()}
    items = {item.stash[OWED].case: item for item in session.items}
    for owing in state.needs:
        if owing.case in waiting and owing.case in items:
            case = items[owing.case].stash[CASE]
            judgement = cases.judge(case, owing, state.setup, cases.SoFar(measuring))
            if judgement:
                lines.enter(owing.case, judgement)


def pytest_report_teststatus(
    report: pytest.TestReport | pytest.CollectReport, config: pytest.Config
) -> tuple[str, str, str] | None:
    """Show an inconclusive case as what it is, and no letter where its requirement has a line."""
    told = _told(report)
    if not told:
        return None
    state = config.stash.get(STATE, None)
    own = state is not None and state.lines is not None
    if report.failed:  # asked several times a case, so nothing is read that passed
        judgement = msgspec.json.decode(told, type=Judgement)
        if judgement.outcome == "inconclusive":
            return "inconclusive", "" if own else "?", "INCONCLUSIVE"
    if own:
        return str(report.outcome), "", str(report.outcome).upper()
    return None


def _told(report: object) -> str:
    """Return the judgement that a report of a case brings, as JSON; empty where it brings none."""
    told = dict(getattr(report, "user_properties", ())).get(JUDGEMENT_PROPERTY, "")
    return str(told) if getattr(report, "when", "") == "call" else ""


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(
    terminalreporter: Any,  # noqa: ANN401 - pytest's own
    config: pytest.Config,
) -> Generator[None]:
    """Leave what was judged to the last lines, unless pytest's own list was asked for."""
    state = config.stash.get(STATE, None)
    asked = (config.getoption("tbstyle"), config.getoption("reportchars"))
    stats = getattr(terminalreporter, "stats", {})
    if state is None or state.run is None or asked != (OWN_TRACE, OWN_SUMMARY):
        return (yield)
    failed: Sequence[Any] = stats.get("failed", ())
    if failed:
        stats["failed"] = [report for report in failed if not _told(report)]
    try:
        return (yield)
    finally:
        if failed:
            stats["failed"] = failed


def say(config: pytest.Config, line: str, **markup: bool) -> None:
    """Write a line of our own, in whichever way this session writes."""
    reporter: Any = config.pluginmanager.get_plugin("terminalreporter")
    if reporter:
        reporter.write_line(line, **markup)
    else:  # a plugin has put a reporter of its own in its place
        sys.stdout.write(f"{line}\n")
