"""Ask the system which router it hands the packets for a target to; nothing is sent.

A test computer with settings of its own may reach the Internet by a router that no CUBE would take
(RFC 1122 section 3.3.1). Asked beside the exchange itself, for the same protocol and port, since
rules of the system may choose the way by them.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from cube_acceptance.evidence import CannotMeasure, Vantage, WayObserved
from cube_acceptance.probes.net.errors import CannotAskError
from cube_acceptance.probes.net.measuring import measured
from cube_acceptance.probes.net.routing import Flow
from cube_acceptance.probes.net.vantage import source_for, whole_route

if TYPE_CHECKING:
    from cube_acceptance.probes.net.measuring import Stopwatch

PROTOCOLS = {
    "udp": socket.IPPROTO_UDP,
    "tcp": socket.IPPROTO_TCP,
    "icmp": socket.IPPROTO_ICMP,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class WayProbe:
    """The way to one target."""

    vantage: Vantage
    target: str
    over: Literal["udp", "tcp", "icmp"]
    port: int = 0
    """0 for ICMP."""

    @property
    def key(self) -> str:
        """The name of the observation in the evidence."""
        return f"way/{self.over}/{self.target}:{self.port}"

    def run(self) -> WayObserved | CannotMeasure:
        """Ask once."""
        return measured(self._measure, self.vantage)

    def _measure(self, watch: Stopwatch) -> WayObserved:
        flow = Flow(protocol=PROTOCOLS[self.over], port=self.port)
        route = whole_route(self.target, flow, source_for(self.vantage, self.target, flow))
        if route is None:
            raise CannotAskError("other-route", f"this computer has no route to {self.target}")
        return WayObserved(
            started=watch.started,
            duration_s=watch.elapsed(),
            target=self.target,
            over=self.over,
            port=self.port,
            # A route may name the target itself as the router to it.
            gateway="" if route.gateway == self.target else route.gateway,
        )
