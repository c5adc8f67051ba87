"""The site file: what is to be tested, validated strictly, with a default for nearly everything.

The file is TOML. What is wrong with it is said in one :class:`SiteError` that names the file,
the key, the problem and what to do; entries of a list are counted from 1. The types below are
the only home of keys, defaults and limits: the JSON Schema that editors use is made from them.
"""

from __future__ import annotations

import difflib
import hashlib
import ipaddress
import json
import re
import stat
import tomllib
from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import msgspec
from msgspec import Meta, inspect

from cube_acceptance.catalogue import SITE, Language
from cube_acceptance.text.foreign import is_plain

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

FILE_LIMIT = 1024 * 1024
"""Bytes of a site file or a CA file; a longer one is some other file."""
DOTS_LIMIT = 100
"""Dots on one line. The longest key here has two; one of thousands would take minutes to read."""
TEXT_LIMIT = 200
"""Characters of one text."""
SERVER_LIMIT = 8
"""DNS or time servers that a site file may name; every one of them is asked."""
TOLERANCE_LIMITS_S = (0.001, 3600.0)
"""Smallest and largest ``ntp.tolerance_s``: beyond an hour, wrong time is no tolerance."""
PREFIX_LIMITS = (8, 30)
"""Prefix lengths of a network that a plant can have and that holds more than one host."""
DIAG_OLD_PORT = 45001
DIAG_NEW_PORT = 80
DIAG_LAST_OLD_VERSION = (0, 129, 7)
"""The last version with its diagnosis page on :data:`DIAG_OLD_PORT` (DIAG-01)."""
SCHEMA_FILE = Path(__file__).with_name("site.schema.json")
"""The generated JSON Schema, part of the package."""
SHOWN = 60
"""Characters of a wrong value that an error repeats."""


class SiteError(Exception):
    """The site file or the option cannot be used; ``str()`` says it in a sentence or two."""

    def __init__(self, *, file: str, key: str, problem: str, hint: str) -> None:
        """Name the file (empty for an option), the key (empty for the file), problem and hint."""
        where = ": ".join(filter(None, (file, key)))
        super().__init__(f"{where}: {problem}. {hint}" + ("" if hint.endswith("?") else "."))
        self.file = file
        self.key = key
        self.problem = problem
        self.hint = hint


class Complaint(NamedTuple):
    """What is wrong with one value, and what to write instead."""

    problem: str
    hint: str


# What a value may be. Each function gives None for a good value.


def check_text(text: str) -> Complaint | None:
    """Accept a short line that shows on paper what it says."""
    if len(text) > TEXT_LIMIT:
        return Complaint(
            f"has {len(text)} characters", f"Shorten it to at most {TEXT_LIMIT} characters"
        )
    if not is_plain(text):
        return Complaint(
            "contains a control or invisible character", "Write it as one line of plain text"
        )
    if text and not any(one.isprintable() and not one.isspace() for one in text):
        return Complaint("is blank", "Fill it in or leave the key out")
    return None


def check_cube_name(text: str) -> Complaint | None:
    """Accept any name but the one that results about the site are filed under."""
    if text.casefold() == SITE:
        return Complaint(
            f"{_show(text)} is the suite's word for the whole site", "Give the CUBE another name"
        )
    return None


def check_address(text: str) -> Complaint | None:
    """Accept the IPv4 address of one host."""
    hint = 'Write an IPv4 address such as "10.20.0.50"'
    try:
        address = ipaddress.IPv4Address(text)
    except ValueError:
        return _not_an_address(text, hint)
    what = next((what for what, network in _NO_HOSTS.items() if address in network), "")
    return Complaint(f"{text} is {what}, not the address of a host", hint) if what else None


def _not_an_address(text: str, hint: str) -> Complaint:
    shown = f"{_show(text)} is not an IPv4 address"
    if re.fullmatch(r"\d+(\.\d+){3}", text, re.ASCII) and re.search(r"(^|\.)0\d", text):
        return Complaint(shown, "Write its numbers without leading zeros")
    if _is_ipv6(text):
        return Complaint(
            f"{_show(text)} is an IPv6 address", "Everything here is tested over IPv4: " + hint
        )
    if "/" in text or ":" in text:
        return Complaint(shown, hint + ", without scheme, port or prefix length")
    if re.search(r"[A-Za-z]", text):
        return Complaint(f"{_show(text)} is a name", hint + ", not a host name")
    return Complaint(shown, hint)


def check_network(text: str) -> Complaint | None:
    """Accept an IPv4 network in CIDR notation, without host bits."""
    hint = 'Write address and prefix length, such as "10.20.0.0/24"'
    if not re.fullmatch(r"[0-9.]+/[0-9]{1,2}", text):
        return Complaint(f"{_show(text)} is not an IPv4 network", hint)
    try:
        network = ipaddress.IPv4Interface(text).network
    except ValueError:
        return Complaint(f"{_show(text)} is not an IPv4 network", hint)
    widest, narrowest = PREFIX_LIMITS
    if not widest <= network.prefixlen <= narrowest:
        return Complaint(
            f"{_show(text)} is no plant's network",
            f"Write the network that the CUBE is in, with a prefix from /{widest} to /{narrowest}",
        )
    if str(network) != text:
        return Complaint(f"{_show(text)} is an address within a network", f'Write "{network}"')
    return None


def check_host(text: str) -> Complaint | None:
    """Accept a fully qualified host name in ASCII (RFC 1123 section 2.1)."""
    for pattern, problem, hint in _NO_HOST_NAMES:
        if re.search(pattern, text):
            return Complaint(f"{_show(text)} {problem}", hint)
    labels = text.split(".")
    if not all(re.fullmatch(_LABEL, label) for label in labels):
        return Complaint(f"{_show(text)} is not a host name", _WRITE_HOST)
    if len(labels) == 1:
        return Complaint(f"{_show(text)} has no domain", _WRITE_HOST)
    return None


def check_hostname(text: str) -> Complaint | None:
    """Accept a single label, as mDNS and LLMNR announce it (RFC 1035 section 2.3.1)."""
    label, dot, _ = text.partition(".")
    if dot and re.fullmatch(_LABEL, label):
        return Complaint(
            f"{_show(text)} has more than one label", f'Write only the first one: "{label}"'
        )
    if not re.fullmatch(_LABEL, text):
        return Complaint(
            f"{_show(text)} is not a host name",
            "Write letters, digits and inner hyphens only, at most 63",
        )
    return None


def check_mac(text: str) -> Complaint | None:
    """Accept six bytes in hexadecimal, with colons or hyphens."""
    if re.fullmatch(_MAC, text):
        return None
    return Complaint(f"{_show(text)} is not a hardware address", 'Write it as "aa:bb:cc:dd:ee:ff"')


def check_fingerprint(text: str) -> Complaint | None:
    """Accept the SHA-256 fingerprint of a host key as OpenSSH prints it."""
    if re.fullmatch(_FINGERPRINT, text):
        return None
    return Complaint(
        f"{_show(text)} is not a SHA-256 fingerprint",
        'Write it as `ssh-keygen -l -E sha256` prints it: "SHA256:" and 43 characters',
    )


def check_version(text: str) -> Complaint | None:
    """Accept what :func:`parse_version` can read."""
    if parse_version(text) is not None:
        return None
    return Complaint(
        f"{_show(text)} is not a version number",
        'Write it as the CUBE shows it, such as "0.131.0", or leave the key out if unknown',
    )


def check_tolerance(seconds: float) -> Complaint | None:
    """Accept what :data:`TOLERANCE_LIMITS_S` allow; ``nan`` lies nowhere."""
    low, high = TOLERANCE_LIMITS_S
    if low <= seconds <= high:
        return None
    return Complaint("is out of range", f"Write a number from {low:g} to {high:g}")


def _is_ipv6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True


def _show(text: str) -> str:
    """Quote a text for a message: printable, one line, short."""
    return repr(text if len(text) <= SHOWN else text[:SHOWN] + "…")


_WRITE_HOST = 'Write a host name such as "disco.tapio.one"'
_NO_HOST_NAMES = (
    (r"\*", "is a pattern, not a name", "Write each host name that is to be tested"),
    (r"[/:@]", "is more than a host name", f"{_WRITE_HOST}, without scheme, port or path"),
    (r"\.$", "ends with a dot", "Write the name without it"),
    (r"[^\x00-\x7f]", "is not ASCII", "Write the xn-- form of the name"),
    (r"(^|\.)[0-9]+$", "is an address, or part of one", f"{_WRITE_HOST}; names are tested here"),
)
"""What is written in place of a host name: pattern, problem, hint."""
_LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_MAC = r"[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}|[0-9A-Fa-f]{2}(-[0-9A-Fa-f]{2}){5}"
_FINGERPRINT = r"SHA256:[A-Za-z0-9+/]{43}"
_QUAD = r"[0-9]{1,3}(\.[0-9]{1,3}){3}"
_VERSION = re.compile(
    r"(?:v|version)?\.?\s*([0-9]{1,9}(?:\.[0-9]{1,9})+)(?:[-+~_ ].*)?", re.IGNORECASE
)
_NO_HOSTS = {
    "an address of no network": ipaddress.IPv4Network("0.0.0.0/8"),
    "this computer itself": ipaddress.IPv4Network("127.0.0.0/8"),
    "a multicast address": ipaddress.IPv4Network("224.0.0.0/4"),
    "a broadcast address": ipaddress.IPv4Network("255.255.255.255/32"),
    "a reserved address": ipaddress.IPv4Network("240.0.0.0/4"),
}


# The model. A pattern is for editors and for evidence that comes back; `check` is what a person
# is told. An empty text is as good as none, except where a key is required.

Text = Annotated[str, Meta(max_length=TEXT_LIMIT)]
Address = Annotated[str, Meta(pattern=f"^{_QUAD}$", extra={"check": check_address})]
Host = Annotated[
    str,
    Meta(max_length=TEXT_LIMIT, pattern=rf"^({_LABEL}\.)+{_LABEL}$", extra={"check": check_host}),
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


class Person(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Somebody who stands behind the certificate."""

    name: Annotated[Text, Meta(description="First and last name.")] = ""
    organisation: Annotated[Text, Meta(description="Company and department.")] = ""


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
            pattern=rf"^({_QUAD}/[0-9]{{1,2}})?$",
            description="The CUBE's network, to prove that the test stands in it.",
            examples=["10.20.0.0/24"],
            extra={"check": check_network},
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
            pattern=f"^({_LABEL})?$",
            description="Its name as a single label, for mDNS and LLMNR.",
            examples=["cube-4711"],
            extra={"check": check_hostname},
        ),
    ] = ""
    serial: Annotated[Text, Meta(description="Serial number, as on the type plate.")] = ""
    mac: Annotated[
        Text,
        Meta(
            pattern=f"^({_MAC})?$",
            description="Hardware address.",
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
            pattern=f"^({_FINGERPRINT})?$",
            description="SHA-256 fingerprint that the shell's host key must have.",
            extra={"check": check_fingerprint},
        ),
    ] = ""
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
            pattern=rf"^(({_LABEL}\.)+{_LABEL})?$",
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


# Versions and ports.


def parse_version(text: str) -> tuple[int, ...] | None:
    """Read a version's numbers, ``v0.129.10-rc1`` as ``(0, 129, 10)``; None where it is none.

    Final zeros are dropped, so that ``0.130`` and ``0.130.0`` are the same version.
    """
    match = _VERSION.fullmatch(text.strip())
    if not match:
        return None
    numbers = [int(number) for number in match[1].split(".")]
    while numbers and not numbers[-1]:
        numbers.pop()
    return tuple(numbers)


def diag_ports(version: str) -> tuple[int, ...]:
    """Give the ports that the diagnosis page of a CUBE of this version can be at (DIAG-01)."""
    numbers = parse_version(version)
    if numbers is None:
        return (DIAG_OLD_PORT, DIAG_NEW_PORT)
    return (DIAG_OLD_PORT,) if numbers <= DIAG_LAST_OLD_VERSION else (DIAG_NEW_PORT,)


# Loading.


@dataclass(frozen=True, slots=True)
class _Place:
    """Where in which file something stands."""

    file: str
    key: str = ""

    def at(self, name: str) -> _Place:
        shown = name if re.fullmatch(_BARE_KEY, name) else _show(name)
        return _Place(self.file, f"{self.key}.{shown}" if self.key else shown)

    def item(self, index: int) -> _Place:
        return _Place(self.file, f"{self.key}[{index + 1}]")

    def error(self, problem: str, hint: str) -> SiteError:
        return SiteError(file=self.file, key=self.key, problem=problem, hint=hint)


def load_site(
    path: Path, requirement_ids: Collection[str], required_ids: Collection[str]
) -> LoadedSite:
    """Load and check a site file, and what it names, once.

    ``requirement_ids`` are the catalogue's entries and ``required_ids`` those of them that a
    waiver can be about.

    Raises:
        SiteError: the file cannot be read, or something in it is not as it has to be.
    """
    place = _Place(str(path))
    data = _read(place, path, "A relative path starts at the working directory")
    document = _parse(place, data)
    _check_value(place, document, inspect.type_info(Site))
    site = _convert(place, document)
    _check_cubes(place, site)
    _check_waivers(place, site, requirement_ids, required_ids)
    return LoadedSite(
        site=site,
        name=path.name,
        sha256=hashlib.sha256(data).hexdigest(),
        ca_pem=_read_ca(place.at("cloud").at("ca_file"), path.parent, site.cloud.ca_file),
    )


def site_for_cube(address: str) -> LoadedSite:
    """Make the site of ``--cube``: one CUBE, and the default everywhere else.

    Raises:
        SiteError: it is not the IPv4 address of a host.
    """
    complaint = check_address(address)
    if complaint:
        raise _Place("", "--cube").error(*complaint)
    return LoadedSite(site=Site(cubes=(Cube(address=address),)))


def check_together(site: Site) -> None:
    """Check a site that comes from elsewhere than a file for what makes no sense together.

    Raises:
        SiteError: two CUBEs share what is one CUBE's, or one cannot be in its network.
    """
    _check_cubes(_Place(""), site)


def _read(place: _Place, path: Path, hint: str) -> bytes:
    data = b""
    try:
        mode = path.stat().st_mode
        if stat.S_ISREG(mode):
            with path.open("rb") as file:
                data = file.read(FILE_LIMIT + 1)
    except FileNotFoundError:
        raise place.error("there is no such file", hint) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise place.error(f"cannot be read: {reason}", hint) from None
    if not stat.S_ISREG(mode):
        what = "a folder" if stat.S_ISDIR(mode) else "a device"
        raise place.error(f"is {what}, not a file", hint)
    if len(data) > FILE_LIMIT:
        raise place.error(f"is larger than {FILE_LIMIT} bytes", "Check that it is the file meant")
    return data


def _parse(place: _Place, data: bytes) -> dict[str, Any]:
    try:
        text = data.decode("utf-8-sig")
        if any(line.count(".") > DOTS_LIMIT for line in text.split("\n") if line[:1] != "#"):
            raise place.error(f"has a line with more than {DOTS_LIMIT} dots", _READ_ABOUT_IT)
        return tomllib.loads(text)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise place.error(f"line {line} is not UTF-8", "Save the file as UTF-8") from None
    except RecursionError:
        raise place.error("is nested too deeply", _READ_ABOUT_IT) from None
    except ValueError as error:
        hint = "Texts stand in quotes, and a key or [table] stands only once"
        raise place.error(f"is not valid TOML: {error}", hint) from None


def _convert(place: _Place, document: dict[str, Any]) -> Site:
    """Make the model of a checked document; what the library objects to, it says in its words."""
    try:
        return msgspec.convert(document, Site)
    except msgspec.ValidationError as error:
        raise place.error(f"is not as it has to be: {error}", _READ_ABOUT_IT) from None


def _read_ca(place: _Place, folder: Path, name: str) -> str:
    """Read the certificates of a PEM file and nothing else of it, a private key for instance."""
    if not name:
        return ""
    import ssl  # noqa: PLC0415 - only a lab's site file needs it before the first packet

    data = _read(place, folder / name, "A relative path starts at the site file's folder")
    blocks = re.findall(_PEM_CERTIFICATE, data)
    pem = "".join(f"{block.decode('ascii')}\n" for block in blocks).replace("\r\n", "\n")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=pem)
    except (ssl.SSLError, ValueError):
        raise place.error(
            f"{_show(name)} holds no readable certificate",
            "Name a PEM file, with -----BEGIN CERTIFICATE----- in it",
        ) from None
    return pem


# The walk: the document beside the model, so that an error names the key and the cure.


def _check_value(place: _Place, value: object, kind: inspect.Type) -> None:
    match kind:
        case inspect.Metadata(type=inner, extra=extra):
            _check_value(place, value, inner)
            if extra and value != "":
                _object_to(place, extra["check"](value))
        case inspect.UnionType(types=(inner, *_)):
            _check_value(place, value, inner)
        case inspect.StructType():
            _check_table(place, value, kind)
        case inspect.VarTupleType():
            _check_list(place, value, kind)
        case inspect.LiteralType():
            _check_choice(place, value, [str(choice) for choice in kind.values])
        case _:
            _check_scalar(place, value, kind)


def _object_to(place: _Place, complaint: Complaint | None) -> None:
    if complaint:
        raise place.error(*complaint)


def _check_table(place: _Place, value: object, kind: inspect.StructType) -> None:
    if not isinstance(value, dict):
        hint = f"Write [{place.key}] once, in single brackets"
        raise place.error(f"is {_name_kind(value)}, not a table", hint)
    fields = {field.encode_name: field for field in kind.fields}
    for key in value:
        if key not in fields:
            raise place.at(key).error("there is no such key", _meant(key, fields))
    for key, field in fields.items():
        if field.required and value.get(key, "") == "":
            problem = "is empty" if key in value else "is missing"
            raise place.at(key).error(problem, f"Write {key} = {_EXAMPLES[key]}")
        if key in value:
            _check_value(place.at(key), value[key], field.type)


def _check_list(place: _Place, value: object, kind: inspect.VarTupleType) -> None:
    tables = isinstance(kind.item_type, inspect.StructType)
    if not isinstance(value, list):
        table_hint = f"Write [[{place.key}]] in double brackets"
        hint = table_hint if tables else 'Write it as a list: ["...", "..."]'
        raise place.error(f"is {_name_kind(value)}, not a list", hint)
    if len(value) < (kind.min_length or 0):
        raise place.error("is empty", "Name at least one or leave the key out")
    if kind.max_length is not None and len(value) > kind.max_length:
        raise place.error(f"has {len(value)} entries", f"Name at most {kind.max_length}")
    for index, item in enumerate(value):
        if item == "":
            raise place.item(index).error("is empty", "Fill it in or take it out")
        _check_value(place.item(index), item, kind.item_type)
    if not tables:
        _check_doubles(place, enumerate(value))


def _check_choice(place: _Place, value: object, choices: list[str]) -> None:
    if value in choices:
        return
    hint = "Write " + " or ".join(f'"{choice}"' for choice in choices)
    shown = _show(value) if isinstance(value, str) else _name_kind(value)
    raise place.error(f"is {shown}, which means nothing here", hint)


def _check_scalar(place: _Place, value: object, kind: inspect.Type) -> None:
    good, wanted, hint = _SCALARS[type(kind)]
    if type(value) not in good:
        raise place.error(f"is {_name_kind(value)}, not {wanted}", hint)
    if isinstance(value, str):
        _object_to(place, check_text(value))


def _check_doubles(place: _Place, values: Iterable[tuple[int, str]], key: str = "") -> None:
    """Object to a value that stands twice, however it is spelled; ``key`` is that of a table."""
    first: dict[str, str] = {}
    for index, value in values:
        spelling = " ".join(value.casefold().split())
        here = place.item(index).at(key) if key else place.item(index)
        if spelling in first:
            problem = f"{_show(value)} stands in {first[spelling]} already"
            raise here.error(problem, "Correct one of them or take it out")
        first[spelling] = here.key


def _meant(key: str, known: Collection[str]) -> str:
    """Say which key was meant, or where a key of this name belongs."""
    homes = [home for home, keys in _HOMES.items() if key in keys]
    if homes:
        return "It belongs " + " or ".join(homes)
    near = difflib.get_close_matches(key[:TEXT_LIMIT].casefold(), known, n=1)
    return f"Did you mean `{near[0]}`?" if near else "Known here: " + ", ".join(known)


def _name_kind(value: object) -> str:
    return _KINDS[type(value)]


# What makes sense together.


def _check_cubes(place: _Place, site: Site) -> None:
    cubes = place.at("cube")
    if site.stage == "acceptance" and not site.cubes:
        hint = (
            'Write [[cube]] and address = "10.20.0.50", or stage = "readiness" before it is there'
        )
        raise cubes.error("is missing", hint)
    for key in _ONE_CUBE_ONLY:
        values = [(index, getattr(cube, key)) for index, cube in enumerate(site.cubes)]
        _check_doubles(cubes, ((index, value) for index, value in values if value), key)
    if site.vantage.network:
        network = ipaddress.IPv4Network(site.vantage.network)
        for index, cube in enumerate(site.cubes):
            _object_to(cubes.item(index).at("address"), _check_inside(cube.address, network))


def _check_inside(text: str, network: ipaddress.IPv4Network) -> Complaint | None:
    """Accept an address unless it is one that no host of the network can have."""
    address = ipaddress.IPv4Address(text)
    if address in {network.network_address, network.broadcast_address}:
        return Complaint(
            f"{text} is the first or the last address of {network}, which no host has",
            "Correct it or vantage.network",
        )
    return None


def _check_waivers(
    place: _Place, site: Site, requirement_ids: Collection[str], required_ids: Collection[str]
) -> None:
    waivers = place.at("waiver")
    for index, waiver in enumerate(site.waivers):
        here, requirement = waivers.item(index).at("requirement"), waiver.requirement
        if requirement not in requirement_ids:
            known = sorted(requirement_ids)
            near = difflib.get_close_matches(requirement.upper(), known, n=1)
            hint = f'Did you mean "{near[0]}"?' if near else "Known: " + ", ".join(known)
            raise here.error(f"{_show(requirement)} is no requirement", hint)
        if requirement not in required_ids:
            raise here.error(
                f"{requirement} is optional, and only a required entry can be waived",
                "Take it out: a failure of it changes no verdict",
            )
    _check_doubles(waivers, enumerate(w.requirement for w in site.waivers), "requirement")


# The schema.


def schema() -> dict[str, Any]:
    """Make the JSON Schema (2020-12) of a site file from the model.

    Editors for TOML may know older drafts only, so it keeps to what those read alike.
    """
    document = _tidy(msgspec.json.schema(Site))
    root = document["$defs"].pop("Site")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **root,
        "title": "Site file of cube-acceptance",
        "if": {"properties": {"stage": {"const": "readiness"}}, "required": ["stage"]},
        "else": {"properties": {"cube": {"minItems": 1}}, "required": ["cube"]},
        "$defs": document["$defs"],
    }


def schema_text() -> str:
    """Give the content that :data:`SCHEMA_FILE` has to have."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def _tidy(node: Any) -> Any:  # noqa: ANN401 - JSON
    """Take out what TOML cannot say (null) and what tells an editor nothing."""
    if not isinstance(node, dict):
        return node
    kept = {key: _tidy(value) for key, value in node.items() if not _says_nothing(key, value)}
    choices = kept.get("anyOf", [])
    if {"type": "null"} in choices:
        del kept["anyOf"]
        kept |= next(choice for choice in choices if choice != {"type": "null"})
    return kept


def _says_nothing(key: str, value: object) -> bool:
    return (key == "required" and value == []) or (
        key == "default" and (value in (None, "", ()) or isinstance(value, dict))
    )


_BARE_KEY = r"[A-Za-z0-9_-]{1,60}"
_PEM_CERTIFICATE = rb"-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]*-----END CERTIFICATE-----"
_READ_ABOUT_IT = "docs/site-file.md says what each key accepts"

_ONE_CUBE_ONLY = ("address", "name", "hostname", "serial", "mac")
"""Keys of a CUBE that no two CUBEs share."""

_KINDS: dict[type, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
    datetime: "a date with a time",
    date: "a date",
    time: "a time",
    list: "a list",
    dict: "a table",
}
"""What TOML can hold, in words."""

_SCALARS: dict[type[inspect.Type], tuple[tuple[type, ...], str, str]] = {
    inspect.StrType: ((str,), "a text", "Put it in double quotes"),
    inspect.BoolType: ((bool,), "true or false", "Write true or false, without quotes"),
    inspect.FloatType: ((int, float), "a number", "Write a number, without quotes"),
    inspect.DateType: ((date,), "a date", "Write it as 2027-03-31, without quotes and time"),
}
"""For each type of the model: what TOML types are good for it, its name, and how to write it."""

_TABLES: dict[str, type[msgspec.Struct]] = {
    "at the top of the file, before the first [table]": Site,
    "into [site]": Plant,
    "into [people]": People,
    "into [vantage]": VantageWish,
    "into [[cube]]": Cube,
    "into [cloud]": Cloud,
    "into [dns]": Dns,
    "into [ntp]": Ntp,
    "into [[waiver]]": Waiver,
}
_HOMES = {
    where: frozenset(field.encode_name for field in msgspec.structs.fields(table))
    for where, table in _TABLES.items()
}
"""Where which key belongs."""

_EXAMPLES = {
    "address": '"10.20.0.50"',
    "requirement": '"NTP-01"',
    "justification": '"..."',
    "approver": '"..."',
    "expires": "2027-03-31",
}
"""What the keys that have no default look like."""
