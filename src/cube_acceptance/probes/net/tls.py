"""The TLS handshake that two probes make, and what it means when it fails (RFC 8446)."""

from __future__ import annotations

import contextlib
import errno
import ssl
from typing import TYPE_CHECKING, Any

from cube_acceptance.evidence import Trouble
from cube_acceptance.probes.net import http1
from cube_acceptance.probes.net.errors import ReachError

if TYPE_CHECKING:
    import socket

    from cube_acceptance.probes.net.deadline import Patience

NO_TLS = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD", "LENGTH", "UNEXPECTED_MESSAGE")
"""In OpenSSL's words for bytes that are no TLS, or no sensible one."""

CIPHERS = "DEFAULT:@SECLEVEL=2"
"""OpenSSL's own choice, and its level since 3.2 and Python's since 3.10: 112 bits and more."""


class _Connected(ssl.SSLSocket):
    """A TLS socket that is closed where the connection was reset before TLS began."""

    def getpeername(self) -> Any:  # noqa: ANN401 - as in ssl
        """Ask first whether the connection still stands; ssl would leave the socket open."""
        try:
            return super().getpeername()
        except OSError as error:
            self.close()
            raise ConnectionResetError(errno.ECONNRESET, "reset before TLS") from error


def client_context() -> ssl.SSLContext:
    """Make a client's context that verifies and trusts nobody yet.

    What this computer's own configuration of OpenSSL lets be spoken, by its administrator's policy
    or its distribution's, says nothing about the network: all that a program can set is set here.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_ciphers(CIPHERS)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.maximum_version = ssl.TLSVersion.MAXIMUM_SUPPORTED
    context.options &= ~(ssl.OP_NO_TLSv1_2 | ssl.OP_NO_TLSv1_3)
    context.sslsocket_class = _Connected
    return context


def unverified_context() -> ssl.SSLContext:
    """Make a context that believes anything, for where it does not matter who the peer is."""
    context = client_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def handshake(
    plain: socket.socket,
    wire: socket.socket,
    context: ssl.SSLContext,
    name: str | None,
    patience: Patience,
) -> ssl.SSLSocket:
    """Make a connection secure; ``wire`` is a second handle to it that can be asked for errors.

    Without a ``name`` none is sent: an address is none (RFC 6066 section 3).

    Raises:
        SSLCertVerificationError: the certificate is not believed.
        ReachError: silence, a refusal, or something that is no TLS; phase ``tls``.
    """
    with contextlib.ExitStack() as undone:
        try:
            secure = context.wrap_socket(
                plain,
                server_hostname=name,
                suppress_ragged_eofs=False,
                do_handshake_on_connect=False,
            )
            undone.enter_context(secure)
            _finish(secure, patience)
        except ssl.SSLCertVerificationError:
            raise
        except ssl.SSLError as error:
            raise ReachError(tls_trouble(error)) from error
        except OSError as error:
            raise ReachError(http1.cut_off(wire, error, "tls")) from error
        undone.pop_all()
        return secure


def _finish(secure: ssl.SSLSocket, patience: Patience) -> None:
    """Go on with a handshake until the time is over, also where this program was stopped in it."""
    while True:
        secure.settimeout(patience.timeout())
        try:
            secure.do_handshake()
        except TimeoutError:
            if not patience.left():
                raise
        else:
            return


def tls_trouble(error: ssl.SSLError) -> Trouble:
    """Say what a failed handshake was: a refusal, or no TLS at all.

    The peer's alerts, an early farewell and TLS before 1.2 are refusals: TLS was spoken, or at
    least nothing else. OpenSSL's words for an alert begin with the version that defined it.
    """
    reason = http1.tls_reason(error)
    alert = reason.startswith(("TLSV1_", "TLSV13_", "SSLV3_ALERT_"))
    if not alert and any(word in reason for word in NO_TLS):
        return Trouble(kind="malformed", phase="tls", detail=reason)
    return Trouble(kind="refused", phase="tls", detail=reason)
