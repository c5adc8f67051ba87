"""MDNS-01: the CUBE publishes its name and its services (RFC 6762, RFC 6763)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cube_acceptance.evidence import MdnsObserved

if TYPE_CHECKING:
    from cube_acceptance.ruling import Judge
    from cube_acceptance.site import Cube


@pytest.mark.requirement("MDNS-01")
def test_the_cube_publishes_its_name_and_services(judge: Judge, cube: Cube) -> None:
    """The CUBE answers mDNS queries, and its name leads to it and to nobody else."""
    seen = judge.measured(f"mdns/{cube.name}", MdnsObserved)
    name = f"{cube.hostname.lower()}.local"
    claims = [
        (reply.source, address)
        for reply in seen.replies
        for owner, address in reply.names
        if cube.hostname and owner == name
    ]
    for source, address in claims:
        if cube.address not in {source, address}:
            judge.fail("wrong-host", hostname=cube.hostname, source=source)
    given = [address for source, address in claims if source == cube.address]
    if given and cube.address not in given:
        facts = {"hostname": cube.hostname, "address": cube.address, "addresses": given}
        judge.fail("wrong-answer", **facts)
    replies = [reply for reply in seen.replies if reply.source == cube.address]
    if not replies:
        judge.fail("no-answer", address=cube.address)
    services = sorted({service for reply in replies for service in reply.services})
    judge.passes(address=cube.address, names=given, services=services)
