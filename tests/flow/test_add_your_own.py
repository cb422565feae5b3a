"""What one adds of one's own, from end to end on the venv engine: a benchmark, a suite, a version of a framework."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tests.toy_project import SOURCES, Ended, Toy, edit, measured, write_wheel

ROW = """  "2.5.0":
    released: 2026-02-15
    python: "3.11.7"
    base: python:3.11-slim-bookworm
    requirements: [toy==2.5.0]
    source: tests
    variants:
      cpu: {}
"""
LAST_ROW = r'  "3\.0\.0":\n(    .*\n)+'


@pytest.fixture
def own(toy: Toy) -> Toy:
    """A copy of the toy project without the version that does not import."""
    edit(toy.project / "images" / "toy" / "versions.yaml", LAST_ROW, "")
    return toy


def new(toy: Toy, *arguments: str) -> list[str]:
    """Let `orch new` write something and return which files."""
    ended = toy.orch("new", *arguments, "--json")
    assert ended.exit_code == 0, ended.stderr
    return [str(path) for path in json.loads(ended.stdout)]


def run(toy: Toy, suite: str) -> Ended:
    ended = toy.orch("run", suite, "--engine", "venv")
    assert ended.exit_code == 0, ended.stderr
    return ended


def test_a_new_benchmark_runs_as_it_is_and_passes_its_gate(own: Toy) -> None:
    files = new(own, "benchmark", "mine", "--framework", "toy")

    ended = run(own, "mine")

    records = own.records()
    assert [Path(file).name for file in files] == ["benchmark.yaml", "reference.py", "run_toy.py", "mine.yaml"]
    assert {cell for cell, _ in measured(records)} == {
        f"toy-{version}+cpu/mine/linear/{size}" for version in ("1.0.0", "2.0.0") for size in ("small", "large")
    }
    gates = [entry for record in records for entry in record["sanity"] if "gate" in str(entry)]  # type: ignore[attr-defined]
    assert gates
    assert "linear small" in ended.stdout


def test_a_script_that_computes_something_else_does_not_pass_the_gate(own: Toy) -> None:
    new(own, "benchmark", "mine", "--framework", "toy")
    edit(own.project / "suites" / "benchmarks" / "mine" / "run_toy.py", r"\+ b for out", "- b for out")

    ended = own.orch("run", "mine", "--engine", "venv")

    assert ended.exit_code == 1
    assert measured(own.records()) == []
    assert "gate" in ended.stdout


def test_a_new_suite_runs_as_it_is(own: Toy) -> None:
    (file,) = new(own, "suite", "two", "--benchmark", "toy_step", "--images", "toy-{1.0.0,2.0.0}")

    run(own, "suites/two.yaml")

    assert (own.folder / file).is_file()
    assert {cell for cell, _ in measured(own.records())} == {
        f"toy-{version}+cpu/toy_step/steady/small" for version in ("1.0.0", "2.0.0")
    }


def test_nothing_that_is_there_is_written_over(own: Toy) -> None:
    before = (own.project / "suites" / "toy_versions.yaml").read_bytes()

    ended = own.orch("new", "suite", "toy_versions")

    assert ended.exit_code == 2
    assert "there already" in ended.stderr
    assert (own.project / "suites" / "toy_versions.yaml").read_bytes() == before


def test_a_new_version_is_one_row_and_no_code(own: Toy, tmp_path: Path) -> None:
    wheels = tmp_path / "wheels"
    shutil.copytree(own.wheels, wheels)
    source = f"__version__ = '2.5.0'\n{SOURCES['1.0.0']}"
    write_wheel(wheels / "toy-2.5.0-py3-none-any.whl", "toy", "2.5.0", source)
    own = replace(own, wheels=wheels)
    rows = own.project / "images" / "toy" / "versions.yaml"
    python = next(line.strip() for line in rows.read_text(encoding="utf-8").splitlines() if "python: " in line)
    row = ROW.replace('python: "3.11.7"', python)
    rows.write_text(rows.read_text(encoding="utf-8") + row, encoding="utf-8")
    edit(own.project / "suites" / "toy_versions.yaml", r"toy-\{1\.0\.0,2\.0\.0\}", "toy-*")

    planned = own.orch("plan", "toy_versions", "--engine", "venv", "--json")
    locked = own.orch("lock", "toy-2.5.0")
    run(own, "toy_versions")

    assert "toy-2.5.0" in {image["image"] for image in json.loads(planned.stdout)["images"]}
    assert locked.exit_code == 0, locked.stderr
    assert "toy-2.5.0+cpu/toy_step/steady/small" in {cell for cell, _ in measured(own.records())}
