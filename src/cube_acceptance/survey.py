"""Runs the probes that a session needs, each once, side by side; saves and replays what came.

The survey starts when the session knows its cases and goes on while they are judged. What
depends on DHCP starts with the first complete offer, what depends on a name with the first
usable answer. A case that reads an observation waits for that one and for no other.
"""

from __future__ import annotations

import queue
import threading
import time
from functools import partial
from typing import TYPE_CHECKING

from cube_acceptance import __version__, network
from cube_acceptance.evidence import (
    CannotMeasure,
    DhcpObserved,
    DnsObserved,
    Observation,
    timestamp,
)
from cube_acceptance.evidence_file import EVIDENCE_SCHEMA, Saved
from cube_acceptance.probes import load_probes
from cube_acceptance.probes.net.capture import THIS_COMPUTER
from cube_acceptance.store import Spool, Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cube_acceptance.evidence import DhcpMessage, Vantage
    from cube_acceptance.expected import Owed
    from cube_acceptance.network import HandedOut
    from cube_acceptance.probes import Probe
    from cube_acceptance.probes.mdns import Listing
    from cube_acceptance.setup import Setup
    from cube_acceptance.site import Cube

try:
    import resource
except ImportError:  # pragma: no cover - Windows has no such limit
    resource = None  # type: ignore[assignment]

WORKERS = 512
"""Probes under way at once; what is beyond waits its turn. A probe spends its life waiting, so
this bounds sockets and threads, not the processor."""

FILES_EACH = 2
"""Files that a probe may hold open: its socket, and now and then one more."""
FILES_KEPT = 64
"""Files that are left to everything else."""

STACK_SIZE = 256 * 1024
"""Bytes of stack for each probe's thread."""

CONNECTOR_UNREACHABLE = "Connection to CloudConnector could not be established"
"""What the Cloud-Connector's page says when its service is away (tapio's documentation)."""

_LAN = frozenset({"DHCP-01", "NTP-01", "DNS-01", "HTTPS-01", "PING-01"})
_NAMES = frozenset({"NTP-01", "DNS-01", "HTTPS-01"})


def places(files: int | None) -> int:
    """Say how many probes may be under way for a process that may open so many files.

    Some systems allow 256; a probe without a socket would be inconclusive, one that waits is not.
    """
    if files is None:
        return WORKERS
    return max(1, min(WORKERS, (files - FILES_KEPT) // FILES_EACH))


def file_limit() -> int | None:
    """Ask how many files this process may open; None where nothing says so, or any number."""
    if resource is None:
        return None
    limit: int = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return None if limit == resource.RLIM_INFINITY else limit


def run_probe(probe: Probe) -> Observation:
    """Let a probe measure."""
    return probe.run()


class Survey:
    """The measurements of one session, under way in threads of their own."""

    def __init__(
        self,
        setup: Setup,
        needs: Iterable[Owed],
        spool: Spool | None = None,
        run: Callable[[Probe], Observation] = run_probe,
    ) -> None:
        """Prepare to measure what ``needs`` rest on; worker processes read from the spool."""
        self.started = timestamp()
        self._setup = setup
        self._needs = tuple(needs)
        self._spool = spool
        self._run = run
        self._store = Store(setup.vantage)
        self._lock = threading.Lock()
        self._pending: dict[str, None] = {}
        self._seen: set[str] = set()
        self._tasks: queue.SimpleQueue[tuple[Probe, Callable[[Observation], None]]] = (
            queue.SimpleQueue()
        )
        self._threads = 0
        self._places = places(file_limit())
        self._loaded = threading.Event()
        self._done = threading.Event()
        self._followed = False
        self._named: dict[str, dict[str, tuple[str, ...]]] = {}
        self._listing: Listing | None = None

    def start(self) -> None:
        """Send out the first probes; returns at once."""
        THIS_COMPUTER.hold()
        vantage = self._setup.vantage
        if isinstance(vantage, CannotMeasure):
            if self._spool:
                self._spool.put("vantage", vantage)
            self._close()
            return
        with self._lock:
            self._pending["start"] = None
        required = {need.requirement for need in self._needs}
        if required & _LAN:
            self._ask_dhcp(vantage)
        load_probes()
        self._loaded.set()
        subjects: dict[str, set[str]] = {}
        for need in self._needs:
            subjects.setdefault(need.subject, set()).add(need.requirement)
        self._share_listing(subjects)
        for cube in self._setup.site.cubes:
            self._ask_cube(vantage, cube, subjects.get(cube.name, set()))
        self._finished("start")

    def get(self, key: str) -> Observation:
        """Give an observation, waiting until it is there.

        Raises:
            NotMeasuredError: the survey ended without it.
        """
        return self._store.get(key)

    def progress(self) -> tuple[int, int, tuple[str, ...]]:
        """Say how many observations are in, how many were asked for, and what is waited for."""
        with self._lock:
            waiting = tuple(key for key in self._pending if key in self._seen)
            return len(self._seen) - len(waiting), len(self._seen), waiting

    def wait(self, limit_s: float) -> bool:
        """Wait until every probe is back, at most ``limit_s`` seconds; tell whether they are."""
        return self._done.wait(limit_s)

    def saved(self) -> Saved:
        """Give what was observed so far in the form of ``evidence.json``."""
        return Saved(
            schema=EVIDENCE_SCHEMA,
            suite=__version__,
            setup=self._setup,
            started=self.started,
            ended=timestamp(),
            observations=self._store.all(),
        )

    # What follows from what.

    def _ask_dhcp(self, vantage: Vantage) -> None:
        from cube_acceptance.probes.dhcp import DhcpProbe

        ports = self._setup.ports
        probe = DhcpProbe(
            vantage=vantage,
            port_server=ports.dhcp_server,
            port_client=ports.dhcp_client,
            server_address="127.0.0.1" if vantage.loopback else "255.255.255.255",
            suffices=network.complete,
            on_offer=lambda offer: self._first_offer(vantage, offer),
        )
        self._submit(probe, lambda observation: self._dhcp_done(vantage, observation))

    def _first_offer(self, vantage: Vantage, offer: DhcpMessage) -> None:
        if network.complete(offer):
            self._loaded.wait()
            self._follow(vantage, network.handed_out_by(offer))

    def _dhcp_done(self, vantage: Vantage, observation: Observation) -> None:
        self._loaded.wait()
        if isinstance(observation, DhcpObserved) and not network.silence_is_doubtful(observation):
            self._follow(vantage, network.handed_out(self._store))
            return
        from cube_acceptance.probes.leases import LeaseProbe

        self._submit(
            LeaseProbe(vantage=vantage),
            lambda _lease: self._follow(vantage, network.handed_out(self._store)),
        )

    def _follow(self, vantage: Vantage, given: HandedOut) -> None:
        with self._lock:
            if self._followed:
                return
            self._followed = True
        required = {need.requirement for need in self._needs}
        hosts = {need.host for need in self._needs if need.requirement in _NAMES} - {""}
        if "NTP-01" in required:
            hosts |= set(self._setup.site.cloud.hosts)
        if "PING-01" in required:
            hosts.add(self._setup.site.cloud.ping_target)
        servers = network.name_servers(self._setup.site, given).addresses
        ask_names = partial(self._ask_names, vantage, servers, sorted(hosts))
        time_servers = network.time_servers(self._setup.site, given).addresses
        if "NTP-01" in required and time_servers:
            self._ask_time(vantage, time_servers, ask_names)
        else:
            ask_names()

    def _ask_time(
        self, vantage: Vantage, servers: tuple[str, ...], then: Callable[[], None]
    ) -> None:
        """Ask for the time, and go on as soon as each server has been asked once, or cannot be.

        A router says only now and then that there is no way (RFC 1812 section 4.3.2.8), Linux once
        in two seconds. The questions for names are many; sent first, they would use that up, and
        a time server that cannot be reached would be taken for one that is silent.
        """
        from cube_acceptance.probes.ntp import NtpProbe

        unasked = set(servers)

        def asked(server: str, _observed: Observation | None = None) -> None:
            with self._lock:
                last = unasked == {server}
                unasked.discard(server)
            if last:
                then()

        port = self._setup.ports.ntp
        for server in servers:
            done = partial(asked, server)
            self._submit(NtpProbe(vantage=vantage, server=server, port=port, on_asked=done), done)

    def _ask_names(self, vantage: Vantage, servers: tuple[str, ...], hosts: list[str]) -> None:
        from cube_acceptance.probes.dns import DnsProbe

        port = self._setup.ports.dns
        for server in servers:
            for host in hosts:
                self._submit(
                    DnsProbe(vantage=vantage, server=server, name=host, port=port),
                    partial(self._named_host, vantage, servers, server, host),
                )
            if any(need.requirement == "DNS-01" for need in self._needs):
                self._submit(DnsProbe.inventing(vantage=vantage, server=server, port=port))

    def _named_host(
        self,
        vantage: Vantage,
        servers: tuple[str, ...],
        server: str,
        host: str,
        answer: Observation,
    ) -> None:
        """Go on with the answer that a client would use, as soon as it is certain."""
        usable = isinstance(answer, DnsObserved) and network.usable_addresses(self._setup, answer)
        with self._lock:
            answers = self._named.setdefault(host, {})
            answers[server] = usable or ()
            addresses = network.leading(servers, answers)
        if not addresses:
            return
        site = self._setup.site
        required = {need.requirement for need in self._needs}
        wanted = any(need.requirement == "HTTPS-01" and need.host == host for need in self._needs)
        if wanted or ("NTP-01" in required and host in site.cloud.hosts):
            from cube_acceptance.probes.https import HttpsProbe

            self._submit(
                HttpsProbe(
                    vantage=vantage,
                    host=host,
                    addresses=addresses,
                    port=self._setup.ports.https,
                    ca_pem=self._setup.loaded.ca_pem,
                )
            )
        if "PING-01" in required and host == site.cloud.ping_target:
            self._ping(vantage, host, addresses[0])

    def _share_listing(self, subjects: dict[str, set[str]]) -> None:
        """Let several CUBEs share the mDNS question that all of them answer."""
        hosts = [
            cube.address
            for cube in self._setup.site.cubes
            if "MDNS-01" in subjects.get(cube.name, ())
        ]
        if len(hosts) > 1:
            from cube_acceptance.probes.mdns import Listing

            self._listing = Listing(hosts)

    def _ask_cube(self, vantage: Vantage, cube: Cube, required: set[str]) -> None:
        ports = self._setup.ports
        if required & {"DIAG-01", "CONN-01"}:
            from cube_acceptance.probes.http import PageProbe

            wanted = (cube.page_contains,) if cube.page_contains else ()
            pages = ports.diag(cube.version) if "DIAG-01" in required else ()
            looked_for = dict.fromkeys(pages, wanted)
            names = (cube.hostname, f"{cube.hostname}.local") if cube.hostname else ()
            if "CONN-01" in required:
                looked_for[ports.conn] = ()
            for port, texts in looked_for.items():
                self._submit(
                    PageProbe(
                        vantage=vantage,
                        address=cube.address,
                        port=port,
                        look_for=texts,
                        listen_for=(CONNECTOR_UNREACHABLE,) if port == ports.conn else (),
                        own_names=names,
                    )
                )
        if "SSH-01" in required:
            from cube_acceptance.probes.ssh import SshProbe

            self._submit(
                SshProbe(
                    vantage=vantage,
                    address=cube.address,
                    port=ports.ssh,
                    fingerprints_wanted=cube.ssh == "enabled",
                )
            )
        if "PING-02" in required:
            self._ping(vantage, cube.address, cube.address)
        if "MDNS-01" in required:
            from cube_acceptance.probes.mdns import MdnsProbe

            self._submit(
                MdnsProbe(
                    vantage=vantage,
                    cube=cube.name,
                    address=cube.address,
                    hostname=cube.hostname,
                    port=ports.mdns,
                    listing=self._listing,
                )
            )
        if "LLMNR-01" in required:
            from cube_acceptance.probes.llmnr import LlmnrProbe

            self._submit(
                LlmnrProbe(
                    vantage=vantage,
                    cube=cube.name,
                    address=cube.address,
                    hostname=cube.hostname,
                    port=ports.llmnr,
                )
            )

    def _ping(self, vantage: Vantage, subject: str, address: str) -> None:
        from cube_acceptance.probes.icmp import PingProbe

        self._submit(PingProbe(vantage=vantage, subject=subject, address=address))

    # How it is run.

    def _submit(
        self,
        probe: Probe,
        then: Callable[[Observation], None] = lambda _observation: None,
    ) -> None:
        with self._lock:
            if probe.key in self._seen:
                return
            self._seen.add(probe.key)
            self._pending[probe.key] = None
            self._tasks.put((probe, then))
            if self._threads >= min(self._places, len(self._pending)):
                return
            self._threads += 1
            previous = threading.stack_size(STACK_SIZE)
            try:
                threading.Thread(target=self._work, name="probe", daemon=True).start()
            except RuntimeError:  # the system has no more threads: those under way have to do
                self._threads -= 1
                if not self._threads:
                    raise
            finally:
                threading.stack_size(previous)

    def _work(self) -> None:
        while True:
            try:
                probe, then = self._tasks.get_nowait()
            except queue.Empty:
                with self._lock:
                    self._threads -= 1
                    restart = not self._tasks.empty()
                    self._threads += restart
                if restart:
                    continue
                return
            self._measure(probe, then)

    def _measure(self, probe: Probe, then: Callable[[Observation], None]) -> None:
        begin, started = time.monotonic(), timestamp()
        try:
            observation = self._run(probe)
        except Exception as error:  # noqa: BLE001 - a defect of ours must not end the run
            observation = _defect(probe, started, time.monotonic() - begin, error)
        try:
            self._store.put(probe.key, observation)
            if self._spool:
                self._spool.put(probe.key, observation)
            then(observation)
        except Exception as error:  # noqa: BLE001 - nor keep others waiting for what follows
            defect = _defect(probe, started, time.monotonic() - begin, error)
            self._store.put(f"after/{probe.key}", defect)
        finally:
            self._finished(probe.key)

    def _finished(self, key: str) -> None:
        with self._lock:
            del self._pending[key]
            last = not self._pending
        if last:
            self._close()

    def _close(self) -> None:
        THIS_COMPUTER.release()
        self._store.close()
        try:
            if self._spool:
                self._spool.close()
        finally:
            self._done.set()


def _defect(probe: Probe, started: str, duration_s: float, error: Exception) -> CannotMeasure:
    return CannotMeasure(
        started=started,
        duration_s=round(duration_s, 6),
        cause="internal-error",
        detail=f"{type(error).__name__} in {probe.key}: {error}",
    )
