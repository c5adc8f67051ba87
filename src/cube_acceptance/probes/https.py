"""Reach a cloud host: TCP, TLS with the name, one GET (RFC 8446, RFC 6066 section 3, RFC 9110).

Trust comes from the bundled public authorities or the site file's own, loaded explicitly:
neither the computer's store nor an environment variable has a say.
"""

from __future__ import annotations

import contextlib
import hashlib
import ssl
import time
from collections import deque
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import certifi
import msgspec
from cryptography import x509

from cube_acceptance.evidence import (
    CannotMeasure,
    HttpsObserved,
    TlsSession,
    Trouble,
    Try,
    VerifyError,
    clock_s,
    timestamp,
)
from cube_acceptance.probes.net import http1, tls
from cube_acceptance.probes.net.deadline import Patience
from cube_acceptance.probes.net.errors import CannotAskError, ReachError
from cube_acceptance.probes.net.measuring import Stopwatch, measured
from cube_acceptance.probes.net.sockets import open_tcp
from cube_acceptance.text.foreign import one_line

if TYPE_CHECKING:
    import socket
    from collections.abc import Generator
    from concurrent.futures import Future

    from cube_acceptance.evidence import HttpReply, Vantage

ADDRESS_LIMIT = 3
CONNECT_LIMIT_S = 4.0
"""Long enough for two repetitions of a lost SYN, at 1 s and 3 s (RFC 6298)."""
STAGGER_S = 0.5
"""After which time the next address is tried as well (RFC 8305 section 5, more patiently)."""
TLS_LIMIT_S = 5.0
LIMIT_S = 9.5
"""For everything together: below the 10 s that a site without DHCP takes anyway."""
TLS_SHARE = 2 / 3
"""Of what is left of that, while there are further addresses to be tried."""
CLOCK_CODES = frozenset({9, 10})
"""OpenSSL's objections, not yet valid and expired, for which a wrong clock may be to blame."""
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
    """One cloud host at the addresses that the site's DNS servers gave for it."""

    vantage: Vantage
    host: str
    addresses: tuple[str, ...]
    port: int = 443
    ca_pem: str = ""
    address_tries: int = ADDRESS_LIMIT
    connect_limit_s: float = CONNECT_LIMIT_S
    stagger_s: float = STAGGER_S
    tls_limit_s: float = TLS_LIMIT_S
    limit_s: float = LIMIT_S

    @property
    def key(self) -> str:
        """``https/<host>``."""
        return f"https/{self.host}"

    def run(self) -> HttpsObserved | CannotMeasure:
        """Try the addresses, a little after one another, until one of them answers over TLS.

        A certificate that is not believed ends the search: what some connections meet, the
        CUBE's will meet as well.
        """
        return measured(self._measure, self.vantage)

    def _measure(self, watch: Stopwatch) -> HttpsObserved:
        course = _Course(watch, Patience(self.limit_s))
        seen: HttpsObserved | None = None
        with contextlib.closing(self._connections(course)) as connections:
            for address, at_s, plain in connections:
                try:
                    with plain:
                        found = self._secure(course, plain, address, at_s)
                except ReachError as error:
                    course.failed(address, self._to(address), at_s, error.trouble)
                    continue
                if not found.trouble:
                    seen = found
                    break
                seen = seen or found
        if course.obstacle and (seen is None or seen.trouble):
            raise course.obstacle
        seen = seen or self._seen(watch, connected=course.connected, trouble=course.problem)
        tries = sorted(course.tries, key=lambda one: one.at_s)
        return msgspec.structs.replace(seen, tries=tuple(tries), duration_s=watch.elapsed())

    def _seen(self, watch: Stopwatch, **found: Any) -> HttpsObserved:  # noqa: ANN401 - any of its fields
        return HttpsObserved(
            started=watch.started,
            duration_s=watch.elapsed(),
            host=self.host,
            addresses=self.addresses[: self.address_tries],
            **found,
        )

    def _to(self, address: str) -> str:
        return f"{address}:{self.port}"

    def _connections(
        self, course: _Course
    ) -> Generator[tuple[str, float, socket.socket], None, None]:
        """Give the connections as they come about; the next address waits for a while.

        On closing, what is still under way is awaited, so that every try has its result.
        """
        waiting = deque(self.addresses[: self.address_tries])
        running: dict[Future[socket.socket], tuple[str, float]] = {}
        with ThreadPoolExecutor(max(len(waiting), 1)) as pool:
            try:
                while running or (waiting and course.patience.left()):
                    if waiting:
                        address = waiting.popleft()
                        limit_s = Patience(self.connect_limit_s, course.patience).timeout()
                        attempt = pool.submit(
                            open_tcp, self.vantage, address, self.port, limit_s, "tls"
                        )
                        running[attempt] = address, course.watch.elapsed()
                    patience = self.stagger_s if waiting else None
                    ended = wait(running, patience, FIRST_COMPLETED).done
                    for done in sorted(ended, key=lambda one: running[one][1]):
                        address, at_s = running.pop(done)
                        if plain := self._result(course, done, address, at_s):
                            yield address, at_s, plain
            finally:
                for attempt, (address, at_s) in running.items():
                    if spare := self._result(course, attempt, address, at_s):
                        spare.close()
                        course.spared(self._to(address), at_s)

    def _result(
        self, course: _Course, attempt: Future[socket.socket], address: str, at_s: float
    ) -> socket.socket | None:
        try:
            return attempt.result()
        except ReachError as error:
            course.failed(address, self._to(address), at_s, error.trouble)
        except CannotAskError as obstacle:
            course.obstacle = obstacle
        return None

    def _secure(
        self, course: _Course, plain: socket.socket, address: str, at_s: float
    ) -> HttpsObserved:
        watch, to = course.watch, self._to(address)
        with contextlib.closing(plain.dup()) as wire:
            limit = self._handshake_limit(course)
            try:
                secure = tls.handshake(plain, wire, trusting(self.ca_pem), self.host, limit)
            except ssl.SSLCertVerificationError as error:
                course.tries.append(Try(at_s=at_s, to=to, result="untrusted", source=to))
                verdict = VerifyError(
                    code=error.verify_code, message=one_line(error.verify_message, 200)
                )
                found = self._look(course.patience, address, asking=verdict.code in CLOCK_CODES)
                return self._seen(watch, connected=address, verify_error=verdict, **found)
            with contextlib.closing(secure):
                return self._ask(course, secure, wire, address, at_s)

    def _ask(
        self,
        course: _Course,
        secure: ssl.SSLSocket,
        wire: socket.socket,
        address: str,
        at_s: float,
    ) -> HttpsObserved:
        watch, to = course.watch, self._to(address)
        session = session_of(secure)
        sent, began = clock_s(), time.monotonic()
        try:
            reply, _ = self._get(secure, wire, course.patience)
        except ReachError as error:
            course.failed(address, to, at_s, error.trouble)
            return self._seen(watch, connected=address, tls=session, trouble=error.trouble)
        half = (time.monotonic() - began) / 2
        course.tries.append(Try(at_s=at_s, to=to, result="answer", source=to))
        return self._seen(
            watch,
            connected=address,
            tls=session,
            reply=reply,
            date_offset_s=date_offset(reply, sent + half),
            date_uncertainty_s=round(half, 6),
        )

    def _handshake_limit(self, course: _Course) -> Patience:
        """Limit a handshake so that an address that keeps silent leaves time for the next one."""
        others = len(self.addresses[: self.address_tries]) - len(course.tries) - 1
        share_s = course.patience.left() * (TLS_SHARE if others else 1)
        return Patience(min(self.tls_limit_s, share_s))

    def _look(self, patience: Patience, address: str, *, asking: bool) -> dict[str, Any]:
        """Connect once more without belief, to see whose certificate it is.

        Where ``asking``, what time it is there is asked as well: nobody vouches for the answer,
        but it may show that this computer's clock is in doubt.
        """
        found: dict[str, Any] = {}
        limit_s = Patience(self.connect_limit_s, patience).timeout()
        patience = Patience(self.tls_limit_s, patience)
        with (
            contextlib.suppress(ReachError, CannotAskError, OSError),
            open_tcp(self.vantage, address, self.port, limit_s) as plain,
            contextlib.closing(plain.dup()) as wire,
            tls.handshake(plain, wire, tls.unverified_context(), self.host, patience) as secure,
        ):
            found["tls"] = session_of(secure)
            if asking:
                reply, _ = self._get(secure, wire, patience)
                found["claimed_offset_s"] = date_offset(reply, clock_s())
        return found

    def _get(
        self, secure: ssl.SSLSocket, wire: socket.socket, patience: Patience
    ) -> tuple[HttpReply, bytes]:
        return http1.fetch(
            secure,
            url=f"https://{self.host}/",
            host=self.host,
            target="/",
            patience=patience,
            wire=wire,
            status_suffices=True,
        )


class _Course:
    """What has come of the addresses so far."""

    def __init__(self, watch: Stopwatch, patience: Patience) -> None:
        self.watch = watch
        self.patience = patience
        self.tries: list[Try] = []
        self.problem = Trouble(kind="no-answer", phase="tcp", detail="no address")
        self.connected = ""
        """The first address that accepted a connection and got no further."""
        self.obstacle: CannotAskError | None = None

    def failed(self, address: str, to: str, at_s: float, problem: Trouble) -> None:
        """Keep a try; the first trouble tells, unless a later address came further."""
        further = problem.phase != "tcp"
        if not self.tries or (further and not self.connected):
            self.problem = problem
        if further:
            self.connected = self.connected or address
        result = "silence" if problem.kind == "no-answer" else problem.kind
        self.tries.append(Try(at_s=at_s, to=to, result=result, detail=problem.detail))

    def spared(self, to: str, at_s: float) -> None:
        """Keep a connection that came about after another had done."""
        detail = "not needed any more"
        self.tries.append(Try(at_s=at_s, to=to, result="connected", source=to, detail=detail))


def session_of(secure: ssl.SSLSocket) -> TlsSession:
    """Read the session and the server's certificate; what cannot be read is left empty."""
    cipher = secure.cipher()
    der = secure.getpeercert(binary_form=True) or b""
    session = TlsSession(
        version=secure.version() or "",
        cipher=cipher[0] if cipher else "",
        sha256=hashlib.sha256(der).hexdigest(),
    )
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
    """Give how far the response's ``Date`` is ahead of this computer's clock (RFC 9110 6.6.1)."""
    text = dict(reply.headers).get("date", "")
    try:
        moment = parsedate_to_datetime(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return round((moment - datetime.fromtimestamp(now, UTC)).total_seconds(), 6)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
