"""Launches on a real Docker engine: what a program sees, what comes out, and that nothing stays."""

import json
import signal
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import FrameType

import pytest
from docker import DockerClient

from orchestrator.engines import BuiltImage, Job
from orchestrator.engines.attachments import NO_GPU
from orchestrator.engines.containers import cache_volume, container_config, memory_limit
from orchestrator.engines.docker import DockerEngine
from orchestrator.errors import EngineError
from orchestrator.images import Image, ImageVariant, Variant

pytestmark = pytest.mark.docker
MIB = 2**20
ROW = Image(
    family="toy",
    framework="toy",
    version="1.0",
    released="2020-01-01",
    python="3.11.7",
    base="python:3.11-slim-bookworm",
    requirements=(),
    variants=(),
    folder=Path(),
)
TARGET = ImageVariant(image=ROW, variant=Variant(name="cpu"))
LOOK_AROUND = """
import getpass, json, os, subprocess, tempfile

def readable(*paths):
    return next(open(path).read().split()[0] for path in paths if os.path.exists(path))

def is_writable(folder):
    try:
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        return False
    return True

def can_execute(folder):
    path = os.path.join(folder, "program")
    with open(path, "w") as program:
        program.write("#!/bin/sh\\nexit 7\\n")
    os.chmod(path, 0o755)
    return subprocess.call([path]) == 7

FOLDERS = ("/", "/usr/local", "/orch", "in", "out", os.environ["HOME"], "/tmp")
status = dict(line.split(":\\t") for line in open("/proc/self/status").read().splitlines() if ":\\t" in line)
facts = {
    "user": getpass.getuser(),
    "uid": os.getuid(),
    "gid": os.getgid(),
    "capabilities": int(status["CapBnd"], 16),
    "no_new_privileges": status["NoNewPrivs"],
    "folder": os.getcwd(),
    "writable": [folder for folder in FOLDERS if is_writable(folder)],
    "executable": [can_execute(folder) for folder in (tempfile.gettempdir(), "/tmp")],
    "networks": os.listdir("/sys/class/net"),
    "shm_bytes": os.statvfs("/dev/shm").f_blocks * os.statvfs("/dev/shm").f_frsize,
    "pids": readable("/sys/fs/cgroup/pids.max", "/sys/fs/cgroup/pids/pids.max"),
    "memory": readable("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"),
    "cpus": sorted(os.sched_getaffinity(0)),
    "suite": os.environ["SUITE"],
}
json.dump(facts, open("out/facts.json", "w"))
"""


@pytest.fixture(scope="module")
def engine() -> DockerEngine:
    return DockerEngine({})


@pytest.fixture(scope="module")
def image(client: DockerClient, python_base: str) -> BuiltImage:
    found = client.images.get(python_base)
    return BuiltImage(
        target=TARGET, reference=python_base, digest=str(found.id), base=python_base, inputs_sha256="", lock_sha256=""
    )


@pytest.fixture
def run(client: DockerClient) -> Iterator[str]:
    """The name of a run, of which nothing may be left on the engine when the test ends."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    yield name
    assert _left_of(client, name) == []


def _left_of(client: DockerClient, run: str) -> list[str]:
    label = f"orch.run={run}"
    containers = [str(container.name) for container in client.containers.list(all=True, filters={"label": label})]
    return containers + [str(volume.name) for volume in client.volumes.list(filters={"label": label})]


def _job(run: str, program: str, timeout_s: float = 60.0) -> Job:
    return Job(
        argv=("python", "in/program.py"),
        files={"program.py": program.encode()},
        timeout_s=timeout_s,
        labels={"run": run},
    )


@pytest.fixture(scope="module")
def facts(engine: DockerEngine, image: BuiltImage) -> dict[str, object]:
    job = replace(_job("test-facts", LOOK_AROUND), memory_bytes=512 * MIB, cpus=(0,), env={"SUITE": "toy"})
    outcome = engine.launch(image, job)
    assert outcome.exit_code == 0, outcome.log
    seen: dict[str, object] = json.loads(outcome.files["facts.json"])
    return seen


@pytest.mark.parametrize(
    ("what", "value"),
    [
        ("user", "orch"),
        ("uid", 1000),
        ("gid", 1000),
        ("capabilities", 0),
        ("no_new_privileges", "1"),
        ("folder", "/orch"),
        ("writable", ["out", "/orch/home", "/tmp"]),
        ("executable", [True, True]),
        ("networks", ["lo"]),
        ("shm_bytes", 1024 * MIB),
        ("pids", "4096"),
        ("memory", str(512 * MIB)),
        ("cpus", [0]),
        ("suite", "toy"),
    ],
)
def test_a_program_sees_the_hardened_settings(facts: dict[str, object], what: str, value: object) -> None:
    assert facts[what] == value


def test_files_come_out_and_the_container_is_gone(engine: DockerEngine, image: BuiltImage, run: str) -> None:
    program = "import os; os.mkdir('out/a'); open('out/a/b.bin', 'wb').write(bytes(range(256))); print('said')"

    outcome = engine.launch(image, _job(run, program))

    assert (outcome.status, outcome.exit_code, outcome.log) == ("exited", 0, "said\n")
    assert outcome.files == {"a/b.bin": bytes(range(256))}


def test_launches_of_a_run_that_is_ended_from_another_thread_return_and_leave_nothing(
    engine: DockerEngine, image: BuiltImage, client: DockerClient, run: str
) -> None:
    sleeping = [threading.Thread(target=_launch_in_vain, args=(engine, image, run)) for _ in range(2)]
    for one in sleeping:
        one.start()
    while any(one.is_alive() for one in sleeping):
        if len(client.containers.list(filters={"label": f"orch.run={run}"})) == 2:
            engine.end(run)
    other = engine.launch(image, _job(f"{run}-other", "print('untouched')"))

    assert other.log == "untouched\n"
    assert _left_of(client, run) == []


def _launch_in_vain(engine: DockerEngine, image: BuiltImage, run: str) -> None:
    with suppress(EngineError):  # its container may be gone before or after its end is seen
        assert engine.launch(image, _job(run, "import time; time.sleep(60)")).exit_code != 0


def test_a_failing_program_shows_its_exit_code_and_what_it_said(
    engine: DockerEngine, image: BuiltImage, run: str
) -> None:
    outcome = engine.launch(image, _job(run, "import os; os.write(2, b'broken \\xff'); os._exit(9)"))

    assert (outcome.status, outcome.exit_code, outcome.log) == ("exited", 9, "broken �")


def test_of_a_talkative_program_the_end_of_the_log_is_kept(engine: DockerEngine, image: BuiltImage, run: str) -> None:
    outcome = engine.launch(image, _job(run, "for n in range(300000): print('line', n)"))

    assert outcome.log.endswith("line 299999\n")
    assert len(outcome.log) == 64 * 1024


def test_a_program_that_ignores_the_end_is_killed_at_its_time_limit(
    engine: DockerEngine, image: BuiltImage, run: str
) -> None:
    program = "import signal, time; signal.signal(15, signal.SIG_IGN); print('on', flush=True); time.sleep(600)"

    outcome = engine.launch(image, _job(run, program, timeout_s=2))

    assert (outcome.status, outcome.exit_code, outcome.log) == ("timeout", None, "on\n")


def test_a_launch_without_a_limit_of_its_own_leaves_memory_for_the_machine(
    engine: DockerEngine, image: BuiltImage, run: str, client: DockerClient
) -> None:
    limit = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")

    outcome = engine.launch(
        image, _job(run, f"import os; print(*[open(p).read() for p in {limit} if os.path.exists(p)])")
    )

    page = 4096
    assert int(outcome.log) // page == memory_limit(client.info()["MemTotal"]) // page
    assert outcome.memory_bytes == memory_limit(client.info()["MemTotal"])


def test_a_program_that_takes_too_much_memory_ends_as_oom(engine: DockerEngine, image: BuiltImage, run: str) -> None:
    job = replace(
        _job(run, "held = bytearray(512 * 2**20); held[::4096] = b'x' * len(held[::4096])"), memory_bytes=64 * MIB
    )

    assert engine.launch(image, job).status == "oom"


@pytest.mark.parametrize(
    ("program", "why"),
    [
        ("open('out/large', 'wb').truncate(10 * 2**30)", "larger than 64 MiB"),
        ("import os; os.symlink('/etc/passwd', 'out/report.json')", "a link or a special file"),
        ("import os; os.mkfifo('out/report.json')", "a link or a special file"),
    ],
)
def test_an_output_that_is_no_plain_file_or_too_large_is_refused(
    engine: DockerEngine, image: BuiltImage, run: str, program: str, why: str
) -> None:
    outcome = engine.launch(image, _job(run, program))

    assert (outcome.status, outcome.exit_code, outcome.files) == ("exited", 0, {})
    assert why in outcome.log


def test_an_interrupt_passes_after_the_container_is_removed(
    engine: DockerEngine, image: BuiltImage, run: str, client: DockerClient
) -> None:
    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.alarm(2)
    try:
        with pytest.raises(KeyboardInterrupt):
            engine.launch(image, _job(run, "import time; time.sleep(600)"))
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)

    assert _left_of(client, run) == []


COUNT_STARTS = "import os; open('/orch/cache/starts', 'a').write('x'); print(os.stat('/orch/cache/starts').st_size)"


def test_a_named_cache_stays_from_launch_to_launch(
    engine: DockerEngine, image: BuiltImage, run: str, client: DockerClient
) -> None:
    job = replace(_job(run, COUNT_STARTS), cache=f"toy-1.0+cpu-{run}")

    logs = [engine.launch(image, job).log for _ in range(2)]

    client.volumes.get(cache_volume(f"toy-1.0+cpu-{run}")).remove()
    assert logs == ["1\n", "2\n"]


def test_a_cache_without_a_name_is_empty_each_time(engine: DockerEngine, image: BuiltImage, run: str) -> None:
    logs = [engine.launch(image, _job(run, COUNT_STARTS)).log for _ in range(2)]

    assert logs == ["1\n", "1\n"]


def _leave_container(client: DockerClient, image: BuiltImage, job: Job) -> str:
    """Start a container as a launch does, and die before it is removed."""
    name = f"orch-{uuid.uuid4().hex[:12]}"
    client.api.create_container_from_config(container_config(image.digest, job, NO_GPU, 256 * MIB), name)
    client.api.start(name)
    return name


def test_reap_removes_what_a_killed_run_left(
    engine: DockerEngine, image: BuiltImage, run: str, client: DockerClient
) -> None:
    name = _leave_container(client, image, _job(run, ""))

    assert engine.reap(run) == (name,)
    assert _left_of(client, run) == []


def test_reap_of_all_runs_spares_what_is_within_its_deadline(
    engine: DockerEngine, image: BuiltImage, run: str, client: DockerClient
) -> None:
    past, ahead = (
        _leave_container(
            client, image, replace(_job(run, ""), labels={"run": run, "deadline": str(int(time.time() + s))})
        )
        for s in (-10, 600)
    )

    reaped = engine.reap()

    left = _left_of(client, run)
    engine.reap(run)
    assert past in reaped
    assert ahead in left
    assert past not in left
