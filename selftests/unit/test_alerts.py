"""What a TLS peer says besides data, and what is made of it."""

from __future__ import annotations

import socket
import ssl
from types import SimpleNamespace

import pytest

from cube_acceptance.probes.net import alerts, tls
from cube_acceptance.probes.net.deadline import Deadline
from cube_acceptance.probes.net.errors import ReachError
from fixtures.simulator.https import HttpsServer
from fixtures.simulator.tcp import TcpServer, reset

NO_WIRE = SimpleNamespace()


class Says(TcpServer):
    """Fakes a peer that answers a greeting with these bytes, and ends."""

    def __init__(self, answer: bytes, *, resets: bool = False, first: bool = False) -> None:
        """Answer this; it may end with a reset, or speak before it is spoken to."""
        super().__init__()
        self.answer, self.resets, self.first = answer, resets, first

    def serve(self, connection: socket.socket) -> None:
        """Answer."""
        if not self.first:
            connection.recv(4096)
        connection.sendall(self.answer)
        if self.resets:
            reset(connection)


def shake_hands(server: TcpServer) -> ReachError:
    """Why no handshake comes about."""
    plain = socket.create_connection((server.address, server.port))
    with plain, plain.dup() as wire, pytest.raises(ReachError) as ended:
        tls.handshake(plain, wire, tls.unverified_context(), "disco.tapio.one", Deadline(2.0))
    return ended.value


class TestHandshake:
    """What ended it, as the wire showed it."""

    @pytest.mark.parametrize(
        ("number", "name"),
        [
            *((20, "bad_record_mac"), (40, "handshake_failure"), (112, "unrecognized_name")),
            *((116, "certificate_required"), (80, "internal_error"), (200, "alert 200")),
        ],
    )
    def test_alert(self, number: int, name: str) -> None:
        """It is a refusal with a name, in whatever words OpenSSL puts it."""
        with Says(b"\x15\x03\x03\x00\x02\x02" + bytes([number])) as server:
            trouble = shake_hands(server).trouble

        assert (trouble.kind, trouble.phase) == ("refused", "tls")
        assert trouble.sign == f"TLS alert: {name}"

    @pytest.mark.parametrize(
        "answer",
        [
            b"HTTP/1.1 400 Bad Request\r\n\r\n",
            b"SSH-2.0-OpenSSH_9.2\r\n",
            b"\x00\xff" * 200,
            b"\x16\x02\x00\x00\x02\x02\x00",  # a record of a version that never was
            b"\x16\x03\x01\xff\xff" + bytes(64),  # or longer than any
            b"\x80\x2e\x01\x00\x02",  # SSL 2
        ],
    )
    @pytest.mark.parametrize("first", [False, True])
    def test_no_record(self, answer: bytes, *, first: bool) -> None:
        """What is no record of TLS is something else, whoever speaks first."""
        with Says(answer, first=first) as server:
            trouble = shake_hands(server).trouble

        assert (trouble.kind, trouble.phase) == ("malformed", "tls")

    @pytest.mark.parametrize(
        "answer",
        [
            b"\x16\x03\x03\x00\x04\x0e\x00\x00\x00",  # ServerHelloDone before anything else
            b"\x16\x03\x03\x00\x02\x63\x63",
            b"\x17\x03\x03\x00\x02\x00\x00",
            b"\x14\x03\x03\x00\x01\x07",
        ],
    )
    def test_a_record_that_makes_no_sense(self, answer: bytes) -> None:
        """It was TLS that was spoken, and broken off."""
        with Says(answer) as server:
            trouble = shake_hands(server).trouble

        assert (trouble.kind, trouble.phase) == ("refused", "tls")
        assert trouble.sign.startswith(("TLS: ", "TCP "))

    @pytest.mark.skipif(not hasattr(socket, "TCP_INFO"), reason="Linux tells how it ended")
    @pytest.mark.parametrize(
        ("resets", "answer", "sign"),
        [
            (False, b"", "TCP FIN"),
            (True, b"", "TCP RST"),
            (False, b"\x16\x03", "TCP FIN"),
            (True, b"\x16\x03\x03\x00\x50\x02", "TCP RST"),
        ],
    )
    def test_end(self, answer: bytes, sign: str, *, resets: bool) -> None:
        """A farewell is no reset: another device sends it."""
        with Says(answer, resets=resets) as server:
            trouble = shake_hands(server).trouble

        assert (trouble.kind, trouble.phase, trouble.sign) == ("refused", "tls", sign)

    def test_an_answer_that_is_there_already(self) -> None:
        """A busy computer finds the whole of it at its first look; nothing more will come."""

        class Eager(alerts.Overheard):
            def do_handshake(self, block: bool = False) -> None:  # noqa: FBT001, FBT002 - as in ssl
                self.settimeout(2.0)
                super().do_handshake(block)

        context = tls.unverified_context()
        context.maximum_version = ssl.TLSVersion.TLSv1_2  # nothing follows its handshake
        context.sslsocket_class = Eager
        with HttpsServer() as server:
            plain = socket.create_connection((server.address, server.port))
            with (
                plain.dup() as wire,
                tls.handshake(plain, wire, context, None, Deadline(2.0)) as secure,
            ):
                assert secure.version() == "TLSv1.2"

    def test_silence(self) -> None:
        """Nothing was said, so nothing is quoted."""

        class Mute(TcpServer):
            def serve(self, _connection: socket.socket) -> None:
                self.hold()

        with Mute() as server:
            plain = socket.create_connection((server.address, server.port))
            with plain, plain.dup() as wire, pytest.raises(ReachError) as ended:
                tls.handshake(plain, wire, tls.unverified_context(), None, Deadline(0.2))

        assert (ended.value.trouble.kind, ended.value.trouble.sign) == ("no-answer", "")


class TestHeard:
    """One message at a time."""

    def test_certificate_request(self) -> None:
        """Of the peer; what we say ourselves is no request."""
        heard = alerts.Heard()
        heard.note("write", alerts.HANDSHAKE, b"\x0d\x00\x00\x00")
        assert not heard.certificate_asked

        heard.note("read", alerts.HANDSHAKE, b"\x0d\x00\x00\x00")
        assert heard.certificate_asked

    def test_our_side_goes_on(self) -> None:
        """With its keys in TLS 1.2, once it has nothing against the peer's certificate."""
        heard = alerts.Heard()
        heard.note("read", alerts.HANDSHAKE, b"\x10\x00\x00\x00")
        assert not heard.believed

        heard.note("write", alerts.HANDSHAKE, b"\x10\x00\x00\x00")
        heard.note("write", alerts.HANDSHAKE, b"\x14\x00\x00\x00")
        assert heard.believed

    @pytest.mark.parametrize(
        ("message", "certificate"),
        [
            (b"\x0b\x00\x00\x09\x00\x00\x06\x00\x00\x03abc", b"abc"),
            (b"\x0b\x00\x00\x0b\x00\x00\x06\x00\x00\x03abc\x00\x00", b"abc"),
            (b"\x0b\x00", b""),
        ],
    )
    def test_certificate(self, message: bytes, certificate: bytes) -> None:
        """The first of the chain is the peer's own (RFC 5246 section 7.4.2)."""
        heard = alerts.Heard()
        heard.note("read", alerts.HANDSHAKE, message)

        assert heard.certificate == certificate

    @pytest.mark.parametrize("data", [b"\x01\x70", b"\x02", b"", b"\x01\x00"])
    def test_no_end(self, data: bytes) -> None:
        """A warning ends nothing, and half an alert is none."""
        heard = alerts.Heard()
        heard.note("read", alerts.ALERT, data)
        heard.note("read", alerts.HANDSHAKE, b"")
        heard.note("write", alerts.ALERT, b"\x02\x28")

        assert heard.alert == ""

    def test_nobody_listens(self) -> None:
        """A socket of another kind says nothing besides data, and is not asked to."""
        assert alerts.heard_by(object()).alert == ""
        alerts._note(SimpleNamespace(), "read", 0x303, alerts.ALERT, 40, b"\x02\x28")


class TestEnded:
    """Without an alert, OpenSSL's own word."""

    def test_words(self) -> None:
        """As it has them, whole."""
        error = ssl.SSLError(1, "[SSL: UNSUPPORTED_PROTOCOL] unsupported protocol (_ssl.c:1006)")
        trouble = alerts.ended(error, alerts.Heard(), "tls", NO_WIRE)  # type: ignore[arg-type]

        assert trouble.sign == "TLS: [SSL: UNSUPPORTED_PROTOCOL] unsupported protocol"

    def test_end_that_nobody_knows(self) -> None:
        """Only Linux keeps how a connection ended."""
        error = ssl.SSLEOFError(8, "EOF occurred in violation of protocol (_ssl.c:1006)")

        assert alerts.ended(error, alerts.Heard(), "tls", NO_WIRE).sign == "TCP FIN/RST"  # type: ignore[arg-type]
