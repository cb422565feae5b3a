"""What is put into a launch."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.errors import ConfigurationError
from orchestrator.images import Image, ImageVariant, Variant
from orchestrator.specs import Benchmark, Cell, Configuration, Implementation, Protocol
from orchestrator.workloads import (
    code_sha256,
    expected_parameters,
    has_to_fall,
    job_content,
    launch_files,
    probe_of,
)


@pytest.fixture
def benchmark(tmp_path: Path) -> Benchmark:
    folder = tmp_path / "mine"
    folder.mkdir()
    (tmp_path / "harness.py").write_text("harness")
    (tmp_path / "portable.py").write_text("portable")
    (folder / "run_toy.py").write_text("script")
    (folder / "reference.py").write_text("reference")
    return Benchmark(
        name="mine",
        title="",
        folder=folder,
        scripts={"toy": "run_toy.py", "gone": "run_gone.py"},
        implementations=(
            Implementation(
                name="one", label="One", frameworks=("toy",), traits={"biases": 2}, parameters={"{short,long}": 7}
            ),
        ),
        configurations=(
            Configuration(name="short", parameters={"units": 3, "batch": 64}),
            Configuration(name="long", parameters={"units": 3, "batch": 32}),
            Configuration(name="wide", parameters={"units": 9, "batch": 64}),
        ),
        measures=(),
        probe={"batch": 2},
        falls=True,
    )


def test_a_launch_gets_the_harness_and_the_script_and_nothing_of_the_host(benchmark: Benchmark) -> None:
    files = launch_files(benchmark, "toy")

    assert files == {"harness.py": b"harness", "portable.py": b"portable", "run_toy.py": b"script"}


def test_a_benchmark_without_a_harness_beside_it_gets_the_one_of_orch(benchmark: Benchmark, tmp_path: Path) -> None:
    (tmp_path / "harness.py").unlink()

    files = launch_files(benchmark, "toy")

    assert b"def main()" in files["harness.py"]


@pytest.mark.parametrize("path", ["harness.py", "portable.py", "mine/run_toy.py"])
def test_the_hash_follows_every_file_of_a_launch(benchmark: Benchmark, tmp_path: Path, path: str) -> None:
    before = code_sha256(launch_files(benchmark, "toy"))
    (tmp_path / path).write_text("changed")

    assert code_sha256(launch_files(benchmark, "toy")) != before


def test_the_hash_does_not_follow_what_stays_on_the_host(benchmark: Benchmark, tmp_path: Path) -> None:
    before = code_sha256(launch_files(benchmark, "toy"))
    (tmp_path / "mine" / "reference.py").write_text("changed")

    assert code_sha256(launch_files(benchmark, "toy")) == before


@pytest.mark.parametrize(("framework", "said"), [("other", "no script for other"), ("gone", "no such script")])
def test_a_missing_script_is_named(benchmark: Benchmark, framework: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        launch_files(benchmark, framework)


def test_a_job_says_what_is_promised_and_what_is_wanted(benchmark: Benchmark, tmp_path: Path) -> None:
    variant = Variant(name="cpu")
    image = Image(
        family="toy", framework="toy", version="1.0.1", released="", python="3.6.15", base="", requirements=(),
        variants=(variant,), folder=tmp_path,
    )  # fmt: skip
    cell = Cell(
        image=ImageVariant(image=image, variant=variant),
        benchmark="mine", implementation="one", configuration="long", device="cpu",
    )  # fmt: skip

    job = json.loads(job_content(cell, benchmark, Protocol(samples=9), mode="gate", threads=4))

    assert job == {
        "mode": "gate", "script": "run_toy.py", "framework": "toy", "promised_version": "1.0.1",
        "implementation": "one", "traits": {"biases": 2}, "configuration": "long",
        "parameters": {"units": 3, "batch": 32}, "probe": {"batch": 2},
        "protocol": {"phases": ["train_step"], "warmup": 20, "samples": 9, "at_most_s": 60.0, "threads": 4,
                     "precision": "ieee"},
        "device": "cpu", "falls": True, "expected_parameters": 7,
    }  # fmt: skip


@pytest.mark.parametrize(("configuration", "expected"), [(0, 7), (1, 7), (2, None)])
def test_the_parameter_count_is_that_of_the_first_pattern_that_fits_the_configuration(
    benchmark: Benchmark, configuration: int, expected: int | None
) -> None:
    one = benchmark.implementations[0]

    assert expected_parameters(one, benchmark.configurations[configuration]) == expected


def test_modules_of_the_script_travel_with_it_and_those_of_other_frameworks_do_not(benchmark: Benchmark) -> None:
    (benchmark.folder / "nets_toy.py").write_text("nets")
    (benchmark.folder / "nets_other.py").write_text("other nets")

    files = launch_files(benchmark, "toy")

    assert sorted(files) == ["harness.py", "nets_toy.py", "portable.py", "run_toy.py"]


def test_a_lua_script_gets_what_runs_it_and_its_modules_and_a_python_script_no_lua(
    benchmark: Benchmark, tmp_path: Path
) -> None:
    for name in ("program.lua", "mine/run_torch7.lua", "mine/nets_torch7.lua", "mine/nets_toy.lua"):
        (tmp_path / name).write_text(name)
    both = replace(benchmark, scripts={"torch7": "run_torch7.lua", **benchmark.scripts})

    assert launch_files(both, "torch7").keys() == {
        "harness.py", "portable.py", "program.lua", "run_torch7.lua", "nets_torch7.lua",
    }  # fmt: skip
    assert not any(name.endswith(".lua") for name in launch_files(both, "toy"))


@pytest.mark.parametrize(("place", "falls"), [(0, True), (1, False), (2, False)])
def test_the_loss_falls_in_the_configurations_the_benchmark_says(benchmark: Benchmark, place: int, falls: bool) -> None:
    some = replace(benchmark, falls={"sh*": True, "long": False})

    assert has_to_fall(some, some.configurations[place]) is falls


def test_the_probe_replaces_only_what_the_configuration_has(benchmark: Benchmark) -> None:
    probed = replace(benchmark, probe={"batch": 2, "labels": 3})

    assert probe_of(probed, benchmark.configurations[0]) == {"batch": 2}
