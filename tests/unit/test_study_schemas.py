"""The JSON Schemas of suites and benchmarks that are shipped: every key known and told, what is shipped fits."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import jsonschema
import pytest
import yaml

from orchestrator.catalog import Project
from orchestrator.definitions import load_benchmark, load_suite
from orchestrator.errors import ConfigurationError
from orchestrator.examples import new_benchmark
from orchestrator.scaffolding import write_new
from tests.study_schemas import EDITOR_LINES, MADE, SCHEMAS

ROOT = Path(__file__).parents[2]
TOY = ROOT / "tests" / "data" / "toy" / "suites"
SUITES = sorted((*(ROOT / "suites").glob("*.yaml"), *TOY.glob("*.yaml")))
BENCHMARKS = sorted((*(ROOT / "suites").glob("benchmarks/*/*.yaml"), *TOY.glob("benchmarks/*/*.yaml")))
SUITE = """suite: mine
title: One
images: [toy-*]
download_at_most: 1 GB
benchmarks:
  - benchmark: step
    implementations: [plain]
    exclude: [{image: toy-1.0}]
protocol: {samples: 5, precision: ieee}
profiles: {quick: {blocks: 1, configurations: [small]}}
compare: {across: image}
"""
BENCHMARK = """benchmark: mine
title: One
scripts: {toy: run_toy.py}
implementations:
  plain: {frameworks: [toy], biases: 2, parameters: {small: 3}, unsupported: [{devices: [cuda], reason: never}]}
configurations:
  small: {size: 3, step_s: {cpu: 0.1}}
measures:
  time: {from: train_step, unit: s, better: lower}
"""
WRITTEN = {"suite": SUITE, "benchmark": BENCHMARK}


def schema_of(kind: str) -> Mapping[str, Any]:
    return cast(Mapping[str, Any], json.loads((SCHEMAS / f"{kind}.json").read_text(encoding="utf-8")))


def check(kind: str, text: str) -> None:
    """Check a text as an editor would. Raises jsonschema.ValidationError."""
    jsonschema.validate(yaml.safe_load(text), schema_of(kind))


def load(kind: str, text: str, folder: Path) -> None:
    """Read a text as orch would. Raises ConfigurationError."""
    path = folder / "mine" / "benchmark.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    (load_suite if kind == "suite" else load_benchmark)(path, folder)


@pytest.mark.parametrize("kind", MADE)
def test_the_schema_that_is_shipped_is_that_of_the_loader(kind: str) -> None:
    assert schema_of(kind) == json.loads(json.dumps(MADE[kind]())), "python -m tests.study_schemas writes it anew"


@pytest.mark.parametrize("kind", MADE)
def test_the_schema_is_one(kind: str) -> None:
    jsonschema.Draft7Validator.check_schema(schema_of(kind))


@pytest.mark.parametrize("path", SUITES, ids=lambda path: path.stem)
def test_every_suite_fits(path: Path) -> None:
    check("suite", path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", BENCHMARKS, ids=lambda path: path.parent.name)
def test_every_benchmark_fits(path: Path) -> None:
    check("benchmark", path.read_text(encoding="utf-8"))


@pytest.mark.parametrize(("kind", "paths"), [("suite", SUITES), ("benchmark", BENCHMARKS)], ids=MADE)
def test_a_file_that_names_a_schema_to_editors_names_the_right_one(kind: str, paths: list[Path]) -> None:
    named = {path: path.read_text(encoding="utf-8").splitlines()[0] for path in paths}
    found = {path: line for path, line in named.items() if "yaml-language-server" in line}

    assert found
    assert {path: line for path, line in found.items() if line != EDITOR_LINES[kind]} == {}
    for path, line in found.items():
        assert (path.parent / line.partition("=")[2]).resolve() == SCHEMAS / f"{kind}.json"


@pytest.mark.parametrize("framework", ["pytorch", "jax"])
def test_the_examples_that_orch_new_writes_fit(tmp_path: Path, framework: str) -> None:
    project = Project(root=tmp_path, images=ROOT / "images", suites=tmp_path / "suites", cwd=tmp_path)
    write_new(new_benchmark(project, "mine", framework), tmp_path)

    check("suite", (tmp_path / "suites" / "mine.yaml").read_text(encoding="utf-8"))
    check("benchmark", (tmp_path / "suites" / "benchmarks" / "mine" / "benchmark.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("kind", "old", "new"),
    [
        ("suite", "title: One\n", ""),
        ("suite", "title:", "titel:"),
        ("suite", "implementations:", "implementation:"),
        ("suite", "{image: toy-1.0}", "{images: toy-1.0}"),
        ("suite", "samples: 5", "samples: 4"),
        ("suite", "samples: 5", "samples: many"),
        ("suite", "samples: 5", "sample: 5"),
        ("suite", "precision: ieee", "precision: half"),
        ("suite", "blocks: 1", "block: 1"),
        ("suite", "across: image", "across: engine"),
        ("suite", "[toy-*]", "[]"),
        ("suite", "1 GB", "1 parsec"),
        ("benchmark", "title: One\n", ""),
        ("benchmark", "scripts:", "script:"),
        ("benchmark", "devices: [cuda]", "devices: [tpu]"),
        ("benchmark", "devices: [cuda]", "device: [cuda]"),
        ("benchmark", "small: 3}", "small: three}"),
        ("benchmark", "from: train_step, ", ""),
        ("benchmark", "better: lower", "better: less"),
        ("benchmark", "biases: 2", "biases: [2]"),
    ],
)
def test_what_the_loader_refuses_the_schema_refuses(tmp_path: Path, kind: str, old: str, new: str) -> None:
    good = WRITTEN[kind]
    wrong = good.replace(old, new)
    assert wrong != good
    check(kind, good)
    load(kind, good, tmp_path)

    with pytest.raises(jsonschema.ValidationError):
        check(kind, wrong)
    with pytest.raises(ConfigurationError):
        load(kind, wrong, tmp_path)
