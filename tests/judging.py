"""What several case files share: how the judgement on many servers becomes one ruling."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from cube_acceptance.evidence import NOBODY, DhcpObserved, DnsObserved, Vantage, WayObserved
from cube_acceptance.judge import InconclusiveError, Word, obstacle, on_the_wire
from cube_acceptance.network import (
    dns_key,
    handed_out,
    is_final,
    is_host,
    is_loopback,
    leading_offers,
    name_servers,
    network_of,
    next_hops,
    real_offers,
    server_of,
    silence_is_doubtful,
    usable_addresses,
    way_key,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from ipaddress import IPv4Network

    from cube_acceptance.evidence import (
        CannotMeasure,
        DhcpMessage,
        HttpsObserved,
        NameReply,
        Observation,
        Trouble,
    )
    from cube_acceptance.judge import Judge
    from cube_acceptance.network import Servers
    from cube_acceptance.setup import Setup

TROUBLE_WORDS = {
    "no-answer": Word("silence"),
    "refused": Word("refusal"),
    "no-route": Word("unreachable"),
    "malformed": Word("nonsense"),
}


PROXY_STATUSES = {407: "Proxy Authentication Required", 511: "Network Authentication Required"}
"""What only a proxy or a portal says (RFC 9110 section 15.5.8, RFC 6585 section 6)."""
PROHIBITIONS = frozenset({9, 10, 13})
"""ICMP's codes for a prohibition by an administrator (RFC 1812 section 5.2.7.1)."""
NO_HOST = 1
"""ICMP's code for a host that cannot be reached: nobody answers ARP (RFC 792)."""
REFUSALS = frozenset({"refused", "no-route"})
"""What a server, or a router on the way to it, says instead of an answer."""
NAME_RANKING = ("wrong-answer", "refused", "no-route", "no-answer", "not-offered")
"""Causes in the order of how close a DNS server came to an answer."""


class Flaw(NamedTuple):
    """What is wrong with one of several servers."""

    server: str
    cause: str
    text: str
    detail: str | list[str]
    """For the sentence about this server: signs of the protocol or catalogue words."""
    facts: dict[str, object]


def flaw_of(server: str, trouble: Trouble) -> Flaw:
    """Describe what is wrong with a server that gave no usable answer.

    What does not count as a reply is no answer, however much of it came.
    """
    cause, text = cause_of(trouble)
    word = Word("prohibited") if text == "refused.prohibited" else TROUBLE_WORDS[trouble.kind]
    sign = "ARP" if trouble.detail == NOBODY else on_the_wire(trouble)
    return Flaw(server, cause, text, word, {"detail": sign})


def cause_of(trouble: Trouble) -> tuple[str, str]:
    """Return cause and text of a datagram exchange that brought no reply."""
    if trouble.kind == "malformed":
        return "no-answer", "no-answer.malformed"
    if trouble.icmp_code in PROHIBITIONS:
        return trouble.kind, "refused.prohibited"
    if trouble.kind == "no-route" and (trouble.icmp_code == NO_HOST or trouble.detail == NOBODY):
        return trouble.kind, "no-route.host"
    return trouble.kind, trouble.kind


def stand_in_the_segment(judge: Judge, setup: Setup, spoken_for: Collection[str] = ()) -> None:
    """Rule that what is measured here does not speak for a CUBE of another segment.

    Those that are ``spoken_for`` were measured themselves.
    """
    routed = [one for one in setup.routed if one.cube not in spoken_for]
    if routed and isinstance(setup.vantage, Vantage):
        first = routed[0]
        judge.inconclusive(
            "off-link",
            "off-link.routed" if first.gateway else "off-link.elsewhere",
            cube=first.cube,
            address=first.address,
            router=first.gateway,
            own=setup.vantage.address,
            interface=setup.vantage.interface,
        )


def other_way(
    judge: Judge, setup: Setup, over: str, target: str, port: int
) -> InconclusiveError | None:
    """Describe by whom this computer reaches a target where a CUBE would ask another router.

    None where both take the same way, or nobody can tell.
    """
    offered = look(judge, "dhcp")
    way = look(judge, way_key(over, target, port))
    if not isinstance(offered, DhcpObserved) or not isinstance(way, WayObserved):
        return None
    for offers in by_taker(setup, offered):
        routers = frozenset[str]().union(*(next_hops(offer, target) for offer in offers))
        if way.gateway is not None and routers and way.gateway not in routers:
            return InconclusiveError(
                "other-route",
                "other-route.router",
                target=target,
                server=", ".join(dict.fromkeys(map(server_of, offers))),
                mine=way.gateway or Word("directly"),
                theirs=[router or Word("directly") for router in sorted(routers)],
            )
    return None


def by_taker(setup: Setup, offered: DhcpObserved) -> list[list[DhcpMessage]]:
    """Sort the offers that lead by who may take any of them: each CUBE its own, else every CUBE.

    By an offer of a network that this computer does not stand in nobody here would live.
    """
    takers: dict[str, list[DhcpMessage]] = {}
    for offer in leading_offers(setup, offered):
        network = network_of(offer)
        if network and stands_in(setup.vantage, network):
            takers.setdefault(offer.hardware, []).append(offer)
    return list(takers.values())


def stands_in(vantage: Vantage | CannotMeasure, network: IPv4Network) -> bool:
    """Whether this computer has its address in a network."""
    return (
        isinstance(vantage, Vantage)
        and bool(vantage.address)
        and IPv4Address(vantage.address) in network
    )


def look(judge: Judge, key: str) -> Observation | None:
    """Return an observation that may not be part of this session."""
    try:
        return judge.get(key)
    except LookupError:
        return None


def some(judge: Judge, setup: Setup, servers: Servers) -> tuple[str, ...]:
    """Return the servers to be asked; rules where there are none."""
    if not servers.addresses:
        stop_at_obstacle(judge, servers)
        if nobody_offers(judge, setup):
            judge.fail("not-offered", "not-offered.silence")
        judge.fail("not-offered")
    return servers.addresses


def nobody_offers(judge: Judge, setup: Setup) -> bool:
    """Whether no DHCP server offered an address: then none can have left anything out."""
    observed = judge.get("dhcp")
    return (
        isinstance(observed, DhcpObserved)
        and not real_offers(observed)
        and not silence_is_doubtful(setup, observed)
    )


def stop_at_obstacle(judge: Judge, servers: Servers) -> None:
    """Rule that nobody knows what DHCP hands out here, where that is so."""
    if servers.obstacle:
        raise obstacle(servers.obstacle)
    if stranger := servers.stranger:
        judge.inconclusive("ambiguous", "ambiguous.stranger", **stranger_facts([stranger]))


def stranger_facts(offers: Sequence[DhcpMessage]) -> dict[str, object]:
    """Name servers and networks of offers that are of another network than this one."""
    servers = dict.fromkeys(map(server_of, offers))
    return {
        "server": list(servers),
        "network": list(dict.fromkeys(str(network_of(offer)) for offer in offers)),
    }


def none_works(
    judge: Judge, flaws: list[Flaw], blocked: list[InconclusiveError], ranking: tuple[str, ...]
) -> NoReturn:
    """Rule on servers of which none works: by the flaw that came closest to working.

    A server that could not be asked might work, so the others' failing proves nothing.
    """
    if blocked:
        raise blocked[0]
    closest = min(flaws, key=lambda flaw: (ranking.index(flaw.cause), flaw.text == flaw.cause))
    fail_by(judge, closest, flaws)


def fail_by(judge: Judge, flaw: Flaw, flaws: Iterable[Flaw]) -> NoReturn:
    """Rule by the flaw of one of several servers, naming every other of which the same is true."""
    said = flaw.text, flaw.facts
    alike = [one.server for one in flaws if (one.text, one.facts) == said]
    judge.fail(flaw.cause, flaw.text, servers=alike, **flaw.facts)


def cloud_offset(seen: HttpsObserved) -> float | None:
    """Return how far a cloud host's clock is ahead of this computer's; None where it did not tell.

    A cache hands on the ``Date`` of what it kept, and says by ``Age`` that it kept it (RFC 9111
    section 5.1): that is nobody's time any more.
    """
    kept = seen.reply and dict(seen.reply.headers).get("age", "0") != "0"
    return None if kept else seen.date_offset_s


def givers(judge: Judge, setup: Setup, host: str, *given: str) -> tuple[str, ...]:
    """List the DNS servers that gave one of these addresses for a host; a filter may be one."""
    found = []
    for server in name_servers(setup.site, handed_out(setup, judge)).addresses:
        answer = dns_seen(judge, server, host)
        if answer and set(given) & set(usable_addresses(setup, answer)):
            found.append(server)
    return tuple(found)


def dns_trouble(judge: Judge, setup: Setup, answer: DnsObserved) -> Trouble | None:
    """Describe what kept a DNS server from answering; None where it answered.

    Whoever refuses says so only so often (RFC 1812 section 4.3.2.8) and lets the other questions
    of a run wait in vain. A server that answers none of them is told by the refusal.
    """
    trouble = None if answer.rcode else answer.trouble
    if trouble is None or trouble.kind != "no-answer":
        return trouble
    others = [dns_seen(judge, answer.server, name) for name in (*setup.site.cloud.hosts, "invalid")]
    if any(other and other.rcode for other in others):
        return trouble
    said = [one.trouble for one in others if one and one.trouble and one.trouble.kind in REFUSALS]
    return min([trouble, *said], key=lambda one: NAME_RANKING.index(one.kind))


def heard(judge: Judge, setup: Setup, server: str, host: str) -> DnsObserved:
    """Return what a DNS server told about a host; rules where a CUBE may be told otherwise."""
    answer = judge.measured(dns_key(server, host), DnsObserved)
    if elsewhere := other_way(judge, setup, "udp", server, setup.ports.dns):
        raise elsewhere
    return answer


def dns_seen(judge: Judge, server: str, name: str) -> DnsObserved | None:
    """Return what a DNS server did with a question; None where it was not asked."""
    seen = look(judge, dns_key(server, name))
    return seen if isinstance(seen, DnsObserved) else None


def one_address(judge: Judge, setup: Setup, server: str) -> tuple[str, ...]:
    """Return the address that a DNS server leads every name to, an invented one too; else nothing.

    So do a registration network for unknown devices and a portal. An address that no host can
    have leads nowhere and is a filter's.
    """
    invented = dns_seen(judge, server, "invalid")
    if not (invented and invented.addresses and all(map(leads_somewhere, invented.addresses))):
        return ()
    asked = [dns_seen(judge, server, host) for host in setup.site.cloud.hosts]
    answers = [one for one in (invented, *asked) if one is not None]
    led = {(one.rcode, frozenset(one.addresses)) for one in answers}
    return invented.addresses if led == {("NOERROR", frozenset(invented.addresses))} else ()


def note_one_address(judge: Judge, setup: Setup, servers: Sequence[str]) -> None:
    """Note beside a failure that its address is the one that every name is led to."""
    for server in servers:
        if everything := one_address(judge, setup, server):
            judge.note("one-address", server=server, addresses=everything)


def leads_somewhere(address: str) -> bool:
    """Whether another host than this computer itself can have an address."""
    return is_host(address) and not is_loopback(address)


def of_the_cube(replies: Sequence[NameReply], name: str, address: str) -> list[NameReply]:
    """Keep the replies that are the CUBE's own: those that come from its address.

    A device with several addresses may answer from another one. It answers once, and gives all
    its addresses for its name.
    """
    own = [reply for reply in replies if reply.source == address]
    return own or [
        reply for reply in replies if {(name, reply.source), (name, address)} <= set(reply.names)
    ]


def other_addresses(reply: NameReply, name: str, address: str) -> list[str]:
    """List the addresses beside the CUBE's that a reply gives for its name."""
    return [given for owner, given in reply.names if owner == name and given != address]


def fail_without_address(judge: Judge, setup: Setup, host: str) -> None:
    """Rule on a host without an address: as DNS-01 fares for it, naming DNS as the reason."""
    servers = name_servers(setup.site, handed_out(setup, judge))
    stop_at_obstacle(judge, servers)
    causes = {"not-offered"}
    for server in servers.addresses:
        answer = heard(judge, setup, server, host)
        trouble = dns_trouble(judge, setup, answer)
        causes.add(cause_of(trouble)[0] if trouble else "wrong-answer")
        if is_final(answer):
            break
    judge.fail(min(causes, key=NAME_RANKING.index), "dns", host=host)
