"""The mDNS probe against a simulated device that behaves well and in every bad way we know of."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import secrets
import socket
import time
from typing import TYPE_CHECKING, Any

import dns.flags
import dns.message
import dns.name
import dns.rdatatype
import dns.rrset
import msgspec
import pytest

from cube_acceptance.evidence import CannotMeasure, MdnsObserved, NameReply, Observation, Vantage
from cube_acceptance.probes import mdns as probed
from cube_acceptance.probes.mdns import (
    Listing,
    MdnsProbe,
    read_mdns,
    services_in,
)
from cube_acceptance.probes.net import group_socket
from cube_acceptance.probes.net.dns_message import NAME_LIMIT, names_in, question
from cube_acceptance.probes.net.errors import CannotAskError
from cube_acceptance.probes.net.group_socket import (
    OVERTIME_LIMIT,
    Arrival,
    GroupSocket,
    GroupSockets,
    GroupWire,
    open_group,
)
from cube_acceptance.probes.net.log import IGNORED_LIMIT
from cube_acceptance.probes.net.measuring import Stopwatch
from cube_acceptance.probes.net.multicast import (
    CLAIM_LIMIT,
    OTHER_LIMIT,
    OWN_LIMIT,
    Asking,
    collect,
)
from cube_acceptance.probes.net.together import POLL_S, alone
from fixtures.simulator.mdns import Behaviour, MdnsResponder, Reply, Request
from selftests.support.fakes import SilentSocket
from selftests.support.held import outcomes

if TYPE_CHECKING:
    from selftests.support.fakes import Account

LOOPBACK = Vantage(interface="lo", address="127.0.0.1", prefix=8, loopback=True)
CUBE = "127.0.0.1"
OTHER = "127.0.0.2"
HOSTNAME = "cube-4711"
NAME = "cube-4711.local"
SERVICES = ("_http._tcp", "_workstation._tcp")


def ask(device: MdnsResponder, **changes: Any) -> MdnsObserved:  # noqa: ANN401 - any field of the probe
    """Ask the link of a simulated device."""
    fields = {"hostname": HOSTNAME, "window_s": 0.45} | changes
    probe = MdnsProbe(vantage=LOOPBACK, cube="line-1", address=CUBE, port=device.port, **fields)
    observed = probe.run()
    assert isinstance(observed, MdnsObserved)
    return observed


def observe(behaviour: Behaviour, **changes: Any) -> MdnsObserved:  # noqa: ANN401 - likewise
    """Ask a device that behaves in this way."""
    with MdnsResponder(behaviour) as device:
        return ask(device, **changes)


def claims(observed: MdnsObserved) -> set[tuple[str, str]]:
    """Return who says which address of the CUBE's name."""
    return {
        (reply.source, address)
        for reply in observed.replies
        for owner, address in reply.names
        if owner == NAME
    }


def services(observed: MdnsObserved) -> set[str]:
    """Return every service type that came, whoever sent it."""
    return {service for reply in observed.replies for service in reply.services}


class TestAnswer:
    """What the CUBE says comes home as it was said."""

    def test_has_a_key_of_its_own(self) -> None:
        """Cases look the observation up by the CUBE's name in the site file."""
        assert MdnsProbe(vantage=LOOPBACK, cube="line-1", address=CUBE).key == "mdns/line-1"

    def test_gives_name_and_services(self) -> None:
        """This is what a CUBE in order looks like."""
        observed = observe(Behaviour.GOOD)

        assert claims(observed) == {(CUBE, CUBE)}
        assert services(observed) == set(SERVICES)
        assert observed.trouble is None
        assert {attempt.result for attempt in observed.tries} == {"answer"}
        assert not any(reply.conflict or reply.tentative for reply in observed.replies)

    def test_asks_for_services_only_without_a_name(self) -> None:
        """A site that does not know the host name can still be tested."""
        with MdnsResponder() as device:
            observed = ask(device, hostname="")

        assert [request.name for request in device.requests] == [probed.SERVICES]
        assert services(observed) == set(SERVICES)
        assert observed.hostname == ""

    def test_asks_as_a_legacy_client(self) -> None:
        """One plain question a packet, from an ephemeral port (RFC 6762 sections 5.1 and 6.7)."""
        with MdnsResponder() as device:
            ask(device)

        for request in device.requests:
            assert request.sender[1] != device.port
            assert request.query.flags == 0
            assert request.query.edns == -1
            assert len(request.query.question) == 1

    def test_ends_with_the_answer_where_nobody_can_claim_a_name(self) -> None:
        """Without a name there is nothing more to wait for."""
        with MdnsResponder() as device:
            observed = ask(device, hostname="", window_s=20.0)

        assert len(device.requests) == 1
        assert observed.duration_s < 20.0

    def test_asks_for_the_name_as_often_as_it_may(self) -> None:
        """Whoever else has it may have missed a question; the services are asked for once."""
        with MdnsResponder() as device:
            ask(device)

        names = [request.name for request in device.requests]
        assert names.count(device.name) == probed.TRIES
        assert names.count(probed.SERVICES) == 1

    def test_travels_through_json(self) -> None:
        """A replay judges the same observation."""
        observed = observe(Behaviour.TWO_HOSTS)

        assert msgspec.json.decode(msgspec.json.encode(observed), type=Observation) == observed

    @pytest.mark.parametrize(
        "behaviour", [Behaviour.CACHE_FLUSH, Behaviour.CASE, Behaviour.NO_QUESTION]
    )
    def test_takes_what_deviates_harmlessly(self, behaviour: Behaviour) -> None:
        """Responders that keep the cache-flush bit or the query's spelling are in use."""
        observed = observe(behaviour)

        assert claims(observed) == {(CUBE, CUBE)}
        assert services(observed) == set(SERVICES)

    def test_takes_the_name_without_services(self) -> None:
        """A CUBE that publishes no service answered nevertheless."""
        with MdnsResponder(Behaviour.NAME_ONLY) as device:
            observed = ask(device, window_s=0.9)

        assert claims(observed) == {(CUBE, CUBE)}
        assert observed.trouble is None
        assert observed.tries[0].result == "answer"
        assert observed.tries[1].result == "silence"
        assert [request.name for request in device.requests].count(probed.SERVICES) == 3

    def test_takes_the_services_without_the_name(self) -> None:
        """A CUBE with another name than the site file says is the case's to judge."""
        observed = observe(Behaviour.OTHER_NAME)

        assert claims(observed) == set()
        assert services(observed) == set(SERVICES)
        assert observed.trouble is None

    def test_asks_in_the_site_files_spelling(self) -> None:
        """A host name written with capitals is no other name."""
        assert claims(observe(Behaviour.GOOD, hostname="CUBE-4711")) == {(CUBE, CUBE)}

    def test_waits_for_a_slow_answer(self) -> None:
        """An answer to the first try counts when it comes during the second."""
        observed = observe(Behaviour.SLOW, window_s=0.9)

        assert claims(observed) == {(CUBE, CUBE)}
        assert observed.tries[0].result == "answer"

    def test_asks_again_after_a_loss(self) -> None:
        """One lost packet is not a closed firewall."""
        observed = observe(Behaviour.LOSES_FIRST, window_s=0.9)

        assert claims(observed) == {(CUBE, CUBE)}
        assert observed.tries[0].result == "silence"

    @pytest.mark.usefixtures("busy")
    def test_reads_what_waits_after_a_stall(self) -> None:
        """A CUBE that answered at once is not silent because this computer was busy."""
        observed = observe(Behaviour.GOOD, window_s=0.3)

        assert claims(observed) == {(CUBE, CUBE)}
        assert services(observed) == set(SERVICES)

    @pytest.mark.usefixtures("busy")
    def test_gives_each_try_its_time_after_a_stall(self) -> None:
        """Nor may the stall use up the tries: an answer takes its time."""
        observed = observe(Behaviour.LOSES_FIRST, window_s=0.3)

        assert claims(observed) == {(CUBE, CUBE)}
        moments = sorted({attempt.at_s for attempt in observed.tries})
        assert moments[-1] - moments[0] > 0.2

    def test_is_not_out_of_time_before_it_has_begun(self) -> None:
        """A computer that is busy until the window should have closed asks and waits as ever."""
        late = Stopwatch()
        late._begin -= 60.0
        with (
            MdnsResponder() as device,
            contextlib.closing(open_group(LOOPBACK, CUBE, late)) as wire,
        ):
            asking = dataclasses.replace(ASKING, port=device.port, window_s=0.6)
            found = alone(collect(wire, asking, QUESTIONS, read_mdns))

        assert [attempt.result for attempt in found.log.tries] == ["answer"]

    def test_takes_an_alias(self) -> None:
        """An alias gives the address of the name that it stands for."""
        assert claims(observe(Behaviour.ALIAS)) == {(CUBE, CUBE)}

    def test_takes_a_reply_of_several_packets(self) -> None:
        """A device with much to say is no silent one."""
        assert claims(observe(Behaviour.LONG)) == {(CUBE, CUBE)}

    @pytest.mark.parametrize(
        ("behaviour", "addressless"),
        [
            (Behaviour.GOOD, False),
            (Behaviour.EMPTY, True),
            (Behaviour.NO_ADDRESS, True),
            (Behaviour.TRUNCATED, False),
        ],
    )
    def test_tells_whether_the_name_has_an_address(
        self,
        behaviour: Behaviour,
        addressless: bool,  # noqa: FBT001 - drawn
    ) -> None:
        """A name that exists without an address is no other name; a cut reply tells nothing."""
        observed = observe(behaviour)

        assert any(reply.addressless for reply in observed.replies) == addressless
        assert observed.trouble is None


@pytest.fixture
def busy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep this program from running after it has asked, until the window has closed."""
    receive = group_socket.receive_from_any
    stalls = [0.5]

    def late(*arguments: Any) -> Any:  # noqa: ANN401 - passed on
        if stalls:
            time.sleep(stalls.pop())
        return receive(*arguments)

    monkeypatch.setattr(group_socket, "receive_from_any", late)


class TestOtherHosts:
    """Everybody on the link may answer; who did is what the case needs."""

    def test_keeps_a_wrong_address(self) -> None:
        """A device may still publish the address it had before."""
        assert claims(observe(Behaviour.OTHER_ADDRESS)) == {(CUBE, OTHER)}

    def test_keeps_both_addresses(self) -> None:
        """A device with two network cards publishes both."""
        assert claims(observe(Behaviour.TWO_ADDRESSES)) == {(CUBE, CUBE), (CUBE, OTHER)}

    def test_keeps_another_hosts_claim(self) -> None:
        """The CUBE's silence stays visible behind another device's answer."""
        observed = observe(Behaviour.OTHER_HOST)

        assert claims(observed) == {(OTHER, OTHER)}
        assert observed.trouble.kind == "no-answer"
        assert "1 other hosts answered" in observed.trouble.detail
        assert {attempt.result for attempt in observed.tries} == {"silence"}

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
        """The CUBE's own answer must not end the listening before others are heard."""
        assert claims(observe(behaviour, window_s=1.2)) == {(CUBE, CUBE), (OTHER, OTHER)}

    def test_hears_a_claim_without_an_address(self) -> None:
        """A device with an IPv6 address only has the name nevertheless."""
        observed = observe(Behaviour.SILENT_CLAIM)

        assert [reply.source for reply in observed.replies if reply.addressless] == [OTHER]

    def test_keeps_what_comes_from_another_of_its_addresses(self) -> None:
        """A device with two addresses may answer from either, and gives both."""
        observed = observe(Behaviour.OTHER_OF_ITS_OWN)

        assert claims(observed) == {(OTHER, OTHER), (OTHER, CUBE)}

    def test_finds_the_cube_in_a_crowd(self) -> None:
        """The answers of a plant full of devices must not crowd out the CUBE's own."""
        observed = observe(Behaviour.CROWD)

        assert [reply.source for reply in observed.replies].count(CUBE) == 2
        assert len(observed.replies) == OTHER_LIMIT + 2
        assert observed.trouble is None

    def test_bounds_claims_and_own_replies(self) -> None:
        """A device with ever new addresses must not fill the evidence."""
        observed = observe(Behaviour.CLAIM_FLOOD)
        sources = [reply.source for reply in observed.replies]

        assert sources.count(CUBE) == OWN_LIMIT
        assert CLAIM_LIMIT <= sources.count(OTHER) <= CLAIM_LIMIT + 1
        assert len(observed.ignored) <= IGNORED_LIMIT

    def test_keeps_the_same_reply_once(self) -> None:
        """A device with two network cards in one network says everything twice."""
        observed = observe(Behaviour.SAME_TWICE)

        assert len(observed.replies) == 2
        assert {ignored.reason for ignored in observed.ignored} == {"the same reply again"}


class TestForeign:
    """What is not a reply to one of our questions does not count and is kept."""

    @pytest.mark.parametrize(
        ("behaviour", "reason"),
        [
            (Behaviour.WRONG_ID, "another id"),
            (Behaviour.ERROR, "code REFUSED"),
            (Behaviour.QUERY_BACK, "a query, not a reply"),
        ],
    )
    def test_ignores_it_with_a_reason(self, behaviour: Behaviour, reason: str) -> None:
        """The reason is what an administrator can act on."""
        observed = observe(behaviour)

        assert {ignored.reason for ignored in observed.ignored} == {reason}
        assert observed.replies == ()
        assert observed.trouble.kind == "no-answer"

    def test_does_not_hear_what_goes_to_the_group(self) -> None:
        """Who asks from an ephemeral port is answered by unicast (RFC 6762 section 6.7)."""
        observed = observe(Behaviour.TO_GROUP)

        assert observed.replies == ()
        assert observed.trouble

    def test_ignores_another_source_port(self) -> None:
        """A response must come from the group's port (RFC 6762 section 6)."""
        with MdnsResponder(Behaviour.WRONG_PORT) as device:
            observed = ask(device)

        assert {ignored.reason for ignored in observed.ignored} == {f"not from port {device.port}"}

    @pytest.mark.parametrize("behaviour", [Behaviour.GARBAGE, Behaviour.GARBAGE_WITH_ID])
    def test_says_malformed(self, behaviour: Behaviour) -> None:
        """Another program on the CUBE's port is a cause of its own."""
        observed = observe(behaviour)

        assert observed.trouble.kind == "malformed"

    def test_leaves_other_hosts_nonsense_to_them(self) -> None:
        """What another device sends must not be charged to the CUBE."""
        with MdnsResponder(Behaviour.GARBAGE) as device:
            probe = MdnsProbe(
                vantage=LOOPBACK, cube="x", address=OTHER, port=device.port, window_s=0.45
            )
            observed = probe.run()

        assert isinstance(observed, MdnsObserved)
        assert observed.trouble.kind == "no-answer"

    def test_ends_at_the_limit_under_a_flood(self) -> None:
        """Foreign packets neither extend the time nor fill the evidence."""
        observed = observe(Behaviour.DRIP, window_s=0.6)

        assert len(observed.tries) == 6
        assert len(observed.ignored) == IGNORED_LIMIT

    def test_ends_when_more_waits_than_can_be_read(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Nor does a flood that has come when the window has closed."""

        class Flooded(Failing):
            read = 0

            def recvfrom(self, _size: int) -> tuple[bytes, tuple[str, int]]:
                self.read += 1
                return b"flood", (OTHER, probed.PORT)

        sock = Flooded([])
        monkeypatch.setattr(probed, "open_group", lambda *_: wire_over(sock))
        device = MdnsProbe(vantage=LOOPBACK, cube="x", address=CUBE, window_s=0.0)
        observed = device.run()

        assert isinstance(observed, MdnsObserved)
        assert sock.read == OVERTIME_LIMIT


class TestSilence:
    """Nothing came, after every try."""

    def test_answered_at_another_interface(self, account: Account) -> None:
        """Who is on the link by two cards may be answered at the other one."""
        account.told = "", "dropped", "wlan0"
        with MdnsResponder(Behaviour.SILENT) as responder:
            seen = MdnsProbe(
                vantage=LOOPBACK, cube="x", address=CUBE, port=responder.port, window_s=0.45
            ).run()

        assert isinstance(seen, CannotMeasure)
        assert (seen.cause, "wlan0" in seen.detail) == ("other-route", True)

    def test_says_no_answer(self) -> None:
        """Silence is an observation with a cause."""
        observed = observe(Behaviour.SILENT)

        assert observed.trouble.kind == "no-answer"
        assert [attempt.result for attempt in observed.tries] == ["silence"] * 6


def reply_holding(*found: dns.rrset.RRset) -> dns.message.Message:
    """Write a message whose answer section holds these records."""
    message = dns.message.Message(id=1)
    message.answer = list(found)
    return dns.message.from_wire(message.to_wire())


def cname(owner: str, target: str) -> dns.rrset.RRset:
    """Write an alias."""
    return dns.rrset.from_text(f"{owner}.local.", 1, "IN", "CNAME", f"{target}.local.")


class TestReading:
    """Names and services are read from any message, bounded and in one spelling."""

    def test_skips_an_address_of_another_length(self) -> None:
        """With the cache-flush bit set, nothing else checks the length of an address."""
        record = dns.rrset.from_text("x.local.", 1, "CLASS32769", "A", "\\# 3 0a1400")

        assert names_in(reply_holding(record)) == ()

    def test_skips_other_classes(self) -> None:
        """An address of the Hesiod class is no Internet address."""
        record = dns.rrset.from_text("x.local.", 1, "CLASS4", "A", "\\# 4 0a140001")

        assert names_in(reply_holding(record)) == ()

    def test_escapes_what_is_not_printable(self) -> None:
        """A name from the network must not move the cursor of whoever reads the report."""
        record = dns.rrset.from_text("\\027[2J.local.", 1, "IN", "A", "10.0.0.1")

        assert names_in(reply_holding(record)) == (("\\027[2j.local", "10.0.0.1"),)

    def test_follows_aliases(self) -> None:
        """In whatever order they come, and not in circles."""
        address = dns.rrset.from_text("c.local.", 1, "IN", "A", "10.0.0.1")
        message = reply_holding(cname("b", "c"), cname("a", "b"), address, cname("x", "x"))

        assert set(names_in(message)) == {
            ("a.local", "10.0.0.1"),
            ("b.local", "10.0.0.1"),
            ("c.local", "10.0.0.1"),
        }

    def test_follows_an_alias_with_the_cache_flush_bit(self) -> None:
        """It is no part of the class, for an alias as for an address (RFC 6762 section 10.2)."""
        target = dns.name.from_text("real.local.").to_wire().hex()
        data = f"\\# {len(target) // 2} {target}"
        alias = dns.rrset.from_text(f"{NAME}.", 1, "CLASS32769", "CNAME", data)
        address = dns.rrset.from_text("real.local.", 1, "IN", "A", CUBE)

        assert (NAME, CUBE) in names_in(reply_holding(alias, address))

    def test_does_not_follow_aliases_without_end(self) -> None:
        """One packet must not keep the program busy."""
        aliases = [cname(f"n{number}", f"n{number + 1}") for number in range(100)]
        address = dns.rrset.from_text("n100.local.", 1, "IN", "A", "10.0.0.1")

        assert names_in(reply_holding(*aliases, address)) == (("n100.local", "10.0.0.1"),)

    def test_other_names_are_no_answer_for_ours(self) -> None:
        """A simple device answers every question with the one record that it has."""
        query = question(dns.name.from_text(NAME), dns.rdatatype.A)
        printer = dns.rrset.from_text("printer.local.", 1, "IN", "A", "10.0.0.1")
        reply = reply_holding(printer)
        seen = read_mdns(query, reply, Arrival(reply.to_wire(), OTHER, 5353, 0.0))

        assert not seen.addressless

    def test_nothing_is_no_claim_of_somebody_else(self) -> None:
        """A device that replies to whatever it is asked has not got the name."""
        query = question(dns.name.from_text(NAME), dns.rdatatype.A)
        reply = reply_holding()

        def addressless(source: str) -> bool:
            arrival = Arrival(reply.to_wire(), source, 5353, 0.0)
            return read_mdns(query, reply, arrival, CUBE).addressless

        assert addressless(CUBE)
        assert not addressless(OTHER)

    def test_bounds_names_and_services(self) -> None:
        """One packet must not fill the evidence."""
        names = [
            dns.rrset.from_text(f"n{number}.local.", 1, "IN", "A", "10.0.0.1")
            for number in range(100)
        ]
        listed = dns.rrset.from_text(
            probed.SERVICES, 1, "IN", "PTR", *[f"_s{number}._tcp.local." for number in range(100)]
        )
        message = reply_holding(*names, listed)

        assert len(names_in(message)) == NAME_LIMIT
        assert len(services_in(message)) == NAME_LIMIT

    def test_reads_the_list_only(self) -> None:
        """A pointer to an instance is no service type."""
        pointer = dns.rrset.from_text("_http._tcp.local.", 1, "IN", "PTR", "x._http._tcp.local.")

        assert services_in(reply_holding(pointer)) == ()


class Failing(SilentSocket):
    """A socket that fails to send, or to receive, as often as told."""

    def __init__(self, send: list[OSError], receive: list[OSError] | None = None) -> None:
        """Fail with these errors, one after the other."""
        self.send_errors = send
        self.receive_errors = receive or []

    def sendto(self, packet: bytes, _target: tuple[str, int]) -> int:
        """Fail or take the packet."""
        if self.send_errors:
            raise self.send_errors.pop(0)
        return len(packet)

    def recvfrom(self, _size: int) -> tuple[bytes, tuple[str, int]]:
        """Fail or time out."""
        raise self.receive_errors.pop(0) if self.receive_errors else TimeoutError


def wire_over(sock: Failing) -> GroupWire:
    """Put a wire on a socket that fails."""
    shared: Any = GroupSocket
    return GroupWire(shared(sock, kept=False), CUBE, Stopwatch())


ASKING = Asking(group=probed.GROUP, port=probed.PORT, tries=3, window_s=0.06, host=CUBE)
QUESTIONS = [(probed.SERVICES, dns.rdatatype.PTR)]


class TestUnasked:
    """A question that could not be asked is neither silence nor an answer."""

    def test_says_that_the_cube_is_off_link(self) -> None:
        """Behind a router, silence is what a correct responder owes (RFC 6762 section 5.5)."""
        observed = MdnsProbe(vantage=LOOPBACK, cube="x", address="10.20.0.50").run()

        assert isinstance(observed, CannotMeasure)
        assert observed.cause == "off-link"
        assert observed.command == "ip route get 10.20.0.50"

    def test_says_that_the_interface_is_gone(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """An adapter that was pulled is not the CUBE's silence; the socket is given back."""

        def gone(*_: object) -> None:
            raise OSError(errno.ENODEV, "No such device")

        monkeypatch.setattr(group_socket, "bind_interface", gone)

        with pytest.raises(CannotAskError) as caught:
            open_group(LOOPBACK, CUBE, Stopwatch())

        assert caught.value.cause == "off-link"

    def test_says_that_nothing_can_be_sent(self) -> None:
        """A pulled cable on this computer must not fail the CUBE."""
        sock = Failing([OSError(errno.ENETUNREACH, "Network is unreachable") for _ in range(3)])

        with pytest.raises(CannotAskError) as caught:
            alone(collect(wire_over(sock), ASKING, QUESTIONS, read_mdns))

        assert caught.value.cause == "off-link"
        assert "Network is unreachable" in caught.value.detail

    def test_says_that_this_computers_firewall_forbids_it(self) -> None:
        """A packet filter on this computer is not the CUBE's silence."""
        sock = Failing([PermissionError(errno.EPERM, "Operation not permitted")])

        with pytest.raises(CannotAskError) as caught:
            alone(collect(wire_over(sock), ASKING, QUESTIONS, read_mdns))

        assert caught.value.cause == "not-permitted"

    def test_goes_on_after_errors(self) -> None:
        """What was sent decides; what was not is recorded."""
        sock = Failing(
            [OSError(errno.ENOBUFS, "No buffer space")], [ConnectionResetError(), OSError()]
        )
        found = alone(collect(wire_over(sock), ASKING, QUESTIONS, read_mdns))

        assert [attempt.result for attempt in found.log.tries] == ["not-sent", "silence", "silence"]
        assert found.log.tries[0].detail == "No buffer space available"


class TestSocket:
    """Packets to a group leave by the vantage, and with the TTL that the RFCs want."""

    def test_is_bound_to_the_vantage(self) -> None:
        """Without a default route, or with two network cards, it is the vantage's that asks."""
        with contextlib.closing(open_group(LOOPBACK, CUBE, Stopwatch())) as wire:
            sock = wire.shared.sock
            assert sock.getsockname()[0] == CUBE
            assert sock.getsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL) == 255
            chosen = sock.getsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, 4)

        assert socket.inet_ntoa(chosen) == CUBE

    def test_asks_with_random_ids(self) -> None:
        """Nobody who has not heard the question can answer it."""
        ids = {question(probed.SERVICES, dns.rdatatype.PTR).id for _ in range(8)}

        assert len(ids) > 1

    def test_asks_with_any_id_but_that_of_replies_to_others(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What is sent to the whole group has the id 0; it must not look like a reply to us."""
        ids = []
        for drawn in (0, -1):
            monkeypatch.setattr(secrets, "randbelow", lambda limit, drawn=drawn: drawn % limit)
            ids.append(question(probed.SERVICES, dns.rdatatype.PTR).id)

        assert ids == [1, 0xFFFF]


class Crowd(MdnsResponder):
    """Several devices at one place: each answers the question for services, one its name."""

    def __init__(self, *addresses: str, deaf: int = 0) -> None:
        """Have these addresses; the last one misses so many questions for the services."""
        super().__init__()
        self.addresses = addresses
        self.deaf = deaf

    def respond(self, request: Request) -> list[Reply]:
        """Answer as many times as there are devices."""
        replies = super().respond(request)
        if request.name != probed.SERVICES:
            return replies
        awake = self.addresses[:-1] if request.number <= self.deaf else self.addresses
        return [sent_from(reply, source) for reply in replies for source in awake]


def sent_from(reply: Reply, source: str) -> Reply:
    """Let another device send a reply."""
    return dataclasses.replace(reply, source=source)


def probe_of(device: MdnsResponder, address: str, listing: Listing, **changes: Any) -> MdnsProbe:  # noqa: ANN401 - any field of the probe
    """Make the probe of one of several CUBEs."""
    fields = {"hostname": "", "window_s": 0.6} | changes
    return MdnsProbe(
        vantage=LOOPBACK,
        cube=address,
        address=address,
        port=device.port,
        listing=listing,
        **fields,
    )


class TestListing:
    """Several CUBEs are asked for their services with one question."""

    def test_each_gets_its_own_replies(self) -> None:
        """One question brings one reply a CUBE, not one a CUBE and a probe."""
        with Crowd(CUBE, OTHER) as device:
            listing = Listing((CUBE, OTHER))
            seen = [probe_of(device, address, listing).run() for address in (CUBE, OTHER)]

        assert [request.name for request in device.requests] == [probed.SERVICES]
        for observed, address in zip(seen, (CUBE, OTHER), strict=True):
            assert isinstance(observed, MdnsObserved)
            assert [reply.source for reply in observed.replies] == [address]
            assert services(observed) == set(SERVICES)
            assert observed.trouble is None
            assert [attempt.result for attempt in observed.tries] == ["answer"]
        # The second one asked later than the question that it shares was put.
        assert seen[0].tries[0].at_s >= 0 > seen[1].tries[0].at_s

    def test_names_are_still_asked_one_by_one(self) -> None:
        """Who else claims a name has to be heard by the probe of that name."""
        with Crowd(CUBE, OTHER) as device:
            observed = probe_of(device, CUBE, Listing((CUBE, OTHER)), hostname=HOSTNAME).run()

        assert isinstance(observed, MdnsObserved)
        assert claims(observed) == {(CUBE, CUBE)}
        assert services(observed) == set(SERVICES)
        assert len(observed.tries) == probed.TRIES + 1

    def test_asks_again_for_those_that_were_not_heard(self) -> None:
        """A lost packet is no finding here either."""
        with Crowd(CUBE, OTHER, deaf=2) as device:
            listing = Listing((CUBE, OTHER))
            first, second = (probe_of(device, host, listing).run() for host in (CUBE, OTHER))

        assert [attempt.result for attempt in first.tries] == ["answer"]
        assert [attempt.result for attempt in second.tries] == ["silence", "silence", "answer"]
        assert isinstance(second, MdnsObserved)
        assert second.trouble is None

    @pytest.mark.usefixtures("busy")
    def test_reads_what_waits_when_the_window_has_closed(self) -> None:
        """Nobody is silent because this computer was busy; strangers are passed over."""
        with Crowd(CUBE, OTHER, "127.0.0.3") as device:
            listing = Listing((CUBE, OTHER))
            seen = [probe_of(device, host, listing, window_s=0.3).run() for host in (CUBE, OTHER)]

        for observed in seen:
            assert isinstance(observed, MdnsObserved)
            assert services(observed) == set(SERVICES)

    def test_one_that_is_silent_is_no_answer(self) -> None:
        """The window closes, and the others have what they said."""
        with Crowd(CUBE, OTHER, deaf=9) as device:
            listing = Listing((CUBE, OTHER))
            first, second = (probe_of(device, host, listing).run() for host in (CUBE, OTHER))

        assert isinstance(first, MdnsObserved)
        assert isinstance(second, MdnsObserved)
        assert first.trouble is None
        assert second.trouble
        assert second.trouble.kind == "no-answer"
        assert len(device.requests) == 3

    def test_nonsense_is_told_from_silence(self) -> None:
        """Another program on the port is another finding."""
        with MdnsResponder(Behaviour.GARBAGE) as device:
            observed = probe_of(device, CUBE, Listing((CUBE, OTHER))).run()

        assert isinstance(observed, MdnsObserved)
        assert observed.trouble
        assert observed.trouble.kind == "malformed"
        assert observed.ignored

    def test_cannot_be_asked_for_all_alike(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Nobody waits for a second time for what did not work."""
        failing = Failing([OSError(errno.ENETDOWN, "Network is down")] * 3, [])
        opened: list[GroupWire] = []

        def give(*_: object) -> GroupWire:
            opened.append(wire_over(failing))
            return opened[-1]

        monkeypatch.setattr(probed, "open_group", give)
        with MdnsResponder() as device:
            listing = Listing((CUBE, OTHER))
            seen = [probe_of(device, host, listing, window_s=0.1).run() for host in (CUBE, OTHER)]

        assert all(isinstance(one, CannotMeasure) for one in seen)
        assert [one.cause for one in seen if isinstance(one, CannotMeasure)] == ["off-link"] * 2
        assert len(opened) == 1

    def test_one_that_is_off_link_keeps_no_other_from_asking(self) -> None:
        """Nor does the others' question say anything about it."""
        elsewhere = "10.20.0.50"
        with Crowd(CUBE, OTHER) as device:
            listing = Listing((elsewhere, CUBE))
            far, near = (probe_of(device, host, listing).run() for host in (elsewhere, CUBE))

        assert isinstance(far, CannotMeasure)
        assert far.cause == "off-link"
        assert isinstance(near, MdnsObserved)
        assert near.trouble is None


class TestTogether:
    """Several CUBEs over one socket, in one thread."""

    @staticmethod
    def seen(device: MdnsResponder, *addresses: str, hostname: str = "") -> list[Any]:
        """Ask about CUBEs beside each other."""
        listing, sockets = Listing(addresses), GroupSockets()
        probes = [
            probe_of(device, address, listing, sockets=sockets, hostname=hostname)
            for address in addresses
        ]
        with contextlib.closing(sockets):
            found = outcomes([(probe.key, probe.steps()) for probe in probes], sockets)
        return [found[probe.key] for probe in probes]

    def test_each_gets_its_own_replies(self) -> None:
        """As alone; who does not ask for the list waits for who does."""
        with Crowd(CUBE, OTHER) as device:
            seen = self.seen(device, CUBE, OTHER)

        assert [request.name for request in device.requests] == [probed.SERVICES]
        for observed, address in zip(seen, (CUBE, OTHER), strict=True):
            assert [reply.source for reply in observed.replies] == [address]
            assert services(observed) == set(SERVICES)
            assert observed.trouble is None

    def test_waits_for_who_asks(self) -> None:
        """However soon the replies come: step by step, nothing of it hangs on a clock."""
        with Crowd(CUBE, OTHER) as device:
            listing = Listing((CUBE, OTHER))
            first, second = (probe_of(device, host, listing) for host in (CUBE, OTHER))
            asking = listing.ask(first)
            next(asking)
            waiting = listing.of(second)

            assert next(waiting) == (None, POLL_S)
            alone(asking)
            with pytest.raises(StopIteration) as ended:
                next(waiting)

        _, collected = ended.value.value
        assert collected.answered

    def test_who_claims_a_name_is_heard_by_who_asked(self) -> None:
        """Whoever sends it: the id tells which question it answers."""
        with Crowd(CUBE, OTHER) as device:
            first, second = self.seen(device, CUBE, OTHER, hostname=HOSTNAME)

        assert claims(first) == {(CUBE, CUBE)}
        assert claims(second) == {(CUBE, CUBE)}
        assert [attempt.result for attempt in first.tries] == ["answer"] * (probed.TRIES + 1)
        assert second.trouble is None
        assert first.ignored == second.ignored == ()

    def test_a_defect_keeps_nobody_waiting(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Who comes next asks for the list."""
        asked = []

        def fail(listing: Listing, probe: MdnsProbe) -> Any:  # noqa: ANN401 - never returns
            asked.append(probe.address)
            raise ZeroDivisionError(listing)
            yield

        monkeypatch.setattr(Listing, "_ask", fail)
        with MdnsResponder() as device:
            seen = self.seen(device, CUBE, OTHER)

        assert [type(one) for one in seen] == [ZeroDivisionError] * 2
        assert asked == [CUBE, OTHER]


def test_reads_a_truncated_reply_as_such() -> None:
    """The mark stays visible in the evidence."""
    reply = dns.message.Message(id=1)
    reply.flags = dns.flags.Flag(dns.flags.QR | dns.flags.TC)
    seen = read_mdns(
        question(probed.SERVICES, dns.rdatatype.PTR),
        reply,
        Arrival(reply.to_wire(), CUBE, 5353, 0.0),
    )

    assert isinstance(seen, NameReply)
    assert seen.truncated
