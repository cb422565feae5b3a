"""`orch doctor` as it is typed, where no Docker engine answers, with GPUs of our choice and without."""

import json
from pathlib import Path
from typing import cast

import pytest

from orchestrator.errors import Exit
from tests.nvidia_driver import GPU_0, HAS_COMPILER, make_driver
from tests.toy_project import Ended, Toy, make_toy

SUITE = 'suite = "suites/toy_versions.yaml"\n'
Checks = dict[str, dict[str, object]]


@pytest.fixture
def toy(tmp_path: Path) -> Toy:
    """A project whose default suite is its own."""
    made = make_toy(tmp_path, tmp_path / "cache")
    (made.project / "orch.toml").write_text(SUITE, encoding="utf-8")
    assert made.orch("lock", "toy-*").exit_code == Exit.OK
    return made


@pytest.fixture
def without_driver(toy: Toy) -> Toy:
    """A machine whose driver does not load, whatever it has."""
    folder = toy.folder / "driver"
    folder.mkdir()
    (folder / "libnvidia-ml.so.1").write_bytes(b"not a library")
    toy.env["LD_LIBRARY_PATH"] = str(folder)
    return toy


def examine(toy: Toy, *arguments: str) -> tuple[Ended, Checks]:
    ended = toy.orch("doctor", "--json", *arguments)
    found = cast(list[dict[str, object]], json.loads(ended.stdout)["checks"])
    return ended, {str(check["name"]): check for check in found}


def test_a_machine_with_neither_gpu_nor_docker_is_told_what_it_can_do(without_driver: Toy) -> None:
    ended = without_driver.orch("doctor")

    lines = ended.stdout.splitlines()
    assert ended.exit_code == Exit.OK, ended.stderr
    assert lines[0] == "Studies can run here on the CPU, in virtual environments."
    assert "Next: " in "".join(lines[:4])
    assert "    unset DOCKER_HOST" in lines


def test_each_check_has_name_state_finding_and_remedy(without_driver: Toy) -> None:
    ended, checks = examine(without_driver)

    assert ended.exit_code == Exit.OK
    assert all(
        set(check) == {"name", "state", "found", "remedy", "commands"}
        and check["state"] in {"ok", "warning", "missing", "not reached"}
        and check["found"]
        for check in checks.values()
    )
    assert checks["engine docker"]["state"] == "missing"
    assert checks["buildx"]["state"] == "not reached"
    assert checks["framework on the GPU"]["state"] == "not reached"
    assert checks["engine venv"]["state"] == "ok"
    assert "'toy_versions': 2 of 2 images can run on the CPU" in str(checks["default suite"]["found"])


def test_a_gpu_that_was_asked_for_and_is_not_there_is_exit_3(without_driver: Toy) -> None:
    ended, checks = examine(without_driver, "--device", "cuda")

    assert ended.exit_code == Exit.ENGINE
    assert json.loads(ended.stdout)["can_run"] == []
    assert checks["GPU driver"]["state"] == "missing"
    assert checks["CUDA on this machine"]["found"] == "after: GPU driver"


@pytest.mark.skipif(not HAS_COMPILER, reason="needs a C compiler, to make a driver library")
def test_a_driver_without_cuda_is_found_out_by_starting_it(toy: Toy) -> None:
    toy.env.update(make_driver(toy.folder / "driver", GPU_0).env)

    ended, checks = examine(toy, "--device", "cuda")

    assert ended.exit_code == Exit.ENGINE
    assert checks["GPU driver"]["found"] == "570.86.15: NVIDIA H100 (compute 9.0, 85.52 GB)"
    assert checks["CUDA on this machine"]["state"] == "missing"
    assert "libcuda.so.1" in str(checks["CUDA on this machine"]["found"])
    assert checks["container toolkit"]["found"] == "after: engine docker"
    assert checks["MIG"]["state"] == "ok"


@pytest.mark.skipif(not HAS_COMPILER, reason="needs a C compiler, to make a driver library")
def test_how_a_gpu_is_set_is_read_from_its_driver(toy: Toy) -> None:
    uuid = GPU_0.split("|")[1]
    idle, off, prohibited = 1, 0, 2
    state = f"state|{uuid}|345|2619|71000|31|{idle}|0"
    setting = f"setting|{uuid}|1980|1590|{off}|{prohibited}|1|0"
    toy.env.update(make_driver(toy.folder / "driver", GPU_0, state, setting).env)

    checks = examine(toy)[1]

    assert checks["GPU clocks"]["found"] == "345 MHz of at most 1980 while idle: not locked"
    assert "nvidia-smi -lgc 1590" in str(checks["GPU clocks"]["commands"])
    assert checks["persistence mode"]["found"] == "off"
    assert checks["compute mode"]["found"] == "prohibited"
    assert checks["ECC"]["found"] == "on, off after the next start"
    assert checks["GPU slowdown"]["found"] == "none at 31 °C"


def test_on_the_cpu_no_gpu_is_looked_for_and_what_is_built_is_tried(without_driver: Toy) -> None:
    probe = "import json\njson.dump(dict.fromkeys(['matmul', 'convolution'], 'ok'), open('out/probe.json', 'w'))\n"
    (without_driver.project / "images" / "toy" / "probe.py").write_text(probe, encoding="utf-8")

    before = examine(without_driver, "--device", "cpu")[1]["framework on the CPU"]
    built = without_driver.orch("build", "toy-1.0.0")
    checks = examine(without_driver, "--device", "cpu")[1]

    assert before["state"] == "not reached"
    assert built.exit_code == Exit.OK, built.stderr
    assert checks["framework on the CPU"]["state"] == "ok"
    assert "toy-1.0.0+cpu" in str(checks["framework on the CPU"]["found"])
    assert "GPU driver" not in checks


def test_indexes_are_asked_only_when_told_so(without_driver: Toy) -> None:
    assert "wheels" not in examine(without_driver)[1]

    checks = examine(without_driver, "--online")[1]

    assert checks["wheels"]["state"] == "ok", checks["wheels"]
    assert checks["base images"]["state"] == "ok"


def test_wheels_that_no_index_has_are_named(without_driver: Toy) -> None:
    (without_driver.wheels / "toy-2.0.0-py3-none-any.whl").unlink()

    checks = examine(without_driver, "--online")[1]

    assert checks["wheels"]["state"] == "warning"
    assert checks["wheels"]["found"] == "1 of 2 images: their wheels are here or can be fetched"
    assert "toy-2.0.0+cpu" in str(checks["wheels"]["remedy"])


def test_a_default_suite_that_cannot_be_read_is_a_finding(without_driver: Toy) -> None:
    (without_driver.project / "orch.toml").write_text('suite = "suites/none.yaml"\n', encoding="utf-8")

    ended, checks = examine(without_driver)

    assert ended.exit_code == Exit.OK
    assert checks["default suite"]["state"] == "warning"
    assert "no such suite" in str(checks["default suite"]["found"])


def test_an_unknown_device_is_a_usage_error(toy: Toy) -> None:
    ended = toy.orch("doctor", "--device", "tpu")

    assert ended.exit_code == Exit.USAGE
    assert "unknown device" in ended.stderr
