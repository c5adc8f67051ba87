"""Tests of the probe that asks which router this computer takes."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from cube_acceptance.evidence import CannotMeasure, Vantage, WayObserved
from cube_acceptance.probes import way
from cube_acceptance.probes.net.routing import Flow, Route
from cube_acceptance.probes.way import WayProbe

if TYPE_CHECKING:
    import pytest

LOOPBACK = Vantage(interface="lo", address="127.0.0.1", prefix=8, loopback=True)
PROBE = WayProbe(vantage=LOOPBACK, target="127.0.0.9", over="tcp", port=443)


def test_on_this_computer() -> None:
    """The system itself says that nobody stands between."""
    seen = PROBE.run()

    assert isinstance(seen, WayObserved)
    assert not seen.gateway
    assert PROBE.key == "way/tcp/127.0.0.9:443"


def test_asks_for_the_very_packets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rules may choose the way by protocol, port and source address."""
    asked = []

    def route_to(*question: object) -> Route:
        asked.append(question)
        return Route(source="10.20.0.20", interface="eth0", gateway="10.20.0.1")

    monkeypatch.setattr(way, "source_for", lambda *_question: "10.20.0.20")
    monkeypatch.setattr(way, "whole_route", route_to)
    seen = PROBE.run()

    assert isinstance(seen, WayObserved)
    assert (seen.target, seen.over, seen.port, seen.gateway) == (
        "127.0.0.9",
        "tcp",
        443,
        "10.20.0.1",
    )
    assert asked == [("127.0.0.9", Flow(protocol=socket.IPPROTO_TCP, port=443), "10.20.0.20")]


def test_a_target_that_is_its_own_router(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rules by source may send everything to the router, what is meant for it as well."""
    route = Route(source="10.20.0.20", interface="eth0", gateway="127.0.0.9")
    monkeypatch.setattr(way, "source_for", lambda *_question: "10.20.0.20")
    monkeypatch.setattr(way, "whole_route", lambda *_question: route)
    seen = PROBE.run()

    assert isinstance(seen, WayObserved)
    assert not seen.gateway


def test_a_way_that_has_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A route may vanish between two questions."""
    monkeypatch.setattr(way, "source_for", lambda *_question: "10.20.0.20")
    monkeypatch.setattr(way, "whole_route", lambda *_question: None)
    seen = PROBE.run()

    assert isinstance(seen, CannotMeasure)
    assert seen.cause == "other-route"
