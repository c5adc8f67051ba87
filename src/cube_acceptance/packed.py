"""How reports travel from worker processes: as one value each, and not element by element.

execnet writes and reads every element of a report by itself, in Python. Of a fleet's thousands of
reports that would be a good part of what a session takes with xdist.
"""

from __future__ import annotations

import marshal
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator

PACKED = "cube_acceptance_packed"
"""Where the rest of a report lies."""

FORMAT = 4
"""The marshal format, which every Python since 3.4 reads; it keeps tuples, as execnet does."""


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_report_to_serializable(
    config: pytest.Config,
) -> Generator[None, dict[str, Any] | None, dict[str, Any] | None]:
    """Pack the report that a worker process sends; one that does not fit is sent as it was."""
    data = yield
    if data is None or not hasattr(config, "workerinput"):
        return data
    try:
        return {PACKED: marshal.dumps(data, FORMAT)}
    except ValueError:
        return data


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_report_from_serializable(
    data: dict[str, Any],
) -> Generator[None, object, object]:
    """Unpack it where it arrives, before anybody reads it."""
    if packed := data.pop(PACKED, None):
        data.update(marshal.loads(packed))  # noqa: S302 - from a process of this session
    return (yield)
