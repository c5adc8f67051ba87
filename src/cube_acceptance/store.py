"""Observations for those who wait for them: in memory, through a folder, or from a saved run."""

from __future__ import annotations

import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from cube_acceptance import expected
from cube_acceptance.evidence import CannotMeasure, Observation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cube_acceptance.evidence import Vantage
    from cube_acceptance.evidence_file import Saved
    from cube_acceptance.expected import Owed

AFTER = "after/"
"""Begins the key of what is kept where a defect of ours met what follows from an observation."""

OBSERVATIONS = "observations"
"""The file of a spool that has one observation a line: its key, and itself."""

POLL_S = 0.02
"""How often a worker process looks for an observation that the controller makes."""


class NotMeasuredError(LookupError):
    """The observation was not made and will not be."""


class Store:
    """Observations by key, for those who have to wait for them."""

    def __init__(self, vantage: Vantage | CannotMeasure | None = None) -> None:
        """Start empty; a vantage that cannot be measured from answers every question itself."""
        self._vantage = vantage
        self._changed = threading.Condition()
        self._observations: dict[str, Observation] = {}
        self._wanted: set[str] = set()
        """What somebody has waited for: of thousands, the others wake nobody."""
        self._closed = False

    def put(self, key: str, observation: Observation) -> None:
        """Add an observation; the first one for a key stays."""
        with self._changed:
            self._observations.setdefault(key, observation)
            if key in self._wanted:
                self._changed.notify_all()

    def close(self) -> None:
        """Say that nothing more will come."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def get(self, key: str) -> Observation:
        """Return an observation, waiting until it is there.

        Raises:
            NotMeasuredError: the store was closed without it.
        """
        if isinstance(self._vantage, CannotMeasure):
            return self._vantage
        with self._changed:
            self._wanted.add(key)
            self._changed.wait_for(lambda: self._closed or key in self._observations)
            if key not in self._observations:
                raise NotMeasuredError(_missing(key, defects_in(self._observations)))
            return self._observations[key]

    def seen(self, key: str) -> Observation | None:
        """Return an observation without waiting; None where it may still come.

        Raises:
            NotMeasuredError: the store was closed without it.
        """
        with self._changed:
            waits = not self._closed and key not in self._observations
        return None if waits else self.get(key)

    def all(self) -> dict[str, Observation]:
        """Copy what is there, sorted by key."""
        with self._changed:
            return dict(sorted(self._observations.items()))


class Replay:
    """Saved observations in the place of measurements."""

    def __init__(self, saved: Saved) -> None:
        """Judge again what was observed."""
        self.evidence = saved
        self._store = Store(saved.setup.vantage)
        for key, observation in saved.observations.items():
            self._store.put(key, observation)
        self._store.close()

    def get(self, key: str) -> Observation:
        """Return a saved observation.

        Raises:
            NotMeasuredError: the evidence does not hold it.
        """
        return self._store.get(key)

    def saved(self) -> Saved:
        """Return the evidence as it was loaded."""
        return self.evidence


class Spool:
    """A folder through which the controller hands observations to its worker processes."""

    def __init__(self, folder: Path) -> None:
        """Use an existing folder."""
        self.folder = folder
        self._known: dict[str, bytes] = {}
        self._read = 0
        """How many bytes of the file were read."""

    @classmethod
    def make(cls) -> Spool:
        """Make a new private folder."""
        return cls(Path(tempfile.mkdtemp(prefix="cube-acceptance-")))

    def put(self, key: str, observation: Observation) -> None:
        """Publish an observation; readers take no line that has no end yet."""
        with (self.folder / OBSERVATIONS).open("ab") as file:
            file.write(msgspec.json.encode((key, observation)) + b"\n")

    def close(self, defects: str = "") -> None:
        """Say that nothing more will come, and what defects of ours may be the reason."""
        _write_whole(self.folder / "closed", defects.encode())

    def put_all(self, saved: Saved) -> None:
        """Publish saved evidence, which is all; an impossible vantage answers everything."""
        if isinstance(saved.setup.vantage, CannotMeasure):
            self.put("vantage", saved.setup.vantage)
        for key, observation in saved.observations.items():
            self.put(key, observation)
        self.close(defects_in(saved.observations))

    def ask(self, needs: tuple[Owed, ...]) -> None:
        """Leave word of what the session's cases need, from the first worker that knows."""
        _write_whole(self.folder / "needs", msgspec.json.encode(needs))

    def asked(self) -> tuple[Owed, ...] | None:
        """Read what the session's cases need; None while nobody knows."""
        path = self.folder / "needs"
        if not path.exists():
            return None
        return msgspec.json.decode(path.read_bytes(), type=tuple[expected.Owed, ...])

    def get(self, key: str) -> Observation:
        """Return an observation, waiting until the controller has published it.

        Raises:
            NotMeasuredError: the controller closed the folder without it.
        """
        while not (told := self._told(key)):
            closed = (self.folder / "closed").exists()
            self._read_on()
            if self._told(key):
                continue
            if closed:
                defects = (self.folder / "closed").read_text("utf-8")
                raise NotMeasuredError(_missing(key, defects))
            time.sleep(POLL_S)
        observation: Observation = msgspec.json.decode(told, type=Observation)
        return observation

    def _told(self, key: str) -> bytes | None:
        """Return what answers a question: nothing is seen from where we are not."""
        return self._known.get("vantage") or self._known.get(key)

    def _read_on(self) -> None:
        """Read what was published since."""
        path = self.folder / OBSERVATIONS
        if not path.exists():
            return
        with path.open("rb") as file:
            file.seek(self._read)
            *lines, begun = file.read().split(b"\n")
            self._read = file.tell() - len(begun)
        for line in lines:
            key, told = msgspec.json.decode(line, type=tuple[str, msgspec.Raw])
            self._known.setdefault(key, bytes(told))

    def remove(self) -> None:
        """Delete the folder and what is in it."""
        for path in self.folder.iterdir():
            path.unlink()
        self.folder.rmdir()


def defects_in(observations: Mapping[str, Observation]) -> str:
    """Describe the defects of ours that may be why something was not measured."""
    return "; ".join(
        seen.detail
        for key, seen in sorted(observations.items())
        if key.startswith(AFTER) and isinstance(seen, CannotMeasure)
    )


def _missing(key: str, defects: str) -> str:
    return f"no observation of {key}" + (f": {defects}" if defects else "")


def _write_whole(path: Path, data: bytes) -> None:
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        file.write(data)
    Path(file.name).replace(path)
