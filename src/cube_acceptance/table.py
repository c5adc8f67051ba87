"""pytest-html's report of the cases, which becomes the certificate's technical annex."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_html.report_data import ReportData
from pytest_html.selfcontained_report import SelfContainedReport

from cube_acceptance.certificate.annex import Annex
from cube_acceptance.session import AsItStands

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pytest

    from cube_acceptance.catalogue import Language


class Table(SelfContainedReport):  # type: ignore[misc]  # pytest-html has no types
    """pytest-html's report with our template, and without the work that it throws away."""

    def __init__(self, path: Path, config: pytest.Config, language: Language) -> None:
        """Write it to this path when the session ends."""
        super().__init__(AsItStands(path), config, ReportData(config), Annex(language), "")

    def _process_report(
        self, report: pytest.TestReport, duration: float, processed_extras: list[object]
    ) -> None:
        """Make the row of a report, but for the two of each case that pytest-html shows nowhere."""
        if report.when not in {"setup", "teardown"} or not report.passed or report.sections:
            super()._process_report(report, duration, processed_extras)

    def _write_report(self, rendered_report: Iterator[str]) -> None:
        """Write the pieces that the template gives."""
        with self._report_path.open("w", encoding="utf-8") as file:
            file.writelines(rendered_report)

    def forget(self) -> None:
        """Let go of everything, once it is written."""
        self._report, self._reports = None, None
