"""The page probe against every way that a page answers, or something in its place."""

from __future__ import annotations

import contextlib
import dataclasses
import socket
from typing import TYPE_CHECKING, Any

import pytest

from cube_acceptance.evidence import CannotMeasure, HttpReply, PageObserved, Trouble
from cube_acceptance.probes import http
from cube_acceptance.probes.http import PageProbe
from cube_acceptance.probes.net import http1
from cube_acceptance.probes.net.deadline import Deadline
from cube_acceptance.probes.net.measuring import Stopwatch
from cube_acceptance.probes.net.together import Sockets, together
from cube_acceptance.probes.net.vantage import find_vantage
from fixtures.simulator.http import CONNECTOR_AWAY, NAME, Behaviour, PageServer, response
from fixtures.simulator.tcp import reset
from selftests.support.held import beside

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cube_acceptance.probes.net.together import Steps

VANTAGE = find_vantage("127.0.0.1")


@pytest.fixture(autouse=True, params=["alone", "beside"])
def held(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hold the probe by itself, and as it is held beside those of other CUBEs: to the same end."""
    if request.param == "beside":
        monkeypatch.setattr(PageProbe, "run", beside)


STATUSES = {
    Behaviour.GOOD: 200,
    Behaviour.EMPTY: 204,
    Behaviour.LOGIN: 401,
    Behaviour.FORBIDDEN: 403,
    Behaviour.NOT_FOUND: 404,
    Behaviour.ERROR: 500,
    Behaviour.STARTING: 503,
    Behaviour.REDIRECT_SAME: 200,
    Behaviour.REDIRECT_AWAY: 302,
    Behaviour.REDIRECT_LOOP: 302,
    Behaviour.REDIRECT_TLS: 200,
    Behaviour.REDIRECT_UNENDED: 200,
    Behaviour.REDIRECT_SLOWLY: 200,
    Behaviour.REDIRECT_NAME: 200,
    Behaviour.REDIRECT_UMLAUT: 200,
    Behaviour.REDIRECT_COOKIE: 200,
    Behaviour.REFRESH_AWAY: 200,
    Behaviour.META_AWAY: 200,
    Behaviour.SCRIPT_AWAY: 200,
    Behaviour.REFRESH_SAME: 200,
    Behaviour.RELOAD: 200,
    Behaviour.RESETS_AT_FIRST: 200,
    Behaviour.CLOSES_AT_FIRST: 200,
    Behaviour.EMPTY_LINES: 200,
    Behaviour.NAME_ONLY: 200,
    Behaviour.SQUID: 403,
    Behaviour.WRONG_PAGE: 200,
    Behaviour.CONNECTOR_AWAY: 200,
    Behaviour.HTTP_10: 200,
    Behaviour.CHUNKED: 200,
    Behaviour.BAD_CHUNKS: 200,
    Behaviour.INTERIM: 200,
    Behaviour.SLOW: 200,
    Behaviour.ENDLESS_BODY: 200,
    Behaviour.BOMB: 200,
    Behaviour.GZIP: 200,
    Behaviour.MARKUP: 200,
}

TROUBLES = {
    Behaviour.OLD_HTTP: ("malformed", "http"),
    Behaviour.GARBAGE: ("malformed", "http"),
    Behaviour.SSH: ("malformed", "http"),
    Behaviour.HUGE_STATUS: ("malformed", "http"),
    Behaviour.INTERIM_FLOOD: ("malformed", "http"),
    Behaviour.ENDLESS_HEADER: ("malformed", "http"),
    Behaviour.MANY_FIELDS: ("malformed", "http"),
    Behaviour.MUTE: ("no-answer", "http"),
    Behaviour.DRIP: ("no-answer", "http"),
    Behaviour.CLOSES: ("no-answer", "http"),
}


@contextlib.contextmanager
def full_queue() -> Iterator[int]:
    """A port at which nobody takes another connection, as if nobody were there."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(socket.socket())
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        for _ in range(3):
            other = stack.enter_context(socket.socket())
            other.settimeout(0.0)
            other.connect_ex(server.getsockname())
        yield server.getsockname()[1]


def probe(server: PageServer, **changes: object) -> PageProbe:
    """The probe that a session makes, with shorter time limits."""
    values = {
        "limit_s": 1.0,
        "second_try_s": 0.0,
        "look_for": ("cube", CONNECTOR_AWAY),
        "own_names": (NAME,),
    } | changes
    return PageProbe(vantage=VANTAGE, address=server.address, port=server.port, **values)


def fetch(behaviour: Behaviour, **changes: object) -> PageObserved:
    """What the probe sees of a behaviour."""
    if behaviour is Behaviour.SLOW:
        changes["limit_s"] = 5.0
    with PageServer(behaviour) as server:
        observed = probe(server, **changes).run()
    assert isinstance(observed, PageObserved)
    return observed


class TestPageProbe:
    """One GET, redirects on the same host, everything bounded."""

    def test_every_behaviour_is_met(self) -> None:
        """No behaviour of the simulator is left untried."""
        assert {*STATUSES, *TROUBLES, Behaviour.RESETS} == set(Behaviour)

    @pytest.mark.parametrize(("behaviour", "status"), STATUSES.items())
    def test_status(self, behaviour: Behaviour, status: int) -> None:
        """A response is a response, whatever it says, and has all the time that it needs."""
        observed = fetch(behaviour, limit_s=10.0)

        assert observed.trouble is None
        assert observed.replies[-1].status == status
        assert observed.tries[-1].result == "answer"

    @pytest.mark.parametrize(("behaviour", "trouble"), TROUBLES.items())
    def test_trouble(self, behaviour: Behaviour, trouble: tuple[str, str]) -> None:
        """What is no response has a cause."""
        observed = fetch(behaviour)

        assert (observed.trouble.kind, observed.trouble.phase) == trouble
        assert observed.replies == ()

    def test_reset(self) -> None:
        """A reset is a refusal, before or after the connection stands."""
        observed = fetch(Behaviour.RESETS)

        assert observed.trouble.kind == "refused"

    def test_closed_port(self) -> None:
        """The host is there, the service is not."""
        with PageServer() as server:
            pass
        observed = probe(server).run()

        assert isinstance(observed, PageObserved)
        assert (observed.trouble.kind, observed.trouble.phase) == ("refused", "tcp")
        assert observed.tries[0].result == "refused"

    def test_not_asked(self) -> None:
        """Without an address there is nothing to ask from."""
        nowhere = dataclasses.replace(
            PageProbe(vantage=VANTAGE, address="127.0.0.1"),
            vantage=type(VANTAGE)(interface="lo", address="", prefix=8),
        )

        assert isinstance(nowhere.run(), CannotMeasure)

    def test_key_names_address_and_port(self) -> None:
        """It is where the evidence is found."""
        assert PageProbe(vantage=VANTAGE, address="10.0.0.1", port=80).key == "page/10.0.0.1:80"

    def test_request_is_read_only(self) -> None:
        """One GET, nothing else."""
        with PageServer() as server:
            probe(server).run()
        (request,) = server.requests

        assert request.startswith(b"GET / HTTP/1.1\r\n")
        assert f"Host: 127.0.0.1:{server.port}\r\n".encode() in request

    @pytest.mark.parametrize(
        ("behaviour", "title"),
        [
            (Behaviour.GOOD, "IoT CUBE"),
            (Behaviour.GZIP, "IoT CUBE"),
            (Behaviour.CHUNKED, "IoT CUBE"),
            (Behaviour.INTERIM, "IoT CUBE"),
            (Behaviour.ENDLESS_BODY, "no end"),
            (Behaviour.MARKUP, "<script>alert(1)</script>"),
            (Behaviour.BOMB, ""),
        ],
    )
    def test_title(self, behaviour: Behaviour, title: str) -> None:
        """The title tells one device from another; it stays text."""
        assert fetch(behaviour, limit_s=10.0).replies[-1].title == title

    def test_texts_are_found_in_any_case(self) -> None:
        """The page is identified by what it says."""
        assert fetch(Behaviour.GOOD).found == ("cube",)
        assert fetch(Behaviour.CONNECTOR_AWAY).found == (CONNECTOR_AWAY,)
        assert fetch(Behaviour.WRONG_PAGE).found == ()

    def test_texts_are_found_through_markup(self) -> None:
        """A page may write its letters as entities."""
        with PageServer(body="<p>Stra&szlig;e &amp; Tor</p>") as server:
            observed = probe(server, look_for=("STRASSE & tor", "&amp;")).run()

        assert isinstance(observed, PageObserved)
        assert observed.found == ("STRASSE & tor", "&amp;")

    @pytest.mark.parametrize("body", ["IoT\n\t CUBE", "IoT&nbsp;CUBE", "<b>IoT\u00a0CUBE</b>"])
    def test_texts_are_found_however_they_are_broken(self, body: str) -> None:
        """What a person reads off the screen has no line breaks and no kinds of blanks."""
        with PageServer(body=body) as server:
            observed = probe(server, look_for=("iot cube", "iotcube")).run()

        assert isinstance(observed, PageObserved)
        assert observed.found == ("iot cube",)

    @pytest.mark.parametrize(
        "body",
        [
            "IoT <b>CUBE</b>",
            "<p>IoT</p><p>CUBE</p>",
            "Io<b>T</b><br/><i\nid=a>C</i><!-- -->&#85;BE",
        ],
    )
    def test_texts_are_found_across_tags(self, body: str) -> None:
        """A person sees what a tag does to the letters, and not the tag."""
        assert http.shows(body, "iot cube")
        assert not http.shows(body, "iot  id=a")

    @pytest.mark.parametrize(
        "body", ["Ger&auml;te&shy;seite", "Gera\u0308teseite", "GER\u00c4TE\u200b<wbr>\u00adSEITE"]
    )
    def test_texts_are_found_however_their_letters_are_written(self, body: str) -> None:
        """An umlaut may come in two parts, and a long word says where it may be broken."""
        assert http.shows(body, "Ger\u00e4teseite")
        assert http.shows("Ger\u00e4teseite", "Gera\u0308te\u00adseite")

    @pytest.mark.parametrize(
        ("body", "said"),
        [
            ("<p>It is <b>away</b></p>", True),
            ("<script>x</script><p>It is away</p><!-- x -->", True),
            ("<!-- It is away --><p>Fine</p>", False),
            ("<SCRIPT src=a>say('It is away')</script><p>Fine</p>", False),
            ("<template><p>It is away</p></template>", False),
            ("<!-- It is away", False),
        ],
    )
    def test_what_a_program_could_say_is_not_said(self, body: str, *, said: bool) -> None:
        """It may hold every text that it will ever show, and identifies the page all the same."""
        with PageServer(body=body) as server:
            observed = probe(server, look_for=("is away",), listen_for=("It is away",)).run()

        assert isinstance(observed, PageObserved)
        assert observed.found == (("is away", "It is away") if said else ("is away",))

    def test_tags_without_end(self) -> None:
        """A page that is made to be slow to read is not."""
        assert not http.shows("<" * http1.BODY_LIMIT, "IoT CUBE")

    def test_what_stands_at_both_ends_is_no_text(self) -> None:
        """The page's end and its beginning do not stand side by side."""
        assert not http.shows("CUBE of IoT", "IoT CUBE")

    def test_body_is_bounded(self) -> None:
        """A body without end is read as far as the limit."""
        (reply,) = fetch(Behaviour.ENDLESS_BODY, limit_s=5.0).replies

        assert reply.size <= http1.BODY_LIMIT
        assert len(reply.excerpt) == 2048

    def test_broken_body_is_not_complete(self) -> None:
        """The status line stands, the body does not."""
        assert fetch(Behaviour.BAD_CHUNKS).replies[-1].complete is False


class TestRedirects:
    """On the same host only."""

    def test_same_host(self) -> None:
        """Followed, and every response kept."""
        observed = fetch(Behaviour.REDIRECT_SAME)

        assert [reply.status for reply in observed.replies] == [302, 200]
        assert observed.redirect == ""

    @pytest.mark.parametrize(
        "behaviour",
        [
            Behaviour.REDIRECT_TLS,
            Behaviour.REDIRECT_UNENDED,
            Behaviour.REDIRECT_NAME,
            Behaviour.REDIRECT_UMLAUT,
            Behaviour.REDIRECT_COOKIE,
        ],
    )
    def test_as_a_browser_would(self, behaviour: Behaviour) -> None:
        """By TLS without belief, under the name, without waiting for a body, with the cookie."""
        observed = fetch(behaviour, limit_s=10.0)

        assert [reply.status for reply in observed.replies] == [302, 200]
        assert observed.found == ("cube",)
        assert observed.redirect == ""

    def test_tls_is_told_from_plain(self) -> None:
        """The evidence says how the page came."""
        first, last = fetch(Behaviour.REDIRECT_TLS).replies

        assert (first.url.partition(":")[0], last.url.partition(":")[0]) == ("http", "https")

    @pytest.mark.parametrize(
        ("behaviour", "kind"),
        [
            (Behaviour.CLOSES, "refused"),
            (Behaviour.MUTE, "no-answer"),
            (Behaviour.SSH, "malformed"),
        ],
    )
    def test_tls_that_fails(self, behaviour: Behaviour, kind: str) -> None:
        """What the redirect leads to has to be there."""
        with PageServer(behaviour) as there:
            away = f"https://{NAME}:{there.port}/"
            with PageServer(Behaviour.REDIRECT_AWAY, away=away) as server:
                observed = probe(server).run()

        assert isinstance(observed, PageObserved)
        assert [reply.status for reply in observed.replies] == [302]
        assert (observed.trouble.kind, observed.trouble.phase) == (kind, "tls")
        assert observed.tries[-1].to == f"127.0.0.1:{there.port}"

    def test_a_cookie_that_cannot_be_sent(self) -> None:
        """Only what fits into a request is sent back."""
        visit = http._Visit(Stopwatch(), Deadline(1.0))
        pairs = ("a=1; Path=/", "b=\u00e4", "c=3", "a=2")
        fields = (("server", "x"), *(("set-cookie", pair) for pair in pairs))
        visit.replies.append(HttpReply(url="", status=302, headers=fields))

        assert visit.cookie() == "a=2; c=3"

    def test_away(self) -> None:
        """Not followed, and where it leads is said."""
        observed = fetch(Behaviour.REDIRECT_AWAY)

        assert len(observed.replies) == 1
        assert observed.redirect == "http://portal.example.net/login"

    def test_loop(self) -> None:
        """Given up after a few."""
        observed = fetch(Behaviour.REDIRECT_LOOP, redirect_tries=2)

        assert len(observed.replies) == 3
        assert observed.redirect == "/"

    @pytest.mark.parametrize(("steps", "replies"), [(19, 20), (20, 21), (21, 21)])
    def test_step_by_step(self, monkeypatch: pytest.MonkeyPatch, steps: int, replies: int) -> None:
        """A chain is no circle, and is followed as far as browsers do."""

        def step(_sock: object, question: http1.Question, *_: object) -> Steps[http.Answer]:
            yield None, 0.0
            url = question.url
            done = int(url.rpartition("/")[2] or 0)
            fields = (("location", f"/{done + 1}"),) if done < steps else ()
            return HttpReply(url=url, status=302 if fields else 200, headers=fields), b""

        monkeypatch.setattr(http1, "fetch_in_steps", step)
        with PageServer() as server:
            observed = probe(server, limit_s=10.0).run()

        assert isinstance(observed, PageObserved)
        assert len(observed.replies) == replies
        assert observed.redirect == ("" if steps < 21 else "/21")

    @pytest.mark.parametrize(
        ("away", "followed"),
        [
            ("http://cube-4711/x?y=1", True),
            ("http://CUBE-4711./", True),
            ("//127.0.0.1/x", True),
            ("http://127.0.0.1:99999/", False),
            ("http://[/", False),
            ("https://cube-4711/", True),
            ("http://user@127.0.0.1/", True),
            ("http://[::1]/", False),
            ("http://cube-4711.example.net/", False),
            ("ftp://127.0.0.1/", False),
        ],
    )
    def test_places(self, away: str, *, followed: bool) -> None:
        """The CUBE's own names are the CUBE; what cannot be asked for is not followed."""
        asked = PageProbe(vantage=VANTAGE, address="127.0.0.1", own_names=("cube-4711",))

        place = http.Place("http", "127.0.0.1", 80)

        assert (asked._onward(place, away) is not None) == followed

    def test_time_is_up_before_the_next_hop(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Redirects share the time; what took it all was HTTP, not TCP."""

        def slowly(_sock: object, _question: object, deadline: Deadline) -> Steps[http.Answer]:
            while deadline.left():
                yield None, 0.01
            return HttpReply(url="", status=302, headers=(("location", "/next"),)), b""

        monkeypatch.setattr(http1, "fetch_in_steps", slowly)
        with PageServer() as server:
            observed = probe(server, limit_s=0.2).run()

        assert isinstance(observed, PageObserved)
        assert [reply.status for reply in observed.replies] == [302]
        assert len(observed.tries) == 1
        assert (observed.trouble.kind, observed.trouble.phase) == ("no-answer", "http")


class TestSeveral:
    """What some CUBEs do is no reason to wait for another."""

    def test_nobody_is_held_up(self) -> None:
        """Neither by a dark one, nor by one that says a byte now and then, or ever more."""
        held_up = (Behaviour.DRIP, Behaviour.MUTE, Behaviour.ENDLESS_BODY)
        with contextlib.ExitStack() as stack:
            sockets: Sockets[Any] = stack.enter_context(contextlib.closing(Sockets()))
            slow = [stack.enter_context(PageServer(behaviour)) for behaviour in held_up]
            dark = stack.enter_context(full_queue())
            good = stack.enter_context(PageServer())
            probes = [
                *(probe(server, limit_s=60.0) for server in slow),
                PageProbe(vantage=VANTAGE, address="127.0.0.1", port=dark, connect_limit_s=60.0),
                probe(good),
            ]
            held = together([], sockets, [(one.port, one.steps()) for one in probes], len(probes))
            stack.callback(held.close)
            ended = {}
            while good.port not in ended:
                ended |= dict(next(held))

        assert isinstance(ended[good.port], PageObserved)
        assert ended[good.port].trouble is None
        assert not {slow[0].port, slow[1].port, dark} & ended.keys()


class TestInsideThePage:
    """What sends on from within is followed as a status is."""

    @pytest.mark.parametrize(
        "behaviour", [Behaviour.REFRESH_AWAY, Behaviour.META_AWAY, Behaviour.SCRIPT_AWAY]
    )
    def test_away(self, behaviour: Behaviour) -> None:
        """A portal answers with status 200 as well."""
        observed = fetch(behaviour)

        assert observed.redirect == "http://portal.example.net/login"
        assert len(observed.replies) == 1

    def test_on_the_same_host(self) -> None:
        """It is the page."""
        observed = fetch(Behaviour.REFRESH_SAME, limit_s=10.0)

        assert [reply.url.rpartition(":")[2].partition("/")[2] for reply in observed.replies] == [
            "",
            "ui/",
        ]
        assert (observed.redirect, observed.found) == ("", ("cube",))

    def test_to_itself(self) -> None:
        """A page that is loaded again from time to time is no circle."""
        observed = fetch(Behaviour.RELOAD)

        assert (observed.redirect, observed.trouble) == ("", None)
        assert len(observed.replies) == 1
        assert observed.found == ("cube",)

    @pytest.mark.parametrize(
        ("action", "redirect"), [("/session", ""), ("http://portal/", "http://portal/")]
    )
    def test_form(self, action: str, redirect: str) -> None:
        """One that a page sends to itself is not asked for by GET, which it may not know."""
        body = f"<title>CUBE</title><form action={action} name=f></form>"
        with PageServer(body=f"{body}<script>document.f.submit()</script>") as server:
            observed = probe(server).run()

        assert isinstance(observed, PageObserved)
        assert (observed.redirect, len(observed.replies)) == (redirect, 1)

    def test_in_turns(self) -> None:
        """Neither are pages that take turns; what any of them shows was shown."""

        class Turns(PageServer):
            def _whole(self, request: bytes) -> bytes:
                first = b"GET / " in request
                fields = {"Refresh": "9; url=/b" if first else "9; url=/"}
                return response("CUBE" if first else "weather", fields=fields)

        with Turns() as server:
            observed = probe(server, limit_s=10.0).run()

        assert isinstance(observed, PageObserved)
        assert (observed.redirect, observed.found) == ("", ("cube",))
        assert [reply.url.rpartition("/")[2] for reply in observed.replies] == ["", "b"]


class TestChance:
    """One failure is no finding."""

    @pytest.mark.parametrize("behaviour", [Behaviour.RESETS_AT_FIRST, Behaviour.CLOSES_AT_FIRST])
    def test_the_second_works(self, behaviour: Behaviour) -> None:
        """Small servers have room for one connection."""
        observed = fetch(behaviour, limit_s=10.0)

        assert observed.trouble is None
        assert len(observed.tries) == 2

    def test_comes_a_little_later(self) -> None:
        """When there may be room again."""
        observed = fetch(Behaviour.RESETS_AT_FIRST, limit_s=10.0, second_try_s=0.3)

        assert observed.tries[1].at_s >= 0.3

    def test_once_altogether(self) -> None:
        """What fails twice has failed."""
        observed = fetch(Behaviour.RESETS)

        assert observed.trouble.kind == "refused"
        assert len(observed.tries) == 2

    @pytest.mark.parametrize(
        ("problem", "chance"),
        [
            (Trouble(kind="refused", phase="tcp"), True),
            (Trouble(kind="refused", phase="tcp", icmp_code=13, icmp_source="10.0.0.1"), False),
            (Trouble(kind="no-route", phase="tcp"), True),
            (Trouble(kind="no-route", phase="tcp", icmp_code=1, icmp_source="127.0.0.1"), True),
            (Trouble(kind="no-route", phase="tcp", icmp_code=1, icmp_source="10.0.0.1"), True),
            (Trouble(kind="no-answer", phase="tcp"), False),
            (Trouble(kind="no-answer", phase="http"), False),
            (Trouble(kind="no-answer", phase="http", sign="TCP FIN"), True),
            (Trouble(kind="refused", phase="http", sign="TCP RST"), True),
            (Trouble(kind="malformed", phase="http"), False),
        ],
    )
    def test_what_may_be(self, problem: Trouble, *, chance: bool) -> None:
        """A prohibition is meant, and silence has been waited for."""
        asked = PageProbe(vantage=VANTAGE, address="127.0.0.1")

        assert asked._may_be_chance(problem) == chance


class TestNames:
    """A server may know itself by its name only."""

    def test_asked_by_its_name(self) -> None:
        """Then it is asked once more."""
        observed = fetch(Behaviour.NAME_ONLY)

        assert [reply.status for reply in observed.replies] == [421, 200]
        assert observed.found == ("cube",)

    def test_nobody_knows_its_name(self) -> None:
        """Then that is its answer."""
        assert [one.status for one in fetch(Behaviour.NAME_ONLY, own_names=()).replies] == [421]

    def test_the_second_fails(self) -> None:
        """Then the first one was its answer."""

        class Tired(PageServer):
            def serve(self, connection: socket.socket) -> None:
                if self.requests:
                    reset(connection)
                    return
                super().serve(connection)

        with Tired(Behaviour.NOT_FOUND) as server:
            observed = probe(server).run()

        assert isinstance(observed, PageObserved)
        assert observed.trouble is None
        assert [reply.status for reply in observed.replies] == [404]

    def test_a_name_of_the_sites_dns(self) -> None:
        """It is the CUBE's as well, and the key says which was the last."""
        asked = PageProbe(
            vantage=VANTAGE, address="127.0.0.1", dns_names=("a.example", "B.example")
        )
        place = http.Place("http", "127.0.0.1", 80)

        assert asked.key == "page/127.0.0.1:80/B.example"
        assert asked._onward(place, "http://b.example/") is not None
        assert asked._onward(place, "http://c.example/") is None


class TestFamiliar:
    """Whether a page shows what a CUBE's shows."""

    @pytest.mark.parametrize(
        ("body", "familiar"),
        [
            ("<title>IoT Cube</title>", True),
            ("<h1>TAPIO</h1>", True),
            ("the cloud con<b>nector</b>", True),
            ("<title>Printer</title><script>var cube</script><!-- tapio -->", False),
            ("", False),
        ],
    )
    def test_words(self, body: str, *, familiar: bool) -> None:
        """In its title or text, in any case."""
        with PageServer(body=body) as server:
            observed = probe(server).run()

        assert isinstance(observed, PageObserved)
        assert observed.familiar is familiar


class TestFields:
    """Header fields are hostile too."""

    def serve(self, make: Callable[[], bytes]) -> PageObserved:
        """Let a server answer these bytes."""

        class Odd(PageServer):
            def respond(self, connection: object, _request: bytes) -> None:
                connection.sendall(make())

        with Odd() as server:
            observed = probe(server).run()
        assert isinstance(observed, PageObserved)
        return observed

    @pytest.mark.parametrize(
        ("kind", "body", "title"),
        [
            ("text/html; charset=iso-8859-1", b"<title>\xe4</title>", "\u00e4"),
            ("text/html; charset=nonsense", b"<title>\xc3\xa4</title>", "\u00e4"),
            ("text/html; charset=rot13", b"<title>a</title>", "a"),
            ("text/html", b"<title>one</title><title>two</title>", "one"),
            ("text/html", b"<title>" + b"x" * 500, "x" * 199 + "…"),
            ("text/html", b"<![if", ""),
        ],
    )
    def test_charset_and_title(self, kind: str, body: bytes, title: str) -> None:
        """Whatever the charset says, there is a text in the end."""
        head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n\r\n".encode()

        assert self.serve(lambda: head + body).replies[0].title == title

    def test_control_characters_are_replaced(self) -> None:
        """A header never moves anybody's cursor."""
        answer = b"HTTP/1.1 200 O\x1bK\r\nX-Odd: a\x1b[2Jb\r\n\r\n"
        (reply,) = self.serve(lambda: answer).replies

        assert dict(reply.headers)["x-odd"] == "a\ufffd[2Jb"
        assert "\x1b" not in reply.reason

    def test_a_gzip_that_is_none(self) -> None:
        """What cannot be unpacked is taken as it is."""
        answer = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n<title>plain</title>"

        assert self.serve(lambda: answer).replies[0].title == "plain"

    def test_a_later_version(self) -> None:
        """HTTP/2 does not look like this."""
        trouble = self.serve(lambda: b"HTTP/3.7 200 OK\r\n\r\n").trouble

        assert trouble.kind == "malformed"

    def test_a_length_that_is_none(self) -> None:
        """A nonsensical length is the server's problem; the status stands."""
        answer = b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nabc"

        assert self.serve(lambda: answer).replies[0].status == 200
