"""The form of ``certificate.json``, for those who check it and for its JSON Schema."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from cube_acceptance.catalogue import Direction, Language, Level
from cube_acceptance.site import People, Plant, Waiver
from cube_acceptance.verdict import Outcome, Verdict

Cause = Literal[
    "",
    "no-answer",
    "refused",
    "no-route",
    "malformed",
    "wrong-answer",
    "not-offered",
    "untrusted",
    "expired",
    "unsynchronised",
    "wrong-time",
    "lost",
    "wrong-host",
    "unexpectedly-open",
    "changed-identity",
    "not-permitted",
    "off-link",
    "other-route",
    "not-configured",
    "ambiguous",
    "internal-error",
]
"""Why an outcome is no pass; the closed list."""


class Form(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The base of everything here: an unknown key is an error."""


class CubeEntry(Form, frozen=True, kw_only=True):
    """A CUBE as the site file describes it."""

    name: str
    address: str
    version: str
    hostname: str
    serial: str
    mac: str
    mac_seen: str = ""
    """The hardware address that answered for it; empty where nobody saw one."""
    ssh: Literal["disabled", "enabled"]


class Item(Form, frozen=True, kw_only=True):
    """What was accepted or not."""

    cubes: tuple[CubeEntry, ...]


class Method(Form, frozen=True, kw_only=True):
    """By what the measurements were made."""

    suite: str
    version: str
    suite_sha256: str = ""
    """Of everything that has a say in judging and rendering; before 0.1.0 there was none."""
    commit: str
    command_line: tuple[str, ...]
    python: str
    packages: dict[str, str]
    limits: dict[str, dict[str, float]]


class VantageEntry(Form, frozen=True, kw_only=True):
    """The computer and the interface that the measurements were made from."""

    host: str
    system: str
    privilege: Literal["root", "user"]
    interface: str
    address: str
    prefix: int
    mac: str
    addresses: tuple[str, ...]
    gateway: str
    problem: str


class Time(Form, frozen=True, kw_only=True):
    """When the measurements were made; UTC in ISO 8601, and the zone of the computer's clock."""

    started: str
    ended: str
    zone: str
    utc_offset_min: int
    clock_offset_s: float | None
    clock_uncertainty_s: float | None = None
    """How far that offset can be wrong: half the delay and the server's root distance."""
    issued: str = ""
    """When the certificate was made; after the measurement where it was judged again."""


class RequirementsDocument(Form, frozen=True, kw_only=True):
    """Where the requirements come from."""

    title: str
    publisher: str
    source: str
    read_on: str = ""
    """When the requirements were taken from it."""
    catalogue_sha256: str


class SiteFile(Form, frozen=True, kw_only=True):
    """The site file that the run was made with."""

    name: str
    sha256: str


class Case(Form, frozen=True, kw_only=True):
    """One case of a requirement."""

    case: str
    outcome: Literal["pass", "fail", "inconclusive", "not-run"]
    cause: Cause
    reason: str
    remedy: str
    """All that can be done about it: what is asked of others, then the tester's own work."""
    asked: str = ""
    """The share of the network's administrator."""
    own_work: str = ""
    """The share of whoever tests."""
    observed: dict[str, Any]
    evidence: tuple[str, ...]
    started: str
    duration_s: float
    attempts: int


class Request(Form, frozen=True, kw_only=True):
    """A rule to ask the network's administrator for."""

    source: str
    """Addresses or a network of CUBEs; empty where only the test computer is meant."""
    for_the_test: str = ""
    """The test computer's address, which the rule has to hold for as well."""
    destination: str
    """Addresses or names."""
    protocol: Literal["UDP", "TCP", "ICMP"]
    port: str
    direction: Direction
    text: str


class Result(Form, frozen=True, kw_only=True):
    """What became of one requirement for one subject."""

    requirement: str
    level: Level
    subject: str
    title: str
    direction: Direction
    port: str
    outcome: Outcome
    cause: Cause
    reason: str
    remedy: str
    expected: str
    meaning: str
    waiver: Waiver | None
    requests: tuple[Request, ...]
    cases: tuple[Case, ...]


class ObservationEntry(Form, frozen=True, kw_only=True):
    """Something worth telling that moves no verdict."""

    requirement: str
    subject: str
    code: str
    text: str


class Deviation(Form, frozen=True, kw_only=True):
    """Where the run departed from the normal way of testing."""

    code: str
    text: str


class WaiverEntry(Form, frozen=True, kw_only=True):
    """A waiver of the site file, and whether it was needed."""

    requirement: str
    justification: str
    approver: str
    expires: str
    cube: str = ""
    """The one CUBE that it is for; empty: all."""
    cause: str = ""
    """The one cause that it is for; empty: any."""
    used: bool


class Signature(Form, frozen=True, kw_only=True):
    """Who signs the certificate, and how anybody can check it."""

    fingerprint: str
    command: str


class Certificate(Form, frozen=True, kw_only=True):
    """``certificate.json``."""

    schema: Literal["cube-acceptance/certificate/1"]
    certificate_id: str
    verdict: Verdict
    stage: Literal["acceptance", "readiness"]
    simulated: bool
    language: Language
    replayed: bool
    item: Item
    site: Plant
    people: People
    method: Method
    vantage: VantageEntry
    time: Time
    requirements_document: RequirementsDocument
    site_file: SiteFile | None
    results: tuple[Result, ...]
    observations: tuple[ObservationEntry, ...]
    deviations: tuple[Deviation, ...]
    waivers: tuple[WaiverEntry, ...]
    totals: dict[Level, dict[Outcome, int]]
    decision_rule: str
    complaints: tuple[str, ...]
    files: dict[str, str]
    signature: Signature | None
    content_sha256: str = ""
    """Of the canonical JSON of everything but ``files`` and itself; before 0.1.0 there was none."""
    replaces: str = ""
    """The number of the certificate that this one replaces; before 0.2.0 nobody could say."""


class KeptCase(msgspec.Struct, frozen=True, kw_only=True):
    """What of a case lasts."""

    case: str
    outcome: Literal["pass", "fail", "inconclusive", "not-run"]


class KeptResult(msgspec.Struct, frozen=True, kw_only=True):
    """What of a result lasts."""

    requirement: str
    level: Level
    subject: str
    outcome: Outcome
    cause: str
    waiver: dict[str, Any] | None
    cases: tuple[KeptCase, ...]


class KeptCube(msgspec.Struct, frozen=True, kw_only=True):
    """What of a CUBE lasts."""

    name: str
    address: str


class KeptItem(msgspec.Struct, frozen=True, kw_only=True):
    """What of the item lasts."""

    cubes: tuple[KeptCube, ...]


class KeptPlant(msgspec.Struct, frozen=True, kw_only=True):
    """What of the site lasts."""

    name: str
    customer: str
    location: str


class KeptMethod(msgspec.Struct, frozen=True, kw_only=True):
    """What of the method lasts."""

    version: str
    commit: str
    suite_sha256: str = ""


class KeptVantage(msgspec.Struct, frozen=True, kw_only=True):
    """What of the vantage lasts."""

    host: str
    mac: str
    gateway: str


class KeptTime(msgspec.Struct, frozen=True, kw_only=True):
    """What of the time lasts."""

    started: str
    ended: str


class KeptSignature(msgspec.Struct, frozen=True, kw_only=True):
    """What of the signature lasts."""

    fingerprint: str


class Lasting(msgspec.Struct, frozen=True, kw_only=True):
    """What ``certificate.json`` of every version holds, earlier and later; other keys may come."""

    schema: Literal["cube-acceptance/certificate/1"]
    certificate_id: str
    verdict: Verdict
    stage: Literal["acceptance", "readiness"]
    simulated: bool
    language: Language
    replayed: bool
    item: KeptItem
    site: KeptPlant
    method: KeptMethod
    vantage: KeptVantage
    time: KeptTime
    results: tuple[KeptResult, ...]
    complaints: tuple[str, ...]
    files: dict[str, str]
    signature: KeptSignature | None
    content_sha256: str = ""
