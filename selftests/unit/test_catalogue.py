"""Tests of the catalogue: that loading is strict, and that the shipped one can say everything."""

from __future__ import annotations

import ast
import re
import string
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args, get_type_hints

import msgspec
import pytest

from cube_acceptance import catalogue as catalogues
from cube_acceptance.catalogue import IDS, CatalogueError, Text, parse, placeholders
from cube_acceptance.evidence import CannotMeasure
from cube_acceptance.judge import obstacle
from cube_acceptance.text import sentences
from selftests.support.builders import cannot

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cube_acceptance.catalogue import Catalogue, Requirement

ROOT = Path(__file__).parents[2]
SHIPPED = files("cube_acceptance").joinpath("requirements.toml").read_bytes()

CAUSES = frozenset(
    {
        "no-answer",
        "refused",
        "no-route",
        "malformed",
        "wrong-answer",
        "not-offered",
        "untrusted",
        "expired",
        "unsynchronised",
        "wrong-time",
        "lost",
        "wrong-host",
        "unexpectedly-open",
        "changed-identity",
    }
)
UNCLEAR = frozenset(
    {
        "not-permitted",
        "off-link",
        "other-route",
        "not-configured",
        "ambiguous",
        "internal-error",
    }
)
NO_NAME_CAUSES = frozenset(
    {"not-offered", "no-answer", "refused", "no-route", "malformed", "wrong-answer"}
)
"""What a cloud host can fail with for want of an address; all are told by the text ``dns``."""


def edited(old: str, new: str) -> bytes:
    """The shipped catalogue with one place changed."""
    assert old in SHIPPED.decode()
    return SHIPPED.decode().replace(old, new, 1).encode()


def every_text(catalogue: Catalogue) -> Iterator[tuple[str, Text]]:
    """Every text with the place that it stands at."""
    common = catalogue.common
    for section in ("texts", "words", "deviations", "complaints"):
        for key, text in getattr(common, section).items():
            yield f"common.{section}.{key}", text
    for kind, text in msgspec.structs.asdict(common.decisions).items():
        yield f"common.decisions.{kind}", text
    for entry in catalogue.requirement:
        for section in ("texts", "notes"):
            for key, text in getattr(entry, section).items():
                yield f"{entry.id}.{section}.{key}", text


SAYINGS = list(every_text(catalogues.load()))
ENTRIES = catalogues.load().requirement


def by_id(entry: Requirement) -> str:
    """Name a parametrized test by its requirement."""
    return entry.id


class TestParse:
    """A catalogue that is not whole must not be judged by."""

    def test_takes_the_shipped_catalogue(self) -> None:
        """What is shipped has to load, in the source's order."""
        assert [entry.id for entry in parse(SHIPPED).requirement] == [
            "DHCP-01",
            "NTP-01",
            "DNS-01",
            "HTTPS-01",
            "PING-01",
            "DIAG-01",
            "CONN-01",
            "MDNS-01",
            "LLMNR-01",
            "PING-02",
            "SSH-01",
        ]

    def test_names_its_bytes(self) -> None:
        """Two catalogues that differ in one byte are told apart on the certificate."""
        other = parse(SHIPPED + b"\n")

        assert parse(SHIPPED).sha256 != other.sha256
        assert len(other.sha256) == 64

    @pytest.mark.parametrize(
        ("old", "new", "complaint"),
        [
            pytest.param('id = "NTP-01"', 'id = "DHCP-01"', "twice", id="double-id"),
            pytest.param('id = "NTP-01"', 'id = "NTP-02"', "NTP-01, NTP-02", id="unknown-id"),
            pytest.param('level = "required"', 'level = "must"', "must", id="unknown-level"),
            pytest.param('level = "required"\n', "", "level", id="missing-level"),
            pytest.param('about = "site"', 'about = "plant"', "plant", id="unknown-subject"),
            pytest.param('about = "site"', 'about = "site"\nabuot = "x"', "abuot", id="extra-key"),
            pytest.param("[document]", "[document", "requirements.toml", id="no-toml"),
            pytest.param(
                "within {seconds} s.", "within a while.", "different facts", id="placeholder"
            ),
            pytest.param(
                "a measurement that this needs.",
                "measurement {detail}.",
                "different facts",
                id="common-placeholder",
            ),
            pytest.param(
                'own_en = "Grant the permission on the test computer ({command}) and run again."',
                'own_en = "Grant the right."',
                "remedies need different facts",
                id="remedy-placeholder",
            ),
            pytest.param(
                'own_en = "Grant the permission on the test computer ({command}) and run again."',
                "",
                "a language is empty",
                id="remedy-missing",
            ),
            pytest.param(
                'en = "The check itself failed: {detail}."', 'en = ""', "is empty", id="empty"
            ),
            pytest.param("{detail}.", "{detail.", "internal-error", id="open-brace"),
            pytest.param(
                'cube = { de = "CUBE", en = "CUBE" }',
                'cube = { de = "CUBE", en = "{cube}" }',
                "cube",
                id="word",
            ),
            pytest.param("“rejected”", "“{verdict}”", "acceptance", id="decision"),
            pytest.param("offers addresses: {servers}", "offers", "second-server", id="note"),
        ],
    )
    def test_refuses_a_defect(self, old: str, new: str, complaint: str) -> None:
        """Each way of writing the catalogue wrong is found before anything is measured."""
        with pytest.raises(CatalogueError, match=re.escape(complaint)):
            parse(edited(old, new))

    def test_refuses_a_missing_requirement(self) -> None:
        """A requirement that is gone from the file must not be gone from the verdict."""
        text = SHIPPED.decode()
        without = text[: text.rindex("[[requirement]]")]

        with pytest.raises(CatalogueError, match="SSH-01"):
            parse(without.encode())

    def test_refuses_what_is_not_text(self) -> None:
        """Bytes that are not UTF-8 are a defect and no traceback."""
        with pytest.raises(CatalogueError):
            parse(SHIPPED + b"# \xff")

    def test_checks_words_that_share_a_name_with_a_text(self) -> None:
        """A name that two sections use must not hide one of the two from the check."""
        text = SHIPPED.decode().replace(
            "[common.words]", '[common.words]\ncollection = { de = "{a}", en = "b" }'
        )

        with pytest.raises(CatalogueError, match="collection"):
            parse(text.encode())


class TestCatalogue:
    """Looking things up."""

    def test_gives_an_entry_by_id(self, catalogue: Catalogue) -> None:
        """Everybody asks by id."""
        assert catalogue["SSH-01"].id == "SSH-01"

    def test_does_not_invent_entries(self, catalogue: Catalogue) -> None:
        """An id from nowhere is an error of the caller."""
        with pytest.raises(KeyError):
            catalogue["SSH-02"]

    def test_prefers_a_requirements_own_text(self, catalogue: Catalogue) -> None:
        """``ambiguous`` in general says less than what NTP-01 says about it."""
        own = catalogue["NTP-01"].texts["ambiguous"]

        assert catalogue.text("NTP-01", "ambiguous") == own
        assert own != catalogue.common.texts["ambiguous"]

    def test_falls_back_to_the_common_text(self, catalogue: Catalogue) -> None:
        """What is the same for all stands in one place."""
        assert catalogue.text("NTP-01", "not-run") is catalogue.common.texts["not-run"]

    def test_tells_an_unwritten_variant_by_its_cause(self, catalogue: Catalogue) -> None:
        """A network can fail in a phase that nobody wrote a variant for; the run has to go on."""
        assert catalogue.text("HTTPS-01", "no-route.tls") == catalogue["HTTPS-01"].texts["no-route"]
        assert catalogue.text("SSH-01", "off-link.far") == catalogue.common.texts["off-link"]

    def test_keeps_a_common_variant(self, catalogue: Catalogue) -> None:
        """A variant says more than the cause, wherever it is written."""
        blocked = catalogue.common.texts["not-permitted.blocked"]

        assert catalogue.text("DHCP-01", "not-permitted.blocked") is blocked

    def test_does_not_invent_texts(self, catalogue: Catalogue) -> None:
        """A key without a sentence must be noticed, not shown."""
        with pytest.raises(KeyError):
            catalogue.text("NTP-01", "bored")
        with pytest.raises(KeyError):
            sentences.note(catalogue, "NTP-01", "bored", {}, "en")
        with pytest.raises(KeyError):
            sentences.spoken({"word": "bored"}, catalogue, "en")

    def test_finds_words(self, catalogue: Catalogue) -> None:
        """They belong to all requirements."""
        assert sentences.spoken({"word": "cube"}, catalogue, "en") == "CUBE"

    def test_speaks_both_languages(self, catalogue: Catalogue) -> None:
        """A mix-up of the languages would be on every certificate."""
        text = Text(
            de="ja", en="yes", ask_de="bitte", ask_en="please", own_de="ich", own_en="myself"
        )
        entry = catalogue["PING-01"]

        assert (text.sentence("de"), text.sentence("en")) == ("ja", "yes")
        assert (text.ask("de"), text.ask("en")) == ("bitte", "please")
        assert (text.own("de"), text.own("en")) == ("ich", "myself")
        assert entry.describe("de") is entry.de
        assert entry.describe("en") is entry.en

    def test_is_loaded_once(self) -> None:
        """Everybody in one process judges by the same catalogue."""
        assert catalogues.load() is catalogues.load()


class TestPlaceholders:
    """Which facts a template wants."""

    def test_lists_each_name_once(self) -> None:
        """Literal braces and repeats are no further facts."""
        assert placeholders("{a} {{b}} {c} {a}") == {"a", "c"}

    def test_of_a_plain_sentence(self) -> None:
        """Most words want nothing."""
        assert placeholders("nothing") == frozenset()


class TestShippedTexts:
    """What is shipped can be said, in both languages."""

    @pytest.mark.parametrize(("place", "text"), SAYINGS, ids=[place for place, _ in SAYINGS])
    def test_says_the_same_in_both_languages(self, place: str, text: Text) -> None:
        """A fact that one language leaves out is missing on half of the certificates."""
        assert text.de.strip(), place
        assert text.en.strip(), place
        assert placeholders(text.de) == placeholders(text.en)
        assert bool(text.ask_de) == bool(text.ask_en)
        assert placeholders(text.ask_de) == placeholders(text.ask_en)
        assert bool(text.own_de) == bool(text.own_en)
        assert placeholders(text.own_de) == placeholders(text.own_en)

    @pytest.mark.parametrize(("place", "text"), SAYINGS, ids=[place for place, _ in SAYINGS])
    def test_uses_plain_placeholders(self, place: str, text: Text) -> None:
        """The sentences fill ``{name}`` and nothing cleverer; anything else would be printed."""
        for template in (text.de, text.en, text.ask_de, text.ask_en, text.own_de, text.own_en):
            for _, name, spec, conversion in string.Formatter().parse(template):
                assert name is None or re.fullmatch(r"[a-z_]+", name), place
                assert not spec
                assert not conversion
            assert "{{" not in template
            assert "}}" not in template

    @pytest.mark.parametrize("entry", ENTRIES, ids=by_id)
    def test_describes_every_requirement(self, entry: Requirement) -> None:
        """The certificate shows these words for every entry; none may be empty or copied over."""
        for field in ("title", "expected", "meaning", "request"):
            de, en = getattr(entry.de, field), getattr(entry.en, field)
            assert de.strip()
            assert en.strip()
            assert not placeholders(de)
            assert not placeholders(en)
        assert entry.de.expected != entry.en.expected

    @pytest.mark.parametrize("entry", ENTRIES, ids=by_id)
    def test_can_say_every_cause(self, entry: Requirement, catalogue: Catalogue) -> None:
        """A cause without a sentence would end the run where the certificate is written."""
        silent = set()
        for cause in (*entry.causes, *entry.unclear, "internal-error", "not-run"):
            if "dns" in entry.texts and cause in NO_NAME_CAUSES:
                continue
            try:
                catalogue.text(entry.id, cause)
            except KeyError:
                silent.add(cause)

        assert not silent

    @pytest.mark.parametrize("entry", ENTRIES, ids=by_id)
    def test_has_no_text_without_a_cause(self, entry: Requirement) -> None:
        """A sentence for a cause that cannot be is a cause that was forgotten."""
        known = {*entry.causes, *entry.unclear}

        assert {key.partition(".")[0] for key in entry.texts} - {"dns"} <= known

    @pytest.mark.parametrize("entry", ENTRIES, ids=by_id)
    def test_tells_what_to_do(self, entry: Requirement) -> None:
        """Every failure comes with something that the administrator or the tester can do."""
        assert all(text.ask_en or text.own_en for text in entry.texts.values())
        assert all(text.ask_en for text in entry.texts.values() if text.rule)

    def test_keeps_to_the_closed_list_of_causes(self, catalogue: Catalogue) -> None:
        """Readers of certificates rely on the list of causes."""
        failing = {cause for entry in catalogue.requirement for cause in entry.causes}
        unclear = {cause for entry in catalogue.requirement for cause in entry.unclear}

        assert failing <= CAUSES
        assert unclear <= UNCLEAR

    def test_can_say_every_obstacle(self, catalogue: Catalogue) -> None:
        """Whatever keeps a probe from asking can hit every requirement."""
        obstacles = get_args(get_type_hints(CannotMeasure)["cause"])

        assert set(obstacles) == UNCLEAR
        for cause in obstacles:
            for command in ("", "setcap x"):
                key = obstacle(cannot(cause, command=command)).text
                assert key in catalogue.common.texts
                for entry in catalogue.requirement:
                    assert catalogue.text(entry.id, key).own_en

    def test_lists_what_the_source_documents(self, catalogue: Catalogue) -> None:
        """Levels and directions are the manufacturer's, not ours to move."""
        table = {(entry.id, entry.level, entry.direction) for entry in catalogue.requirement}

        assert table == {
            ("DHCP-01", "required", "lan"),
            ("NTP-01", "required", "outbound"),
            ("DNS-01", "required", "outbound"),
            ("HTTPS-01", "required", "outbound"),
            ("PING-01", "optional", "outbound"),
            ("DIAG-01", "required", "internal"),
            ("CONN-01", "required", "internal"),
            ("MDNS-01", "optional", "internal"),
            ("LLMNR-01", "optional", "internal"),
            ("PING-02", "optional", "internal"),
            ("SSH-01", "optional", "internal"),
        }
        assert {entry.id for entry in catalogue.requirement} == IDS

    def test_asks_about_a_cube_only_inside(self, catalogue: Catalogue) -> None:
        """Readiness drops the internal direction; nothing about a CUBE may be left over."""
        for entry in catalogue.requirement:
            assert (entry.about == "cube") == (entry.direction == "internal")


# What the case files say, read from their source.

Kind = Literal["fail", "inconclusive", "note"]


class Saying(NamedTuple):
    """One place where a case speaks."""

    place: str
    requirements: frozenset[str]
    kind: Kind
    cause: str
    key: str
    facts: frozenset[str] | None
    """None where not every fact stands there literally."""


@cache
def trees() -> dict[str, ast.Module]:
    """The source of every case file and of what they share."""
    return {path.stem: ast.parse(path.read_text("utf-8")) for path in ROOT.glob("tests/*.py")}


@cache
def functions() -> dict[str, tuple[str, ast.FunctionDef]]:
    """Every function of the case files by its name; names are unique across the files."""
    found: dict[str, tuple[str, ast.FunctionDef]] = {}
    for module, tree in trees().items():
        for node in tree.body:
            if isinstance(node, ast.FunctionDef):
                assert node.name not in found, node.name
                found[node.name] = module, node
    return found


def requirement_of(function: ast.FunctionDef) -> str | None:
    """The id in the requirement marker of a case function."""
    for decorator in function.decorator_list:
        if (
            isinstance(decorator, ast.Call)
            and ast.unparse(decorator.func) == "pytest.mark.requirement"
            and isinstance(decorator.args[0], ast.Constant)
        ):
            return str(decorator.args[0].value)
    return None


def reached_from(name: str) -> set[str]:
    """Every function of the case files that a function uses, itself included."""
    reached, waiting = set(), [name]
    while waiting:
        current = waiting.pop()
        if current in reached:
            continue
        reached.add(current)
        used = {node.id for node in ast.walk(functions()[current][1]) if isinstance(node, ast.Name)}
        waiting += used & functions().keys()
    return reached


@cache
def speakers() -> dict[str, frozenset[str]]:
    """For every function, the requirements whose case can get there."""
    found: dict[str, set[str]] = {name: set() for name in functions()}
    for name, (_, node) in functions().items():
        requirement = requirement_of(node)
        if requirement:
            for reached in reached_from(name):
                found[reached].add(requirement)
    return {name: frozenset(requirements) for name, requirements in found.items()}


def literal(node: ast.expr | None) -> str | None:
    """The text of a literal; None for anything that is worked out."""
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def facts_of(call: ast.Call, function: ast.FunctionDef) -> frozenset[str] | None:
    """The names of the facts in a call, ``**where`` looked up where it is a literal dictionary."""
    names = set()
    for keyword in call.keywords:
        if keyword.arg:
            names.add(keyword.arg)
            continue
        tables = [
            node.value
            for node in ast.walk(function)
            if isinstance(node, ast.Assign | ast.AnnAssign)
            and ast.unparse(node.targets[0] if isinstance(node, ast.Assign) else node.target)
            == ast.unparse(keyword.value)
        ]
        if len(tables) != 1 or not isinstance(tables[0], ast.Dict):
            return None
        keys = [literal(key) for key in tables[0].keys]
        if None in keys:
            return None
        names |= {key for key in keys if key}
        if any(
            isinstance(node, ast.AugAssign)
            and ast.unparse(node.target) == ast.unparse(keyword.value)
            for node in ast.walk(function)
        ):
            return None
    return frozenset(names)


def sayings() -> list[Saying]:
    """Every ``judge.fail``, ``judge.inconclusive`` and ``judge.note`` of the case files."""
    found = []
    for name, (module, function) in functions().items():
        for node in ast.walk(function):
            if not isinstance(node, ast.Call):
                continue
            said = ast.unparse(node.func)
            if said not in {"judge.fail", "judge.inconclusive", "judge.note"}:
                continue
            cause = literal(node.args[0])
            text = node.args[1] if len(node.args) > 1 else None
            choices = (
                [literal(text.body), literal(text.orelse)]
                if isinstance(text, ast.IfExp)
                else [literal(text) if text else ""]
            )
            for choice in choices:
                key = choice or (cause if choice == "" else None)
                if key is None:
                    continue
                found.append(
                    Saying(
                        place=f"{module}.{name}:{node.lineno}",
                        requirements=speakers()[name],
                        kind=said.removeprefix("judge."),  # type: ignore[arg-type]
                        cause=cause or "",
                        key=key,
                        facts=facts_of(node, function),
                    )
                )
    return found


def words_said() -> set[str]:
    """Every literal ``Word`` of the case files."""
    return {
        text
        for tree in trees().values()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "Word"
        for text in [literal(node.args[0])]
        if text
    }


def written(catalogue: Catalogue, entry: Requirement, saying: Saying) -> Text | None:
    """The text for exactly what a case says; None where a requirement has none."""
    if saying.kind == "note":
        return entry.notes.get(saying.key)
    return entry.texts.get(saying.key) or catalogue.common.texts.get(saying.key)


SAID = sayings()
SAID_IDS = [f"{saying.place}-{saying.key}" for saying in SAID]


class TestWhatCasesSay:
    """A case must not speak of what the catalogue has no words for."""

    def test_every_requirement_has_one_case(self) -> None:
        """The case files and the catalogue name the same requirements."""
        marked = [requirement_of(node) for _, node in functions().values()]

        assert sorted(filter(None, marked)) == sorted(IDS)

    def test_something_is_read(self) -> None:
        """If the reading breaks, the tests below would pass on nothing."""
        assert len(SAID) > 30
        assert {saying.kind for saying in SAID} == {"fail", "inconclusive", "note"}
        assert len([saying for saying in SAID if saying.facts is not None]) > 20

    @pytest.mark.parametrize("saying", SAID, ids=SAID_IDS)
    def test_has_words_for_it(self, saying: Saying, catalogue: Catalogue) -> None:
        """A key that no requirement knows would end the run where the certificate is written."""
        knowing = [
            entry
            for entry in map(catalogue.__getitem__, saying.requirements)
            if written(catalogue, entry, saying)
        ]

        assert knowing, f"{saying.place} says {saying.key}"

    @pytest.mark.parametrize("saying", SAID, ids=SAID_IDS)
    def test_names_a_cause_that_the_requirement_has(
        self, saying: Saying, catalogue: Catalogue
    ) -> None:
        """The catalogue lists what can go wrong; a case must not know more."""
        entries = [catalogue[requirement] for requirement in saying.requirements]
        if saying.kind == "note" or not saying.cause:
            return
        known = (
            {cause for entry in entries for cause in entry.causes}
            if saying.kind == "fail"
            else {cause for entry in entries for cause in entry.unclear} | {"internal-error"}
        )

        assert saying.cause in known

    @pytest.mark.parametrize("saying", SAID, ids=SAID_IDS)
    def test_supplies_the_facts(self, saying: Saying, catalogue: Catalogue) -> None:
        """A fact that the sentence wants and the case does not give shows as a dash."""
        if saying.facts is None:
            return
        for entry in map(catalogue.__getitem__, saying.requirements):
            text = written(catalogue, entry, saying)
            if text is None:
                continue
            wanted = frozenset().union(*map(placeholders, (text.de, text.ask_de, text.own_de)))
            assert wanted <= saying.facts, f"{saying.place} for {entry.id}"

    def test_knows_every_word(self, catalogue: Catalogue) -> None:
        """A word that cannot be translated would end the run where the certificate is written."""
        assert words_said() <= catalogue.common.words.keys()

    def test_says_every_note(self, catalogue: Catalogue) -> None:
        """A note that no case says is dead, or was forgotten in the case."""
        said = {
            (requirement, saying.key)
            for saying in SAID
            if saying.kind == "note"
            for requirement in saying.requirements
        }

        for entry in catalogue.requirement:
            assert {(entry.id, code) for code in entry.notes} <= said
