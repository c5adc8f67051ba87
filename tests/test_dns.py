"""DNS-01: Internet names resolve by the DNS servers that DHCP hands out (RFC 1035, RFC 7766)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cube_acceptance.evidence import CannotMeasure, DnsObserved
from cube_acceptance.judge import Word
from cube_acceptance.network import dns_key, handed_out, name_servers, usable_addresses
from judging import TROUBLE_WORDS, Flaw, dns_trouble, flaw_of, none_works, some

if TYPE_CHECKING:
    from cube_acceptance.evidence import Trouble
    from cube_acceptance.judge import Judge
    from cube_acceptance.setup import Setup

RANKING = ("wrong-answer", "refused", "no-route", "no-answer")
"""Causes in the order of how close a server came to working."""


@pytest.mark.requirement("DNS-01")
def test_a_cloud_name_resolves(judge: Judge, setup: Setup, host: str) -> None:
    """A DNS server that DHCP hands out resolves the cloud host's name to a usable address."""
    servers = some(judge, name_servers(setup.site, handed_out(judge)))
    found, flaws, blocked = {}, [], []
    for server in servers:
        observed = judge.get(dns_key(server, host))
        if isinstance(observed, CannotMeasure):
            blocked.append(observed)
            continue
        answer = judge.measured(dns_key(server, host), DnsObserved)
        if answer.tcp in TROUBLE_WORDS:
            detail = TROUBLE_WORDS[answer.tcp]
            judge.note("tcp-refused", server=server, host=host, detail=detail)
        trouble = dns_trouble(judge, setup, answer)
        if flaw := what_is_wrong(answer, trouble, setup, host):
            flaws.append(flaw)
        else:
            found[server] = usable_addresses(setup, answer)
    if not found:
        none_works(judge, flaws, blocked, RANKING)
    for flaw in flaws:
        judge.note("server-failed", server=flaw.server, host=host, detail=flaw.detail)
    note_invented_names(judge, found)
    server, addresses = next(iter(found.items()))
    judge.passes(host=host, server=server, addresses=addresses)


def what_is_wrong(
    answer: DnsObserved, trouble: Trouble | None, setup: Setup, host: str
) -> Flaw | None:
    """Say what is wrong with a server's answer; None where it has a usable address."""
    if trouble:
        flaw = flaw_of(answer.server, trouble)
        return flaw._replace(facts=flaw.facts | {"host": host})
    facts: dict[str, object] = {"host": host, "code": answer.rcode, "addresses": answer.addresses}
    if answer.rcode != "NOERROR":
        return Flaw(answer.server, "wrong-answer", "wrong-answer", str(answer.rcode), facts)
    if not answer.addresses:
        text, detail = "wrong-answer.empty", Word("no-address")
        return Flaw(answer.server, "wrong-answer", text, detail, facts)
    if not usable_addresses(setup, answer):
        text, detail = "wrong-answer.unusable", Word("unusable-address")
        return Flaw(answer.server, "wrong-answer", text, detail, facts)
    return None


def note_invented_names(judge: Judge, servers: dict[str, tuple[str, ...]]) -> None:
    """Note a resolver that gives an address to a name that cannot exist (RFC 6761 section 6.4)."""
    for server in servers:
        probe = judge.get(dns_key(server, "invalid"))
        if isinstance(probe, DnsObserved) and probe.rcode == "NOERROR" and probe.addresses:
            judge.note("inventing-resolver", server=server, addresses=probe.addresses)
