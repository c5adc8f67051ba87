"""One bounded GET over a connected socket: the HTTP that two probes share (RFC 9110, RFC 9112).

Everything that comes is hostile: the whole exchange has one deadline, however slowly the peer
drips, and header and body have a limit in bytes, however much it sends.
"""

from __future__ import annotations

import html
import http.client
import io
import re
import ssl
import zlib
from typing import TYPE_CHECKING

from cube_acceptance import __version__
from cube_acceptance.evidence import RAW_LIMIT, HttpReply, Trouble
from cube_acceptance.probes.link import ReachError, trouble

if TYPE_CHECKING:
    import socket

    from cube_acceptance.probes.link import Stopwatch

BODY_LIMIT = 1024 * 1024
"""Bytes of body that are read."""
HEADER_LIMIT = 64 * 1024
"""Bytes of status line and header fields that are read."""
FIELD_LIMIT = 64
VALUE_LIMIT = 1024
TITLE_LIMIT = 200
INTERIM_LIMIT = 8
"""Interim (1xx) responses that are passed over."""
CHUNK = 16 * 1024

TITLE_ROOM = 2000
"""Characters in which the end of a title is looked for."""

_TITLE = re.compile(r"<title\b[^>]{0,200}>", re.IGNORECASE)
_TITLE_END = re.compile("</title", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")


class _Bounded(io.RawIOBase):
    """A socket's bytes, until the deadline or the limit."""

    def __init__(self, sock: socket.socket, watch: Stopwatch, limit_s: float) -> None:
        self._sock = sock
        self._watch = watch
        self._limit_s = limit_s
        self.budget = HEADER_LIMIT + BODY_LIMIT

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
        left = self._watch.left(self._limit_s)
        if left <= 0:
            raise TimeoutError("the time for the whole exchange is over")
        if self.budget <= 0:
            raise http.client.HTTPException("more than the limit in bytes")
        self._sock.settimeout(left)
        received = self._sock.recv_into(buffer, min(len(buffer), self.budget))
        self.budget -= received
        return received


class _Shared(io.BufferedReader):
    """A reader that stays open when one of the responses that share it is let go."""

    def close(self) -> None:
        """Leave it to the socket's owner."""


class _Channel:
    """What http.client wants of a socket: a file to read from."""

    def __init__(self, file: io.BufferedReader) -> None:
        self._file = file

    def makefile(self, _mode: str) -> io.BufferedReader:
        return self._file


def printable(text: str, limit: int) -> str:
    """Make network text fit to be kept: one line, bounded, no control characters."""
    plain = text[: limit * 2].encode("utf-8", errors="replace").decode()  # no lone surrogates
    return _CONTROL.sub(" ", plain).strip()[:limit]


def request(host: str, target: str = "/") -> bytes:
    """Write the request; ``identity``, so that nothing has to be unpacked."""
    return (
        f"GET {target} HTTP/1.1\r\nHost: {host}\r\n"
        f"User-Agent: cube-acceptance/{__version__}\r\n"
        "Accept: text/html, */*;q=0.5\r\nAccept-Encoding: identity\r\nConnection: close\r\n\r\n"
    ).encode("ascii")


def fetch(  # noqa: PLR0913 - where, what, and within which time
    sock: socket.socket, *, url: str, host: str, target: str, watch: Stopwatch, limit_s: float
) -> tuple[HttpReply, bytes]:
    """Exchange one GET for one response; the body comes beside it, unpacked and bounded.

    Raises:
        ReachError: silence, a reset, or bytes that are no HTTP; phase ``http``.
    """
    try:
        sock.settimeout(max(watch.left(limit_s), 0.001))
        sock.sendall(request(host, target))
        return _read(sock, url, watch, limit_s)
    except http.client.RemoteDisconnected as error:
        closed = Trouble(kind="no-answer", phase="http", detail="closed without a response")
        raise ReachError(closed) from error
    except ssl.SSLEOFError as error:
        broken = Trouble(kind="refused", phase="http", detail="broken off inside TLS")
        raise ReachError(broken) from error
    except (http.client.HTTPException, ValueError) as error:
        detail = printable(f"{type(error).__name__}: {error}", 200)
        raise ReachError(Trouble(kind="malformed", phase="http", detail=detail)) from error
    except OSError as error:
        raise ReachError(trouble(sock, error, "http")) from error


def _read(
    sock: socket.socket, url: str, watch: Stopwatch, limit_s: float
) -> tuple[HttpReply, bytes]:
    source = _Bounded(sock, watch, limit_s)
    source.budget = HEADER_LIMIT
    file = _Shared(source, CHUNK)
    response = _begin(file, source)
    source.budget = BODY_LIMIT
    body, complete = _body(response)
    fields = tuple(
        (printable(name.lower(), 100), printable(value, VALUE_LIMIT))
        for name, value in response.getheaders()[:FIELD_LIMIT]
    )
    text = _unpacked(body, dict(fields).get("content-encoding", ""))
    reply = HttpReply(
        url=url,
        status=response.status,
        reason=printable(response.reason, 100),
        headers=fields,
        title=title_of(text, dict(fields).get("content-type", "")),
        size=len(body),
        excerpt=body[:RAW_LIMIT],
        complete=complete,
    )
    return reply, text


def _begin(file: _Shared, source: _Bounded) -> http.client.HTTPResponse:
    for _ in range(INTERIM_LIMIT):
        source.budget = HEADER_LIMIT
        response = http.client.HTTPResponse(_Channel(file), method="GET")  # type: ignore[arg-type]
        response.begin()
        if response.status >= 200:  # noqa: PLR2004 - the first final status
            return response
    raise http.client.BadStatusLine("interim responses without end")


def _body(response: http.client.HTTPResponse) -> tuple[bytes, bool]:
    """Read the body as far as it comes; the status line alone proves the path."""
    body = bytearray()
    try:
        while len(body) < BODY_LIMIT:
            piece = response.read1(min(CHUNK, BODY_LIMIT - len(body)))
            if not piece:
                return bytes(body), True
            body += piece
    except (OSError, http.client.HTTPException, ValueError):
        pass
    return bytes(body), False


def _unpacked(body: bytes, encoding: str) -> bytes:
    """Unpack what was packed although we asked not to, as far as the limit."""
    if encoding.lower() not in {"gzip", "x-gzip", "deflate"}:
        return body
    try:
        return zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(body, BODY_LIMIT)
    except zlib.error:
        return body


def decoded(body: bytes, content_type: str) -> str:
    """Decode a body by the charset that its type names, else as UTF-8."""
    named = re.search(r"charset=[\"']?([\w.:-]{1,40})", content_type, re.IGNORECASE)
    try:
        return body.decode(named[1] if named else "utf-8", errors="replace")
    except (LookupError, UnicodeError):
        return body.decode("utf-8", errors="replace")


def title_of(body: bytes, content_type: str) -> str:
    """Give the text of a page's title element; empty where there is none."""
    found = _TITLE.search(decoded(body, content_type))
    if found is None:
        return ""
    rest = found.string[found.end() : found.end() + TITLE_ROOM]
    return printable(html.unescape(_TITLE_END.split(rest, maxsplit=1)[0]), TITLE_LIMIT)
