"""What would keep a certificate from being written or believed, refused before anything is asked.

Every refusal is a usage error: a sentence that names what was given, and what to do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cube_acceptance.entry import is_suite

if TYPE_CHECKING:
    from collections.abc import Iterable

SETTINGS = "pyproject.toml"
"""The one file whose settings of pytest count, beside the root conftest."""

NO_CERTIFICATE = "without it no certificate can be written"
NOTHING_SHOWN = "without it the verdict is not shown; leave it out: -q shows less"
NEEDED = {
    "html": NO_CERTIFICATE,
    "metadata": NO_CERTIFICATE,
    "terminal": NOTHING_SHOWN,
    "terminalreporter": NOTHING_SHOWN,
}
"""Plugins that no session can do without, and why."""

OPTIONAL_PLUGINS = (("htmlpath", "pytest-html"), ("metadata", "pytest-metadata"))
"""Options by which plugins are known that pytest does not bring itself."""

ONCE = {
    "--reruns": ("reruns", ()),
    "--force-reruns": ("force_reruns", ()),
    "--max-suite-reruns": ("max_suite_reruns", ()),
    "--count": ("count", (1,)),
    "--force-flaky": ("force_flaky", ()),
    "--forked": ("forked", ()),
    "--boxed": ("boxed", ()),
    "--retries": ("retries", ()),
    "--flake-finder": ("flake_finder_enable", ()),
    "--iterations": ("iterations", (1,)),
    "--parallel-threads": ("parallel_threads", (1, "1")),
    "--workers": ("workers", (1, "1")),
    "--tests-per-worker": ("tests_per_worker", (1, "1")),
    "--looponfail": ("looponfail", ()),
    "--dist each": ("dist", ("no", "load", "loadscope", "loadfile", "loadgroup", "worksteal")),
}
"""Options of pytest's plugins under which a case runs more than once, or in a process of its own
that the session hears nothing from: where their value is kept, and which values do neither."""

ONCE_SETTINGS = ("reruns", "retries")
"""Settings of such plugins that ``-o`` or a file can give instead."""


def check_once(config: pytest.Config) -> None:
    """Refuse what runs a case more than once, or in a session that nobody hears from.

    Raises:
        UsageError: names the options.
    """
    for reason in _repeating(config):
        raise pytest.UsageError(reason)


def check_session(config: pytest.Config, *, simulated: bool) -> None:
    """Refuse a session whose certificate could not be written or could not be believed.

    Raises:
        UsageError: names the first reason found.
    """
    for reason in (*_plugins_missing(config), *_settings_elsewhere(config)):
        raise pytest.UsageError(reason)
    if config.getoption("css"):
        raise pytest.UsageError("--css: another look could make a certificate say another thing")
    debugger = any(config.getoption(name, None) for name in ("trace", "usepdb"))
    if debugger and not simulated:
        raise pytest.UsageError(
            "--pdb, --trace: in a debugger a case can be made to say anything; "
            "it is for the embedded site, without --site, --cube and --replay"
        )


def check_collected(cases: Iterable[str]) -> None:
    """Refuse cases of which one was collected more than once.

    Raises:
        UsageError: names the case.
    """
    seen: set[str] = set()
    for case in cases:
        if case in seen:
            raise pytest.UsageError(
                f"{case} would be judged more than once; leave out what repeats it: "
                "an option, a plugin, or a path that is given twice"
            )
        seen.add(case)


def _plugins_missing(config: pytest.Config) -> Iterable[str]:
    for name, reason in NEEDED.items():
        if config.pluginmanager.is_blocked(name):
            yield f"-p no:{name}: {reason}"
    for option, name in OPTIONAL_PLUGINS:
        if not hasattr(config.option, option):
            yield (
                f"{name} is not loaded: {NO_CERTIFICATE}; leave out --disable-plugin-autoload, "
                "and unset PYTEST_DISABLE_PLUGIN_AUTOLOAD"
            )


def _settings_elsewhere(config: pytest.Config) -> Iterable[str]:
    """Return where pytest was sent to other settings or another root than the suite's own."""
    if not is_suite(config.rootpath) or config.inipath != config.rootpath / SETTINGS:
        yield (
            f"pytest took its settings from {config.inipath or 'nowhere'} and its root to be "
            f"{config.rootpath}; leave out -c and --rootdir: the suite's own {SETTINGS} counts"
        )


def _repeating(config: pytest.Config) -> Iterable[str]:
    given = [
        flag
        for flag, (name, harmless) in ONCE.items()
        if (value := config.getoption(name, None)) and value not in harmless
    ]
    given += [f"-o {name}" for name in ONCE_SETTINGS if _setting(config, name)]
    if given:
        yield (
            f"{', '.join(given)}: a case is judged once, in the session that measures, so that the "
            "certificate shows every judgement; leave it out: what deserves a second try, the "
            "probes try again themselves"
        )


def _setting(config: pytest.Config, name: str) -> object:
    try:
        return config.getini(name)
    except ValueError:  # no plugin knows it
        return None
