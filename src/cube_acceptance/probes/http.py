"""Fetch a page of a CUBE: one GET of ``/``, redirects on the same host followed (RFC 9110)."""

from __future__ import annotations

import contextlib
import html
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from cube_acceptance.evidence import CannotMeasure, PageObserved, Trouble, Try
from cube_acceptance.probes import web
from cube_acceptance.probes.link import ReachError, Stopwatch, measured, open_tcp
from cube_acceptance.probes.patience import Patience

if TYPE_CHECKING:
    from cube_acceptance.evidence import HttpReply, Vantage

CONNECT_LIMIT_S = 4.0
"""Long enough for two repetitions of a lost SYN, at 1 s and 3 s (RFC 6298)."""
PAGE_LIMIT_S = 10.0
REDIRECT_LIMIT = 5
REDIRECTS = frozenset({301, 302, 303, 307, 308})
OUT_OF_TIME = Trouble(kind="no-answer", phase="http", detail="the redirects took all the time")


@dataclass(frozen=True, slots=True, kw_only=True)
class PageProbe:
    """One page at one port of a CUBE, within ``limit_s`` seconds altogether."""

    vantage: Vantage
    address: str
    port: int = 80
    look_for: tuple[str, ...] = ()
    """Texts to be found in the page, in any case."""
    own_names: tuple[str, ...] = ()
    """Host names that mean the CUBE as well."""
    connect_limit_s: float = CONNECT_LIMIT_S
    limit_s: float = PAGE_LIMIT_S
    redirect_tries: int = REDIRECT_LIMIT

    @property
    def key(self) -> str:
        """``page/<address>:<port>``."""
        return f"page/{self.address}:{self.port}"

    def run(self) -> PageObserved | CannotMeasure:
        """Fetch the page; ends after :attr:`limit_s` at the latest."""
        return measured(self._measure)

    def _measure(self, watch: Stopwatch) -> PageObserved:
        patience = Patience(self.limit_s)
        tries: list[Try] = []
        replies: list[HttpReply] = []
        text = redirect = ""
        problem: Trouble | None = None
        port, target = self.port, "/"
        try:
            while True:
                reply, body = self._get(watch, patience, tries, port, target)
                replies.append(reply)
                fields = dict(reply.headers)
                text = web.decoded(body, fields.get("content-type", ""))
                location = fields.get("location", "") if reply.status in REDIRECTS else ""
                if not location:
                    break
                onward = self._onward(port, target, location)
                if onward is None or len(replies) > self.redirect_tries:
                    redirect = location
                    break
                if not patience.left():
                    problem = OUT_OF_TIME
                    break
                port, target = onward
        except ReachError as error:
            problem = error.trouble
        wanted = f"{text}\n{html.unescape(text)}".casefold()
        return PageObserved(
            started=watch.started,
            duration_s=watch.elapsed(),
            tries=tuple(tries),
            address=self.address,
            port=self.port,
            replies=tuple(replies),
            redirect=redirect,
            found=tuple(look for look in self.look_for if look.casefold() in wanted),
            trouble=problem,
        )

    def _get(
        self, watch: Stopwatch, patience: Patience, tries: list[Try], port: int, target: str
    ) -> tuple[HttpReply, bytes]:
        at_s, to = watch.elapsed(), f"{self.address}:{port}"
        limit = Patience(self.connect_limit_s, patience).timeout()
        try:
            with contextlib.closing(open_tcp(self.vantage, self.address, port, limit)) as sock:
                host = self.address if port == 80 else to  # noqa: PLR2004 - HTTP's own port
                answer = web.fetch(
                    sock,
                    url=f"http://{to}{target}",
                    host=host,
                    target=target,
                    patience=patience,
                )
        except ReachError as error:
            kind = error.trouble.kind
            result = "silence" if kind == "no-answer" else kind
            detail = error.trouble.detail
            tries.append(Try(at_s=at_s, to=to, result=result, detail=detail))
            raise
        tries.append(Try(at_s=at_s, to=to, result="answer", source=to))
        return answer

    def _onward(self, port: int, target: str, location: str) -> tuple[int, str] | None:
        """Say where a redirect leads if it stays on the CUBE; None where it leads away."""
        try:
            there = urlsplit(urljoin(f"http://{self.address}:{port}{target}", location))
            onward_port = there.port or 80
            host = (there.hostname or "").rstrip(".").lower()
        except ValueError:
            return None
        known = {self.address, *(name.lower() for name in self.own_names)}
        path = (there.path or "/") + (f"?{there.query}" if there.query else "")
        if there.scheme != "http" or host not in known or not path.isascii() or " " in path:
            return None
        return (onward_port, path) if path.isprintable() else None
