"""Folders of every released version verify for ever."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cube_acceptance import again, suite, verify
from cube_acceptance.siblings import BrokenError

KEPT = sorted(Path(__file__).parents[1].joinpath("released").glob("*/*/"))
VERDICTS = {"accepted": "passed", "rejected": "not passed", "signed": "passed"}


def name_of(folder: Path) -> str:
    """Name a kept folder by its version and kind."""
    return f"{folder.parent.name} {folder.name}"


def word_changed(path: Path, old: str, new: str) -> None:
    """Change a word of a file that has it."""
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")


@pytest.fixture(scope="module")
def later(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This suite with another word in the catalogue, the style sheet and the page."""
    project = tmp_path_factory.mktemp("later")
    for name in suite.JUDGING:
        source, target = suite.PROJECT / name, project / name
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    package = project / "src" / "cube_acceptance"
    word_changed(package / "requirements.toml", "Zeitserver", "Uhrenserver")
    word_changed(package / "certificate" / "style.css", "#48545f", "#48545e")
    word_changed(
        package / "certificate" / "templates" / "certificate.jinja", 'class="end"', 'class="ende"'
    )
    return project


def test_some_are_kept() -> None:
    """Three of each version."""
    assert len(KEPT) >= 6
    assert {folder.name for folder in KEPT} == set(VERDICTS)


@pytest.mark.parametrize("folder", KEPT, ids=name_of)
def test_verifies(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing of it is called false, and its verdict is named."""
    assert verify.main([str(folder), "--lang", "en"]) == 0
    said = capsys.readouterr().out

    assert said.startswith(f"says: Simulation {VERDICTS[folder.name]}, SIMULATED")
    assert ("signature: not signed" in said) == (folder.name != "signed")


@pytest.mark.parametrize("folder", KEPT, ids=name_of)
def test_verifies_after_a_change_of_words_style_and_page(folder: Path, later: Path) -> None:
    """The next version says which made it; what it would judge differently is information."""
    done = subprocess.run(
        [sys.executable, "-m", "cube_acceptance", "verify", str(folder), "--lang", "en"],
        env=os.environ | {"PYTHONPATH": str(later / "src")},
        cwd=later,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "does not hold" not in done.stdout
    assert "outcomes: made by version 0.1.0 " in done.stdout


@pytest.mark.parametrize("name", ["certificate.json", "certificate.html", "evidence.json"])
@pytest.mark.parametrize("folder", KEPT, ids=name_of)
def test_a_change_is_found(
    folder: Path, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In whatever file it was made, where a hash, a signature or the verdict binds it."""

    def unable(_language: str, _folder: Path) -> again.Again:
        raise BrokenError("not judged again here")

    monkeypatch.setattr(again, "judge_again", unable)
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    assert not any(one.wrong for one in verify.verify(copy))
    kind = "rejected" if folder.name == "rejected" else "accepted"
    other = "accepted" if kind == "rejected" else "rejected"
    text = (copy / name).read_text("utf-8")
    if name == "certificate.json":
        text = text.replace(f'"verdict": "{kind}"', f'"verdict": "{other}"')
    else:
        text = text.replace("127.0.0.1", "127.0.0.3")
    (copy / name).write_text(text, "utf-8")
    bound = name != "certificate.html" or folder.parent.name != "before-0.1.0"

    assert any(one.wrong for one in verify.verify(copy)) == bound
