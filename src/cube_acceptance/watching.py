"""Measures again and again what is not met, until all that is required is: for ``watch``.

Nothing of it counts: a whole run follows, and only that has a certificate. So nothing is kept, and
a case is judged by the same functions as there.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

from cube_acceptance import cases
from cube_acceptance.lines import Lines

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cube_acceptance.catalogue import Catalogue, Language
    from cube_acceptance.certificate.terminal import Line
    from cube_acceptance.expected import Owed
    from cube_acceptance.setup import Setup

INTERVAL_S = 15.0
"""From the beginning of a round to that of the next, at least: no page is asked for more often."""
REST_S = 5.0
"""From the end of a round to the beginning of the next, at least."""
LOOK_S = 0.2
"""How often it is looked what has come in."""


class Measuring(cases.Measuring, Protocol):
    """The measurements of one round; a :class:`~cube_acceptance.survey.Survey`, for instance."""

    def start(self) -> None:
        """Begin; returns at once."""
        ...

    def wait(self, limit_s: float) -> bool:
        """Wait for the end, at most so long; False if it has not come."""
        ...


class Screen(Protocol):
    """Where it is shown."""

    signs: bool
    """Whether it has the signs of outcomes."""

    def show(self, line: Line) -> None:
        """Show a requirement's line, which is new or has changed."""
        ...

    def tell(self, number: int, waiting: tuple[str, ...], seconds: float) -> None:
        """Show what is asked in which round, or in how many seconds the next one begins."""
        ...


class Watch:
    """What stands how, and what is to be asked again."""

    def __init__(
        self,
        catalogue: Catalogue,
        owed: tuple[Owed, ...],
        functions: Mapping[str, Callable[..., None]],
        language: Language,
        screen: Screen,
    ) -> None:
        """Begin with nothing known of these cases."""
        self._required = {one.id for one in catalogue.requirement if one.level == "required"}
        self._functions = functions
        self._screen = screen
        self._lines = Lines(catalogue, language, screen.show)
        self._lines.signs = screen.signs
        self._lines.expect(owed)
        self._open = {owing.case: owing for owing in owed}
        self._rounds = 0

    @property
    def open(self) -> tuple[Owed, ...]:
        """The cases that are not met, or not known yet."""
        return tuple(self._open.values())

    @property
    def finished(self) -> bool:
        """Whether all that is required is met."""
        return not any(owing.requirement in self._required for owing in self.open)

    def round(self, setup: Setup, measuring: Measuring) -> None:
        """Ask once for all that is open."""
        self._rounds += 1
        asked = dict.fromkeys(owing.requirement for owing in self.open)
        self._screen.tell(self._rounds, tuple(asked), 0.0)
        waiting = dict(self._open)
        measuring.start()
        while not measuring.wait(LOOK_S):
            if len(waiting) <= cases.EARLY_LIMIT:
                self._judge(waiting, setup, measuring)
        self._judge(waiting, setup, measuring)

    def _judge(self, waiting: dict[str, Owed], setup: Setup, measuring: Measuring) -> None:
        """Judge what can be judged; it waits no longer."""
        for owing in list(waiting.values()):
            case = self._functions[owing.requirement]
            judgement = cases.judge(case, owing, setup, cases.SoFar(measuring))
            if judgement is None:
                continue
            del waiting[owing.case]
            if judgement.outcome == "pass":
                del self._open[owing.case]
            self._lines.enter(owing.case, judgement)

    def rest(
        self,
        began_s: float,
        pause: Callable[[float], object] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Leave the network alone for a while after a round that began then."""
        end_s = max(began_s + INTERVAL_S, clock() + REST_S)
        while (left_s := end_s - clock()) > 0:
            self._screen.tell(self._rounds, (), left_s)
            pause(min(1.0, left_s))
