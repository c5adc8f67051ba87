"""The rules in a firewall that are missing: from where to where, by addresses and names only.

A rule is for a firewall, so there is none where none can help: a service that is off, an exemption
from TLS inspection, a way that is missing. What refuses within one segment is no firewall between.
"""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import TYPE_CHECKING, NamedTuple

from cube_acceptance import addresses, expected
from cube_acceptance.catalogue import SITE, Direction
from cube_acceptance.evidence import Vantage

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cube_acceptance.catalogue import Catalogue, Language, Requirement
    from cube_acceptance.expected import Owed
    from cube_acceptance.judge import Judgement
    from cube_acceptance.ledger import Ledger
    from cube_acceptance.setup import Setup
    from cube_acceptance.site import Site

ADDRESSES_IN_RULE = 4
"""How many CUBE addresses a rule lists before it names their network instead."""


PROHIBITED = frozenset({"ICMP 3/9", "ICMP 3/10", "ICMP 3/13"})
"""Refusals that name a rule: administratively prohibited (RFC 1122 3.2.2.1, RFC 1812 5.2.7.1)."""


class Rule(NamedTuple):
    """A rule to ask the network's administrator for."""

    source: str
    """The CUBEs' addresses or their network; empty where the test computer alone is the source."""
    for_the_test: str
    """The test computer's address: without it the next test would fail again."""
    destination: str
    protocol: str
    port: str
    direction: Direction
    text: str
    """What it allows, as a sentence."""


def missing(  # noqa: PLR0913, PLR0917 - a rule needs both ends, and words for them
    catalogue: Catalogue,
    requirement: Requirement,
    owed: Sequence[Owed],
    ledger: Ledger,
    setup: Setup,
    language: Language,
) -> list[Rule]:
    """List the rules that would make the failed cases of a requirement pass, each once."""
    found: dict[Rule, None] = {}
    for owing in owed:
        judgement = ledger.judgement(owing.case)
        if judgement.outcome != "fail":
            continue
        if catalogue.text(requirement.id, judgement.text).rule:
            rules = for_failure(requirement, owing, judgement, setup, language)
            found |= dict.fromkeys(rules)
    return list(found)


def for_failure(
    requirement: Requirement, owing: Owed, judgement: Judgement, setup: Setup, language: Language
) -> list[Rule]:
    """List the rules for one failed case; none where what refuses stands in the same segment."""
    if requirement.direction == "internal":
        ends = _inwards(requirement, owing, setup)
    else:
        ends = _outwards(owing, judgement, requirement, setup)
    return [
        Rule(
            source=source,
            for_the_test=computer,
            destination=destination,
            protocol=requirement.protocol,
            port=str(judgement.facts.get("port", requirement.port)),
            direction="lan" if near else requirement.direction,
            text=requirement.describe(language).request,
        )
        for source, computer, destination, near in ends
        if not (near and judgement.cause == "refused" and not _is_prohibited(judgement))
    ]


def _is_prohibited(judgement: Judgement) -> bool:
    """Whether what refuses says of itself that a rule does."""
    detail = str(judgement.facts.get("detail", ""))
    return detail.partition(",")[0] in PROHIBITED


_Ends = list[tuple[str, str, str, bool]]
"""Source, test computer, destination, and whether both ends stand in one segment."""


def _inwards(requirement: Requirement, owing: Owed, setup: Setup) -> _Ends:
    if owing.subject == SITE:
        return []
    cube = expected.cube_named(setup.site, owing.subject)
    if requirement.group:
        return [(cube.address, computer(setup), requirement.group, True)]
    routed = {one.cube for one in setup.routed}
    near = cube.name not in routed and stands_in(segment(setup), cube.address)
    return [("", computer(setup), cube.address, near)]


def _outwards(owing: Owed, judgement: Judgement, requirement: Requirement, setup: Setup) -> _Ends:
    site, facts = setup.site, judgement.facts
    if judgement.text.endswith(".own"):  # measured from this CUBE itself
        return [(str(facts.get("address", "")), "", owing.host, False)]
    source, network = cubes_as_source(site, segment(setup)), segment(setup)
    if requirement.protocol == "ICMP":
        places = [site.cloud.ping_target]
    elif requirement.protocol == "TCP":
        places = [owing.host]
    else:
        servers = facts.get("servers", [])
        places = list(map(str, servers if isinstance(servers, list) else [servers]))
    return [(source, computer(setup), place, stands_in(network, place)) for place in places]


def computer(setup: Setup) -> str:
    """Return the test computer's address; empty where it has none."""
    return setup.vantage.address if isinstance(setup.vantage, Vantage) else ""


def segment(setup: Setup) -> IPv4Network | None:
    """Return the network that the test computer stands in, else the site file's; None: unknown."""
    vantage, wish = setup.vantage, setup.site.vantage.network
    if isinstance(vantage, Vantage) and vantage.address:
        return IPv4Network(f"{vantage.address}/{vantage.prefix}", strict=False)
    return IPv4Network(wish) if wish else None


def stands_in(network: IPv4Network | None, place: str) -> bool:
    """Whether a place, an address or a name, is known to be an address of a network."""
    address = addresses.read(place)
    return bool(network and address and address in network)


def cubes_as_source(site: Site, network: IPv4Network | None) -> str:
    """Name the CUBEs as the source of a rule: their addresses, or their network where it is known.

    A rule for a few CUBEs does not open their whole network.
    """
    listed = [cube.address for cube in site.cubes]
    known = IPv4Network(site.vantage.network) if site.vantage.network else network
    many = len(listed) > ADDRESSES_IN_RULE
    if known and (not listed or (many and all(stands_in(known, one) for one in listed))):
        return str(known)
    return ", ".join(listed)


def merged(rules: Iterable[Rule]) -> list[Rule]:
    """Make one of the rules that differ in their destinations only, then in their sources only."""
    by_destination = _gathered(
        (rule._replace(destination=""), rule.destination) for rule in rules
    ).items()
    by_source = _gathered(
        (rule._replace(destination=places, source=""), rule.source)
        for rule, places in by_destination
    ).items()
    return [rule._replace(source=places) for rule, places in by_source]


def _gathered(ends: Iterable[tuple[Rule, str]]) -> dict[Rule, str]:
    """Put the other ends of equal rules together, each once."""
    places: dict[Rule, dict[str, None]] = {}
    for rule, place in ends:
        places.setdefault(rule, {})[place] = None
    return {rule: ", ".join(filter(None, each)) for rule, each in places.items()}
