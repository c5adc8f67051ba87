"""Tests of the TLS handshake's deadline; the handshake itself is met in the tests of HTTPS."""

from __future__ import annotations

import pytest

from cube_acceptance.probes.net import tls
from cube_acceptance.probes.net.deadline import Deadline


class Slow:
    """A handshake that times out so many times before it ends."""

    def __init__(self, times: int) -> None:
        """Time out so many times."""
        self.times = times

    def settimeout(self, _seconds: float) -> None:
        """Take any time limit."""

    def do_handshake(self) -> None:
        """Go on with it."""
        self.times -= 1
        if self.times >= 0:
            raise TimeoutError


def test_a_handshake_goes_on_while_there_is_time() -> None:
    """A socket's own time limit may end early, where this program was stopped meanwhile."""
    slow = Slow(2)
    tls._finish(slow, Deadline(60.0))  # type: ignore[arg-type]

    assert slow.times == -1


def test_a_handshake_ends_with_the_time() -> None:
    """Who says nothing is not waited for any longer."""
    with pytest.raises(TimeoutError):
        tls._finish(Slow(1), Deadline(0.0))  # type: ignore[arg-type]
