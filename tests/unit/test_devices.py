"""Which GPUs a run takes."""

from dataclasses import replace

import pytest

from orchestrator.devices import FOREIGN, FREE, OURS, choose_gpus, computable, require_nobody
from orchestrator.errors import EngineError, UsageError
from orchestrator.hardware import Gpu, GpuProcess

H100 = Gpu(name="NVIDIA H100", compute="9.0", uuid="GPU-aaaa-1", index=0, power_limit_w=700.0, mig=False)
SECOND = replace(H100, uuid="GPU-aaab-2", index=1)
DIVIDED = replace(H100, uuid="GPU-cccc-3", index=2, mig=True)
INSTANCES = tuple(
    replace(H100, name="NVIDIA H100 MIG 1g.10gb", uuid=f"MIG-{number}", index=2, mig=None, instance=number)
    for number in (0, 1)
)
GPUS = (H100, SECOND, DIVIDED, *INSTANCES)


def choose(wanted: str | None, gpus: tuple[Gpu, ...] = GPUS, **held: int) -> tuple[str, ...]:
    return tuple(gpu.address for gpu in choose_gpus(gpus, wanted, lambda gpu: held.get(f"gpu{gpu.address}", FREE)))


@pytest.mark.parametrize(
    ("wanted", "chosen"),
    [
        ("0", ("0",)),
        ("1,0", ("0", "1")),
        (" 0 , 1 ", ("0", "1")),
        ("GPU-aaab-2", ("1",)),
        ("gpu-aaab", ("1",)),
        ("0,GPU-aaaa-1", ("0",)),
        ("2:1", ("2:1",)),
        ("MIG-0,MIG-1", ("2:0", "2:1")),
    ],
)
def test_gpus_are_named_by_index_uuid_or_instance(wanted: str, chosen: tuple[str, ...]) -> None:
    assert choose(wanted) == chosen


def test_all_takes_every_gpu_that_can_be_computed_on() -> None:
    assert choose("all", (H100, SECOND)) == ("0", "1")
    assert choose("all", (DIVIDED, *INSTANCES)) == ("2:0", "2:1")


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ("7", "no such GPU. There are: 0 (NVIDIA H100, GPU-aaaa-1), 1 (NVIDIA H100, GPU-aaab-2), 2 (NVIDIA H100, "),
        ("aaaa", "no such GPU"),
        ("GPU-aaa", "more than one begins so"),
        ("2:7", "no such GPU"),
        ("-1", "no such GPU"),
        ("", "names no GPU"),
        (",", "names no GPU"),
        ("2", "is in MIG mode, in which only its instances compute. Name them: --gpus 2:0,2:1."),
        ("0,all", "all: no such GPU"),
    ],
)
def test_a_name_that_is_none_is_told_with_those_that_are(wanted: str, said: str) -> None:
    with pytest.raises(UsageError) as raised:
        choose(wanted)

    assert said in str(raised.value)


def test_a_divided_gpu_without_instances_is_told_with_the_command_that_makes_some() -> None:
    with pytest.raises(UsageError, match=r"nvidia-smi mig -i 2 -cgi 0 -C; or end the mode: nvidia-smi -i 2 -mig 0"):
        choose("2", (H100, DIVIDED))

    with pytest.raises(EngineError, match="no GPU here can be computed on"):
        choose(None, (DIVIDED,))


@pytest.mark.parametrize("other", [replace(SECOND, name="NVIDIA A100"), replace(SECOND, power_limit_w=350.0)])
def test_gpus_of_another_model_or_power_limit_share_no_run(other: Gpu) -> None:
    with pytest.raises(UsageError, match=r"0 \(NVIDIA H100 at 700 W\) and 1 \(.*\) must not share a table"):
        choose("0,1", (H100, other))


def test_without_a_name_the_first_gpu_that_nobody_computes_on_is_taken() -> None:
    assert choose(None) == ("0",)
    assert choose(None, gpu0=FOREIGN) == ("1",)
    assert choose(None, gpu0=OURS) == ("1",)


def test_a_gpu_that_another_run_will_leave_comes_before_one_that_others_compute_on() -> None:
    assert choose(None, (H100, SECOND), gpu0=FOREIGN, gpu1=OURS) == ("1",)
    assert choose(None, (H100, SECOND), gpu0=FOREIGN, gpu1=FOREIGN) == ("0",)


def test_a_divided_gpu_is_never_taken_whole() -> None:
    assert computable(GPUS) == (H100, SECOND, *INSTANCES)
    assert choose(None, (DIVIDED, *INSTANCES)) == ("2:0",)


def test_who_computes_on_a_gpu_is_named_with_the_remedy() -> None:
    others = (GpuProcess(pid=7, name="python3", memory_bytes=3 * 10**9), GpuProcess(pid=8, name="", memory_bytes=None))

    with pytest.raises(EngineError) as raised:
        require_nobody(H100, others, (SECOND,))

    assert str(raised.value).startswith(
        "GPU 0 (NVIDIA H100): others compute on it: process 7 (python3, 3.00 GB), process 8."
    )
    assert str(raised.value).endswith("Wait for their end, end them, or take another: --gpus 1.")


def test_a_gpu_to_ourselves_is_no_error() -> None:
    require_nobody(H100, (), ())
