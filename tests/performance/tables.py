"""How long plans and reports of large suites take, whole processes."""

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from orchestrator.loading import read_record
from orchestrator.records import Record
from orchestrator.store import RunFolder, create_run
from tests.performance.figures import Figure, clock, run_quietly

ROOT = Path(__file__).parents[2]
TEMPLATE = "pytorch-2.13.0+cpu_lstm_asr_cudnn_lstm_1x320_CE-short.block1.attempt1.json"
ORCH = (sys.executable, "-m", "orchestrator")
ROUNDS = 5
PLAN_BAR_S, REPORT_BAR_S = 0.5, 2.0
VERSIONS, IMPLEMENTATIONS, CONFIGURATIONS = 25, 20, 20  # 10 000 cells
COLUMNS, ROWS, BLOCKS = 10, 20, 5  # 1 000 records
LONG = 401  # times the samples of the template: more than a record holds
VERSION = """  "{version}":
    released: 2026-01-01
    python: "3.11.7"
    base: python:3.11-slim-bookworm
    requirements: [many=={version}]
    source: tests
    variants:
      cu121: {{cuda: "12.1", compute: ["8.0", "9.0"], min_driver: "530.30", source: tests}}
      cpu: {{}}
"""
SUITE = """suite: many
title: Many cells
images: ["many-*"]
benchmarks:
  - {benchmark: many, implementations: ["*"], configurations: ["*"]}
protocol: {phases: [train_step]}
"""


def measure_plan() -> Iterator[Figure]:
    """Time `orch plan` of 10 000 cells."""
    with TemporaryDirectory(prefix="orch-bench-") as name:
        folder = Path(name)
        _write_suite(folder)
        command = (*ORCH, "--project", name, "plan", "many", "--gpu", "H100")
        times_s = [clock(lambda: run_quietly(command, cwd=folder)) for _ in range(ROUNDS)]
    cells = VERSIONS * IMPLEMENTATIONS * CONFIGURATIONS
    yield Figure(what=f"orch plan, {cells} cells", measured=median(times_s), bar=PLAN_BAR_S, unit="s")


def measure_report() -> Iterator[Figure]:
    """Time `orch report` of 1 000 records."""
    with TemporaryDirectory(prefix="orch-bench-") as name:
        folder = _write_run(Path(name))
        command = (*ORCH, "--project", str(ROOT), "report", str(folder.path))
        times_s = [clock(lambda: run_quietly(command, cwd=name)) for _ in range(ROUNDS)]
    what = f"orch report, {COLUMNS * ROWS * BLOCKS} records"
    yield Figure(what=what, measured=median(times_s), bar=REPORT_BAR_S, unit="s")


def _write_suite(folder: Path) -> None:
    family, benchmark = folder / "images" / "many", folder / "suites" / "benchmarks" / "many"
    for place in (family, benchmark):
        place.mkdir(parents=True)
    rows = "".join(VERSION.format(version=f"{number}.0.0") for number in range(1, VERSIONS + 1))
    (family / "versions.yaml").write_text(f"family: many\nframework: many\nversions:\n{rows}", encoding="utf-8")
    (family / "Dockerfile").write_text("ARG BASE\nFROM ${BASE}\n", encoding="utf-8")
    (folder / "suites" / "many.yaml").write_text(SUITE, encoding="utf-8")
    content = {
        "benchmark": "many",
        "title": "Many",
        "scripts": {"many": "run_many.py"},
        "implementations": {f"way{i}": {"label": f"way {i}", "frameworks": ["many"]} for i in range(IMPLEMENTATIONS)},
        "configurations": {f"size{i}": {"batch": i + 1} for i in range(CONFIGURATIONS)},
        "measures": {"time_per_step": {"from": "train_step", "unit": "s", "better": "lower"}},
    }
    (benchmark / "benchmark.yaml").write_text(json.dumps(content), encoding="utf-8")  # which is YAML too
    (benchmark / "run_many.py").write_text("", encoding="utf-8")


def _write_run(folder: Path) -> RunFolder:
    template = read_record(ROOT / "tests" / "data" / "records" / TEMPLATE)
    rows = [f"lstm_asr/way{number}/size" for number in range(ROWS)]
    run = create_run(folder / "runs", {"schema": "orch.plan/1", "baseline": "oldest", "study": None, "rows": rows})
    for version in range(COLUMNS):
        for row in range(ROWS):
            for block in range(1, BLOCKS + 1):
                run.write_record(_vary(template, f"2.{version}.0", row, block))
    return run


def _vary(template: Record, version: str, row: int, block: int) -> Record:
    """Return a record of another image, implementation and block, with times of its own; every second has a trace."""
    path = f"lstm_asr/way{row}/size"
    factor = (1 + 0.1 * row) * (1 + 0.001 * block) * (1 + 0.01 * int(version.split(".")[1]) * (block % 2))
    times = LONG if row % 2 else 1
    samples = {phase: tuple(value * factor for value in values) * times for phase, values in template.samples.items()}
    environment = template.environment and replace(template.environment, version=version)
    return replace(
        template,
        cell=replace(template.cell, id=f"pytorch-{version}+cpu/{path}", key=f"{version}/{path}"),
        launch=replace(template.launch, row=path, block=block),
        workload=replace(template.workload, implementation=f"way{row}", configuration="size"),
        image=replace(template.image, name=f"pytorch-{version}"),
        environment=environment,
        samples=samples,
    )
