"""Tests of the rules that are asked for: such as a firewall can hold, and no other."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import TYPE_CHECKING

import msgspec
import pytest

from cube_acceptance import catalogue as catalogues
from cube_acceptance import expected
from cube_acceptance.certificate import rules
from cube_acceptance.certificate.rules import Rule
from cube_acceptance.judge import Judgement
from cube_acceptance.ledger import Ledger
from cube_acceptance.setup import Routed
from cube_acceptance.site import Cube, Site, VantageWish
from selftests.support.builders import cannot, failed
from selftests.support.healthy import CUBE, SERVER, SITE, VANTAGE, saved

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cube_acceptance.setup import Setup

TAPIO, HOMAG = SITE.cloud.hosts
LAPTOP = VANTAGE.address
FAR = "10.99.0.1"
"""A server outside the CUBE's segment."""
CUBES = tuple(Cube(name=f"line-{n}", address=f"10.20.0.{50 + n}") for n in range(6))
DIAG_SILENT = {"DIAG-01[line-1]": failed("no-answer", address=CUBE, port="80")}
DIAG_REFUSED = {"DIAG-01[line-1]": failed("refused", address=CUBE, port="80")}


def missing(
    ends: Mapping[str, Judgement], requirement: str, setup: Setup | None = None
) -> list[Rule]:
    """The rules for what failed."""
    catalogue, setup = catalogues.load(), setup or saved().setup
    owed = [o for o in expected.owed(catalogue, setup.site) if o.requirement == requirement]
    ledger = Ledger(tuple(owed))
    for case, judgement in ends.items():
        ledger.record(case, judgement)
    return rules.missing(catalogue, catalogue[requirement], owed, ledger, setup, "en")


def ends_of(found: list[Rule]) -> list[tuple[str, ...]]:
    """Source, test computer, destination, protocol, port and direction of rules."""
    return [rule[:6] for rule in found]


def routed() -> Setup:
    """A CUBE behind a router."""
    way = Routed(cube="line-1", address=CUBE, gateway=SERVER)
    return msgspec.structs.replace(saved().setup, routed=(way,))


class TestMissing:
    """From where to where; each holds for the test computer as well."""

    @pytest.mark.parametrize(
        ("case", "end", "wanted"),
        [
            pytest.param(
                "NTP-01",
                failed("no-answer", servers=[FAR, "10.99.0.2"]),
                [
                    (CUBE, LAPTOP, FAR, "UDP", "123", "outbound"),
                    (CUBE, LAPTOP, "10.99.0.2", "UDP", "123", "outbound"),
                ],
                id="every-server",
            ),
            pytest.param(
                "NTP-01",
                failed("no-answer", servers=[SERVER]),
                [(CUBE, LAPTOP, SERVER, "UDP", "123", "lan")],
                id="nothing-outbound-in-one-segment",
            ),
            pytest.param("NTP-01", failed("refused", servers=[SERVER]), [], id="a-service-is-off"),
            pytest.param(
                "NTP-01",
                failed("refused", "refused.prohibited", servers=[FAR]),
                [(CUBE, LAPTOP, FAR, "UDP", "123", "outbound")],
                id="prohibited",
            ),
            pytest.param(
                "NTP-01",
                failed(
                    "refused", "refused.prohibited", servers=[SERVER], detail="ICMP 3/13, 10.20.0.1"
                ),
                [(CUBE, LAPTOP, SERVER, "UDP", "123", "lan")],
                id="prohibited-in-the-segment",
            ),
            pytest.param("NTP-01", failed("no-answer"), [], id="no-destination"),
            pytest.param("NTP-01", failed("wrong-time", servers=[FAR]), [], id="a-clock"),
            pytest.param("NTP-01", failed("no-route", servers=[FAR]), [], id="routing"),
            pytest.param(
                f"HTTPS-01[{HOMAG}]",
                failed("no-answer", host=HOMAG),
                [(CUBE, LAPTOP, HOMAG, "TCP", "443", "outbound")],
                id="cloud-by-name",
            ),
            pytest.param(
                f"HTTPS-01[{HOMAG}]", failed("untrusted", host=HOMAG), [], id="tls-exemption"
            ),
            pytest.param(
                f"HTTPS-01[{HOMAG}]", failed("no-answer", "dns", host=HOMAG), [], id="no-name"
            ),
            pytest.param(
                f"HTTPS-01[{HOMAG}]",
                failed("refused", "refused.own", address=CUBE, cube="line-1", host=HOMAG),
                [(CUBE, "", HOMAG, "TCP", "443", "outbound")],
                id="from-the-cube-itself",
            ),
            pytest.param(
                "PING-01",
                failed("no-answer", address="11.20.0.10", sent=4),
                [(CUBE, LAPTOP, TAPIO, "ICMP", "", "outbound")],
                id="ping-by-name",
            ),
            pytest.param("DHCP-01", failed("no-answer", seconds=10), [], id="a-broadcast"),
            pytest.param(
                "MDNS-01[line-1]",
                failed("no-answer", address=CUBE),
                [(CUBE, LAPTOP, "224.0.0.251", "UDP", "5353", "lan")],
                id="a-group",
            ),
            pytest.param(
                "SSH-01[line-1]",
                failed("no-answer", address=CUBE),
                [("", LAPTOP, CUBE, "TCP", "22", "lan")],
                id="shell",
            ),
            pytest.param(
                "SSH-01[line-1]", failed("unexpectedly-open", address=CUBE), [], id="open-shell"
            ),
        ],
    )
    def test_is_what_a_firewall_can_hold(
        self, case: str, end: Judgement, wanted: list[tuple[str, ...]]
    ) -> None:
        """Addresses, names and groups; and nothing where no rule is missing."""
        assert ends_of(missing({case: end}, case.partition("[")[0])) == wanted

    def test_inwards(self) -> None:
        """A firewall stands between segments; within one, a refusal is the CUBE's own."""
        far, near = routed(), saved().setup
        wanted = ("", LAPTOP, CUBE, "TCP", "80")

        assert ends_of(missing(DIAG_SILENT, "DIAG-01", far)) == [(*wanted, "internal")]
        assert ends_of(missing(DIAG_REFUSED, "DIAG-01", far)) == [(*wanted, "internal")]
        assert ends_of(missing(DIAG_SILENT, "DIAG-01", near)) == [(*wanted, "lan")]
        assert ends_of(missing(DIAG_REFUSED, "DIAG-01", near)) == []

    def test_not_for_what_is_unclear(self) -> None:
        """Nobody should open a port for a doubt."""
        end = Judgement(outcome="inconclusive", cause="no-answer", text="no-answer")

        assert missing({"NTP-01": end}, "NTP-01") == []

    def test_stand_once(self) -> None:
        """Two names at the same server need one rule."""
        ends = {f"DNS-01[{host}]": failed("no-answer", servers=FAR) for host in (TAPIO, HOMAG)}

        assert ends_of(missing(ends, "DNS-01")) == [(CUBE, LAPTOP, FAR, "UDP", "53", "outbound")]

    def test_say_what_they_allow(self) -> None:
        """An administrator copies it into the rule's comment."""
        (rule,) = missing({"NTP-01": failed("no-answer", servers=[FAR])}, "NTP-01")

        assert rule.text == catalogues.load()["NTP-01"].en.request

    def test_without_a_cube(self) -> None:
        """A result about the site has no address to give."""
        owing = expected.Owed(requirement="SSH-01", subject="site", case="SSH-01")
        entry = catalogues.load()["SSH-01"]

        assert rules.for_failure(entry, owing, failed("no-answer"), saved().setup, "en") == []

    def test_from_nowhere(self) -> None:
        """Without a place to measure from, no address of the computer's can be named."""
        setup = msgspec.structs.replace(saved().setup, vantage=cannot("no-route"))
        (rule,) = missing({"NTP-01": failed("no-answer", servers=[SERVER])}, "NTP-01", setup)

        assert (rule.for_the_test, rule.direction) == ("", "outbound")


class TestSegment:
    """Which network the CUBE stands in."""

    def test_is_the_site_files_where_nobody_measured(self) -> None:
        """The test computer's own comes first."""
        site = Site(cubes=CUBES, vantage=VantageWish(network="10.20.0.0/16"))
        nowhere = saved(site=site, vantage=cannot("no-route")).setup

        assert rules.segment(nowhere) == IPv4Network("10.20.0.0/16")
        assert rules.segment(saved(site=site).setup) == IPv4Network("10.20.0.0/24")
        assert not rules.stands_in(None, CUBE)


class TestCubesAsSource:
    """Who needs the rule."""

    NETWORK = VantageWish(network="10.20.0.0/24")
    ALL = "10.20.0.50, 10.20.0.51, 10.20.0.52, 10.20.0.53, 10.20.0.54, 10.20.0.55"

    @pytest.mark.parametrize(
        ("site", "network", "source"),
        [
            (Site(cubes=CUBES[:1]), None, "10.20.0.50"),
            (Site(cubes=CUBES[:4]), None, "10.20.0.50, 10.20.0.51, 10.20.0.52, 10.20.0.53"),
            (Site(cubes=CUBES), None, ALL),
            (Site(cubes=CUBES), "10.20.0.0/24", "10.20.0.0/24"),
            (Site(cubes=CUBES), "10.30.0.0/24", ALL),
            (Site(cubes=CUBES, vantage=NETWORK), "10.20.0.0/16", "10.20.0.0/24"),
            (Site(cubes=CUBES[:1], vantage=NETWORK), None, "10.20.0.50"),
            (Site(), None, ""),
            (Site(vantage=NETWORK), None, "10.20.0.0/24"),
        ],
    )
    def test_is_named_as_narrowly_as_can_be_read(
        self, site: Site, network: str | None, source: str
    ) -> None:
        """A rule for one CUBE must not open the whole network, and none may end in three dots."""
        assert rules.cubes_as_source(site, network and IPv4Network(network)) == source


class TestMerged:
    """Few rules instead of many."""

    def test_one_end_at_a_time(self) -> None:
        """What two rules allow, and nothing more."""
        rule = Rule("a", "t", "x", "TCP", "80", "internal", "text")
        other = rule._replace(port="81")

        assert rules.merged([rule, rule._replace(destination="y"), other]) == [
            rule._replace(destination="x, y"),
            other,
        ]
        assert rules.merged([rule, rule._replace(source="b"), rule]) == [
            rule._replace(source="a, b")
        ]
        crossed = rule._replace(source="b", destination="y")
        assert rules.merged([rule, crossed]) == [rule, crossed]
