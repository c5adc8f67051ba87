"""What a CUBE itself reaches, where that was measured through its shell, and what follows."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from cube_acceptance.evidence import Channel, TunnelObserved
from cube_acceptance.judge import RulingError, Word
from cube_acceptance.network import tunnel_key
from judging import look

if TYPE_CHECKING:
    from collections.abc import Callable

    from cube_acceptance.judge import Judge
    from cube_acceptance.setup import Setup
    from cube_acceptance.site import Cube

CONNECT_FAILED = 2
"""The shell tried and did not get there (RFC 4254 section 5.1); its other codes are its own no."""

UNRESOLVED = re.compile(
    r"name or service not known|temporary failure in name resolution|no address associated with"
    r"|non-recoverable failure in name|name does not resolve|name has no usable address"
    r"|unrecoverable error|try again|error resolving|nodename nor servname|unknown host",
    re.IGNORECASE,
)
"""How shells say that a name did not resolve: glibc's words, musl's, dropbear's, and BSD's."""

SEVERITY = ("fail", "inconclusive", "pass")
"""How a case ends, the worst first."""

WORDS = {
    "pass": Word("own-works"),
    "fail": Word("own-fails"),
    "inconclusive": Word("own-open"),
}
"""The catalogue's words for it."""

NO_SESSION = {
    "tcp": Word("shell-unreachable"),
    "ssh": Word("shell-broken-off"),
    "host-key": Word("shell-other-key"),
    "login": Word("shell-no-login"),
}
"""Why there was no session, by how far it came."""


class Way(NamedTuple):
    """A CUBE's own way to a cloud host."""

    cube: Cube
    seen: TunnelObserved

    @property
    def decides(self) -> Channel | None:
        """The channel that tells whether the host can be reached; None where none does.

        A shell that forbids a target says nothing about the network.
        """
        by_name, by_address = self.seen.by_name, self.seen.by_address
        if by_name is None or by_name.opened or by_address is None:
            return by_name if by_name and by_name.opened else None
        return next((one for one in (by_address, by_name) if not forbidden(one)), None)

    @property
    def resolves(self) -> bool | None:
        """Whether the CUBE resolves the name; None where that cannot be told."""
        by_name, by_address = self.seen.by_name, self.seen.by_address
        if by_name and by_name.opened:
            return True
        if by_name and by_address and by_address.opened:
            return not UNRESOLVED.search(by_name.words)
        return None

    @property
    def only_by_address(self) -> bool:
        """Whether the host is reached at its address alone, though its name may resolve."""
        decides = self.decides
        return decides is not None and decides.opened and decides is self.seen.by_address

    def where(self) -> dict[str, object]:
        """Name the CUBE and the host for a sentence."""
        return {"cube": self.cube.name, "address": self.cube.address, "host": self.seen.host}


def forbidden(channel: Channel) -> bool:
    """Whether the shell itself would not connect there."""
    return channel.code is not None and channel.code != CONNECT_FAILED


def ways(judge: Judge, setup: Setup, host: str) -> list[Way]:
    """List what each CUBE's shell showed of a host; empty where nobody logged in."""
    found = []
    for cube in setup.site.cubes:
        seen = look(judge, tunnel_key(cube.name, host)) if cube.login else None
        if isinstance(seen, TunnelObserved):
            found.append(Way(cube, seen))
    return found


def note_no_forwarding(judge: Judge, found: list[Way]) -> None:
    """Note the shells through which nothing could be measured: that changes nothing."""
    for way in found:
        seen, where = way.seen, way.where()
        if seen.shell:
            judge.note(
                "no-forwarding",
                **where,
                detail=NO_SESSION.get(seen.shell.phase, Word("shell-broken-off")),
            )
        elif way.decides is None and seen.by_name and forbidden(seen.by_name):
            judge.note("no-forwarding", **where, detail=Word("prohibited"))


def rule(
    judge: Judge,
    setup: Setup,
    own: list[Way],
    by_cube: Callable[[Way], NoReturn],
    here: Callable[[], NoReturn],
) -> NoReturn:
    """Rule by the CUBEs' own ways where they were measured, for the other CUBEs by what is here.

    A CUBE that fails is the ruling; that the two differ is an observation.
    """
    ended_here = end_of(here)
    ends = []
    for way in own:
        end = end_of(partial(by_cube, way))
        ends.append(end)
        if way.only_by_address or end.outcome != ended_here.outcome:
            judge.note(
                "own-path", **way.where(), own=said_of(way, end), here=WORDS[ended_here.outcome]
            )
    if own:
        judge.show(from_cubes=[way.cube.name for way in own])
    spoken_for = {way.cube.name for way in own}
    if not own or not spoken_for.issuperset(cube.name for cube in setup.site.cubes):
        ends.append(ended_here)
    raise min(ends, key=lambda end: SEVERITY.index(end.outcome))


def end_of(case: Callable[[], NoReturn]) -> RulingError:
    """Return how a case ends."""
    try:
        case()
    except RulingError as end:
        return end


def said_of(way: Way, end: RulingError) -> list[str]:
    """Say how a CUBE fares, with the shell's words about a name that did not help."""
    if way.only_by_address and way.seen.by_name:
        return [Word("own-by-address"), *filter(None, [way.seen.by_name.words])]
    return [WORDS[end.outcome]]
