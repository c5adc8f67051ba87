"""``junit.xml``: in the form that GitLab and Jenkins read, and saying what the certificate says."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest

from cube_acceptance.certificate import junit
from selftests.support import samples

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

TEXT = frozenset({"message", "type"})
FORM: Mapping[str, tuple[frozenset[str], frozenset[str], tuple[str, ...]]] = {
    "testsuites": (frozenset({"name"}), frozenset(), ("testsuite",)),
    "testsuite": (
        frozenset(
            {"name", "errors", "failures", "skipped", "tests", "time", "timestamp", "hostname"}
        ),
        frozenset(),
        ("properties", "testcase"),
    ),
    "properties": (frozenset(), frozenset(), ("property",)),
    "property": (frozenset({"name", "value"}), frozenset(), ()),
    "testcase": (
        frozenset({"classname", "name", "time"}),
        frozenset(),
        ("properties", "failure", "error", "skipped", "system-out"),
    ),
    "failure": (frozenset({"message"}), TEXT, ()),
    "error": (frozenset({"message"}), TEXT, ()),
    "skipped": (frozenset({"message"}), TEXT, ()),
    "system-out": (frozenset(), frozenset(), ()),
}
"""By element: attributes that it must have, further ones that it may have, its children in order.

It is the common part of pytest's ``xunit2`` and of the schema of Jenkins's xUnit plugin."""


def check_form(element: ET.Element) -> None:
    """Check an element and what is in it."""
    needed, allowed, children = FORM[element.tag]
    assert needed <= element.attrib.keys() <= needed | allowed
    places = [children.index(child.tag) for child in element]
    assert places == sorted(places)
    if element.tag == "testcase":
        assert sum(child.tag in {"failure", "error", "skipped"} for child in element) <= 1
        assert float(element.attrib["time"]) >= 0
    for child in element:
        check_form(child)


def suite_of(certificate: dict[str, Any], judgements: Mapping[str, str] = {}) -> ET.Element:
    """The report's one suite, its form checked."""
    data = junit.report(certificate, judgements, "a/certificate.html")
    whole = ET.fromstring(data)  # noqa: S314 - our own
    check_form(whole)
    (suite,) = whole
    for counted, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        assert int(suite.attrib[counted]) == len(list(suite.iter(tag)))
    assert int(suite.attrib["tests"]) == len(list(suite.iter("testcase")))
    return suite


def ends(suite: ET.Element) -> dict[str, str]:
    """How each test ended, by its name."""
    found = {}
    for test in suite.iter("testcase"):
        bad = [child.tag for child in test if child.tag in {"failure", "error", "skipped"}]
        found[test.attrib["name"]] = "".join(bad) or "passed"
    return found


@pytest.mark.parametrize(
    "sample",
    [
        *(samples.accepted, samples.rejected, samples.incomplete, samples.reserved),
        *(samples.simulated, samples.readiness, samples.few, samples.fleet),
    ],
)
def test_has_the_form(sample: Callable[[], dict[str, Any]]) -> None:
    """Whatever the verdict: the site's name, the verdict, and one line that names the page."""
    certificate = sample()
    suite = suite_of(certificate)
    told = {one.attrib["name"]: one.attrib["value"] for one in suite[0]}

    assert suite.attrib["name"] == certificate["site"]["name"]
    assert told["verdict"] == certificate["verdict"]
    assert told["certificate_id"] == certificate["certificate_id"]
    assert [one.text for one in suite.iter("system-out")] == ["[[ATTACHMENT|a/certificate.html]]"]


def test_what_is_required_fails() -> None:
    """And comes with its sentence and remedy; what is optional is skipped with its own."""
    suite = suite_of(samples.rejected("de"))
    shown = ends(suite)
    (failure, *_) = suite.iter("failure")
    (attached,) = [test for test in suite if test.find("system-out") is not None]

    assert shown["NTP-01 Zeitserver (NTP)"] == "failure"
    assert shown["PING-01 Ping zur tapio Cloud"] == "skipped"
    assert shown["DHCP-01 Adresse durch DHCP"] == "passed"
    assert failure.attrib["type"] == "no-answer"
    assert failure.attrib["message"] in (failure.text or "")
    assert attached.find("failure") is not None


def test_what_was_not_determined_is_skipped() -> None:
    """It is neither a pass nor a failure."""
    assert ends(suite_of(samples.incomplete("en")))["DHCP-01 Address from DHCP"] == "skipped"


def test_what_is_waived_is_skipped() -> None:
    """With the sentence that names who accepted it."""
    certificate = samples.reserved("en")
    (waived,) = [one for one in certificate["results"] if one["outcome"] == "waived"]
    waived["cases"][0]["outcome"] = "fail"  # what a case came to is not changed by a waiver
    suite = suite_of(certificate)
    said = [one.attrib["message"] for one in suite.iter("skipped")]

    assert ends(suite)["NTP-01 Time server (NTP)"] == "skipped"
    assert waived["reason"] in said


def test_what_does_not_apply_has_no_case() -> None:
    """It stands there and says so."""
    suite = suite_of(samples.readiness("de"))

    assert ends(suite)["CONN-01 Diagnoseseite des Cloud-Connectors"] == "skipped"


def test_names_hosts_and_cubes() -> None:
    """A host behind the name, a CUBE as the class, in which no dot begins a package."""
    certificate = samples.few("de")
    certificate["site"] = {"name": "Förderanlage St. Ulm", "customer": "", "location": ""}
    (resolved,) = [one for one in certificate["results"] if one["requirement"] == "DNS-01"]
    for case, host in zip(
        resolved["cases"], ("disco.tapio.one", "connect.homag.cloud"), strict=True
    ):
        case["case"] = f"DNS-01[{host}]"
    names = [test.attrib for test in suite_of(certificate).iter("testcase")]
    hosts = [one["name"] for one in names if one["name"].startswith("DNS-01")]
    cubes = {one["classname"] for one in names}

    assert len(hosts) == len(set(hosts)) > 1
    assert "Förderanlage St- Ulm.Standort" in cubes
    assert all(one.count(".") == 1 for one in cubes)


def test_a_site_without_a_name_and_a_failure_of_no_requirement() -> None:
    """Both have a place."""
    certificate = samples.accepted("de")
    certificate["site"]["name"] = ""
    certificate["complaints"] = ["Ein Fehler\x1b gehört zu keiner Anforderung."]
    suite = suite_of(certificate)

    assert suite.attrib["name"] == "HOMAG CUBE"
    assert [one.attrib["message"][:11] for one in suite.iter("error")] == ["Ein Fehler\ufffd"]


def test_a_replay_tells_its_judgements() -> None:
    """For who judges again and compares."""
    certificate = samples.accepted()
    case = certificate["results"][0]["cases"][0]["case"]
    suite = suite_of(certificate, {case: '{"outcome":"pass"}'})
    told = [one.attrib for one in suite.iter("property") if "judgement" in one.attrib["name"]]

    assert told == [{"name": "acceptance_judgement", "value": '{"outcome":"pass"}'}]


@pytest.mark.parametrize(
    ("project", "shown"),
    [("/builds/x", "fleet/run/certificate.html"), ("", ""), ("/elsewhere", "")],
)
def test_where_the_page_is(project: str, shown: str) -> None:
    """From the folder of a GitLab pipeline's project, or in full."""
    page = Path("/builds/x/fleet/run/certificate.html")

    assert junit.place(page, project) == (shown or str(page))
