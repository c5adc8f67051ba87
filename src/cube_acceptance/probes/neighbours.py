"""Look up which hardware addresses answer for the CUBEs; nothing is sent (RFC 826).

Asked once the CUBEs have been talked to: this computer had to learn by ARP who they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cube_acceptance.evidence import CannotMeasure, NeighboursObserved, Vantage
from cube_acceptance.probes.net.measuring import measured
from cube_acceptance.probes.net.neighbours import learned

if TYPE_CHECKING:
    from cube_acceptance.probes.net.measuring import Stopwatch


@dataclass(frozen=True, slots=True, kw_only=True)
class NeighboursProbe:
    """The hardware addresses behind some addresses."""

    vantage: Vantage
    addresses: tuple[str, ...]

    @property
    def key(self) -> str:
        """``neighbours``."""
        return "neighbours"

    def run(self) -> NeighboursObserved | CannotMeasure:
        """Look once."""
        return measured(self._measure, self.vantage)

    def _measure(self, watch: Stopwatch) -> NeighboursObserved:
        known = learned(self.vantage.interface)
        return NeighboursObserved(
            started=watch.started,
            duration_s=watch.elapsed(),
            hardware=tuple((one, known[one]) for one in self.addresses if one in known),
        )
