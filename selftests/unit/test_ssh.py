"""The SSH probe against a maintenance shell, and what else listens on its port."""

from __future__ import annotations

import errno
import re
import socket
import struct
import threading
from typing import TYPE_CHECKING

import paramiko
import pytest

from cube_acceptance.evidence import CannotMeasure, SshObserved
from cube_acceptance.probes import ssh
from cube_acceptance.probes.net.deadline import Deadline
from cube_acceptance.probes.net.errors import ReachError
from cube_acceptance.probes.net.together import alone
from cube_acceptance.probes.net.vantage import find_vantage
from cube_acceptance.probes.ssh import SshProbe
from fixtures.simulator.ssh import Behaviour, SshServer
from selftests.support.held import beside

if TYPE_CHECKING:
    from collections.abc import Callable

    from cube_acceptance.probes.net.together import Steps

VANTAGE = find_vantage("127.0.0.1")


@pytest.fixture(autouse=True, params=["alone", "beside"])
def held(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hold the probe by itself, and as it is held beside those of other CUBEs: to the same end."""
    if request.param == "beside":
        monkeypatch.setattr(SshProbe, "run", beside)


RSA = paramiko.RSAKey.generate(2048)

SHELLS = (Behaviour.GOOD, Behaviour.LATE_BANNER, Behaviour.SLOW)

TROUBLES = {
    Behaviour.NOT_SSH: ("malformed", ""),
    Behaviour.ECHO: ("malformed", ""),
    Behaviour.MUTE: ("no-answer", ""),
    Behaviour.CLOSES: ("refused", ""),
    Behaviour.BUSY: ("refused", ""),
    Behaviour.BANNER_THEN_CLOSES: ("refused", "SSH-2.0-OpenSSH_9.2p1"),
    Behaviour.BANNER_THEN_MUTE: ("no-answer", "SSH-2.0-OpenSSH_9.2p1"),
    Behaviour.OLD_PROTOCOL: ("malformed", "SSH-1.5-OpenSSH_2.0"),
    Behaviour.ENDLESS_BANNER: ("malformed", ""),
    Behaviour.ENDLESS_LINE: ("malformed", ""),
    Behaviour.DRIP: ("no-answer", ""),
    Behaviour.BAD_KEY_EXCHANGE: ("malformed", "SSH-2.0-OpenSSH_9.2p1"),
    Behaviour.HUGE_PACKET: ("malformed", "SSH-2.0-OpenSSH_9.2p1"),
    Behaviour.CUT_KEY_EXCHANGE: ("malformed", "SSH-2.0-OpenSSH_9.2p1"),
}


def talk(server: SshServer, **changes: object) -> SshObserved:
    """What the probe sees of a server."""
    values = {"talk_limit_s": 1.0, "key_limit_s": 4.0, "second_try_s": 0.0} | changes
    observed = SshProbe(vantage=VANTAGE, address=server.address, port=server.port, **values).run()
    assert isinstance(observed, SshObserved)
    return observed


class TestSshProbe:
    """Identification, key exchange message, host key, no login."""

    def test_every_behaviour_is_met(self) -> None:
        """No behaviour of the simulator is left untried."""
        assert {*TROUBLES, *SHELLS} == set(Behaviour)

    @pytest.mark.parametrize("behaviour", SHELLS)
    def test_shell(self, behaviour: Behaviour) -> None:
        """Software version and host key are evidence."""
        with SshServer(behaviour) as server:
            observed = talk(server, talk_limit_s=5.0)

        assert observed.trouble is None
        assert observed.banner.startswith("SSH-2.0-paramiko")
        assert observed.key_exchange
        assert observed.fingerprint == server.fingerprint
        assert observed.fingerprints == ((observed.key_type, server.fingerprint),)

    @pytest.mark.parametrize(("behaviour", "expected"), TROUBLES.items())
    def test_trouble(self, behaviour: Behaviour, expected: tuple[str, str]) -> None:
        """A banner is kept even where nothing follows: it shows that the port is open."""
        speaks_second = behaviour is Behaviour.ECHO
        with SshServer(behaviour) as server:
            observed = talk(server, talk_limit_s=ssh.FIRST_WORD_S + 2.0 if speaks_second else 1.0)

        assert (observed.trouble.kind, observed.banner) == expected
        assert observed.trouble.phase == "ssh"
        assert not observed.key_exchange
        assert len(observed.tries) == (2 if observed.trouble.kind == "refused" else 1)

    @pytest.mark.parametrize("first", [Behaviour.CLOSES, Behaviour.BUSY])
    def test_no_room_at_first(self, first: Behaviour) -> None:
        """One refusal that says *later* is no closed shell."""

        class OpensLater(SshServer):
            def serve(self, connection: socket.socket) -> None:
                super().serve(connection)
                self.behaviour = Behaviour.GOOD

        with OpensLater(first) as server:
            observed = talk(server, talk_limit_s=5.0)

        assert observed.trouble is None
        assert observed.turned_away == ""
        assert [one.result for one in observed.tries[:2]] == ["refused", "answer"]

    def test_what_was_said_once_stays_said(self) -> None:
        """A shell that first says that it is full and then nothing at all is a shell that is on."""

        class FallsSilent(SshServer):
            def serve(self, connection: socket.socket) -> None:
                super().serve(connection)
                self.behaviour = Behaviour.CLOSES

        with FallsSilent(Behaviour.BUSY) as server:
            observed = talk(server)

        assert observed.turned_away == "Not allowed at this time"
        assert observed.trouble.sign == "Not allowed at this time"

    def test_closed(self) -> None:
        """As delivered."""
        with SshServer(Behaviour.MUTE) as server:
            pass
        observed = talk(server)

        assert (observed.trouble.kind, observed.trouble.phase) == ("refused", "tcp")

    def test_not_asked(self) -> None:
        """Without an address there is nothing to ask from."""
        nowhere = type(VANTAGE)(interface="lo", address="", prefix=8)

        assert isinstance(SshProbe(vantage=nowhere, address="127.0.0.1").run(), CannotMeasure)

    def test_key(self) -> None:
        """It is where the evidence is found."""
        assert SshProbe(vantage=VANTAGE, address="10.0.0.1").key == "ssh/10.0.0.1"

    def test_no_thread_is_left(self) -> None:
        """Paramiko's threads end with the probe."""
        with SshServer() as server:
            talk(server)
        left = [thread.name for thread in threading.enumerate() if "paramiko" in thread.name]

        assert left == []

    def test_a_key_that_cannot_be_had(self) -> None:
        """A peer whose key exchange paramiko does not finish has SSH all the same."""

        class Stops(SshServer):
            talks = 0

            def serve(self, connection: object) -> None:
                self.talks += 1
                if self.talks == 1:
                    super().serve(connection)

        with Stops() as server:
            observed = talk(server, key_limit_s=0.5)

        assert observed.key_exchange
        assert observed.trouble is None
        assert observed.fingerprint == ""

    def test_a_port_that_closes_in_between(self) -> None:
        """The second connection may be refused."""
        with SshServer() as server:
            probe = SshProbe(vantage=VANTAGE, address=server.address, port=server.port)

        assert probe._host_key("ssh-ed25519", 1.0) == []


class TestHostKeys:
    """Every kind that is offered, within bounds."""

    def test_connections_are_on_record(self) -> None:
        """How often a port was asked is evidence."""
        with SshServer() as server:
            observed = talk(server)

        assert [(one.result, one.detail) for one in observed.tries] == [
            ("answer", ""),
            ("host-key", "ecdsa-sha2-nistp256"),
        ]

    def test_rsa(self) -> None:
        """Two algorithms show one and the same key; it is read once."""
        with SshServer(key=RSA) as server:
            observed = talk(server)

        assert observed.fingerprints == (("ssh-rsa", server.fingerprint),)
        assert len(observed.tries) == 2

    def test_a_server_that_waits_for_us(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Either side may speak first (RFC 4253 section 4.2)."""

        class Waits(SshServer):
            def serve(self, connection: socket.socket) -> None:
                connection.recv(1, socket.MSG_PEEK)
                super().serve(connection)

        monkeypatch.setattr(ssh, "FIRST_WORD_S", 0.05)
        with Waits() as server:
            observed = talk(server)

        assert observed.key_exchange
        assert observed.fingerprint == server.fingerprint

    def test_not_wanted(self) -> None:
        """Where nobody compares them, one connection is enough."""
        with SshServer() as server:
            observed = talk(server, fingerprints_wanted=False)

        assert observed.key_exchange
        assert observed.fingerprints == ()
        assert len(observed.tries) == 1

    def test_time_is_shared(self) -> None:
        """Keys that nobody shows do not take their time one after the other."""
        with SshServer() as server:
            observed = talk(server, keys_limit_s=0.0)

        assert observed.key_exchange
        assert len(observed.tries) == 1
        assert observed.unread == ("ecdsa-sha2-nistp256",)

    def test_all_are_read(self) -> None:
        """Then a key that is not among them is not the shell's."""
        with SshServer() as server:
            assert talk(server).unread == ()
            assert talk(server, fingerprints_wanted=False).unread == ()

    @pytest.mark.parametrize(
        ("offered", "read", "left"),
        [
            (("rsa-sha2-512", "rsa-sha2-256", "ssh-rsa"), ("ssh-rsa",), ()),
            (("rsa-sha2-512", "rsa-sha2-256"), (), ("ssh-rsa",)),
            (("ssh-ed25519-cert-v01@openssh.com", "ssh-ed25519"), ("ssh-ed25519",), ()),
            (("ssh-ed25519", "ssh-dss", "odd\x1b"), ("ssh-ed25519",), ("ssh-dss", "odd\ufffd")),
            (tuple(f"kind-{n}" for n in range(99)), (), tuple(f"kind-{n}" for n in range(16))),
        ],
    )
    def test_unread(
        self, offered: tuple[str, ...], read: tuple[str, ...], left: tuple[str, ...]
    ) -> None:
        """Kinds of keys, not algorithms; whatever the shell calls them."""
        keys = tuple((kind, "SHA256:") for kind in read)

        assert ssh.unread(offered, keys) == left

    def test_a_packet_without_end_is_not_swallowed(self) -> None:
        """A hostile shell cannot fill our memory: paramiko believes any length."""
        here, there = socket.socketpair()
        with there, ssh.Rationed(fileno=here.detach()) as rationed:
            rationed.ration = 5
            there.sendall(b"0123456789")

            assert [rationed.recv(3), rationed.recv(99), rationed.recv(99)] == [b"012", b"34", b""]


class BrokenSocket:
    """Fakes a socket of a connection that was reset."""

    def settimeout(self, limit_s: float) -> None:
        """Take any time limit."""

    def gettimeout(self) -> float:
        """Have one."""
        return 1.0

    def recv(self, _size: int) -> bytes:
        """Find the connection reset."""
        raise ConnectionResetError(errno.ECONNRESET, "reset")

    def sendall(self, _data: bytes) -> None:
        """Find the connection reset."""
        raise ConnectionResetError(errno.ECONNRESET, "reset")


class TestReset:
    """A connection that is reset in the middle is a refusal."""

    @pytest.mark.parametrize(
        "step", [lambda talk: talk.identification(), lambda talk: talk.key_exchange("SSH-2.0-x")]
    )
    def test_at_any_step(self, step: Callable[[ssh._Talk], Steps[object]]) -> None:
        """While it is listened to and while it is spoken to."""
        with pytest.raises(ReachError) as ended:
            alone(step(ssh._Talk(BrokenSocket(), Deadline(1.0))))

        assert ended.value.trouble.kind == "refused"


def packet(number: int, content: bytes) -> bytes:
    """An SSH packet, not yet encrypted, with the smallest padding."""
    return struct.pack(">IBB", len(content) + 6, 4, number) + content + bytes(4)


LISTS = bytes(16) + b"\x00\x00\x00\x01a" + b"\x00\x00\x00\x01b"
"""A key exchange message's cookie and first two lists."""


class PieceByPiece(BrokenSocket):
    """Fakes a connection that brings its bytes in pieces."""

    def __init__(self, *pieces: bytes) -> None:
        """Bring these."""
        self._pieces = list(pieces)

    def recv(self, _size: int) -> bytes:
        """Bring the next piece."""
        return self._pieces.pop(0)

    def sendall(self, _data: bytes) -> None:
        """Take anything."""


class TestPieces:
    """TCP keeps the order of bytes and nothing else."""

    def test_key_exchange_in_pieces(self) -> None:
        """However the message is cut, it is one message."""
        body = bytes(16) + b"\x00\x00\x00\x01a" + b"\x00\x00\x00\x01b"
        message = struct.pack(">IBB", len(body) + 2, 0, 20) + body
        talk = ssh._Talk(PieceByPiece(message[:3], message[3:9], message[9:]), Deadline(1.0))

        assert alone(talk.key_exchange("SSH-2.0-x")) == ("b",)

    def test_messages_without_meaning_are_passed_over(self) -> None:
        """IGNORE and DEBUG may come at any time (RFC 4253 section 11)."""
        pieces = packet(ssh.IGNORE, b""), packet(ssh.DEBUG, b""), packet(ssh.KEXINIT, LISTS)
        talk = ssh._Talk(PieceByPiece(*pieces), Deadline(1.0))

        assert alone(talk.key_exchange("SSH-2.0-x")) == ("b",)

    @pytest.mark.parametrize(
        ("packets", "kind", "words"),
        [
            ([(1, b"\x00\x00\x00\x0b\x00\x00\x00\x08too many")], "refused", "too many"),
            ([(2, b"")] * 9, "malformed", "no key exchange"),
            ([(5, b"")], "malformed", "no key exchange"),
        ],
    )
    def test_other_messages(self, packets: list[tuple[int, bytes]], kind: str, words: str) -> None:
        """A farewell is a refusal; anything else is not how SSH begins."""
        pieces = [packet(number, content) for number, content in packets]
        with pytest.raises(ReachError) as ended:
            alone(ssh._Talk(PieceByPiece(*pieces), Deadline(1.0)).key_exchange("SSH-2.0-x"))

        assert ended.value.trouble.kind == kind
        assert words in ended.value.trouble.detail

    @pytest.mark.parametrize(
        ("said", "words"),
        [
            (b"Exceeded MaxStartups\r\n", "Exceeded MaxStartups"),
            (b"Not allowed at this time\r\n", "Not allowed at this time"),
            (
                "Zugriff gesperrt für\r\ndiese Adresse".encode(),
                "Zugriff gesperrt für diese Adresse",
            ),
            ("Bitte später\r\n".encode("latin-1"), "Bitte später"),
        ],
    )
    def test_no_room(self, said: bytes, words: str) -> None:
        """A shell turns away in plain words whom it has no room for; it is there all the same."""
        talk = ssh._Talk(PieceByPiece(said, b""), Deadline(1.0))
        with pytest.raises(ReachError) as ended:
            alone(talk.identification())

        assert ended.value.trouble.kind == "refused"
        assert ended.value.trouble.sign == words
        assert talk.turned_away == words

    @pytest.mark.parametrize(
        ("said", "kind"),
        [
            (b"\xff\xfd\x18\r\nlogin: ", "malformed"),
            (b"S-", "malformed"),
            (b"SS", "no-answer"),
            (b"SSH-2.0-half of it", "no-answer"),
            (b"Welcome\r\n", "no-answer"),
        ],
    )
    def test_silence_in_the_middle(self, said: bytes, kind: str) -> None:
        """Who asks for a name and waits is no shell of this kind, however long it would wait."""

        class FallsSilent(PieceByPiece):
            def recv(self, size: int) -> bytes:
                if not self._pieces:
                    raise TimeoutError
                return super().recv(size)

        with pytest.raises(ReachError) as ended:
            alone(ssh._Talk(FallsSilent(said), Deadline(1.0)).identification())

        assert ended.value.trouble.kind == kind

    @pytest.mark.parametrize(
        "said",
        [
            b"HTTP/1.0 400 Bad Request\r\n\r\n",
            b"<html>",
            b"220 mail.example.com ESMTP\r\n",
            b"554-no\r\n",
            b"\xff\xfe\x00",
            b"bell \x07\n",
        ],
    )
    def test_others_that_speak_first(self, said: bytes) -> None:
        """Neither a web server nor a mail server nor nonsense is a shell that is on."""
        talk = ssh._Talk(PieceByPiece(said, b""), Deadline(1.0))
        with pytest.raises(ReachError) as ended:
            alone(talk.identification())

        assert ended.value.trouble.kind == "malformed"
        assert talk.turned_away == ""

    def test_an_answer_to_our_own_words(self) -> None:
        """Who speaks only when spoken to does not turn anybody away."""
        talk = ssh._Talk(PieceByPiece(b"unknown command\r\n", b""), Deadline(1.0))
        talk._introduce()
        with pytest.raises(ReachError) as ended:
            alone(talk.identification())

        assert ended.value.trouble.kind == "malformed"

    def test_time_is_up_however_much_comes(self) -> None:
        """A peer that always has one more byte does not hold us."""
        with pytest.raises(ReachError) as ended:
            alone(ssh._Talk(PieceByPiece(b"x"), Deadline(0.0)).identification())

        assert ended.value.trouble.kind == "no-answer"


class TestOwnBanner:
    """We are as correct as we want others to be."""

    def test_grammar(self) -> None:
        """No minus sign and no blank in the software's version (RFC 4253 section 4.2)."""
        assert re.fullmatch(rb"SSH-2\.0-[!-,.-~]+\r\n", ssh.OWN_BANNER)


class TestHostKeyAlgorithms:
    """The second name list of the key exchange message (RFC 4253 section 7.1)."""

    def test_reads_the_second_list(self) -> None:
        """The first is that of key exchange methods."""
        lists = b"\x00\x00\x00\x01a" + b"\x00\x00\x00\x03b,c"

        assert ssh._host_key_algorithms(lists) == ("b", "c")

    @pytest.mark.parametrize(
        "lists",
        [
            *(b"", b"\x00", b"\x00\x00\x00\x01a", b"\xff\xff\xff\xff"),
            b"\x00\x00\x00\x01a\x00\x00\x00\x09rsa",
        ],
    )
    def test_cut_short(self, lists: bytes) -> None:
        """A message that ends early is no key exchange."""
        with pytest.raises(ReachError):
            ssh._host_key_algorithms(lists)
