"""Worker processes of pytest-xdist: in which order they judge, and what they report of it.

The controller measures while they judge, and a fleet has thousands of cases. So they begin with
what is measured first, and tell no more of a case than somebody reads, as one value a report:
execnet writes and reads every element of a report by itself, in Python.
"""

from __future__ import annotations

import marshal
from typing import TYPE_CHECKING, Any

import pytest
from _pytest.runner import runtestprotocol

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from cube_acceptance.expected import Owed
    from cube_acceptance.site import Site

PACKED = "cube_acceptance_packed"
"""Where the rest of a report lies."""

FORMAT = 4
"""The marshal format, which every Python since 3.4 reads; it keeps tuples, as execnet does."""

AT_A_TIME = 16
"""How many cases a worker process is given at a time, unless ``--maxschedchunk`` says it: few, so
that all of them have some of those that can be judged already."""

ORDER = (
    ("SSH-01", "CONN-01"),
    ("DHCP-01", "DIAG-01"),
    ("LLMNR-01", "MDNS-01", "PING-02"),
    ("NTP-01", "DNS-01", "HTTPS-01", "PING-01"),
)
"""In which order the observations of a fleet come in that requirements wait for; those of a group
come for one CUBE after the other."""


def is_worker(config: pytest.Config) -> bool:
    """Whether this is a worker process."""
    return hasattr(config, "workerinput")


def deal_few(config: pytest.Config) -> None:
    """Let the controller deal out few cases at a time."""
    if getattr(config.option, "maxschedchunk", 0) is None:
        config.option.maxschedchunk = AT_A_TIME


def measured_first(site: Site) -> Callable[[Owed], tuple[int, int]]:
    """Return the key by which cases are sorted as their observations come in."""
    group_of = {requirement: number for number, group in enumerate(ORDER) for requirement in group}
    place_of = {cube.name: number for number, cube in enumerate(site.cubes)}
    return lambda owing: (group_of[owing.requirement], place_of.get(owing.subject, -1))


@pytest.hookimpl
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """Judge a case in a worker process, and report what the controller reads of it.

    That is what pytest itself reports, but for a setup of which nothing is to be said, and without
    the two messages in which xdist tells where a worker process is.
    """
    if not is_worker(item.config):
        return None
    for report in runtestprotocol(item, log=False, nextitem=nextitem):
        if report.when != "setup" or not report.passed or report.sections:
            item.ihook.pytest_runtest_logreport(report=report)
    return True


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_report_to_serializable(
    config: pytest.Config,
) -> Generator[None, dict[str, Any] | None, dict[str, Any] | None]:
    """Pack the report that a worker process sends; one that does not fit is sent as it was."""
    data = yield
    if data is None or not is_worker(config):
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
