"""What pytest loads before it looks for a project: the command line options.

They have to be known this early. pytest takes the value of an option that it does not know for
a path to be tested, and would look for the project beside a site file that lies elsewhere.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from _pytest.config.findpaths import determine_setup

PROJECT = Path(__file__).parents[2]
"""The checkout that this suite is installed from."""

OPTIONS = ("site", "cube", "reports", "replay", "sign", "pdf")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the command line options."""
    group = parser.getgroup("cube-acceptance", "acceptance of a network for a HOMAG CUBE")
    group.addoption("--site", metavar="FILE", help="the site file that says what to test")
    group.addoption("--cube", metavar="ADDRESS", help="test one CUBE, all else at its default")
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
        "--replay", metavar="FILE", help="judge a saved evidence.json instead of measuring"
    )


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config, args: list[str]) -> None:
    """Find the project again where the value of one of our options led pytest astray.

    pytest settles its root before it loads plugins and has no public way to repeat that; this
    repeats it with the options known, by the same function that pytest uses.

    Raises:
        UsageError: our options are used outside a checkout of the suite.
    """
    known = early_config.known_args_namespace
    if not any(getattr(known, option) for option in OPTIONS):
        return
    rootpath, inipath, settings, _ = determine_setup(
        inifile=known.inifilename,
        override_ini=known.override_ini,
        args=known.file_or_dir,
        rootdir_cmd_arg=known.rootdir or None,
        invocation_dir=early_config.invocation_params.dir,
    )
    if not (rootpath / "fixtures" / "given.py").exists():
        raise pytest.UsageError(
            f"there is no acceptance suite in {rootpath}; change to its folder first: cd {PROJECT}"
        )
    if (rootpath, inipath) == (early_config.rootpath, early_config.inipath):
        return
    early_config._rootpath = rootpath  # noqa: SLF001 - see above
    early_config._inipath = inipath  # noqa: SLF001
    early_config._inicfg = settings  # noqa: SLF001
    early_config._inicache.clear()  # noqa: SLF001
    early_config._configure_python_path()  # noqa: SLF001
    args[:0] = early_config.getini("addopts")
    known.confcutdir = str(rootpath)
