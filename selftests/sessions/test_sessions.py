"""Whole sessions of the acceptance suite on made-up evidence, and every way to cheat it."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from cube_acceptance import evidence_file, verify
from cube_acceptance.evidence import CannotMeasure
from cube_acceptance.site import Cube, Waiver
from selftests.support import healthy, sessions
from selftests.support.conditions import dhcp, offer
from selftests.support.keys import make_key, signers
from selftests.support.sessions import run, start

if TYPE_CHECKING:
    from pathlib import Path

import datetime as dt

import msgspec

ONE_FAULT = {"dhcp": offer(routers=())}
"""DHCP-01 fails and nothing else does: who gets rid of that one has an acceptance."""
NO_DHCP = {"dhcp": dhcp()}
SECRET = "geheim-4711"  # noqa: S105 - it opens nothing
CONFIDED = (
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"),
    *("GIT_URL", "JENKINS_URL", "BUILD_URL", "CI_PROJECT_URL", "GITLAB_USER_EMAIL"),
    *("CUBE_PASSWORD", "REQUESTS_CA_BUNDLE"),
)
"""Variables that may hold what nobody else should read; pytest-metadata shows some of them."""
REJECTED = healthy.saved({"ntp/10.20.0.1": None} | NO_DHCP)


class TestVerdict:
    """The right end of an honest run."""

    def test_healthy_site_is_accepted(self, tmp_path: Path) -> None:
        """Eleven passes, exit 0, verdict and path last."""
        session = run(tmp_path, "--lang", "en")

        assert session.status == 0
        assert session.verdict == "accepted"
        lines = session.output.strip().splitlines()
        assert lines[-4] == "Verdict: Accepted"
        assert lines[-2:] == [str(session.folder), (session.folder / "certificate.html").as_uri()]
        assert {path.name for path in session.folder.iterdir()} == {
            "certificate.json",
            "certificate.html",
            "evidence.json",
            "junit.xml",
            "request.csv",
            "request.txt",
        }

    def test_workers_give_the_same_results(self, tmp_path: Path) -> None:
        """Spreading over processes changes nothing but who did it."""
        alone, spread = run(tmp_path / "a"), run(tmp_path / "b", "-n", "3")

        assert spread.status == 0
        assert alone.certificate["results"] == spread.certificate["results"]

    def test_failure_rejects(self, tmp_path: Path) -> None:
        """A required failure is exit 1, in the words of the chosen language."""
        session = run(tmp_path, "--lang", "de", saved=healthy.saved(NO_DHCP))

        assert session.status == 1
        assert session.verdict == "rejected"
        assert "Gesamturteil: Nicht abgenommen" in session.output
        assert "Kein DHCP-Server hat innerhalb von 10 s eine Adresse angeboten." in session.output

    def test_optional_failure_moves_nothing(self, tmp_path: Path) -> None:
        """An optional failure is shown, and that is all."""
        changes = {
            "mdns/line-1": msgspec.structs.replace(
                healthy.observations()["mdns/line-1"], replies=()
            )
        }
        session = run(tmp_path, saved=healthy.saved(changes))

        assert session.status == 0
        assert session.verdict == "accepted"
        assert session.outcome("MDNS-01") == "fail"

    def test_waiver_reserves(self, tmp_path: Path) -> None:
        """A waived failure is accepted with reservations."""
        waiver = Waiver(
            requirement="CONN-01",
            justification="known",
            approver="A. B.",
            expires=dt.date(2027, 1, 1),
        )
        site = msgspec.structs.replace(healthy.SITE, waivers=(waiver,))
        changes = {"page/10.20.0.50:5555": healthy.page(5555, redirect="http://elsewhere/")}
        session = run(tmp_path, saved=healthy.saved(changes, site=site))

        assert session.status == 0
        assert session.verdict == "accepted-with-reservations"

    def test_missing_observation_is_incomplete(self, tmp_path: Path) -> None:
        """Evidence that lacks something proves nothing."""
        session = run(tmp_path, saved=healthy.saved({"ntp/10.20.0.1": None}))

        assert session.status == 10
        assert session.outcome("NTP-01") == "inconclusive"

    def test_readiness_without_a_cube(self, tmp_path: Path) -> None:
        """Before a CUBE is there, internal requirements do not apply."""
        site = msgspec.structs.replace(healthy.SITE, stage="readiness", cubes=())
        session = run(tmp_path, saved=healthy.saved(site=site))

        assert session.status == 0
        assert session.outcome("DIAG-01") == "not-applicable"

    def test_keeps_no_judge_of_what_is_reported(self, tmp_path: Path) -> None:
        """Thousands of cases would hold on to what their judges have read."""
        code = """
def pytest_sessionfinish(session):
    from cube_acceptance.plugin import JUDGE, JUDGED
    kept = [item for item in session.items if JUDGE in item.stash or JUDGED in item.stash]
    print(f"{len(session.items)} cases, {len(kept)} with a judge")
"""
        session = run(tmp_path, "-s", plugin=code)

        assert session.verdict == "accepted"
        assert "cases, 0 with a judge" in session.output

    def test_many_cubes(self, tmp_path: Path) -> None:
        """Each CUBE has its results; one that was not measured leaves the run incomplete."""
        cubes = (*healthy.SITE.cubes, Cube(name="line-2", address="10.20.0.51"))
        site = msgspec.structs.replace(healthy.SITE, cubes=cubes)
        session = run(tmp_path, saved=healthy.saved(site=site))

        assert session.status == 10
        assert len(session.certificate["results"]) == 5 + 2 * 6


class TestMeasuring:
    """Runs that measure: the embedded site, and a site of which nothing is asked."""

    def test_embedded_site_is_simulated(self, tmp_path: Path) -> None:
        """Without a site the suite tests its own servers, and says so."""
        session = start(tmp_path, "--lang", "en")

        assert session.status in {0, 10}
        assert session.certificate["simulated"] is True
        assert "Verdict: Simulation passed" in session.output
        for requirement in ("DHCP-01", "NTP-01", "DNS-01", "HTTPS-01", "SSH-01"):
            assert session.outcome(requirement) == "pass"

    def test_workers_read_what_the_controller_measures(self, tmp_path: Path) -> None:
        """Nothing is measured twice, whatever the number of processes."""
        session = start(tmp_path, "-n", "2", "-m", "required")

        assert session.status == 0
        assert session.verdict == "accepted"

    def test_only_what_is_needed_is_measured(self, tmp_path: Path) -> None:
        """A run of one requirement's cases asks nothing for the others."""
        session = start(tmp_path, "-k", "LLMNR-01")

        assert session.status == 10
        evidence = json.loads((session.folder / "evidence.json").read_bytes())
        asked = {key.partition("/")[0] for key in evidence["observations"]}
        assert asked - {"vantage", "neighbours"} == {"llmnr"}

    def test_a_selection_that_fits_nothing(self, tmp_path: Path) -> None:
        """It sends nothing and leaves no folder."""
        session = start(tmp_path, "--cube", "10.255.255.1", "-k", "nothing_at_all")

        assert session.status == 5
        assert session.folders == []

    def test_collecting_needs_no_site(self, tmp_path: Path) -> None:
        """Looking at the cases starts no server."""
        session = start(tmp_path, "--collect-only", "-q")

        assert session.status == 0
        assert not session.folders


class TestWithoutVantage:
    """A computer that stands elsewhere says nothing, alone or spread."""

    @pytest.mark.parametrize("spread", [(), ("-n", "2")], ids=["alone", "spread"])
    def test_everything_is_inconclusive(self, tmp_path: Path, spread: tuple[str, ...]) -> None:
        """Worker processes learn of the obstacle like everybody else."""
        obstacle = CannotMeasure(
            started=healthy.STARTED, duration_s=0.0, cause="off-link", detail="elsewhere"
        )
        session = run(tmp_path, *spread, saved=healthy.saved(vantage=obstacle))

        assert session.status == 10
        causes = {result["cause"] for result in session.certificate["results"]}
        assert causes == {"off-link"}


class TestSelection:
    """What was left out was not proven."""

    @pytest.mark.parametrize(
        "arguments",
        [
            ("-k", "not ntp and not time"),
            ("-m", "optional"),
            ("-m", "required and not lan"),
            ("--deselect", "tests/test_ntp.py"),
            ("--ignore", "tests/test_ntp.py"),
            ("tests/test_ntp.py",),
            ("tests/test_ntp.py", "tests/test_ntp.py"),
            ("-k", "nothing_at_all"),
            ("--setup-only",),
            ("--setup-plan",),
            ("-o", "python_functions=none_*"),
            ("-o", "python_files=none_*"),
            ("-n", "2", "-k", "dhcp"),
            ("--noconftest",),
            ("-p", "no:fixtures.given"),
            ("-p", "no:cube_acceptance.plugin"),
            ("-p", "no:cube_acceptance.entry"),
            ("-p", "no:html"),
            ("-p", "no:terminal"),
            ("-p", "no:python"),
            ("-p", "no:runner"),
            ("-p", "no:cube-acceptance-ledger"),
            ("-o", "python_functions=test_* rule_on_*"),
            ("-o", "usefixtures=nothing"),
            ("--pyargs", "judging"),
        ],
        ids=" ".join,
    )
    def test_never_accepted(self, tmp_path: Path, arguments: tuple[str, ...]) -> None:
        """No way of choosing cases or switching plugins off ends in an acceptance."""
        session = run(tmp_path, *arguments)

        assert session.status != 0
        assert session.verdict in {None, "incomplete"}

    def test_environment_selects_nothing_away(self, tmp_path: Path) -> None:
        """Options from the environment are options."""
        session = run(tmp_path, environment={"PYTEST_ADDOPTS": "-k dns"})

        assert session.status == 10

    @pytest.mark.parametrize("arguments", [("--lf",), ("--lf", "--ff"), ("--sw",)], ids=" ".join)
    def test_poisoned_cache(self, tmp_path: Path, arguments: tuple[str, ...]) -> None:
        """What an earlier session is said to have come to makes up for nothing."""
        last = "tests/test_ssh.py::test_the_maintenance_shell_is_in_the_expected_state[line-1]"
        noted = tmp_path / "cache" / "v" / "cache"
        noted.mkdir(parents=True)
        (noted / "lastfailed").write_text(json.dumps({last: True}))
        (noted / "stepwise").write_text(
            json.dumps(
                {
                    "last_failed": last,
                    "last_test_count": 13,
                    "last_cache_date_str": "2026-11-23 09:00:00",
                }
            )
        )
        session = run(tmp_path, "-o", f"cache_dir={tmp_path / 'cache'}", *arguments)

        assert session.status == 10
        assert session.outcome("DHCP-01") == "not-run"
        assert session.outcome("SSH-01") == "pass"

    @pytest.mark.parametrize(
        "option", ["--fixtures", "--fixtures-per-test", "--markers", "--help", "--version"]
    )
    def test_looking_is_no_run(self, tmp_path: Path, option: str) -> None:
        """What pytest only shows is neither measured nor certified; its exit status is 0."""
        session = start(tmp_path, "--cube", "10.255.255.1", option)

        assert session.status == 0
        assert not session.folders

    def test_stop_at_the_first_failure(self, tmp_path: Path) -> None:
        """A run that stops early says rejected and not what it did not see."""
        session = run(tmp_path, "-x", saved=healthy.saved(NO_DHCP))

        assert session.status == 1
        assert session.outcome("SSH-01") == "not-run"

    def test_required_only(self, tmp_path: Path) -> None:
        """Required requirements alone decide; optional ones are shown as not run."""
        session = run(tmp_path, "-m", "required")

        assert session.status == 0
        assert session.outcome("PING-01") == "not-run"

    def test_collect_only_leaves_nothing(self, tmp_path: Path) -> None:
        """Looking at the cases makes no folder."""
        session = run(tmp_path, "--collect-only")

        assert session.status == 0
        assert not session.folders


HOSTILE = {
    "plays the judge": """
@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    judge = pyfuncitem.funcargs["judge"]
    judge.get("dhcp")
    judge.passes()
    return True
""",
    "puts another function in place of the case": """
def pytest_collection_modifyitems(items):
    def case(judge, setup):
        judge.get("dhcp")
        judge.passes()
    for item in items:
        if "dhcp" in item.nodeid: item.obj = case
""",
    "brings other evidence": """
@pytest.hookimpl(tryfirst=True)
def pytest_fixture_setup(fixturedef, request):
    if fixturedef.argname == "evidence":
        from selftests.support import healthy
        from cube_acceptance.store import Replay
        forged = Replay(healthy.saved())
        fixturedef.cached_result = (forged, fixturedef.cache_key(request), None)
        return forged
""",
    "brings another site": """
@pytest.hookimpl(tryfirst=True)
def pytest_fixture_setup(fixturedef, request):
    if fixturedef.argname == "setup":
        from selftests.support import healthy
        forged = healthy.saved().setup
        fixturedef.cached_result = (forged, fixturedef.cache_key(request), None)
        return forged
""",
    "runs a case again until it passes": """
from _pytest.runner import runtestprotocol
def pytest_runtest_protocol(item, nextitem):
    for number in range(3):
        reports = runtestprotocol(item, nextitem=nextitem, log=False)
        for report in reports:
            if report.failed and number < 2: report.outcome = "rerun"
            if report.when == "call" and number == 2: report.outcome = "passed"
            item.ihook.pytest_runtest_logreport(report=report)
    return True
""",
    "marks an optional case as the required one": """
def pytest_itemcollected(item):
    if "ssh" in item.nodeid: item.own_markers[:] = [pytest.mark.requirement("DHCP-01").mark]
""",
    "expects the failure at the last moment": """
def pytest_runtest_call(item):
    if "dhcp" in item.nodeid: pytest.xfail("known")
""",
    "skips everything": """
def pytest_collection_modifyitems(items):
    for item in items: item.add_marker(pytest.mark.skip)
""",
    "expects every failure": """
def pytest_collection_modifyitems(items):
    for item in items: item.add_marker(pytest.mark.xfail)
""",
    "drops the cases that fail": """
def pytest_collection_modifyitems(items):
    items[:] = [item for item in items if "dhcp" not in item.nodeid]
""",
    "calls every failure a pass": """
@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(item, call):
    report = yield
    report.outcome = "passed"
    return report
""",
    "forges the judgement": """
@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(item, call):
    report = yield
    report.outcome = "passed"
    report.user_properties.append(("acceptance_judgement", '{"outcome":"pass"}'))
    return report
""",
    "ends the run with 0": """
def pytest_runtest_setup(item):
    pytest.exit("enough", returncode=0)
""",
    "ends the run after a few cases": """
def pytest_runtest_teardown(item):
    if "https" in item.nodeid: item.session.shouldstop = "enough"
""",
    "runs no case": """
@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item):
    return True
""",
    "runs no loop": """
@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session):
    return True
""",
    "kills the process": """
def pytest_runtest_setup(item):
    import os; os._exit(0)
""",
    "breaks every teardown": """
def pytest_runtest_teardown(item):
    raise OSError("broken")
""",
    "swallows every report": """
@pytest.hookimpl(tryfirst=True)
def pytest_runtest_makereport(item, call):
    return pytest.TestReport(item.nodeid, item.location, {}, "passed", None, call.when)
""",
    "sets the exit status": """
@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session):
    session.exitstatus = 0
""",
    "replaces the case": """
@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    return True
""",
    "takes the judge away": """
@pytest.fixture
def judge():
    class Silent:
        def __getattr__(self, name): return lambda *a, **k: None
    return Silent()
""",
    "breaks collection of one file": """
def pytest_collect_file(file_path):
    if file_path.name == "test_dhcp.py": raise OSError("broken")
""",
}


FORGING = {
    "writes another judgement": """
@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if call.when == "call":
        report.outcome = "passed"
        report.user_properties = [
            (name, '{"outcome":"pass"}' if name == "acceptance_judgement" else value)
            for name, value in report.user_properties
        ]
    return report
""",
    "gives one case's judgement to another": """
@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    items[:] = [item for item in items if "dhcp" not in item.nodeid]
    for item in items:
        if "ssh" in item.nodeid: item.user_properties.append(("acceptance_case", "DHCP-01"))
""",
}
"""They change what a judge has said, on its way from case to certificate."""


class TestHostilePlugin:
    """Somebody's plugin cannot turn a failing site into an accepted one."""

    @pytest.mark.parametrize("code", HOSTILE.values(), ids=HOSTILE.keys())
    @pytest.mark.parametrize("spread", [(), ("-n", "2")], ids=["alone", "spread"])
    def test_failing_site_is_never_accepted(
        self, tmp_path: Path, code: str, spread: tuple[str, ...]
    ) -> None:
        """Whatever the plugin does, there is no accepted certificate."""
        session = run(
            tmp_path,
            *spread,
            plugin=f"import pytest\n{code}",
            saved=healthy.saved(ONE_FAULT),
            environment={"PYTHONPATH": f"{tmp_path}:{sessions.PROJECT}"},
        )

        assert session.verdict in {None, "incomplete", "rejected"}
        assert session.status != 0 or session.verdict is None

    @pytest.mark.parametrize("code", FORGING.values(), ids=FORGING.keys())
    def test_a_forged_judgement_does_not_verify(self, tmp_path: Path, code: str) -> None:
        """Whoever holds the computer can make it lie; the folder's own evidence tells."""
        session = run(
            tmp_path,
            plugin=f"import pytest\n{code}",
            saved=healthy.saved(ONE_FAULT),
            environment={"PYTHONPATH": f"{tmp_path}:{sessions.PROJECT}"},
        )
        assert session.verdict == "accepted"

        findings = verify.verify(session.folder)

        assert any("DHCP-01" in finding.wrong for finding in findings if finding.wrong)

    def test_without_a_plugin_it_is_that_one_failure(self, tmp_path: Path) -> None:
        """The site on which they try is rejected for one reason, which each of them goes for."""
        session = run(tmp_path, saved=healthy.saved(ONE_FAULT))

        assert session.verdict == "rejected"
        assert session.certificate["totals"]["required"] == {"fail": 1, "pass": 5}

    def test_a_worker_that_dies_leaves_the_run_incomplete(self, tmp_path: Path) -> None:
        """A case that is lost with its worker was not proven."""
        code = (
            "import os\ndef pytest_runtest_setup(item):\n    if 'ntp' in item.nodeid: os._exit(3)\n"
        )
        session = run(tmp_path, "-n", "2", plugin=code)

        assert session.status == 10
        assert session.verdict == "incomplete"
        assert session.outcome("NTP-01") == "not-run"


PRINTS = 'for a; do case $a in --print-to-pdf=*) printf "%%PDF-1.4" >"${a#*=}";; esac; done'


def with_browser(scratch: Path, script: str) -> dict[str, str]:
    """An environment in which the first browser found does what the script says."""
    browser = scratch / "bin" / "chromium"
    browser.parent.mkdir()
    browser.write_text(f"#!/bin/sh\n{script}\n")
    browser.chmod(0o700)
    return {"PATH": f"{browser.parent}:{os.environ['PATH']}"}


class TestEnds:
    """Whatever ends a run: an exit status of a verdict, and the certificate that says so."""

    @pytest.mark.parametrize("end", [("-x", "-n", "2"), ("--stepwise",)])
    def test_a_rule_of_the_session(self, tmp_path: Path, end: tuple[str, ...]) -> None:
        """An interruption to pytest; the failure that it rests on was measured."""
        session = run(
            tmp_path, *end, "-o", f"cache_dir={tmp_path / 'cache'}", saved=healthy.saved(ONE_FAULT)
        )

        assert (session.status, session.verdict) == (1, "rejected")

    def test_a_person(self, tmp_path: Path) -> None:
        """Ctrl-C stays an interruption, and the certificate is incomplete."""
        plugin = (
            "def pytest_runtest_setup(item):\n"
            "    if 'ntp' in item.nodeid: raise KeyboardInterrupt\n"
        )
        session = run(tmp_path, plugin=plugin)

        assert (session.status, session.verdict) == (2, "incomplete")

    @pytest.mark.parametrize("output", ["/dev/full", None], ids=["full", "closed"])
    def test_output_that_nobody_reads(self, tmp_path: Path, output: str | None) -> None:
        """A full disk behind the redirection, a closed stream: the certificate is there."""
        redirection = f">{output} 2>&1" if output else ">&- 2>&-"
        (tmp_path / "evidence.json").write_bytes(evidence_file.dump(healthy.saved(ONE_FAULT)))
        command = [
            *(sys.executable, "-m", "pytest", "-p", "no:cacheprovider"),
            *("--reports", str(tmp_path / "reports")),
            *("--replay", str(tmp_path / "evidence.json")),
        ]
        done = subprocess.run(
            ["sh", "-c", f"exec {shlex.join(command)} {redirection}"],
            cwd=sessions.PROJECT,
            check=False,
        )
        (certificate,) = (tmp_path / "reports").glob("*/certificate.json")

        assert done.returncode == 1
        assert json.loads(certificate.read_bytes())["verdict"] == "rejected"

    def test_another_reporter(self, tmp_path: Path) -> None:
        """A plugin may put a reporter of its own into the place of pytest's."""
        plugin = (
            "import pytest\n"
            "@pytest.hookimpl(trylast=True)\n"
            "def pytest_configure(config):\n"
            "    manager = config.pluginmanager\n"
            "    manager.unregister(manager.getplugin('terminalreporter'))\n"
        )
        session = run(tmp_path, plugin=plugin)

        assert (session.status, session.verdict) == (0, "accepted")
        assert session.output.strip().splitlines()[-2] == str(session.folder)

    def test_a_cache_that_cannot_be_written(self, tmp_path: Path) -> None:
        """A checkout may be read-only, and warnings errors."""
        (tmp_path / "file").write_text("")
        session = run(tmp_path, "-o", f"cache_dir={tmp_path / 'file'}")

        assert (session.status, session.verdict) == (0, "accepted")

    @pytest.mark.parametrize("more", [(), ("-n", "2")], ids=["alone", "workers"])
    def test_a_plugin_that_gives_advice(self, tmp_path: Path, more: tuple[str, ...]) -> None:
        """Whoever makes warnings errors means ours, and pytest-asyncio warns in every session."""
        plugin = (
            "import warnings\n"
            "import pytest\n"
            "def pytest_configure(config):\n"
            "    warnings.warn(pytest.PytestDeprecationWarning('this option is unset'))\n"
        )
        session = run(tmp_path, "-W", "error", *more, plugin=plugin)

        assert (session.status, session.verdict) == (0, "accepted")


class TestUsage:
    """A user's mistake is a sentence and no traceback."""

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (("--site", "nowhere.toml"), "nowhere.toml"),
            (("--cube", "10.20.0.256"), "--cube"),
            (("--cube", "10.20.0.5", "--site", "x.toml"), "either --site or --cube"),
            (("--replay", "nowhere.json"), "nowhere.json"),
            (("--replay", "pyproject.toml"), "pyproject.toml"),
            (("--cube", "10.20.0.5", "--replay", "x.json"), "--replay judges the site"),
            (("--cube", "10.20.0.5", "--sign", "nowhere"), "there is no key nowhere"),
            (("--cube", "10.20.0.5", "--sign", "README.md"), "--sign"),
            (("--cube", "10.20.0.5", "--lang", "fr"), "--lang"),
            (("--cube", "10.20.0.5", "-p", "no:html"), "no certificate"),
            (("--cube", "10.20.0.5", "-p", "no:metadata"), "no certificate"),
            (("--cube", "10.20.0.5", "-p", "no:terminalreporter"), "verdict is not shown"),
            (
                ("--disable-plugin-autoload", "-p", "cube_acceptance.entry", "--cube", "10.20.0.5"),
                "pytest-html is not loaded",
            ),
            (("--cube", "10.20.0.5", "-p", "no:cube_acceptance.plugin"), "nothing is judged"),
            (("--cube", "10.20.0.5", "--noconftest"), "nothing is judged"),
            (("--cube", "10.20.0.5", "--css", "README.md"), "--css"),
            (("--cube", "10.20.0.5", "--trace"), "debugger"),
            (("--cube", "10.20.0.5", "--pdb"), "debugger"),
            (("--cube", "10.20.0.5", "--cube", "10.20.0.6"), "--cube is given 2 times"),
            (("--site", "a.toml", "--site", "b.toml"), "--site is given 2 times"),
            (("--cube", ""), "--cube is given and names nothing"),
            (("--cube", "10.20.0.5", "--sign="), "--sign is given and names nothing"),
            (("--cube", "10.20.0.5", "--looponfail"), "--looponfail: a case"),
            (("--replay", "/dev/zero"), "no file"),
            (("--cube", "10.20.0.5", "--dist", "each", "-n", "2"), "--dist each: a case"),
            (("--cube", "10.20.0.5", "-c", os.devnull), "leave out -c"),
        ],
        ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
    )
    def test_is_a_sentence(self, tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
        """Exit 4, what was wrong, nothing left behind."""
        session = start(tmp_path, *arguments)

        assert session.status == 4
        assert words in session.output
        assert "Traceback" not in session.output
        assert not session.folders

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (("--reruns", "2", "--count", "1"), "--reruns: a case"),
            (("-o", "reruns=2"), "-o reruns"),
        ],
    )
    def test_what_judges_a_case_again(
        self, tmp_path: Path, arguments: tuple[str, ...], words: str
    ) -> None:
        """Options and settings of other people's plugins that repeat cases are refused by name."""
        plugin = (
            "def pytest_addoption(parser):\n"
            "    parser.addoption('--reruns', type=int)\n"
            "    parser.addoption('--count', type=int, default=1)\n"
            "    parser.addini('reruns', 'how often')\n"
        )
        session = start(tmp_path, "--cube", "10.20.0.5", *arguments, plugin=plugin)

        assert session.status == 4
        assert words in session.output
        assert not session.folders

    def test_a_case_that_is_collected_twice(self, tmp_path: Path) -> None:
        """A plugin that nobody here knows repeats cases: nothing is judged."""
        plugin = (
            "import pytest\n"
            "@pytest.hookimpl(wrapper=True)\n"
            "def pytest_pycollect_makeitem(collector, name, obj):\n"
            "    found = yield\n"
            "    return found * 2 if isinstance(found, list) else found\n"
        )
        session = run(tmp_path, plugin=plugin)

        assert session.status == 4
        assert "judged more than once" in session.output

    def test_outside_the_checkout(self, tmp_path: Path) -> None:
        """Somebody who stands elsewhere is told where to go."""
        session = run(tmp_path, folder=tmp_path)

        assert session.status == 4
        assert f"cd {sessions.PROJECT}" in session.output

    @pytest.mark.skipif(sys.platform == "win32", reason="names are texts there")
    def test_a_folder_whose_name_is_no_text(self, tmp_path: Path) -> None:
        """A disk of somebody else's has its names in Latin-1, and the certificate is written."""
        session = run(tmp_path / os.fsdecode(b"Pr\xfcfung"))

        assert (session.status, session.verdict) == (0, "accepted")

    def test_a_computer_that_allows_too_few_threads(self, tmp_path: Path) -> None:
        """It is said before anything starts, and no simulated site is rejected for it."""
        plugin = (
            "import _thread, threading\n"
            "def start(*_):\n"
            '    raise RuntimeError("can\'t start new thread")\n'
            "threading.Thread.start = _thread.start_new_thread = start\n"
        )
        session = start(tmp_path, plugin=plugin)

        assert session.status == 4
        assert "this computer allows 0 more threads" in session.output
        assert not session.folders

    @pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
    @pytest.mark.parametrize("files", [24, 40])
    def test_a_computer_that_allows_too_few_files(self, tmp_path: Path, files: int) -> None:
        """Likewise, and no simulated server ends the run for want of a socket."""
        plugin = (
            f"import resource\nresource.setrlimit(resource.RLIMIT_NOFILE, ({files}, {files}))\n"
        )
        session = start(tmp_path, plugin=plugin)

        assert session.status == 4
        assert "more files, and it needs 56" in session.output
        assert not session.folders

    def test_reports_that_cannot_be_written(self, tmp_path: Path) -> None:
        """A folder that cannot be made is named."""
        (tmp_path / "file").write_text("")
        session = start(tmp_path, "--cube", "10.20.0.5", "--reports", str(tmp_path / "file"))

        assert session.status == 4
        assert "Traceback" not in session.output

    def test_a_folder_that_cannot_be_written_to(self, tmp_path: Path) -> None:
        """The run ends before anything is measured."""
        plugin = (
            "from pathlib import Path\n"
            "import pytest\n"
            "@pytest.hookimpl(trylast=True)\n"
            "def pytest_configure(config):\n"
            "    (folder,) = Path(config.option.reports).iterdir()\n"
            "    (folder / '.certificate.html.part').mkdir()\n"
        )
        session = run(tmp_path, plugin=plugin)

        assert session.status == 4
        assert "--reports: " in session.output
        assert "Traceback" not in session.output

    def test_own_tests_beside_the_cases(self, tmp_path: Path) -> None:
        """The suite's own tests never run beside the acceptance cases."""
        session = run(tmp_path, "tests", "selftests/unit/test_site.py")

        assert session.status == 4
        assert "no acceptance case" in session.output

    def test_changed_evidence_beside_its_certificate(self, tmp_path: Path) -> None:
        """Evidence that its certificate does not know is not judged."""
        first = run(tmp_path / "first", saved=healthy.saved(NO_DHCP))
        evidence = first.folder / "evidence.json"
        evidence.write_bytes(evidence.read_bytes().replace(b"no-answer", b"refused"))
        evidence.write_bytes(evidence.read_bytes() + b"\n")
        session = start(tmp_path / "second", "--replay", str(evidence))

        assert session.status == 4
        assert "not the evidence" in session.output


class TestFiles:
    """What a run leaves, and what it says about itself."""

    def test_hashes_name_the_files_beside_it(self, tmp_path: Path) -> None:
        """The certificate knows its siblings."""
        session = run(tmp_path)

        for name in ("evidence.json", "junit.xml"):
            digest = hashlib.sha256((session.folder / name).read_bytes()).hexdigest()
            assert session.certificate["files"][name] == digest

    def test_replay_is_marked_and_gives_the_same(self, tmp_path: Path) -> None:
        """Judged again, everything but id and place is the same."""
        first = run(tmp_path / "first")
        again = start(tmp_path / "again", "--replay", str(first.folder / "evidence.json"))

        assert again.certificate["replayed"] is True
        assert again.certificate["results"] == first.certificate["results"]
        assert (again.folder / "evidence.json").read_bytes() == (
            first.folder / "evidence.json"
        ).read_bytes()

    def test_users_own_reports_are_written_as_well(self, tmp_path: Path) -> None:
        """--html and --junitxml of the user's get what the run's folder has."""
        html, junit = tmp_path / "mine" / "a.html", tmp_path / "mine" / "b.xml"
        session = run(tmp_path, f"--html={html}", f"--junitxml={junit}")

        assert html.read_bytes() == (session.folder / "certificate.html").read_bytes()
        assert junit.read_bytes() == (session.folder / "junit.xml").read_bytes()

    def test_users_own_report_that_cannot_be_written(self, tmp_path: Path) -> None:
        """It is said, and changes neither certificate nor exit status."""
        session = run(tmp_path, f"--html={tmp_path}", saved=healthy.saved(ONE_FAULT))

        assert (session.status, session.verdict) == (1, "rejected")
        assert f"{tmp_path}: Is a directory" in session.output
        assert "Traceback" not in session.output

    def test_options_from_the_environment_are_told(self, tmp_path: Path) -> None:
        """Who reads the certificate sees every option that it was made with, but the key."""
        (tmp_path / "harmless.py").write_text("")
        session = run(
            tmp_path,
            environment={
                "PYTHONPATH": str(tmp_path),
                "PYTEST_PLUGINS": "harmless",
                "PYTEST_ADDOPTS": "-k 'not x' --durations 1",
            },
        )

        told = session.certificate["method"]["command_line"]
        assert told[:6] == ["pytest", "-p harmless", "-k", "not x", "--durations", "1"]

    @pytest.mark.parametrize(
        ("code", "words"),
        [
            ("(folder / '.evidence.json.part').mkdir()", "Is a directory"),
            ("raise RuntimeError('broken')", "broken"),
            ("pytest.exit('enough', returncode=0)", "enough"),
        ],
        ids=["disk", "defect", "exit"],
    )
    def test_that_cannot_be_written_is_no_verdict(
        self, tmp_path: Path, code: str, words: str
    ) -> None:
        """Neither 0 nor 1, which would say something about the network."""
        plugin = (
            "from pathlib import Path\n"
            "import pytest\n"
            "def pytest_sessionfinish(session):\n"
            "    (folder,) = Path(session.config.option.reports).iterdir()\n"
            f"    {code}\n"
        )
        session = run(tmp_path, plugin=plugin)

        assert session.status == 3
        assert session.verdict is None
        assert "Das Zertifikat konnte nicht geschrieben werden" in session.output
        assert words in session.output

    @pytest.mark.parametrize(
        ("code", "verdict"),
        [
            ("def pytest_unconfigure(): raise OSError(28, 'full')", "accepted"),
            ("def pytest_unconfigure(): raise SystemExit('no')", "accepted"),
            ("def pytest_sessionfinish(): raise SystemExit(1)", None),
            ("def pytest_configure(): pytest.exit('no', returncode=1)", None),
            ("@pytest.hookimpl(tryfirst=True)\ndef pytest_cmdline_main(): return 1", None),
        ],
    )
    def test_another_end_is_no_verdict(
        self, tmp_path: Path, code: str, verdict: str | None
    ) -> None:
        """A log file on a full disk ended an accepted run with the exit status of *rejected*."""
        (tmp_path / "ending.py").write_text(f"import pytest\n{code}\n")
        session = run(tmp_path, "-p", "ending", environment={"PYTHONPATH": str(tmp_path)})

        assert (session.status, session.verdict) == (3, verdict)

    def test_no_plugin_writes_into_the_page(self, tmp_path: Path) -> None:
        """What pytest-html lets plugins add could stand in front of the certificate."""
        plugin = (
            "def pytest_html_results_summary(prefix, summary, postfix):\n"
            "    for part in (prefix, summary, postfix):\n"
            "        part.append('<h1 id=forged>Abgenommen</h1>')\n"
        )
        session = run(tmp_path, plugin=plugin, saved=healthy.saved(ONE_FAULT))

        assert "forged" not in (session.folder / "certificate.html").read_text("utf-8")

    def test_key_path_does_not_reach_the_certificate(self, tmp_path: Path) -> None:
        """The command line is repeated without what is secret."""
        key = make_key(tmp_path / "secret-place")
        session = run(tmp_path, "--sign", str(key))

        assert "secret-place" not in (session.folder / "certificate.json").read_text("utf-8")
        assert "secret-place" not in (session.folder / "certificate.html").read_text("utf-8")
        assert (session.folder / "certificate.json.sig").exists()

    def test_no_secret_is_written(self, tmp_path: Path) -> None:
        """Proxy credentials, what a CI system knows and the key's place stay out of every file."""
        key = tmp_path / SECRET / "key"
        key.parent.mkdir()
        make_key(key)
        session = run(
            tmp_path,
            *("-n", "2", f"--sign={key}"),
            saved=REJECTED,
            environment=dict.fromkeys(CONFIDED, f"http://jana:{SECRET}@example.invalid:3128/"),
        )

        files = {path.name: path.read_bytes() for path in session.folder.iterdir()}
        assert {"certificate.html", "certificate.json", "junit.xml", "evidence.json"} < files.keys()
        assert [name for name, data in files.items() if SECRET.encode() in data] == []

    def test_a_wrong_passphrase_loses_no_result(self, tmp_path: Path) -> None:
        """What was measured is written, unsigned, and the terminal says why."""
        key = make_key(tmp_path / "key", phrase="secret")
        session = run(
            tmp_path,
            *("--sign", str(key)),
            environment={"SSH_ASKPASS_REQUIRE": "force", "SSH_ASKPASS": "/bin/false"},
        )

        assert session.status == 0
        assert "--sign: " in session.output
        assert session.certificate["signature"] is None
        assert not (session.folder / "certificate.json.sig").exists()
        assert not any(finding.wrong for finding in verify.verify(session.folder))

    def test_printed_and_signed(self, tmp_path: Path) -> None:
        """A browser prints, and the print is signed as well."""
        key = make_key(tmp_path / "key")
        session = run(
            tmp_path, "--pdf", "--sign", str(key), environment=with_browser(tmp_path, PRINTS)
        )

        assert (session.folder / "certificate.pdf").read_bytes() == b"%PDF-1.4"
        assert not any(finding.wrong for finding in verify.verify(session.folder))
        (session.folder / "certificate.pdf").write_bytes(b"%PDF-1.5")
        wrong = [finding.what for finding in verify.verify(session.folder) if finding.wrong]
        assert wrong == ["signature"]

    def test_a_browser_that_does_not_print(self, tmp_path: Path) -> None:
        """The certificate is there all the same."""
        session = run(tmp_path, "--pdf", environment=with_browser(tmp_path, "exit 1"))

        assert session.status == 0
        assert "--pdf: chromium wrote no PDF" in session.output
        assert session.verdict == "accepted"

    def test_no_browser(self, tmp_path: Path) -> None:
        """Said at the start, not at the end."""
        session = run(tmp_path, "--pdf", environment={"PATH": "/nowhere"})

        assert session.status == 4
        assert "no browser to print with" in session.output

    def test_colours_and_escapes_of_the_network_stay_out(self, tmp_path: Path) -> None:
        """What a device says never moves the terminal's cursor."""
        page = healthy.page(80)
        reply = msgspec.structs.replace(page.replies[0], status=500, title="\x1b[31mboo\x1b[0m")
        changes = {
            "page/10.20.0.50:80": msgspec.structs.replace(
                page, replies=(reply,), redirect="x\x1b[2J"
            )
        }
        session = run(tmp_path, saved=healthy.saved(changes))

        assert session.status == 1
        assert "\x1b[2J" not in session.output

    def test_a_killed_run_leaves_a_page_that_says_so(self, tmp_path: Path) -> None:
        """Without an end there is no certificate."""
        plugin = "import os\ndef pytest_runtest_setup(item):\n    os.kill(os.getpid(), 9)\n"
        session = run(tmp_path, "--lang", "en", plugin=plugin)

        assert session.status == -9
        assert [path.name for path in session.folder.iterdir()] == ["certificate.html"]
        page = (session.folder / "certificate.html").read_text("utf-8")
        assert re.search("not (been )?finished", page)


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A signed run's folder, and the list of whose signature counts."""
    scratch = tmp_path_factory.mktemp("signed")
    key = make_key(scratch / "key")
    return run(scratch, "--sign", str(key)).folder, signers(key)


class TestVerify:
    """A folder proves itself, and every change of it is noticed."""

    def test_everything_holds(self, signed: tuple[Path, Path]) -> None:
        """An untouched folder has nothing wrong with it."""
        findings = verify.verify(*signed)

        assert [finding.wrong for finding in findings if finding.wrong] == []
        assert len(findings) == 8

    def test_the_printed_command_holds(self, signed: tuple[Path, Path]) -> None:
        """Anybody can check the signature with OpenSSH alone."""
        folder, signers = signed
        with (folder / "certificate.json").open("rb") as data:
            done = subprocess.run(
                [
                    *("ssh-keygen", "-Y", "verify", "-f", str(signers), "-I", "tester"),
                    *("-n", "cube-acceptance", "-s", str(folder / "certificate.json.sig")),
                ],
                stdin=data,
                capture_output=True,
                check=False,
            )

        assert done.returncode == 0

    @pytest.mark.parametrize(
        "name",
        [
            "certificate.json",
            "certificate.html",
            "evidence.json",
            "junit.xml",
            "certificate.json.sig",
        ],
    )
    def test_changed_bytes_are_noticed(
        self,
        signed: tuple[Path, Path],
        tmp_path: Path,
        name: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """A change anywhere in any file breaks at least one finding."""
        monkeypatch.setattr(verify, "check_outcomes", lambda _certificate, _folder: None)
        folder = tmp_path / "copy"
        folder.mkdir()
        for path in signed[0].iterdir():
            (folder / path.name).write_bytes(path.read_bytes())
        data = (folder / name).read_bytes()
        step = max(1, len(data) // 40)
        for at in range(0, len(data), step):
            changed = bytearray(data)
            changed[at] ^= 1
            (folder / name).write_bytes(changed)

            assert any(finding.wrong for finding in verify.verify(folder, signed[1])), at

    def test_forged_outcome_is_noticed_even_with_new_hashes(self, tmp_path: Path) -> None:
        """A rejected run that was rewritten to accepted does not follow from its evidence."""
        session = run(tmp_path, saved=healthy.saved(NO_DHCP))
        folder = session.folder
        certificate = json.loads((folder / "certificate.json").read_bytes())
        for result in certificate["results"]:
            result |= {"outcome": "pass", "cause": "", "reason": "", "remedy": ""}
            for case in result["cases"]:
                case |= {"outcome": "pass", "cause": "", "reason": "", "remedy": ""}
        certificate["verdict"] = "accepted"
        (folder / "certificate.json").write_bytes(verify.build.dump(certificate))

        wrong = {finding.what for finding in verify.verify(folder) if finding.wrong}

        assert "outcomes" in wrong
        assert "page" in wrong

    def test_command_says_what_holds_and_what_does_not(self, tmp_path: Path) -> None:
        """One line each, exit 0 or 1."""
        folder = run(tmp_path).folder
        command = [sys.executable, "-m", "cube_acceptance", "verify", str(folder), "--lang", "en"]
        good = subprocess.run(command, capture_output=True, text=True, check=False)
        (folder / "junit.xml").write_text("")
        bad = subprocess.run(command, capture_output=True, text=True, check=False)

        assert (good.returncode, bad.returncode) == (0, 1)
        assert (
            "\nholds: form, completeness, verdict, content, files, page, outcomes\n" in good.stdout
        )
        assert "does not hold: files: junit.xml" in bad.stdout
