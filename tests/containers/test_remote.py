"""One remote machine, from end to end: a real sshd on loopback, the real engine through its tunnel, real drops."""

import json
import os
import shutil
import signal
import subprocess
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Thread

import docker
import pytest
from docker import DockerClient
from docker.errors import APIError
from docker.models.containers import Container

from orchestrator.errors import HostError
from orchestrator.fleet.addresses import parse_address
from orchestrator.fleet.ssh import Connection
from orchestrator.machine import read_machine
from tests.conftest import missing
from tests.ssh_server import SSHD, VM, SshServer, connections, make_server, write_program
from tests.toy_project import Ended, Toy, finish, make_toy, wait_until

pytestmark = pytest.mark.docker
RUN = ("run", "toy_versions", "--host", VM)
SLOW = ("run", "slow", "--host", VM)
SLOW_LAUNCHES = 6
BASE = "python:3.11-slim-bookworm"
ONE_GPU = "0, GPU-aaaa, NVIDIA L4, 8.9, 535.216.01, 23034, 72.00, Enabled, [N/A]"


@pytest.fixture(scope="module")
def server(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshServer]:
    if SSHD is None:
        missing(pytestconfig, "sshd is not installed (.ci/sshd; Debian, Ubuntu: openssh-server)")
    server = make_server(tmp_path_factory.mktemp("vm") / "vm")
    yield server
    server.stop()


@pytest.fixture
def own_server(pytestconfig: pytest.Config, tmp_path: Path) -> Iterator[SshServer]:
    """A server that a test may stop and change."""
    if SSHD is None:
        missing(pytestconfig, "sshd is not installed (.ci/sshd; Debian, Ubuntu: openssh-server)")
    server = make_server(tmp_path / "vm")
    yield server
    server.stop()


@pytest.fixture(scope="module")
def built(
    client: DockerClient, python_base: str, server: SshServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Toy]:
    """A project whose images were built through the tunnel; they are removed at the end."""
    folder = tmp_path_factory.mktemp("toy")
    toy = make_toy(folder, folder / "cache", "3.11.7", salt=uuid.uuid4().hex)
    (folder / "orch.toml").write_text(f'[mirrors]\n"{BASE}" = "{python_base}"\n' if python_base != BASE else "")
    toy = replace(toy, env={"ORCH_CONFIG": str(folder / "orch.toml"), **server.env})
    ended = toy.orch("build", "toy_versions", "--host", VM, "--resolve", "--json")
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
    """A copy of the project, as on a laptop of its own, of whose runs nothing may be left over there."""
    yield (laptop := make_laptop(built, tmp_path / "laptop"))
    assert [left for run in laptop.runs() for left in left_of(client, run.name)] == []


def make_laptop(built: Toy, folder: Path, server: SshServer | None = None) -> Toy:
    """Copy the project to another folder. server: the one that it knows as the machine; None: that of the images."""
    shutil.copytree(built.project, folder / "project")
    return replace(built, folder=folder, env={**built.env, **(server.env if server else {})})


def left_of(client: DockerClient, run: str) -> list[str]:
    """Return the names of containers and volumes that a run has on the engine."""
    label = f"orch.run={run}"
    containers = [str(container.name) for container in client.containers.list(all=True, filters={"label": label})]
    return containers + [str(volume.name) for volume in client.volumes.list(filters={"label": label})]


def running(client: DockerClient, toy: Toy) -> list[Container]:
    """Return the containers that the runs of a project have under way."""
    return [one for run in toy.runs() for one in client.containers.list(filters={"label": f"orch.run={run.name}"})]


def start_slow(client: DockerClient, toy: Toy) -> "subprocess.Popen[str]":
    """Start a run and wait until it has measured something and is inside a launch."""
    program = toy.start(*SLOW)
    wait_until(lambda: list(toy.folder.glob("runs/*/records/*.json")) or program.poll() is not None)
    wait_until(lambda: running(client, toy) or program.poll() is not None)
    return program


def measured(toy: Toy) -> list[tuple[str, int, int]]:
    """Return cell, block and attempt of each good launch."""
    good = [record for record in toy.records() if record["status"] == "ok"]
    return sorted((r["cell"]["id"], r["launch"]["block"], r["launch"]["attempt"]) for r in good)  # type: ignore[index]


@dataclass
class Starts:
    """Listens to which containers an engine starts: the engine itself remembers only the last few events."""

    client: DockerClient
    runs: list[str] = field(default_factory=list)  # of each, in the order of the starts

    def __enter__(self) -> "Starts":
        self._stream = self.client.api.events(filters={"event": "start", "label": "orch=1"}, decode=True)
        self._thread = Thread(target=self._listen)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stream.close()
        self._thread.join()

    def _listen(self) -> None:
        for event in self._stream:
            self.runs.append(event["Actor"]["Attributes"].get("orch.run", ""))


@pytest.fixture
def starts() -> Iterator[Starts]:
    with closing(docker.from_env()) as own, Starts(client=own) as listening:
        yield listening


def assert_nothing_lost_or_doubled(ended: Ended, toy: Toy, starts: Starts) -> None:
    (run,) = toy.runs()
    launches = list((run / "logs").glob("*.log"))  # gates that are not cached are among them
    assert ended.exit_code == 0, ended.stderr
    assert [attempt for _, _, attempt in measured(toy)] == [1] * SLOW_LAUNCHES
    assert len({(cell, block) for cell, block, _ in measured(toy)}) == SLOW_LAUNCHES
    assert starts.runs.count(run.name) == len(launches)


# --- the main path ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def study(built: Toy) -> Ended:
    return built.orch(*RUN)


def test_a_run_over_there_ends_in_records_and_a_comparison_here(study: Ended, built: Toy) -> None:
    comparison = json.loads((study.run_folder / "comparison.json").read_text(encoding="utf-8"))

    (row,) = comparison["tables"][0]["rows"]

    assert study.exit_code == 0, study.stderr
    assert row["entries"][0]["verdict"]["name"] == "baseline"
    assert {record["status"] for record in built.records(study.run_folder)} == {"ok"}


def test_a_record_describes_the_machine_over_there_and_its_load(study: Ended, built: Toy) -> None:
    machine = read_machine()  # the one over there is this one

    (first, *others) = [record["machine"] for record in built.records(study.run_folder)]
    loads = [record["launch"]["load"] for record in built.records(study.run_folder)]  # type: ignore[index]

    assert first["id"] == machine.id  # type: ignore[index]
    assert tuple(first["cpus"]) == machine.cpus  # type: ignore[index]
    assert all(other == first for other in others)
    assert all(load >= 0 for load in loads)


def test_a_run_that_ended_leaves_nothing_over_there(study: Ended, client: DockerClient, server: SshServer) -> None:
    assert left_of(client, study.run_folder.name) == []
    assert server.program
    wait_until(lambda: not connections_of_server(server))


def connections_of_server(server: SshServer) -> list[int]:
    assert server.program
    children = Path(f"/proc/{server.program.pid}/task/{server.program.pid}/children").read_text()
    return [int(pid) for pid in children.split()]


def test_the_same_command_continues_and_launches_nothing(study: Ended, built: Toy) -> None:
    before = {path: path.stat().st_mtime_ns for path in (study.run_folder / "records").iterdir()}

    again = built.orch(*RUN)

    assert again.exit_code == 0
    assert again.run_folder == study.run_folder
    assert {path: path.stat().st_mtime_ns for path in (again.run_folder / "records").iterdir()} == before


def test_images_that_are_over_there_are_not_built_again(built: Toy) -> None:
    ended = built.orch("build", "toy_versions", "--host", VM, "--resolve", "--json")

    assert [one["state"] for one in json.loads(ended.stdout)] == ["there", "there"]


def test_a_plan_is_for_the_gpu_over_there(toy: Toy, own_server: SshServer) -> None:
    write_program(own_server.folder / "there" / "nvidia-smi", f"echo '{ONE_GPU}'")

    ended = replace(toy, env={**toy.env, **own_server.env}).orch("plan", "toy_versions", "--host", VM)

    assert "On NVIDIA L4, compute 8.9, driver 535.216.01." in ended.stdout, ended.stderr


def test_the_doctor_looks_over_there(toy: Toy) -> None:
    ended = toy.orch("doctor", "--host", VM, "--device", "cpu", "--json")

    diagnosis = json.loads(ended.stdout)
    states = {check["name"]: check["state"] for check in diagnosis["checks"]}
    assert ended.exit_code == 0, ended.stderr
    assert f"run on {VM} on the CPU, in Docker containers" in diagnosis["verdict"]
    assert f"--host {VM}" in diagnosis["next"]
    assert (states["connection"], states["engine docker"], states["system"]) == ("ok", "ok", "ok")


def test_what_a_dead_run_left_over_there_is_reaped(toy: Toy, client: DockerClient, python_base: str) -> None:
    labels = {"orch": "1", "orch.deadline": "1"}
    client.containers.create(python_base, "sleep 60", name=(name := f"orch-test-{uuid.uuid4().hex[:8]}"), labels=labels)

    ended = toy.orch("reap", "--host", VM)

    assert ended.exit_code == 0, ended.stderr
    assert name in ended.stdout.splitlines()
    assert client.containers.list(all=True, filters={"name": name}) == []


# --- connections that are lost ---------------------------------------------------------------------------------------


def test_a_launch_goes_on_while_the_connection_is_lost_and_is_awaited_again(
    toy: Toy, client: DockerClient, starts: Starts
) -> None:
    program = start_slow(client, toy)
    (connection,) = connections(program.pid)

    os.kill(connection, signal.SIGKILL)
    ended = finish(program)

    assert_nothing_lost_or_doubled(ended, toy, starts)
    assert "the connection is lost. Connecting again …" in ended.stderr
    assert "connected again" in ended.stderr


def test_a_machine_that_cannot_be_reached_for_a_while_is_waited_for(
    built: Toy, client: DockerClient, own_server: SshServer, starts: Starts, tmp_path: Path
) -> None:
    toy = make_laptop(built, tmp_path / "laptop", own_server)
    program = start_slow(client, toy)

    own_server.stop()
    wait_until(lambda: not running(client, toy))  # the launch has ended, and nobody has seen it
    own_server.start()
    ended = finish(program)

    assert_nothing_lost_or_doubled(ended, toy, starts)
    assert left_of(client, toy.runs()[0].name) == []


def test_a_connection_that_drops_in_every_launch_loses_nothing(toy: Toy, client: DockerClient, starts: Starts) -> None:
    program = start_slow(client, toy)
    seen: set[str] = set()

    def find_new() -> set[str]:
        return {str(one.name) for one in running(client, toy)} - seen

    while program.poll() is None:
        wait_until(lambda: find_new() or program.poll() is not None)
        seen |= find_new()
        for connection in connections(program.pid):
            os.kill(connection, signal.SIGKILL)
    ended = finish(program)

    assert_nothing_lost_or_doubled(ended, toy, starts)
    assert ended.stderr.count("the connection is lost") >= SLOW_LAUNCHES - 1


def test_a_killed_run_leaves_no_connection_and_the_same_command_continues(toy: Toy, client: DockerClient) -> None:
    killed = start_slow(client, toy)
    (connection,) = connections(killed.pid)
    killed.kill()
    finish(killed)
    wait_until(lambda: not Path(f"/proc/{connection}").exists())

    again = toy.orch(*SLOW)

    assert again.exit_code == 0, again.stderr
    assert len(measured(toy)) == SLOW_LAUNCHES


def test_ctrl_c_in_the_terminal_does_not_reach_the_connection(toy: Toy, client: DockerClient) -> None:
    program = start_slow(client, toy)

    os.killpg(program.pid, signal.SIGINT)
    stopped = finish(program)

    assert stopped.exit_code == 130
    assert "connection is lost" not in stopped.stderr
    assert left_of(client, toy.runs()[0].name) == []


def test_a_connection_that_stays_lost_is_given_up_after_a_while(
    own_server: SshServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", own_server.env["PATH"])
    connection = Connection(parse_address(VM), patience_s=2.0)
    own_server.stop()

    with pytest.raises(HostError, match="cannot be made again"):
        connection.ask("true")
    with pytest.raises(HostError, match="cannot be made again"):
        connection.mend(connection.generation)

    connection.close()


# --- whose turn it is ------------------------------------------------------------------------------------------------


def test_runs_from_two_laptops_measure_one_after_the_other(toy: Toy, client: DockerClient, tmp_path: Path) -> None:
    other = make_laptop(toy, tmp_path / "other")
    other = replace(other, cache=tmp_path / "other-cache")
    first = start_slow(client, toy)

    second = other.orch(*RUN)
    ended = finish(first)

    assert (ended.exit_code, second.exit_code) == (0, 0), second.stderr
    assert f"Another orch run is measuring on {VM}. Waiting for its end …" in second.stderr
    last = max(str(record["launch"]["ended"]) for record in toy.records())  # type: ignore[index]
    assert all(str(record["launch"]["started"]) > last for record in other.records())  # type: ignore[index]


# --- machines that cannot be used ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (SshServer.stop, "nothing listens on its ssh port"),
        (SshServer.refuse_key, "it refuses your key"),
        (SshServer.forget_host_key, "its host key is not known here"),
        (SshServer.change_host_key, "its host key is another one than at your last connection"),
    ],
    ids=["down", "wrong key", "unknown host key", "changed host key"],
)
def test_a_machine_that_lets_nobody_in_is_told_with_the_reason(
    toy: Toy, own_server: SshServer, spoil: Callable[[SshServer], None], reason: str
) -> None:
    spoil(own_server)

    ended = replace(toy, env={**toy.env, **own_server.env}).orch(*RUN)

    assert ended.exit_code == 3
    assert reason in ended.stderr
    assert "Traceback" not in ended.stderr
    assert toy.runs() == []


def test_dockers_own_way_through_ssh_is_refused_with_ours(toy: Toy) -> None:
    elsewhere = replace(toy, env={**toy.env, "DOCKER_HOST": VM})

    ended = elsewhere.orch("plan", "toy_versions", "--engine", "docker")

    assert ended.exit_code == 3
    assert f"Say --host {VM} instead" in ended.stderr


@pytest.mark.parametrize("options", [("--engine", "venv"), ("--use-python", "toy-1.0.0=/usr/bin/python3")])
def test_what_belongs_to_this_machine_is_refused_for_another(toy: Toy, options: tuple[str, ...]) -> None:
    ended = toy.orch(*RUN, *options)

    assert ended.exit_code == 2
    assert "--host" in ended.stderr
