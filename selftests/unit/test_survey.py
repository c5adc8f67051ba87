"""Tests of the survey: each question once, in the right order, and nobody waits for ever."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from cube_acceptance import __version__, expected, needs, network, probes, runner, survey
from cube_acceptance import catalogue as catalogues
from cube_acceptance.evidence import (
    CannotMeasure,
    DhcpObserved,
    DnsObserved,
    Try,
    TunnelObserved,
    Vantage,
)
from cube_acceptance.logins import Credentials
from cube_acceptance.probes import Asked, Offered
from cube_acceptance.probes.dhcp import DhcpProbe
from cube_acceptance.probes.https import HttpsProbe
from cube_acceptance.probes.icmp import PingProbe
from cube_acceptance.probes.neighbours import NeighboursProbe
from cube_acceptance.probes.net import capture, echo_socket
from cube_acceptance.probes.net import sockets as net_sockets
from cube_acceptance.probes.ntp import NtpProbe
from cube_acceptance.probes.tunnel import TunnelProbe
from cube_acceptance.probes.way import WayProbe
from cube_acceptance.runner import Runner
from cube_acceptance.setup import Ports, Setup
from cube_acceptance.site import Cube, Dns, LoadedSite, Login, Ntp, Site
from cube_acceptance.store import NotMeasuredError, Spool
from cube_acceptance.survey import Survey
from fixtures.simulator.dhcp import DhcpServer
from selftests.support.builders import SECOND, cannot, dhcp, lease
from selftests.support.cases import judge
from selftests.support.fakes import FakeProbe
from selftests.support.healthy import (
    CUBE,
    HOSTS,
    OFFER,
    SERVER,
    SITE,
    STARTED,
    VANTAGE,
    observations,
    ways,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cube_acceptance.evidence import Observation
    from cube_acceptance.expected import Owed
    from cube_acceptance.probes import Probe, Stepping
    from cube_acceptance.probes.mdns import MdnsProbe
    from cube_acceptance.probes.net.together import Sockets

    Outcomes = list[tuple[str, Observation]]
    from cube_acceptance.probes.tunnel import Shell

TAPIO, HOMAG = HOSTS
ASKED = observations().keys() - ways().keys() - {"neighbours"}
"""What a whole session asks of others."""
LIMIT_S = 20.0
"""How long a test waits for what must happen at once; reached only where it fails."""


class Network:
    """Runs probes by looking their observation up; holds those back that wait for another."""

    def __init__(self, changes: dict[str, Observation | None] | None = None) -> None:
        """Answer as the healthy site does, but for the changes."""
        self.answers = observations() | (changes or {})
        self.waits: dict[str, str] = {}
        """Which observation comes only after which other one."""
        self.unasked: set[str] = set()
        """Which time servers have to do without a question until the end."""
        self.known: dict[str, tuple[str, ...]] = {}
        """What had been answered when something was asked."""
        self.probes: list[Probe] = []
        self._changed = threading.Condition()
        self._done: list[str] = []

    @property
    def asked(self) -> list[str]:
        """The keys of what was asked of somebody, in order; some things this computer knows."""
        known = (WayProbe, NeighboursProbe)
        return [probe.key for probe in self.probes if not isinstance(probe, known)]

    @property
    def answered(self) -> list[str]:
        """The keys of what was answered, in order."""
        return self._done

    def probe(self, key: str) -> Probe:
        """Find what was asked."""
        return next(probe for probe in self.probes if probe.key == key)

    def comes(self, key: str) -> bool:
        """Wait until something is asked; tell whether it was."""
        with self._changed:
            return self._changed.wait_for(lambda: key in self.asked, LIMIT_S)

    def __call__(self, probe: Probe) -> Observation:
        """Run a probe, as far as it can tell."""
        with self._changed:
            self.probes.append(probe)
            self.known[probe.key] = tuple(self._done)
            self._changed.notify_all()
        answer = self.answers[probe.key]
        if isinstance(probe, DhcpProbe) and isinstance(answer, DhcpObserved):
            for offer in filter(network.complete, answer.offers[:1]):
                probe.outbox.put(Offered(probe.key, offer))
        if isinstance(probe, NtpProbe) and probe.key not in self.unasked:
            probe.outbox.put(Asked(probe.key))
        with self._changed:
            other = self.waits.get(probe.key)
            assert self._changed.wait_for(lambda: not other or other in self._done, LIMIT_S)
            self._done.append(probe.key)
            self._changed.notify_all()
        assert answer is not None
        return answer


def setup(site: Site = SITE, **changes: object) -> Setup:
    """A session's setup at a site."""
    return Setup(**({"loaded": LoadedSite(site=site), "vantage": VANTAGE} | changes))


def owed(*requirements: str, site: Site = SITE) -> tuple[Owed, ...]:
    """What a session owes: everything, or what belongs to some requirements."""
    return tuple(
        owing
        for owing in expected.owed(catalogues.load(), site)
        if not requirements or owing.requirement in requirements
    )


def held_by(network: Network, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let what is held in one thread run by looking it up as well; gives what was."""
    held: list[str] = []

    def run_all(
        groups: Sequence[Sequence[Stepping]], _: object, others: Sequence[Stepping], __: object
    ) -> Iterator[Outcomes]:
        for probe in chain(*groups, others):
            held.append(probe.key)
            yield [(probe.key, network(probe))]

    monkeypatch.setattr(runner, "run_together", run_all)
    return held


def run(
    network: Network, *requirements: str, site: Site = SITE, **changes: object
) -> tuple[Survey, set[str]]:
    """Survey a site to the end; gives the survey and what was asked."""
    surveyed = Survey(setup(site, **changes), owed(*requirements, site=site), run=network)
    surveyed.start()
    assert surveyed.wait(LIMIT_S)
    assert len(network.asked) == len(set(network.asked))
    return surveyed, set(network.asked)


def answer(server: str, *addresses: str) -> DnsObserved:
    """What a DNS server said about tapio's host."""
    return DnsObserved(
        started=STARTED,
        duration_s=0.01,
        server=server,
        name=TAPIO,
        rcode="NOERROR",
        addresses=addresses,
    )


class TestLoading:
    """What asks is imported before threads are, as only one thread at a time may import it."""

    def test_all_that_asks_is_loaded(self) -> None:
        """A module that is left out would be imported by some thread after all."""
        folder = Path(probes.__file__).parent
        asking = {path.stem for path in folder.glob("[a-z]*.py")} - {"candidates"}  # no survey's
        names = {f"cube_acceptance.probes.{name}" for name in asking}
        script = (
            "import sys; from cube_acceptance.probes import load_probes; "
            "load_probes(); print(*sys.modules)"
        )

        told = subprocess.run(
            [sys.executable, "-c", script], check=True, capture_output=True, text=True
        )

        assert names
        assert names <= set(told.stdout.split())

    def test_nothing_follows_before(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The first OFFER comes within milliseconds, and has to wait."""
        network = Network()
        before: list[str] = []

        def load_probes() -> None:
            assert network.comes("dhcp")
            time.sleep(0.1)
            before.extend(network.asked)

        monkeypatch.setattr(survey, "load_probes", load_probes)
        _, asked = run(network)

        assert before == ["dhcp"]
        assert asked == ASKED


class TestWhatIsAsked:
    """From what is owed to what is asked."""

    def test_a_whole_session_asks_everything_once(self) -> None:
        """Every case finds its observation, and no server is asked twice."""
        surveyed, asked = run(Network())

        assert asked == ASKED
        assert surveyed.saved().observations == observations()

    @pytest.mark.parametrize(
        ("requirements", "keys"),
        [
            (("DHCP-01",), {"dhcp"}),
            (
                ("NTP-01",),
                {
                    "dhcp",
                    f"ntp/{SERVER}",
                    f"dns/{SERVER}/{TAPIO}",
                    f"dns/{SERVER}/{HOMAG}",
                    f"https/{TAPIO}",
                    f"https/{HOMAG}",
                },
            ),
            (
                ("DNS-01",),
                {
                    "dhcp",
                    f"dns/{SERVER}/{TAPIO}",
                    f"dns/{SERVER}/{HOMAG}",
                    f"dns/{SERVER}/invalid",
                },
            ),
            (
                ("HTTPS-01",),
                {
                    "dhcp",
                    f"dns/{SERVER}/{TAPIO}",
                    f"dns/{SERVER}/{HOMAG}",
                    f"https/{TAPIO}",
                    f"https/{HOMAG}",
                },
            ),
            (("PING-01",), {"dhcp", f"dns/{SERVER}/{TAPIO}", f"ping/{TAPIO}"}),
            (("DIAG-01",), {f"page/{CUBE}:80"}),
            (("CONN-01",), {f"page/{CUBE}:5555"}),
            (("MDNS-01",), {"mdns/line-1"}),
            (("LLMNR-01",), {"llmnr/line-1"}),
            (("PING-02",), {f"ping/{CUBE}"}),
            (("SSH-01",), {f"ssh/{CUBE}"}),
        ],
    )
    def test_a_part_asks_what_it_rests_on(
        self, requirements: tuple[str, ...], keys: set[str]
    ) -> None:
        """A run of one requirement has its evidence, and leaves everybody else alone."""
        assert run(Network(), *requirements)[1] == keys

    @pytest.mark.parametrize("before", ["page", "dhcp"])
    def test_a_page_leads_to_the_cubes_name(self, before: str) -> None:
        """The site's DNS servers are asked whose name it is, and the page by it; both only once."""
        name, away = "cube.plant.example", "http://cube.plant.example/"
        lead = {
            f"page/{CUBE}:{port}": msgspec.structs.replace(
                observations()[f"page/{CUBE}:{port}"], redirect=away
            )
            for port in (80, 5555)
        }
        told = msgspec.structs.replace(
            observations()[f"dns/{SERVER}/{TAPIO}"], name=name, addresses=(CUBE,)
        )
        again = {f"{key}/{name}": observations()[key] for key in lead}
        network = Network(lead | again | {f"dns/{SERVER}/{name}": told})
        network.waits = (
            {"dhcp": f"page/{CUBE}:80"}
            if before == "page"
            else {
                f"page/{CUBE}:80": "dhcp",
                f"page/{CUBE}:5555": f"dns/{SERVER}/{name}",
            }
        )
        _, asked = run(network, "DHCP-01", "DIAG-01", "CONN-01")

        assert asked == {*lead, *again, "dhcp", f"dns/{SERVER}/{name}"}
        assert network.probe(f"page/{CUBE}:80/{name}").dns_names == (name,)

    @pytest.mark.parametrize(
        ("location", "addresses", "asks"),
        [
            ("http://portal.example/", ("11.20.0.9",), True),
            ("http://10.20.0.1/", (), False),
            ("http://[", (), False),
        ],
    )
    def test_a_page_leads_elsewhere(
        self, location: str, addresses: tuple[str, ...], *, asks: bool
    ) -> None:
        """Then it is not asked again."""
        page = msgspec.structs.replace(observations()[f"page/{CUBE}:80"], redirect=location)
        told = msgspec.structs.replace(
            observations()[f"dns/{SERVER}/{TAPIO}"], name="portal.example", addresses=addresses
        )
        key = f"dns/{SERVER}/portal.example"
        network = Network({f"page/{CUBE}:80": page, key: told})
        _, asked = run(network, "DIAG-01")

        assert asked == {f"page/{CUBE}:80"} | ({"dhcp", key} if asks else set())

    def test_a_page_that_leads_on_and_on(self) -> None:
        """From name to name, as far as three."""
        page = observations()[f"page/{CUBE}:80"]
        answers: dict[str, Observation | None] = {}
        for number in range(5):
            key = f"page/{CUBE}:80" + (f"/n{number}.example" if number else "")
            away = f"http://n{number + 1}.example/"
            answers[key] = msgspec.structs.replace(page, redirect=away)
            answers[f"dns/{SERVER}/n{number}.example"] = msgspec.structs.replace(
                observations()[f"dns/{SERVER}/{TAPIO}"],
                name=f"n{number}.example",
                addresses=(CUBE,),
            )
        _, asked = run(Network(answers), "DIAG-01")

        assert {key for key in asked if key.startswith("page/")} == {
            f"page/{CUBE}:80",
            *(f"page/{CUBE}:80/n{number}.example" for number in (1, 2, 3)),
        }

    def test_one_host_alone(self) -> None:
        """Selecting one case must not ask for the other host."""
        network = Network()
        needs = [owing for owing in owed("HTTPS-01") if owing.host == HOMAG]
        surveyed = Survey(setup(), needs, run=network)
        surveyed.start()

        assert surveyed.wait(LIMIT_S)
        assert set(network.asked) == {"dhcp", f"dns/{SERVER}/{HOMAG}", f"https/{HOMAG}"}

    def test_who_answers_is_looked_up_as_soon_as_all_were_connected_to(self) -> None:
        """Then this computer has found them on its link; the other questions take seconds."""
        network = Network()
        network.waits = {"mdns/line-1": "neighbours", f"ping/{CUBE}": "neighbours"}

        run(network)

        assert {f"ssh/{CUBE}", f"page/{CUBE}:80"} <= set(network.known["neighbours"])

    def test_who_answers_is_looked_up_at_last(self) -> None:
        """Where nothing connects to them."""
        network = Network()

        run(network, "MDNS-01", "PING-02")

        assert network.known["neighbours"] == tuple(network.answered[:2])

    def test_nothing_owed_asks_nothing(self) -> None:
        """A session without cases sends no packet."""
        surveyed, asked = run(Network(), "nothing")

        assert asked == set()
        assert surveyed.saved().observations == {}

    def test_every_cube_is_asked(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A CUBE without a known version is asked on both ports of its page."""
        site = Site(cubes=(Cube(name="a", address=CUBE), Cube(name="b", address="10.20.0.51")))
        page = observations()[f"page/{CUBE}:80"]
        keys = {
            f"page/{address}:{port}" for address in (CUBE, "10.20.0.51") for port in (80, 45001)
        }

        network = Network(dict.fromkeys(keys, page))
        held_by(network, monkeypatch)

        assert run(network, "DIAG-01", site=site)[1] == keys

    @pytest.mark.parametrize("may", [True, False])
    def test_pages_and_shells_of_several_cubes_share_a_thread(
        self, monkeypatch: pytest.MonkeyPatch, *, may: bool
    ) -> None:
        """But for shells whose host keys are read, and where a socket has to wait itself."""
        monkeypatch.setattr(net_sockets, "beside_others", lambda: may)
        other = Cube(name="b", address="10.20.0.51", ssh="disabled")
        site = Site(cubes=(Cube(name="a", address=CUBE, ssh="enabled"), other))
        page, shell = (observations()[key] for key in (f"page/{CUBE}:5555", f"ssh/{CUBE}"))
        brief = [f"page/{CUBE}:5555", f"page/{other.address}:5555", f"ssh/{other.address}"]
        network = Network({brief[1]: page, brief[2]: shell})
        held = held_by(network, monkeypatch)
        run(network, "CONN-01", "SSH-01", site=site)

        assert sorted(held) == (brief if may else [])
        assert sorted(network.asked) == sorted([*brief, f"ssh/{CUBE}"])

    def test_a_cube_that_is_not_selected_is_left_alone(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Another CUBE's cases are no reason to talk to this one."""
        site = Site(cubes=(*SITE.cubes, Cube(name="b", address="10.20.0.51")))
        network = Network()
        held_by(network, monkeypatch)
        needs = [owing for owing in owed("SSH-01", site=site) if owing.subject == "line-1"]
        surveyed = Survey(setup(site), needs, run=network)
        surveyed.start()

        assert surveyed.wait(LIMIT_S)
        assert network.asked == [f"ssh/{CUBE}"]

    def test_several_cubes_share_the_question_that_all_of_them_answer(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Put for each CUBE anew it would bring the square of their number in replies."""
        others = (Cube(name="b", address="10.20.0.51"), Cube(name="c", address="10.20.0.52"))
        site = Site(cubes=(*SITE.cubes, *others))
        asked: list[MdnsProbe] = []

        def run_all(
            groups: Sequence[Sequence[MdnsProbe]], sockets: Sockets[Any], *_: object
        ) -> Iterator[Outcomes]:
            _, probes = groups
            asked.extend(probes)
            (shared,) = {probe.sockets for probe in probes}
            assert shared
            assert shared.selector is sockets.selector
            yield [(probe.key, cannot()) for probe in probes]

        monkeypatch.setattr(runner, "run_together", run_all)
        needs = [owing for owing in owed("MDNS-01", site=site) if owing.subject != "c"]
        surveyed = Survey(setup(site), needs, run=Network())
        surveyed.start()

        assert surveyed.wait(LIMIT_S)
        assert [probe.key for probe in asked] == ["mdns/line-1", "mdns/b"]
        shared = {probe.listing for probe in asked}
        assert [listing.hosts for listing in shared if listing] == [(CUBE, "10.20.0.51")]

    def test_one_of_several_asks_for_its_services_itself(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Where nobody else's are wanted."""
        site = Site(cubes=(*SITE.cubes, Cube(name="b", address="10.20.0.51")))
        asked: list[MdnsProbe] = []

        def run_all(groups: Sequence[Sequence[MdnsProbe]], *_: object) -> Iterator[Outcomes]:
            _, probes = groups
            asked.extend(probes)
            yield [(probe.key, cannot()) for probe in probes]

        monkeypatch.setattr(runner, "run_together", run_all)
        needs = [owing for owing in owed("MDNS-01", site=site) if owing.subject == "b"]
        surveyed = Survey(setup(site), needs, run=Network())
        surveyed.start()

        assert surveyed.wait(LIMIT_S)
        assert [(probe.key, probe.listing) for probe in asked] == [("mdns/b", None)]

    @pytest.mark.parametrize("may", [True, False])
    def test_several_cubes_share_the_socket_for_echoes(
        self, monkeypatch: pytest.MonkeyPatch, *, may: bool
    ) -> None:
        """Where this user may open one; else each is asked by itself."""
        monkeypatch.setattr(echo_socket, "may_share", lambda: may)
        site = Site(cubes=(*SITE.cubes, Cube(name="b", address="10.20.0.51")))
        keys = [f"ping/{cube.address}" for cube in site.cubes]
        network = Network(dict.fromkeys(keys, cannot()))
        shared: list[list[str]] = []

        def run_all(
            groups: Sequence[Sequence[Stepping]], sockets: Sockets[Any], *_: object
        ) -> Iterator[Outcomes]:
            probes, _names = groups
            (echoes,) = {probe.sockets for probe in probes if isinstance(probe, PingProbe)}
            assert echoes
            assert echoes.selector is sockets.selector
            shared.append([probe.key for probe in probes])
            yield [(probe.key, cannot()) for probe in probes]

        monkeypatch.setattr(runner, "run_together", run_all)
        surveyed = Survey(setup(site), owed("PING-02", site=site), run=network)
        surveyed.start()

        assert surveyed.wait(LIMIT_S)
        assert shared == ([keys] if may else [])
        assert sorted(network.asked) == ([] if may else keys)
        assert surveyed.get(keys[1]) == cannot()
        assert "neighbours" in surveyed.saved().observations

    def test_one_cube_asks_everything_itself(self) -> None:
        """Its own questions end as soon as it has answered both."""
        network = Network()
        run(network, "MDNS-01")

        assert network.probe("mdns/line-1").listing is None

    def test_probes_are_told_what_the_site_says(self) -> None:
        """Ports, texts and authorities come from the setup and from nowhere else."""
        ports = Ports(
            dhcp_server=1067,
            dhcp_client=1068,
            ntp=1123,
            dns=1053,
            https=1443,
            diag_new=1080,
            conn=1555,
            mdns=1353,
            llmnr=1355,
            ssh=1022,
        )
        cube = msgspec.structs.replace(SITE.cubes[0], page_contains="IoT")
        site = msgspec.structs.replace(SITE, cubes=(cube,))
        page = observations()[f"page/{CUBE}:80"]
        network = Network({f"page/{CUBE}:1080": page, f"page/{CUBE}:1555": page})

        run(
            network,
            site=site,
            ports=ports,
            loaded=LoadedSite(site=site, ca_pem="-----BEGIN CERTIFICATE-----"),
        )

        def of(key: str, *names: str) -> tuple[object, ...]:
            return tuple(getattr(network.probe(key), name) for name in names)

        assert of("dhcp", "port_server", "port_client", "server_address") == (
            1067,
            1068,
            "255.255.255.255",
        )
        assert of(f"ntp/{SERVER}", "server", "port") == (SERVER, 1123)
        assert of(f"dns/{SERVER}/{TAPIO}", "server", "name", "port") == (SERVER, TAPIO, 1053)
        assert of(f"dns/{SERVER}/invalid", "server", "port") == (SERVER, 1053)
        assert of(f"https/{TAPIO}", "host", "addresses", "port", "ca_pem") == (
            TAPIO,
            (HOSTS[TAPIO],),
            1443,
            "-----BEGIN CERTIFICATE-----",
        )
        assert of(f"page/{CUBE}:1080", "address", "look_for") == (CUBE, ("IoT",))
        assert of(f"page/{CUBE}:1555", "listen_for") == ((needs.CONNECTOR_UNREACHABLE,),)
        assert of("mdns/line-1", "address", "hostname", "port") == (CUBE, "cube-4711", 1353)
        assert of("llmnr/line-1", "address", "hostname", "port") == (CUBE, "cube-4711", 1355)
        assert of(f"ssh/{CUBE}", "address", "port") == (CUBE, 1022)
        assert of(f"ping/{CUBE}", "address") == (CUBE,)
        assert of(f"ping/{TAPIO}", "address") == (HOSTS[TAPIO],)
        assert {probe.vantage for probe in network.probes} == {VANTAGE}

    def test_a_page_without_a_wanted_text_looks_for_none(self) -> None:
        """An empty text would be found on every page."""
        network = Network()
        run(network, "DIAG-01")

        assert network.probe(f"page/{CUBE}:80").look_for == ()
        assert network.probe(f"page/{CUBE}:80").listen_for == ()

    def test_the_embedded_site_is_asked_on_loopback(self) -> None:
        """A broadcast would leave this computer."""
        network = Network()
        loopback = Vantage(interface="lo", address="127.0.0.1", prefix=8, loopback=True)

        run(network, "DHCP-01", vantage=loopback)

        assert network.probe("dhcp").server_address == "127.0.0.1"


class TestWhatFollowsFromWhat:
    """The order of the questions."""

    def test_names_and_time_do_not_wait_for_other_offers(self) -> None:
        """DHCP goes on listening for a second server for seconds; nobody has to wait for it."""
        network = Network()
        network.waits = {"dhcp": f"https/{TAPIO}"}

        run(network)

        answered = network.answered
        assert answered.index(f"https/{TAPIO}") < answered.index("dhcp")
        assert set(network.asked) == ASKED

    def test_an_incomplete_offer_decides_only_at_the_end(self) -> None:
        """A complete offer may still come, and counts then."""
        poor = msgspec.structs.replace(OFFER, routers=(), dns=(SECOND,), ntp=(SECOND,))
        network = Network({"dhcp": dhcp(poor, OFFER)})

        assert run(network, "NTP-01")[1] == set(Network().answers) & {
            "dhcp",
            f"ntp/{SERVER}",
            f"dns/{SERVER}/{TAPIO}",
            f"dns/{SERVER}/{HOMAG}",
            f"https/{TAPIO}",
            f"https/{HOMAG}",
        }

    def test_a_rivals_servers_are_asked_as_well(self) -> None:
        """Chance decides which offer a CUBE takes; what clouds are asked is not changed by it."""
        rival = msgspec.structs.replace(OFFER, server_id=SECOND, dns=(SECOND,), ntp=(SECOND,))
        network = Network(
            {
                "dhcp": dhcp(OFFER, rival),
                f"ntp/{SECOND}": cannot(),
                f"dns/{SECOND}/{TAPIO}": answer(SECOND, "11.20.0.77"),
                f"dns/{SECOND}/{HOMAG}": answer(SECOND, "11.20.0.79"),
                f"dns/{SECOND}/invalid": answer(SECOND),
            }
        )

        asked = run(network, "DHCP-01", "NTP-01", "DNS-01", "HTTPS-01")[1]

        assert {f"ntp/{SECOND}", f"dns/{SECOND}/{TAPIO}", f"dns/{SECOND}/{HOMAG}"} <= asked
        assert network.probe(f"https/{TAPIO}").addresses == (HOSTS[TAPIO],)

    def test_an_incomplete_offer_is_better_than_none(self) -> None:
        """What it says about servers can be measured; DHCP-01 fails by itself."""
        poor = msgspec.structs.replace(OFFER, routers=())

        assert f"ntp/{SERVER}" in run(Network({"dhcp": dhcp(poor)}), "NTP-01")[1]

    def test_https_needs_a_name(self) -> None:
        """Without a usable address there is nothing to connect to."""
        sinkhole = answer(SERVER, "0.0.0.0")
        silent = msgspec.structs.replace(sinkhole, rcode=None, addresses=())

        for bad in (sinkhole, silent, cannot()):
            network = Network({f"dns/{SERVER}/{TAPIO}": bad})
            surveyed, asked = run(network, "HTTPS-01", "PING-01")
            assert surveyed.saved().observations.keys() - ways().keys() - {"neighbours"} == asked
            assert f"https/{TAPIO}" not in asked
            assert f"ping/{TAPIO}" not in asked
            assert f"https/{HOMAG}" in asked

    def test_names_wait_for_the_questions_for_the_time_and_for_no_answer(self) -> None:
        """What a router says of a time server must not be lost among what it says of names."""
        network = Network(
            {
                "dhcp": dhcp(msgspec.structs.replace(OFFER, ntp=(SERVER, SECOND))),
                f"ntp/{SECOND}": cannot(),
            }
        )
        network.unasked = {f"ntp/{SECOND}"}
        network.waits = {f"ntp/{SERVER}": f"dns/{SERVER}/{TAPIO}", f"ntp/{SECOND}": "dhcp"}

        asked = run(network, "NTP-01", "DNS-01")[1]

        names = {key for key in asked if key.startswith("dns/")}
        assert len(names) == 3
        assert all(f"ntp/{SECOND}" in network.known[name] for name in names)
        assert f"ntp/{SERVER}" not in network.known[f"dns/{SERVER}/{TAPIO}"]

    def test_the_servers_order_decides_and_not_their_speed(self) -> None:
        """Where two servers disagree, the same addresses are tested in every run."""
        network = Network(
            {
                "dhcp": dhcp(msgspec.structs.replace(OFFER, dns=(SERVER, SECOND))),
                f"dns/{SECOND}/{TAPIO}": answer(SECOND, "11.20.0.77"),
                f"dns/{SECOND}/{HOMAG}": answer(SECOND, "11.20.0.79"),
            }
        )
        network.waits = {f"dns/{SERVER}/{TAPIO}": f"dns/{SECOND}/{TAPIO}"}

        run(network, "HTTPS-01", "PING-01")

        assert network.probe(f"https/{TAPIO}").addresses == (HOSTS[TAPIO],)
        assert network.probe(f"ping/{TAPIO}").address == HOSTS[TAPIO]

    def test_the_first_usable_answer_leads_on(self) -> None:
        """One server of two that filters names must not keep the other's answer away."""
        network = Network(
            {
                "dhcp": dhcp(msgspec.structs.replace(OFFER, dns=(SERVER, SECOND))),
                f"dns/{SERVER}/{TAPIO}": answer(SERVER, "0.0.0.0"),
                f"dns/{SECOND}/{TAPIO}": answer(SECOND, "11.20.0.77", "11.20.0.78"),
                f"dns/{SECOND}/{HOMAG}": answer(SECOND, "11.20.0.79"),
                f"dns/{SECOND}/invalid": answer(SECOND),
            }
        )
        network.waits = {f"dns/{SECOND}/{HOMAG}": f"https/{HOMAG}"}

        run(network, "DNS-01", "HTTPS-01", "PING-01")

        assert network.probe(f"https/{TAPIO}").addresses == ("11.20.0.77", "11.20.0.78")
        assert network.probe(f"ping/{TAPIO}").address == "11.20.0.77"
        assert network.probe(f"https/{HOMAG}").addresses == (HOSTS[HOMAG],)

    def test_the_own_lease_fills_in(self) -> None:
        """Without the right to use port 68 the lease names the servers."""
        network = Network({"dhcp": cannot(), "lease": lease(dns=(SECOND,), ntp=(SECOND,))})
        network.answers |= {
            f"ntp/{SECOND}": network.answers[f"ntp/{SERVER}"],
            f"dns/{SECOND}/{TAPIO}": answer(SECOND, HOSTS[TAPIO]),
            f"dns/{SECOND}/{HOMAG}": answer(SECOND, HOSTS[HOMAG]),
        }

        surveyed, asked = run(network, "DHCP-01", "NTP-01")

        assert asked == {
            "dhcp",
            "lease",
            f"ntp/{SECOND}",
            f"dns/{SECOND}/{TAPIO}",
            f"dns/{SECOND}/{HOMAG}",
            f"https/{TAPIO}",
            f"https/{HOMAG}",
        }
        assert surveyed.get("lease").dns == (SECOND,)

    def test_doubtful_silence_is_held_against_the_own_lease(self) -> None:
        """This computer's firewall may have swallowed the offers; its lease knows the servers."""
        sent = Try(at_s=0.0, to="255.255.255.255:67", result="silence", detail="by a UDP socket")
        silence = msgspec.structs.replace(dhcp(), tries=(sent,))

        asked = run(Network({"dhcp": silence, "lease": lease()}), "NTP-01")[1]

        assert {"lease", f"ntp/{SERVER}"} <= asked

    def test_without_a_lease_nothing_follows(self) -> None:
        """There is nobody to ask."""
        network = Network({"dhcp": cannot(), "lease": cannot()})

        assert run(network, "DHCP-01", "NTP-01", "DNS-01", "HTTPS-01")[1] == {"dhcp", "lease"}

    def test_silence_leads_to_the_site_files_servers(self) -> None:
        """A network without DHCP values to follow is what they are for; no lease is read."""
        site = msgspec.structs.replace(SITE, dns=Dns(servers=(SERVER,)), ntp=Ntp(servers=(SERVER,)))
        asked = run(Network({"dhcp": dhcp()}), "NTP-01", site=site)[1]

        assert {f"ntp/{SERVER}", f"dns/{SERVER}/{TAPIO}"} <= asked
        assert "lease" not in asked

    def test_the_site_files_servers_are_asked_beside_dhcp(self) -> None:
        """A dark site is known to be dark when DHCP's ten seconds are over, and not later."""
        site = msgspec.structs.replace(SITE, dns=Dns(servers=(SERVER,)), ntp=Ntp(servers=(SERVER,)))
        network = Network({"dhcp": dhcp()})

        def ask(probe: Probe) -> Observation:
            """Let the survey hear what the servers say before it hears that DHCP is silent."""
            if probe.key == "dhcp":
                for host in (TAPIO, HOMAG):
                    surveyed.get(f"dns/{SERVER}/{host}")
            return network(probe)

        surveyed = Survey(setup(site), owed("NTP-01", "DNS-01", "HTTPS-01", site=site), run=ask)
        surveyed.start()

        assert surveyed.wait(LIMIT_S)
        assert "dhcp" not in network.known[f"dns/{SERVER}/{HOMAG}"]
        assert {f"https/{TAPIO}", f"https/{HOMAG}"} <= set(network.asked)
        assert "dhcp" in network.known[f"https/{TAPIO}"]

    def test_the_site_files_servers_count_for_nothing_beside_an_offer(self) -> None:
        """Where they would lead is nowhere that a device of this network goes."""
        site = msgspec.structs.replace(SITE, dns=Dns(servers=(SECOND,)), ntp=Ntp(servers=(SECOND,)))
        network = Network(
            {
                f"ntp/{SECOND}": observations()[f"ntp/{SERVER}"],
                f"dns/{SECOND}/{TAPIO}": answer(SECOND, "11.20.0.99"),
                f"dns/{SECOND}/{HOMAG}": answer(SECOND, "11.20.0.99"),
            }
        )
        network.waits = {f"dns/{SERVER}/{TAPIO}": f"dns/{SECOND}/{TAPIO}"}

        run(network, "NTP-01", site=site)

        asked = network.probe(f"https/{TAPIO}")
        assert isinstance(asked, HttpsProbe)
        assert asked.addresses == (HOSTS[TAPIO],)

    def test_the_clouds_clocks_are_for_time_alone(self) -> None:
        """A ping target that is no cloud host is resolved, but nobody connects to it."""
        cloud = msgspec.structs.replace(SITE.cloud, ping="ping.tapio.one")
        site = msgspec.structs.replace(SITE, cloud=cloud)
        network = Network(
            {
                f"dns/{SERVER}/ping.tapio.one": answer(SERVER, "11.20.0.30"),
                "ping/ping.tapio.one": observations()[f"ping/{TAPIO}"],
            }
        )

        asked = run(network, "NTP-01", "PING-01", site=site)[1]

        assert "ping/ping.tapio.one" in asked
        assert "https/ping.tapio.one" not in asked


PIN = "SHA256:" + "A" * 43
OPEN = Cube(
    name="line-1",
    address=CUBE,
    ssh="enabled",
    ssh_fingerprint=PIN,
    login=Login(user="service", key="cube"),
)
WITH_LOGIN = msgspec.structs.replace(SITE, cubes=(OPEN, Cube(address="10.20.0.51")))


def through(*hosts: str) -> dict[str, Observation | None]:
    """What the CUBE itself reaches."""
    common = {"started": STARTED, "duration_s": 0.01, "cube": "line-1", "address": CUBE}
    return {f"tunnel/line-1/{host}": TunnelObserved(**common, host=host) for host in hosts}


class TestFromTheCube:
    """What is asked through the shells that somebody can log in at."""

    def measured(
        self, network: Network, *requirements: str, login: bool = True
    ) -> dict[str, TunnelProbe]:
        """Which hosts are asked for, by key."""
        logins = {"line-1": Credentials(user="service")} if login else None
        needs = owed(*requirements, site=WITH_LOGIN)
        surveyed = Survey(setup(WITH_LOGIN), needs, run=network, logins=logins)
        surveyed.start()
        assert surveyed.wait(LIMIT_S)
        return {one.key: one for one in network.probes if isinstance(one, TunnelProbe)}

    @pytest.mark.parametrize("requirement", ["DNS-01", "HTTPS-01"])
    def test_each_host_through_each_shell(self, requirement: str) -> None:
        """At the address that DNS gives here, should the name fail."""
        found = self.measured(Network(through(*HOSTS)), requirement)

        assert found.keys() == through(*HOSTS).keys()
        assert {one.host: one.address for one in found.values()} == HOSTS
        shell = found[f"tunnel/line-1/{TAPIO}"].shell
        assert (shell.address, shell.port, shell.fingerprint) == (CUBE, 22, PIN)
        assert shell is found[f"tunnel/line-1/{HOMAG}"].shell

    def test_others_are_asked_first(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A shell takes its time to load and to talk to, and DHCP and clouds would wait for it."""
        order: list[str] = []
        submit, shells = Runner.submit, survey.shells

        def submitting(runner: Runner, probe: Probe) -> bool:
            order.append(probe.key)
            return submit(runner, probe)

        def making(*given: Any) -> tuple[Shell, ...]:  # noqa: ANN401 - as it was given
            order.append("shells")
            return shells(*given)

        monkeypatch.setattr(Runner, "submit", submitting)
        monkeypatch.setattr(survey, "shells", making)
        self.measured(Network(through(*HOSTS)), "HTTPS-01")

        assert order[:2] == ["dhcp", "shells"]
        for host in HOSTS:
            assert order.index(f"https/{host}") < order.index(f"tunnel/line-1/{host}")

    def test_without_a_login(self) -> None:
        """Nobody goes there."""
        assert self.measured(Network(), "DNS-01", "HTTPS-01", login=False) == {}

    def test_for_nothing_else(self) -> None:
        """Time is asked of the clouds, and not through the CUBE."""
        assert self.measured(Network(), "NTP-01") == {}

    def test_a_name_without_an_address_here(self) -> None:
        """The CUBE may have a better resolver; it is asked when DNS here has had its say."""
        network = Network(through(*HOSTS) | {f"dns/{SERVER}/{TAPIO}": answer(SERVER)})

        found = self.measured(network, "DNS-01")

        assert found[f"tunnel/line-1/{TAPIO}"].address == ""
        assert f"dns/{SERVER}/{TAPIO}" in network.known[f"tunnel/line-1/{TAPIO}"]

    def test_no_server_named_here(self) -> None:
        """Likewise."""
        offer = msgspec.structs.replace(OFFER, dns=())
        network = Network(through(*HOSTS) | {"dhcp": dhcp(offer)})

        found = self.measured(network, "DNS-01")

        assert {one.address for one in found.values()} == {""}


class TestHowItIsRun:
    """Threads, defects, and the end."""

    def test_a_crash_is_an_obstacle(self) -> None:
        """A defect of one probe ends neither the run nor the others, and passes nothing."""
        network = Network()
        del network.answers[f"ssh/{CUBE}"]

        surveyed, _ = run(network)

        seen = surveyed.get(f"ssh/{CUBE}")
        assert isinstance(seen, CannotMeasure)
        assert seen.cause == "internal-error"
        assert "KeyError" in seen.detail
        assert set(surveyed.saved().observations) == set(observations())

    def test_a_crash_of_dhcp_leads_to_the_lease(self) -> None:
        """What follows from DHCP must not wait for ever."""
        network = Network({"lease": lease()})
        del network.answers["dhcp"]

        assert f"ntp/{SERVER}" in run(network, "NTP-01")[1]

    def test_a_crash_of_dhcp_after_an_offer_changes_no_servers(self) -> None:
        """What the offer named is being asked already; the lease comes too late to differ."""
        network = Network({"lease": lease(dns=(SECOND,), ntp=(SECOND,))})

        def crash(probe: Probe) -> Observation:
            seen = network(probe)
            if probe.key == "dhcp":
                raise ZeroDivisionError
            return seen

        surveyed = Survey(setup(), owed("NTP-01"), run=crash)
        surveyed.start()

        assert surveyed.wait(LIMIT_S)
        assert {"lease", f"ntp/{SERVER}"} <= set(network.asked)
        assert f"ntp/{SECOND}" not in network.asked

    def test_a_crash_in_what_follows_keeps_nobody_waiting(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The cases that would need it learn that it was not measured."""

        def crash(*_: object) -> None:
            raise ZeroDivisionError

        monkeypatch.setattr(network, "usable_addresses", crash)

        surveyed, _ = run(Network(), "HTTPS-01")

        with pytest.raises(NotMeasuredError, match="ZeroDivisionError in what follows from dns/"):
            surveyed.get(f"https/{TAPIO}")
        assert surveyed.get(f"after/dns/{SERVER}/{TAPIO}").cause == "internal-error"

    def test_a_crash_in_what_follows_from_an_offer_is_told(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It ends in the evidence, and in what is said of all that depends on DHCP."""

        def crash(*_: object) -> None:
            raise ZeroDivisionError

        monkeypatch.setattr(network, "name_servers", crash)
        loopback = Vantage(interface="lo", address="127.0.0.1", prefix=8, loopback=True)

        def measure(probe: Probe) -> Observation:
            return probe.run() if probe.key == "dhcp" else observations()[probe.key]

        with DhcpServer() as server:
            ports = Ports(dhcp_server=server.port, dhcp_client=0)
            surveyed = Survey(
                setup(vantage=loopback, ports=ports), owed("DHCP-01", "NTP-01"), run=measure
            )
            surveyed.start()
            assert surveyed.wait(LIMIT_S)

        monkeypatch.undo()
        saved = surveyed.saved()
        assert saved.observations.keys() == {"dhcp", "after/dhcp"}
        (ntp,) = [judge(saved, owing) for owing in owed("NTP-01")]
        assert (ntp.outcome, ntp.cause) == ("inconclusive", "internal-error")
        assert "ZeroDivisionError" in str(ntp.facts["detail"])

    def test_every_requirement_has_its_probes(self) -> None:
        """The one table knows all that is documented, and nothing else."""
        assert needs.NEEDS.keys() == catalogues.IDS

    def test_what_was_not_asked_is_not_measured(self) -> None:
        """A case of another session must not wait for what nobody asks."""
        surveyed, _ = run(Network(), "SSH-01")

        with pytest.raises(NotMeasuredError, match="dhcp"):
            surveyed.get("dhcp")

    def test_a_case_waits_for_its_own_observation_only(self) -> None:
        """Judging begins while slow probes are still out."""
        network = Network()
        network.waits = {"mdns/line-1": "never"}
        network.answers["never"] = cannot()
        surveyed = Survey(setup(), owed("SSH-01", "MDNS-01"), run=network)
        surveyed.start()

        assert surveyed.get(f"ssh/{CUBE}") == observations()[f"ssh/{CUBE}"]
        assert not surveyed.wait(0.0)
        network(FakeProbe("never"))
        assert surveyed.wait(LIMIT_S)

    def test_holds_the_wire_as_long_as_anything_is_asked(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A thousand probes that each open and close it would stand in each other's way."""
        held: list[str] = []

        class Held:
            """Notes by whom it is held, and when."""

            def hold(self) -> None:
                held.append("held")

            def release(self) -> None:
                held.append("released")

        monkeypatch.setattr(capture, "RECORDER", Held())

        def measure(probe: Probe) -> Observation:
            held.append("asked")
            return observations()[probe.key]

        surveyed = Survey(setup(), owed("SSH-01", "PING-02"), run=measure)
        surveyed.start()
        assert surveyed.wait(LIMIT_S)

        assert held == ["held", *(3 * ["asked"]), "released"]  # the last one: who was that

    def test_says_so_without_any_thread(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Without one nothing can be measured, and waiting would last for ever."""

        def never(_: threading.Thread) -> None:
            raise RuntimeError("can't start new thread")

        monkeypatch.setattr(threading.Thread, "start", never)
        surveyed = Survey(setup(), owed(), run=Network())

        with pytest.raises(RuntimeError, match="can't start"):
            surveyed.start()
        surveyed._close()

    def test_without_a_vantage_nothing_is_asked(self) -> None:
        """Every question has the same obstacle."""
        network = Network()
        obstacle = cannot("off-link")
        surveyed = Survey(setup(vantage=obstacle), owed(), run=network)
        surveyed.start()

        assert surveyed.wait(0.0)
        assert network.asked == []
        assert surveyed.get("dhcp") == surveyed.get("anything") == obstacle
        assert surveyed.saved().observations == {}


class TestProgress:
    """What the terminal shows meanwhile."""

    def test_counts_what_is_in(self) -> None:
        """A user sees that something goes on, and what it waits for."""
        network = Network({"never": cannot()})
        network.waits = {"mdns/line-1": "never", "neighbours": "never"}
        surveyed = Survey(setup(), owed("SSH-01", "MDNS-01"), run=network)

        assert surveyed.progress() == (0, 0, ())
        surveyed.start()
        surveyed.get(f"ssh/{CUBE}")
        deadline = time.monotonic() + LIMIT_S
        while surveyed.progress()[1] < 3 and time.monotonic() < deadline:
            time.sleep(0.001)

        assert surveyed.progress() == (1, 3, ("mdns/line-1", "neighbours"))
        assert surveyed.seen("mdns/line-1") is None
        assert surveyed.seen(f"ssh/{CUBE}") is not None
        network(FakeProbe("never"))
        assert surveyed.wait(LIMIT_S)
        assert surveyed.progress() == (3, 3, ())  # at last, who answered


class TestSpooled:
    """What a survey publishes for the worker processes."""

    @pytest.fixture
    def ends(self, tmp_path: Path) -> tuple[Spool, Spool]:
        """One folder seen by a controller and by a worker."""
        return Spool(tmp_path), Spool(tmp_path)

    def test_an_obstacle_answers_everything(self, ends: tuple[Spool, Spool]) -> None:
        """As in one process."""
        controller, worker = ends
        surveyed = Survey(setup(vantage=cannot("off-link")), owed(), controller)
        surveyed.start()

        assert worker.get("dhcp") == cannot("off-link")

    def test_a_survey_publishes_what_it_finds(self, ends: tuple[Spool, Spool]) -> None:
        """Workers get the crashes as well."""
        controller, worker = ends
        network = Network()
        del network.answers[f"ssh/{CUBE}"]
        surveyed = Survey(setup(), owed(), controller, run=network)
        surveyed.start()

        assert surveyed.wait(LIMIT_S)
        for key, observation in surveyed.saved().observations.items():
            assert worker.get(key) == observation
        with pytest.raises(NotMeasuredError, match=r"no observation of lease$"):
            worker.get("lease")

    def test_workers_learn_why_something_was_not_measured(
        self, ends: tuple[Spool, Spool], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A case says the same in whichever process it judges."""
        controller, worker = ends

        def crash(*_: object) -> None:
            raise ZeroDivisionError

        monkeypatch.setattr(network, "usable_addresses", crash)
        surveyed = Survey(setup(), owed("HTTPS-01"), controller, run=Network())
        surveyed.start()
        assert surveyed.wait(LIMIT_S)

        with pytest.raises(NotMeasuredError) as here:
            surveyed.get(f"https/{TAPIO}")
        with pytest.raises(NotMeasuredError) as there:
            worker.get(f"https/{TAPIO}")
        assert str(here.value) == str(there.value)
        assert "ZeroDivisionError" in str(there.value)

    def test_a_broken_folder_keeps_nobody_waiting(
        self, ends: tuple[Spool, Spool], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A full disk must not make the controller wait for ever."""
        controller, _ = ends

        def full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(controller, "put", full)
        surveyed = Survey(setup(), owed(), controller, run=Network())
        surveyed.start()

        assert surveyed.wait(LIMIT_S)
        assert surveyed.get("dhcp") == observations()["dhcp"]
        assert surveyed.get("after/dhcp").cause == "internal-error"

    def test_the_end_comes_even_if_it_cannot_be_told(
        self, ends: tuple[Spool, Spool], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As above, at the very end."""
        controller, _ = ends

        def full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(controller, "close", full)
        surveyed = Survey(setup(vantage=cannot("off-link")), owed(), controller)

        with pytest.raises(OSError, match="No space"):
            surveyed.start()
        assert surveyed.wait(0.0)


class TestSaved:
    """The form of ``evidence.json``."""

    def test_holds_all_that_judging_needs(self) -> None:
        """Replay has nothing else."""
        surveyed, _ = run(Network())

        evidence = surveyed.saved()

        assert evidence.schema == "cube-acceptance/evidence/1"
        assert evidence.suite == __version__
        assert evidence.setup == setup()
        assert evidence.started == surveyed.started <= evidence.ended
        assert list(evidence.observations) == sorted(evidence.observations)
