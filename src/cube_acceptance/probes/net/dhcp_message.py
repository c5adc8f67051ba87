"""A DHCP message as bytes: RFC 2131 section 2, and its options, RFC 2132."""

from __future__ import annotations

import ipaddress
import re
import socket
import struct

from cube_acceptance.addresses import is_host
from cube_acceptance.evidence import RAW_LIMIT, DhcpMessage, Vantage
from cube_acceptance.probes.net.receive import MalformedError

ADDRESS_LIMIT = 32
"""How many addresses or routes of one option are kept."""
DEFECT_LIMIT = 32
"""How many defects of one message are kept."""
TEXT_LIMIT = 100
"""How many characters of a text are quoted that stands where addresses belong."""

REQUESTED = (1, 3, 6, 42, 51, 54, 121)
"""The options asked for (option 55)."""
MESSAGE_SIZE = 1472
"""Option 57: what fits an Ethernet frame, whether or not IP and UDP headers are counted in."""
BOOTP_SIZE = 300
"""RFC 1542 section 2.1: older relays drop what is shorter."""
CLIENT_NAME = b"cube-acceptance-"
"""Begins the client identifier, so that no server takes us for the computer we run on."""
STAND_IN_HARDWARE = bytes((2, 0, 0, 0, 0, 1))
"""A locally administered address for an interface that has none of six bytes."""

DISCOVER = 1
OFFER = 2
MESSAGE_NAMES = {
    1: "DISCOVER",
    2: "OFFER",
    3: "REQUEST",
    4: "DECLINE",
    5: "ACK",
    6: "NAK",
    7: "RELEASE",
    8: "INFORM",
}
"""Option 53 (RFC 2132 section 9.6)."""

_BOOTREQUEST = 1
_BOOTREPLY = 2
_ETHERNET = 1
_BROADCAST_FLAG = 0x8000
_COOKIE = bytes((99, 130, 83, 99))  # RFC 2131 section 3
_MESSAGE = struct.Struct("!BBBBIHH4s4s4s4s16s64s128s4s")  # RFC 2131 section 2, and the cookie
_LABEL = rb"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_NAME = rb"(?:" + _LABEL + rb"\.)+(?=[A-Za-z])" + _LABEL + rb"\.?"
"""A host's name with a dot in it; its last label is no number (RFC 1123 section 2.1)."""
_WRITTEN_ADDRESS = rb"[0-9]{1,3}(?:\.[0-9]{1,3}){3}"
_WORD = rb"(?:" + _NAME + rb"|" + _WRITTEN_ADDRESS + rb")"
_TEXT = re.compile(_WORD + rb"[\0 \t\r\n]*")
_TYPED = rb"[\"']?(?:[A-Za-z]{2,8}://)?" + _WORD + rb"(?:[:/][0-9]{1,5})?/?[\"']?"
"""As people type it: in quotes, with a scheme, with a port or the size of a network."""
_TEXTS = re.compile(_TYPED + rb"(?:[,;\0 \t\r\n]{1,3}" + _TYPED + rb")*[,;\0 \t\r\n]*")
_PAD = 0
_END = 255
_ADDRESS_SIZE = 4
_SIX_SIZE = 16
_SIX_PREFIXES = tuple(map(ipaddress.IPv6Network, ("2000::/3", "fc00::/7", "fe80::/10")))
"""Where hosts have their addresses (RFC 4291 section 2.4, RFC 4193 section 3.1)."""
_HARDWARE_SIZE = 6
_FILE_FIELD = 1  # RFC 2132 section 9.3, a bit
_SNAME_FIELD = 2  # likewise


def header_of(packet: bytes) -> tuple[int, bytes]:
    """Return the transaction id and the six bytes of hardware address of a whole message."""
    fields = _MESSAGE.unpack_from(packet)
    return fields[4], fields[11][:_HARDWARE_SIZE]


def parse(packet: bytes, source: str, at_s: float) -> DhcpMessage:
    """Read a DHCP reply (RFC 2131 section 2, RFC 2132).

    Options in several pieces are joined (RFC 3396), also over the ``file`` and ``sname`` fields
    (RFC 2131 section 4.1). An option that breaks its RFC counts as missing, and a defect says so.
    Loopback addresses are nobody's but the sender's (RFC 1122 section 3.2.1.3); only a sender on
    loopback may name them. ``source`` is empty where the bytes come from a file.

    Raises:
        MalformedError: the bytes are no DHCP reply at all. Nothing else, whatever the bytes.
    """
    if len(packet) < _MESSAGE.size:
        raise MalformedError(f"{len(packet)} bytes are too short for a DHCP message")
    fields = _MESSAGE.unpack_from(packet)
    operation, offered, relay, cookie = fields[0], fields[8], fields[10], fields[14]
    if operation != _BOOTREPLY:
        raise MalformedError(f"operation code {operation} is not a reply")
    if cookie != _COOKIE:
        raise MalformedError(f"magic cookie {cookie.hex()} is not DHCP's")
    options = _Options(
        packet[_MESSAGE.size :],
        server_name=fields[12],
        boot_file=fields[13],
        loopback=bool(source) and ipaddress.IPv4Address(source).is_loopback,
    )
    return DhcpMessage(
        source=source,
        at_s=at_s,
        kind=options.number(53, 1),
        address=socket.inet_ntoa(offered),
        relay=socket.inet_ntoa(relay),
        server_id=options.host(54),
        subnet_mask=options.mask(1),
        routers=options.hosts(3),
        dns=options.servers(6),
        ntp=options.servers(42),
        lease_s=options.number(51, 4),
        routes=options.routes(121),
        defects=tuple(options.defects),
        raw=packet[:RAW_LIMIT],
    )


def read_routes(value: bytes) -> tuple[tuple[str, str], ...]:
    """Read option 121 (RFC 3442): prefix length, significant bytes of the destination, router.

    Raises:
        ValueError: it holds no whole route, or something else as well.
    """
    found: list[tuple[str, str]] = []
    at = 0
    while at < len(value) and len(found) < ADDRESS_LIMIT:
        prefix = value[at]
        router_at = at + 1 + (prefix + 7) // 8
        following = router_at + _ADDRESS_SIZE
        if prefix > 32 or following > len(value):  # noqa: PLR2004 - bits of an IPv4 address
            raise ValueError(f"broken route at byte {at}")
        destination = value[at + 1 : router_at].ljust(_ADDRESS_SIZE, b"\0")
        network = ipaddress.IPv4Network((destination, prefix), strict=False)
        found.append((str(network), socket.inet_ntoa(value[router_at:following])))
        at = following
    if not found:
        raise ValueError("length 0")
    return tuple(found)


def no_addresses(code: int, value: bytes) -> str:
    """Describe what stands where addresses belong, a text or IPv6; empty where they are some.

    Some servers send the name that was typed in, ``pool.ntp.org``, or an address in writing. It
    is told from addresses by its dots and letters; 114.114.114.114 is ``rrrr``, and an address.
    """
    if six := _six(value):
        return f"option {code}: IPv6 {' '.join(map(str, six))[:TEXT_LIMIT]}"
    form = _TEXT if len(value) == _ADDRESS_SIZE else _TEXTS
    if form.fullmatch(value):
        text = " ".join(value.decode("ascii").replace("\0", " ").split())
        return f'option {code}: "{text[:TEXT_LIMIT]}"'
    return ""


def _six(value: bytes) -> tuple[ipaddress.IPv6Address, ...]:
    """Read addresses of IPv6; empty where it may be a list of IPv4 that somebody has.

    Of a prefix that hosts have, and read as IPv4 at least one is nobody's: no list has 0.0.0.1. A
    field that was left empty is 0.0.0.0 or 255.255.255.255, and a time server's may be multicast.
    """
    if len(value) % _SIX_SIZE:
        return ()
    found = [ipaddress.IPv6Address(piece) for piece in _pieces(value, _SIX_SIZE)]
    fours = [ipaddress.IPv4Address(piece) for piece in _pieces(value, _ADDRESS_SIZE)]
    of_hosts = all(any(one in network for network in _SIX_PREFIXES) for one in found)
    return tuple(found) if of_hosts and any(map(_is_nobodys, fours)) else ()


def _pieces(value: bytes, size: int) -> list[bytes]:
    return [value[at : at + size] for at in range(0, len(value), size)]


def _is_nobodys(address: ipaddress.IPv4Address) -> bool:
    empty = int(address) in {0, 0xFFFFFFFF}
    return not (empty or is_host(address) or address.is_multicast)


class _Options:
    """The options of one message, joined, and what is wrong with them."""

    def __init__(
        self, area: bytes, *, server_name: bytes, boot_file: bytes, loopback: bool
    ) -> None:
        self.defects: list[str] = []
        self._loopback = loopback
        self._pieces: dict[int, list[bytes]] = {}
        self._read(area, "options")
        overload = self.number(52, 1) or 0
        if overload > _FILE_FIELD | _SNAME_FIELD:
            self._complain(f"option 52: value {overload}")
            overload = 0
        if overload & _FILE_FIELD:
            self._read(boot_file, "file")
        if overload & _SNAME_FIELD:
            self._read(server_name, "sname")

    def number(self, code: int, size: int) -> int | None:
        value = self._sized(code, size)
        return None if value is None else int.from_bytes(value, "big")

    def host(self, code: int) -> str | None:
        value = self._sized(code, _ADDRESS_SIZE)
        return None if value is None else self._usable(code, value)

    def hosts(self, code: int) -> tuple[str, ...]:
        value = self._joined(code)
        if value is None:
            return ()
        if not value or len(value) % _ADDRESS_SIZE:
            self._complain(f"option {code}: length {len(value)}")
            return ()
        if len(value) > ADDRESS_LIMIT * _ADDRESS_SIZE:
            self._complain(f"option {code}: more than {ADDRESS_LIMIT} addresses")
        found = (
            self._usable(code, value[at : at + _ADDRESS_SIZE])
            for at in range(0, min(len(value), ADDRESS_LIMIT * _ADDRESS_SIZE), _ADDRESS_SIZE)
        )
        return tuple(address for address in found if address)

    def mask(self, code: int) -> str | None:
        value = self._sized(code, _ADDRESS_SIZE)
        if value is None:
            return None
        mask = ipaddress.IPv4Address(value)
        if not is_mask(mask):
            self._complain(f"option {code}: {mask} is no subnet mask")
            return None
        return str(mask)

    def servers(self, code: int) -> tuple[str, ...]:
        """Return a list of servers; what is no list names nobody, whatever its bytes mean."""
        if defect := no_addresses(code, self._joined(code) or b""):
            self._complain(defect)
            return ()
        return self.hosts(code)

    def routes(self, code: int) -> tuple[tuple[str, str], ...]:
        value = self._joined(code)
        if value is None:
            return ()
        try:
            return read_routes(value)
        except ValueError as error:
            self._complain(f"option {code}: {error}")
            return ()

    def _read(self, area: bytes, name: str) -> None:
        at = 0
        while at < len(area):
            code = area[at]
            if code == _END:
                return
            if code == _PAD:
                at += 1
                continue
            if at + 1 == len(area) or at + 2 + area[at + 1] > len(area):
                self._complain(f"option {code}: cut off at the end of {name}")
                self._pieces.pop(code, None)
                return
            following = at + 2 + area[at + 1]
            self._pieces.setdefault(code, []).append(area[at + 2 : following])
            at = following
        self._complain(f"{name}: no end option")

    def _joined(self, code: int) -> bytes | None:
        pieces = self._pieces.get(code)
        return None if pieces is None else b"".join(pieces)

    def _sized(self, code: int, size: int) -> bytes | None:
        """Return an option of fixed size; the same value said again is a defect, yet readable."""
        value = self._joined(code)
        if value is None or len(value) == size:
            return value
        if len(value) > size and set(self._pieces[code]) == {value[:size]}:
            self._complain(f"option {code}: given {len(self._pieces[code])} times")
            return value[:size]
        self._complain(f"option {code}: length {len(value)}")
        return None

    def _usable(self, code: int, value: bytes) -> str | None:
        address = ipaddress.IPv4Address(value)
        if not is_host(address) or (address.is_loopback and not self._loopback):
            self._complain(f"option {code}: {address} is no host's address")
            return None
        return str(address)

    def _complain(self, defect: str) -> None:
        if len(self.defects) < DEFECT_LIMIT:
            self.defects.append(defect)


def is_mask(mask: ipaddress.IPv4Address) -> bool:
    """Whether it is ones followed by zeros (RFC 950 section 2.1), and not zeros only."""
    host_bits = int(mask) ^ 0xFFFFFFFF
    return bool(int(mask)) and not host_bits & (host_bits + 1)


# Writing a message


def hardware_of(vantage: Vantage) -> bytes:
    """Return the hardware address to ask with; a stand-in where the interface has none."""
    try:
        address = bytes.fromhex(vantage.mac.replace(":", ""))
    except ValueError:
        return STAND_IN_HARDWARE
    if len(address) != _HARDWARE_SIZE or not any(address):
        return STAND_IN_HARDWARE
    return address


def build_discover(
    transaction: int, hardware: bytes, elapsed_s: float, *, identified: bool = True
) -> bytes:
    """Write a DISCOVER with the broadcast flag (RFC 2131 sections 2, 4.1 and 4.4.1).

    With an identifier of our own a server has to find a free address; without one it goes by the
    hardware address, which may be another device's.
    """
    fixed = _MESSAGE.pack(
        _BOOTREQUEST,
        _ETHERNET,
        _HARDWARE_SIZE,
        0,
        transaction,
        int(elapsed_s),
        _BROADCAST_FLAG,
        *[bytes(_ADDRESS_SIZE)] * 4,
        hardware,
        b"",
        b"",
        _COOKIE,
    )
    identifier = ((61, b"\0" + CLIENT_NAME + hardware),) if identified else ()
    options = (
        (53, bytes((DISCOVER,))),
        *identifier,
        (57, MESSAGE_SIZE.to_bytes(2, "big")),
        (55, bytes(REQUESTED)),
    )
    written = b"".join(bytes((code, len(value))) + value for code, value in options)
    return (fixed + written + bytes((_END,))).ljust(BOOTP_SIZE, b"\0")
