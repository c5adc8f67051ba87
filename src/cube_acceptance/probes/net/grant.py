"""The right that a measurement lacks: the command that grants it to one run and nothing else."""

from __future__ import annotations

import os
import shlex
import sys

from cube_acceptance.probes.net.dhcp_packet import CLIENT_PORT
from cube_acceptance.probes.net.windows_firewall import running_program


def grant_command(platform: str = sys.platform, executable: str = running_program()) -> str:
    """Return the command that grants the right to ask for an address, on this platform.

    Linux: ``CAP_NET_RAW`` for this one run and for nothing else; it ends with the run, and the
    options of the run go behind it. macOS: the run as root. Windows has no such right, there the
    firewall has to let the replies in.
    """
    if platform.startswith("linux"):
        identity = f"--reuid={os.getuid()} --regid={os.getgid()} --init-groups"
        right = "--inh-caps=+net_raw --ambient-caps=+net_raw"
        return f"sudo setpriv {identity} {right} -- {shlex.quote(executable)} -m pytest"
    if platform == "win32":
        return (
            "New-NetFirewallRule -DisplayName cube-acceptance -Direction Inbound -Protocol UDP"
            f' -LocalPort {CLIENT_PORT} -Program "{executable}" -Action Allow'
        )
    return f"sudo {shlex.quote(executable)} -m pytest"
