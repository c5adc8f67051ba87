"""LLMNR-01: the CUBE's name resolves on its link (RFC 4795)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cube_acceptance.evidence import LlmnrObserved
from judging import of_the_cube, other_addresses

if TYPE_CHECKING:
    from cube_acceptance.judge import Judge
    from cube_acceptance.site import Cube


@pytest.mark.requirement("LLMNR-01")
def test_the_cubes_name_resolves_on_its_link(judge: Judge, cube: Cube) -> None:
    """The CUBE answers LLMNR queries for its name, and nobody else does."""
    seen = judge.measured(f"llmnr/{cube.name}", LlmnrObserved)
    name = cube.hostname.lower()
    facts = {"hostname": cube.hostname, "address": cube.address}
    firm = [reply for reply in seen.replies if not reply.tentative]
    own = of_the_cube(firm, name, cube.address)
    others = [reply for reply in firm if reply not in own]
    for reply in others:
        # Only who has the name answers at all (RFC 4795 section 2.3).
        if not reply.names or other_addresses(reply, name, cube.address):
            judge.fail("wrong-host", **facts, source=reply.source)
    whole = [reply for reply in own if reply.names or not reply.truncated]
    if not whole:
        judge.fail("no-answer", **facts)
    given = [address for reply in whole for owner, address in reply.names if owner == name]
    if cube.address not in given:
        judge.fail("wrong-answer", **facts, addresses=given)
    if any(reply.conflict for reply in whole):
        judge.note("name-conflict", hostname=cube.hostname)
    judge.passes(address=cube.address, names=given, over=[reply.over for reply in whole])
