"""Tests of what a run owes."""

from __future__ import annotations

import pytest

from cube_acceptance import catalogue as catalogues
from cube_acceptance import expected
from cube_acceptance.expected import Owed, applies, cube_named, subjects
from cube_acceptance.site import Cloud, Cube, Site
from selftests.support.healthy import SITE

TWO_CUBES = (
    Cube(name="line-1", address="10.20.0.50"),
    Cube(name="line-2", address="10.20.0.51"),
)
TAPIO = "disco.tapio.one"
HOMAG = "connect.homag.cloud"


def cases(site: Site) -> list[str]:
    """Name the cases that a site owes."""
    return [owing.case for owing in expected.owed(catalogues.load(), site)]


class TestOwed:
    """What a complete run holds."""

    def test_for_one_cube(self) -> None:
        """The list that completeness is measured by, in the source's order."""
        assert cases(SITE) == [
            "DHCP-01",
            "NTP-01",
            f"DNS-01[{TAPIO}]",
            f"DNS-01[{HOMAG}]",
            f"HTTPS-01[{TAPIO}]",
            f"HTTPS-01[{HOMAG}]",
            "PING-01",
            "DIAG-01[line-1]",
            "CONN-01[line-1]",
            "MDNS-01[line-1]",
            "LLMNR-01[line-1]",
            "PING-02[line-1]",
            "SSH-01[line-1]",
        ]

    def test_for_two_cubes(self) -> None:
        """Each CUBE is tested for itself; a good one must not speak for a bad one."""
        mine = cases(Site(cubes=TWO_CUBES))

        assert len(mine) == len(set(mine)) == 19
        assert [case for case in mine if case.startswith("DIAG-01")] == [
            "DIAG-01[line-1]",
            "DIAG-01[line-2]",
        ]

    def test_before_a_cube_is_there(self) -> None:
        """Readiness owes nothing internal, even where CUBEs are named already."""
        ready = cases(Site(stage="readiness", cubes=TWO_CUBES))

        assert ready == cases(SITE)[:7]
        assert cases(Site(stage="readiness")) == ready

    def test_for_more_hosts(self) -> None:
        """Each cloud host must work by itself."""
        site = Site(cubes=TWO_CUBES[:1], cloud=Cloud(tapio=("a.tapio.one", "b.tapio.one")))

        assert [case for case in cases(site) if case.startswith("HTTPS")] == [
            "HTTPS-01[a.tapio.one]",
            "HTTPS-01[b.tapio.one]",
            f"HTTPS-01[{HOMAG}]",
        ]

    def test_says_what_each_case_is_about(self) -> None:
        """The certificate files a case under its requirement and subject."""
        owed = expected.owed(catalogues.load(), SITE)

        assert owed[2] == Owed(
            requirement="DNS-01", subject="site", case=f"DNS-01[{TAPIO}]", host=TAPIO
        )
        assert owed[7] == Owed(requirement="DIAG-01", subject="line-1", case="DIAG-01[line-1]")

    def test_every_subject_of_what_applies_is_owed(self) -> None:
        """Results and cases are made from two lists, which have to agree."""
        for site in (SITE, Site(cubes=TWO_CUBES), Site(stage="readiness")):
            owed = {
                (each.requirement, each.subject) for each in expected.owed(catalogues.load(), site)
            }
            filed = {
                (entry.id, subject)
                for entry in catalogues.load().requirement
                if applies(entry, site)
                for subject in subjects(entry, site)
            }

            assert owed == filed


class TestSubjects:
    """What a requirement has results about."""

    def test_without_a_cube_there_is_the_site(self) -> None:
        """An internal entry of a readiness run still shows, once, as not applicable."""
        entry = catalogues.load()["DIAG-01"]

        assert subjects(entry, Site(stage="readiness")) == ("site",)
        assert subjects(entry, Site(cubes=TWO_CUBES)) == ("line-1", "line-2")

    def test_outbound_is_about_the_site(self) -> None:
        """The way out is the same for all CUBEs of a network."""
        assert subjects(catalogues.load()["NTP-01"], Site(cubes=TWO_CUBES)) == ("site",)


class TestCubeNamed:
    """From a result's subject back to the CUBE."""

    def test_finds_it(self) -> None:
        """The second one, so that the first is not simply taken."""
        assert cube_named(Site(cubes=TWO_CUBES), "line-2").address == "10.20.0.51"

    def test_does_not_invent_one(self) -> None:
        """A name from nowhere is an error of the caller."""
        with pytest.raises(KeyError):
            cube_named(SITE, "line-9")
