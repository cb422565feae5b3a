"""Write the JSON Schema of versions.yaml from the types that its rows become: python -m tests.versions_schema."""

import json
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields
from pathlib import Path

from orchestrator.images import Image, Variant

SCHEMA_FILE = Path(__file__).parents[1] / "orchestrator" / "schemas" / "versions.json"
EDITOR_LINE = "# yaml-language-server: $schema=../../orchestrator/schemas/versions.json"
# Fields of an image that its row does not write: they come from elsewhere.
NOT_WRITTEN = {"family", "framework", "version", "folder", "variants", "line", "variant_is_named", "own_python"}
SAID = {
    "python": "full patch version, such as 3.6.15",
    "base": "base image by its readable tag; orch lock pins its digest",
    "requirements": "the framework first, as name==version; on Python 2.7 all that is installed",
    "build_requirements": "what makes wheels of source archives; never in the image",
    "unavailable": "why there is nothing to build: the system is only named",
    "without_cuda": "why no variant has CUDA: what plans say for a GPU",
    "needs_container": "its Dockerfile does more than install wheels",
    "released": "date of the release",
    "platform": "linux/amd64 unless it says otherwise",
    "source": "where these facts are from",
    "cuda": "version of CUDA, such as 11.7",
    "cudnn": "version of cuDNN",
    "compute": 'compute capabilities with native code, such as ["7.0", "8.6"]',
    "ptx": "capability that has PTX of everything, none, or N:partial and N:documented, which are not relied on",
    "compiled_at_run_time": "its libraries hold no native code: compute is what it compiles for",
    "min_driver": "lowest Linux driver, such as 525.60.13",
    "local_version": "of the framework's wheel: cu113 of torch==1.10.2+cu113",
    "index": "package index or page of links that has the wheel, besides the user's own",
    "self_contained": "carries its CUDA libraries and starts without a GPU",
    "without_wheels": "its base, or the Dockerfile by itself, brings the framework",
    "download_bytes": "of all its wheels, where it was measured",
}
TEXT = {"type": ["string", "number"]}
SHAPES: Mapping[object, Mapping[str, object]] = {
    str: TEXT,
    str | None: TEXT,
    tuple[str, ...]: {"type": "array", "items": TEXT},
    bool: {"type": "boolean"},
    int | None: {"type": "integer", "minimum": 0},
}
PYTHON = {"type": "string", "pattern": r"^\d+\.\d+\.\d+$"}


def make_schema() -> dict[str, object]:
    """Return the schema of what `orch` reads."""
    row = _object([field for field in fields(Image) if field.name not in NOT_WRITTEN])
    variant = _object([field for field in fields(Variant) if field.name != "name"])
    properties = {
        **_part(row),
        "variants": _named({"$ref": "#/definitions/variant"}, "CUDA builds and cpu, oldest first"),
    }
    buildable = {"required": ["python", "base", "variants"]}
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "The versions of an image family",
        "type": "object",
        "required": ["family", "framework", "versions"],
        "additionalProperties": False,
        "properties": {
            "family": {**TEXT, "description": "name of this folder"},
            "framework": {**TEXT, "description": "whose scripts run in it: run_<framework>.py"},
            "versions": _named({"$ref": "#/definitions/row"}, "version -> its row", r"^\d[\w.]*(-[a-z][a-z0-9.]*)?$"),
        },
        "definitions": {
            "row": {**row, "properties": properties, "if": {"not": {"required": ["unavailable"]}}, "then": buildable},
            "variant": variant,
        },
    }


def _object(written: list["Field[object]"]) -> dict[str, object]:
    return {
        "type": "object",
        "required": [one.name for one in written if one.default is MISSING and one.default_factory is MISSING],
        "additionalProperties": False,
        "properties": {one.name: _shape(one) for one in written},
    }


def _shape(field: "Field[object]") -> dict[str, object]:
    shape = PYTHON if field.name == "python" else SHAPES[field.type]
    return {**shape, "description": SAID.get(field.name, field.name)}


def _part(made: Mapping[str, object]) -> Mapping[str, object]:
    properties = made["properties"]
    assert isinstance(properties, dict)
    return properties


def _named(of: Mapping[str, object], description: str, pattern: str | None = None) -> dict[str, object]:
    names = {"propertyNames": {"pattern": pattern}} if pattern else {}
    return {"type": "object", "description": description, "additionalProperties": of, **names}


if __name__ == "__main__":
    SCHEMA_FILE.write_text(json.dumps(make_schema(), indent=1) + "\n", encoding="utf-8")
