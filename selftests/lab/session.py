"""One session of the acceptance suite on the plant's laptop, started as a user would."""

from __future__ import annotations

import datetime as dt
import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dns.flags
import dns.message

from selftests.lab.daemons import account, clock_environment, further_servers, real_servers
from selftests.lab.plant import CUBE, GATEWAY, Plant, compiled_once, run

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from selftests.lab.certificates import Authorities
    from selftests.lab.condition import Condition

PROJECT = Path(__file__).parents[2]
SESSION_LIMIT_S = 180.0
ORDINARY_USER = 65534
SLASH = "\N{DIVISION SLASH}"
"""Stands for a slash in the name of a mount's upper layer."""
PACE_FOLDER = "/tmp/cube-acceptance-pace"  # noqa: S108 - where the suite keeps its pace

SITE: dict[str, Any] = {
    "stage": "acceptance",
    "language": "en",
    "site": {"name": "Lab"},
    "vantage": {"interface": "eth0", "network": "10.20.0.0/24"},
    "cube": [
        {
            "name": "line-1",
            "address": CUBE,
            "version": "0.131.0",
            "hostname": "cube-4711",
            "ssh": "disabled",
        }
    ],
    "cloud": {
        "tapio": ["disco.tapio.one"],
        "homag": ["connect.homag.cloud"],
        "ca_file": "lab-ca.pem",
    },
}
"""The site file of the healthy plant."""

RELATIVE_SLEEP = """\
import select
import time

time.sleep = lambda seconds: select.select([], [], [], seconds) and None
"""
"""libfaketime breaks sleeping until an absolute time, which is how Python sleeps."""

READ_FROM_THE_COMPUTER = (
    "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PYTEST_ADDOPTS", "PYTEST_PLUGINS", "NETRC",
)  # fmt: skip
"""Variables of the developer's computer that a session in the lab starts without."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """What a session left: exit status, terminal, folders and the certificate, if any."""

    status: int
    terminal: str
    folders: tuple[Path, ...] = ()
    certificate: dict[str, Any] | None = None
    outcomes: dict[str, str] = field(default_factory=dict)
    """``outcome cause`` of every entry; a cube's name is added where there are several."""
    observations: tuple[str, ...] = ()

    @property
    def verdict(self) -> str:
        """The certificate's verdict, empty where there is no certificate."""
        return str((self.certificate or {}).get("verdict", ""))


@contextmanager
def plant_under(condition: Condition, authorities: Authorities) -> Iterator[Plant]:
    """Build a plant with all servers running and the condition's changes in force."""
    with Plant() as plant:
        authorities.write(plant.folder)
        for host, address in condition.hosts.items():
            plant.join(host, address)
        for line in condition.ip:
            host, command = line.split(" ", 1)
            names = {name: plant.namespace(name) for name in ("cube", "gateway", "laptop", "cloud")}
            names |= {name: plant.namespace(name) for name in condition.hosts}
            plant.ip(host, command.format_map(names))
        for line in condition.sysctl:
            plant.sysctl(*line.split(" ", 1))
        (plant.folder / "dnsmasq.leases").write_text("".join(f"{x}\n" for x in condition.leases))
        if "login" in condition.site.get("cube", {}):
            account(plant, condition.resolver or GATEWAY)
        plant.start(
            [*real_servers(plant, condition, authorities), *further_servers(plant, condition)]
        )
        if "resolved" not in condition.without:
            plant.wait_until("LLMNR", lambda: plant.seen_from("gateway", llmnr_answers(condition)))
        if "avahi" not in condition.without:
            plant.wait_until("mDNS", lambda: "startup complete" in plant.log("avahi"))
        plant.firewall(condition.firewall)
        yield plant


class llmnr_answers:  # noqa: N801 - reads as the question that it is
    """Whether the CUBE has finished checking that its LLMNR name is its own."""

    def __init__(self, condition: Condition) -> None:
        """Ask for the name that the responder was given."""
        self.name = condition.llmnr_name

    def __call__(self) -> bool:
        """Ask once, on the gateway."""
        query = dns.message.make_query(self.name, "A")
        query.flags = dns.flags.Flag(0)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            asking.bind((GATEWAY, 0))
            asking.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(GATEWAY))
            asking.settimeout(0.1)
            asking.sendto(query.to_wire(), ("224.0.0.252", 5355))
            try:
                reply = dns.message.from_wire(asking.recv(2048))
            except TimeoutError:
                return False
        tentative = 0x0100  # T, RFC 4795 section 2.1.1; DNS has RD there
        return bool(reply.answer) and not reply.flags & tentative


def site_file(condition: Condition) -> dict[str, Any]:
    """Return the site file's content under a condition."""
    site = json.loads(json.dumps(SITE))
    _merge(site, condition.site)
    for key in condition.unset:
        table, _, name = key.rpartition(".")
        place = site[table] if table else site
        (place[0] if isinstance(place, list) else place).pop(name)
    return site


def fingerprint(plant: Plant) -> str:
    """Return the SHA-256 fingerprint of the shell's host key, as ssh-keygen prints it."""
    key = plant.folder / "ssh_host_ed25519_key.pub"
    return run(["ssh-keygen", "-l", "-f", str(key)]).split()[1] if key.exists() else ""


def _merge(into: dict[str, Any], change: Mapping[str, Any]) -> None:
    for key, value in change.items():
        old = into.get(key)
        if isinstance(old, list) and old and isinstance(old[0], dict) and isinstance(value, dict):
            _merge(old[0], value)
        elif isinstance(old, dict) and isinstance(value, dict):
            _merge(old, value)
        else:
            into[key] = value


def as_toml(site: Mapping[str, Any]) -> str:
    """Write a site file; plain values first, as TOML demands."""
    plain = [f"{key} = {_value(item)}" for key, item in site.items() if not _is_table(item)]
    lines = [*plain, ""]
    for key, item in site.items():
        if isinstance(item, dict):
            lines += [f"[{key}]", *(f"{name} = {_value(inner)}" for name, inner in item.items())]
        elif _is_table(item):
            for entry in item:
                lines += [f"[[{key}]]"]
                lines += [f"{name} = {_value(inner)}" for name, inner in entry.items()]
    return "\n".join(lines) + "\n"


def _is_table(item: object) -> bool:
    return isinstance(item, dict) or (
        isinstance(item, list) and bool(item) and isinstance(item[0], dict)
    )


def _value(item: object) -> str:
    if isinstance(item, dict):
        return "{ " + ", ".join(f"{key} = {_value(inner)}" for key, inner in item.items()) + " }"
    if isinstance(item, dt.date):
        return item.isoformat()
    return json.dumps(item)


def command_line(
    plant: Plant,
    condition: Condition,
    name: str = "session",
    more: Sequence[str] = (),
    program: str = "pytest",
) -> tuple[list[str], dict[str, str], Path]:
    """Return a session's command, its environment and its reports folder.

    ``program`` is the name of what starts it, as it is installed.
    """
    folder = plant.folder / name
    reports, home, temporary = folder / "reports", folder / "home", folder / "upper"
    for made in (reports, home):
        made.mkdir(parents=True)
    # Sessions of one plant are on one computer and share what computers share; other plants are
    # other computers, whose CUBEs happen to have the same address.
    shared, pace = plant.folder / "tmp", plant.folder / "pace"
    for folder_of_all in (shared, pace):
        folder_of_all.mkdir(exist_ok=True)
        folder_of_all.chmod(0o1777)
    site = plant.folder / f"{name}-site.toml"
    site.write_text(as_toml(site_file(condition)).replace("{fingerprint}", fingerprint(plant)))
    values = {"folder": str(plant.folder), "home": str(home)}
    laptop = condition.laptop

    clean = {key: text for key, text in os.environ.items() if not _read_from_computer(key)}
    env = clean | {"HOME": str(home), "TMPDIR": str(shared)}
    env |= compiled_once() | {"PYTHONPATH": str(PROJECT / "src")}
    if laptop.clock:
        env |= clock_environment(laptop.clock.format_map(values))
        env["PYTHONDONTWRITEBYTECODE"] = "1"  # a file's time is wrong as well
        (folder / "sitecustomize.py").write_text(RELATIVE_SLEEP)
        env["PYTHONPATH"] += f":{folder}"
    env |= {key: text.format_map(values) for key, text in laptop.env.items()}

    script = ["set -e", f"mkdir -p -m 1777 {PACE_FOLDER}", f"mount --bind {pace} {PACE_FOLDER}"]
    for path, text in laptop.files.items():
        copied = (plant.folder / text[1:]).read_text() if text.startswith("@") else text
        _place(temporary, home, path, copied)
    for path in laptop.hide:
        _hide(temporary, path)
    privilege: list[str] = []
    if laptop.user:
        rights = ",".join(f"+{right}" for right in laptop.rights)
        capabilities = [f"--{kind}-caps={rights or '-all'}" for kind in ("inh", "ambient")]
        privilege = [
            "setpriv", f"--reuid={ORDINARY_USER}", f"--regid={ORDINARY_USER}", "--clear-groups",
            *capabilities,
        ]  # fmt: skip
        for owned in (reports, home):
            os.chown(owned, ORDINARY_USER, ORDINARY_USER)
        _open_to_everybody(temporary, folder / "opened")
    uppers = [*temporary.glob("*"), *(folder / "opened").glob("*")]
    for number, upper in enumerate(sorted(uppers)):
        place = "/" + upper.name.replace(SLASH, "/")
        work = folder / "work" / str(number)
        work.mkdir(parents=True)
        layers = f"lowerdir={place},upperdir={upper},workdir={work}"
        script.append(f"mount -t overlay overlay -o {layers} {place}")
    installed = Path(sys.executable).with_name(program)
    # What is replayed brings its site along.
    about = [] if "--replay" in more else ["--site", str(site)]
    own = [item.format_map(values) for item in laptop.arguments]
    starting = [
        str(installed),
        *about,
        "--reports",
        str(reports),
        "-p",
        "no:cacheprovider",
        "-p",
        "no:hypothesispytest",  # the developer's, and not beside an installed suite
        "-W",
        "error",
    ]
    started = [*privilege, *starting, *own, *more]
    script.append("exec " + shlex.join(started))
    command = plant.inside(
        "laptop", "unshare", "-m", "--propagation", "private", "sh", "-c", "; ".join(script)
    )
    return command, env, reports


def _read_from_computer(key: str) -> bool:
    return key.upper() in READ_FROM_THE_COMPUTER or key.startswith(("PYTEST_", "COV_"))


def _open_to_everybody(temporary: Path, opened: Path) -> None:
    """Let an ordinary user reach the project and the interpreter, wherever root keeps them.

    A folder in an overlay has the mode of its upper layer. Only the outermost closed folder gets
    an overlay: they cannot be nested at will.
    """
    needed = (PROJECT, Path(sys.prefix), Path(sys.base_prefix), Path(sys.executable).resolve())
    folders = {folder for path in needed for folder in (path, *path.parents) if folder.is_dir()}
    tops: list[Path] = []
    for closed in sorted(folder for folder in folders if folder.stat().st_mode & 0o005 != 0o005):
        top = next((top for top in tops if closed.is_relative_to(top)), closed)
        if top == closed:
            tops.append(top)
        if top.parent == Path("/"):
            upper = temporary / top.name
        else:
            upper = opened / str(top).lstrip("/").replace("/", SLASH)
        (upper / closed.relative_to(top)).mkdir(parents=True, exist_ok=True)


def _place(upper: Path, home: Path, path: str, text: str) -> None:
    target = home / path[2:] if path.startswith("~/") else upper / path.lstrip("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text)


def _hide(upper: Path, path: str) -> None:
    target = upper / path.lstrip("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    os.mknod(target, 0o20000)  # a whiteout of overlayfs: character device 0, 0


def hold(
    plant: Plant, condition: Condition, name: str = "session", more: Sequence[str] = ()
) -> tuple[subprocess.Popen[str], Path]:
    """Start a session and give its process and its reports folder."""
    command, env, reports = command_line(plant, condition, name, more)
    return begin(command, env), reports


def begin(command: Sequence[str], env: Mapping[str, str]) -> subprocess.Popen[str]:
    """Start a session's command, in a group of processes of its own."""
    return subprocess.Popen(
        command,
        env=env,
        cwd=PROJECT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )


def finish(process: subprocess.Popen[str], reports: Path) -> Ended:
    """Wait for a session's end and read what it left; a session that hangs is ended."""
    try:
        terminal, _ = process.communicate(timeout=SESSION_LIMIT_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        terminal, _ = process.communicate()
        terminal += f"\nthe lab ended this session after {SESSION_LIMIT_S:.0f} s"
    folders = tuple(sorted(path for path in reports.iterdir() if path.is_dir()))
    certificate = None
    for folder in folders:
        if (folder / "certificate.json").exists():
            certificate = json.loads((folder / "certificate.json").read_text())
    return Ended(
        status=process.returncode,
        terminal=terminal,
        folders=folders,
        certificate=certificate,
        outcomes=outcomes_of(certificate),
        observations=observations_of(certificate),
    )


def hold_and_finish(
    plant: Plant, condition: Condition, name: str = "session", more: Sequence[str] = ()
) -> Ended:
    """Run one session from start to end.

    Raises:
        LabError: a server did not last.
    """
    ended = finish(*hold(plant, condition, name, more))
    plant.check()
    return ended


def outcomes_of(certificate: Mapping[str, Any] | None) -> dict[str, str]:
    """Return every entry's outcome and cause; keyed by requirement, and cube where several."""
    results = (certificate or {}).get("results", [])
    first = next((entry["subject"] for entry in results if entry["subject"] != "site"), "site")
    return {
        entry["requirement"]
        + ("" if entry["subject"] in ("site", first) else f"@{entry['subject']}"): " ".join(
            filter(None, (entry["outcome"], entry.get("cause")))
        )
        for entry in results
    }


def observations_of(certificate: Mapping[str, Any] | None) -> tuple[str, ...]:
    """Return the certificate's observations as ``requirement code``, sorted, each once."""
    entries = (certificate or {}).get("observations", [])
    return tuple(sorted({f"{entry['requirement']} {entry['code']}" for entry in entries}))


def disagreements(condition: Condition, ended: Ended) -> list[str]:
    """Describe, a line each, where a session did not end as its row demands; empty when it did."""
    lines = []
    wanted = condition.outcomes()
    for key in sorted(wanted.keys() | ended.outcomes.keys()):
        want, got = wanted.get(key, "(no entry)"), ended.outcomes.get(key, "(no entry)")
        if want != got:
            lines.append(f"{key}: wanted {want}, got {got}{_reason(ended, key)}")
    if ended.verdict != condition.verdict:
        lines.append(f"verdict: wanted {condition.verdict}, got {ended.verdict or '(none)'}")
    if ended.status != condition.exit_status:
        lines.append(f"exit status: wanted {condition.exit_status}, got {ended.status}")
    wanted_notes = condition.observations
    if wanted_notes is not None and tuple(sorted(wanted_notes)) != ended.observations:
        lines.append(f"observations: wanted {sorted(wanted_notes)}, got {ended.observations}")
    return lines


def _reason(ended: Ended, key: str) -> str:
    for entry in (ended.certificate or {}).get("results", []):
        if entry["requirement"] == key.partition("@")[0]:
            return f" ({entry.get('reason', '')})"
    return ""


def run_folder(ended: Ended) -> Path:
    """Return the one folder that a session made.

    Raises:
        ValueError: it made none, or several.
    """
    (folder,) = ended.folders
    return folder


def keep(ended: Ended, folder: Path) -> None:
    """Copy what a session left to a folder, for a look afterwards."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "terminal.txt").write_text(ended.terminal)
    for number, run_folder in enumerate(ended.folders):
        shutil.copytree(run_folder, folder / f"run-{number}", dirs_exist_ok=True)
