"""The acceptance cases outside a session of pytest: on what is in so far.

A case that asks for what has not come yet is put off, so that whoever waits can be told what is
certain already. What counts on a certificate is judged in a session.
"""

from __future__ import annotations

import importlib.util
import inspect
import sys
from typing import TYPE_CHECKING, Any, Protocol

from cube_acceptance import expected
from cube_acceptance.catalogue import SITE
from cube_acceptance.judge import Judge

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cube_acceptance.evidence import Observation
    from cube_acceptance.expected import Owed
    from cube_acceptance.judge import Evidence, Judgement
    from cube_acceptance.setup import Setup


MARKER = "requirement"
"""The marker that names what a case judges."""


EARLY_LIMIT = 100
"""Up to this many cases are judged while others are measured; a fleet's are judged at the end."""


class NotYetError(Exception):
    """An observation is still under way."""


class Measuring(Protocol):
    """What is known of measurements that are under way."""

    def seen(self, key: str) -> Observation | None:
        """Return an observation, None where it may still come.

        Raises:
            LookupError: it was not measured and will not be.
        """
        ...


class SoFar:
    """The observations that are in, for a judge."""

    def __init__(self, measuring: Measuring) -> None:
        """Read from these measurements."""
        self._measuring = measuring

    def get(self, key: str) -> Observation:
        """Return an observation.

        Raises:
            NotYetError: it is still under way.
            LookupError: it was not measured and will not be.
        """
        seen = self._measuring.seen(key)
        if seen is None:
            raise NotYetError(key)
        return seen


def functions(folder: Path) -> dict[str, Callable[..., None]]:
    """Load every case from a folder's files, by the requirement that it judges."""
    found: dict[str, Callable[..., None]] = {}
    sys.path.insert(0, str(folder))
    try:
        for path in sorted(folder.glob("test_*.py")):
            spec = importlib.util.spec_from_file_location(f"acceptance_{path.stem}", path)
            if spec is None or spec.loader is None:  # pragma: no cover - for the type's sake
                raise ImportError(str(path))
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            for value in vars(module).values():
                marks = [one for one in getattr(value, "pytestmark", ()) if one.name == MARKER]
                found |= {mark.args[0]: value for mark in marks}
    finally:
        sys.path.remove(str(folder))
    return found


def judge(
    case: Callable[..., None],
    owing: Owed,
    setup: Setup,
    evidence: Evidence,
) -> Judgement | None:
    """Judge a case as a session would; None where it has to wait for an observation."""
    judging = Judge(owing.requirement, evidence)
    cube = expected.cube_named(setup.site, owing.subject) if owing.subject != SITE else None
    values: dict[str, Any] = {
        "judge": judging,
        "setup": setup,
        "site": setup.site,
        "host": owing.host,
        "cube": cube,
    }
    end: Exception | None = None
    try:
        case(**{name: values[name] for name in inspect.signature(case).parameters})
    except NotYetError:
        return None
    except Exception as error:  # noqa: BLE001 - what ends a case is the judge's to read
        end = error
    return judging.judgement(end)
