"""What becomes of a run whose engine or container fails under it; on an engine of its own that a test may restart."""

import os
import shutil
import signal
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import requests
from docker import DockerClient
from docker.errors import DockerException
from docker.models.containers import Container

from tests.conftest import missing
from tests.toy_project import Ended, Toy, finish, make_toy, wait_until

pytestmark = pytest.mark.docker
SLOW = ("run", "slow", "--engine", "docker")
BASE = "python:3.11-slim-bookworm"
LAUNCHES = 6
TOOLS = f"{os.environ['PATH']}:/usr/sbin:/sbin"


@dataclass
class OwnEngine:
    """A Docker engine beside the machine's, with its own data, socket and bridge."""

    folder: Path
    bridge: str
    program: "subprocess.Popen[bytes] | None" = None

    @property
    def address(self) -> str:
        return f"unix://{self.folder}/docker.sock"

    def client(self) -> "closing[DockerClient]":
        return closing(DockerClient(base_url=self.address, timeout=60))

    def start(self) -> None:
        (self.folder / "docker.pid").unlink(missing_ok=True)
        places = {"data-root": "data", "exec-root": "exec", "pidfile": "docker.pid"}
        argv = [
            "dockerd",
            f"--host={self.address}",
            f"--bridge={self.bridge}",
            "--iptables=false",
            "--ip6tables=false",
            *(f"--{option}={self.folder / name}" for option, name in places.items()),
        ]
        with (self.folder / "log").open("ab") as log:
            self.program = subprocess.Popen(argv, stdout=log, stderr=log, env={**os.environ, "PATH": TOOLS})
        wait_until(self.answers)

    def answers(self) -> bool:
        try:
            with self.client() as client:
                return bool(client.ping())
        except (DockerException, requests.RequestException):
            return False

    def stop(self, number: int = signal.SIGTERM) -> None:
        assert self.program
        self.program.send_signal(number)
        self.program.wait(60)


@pytest.fixture(scope="module")
def engine(
    client: DockerClient, python_base: str, pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OwnEngine]:
    """An engine that holds the base image and may be stopped."""
    if (
        os.geteuid() != 0
        or not shutil.which("dockerd", path=f"{os.environ['PATH']}:/usr/sbin")
        or not shutil.which("ip")
    ):
        missing(pytestconfig, "an engine of its own needs root, dockerd and ip (iproute2)")
    bridge = f"orch{uuid.uuid4().hex[:8]}"
    subprocess.run(("ip", "link", "add", bridge, "type", "bridge"), check=True)
    own = OwnEngine(folder=tmp_path_factory.mktemp("engine"), bridge=bridge)
    own.start()
    try:
        with own.client() as copy:
            for loaded in copy.images.load(b"".join(client.images.get(python_base).save(named=True))):
                loaded.tag(python_base)
        yield own
    finally:
        own.stop()
        subprocess.run(("ip", "link", "delete", bridge), check=False)
        unmount(own.folder / "data")
        shutil.rmtree(own.folder)


def unmount(folder: Path) -> None:
    """Take away what dockerd mounts over its own folder, and a killed one leaves there."""
    while str(folder) in Path("/proc/self/mounts").read_text(encoding="utf-8").split():
        subprocess.run(("umount", str(folder)), check=True)


@pytest.fixture(scope="module")
def built(engine: OwnEngine, python_base: str, tmp_path_factory: pytest.TempPathFactory) -> Toy:
    """A project whose two working images are built on that engine."""
    folder = tmp_path_factory.mktemp("toy")
    toy = make_toy(folder, folder / "cache", "3.11.7", salt=uuid.uuid4().hex)
    (folder / "orch.toml").write_text(f'[mirrors]\n"{BASE}" = "{python_base}"\n')
    toy = replace(toy, env={"ORCH_CONFIG": str(folder / "orch.toml"), "DOCKER_HOST": engine.address})
    ended = toy.orch("build", "toy_versions", "--engine", "docker", "--resolve")
    assert ended.exit_code == 0, ended.stderr
    return toy


@pytest.fixture
def toy(built: Toy, engine: OwnEngine, tmp_path: Path) -> Iterator[Toy]:
    """A copy of the project for one test, after which nothing of its runs may be left on the engine."""
    shutil.copytree(built.project, tmp_path / "project")
    yield replace(built, folder=tmp_path)
    assert left_on(engine) == []


def left_on(engine: OwnEngine) -> list[str]:
    with engine.client() as client:
        containers = client.containers.list(all=True, filters={"label": "orch=1"})
        volumes = client.volumes.list(filters={"label": "orch=1"})
        return [str(one.name) for one in containers] + [str(one.name) for one in volumes]


def start_slow(engine: OwnEngine, toy: Toy, launches: int) -> "subprocess.Popen[str]":
    """Start a run and wait until it has so many records and is inside the next launch."""
    program = toy.start(*SLOW)
    wait_until(lambda: len(list(toy.folder.glob("runs/*/records/*.json"))) >= launches or program.poll() is not None)
    wait_until(lambda: running(engine) or program.poll() is not None)
    assert program.poll() is None
    return program


def running(engine: OwnEngine) -> list[Container]:
    with engine.client() as client:
        return [one for one in client.containers.list(filters={"label": "orch=1"}) if one.status == "running"]


def measured(toy: Toy) -> list[tuple[str, int]]:
    """Return cell and block of each good launch."""
    good = [record for record in toy.records() if record["status"] == "ok"]
    return sorted((one["cell"]["id"], one["launch"]["block"]) for one in good)  # type: ignore[index]


def check_whole(toy: Toy, ended: Ended) -> None:
    """Check that a run has each launch once and no fault has cost it one."""
    assert ended.exit_code == 0, ended.stderr
    assert len(measured(toy)) == len(set(measured(toy))) == LAUNCHES


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_restarted_engine_costs_a_launch_that_the_same_command_makes_again(
    engine: OwnEngine, toy: Toy, number: int
) -> None:
    program = start_slow(engine, toy, launches=2)

    engine.stop(number)
    engine.start()
    ended = finish(program)

    assert ended.exit_code == 1, ended.stderr
    assert "Traceback" not in ended.stderr
    failed = [record for record in toy.records() if record["status"] == "failed"]
    assert len(failed) == 1
    check_whole(toy, toy.orch(*SLOW))


def test_an_engine_that_stays_away_ends_the_run_and_loses_nothing(engine: OwnEngine, toy: Toy) -> None:
    program = start_slow(engine, toy, launches=2)
    before = measured(toy)

    engine.stop()
    ended = finish(program)
    engine.start()

    assert ended.exit_code == 3
    assert "Traceback" not in ended.stderr
    assert "the same command continues" in ended.stderr.lower()
    assert measured(toy) == before
    check_whole(toy, toy.orch(*SLOW))


def test_a_container_killed_by_someone_is_a_failed_launch_and_stops_no_other(engine: OwnEngine, toy: Toy) -> None:
    program = start_slow(engine, toy, launches=1)

    (container,) = running(engine)
    container.kill()
    ended = finish(program)

    (failed,) = [record for record in toy.records() if record["status"] != "ok"]
    assert ended.exit_code == 1
    assert failed["status"] == "failed"
    assert "exit code 137" in failed["failure"]["message"]  # type: ignore[index]
    assert len(measured(toy)) == LAUNCHES - 1


def test_a_frozen_container_ends_at_its_time_limit_and_stops_no_other(engine: OwnEngine, toy: Toy) -> None:
    suite = toy.project / "suites" / "slow.yaml"
    suite.write_text(suite.read_text(encoding="utf-8").replace("timeout_s: 30", "timeout_s: 8"), encoding="utf-8")
    program = start_slow(engine, toy, launches=1)

    (container,) = running(engine)
    container.pause()
    ended = finish(program)

    (frozen,) = [record for record in toy.records() if record["status"] != "ok"]
    assert ended.exit_code == 1
    assert frozen["status"] == "timeout"
    assert len(measured(toy)) == LAUNCHES - 1
