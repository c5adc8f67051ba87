"""The model of the site file: the only home of its keys and their defaults.

A pattern is for editors and for evidence that comes back; ``check`` is what a person is told. An
empty text is as good as none, except where a key is required.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from cube_acceptance.catalogue import Language
from cube_acceptance.site.values import (
    FINGERPRINT,
    LABEL,
    MAC,
    QUAD,
    TEXT_LIMIT,
    TOLERANCE_LIMITS_S,
    VARIABLE,
    check_address,
    check_cube_name,
    check_fingerprint,
    check_host,
    check_hostname,
    check_mac,
    check_network,
    check_tolerance,
    check_variable,
    check_version,
    parse_version,
)

SERVER_LIMIT = 8
"""DNS or time servers that a site file may name; every one of them is asked."""
DIAG_OLD_PORT = 45001
DIAG_NEW_PORT = 80
DIAG_LAST_OLD_VERSION = (0, 129, 7)
"""The last version with its diagnosis page on :data:`DIAG_OLD_PORT` (DIAG-01)."""


Text = Annotated[str, Meta(max_length=TEXT_LIMIT)]
Address = Annotated[str, Meta(pattern=f"^{QUAD}$", extra={"check": check_address})]
Host = Annotated[
    str,
    Meta(max_length=TEXT_LIMIT, pattern=rf"^({LABEL}\.)+{LABEL}$", extra={"check": check_host}),
]
Servers = Annotated[
    tuple[Address, ...],
    Meta(
        max_length=SERVER_LIMIT,
        description="Asked where DHCP hands out none; recorded as a deviation.",
        examples=[["10.20.0.1"]],
    ),
]


class Plant(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the certificate is about, in the customer's words."""

    name: Annotated[Text, Meta(description="The plant.", examples=["Werk Ulm"])] = ""
    customer: Annotated[Text, Meta(description="Whose plant it is.")] = ""
    location: Annotated[
        Text, Meta(description="Where in the plant: hall, line, network segment.")
    ] = ""
    contact: Annotated[
        Text,
        Meta(description="How the customer is reached: person, telephone, mail."),
    ] = ""


class Person(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Somebody who stands behind the certificate."""

    name: Annotated[Text, Meta(description="First and last name.")] = ""
    organisation: Annotated[Text, Meta(description="Company and department.")] = ""
    address: Annotated[Text, Meta(description="Postal address of the organisation.")] = ""
    contact: Annotated[Text, Meta(description="Telephone or mail.")] = ""


class People(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who took part."""

    operator: Annotated[Person | None, Meta(description="Who runs the test.")] = None
    witness: Annotated[Person | None, Meta(description="Who watches it for the customer.")] = None
    approver: Annotated[Person | None, Meta(description="Who accepts the result.")] = None


class VantageWish(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where to measure from."""

    interface: Annotated[
        Text,
        Meta(
            description="Network interface of this computer. Default: the one that reaches the "
            "first CUBE, or the default route's.",
            examples=["eth0"],
        ),
    ] = ""
    network: Annotated[
        Text,
        Meta(
            pattern=rf"^({QUAD}/[0-9]{{1,2}})?$",
            description="The CUBE's network, to prove that the test stands in it.",
            examples=["10.20.0.0/24"],
            extra={"check": check_network},
        ),
    ] = ""


class Login(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How to log in at a CUBE's maintenance shell; it holds no secret, only where one is."""

    user: Annotated[Text, Meta(description="User name at the shell.", examples=["service"])]
    key: Annotated[
        Text,
        Meta(
            description="File of the private key. One that is encrypted is asked for on the "
            "terminal. Either this or `password_env`.",
            examples=["keys/cube"],
        ),
    ] = ""
    password_env: Annotated[
        Text,
        Meta(
            pattern=f"^({VARIABLE})?$",
            description="Environment variable that holds the password. Either this or `key`.",
            examples=["CUBE_PASSWORD"],
            extra={"check": check_variable},
        ),
    ] = ""


class Cube(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One CUBE."""

    address: Annotated[
        Address, Meta(description="IPv4 address of the CUBE.", examples=["10.20.0.50"])
    ]
    name: Annotated[
        Text,
        Meta(
            description="What the certificate calls it. Default: the address.",
            examples=["line-1"],
            extra={"check": check_cube_name},
        ),
    ] = ""
    version: Annotated[
        Text,
        Meta(
            description="Software version; decides the port of the diagnosis page. Default: "
            "unknown, both ports are tried.",
            examples=["0.131.0"],
            extra={"check": check_version},
        ),
    ] = ""
    hostname: Annotated[
        Text,
        Meta(
            pattern=f"^({LABEL})?$",
            description="Its name as a single label, for mDNS and LLMNR.",
            examples=["cube-4711"],
            extra={"check": check_hostname},
        ),
    ] = ""
    serial: Annotated[Text, Meta(description="Serial number, as on the type plate.")] = ""
    mac: Annotated[
        Text,
        Meta(
            pattern=f"^({MAC})?$",
            description="Hardware address; DHCP is asked for it, too.",
            examples=["aa:bb:cc:dd:ee:ff"],
            extra={"check": check_mac},
        ),
    ] = ""
    ssh: Annotated[
        Literal["disabled", "enabled"],
        Meta(description="Whether the maintenance shell is expected to be switched on."),
    ] = "disabled"
    ssh_fingerprint: Annotated[
        Text,
        Meta(
            pattern=f"^({FINGERPRINT})?$",
            description="SHA-256 fingerprint that the shell's host key must have.",
            extra={"check": check_fingerprint},
        ),
    ] = ""
    login: Annotated[
        Login | None,
        Meta(
            description="Measure the way to the cloud from the CUBE itself, through its "
            'maintenance shell. Needs `ssh = "enabled"` and `ssh_fingerprint`.'
        ),
    ] = None
    page_contains: Annotated[
        Text, Meta(description="Text that the diagnosis page must contain, to identify it.")
    ] = ""

    def __post_init__(self) -> None:
        """Name a nameless CUBE by its address and spell its hardware address in one way."""
        msgspec.structs.force_setattr(self, "name", self.name or self.address)
        msgspec.structs.force_setattr(self, "mac", self.mac.lower().replace("-", ":"))


class Cloud(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The cloud services that the CUBE needs."""

    tapio: Annotated[
        tuple[Host, ...],
        Meta(min_length=1, description="Host names of the tapio Cloud; each must work on TCP 443."),
    ] = ("disco.tapio.one",)
    homag: Annotated[
        tuple[Host, ...],
        Meta(
            min_length=1,
            description="Host names of HOMAG Cloud Services; each must work on TCP 443.",
        ),
    ] = ("connect.homag.cloud",)
    ping: Annotated[
        Text,
        Meta(
            pattern=rf"^(({LABEL}\.)+{LABEL})?$",
            description="Host name that the outgoing ping goes to. Default: the first of tapio.",
            examples=["disco.tapio.one"],
            extra={"check": check_host},
        ),
    ] = ""
    ca_file: Annotated[
        Text,
        Meta(
            description="Lab networks only: PEM file of certification authorities to trust "
            "instead of the public ones; recorded as a deviation.",
            examples=["lab-ca.pem"],
        ),
    ] = ""
    allow_private: Annotated[
        bool,
        Meta(
            description="Lab networks only: accept private addresses for cloud names; recorded "
            "as a deviation.",
        ),
    ] = False

    @property
    def hosts(self) -> tuple[str, ...]:
        """Every host name once, tapio's first, in the file's order."""
        return tuple(
            {host.casefold(): host for host in (*self.homag, *self.tapio)}[key]
            for key in dict.fromkeys(map(str.casefold, (*self.tapio, *self.homag)))
        )

    @property
    def ping_target(self) -> str:
        """The host name that the outgoing ping goes to."""
        return self.ping or self.tapio[0]


class Dns(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """DNS servers of a network that has no DHCP-given ones to follow."""

    servers: Servers = ()


class Ntp(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Time servers of a network that has no DHCP-given ones to follow, and what right time is."""

    servers: Servers = ()
    tolerance_s: Annotated[
        float,
        Meta(
            ge=TOLERANCE_LIMITS_S[0],
            le=TOLERANCE_LIMITS_S[1],
            description="How far a time server may be off, in seconds.",
            extra={"check": check_tolerance},
        ),
    ] = 10.0


class Waiver(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A known failure of a required entry that somebody accepts until a date."""

    requirement: Annotated[
        Text,
        Meta(description="The requirement's id.", examples=["NTP-01"]),
    ]
    justification: Annotated[
        Text,
        Meta(
            description="Why the failure is acceptable.",
            examples=["Time server follows with the new firewall"],
        ),
    ]
    approver: Annotated[
        Text,
        Meta(description="Who accepts it.", examples=["A. Beispiel"]),
    ]
    expires: Annotated[
        date, Meta(description="The last day that it holds on.", examples=["2027-03-31"])
    ]
    cube: Annotated[
        Text,
        Meta(
            description="The one CUBE, by name, that it is for. Default: all.", examples=["line-1"]
        ),
    ] = ""
    cause: Annotated[
        Text,
        Meta(description="The one cause that it is for. Default: any.", examples=["no-answer"]),
    ] = ""


class Site(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A site file of cube-acceptance: the network under test and the CUBEs in it."""

    stage: Annotated[
        Literal["acceptance", "readiness"],
        Meta(
            description="`readiness` is before a CUBE is there: internal requirements do not apply."
        ),
    ] = "acceptance"
    language: Annotated[Language, Meta(description="Language of terminal and certificate.")] = "de"
    site: Plant = Plant()
    people: People = People()
    vantage: VantageWish = VantageWish()
    cubes: Annotated[
        tuple[Cube, ...], Meta(description="The CUBEs, one `[[cube]]` table each.")
    ] = msgspec.field(name="cube", default=())
    cloud: Cloud = Cloud()
    dns: Dns = Dns()
    ntp: Ntp = Ntp()
    waivers: Annotated[
        tuple[Waiver, ...],
        Meta(description="Accepted failures of required entries, one `[[waiver]]` table each."),
    ] = msgspec.field(name="waiver", default=())


class LoadedSite(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A site with everything that was read for it; travels to workers and into the evidence."""

    site: Site
    name: str = ""
    """The site file's name without its folder; empty where there is no file."""
    sha256: str = ""
    """The file's SHA-256, lower-case hex."""
    ca_pem: str = ""
    """The certificates of ``cloud.ca_file``, nothing else of it."""


def diag_ports(version: str) -> tuple[int, ...]:
    """Return the ports that the diagnosis page of a CUBE of this version can be at (DIAG-01)."""
    numbers = parse_version(version)
    if numbers is None:
        return (DIAG_OLD_PORT, DIAG_NEW_PORT)
    return (DIAG_OLD_PORT,) if numbers <= DIAG_LAST_OLD_VERSION else (DIAG_NEW_PORT,)
