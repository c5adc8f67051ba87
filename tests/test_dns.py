"""DNS-01: Internet names resolve by the DNS servers that DHCP hands out (RFC 1035, RFC 7766)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NoReturn

import pytest
from own_path import Way, rule, ways

from cube_acceptance.evidence import CannotMeasure, DnsObserved
from cube_acceptance.judge import Word, obstacle
from cube_acceptance.network import dns_key, handed_out, name_servers, usable_addresses
from judging import (
    TROUBLE_WORDS,
    Flaw,
    dns_seen,
    dns_trouble,
    flaw_of,
    none_works,
    one_address,
    other_way,
    some,
    stand_in_the_segment,
)

if TYPE_CHECKING:
    from cube_acceptance.evidence import Trouble
    from cube_acceptance.judge import Judge
    from cube_acceptance.setup import Setup

RANKING = ("wrong-answer", "refused", "no-route", "no-answer")
"""Causes in the order of how close a server came to working."""

FINAL = frozenset({"NOERROR", "NXDOMAIN"})
"""Codes after which resolvers ask no other server (RFC 8020; glibc's ``res_send``)."""

CODES = {"REFUSED": "wrong-answer.refused", "SERVFAIL": "wrong-answer.servfail"}
"""Sentences for the codes that ask for another remedy than a name that is denied."""


@pytest.mark.requirement("DNS-01")
def test_a_cloud_name_resolves(judge: Judge, setup: Setup, host: str) -> None:
    """A DNS server that DHCP hands out resolves the cloud host's name to a usable address."""
    own = [way for way in ways(judge, setup, host) if way.resolves is not None]
    here = partial(judge_resolvers, judge, setup, host, [way.cube.name for way in own])
    rule(judge, setup, own, partial(judge_own_resolver, judge), here)


def judge_own_resolver(judge: Judge, way: Way) -> NoReturn:
    """Rule on a CUBE's own resolver, by whether a name led anywhere."""
    if way.resolves is False and way.seen.by_name and way.seen.by_address:
        words, target = way.seen.by_name.words, way.seen.by_address.target
        judge.fail("wrong-answer", "wrong-answer.own", **way.where(), target=target, detail=words)
    judge.passes()


def judge_resolvers(judge: Judge, setup: Setup, host: str, spoken_for: list[str]) -> NoReturn:
    """Rule on what the DNS servers tell this computer."""
    stand_in_the_segment(judge, setup, spoken_for)
    servers = some(judge, setup, name_servers(setup.site, handed_out(setup, judge)))
    found, flaws, blocked = [], [], []
    for server in servers:
        observed = judge.get(dns_key(server, host))
        if isinstance(observed, CannotMeasure):
            blocked.append(obstacle(observed))
            continue
        if elsewhere := other_way(judge, setup, "udp", server, setup.ports.dns):
            blocked.append(elsewhere)
            continue
        answer = judge.measured(dns_key(server, host), DnsObserved)
        if answer.tcp in TROUBLE_WORDS:
            detail = TROUBLE_WORDS[answer.tcp]
            judge.note("tcp-refused", server=server, host=host, detail=detail)
        trouble = dns_trouble(judge, setup, answer)
        if flaw := what_is_wrong(judge, answer, trouble, setup):
            flaws.append(flaw)
        else:
            found.append((answer, usable_addresses(setup, answer)))
    if not found:
        none_works(judge, flaws, blocked, RANKING)
    for flaw in flaws:
        judge.note("server-failed", server=flaw.server, host=host, detail=flaw.detail)
        if flaw.server == servers[0] and flaw.facts.get("code") in FINAL and not spoken_for:
            judge.note("first-denies", server=flaw.server, host=host, detail=flaw.detail)
    note_invented_names(judge, setup, [answer.server for answer, _ in found])
    answer, addresses = found[0]
    aliases = {"aliases": path(answer)} if answer.chain else {}
    judge.passes(host=host, server=answer.server, addresses=addresses, **aliases)


def what_is_wrong(
    judge: Judge, answer: DnsObserved, trouble: Trouble | None, setup: Setup
) -> Flaw | None:
    """Describe what is wrong with a server's answer; None where it has a usable address.

    The code and the addresses are those of the last name of a chain of aliases (RFC 6604), so
    that is the name to make an exception for.
    """
    if trouble:
        flaw = flaw_of(answer.server, trouble)
        return flaw._replace(facts=flaw.facts | {"host": answer.name})
    text, detail = fault_of(judge, answer, setup)
    if not text:
        return None
    facts: dict[str, object] = {
        "host": answer.name,
        "code": answer.rcode,
        "addresses": answer.addresses,
    }
    if answer.chain:
        facts |= {"alias": answer.chain[-1], "aliases": path(answer)}
        detail = [*detail, answer.chain[-1]]
    return Flaw(answer.server, "wrong-answer", text, detail, facts)


def fault_of(judge: Judge, answer: DnsObserved, setup: Setup) -> tuple[str, list[str]]:
    """Choose the sentence about an answer without a usable address, and the words for a note."""
    aliased = bool(answer.chain)
    if answer.rcode != "NOERROR":
        by_code = CODES.get(str(answer.rcode), "wrong-answer")
        return "wrong-answer.alias" if aliased else by_code, [str(answer.rcode)]
    if not answer.addresses:
        text = "wrong-answer.alias-empty" if aliased else "wrong-answer.empty"
        return text, [Word("no-address")]
    if usable_addresses(setup, answer):
        return "", []
    words = [Word("unusable-address"), *answer.addresses]
    if one_address(judge, setup, answer.server):
        return "wrong-answer.portal", words
    return "wrong-answer.alias-unusable" if aliased else "wrong-answer.unusable", words


def path(answer: DnsObserved) -> str:
    """Write the chain of aliases from the name that was asked for to the last one."""
    return " \N{RIGHTWARDS ARROW} ".join((answer.name, *answer.chain))


def note_invented_names(judge: Judge, setup: Setup, servers: list[str]) -> None:
    """Note a resolver that gives an address to a name that cannot exist (RFC 6761 section 6.4)."""
    for server in servers:
        probe = dns_seen(judge, server, "invalid")
        if everything := one_address(judge, setup, server):
            judge.note("one-address", server=server, addresses=everything)
        elif probe and probe.rcode == "NOERROR" and probe.addresses:
            judge.note("inventing-resolver", server=server, addresses=probe.addresses)
