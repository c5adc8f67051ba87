"""Pages as appliances and small web servers write them: measured over a socket, then judged.

What firewalls, filters, portals and embedded servers say stands in ``appliances.toml``, after their
makers' documentation and public reports, in short. Here each of them stands at the CUBE's address.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from cube_acceptance.evidence import PageObserved
from cube_acceptance.probes.http import PageProbe
from cube_acceptance.probes.net.vantage import find_vantage
from fixtures.simulator.http import read_request
from fixtures.simulator.tcp import TcpServer
from selftests.support import cases, healthy

if TYPE_CHECKING:
    import socket

VANTAGE = find_vantage("127.0.0.1")
TABLE = tomllib.loads(Path(__file__).with_name("appliances.toml").read_text(encoding="utf-8"))
CASE = "DIAG-01[line-1]"


class Appliance(TcpServer):
    """Sends its answers one after another, the last one again and again."""

    def __init__(self, answers: list[str]) -> None:
        """Answer these; ``{own}`` is the place of this server."""
        super().__init__()
        self.answers = list(answers)

    def serve(self, connection: socket.socket) -> None:
        """Read a request, give the next answer, close."""
        read_request(connection)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        text = answer.replace("{own}", f"{self.address}:{self.port}")
        head, _, body = text.partition("\n\n")
        connection.sendall(head.replace("\n", "\r\n").encode() + b"\r\n\r\n" + body.encode())


@pytest.mark.parametrize("row", TABLE["page"], ids=lambda row: row["id"])
def test_a_page_at_the_address_of_the_cube(row: dict[str, Any]) -> None:
    """What stands in the page's place is judged for what it is, and its sentence names it."""
    with Appliance(row["answers"]) as server:
        seen = PageProbe(
            vantage=VANTAGE,
            address=server.address,
            port=server.port,
            limit_s=3.0,
            second_try_s=0.0,
            own_names=("cube-4711",),
        ).run()
    assert isinstance(seen, PageObserved)

    here = msgspec.structs.replace(seen, address=healthy.CUBE, port=80)
    judged = cases.judge_all(healthy.saved({f"page/{healthy.CUBE}:80": here}))[CASE]

    assert (judged.text or judged.outcome) == row.get("expect", "pass")
    assert [note.code for note in judged.notes] == row.get("notes", [])
