"""Makes certificates to look at and to test with: the catalogue's words, invented facts.

``SAMPLES`` names them; each call gives a fresh dictionary as ``certificate.json`` holds it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cube_acceptance import catalogue
from cube_acceptance.catalogue import LEVELS
from cube_acceptance.text import sentences
from cube_acceptance.verdict import decide, worst

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cube_acceptance.catalogue import Language, Requirement

Certificate = dict[str, Any]

CONTENT = "5d" * 32
"""What every sample calls the hash of its content."""

HOSTS = ("disco.tapio.one", "connect.homag.cloud")

FACTS: dict[str, dict[str, Any]] = {
    "DHCP-01": {
        "server": "10.20.0.1",
        "address": "10.20.0.117",
        "subnet_mask": "255.255.255.0",
        "routers": ["10.20.0.1"],
        "lease_s": 86400,
    },
    "NTP-01": {
        "server": "10.20.0.1",
        "stratum": 2,
        "offset_s": 0.003217,
        "root_distance_s": 0.0142,
        "reference": {"word": "cloud-time"},
    },
    "DNS-01": {"server": "10.20.0.1", "addresses": ["20.50.2.17", "20.50.2.18"]},
    "HTTPS-01": {
        "status": 404,
        "issuer": "CN=DigiCert Global G2 TLS RSA SHA256 2020 CA1,O=DigiCert Inc,C=US",
        "version": "TLSv1.3",
        "not_after": "2027-02-11T23:59:59.000Z",
    },
    "PING-01": {"address": "20.50.2.17", "sent": 4, "lost": 0, "fastest_ms": 14.2},
    "DIAG-01": {"port": 80, "status": 200, "title": "IoT CUBE"},
    "CONN-01": {"port": 5555, "status": 200, "title": "Cloud-Connector"},
    "MDNS-01": {"names": ["cube-4711.local"], "services": ["_http._tcp"]},
    "LLMNR-01": {"hostname": "cube-4711", "over": "udp"},
    "PING-02": {"sent": 4, "lost": 0, "fastest_ms": 0.6},
    "SSH-01": {"state": "disabled"},
}
"""What a passing case shows."""


def cubes(count: int) -> list[dict[str, Any]]:
    """Make CUBEs with running addresses."""
    return [
        {
            "name": f"line-{number}",
            "address": f"10.20.{number // 200}.{number % 200 + 49}",
            "version": "0.129.7" if number % 5 == 0 else "0.131.0",
            "hostname": f"cube-{4710 + number}",
            "serial": f"HC-{220000 + number}",
            "mac": f"00:1b:1b:00:{number // 256:02x}:{number % 256:02x}",
            "ssh": "disabled",
        }
        for number in range(1, count + 1)
    ]


def certificate(
    language: Language = "de",
    *,
    count: int = 1,
    outcomes: Mapping[tuple[str, str], tuple[str, str]] | None = None,
    **changes: Any,  # noqa: ANN401 - any key of the certificate
) -> Certificate:
    """Make a certificate in which everything passes but what ``outcomes`` says.

    ``outcomes`` maps requirement and subject to outcome and the key of the catalogue's text.
    """
    book = catalogue.load()
    items = cubes(count)
    results = []
    for requirement in book.requirement:
        subjects = [cube["name"] for cube in items] if requirement.about == "cube" else ["site"]
        for subject in subjects:
            told = (outcomes or {}).get((requirement.id, subject), ("pass", ""))
            address = next((cube["address"] for cube in items if cube["name"] == subject), "")
            results.append(_result(book, requirement, subject, address, told, language))
    complaints = changes.get("complaints", [])
    made: Certificate = {
        "schema": "cube-acceptance/certificate/1",
        "certificate_id": "5b0f2c1e-8f6d-4a57-9d53-0c1f6f2f9a11",
        "verdict": decide([(each["level"], each["outcome"]) for each in results], complaints),
        "stage": "acceptance",
        "simulated": False,
        "language": language,
        "replayed": False,
        "item": {"cubes": items},
        "site": {"name": "Werk Ulm", "customer": "Möbelwerke Ulm GmbH", "location": "Halle 3"},
        "people": {
            "operator": {"name": "Jana Krüger", "organisation": "HOMAG Service"},
            "witness": None,
            "approver": {"name": "Dr. Peter Groß", "organisation": "Möbelwerke Ulm GmbH"},
        },
        "method": {
            "suite": "cube-acceptance",
            "version": "0.1.0",
            "commit": "b731b6d8f3a1c2e4d5f60718293a4b5c6d7e8f90",
            "command_line": ["pytest", "--site", "werk.toml", "-n", "auto"],
            "python": "3.11.2",
            "packages": {"pytest": "9.2.0", "pytest-html": "4.2.0", "dnspython": "2.9.2"},
            "limits": {
                "dhcp": {"listen_s": 4.0, "deadline_s": 10.0},
                "ntp": {"tries": 2, "timeout_s": 3.0},
                "icmp": {"count": 4, "interval_s": 1.2, "timeout_s": 2.0},
            },
        },
        "vantage": {
            "host": "service-laptop-07",
            "system": "Linux 6.1.0",
            "interface": "eth0",
            "address": "10.20.0.9",
            "prefix": 24,
            "mac": "3c:97:0e:12:34:56",
            "addresses": ["10.20.0.9/24"],
            "gateway": "10.20.0.1",
            "privilege": "root",
            "problem": "",
        },
        "time": {
            "started": "2026-11-23T09:00:00.000Z",
            "ended": "2026-11-23T09:00:14.250Z",
            "zone": "CET",
            "utc_offset_min": 60,
            "clock_offset_s": 0.003217,
        },
        "requirements_document": {
            "title": book.document.title,
            "publisher": book.document.publisher,
            "source": book.document.source,
            "catalogue_sha256": book.sha256,
        },
        "site_file": {"name": "werk.toml", "sha256": "9f" * 32},
        "results": results,
        "observations": [],
        "deviations": [],
        "waivers": [],
        "totals": totals(results),
        "decision_rule": book.common.decisions.acceptance.sentence(language),
        "complaints": complaints,
        "files": {"evidence.json": "3a" * 32, "junit.xml": "c4" * 32},
        "signature": None,
        "content_sha256": CONTENT,
    }
    return made | changes


def totals(results: list[dict[str, Any]]) -> dict[str, dict[str, int]]:
    """Count the results by level and outcome."""
    counts: dict[str, dict[str, int]] = {level: {} for level in LEVELS}
    for result in results:
        level = counts[result["level"]]
        level[result["outcome"]] = level.get(result["outcome"], 0) + 1
    return counts


def _result(
    book: catalogue.Catalogue,
    requirement: Requirement,
    subject: str,
    address: str,
    told: tuple[str, str],
    language: Language,
) -> dict[str, Any]:
    words = requirement.describe(language)
    outcome, key = told
    names = HOSTS if requirement.each else ("",)
    cases = [
        _case(book, requirement, subject, address, host, told if host in {"", HOSTS[0]} else None,
              language)
        for host in names
        if outcome != "not-applicable"
    ]  # fmt: skip
    leading = next((case for case in cases if case["outcome"] != "pass"), {})
    waiver = None
    reason = leading.get("reason", "")
    if outcome == "waived":
        waiver = {
            "requirement": requirement.id,
            "justification": "Zeitserver folgt mit dem Umbau im März",
            "approver": "Dr. Peter Groß",
            "expires": "2027-03-31",
        }
    rules = outcome in {"fail", "waived"} and book.text(requirement.id, key).rule
    return {
        "requirement": requirement.id,
        "level": requirement.level,
        "subject": subject,
        "title": words.title,
        "direction": requirement.direction,
        "port": f"{requirement.protocol} {requirement.port}".strip(),
        "expected": words.expected,
        "meaning": words.meaning,
        "outcome": "waived"
        if waiver
        else worst(case["outcome"] for case in cases)
        if cases
        else "not-applicable",
        "cause": leading.get("cause", ""),
        "reason": reason,
        "remedy": leading.get("remedy", ""),
        "waiver": waiver,
        "requests": [
            {
                "source": "" if address else "10.20.0.50",
                "for_the_test": "10.20.0.9",
                "destination": address or (HOSTS[0] if requirement.each else "10.20.0.1"),
                "protocol": requirement.protocol,
                "port": requirement.port,
                "direction": requirement.direction,
                "text": words.request,
            }
        ]
        if rules
        else [],
        "cases": cases,
    }


def _case(
    book: catalogue.Catalogue,
    requirement: Requirement,
    subject: str,
    address: str,
    host: str,
    told: tuple[str, str] | None,
    language: Language,
) -> dict[str, Any]:
    outcome, key = told or ("pass", "")
    outcome = "fail" if outcome == "waived" else outcome
    port = requirement.port.partition(" ")[0] or "80"
    facts: dict[str, Any] = {
        "servers": ["10.20.0.1"],
        "host": host or HOSTS[0],
        "addresses": ["20.50.2.17"],
        "address": address or "20.50.2.17",
        "port": port,
        "sent": 4,
        "detail": "ICMP 3/13",
        "issuer": "CN=Fortinet Untrusted CA,O=Fortinet",
        "banner": "SSH-2.0-OpenSSH_9.2p1",
        "command": "sudo setcap cap_net_raw,cap_net_bind_service=ep …/python3.11",
        "hostname": "cube-4711",
    }
    said = sentences.Told("", "", "")
    if key:
        said = sentences.tell(book, requirement.id, key, facts, language)
    name = requirement.id.partition("-")[0].lower()
    where = host or (subject if address else "10.20.0.1")
    return said._asdict() | {
        "remedy": said.remedy,
        "case": f"{requirement.id} {subject} {host}".strip(),
        "outcome": outcome,
        "cause": key.partition(".")[0],
        "observed": FACTS[requirement.id] if outcome == "pass" else {"servers": ["10.20.0.1"]},
        "evidence": [] if outcome == "not-run" else [f"{name}/{where}"],
        "started": "" if outcome == "not-run" else "2026-11-23T09:00:00.120Z",
        "duration_s": 0.0 if outcome == "not-run" else 0.0123,
        "attempts": 0 if outcome == "not-run" else 1,
    }


NOTE = {
    "requirement": "DHCP-01",
    "subject": "site",
    "code": "second-server",
    "text": "Mehr als ein DHCP-Server bietet Adressen an: 10.20.0.1, 10.20.0.2.",
}


def accepted(language: Language = "de") -> Certificate:
    """Everything passes."""
    return certificate(language)


def rejected(language: Language = "de") -> Certificate:
    """Several requirements fail, for causes that have a rule to ask for and one that has not."""
    return certificate(
        language,
        outcomes={
            ("NTP-01", "site"): ("fail", "no-answer"),
            ("HTTPS-01", "site"): ("fail", "untrusted"),
            ("PING-01", "site"): ("fail", "no-answer"),
            ("CONN-01", "line-1"): ("fail", "refused"),
            ("SSH-01", "line-1"): ("inconclusive", "ambiguous"),
            ("LLMNR-01", "line-1"): ("not-run", "not-run"),
        },
        observations=[NOTE],
        deviations=[
            {
                "code": "site-dns",
                "text": sentences.fill(
                    catalogue.load().common.deviations["site-dns"].sentence(language),
                    {"servers": ["10.20.0.1"]},
                    catalogue.load(),
                    language,
                ),
            }
        ],
        signature={
            "fingerprint": "SHA256:2vJ6a0bQ0c3oK4Yw1mR7n5tXqkqf8H1sYJ0mTz6oE1A",
            "command": "ssh-keygen -Y verify -f allowed_signers -I jana -n cube-acceptance "
            "-s certificate.json.sig < certificate.json",
        },
    )


def incomplete(language: Language = "en") -> Certificate:
    """The right to measure is missing, one case did not run, and a failure is nobody's."""
    return certificate(
        language,
        outcomes={
            ("DHCP-01", "site"): ("inconclusive", "not-permitted"),
            ("CONN-01", "line-1"): ("not-run", "not-run"),
        },
        complaints=["A failure belongs to no requirement: tests/test_extra.py."],
        replayed=True,
    )


def reserved(language: Language = "de") -> Certificate:
    """A known failure is accepted until a date."""
    made = certificate(language, outcomes={("NTP-01", "site"): ("waived", "no-answer")})
    waiver = next(each["waiver"] for each in made["results"] if each["waiver"])
    return made | {"waivers": [waiver | {"used": True}]}


def simulated(language: Language = "en") -> Certificate:
    """The embedded site, everything passing."""
    return certificate(language, simulated=True)


def readiness(language: Language = "de") -> Certificate:
    """No CUBE yet: the internal requirements do not apply."""
    book = catalogue.load()
    inside = [entry.id for entry in book.requirement if entry.direction == "internal"]
    return certificate(
        language,
        count=1,
        outcomes={(key, "line-1"): ("not-applicable", "not-applicable") for key in inside},
        stage="readiness",
        decision_rule=book.common.decisions.readiness.sentence(language),
    )


def few(language: Language = "de") -> Certificate:
    """As many CUBEs as the first page lists one by one, a witness, some failures."""
    made = certificate(language, count=6, outcomes={("DIAG-01", "line-3"): ("fail", "no-answer")})
    made["people"]["witness"] = {"name": "Eva Maurer", "organisation": "Möbelwerke Ulm GmbH"}
    return made


def fleet(language: Language = "de") -> Certificate:
    """200 CUBEs, some of which fail, some of which could not be measured."""
    outcomes = {
        ("CONN-01", f"line-{number}"): ("fail", "no-answer") for number in range(7, 200, 11)
    }
    outcomes |= {
        ("DIAG-01", f"line-{number}"): ("inconclusive", "other-route") for number in (12, 90)
    }
    outcomes |= {("PING-02", f"line-{number}"): ("fail", "no-answer") for number in range(1, 40)}
    return certificate(language, count=200, outcomes=outcomes)


SAMPLES: dict[str, Callable[[Language], Certificate]] = {
    "accepted": accepted,
    "rejected": rejected,
    "incomplete": incomplete,
    "reserved": reserved,
    "simulated": simulated,
    "readiness": readiness,
    "few": few,
    "fleet": fleet,
}
