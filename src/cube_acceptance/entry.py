"""What pytest loads before it looks for a project: the command line options.

They have to be known this early. pytest takes the value of an option that it does not know for
a path to be tested, and would look for the project beside a site file that lies elsewhere.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from _pytest.config.findpaths import determine_setup

from cube_acceptance.output import make_lasting

if TYPE_CHECKING:
    from collections.abc import Generator

PROJECT = Path(__file__).parents[2]
"""The checkout that this suite is installed from."""

STEERING = ("addopts", "pythonpath")
"""Settings that have worked before anybody can take them back."""

OPTIONS = ("site", "cube", "reports", "replay", "sign", "pdf")


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
        default="",
        help="where the run's folder goes (default: reports/)",
    )
    group.addoption(
        "--lang",
        choices=("de", "en"),
        help="language of terminal and certificate (default: the site file's, else de)",
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


def is_suite(folder: Path, project: Path = PROJECT) -> bool:
    """Tell whether a folder holds the cases that belong to this package.

    Where the package was installed from a checkout, that is the one: the certificate names its
    version and commit, so cases that lie elsewhere must not judge.
    """
    marker = Path("fixtures") / "given.py"
    if (project / marker).exists():
        return folder.exists() and folder.samefile(project)
    return (folder / marker).exists()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(
    early_config: pytest.Config, args: list[str]
) -> Generator[None, object, object]:
    """Find the project, and let no output end its run, before pytest looks at either.

    Raises:
        UsageError: our options are used outside a checkout of the suite, or without its plugins.
    """
    _find_project(early_config, args)
    if is_suite(early_config.rootpath):
        make_lasting()
    return (yield)


def _find_project(early_config: pytest.Config, args: list[str]) -> None:
    """Find the project again where the value of one of our options led pytest astray.

    pytest settles its root before it loads plugins and has no public way to repeat that; this
    repeats it with the options known, by the same function that pytest uses.
    """
    known = early_config.known_args_namespace
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
            f"there is no acceptance suite in {rootpath}; change to its folder first: cd {PROJECT}"
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
