"""The tunnel probe against real shells: whom it logs in at, and what it reaches through them."""

from __future__ import annotations

import logging
import socket
import ssl
import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING, NamedTuple, NoReturn

import paramiko
import pytest

from cube_acceptance.evidence import Channel, Trouble, TunnelObserved, Vantage
from cube_acceptance.logins import Credentials
from cube_acceptance.probes import tunnel
from cube_acceptance.probes.net.errors import ReachError
from cube_acceptance.probes.net.vantage import find_vantage
from cube_acceptance.probes.tunnel import Shell, TunnelProbe
from fixtures.simulator import https as cloud
from fixtures.simulator import ssh
from fixtures.simulator.https import HOSTS, Authority, HttpsServer
from fixtures.simulator.shell import USER, Behaviour, ShellServer

if TYPE_CHECKING:
    from collections.abc import Iterator

VANTAGE = find_vantage("127.0.0.1")
HOST = HOSTS[0]
ADDRESS = "127.0.0.1"
KEY = paramiko.ECDSAKey.generate()
SPOKEN = "a word that nobody may see"
BY_KEY = Credentials(user=USER, key=lambda: KEY)
BY_WORD = Credentials(USER, None, SPOKEN)
AUTHORITY = Authority()


class Lab(NamedTuple):
    """A shell, a cloud host, and how to go from one to the other."""

    shell: ShellServer
    host: HttpsServer

    def probe(self, credentials: Credentials = BY_KEY, **changes: object) -> TunnelProbe:
        """The way from one to the other; impatient where nothing may be waited for."""
        through = Shell(
            cube="line-1",
            address=self.shell.address,
            port=self.shell.port,
            fingerprint=self.shell.fingerprint,
            credentials=credentials,
        )
        values: dict[str, object] = {
            "shell": through,
            "host": HOST,
            "address": ADDRESS,
            "port": self.host.port,
            "ca_pem": AUTHORITY.pem,
            "second_try_s": 0.0,
        }
        return TunnelProbe(vantage=VANTAGE, **(values | changes))

    def measure(self, credentials: Credentials = BY_KEY, **changes: object) -> TunnelObserved:
        """What is seen through the shell."""
        assert isinstance(VANTAGE, Vantage)
        seen = self.probe(credentials, **changes).run()
        assert isinstance(seen, TunnelObserved)
        return seen


class Labs:
    """Makes labs and ends them."""

    def __init__(self, standing: ExitStack) -> None:
        """Remember where they stand."""
        self._standing = standing

    def __call__(
        self,
        behaviour: Behaviour = Behaviour.GOOD,
        host: cloud.Behaviour = cloud.Behaviour.GOOD,
        **changes: object,
    ) -> Lab:
        """Start one."""
        values = {"names": {HOST: ADDRESS}, "key": KEY, "password": SPOKEN} | changes
        shell = self._standing.enter_context(ShellServer(behaviour, **values))
        served = self._standing.enter_context(HttpsServer(host, authority=AUTHORITY))
        return Lab(shell, served)


@pytest.fixture
def labs() -> Iterator[Labs]:
    """A maker of labs."""
    with ExitStack() as standing:
        yield Labs(standing)


def only(seen: TunnelObserved) -> Channel:
    """The one channel that was needed."""
    assert seen.shell is None
    assert seen.by_address is None
    assert seen.by_name
    return seen.by_name


class TestReach:
    """What comes of a channel."""

    @pytest.mark.parametrize("credentials", [BY_KEY, BY_WORD], ids=["key", "password"])
    def test_a_healthy_way(self, labs: Labs, credentials: Credentials) -> None:
        """By name, end to end: the host's certificate, its status, its time."""
        lab = labs()

        seen = lab.measure(credentials)

        found = only(seen)
        assert found.opened
        assert found.reply
        assert found.reply.status == 404
        assert found.tls
        assert HOST in found.tls.names
        assert abs(found.date_offset_s or 99.0) < 5.0
        assert lab.shell.asked == [HOST]
        assert lab.shell.logins == 1
        assert lab.host.names == [HOST]
        assert [one.result for one in seen.tries] == ["answer"]
        assert SPOKEN not in repr(lab.probe(credentials)) + repr(seen)

    def test_everything_ends_with_it(self, labs: Labs) -> None:
        """No thread, no connection is left."""
        before = {one.name for one in threading.enumerate()}

        lab = labs()
        only(lab.measure())

        left = {one for one in threading.enumerate() if isinstance(one, paramiko.Transport)}
        assert all(one.server_mode for one in left)
        assert not {"address"} - before & {one.name for one in threading.enumerate()}

    @pytest.mark.parametrize(
        ("behaviour", "code", "words"),
        [
            (Behaviour.UNRESOLVED, 2, "Name or service not known"),
            (Behaviour.FORBIDS_NAMES, 1, "open failed"),
        ],
    )
    def test_by_address_where_the_name_fails(
        self, labs: Labs, behaviour: Behaviour, code: int, words: str
    ) -> None:
        """On the same session."""
        lab = labs(behaviour)

        seen = lab.measure()

        assert seen.by_name
        assert not seen.by_name.opened
        assert (seen.by_name.code, seen.by_name.words) == (code, words)
        assert seen.by_address
        assert seen.by_address.target == ADDRESS
        assert seen.by_address.reply
        assert lab.shell.logins == 1

    def test_no_address_known(self, labs: Labs) -> None:
        """Then the name is all there is."""
        lab = labs(Behaviour.UNRESOLVED)

        assert only(lab.measure(address="")).code == 2
        assert lab.shell.asked == [HOST, HOST]

    def test_words_that_come_late(self, labs: Labs) -> None:
        """A resolver may take longer than a channel is waited for; its words still count."""
        seen = labs(Behaviour.LATE).measure(channel_limit_s=0.3, address="127.0.0.1")

        assert seen.by_name
        assert seen.by_name.code is None
        assert seen.by_name.trouble
        assert seen.by_name.trouble.kind == "no-answer"

    @pytest.mark.parametrize(
        ("behaviour", "code", "asked"),
        [
            (Behaviour.DEAD, 2, [HOST, HOST, ADDRESS, ADDRESS]),
            (Behaviour.FORBIDS, 1, [HOST, ADDRESS]),
        ],
    )
    def test_neither(self, labs: Labs, behaviour: Behaviour, code: int, asked: list[str]) -> None:
        """What may be chance is tried once more, what is forbidden is not."""
        lab = labs(behaviour)

        seen = lab.measure()

        assert seen.by_name
        assert seen.by_address
        assert (seen.by_name.code, seen.by_address.code) == (code, code)
        assert lab.shell.asked == asked

    @pytest.mark.parametrize(
        ("host", "trouble"),
        [
            (cloud.Behaviour.RESET_AFTER_HELLO, "refused tls"),
            (cloud.Behaviour.PLAIN, "malformed tls"),
            (cloud.Behaviour.HTTP_GARBAGE, "malformed http"),
        ],
    )
    def test_what_breaks_is_tried_once_more(
        self, labs: Labs, host: cloud.Behaviour, trouble: str
    ) -> None:
        """The channel stood, so that the name resolved."""
        lab = labs(host=host)

        found = only(lab.measure())

        assert found.trouble
        assert f"{found.trouble.kind} {found.trouble.phase}" == trouble
        assert found.opened
        assert lab.shell.asked == [HOST, HOST]

    def test_http_2(self, labs: Labs) -> None:
        """It proves the way, and need not be asked again."""
        lab = labs(host=cloud.Behaviour.HTTP_2)

        found = only(lab.measure())

        assert found.http2
        assert not found.trouble
        assert lab.shell.asked == [HOST]

    def test_a_host_that_takes_long_is_not_asked_twice(self, labs: Labs) -> None:
        """Twenty seconds are enough."""
        lab = labs(host=cloud.Behaviour.HTTP_MUTE)

        found = only(lab.measure(status_limit_s=0.3))

        assert found.trouble
        assert (found.trouble.kind, found.trouble.phase) == ("no-answer", "http")
        assert found.tls
        assert lab.shell.asked == [HOST]

    def test_a_certificate_that_is_not_believed(self, labs: Labs) -> None:
        """Whose it is, is looked at by a second channel."""
        found = only(labs(host=cloud.Behaviour.WRONG_NAME).measure())

        assert found.verify_error
        assert found.verify_error.code == 62
        assert found.tls
        assert HOST not in found.tls.names

    def test_a_second_look_that_fails(self, labs: Labs, monkeypatch: pytest.MonkeyPatch) -> None:
        """Then nobody knows whose certificate it is."""

        def gone(_secure: ssl.SSLSocket) -> NoReturn:
            raise ReachError(Trouble(kind="refused", phase="tls"))

        monkeypatch.setattr(tunnel, "session_of", gone)

        found = only(labs(host=cloud.Behaviour.WRONG_NAME).measure())

        assert found.verify_error
        assert found.tls is None

    @pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2])
    def test_a_host_that_wants_a_certificate_of_the_client(
        self, labs: Labs, version: ssl.TLSVersion
    ) -> None:
        """It has proved who it is."""
        context = AUTHORITY.context(cloud.Behaviour.GOOD)
        context.maximum_version = version
        context.verify_mode = ssl.CERT_REQUIRED
        lab = labs()

        with HttpsServer(context=context) as server:
            found = only(lab.measure(port=server.port))

        assert found.certificate_asked
        assert found.tls
        assert found.tls.names == HOSTS
        assert lab.shell.asked == [HOST]


class TestSession:
    """Who is logged in where."""

    def test_another_host_key(self, labs: Labs) -> None:
        """Nobody logs in; every kind of key was looked for."""
        lab = labs()
        stranger = Shell(
            cube="line-1",
            address=lab.shell.address,
            port=lab.shell.port,
            fingerprint="SHA256:" + "A" * 43,
            credentials=BY_WORD,
        )

        seen = lab.measure(shell=stranger)

        assert seen.shell
        assert (seen.shell.phase, seen.shell.detail) == ("host-key", lab.shell.fingerprint)
        assert seen.by_name is None
        assert lab.shell.logins == 0
        assert lab.shell.sessions == len(tunnel.KEY_TYPES)

    @pytest.mark.parametrize(
        ("credentials", "behaviour"),
        [
            (Credentials(USER, paramiko.ECDSAKey.generate), Behaviour.GOOD),
            (Credentials(USER, None, "wrong"), Behaviour.GOOD),
            (BY_KEY, Behaviour.FURTHER_PROOF),
        ],
        ids=["key", "password", "further proof"],
    )
    def test_a_login_that_fails(
        self, labs: Labs, credentials: Credentials, behaviour: Behaviour
    ) -> None:
        """It is tried once, and nothing is asked."""
        lab = labs(behaviour)

        seen = lab.measure(credentials)

        assert seen.shell
        assert seen.shell.phase == "login"
        assert lab.shell.logins == 1
        assert lab.shell.asked == []

    def test_a_session_that_breaks_off(self, labs: Labs) -> None:
        """What it would have shown is not known."""
        seen = labs(Behaviour.ENDS).measure()

        assert seen.shell
        assert (seen.shell.phase, seen.shell.detail) == ("ssh", "the session broke off")
        assert seen.by_name is None

    def test_a_session_that_takes_too_long(self, labs: Labs) -> None:
        """No channel is begun after its time."""
        lab = labs()

        seen = lab.measure(session_limit_s=0.0)

        assert seen.shell
        assert seen.shell.kind == "no-answer"
        assert lab.shell.asked == []

    def test_nobody_there(self, labs: Labs) -> None:
        """A shell that is off is known by its refusal."""
        lab = labs()
        with socket.create_server((ADDRESS, 0)) as held:
            port = held.getsockname()[1]
        off = Shell(cube="line-1", address=ADDRESS, port=port, fingerprint="", credentials=BY_KEY)

        seen = lab.measure(shell=off)

        assert seen.shell
        assert (seen.shell.kind, seen.shell.phase) == ("refused", "tcp")
        assert [one.result for one in seen.tries] == ["refused"]

    def test_a_port_that_says_nothing(self, labs: Labs) -> None:
        """Paramiko's start_client returns from it without a word (paramiko 2471)."""
        lab = labs()
        with ssh.SshServer(ssh.Behaviour.MUTE) as mute:
            off = Shell(
                cube="line-1", address=ADDRESS, port=mute.port, fingerprint="", credentials=BY_KEY
            )
            seen = lab.measure(shell=off, handshake_limit_s=0.5)

        assert seen.shell
        assert (seen.shell.kind, seen.shell.phase) == ("no-answer", "ssh")

    def test_two_at_a_time(self, labs: Labs) -> None:
        """A CUBE is no server: the third session waits for its turn."""
        lab = labs(host=cloud.Behaviour.SLOW)
        through = lab.probe().shell
        probes = [lab.probe(shell=through) for _ in range(4)]
        under_way = [threading.Thread(target=probe.run) for probe in probes]

        for one in under_way:
            one.start()
        for one in under_way:
            one.join()

        assert lab.shell.logins == 4
        assert lab.shell.most <= tunnel.TURNS

    def test_what_paramiko_writes_goes_nowhere_else(
        self, labs: Labs, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Neither to the terminal nor into a report."""
        caplog.set_level(logging.DEBUG)

        labs(Behaviour.UNRESOLVED).measure()

        assert {one.name for one in caplog.records} <= {"simulated shell"}

    @pytest.mark.parametrize(
        ("written", "kept"),
        [
            ("Secsh channel 3 open FAILED: 100%: no\nway: Connect failed", {3: "100%: no way"}),
            ("Socket exception: Connection reset by peer (104)", {}),
        ],
    )
    def test_words(self, written: str, kept: dict[int, str]) -> None:
        """What a shell says may hold anything; what else is written is not its word."""
        words: dict[int, str] = {}

        tunnel._Listener(words).emit(
            logging.LogRecord("x", logging.ERROR, "", 0, written, None, None)
        )

        assert words == kept

    def test_key(self, labs: Labs) -> None:
        """By CUBE and host."""
        assert labs().probe().key == f"tunnel/line-1/{HOST}"
