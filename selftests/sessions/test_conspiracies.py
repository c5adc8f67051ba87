"""Further ways to a certificate that is not deserved: around the session, not inside it.

What a selection or a plugin can try stands in ``test_sessions.py``, what can be done to
finished folders in ``unit/test_verify.py``.

The same is tried on an installed wheel (``selftests/installed.py``), where the console command
starts the session and names the cases: no setting from elsewhere and no path gets that far there.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import pytest

from cube_acceptance import evidence_file, verify
from cube_acceptance.evidence import Trouble
from cube_acceptance.site import Waiver
from selftests.support import healthy, sessions
from selftests.support.conditions import dhcp, ntp, offer
from selftests.support.sessions import run, start

if TYPE_CHECKING:
    from pathlib import Path

    from cube_acceptance.evidence import Observation

NO_DHCP = healthy.saved({"dhcp": dhcp()})
NO_ROUTER = healthy.saved({"dhcp": offer(routers=())})
"""DHCP-01 fails and nothing else does."""
CACHES = shutil.ignore_patterns("__pycache__")
UNDESERVED = {None, "incomplete", "rejected"}


class Copy(NamedTuple):
    """A copy of the suite that somebody may change."""

    root: Path
    """What Python has to look into to find the package."""
    package: Path
    project: Path
    """Where its cases are."""


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    """Make such a copy, of the checkout or of the installed suite."""
    root = tmp_path / "copy"
    if sessions.INSTALLED:
        package = sessions.suite_project().parent
        for folder in (package, *package.parent.glob("cube_acceptance-*")):
            shutil.copytree(folder, root / folder.name, ignore=CACHES)
        for path in (root, *root.rglob("*")):
            path.chmod(0o755)  # what it is copied from may be read-only
        return Copy(root, root / package.name, root / package.name / "suite")
    for name in ("src", "tests", "fixtures"):
        shutil.copytree(sessions.PROJECT / name, root / name, ignore=CACHES)
    for name in ("conftest.py", "pyproject.toml"):
        shutil.copy(sessions.PROJECT / name, root / name)
    return Copy(root / "src", root / "src" / "cube_acceptance", root)


def changed(
    scratch: Path, copy: Copy, *arguments: str, saved: evidence_file.Saved
) -> sessions.Session:
    """Judge evidence with a changed suite."""
    environment = {
        "PYTHONPATH": str(copy.root),
        "COVERAGE_PROCESS_CONFIG": "",  # a copy's lines are not the package's
        "COVERAGE_PROCESS_START": "",
    }
    folder = None if sessions.INSTALLED else copy.project
    return run(scratch, *arguments, saved=saved, environment=environment, folder=folder)


class TestOptionsAndEnvironment:
    """What the command line and the environment can say without leaving a case out."""

    @pytest.mark.parametrize(
        "arguments",
        [
            ("--runxfail",),
            ("--maxfail", "1"),
            ("--import-mode", "importlib"),
            ("--import-mode", "append", "-o", "pythonpath="),
            ("--continue-on-collection-errors",),
            ("--doctest-modules", "src", "tests"),
            ("--confcutdir", "tests"),
            ("--confcutdir", "/"),
            ("-W", "ignore"),
            ("-o", "addopts="),
            ("-p", "no:xdist"),
            ("-p", "no:unraisableexception"),
            ("-n", "2", "--dist", "worksteal", "--maxprocesses", "1", "--max-worker-restart", "0"),
            ("--dist", "load", "--tx", "2*popen"),
            ("-n", "2", "-p", "no:dsession"),
            ("--tb", "no", "-qq"),
            (
                *("--no-summary", "--capture=no", "--assert=plain", "-rN", "--color=yes"),
                *("-o", "generate_report_on_test=true", "-o", "junit_family=xunit1"),
                *("-o", "junit_logging=all", "-o", "render_collapsed=all"),
                *("-o", "xfail_strict=true", "-o", "empty_parameter_set_mark=xfail"),
            ),
        ],
        ids=" ".join,
    )
    def test_option(self, tmp_path: Path, arguments: tuple[str, ...]) -> None:
        """A site whose DHCP server names no router is rejected, for that reason."""
        if sessions.INSTALLED and {"src", "tests"} & set(arguments):
            pytest.skip("there is no such folder where an installed suite is started")
        session = run(tmp_path, *arguments, saved=NO_ROUTER)

        assert (session.status, session.verdict) == (1, "rejected")
        assert session.outcome("DHCP-01") == "fail"

    @pytest.mark.parametrize(
        ("arguments", "status", "installed"),
        [
            (("-c", os.devnull), 4, 4),
            (("--rootdir", "/"), 4, 4),
            (("-o", "testpaths=fixtures"), 5, 1),
            (("--import-mode", "importlib", "-o", "pythonpath="), 10, 4),
            (("--keep-duplicates", "tests", "tests"), 4, 4),
            (("--dist", "each", "-n", "2"), 4, 4),
        ],
        ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
    )
    def test_option_that_loses_the_cases(
        self, tmp_path: Path, arguments: tuple[str, ...], status: int, installed: int
    ) -> None:
        """Without the cases, or with each of them twice, nothing is accepted.

        The console command names them, so that no setting loses them.
        """
        session = run(tmp_path, *arguments, saved=NO_ROUTER)

        assert session.status == (installed if sessions.INSTALLED else status)
        assert session.verdict in UNDESERVED

    @pytest.mark.parametrize(
        "environment",
        [
            {"PYTHONOPTIMIZE": "2"},
            {
                "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
                "PYTEST_PLUGINS": (
                    "cube_acceptance.entry,pytest_html.plugin,pytest_metadata.plugin,hostile"
                ),
            },
            {"PYTEST_PLUGINS": "hostile"},
            {"PYTEST_ADDOPTS": "-p hostile"},
            {"CI": "", "PY_COLORS": "1", "LC_ALL": "C"},
        ],
        ids=str,
    )
    def test_environment(self, tmp_path: Path, environment: dict[str, str]) -> None:
        """Nor does the environment make it so."""
        (tmp_path / "hostile.py").write_text(
            "import pytest\n"
            "def pytest_collection_modifyitems(items):\n"
            "    for item in items: item.add_marker(pytest.mark.skip)\n"
        )
        session = run(
            tmp_path,
            *("-W", "ignore::pytest.PytestConfigWarning"),  # which would end an optimized run
            saved=NO_ROUTER,
            environment=environment | {"PYTHONPATH": str(tmp_path)},
        )

        hostile = any("hostile" in value for value in environment.values())
        assert (session.status, session.verdict) == (
            (10, "incomplete") if hostile else (1, "rejected")
        )

    def test_modules_of_the_same_name(self, tmp_path: Path) -> None:
        """What lies on Python's path under the name of one of our modules is not loaded."""
        for name in ("fixtures/__init__.py", "fixtures/given.py", "judging.py"):
            path = tmp_path / "path" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("raise RuntimeError('not ours')\n")
        session = run(tmp_path, saved=NO_ROUTER, environment={"PYTHONPATH": str(tmp_path / "path")})

        assert (session.status, session.verdict) == (1, "rejected")

    def test_conftest_of_the_working_directory(self, tmp_path: Path) -> None:
        """A stranger's conftest.py where the command is started has no say."""
        (tmp_path / "conftest.py").write_text(
            "import pytest\n"
            "@pytest.fixture\n"
            "def judge(): return None\n"
            "def pytest_collection_modifyitems(items): items.clear()\n"
        )
        cases = () if sessions.INSTALLED else (str(sessions.PROJECT / "tests"),)
        session = run(tmp_path, *cases, saved=NO_ROUTER, folder=tmp_path)

        assert (session.status, session.verdict) == (1, "rejected")

    @pytest.mark.parametrize("setting", ["addopts = -k nothing", "pythonpath = ."])
    def test_settings_beside_a_file_that_is_named(self, tmp_path: Path, setting: str) -> None:
        """Pytest looks for its settings beside the value of an option that it does not know yet."""
        (tmp_path / "given").mkdir()
        (tmp_path / "given" / "pytest.ini").write_text(f"[pytest]\n{setting}\n")
        session = run(tmp_path, saved=NO_ROUTER)
        if sessions.INSTALLED:
            assert (session.status, session.verdict) == (1, "rejected")
            return
        assert session.status == 4
        assert f"{tmp_path / 'given' / 'pytest.ini'}, which has no say" in session.output
        again = start(tmp_path, f"--replay={tmp_path / 'given' / 'evidence.json'}")
        assert (again.status, again.verdict) == (1, "rejected")

    def test_cases_of_another_checkout(self, tmp_path: Path, copy: Copy) -> None:
        """The certificate names this package, so its own cases have to judge and no others."""
        (copy.project / "tests" / "test_dhcp.py").write_text(
            "import pytest\n"
            '@pytest.mark.requirement("DHCP-01")\n'
            "def test_always(judge):\n"
            '    judge.get("dhcp")\n'
            "    judge.passes()\n"
        )
        session = run(tmp_path, saved=NO_ROUTER, folder=copy.project)

        if sessions.INSTALLED:
            assert (session.status, session.verdict) == (1, "rejected")
            return
        assert session.status == 4
        assert f"cd {sessions.PROJECT}" in session.output
        assert not session.folders


class TestCatalogue:
    """What is required is not for the run to choose."""

    @pytest.mark.parametrize("text", ["", "requirement = []", 'schema = "other"\n', "\x00"])
    def test_that_is_empty_or_wrong(self, tmp_path: Path, copy: Copy, text: str) -> None:
        """Without the documented list there is no run."""
        (copy.package / "requirements.toml").write_text(text)
        session = changed(tmp_path, copy, saved=NO_DHCP)

        assert session.status == 4
        assert not session.folders

    def test_that_lacks_an_entry(self, tmp_path: Path, copy: Copy) -> None:
        """An entry that is left out is missed."""
        path = copy.package / "requirements.toml"
        begin, *entries = path.read_text("utf-8").split("[[requirement]]\n")
        others = [entry for entry in entries if 'id = "DHCP-01"' not in entry]
        path.write_text("[[requirement]]\n".join([begin, *others]), "utf-8")
        session = changed(tmp_path, copy, saved=NO_DHCP)

        assert len(others) == len(entries) - 1
        assert session.status == 4
        assert "DHCP-01" in session.output

    def test_that_calls_a_requirement_optional(self, tmp_path: Path, copy: Copy) -> None:
        """The changed suite believes it; the genuine one says whose it is, and what differs."""
        path = copy.package / "requirements.toml"
        text = path.read_text("utf-8")
        path.write_text(text.replace('level = "required"', 'level = "optional"', 1), "utf-8")
        session = changed(tmp_path, copy, saved=NO_DHCP)

        assert 'level = "required"' in text
        told = " ".join(finding.note for finding in verify.verify(session.folder))
        assert "would judge differently: DHCP-01 site required instead of optional" in told


class TestCases:
    """Cases that somebody adds or takes away."""

    def test_a_second_case_of_a_requirement(self, tmp_path: Path, copy: Copy) -> None:
        """Of two results the worse one stays, whichever came first."""
        for name in ("test_aa.py", "test_zz.py"):
            (copy.project / "tests" / name).write_text(
                "import pytest\n"
                '@pytest.mark.requirement("DHCP-01")\n'
                "def test_again(judge): judge.passes()\n"
            )
        session = changed(tmp_path, copy, saved=NO_DHCP)

        assert session.verdict in UNDESERVED
        assert session.status != 0

    def test_a_case_that_looks_at_nothing(self, tmp_path: Path, copy: Copy) -> None:
        """A pass that rests on no observation is a defect."""
        (copy.project / "tests" / "test_dhcp.py").write_text(
            "import pytest\n"
            '@pytest.mark.requirement("DHCP-01")\n'
            "def test_always(judge): judge.passes()\n"
        )
        session = changed(tmp_path, copy, saved=NO_ROUTER)

        assert session.verdict == "incomplete"
        assert session.outcome("DHCP-01") == "inconclusive"

    @pytest.mark.parametrize("text", ["", "import nowhere", "def test_x(:"])
    def test_a_file_without_its_case(self, tmp_path: Path, copy: Copy, text: str) -> None:
        """Empty, or not to be loaded: the requirement stays without a result."""
        (copy.project / "tests" / "test_dhcp.py").write_text(text)
        session = changed(tmp_path, copy, "--continue-on-collection-errors", saved=healthy.saved())

        assert session.status != 0
        assert session.verdict == "incomplete"
        assert session.outcome("DHCP-01") == "not-run"

    def test_a_case_that_is_gone(self, tmp_path: Path, copy: Copy) -> None:
        """What nobody judged was not proven."""
        (copy.project / "tests" / "test_dhcp.py").unlink()
        session = changed(tmp_path, copy, saved=healthy.saved())

        assert session.verdict == "incomplete"
        assert session.outcome("DHCP-01") == "not-run"

    def test_no_cube(self, tmp_path: Path) -> None:
        """Where there is no CUBE nothing about one is accepted."""
        site = msgspec.structs.replace(healthy.SITE, cubes=())
        session = run(tmp_path, saved=healthy.saved(site=site))

        assert session.verdict in UNDESERVED
        assert session.status != 0


class TestTime:
    """Clocks and files that change."""

    def test_a_clock_set_back(self, tmp_path: Path) -> None:
        """A waiver that has expired by the cloud's clock stays expired."""
        started = dt.datetime.fromisoformat(healthy.STARTED)
        waiver = Waiver(
            requirement="DHCP-01", justification="x", approver="x", expires=started.date()
        )
        site = msgspec.structs.replace(healthy.SITE, waivers=(waiver,))
        seen = {key: NO_DHCP.observations[key] for key in ("dhcp",)}
        ahead = {
            f"https/{host}": healthy.https(host, date_offset_s=3 * 86400.0)
            for host in healthy.HOSTS
        }
        honest = run(tmp_path / "1", saved=healthy.saved(seen, site=site))
        back = run(tmp_path / "2", saved=healthy.saved(seen | ahead, site=site))

        assert honest.outcome("DHCP-01") == "waived"
        assert back.outcome("DHCP-01") == "fail"
        assert back.verdict == "rejected"

    def test_a_clock_set_back_where_no_cloud_answers(self, tmp_path: Path) -> None:
        """Two time servers that agree tell as well that a waiver has expired."""
        started = dt.datetime.fromisoformat(healthy.STARTED)
        waiver = Waiver(
            requirement="HTTPS-01", justification="x", approver="x", expires=started.date()
        )
        site = msgspec.structs.replace(healthy.SITE, waivers=(waiver,))
        servers = ("10.20.0.1", "10.20.0.2")
        silent = Trouble(kind="no-answer", phase="tcp")
        dark: dict[str, Observation] = {
            f"https/{host}": healthy.https(
                host, tls=None, reply=None, date_offset_s=None, connected="", trouble=silent
            )
            for host in healthy.HOSTS
        }
        dark["dhcp"] = offer(ntp=servers)
        for ahead_s, outcome, verdict in (
            (0.0, "waived", "accepted-with-reservations"),
            (3 * 86400.0, "fail", "rejected"),
        ):
            told = {f"ntp/{server}": ntp(server, offset_s=ahead_s) for server in servers}
            session = run(tmp_path / verdict, saved=healthy.saved(dark | told, site=site))

            assert session.outcome("NTP-01") == "pass"
            assert (session.outcome("HTTPS-01"), session.verdict) == (outcome, verdict)

    def test_a_site_file_changed_during_the_run(self, tmp_path: Path) -> None:
        """What was read at the start is judged, and its hash stands in the certificate."""
        site = tmp_path / "site.toml"
        text = (
            '[site]\nname = "Ulm"\n[vantage]\ninterface = "lo"\n[[cube]]\naddress = "10.20.0.50"\n'
        )
        site.write_text(text)
        plugin = (
            "from pathlib import Path\n"
            "def pytest_collection_finish():\n"
            f"    Path({str(site)!r}).write_text({text.replace('.50', '.51')!r})\n"
        )
        session = start(tmp_path, "--site", str(site), plugin=plugin)

        assert session.certificate
        assert site.read_text() != text
        assert (
            session.certificate["site_file"]["sha256"] == hashlib.sha256(text.encode()).hexdigest()
        )
        assert session.certificate["item"]["cubes"][0]["address"] == "10.20.0.50"

    def test_an_accepted_certificate_put_into_a_rejected_run(self, tmp_path: Path) -> None:
        """A stale certificate does not fit the files beside it."""
        accepted = run(tmp_path / "1").folder
        rejected = run(tmp_path / "2", saved=NO_DHCP).folder
        for name in ("certificate.json", "certificate.html"):
            shutil.copy(accepted / name, rejected / name)

        assert not all(not finding.wrong for finding in verify.verify(rejected))
        done = subprocess.run(
            [sys.executable, "-m", "cube_acceptance", "verify", str(rejected)],
            check=False,
            capture_output=True,
        )
        assert done.returncode == 1

    def test_evidence_made_up_for_a_replay(self, tmp_path: Path) -> None:
        """Who judges invented evidence gets a certificate that says it is no measurement."""
        session = run(tmp_path)

        assert session.certificate
        assert session.certificate["replayed"] is True
        assert "--replay" in session.certificate["method"]["command_line"]


class TestEvidence:
    """Evidence that was put together."""

    def test_of_another_cube(self, tmp_path: Path) -> None:
        """An observation that is about another CUBE, server or host proves nothing."""
        saved = healthy.saved(healthy.misplaced())
        session = run(tmp_path, saved=saved)

        assert session.verdict == "incomplete"
        assert session.outcome("CONN-01") == "inconclusive"
        assert session.outcome("DIAG-01") == "pass"

    def test_is_refused_by_a_session(self, tmp_path: Path) -> None:
        """In a sentence, and without a folder."""
        site = msgspec.structs.replace(healthy.SITE, cubes=healthy.SITE.cubes * 2)
        session = run(tmp_path, saved=healthy.saved(site=site))

        assert session.status == 4
        assert "--replay: its site: cube[2].address" in session.output
        assert not session.folders
