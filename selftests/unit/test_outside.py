"""Asking a plant's public address from outside: what is found, how it is said, and how it ends."""

from __future__ import annotations

import contextlib
import json
import re
import socket
from typing import TYPE_CHECKING

import jsonschema
import pytest

from cube_acceptance import outside, runner, schemas
from cube_acceptance.evidence import (
    CannotMeasure,
    HttpReply,
    PageObserved,
    SshObserved,
    Trouble,
)
from cube_acceptance.probes.net import vantage as vantages
from cube_acceptance.probes.net.errors import CannotAskError
from cube_acceptance.setup import Ports
from fixtures.simulator import ssh
from fixtures.simulator.http import Behaviour, PageServer
from fixtures.simulator.ssh import SshServer
from selftests.support.builders import cannot
from selftests.support.healthy import STARTED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from fixtures.simulator.tcp import TcpServer

HERE = "127.0.0.1"
STRANGER = "<html><title>Drucker \u202e1</title>A printer</html>"
CUT_SHORT = HttpReply(url="/", status=200, size=9, complete=False)
FORBIDDEN = re.compile("abnahme|abgenommen|accept|certificate|protokoll", re.IGNORECASE)
"""What an acceptance says, and this page never."""


@pytest.fixture
def shut() -> Iterator[int]:
    """A port of this computer that refuses every connection."""
    with socket.socket() as taken:
        taken.bind((HERE, 0))
        yield taken.getsockname()[1]


@pytest.fixture
def asked(
    shut: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, dict[str, object], str]]:
    """Ask simulated servers; all other ports are shut. Status, terminal, file and page."""

    def run(*options: str, **servers: TcpServer) -> tuple[int, str, dict[str, object], str]:
        with contextlib.ExitStack() as stack:
            found = {name: stack.enter_context(one).port for name, one in servers.items()}
            ports = Ports(**(dict.fromkeys(outside.SERVICES, shut) | found))
            arguments = [HERE, "--reports", str(tmp_path), *options]
            status = outside.main(arguments, ports, lambda _: True)
        (folder,) = tmp_path.iterdir()
        data = json.loads((folder / "outside.json").read_text("utf-8"))
        jsonschema.validate(data, schemas.schema(outside.Report))
        page = (folder / "outside.html").read_text("utf-8")
        return status, capsys.readouterr().out, data, page

    return run


def page_seen(**changes: object) -> PageObserved:
    """A page that was read to its end and is nobody's known."""
    reply = HttpReply(url="http://192.0.2.1/", status=200, size=40)
    values = {
        "started": STARTED,
        "duration_s": 0.1,
        "address": "192.0.2.1",
        "port": 80,
        "replies": (reply,),
        "familiar": False,
    }
    return PageObserved(**(values | changes))


def shell_seen(**changes: object) -> SshObserved:
    """What port 22 came to."""
    return SshObserved(
        **({"started": STARTED, "duration_s": 0.1, "address": "192.0.2.1"} | changes)
    )


class TestMain:
    """The command from its arguments to its folder."""

    def test_nothing_answers(self, asked: Callable[..., tuple]) -> None:
        """What everybody hopes for; the page says all the same what it does not show."""
        status, said, data, page = asked()

        assert status == data["exit_status"] == 0
        assert data["finding"] == "nothing"
        assert {one["finding"] for one in data["questions"]} == {"closed"}
        assert "Von einem CUBE antwortet nichts." in said
        assert said.splitlines()[-1].endswith(tuple("0123456789abcdef"))
        assert page.count("<li>") == len(outside.LIMITS)
        assert "Portweiterleitung" not in page

    @pytest.mark.parametrize("service", ["diag_new", "diag_old", "conn"])
    def test_a_page_of_a_cube(self, asked: Callable[..., tuple], service: str) -> None:
        """Its own words tell it, on whichever port; what is to be done stands below."""
        server = PageServer()
        status, said, data, page = asked("--lang", "en", **{service: server})

        assert status == 1
        assert data["finding"] == "cube"
        told = {one["service"]: one["finding"] for one in data["questions"]}
        assert told.pop(service) == "cube"
        assert set(told.values()) == {"closed"}
        assert (
            f"TCP {server.port}: a page that names CUBE, tapio or Connector (HTTP 200 · IoT CUBE"
            in said
        )
        assert "removes the opening" in page

    def test_a_shell_is_told_as_one(self, asked: Callable[..., tuple]) -> None:
        """Whose it is nobody can see, and only its banner is read."""
        server = SshServer()
        status, said, data, page = asked("--lang", "en", ssh=server)

        assert status == 1
        assert data["finding"] == "shell"
        assert f"TCP {server.port}: an SSH service, whichever device it is on (SSH-2." in said
        assert "Which device it belongs to cannot be seen from outside." in page
        assert data["questions"][-1]["observation"].get("fingerprints", []) == []

    def test_a_stranger_is_no_cube(self, asked: Callable[..., tuple]) -> None:
        """Plants have web servers; a title that would turn the line around is made plain."""
        status, said, data, page = asked(conn=PageServer(body=STRANGER))

        assert status == 0
        assert data["questions"][2]["finding"] == "other"
        assert "Drucker \ufffd1" in said
        assert "Drucker \ufffd1" in page

    def test_who_hides_may_be_a_cube(self, asked: Callable[..., tuple]) -> None:
        """Behind a login may be anything: no statement."""
        status, _, data, _ = asked(conn=PageServer(Behaviour.LOGIN, body=STRANGER))

        assert status == 10
        assert data["finding"] == "unclear"

    def test_no_way(self, asked: Callable[..., tuple], monkeypatch: pytest.MonkeyPatch) -> None:
        """A computer without Internet has asked nobody."""

        def no_route(target: str) -> None:
            raise CannotAskError("other-route", f"no route to {target}", "ip route")

        monkeypatch.setattr(vantages, "find_vantage", no_route)
        status, said, data, page = asked("--lang", "en")

        assert status == 10
        assert data["finding"] == "not-asked"
        assert "could not be asked (no route to 127.0.0.1 · ip route)" in said
        assert "Own address" not in page

    @pytest.mark.parametrize("language", ["de", "en"])
    def test_never_an_acceptance(self, asked: Callable[..., tuple], language: str) -> None:
        """Nobody can take the page, or what the terminal shows, for something to be signed."""
        _, said, _, page = asked("--lang", language, conn=PageServer(), ssh=SshServer())

        assert f'<html lang="{language}">' in page
        assert not FORBIDDEN.search(page)
        assert not FORBIDDEN.search("\n".join(said.splitlines()[:-1]))

    @pytest.mark.parametrize(
        ("address", "objection"),
        [
            ("plant.example.net", "is no IPv4 address"),
            ("2001:db8::1", "is no IPv4 address"),
            *(
                (address, f"{address} is no public address")
                for address in (
                    "10.20.0.50", "172.16.0.1", "192.168.1.1", "100.64.0.1", "127.0.0.1",
                    "169.254.3.4", "224.0.0.251", "0.0.0.0", "255.255.255.255",
                )
            ),
        ],
    )  # fmt: skip
    def test_who_cannot_be_meant(
        self,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
        address: str,
        objection: str,
    ) -> None:
        """A plant's own address leads nowhere from outside: nothing is asked, nothing written."""
        with pytest.raises(SystemExit):
            outside.main([address, "--reports", str(tmp_path)])

        assert objection in capsys.readouterr().err
        assert list(tmp_path.iterdir()) == []

    def test_a_public_address_may_be_asked(self) -> None:
        """The rule lets through whom it is for."""
        assert outside.objection_to("8.8.8.8", outside.is_public) == ""

    def test_no_room_for_the_folder(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """What cannot be written is said before anything is asked."""
        (tmp_path / "reports").touch()
        with pytest.raises(SystemExit):
            outside.main([HERE, "--reports", str(tmp_path / "reports")], may_ask=lambda _: True)

        assert "--reports: " in capsys.readouterr().err

    def test_no_threads(
        self,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """A computer that allows none can ask nothing, which is nobody's answer."""
        monkeypatch.setattr(runner, "threads_to_be_had", lambda _: 0)
        with pytest.raises(SystemExit):
            outside.main([HERE, "--reports", str(tmp_path)], may_ask=lambda _: True)

        assert "ulimit -u" in capsys.readouterr().err


class TestFinding:
    """What one observation means."""

    @pytest.mark.parametrize(
        ("seen", "finding"),
        [
            (cannot(), "not-asked"),
            (page_seen(trouble=Trouble(kind="no-answer", phase="tcp")), "closed"),
            (page_seen(trouble=Trouble(kind="refused", phase="tcp")), "closed"),
            (page_seen(trouble=Trouble(kind="no-route", phase="tcp")), "not-asked"),
            (page_seen(), "other"),
            (page_seen(familiar=True), "cube"),
            (page_seen(familiar=True, trouble=Trouble(kind="no-answer", phase="http")), "cube"),
            (page_seen(trouble=Trouble(kind="no-answer", phase="http")), "unclear"),
            (page_seen(redirect="https://www.example.net/"), "unclear"),
            (page_seen(replies=(HttpReply(url="/", status=404, size=9),)), "unclear"),
            (page_seen(replies=(HttpReply(url="/", status=204),)), "unclear"),
            (page_seen(replies=(CUT_SHORT,)), "unclear"),
            (shell_seen(banner="SSH-2.0-x", key_exchange=True), "shell"),
            (shell_seen(banner="SSH-2.0-x", trouble=Trouble(kind="refused", phase="ssh")), "shell"),
            (shell_seen(trouble=Trouble(kind="refused", phase="tcp")), "closed"),
            (shell_seen(trouble=Trouble(kind="malformed", phase="ssh")), "other"),
            (shell_seen(trouble=Trouble(kind="no-answer", phase="ssh")), "unclear"),
            (shell_seen(trouble=Trouble(kind="refused", phase="ssh")), "unclear"),
        ],
    )  # fmt: skip
    def test_each(self, seen: CannotMeasure | PageObserved | SshObserved, finding: str) -> None:
        """An accepted connection is nobody's until it shows whose; silence is nobody's."""
        assert outside.finding(seen) == finding

    @pytest.mark.parametrize("behaviour", [ssh.Behaviour.NOT_SSH, ssh.Behaviour.BUSY])
    def test_no_shell_speaks(self, asked: Callable[..., tuple], behaviour: ssh.Behaviour) -> None:
        """What is no shell, and one that turns this visitor away, by the real probe."""
        _, said, data, _ = asked("--lang", "en", ssh=SshServer(behaviour))

        expected = {ssh.Behaviour.NOT_SSH: "other", ssh.Behaviour.BUSY: "unclear"}
        assert data["questions"][-1]["finding"] == expected[behaviour]
        assert "()" not in said


class TestConclude:
    """Many findings, one conclusion."""

    @pytest.mark.parametrize(
        ("findings", "conclusion"),
        [
            (["closed", "other"], "nothing"),
            (["closed", "unclear"], "unclear"),
            (["unclear", "not-asked"], "not-asked"),
            (["not-asked", "shell"], "shell"),
            (["shell", "cube", "not-asked"], "cube"),
        ],
    )
    def test_the_weightiest_leads(self, findings: list[str], conclusion: str) -> None:
        """Who has answered has answered, whatever else could not be asked."""
        assert outside.conclude(findings) == conclusion


class TestHeard:
    """What came, quoted."""

    def test_words_of_a_cube(self) -> None:
        """The reader sees which words told."""
        seen = page_seen(familiar=True, found=("Connector", "CUBE"))

        assert outside.heard(seen) == "HTTP 200 · CUBE, Connector"

    def test_what_the_wire_showed(self) -> None:
        """Silence and refusals have their signs."""
        trouble = Trouble(kind="refused", phase="tcp", icmp_code=13, icmp_source="198.51.100.1")

        assert outside.heard(page_seen(replies=(), trouble=trouble)) == "ICMP 3/13, 198.51.100.1"
        assert outside.heard(shell_seen(turned_away="Too busy")) == "Too busy"
