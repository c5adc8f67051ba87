"""Made-up evidence of a healthy site, to be bent into every condition that a case can judge."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from cube_acceptance import evidence_file, setup
from cube_acceptance.evidence import (
    DhcpMessage,
    DhcpObserved,
    DnsObserved,
    Echo,
    HttpReply,
    HttpsObserved,
    LlmnrObserved,
    MdnsObserved,
    NameReply,
    NeighboursObserved,
    NtpObserved,
    NtpReply,
    PageObserved,
    PingObserved,
    SshObserved,
    TlsSession,
    Trouble,
    Try,
    Vantage,
    WayObserved,
)
from cube_acceptance.site import Cube, LoadedSite, Plant, Site

if TYPE_CHECKING:
    from cube_acceptance.evidence import Observation

STARTED = "2026-11-23T09:00:00.000Z"
ENDED = "2026-11-23T09:00:05.000Z"
SERVER = "10.20.0.1"
CUBE = "10.20.0.50"
LAPTOP = "10.20.0.20"
HOSTS = {"disco.tapio.one": "11.20.0.10", "connect.homag.cloud": "11.20.0.20"}

CUBE_HARDWARE = "02:00:00:00:00:50"
VANTAGE = Vantage(interface="eth0", address=LAPTOP, prefix=24, mac="02:00:00:00:00:20")

SITE = Site(
    site=Plant(name="Werk Ulm", customer="Holz AG", location="Ulm"),
    cubes=(Cube(name="line-1", address=CUBE, version="0.131.0", hostname="cube-4711"),),
)

OFFER = DhcpMessage(
    source=SERVER,
    at_s=0.01,
    kind=2,
    address="10.20.0.123",
    server_id=SERVER,
    subnet_mask="255.255.255.0",
    routers=(SERVER,),
    dns=(SERVER,),
    ntp=(SERVER,),
    lease_s=3600,
)

NTP_REPLY = NtpReply(
    leap=0,
    version=4,
    mode=4,
    stratum=3,
    reference_id="10.0.0.1",
    root_delay_s=0.001,
    root_dispersion_s=0.01,
    root_distance_s=0.0105,
    transmit=STARTED,
    offset_s=0.002,
    delay_s=0.001,
)

TLS = TlsSession(
    version="TLSv1.3",
    cipher="TLS_AES_256_GCM_SHA384",
    subject="CN=disco.tapio.one",
    issuer="CN=Public CA",
    names=tuple(HOSTS),
    not_before="2026-10-01T00:00:00.000Z",
    not_after="2027-10-01T00:00:00.000Z",
    sha256="00" * 32,
)


def tried(to: str, result: str = "answer") -> tuple[Try, ...]:
    """One try that was answered."""
    return (Try(at_s=0.0, to=to, result=result),)


def https(host: str, **changes: object) -> HttpsObserved:
    """A verified connection to a cloud host."""
    values = {
        "started": STARTED,
        "duration_s": 0.05,
        "tries": tried(f"{HOSTS[host]}:443"),
        "host": host,
        "addresses": (HOSTS[host],),
        "connected": HOSTS[host],
        "tls": TLS,
        "reply": HttpReply(url=f"https://{host}/", status=404, reason="Not Found"),
        "date_offset_s": -0.4,
        "date_uncertainty_s": 0.01,
    }
    return HttpsObserved(**(values | changes))


def page(port: int, **changes: object) -> PageObserved:
    """A page of the CUBE."""
    reply = HttpReply(url=f"http://{CUBE}:{port}/", status=200, title="IoT CUBE")
    values = {
        "started": STARTED,
        "duration_s": 0.02,
        "tries": tried(f"{CUBE}:{port}"),
        "address": CUBE,
        "port": port,
        "replies": (reply,),
    }
    return PageObserved(**(values | changes))


def ping(address: str) -> PingObserved:
    """Four echo requests, all answered."""
    echoes = tuple(
        Echo(sequence=n, at_s=1.2 * n, result="reply", source=address, rtt_s=0.001)
        for n in range(4)
    )
    return PingObserved(
        started=STARTED,
        duration_s=3.7,
        tries=tried(address) * 4,
        address=address,
        method="raw",
        echoes=echoes,
    )


def ways() -> dict[str, Observation]:
    """Return the ways that this computer takes out of the plant and in it, by key."""
    taken = [
        ("udp", SERVER, 53, ""),
        ("udp", SERVER, 123, ""),
        *(("tcp", address, 443, SERVER) for address in HOSTS.values()),
        ("icmp", HOSTS["disco.tapio.one"], 0, SERVER),
    ]
    return {
        f"way/{over}/{target}:{port}": WayObserved(
            started=STARTED,
            duration_s=0.0,
            over=over,
            target=target,
            port=port,
            gateway=gateway,
        )
        for over, target, port, gateway in taken
    }


def observations() -> dict[str, Observation]:
    """Everything that a complete run of the healthy site observes, by key."""
    common = {"started": STARTED, "duration_s": 0.01}
    name = NameReply(
        source=CUBE,
        source_port=5353,
        at_s=0.1,
        names=(("cube-4711.local", CUBE),),
        services=("_http._tcp.local",),
    )
    seen: dict[str, Observation] = {
        "dhcp": DhcpObserved(started=STARTED, duration_s=4.0, offers=(OFFER,)),
        f"ntp/{SERVER}": NtpObserved(**common, server=SERVER, reply=NTP_REPLY),
        f"dns/{SERVER}/invalid": DnsObserved(
            **common, server=SERVER, name="a.invalid", rcode="NXDOMAIN"
        ),
        f"page/{CUBE}:80": page(80),
        f"page/{CUBE}:5555": page(5555),
        "ping/disco.tapio.one": ping(HOSTS["disco.tapio.one"]),
        f"ping/{CUBE}": ping(CUBE),
        "mdns/line-1": MdnsObserved(**common, hostname="cube-4711", replies=(name,)),
        "llmnr/line-1": LlmnrObserved(
            **common,
            hostname="cube-4711",
            replies=(
                NameReply(source=CUBE, source_port=5355, at_s=0.1, names=(("cube-4711", CUBE),)),
            ),
        ),
        f"ssh/{CUBE}": SshObserved(
            **common,
            address=CUBE,
            trouble=Trouble(kind="refused", phase="tcp", detail="Connection refused"),
        ),
    }
    for host, address in HOSTS.items():
        seen[f"dns/{SERVER}/{host}"] = DnsObserved(
            **common, server=SERVER, name=host, rcode="NOERROR", addresses=(address,)
        )
        seen[f"https/{host}"] = https(host)
    seen["neighbours"] = NeighboursObserved(**common, hardware=((CUBE, CUBE_HARDWARE),))
    return seen | ways()


def misplaced() -> dict[str, Observation]:
    """Observations that are about another CUBE, server or host than their keys say."""
    seen = observations()
    other = msgspec.structs.replace(seen["page/10.20.0.50:5555"], address="10.20.0.51")
    return {
        "page/10.20.0.50:5555": other,
        "ntp/10.20.0.1": msgspec.structs.replace(seen["ntp/10.20.0.1"], server="10.20.0.9"),
        "https/disco.tapio.one": seen["https/connect.homag.cloud"],
        "dns/10.20.0.1/disco.tapio.one": seen["dns/10.20.0.1/connect.homag.cloud"],
        "ping/10.20.0.50": ping("10.20.0.51"),
        "ssh/10.20.0.50": msgspec.structs.replace(seen["ssh/10.20.0.50"], address="10.9.9.9"),
    }


def saved(
    changes: dict[str, Observation | None] | None = None,
    *,
    site: Site = SITE,
    vantage: object = VANTAGE,
    simulated: bool = False,
    routed: tuple[setup.Routed, ...] = (),
) -> evidence_file.Saved:
    """Evidence of the healthy site with some observations changed, or left out with None."""
    seen = observations() | (changes or {})
    return evidence_file.Saved(
        schema=evidence_file.EVIDENCE_SCHEMA,
        suite="0.1.0",
        setup=setup.Setup(
            loaded=LoadedSite(site=site), vantage=vantage, simulated=simulated, routed=routed
        ),
        started=STARTED,
        ended=ENDED,
        observations={key: value for key, value in seen.items() if value is not None},
    )
