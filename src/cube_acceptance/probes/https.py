"""Reach a cloud host: TCP, TLS with the name, one GET (RFC 8446, RFC 6066 section 3, RFC 9110).

Trust comes from the bundled public authorities or the site file's own, loaded explicitly:
neither the computer's store nor an environment variable has a say.
"""

from __future__ import annotations

import contextlib
import hashlib
import ssl
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import TYPE_CHECKING

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
    timestamp,
)
from cube_acceptance.probes import web
from cube_acceptance.probes.link import ReachError, Stopwatch, measured, open_tcp, trouble

if TYPE_CHECKING:
    import socket

    from cube_acceptance.evidence import HttpReply, Vantage

ADDRESS_LIMIT = 3
CONNECT_LIMIT_S = 4.0
"""Long enough for two repetitions of a lost SYN, at 1 s and 3 s (RFC 6298)."""
STAGGER_S = 1.0
"""After which time the next address is tried as well (RFC 8305 section 5, more patiently)."""
TLS_LIMIT_S = 5.0
HTTP_LIMIT_S = 10.0
NAME_LIMIT = 32
TEXT_LIMIT = 300


@lru_cache(maxsize=4)
def trusting(ca_pem: str) -> ssl.SSLContext:
    """Make a context that trusts these authorities and no other; the public ones for ``""``."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca_pem:
        context.load_verify_locations(cadata=ca_pem)
    else:
        context.load_verify_locations(cafile=certifi.where())
    return context


def looking() -> ssl.SSLContext:
    """Make a context that believes anything, only to read who the peer says it is."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
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
    tls_limit_s: float = TLS_LIMIT_S
    http_limit_s: float = HTTP_LIMIT_S

    @property
    def key(self) -> str:
        """``https/<host>``."""
        return f"https/{self.host}"

    def run(self) -> HttpsObserved | CannotMeasure:
        """Try the addresses one after the other until one of them talks TLS."""
        return measured(self._measure)

    def _measure(self, watch: Stopwatch) -> HttpsObserved:
        tries: list[Try] = []
        problem = Trouble(kind="no-answer", phase="tcp", detail="no address")
        connected = ""
        for address in self.addresses[: self.address_tries]:
            try:
                return self._talk(watch, tries, address)
            except ReachError as error:
                if not connected:
                    problem = error.trouble
                if error.trouble.phase != "tcp":
                    connected = address
        return self._seen(watch, tries, connected=connected, trouble=problem)

    def _seen(self, watch: Stopwatch, tries: list[Try], **found: object) -> HttpsObserved:
        return HttpsObserved(
            started=watch.started,
            duration_s=watch.elapsed(),
            tries=tuple(tries),
            host=self.host,
            addresses=self.addresses[: self.address_tries],
            **found,  # type: ignore[arg-type]
        )

    def _talk(self, watch: Stopwatch, tries: list[Try], address: str) -> HttpsObserved:
        at_s, to = watch.elapsed(), f"{address}:{self.port}"
        try:
            with contextlib.closing(
                open_tcp(self.vantage, address, self.port, self.connect_limit_s)
            ) as plain:
                return self._secure(watch, tries, plain, address, at_s)
        except ReachError as error:
            kind = error.trouble.kind
            result = "silence" if kind == "no-answer" else kind
            tries.append(Try(at_s=at_s, to=to, result=result, detail=error.trouble.detail))
            raise

    def _secure(
        self,
        watch: Stopwatch,
        tries: list[Try],
        plain: socket.socket,
        address: str,
        at_s: float,
    ) -> HttpsObserved:
        to = f"{address}:{self.port}"
        try:
            secure = self._handshake(plain, trusting(self.ca_pem))
        except ssl.SSLCertVerificationError as error:
            tries.append(Try(at_s=at_s, to=to, result="untrusted", source=to))
            verdict = VerifyError(
                code=error.verify_code, message=web.printable(error.verify_message, 200)
            )
            leaf = self._look(address)
            return self._seen(watch, tries, connected=address, tls=leaf, verify_error=verdict)
        with contextlib.closing(secure):
            session = session_of(secure)
            sent, began = time.time(), time.monotonic()
            fresh = Stopwatch()
            try:
                reply, _ = web.fetch(
                    secure,
                    url=f"https://{self.host}/",
                    host=self.host,
                    target="/",
                    watch=fresh,
                    limit_s=self.http_limit_s,
                )
            except ReachError as error:
                kind = error.trouble.kind
                tries.append(Try(at_s=at_s, to=to, result=kind, detail=error.trouble.detail))
                return self._seen(
                    watch, tries, connected=address, tls=session, trouble=error.trouble
                )
            half = (time.monotonic() - began) / 2
        tries.append(Try(at_s=at_s, to=to, result="answer", source=to))
        return self._seen(
            watch,
            tries,
            connected=address,
            tls=session,
            reply=reply,
            date_offset_s=date_offset(reply, sent + half),
            date_uncertainty_s=round(half, 6),
        )

    def _handshake(self, plain: socket.socket, context: ssl.SSLContext) -> ssl.SSLSocket:
        plain.settimeout(self.tls_limit_s)
        try:
            return context.wrap_socket(plain, server_hostname=self.host, suppress_ragged_eofs=False)
        except ssl.SSLCertVerificationError:
            raise
        except ssl.SSLError as error:
            raise ReachError(tls_trouble(error)) from error
        except OSError as error:
            raise ReachError(trouble(plain, error, "tls")) from error

    def _look(self, address: str) -> TlsSession | None:
        """Connect once more without belief, to see whose certificate it is."""
        try:
            with (
                contextlib.closing(
                    open_tcp(self.vantage, address, self.port, self.connect_limit_s)
                ) as plain,
                contextlib.closing(self._handshake(plain, looking())) as secure,
            ):
                return session_of(secure)
        except (ReachError, OSError):
            return None


def tls_trouble(error: ssl.SSLError) -> Trouble:
    """Say what a failed handshake was: silence, a refusal, or no TLS at all."""
    reason = web.printable(getattr(error, "reason", None) or str(error), 200)
    if isinstance(error, TimeoutError) or "timed out" in str(error):
        return Trouble(kind="no-answer", phase="tls", detail=reason)
    foreign = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "BAD_RECORD_TYPE")
    if any(word in reason.upper() for word in (*foreign, "PACKET_LENGTH", "UNEXPECTED_MESSAGE")):
        return Trouble(kind="malformed", phase="tls", detail=reason)
    return Trouble(kind="refused", phase="tls", detail=reason)


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
            subject=web.printable(leaf.subject.rfc4514_string(), TEXT_LIMIT),
            issuer=web.printable(leaf.issuer.rfc4514_string(), TEXT_LIMIT),
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
    return tuple(web.printable(name, 255) for name in names[:NAME_LIMIT])


def date_offset(reply: HttpReply, now: float) -> float | None:
    """Give how far the response's ``Date`` is ahead of this computer's clock (RFC 9110 6.6.1)."""
    text = dict(reply.headers).get("date", "")
    try:
        moment = parsedate_to_datetime(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return round((moment - datetime.fromtimestamp(now, UTC)).total_seconds(), 6)
    except (ValueError, TypeError, OverflowError):
        return None
