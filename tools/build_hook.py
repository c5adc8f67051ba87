"""Puts the acceptance cases and the commit into a wheel, so that an installed suite can judge.

hatchling runs it. An editable install gets nothing: its cases are the checkout's own, and a copy
would soon be an old one. A source distribution gets the commit, for the wheels built of it.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CasesHook(BuildHookInterface):  # type: ignore[misc]
    """Adds what lies beside the package in a checkout."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Name the files that go in beside the package's own."""
        if version == "editable":
            return
        root = Path(self.root)
        sys.path.insert(0, str(root / "src"))
        from cube_acceptance import suite  # noqa: PLC0415 - the checkout's own, and no other

        given = root / suite.COMMIT
        commit = suite.checked_out(root) or (given.read_text("utf-8") if given.exists() else "")
        self.folder = tempfile.TemporaryDirectory(prefix="cube-acceptance-build-")
        written = Path(self.folder.name) / suite.COMMIT
        written.write_text(commit, "utf-8", newline="\n")
        included = build_data["force_include"]
        if self.target_name == "sdist":
            included[str(written)] = suite.COMMIT
            return
        package = Path(suite.SOURCE).name
        included[str(written)] = f"{package}/{suite.SHIPPED}/{suite.COMMIT}"
        for name in suite.JUDGING:
            if name != suite.SOURCE:
                included[str(root / name)] = f"{package}/{suite.SHIPPED}/{name}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove the file that named the commit."""
        del build_data, artifact_path
        if version != "editable":
            self.folder.cleanup()
