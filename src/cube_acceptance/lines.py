"""Which requirement's line can be written: each as soon as all of its cases are judged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cube_acceptance.certificate import terminal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cube_acceptance.catalogue import Catalogue, Language
    from cube_acceptance.certificate.terminal import Line
    from cube_acceptance.expected import Owed
    from cube_acceptance.judge import Judgement


class Lines:
    """Writes one line a requirement, and another where what it says has changed since."""

    def __init__(
        self, catalogue: Catalogue, language: Language, write: Callable[[Line], None]
    ) -> None:
        """Write lines by ``write``."""
        self._catalogue = catalogue
        self._language: Language = language
        self._write = write
        self._owed: dict[str, list[Owed]] = {}
        self._of: dict[str, str] = {}
        self._judged: dict[str, Judgement] = {}
        self._open: dict[str, set[str]] = {}
        """The cases of each requirement that were not judged yet."""
        self._written: dict[str, Line] = {}
        self.signs = True
        """Whether the terminal has the signs."""

    def expect(self, owed: Iterable[Owed]) -> None:
        """Say which cases there will be."""
        for owing in owed:
            self._owed.setdefault(owing.requirement, []).append(owing)
            self._of[owing.case] = owing.requirement
            self._open.setdefault(owing.requirement, set()).add(owing.case)

    def enter(self, case: str, judgement: Judgement) -> None:
        """Enter what a case came to, and write the line that is complete with it."""
        requirement = self._of.get(case)
        if requirement is None:
            return
        self._judged[case] = judgement
        self._open[requirement].discard(case)
        if self._open[requirement]:
            return
        judged = [(owing, self._judged[owing.case]) for owing in self._owed[requirement]]
        line = terminal.requirement(self._catalogue, judged, self._language, signs=self.signs)
        if self._written.get(requirement) != line:
            self._written[requirement] = line
            self._write(line)

    def open(self) -> list[Owed]:
        """List the cases that were not judged yet."""
        return [one for owed in self._owed.values() for one in owed if one.case not in self._judged]
