"""Where the acceptance cases are that belong to this package."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from cube_acceptance import entry
from cube_acceptance.entry import is_suite
from cube_acceptance.site import SiteError
from cube_acceptance.suite import PROJECT

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Another checkout of the suite."""
    marker = tmp_path / "other" / "fixtures" / "given.py"
    marker.parent.mkdir(parents=True)
    marker.touch()
    return tmp_path / "other"


class TestIsSuite:
    """Whose cases may judge."""

    def test_of_an_installed_checkout(self, checkout: Path, tmp_path: Path) -> None:
        """Its own and no others, by whatever path."""
        (tmp_path / "link").symlink_to(PROJECT)

        assert is_suite(PROJECT)
        assert is_suite(tmp_path / "link")
        assert not is_suite(checkout)
        assert not is_suite(tmp_path / "nowhere")

    def test_that_is_gone(self, checkout: Path, tmp_path: Path) -> None:
        """A package without its cases takes no others in their place."""
        assert not is_suite(checkout, project=tmp_path / "suite")


class TestWhatWasMeant:
    """An option that is nearly one, and a site file in a test's place."""

    def early(
        self, folder: Path, unknown: tuple[str, ...] = (), words: tuple[str, ...] = (), by: str = ""
    ) -> Any:  # noqa: ANN401 - as much of pytest's configuration as is asked for
        """Be started in a folder with these words."""
        return SimpleNamespace(
            known_args_namespace=SimpleNamespace(file_or_dir=list(words), started_as=by),
            invocation_params=SimpleNamespace(dir=folder),
            rootpath=folder,
            _parser=SimpleNamespace(parse_known_and_unknown_args=lambda _: (None, [*unknown])),
        )

    @pytest.mark.parametrize(
        ("unknown", "words", "by", "said"),
        [
            (("--stie=x",), (), "", "no option --stie; did you mean --site?"),
            (("--repotrs", "x"), (), "", "did you mean --reports?"),
            ((), ("werk.toml",), "", "did you mean: pytest --site werk.toml"),
            ((), ("Werk.YAML",), "run", "did you mean: cube-acceptance --site Werk.YAML"),
        ],
    )
    def test_is_said(
        self, unknown: tuple[str, ...], words: tuple[str, ...], by: str, said: str
    ) -> None:
        """And nothing is run."""
        with pytest.raises(pytest.UsageError, match=re.escape(said)):
            entry._check_options(self.early(PROJECT, unknown, words, by), [])

    def test_before_anything_is_loaded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """In the language of who typed it."""
        monkeypatch.setattr(entry.computer, "told", lambda: "de")
        early = self.early(PROJECT, ("--stie",))
        with pytest.raises(pytest.UsageError, match="gemeint ist wohl --site"):
            next(entry.pytest_load_initial_conftests(early, []))

    def test_what_pytest_knows_better(self, tmp_path: Path) -> None:
        """Options of other plugins, and other people's projects."""
        entry._check_options(self.early(PROJECT, ("--timeout=3",), ("tests",)), [])
        entry._check_options(self.early(tmp_path, ("--stie",), ("x.toml",)), [])


class TestLanguage:
    """A usage error speaks its reader's language."""

    @pytest.mark.parametrize(
        ("option", "own", "said"),
        [
            (None, "de", "werk.toml: cube: fehlt. x schreiben."),
            ("en", "de", "werk.toml: cube: is missing. Write x."),
            (None, None, "werk.toml: cube: is missing. Write x."),
        ],
    )
    def test_of_a_session(
        self, monkeypatch: pytest.MonkeyPatch, option: str | None, own: str | None, said: str
    ) -> None:
        """By ``--lang``, else by this computer, else English."""
        monkeypatch.setattr(entry.computer, "told", lambda: own)
        config = SimpleNamespace(known_args_namespace=SimpleNamespace(lang=option))
        cause = SiteError(file="werk.toml", key="cube", problem="is missing", hint="Write x")
        error = pytest.UsageError(str(cause))
        error.__cause__ = cause
        session = entry.pytest_cmdline_main(config)  # type: ignore[arg-type]
        next(session)
        with pytest.raises(pytest.UsageError) as end:
            session.throw(error)

        assert str(end.value) == said

    def test_a_session_without_one(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """It is left alone."""
        monkeypatch.setattr(entry.computer, "told", lambda: "de")
        session = entry.pytest_cmdline_main(None)  # type: ignore[arg-type]
        next(session)
        with pytest.raises(StopIteration) as end:
            session.send(3)

        assert end.value.value == 3
