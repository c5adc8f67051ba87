"""The pytest plugin: parametrization, the ledger's hooks, and the order of a session's parts.

It has no logic of its own. What is owed comes from the catalogue, what was seen from the
survey, what it means from the cases, what follows from the verdict.
"""

from __future__ import annotations

import functools
import gc
import os
import traceback
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from cube_acceptance import (
    arguments,
    display,
    expected,
    folder,
    store,
    survey,
    workers,
)
from cube_acceptance import catalogue as catalogues
from cube_acceptance.judge import Judgement, RulingError
from cube_acceptance.ledger import CASE_PROPERTY, JUDGEMENT_PROPERTY
from cube_acceptance.probes import load_probes
from cube_acceptance.refusals import check_collected, check_once, check_session
from cube_acceptance.session import (
    CASE,
    JUDGE,
    JUDGED,
    OWED,
    STATE,
    HookSpecs,
    Shared,
    State,
    only_looks,
)
from cube_acceptance.text import computer, sentences, wording
from cube_acceptance.verdict import EXIT_STATUS

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from cube_acceptance.catalogue import Catalogue, Language

WORKER_INPUT = "cube_acceptance"

CASES_FOLDER = "tests"
"""Where the acceptance cases live, beside the root conftest; nothing else may speak for them."""

CACHE_WARNINGS = "default::pytest.PytestCacheWarning"
"""What becomes of warnings about pytest's cache, whatever ``-W`` says of warnings."""

FLEET = 500
"""From how many cases on the collector of cycles is spared what stays until the end."""

# Configuration.


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Declare the hook by which the embedded site comes in."""
    pluginmanager.add_hookspecs(HookSpecs)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> Generator[None, object, object]:
    """Refuse what would start sessions of its own before this one is configured.

    Whoever ends the session afterwards or by another way, by an exception at the very end for
    instance, does not get to say a verdict's exit status: only the certificate says one.
    """
    if only_looks(config):
        return (yield)
    check_once(config)
    try:
        status = yield
    except (KeyboardInterrupt, pytest.UsageError):
        raise
    except BaseException:  # noqa: BLE001 - SystemExit and pytest's own outcomes as well
        traceback.print_exc()
        return pytest.ExitCode.INTERNAL_ERROR
    state = config.stash.get(STATE, None)
    said = state.said if state else None
    untrue = status in EXIT_STATUS.values() and status != said
    return pytest.ExitCode.INTERNAL_ERROR if untrue else status


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Load catalogue and site; name the run's folder, without making it yet."""
    _spare_others()
    config.addinivalue_line("markers", "requirement(id): the documented requirement judged here")
    for name in (*catalogues.LEVELS, *catalogues.DIRECTIONS):
        config.addinivalue_line("markers", f"{name}: cases of {name} requirements")
    try:
        catalogue = catalogues.load()
    except catalogues.CatalogueError as error:
        raise pytest.UsageError(f"this installation is damaged: {error}") from error
    if workers.is_worker(config):
        _configure_worker(config, catalogue)
        return
    arguments.check_values(config)
    replay = arguments.replay(config)
    simulated = None
    if replay:
        loaded = replay.evidence.setup.loaded
    elif arguments.one(config, "site") or arguments.one(config, "cube"):
        loaded = arguments.load(config)
    else:
        simulated = config.hook.pytest_cube_acceptance_simulated_site()
        loaded = simulated.loaded
    language = config.getoption("lang") or (
        loaded.site.language if loaded.name else computer.language()
    )
    state = State(catalogue, loaded, language)
    state.simulated, state.replay = simulated, replay
    config.stash[STATE] = state
    bookkeeper = Bookkeeper(state)
    config.pluginmanager.register(bookkeeper, "cube-acceptance-ledger")
    config.pluginmanager.register(Ending(state), "cube-acceptance-ending")
    if not only_looks(config):
        check_session(config, simulated=state.simulated is not None)
        _spare_the_cache(config)
        arguments.find_tools(config, state)
        arguments.find_room(state)
        folder.make(config, state)
        workers.deal_few(config)


def _spare_others() -> None:
    """Let no plugin's own advice about its settings become an error, whatever ``-W`` says."""
    warnings.filterwarnings(
        "default", category=pytest.PytestDeprecationWarning, module=r"(?!cube_acceptance\b)"
    )


def _configure_worker(config: pytest.Config, catalogue: Catalogue) -> None:
    shared = msgspec.json.decode(config.workerinput[WORKER_INPUT], type=Shared)  # type: ignore[attr-defined]
    language: Language = "en" if shared.language == "en" else "de"
    state = State(catalogue, shared.setup.loaded, language)
    state.setup, state.settled = shared.setup, True
    state.spool = store.Spool(Path(shared.spool))
    state.evidence = state.spool
    config.stash[STATE] = state


def _spare_the_cache(config: pytest.Config) -> None:
    """Let no warning about pytest's cache become an error: a checkout may be read-only."""
    given = config.known_args_namespace.pythonwarnings
    config.known_args_namespace.pythonwarnings = [*(given or ()), CACHE_WARNINGS]


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Begin the run and start what has to be there before the first case."""
    config = session.config
    state = config.stash[STATE]
    if state.settled or only_looks(config):
        return
    from cube_acceptance.method import make_setup

    if state.replay:
        state.setup = state.replay.evidence.setup
    elif state.simulated:
        state.setup = state.simulated.start()
        state.logins = state.simulated.logins
    else:
        state.setup = make_setup(state.loaded)
    state.settled = True
    folder.begin(config, state)
    reporter: Any = config.pluginmanager.get_plugin("terminalreporter")
    if reporter and config.getoption("started_as"):  # names of cases, and no way to an installation
        reporter.startpath = config.rootpath
    if type(reporter) is pytest.TerminalReporter and reporter.verbosity == 0:
        display.write_own_lines(reporter, state)
    if config.pluginmanager.has_plugin("dsession"):
        state.spool = store.Spool.make()
        if state.replay:
            state.spool.put_all(state.replay.evidence)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:  # noqa: ANN401 - xdist has no type for it
    """Tell a worker process the setup and where the observations will be."""
    state = node.config.stash[STATE]
    shared = Shared(
        setup=state.setup,
        language=state.language,
        spool=str(state.spool.folder),
    )
    node.workerinput[WORKER_INPUT] = msgspec.json.encode(shared).decode()


# Cases: from the catalogue's entries and the site to pytest's items.


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make one case for each CUBE or cloud host that the requirement is about."""
    site = metafunc.config.stash[STATE].loaded.site
    if "cube" in metafunc.fixturenames:
        metafunc.parametrize("cube", site.cubes, ids=[cube.name for cube in site.cubes])
    if "host" in metafunc.fixturenames:
        metafunc.parametrize("host", site.cloud.hosts, ids=list(site.cloud.hosts))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Give every case its name and its markers; drop what does not apply at this stage."""
    state = config.stash[STATE]
    site = state.loaded.site
    place = config.rootpath / CASES_FOLDER
    kept = []
    for item in items:
        marker = item.get_closest_marker("requirement")
        if marker is None or item.path.parent != place or not isinstance(item, pytest.Function):
            raise pytest.UsageError(
                f"{item.nodeid} is no acceptance case; those are in {CASES_FOLDER}/ "
                "and the suite's own tests run in a session of their own"
            )
        requirement = state.catalogue[marker.args[0]]
        if not expected.applies(requirement, site):
            continue
        callspec = getattr(item, "callspec", None)
        parameters = callspec.params if callspec else {}
        subject = parameters["cube"].name if "cube" in parameters else catalogues.SITE
        host = parameters.get("host", "")
        owing = expected.Owed(
            requirement=requirement.id,
            subject=subject,
            case=expected.case_name(requirement.id, subject, host),
            host=host,
        )
        item.stash[OWED] = owing
        item.extra_keyword_matches.add(owing.case)  # -k NTP-01, and node ids stay what they are
        item.user_properties.append((CASE_PROPERTY, owing.case))
        item.add_marker(requirement.level)
        item.add_marker(requirement.direction)
        item.stash[CASE] = item.obj
        item.obj = _judged(item, parameters)
        kept.append(item)
    if state.spool:  # a worker process: it judges while the controller measures
        first = workers.measured_first(site)
        kept.sort(key=lambda item: first(item.stash[OWED]))
    items[:] = kept
    check_collected(item.stash[OWED].case for item in kept)


def _judged(item: pytest.Function, parameters: Mapping[str, object]) -> Callable[..., None]:
    """Judge a case where it ends: no plugin comes between the case and its judgement.

    Only what this session gave it is judged: any fixture can be replaced by a plugin's own.

    Raises:
        pytest.fail.Exception: the ruling is no pass; pytest needs not find out where it was made,
            which takes as long as all else of a case, for the report says it in words.
    """
    case = item.obj

    @functools.wraps(case)
    def judged(**given: object) -> None:
        end: BaseException | None = None
        try:
            case(**given)
        except RulingError as error:
            end = error
        except BaseException as error:
            end = error
            raise
        finally:
            judge = item.stash.get(JUDGE, None)
            ours = {"judge": judge, "setup": item.config.stash[STATE].setup, **parameters}
            if judge and all(given[name] is ours[name] for name in given.keys() & ours.keys()):
                item.stash[JUDGED] = judge.judgement(end)
        if isinstance(end, RulingError) and end.outcome != "pass":
            pytest.fail(str(end), pytrace=False)

    return judged


@pytest.hookimpl(tryfirst=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Start the survey as soon as the session knows its cases."""
    state = session.config.stash[STATE]
    if only_looks(session.config):
        return
    needs = tuple(item.stash[OWED] for item in session.items if OWED in item.stash)
    if len(needs) < len(session.items):
        return  # the items were refused, see above
    _expect(state, needs)
    if state.spool:  # a worker process; the controller measures
        state.spool.ask(needs)
    elif state.replay:
        state.evidence = state.replay
    else:
        state.survey = survey.Survey(state.setup, needs, logins=state.logins)
        state.evidence = state.survey
        state.survey.start()
    _spare_collector(len(needs), anyway=True)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_node_collection_finished(node: Any) -> None:  # noqa: ANN401 - xdist's own
    """Start the survey on the controller once the first worker has said what is needed."""
    state = node.config.stash[STATE]
    if state.survey or state.needs or not state.spool:
        return
    _expect(state, state.spool.asked() or ())
    _spare_collector(len(state.needs), anyway=True)
    if state.replay:
        return
    state.survey = survey.Survey(state.setup, state.needs, state.spool, logins=state.logins)
    state.survey.start()


def _expect(state: State, needs: tuple[expected.Owed, ...]) -> None:
    """Note which cases were selected, in the catalogue's order."""
    places = {owing.case: place for place, owing in enumerate(state.ledger.owed)}
    state.needs = tuple(sorted(needs, key=lambda owing: places.get(owing.case, len(places))))
    if state.lines:
        state.lines.expect(state.needs)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> Generator[None, object, object]:
    """Wait for the measurements where somebody can see it, before the cases judge them.

    Worker processes judge what is in; then that is for what no case reads.
    """
    state = session.config.stash[STATE]
    if state.run and state.spool:  # the controller; its worker processes are loading the cases
        state.run.prepare()
        if not state.replay:
            load_probes()
    _wait(session, state)
    _spare_collector(len(session.items))
    done = yield
    _wait(session, state)
    return done


def _wait(session: pytest.Session, state: State) -> None:
    reporter: Any = session.config.pluginmanager.get_plugin("terminalreporter")
    if state.survey:
        meanwhile = functools.partial(_meanwhile, session, state)
        display.watch(reporter, state.survey, state.language, meanwhile)


def _meanwhile(session: pytest.Session, state: State) -> None:
    """Use the time that the measurements take."""
    if state.run:
        state.run.prepare()
    display.judge_early(session, state)


def _spare_collector(cases: int, *, anyway: bool = False) -> None:
    """Let the collector of cycles leave alone what is there and will stay, where it is much.

    To go through all modules, cases and observations again and again, for cycles that are not
    among them, would be a fifth of a fleet's processor time. What is opened later is still found
    where nobody closes it.
    """
    if cases >= FLEET or anyway:
        gc.freeze()


# What became of every case.


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn the end of a case into its judgement, and the judgement into words."""
    report = yield
    judgement = item.stash.get(JUDGED, None)
    skipped = report.skipped or hasattr(report, "wasxfail")
    if judgement is None or skipped:
        return report
    state, told = item.config.stash[STATE], msgspec.json.encode(judgement).decode()
    if call.when != "call":
        return report
    report.user_properties.append((JUDGEMENT_PROPERTY, told))
    if judgement.outcome == "pass":
        return report
    report.outcome = "failed"
    if judgement.cause != "internal-error" or call.excinfo is None:
        owing = item.stash[OWED]
        words = (state.catalogue, owing.requirement, judgement.text, judgement.facts)
        said = sentences.tell(*words, state.language)
        report.longrepr = f"{owing.case}: {said.reason}\n{said.remedy}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Name the case that runs, and dismiss its judge once it is reported; a fleet has thousands."""
    item.config.stash[STATE].running = item
    done = yield
    if JUDGE in item.stash:
        del item.stash[JUDGE]
    if JUDGED in item.stash:
        del item.stash[JUDGED]
    return done


class Bookkeeper:
    """Enters in the ledger, on the controller, what is reported."""

    def __init__(self, state: State) -> None:
        """Keep the session's ledger."""
        self._state = state
        self._ledger = state.ledger

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Enter what became of a case."""
        properties = dict(report.user_properties)
        case = str(properties.get(CASE_PROPERTY, ""))
        if not case:
            if report.failed:
                self._ledger.complain("stray", report.nodeid)
            return
        told = [str(value) for name, value in report.user_properties if name == JUDGEMENT_PROPERTY]
        if report.when == "call" and told and not hasattr(report, "wasxfail"):
            for text in told:
                self._enter(report, case, text)
        elif report.failed:
            self._ledger.broken(case, f"{report.when}: {_last_line(report)}")

    def _enter(self, report: pytest.TestReport, case: str, text: str) -> None:
        judgement = msgspec.json.decode(text, type=Judgement)
        if report.passed == (judgement.outcome == "pass"):
            self._ledger.record(case, judgement)
            if self._state.lines:
                self._state.lines.enter(case, judgement)
        else:
            self._ledger.broken(case, "pytest and the judge disagree")

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Enter that cases could not be loaded."""
        if report.failed:
            self._ledger.complain("collection", report.nodeid or CASES_FOLDER)


class Ending:
    """Tells a session that its own rules ended from one that a person did."""

    def __init__(self, state: State) -> None:
        """Note it in this state."""
        self._state = state

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Note what ended the session.

        ``-x`` under xdist, ``--stepwise`` and cases that cannot be loaded end it by exceptions of
        their own, which are a ``KeyboardInterrupt`` in name; Ctrl-C raises that itself.
        """
        end = excinfo.value
        self._state.stopped = isinstance(end, KeyboardInterrupt) and type(end) is not (
            KeyboardInterrupt
        )


def _last_line(report: pytest.TestReport) -> str:
    lines = report.longreprtext.strip().splitlines()
    return lines[-1][:200] if lines else "no reason given"


# The end: certificate, exit status, last lines.


@pytest.hookimpl(optionalhook=True)
def pytest_metadata(metadata: dict[str, Any]) -> None:
    """Take out what pytest-metadata read from the environment of a CI system.

    The address of a repository or a server can hold a password there.
    """
    for name in metadata.keys() & os.environ.keys():
        del metadata[name]


@pytest.hookimpl(optionalhook=True)
def pytest_html_report_title(report: Any) -> None:  # noqa: ANN401 - pytest-html's own
    """Name the report by what it is, where it is ours."""
    state = report.config.stash.get(STATE, None)
    if state and state.run:
        report.title = state.run.title


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> Generator[None]:
    """Let everybody write their report, then conclude the run and say the verdict last.

    Raises:
        pytest.exit.Exception: there is no certificate, and so no exit status of a verdict.
    """
    config = session.config
    state = config.stash.get(STATE, None)
    if state is None or state.run is None:
        return (yield)
    try:
        yield
        if session.exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED:
            folder.take_back(config, state, state.run)
        else:
            folder.conclude(session, state, state.run)
    except Exception as error:
        if not isinstance(error, OSError):  # a full disk is nobody's defect
            config.notify_exception(pytest.ExceptionInfo.from_exception(error), config.option)
        reason = wording.say("progress.unwritten", state.language, error=_named(error))
        raise pytest.exit.Exception(reason, pytest.ExitCode.INTERNAL_ERROR) from error


def _named(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the embedded site and remove the spool."""
    state = config.stash.get(STATE, None)
    if state is None:
        return
    _spare_collector(len(state.needs), anyway=only_looks(config))
    if workers.is_worker(config):
        return
    if state.simulated and state.settled:
        state.simulated.stop()
    if state.spool:
        state.spool.remove()
