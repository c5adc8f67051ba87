"""The plant's real servers: their commands and configurations, changed as a condition asks."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from selftests.lab import webservers
from selftests.lab.plant import CLOUD, CUBE, GATEWAY, Plant, Server, run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from selftests.lab.certificates import Authorities
    from selftests.lab.condition import Condition

PROGRAMS = (
    "ip", "nft", "ss", "sysctl", "unshare", "setpriv", "tcpdump", "ping",
    "dnsmasq", "chronyd", "nginx", "avahi-daemon", "sshd", "ssh-keygen", "openssl",
)  # fmt: skip
"""Everything that the lab starts by name and that is installed."""

SECOND = (
    "apache2", "busybox", "dhcpd", "dropbear", "dropbearkey", "kea-dhcp4", "llmnrd", "named",
    "nghttpd", "ntpd", "squid", "unbound",
)  # fmt: skip
"""Servers by other authors, for the rows in which they serve instead; unpacked is enough."""

UNPACKED = Path(os.environ.get("CUBE_LAB_UNPACKED", "~/.cache/cube-acceptance-lab")).expanduser()
"""Where packages are unpacked that must not be installed: systemd-resolved above all."""

PAGE = "<!doctype html><title>{title}</title><h1>{title}</h1>"
PAGES = {
    f"{CUBE}:80": f"return 200 '{PAGE.format(title='IoT CUBE diagnosis')}';",
    f"{CUBE}:5555": f"return 200 '{PAGE.format(title='tapio CloudConnector')}';",
}
"""``ADDRESS:PORT`` to nginx directives."""

COMMON_DNSMASQ = [
    "log-dhcp",
    "interface=eth0",
    "bind-interfaces",
    "no-resolv",
    "no-hosts",
    "no-ping",
    "dhcp-authoritative",
]

DNSMASQ = [
    *COMMON_DNSMASQ,
    "dhcp-range=10.20.0.100,10.20.0.150,255.255.255.0,3600",
    f"dhcp-option=3,{GATEWAY}",
    f"dhcp-option=6,{GATEWAY}",
    f"dhcp-option=42,{GATEWAY}",
    *(f"host-record={name},{address}" for name, address in CLOUD.items()),
    "local=/#/",
]

COMMON_CHRONYD = ["allow all", "port 123", "cmdport 0", "bindcmdaddress /"]

CHRONYD = [*COMMON_CHRONYD, "local stratum 3", f"bindaddress {GATEWAY}"]


PROJECT = Path(__file__).parents[2]

FAKES = {
    "dhcp": (
        (
            "--interface", "eth0", "--address", "10.20.0.120", "--server-id", GATEWAY,
            "--router", GATEWAY, "--dns", GATEWAY, "--ntp", GATEWAY,
        ),
        "udp 67",
    ),
    "dns": (
        (
            "--address", GATEWAY,
            *(f"--record={name}={address}" for name, address in CLOUD.items()),
        ),
        "udp 53",
    ),
    "mdns": (
        (
            "--interface", "eth0", "--address", CUBE, "--hostname", "cube-4711",
            "--service", "_http._tcp", "--other", "10.20.0.77",
        ),
        "udp 5353",
    ),
    "llmnr": (
        (
            "--interface", "eth0", "--address", CUBE, "--hostname", "cube-4711",
            "--other", "10.20.0.77",
        ),
        "udp 5355",
    ),
    "http": (("--address", CUBE, "--port", "80"), "tcp 80"),
    "https": (
        (
            "--address", CLOUD["disco.tapio.one"],
            "--chain", "{folder}/disco.tapio.one.pem", "--key", "{folder}/disco.tapio.one.key",
        ),
        "tcp {address}:443",  # another server of the cloud listens on 443 as well
    ),
    "ssh": (("--address", CUBE), "tcp 22"),
    "ntp": (("--address", GATEWAY, "--other-address", "10.20.0.2"), "udp 123"),
}  # fmt: skip
"""The simulator's servers: how they are usually started here, and where they then listen."""


def missing() -> list[str]:
    """Name the programs that the lab needs and this computer lacks."""
    absent = [program for program in PROGRAMS if shutil.which(program, path=search_path()) is None]
    absent += [
        f"{program} (unpacked, see CUBE_LAB_UNPACKED)"
        for program in SECOND
        if shutil.which(program, path=second_path()) is None
    ]
    if not resolved().exists():
        absent.append("systemd-resolved (unpacked, see CUBE_LAB_UNPACKED)")
    if not unpacked("usr/lib/*/faketime/libfaketime.so.1"):
        absent.append("libfaketime (unpacked, see CUBE_LAB_UNPACKED)")
    return absent


def search_path() -> str:
    """Return the search path with the administrator's folders, which a user's may lack."""
    return os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin"


def second_path() -> str:
    """Return the search path with the folders of what was unpacked, for those not installed."""
    folders = (UNPACKED / name for name in ("usr/bin", "usr/sbin", "bin"))
    return ":".join([search_path(), *map(str, folders)])


def resolved() -> Path:
    """Return the path of systemd-resolved where it was unpacked."""
    return UNPACKED / "lib/systemd/systemd-resolved"


def unpacked(pattern: str) -> str:
    """Find what was unpacked, by a pattern that leaves the architecture open; else empty."""
    return next((str(path) for path in sorted(UNPACKED.glob(pattern))), "")


def clock_environment(offset: str) -> dict[str, str]:
    """Return the variables that make a program's clock wrong by an offset; empty for none.

    The path of a file that holds the offset makes it change as the file does.
    """
    if not offset:
        return {}
    told = (
        {"FAKETIME_TIMESTAMP_FILE": offset, "FAKETIME_NO_CACHE": "1"}
        if offset.startswith("/")
        else {"FAKETIME": offset}
    )
    return told | {
        "LD_PRELOAD": unpacked("usr/lib/*/faketime/libfaketime.so.1"),
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "NO_FAKE_STAT": "1",
    }


def real_servers(plant: Plant, condition: Condition, authorities: Authorities) -> Iterator[Server]:
    """Return the servers of the healthy plant as the condition changes them."""
    makers = {
        "dnsmasq": lambda: dnsmasq(plant, "gateway", condition.dnsmasq.apply(DNSMASQ)),
        "chronyd": lambda: chronyd(plant, "gateway", condition.chronyd.apply(CHRONYD)),
        "cloud": lambda: cloud(plant, condition, authorities),
        "pages": lambda: pages(plant, PAGES | with_address(condition.pages)),
        "avahi": lambda: avahi(plant, condition.mdns_name),
        "resolved": lambda: llmnr(plant, condition.llmnr_name),
    }
    unknown = set(condition.without) - set(makers)
    if unknown:
        raise ValueError(f"{condition.id}: no such server: {', '.join(sorted(unknown))}")
    for name, make in makers.items():
        if name not in condition.without:
            server = make()
            clock = clock_environment(condition.clocks.get(name, ""))
            variables = tuple(f"{key}={value}" for key, value in clock.items())
            yield replace(server, command=("env", *variables, *server.command))
    if condition.sshd is not None:
        yield sshd(plant, condition.sshd)


def further_servers(plant: Plant, condition: Condition) -> Iterator[Server]:
    """Return the servers that only this condition has: real ones and faulty ones."""
    for host, lines in condition.further_dnsmasq.items():
        yield dnsmasq(plant, host, [*COMMON_DNSMASQ, *lines])
    for host, lines in condition.further_chronyd.items():
        yield chronyd(plant, host, [*COMMON_CHRONYD, *lines])
    for host, bodies in condition.further_pages.items():
        yield pages(plant, bodies, host)
    for host, name in condition.further_mdns.items():
        yield avahi(plant, name, host)
    for host, name in condition.further_llmnr.items():
        yield llmnr(plant, name, host)
    libraries = ":".join(str(path) for path in sorted(UNPACKED.glob("usr/lib/*-linux-*")))
    programs = f"PATH={second_path()}"
    yield from webservers.servers(plant, condition, UNPACKED)
    for number, process in enumerate(condition.servers):
        for path, text in process.files.items():
            target = plant.folder / path
            target.parent.mkdir(exist_ok=True)
            target.write_text(text.replace("{folder}", str(plant.folder)))
        command = process.command
        # Our own interpreter may have a library of the same name as one of those unpacked.
        ours = command.startswith("{python}")
        found = (programs,) if ours else (programs, f"LD_LIBRARY_PATH={libraries}")
        values = {"python": sys.executable, "folder": str(plant.folder), "number": str(number)}
        for name, value in values.items():
            command = command.replace(f"{{{name}}}", value)
        yield Server(
            host=process.host,
            name=f"further-{number}",
            command=("env", *found, *shlex.split(command)),
            sockets=process.listens,
        )
    for number, line in enumerate(condition.fakes):
        yield fake(number, line.replace("{folder}", str(plant.folder)), plant)


def dnsmasq(plant: Plant, host: str, lines: list[str]) -> Server:
    """DHCP and DNS, as dnsmasq's own long options say."""
    name = "dnsmasq" if host == "gateway" else f"dnsmasq-{host}"
    serves_dhcp = any(line.startswith(("dhcp-range", "dhcp-relay")) for line in lines)
    sockets = ["udp 67"] if serves_dhcp else []
    if "port=0" not in lines:
        sockets.append("udp 53")
    return Server(
        host=host,
        name=name,
        command=(
            "dnsmasq",
            "--keep-in-foreground",
            "--conf-file=/dev/null",
            "--user=root",
            "--pid-file=",
            "--log-facility=-",
            f"--dhcp-leasefile={plant.folder}/{name}.leases",
            *(f"--{line}" for line in lines),
        ),
        sockets=tuple(sockets),
    )


def chronyd(plant: Plant, host: str, lines: list[str]) -> Server:
    """A time server; it never sets a clock."""
    name = "chronyd" if host == "gateway" else f"chronyd-{host}"
    configuration = plant.folder / f"{name}.conf"
    files = [f"pidfile {plant.folder}/{name}.pid", f"driftfile {plant.folder}/{name}.drift"]
    configuration.write_text("\n".join([*lines, *files]) + "\n")
    return Server(
        host=host,
        name=name,
        command=("chronyd", "-d", "-x", "-U", "-u", "root", "-f", str(configuration)),
        sockets=("udp 123",),
    )


def cloud(plant: Plant, condition: Condition, authorities: Authorities) -> Server:
    """The cloud hosts: nginx with TLS on 443, an address each."""
    unknown = set(condition.cloud) - set(CLOUD)
    if unknown:
        raise ValueError(f"{condition.id}: no such cloud host: {', '.join(sorted(unknown))}")
    sections, sockets = [], []
    for name, address in CLOUD.items():
        changed = condition.cloud.get(name)
        kind = changed.certificate if changed else "good"
        certificate, key = authorities.issue(kind, name, plant.folder)
        if changed and changed.off:
            continue
        body = (changed and changed.answer) or "location / { return 404 'nothing here'; }"
        sections.append(
            f"server {{ listen {address}:443 ssl; server_name {name};\n"
            f"ssl_certificate {certificate}; ssl_certificate_key {key};\n"
            "ssl_session_cache off;\n"
            + "\n".join(changed.options if changed else ())
            + f"\n{body} }}"
        )
        sockets.append(f"tcp {address}:443")
    return nginx(plant, "cloud", "cloud", sections, sockets)


def pages(plant: Plant, bodies: dict[str, str], host: str = "cube") -> Server:
    """Plain web pages: nginx, ``ADDRESS:PORT`` to directives; an empty text takes a page away."""
    sections = [
        f"server {{ listen {place}; default_type text/html; {body} }}"
        for place, body in bodies.items()
        if body
    ]
    sockets = [f"tcp {place}" for place, body in bodies.items() if body]
    name = "pages" if host == "cube" else f"pages-{host}"
    return nginx(plant, host, name, sections, sockets)


def with_address(bodies: dict[str, str]) -> dict[str, str]:
    """Complete the CUBE's pages that are named by their port only."""
    return {key if ":" in key else f"{CUBE}:{key}": body for key, body in bodies.items()}


def nginx(plant: Plant, host: str, name: str, sections: list[str], sockets: list[str]) -> Server:
    """One nginx in one process that keeps everything it writes in a folder of its own."""
    folder = plant.folder / f"nginx-{name}"
    folder.mkdir()
    (folder / "root").mkdir()
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    places = "\n".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)
    configuration = folder / "nginx.conf"
    configuration.write_text(
        "daemon off; master_process off; user root;\n"
        "env FAKETIME; env FAKETIME_DONT_FAKE_MONOTONIC;\n"
        f"pid {folder}/nginx.pid; error_log {folder}/error.log;\n"
        "events { worker_connections 64; }\n"
        f"http {{ access_log {folder}/access.log; server_tokens off; root {folder}/root;\n"
        f"{places}\n" + "\n".join(sections) + "\n}\n"
    )
    return Server(
        host=host,
        name=name,
        command=("nginx", "-c", str(configuration), "-p", str(folder), "-e", f"{folder}/error.log"),
        sockets=tuple(sockets),
    )


def avahi(plant: Plant, hostname: str, host: str = "cube") -> Server:
    """The CUBE's mDNS responder, in a run folder and under a host name of its own."""
    name = "avahi" if host == "cube" else f"avahi-{host}"
    configuration = plant.folder / f"{name}.conf"
    configuration.write_text(
        "[server]\nenable-dbus=no\nallow-interfaces=eth0\nuse-ipv6=no\n"
        "[publish]\npublish-workstation=yes\n"
    )
    return alone(
        host=host,
        name=name,
        hostname=hostname,
        setup="mkdir /run/avahi-daemon",
        command=f"avahi-daemon --no-drop-root --no-chroot --no-rlimits -f {configuration}",
        sockets=("udp 5353",),
    )


def llmnr(plant: Plant, hostname: str, host: str = "cube") -> Server:
    """The CUBE's LLMNR responder: systemd-resolved, which finds its user in a private passwd."""
    name = "resolved" if host == "cube" else f"resolved-{host}"
    folder = plant.folder / name
    folder.mkdir()
    for database, line in (
        ("passwd", "systemd-resolve:x:996:996::/:/usr/sbin/nologin\n"),
        ("group", "systemd-resolve:x:996:\n"),
    ):
        text = Path("/etc", database).read_text()
        present = any(entry.startswith("systemd-resolve:") for entry in text.splitlines())
        (folder / database).write_text(text if present else text + line)
    (folder / "lab.conf").write_text(
        "[Resolve]\nLLMNR=yes\nMulticastDNS=no\nDNSStubListener=no\nCache=no\nDNSSEC=no\n"
    )
    libraries = ":".join(str(path) for path in sorted(UNPACKED.glob("usr/lib/*/systemd")))
    return alone(
        host=host,
        name=name,
        hostname=hostname,
        setup=(
            f"mount --bind {folder}/passwd /etc/passwd; mount --bind {folder}/group /etc/group;"
            "mkdir -p /run/systemd/resolved.conf.d;"
            f"cp {folder}/lab.conf /run/systemd/resolved.conf.d"
        ),
        command=f"env LD_LIBRARY_PATH={libraries} {resolved()}",
        sockets=("udp 5355", "tcp 5355"),
    )


def account(plant: Plant, resolver: str) -> None:
    """The user of the CUBE's shell: a key to log in with, no shell to give, a resolver to ask.

    Whoever starts a shell binds these files over the computer's own, where only it sees them.
    """
    folder = plant.folder / "shell"
    authorised = folder / "home" / ".ssh" / "authorized_keys"
    authorised.parent.mkdir(parents=True)
    key = plant.folder / "cube_key"
    run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)])
    authorised.write_text(key.with_suffix(".pub").read_text())
    user = f"service:x:65533:65534::{folder}/home:/usr/sbin/nologin\n"
    (folder / "passwd").write_text(Path("/etc/passwd").read_text() + user)
    (folder / "shadow").write_text(Path("/etc/shadow").read_text() + "service:*:20000::::::\n")
    (folder / "shells").write_text("/usr/sbin/nologin\n")
    (folder / "resolv.conf").write_text(f"nameserver {resolver}\n")
    binds = (
        f"mount --bind {folder}/{name} $(readlink -f /etc/{name})\n"
        for name in ("passwd", "shadow", "shells", "resolv.conf")
    )
    (folder / "enter").write_text("set -e\n" + "".join(binds))


def sshd(plant: Plant, lines: tuple[str, ...]) -> Server:
    """The CUBE's maintenance shell, switched on; who may log in there, if anybody, see above."""
    key = plant.folder / "ssh_host_ed25519_key"
    run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)])
    configuration = plant.folder / "sshd.conf"
    configuration.write_text(
        f"ListenAddress {CUBE}\nHostKey {key}\nPidFile none\nUsePAM no\n" + "\n".join(lines) + "\n"
    )
    entered = plant.folder / "shell" / "enter"
    return alone(
        host="cube",
        name="sshd",
        hostname="cube-4711",
        setup="mkdir -m 0755 /run/sshd" + (f"; . {entered}" if entered.exists() else ""),
        command=f"{shutil.which('sshd', path=search_path())} -D -e -f {configuration}",
        sockets=("tcp 22",),
    )


def fake(number: int, line: str, plant: Plant) -> Server:
    """A faulty server of the simulator: ``HOST PROTOCOL BEHAVIOUR [ARGUMENT ...]``."""
    host, protocol, behaviour, *arguments = shlex.split(line)
    settings, socket = FAKES[protocol]
    usual = [setting.replace("{folder}", str(plant.folder)) for setting in settings]
    words = [*usual, *arguments]
    addresses = ["", *(value for key, value in pairwise(words) if key == "--address")]
    where = f"PYTHONPATH={PROJECT}:{PROJECT / 'src'}"
    program = ("-m", "fixtures.simulator", protocol, "--behaviour", behaviour)
    return Server(
        host=host,
        name=f"fake-{number}-{protocol}",
        command=("env", where, sys.executable, *program, *usual, *arguments),
        sockets=(f"tcp {arguments[-1]}",)
        if "--port" in arguments
        else (socket.format(address=addresses[-1]),),
    )


def alone(
    *,
    name: str,
    hostname: str,
    setup: str,
    command: str,
    sockets: tuple[str, ...],
    host: str,
) -> Server:
    """Start a server with a host name, an empty /run and mounts that only it sees."""
    script = (
        "set -e; mount -t tmpfs -o mode=0755 tmpfs /run;"
        f"{setup}; hostname {hostname}; exec {command}"
    )
    return Server(
        host=host,
        name=name,
        command=("unshare", "-m", "-u", "--propagation", "private", "sh", "-c", script),
        sockets=sockets,
    )
