"""`orch run` on GPUs that a driver library shows and a real engine hands over: nothing mixed up, lost or left."""

import json
import os
import shutil
import signal
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from docker import DockerClient
from docker.errors import APIError

from tests.cdi import listed, listing
from tests.containers.test_study_on_docker import BASE, left_of, start_slow
from tests.nvidia_driver import GPU_0, GPU_1, HAS_COMPILER, NvidiaDriver, make_driver, with_cuda
from tests.toy_project import Ended, Toy, edit, finish, make_toy, measured

pytestmark = [
    pytest.mark.docker,
    pytest.mark.skipif(not HAS_COMPILER, reason="needs a C compiler, to make a driver library"),
]
RUN = ("run", "toy_versions", "--engine", "docker")
SLOW = ("run", "slow", "--engine", "docker")
LAUNCHES = 6
# By what name the engine lists each GPU: one by its uuid, one by its number.
GIVEN = {"GPU-aaaaaaaa-0000": "GPU-aaaaaaaa-0000", "GPU-bbbbbbbb-1111": "1"}


@pytest.fixture(scope="module")
def built(client: DockerClient, python_base: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Toy]:
    """A project whose CUDA builds are on the engine; they are removed at the end."""
    folder = tmp_path_factory.mktemp("toy")
    driver = make_driver(folder / "driver", GPU_0)
    toy = make_toy(folder, folder / "cache", "3.11.7", salt=uuid.uuid4().hex)
    (folder / "orch.toml").write_text(f'[mirrors]\n"{BASE}" = "{python_base}"\n' if python_base != BASE else "")
    toy = with_cuda(replace(toy, env={"ORCH_CONFIG": str(folder / "orch.toml")}), driver)
    ended = toy.orch("build", "toy_versions", "--engine", "docker", "--gpus", "0", "--resolve", "--json")
    assert ended.exit_code == 0, ended.stderr
    yield toy
    for one in json.loads(ended.stdout):
        client.images.remove(one["text"])
    for volume in client.volumes.list(filters={"name": "orch-cache-toy-"}):
        try:
            volume.remove()
        except APIError:
            continue  # another session of these tests has it


@pytest.fixture
def driver(tmp_path: Path) -> NvidiaDriver:
    return make_driver(tmp_path / "driver", GPU_0, GPU_1)


@pytest.fixture
def toy(built: Toy, driver: NvidiaDriver, client: DockerClient, tmp_path: Path) -> Iterator[Toy]:
    """A copy of the project under a driver of its own, of whose runs nothing may be left on the engine."""
    shutil.copytree(built.project, tmp_path / "project")
    yield replace(built, folder=tmp_path, env={**built.env, **driver.env})
    assert [left for run in (tmp_path / "runs").glob("*") for left in left_of(client, run.name)] == []


@pytest.fixture
def _listed_gpus(client: DockerClient) -> Iterator[None]:
    with listing(client, tuple(GIVEN.values())):
        yield


def given_and_told(toy: Toy) -> set[tuple[str, str]]:
    """Return of each good launch the GPU its container was given and the one its record names."""
    return {
        (record["environment"]["flags"]["sees"], record["launch"]["gpu"]["uuid"])  # type: ignore[index]
        for record in toy.records()
        if record["status"] == "ok"
    }


def assert_complete(toy: Toy, ended: Ended) -> None:
    """Nothing is lost, nothing doubled."""
    assert ended.exit_code == 0, ended.stderr
    assert len(measured(toy.records())) == len(set(measured(toy.records()))) == LAUNCHES


@pytest.mark.usefixtures("_listed_gpus")
def test_each_container_is_given_the_gpu_that_its_record_names(toy: Toy) -> None:
    ended = toy.orch(*SLOW, "--gpus", "0,1")

    assert_complete(toy, ended)
    assert given_and_told(toy) == {(name, gpu) for gpu, name in GIVEN.items()}
    assert {record["container"]["gpu_mode"] for record in toy.records()} == {"cdi"}  # type: ignore[index]
    assert all(record["container"]["memory_bytes"] for record in toy.records())  # type: ignore[index]


@pytest.mark.usefixtures("_listed_gpus")
def test_ctrl_c_twice_removes_the_containers_on_all_gpus(toy: Toy, client: DockerClient) -> None:
    program = start_slow(client, toy, launches=1, arguments=("--gpus", "0,1"))

    os.killpg(program.pid, signal.SIGINT)
    assert program.stderr
    while "Ctrl-C again kills it" not in program.stderr.readline():
        assert program.poll() is None
    os.killpg(program.pid, signal.SIGINT)
    os.killpg(program.pid, signal.SIGINT)
    stopped = finish(program)
    left = left_of(client, toy.runs()[0].name)
    statuses = {record["status"] for record in toy.records()}
    again = toy.orch(*SLOW, "--gpus", "0,1")

    assert stopped.exit_code == 130
    assert "Traceback" not in stopped.stderr
    assert left == []
    assert statuses <= {"ok"}
    assert_complete(toy, again)


@pytest.mark.usefixtures("_listed_gpus")
def test_a_killed_run_on_two_gpus_is_continued_and_leaves_nothing(toy: Toy, client: DockerClient) -> None:
    killed = start_slow(client, toy, launches=2, arguments=("--gpus", "0,1"))
    killed.kill()
    finish(killed)

    again = toy.orch(*SLOW, "--gpus", "0,1")

    assert_complete(toy, again)


@pytest.mark.usefixtures("_listed_gpus")
def test_two_runs_on_one_gpu_take_turns_and_one_on_another_does_not_wait(toy: Toy, client: DockerClient) -> None:
    edit(toy.project / "suites" / "slow.yaml", "blocks: 3", "blocks: 99")
    first = start_slow(client, toy, launches=1, arguments=("--gpus", "0"))
    waiting = toy.start(*RUN, "--gpus", "0")
    assert waiting.stderr
    while "Another orch run is measuring on GPU 0" not in waiting.stderr.readline():
        assert waiting.poll() is None

    other = toy.orch(*RUN, "--gpus", "1", "--fresh")
    is_waiting = waiting.poll() is None
    first.terminate()
    finish(first)
    ended = finish(waiting)

    assert is_waiting
    assert (other.exit_code, ended.exit_code) == (0, 0)
    assert "Another orch run" not in other.stderr


@pytest.mark.usefixtures("_listed_gpus")
def test_a_gpu_that_the_engine_does_not_list_is_refused_before_anything_starts(toy: Toy, driver: NvidiaDriver) -> None:
    driver.show(GPU_0.replace("GPU-aaaaaaaa-0000", "GPU-cccccccc-2222"))

    ended = toy.orch(*RUN)

    assert ended.exit_code == 3
    assert "the engine lists no CDI device for GPU 0 (NVIDIA H100)" in ended.stderr
    assert "Renew their list" in ended.stderr
    assert toy.runs() == []


def test_an_engine_that_can_hand_over_no_gpu_is_told_once_with_the_remedy(toy: Toy, client: DockerClient) -> None:
    if listed(client) or "nvidia" in client.info()["Runtimes"]:
        pytest.skip("the engine has GPUs of its own")

    ended = toy.orch(*RUN)

    failures = [record["failure"] for record in toy.records()]
    assert ended.exit_code == 1
    assert {failure["kind"] for failure in failures} == {"EngineError"}  # type: ignore[index]
    assert all("Install nvidia-container-toolkit" in failure["remedy"] for failure in failures)  # type: ignore[index]
    assert ended.stderr.count("The Docker engine finds no way to hand over a GPU") == 1
