"""DHCP-01: a DHCP server gives the CUBE its address (RFC 2131, RFC 2132)."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING, NoReturn

import pytest

from cube_acceptance.evidence import (
    CannotMeasure,
    DhcpObserved,
    LeaseObserved,
    NtpObserved,
    Vantage,
)
from cube_acceptance.judge import Said, Word, obstacle
from cube_acceptance.network import (
    CUBE_LIMIT,
    DNS_OPTION,
    NTP_OPTION,
    default_routers,
    fits,
    handed_out_by,
    hosts,
    is_final,
    leading_offer,
    missing,
    name_servers,
    real_offers,
    rivals,
    server_of,
    silence_is_doubtful,
    time_servers,
    unsynchronised_by,
    usable_addresses,
    ways_out,
)
from judging import dns_seen, look, other_way, stand_in_the_segment, stranger_facts

if TYPE_CHECKING:
    from cube_acceptance.evidence import DhcpMessage
    from cube_acceptance.judge import Judge
    from cube_acceptance.setup import Setup
    from cube_acceptance.site import Site

SHORT_LEASE_S = 600
NOTHING = "\N{EN DASH}"


@pytest.mark.requirement("DHCP-01")
def test_a_dhcp_server_offers_an_address(judge: Judge, setup: Setup) -> None:
    """A DHCP server gives the CUBE its address."""
    stand_in_the_segment(judge, setup)
    observed = judge.get("dhcp")
    site = setup.site
    if isinstance(observed, CannotMeasure):
        own_lease_proves_a_server(judge, observed, site)
        return
    offers = judge.measured("dhcp", DhcpObserved)
    offer = leading_offer(setup, offers)
    if offer is None:
        rule_on_silence(judge, setup, offers)
    note_rivals(judge, real_offers(offers))
    if not fits(setup, offer):
        judge.inconclusive("ambiguous", **stranger_facts(real_offers(offers)))
    note_rivals_servers(judge, setup, offers)
    note_own_offers(judge, site, offers)
    assert isinstance(setup.vantage, Vantage)  # or no offer would have been heard
    note_taken(judge, site, offers, setup.vantage.address)
    note_values(judge, offer, site)
    if offer.address == setup.vantage.address:
        judge.note("own-address", address=offer.address)
    if lacking := missing(offer):
        judge.fail("wrong-answer", server=server_of(offer), missing=list(map(Word, lacking)))
    note_routers(judge, offer)
    judge.passes(
        server=offer.server_id,
        address=offer.address,
        subnet_mask=offer.subnet_mask,
        routers=offer.routers,
        dns=offer.dns,
        ntp=offer.ntp,
        lease_s=offer.lease_s or 0,
    )


def rule_on_silence(judge: Judge, setup: Setup, offers: DhcpObserved) -> NoReturn:
    """Rule where nobody offered an address."""
    if offers.offers:
        servers = dict.fromkeys(server_of(offer) for offer in offers.offers)
        judge.fail("wrong-answer", "wrong-answer.nothing", server=list(servers))
    if silence_is_doubtful(setup, offers):
        text = {"wsl": "not-permitted.wsl", "udp-socket": "not-permitted.unheard"}
        variant = text.get(offers.deaf, "not-permitted.blocked")
        judge.inconclusive("not-permitted", variant, command=offers.command)
    asked = [cube.mac for cube in setup.site.cubes if cube.mac][:CUBE_LIMIT]
    seconds = round(offers.duration_s)
    if asked:
        judge.fail("no-answer", "no-answer.registered", seconds=seconds, macs=asked)
    judge.fail("no-answer", seconds=seconds)


def own_lease_proves_a_server(judge: Judge, blocked: CannotMeasure, site: Site) -> None:
    """Rule from the address that this computer itself obtained, where port 68 is not permitted."""
    if blocked.cause != "not-permitted":
        raise obstacle(blocked)
    lease = judge.get("lease")
    if not isinstance(lease, LeaseObserved):
        raise obstacle(blocked)
    judge.note("from-lease", client=lease.client)
    if lease.defects:
        judge.note("malformed-option", defects=list(map(Said, lease.defects)))
    note_offer(judge, lease, site)
    judge.passes(
        client=lease.client,
        server=lease.server_id or "",
        address=lease.address,
        dns=lease.dns,
        ntp=lease.ntp,
    )


def note_rivals(judge: Judge, offers: tuple[DhcpMessage, ...]) -> None:
    """Note a second server, and values in which the servers disagree.

    The order in which they name the same routers or DNS servers shares the load, no more.
    """
    servers = {server_of(offer): offer for offer in offers}
    if len(servers) < 2:
        return
    judge.note("second-server", servers=list(servers))
    for what, named in (
        ("routers", {server: ways_out(offer) for server, offer in servers.items()}),
        ("name-servers", {server: offer.dns for server, offer in servers.items()}),
    ):
        if len(set(map(frozenset, named.values()))) > 1:
            said = [f"{server}: {' + '.join(by) or NOTHING}" for server, by in named.items()]
            judge.note("servers-disagree", what=Word(what), said=said)


def note_rivals_servers(judge: Judge, setup: Setup, offers: DhcpObserved) -> None:
    """Note an offer that a CUBE may take as well, and with which it would have no names or time."""
    site = setup.site
    for offer in rivals(setup, offers):
        given = handed_out_by(setup, offer)
        naming = name_servers(site, given).addresses
        if any(unresolved(judge, setup, host, naming) for host in site.cloud.hosts):
            named = naming or Word("none")
            judge.note("offer-without-names", server=server_of(offer), servers=named)
        timed = time_servers(site, given).addresses
        if all(tells_no_time(judge, setup, server) for server in timed):
            judge.note("offer-without-time", server=server_of(offer), servers=timed or Word("none"))


def unresolved(judge: Judge, setup: Setup, host: str, servers: tuple[str, ...]) -> bool:
    """Whether it is certain that these DNS servers, in their order, lead a cloud name nowhere."""
    for server in servers:
        answer = dns_seen(judge, server, host)
        elsewhere = other_way(judge, setup, "udp", server, setup.ports.dns)
        if elsewhere or not answer or usable_addresses(setup, answer):
            return False
        if is_final(answer):
            break
    return True


def tells_no_time(judge: Judge, setup: Setup, server: str) -> bool:
    """Whether it is certain that a time server does not answer, or is not synchronised."""
    answer = look(judge, f"ntp/{server}")
    if other_way(judge, setup, "udp", server, setup.ports.ntp):
        return False
    return isinstance(answer, NtpObserved) and (
        answer.reply is None or bool(unsynchronised_by(answer.reply))
    )


def note_own_offers(judge: Judge, site: Site, offers: DhcpObserved) -> None:
    """Note the address that each CUBE would get, where DHCP was asked for it."""
    for cube in site.cubes:
        own = [offer for offer in real_offers(offers) if cube.mac and offer.hardware == cube.mac]
        for offer in {(server_of(offer), offer.address): offer for offer in own}.values():
            judge.note(
                "own-offer",
                cube=cube.name,
                mac=cube.mac,
                server=server_of(offer),
                address=offer.address,
                match=Word("as-in-site-file" if offer.address == cube.address else "other-address"),
                expected=cube.address,
            )


def note_taken(judge: Judge, site: Site, offers: DhcpObserved, mine: str) -> None:
    """Note an address that is offered although somebody else than this computer has it.

    A CUBE has its own by the site file. Others answer an ARP question for theirs, and so does a
    router that answers for every address (proxy ARP): it is known by answering for several.
    """
    answered = [hardware for _, hardware in offers.holders]
    for offer in {(one.address, one.hardware): one for one in real_offers(offers)}.values():
        if offer.address == mine:
            continue
        cubes = [cube for cube in site.cubes if cube.address == offer.address]
        known = [cube.name for cube in cubes if not cube.mac or cube.mac != offer.hardware]
        others = [
            hardware
            for address, hardware in offers.holders
            if address == offer.address
            and hardware != offer.hardware
            and answered.count(hardware) == 1
        ]
        if known or others:
            judge.note("address-taken", address=offer.address, holder=known or others)


def note_values(judge: Judge, offer: DhcpMessage, site: Site) -> None:
    """Note what is odd about the values of the offer that counts."""
    if offer.defects:
        judge.note("malformed-option", defects=list(map(Said, offer.defects)))
    note_offer(judge, offer, site)


def note_routers(judge: Judge, offer: DhcpMessage) -> None:
    """Note routers of which none lies in the network that the offer describes.

    Routes, where the offer has some, stand in place of the routers, and have to lead everywhere
    then (RFC 3442).
    """
    network = IPv4Network(f"{offer.address}/{offer.subnet_mask}", strict=False)
    if not offer.routes and not any(IPv4Address(router) in network for router in offer.routers):
        judge.note("router-outside", routers=offer.routers, network=str(network))
    if offer.routes and not default_routers(offer):
        judge.note("no-default-route", routers=offer.routers)


def note_offer(judge: Judge, told: DhcpMessage | LeaseObserved, site: Site) -> None:
    """Note a short lease, an address outside the network, and options that are missing."""
    if told.lease_s is not None and told.lease_s < SHORT_LEASE_S:
        judge.note("short-lease", seconds=told.lease_s)
    network = site.vantage.network
    if network and IPv4Address(told.address) not in IPv4Network(network):
        judge.note("outside-network", address=told.address, network=network)
    if not hosts(told.ntp, told) and would_tell(told, NTP_OPTION):
        judge.note("no-time-server")
    if not hosts(told.dns, told) and would_tell(told, DNS_OPTION):
        judge.note("no-name-server")


def would_tell(told: DhcpMessage | LeaseObserved, option: int) -> bool:
    """Whether an option would be there if the server had it: a lease holds what was asked for."""
    return not isinstance(told, LeaseObserved) or option in told.asked
