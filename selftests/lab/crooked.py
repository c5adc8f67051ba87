"""Small servers that no package has: ``python -m selftests.lab.crooked KIND ADDRESS:PORT ...``.

``udp`` holds a port and never answers; ``tls`` speaks TLS where plain text is expected and
takes a certificate chain and its key as further arguments.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import sys


def hold_udp(address: str, port: int) -> None:
    """Hold a UDP port as a DHCP client does, and read without answering."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind((address, port))
        while True:
            held.recv(2048)


def serve_tls(address: str, port: int, chain: str, key: str) -> None:
    """Make TLS handshakes and say nothing in them."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    with socket.create_server((address, port)) as listening:
        while True:
            connection, _ = listening.accept()
            with connection, contextlib.suppress(OSError):
                connection.settimeout(5)
                context.wrap_socket(connection, server_side=True).close()


def main(kind: str, place: str, *arguments: str) -> None:
    """Serve until the process is ended."""
    address, _, port = place.rpartition(":")
    match kind:
        case "udp":
            hold_udp(address, int(port))
        case "tls":
            serve_tls(address, int(port), *arguments)
        case _:
            raise SystemExit(f"no such kind: {kind}")


if __name__ == "__main__":
    main(*sys.argv[1:])
