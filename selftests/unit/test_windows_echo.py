"""Unit tests of Windows' own echo service: what comes of a request, by number, in no language."""

from __future__ import annotations

import pytest

from cube_acceptance.probes.net import windows_echo
from cube_acceptance.probes.net.errors import CannotAskError
from cube_acceptance.probes.net.windows_echo import WindowsWire
from selftests.support.windows import EchoService, Library, no_library

ADDRESS, ROUTER, OWN = "192.0.2.50", "192.0.2.1", "192.0.2.20"


def wire_over(service: EchoService) -> WindowsWire:
    """Open the service."""
    return WindowsWire(service, OWN, ADDRESS, 2.0, error=service.last_error)


class TestWindowsWire:
    """`WindowsWire` sends by IcmpSendEcho2Ex."""

    @pytest.mark.parametrize("begins", [997, 0], ids=["overlapped", "at-once"])
    def test_reply(self, begins: int) -> None:
        """A reply from the address asked, with our payload."""
        service = EchoService((0, ADDRESS, None, 12), begins=begins)
        wire = wire_over(service)

        assert wire.send(3) == 0.0
        arrival = wire.receive(0.0)

        assert arrival
        assert (arrival.sequence, arrival.result) == (3, "reply")
        assert (arrival.source, arrival.rtt_s) == (ADDRESS, 0.012)
        assert arrival.raw == wire.request(3)
        assert (wire.method, wire.identifier) == ("service", 0)

    def test_what_is_sent(self) -> None:
        """The vantage's address sends, in network byte order, with the time limit in ms."""
        service = EchoService((0, ADDRESS, None, 0))
        wire = wire_over(service)
        wire.send(1)

        ((source, target, payload, limit_ms),) = service.sent

        assert (source, target) == (
            int.from_bytes(bytes((192, 0, 2, 20)), "little"),
            int.from_bytes(bytes((192, 0, 2, 50)), "little"),
        )
        assert (payload, limit_ms) == (wire.request(1), 2000)

    def test_below_a_millisecond(self) -> None:
        """The service counts whole ones; nothing takes no time."""
        wire = wire_over(EchoService((0, ADDRESS, None, 0)))
        wire.send(1)
        arrival = wire.receive(0.0)

        assert arrival
        assert arrival.rtt_s == 0.001

    def test_somebody_else(self) -> None:
        """A reply of another address is that one's."""
        wire = wire_over(EchoService((0, ROUTER, None, 1)))
        wire.send(1)
        arrival = wire.receive(0.0)

        assert arrival
        assert (arrival.result, arrival.source) == ("wrong-host", ROUTER)

    @pytest.mark.parametrize("payload", [b"something else", b""])
    def test_another_payload(self, payload: bytes) -> None:
        """A reply that does not repeat what we sent is none of ours."""
        wire = wire_over(EchoService((0, ADDRESS, payload, 1)))
        wire.send(1)
        arrival = wire.receive(0.0)

        assert arrival
        assert (arrival.sequence, arrival.detail) == (None, "a reply with another payload")

    @pytest.mark.parametrize(
        ("status", "result"),
        [
            (11002, "unreachable"),
            (11003, "unreachable"),
            (11004, "prohibited"),
            (11005, "prohibited"),
            (11013, "unreachable"),
        ],
    )
    def test_error(self, status: int, result: str) -> None:
        """What the network says is known by its number."""
        wire = wire_over(EchoService((status, ROUTER, b"", 0)))
        wire.send(2)
        arrival = wire.receive(0.0)

        assert arrival
        assert (arrival.sequence, arrival.result, arrival.source) == (2, result, ROUTER)
        assert f"ICMP status {status}" in arrival.detail

    def test_silence(self) -> None:
        """Its time is over: silence, which is not in the way of a later answer."""
        wire = wire_over(EchoService((11010, "0.0.0.0", b"", 0)))
        wire.send(1)
        arrival = wire.receive(0.0)

        assert arrival
        assert (arrival.sequence, arrival.result) == (1, "silence")

    def test_nothing_yet(self) -> None:
        """While one is under way there is nothing; with none under way one waits."""
        wire = wire_over(EchoService((-1, ADDRESS, b"", 0), (0, ADDRESS, None, 5)))
        wire.send(1)
        assert wire.receive(0.0) is None
        wire.send(2)
        arrival = wire.receive(0.0)

        assert arrival
        assert arrival.sequence == 2
        assert wire_over(EchoService()).receive(0.0) is None

    @pytest.mark.parametrize("status", [11050, 11018, 5])
    def test_not_let_go(self, status: int) -> None:
        """A general failure is this computer's own, its firewall's for instance: no silence."""
        wire = wire_over(EchoService((status, "0.0.0.0", b"", 0)))
        wire.send(1)

        with pytest.raises(CannotAskError, match=f"status {status}") as caught:
            wire.receive(0.0)

        assert caught.value.cause == "not-permitted"

    def test_not_taken_over(self) -> None:
        """What the service refuses at once has no event and was never sent."""
        service = EchoService(begins=1231)
        wire = wire_over(service)

        with pytest.raises(CannotAskError, match="status 1231"):
            wire.send(1)

        assert not service.open

    def test_close(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Room that the service may still write to is never given back."""
        kept: list[object] = []
        monkeypatch.setattr(windows_echo, "_NEVER_ENDED", kept)
        service = EchoService((-1, ADDRESS, b"", 0), (0, ADDRESS, None, 5))
        wire = wire_over(service)
        wire.send(1)
        wire.send(2)
        wire.close()

        assert service.closed
        assert len(kept) == 1

    @pytest.mark.parametrize("handle", [None, 2**64 - 1])
    def test_no_service(self, handle: int | None) -> None:
        """A handle that is none is an error of the system's."""
        service = EchoService()
        service.handle = handle

        with pytest.raises(OSError, match="IcmpCreateFile"):
            wire_over(service)

    def test_no_library(self) -> None:
        """Without the library, or the function, there is no service."""
        with pytest.raises(OSError, match="no iphlpapi"):
            WindowsWire(no_library, OWN, ADDRESS, 2.0)
        with pytest.raises(OSError, match="no IcmpSendEcho2Ex"):
            WindowsWire(lambda _: Library(), OWN, ADDRESS, 2.0)
