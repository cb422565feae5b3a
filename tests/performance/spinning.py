"""A run of `spin`, which needs no framework, on a Python image of the Docker engine that answers."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import docker
import requests
from docker.api import APIClient
from docker.errors import DockerException, ImageNotFound

from orchestrator.definitions import load_benchmark
from orchestrator.engines import BuiltImage, Engine
from orchestrator.engines.containers import cache_volume
from orchestrator.fleet import Slot
from orchestrator.fleet.hosts import ThisMachine
from orchestrator.launching import make_job, measure
from orchestrator.machine import choose_cpus
from orchestrator.prepared import Gate, Place, Prepared, Setting
from orchestrator.records import Record, SuiteKeys
from orchestrator.specs import Protocol
from orchestrator.store import RunFolder
from orchestrator.workloads import launch_files
from tests.bench import SHIPPED, make_cell
from tests.performance.figures import NotMeasuredError

PUBLIC = "python:3.11-slim-bookworm"
IMAGES = ("orch-test/python:3.11", PUBLIC)  # the first is the stand-in of .ci/bases
COMPILE = ("sh", "-c", "python -m compileall -q $(python -c 'import sysconfig; print(sysconfig.get_path(\"stdlib\"))')")
ASK_VERSION = ("python", "-c", "import platform; print(platform.python_version(), end='')")
# No thread count: the launch gets all CPUs, as `docker run` does.
PROTOCOL = Protocol(warmup=2, samples=5, at_most_s=5.0, blocks=1, timeout_s=60.0)


@dataclass(frozen=True, kw_only=True)
class Spin:
    """What the runner needs to launch `spin`."""

    setting: Setting
    prepared: Prepared
    folder: RunFolder

    def launch(self, block: int) -> Record:
        """Make one launch as a run does, record written. Raises RuntimeError if it failed."""
        record = measure(self.setting, self.prepared, Place(block=block), Gate())
        self.folder.write_record(record)
        if record.status != "ok":
            raise RuntimeError(f"a launch of spin failed: {record.failure}")
        return record


@contextmanager
def spinning(engine: Engine, protocol: Protocol = PROTOCOL) -> Iterator[Spin]:
    """Prepare `spin`, and leave neither files nor a compile cache behind. Raises NotMeasuredError without an image."""
    with connected() as api, _compiled_python(api) as (digest, version), TemporaryDirectory(prefix="orch-") as folder:
        benchmark = load_benchmark(SHIPPED / "spin" / "benchmark.yaml", SHIPPED)
        cell = make_cell(benchmark, "loop", version)
        prepared = Prepared(
            cell=cell,
            benchmark=benchmark,
            implementation=benchmark.implementations[0],
            configuration=benchmark.configurations[0],
            image=BuiltImage(
                target=cell.image, reference=digest, digest=digest, base="", inputs_sha256="", lock_sha256=""
            ),
            files=launch_files(benchmark, "python"),
        )
        run = RunFolder(path=Path(folder) / "run")
        run.path.mkdir()
        host = ThisMachine(run.path / "locks")
        setting = Setting(
            run="bench",
            suite=SuiteKeys(name="bench", profile=None, sha256=""),
            seed=1,
            protocol=protocol,
            host=host,
            machine=host.machine,
            engine=engine,
            engine_version=engine.check(),
            command=("make", "bench"),
            logs=run.logs,
            slot=Slot(cpus=choose_cpus(host.machine, protocol.threads)),
        )
        try:
            yield Spin(setting=setting, prepared=prepared, folder=run)
        finally:
            _remove_cache(api, make_job(setting, prepared, "measure", Place(block=1)).cache)


@contextmanager
def connected() -> Iterator[APIClient]:
    """Look at the engine past `orch`. Raises NotMeasuredError if none answers."""
    try:
        with closing(docker.from_env(timeout=60)) as client:
            client.ping()
            yield client.api
    except (DockerException, requests.ConnectionError) as error:
        raise NotMeasuredError(f"no Docker engine answers: {error}") from error


def find_python(api: APIClient) -> tuple[str, str, str]:
    """Return tag, id and Python version of an image of Python 3.11. Raises NotMeasuredError if there is none."""
    for name in IMAGES:
        try:
            digest = str(api.inspect_image(name)["Id"])
        except ImageNotFound:
            continue
        with closing(docker.from_env()) as client:
            version = client.containers.run(digest, list(ASK_VERSION), remove=True).decode()
        return name, digest, version
    raise NotMeasuredError(f"neither {' nor '.join(IMAGES)} is on the engine: docker pull {PUBLIC}")


@contextmanager
def _compiled_python(api: APIClient) -> Iterator[tuple[str, str]]:
    """Make an image whose standard library is compiled, as pip leaves it in every image that `orch` builds."""
    _, base, version = find_python(api)
    container = api.create_container(base, list(COMPILE), user="0")["Id"]
    try:
        api.start(container)
        if api.wait(container)["StatusCode"] != 0:
            raise RuntimeError(f"compileall failed: {api.logs(container).decode()[-2000:]}")
        digest = str(api.commit(container)["Id"])
    finally:
        api.remove_container(container, force=True)
    try:
        yield digest, version
    finally:
        api.remove_image(digest, force=True)


def _remove_cache(api: APIClient, cache: str | None) -> None:
    names = {volume["Name"] for volume in api.volumes()["Volumes"] or ()}
    if cache is not None and cache_volume(cache) in names:
        api.remove_volume(cache_volume(cache))
