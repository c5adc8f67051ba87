"""Holds steps as a session of several CUBEs does: beside others, with sockets that never wait."""

from __future__ import annotations

import contextlib
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeVar

from cube_acceptance.probes.net.sockets import open_tcp_in_steps
from cube_acceptance.probes.net.together import Sockets, together

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterable

    from cube_acceptance.evidence import Observation, Vantage
    from cube_acceptance.probes import Stepping
    from cube_acceptance.probes.net.together import Steps

T = TypeVar("T")
KeyT = TypeVar("KeyT")


def outcomes(
    conversations: Iterable[tuple[KeyT, Steps[T]]],
    sockets: Sockets[Any],
    others: Iterable[tuple[KeyT, Steps[T]]] = (),
    places: int = 1,
) -> dict[KeyT, T | Exception]:
    """Return what conversations come to, in the order of their ends."""
    return dict(chain.from_iterable(together([conversations], sockets, others, places)))


def held(steps: Steps[T]) -> T:
    """Return what steps come to."""
    sockets: Sockets[Any] = Sockets()
    with contextlib.closing(sockets):
        (outcome,) = outcomes((), sockets, [("", steps)]).values()
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


def beside(probe: Stepping) -> Observation:
    """Let a probe measure."""
    return held(probe.steps())


def open_tcp_beside(
    vantage: Vantage, address: str, port: int, limit_s: float, then: str = "tcp"
) -> socket.socket:
    """Open a connection."""
    return held(open_tcp_in_steps(vantage, address, port, limit_s, then, beside=True))
