"""DIAG-01, CONN-01: the CUBE's diagnosis pages can be reached by HTTP (RFC 9110)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from clocks import note_cube_clock
from cube_acceptance.evidence import (
    CannotMeasure,
    DhcpObserved,
    DnsObserved,
    NeighboursObserved,
    PageObserved,
)
from cube_acceptance.judge import FailedError, obstacle, on_the_wire
from cube_acceptance.needs import CONNECTOR_UNREACHABLE
from cube_acceptance.network import (
    FAMILIAR,
    dns_key,
    handed_out,
    name_servers,
    page_key,
    redirect_name,
)
from judging import PROXY_STATUSES, look

if TYPE_CHECKING:
    from cube_acceptance.evidence import HttpReply, Trouble
    from cube_acceptance.judge import Judge
    from cube_acceptance.setup import Setup
    from cube_acceptance.site import Cube

ASKS_FOR_LOGIN, REFUSES_VISITOR = 401, 403
FIRST_ERROR = 400

PROXY_SERVERS = (
    *("squid", "zscaler", "bluecoat", "iboss", "mcafee", "mwg", "skyhigh", "websense"),
    *("forcepoint", "barracuda", "sonicwall", "watchguard", "opendns", "mikrotik httpproxy"),
)
"""What proxies and filters call themselves in the ``Server`` field of a response of their own; one
that they hand on keeps the field of who wrote it."""
FILTER_TITLES = (
    *("blocked", "blocking page", "block page", "web filter", "webfilter", "content filter"),
    *("content-filter", "url filter", "filter violation", "gesperrt", "sperrseite"),
    *("fortiguard", "fortigate", "sophos", "zscaler", "mcafee", "skyhigh", "notification: policy"),
    *("captive portal", "hotspot", "guest portal", "guest access", "gastzugang"),
    *("firewall authentication", "web authentication", "network login"),
)
"""What stands in the titles of the pages that filters and portals show instead of another."""

RANKING = (
    *("wrong-answer", "malformed", "no-answer.closed", "no-answer.http", "refused.http"),
    *("refused", "no-answer", "no-route"),
)
"""Of two ports that both fail, the one that came closest to a page tells more."""


@pytest.mark.requirement("DIAG-01")
def test_the_diagnosis_page_answers(judge: Judge, setup: Setup, cube: Cube) -> None:
    """The CUBE's diagnosis page answers on the port of its version; unknown: on either."""
    ports = setup.ports.diag(cube.version)
    note_other_device(judge, cube)
    note_two_devices(judge, cube)
    note_cube_clock(judge, setup, cube, (*ports, setup.ports.conn))
    seen = [judge.get(page_key(cube.address, port)) for port in ports]
    failures = []
    for port, page in zip(ports, seen, strict=True):
        if not isinstance(page, PageObserved):
            continue
        try:
            shown = rule_on_page(judge, setup, page, cube.page_contains)
        except FailedError as failure:
            failures.append(failure)
            continue
        if len(ports) > 1:
            judge.note("port-used", port=port_text(port))
        judge.passes(**shown)
    blocked = [page for page in seen if isinstance(page, CannotMeasure)]
    if blocked:
        raise obstacle(blocked[0])
    raise min(failures, key=closeness)


@pytest.mark.requirement("CONN-01")
def test_the_cloud_connector_page_answers(judge: Judge, setup: Setup, cube: Cube) -> None:
    """The Cloud-Connector's diagnosis page answers on TCP 5555."""
    page = judge.measured(page_key(cube.address, setup.ports.conn), PageObserved)
    shown = rule_on_page(judge, setup, page, "")
    if CONNECTOR_UNREACHABLE in under_its_name(judge, setup, page).found:
        judge.note("connector-unreachable")
    judge.passes(**shown)


def under_its_name(judge: Judge, setup: Setup, page: PageObserved) -> PageObserved:
    """Follow a page that leads to a name where the site's DNS servers give the CUBE that name."""
    names: set[str] = set()
    while (name := redirect_name(page)) and name not in names and is_own(judge, setup, page, name):
        names.add(name)
        other = look(judge, page_key(page.address, page.port, name))
        if isinstance(other, CannotMeasure):
            raise obstacle(other)
        if not isinstance(other, PageObserved):
            break
        page = other
    return page


def is_own(judge: Judge, setup: Setup, page: PageObserved, name: str) -> bool:
    """Whether one of the site's DNS servers gives a page's address for a name."""
    try:
        servers = name_servers(setup.site, handed_out(setup, judge)).addresses
    except LookupError:  # nobody knows whom to ask
        return False
    answers = (look(judge, dns_key(server, name)) for server in servers)
    return any(
        isinstance(answer, DnsObserved) and page.address in answer.addresses for answer in answers
    )


def mark_of_a_proxy(replies: tuple[HttpReply, ...]) -> str:
    """Name the field or the status by which a proxy marks a response as its own; else nothing."""
    for reply in replies:
        for name, value in reply.headers:
            own = name == "x-squid-error" or name.startswith("proxy-")
            own = own or (name == "server" and value.lower().startswith(PROXY_SERVERS))
            if own or (name == "via" and reply.status >= FIRST_ERROR):
                return f"{name}: {value}"
    return next((PROXY_STATUSES[one.status] for one in replies if one.status in PROXY_STATUSES), "")


def title_of_a_filter(reply: HttpReply) -> str:
    """Return a title that a filter or a portal gives a page of its own; empty where it is none.

    A page of the CUBE that tells of something blocked bears the CUBE's name.
    """
    title = reply.title.lower()
    own = any(word.lower() in title for word in FAMILIAR)
    return "" if own or not any(word in title for word in FILTER_TITLES) else reply.title


def note_other_device(judge: Judge, cube: Cube) -> None:
    """Note that another hardware address answers for the CUBE than the site file has.

    Who answers is looked up once all CUBEs were asked; where the file names nobody, nothing waits.
    """
    seen = look(judge, "neighbours") if cube.mac else None
    known = dict(seen.hardware) if isinstance(seen, NeighboursObserved) else {}
    hardware = known.get(cube.address, "")
    if hardware and hardware != cube.mac:
        judge.note("other-device", address=cube.address, mac=cube.mac, seen=hardware)


def note_two_devices(judge: Judge, cube: Cube) -> None:
    """Note that more than one hardware address answers ARP questions for the CUBE's address.

    A router that answers for every address (proxy ARP) is known by answering for several.
    """
    seen = look(judge, "dhcp")
    holders = seen.holders if isinstance(seen, DhcpObserved) else ()
    answered = [hardware for _, hardware in holders]
    here = [hardware for address, hardware in holders if address == cube.address]
    if len(own := [hardware for hardware in here if answered.count(hardware) == 1]) > 1:
        judge.note("two-devices", address=cube.address, holders=own)


def port_text(port: int) -> str:
    """Write a port as text, so that no grouping of thousands is put into it."""
    return str(port)


def closeness(failure: FailedError) -> int:
    """Rank a failure by how close the page came to being delivered."""
    key = failure.text if failure.text in RANKING else failure.cause
    return RANKING.index(key)


def asked_port(page: PageObserved) -> str:
    """Return the port that was asked last: a redirect may lead to another one of the CUBE's."""
    last = page.tries[-1].to.rpartition(":")[2] if page.tries else ""
    return last or port_text(page.port)


def rule_on_page(judge: Judge, setup: Setup, page: PageObserved, text: str) -> dict[str, object]:
    """Rule on one page unless it proves what is wanted; then return what it shows.

    Any status below 400 proves it, and so does a request to log in or a refusal.
    """
    page = under_its_name(judge, setup, page)
    where: dict[str, object] = {"address": page.address, "port": asked_port(page)}
    if page.trouble:
        detail = on_the_wire(page.trouble)
        judge.fail(page.trouble.kind, text_of(page.trouble), **where, detail=detail)
    last = page.replies[-1]
    known = text != "" and text in page.found
    rule_on_a_stranger(judge, page, where, known=known)
    if last.status == ASKS_FOR_LOGIN:
        judge.note("login-required", port=where["port"], status=last.status)
    elif last.status == REFUSES_VISITOR:
        judge.note("refuses-visitor", port=where["port"], status=last.status)
    elif last.status >= FIRST_ERROR:
        judge.fail("wrong-answer", **where, status=last.status)
    elif page.familiar is False and not text:
        judge.note("unfamiliar-page", port=where["port"], title=last.title)
    if text and not known:
        judge.fail("wrong-answer", "wrong-answer.content", **where, text=text)
    return where | {"status": last.status, "title": last.title}


def text_of(trouble: Trouble) -> str:
    """Choose the sentence about a page that did not come, by how far it came."""
    if trouble.phase == "tcp" or trouble.kind not in {"no-answer", "refused"}:
        return trouble.kind
    closed = trouble.kind == "no-answer" and trouble.sign
    return "no-answer.closed" if closed else f"{trouble.kind}.http"


def rule_on_a_stranger(
    judge: Judge, page: PageObserved, where: dict[str, object], *, known: bool
) -> None:
    """Rule on what a proxy, a filter or a portal shows in the page's place.

    A page that shows the text that identifies it is none of a filter's, whatever its title.
    """
    last = page.replies[-1]
    if mark := mark_of_a_proxy(page.replies):
        judge.fail("wrong-answer", "wrong-answer.proxy", **where, status=last.status, mark=mark)
    if page.redirect:
        judge.fail("wrong-answer", "wrong-answer.redirect", **where, location=page.redirect)
    if not known and (title := title_of_a_filter(last)):
        judge.fail("wrong-answer", "wrong-answer.filter", **where, status=last.status, title=title)
