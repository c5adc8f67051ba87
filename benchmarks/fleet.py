"""A thousand CUBEs in one program: ``python -m benchmarks.fleet FIRST COUNT``.

Every CUBE has an address of its own on one interface and answers by mDNS and LLMNR as a device
does: the question for its name, and by mDNS the question that everybody answers, the one for the
list of services. The replies are put together from bytes, so that this program takes as little as
possible of the processor that it shares with what is measured. Web pages come from one nginx.
"""

from __future__ import annotations

import contextlib
import ipaddress
import selectors
import socket
import struct
import sys
from typing import TYPE_CHECKING

from selftests.lab.plant import Server

if TYPE_CHECKING:
    from pathlib import Path

GROUPS = {5353: "224.0.0.251", 5355: "224.0.0.252"}
SERVICES = b"\x09_services\x07_dns-sd\x04_udp\x05local\x00"
"""RFC 6763 section 9."""
HTTP_SERVICE = b"\x05_http\x04_tcp\x05local\x00"
HEADER = struct.Struct("!HHHHHH")  # RFC 1035 section 4.1.1
RESPONSE = 0x8400
"""QR and AA; LLMNR has its conflict bit where AA is, so there it is left out."""
LLMNR_RESPONSE = 0x8000
TO_QUESTION = b"\xc0\x0c"
"""A pointer to the question's name (RFC 1035 section 4.1.4)."""
TTL_S = 10
IP_PKTINFO = 8  # linux/in.h; the socket module names it from Python 3.12 on
BUFFER = 4 * 1024 * 1024
ANYWHERE = "0.0.0.0"  # noqa: S104 - inside a namespace of the lab


def addresses(first: str, count: int) -> tuple[str, ...]:
    """Return ``count`` addresses from ``first`` on, without those that end in 0 or 255."""
    found: list[str] = []
    address = ipaddress.IPv4Address(first)
    while len(found) < count:
        if int(address) % 256 not in {0, 255}:
            found.append(str(address))
        address += 1
    return tuple(found)


def name_of(number: int) -> str:
    """Name the host of a CUBE."""
    return f"cube-{number:04}"


def record(kind: int, data: bytes) -> bytes:
    """Write one record whose owner is the question's name."""
    return TO_QUESTION + struct.pack("!HHIH", kind, 1, TTL_S, len(data)) + data


def replies(query: bytes, port: int, owners: dict[bytes, bytes]) -> list[tuple[bytes, bytes]]:
    """Return the replies to one query, each with the address that it is sent from."""
    if len(query) < HEADER.size:
        return []
    number, flags, questions, _, _, _ = HEADER.unpack_from(query)
    end = query.find(b"\0", HEADER.size) + 1
    if flags & 0x8000 or questions != 1 or not end or len(query) < end + 4:
        return []
    name, kind = query[HEADER.size : end].lower(), query[end : end + 2]
    response = RESPONSE if port == 5353 else LLMNR_RESPONSE  # noqa: PLR2004 - mDNS
    head = HEADER.pack(number, response, 1, 1, 0, 0) + query[HEADER.size : end + 4]
    if port == 5353 and name == SERVICES and kind == b"\0\x0c":  # noqa: PLR2004 - mDNS
        listed = head + record(12, HTTP_SERVICE)
        return [(listed, owner) for owner in owners.values()]
    owner = owners.get(name)
    if owner is None or kind != b"\0\x01":
        return []
    return [(head + record(1, owner), owner)]


def serve(owners: dict[int, dict[bytes, bytes]], interface: str) -> None:
    """Answer on both groups until the process is ended."""
    with selectors.DefaultSelector() as waiting:
        for port, group in GROUPS.items():
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 255)
            sock.bind((ANYWHERE, port))
            index = socket.if_nametoindex(interface)
            member = struct.pack("4s4si", socket.inet_aton(group), bytes(4), index)
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
            waiting.register(sock, selectors.EVENT_READ, port)
        while True:
            for key, _ in waiting.select():
                sock = key.fileobj  # type: ignore[assignment]
                query, sender = sock.recvfrom(2048)
                for payload, owner in replies(query, key.data, owners[key.data]):
                    source = struct.pack("=I4s4s", 0, owner, bytes(4))
                    with contextlib.suppress(PermissionError):  # the lab's filter: a dark CUBE
                        sock.sendmsg(
                            [payload], [(socket.IPPROTO_IP, IP_PKTINFO, source)], 0, sender
                        )


def responders(host: str, first: str, count: int) -> Server:
    """Return the server that answers for all CUBEs by mDNS and LLMNR."""
    return Server(
        host=host,
        name="fleet-names",
        command=(sys.executable, "-m", "benchmarks.fleet", first, str(count)),
        sockets=("udp 5353", "udp 5355"),
    )


def pages(host: str, folder: Path) -> Server:
    """Return the nginx that has the pages of all CUBEs."""
    place = folder / "nginx-fleet"
    place.mkdir()
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    places = "\n".join(f"{kind}_temp_path {place}/{kind};" for kind in kinds)
    sections = "\n".join(
        f"server {{ listen {port} backlog=4096; default_type text/html;"
        f" return 200 '<!doctype html><title>{title}</title><h1>{title}</h1>'; }}"
        for port, title in ((80, "IoT CUBE diagnosis"), (5555, "tapio CloudConnector"))
    )
    configuration = place / "nginx.conf"
    configuration.write_text(
        f"daemon off; master_process off; user root; pid {place}/nginx.pid;\n"
        f"error_log {place}/error.log; events {{ worker_connections 8192; }}\n"
        f"worker_rlimit_nofile 16384;\n"
        f"http {{ access_log off; server_tokens off;\n{places}\n{sections}\n}}\n"
    )
    command = ("nginx", "-c", str(configuration), "-p", str(place), "-e", f"{place}/error.log")
    return Server(host=host, name="fleet-pages", command=command, sockets=("tcp 80", "tcp 5555"))


def main(first: str, count: str) -> None:
    """Be ``count`` CUBEs from the address ``first`` on."""
    names: dict[int, dict[bytes, bytes]] = {5353: {}, 5355: {}}
    for number, address in enumerate(addresses(first, int(count))):
        label = name_of(number).encode()
        owner = socket.inet_aton(address)
        names[5353][bytes([len(label)]) + label + b"\x05local\0"] = owner
        names[5355][bytes([len(label)]) + label + b"\0"] = owner
    serve(names, "eth0")


if __name__ == "__main__":
    main(*sys.argv[1:])
