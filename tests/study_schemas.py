"""Write the JSON Schemas of suites and benchmark.yaml from the types they become: python -m tests.study_schemas."""

import json
import types
from collections.abc import Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from orchestrator.definitions import BLOCKS_AT_MOST, SAMPLES_AT_LEAST, SAMPLES_AT_MOST
from orchestrator.specs import (
    Benchmark,
    Compare,
    Configuration,
    Exclusion,
    Implementation,
    Measure,
    Protocol,
    Selection,
    Suite,
    Unsupported,
)

SCHEMAS = Path(__file__).parents[1] / "orchestrator" / "schemas"
EDITOR_LINES = {
    "suite": "# yaml-language-server: $schema=../orchestrator/schemas/suite.json",
    "benchmark": "# yaml-language-server: $schema=../../../orchestrator/schemas/benchmark.json",
}
TEXT = {"type": ["string", "number"]}  # YAML reads 1.10 as a number, the loader as text
SCALAR = {"type": ["string", "number", "boolean"]}
PLAIN: Mapping[type, Mapping[str, object]] = {
    str: TEXT,
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
}
WHOLE = {"type": "integer", "minimum": 1}
POSITIVE = {"type": "number", "exclusiveMinimum": 0}
LIMITS: Mapping[str, Mapping[str, object]] = {
    "warmup": {"type": "integer", "minimum": 0, "maximum": SAMPLES_AT_MOST},
    "samples": {"type": "integer", "minimum": SAMPLES_AT_LEAST, "maximum": SAMPLES_AT_MOST},
    "blocks": {"type": "integer", "minimum": 1, "maximum": BLOCKS_AT_MOST},
    "threads": WHOLE,
    "at_most_s": POSITIVE,
    "timeout_s": POSITIVE,
    "phases": {"type": "array", "items": TEXT, "minItems": 1},
    "images": {"type": "array", "items": TEXT},
}
SAID = {
    "suite": "its name, that of the file",
    "benchmark": "its name, that of its folder in suites/benchmarks/",
    "title": "one line for people",
    "study": "whose published numbers stand beside the measured ones: a file of suites/published/",
    "images": "names, globs with {a,b}, or version ranges such as pytorch>=1.0,<2.0",
    "choose": "oldest_and_newest: of the first pattern with two that can run here, these two",
    "download_at_most": "larger downloads only with --yes; such as 1 GB",
    "benchmarks": "what is taken from which benchmark",
    "protocol": "how a cell is measured",
    "profiles": "named changes of the protocol, for --profile",
    "compare": "what the tables divide by each other",
    "implementations": "ways to write it in a framework; of a suite names or globs",
    "configurations": "sets of parameters by name; elsewhere names or globs",
    "exclude": "cells that are left out: those of which everything given is true",
    "image": "name or glob",
    "implementation": "name or glob",
    "configuration": "name or glob",
    "phases": "what is timed, such as forward and train_step; the scripts say what they have",
    "warmup": "samples before those that count",
    "samples": "samples of a phase",
    "at_most_s": "seconds of a phase, warm-up included; never fewer than 5 samples",
    "blocks": "launches of each cell; a verdict needs 3",
    "precision": "ieee: float32 without TF32",
    "threads": "on the CPU; default: its physical cores",
    "caches": "of compiled code: warm from the gate launch, or cold",
    "timeout_s": "seconds of a launch, whatever it does",
    "across": "image: versions of a framework; system: every implementation in every image",
    "baseline": "what is divided by: oldest or an image; across systems fastest or image/implementation",
    "unit": "as the study prints it; of a measure its unit",
    "columns": "what happens once in a launch, shown beside the times",
    "scripts": "framework -> its script in this folder",
    "reference": "script in this folder that computes loss and gradients in float64; none: no gate",
    "probe": "parameters at the size at which implementations and reference are compared",
    "falls": "the loss has to fall: one batch, and an update in the step",
    "measures": "numbers derived from samples",
    "label": "the study's own name for it",
    "frameworks": "whose scripts have it; default: all",
    "parameters": "values that are trained: a number, or one for each pattern of configurations",
    "unsupported": "what cannot run, and why",
    "reason": "why, for people",
    "versions": "framework -> range of its versions, such as <2.0",
    "devices": "cpu, cuda",
    "step_s": "device -> about the seconds of one step, for estimates",
    "from": "phase",
    "better": "whether lower or higher is better",
    "per": "parameter that is divided by the time, such as batch",
}


def make_suite_schema() -> dict[str, object]:
    """Return the schema of a suite as `orch` reads it."""
    configurations = _of(Selection)["configurations"]
    images = {"type": "array", "items": TEXT, "minItems": 1}
    return _schema(
        "A suite",
        _record(
            Suite,
            without=(
                *("name", "path", "sha256", "selections", "profile", "download_at_most_bytes"),
                *("image_lines", "baseline_line", "protocol", "profiles", "compare"),
            ),
            first={"suite": TEXT},
            more={
                "images": images,
                "download_at_most": {"type": "string", "pattern": r"^\d+(\.\d+)?\s*[MGmg][Ii]?[Bb]$"},
                "benchmarks": _list(_ref("selection"), minItems=1),
                "protocol": _ref("protocol"),
                "profiles": _named(_ref("profile")),
                "compare": _ref("compare"),
            },
            required=("suite", "title", "images", "benchmarks"),
        ),
        selection=_record(Selection, without=("line", "exclude"), more={"exclude": _list(_ref("exclusion"))}),
        exclusion=_record(Exclusion),
        protocol=_record(Protocol),
        profile=_record(Protocol, more={"configurations": configurations, "images": images}),
        compare=_record(Compare),
    )


def make_benchmark_schema() -> dict[str, object]:
    """Return the schema of a benchmark.yaml as `orch` reads it. What is not known of an implementation is a trait."""
    counts = {"anyOf": [{"type": "integer"}, _named({"type": "integer"})]}
    unsupported = _list(_ref("unsupported"))
    return _schema(
        "A benchmark",
        _record(
            Benchmark,
            without=("name", "folder", "implementations", "configurations", "measures"),
            first={"benchmark": TEXT},
            more={
                "implementations": _named(_ref("implementation")),
                "configurations": _named(_ref("configuration")),
                "measures": _named(_ref("measure")),
            },
            required=("benchmark", "title", "scripts", "implementations", "configurations"),
        ),
        implementation={
            **_record(
                Implementation,
                without=("name", "traits", "parameters", "unsupported"),
                more={"parameters": counts, "unsupported": unsupported},
                required=(),
            ),
            "additionalProperties": SCALAR,
        },
        configuration={
            **_record(Configuration, without=("name", "parameters", "unsupported"), more={"unsupported": unsupported}),
            "additionalProperties": SCALAR,
        },
        unsupported=_record(Unsupported),
        measure=_record(Measure, without=("name", "phase"), first={"from": TEXT}, required=("from", "unit", "better")),
    )


def _schema(title: str, top: Mapping[str, object], **parts: Mapping[str, object]) -> dict[str, object]:
    return {"$schema": "http://json-schema.org/draft-07/schema#", "title": title, **top, "definitions": parts}


def _record(
    shape: type,
    *,
    without: tuple[str, ...] = (),
    first: Mapping[str, Mapping[str, object]] | None = None,
    more: Mapping[str, Mapping[str, object]] | None = None,
    required: tuple[str, ...] | None = None,
) -> dict[str, object]:
    """Return the schema of a mapping that becomes a type. without: fields that are not written under that name."""
    own = {name: part for name, part in _of(shape).items() if name not in without}
    properties = {**(first or {}), **own, **(more or {})}
    needed = [one.name for one in fields(shape) if one.default is MISSING and one.default_factory is MISSING]
    return {
        "type": "object",
        "required": [*(name for name in needed if name in own)] if required is None else [*required],
        "additionalProperties": False,
        "properties": {name: _described(name, part) for name, part in properties.items()},
    }


def _described(name: str, part: Mapping[str, object]) -> Mapping[str, object]:
    # What stands beside a reference is not read in draft 7.
    return {"allOf": [part], "description": SAID[name]} if "$ref" in part else {**part, "description": SAID[name]}


def _of(shape: type) -> dict[str, Mapping[str, object]]:
    hints = get_type_hints(shape)
    special = LIMITS if shape is Protocol else {}
    return {
        one.name: special.get(one.name) or _part(hints[one.name])
        for one in fields(shape)
        if one.name not in {"folder", "path"}
    }


def _part(hint: Any) -> Mapping[str, object]:
    """Return the schema of a type; None: the key is left out."""
    kind, inner = get_origin(hint), [one for one in get_args(hint) if one is not types.NoneType]
    if kind is Literal:
        return {"enum": list(get_args(hint))}
    if kind in (Union, types.UnionType):
        parts = [_part(one) for one in inner]
        return SCALAR if len(parts) == 4 else parts[0] if len(parts) == 1 else {"anyOf": parts}
    if kind is tuple:
        return _list(_part(inner[0]))
    if kind is not None and issubclass(kind, Mapping):
        return _named(_part(inner[1]))
    return PLAIN.get(hint, {})


def _list(of: Mapping[str, object], **limits: int) -> Mapping[str, object]:
    return {"type": "array", "items": of, **limits}


def _named(of: Mapping[str, object]) -> Mapping[str, object]:
    return {"type": "object", "additionalProperties": of}


def _ref(name: str) -> Mapping[str, object]:
    return {"$ref": f"#/definitions/{name}"}


MADE = {"suite": make_suite_schema, "benchmark": make_benchmark_schema}

if __name__ == "__main__":
    for name, make in MADE.items():
        (SCHEMAS / f"{name}.json").write_text(json.dumps(make(), indent=1) + "\n", encoding="utf-8")
