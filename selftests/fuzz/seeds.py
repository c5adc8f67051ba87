"""Valid inputs to begin with, so that the fuzzer does not have to invent the formats."""

from __future__ import annotations

import socket
import struct
from pathlib import Path
from typing import TYPE_CHECKING

import dns.flags
import dns.message
import dns.rrset

from cube_acceptance import evidence_file
from selftests.fuzz.targets import HOST, QUERY
from selftests.support import healthy

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PROJECT = Path(__file__).parents[2]
OFFER_OPTIONS = bytes.fromhex(
    "350102 3604 0a140001 3304 00000e10 0104 ffffff00 0304 0a140001 0604 0a140001 2a04 0a140001"
    "7905 00 0a140001 340103 ff"
)

NETWORKD = (
    "ADDRESS=10.20.0.20\nNETMASK=255.255.255.0\nROUTER=10.20.0.1\nDNS=10.20.0.1\nLIFETIME=1h\n"
)
DHCLIENT = """\
lease {
  interface "eth0";
  fixed-address 10.20.0.20;
  option subnet-mask 255.255.255.0;
  option routers 10.20.0.1;
  option ntp-servers 10.20.0.1, 10.20.0.2;
  option dhcp-lease-time 3600;
  expire 2 2026/11/24 10:00:00;
}
"""
DHCLIENT_LOCAL = """\
lease {
  interface "eth0";
  fixed-address 10.20.0.20;
  option rfc3442-classless-static-routes 0,10,20,0,1,16,10,30,10,20,0,9;
  option ntp-servers 112.111.111.108,46.110.116.112;
  renew epoch 1795447939; # Mon Nov 23 15:32:19 2026
  expire epoch 4102444800; # Fri Jan  1 00:00:00 2100
}
"""
DHCLIENT_CONF = "request subnet-mask, domain-name-servers;\nalso request ntp-servers; # later\n"
WICKED = (
    "<lease><state>granted</state><acquired>1795446139</acquired><ipv4:dhcp>"
    "<server-address>10.20.0.1</server-address><lease-time>3600</lease-time>"
    "<address>10.20.0.20</address><netmask>255.255.255.0</netmask>"
    "<routes><route><nexthop><gateway>10.20.0.1</gateway></nexthop></route></routes>"
    "<dns><server>10.20.0.1</server></dns><ntp><server>10.20.0.1</server></ntp>"
    "</ipv4:dhcp></lease>"
)
CONNMAN = (
    "*AO Wired                ethernet_be_cable\n"
    "  Ethernet = [ Method=auto, Interface=eth0, MTU=1500 ]\n"
    "  IPv4 = [ Method=dhcp, Address=10.20.0.20, Netmask=255.255.255.0, Gateway=10.20.0.1 ]\n"
    "  Nameservers = [ 10.20.0.1 ]\n  Timeservers = [ 10.20.0.1 ]\n"
)
UDHCPC = (
    "export interface=eth0\nip=10.20.0.20\nsubnet=255.255.255.0\nserverid=10.20.0.1\nlease=3600\n"
    "staticroutes='0.0.0.0/0 10.20.0.1'\ndns=10.20.0.1\nntpsrv=10.20.0.1\n"
)
NMCLI = "DHCP4.OPTION[1]:ip_address = 10.20.0.20\nDHCP4.OPTION[2]:expiry = 1795514400\n"
IPCONFIG = """\
yiaddr = 10.20.0.20
options:
lease_time (uint32): 0xe10
server_identifier (ip): 10.20.0.1
domain_name_server (ip_mult): {10.20.0.1, 10.20.0.2}
"""
WINDOWS = '[{"DhcpIPAddress":"10.20.0.20","LeaseTerminatesTime":1795514400}]'
PING = "64 bytes from 10.20.0.50: icmp_seq=1 ttl=64 time=0.045 ms\n"


def framed(*packets: bytes) -> bytes:
    """Write packets as the targets take them: each after its length."""
    return b"".join(struct.pack(">H", len(packet)) + packet for packet in packets)


def _dhcp_message() -> bytes:
    header = struct.pack(">BBBBIHH", 2, 1, 6, 0, 0x11223344, 0, 0x8000)
    addresses = b"".join(map(socket.inet_aton, ("0.0.0.0", "10.20.0.77", "10.20.0.1", "0.0.0.0")))
    return header + addresses + bytes(16 + 64 + 128) + b"\x63\x82\x53\x63" + OFFER_OPTIONS


def _dhcp() -> list[bytes]:
    message = _dhcp_message()
    udp = struct.pack(">HHHH", 67, 68, 8 + len(message), 0) + message
    ip = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0)
    whole = ip + socket.inet_aton(HOST) + b"\xff" * 4 + udp
    return [framed(message), framed(whole), framed(whole, message, whole)]


def _reply(*records: dns.rrset.RRset, truncated: bool = False) -> bytes:
    reply = dns.message.make_response(QUERY)
    reply.answer = list(records)
    if truncated:
        reply.flags |= dns.flags.TC
    return reply.to_wire()


def _names() -> list[bytes]:
    name = QUERY.question[0].name
    address = dns.rrset.from_text(name, 60, "IN", "A", HOST)
    alias = dns.rrset.from_text(name, 60, "IN", "CNAME", "other.example.")
    service = dns.rrset.from_text(
        "_services._dns-sd._udp.local.", 60, "IN", "PTR", "_http._tcp.local."
    )
    ours, theirs = _reply(address), _reply(alias, service)
    return [framed(ours, theirs), framed(theirs, ours), framed(_reply(truncated=True), ours)]


def _ntp() -> list[bytes]:
    stamp = struct.pack(">II", 0xEE000000, 0)
    answer = struct.pack(">BBBb", 0x24, 2, 6, -20) + bytes(8) + HOST.encode()[:4]
    kiss = struct.pack(">BBBb", 0xE4, 0, 6, -20) + bytes(8) + b"RATE"
    return [framed(start + stamp + b"question" + stamp * 2) for start in (answer, kiss)]


def _http() -> list[bytes]:
    page = b"<html><head><meta charset='utf-8'><title>IoT &amp; CUBE</title></head></html>"
    plain = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n" % len(page)
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n"
    interim = b"HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n"
    away = b"HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Encoding: gzip\r\n\r\n\x1f\x8b\x08"
    return [
        b"\xff" + plain + page,
        b"\x05" + interim + chunked % (len(page), page),
        b"\x01" + away,
    ]


def _ssh() -> list[bytes]:
    lists = (b"curve25519-sha256", b"ssh-ed25519,rsa-sha2-512", b"aes128-ctr")
    content = b"\x14" + bytes(16) + b"".join(struct.pack(">I", len(one)) + one for one in lists)
    packet = struct.pack(">IB", len(content) + 5, 4) + content + bytes(4)
    return [b"\xff" + b"hello\r\nSSH-2.0-OpenSSH_9.6\r\n" + packet]


def _icmp() -> list[bytes]:
    reply = struct.pack(">BBHHH", 0, 0, 0, 0x1234, 1) + b"payload"
    request = struct.pack(">BBHHH", 8, 0, 0, 0x1234, 1) + b"payload"
    quoted = b"\x45" + bytes(8) + b"\x01" + bytes(6) + socket.inet_aton(HOST) + request
    error = struct.pack(">BBHHH", 3, 13, 0, 0, 0) + quoted
    return [framed(reply, error), PING.encode()]


def _leases() -> list[bytes]:
    texts = (
        *(NETWORKD, DHCLIENT, DHCLIENT_LOCAL, DHCLIENT_CONF, NMCLI, IPCONFIG, WINDOWS),
        *(WICKED, CONNMAN, UDHCPC),
    )
    return [*(text.encode() for text in texts), _dhcp_message()]


def _site() -> list[bytes]:
    return [path.read_bytes() for path in sorted((PROJECT / "fixtures/sites").glob("*.toml"))]


def _evidence() -> list[bytes]:
    return [evidence_file.dump(healthy.saved())]


SEEDS: Mapping[str, Callable[[], list[bytes]]] = {
    "dhcp": _dhcp,
    "dns": _names,
    "ntp": _ntp,
    "mdns": _names,
    "llmnr": _names,
    "http": _http,
    "ssh": _ssh,
    "icmp": _icmp,
    "leases": _leases,
    "site": _site,
    "evidence": _evidence,
}
"""By name of the target."""
