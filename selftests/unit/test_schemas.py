"""The published schemas are those of the models, and what the suite writes keeps to them."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import jsonschema
import pytest

from cube_acceptance import evidence_file, schemas
from cube_acceptance.site import schema as site_schema
from selftests.support import healthy, sessions

if TYPE_CHECKING:
    from pathlib import Path

DOCS = sessions.PROJECT / "docs"


class TestPublished:
    """What stands in docs/ is up to date."""

    @pytest.mark.parametrize("name", schemas.MODELS)
    def test_is_what_the_model_says(self, name: str) -> None:
        """`python -m cube_acceptance.schemas docs` has been run after the last change."""
        published = json.loads((DOCS / name).read_text("utf-8"))

        assert published == schemas.schema(schemas.MODELS[name])

    def test_is_what_the_model_of_a_site_file_says(self) -> None:
        """Run `tox -e schema` after a change of the model."""
        assert json.loads(site_schema.FILE.read_text("utf-8")) == json.loads(site_schema.text())


class TestNormalised:
    """One form, whatever the library's release writes."""

    def test_is_a_schema(self) -> None:
        """Nothing that is left out or sorted makes it another language."""
        for model in schemas.MODELS.values():
            jsonschema.Draft202012Validator.check_schema(schemas.schema(model))

    def test_names_of_a_mapping(self) -> None:
        """Told since msgspec 0.23."""
        told = {"type": "object", "propertyNames": {"enum": ["a"]}, "additionalProperties": {}}

        assert schemas.normalised(told) == {"type": "object", "additionalProperties": {}}

    def test_a_docstring(self) -> None:
        """Indented as in its module by msgspec 0.19; a key of that name is described by another."""
        told = {
            "description": "One.\n\n    Two.",
            "properties": {"description": {"type": "string"}},
        }

        assert schemas.normalised(told) == {**told, "description": "One.\n\nTwo."}

    def test_order(self) -> None:
        """Null comes first by msgspec 0.19, last by later ones; places keep their order."""
        null, text = {"type": "null"}, {"type": "string"}
        first = schemas.normalised({"anyOf": [null, text], "required": ["b", "a"]})

        assert first == schemas.normalised({"anyOf": [text, null], "required": ["a", "b"]})
        assert schemas.normalised({"prefixItems": [text, null]}) == {"prefixItems": [text, null]}


class TestMain:
    """The command that writes them."""

    def test_writes_every_schema(self, tmp_path: Path) -> None:
        """One file for each model."""
        assert schemas.main([str(tmp_path)]) == 0
        assert {path.name for path in tmp_path.iterdir()} == set(schemas.MODELS)

    def test_says_how_it_is_used(self, capsys: pytest.CaptureFixture[str]) -> None:
        """Without a directory it writes nothing."""
        assert schemas.main([]) == 4
        assert "usage" in capsys.readouterr().err

    def test_runs_as_a_module(self, tmp_path: Path) -> None:
        """The documented command is this module."""
        command = [sys.executable, "-m", "cube_acceptance.schemas", str(tmp_path)]

        assert subprocess.run(command, check=False).returncode == 0


class TestFiles:
    """What a run writes validates."""

    def test_evidence(self) -> None:
        """Evidence keeps to its schema."""
        jsonschema.validate(
            json.loads(evidence_file.dump(healthy.saved())), schemas.schema(evidence_file.Saved)
        )

    def test_certificate(self, tmp_path: Path) -> None:
        """So does a certificate."""
        session = sessions.run(tmp_path)

        jsonschema.validate(
            session.certificate, schemas.schema(schemas.MODELS["certificate.schema.json"])
        )
