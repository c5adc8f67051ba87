"""Where a response sends a browser, from its status to a script in its page."""

from __future__ import annotations

import pytest

from cube_acceptance.evidence import HttpReply
from cube_acceptance.probes.net import onward as sent

AWAY = "http://portal.example/login"


def lead(text: str = "", status: int = 200, **fields: str) -> str:
    """Where a page leads."""
    reply = HttpReply(url="http://10.20.0.50:80/", status=status, headers=tuple(fields.items()))
    found = sent.onward(reply, text)
    return found.location if found else ""


def script(program: str) -> str:
    """A page that is nothing but a script."""
    return f"<html><head><title>x</title><script>{program}</script></head><body></body></html>"


class TestOnward:
    """The status first, then the field, then the page."""

    def test_status(self) -> None:
        """As every client follows it."""
        assert lead(status=302, location="/ui", refresh=f"0;url={AWAY}") == "/ui"
        assert lead(status=200, location="/ui") == ""
        assert lead(status=302) == ""

    def test_inside(self) -> None:
        """It is told apart: what a page shows while it waits was shown."""
        moved = HttpReply(url="", status=302, headers=(("location", "/"),))
        shown = HttpReply(url="", status=200, headers=(("refresh", "0;url=/"),))

        assert sent.onward(moved, "") == sent.Onward("/", inside=False)
        assert sent.onward(shown, "") == sent.Onward("/", inside=True)


class TestRefresh:
    """A number of seconds and an address."""

    @pytest.mark.parametrize(
        ("value", "location"),
        [
            ("0; url=http://x/", "http://x/"),
            ("0;URL='http://x/'", "http://x/"),
            ('1.5, url="http://x/"', "http://x/"),
            ("  3 ; http://x/ ", "http://x/"),
            ("5", ""),
            ("", ""),
            ("30;url=/a", "/a"),
            ("31;url=/a", ""),  # has been shown a page
            ("soon;url=/a", ""),
        ],
    )
    def test_value(self, value: str, location: str) -> None:
        """As browsers read it; without an address the page itself is loaded again."""
        assert sent.refreshed(value) == location

    @pytest.mark.parametrize(
        "page",
        [
            f'<meta http-equiv="refresh" content="0; url={AWAY}">',
            f"<META CONTENT='0;URL={AWAY}' HTTP-EQUIV=Refresh />",
            f"<meta name=a content='b>c'><meta content=0;{AWAY} http-equiv=refresh>",
            '<meta http-equiv="refresh" content="0;url=http:&#47;&#47;portal.example/login">',
        ],
    )
    def test_element(self, page: str) -> None:
        """However it is written."""
        assert lead(page) == AWAY

    @pytest.mark.parametrize(
        "page",
        [
            f"<!-- <meta http-equiv=refresh content='0;url={AWAY}'> -->page",
            f"<noscript><meta http-equiv=refresh content='0;url={AWAY}'></noscript>page",
            f"<meta http-equiv=expires content='0;url={AWAY}'>page",
            f"<meta name=refresh content='0;url={AWAY}'>page",
            "<meta http-equiv=refresh>page",
        ],
    )
    def test_no_element(self, page: str) -> None:
        """What a browser with scripts does not see sends nobody on."""
        assert lead(page) == ""


class TestScript:
    """A page that is nothing but a script which sets the location."""

    @pytest.mark.parametrize(
        "program",
        [
            f"location = '{AWAY}'",
            f"window.location='{AWAY}';",
            f'document.location.href = "{AWAY}";',
            f"top.location.href='{AWAY}'",
            f"window.top.location.replace('{AWAY}')",
            f"location.assign( `{AWAY}` );",
            f"setTimeout(\"location.href='{AWAY}'\", 100)",
            f"window['location'] = '{AWAY}'",
            f"document.location[\"href\"] = '{AWAY}'",
            f"window.open('{AWAY}', '_self')",
            f"<!--\nlocation='{AWAY}';\n//-->",
            f"// location = '/old'\n/* location = '/older' */ location = '{AWAY}'",
            "self.location='http:\\/\\/portal.example\\/login'",
            "location = 'http://portal.\\x65xample/log\\u0069n'",
            f"var u = '{AWAY}'; window.location = u;",
            "var h = 'portal.example'; location = 'http://' + h + '/login'",
            "location.href = location.protocol + '//portal.example/login'",
        ],
    )
    def test_sets(self, program: str) -> None:
        """In the ways in which programs do."""
        assert lead(script(program)) == AWAY

    def test_address_with_an_unknown_end(self) -> None:
        """Whose host is known all the same."""
        program = "location = 'http://portal.example/?to=' + encodeURIComponent(document.URL)"

        assert lead(script(program)) == "http://portal.example/?to="
        assert lead(script("location = `http://portal.example/${x}`")) == "http://portal.example/"

    def test_own_place(self) -> None:
        """A page may send to another scheme or port of its own; 80 is not named, as in browsers."""
        upgrade = script("location = 'https://' + location.host + location.pathname")
        other = HttpReply(url="http://10.20.0.50:45001/ui?x", status=200)

        assert lead(upgrade) == "https://10.20.0.50/"
        assert sent.onward(other, upgrade) == sent.Onward(
            "https://10.20.0.50:45001/ui", inside=True
        )
        assert lead(script("location = '//' + window.location.hostname + '/'")) == "//10.20.0.50/"

    def test_handler(self) -> None:
        """A program may stand in an attribute."""
        page = f"<body onload=\"location='{AWAY}'\">Redirecting, please wait</body>"

        assert lead(page) == AWAY

    @pytest.mark.parametrize(
        "program",
        [
            "if (location == '/x') start()",
            "var location2 = '/x'",
            "my.location = '/x'",
            "location = next()",
            "location = 'https://' + host",
            "location = ''",
            "location.reload()",
            f"window.open('{AWAY}', '_blank')",
            f"// location = '{AWAY}'",
        ],
    )
    def test_sets_nothing_that_is_known(self, program: str) -> None:
        """A comparison is no setting, and what nobody can read leads nowhere."""
        assert lead(script(program)) == ""

    def test_page_with_a_program_of_its_own(self) -> None:
        """An application sends to its login when it likes."""
        away = f"<script>if (!ok) location = '{AWAY}'</script>"

        assert lead(f"{away}<script src=app.js></script><div id=root></div>") == ""
        assert lead(f"{away}<h1>Diagnosis</h1>" + "word " * 12) == ""
        assert lead(f"{away}<p>one two three</p>") == AWAY
        assert lead(f"{away}<script>{'x = 1;' * 1400}</script>") == ""


class TestForm:
    """A form that a page sends off by itself, as portals do."""

    FORM = f"<form name=f method=POST action='{AWAY}'><input type=hidden name=magic value=1></form>"

    @pytest.mark.parametrize(
        "page",
        [
            f'<body onload="document.forms[0].submit()">{FORM}</body>',
            f"{FORM}<script>document.f.submit();</script>",
            f"{FORM}<script>document.getElementsByName('f')[0].requestSubmit()</script>",
        ],
    )
    def test_sent_off(self, page: str) -> None:
        """A browser is led there, but nobody asks for it by GET."""
        reply = HttpReply(url="http://10.20.0.50:80/", status=200)

        assert sent.onward(reply, page) == sent.Onward(AWAY, inside=True, asked=False)

    @pytest.mark.parametrize(
        "page",
        [
            FORM,
            f"{FORM}{FORM}<script>document.f.submit()</script>",
            "<form><input></form><script>document.forms[0].submit()</script>",
            f"{FORM}<script>document.f.submit()</script>" + "word " * 13,
        ],
    )
    def test_waits(self, page: str) -> None:
        """One that somebody fills in, one of several, one for the page itself."""
        assert lead(page) == ""


def test_frames() -> None:
    """A page of frames shows what its first one holds."""
    page = f"<frameset rows='100%,*'><frame src='{AWAY}'><frame src=b></frameset>"

    assert lead(page) == AWAY
    assert lead("<frameset><frame name=a></frameset>") == ""


def test_inline_frames() -> None:
    """A page that is nothing but one shows what it holds; a frame among other things does not."""
    frame = f"<iframe src='{AWAY}' height=100%>too old</iframe>"

    assert lead(f"<title>words</title><body>{frame}</body>") == AWAY
    assert lead(f"<p>page</p>{frame}") == ""
    assert lead(f"<script>start()</script>{frame}") == ""
    assert lead(f"<noscript>{frame}</noscript>") == ""
    assert lead(f"<frameset><frame src=a></frameset>{frame}") == "a"
    assert lead("<iframe></iframe>") == ""
