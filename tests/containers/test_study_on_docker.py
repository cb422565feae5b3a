"""The command line from end to end on a real Docker engine: the main path, faults, kills; nothing stays behind."""

import json
import os
import shutil
import signal
import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from docker import DockerClient
from docker.errors import APIError
from docker.models.containers import Container

from tests.toy_project import FAULTS, Ended, Toy, finish, make_toy, wait_until

pytestmark = pytest.mark.docker
RUN = ("run", "toy_versions", "--engine", "docker")
SLOW = ("run", "slow", "--engine", "docker")
BASE = "python:3.11-slim-bookworm"
LOW_MEMORY = 64 * 2**20


@dataclass(frozen=True, kw_only=True)
class Study:
    """A run that was made once for several tests, which only look at it."""

    toy: Toy
    ended: Ended


@pytest.fixture(scope="module")
def built(client: DockerClient, python_base: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Toy]:
    """A project whose two working images are built on the engine; they are removed at the end."""
    folder = tmp_path_factory.mktemp("toy")
    toy = make_toy(folder, folder / "cache", "3.11.7", salt=uuid.uuid4().hex)
    (folder / "orch.toml").write_text(f'[mirrors]\n"{BASE}" = "{python_base}"\n' if python_base != BASE else "")
    toy = replace(toy, env={"ORCH_CONFIG": str(folder / "orch.toml")})
    ended = toy.orch("build", "toy_versions", "--engine", "docker", "--resolve", "--json")
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
def toy(built: Toy, client: DockerClient, tmp_path: Path) -> Iterator[Toy]:
    """A copy of the project for a test of its own, of whose runs nothing may be left on the engine."""
    shutil.copytree(built.project, tmp_path / "project")
    yield replace(built, folder=tmp_path)
    assert [left for run in (tmp_path / "runs").glob("*") for left in left_of(client, run.name)] == []


@pytest.fixture(scope="module")
def study(built: Toy) -> Study:
    return Study(toy=built, ended=built.orch(*RUN))


@pytest.fixture(scope="module")
def faults(built: Toy, tmp_path_factory: pytest.TempPathFactory) -> Study:
    folder = tmp_path_factory.mktemp("faults")
    shutil.copytree(built.project, folder / "project")
    toy = replace(built, folder=folder)
    return Study(toy=toy, ended=toy.orch("run", "faults", "--engine", "docker"))


def left_of(client: DockerClient, run: str) -> list[str]:
    """Return the names of containers and volumes that a run has on the engine."""
    label = f"orch.run={run}"
    containers = [str(container.name) for container in client.containers.list(all=True, filters={"label": label})]
    return containers + [str(volume.name) for volume in client.volumes.list(filters={"label": label})]


def running(client: DockerClient, toy: Toy) -> list[Container]:
    """Return the containers that the runs of a project have under way."""
    names = [run.name for run in (toy.folder / "runs").glob("*")]
    return [one for run in names for one in client.containers.list(filters={"label": f"orch.run={run}"})]


def measured(records: list[dict[str, object]]) -> list[tuple[str, int]]:
    """Return cell and block of each good launch."""
    return sorted((r["cell"]["id"], r["launch"]["block"]) for r in records if r["status"] == "ok")  # type: ignore[index]


def start_slow(
    client: DockerClient, toy: Toy, launches: int, arguments: tuple[str, ...] = ()
) -> "subprocess.Popen[str]":
    """Start a run and wait until it has so many records and is inside the next launch."""
    program = toy.start(*SLOW, *arguments)
    wait_until(lambda: len(list(toy.folder.glob("runs/*/records/*.json"))) >= launches or program.poll() is not None)
    wait_until(lambda: running(client, toy) or program.poll() is not None)
    return program


# --- the main path ---------------------------------------------------------------------------------------------------


def test_a_run_ends_in_a_comparison_and_the_path_of_its_folder(study: Study) -> None:
    comparison = json.loads((study.ended.run_folder / "comparison.json").read_text(encoding="utf-8"))

    (row,) = comparison["tables"][0]["rows"]
    older, newer = row["entries"]

    assert study.ended.exit_code == 0, study.ended.stderr
    assert older["verdict"]["name"] == "baseline"
    assert 1.15 < newer["ratio"] < 2.2
    assert newer["verdict"]["name"] in {"slower", "inconclusive"}


def test_a_record_says_which_container_it_comes_from(study: Study, client: DockerClient) -> None:
    records = study.toy.records(study.ended.run_folder)

    containers = [record["container"] for record in records]
    images = {str(record["image"]["digest"]) for record in records}  # type: ignore[index]

    assert len(records) == 6
    assert {container["network"] for container in containers} == {"none"}  # type: ignore[index]
    assert {container["engine"].split()[0] for container in containers} == {"docker"}  # type: ignore[index]
    assert {client.images.get(image).id for image in images} == images


def test_a_run_that_ended_leaves_nothing_on_the_engine(study: Study, client: DockerClient) -> None:
    assert left_of(client, study.ended.run_folder.name) == []


def test_the_same_command_continues_and_launches_nothing(study: Study) -> None:
    before = {path: path.stat().st_mtime_ns for path in (study.ended.run_folder / "records").iterdir()}

    again = study.toy.orch(*RUN)

    assert again.exit_code == 0
    assert again.run_folder == study.ended.run_folder
    assert {path: path.stat().st_mtime_ns for path in (again.run_folder / "records").iterdir()} == before


def test_images_that_are_there_are_not_built_again(built: Toy) -> None:
    ended = built.orch("build", "toy_versions", "--engine", "docker", "--json")

    assert [one["state"] for one in json.loads(ended.stdout)] == ["there", "there"]


# --- launches that go wrong ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("implementation", "status", "reason"), FAULTS)
def test_a_launch_that_goes_wrong_is_a_record_with_its_reason(
    faults: Study, implementation: str, status: str, reason: str
) -> None:
    (record,) = [r for r in faults.toy.records() if r["workload"]["implementation"] == implementation]  # type: ignore[index]

    assert record["status"] == status
    assert reason in record["failure"]["message"]  # type: ignore[index]


def test_launches_that_go_wrong_stop_no_other_and_leave_nothing(faults: Study, client: DockerClient) -> None:
    assert faults.ended.exit_code == 1
    assert measured(faults.toy.records()) == [("toy-1.0.0+cpu/toy_step/steady/small", 1)]
    assert left_of(client, faults.ended.run_folder.name) == []


def test_a_launch_that_eats_all_memory_is_a_record_and_stops_no_other(toy: Toy, client: DockerClient) -> None:
    program = toy.start("run", "hoard", "--engine", "docker")

    def find_hoarder() -> list[Container]:
        return [one for one in running(client, toy) if "/hoards/" in one.labels["orch.cell"]]

    wait_until(lambda: find_hoarder() or program.poll() is not None)
    for container in find_hoarder():
        container.update(mem_limit=LOW_MEMORY, memswap_limit=LOW_MEMORY)
    ended = finish(program)

    statuses = {r["workload"]["implementation"]: r["status"] for r in toy.records()}  # type: ignore[index]
    assert ended.exit_code == 1
    assert statuses == {"hoards": "oom", "steady": "ok"}
    assert "oom: killed by the kernel: out of memory" in ended.stdout


def test_an_image_that_does_not_import_fails_its_health_check_and_is_not_kept(toy: Toy, client: DockerClient) -> None:
    ended = toy.orch("run", "not_importable", "--resolve", "--engine", "docker")

    records = {r["image"]["name"]: r for r in toy.records()}  # type: ignore[index]
    assert ended.exit_code == 1
    assert records["toy-1.0.0"]["status"] == "ok"
    assert records["toy-3.0.0"]["failure"]["phase"] == "health"  # type: ignore[index]
    assert "libtoy.so.3" in ended.stdout
    assert client.images.list("orch/toy-3.0.0") == []


# --- interruptions and engines ---------------------------------------------------------------------------------------


def test_a_killed_run_is_continued_by_the_same_command_and_leaves_nothing(toy: Toy, client: DockerClient) -> None:
    killed = start_slow(client, toy, launches=2)
    killed.kill()
    finish(killed)
    (folder,) = toy.runs()
    before = {path.name: path.stat().st_mtime_ns for path in (folder / "records").iterdir()}
    orphans = left_of(client, folder.name)

    again = toy.orch(*SLOW)

    after = {path.name: path.stat().st_mtime_ns for path in (folder / "records").iterdir()}
    assert orphans != []
    assert again.exit_code == 0, again.stderr
    assert 2 <= len(before) < 6
    assert before.items() <= after.items()
    assert len(after) == len(set(measured(toy.records()))) == 6
    assert left_of(client, folder.name) == []
    assert folder.name not in toy.orch("reap").stdout


def test_ctrl_c_twice_kills_the_launch_and_removes_its_container(toy: Toy, client: DockerClient) -> None:
    program = start_slow(client, toy, launches=1)
    before = len(toy.records())

    os.killpg(program.pid, signal.SIGINT)
    assert program.stderr
    while "Ctrl-C again kills it" not in program.stderr.readline():
        assert program.poll() is None
    os.killpg(program.pid, signal.SIGINT)
    os.killpg(program.pid, signal.SIGINT)
    stopped = finish(program)

    assert stopped.exit_code == 130
    assert "Traceback" not in stopped.stderr
    assert len(toy.records()) == before
    assert left_of(client, toy.runs()[0].name) == []


def test_without_an_engine_docker_is_refused_and_auto_takes_venv_aloud(toy: Toy) -> None:
    cut_off = replace(toy, env={**toy.env, "DOCKER_HOST": "unix:///nobody-listens-here.sock"})

    refused = cut_off.orch("plan", "toy_versions", "--engine", "docker")
    fallen_back = cut_off.orch("plan", "toy_versions")

    assert refused.exit_code == 3
    assert "Start Docker" in refused.stderr
    assert "Engine: venv" in fallen_back.stderr


def test_with_an_engine_auto_takes_docker_aloud(built: Toy) -> None:
    ended = built.orch("plan", "toy_versions")

    assert ended.exit_code == 0
    assert "Engine: docker" in ended.stderr


def test_a_base_image_that_cannot_be_had_is_named_with_the_remedy(toy: Toy, tmp_path: Path) -> None:
    config = tmp_path / "orch.toml"
    config.write_text(f'[mirrors]\n"{BASE}" = "localhost:1/nothing:here"\n')
    with (toy.project / "images" / "toy" / "Dockerfile").open("a", encoding="utf-8") as dockerfile:
        dockerfile.write("# changed: what is built already, on a base that is gone, would do\n")

    ended = replace(toy, env={"ORCH_CONFIG": str(config)}).orch("build", "toy-1.0.0", "--engine", "docker")

    assert ended.exit_code == 3
    assert "localhost:1/nothing:here" in ended.stdout + ended.stderr
    assert "[mirrors]" in ended.stdout + ended.stderr
