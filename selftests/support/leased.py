"""Who asks for an address in tests of DHCP, by which question, and what is offered."""

from __future__ import annotations

import psutil

from cube_acceptance.evidence import Vantage
from cube_acceptance.probes.net import dhcp_message
from fixtures.simulator.dhcp import Offered

LOOPBACK = next(name for name in psutil.net_if_stats() if name.lower().startswith("lo"))
LOCAL = Vantage(interface=LOOPBACK, address="127.0.0.1", prefix=8, loopback=True)
PLANT = Vantage(interface=LOOPBACK, address="10.20.0.9", prefix=24, mac="02:42:0a:14:00:09")
HARDWARE = bytes.fromhex("02420a140009")
REQUEST = dhcp_message.build_discover(0x01020304, HARDWARE, 0.0)
LISTED = Offered(
    address="10.20.0.50",
    mask="255.255.255.0",
    routers=("10.20.0.1", "10.20.0.2"),
    dns=("10.20.0.3",),
    ntp=("10.20.0.4", "10.20.0.5"),
    lease_s=3600,
    server_id="10.20.0.1",
)
