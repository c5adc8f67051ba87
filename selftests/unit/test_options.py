"""Refusals of the commands: in the language that is asked for, and never half in another."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import pytest

from cube_acceptance import commands
from cube_acceptance.text.options import Options, asked

if TYPE_CHECKING:
    from pathlib import Path


class TestAsked:
    """Which language a command line asks for."""

    @pytest.mark.parametrize(
        ("arguments", "language"),
        [
            (["--lang", "en"], "en"),
            (["a", "--lang=de"], "de"),
            (["--lang", "fr"], "de"),
            (["--lang"], "de"),
            ([], "de"),
        ],
    )
    def test_the_option_counts_before_the_computer(
        self, arguments: list[str], language: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It is looked up before anything is parsed: what is parsed may be what is wrong."""
        monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")

        assert asked(arguments) == language

    def test_english_where_nobody_says(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """As for the options of a run."""
        monkeypatch.setenv("LC_ALL", "fr_FR.UTF-8")

        assert asked([]) == "en"


@pytest.mark.parametrize(
    ("arguments", "german", "english"),
    [
        (["letter"], "Fehler: es fehlt: --site", "--site"),
        (["letter", "--site", "no.toml"], "diese Datei gibt es nicht", "no such file"),
        (["compare", "no", "no"], "no: Datei oder Ordner gibt es nicht", "No such file"),
        (["compare", ".", "."], ".: certificate.json: Datei fehlt", "file missing"),
        (["compare", "a", "b", "--foo"], "nicht zu verstehen: --foo", "--foo"),
        (["summary", ".", "--format", "x"], "--format: 'x' gibt es nicht", "invalid choice"),
        (["summary", "no"], "no: Datei oder Ordner gibt es nicht", "No such file"),
        (["verify", "no"], "no: diesen Ordner gibt es nicht", "there is no such folder"),
        (["outside", "x"], "x ist keine IPv4-Adresse", "is no IPv4 address"),
        (["outside", "10.0.0.1"], "ist keine öffentliche Adresse", "is no public address"),
        (["explain", "XX"], "XX: diese Anforderung gibt es nicht", "no such requirement"),
        (["explain", "NTP-01", "x"], "x: das ist keine Ursache von NTP-01", "no cause of"),
        (["watch"], "eine dieser Optionen fehlt: --site --cube", "--site --cube"),
        (["watch", "--cube", "a", "--site", "b"], "schließen einander aus", "--cube"),
        (["init", "--interface", "no0"], "eine Schnittstelle no0 gibt es nicht", "no interface"),
        (["verfy"], "gemeint ist wohl: cube-acceptance verify", "did you mean"),
    ],
)
def test_speaks_the_users_language(
    arguments: list[str],
    german: str,
    english: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What is wrong is said whole; it ends as usage errors do."""
    monkeypatch.chdir(tmp_path)
    said = []
    for language in ("de_DE.UTF-8", "en_GB.UTF-8"):
        monkeypatch.setenv("LC_ALL", language)
        assert commands.main(arguments) == 4
        said.append(capsys.readouterr().err)

    assert german in said[0]
    assert english in said[1]
    assert german not in said[1]
    assert not {"error:", "argument", "usage:"} & set(said[0].splitlines()[-1].split())


def test_what_argparse_may_say_tomorrow_stays_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    """A sentence without a German one is better in English than lost."""
    parser = Options(["--lang", "de"], prog="cube-acceptance x", description="", epilog="")

    with pytest.raises(SystemExit):
        parser.error("some new sentence")

    assert isinstance(parser, argparse.ArgumentParser)
    said = capsys.readouterr().err
    assert said.startswith("Aufruf: cube-acceptance x")
    assert said.endswith("cube-acceptance x: Fehler: some new sentence\n")
