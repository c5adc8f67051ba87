"""HTTPS-01: the clouds can be reached by HTTP over TLS (RFC 8446, RFC 5280, RFC 9110)."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from ipaddress import ip_address
from typing import TYPE_CHECKING, NoReturn
from urllib.parse import urlsplit

import pytest
from own_path import Way, note_no_forwarding, rule, ways

from cube_acceptance.evidence import HttpsObserved, NtpObserved, Vantage
from cube_acceptance.judge import Word, on_the_wire
from cube_acceptance.network import FULL_SIZE, addresses, handed_out, time_servers
from judging import (
    PROXY_STATUSES,
    TROUBLE_WORDS,
    cloud_offset,
    fail_without_address,
    givers,
    note_one_address,
    other_way,
    stand_in_the_segment,
)

if TYPE_CHECKING:
    from cube_acceptance.evidence import Channel, HttpReply, TlsSession, Trouble, VerifyError
    from cube_acceptance.judge import Judge
    from cube_acceptance.setup import Setup
    from cube_acceptance.site import Site

NEAR_EXPIRY_DAYS = 14
PLAIN_HTTP = "no TLS: HTTP/"
"""What a handshake that HTTP without TLS answers is described as."""
EXPIRED, NOT_YET_VALID = 10, 9
NAME_MISMATCHES = frozenset({62, 64})
NO_TRUST = frozenset({2, 18, 19, 20, 21})
"""The objections that no certificate of the chain leads to an authority that is trusted."""

PUBLIC_AUTHORITIES = (
    *("actalis", "amazon", "buypass", "certum", "comodo", "cybertrust", "d-trust", "digicert"),
    *("e-tugra", "entrust", "geotrust", "globalsign", "go daddy", "godaddy", "harica", "identrust"),
    *("google trust services", "isrg", "let's encrypt", "microsoft", "quovadis", "rapidssl"),
    *("sectigo", "ssl.com", "starfield", "swisssign", "t-systems", "telekom security", "thawte"),
    *("trustwave", "usertrust", "verisign", "wisekey", "zerossl"),
)
"""Who issues certificates that every device believes, as their names stand in them."""

PROTECTION_ISSUERS = (
    *("web/mail shield", "eset ssl filter", "kaspersky anti-virus", "kaspersky web anti-virus"),
    *("bitdefender personal ca", "adguard personal"),
)
"""As whom protection software signs that looks into the connections of the computer it runs on:
Avast, AVG and Norton; ESET; Kaspersky; Bitdefender; AdGuard. None of it runs on a gateway."""

SERVICE_ISSUERS = ("zscaler", "netskope", "cloudflare managed", "iboss", "cato networks")
"""Services on the Internet that look into what a plant, or an agent on a computer, sends them."""

FILTER_WORDS = (
    *("umbrella", "opendns", "block page", "blockpage", "blocked", "gesperrt", "sperrseite"),
    *("web filter", "webfilter", "web-filter", "url filter", "urlfilter", "content filter"),
    *("dns filter", "dnsfilter", "safe browsing", "safebrowsing", "nextdns", "cleanbrowsing"),
    *("adguard", "pi-hole", "pihole", "fortiguard", "securly", "lightspeed"),
)
"""What filters call themselves in the certificates of the pages that they show instead."""

LOGIN_WORDS = (
    *("login", "log-in", "logon", "signin", "sign-in", "sign_in", "anmeld", "einlog"),
    *("auth", "saml", "adfs", "portal", "captive", "hotspot", "guest", "proxy"),
)
IDENTITY_PROVIDERS = ("login.microsoftonline.com", "login.mytapio.one")
"""Where tapio's own services send a browser to log in."""

SHELL_WORDS = {
    "refused": "refused",
    "reset": "refused",
    "no route": "no-route",
    "host is unreachable": "no-route",
    "network is unreachable": "no-route",
}
"""What a shell says of a connection that did not come about, and the cause that it tells."""


@pytest.mark.requirement("HTTPS-01")
def test_a_cloud_host_answers_over_tls(judge: Judge, setup: Setup, host: str) -> None:
    """The cloud host answers on TCP 443 with a certificate of a public authority."""
    found = ways(judge, setup, host)
    note_no_forwarding(judge, found)
    own = [way for way in found if way.decides]
    here = partial(judge_path, judge, setup, host, [way.cube.name for way in own])
    rule(judge, setup, own, partial(judge_own_path, judge, setup), here)


def judge_own_path(judge: Judge, setup: Setup, way: Way) -> NoReturn:
    """Rule on what a CUBE itself reaches through its shell."""
    channel = way.decides
    assert channel is not None
    where = way.where()
    seen = as_seen_here(way, channel)
    if channel.verify_error:
        if channel.verify_error.code in {EXPIRED, NOT_YET_VALID}:
            rule_on_expiry(judge, setup, seen, where | validity(seen))
        issuer = channel.tls.issuer if channel.tls else ""
        detail = channel.verify_error.message
        judge.fail("untrusted", "untrusted.own", **where, issuer=issuer, detail=detail)
    if channel.trouble and not channel.certificate_asked:
        cause = cause_of_channel(channel)
        judge.fail(cause, f"{cause}.own", **where, detail=sign_of(channel, channel.trouble))
    if channel.reply and setup.site.cloud.ca_file:
        rule_on_a_box(judge, setup, channel.reply, where)
    rule_on_validity(judge, setup, seen)
    judge.passes()


def cause_of_channel(channel: Channel) -> str:
    """Name the cause of a failed channel, where the shell gave none by its own words."""
    assert channel.trouble is not None
    if channel.opened:
        return channel.trouble.kind
    words = channel.words.lower()
    return next((cause for text, cause in SHELL_WORDS.items() if text in words), "no-answer")


def sign_of(channel: Channel, trouble: Trouble) -> object:
    """Describe what a failed channel showed: the shell's words, silence, or the wire's signs."""
    if not channel.opened:
        return channel.words or TROUBLE_WORDS[trouble.kind]
    return on_the_wire(trouble)


def as_seen_here(way: Way, channel: Channel) -> HttpsObserved:
    """Describe a channel's end as if it were a connection of this computer's own."""
    return HttpsObserved(
        started=way.seen.started,
        duration_s=way.seen.duration_s,
        host=way.seen.host,
        addresses=(),
        connected=way.cube.address,
        tls=channel.tls,
        reply=channel.reply,
        date_offset_s=channel.date_offset_s,
    )


def judge_path(judge: Judge, setup: Setup, host: str, spoken_for: list[str]) -> NoReturn:
    """Rule on what this computer reaches."""
    stand_in_the_segment(judge, setup, spoken_for)
    if not addresses(setup, judge, host):
        fail_without_address(judge, setup, host)
    seen = judge.measured(f"https/{host}", HttpsObserved)
    for address in seen.addresses:
        if elsewhere := other_way(judge, setup, "tcp", address, setup.ports.https):
            raise elsewhere
    servers = givers(judge, setup, host, *((seen.connected and [seen.connected]) or seen.addresses))
    where = {
        "host": host,
        "addresses": seen.addresses,
        "address": seen.connected,
        "servers": servers,
    }
    if seen.tls:
        judge.show(issuer=seen.tls.issuer, version=seen.tls.version, not_after=seen.tls.not_after)
    note_where_it_ended(judge, setup, seen, servers)
    if seen.verify_error:
        rule_on_certificate(judge, setup, seen, seen.verify_error, where)
    said, reply = what_it_said(judge, seen, where), seen.reply
    if reply and setup.site.cloud.ca_file:
        rule_on_a_box(judge, setup, reply, where)
    note_failed_addresses(judge, seen)
    if reply and reply.cut:
        judge.note("cut-short", host=host, address=seen.connected, size=reply.size)
    rule_on_validity(judge, setup, seen)
    note_expiry(judge, setup, seen)
    if not spoken_for:
        note_small_packets(judge, setup)
    judge.passes(host=host, address=seen.connected, status=said)


def what_it_said(judge: Judge, seen: HttpsObserved, where: dict[str, object]) -> int | str:
    """Return a verified host's status, or in which way else it answered; rule where it did not."""
    trouble = seen.trouble
    if trouble and not seen.certificate_asked:
        judge.fail(trouble.kind, sentence_of(trouble), **where, detail=on_the_wire(trouble))
    if seen.reply:
        return seen.reply.status
    if trouble:
        return on_the_wire(trouble)
    if not seen.http2:
        detail = f"https/{seen.host} holds neither reply nor trouble"
        judge.inconclusive("internal-error", detail=detail)
    return "HTTP/2"


def sentence_of(trouble: Trouble) -> str:
    """Choose the sentence about a connection that did not come to an answer, by how far it came."""
    if trouble.phase == "tcp":
        return trouble.kind
    if trouble.kind == "malformed" and trouble.phase == "tls":
        return "malformed.plain" if trouble.detail == PLAIN_HTTP else "malformed"
    closed = trouble.kind == "no-answer" and trouble.sign
    return "no-answer.closed" if closed else f"{trouble.kind}.{trouble.phase}"


def note_where_it_ended(
    judge: Judge, setup: Setup, seen: HttpsObserved, servers: tuple[str, ...]
) -> None:
    """Note beside a failure that the DNS servers lead every name to where it ended."""
    if seen.reply is None and not seen.certificate_asked and not seen.http2:
        note_one_address(judge, setup, servers)


def rule_on_a_box(judge: Judge, setup: Setup, reply: HttpReply, where: dict[str, object]) -> None:
    """Rule on what a box of the site can say in the host's name, where the site trusts it."""
    if reply.status in PROXY_STATUSES:
        judge.fail("wrong-answer", **where, status=reply.status)
    if elsewhere := foreign_login(reply, setup.site):
        judge.fail("wrong-answer", "wrong-answer.portal", **where, location=elsewhere)


def note_failed_addresses(judge: Judge, seen: HttpsObserved) -> None:
    """Note the addresses that fail beside a good one: the CUBE may meet any of them."""
    for met in seen.met:
        if met.trouble and met.address != seen.connected:
            what = "too-large" if met.trouble.phase == "size" else TROUBLE_WORDS[met.trouble.kind]
            sign = on_the_wire(met.trouble)
            judge.note(
                "address-failed", host=seen.host, address=met.address, what=Word(what), detail=sign
            )


def rule_on_certificate(
    judge: Judge,
    setup: Setup,
    seen: HttpsObserved,
    objection: VerifyError,
    where: dict[str, object],
) -> None:
    """Rule on a certificate that did not verify, by OpenSSL's first objection.

    A name that is not the host's tells more than a chain that leads nowhere: whoever inspects TLS
    writes the host's name, whoever shows a page of his own does not.
    """
    facts = where | validity(seen)
    if objection.code in {EXPIRED, NOT_YET_VALID}:
        rule_on_expiry(judge, setup, seen, facts)
    if objection.code in NO_TRUST and is_of_this_computer(seen):
        judge.inconclusive("not-permitted", "not-permitted.protection", **facts)
    if objection.code in NO_TRUST:
        judge.fail("untrusted", kind_of_stranger(seen), **facts)
    if objection.code in NAME_MISMATCHES:
        judge.fail("untrusted", "untrusted.name", **facts)
    judge.fail("untrusted", "untrusted.unfit", **facts, detail=objection.message)


def is_of_this_computer(seen: HttpsObserved) -> bool:
    """Whether protection software of this computer issued a certificate, by its own name."""
    issuer = seen.tls.issuer.lower() if seen.tls else ""
    return any(name in issuer for name in PROTECTION_ISSUERS)


def kind_of_stranger(seen: HttpsObserved) -> str:
    """Say, by issuer and names, who shows a certificate that leads to no public authority."""
    if seen.tls is None:
        return "untrusted"
    shown = f"{seen.tls.issuer} {seen.tls.subject}".lower()
    if any(word in shown for word in FILTER_WORDS):
        return "untrusted.filter"
    if not is_for(seen.tls, seen.host):
        return "untrusted.name"
    if any(name in seen.tls.issuer.lower() for name in SERVICE_ISSUERS):
        return "untrusted.service"
    public = any(name in seen.tls.issuer.lower() for name in PUBLIC_AUTHORITIES)
    return "untrusted.intermediate" if public else "untrusted"


def is_for(shown: TlsSession, host: str) -> bool:
    """Whether a certificate is for a host; its first label may be any (RFC 9525 section 6.3)."""
    own = host.lower().rstrip(".")
    return any(name.lower() in {own, "*." + own.partition(".")[2]} for name in shown.names)


def rule_on_expiry(
    judge: Judge, setup: Setup, seen: HttpsObserved, facts: dict[str, object]
) -> None:
    """Rule on a chain that is not valid by this computer's clock, which may be what is wrong.

    Where the host's own certificate is valid, the objection is to one above it, whose dates are
    not known: then any wrongness of this computer's clock leaves it open.
    """
    shown = seen.tls
    if not shown or not shown.not_after:
        judge.fail("expired", **facts)
    above = valid_at(shown, seen.started, 0.0)
    offset = other_offset(judge, setup, seen)
    wrong = offset is not None and not (above and abs(offset) <= setup.site.ntp.tolerance_s)
    if offset is not None and wrong and valid_at(shown, seen.started, offset):
        text = "ambiguous.chain" if above else ""
        judge.inconclusive("ambiguous", text, **facts, offset=-offset)
    judge.fail("expired", "expired.chain" if above else "", **facts)


def rule_on_validity(judge: Judge, setup: Setup, seen: HttpsObserved) -> None:
    """Rule on a certificate that this computer's clock, and no other, takes for valid.

    The host's own ``Date`` and the time server together show that it is not; either of them
    alone shows that somebody's clock is wrong.
    """
    shown, by_host = seen.tls, cloud_offset(seen)
    if not shown or not shown.not_after:
        return
    if by_host is not None and valid_at(shown, seen.started, by_host):
        return
    by_server = time_server_offset(judge, setup)
    if by_server is not None and valid_at(shown, seen.started, by_server):
        return
    facts: dict[str, object] = {"address": seen.connected} | validity(seen)
    if by_host is not None and by_server is not None:
        judge.fail("expired", **facts)
    for offset in (by_host, by_server):
        if offset is not None:
            judge.inconclusive("ambiguous", "ambiguous.valid", **facts, offset=-offset)


def validity(seen: HttpsObserved) -> dict[str, object]:
    """Return whose certificate it is and when it is valid, for a sentence."""
    facts: dict[str, object] = {"host": seen.host}
    if seen.tls:
        facts |= {
            "issuer": seen.tls.issuer,
            "names": seen.tls.names or (seen.tls.subject,),
            "not_before": seen.tls.not_before,
            "not_after": seen.tls.not_after,
        }
    return facts


def other_offset(judge: Judge, setup: Setup, seen: HttpsObserved) -> float | None:
    """Return how far another clock is ahead of this computer's, the best one first.

    The time server, a host that is trusted, or what the host in question claims: it cannot make
    itself believed by that, but where nothing else tells the time it leaves a doubt.
    """
    by_server = time_server_offset(judge, setup)
    if by_server is not None:
        return by_server
    for other in setup.site.cloud.hosts:
        try:
            observed = judge.get(f"https/{other}")
        except LookupError:  # there was no address to ask
            continue
        offset_s = cloud_offset(observed) if isinstance(observed, HttpsObserved) else None
        if offset_s is not None:
            return offset_s
    return seen.claimed_offset_s


def time_server_offset(judge: Judge, setup: Setup) -> float | None:
    """Return how far the first synchronised time server is ahead of this computer, if one is."""
    for server in time_servers(setup.site, handed_out(setup, judge)).addresses:
        try:
            observed = judge.get(f"ntp/{server}")
        except LookupError:  # NTP-01 is not part of this session
            continue
        reply = observed.reply if isinstance(observed, NtpObserved) else None
        if reply and reply.leap < 3 and 0 < reply.stratum < 16:
            return reply.offset_s
    return None


def valid_at(shown: TlsSession, started: str, offset_s: float) -> bool:
    """Whether a certificate is valid by a clock that is ahead of this computer's."""
    now = datetime.fromisoformat(started).timestamp() + offset_s
    begin = datetime.fromisoformat(shown.not_before).timestamp()
    end = datetime.fromisoformat(shown.not_after).timestamp()
    return begin <= now <= end


def foreign_login(reply: HttpReply, site: Site) -> str:
    """Return the place of a login on somebody else's site that a redirect leads to, or nothing."""
    location = dict(reply.headers).get("location", "")
    if not 300 <= reply.status < 400:
        return ""
    try:
        target = urlsplit(location)
        there = (target.hostname or "").rstrip(".")
    except ValueError:
        return location
    domains = {domain(host) for host in site.cloud.hosts}
    if not there or there in IDENTITY_PROVIDERS or domain(there) in domains:
        return ""
    asks = any(word in location.lower() for word in LOGIN_WORDS)
    return location if asks or target.scheme == "http" or is_address(there) else ""


def domain(host: str) -> str:
    """Return the last two labels of a name, which is in no case of letters."""
    return ".".join(host.lower().split(".")[-2:])


def is_address(host: str) -> bool:
    """Whether a URL's host is a literal address."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def note_expiry(judge: Judge, setup: Setup, seen: HttpsObserved) -> None:
    """Note a certificate that runs out soon."""
    if seen.tls and seen.tls.not_after:
        end = datetime.fromisoformat(seen.tls.not_after)
        now = datetime.fromisoformat(seen.started) + clock_error(judge, setup, seen)
        left = end - now
        if left.days < NEAR_EXPIRY_DAYS:
            judge.note("near-expiry", host=seen.host, days=left.days)


def note_small_packets(judge: Judge, setup: Setup) -> None:
    """Note that this computer sends no packets as large as a CUBE's, which proves less."""
    vantage = setup.vantage
    if isinstance(vantage, Vantage) and vantage.mtu and vantage.mtu < FULL_SIZE:
        judge.note("small-packets", interface=vantage.interface, mtu=vantage.mtu)


def clock_error(judge: Judge, setup: Setup, seen: HttpsObserved) -> timedelta:
    """Return how far this computer's clock is behind: the one in the middle of three is right."""
    by_host = seen.date_offset_s
    if by_host is None or abs(by_host) <= setup.site.ntp.tolerance_s:
        return timedelta()
    by_server = time_server_offset(judge, setup)
    if by_server is None:
        return timedelta()
    return timedelta(seconds=sorted((0.0, by_host, by_server))[1])
