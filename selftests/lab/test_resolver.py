"""DNS-01 and glibc's resolver agree on which of several DNS servers decides."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from selftests.lab.condition import load
from selftests.lab.session import plant_under

if TYPE_CHECKING:
    from selftests.lab.certificates import Authorities

ROWS = {row.id: row for row in load()}
NAME, ADDRESS = "disco.tapio.one", "11.20.0.10"
OPTION = "dhcp-option=6,"
PATIENCE = "options timeout:1"
"""How long the resolver waits for a server that is silent; of itself it waits five seconds."""


@pytest.mark.parametrize(
    "row",
    [
        "dns-first-denies",
        pytest.param("dns-first-unbound-denies", marks=pytest.mark.quick),
        "dns-first-knows-six-only",
        "dns-first-filters-to-zero",
        "dns-first-lies",
        "dns-first-complains",
        "dns-second-denies",
        pytest.param("dns-first-bind-refuses", marks=pytest.mark.quick),
        "dns-first-servfail",
        "dns-first-server-dead",
        "dns-first-server-refuses",
        "dns-first-server-silent",
        "dns-first-cut-and-tcp-closed",
    ],
)
def test_the_resolver_finds_the_cloud_where_the_row_passes(
    authorities: Authorities, row: str
) -> None:
    """A device that asks the same servers in the same order fares as DNS-01 says."""
    condition = ROWS[row]
    (option,) = (line for line in condition.dnsmasq.add if line.startswith(OPTION))
    servers = option.removeprefix(OPTION).split(",")
    with plant_under(condition, authorities) as plant:
        asking = plant.folder / "resolv.conf"
        lines = [PATIENCE, *(f"nameserver {server}" for server in servers)]
        asking.write_text("\n".join(lines) + "\n")
        done = subprocess.run(
            plant.inside(
                "laptop",
                *("unshare", "-m", "--propagation", "private", "sh", "-c"),
                f"mount --bind {asking} /etc/resolv.conf && exec getent ahostsv4 {NAME}",
            ),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    found = ADDRESS in done.stdout.split()
    assert found == ("DNS-01" not in condition.expect), done.stdout + done.stderr
