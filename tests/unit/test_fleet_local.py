"""Slots of one machine: their processors, their locks, and work that is done side by side."""

import os
import signal
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from threading import Barrier, Event, current_thread, main_thread

import pytest

from orchestrator import process
from orchestrator.errors import DiskError, UsageError
from orchestrator.fleet import Fleet, Slot
from orchestrator.fleet.local import LocalFleet, lock_of, make_slots
from orchestrator.hardware import Gpu, GpuProcess, GpuUsers, Machine

FIRST = Gpu(name="NVIDIA H100", compute="9.0", uuid="GPU-a", index=0)
SECOND = replace(FIRST, uuid="GPU-b", index=1)
MACHINE = Machine(
    id="m", cpu="A CPU", cores=4, cpus=(0, 2, 4, 6, 1, 3, 5, 7), memory_bytes=1, kernel="6", gpus=(FIRST, SECOND)
)
WAIT_S = 30.0  # until a test fails that would otherwise hang


def make_fleet(folder: Path, gpus: Sequence[Gpu] = (), users: GpuUsers | None = None) -> Fleet:
    return LocalFleet(make_slots(MACHINE, gpus, 1), folder, users=lambda _gpu: users or GpuUsers(), poll_s=0.0)


def nothing() -> None:
    raise AssertionError("nothing was to be ended")


# --- slots -----------------------------------------------------------------------------------------------------------


def test_the_processor_is_one_slot_with_all_its_cores() -> None:
    assert make_slots(MACHINE, (), None) == (Slot(cpus=(0, 2, 4, 6)),)


def test_each_gpu_is_a_slot_with_cores_of_its_own() -> None:
    slots = make_slots(MACHINE, (FIRST, SECOND), None)

    assert slots == (Slot(gpu=FIRST, cpus=(0, 2)), Slot(gpu=SECOND, cpus=(4, 6)))


def test_a_gpu_has_the_same_cores_alone_as_beside_others() -> None:
    both = make_slots(MACHINE, (FIRST, SECOND), 1)

    assert make_slots(MACHINE, (SECOND,), 1) == both[1:]


def test_a_divided_gpu_takes_no_share_beside_its_instances() -> None:
    instances = tuple(replace(FIRST, uuid=f"MIG-{number}", instance=number) for number in range(2))
    machine = replace(MACHINE, gpus=(replace(FIRST, mig=True), *instances))

    slots = make_slots(machine, instances, None)

    assert [slot.cpus for slot in slots] == [(0, 2), (4, 6)]


@pytest.mark.parametrize(
    ("gpus", "threads", "said"), [((), 9, "this machine has 8"), ((FIRST,), 5, "the share of each of the 2 GPUs has 4")]
)
def test_more_threads_than_processors_are_refused(gpus: tuple[Gpu, ...], threads: int, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        make_slots(MACHINE, gpus, threads)


# --- locks -----------------------------------------------------------------------------------------------------------


def test_a_gpu_is_held_and_the_others_are_free(tmp_path: Path) -> None:
    with make_fleet(tmp_path, (FIRST,)).held():
        assert process.is_held(lock_of(tmp_path, FIRST))
        assert not process.is_held(lock_of(tmp_path, SECOND))
        with make_fleet(tmp_path, (SECOND,)).held():
            assert process.is_held(lock_of(tmp_path, SECOND))

    assert not process.is_held(lock_of(tmp_path, FIRST))


def test_a_run_on_the_processor_and_one_on_a_gpu_exclude_each_other(tmp_path: Path) -> None:
    machine = tmp_path / "machine.lock"

    with make_fleet(tmp_path).held():
        assert process.is_held(machine, shared=True)
    with make_fleet(tmp_path, (FIRST,)).held():
        assert process.is_held(machine)
        assert not process.is_held(machine, shared=True)


def test_who_computes_on_the_gpu_is_named_while_it_is_waited_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fleet = make_fleet(tmp_path, (FIRST,), GpuUsers(compute=(GpuProcess(pid=7, name="python3"),)))
    stopped = iter((False, True))

    fleet.await_free(replace(fleet.slots[0]), lambda: next(stopped))

    assert "GPU 0: others compute on it now: process 7 (python3)" in capsys.readouterr().err


@pytest.mark.parametrize("gpus", [(), (FIRST,)])
def test_a_free_slot_is_not_waited_for(
    tmp_path: Path, gpus: tuple[Gpu, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    fleet = make_fleet(tmp_path, gpus)

    fleet.await_free(fleet.slots[0], lambda: False)

    assert capsys.readouterr().err == ""


# --- work ------------------------------------------------------------------------------------------------------------


def test_one_slot_works_in_order_and_in_the_thread_that_signals_reach(tmp_path: Path) -> None:
    done: list[tuple[int, bool]] = []

    make_fleet(tmp_path).run(
        range(5), lambda unit, _slot: done.append((unit, current_thread() is main_thread())), nothing
    )

    assert done == [(unit, True) for unit in range(5)]


def test_several_slots_work_at_once_and_do_each_unit_once(tmp_path: Path) -> None:
    together = Barrier(2)
    done: list[tuple[int, str]] = []

    def work(unit: int, slot: Slot) -> None:
        together.wait(WAIT_S)
        done.append((unit, slot.gpu.uuid if slot.gpu else ""))

    make_fleet(tmp_path, (FIRST, SECOND)).run(range(6), work, nothing)

    assert sorted(unit for unit, _ in done) == list(range(6))
    assert {uuid for _, uuid in done} == {"GPU-a", "GPU-b"}


def test_what_one_slot_raises_ends_the_others_after_their_unit(tmp_path: Path) -> None:
    begun, failed = Event(), Event()
    done: list[int] = []

    def work(unit: int, slot: Slot) -> None:
        if slot.gpu == FIRST:
            begun.wait(WAIT_S)
            failed.set()
            raise DiskError("full")
        begun.set()
        failed.wait(WAIT_S)
        done.append(unit)

    with pytest.raises(DiskError, match="full"):
        make_fleet(tmp_path, (FIRST, SECOND)).run(range(200_000), work, nothing)

    assert 1 <= len(done) < 199_999


def test_a_stop_ends_all_slots_and_begins_no_unit(tmp_path: Path) -> None:
    together, ended = Barrier(2), Event()
    begun: list[int] = []

    def work(unit: int, slot: Slot) -> None:
        begun.append(unit)
        together.wait(WAIT_S)
        if slot.gpu == FIRST:
            os.kill(os.getpid(), signal.SIGINT)
        assert ended.wait(WAIT_S)

    with pytest.raises(KeyboardInterrupt):
        make_fleet(tmp_path, (FIRST, SECOND)).run(range(6), work, ended.set)

    assert sorted(begun) == [0, 1]
