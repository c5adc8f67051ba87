"""The TLS handshake that two probes make, and what it means when it fails (RFC 8446)."""

from __future__ import annotations

import contextlib
import socket
import ssl
from typing import TYPE_CHECKING

from cube_acceptance.evidence import Trouble
from cube_acceptance.probes.net import alerts, http1
from cube_acceptance.probes.net.errors import ReachError
from cube_acceptance.text.foreign import one_line

if TYPE_CHECKING:
    from cube_acceptance.probes.net.deadline import Deadline

RECORD_TYPES = range(20, 25)
"""Change cipher spec, alert, handshake, application data (RFC 8446 section 5.1), heartbeat."""
RECORD_LIMIT = 2**14 + 2048
"""Bytes that a record may hold at most (RFC 5246 section 6.2.3)."""
HEADER = 5
"""Bytes of a record's header: type, version, length."""

CIPHERS = "DEFAULT:@SECLEVEL=2"
"""OpenSSL's own choice, and its level since 3.2 and Python's since 3.10: 112 bits and more."""


class HandshakeError(ReachError):
    """A handshake that did not come about; carries what the peer said in it as well."""

    def __init__(self, trouble: Trouble, heard: alerts.Heard) -> None:
        """Keep what the wire showed."""
        super().__init__(trouble)
        self.heard = heard


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
    alerts.overhear(context)
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
    deadline: Deadline,
) -> ssl.SSLSocket:
    """Make a connection secure; ``wire`` is a second handle to it that can be asked for errors.

    Without a ``name`` none is sent: an address is none (RFC 6066 section 3).

    Raises:
        SSLCertVerificationError: the certificate is not believed.
        HandshakeError: silence, a refusal, or something that is no TLS; phase ``tls``.
    """
    heard = alerts.Heard()
    with contextlib.ExitStack() as undone:
        try:
            secure = context.wrap_socket(
                plain,
                server_hostname=name,
                suppress_ragged_eofs=False,
                do_handshake_on_connect=False,
            )
            undone.enter_context(secure)
            heard = alerts.heard_by(secure)
            _begin(secure, wire, deadline)
            _finish(secure, deadline)
        except ssl.SSLCertVerificationError:
            raise
        except ssl.SSLError as error:
            raise HandshakeError(tls_trouble(error, heard, wire), heard) from error
        except OSError as error:
            raise HandshakeError(http1.cut_off(wire, error, "tls"), heard) from error
        undone.pop_all()
        return secure


def _begin(secure: ssl.SSLSocket, wire: socket.socket, deadline: Deadline) -> None:
    """Send the greeting and look at how the answer begins, without taking it from OpenSSL.

    Where the answer has come already, OpenSSL has taken it, and there may be nothing more to come.
    """
    heard = alerts.heard_by(secure)
    secure.settimeout(0.0)
    try:
        secure.do_handshake()
    except (ssl.SSLWantReadError, ssl.SSLWantWriteError, TimeoutError):
        heard.first = heard.first or deadline.receive(wire, HEADER, socket.MSG_PEEK)


def _finish(secure: ssl.SSLSocket, deadline: Deadline) -> None:
    """Go on with a handshake until the time is over, also where this program was stopped in it."""
    while True:
        secure.settimeout(deadline.timeout())
        try:
            secure.do_handshake()
        except TimeoutError:
            if not deadline.left():
                raise
        else:
            return


def tls_trouble(error: ssl.SSLError, heard: alerts.Heard, wire: socket.socket) -> Trouble:
    """Describe a failed handshake: no TLS where nothing like a record came, else a refusal."""
    if heard.first and not begins_record(heard.first):
        detail = one_line(f"no TLS: {heard.first.decode('latin-1')}", 200)
        return Trouble(kind="malformed", phase="tls", detail=detail)
    return alerts.ended(error, heard, "tls", wire)


def begins_record(data: bytes) -> bool:
    """Whether a record can begin with these bytes (RFC 8446 section 5.1)."""
    kind, version, length = data[0], data[1:2], data[3:HEADER]
    return (
        kind in RECORD_TYPES
        and version in {b"", b"\x03"}
        and not (len(length) > 1 and int.from_bytes(length, "big") > RECORD_LIMIT)
    )
