"""DIAG-01, CONN-01: the CUBE's diagnosis pages can be reached by HTTP (RFC 9110)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from clocks import note_cube_clock

from cube_acceptance.evidence import CannotMeasure, PageObserved
from cube_acceptance.judge import FailedError, obstacle, on_the_wire
from cube_acceptance.network import page_key
from cube_acceptance.survey import CONNECTOR_UNREACHABLE

if TYPE_CHECKING:
    from cube_acceptance.judge import Judge
    from cube_acceptance.setup import Setup
    from cube_acceptance.site import Cube

LOGIN_STATUSES = frozenset({401, 403})
FIRST_ERROR = 400

RANKING = (
    *("wrong-answer", "malformed", "no-answer.http", "refused.http"),
    *("refused", "no-answer", "no-route"),
)
"""Of two ports that both fail, the one that came closest to a page tells more."""


@pytest.mark.requirement("DIAG-01")
def test_the_diagnosis_page_answers(judge: Judge, setup: Setup, cube: Cube) -> None:
    """The CUBE's diagnosis page answers on the port of its version; unknown: on either."""
    ports = setup.ports.diag(cube.version)
    note_cube_clock(judge, setup, cube, (*ports, setup.ports.conn))
    seen = [judge.get(page_key(cube.address, port)) for port in ports]
    failures = []
    for port, page in zip(ports, seen, strict=True):
        if not isinstance(page, PageObserved):
            continue
        try:
            rule_on_page(judge, page, cube.page_contains)
        except FailedError as failure:
            failures.append(failure)
            continue
        if len(ports) > 1:
            judge.note("port-used", port=port_text(port))
        return
    blocked = [page for page in seen if isinstance(page, CannotMeasure)]
    if blocked:
        raise obstacle(blocked[0])
    raise min(failures, key=closeness)


@pytest.mark.requirement("CONN-01")
def test_the_cloud_connector_page_answers(judge: Judge, setup: Setup, cube: Cube) -> None:
    """The Cloud-Connector's diagnosis page answers on TCP 5555."""
    page = judge.measured(page_key(cube.address, setup.ports.conn), PageObserved)
    rule_on_page(judge, page, "")
    if CONNECTOR_UNREACHABLE in page.found:
        judge.note("connector-unreachable")


def port_text(port: int) -> str:
    """Write a port as text, so that no grouping of thousands is put into it."""
    return str(port)


def closeness(failure: FailedError) -> int:
    """Rank a failure by how close the page came to being delivered."""
    key = failure.text if failure.text in RANKING else failure.cause
    return RANKING.index(key)


def asked_port(page: PageObserved) -> str:
    """Give the port that was asked last: a redirect may lead to another one of the CUBE's."""
    last = page.tries[-1].to.rpartition(":")[2] if page.tries else ""
    return last or port_text(page.port)


def rule_on_page(judge: Judge, page: PageObserved, text: str) -> None:
    """Rule on one page: any status below 400, or a request to log in, proves it."""
    where = {"address": page.address, "port": asked_port(page)}
    if page.trouble:
        cause = page.trouble.kind
        accepted = page.trouble.phase != "tcp" and cause in {"no-answer", "refused"}
        text = f"{cause}.http" if accepted else cause
        judge.fail(cause, text, **where, detail=on_the_wire(page.trouble))
    last = page.replies[-1]
    if page.redirect:
        judge.fail("wrong-answer", "wrong-answer.redirect", **where, location=page.redirect)
    if last.status in LOGIN_STATUSES:
        judge.note("login-required", port=where["port"], status=last.status)
    elif last.status >= FIRST_ERROR:
        judge.fail("wrong-answer", **where, status=last.status)
    if text and text not in page.found:
        judge.fail("wrong-answer", "wrong-answer.content", **where, text=text)
    judge.passes(**where, status=last.status, title=last.title)
