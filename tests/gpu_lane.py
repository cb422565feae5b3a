"""The GPU lane, `make gpu`: the PyTorch study, gates included, in a PyTorch that is already on a machine with a GPU.

    make gpu                              in the first Python found whose PyTorch sees the GPU
    make gpu ARGS="--python PATH"         in this one
    make gpu ARGS="--device cpu"          to try the lane itself

Under ten minutes: the study in three short blocks, its short configuration again, to see whether two runs agree, then
how much of the measured speed of the device each cell reaches. Ends in 3, with one line, where something is missing.
"""

import argparse
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from math import exp, log
from pathlib import Path
from statistics import fmean, median

from orchestrator import console
from orchestrator.machine import read_machine
from orchestrator.records import Record
from orchestrator.specs import Scalar
from orchestrator.store import RunFolder

ROOT = Path(__file__).parents[1]
PHASE = "train_step"
PROFILES = {"cuda": ("gpu_lane", "gpu_lane_again"), "cpu": ("gpu_lane_again", "gpu_lane_again")}
ASK = "import torch; print(torch.__version__.split('+')[0], torch.cuda.is_available())"
# Operations per second of a float32 product of two square matrices without TF32: the ceiling of the float32 units.
CEILING = """
import sys, time, torch
device, size = sys.argv[1], int(sys.argv[2])
wait = torch.cuda.synchronize if device == "cuda" else lambda: None
torch.backends.cuda.matmul.allow_tf32 = False
a, b = (torch.randn(size, size, device=device) for _ in range(2))
times = []
for _ in range(8):
    wait(); start = time.perf_counter()
    a @ b
    wait(); times.append(time.perf_counter() - start)
print(2 * size ** 3 / sorted(times[2:])[3])
"""
SIZE = {"cuda": 8192, "cpu": 1024}

Rows = Mapping[str, Sequence[Record]]


def main(arguments: Sequence[str]) -> int:
    """Run the lane; returns the exit code."""
    parser = argparse.ArgumentParser(prog="make gpu", description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--python", type=Path, help="interpreter with PyTorch; default: the first that sees the GPU")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    options = parser.parse_args(arguments)
    gpus = read_machine().gpus
    if options.device == "cuda" and not gpus:
        return missing("no NVIDIA GPU here: the driver's library (NVML) shows none. Nothing was executed.")
    paths = (options.python,) if options.python else candidates()
    found = next(find_pythons(paths, needs_gpu=options.device == "cuda"), None)
    if found is None:
        return missing("no Python here whose PyTorch sees the GPU. Name one: make gpu ARGS='--python PATH'.")
    python, version = found
    where = f"{gpus[0].name}, driver {gpus[0].driver}" if options.device == "cuda" else "CPU"
    console.note(f"{where}; PyTorch {version} of {python}")
    command = ("--device", options.device, "--use-python", f"pytorch-{version}={python}")
    (code, first), (code_again, again) = (study(*command, "--profile", profile) for profile in PROFILES[options.device])
    console.result("\n".join((*agreement(first, again), "", *shares(first, ceiling(python, options.device)))))
    return max(code, code_again)


def missing(what: str) -> int:
    console.note(f"make gpu: {what}")
    return 3


def candidates() -> tuple[Path, ...]:
    """Return the interpreters that a user may have loaded, and the running one."""
    names = ("python3", "python", "/opt/conda/bin/python", "/usr/bin/python3")
    found = [Path(path) for name in names if (path := shutil.which(name))]
    return (*dict.fromkeys(found), Path(sys.executable))


def find_pythons(paths: Sequence[Path], *, needs_gpu: bool) -> Iterator[tuple[Path, str]]:
    """Yield the interpreters with a PyTorch, that sees a GPU if it has to, and its version."""
    for path in paths:
        try:
            done = subprocess.run((path, "-c", ASK), capture_output=True, text=True, timeout=120, check=False)
        except (OSError, subprocess.TimeoutExpired):
            continue
        version, _, sees = done.stdout.strip().partition(" ")
        if sees == "True" or (version and not needs_gpu):
            yield path, version


def study(*options: str) -> tuple[int, Rows]:
    """Run the study and show its table; returns its exit code and its good records by row."""
    argv = (sys.executable, "-m", "orchestrator", "run", "suites/pytorch_versions.yaml", "--fresh", *options)
    done = subprocess.run(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    console.result(done.stdout)
    rows: dict[str, list[Record]] = {}
    last_line = done.stdout.strip().rpartition("\n")[2]
    records, _ = RunFolder(path=Path(last_line)).read_records() if last_line else ((), ())
    for record in records:
        if record.status == "ok" and record.launch.block is not None:
            rows.setdefault(record.launch.row, []).append(record)
    return done.returncode, rows


def agreement(first: Rows, again: Rows) -> Iterator[str]:
    """Yield how the rows of two runs of the same code in the same interpreter compare."""
    yield "second run / first run, same code and interpreter:"
    for row in sorted(first.keys() & again.keys()):
        yield f"  {row}: {cell_s(again[row]) / cell_s(first[row]):.4f}"


def cell_s(records: Sequence[Record]) -> float:
    """Return the geometric mean of the launch medians, in seconds, as the table has it."""
    return exp(fmean(log(median(record.samples[PHASE])) for record in records))


def ceiling(python: Path, device: str) -> float:
    """Measure what float32 products reach on the device, in operations per second."""
    argv = (python, "-c", CEILING, device, str(SIZE[device]))
    return float(subprocess.run(argv, capture_output=True, text=True, timeout=300, check=True).stdout)


def shares(rows: Rows, flop_per_s: float) -> Iterator[str]:
    """Yield each cell's share of the ceiling: above 1, something was not waited for."""
    yield f"float32 products reach {flop_per_s / 1e12:.2f} TFLOP/s here; what a step needs, and its share of that:"
    for row, records in sorted(rows.items()):
        work = step_flop(records[0].workload.parameters)
        yield f"  {row}: {work / 1e9:.1f} GFLOP, {work / cell_s(records) / flop_per_s:.1%}"


def step_flop(sizes: Mapping[str, Scalar]) -> float:
    """Count the floating-point operations of the LSTM's products in a training step: once forward, twice backward.

    Of sequences of different lengths all steps count, so that the share is an upper bound.
    Source: a product of (m, k) and (k, n) takes 2mkn; a layer's weights are 4 units x (inputs + units).
    """
    units, layers, directions = int(sizes["units"]), int(sizes["layers"]), 2 if sizes["bidirectional"] else 1
    inputs = [int(sizes["features"]), *[directions * units] * (layers - 1)]
    weights = sum(directions * 4 * units * (one + units) for one in inputs)
    return 3.0 * 2 * weights * int(sizes["batch"]) * int(sizes["steps"])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
