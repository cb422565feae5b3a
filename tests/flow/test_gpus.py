"""`orch run` on GPUs that a driver library shows: which it takes, that it has them alone, that nothing is lost."""

import os
import shutil
import signal
import subprocess
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from tests.nvidia_driver import GPU_0, GPU_1, HAS_COMPILER, NvidiaDriver, make_driver, with_cuda
from tests.toy_project import (
    Ended,
    Toy,
    edit,
    finish,
    left_folders,
    make_toy,
    marked_processes,
    measured,
    wait_until,
)

pytestmark = pytest.mark.skipif(not HAS_COMPILER, reason="needs a C compiler, to make a driver library")
RUN = ("run", "toy_versions", "--engine", "venv")
SLOW = ("run", "slow", "--engine", "venv")
DIVIDED = "gpu|GPU-bbbbbbbb-1111|NVIDIA H100|9.0|700000|81559|1"
INSTANCES = ("instance|1|MIG-c|NVIDIA H100 MIG 1g.10gb|9856", "instance|1|MIG-d|NVIDIA H100 MIG 1g.10gb|9856")
SOMEBODY = "compute|GPU-aaaaaaaa-0000|999999999|2048"  # a process that is none
LAUNCHES = 6


@pytest.fixture
def driver(tmp_path: Path) -> NvidiaDriver:
    return make_driver(tmp_path / "driver", GPU_0, GPU_1)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Toy:
    """A project whose CUDA and CPU builds are locked and built."""
    folder = tmp_path_factory.mktemp("toy")
    driver = make_driver(folder / "driver", GPU_0)
    toy = make_toy(folder, folder / "cache")
    toy = with_cuda(replace(toy, env={"DOCKER_HOST": "unix:///nobody-listens-here.sock"}), driver)
    for device in (("--gpus", "0"), ("--device", "cpu")):
        ended = toy.orch("build", "toy_versions", *device, "--resolve")
        assert ended.exit_code == 0, ended.stderr
    return toy


@pytest.fixture
def toy(built: Toy, driver: NvidiaDriver, tmp_path: Path) -> Toy:
    """A copy of the project under a driver of its own; environments and locks are shared."""
    shutil.copytree(built.project, tmp_path / "project")
    return replace(built, folder=tmp_path, env={**built.env, **driver.env})


def part(record: dict[str, object], *path: str) -> object:
    value: object = record
    for name in path:
        assert isinstance(value, dict)
        value = value[name]
    return value


def start_slow(toy: Toy, *arguments: str, launches: int = 1) -> "subprocess.Popen[str]":
    """Start a run and wait until it has so many records and is inside the next launches."""
    program = toy.start(*SLOW, *arguments)
    wait_until(lambda: len(list(toy.folder.glob("runs/*/records/*.json"))) >= launches or program.poll() is not None)
    wait_until(lambda: marked_processes(toy) or program.poll() is not None)
    return program


def read_until(program: "subprocess.Popen[str]", text: str) -> None:
    """Read what a program says until it says this."""
    assert program.stderr
    while text not in program.stderr.readline():
        assert program.poll() is None


def assert_complete(toy: Toy, ended: Ended) -> None:
    """Nothing is lost, nothing doubled, nothing left."""
    assert ended.exit_code == 0, ended.stderr
    assert len(measured(toy.records())) == len(set(measured(toy.records()))) == LAUNCHES
    assert marked_processes(toy) == left_folders(toy) == []


# --- which GPUs ------------------------------------------------------------------------------------------------------


def test_a_launch_sees_the_gpu_that_was_named_and_its_record_says_which(toy: Toy) -> None:
    ended = toy.orch(*RUN, "--gpus", "GPU-bbbb")

    records = toy.records()
    assert ended.exit_code == 0, ended.stderr
    assert {part(one, "environment", "flags", "sees") for one in records} == {"GPU-bbbbbbbb-1111"}
    assert {part(one, "launch", "gpu", "address") for one in records} == {"1"}
    assert {part(one, "launch", "gpu", "uuid") for one in records} == {"GPU-bbbbbbbb-1111"}
    assert {(part(one, "container", "gpu_mode"), part(one, "image", "variant")) for one in records} == {
        ("host", "cu117")
    }


def test_a_mig_instance_is_seen_by_its_uuid(toy: Toy, driver: NvidiaDriver) -> None:
    driver.show(GPU_0, DIVIDED, *INSTANCES)

    ended = toy.orch(*RUN, "--gpus", "1:1")

    assert ended.exit_code == 0, ended.stderr
    assert {part(one, "environment", "flags", "sees") for one in toy.records()} == {"MIG-d"}
    assert {part(one, "launch", "gpu", "address") for one in toy.records()} == {"1:1"}
    assert "NVIDIA H100 MIG 1g.10gb" in ended.stdout


@pytest.mark.parametrize(
    ("arguments", "exit_code", "said"),
    [
        (("--gpus", "7"), 2, "--gpus 7: no such GPU. There are: 0 (NVIDIA H100, GPU-aaaaaaaa-0000), 1 ("),
        (("--gpus", "GPU-"), 2, "more than one begins so"),
        (("--gpus", "1"), 2, "is in MIG mode, in which only its instances compute. Name them: --gpus 1:0,1:1."),
        (("--gpus", "0,1:0"), 2, "must not share a table"),
        (("--gpus", "0", "--device", "cpu"), 2, "Give one of them"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_gpus_that_cannot_be_taken_are_told_with_those_that_can(
    toy: Toy, driver: NvidiaDriver, arguments: tuple[str, ...], exit_code: int, said: str
) -> None:
    driver.show(GPU_0, DIVIDED, *INSTANCES)

    ended = toy.orch(*RUN, *arguments)

    assert ended.exit_code == exit_code
    assert said in ended.stderr
    assert toy.runs() == []


def test_a_driver_below_the_floor_of_the_only_variant_runs_nothing(toy: Toy, driver: NvidiaDriver) -> None:
    driver.show(GPU_0, version="440.33.01")

    ended = toy.orch(*RUN)

    assert ended.exit_code == 6
    assert "needs driver >= 450.80.02 (cu117), found 440.33.01" in ended.stderr


def test_a_gpu_without_native_code_for_it_runs_nothing(toy: Toy, driver: NvidiaDriver) -> None:
    driver.show(GPU_0.replace("9.0", "12.0"))

    ended = toy.orch(*RUN)

    assert ended.exit_code == 6
    assert "no build for compute 12.0: newest native is 9.0 (cu117)" in ended.stderr


def test_code_compiled_from_ptx_is_not_divided_by_native_code(toy: Toy) -> None:
    rows = toy.project / "images" / "toy" / "versions.yaml"
    old, new = rows.read_text(encoding="utf-8").split('  "2.0.0":')
    old = old.replace('compute: ["9.0"]', 'compute: ["8.0"], ptx: "8.0"')
    rows.write_text(f'{old}  "2.0.0":{new}', encoding="utf-8")

    ended = toy.orch(*RUN)

    assert ended.exit_code == 0, ended.stderr
    assert "1.0.0 cu117 jit" in ended.stdout
    assert "GPU code: compiled from PTX (jit), not native" in ended.stdout
    assert {part(one, "image", "jit") for one in toy.records()} == {True, False}


def test_a_known_error_of_the_gpu_is_told_with_its_remedy_once(toy: Toy) -> None:
    edit(toy.project / "suites" / "toy_versions.yaml", "steady", "no_kernel")

    ended = toy.orch(*RUN)

    remedies = {part(one, "failure", "remedy") for one in toy.records()}
    (remedy,) = remedies
    assert ended.exit_code == 1
    assert isinstance(remedy, str)
    assert remedy.startswith("The variant has no code for this GPU's compute capability. Take another variant")
    assert ended.stderr.count(remedy) == 1


# --- several GPUs ----------------------------------------------------------------------------------------------------


def test_several_gpus_share_the_blocks_and_no_block_is_on_two(toy: Toy) -> None:
    ended = toy.orch(*SLOW, "--gpus", "all")

    records = toy.records()
    places = {(part(one, "launch", "block"), part(one, "launch", "gpu", "address")) for one in records}
    assert_complete(toy, ended)
    assert Counter(block for block, _ in places) == {1: 1, 2: 1, 3: 1}
    assert {address for _, address in places} == {"0", "1"}
    assert {part(one, "launch", "paired") for one in records} == {True}
    assert "block 1  GPU " in ended.stderr


def test_gpus_used_side_by_side_have_processors_of_their_own(toy: Toy) -> None:
    toy.orch(*SLOW, "--gpus", "all")

    pinned = {(part(one, "launch", "gpu", "address"), part(one, "protocol", "cpuset")) for one in toy.records()}
    spans = {
        address: [
            (str(part(one, "launch", "started")), str(part(one, "launch", "ended")))
            for one in toy.records()
            if part(one, "launch", "gpu", "address") == address
        ]
        for address in ("0", "1")
    }
    assert len(pinned) == 2
    assert len(os.sched_getaffinity(0)) == 1 or len({cpus for _, cpus in pinned}) == 2
    assert any(begin < other_end and other < end for begin, end in spans["0"] for other, other_end in spans["1"])


def test_a_killed_run_on_two_gpus_is_continued_by_the_same_command(toy: Toy) -> None:
    killed = start_slow(toy, "--gpus", "0,1", launches=2)
    killed.kill()
    finish(killed)
    before = len(toy.records())

    again = toy.orch(*SLOW, "--gpus", "0,1")

    assert 2 <= before < LAUNCHES
    assert_complete(toy, again)


def test_a_run_on_two_gpus_is_continued_on_one_of_them(toy: Toy) -> None:
    stopped = start_slow(toy, "--gpus", "0,1", launches=2)
    stopped.terminate()
    assert finish(stopped).exit_code == 130

    again = toy.orch(*SLOW, "--gpus", "1")

    assert_complete(toy, again)
    assert len(toy.runs()) == 1


def test_ctrl_c_twice_kills_the_launches_on_all_gpus(toy: Toy) -> None:
    program = start_slow(toy, "--gpus", "0,1")

    os.killpg(program.pid, signal.SIGINT)
    read_until(program, "Ctrl-C again kills it")
    os.killpg(program.pid, signal.SIGINT)
    os.killpg(program.pid, signal.SIGINT)
    stopped = finish(program)

    assert stopped.exit_code == 130
    assert "Traceback" not in stopped.stderr
    assert {one["status"] for one in toy.records()} <= {"ok"}
    assert marked_processes(toy) == left_folders(toy) == []
    assert_complete(toy, toy.orch(*SLOW, "--gpus", "0,1"))


def test_ctrl_c_once_lets_the_launches_on_all_gpus_end(toy: Toy) -> None:
    program = start_slow(toy, "--gpus", "0,1")

    os.killpg(program.pid, signal.SIGINT)
    stopped = finish(program)

    records = toy.records()
    assert stopped.exit_code == 130
    assert {one["status"] for one in records} == {"ok"}
    assert len(records) < LAUNCHES
    assert_complete(toy, toy.orch(*SLOW, "--gpus", "0,1"))


def test_a_plan_for_several_gpus_says_how_many(toy: Toy) -> None:
    ended = toy.orch("plan", "slow", "--engine", "venv", "--gpus", "all")

    assert ended.exit_code == 0
    assert "On 2 × NVIDIA H100, compute 9.0, driver 570.86.15." in ended.stdout


def test_each_kind_of_gpu_has_a_run_of_its_own(toy: Toy, driver: NvidiaDriver) -> None:
    driver.show(GPU_0, GPU_1.replace("H100", "A100"))

    first, other, again = (toy.orch(*RUN, "--gpus", number) for number in ("0", "1", "0"))

    assert first.run_folder == again.run_folder != other.run_folder


# --- each GPU for one ------------------------------------------------------------------------------------------------


def test_two_runs_on_one_gpu_take_turns(toy: Toy) -> None:
    first = start_slow(toy, "--gpus", "0")
    waiting = toy.start(*RUN, "--gpus", "GPU-aaaa")

    read_until(waiting, "Another orch run is measuring on GPU 0 (NVIDIA H100). Waiting for its end")
    first.terminate()
    finish(first)

    assert finish(waiting).exit_code == 0


def test_a_run_that_waits_for_its_gpu_can_be_stopped(toy: Toy) -> None:
    first = start_slow(toy, "--gpus", "0")
    waiting = toy.start(*RUN, "--gpus", "0")
    read_until(waiting, "Another orch run is measuring on GPU 0")

    os.killpg(waiting.pid, signal.SIGINT)
    stopped = finish(waiting)
    first.terminate()
    finish(first)

    assert stopped.exit_code == 130
    assert "Traceback" not in stopped.stderr


def test_two_runs_on_two_gpus_go_side_by_side(toy: Toy) -> None:
    edit(toy.project / "suites" / "slow.yaml", "blocks: 3", "blocks: 99")
    first = start_slow(toy, "--gpus", "0")

    second = toy.orch(*RUN)
    is_under_way = first.poll() is None
    first.terminate()
    finish(first)

    assert is_under_way
    assert second.exit_code == 0, second.stderr
    assert "GPU: 1 (NVIDIA H100), one of 2" in second.stderr
    assert "Another orch run" not in second.stderr


def test_a_run_on_the_processor_waits_for_one_on_a_gpu(toy: Toy) -> None:
    first = start_slow(toy, "--gpus", "0")
    waiting = toy.start(*RUN, "--device", "cpu")

    read_until(waiting, "Another orch run is measuring on this machine. Waiting for its end")
    first.terminate()
    finish(first)

    assert finish(waiting).exit_code == 0


def test_a_gpu_on_which_somebody_computes_is_refused_before_anything_starts(toy: Toy, driver: NvidiaDriver) -> None:
    driver.show(GPU_0, GPU_1, SOMEBODY)

    ended = toy.orch(*RUN, "--gpus", "0")

    assert ended.exit_code == 3
    assert "GPU 0 (NVIDIA H100): others compute on it: process 999999999 (2.15 GB)" in ended.stderr
    assert "or take another: --gpus 1." in ended.stderr
    assert toy.runs() == []


def test_a_gpu_on_which_somebody_computes_is_not_taken_unasked(toy: Toy, driver: NvidiaDriver) -> None:
    driver.show(GPU_0, GPU_1, SOMEBODY)

    ended = toy.orch(*RUN)

    assert ended.exit_code == 0, ended.stderr
    assert {part(one, "launch", "gpu", "address") for one in toy.records()} == {"1"}


def test_a_desktop_is_a_warning(toy: Toy, driver: NvidiaDriver) -> None:
    driver.show(GPU_0, "graphics|GPU-aaaaaaaa-0000|999999999|64")

    ended = toy.orch(*RUN)

    assert ended.exit_code == 0
    assert "GPU 0 draws a desktop too (process 999999999 (67 MB))" in ended.stderr


def test_what_a_killed_run_left_on_the_gpu_is_removed_and_not_taken_for_somebody_else(
    toy: Toy, driver: NvidiaDriver
) -> None:
    killed = start_slow(toy, "--gpus", "0")
    (left, *_) = pids_of_launches(toy)
    os.kill(left, signal.SIGSTOP)  # it would end by itself otherwise
    killed.kill()
    finish(killed)
    driver.show(GPU_0, GPU_1, f"living|GPU-aaaaaaaa-0000|{left}|2048")

    again = toy.orch(*SLOW, "--gpus", "0")

    assert_complete(toy, again)
    assert "which a run that died here left" in again.stderr


def pids_of_launches(toy: Toy) -> list[int]:
    """Return the processes of launches under way."""
    ours = str(toy.cache / "orch" / "launches").encode()
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if ours in (entry / "environ").read_bytes():
                found.append(int(entry.name))
    return found


def test_who_begins_to_compute_during_a_run_is_waited_for(toy: Toy, driver: NvidiaDriver) -> None:
    program = start_slow(toy, "--gpus", "0", launches=0)
    driver.show(GPU_0, SOMEBODY)

    read_until(program, "GPU 0: others compute on it now: process 999999999")
    before = len(toy.records())
    driver.show(GPU_0)

    assert_complete(toy, finish(program))
    assert before < LAUNCHES
