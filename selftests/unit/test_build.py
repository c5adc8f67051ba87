"""Tests of the certificate's content: complete, computed, and the same for the same input."""

from __future__ import annotations

import json
import math
from datetime import date
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from cube_acceptance import catalogue as catalogues
from cube_acceptance import expected
from cube_acceptance.certificate import build
from cube_acceptance.certificate.build import Facts
from cube_acceptance.evidence import NtpObserved
from cube_acceptance.judge import Judgement, Note
from cube_acceptance.ledger import Ledger
from cube_acceptance.site import Cloud, Cube, Dns, Ntp, People, Person, Site, Waiver
from selftests.support import cases
from selftests.support.builders import cannot, dhcp, failed, passed, unclear
from selftests.support.healthy import (
    CUBE,
    CUBE_HARDWARE,
    NTP_REPLY,
    OFFER,
    SERVER,
    SITE,
    STARTED,
    observations,
    saved,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cube_acceptance.catalogue import Catalogue, Language
    from cube_acceptance.evidence_file import Saved

TODAY = date(2026, 11, 23)
TAPIO, HOMAG = SITE.cloud.hosts
NTP_FAILED = {"NTP-01": failed("no-answer", servers=[SERVER])}
CUBES = tuple(Cube(name=f"line-{n}", address=f"10.20.0.{50 + n}") for n in range(6))


def facts(language: Language = "en", **changes: object) -> Facts:
    """What a run knows about itself."""
    values: dict[str, Any] = {
        "certificate_id": "11111111-2222-4333-8444-555555555555",
        "language": language,
        "replayed": False,
        "method": {"suite": "cube-acceptance"},
        "vantage": {"interface": "eth0"},
        "time": {"started": STARTED},
        "today": TODAY,
        "files": {"evidence.json": "ab" * 32},
    }
    return Facts(**(values | changes))


def ledger_of(evidence: Saved, changes: Mapping[str, Judgement | None] | None = None) -> Ledger:
    """A ledger in which everything passed but for the changes; None: never reported."""
    ledger = Ledger(expected.owed(catalogues.load(), evidence.setup.site))
    ends: dict[str, Judgement | None] = {owing.case: passed() for owing in ledger.owed}
    for case, judgement in (ends | dict(changes or {})).items():
        if judgement:
            ledger.record(case, judgement)
    return ledger


def certificate(
    changes: Mapping[str, Judgement | None] | None = None,
    *,
    site: Site = SITE,
    language: Language = "en",
    evidence: Saved | None = None,
    **known: object,
) -> dict[str, Any]:
    """Build the certificate of a run whose cases ended like this."""
    evidence = evidence or saved(site=site)
    ledger = ledger_of(evidence, changes)
    return build.build(catalogues.load(), ledger, evidence, facts(language, **known))


def result_of(
    built: dict[str, Any], requirement: str, subject: str | None = None
) -> dict[str, Any]:
    """Find the result of a requirement."""
    return next(
        result
        for result in built["results"]
        if result["requirement"] == requirement and subject in {None, result["subject"]}
    )


def waiver(requirement: str = "NTP-01", expires: date = TODAY) -> Waiver:
    """A failure that somebody accepts."""
    return Waiver(
        requirement=requirement,
        justification="new firewall in May",
        approver="A. Beispiel",
        expires=expires,
    )


def waived_site(*waivers: Waiver, **changes: object) -> Site:
    """The healthy site with waivers."""
    return msgspec.structs.replace(SITE, waivers=waivers, **changes)


class TestResults:
    """One entry for every requirement and subject, whatever ran."""

    def test_are_complete_and_in_order(self, catalogue: Catalogue) -> None:
        """Readers rely on finding every documented requirement."""
        for site in (SITE, Site(cubes=CUBES), Site(stage="readiness"), SITE):
            for changes in (
                {},
                dict.fromkeys((o.case for o in expected.owed(catalogue, site)), None),
            ):
                built = certificate(changes, site=site)

                assert [(each["requirement"], each["subject"]) for each in built["results"]] == [
                    (entry.id, subject)
                    for entry in catalogue.requirement
                    for subject in expected.subjects(entry, site)
                ]

    def test_of_a_healthy_site_all_pass(self) -> None:
        """The whole way from evidence to certificate, by the real cases."""
        evidence = saved()

        built = build.build(catalogues.load(), cases.judged(evidence), evidence, facts())

        assert {result["outcome"] for result in built["results"]} == {"pass"}
        assert built["verdict"] == "accepted"
        assert all(
            result["reason"] == result["remedy"] == result["cause"] == ""
            for result in built["results"]
        )

    def test_of_nothing_run_are_not_run(self) -> None:
        """An empty run is no acceptance."""
        built = certificate(
            dict.fromkeys((owing.case for owing in expected.owed(catalogues.load(), SITE)), None)
        )

        assert {result["outcome"] for result in built["results"]} == {"not-run"}
        assert built["verdict"] == "incomplete"
        assert all(result["reason"] and result["remedy"] for result in built["results"])

    def test_of_a_ledger_that_owes_nothing_are_not_run(self) -> None:
        """Even a run that forgot what it owes must not be accepted, nor end without a word."""
        built = build.build(catalogues.load(), Ledger(()), saved(), facts())

        assert {result["outcome"] for result in built["results"]} == {"not-run"}
        assert built["verdict"] == "incomplete"

    def test_one_lost_case_leaves_its_entry_not_run(self) -> None:
        """One host of two is not the requirement."""
        built = certificate({f"HTTPS-01[{HOMAG}]": None})
        result = result_of(built, "HTTPS-01")

        assert result["outcome"] == "not-run"
        assert [case["outcome"] for case in result["cases"]] == ["pass", "not-run"]
        assert built["verdict"] == "incomplete"

    def test_are_as_bad_as_their_worst_case(self) -> None:
        """The reason is that of the case that decides, not of the first one."""
        built = certificate(
            {
                f"HTTPS-01[{TAPIO}]": unclear(),
                f"HTTPS-01[{HOMAG}]": failed("refused", host=HOMAG, addresses=["11.20.0.20"]),
            }
        )
        result = result_of(built, "HTTPS-01")

        assert (result["outcome"], result["cause"]) == ("fail", "refused")
        assert HOMAG in result["reason"]
        assert result["remedy"]
        assert built["verdict"] == "rejected"

    def test_name_every_host_that_fails(self) -> None:
        """Whoever mends the first host only has the test fail again."""
        ends = {f"HTTPS-01[{host}]": failed("refused", host=host) for host in (TAPIO, HOMAG)}
        result = result_of(certificate(ends), "HTTPS-01")

        for host in (TAPIO, HOMAG):
            assert host in result["reason"]
            assert host in result["remedy"]

    def test_share_the_remedy_out(self) -> None:
        """What the administrator can do, and what is the tester's own work."""
        end = failed("no-answer", address=CUBE, port="80")
        (case,) = result_of(certificate({"DIAG-01[line-1]": end}), "DIAG-01")["cases"]

        assert case["remedy"] == f"{case['asked']} {case['own_work']}"
        assert "80" in case["asked"]

    def test_of_what_is_not_determined_leave_the_meaning_open(self, catalogue: Catalogue) -> None:
        """Nobody knows that the CUBE cannot reach the cloud where nobody could measure it."""
        entry = catalogue["NTP-01"]
        for end in (unclear(), None):
            meaning = result_of(certificate({"NTP-01": end}), "NTP-01")["meaning"]
            assert meaning.startswith("Open")
            assert meaning.endswith(entry.en.meaning)
        assert result_of(certificate(NTP_FAILED), "NTP-01")["meaning"] == entry.en.meaning

    @pytest.mark.parametrize(
        ("command", "shown"),
        [
            ("sudo python3 -m pytest", "sudo python3 -m pytest --site 'werk ulm.toml' --lang en"),
            ("sudo setcap x python3", "sudo setcap x python3"),
        ],
    )
    def test_repeat_the_whole_command_line(self, command: str, shown: str) -> None:
        """Without its options the command would test something else."""
        end = Judgement(
            outcome="inconclusive",
            cause="not-permitted",
            text="not-permitted",
            facts={"command": command},
        )
        options = ["--site", "werk ulm.toml", "--lang", "en"]
        for program, module in (("pytest", "pytest"), ("cube-acceptance", "cube_acceptance")):
            method = {"command_line": [program, *options]}
            result = result_of(certificate({"DHCP-01": end}, method=method), "DHCP-01")
            assert f"({shown.replace('pytest', module)})" in result["remedy"]

    def test_keep_the_cubes_apart(self) -> None:
        """A good CUBE must not cover a bad one."""
        built = certificate(
            {"DIAG-01[line-1]": failed("refused", address="10.20.0.51", port="80")},
            site=Site(cubes=CUBES[:2]),
        )

        assert result_of(built, "DIAG-01", "line-0")["outcome"] == "pass"
        assert result_of(built, "DIAG-01", "line-1")["outcome"] == "fail"
        assert built["verdict"] == "rejected"

    def test_before_a_cube_is_there(self) -> None:
        """Internal requirements do not apply, and are shown as that."""
        built = certificate(site=Site(stage="readiness"))

        internal = [each for each in built["results"] if each["direction"] == "internal"]
        assert len(internal) == 6
        assert {each["outcome"] for each in internal} == {"not-applicable"}
        assert all(each["reason"] and not each["cases"] for each in internal)
        assert built["verdict"] == "accepted"
        assert built["stage"] == "readiness"

    def test_tell_how_each_case_went(self) -> None:
        """A case's evidence is found by its keys, its length by its numbers."""
        built = certificate({"DHCP-01": passed(observed={"server": SERVER}, evidence=("dhcp",))})

        assert result_of(built, "DHCP-01")["cases"] == [
            {
                "case": "DHCP-01",
                "outcome": "pass",
                "cause": "",
                "reason": "",
                "remedy": "",
                "asked": "",
                "own_work": "",
                "observed": {"server": SERVER},
                "evidence": ["dhcp"],
                "started": STARTED,
                "duration_s": 0.012,
                "attempts": 1,
            }
        ]

    def test_show_the_facts_of_a_failure(self) -> None:
        """What the sentence was made from is evidence too."""
        built = certificate({"NTP-01": failed("no-answer", servers=[SERVER])})

        assert result_of(built, "NTP-01")["cases"][0]["observed"] == {"servers": [SERVER]}

    @pytest.mark.parametrize("entry", catalogues.load().requirement, ids=lambda entry: entry.id)
    def test_can_be_built_for_every_cause(self, entry: catalogues.Requirement) -> None:
        """Whatever a case says, the run must end with a certificate."""
        own = [owing.case for owing in expected.owed(catalogues.load(), SITE)]
        mine = [case for case in own if case.partition("[")[0] == entry.id]
        for key in (*entry.texts, *entry.unclear, "internal-error", "not-permitted.blocked"):
            cause = key.partition(".")[0]
            judgement = Judgement(outcome="fail", cause=cause, text=key)
            for language in ("de", "en"):
                built = certificate(dict.fromkeys(mine, judgement), language=language)
                assert result_of(built, entry.id)["reason"]

    def test_name_what_was_expected(self, catalogue: Catalogue) -> None:
        """The certificate explains itself."""
        result = result_of(certificate(), "DNS-01")
        entry = catalogue["DNS-01"]

        assert result["level"] == "required"
        assert result["port"] == "UDP 53"
        assert (result["title"], result["expected"], result["meaning"]) == (
            entry.en.title,
            entry.en.expected,
            entry.en.meaning,
        )
        assert result_of(certificate(), "PING-01")["port"] == "ICMP"


class TestWaivers:
    """Accepted failures."""

    def test_make_a_failure_a_reservation(self) -> None:
        """The failure stays on the certificate, with who accepted it and until when."""
        built = certificate(NTP_FAILED, site=waived_site(waiver()))
        result = result_of(built, "NTP-01")

        assert (result["outcome"], result["cause"]) == ("waived", "no-answer")
        assert built["verdict"] == "accepted-with-reservations"
        assert SERVER in result["reason"]
        for words in ("new firewall in May", "A. Beispiel", "23 November 2026"):
            assert words in result["reason"]
        assert result["cases"][0]["outcome"] == "fail"
        assert result["requests"]
        assert result["waiver"] == {
            "requirement": "NTP-01",
            "justification": "new firewall in May",
            "approver": "A. Beispiel",
            "expires": "2026-11-23",
            "cube": "",
            "cause": "",
        }
        assert built["waivers"] == [result["waiver"] | {"used": True}]

    def test_end_with_their_last_day(self) -> None:
        """An expired waiver is worth nothing, and still shown."""
        built = certificate(NTP_FAILED, site=waived_site(waiver(expires=date(2026, 11, 22))))

        assert result_of(built, "NTP-01")["outcome"] == "fail"
        assert result_of(built, "NTP-01")["waiver"] is None
        assert built["verdict"] == "rejected"
        assert [each["used"] for each in built["waivers"]] == [False]

    def test_are_for_one_requirement(self) -> None:
        """Another failure is not accepted along with it."""
        built = certificate(
            {"DHCP-01": failed("no-answer", seconds=10)}, site=waived_site(waiver())
        )

        assert result_of(built, "DHCP-01")["outcome"] == "fail"
        assert built["verdict"] == "rejected"

    def test_do_nothing_where_it_passes(self) -> None:
        """A waiver that is not needed makes no reservation."""
        built = certificate(site=waived_site(waiver()))

        assert result_of(built, "NTP-01")["outcome"] == "pass"
        assert result_of(built, "NTP-01")["waiver"] is None
        assert built["verdict"] == "accepted"
        assert [each["used"] for each in built["waivers"]] == [False]

    @pytest.mark.parametrize("end", [unclear(), None])
    def test_do_not_cover_what_was_not_measured(self, end: Judgement | None) -> None:
        """A waiver accepts a known failure; what nobody measured is not known."""
        built = certificate({"NTP-01": end}, site=waived_site(waiver()))

        assert built["verdict"] == "incomplete"
        assert result_of(built, "NTP-01")["waiver"] is None

    @pytest.mark.parametrize(("end", "outcome"), [(unclear(), "inconclusive"), (None, "not-run")])
    def test_do_not_hide_a_case_that_was_not_measured(
        self, end: Judgement | None, outcome: str
    ) -> None:
        """One host's accepted failure must not stand for the other host, which nobody tested."""
        built = certificate(
            {f"HTTPS-01[{TAPIO}]": failed("refused", host=TAPIO), f"HTTPS-01[{HOMAG}]": end},
            site=waived_site(waiver("HTTPS-01")),
        )
        result = result_of(built, "HTTPS-01")

        assert result["outcome"] == outcome
        assert result["waiver"] is None
        assert result["reason"] == result["cases"][1]["reason"]
        assert built["verdict"] == "incomplete"

    @pytest.mark.parametrize(
        ("changes", "outcomes"),
        [
            ({"cube": "line-0"}, ["waived", "fail"]),
            ({"cause": "refused"}, ["fail", "waived"]),
            ({"cube": "line-1", "cause": "refused"}, ["fail", "waived"]),
            ({"cube": "line-0", "cause": "refused"}, ["fail", "fail"]),
            ({}, ["waived", "waived"]),
        ],
    )
    def test_are_for_one_cube_or_cause(self, changes: dict[str, str], outcomes: list[str]) -> None:
        """What is known of one CUBE says nothing of the next one."""
        ends = {
            "CONN-01[line-0]": failed("no-answer", address="10.20.0.50", port="5555"),
            "CONN-01[line-1]": failed("refused", address="10.20.0.51", port="5555"),
        }
        accepted = msgspec.structs.replace(waiver("CONN-01"), **changes)
        site = msgspec.structs.replace(SITE, cubes=CUBES[:2], waivers=(accepted,))
        built = certificate(ends, site=site)
        found = [result_of(built, "CONN-01", cube.name)["outcome"] for cube in CUBES[:2]]

        assert found == outcomes
        assert [each["used"] for each in built["waivers"]] == ["waived" in outcomes]

    def test_of_several_are_all_named(self) -> None:
        """Two hosts may fail for two reasons that two people accept."""
        ends = {
            f"HTTPS-01[{TAPIO}]": failed("refused", host=TAPIO),
            f"HTTPS-01[{HOMAG}]": failed("no-answer", host=HOMAG),
        }
        first = msgspec.structs.replace(waiver("HTTPS-01"), cause="refused", approver="A. One")
        second = msgspec.structs.replace(waiver("HTTPS-01"), cause="no-answer", approver="B. Two")
        result = result_of(certificate(ends, site=waived_site(first, second)), "HTTPS-01")

        assert result["outcome"] == "waived"
        assert result["waiver"]["approver"] == "A. One"
        assert "A. One" in result["reason"]
        assert "B. Two" in result["reason"]

    @pytest.mark.parametrize(("name", "said"), [("a. beispiel", True), ("Z. Zeuge", False)])
    def test_of_ones_own_test_are_told(self, name: str, said: bool) -> None:  # noqa: FBT001
        """Who tests and accepts is one person where two are expected."""
        people = People(operator=Person(name=name))
        built = certificate(NTP_FAILED, site=waived_site(waiver(), people=people))
        codes = [each["code"] for each in built["deviations"]]

        assert codes == ["own-waiver"] * said
        assert certificate(site=waived_site(waiver(), people=people))["deviations"] == []

    def test_cover_a_failure_beside_a_pass(self) -> None:
        """The usual reason for a waiver is one host of several."""
        built = certificate(
            {f"HTTPS-01[{HOMAG}]": failed("refused", host=HOMAG)},
            site=waived_site(waiver("HTTPS-01")),
        )

        assert result_of(built, "HTTPS-01")["outcome"] == "waived"
        assert HOMAG in result_of(built, "HTTPS-01")["reason"]

    def test_are_not_for_optional_requirements(self) -> None:
        """They move no verdict, so there is nothing to accept."""
        built = certificate(
            {"PING-01": failed("no-answer", address="11.20.0.10", sent=4)},
            site=waived_site(waiver("PING-01")),
        )

        assert result_of(built, "PING-01")["outcome"] == "fail"
        assert built["verdict"] == "accepted"

    def test_do_not_cover_complaints(self) -> None:
        """What belongs to no requirement cannot be waived."""
        evidence = saved(site=waived_site(waiver()))
        ledger = ledger_of(evidence, NTP_FAILED)
        ledger.complain("collection", "tests/test_dns.py")

        built = build.build(catalogues.load(), ledger, evidence, facts())

        assert built["verdict"] == "incomplete"


class TestComplaints:
    """Failures that belong to no requirement."""

    @pytest.mark.parametrize("code", catalogues.load().common.complaints)
    def test_are_told(self, code: str) -> None:
        """They make the run incomplete, so the reader has to know them."""
        evidence = saved()
        ledger = ledger_of(evidence)
        ledger.complain(code, "tests/test_dns.py")

        built = build.build(catalogues.load(), ledger, evidence, facts())

        assert len(built["complaints"]) == 1
        assert "tests/test_dns.py" in built["complaints"][0]
        assert built["verdict"] == "incomplete"


class TestObservations:
    """Notes that move no verdict."""

    def test_stand_in_the_catalogues_order(self) -> None:
        """With the requirement and subject that they are about."""
        built = certificate(
            {
                "PING-02[line-1]": passed(
                    notes=(Note(code="lost", facts={"lost": 1, "sent": 4, "address": CUBE}),)
                ),
                "DHCP-01": passed(
                    notes=(
                        Note(code="second-server", facts={"servers": ["a", "b"]}),
                        Note(code="no-time-server", facts={}),
                    )
                ),
            }
        )

        assert [
            (each["requirement"], each["subject"], each["code"]) for each in built["observations"]
        ] == [
            ("DHCP-01", "site", "second-server"),
            ("DHCP-01", "site", "no-time-server"),
            ("PING-02", "line-1", "lost"),
        ]
        assert built["observations"][0]["text"] == (
            "More than one DHCP server offers addresses: a, b."
        )
        assert built["verdict"] == "accepted"

    def test_stand_once(self) -> None:
        """Two hosts' cases notice the same about the same server."""
        note = Note(code="inventing-resolver", facts={"server": SERVER, "addresses": ["1.2.3.4"]})
        built = certificate({f"DNS-01[{host}]": passed(notes=(note,)) for host in (TAPIO, HOMAG)})

        assert len(built["observations"]) == 1


class TestDeviations:
    """Where the test was not what the contract describes."""

    def codes(self, built: dict[str, Any]) -> list[str]:
        """The codes in order."""
        return [each["code"] for each in built["deviations"]]

    def test_of_an_ordinary_site_are_none(self) -> None:
        """Defaults are no deviation."""
        assert certificate()["deviations"] == []

    @pytest.mark.parametrize(
        "path", ["ca/lab-ca.pem", "C:\\lab\\lab-ca.pem", "lab-ca.pem", "/etc/lab-ca.pem"]
    )
    def test_tell_of_lab_settings(self, path: str) -> None:
        """A lab's authority by its file's name, without the folders of somebody's computer."""
        site = msgspec.structs.replace(SITE, cloud=Cloud(ca_file=path, allow_private=True))
        built = certificate(site=site)

        assert self.codes(built) == ["private-ca", "private-addresses"]
        assert " lab-ca.pem " in built["deviations"][0]["text"]

    @pytest.mark.parametrize(
        ("cloud", "said"),
        [
            (
                Cloud(tapio=("example.com",)),
                "No host of tapio.one was tested, but in its place: example",
            ),
            (
                Cloud(homag=("disco.tapio.one",)),
                "No host of homag.cloud was tested, but in its place: disco",
            ),
            (Cloud(tapio=("nottapio.one", "b.example")), "place: nottapio.one, b.example."),
            (Cloud(tapio=("login.example", "API.Tapio.One")), ""),
        ],
    )
    def test_tell_of_clouds_that_are_none(self, cloud: Cloud, said: str) -> None:
        """A site file may name any host, but not without the reader's knowing."""
        built = certificate(site=msgspec.structs.replace(SITE, cloud=cloud))

        assert self.codes(built) == ["other-hosts"] * bool(said)
        assert not said or said in built["deviations"][0]["text"]

    @pytest.mark.parametrize(("seconds", "count"), [(0.5, 0), (10.0, 0), (10.5, 1), (3600.0, 1)])
    def test_tell_of_a_generous_tolerance(self, seconds: float, count: int) -> None:
        """A time server that is wrong by half an hour may pass then."""
        built = certificate(site=msgspec.structs.replace(SITE, ntp=Ntp(tolerance_s=seconds)))

        assert self.codes(built) == ["time-tolerance"] * count

    def test_tell_of_servers_of_the_site_file(self) -> None:
        """They were not handed out, so the CUBE may use others."""
        site = msgspec.structs.replace(
            SITE, dns=Dns(servers=("10.9.9.1",)), ntp=Ntp(servers=("10.9.9.2",))
        )
        built = certificate(evidence=saved({"dhcp": dhcp()}, site=site))

        assert self.codes(built) == ["site-dns", "site-ntp"]
        assert "10.9.9.1" in built["deviations"][0]["text"]
        assert "10.9.9.2" in built["deviations"][1]["text"]

    def test_tell_of_those_that_were_used_only(self) -> None:
        """Where DHCP hands them out, the site file's are not asked."""
        site = msgspec.structs.replace(
            SITE, dns=Dns(servers=("10.9.9.1",)), ntp=Ntp(servers=("10.9.9.2",))
        )
        offer = msgspec.structs.replace(OFFER, ntp=())
        built = certificate(evidence=saved({"dhcp": dhcp(offer)}, site=site))

        assert certificate(site=site)["deviations"] == []
        assert self.codes(built) == ["site-ntp"]

    def test_can_do_without_evidence(self) -> None:
        """A run of internal requirements only never asked for servers."""
        site = msgspec.structs.replace(SITE, dns=Dns(servers=("10.9.9.1",)))
        built = certificate(evidence=saved({"dhcp": None}, site=site))

        assert built["deviations"] == []

    def test_have_words_in_both_languages(self, catalogue: Catalogue) -> None:
        """Every code that can come up is in the catalogue."""
        assert set(catalogue.common.deviations) == {
            "private-ca",
            "private-addresses",
            "other-hosts",
            "time-tolerance",
            "site-dns",
            "site-ntp",
            "own-waiver",
        }


class TestItem:
    """What was tested."""

    def test_has_the_hardware_address_that_answered(self) -> None:
        """A device is told by more than its address, where somebody saw it."""
        assert certificate()["item"]["cubes"][0]["mac_seen"] == CUBE_HARDWARE
        unseen = saved({"neighbours": None})
        assert certificate(evidence=unseen)["item"]["cubes"][0]["mac_seen"] == ""


class TestWhole:
    """The certificate as a document."""

    def test_tells_what_was_tested_by_whom(self) -> None:
        """Item, site and people as the site file has them."""
        site = msgspec.structs.replace(
            SITE, people=People(operator=Person(name="A. Beispiel", organisation="Holz AG"))
        )
        built = certificate(site=site)

        assert built["item"]["cubes"][0]["address"] == CUBE
        assert set(built["item"]["cubes"][0]) == {
            "name",
            "address",
            "version",
            "hostname",
            "serial",
            "mac",
            "mac_seen",
            "ssh",
        }
        assert built["site"] == {
            "name": "Werk Ulm",
            "customer": "Holz AG",
            "location": "Ulm",
            "contact": "",
        }
        assert built["people"]["operator"] == {
            "name": "A. Beispiel",
            "organisation": "Holz AG",
            "address": "",
            "contact": "",
        }

    def test_repeats_what_the_run_knows(self) -> None:
        """Facts pass through unchanged."""
        built = certificate(replayed=True, signature={"fingerprint": "SHA256:x"})

        assert built["replayed"] is True
        assert built["signature"] == {"fingerprint": "SHA256:x"}
        assert built["method"] == {"suite": "cube-acceptance"}
        assert built["vantage"] == {"interface": "eth0"}
        assert built["files"] == {"evidence.json": "ab" * 32}
        assert built["certificate_id"] == "11111111-2222-4333-8444-555555555555"
        assert built["schema"] == "cube-acceptance/certificate/1"
        assert certificate()["signature"] is None

    @pytest.mark.parametrize("simulated", [True, False])
    def test_says_whether_it_was_a_simulation(self, *, simulated: bool) -> None:
        """A simulated run can never be mistaken for a certificate."""
        assert certificate(evidence=saved(simulated=simulated))["simulated"] is simulated

    def test_names_the_site_file(self) -> None:
        """By name and hash; a run without one has none."""
        evidence = saved()
        loaded = msgspec.structs.replace(
            evidence.setup.loaded, name="werk-ulm.toml", sha256="cd" * 32
        )
        setup = msgspec.structs.replace(evidence.setup, loaded=loaded)

        built = certificate(evidence=msgspec.structs.replace(evidence, setup=setup))

        assert built["site_file"] == {"name": "werk-ulm.toml", "sha256": "cd" * 32}
        assert certificate()["site_file"] is None

    def test_names_the_requirements(self, catalogue: Catalogue) -> None:
        """By which document, and by which reading of it."""
        assert certificate()["requirements_document"] == {
            "title": catalogue.document.title,
            "publisher": catalogue.document.publisher,
            "source": catalogue.document.source,
            "read_on": catalogue.document.read_on.isoformat(),
            "catalogue_sha256": catalogue.sha256,
        }

    def test_counts_by_level_and_outcome(self) -> None:
        """The totals are those of the results."""
        built = certificate(
            {
                "NTP-01": failed("no-answer", servers=[SERVER]),
                "DHCP-01": None,
                "PING-01": unclear(),
            }
        )

        assert built["totals"] == {
            "required": {"fail": 1, "not-run": 1, "pass": 4},
            "optional": {"inconclusive": 1, "pass": 4},
        }
        assert sum(sum(each.values()) for each in built["totals"].values()) == len(built["results"])

    @pytest.mark.parametrize(
        ("version", "port"),
        [("0.129.7", "TCP 45001"), ("0.131.0", "TCP 80"), ("", "TCP 45001 / 80")],
    )
    def test_names_the_port_of_the_version(self, version: str, port: str) -> None:
        """Both ports stand there only where nobody knows which it is."""
        cubes = tuple(msgspec.structs.replace(cube, version=version) for cube in SITE.cubes)
        built = certificate(site=msgspec.structs.replace(SITE, cubes=cubes))

        assert result_of(built, "DIAG-01")["port"] == port
        assert result_of(built, "CONN-01")["port"] == "TCP 5555"

    def test_explains_its_verdict(self, catalogue: Catalogue) -> None:
        """The decision rule in words."""
        rules = catalogue.common.decisions
        readiness = msgspec.structs.replace(SITE, stage="readiness", cubes=())

        assert certificate(language="de")["decision_rule"] == rules.acceptance.de
        assert certificate(language="en")["decision_rule"] == rules.acceptance.en
        assert certificate(language="en", site=readiness)["decision_rule"] == rules.readiness.en
        assert rules.of("simulated") == rules.simulated

    def test_tells_the_clocks_difference(self) -> None:
        """Times on the certificate are this computer's."""
        assert certificate()["time"] == {
            "started": STARTED,
            "clock_offset_s": 0.002,
            "clock_uncertainty_s": 0.011,  # half the delay, and the root distance
        }
        silent = NtpObserved(started=STARTED, duration_s=6.0, server=SERVER)
        built = certificate(evidence=saved({f"ntp/{SERVER}": silent}))
        assert built["time"]["clock_offset_s"] is None

    def test_takes_the_first_server_that_answers(self) -> None:
        """A silent server tells no time."""
        late = msgspec.structs.replace(NTP_REPLY, offset_s=1.23456789)
        evidence = saved(
            {
                f"ntp/{SERVER}": NtpObserved(started=STARTED, duration_s=6.0, server=SERVER),
                "ntp/10.20.0.2": NtpObserved(
                    started=STARTED, duration_s=0.1, server="10.20.0.2", reply=late
                ),
            }
        )

        assert certificate(evidence=evidence)["time"]["clock_offset_s"] == 1.234568

    def test_german_and_english_differ_in_words_only(self) -> None:
        """The language must not change what is decided."""
        ends = {"NTP-01": failed("no-answer", servers=[SERVER]), "PING-01": unclear()}
        german, english = certificate(ends, language="de"), certificate(ends, language="en")

        assert german["verdict"] == english["verdict"]
        for one, other in zip(german["results"], english["results"], strict=True):
            for key in ("requirement", "level", "subject", "outcome", "cause", "port"):
                assert one[key] == other[key]
        assert result_of(german, "NTP-01")["reason"] != result_of(english, "NTP-01")["reason"]

    def test_without_a_vantage(self) -> None:
        """A run that could not measure at all still ends with a certificate."""
        evidence = saved(vantage=cannot("off-link"))

        built = build.build(catalogues.load(), cases.judged(evidence), evidence, facts())

        assert {result["outcome"] for result in built["results"]} == {"inconclusive"}
        assert built["verdict"] == "incomplete"

    def test_has_the_keys_that_readers_rely_on(self) -> None:
        """Readers of any version find these."""
        built = certificate()

        assert {
            "schema",
            "certificate_id",
            "verdict",
            "stage",
            "simulated",
            "results",
            "observations",
            "deviations",
        } <= built.keys()
        assert {
            "requirement",
            "level",
            "subject",
            "outcome",
            "cause",
            "reason",
            "remedy",
            "cases",
        } <= built["results"][0].keys()


class TestDump:
    """The bytes of ``certificate.json``."""

    def test_is_json_in_utf_8_with_sorted_keys(self) -> None:
        """What is signed must have one form."""
        built = certificate(language="de")
        data = build.dump(built)

        assert json.loads(data) == built
        assert data == build.dump(json.loads(data))
        assert "prüfen".encode() in data
        assert data.endswith(b"}\n")

    def test_is_the_same_for_the_same_input(self) -> None:
        """Replaying evidence gives the same certificate, byte by byte."""

        def judged() -> bytes:
            evidence = saved({f"ntp/{SERVER}": cannot("other-route")})
            built = build.build(catalogues.load(), cases.judged(evidence), evidence, facts())
            return build.dump(built)

        assert judged() == judged()

    def test_does_not_depend_on_the_order_of_reports(self) -> None:
        """Worker processes report in any order."""
        evidence = saved()
        judged = list(cases.judge_all(evidence).items())
        written = set()
        for order in (judged, judged[::-1]):
            ledger = Ledger(expected.owed(catalogues.load(), SITE))
            for case, judgement in order:
                ledger.record(case, judgement)
            written.add(build.dump(build.build(catalogues.load(), ledger, evidence, facts())))

        assert len(written) == 1

    def test_refuses_what_json_does_not_know(self) -> None:
        """A number that other readers cannot read must not be signed."""
        with pytest.raises(ValueError, match="JSON"):
            build.dump({"duration_s": math.nan})


class TestVerdictOf:
    """From results to the verdict."""

    def test_goes_by_level_and_outcome(self) -> None:
        """Anybody can compute the verdict again from the certificate alone."""
        for ends in (
            {},
            {"NTP-01": failed("no-answer")},
            {"NTP-01": unclear()},
            {"PING-01": failed("no-answer")},
        ):
            built = certificate(ends)

            assert build.verdict_of(built["results"], built["complaints"]) == built["verdict"]
        assert set(observations()) == set(saved().observations)
