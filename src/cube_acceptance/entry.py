"""What pytest loads before it looks for a project: the command line options.

They have to be known this early. pytest takes the value of an option that it does not know for
a path to be tested, and would look for the project beside a site file that lies elsewhere.
"""

from __future__ import annotations

import argparse
import difflib
from typing import TYPE_CHECKING

import pytest
from _pytest.config.findpaths import determine_setup

from cube_acceptance import meant, started
from cube_acceptance.output import make_lasting
from cube_acceptance.site import SiteError
from cube_acceptance.suite import PROJECT
from cube_acceptance.text import computer, usage

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

SITE_FILES = (".toml", ".yaml", ".yml")
"""How the name of a file ends that somebody takes for a site file."""

NEAR = 0.7
"""How near a word must be to an option that was probably meant (difflib)."""

STEERING = ("addopts", "pythonpath")
"""Settings that have worked before anybody can take them back."""

OPTIONS = ("site", "cube", "reports", "replay", "sign", "pdf", "replaces")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the command line options."""
    group = parser.getgroup("cube-acceptance", "acceptance of a network for a HOMAG CUBE")
    group.addoption(
        "--site", action="append", metavar="FILE", help="the site file that says what to test"
    )
    group.addoption(
        "--cube", action="append", metavar="ADDRESS", help="test one CUBE, all else at its default"
    )
    group.addoption(
        "--reports",
        metavar="DIR",
        help="where the run's folder goes (default: reports/)",
    )
    group.addoption(
        "--lang",
        choices=("de", "en"),
        help="language of terminal and certificate (default: the site file's or computer's)",
    )
    group.addoption("--sign", metavar="KEY", help="sign the certificate with this OpenSSH key")
    group.addoption(
        "--pdf", action="store_true", help="print the certificate to PDF with an installed browser"
    )
    group.addoption(
        "--replay",
        action="append",
        metavar="FILE",
        help="judge a saved evidence.json instead of measuring",
    )
    group.addoption(
        "--replaces",
        metavar="FOLDER",
        help="name the certificate of that run as the one that this one replaces",
    )
    group.addoption(started.MARK, default="", help=argparse.SUPPRESS)


def is_suite(folder: Path, project: Path = PROJECT) -> bool:
    """Whether a folder holds the cases that belong to this package.

    The certificate names its version and commit, so cases that lie elsewhere must not judge.
    """
    return folder.exists() and project.exists() and folder.samefile(project)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(
    early_config: pytest.Config, args: list[str]
) -> Generator[None, object, object]:
    """Find the project, and let no output end its run, before pytest looks at either.

    Raises:
        UsageError: our options are used outside the suite's folder, or without its plugins; a
            word is no option's.
    """
    try:
        _check_options(early_config, args)
        _find_project(early_config, args)
    except pytest.UsageError as error:
        raise _in_the_users_language(error, early_config) from error
    if is_suite(early_config.rootpath):
        make_lasting()
    return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> Generator[None, object, object]:
    """Let usage errors speak the user's language.

    Raises:
        UsageError: that of the session, in other words.
    """
    try:
        return (yield)
    except pytest.UsageError as error:
        raise _in_the_users_language(error, config) from error


def _in_the_users_language(error: pytest.UsageError, config: pytest.Config) -> pytest.UsageError:
    """Say a usage error in the language of ``--lang``, else in this computer's, else in English."""
    told = getattr(config.known_args_namespace, "lang", None)
    language = told or computer.told() or "en"
    if isinstance(error.__cause__, SiteError):
        return pytest.UsageError(usage.site_error(error.__cause__, language))
    return pytest.UsageError(*(usage.said(str(text), language) for text in error.args))


def _check_options(early_config: pytest.Config, args: list[str]) -> None:
    """Refuse an option that is nearly one of ours, and a site file in a test's place.

    Raises:
        UsageError: says what was probably meant.
    """
    known = early_config.known_args_namespace
    folder = early_config.invocation_params.dir
    if not (known.started_as or is_suite(early_config.rootpath) or is_suite(folder)):
        return
    ours = [f"--{option}" for option in (*OPTIONS, "lang")]
    _, unknown = early_config._parser.parse_known_and_unknown_args(args)  # noqa: SLF001 - see above
    for word in unknown:
        option = word.partition("=")[0]
        near = difflib.get_close_matches(option, ours, n=1, cutoff=NEAR)
        if near:
            raise pytest.UsageError(f"there is no option {option}; did you mean {near[0]}?")
    for word in known.file_or_dir:
        if word.lower().endswith(SITE_FILES):
            name = started.COMMAND if known.started_as else started.PYTEST
            raise pytest.UsageError(
                f"{word} is a site file and no test; did you mean: {name} --site {word}"
            )


def _find_project(early_config: pytest.Config, args: list[str]) -> None:
    """Find the project again where the value of one of our options led pytest astray.

    pytest settles its root before it loads plugins and has no public way to repeat that; this
    repeats it with the options known, by the same function that pytest uses.
    """
    known = early_config.known_args_namespace
    if known.started_as:
        _check_words(known.file_or_dir)
    if not any(getattr(known, option) for option in OPTIONS):
        return
    for plugin in ("cube_acceptance.plugin", "fixtures.given"):
        if known.noconftest or early_config.pluginmanager.is_blocked(plugin):
            raise pytest.UsageError(f"without {plugin} nothing is judged; let pytest load it")
    rootpath, inipath, settings, _ = determine_setup(
        inifile=known.inifilename,
        override_ini=known.override_ini,
        args=known.file_or_dir,
        rootdir_cmd_arg=known.rootdir or None,
        invocation_dir=early_config.invocation_params.dir,
    )
    if not is_suite(rootpath):
        raise pytest.UsageError(
            f"there is no acceptance suite in {rootpath}; start it by {started.COMMAND} with the "
            f"same options, or change to its folder first: cd {PROJECT}"
        )
    if (rootpath, inipath) == (early_config.rootpath, early_config.inipath):
        return
    for name in STEERING:
        value = early_config._inicfg.get(name)  # noqa: SLF001 - see above
        if value and value.origin == "file":
            raise pytest.UsageError(
                f"pytest took {name} from {early_config.inipath}, which has no say here; "
                "write options with an equals sign, as in --site=FILE, or move that file away"
            )
    early_config._rootpath = rootpath  # noqa: SLF001 - see above
    early_config._inipath = inipath  # noqa: SLF001
    early_config._inicfg = settings  # noqa: SLF001
    early_config._inicache.clear()  # noqa: SLF001
    early_config._configure_python_path()  # noqa: SLF001
    args[:0] = early_config.getini("addopts")
    known.confcutdir = str(rootpath)


def _check_words(words: list[str]) -> None:
    """Refuse what stands among the options of the console command and belongs to none of them."""
    stray = [word for word in words if word != started.cases()]
    if stray:
        raise pytest.UsageError(meant.sentence(stray[0], ()))
