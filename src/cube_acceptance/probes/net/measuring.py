"""How a probe runs: its watch, and what has to hold for a silence to be the network's."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

from cube_acceptance.evidence import (
    CannotMeasure,
    DhcpObserved,
    DnsObserved,
    HttpsObserved,
    NtpObserved,
    PageObserved,
    PingObserved,
    SshObserved,
    Trouble,
    Vantage,
    timestamp,
)
from cube_acceptance.probes.net.neighbours import told_by_hand, told_not_to_ask

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from cube_acceptance.probes.net.together import Steps

from cube_acceptance.probes.net.commands import forget_neighbour
from cube_acceptance.probes.net.errors import CannotAskError
from cube_acceptance.probes.net.vantage import check_link_state, route_to, standing_link_state

ObservationT = TypeVar("ObservationT")
AnyT = TypeVar("AnyT")


class Stopwatch:
    """When a probe started and how long it has been running."""

    def __init__(self) -> None:
        """Start now."""
        self.started = timestamp()
        self._begin = time.monotonic()

    def elapsed(self) -> float:
        """Seconds since the start, to the microsecond."""
        return round(time.monotonic() - self._begin, 6)

    def left(self, limit_s: float) -> float:
        """Seconds until ``limit_s`` after the start, never negative."""
        return max(0.0, self._begin + limit_s - time.monotonic())

    def until(self, other: Stopwatch) -> float:
        """Seconds from this watch's start to another's; negative where that started earlier."""
        return other._begin - self._begin

    def wait_until(self, moment_s: float) -> None:
        """Sleep until ``moment_s`` seconds after the start; at once when that has passed."""
        time.sleep(self.left(moment_s))


def measured(
    measure: Callable[[Stopwatch], ObservationT], vantage: Vantage
) -> ObservationT | CannotMeasure:
    """Run a measurement; a question that cannot be asked becomes a :class:`CannotMeasure`.

    What came to nothing says something about the network only if this computer stood in it all
    the time, and sent its packets to whom the network says that they are for.
    """

    def checked(watch: Stopwatch) -> ObservationT:
        before = standing_link_state(vantage)
        observation = measure(watch)
        check_stood(vantage, before, observation)
        return observation

    return attempted(checked)


def measured_in_steps(
    measure: Callable[[Stopwatch], Steps[ObservationT]], vantage: Vantage
) -> Steps[ObservationT | CannotMeasure]:
    """Run a measurement likewise that is held beside others."""
    watch = Stopwatch()
    try:
        before = standing_link_state(vantage)
        observation = yield from measure(watch)
        check_stood(vantage, before, observation)
    except CannotAskError as obstacle:
        return obstructed(watch, obstacle)
    return observation


def check_stood(vantage: Vantage, before: tuple[str, bool], observation: object) -> None:
    """Make sure that what came to nothing did so while this computer stood in the network.

    Raises:
        CannotAskError: it did not, or it was told wrongly where the host is.
    """
    if in_vain(observation) and not vantage.loopback:
        check_link_state(vantage, before)
        check_arp(vantage, observation)
        check_neighbours(vantage, unheard(observation))


def attempted(attempt: Callable[[Stopwatch], AnyT]) -> AnyT | CannotMeasure:
    """Return what an attempt does, or what kept it from asking."""
    watch = Stopwatch()
    try:
        return attempt(watch)
    except CannotAskError as obstacle:
        return obstructed(watch, obstacle)


def obstructed(watch: Stopwatch, obstacle: CannotAskError) -> CannotMeasure:
    """Return what kept a measurement from asking."""
    return CannotMeasure(
        started=watch.started,
        duration_s=watch.elapsed(),
        cause=obstacle.cause,
        detail=obstacle.detail,
        command=obstacle.command,
    )


def in_vain(observation: object) -> bool:
    """Whether an observation shows that something did not come about."""
    if isinstance(observation, DhcpObserved):
        return not observation.offers
    return getattr(observation, "trouble", None) is not None


def unheard(observation: object) -> tuple[str, ...]:
    """List the hosts that an observation shows to be silent or not to be found."""
    trouble: Trouble | None = getattr(observation, "trouble", None)
    if trouble is None or trouble.kind not in {"no-answer", "no-route"}:
        return ()
    match observation:
        case DnsObserved(server=host) | NtpObserved(server=host):
            return (host,)
        case PageObserved(address=host) | PingObserved(address=host) | SshObserved(address=host):
            return (host,)
        case HttpsObserved(addresses=hosts):
            return hosts
    return ()


def check_arp(vantage: Vantage, observation: object) -> None:
    """Make sure that nobody told this computer not to ask where others are, nor to answer them.

    Raises:
        CannotAskError: somebody did (``ambiguous``), and nobody was heard.
    """
    trouble: Trouble | None = getattr(observation, "trouble", None)
    silent = trouble is not None and trouble.kind in {"no-answer", "no-route"}
    if silent and told_not_to_ask(vantage.interface):
        detail = f"{vantage.interface}: NOARP"
        raise CannotAskError("ambiguous", detail, f"ip link set dev {vantage.interface} arp on")


def check_neighbours(vantage: Vantage, hosts: Collection[str]) -> None:
    """Make sure that nobody told this computer by hand where hosts are, or the routers to them.

    Raises:
        CannotAskError: somebody did (``ambiguous``).
    """
    for host in hosts:
        way = route_to(host)
        next_hop = (way and way.gateway) or host
        if entry := told_by_hand(vantage.interface, next_hop):
            command = forget_neighbour(next_hop, vantage.interface)
            raise CannotAskError("ambiguous", f"{vantage.interface}: {entry}", command)
