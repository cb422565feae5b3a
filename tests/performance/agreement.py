"""Whether the harness measures the step: its times against those of torch.utils.benchmark in the same process."""

import json
from collections.abc import Iterator
from pathlib import Path

from docker.api import APIClient

from orchestrator.analysis.stats import paired_ratio
from orchestrator.definitions import load_benchmark
from orchestrator.engines import BuiltImage, Job
from orchestrator.engines.docker import DockerEngine
from orchestrator.names import version_key
from orchestrator.specs import Protocol
from orchestrator.workloads import job_content, launch_files
from tests.bench import SHIPPED, make_cell
from tests.performance.figures import Figure, NotMeasuredError
from tests.performance.spinning import connected

PROGRAM = Path(__file__).parents[1] / "data" / "agreement" / "paired_steps.py"
IMPLEMENTATION = "cudnn_lstm"
FAMILY = "pytorch-"
BAR = 0.01
PAIRS = 200
# On no certain CPU: another program may be pinned to it.
PROTOCOL = Protocol(warmup=5, threads=1)
TIMEOUT_S = 1200.0


def measure_agreement() -> Iterator[Figure]:
    """Pair the harness with PyTorch's own timer over lstm_asr's step in the newest PyTorch image there is."""
    with connected() as api:
        image = _find_image(api)
    outcome = DockerEngine({}).launch(image, _job(image))
    if "pairs.json" not in outcome.files:
        raise RuntimeError(f"the paired steps ended with {outcome.exit_code}:\n{outcome.log[-2000:]}")
    by_harness_s, by_timer_s = zip(*json.loads(outcome.files["pairs.json"]), strict=True)
    estimate = paired_ratio(by_harness_s, by_timer_s)
    low, high = estimate.interval.low, estimate.interval.high
    yield Figure(
        what=f"harness / torch.utils.benchmark, {IMPLEMENTATION}: ratio's distance from 1",
        measured=abs(estimate.ratio - 1),
        bar=BAR,
        note=f"{estimate.ratio:.4f} [{low:.4f}, {high:.4f}], {estimate.n} pairs, {image.target.image.name}",
    )


def _job(image: BuiltImage) -> Job:
    benchmark = load_benchmark(SHIPPED / "lstm_asr" / "benchmark.yaml", SHIPPED)
    cell = make_cell(benchmark, IMPLEMENTATION, image.target.image.version)
    content = json.loads(job_content(cell, benchmark, PROTOCOL, mode="measure", threads=1))
    return Job(
        argv=("python", f"in/{PROGRAM.name}"),
        files={
            **launch_files(benchmark, cell.image.image.framework),
            PROGRAM.name: PROGRAM.read_bytes(),
            "job.json": json.dumps({**content, "pairs": PAIRS}).encode(),
        },
        timeout_s=TIMEOUT_S,
        env={"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"},
    )


def _find_image(api: APIClient) -> BuiltImage:
    """Return the newest PyTorch image that is built. Raises NotMeasuredError without one."""
    built = {
        image["Labels"]["orch.image"].removeprefix(FAMILY): image
        for image in api.images(filters={"label": "orch.image"})
        if image["Labels"]["orch.image"].startswith(FAMILY)
    }
    if not built:
        raise NotMeasuredError("no PyTorch image is built: orch build pytorch-2.13.0")
    version = max(built, key=version_key)
    benchmark = load_benchmark(SHIPPED / "lstm_asr" / "benchmark.yaml", SHIPPED)
    return BuiltImage(
        target=make_cell(benchmark, IMPLEMENTATION, version).image,
        reference=next(iter(built[version]["RepoTags"] or ()), ""),
        digest=str(built[version]["Id"]),
        base="",
        inputs_sha256="",
        lock_sha256="",
    )
