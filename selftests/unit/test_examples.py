"""The examples for many sites: whole, in step with each other, and with the options there are."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from cube_acceptance import entry, site
from cube_acceptance.summary import command, rows

EXAMPLES = Path(__file__).parents[2] / "examples"
SITES = sorted(EXAMPLES.glob("sites/*.toml"))
NAMES = [path.stem for path in SITES]
FILES = [
    EXAMPLES / "gitlab-ci.yml",
    EXAMPLES / "github-actions.yml",
    EXAMPLES / "ansible" / "acceptance.yml",
    EXAMPLES / "ansible" / "inventory.yml",
]


def load(name: str) -> Any:  # noqa: ANN401 - any YAML
    """Read an example."""
    return yaml.safe_load((EXAMPLES / name).read_text("utf-8"))


def words(script: str) -> list[str]:
    """Split a line of a shell script, its loop aside."""
    return shlex.split(script.partition("; do ")[2].removesuffix("; done") or script)


class TestFiles:
    """Each on its own."""

    @pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
    def test_form(self, path: Path) -> None:
        """It is YAML without a key that stands twice."""
        loader = yaml.SafeLoader(path.read_text("utf-8"))
        try:
            nodes = [loader.get_single_node()]
        finally:
            loader.dispose()
        while nodes:
            node = nodes.pop()
            if isinstance(node, yaml.MappingNode):
                keys = [key.value for key, _ in node.value]
                assert len(keys) == len(set(keys)), keys
                nodes += [value for _, value in node.value]
            elif isinstance(node, yaml.SequenceNode):
                nodes += node.value

    @pytest.mark.parametrize(
        ("name", "schema"),
        [("gitlab-ci.yml", "gitlab-ci"), ("github-actions.yml", "github-workflows")],
    )
    def test_pipeline(self, name: str, schema: str) -> None:
        """Its engine would take it, by the engine's own schema."""
        command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}"]
        done = subprocess.run(
            [*command, str(EXAMPLES / name)], check=False, capture_output=True, text=True
        )

        assert done.returncode == 0, done.stdout

    @pytest.mark.parametrize("path", SITES, ids=NAMES)
    def test_site(self, path: Path) -> None:
        """Every site file loads, and the site has a name to stand in the table."""
        assert site.load_site(path).site.site.name

    def test_names(self) -> None:
        """Two sites of one name would be taken for one."""
        texts = [tomllib.loads(path.read_text("utf-8"))["site"]["name"] for path in SITES]

        assert len(set(texts)) == len(texts) > 1


class TestGitlab:
    """GitLab CI."""

    def test_matrix(self) -> None:
        """The matrix names the sites that there are, and each runs in its own plant."""
        job = load("gitlab-ci.yml")["acceptance"]

        assert job["parallel"]["matrix"] == [{"SITE": NAMES}]
        assert "$SITE" in job["tags"]

    def test_results_come_home(self) -> None:
        """Artifacts are kept whatever a run ends with, and the summary always runs after it."""
        jobs = load("gitlab-ci.yml")

        assert jobs["acceptance"]["artifacts"]["when"] == "always"
        assert jobs["summary"]["when"] == "always"
        assert jobs["stages"] == [jobs["acceptance"]["stage"], jobs["summary"]["stage"]]

    def test_commands(self) -> None:
        """Every option exists, and the last line's status is the job's."""
        jobs = load("gitlab-ci.yml")
        check_pytest(jobs["acceptance"]["script"][0])
        check_summaries(jobs["summary"]["script"])


class TestGithub:
    """GitHub Actions."""

    def test_matrix(self) -> None:
        """The matrix names the sites that there are, and each runs in its own plant."""
        job = load("github-actions.yml")["jobs"]["acceptance"]

        assert job["strategy"] == {"fail-fast": False, "matrix": {"site": NAMES}}
        assert "${{ matrix.site }}" in job["runs-on"]

    def test_results_come_home(self) -> None:
        """What each run left is uploaded, brought to one folder, and summed up always."""
        jobs = load("github-actions.yml")["jobs"]
        uploads = [step for step in jobs["acceptance"]["steps"] if "upload" in step.get("uses", "")]
        downloads = [
            step for step in jobs["summary"]["steps"] if "download" in step.get("uses", "")
        ]

        assert [step["if"] for step in uploads] == ["always()"]
        assert downloads[0]["with"] == {
            "pattern": "site-*", "path": "fleet", "merge-multiple": True,
        }  # fmt: skip
        assert (jobs["summary"]["needs"], jobs["summary"]["if"]) == ("acceptance", "always()")

    def test_commands(self) -> None:
        """Every option exists, and the last step decides."""
        jobs = load("github-actions.yml")["jobs"]
        scripts = {
            name: [step["run"] for step in job["steps"] if "run" in step]
            for name, job in jobs.items()
        }
        check_pytest(scripts["acceptance"][-1])
        check_summaries(scripts["summary"])

    def test_no_expression_in_scripts(self) -> None:
        """An expression in a script would let a name become a command."""
        steps = [
            step for job in load("github-actions.yml")["jobs"].values() for step in job["steps"]
        ]

        assert not [step for step in steps if "${{" in step.get("run", "")]


class TestAnsible:
    """The playbook and its inventory; it is run for real in the lab."""

    def test_inventory(self) -> None:
        """There is a host for every site, and its site file is the one of its name."""
        group = load("ansible/inventory.yml")["probes"]

        assert sorted(group["hosts"]) == NAMES
        assert "sites/{{ inventory_hostname }}.toml" in group["vars"]["cube_site_file"]

    def test_settings(self) -> None:
        """Every setting that the playbook reads is named at its top."""
        text = (EXAMPLES / "ansible" / "acceptance.yml").read_text("utf-8")
        head, _, rest = text.partition("\n\n")
        read = set(re.findall(r"\bcube_(?!acceptance)[a-z_]+", rest)) - {"cube_site_file"}

        assert read == set(re.findall(r"\bcube_[a-z_]+", head))

    def test_statuses(self) -> None:
        """A rejected or incomplete site is a result that comes home; all else is a failure."""
        text = (EXAMPLES / "ansible" / "acceptance.yml").read_text("utf-8")
        statuses = [rows.ACCEPTED, rows.NOT_ACCEPTED, rows.NO_STATEMENT]

        assert text.count(f"not in {statuses}") == 3


def check_pytest(line: str) -> None:
    """Check that the suite has every option of a command line."""
    options = [word for word in words(line) if word.startswith("--")]

    assert options == ["--site", "--reports"]
    assert {option.removeprefix("--") for option in options} <= set(entry.OPTIONS)


def check_summaries(lines: list[str]) -> None:
    """Check that the summaries are whole command lines, and that the last one decides."""
    made, *summaries = [line for line in lines if "fleet/" in line]
    assert "sites/*.toml" in made
    assert words(made)[:2] == ["mkdir", "-p"]
    for line in summaries:
        _, _, rest = line.removesuffix(" || true").partition(" -m cube_acceptance summary ")
        with pytest.raises(SystemExit) as stop:
            command.main([*shlex.split(rest), "--help"])
        assert stop.value.code == 0
    assert "||" not in summaries[-1]
