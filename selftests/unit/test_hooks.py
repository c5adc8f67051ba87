"""What the plugin does at each of pytest's moments: a few whole sessions, the rest without one.

Whether a session can be cheated is tested in ``sessions/``, by hundreds of them.
"""

from __future__ import annotations

import gc
import json
import re
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NoReturn

import msgspec
import pytest

from cube_acceptance import (
    arguments,
    display,
    entry,
    folder,
    method,
    plugin,
    refusals,
    runner,
    started,
    survey,
)
from cube_acceptance import cases as judging_early
from cube_acceptance import catalogue as catalogues
from cube_acceptance.certificate import terminal
from cube_acceptance.certificate.annex import CERTIFICATE_MARK
from cube_acceptance.judge import Judge, Judgement
from cube_acceptance.ledger import CASE_PROPERTY, JUDGEMENT_PROPERTY, Ledger
from cube_acceptance.probes.net import dhcp_wire, local
from cube_acceptance.run import Run
from cube_acceptance.session import CASE, JUDGE, JUDGED, OWED, STATE, State
from cube_acceptance.site import Cube, LoadedSite, Login, Site
from cube_acceptance.store import Replay
from selftests.support import cases, healthy, samples, sessions
from selftests.support.builders import dhcp
from selftests.support.sessions import run, start

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from cube_acceptance.catalogue import Catalogue, Language
    from cube_acceptance.evidence import Observation

NO_ROUTER = msgspec.structs.replace(healthy.OFFER, routers=())
UNMEASURED = healthy.saved({"ntp/10.20.0.1": None, "dhcp": dhcp(NO_ROUTER)})
"""DHCP-01 fails, NTP-01 was not asked, all else passes."""


class TestRoom:
    """What this computer must let the run have."""

    def test_too_few_threads(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """They are a usage error, and none where nothing is measured."""
        monkeypatch.setattr(runner, "threads_to_be_had", lambda _: 3)
        with pytest.raises(pytest.UsageError, match="allows 3 more threads"):
            arguments.find_room(SimpleNamespace(replay=None, simulated=None))

        arguments.find_room(SimpleNamespace(replay=object(), simulated=None))

    def test_too_small_packets(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Likewise; the embedded site's interface is nobody's."""
        narrow = msgspec.structs.replace(healthy.VANTAGE, mtu=68)
        monkeypatch.setattr(method, "find_vantage", lambda _: narrow)
        loaded = LoadedSite(site=healthy.SITE)
        with pytest.raises(pytest.UsageError, match="eth0 sends packets of at most 68 bytes"):
            arguments.find_room(SimpleNamespace(replay=None, simulated=None, loaded=loaded))

        arguments.find_room(SimpleNamespace(replay=None, simulated=object(), loaded=loaded))


class TestSession:
    """Sessions of every kind: judged again, measured, spread, only looked at."""

    def test_alone(self, tmp_path: Path, catalogue: Catalogue) -> None:
        """Eleven passes, exit 0, verdict and path last; the user's own reports are the same."""
        html, junit = tmp_path / "mine" / "a.html", tmp_path / "mine" / "b.xml"
        session = run(tmp_path, "--lang", "en", f"--html={html}", f"--junitxml={junit}")

        assert (session.status, session.verdict) == (0, "accepted")
        lines = session.output.strip().splitlines()
        page = session.folder / "certificate.html"
        assert lines[-4] == "Verdict: Accepted"
        assert lines[-2:] == [str(session.folder), page.as_uri()]
        signed = [line.split()[1] for line in lines if line.startswith("✓")]
        assert sorted(signed) == sorted(entry.id for entry in catalogue.requirement)
        assert html.read_bytes() == (session.folder / "certificate.html").read_bytes()
        assert junit.read_bytes() == (session.folder / "junit.xml").read_bytes()

    @pytest.mark.parametrize("spread", [(), ("-n", "2")], ids=["alone", "spread"])
    def test_a_folder_named_as_a_variable_is_written(
        self, tmp_path: Path, spread: tuple[str, ...]
    ) -> None:
        """Nobody replaces it, and no report lands elsewhere."""
        session = run(tmp_path / "in $HOME", *spread)

        assert (session.status, session.verdict) == (0, "accepted")
        written = {path.name for path in session.folder.iterdir()}
        assert {"certificate.html", "junit.xml"} <= written
        assert [path.name for path in tmp_path.iterdir()] == ["in $HOME"]

    def test_spread(self, tmp_path: Path) -> None:
        """Over processes; what fails and what was not measured is told apart."""
        session = run(tmp_path, "-n", "2", f"--html={tmp_path}", saved=UNMEASURED)

        assert (session.status, session.verdict) == (1, "rejected")
        assert session.outcome("DHCP-01") == "fail"
        assert session.outcome("NTP-01") == "inconclusive"
        assert "Gesamturteil: Nicht abgenommen" in session.output
        assert "1 inconclusive" in session.output
        assert re.search(r"^✗ DHCP-01  Adresse durch DHCP: ", session.output, re.MULTILINE)
        assert "nicht ausgewählt" not in session.output
        assert f"{tmp_path}: Is a directory" in session.output

    def test_the_order_of_a_worker(self, tmp_path: Path) -> None:
        """It judges what comes back first, while the controller measures."""
        session = run(tmp_path, "-n", "1", "-v")

        asked = re.findall(r"^\[gw0\].* tests/test_(\w+)\.py::", session.output, re.MULTILINE)
        assert sorted(asked[:2]) == ["pages", "ssh"]
        assert asked[2:4] == ["dhcp", "pages"]
        assert sorted(set(asked[4:7])) == ["llmnr", "mdns", "ping"]
        assert sorted(set(asked[7:])) == ["dns", "https", "ntp", "ping"]

    def test_of_the_embedded_site(self, tmp_path: Path) -> None:
        """Workers read what the controller measures."""
        session = start(tmp_path, "-n", "2", "-m", "required")

        assert (session.status, session.verdict) == (0, "accepted")
        assert session.certificate["simulated"] is True

    @pytest.mark.parametrize("spread", [(), ("-n", "2")], ids=["alone", "spread"])
    def test_that_selects_nothing(self, tmp_path: Path, spread: tuple[str, ...]) -> None:
        """It leaves no folder, and ends as pytest ends where nothing was selected."""
        session = run(tmp_path, *spread, "-k", "nothing_at_all", "--lang", "en")

        assert session.status == 5
        assert session.folders == []
        assert session.output.count("No case fits this selection") == 1

    @pytest.mark.parametrize(
        ("words", "cases"),
        [
            ("NTP-01", {"NTP-01"}),
            ("dns-01 and disco", {"DNS-01"}),
            ("PING-02 or DIAG-01", {"PING-02", "DIAG-01"}),
        ],
    )
    def test_selected_by_requirement(self, tmp_path: Path, words: str, cases: set[str]) -> None:
        """``-k`` knows a case by its requirement, together with its host or CUBE."""
        session = run(tmp_path, "-k", words)

        tested = {
            result["requirement"]
            for result in session.certificate["results"]
            if any(case["outcome"] != "not-run" for case in result["cases"])
        }
        assert tested == cases
        assert f"{len(cases)} passed" in session.output

    def test_of_readiness(self, tmp_path: Path) -> None:
        """Before a CUBE is there, internal requirements do not apply."""
        site = msgspec.structs.replace(healthy.SITE, stage="readiness", cubes=())
        session = run(tmp_path, saved=healthy.saved(site=site))

        assert session.status == 0
        assert session.outcome("DIAG-01") == "not-applicable"

    @pytest.mark.parametrize("site", [(), ("--cube", "10.20.0.5")], ids=["embedded", "real"])
    def test_that_only_looks(self, tmp_path: Path, site: tuple[str, ...]) -> None:
        """It starts no server and leaves no folder."""
        session = start(tmp_path, "--collect-only", "-q", *site)

        assert session.status == 0
        assert not session.folders


class Reporter:
    """Keeps what a terminal would show."""

    def __init__(self, *, isatty: bool, verbosity: int = 0) -> None:
        """Be a terminal or a file."""
        self.isatty = isatty
        self.verbosity = verbosity
        self.showfspath = True
        self.shown: list[str] = []
        self.stats: dict[str, list[pytest.TestReport]] = {}

    def rewrite(self, line: str) -> None:
        """Draw the line again."""
        self.shown.append(f"\r{line}")

    def write_line(self, line: str, **markup: bool) -> None:
        """Write a line."""
        self.shown.append("".join([line, *(f" <{look}>" for look in markup)]))


class Measuring:
    """Measurements that are in after a few looks."""

    def __init__(self) -> None:
        """Begin with three looks to go."""
        self.looks = 3

    def wait(self, _limit_s: float) -> bool:
        """Return whether everything is in."""
        self.looks -= 1
        return self.looks < 0

    def progress(self) -> tuple[int, int, tuple[str, ...]]:
        """Return how many are in."""
        return 1, 2, ("dhcp/with/a/long/name",)

    def seen(self, key: str) -> Observation | None:
        """Return what is in from the second look on, but for the time servers."""
        if self.looks < 2 and not key.startswith("ntp/"):
            return healthy.observations().get(key)
        return None


class TestWatch:
    """Progress by the conventions of pytest's own reporter."""

    def test_terminal(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """One line, drawn again and again, never wider than the terminal, and wiped at the end."""
        monkeypatch.setenv("COLUMNS", "30")
        reporter, looks = Reporter(isatty=True), []
        display.watch(reporter, Measuring(), "en", lambda: looks.append(1))

        assert reporter.shown == ["\rMeasurements: 1 of 2; waitin…"] * 3 + ["\r" + " " * 29, "\r"]
        assert len(looks) == 3

        there = Reporter(isatty=True)
        display.watch(there, SimpleNamespace(wait=lambda _: True), "en", lambda: None)
        assert there.shown == []

    def test_log(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """One line every ten seconds, and nothing more."""
        monkeypatch.setattr(display, "PROGRESS_S", -1.0)
        reporter = Reporter(isatty=False)
        display.watch(reporter, Measuring(), "en", lambda: None)

        assert len(reporter.shown) == 3

        monkeypatch.undo()
        display.watch(reporter, Measuring(), "en", lambda: None)

        assert len(reporter.shown) == 3

    @pytest.mark.parametrize("isatty", [True, False])
    def test_quiet(self, *, isatty: bool) -> None:
        """-q wants none of it."""
        reporter = Reporter(isatty=isatty, verbosity=-1)
        display.watch(reporter, Measuring(), "en", lambda: None)

        assert reporter.shown == []

    def test_before_the_cases(self, tmp_path: Path, catalogue: Catalogue) -> None:
        """The session waits for its measurements; one that judges again has none."""
        config, reporter, state = Config(tmp_path), Reporter(isatty=False), state_of(catalogue)
        config.pluginmanager = SimpleNamespace(get_plugin=lambda _: reporter)
        config.stash[STATE] = state
        session = SimpleNamespace(config=config, items=[])
        assert returned(plugin.pytest_runtestloop(session), "done") == "done"

        state.survey = Measuring()
        next(plugin.pytest_runtestloop(session))
        assert state.survey.looks < 0

        told: list[str] = []
        state.survey, state.run = Measuring(), SimpleNamespace(prepare=lambda: told.append("again"))
        next(plugin.pytest_runtestloop(session))
        assert told == ["again"] * 3

    def test_without_a_reporter(self, tmp_path: Path, catalogue: Catalogue) -> None:
        """Another plugin has taken it away; the session waits as any other."""
        config, state = Config(tmp_path), state_of(catalogue)
        config.pluginmanager = SimpleNamespace(get_plugin=lambda _: None)
        config.stash[STATE], state.survey = state, Measuring()
        next(plugin.pytest_runtestloop(SimpleNamespace(config=config, items=[])))

        assert state.survey.looks < 0

    def test_after_worker_processes(self, tmp_path: Path, catalogue: Catalogue) -> None:
        """They judge what is in; what no case reads is waited for when they are done."""
        config, reporter, state = Config(tmp_path), Reporter(isatty=False), state_of(catalogue)
        config.pluginmanager = SimpleNamespace(get_plugin=lambda _: reporter)
        config.stash[STATE] = state
        loop = plugin.pytest_runtestloop(SimpleNamespace(config=config, items=[]))
        next(loop)
        state.survey = Measuring()
        with pytest.raises(StopIteration):
            loop.send("done")

        assert state.survey.looks < 0

    @pytest.mark.parametrize("again", [False, True])
    def test_while_worker_processes_load(
        self,
        tmp_path: Path,
        catalogue: Catalogue,
        monkeypatch: pytest.MonkeyPatch,
        *,
        again: bool,
    ) -> None:
        """The controller prepares what it will need; who judges again will ask nobody."""
        config, state = Config(tmp_path), state_of(catalogue)
        config.stash[STATE] = state
        told: list[str] = []
        monkeypatch.setattr(plugin, "load_probes", lambda: told.append("probes"))
        state.run = SimpleNamespace(prepare=lambda: told.append("page"))
        state.spool, state.replay = SimpleNamespace(), SimpleNamespace() if again else None
        next(plugin.pytest_runtestloop(SimpleNamespace(config=config, items=[])))

        assert told == (["page"] if again else ["page", "probes"])


class TestLines:
    """A line a requirement, in the place of pytest's dots."""

    @pytest.fixture
    def state(self, catalogue: Catalogue) -> State:
        """A session that measures the healthy site."""
        state = state_of(catalogue)
        state.setup, state.survey = healthy.saved().setup, Measuring()  # type: ignore[assignment]
        return state

    def session_of(self, state: State) -> Any:  # noqa: ANN401 - as much of one as is needed
        """A session with all of its cases."""
        items = []
        for owing in state.ledger.owed:
            item = SimpleNamespace(stash=pytest.Stash())
            item.stash[OWED] = owing
            item.stash[CASE] = cases.functions()[owing.requirement]
            items.append(item)
        return SimpleNamespace(items=items)

    def test_as_it_comes_in(self, state: State) -> None:
        """What can be judged is told while the rest is measured, each requirement once."""
        reporter = Reporter(isatty=False)
        display.write_own_lines(reporter, state)
        plugin._expect(state, tuple(reversed(state.ledger.owed)))
        session = self.session_of(state)
        display.judge_early(session, state)
        assert reporter.shown == []

        state.survey.looks = 0  # type: ignore[union-attr]
        display.judge_early(session, state)
        display.judge_early(session, state)

        told = [line.split()[1] for line in reporter.shown]
        assert "DHCP-01" in told
        assert "NTP-01" not in told
        assert len(told) == len(set(told)) == 10
        assert not reporter.showfspath
        assert all(line.endswith(" <green>") for line in reporter.shown)

    def test_fits_the_terminal(self, state: State, monkeypatch: pytest.MonkeyPatch) -> None:
        """It takes the place of the line of progress."""
        monkeypatch.setenv("COLUMNS", "24")
        reporter = Reporter(isatty=True)
        display.write_own_lines(reporter, state)
        plugin._expect(state, state.ledger.owed[:1])
        state.lines.enter("DHCP-01", Judgement(outcome="not-run", text="not-run"))

        assert [len(line) for line in reporter.shown] == [24, 1, 23]

    @pytest.mark.parametrize("missing", ["lines", "survey", "room"])
    def test_nothing_early(
        self, state: State, missing: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Where pytest writes, where nothing is measured, and of a fleet."""
        reporter, session = Reporter(isatty=False), self.session_of(state)
        display.write_own_lines(reporter, state)
        plugin._expect(state, state.ledger.owed)
        state.survey.looks = 0  # type: ignore[union-attr]
        if missing == "room":
            monkeypatch.setattr(judging_early, "EARLY_LIMIT", 3)
        else:
            setattr(state, missing, None)
        display.judge_early(session, state)

        assert reporter.shown == []

    def test_selected(self, state: State) -> None:
        """Who asks for two of them gets two lines."""
        reporter, session = Reporter(isatty=False), self.session_of(state)
        session.items = session.items[-1:]
        display.write_own_lines(reporter, state)
        plugin._expect(state, state.ledger.owed[-2:])
        state.survey.looks = 0  # type: ignore[union-attr]
        display.judge_early(session, state)

        assert [line.split()[1] for line in reporter.shown] == ["SSH-01"]
        assert folder._left_out(state.ledger, state.needs) >= {("DHCP-01", "site")}

    @pytest.mark.parametrize(
        ("asked", "left"), [(("auto", "fE"), 1), (("short", "fE"), 2), (("auto", "a"), 2)]
    )
    def test_failures_once(
        self, tmp_path: Path, state: State, asked: tuple[str, str], left: int
    ) -> None:
        """What was judged stands in the last lines, unless pytest's own list was asked for."""
        config = Config(tmp_path, tbstyle=asked[0], reportchars=asked[1])
        config.stash[STATE] = state
        state.run = object()  # type: ignore[assignment]
        reporter = Reporter(isatty=False)
        failed = [reported("failed", '{"outcome":"fail"}'), reported("failed")]
        reporter.stats["failed"] = list(failed)
        summary = display.pytest_terminal_summary(reporter, config)
        next(summary)
        assert len(reporter.stats["failed"]) == left
        with pytest.raises(StopIteration):
            summary.send(None)
        assert reporter.stats["failed"] == failed

    def test_no_failures(self, tmp_path: Path, state: State) -> None:
        """A summary of passes is pytest's."""
        config = Config(tmp_path, tbstyle="auto", reportchars="fE")
        config.stash[STATE] = state
        state.run = object()  # type: ignore[assignment]
        reporter = Reporter(isatty=False)
        returned(display.pytest_terminal_summary(reporter, config), None)

        assert reporter.stats == {}

    @pytest.mark.parametrize(
        ("command", "said"),
        [
            ("", ""),
            ("sudo setpriv -- python -m pytest", "setpriv -- python -m pytest --site 'a b.toml'"),
            ("New-NetFirewallRule", "New-NetFirewallRule"),
        ],
    )
    def test_a_missing_right_comes_first(
        self,
        tmp_path: Path,
        state: State,
        monkeypatch: pytest.MonkeyPatch,
        command: str,
        said: str,
    ) -> None:
        """In the first second, with the whole command that grants it."""
        monkeypatch.setattr(dhcp_wire, "missing_right", lambda _: command)
        config = Config(tmp_path)
        config.stash[STATE] = state
        assert display.pytest_report_header(config) == []

        state.run = object()  # type: ignore[assignment]
        config.invocation_params.args = ("--site", "a b.toml")
        lines = display.pytest_report_header(config)

        assert lines[0] == "site: Werk Ulm; CUBEs: line-1; measured from eth0, 10.20.0.20/24"
        assert "".join(lines[1:]).endswith(said)
        assert len(lines) == 1 + bool(command)

        state.replay = object()  # type: ignore[assignment]
        assert len(display.pytest_report_header(config)) == 1


class Manager:
    """A plugin manager that has what it was given."""

    def __init__(self, blocked: tuple[str, ...] = ()) -> None:
        """Block these plugins, and have no others."""
        self._blocked = blocked
        self.registered: list[Any] = []

    def is_blocked(self, name: str) -> bool:
        """Return whether ``-p no:`` was said of it."""
        return name in self._blocked

    def get_plugin(self, name: str) -> None:
        """Have none."""

    def has_plugin(self, name: str) -> bool:
        """Have none."""
        del name
        return False

    def register(self, plugin: object, _name: str) -> None:
        """Keep it."""
        self.registered.append(plugin)


class Config:
    """As much of pytest's configuration as the plugin asks for."""

    def __init__(self, folder: Path, blocked: tuple[str, ...] = (), **options: object) -> None:
        """Be started in a folder with these options."""
        self.options = options
        self.option = SimpleNamespace(htmlpath=None, xmlpath=None, metadata={})
        self.stash = pytest.Stash()
        self.rootpath = sessions.PROJECT
        self.inipath = sessions.PROJECT / refusals.SETTINGS
        self.invocation_params = SimpleNamespace(dir=folder, args=())
        self.pluginmanager = Manager(blocked)
        self.settings: dict[str, str] = {}
        self.notified = 0

    def getoption(self, name: str, default: object = None) -> Any:  # noqa: ANN401 - as pytest's
        """Return the option's value."""
        return self.options.get(name, default)

    def getini(self, name: str) -> str:
        """Return the setting's value, as pytest does where it is known."""
        if name not in self.settings:
            raise ValueError(name)
        return self.settings[name]

    def notify_exception(self, *_: object) -> None:
        """Count defects of ours."""
        self.notified += 1


def state_of(catalogue: Catalogue) -> State:
    """A session on the healthy site."""
    return State(catalogue, LoadedSite(site=healthy.SITE), "en")


class Surveyed:
    """Stands in for a survey, and notes what it was asked for."""

    def __init__(self, _setup: object, needs: object, *_spool: object, logins: object) -> None:
        """Take what a survey takes."""
        self.needs, self.logins, self.started = needs, logins, False

    def start(self) -> None:
        """Start."""
        self.started = True


@pytest.fixture
def no_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """A place that no run's folder can be made in."""

    def refuse(_: Run) -> NoReturn:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Run, "open", refuse)


class TestMeasuring:
    """When the measurements start, and of what."""

    @pytest.mark.usefixtures("no_folder")
    def test_the_embedded_site_brings_its_logins(
        self, tmp_path: Path, catalogue: Catalogue
    ) -> None:
        """Nobody asks a person for them."""
        config, state = Config(tmp_path), state_of(catalogue)
        config.stash[STATE], state.folder = state, tmp_path
        logins = {"cube": object()}
        state.simulated = SimpleNamespace(start=lambda: healthy.saved().setup, logins=logins)
        with pytest.raises(pytest.UsageError, match="Permission denied"):
            plugin.pytest_sessionstart(SimpleNamespace(config=config))

        assert state.logins is logins

    def test_a_real_site_is_settled_from_its_file(
        self, tmp_path: Path, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What will be measured, and from where, is what its site file comes to."""
        settled = healthy.saved().setup
        monkeypatch.setattr(method, "make_setup", lambda loaded: settled if loaded else None)
        config, state = Config(tmp_path, started_as=started.COMMAND), state_of(catalogue)
        config.stash[STATE], state.folder = state, tmp_path
        reporter = SimpleNamespace(startpath=tmp_path)
        monkeypatch.setattr(config.pluginmanager, "get_plugin", lambda _: reporter)
        plugin.pytest_sessionstart(SimpleNamespace(config=config))

        assert state.setup is settled
        assert state.run.setup is settled
        assert reporter.startpath == config.rootpath

    @pytest.mark.parametrize("spread", [False, True])
    def test_starts_with_the_cases(
        self,
        tmp_path: Path,
        catalogue: Catalogue,
        monkeypatch: pytest.MonkeyPatch,
        *,
        spread: bool,
    ) -> None:
        """In one process as soon as they are known, else once a worker has told them."""
        monkeypatch.setattr(survey, "Survey", Surveyed)
        config, state = Config(tmp_path), state_of(catalogue)
        config.stash[STATE] = state
        state.setup = healthy.saved().setup
        if spread:
            state.spool = SimpleNamespace(asked=lambda: ())
            plugin.pytest_xdist_node_collection_finished(SimpleNamespace(config=config))
        else:
            plugin.pytest_collection_finish(SimpleNamespace(config=config, items=[]))

        assert state.survey.started
        assert state.survey.needs == ()


class TestOptions:
    """A user's mistake is a sentence."""

    def test_given_twice(self, tmp_path: Path) -> None:
        """The second would be tested by nobody."""
        with pytest.raises(pytest.UsageError, match="--cube is given 2 times"):
            arguments.one(Config(tmp_path, cube=["10.20.0.5", "10.20.0.6"]), "cube")

    @pytest.mark.parametrize("given", [{"cube": [""]}, {"site": ["a.toml", ""]}, {"sign": ""}])
    def test_given_for_nothing(self, tmp_path: Path, given: dict[str, Any]) -> None:
        """A variable of the caller's is empty, and the embedded site would be accepted for it."""
        with pytest.raises(pytest.UsageError, match=f"--{next(iter(given))} is given and names no"):
            arguments.check_values(Config(tmp_path, **given))

    def test_replay_of_another_site(self, tmp_path: Path) -> None:
        """Evidence is of one site."""
        with pytest.raises(pytest.UsageError, match="leave out --site and --cube"):
            arguments.replay(Config(tmp_path, replay=["x.json"], cube=["10.20.0.5"]))

    def test_replay_of_nothing(self, tmp_path: Path) -> None:
        """The file is named."""
        with pytest.raises(pytest.UsageError, match=r"--replay: .*nowhere\.json"):
            arguments.replay(Config(tmp_path, replay=[str(tmp_path / "nowhere.json")]))

    def test_site_and_cube(self, tmp_path: Path) -> None:
        """A site file names its CUBEs itself."""
        both = Config(tmp_path, site=["x.toml"], cube=["10.20.0.5"])
        with pytest.raises(pytest.UsageError, match="either --site or --cube"):
            arguments.load(both)

    @pytest.mark.parametrize("options", [{"site": ["nowhere.toml"]}, {"cube": ["10.20.0.256"]}])
    def test_no_site(self, tmp_path: Path, options: dict[str, Any]) -> None:
        """What is wrong with it is the site's to say."""
        (value,) = next(iter(options.values()))
        with pytest.raises(pytest.UsageError, match=value):
            arguments.load(Config(tmp_path, **options))

    def test_without_an_interface(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Nobody looks which ones there are: the first packet would wait for it."""
        monkeypatch.setattr(local, "system_interfaces", lambda: pytest.fail("looked"))
        file = tmp_path / "site.toml"
        file.write_text('[[cube]]\naddress = "10.20.0.50"\n')

        assert arguments.load(Config(tmp_path, site=[str(file)])).name == "site.toml"

    def test_of_one_cube(self, tmp_path: Path) -> None:
        """All else is at its default."""
        loaded = arguments.load(Config(tmp_path, cube=["10.20.0.5"]))

        assert [cube.address for cube in loaded.site.cubes] == ["10.20.0.5"]

    def test_nothing_to_print_with(
        self, tmp_path: Path, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Said at the start, not at the end."""
        monkeypatch.setenv("PATH", "/nowhere")
        with pytest.raises(pytest.UsageError, match="--pdf: no browser"):
            arguments.find_tools(Config(tmp_path, pdf=True), state_of(catalogue))

    def test_nothing_to_sign_with(self, tmp_path: Path, catalogue: Catalogue) -> None:
        """Likewise."""
        with pytest.raises(pytest.UsageError, match="--sign: there is no key"):
            arguments.find_tools(Config(tmp_path, sign="nowhere"), state_of(catalogue))

    def test_an_interface_that_is_not_there(self, tmp_path: Path) -> None:
        """Those that are there are named."""
        file = tmp_path / "site.toml"
        file.write_text('[vantage]\ninterface = "eth77"\n[[cube]]\naddress = "10.20.0.50"\n')
        with pytest.raises(pytest.UsageError, match=r"no such interface\. This computer has .*lo"):
            arguments.load(Config(tmp_path, site=[str(file)]))

        file.write_text('[vantage]\ninterface = "lo"\n[[cube]]\naddress = "10.20.0.50"\n')
        assert arguments.load(Config(tmp_path, site=[str(file)])).name == "site.toml"

    def test_what_is_replaced(self, tmp_path: Path, catalogue: Catalogue) -> None:
        """By the number in the folder that is named; a folder without one is a usage error."""
        config, state = Config(tmp_path, replaces="earlier"), state_of(catalogue)
        with pytest.raises(pytest.UsageError, match=r"--replaces: .*No such file"):
            arguments.find_tools(config, state)

        (tmp_path / "earlier").mkdir()
        certificate = samples.accepted()
        (tmp_path / "earlier" / "certificate.json").write_text(json.dumps(certificate))
        config.options |= {"site": None}
        arguments.find_tools(config, state)
        assert state.replaces == certificate["certificate_id"]

    def test_nothing_to_log_in_with(self, tmp_path: Path, catalogue: Catalogue) -> None:
        """Likewise, by the site file's key."""
        login = Login(user="service", key="nowhere")
        cube = Cube(address="10.20.0.50", ssh="enabled", login=login)
        state = State(catalogue, LoadedSite(site=Site(cubes=(cube,))), "en")
        with pytest.raises(pytest.UsageError, match=r"cube\[1\]\.login\.key: .*nowhere"):
            arguments.find_tools(Config(tmp_path, site=[str(tmp_path / "site.toml")]), state)

    def test_reports_in_a_file(self, tmp_path: Path, catalogue: Catalogue) -> None:
        """A folder that cannot be made is named."""
        (tmp_path / "file").touch()
        with pytest.raises(pytest.UsageError, match=r"--reports: .*file: "):
            folder.make(Config(tmp_path, reports="file"), state_of(catalogue))

    def test_pytest_html_writes_the_annex(self, tmp_path: Path, catalogue: Catalogue) -> None:
        """With our template, in the run's folder, and no second report of its own beside it."""
        config, state = Config(tmp_path, reports="reports"), state_of(catalogue)
        config.settings = {
            "max_asset_filename_length": "255",
            "render_collapsed": "passed",
            "initial_sort": "result",
        }
        config.option.htmlpath = "wish.html"
        folder.make(config, state)
        (report,) = config.pluginmanager.registered
        report._generate_report()

        (page,) = (tmp_path / "reports").glob("*/certificate.html")
        assert CERTIFICATE_MARK in page.read_text("utf-8")
        assert config.option.htmlpath is None
        assert state.wishes == {"certificate.html": tmp_path / "wish.html"}

    @pytest.mark.usefixtures("no_folder")
    def test_a_folder_that_cannot_be_written_to(self, tmp_path: Path, catalogue: Catalogue) -> None:
        """The run ends before anything is measured."""
        config, state = Config(tmp_path), state_of(catalogue)
        config.stash[STATE], state.folder = state, tmp_path
        state.replay = Replay(healthy.saved())
        with pytest.raises(pytest.UsageError, match=r"--reports: .*Permission denied"):
            plugin.pytest_sessionstart(SimpleNamespace(config=config))

    def test_a_damaged_catalogue(
        self, pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A sentence and no traceback."""

        def load() -> NoReturn:
            raise catalogues.CatalogueError("requirements.toml: empty")

        monkeypatch.setattr(catalogues, "load", load)
        with pytest.raises(pytest.UsageError, match=r"installation is damaged: requirements\.toml"):
            plugin.pytest_configure(pytestconfig)


class TestRefusals:
    """What would keep a certificate from being written or believed."""

    def refused(self, config: Config, *, simulated: bool = False) -> str:
        """Return why a session is refused; empty where it is not."""
        try:
            refusals.check_once(config)
            refusals.check_session(config, simulated=simulated)
        except pytest.UsageError as refusal:
            return str(refusal)
        return ""

    def test_nothing(self, tmp_path: Path) -> None:
        """An honest session."""
        assert self.refused(Config(tmp_path)) == ""

    def test_a_plugin_that_is_missing(self, tmp_path: Path) -> None:
        """By ``-p no:`` or not installed."""
        assert "-p no:html: without it" in self.refused(Config(tmp_path, ("html",)))
        without = Config(tmp_path)
        del without.option.metadata
        assert "pytest-metadata is not loaded" in self.refused(without)

    def test_settings_of_somebody_else(self, tmp_path: Path) -> None:
        """Another file or another root."""
        moved = Config(tmp_path)
        moved.inipath = tmp_path / "pytest.ini"

        assert "leave out -c and --rootdir" in self.refused(moved)

    def test_cases_that_repeat(self, tmp_path: Path) -> None:
        """Options and settings of other people's plugins, by name."""
        again = Config(tmp_path, reruns=2, count=1)
        again.settings["retries"] = "3"

        assert "--reruns, -o retries: a case" in self.refused(again)
        assert "--looponfail: a case" in self.refused(Config(tmp_path, looponfail=True))

    def test_before_anything_is_configured(self, tmp_path: Path) -> None:
        """Another plugin would start sessions of its own; who only looks may say what they like."""
        with pytest.raises(pytest.UsageError, match="--reruns: a case"):
            next(plugin.pytest_cmdline_main(Config(tmp_path, reruns=2)))  # type: ignore[arg-type]

        looking = plugin.pytest_cmdline_main(Config(tmp_path, reruns=2, collectonly=True))  # type: ignore[arg-type]
        assert returned(looking, 0) == 0

    def test_another_look(self, tmp_path: Path) -> None:
        """It could make a certificate say another thing."""
        assert "--css" in self.refused(Config(tmp_path, css=["x.css"]))

    def test_a_debugger(self, tmp_path: Path) -> None:
        """It is for the embedded site."""
        assert "debugger" in self.refused(Config(tmp_path, usepdb=True))
        assert self.refused(Config(tmp_path, usepdb=True), simulated=True) == ""

    def test_a_case_twice(self) -> None:
        """A plugin that nobody here knows repeats cases."""
        refusals.check_collected(["DHCP-01", "NTP-01"])
        with pytest.raises(pytest.UsageError, match="DHCP-01 would be judged more than once"):
            refusals.check_collected(["DHCP-01", "NTP-01", "DHCP-01"])

    def test_a_test_that_is_no_case(self, tmp_path: Path, catalogue: Catalogue) -> None:
        """The suite's own tests never run beside the acceptance cases."""
        config = Config(tmp_path)
        config.stash[STATE] = state_of(catalogue)
        stranger = SimpleNamespace(nodeid="test_x.py::test_x", get_closest_marker=lambda _: None)
        with pytest.raises(pytest.UsageError, match="test_x is no acceptance case"):
            plugin.pytest_collection_modifyitems(config, [stranger])

        refused = SimpleNamespace(config=config, items=[SimpleNamespace(stash=pytest.Stash())])
        plugin.pytest_collection_finish(refused)
        assert config.stash[STATE].evidence is None


def returned(generator: Generator[None, Any, Any], value: object) -> object:
    """Run a hook's wrapper around a hook that returns a value."""
    next(generator)
    with pytest.raises(StopIteration) as end:
        generator.send(value)
    return end.value.value


class TestEarly:
    """Before pytest has looked for a project."""

    def config(self, folder: Path, **changes: object) -> SimpleNamespace:
        """A command line with one of our options, begun in a folder."""
        known = {
            **dict.fromkeys((*entry.OPTIONS, "noconftest", "inifilename", "rootdir_cmd_arg")),
            "rootdir": None,
            "override_ini": None,
            "file_or_dir": [],
            "site": ["x.toml"],
            "started_as": "",
        }
        return SimpleNamespace(
            known_args_namespace=SimpleNamespace(**(known | changes)),
            pluginmanager=Manager(),
            invocation_params=SimpleNamespace(dir=folder),
            rootpath=folder,
            inipath=folder / "pytest.ini",
            _inicfg={"addopts": SimpleNamespace(origin="file")},
        )

    def test_none_of_our_options(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Any other use of pytest is left alone, its output included."""
        monkeypatch.delattr(entry, "make_lasting")
        other = self.config(tmp_path, site=None)

        assert returned(entry.pytest_load_initial_conftests(other, []), "loaded") == "loaded"

    def test_without_the_plugin(self, tmp_path: Path) -> None:
        """Nothing would be judged."""
        with pytest.raises(pytest.UsageError, match="nothing is judged"):
            entry._find_project(self.config(tmp_path, noconftest=True), [])

    def test_outside_the_checkout(self, tmp_path: Path) -> None:
        """Somebody who stands elsewhere is told where to go."""
        with pytest.raises(pytest.UsageError, match=f"cd {sessions.PROJECT}"):
            entry._find_project(self.config(tmp_path), [])

    def test_a_word_that_is_no_options(self, tmp_path: Path) -> None:
        """The console command runs its own cases, and nothing is run for a word by mistake."""
        config = self.config(
            tmp_path, started_as=started.COMMAND, file_or_dir=[started.cases(), "werk.toml"]
        )
        with pytest.raises(pytest.UsageError, match=r"did you mean: .* --site werk\.toml"):
            entry._find_project(config, [])
        config.known_args_namespace.file_or_dir = [started.cases()]
        config.known_args_namespace.site = None

        entry._find_project(config, [])

    def test_settings_that_have_worked_already(self, tmp_path: Path) -> None:
        """Pytest looks for them beside the value of an option that it does not know yet."""
        astray = self.config(tmp_path)
        astray.invocation_params.dir = sessions.PROJECT
        with pytest.raises(pytest.UsageError, match=r"pytest took addopts from .*pytest\.ini"):
            entry._find_project(astray, [])

    def test_in_the_checkout(self) -> None:
        """Pytest found the project by itself."""
        found = self.config(sessions.PROJECT)
        found.inipath = sessions.PROJECT / refusals.SETTINGS
        entry._find_project(found, [])


class TestCase:
    """From a case's end to its judgement."""

    def item(self, config: Config, case: Any = None) -> Any:  # noqa: ANN401 - stands for pytest's
        """A collected case."""
        return SimpleNamespace(config=config, obj=case, stash=pytest.Stash())

    def test_of_another_judge(self, tmp_path: Path, catalogue: Catalogue) -> None:
        """A fixture that a plugin has replaced leaves the case without a judgement."""
        config = Config(tmp_path)
        config.stash[STATE] = state = state_of(catalogue)
        state.setup = healthy.saved().setup
        item = self.item(config, lambda judge: judge)
        item.stash[JUDGE] = Judge("DHCP-01", Replay(healthy.saved()))
        plugin._judged(item, {})(judge=None)

        assert JUDGED not in item.stash

    @pytest.mark.parametrize("outcome", ["fail", "inconclusive"])
    def test_with_a_ruling_that_is_no_pass(
        self, tmp_path: Path, catalogue: Catalogue, outcome: str
    ) -> None:
        """It fails as pytest's own do that want no traceback: to write one takes its time."""
        config = Config(tmp_path)
        config.stash[STATE] = state = state_of(catalogue)
        state.setup = healthy.saved().setup

        def case(judge: Judge) -> None:
            getattr(judge, outcome)("no-answer")

        item = self.item(config, case)
        item.stash[JUDGE] = judge = Judge("DHCP-01", Replay(healthy.saved()))
        with pytest.raises(pytest.fail.Exception, match=r"^no-answer$") as ended:
            plugin._judged(item, {})(judge=judge)

        assert not ended.value.pytrace
        assert item.stash[JUDGED].outcome == outcome

    def test_with_a_defect(self, tmp_path: Path, catalogue: Catalogue) -> None:
        """That one is told with all that leads to it."""
        config = Config(tmp_path)
        config.stash[STATE] = state = state_of(catalogue)
        state.setup = healthy.saved().setup
        item = self.item(config, lambda judge: judge / 0)
        item.stash[JUDGE] = judge = Judge("DHCP-01", Replay(healthy.saved()))
        with pytest.raises(TypeError):
            plugin._judged(item, {})(judge=judge)

        assert item.stash[JUDGED].cause == "internal-error"

    def test_that_nobody_judged_is_pytests(self, tmp_path: Path) -> None:
        """And one that was skipped in spite of its judgement likewise."""
        report = SimpleNamespace(skipped=False)
        item = self.item(Config(tmp_path))
        assert returned(plugin.pytest_runtest_makereport(item, None), report) is report
        item.stash[JUDGED] = Judgement(outcome="pass")
        report.skipped = True
        assert returned(plugin.pytest_runtest_makereport(item, None), report) is report

    def test_that_a_defect_ended_keeps_its_traceback(
        self, tmp_path: Path, catalogue: Catalogue
    ) -> None:
        """Words of the catalogue would hide what is ours to mend."""
        config = Config(tmp_path)
        config.stash[STATE] = state_of(catalogue)
        item = self.item(config)
        item.stash[OWED] = SimpleNamespace(case="DHCP-01")
        item.stash[JUDGED] = Judgement(outcome="inconclusive", cause="internal-error")
        report = SimpleNamespace(skipped=False, user_properties=[], longrepr="Traceback")
        call = SimpleNamespace(when="call", excinfo=object())
        returned(plugin.pytest_runtest_makereport(item, call), report)

        assert (report.outcome, report.longrepr) == ("failed", "Traceback")

    def test_is_dismissed_when_it_has_been_reported(
        self, tmp_path: Path, catalogue: Catalogue
    ) -> None:
        """With its judge, where it had one: a fleet has thousands."""
        config = Config(tmp_path)
        config.stash[STATE] = state = state_of(catalogue)
        item = self.item(config)
        assert returned(plugin.pytest_runtest_protocol(item), "done") == "done"
        assert state.running is item
        item.stash[JUDGE] = Judge("DHCP-01", Replay(healthy.saved()))
        item.stash[JUDGED] = Judgement(outcome="pass")
        returned(plugin.pytest_runtest_protocol(item), "done")

        assert JUDGE not in item.stash
        assert JUDGED not in item.stash


def reported(
    outcome: str = "passed", told: str = "", *, when: str = "call", case: str = ""
) -> pytest.TestReport:
    """A case's report."""
    properties = [(CASE_PROPERTY, case)] if case else []
    if told:
        properties.append((JUDGEMENT_PROPERTY, told))
    text = "last words" if outcome == "failed" else None
    return pytest.TestReport(
        "x::y", ("x", 1, "y"), {}, outcome, text, when, user_properties=properties
    )


GOOD = '{"outcome":"pass"}'
UNCLEAR = '{"outcome":"inconclusive"}'


class TestBookkeeper:
    """What is entered in the ledger."""

    @pytest.fixture
    def ledger(self, catalogue: Catalogue) -> Ledger:
        """A ledger that owes the healthy site's cases."""
        return state_of(catalogue).ledger

    def keeper(self, ledger: Ledger, lines: Any = None) -> plugin.Bookkeeper:  # noqa: ANN401
        """Keep this ledger."""
        state = SimpleNamespace(ledger=ledger, lines=lines)
        return plugin.Bookkeeper(state)  # type: ignore[arg-type]

    def test_its_requirements_line(self, ledger: Ledger) -> None:
        """What is entered is shown as well."""
        shown: list[str] = []
        lines = SimpleNamespace(enter=lambda case, _: shown.append(case))
        report = reported("passed", GOOD, case="DHCP-01")
        self.keeper(ledger, lines).pytest_runtest_logreport(report)

        assert shown == ["DHCP-01"]

    def entered(self, ledger: Ledger, *reports: pytest.TestReport) -> tuple[str, str]:
        """Return what becomes of DHCP-01 when these reports arrive."""
        keeper = self.keeper(ledger)
        for report in reports:
            keeper.pytest_runtest_logreport(report)
        judgement = ledger.judgement("DHCP-01")
        return judgement.outcome, str(judgement.facts.get("detail", ""))

    def test_a_judgement(self, ledger: Ledger) -> None:
        """The usual way."""
        setup = reported(when="setup", case="DHCP-01")

        assert self.entered(ledger, setup, reported("passed", GOOD, case="DHCP-01")) == ("pass", "")

    def test_of_two_judgements_the_worse_counts(self, ledger: Ledger) -> None:
        """A second one in a report makes no case better."""
        report = reported("failed", UNCLEAR, case="DHCP-01")
        report.user_properties.append((JUDGEMENT_PROPERTY, GOOD))

        assert self.entered(ledger, report)[0] == "inconclusive"

    def test_a_judgement_that_pytest_denies(self, ledger: Ledger) -> None:
        """Whoever changed the report, it is not believed."""
        outcome, detail = self.entered(ledger, reported("failed", GOOD, case="DHCP-01"))

        assert (outcome, detail) == ("inconclusive", "pytest and the judge disagree")

    @pytest.mark.parametrize("told", ["last words", ""])
    def test_a_failure_outside_the_case(self, ledger: Ledger, told: str) -> None:
        """By the last line of what pytest says."""
        report = reported("failed", when="teardown", case="DHCP-01")
        report.longrepr = told
        outcome, detail = self.entered(ledger, report)

        assert (outcome, detail) == ("inconclusive", f"teardown: {told or 'no reason given'}")

    def test_a_failure_of_no_case(self, ledger: Ledger) -> None:
        """It keeps the run from being accepted; a pass of no case is nothing."""
        self.entered(ledger, reported(), reported("failed"))

        assert [each.code for each in ledger.complaints] == ["stray"]

    def test_cases_that_cannot_be_loaded(self, ledger: Ledger) -> None:
        """Likewise."""
        keeper = self.keeper(ledger)
        for outcome in ("passed", "failed"):
            keeper.pytest_collectreport(pytest.CollectReport("tests/x.py", outcome, None, []))

        assert [(each.code, each.place) for each in ledger.complaints] == [
            ("collection", "tests/x.py")
        ]

    @pytest.mark.parametrize(
        ("report", "shown", "own"),
        [
            (
                reported("failed", UNCLEAR),
                ("inconclusive", "?", "INCONCLUSIVE"),
                ("inconclusive", "", "INCONCLUSIVE"),
            ),
            (reported("failed", '{"outcome":"fail"}'), None, ("failed", "", "FAILED")),
            (reported("passed", GOOD), None, ("passed", "", "PASSED")),
            (reported("failed"), None, None),
            (reported("passed", GOOD, when="teardown"), None, None),
        ],
    )
    def test_how_a_case_is_shown(
        self,
        tmp_path: Path,
        catalogue: Catalogue,
        report: pytest.TestReport,
        shown: tuple[str, str, str] | None,
        own: tuple[str, str, str] | None,
    ) -> None:
        """An inconclusive one is neither a pass nor a failure; a line of ours needs no letter."""
        config = Config(tmp_path)
        assert display.pytest_report_teststatus(report, config) == shown

        config.stash[STATE] = state = state_of(catalogue)
        state.lines = object()  # type: ignore[assignment]
        assert display.pytest_report_teststatus(report, config) == own


class TestEnd:
    """The certificate, and what becomes of a session without one."""

    @pytest.mark.parametrize(
        ("end", "stopped"),
        [(KeyboardInterrupt(), False), (type("X", (KeyboardInterrupt,), {})(), True)],
        ids=["person", "rule"],
    )
    def test_who_ended_it(
        self, catalogue: Catalogue, end: KeyboardInterrupt, *, stopped: bool
    ) -> None:
        """A person, or a rule of the session's own."""
        state = state_of(catalogue)
        plugin.Ending(state).pytest_keyboard_interrupt(SimpleNamespace(value=end))

        assert state.stopped is stopped

    def test_by_a_person_stays_an_interruption(
        self, tmp_path: Path, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Its certificate is written, and pytest's own exit status stays."""
        monkeypatch.setattr(terminal, "last_lines", lambda *_: [])
        config, state = Config(tmp_path), state_of(catalogue)
        state.replay = Replay(healthy.saved())
        ended = SimpleNamespace(exitstatus=pytest.ExitCode.INTERRUPTED, config=config)
        written = SimpleNamespace(
            conclude=lambda *_: {"verdict": "incomplete"}, failings=[], folder=tmp_path
        )
        folder.conclude(ended, state, written)

        assert ended.exitstatus == pytest.ExitCode.INTERRUPTED

    @pytest.mark.parametrize(
        ("error", "notified", "language", "words"),
        [
            (RuntimeError("broken"), 1, "en", r"could not be written: RuntimeError: broken"),
            (OSError(28, "full"), 0, "de", r"konnte nicht geschrieben werden: OSError: .*full"),
        ],
    )
    def test_without_a_certificate(
        self,
        tmp_path: Path,
        catalogue: Catalogue,
        error: Exception,
        notified: int,
        language: Language,
        words: str,
    ) -> None:
        """Neither 0 nor 1, which would say something about the network."""
        config = Config(tmp_path)
        config.stash[STATE] = state = state_of(catalogue)
        state.run = object()
        state.language = language
        finishing = plugin.pytest_sessionfinish(SimpleNamespace(config=config))
        next(finishing)
        with pytest.raises(pytest.exit.Exception, match=words) as end:
            finishing.throw(error)

        assert end.value.returncode == 3
        assert config.notified == notified

    def test_before_it_began(self, tmp_path: Path) -> None:
        """A session that was refused has nothing to conclude and nothing to stop."""
        config = Config(tmp_path)
        returned(plugin.pytest_sessionfinish(SimpleNamespace(config=config)), None)
        plugin.pytest_unconfigure(config)

    @pytest.mark.parametrize(
        ("said", "status", "told"),
        [(0, 0, 0), (0, 1, 3), (1, 0, 3), (10, 10, 10), (0, 2, 2), (None, 1, 3), (None, 4, 4)],
    )
    def test_only_a_certificate_says_a_verdict(
        self, tmp_path: Path, catalogue: Catalogue, said: int | None, status: int, told: int
    ) -> None:
        """Whoever gives the session another exit status says nothing about the network."""
        config = Config(tmp_path)
        config.stash[STATE] = state = state_of(catalogue)
        state.said = said

        assert returned(plugin.pytest_cmdline_main(config), status) == told  # type: ignore[arg-type]
        assert returned(plugin.pytest_cmdline_main(Config(tmp_path)), 0) == 3  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        "end", [OSError(28, "full"), SystemExit(1), pytest.fail.Exception("x")]
    )
    def test_an_end_by_an_exception_is_no_verdict(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], end: BaseException
    ) -> None:
        """The interpreter would make 1 of it, which is *rejected*; what went wrong is shown."""
        session = plugin.pytest_cmdline_main(Config(tmp_path))  # type: ignore[arg-type]
        next(session)
        with pytest.raises(StopIteration) as ended:
            session.throw(end)

        assert ended.value.value == 3
        assert type(end).__name__ in capsys.readouterr().err

    @pytest.mark.parametrize("end", [KeyboardInterrupt(), pytest.UsageError("x")])
    def test_an_end_that_somebody_else_says(self, tmp_path: Path, end: BaseException) -> None:
        """Ctrl-C and a usage error have exit statuses of their own."""
        session = plugin.pytest_cmdline_main(Config(tmp_path))  # type: ignore[arg-type]
        next(session)
        with pytest.raises(type(end)):
            session.throw(end)

    @pytest.mark.parametrize(("cases", "times"), [(plugin.FLEET - 1, 0), (plugin.FLEET, 1)])
    def test_only_a_fleet_is_kept_from_the_collector(
        self, monkeypatch: pytest.MonkeyPatch, cases: int, times: int
    ) -> None:
        """What it is told to leave alone stays for good, so a small session tells it nothing."""
        told: list[str] = []
        monkeypatch.setattr(gc, "freeze", lambda: told.append("frozen"))
        plugin._spare_collector(cases)
        assert told == ["frozen"] * times
        plugin._spare_collector(cases, anyway=True)
        assert len(told) == times + 1

    def test_without_pytests_reporter(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """A plugin may have put one of its own in its place."""
        display.say(Config(tmp_path), "Verdict: Accepted")

        assert capsys.readouterr().out == "Verdict: Accepted\n"

    def test_reads_nothing_of_the_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A CI system's addresses can hold a password."""
        monkeypatch.setenv("BUILD_URL", "http://jana:geheim@example.invalid/")
        metadata = {"BUILD_URL": "http://jana:geheim@example.invalid/", "Python": "3.11"}
        plugin.pytest_metadata(metadata)

        assert metadata == {"Python": "3.11"}

    def test_the_page_has_the_runs_title(self, tmp_path: Path, catalogue: Catalogue) -> None:
        """A report that is not the run's, of ``--collect-only``, keeps its own."""
        config, state = Config(tmp_path), state_of(catalogue)
        report = SimpleNamespace(config=config, title="page.html")
        plugin.pytest_html_report_title(report)
        config.stash[STATE] = state
        plugin.pytest_html_report_title(report)
        assert report.title == "page.html"

        state.run = SimpleNamespace(title="Abnahme")  # type: ignore[assignment]
        plugin.pytest_html_report_title(report)
        assert report.title == "Abnahme"
