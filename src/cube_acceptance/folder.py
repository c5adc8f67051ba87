"""The folder of a session's run: made before the first case, filled after the last one.

Its files are the run's own (``run.py``); here is what pytest has to do with them.
"""

from __future__ import annotations

import gc
import os
import shlex
import shutil
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from cube_acceptance import display, ownership, started, survey
from cube_acceptance.text import wording
from cube_acceptance.verdict import EXIT_STATUS

if TYPE_CHECKING:
    from pathlib import Path

    from cube_acceptance.expected import Owed
    from cube_acceptance.ledger import Ledger
    from cube_acceptance.run import Run
    from cube_acceptance.session import State

ANNEX = "cube-acceptance-annex"
"""The plugin that writes the annex."""


def make(config: pytest.Config, state: State) -> None:
    """Make the run's folder, and let pytest-html's report go there.

    ``junit.xml`` is written from the certificate, so pytest does not write one.

    Raises:
        UsageError: it cannot be made.
    """
    from cube_acceptance.run import folder_name

    reports = config.invocation_params.dir / (
        config.getoption("reports") or config.rootpath / "reports"
    )
    folder = reports / folder_name(state.loaded.site, datetime.now(UTC))
    state.made = [one for one in (reports, *reports.parents) if not one.exists()]
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise pytest.UsageError(f"--reports: {reports}: {error.strerror}") from error
    state.wishes = {
        name: config.invocation_params.dir / wish
        for name, wish in (
            ("certificate.html", config.option.htmlpath),
            ("junit.xml", getattr(config.option, "xmlpath", None)),
        )
        if wish
    }
    config.option.xmlpath = None
    state.folder = folder
    _report_as_annex(config, state, folder / "certificate.html")


def _report_as_annex(config: pytest.Config, state: State, path: Path) -> None:
    """Let pytest-html write its report with our template, and not one of its own beside it."""
    from cube_acceptance.table import Table

    config.option.htmlpath = None
    config.pluginmanager.register(Table(path, config, state.language), ANNEX)


def begin(config: pytest.Config, state: State) -> None:
    """Begin the run: its folder holds a page from now on.

    Raises:
        UsageError: nothing can be written there.
    """
    from cube_acceptance.run import Run

    state.run = Run(
        state.catalogue,
        state.setup,
        state.folder,
        state.language,
        started.command_line(config.invocation_params.args, _options_from_outside()),
        replayed=bool(state.replay),
        key=state.key,
        browser=state.browser,
        replaces=state.replaces,
    )
    try:
        state.run.open()
    except OSError as error:
        raise pytest.UsageError(f"--reports: {state.folder}: {error.strerror}") from error
    ownership.give_back([*state.made, state.folder])


def _options_from_outside() -> list[str]:
    """Return the options that pytest takes from the environment, before those of the command."""
    plugins = filter(None, os.environ.get("PYTEST_PLUGINS", "").split(","))
    options = [f"-p {name}" for name in plugins]
    return options + shlex.split(os.environ.get("PYTEST_ADDOPTS", ""))


def take_back(config: pytest.Config, state: State, run: Run) -> None:
    """Take back the folder of a run whose selection fits no case: there is nothing to report."""
    shutil.rmtree(run.folder, ignore_errors=True)
    display.say(config, wording.say("progress.nothing", state.language))


def conclude(session: pytest.Session, state: State, run: Run) -> None:
    """Write the certificate, give the session its exit status, and say the verdict last."""
    from cube_acceptance.certificate import terminal

    _forget(session)
    gc.freeze()  # what is left of the session stays until its end
    source = state.survey or state.replay or survey.Survey(state.setup, ())
    certificate = run.conclude(state.ledger, source.saved())
    for name, target in state.wishes.items():
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(run.folder / name, target)
        except OSError as error:
            run.failings.append(f"{target}: {error.strerror or error}")
    ownership.give_back([run.folder, *state.wishes.values()])
    spoken_for = {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, *EXIT_STATUS.values()}
    if session.exitstatus in spoken_for or state.stopped:
        session.exitstatus = EXIT_STATUS[certificate["verdict"]]
    for failing in run.failings:
        display.say(session.config, failing, red=True)
    for line in terminal.last_lines(
        certificate, run.folder, state.language, _left_out(state.ledger, state.needs)
    ):
        display.say(session.config, line.text, **dict.fromkeys(line.look, True))
    state.said = int(session.exitstatus)


def _left_out(ledger: Ledger, needs: tuple[Owed, ...]) -> set[tuple[str, str]]:
    """Return the requirements and subjects of which no case was selected."""
    selected = {(owing.requirement, owing.subject) for owing in needs}
    return {(owing.requirement, owing.subject) for owing in ledger.owed} - selected


def _forget(session: pytest.Session) -> None:
    """Let go of reports, which everybody has written by now: a fleet's take much room.

    Writing the certificate takes as much again.
    """
    table: Any = session.config.pluginmanager.get_plugin(ANNEX)
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if table:
        table.forget()
    if isinstance(reporter, pytest.TerminalReporter):  # a plugin may have put another in its place
        reporter.stats.clear()
