"""MDNS-01: the CUBE publishes its name and its services (RFC 6762, RFC 6763)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cube_acceptance.evidence import MdnsObserved
from judging import of_the_cube, other_addresses

if TYPE_CHECKING:
    from cube_acceptance.judge import Judge
    from cube_acceptance.site import Cube


@pytest.mark.requirement("MDNS-01")
def test_the_cube_publishes_its_name_and_services(judge: Judge, cube: Cube) -> None:
    """The CUBE answers mDNS queries, and its name leads to it and to nobody else."""
    seen = judge.measured(f"mdns/{cube.name}", MdnsObserved)
    name = f"{cube.hostname.lower()}.local"
    own = of_the_cube(seen.replies, name, cube.address)
    others = [reply for reply in seen.replies if reply not in own]
    for reply in others:
        if reply.addressless or other_addresses(reply, name, cube.address):
            judge.fail("wrong-host", hostname=cube.hostname, source=reply.source)
    given = [address for reply in own for owner, address in reply.names if owner == name]
    if (given or any(reply.addressless for reply in own)) and cube.address not in given:
        facts = {"hostname": cube.hostname, "address": cube.address, "addresses": given}
        judge.fail("wrong-answer", **facts)
    if not own:
        judge.fail("no-answer", address=cube.address)
    services = sorted({service for reply in own for service in reply.services})
    judge.passes(address=cube.address, names=given, services=services)
