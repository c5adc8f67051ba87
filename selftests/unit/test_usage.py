"""What is said beside a certificate, in German: every sentence of ours has its own."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cube_acceptance import refusals
from cube_acceptance.site import SiteError, load, values
from cube_acceptance.text import usage

if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCE = Path(__file__).parents[2] / "src" / "cube_acceptance"
MODULES = (
    *("site/load.py", "site/values.py", "logins.py", "method.py"),
    *("plugin.py", "arguments.py", "refusals.py", "entry.py"),
    *("verify.py", "siblings.py", "again.py", "summary/checking.py", "summary/rows.py"),
    *("certificate/signature.py", "probes/net/dhcp_message.py", "commands/run.py"),
)
SAYING = {
    *("Complaint", "SiteError", "error", "UsageError", "_NoSecretError"),
    *("BrokenError", "SignatureError", "_complain"),
}
"""What is called with a sentence about a command line, a site file or a folder."""
NAMES = {"hint", "problem", "detail"}
"""Variables that hold such a sentence."""
NOTING = re.compile("check_.*|trouble")
"""Functions that return one."""
COMMANDS = (*SOURCE.glob("commands/*.py"), SOURCE / "summary/command.py", SOURCE / "verify.py")
HELPING = {"help", "description", "epilog", "lang"}
"""What commands say of themselves and their options."""


def template(node: ast.expr) -> str:
    """A sentence's text with a stand-in for each fact; empty where it is not written there."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(
                part.value if isinstance(part, ast.Constant) else f"X{number}"
                for number, part in enumerate(parts)
            )
    return ""


def sentences(module: str) -> Iterator[str]:
    """Every sentence that a module refuses something with."""
    for node in ast.walk(ast.parse((SOURCE / module).read_text("utf-8"))):
        given: list[ast.expr] = []
        if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in SAYING:
            given = [*node.args, *(one.value for one in node.keywords if one.arg != "key")]
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in NAMES:
            given = [node.value]
        if isinstance(node, ast.FunctionDef) and NOTING.fullmatch(node.name):
            given = [
                one.value for one in ast.walk(node) if isinstance(one, ast.Return) and one.value
            ]
        for one in given:
            text = template(one)
            # What only puts parts together, and half a hint, are no sentences.
            if len(re.sub(r"X\d+|--[a-z]+|\W", "", text)) > 3 and not text.startswith((",", "X0;")):
                yield text


def help_texts() -> Iterator[str]:
    """Every text that a command's ``--help`` shows."""
    for path in (*COMMANDS, SOURCE / "outside.py", SOURCE / "text/options.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.keyword) and node.arg in HELPING:
                yield template(node.value)


OURS = sorted(
    {text for module in MODULES for text in sentences(module)}
    | {f"X0 {problem}" for _, problem, _ in values._NO_HOST_NAMES}
    | {hint for _, _, hint in values._NO_HOST_NAMES}
    | {hint for _, _, hint in load._SCALARS.values()}
    | {*load._KINDS.values(), *values._NO_HOSTS, load._READ_ABOUT_IT}
    | {load._WRITE_STRAIGHT, load._WRITE_TOML, values._WRITE_HOST}
    | {f"-p no:X0: {reason}" for reason in refusals.NEEDED.values()}
    | {"It belongs into [site]", "Did you mean `name`?", "Known here: name"}
)


@pytest.mark.parametrize("sentence", OURS)
def test_has_a_german_sentence(sentence: str) -> None:
    """A new refusal gets one as well; what it is about is in it."""
    german = usage.said(sentence, "de")

    assert german != sentence
    assert re.findall(r"X\d", german) or not re.findall(r"X\d", sentence)
    assert usage.said(sentence, "en") == sentence


@pytest.mark.parametrize("text", sorted({*help_texts()} - {""}))
def test_help_has_a_german_text_of_its_own(text: str) -> None:
    """Whoever asks for help in German gets none of it in English, and nothing half translated."""
    patterns = {pattern.pattern: german for pattern, german in usage.sentences()}

    assert patterns.get(re.escape(text)) or text.startswith("default: ")


@pytest.mark.parametrize(
    ("english", "german"),
    [
        (
            "junit.xml: file missing; a b: of other origin",
            "junit.xml: Datei fehlt; a b: of other origin",
        ),
        ("--sign: there is no key k", "--sign: einen Schlüssel k gibt es nicht"),
        (
            "'127.0.0.1' is this computer itself, not the address of a host",
            "'127.0.0.1' ist dieser Computer selbst, nicht die Adresse eines Rechners",
        ),
        ("unrecognized arguments: --foo", "nicht zu verstehen: --foo"),
        (
            "made by version 1; this one, 2, would judge differently: a fail instead of pass",
            "gemacht von Version 1; diese, 2, würde anders urteilen: a fail statt pass",
        ),
        ("a x instead of y, b y instead of x", "a x statt y, b y statt x"),
        ("something that pytest says", "something that pytest says"),
        ("x" * 3000, "x" * 3000),
    ],
)
def test_what_is_in_it(english: str, german: str) -> None:
    """The option in front, a word in the middle, and what is pytest's own."""
    assert usage.said(english, "de") == german


def test_of_a_site_file() -> None:
    """File and key stay, problem and hint are said."""
    error = SiteError(file="werk.toml", key="cube", problem="is missing", hint="Write x")

    assert usage.site_error(error, "de") == "werk.toml: cube: fehlt. x schreiben."
    assert usage.site_error(error, "en") == str(error)
