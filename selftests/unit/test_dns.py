"""The DNS probe against a simulated server that behaves well and in every bad way we know of."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cube_acceptance.evidence import CannotMeasure, DnsObserved, Observation, Trouble, Vantage
from cube_acceptance.probes import dns as probed
from cube_acceptance.probes.dns import CHAIN_LIMIT, FURTHER_LIMIT, DnsProbe, read_answer
from cube_acceptance.probes.net import sockets
from cube_acceptance.probes.net.dns_message import exchange, question, read_message, text_of
from cube_acceptance.probes.net.errors import ReachError
from cube_acceptance.probes.net.log import IGNORED_LIMIT
from cube_acceptance.probes.net.measuring import Stopwatch
from cube_acceptance.probes.net.receive import (
    OVERTIME_LIMIT,
    RECEIVE_LIMIT,
    MalformedError,
    UnwantedError,
)
from fixtures.simulator.dns import Behaviour, DnsServer, Reply, Request, records, reply_with, sent
from selftests.support.fakes import SilentSocket

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from selftests.support.fakes import Account

LOOPBACK = Vantage(interface="lo", address="127.0.0.1", prefix=8, loopback=True)
NAME = "disco.tapio.one"
ADDRESSES = ("11.20.0.10", "11.20.0.11")
ZONE = {NAME: ADDRESSES}
QUICK = {"wait_s": 0.1, "tcp_wait_s": 0.4, "refused_pause_s": 0.01, "later_pause_s": 0.01}
"""For what waits until its limit."""


def ask(server: DnsServer, **changes: Any) -> DnsObserved:  # noqa: ANN401 - any field of the probe
    """Ask a simulated server; answers have all the time that the probe gives them."""
    fields = {"name": NAME, "refused_pause_s": 0.01, "later_pause_s": 0.01} | changes
    observed = DnsProbe(vantage=LOOPBACK, server=server.address, port=server.port, **fields).run()
    assert isinstance(observed, DnsObserved)
    return observed


def observe(behaviour: Behaviour, **changes: Any) -> DnsObserved:  # noqa: ANN401 - likewise
    """Ask a server that behaves in this way."""
    with DnsServer(behaviour, zone=ZONE) as server:
        return ask(server, **changes)


def results(observed: DnsObserved) -> list[str]:
    """Return the results of all tries."""
    return [attempt.result for attempt in observed.tries]


def query_for(name: str = NAME) -> dns.message.QueryMessage:
    """Write a query as the probe does."""
    return question(dns.name.from_text(name), dns.rdatatype.A, recursion=True)


class TestKey:
    """The names of observations are what cases look them up by."""

    def test_names_server_and_name(self) -> None:
        """Cases find an answer by the server and the host they know from the site."""
        probe = DnsProbe(vantage=LOOPBACK, server="10.20.0.1", name=NAME)

        assert probe.key == "dns/10.20.0.1/disco.tapio.one"

    def test_is_stable_for_the_invented_name(self) -> None:
        """A random name must not make the key random."""
        probe = DnsProbe.inventing(vantage=LOOPBACK, server="10.20.0.1")

        assert probe.key == "dns/10.20.0.1/invalid"

    def test_invents_another_name_each_time(self) -> None:
        """A resolver that has cached the last run's name must not decide this run's."""
        first = DnsProbe.inventing(vantage=LOOPBACK, server="10.20.0.1", port=5300)
        second = DnsProbe.inventing(vantage=LOOPBACK, server="10.20.0.1", port=5300)

        assert first.name != second.name
        assert first.name.endswith(".invalid")
        assert first.port == 5300


class TestAnswer:
    """What a server says comes home as it was said."""

    def test_gives_the_addresses_in_order(self) -> None:
        """HTTPS tries the addresses in the order in which the server gave them."""
        observed = observe(Behaviour.GOOD)

        assert observed.rcode == "NOERROR"
        assert observed.addresses == ADDRESSES
        assert observed.tcp == "not-needed"
        assert observed.trouble is None

    def test_records_what_was_sent_and_what_came(self) -> None:
        """The certificate's annex shows the bytes behind the verdict."""
        observed = observe(Behaviour.GOOD)

        (attempt,) = observed.tries
        assert attempt.result == "answer"
        assert attempt.source == attempt.to
        assert dns.message.from_wire(attempt.sent).id == dns.message.from_wire(attempt.received).id

    def test_asks_plainly(self) -> None:
        """EDNS would make old servers fail that a CUBE may well get an answer from."""
        with DnsServer(zone=ZONE) as server:
            ask(server)

        (request,) = server.requests
        assert request.query.edns == -1
        assert request.query.flags == dns.flags.RD
        assert request.query.question[0].rdtype == dns.rdatatype.A

    @pytest.mark.parametrize(
        "behaviour",
        [
            Behaviour.AUTHORITATIVE,
            Behaviour.EDNS,
            Behaviour.LONG_TTL,
            Behaviour.BROKEN_BEHIND,
            Behaviour.CUT_BEHIND,
            Behaviour.FORGED_FIRST,
        ],
    )
    def test_takes_the_answer_whatever_stands_around_it(self, behaviour: Behaviour) -> None:
        """What is no client's concern spoils no answer."""
        observed = observe(behaviour)

        assert (observed.rcode, observed.addresses) == ("NOERROR", ADDRESSES)
        assert len(observed.tries) == 1

    @pytest.mark.parametrize(
        ("behaviour", "rcode"),
        [
            (Behaviour.REFERRAL, "NOERROR"),
            (Behaviour.SIX_ONLY, "NOERROR"),
            (Behaviour.NXDOMAIN_WITH_ADDRESS, "NXDOMAIN"),
        ],
    )
    def test_tells_an_answer_that_is_none(self, behaviour: Behaviour, rcode: str) -> None:
        """Other servers' names, other addresses and a denial are answers all the same."""
        observed = observe(behaviour)

        assert (observed.rcode, observed.trouble) == (rcode, None)
        assert observed.addresses == (
            ("11.20.0.99",) if behaviour is Behaviour.NXDOMAIN_WITH_ADDRESS else ()
        )

    def test_travels_through_json(self) -> None:
        """A replay judges the same observation."""
        observed = observe(Behaviour.CNAME_CHAIN)

        assert msgspec.json.decode(msgspec.json.encode(observed), type=Observation) == observed

    @pytest.mark.parametrize(
        ("behaviour", "rcode"),
        [
            (Behaviour.NXDOMAIN, "NXDOMAIN"),
            (Behaviour.FORMERR, "FORMERR"),
            (Behaviour.FORMERR_BARE, "FORMERR"),
            (Behaviour.EMPTY, "NOERROR"),
            (Behaviour.WRONG_OWNER, "NOERROR"),
        ],
    )
    def test_gives_the_code_without_addresses(self, behaviour: Behaviour, rcode: str) -> None:
        """A refusal in the protocol's words is an answer, asked for once, and no silence."""
        observed = observe(behaviour)

        assert (observed.rcode, observed.addresses, observed.trouble) == (rcode, (), None)
        assert results(observed) == ["answer"]

    @pytest.mark.parametrize(
        ("behaviour", "address"),
        [
            (Behaviour.ZERO, "0.0.0.0"),
            (Behaviour.LOOPBACK, "127.0.0.1"),
            (Behaviour.PRIVATE, "10.1.2.3"),
        ],
    )
    def test_does_not_judge_addresses(self, behaviour: Behaviour, address: str) -> None:
        """Whether an address is usable is for the case to say, with the filter named."""
        assert observe(behaviour).addresses == (address,)

    def test_shows_an_inventing_server(self) -> None:
        """The name that was really asked for stands in the observation."""
        with DnsServer(Behaviour.INVENTING, zone=ZONE) as server:
            probe = DnsProbe.inventing(LOOPBACK, server.address, server.port)
            observed = probe.run()

        assert isinstance(observed, DnsObserved)
        assert observed.name == probe.name
        assert text_of(server.requests[0].name) == probe.name
        assert observed.addresses == ("11.20.0.99",)

    def test_bounds_the_addresses(self) -> None:
        """A server with thousands of addresses must not fill the evidence."""

        class Endless(DnsServer):
            def respond(self, request: Request) -> list[Reply]:
                texts = [f"11.20.{high}.{low}" for high in range(4) for low in range(256)]
                return [sent(request, reply_with(request, records(request.name, "A", *texts)))]

        with Endless() as server:
            assert len(ask(server).addresses) == probed.ADDRESS_LIMIT


class TestSpelling:
    """Names are equal whatever their case (RFC 4343)."""

    def test_takes_the_servers_spelling(self) -> None:
        """Some servers and middle boxes change the case of what they repeat."""
        assert observe(Behaviour.MIXED_CASE).addresses == ADDRESSES

    def test_asks_in_the_site_files_spelling(self) -> None:
        """A name written with capitals is no other name."""
        assert observe(Behaviour.GOOD, name="Disco.TAPIO.one").addresses == ADDRESSES


class TestTries:
    """One lost packet is not a closed firewall, and silence is told from a refusal."""

    @pytest.mark.parametrize("behaviour", [Behaviour.LOSES_FIRST, Behaviour.LOSES_EVERY_SECOND])
    def test_asks_again_after_a_loss(self, behaviour: Behaviour) -> None:
        """An overloaded line must not fail a site."""
        observed = observe(behaviour, wait_s=0.3)

        assert observed.addresses == ADDRESSES
        assert results(observed)[0] == "silence"

    def test_says_silence_after_all_tries(self) -> None:
        """No answer is claimed only after the last try."""
        observed = observe(Behaviour.SILENT, **QUICK)

        assert observed.rcode is None
        assert observed.trouble.kind == "no-answer"
        assert results(observed) == ["silence"] * 3

    def test_says_refused(self) -> None:
        """A closed port is told from a filter."""
        observed = observe(Behaviour.CLOSED, **QUICK)

        assert observed.trouble.kind == "refused"
        assert results(observed) == ["refused"] * 3

    def test_is_not_decided_by_one_icmp_error(self) -> None:
        """A server that is being restarted answers the next try."""
        with DnsServer(Behaviour.CLOSED) as closed:
            port = closed.port
        late = DnsServer(zone=ZONE, port=port)
        opening = threading.Timer(0.1, late.__enter__)
        opening.start()
        probe = DnsProbe(
            vantage=LOOPBACK,
            server="127.0.0.1",
            name=NAME,
            port=port,
            tries=100,
            refused_pause_s=0.05,
        )
        observed = probe.run()
        opening.join()
        late.__exit__()

        assert isinstance(observed, DnsObserved)
        assert observed.addresses == ADDRESSES
        assert results(observed)[0] == "refused"
        assert results(observed)[-1] == "answer"

    @pytest.mark.parametrize(
        ("behaviour", "rcode"),
        [
            (Behaviour.SERVFAIL_ONCE, "SERVFAIL"),
            (Behaviour.REFUSED_ONCE, "REFUSED"),
            (Behaviour.NOTIMP_ONCE, "NOTIMP"),
        ],
    )
    def test_asks_again_after_a_code_that_may_pass(self, behaviour: Behaviour, rcode: str) -> None:
        """A server that is restarting, or asked too much, says later and not no."""
        observed = observe(behaviour)

        assert observed.addresses == ADDRESSES
        assert [attempt.detail for attempt in observed.tries] == [
            f"udp {NAME}: {rcode}",
            f"udp {NAME}: NOERROR",
        ]

    @pytest.mark.parametrize("behaviour", [Behaviour.SERVFAIL, Behaviour.REFUSED, Behaviour.NOTIMP])
    def test_keeps_the_code_when_it_stays(self, behaviour: Behaviour) -> None:
        """The last word of a server that never recovers is its code."""
        observed = observe(behaviour)

        assert observed.rcode == behaviour.name
        assert len(observed.tries) == 3

    def test_only_the_last_of_three_counts(self) -> None:
        """A server may say *later* in two ways, and then *no*."""

        class MakesUpItsMind(DnsServer):
            def respond(self, request: Request) -> list[Reply]:
                codes = [dns.rcode.SERVFAIL, dns.rcode.REFUSED, dns.rcode.NXDOMAIN]
                return [sent(request, reply_with(request, rcode=codes[request.number - 1]))]

        with MakesUpItsMind() as server:
            observed = ask(server)

        assert observed.rcode == "NXDOMAIN"
        assert results(observed) == ["answer"] * 3

    def test_asks_an_aliases_target_again(self) -> None:
        """What holds for the name holds for the name that it stands for."""

        class Forwarder(DnsServer):
            def respond(self, request: Request) -> list[Reply]:
                if request.number == 1:
                    alias = records(request.name, "CNAME", "target.example.")
                    return [sent(request, reply_with(request, alias))]
                if request.number == 2:
                    return [sent(request, reply_with(request, rcode=dns.rcode.REFUSED))]
                found = records(request.name, "A", *ADDRESSES)
                return [sent(request, reply_with(request, found))]

        with Forwarder() as server:
            observed = ask(server)

        assert observed.addresses == ADDRESSES
        assert observed.chain == ("target.example",)

    def test_keeps_servfail_when_silence_follows(self) -> None:
        """What a server did say tells more than what it then did not."""

        class FallsSilent(DnsServer):
            def respond(self, request: Request) -> list[Reply]:
                failed = sent(request, reply_with(request, rcode=dns.rcode.SERVFAIL))
                return [failed] if request.number == 1 else []

        with FallsSilent() as server:
            observed = ask(server, **QUICK)

        assert observed.rcode == "SERVFAIL"
        assert observed.trouble is None
        assert results(observed) == ["answer", "silence", "silence"]

    def test_takes_a_late_answer_to_an_earlier_try(self) -> None:
        """A resolver that takes longer than one try waits is slow, not silent."""
        with DnsServer(Behaviour.SLOW, zone=ZONE, slow_s=0.3) as server:
            observed = ask(server, wait_s=0.2)

        assert observed.addresses == ADDRESSES
        assert results(observed)[0] == "answer"
        assert results(observed)[1] == "silence"

    def test_waits_for_the_first_name_that_a_resolver_is_asked_for(self) -> None:
        """A resolver with an empty memory answers late, and all tries at once."""
        with DnsServer(Behaviour.SLOW_ONCE, zone=ZONE, slow_s=0.5) as server:
            first = ask(server, wait_s=0.2)
            again = ask(server)

        assert first.addresses == again.addresses == ADDRESSES
        assert len(first.tries) == 3
        assert len(again.tries) == 1

    def test_hears_what_came_while_this_program_could_not_run(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A busy computer finds an answer to its last try in time, but reads it later."""

        class Stutters(DnsServer):
            def respond(self, request: Request) -> list[Reply]:
                return [Reply(b"junk"), *super().respond(request)]

        send = probed._Conversation._send

        def send_and_stop(conversation: probed._Conversation, wire: bytes) -> Trouble | None:
            found = send(conversation, wire)
            time.sleep(0.3)
            return found

        monkeypatch.setattr(probed._Conversation, "_send", send_and_stop)
        with Stutters(zone=ZONE) as server:
            observed = ask(server, tries=1, wait_s=0.1)

        assert observed.addresses == ADDRESSES
        assert observed.duration_s >= 0.3

    def test_reads_no_flood_when_the_time_is_over(self, refusing: Refusing) -> None:
        """Somebody who sends faster than this program reads must not keep it."""
        refusing.events = [b"junk"] * (OVERTIME_LIMIT + 10)
        observed = replace(TestUnasked.probe, tries=1, wait_s=0.0).run()

        assert isinstance(observed, DnsObserved)
        assert results(observed) == ["malformed"]
        assert len(refusing.events) == 10

    def test_ends_at_the_limit_under_a_flood(self) -> None:
        """Foreign packets neither extend the time nor fill the evidence."""
        observed = observe(Behaviour.DRIP, wait_s=0.3)

        assert observed.trouble.kind == "no-answer"
        assert len(observed.tries) == 3
        assert len(observed.ignored) == IGNORED_LIMIT


class TestForeign:
    """Only the server asked can answer, and only our question."""

    @pytest.mark.parametrize(
        ("behaviour", "reason"),
        [
            (Behaviour.FORGED_ID, "another id"),
            (Behaviour.FORGED_QUESTION, "another question"),
            (Behaviour.QUERY_BACK, "a query, not a reply"),
            (Behaviour.TWO_QUESTIONS, "another question"),
            (Behaviour.NO_QUESTION, "another question"),
        ],
    )
    def test_ignores_what_is_no_reply_to_us(self, behaviour: Behaviour, reason: str) -> None:
        """A forged address must not become the cloud's address."""
        observed = observe(behaviour, **QUICK)

        assert observed.addresses == ()
        assert observed.trouble.kind == "no-answer"
        assert {ignored.reason for ignored in observed.ignored} == {reason}
        assert observed.ignored[0].raw

    def test_does_not_hear_another_port(self) -> None:
        """A reply from another port is one that a CUBE's resolver does not hear either."""
        observed = observe(Behaviour.OTHER_PORT, **QUICK)

        assert observed.trouble.kind == "no-answer"

    def test_counts_a_duplicate_once(self) -> None:
        """The second copy of an answer must not answer the next question."""

        class FailsTwice(DnsServer):
            def respond(self, request: Request) -> list[Reply]:
                failed = sent(request, reply_with(request, rcode=dns.rcode.SERVFAIL))
                return [failed, failed] if request.number == 1 else super().respond(request)

        with FailsTwice(zone=ZONE) as server:
            observed = ask(server)

        assert observed.addresses == ADDRESSES
        assert [ignored.reason for ignored in observed.ignored] == ["another id"]

    def test_ignores_another_id(self) -> None:
        """Over TCP, too, a reply must be to our own query."""
        reply = dns.message.make_response(query_for())
        query = query_for()
        reply.id = query.id ^ 1

        with pytest.raises(UnwantedError, match="another id"):
            read_answer(query, reply.to_wire())

    def test_ignores_another_operation(self) -> None:
        """A NOTIFY response with our id is no answer to a question."""
        query = query_for()
        reply = dns.message.make_response(query)
        reply.set_opcode(dns.opcode.NOTIFY)

        with pytest.raises(UnwantedError, match="another operation"):
            read_answer(query, reply.to_wire())


class TestMalformed:
    """Bytes that are no DNS message are named as such and never raise."""

    @pytest.mark.parametrize("behaviour", [Behaviour.GARBAGE, Behaviour.GARBAGE_WITH_ID])
    def test_says_malformed(self, behaviour: Behaviour) -> None:
        """Another program on port 53 is a cause of its own."""
        observed = observe(behaviour, **QUICK)

        assert observed.trouble.kind == "malformed"
        assert results(observed) == ["malformed"] * 3
        assert all(ignored.reason.startswith("malformed") for ignored in observed.ignored)

    def test_waits_for_the_answer_behind_it(self) -> None:
        """One broken packet must not hide the answer that follows."""

        class Stutters(DnsServer):
            def respond(self, request: Request) -> list[Reply]:
                return [Reply(b"\0" * 5), *super().respond(request)]

        with Stutters(zone=ZONE) as server:
            observed = ask(server)

        assert observed.addresses == ADDRESSES
        assert len(observed.ignored) == 1

    @given(st.binary(max_size=600))
    def test_reads_any_bytes(self, packet: bytes) -> None:
        """Whatever comes from the network ends in a message or in one exception of ours."""
        with contextlib.suppress(MalformedError):
            assert read_message(packet).id == int.from_bytes(packet[:2], "big")

    @given(
        st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), max_size=6),
        st.integers(0, 200),
    )
    def test_reads_any_damaged_reply(self, damage: list[tuple[int, int]], length: int) -> None:
        """A reply with our id and broken insides ends in an answer or in one exception of ours."""
        query = query_for()
        reply = reply_with(
            Request(query, 1),
            records(query.question[0].name, "CNAME", "edge.example."),
            records(dns.name.from_text("edge.example"), "A", *ADDRESSES),
        )
        packet = bytearray(reply.to_wire())
        for place, value in damage:
            packet[place % len(packet)] = value
        packet[:2] = query.id.to_bytes(2, "big")
        try:
            answer = read_answer(query, bytes(packet[: length or None]))
        except UnwantedError:
            return
        assert all(socket.inet_aton(text) for found in answer.addresses.values() for text in found)

    def test_tells_a_cut_message_without_a_question(self) -> None:
        """The truncation bit excuses missing records, not a message without a beginning."""
        with pytest.raises(MalformedError, match="no question"):
            read_message(b"\x12\x34\x82\x00\x00\x01\x00\x00\x00\x00\x00\x00\xc0")

    def test_skips_records_of_another_class(self) -> None:
        """An address of the CHAOS class is no Internet address."""
        query = query_for()
        reply = reply_with(Request(query, 1))
        reply.answer = [
            dns.rrset.from_text(NAME + ".", 1, "CH", "TXT", '"x"'),
            dns.rrset.from_text(NAME + ".", 1, "IN", "TXT", '"x"'),
        ]

        answer = read_answer(query, reply.to_wire())

        assert (answer.addresses, answer.aliases) == ({}, {})


class TestAliases:
    """CNAMEs are followed to the name that has the addresses, and no further."""

    @pytest.mark.parametrize("behaviour", [Behaviour.CNAME_CHAIN, Behaviour.CNAME_BACKWARDS])
    def test_follows_inside_the_answer(self, behaviour: Behaviour) -> None:
        """The order of records in an answer means nothing (RFC 1034 section 3.6) but to some."""
        observed = observe(behaviour)

        backwards = behaviour is Behaviour.CNAME_BACKWARDS
        assert observed.addresses == ADDRESSES
        assert observed.aliased == ("backwards" if backwards else "plainly")
        assert observed.chain == ("hop1.edge.example", "hop2.edge.example", "hop3.edge.example")
        assert len(observed.tries) == 1

    def test_follows_an_aliased_domain(self) -> None:
        """Beside the domain's alias the server writes the name's, for all who know no DNAME."""
        observed = observe(Behaviour.DNAME)

        assert observed.addresses == ADDRESSES
        assert observed.chain == ("disco.edge.example",)

    def test_asks_on_where_the_server_did_not(self) -> None:
        """A forwarder may leave the alias to its client."""
        observed = observe(Behaviour.CNAME_NOT_FOLLOWED)

        assert observed.addresses == ADDRESSES
        assert observed.chain == ("edge.example",)
        assert observed.aliased == "in-part"
        assert results(observed) == ["answer", "answer"]

    def test_stops_in_a_circle(self) -> None:
        """A loop in a zone must not become one of ours."""
        observed = observe(Behaviour.CNAME_LOOP)

        assert (observed.rcode, observed.addresses) == ("NOERROR", ())
        assert observed.chain == ("hop1.edge.example", NAME)
        assert len(observed.tries) == 1

    def test_stops_in_a_circle_of_several_answers(self) -> None:
        """A loop whose halves come one at a time is a loop all the same."""

        class Circling(DnsServer):
            def respond(self, request: Request) -> list[Reply]:
                target = "edge.example." if request.number == 1 else f"{NAME}."
                alias = records(request.name, "CNAME", target)
                return [sent(request, reply_with(request, alias))]

        with Circling() as server:
            observed = ask(server)

        assert observed.chain == ("edge.example", NAME)
        assert len(observed.tries) == 2

    def test_does_not_ask_on_after_a_code(self) -> None:
        """The code is the end of the chain's own (RFC 6604 section 2.1)."""

        class Dangling(DnsServer):
            def respond(self, request: Request) -> list[Reply]:
                alias = records(request.name, "CNAME", "gone.example.")
                return [sent(request, reply_with(request, alias, rcode=dns.rcode.NXDOMAIN))]

        with Dangling() as server:
            observed = ask(server)

        assert (observed.rcode, observed.chain) == ("NXDOMAIN", ("gone.example",))
        assert len(observed.tries) == 1

    def test_stops_asking_on(self) -> None:
        """A server with ever new aliases gets a bounded number of questions."""
        observed = observe(Behaviour.CNAME_ENDLESS)

        assert observed.addresses == ()
        assert len(observed.tries) == 1 + FURTHER_LIMIT

    def test_asks_on_for_a_limited_time_only(self) -> None:
        """The further questions of one slow server must not hold up the run."""
        assert len(observe(Behaviour.CNAME_ENDLESS, further_s=0.0).tries) == 1

    def test_stops_in_a_long_chain(self) -> None:
        """An absurd chain in one answer is cut."""
        observed = observe(Behaviour.CNAME_LONG)

        assert observed.addresses == ()
        assert len(observed.chain) == CHAIN_LIMIT

    def test_keeps_the_first_answer_when_asking_on_fails(self) -> None:
        """The server did answer for the name; what failed stands in the tries."""

        class FallsSilent(DnsServer):
            def respond(self, request: Request) -> list[Reply]:
                return super().respond(request) if request.number == 1 else []

        with FallsSilent(Behaviour.CNAME_NOT_FOLLOWED, zone=ZONE) as server:
            observed = ask(server, **QUICK)

        assert (observed.rcode, observed.addresses, observed.trouble) == ("NOERROR", (), None)
        assert observed.aliased == "plainly"
        assert results(observed) == ["answer", "silence", "silence", "silence"]

    def test_gives_the_code_for_the_last_name(self) -> None:
        """An alias of a name that does not exist leads nowhere (RFC 6604 section 2.1)."""

        class Dangling(DnsServer):
            def respond(self, request: Request) -> list[Reply]:
                if request.number == 1:
                    return super().respond(request)
                return [sent(request, reply_with(request, rcode=dns.rcode.NXDOMAIN))]

        with Dangling(Behaviour.CNAME_NOT_FOLLOWED, zone=ZONE) as server:
            observed = ask(server)

        assert (observed.rcode, observed.addresses) == ("NXDOMAIN", ())


class TestTruncation:
    """A cut reply is asked for again over TCP (RFC 7766 section 5)."""

    @pytest.mark.parametrize("behaviour", [Behaviour.TRUNCATED, Behaviour.TRUNCATED_EMPTY])
    def test_takes_the_whole_answer(self, behaviour: Behaviour) -> None:
        """What came over TCP stands for the whole."""
        observed = observe(behaviour)

        assert observed.addresses == ADDRESSES
        assert (observed.truncated, observed.tcp) == (True, "answer")
        assert [attempt.detail for attempt in observed.tries] == [
            f"udp {NAME}: NOERROR",
            f"tcp {NAME}: NOERROR",
        ]

    def test_takes_an_answer_too_large_for_udp(self) -> None:
        """All of many addresses come, up to what is kept."""
        observed = observe(Behaviour.LARGE)

        assert len(observed.addresses) == 60
        assert len(observed.tries[1].received) <= RECEIVE_LIMIT

    @pytest.mark.parametrize(
        ("behaviour", "tcp", "addresses"),
        [
            (Behaviour.TRUNCATED_TCP_CLOSED, "refused", ADDRESSES[:1]),
            (Behaviour.TRUNCATED_EMPTY_TCP_CLOSED, "refused", ()),
            (Behaviour.TRUNCATED_MIDWAY, "refused", ADDRESSES[:1]),
            (Behaviour.TRUNCATED_TCP_SILENT, "no-answer", ADDRESSES[:1]),
            (Behaviour.TRUNCATED_TCP_HANGS_UP, "no-answer", ADDRESSES[:1]),
            (Behaviour.TRUNCATED_TCP_DRIPS, "no-answer", ADDRESSES[:1]),
            (Behaviour.TRUNCATED_TCP_GARBAGE, "malformed", ADDRESSES[:1]),
        ],
    )
    def test_keeps_what_came_over_udp(
        self, behaviour: Behaviour, tcp: str, addresses: tuple[str, ...]
    ) -> None:
        """The source lists UDP only: a firewall without TCP 53 costs an observation."""
        observed = observe(behaviour, **QUICK | {"wait_s": 2.0})

        assert (observed.truncated, observed.tcp) == (True, tcp)
        assert (observed.rcode, observed.addresses, observed.trouble) == (
            "NOERROR",
            addresses,
            None,
        )
        assert observed.tries[1].result == {"no-answer": "silence"}.get(tcp, tcp)

    def test_believes_tcp_when_it_fails(self) -> None:
        """A client must not use a cut answer when the whole one says something else."""
        observed = observe(Behaviour.TRUNCATED_TCP_SERVFAIL)

        assert len(observed.tries) == 4

        assert (observed.rcode, observed.addresses) == ("SERVFAIL", ())
        assert observed.tcp == "answer"

    def test_forgives_one_reset_over_tcp(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A resolver with few connections resets one; glibc connects again as well."""
        resets = iter([Trouble(kind="refused", phase="tcp")])
        connect = probed.open_tcp

        def reset_at_first(*arguments: Any) -> socket.socket:  # noqa: ANN401 - whatever is asked
            for trouble in resets:
                raise ReachError(trouble)
            return connect(*arguments)

        monkeypatch.setattr(probed, "open_tcp", reset_at_first)
        observed = observe(Behaviour.TRUNCATED_EMPTY)

        assert (observed.tcp, observed.addresses) == ("answer", ADDRESSES)
        assert results(observed) == ["answer", "refused", "answer"]

    def test_asks_again_over_tcp_after_a_code_that_may_pass(self) -> None:
        """What is busy over UDP may be busy over TCP."""

        class BusyOnce(DnsServer):
            def respond(self, request: Request) -> list[Reply]:
                if not request.tcp:
                    return [sent(request, reply_with(request, truncated=True))]
                if request.number == 1:
                    return [sent(request, reply_with(request, rcode=dns.rcode.REFUSED))]
                found = records(request.name, "A", *ADDRESSES)
                return [sent(request, reply_with(request, found))]

        with BusyOnce() as server:
            observed = ask(server)

        assert (observed.rcode, observed.tcp) == ("NOERROR", "answer")
        assert observed.addresses == ADDRESSES

    def test_reads_what_is_there_at_the_limit(self) -> None:
        """A computer that was too busy to read it has its answer all the same."""
        ours, theirs = socket.socketpair()
        with ours, theirs:
            theirs.sendall(b"\0\3xyz")

            assert exchange(ours, b"", Stopwatch(), 0.0) == b"xyz"

    def test_waits_for_nothing_at_the_limit(self) -> None:
        """Bytes that keep coming do not extend the time."""
        ours, theirs = socket.socketpair()
        with ours, theirs:
            theirs.sendall(b"\0\3xy")
            with pytest.raises(ReachError) as caught:
                exchange(ours, b"", Stopwatch(), 0.0)

        assert caught.value.trouble.kind == "no-answer"

    def test_reads_what_has_come_when_the_time_is_over(self) -> None:
        """An answer that is there is no silence because this computer was busy."""
        ours, theirs = socket.socketpair()
        with ours, theirs:
            theirs.sendall(b"\0\x05whole")

            assert exchange(ours, b"", Stopwatch(), 0.0) == b"whole"


class Refusing(SilentSocket):
    """A socket whose sending fails as often as told."""

    def __init__(self, failures: int) -> None:
        """Fail so many times."""
        self.failures = failures
        self.error = errno.ENETDOWN
        self.events: list[OSError | bytes] = []
        self.sent: list[bytes] = []

    def send(self, packet: bytes) -> int:
        """Fail or note the packet."""
        if self.failures:
            self.failures -= 1
            raise OSError(self.error, os.strerror(self.error))
        self.sent.append(packet)
        return len(packet)

    def recv(self, _size: int) -> bytes:
        """Receive the next packet or error, and then nothing in time."""
        outcome = self.events.pop(0) if self.events else TimeoutError()
        if isinstance(outcome, bytes):
            return outcome
        if isinstance(outcome, TimeoutError):
            time.sleep(self.limit_s)
        raise outcome


@pytest.fixture
def refusing(monkeypatch: pytest.MonkeyPatch) -> Iterator[Refusing]:
    """A socket in the place of the one that the vantage gives."""
    sock = Refusing(0)
    monkeypatch.setattr(probed, "open_udp", lambda *_: sock)
    yield sock
    assert sock.closed


class TestUnasked:
    """A question that could not be asked is neither silence nor an answer."""

    probe = DnsProbe(vantage=LOOPBACK, server="127.0.0.1", name=NAME, **QUICK)

    def test_says_that_nothing_can_be_sent(self, refusing: Refusing) -> None:
        """A pulled cable on this computer must not fail the site."""
        refusing.failures = 6
        observed = self.probe.run()

        assert isinstance(observed, CannotMeasure)
        assert observed.cause == "off-link"
        assert "Network is down" in observed.detail

    def test_says_that_this_computer_drops_answers(
        self, refusing: Refusing, account: Account, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """They came, and no further."""
        account.told = "", "dropped", ""
        monkeypatch.setattr(probed, "shows", lambda *_: False)
        observed = self.probe.run()

        assert isinstance(observed, CannotMeasure)
        assert observed.cause == "not-permitted"
        assert len(refusing.sent) == 3

    def test_believes_an_answer_at_the_last_moment(
        self, refusing: Refusing, account: Account, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What the socket has just got was not dropped."""
        account.told = "", "dropped", ""
        monkeypatch.setattr(probed, "shows", lambda *_: True)

        assert isinstance(self.probe.run(), DnsObserved)
        assert refusing.sent

    def test_says_that_this_computer_answers_itself(
        self, refusing: Refusing, account: Account
    ) -> None:
        """Whatever it was that came."""
        account.told = "a resolver", "dropped", ""
        refusing.events = [b"nonsense"]
        observed = self.probe.run()

        assert isinstance(observed, CannotMeasure)
        assert "a resolver" in observed.detail

    def test_knows_a_refusal_from_silence(self, refusing: Refusing, account: Account) -> None:
        """A closed port is nobody's firewall here."""
        account.told = "", "dropped", ""
        refusing.events = [ConnectionRefusedError(errno.ECONNREFUSED, "refused")] * 3

        assert isinstance(self.probe.run(), DnsObserved)

    def test_sends_again_after_an_earlier_tries_error(self, refusing: Refusing) -> None:
        """The error that an earlier packet met is reported at the next sending."""
        refusing.failures = 1
        observed = self.probe.run()

        assert isinstance(observed, DnsObserved)
        assert results(observed) == ["silence"] * 3
        assert len(refusing.sent) == 3

    def test_goes_on_after_a_try_that_was_not_sent(self, refusing: Refusing) -> None:
        """What was sent decides; what was not is recorded."""
        refusing.failures = 2
        observed = self.probe.run()

        assert isinstance(observed, DnsObserved)
        assert results(observed) == ["not-sent", "silence", "silence"]

    @pytest.mark.parametrize("dropped", [1, 2, 6])
    def test_says_that_this_computer_drops_it(self, refusing: Refusing, dropped: int) -> None:
        """Silence is not the server's where protection software lets nothing out.

        One error is taken for that of an earlier packet, and the question is sent again.
        """
        refusing.failures, refusing.error = dropped, errno.ENOBUFS
        observed = self.probe.run()

        if dropped == 1:
            assert isinstance(observed, DnsObserved)
        else:
            assert isinstance(observed, CannotMeasure)
            assert observed.cause == "not-permitted"

    def test_says_that_this_computers_firewall_forbids_it(self, refusing: Refusing) -> None:
        """A packet filter on this computer is not the site's."""
        refusing.failures, refusing.error = 6, errno.EPERM
        observed = self.probe.run()

        assert isinstance(observed, CannotMeasure)
        assert observed.cause == "not-permitted"

    @pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_STREAM])
    def test_says_that_the_interface_is_gone(
        self, monkeypatch: pytest.MonkeyPatch, kind: socket.SocketKind
    ) -> None:
        """An adapter that was pulled in the middle of the run is not the server's fault."""

        def gone(sock: socket.socket, *_: object) -> None:
            if sock.type == kind:
                raise OSError(errno.ENODEV, "No such device")

        monkeypatch.setattr(sockets, "bind_interface", gone)
        with DnsServer(Behaviour.TRUNCATED, zone=ZONE) as server:
            observed = replace(self.probe, port=server.port).run()

        assert isinstance(observed, CannotMeasure)
        assert observed.cause == "off-link"

    def test_says_that_the_vantage_has_no_address(self) -> None:
        """Without an address there is nothing to ask from."""
        nowhere = Vantage(interface="lo", address="", prefix=32)
        observed = DnsProbe(vantage=nowhere, server="127.0.0.1", name=NAME).run()

        assert isinstance(observed, CannotMeasure)
        assert observed.cause == "off-link"


class TestCloseness:
    """When tries end differently, the one that tells most about the server is told."""

    def test_prefers_a_refusal_to_silence(self, refusing: Refusing) -> None:
        """Servers limit how often they refuse; what follows is silence."""
        refusing.events = [TimeoutError(), ConnectionRefusedError(errno.ECONNREFUSED, "refused")]
        observed = TestUnasked.probe.run()

        assert isinstance(observed, DnsObserved)
        assert results(observed) == ["silence", "refused", "silence"]
        assert observed.trouble.kind == "refused"

    def test_prefers_a_refusal_to_nonsense_of_the_same_try(self, refusing: Refusing) -> None:
        """What ended the try is what it is told by; what came before is kept."""
        refused = ConnectionRefusedError(errno.ECONNREFUSED, "refused")
        refusing.events = [event for _ in range(3) for event in (b"junk", refused)]
        observed = TestUnasked.probe.run()

        assert isinstance(observed, DnsObserved)
        assert results(observed) == ["refused"] * 3
        assert len(observed.ignored) == 3
