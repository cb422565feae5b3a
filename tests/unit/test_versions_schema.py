"""The JSON Schema of versions.yaml that is shipped: it knows every key, takes every row, refuses others."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import jsonschema
import pytest
import yaml

from orchestrator.errors import ConfigurationError
from orchestrator.rows import load_versions
from tests.versions_schema import EDITOR_LINE, SCHEMA_FILE, make_schema

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "images").glob("*/versions.yaml"))
ROW = """family: toy
framework: toy
versions:
  "1.0":
    released: 2026-01-01
    python: 3.11.7
    base: python:3.11-slim-bookworm
    requirements: [toy==1.0]
    variants:
      cpu: {}
"""


class Core(yaml.SafeLoader):
    """YAML as editors read it: a date is text."""


Core.yaml_implicit_resolvers = {
    first: [pair for pair in pairs if pair[0] != "tag:yaml.org,2002:timestamp"]
    for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


@pytest.fixture
def schema() -> Mapping[str, Any]:
    return cast(Mapping[str, Any], json.loads(SCHEMA_FILE.read_text(encoding="utf-8")))


def test_the_schema_that_is_shipped_is_that_of_the_loader(schema: Mapping[str, Any]) -> None:
    assert schema == make_schema(), "python -m tests.versions_schema writes it anew"


def test_every_key_of_the_schema_is_described(schema: Mapping[str, Any]) -> None:
    parts = [schema, *schema["definitions"].values()]

    undescribed = [key for part in parts for key, said in part["properties"].items() if said["description"] == key]

    assert undescribed == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.parent.name)
def test_every_family_fits_the_schema_and_names_it_to_editors(path: Path, schema: Mapping[str, Any]) -> None:
    text = path.read_text(encoding="utf-8")

    jsonschema.validate(yaml.load(text, Core), schema)

    assert text.splitlines()[0] == EDITOR_LINE
    assert (path.parent / EDITOR_LINE.partition("=")[2]).resolve() == SCHEMA_FILE


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("released", "realeased"),
        ("cpu: {}", "cpu: {copmute: []}"),
        ("python: 3.11.7", "python: 3.11"),
        ("    base: python:3.11-slim-bookworm\n", ""),
        ("cpu: {}", "cpu: {compute: 8.6}"),
        ('"1.0":', "one:"),
        ("family: toy\n", ""),
    ],
)
def test_what_the_loader_refuses_the_schema_refuses(
    tmp_path: Path, schema: Mapping[str, Any], old: str, new: str
) -> None:
    path = tmp_path / "toy" / "versions.yaml"
    path.parent.mkdir()
    path.write_text(ROW.replace(old, new), encoding="utf-8")
    jsonschema.validate(yaml.load(ROW, Core), schema)

    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(yaml.load(path.read_text(encoding="utf-8"), Core), schema)
    with pytest.raises(ConfigurationError):
        load_versions(path, tmp_path)
