"""What a case says about a requirement: a ruling, reached from observations and from nothing else.

A case holds a :class:`Judge`. It reads observations through it, adds notes, and ends in one of
three ways: :meth:`Judge.passes`, :meth:`Judge.fail` or :meth:`Judge.inconclusive`. What it
says is a cause with facts, never a sentence: sentences are made for the reader's language later.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal, NoReturn, Protocol, TypeVar

import msgspec

from cube_acceptance.evidence import CannotMeasure, timestamp
from cube_acceptance.text.foreign import one_line

if TYPE_CHECKING:
    from cube_acceptance.evidence import Observation, Observed, Trouble

ObservedT = TypeVar("ObservedT")

CaseOutcome = Literal["pass", "fail", "inconclusive", "not-run"]

TEXT_LIMIT = 300
"""Characters of one fact, whatever the network said."""


class Word(str):
    """A fact that is a word of the catalogue and has to be translated."""

    __slots__ = ()


class Said(str):
    """A fact that a probe or a case has put in English words, and that has German ones."""

    __slots__ = ()


Fact = str | int | float | dict[str, str] | list[Any]
"""A fact as it travels: text, a number, ``{"word": key}`` for a word of the catalogue,
``{"said": text}`` for words that are translated as they are, or a list."""


def fact(value: object) -> Fact:
    """Make a value fit to travel: bounded, on one line, its type known to JSON."""
    if isinstance(value, Word):
        return {"word": str(value)}
    if isinstance(value, Said):
        return {"said": one_line(value, TEXT_LIMIT)}
    if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    if isinstance(value, tuple | list):
        return [fact(item) for item in value[:16]]
    return one_line(value, TEXT_LIMIT)


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """Something worth telling that moves no verdict."""

    code: str
    facts: dict[str, Fact]


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """What a case came to, in no language; travels as JSON between processes."""

    outcome: CaseOutcome
    cause: str = ""
    text: str = ""
    """The key of the sentence: the cause, or cause and variant."""
    facts: dict[str, Fact] = {}
    notes: tuple[Note, ...] = ()
    observed: dict[str, Fact] = {}
    evidence: tuple[str, ...] = ()
    """The keys of the observations that the case read."""
    started: str = ""
    duration_s: float = 0.0
    attempts: int = 0


class RulingError(Exception):
    """A case's end; ``cause`` from the closed list, ``text`` a catalogue key."""

    outcome: CaseOutcome

    def __init__(self, cause: str = "", text: str = "", /, **facts: object) -> None:
        """Keep the cause, the text's key (default: the cause) and the facts for its sentence."""
        super().__init__(text or cause)
        self.cause = cause
        self.text = text or cause
        self.facts = {name: fact(value) for name, value in facts.items()}


class PassedError(RulingError):
    """The requirement is met; an error in form only, so that nothing of a case comes after it."""

    outcome: CaseOutcome = "pass"


class FailedError(RulingError):
    """The requirement is not met."""

    outcome: CaseOutcome = "fail"


class InconclusiveError(RulingError):
    """The measurement allows no statement."""

    outcome: CaseOutcome = "inconclusive"


class Evidence(Protocol):
    """Where a judge reads observations."""

    def get(self, key: str) -> Observation:
        """Return the observation with this key, waiting for it where it is under way.

        Raises:
            LookupError: it was not measured and will not be.
        """
        ...


class Judge:
    """Reads the evidence for one case and keeps what the case says."""

    def __init__(self, requirement: str, evidence: Evidence) -> None:
        """Judge one requirement from this evidence."""
        self.requirement = requirement
        self._evidence = evidence
        self._read: dict[str, Observed] = {}
        self._notes: list[Note] = []
        self._observed: dict[str, Fact] = {}

    def get(self, key: str) -> Observation:
        """Read an observation, or the obstacle that kept it from being made.

        Raises:
            LookupError: it was not measured.
        """
        observation = self._evidence.get(key)
        self._read[key] = observation
        return observation

    def measured(self, key: str, kind: type[ObservedT]) -> ObservedT:
        """Read an observation that the case cannot do without.

        Raises:
            InconclusiveError: it could not be measured.
            TypeError: the key belongs to another kind of observation.
        """
        observation = self.get(key)
        if isinstance(observation, CannotMeasure):
            raise obstacle(observation)
        if not isinstance(observation, kind):
            raise TypeError(f"{key} is {type(observation).__name__}, not {kind.__name__}")
        return observation

    def note(self, code: str, /, **facts: object) -> None:
        """Add an observation for the certificate that moves no verdict."""
        self._notes.append(
            Note(code=code, facts={name: fact(value) for name, value in facts.items()})
        )

    def show(self, **facts: object) -> None:
        """Add key facts of what was observed, for the certificate's evidence."""
        self._observed |= {name: fact(value) for name, value in facts.items()}

    def passes(self, **facts: object) -> NoReturn:
        """Rule that the requirement is met; ``facts`` are shown as observed."""
        self.show(**facts)
        raise PassedError

    def fail(self, cause: str, text: str = "", /, **facts: object) -> NoReturn:
        """Rule that the requirement is not met."""
        raise FailedError(cause, text, **facts)

    def inconclusive(self, cause: str, text: str = "", /, **facts: object) -> NoReturn:
        """Rule that the measurement allows no statement."""
        raise InconclusiveError(cause, text, **facts)

    def judgement(self, end: BaseException | None) -> Judgement:
        """Describe what the case came to, given the exception that ended it or None.

        Only an explicit pass that rests on at least one real observation is a pass. Whatever
        else happens in a case is a defect of ours and therefore inconclusive.
        """
        if end is None:
            return self._defect("the case ended without a ruling")
        if not isinstance(end, RulingError):
            return self._defect(f"{type(end).__name__}: {end}")
        blind = all(isinstance(read, CannotMeasure) for read in self._read.values())
        if end.outcome == "pass" and blind:
            return self._defect("the case passed without an observation")
        return self._close(end.outcome, end.cause, end.text, end.facts)

    def _defect(self, detail: str) -> Judgement:
        text = "internal-error"
        return self._close("inconclusive", text, text, {"detail": fact(detail)})

    def _close(
        self, outcome: CaseOutcome, cause: str, text: str, facts: dict[str, Fact]
    ) -> Judgement:
        read = self._read.values()
        begin = min((observation.started for observation in read), default=timestamp())
        return Judgement(
            outcome=outcome,
            cause=cause,
            text=text,
            facts=facts,
            notes=tuple(self._notes),
            observed=self._observed,
            evidence=tuple(self._read),
            started=begin,
            duration_s=max((observation.duration_s for observation in read), default=0.0),
            attempts=sum(len(observation.tries) for observation in read),
        )


def obstacle(observation: CannotMeasure) -> InconclusiveError:
    """Make the ruling that follows from a question that could not be asked."""
    variants = {"ambiguous": "ambiguous.neighbour"}
    if not observation.command:
        variants = {
            "ambiguous": "ambiguous.disturbed",
            "not-permitted": "not-permitted.blocked",
        }
    return InconclusiveError(
        observation.cause,
        variants.get(observation.cause, ""),
        detail=observation.detail,
        command=observation.command,
    )


def on_the_wire(trouble: Trouble) -> str:
    """Say in signs that need no translation what the wire showed, ``ICMP 3/13`` for instance."""
    if trouble.icmp_code is not None:
        sender = f", {trouble.icmp_source}" if trouble.icmp_source else ""
        return f"ICMP 3/{trouble.icmp_code}{sender}"
    signs = {
        ("refused", "tcp"): "TCP RST",
        ("refused", "udp"): "ICMP 3/3",
        ("no-route", "tcp"): "ARP/ICMP",
        ("no-route", "udp"): "ARP/ICMP",
    }
    return trouble.sign or signs.get((trouble.kind, trouble.phase), trouble.phase.upper())
