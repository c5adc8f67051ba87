"""Network conditions of the lab, measured by Windows' own Python on the plant's laptop.

The same rows as on Linux, from the same files. Where a row must come to something else on Windows,
that stands here with its reason: Wine has no firewall of Windows' that could say whether it lets
DHCP replies in, so silence there is nobody's.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec
import pytest

from selftests.lab.certificates import Authorities
from selftests.lab.condition import Condition, Verdict, load
from selftests.lab.conftest import need_the_lab
from selftests.lab.session import (
    as_toml,
    begin,
    disagreements,
    fingerprint,
    finish,
    plant_under,
    site_file,
)
from selftests.windows.wine import on_windows, path_for, seat

if TYPE_CHECKING:
    from collections.abc import Mapping

SIDE_BY_SIDE = 4
"""How many plants stand at the same time."""


@dataclass(frozen=True, slots=True)
class Row:
    """A condition of the lab, and what is else on Windows."""

    id: str
    processes: int = 0
    language: str = "en_US"
    """The computer's: what its system says, it says in these words."""
    expect: Mapping[str, str] = field(default_factory=dict)
    verdict: Verdict | None = None


DEAF = {
    "DHCP-01": "inconclusive not-permitted",
    "NTP-01": "inconclusive not-permitted",
    "DNS-01": "inconclusive not-permitted",
    "HTTPS-01": "inconclusive not-permitted",
    "PING-01": "inconclusive not-permitted",
}
"""Nobody can say whether the firewall let an offer in, and so which servers there are."""

DARK = Condition(
    id="dark",
    field="Nothing answers but ARP.",
    firewall=("switch forward ether type ip drop",),
    expect={
        "DIAG-01": "fail no-answer",
        "CONN-01": "fail no-answer",
        "MDNS-01": "fail no-answer",
        "LLMNR-01": "fail no-answer",
        "PING-02": "fail no-answer",
        "SSH-01": "inconclusive ambiguous",
    },
    verdict="rejected",
)

ROWS = (
    Row("healthy"),
    Row("healthy-four-processes", processes=4),
    Row("ntp-dropped"),
    Row("dns-dropped"),
    Row("https-reset", language="fr_FR"),
    Row("https-inspected"),
    Row("cube-gone", language="ru_RU"),
    Row("mdns-name-of-another"),
    Row("llmnr-name-of-another"),
    Row("dhcp-none", expect=DEAF, verdict="incomplete"),
    Row("vpn-default-route"),
    Row("vpn-takes-the-plant"),
    Row("dark", expect=DEAF),
)


def condition_of(row: Row) -> Condition:
    """Return the lab's condition as it must come out on Windows."""
    (condition,) = (one for one in (*load(), DARK) if one.id == row.id)
    expect = {
        key: text for key, text in (condition.expect | dict(row.expect)).items() if text != "pass"
    }
    return msgspec.structs.replace(
        condition, expect=expect, verdict=row.verdict or condition.verdict, observations=None
    )


def measure(row: Row, authorities: Authorities) -> list[str]:
    """Run one session on a plant of its own; say what disagrees with the row."""
    condition = condition_of(row)
    with plant_under(condition, authorities) as plant, seat() as windows:
        reports = plant.folder / "reports"
        reports.mkdir()
        site = plant.folder / "site.toml"
        text = as_toml(site_file(condition)).replace("{fingerprint}", fingerprint(plant))
        site.write_text(text)
        command = windows.command(
            "-m", "pytest", "-W", "error", "-p", "no:cacheprovider", "-p", "no:hypothesispytest",
            "--site", on_windows(site), "--reports", on_windows(reports),
            "-n", str(row.processes),
        )  # fmt: skip
        env = windows.environment(row.language, PYTHONPATH=path_for())
        process = begin(plant.inside("laptop", *command), env)
        ended = finish(process, reports)
        plant.check()
        lines = disagreements(condition, ended)
        if "leases" not in condition.without and (plant.folder / "dnsmasq.leases").read_text():
            lines.append("a DHCP lease was taken")
        return [*lines, ended.terminal[-2000:]] if lines else []


@pytest.fixture(scope="module")
def measured(_possible: None) -> dict[str, list[str]]:
    """Measure every row, a few side by side: a session waits more than it works."""
    need_the_lab()
    authorities = Authorities.make()
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        found = pool.map(lambda row: measure(row, authorities), ROWS)
        return {row.id: lines for row, lines in zip(ROWS, found, strict=True)}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_condition(row: Row, measured: dict[str, list[str]]) -> None:
    """A row's outcomes, causes, verdict and exit status are as they must be."""
    assert not measured[row.id], "\n".join(measured[row.id])
