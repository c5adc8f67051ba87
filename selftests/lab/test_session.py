"""What is not measured is never accepted, however the session is cut short."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import signal
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from selftests.lab.condition import Condition, Laptop, Lines
from selftests.lab.session import (
    PROJECT,
    command_line,
    finish,
    hold,
    hold_and_finish,
    plant_under,
    run_folder,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from selftests.lab.certificates import Authorities
    from selftests.lab.plant import Plant

HEALTHY = Condition(id="healthy", field="Nothing is wrong.")
ECHO_SPACING_S = 1.0
STANDSTILLS, MOVING_S, STANDSTILL_S = 12, 0.8, 4.0


@pytest.fixture(scope="module")
def plant(authorities: Authorities) -> Iterator[Plant]:
    """A healthy plant; what these tests change is the session."""
    with plant_under(HEALTHY, authorities) as healthy:
        yield healthy


def first_page(process: subprocess.Popen[str], reports: Path) -> Path | None:
    """Wait for the page that a session leaves when it begins; None where it does not begin."""
    page = None
    end = time.monotonic() + 20
    while page is None and time.monotonic() < end and process.poll() is None:
        time.sleep(0.02)
        page = next(reports.glob("*/certificate.html"), None)
    return page


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """The session's own name, for its folder."""
    return re.sub(r"\W+", "-", request.node.name)


@pytest.mark.quick
@pytest.mark.parametrize(
    "more",
    [
        ("-k", "not ntp"),
        ("-k", "dns"),
        ("-m", "optional"),
        ("-m", "required and not lan"),
        ("--ignore", "tests/test_ntp.py"),
        ("--ignore-glob", "tests/test_d*.py"),
        ("--deselect", "tests/test_ntp.py"),
        ("tests/test_dns.py",),
        ("-p", "no:terminal"),
        ("-p", "no:html"),
        ("-p", "no:xdist", "-k", "not dhcp"),
    ],
    ids=" ".join,
)
def test_selection(plant: Plant, name: str, more: tuple[str, ...]) -> None:
    """A part of the cases proves a part of the network."""
    ended = hold_and_finish(plant, HEALTHY, name, more)

    assert ended.status != 0, ended.terminal
    assert ended.verdict in ("", "incomplete"), ended.terminal


@pytest.mark.quick
def test_selection_from_the_environment(plant: Plant, name: str) -> None:
    """PYTEST_ADDOPTS selects as well as the command line does."""
    row = Condition(id="x", field="x", laptop=Laptop(env={"PYTEST_ADDOPTS": "-k dns"}))
    ended = hold_and_finish(plant, row, name)

    assert (ended.status, ended.verdict) == (10, "incomplete"), ended.terminal


@pytest.mark.quick
@pytest.mark.parametrize("more", [("-x",), ("-x", "-n", "4"), ("--maxfail=1",)], ids=" ".join)
def test_stopped_after_a_failure(
    authorities: Authorities, name: str, more: tuple[str, ...]
) -> None:
    """The first failure may end the session; what was not run is not accepted."""
    row = Condition(
        id="x", field="No names resolve.", firewall=("gateway input udp dport 53 drop",)
    )
    with plant_under(row, authorities) as dark:
        ended = hold_and_finish(dark, row, name, more)

    assert ended.status != 0, ended.terminal
    assert ended.verdict in ("", "incomplete", "rejected"), ended.terminal


@pytest.mark.parametrize("after_s", [0.3, 0.9])
def test_stopped_for_a_while(authorities: Authorities, name: str, after_s: float) -> None:
    """A session that could not run for longer than any limit calls no good peer silent."""
    row = Condition(
        id="x",
        field="The pages come in steps that take their time.",
        pages={"80": "", "5555": ""},
        fakes=("cube http redirect-slowly", "cube http redirect-slowly --port 5555"),
    )
    with plant_under(row, authorities) as slow:
        process, reports = hold(slow, row, name)
        while process.poll() is None and not list(reports.glob("*/certificate.html")):
            time.sleep(0.02)
        time.sleep(after_s)
        os.killpg(process.pid, signal.SIGSTOP)
        time.sleep(13.0)
        os.killpg(process.pid, signal.SIGCONT)
        ended = finish(process, reports)

    assert (ended.status, ended.verdict) == (0, "accepted"), ended.outcomes


@pytest.mark.quick
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_killed_half_way(plant: Plant, name: str, number: signal.Signals) -> None:
    """A killed run leaves a page that says so and nothing that looks like a certificate."""
    process, reports = hold(plant, HEALTHY, name)
    page = first_page(process, reports)
    time.sleep(1.0)
    process.send_signal(number)
    ended = finish(process, reports)

    assert page is not None, ended.terminal
    assert ended.status != 0
    if number is signal.SIGKILL:
        assert ended.certificate is None
        assert page.stat().st_size
    assert ended.verdict in ("", "incomplete")


def test_stands_still(authorities: Authorities, name: str) -> None:
    """A computer that stands still again and again takes no answer that waits for silence.

    Everybody takes a second or more, so that most answers come while nobody can read them.
    """
    row = Condition(
        id="x",
        field="The servers are far away.",
        without=("chronyd",),
        dnsmasq=Lines(drop=("no-ping",), add=("port=0",)),
        fakes=("gateway dns slow", "gateway ntp slow --slow 2"),
    )
    with plant_under(row, authorities) as far:
        process, reports = hold(far, row, name)
        page = first_page(process, reports)
        for _ in range(STANDSTILLS):
            time.sleep(MOVING_S)
            os.killpg(process.pid, signal.SIGSTOP)
            time.sleep(STANDSTILL_S)
            os.killpg(process.pid, signal.SIGCONT)
        ended = finish(process, reports)

    assert page is not None, ended.terminal
    assert (ended.status, ended.verdict) == (0, "accepted"), ended.terminal


@contextlib.contextmanager
def captured(plant: Plant, *options: str) -> Iterator[Path]:
    """Keep what tcpdump tells of the CUBE's card, from before the work until after it."""
    capture = plant.folder / "captured.txt"
    with capture.open("wb") as output:
        watching = subprocess.Popen(
            plant.inside("cube", "tcpdump", "-n", "-l", "-i", "eth0", *options),
            stdout=output,
            stderr=subprocess.PIPE,
        )
        assert watching.stderr
        while b"listening" not in watching.stderr.readline():
            pass
        yield capture
        watching.terminate()
        watching.wait()
        watching.stderr.close()


@pytest.mark.quick
class TestWhatIsSent:
    """The CUBE and the DHCP server are treated gently."""

    def test_echo_requests(self, plant: Plant) -> None:
        """Two sessions at once, one over four processes: never two pings within a second."""
        with captured(plant, "-tt", "icmp[icmptype] == 8") as capture:
            one = hold(plant, HEALTHY, "one")
            two = hold(plant, HEALTHY, "two", ("-n", "4"))
            ends = [finish(*one), finish(*two)]
        seen = [line.split() for line in capture.read_text().splitlines()]
        times = [float(words[0]) for words in seen if "request," in words]
        gaps = [later - earlier for earlier, later in itertools.pairwise(times)]

        assert [end.verdict for end in ends] == ["accepted", "accepted"]
        assert len(times) == 8
        assert min(gaps) >= ECHO_SPACING_S

    def test_nothing_in_the_cubes_name_but_its_question(
        self, authorities: Authorities, name: str
    ) -> None:
        """DHCP is asked for its MAC address, which no frame that arrives has as its source."""
        mac = "02:00:00:00:00:50"
        condition = Condition(
            id="in-its-name",
            field="The site file has the CUBE's MAC address.",
            ip=(f"cube link set eth0 address {mac}",),
            site={"cube": {"mac": mac}},
        )
        with plant_under(condition, authorities) as plant:
            what = f"udp port 67 or ether src {mac}"
            with captured(plant, "-e", "-v", "-Q", "in", what) as capture:
                ended = hold_and_finish(plant, condition, name)
            seen = capture.read_text()

        assert ended.verdict == "accepted", ended.terminal
        assert f"Request from {mac}" in seen
        assert "DHCP-Message (53), length 1: Discover" in seen
        assert "DHCP-Message (53), length 1: Request" not in seen
        assert f"{mac} >" not in seen

    def test_no_lease_is_taken(self, plant: Plant, name: str) -> None:
        """A session leaves the server's list of leases as it was."""
        hold_and_finish(plant, HEALTHY, name)

        assert not (plant.folder / "dnsmasq.leases").read_text()
        assert "DHCPDISCOVER" in plant.log("dnsmasq")
        assert "DHCPREQUEST" not in plant.log("dnsmasq")


WITH_LOGIN = Condition(
    id="login",
    field="The CUBE's shell lets the tester in.",
    sshd=(),
    site={
        "cube": {
            "ssh": "enabled",
            "ssh_fingerprint": "{fingerprint}",
            "login": {"user": "service", "key": "cube_key"},
        }
    },
)


class TestLogin:
    """The CUBE's shell, and what logs in there."""

    def test_no_secret_is_written_down(self, authorities: Authorities, name: str) -> None:
        """Sessions stood, and no file of the run holds a line of the key."""
        with plant_under(WITH_LOGIN, authorities) as plant:
            ended = hold_and_finish(plant, WITH_LOGIN, name, ("-n", "2"))
            secret = (plant.folder / "cube_key").read_text().splitlines()[1:-1]
            log = plant.log("sshd")
            written = [path.read_bytes() for path in run_folder(ended).iterdir()]

        assert ended.verdict == "accepted"
        assert log.count("Accepted publickey for service") == 2
        assert secret
        assert not [line for line in secret if any(line.encode() in data for data in written)]
        assert not [line for line in secret if line in ended.terminal]

    def test_nobody_logs_in_without_being_told_to(
        self, authorities: Authorities, name: str
    ) -> None:
        """Host keys are read, as SSH-01 asks, and no session is begun."""
        site = {"cube": {"ssh": "enabled", "ssh_fingerprint": "{fingerprint}"}}
        condition = Condition(id="shell", field="The shell is on.", sshd=(), site=site)
        with plant_under(condition, authorities) as plant:
            ended = hold_and_finish(plant, condition, name)
            log = plant.log("sshd")

        assert ended.verdict == "accepted"
        assert "preauth" in log
        assert "Accepted" not in log


@pytest.mark.quick
class TestWhatIsLeft:
    """The run's folder and the terminal, as the contract fixes them."""

    def test_folder_and_terminal(self, plant: Plant, name: str) -> None:
        """One new folder with all files; verdict, next step and the path are the last lines."""
        ended = hold_and_finish(plant, HEALTHY, name)
        folder = run_folder(ended)
        last = "\n".join(ended.terminal.strip().splitlines()[-4:])

        assert {path.name for path in folder.iterdir()} >= {
            "certificate.json", "certificate.html", "evidence.json", "junit.xml",
        }  # fmt: skip
        assert str(folder) in last.replace("\n", "")
        assert "accepted" in last.lower()

    def test_options_in_one_word(self, plant: Plant) -> None:
        """Options may be written with an equals sign; every other test writes two words."""
        command, env, reports = command_line(plant, HEALTHY, "one-word", ("-k", "dns"))
        script = command[-1].replace("--site ", "--site=").replace("--reports ", "--reports=")
        process = subprocess.Popen(
            [*command[:-1], script],
            env=env,
            cwd=PROJECT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        ended = finish(process, reports)

        assert (ended.status, ended.verdict) == (10, "incomplete"), ended.terminal

    def test_replay_gives_the_same(self, plant: Plant, name: str) -> None:
        """Judged again from its own evidence, a session comes to the same outcomes."""
        first = hold_and_finish(plant, HEALTHY, f"{name}-live")
        evidence = run_folder(first) / "evidence.json"
        again = hold_and_finish(plant, HEALTHY, f"{name}-again", ("--replay", str(evidence)))

        assert again.outcomes == first.outcomes
        assert json.loads(evidence.read_text())

    def test_bad_site_file(self, plant: Plant) -> None:
        """A misspelt key: exit 4, the file, the key and the hint, no traceback, no folder."""
        row = Condition(id="x", field="x", site={"vantage": {"interfce": "eth0"}})
        ended = hold_and_finish(plant, row, "misspelt")

        assert ended.status == 4, ended.terminal
        assert "misspelt-site.toml" in ended.terminal
        assert "interfce" in ended.terminal
        assert "interface" in ended.terminal.replace("interfce", "")
        assert "Traceback" not in ended.terminal
        assert not ended.folders
