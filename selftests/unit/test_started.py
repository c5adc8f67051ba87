"""The console command's way to pytest, and back to what was typed."""

from __future__ import annotations

from pathlib import Path

import pytest

from cube_acceptance import meant, started, suite

TYPED = ("--site", "werk ulm.toml", "-k", "NTP-01")
COMMANDS = ("outside", "run", "summary", "verify")


class TestArguments:
    """What pytest is given."""

    def test_name_the_suite_and_keep_what_was_typed_last(self) -> None:
        """Who types an option has the last word."""
        given = started.arguments(started.COMMAND, TYPED)

        assert given[-4:] == list(TYPED)
        assert given[given.index("-c") + 1] == str(suite.PROJECT / "pyproject.toml")
        assert str(suite.PROJECT / "tests") in given
        assert "no:cacheprovider" in given

    @pytest.mark.parametrize("option", ["--lf", "--cache-show=*", "--stepwise", "--sw-skip"])
    def test_remember_where_that_is_asked_for(self, option: str) -> None:
        """Beside the reports and not in an installation."""
        given = started.arguments(started.COMMAND, (option,))

        assert "no:cacheprovider" not in given
        assert f"cache_dir={Path.cwd() / '.pytest_cache'}" in given


class TestCommandLine:
    """The command line on the certificate."""

    @pytest.mark.parametrize("name", ["cube-acceptance", "cube-acceptance run"])
    @pytest.mark.parametrize("typed", [(), TYPED, ("--lf",)])
    def test_is_the_one_that_was_typed(self, name: str, typed: tuple[str, ...]) -> None:
        """Without what the command added."""
        given = tuple(started.arguments(name, typed))

        assert started.command_line(given) == (*name.split(), *typed)
        assert started.command_line(given, ["-x"]) == (*name.split(), "-x", *typed)

    def test_of_pytest(self) -> None:
        """In a checkout it is pytest's own."""
        assert started.command_line(TYPED, ["-x"]) == ("pytest", "-x", *TYPED)
        assert started.command_line(()) == ("pytest",)

    def test_bytes_that_are_no_text(self) -> None:
        """A file would not hold them; who reads it sees which byte it was."""
        assert started.command_line(("--reports=Pr\udcfcfung",)) == (
            "pytest",
            "--reports=Pr\\udcfcfung",
        )

    @pytest.mark.parametrize("place", [1, 3, 6])
    def test_hides_nothing(self, place: int) -> None:
        """Whoever writes the command's own options by hand finds them all on the certificate."""
        given = started.arguments(started.COMMAND, TYPED)
        given[place:place] = ["-p", "hostile"]

        assert started.command_line(tuple(given)) == ("pytest", *given)


class TestMeant:
    """What a word was probably meant to be."""

    @pytest.mark.parametrize(
        ("word", "hint"),
        [
            ("verfy", "did you mean: cube-acceptance verify"),
            ("Summery", "did you mean: cube-acceptance summary"),
            ("werk.toml", "did you mean: cube-acceptance --site werk.toml"),
            ("10.20.0.50", "did you mean: cube-acceptance --cube 10.20.0.50"),
            ("ntp-01", "did you mean: cube-acceptance -k ntp-01"),
            ("reports/x/evidence.json", "--replay reports/x/evidence.json"),
            ("reports/x/certificate.json", f"verify {Path('reports/x')}"),
            ("no\nidea" + 300 * "x", "see cube-acceptance --help"),
        ],
    )
    def test_is_guessed(self, word: str, hint: str) -> None:
        """By the form of the word; in one line, whatever the word is."""
        said = meant.sentence(word, COMMANDS)

        assert said.endswith(hint)
        assert "is not understood" in said
        assert "\n" not in said

    def test_is_a_finished_folder(self, tmp_path: Path) -> None:
        """Somebody wants to know whether it holds."""
        (tmp_path / "certificate.json").touch()

        assert meant.sentence(str(tmp_path), ()).endswith(f"verify {tmp_path}")
