"""Nothing that a device, a file name or a site file says is ever markup."""

from __future__ import annotations

import itertools
import json
import re
from typing import TYPE_CHECKING, Any

import cases
import healthy
import hostile
import pytest
import sessions
from msgspec import inspect
from payloads import PAYLOADS

from cube_acceptance import catalogue as catalogues
from cube_acceptance import plan, run
from cube_acceptance.certificate import build
from cube_acceptance.evidence import (
    DhcpObserved,
    DnsObserved,
    HttpsObserved,
    LlmnrObserved,
    MdnsObserved,
    NtpObserved,
    PageObserved,
    PingObserved,
    SshObserved,
)
from cube_acceptance.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from cube_acceptance.catalogue import Language
    from cube_acceptance.survey import Saved

OBSERVATIONS = (
    *(DhcpObserved, NtpObserved, DnsObserved, HttpsObserved, PageObserved, PingObserved),
    *(MdnsObserved, LlmnrObserved, SshObserved),
)
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
GROUPS = [" ".join(PAYLOADS[at : at + 3]) for at in range(0, len(PAYLOADS), 3)]
"""Three at once: a text that is shown has room for that, and it saves two thirds of the time."""


def from_group(number: int) -> Iterator[str]:
    """Give the groups of payloads without end, beginning with one of them."""
    return itertools.islice(itertools.cycle(GROUPS), number, None)


def certificate_of(saved: Saved, language: Language) -> dict[str, Any]:
    """Judge evidence and make its certificate, without a session."""
    catalogue = catalogues.load()
    ledger = Ledger(plan.owed(catalogue, saved.setup.site))
    for case, judgement in cases.judge_all(saved).items():
        ledger.record(case, judgement)
    facts = build.Facts(
        certificate_id="11111111-2222-4333-8444-555555555555",
        language=language,
        replayed=True,
        method=run.method(()),
        vantage=run.vantage_facts(saved.setup),
        time=run.times(saved),
        today=run.day(saved),
    )
    made: dict[str, Any] = json.loads(build.dump(build.build(catalogue, ledger, saved, facts)))
    return made


@pytest.fixture(scope="session")
def annex(certificate: Callable[[str, str], Path]) -> bytes:
    """A finished page with the mark where the certificate belongs."""
    page = (certificate("accepted", "en") / "certificate.html").read_text("utf-8")
    begin, rest = page.index("<style"), page.index(LAST) + len(LAST)
    begin = page.rindex("<style", 0, page.index('<main class="certificate"'))
    return (page[:begin] + run.CERTIFICATE_MARK + page[rest:]).encode()


def test_the_corpus_is_large() -> None:
    """At least two hundred, and no two alike."""
    assert len(PAYLOADS) == len(set(PAYLOADS)) >= 200


def test_every_text_of_every_observation_is_reached() -> None:
    """A field that is added later is hostile, too, or this test names it."""
    observed = {type(seen) for seen in healthy.observations().values()}
    assert observed >= set(OBSERVATIONS)
    for way in hostile.WAYS:
        saved = hostile.poisoned(healthy.saved(), itertools.repeat("POISON"), way)
        left = {
            name
            for kind in OBSERVATIONS
            for seen in saved.observations.values()
            if isinstance(seen, kind)
            for name in untouched(seen, hostile.WAYS[way])
        }
        assert left == set()


def untouched(record: Any, kept: frozenset[str]) -> Iterator[str]:  # noqa: ANN401 - any record
    """Name the fields of a record, or of what it holds, whose text is no payload."""
    for name in set(record.__struct_fields__) - kept:
        value = getattr(record, name)
        for one in value if isinstance(value, tuple) else (value,):
            if hasattr(one, "__struct_fields__"):
                yield from untouched(one, kept)
            elif isinstance(one, str) and one != "POISON" and not is_choice(type(record), name):
                yield name


def is_choice(kind: type, name: str) -> bool:
    """Tell whether a field holds one of our own words."""
    node = inspect.type_info(kind)
    assert isinstance(node, inspect.StructType)
    (field,) = (field for field in node.fields if field.name == name)
    types = field.type.types if isinstance(field.type, inspect.UnionType) else (field.type,)
    return any(isinstance(one, inspect.LiteralType) for one in types)


@pytest.mark.parametrize("way", hostile.WAYS)
@pytest.mark.parametrize("language", ["de", "en"])
def test_nothing_comes_alive(
    way: str, language: Language, annex: bytes, opened: Callable[..., Any], tmp_path: Path
) -> None:
    """Every payload goes through every field once, and the browser runs none and asks nobody."""
    path = tmp_path / "certificate.html"
    path.write_text("<!doctype html>")
    with opened(path) as seen:
        seen.page.expose_function("ran", lambda: seen.dialogs.append("ran"))
        for number in range(0, len(GROUPS), 1 if language == "de" else 17):
            saved = hostile.poisoned(healthy.saved(), from_group(number), way)
            path.write_bytes(run.whole_page(annex, certificate_of(saved, language), saved))
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
    saved = hostile.poisoned(healthy.saved(), from_group(0), way)
    session = sessions.run(tmp_path, "--lang", "de", "-v", saved=saved)
    page = session.folder / "certificate.html"
    with opened(page) as seen:
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
