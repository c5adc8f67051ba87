"""Send a few paced echo requests and tell what came of each: RFC 792, RFC 1122 section 3.2.2.6.

Ways onto the wire, in this order. A *raw* socket needs root or ``CAP_NET_RAW``. A *datagram*
socket needs this user's group in ``net.ipv4.ping_group_range`` (Linux) and no right at all on
macOS. The system's ``ping`` *command* has the right by itself; there the next request waits until
the command has ended. Windows has an echo service of its own, for which nobody needs a right, and
its ``ping`` where that is missing. All keep the pace of
:mod:`cube_acceptance.probes.net.ratelimit`.

A reply counts when it comes from the address asked with our identifier, sequence number and
payload, and within the time limit of its request. An ICMP error counts when it quotes our request,
whoever sent it; it may come later than that, since a system takes some seconds to find out that a
neighbour is not there.
"""

from __future__ import annotations

import contextlib
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cube_acceptance.evidence import (
    CannotMeasure,
    Echo,
    PingObserved,
    Trouble,
    Try,
    Vantage,
)
from cube_acceptance.probes.net.echo import (
    ECHO,
    Arrival,
    permit_command,
)
from cube_acceptance.probes.net.echo_socket import EchoSockets, SocketWire, open_shared
from cube_acceptance.probes.net.errors import (
    CannotAskError,
    forbidden,
)
from cube_acceptance.probes.net.log import Log
from cube_acceptance.probes.net.measuring import Stopwatch, measured_in_steps
from cube_acceptance.probes.net.ping_command import CommandWire, find_ping, ping_arguments
from cube_acceptance.probes.net.ratelimit import ECHO_RATE, INTERVAL_S, RateLimit
from cube_acceptance.probes.net.receive import Inbox
from cube_acceptance.probes.net.sockets import (
    LATE_S,
    confirm_answer,
    confirm_silence,
    watching,
)
from cube_acceptance.probes.net.together import Steps, alone
from cube_acceptance.probes.net.vantage import source_for
from cube_acceptance.probes.net.windows import windows_library
from cube_acceptance.probes.net.windows_echo import WindowsWire

if TYPE_CHECKING:
    from collections.abc import Callable

    from cube_acceptance.evidence import TroubleKind
    from cube_acceptance.probes.net.capture import Capture
    from cube_acceptance.probes.net.echo import Method, Result, Wire

COUNT = 4
"""How many echo requests are sent."""
WAIT_S = 2.0
"""How long a reply may take."""
PATIENCE_S = 60.0
"""How long to wait for one turn while others on this computer ask the same address."""
COURTESY_S = 0.04
"""How long who has just sent steps back, so that others who wait come first."""
YIELD_S = 0.03
"""How long who has only just begun to wait lets those go first who have waited longer; less than
the courtesy, or who has sent would be first again."""


def open_wire(vantage: Vantage, address: str, wait_s: float, platform: str = sys.platform) -> Wire:
    """Open the first way onto the wire that this user may use.

    Windows' own firewall keeps replies from a socket, but not from the system's echo service.

    Raises:
        CannotAskError: there is none, or as for
            :func:`~cube_acceptance.probes.net.sockets.source_for`.
    """
    if platform == "win32":
        source = source_for(vantage, address, ECHO)
        with contextlib.suppress(OSError):
            return WindowsWire(windows_library, source, address, wait_s)
    else:
        if shared := open_shared(vantage, address, platform):
            return SocketWire(shared, address)
        source = source_for(vantage, address, ECHO)
    ping = find_ping(platform)
    if ping is None:
        raise CannotAskError(
            "not-permitted",
            "this user may open no ICMP socket, and there is no ping command (iputils-ping)",
            permit_command(platform),
        )
    arguments = ping_arguments(vantage, source, address, wait_s, platform)
    return CommandWire([ping, *arguments], address, wait_s, platform)


# The probe


@dataclass(slots=True, kw_only=True)
class _Request:
    """One echo request that was sent, and the best that is known of it."""

    sequence: int
    at_s: float
    moment: float
    sent: bytes
    note: str
    left_s: float = 0.0
    """When it had left at the latest; this program may be kept from running while it sends."""
    arrival: Arrival | None = None

    @property
    def result(self) -> Result:
        return self.arrival.result if self.arrival else "silence"

    def rtt(self, arrival: Arrival) -> float:
        if arrival.rtt_s is not None:
            return arrival.rtt_s
        return round(max(0.0, arrival.moment - self.moment), 6)

    def echo(self) -> Echo:
        arrival = self.arrival
        if arrival is None:
            return Echo(sequence=self.sequence, at_s=self.at_s, result="silence")
        return Echo(
            sequence=self.sequence,
            at_s=self.at_s,
            result=arrival.result,
            source=arrival.source,
            rtt_s=self.rtt(arrival) if arrival.result in {"reply", "wrong-host"} else None,
            detail=arrival.detail,
        )

    def attempt(self, to: str) -> Try:
        arrival = self.arrival
        return Try(
            at_s=self.at_s,
            to=to,
            result=_TRY_RESULTS.get(self.result, self.result),
            sent=self.sent,
            received=arrival.raw if arrival else b"",
            source=arrival.source if arrival else "",
            detail="; ".join(filter(None, (self.note, arrival.detail if arrival else ""))),
        )


_TRY_RESULTS = {"reply": "answer", "prohibited": "refused", "unreachable": "no-route"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PingProbe:
    """Ask one address for a few echoes; every one is sent, since loss is worth knowing."""

    vantage: Vantage
    subject: str
    """The CUBE's address or the cloud's host name: what the observation is filed under."""
    address: str
    """The IPv4 address to ask."""
    count: int = COUNT
    interval_s: float = INTERVAL_S
    wait_s: float = WAIT_S
    patience_s: float = PATIENCE_S
    pace: RateLimit = ECHO_RATE
    """What holds the computer's other programs back, and this probe for them."""
    wire: Callable[[Vantage, str, float], Wire] = field(default=open_wire, repr=False)
    """How to get onto the wire."""

    sockets: EchoSockets | None = field(default=None, repr=False)
    """What it shares with the probes of other addresses, in place of a wire of its own."""

    @property
    def key(self) -> str:
        """The observation's name: ``ping/<subject>``."""
        return f"ping/{self.subject}"

    def run(self) -> PingObserved | CannotMeasure:
        """Measure once; ends with the last reply, or when the last request's wait is over."""
        return alone(self.steps())

    def steps(self) -> Steps[PingObserved | CannotMeasure]:
        """Do the same in steps, beside others."""
        return measured_in_steps(self._measure, self.vantage)

    def _open(self) -> Wire:
        if self.sockets:
            return self.sockets.open(self.vantage, self.address)
        return self.wire(self.vantage, self.address, self.wait_s)

    def _measure(self, watch: Stopwatch) -> Steps[PingObserved]:
        with (
            contextlib.closing(self._open()) as wire,
            watching(self.vantage, self.address, ECHO, wire.identifier) as capture,
        ):
            series = _Series(self, wire, watch)
            yield from series.run()
            yield from series.confirm(capture)
        requests = series.requests
        return PingObserved(
            started=watch.started,
            duration_s=watch.elapsed(),
            tries=tuple(request.attempt(self.address) for request in requests),
            ignored=tuple(series.log.ignored),
            address=self.address,
            method=wire.method,
            echoes=tuple(request.echo() for request in requests),
            trouble=trouble_of([request.arrival for request in requests], wire.method),
        )


class _Series:
    """One measurement's requests: what was sent so far and what is known of it."""

    def __init__(self, probe: PingProbe, wire: Wire, watch: Stopwatch) -> None:
        self.requests: list[_Request] = []
        self.log = Log(watch)
        self._probe = probe
        self._wire = wire
        self._watch = watch
        self._inbox = Inbox(watch, wire.receive)
        self._next_s = 0.0
        self._asked_s = 0.0
        self._obstacle: CannotAskError | None = None

    def run(self) -> Steps[None]:
        """Send all requests and listen until each is answered or its time is over.

        Raises:
            CannotAskError: not all could be sent, and none was answered.
        """
        while self._sending() or not self._inbox.over(self._end()):
            if self._sending() and not self._watch.left(self._next_s):
                self._send()
            else:
                until_s = self._until()
                yield self._wire, self._watch.left(until_s)
                self._listen(until_s)
        if self._obstacle and not any(request.result == "reply" for request in self.requests):
            raise self._obstacle
        if all(request.arrival and request.arrival.kept_back for request in self.requests):
            what = "it discarded packets with every echo request, and ping brought nothing"
            raise forbidden(what)

    def confirm(self, capture: Capture) -> Steps[None]:
        """Make sure that replies, or that none came, is the network's doing."""
        wire = self._wire
        if any(request.result == "reply" for request in self.requests):
            confirm_answer(capture)
        elif not self.log.ignored and all(request.arrival is None for request in self.requests):
            yield wire, LATE_S
            confirm_silence(capture, lambda: wire.receive(LATE_S) is not None)

    def _until(self) -> float:
        """Return the moment until which to wait next: the end of the wait, or a request's limit."""
        limits_s = [limit_s for limit_s in self._limits() if limit_s > self._inbox.empty_s]
        return min([self._end(), *limits_s])

    def _listen(self, until_s: float) -> None:
        """Take one arrival, or know that nothing has come until a moment."""
        arrival = self._inbox.receive(until_s)
        if arrival:
            self._take(arrival)

    def _limit(self, request: _Request) -> float:
        return request.left_s + self._probe.wait_s

    def _limits(self) -> list[float]:
        """Return until when replies may come; after an error or another's reply they still may."""
        return [self._limit(request) for request in self.requests if request.result != "reply"]

    def _sending(self) -> bool:
        return self._obstacle is None and len(self.requests) < self._probe.count

    def _end(self) -> float:
        """Return the moment until which there is nothing to do but listen."""
        if self._sending():
            return self._next_s
        return max(self._limits(), default=0.0)

    def _send(self) -> None:
        sequence = len(self.requests) + 1
        try:
            turn = self._probe.pace.send(self._probe.address, lambda: self._send_now(sequence))
        except CannotAskError as obstacle:
            del self.requests[sequence - 1 :]
            self._obstacle = obstacle
            return
        if not turn.wait_s:
            if turn.limits:
                self.requests[-1].note = f"the pace is not kept computer-wide: {turn.limits}"
            self._next_s = self._asked_s = (
                self.requests[-1].at_s + self._probe.interval_s + COURTESY_S
            )
        elif self._watch.left(self._asked_s + self._probe.patience_s) == 0:
            self._obstacle = CannotAskError(
                "ambiguous",
                f"other programs on this computer use up the echo requests that"
                f" {self._probe.address} may get",
            )
        else:
            now_s = self._watch.elapsed()
            yielded_s = YIELD_S / (1 + max(0.0, now_s - self._asked_s))
            self._next_s = now_s + turn.wait_s + yielded_s

    def _send_now(self, sequence: int) -> float:
        request = _Request(
            sequence=sequence,
            at_s=self._watch.elapsed(),
            moment=time.monotonic(),
            sent=self._wire.request(sequence),
            note="",
        )
        self.requests.append(request)
        ago_s = self._wire.send(sequence)
        request.left_s = self._watch.elapsed() - ago_s
        return ago_s

    def _take(self, arrival: Arrival) -> None:
        reason = self._reject(arrival)
        if reason:
            self.log.ignore(arrival.source, reason, arrival.raw)

    def _reject(self, arrival: Arrival) -> str:
        """Note an arrival at its request, or say why it does not count."""
        if arrival.sequence is None:
            return arrival.detail
        if not 1 <= arrival.sequence <= len(self.requests):
            return f"sequence number {arrival.sequence} was not sent"
        request = self.requests[arrival.sequence - 1]
        if arrival.result in {"reply", "wrong-host"} and self._late(request, arrival):
            return f"too late, after {request.rtt(arrival)} s"
        if request.result == "reply":
            return "a second answer to the same request"
        if request.arrival and arrival.result != "reply":
            return "a second message about the same request"
        request.arrival = arrival
        return ""

    def _late(self, request: _Request, arrival: Arrival) -> bool:
        if arrival.rtt_s is not None:
            return arrival.rtt_s > self._probe.wait_s
        if arrival.timed:
            return arrival.moment - request.moment > self._limit(request) - request.at_s
        return self._inbox.empty_s >= self._limit(request)


def trouble_of(arrivals: list[Arrival | None], method: Method) -> Trouble | None:
    """Return why no request was answered; None where one was."""
    known = [arrival for arrival in arrivals if arrival]
    if any(arrival.result == "reply" for arrival in known):
        return None
    kinds: dict[Result, TroubleKind] = {"prohibited": "refused", "unreachable": "no-route"}
    for result, kind in kinds.items():
        for arrival in known:
            if arrival.result == result:
                return Trouble(
                    kind=kind, phase="icmp", detail=arrival.detail, icmp_code=arrival.code
                )
    detail = "no reply from the address asked"
    if method == "command":
        detail += "; ping does not say whether this computer's own firewall kept requests back"
    return Trouble(kind="no-answer", phase="icmp", detail=detail)
