"""What a launch finds in its environment."""

from pathlib import Path

import pytest

from orchestrator.engines import Job
from orchestrator.engines.containers import ENVIRONMENT
from orchestrator.engines.environment import launch_environment
from orchestrator.hardware import Gpu

GPU = Gpu(name="NVIDIA H100", compute="9.0", uuid="GPU-1234", index=1)
INSTANCE = Gpu(name="NVIDIA H100 MIG 1g.10gb", compute="9.0", uuid="MIG-5678", index=1, instance=0)


def environment(folder: Path, gpu: Gpu | None = None) -> dict[str, str]:
    job = Job(argv=("python",), files={}, timeout_s=1.0, gpu=gpu)
    return launch_environment(folder / "venv" / "bin" / "python", folder / "launch", folder / "cache", job)


@pytest.mark.parametrize(("gpu", "seen"), [(None, ""), (GPU, "GPU-1234"), (INSTANCE, "MIG-5678")])
def test_a_local_launch_sees_its_gpu_and_no_other(tmp_path: Path, gpu: Gpu | None, seen: str) -> None:
    env = environment(tmp_path, gpu)

    assert env["CUDA_VISIBLE_DEVICES"] == seen
    assert env["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"
    assert "LD_LIBRARY_PATH" not in env


def test_containers_and_local_launches_have_the_same_variables(tmp_path: Path) -> None:
    assert ENVIRONMENT.keys() <= environment(tmp_path).keys()


def test_what_cuda_compiles_is_kept_with_room_for_a_framework() -> None:
    assert ENVIRONMENT["CUDA_CACHE_PATH"].startswith("/orch/cache/")
    assert int(ENVIRONMENT["CUDA_CACHE_MAXSIZE"]) == 4 * 2**30
    assert ENVIRONMENT["CUDA_CACHE_DISABLE"] == "0"
    assert "CUDA_FORCE_PTX_JIT" not in ENVIRONMENT
