"""What a verb plans for, on machines with and without GPUs."""

from dataclasses import replace

import pytest

from orchestrator.errors import EngineError, UsageError
from orchestrator.fleet.locks import lock_name
from orchestrator.hardware import Gpu, GpuProcess, GpuUsers
from orchestrator.options import Options
from orchestrator.targeting import find_target
from tests.launches import MACHINE, FakeHost

FIRST = Gpu(name="NVIDIA H100", compute="9.0", driver="570.86.15", uuid="GPU-a", index=0)
SECOND = replace(FIRST, uuid="GPU-b", index=1)
BUSY = {"GPU-a": GpuUsers(compute=(GpuProcess(pid=7, name="python3"),))}


def host(*gpus: Gpu, users: dict[str, GpuUsers] | None = None, held: tuple[str, ...] = ()) -> FakeHost:
    return FakeHost(machine=replace(MACHINE, gpus=gpus), users=users or {}, held=list(held))


def test_a_machine_without_gpus_plans_for_its_processor() -> None:
    target = find_target(Options(), host())

    assert (target.device, target.gpu, target.gpus) == ("cpu", None, ())


def test_the_gpu_is_planned_for_with_the_driver_that_is_there() -> None:
    target = find_target(Options(), host(FIRST))

    assert (target.device, target.gpus) == ("cuda", (FIRST,))
    assert target.gpu is not None
    assert target.gpu.driver == "570.86.15"


def test_the_processor_is_planned_for_where_it_is_asked_for() -> None:
    assert find_target(Options(device="cpu"), host(FIRST)).device == "cpu"


@pytest.mark.parametrize(("users", "held", "taken"), [({}, (), "0"), (BUSY, (), "1"), ({}, (lock_name(FIRST),), "1")])
def test_of_several_gpus_the_first_free_one_is_taken_aloud(
    users: dict[str, GpuUsers], held: tuple[str, ...], taken: str, capsys: pytest.CaptureFixture[str]
) -> None:
    target = find_target(Options(), host(FIRST, SECOND, users=users, held=held))

    assert [gpu.address for gpu in target.gpus] == [taken]
    assert f"GPU: {taken} (NVIDIA H100), one of 2; --gpus takes others" in capsys.readouterr().err


def test_gpus_that_are_named_are_taken_without_a_word(capsys: pytest.CaptureFixture[str]) -> None:
    target = find_target(Options(gpus="all"), host(FIRST, SECOND))

    assert target.gpus == (FIRST, SECOND)
    assert capsys.readouterr().err == ""


def test_a_gpu_of_the_table_is_none_to_compute_on() -> None:
    target = find_target(Options(gpu="H100"), host(FIRST))

    assert target.gpu is not None
    assert (target.gpu.uuid, target.gpus) == ("", ())


@pytest.mark.parametrize(
    "options",
    [
        Options(gpus="0", gpu="H100"),
        Options(gpus="0", device="cpu"),
        Options(device="tpu"),
        Options(gpu="H100", device="cpu"),
        Options(driver="535.104"),
    ],
)
def test_options_that_contradict_each_other_are_refused(options: Options) -> None:
    with pytest.raises(UsageError):
        find_target(options, host(FIRST))


@pytest.mark.parametrize("options", [Options(gpus="0"), Options(device="cuda")])
def test_a_gpu_on_a_machine_without_one_is_an_error_with_a_next_step(options: Options) -> None:
    with pytest.raises(EngineError, match=r"shows no GPU.*--device cpu"):
        find_target(replace(options, host="ssh://me@vm"), host())
