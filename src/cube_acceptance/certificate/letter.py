"""The request before the visit: what a CUBE needs of a network, from the site file alone."""

from __future__ import annotations

from functools import partial
from ipaddress import IPv4Network
from typing import TYPE_CHECKING, Any

import msgspec

from cube_acceptance import expected
from cube_acceptance.certificate import front, page, request
from cube_acceptance.certificate.request import Item, Request, named
from cube_acceptance.certificate.rules import Rule, cubes_as_source, merged
from cube_acceptance.site import diag_ports
from cube_acceptance.text.wording import say

if TYPE_CHECKING:
    from cube_acceptance.catalogue import Catalogue, Language, Requirement
    from cube_acceptance.site import Cube, Site

WILDCARD = "*.tapio.one"
"""What the manufacturer's page names; the hosts that are tested are samples of it."""

NO_ADDRESS, EVERYBODY = "0.0.0.0", "255.255.255.255"  # noqa: S104 - no address is bound to
"""From where to where a device without an address asks for one (RFC 2131 section 4.1)."""

SERVERS = {"NTP-01": "ntp", "DNS-01": "dns"}
"""The requirements that ask servers named by DHCP, and the site file's table that names others."""


def before(catalogue: Catalogue, site: Site, language: Language) -> Request:
    """Make the request before the visit; what does not apply to the site is not in it."""
    items = (
        _item(catalogue, requirement, site, language)
        for requirement in catalogue.requirement
        if expected.applies(requirement, site)
    )
    operator: dict[str, str] | None = msgspec.to_builtins(site.people.operator)
    return Request(
        language=language,
        site=site.site.name or site.site.customer,
        reference="",
        date="",
        contact=front.reached(operator),
        items=tuple(item for item in items if item.rules),
    )


def _item(catalogue: Catalogue, requirement: Requirement, site: Site, language: Language) -> Item:
    words, named_here = requirement.describe(language), SERVERS.get(requirement.id, "")
    cubes = _cubes(requirement, site)
    actions: tuple[str, ...] = ()
    if named_here and not getattr(site, named_here).servers:
        actions = (catalogue.text(requirement.id, "not-offered").ask(language),)
    return Item(
        requirement=requirement.id,
        title=words.title,
        level=requirement.level,
        cause="",
        cubes=tuple(named(msgspec.to_builtins(cube)) for cube in cubes),
        reasons=(words.expected,),
        meaning=words.meaning,
        actions=actions,
        rules=tuple(_rules(requirement, site, cubes, language)),
    )


def _cubes(requirement: Requirement, site: Site) -> list[Cube]:
    """List the CUBEs that a requirement is about; a shell that is to be off needs no rule."""
    if requirement.about != "cube":
        return []
    return [cube for cube in site.cubes if requirement.id != "SSH-01" or cube.ssh == "enabled"]


def _rules(
    requirement: Requirement, site: Site, cubes: list[Cube], language: Language
) -> list[Rule]:
    rule = Rule(
        source="",
        for_the_test=say("letter.computer", language),
        destination="",
        protocol=requirement.protocol,
        port=requirement.port,
        direction=requirement.direction,
        text=requirement.describe(language).request,
    )
    if requirement.direction == "lan":
        return [rule._replace(source=NO_ADDRESS, for_the_test="", destination=EVERYBODY)]
    if requirement.group:
        lan = rule._replace(destination=requirement.group, direction="lan")
        return merged(lan._replace(source=cube.address) for cube in cubes)
    if requirement.direction == "internal":
        return merged(
            rule._replace(destination=cube.address, port=str(port))
            for cube in cubes
            for port in _ports(requirement, cube)
        )
    network = site.vantage.network
    source = cubes_as_source(site, IPv4Network(network) if network else None)
    source = source or say("letter.cubes", language)
    places = ", ".join(_places(requirement, site, language))
    return [rule._replace(source=source, destination=places)]


def _ports(requirement: Requirement, cube: Cube) -> tuple[Any, ...]:
    return diag_ports(cube.version) if requirement.id == "DIAG-01" else (requirement.port,)


def _places(requirement: Requirement, site: Site, language: Language) -> tuple[str, ...]:
    if named_here := SERVERS.get(requirement.id):
        return getattr(site, named_here).servers or (say(f"letter.{named_here}", language),)
    if requirement.protocol == "ICMP":
        return (site.cloud.ping_target,)
    return (WILDCARD, *site.cloud.hosts)


def as_html(asked: Request) -> str:
    """Render the request as a page to print, which stands alone."""
    template = page.templates().get_template("letter.jinja")
    return template.render(
        request=asked, language=asked.language, say=partial(say, language=asked.language)
    )


WRITERS = {"html": as_html, "text": request.as_text, "csv": request.as_csv}
"""How the request is written, by the name of the form."""
