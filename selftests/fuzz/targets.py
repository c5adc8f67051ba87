"""What is fuzzed: every reader of bytes from the network or from a file, given arbitrary ones.

A target takes bytes and returns nothing. Whatever the bytes, it has to end in what its reader may
end in: a record that ``evidence.json`` can hold, or the error that the reader's docstring names.
Anything else is a finding.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, cast

import dns.message
import dns.name
import dns.rdatatype
import msgspec

from cube_acceptance import evidence_file, site
from cube_acceptance.evidence import Vantage
from cube_acceptance.probes import dhcp, leases, llmnr, mdns, ntp, ssh
from cube_acceptance.probes import dns as dns_probe
from cube_acceptance.probes.net import (
    dhcp_packet,
    echo,
    group_socket,
    http1,
    lease_texts,
    multicast,
    onward,
    ping_command,
)
from cube_acceptance.probes.net.deadline import Deadline
from cube_acceptance.probes.net.dns_message import text_of
from cube_acceptance.probes.net.errors import ReachError
from cube_acceptance.probes.net.log import Log
from cube_acceptance.probes.net.measuring import Stopwatch
from cube_acceptance.probes.net.receive import UnwantedError
from cube_acceptance.probes.net.together import alone
from selftests.support import cases

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Mapping

    from cube_acceptance.probes.net.lease_texts import Lease

HOST = "10.20.0.50"
LIMIT_S = 5.0
DATAGRAM = 1472
"""What one unfragmented UDP packet carries over Ethernet."""
STREAM = 8192
FILE = 4096


class Peer:
    """Stands for a connected socket whose peer says these bytes, in pieces, and closes."""

    def __init__(self, data: bytes, piece: int) -> None:
        """Send ``data``, at most ``piece`` bytes at a time."""
        self._data = data
        self._piece = piece

    def settimeout(self, limit_s: float) -> None:
        """Never wait."""

    def gettimeout(self) -> float:
        """Look as if it waited itself."""
        return LIMIT_S

    def sendall(self, data: bytes) -> None:
        """Hear nothing."""

    def getsockopt(self, *_: int) -> bytes:
        """Know of no error."""
        return b""

    def recv(self, limit: int, _flags: int = 0) -> bytes:
        """Return the next piece."""
        size = min(limit, self._piece)
        found, self._data = self._data[:size], self._data[size:]
        return found


def in_pieces(data: bytes) -> socket.socket:
    """Read the size of the pieces from the first byte, and the rest as what is said."""
    return cast("socket.socket", Peer(data[1:], 1 + data[0] if data else 1))


def kept(record: object) -> None:
    """Make sure that a record can stand in ``evidence.json`` and be read back as it was."""
    written = msgspec.json.encode(record)
    if msgspec.json.decode(written, type=type(record)) != record:
        raise AssertionError(f"not the same after reading it back: {record}")


def packets(data: bytes) -> list[bytes]:
    """Cut bytes into several packets: each begins with its length in two bytes."""
    found = []
    while len(data) > 2:
        size = int.from_bytes(data[:2], "big")
        found.append(data[2 : 2 + size])
        data = data[2 + size :]
    return found


def fuzz_dhcp(data: bytes) -> None:
    """Read IP packets with DHCP messages, and whether they are offers to us."""
    probe = dhcp.DhcpProbe(vantage=VANTAGE)
    findings = dhcp._Findings(Log(Stopwatch()), 0x11223344, bytes(6))
    for packet in packets(data):
        taken = dhcp_packet.unwrap(packet)
        probe._take(taken, findings)
        plain = dhcp_packet.Datagram(packet, HOST, 67)
        probe._take(plain, findings)
    for record in (*findings.offers, *findings.log.ignored, *findings.log.tries):
        kept(record)


def fuzz_dns(data: bytes) -> None:
    """Read replies to one question, and follow their aliases."""
    chain = dns_probe._Chain(QUERY.question[0].name)
    for packet in packets(data):
        with contextlib.suppress(UnwantedError):
            answer = dns_probe.read_answer(QUERY, packet)
            chain.follow(answer)
            for name in chain.targets:
                text_of(name).encode()
            msgspec.json.encode([answer.rcode, *answer.addresses.values()])


def fuzz_ntp(data: bytes) -> None:
    """Read answers to a question of ours."""
    question = ntp.Question(packet=bytes(40) + b"question", at_s=0.0, moment=1.0, clock_s=1.8e9)
    for packet in packets(data):
        with contextlib.suppress(UnwantedError):
            asked = ntp.question_of(packet, [question])
            kept(ntp.read_reply(packet, asked, 1.5))


def _multicast(data: bytes, read: multicast.Reader, port: int, claim: str) -> None:
    asking = multicast.Asking(
        group="224.0.0.251", port=port, tries=1, window_s=1.0, host=HOST, claim=claim
    )
    found = multicast.Collected(asking, read, Log(Stopwatch()))
    found.begin(QUERY, QUERY.to_wire())
    for number, packet in enumerate(packets(data)):
        address = HOST if number % 2 else "10.20.0.66"
        found.take(group_socket.Arrival(packet, address, port, 0.0))
    for record in (*found.replies, *found.log.ignored, *found.log.tries):
        kept(record)


def fuzz_mdns(data: bytes) -> None:
    """Read what hosts of the link say to a multicast question."""
    _multicast(data, mdns.read_mdns, 5353, "cube-4711.local")


def fuzz_llmnr(data: bytes) -> None:
    """Read what hosts of the link say to an LLMNR question."""
    _multicast(data, llmnr.read_llmnr, 5355, "cube-4711")


def fuzz_http(data: bytes) -> None:
    """Read a response, its body and its title, and where it leads."""
    with contextlib.suppress(ReachError):
        reply, body = http1.fetch(
            in_pieces(data),
            http1.Question(url="http://10.20.0.50/", host=HOST),
            Deadline(LIMIT_S),
        )
        kept(reply)
        text = http1.decoded(body, dict(reply.headers).get("content-type", ""))
        if lead := onward.onward(reply, text):
            text += lead.location
        text.encode()


def fuzz_ssh(data: bytes) -> None:
    """Read an identification and the key exchange message after it."""
    talk = ssh._Talk(in_pieces(data), Deadline(LIMIT_S))
    with contextlib.suppress(ReachError):
        banner = alone(talk.identification())
        msgspec.json.encode([banner, *alone(talk.key_exchange(banner))])


def fuzz_icmp(data: bytes) -> None:
    """Read ICMP messages and what the system's ping prints."""
    reader = echo.Reader(HOST, 0x1234, b"payload")
    for packet in packets(data):
        reader.read(echo.strip_ip_header(packet), HOST)
        reader.read(packet, HOST)
    for platform in ("linux", "darwin", "win32"):
        ping_command.read_output(data.decode("utf-8", errors="replace"), 1, HOST, platform)


def fuzz_leases(data: bytes) -> None:
    """Read the files and outputs of every DHCP client that is known."""
    text = data.decode("utf-8", errors="replace")
    found: list[Lease | None] = [
        lease_texts.read_networkd(text, 1.8e9),
        lease_texts.read_nmcli(text),
        lease_texts.read_variables(text),
        lease_texts.read_dhclient(text, "eth0"),
        lease_texts.read_packet(data, 1.8e9),
        lease_texts.read_ipconfig(text),
        lease_texts.read_windows({"EnableDHCP": 1, "DhcpIPAddress": text, "Lease": text}),
        lease_texts.read_wicked(text, 1.8e9),
        lease_texts.read_connman(text, "eth0"),
        lease_texts.read_udhcpc(text, 1.8e9, "eth0"),
    ]
    lease_texts.connman_services(text)
    for asked in (
        lease_texts.asked_by_networkd,
        lease_texts.asked_by_dhclient,
        lease_texts.asked_by_dhcpcd,
    ):
        asked(text)
    for lease in filter(None, found):
        msgspec.json.encode(lease)
        leases._written(lease.expires_s)


def fuzz_site(data: bytes) -> None:
    """Read a site file."""
    path = _folder() / "site.toml"
    path.write_bytes(data)
    try:
        kept(site.load_site(path))
    except site.SiteError as error:
        str(error).encode()


def fuzz_evidence(data: bytes) -> None:
    """Read an evidence file, and judge whatever was accepted as one."""
    path = _folder() / "evidence.json"
    path.write_bytes(data)
    try:
        saved = evidence_file.load(path)
    except evidence_file.EvidenceError as error:
        str(error).encode()
        return
    kept(saved)
    for judgement in cases.judge_all(saved).values():
        msgspec.json.encode(judgement)


@functools.cache
@functools.cache
def _folder() -> Path:
    folder = tempfile.mkdtemp(prefix="cube-acceptance-fuzz-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


VANTAGE = Vantage(interface="eth0", address="10.20.0.20", prefix=24, mac="00:00:00:00:00:00")
QUERY = dns.message.make_query(
    dns.name.from_text("cube-4711.local"), dns.rdatatype.A, id=0x4711, use_edns=False
)

TARGETS: Mapping[str, tuple[Callable[[bytes], None], int]] = {
    "dhcp": (fuzz_dhcp, 2 * DATAGRAM),
    "dns": (fuzz_dns, 2 * DATAGRAM),
    "ntp": (fuzz_ntp, 256),
    "mdns": (fuzz_mdns, 2 * DATAGRAM),
    "llmnr": (fuzz_llmnr, 2 * DATAGRAM),
    "http": (fuzz_http, STREAM),
    "ssh": (fuzz_ssh, STREAM),
    "icmp": (fuzz_icmp, 512),
    "leases": (fuzz_leases, FILE),
    "site": (fuzz_site, FILE),
    "evidence": (fuzz_evidence, 2 * STREAM),
}
"""By name: the target, and how many bytes it is given at most."""
