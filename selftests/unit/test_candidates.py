"""Who may be a CUBE: who answers to mDNS, who opens a port, and what pages say."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import dns.message
import dns.rrset
import pytest

from cube_acceptance.evidence import Vantage
from cube_acceptance.probes import candidates
from cube_acceptance.probes.net.errors import CannotAskError
from cube_acceptance.probes.net.group_socket import Arrival
from fixtures.simulator.http import Behaviour, PageServer
from fixtures.simulator.mdns import MdnsResponder

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = "127.0.0.1"
VANTAGE = Vantage(interface="lo", address=HERE, prefix=8, mac="", loopback=True)
PAGE = "<html><title>IoT &amp; CUBE</title><p>Software <b>version:</b> 0.131.0</p></html>"


class TestPages:
    """What a page says, whatever serves it."""

    def look(self, server: PageServer, limit_s: float = 5.0) -> candidates.Page | None:
        """Look at a server's page."""
        with server as there:
            return candidates.look(VANTAGE, HERE, there.port, limit_s)

    def test_title_and_version(self) -> None:
        """Both are read; the page is a CUBE's by its words."""
        page = self.look(PageServer(body=PAGE))

        assert page[1:] == ("IoT & CUBE", "0.131.0", True)

    @pytest.mark.parametrize(
        ("behaviour", "familiar"),
        [
            (Behaviour.GOOD, True),
            (Behaviour.REDIRECT_SAME, True),
            (Behaviour.WRONG_PAGE, False),
            (Behaviour.REDIRECT_AWAY, False),
            (Behaviour.REDIRECT_LOOP, False),
            (Behaviour.REDIRECT_SLOWLY, False),
            (Behaviour.ENDLESS_BODY, False),
            (Behaviour.BOMB, False),
        ],
    )
    def test_what_is_a_cubes(self, behaviour: Behaviour, *, familiar: bool) -> None:
        """Redirects are followed on the same host only, and no body is read to its end."""
        page = self.look(PageServer(behaviour))

        assert page.familiar is familiar

    @pytest.mark.parametrize("behaviour", [Behaviour.RESETS, Behaviour.GARBAGE])
    def test_no_page(self, behaviour: Behaviour) -> None:
        """Nobody there, or somebody else."""
        assert self.look(PageServer(behaviour)) is None

    def test_takes_no_longer_than_it_may(self) -> None:
        """A header that comes byte by byte is left alone."""
        assert self.look(PageServer(Behaviour.DRIP), limit_s=0.2) is None

    def test_nothing_of_this_computer_has_a_say(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """No proxy and no password file is asked."""
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")

        assert self.look(PageServer(body=PAGE)) is not None


@pytest.fixture
def responder() -> Iterator[MdnsResponder]:
    """A device on this computer."""
    with MdnsResponder(hostname="cube-4711") as there:
        yield there


class TestMdns:
    """Who answers, and what it is called."""

    def test_who_answers(self, responder: MdnsResponder) -> None:
        """By its address."""
        found = candidates.answering(VANTAGE, HERE, responder.port, window_s=0.3)

        assert found == (HERE,)

    def test_nobody_tells_a_name(self, responder: MdnsResponder) -> None:
        """It stays empty, and so it does where nobody can be asked."""
        away = Vantage(interface="lo", address="", prefix=32, mac="")

        assert candidates.name_of(VANTAGE, HERE, responder.port, window_s=0.3) == ""
        assert candidates.name_of(away, "10.0.0.1", responder.port) == ""

    def test_the_name_of_an_address(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Its first label, of what the host itself says."""
        asked = dns.message.make_query("1.0.0.127.in-addr.arpa", "PTR")
        reply = dns.message.make_response(asked)
        other = dns.rrset.from_text("2.0.0.127.in-addr.arpa.", 10, "IN", "PTR", "x.local.")
        own = dns.rrset.from_text("1.0.0.127.in-addr.arpa.", 10, "IN", "PTR", "Cube-4711.local.")
        reply.answer = [other, own]
        read = candidates._read_name(asked, reply, Arrival(b"", HERE, 5353, 0.1))
        collected = type("Collected", (), {"replies": [read]})()
        monkeypatch.setattr(candidates, "collect", lambda *_: iter(()))
        monkeypatch.setattr(candidates, "alone", lambda _: collected)
        monkeypatch.setattr(candidates, "open_group", lambda *_: io.BytesIO())

        assert candidates.name_of(VANTAGE, HERE, 5353) == "Cube-4711"


class TestSweep:
    """A sweep knocks, gently."""

    def test_who_opens(self) -> None:
        """Twenty knocks a second, each at one port, and nobody is asked twice."""
        pauses: list[float] = []
        with PageServer() as there:
            found = candidates.sweep(VANTAGE, (HERE,), (there.port, 1), pauses.append)

        assert found == (HERE,)
        assert pauses == [1 / 20] * 2

    def test_where_nobody_may_ask(self) -> None:
        """An interface without an address finds nobody."""
        away = Vantage(interface="lo", address="", prefix=32, mac="")

        assert candidates.sweep(away, ("10.0.0.1",), (5555,), lambda _: None) == ()
        with pytest.raises(CannotAskError):
            candidates.answering(away, "10.0.0.1", 5353)
