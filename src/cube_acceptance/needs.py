"""What each requirement rests on: one table, from a requirement to the probes that its cases read.

Probes are imported where they are made: DHCP listens meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, TypeGuard

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cube_acceptance.evidence import Vantage
    from cube_acceptance.expected import Owed
    from cube_acceptance.logins import Logins
    from cube_acceptance.probes import Probe, Stepping
    from cube_acceptance.probes.mdns import Listing
    from cube_acceptance.probes.net.echo_socket import EchoSockets
    from cube_acceptance.probes.net.group_socket import GroupSockets
    from cube_acceptance.probes.net.together import Sockets
    from cube_acceptance.probes.tunnel import Shell
    from cube_acceptance.setup import Setup
    from cube_acceptance.site import Cube, Site

CONNECTOR_UNREACHABLE = "Connection to CloudConnector could not be established"
"""What the Cloud-Connector's page says when its service is away (tapio's documentation)."""


@dataclass(frozen=True, slots=True)
class Place:
    """From where everything is asked."""

    setup: Setup
    vantage: Vantage
    listing: Listing | None = None
    """What asks for the services of several CUBEs at once."""
    sockets: Sockets[Any] | None = None
    """What lets one thread talk to several CUBEs; none where there is one."""
    echoes: EchoSockets | None = None
    """What of it they are asked for echoes by."""
    mdns: GroupSockets | None = None
    llmnr: GroupSockets | None = None
    """Likewise what asks a link for them."""


def with_several(place: Place, listed: Sequence[str]) -> Place:
    """Let several CUBEs share sockets; ``listed`` are those whose services are asked for."""
    from cube_acceptance.probes.mdns import Listing
    from cube_acceptance.probes.net.echo_socket import EchoSockets, may_share
    from cube_acceptance.probes.net.group_socket import GroupSockets
    from cube_acceptance.probes.net.together import Sockets

    sockets: Sockets[Any] = Sockets()
    return replace(
        place,
        listing=Listing(listed) if len(listed) > 1 else None,
        sockets=sockets,
        echoes=EchoSockets(sockets) if may_share() else None,
        mdns=GroupSockets(sockets),
        llmnr=GroupSockets(sockets),
    )


def shares(probe: Probe) -> TypeGuard[Stepping]:
    """Whether a probe of a CUBE shares a socket with those of others."""
    from cube_acceptance.probes.icmp import PingProbe
    from cube_acceptance.probes.llmnr import LlmnrProbe
    from cube_acceptance.probes.mdns import MdnsProbe

    return isinstance(probe, PingProbe | MdnsProbe | LlmnrProbe) and probe.sockets is not None


def goes_by_steps(probe: Probe) -> TypeGuard[Stepping]:
    """Whether a probe of a CUBE can use its own socket beside others; host keys take too long."""
    from cube_acceptance.probes.http import PageProbe
    from cube_acceptance.probes.net.sockets import beside_others
    from cube_acceptance.probes.ssh import SshProbe

    brief = isinstance(probe, SshProbe) and not probe.fingerprints_wanted
    return beside_others() and (brief or isinstance(probe, PageProbe))


def diagnosis_pages(place: Place, cube: Cube) -> list[Probe]:
    """Ask for the diagnosis page at every port where it may be."""
    wanted = (cube.page_contains,) if cube.page_contains else ()
    return [_page(place, cube, port, wanted) for port in place.setup.ports.diag(cube.version)]


def connector_page(place: Place, cube: Cube) -> list[Probe]:
    """Ask for the Cloud-Connector's page."""
    return [_page(place, cube, place.setup.ports.conn, (), (CONNECTOR_UNREACHABLE,))]


def _page(
    place: Place, cube: Cube, port: int, wanted: tuple[str, ...], unwanted: tuple[str, ...] = ()
) -> Probe:
    from cube_acceptance.probes.http import PageProbe

    return PageProbe(
        vantage=place.vantage,
        address=cube.address,
        port=port,
        look_for=wanted,
        listen_for=unwanted,
        own_names=(cube.hostname, f"{cube.hostname}.local") if cube.hostname else (),
    )


def shell(place: Place, cube: Cube) -> list[Probe]:
    """Ask whether SSH answers, and for its host keys where it should."""
    from cube_acceptance.probes.ssh import SshProbe

    return [
        SshProbe(
            vantage=place.vantage,
            address=cube.address,
            port=place.setup.ports.ssh,
            fingerprints_wanted=cube.ssh == "enabled",
        )
    ]


def cube_echoes(place: Place, cube: Cube) -> list[Probe]:
    """Ask the CUBE for echoes."""
    from cube_acceptance.probes.icmp import PingProbe

    address = cube.address
    vantage, sockets = place.vantage, place.echoes
    return [PingProbe(vantage=vantage, subject=address, address=address, sockets=sockets)]


def _cloud_echoes(place: Place, host: str, addresses: tuple[str, ...]) -> list[Probe]:
    from cube_acceptance.probes.icmp import PingProbe

    address = addresses[0]
    asked = PingProbe(vantage=place.vantage, subject=host, address=address)
    return [way(place, "icmp", address, 0), asked]


def way(place: Place, over: Literal["udp", "tcp", "icmp"], target: str, port: int) -> Probe:
    """Ask this computer which router it takes, for comparison with the CUBE's."""
    from cube_acceptance.probes.way import WayProbe

    return WayProbe(vantage=place.vantage, over=over, target=target, port=port)


def mdns_names(place: Place, cube: Cube) -> list[Probe]:
    """Ask the link for the CUBE by mDNS."""
    from cube_acceptance.probes.mdns import MdnsProbe

    return [
        MdnsProbe(
            vantage=place.vantage,
            cube=cube.name,
            address=cube.address,
            hostname=cube.hostname,
            port=place.setup.ports.mdns,
            listing=place.listing,
            sockets=place.mdns,
        )
    ]


def llmnr_names(place: Place, cube: Cube) -> list[Probe]:
    """Ask the link for the CUBE by LLMNR."""
    from cube_acceptance.probes.llmnr import LlmnrProbe

    return [
        LlmnrProbe(
            vantage=place.vantage,
            cube=cube.name,
            address=cube.address,
            hostname=cube.hostname,
            port=place.setup.ports.llmnr,
            sockets=place.llmnr,
        )
    ]


def _cloud_page(place: Place, host: str, addresses: tuple[str, ...]) -> list[Probe]:
    from cube_acceptance.probes.https import HttpsProbe

    return [
        HttpsProbe(
            vantage=place.vantage,
            host=host,
            addresses=addresses,
            port=place.setup.ports.https,
            ca_pem=place.setup.loaded.ca_pem,
        ),
        *(way(place, "tcp", address, place.setup.ports.https) for address in addresses),
    ]


def tunnel(place: Place, through: Shell, host: str, addresses: tuple[str, ...]) -> Probe:
    """Ask for a cloud host from a CUBE, through its shell."""
    from cube_acceptance.probes.tunnel import TunnelProbe

    return TunnelProbe(
        vantage=place.vantage,
        shell=through,
        host=host,
        address=addresses[0] if addresses else "",
        port=place.setup.ports.https,
        ca_pem=place.setup.loaded.ca_pem,
    )


def shells(setup: Setup, logins: Logins) -> tuple[Shell, ...]:
    """Return the shells that somebody can log in at."""
    if not logins:
        return ()
    from cube_acceptance.probes.tunnel import Shell

    return tuple(
        Shell(
            cube=cube.name,
            address=cube.address,
            port=setup.ports.ssh,
            fingerprint=cube.ssh_fingerprint,
            credentials=logins[cube.name],
        )
        for cube in setup.site.cubes
        if cube.name in logins
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What the cases of one requirement read."""

    cube: Callable[[Place, Cube], list[Probe]] | None = None
    """Asks the CUBE that the case is about."""
    names: Callable[[Site, Owed], tuple[str, ...]] | None = None
    """The names that the handed-out DNS servers are asked for; with any, DHCP is needed."""
    host: Callable[[Place, str, tuple[str, ...]], list[Probe]] | None = None
    """Asks the host of each such name at its addresses."""
    time: bool = False
    """The handed-out time servers."""
    invented: bool = False
    """The handed-out DNS servers, for a name that does not exist."""
    from_cube: bool = False
    """The host of each such name, from every CUBE that somebody can log in at."""


NEEDS = {
    "DHCP-01": Needs(names=lambda _site, _owed: ()),
    "NTP-01": Needs(names=lambda site, _owed: site.cloud.hosts, host=_cloud_page, time=True),
    "DNS-01": Needs(names=lambda _site, owed: (owed.host,), invented=True, from_cube=True),
    "HTTPS-01": Needs(names=lambda _site, owed: (owed.host,), host=_cloud_page, from_cube=True),
    "PING-01": Needs(names=lambda site, _owed: (site.cloud.ping_target,), host=_cloud_echoes),
    "DIAG-01": Needs(cube=diagnosis_pages),
    "CONN-01": Needs(cube=connector_page),
    "MDNS-01": Needs(cube=mdns_names),
    "LLMNR-01": Needs(cube=llmnr_names),
    "PING-02": Needs(cube=cube_echoes),
    "SSH-01": Needs(cube=shell),
}
"""Which probes a requirement needs."""
