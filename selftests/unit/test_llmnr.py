"""The LLMNR probe against a simulated device that behaves well and in every bad way we know of."""

from __future__ import annotations

import contextlib
import errno
import socket
from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec
import pytest

from cube_acceptance.evidence import CannotMeasure, LlmnrObserved, Observation, Vantage
from cube_acceptance.probes import llmnr as probed
from cube_acceptance.probes.llmnr import LlmnrProbe, connect
from cube_acceptance.probes.net.errors import ReachError
from cube_acceptance.probes.net.group_socket import GroupSockets
from fixtures.simulator.llmnr import Behaviour, LlmnrResponder
from selftests.support.held import outcomes

if TYPE_CHECKING:
    from typing import Any

    from fixtures.simulator.llmnr import Request
    from fixtures.simulator.mdns import Reply
    from selftests.support.fakes import Account

LOOPBACK = Vantage(interface="lo", address="127.0.0.1", prefix=8, loopback=True)
CUBE = "127.0.0.1"
OTHER = "127.0.0.2"
NAME = "cube-4711"
SHORT = {"window_s": 0.3, "tcp_wait_s": 0.4}
"""For what waits until its limit."""


def ask(device: LlmnrResponder, **changes: Any) -> LlmnrObserved:  # noqa: ANN401 - any field of the probe
    """Ask the link of a simulated device."""
    fields = {"hostname": NAME, "window_s": 0.45} | changes
    probe = LlmnrProbe(vantage=LOOPBACK, cube="line-1", address=CUBE, port=device.port, **fields)
    observed = probe.run()
    assert isinstance(observed, LlmnrObserved)
    return observed


def observe(behaviour: Behaviour, **changes: Any) -> LlmnrObserved:  # noqa: ANN401 - likewise
    """Ask a device that behaves in this way."""
    with LlmnrResponder(behaviour) as device:
        return ask(device, **changes)


def claims(observed: LlmnrObserved) -> set[tuple[str, str, str]]:
    """Return who says which address of which name."""
    return {
        (reply.source, owner, address)
        for reply in observed.replies
        for owner, address in reply.names
    }


def results(observed: LlmnrObserved) -> list[str]:
    """Return the results of all tries."""
    return [attempt.result for attempt in observed.tries]


class TestAnswer:
    """What the CUBE says comes home as it was said."""

    def test_has_a_key_of_its_own(self) -> None:
        """Cases look the observation up by the CUBE's name in the site file."""
        probe = LlmnrProbe(vantage=LOOPBACK, cube="line-1", address=CUBE, hostname=NAME)

        assert probe.key == "llmnr/line-1"

    def test_gives_the_address(self) -> None:
        """This is what a CUBE in order looks like."""
        observed = observe(Behaviour.GOOD)

        assert claims(observed) == {(CUBE, NAME, CUBE)}
        assert observed.trouble is None
        assert results(observed) == ["answer"] * 3
        (reply,) = observed.replies
        assert (reply.conflict, reply.tentative, reply.truncated) == (False, False, False)

    def test_asks_as_the_rfc_says(self) -> None:
        """One question, no flag and no EDNS (RFC 4795 section 2.1.1)."""
        with LlmnrResponder() as device:
            ask(device)

        assert len(device.requests) == 3
        for request in device.requests:
            assert request.query.flags == 0
            assert request.query.edns == -1

    def test_travels_through_json(self) -> None:
        """A replay judges the same observation."""
        observed = observe(Behaviour.TRUNCATED)

        assert msgspec.json.decode(msgspec.json.encode(observed), type=Observation) == observed

    def test_takes_the_devices_spelling(self) -> None:
        """Names are equal whatever their case; cases compare the lower one."""
        assert claims(observe(Behaviour.CASE)) == {(CUBE, NAME, CUBE)}

    def test_asks_in_the_site_files_spelling(self) -> None:
        """A host name written with capitals is no other name."""
        assert claims(observe(Behaviour.GOOD, hostname="CUBE-4711")) == {(CUBE, NAME, CUBE)}

    def test_asks_again_after_a_loss(self) -> None:
        """One lost packet is not a closed firewall."""
        observed = observe(Behaviour.LOSES_FIRST, window_s=0.9)

        assert claims(observed) == {(CUBE, NAME, CUBE)}
        assert results(observed) == ["silence", "answer", "answer"]

    def test_waits_for_the_random_delay(self) -> None:
        """A responder may wait before it answers (RFC 4795 section 2.7)."""
        assert claims(observe(Behaviour.SLOW)) == {(CUBE, NAME, CUBE)}

    def test_keeps_an_answer_without_an_address(self) -> None:
        """The name exists and has no IPv4 address: an answer, for the case to judge."""
        observed = observe(Behaviour.EMPTY)

        assert len(observed.replies) == 1
        assert claims(observed) == set()
        assert observed.trouble is None

    def test_takes_an_alias(self) -> None:
        """An alias gives the address of the name that it stands for."""
        assert (CUBE, NAME, CUBE) in claims(observe(Behaviour.ALIAS))

    def test_takes_what_nobody_asked_for(self) -> None:
        """A response may say what its sender could take (RFC 6891)."""
        assert claims(observe(Behaviour.EDNS)) == {(CUBE, NAME, CUBE)}


class TestOtherHosts:
    """Everybody on the link may answer; who did is what the case needs."""

    def test_keeps_a_wrong_address(self) -> None:
        """A device may still give the address it had before."""
        assert claims(observe(Behaviour.OTHER_ADDRESS)) == {(CUBE, NAME, OTHER)}

    def test_keeps_another_hosts_claim(self) -> None:
        """The CUBE's silence stays visible behind another device's answer."""
        observed = observe(Behaviour.OTHER_HOST, **SHORT)

        assert claims(observed) == {(OTHER, NAME, OTHER)}
        assert observed.trouble.kind == "no-answer"

    @pytest.mark.parametrize(
        "behaviour",
        [
            Behaviour.TWO_HOSTS,
            Behaviour.LATE_CLAIM,
            Behaviour.LATER_CLAIM,
            Behaviour.SECOND_CLAIM,
            Behaviour.ALIAS_CLAIM,
        ],
    )
    def test_hears_a_second_claim(self, behaviour: Behaviour) -> None:
        """The CUBE's own answer must not end the listening before a poisoner is heard."""
        observed = observe(behaviour, window_s=1.2)

        assert claims(observed) >= {(CUBE, NAME, CUBE), (OTHER, NAME, OTHER)}

    @pytest.mark.parametrize("behaviour", [Behaviour.SILENT_CLAIM, Behaviour.TRUNCATED_CLAIM])
    def test_hears_a_claim_without_an_address(self, behaviour: Behaviour) -> None:
        """Only who has the name answers (RFC 4795 section 2.3), with an address or without."""
        observed = observe(behaviour)

        assert [(reply.source, reply.names) for reply in observed.replies] == [
            (CUBE, ((NAME, CUBE),)),
            (OTHER, ()),
        ]


class TestMarks:
    """The bits that LLMNR has where DNS has others (RFC 4795 section 2.1.1)."""

    def test_keeps_a_conflict(self) -> None:
        """A device that knows its name not to be unique says so."""
        (reply,) = observe(Behaviour.CONFLICT).replies

        assert reply.conflict

    def test_goes_on_asking_while_tentative(self) -> None:
        """A tentative answer is to be discarded, so the CUBE has given none."""
        observed = observe(Behaviour.TENTATIVE, **SHORT)

        assert all(reply.tentative for reply in observed.replies)
        assert results(observed) == ["answer"] * 3
        assert observed.trouble.kind == "no-answer"
        assert "only tentative replies" in observed.trouble.detail

    def test_takes_the_firm_answer_that_follows(self) -> None:
        """A CUBE that has just started makes sure of its name first."""
        observed = observe(Behaviour.TENTATIVE_FIRST, window_s=0.9)

        assert [reply.tentative for reply in observed.replies] == [True, False]
        assert observed.trouble is None


class TestForeign:
    """What is not a response to our query does not count and is kept."""

    @pytest.mark.parametrize(
        ("behaviour", "reason"),
        [
            (Behaviour.WRONG_ID, "another id"),
            (Behaviour.OTHER_QUESTION, "another question"),
            (Behaviour.NO_QUESTION, "another question"),
            (Behaviour.ERROR, "code SERVFAIL"),
            (Behaviour.QUERY_BACK, "a query, not a reply"),
            (Behaviour.DRIP, "another id"),
        ],
    )
    def test_ignores_it_with_a_reason(self, behaviour: Behaviour, reason: str) -> None:
        """The sender of a query must discard such responses (RFC 4795 section 2.1.1)."""
        observed = observe(behaviour, **SHORT)

        assert {ignored.reason for ignored in observed.ignored} == {reason}
        assert observed.replies == ()
        assert observed.trouble.kind == "no-answer"

    def test_ignores_another_source_port(self) -> None:
        """A response comes from port 5355 (RFC 4795 section 2)."""
        with LlmnrResponder(Behaviour.WRONG_PORT) as device:
            observed = ask(device, **SHORT)

        assert {ignored.reason for ignored in observed.ignored} == {f"not from port {device.port}"}

    def test_says_malformed(self) -> None:
        """Another program on the CUBE's port is a cause of its own."""
        observed = observe(Behaviour.GARBAGE, **SHORT)

        assert observed.trouble.kind == "malformed"

    def test_answered_at_another_interface(self, account: Account) -> None:
        """Who is on the link by two cards may be answered at the other one."""
        account.told = "", "dropped", "wlan0"
        with LlmnrResponder(Behaviour.SILENT) as responder:
            port = responder.port
            seen = LlmnrProbe(
                vantage=LOOPBACK, cube="x", address=CUBE, hostname="y", port=port, **SHORT
            ).run()

        assert isinstance(seen, CannotMeasure)
        assert (seen.cause, "wlan0" in seen.detail) == ("other-route", True)

    def test_says_no_answer(self) -> None:
        """Silence is an observation with a cause."""
        observed = observe(Behaviour.SILENT, **SHORT)

        assert observed.trouble.kind == "no-answer"
        assert results(observed) == ["silence"] * 3


class TestTruncation:
    """A cut response is asked for again over TCP, at the CUBE itself (RFC 4795 section 2.4)."""

    def test_takes_the_answer_over_tcp(self) -> None:
        """This is the only way to ask one host directly."""
        observed = observe(Behaviour.TRUNCATED)

        assert [reply.over for reply in observed.replies] == ["udp", "tcp"]
        assert claims(observed) == {(CUBE, NAME, CUBE)}
        assert results(observed) == ["answer"] * 4
        assert observed.trouble is None

    @pytest.mark.parametrize(
        ("behaviour", "names", "mark"),
        [
            (Behaviour.TRUNCATED_OTHER_ADDRESS, ((NAME, OTHER),), ""),
            (Behaviour.TRUNCATED_TCP_TENTATIVE, ((NAME, CUBE),), "tentative"),
            (Behaviour.TRUNCATED_TCP_TRUNCATED, (), "truncated"),
        ],
    )
    def test_keeps_what_tcp_says(
        self, behaviour: Behaviour, names: tuple[tuple[str, str], ...], mark: str
    ) -> None:
        """Over TCP a response can be as wrong as over UDP, for the case to judge."""
        reply = observe(behaviour).replies[-1]

        assert (reply.over, reply.names) == ("tcp", names)
        assert [reply.tentative, reply.truncated] == [mark == "tentative", mark == "truncated"]

    @pytest.mark.parametrize(
        ("behaviour", "kind"),
        [
            (Behaviour.TRUNCATED_TCP_CLOSED, "refused"),
            (Behaviour.TRUNCATED_TCP_SILENT, "no-answer"),
            (Behaviour.TRUNCATED_TCP_GARBAGE, "malformed"),
            (Behaviour.TRUNCATED_TCP_WRONG_ID, "malformed"),
        ],
    )
    def test_says_why_tcp_gave_nothing(self, behaviour: Behaviour, kind: str) -> None:
        """A firewall that was opened for UDP only is named as such."""
        observed = observe(behaviour, tcp_wait_s=0.4)

        assert (observed.trouble.kind, observed.trouble.phase) == (kind, "tcp")
        assert results(observed) == [*["answer"] * 3, {"no-answer": "silence"}.get(kind, kind)]

    def test_keeps_the_address_that_came_over_udp(self) -> None:
        """What was cut off need not have been the address."""
        observed = observe(Behaviour.TRUNCATED_WITH_ADDRESS, tcp_wait_s=0.4)

        assert claims(observed) == {(CUBE, NAME, CUBE)}
        assert observed.trouble is None
        assert results(observed) == [*["answer"] * 3, "refused"]

    def test_does_not_ask_another_host(self) -> None:
        """Only the CUBE is ours to connect to."""

        class Elsewhere(LlmnrResponder):
            def respond(self, request: Request) -> list[Reply]:
                return [replace(reply, source=OTHER) for reply in super().respond(request)]

        with Elsewhere(Behaviour.TRUNCATED) as device:
            observed = ask(device, **SHORT)

        assert [reply.source for reply in observed.replies] == [OTHER]
        assert not any(request.tcp for request in device.requests)

    def test_cannot_leave_the_link(self) -> None:
        """Packets over TCP must have a TTL of 1 (RFC 4795 section 2.5)."""
        with (
            socket.create_server((CUBE, 0)) as listening,
            connect(LOOPBACK, CUBE, listening.getsockname()[1], 1.0) as sock,
        ):
            assert sock.getsockopt(socket.IPPROTO_IP, socket.IP_TTL) == 1
            assert sock.getsockname()[0] == CUBE

    def test_gives_the_socket_back_after_a_refusal(self) -> None:
        """A socket that leaks would end the test run."""
        with socket.create_server((CUBE, 0)) as listening:
            port = listening.getsockname()[1]

        with pytest.raises(ReachError) as caught:
            connect(LOOPBACK, CUBE, port, 0.2)

        assert caught.value.trouble.kind == "refused"


class TestUnasked:
    """A question that could not be asked is neither silence nor an answer."""

    def test_needs_a_host_name(self) -> None:
        """LLMNR has no way to list names (RFC 4795 section 2)."""
        observed = LlmnrProbe(vantage=LOOPBACK, cube="x", address=CUBE, hostname="").run()

        assert isinstance(observed, CannotMeasure)
        assert observed.cause == "not-configured"

    def test_says_that_the_cube_is_off_link(self) -> None:
        """Behind a router, nobody hears the query."""
        probe = LlmnrProbe(vantage=LOOPBACK, cube="x", address="10.20.0.50", hostname=NAME)
        observed = probe.run()

        assert isinstance(observed, CannotMeasure)
        assert observed.cause == "off-link"

    def test_says_that_the_interface_is_gone(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """An adapter that is pulled between UDP and TCP is not the CUBE's fault."""

        def gone(*_: object) -> None:
            raise OSError(errno.ENODEV, "No such device")

        monkeypatch.setattr(probed, "bind_interface", gone)
        with LlmnrResponder(Behaviour.TRUNCATED) as device:
            probe = LlmnrProbe(
                vantage=LOOPBACK, cube="x", address=CUBE, hostname=NAME, port=device.port, **SHORT
            )
            observed = probe.run()

        assert isinstance(observed, CannotMeasure)
        assert observed.cause == "off-link"


@pytest.mark.parametrize("behaviour", [Behaviour.GOOD, Behaviour.TRUNCATED])
def test_several_over_one_socket(behaviour: Behaviour) -> None:
    """As alone: each claim goes to who asked, and what goes over TCP keeps no other waiting."""
    sockets = GroupSockets()
    with LlmnrResponder(behaviour) as device, contextlib.closing(sockets):
        probes = [
            LlmnrProbe(
                vantage=LOOPBACK,
                cube=address,
                address=address,
                hostname=NAME,
                port=device.port,
                window_s=0.45,
                sockets=sockets,
            )
            for address in (CUBE, OTHER)
        ]
        seen = outcomes([(probe.key, probe.steps()) for probe in probes], sockets)

    first, second = (seen[probe.key] for probe in probes)
    assert isinstance(first, LlmnrObserved)
    assert isinstance(second, LlmnrObserved)
    assert claims(first) == {(CUBE, NAME, CUBE)}
    assert first.trouble is None
    assert results(first)[:3] == ["answer"] * 3
    assert {reply.source for reply in second.replies} == {CUBE}
    assert second.trouble
    assert results(second) == ["silence"] * 3
    assert first.ignored == second.ignored == ()
