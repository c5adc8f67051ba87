"""The TLS probe against a cloud host, and what firewalls and portals make of it."""

from __future__ import annotations

import dataclasses
import os
import ssl
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from cube_acceptance import evidence
from cube_acceptance.evidence import CannotMeasure, HttpReply, HttpsObserved, Trouble, Try
from cube_acceptance.probes import https
from cube_acceptance.probes.https import HttpsProbe
from cube_acceptance.probes.net import tls
from cube_acceptance.probes.net.deadline import Patience
from cube_acceptance.probes.net.errors import CannotAskError, ReachError
from cube_acceptance.probes.net.measuring import Stopwatch
from cube_acceptance.probes.net.sockets import open_tcp
from cube_acceptance.probes.net.vantage import find_vantage
from fixtures.simulator.https import HOSTS, Authority, Behaviour, HttpsServer

if TYPE_CHECKING:
    import socket
    from pathlib import Path

    from cube_acceptance.evidence import Vantage

VANTAGE = find_vantage("127.0.0.1")
AUTHORITY = Authority()
HOST = HOSTS[0]

ANSWERS = {
    Behaviour.GOOD: 404,
    Behaviour.NEAR_EXPIRY: 404,
    Behaviour.PROXY: 407,
    Behaviour.NETWORK_LOGIN: 511,
    Behaviour.PORTAL: 302,
    Behaviour.REDIRECT: 302,
    Behaviour.WRONG_DATE: 404,
    Behaviour.NO_DATE: 404,
    Behaviour.CACHED: 404,
    Behaviour.SLOW: 404,
    Behaviour.STATUS_ONLY: 404,
}

OBJECTIONS = {
    Behaviour.EXPIRED: {10},
    Behaviour.NOT_YET_VALID: {9},
    Behaviour.WRONG_NAME: {62},
    Behaviour.UNTRUSTED: {19, 20},
    Behaviour.SELF_SIGNED: {18, 19, 20},
    Behaviour.NO_INTERMEDIATE: {20},
}

TROUBLES = {
    Behaviour.PLAIN: ("malformed", "tls"),
    Behaviour.GARBAGE: ("malformed", "tls"),
    Behaviour.MUTE: ("no-answer", "tls"),
    Behaviour.MUTE_AFTER_HELLO: ("no-answer", "tls"),
    Behaviour.RESET_AFTER_HELLO: ("refused", "tls"),
    Behaviour.CLOSE_AFTER_HELLO: ("refused", "tls"),
    Behaviour.OLD_TLS: ("refused", "tls"),
    Behaviour.NAME_REFUSED: ("refused", "tls"),
    Behaviour.HTTP_GARBAGE: ("malformed", "http"),
    Behaviour.HTTP_MUTE: ("no-answer", "http"),
    Behaviour.HTTP_RESET: ("refused", "http"),
}


def probe(port: int, *addresses: str, ca_pem: str = AUTHORITY.pem) -> HttpsProbe:
    """The probe that a session makes, with less patience."""
    return HttpsProbe(
        vantage=VANTAGE,
        host=HOST,
        addresses=addresses or ("127.0.0.1",),
        port=port,
        ca_pem=ca_pem,
        connect_limit_s=1.0,
        tls_limit_s=0.4,
        stagger_s=0.05,
        limit_s=1.5,
    )


def fetch(behaviour: Behaviour, **changes: object) -> HttpsObserved:
    """What the probe sees of a behaviour."""
    with HttpsServer(behaviour, authority=AUTHORITY) as server:
        asked = probe(server.port)
        if behaviour is Behaviour.SLOW:
            changes["limit_s"] = 5.0
        observed = type(asked)(
            **{name: getattr(asked, name) for name in asked.__slots__} | changes
        ).run()
    assert isinstance(observed, HttpsObserved)
    return observed


class TestHttpsProbe:
    """TCP, TLS with the name, one GET."""

    def test_every_behaviour_is_met(self) -> None:
        """No behaviour of the simulator is left untried."""
        assert {*ANSWERS, *OBJECTIONS, *TROUBLES} == set(Behaviour)

    @pytest.mark.parametrize(("behaviour", "status"), ANSWERS.items())
    def test_answer(self, behaviour: Behaviour, status: int) -> None:
        """A verified handshake and a status line."""
        observed = fetch(behaviour)

        assert observed.trouble is None
        assert observed.verify_error is None
        assert observed.reply is not None
        assert observed.reply.status == status
        assert observed.connected == "127.0.0.1"
        assert observed.tls is not None
        assert observed.tls.version.startswith("TLSv1.")
        assert observed.tls.names == HOSTS

    @pytest.mark.parametrize(("behaviour", "codes"), OBJECTIONS.items())
    def test_objection(self, behaviour: Behaviour, codes: set[int]) -> None:
        """The certificate is not believed, and still shown."""
        observed = fetch(behaviour)

        assert observed.verify_error is not None
        assert observed.verify_error.code in codes
        assert observed.reply is None
        assert observed.date_offset_s is None
        assert observed.tls is not None
        assert observed.tls.issuer
        assert observed.tries[-1].result == "untrusted"

    @pytest.mark.parametrize(("behaviour", "trouble"), TROUBLES.items())
    def test_trouble(self, behaviour: Behaviour, trouble: tuple[str, str]) -> None:
        """TCP worked, what follows did not."""
        observed = fetch(behaviour)

        assert observed.trouble is not None
        assert (observed.trouble.kind, observed.trouble.phase) == trouble
        assert observed.connected == "127.0.0.1"

    def test_name_is_sent(self) -> None:
        """Server Name Indication names the host (RFC 6066 section 3)."""
        with HttpsServer(authority=AUTHORITY) as server:
            probe(server.port).run()

        assert server.names == [HOST]

    def test_key(self) -> None:
        """It is where the evidence is found."""
        assert probe(443).key == f"https/{HOST}"

    def test_not_asked(self) -> None:
        """Without an address of our own there is nothing to ask from."""
        nowhere = type(VANTAGE)(interface="lo", address="", prefix=8)
        asked = HttpsProbe(vantage=nowhere, host=HOST, addresses=("127.0.0.1",))

        assert isinstance(asked.run(), CannotMeasure)


class TestAddresses:
    """Up to three, a little after one another."""

    def test_first_is_dead(self) -> None:
        """The next one will do."""
        with HttpsServer(authority=AUTHORITY) as server:
            observed = probe(server.port, "127.0.0.9", "127.0.0.1").run()

        assert isinstance(observed, HttpsObserved)
        assert observed.trouble is None
        assert [one.result for one in observed.tries] == ["refused", "answer"]

    def test_all_are_dead(self) -> None:
        """Three are tried, no more."""
        with HttpsServer(authority=AUTHORITY) as server:
            addresses = tuple(f"127.0.0.{number}" for number in range(2, 8))
            observed = probe(server.port, *addresses).run()

        assert isinstance(observed, HttpsObserved)
        assert observed.trouble is not None
        assert (observed.trouble.kind, observed.trouble.phase) == ("refused", "tcp")
        assert observed.addresses == addresses[:3]
        assert len(observed.tries) == 3

    @pytest.mark.parametrize("order", [("127.0.0.1", "127.0.0.9"), ("127.0.0.9", "127.0.0.1")])
    def test_the_one_that_came_furthest_tells(self, order: tuple[str, str]) -> None:
        """TLS that dies says more than a refusal at another address."""
        with HttpsServer(Behaviour.CLOSE_AFTER_HELLO, authority=AUTHORITY) as server:
            observed = probe(server.port, *order).run()

        assert isinstance(observed, HttpsObserved)
        assert observed.trouble is not None
        assert observed.trouble.phase == "tls"
        assert observed.connected == "127.0.0.1"

    def test_none(self) -> None:
        """No address, no answer."""
        asked = HttpsProbe(vantage=VANTAGE, host=HOST, addresses=())
        observed = asked.run()

        assert isinstance(observed, HttpsObserved)
        assert observed.trouble is not None


class TestConnections:
    """None of them waits for a dead one, and none is left open."""

    def test_a_silent_address_holds_nobody_up(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A dark first address is tried to its end beside the next one, and both are on record."""
        answered = threading.Event()

        def connect(
            vantage: Vantage, address: str, port: int, limit_s: float, _then: str
        ) -> socket.socket:
            if address == "127.0.0.9":
                assert answered.wait(5.0)
                raise ReachError(Trouble(kind="no-answer", phase="tcp", detail="dark"))
            answered.set()
            return open_tcp(vantage, address, port, limit_s)

        monkeypatch.setattr(https, "open_tcp", connect)
        with HttpsServer(authority=AUTHORITY) as server:
            observed = probe(server.port, "127.0.0.9", "127.0.0.1").run()

        assert isinstance(observed, HttpsObserved)
        assert observed.trouble is None
        assert [one.result for one in observed.tries] == ["silence", "answer"]

    def test_all_are_waited_for(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Two that end one after the other, long after both were begun, are both on record."""
        begun = threading.Barrier(2)
        first = threading.Event()

        def connect(_vantage: Vantage, address: str, *_: object) -> socket.socket:
            begun.wait(5.0)
            if address == "127.0.0.9":
                first.set()
            else:
                assert first.wait(5.0)
                time.sleep(0.1)
            raise ReachError(Trouble(kind="no-answer", phase="tcp", detail="dark"))

        monkeypatch.setattr(https, "open_tcp", connect)
        observed = probe(443, "127.0.0.9", "127.0.0.1").run()

        assert isinstance(observed, HttpsObserved)
        assert [one.result for one in observed.tries] == ["silence", "silence"]

    @pytest.mark.parametrize("late", ["connected", "silence"])
    def test_one_too_many(self, monkeypatch: pytest.MonkeyPatch, late: str) -> None:
        """What comes about after another has done is closed; in any case it is on record."""
        done = threading.Event()

        def connect(
            vantage: Vantage, address: str, port: int, limit_s: float, _then: str
        ) -> socket.socket:
            if address == "127.0.0.9":
                assert done.wait(5.0)
                if late == "silence":
                    raise ReachError(Trouble(kind="no-answer", phase="tcp", detail="dark"))
            return open_tcp(vantage, "127.0.0.1", port, limit_s)

        class Tells(HttpsServer):
            def serve(self, connection: socket.socket) -> None:
                super().serve(connection)
                done.set()

        monkeypatch.setattr(https, "open_tcp", connect)
        with Tells(authority=AUTHORITY) as server:
            observed = probe(server.port, "127.0.0.9", "127.0.0.1").run()

        assert isinstance(observed, HttpsObserved)
        assert [one.result for one in observed.tries] == [late, "answer"]

    def test_dies_in_tls_and_the_next_is_good(self) -> None:
        """A broken front end among good ones is no closed firewall."""
        with (
            HttpsServer(Behaviour.RESET_AFTER_HELLO, authority=AUTHORITY) as bad,
            HttpsServer(address="127.0.0.9", port=bad.port, authority=AUTHORITY),
        ):
            observed = probe(bad.port, "127.0.0.1", "127.0.0.9").run()

        assert isinstance(observed, HttpsObserved)
        assert observed.connected == "127.0.0.9"
        assert [one.result for one in observed.tries] == ["refused", "answer"]

    @pytest.mark.parametrize("last", [Behaviour.GOOD, Behaviour.HTTP_GARBAGE, Behaviour.GARBAGE])
    def test_dies_in_http_and_the_next_is_tried(self, last: Behaviour) -> None:
        """The front end that got no further than TLS tells, unless another one answers."""
        with (
            HttpsServer(Behaviour.HTTP_RESET, authority=AUTHORITY) as bad,
            HttpsServer(last, address="127.0.0.9", port=bad.port, authority=AUTHORITY),
        ):
            observed = probe(bad.port, "127.0.0.1", "127.0.0.9").run()

        assert isinstance(observed, HttpsObserved)
        assert len(observed.tries) == 2
        if last is Behaviour.GOOD:
            assert (observed.connected, observed.trouble) == ("127.0.0.9", None)
        else:
            assert observed.connected == "127.0.0.1"
            assert observed.trouble is not None
            assert (observed.trouble.kind, observed.trouble.phase) == ("refused", "http")

    @pytest.mark.parametrize("good", ["127.0.0.8", "127.0.0.9"])
    def test_silent_ones_leave_time_for_a_good_one(self, good: str) -> None:
        """Two broken front ends among three are no closed firewall either."""
        with HttpsServer(Behaviour.MUTE, authority=AUTHORITY) as mute:
            order = ["127.0.0.1", "127.0.0.1", "127.0.0.1"]
            order[["127.0.0.7", "127.0.0.8", "127.0.0.9"].index(good)] = good
            with HttpsServer(address=good, port=mute.port, authority=AUTHORITY):
                patient = dataclasses.replace(
                    probe(mute.port, *order), tls_limit_s=9.0, limit_s=6.0
                )
                observed = patient.run()

        assert isinstance(observed, HttpsObserved)
        assert observed.trouble is None
        assert observed.connected == good

    def test_everything_has_one_deadline(self) -> None:
        """Time that one address takes is not given to the next one a second time."""
        with HttpsServer(Behaviour.MUTE, authority=AUTHORITY) as server:
            impatient = dataclasses.replace(
                probe(server.port, *["127.0.0.1"] * 3), tls_limit_s=9.0, limit_s=0.2
            )
            observed = impatient.run()

        assert isinstance(observed, HttpsObserved)
        assert observed.trouble is not None
        assert (observed.trouble.kind, observed.trouble.phase) == ("no-answer", "tls")

    def test_a_handshake_has_no_more_than_what_is_left(self) -> None:
        """Its own limit is not added to everybody's."""
        one, three = probe(443), probe(443, "127.0.0.1", "127.0.0.2", "127.0.0.3")

        def limit(asked: HttpsProbe, left_s: float, failed: int = 0) -> float:
            course = https._Course(Stopwatch(), Patience(left_s))
            course.tries += [Try(at_s=0.0, to="", result="silence")] * failed
            return asked._handshake_limit(course).left()

        assert one.tls_limit_s - 0.1 < limit(one, 9.0) <= one.tls_limit_s
        assert limit(one, 0.1) <= 0.1
        assert limit(three, 0.3) <= 0.2
        assert 0.2 < limit(three, 0.3, failed=2) <= 0.3

    def test_a_doubtful_certificate_ends_the_search(self) -> None:
        """Where some connections meet a stranger, it is not for luck to decide."""
        with (
            HttpsServer(Behaviour.UNTRUSTED, authority=AUTHORITY) as bad,
            HttpsServer(address="127.0.0.9", port=bad.port, authority=AUTHORITY),
        ):
            observed = probe(bad.port, "127.0.0.1", "127.0.0.9").run()

        assert isinstance(observed, HttpsObserved)
        assert observed.verify_error is not None
        assert observed.connected == "127.0.0.1"

    @pytest.mark.parametrize(("other", "kind"), [("good", HttpsObserved), ("dead", CannotMeasure)])
    def test_an_address_that_cannot_be_asked(
        self, monkeypatch: pytest.MonkeyPatch, other: str, kind: type
    ) -> None:
        """It hides no good one, but where the others fail nothing is proven."""

        def connect(
            vantage: Vantage, address: str, port: int, limit_s: float, _then: str
        ) -> socket.socket:
            if address == "127.0.0.9":
                raise CannotAskError("other-route", "by the VPN")
            return open_tcp(vantage, address, port, limit_s)

        monkeypatch.setattr(https, "open_tcp", connect)
        with HttpsServer(authority=AUTHORITY) as server:
            good = "127.0.0.1" if other == "good" else "127.0.0.8"
            observed = probe(server.port, "127.0.0.9", good).run()

        assert isinstance(observed, kind)


class TestClientCertificate:
    """Hosts that want a certificate from the client say so by an alert."""

    @pytest.mark.parametrize(
        ("version", "phase"), [(ssl.TLSVersion.TLSv1_3, "http"), (ssl.TLSVersion.TLSv1_2, "tls")]
    )
    def test_alert(self, version: ssl.TLSVersion, phase: str) -> None:
        """It comes after the client's handshake in TLS 1.3; OpenSSL's numbers are no errno."""
        authority = Authority()
        context = authority.context(Behaviour.GOOD)
        context.maximum_version = version
        context.verify_mode = ssl.CERT_REQUIRED
        with HttpsServer(context=context) as server:
            observed = probe(server.port, ca_pem=authority.pem).run()

        assert isinstance(observed, HttpsObserved)
        assert observed.trouble is not None
        assert (observed.trouble.kind, observed.trouble.phase) == ("refused", phase)


POLICY = """
openssl_conf = all
[all]
ssl_conf = tls
[tls]
system_default = ours
[ours]
"""
"""How an administrator tells OpenSSL, and so every program of a computer, what it may speak."""

OF_THE_CONTEXT = """
import ssl
from cube_acceptance.probes.net import tls
context = tls.client_context()
forbidden = context.options & (ssl.OP_NO_TLSv1_2 | ssl.OP_NO_TLSv1_3)
print(context.security_level, context.minimum_version.name, context.maximum_version.name,
      int(forbidden), {"TLSv1.2", "TLSv1.3"} - {one["protocol"] for one in context.get_ciphers()})
"""


class TestThisComputersPolicy:
    """What this computer's OpenSSL is told to speak says nothing about the network."""

    @pytest.mark.parametrize(
        "policy",
        [
            "CipherString = DEFAULT:@SECLEVEL=5",
            "CipherString = ALL:@SECLEVEL=0",
            "CipherString = AES256-SHA",
            "MinProtocol = TLSv1.3",
            "MinProtocol = TLSv1",
            "MaxProtocol = TLSv1.2",
            "Protocol = -TLSv1.3",
            "Protocol = -TLSv1.2",
        ],
    )
    def test_has_no_say(self, policy: str, tmp_path: Path) -> None:
        """Versions, ciphers and level are the same everywhere."""
        conf = tmp_path / "openssl.cnf"
        conf.write_text(f"{POLICY}{policy}\n")

        told = subprocess.run(
            [sys.executable, "-c", OF_THE_CONTEXT],
            env=os.environ | {"OPENSSL_CONF": str(conf)},
            check=True,
            capture_output=True,
            text=True,
        )

        assert told.stdout == "2 TLSv1_2 MAXIMUM_SUPPORTED 0 set()\n"


class TestTrust:
    """The bundled public authorities or the site file's own, and nobody else's."""

    def test_public_authorities_do_not_know_ours(self) -> None:
        """Without a CA in the site file a private one is not believed."""
        with HttpsServer(authority=AUTHORITY) as server:
            observed = probe(server.port, ca_pem="").run()

        assert isinstance(observed, HttpsObserved)
        assert observed.verify_error is not None

    def test_environment_has_no_say(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """SSL_CERT_FILE is how a company's CA gets into everything else."""
        bundle = tmp_path / "ca.pem"
        bundle.write_text(AUTHORITY.pem)
        monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
        monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
        https.trusting.cache_clear()
        with HttpsServer(authority=AUTHORITY) as server:
            # Reading all public authorities takes long on a busy computer.
            asked = dataclasses.replace(probe(server.port, ca_pem=""), tls_limit_s=5.0, limit_s=9.5)
            observed = asked.run()

        assert isinstance(observed, HttpsObserved)
        assert observed.verify_error is not None

    def test_a_second_look_that_fails(self) -> None:
        """A peer that shows its certificate once only is still untrusted."""

        class Once(HttpsServer):
            def serve(self, connection: object) -> None:
                if not self.names:
                    super().serve(connection)

        with Once(Behaviour.UNTRUSTED, authority=AUTHORITY) as server:
            observed = probe(server.port).run()

        assert isinstance(observed, HttpsObserved)
        assert observed.verify_error is not None
        assert observed.tls is None


class TestDateOffset:
    """A second reference for the time."""

    @pytest.mark.parametrize("behaviour", [Behaviour.EXPIRED, Behaviour.NOT_YET_VALID])
    def test_where_the_clock_may_be_to_blame(self, behaviour: Behaviour) -> None:
        """What a host claims that is not believed is kept apart from what others vouch for."""
        observed = fetch(behaviour, limit_s=5.0, tls_limit_s=3.0)

        assert observed.date_offset_s is None
        assert observed.claimed_offset_s is not None
        assert abs(observed.claimed_offset_s) < 3.0

    def test_where_somebody_sets_the_clock(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """What a host claims is measured against the one clock that the whole run is."""
        monkeypatch.setattr(https, "clock_s", lambda: evidence.clock_s() - 86400.0)
        observed = fetch(Behaviour.EXPIRED, limit_s=5.0, tls_limit_s=3.0)

        assert observed.claimed_offset_s is not None
        assert abs(observed.claimed_offset_s - 86400.0) < 3.0

    @pytest.mark.parametrize("behaviour", [Behaviour.UNTRUSTED, Behaviour.WRONG_NAME])
    def test_where_no_clock_is_to_blame(self, behaviour: Behaviour) -> None:
        """Whoever shows somebody else's certificate is not asked for the time."""
        assert fetch(behaviour).claimed_offset_s is None

    def test_of_an_answer(self) -> None:
        """Our own computer's clock agrees with itself."""
        observed = fetch(Behaviour.GOOD)

        assert observed.date_offset_s is not None
        assert abs(observed.date_offset_s) < 2.0

    def test_clock_is_set_meanwhile(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The time server may have been asked before this computer's clock was set."""
        set_ahead_s = time.time() + 3600
        monkeypatch.setattr(time, "time", lambda: set_ahead_s)

        observed = fetch(Behaviour.GOOD)

        assert observed.date_offset_s is not None
        assert abs(observed.date_offset_s) < 60.0

    def test_wrong(self) -> None:
        """Three hours are three hours."""
        observed = fetch(Behaviour.WRONG_DATE)

        assert observed.date_offset_s is not None
        assert abs(observed.date_offset_s - 3 * 3600) < 2.0

    def test_of_a_copy(self) -> None:
        """What a cache kept brings its Date along; whose time that is is the case's business."""
        observed = fetch(Behaviour.CACHED)

        assert observed.date_offset_s is not None
        assert abs(observed.date_offset_s + 3 * 3600) < 2.0
        assert observed.reply is not None
        assert dict(observed.reply.headers)["age"] == "10800"

    @pytest.mark.parametrize(
        ("text", "known"),
        [
            ("", False),
            ("yesterday", False),
            ("Mon, 23 Nov 99999 09:00:00 GMT", False),
            ("Mon, 23 Nov 2026 09:00:00 GMT", True),
            ("Mon, 23 Nov 2026 09:00:00 -0000", True),
        ],
    )
    def test_texts(self, text: str, *, known: bool) -> None:
        """What is no date is no reference."""
        reply = HttpReply(url="", status=200, headers=(("date", text),))

        assert (https.date_offset(reply, 0.0) is not None) == known


class TestTlsTrouble:
    """What OpenSSL's words mean."""

    @pytest.mark.parametrize(
        ("words", "kind"),
        [
            ("WRONG_VERSION_NUMBER", "malformed"),
            ("RECORD_LAYER_FAILURE", "malformed"),
            ("LENGTH_MISMATCH", "malformed"),
            ("UNEXPECTED_MESSAGE", "malformed"),
            ("SSLV3_ALERT_UNEXPECTED_MESSAGE", "refused"),
            ("TLSV1_ALERT_PROTOCOL_VERSION", "refused"),
            ("TLSV1_UNRECOGNIZED_NAME", "refused"),
            ("UNSUPPORTED_PROTOCOL", "refused"),
            ("EOF occurred in violation of protocol (_ssl.c:1006)", "refused"),
        ],
    )
    def test_kind(self, words: str, kind: str) -> None:
        """A refusal, or no TLS at all; an alert's name does not make it nonsense."""
        assert tls.tls_trouble(ssl.SSLError(1, words)).kind == kind


class TestSessionOf:
    """A hostile certificate is read as far as that goes."""

    def test_nonsense(self) -> None:
        """What cannot be parsed leaves a fingerprint."""

        class Odd:
            def cipher(self) -> None: ...

            def version(self) -> None: ...

            def getpeercert(self, *, binary_form: bool) -> bytes:
                assert binary_form
                return b"nonsense"

        session = https.session_of(Odd())

        assert session.subject == ""
        assert len(session.sha256) == 64

    def test_no_names(self) -> None:
        """A certificate without alternative names has none."""

        class Bare:
            @property
            def extensions(self) -> object:
                raise ValueError

        assert https.alternative_names(Bare()) == ()
