"""What a user would take instead: Debian's monitoring-plugins in a shell script, and nmap.

Each does as much of the list as it can, and ends with 0 when everything required that it can
decide is well. What is generous to them: they are told the addresses that DHCP and DNS would have
to give, they are started with all rights, and a wrong clock or a missing right of the laptop is
the suite's alone to cope with.
"""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from selftests.lab.plant import CLOUD, GATEWAY

if TYPE_CHECKING:
    from collections.abc import Mapping

PLUGINS = Path("/usr/lib/nagios/plugins")
NAMES = ("check_dhcp", "check_dig", "check_ntp_time", "check_http", "check_ping", "check_ssh")
PROGRAMS = ("dig", "nmap", *(str(PLUGINS / name) for name in NAMES))
"""Packages: monitoring-plugins-basic, monitoring-plugins-standard, bind9-dnsutils, nmap."""

OFFER_S = 5
"""check_dhcp listens for as long as it is told, whatever comes; a server that first looks
whether its address is free answers after 3 s."""
PING = "-w 2000,75% -c 2000,100% -p 4 -t 10"
"""One reply of four will do, as for the suite; the time limit is the other plugins' default."""
NMAP_LIMIT_S = 100
LAST_OLD = (0, 129, 7)
"""The last version whose diagnosis page is at port 45001."""

DECIDES: dict[str, dict[str, str]] = {
    "DHCP-01": {
        "plugins": "partly: an offer came, not what is in it",
        "nmap": "yes, read by eye",
    },
    "NTP-01": {
        "plugins": "yes, against this computer's clock alone",
        "nmap": "partly: an answer, not whether it is right",
    },
    "DNS-01": {
        "plugins": "partly: an answer, not whether the address can be used",
        "nmap": "no: that something answers at the port",
    },
    "HTTPS-01": {
        "plugins": "partly: TLS and HTTP, not whether the certificate is to be trusted",
        "nmap": "partly: shows the certificate, does not check it",
    },
    "PING-01": {"plugins": "yes", "nmap": "partly: one request"},
    "DIAG-01": {"plugins": "yes", "nmap": "partly: the port and a title"},
    "CONN-01": {"plugins": "yes", "nmap": "partly: the port and a title"},
    "MDNS-01": {"plugins": "no", "nmap": "partly: services, asked by unicast"},
    "LLMNR-01": {"plugins": "no", "nmap": "no: its script does not end in this lab"},
    "PING-02": {"plugins": "yes", "nmap": "partly: one request"},
    "SSH-01": {"plugins": "partly: open or not; silence looks like off", "nmap": "yes"},
}
"""Which of the eleven entries a peer can decide at all, by what its programs check."""


def missing() -> list[str]:
    """Name the programs that this computer lacks."""
    return [program for program in PROGRAMS if shutil.which(program) is None]


def diagnosis_port(cube: Mapping[str, Any]) -> int:
    """Return the port of the diagnosis page by the version, 80 where none is known."""
    numbers = str(cube.get("version", "")).split(".")
    known = all(number.isdigit() for number in numbers)
    return 45001 if known and tuple(map(int, numbers)) <= LAST_OLD else 80


def _checks(site: Mapping[str, Any]) -> list[tuple[bool, str]]:
    """List the plugins' calls, each with whether its entry is required."""
    plugin = {name: shlex.quote(str(PLUGINS / name)) for name in NAMES}
    cube = site["cube"][0]
    address = cube["address"]
    ping = CLOUD["disco.tapio.one"]
    shell = f"{plugin['check_ssh']} {address}"
    return [
        (True, f"{plugin['check_dhcp']} -i eth0 -t {OFFER_S}"),
        *((True, f"{plugin['check_dig']} -H {GATEWAY} -l {name}") for name in CLOUD),
        (True, f"{plugin['check_ntp_time']} -H {GATEWAY}"),
        *(
            (True, f"{plugin['check_http']} -H {name} -I {place} -S --sni -e HTTP/1")
            for name, place in CLOUD.items()
        ),
        (True, f"{plugin['check_http']} -I {address} -p {diagnosis_port(cube)}"),
        (True, f"{plugin['check_http']} -I {address} -p 5555"),
        (False, f"{plugin['check_ping']} -H {ping} {PING}"),
        (False, f"{plugin['check_ping']} -H {address} {PING}"),
        (False, shell if cube.get("ssh") == "enabled" else f"! {shell}"),
    ]


def plugins(site: Mapping[str, Any], *, parallel: bool) -> str:
    """Write the shell script over the plugins; all at once, or one after another."""
    lines = ["bad=$(mktemp)"]
    for required, call in _checks(site):
        line = f"{call} >/dev/null 2>&1"
        if required:
            line = f"{line} || echo x >>$bad"
        lines.append(f"{{ {line}; }} &" if parallel else line)
    lines += ["wait", "test ! -s $bad; status=$?", "rm -f $bad", "exit $status"]
    return "\n".join(lines)


def nmap(site: Mapping[str, Any], *, parallel: bool) -> str:
    """Write the shell script over nmap; what is required is read from what it shows."""
    cube = site["cube"][0]
    address, diagnosis = cube["address"], diagnosis_port(cube)
    services = "http-title,dns-service-discovery,ssh-hostkey"
    targets = " ".join(CLOUD.values())
    scans = {
        "dhcp": "-e eth0 --script broadcast-dhcp-discover",
        "gateway": f"-Pn -sU -p 53,123 --script ntp-info,dns-recursion {GATEWAY}",
        "cloud": f"-Pn -sT -p 443 --script ssl-cert,http-title {targets}",
        "ping": f"-sn -PE --disable-arp-ping {CLOUD['disco.tapio.one']} {address}",
        "cube": f"-Pn -sS -sU -p T:22,T:{diagnosis},T:5555,U:5353 --script {services} {address}",
    }
    wanted = (
        "grep -q DHCPOFFER $out/dhcp",
        "grep -q '^53/udp *open ' $out/gateway",
        "grep -q 'receive time' $out/gateway",
        f"test $(grep -c '^443/tcp *open' $out/cloud) -eq {len(CLOUD)}",
        f"grep -q '^{diagnosis}/tcp *open' $out/cube",
        "grep -q '^5555/tcp *open' $out/cube",
    )
    end = " &" if parallel else ""
    lines = ["out=$(mktemp -d)"]
    lines += [
        f"timeout {NMAP_LIMIT_S} nmap -n {words} >$out/{name} 2>&1{end}"
        for name, words in scans.items()
    ]
    lines += [
        "wait",
        " && ".join(wanted),
        "status=$?",
        "rm -rf $out",
        "exit $status",
    ]
    return "\n".join(lines)
