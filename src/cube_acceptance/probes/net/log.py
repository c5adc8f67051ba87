"""What one measurement has sent, and what it has received that does not count."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from cube_acceptance.evidence import RAW_LIMIT, Ignored, Try
from cube_acceptance.probes.net.errors import cannot_send

if TYPE_CHECKING:
    from cube_acceptance.probes.net.measuring import Stopwatch

IGNORED_LIMIT = 32
"""How many packets that do not count are kept."""


@dataclass(slots=True)
class Log:
    """Every try, in order, and the first packets that did not count."""

    watch: Stopwatch
    tries: list[Try] = field(default_factory=list)
    ignored: list[Ignored] = field(default_factory=list)

    def begin(self, to: str, sent: bytes, detail: str = "") -> int:
        """Note a question that is about to be sent, silence so far; its number among the tries."""
        at_s = self.watch.elapsed()
        self.tries.append(Try(at_s=at_s, to=to, result="silence", sent=sent, detail=detail))
        return len(self.tries) - 1

    def end(
        self, number: int, result: str, detail: str = "", received: bytes = b"", source: str = ""
    ) -> None:
        """Note what came of a try; the detail is added to what was said at its begin."""
        before = self.tries[number]
        self.tries[number] = msgspec.structs.replace(
            before,
            result=result,
            received=received[:RAW_LIMIT],
            source=source if received else "",
            detail=": ".join(filter(None, (before.detail, detail))),
        )

    def ignore(self, source: str, reason: object, raw: bytes) -> None:
        """Note a packet that does not count, read just now, with the reason."""
        if len(self.ignored) < IGNORED_LIMIT:
            at_s = self.watch.elapsed()
            self.ignored.append(
                Ignored(at_s=at_s, source=source, reason=str(reason), raw=raw[:RAW_LIMIT])
            )

    def check_sent(self) -> None:
        """Refuse to call it silence where nothing was asked.

        Raises:
            CannotAskError: not one question could be sent.
        """
        if all(attempt.result == "not-sent" for attempt in self.tries):
            raise cannot_send(self.tries[-1].detail)
