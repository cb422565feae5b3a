"""What NVML says of GPUs, through the real binding and a driver library with GPUs of our choice."""

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.nvidia_driver import GPU_0, HAS_COMPILER, NvidiaDriver, make_driver

pytestmark = pytest.mark.skipif(not HAS_COMPILER, reason="needs a C compiler, to make a driver library")
DIVIDED = "gpu|GPU-bbbbbbbb-1111|NVIDIA H100|9.0|700000|81559|1"
INSTANCES = ("instance|1|MIG-c|NVIDIA H100 MIG 1g.10gb|9856", "instance|1|MIG-d|NVIDIA H100 MIG 1g.10gb|9856")
PROGRAM = """
import json
from dataclasses import asdict
from orchestrator.nvml import read_gpus, read_users, why_no_gpu
gpus = read_gpus()
print(json.dumps({
    "gpus": [asdict(gpu) for gpu in gpus],
    "addresses": [gpu.address for gpu in gpus],
    "users": {gpu.uuid: asdict(read_users(gpu)) for gpu in gpus},
    "why": why_no_gpu(),
}))
"""


@pytest.fixture
def driver(tmp_path: Path) -> NvidiaDriver:
    return make_driver(tmp_path / "driver", GPU_0, DIVIDED, *INSTANCES)


@dataclass(frozen=True, kw_only=True)
class Found:
    """What `orch` finds under a driver, as it was written down."""

    gpus: list[dict[str, object]]
    addresses: list[str]
    users: dict[str, dict[str, list[dict[str, object]]]]  # by uuid: compute, graphics
    why: str


def look(env: Mapping[str, str]) -> Found:
    """Return what `orch` finds under this driver."""
    done = subprocess.run((sys.executable, "-c", PROGRAM), env=dict(env), capture_output=True, text=True, check=True)
    return Found(**json.loads(done.stdout))


def test_gpus_and_behind_each_its_mig_instances_are_listed(driver: NvidiaDriver) -> None:
    found = look(driver.env)

    whole, divided, first, _ = found.gpus

    assert found.addresses == ["0", "1", "1:0", "1:1"]
    assert (whole["compute"], whole["driver"], whole["power_limit_w"], whole["mig"]) == ("9.0", "570.86.15", 700, False)
    assert divided["mig"] is True
    assert (first["uuid"], first["index"], first["instance"]) == ("MIG-c", 1, 0)
    assert (first["name"], first["memory_bytes"]) == ("NVIDIA H100 MIG 1g.10gb", 9856 * 2**20)


def test_processes_that_compute_are_told_from_those_that_draw(driver: NvidiaDriver) -> None:
    driver.show(GPU_0, "compute|GPU-aaaaaaaa-0000|999999999|300", "graphics|GPU-aaaaaaaa-0000|999999998|30")

    (users,) = look(driver.env).users.values()

    assert users["compute"] == [{"pid": 999999999, "name": "", "memory_bytes": 300 * 2**20}]
    assert [process["pid"] for process in users["graphics"]] == [999999998]


def test_a_process_of_a_mig_instance_is_not_one_of_the_others(driver: NvidiaDriver) -> None:
    driver.show(GPU_0, DIVIDED, *INSTANCES, "compute|MIG-d|999999999|1")

    users = look(driver.env).users

    assert {uuid: len(one["compute"]) for uuid, one in users.items()} == {
        "GPU-aaaaaaaa-0000": 0,
        "GPU-bbbbbbbb-1111": 0,
        "MIG-c": 0,
        "MIG-d": 1,
    }


def test_a_driver_that_cannot_be_loaded_is_no_gpu_and_the_reason_is_known(tmp_path: Path) -> None:
    (tmp_path / "libnvidia-ml.so.1").write_bytes(b"not a library")

    found = look({"LD_LIBRARY_PATH": str(tmp_path)})

    assert found.gpus == []
    assert found.why == "NVML: NVML Shared Library Not Found"
