"""GPUs, MIG instances and processes as nvidia-smi writes them.

Source of the forms: `nvidia-smi --help-query-gpu` of 535 and 470; the list of instances is that of
DataDog/datadog-agent #33120.
"""

import pytest

from orchestrator.fleet.nvidia_smi import add_instances, parse_gpus, parse_processes
from orchestrator.hardware import Gpu, GpuProcess

H100 = "0, GPU-a, NVIDIA H100 80GB HBM3, 9.0, 535.216.01, 81559, 700.00, Enabled, Disabled"
A100 = "1, GPU-7fdaf0a5, NVIDIA A100-SXM4-80GB, 8.0, 535.216.01, 81920, 400.00, Enabled, Enabled"
DESKTOP = "2, GPU-c, NVIDIA GeForce GTX 1080, 6.1, 535.216.01, 8192, [N/A], [N/A], [N/A]"
INSTANCES = """\
GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-a)
GPU 1: NVIDIA A100-SXM4-80GB (UUID: GPU-7fdaf0a5)
  MIG 1g.10gb     Device  0: (UUID: MIG-feb88891-0321-5fef-9c87-d4af3b54259e)
  MIG 1g.10gb     Device  1: (UUID: MIG-a25704ba-3a06-5299-a795-fd7cf4d13973)
"""


def test_a_gpu_is_read_in_the_units_of_a_record() -> None:
    (gpu,) = parse_gpus(H100)

    assert gpu == Gpu(
        index=0,
        uuid="GPU-a",
        name="NVIDIA H100 80GB HBM3",
        compute="9.0",
        driver="535.216.01",
        memory_bytes=81559 * 2**20,
        power_limit_w=700.0,
        ecc=True,
        mig=False,
    )


def test_what_a_board_does_not_have_is_not_known() -> None:
    (gpu,) = parse_gpus(DESKTOP)

    assert (gpu.power_limit_w, gpu.ecc, gpu.mig) == (None, None, None)


@pytest.mark.parametrize(
    "answer", ["", 'Field "compute_cap" is not a valid field to query.', H100.replace("9.0", "[Unknown Error]")]
)
def test_a_gpu_that_does_not_say_what_it_can_compute_is_none(answer: str) -> None:
    assert parse_gpus(answer) == ()


def test_behind_a_gpu_in_mig_mode_come_its_instances() -> None:
    gpus = add_instances(parse_gpus("\n".join((H100, A100, DESKTOP))), INSTANCES)

    first = gpus[2]

    assert [gpu.address for gpu in gpus] == ["0", "1", "1:0", "1:1", "2"]
    assert (first.uuid, first.name) == (
        "MIG-feb88891-0321-5fef-9c87-d4af3b54259e",
        "NVIDIA A100-SXM4-80GB MIG 1g.10gb",
    )
    assert (first.compute, first.driver, first.mig, first.memory_bytes) == ("8.0", "535.216.01", None, None)


def test_processes_of_other_gpus_do_not_count() -> None:
    answer = "GPU-b, 11, 100, /usr/bin/python3\nGPU-a, 4242, 1024, /opt/conda/bin/python\nGPU-a, 7, [N/A], [Not Found]"

    found = parse_processes(answer, parse_gpus(H100)[0])

    assert found == (
        GpuProcess(pid=4242, name="python", memory_bytes=2**30),
        GpuProcess(pid=7, name="", memory_bytes=None),
    )
