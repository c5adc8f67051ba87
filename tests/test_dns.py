"""DNS-01: Internet names resolve by the DNS servers that DHCP hands out (RFC 1035, RFC 7766)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NoReturn

import pytest
from own_path import Way, rule, ways

from cube_acceptance.judge import InconclusiveError, Word
from cube_acceptance.network import handed_out, is_final, name_servers, usable_addresses
from judging import (
    TROUBLE_WORDS,
    Flaw,
    dns_seen,
    dns_trouble,
    fail_by,
    flaw_of,
    heard,
    none_works,
    one_address,
    some,
    stand_in_the_segment,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cube_acceptance.evidence import DnsObserved
    from cube_acceptance.judge import Judge
    from cube_acceptance.setup import Setup

RANKING = ("wrong-answer", "refused", "no-route", "no-answer")
"""Causes in the order of how close a server came to working."""

MAXNS = 3
"""How many DNS servers glibc and musl use, whatever DHCP names (resolv.conf(5))."""

CODES = {"REFUSED": "wrong-answer.refused", "SERVFAIL": "wrong-answer.servfail"}
"""Sentences for the codes that ask for another remedy than a name that is denied."""


@pytest.mark.requirement("DNS-01")
def test_a_cloud_name_resolves(judge: Judge, setup: Setup, host: str) -> None:
    """The first DNS server of DHCP's that answers resolves the host to a usable address."""
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
    """Rule on what the DNS servers tell this computer, as a resolver takes it.

    It asks them in their order, and the first answer that is final decides, whatever another
    server knows. What a server would have said that could not be asked might have been that.
    """
    stand_in_the_segment(judge, setup, spoken_for)
    servers = some(judge, setup, name_servers(setup.site, handed_out(setup, judge)))
    answers, blocked = hear_all(judge, setup, servers, host)
    found = {server: usable_addresses(setup, answer) for server, answer in answers.items()}
    flaws = {
        server: what_is_wrong(judge, answer, setup)
        for server, answer in answers.items()
        if not found[server]
    }
    decides = next((one for one in servers if one not in flaws or is_final(answers[one])), "")
    if decides in blocked:
        raise blocked[decides]
    resolving = [server for server in answers if found[server]]
    for server, flaw in flaws.items():
        if resolving and server != decides:
            judge.note("server-failed", server=server, host=host, detail=flaw.detail)
    if decides in flaws:
        fail_by_the_first(judge, flaws[decides], flaws, resolving)
    if not decides:
        none_works(judge, list(flaws.values()), [], RANKING)
    note_invented_names(judge, setup, resolving)
    answer = answers[decides]
    if not spoken_for:
        note_what_devices_miss(judge, host, answer, servers.index(decides) + 1)
    aliases = {"aliases": path(answer)} if answer.chain else {}
    judge.passes(host=host, server=decides, addresses=found[decides], **aliases)


def hear_all(
    judge: Judge, setup: Setup, servers: Sequence[str], host: str
) -> tuple[dict[str, DnsObserved], dict[str, InconclusiveError]]:
    """Collect what each server told about a host, or what keeps that from speaking for a CUBE."""
    answers, blocked = {}, {}
    for server in servers:
        try:
            answer = heard(judge, setup, server, host)
        except InconclusiveError as obstacle:
            blocked[server] = obstacle
            continue
        answers[server] = answer
        if answer.tcp in TROUBLE_WORDS:
            detail = TROUBLE_WORDS[answer.tcp]
            judge.note("tcp-refused", server=server, host=host, detail=detail)
    return answers, blocked


def fail_by_the_first(
    judge: Judge, flaw: Flaw, flaws: dict[str, Flaw], resolving: list[str]
) -> NoReturn:
    """Rule on a server whose answer leads nowhere and keeps devices from asking the next one."""
    if not resolving:
        fail_by(judge, flaw, flaws.values())
    host = flaw.facts["host"]
    judge.fail(
        "wrong-answer",
        "wrong-answer.first",
        server=flaw.server,
        servers=resolving,
        host=host,
        name=flaw.facts.get("alias", host),
        detail=flaw.detail,
    )


def what_is_wrong(judge: Judge, answer: DnsObserved, setup: Setup) -> Flaw:
    """Describe what is wrong with a server's answer that has no usable address.

    The code and the addresses are those of the last name of a chain of aliases (RFC 6604), so
    that is the name to make an exception for.
    """
    if trouble := dns_trouble(judge, setup, answer):
        flaw = flaw_of(answer.server, trouble)
        return flaw._replace(facts=flaw.facts | {"host": answer.name})
    text, detail = fault_of(judge, answer, setup)
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
    words = [Word("unusable-address"), *answer.addresses]
    if one_address(judge, setup, answer.server):
        return "wrong-answer.portal", words
    return "wrong-answer.alias-unusable" if aliased else "wrong-answer.unusable", words


def path(answer: DnsObserved) -> str:
    """Write the chain of aliases from the name that was asked for to the last one."""
    return " \N{RIGHTWARDS ARROW} ".join((answer.name, *answer.chain))


def note_what_devices_miss(judge: Judge, host: str, answer: DnsObserved, place: int) -> None:
    """Note an answer that not every resolver comes to, or finds an address in."""
    if place > MAXNS:
        judge.note("named-late", server=answer.server, host=host, place=place, limit=MAXNS)
    if answer.aliased != "plainly":
        how = Word(f"aliased-{answer.aliased}")
        judge.note("alias-lost", server=answer.server, host=host, what=how, aliases=path(answer))


def note_invented_names(judge: Judge, setup: Setup, servers: list[str]) -> None:
    """Note a resolver that gives an address to a name that cannot exist (RFC 6761 section 6.4)."""
    for server in servers:
        probe = dns_seen(judge, server, "invalid")
        if everything := one_address(judge, setup, server):
            judge.note("one-address", server=server, addresses=everything)
        elif probe and probe.rcode == "NOERROR" and probe.addresses:
            judge.note("inventing-resolver", server=server, addresses=probe.addresses)
