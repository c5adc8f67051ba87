"""Writes comma-separated values (RFC 4180) of which a spreadsheet takes nothing for a formula."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠")  # noqa: RUF001 - full-width signs are meant
"""Beginnings that a spreadsheet takes for a formula (OWASP, CSV Injection)."""


def csv_line(values: Iterable[object]) -> str:
    """Write one line of which a spreadsheet takes nothing for a formula."""
    texts = [json.dumps(value) if isinstance(value, bool) else str(value) for value in values]
    written = io.StringIO()
    safe = [f"'{text}" if text.startswith(FORMULA) else text for text in texts]
    csv.writer(written, lineterminator="\r\n").writerow(safe)
    return written.getvalue()
