"""The TLS probe against a cloud host, and what firewalls and portals make of it."""

from __future__ import annotations

import os
import ssl
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from cube_acceptance import evidence
from cube_acceptance.evidence import CannotMeasure, HttpReply, HttpsObserved, Met, Trouble
from cube_acceptance.probes import https
from cube_acceptance.probes.https import HttpsProbe
from cube_acceptance.probes.net import http1
from cube_acceptance.probes.net.errors import CannotAskError
from cube_acceptance.probes.net.sockets import open_tcp
from cube_acceptance.probes.net.vantage import find_vantage
from fixtures.simulator.http import read_request
from fixtures.simulator.https import HOSTS, Authority, Behaviour, HttpsServer
from fixtures.simulator.tcp import reset

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
    Behaviour.CUT_SHORT: 200,
    Behaviour.MUTE_AT_FIRST: 404,
    Behaviour.RESET_AT_FIRST: 404,
    Behaviour.CLOSE_AT_FIRST: 404,
    Behaviour.LIGHT_ONLY: 404,
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
    Behaviour.HTTP_CLOSE: ("no-answer", "http"),
    Behaviour.BAD_RECORD_MAC: ("refused", "tls"),
    Behaviour.INTERNAL_ERROR: ("refused", "tls"),
    Behaviour.STARTING: ("no-answer", "http"),
}


def probe(port: int, *addresses: str, ca_pem: str = AUTHORITY.pem, **changes: object) -> HttpsProbe:
    """The probe that a session makes, with shorter time limits."""
    return HttpsProbe(
        **{
            "vantage": VANTAGE,
            "host": HOST,
            "addresses": addresses or ("127.0.0.1",),
            "port": port,
            "ca_pem": ca_pem,
            "connect_limit_s": 1.0,
            "tls_limit_s": 1.0,
            "status_limit_s": 1.5,
            "second_try_s": 0.0,
        }
        | changes
    )


def fetch(behaviour: Behaviour, **changes: object) -> HttpsObserved:
    """What the probe sees of a behaviour."""
    with HttpsServer(behaviour, authority=AUTHORITY) as server:
        observed = probe(server.port, **changes).run()
    assert isinstance(observed, HttpsObserved)
    return observed


class TestHttpsProbe:
    """TCP, TLS with the name, one GET."""

    def test_every_behaviour_is_met(self) -> None:
        """No behaviour of the simulator is left untried."""
        assert {*ANSWERS, *OBJECTIONS, *TROUBLES, Behaviour.HTTP_2} == set(Behaviour)

    @pytest.mark.parametrize(("behaviour", "status"), ANSWERS.items())
    def test_answer(self, behaviour: Behaviour, status: int) -> None:
        """A verified handshake and a status line."""
        observed = fetch(behaviour)

        assert observed.trouble is None
        assert observed.verify_error is None
        assert observed.reply.status == status
        assert observed.connected == "127.0.0.1"
        assert observed.tls.version.startswith("TLSv1.")
        assert observed.tls.names == HOSTS

    @pytest.mark.parametrize(("behaviour", "codes"), OBJECTIONS.items())
    def test_objection(self, behaviour: Behaviour, codes: set[int]) -> None:
        """The certificate is not believed, and still shown."""
        observed = fetch(behaviour)

        assert observed.verify_error.code in codes
        assert observed.reply is None
        assert observed.date_offset_s is None
        assert observed.tls.issuer
        assert observed.tries[-1].result == "untrusted"

    @pytest.mark.parametrize(("behaviour", "trouble"), TROUBLES.items())
    def test_trouble(self, behaviour: Behaviour, trouble: tuple[str, str]) -> None:
        """TCP worked, what follows did not."""
        observed = fetch(behaviour)

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
    """Every one of them, side by side: the CUBE may meet any."""

    def test_first_is_dead(self) -> None:
        """The next one will do, and the dead one is on record."""
        with HttpsServer(authority=AUTHORITY) as server:
            observed = probe(server.port, "127.0.0.9", "127.0.0.1").run()

        assert isinstance(observed, HttpsObserved)
        assert observed.trouble is None
        assert observed.connected == "127.0.0.1"
        assert sorted(one.result for one in observed.tries) == ["answer", "refused", "refused"]
        dead, good = observed.met
        assert (dead.address, dead.trouble and dead.trouble.kind) == ("127.0.0.9", "refused")
        assert (good.address, good.trouble) == ("127.0.0.1", None)
        assert good.tls is not None

    def test_all_are_dead(self) -> None:
        """Eight are tried, no more."""
        with HttpsServer(authority=AUTHORITY) as server:
            addresses = tuple(f"127.0.0.{number}" for number in range(2, 12))
            observed = probe(server.port, *addresses).run()

        assert isinstance(observed, HttpsObserved)
        assert (observed.trouble.kind, observed.trouble.phase) == ("refused", "tcp")
        assert observed.addresses == addresses[:8]
        assert observed.connected == ""
        assert len(observed.tries) == 16

    @pytest.mark.parametrize("order", [("127.0.0.1", "127.0.0.9"), ("127.0.0.9", "127.0.0.1")])
    def test_the_one_that_came_furthest_tells(self, order: tuple[str, str]) -> None:
        """TLS that dies says more than a refusal at another address."""
        with HttpsServer(Behaviour.CLOSE_AFTER_HELLO, authority=AUTHORITY) as server:
            observed = probe(server.port, *order).run()

        assert isinstance(observed, HttpsObserved)
        assert observed.trouble.phase == "tls"
        assert observed.connected == "127.0.0.1"

    def test_none(self) -> None:
        """No address, no answer."""
        asked = HttpsProbe(vantage=VANTAGE, host=HOST, addresses=())
        observed = asked.run()

        assert isinstance(observed, HttpsObserved)
        assert observed.trouble is not None
        assert observed.met == ()

    def test_one_is_asked(self) -> None:
        """Where the first answers, the second is taken as far as the handshake and no further."""
        with (
            HttpsServer(authority=AUTHORITY) as first,
            HttpsServer(address="127.0.0.9", port=first.port, authority=AUTHORITY) as second,
        ):
            observed = probe(first.port, "127.0.0.1", "127.0.0.9", turn_s=5.0).run()

        assert isinstance(observed, HttpsObserved)
        assert sorted(one.result for one in observed.tries) == ["answer", "handshake"]
        assert [met.trouble for met in observed.met] == [None, None]
        assert (first.names, second.names) == ([HOST], [HOST])

    @pytest.mark.parametrize("bad", list(OBJECTIONS))
    def test_a_doubtful_certificate_decides(self, bad: Behaviour) -> None:
        """Where some connections meet a stranger, it is not for luck to decide."""
        with (
            HttpsServer(authority=AUTHORITY) as good,
            HttpsServer(bad, address="127.0.0.9", port=good.port, authority=AUTHORITY),
        ):
            observed = probe(good.port, "127.0.0.1", "127.0.0.9").run()

        assert isinstance(observed, HttpsObserved)
        assert observed.verify_error is not None
        assert observed.connected == "127.0.0.9"
        assert observed.reply is None

    def test_a_stranger_decides_before_a_clock(self) -> None:
        """For an expired certificate this computer's clock may be to blame, for a stranger not."""
        with (
            HttpsServer(Behaviour.EXPIRED, authority=AUTHORITY) as old,
            HttpsServer(
                Behaviour.UNTRUSTED, address="127.0.0.9", port=old.port, authority=AUTHORITY
            ),
        ):
            observed = probe(old.port, "127.0.0.1", "127.0.0.9").run()

        assert isinstance(observed, HttpsObserved)
        assert observed.connected == "127.0.0.9"

    @pytest.mark.parametrize(
        "bad",
        [Behaviour.RESET_AFTER_HELLO, Behaviour.MUTE, Behaviour.GARBAGE, Behaviour.HTTP_RESET],
    )
    def test_one_fails_beside_a_good_one(self, bad: Behaviour) -> None:
        """A broken front end among good ones is no closed firewall."""
        with (
            HttpsServer(bad, authority=AUTHORITY) as broken,
            HttpsServer(address="127.0.0.9", port=broken.port, authority=AUTHORITY),
        ):
            observed = probe(broken.port, "127.0.0.1", "127.0.0.9", turn_s=5.0).run()

        assert isinstance(observed, HttpsObserved)
        assert (observed.connected, observed.trouble) == ("127.0.0.9", None)
        assert [met.trouble is None for met in observed.met] == [False, True]

    def test_a_slow_one_holds_nobody_up(self) -> None:
        """The next one is asked as well when the first has not answered in a while."""
        with (
            HttpsServer(Behaviour.HTTP_MUTE, authority=AUTHORITY) as mute,
            HttpsServer(address="127.0.0.9", port=mute.port, authority=AUTHORITY),
        ):
            observed = probe(mute.port, "127.0.0.1", "127.0.0.9", turn_s=0.1).run()

        assert isinstance(observed, HttpsObserved)
        assert observed.connected == "127.0.0.9"
        assert [met.trouble and met.trouble.kind for met in observed.met] == ["no-answer", None]

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

    def test_a_defect_is_not_lost_in_a_thread(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """It comes out where it can be seen."""
        monkeypatch.setattr(https, "open_tcp", lambda *_: 1 / 0)

        with pytest.raises(ZeroDivisionError):
            probe(443).run()


class Moody(HttpsServer):
    """Fakes a host that behaves in one way at its first connections and then in another."""

    def __init__(self, *moods: Behaviour, **changes: object) -> None:
        """Behave in these ways, one connection each; the last one stays."""
        super().__init__(moods[0], **changes)
        self._moods = list(moods)
        self.requests: list[bytes] = []

    def serve(self, connection: socket.socket) -> None:
        """Take the next mood."""
        with self._lock:
            mood = self._moods.pop(0) if len(self._moods) > 1 else self._moods[0]
        one = HttpsServer(mood, context=self._context)
        one.stopping = self.stopping
        one.serve(connection)


class TestSecondTry:
    """One failure is no finding."""

    @pytest.mark.parametrize(
        "first",
        [
            Behaviour.MUTE_AFTER_HELLO,
            Behaviour.RESET_AFTER_HELLO,
            Behaviour.CLOSE_AFTER_HELLO,
            Behaviour.NAME_REFUSED,
            Behaviour.PLAIN,
            Behaviour.HTTP_RESET,
            Behaviour.HTTP_CLOSE,
        ],
    )
    def test_the_next_works(self, first: Behaviour) -> None:
        """A firewall that has to look a name up first kills the connection that asks for it."""
        with Moody(first, Behaviour.GOOD, authority=AUTHORITY) as server:
            observed = probe(server.port).run()

        assert isinstance(observed, HttpsObserved)
        assert observed.trouble is None
        assert observed.reply is not None
        assert [one.result for one in observed.tries][-1] == "answer"
        assert len(observed.tries) == 2

    def test_the_second_is_worse(self) -> None:
        """What came further tells."""
        with Moody(Behaviour.HTTP_RESET, Behaviour.MUTE, authority=AUTHORITY) as server:
            observed = probe(server.port).run()

        assert isinstance(observed, HttpsObserved)
        assert (observed.trouble.kind, observed.trouble.phase) == ("refused", "http")

    def test_a_stranger_at_the_second(self) -> None:
        """Nothing is more certain than that."""
        with (
            HttpsServer(Behaviour.UNTRUSTED, authority=AUTHORITY) as stranger,
            Moody(Behaviour.RESET_AFTER_HELLO, Behaviour.GOOD, authority=AUTHORITY) as server,
        ):
            server._context = stranger._context
            observed = probe(server.port).run()

        assert isinstance(observed, HttpsObserved)
        assert observed.verify_error is not None

    def test_comes_a_little_later(self) -> None:
        """At once it would meet the same mood."""
        with Moody(Behaviour.RESET_AFTER_HELLO, Behaviour.GOOD, authority=AUTHORITY) as server:
            observed = probe(server.port, second_try_s=0.3).run()

        assert isinstance(observed, HttpsObserved)
        assert observed.tries[1].at_s >= 0.3


class Narrow(HttpsServer):
    """Fakes a path on which requests of more than a kilobyte are lost, or not welcome."""

    def __init__(self, *, heavy_ones: str = "lost", light_ones: bool = True) -> None:
        """Do this with either kind."""
        super().__init__(authority=AUTHORITY)
        self.heavy_ones, self.light_ones = heavy_ones, light_ones
        self.heavy = 0

    def serve(self, connection: socket.socket) -> None:
        """Answer small requests only."""
        with self._context.wrap_socket(connection, server_side=True) as secure:
            request = read_request(secure)
            if len(request) > 1000:
                self.heavy += 1
                if self.heavy_ones == "refused":
                    reset(secure)
                    return
                if self.heavy_ones == "lost" or self.heavy == 1:
                    self.hold()
                    return
            elif not self.light_ones:
                self.hold()
                return
            secure.sendall(self._answer())


class TestFullSize:
    """Large packets have to get through from here to the cloud."""

    def test_lost(self) -> None:
        """A short request is answered, a long one is not, twice."""
        with Narrow() as server:
            observed = probe(server.port, doubt_s=0.2).run()

        assert isinstance(observed, HttpsObserved)
        assert (observed.trouble.kind, observed.trouble.phase) == ("no-answer", "size")
        assert observed.tls is not None
        assert server.heavy == 2

    def test_the_second_long_one_is_answered(self) -> None:
        """Then only the first front end was dead, or had to be started."""
        with Narrow(heavy_ones="lost once") as server:
            observed = probe(server.port, doubt_s=0.2, status_limit_s=30.0).run()

        assert isinstance(observed, HttpsObserved)
        assert observed.trouble is None
        assert observed.reply is not None

    def test_the_second_long_one_is_answered_at_the_last_moment(self) -> None:
        """After the first one's time was over."""

        class Late(Narrow):
            def serve(self, connection: socket.socket) -> None:
                if self.heavy == 1:
                    time.sleep(0.3)
                super().serve(connection)

        with Late(heavy_ones="lost once") as server:
            observed = probe(server.port, doubt_s=0.2, status_limit_s=1.2).run()

        assert isinstance(observed, HttpsObserved)
        assert observed.trouble is None

    def test_neither_is_answered(self) -> None:
        """Then it is not their size."""
        with Narrow(light_ones=False) as server:
            observed = probe(server.port, doubt_s=0.2).run()

        assert isinstance(observed, HttpsObserved)
        assert (observed.trouble.kind, observed.trouble.phase) == ("no-answer", "http")

    def test_refused_for_its_length(self) -> None:
        """The short one decides."""
        with Narrow(heavy_ones="refused") as server:
            observed = probe(server.port).run()

        assert isinstance(observed, HttpsObserved)
        assert observed.trouble is None
        assert observed.reply is not None
        assert [one.result for one in observed.tries] == ["refused", "answer"]

    def test_a_late_answer_to_the_long_one(self) -> None:
        """A service that has to be started first may take its time."""

        class Starting(HttpsServer):
            def serve(self, connection: socket.socket) -> None:
                self.stopping.wait(0.5)
                super().serve(connection)

        with Starting(authority=AUTHORITY) as server:
            observed = probe(server.port, doubt_s=0.1, tls_limit_s=5.0, status_limit_s=5.0).run()

        assert isinstance(observed, HttpsObserved)
        assert observed.trouble is None

    def test_a_long_one_is_refused_while_it_is_doubted(self) -> None:
        """The others decide then, too."""

        class Odd(Narrow):
            def serve(self, connection: socket.socket) -> None:
                with self._context.wrap_socket(connection, server_side=True) as secure:
                    heavy = len(read_request(secure)) > 1000
                    self.heavy += heavy
                    if heavy and self.heavy == 1:
                        self.stopping.wait(0.5)
                        reset(secure)
                        return
                    self.stopping.wait(0.5)
                    secure.sendall(self._answer())

        with Odd() as server:
            observed = probe(server.port, doubt_s=0.2, status_limit_s=5.0).run()

        assert isinstance(observed, HttpsObserved)
        assert observed.trouble is None
        assert [one.result for one in observed.tries] == ["answer"]

    def test_a_long_one_that_is_refused_late(self) -> None:
        """Silence that ends in a reset is no silence."""

        class Gives(HttpsServer):
            def serve(self, connection: socket.socket) -> None:
                with self._context.wrap_socket(connection, server_side=True) as secure:
                    read_request(secure)
                    self.stopping.wait(0.4)
                    reset(secure)

        with Gives(authority=AUTHORITY) as server:
            observed = probe(server.port, doubt_s=0.1, status_limit_s=5.0).run()

        assert isinstance(observed, HttpsObserved)
        assert (observed.trouble.kind, observed.trouble.sign) == ("refused", "TCP RST")


class TestClientCertificate:
    """Hosts that want a certificate of the client say so by an alert, which proves the path."""

    @pytest.mark.parametrize(
        ("version", "phase", "alert"),
        [
            (ssl.TLSVersion.TLSv1_3, "http", "certificate_required"),
            (ssl.TLSVersion.TLSv1_2, "tls", "handshake_failure"),
        ],
    )
    def test_of_openssl(self, version: ssl.TLSVersion, phase: str, alert: str) -> None:
        """It comes after the client's handshake in TLS 1.3, and in the midst of it before."""
        context = AUTHORITY.context(Behaviour.GOOD)
        context.maximum_version = version
        context.verify_mode = ssl.CERT_REQUIRED
        with HttpsServer(context=context) as server:
            observed = probe(server.port).run()

        assert isinstance(observed, HttpsObserved)
        assert observed.certificate_asked
        assert (observed.trouble.kind, observed.trouble.phase) == ("refused", phase)
        assert observed.trouble.sign == f"TLS alert: {alert}"
        assert observed.tls.names == HOSTS
        assert len(observed.tries) == 1

    def test_http_2(self) -> None:
        """A host that speaks HTTP/2 whatever it is asked has proved the path as well."""
        observed = fetch(Behaviour.HTTP_2)

        assert observed.http2
        assert observed.trouble is None
        assert observed.reply is None
        assert observed.tls is not None
        assert [one.result for one in observed.tries] == ["answer"]

    def test_an_answer_leads_before_http_2(self) -> None:
        """What can be read tells more."""
        with (
            HttpsServer(Behaviour.HTTP_2, authority=AUTHORITY) as other,
            HttpsServer(address="127.0.0.2", port=other.port, authority=AUTHORITY) as server,
        ):
            observed = probe(server.port, "127.0.0.1", "127.0.0.2").run()

        assert isinstance(observed, HttpsObserved)
        assert observed.reply is not None
        assert observed.connected == "127.0.0.2"
        assert all(met.trouble is None for met in observed.met)

    def test_stranger(self) -> None:
        """Whoever does not prove who it is may ask for what it likes."""
        context = AUTHORITY.context(Behaviour.UNTRUSTED)
        context.verify_mode = ssl.CERT_REQUIRED
        with HttpsServer(context=context) as server:
            observed = probe(server.port).run()

        assert isinstance(observed, HttpsObserved)
        assert observed.verify_error is not None
        assert not observed.certificate_asked


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
            observed = probe(server.port, ca_pem="", tls_limit_s=5.0).run()

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


@pytest.mark.parametrize(
    ("trouble", "chance"),
    [
        (Trouble(kind="refused", phase="tcp"), True),
        (Trouble(kind="refused", phase="tcp", icmp_code=13), False),
        (Trouble(kind="no-route", phase="tcp", icmp_code=1), True),
        (Trouble(kind="no-route", phase="tcp"), False),
        (Trouble(kind="no-answer", phase="tcp"), False),
        (None, False),
    ],
)
def test_what_may_be_chance(trouble: Trouble | None, *, chance: bool) -> None:
    """A router may have to find its next hop first; a prohibition is meant."""
    assert https._Way(Met(address="127.0.0.1", trouble=trouble)).may_be_chance == chance


class TestDateOffset:
    """A second reference for the time."""

    @pytest.mark.parametrize("behaviour", [Behaviour.EXPIRED, Behaviour.NOT_YET_VALID])
    def test_where_the_clock_may_be_to_blame(self, behaviour: Behaviour) -> None:
        """What a host claims that is not believed is kept apart from what others vouch for."""
        observed = fetch(behaviour, tls_limit_s=3.0)

        assert observed.date_offset_s is None
        assert observed.claimed_offset_s is not None
        assert abs(observed.claimed_offset_s) < 3.0

    def test_where_a_copy_is_shown_that_is_not_believed(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A cache's Date is nobody's time, least of all where nobody vouches for it."""
        fetched = http1.fetch

        def cached(*args: Any, **options: Any) -> tuple[HttpReply, bytes]:  # noqa: ANN401 - as it comes
            reply, body = fetched(*args, **options)
            return msgspec.structs.replace(reply, headers=(*reply.headers, ("age", "9"))), body

        monkeypatch.setattr(http1, "fetch", cached)

        assert fetch(Behaviour.EXPIRED, tls_limit_s=3.0).claimed_offset_s is None

    def test_where_somebody_sets_the_clock(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """What a host claims is measured against the one clock that the whole run is."""
        monkeypatch.setattr(https, "clock_s", lambda: evidence.clock_s() - 86400.0)
        observed = fetch(Behaviour.EXPIRED, tls_limit_s=3.0)

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
