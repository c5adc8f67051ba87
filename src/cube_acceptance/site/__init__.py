"""The site file: what is to be tested, validated strictly, with a default for nearly everything."""

from __future__ import annotations

from cube_acceptance.site.load import SiteError, check_together, load_site, site_for_cube
from cube_acceptance.site.model import (
    DIAG_NEW_PORT,
    DIAG_OLD_PORT,
    Cloud,
    Cube,
    Dns,
    LoadedSite,
    Login,
    Ntp,
    People,
    Person,
    Plant,
    Site,
    VantageWish,
    Waiver,
    diag_ports,
)
from cube_acceptance.site.values import check_text, parse_version

__all__ = [
    "DIAG_NEW_PORT",
    "DIAG_OLD_PORT",
    "Cloud",
    "Cube",
    "Dns",
    "LoadedSite",
    "Login",
    "Ntp",
    "People",
    "Person",
    "Plant",
    "Site",
    "SiteError",
    "VantageWish",
    "Waiver",
    "check_text",
    "check_together",
    "diag_ports",
    "load_site",
    "parse_version",
    "site_for_cube",
]
