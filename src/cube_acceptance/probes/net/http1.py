"""One bounded GET over a connected socket: the HTTP that two probes share (RFC 9110, RFC 9112).

Everything that comes is hostile: the whole exchange has one deadline, however slowly the peer
drips, and header and body have a limit in bytes, however much it sends. The standard library's
client is not used: it hands header fields to a mail parser, which decodes them by codecs that
the peer chooses.
"""

from __future__ import annotations

import contextlib
import html
import re
import ssl
import zlib
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

import msgspec

from cube_acceptance import __version__
from cube_acceptance.evidence import RAW_LIMIT, HttpReply, Trouble
from cube_acceptance.probes.net import alerts
from cube_acceptance.probes.net.deadline import Deadline
from cube_acceptance.probes.net.errors import ReachError, trouble
from cube_acceptance.probes.net.together import alone
from cube_acceptance.text.foreign import one_line

if TYPE_CHECKING:
    import socket

    from cube_acceptance.probes.net.together import Steps

BODY_LIMIT = 1024 * 1024
"""Bytes of body that are read."""
HEADER_LIMIT = 64 * 1024
"""Bytes of one response's status line and header fields that are read."""
FIELD_LIMIT = 64
VALUE_LIMIT = 1024
TITLE_LIMIT = 200
FINAL = 200
"""The first status that is no interim one (RFC 9110 section 15)."""
INTERIM_LIMIT = 8
"""Interim (1xx) responses that are passed over."""
REDIRECTS = frozenset({301, 302, 303, 307, 308})
"""The statuses whose ``Location`` a browser follows (RFC 9110 section 15.4)."""
READ = (
    *("location", "set-cookie", "date", "content-type", "refresh", "retry-after"),
    *("server", "via", "x-squid-error"),
)
"""The fields that somebody reads; they are kept, however many others there are."""
CHUNK = 16 * 1024

TITLE_ROOM = 2000
"""Characters in which the end of a title is looked for."""
META_ROOM = 1024
"""Bytes in which a page has to name its charset, as the HTML standard asks."""

CHARSETS = {
    "utf-8": "utf-8",
    "utf8": "utf-8",
    "us-ascii": "cp1252",
    "iso-8859-1": "cp1252",
    "latin1": "cp1252",
    "windows-1252": "cp1252",
    "cp1252": "cp1252",
    "iso-8859-15": "iso-8859-15",
    "utf-16": "utf-16",
    "utf-16le": "utf-16-le",
    "utf-16be": "utf-16-be",
}
"""The charsets that a page may name, read as browsers read them.

The peer does not choose among all of Python's codecs: some take time that grows with the square
of the length, some warn, and some yield halves of characters that no JSON can hold.
"""

MARKS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
"""Byte order marks, which count for more than any name."""

CLOSED_UNANSWERED = Trouble(
    kind="no-answer", phase="http", detail="closed without a response", sign="TCP FIN"
)

HTTP2 = "HTTP/2"
"""The sign of a peer that speaks HTTP/2, which it was not asked for."""

_STATUS_LINE = re.compile(rb"HTTP/1\.[0-9][ \t]+([1-9][0-9]{2})(?:[ \t]+(.*))?[ \t]*", re.DOTALL)
_FIRST_FRAME = re.compile(rb"\x00..(?:\x04[\x00\x01]|\x07.)[\x00\x80]\x00{3}", re.DOTALL)
"""SETTINGS or GOAWAY, of the connection as a whole (RFC 9113 sections 4.1, 6.5 and 6.8)."""
_CHUNK_SIZE = re.compile(rb"[ \t]*([0-9A-Fa-f]{1,8})[ \t]*(?:;.*)?", re.DOTALL)
_CHARSET = re.compile(r"charset\s*=\s*[\"']?([\w.:-]{1,40})", re.IGNORECASE)
_URL_SIGNS = "!#$%&'()*+,/:;=?@[]~"
"""Signs that stand in an address as they are (RFC 3986 section 2)."""
_META = re.compile(r"<meta\b[^>]{0,400}?charset\s*=\s*[\"']?([\w.:-]{1,40})", re.IGNORECASE)
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_TITLE = re.compile(r"<title\b[^>]{0,200}>", re.IGNORECASE)
_TITLE_END = re.compile("</title", re.IGNORECASE)


PADDING = "full-size packets have to get through as well. "
"""What a request is made heavy with."""
PADDING_FIELD = 500
"""Bytes of it in one field."""
BODY_WAIT_S = 5.0
"""How long a body is waited for where the status line has said all that matters."""


class MalformedError(Exception):
    """What came is not HTTP/1, or breaks off."""


class TooMuchError(MalformedError):
    """More came than is read."""


class OtherVersionError(MalformedError):
    """What came is HTTP/2."""


class Question(NamedTuple):
    """What is asked for, and how."""

    url: str
    host: str
    """The ``Host`` field (RFC 9110 section 7.2)."""
    target: str = "/"
    cookie: str = ""
    weight: int = 0
    """Bytes that the header is made heavier by."""
    status_suffices: bool = False
    """Whatever follows the status line may break off or be late: there is a response."""


class _Head(NamedTuple):
    """Status line and header fields."""

    status: int
    reason: bytes
    fields: list[tuple[str, bytes]]
    whole: bool = True
    """The header came to its end."""

    def all(self, name: str) -> list[str]:
        """Return the members of every field of this name, in lower case (RFC 9110 section 5.3)."""
        values = [value.decode("latin-1") for key, value in self.fields if key == name]
        return [member.strip().lower() for member in ",".join(values).split(",") if member.strip()]


class _Stream:
    """A connection's bytes, until the deadline or the limit; each reading may take steps."""

    def __init__(self, sock: socket.socket, deadline: Deadline) -> None:
        self._sock = sock
        self._deadline = deadline
        self._buffer = bytearray()
        self._budget = 0
        self.heard = False
        """Something came at all."""

    def allow(self, count: int) -> None:
        """Read at most so many bytes more."""
        self._budget = count

    def _more(self) -> Steps[bool]:
        """Receive something; False at the end of the connection."""
        if self._deadline.left() and self._budget <= 0:
            raise TooMuchError("more than the limit in bytes")
        data = yield from self._deadline.receive_in_steps(self._sock, min(CHUNK, self._budget))
        self._budget -= len(data)
        self._buffer += data
        self.heard = self.heard or bool(data)
        return bool(data)

    def wait_no_longer_than(self, limit_s: float) -> None:
        """Wait so long for what is still to come, whatever is left of the time before."""
        self._deadline = Deadline(limit_s)

    def pass_empty_lines(self) -> Steps[None]:
        """Drop the line ends that come before anything else (RFC 9112 section 2.2)."""
        while self._buffer or (yield from self._more()):
            rest = self._buffer.lstrip(b"\r\n")
            if rest:
                self._buffer = rest
                return
            self._buffer.clear()

    def begins_with(self, start: bytes) -> Steps[bool]:
        """Whether these bytes come first, as soon as that is certain."""
        while len(self._buffer) < len(start) and start.startswith(bytes(self._buffer)):
            if not (yield from self._more()):
                return False
        return self._buffer.startswith(start)

    def line(self) -> Steps[bytes]:
        """Read up to a line's end, be it CR LF or LF alone (RFC 9112 section 2.2)."""
        searched = 0
        while (end := self._buffer.find(b"\n", searched)) < 0:
            searched = len(self._buffer)
            if not (yield from self._more()):
                raise MalformedError("the connection was closed within the header")
        found = bytes(self._buffer[:end]).removesuffix(b"\r")
        del self._buffer[: end + 1]
        return found

    def some(self, count: int) -> Steps[bytes]:
        """Read at least one byte and at most ``count``; none at the end of the connection."""
        if not self._buffer:
            yield from self._more()
        found = bytes(self._buffer[:count])
        del self._buffer[:count]
        return found


def request(question: Question) -> bytes:
    """Write the request; ``identity``, so that nothing has to be unpacked.

    What makes it heavy is divided among several fields: servers bound each of them.
    """
    full, rest = divmod(question.weight, PADDING_FIELD)
    sizes = [PADDING_FIELD] * full + ([rest] if rest else [])
    padding = (PADDING * (PADDING_FIELD // len(PADDING) + 1))[:PADDING_FIELD]
    return (
        f"GET {question.target} HTTP/1.1\r\nHost: {question.host}\r\n"
        f"User-Agent: cube-acceptance/{__version__}\r\n"
        "Accept: text/html, */*;q=0.5\r\nAccept-Encoding: identity\r\n"
        + (f"Cookie: {question.cookie}\r\n" if question.cookie else "")
        + "".join(f"X-Padding-{n}: {padding[:size]}\r\n" for n, size in enumerate(sizes, 1))
        + "Connection: close\r\n\r\n"
    ).encode("ascii")


def fetch(
    sock: socket.socket,
    question: Question,
    deadline: Deadline,
    wire: socket.socket | None = None,
) -> tuple[HttpReply, bytes]:
    """Exchange one GET for one response; the body comes beside it, unpacked and bounded.

    ``wire`` is the plain socket under a TLS one, which alone can be asked for its errors.

    Raises:
        ReachError: silence, a reset, or bytes that are no HTTP; phase ``http``.
    """
    return alone(fetch_in_steps(sock, question, deadline, wire))


def fetch_in_steps(
    sock: socket.socket,
    question: Question,
    deadline: Deadline,
    wire: socket.socket | None = None,
) -> Steps[tuple[HttpReply, bytes]]:
    """Do the same beside others, where the socket itself does not wait."""
    stream = _Stream(sock, deadline)
    unsent: OSError | None = None
    try:
        try:
            yield from deadline.send_in_steps(sock, request(question))
        except (ConnectionError, ssl.SSLError) as error:
            unsent = error  # whoever hangs up so soon may have answered before
        return (yield from _read(stream, question))
    except MalformedError as error:
        if unsent and not stream.heard:
            raise ReachError(_ended(unsent, sock, wire)) from unsent
        sign = HTTP2 if isinstance(error, OtherVersionError) else ""
        problem = Trouble(kind="malformed", phase="http", detail=one_line(error, 200), sign=sign)
        raise ReachError(problem if stream.heard else CLOSED_UNANSWERED) from error
    except OSError as error:
        raise ReachError(_ended(error, sock, wire)) from error


def _ended(error: OSError, sock: socket.socket, wire: socket.socket | None) -> Trouble:
    """Describe what ended the exchange: TLS around it, or the connection under it."""
    if isinstance(error, ssl.SSLError):
        return alerts.ended(error, alerts.heard_by(sock), "http", wire or sock)
    return cut_off(wire or sock, error, "http")


def cut_off(sock: socket.socket, error: OSError, phase: str) -> Trouble:
    """Describe what ended a connection that stood already.

    The way was there a moment ago, so an ICMP unreachable is somebody's refusal. Its code is
    unknown: Linux keeps the message for a connection that is still being made only.
    """
    problem = trouble(sock, error, phase)
    if problem.kind == "no-route":
        return msgspec.structs.replace(problem, kind="refused")
    return problem


def _read(stream: _Stream, question: Question) -> Steps[tuple[HttpReply, bytes]]:
    head = yield from _final_head(stream, status_suffices=question.status_suffices)
    stream.allow(BODY_LIMIT + HEADER_LIMIT)  # chunks have headers, too
    if question.status_suffices:
        stream.wait_no_longer_than(BODY_WAIT_S)
    body, complete, cut = b"", False, ""
    if head.whole:
        body, complete, cut = yield from _body(stream, head)
    first = sorted(head.fields, key=lambda field: not is_read(field[0]))
    fields = tuple(
        (one_line(name, 100), one_line(_text(name, value), VALUE_LIMIT))
        for name, value in first[:FIELD_LIMIT]
    )
    text = _unpacked(body, head.all("content-encoding"))
    reply = HttpReply(
        url=question.url,
        status=head.status,
        reason=one_line(head.reason.decode("latin-1"), 100),
        headers=fields,
        title=title_of(text, dict(fields).get("content-type", "")),
        size=len(body),
        excerpt=body[:RAW_LIMIT],
        complete=complete,
        cut=cut,
    )
    return reply, text


def is_read(name: str) -> bool:
    """Whether somebody reads a field: one of a few, or one that proxies write of themselves."""
    return name in READ or name.startswith("proxy-")


def _text(name: str, value: bytes) -> str:
    """Decode a field's value; an address as browsers ask for it, without anything but ASCII."""
    if name == "location":
        return quote(value, safe=_URL_SIGNS)[:VALUE_LIMIT]
    return value.decode("latin-1")


def _final_head(stream: _Stream, *, status_suffices: bool) -> Steps[_Head]:
    for _ in range(INTERIM_LIMIT):
        stream.allow(HEADER_LIMIT)
        head = yield from _head(stream, status_suffices=status_suffices)
        if head.status >= FINAL:
            return head
    raise MalformedError("interim responses without end")


def _head(stream: _Stream, *, status_suffices: bool) -> Steps[_Head]:
    """Read a status line and its header fields (RFC 9112 sections 4 and 5)."""
    yield from stream.pass_empty_lines()
    if not (yield from stream.begins_with(b"HTTP/")):
        start = yield from stream.some(100)
        if _FIRST_FRAME.match(start):
            raise OtherVersionError("a frame of HTTP/2")
        raise MalformedError(f"no HTTP: {start.decode('latin-1')}")
    line = yield from stream.line()
    status = _STATUS_LINE.fullmatch(line)
    if status is None:
        raise MalformedError(f"no status line of HTTP/1: {line[:100].decode('latin-1')}")
    head = _Head(int(status[1]), status[2] or b"", [])
    try:
        if status_suffices and head.status >= FINAL:
            stream.wait_no_longer_than(BODY_WAIT_S)
        yield from _add_fields(stream, head.fields)
    except (OSError, MalformedError):
        if not status_suffices:
            raise
        return head._replace(whole=False)
    return head


def _add_fields(stream: _Stream, fields: list[tuple[str, bytes]]) -> Steps[None]:
    """Read header fields up to the empty line."""
    while line := (yield from stream.line()):
        name, colon, value = line.partition(b":")
        if line[:1] in b" \t":
            if fields:  # a value that goes on in the next line (section 5.2)
                fields[-1] = (fields[-1][0], fields[-1][1] + b" " + line.strip())
        elif colon:
            fields.append((name.strip().decode("latin-1").lower(), value.strip()))


def _body(stream: _Stream, head: _Head) -> Steps[tuple[bytes, bool, str]]:
    """Read the body as far as it comes, whether that is all, and how it broke off if it did.

    Where our own limits end the reading it did not break off. Silence is a break only where the
    header has promised how much would come: some bodies are meant to go on for ever.
    """
    body = bytearray()
    cut = ""
    try:
        yield from _collect(stream, head, body)
    except TooMuchError:
        return bytes(body[:BODY_LIMIT]), False, ""
    except TimeoutError:
        return bytes(body), False, "it stopped coming" if head.all("content-length") else ""
    except (OSError, MalformedError) as error:
        cut = one_line(error, 200) or type(error).__name__
    return bytes(body), not cut, cut


def _collect(stream: _Stream, head: _Head, body: bytearray) -> Steps[None]:
    """Add the body piece by piece, framed as the header says (RFC 9112 section 6.3).

    Raises:
        TooMuchError: it is larger than is read.
        MalformedError: it breaks off, or its frame does not hold it.
    """
    lengths = set(head.all("content-length"))
    length = lengths.pop() if len(lengths) == 1 else ""
    if head.status in {204, 304} or (head.status in REDIRECTS and head.all("location")):
        return  # no body, or one that nobody waits for
    if codings := head.all("transfer-encoding"):
        if codings[-1] == "chunked":
            yield from _chunks(stream, body)
            return
    elif re.fullmatch("[0-9]{1,18}", length):
        yield from _exactly(stream, int(length), body)
        return
    with contextlib.suppress(ssl.SSLEOFError):  # many servers close without a farewell
        while piece := (yield from stream.some(CHUNK)):
            _add(body, piece)


def _add(body: bytearray, piece: bytes) -> None:
    body += piece
    if len(body) > BODY_LIMIT:
        raise TooMuchError("more than the limit in bytes")


def _exactly(stream: _Stream, count: int, body: bytearray) -> Steps[None]:
    while count:
        piece = yield from stream.some(min(CHUNK, count))
        if not piece:
            raise MalformedError("the body is shorter than its length")
        count -= len(piece)
        _add(body, piece)


def _chunks(stream: _Stream, body: bytearray) -> Steps[None]:
    """Read chunks up to the empty one (RFC 9112 section 7.1); what follows it is not wanted."""
    while True:
        size = _CHUNK_SIZE.fullmatch((yield from stream.line()))
        if size is None:
            raise MalformedError("a chunk without a size")
        if not int(size[1], 16):
            return
        yield from _exactly(stream, int(size[1], 16), body)
        if (yield from stream.line()):
            raise MalformedError("a chunk longer than its size")


def _unpacked(body: bytes, codings: list[str]) -> bytes:
    """Unpack what was packed although we asked not to, as far as the limit.

    ``deflate`` comes with and without zlib's own header (RFC 9110 section 8.4.1.2).
    """
    if codings not in (["gzip"], ["x-gzip"], ["deflate"]):
        return body
    for window in (zlib.MAX_WBITS | 32, -zlib.MAX_WBITS):
        try:
            return zlib.decompressobj(window).decompress(body, BODY_LIMIT)
        except zlib.error:
            continue
    return body


def decoded(body: bytes, content_type: str) -> str:
    """Decode a body by its mark or by the charset that its type or the page itself names.

    Where nothing is named it is UTF-8, unless it cannot be; then browsers take it for Western.
    """
    if marked := next((codec for mark, codec in MARKS.items() if body.startswith(mark)), ""):
        return body.decode(marked, errors="replace")
    named = _CHARSET.search(content_type) or _META.search(body[:META_ROOM].decode("latin-1"))
    codec = CHARSETS.get(named[1].lower(), "utf-8") if named else "utf-8"
    text = body.decode(codec, errors="replace")
    if not named and "\ufffd" in text.rstrip("\ufffd"):  # at its end it may be cut
        return body.decode("cp1252", errors="replace")
    return text


def title_of(body: bytes, content_type: str) -> str:
    """Return the text of a page's title element; empty where there is none."""
    text = _COMMENT.sub("", decoded(body, content_type))
    found = _TITLE.search(text)
    if found is None:
        return ""
    rest = text[found.end() : found.end() + TITLE_ROOM]
    return one_line(html.unescape(_TITLE_END.split(rest, maxsplit=1)[0]), TITLE_LIMIT)
