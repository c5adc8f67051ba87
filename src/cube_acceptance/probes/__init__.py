"""The probes: one module a protocol, each a small frozen object that measures once.

A probe says in its fields what it will ask (target, port, vantage, tries, time limits), names
itself with :attr:`~Probe.key`, and :meth:`~Probe.run` brings home one observation from
:mod:`cube_acceptance.evidence`. It never judges, never raises for what the network does, and
never waits longer than its fields say.

Who has something to tell while it still measures puts an *event* into its outbox. Nobody else is
called from within a measurement: what follows from an event is for the survey to know.
"""

from __future__ import annotations

import importlib
import queue
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from cube_acceptance.evidence import DhcpMessage, Observation
    from cube_acceptance.probes.net.together import Steps

PROBES = {
    "dhcp": "DhcpProbe",
    "ntp": "NtpProbe",
    "dns": "DnsProbe",
    "https": "HttpsProbe",
    "icmp": "PingProbe",
    "http": "PageProbe",
    "mdns": "MdnsProbe",
    "llmnr": "LlmnrProbe",
    "ssh": "SshProbe",
    "tunnel": "TunnelProbe",
}
"""What asks over the network: the class of each protocol's probe, by its module."""


@dataclass(frozen=True, slots=True)
class Offered:
    """DHCP has brought a first OFFER with all that a device needs to join the network."""

    key: str
    """The probe that tells it."""
    offer: DhcpMessage


@dataclass(frozen=True, slots=True)
class Asked:
    """A question to a time server has left or could not leave; its answer is still waited for."""

    key: str
    """The probe that tells it."""


Event = Offered | Asked


class Outbox(Protocol):
    """Where a probe puts events; a :class:`queue.SimpleQueue`, for instance."""

    def put(self, item: Event, /) -> None:
        """Leave an event for whoever reads; returns at once."""
        ...


def unread() -> Outbox:
    """Return an outbox that nobody reads."""
    outbox: queue.SimpleQueue[Event] = queue.SimpleQueue()
    return outbox


class Probe(Protocol):
    """What the survey needs of a probe."""

    @property
    def key(self) -> str:
        """The name of the observation in ``evidence.json``, ``ntp/10.20.0.1`` for instance."""
        ...

    def run(self) -> Observation:
        """Measure once; blocks until the answer is in or the time limit is reached."""
        ...


class Stepping(Probe, Protocol):
    """A probe that can share a thread, and mostly its socket as well."""

    def steps(self) -> Steps[Observation]:
        """Measure once, step by step, beside others."""
        ...


def load_probes() -> None:
    """Import all that asks, before any thread could.

    pytest rewrites the assertions of whatever a plugin's package imports, and Python 3.11 must not
    do so in two threads at once: it then takes one's progress for the other's and gives up
    (pytest-dev/pytest#10763).
    """
    for name in (*PROBES, "leases", "neighbours", "way"):
        importlib.import_module(f"{__name__}.{name}")
