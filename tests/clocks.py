"""Clocks: the reference that NTP-01 uses, and the CUBE's own clock against it."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, NamedTuple

from cube_acceptance.evidence import HttpsObserved, NtpObserved, PageObserved
from cube_acceptance.judge import Word
from cube_acceptance.network import handed_out, time_servers, unsynchronised_by
from judging import cloud_offset, look

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cube_acceptance.evidence import HttpReply, NtpReply
    from cube_acceptance.judge import Judge
    from cube_acceptance.setup import Setup
    from cube_acceptance.site import Cube, Site

DATE_RESOLUTION_S = 1.0
"""An HTTP date has whole seconds (RFC 9110 section 5.6.7)."""
HOUR_S = 3600.0
ZONES = 14
"""No time zone is more hours from UTC."""
PAGES = frozenset({401, 403})
"""Statuses of 400 and above by which the CUBE itself answers."""

_TIME = r"\d\d:\d\d:\d\d"
HTTP_DATE = re.compile(
    rf"(\w{{3}}, \d\d \w{{3}} \d{{4}} {_TIME} GMT"  # as they are to be written
    rf"|\w{{6,9}}, \d\d-\w{{3}}-\d\d {_TIME} GMT"  # RFC 850
    rf"|\w{{3}} \w{{3}} [ \d]\d {_TIME} \d{{4}})",  # asctime
    re.ASCII,
)
"""The three forms of a date in HTTP (RFC 9110 section 5.6.7); anything else tells no time."""


class Clock(NamedTuple):
    """A clock to compare with: how far it is ahead of this computer's, and how sure that is."""

    offset_s: float
    uncertainty_s: float
    name: Word | None = None
    """What it is called where it serves as the reference."""


OWN_CLOCK = Clock(0.0, 0.0, Word("own-clock"))


def margin(reply: NtpReply) -> float:
    """Return how far off an offset can be by the exchange alone, in s (RFC 5905 section 8)."""
    return abs(reply.delay_s) / 2


def cloud_clocks(judge: Judge, site: Site) -> list[Clock]:
    """List the clocks of the cloud hosts, as their ``Date`` over verified TLS told them."""
    clocks = []
    for host in site.cloud.hosts:
        observed = look(judge, f"https/{host}")
        offset_s = cloud_offset(observed) if isinstance(observed, HttpsObserved) else None
        if isinstance(observed, HttpsObserved) and offset_s is not None:
            uncertainty_s = DATE_RESOLUTION_S + observed.date_uncertainty_s
            clocks.append(Clock(offset_s, uncertainty_s, Word("cloud-time")))
    return clocks


def server_clocks(judge: Judge, setup: Setup) -> list[Clock]:
    """List the clocks of the time servers that call themselves synchronised."""
    try:
        servers = time_servers(setup.site, handed_out(setup, judge)).addresses
    except LookupError:  # not part of this session
        return []
    seen = [look(judge, f"ntp/{server}") for server in servers]
    return [
        Clock(one.reply.offset_s, margin(one.reply), Word("server-time"))
        for one in seen
        if isinstance(one, NtpObserved) and one.reply and not unsynchronised_by(one.reply)
    ]


def note_cube_clock(judge: Judge, setup: Setup, cube: Cube, ports: Sequence[int]) -> None:
    """Note a clock of the CUBE's that its own pages show to be wrong.

    Whatever was measured from here: where the CUBE's clock is wrong, the time does not reach it.
    """
    pages = [look(judge, f"page/{cube.address}:{port}") for port in ports]
    told = [clock for page in pages if (clock := page_clock(page))]
    tolerance_s = setup.site.ntp.tolerance_s
    if not told or not all(within(told[0], other, tolerance_s) for other in told):
        return  # nobody tells, or the pages do not agree
    own = told[0]
    references = cloud_clocks(judge, setup.site) or backed(server_clocks(judge, setup), tolerance_s)
    if not references or any(within(own, reference, tolerance_s) for reference in references):
        return  # this computer's clock alone speaks against nobody
    reference = references[0]
    offset_s = own.offset_s - reference.offset_s
    hours = round(offset_s / HOUR_S)
    beside = own._replace(offset_s=own.offset_s - hours * HOUR_S)
    zone = abs(hours) <= ZONES and within(beside, reference, tolerance_s)
    judge.note(
        "cube-clock",
        address=cube.address,
        offset=round(offset_s),
        reference=reference.name,
        tolerance=tolerance_s,
        kind=Word("whole-hours" if zone else "no-whole-hours"),
    )


def backed(clocks: Sequence[Clock], tolerance_s: float) -> list[Clock]:
    """Keep the clocks that another or this computer's agrees with: one alone proves nothing."""
    return [
        clock
        for clock in clocks
        if any(
            within(clock, other, tolerance_s)
            for other in (OWN_CLOCK, *clocks)
            if other is not clock
        )
    ]


def within(one: Clock, other: Clock, tolerance_s: float) -> bool:
    """Whether two clocks show the same time within the tolerance."""
    allowed = tolerance_s + one.uncertainty_s + other.uncertainty_s
    return abs(one.offset_s - other.offset_s) <= allowed


def page_clock(page: object) -> Clock | None:
    """Read the CUBE's clock off the last response of its page; None where it tells no time."""
    if not isinstance(page, PageObserved) or page.trouble or not page.replies or not page.tries:
        return None
    moment = date_of(page.replies[-1])
    if moment is None:
        return None
    began = datetime.fromisoformat(page.started).timestamp()
    first, last = began + page.tries[-1].at_s, began + page.duration_s
    offset_s = moment.timestamp() - (first + last) / 2
    return Clock(offset_s, DATE_RESOLUTION_S + (last - first) / 2)


def date_of(reply: HttpReply) -> datetime | None:
    """Return the ``Date`` of a response of the CUBE's own; None for a kept copy or another form.

    A cache says by ``Age`` that it kept a response, and a proxy names itself by ``Via`` (RFC 9111
    section 5.1, RFC 9110 section 7.6.3).
    """
    fields = dict(reply.headers)
    kept = fields.get("age", "0") != "0" or "via" in fields
    if kept or (reply.status >= 400 and reply.status not in PAGES):
        return None
    text = fields.get("date", "").strip()
    if not HTTP_DATE.fullmatch(text):
        return None
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC)  # in every one of its forms
