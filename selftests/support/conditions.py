"""What the cases make of made-up evidence: the second layer of the fault matrix.

Each row is a condition of a network that recorded or made-up evidence can show, as a change to
the healthy site's evidence, and the outcome and cause of every case that is then no pass. The
first layer, with real servers, is the lab.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from cube_acceptance.evidence import (
    NOBODY,
    CannotMeasure,
    Channel,
    DhcpObserved,
    DnsObserved,
    Echo,
    HttpReply,
    Ignored,
    LeaseObserved,
    LlmnrObserved,
    MdnsObserved,
    Met,
    NameReply,
    NtpObserved,
    PingObserved,
    SshObserved,
    Trouble,
    Try,
    TunnelObserved,
    VerifyError,
    WayObserved,
)
from cube_acceptance.setup import Routed
from cube_acceptance.site import Cloud, Cube, Dns, Login, Ntp, Site, VantageWish
from selftests.support import healthy
from selftests.support.healthy import CUBE, HOSTS, NTP_REPLY, OFFER, SERVER, STARTED, TLS

if TYPE_CHECKING:
    from cube_acceptance.evidence import Observation, Vantage
    from cube_acceptance.evidence_file import Saved

replace = msgspec.structs.replace

TAPIO, HOMAG = HOSTS
SECOND, THIRD, FAR = "10.20.0.2", "10.20.0.3", "11.20.0.53"
OTHER = "10.20.0.66"
MANY = tuple(f"10.20.0.{last}" for last in range(101, 134))
COMMON = {"started": STARTED, "duration_s": 0.01}
DNS_CASES = tuple(f"DNS-01[{host}]" for host in HOSTS)
HTTPS_CASES = tuple(f"HTTPS-01[{host}]" for host in HOSTS)
INTERNAL = (
    "DIAG-01[line-1]",
    "CONN-01[line-1]",
    "MDNS-01[line-1]",
    "LLMNR-01[line-1]",
    "PING-02[line-1]",
    "SSH-01[line-1]",
)
OUTBOUND = (*DNS_CASES, *HTTPS_CASES, "PING-01")

SILENT = Trouble(kind="no-answer", phase="udp")
CLOSED = Trouble(kind="refused", phase="udp", icmp_code=3)
PROHIBITED = Trouble(kind="refused", phase="udp", icmp_code=13)
AWAY = Trouble(kind="no-route", phase="udp", icmp_code=1)
NONSENSE = Trouble(kind="malformed", phase="udp")
MISSED = Trouble(kind="no-route", phase="udp", detail=NOBODY)
TOO_LATE = (Ignored(at_s=3.5, source=f"{SERVER}:123", reason="too late, after 3.500 s"),)


NOW = "Mon, 23 Nov 2026 09:00:00 GMT"
TWELVE_SECONDS_AGO = "Mon, 23 Nov 2026 08:59:48 GMT"
TWO_DAYS_AGO = "Sat, 21 Nov 2026 09:00:00 GMT"
IN_AN_HOUR = "Mon, 23 Nov 2026 10:00:03 GMT"
IN_FOURTEEN_HOURS = "Mon, 23 Nov 2026 23:00:00 GMT"
IN_FIFTEEN_HOURS = "Tue, 24 Nov 2026 00:00:00 GMT"
BY_THE_WALL = "Sat, 21 Nov 2026 09:00:00 +0100"
OLDEST_FORM = "Sat Nov 21 09:00:00 2026"
NO_DAY = "Mon, 33 Nov 2026 09:00:00 GMT"
"""What a CUBE's pages may say of the time (STARTED is the first of them)."""
CLOCK = ("cube-clock",)
SMALL = ("small-packets",)

KISS_CODES = (
    *("ACST", "AUTH", "AUTO", "BCST", "CRYP", "DENY", "DROP"),
    *("RSTR", "INIT", "MCST", "NKEY", "RATE", "RMOT", "STEP"),
)
TURNED_AWAY = ("RATE", "DENY", "RSTR")


class Row(NamedTuple):
    """One condition: what is different, and what the cases have to say."""

    name: str
    changes: dict[str, Observation | None]
    expected: dict[str, str]
    notes: tuple[str, ...] = ()
    site: Site = healthy.SITE
    routed: tuple[Routed, ...] = ()
    vantage: Vantage | CannotMeasure = healthy.VANTAGE

    def saved(self) -> Saved:
        """Return the condition's evidence."""
        return healthy.saved(self.changes, site=self.site, routed=self.routed, vantage=self.vantage)


def cannot(cause: str, command: str = "") -> CannotMeasure:
    """A question that could not be asked."""
    return CannotMeasure(**COMMON, cause=cause, detail="in the way", command=command)


def way(over: str, target: str, port: int, gateway: str | None) -> dict[str, Observation]:
    """The router that this computer takes to a target."""
    seen = WayObserved(**COMMON, over=over, target=target, port=port, gateway=gateway)
    return {f"way/{over}/{target}:{port}": seen}


def ways_out(gateway: str | None) -> dict[str, Observation]:
    """The router that this computer takes to both clouds."""
    return {
        key: seen
        for target in HOSTS.values()
        for over, port in (("tcp", 443), ("icmp", 0))
        for key, seen in way(over, target, port, gateway).items()
    }


BY_HAND = cannot("ambiguous", "ip neigh del 10.20.0.1 dev eth0")


def dhcp(*offers: object) -> DhcpObserved:
    """What one DISCOVER brought."""
    return DhcpObserved(started=STARTED, duration_s=4.0 if offers else 10.0, offers=offers)


def offer(**changes: object) -> DhcpObserved:
    """The healthy offer, bent."""
    return dhcp(replace(OFFER, **changes))


def ntp(server: str = SERVER, trouble: Trouble | None = None, **changes: object) -> NtpObserved:
    """A time server's answer, bent, or the trouble with it."""
    reply = None if trouble else replace(NTP_REPLY, **changes)
    return NtpObserved(**COMMON, server=server, reply=reply, trouble=trouble)


def dns(host: str, server: str = SERVER, **changes: object) -> DnsObserved:
    """A DNS server's answer, bent."""
    values = {"rcode": "NOERROR", "addresses": (HOSTS.get(host, "11.20.0.99"),)} | changes
    return DnsObserved(**COMMON, server=server, name=host, **values)


def no_dns(host: str, trouble: Trouble, server: str = SERVER) -> DnsObserved:
    """A DNS server that gave no usable answer."""
    return DnsObserved(**COMMON, server=server, name=host, trouble=trouble)


def refused_by(server: str) -> list[tuple[str, str, dict[str, object]]]:
    """What a DNS server that knows nobody says of both clouds."""
    return [(server, host, {"rcode": "REFUSED", "addresses": ()}) for host in HOSTS]


def known_to(server: str) -> list[tuple[str, str, dict[str, object]]]:
    """What a DNS server says that knows both clouds."""
    return [(server, host, {}) for host in HOSTS]


def told(server: str, said: str | Trouble | None = "") -> dict[str, Observation | None]:
    """What a DNS server says of both clouds: their addresses, a code without any, or nothing.

    None stands for a server that could not be asked.
    """
    if said is None:
        return {f"dns/{server}/{host}": cannot("not-permitted") for host in HOSTS}
    if isinstance(said, Trouble):
        return {f"dns/{server}/{host}": no_dns(host, said, server) for host in HOSTS}
    changes = {"rcode": said, "addresses": ()} if said else {}
    return {f"dns/{server}/{host}": dns(host, server, **changes) for host in HOSTS}


def all_dns(**changes: object) -> dict[str, Observation | None]:
    """The same bent answer for every host, and no connection that follows from it."""
    return {f"dns/{SERVER}/{host}": dns(host, **changes) for host in HOSTS} | no_cloud()


def all_silent(trouble: Trouble) -> dict[str, Observation | None]:
    """The same trouble for every host, and no connection that follows from it."""
    return {f"dns/{SERVER}/{host}": no_dns(host, trouble) for host in HOSTS} | no_cloud()


def no_cloud() -> dict[str, Observation | None]:
    """Without a name there is no connection and no ping."""
    return {f"https/{host}": None for host in HOSTS} | {"ping/disco.tapio.one": None}


def every(names: tuple[str, ...], outcome: str) -> dict[str, str]:
    """The same outcome for several cases."""
    return dict.fromkeys(names, outcome)


def https(**changes: object) -> dict[str, Observation | None]:
    """The connection to the tapio Cloud, bent."""
    return {f"https/{TAPIO}": healthy.https(TAPIO, **changes)}


def https_trouble(kind: str, phase: str, **changes: object) -> dict[str, Observation | None]:
    """A connection to the tapio Cloud that did not come about."""
    gone = {"tls": None, "reply": None, "date_offset_s": None}
    return https(**gone, trouble=Trouble(kind=kind, phase=phase, **changes))


def unverified(code: int, **changes: object) -> dict[str, Observation | None]:
    """A certificate of the tapio Cloud that did not verify."""
    return https(
        tls=replace(TLS, version="", **changes),
        verify_error=VerifyError(code=code, message="no"),
        reply=None,
        date_offset_s=None,
    )


def claims(offset_s: float | None) -> dict[str, Observation | None]:
    """A certificate of the tapio Cloud that has expired, and what time its host says it is."""
    ((key, seen),) = unverified(
        10, not_before="2026-01-01T00:00:00.000Z", not_after=YESTERDAY
    ).items()
    return {key: replace(seen, claimed_offset_s=offset_s)}


def answered(status: int, *headers: tuple[str, str]) -> dict[str, Observation | None]:
    """A response of the tapio Cloud."""
    reply = HttpReply(url=f"https://{TAPIO}/", status=status, headers=headers)
    return https(reply=reply)


def page(port: int, **changes: object) -> dict[str, Observation | None]:
    """A page of the CUBE, bent."""
    return {f"page/{CUBE}:{port}": healthy.page(port, **changes)}


def stamped(port: int, fields: tuple[tuple[str, str], ...], status: int = 200) -> HttpReply:
    """A page's response with these header fields."""
    return HttpReply(url=f"http://{CUBE}:{port}/", status=status, headers=fields)


def titled(title: str, status: int) -> HttpReply:
    """A page's response with a title."""
    return HttpReply(url=f"http://{CUBE}:80/", status=status, title=title)


def dated(
    diagnosis: tuple[tuple[str, str], ...], connector: tuple[tuple[str, str], ...]
) -> dict[str, Observation | None]:
    """The CUBE's two pages, with header fields."""
    return page(80, replies=(stamped(80, diagnosis),)) | page(
        5555, replies=(stamped(5555, connector),)
    )


def named_page(name: str, **changes: object) -> dict[str, Observation | None]:
    """A diagnosis page that leads to a name, what DNS says of it, and the page under it."""
    return {
        **page(80, redirect=f"http://{name}/ui/"),
        f"dns/{SERVER}/{name}": dns(name, **changes),
        f"page/{CUBE}:80/{name}": healthy.page(80),
    }


def page_trouble(port: int, kind: str, phase: str = "tcp") -> dict[str, Observation | None]:
    """A page of the CUBE that did not come."""
    return page(port, replies=(), trouble=Trouble(kind=kind, phase=phase))


def status(port: int, code: int) -> dict[str, Observation | None]:
    """A page of the CUBE with another status."""
    return page(port, replies=(HttpReply(url=f"http://{CUBE}:{port}/", status=code),))


def ping(key: str, address: str, *results: str) -> dict[str, Observation | None]:
    """Four echo requests and what came of them."""
    echoes = tuple(
        Echo(sequence=n, at_s=1.2 * n, result=result, source=OTHER if "host" in result else "")
        for n, result in enumerate(results)
    )
    kinds = {"prohibited": "refused", "unreachable": "no-route"}
    trouble = None
    if set(results) != {"reply"}:
        trouble = Trouble(kind=kinds.get(results[0], "no-answer"), phase="icmp")
    observed = PingObserved(**COMMON, address=address, method="raw", echoes=echoes, trouble=trouble)
    return {f"ping/{key}": observed}


def mdns(*replies: NameReply, trouble: Trouble | None = None) -> dict[str, Observation | None]:
    """What mDNS brought."""
    observed = MdnsObserved(**COMMON, hostname="cube-4711", replies=replies, trouble=trouble)
    return {"mdns/line-1": observed}


def llmnr(*replies: NameReply, trouble: Trouble | None = None) -> dict[str, Observation | None]:
    """What LLMNR brought."""
    observed = LlmnrObserved(**COMMON, hostname="cube-4711", replies=replies, trouble=trouble)
    return {"llmnr/line-1": observed}


def named(source: str, *names: tuple[str, str], **changes: object) -> NameReply:
    """A reply with names."""
    return NameReply(source=source, source_port=5353, at_s=0.1, names=names, **changes)


def ssh(**changes: object) -> dict[str, Observation | None]:
    """What port 22 said."""
    return {f"ssh/{CUBE}": SshObserved(**COMMON, address=CUBE, **changes)}


def ssh_trouble(kind: str, phase: str = "tcp", **changes: object) -> dict[str, Observation | None]:
    """Why port 22 said nothing useful."""
    return ssh(trouble=Trouble(kind=kind, phase=phase, **changes))


def channel(target: str = TAPIO, **changes: object) -> Channel:
    """A channel through a shell, as far as the tapio Cloud's page."""
    values = {"target": target, "tls": TLS, "reply": healthy.https(TAPIO).reply} | changes
    return Channel(**values)


def not_opened(target: str = TAPIO, code: int | None = 2, words: str = "") -> Channel:
    """A channel that a shell did not open."""
    kind = "no-answer" if code is None else "refused"
    return Channel(
        target=target, code=code, words=words, trouble=Trouble(kind=kind, phase="channel")
    )


def broken(kind: str, phase: str, **changes: object) -> Channel:
    """A channel whose other end did not answer as the tapio Cloud does."""
    trouble = Trouble(kind=kind, phase=phase, sign="TCP FIN/RST")
    return channel(tls=None, reply=None, trouble=trouble, **changes)


def tunnel(
    by_name: Channel | None = None,
    by_address: Channel | None = None,
    *,
    cube: str = "line-1",
    host: str = TAPIO,
    ended: str = "",
) -> dict[str, Observation | None]:
    """What a CUBE itself reached."""
    seen = TunnelObserved(
        **COMMON,
        cube=cube,
        address=CUBE,
        host=host,
        shell=Trouble(kind="refused", phase=ended) if ended else None,
        by_name=by_name,
        by_address=by_address,
    )
    return {f"tunnel/{cube}/{host}": seen}


def through(
    by_name: Channel | None = None, by_address: Channel | None = None, **changes: object
) -> dict[str, Observation | None]:
    """What a CUBE itself reached, with a shell that is in order and a good way to HOMAG's cloud."""
    shell = ssh(banner=BANNER, key_exchange=True, fingerprint=PIN, key_type="ssh-ed25519")
    good = tunnel(channel(HOMAG), host=HOMAG)
    return shell | good | tunnel(by_name, by_address, **changes)


def one_cube(**changes: object) -> Site:
    """The healthy site with its CUBE described differently."""
    values = {"name": "line-1", "address": CUBE, "version": "0.131.0", "hostname": "cube-4711"}
    return replace(healthy.SITE, cubes=(Cube(**(values | changes)),))


MONTH_LATER = "2026-12-23T09:00:00.000Z"
NO_DATES = {f"https/{host}": healthy.https(host, date_offset_s=None) for host in HOSTS}
"""No clock but this computer's and the time servers'."""


def expired_but_for(time_server: Observation) -> dict[str, Observation | None]:
    """A certificate that would be valid by a time server that is far behind this computer."""
    return unverified(10, not_after="2026-11-01T00:00:00.000Z") | {f"ntp/{SERVER}": time_server}


def portal(code: int) -> dict[str, Observation | None]:
    """A response with the address of somebody's login in its header."""
    return answered(code, ("location", "http://portal.example/login"))


PRIVATE_CA = replace(healthy.SITE, cloud=Cloud(ca_file="own-ca.pem"))
"""A site with an authority of its own, which may vouch for a box of the site as well."""
SSH_ON = one_cube(ssh="enabled")
PIN = "SHA256:" + "A" * 43
SSH_PINNED = one_cube(ssh="enabled", ssh_fingerprint=PIN)
LOGIN = {"ssh": "enabled", "ssh_fingerprint": PIN, "login": Login(user="service", key="cube")}
WITH_LOGIN = one_cube(**LOGIN)
SITE_SERVERS = replace(healthy.SITE, dns=Dns(servers=(SERVER,)), ntp=Ntp(servers=(SERVER,)))
BANNER = "SSH-2.0-OpenSSH_9.2"
NAME = ("cube-4711.local", CUBE)
LABEL = ("cube-4711", CUBE)

LEASE = LeaseObserved(
    **COMMON, client="dhclient", address="10.20.0.20", dns=(SERVER,), ntp=(SERVER,)
)
HEARD_NOTHING = DhcpObserved(
    started=STARTED,
    duration_s=10.0,
    tries=(Try(at_s=0.0, to="255.255.255.255:67", result="silence", detail="UDP socket"),),
)
UNHEARD = DhcpObserved(started=STARTED, duration_s=10.0, deaf="udp-socket", command="sudo")
STRAY = replace(
    OFFER,
    source="192.168.178.1",
    server_id="192.168.178.1",
    address="192.168.178.20",
    routers=("192.168.178.1",),
)
OWN_MAC, OTHER_MAC, ROUTER_MAC = (f"02:00:00:00:00:{last}" for last in (50, 99, 11))
OWN_OFFER = replace(OFFER, address=CUBE, hardware=OWN_MAC)
REGISTERED = one_cube(mac=OWN_MAC)
NO_SERVERS = {
    "NTP-01": "fail not-offered",
    **every(DNS_CASES + HTTPS_CASES, "fail not-offered"),
    "PING-01": "fail not-offered",
}
NOTHING_PERMITTED = {
    "DHCP-01": "inconclusive not-permitted",
    "NTP-01": "inconclusive not-permitted",
    **every(OUTBOUND, "inconclusive not-permitted"),
}
UNMEASURED = {
    "dhcp": cannot("not-permitted", "sudo"),
    "lease": cannot("not-permitted", "sudo"),
    **{f"dns/{SERVER}/{host}": None for host in [*HOSTS, "invalid"]},
    f"ntp/{SERVER}": None,
    **no_cloud(),
}

IN_14_DAYS = "2026-12-07T09:00:00.000Z"
IN_10_DAYS = "2026-12-03T12:00:00.000Z"
IN_23_DAYS = "2026-12-16T12:00:00.000Z"
YESTERDAY = "2026-11-22T09:00:00.000Z"
TEN_DAYS_S = 864000.0
AZURE = ("homag.privatelink.azurewebsites.net",)
CAPITALS = "Disco.Tapio.ONE"

ROWS = [
    Row("the healthy site", {}, {}),
    # DHCP
    Row("no DHCP server", {"dhcp": dhcp()}, {"DHCP-01": "fail no-answer", **NO_SERVERS}),
    Row(
        "no DHCP server, but servers in the site file",
        {"dhcp": dhcp()},
        {"DHCP-01": "fail no-answer"},
        site=SITE_SERVERS,
    ),
    Row("no router", {"dhcp": offer(routers=())}, {"DHCP-01": "fail wrong-answer"}),
    Row("router 0.0.0.0", {"dhcp": offer(routers=("0.0.0.0",))}, {"DHCP-01": "fail wrong-answer"}),
    Row(
        "the router stands in option 121 only",
        {"dhcp": offer(routers=(), routes=(("0.0.0.0/0", SERVER),))},
        {},
    ),
    Row(
        "option 121 without a default route",
        {"dhcp": offer(routers=(), routes=(("10.0.0.0/8", SERVER),))},
        {"DHCP-01": "fail wrong-answer"},
    ),
    Row(
        "option 121 without a default route beside a router",
        {"dhcp": offer(routes=(("10.0.0.0/8", SERVER),))},
        {},
        ("no-default-route",),
    ),
    Row(
        "option 121 with a default route in two halves",
        {"dhcp": offer(routers=(), routes=(("0.0.0.0/1", SERVER), ("128.0.0.0/1", SERVER)))},
        {},
    ),
    Row(
        "option 121 with one half of a default route beside a router",
        {"dhcp": offer(routes=(("0.0.0.0/1", SERVER),))},
        {},
        ("no-default-route",),
    ),
    Row("no mask", {"dhcp": offer(subnet_mask=None)}, {"DHCP-01": "fail wrong-answer"}),
    Row("no server identifier", {"dhcp": offer(server_id=None)}, {"DHCP-01": "fail wrong-answer"}),
    Row(
        "an offer of 0.0.0.0 and no other",
        {"dhcp": offer(address="0.0.0.0"), **no_cloud()},
        {"DHCP-01": "fail wrong-answer", **NO_SERVERS},
    ),
    Row(
        "a boot server's offer of 0.0.0.0 beside a good one",
        {
            "dhcp": dhcp(
                replace(OFFER, address="0.0.0.0", server_id=SECOND, dns=(OTHER,), routers=()), OFFER
            )
        },
        {},
    ),
    Row(
        "no address of a host",
        {"dhcp": offer(address="224.0.0.5")},
        {"DHCP-01": "fail wrong-answer"},
    ),
    Row(
        "a stray server answers before the right one",
        {"dhcp": dhcp(STRAY, OFFER)},
        {},
        ("second-server", "servers-disagree"),
    ),
    Row(
        "only a stray server answers",
        {"dhcp": dhcp(STRAY), **no_cloud()},
        {
            "DHCP-01": "inconclusive ambiguous",
            "NTP-01": "inconclusive ambiguous",
            **every(OUTBOUND, "inconclusive ambiguous"),
        },
    ),
    Row(
        "only stray servers answer, and the site file names servers",
        {"dhcp": dhcp(STRAY, replace(STRAY, server_id="172.16.0.1", address="172.16.0.9"))},
        {"DHCP-01": "inconclusive ambiguous"},
        ("second-server",),
        SITE_SERVERS,
    ),
    Row(
        "a stray server's complete offer beside a right one without a router",
        {"dhcp": dhcp(STRAY, replace(OFFER, routers=()))},
        {"DHCP-01": "fail wrong-answer"},
        ("second-server", "servers-disagree"),
    ),
    Row(
        "the CUBE's own offer names other servers than the one to this computer",
        {
            "dhcp": dhcp(replace(OFFER, ntp=(SECOND,), dns=(SECOND,)), OWN_OFFER),
        },
        {},
        ("own-offer",),
        REGISTERED,
    ),
    Row(
        "the CUBE's own offer is of another address than the site file's",
        {"dhcp": dhcp(replace(OWN_OFFER, address="10.20.0.77"))},
        {},
        ("own-offer",),
        REGISTERED,
    ),
    Row(
        "the CUBE's own offer has no router, unlike the one to this computer",
        {"dhcp": dhcp(OFFER, replace(OWN_OFFER, routers=()))},
        {"DHCP-01": "fail wrong-answer"},
        ("own-offer",),
        REGISTERED,
    ),
    Row(
        "a stray server offers to the CUBE as well",
        {"dhcp": dhcp(replace(STRAY, hardware=OWN_MAC), OFFER)},
        {},
        ("own-offer", "second-server", "servers-disagree"),
        REGISTERED,
    ),
    Row(
        "the CUBE's own address is held by the CUBE",
        {"dhcp": replace(dhcp(OWN_OFFER), holders=((CUBE, OWN_MAC),))},
        {},
        ("own-offer",),
        REGISTERED,
    ),
    Row(
        "the CUBE's own address is held by somebody else",
        {"dhcp": replace(dhcp(OWN_OFFER), holders=((CUBE, OTHER_MAC), (CUBE, OWN_MAC)))},
        {},
        ("own-offer", "address-taken", "two-devices"),
        REGISTERED,
    ),
    Row(
        "the offered address is the CUBE's by the site file",
        {"dhcp": offer(address=CUBE)},
        {},
        ("address-taken",),
    ),
    Row(
        "the offered address is the CUBE's by the site file, which was asked for, too",
        {"dhcp": dhcp(replace(OFFER, address=CUBE), replace(OWN_OFFER, address="10.20.0.77"))},
        {},
        ("own-offer", "address-taken"),
        REGISTERED,
    ),
    Row(
        "the offered address is this computer's own, for which a router answers as well",
        {
            "dhcp": replace(
                dhcp(replace(OFFER, address=healthy.LAPTOP)),
                holders=((healthy.LAPTOP, ROUTER_MAC),),
            )
        },
        {},
        ("own-address",),
    ),
    Row(
        "the offered address is somebody's",
        {"dhcp": replace(dhcp(OFFER), holders=((OFFER.address, OTHER_MAC), (SERVER, ROUTER_MAC)))},
        {},
        ("address-taken",),
    ),
    Row(
        "a router answers ARP for every address",
        {"dhcp": replace(dhcp(OFFER), holders=((OFFER.address, ROUTER_MAC), (SERVER, ROUTER_MAC)))},
        {},
    ),
    Row(
        "silence for this computer and for the CUBE",
        {"dhcp": dhcp(), **no_cloud()},
        {"DHCP-01": "fail no-answer", **NO_SERVERS},
        site=REGISTERED,
    ),
    Row(
        "the offered address is the network's broadcast address",
        {"dhcp": offer(address="10.20.0.255")},
        {"DHCP-01": "fail wrong-answer"},
    ),
    Row(
        "the only router is the network's broadcast address",
        {"dhcp": offer(routers=("10.20.0.255",))},
        {"DHCP-01": "fail wrong-answer"},
    ),
    Row("no lease time", {"dhcp": offer(lease_s=None)}, {}),
    Row("a lease of 599 s", {"dhcp": offer(lease_s=599)}, {}, ("short-lease",)),
    Row("a lease of 600 s", {"dhcp": offer(lease_s=600)}, {}),
    Row("a lease for ever", {"dhcp": offer(lease_s=2**32 - 1)}, {}),
    Row(
        "the offered address is outside the network",
        {"dhcp": offer(address="10.20.9.5", subnet_mask="255.255.0.0")},
        {},
        ("outside-network",),
        replace(healthy.SITE, vantage=VantageWish(network="10.20.0.0/24")),
    ),
    Row(
        "the router is outside the network that is handed out",
        {"dhcp": offer(routers=("10.99.0.1", "10.21.0.1"))},
        dict.fromkeys((*HTTPS_CASES, "PING-01"), "inconclusive other-route"),
        ("router-outside",),
    ),
    Row(
        "one of two routers is inside",
        {"dhcp": offer(routers=("10.99.0.1", "10.20.0.1"))},
        {},
    ),
    Row(
        "a mask for one host leaves no room for a router",
        {"dhcp": offer(subnet_mask="255.255.255.255")},
        {},
        ("router-outside",),
    ),
    Row(
        "the router is outside, but routes replace it",
        {"dhcp": offer(routers=("10.99.0.1",), routes=(("0.0.0.0/0", "10.20.0.1"),))},
        {},
    ),
    Row(
        "the offer is inside the network",
        {},
        {},
        site=replace(healthy.SITE, vantage=VantageWish(network="10.20.0.0/24")),
    ),
    Row(
        "no option 42", {"dhcp": offer(ntp=())}, {"NTP-01": "fail not-offered"}, ("no-time-server",)
    ),
    Row(
        "option 42 with 0.0.0.0",
        {"dhcp": offer(ntp=("0.0.0.0",))},
        {"NTP-01": "fail not-offered"},
        ("no-time-server",),
    ),
    Row(
        "option 42 with the network's broadcast address",
        {"dhcp": offer(ntp=("10.20.0.255",))},
        {"NTP-01": "fail not-offered"},
        ("no-time-server",),
    ),
    Row(
        "option 6 with the network's own address before a good one",
        {"dhcp": offer(dns=("10.20.0.0", SERVER))},
        {},
    ),
    Row(
        "no option 6",
        {"dhcp": offer(dns=())} | no_cloud(),
        {**every(DNS_CASES + HTTPS_CASES, "fail not-offered"), "PING-01": "fail not-offered"},
        ("no-name-server",),
    ),
    Row(
        "no option 42, a time server in the site file",
        {"dhcp": offer(ntp=())},
        {},
        ("no-time-server",),
        SITE_SERVERS,
    ),
    Row(
        "two servers that agree",
        {"dhcp": dhcp(OFFER, replace(OFFER, server_id=SECOND))},
        {},
        ("second-server",),
    ),
    Row(
        "two servers that disagree on the router",
        {"dhcp": dhcp(OFFER, replace(OFFER, server_id=SECOND, routers=(SECOND,)))},
        {},
        ("second-server", "servers-disagree"),
    ),
    Row(
        "two servers that disagree on DNS",
        {"dhcp": dhcp(OFFER, replace(OFFER, server_id=SECOND, dns=(SECOND,)))},
        {},
        ("second-server", "servers-disagree"),
    ),
    *(
        Row(
            f"two servers that disagree on DNS, and of the other's {what}",
            {
                "dhcp": dhcp(OFFER, replace(OFFER, server_id=SECOND, dns=named)),
                **{
                    f"dns/{server}/{host}": change
                    if isinstance(change, CannotMeasure)
                    else dns(host, server, **change)
                    for server, host, change in answers
                },
            },
            {},
            ("second-server", "servers-disagree", *notes),
        )
        for what, named, answers, notes in (
            ("none resolves", (SECOND,), refused_by(SECOND), ("offer-without-names",)),
            (
                "one name of two is not known",
                (SECOND,),
                refused_by(SECOND)[:1] + known_to(SECOND)[1:],
                ("offer-without-names",),
            ),
            ("one of two resolves", (SECOND, THIRD), refused_by(SECOND) + known_to(THIRD), ()),
            (
                "one could not be asked",
                (SECOND,),
                [(SECOND, host, cannot("not-permitted")) for host in HOSTS],
                (),
            ),
            (
                "each resolves one name",
                (SECOND, THIRD),
                [
                    (SECOND, TAPIO, {}),
                    (SECOND, HOMAG, {"rcode": "NXDOMAIN", "addresses": ()}),
                    (THIRD, TAPIO, {"rcode": "NXDOMAIN", "addresses": ()}),
                    (THIRD, HOMAG, {}),
                ],
                ("offer-without-names",),
            ),
            (
                "the first cannot be asked, and the second resolves nothing",
                (THIRD, SECOND),
                [*refused_by(SECOND), *((THIRD, host, cannot("not-permitted")) for host in HOSTS)],
                (),
            ),
            ("there is none", (), [], ("offer-without-names",)),
        )
    ),
    Row(
        "two servers that name the same DNS servers, and the other first the one that denies",
        {
            "dhcp": dhcp(
                replace(OFFER, dns=(SERVER, SECOND)),
                replace(OFFER, server_id=SECOND, dns=(SECOND, SERVER)),
            )
        }
        | told(SECOND, "NXDOMAIN"),
        {},
        ("second-server", "offer-without-names", "server-failed"),
    ),
    *(
        Row(
            f"two servers, and the other's time server {what}",
            {"dhcp": dhcp(OFFER, replace(OFFER, server_id=SECOND, ntp=(SECOND,)))} | measured,
            {},
            ("second-server", *notes),
        )
        for what, measured, notes in (
            ("works", {f"ntp/{SECOND}": ntp(SECOND)}, ()),
            ("is silent", {f"ntp/{SECOND}": ntp(SECOND, SILENT)}, ("offer-without-time",)),
            (
                "is not synchronised",
                {f"ntp/{SECOND}": ntp(SECOND, leap=3)},
                ("offer-without-time",),
            ),
            ("could not be asked", {f"ntp/{SECOND}": cannot("not-permitted")}, ()),
        )
    ),
    Row(
        "two servers, and the other's far ones are reached by another router than a CUBE's",
        {
            "dhcp": dhcp(OFFER, replace(OFFER, server_id=SECOND, dns=(FAR,), ntp=(FAR,))),
            **{
                f"dns/{FAR}/{host}": dns(host, FAR, rcode="REFUSED", addresses=()) for host in HOSTS
            },
            f"ntp/{FAR}": ntp(FAR, SILENT),
            **way("udp", FAR, 53, "10.20.0.9"),
            **way("udp", FAR, 123, "10.20.0.9"),
        },
        {},
        ("second-server", "servers-disagree"),
    ),
    Row(
        "two servers, of which the other names no time server",
        {"dhcp": dhcp(OFFER, replace(OFFER, server_id=SECOND, ntp=()))},
        {},
        ("second-server", "offer-without-time"),
    ),
    Row(
        "two servers that name the same servers in another order",
        {
            "dhcp": dhcp(
                replace(OFFER, routers=(SERVER, SECOND), dns=(SERVER, SECOND)),
                replace(OFFER, server_id=SECOND, routers=(SECOND, SERVER), dns=(SECOND, SERVER)),
            ),
            **{f"dns/{SECOND}/{host}": dns(host, SECOND) for host in HOSTS},
            f"dns/{SECOND}/invalid": dns("invalid", SECOND, rcode="NXDOMAIN", addresses=()),
        },
        {},
        ("second-server",),
    ),
    Row(
        "two servers of which one names the router as a route",
        {
            "dhcp": dhcp(
                OFFER,
                replace(OFFER, server_id=SECOND, routers=(), routes=(("0.0.0.0/0", SERVER),)),
            )
        },
        {},
        ("second-server",),
    ),
    Row(
        "two servers, and a route of one of them disagrees on the router",
        {"dhcp": dhcp(OFFER, replace(OFFER, server_id=SECOND, routes=(("0.0.0.0/0", SECOND),)))},
        {},
        ("second-server", "servers-disagree"),
    ),
    Row("the same server twice", {"dhcp": dhcp(OFFER, OFFER)}, {}),
    Row(
        "an incomplete offer before a complete one",
        {"dhcp": dhcp(replace(OFFER, server_id=SECOND, routers=()), OFFER)},
        {},
        ("second-server", "servers-disagree"),
    ),
    Row(
        "malformed options beside good ones",
        {"dhcp": offer(defects=("option 26: length 3",))},
        {},
        ("malformed-option",),
    ),
    Row(
        "port 68 not permitted, a lease to be read",
        {
            "dhcp": cannot("not-permitted", "sudo"),
            "lease": LEASE,
        },
        {},
        ("from-lease",),
    ),
    Row(
        "port 68 not permitted, no lease",
        UNMEASURED,
        {
            "DHCP-01": "inconclusive not-permitted",
            "NTP-01": "inconclusive not-permitted",
            **every(OUTBOUND, "inconclusive not-permitted"),
        },
    ),
    Row(
        "port 68 not permitted, servers in the site file",
        {"dhcp": cannot("not-permitted"), "lease": cannot("not-permitted")},
        {"DHCP-01": "inconclusive not-permitted"},
        site=SITE_SERVERS,
    ),
    Row(
        "silence on a UDP socket, although this computer holds a lease",
        {"dhcp": UNHEARD, "lease": LEASE},
        {"DHCP-01": "inconclusive not-permitted"},
    ),
    Row(
        "silence on a UDP socket, and the lease names no servers",
        {
            "dhcp": UNHEARD,
            "lease": msgspec.structs.replace(LEASE, dns=(), ntp=()),
            **no_cloud(),
        },
        NOTHING_PERMITTED,
    ),
    Row(
        "silence on a UDP socket, and no lease either",
        {"dhcp": UNHEARD, "lease": cannot("not-permitted"), **no_cloud()},
        NOTHING_PERMITTED,
    ),
    Row(
        "silence on a UDP socket, in evidence of an earlier version",
        {"dhcp": HEARD_NOTHING, "lease": cannot("not-permitted"), **no_cloud()},
        NOTHING_PERMITTED,
    ),
    Row(
        "silence in WSL",
        {
            "dhcp": replace(UNHEARD, deaf="wsl", command=""),
            "lease": cannot("not-permitted"),
            **no_cloud(),
        },
        NOTHING_PERMITTED,
    ),
    Row(
        "port 68 not permitted, the lease names no time server",
        {
            "dhcp": cannot("not-permitted", "sudo"),
            "lease": msgspec.structs.replace(LEASE, ntp=()),
        },
        {"NTP-01": "inconclusive not-permitted"},
        ("from-lease",),
    ),
    Row(
        "port 68 not permitted, the lease names no time server, although its client asked for one",
        {
            "dhcp": cannot("not-permitted", "sudo"),
            "lease": msgspec.structs.replace(LEASE, ntp=(), asked=(6, 42)),
        },
        {"NTP-01": "fail not-offered"},
        ("from-lease", "no-time-server"),
    ),
    Row(
        "port 68 not permitted, the lease names no DNS server, although its client asked for one",
        {
            "dhcp": cannot("not-permitted", "sudo"),
            "lease": msgspec.structs.replace(LEASE, dns=(), asked=(6,)),
            **no_cloud(),
        },
        every(OUTBOUND, "fail not-offered"),
        ("from-lease", "no-name-server"),
    ),
    Row(
        "port 68 not permitted, the lease names its time server in writing",
        {
            "dhcp": cannot("not-permitted", "sudo"),
            "lease": msgspec.structs.replace(
                LEASE, ntp=(), asked=(42,), defects=('option 42: "pool.ntp.org"',)
            ),
        },
        {"NTP-01": "fail not-offered"},
        ("from-lease", "malformed-option", "no-time-server"),
    ),
    Row(
        "DHCP could not be asked for another reason, although there is a lease to be read",
        {"dhcp": cannot("off-link"), "lease": LEASE},
        {"DHCP-01": "inconclusive off-link"},
    ),
    Row(
        "the offer is the address that this computer has already",
        {"dhcp": offer(address=healthy.LAPTOP)},
        {},
        ("own-address",),
    ),
    Row(
        "DHCP could not be asked for another reason",
        {"dhcp": cannot("off-link"), "lease": cannot("not-permitted")},
        {"DHCP-01": "inconclusive off-link"},
        site=SITE_SERVERS,
    ),
    # NTP
    Row(
        "the time server is silent",
        {f"ntp/{SERVER}": ntp(trouble=SILENT)},
        {"NTP-01": "fail no-answer"},
    ),
    Row(
        "the time server is closed",
        {f"ntp/{SERVER}": ntp(trouble=CLOSED)},
        {"NTP-01": "fail refused"},
    ),
    Row(
        "NTP is prohibited", {f"ntp/{SERVER}": ntp(trouble=PROHIBITED)}, {"NTP-01": "fail refused"}
    ),
    *(
        Row(
            f"NTP is prohibited for {whom}",
            {f"ntp/{SERVER}": ntp(trouble=replace(PROHIBITED, icmp_code=code))},
            {"NTP-01": "fail refused"},
        )
        for whom, code in (("this network", 9), ("this host", 10))
    ),
    Row(
        "the time server is away", {f"ntp/{SERVER}": ntp(trouble=AWAY)}, {"NTP-01": "fail no-route"}
    ),
    Row("not NTP", {f"ntp/{SERVER}": ntp(trouble=NONSENSE)}, {"NTP-01": "fail no-answer"}),
    *(
        Row(
            f"kiss-o'-death {code}",
            {f"ntp/{SERVER}": ntp(stratum=0, reference_id=code)},
            {"NTP-01": f"fail {'refused' if code in TURNED_AWAY else 'unsynchronised'}"},
        )
        for code in KISS_CODES
    ),
    Row(
        "a code of stratum 0 at stratum 2 is no kiss",
        {f"ntp/{SERVER}": ntp(stratum=2, reference_id="RATE")},
        {},
    ),
    Row(
        "the time server answers too late",
        {f"ntp/{SERVER}": replace(ntp(trouble=SILENT), ignored=TOO_LATE)},
        {"NTP-01": "fail no-answer"},
    ),
    Row(
        "the time server's neighbours miss it",
        {f"ntp/{SERVER}": ntp(trouble=MISSED)},
        {"NTP-01": "fail no-route"},
    ),
    Row(
        "no network leads to the time server",
        {f"ntp/{SERVER}": ntp(trouble=replace(AWAY, icmp_code=0))},
        {"NTP-01": "fail no-route"},
    ),
    Row(
        "stratum 1, LOCL, dispersion 10 s (systemd#13912)",
        {f"ntp/{SERVER}": ntp(stratum=1, reference_id="76.79.67.76", root_distance_s=10.016)},
        {"NTP-01": "fail unsynchronised"},
    ),
    Row(
        "two time servers with different distances",
        {
            "dhcp": offer(ntp=(SERVER, SECOND)),
            f"ntp/{SERVER}": ntp(root_distance_s=10.0),
            f"ntp/{SECOND}": ntp(SECOND, root_distance_s=7.0),
        },
        {"NTP-01": "fail unsynchronised"},
    ),
    Row(
        "one time server turns away, the other is too far from its source",
        {
            "dhcp": offer(ntp=(SERVER, SECOND)),
            f"ntp/{SERVER}": ntp(stratum=0, reference_id="RATE"),
            f"ntp/{SECOND}": ntp(SECOND, root_distance_s=7.0),
        },
        {"NTP-01": "fail unsynchronised"},
    ),
    Row(
        "one time server turns away, the other works",
        {
            "dhcp": offer(ntp=(SERVER, SECOND)),
            f"ntp/{SERVER}": ntp(stratum=0, reference_id="DENY"),
            f"ntp/{SECOND}": ntp(SECOND),
        },
        {},
        ("server-failed",),
    ),
    *(
        Row(
            f"stratum {stratum}",
            {f"ntp/{SERVER}": ntp(stratum=stratum)},
            {} if 1 <= stratum <= 15 else {"NTP-01": "fail unsynchronised"},
        )
        for stratum in (1, 2, 15, 16, 17, 255)
    ),
    Row("leap 3", {f"ntp/{SERVER}": ntp(leap=3)}, {"NTP-01": "fail unsynchronised"}),
    Row("leap 1", {f"ntp/{SERVER}": ntp(leap=1)}, {}),
    Row("leap 2", {f"ntp/{SERVER}": ntp(leap=2)}, {}),
    Row("root distance 5.0 s", {f"ntp/{SERVER}": ntp(root_distance_s=5.0)}, {}),
    Row(
        "root distance 5.01 s",
        {f"ntp/{SERVER}": ntp(root_distance_s=5.01)},
        {"NTP-01": "fail unsynchronised"},
    ),
    Row("wrong by 9 s", {f"ntp/{SERVER}": ntp(offset_s=9.0)}, {}),
    Row("wrong by 12 s", {f"ntp/{SERVER}": ntp(offset_s=12.0)}, {"NTP-01": "fail wrong-time"}),
    Row("wrong by -12 s", {f"ntp/{SERVER}": ntp(offset_s=-12.0)}, {"NTP-01": "fail wrong-time"}),
    Row("wrong by days", {f"ntp/{SERVER}": ntp(offset_s=3e5)}, {"NTP-01": "fail wrong-time"}),
    Row("wrong by decades", {f"ntp/{SERVER}": ntp(offset_s=-9e8)}, {"NTP-01": "fail wrong-time"}),
    Row(
        "this computer's clock is wrong, time server and cloud agree",
        {
            f"ntp/{SERVER}": ntp(offset_s=3600.0),
            **{f"https/{host}": healthy.https(host, date_offset_s=3599.8) for host in HOSTS},
        },
        {},
        ("own-clock",),
    ),
    Row(
        "the time server agrees with this computer, the cloud with neither",
        {f"https/{host}": healthy.https(host, date_offset_s=3600.0) for host in HOSTS},
        {"NTP-01": "fail wrong-time"},
    ),
    Row(
        "one cloud host's Date is wrong",
        {f"https/{TAPIO}": healthy.https(TAPIO, date_offset_s=3600.0)},
        {},
    ),
    Row(
        "no Date, the time server agrees with this computer",
        NO_DATES,
        {},
    ),
    *(
        Row(
            f"both cloud hosts' Date is of three hours ago, and their Age is {age}",
            {
                f"https/{host}": healthy.https(
                    host,
                    date_offset_s=-10800.0,
                    reply=HttpReply(url=f"https://{host}/", status=404, headers=(("age", age),)),
                )
                for host in HOSTS
            },
            {} if kept else {"NTP-01": "fail wrong-time"},
        )
        for age, kept in (("10800", True), ("0", False))
    ),
    Row(
        "a copy from before a certificate was renewed, and no time server",
        https(
            date_offset_s=-6e6,
            reply=HttpReply(url=f"https://{TAPIO}/", status=404, headers=(("age", "6000000"),)),
        )
        | {f"ntp/{SERVER}": ntp(trouble=SILENT)},
        {"NTP-01": "fail no-answer"},
    ),
    Row(
        "an expired certificate, and no other clock than a copy that is months old",
        unverified(10, not_before="2026-01-01T00:00:00.000Z", not_after=YESTERDAY)
        | {
            f"https/{HOMAG}": healthy.https(
                HOMAG,
                date_offset_s=-6e6,
                reply=HttpReply(url=f"https://{HOMAG}/", status=404, headers=(("age", "6000000"),)),
            ),
            f"ntp/{SERVER}": ntp(trouble=SILENT),
        },
        {"NTP-01": "fail no-answer", f"HTTPS-01[{TAPIO}]": "fail expired"},
    ),
    Row(
        "no Date, only this computer's clock disagrees",
        {
            f"ntp/{SERVER}": ntp(offset_s=60.0),
            **NO_DATES,
        },
        {"NTP-01": "inconclusive ambiguous"},
    ),
    Row(
        "a smaller tolerance in the site file",
        {f"ntp/{SERVER}": ntp(offset_s=4.0)},
        {"NTP-01": "fail wrong-time"},
        site=replace(healthy.SITE, ntp=Ntp(tolerance_s=1.0)),
    ),
    Row(
        "two time servers, the first is dead",
        {
            "dhcp": offer(ntp=(SECOND, SERVER)),
            f"ntp/{SECOND}": ntp(SECOND, trouble=SILENT),
        },
        {},
        ("server-failed",),
    ),
    Row(
        "two time servers, the first is prohibited",
        {
            "dhcp": offer(ntp=(SECOND, SERVER)),
            f"ntp/{SECOND}": ntp(SECOND, trouble=PROHIBITED),
        },
        {},
        ("server-failed",),
    ),
    Row(
        "two time servers, the second is unsynchronised",
        {"dhcp": offer(ntp=(SERVER, SECOND)), f"ntp/{SECOND}": ntp(SECOND, stratum=16)},
        {},
        ("server-failed",),
    ),
    Row(
        "two time servers, both dead in different ways",
        {
            "dhcp": offer(ntp=(SERVER, SECOND)),
            f"ntp/{SERVER}": ntp(trouble=SILENT),
            f"ntp/{SECOND}": ntp(SECOND, trouble=CLOSED),
        },
        {"NTP-01": "fail refused"},
    ),
    *(
        Row(
            f"two time servers, the first {first}, the second {second}",
            {
                "dhcp": offer(ntp=(SERVER, SECOND)),
                f"ntp/{SERVER}": ntp(trouble=troubles[0]),
                f"ntp/{SECOND}": ntp(SECOND, trouble=troubles[1]),
            },
            {"NTP-01": "fail no-answer"},
        )
        for first, second, *troubles in (
            ("silent", "silent", SILENT, SILENT),
            ("silent", "no time server at all", SILENT, NONSENSE),
            ("no time server at all", "silent", NONSENSE, SILENT),
        )
    ),
    Row(
        "two time servers that disagree, the cloud decides",
        {"dhcp": offer(ntp=(SERVER, SECOND)), f"ntp/{SECOND}": ntp(SECOND, offset_s=500.0)},
        {},
        ("server-failed",),
    ),
    Row(
        "two time servers that disagree, this computer decides",
        {
            "dhcp": offer(ntp=(SERVER, SECOND)),
            f"ntp/{SECOND}": ntp(SECOND, offset_s=500.0),
            **NO_DATES,
        },
        {},
        ("server-failed",),
    ),
    Row(
        "two time servers agree against this computer's clock",
        {
            "dhcp": offer(ntp=(SERVER, SECOND)),
            f"ntp/{SERVER}": ntp(offset_s=500.0),
            f"ntp/{SECOND}": ntp(SECOND, offset_s=501.0),
            **NO_DATES,
        },
        {},
        ("own-clock",),
    ),
    Row(
        "a time server behind this computer by just the tolerance",
        NO_DATES | {f"ntp/{SERVER}": ntp(offset_s=-10.0, delay_s=0.0)},
        {},
    ),
    Row(
        "a time server ahead by a little more than the tolerance",
        NO_DATES | {f"ntp/{SERVER}": ntp(offset_s=10.5, delay_s=0.0)},
        {"NTP-01": "inconclusive ambiguous"},
    ),
    Row(
        "a time server beyond the tolerance by half of what its answer took",
        NO_DATES | {f"ntp/{SERVER}": ntp(offset_s=10.9, delay_s=2.0)},
        {},
    ),
    Row(
        "time server and cloud ahead of this computer by just the tolerance",
        {f"https/{host}": healthy.https(host, date_offset_s=10.0) for host in HOSTS}
        | {f"ntp/{SERVER}": ntp(offset_s=10.0, delay_s=0.0)},
        {},
    ),
    Row(
        "two time servers and this computer all disagree",
        {
            "dhcp": offer(ntp=(SERVER, SECOND)),
            f"ntp/{SERVER}": ntp(offset_s=500.0),
            f"ntp/{SECOND}": ntp(SECOND, offset_s=-500.0),
            **NO_DATES,
        },
        {"NTP-01": "inconclusive ambiguous"},
    ),
    Row(
        "the way to the time server leads through a VPN",
        {f"ntp/{SERVER}": cannot("other-route")},
        {"NTP-01": "inconclusive other-route"},
    ),
    Row(
        "the first of two time servers cannot be asked",
        {"dhcp": offer(ntp=(SECOND, SERVER)), f"ntp/{SECOND}": cannot("other-route")},
        {},
    ),
    *(
        Row(
            f"of a long list of time servers only number {number} works",
            {
                "dhcp": offer(ntp=MANY[:number]),
                **{f"ntp/{server}": ntp(server, trouble=SILENT) for server in MANY},
                f"ntp/{MANY[number - 1]}": ntp(MANY[number - 1]),
            },
            expected,
            notes,
        )
        for number, expected, notes in (
            (32, {}, ("server-failed",)),
            (33, {"NTP-01": "fail no-answer"}, ()),
        )
    ),
    Row(
        "one time server silent, the other not askable",
        {
            "dhcp": offer(ntp=(SERVER, SECOND)),
            f"ntp/{SERVER}": ntp(trouble=SILENT),
            f"ntp/{SECOND}": cannot("other-route"),
        },
        {"NTP-01": "inconclusive other-route"},
    ),
    # DNS
    Row(
        "the first of two DNS servers cannot be asked",
        {
            "dhcp": offer(dns=(SECOND, SERVER)),
            **{f"dns/{SECOND}/{host}": cannot("other-route") for host in HOSTS},
        },
        every(DNS_CASES, "inconclusive other-route"),
    ),
    *(
        Row(
            f"three DNS servers: {what}",
            {"dhcp": offer(dns=(SECOND, SERVER, THIRD))} | ({} if resolved else no_cloud()) | said,
            every(OUTBOUND if not resolved else DNS_CASES, outcome) if outcome else {},
            notes,
        )
        for what, said, outcome, resolved, notes in (
            ("all resolve", told(SECOND) | told(THIRD), "", True, ()),
            *(
                (
                    f"{code}, {code}, and the last resolves",
                    told(SECOND, code) | told(SERVER, code) | told(THIRD),
                    outcome,
                    True,
                    notes,
                )
                for code, outcome, notes in (
                    ("SERVFAIL", "", ("server-failed",)),
                    ("REFUSED", "", ("server-failed",)),
                    ("NOTIMP", "", ("server-failed",)),
                    ("NXDOMAIN", "fail wrong-answer", ("server-failed",)),
                    ("NOERROR", "fail wrong-answer", ("server-failed",)),
                    ("FORMERR", "fail wrong-answer", ("server-failed",)),
                )
            ),
            (
                "silent, the second denies, the last resolves",
                told(SECOND, SILENT) | told(SERVER, "NXDOMAIN") | told(THIRD),
                "fail wrong-answer",
                True,
                ("server-failed",),
            ),
            (
                "the first denies, the second is silent, the last refuses",
                told(SECOND, "NXDOMAIN") | told(SERVER, SILENT) | told(THIRD, "REFUSED"),
                "fail wrong-answer",
                False,
                (),
            ),
            (
                "the first and the last deny, and the second could not be asked",
                told(SECOND, "NXDOMAIN") | told(SERVER, None) | told(THIRD, "NXDOMAIN"),
                "fail wrong-answer",
                False,
                (),
            ),
            (
                "silent, the second could not be asked, the last denies",
                told(SECOND, SILENT) | told(SERVER, None) | told(THIRD, "NXDOMAIN"),
                "inconclusive not-permitted",
                False,
                (),
            ),
            (
                "silent, the second could not be asked, the last resolves",
                told(SECOND, SILENT) | told(SERVER, None) | told(THIRD),
                "inconclusive not-permitted",
                True,
                (),
            ),
            (
                "the first resolves, the others could not be asked",
                told(SECOND) | told(SERVER, None) | told(THIRD, None),
                "",
                True,
                (),
            ),
            (
                "SERVFAIL, and the others are silent",
                told(SECOND, "SERVFAIL") | told(SERVER, SILENT) | told(THIRD, SILENT),
                "fail wrong-answer",
                False,
                (),
            ),
        )
    ),
    *(
        Row(
            f"of the DNS servers only number {place} resolves",
            {
                key: seen
                for number, server in enumerate(MANY[:place], 1)
                for key, seen in told(server, "" if number == place else SILENT).items()
            }
            | {"dhcp": offer(dns=MANY[:place])},
            {},
            ("server-failed", *notes),
        )
        for place, notes in ((3, ()), (4, ("named-late",)))
    ),
    *(
        Row(
            f"the first DNS server's answer is cut and holds nothing, {whole}",
            {
                "dhcp": offer(dns=(SECOND, SERVER)),
                f"dns/{SECOND}/{TAPIO}": dns(
                    TAPIO, SECOND, addresses=(), truncated=True, tcp=over_tcp
                ),
                f"dns/{SECOND}/{HOMAG}": dns(HOMAG, SECOND),
            },
            outcome,
            notes,
        )
        for whole, over_tcp, outcome, notes in (
            ("and TCP 53 is closed", "refused", {}, ("server-failed", "tcp-refused")),
            ("nor does the whole", "answer", {f"DNS-01[{TAPIO}]": "fail wrong-answer"}, ()),
        )
    ),
    Row(
        "the first DNS server of the site file denies every cloud name",
        {"dhcp": offer(dns=())} | told(SECOND, "NXDOMAIN"),
        every(DNS_CASES, "fail wrong-answer"),
        ("no-name-server",),
        site=replace(healthy.SITE, dns=Dns(servers=(SECOND, SERVER))),
    ),
    Row(
        "the DNS server denies every cloud name, by a router that no CUBE would take",
        all_dns(rcode="NXDOMAIN", addresses=()) | way("udp", SERVER, 53, OTHER),
        every(OUTBOUND, "inconclusive other-route"),
    ),
    Row(
        "an answer, and the trouble with asking again over TCP",
        {f"dns/{SERVER}/{TAPIO}": dns(TAPIO, trouble=SILENT)},
        {},
    ),
    Row(
        "an answer without an address, and the trouble with asking again over TCP",
        all_dns(addresses=(), trouble=SILENT),
        every(OUTBOUND, "fail wrong-answer"),
    ),
    *(
        Row(
            f"silence for one name, {what} for the other",
            {
                f"dns/{SERVER}/{TAPIO}": no_dns(TAPIO, SILENT),
                f"dns/{SERVER}/{HOMAG}": no_dns(HOMAG, trouble),
                f"dns/{SERVER}/invalid": no_dns("x.invalid", SILENT),
                **no_cloud(),
            },
            every(OUTBOUND, f"fail {cause}"),
        )
        for what, trouble, cause in (
            ("a closed port", CLOSED, "refused"),
            ("no way", AWAY, "no-route"),
            ("nonsense", NONSENSE, "no-answer"),
        )
    ),
    Row(
        "silence for both names, a closed port for the invented one",
        all_silent(SILENT) | {f"dns/{SERVER}/invalid": no_dns("x.invalid", CLOSED)},
        every(OUTBOUND, "fail refused"),
    ),
    Row(
        "silence for one name, a closed port for the other, and an answer to the invented one",
        {
            f"dns/{SERVER}/{TAPIO}": no_dns(TAPIO, SILENT),
            f"dns/{SERVER}/{HOMAG}": no_dns(HOMAG, CLOSED),
            **no_cloud(),
        },
        {
            f"DNS-01[{TAPIO}]": "fail no-answer",
            f"HTTPS-01[{TAPIO}]": "fail no-answer",
            f"DNS-01[{HOMAG}]": "fail refused",
            f"HTTPS-01[{HOMAG}]": "fail refused",
            "PING-01": "fail no-answer",
        },
    ),
    Row(
        "silence for one name, and the other could not be asked for",
        {
            f"dns/{SERVER}/{TAPIO}": no_dns(TAPIO, SILENT),
            f"dns/{SERVER}/{HOMAG}": cannot("not-permitted"),
            f"dns/{SERVER}/invalid": None,
            **no_cloud(),
        },
        {
            f"DNS-01[{TAPIO}]": "fail no-answer",
            f"HTTPS-01[{TAPIO}]": "fail no-answer",
            f"DNS-01[{HOMAG}]": "inconclusive not-permitted",
            f"HTTPS-01[{HOMAG}]": "inconclusive not-permitted",
            "PING-01": "fail no-answer",
        },
    ),
    *(
        Row(f"every name: {label}", all_silent(trouble), every(OUTBOUND, f"fail {cause}"))
        for label, trouble, cause in (
            ("silence", SILENT, "no-answer"),
            ("closed port", CLOSED, "refused"),
            ("prohibited", PROHIBITED, "refused"),
            ("unreachable", AWAY, "no-route"),
            ("not DNS", NONSENSE, "no-answer"),
        )
    ),
    *(
        Row(
            f"every name: {code}",
            all_dns(rcode=code, addresses=()),
            every(OUTBOUND, "fail wrong-answer"),
        )
        for code in ("NXDOMAIN", "SERVFAIL", "REFUSED", "NOTIMP", "FORMERR")
    ),
    *(
        Row(
            f"every name: only {address}",
            all_dns(addresses=(address,)),
            every(OUTBOUND, "fail wrong-answer"),
        )
        for address in (
            "0.0.0.0",
            "127.0.0.1",
            "127.0.0.53",
            "169.254.1.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.0.1",
            "100.64.0.1",
            "192.0.2.1",
            "198.51.100.1",
            "203.0.113.9",
            "224.0.0.1",
            "255.255.255.255",
        )
    ),
    *(
        Row(
            f"the alias's target: {what} ({AZURE[0]})",
            {f"dns/{SERVER}/{HOMAG}": dns(HOMAG, chain=AZURE, **changes), f"https/{HOMAG}": None},
            {f"DNS-01[{HOMAG}]": "fail wrong-answer", f"HTTPS-01[{HOMAG}]": "fail wrong-answer"},
        )
        for what, changes in (
            ("denied", {"rcode": "NXDOMAIN", "addresses": ()}),
            ("refused", {"rcode": "REFUSED", "addresses": ()}),
            ("without an address", {"addresses": ()}),
            ("private", {"addresses": ("10.1.2.3",)}),
            ("blocked", {"addresses": ("0.0.0.0",)}),
        )
    ),
    Row(
        "aliases that lead to a public address",
        {f"dns/{SERVER}/{HOMAG}": dns(HOMAG, chain=("edge.example.net", "pop.example.net"))},
        {},
    ),
    Row(
        "the first of two DNS servers denies the alias's target",
        {
            "dhcp": offer(dns=(SECOND, SERVER)),
            f"dns/{SECOND}/{TAPIO}": dns(
                TAPIO, SECOND, rcode="NXDOMAIN", addresses=(), chain=AZURE
            ),
            f"dns/{SECOND}/{HOMAG}": dns(HOMAG, SECOND),
            f"dns/{SECOND}/invalid": dns("x.invalid", SECOND, rcode="NXDOMAIN", addresses=()),
        },
        {f"DNS-01[{TAPIO}]": "fail wrong-answer"},
    ),
    Row(
        "a registration network: every name is one private address, an invented one too",
        all_dns(addresses=(OTHER,))
        | {f"dns/{SERVER}/invalid": dns("x.invalid", addresses=(OTHER,))},
        every(OUTBOUND, "fail wrong-answer"),
    ),
    Row(
        "a portal: every name is one public address, an invented one too",
        {f"dns/{SERVER}/{host}": dns(host, addresses=("11.20.0.99",)) for host in HOSTS}
        | {f"dns/{SERVER}/invalid": dns("x.invalid")},
        {},
        ("one-address",),
    ),
    Row(
        "a portal that shows its own certificate and answers no pings",
        {f"dns/{SERVER}/{host}": dns(host, addresses=("11.20.0.99",)) for host in HOSTS}
        | {f"dns/{SERVER}/invalid": dns("x.invalid")}
        | {
            f"https/{host}": healthy.https(
                host,
                addresses=("11.20.0.99",),
                connected="11.20.0.99",
                tls=replace(TLS, version="", issuer="CN=portal.example.com"),
                verify_error=VerifyError(code=62, message="hostname mismatch"),
                reply=None,
                date_offset_s=None,
            )
            for host in HOSTS
        }
        | ping(TAPIO, "11.20.0.99", *["silence"] * 4),
        {**every(HTTPS_CASES, "fail untrusted"), "PING-01": "fail no-answer"},
        ("one-address",),
    ),
    Row(
        "a proxy that every name leads to and that hands everything on",
        {f"dns/{SERVER}/{host}": dns(host, addresses=("11.20.0.99",)) for host in HOSTS}
        | {f"dns/{SERVER}/invalid": dns("x.invalid")}
        | {
            f"https/{host}": healthy.https(host, addresses=("11.20.0.99",), connected="11.20.0.99")
            for host in HOSTS
        }
        | {f"ping/{TAPIO}": healthy.ping("11.20.0.99")},
        {},
        ("one-address",),
    ),
    Row(
        "a registration network: one private address for every name that could be asked for",
        all_dns(addresses=(OTHER,))
        | {
            f"dns/{SERVER}/invalid": dns("x.invalid", addresses=(OTHER,)),
            f"dns/{SERVER}/{HOMAG}": cannot("not-permitted"),
        },
        {
            f"DNS-01[{TAPIO}]": "fail wrong-answer",
            f"HTTPS-01[{TAPIO}]": "fail wrong-answer",
            "PING-01": "fail wrong-answer",
            f"DNS-01[{HOMAG}]": "inconclusive not-permitted",
            f"HTTPS-01[{HOMAG}]": "inconclusive not-permitted",
        },
    ),
    Row(
        "a filter for everything: every name is 0.0.0.0, an invented one too",
        all_dns(addresses=("0.0.0.0",))
        | {f"dns/{SERVER}/invalid": dns("x.invalid", addresses=("0.0.0.0",))},
        every(OUTBOUND, "fail wrong-answer"),
    ),
    Row(
        "one private address for every name but the invented one",
        all_dns(addresses=(OTHER,)),
        every(OUTBOUND, "fail wrong-answer"),
    ),
    Row(
        "an address of its own for every invented name, and one private one for the others",
        all_dns(addresses=(OTHER,)) | {f"dns/{SERVER}/invalid": dns("x.invalid")},
        every(OUTBOUND, "fail wrong-answer"),
    ),
    Row(
        "two DNS servers with different block pages",
        {
            "dhcp": offer(dns=(SECOND, SERVER)),
            **all_dns(addresses=("10.0.0.1",)),
            **{
                f"dns/{SECOND}/{host}": dns(host, SECOND, addresses=("10.0.0.2",)) for host in HOSTS
            },
            f"dns/{SECOND}/invalid": dns("x.invalid", SECOND, rcode="NXDOMAIN", addresses=()),
        },
        every(OUTBOUND, "fail wrong-answer"),
    ),
    Row("every name: no address", all_dns(addresses=()), every(OUTBOUND, "fail wrong-answer")),
    Row(
        "one name of two does not resolve",
        {
            f"dns/{SERVER}/{HOMAG}": dns(HOMAG, rcode="NXDOMAIN", addresses=()),
            f"https/{HOMAG}": None,
        },
        {f"DNS-01[{HOMAG}]": "fail wrong-answer", f"HTTPS-01[{HOMAG}]": "fail wrong-answer"},
    ),
    Row(
        "a private address beside a public one",
        {f"dns/{SERVER}/{TAPIO}": dns(TAPIO, addresses=("10.1.1.1", HOSTS[TAPIO]))},
        {},
    ),
    Row(
        "private addresses are allowed in this lab",
        {f"dns/{SERVER}/{host}": dns(host, addresses=("10.1.1.1",)) for host in HOSTS},
        {},
        site=replace(healthy.SITE, cloud=Cloud(allow_private=True)),
    ),
    Row(
        "the first DNS server is dead",
        {
            "dhcp": offer(dns=(SECOND, SERVER)),
            **{f"dns/{SECOND}/{host}": no_dns(host, SILENT, SECOND) for host in HOSTS},
        },
        {},
        ("server-failed",),
    ),
    Row(
        "the first DNS server filters",
        {
            "dhcp": offer(dns=(SECOND, SERVER)),
            **{f"dns/{SECOND}/{host}": dns(host, SECOND, addresses=("0.0.0.0",)) for host in HOSTS},
        },
        every(DNS_CASES, "fail wrong-answer"),
    ),
    *(
        Row(
            f"{label} DNS server denies every cloud name",
            {
                "dhcp": offer(dns=order),
                **{
                    f"dns/{SECOND}/{host}": dns(host, SECOND, rcode="NXDOMAIN", addresses=())
                    for host in HOSTS
                },
            },
            outcome,
            notes,
        )
        for label, order, outcome, notes in (
            ("the first", (SECOND, SERVER), every(DNS_CASES, "fail wrong-answer"), ()),
            ("the second", (SERVER, SECOND), {}, ("server-failed",)),
        )
    ),
    Row(
        "the first DNS server fails by itself",
        {
            "dhcp": offer(dns=(SECOND, SERVER)),
            **{
                f"dns/{SECOND}/{host}": dns(host, SECOND, rcode="SERVFAIL", addresses=())
                for host in HOSTS
            },
        },
        {},
        ("server-failed",),
    ),
    Row(
        "both DNS servers dead in different ways",
        {
            "dhcp": offer(dns=(SECOND, SERVER)),
            **{f"dns/{SECOND}/{host}": no_dns(host, CLOSED, SECOND) for host in HOSTS},
            **all_silent(SILENT),
        },
        every(OUTBOUND, "fail refused"),
    ),
    Row(
        "a resolver invents addresses",
        {f"dns/{SERVER}/invalid": dns("x.invalid", addresses=("11.9.9.9",))},
        {},
        ("inventing-resolver",),
    ),
    *(
        Row(
            f"aliases that lead to an address {how}",
            {f"dns/{SERVER}/{HOMAG}": dns(HOMAG, chain=AZURE, aliased=how)},
            {},
            notes,
        )
        for how, notes in (
            ("plainly", ()),
            ("backwards", ("alias-lost",)),
            ("in-part", ("alias-lost",)),
        )
    ),
    Row(
        "truncated, TCP 53 closed, addresses all the same",
        {f"dns/{SERVER}/{TAPIO}": dns(TAPIO, truncated=True, tcp="refused")},
        {},
        ("tcp-refused",),
    ),
    Row(
        "truncated, TCP 53 answers",
        {f"dns/{SERVER}/{TAPIO}": dns(TAPIO, truncated=True, tcp="answer")},
        {},
    ),
    Row(
        "the way to the DNS server leads through a VPN",
        {f"dns/{SERVER}/{host}": cannot("other-route") for host in HOSTS} | no_cloud(),
        every(OUTBOUND, "inconclusive other-route"),
    ),
    # HTTPS
    *(
        Row(
            f"443: {kind} at {phase}",
            https_trouble(kind, phase),
            {f"HTTPS-01[{TAPIO}]": f"fail {kind}"},
        )
        for kind, phase in (
            ("no-answer", "tcp"),
            ("refused", "tcp"),
            ("no-route", "tcp"),
            ("no-answer", "tls"),
            ("refused", "tls"),
            ("malformed", "tls"),
            ("no-answer", "http"),
            ("refused", "http"),
            ("malformed", "http"),
        )
    ),
    *(
        Row(
            f"the certificate does not verify: {code}",
            unverified(code),
            {f"HTTPS-01[{TAPIO}]": f"fail {cause}"},
        )
        for code, cause in (
            (2, "untrusted"),
            (18, "untrusted"),
            (19, "untrusted"),
            (20, "untrusted"),
            (21, "untrusted"),
            (47, "untrusted"),
            (62, "untrusted"),
            (64, "untrusted"),
            (66, "untrusted"),
        )
    ),
    Row(
        "a certificate that names the host in its subject only",
        unverified(62, names=(), subject=f"CN={TAPIO}"),
        {f"HTTPS-01[{TAPIO}]": "fail untrusted"},
    ),
    *(
        Row(
            f"a certificate of the chain is out of its time ({code}), the host's own is not",
            unverified(code),
            {f"HTTPS-01[{TAPIO}]": "fail expired"},
        )
        for code in (9, 10)
    ),
    *(
        Row(
            f"a certificate of the chain is out of its time, this computer's clock is {what}",
            unverified(10) | {f"ntp/{SERVER}": ntp(offset_s=offset_s)},
            {f"HTTPS-01[{TAPIO}]": outcome, **others},
            notes,
        )
        for what, offset_s, outcome, others, notes in (
            ("10 s off", 10.0, "fail expired", {}, ()),
            ("11.5 s off", 11.5, "inconclusive ambiguous", {"NTP-01": "fail wrong-time"}, ()),
            ("years off", 1e9, "fail expired", {"NTP-01": "fail wrong-time"}, ()),
        )
    ),
    Row(
        "a certificate of the chain is out of its time, the host's own will be in a moment",
        unverified(10, not_after=STARTED),
        {f"HTTPS-01[{TAPIO}]": "fail expired"},
    ),
    Row(
        "an expired certificate of which nothing can be read",
        unverified(10, not_before="", not_after=""),
        {f"HTTPS-01[{TAPIO}]": "fail expired"},
    ),
    *(
        Row(
            f"expired by this computer's clock, no time server, and the other host's {what}",
            claims(-172800.0 if "own" in what else None)
            | {f"ntp/{SERVER}": ntp(trouble=SILENT), f"https/{HOMAG}": other},
            {f"HTTPS-01[{TAPIO}]": outcome, "NTP-01": "fail no-answer", **others},
        )
        for what, other, outcome, others in (
            (
                "Date is two days earlier",
                healthy.https(HOMAG, date_offset_s=-172800.0),
                "inconclusive ambiguous",
                {},
            ),
            ("Date agrees", healthy.https(HOMAG), "fail expired", {}),
            ("Date is missing", healthy.https(HOMAG, date_offset_s=None), "fail expired", {}),
            (
                "Date is missing, the host's own two days earlier",
                healthy.https(HOMAG, date_offset_s=None),
                "inconclusive ambiguous",
                {},
            ),
            (
                "Date agrees, the host's own is two days earlier",
                healthy.https(HOMAG),
                "fail expired",
                {},
            ),
            (
                "address could not be asked",
                cannot("other-route"),
                "fail expired",
                {f"HTTPS-01[{HOMAG}]": "inconclusive other-route"},
            ),
        )
    ),
    Row(
        "an expired certificate",
        unverified(10, not_after="2026-11-01T00:00:00.000Z"),
        {f"HTTPS-01[{TAPIO}]": "fail expired"},
    ),
    Row(
        "a certificate that is not yet valid",
        unverified(9, not_before="2026-12-01T00:00:00.000Z"),
        {f"HTTPS-01[{TAPIO}]": "fail expired"},
    ),
    Row(
        "expired by this computer's wrong clock only",
        {
            f"ntp/{SERVER}": ntp(offset_s=-3e7),
            **{
                f"https/{host}": healthy.https(
                    host,
                    tls=replace(
                        TLS,
                        not_before="2025-10-01T00:00:00.000Z",
                        not_after="2026-10-01T00:00:00.000Z",
                    ),
                    verify_error=VerifyError(code=10, message="expired"),
                    reply=None,
                    date_offset_s=None,
                )
                for host in HOSTS
            },
        },
        {**every(HTTPS_CASES, "inconclusive ambiguous"), "NTP-01": "inconclusive ambiguous"},
    ),
    *(
        Row(
            f"expired, and a time server that {what} would have it valid",
            expired_but_for(server),
            {f"HTTPS-01[{TAPIO}]": f"fail {'expired'}", "NTP-01": outcome},
        )
        for what, server, outcome in (
            ("has leap 3", ntp(offset_s=-3e6, leap=3), "fail unsynchronised"),
            ("has stratum 0", ntp(offset_s=-3e6, stratum=0), "fail unsynchronised"),
            ("has stratum 16", ntp(offset_s=-3e6, stratum=16), "fail unsynchronised"),
            ("is silent", ntp(trouble=SILENT), "fail no-answer"),
            ("cannot be asked", cannot("other-route"), "inconclusive other-route"),
        )
    ),
    *(
        Row(
            f"expired, but valid by a time server that {what}",
            expired_but_for(ntp(offset_s=-3e6, **changes)),
            {f"HTTPS-01[{TAPIO}]": "inconclusive ambiguous", "NTP-01": "fail wrong-time"},
        )
        for what, changes in (
            ("has leap 2", {"leap": 2}),
            ("has stratum 1", {"stratum": 1}),
            ("has stratum 15", {"stratum": 15}),
        )
    ),
    Row(
        "valid from this very moment on, by the time server",
        unverified(9, not_before="2026-11-24T09:00:00.000Z")
        | {f"ntp/{SERVER}": ntp(offset_s=86400.0)},
        {f"HTTPS-01[{TAPIO}]": "inconclusive ambiguous", "NTP-01": "fail wrong-time"},
    ),
    Row(
        "valid by this computer's clock only: host and time server are two months ahead",
        https(tls=replace(TLS, not_after=MONTH_LATER), date_offset_s=5e6)
        | {f"ntp/{SERVER}": ntp(offset_s=5e6)},
        {f"HTTPS-01[{TAPIO}]": "fail expired"},
        ("own-clock",),
    ),
    Row(
        "valid by this computer's clock and the time server, not by the host's",
        https(tls=replace(TLS, not_after=MONTH_LATER), date_offset_s=5e6),
        {},
    ),
    Row(
        "valid by this computer's clock and the host, not by the time server",
        https(tls=replace(TLS, not_after=MONTH_LATER)) | {f"ntp/{SERVER}": ntp(offset_s=5e6)},
        {"NTP-01": "fail wrong-time"},
    ),
    *(
        Row(
            f"valid by this computer's clock, not by the host's, and the time server {what}",
            https(tls=replace(TLS, not_after=MONTH_LATER), date_offset_s=5e6)
            | {f"ntp/{SERVER}": server},
            {f"HTTPS-01[{TAPIO}]": "inconclusive ambiguous", "NTP-01": outcome},
        )
        for what, server, outcome in (
            ("is silent", ntp(trouble=SILENT), "fail no-answer"),
            ("is not synchronised", ntp(offset_s=5e6, leap=3), "fail unsynchronised"),
        )
    ),
    Row(
        "valid by this computer's clock, not by the time server, and no host tells the time",
        NO_DATES
        | https(tls=replace(TLS, not_after=MONTH_LATER), date_offset_s=None)
        | {f"ntp/{SERVER}": ntp(offset_s=5e6)},
        {f"HTTPS-01[{TAPIO}]": "inconclusive ambiguous", "NTP-01": "inconclusive ambiguous"},
    ),
    Row(
        "a certificate of which nothing can be read",
        https(tls=replace(TLS, not_before="", not_after=""), date_offset_s=5e6),
        {},
    ),
    Row(
        "a certificate that did not verify and could not be looked at",
        https(
            tls=None,
            verify_error=VerifyError(code=19, message="no"),
            reply=None,
            date_offset_s=None,
        ),
        {f"HTTPS-01[{TAPIO}]": "fail untrusted"},
    ),
    Row("a certificate with just 14 days left", https(tls=replace(TLS, not_after=IN_14_DAYS)), {}),
    Row(
        "a certificate with just 14 days left, and all other clocks ahead by just the tolerance",
        https(tls=replace(TLS, not_after=IN_14_DAYS), date_offset_s=10.0)
        | {f"ntp/{SERVER}": ntp(offset_s=10.0)},
        {},
    ),
    Row(
        "a certificate with a little less than 14 days left",
        https(tls=replace(TLS, not_after="2026-12-07T08:59:59.000Z")),
        {},
        ("near-expiry",),
    ),
    Row("a certificate whose dates cannot be read", https(tls=replace(TLS, not_after="")), {}),
    Row(
        "neither reply nor trouble",
        https(reply=None, date_offset_s=None),
        {f"HTTPS-01[{TAPIO}]": "inconclusive internal-error"},
    ),
    *(
        Row(f"a login's address beside status {code}", portal(code), {}, site=PRIVATE_CA)
        for code in (200, 299, 400)
    ),
    Row(
        "status 300 with a login's address, where the site trusts an authority of its own",
        portal(300),
        {f"HTTPS-01[{TAPIO}]": "fail wrong-answer"},
        site=PRIVATE_CA,
    ),
    *(
        Row(f"status {code} proves the path", answered(code), {})
        for code in (200, 204, 301, 400, 401, 403, 404, 407, 500, 503, 511)
    ),
    *(
        Row(f"nobody but the host says {location}", answered(302, ("location", location)), {})
        for location in (
            "https://www.example.com/",
            "https://tapio.b2clogin.com/oauth2/v2.0/authorize",
            "https://adfs.example.com/adfs/ls/?wa=wsignin1.0",
            "http://10.20.0.1/login",
        )
    ),
    *(
        Row(
            f"status {code}, where the site trusts an authority of its own",
            answered(code),
            {f"HTTPS-01[{TAPIO}]": "fail wrong-answer"},
            site=PRIVATE_CA,
        )
        for code in (407, 511)
    ),
    *(
        Row(
            f"redirect to {location}, where the site trusts an authority of its own",
            answered(302, ("location", location)),
            {f"HTTPS-01[{TAPIO}]": "fail wrong-answer"} if portal else {},
            site=PRIVATE_CA,
        )
        for location, portal in (
            ("https://portal.example.net/login?to=x", True),
            ("http://10.20.0.1/", True),
            ("http://wifi.example.net/", True),
            ("https://[", True),
            ("/login", False),
            ("https://www.tapio.one/", False),
            ("https://login.tapio.one/", False),
            ("https://login.microsoftonline.com/common", False),
            ("https://login.mytapio.one/", False),
            ("https://login.microsoftonline.com.example.net/", True),
            ("HTTPS://WWW.TAPIO.ONE./login", False),
            ("//portal.example.net/login", True),
            ("https://[2001:db8::1]/", True),
            ("https://www.example.net/", False),
            ("https://gast.example.net/anmeldung", True),
            ("https://gast.example.net/einloggen", True),
            ("https://guest.example.net/welcome", True),
            ("https://adfs.example.net/", True),
        )
    ),
    Row(
        "packets too large for the path upwards",
        https(reply=None, date_offset_s=None, trouble=Trouble(kind="no-answer", phase="size")),
        {f"HTTPS-01[{TAPIO}]": "fail no-answer"},
    ),
    *(
        Row(
            f"a certificate of the client is wanted: {alert} in {phase}",
            https(
                reply=None,
                date_offset_s=None,
                certificate_asked=True,
                trouble=Trouble(kind="refused", phase=phase, sign=f"TLS alert: {alert}"),
            ),
            {},
        )
        for alert, phase in (
            ("certificate_required", "http"),
            ("bad_certificate", "http"),
            ("handshake_failure", "tls"),
        )
    ),
    *(
        Row(
            f"a certificate that {issuer} issued",
            unverified(20, issuer=issuer, names=(TAPIO,)),
            {f"HTTPS-01[{TAPIO}]": "inconclusive not-permitted" if own else "fail untrusted"},
        )
        for issuer, own in (
            ("CN=ESET SSL Filter CA,O=ESET\\, spol. s r. o.,C=SK", True),
            ("CN=Kaspersky Anti-Virus Personal Root Certificate,O=AO Kaspersky Lab", True),
            ("CN=Kaspersky Web Anti-Virus Certification Authority", True),
            ("CN=Avast Web/Mail Shield Root,OU=generated by Avast Antivirus", True),
            ("CN=Norton Web/Mail Shield Root,OU=generated by Norton Antivirus", True),
            ("CN=Bitdefender Personal CA.Net-Defender,O=Bitdefender", True),
            ("CN=AdGuard Personal CA,O=AdGuard", True),
            ("CN=Zscaler Intermediate Root CA (zscalertwo.net),O=Zscaler Inc.", False),
            ("CN=certadmin.netskope.com,O=Netskope Inc.", False),
            ("CN=Gateway CA - Cloudflare Managed G1,O=Cloudflare\\, Inc.", False),
            ("CN=Fortinet Untrusted CA,O=Fortinet Ltd.", False),
            ("CN=Sophos_CA_C0A80A01,O=Sophos", False),
            ("CN=Cisco Umbrella Secondary SubCA fra-SG,O=Cisco", False),
            ("CN=Microsoft Forefront TMG HTTPS Inspection Certification Authority", False),
            ("CN=Securepoint UTM CA,O=Werk Ulm", False),
        )
    ),
    *(
        Row(
            f"the own certificate of {name}",
            unverified(18, issuer=f"CN={name}", subject=f"CN={name}", names=names),
            {f"HTTPS-01[{TAPIO}]": "fail untrusted"},
        )
        for name, names in (
            ("FGT60FTK20099999", ()),
            ("fritz.box", ("fritz.box", "myfritz.box", "192.168.178.1")),
            ("pfSense-5f3c9a7d1b2e4", ("pfSense-5f3c9a7d1b2e4",)),
            ("UniFi", ("unifi.local",)),
            ("router.lan", ("router.lan",)),
        )
    ),
    Row(
        "a cloud that speaks HTTP/2 unasked", https(reply=None, date_offset_s=None, http2=True), {}
    ),
    Row(
        "443: plain HTTP where TLS is expected",
        https_trouble("malformed", "tls", detail="no TLS: HTTP/"),
        {f"HTTPS-01[{TAPIO}]": "fail malformed"},
    ),
    Row(
        "443: closed without an answer",
        https_trouble("no-answer", "http", sign="TCP FIN"),
        {f"HTTPS-01[{TAPIO}]": "fail no-answer"},
    ),
    *(
        Row(
            f"443: refused in {phase}: {sign}",
            https_trouble("refused", phase, sign=sign),
            {f"HTTPS-01[{TAPIO}]": "fail refused"},
        )
        for phase, sign in (
            ("tls", "TLS alert: bad_record_mac"),
            ("tls", "TCP RST"),
            ("tls", "TCP FIN"),
            ("http", "TLS alert: internal_error"),
            ("http", "TCP RST"),
        )
    ),
    *(
        Row(
            f"one of two addresses fails: {trouble.kind} at {trouble.phase}",
            https(
                addresses=(HOSTS[TAPIO], "11.20.0.11"),
                met=(
                    Met(address=HOSTS[TAPIO], tls=TLS),
                    Met(address="11.20.0.11", trouble=trouble),
                ),
            ),
            {},
            ("address-failed",),
        )
        for trouble in (
            Trouble(kind="no-answer", phase="tcp"),
            Trouble(kind="refused", phase="tcp"),
            Trouble(kind="malformed", phase="tls"),
            Trouble(kind="refused", phase="http", sign="TCP RST"),
            Trouble(kind="no-answer", phase="size"),
        )
    ),
    Row(
        "both of two addresses are good",
        https(met=(Met(address=HOSTS[TAPIO], tls=TLS), Met(address="11.20.0.11", tls=TLS))),
        {},
    ),
    Row(
        "a response that breaks off",
        https(
            reply=HttpReply(
                url=f"https://{TAPIO}/", status=200, size=7, complete=False, cut="too short"
            )
        ),
        {},
        ("cut-short",),
    ),
    *(
        Row(
            f"a stranger's certificate: {what}",
            unverified(code, **changes),
            {f"HTTPS-01[{TAPIO}]": "fail untrusted"},
        )
        for what, code, changes in (
            (
                "a public issuer's name, no root above it",
                20,
                {"issuer": "CN=R11,O=Let's Encrypt,C=US"},
            ),
            (
                "a public issuer's name below a root of its own",
                19,
                {"issuer": "CN=DigiCert TLS CA"},
            ),
            ("a firewall's own authority", 19, {"issuer": "CN=ACME SSL Inspection CA"}),
            ("a filter's own authority", 19, {"issuer": "CN=Cisco Umbrella Primary SubCA"}),
            (
                "a page of a filter with a name of its own",
                18,
                {"names": ("block.example.net",), "subject": "CN=block.example.net"},
            ),
            ("no name at all", 18, {"names": ()}),
            ("for every name of the domain", 20, {"names": ("*.TAPIO.one",)}),
            ("for every name of a domain above", 20, {"names": ("*.one",)}),
        )
    ),
    Row(
        "a stranger at the address that the second DNS server gave",
        {
            "dhcp": offer(dns=(SERVER, SECOND)),
            f"dns/{SECOND}/invalid": replace(
                dns("a.invalid", SECOND, rcode="NXDOMAIN"), addresses=()
            ),
            f"dns/{SECOND}/{TAPIO}": dns(TAPIO, SECOND, addresses=("11.20.0.66",)),
            f"dns/{SECOND}/{HOMAG}": dns(HOMAG, SECOND),
            **{
                key: replace(seen, connected="11.20.0.66")
                for key, seen in unverified(19).items()
                if seen
            },
        },
        {f"HTTPS-01[{TAPIO}]": "fail untrusted"},
    ),
    *(
        Row(f"an interface with an MTU of {mtu}", {}, {}, notes, vantage=vantage)
        for mtu, notes in ((1400, SMALL), (1499, SMALL), (1500, ()), (9000, ()))
        for vantage in (replace(healthy.VANTAGE, mtu=mtu),)
    ),
    Row(
        "an interface with an MTU of 1400, and the clouds measured from the CUBE itself",
        through(channel()),
        {},
        site=WITH_LOGIN,
        vantage=replace(healthy.VANTAGE, mtu=1400),
    ),
    Row(
        "a certificate with 13 days left",
        https(tls=replace(TLS, not_after="2026-12-07T00:00:00.000Z")),
        {},
        ("near-expiry",),
    ),
    Row(
        "a redirect to its own login of a host that is written with capitals",
        {
            f"dns/{SERVER}/{CAPITALS}": dns(CAPITALS),
            f"https/{CAPITALS}": answered(302, ("location", f"https://{TAPIO}/login"))[
                f"https/{TAPIO}"
            ],
            f"ping/{CAPITALS}": healthy.ping("11.20.0.10"),
        },
        {},
        site=replace(healthy.SITE, cloud=Cloud(tapio=(CAPITALS,))),
    ),
    *(
        Row(
            f"near expiry by this computer's clock {own}, by the host's {true}; {what}",
            https(tls=replace(TLS, not_after=end), date_offset_s=offset_s)
            | {f"ntp/{SERVER}": server},
            others,
            notes,
        )
        for own, true, what, end, offset_s, server, others, notes in (
            (
                *("not", "so", "the time server agrees", IN_23_DAYS, TEN_DAYS_S),
                *(ntp(offset_s=TEN_DAYS_S), {}, ("near-expiry", "own-clock")),
            ),
            (
                *("so", "not", "the time server agrees", IN_10_DAYS, -TEN_DAYS_S),
                *(ntp(offset_s=-TEN_DAYS_S), {}, ("own-clock",)),
            ),
            (
                *("not", "so", "the time server does not agree", IN_23_DAYS, TEN_DAYS_S),
                *(ntp(), {}, ()),
            ),
            (
                *("not", "so", "the time server errs to the other side", IN_14_DAYS, 30.0),
                *(ntp(offset_s=-30.0), {"NTP-01": "fail wrong-time"}, ()),
            ),
            (
                *("not", "so", "the time server is silent", IN_23_DAYS, TEN_DAYS_S),
                *(ntp(trouble=SILENT), {"NTP-01": "fail no-answer"}, ()),
            ),
        )
    ),
    Row(
        "a certificate with 15 days left",
        https(tls=replace(TLS, not_after="2026-12-08T10:00:00.000Z")),
        {},
    ),
    Row(
        "the way to the cloud leads through a VPN",
        {f"https/{TAPIO}": cannot("other-route")},
        {f"HTTPS-01[{TAPIO}]": "inconclusive other-route"},
    ),
    # ICMP
    Row(
        "ping: two strangers answer",
        {
            f"ping/{CUBE}": replace(
                healthy.ping(CUBE),
                echoes=tuple(
                    Echo(sequence=n, at_s=1.2 * n, result="wrong-host", source=source)
                    for n, source in enumerate((OTHER, SECOND))
                ),
                trouble=SILENT,
            )
        },
        {"PING-02[line-1]": "fail no-answer"},
    ),
    Row(
        "ping: an answer after a tenth of a millisecond and a bit",
        {
            f"ping/{CUBE}": replace(
                healthy.ping(CUBE),
                echoes=(Echo(sequence=0, at_s=0.0, result="reply", rtt_s=0.0001234, source=CUBE),),
            )
        },
        {},
    ),
    *(
        Row(
            f"{case}: {results[0]} {len(set(results))}",
            ping(key, address, *results),
            {case: expected} if expected else {},
            notes,
        )
        for case, key, address in (
            ("PING-01", TAPIO, HOSTS[TAPIO]),
            ("PING-02[line-1]", CUBE, CUBE),
        )
        for results, expected, notes in (
            (["silence"] * 4, "fail no-answer", ()),
            (["prohibited"] * 4, "fail no-answer", ()),
            (["unreachable"] * 4, "fail no-answer", ()),
            (["wrong-host"] * 4, "fail no-answer", ()),
            (["reply", "silence", "reply", "silence"], "", ("lost",)),
            (["silence", "silence", "silence", "reply"], "", ("lost",)),
        )
    ),
    Row(
        "pings are not permitted",
        {
            f"ping/{TAPIO}": cannot("not-permitted", "sysctl"),
            f"ping/{CUBE}": cannot("not-permitted"),
        },
        {"PING-01": "inconclusive not-permitted", "PING-02[line-1]": "inconclusive not-permitted"},
    ),
    Row(
        "something else uses up the CUBE's ping budget",
        {f"ping/{CUBE}": cannot("ambiguous")},
        {"PING-02[line-1]": "inconclusive ambiguous"},
    ),
    Row(
        "something else uses up the ping budget of the cloud's address",
        {f"ping/{TAPIO}": cannot("ambiguous")},
        {"PING-01": "inconclusive ambiguous"},
    ),
    # The CUBE's pages
    *(
        Row(f"{case}: {kind} at {phase}", page_trouble(port, kind, phase), {case: f"fail {cause}"})
        for case, port in (("DIAG-01[line-1]", 80), ("CONN-01[line-1]", 5555))
        for kind, phase, cause in (
            ("no-answer", "tcp", "no-answer"),
            ("refused", "tcp", "refused"),
            ("no-route", "tcp", "no-route"),
            ("no-answer", "http", "no-answer"),
            ("refused", "http", "refused"),
            ("malformed", "http", "malformed"),
        )
    ),
    *(
        Row(
            f"{case}: status {code}",
            status(port, code),
            {case: "fail wrong-answer"} if code >= 400 and code not in {401, 403} else {},
            {401: ("login-required",), 403: ("refuses-visitor",)}.get(code, ()),
        )
        for case, port in (("DIAG-01[line-1]", 80), ("CONN-01[line-1]", 5555))
        for code in (200, 204, 304, 399, 400, 401, 403, 404, 407, 500, 503, 511)
    ),
    *(
        Row(
            f"{case}: redirected away",
            page(port, redirect="http://x/"),
            {case: "fail wrong-answer"},
        )
        for case, port in (("DIAG-01[line-1]", 80), ("CONN-01[line-1]", 5555))
    ),
    *(
        Row(
            f"{case}: a redirect to TLS on the CUBE: {kind} at {phase}",
            page(
                port,
                tries=(*healthy.tried(f"{CUBE}:{port}"), *healthy.tried(f"{CUBE}:443")),
                trouble=Trouble(kind=kind, phase=phase),
            ),
            {case: f"fail {kind}"},
        )
        for case, port in (("DIAG-01[line-1]", 80), ("CONN-01[line-1]", 5555))
        for kind, phase in (
            ("refused", "tcp"),
            ("no-answer", "tls"),
            ("refused", "tls"),
            ("malformed", "tls"),
        )
    ),
    Row(
        "the page leads to the CUBE's full name, which the site's DNS knows",
        named_page("cube-4711.plant.example", addresses=(CUBE,)),
        {},
    ),
    Row(
        "the page leads to a name that the site's DNS gives another host",
        named_page("portal.plant.example", addresses=(OTHER,)),
        {"DIAG-01[line-1]": "fail wrong-answer"},
    ),
    Row(
        "the page leads to a name that the site's DNS does not know",
        named_page("portal.plant.example", rcode="NXDOMAIN", addresses=()),
        {"DIAG-01[line-1]": "fail wrong-answer"},
    ),
    Row(
        "the page under the CUBE's full name could not be asked for",
        named_page("cube.plant.example", addresses=(CUBE,))
        | {f"page/{CUBE}:80/cube.plant.example": cannot("not-permitted")},
        {"DIAG-01[line-1]": "inconclusive not-permitted"},
    ),
    Row(
        "the page under the CUBE's full name is not on record",
        named_page("cube.plant.example", addresses=(CUBE,))
        | {f"page/{CUBE}:80/cube.plant.example": None},
        {"DIAG-01[line-1]": "fail wrong-answer"},
    ),
    *(
        Row(
            f"{case}: {field} of a proxy, status {code}",
            page(
                port,
                replies=(
                    HttpReply(url=f"http://{CUBE}:{port}/", status=code, headers=((field, value),)),
                ),
            ),
            {case: "fail wrong-answer"} if proxied else {},
        )
        for case, port in (("DIAG-01[line-1]", 80), ("CONN-01[line-1]", 5555))
        for field, value, code, proxied in (
            ("x-squid-error", "ERR_ACCESS_DENIED 0", 403, True),
            ("proxy-authenticate", "Basic", 401, True),
            ("proxy-status", "corp; error=http_request_denied", 200, True),
            ("server", "squid/6.6", 403, True),
            ("server", "Zscaler/6.2", 401, True),
            ("server", "nginx", 200, False),
            ("via", "1.1 proxy.example (squid)", 401, True),
            ("via", "1.1 proxy.example (squid)", 400, True),
            ("via", "1.1 proxy.example (squid)", 200, False),
        )
    ),
    *(
        Row(
            f"a page with the title {title}, status {code}",
            page(80, replies=(titled(title, code),), found=found),
            {"DIAG-01[line-1]": "fail wrong-answer"} if strange else {},
            site=one_cube(page_contains="Diagnose") if found else healthy.SITE,
        )
        for title, code, found, strange in (
            ("Web Page Blocked", 200, (), True),
            ("Web Page Blocked", 503, (), True),
            ("Seite gesperrt", 403, (), True),
            ("Captive Portal Login", 200, (), True),
            ("Seite gesperrt", 200, ("Diagnose",), False),
            ("Startseite", 200, (), False),
            ("IoT CUBE: update blocked", 200, (), False),
        )
    ),
    *(
        Row(
            f"{case}: closed without an answer",
            page(port, replies=(), trouble=Trouble(kind="no-answer", phase="http", sign="TCP FIN")),
            {case: "fail no-answer"},
        )
        for case, port in (("DIAG-01[line-1]", 80), ("CONN-01[line-1]", 5555))
    ),
    Row(
        "an unfamiliar page",
        page(80, familiar=False, replies=(titled("Machine hall 2", 200),))
        | page(5555, familiar=True),
        {},
        ("unfamiliar-page",),
    ),
    Row(
        "an unfamiliar page whose text is known",
        page(80, familiar=False, found=("Diagnose",)),
        {},
        site=one_cube(page_contains="Diagnose"),
    ),
    Row("a page whose tries are not on record", page(80, tries=()), {}),
    Row(
        "the wrong page",
        page(80, found=()),
        {"DIAG-01[line-1]": "fail wrong-answer"},
        site=one_cube(page_contains="IoT CUBE"),
    ),
    Row(
        "the right page",
        page(80, found=("IoT CUBE",)),
        {},
        site=one_cube(page_contains="IoT CUBE"),
    ),
    Row(
        "the Cloud-Connector's service is away",
        page(5555, found=("Connection to CloudConnector could not be established",)),
        {},
        ("connector-unreachable",),
    ),
    Row(
        "unknown version, page on 80",
        page_trouble(45001, "refused"),
        {},
        ("port-used",),
        one_cube(version=""),
    ),
    Row(
        "unknown version, page on 45001",
        page(45001) | page_trouble(80, "no-answer"),
        {},
        ("port-used",),
        one_cube(version=""),
    ),
    Row(
        "unknown version, no page",
        page_trouble(45001, "refused") | page_trouble(80, "no-answer"),
        {"DIAG-01[line-1]": "fail refused"},
        site=one_cube(version=""),
    ),
    Row(
        "unknown version, one port mute after the connection, the other closed",
        page_trouble(45001, "refused") | page_trouble(80, "no-answer", "http"),
        {"DIAG-01[line-1]": "fail no-answer"},
        site=one_cube(version=""),
    ),
    Row(
        "unknown version, one port not askable, the other closed",
        {f"page/{CUBE}:45001": cannot("other-route")} | page_trouble(80, "refused"),
        {"DIAG-01[line-1]": "inconclusive other-route"},
        site=one_cube(version=""),
    ),
    *(
        Row(
            f"version {version} has its page on 45001",
            page(45001) | page_trouble(80, "refused"),
            {} if old else {"DIAG-01[line-1]": "fail refused"},
            site=one_cube(version=version),
        )
        for version, old in (
            ("0.129.7", True),
            ("v0.129.7", True),
            ("0.9", True),
            ("0.129.10", False),
            ("v0.129.10", False),
            ("0.130", False),
            ("1.0.0-rc1", False),
        )
    ),
    Row(
        "the way to the CUBE leads through a VPN",
        {f"page/{CUBE}:80": cannot("other-route"), f"page/{CUBE}:5555": cannot("other-route")},
        {
            "DIAG-01[line-1]": "inconclusive other-route",
            "CONN-01[line-1]": "inconclusive other-route",
        },
    ),
    # mDNS and LLMNR
    Row(
        "mDNS: another host has a name of its own",
        mdns(named(CUBE, NAME), named(OTHER, ("printer.local", OTHER))),
        {},
    ),
    Row("mDNS: silence", mdns(), {"MDNS-01[line-1]": "fail no-answer"}),
    Row("mDNS: silence, with trouble", mdns(trouble=SILENT), {"MDNS-01[line-1]": "fail no-answer"}),
    Row(
        "mDNS: another host's services only",
        mdns(named(OTHER)),
        {"MDNS-01[line-1]": "fail no-answer"},
    ),
    Row(
        "mDNS: another host claims the name",
        mdns(named(CUBE, NAME), named(OTHER, ("cube-4711.local", OTHER))),
        {"MDNS-01[line-1]": "fail wrong-host"},
    ),
    Row(
        "mDNS: a reflector repeats what the CUBE says",
        mdns(named(CUBE, NAME), named(OTHER, NAME)),
        {},
    ),
    Row(
        "mDNS: the CUBE speaks for another host beside itself",
        mdns(named(CUBE, NAME, ("printer.local", OTHER))),
        {},
    ),
    Row("mDNS: only a reflector", mdns(named(OTHER, NAME)), {"MDNS-01[line-1]": "fail no-answer"}),
    Row(
        "mDNS: the CUBE gives another address",
        mdns(named(CUBE, ("cube-4711.local", OTHER))),
        {"MDNS-01[line-1]": "fail wrong-answer"},
    ),
    Row(
        "mDNS: the CUBE gives two addresses",
        mdns(named(CUBE, ("cube-4711.local", OTHER), NAME)),
        {},
    ),
    Row(
        "mDNS: the CUBE answers from another of its addresses",
        mdns(named(OTHER, ("cube-4711.local", OTHER), NAME)),
        {},
    ),
    Row(
        "mDNS: beside the CUBE another host claims its name and its address",
        mdns(named(CUBE, NAME), named(OTHER, ("cube-4711.local", OTHER), NAME)),
        {"MDNS-01[line-1]": "fail wrong-host"},
    ),
    Row(
        "mDNS: the CUBE's name has no address",
        mdns(named(CUBE, addressless=True)),
        {"MDNS-01[line-1]": "fail wrong-answer"},
    ),
    Row(
        "mDNS: the CUBE's name has its address in another reply only",
        mdns(named(CUBE, addressless=True), named(CUBE, NAME)),
        {},
    ),
    Row(
        "mDNS: another host has the name without an address",
        mdns(named(CUBE, NAME), named(OTHER, addressless=True)),
        {"MDNS-01[line-1]": "fail wrong-host"},
    ),
    Row("mDNS: services but no name", mdns(named(CUBE, services=("_http._tcp.local",))), {}),
    Row(
        "mDNS: no name in the site file",
        {
            "mdns/line-1": MdnsObserved(**COMMON, replies=(named(CUBE),)),
            "llmnr/line-1": cannot("not-configured"),
        },
        {"LLMNR-01[line-1]": "inconclusive not-configured"},
        site=one_cube(hostname=""),
    ),
    Row(
        "mDNS and LLMNR: the CUBE is not on our link",
        {"mdns/line-1": cannot("off-link"), "llmnr/line-1": cannot("off-link")},
        {"MDNS-01[line-1]": "inconclusive off-link", "LLMNR-01[line-1]": "inconclusive off-link"},
    ),
    Row("LLMNR: silence", llmnr(), {"LLMNR-01[line-1]": "fail no-answer"}),
    Row(
        "LLMNR: silence, with trouble",
        llmnr(trouble=SILENT),
        {"LLMNR-01[line-1]": "fail no-answer"},
    ),
    Row(
        "LLMNR: tentative only",
        llmnr(named(CUBE, LABEL, tentative=True)),
        {"LLMNR-01[line-1]": "fail no-answer"},
    ),
    Row(
        "LLMNR: another host claims the name",
        llmnr(named(CUBE, LABEL), named(OTHER, ("cube-4711", OTHER))),
        {"LLMNR-01[line-1]": "fail wrong-host"},
    ),
    Row(
        "LLMNR: a reflector repeats what the CUBE says",
        llmnr(named(CUBE, LABEL), named(OTHER, LABEL)),
        {},
    ),
    Row(
        "LLMNR: the CUBE speaks for another host beside itself",
        llmnr(named(CUBE, LABEL, ("printer", OTHER))),
        {},
    ),
    Row(
        "LLMNR: only a reflector",
        llmnr(named(OTHER, LABEL)),
        {"LLMNR-01[line-1]": "fail no-answer"},
    ),
    Row(
        "LLMNR: the CUBE answers from another of its addresses",
        llmnr(named(OTHER, ("cube-4711", OTHER), LABEL)),
        {},
    ),
    Row(
        "LLMNR: beside the CUBE another host claims its name and its address",
        llmnr(named(CUBE, LABEL), named(OTHER, ("cube-4711", OTHER), LABEL)),
        {"LLMNR-01[line-1]": "fail wrong-host"},
    ),
    Row(
        "LLMNR: another host has the name without an address",
        llmnr(named(CUBE, LABEL), named(OTHER)),
        {"LLMNR-01[line-1]": "fail wrong-host"},
    ),
    Row(
        "LLMNR: another host wants to be asked over TCP",
        llmnr(named(CUBE, LABEL), named(OTHER, truncated=True)),
        {"LLMNR-01[line-1]": "fail wrong-host"},
    ),
    Row(
        "LLMNR: another host is not sure of the name",
        llmnr(named(CUBE, LABEL), named(OTHER, ("cube-4711", OTHER), tentative=True)),
        {},
    ),
    Row(
        "LLMNR: another host speaks of its own name",
        llmnr(named(CUBE, LABEL), named(OTHER, ("printer", OTHER))),
        {},
    ),
    Row(
        "LLMNR: cut, and nothing over TCP",
        llmnr(named(CUBE, truncated=True)),
        {"LLMNR-01[line-1]": "fail no-answer"},
    ),
    Row(
        "LLMNR: cut, with the address of before over TCP",
        llmnr(named(CUBE, truncated=True), named(CUBE, ("cube-4711", OTHER), over="tcp")),
        {"LLMNR-01[line-1]": "fail wrong-answer"},
    ),
    Row(
        "LLMNR: the CUBE has no address",
        llmnr(named(CUBE)),
        {"LLMNR-01[line-1]": "fail wrong-answer"},
    ),
    Row(
        "LLMNR: the CUBE gives another address",
        llmnr(named(CUBE, ("cube-4711", OTHER))),
        {"LLMNR-01[line-1]": "fail wrong-answer"},
    ),
    Row("LLMNR: conflict", llmnr(named(CUBE, LABEL, conflict=True)), {}, ("name-conflict",)),
    Row("LLMNR: over TCP", llmnr(named(CUBE, LABEL, over="tcp")), {}),
    # SSH
    Row("SSH: silence", ssh_trouble("no-answer"), {"SSH-01[line-1]": "inconclusive ambiguous"}),
    Row(
        "SSH: refused by a firewall",
        ssh_trouble("refused", icmp_code=13),
        {"SSH-01[line-1]": "inconclusive ambiguous"},
    ),
    Row(
        "SSH: refused by a router's firewall",
        ssh_trouble("refused", icmp_code=13, icmp_source=SERVER),
        {"SSH-01[line-1]": "inconclusive ambiguous"},
    ),
    *(
        Row(
            f"SSH: ICMP code {code} from the CUBE's own address",
            ssh_trouble("refused", icmp_code=code, icmp_source=CUBE),
            {},
        )
        for code in (1, 3, 10, 13)
    ),
    Row(
        "SSH: open, closes without a word",
        ssh_trouble("refused", "ssh", sign="TCP FIN"),
        {"SSH-01[line-1]": "inconclusive ambiguous"},
    ),
    Row(
        "SSH: says that it is on and turns this visitor away",
        ssh(
            turned_away="Exceeded MaxStartups",
            trouble=Trouble(kind="refused", phase="ssh", sign="Exceeded MaxStartups"),
        ),
        {"SSH-01[line-1]": "fail unexpectedly-open"},
    ),
    Row("SSH: no way", ssh_trouble("no-route"), {"SSH-01[line-1]": "inconclusive ambiguous"}),
    Row(
        "SSH: open but mute",
        ssh_trouble("no-answer", "ssh"),
        {"SSH-01[line-1]": "inconclusive ambiguous"},
    ),
    Row(
        "SSH: open, not SSH",
        ssh_trouble("malformed", "ssh"),
        {"SSH-01[line-1]": "inconclusive ambiguous"},
    ),
    Row(
        "SSH: on though expected off",
        ssh(banner=BANNER, key_exchange=True, fingerprint=PIN),
        {"SSH-01[line-1]": "fail unexpectedly-open"},
    ),
    Row(
        "SSH: an old version's banner though expected off",
        ssh(banner="SSH-1.5-x", trouble=Trouble(kind="malformed", phase="ssh")),
        {"SSH-01[line-1]": "fail unexpectedly-open"},
    ),
    Row(
        "SSH: on as expected",
        ssh(banner=BANNER, key_exchange=True, fingerprint=PIN),
        {},
        site=SSH_ON,
    ),
    Row("SSH: on, no key to be had", ssh(banner=BANNER, key_exchange=True), {}, site=SSH_ON),
    *(
        Row(
            f"SSH expected on: {kind} at {phase}",
            ssh_trouble(kind, phase),
            {"SSH-01[line-1]": f"fail {kind}"},
            site=SSH_ON,
        )
        for kind, phase in (
            ("no-answer", "tcp"),
            ("refused", "tcp"),
            ("no-route", "tcp"),
            ("no-answer", "ssh"),
            ("malformed", "ssh"),
        )
    ),
    *(
        Row(
            f"SSH expected on: accepts, then {sign}",
            ssh_trouble("refused", "ssh", sign=sign),
            {"SSH-01[line-1]": "fail refused"},
            site=SSH_ON,
        )
        for sign in ("TCP FIN", "TCP RST", "Not allowed at this time")
    ),
    Row(
        "SSH expected on: refused by the CUBE's own firewall",
        ssh_trouble("refused", icmp_code=13, icmp_source=CUBE),
        {"SSH-01[line-1]": "fail refused"},
        site=SSH_ON,
    ),
    Row(
        "SSH expected on: a banner and nothing more",
        ssh(banner=BANNER),
        {"SSH-01[line-1]": "fail malformed"},
        site=SSH_ON,
    ),
    Row(
        "SSH: the pinned key",
        ssh(banner=BANNER, key_exchange=True, fingerprint=PIN),
        {},
        site=SSH_PINNED,
    ),
    Row(
        "SSH: another key",
        ssh(banner=BANNER, key_exchange=True, fingerprint="SHA256:" + "B" * 43),
        {"SSH-01[line-1]": "fail changed-identity"},
        site=SSH_PINNED,
    ),
    Row(
        "SSH: a pinned key that cannot be had",
        ssh(banner=BANNER, key_exchange=True),
        {"SSH-01[line-1]": "inconclusive ambiguous"},
        site=SSH_PINNED,
    ),
    Row(
        "SSH: another key, and one that could not be read",
        ssh(
            banner=BANNER,
            key_exchange=True,
            fingerprint="SHA256:" + "B" * 43,
            fingerprints=(("ssh-ed25519", "SHA256:" + "B" * 43),),
            unread=("ssh-dss",),
        ),
        {"SSH-01[line-1]": "inconclusive ambiguous"},
        site=SSH_PINNED,
    ),
    Row(
        "SSH: the pinned key, and one that could not be read",
        ssh(
            banner=BANNER,
            key_exchange=True,
            fingerprint=PIN,
            fingerprints=(("ssh-ed25519", PIN),),
            unread=("ssh-dss",),
        ),
        {},
        site=SSH_PINNED,
    ),
    Row(
        "SSH: the way to the CUBE leads through a VPN",
        {f"ssh/{CUBE}": cannot("other-route")},
        {"SSH-01[line-1]": "inconclusive other-route"},
    ),
    # Ourselves
    *(
        Row(
            f"a probe of ours breaks: {key}",
            {key: cannot("internal-error")},
            {case: "inconclusive internal-error"},
        )
        for key, case in (
            (f"page/{CUBE}:80", "DIAG-01[line-1]"),
            (f"page/{CUBE}:5555", "CONN-01[line-1]"),
            ("mdns/line-1", "MDNS-01[line-1]"),
            ("llmnr/line-1", "LLMNR-01[line-1]"),
            (f"ping/{CUBE}", "PING-02[line-1]"),
            (f"ssh/{CUBE}", "SSH-01[line-1]"),
            (f"ping/{TAPIO}", "PING-01"),
            (f"https/{HOMAG}", f"HTTPS-01[{HOMAG}]"),
            (f"ntp/{SERVER}", "NTP-01"),
        )
    ),
    # This computer
    Row(
        "the CUBE is entered by hand in this computer's table of neighbours",
        dict.fromkeys(
            (f"page/{CUBE}:80", f"page/{CUBE}:5555", f"ping/{CUBE}", f"ssh/{CUBE}"), BY_HAND
        ),
        {
            "DIAG-01[line-1]": "inconclusive ambiguous",
            "CONN-01[line-1]": "inconclusive ambiguous",
            "PING-02[line-1]": "inconclusive ambiguous",
            "SSH-01[line-1]": "inconclusive ambiguous",
        },
    ),
    Row(
        "the router is entered by hand in this computer's table of neighbours",
        {f"ntp/{SERVER}": BY_HAND}
        | {f"dns/{SERVER}/{name}": BY_HAND for name in (*HOSTS, "invalid")}
        | no_cloud(),
        {"NTP-01": "inconclusive ambiguous", **every(OUTBOUND, "inconclusive ambiguous")},
    ),
    *(
        Row(
            f"this computer stands elsewhere: {cause}",
            {},
            every(("DHCP-01", "NTP-01", *OUTBOUND, *INTERNAL), f"inconclusive {cause}"),
            vantage=cannot(cause),
        )
        for cause in ("off-link", "other-route")
    ),
    # For whom a result speaks
    *(
        Row(
            f"this computer reaches the clouds {how}",
            offered | ways_out(mine),
            dict.fromkeys((*HTTPS_CASES, "PING-01"), "inconclusive other-route") if other else {},
        )
        for how, offered, mine, other in (
            ("by a router of its own", {}, OTHER, True),
            ("without a router, where the CUBE has one", {}, "", True),
            ("by the CUBE's router", {}, SERVER, False),
            ("by a router that nobody knows", {}, None, False),
            ("by one of several routers", {"dhcp": offer(routers=(SECOND, SERVER))}, SERVER, False),
            (
                "by option 3, where option 121 is to be followed",
                {"dhcp": offer(routes=(("0.0.0.0/0", SECOND),))},
                SERVER,
                True,
            ),
            (
                "by a router that option 121 has for another network",
                {"dhcp": offer(routes=(("0.0.0.0/0", SERVER), ("192.0.2.0/24", SECOND)))},
                SECOND,
                True,
            ),
        )
    ),
    *(
        Row(
            f"two servers name different routers, this computer's {when}",
            {"dhcp": dhcp(*offers)} | ways_out(SERVER),
            {},
            ("second-server", "servers-disagree"),
        )
        for when, offers in (
            ("first", (OFFER, replace(OFFER, server_id=SECOND, routers=(SECOND,)))),
            ("last", (replace(OFFER, server_id=SECOND, routers=(SECOND,)), OFFER)),
        )
    ),
    Row(
        "one of two CUBEs is offered another router",
        {
            "dhcp": dhcp(
                OWN_OFFER,
                replace(OWN_OFFER, hardware=OTHER_MAC, address="10.20.0.51", routers=(SECOND,)),
            )
        }
        | ways_out(SERVER),
        every((*(f"HTTPS-01[{host}]" for host in HOSTS), "PING-01"), "inconclusive other-route"),
        ("own-offer",),
        REGISTERED,
    ),
    Row(
        "the plant's own servers are reached by a router that no CUBE would take",
        way("udp", SERVER, 53, OTHER) | way("udp", SERVER, 123, OTHER),
        {"NTP-01": "inconclusive other-route"} | every(DNS_CASES, "inconclusive other-route"),
    ),
    *(
        Row(
            f"the CUBE stands in another segment, {known}",
            {},
            every(("DHCP-01", "NTP-01", *OUTBOUND), "inconclusive off-link"),
            routed=(Routed(cube="line-1", address=CUBE, gateway=gateway),),
        )
        for known, gateway in (("behind a router", OTHER), ("behind nobody knows what", ""))
    ),
    # The CUBE's own clock
    *(
        Row(f"the CUBE's pages: {what}", dated(diagnosis, connector), {}, notes, **more)
        for what, diagnosis, connector, notes, more in (
            ("right", (("date", NOW),), (("date", NOW),), (), {}),
            ("two days behind", (("date", TWO_DAYS_AGO),), (("date", TWO_DAYS_AGO),), CLOCK, {}),
            ("an hour ahead", (("date", IN_AN_HOUR),), (), CLOCK, {}),
            ("as far ahead as any time zone", (("date", IN_FOURTEEN_HOURS),), (), CLOCK, {}),
            ("further ahead than any", (("date", IN_FIFTEEN_HOURS),), (), CLOCK, {}),
            ("with a date of a zone", (("date", BY_THE_WALL),), (("date", BY_THE_WALL),), (), {}),
            ("one of them kept by a cache", (("date", TWO_DAYS_AGO), ("age", "7")), (), (), {}),
            ("handed on by a proxy", (("date", TWO_DAYS_AGO), ("via", "1.1 box")), (), (), {}),
            ("of different times", (("date", NOW),), (("date", TWO_DAYS_AGO),), (), {}),
            ("with a date of no known form", (("date", "2026-11-21 09:00:00"),), (), (), {}),
            ("with a date that no calendar has", (("date", NO_DAY),), (), (), {}),
            ("in the oldest form, and wrong", (("date", OLDEST_FORM),), (), CLOCK, {}),
            ("without a date", (), (), (), {}),
        )
    ),
    *(
        Row(
            f"the CUBE's pages: two days behind, with status {status}",
            page(80, replies=(stamped(80, (("date", TWO_DAYS_AGO),), status=status),)),
            {},
            (*CLOCK, said),
        )
        for status, said in ((401, "login-required"), (403, "refuses-visitor"))
    ),
    Row(
        "the CUBE's pages: behind by no more than the time that the page took leaves open",
        page(80, duration_s=12.0, replies=(stamped(80, (("date", TWELVE_SECONDS_AGO),)),)),
        {},
    ),
    *(
        Row(
            f"the CUBE's pages: an error page of status {code} is somebody's",
            page(80, replies=(stamped(80, (("date", TWO_DAYS_AGO),), status=code),)),
            {"DIAG-01[line-1]": "fail wrong-answer"},
        )
        for code in (400, 500)
    ),
    Row(
        "the CUBE's pages: where this computer's clock alone speaks against them",
        dated((("date", TWO_DAYS_AGO),), ()) | NO_DATES | {f"ntp/{SERVER}": ntp(trouble=SILENT)},
        {"NTP-01": "fail no-answer"},
    ),
    Row(
        "the CUBE's pages: behind the time server, where no cloud tells the time",
        dated((("date", TWO_DAYS_AGO),), ()) | NO_DATES,
        {},
        CLOCK,
    ),
    Row(
        "the CUBE's pages: against one time server that nothing else bears out",
        dated((("date", NOW),), ()) | NO_DATES | {f"ntp/{SERVER}": ntp(offset_s=3600.0)},
        {"NTP-01": "inconclusive ambiguous"},
    ),
    Row(
        "the CUBE's pages: against two time servers that bear each other out",
        dated((("date", NOW),), ())
        | NO_DATES
        | {
            "dhcp": offer(ntp=(SERVER, SECOND)),
            f"ntp/{SERVER}": ntp(offset_s=3600.0),
            f"ntp/{SECOND}": ntp(SECOND, offset_s=3600.1),
        },
        {},
        ("own-clock", *CLOCK),
    ),
    # Who is at the CUBE's address
    *(
        Row(
            f"the site file names {what} hardware address of the CUBE",
            {},
            {},
            notes,
            site=replace(
                healthy.SITE, cubes=tuple(replace(cube, mac=mac) for cube in healthy.SITE.cubes)
            ),
        )
        for what, mac, notes in (
            ("the", healthy.CUBE_HARDWARE, ()),
            ("another", "02:00:00:00:00:51", ("other-device",)),
        )
    ),
    *(
        Row(
            f"ARP for the CUBE's address is answered by {who}",
            {"dhcp": replace(dhcp(OFFER), holders=holders)},
            {},
            notes,
        )
        for who, holders, notes in (
            ("one device", ((CUBE, OWN_MAC),), ()),
            ("two devices", ((CUBE, OWN_MAC), (CUBE, OTHER_MAC)), ("two-devices",)),
            (
                "the CUBE and a router that answers for everything",
                ((CUBE, OWN_MAC), (CUBE, ROUTER_MAC), (SERVER, ROUTER_MAC)),
                (),
            ),
            (
                "two devices and a router that answers for everything",
                ((CUBE, OWN_MAC), (CUBE, ROUTER_MAC), (SERVER, ROUTER_MAC), (CUBE, OTHER_MAC)),
                ("two-devices",),
            ),
        )
    ),
    # From the CUBE itself
    Row("own way: as from here", through(channel()), {}, site=WITH_LOGIN),
    Row(
        "own way: the first DNS server denies the name here, and the CUBE resolves it",
        through(channel())
        | {
            "dhcp": offer(dns=(SECOND, SERVER)),
            f"dns/{SECOND}/{TAPIO}": dns(TAPIO, SECOND, rcode="NXDOMAIN", addresses=()),
            f"dns/{SECOND}/{HOMAG}": dns(HOMAG, SECOND),
        },
        {},
        ("own-path",),
        site=WITH_LOGIN,
    ),
    Row(
        "own way: the aliases are read by the CUBE, in whatever order they stand",
        through(channel())
        | {f"dns/{SERVER}/{TAPIO}": dns(TAPIO, chain=AZURE, aliased="backwards")},
        {},
        site=WITH_LOGIN,
    ),
    Row(
        "own way: the firewall lets only the CUBE through",
        through(channel()) | https_trouble("no-answer", "tcp"),
        {},
        ("own-path",),
        site=WITH_LOGIN,
    ),
    Row(
        "own way: DNS answers only the CUBE",
        through(channel()) | {f"dns/{SERVER}/{TAPIO}": no_dns(TAPIO, SILENT)},
        {"PING-01": "fail no-answer"},
        ("own-path",),
        site=WITH_LOGIN,
    ),
    Row(
        "own way: this computer stands in another segment",
        through(channel()),
        every(("DHCP-01", "NTP-01", "PING-01"), "inconclusive off-link"),
        site=WITH_LOGIN,
        routed=(Routed(cube="line-1", address=CUBE, gateway=OTHER),),
    ),
    Row(
        "own way: this computer takes another router",
        through(channel()) | ways_out(OTHER),
        {"PING-01": "inconclusive other-route"},
        ("own-path",),
        site=WITH_LOGIN,
    ),
    *(
        Row(
            f"own way: {what}",
            through(by_name, by_address),
            {f"HTTPS-01[{TAPIO}]": f"fail {cause}"},
            ("own-path",),
            site=WITH_LOGIN,
        )
        for what, by_name, by_address, cause in (
            ("silence", not_opened(code=None), not_opened("11.20.0.10", None), "no-answer"),
            (
                "the shell gets no answer",
                not_opened(words="Connection timed out"),
                not_opened("11.20.0.10", words="Connection timed out"),
                "no-answer",
            ),
            (
                "the shell is refused",
                not_opened(words="Connection refused"),
                not_opened("11.20.0.10", words="Connection refused"),
                "refused",
            ),
            (
                "the shell knows no route",
                not_opened(words="Network is unreachable"),
                not_opened("11.20.0.10", words="Network is unreachable"),
                "no-route",
            ),
            (
                "neither by name nor by an address that the shell allows",
                not_opened(words="Connection refused"),
                not_opened("11.20.0.10", 1),
                "refused",
            ),
            ("a reset in the handshake", broken("refused", "tls"), None, "refused"),
            ("no TLS", broken("malformed", "tls"), None, "malformed"),
            ("silence after the handshake", broken("no-answer", "http"), None, "no-answer"),
            (
                "TLS inspection",
                channel(reply=None, verify_error=VerifyError(code=20, message="local issuer")),
                None,
                "untrusted",
            ),
            (
                "a certificate that nobody saw",
                channel(
                    reply=None, tls=None, verify_error=VerifyError(code=62, message="mismatch")
                ),
                None,
                "untrusted",
            ),
            (
                "a certificate that has expired",
                channel(
                    reply=None,
                    tls=replace(TLS, not_after="2026-01-01T00:00:00.000Z"),
                    verify_error=VerifyError(code=10, message="expired"),
                ),
                None,
                "expired",
            ),
        )
    ),
    Row(
        "own way: a host that speaks HTTP/2 unasked",
        through(channel(reply=None, http2=True)),
        {},
        site=WITH_LOGIN,
    ),
    Row(
        "own way: a host that wants a certificate of the client",
        through(broken("refused", "http", certificate_asked=True)),
        {},
        site=WITH_LOGIN,
    ),
    Row(
        "own way: a proxy under the site's own authority",
        through(channel(reply=HttpReply(url=f"https://{TAPIO}/", status=407))),
        {f"HTTPS-01[{TAPIO}]": "fail wrong-answer"},
        ("own-path",),
        site=replace(WITH_LOGIN, cloud=Cloud(ca_file="lab-ca.pem")),
    ),
    *(
        Row(
            f"own way: the CUBE's resolver says {words}",
            through(not_opened(words=words), channel("11.20.0.10")),
            {f"DNS-01[{TAPIO}]": "fail wrong-answer"},
            ("own-path",),
            site=WITH_LOGIN,
        )
        for words in (
            "Name or service not known",
            "Temporary failure in name resolution",
            "Name does not resolve",
            "Unrecoverable error",
            "Error resolving 'disco.tapio.one' port '443'. Try again",
        )
    ),
    *(
        Row(
            f"own way: only by address, since {what}",
            through(by_name, channel("11.20.0.10")),
            {},
            ("own-path",),
            site=WITH_LOGIN,
        )
        for what, by_name in (
            ("the shell forbids the name", not_opened(code=1)),
            ("the name leads to a dead IPv6 way", not_opened(code=None)),
            ("the name leads to a refusal", not_opened(words="Connection refused")),
        )
    ),
    *(
        Row(
            f"own way: no session, {phase}",
            through(ended=phase),
            {},
            ("no-forwarding",),
            site=WITH_LOGIN,
        )
        for phase in ("tcp", "ssh", "host-key", "login")
    ),
    *(
        Row(
            f"own way: the shell forbids forwarding, {what}",
            through(not_opened(code=1), by_address),
            {},
            ("no-forwarding",),
            site=WITH_LOGIN,
        )
        for what, by_address in (("by both", not_opened("11.20.0.10", 1)), ("by name", None))
    ),
    Row(
        "own way: a name that does not resolve, and no address known",
        through(not_opened(words="Name or service not known")),
        {},
        site=WITH_LOGIN,
    ),
    Row(
        "own way: the cloud itself wants a proxy's login, by a public authority's certificate",
        through(channel(reply=HttpReply(url=f"https://{TAPIO}/", status=407))),
        {},
        site=WITH_LOGIN,
    ),
    Row(
        "own way: silence, by the name and at the address",
        through(not_opened(code=None), not_opened("11.20.0.10", None)),
        {f"HTTPS-01[{TAPIO}]": "fail no-answer"},
        ("own-path",),
        site=WITH_LOGIN,
    ),
    Row(
        "own way: of one CUBE of two, and nobody gets out from here",
        through(channel())
        | https_trouble("no-answer", "tcp")
        | {f"{names}/line-2": cannot("not-configured") for names in ("mdns", "llmnr")},
        {
            f"HTTPS-01[{TAPIO}]": "fail no-answer",
            "MDNS-01[line-2]": "inconclusive not-configured",
            "LLMNR-01[line-2]": "inconclusive not-configured",
        },
        ("own-path",),
        site=replace(
            WITH_LOGIN,
            cubes=(*WITH_LOGIN.cubes, replace(WITH_LOGIN.cubes[0], name="line-2", login=None)),
        ),
    ),
    Row(
        "own way: on record, and no login in the site file",
        through(not_opened(code=None), not_opened("11.20.0.10", None)),
        {},
        site=SSH_PINNED,
    ),
    Row(
        "own way: could not be asked",
        through() | {f"tunnel/line-1/{TAPIO}": cannot("not-permitted")},
        {},
        site=WITH_LOGIN,
    ),
]
