"""What a launch costs: against a shell loop of `docker run --rm`, and how much of it is ours."""

import os
import shlex
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import requests

from orchestrator.engines import BuiltImage, Job, Outcome
from orchestrator.engines.docker import DockerEngine
from orchestrator.launching import ARGV, make_job
from orchestrator.prepared import Place
from tests.performance.figures import Figure, NotMeasuredError, interleave, run_quietly
from tests.performance.spinning import Spin, spinning

ROUNDS, LAUNCHES = 10, 10  # ten of one, then ten of the other, ten times
RATIO_BAR = 0.75
OURS_BAR_S = 0.050


class ClockedEngine(DockerEngine):
    """The Docker engine with a clock around its launches."""

    def __init__(self) -> None:
        super().__init__({})
        self.launches_s = 0.0

    def launch(self, image: BuiltImage, job: Job) -> Outcome:
        start = time.perf_counter()
        try:
            return super().launch(image, job)
        finally:
            self.launches_s += time.perf_counter() - start


class CallClock:
    """Sums up the time in calls of the engine's API."""

    def __init__(self) -> None:
        self.calls_s = 0.0
        self.calls = 0

    @contextmanager
    def running(self) -> Iterator["CallClock"]:
        """Count what every session of `requests` sends, until the end of the block."""
        send = requests.Session.send

        def timed(session: requests.Session, request: requests.PreparedRequest, **options: Any) -> requests.Response:
            start = time.perf_counter()
            try:
                return send(session, request, **options)
            finally:
                self.calls_s += time.perf_counter() - start
                self.calls += 1

        requests.Session.send = timed  # type: ignore[method-assign, assignment]
        try:
            yield self
        finally:
            requests.Session.send = send  # type: ignore[method-assign]


def measure_launches() -> Iterator[Figure]:
    """Make 100 launches as a run does and 100 from a shell loop, in turns, in one run."""
    if shutil.which("docker") is None:
        raise NotMeasuredError("no docker command for the shell loop: install docker-cli")
    engine, calls = ClockedEngine(), CallClock()
    with spinning(engine) as spin, TemporaryDirectory(prefix="orch-bench-") as folder:
        loop = _shell_loop(spin, Path(folder))
        spin.launch(0)
        run_quietly(("sh", "-c", loop.format(count=1)))
        engine.launches_s = 0.0

        def ours() -> None:
            with calls.running():
                for _ in range(LAUNCHES):
                    spin.launch(1)

        times_s = interleave(
            {"orch": ours, "shell": lambda: run_quietly(("sh", "-c", loop.format(count=LAUNCHES)))}, ROUNDS
        )
    yield from _figures(times_s, engine, calls)


def _figures(times_s: Mapping[str, tuple[float, ...]], engine: ClockedEngine, calls: CallClock) -> Iterator[Figure]:
    count = ROUNDS * LAUNCHES
    orch_s, shell_s = sum(times_s["orch"]) / count, sum(times_s["shell"]) / count
    yield Figure(
        what=f"{count} launches / `docker run --rm` of the same script",
        measured=orch_s / shell_s,
        bar=RATIO_BAR,
        note=f"{orch_s * 1e3:.0f} ms / {shell_s * 1e3:.0f} ms a launch",
    )
    inside_s, calls_s = engine.launches_s / count, calls.calls_s / count
    yield Figure(
        what="ours in one launch, beyond the engine's calls",
        measured=orch_s - calls_s,
        bar=OURS_BAR_S,
        unit="s",
        note=f"{(inside_s - calls_s) * 1e3:.1f} ms between {calls.calls / count:.1f} calls, "
        f"{(orch_s - inside_s) * 1e3:.1f} ms for job and record",
    )


def _shell_loop(spin: Spin, folder: Path) -> str:
    """Write the inputs of a launch to a folder; returns a loop over `docker run` with them, `{count}` times."""
    job = make_job(spin.setting, spin.prepared, "measure", Place(block=1))
    for name in ("in", "out"):
        (folder / name).mkdir()
    for name, content in job.files.items():
        (folder / "in" / name).write_bytes(content)
    run = ("docker", "run", "--rm", f"--user={os.getuid()}:{os.getgid()}", "--workdir=/work")
    mounts = (f"--volume={folder}/in:/work/in:ro", f"--volume={folder}/out:/work/out")
    command = shlex.join((*run, *mounts, spin.prepared.image.digest, *ARGV))
    return f"for i in $(seq {{count}}); do {command} || exit 1; done"
