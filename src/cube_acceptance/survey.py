"""Asks for all that a session needs, and goes on with what comes.

The survey starts when the session knows its cases and goes on while they are judged. What
depends on DHCP starts with the first complete offer, what depends on a name with the first
usable answer. A case that reads an observation waits for that one and for no other.

One thread reads the events that probes hand down and decides what follows. A defect of ours in
there ends in the evidence, and what was to follow is not measured.
"""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any

from cube_acceptance import __version__, network
from cube_acceptance.evidence import (
    CannotMeasure,
    DhcpObserved,
    DnsObserved,
    Observation,
    PageObserved,
    Vantage,
    timestamp,
)
from cube_acceptance.evidence_file import EVIDENCE_SCHEMA, Saved
from cube_acceptance.needs import (
    NEEDS,
    Needs,
    Place,
    goes_by_steps,
    mdns_names,
    shares,
    shells,
    tunnel,
    way,
    with_several,
)
from cube_acceptance.probes import Asked, Event, Offered, load_probes
from cube_acceptance.runner import Finished, Runner, defect, run_probe
from cube_acceptance.store import AFTER, Spool, Store, defects_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cube_acceptance.expected import Owed
    from cube_acceptance.logins import Logins
    from cube_acceptance.network import HandedOut
    from cube_acceptance.probes import Probe, Stepping
    from cube_acceptance.probes.http import PageProbe
    from cube_acceptance.probes.net.together import Sockets
    from cube_acceptance.probes.tunnel import Shell
    from cube_acceptance.setup import Setup
    from cube_acceptance.site import Cube

ASKS_A_LINK = ("mdns/", "llmnr/")
"""How the keys of probes begin that ask a whole link for a CUBE."""
CONNECTS = ("page/", "ssh/")
"""Likewise of those that connect to it, and mostly do so at once."""
NAMES_LIMIT = 3
"""How many names one page may lead to, one after the other."""


class Survey:
    """The measurements of one session."""

    def __init__(
        self,
        setup: Setup,
        owed: Iterable[Owed],
        spool: Spool | None = None,
        run: Callable[[Probe], Observation] = run_probe,
        logins: Logins | None = None,
    ) -> None:
        """Prepare to measure what cases rest on; worker processes read from the spool.

        ``logins`` are for the shells of CUBEs, and are handed to nobody but the probes.
        """
        self.started = timestamp()
        self._setup = setup
        self._owed = tuple((NEEDS[owing.requirement], owing) for owing in owed)
        self._spool = spool
        self._store = Store(setup.vantage)
        self._runner = Runner(run)
        self._talking: set[str] = set()
        """What is under way still of what lets this computer find the CUBEs on its link."""
        self._logins = logins or {}
        self._done = threading.Event()
        # What follows belongs to the thread that reads the events.
        self._place: Place
        self._shells: tuple[Shell, ...] = ()
        self._awaited: set[str] = set()
        self._then: dict[str, Callable[[Observation], None]] = {}
        self._followed: tuple[tuple[str, ...], tuple[str, ...]] | None = None
        self._unasked: list[tuple[set[str], tuple[str, ...]]] = []
        """Time servers that come first, and the DNS servers that are asked after them."""
        self._servers: tuple[str, ...] = ()
        """The DNS servers that count; none before the network has told."""
        self._named: dict[str, dict[str, tuple[str, ...]]] = {}
        self._led_to: dict[str, list[PageProbe]] = {}
        """The names that pages lead to."""

    def start(self) -> None:
        """Send out the first probes; returns at once."""
        from cube_acceptance.probes.net import capture, standing

        capture.RECORDER.hold()
        standing.STANDING.hold()
        vantage = self._setup.vantage
        if isinstance(vantage, CannotMeasure):
            if self._spool:
                self._spool.put("vantage", vantage)
            self._close()
            return
        self._place = Place(self._setup, vantage)
        if any(needs.names for needs, _ in self._owed):
            self._ask_dhcp(vantage)
        load_probes()
        threading.Thread(target=self._go_on, name="survey", daemon=True).start()

    def get(self, key: str) -> Observation:
        """Return an observation, waiting until it is there.

        Raises:
            NotMeasuredError: the survey ended without it.
        """
        return self._store.get(key)

    def seen(self, key: str) -> Observation | None:
        """Return an observation without waiting; None where it may still come.

        Raises:
            NotMeasuredError: the survey ended without it.
        """
        return self._store.seen(key)

    def progress(self) -> tuple[int, int, tuple[str, ...]]:
        """Count the observations that are in and those that were asked for; list the others."""
        return self._runner.progress()

    def wait(self, limit_s: float) -> bool:
        """Wait until every probe is back, at most ``limit_s`` seconds; False if one is not."""
        return self._done.wait(limit_s)

    def saved(self) -> Saved:
        """Return what was observed so far in the form of ``evidence.json``."""
        return Saved(
            schema=EVIDENCE_SCHEMA,
            suite=__version__,
            setup=self._setup,
            started=self.started,
            ended=timestamp(),
            observations=self._store.all(),
        )

    # How events are read.

    def _go_on(self) -> None:
        self._guarded("start", self._begin)
        while self._awaited:
            event = self._runner.events.get()
            self._guarded(event.key, partial(self._read, event))
            if isinstance(event, Finished):
                self._awaited.discard(event.key)
        self._close()

    def _guarded(self, key: str, step: Callable[[], None]) -> None:
        """Take a step; a defect of ours in it must keep nobody waiting and not be forgotten."""
        begin_s, started = time.monotonic(), timestamp()
        try:
            step()
        except Exception as error:  # noqa: BLE001 - whatever it is
            self._store.put(
                f"{AFTER}{key}", defect(f"what follows from {key}", error, begin_s, started)
            )

    def _read(self, event: Event | Finished) -> None:
        if isinstance(event, Offered):
            self._follow(network.handed_out_by(self._setup, event.offer))
        elif isinstance(event, Asked):
            self._asked(event.key)
        else:
            self._store.put(event.key, event.observation)
            if self._spool:
                self._spool.put(event.key, event.observation)
            if then := self._then.pop(event.key, None):
                then(event.observation)

    def _submit(self, probe: Probe, then: Callable[[Observation], None] | None = None) -> bool:
        """Ask a question, and go on with its observation by ``then``; False if it was asked."""
        new = self._runner.submit(probe)
        if new:
            self._awaited.add(probe.key)
            if then:
                self._then[probe.key] = then
        return new

    def _submit_all(
        self, groups: list[list[Stepping]], others: list[Stepping], sockets: Sockets[Any]
    ) -> None:
        """Ask several CUBEs in one thread."""
        for probe in chain(*groups, others):
            self._awaited.add(probe.key)
            self._then[probe.key] = partial(self._cube_seen, probe)
        self._runner.submit_together(groups, sockets, others)

    def _close(self) -> None:
        from cube_acceptance.probes.net import capture, standing

        capture.RECORDER.release()
        standing.STANDING.release()
        self._store.close()
        try:
            if self._spool:
                self._spool.close(defects_in(self._store.all()))
        finally:
            self._done.set()

    # What follows from what.

    def _ask_dhcp(self, vantage: Vantage) -> None:
        from cube_acceptance.probes.dhcp import DhcpProbe

        ports = self._setup.ports
        probe = DhcpProbe(
            vantage=vantage,
            port_server=ports.dhcp_server,
            port_client=ports.dhcp_client,
            server_address="127.0.0.1" if vantage.loopback else "255.255.255.255",
            suffices=partial(network.will_do, self._setup),
            outbox=self._runner.events,
            cubes=tuple(cube.mac for cube in self._setup.site.cubes if cube.mac),
            addresses=tuple(cube.address for cube in self._setup.site.cubes),
        )
        self._submit(probe, self._dhcp_done)

    def _begin(self) -> None:
        """Ask what waits for nobody: the CUBEs, and the site file's servers, should they count.

        They do where DHCP names none, which takes ten seconds to find out.
        """
        self._shells = shells(self._setup, self._logins)
        self._ask_cubes()
        if any(needs.names for needs, _ in self._owed):
            site = self._setup.site
            self._ask_servers(network.hosts(site.ntp.servers), network.hosts(site.dns.servers))

    def _ask_cubes(self) -> None:
        asked: dict[str, list[Callable[[Place, Cube], list[Probe]]]] = {}
        for needs, owing in self._owed:
            if needs.cube:
                asked.setdefault(owing.subject, []).append(needs.cube)
        cubes = self._setup.site.cubes
        listed = [cube.address for cube in cubes if mdns_names in asked.get(cube.name, ())]
        if len(cubes) > 1:
            self._place = with_several(self._place, listed)
        probes = [
            probe
            for cube in cubes
            for ask in asked.get(cube.name, ())
            for probe in ask(self._place, cube)
        ]
        # Whom this computer asks directly learns by its ARP on which of its cards it is; who is
        # asked in a group has to find out, and of two cards in the plant may take the other one.
        probes.sort(key=lambda probe: probe.key.startswith(ASKS_A_LINK))
        connecting = {probe.key for probe in probes if probe.key.startswith(CONNECTS)}
        self._talking = connecting or {probe.key for probe in probes}
        echoes: list[Stepping] = []
        names: list[Stepping] = []
        others: list[Stepping] = []
        for probe in probes:
            if self._place.sockets and shares(probe):
                (names if probe.key.startswith(ASKS_A_LINK) else echoes).append(probe)
            elif self._place.sockets and goes_by_steps(probe):
                others.append(probe)
            else:
                self._submit(probe, partial(self._cube_seen, probe))
        if self._place.sockets and (echoes or names or others):
            self._submit_all([echoes, names], others, self._place.sockets)

    def _cube_seen(self, probe: Probe, observation: Observation) -> None:
        """Where a page leads to a name, ask the site's DNS servers whether it is the CUBE's own."""
        from cube_acceptance.probes.http import PageProbe

        self._talked(probe.key)
        if not (isinstance(observation, PageObserved) and isinstance(probe, PageProbe)):
            return
        name = network.redirect_name(observation)
        if name and len(probe.dns_names) < NAMES_LIMIT:
            self._led_to.setdefault(name, []).append(probe)
            self._ask_dhcp(self._place.vantage)
            self._ask_whose(name)

    def _ask_whose(self, name: str) -> None:
        """Ask for a name that pages lead to, as soon as it is known whom."""
        from cube_acceptance.probes.dns import DnsProbe

        vantage, port = self._place.vantage, self._setup.ports.dns
        for server in self._servers:
            probe = DnsProbe(vantage=vantage, server=server, name=name, port=port)
            if not self._submit(probe, partial(self._told_whose, name)):
                self._told_whose(name, self._store.all().get(probe.key))

    def _told_whose(self, name: str, answer: Observation | None) -> None:
        """Ask for the pages again that lead to a name of the CUBE's own."""
        for probe in self._led_to[name]:
            if isinstance(answer, DnsObserved) and probe.address in answer.addresses:
                again = replace(probe, dns_names=(*probe.dns_names, name))
                self._submit(again, partial(self._cube_seen, again))

    def _talked(self, key: str) -> None:
        """Look who the CUBEs are, as soon as this computer has found all of them on its link."""
        last = self._talking == {key}
        self._talking.discard(key)
        if last:
            from cube_acceptance.probes.neighbours import NeighboursProbe

            addresses = tuple(cube.address for cube in self._setup.site.cubes)
            self._submit(NeighboursProbe(vantage=self._place.vantage, addresses=addresses))

    def _dhcp_done(self, observation: Observation) -> None:
        if isinstance(observation, DhcpObserved) and not network.silence_is_doubtful(
            self._setup, observation
        ):
            self._follow(network.handed_out(self._setup, self._store))
            self._ask_rivals(observation)
            return
        from cube_acceptance.probes.leases import LeaseProbe

        self._submit(
            LeaseProbe(vantage=self._place.vantage),
            lambda _lease: self._follow(network.handed_out(self._setup, self._store)),
        )

    def _follow(self, given: HandedOut) -> None:
        """Ask the servers that the network named.

        The first word of it counts, unless a CUBE's own offer names others afterwards.
        """
        site = self._setup.site
        naming = network.name_servers(site, given).addresses
        timed = network.time_servers(site, given).addresses
        late = self._followed is not None and given.origin != "dhcp"
        if late or self._followed == (naming, timed):
            return
        self._followed = (naming, timed)
        self._servers = naming
        self._ask_servers(timed, naming)
        for host in self._named:
            self._lead_on(host)
        for name in self._led_to:
            self._ask_whose(name)
        if not self._servers:
            for host in self._hosts_from_cubes():
                self._ask_from_cubes(host, ())

    def _ask_rivals(self, observed: DhcpObserved) -> None:
        """Ask the servers of offers that a CUBE may take as well."""
        site = self._setup.site
        for offer in network.rivals(self._setup, observed):
            given = network.handed_out_by(self._setup, offer)
            timed = network.time_servers(site, given).addresses
            self._ask_servers(timed, network.name_servers(site, given).addresses)

    def _hosts_from_cubes(self) -> set[str]:
        owed = [(needs, owing) for needs, owing in self._owed if needs.from_cube]
        return {host for needs, owing in owed for host in self._hosts(needs, owing)}

    def _ask_from_cubes(self, host: str, addresses: tuple[str, ...]) -> None:
        """Let each CUBE reach a host itself, once it is certain what DNS gives for it here."""
        for one in self._shells:
            self._submit(tunnel(self._place, one, host, addresses))

    def _ask_servers(self, timed: tuple[str, ...], naming: tuple[str, ...]) -> None:
        """Ask servers for the time, and then others for names.

        Names are asked for as soon as each time server has been asked once, or cannot be. A router
        says only now and then that there is no way (RFC 1812 section 4.3.2.8), Linux once in two
        seconds. The questions for names are many; sent first, they would use that up, and a time
        server that cannot be reached would be taken for one that is silent.
        """
        from cube_acceptance.probes.ntp import NtpProbe

        wanted = any(needs.time for needs, _ in self._owed)
        probes = [
            NtpProbe(
                vantage=self._place.vantage,
                server=server,
                port=self._setup.ports.ntp,
                outbox=self._runner.events,
            )
            for server in (timed if wanted else ())
        ]
        first = set()
        for probe in probes:
            self._submit(way(self._place, "udp", probe.server, probe.port))
            if self._submit(probe, partial(self._answered, probe.key)):
                first.add(probe.key)
        if first:
            self._unasked.append((first, naming))
        else:
            self._ask_names(naming)

    def _answered(self, key: str, _observation: Observation) -> None:
        self._asked(key)

    def _asked(self, key: str) -> None:
        for waited in list(self._unasked):
            first, naming = waited
            first.discard(key)
            if not first:
                self._unasked.remove(waited)
                self._ask_names(naming)

    def _ask_names(self, servers: tuple[str, ...]) -> None:
        from cube_acceptance.probes.dns import DnsProbe

        vantage, port = self._place.vantage, self._setup.ports.dns
        hosts = sorted({host for needs, owing in self._owed for host in self._hosts(needs, owing)})
        for server in servers:
            self._submit(way(self._place, "udp", server, port))
            for host in hosts:
                self._submit(
                    DnsProbe(vantage=vantage, server=server, name=host, port=port),
                    partial(self._named_host, server, host),
                )
            if any(needs.invented for needs, _ in self._owed):
                self._submit(DnsProbe.inventing(vantage=vantage, server=server, port=port))

    def _hosts(self, needs: Needs, owing: Owed) -> tuple[str, ...]:
        return needs.names(self._setup.site, owing) if needs.names else ()

    def _named_host(self, server: str, host: str, answer: Observation) -> None:
        """Keep what a server said about a host, and go on with it."""
        usable = isinstance(answer, DnsObserved) and network.usable_addresses(self._setup, answer)
        self._named.setdefault(host, {})[server] = usable or ()
        self._lead_on(host)

    def _lead_on(self, host: str) -> None:
        """Ask a host at the addresses that a client would use, as soon as they are certain."""
        addresses = network.leading(self._servers, self._named[host])
        for needs, owing in self._owed:
            if addresses and needs.host and host in self._hosts(needs, owing):
                for probe in needs.host(self._place, host, addresses):
                    self._submit(probe)
        # Last, for a shell keeps the processor busy, and others wait for their answers.
        settled = addresses or self._named[host].keys() >= set(self._servers)
        if self._servers and settled and host in self._hosts_from_cubes():
            self._ask_from_cubes(host, addresses)
