"""Reach a cloud host: TCP, TLS with the name, one GET (RFC 8446, RFC 6066 section 3, RFC 9110).

Trust comes from the bundled public authorities or the site file's own, loaded explicitly:
neither the computer's store nor an environment variable has a say.
"""

from __future__ import annotations

import contextlib
import hashlib
import socket
import ssl
import threading
import time
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import certifi
import msgspec
from cryptography import x509

from cube_acceptance.evidence import (
    CannotMeasure,
    HttpsObserved,
    Met,
    TlsSession,
    Trouble,
    Try,
    VerifyError,
    clock_s,
    timestamp,
)
from cube_acceptance.probes.net import alerts, http1, tls
from cube_acceptance.probes.net.deadline import Deadline
from cube_acceptance.probes.net.errors import CannotAskError, ReachError
from cube_acceptance.probes.net.measuring import Stopwatch, measured
from cube_acceptance.probes.net.sockets import open_tcp
from cube_acceptance.text.foreign import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cube_acceptance.evidence import HttpReply, Vantage

WorkT = TypeVar("WorkT")

ADDRESS_LIMIT = 8
CONNECT_LIMIT_S = 4.0
"""Long enough for two repetitions of a lost SYN, at 1 s and 3 s (RFC 6298)."""
TLS_LIMIT_S = 5.0
STATUS_LIMIT_S = 20.0
"""From a verified handshake to the status line: a service may have to be started first."""
SECOND_TRY_S = 2.0
"""From the beginning of a try that was reset or died to the next one."""
DOUBT_S = 4.0
"""After which silence it is tried whether a short request gets through where a long one fails."""
TURN_S = 1.0
"""How long an address waits for the one before it to be answered, before it is asked as well."""
FULL_SIZE = 3000
"""Bytes that the request's header is made heavier by: two full packets and some more."""
CERTIFICATE_ALERTS = frozenset(
    {
        "bad_certificate",
        "unsupported_certificate",
        "certificate_revoked",
        "certificate_expired",
        "certificate_unknown",
        "unknown_ca",
        "access_denied",
        "certificate_required",
    }
)
"""What a host that wants a certificate of the client may say where none comes."""
CLOCK_CODES = frozenset({9, 10})
"""OpenSSL's objections, not yet valid and expired, for which a wrong clock may be to blame."""
TOO_LARGE = Trouble(
    kind="no-answer", phase="size", detail="silence after a long request, an answer to a short one"
)
NAME_LIMIT = 32
TEXT_LIMIT = 300


@lru_cache(maxsize=4)
def trusting(ca_pem: str) -> ssl.SSLContext:
    """Make a context that trusts these authorities and no other; the public ones for ``""``.

    Whoever names an authority trusts it, also where another one stands above it.
    """
    context = tls.client_context()
    context.hostname_checks_common_name = False  # RFC 9110 section 4.3.4
    if ca_pem:
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.load_verify_locations(cadata=ca_pem)
    else:
        context.load_verify_locations(cafile=certifi.where())
    return context


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpsProbe:
    """One cloud host at every address that the site's DNS servers gave for it."""

    vantage: Vantage
    host: str
    addresses: tuple[str, ...]
    port: int = 443
    ca_pem: str = ""
    address_tries: int = ADDRESS_LIMIT
    connect_limit_s: float = CONNECT_LIMIT_S
    tls_limit_s: float = TLS_LIMIT_S
    status_limit_s: float = STATUS_LIMIT_S
    second_try_s: float = SECOND_TRY_S
    doubt_s: float = DOUBT_S
    turn_s: float = TURN_S

    @property
    def key(self) -> str:
        """``https/<host>``."""
        return f"https/{self.host}"

    def run(self) -> HttpsObserved | CannotMeasure:
        """Take every address as far as a verified handshake, side by side; ask one of them.

        The CUBE may meet any of them. The first that can be asked is; where it does not answer,
        the next one is as well.
        """
        return measured(self._measure, self.vantage)

    def _measure(self, watch: Stopwatch) -> HttpsObserved:
        handshakes = _Handshakes(watch, self.addresses[: self.address_tries])
        under_way = [
            started(partial(self._reach, handshakes, rank))
            for rank in range(len(handshakes.addresses))
        ]
        ways = [one.result() for one in under_way]
        reached = [way for way in ways if not way.obstacle]
        lead = max(reached, key=_Way.weight, default=NO_WAY)
        obstacle = next((way.obstacle for way in ways if way.obstacle), None)
        if obstacle and lead.met.trouble and not lead.certificate_asked:
            raise obstacle
        tries = sorted(handshakes.tries, key=lambda one: one.at_s)
        return HttpsObserved(
            started=watch.started,
            duration_s=watch.elapsed(),
            tries=tuple(tries),
            host=self.host,
            addresses=handshakes.addresses,
            connected="" if lead.phase == "tcp" else lead.met.address,
            tls=lead.met.tls,
            verify_error=lead.met.verify_error,
            trouble=lead.met.trouble,
            reply=lead.reply,
            date_offset_s=lead.date_offset_s,
            date_uncertainty_s=lead.date_uncertainty_s,
            claimed_offset_s=lead.claimed_offset_s,
            certificate_asked=lead.certificate_asked,
            http2=lead.http2,
            met=tuple(way.met for way in reached),
        )

    def _reach(self, handshakes: _Handshakes, rank: int) -> _Way:
        """Take one address as far as it goes; what may have been chance is tried once more."""
        watch = Stopwatch()
        try:
            way = self._try(handshakes, rank)
            if not way.may_be_chance:
                return way
            handshakes.settle(rank)
            watch.wait_until(self.second_try_s)
            return max(way, self._try(handshakes, rank, after=way), key=_Way.weight)
        except CannotAskError as obstacle:
            return _Way(Met(address=handshakes.addresses[rank]), obstacle=obstacle)
        finally:
            handshakes.settle(rank)

    def _try(self, handshakes: _Handshakes, rank: int, after: _Way | None = None) -> _Way:
        address, at_s = handshakes.addresses[rank], handshakes.watch.elapsed()
        try:
            with self._connection(address, trusting(self.ca_pem)) as (secure, wire):
                return self._ask(handshakes, rank, secure, wire, at_s, after)
        except ssl.SSLCertVerificationError as error:
            handshakes.note(self._to(address), at_s, "untrusted")
            return self._doubted(address, error)
        except ReachError as error:
            return self._failed(handshakes, address, at_s, error)

    def _ask(  # noqa: PLR0913, PLR0917 - what a connection is and where it stands among others
        self,
        handshakes: _Handshakes,
        rank: int,
        secure: ssl.SSLSocket,
        wire: socket.socket,
        at_s: float,
        after: _Way | None,
    ) -> _Way:
        """Ask for the page over a verified connection, unless another address has answered.

        One that broke off before has to do better now, whoever answered; with a short request.
        """
        address, session = handshakes.addresses[rank], session_of(secure)
        broke_off = after is not None and after.phase == "http"
        if not broke_off and not handshakes.may_ask(rank, self.turn_s):
            handshakes.note(self._to(address), at_s, "handshake")
            return _Way(Met(address=address, tls=session))
        try:
            if broke_off:
                answer = self._get(secure, wire, Deadline(self.status_limit_s))
            else:
                answer = self._answer(secure, wire, address)
        except ReachError as error:
            if error.trouble.sign == http1.HTTP2:
                handshakes.note(self._to(address), at_s, "answer")
                return _Way(Met(address=address, tls=session), http2=True)
            heard = alerts.heard_by(secure)
            wanted = heard.certificate_asked or heard.alert in CERTIFICATE_ALERTS
            return self._failed(
                handshakes, address, at_s, error, session, bool(heard.alert) and wanted
            )
        handshakes.answer()
        handshakes.note(self._to(address), at_s, "answer")
        return _Way(
            Met(address=address, tls=session),
            reply=answer.reply,
            date_offset_s=date_offset(answer.reply, answer.sent + answer.half_s),
            date_uncertainty_s=round(answer.half_s, 6),
        )

    def _answer(self, secure: ssl.SSLSocket, wire: socket.socket, address: str) -> _Answer:
        """Ask by a long request; where silence meets it, see whether a short one fares better.

        Some services take long to begin, and only the first request has to wait for that. So the
        long one is waited for to the end, and tried again beside it.
        """
        deadline = Deadline(self.status_limit_s)
        long = started(partial(self._get, secure, wire, deadline, FULL_SIZE))
        if wait([long], self.doubt_s).done:
            return long.result()
        doubt = started(partial(self._doubt, address, deadline))
        under_way: list[Future[Any]] = [long, doubt]
        wait(under_way, return_when=FIRST_COMPLETED)
        if doubt.done() and (answer := doubt.result()[1]):
            with contextlib.suppress(OSError):
                wire.shutdown(socket.SHUT_RDWR)
            wait([long])
            return answer
        try:
            return long.result()
        except ReachError as error:
            short_got_through, answer = doubt.result()
            if answer:
                return answer
            if short_got_through and error.trouble.kind == "no-answer":
                raise ReachError(TOO_LARGE) from error
            raise

    def _doubt(self, address: str, deadline: Deadline) -> tuple[bool, _Answer | None]:
        """Try a short request, and after its answer a long one once more; say what came of both."""
        short_got_through = False
        try:
            with self._connection(address, trusting(self.ca_pem), deadline) as (secure, wire):
                self._get(secure, wire, deadline)
            short_got_through = True
            with self._connection(address, trusting(self.ca_pem), deadline) as (secure, wire):
                return True, self._get(secure, wire, deadline, FULL_SIZE)
        except (ReachError, CannotAskError, ssl.SSLCertVerificationError):
            return short_got_through, None

    def _doubted(self, address: str, error: ssl.SSLCertVerificationError) -> _Way:
        """Connect once more without belief, to see whose certificate it is.

        Where a clock may be to blame, what time it is there is asked as well: nobody vouches for
        the answer, but it may show that this computer's clock is in doubt.
        """
        objection = VerifyError(code=error.verify_code, message=one_line(error.verify_message, 200))
        session, offset_s = None, None
        with (
            contextlib.suppress(ReachError, CannotAskError, OSError),
            self._connection(address, tls.unverified_context()) as (secure, wire),
        ):
            session = session_of(secure)
            if objection.code in CLOCK_CODES:
                answer = self._get(secure, wire, Deadline(self.tls_limit_s))
                kept = dict(answer.reply.headers).get("age", "0") != "0"
                offset_s = None if kept else date_offset(answer.reply, clock_s())
        return _Way(
            Met(address=address, tls=session, verify_error=objection), claimed_offset_s=offset_s
        )

    def _failed(  # noqa: PLR0913, PLR0917 - what failed, where, when, how far, and why
        self,
        handshakes: _Handshakes,
        address: str,
        at_s: float,
        error: ReachError,
        session: TlsSession | None = None,
        certificate_asked: bool = False,  # noqa: FBT001, FBT002 - of one call, beside the session
    ) -> _Way:
        """Keep a try that failed; in TLS 1.2 a certificate may be asked for in the handshake."""
        heard = error.heard if isinstance(error, tls.HandshakeError) else alerts.Heard()
        if heard.alert and heard.believed and heard.certificate_asked:
            session, certificate_asked = session_from(heard.certificate), True
        problem = error.trouble
        result = "silence" if problem.kind == "no-answer" else problem.kind
        handshakes.note(self._to(address), at_s, result, problem.detail)
        return _Way(
            Met(address=address, tls=session, trouble=problem),
            certificate_asked=certificate_asked,
        )

    @contextlib.contextmanager
    def _connection(
        self, address: str, context: ssl.SSLContext, within: Deadline | None = None
    ) -> Iterator[tuple[ssl.SSLSocket, socket.socket]]:
        """Make a secure connection; beside it the plain one, which can be asked for its errors."""
        limit_s = Deadline(self.connect_limit_s, within).timeout()
        with (
            open_tcp(self.vantage, address, self.port, limit_s, "tls") as plain,
            contextlib.closing(plain.dup()) as wire,
            tls.handshake(
                plain, wire, context, self.host, Deadline(self.tls_limit_s, within)
            ) as secure,
        ):
            yield secure, wire

    def _get(
        self, secure: ssl.SSLSocket, wire: socket.socket, deadline: Deadline, weight: int = 0
    ) -> _Answer:
        question = http1.Question(
            url=f"https://{self.host}/", host=self.host, weight=weight, status_suffices=True
        )
        sent, began = clock_s(), time.monotonic()
        reply, _ = http1.fetch(secure, question, deadline, wire)
        return _Answer(reply, sent, (time.monotonic() - began) / 2)

    def _to(self, address: str) -> str:
        return f"{address}:{self.port}"


class _Answer(NamedTuple):
    """A response, when it was asked for by this computer's clock, and half of what it took."""

    reply: HttpReply
    sent: float
    half_s: float


@dataclass(frozen=True, slots=True)
class _Way:
    """What became of one address."""

    met: Met
    reply: HttpReply | None = None
    date_offset_s: float | None = None
    date_uncertainty_s: float = 0.0
    claimed_offset_s: float | None = None
    certificate_asked: bool = False
    http2: bool = False
    obstacle: CannotAskError | None = None

    @property
    def phase(self) -> str:
        """Where it ended in trouble; empty where it did not."""
        return self.met.trouble.phase if self.met.trouble else ""

    @property
    def may_be_chance(self) -> bool:
        """Whether one failure of this kind is no finding.

        A silent address has been asked three times by TCP itself; a reset, a farewell, an alert
        and the word of a router that looks for its next hop may each have been the only one. A
        prohibition is meant.
        """
        trouble = self.met.trouble
        if trouble is None or self.certificate_asked:
            return False
        if trouble.phase == "tcp":
            reset = trouble.kind == "refused" and trouble.icmp_code is None
            return reset or (trouble.kind == "no-route" and trouble.icmp_code is not None)
        return trouble.phase == "tls" or bool(trouble.sign)

    def weight(self) -> int:
        """Rank it by what it decides: what nobody may meet, an answer, then how far it came."""
        if self.met.verify_error:
            return 8 if self.met.verify_error.code not in CLOCK_CODES else 7
        if self.reply:
            return 6
        if self.certificate_asked or self.http2:
            return 5
        return ("", "size", "http", "tls", "tcp").index(self.phase) * -1 + 4


NO_WAY = _Way(Met(address="", trouble=Trouble(kind="no-answer", phase="tcp", detail="no address")))
"""Where there is no address."""


class _Handshakes:
    """What the addresses' ways have in common."""

    def __init__(self, watch: Stopwatch, addresses: tuple[str, ...]) -> None:
        self.watch = watch
        self.addresses = addresses
        self.tries: list[Try] = []
        self._changed = threading.Condition()
        self._answered = False
        self._settled: set[int] = set()

    def note(self, to: str, at_s: float, result: str, detail: str = "") -> None:
        """Keep a try."""
        source = "" if detail or result == "silence" else to
        self.tries.append(Try(at_s=at_s, to=to, result=result, source=source, detail=detail))

    def settle(self, rank: int) -> None:
        """Say that an address will not answer, for now at least."""
        with self._changed:
            self._settled.add(rank)
            self._changed.notify_all()

    def answer(self) -> None:
        """Say that an address has answered."""
        with self._changed:
            self._answered = True
            self._changed.notify_all()

    def may_ask(self, rank: int, turn_s: float) -> bool:
        """Wait for one's turn; False where another address has answered by then."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._answered or self._settled.issuperset(range(rank)), rank * turn_s
            )
            return not self._answered


def started(work: Callable[[], WorkT]) -> Future[WorkT]:
    """Begin something beside everything else, in a thread that keeps no program from ending."""
    future: Future[WorkT] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001 - carried over to whoever waits
            future.set_exception(error)

    threading.Thread(target=run, name="address", daemon=True).start()
    return future


def session_of(secure: ssl.SSLSocket) -> TlsSession:
    """Read the session and the server's certificate; what cannot be read is left empty."""
    cipher = secure.cipher()
    return msgspec.structs.replace(
        session_from(secure.getpeercert(binary_form=True) or b""),
        version=secure.version() or "",
        cipher=cipher[0] if cipher else "",
    )


def session_from(der: bytes) -> TlsSession:
    """Read the server's certificate alone; what cannot be read is left empty."""
    session = TlsSession(sha256=hashlib.sha256(der).hexdigest())
    try:
        leaf = x509.load_der_x509_certificate(der)
        return msgspec.structs.replace(
            session,
            subject=one_line(leaf.subject.rfc4514_string(), TEXT_LIMIT),
            issuer=one_line(leaf.issuer.rfc4514_string(), TEXT_LIMIT),
            names=alternative_names(leaf),
            not_before=timestamp(leaf.not_valid_before_utc),
            not_after=timestamp(leaf.not_valid_after_utc),
        )
    except (ValueError, OverflowError, TypeError):
        return session


def alternative_names(leaf: x509.Certificate) -> tuple[str, ...]:
    """List the DNS names that a certificate is for (RFC 5280 section 4.2.1.6)."""
    try:
        extension = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        names = extension.value.get_values_for_type(x509.DNSName)
    except (x509.ExtensionNotFound, ValueError):
        return ()
    return tuple(one_line(name, 255) for name in names[:NAME_LIMIT])


def date_offset(reply: HttpReply, now: float) -> float | None:
    """Return how far the response's ``Date`` is ahead of this computer's clock (RFC 9110 6.6.1)."""
    text = dict(reply.headers).get("date", "")
    try:
        moment = parsedate_to_datetime(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return round((moment - datetime.fromtimestamp(now, UTC)).total_seconds(), 6)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
