"""Slots of one machine: their processors, their locks, and work that is done side by side."""

import os
import signal
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from threading import Barrier, Event, current_thread, main_thread

import pytest

from orchestrator import process
from orchestrator.devices import FOREIGN, FREE, OURS
from orchestrator.errors import DiskError, EngineError, UsageError
from orchestrator.fleet import Fleet, Slot
from orchestrator.fleet.hosts import ThisMachine
from orchestrator.fleet.local import LocalFleet, held_by, make_slots, refuse_foreign
from orchestrator.fleet.locks import MACHINE as MACHINE_LOCK
from orchestrator.fleet.locks import lock_file, lock_name
from orchestrator.hardware import Gpu, GpuProcess, GpuUsers, Machine
from tests.launches import FakeHost

FIRST = Gpu(name="NVIDIA H100", compute="9.0", uuid="GPU-a", index=0)
SECOND = replace(FIRST, uuid="GPU-b", index=1)
MACHINE = Machine(
    id="m", cpu="A CPU", cores=4, cpus=(0, 2, 4, 6, 1, 3, 5, 7), memory_bytes=1, kernel="6", gpus=(FIRST, SECOND)
)
SOMEBODY = GpuProcess(pid=7, name="python3")
WAIT_S = 30.0  # until a test fails that would otherwise hang


def make_fleet(folder: Path, gpus: Sequence[Gpu] = ()) -> Fleet:
    """Make a fleet whose locks are files of the folder."""
    return LocalFleet(make_slots(MACHINE, gpus, 1), ThisMachine(folder), poll_s=0.0)


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


def is_held(folder: Path, name: str, *, shared: bool = False) -> bool:
    return process.is_held(lock_file(folder, name), shared=shared)


def test_a_gpu_is_held_and_the_others_are_free(tmp_path: Path) -> None:
    with make_fleet(tmp_path, (FIRST,)).held():
        assert is_held(tmp_path, lock_name(FIRST))
        assert not is_held(tmp_path, lock_name(SECOND))
        with make_fleet(tmp_path, (SECOND,)).held():
            assert is_held(tmp_path, lock_name(SECOND))

    assert not is_held(tmp_path, lock_name(FIRST))


def test_a_run_on_the_processor_and_one_on_a_gpu_exclude_each_other(tmp_path: Path) -> None:
    with make_fleet(tmp_path).held():
        assert is_held(tmp_path, MACHINE_LOCK, shared=True)
    with make_fleet(tmp_path, (FIRST,)).held():
        assert is_held(tmp_path, MACHINE_LOCK)
        assert not is_held(tmp_path, MACHINE_LOCK, shared=True)


def test_locks_of_several_gpus_are_taken_in_one_order_so_that_two_runs_never_wait_for_each_other() -> None:
    host = FakeHost(machine=MACHINE)

    with LocalFleet(make_slots(MACHINE, (SECOND, FIRST), 1), host).held():
        assert host.taken_locks == [("machine", True), ("GPU-a", False), ("GPU-b", False)]


# --- who else is there -----------------------------------------------------------------------------------------------


def host_with(*processes: GpuProcess, held: Sequence[str] = ()) -> FakeHost:
    """A machine on whose first GPU somebody computes."""
    return FakeHost(machine=MACHINE, users={FIRST.uuid: GpuUsers(compute=processes)}, held=list(held))


def test_a_gpu_is_free_or_of_another_run_or_of_somebody_else() -> None:
    host = host_with(SOMEBODY, held=[lock_name(SECOND)])

    assert [held_by(host, gpu) for gpu in (FIRST, SECOND)] == [FOREIGN, OURS]
    assert held_by(host_with(), FIRST) == FREE


def test_a_gpu_on_which_somebody_computes_is_refused_and_a_free_one_is_named() -> None:
    with pytest.raises(EngineError, match=r"GPU 0 .*: process 7 \(python3\).* or take another: --gpus 1"):
        refuse_foreign(host_with(SOMEBODY), (FIRST,))


def test_who_computes_on_a_gpu_of_another_run_is_that_run_and_is_waited_for() -> None:
    refuse_foreign(host_with(SOMEBODY, held=[lock_name(FIRST)]), (FIRST,))


def test_a_desktop_on_a_gpu_is_told_and_refuses_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    host = FakeHost(machine=MACHINE, users={FIRST.uuid: GpuUsers(graphics=(GpuProcess(pid=9, name="Xorg"),))})

    refuse_foreign(host, (FIRST, SECOND))

    assert "GPU 0 draws a desktop too (process 9 (Xorg))" in capsys.readouterr().err


def test_who_computes_on_the_gpu_is_named_while_it_is_waited_for(capsys: pytest.CaptureFixture[str]) -> None:
    host = host_with(SOMEBODY)
    fleet = LocalFleet(make_slots(MACHINE, (FIRST,), 1), host, poll_s=0.0)
    looks = iter((False, False, True))

    fleet.await_free(fleet.slots[0], lambda: next(looks))

    assert capsys.readouterr().err.count("GPU 0: others compute on it now: process 7 (python3)") == 1


@pytest.mark.parametrize("gpus", [(), (FIRST,)])
def test_a_free_slot_is_not_waited_for(gpus: tuple[Gpu, ...], capsys: pytest.CaptureFixture[str]) -> None:
    fleet = LocalFleet(make_slots(MACHINE, gpus, 1), host_with(), poll_s=0.0)

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
