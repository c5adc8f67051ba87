"""What a fleet's CUBEs are asked, by the libraries alone: ``python -m benchmarks.exchanges``.

For each CUBE two pages with requests, one refused connection with paramiko, four echo requests by
a plain socket, its name by mDNS and LLMNR with dnspython; once for all the list of services. One
after another in one thread, nothing is checked, kept or judged: there is no cheaper way to ask.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import struct
import sys
import time

import dns.message
import dns.query
import dns.rdatatype
import paramiko
import requests

from benchmarks import fleet

SERVICES = "_services._dns-sd._udp.local"
WAIT_S = 2.0
ECHOES = 4
BUFFER = 4 * 1024 * 1024
SO_RCVBUFFORCE = 33  # asm-generic/socket.h; the socket module does not name it


def ask(sock: socket.socket, name: str, kind: str, port: int, count: int = 1) -> None:
    """Ask a group and read so many replies."""
    query = dns.message.make_query(name, kind, use_edns=False, flags=0)
    dns.query.send_udp(sock, query, (fleet.GROUPS[port], port))
    sock.settimeout(0)  # the library does the waiting
    for _ in range(count):
        dns.query.receive_udp(sock, expiration=time.time() + WAIT_S)


def echo(sock: socket.socket, address: str) -> None:
    """Send echo requests and read the replies (RFC 792)."""
    for sequence in range(1, ECHOES + 1):
        head = struct.pack("!BBHHH", 8, 0, 0, 1, sequence)
        total = sum(struct.unpack("!4H", head))
        summed = ((total & 0xFFFF) + (total >> 16)) ^ 0xFFFF
        sock.sendto(struct.pack("!BBHHH", 8, 0, summed, 1, sequence), (address, 0))
        sock.recv(2048)


def main(first: str, count: str) -> None:
    """Ask every CUBE of a fleet."""
    logging.getLogger("paramiko").addHandler(logging.NullHandler())
    places = fleet.addresses(first, int(count))
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as names,
        socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as echoes,
    ):
        names.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER)
        echoes.settimeout(WAIT_S)
        for number, address in enumerate(places):
            for port in (80, 5555):
                requests.get(f"http://{address}:{port}/", timeout=WAIT_S).text  # noqa: B018
            with contextlib.suppress(paramiko.SSHException):
                paramiko.Transport((address, 22)).close()
            echo(echoes, address)
            ask(names, f"{fleet.name_of(number)}.local", "A", 5353)
            ask(names, fleet.name_of(number), "A", 5355)
        ask(names, SERVICES, "PTR", 5353, len(places))


if __name__ == "__main__":
    main(*sys.argv[1:])
