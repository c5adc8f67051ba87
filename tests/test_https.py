"""HTTPS-01: the clouds can be reached by HTTP over TLS (RFC 8446, RFC 5280, RFC 9110)."""

from __future__ import annotations

from datetime import datetime
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from cube_acceptance.evidence import HttpsObserved, NtpObserved
from cube_acceptance.plan import addresses, handed_out, time_servers
from cube_acceptance.ruling import on_the_wire
from judging import fail_without_address

if TYPE_CHECKING:
    from cube_acceptance.evidence import HttpReply, TlsSession
    from cube_acceptance.plan import Setup
    from cube_acceptance.ruling import Judge
    from cube_acceptance.site import Site

NEAR_EXPIRY_DAYS = 14
PROXY_STATUSES = frozenset({407, 511})
"""Proxy authentication required (RFC 9110), network authentication required (RFC 6585)."""

EXPIRED, NOT_YET_VALID = 10, 9
NAME_MISMATCHES = frozenset({62, 64})

LOGIN_WORDS = ("login", "logon", "signin", "sign-in", "auth", "portal", "captive", "hotspot")
IDENTITY_PROVIDER = "login.microsoftonline.com"
"""Where tapio's own services send a browser to log in."""


@pytest.mark.requirement("HTTPS-01")
def test_a_cloud_host_answers_over_tls(judge: Judge, setup: Setup, host: str) -> None:
    """The cloud host answers on TCP 443 with a certificate of a public authority."""
    if not addresses(setup, judge, host):
        fail_without_address(judge, setup, host)
    seen = judge.measured(f"https/{host}", HttpsObserved)
    where = {"host": host, "addresses": seen.addresses}
    if seen.tls:
        judge.show(issuer=seen.tls.issuer, version=seen.tls.version, not_after=seen.tls.not_after)
    if seen.verify_error:
        rule_on_certificate(judge, setup, seen, seen.verify_error.code)
    if seen.trouble:
        phase = "" if seen.trouble.phase == "tcp" else f".{seen.trouble.phase}"
        text = seen.trouble.kind + phase
        text = "malformed" if text == "malformed.tls" else text
        judge.fail(seen.trouble.kind, text, **where, detail=on_the_wire(seen.trouble))
    reply = seen.reply
    if reply is None:
        judge.inconclusive("internal-error", detail=f"https/{host} holds neither reply nor trouble")
    if reply.status in PROXY_STATUSES:
        judge.fail("wrong-answer", **where, status=reply.status)
    if elsewhere := foreign_login(reply, setup.site):
        judge.fail("wrong-answer", "wrong-answer.portal", **where, location=elsewhere)
    note_expiry(judge, seen)
    judge.passes(host=host, address=seen.connected, status=reply.status)


def rule_on_certificate(judge: Judge, setup: Setup, seen: HttpsObserved, code: int) -> None:
    """Rule on a certificate that did not verify, by OpenSSL's first objection, its ``code``."""
    shown = seen.tls
    facts: dict[str, object] = {"host": seen.host}
    if shown:
        facts |= {
            "issuer": shown.issuer,
            "names": shown.names,
            "not_before": shown.not_before,
            "not_after": shown.not_after,
        }
    if code in {EXPIRED, NOT_YET_VALID}:
        offset = time_server_offset(judge, setup.site)
        if shown and offset is not None and valid_at(shown, seen.started, offset):
            judge.inconclusive("ambiguous", **facts, offset=-offset)
        judge.fail("expired", **facts)
    judge.fail("untrusted", "untrusted.name" if code in NAME_MISMATCHES else "", **facts)


def time_server_offset(judge: Judge, site: Site) -> float | None:
    """Give how far the first synchronised time server is ahead of this computer, if one is."""
    for server in time_servers(site, handed_out(judge)).addresses:
        try:
            observed = judge.get(f"ntp/{server}")
        except LookupError:  # NTP-01 is not part of this session
            continue
        if isinstance(observed, NtpObserved) and observed.reply and observed.reply.leap < 3:
            return observed.reply.offset_s if 0 < observed.reply.stratum < 16 else None
    return None


def valid_at(shown: TlsSession, started: str, offset_s: float) -> bool:
    """Tell whether a certificate is valid by a clock that is ahead of this computer's."""
    now = datetime.fromisoformat(started).timestamp() + offset_s
    begin = datetime.fromisoformat(shown.not_before).timestamp()
    end = datetime.fromisoformat(shown.not_after).timestamp()
    return begin <= now <= end


def foreign_login(reply: HttpReply, site: Site) -> str:
    """Give the place of a login on somebody else's site that a redirect leads to, or nothing."""
    location = dict(reply.headers).get("location", "")
    if not 300 <= reply.status < 400 or not location:
        return ""
    try:
        target = urlsplit(location)
        there = (target.hostname or "").rstrip(".")
    except ValueError:
        return location
    domains = {".".join(host.split(".")[-2:]) for host in site.cloud.hosts}
    ours = not there or there == IDENTITY_PROVIDER or ".".join(there.split(".")[-2:]) in domains
    if ours:
        return ""
    asks = any(word in location.lower() for word in LOGIN_WORDS)
    return location if asks or target.scheme == "http" or is_address(there) else ""


def is_address(host: str) -> bool:
    """Tell whether a URL's host is a literal address."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def note_expiry(judge: Judge, seen: HttpsObserved) -> None:
    """Note a certificate that runs out soon."""
    if seen.tls and seen.tls.not_after:
        left = datetime.fromisoformat(seen.tls.not_after) - datetime.fromisoformat(seen.started)
        if left.days < NEAR_EXPIRY_DAYS:
            judge.note("near-expiry", host=seen.host, days=left.days)
