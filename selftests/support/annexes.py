"""Lets pytest-html write its report with the certificate's template, over cases of a test's own."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

PLUGINS = "pytest_html.plugin,pytest_html.fixtures,pytest_metadata.plugin"
CONFTEST = """
from pathlib import Path

from cube_acceptance.table import Table

def pytest_configure(config):
    config.pluginmanager.register(Table(Path("out.html"), config, "{language}"))

def pytest_html_report_title(report):
    report.title = "A & B"
"""


def written(folder: Path, cases: str, *options: str, language: str = "de") -> str:
    """Run these cases in a session of their own, and give the page that pytest-html made."""
    (folder / "conftest.py").write_text(CONFTEST.format(language=language), "utf-8")
    (folder / "test_it.py").write_text(cases, "utf-8")
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--rootdir=.", "-c", os.devnull,
         *options],
        cwd=folder, capture_output=True, check=False,
        env={**os.environ, "PYTEST_ADDOPTS": "", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
             "PYTEST_PLUGINS": PLUGINS},
    )  # fmt: skip

    done = {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED}
    assert ended.returncode in done, ended.stdout + ended.stderr
    return (folder / "out.html").read_text("utf-8")
