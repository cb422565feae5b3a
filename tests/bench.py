"""A copy of suites/benchmarks in which faults can be planted and jobs run by any interpreter, without an engine."""

import json
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Literal

from orchestrator.definitions import load_benchmark
from orchestrator.images import Image, ImageVariant, Variant
from orchestrator.loading import parse_gate, parse_report
from orchestrator.records import Report
from orchestrator.specs import Benchmark, Cell, Protocol, Scalar
from orchestrator.workloads import job_content, launch_files

SHIPPED = Path(__file__).parents[1] / "suites" / "benchmarks"
NAMES = ("python2.7", *(f"python3.{minor}" for minor in range(6, 15)))
TIME_LIMIT_S = 300
QUICK = Protocol(warmup=2, samples=5, at_most_s=60.0, threads=1)


@dataclass(frozen=True, kw_only=True)
class Launched:
    """What a launch of the harness left."""

    report: Report
    gate: Mapping[str, object] | None
    exit_code: int
    log: str

    def sanity(self, check: str) -> Mapping[str, object]:
        return next(entry for entry in self.report.sanity if entry["check"] == check)


@dataclass(frozen=True, kw_only=True)
class Bench:
    """A folder of benchmarks of one's own."""

    folder: Path

    def benchmark(self, name: str) -> Benchmark:
        return load_benchmark(self.folder / name / "benchmark.yaml", self.folder)

    def plant(self, script: str, good: str, bad: str) -> None:
        """Replace what stands once in a script."""
        path = self.folder / script
        text = path.read_text(encoding="utf-8")
        assert text.count(good) == 1, f"{good!r} stands {text.count(good)} times in {script}"
        path.write_text(text.replace(good, bad), encoding="utf-8")

    def launch(
        self,
        benchmark: Benchmark,
        python: str,
        *,
        implementation: str,
        version: str,
        mode: Literal["measure", "gate"] = "measure",
        protocol: Protocol = QUICK,
        **changes: object,
    ) -> Launched:
        """Run a job of the first configuration; `changes` replace fields of job.json."""
        cell = make_cell(benchmark, implementation, version)
        raw = job_content(cell, benchmark, protocol, mode=mode, threads=1)
        job = {**json.loads(raw), **changes}
        place = self.folder.parent / "launch"
        shutil.rmtree(place, ignore_errors=True)
        (place / "in").mkdir(parents=True)
        (place / "out").mkdir()
        for name, content in launch_files(benchmark, cell.image.image.framework).items():
            (place / "in" / name).write_bytes(content)
        (place / "in" / "job.json").write_text(json.dumps(job), encoding="utf-8")
        done = subprocess.run(
            (python, "in/harness.py"), cwd=place, capture_output=True, timeout=TIME_LIMIT_S, check=False
        )
        log = (done.stdout + done.stderr).decode(errors="replace")
        assert (place / "out" / "report.json").exists(), f"exit code {done.returncode}: {log}"
        gate = place / "out" / "gate.json"
        return Launched(
            report=parse_report((place / "out" / "report.json").read_bytes()),
            gate=parse_gate(gate.read_bytes()) if gate.exists() else None,
            exit_code=done.returncode,
            log=log,
        )


def make_bench(folder: Path) -> Bench:
    """Copy the benchmarks that are shipped."""
    shutil.copytree(SHIPPED, folder / "benchmarks", ignore=shutil.ignore_patterns("__pycache__"))
    return Bench(folder=folder / "benchmarks")


def reduced(benchmark: Benchmark, name: str, **sizes: Scalar) -> Benchmark:
    """Return a benchmark with one configuration alone, and less of what it has much of; nothing is said of its size."""
    one = next(one for one in benchmark.configurations if one.name == name)
    kept = {key: value for key, value in sizes.items() if key in one.parameters}
    return replace(
        benchmark,
        implementations=tuple(replace(item, parameters={}) for item in benchmark.implementations),
        configurations=(replace(one, parameters={**one.parameters, **kept}),),
    )


def shrink(folder: Path) -> None:
    """Leave of a benchmark's nets and data what takes no time; nothing is then said of their parameters."""
    path = folder / "benchmark.yaml"
    text = path.read_text(encoding="utf-8")
    for name, size in {"units": 16, "batch": 8, "steps": 20, "shortest": 12, "labels": 4}.items():
        text = re.sub(rf"\b{name}: \d{{2,}}", f"{name}: {size}", text)
    path.write_text(re.sub(r"(?m)^    parameters: .*\n", "", text), encoding="utf-8")


def with_numpy_lstm(bench: Bench, name: str = "1x320/CE-short") -> Benchmark:
    """Give lstm_asr a script in NumPy, small enough for a test."""
    shutil.copy(Path(__file__).parent / "data" / "numpy_lstm" / "run_numpy.py", bench.folder / "lstm_asr")
    small = reduced(bench.benchmark("lstm_asr"), name, units=16, batch=8, steps=10, shortest=6, labels=2)
    by_hand = replace(small.implementations[0], name="by_hand", frameworks=("numpy",), parameters={"1x320/*": 9184})
    return replace(small, scripts={"numpy": "run_numpy.py"}, implementations=(by_hand,))


def make_cell(benchmark: Benchmark, implementation: str, version: str) -> Cell:
    """Return the cell of an implementation's first framework and the first configuration, on the CPU."""
    framework = next(one for one in benchmark.implementations if one.name == implementation).frameworks[0]
    variant = Variant(name="cpu")
    image = Image(
        family=framework,
        framework=framework,
        version=version,
        released="",
        python="3.11.7",
        base="",
        requirements=(),
        variants=(variant,),
        folder=Path("images") / framework,
    )
    return Cell(
        image=ImageVariant(image=image, variant=variant),
        benchmark=benchmark.name,
        implementation=implementation,
        configuration=benchmark.configurations[0].name,
        device="cpu",
    )


@cache
def interpreters() -> Mapping[str, str]:
    """Find Pythons 2.7 and 3.6 and newer on PATH and under pyenv: version -> program."""
    candidates = [path for name in NAMES if (path := shutil.which(name))]
    candidates += [str(path) for path in sorted(Path.home().glob(".pyenv/versions/*/bin/python"))]
    found: dict[str, str] = {}
    for program in candidates:
        asked = subprocess.run(
            (program, "-c", "import platform; print(platform.python_version())"), capture_output=True, check=False
        )
        if asked.returncode == 0:
            found.setdefault(asked.stdout.decode().strip(), program)
    return found
