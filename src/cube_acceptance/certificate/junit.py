"""``junit.xml``: the results for those who gather tests, in the words of the certificate.

Its form is what pytest writes as ``xunit2``, which GitLab and Jenkins read. What is required and
not met is a failure; what is optional, undetermined, waived or not tested is skipped and says why.
"""

from __future__ import annotations

import os
from datetime import datetime
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

from cube_acceptance.catalogue import SITE
from cube_acceptance.certificate import front
from cube_acceptance.ledger import CASE_PROPERTY, JUDGEMENT_PROPERTY
from cube_acceptance.text.foreign import plain
from cube_acceptance.text.wording import say

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

DECIMALS = 3


def report(certificate: Mapping[str, Any], judgements: Mapping[str, str], attachment: str) -> bytes:
    """Write the report of a certificate.

    ``judgements`` by case, as JSON, are told where somebody is to compare them; ``attachment`` is
    where the certificate's page is.
    """
    suite = ET.Element("testsuite", name=_site(certificate))
    _properties(suite, _about(certificate))
    for result in certificate["results"]:
        for case in result["cases"] or [None]:
            _add_case(suite, certificate, result, case, judgements)
    for complaint in certificate["complaints"]:
        name = say("complaint.heading", certificate["language"])
        test = _add_test(suite, _site(certificate), name, 0.0)
        ET.SubElement(test, "error", message=plain(complaint), type="complaint")
    _attach(suite, attachment)
    times = certificate["time"]
    began, ended = (datetime.fromisoformat(times[key]) for key in ("started", "ended"))
    for attribute, value in {
        "errors": str(len(list(suite.iter("error")))),
        "failures": str(len(list(suite.iter("failure")))),
        "skipped": str(len(list(suite.iter("skipped")))),
        "tests": str(len(list(suite.iter("testcase")))),
        "time": f"{(ended - began).total_seconds():.{DECIMALS}f}",
        "timestamp": began.isoformat(),
        "hostname": certificate["vantage"]["host"],
    }.items():
        suite.set(attribute, plain(value))
    whole = ET.Element("testsuites", name=plain(front.title(certificate, certificate["language"])))
    whole.append(suite)
    data: bytes = ET.tostring(whole, encoding="utf-8", xml_declaration=True)
    return data


def place(page: Path, project: str = os.environ.get("CI_PROJECT_DIR", "")) -> str:
    """Return the path of a page, as GitLab wants it from the folder of the pipeline's project."""
    if project and page.is_relative_to(project):
        return page.relative_to(project).as_posix()
    return str(page)


def _site(certificate: Mapping[str, Any]) -> str:
    return plain(certificate["site"]["name"] or "HOMAG CUBE")


def _about(certificate: Mapping[str, Any]) -> dict[str, str]:
    return {
        "verdict": certificate["verdict"],
        "certificate_id": certificate["certificate_id"],
        "stage": certificate["stage"],
        "simulated": str(certificate["simulated"]).lower(),
        "replayed": str(certificate["replayed"]).lower(),
        "content_sha256": certificate["content_sha256"],
    }


def _properties(parent: ET.Element, values: Mapping[str, str]) -> None:
    properties = ET.SubElement(parent, "properties")
    for name, value in values.items():
        ET.SubElement(properties, "property", name=name, value=value)


def _add_case(
    suite: ET.Element,
    certificate: Mapping[str, Any],
    result: Mapping[str, Any],
    case: Mapping[str, Any] | None,
    judgements: Mapping[str, str],
) -> None:
    name = f"{result['requirement']} {result['title']}"
    shown = case or result
    facts = {"level": result["level"], "outcome": shown["outcome"], "cause": shown["cause"]}
    if case:
        about = case["case"].partition("[")[2].removesuffix("]")
        # A CUBE's name is its class already; what is left is a cloud host.
        name += f": {about}" if about not in {"", result["subject"]} else ""
        facts = {CASE_PROPERTY: case["case"], **facts}
        if told := judgements.get(case["case"]):
            facts[JUDGEMENT_PROPERTY] = told
    test = _add_test(suite, _class(certificate, result), name, case["duration_s"] if case else 0.0)
    _properties(test, {key: plain(value, len(value) + 1) for key, value in facts.items() if value})
    outcome = shown["outcome"]
    if outcome == "pass":
        return
    waived = outcome == "fail" and result["outcome"] == "waived"
    failed = outcome == "fail" and result["level"] == "required" and not waived
    end = ET.SubElement(test, "failure" if failed else "skipped")
    end.set("message", plain((result if waived else shown)["reason"]))
    end.set("type", shown["cause"] or outcome)
    end.text = plain("\n".join(filter(None, (shown["reason"], shown["remedy"]))))


def _class(certificate: Mapping[str, Any], result: Mapping[str, Any]) -> str:
    """Name whom a test is about; a dot would begin a package in Jenkins's tables."""
    subject = result["subject"]
    about = say("result.site", certificate["language"]) if subject == SITE else subject
    return ".".join(one.replace(".", "-") for one in (_site(certificate), plain(about)))


def _add_test(suite: ET.Element, about: str, name: str, seconds: float) -> ET.Element:
    time = f"{seconds:.{DECIMALS}f}"
    return ET.SubElement(suite, "testcase", classname=about, name=plain(name), time=time)


def _attach(suite: ET.Element, attachment: str) -> None:
    """Name the page once, at the first test that failed or else the first one."""
    tests = list(suite.iter("testcase"))
    first = next((test for test in tests if test.find("failure") is not None), tests[0])
    ET.SubElement(first, "system-out").text = f"[[ATTACHMENT|{plain(attachment)}]]"
