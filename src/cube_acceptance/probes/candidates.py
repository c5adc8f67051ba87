"""Who on the link may be a CUBE, for ``init``: who answers to mDNS, and what its pages say.

Nothing of it is evidence. Pages are fetched by requests, without proxies, certificates or passwords
of this computer's; redirects are followed on the same host only.
"""

from __future__ import annotations

import contextlib
import html
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urljoin, urlsplit

import dns.message
import dns.name
import dns.rdatatype
import dns.reversename
import requests
from requests.adapters import HTTPAdapter

from cube_acceptance.evidence import NameReply
from cube_acceptance.network import FAMILIAR
from cube_acceptance.probes.http import shown
from cube_acceptance.probes.mdns import GROUP, SERVICES, read_mdns
from cube_acceptance.probes.net.dns_message import Repeated, text_of
from cube_acceptance.probes.net.errors import CannotAskError, ReachError
from cube_acceptance.probes.net.group_socket import Arrival, open_group
from cube_acceptance.probes.net.log import Log
from cube_acceptance.probes.net.measuring import Stopwatch
from cube_acceptance.probes.net.multicast import (
    Asking,
    Collected,
    ask_group,
    collect,
    send,
)
from cube_acceptance.probes.net.sockets import open_tcp
from cube_acceptance.probes.net.together import alone
from cube_acceptance.text.foreign import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cube_acceptance.evidence import Vantage

LISTEN_S = 3.0
"""How long replies to the question for services are collected."""
NAME_S = 1.5
"""How long a host is asked for its name."""
TRIES = 3
CANDIDATES = 64
"""How many hosts are looked at more closely."""

PAGE_LIMIT_S = 8.0
CONNECT_S = 3.0
READ_S = 4.0
PAGE_SIZE = 64 * 1024
"""Bytes of a page that are read."""
REDIRECTS = 3
TEXT_LIMIT = 120

SWEEP_RATE = 20
"""Connections a second of a sweep, at most."""
SWEEP_WAIT_S = 1.0
"""How long one host of a sweep has to answer."""

_TAG = re.compile(r"<[^<>]*>")
_TITLE = re.compile(r"<title[^<>]*>(.*?)</title", re.IGNORECASE | re.DOTALL)
_VERSION = re.compile(r"\bversion\b[^0-9]{0,20}([0-9]+(?:\.[0-9]+){2,3})\b", re.IGNORECASE)


class Page(NamedTuple):
    """What a page of a candidate says."""

    port: int
    title: str
    version: str
    """What follows the word *version* on it; empty where it says none."""
    familiar: bool
    """Whether it says a word of a CUBE's."""


def answering(
    vantage: Vantage, neighbour: str, port: int, window_s: float = LISTEN_S
) -> tuple[str, ...]:
    """Ask the link for services by mDNS, and return who answers.

    ``neighbour`` is any address on the link.

    Raises:
        CannotAskError: the question could not be put.
    """
    asking = Asking(group=GROUP, port=port, tries=TRIES, window_s=window_s, host=neighbour)
    watch = Stopwatch()
    found = Collected(asking, read_mdns, Log(watch))
    services = Repeated(SERVICES, dns.rdatatype.PTR)
    with contextlib.closing(open_group(vantage, neighbour, watch)) as wire:
        asked = ask_group(
            wire, [found], lambda: send(wire, [found], services), found.take, lambda: True
        )
        alone(asked)
    found.log.check_sent()
    return tuple(sorted({source for _, source in found.heard}))[:CANDIDATES]


def name_of(vantage: Vantage, address: str, port: int, window_s: float = NAME_S) -> str:
    """Ask a host by mDNS for the name that belongs to its address; its first label, or nothing."""
    asked = dns.name.from_text(str(dns.reversename.from_address(address)))
    asking = Asking(group=GROUP, port=port, tries=TRIES, window_s=window_s, host=address)
    try:
        with contextlib.closing(open_group(vantage, address, Stopwatch())) as wire:
            found = alone(collect(wire, asking, [(asked, dns.rdatatype.PTR)], _read_name))
    except CannotAskError:
        return ""
    own = [reply.names[0][0] for reply in found.replies if reply.source == address and reply.names]
    return own[0].partition(".")[0] if own else ""


def _read_name(
    query: dns.message.Message, reply: dns.message.Message, arrival: Arrival
) -> NameReply:
    asked = query.question[0].name
    targets = [
        text_of(record.target)
        for records in reply.answer
        if records.name == asked and records.rdtype == dns.rdatatype.PTR
        for record in records
    ]
    return NameReply(
        source=arrival.address,
        source_port=arrival.port,
        at_s=arrival.at_s,
        names=tuple((target, arrival.address) for target in targets[:1]),
    )


def sweep(
    vantage: Vantage,
    addresses: Iterable[str],
    ports: Iterable[int],
    pause: Callable[[float], object] = time.sleep,
) -> tuple[str, ...]:
    """Knock at some ports of many hosts, at most :data:`SWEEP_RATE` a second; return who opens."""
    wanted = tuple(ports)

    def knock(address: str, port: int) -> str:
        try:
            open_tcp(vantage, address, port, SWEEP_WAIT_S).close()
        except (ReachError, CannotAskError):
            return ""
        return address

    with ThreadPoolExecutor(max_workers=2 * SWEEP_RATE) as pool:
        knocking = []
        for address in addresses:
            for port in wanted:
                knocking.append(pool.submit(knock, address, port))
                pause(1 / SWEEP_RATE)
        opened = {one.result() for one in knocking}
    return tuple(sorted(opened - {""}))[:CANDIDATES]


def look(vantage: Vantage, address: str, port: int, limit_s: float = PAGE_LIMIT_S) -> Page | None:
    """Fetch a candidate's page; None where there is none within ``limit_s`` seconds."""
    found: list[Page] = []

    def fetch() -> None:
        with contextlib.suppress(requests.RequestException, OSError, ValueError):
            found.append(_fetch(vantage, address, port))

    # A server may send its header byte by byte, which no time limit of requests ends.
    fetching = threading.Thread(target=fetch, name="candidate", daemon=True)
    fetching.start()
    fetching.join(limit_s)
    return found[0] if found else None


class _FromHere(HTTPAdapter):
    """Sends from the vantage's own address."""

    def __init__(self, source: str) -> None:
        self._source = source
        super().__init__()

    def init_poolmanager(self, *given: Any, **more: Any) -> None:  # noqa: ANN401 - as requests has it
        super().init_poolmanager(*given, **more, source_address=(self._source, 0))


def _fetch(vantage: Vantage, address: str, port: int) -> Page:
    url, steps = f"http://{address}:{port}/", 0
    with requests.Session() as session:
        session.trust_env = False
        session.mount("http://", _FromHere(vantage.address))
        while True:
            with session.get(
                url,
                timeout=(CONNECT_S, READ_S),
                stream=True,
                allow_redirects=False,
                headers={"Accept-Encoding": "identity"},
            ) as response:
                there = urljoin(url, response.headers.get("Location", url))
                away = urlsplit(there)[:2] != urlsplit(url)[:2]
                if there == url or away or steps == REDIRECTS:
                    return _read(port, response.raw.read(PAGE_SIZE, decode_content=False))
            url, steps = there, steps + 1


def _read(port: int, body: bytes) -> Page:
    text = body.decode("utf-8", errors="replace")
    title = _TITLE.search(text)
    version = _VERSION.search(html.unescape(_TAG.sub(" ", text)))
    return Page(
        port=port,
        title=one_line(html.unescape(title[1]), TEXT_LIMIT) if title else "",
        version=version[1] if version else "",
        familiar=any(shown(word, [text]) for word in FAMILIAR),
    )
