"""LLMNR-01: the CUBE's name resolves on its link (RFC 4795)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cube_acceptance.evidence import LlmnrObserved

if TYPE_CHECKING:
    from cube_acceptance.ruling import Judge
    from cube_acceptance.site import Cube


@pytest.mark.requirement("LLMNR-01")
def test_the_cubes_name_resolves_on_its_link(judge: Judge, cube: Cube) -> None:
    """The CUBE answers LLMNR queries for its name, and nobody else does."""
    seen = judge.measured(f"llmnr/{cube.name}", LlmnrObserved)
    facts = {"hostname": cube.hostname, "address": cube.address}
    firm = [
        reply
        for reply in seen.replies
        if not reply.tentative and (reply.names or not reply.truncated)
    ]
    claims = [
        (reply.source, address)
        for reply in firm
        for owner, address in reply.names
        if owner == cube.hostname.lower()
    ]
    for source, address in claims:
        if cube.address not in {source, address}:
            judge.fail("wrong-host", **facts, source=source)
    if not any(reply.source == cube.address for reply in firm):
        judge.fail("no-answer", **facts)
    given = [address for source, address in claims if source == cube.address]
    if cube.address not in given:
        judge.fail("wrong-answer", **facts, addresses=given)
    if any(reply.conflict for reply in firm if reply.source == cube.address):
        judge.note("name-conflict", hostname=cube.hostname)
    judge.passes(address=cube.address, names=given, over=[reply.over for reply in firm])
