"""A plant network in network namespaces: a switch, a gateway, a cloud, a CUBE and a laptop.

    cloud --- gateway --- switch --- cube
                             |------ laptop, where the acceptance suite runs
                             |------ any further computer that a condition asks for

Every namespace's name starts with a prefix that holds this process's id, so that several
plants live side by side and what a dead process left behind can be told and cleared away.
Nothing leads out of the namespaces: addresses that look public are only used inside.
"""

from __future__ import annotations

import atexit
import ctypes
import itertools
import os
import shlex
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType
    from typing import TypeVar

    ResultT = TypeVar("ResultT")

PREFIX = "cubelab"
NAMESPACES = Path("/run/netns")

GATEWAY = "10.20.0.1"
LAPTOP = "10.20.0.20"
CUBE = "10.20.0.50"
UPLINK = "11.20.0.1"
CLOUD = {"disco.tapio.one": "11.20.0.10", "connect.homag.cloud": "11.20.0.20"}
"""Addresses that a resolver of the Internet could give; they exist only in the namespaces."""

READY_LIMIT_S = 15.0
READY_POLL_S = 0.01
STOP_LIMIT_S = 3.0

LISTENING = "0A"
"""The state of a listening TCP socket in /proc/net/tcp."""

ANY = "0.0.0.0"

_CLONE_NEWNET = 0x40000000
_COUNTER = itertools.count()

_HOOKS = {
    "early": "type filter hook prerouting priority -300",
    "input": "type filter hook input priority 0",
    "forward": "type filter hook forward priority 0",
    "output": "type filter hook output priority 0",
    "dnat": "type nat hook prerouting priority -100",
    "snat": "type nat hook postrouting priority 100",
    "divert": "type nat hook output priority -100",
    "mark": "type route hook output priority -150",
    "egress": "type filter hook egress device eth0 priority 0",
    "ingress": "type filter hook ingress device eth0 priority 0",
}

_BELOW = frozenset({"egress", "ingress"})
"""Hooks below IP, where protection software and traffic shapers sit; a host has these or others."""


@cache
def compiled_once() -> dict[str, str]:
    """Return the environment in which Python keeps what it compiles, as where it is installed.

    Compiling anew would be most of a session's processor time. The folder is this process's own;
    the project's stays as it is.
    """
    folder = tempfile.mkdtemp(prefix=f"{PREFIX}-{os.getpid()}-bytecode-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    Path(folder).chmod(0o755)
    return {"PYTHONPYCACHEPREFIX": folder, "PYTHONDONTWRITEBYTECODE": ""}


class LabError(Exception):
    """The plant could not be built as asked; says nothing about the acceptance suite."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A server process: where it runs, its command, and the sockets that show it is ready."""

    host: str
    name: str
    command: tuple[str, ...]
    sockets: tuple[str, ...] = ()
    """What it listens on when ready: ``udp 67``, ``tcp 80``."""


class Plant:
    """One plant network; a context manager that leaves nothing behind."""

    def __init__(self) -> None:
        """Choose the names; nothing is made before the plant is entered."""
        self.prefix = f"{PREFIX}-{os.getpid()}-{next(_COUNTER)}"
        self.folder = Path()
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._hosts: list[str] = []

    def __enter__(self) -> Self:
        """Make the namespaces and the wires between them."""
        self.folder = Path(tempfile.mkdtemp(prefix=f"{self.prefix}-"))
        self.folder.chmod(0o755)
        try:
            self._wire()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Take everything down."""
        self.close()

    def namespace(self, host: str) -> str:
        """Name the namespace that is this host's."""
        return f"{self.prefix}-{host}"

    def inside(self, host: str, *command: str) -> list[str]:
        """Return the command line that runs a command on a host."""
        return ["ip", "netns", "exec", self.namespace(host), *command]

    def ip(self, host: str, *lines: str) -> None:
        """Change a host's interfaces, addresses and routes; one ``ip`` command a line."""
        run(["ip", "-n", self.namespace(host), "-batch", "-"], "\n".join(lines) + "\n")

    def join(self, host: str, address: str = "") -> None:
        """Put a further computer on the plant's switch, with ``eth0`` up."""
        number = len(self._hosts)
        self._add_namespace(host)
        self.ip(
            "switch",
            f"link add port{number} type veth peer name eth0 netns {self.namespace(host)}",
            f"link set port{number} master br0",
            f"link set port{number} up",
        )
        self.ip(host, "link set eth0 up", *([f"addr add {address} dev eth0"] if address else []))

    def sysctl(self, host: str, *settings: str) -> None:
        """Set kernel parameters of a host, ``net.ipv4.ip_forward=1`` each."""
        if settings:
            run(self.inside(host, "sysctl", "-q", "-w", *settings))

    def firewall(self, rules: Iterable[str]) -> None:
        """Load packet filter rules, each ``HOST HOOK RULE`` in nftables' words.

        Hooks: ``input``, ``forward``, ``output``, ``early`` (before connection tracking),
        ``dnat`` and ``snat``, ``divert`` (of what the host itself sends), ``mark`` (for its
        routing), ``ingress`` and ``egress`` of its ``eth0``. The switch filters the frames that
        it bridges.
        """
        by_host: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        for line in rules:
            host, hook, rule = line.split(" ", 2)
            by_host[host][hook].append(rule)
        for host, hooks in by_host.items():
            family = "bridge" if host == "switch" else "inet"
            if _BELOW.issuperset(hooks):
                family = "netdev"
            script = [f"table {family} lab {{"]
            for hook, lines in hooks.items():
                script += [f"chain at_{hook} {{", f"{_HOOKS[hook]};", *lines, "}"]
            script.append("}\n")
            run(self.inside(host, "nft", "-f", "-"), "\n".join(script))

    def start(self, servers: Iterable[Server]) -> None:
        """Start servers side by side and return when every one of them listens."""
        started = list(servers)
        for server in started:
            with (self.folder / f"{server.name}.log").open("wb") as log:
                self._processes[server.name] = subprocess.Popen(
                    self.inside(server.host, *server.command),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    cwd=Path(__file__).parents[2],
                    env=os.environ | compiled_once(),
                )
        for server in started:
            self._wait_for(server)

    def wait_until(self, what: str, condition: Callable[[], bool]) -> None:
        """Wait for a condition of the plant.

        Raises:
            LabError: it did not come about in time.
        """
        end = time.monotonic() + READY_LIMIT_S
        while not condition():
            if time.monotonic() > end:
                raise LabError(f"{what} did not come about; logs:\n{self.logs()}")
            time.sleep(READY_POLL_S)

    def log(self, name: str) -> str:
        """Read what a server has written so far."""
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def logs(self) -> str:
        """Read the end of every server's log."""
        return "\n".join(
            f"--- {path.stem}\n{path.read_text(errors='replace')[-1500:]}"
            for path in sorted(self.folder.glob("*.log"))
        )

    def check(self) -> None:
        """Make sure that every server did its part to the end.

        Raises:
            LabError: a server ended by itself, or stumbled: what a session saw is no fault that
                a condition describes.
        """
        for name, process in self._processes.items():
            log = self.log(name)
            if process.poll() is not None or "Traceback (most recent call last)" in log:
                raise LabError(f"{name} did not last ({process.returncode}): {log[-3000:]}")

    def stop(self, name: str) -> None:
        """Stop one server by its process id."""
        process = self._processes.pop(name)
        process.terminate()
        try:
            process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def seen_from(self, host: str, question: Callable[[], ResultT]) -> ResultT:
        """Call a function with its sockets on one of the plant's hosts."""
        return within(NAMESPACES / self.namespace(host), question)

    def close(self) -> None:
        """Stop every process in the plant, remove the namespaces and the folder."""
        for process in self._processes.values():
            process.kill()
        for process in self._processes.values():
            process.wait()
        self._processes.clear()
        clear(self.namespace(host) for host in self._hosts)
        self._hosts.clear()
        if self.folder.name.startswith(self.prefix):
            shutil.rmtree(self.folder, ignore_errors=True)

    def _add_namespace(self, host: str) -> None:
        run(["ip", "netns", "add", self.namespace(host)])
        self._hosts.append(host)
        self.ip(host, "link set lo up")

    def _wire(self) -> None:
        self._add_namespace("switch")
        self.ip(
            "switch",
            "link add br0 type bridge forward_delay 0 mcast_snooping 0",
            "link set br0 up",
        )
        self.join("gateway", f"{GATEWAY}/24")
        self.join("cube", f"{CUBE}/24")
        self.join("laptop", f"{LAPTOP}/24")
        self._add_namespace("cloud")
        self.ip(
            "gateway",
            f"link add eth1 type veth peer name eth0 netns {self.namespace('cloud')}",
            f"addr add {UPLINK}/24 dev eth1",
            "link set eth1 up",
        )
        addresses = (f"addr add {address}/24 dev eth0" for address in CLOUD.values())
        self.ip("cloud", *addresses, "link set eth0 up", f"route add default via {UPLINK}")
        self.ip("cube", f"route add default via {GATEWAY}")
        self.ip("laptop", f"route add default via {GATEWAY}")
        self.sysctl("gateway", "net.ipv4.ip_forward=1")

    def _wait_for(self, server: Server) -> None:
        process = self._processes[server.name]

        def listening() -> bool:
            if process.poll() is not None:
                raise LabError(
                    f"{server.name} ended ({process.returncode}): {self.log(server.name)}"
                )
            return all(bound(process.pid, wanted) for wanted in server.sockets)

        self.wait_until(f"{server.name} on {', '.join(server.sockets)}", listening)


def bound(pid: int, wanted: str) -> bool:
    """Whether something in a process's network namespace listens on ``udp 67`` or the like.

    An address may stand before the port, ``tcp 10.20.0.50:80``.
    """
    protocol, _, place = wanted.partition(" ")
    address, _, port = place.rpartition(":")
    try:
        if Path(f"/proc/{pid}/ns/net").samefile("/proc/self/ns/net"):
            return False  # `ip netns exec` has not moved yet
        table = Path(f"/proc/{pid}/net/{protocol}").read_text()
    except OSError:
        return False
    for row in table.splitlines()[1:]:
        local, _, state = row.split()[1:4]
        host, _, number = local.partition(":")
        dotted = ".".join(str(byte) for byte in reversed(bytes.fromhex(host)))
        here = int(number, 16) == int(port) and (dotted == ANY or address in {"", dotted})
        if here and (protocol == "udp" or state == LISTENING):
            return True
    return False


def enter(namespace: Path) -> None:
    """Move the calling thread to a network namespace."""
    with namespace.open() as handle:
        if ctypes.CDLL(None, use_errno=True).setns(handle.fileno(), _CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"setns {namespace}")


def within(namespace: Path, question: Callable[[], ResultT]) -> ResultT:
    """Call a function in a thread that has moved to a network namespace."""
    answers: list[ResultT] = []
    errors: list[BaseException] = []

    def work() -> None:
        try:
            enter(namespace)
            answers.append(question())
        except BaseException as error:  # noqa: BLE001 - carried over to the calling thread
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return answers[0]


def run(command: list[str], text: str | None = None) -> str:
    """Run a command of the lab's own and give what it wrote.

    Raises:
        LabError: it failed.
    """
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LabError(f"{shlex.join(command)}: {done.stderr or done.stdout}\n{text or ''}")
    return done.stdout


def clear(namespaces: Iterable[str]) -> None:
    """End every process in these namespaces of ours, by its id, and remove them."""
    for name in namespaces:
        listed = subprocess.run(
            ["ip", "netns", "pids", name], capture_output=True, text=True, check=False
        )
        for pid in listed.stdout.split():
            if int(pid) != os.getpid():
                try:
                    os.kill(int(pid), signal.SIGKILL)
                except ProcessLookupError:
                    continue
        subprocess.run(["ip", "netns", "delete", name], capture_output=True, check=False)


def clear_leftovers() -> None:
    """Remove what a lab of ours left behind whose process is gone."""
    for path in sorted(NAMESPACES.glob(f"{PREFIX}-*")):
        owner = path.name.split("-")[1]
        if not Path("/proc", owner).exists():
            clear([path.name])
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}-*"):
        if not Path("/proc", folder.name.split("-")[1]).exists():
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    clear_leftovers()
