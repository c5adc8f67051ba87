"""Runs the probes that a session needs, each once, side by side; saves and replays what came.

The survey starts when the session knows its cases and goes on while they are judged. What
depends on DHCP starts with the first complete offer, what depends on a name with the first
usable answer. A case that reads an observation waits for that one and for no other.
"""

from __future__ import annotations

import hashlib
import json
import queue
import stat
import tempfile
import threading
import time
from datetime import date, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from cube_acceptance import __version__, plan
from cube_acceptance.evidence import (
    CannotMeasure,
    DhcpObserved,
    DnsObserved,
    Observation,
    timestamp,
)
from cube_acceptance.plan import Setup
from cube_acceptance.probes import load_probes
from cube_acceptance.probes.net.capture import THIS_COMPUTER
from cube_acceptance.site import SiteError, check_together

try:
    import resource
except ImportError:  # pragma: no cover - Windows has no such limit
    resource = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cube_acceptance.evidence import DhcpMessage, Vantage
    from cube_acceptance.plan import HandedOut, Owed
    from cube_acceptance.probes import Probe
    from cube_acceptance.probes.mdns import Listing
    from cube_acceptance.site import Cube

EVIDENCE_SCHEMA = "cube-acceptance/evidence/1"

FILE_LIMIT = 256 * 1024 * 1024
"""Bytes that one file of a run may have; a run of 1,000 CUBEs stays well below."""

WORKERS = 512
"""Probes under way at once; what is beyond waits its turn. A probe spends its life waiting, so
this bounds sockets and threads, not the processor."""

FILES_EACH = 2
"""Files that a probe may hold open: its socket, and now and then one more."""
FILES_KEPT = 64
"""Files that are left to everything else."""

STACK_SIZE = 256 * 1024
"""Bytes of stack for each probe's thread."""

POLL_S = 0.02
"""How often a worker process looks for an observation that the controller makes."""

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


class NotMeasuredError(LookupError):
    """The observation was not made and will not be."""


class EvidenceError(Exception):
    """A saved evidence file cannot be judged; says why."""


class Saved(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The content of ``evidence.json``."""

    schema: str
    suite: str
    setup: Setup
    started: str
    ended: str
    observations: dict[str, Observation]


def run_probe(probe: Probe) -> Observation:
    """Let a probe measure."""
    return probe.run()


class Store:
    """Observations by key, for those who have to wait for them."""

    def __init__(self, vantage: Vantage | CannotMeasure | None = None) -> None:
        """Start empty; a vantage that cannot be measured from answers every question itself."""
        self._vantage = vantage
        self._changed = threading.Condition()
        self._observations: dict[str, Observation] = {}
        self._closed = False

    def put(self, key: str, observation: Observation) -> None:
        """Add an observation; the first one for a key stays."""
        with self._changed:
            self._observations.setdefault(key, observation)
            self._changed.notify_all()

    def close(self) -> None:
        """Say that nothing more will come."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def get(self, key: str) -> Observation:
        """Give an observation, waiting until it is there.

        Raises:
            NotMeasuredError: the store was closed without it.
        """
        if isinstance(self._vantage, CannotMeasure):
            return self._vantage
        with self._changed:
            self._changed.wait_for(lambda: self._closed or key in self._observations)
            if key not in self._observations:
                raise NotMeasuredError(f"no observation of {key}")
            return self._observations[key]

    def all(self) -> dict[str, Observation]:
        """Copy what is there, sorted by key."""
        with self._changed:
            return dict(sorted(self._observations.items()))


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
            suffices=plan.complete,
            on_offer=lambda offer: self._first_offer(vantage, offer),
        )
        self._submit(probe, lambda observation: self._dhcp_done(vantage, observation))

    def _first_offer(self, vantage: Vantage, offer: DhcpMessage) -> None:
        if plan.complete(offer):
            self._loaded.wait()
            self._follow(vantage, plan.handed_out_by(offer))

    def _dhcp_done(self, vantage: Vantage, observation: Observation) -> None:
        self._loaded.wait()
        if isinstance(observation, DhcpObserved) and not plan.silence_is_doubtful(observation):
            self._follow(vantage, plan.handed_out(self._store))
            return
        from cube_acceptance.probes.leases import LeaseProbe

        self._submit(
            LeaseProbe(vantage=vantage),
            lambda _lease: self._follow(vantage, plan.handed_out(self._store)),
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
        servers = plan.name_servers(self._setup.site, given).addresses
        ask_names = partial(self._ask_names, vantage, servers, sorted(hosts))
        time_servers = plan.time_servers(self._setup.site, given).addresses
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
        usable = isinstance(answer, DnsObserved) and plan.usable_addresses(self._setup, answer)
        with self._lock:
            answers = self._named.setdefault(host, {})
            answers[server] = usable or ()
            addresses = plan.leading(servers, answers)
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


class Replay:
    """Saved observations in the place of measurements."""

    def __init__(self, saved: Saved) -> None:
        """Judge again what was observed."""
        self.evidence = saved
        self._store = Store(saved.setup.vantage)
        for key, observation in saved.observations.items():
            self._store.put(key, observation)
        self._store.close()

    def get(self, key: str) -> Observation:
        """Give a saved observation.

        Raises:
            NotMeasuredError: the evidence does not hold it.
        """
        return self._store.get(key)

    def saved(self) -> Saved:
        """Give the evidence as it was loaded."""
        return self.evidence


class Spool:
    """A folder through which the controller hands observations to its worker processes."""

    def __init__(self, folder: Path) -> None:
        """Use an existing folder."""
        self.folder = folder

    @classmethod
    def make(cls) -> Spool:
        """Make a new private folder."""
        return cls(Path(tempfile.mkdtemp(prefix="cube-acceptance-")))

    def put(self, key: str, observation: Observation) -> None:
        """Publish an observation; readers never see half of it."""
        _write_whole(self._path(key), msgspec.json.encode(observation))

    def close(self) -> None:
        """Say that nothing more will come."""
        _write_whole(self.folder / "closed", b"")

    def put_all(self, saved: Saved) -> None:
        """Publish saved evidence; a vantage that cannot be measured from answers everything."""
        if isinstance(saved.setup.vantage, CannotMeasure):
            self.put("vantage", saved.setup.vantage)
        for key, observation in saved.observations.items():
            self.put(key, observation)

    def ask(self, needs: tuple[Owed, ...]) -> None:
        """Leave word of what the session's cases need, from the first worker that knows."""
        _write_whole(self.folder / "needs", msgspec.json.encode(needs))

    def asked(self) -> tuple[Owed, ...] | None:
        """Read what the session's cases need; None while nobody knows."""
        path = self.folder / "needs"
        if not path.exists():
            return None
        return msgspec.json.decode(path.read_bytes(), type=tuple[plan.Owed, ...])

    def get(self, key: str) -> Observation:
        """Give an observation, waiting until the controller has published it.

        Raises:
            NotMeasuredError: the controller closed the folder without it.
        """
        paths = self._path("vantage"), self._path(key)  # nothing is seen from where we are not
        while True:
            closed = (self.folder / "closed").exists()
            for path in paths:
                if path.exists():
                    observation: Observation = msgspec.json.decode(
                        path.read_bytes(), type=Observation
                    )
                    return observation
            if closed:
                raise NotMeasuredError(f"no observation of {key}")
            time.sleep(POLL_S)

    def remove(self) -> None:
        """Delete the folder and what is in it."""
        for path in self.folder.iterdir():
            path.unlink()
        self.folder.rmdir()

    def _path(self, key: str) -> Path:
        return self.folder / hashlib.sha256(key.encode()).hexdigest()


def _write_whole(path: Path, data: bytes) -> None:
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        file.write(data)
    Path(file.name).replace(path)


def dump(saved: Saved) -> bytes:
    """Write evidence as the bytes of ``evidence.json``."""
    return msgspec.json.format(msgspec.json.encode(saved, order="sorted"), indent=1) + b"\n"


def read_file(path: Path) -> bytes:
    """Read a file of a run, which may come from anybody.

    Raises:
        EvidenceError: it cannot be read, or would keep the reader busy: a pipe, a device, a flood.
    """
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise EvidenceError(f"{path}: this is a directory, a pipe or a device, and no file")
        if found.st_size > FILE_LIMIT:
            raise EvidenceError(f"{path}: has more than {FILE_LIMIT} bytes")
        return path.read_bytes()
    except OSError as error:
        raise EvidenceError(f"{path}: {error.strerror}") from error


def load(path: Path) -> Saved:
    """Read an ``evidence.json``.

    Raises:
        EvidenceError: it cannot be read, is no evidence, or is of a version that this one
            does not know.
    """
    data = read_file(path)
    try:
        head = msgspec.json.decode(data, type=dict[str, msgspec.Raw])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise EvidenceError(f"{path}: this is no evidence file: {error}") from error
    schema = bytes(head.get("schema", b"null"))
    if schema != msgspec.json.encode(EVIDENCE_SCHEMA):
        raise EvidenceError(
            f"{path}: its schema is {schema[:80].decode(errors='replace')}, "
            f"this version judges {EVIDENCE_SCHEMA}"
        )
    try:
        saved = msgspec.json.decode(data, type=Saved)
        json.loads(data, object_pairs_hook=_each_once)
        for moment in (saved.started, saved.ended):
            _check_moment(moment)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise EvidenceError(f"{path}: {error}") from error
    return saved


def _each_once(pairs: list[tuple[str, object]]) -> None:
    """Refuse what two readers could read differently (RFC 8259 section 4)."""
    names = [name for name, _ in pairs]
    if len(names) != len(set(names)):
        raise ValueError("a key stands twice")


def _check_moment(text: str) -> None:
    """Accept a moment as it is written here, away from the ends of the calendar."""
    moment = datetime.fromisoformat(text)
    if not date.min.year < moment.year < date.max.year or timestamp(moment) != text:
        raise ValueError(f"{text[:40]} is no moment of a run")


def check_origin(saved: Saved) -> None:
    """Check that a run of this suite can have measured this site in this way.

    Raises:
        EvidenceError: it cannot; the evidence was put together from something else.
    """
    setup, site = saved.setup, saved.setup.site
    try:
        check_together(site)
    except SiteError as error:
        raise EvidenceError(f"its site: {error}") from error
    if setup.simulated:
        return
    if setup.ports != plan.Ports():
        raise EvidenceError("it is of the embedded site, and says that it is not")
    if setup.loaded.ca_pem and not site.cloud.ca_file:
        raise EvidenceError("it trusts an authority that its site does not name")


def in_place(saved: Saved) -> Saved:
    """Leave out every observation that is about something else than its key says."""
    kept = {key: seen for key, seen in saved.observations.items() if plan.belongs(key, seen)}
    return msgspec.structs.replace(saved, observations=kept)


def check_belonging(path: Path) -> None:
    """Check saved evidence against the certificate that lies beside it, where one does.

    Raises:
        EvidenceError: the certificate was made from other evidence, so this one was changed.
    """
    certificate = path.with_name("certificate.json")
    if not certificate.exists():
        return
    try:
        data = read_file(certificate)
        recorded = msgspec.json.decode(data, type=dict[str, Any])["files"]["evidence.json"]
    except (EvidenceError, msgspec.MsgspecError, LookupError, TypeError, ValueError) as error:
        raise EvidenceError(f"{certificate}: this is no certificate") from error
    if hashlib.sha256(read_file(path)).hexdigest() != recorded:
        raise EvidenceError(
            f"{path}: it is not the evidence that the certificate beside it was made from"
        )
