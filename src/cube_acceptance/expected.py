"""Which requirements apply to a site, and which cases a complete run of it owes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from cube_acceptance import catalogue as catalogues

if TYPE_CHECKING:
    from cube_acceptance.catalogue import Catalogue, Requirement
    from cube_acceptance.site import Cube, Site


class Owed(msgspec.Struct, frozen=True, kw_only=True):
    """One case that a complete run has to hold a ruling for."""

    requirement: str
    subject: str
    case: str
    host: str = ""


def applies(requirement: Requirement, site: Site) -> bool:
    """Whether a requirement applies: before a CUBE is there, internal ones do not."""
    return site.stage == "acceptance" or requirement.direction != "internal"


def subjects(requirement: Requirement, site: Site) -> tuple[str, ...]:
    """List what a requirement has results about: the site, or every CUBE by name."""
    if requirement.about == "site" or not site.cubes:
        return (catalogues.SITE,)
    return tuple(cube.name for cube in site.cubes)


def owed(catalogue: Catalogue, site: Site) -> tuple[Owed, ...]:
    """List every case that a complete run of this site holds, in catalogue order."""
    cases = []
    for requirement in catalogue.requirement:
        if not applies(requirement, site):
            continue
        for subject in subjects(requirement, site):
            hosts = site.cloud.hosts if requirement.each else ("",)
            cases += [
                Owed(
                    requirement=requirement.id,
                    subject=subject,
                    case=case_name(requirement.id, subject, host),
                    host=host,
                )
                for host in hosts
            ]
    return tuple(cases)


def case_name(requirement: str, subject: str, host: str = "") -> str:
    """Name a case, ``DNS-01[disco.tapio.one]`` for instance."""
    about = host or ("" if subject == catalogues.SITE else subject)
    return f"{requirement}[{about}]" if about else requirement


def cube_named(site: Site, name: str) -> Cube:
    """Find a CUBE by its name in the site file.

    Raises:
        KeyError: the site has no such CUBE.
    """
    for cube in site.cubes:
        if cube.name == name:
            return cube
    raise KeyError(name)
