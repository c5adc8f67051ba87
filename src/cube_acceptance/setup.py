"""What is settled before the first packet: site, vantage, computer and ports."""

from __future__ import annotations

from typing import Literal

import msgspec

from cube_acceptance.evidence import CannotMeasure, Vantage
from cube_acceptance.site import DIAG_NEW_PORT, DIAG_OLD_PORT, LoadedSite, Site, diag_ports


class Ports(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the services are asked; only the embedded site differs from the standard."""

    dhcp_server: int = 67
    dhcp_client: int = 68
    ntp: int = 123
    dns: int = 53
    https: int = 443
    diag_old: int = DIAG_OLD_PORT
    diag_new: int = DIAG_NEW_PORT
    conn: int = 5555
    mdns: int = 5353
    llmnr: int = 5355
    ssh: int = 22

    def diag(self, version: str) -> tuple[int, ...]:
        """Return the ports of the diagnosis page of a CUBE of this version."""
        return tuple(
            self.diag_old if port == DIAG_OLD_PORT else self.diag_new
            for port in diag_ports(version)
        )


class Computer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The computer that measures, for the certificate."""

    host: str = ""
    system: str = ""
    privilege: Literal["root", "user"] = "user"
    addresses: tuple[str, ...] = ()
    """The vantage interface's IPv4 addresses with their prefixes."""
    gateway: str = ""


class Routed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A CUBE that stands in another segment than this computer."""

    cube: str
    """Its name in the site file."""
    address: str
    gateway: str
    """The router, or the tunnel, that the way there leads through; empty where none is known."""


class Setup(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that is settled before the first packet; travels to workers and into evidence."""

    loaded: LoadedSite
    vantage: Vantage | CannotMeasure
    computer: Computer = Computer()
    ports: Ports = Ports()
    simulated: bool = False
    routed: tuple[Routed, ...] = ()
    """The CUBEs for which what is measured here towards the Internet does not speak."""

    @property
    def site(self) -> Site:
        """The site to be tested."""
        return self.loaded.site
