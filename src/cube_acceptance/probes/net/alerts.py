"""What a TLS peer said besides data: its alerts by name, and whether it asked who we are.

Python's ssl tells of both in OpenSSL's words only, which differ from release to release, or not at
all. OpenSSL calls back for every message of the protocol; that shows them by their numbers.
"""

from __future__ import annotations

import errno
import socket
import ssl
from functools import cached_property
from typing import Any

from cube_acceptance.evidence import Trouble
from cube_acceptance.text.foreign import one_line

ALERTS = {
    10: "unexpected_message",
    20: "bad_record_mac",
    21: "decryption_failed",
    22: "record_overflow",
    30: "decompression_failure",
    40: "handshake_failure",
    41: "no_certificate",
    42: "bad_certificate",
    43: "unsupported_certificate",
    44: "certificate_revoked",
    45: "certificate_expired",
    46: "certificate_unknown",
    47: "illegal_parameter",
    48: "unknown_ca",
    49: "access_denied",
    50: "decode_error",
    51: "decrypt_error",
    60: "export_restriction",
    70: "protocol_version",
    71: "insufficient_security",
    80: "internal_error",
    86: "inappropriate_fallback",
    90: "user_canceled",
    100: "no_renegotiation",
    109: "missing_extension",
    110: "unsupported_extension",
    111: "certificate_unobtainable",
    112: "unrecognized_name",
    113: "bad_certificate_status_response",
    114: "bad_certificate_hash_value",
    115: "unknown_psk_identity",
    116: "certificate_required",
    120: "no_application_protocol",
    121: "ech_required",
}
"""The alerts that end a connection, as IANA's registry of TLS parameters names them."""

ALERT, HANDSHAKE, HEADER = 21, 22, 256
"""Content types (RFC 8446 section 5.1), and OpenSSL's own for the header of any record."""
FATAL = 2
CERTIFICATE, CERTIFICATE_REQUEST, CLIENT_KEY_EXCHANGE = 11, 13, 16
"""Handshake messages (RFC 8446 section 4, RFC 5246 section 7.4)."""
TLS12_CERTIFICATE_AT = 10
"""Bytes before the first certificate in a TLS 1.2 message: type, three lengths of three bytes."""


TCP_CLOSE, TCP_CLOSE_WAIT = 7, 8
"""After a reset nothing is left of a connection; after a farewell its other half is."""


class Heard:
    """What came over one connection."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.first = b""
        """The first bytes that came, as many as a record's header has."""
        self.alert = ""
        """The name of the alert that ended the connection."""
        self.certificate_asked = False
        """The peer asked for a certificate of the client."""
        self.believed = False
        """In TLS 1.2: our side went on after the peer's certificate, so it had no objection."""
        self.certificate = b""
        """In TLS 1.2: the peer's own certificate (DER)."""

    def note(self, direction: str, content_type: int, data: bytes) -> None:
        """Take down one message of the protocol."""
        kind = data[0] if content_type == HANDSHAKE and data else None
        if direction == "write":
            self.believed = self.believed or kind == CLIENT_KEY_EXCHANGE
        elif content_type == HEADER:
            self.first = self.first or data
        elif content_type == ALERT and data[:1] == bytes([FATAL]) and len(data) > 1:
            self.alert = ALERTS.get(data[1], f"alert {data[1]}")
        elif kind == CERTIFICATE_REQUEST:
            self.certificate_asked = True
        elif kind == CERTIFICATE:
            size = int.from_bytes(data[TLS12_CERTIFICATE_AT - 3 : TLS12_CERTIFICATE_AT], "big")
            self.certificate = data[TLS12_CERTIFICATE_AT:][:size]


class Overheard(ssl.SSLSocket):
    """A TLS socket that keeps what its peer says besides data."""

    @cached_property
    def heard(self) -> Heard:
        """What came so far."""
        return Heard()

    def getpeername(self) -> Any:  # noqa: ANN401 - as in ssl
        """Ask first whether the connection still stands; ssl would leave the socket open."""
        try:
            return super().getpeername()
        except OSError as error:
            self.close()
            raise ConnectionResetError(errno.ECONNRESET, "reset before TLS") from error


def overhear(context: ssl.SSLContext) -> None:
    """Let every connection of a context keep what its peer says.

    The callback has no public name, but is as old as Python 3.8; where it should be missing one
    day, alerts are told in OpenSSL's words.
    """
    context.sslsocket_class = Overheard
    context._msg_callback = _note  # type: ignore[attr-defined]  # noqa: SLF001 - see above


def _note(
    connection: ssl.SSLSocket,
    direction: str,
    _version: int,
    content_type: int,
    _message: int,
    data: bytes,
) -> None:
    if isinstance(connection, Overheard):
        connection.heard.note(direction, content_type, data)


def heard_by(sock: object) -> Heard:
    """What came over a connection; nothing where it is none of TLS."""
    return sock.heard if isinstance(sock, Overheard) else Heard()


def ended(error: ssl.SSLError, heard: Heard, phase: str, wire: socket.socket) -> Trouble:
    """Describe what ended TLS: an alert by its name, the end of the connection, or OpenSSL's word.

    The error's number is OpenSSL's own and must not be taken for one of the operating system's.
    Python says of a reset, too, that the connection came to its end: ``wire`` knows better.
    """
    if heard.alert:
        sign = f"TLS alert: {heard.alert}"
    elif isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        sign = end_of(wire)
    else:
        sign = f"TLS: {reason(error)}"
    return Trouble(kind="refused", phase=phase, detail=reason(error), sign=sign)


def end_of(wire: socket.socket) -> str:
    """How a connection ended, by the state that Linux keeps it in (linux/tcp_states.h)."""
    try:
        state = wire.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
    except (OSError, AttributeError, IndexError):  # closed, or not Linux
        state = 0
    return {TCP_CLOSE: "TCP RST", TCP_CLOSE_WAIT: "TCP FIN"}.get(state, "TCP FIN/RST")


def reason(error: ssl.SSLError) -> str:
    """OpenSSL's word for what went wrong, else Python's without its source line."""
    words: str = getattr(error, "reason", None) or str(error)
    return one_line(words.partition(" (_ssl.c:")[0], 200)
