"""By what a run measures: vantage, computer, versions and limits, for the certificate."""

from __future__ import annotations

import dataclasses
import importlib
import ipaddress
import os
import platform
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cube_acceptance import __version__, suite
from cube_acceptance.evidence import CannotMeasure, Vantage
from cube_acceptance.probes import PROBES
from cube_acceptance.probes.net import errors, local, measuring, windows
from cube_acceptance.probes.net import vantage as vantages
from cube_acceptance.setup import Computer, Routed, Setup
from cube_acceptance.site import SiteError, load_site, site_for_cube
from cube_acceptance.text.foreign import is_plain

if TYPE_CHECKING:
    from cube_acceptance.site import LoadedSite, Site


WINDOWS_11 = 22000
"""The first build of Windows 11, which older releases of Python take for 10."""

FAR_AWAY = "1.1.1.1"
"""An address outside every plant; the system's route to it is looked up, nothing is sent."""

PACKAGES = (
    "pytest",
    "pytest-html",
    "pytest-xdist",
    "dnspython",
    "ntplib",
    "paramiko",
    "certifi",
    "msgspec",
    "jinja2",
)

LIMITS: dict[str, tuple[str, ...]] = {
    "dhcp": ("after_offer_s", "cube_pause_s", "listen_s", "silence_s"),
    "ntp": ("interval_s", "tries", "wait_s"),
    "dns": ("further_s", "refused_pause_s", "servfail_pause_s", "tcp_wait_s", "tries", "wait_s"),
    "https": (
        *("connect_limit_s", "doubt_s", "limit_s"),
        *("second_try_s", "stagger_s", "tls_limit_s"),
    ),
    "icmp": ("count", "interval_s", "patience_s", "wait_s"),
    "http": ("connect_limit_s", "limit_s", "second_try_s"),
    "mdns": ("tries", "window_s"),
    "llmnr": ("tcp_wait_s", "tries", "window_s"),
    "ssh": (
        *("connect_limit_s", "key_limit_s", "keys_limit_s"),
        *("second_try_s", "talk_limit_s"),
    ),
    "tunnel": (
        *("channel_limit_s", "connect_limit_s", "handshake_limit_s", "login_limit_s"),
        *("second_try_s", "session_limit_s", "status_limit_s", "tls_limit_s"),
    ),
}
"""Each protocol's tries and time limits by the names that certificates give them."""

FIELDS = {
    ("dns", "servfail_pause_s"): "later_pause_s",
    ("https", "limit_s"): "status_limit_s",
    ("https", "stagger_s"): "turn_s",
}
"""The fields of probes that hold them, where these have other names: a field may be renamed, a
published name stays."""

SECRET_OPTIONS = ("--sign",)
"""Options whose value does not belong on a certificate."""


def find_vantage(site: Site) -> Vantage | CannotMeasure:
    """Find the place to measure from, or say why there is none."""
    return measuring.attempted(lambda _: _vantage_of(site))


def _vantage_of(site: Site) -> Vantage:
    target = site.cubes[0].address if site.cubes else FAR_AWAY
    vantage = vantages.find_vantage(target, site.vantage.interface)
    if site.vantage.interface and vantage.loopback:
        detail = f"{vantage.interface} leads to this computer itself and to no network"
        raise errors.CannotAskError("not-configured", detail)
    network = site.vantage.network
    if network and vantage.address:
        own = ipaddress.IPv4Address(vantage.address)
        if own not in ipaddress.IPv4Network(network):
            detail = f"{vantage.interface} has {vantage.address}, which is not in {network}"
            raise errors.CannotAskError("off-link", detail)
    return vantage


def load_to_measure(file: str, cube: str) -> LoadedSite:
    """Load the site that is to be measured from here, by its file or by the one CUBE's address.

    Raises:
        SiteError: it cannot be used, or this computer lacks its interface.
    """
    if cube:
        return site_for_cube(cube)
    loaded = load_site(Path(file))
    check_interface(file, loaded.site.vantage.interface)
    return loaded


def check_interface(file: str, name: str) -> None:
    """Refuse the name of an interface that this computer does not have.

    Raises:
        SiteError: names those that it has.
    """
    if name and name not in (known := local.system_interfaces()):
        raise SiteError(
            file=file,
            key="vantage.interface",
            problem="there is no such interface",
            hint=f"This computer has {', '.join(sorted(filter(is_plain, known)))}",
        )


def this_computer(vantage: Vantage | CannotMeasure) -> Computer:
    """Describe the computer that measures."""
    networks = local.interface_networks(vantage.interface) if isinstance(vantage, Vantage) else ()
    return Computer(
        host=platform.node(),
        system=system_name(),
        privilege="root" if has_all_rights() else "user",
        addresses=tuple(map(str, networks)),
        gateway=default_gateway() or vantages.default_router(FAR_AWAY),
    )


def has_all_rights() -> bool:
    """Whether this program runs as root, or with an administrator's rights on Windows."""
    user = getattr(os, "geteuid", None)
    return bool(windows.is_administrator()) if user is None else user() == 0


def system_name() -> str:
    """Return the system's name and version, as its maker writes them.

    Darwin's number is not macOS's, and Windows 11 calls itself 10 but for its build.
    """
    name, release = platform.system(), platform.release()
    if name == "Darwin" and (version := platform.mac_ver()[0]):
        return f"macOS {version}"
    if name != "Windows":
        return f"{name} {release}"
    version = platform.version()
    build = version.rpartition(".")[2]
    if release == "10" and build.isdecimal() and int(build) >= WINDOWS_11:
        release = "11"
    return f"Windows {release} ({version})"


def vantage_facts(setup: Setup) -> dict[str, Any]:
    """Describe the vantage and its computer for the certificate."""
    computer, vantage = setup.computer, setup.vantage
    facts = {
        "host": computer.host,
        "system": computer.system,
        "privilege": computer.privilege,
        "addresses": list(computer.addresses),
        "gateway": computer.gateway,
        "interface": "",
        "address": "",
        "prefix": 0,
        "mac": "",
        "problem": "",
    }
    if isinstance(vantage, CannotMeasure):
        return facts | {"problem": vantage.detail}
    return facts | {
        "interface": vantage.interface,
        "address": vantage.address,
        "prefix": vantage.prefix,
        "mac": vantage.mac,
    }


def default_gateway(routes: Path = Path("/proc/net/route")) -> str:
    """Read the default gateway from Linux's routing table; empty elsewhere and where none is."""
    try:
        lines = routes.read_bytes().splitlines()[1:]
    except OSError:
        return ""
    for line in lines:
        fields = line.split()
        if len(fields) > 2 and fields[1] == b"00000000":  # noqa: PLR2004 - destination and gateway
            return str(ipaddress.IPv4Address(bytes.fromhex(fields[2].decode("ascii"))[::-1]))
    return ""


def command_line(arguments: tuple[str, ...]) -> list[str]:
    """Repeat the command line without the values that do not belong on a certificate."""
    shown: list[str] = []
    hide = False
    for argument in arguments:
        option, equals, _ = argument.partition("=")
        if hide:
            shown.append("…")
        elif option in SECRET_OPTIONS and equals:
            shown.append(f"{option}=…")
        else:
            shown.append(argument)
        hide = argument in SECRET_OPTIONS
    return shown


def limits() -> dict[str, dict[str, float]]:
    """List the probes' tries and time limits, in seconds, as the probes themselves have them."""
    return {
        protocol: {name: _defaults(protocol)[FIELDS.get((protocol, name), name)] for name in names}
        for protocol, names in LIMITS.items()
    }


def _defaults(protocol: str) -> dict[str, Any]:
    module = importlib.import_module(f"cube_acceptance.probes.{protocol}")
    fields = dataclasses.fields(getattr(module, PROBES[protocol]))
    return {field.name: field.default for field in fields}


def packages() -> dict[str, str]:
    """Return the versions of the packages that measure, judge and render."""
    return {name: metadata.version(name) for name in PACKAGES}


def facts(arguments: tuple[str, ...]) -> dict[str, Any]:
    """Describe by what the measurements were made."""
    return {
        "suite": "cube-acceptance",
        "version": __version__,
        "suite_sha256": suite.sha256(),
        "commit": suite.commit(),
        "command_line": command_line(arguments),
        "python": platform.python_version(),
        "packages": packages(),
        "limits": limits(),
    }


def make_setup(loaded: LoadedSite) -> Setup:
    """Settle what the run will measure and from where; for a real site."""
    vantage = find_vantage(loaded.site)
    return Setup(
        loaded=loaded,
        vantage=vantage,
        computer=this_computer(vantage),
        routed=() if isinstance(vantage, CannotMeasure) else routed_cubes(loaded.site, vantage),
    )


def routed_cubes(site: Site, vantage: Vantage) -> tuple[Routed, ...]:
    """List the CUBEs that this computer reaches through a router, so from another segment.

    The system's routes tell, and not the prefix alone: a /32 address may have its whole network on
    the link. Where the system does not say which router it takes, the networks of the interface
    have to do. Before the CUBEs are there, their segment is known by ``vantage.network`` only.
    """
    if site.stage == "readiness" or vantage.loopback or not vantage.address:
        return ()
    found = []
    for cube in site.cubes:
        router = vantages.router_to(vantage, cube.address)
        if router or (router is None and not vantages.on_link(vantage, cube.address)):
            found.append(Routed(cube=cube.name, address=cube.address, gateway=router or ""))
    return tuple(found)
