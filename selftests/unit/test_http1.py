"""Tests of the bounded HTTP exchange, with a peer that is given byte by byte."""

from __future__ import annotations

import contextlib
import errno
import gzip
import socket
import ssl
import threading
import warnings
import zlib
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cube_acceptance import __version__
from cube_acceptance.probes.net import http1
from cube_acceptance.probes.net.deadline import Deadline
from cube_acceptance.probes.net.errors import ReachError

if TYPE_CHECKING:
    from cube_acceptance.evidence import HttpReply, Trouble

OK = b"HTTP/1.1 200 OK\r\n"
LIMIT_S = 5.0


class Peer:
    """Fakes a socket whose peer sends these pieces and then closes, or fails."""

    def __init__(self, *pieces: bytes, failure: OSError | None = None) -> None:
        """Send these."""
        self._pieces = list(pieces)
        self._failure = failure
        self.sent = b""

    def settimeout(self, limit_s: float) -> None:
        """Take any time limit, none at all excepted."""
        assert limit_s is not None

    def gettimeout(self) -> float:
        """Have one."""
        return 1.0

    def sendall(self, data: bytes) -> None:
        """Keep what is sent."""
        self.sent += data

    def recv(self, size: int) -> bytes:
        """Return the next piece, then the end."""
        while self._pieces:
            piece = self._pieces.pop(0)
            if piece[size:]:
                self._pieces.insert(0, piece[size:])
            if piece:
                return piece[:size]
        if self._failure:
            raise self._failure
        return b""


def fetch(peer: object, limit_s: float = LIMIT_S, **more: object) -> tuple[HttpReply, bytes]:
    """Exchange one GET with a peer."""
    wire = more.pop("wire", None)
    question = http1.Question(url="http://cube/", host="cube", **more)
    return http1.fetch(peer, question, Deadline(limit_s), wire)


def reply(*pieces: bytes) -> HttpReply:
    """The response that is made of these bytes."""
    return fetch(Peer(*pieces))[0]


def failing(peer: object, limit_s: float = LIMIT_S, **more: object) -> Trouble:
    """Why there is no response."""
    with pytest.raises(ReachError) as ended:
        fetch(peer, limit_s, **more)
    return ended.value.trouble


class TestRequest:
    """One GET, read-only, by name."""

    def test_words(self) -> None:
        """Whoever reads the CUBE's log sees who it was."""
        peer = Peer(OK, b"\r\n")
        fetch(peer)
        lines = peer.sent.decode().split("\r\n")

        assert lines[0] == "GET / HTTP/1.1"
        assert "Host: cube" in lines
        assert f"User-Agent: cube-acceptance/{__version__}" in lines
        assert {"Accept-Encoding: identity", "Connection: close"} < set(lines)
        assert lines[-2:] == ["", ""]

    def test_cookie(self) -> None:
        """What a page has set before, and no field where it has set nothing."""
        with_one, without = Peer(OK, b"\r\n"), Peer(OK, b"\r\n")
        fetch(with_one, cookie="a=1; b=2")
        fetch(without)

        assert b"\r\nCookie: a=1; b=2\r\n" in with_one.sent
        assert b"Cookie" not in without.sent

    def test_weight(self) -> None:
        """Full-size packets leave; no field alone is longer than servers allow."""
        light, heavy = (Peer(OK, b"\r\n") for _ in range(2))
        fetch(light)
        fetch(heavy, weight=1300)
        fields = [line for line in heavy.sent.split(b"\r\n") if line.startswith(b"X-Padding-")]

        assert [len(line.partition(b": ")[2]) for line in fields] == [500, 500, 300]
        assert len(heavy.sent) - len(light.sent) > 1300
        assert b"X-Padding" not in light.sent


class TestHead:
    """Status line and header fields (RFC 9112 sections 2 to 5)."""

    @pytest.mark.parametrize(
        ("line", "status", "reason"),
        [
            (b"HTTP/1.1 200 OK", 200, "OK"),
            (b"HTTP/1.0 404 Not Found", 404, "Not Found"),
            (b"HTTP/1.1 503", 503, ""),
            (b"HTTP/1.1 204 ", 204, ""),
            (b"HTTP/1.1  299   All right ", 299, "All right"),
            (b"HTTP/1.1 999 Odd", 999, "Odd"),
            (b"HTTP/1.1 200 \x1b[2J\xe4", 200, "\ufffd[2J\u00e4"),
        ],
    )
    def test_status_line(self, line: bytes, status: int, reason: str) -> None:
        """Devices write it with and without a reason."""
        seen = reply(line + b"\r\n\r\n")

        assert (seen.status, seen.reason) == (status, reason)

    @pytest.mark.parametrize(
        "answer",
        [
            b"HTTP/1.1 99999999999 Yes\r\n\r\n",
            b"HTTP/1.1 2_00 OK\r\n\r\n",
            b"HTTP/1.1 +20 OK\r\n\r\n",
            b"HTTP/1.1 099 Low\r\n\r\n",
            b"HTTP/1.1 OK\r\n\r\n",
            b"HTTP/2 200 OK\r\n\r\n",
            b"ICY 200 OK\r\n\r\n",
            b"SSH-2.0-OpenSSH_9.2\r\n",
            b"<!DOCTYPE html><title>HTTP/0.9</title>",
            b"HTT",
            b"HTTP/1.1 200 OK\r\nServer: cut",
            b"HTTP/1.1 200 OK\r\nServer: cut\r\n",
        ],
    )
    def test_no_http(self, answer: bytes) -> None:
        """What is not HTTP/1 up to the empty line proves no page."""
        trouble = failing(Peer(answer))

        assert (trouble.kind, trouble.phase) == ("malformed", "http")

    @pytest.mark.parametrize(
        ("start", "sign"),
        [
            ("000000 04 00 00000000", "HTTP/2"),
            ("000012 04 00 00000000 0003 00000064", "HTTP/2"),
            ("000000 04 01 80000000", "HTTP/2"),
            ("000008 07 00 00000000 00000000 0000000d", "HTTP/2"),
            ("000000 04 00 00000001", ""),
            ("000000 04 02 00000000", ""),
            ("000000 06 00 00000000", ""),
            ("010000 04 00 00000000", ""),
            ("000000 04 00 000000", ""),
        ],
    )
    def test_http_2(self, start: str, sign: str) -> None:
        """Settings or a farewell for the whole connection come first (RFC 9113 section 3.4)."""
        trouble = failing(Peer(bytes.fromhex(start)))

        assert (trouble.kind, trouble.sign) == ("malformed", sign)

    def test_another_protocol_is_known_at_once(self) -> None:
        """A binary greeting without a line's end does not cost the whole time."""
        trouble = failing(Peer(b"\x16\x03\x01\x00", failure=TimeoutError()))

        assert trouble.kind == "malformed"

    def test_in_pieces(self) -> None:
        """TCP keeps the order of bytes and nothing else."""
        answer = OK + b"X-A: b\r\nContent-Length: 2\r\n\r\nok"
        whole, body = fetch(Peer(*(bytes([byte]) for byte in answer)))

        assert (whole.status, body, whole.complete) == (200, b"ok", True)

    def test_bare_line_feeds(self) -> None:
        """Small devices write them, and a client may take them (RFC 9112 section 2.2)."""
        seen, body = fetch(Peer(b"HTTP/1.1 200 OK\nContent-Length: 2\nX-A: b\n\nok"))

        assert (body, dict(seen.headers)["x-a"]) == (b"ok", "b")

    def test_value_that_goes_on_in_the_next_line(self) -> None:
        """Obsolete folding is one blank (RFC 9112 section 5.2)."""
        seen = reply(OK + b" lost\r\nX-A: one\r\n\t two\r\nno colon\r\n\r\n")

        assert seen.headers == (("x-a", "one two"),)

    def test_control_characters_are_replaced(self) -> None:
        """A header never moves anybody's cursor, nor turns anybody's text around."""
        seen = reply(OK + b"X-\x1b: a\x1b[2J\x85b\r\n\r\n")

        assert seen.headers == (("x-\ufffd", "a\ufffd[2J b"),)

    def test_fields_are_bounded(self) -> None:
        """At most so many are kept, and so much of each."""
        lines = b"".join(b"X-%d: %s\r\n" % (number, b"v" * 2000) for number in range(30))
        many = b"".join(b"Y-%d: v\r\n" % number for number in range(100))
        seen = reply(OK + lines + many + b"\r\n")

        assert len(seen.headers) == http1.FIELD_LIMIT
        assert len(seen.headers[0][1]) == http1.VALUE_LIMIT

    def test_fields_that_count_are_kept(self) -> None:
        """Nobody hides where a redirect leads behind a hundred other fields."""
        many = b"".join(b"Y-%d: v\r\n" % number for number in range(100))
        seen = reply(b"HTTP/1.1 302 Found\r\n" + many + b"Location: /x\r\n\r\n")

        assert len(seen.headers) == http1.FIELD_LIMIT
        assert dict(seen.headers)["location"] == "/x"

    @pytest.mark.parametrize(
        ("raw", "address"),
        [
            (b"/a?b=c%20d&e#f", "/a?b=c%20d&e#f"),
            (b"/\xc3\x9cbersicht", "/%C3%9Cbersicht"),
            (b"/a b\x1b", "/a%20b%1B"),
            (b"http://[::1]:80/~x;y='(1)*!@", "http://[::1]:80/~x;y='(1)*!@"),
        ],
    )
    def test_addresses_are_in_ascii(self, raw: bytes, address: str) -> None:
        """Browsers ask for them so, and so they can be asked for."""
        seen = reply(b"HTTP/1.1 302 Found\r\nLocation: " + raw + b"\r\n\r\n")

        assert dict(seen.headers)["location"] == address

    @pytest.mark.parametrize("endless", [b"X-A: b\r\n", b"x"])
    def test_header_without_end(self, endless: bytes) -> None:
        """One field or many."""
        peer = Peer(OK + b"X: " + endless * (http1.HEADER_LIMIT // len(endless) + 1))

        assert failing(peer).detail == "more than the limit in bytes"

    def test_interim_responses(self) -> None:
        """They are passed over (RFC 9110 section 15.2), but not for ever."""
        interim = b"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n"

        assert reply(interim * 7 + OK + b"\r\n").status == 200
        assert failing(Peer(interim * 8 + OK + b"\r\n")).detail == "interim responses without end"


class TestEmptyLines:
    """Some servers send a line's end too many (RFC 9112 section 2.2)."""

    @pytest.mark.parametrize("pieces", [(b"\r\n\n\r\n" + OK,), (b"\r", b"\n\r", b"\n", OK)])
    def test_before_the_status_line(self, pieces: tuple[bytes, ...]) -> None:
        """They are passed over, however they come."""
        assert reply(*pieces, b"\r\n").status == 200

    def test_nothing_else(self) -> None:
        """They are no response, and not for ever."""
        assert failing(Peer(b"\r\n" * 9)).kind == "malformed"
        assert failing(Peer(b"\r\n" * http1.HEADER_LIMIT)).detail == "more than the limit in bytes"


class TestStatusSuffices:
    """Where the status line alone counts, a header that breaks off is no trouble."""

    @pytest.mark.parametrize(
        "failure", [None, TimeoutError(), ConnectionResetError(), ssl.SSLEOFError(8, "EOF")]
    )
    def test_broken_off(self, failure: OSError | None) -> None:
        """What came before that is kept, and nothing is taken for a body."""
        pieces = (OK, b"Date: now\r\n", b"Serv")
        peer = Peer(*pieces, failure=failure)
        seen, body = fetch(peer, status_suffices=True)

        assert (seen.status, seen.headers) == (200, (("date", "now"),))
        assert (body, seen.complete, seen.cut) == (b"", False, "")
        assert failing(Peer(*pieces, failure=failure)).phase == "http"

    def test_needs_the_line(self) -> None:
        """A part of it is none."""
        with pytest.raises(ReachError):
            fetch(Peer(OK.strip()), status_suffices=True)

    def test_interim(self) -> None:
        """An interim response that breaks off is no final one."""
        with pytest.raises(ReachError):
            fetch(Peer(b"HTTP/1.1 103 Early Hints\r\nLink"), status_suffices=True)

    def test_what_follows_has_a_time_of_its_own(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A status line that came at the last moment does not make the body late."""
        monkeypatch.setattr(http1, "BODY_WAIT_S", 0.0)

        seen, body = fetch(Peer(OK + b"Content-Length: 2\r\n\r\n", b"ok"), status_suffices=True)

        assert (body, seen.complete, seen.cut) == (b"", False, "it stopped coming")


class TestSilence:
    """Nothing, a farewell and a reset are three things."""

    def test_closed_without_a_byte(self) -> None:
        """Whoever hangs up has not answered."""
        assert failing(Peer()) == http1.CLOSED_UNANSWERED

    def test_no_answer(self) -> None:
        """A service that accepts and says nothing."""
        assert failing(Peer(failure=TimeoutError()), limit_s=0.1).kind == "no-answer"

    def test_reset(self) -> None:
        """Somebody does not want this."""
        trouble = failing(Peer(failure=ConnectionResetError(errno.ECONNRESET, "reset")))

        assert (trouble.kind, trouble.phase) == ("refused", "http")

    def test_reset_before_the_question(self) -> None:
        """Who does not even listen refuses, unless the answer is there already."""

        class Deaf(Peer):
            def sendall(self, _data: bytes) -> None:
                raise ConnectionResetError(errno.ECONNRESET, "reset")

        trouble = failing(Deaf())

        assert (trouble.kind, trouble.phase, trouble.detail) == ("refused", "http", "reset")
        assert trouble.sign == "TCP RST"
        assert fetch(Deaf(b"HTTP/1.1 503 Busy\r\n\r\n"))[0].status == 503
        assert failing(Deaf(b"SSH-2.0-OpenSSH\r\n")).kind == "malformed"

    def test_tls_ends_before_the_question(self) -> None:
        """A host that has said farewell may have said why before."""

        class Gone(Peer):
            def sendall(self, _data: bytes) -> None:
                raise ssl.SSLEOFError(8, "EOF occurred in violation of protocol (_ssl.c:1)")

        trouble = failing(Gone())

        assert (trouble.kind, trouble.phase, trouble.sign) == ("refused", "http", "TCP FIN/RST")
        assert fetch(Gone(b"HTTP/1.1 503 Busy\r\n\r\n"))[0].status == 503

    @pytest.mark.parametrize("number", [errno.EHOSTUNREACH, errno.ENETUNREACH])
    def test_unreachable_in_the_middle(self, number: int) -> None:
        """A way that carried the connection is there; somebody forbids what came after it."""
        trouble = failing(Peer(failure=OSError(number, "unreachable")))

        assert (trouble.kind, trouble.phase, trouble.detail) == ("refused", "http", "unreachable")

    def test_time_is_up_however_much_comes(self) -> None:
        """A peer that always has one more byte does not hold us."""
        trouble = failing(Peer(*[b"H"] * 99), limit_s=0.0)

        assert (trouble.kind, trouble.phase) == ("no-answer", "http")

    def test_drip(self) -> None:
        """One byte after the other does not extend the deadline."""
        here, there = socket.socketpair()
        ended = threading.Event()

        def drip() -> None:
            with contextlib.suppress(OSError):
                for byte in OK * 100:
                    there.sendall(bytes([byte]))
                    if ended.wait(0.05):
                        return

        dripping = threading.Thread(target=drip)
        with here, there:
            dripping.start()
            trouble = failing(here, limit_s=0.3)
            ended.set()
            dripping.join()

        assert trouble.kind == "no-answer"

    @pytest.mark.parametrize(
        ("error", "detail"),
        [
            (ssl.SSLError(1, "TLSV13_ALERT_CERTIFICATE_REQUIRED"), "TLSV13_ALERT"),
            (ssl.SSLEOFError(8, "EOF occurred (_ssl.c:99)"), "EOF occurred"),
        ],
    )
    def test_tls_ends(self, error: ssl.SSLError, detail: str) -> None:
        """OpenSSL's error number 1 is not this computer's own firewall (EPERM)."""
        trouble = failing(Peer(failure=error))

        assert (trouble.kind, trouble.phase) == ("refused", "http")
        assert detail in trouble.detail
        assert "_ssl.c" not in trouble.detail

    def test_the_plain_socket_is_asked_for_the_reason(self) -> None:
        """A TLS socket cannot be asked for ICMP errors; it raises on the attempt."""

        class Secure(Peer):
            def recvmsg(self, *_: int) -> None:
                raise NotImplementedError

        here, there = socket.socketpair()
        with here, there:
            reset = ConnectionResetError(errno.ECONNRESET, "reset")
            trouble = failing(Secure(failure=reset), wire=here)

        assert trouble.kind == "refused"


class TestBody:
    """Framed as the header says (RFC 9112 section 6.3), bounded whatever it says."""

    @pytest.mark.parametrize(
        ("rest", "body", "complete"),
        [
            (b"\r\nto the end", b"to the end", True),
            (b"Content-Length: 3\r\n\r\nabcdef", b"abc", True),
            (b"Content-Length: 3, 3\r\n\r\nabcdef", b"abc", True),
            (b"Content-Length: 0\r\n\r\nabc", b"", True),
            (b"Content-Length: 9\r\n\r\nabc", b"abc", False),
            (b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", b"abcd", True),
            (b"Content-Length: -5\r\n\r\nabc", b"abc", True),
            (b"Content-Length: " + b"9" * 99 + b"\r\n\r\nabc", b"abc", True),
            (
                b"Transfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
                b"abcde",
                True,
            ),
            (b"Transfer-Encoding: gzip, Chunked\r\n\r\n1\r\na\r\n0\r\n\r\n", b"a", True),
            (b"Transfer-Encoding: gzip\r\nContent-Length: 1\r\n\r\nabc", b"abc", True),
            (b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", b"", False),
            (b"Transfer-Encoding: chunked\r\n\r\n-5\r\nabc\r\n", b"", False),
            (b"Transfer-Encoding: chunked\r\n\r\nfffffffff\r\nabc\r\n", b"", False),
            (b"Transfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n", b"a", False),
            (b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", b"abc", False),
        ],
    )
    def test_framing(self, rest: bytes, body: bytes, *, complete: bool) -> None:
        """As much as came, and whether it was all."""
        seen, text = fetch(Peer(OK + rest))

        assert (text, seen.complete, seen.size) == (body, complete, len(body))

    @pytest.mark.parametrize("status", [204, 304])
    def test_none(self, status: int) -> None:
        """Some statuses have no body, whatever the length says."""
        seen = reply(b"HTTP/1.1 %d X\r\nContent-Length: 9\r\n\r\n" % status)

        assert (seen.size, seen.complete) == (0, True)

    @pytest.mark.parametrize(
        ("status", "location", "size"),
        [(301, b"/", 0), (308, b"/", 0), (302, b"", 5), (300, b"/", 5), (200, b"/", 5)],
    )
    def test_of_a_redirect(self, status: int, location: bytes, size: int) -> None:
        """Who is sent on does not wait for it to end."""
        head = b"HTTP/1.1 %d X\r\nLocation: %s\r\n\r\n" % (status, location)

        assert reply(head + b"moved").size == size

    @pytest.mark.parametrize("more", [0, 1])
    def test_size_limit(self, more: int) -> None:
        """Exactly the limit is whole; one byte more is cut."""
        size = http1.BODY_LIMIT + more
        seen = reply(OK + b"Content-Length: %d\r\n\r\n" % size, bytes(size))

        assert (seen.size, seen.complete) == (http1.BODY_LIMIT, not more)
        assert len(seen.excerpt) == 2048

    def test_body_without_end(self) -> None:
        """Read as far as the limit and no further."""
        peer = Peer(OK + b"\r\n", bytes(4 * http1.BODY_LIMIT))
        seen = fetch(peer)[0]

        assert (seen.size, seen.complete) == (http1.BODY_LIMIT, False)
        assert len(peer.recv(1 << 30)) > 2 * http1.BODY_LIMIT

    def test_tiny_chunks_are_bounded(self) -> None:
        """The chunks' own headers count as well."""
        peer = Peer(OK + b"Transfer-Encoding: chunked\r\n\r\n", *[b"1\r\nx\r\n" * 2048] * 512)
        seen = fetch(peer, limit_s=60.0)[0]

        assert not seen.complete
        assert seen.size < http1.BODY_LIMIT

    @pytest.mark.parametrize(
        ("failure", "cut"),
        [
            (TimeoutError(), "it stopped coming"),
            (ConnectionResetError(), "ConnectionResetError"),
            (ConnectionResetError(errno.ECONNRESET, "reset"), "[Errno 104] reset"),
            (ssl.SSLEOFError(8, "EOF"), "EOF (_ssl.c:0)"),
            (None, "the body is shorter than its length"),
        ],
    )
    def test_broken_off(self, failure: OSError | None, cut: str) -> None:
        """The status line stands, whatever happens to the body."""
        peer = Peer(OK + b"Content-Length: 9\r\n\r\nabc", failure=failure)
        seen, body = fetch(peer, limit_s=1.0)

        assert (seen.status, body, seen.complete) == (200, b"abc", False)
        assert seen.cut.partition(" (")[0] == cut.partition(" (")[0]

    @pytest.mark.parametrize(
        ("failure", "complete", "cut"),
        [
            (None, True, ""),
            (TimeoutError(), False, ""),  # it may be meant to go on for ever
            (ssl.SSLEOFError(8, "EOF"), True, ""),  # many servers do without a farewell
            (ConnectionResetError(errno.ECONNRESET, "reset"), False, "[Errno 104] reset"),
        ],
    )
    def test_whose_length_nobody_knows(
        self, failure: OSError | None, cut: str, *, complete: bool
    ) -> None:
        """It ends with the connection."""
        seen = fetch(Peer(OK + b"\r\nabc", failure=failure), limit_s=1.0)[0]

        assert (seen.size, seen.complete, seen.cut) == (3, complete, cut)


class TestUnpacked:
    """Packed although we asked not to."""

    RAW = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)

    @pytest.mark.parametrize(
        ("coding", "packed"),
        [
            (b"gzip", gzip.compress(b"<title>t</title>", mtime=0)),
            (b"X-Gzip", gzip.compress(b"<title>t</title>", mtime=0)),
            (b"deflate", zlib.compress(b"<title>t</title>")),
            (b"deflate", RAW.compress(b"<title>t</title>") + RAW.flush()),
            (b"gzip", b"<title>t</title>"),
            (b"br", b"<title>t</title>"),
            (b"gzip, gzip", b"<title>t</title>"),
        ],
    )
    def test_codings(self, coding: bytes, packed: bytes) -> None:
        """What cannot be unpacked is taken as it is."""
        assert reply(OK + b"Content-Encoding: " + coding + b"\r\n\r\n" + packed).title == "t"

    def test_bomb(self) -> None:
        """A few bytes do not become gigabytes."""
        bomb = gzip.compress(bytes(8 * http1.BODY_LIMIT))
        seen, text = fetch(Peer(OK + b"Content-Encoding: gzip\r\n\r\n" + bomb))

        assert seen.size == len(bomb)
        assert len(text) == http1.BODY_LIMIT

    def test_cut_off(self) -> None:
        """Half a packed page still has its beginning."""
        packed = gzip.compress(b"<title>t</title>" + bytes(range(256)) * 99)
        head = OK + b"Content-Encoding: gzip\r\nContent-Length: 9999999\r\n\r\n"

        assert reply(head + packed[: len(packed) // 2]).title == "t"


class TestDecoded:
    """The peer names a charset, but does not choose among Python's codecs."""

    @pytest.mark.parametrize(
        ("kind", "body", "text"),
        [
            ("text/html; charset=utf-8", b"\xc3\xa4", "\u00e4"),
            ('text/html; CHARSET="ISO-8859-1"', b"\xe4\x80", "\u00e4\u20ac"),
            ("text/html; charset=utf-16", "\u00e4".encode("utf-16"), "\u00e4"),
            ("text/html", b"\xe4", "\ufffd"),
            ("", b"<meta charset=windows-1252>\xe4", "<meta charset=windows-1252>\u00e4"),
            ("charset=utf-8", b"<meta charset=cp1252>\xc3\xa4", "<meta charset=cp1252>\u00e4"),
            ("text/html; charset=utf-16le", "\u00e4".encode("utf-16-le"), "\u00e4"),
            ("text/html; charset=utf-16be", "\u00e4".encode("utf-16-be"), "\u00e4"),
            ("charset=cp1252", b"\xef\xbb\xbf\xc3\xa4", "\u00e4"),
            ("text/html", "\u00e4".encode("utf-16"), "\u00e4"),
            ("text/html", b"\xfe\xff\x00\xe4", "\u00e4"),
            ("text/html", b"\xe4 \x80", "\u00e4 \u20ac"),
            ("text/html; charset=utf-8", b"\xe4 ", "\ufffd "),
            ("text/html", b"\xc3\xa4 \xe2\x82", "\u00e4 \ufffd"),
        ],
    )
    def test_charset(self, kind: str, body: bytes, text: str) -> None:
        """The header's, else the page's own, else UTF-8."""
        assert http1.decoded(body, kind) == text

    def test_late_meta(self) -> None:
        """Only the page's beginning is searched."""
        page = b" " * http1.META_ROOM + b"<meta charset=cp1252>\xc3\xa4"

        assert http1.decoded(page, "").endswith("\u00e4")

    @pytest.mark.parametrize("name", ["unicode_escape", "punycode", "idna", "utf-7", "zlib", "no"])
    def test_dangerous_codecs(self, name: str) -> None:
        """Some warn, some are slow, some make halves of characters that JSON cannot hold."""
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            text = http1.decoded(b"\\d+2AA-", f"text/html; charset={name}")

        assert text == "\\d+2AA-"


class TestTitleOf:
    """The text that tells one device from another; it stays text."""

    @pytest.mark.parametrize(
        ("page", "title"),
        [
            (b"<title>IoT CUBE</title>", "IoT CUBE"),
            (b'<TITLE lang="de">\n IoT\n CUBE </Title >', "IoT CUBE"),
            (b"<title>a &amp; b &#x1b; &#xd800;</title>", "a & b \ufffd"),
            (b"<title>one</title><title>two</title>", "one"),
            (b"<!-- <title>old</title> --><title>new</title>", "new"),
            (b"<!-- <title>never closed</title>", ""),
            (b"<title><script>alert(1)</script></title>", "<script>alert(1)</script>"),
            (b"<title>" + b"x" * 5000, "x" * (http1.TITLE_LIMIT - 1) + "…"),
            (b"<titles>no</titles>", ""),
            (b"<title>\xe2\x80\xaeevil\xe2\x80\xa8</title>", "\ufffdevil"),
            (b"", ""),
        ],
    )
    def test_titles(self, page: bytes, title: str) -> None:
        """One line, bounded, nothing that is not shown as it is."""
        assert http1.title_of(page, "") == title


class TestAnything:
    """Whatever comes ends in a response or in a trouble, and fits into the evidence."""

    @given(st.binary(max_size=300), st.binary(max_size=300))
    @example(b"Content-Type: multipart/x; boundary*=unicode_escape''%5Cd\r\n\r\n", b"")
    @example(b"Content-Type: text/html; charset=utf-7\r\n\r\n", b"<title>+2AA-</title>")
    @example(b"Transfer-Encoding: chunked\r\n\r\n", b"\xff\r\n")
    def test_bytes(self, head: bytes, body: bytes) -> None:
        """Neither an exception nor a record that cannot be written."""
        for answer in (head + body, OK + head + b"\r\n\r\n" + body):
            seen: HttpReply | Trouble
            try:
                seen = fetch(Peer(answer))[0]
            except ReachError as ended:
                seen = ended.trouble

            assert msgspec.json.encode(seen)
