"""Builds ``certificate.json`` from the ledger, the evidence and the facts of the run; pure."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from datetime import date
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from cube_acceptance import expected, network, started, streamed
from cube_acceptance.catalogue import LEVELS, SITE, Language
from cube_acceptance.certificate import rules
from cube_acceptance.evidence import NeighboursObserved, NtpObserved
from cube_acceptance.site import Ntp, diag_ports
from cube_acceptance.store import NotMeasuredError, Replay
from cube_acceptance.text import sentences
from cube_acceptance.verdict import decide, verdict_kind, worst

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cube_acceptance.catalogue import Catalogue, Requirement
    from cube_acceptance.evidence_file import Saved
    from cube_acceptance.expected import Owed
    from cube_acceptance.judge import Judgement
    from cube_acceptance.ledger import Ledger
    from cube_acceptance.site import Site, Waiver
    from cube_acceptance.verdict import Outcome, Verdict

SCHEMA = "cube-acceptance/certificate/1"

UNCOVERED = frozenset({"files", "content_sha256"})
"""Keys that ``content_sha256`` does not cover: the page shows it and is itself one of the files."""

CUBE = ("name", "address", "version", "hostname", "serial", "mac", "ssh")
"""What of a CUBE's description in the site file stands on a certificate."""

_PLAIN = json.JSONEncoder(ensure_ascii=False, allow_nan=False, sort_keys=True)
_CANONICAL = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":")
)

UNDECIDED = frozenset({"inconclusive", "not-run"})
"""Outcomes that leave open whether a requirement is met."""


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What the run knows about itself and its computer; collected by the caller."""

    certificate_id: str
    language: Language
    replayed: bool
    method: dict[str, Any]
    vantage: dict[str, Any]
    time: dict[str, Any]
    today: date
    files: dict[str, str] = {}
    signature: dict[str, str] | None = None
    replaces: str = ""
    """The number of the certificate that this one replaces."""


class _Sources(NamedTuple):
    """What the results are made from."""

    catalogue: Catalogue
    ledger: Ledger
    saved: Saved
    facts: Facts
    waivers: list[Waiver]
    """Those that still hold."""


def build(catalogue: Catalogue, ledger: Ledger, saved: Saved, facts: Facts) -> dict[str, Any]:
    """Build the certificate of one run as a reader of its file gets it; decides the verdict."""
    site, language = saved.setup.site, facts.language
    waivers = [waiver for waiver in site.waivers if waiver.expires >= facts.today]
    owed: dict[tuple[str, str], list[Owed]] = {}
    for owing in ledger.owed:
        owed.setdefault((owing.requirement, owing.subject), []).append(owing)
    known: dict[str, str] = {}
    sources = _Sources(catalogue, ledger, saved, facts, waivers)
    results = [
        _shared(
            as_read(
                _result(sources, requirement, subject, owed.get((requirement.id, subject), []))
            ),
            known,
        )
        for requirement in catalogue.requirement
        for subject in expected.subjects(requirement, site)
    ]
    complaints = [
        sentences.fill(
            catalogue.common.complaints[complaint.code].sentence(language),
            {"place": complaint.place},
            catalogue,
            language,
        )
        for complaint in ledger.complaints
    ]
    kind = verdict_kind(site.stage, simulated=saved.setup.simulated)
    used = [waiver for waiver in waivers if _is_used(waiver, results)]
    certificate = about(catalogue, saved) | {
        "schema": SCHEMA,
        "certificate_id": facts.certificate_id,
        "verdict": verdict_of(results, complaints),
        "language": language,
        "replayed": facts.replayed,
        "method": facts.method,
        "vantage": facts.vantage,
        "time": facts.time | clock(saved),
        "results": results,
        "observations": _observations(catalogue, ledger, language),
        "deviations": _deviations(catalogue, saved, used, language),
        "waivers": [
            msgspec.to_builtins(waiver) | {"used": waiver in used} for waiver in site.waivers
        ],
        "totals": {
            level: dict(
                Counter(result["outcome"] for result in results if result["level"] == level)
            )
            for level in LEVELS
        },
        "decision_rule": catalogue.common.decisions.of(kind).sentence(language),
        "complaints": complaints,
        "files": facts.files,
        "signature": facts.signature,
        "replaces": facts.replaces,
    }
    certificate["content_sha256"] = content_sha256(certificate)
    return {
        key: value if key == "results" else as_read(value)
        for key, value in sorted(certificate.items())
    }


def as_read(value: object) -> Any:  # noqa: ANN401 - any JSON
    """Return a value as a reader of its file gets it, with sorted keys."""
    return msgspec.json.decode(_PLAIN.encode(value))


def _shared(result: dict[str, Any], known: dict[str, str]) -> dict[str, Any]:
    """Let a result have its texts in common with others: a fleet's are the same thousandfold."""
    return {
        key: known.setdefault(value, value) if isinstance(value, str) else value
        for key, value in result.items()
    }


def about(catalogue: Catalogue, saved: Saved) -> dict[str, Any]:
    """Write what is tested, and by which document; it follows from the evidence alone."""
    loaded, site = saved.setup.loaded, saved.setup.site
    neighbours = saved.observations.get("neighbours")
    seen = dict(neighbours.hardware) if isinstance(neighbours, NeighboursObserved) else {}
    return {
        "stage": site.stage,
        "simulated": saved.setup.simulated,
        "item": {
            "cubes": [
                {key: getattr(cube, key) for key in CUBE} | {"mac_seen": seen.get(cube.address, "")}
                for cube in site.cubes
            ]
        },
        "site": msgspec.to_builtins(site.site),
        "people": msgspec.to_builtins(site.people),
        "requirements_document": {
            "title": catalogue.document.title,
            "publisher": catalogue.document.publisher,
            "source": catalogue.document.source,
            "read_on": catalogue.document.read_on.isoformat(),
            "catalogue_sha256": catalogue.sha256,
        },
        "site_file": {"name": loaded.name, "sha256": loaded.sha256} if loaded.name else None,
    }


def _port(requirement: Requirement, subject: str, site: Site) -> str:
    """Name the port of a requirement; of the diagnosis page the one of the CUBE's version."""
    if requirement.id != "DIAG-01" or subject == SITE:
        return requirement.port
    cube = expected.cube_named(site, subject)
    return " / ".join(str(port) for port in diag_ports(cube.version))


def verdict_of(results: list[dict[str, Any]], complaints: list[str]) -> Verdict:
    """Decide over the results of a certificate."""
    return decide([(result["level"], result["outcome"]) for result in results], complaints)


def content_sha256(certificate: dict[str, Any]) -> str:
    """Return the SHA-256 of what a certificate says: its canonical JSON but for the files.

    Canonical is UTF-8 with sorted keys and no white space; numbers are as in the file itself.
    """
    digest = hashlib.sha256()
    for number, key in enumerate(sorted(certificate.keys() - UNCOVERED)):
        digest.update(f"{',' if number else '{'}{_CANONICAL.encode(key)}:".encode())
        value = certificate[key]
        if isinstance(value, list) and value:
            for place, entry in enumerate(value):
                digest.update(f"{',' if place else '['}{_CANONICAL.encode(entry)}".encode())
            digest.update(b"]")
        else:
            digest.update(_CANONICAL.encode(value).encode())
    digest.update(b"}")
    return digest.hexdigest()


def dump(certificate: dict[str, Any]) -> bytes:
    """Write a certificate as the bytes of ``certificate.json``: UTF-8, sorted keys."""
    return b"".join(pieces(certificate))


def pieces(certificate: dict[str, Any]) -> Iterator[bytes]:
    """Write a certificate likewise, in pieces."""
    return streamed.pieces(certificate, lambda value: _PLAIN.encode(value).encode())


def _result(
    sources: _Sources, requirement: Requirement, subject: str, owed: list[Owed]
) -> dict[str, Any]:
    """Describe what a requirement asks of a subject, and what came of it."""
    catalogue, site, language = sources.catalogue, sources.saved.setup.site, sources.facts.language
    words = requirement.describe(language)
    result: dict[str, Any] = {
        "requirement": requirement.id,
        "level": requirement.level,
        "subject": subject,
        "title": words.title,
        "direction": requirement.direction,
        "port": f"{requirement.protocol} {_port(requirement, subject, site)}".strip(),
        "expected": words.expected,
        "meaning": words.meaning,
        "waiver": None,
        "requests": [],
        "cases": [],
    }
    if not expected.applies(requirement, site):
        said = sentences.tell(catalogue, requirement.id, "not-applicable", {}, language)
        return result | {
            "outcome": "not-applicable",
            "cause": "",
            "reason": said.reason,
            "remedy": "",
        }
    result |= _outcome(sources, requirement, subject, owed)
    if result["outcome"] in UNDECIDED:
        text = catalogue.common.texts["undecided"].sentence(language)
        result["meaning"] = sentences.fill(text, {"meaning": words.meaning}, catalogue, language)
    return result


def _outcome(
    sources: _Sources, requirement: Requirement, subject: str, owed: list[Owed]
) -> dict[str, Any]:
    """Describe what the cases of a requirement come to; the worst of them decides."""
    catalogue, ledger, saved, facts, waivers = sources
    cases = [_case(catalogue, owing, ledger.judgement(owing.case), facts) for owing in owed]
    waived = [_waiver_of(requirement, subject, case, waivers) for case in cases]
    outcomes: list[Outcome] = [
        "waived" if waiver else case["outcome"] for case, waiver in zip(cases, waived, strict=True)
    ]
    outcome = worst(outcomes)
    deciding = [case for case, each in zip(cases, outcomes, strict=True) if each == outcome]
    asked = rules.missing(catalogue, requirement, owed, ledger, saved.setup, facts.language)
    found: dict[str, Any] = {
        "outcome": outcome,
        "cause": deciding[0]["cause"] if deciding else "",
        "reason": _each_once(case["reason"] for case in deciding),
        "remedy": _each_once(case["remedy"] for case in deciding),
        "cases": cases,
        "requests": [rule._asdict() for rule in asked],
    }
    if outcome == "waived":
        accepted = [waiver for waiver in waived if waiver]
        found["waiver"] = msgspec.to_builtins(accepted[0])
        found["reason"] = _accepted(catalogue, found["reason"], accepted, facts.language)
    return found


def _accepted(catalogue: Catalogue, reason: str, waivers: list[Waiver], language: Language) -> str:
    """Describe what is accepted all the same, and by whom."""
    for waiver in dict.fromkeys(waivers):
        facts: dict[str, Any] = {
            "reason": reason,
            "justification": waiver.justification,
            "approver": waiver.approver,
            "expires": f"{waiver.expires.isoformat()}T00:00:00Z",
        }
        text = catalogue.common.texts["waived"].sentence(language)
        reason = sentences.fill(text, facts, catalogue, language)
    return reason


def _each_once(texts: Iterable[str]) -> str:
    """Put sentences together: several hosts may fail for one reason, and each is named."""
    return " ".join(dict.fromkeys(filter(None, texts)))


def _waiver_of(
    requirement: Requirement, subject: str, case: dict[str, Any], waivers: list[Waiver]
) -> Waiver | None:
    """Find the waiver that covers a case: a failure of a required entry, not what nobody measured.

    It may be for one CUBE, and for one cause.
    """
    if requirement.level != "required" or case["outcome"] != "fail":
        return None
    return next((one for one in waivers if _covers(one, requirement.id, subject, case)), None)


def _covers(waiver: Waiver, requirement: str, subject: str, case: dict[str, Any]) -> bool:
    """Whether a waiver is for a failed case."""
    return (
        waiver.requirement == requirement
        and waiver.cube in {"", subject}
        and waiver.cause in {"", case["cause"]}
    )


def _is_used(waiver: Waiver, results: list[dict[str, Any]]) -> bool:
    """Whether a failure counts as accepted because of a waiver."""
    return any(
        case["outcome"] == "fail"
        and _covers(waiver, result["requirement"], result["subject"], case)
        for result in results
        if result["outcome"] == "waived"
        for case in result["cases"]
    )


def _case(catalogue: Catalogue, owing: Owed, judgement: Judgement, told: Facts) -> dict[str, Any]:
    facts = judgement.facts
    if "command" in facts:
        line = told.method.get("command_line") or [started.PYTEST]
        facts = facts | {"command": started.again(str(facts["command"]), line)}
    said = sentences.Told("", "", "")
    if judgement.text:
        said = sentences.tell(catalogue, owing.requirement, judgement.text, facts, told.language)
    return said._asdict() | {
        "remedy": said.remedy,
        "case": owing.case,
        "outcome": judgement.outcome,
        "cause": judgement.cause,
        "observed": judgement.observed | facts,
        "evidence": list(judgement.evidence),
        "started": judgement.started,
        "duration_s": judgement.duration_s,
        "attempts": judgement.attempts,
    }


def _observations(catalogue: Catalogue, ledger: Ledger, language: Language) -> list[dict[str, str]]:
    seen: dict[tuple[str, str, str, str], None] = {}
    for owing in ledger.owed:
        for note in ledger.judgement(owing.case).notes:
            text = sentences.note(catalogue, owing.requirement, note.code, note.facts, language)
            seen[owing.requirement, owing.subject, note.code, text] = None
    return [
        {"requirement": requirement, "subject": subject, "code": code, "text": text}
        for requirement, subject, code, text in seen
    ]


def _deviations(
    catalogue: Catalogue, saved: Saved, used: list[Waiver], language: Language
) -> list[dict[str, str]]:
    site = saved.setup.site
    found: dict[str, dict[str, Any]] = {}
    if site.cloud.ca_file:
        found["private-ca"] = {"file": site.cloud.ca_file.replace("\\", "/").rpartition("/")[2]}
    if site.cloud.allow_private:
        found["private-addresses"] = {}
    if stand_ins := _stand_ins(site):
        hosts = [host for hosts in stand_ins.values() for host in hosts]
        found["other-hosts"] = {"domains": list(stand_ins), "hosts": hosts}
    if site.ntp.tolerance_s > Ntp().tolerance_s:
        allowed = {"tolerance": site.ntp.tolerance_s, "usual": Ntp().tolerance_s}
        found["time-tolerance"] = allowed
    operator = site.people.operator
    tester = operator.name.casefold() if operator else ""
    own = [one for one in used if tester and tester in one.approver.casefold()]
    if own:
        requirements = list(dict.fromkeys(waiver.requirement for waiver in own))
        found["own-waiver"] = {"requirements": requirements, "approver": own[0].approver}
    try:
        given = network.handed_out(saved.setup, Replay(saved))
    except NotMeasuredError:  # nothing that follows DHCP was measured, so no server was chosen
        given = None
    if given and (servers := network.name_servers(site, given)).origin == "site":
        found["site-dns"] = {"servers": list(servers.addresses)}
    if given and (servers := network.time_servers(site, given)).origin == "site":
        found["site-ntp"] = {"servers": list(servers.addresses)}
    return [
        {
            "code": code,
            "text": sentences.fill(
                catalogue.common.deviations[code].sentence(language), facts, catalogue, language
            ),
        }
        for code, facts in found.items()
    ]


def _stand_ins(site: Site) -> dict[str, tuple[str, ...]]:
    """Return the hosts that were asked instead of a cloud's own, by the cloud's domain."""
    clouds = {"tapio.one": site.cloud.tapio, "homag.cloud": site.cloud.homag}
    return {
        domain: hosts
        for domain, hosts in clouds.items()
        if not any(f".{host.casefold()}".endswith(f".{domain}") for host in hosts)
    }


def clock(saved: Saved) -> dict[str, float | None]:
    """Return how far the first time server that answered is ahead of this computer, in seconds.

    The offset can be wrong by half the exchange's delay and by the server's own root distance.
    """
    for observation in saved.observations.values():
        if isinstance(observation, NtpObserved) and (reply := observation.reply):
            uncertainty = max(reply.delay_s, 0.0) / 2 + reply.root_distance_s
            return {
                "clock_offset_s": round(reply.offset_s, 6),
                "clock_uncertainty_s": round(uncertainty, 6),
            }
    return {"clock_offset_s": None, "clock_uncertainty_s": None}
