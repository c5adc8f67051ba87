"""What a probe can bring home: frozen records that travel through JSON and back.

A record says what was sent, what came back and from whom, when, how long it took and how
many tries it needed. It never says whether that is good: judging is the cases' work.

Times are UTC in ISO 8601 with milliseconds and a ``Z``; durations and offsets are seconds.
Bytes from the network are bounded to :data:`RAW_LIMIT` each (base64 in JSON).
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Literal

import msgspec

RAW_LIMIT = 2048
"""How many bytes of one packet are kept as evidence."""

NOBODY = "nobody answers to ARP"
"""The detail of a trouble where this computer's table of neighbours showed that."""

TroubleKind = Literal["no-answer", "refused", "no-route", "malformed"]
"""Why nothing usable came back: silence, a refusal, no way there, or not the protocol."""

CannotCause = Literal[
    "not-permitted", "off-link", "other-route", "not-configured", "ambiguous", "internal-error"
]
"""Why a question could not even be asked."""


class Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """The base of everything here: strict on decoding, where an unknown field is an error."""


class Vantage(Record, tag="vantage", frozen=True, kw_only=True):
    """The place that the measurements are made from: one interface of this computer."""

    interface: str
    """The interface's name as the system knows it; every socket is bound to it."""
    address: str
    """The interface's IPv4 address; every socket is bound to it."""
    prefix: int
    """The length of the network's prefix, 0 to 32."""
    mac: str = ""
    """The interface's hardware address, ``aa:bb:cc:dd:ee:ff``; empty where it has none."""
    loopback: bool = False
    """True only for the embedded site."""
    mtu: int = 0
    """How large a packet the interface can send, in bytes; 0 where nobody told."""


class Try(Record, frozen=True, kw_only=True):
    """One question put on the wire and what came of it."""

    at_s: float
    """When it was sent, in seconds since the probe started."""
    to: str
    """Where it was sent, ``address:port``."""
    result: str
    """``answer``, ``silence``, ``refused``, ``no-route``, ``malformed``, or a short word of the
    protocol."""
    sent: bytes = b""
    received: bytes = b""
    source: str = ""
    """Where the answer came from, ``address:port``; empty for silence."""
    detail: str = ""


class Ignored(Record, frozen=True, kw_only=True):
    """A packet that arrived but does not count as the answer, with the reason."""

    at_s: float
    source: str
    reason: str
    raw: bytes = b""


class Trouble(Record, frozen=True, kw_only=True):
    """Why no usable answer came, as the wire showed it."""

    kind: TroubleKind
    phase: str
    """What was under way: ``udp``, ``tcp``, ``tls``, ``http``, ``ssh`` or ``icmp``; ``size`` where
    a short request was answered and a long one was not."""
    detail: str = ""
    """One technical sentence or the system's own words; for the evidence, not for the reader."""
    icmp_code: int | None = None
    """The code of the ICMP destination unreachable message that said so, if one did."""
    icmp_source: str = ""
    """Who sent that message; empty where none came or nobody can tell."""
    sign: str = ""
    """What was seen, in signs that need no translation: ``TCP RST``, ``TCP FIN``, an alert of TLS
    with its name, or the peer's own words; empty where there is nothing to be quoted."""


class Observed(Record, frozen=True, kw_only=True):
    """What every observation has in common."""

    started: str
    duration_s: float
    tries: tuple[Try, ...] = ()
    ignored: tuple[Ignored, ...] = ()


class CannotMeasure(Observed, tag="cannot-measure", frozen=True, kw_only=True):
    """The question could not be asked; neither silence nor an answer."""

    cause: CannotCause
    detail: str
    """What stood in the way, technically."""
    command: str = ""
    """The exact command that removes the obstacle, where there is one."""


class DhcpMessage(Record, frozen=True, kw_only=True):
    """A DHCP reply, parsed (RFC 2131 section 2, options of RFC 2132)."""

    source: str
    """The IPv4 address that the packet came from."""
    at_s: float
    kind: int | None
    """Option 53: 2 OFFER, 5 ACK, 6 NAK; None where it is missing."""
    address: str
    """``yiaddr``, the address offered."""
    relay: str = "0.0.0.0"  # noqa: S104 - the protocol's word for "no relay"
    """``giaddr``."""
    server_id: str | None = None
    """Option 54."""
    subnet_mask: str | None = None
    """Option 1."""
    routers: tuple[str, ...] = ()
    """Option 3."""
    dns: tuple[str, ...] = ()
    """Option 6."""
    ntp: tuple[str, ...] = ()
    """Option 42."""
    lease_s: int | None = None
    """Option 51; 4294967295 means for ever."""
    routes: tuple[tuple[str, str], ...] = ()
    """Option 121 (RFC 3442): pairs of destination ``a.b.c.d/n`` and router."""
    defects: tuple[str, ...] = ()
    """Options whose length or content breaks the RFC, for instance ``option 3: length 5``."""
    hardware: str = ""
    """The CUBE's hardware address that was asked for; empty where it is this computer's."""
    raw: bytes = b""


class DhcpObserved(Observed, tag="dhcp", frozen=True, kw_only=True):
    """The OFFERs that one DISCOVER brought, in the order of arrival."""

    offers: tuple[DhcpMessage, ...] = ()
    deaf: Literal["", "udp-socket", "wsl"] = ""
    """Why silence would prove nothing here: an ordinary socket hears no OFFER that is not broadcast
    or that this computer's firewall drops; to WSL no OFFER comes through."""
    command: str = ""
    """The exact command that lets every OFFER be heard, where there is one."""
    holders: tuple[tuple[str, str], ...] = ()
    """Who answered an ordinary ARP question for an address that was offered, for a router's or a
    CUBE's: pairs of address and hardware address."""


class LeaseObserved(Observed, tag="lease", frozen=True, kw_only=True):
    """The current lease that this computer itself holds on the vantage interface."""

    client: str
    """Who keeps it: ``systemd-networkd``, ``NetworkManager``, ``dhclient``, ``dhcpcd``, ``wicked``,
    ``ConnMan``, ``udhcpc``, ``ipconfig`` or ``windows``."""
    address: str
    server_id: str | None = None
    subnet_mask: str | None = None
    routers: tuple[str, ...] = ()
    dns: tuple[str, ...] = ()
    ntp: tuple[str, ...] = ()
    lease_s: int | None = None
    expires: str | None = None
    asked: tuple[int, ...] = ()
    """Which of the options 6 and 42 the client is known to have asked the server for."""
    defects: tuple[str, ...] = ()
    """As in :class:`DhcpMessage`."""


class WayObserved(Observed, tag="way", frozen=True, kw_only=True):
    """The way that this computer's packets take to one target, as its system decides it."""

    target: str
    over: Literal["udp", "tcp", "icmp"]
    port: int
    """The target's port; 0 for ICMP."""
    gateway: str | None
    """The router that they are handed to; empty where the target is on the link, and None where
    the system does not say."""


class NeighboursObserved(Observed, tag="neighbours", frozen=True, kw_only=True):
    """Which hardware addresses answer for the CUBEs, as this computer has learned by ARP."""

    hardware: tuple[tuple[str, str], ...] = ()
    """Pairs of IPv4 address and hardware address, lower case with colons."""


class DnsObserved(Observed, tag="dns", frozen=True, kw_only=True):
    """What one DNS server said to the question for one name's A records."""

    server: str
    name: str
    """The name that was really asked for."""
    rcode: str | None = None
    """``NOERROR``, ``NXDOMAIN``, ``SERVFAIL``, ``REFUSED``, ...; None where nothing answered."""
    addresses: tuple[str, ...] = ()
    """The A records at the end of the CNAME chain, in the server's order."""
    chain: tuple[str, ...] = ()
    """The CNAME targets followed, in order."""
    aliased: Literal["plainly", "backwards", "in-part"] = "plainly"
    """How the aliases led to the addresses: read once from the first record to the last, only by
    searching the answer, or only by asking for an alias' target that the server did not follow."""
    truncated: bool = False
    """The UDP reply had the TC bit."""
    tcp: TroubleKind | Literal["not-needed", "answer"] = "not-needed"
    """What came of asking again over TCP after a truncated reply."""
    trouble: Trouble | None = None


class NtpReply(Record, frozen=True, kw_only=True):
    """A server's reply that answers our request (RFC 5905 section 7.3)."""

    leap: int
    version: int
    mode: int
    stratum: int
    reference_id: str
    """The kiss code for stratum 0, otherwise the four bytes as ``a.b.c.d``."""
    root_delay_s: float
    root_dispersion_s: float
    root_distance_s: float
    """Half the root delay plus the root dispersion, without this exchange's own share."""
    transmit: str
    """The server's transmit timestamp as UTC, ``""`` where it is zero."""
    offset_s: float
    """Server clock minus this computer's clock (RFC 5905 section 8)."""
    delay_s: float
    """The exchange's round trip, without the server's own share."""


class NtpObserved(Observed, tag="ntp", frozen=True, kw_only=True):
    """What one time server said."""

    server: str
    reply: NtpReply | None = None
    trouble: Trouble | None = None


class HttpReply(Record, frozen=True, kw_only=True):
    """One HTTP response, bounded."""

    url: str
    status: int
    reason: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    """Names in lower case, values decoded as Latin-1, at most 64 pairs of at most 1 KiB."""
    title: str = ""
    """The text of the page's title element, at most 200 characters."""
    size: int = 0
    """Bytes of body read, at most the probe's limit."""
    excerpt: bytes = b""
    """The body's first :data:`RAW_LIMIT` bytes."""
    complete: bool = True
    """False where a limit of ours ended the reading, or the body broke off."""
    cut: str = ""
    """How the body broke off before the end that its header promised; empty where it did not."""


class TlsSession(Record, frozen=True, kw_only=True):
    """The server certificate and the session, as far as the handshake came."""

    version: str = ""
    """``TLSv1.2``, ``TLSv1.3``; empty where the handshake did not finish."""
    cipher: str = ""
    subject: str = ""
    """RFC 4514 text of the leaf's subject."""
    issuer: str = ""
    """RFC 4514 text of the leaf's issuer."""
    names: tuple[str, ...] = ()
    """The DNS names of the leaf's subjectAltName."""
    not_before: str = ""
    not_after: str = ""
    sha256: str = ""
    """Fingerprint of the leaf, lower-case hex."""


class VerifyError(Record, frozen=True, kw_only=True):
    """Why the certificate was not believed."""

    code: int
    """OpenSSL's verification result: 10 expired, 9 not yet valid, 62 name, 18 to 21 chain."""
    message: str


class Met(Record, frozen=True, kw_only=True):
    """How far one address of a cloud host came, and whose certificate it showed."""

    address: str
    tls: TlsSession | None = None
    verify_error: VerifyError | None = None
    trouble: Trouble | None = None
    """What kept it from a verified handshake, or from a response where it was asked for one."""


class HttpsObserved(Observed, tag="https", frozen=True, kw_only=True):
    """One cloud host at all of its addresses, and the response to one GET of ``/``.

    What stands beside :attr:`met` is of the address that decides: the first that showed a
    certificate that is not believed, else the one that answered, else the one that came furthest.
    """

    host: str
    addresses: tuple[str, ...]
    """The addresses that were tried, in order."""
    connected: str = ""
    """The address that decides."""
    tls: TlsSession | None = None
    verify_error: VerifyError | None = None
    reply: HttpReply | None = None
    date_offset_s: float | None = None
    """The response's ``Date`` minus this computer's clock in the middle of the exchange."""
    date_uncertainty_s: float = 0.0
    """Half the exchange's length; the header's own second comes on top."""
    claimed_offset_s: float | None = None
    """``Date`` minus this computer's clock where the certificate was not believed: nobody vouches
    for it."""
    certificate_asked: bool = False
    """The host proved who it is, and ended with a TLS alert for want of a certificate of ours."""
    http2: bool = False
    """The host proved who it is, and spoke HTTP/2 unasked, which is not read."""
    met: tuple[Met, ...] = ()
    """What was met at each address."""
    trouble: Trouble | None = None


class PageObserved(Observed, tag="page", frozen=True, kw_only=True):
    """One GET of ``/`` at one port of a CUBE, redirects on the same host followed."""

    address: str
    port: int
    replies: tuple[HttpReply, ...] = ()
    """Every response in order; the last one is the page."""
    redirect: str = ""
    """Where a redirect led that was not followed (another host, or one too many)."""
    found: tuple[str, ...] = ()
    """Which of the texts looked for stand in a response's body."""
    familiar: bool | None = None
    """Whether a page of a CUBE's shows one of the words that such pages have; None where nobody
    looked for them."""
    trouble: Trouble | None = None


class Echo(Record, frozen=True, kw_only=True):
    """One echo request and what came of it."""

    sequence: int
    at_s: float
    result: Literal["reply", "silence", "unreachable", "prohibited", "wrong-host"]
    source: str = ""
    rtt_s: float | None = None
    detail: str = ""


class PingObserved(Observed, tag="ping", frozen=True, kw_only=True):
    """A few paced echo requests to one address."""

    address: str
    method: Literal["raw", "datagram", "command", "service"]
    echoes: tuple[Echo, ...] = ()
    trouble: Trouble | None = None


class NameReply(Record, frozen=True, kw_only=True):
    """One mDNS or LLMNR response."""

    source: str
    """IPv4 address of the sender."""
    source_port: int
    at_s: float
    over: Literal["udp", "tcp"] = "udp"
    names: tuple[tuple[str, str], ...] = ()
    """Pairs of owner name and IPv4 address from every A record, lower case, no final dot; an alias
    owns the addresses of the name that it stands for."""
    services: tuple[str, ...] = ()
    """Service types from the DNS-SD listing (RFC 6763 section 9)."""
    addressless: bool = False
    """In mDNS: it is about the name that was asked for, and gives no IPv4 address of it."""
    conflict: bool = False
    """LLMNR's C bit (RFC 4795 section 2.1.1)."""
    tentative: bool = False
    """LLMNR's T bit."""
    truncated: bool = False
    raw: bytes = b""


class MdnsObserved(Observed, tag="mdns", frozen=True, kw_only=True):
    """Every mDNS response to our questions, whoever sent it."""

    hostname: str = ""
    replies: tuple[NameReply, ...] = ()
    trouble: Trouble | None = None


class LlmnrObserved(Observed, tag="llmnr", frozen=True, kw_only=True):
    """Every LLMNR response for the CUBE's name, whoever sent it."""

    hostname: str
    replies: tuple[NameReply, ...] = ()
    trouble: Trouble | None = None


class SshObserved(Observed, tag="ssh", frozen=True, kw_only=True):
    """How far an SSH conversation came, without a login."""

    address: str
    banner: str = ""
    """The identification line, printable, at most 255 characters (RFC 4253 section 4.2)."""
    key_exchange: bool = False
    """The server's SSH_MSG_KEXINIT arrived."""
    key_type: str = ""
    fingerprint: str = ""
    """The host key's ``SHA256:...`` fingerprint; empty where it could not be obtained."""
    fingerprints: tuple[tuple[str, str], ...] = ()
    """Key type and fingerprint of every host key that could be obtained."""
    unread: tuple[str, ...] = ()
    """The types of the host keys that were offered and could not be obtained."""
    turned_away: str = ""
    """What was said instead of an identification before the connection was closed."""
    trouble: Trouble | None = None


class Channel(Record, frozen=True, kw_only=True):
    """One cloud host through a forwarded channel: TLS end to end, and one GET of ``/``."""

    target: str
    """The name or the address that the shell was asked to connect to."""
    code: int | None = None
    """Why the shell did not open the channel (RFC 4254 section 5.1): 1 administratively
    prohibited, 2 connect failed."""
    words: str = ""
    """What the shell said beside it."""
    tls: TlsSession | None = None
    verify_error: VerifyError | None = None
    reply: HttpReply | None = None
    date_offset_s: float | None = None
    """The response's ``Date`` minus this computer's clock in the middle of the exchange."""
    certificate_asked: bool = False
    """The host proved who it is, and ended with a TLS alert for want of a certificate of ours."""
    http2: bool = False
    """The host proved who it is, and spoke HTTP/2 unasked, which is not read."""
    trouble: Trouble | None = None
    """Its phase is ``channel`` where the shell opened none."""

    @property
    def opened(self) -> bool:
        """Whether the CUBE reached the host's port."""
        return self.trouble is None or self.trouble.phase != "channel"


class TunnelObserved(Observed, tag="tunnel", frozen=True, kw_only=True):
    """A cloud host as a CUBE itself reaches it, through its maintenance shell."""

    cube: str
    """The CUBE's name in the site file."""
    address: str
    host: str
    shell: Trouble | None = None
    """Why nothing was asked through the shell; the phase is ``tcp``, ``ssh``, ``host-key`` or
    ``login``."""
    by_name: Channel | None = None
    by_address: Channel | None = None
    """What came of the address, where no channel was opened by the name."""


Observation = (
    CannotMeasure
    | DhcpObserved
    | LeaseObserved
    | WayObserved
    | NeighboursObserved
    | DnsObserved
    | NtpObserved
    | HttpsObserved
    | PageObserved
    | PingObserved
    | MdnsObserved
    | LlmnrObserved
    | SshObserved
    | TunnelObserved
)
"""Everything that can stand behind a key of ``evidence.json``."""


_CLOCK_BEGAN_S = time.time() - time.monotonic()


def clock_s() -> float:
    """Return this computer's clock, in seconds since 1970, as if nobody set it during the run.

    Systems set it as soon as they find a network, which may be now. What is compared afterwards,
    time servers with cloud hosts for instance, must have been compared with one and the same clock.
    """
    return _CLOCK_BEGAN_S + time.monotonic()


def timestamp(moment: datetime | None = None) -> str:
    """Write a moment (default: now) as UTC with milliseconds, ``2026-11-23T09:00:00.000Z``."""
    moment = moment or datetime.fromtimestamp(clock_s(), UTC)
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
