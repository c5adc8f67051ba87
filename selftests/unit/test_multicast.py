"""What a host says again is not read again, and what it says to another question is."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import dns.message
import dns.name
import dns.rdatatype
import dns.rrset

from cube_acceptance.probes.mdns import read_mdns
from cube_acceptance.probes.net import multicast
from cube_acceptance.probes.net.dns_message import Repeated, read_message
from cube_acceptance.probes.net.group_socket import Arrival
from cube_acceptance.probes.net.log import Log
from cube_acceptance.probes.net.measuring import Stopwatch
from cube_acceptance.probes.net.multicast import Asking, Collected

if TYPE_CHECKING:
    import pytest

CUBE = "10.20.0.50"
NAME = dns.name.from_text("cube-4711.local")
ASKING = Asking(group="224.0.0.251", port=5353, tries=3, window_s=1.0, host=CUBE)


def arrival(number: int, at_s: float, *, answer: str = "10.20.0.50") -> Arrival:
    """A reply that does not repeat its question, as RFC 6762 section 6 has it."""
    reply = dns.message.QueryMessage(number)
    reply.flags = dns.flags.QR | dns.flags.AA
    reply.answer.append(dns.rrset.from_text(NAME, 10, "IN", "A", answer))
    return Arrival(reply.to_wire(), CUBE, 5353, at_s)


def test_every_try_has_an_id_of_its_own() -> None:
    """A reply must show which try it answers."""
    asking = Repeated(NAME, dns.rdatatype.A)
    tries = [asking.again() for _ in range(3)]
    assert [read_message(packet).id for _, packet in tries] == [query.id for query, _ in tries]
    assert len({packet[2:] for _, packet in tries}) == 1


def test_an_id_that_is_taken_is_not_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Over one socket no two questions have the same."""
    drawn = [6, 6, 7]
    monkeypatch.setattr(secrets, "randbelow", lambda _: drawn.pop(0))
    asking = Repeated(NAME, dns.rdatatype.A)  # which draws one itself
    query, packet = asking.again({7})

    assert query.id == 8
    assert packet[:2] == b"\0\x08"


def test_what_is_said_again_is_read_once_and_counted_each_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A thousand CUBEs say the same three times; each try still has its answer."""
    read: list[bytes] = []

    def reading(packet: bytes) -> dns.message.Message:
        read.append(packet)
        return read_message(packet)

    monkeypatch.setattr(multicast, "read_message", reading)
    found = Collected(ASKING, read_mdns, Log(Stopwatch()))
    asking, other = Repeated(NAME, dns.rdatatype.A), Repeated(NAME, dns.rdatatype.PTR)
    for at_s, each in enumerate((asking, asking, other)):
        query, packet = each.again()
        found.begin(query, packet)
        found.take(arrival(query.id, float(at_s)))
    assert [attempt.result for attempt in found.log.tries] == ["answer"] * 3
    assert found.log.tries[1].received == arrival(list(found.sent)[1], 0.0).packet
    assert [len(read), len(found.replies)] == [2, 1]  # the last one answers another question


def test_what_is_said_again_under_a_foreign_id_is_ignored() -> None:
    """It was read before, and answers nobody now."""
    found = Collected(ASKING, read_mdns, Log(Stopwatch()))
    query, packet = Repeated(NAME, dns.rdatatype.A).again()
    found.begin(query, packet)
    found.take(arrival(query.id, 0.0))
    found.take(arrival(query.id ^ 1, 1.0))
    assert [ignored.reason for ignored in found.log.ignored] == ["another id"]


def test_only_so_many_replies_are_remembered() -> None:
    """A host that says something else each time must not fill the memory."""
    found = Collected(ASKING, read_mdns, Log(Stopwatch()))
    query, packet = Repeated(NAME, dns.rdatatype.A).again()
    found.begin(query, packet)
    for number in range(multicast.OWN_LIMIT + 1):
        found.take(arrival(query.id, 0.0, answer=f"10.20.0.{number}"))
    assert len(found.known) == multicast.OWN_LIMIT
