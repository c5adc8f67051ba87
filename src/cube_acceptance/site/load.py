"""Loads a site file: the document is walked beside the model, so that an error names the key.

What is wrong is said in one :class:`SiteError` that names the file, the key, the problem and what
to do; entries of a list are counted from 1.
"""

from __future__ import annotations

import difflib
import hashlib
import ipaddress
import re
import stat
import tomllib
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import inspect

from cube_acceptance import catalogue as catalogues
from cube_acceptance.site.model import (
    Cloud,
    Cube,
    Dns,
    LoadedSite,
    Login,
    Ntp,
    People,
    Plant,
    Site,
    VantageWish,
    Waiver,
)
from cube_acceptance.site.values import TEXT_LIMIT, Complaint, check_address, check_text, show

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from pathlib import Path


FILE_LIMIT = 1024 * 1024
"""Bytes of a site file or a CA file; a longer one is some other file."""
DOTS_LIMIT = 100
"""Dots on one line. The longest key here has two; one of thousands would take minutes to read."""


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


@dataclass(frozen=True, slots=True)
class _Place:
    """Where in which file something stands."""

    file: str
    key: str = ""

    def at(self, name: str) -> _Place:
        shown = name if re.fullmatch(_BARE_KEY, name) else show(name)
        return _Place(self.file, f"{self.key}.{shown}" if self.key else shown)

    def item(self, index: int) -> _Place:
        return _Place(self.file, f"{self.key}[{index + 1}]")

    def error(self, problem: str, hint: str) -> SiteError:
        return SiteError(file=self.file, key=self.key, problem=problem, hint=hint)


def load_site(path: Path) -> LoadedSite:
    """Load and check a site file, and what it names, once.

    Raises:
        SiteError: the file cannot be read, or something in it is not as it has to be.
    """
    place = _Place(str(path))
    data = _read(place, path, "A relative path starts at the working directory")
    document = _parse(place, data)
    _check_value(place, document, inspect.type_info(Site))
    site = _convert(place, document)
    _check_cubes(place, site)
    _check_waivers(place, site)
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
        _recognise(place, text)
        hint = "Texts stand in quotes, and a key or [table] stands only once"
        raise place.error(f"is not valid TOML: {error}", hint) from None


def _recognise(place: _Place, text: str) -> None:
    """Name what is often written in TOML's place, where a file is not valid.

    Raises:
        SiteError: it is that.
    """
    lines = [line.partition("#")[0] for line in text.splitlines()]
    for number, line in enumerate(lines, 1):
        if re.search(_TYPOGRAPHIC, line):
            problem = f"line {number} has typographic quotes"
            raise place.error(problem, _WRITE_STRAIGHT)
    if any(re.match(_YAML, line) for line in lines):
        raise place.error("is written in YAML, not in TOML", _WRITE_TOML)


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
            f"{show(name)} holds no readable certificate",
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
    shown = show(value) if isinstance(value, str) else _name_kind(value)
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
            problem = f"{show(value)} stands in {first[spelling]} already"
            raise here.error(problem, "Correct one of them or take it out")
        first[spelling] = here.key


def _meant(key: str, known: Collection[str]) -> str:
    """Return which key was meant, or where a key of this name belongs."""
    homes = [
        where
        for where, table in _TABLES.items()
        if key in {field.encode_name for field in msgspec.structs.fields(table)}
    ]
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
    for index, cube in enumerate(site.cubes):
        _check_login(cubes.item(index).at("login"), cube)
    if site.vantage.network:
        network = ipaddress.IPv4Network(site.vantage.network)
        for index, cube in enumerate(site.cubes):
            _object_to(cubes.item(index).at("address"), _check_inside(cube.address, network))


def _check_login(place: _Place, cube: Cube) -> None:
    """Accept a login only where it is certain whom it goes to, and by one secret."""
    login = cube.login
    if login is None:
        return
    if cube.ssh != "enabled":
        raise place.error("has no shell to log in at", 'Write ssh = "enabled" beside it')
    if not cube.ssh_fingerprint:
        problem = "has no pinned host key, so anybody could take the login"
        raise place.error(problem, 'Write ssh_fingerprint = "SHA256:..." beside it')
    if bool(login.key) == bool(login.password_env):
        problem = "names a key and a password" if login.key else "names neither key nor password"
        raise place.error(problem, "Write either key or password_env")


def _check_inside(text: str, network: ipaddress.IPv4Network) -> Complaint | None:
    """Accept an address unless it is one that no host of the network can have."""
    address = ipaddress.IPv4Address(text)
    if address not in network:
        return Complaint(
            f"{text} is not in {network}, the network of `vantage.network`",
            "Correct the address or vantage.network",
        )
    if address in {network.network_address, network.broadcast_address}:
        return Complaint(
            f"{text} is the first or the last address of {network}, which no host has",
            "Correct it or vantage.network",
        )
    return None


def _check_waivers(place: _Place, site: Site) -> None:
    waivers = place.at("waiver")
    levels = {entry.id: entry.level for entry in catalogues.load().requirement}
    for index, waiver in enumerate(site.waivers):
        here, requirement = waivers.item(index).at("requirement"), waiver.requirement
        if requirement not in levels:
            known = sorted(levels)
            near = difflib.get_close_matches(requirement.upper(), known, n=1)
            hint = f'Did you mean "{near[0]}"?' if near else "Known: " + ", ".join(known)
            raise here.error(f"{show(requirement)} is no requirement", hint)
        if levels[requirement] != "required":
            raise here.error(
                f"{requirement} is optional, and only a required entry can be waived",
                "Take it out: a failure of it changes no verdict",
            )
        _check_waiver_for(waivers.item(index), site, waiver)
    _check_doubles(
        waivers,
        enumerate(" ".join(filter(None, (w.requirement, w.cube, w.cause))) for w in site.waivers),
        "requirement",
    )


def _check_waiver_for(place: _Place, site: Site, waiver: Waiver) -> None:
    """Check that the CUBE and the cause that a waiver is for are such as there can be."""
    entry = catalogues.load()[waiver.requirement]
    names = [cube.name for cube in site.cubes]
    if waiver.cube and entry.about == "site":
        raise place.at("cube").error(
            f"{waiver.requirement} is about the site and not about one CUBE", "Take it out"
        )
    if waiver.cube and waiver.cube not in names:
        known = ", ".join(names)
        raise place.at("cube").error(f"there is no CUBE {show(waiver.cube)}", f"Known: {known}")
    if waiver.cause and waiver.cause not in entry.causes:
        known = ", ".join(entry.causes)
        raise place.at("cause").error(
            f"{waiver.requirement} cannot fail with {show(waiver.cause)}", f"Known: {known}"
        )


_TYPOGRAPHIC = r"=\s*\[?\s*[„“”«»\u201a\u2018\u2019]"
_YAML = r"\s*(- )?[A-Za-z_]+:(\s|$)|---"
_WRITE_STRAIGHT = (
    'Write straight ones: "..."; a word processor replaces them, a plain editor does not'
)
_WRITE_TOML = 'Write `name = "..."` with an equals sign, and tables as `[site]` and `[[cube]]`'
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
    "into login = { ... } of [[cube]]": Login,
    "into [cloud]": Cloud,
    "into [dns]": Dns,
    "into [ntp]": Ntp,
    "into [[waiver]]": Waiver,
}
_EXAMPLES = {
    "address": '"10.20.0.50"',
    "user": '"service"',
    "requirement": '"NTP-01"',
    "justification": '"..."',
    "approver": '"..."',
    "expires": "2027-03-31",
}
"""What the keys that have no default look like."""
