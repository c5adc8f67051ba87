"""Fetch a page of a CUBE: one GET of ``/``, redirects on the same host followed (RFC 9110)."""

from __future__ import annotations

import contextlib
import html
import ipaddress
import re
import unicodedata
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urljoin, urlsplit

from cube_acceptance.evidence import CannotMeasure, PageObserved, Trouble, Try
from cube_acceptance.network import FAMILIAR
from cube_acceptance.probes.net import http1, tls
from cube_acceptance.probes.net.deadline import Deadline
from cube_acceptance.probes.net.errors import ReachError
from cube_acceptance.probes.net.measuring import Stopwatch, measured_in_steps
from cube_acceptance.probes.net.onward import onward
from cube_acceptance.probes.net.sockets import open_tcp_in_steps
from cube_acceptance.probes.net.together import alone, aside

if TYPE_CHECKING:
    from cube_acceptance.evidence import HttpReply, Vantage
    from cube_acceptance.probes.net.together import Steps

    Answer = tuple[HttpReply, bytes]
    """A response, and its body."""

CONNECT_LIMIT_S = 4.0
"""Long enough for two repetitions of a lost SYN, at 1 s and 3 s (RFC 6298)."""
PAGE_LIMIT_S = 10.0
SECOND_TRY_S = 2.0
"""From the beginning of a try that may have failed by chance to the next one."""
LATER = frozenset({429, 503})
"""What servers say that are busy or starting (RFC 6585 section 4, RFC 9110 section 15.6.4)."""
LATER_LIMIT_S = 5.0
"""The longest wait that a server may ask for, and be asked once more after it."""
UNKNOWN_HOST = frozenset({400, 404, 421})
"""What servers say that do not know themselves by the name that they were asked under."""
REDIRECT_LIMIT = 5
"""Redirects to where has been asked before: a circle, but for a cookie (RFC 9110 section 15.4)."""
STEP_LIMIT = 20
"""Redirects altogether, as many as browsers follow."""
PORTS = {"http": 80, "https": 443}
"""The schemes that a redirect is followed to, and their own ports."""
_UNSEEN = re.compile(
    "</?(?:a|abbr|b|bdi|big|code|em|font|i|kbd|mark|q|s|small|span|strong|sub|sup|tt|u|wbr)"
    r"(?:\s[^<>]*)?/?>|<!--[^<>]*-->",
    re.IGNORECASE,
)
"""Markup that sets no letter apart from the next one."""
_NEVER_SHOWN = re.compile("[\u00ad\u200b\u2060\ufeff]")
"""Where a word may be broken or must not: letters that nobody sees."""
_UNSAID = re.compile(
    r"<!--.*?(?:-->|\Z)|<(script|style|template)\b.*?(?:</\1|\Z)", re.IGNORECASE | re.DOTALL
)
"""Comments, programs and what programs may show one day."""
_TAG = re.compile("<[^<>]*>")
OUT_OF_TIME = Trouble(kind="no-answer", phase="http", detail="the redirects took all the time")


class Place(NamedTuple):
    """Where a page is asked for: at the CUBE's address, under one of its names."""

    scheme: str
    host: str
    """The address or the name that the page was given by."""
    port: int
    target: str = "/"

    @property
    def url(self) -> str:
        """The whole of it, with the port written out."""
        return f"{self.scheme}://{self.host}:{self.port}{self.target}"

    @property
    def authority(self) -> str:
        """What the ``Host`` field says (RFC 9110 section 7.2)."""
        return self.host if self.port == PORTS[self.scheme] else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PageProbe:
    """One page at one port of a CUBE, within ``limit_s`` seconds altogether."""

    vantage: Vantage
    address: str
    port: int = 80
    look_for: tuple[str, ...] = ()
    """Texts to be found in the page, in any case."""
    listen_for: tuple[str, ...] = ()
    """Likewise texts that only count where the page says them, not where its program could."""
    own_names: tuple[str, ...] = ()
    """Host names that mean the CUBE as well."""
    dns_names: tuple[str, ...] = ()
    """Further ones, by the word of the site's DNS servers; the last is new."""
    connect_limit_s: float = CONNECT_LIMIT_S
    limit_s: float = PAGE_LIMIT_S
    second_try_s: float = SECOND_TRY_S
    redirect_tries: int = REDIRECT_LIMIT

    @property
    def key(self) -> str:
        """``page/<address>:<port>``, and behind it the name that a first look led to."""
        return "/".join((f"page/{self.address}:{self.port}", *self.dns_names[-1:]))

    def run(self) -> PageObserved | CannotMeasure:
        """Fetch the page; ends after :attr:`limit_s` at the latest."""
        return alone(measured_in_steps(self._measure, self.vantage))

    def steps(self) -> Steps[PageObserved | CannotMeasure]:
        """Do the same in steps, beside others."""
        return measured_in_steps(partial(self._measure, beside=True), self.vantage)

    def _measure(self, watch: Stopwatch, *, beside: bool = False) -> Steps[PageObserved]:
        visit = _Visit(watch, Deadline(self.limit_s), beside=beside)
        redirect = ""
        problem: Trouble | None = None
        place: Place | None = Place("http", self.address, self.port)
        try:
            while place:
                yield from self._ask(visit, place)
                place, redirect = self._next(visit, place)
                if place and not visit.deadline.left():
                    problem, place = OUT_OF_TIME, None
        except ReachError as error:
            problem = error.trouble
        said = [_UNSAID.sub(" ", text) for text in visit.texts]
        return PageObserved(
            started=watch.started,
            duration_s=watch.elapsed(),
            tries=tuple(visit.tries),
            address=self.address,
            port=self.port,
            replies=tuple(visit.replies),
            redirect=redirect,
            found=(
                *(look for look in self.look_for if shown(look, visit.texts)),
                *(look for look in self.listen_for if shown(look, said)),
            ),
            familiar=any(shown(word, said) for word in FAMILIAR),
            trouble=problem,
        )

    def _ask(self, visit: _Visit, place: Place) -> Steps[None]:
        """Get one response; what may have been chance, once on the way, is tried once more.

        Where the CUBE does not know itself by its address, it is asked again by its name.
        """
        begun = Stopwatch()
        try:
            answer = yield from self._get(visit, place)
        except ReachError as error:
            if visit.forgiven or not self._may_be_chance(error.trouble):
                raise
            visit.forgiven = True
            yield None, begun.left(min(self.second_try_s, visit.deadline.left()))
            answer = yield from self._get(visit, place)
        visit.keep(answer)
        wait_s = asked_to_wait(answer[0])
        if wait_s is not None and not visit.forgiven:
            visit.forgiven = True
            yield None, min(wait_s, visit.deadline.left())
            answer = yield from self._get(visit, place)
            visit.keep(answer)
        if answer[0].status in UNKNOWN_HOST and is_address(place.host) and self.own_names:
            with contextlib.suppress(ReachError):
                answer = yield from self._get(visit, place._replace(host=self.own_names[0]))
                visit.keep(answer)

    def _may_be_chance(self, problem: Trouble) -> bool:
        """Whether one failure of this kind is no finding.

        Small servers have room for one connection and reset the next one; this computer's own
        kernel, and a router, say for a while that there is no way to a host that they have just
        looked for in vain.
        """
        if problem.phase != "tcp":
            return bool(problem.sign)
        own = problem.icmp_code is None or problem.icmp_source == self.vantage.address
        return problem.kind == "no-route" or (own and problem.kind == "refused")

    def _next(self, visit: _Visit, place: Place) -> tuple[Place | None, str]:
        """Find where the last response sends: on to a place of the CUBE, or away.

        A page that sends to itself, or to where it was come from, shows itself: it is loaded again
        from time to time, or takes turns with others.
        """
        reply = visit.replies[-1]
        lead = onward(reply, visit.texts[-1])
        if lead is None:
            return None, ""
        there = self._onward(place, lead.location)
        if there and lead.inside and there.url in {one.url for one in visit.replies}:
            return None, ""
        if there and not lead.asked:
            return None, ""
        if there is None or visit.circling(self.redirect_tries):
            return None, lead.location
        return there, ""

    def _get(self, visit: _Visit, place: Place) -> Steps[Answer]:
        at_s, to = visit.watch.elapsed(), f"{self.address}:{place.port}"
        cookie = visit.cookie()
        try:
            if place.scheme == "http":
                answer = yield from self._get_plain(visit, place, cookie)
            elif visit.beside:  # TLS does not go by steps
                secure = self._get_secure(visit, place, cookie)
                answer = yield from aside(lambda: alone(secure))
            else:
                answer = yield from self._get_secure(visit, place, cookie)
        except ReachError as error:
            kind = error.trouble.kind
            result = "silence" if kind == "no-answer" else kind
            detail = error.trouble.detail
            visit.tries.append(Try(at_s=at_s, to=to, result=result, detail=detail))
            raise
        visit.tries.append(Try(at_s=at_s, to=to, result="answer", source=to))
        return answer

    def _get_plain(self, visit: _Visit, place: Place, cookie: str) -> Steps[Answer]:
        limit_s = Deadline(self.connect_limit_s, visit.deadline).timeout()
        opened = yield from open_tcp_in_steps(
            self.vantage, self.address, place.port, limit_s, "http", beside=visit.beside
        )
        with opened as sock:
            return (yield from http1.fetch_in_steps(sock, _question(place, cookie), visit.deadline))

    def _get_secure(self, visit: _Visit, place: Place, cookie: str) -> Steps[Answer]:
        """Get a response inside TLS.

        A device signs its certificate itself. Who it is makes no difference to whether its page can
        be reached, as little as it does without TLS.
        """
        limit_s = Deadline(self.connect_limit_s, visit.deadline).timeout()
        opened = yield from open_tcp_in_steps(
            self.vantage, self.address, place.port, limit_s, "tls"
        )
        name = None if is_address(place.host) else place.host
        context = tls.unverified_context()
        with (
            opened as plain,
            contextlib.closing(plain.dup()) as wire,
            tls.handshake(plain, wire, context, name, visit.deadline) as sock,
        ):
            question = _question(place, cookie)
            return (yield from http1.fetch_in_steps(sock, question, visit.deadline, wire))

    def _onward(self, place: Place, location: str) -> Place | None:
        """Return where a redirect leads if it stays on the CUBE; None where it leads away."""
        try:
            there = urlsplit(urljoin(place.url, location))
            port = there.port or PORTS.get(there.scheme)
            host = (there.hostname or "").rstrip(".").lower()
        except ValueError:
            return None
        names = (*self.own_names, *self.dns_names)
        known = {self.address, *(name.lower() for name in names)}
        if not port or there.scheme not in PORTS or host not in known:
            return None
        target = (there.path or "/") + (f"?{there.query}" if there.query else "")
        return Place(there.scheme, host, port, target)


class _Visit:
    """What one page's requests have in common, and what came of them."""

    def __init__(self, watch: Stopwatch, deadline: Deadline, *, beside: bool = False) -> None:
        self.watch = watch
        self.deadline = deadline
        self.beside = beside
        """Others are talked to in the same thread."""
        self.tries: list[Try] = []
        self.replies: list[HttpReply] = []
        self.texts: list[str] = []
        self.forgiven = False

    def keep(self, answer: tuple[HttpReply, bytes]) -> None:
        """Keep a response and its text."""
        reply, body = answer
        self.replies.append(reply)
        self.texts.append(http1.decoded(body, dict(reply.headers).get("content-type", "")))

    def circling(self, limit: int) -> bool:
        """Whether the redirects lead nowhere: to the same places, or ever on."""
        places = {reply.url for reply in self.replies}
        return len(self.replies) - len(places) >= limit or len(self.replies) > STEP_LIMIT

    def cookie(self) -> str:
        """Give back what the page has set: some redirect until they see it (RFC 6265)."""
        fields = [field for reply in self.replies for field in reply.headers]
        pairs = [value.partition(";")[0] for name, value in fields if name == "set-cookie"]
        jar = {pair.partition("=")[0]: pair for pair in pairs if pair.isascii()}
        return "; ".join(jar.values())


def _question(place: Place, cookie: str) -> http1.Question:
    return http1.Question(place.url, place.authority, place.target, cookie)


def asked_to_wait(reply: HttpReply) -> float | None:
    """Return for how long a server asks to wait that cannot answer now, if that is not too long."""
    wait_s = dict(reply.headers).get("retry-after", "")
    if reply.status not in LATER or not wait_s.isdecimal() or float(wait_s) > LATER_LIMIT_S:
        return None
    return float(wait_s)


def is_address(host: str) -> bool:
    """Whether a URL's host is an IPv4 address."""
    try:
        ipaddress.IPv4Address(host)
    except ValueError:
        return False
    return True


def shown(text: str, pages: list[str]) -> bool:
    """Whether one of several pages shows a text."""
    return any(shows(page, text) for page in pages)


def shows(page: str, text: str) -> bool:
    """Whether a page shows a text, in any case and however its source is broken up.

    A line's end and a tag may stand in the text, some tags even within a word.
    """
    wanted = _squeezed(text)
    untagged = _TAG.sub(" ", _UNSEEN.sub("", page))
    return any(
        wanted in _squeezed(form) for form in (page, html.unescape(page), html.unescape(untagged))
    )


def _squeezed(text: str) -> str:
    """Bring a text into one spelling; an umlaut may be written as one letter or as two."""
    letters = unicodedata.normalize("NFC", _NEVER_SHOWN.sub("", text))
    return " ".join(letters.casefold().split())
