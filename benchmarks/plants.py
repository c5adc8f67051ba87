"""The networks that everything is measured in: one CUBE healthy and dark, and fleets of CUBEs."""

from __future__ import annotations

import json
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import fleet
from cube_acceptance.catalogue import load
from cube_acceptance.expected import owed
from cube_acceptance.site import load_site
from selftests.lab.condition import Condition
from selftests.lab.plant import GATEWAY, LAPTOP, Plant, run
from selftests.lab.session import as_toml, plant_under, site_file

if TYPE_CHECKING:
    from collections.abc import Iterator

    from selftests.lab.certificates import Authorities

HEALTHY = Condition(id="healthy", field="Nothing is wrong.")
DARK = Condition(
    id="dark",
    field="The switch forwards no IP at all; neighbours still find each other.",
    firewall=("switch forward ether type ip drop",),
    verdict="rejected",
)

SERVERS = Condition(
    id="dark-servers",
    field="The same, and the site file has servers in case DHCP names none.",
    firewall=DARK.firewall,
    site={"dns": {"servers": [GATEWAY]}, "ntp": {"servers": [GATEWAY]}},
    verdict="rejected",
)
MAC = "02:00:00:00:00:50"
FULL = Condition(
    id="full",
    field="Nothing is wrong, and the site file lets everything be measured that it can.",
    ip=(f"cube link set eth0 address {MAC}",),
    sshd=(),
    site={
        "cube": {
            "mac": MAC,
            "ssh": "enabled",
            "ssh_fingerprint": "{fingerprint}",
            "login": {"user": "service", "key": "cube_key"},
        }
    },
)
"""DHCP is asked in the CUBE's name as well, and the clouds are reached through its shell."""

FIRST = "10.20.4.1"
"""The first CUBE of a fleet; the plant's own computers are in 10.20.0.0/24."""
WIDE = "10.20.0.0/16"


def cases_of(condition: Condition) -> int:
    """Count the cases of a session under a condition."""
    text = as_toml(site_file(condition)).replace("ca_file", "# ca_file")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "site.toml")
        path.write_text(text)
        return len(owed(load(), load_site(path).site))


def of_many(count: int, dark: int = 0) -> Condition:
    """Return the condition of a fleet whose last ``dark`` CUBEs answer nothing at all."""
    places = fleet.addresses(FIRST, count)
    silent = ", ".join(places[count - dark :])
    cubes = [
        {
            "name": fleet.name_of(number),
            "address": address,
            "version": "0.131.0",
            "hostname": fleet.name_of(number),
            "ssh": "disabled",
        }
        for number, address in enumerate(places)
    ]
    return Condition(
        id=f"fleet-{count}-{dark}",
        field=f"{count} CUBEs on one link, {dark} of them dark.",
        without=("pages", "avahi", "resolved"),
        ip=(
            f"laptop addr add {LAPTOP}/16 dev eth0",
            f"laptop addr del {LAPTOP}/24 dev eth0",
            f"laptop route replace default via {GATEWAY}",
        ),
        # What leaves is dropped, so that the dark ones do not even refuse a connection.
        firewall=(f"cube output ip saddr {{ {silent} }} drop",) if dark else (),
        site={"vantage": {"network": WIDE}, "cube": cubes},
        verdict="rejected" if dark else "accepted",
    )


@contextmanager
def built(condition: Condition, authorities: Authorities) -> Iterator[Plant]:
    """Build a plant; where the condition has a fleet, its CUBEs are there and answer."""
    with plant_under(condition, authorities) as plant:
        count = len(condition.site.get("cube", ()))
        if count:
            _populate(plant, count)
        yield plant


def _populate(plant: Plant, count: int) -> None:
    places = fleet.addresses(FIRST, count)
    plant.ip("cube", *(f"addr add {place}/16 dev eth0" for place in places))
    # The kernel keeps at most 1,024 neighbours for all namespaces together, unless they are
    # entered by hand; that limit is the computer's and not what is measured here.
    shown = run(["ip", "-n", plant.namespace("cube"), "-j", "link", "show", "dev", "eth0"])
    hardware = json.loads(shown)[0]["address"]
    plant.ip(
        "laptop",
        *(f"neigh replace {place} lladdr {hardware} dev eth0 nud permanent" for place in places),
    )
    plant.start([fleet.responders("cube", FIRST, count), fleet.pages("cube", plant.folder)])
