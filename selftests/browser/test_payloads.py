"""Nothing that a device, a file name or a site file says is ever markup."""

from __future__ import annotations

import itertools
import json
import re
from typing import TYPE_CHECKING, Any, get_args

import hostile
import msgspec
import pytest
from payloads import PAYLOADS, VECTORS

from cube_acceptance import catalogue as catalogues
from cube_acceptance import evidence_file, method, run
from cube_acceptance.certificate import build
from cube_acceptance.certificate.annex import CERTIFICATE_MARK
from cube_acceptance.evidence import Observation
from selftests.support import cases, sessions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from cube_acceptance.catalogue import Language
    from cube_acceptance.evidence_file import Saved

BOUND = frozenset(
    {
        *("CannotMeasure.cause", "Computer.privilege", "Cube.ssh", "DhcpObserved.deaf"),
        *("DnsObserved.aliased", "DnsObserved.tcp", "LeaseObserved.asked", "WayObserved.over"),
        *("Login.password_env",),
        *("Echo.result", "NameReply.over", "PingObserved.method", "Site.language", "Site.stage"),
        *("Trouble.kind", "Waiver.expires"),
        *("Cloud.homag", "Cloud.ping", "Cloud.tapio", "Cube.address", "Cube.hostname", "Cube.mac"),
        *("Cube.ssh_fingerprint", "Dns.servers", "Ntp.servers", "VantageWish.network"),
    }
)
"""Fields that hold our own words, or what their type's pattern lets through and nothing else."""
LIVING = (
    "script, iframe, frame, object, embed, img, link, base, meta, form, input, math, video, audio,"
    " template, a[href^='javascript' i], a[href^='data' i], a[href^='//'], [style*='xss' i],"
    " animate, foreignObject, plaintext, textarea, [srcdoc], [formaction], x"
)
"""What a certificate has none of."""
HANDLERS = (
    "[...document.querySelectorAll('main, main *')].flatMap(one => one.getAttributeNames())"
    ".filter(name => name.startsWith('on'))"
)
CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
LAST = "</main>"
POISON = "POISON"
UNGUARDED = {"bypass_csp": True}
"""The page's content security policy would stop most of it; nothing may come that far."""
FOLDER = "\"'><img src=x onerror=ran()> Jörg (1) 50 %{{7*7}}"
"""Where a run lies is somebody's text as well."""
BASES = hostile.bases()
STEPS = len(hostile.WAYS)
GROUPS = [" ".join(PAYLOADS[at : at + 3]) for at in range(0, len(PAYLOADS), 3)]
"""Three at once: a text that is shown has room for that, and it saves two thirds of the time."""


def from_group(number: int) -> Iterator[str]:
    """Yield the groups of payloads without end, beginning with one of them."""
    return itertools.islice(itertools.cycle(GROUPS), number, None)


def certificate_of(saved: Saved, language: Language) -> dict[str, Any]:
    """Judge evidence and make its certificate, without a session."""
    facts = build.Facts(
        certificate_id="11111111-2222-4333-8444-555555555555",
        language=language,
        replayed=True,
        method=method.facts(()),
        vantage=method.vantage_facts(saved.setup),
        time=run.times(saved.started, saved.ended),
        today=run.day(saved),
    )
    made: dict[str, Any] = json.loads(
        build.dump(build.build(catalogues.load(), cases.judged(saved), saved, facts))
    )
    return made


@pytest.fixture(scope="session")
def annex(certificate: Callable[[str, str], Path]) -> bytes:
    """A finished page with the mark where the certificate belongs."""
    page = (certificate("accepted", "en") / "certificate.html").read_text("utf-8")
    begin, rest = page.index("<style"), page.index(LAST) + len(LAST)
    begin = page.rindex("<style", 0, page.index('<main class="certificate"'))
    return (page[:begin] + CERTIFICATE_MARK + page[rest:]).encode()


def test_the_corpus_is_large() -> None:
    """At least two hundred, and no two alike."""
    assert len(PAYLOADS) == len(set(PAYLOADS)) >= 200


def test_every_kind_of_observation_is_tried() -> None:
    """A new kind belongs into what the payloads go through."""
    kinds = {type(seen) for saved in hostile.bases() for seen in saved.observations.values()}

    assert kinds == set(get_args(Observation))


@pytest.mark.parametrize("way", hostile.WAYS)
def test_every_text_is_reached(way: str) -> None:
    """A field that is added later, anywhere, is hostile, too, or this test names it."""
    for saved in hostile.bases():
        poisoned = hostile.poisoned(saved, itertools.repeat(POISON), way)

        assert set(untouched(poisoned, hostile.WAYS[way])) <= BOUND
        msgspec.json.decode(evidence_file.dump(poisoned), type=evidence_file.Saved)


def untouched(value: object, kept: frozenset[str], name: str = "") -> Iterator[str]:
    """Name the fields that hold a text which is no payload, or that could hold one and do not."""
    if isinstance(value, msgspec.Struct):
        for field in set(value.__struct_fields__) - kept:
            yield from untouched(getattr(value, field), kept, f"{type(value).__name__}.{field}")
    elif isinstance(value, tuple | dict) and value:
        for one in value.values() if isinstance(value, dict) else value:
            yield from untouched(one, kept, name)
    elif not isinstance(value, bool | int | float) and value not in {POISON, POISON.encode()}:
        yield name


@pytest.mark.parametrize(
    "vector",
    [
        "<script>ran()</script>",
        "<img src=x onerror=ran()>",
        "<svg onload=ran()></svg>",
        "<object data=//xss.invalid/o></object>",
        "<meta http-equiv=refresh content='0;url=//xss.invalid/m'>",
    ],
)
def test_it_would_be_noticed(vector: str, opened: Callable[..., Any], tmp_path: Path) -> None:
    """A browser that runs nothing whatever it is given proves nothing."""
    assert vector in VECTORS
    path = tmp_path / "naive.html"
    path.write_text("<!doctype html>")
    with opened(path, **UNGUARDED) as seen:
        seen.page.expose_function("ran", lambda: seen.dialogs.append("ran"))
        path.write_text(f"<!doctype html><main>{vector}</main>")
        seen.page.goto(path.as_uri())
        seen.page.wait_for_timeout(200)

        assert seen.dialogs or set(seen.requests) != {path.as_uri()}


@pytest.mark.parametrize("way", hostile.WAYS)
@pytest.mark.parametrize("language", ["de", "en"])
def test_nothing_comes_alive(
    way: str, language: Language, annex: bytes, opened: Callable[..., Any], tmp_path: Path
) -> None:
    """Every payload goes through every field, and the browser runs none and asks nobody.

    Between them, the three ways take every group of payloads as the first one.
    """
    first, step = list(hostile.WAYS).index(way), STEPS if language == "de" else 17
    path = tmp_path / "certificate.html"
    path.write_text("<!doctype html>")
    with opened(path, **UNGUARDED) as seen:
        seen.page.expose_function("ran", lambda: seen.dialogs.append("ran"))
        for number in range(first, len(GROUPS), step):
            saved = hostile.poisoned(BASES[number % 2], from_group(number), way)
            pieces = run.whole_page(annex, certificate_of(saved, language), saved)
            path.write_bytes(b"".join(pieces))
            seen.page.goto(path.as_uri())

            assert seen.page.locator("main").count() == 1
            assert seen.page.locator(f"main :is({LIVING})").count() == 0
            assert seen.page.evaluate(HANDLERS) == []
            assert seen.page.locator("main .end").count() == 1
        assert seen.dialogs == []
        assert set(seen.requests) == {path.as_uri()}
        assert seen.errors == []


@pytest.mark.parametrize("way", hostile.WAYS)
def test_a_whole_session(way: str, opened: Callable[..., Any], tmp_path: Path) -> None:
    """The annex with its scripts, the terminal and the other files are as quiet."""
    saved = hostile.poisoned(BASES[0], from_group(0), way)
    session = sessions.run(tmp_path / FOLDER, "--lang", "de", "-v", saved=saved)
    page = session.folder / "certificate.html"
    with opened(page, **UNGUARDED) as seen:
        seen.page.expose_function("ran", lambda: seen.dialogs.append("ran"))
        seen.page.goto(page.as_uri())
        for row in seen.page.locator(".annex .collapsible").all():
            row.click()
        seen.page.wait_for_timeout(200)

        assert (
            seen.page.locator("#clickme, [src*='xss'], [href*='xss'], iframe, object").count() == 0
        )
        assert seen.dialogs == []
        assert set(seen.requests) == {page.as_uri()}
        assert seen.errors == []
    assert not CONTROLS.search(session.output)
    assert not CONTROLS.search((session.folder / "junit.xml").read_text("utf-8"))
