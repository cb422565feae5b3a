"""A program in another language, measured by its own clock and judged by the harness: a stand-in for luajit."""

import json
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.gates import check_gate, compute_reference
from orchestrator.specs import Benchmark
from tests.bench import Bench, Launched, make_bench

LOSS = 2.0
RAW: Mapping[str, object] = {
    "version": "7.0", "timer": "clock_gettime(CLOCK_MONOTONIC)", "sync": "none", "import_s": 0.1, "setup_s": 0.2,
    "first_step_s": 0.02, "parameters": 1, "peak_memory_bytes": 4096, "facts": {"threads": 1}, "gate": None,
    "failure": None,
    "phases": {
        "train_step": {
            "group": 2, "clocks": [[10.0, 3.0], [10.15, 3.15]], "warmup": [[0.011, LOSS], [0.010, 1.9]],
            "samples": [[10 + n / 50, 0.02, 1e-6, 1e-6, 10.020002 + n / 50, 0.02, 1.8 - n / 10] for n in range(5)],
        }
    },
}  # fmt: skip


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return make_bench(tmp_path)


def run(bench: Bench, monkeypatch: pytest.MonkeyPatch, raw: Mapping[str, object] | None, **job: object) -> Launched:
    """Launch a Lua script with a `luajit` on PATH that writes what was given, and nothing for None."""
    programs = bench.folder.parent / "programs"
    programs.mkdir()
    written = f"open('out/raw.json', 'w').write({json.dumps(raw)!r})" if raw is not None else "raise SystemExit(3)"
    (programs / "luajit").write_text(f"#!{sys.executable}\nimport sys\nassert sys.argv[1:] == {ARGV}\n{written}\n")
    (programs / "luajit").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    return bench.launch(with_lua(bench), sys.executable, implementation="loop", version="7.0", **job)  # type: ignore[arg-type]


ARGV = ["in/program.lua", "run_torch7.lua"]


def with_lua(bench: Bench) -> Benchmark:
    shutil.copy(bench.folder / "rnn_regression" / "run_torch7.lua", bench.folder / "spin")
    spin = bench.benchmark("spin")
    loop = replace(spin.implementations[0], frameworks=("torch7",))
    return replace(spin, scripts={"torch7": "run_torch7.lua"}, implementations=(loop,))


def changed(**train_step: object) -> Mapping[str, object]:
    phases = RAW["phases"]
    assert isinstance(phases, dict)
    return {**RAW, "phases": {"train_step": {**phases["train_step"], **train_step}}}


def test_what_a_program_wrote_becomes_a_report_like_any_other(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    launched = run(bench, monkeypatch, RAW)

    report = launched.report
    assert (report.status, launched.exit_code) == ("ok", 0), report.failure
    assert report.samples["train_step"] == (0.01,) * 5
    assert report.warmup["train_step"] == (0.011, 0.01)
    assert report.windows["train_step"] == (10.0, 10.1)
    assert report.measures["setup_s"] == 0.2
    assert report.measures["peak_memory_bytes"] == 4096
    assert report.environment is not None
    assert (report.environment.version, report.environment.flags) == ("7.0", {"threads": 1})
    assert {str(entry["check"]) for entry in report.sanity if entry["ok"]} == {
        "loss_finite", "loss_falls", "synchronised", "loop_time", "clock", "parameters",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (changed(clocks=[[10.0, 3.0], [10.15, 4.0]]), "clock"),
        (changed(samples=[[10.0 + n, 0.02, 0.01, 0.0, 10.03 + n, 0.02, 1.0] for n in range(5)]), "synchronised"),
        (changed(samples=[[10.0 + n, 0.02, 1e-6, 1e-6, 10.02 + n, 0.02, 1.0] for n in range(5)]), "loop_time"),
        (changed(samples=[[10.0 + 0.02 * n, 0.02, 1e-6, 1e-6, 10.02 + 0.02 * n, 0.02, None] for n in range(5)]),
         "loss_finite"),
        ({**RAW, "parameters": 2}, "parameters"),
        ({**RAW, "version": "8.0"}, "ImportError"),
        (None, "RuntimeError"),
    ],
    ids=["CPU time", "not waited for", "work between the samples", "no number", "another net", "version", "nothing"],
)  # fmt: skip
def test_a_program_is_judged_by_the_same_checks(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, raw: Mapping[str, object] | None, kind: str
) -> None:
    launched = run(bench, monkeypatch, raw)

    assert launched.exit_code == 1
    assert launched.report.failure is not None
    assert launched.report.failure.kind == kind


@pytest.mark.parametrize(("kind", "status"), [("Unsupported", "unsupported"), ("LuaError", "failed")])
def test_a_program_that_fails_says_where_and_why(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, kind: str, status: str
) -> None:
    failure = {"phase": "setup", "kind": kind, "message": "no such module", "log_tail": "stack traceback:"}

    launched = run(bench, monkeypatch, {**RAW, "version": "", "phases": {}, "failure": failure})

    assert launched.report.status == status
    assert launched.report.failure is not None
    assert (launched.report.failure.phase, launched.report.failure.message) == ("setup", "no such module")


def test_a_program_passes_the_gate_with_the_numbers_of_the_reference(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    benchmark = with_lua(bench)
    reference = compute_reference(benchmark, benchmark.implementations[0], benchmark.configurations[0], tmp_path)
    gate = {
        "probe": {"loss": reference.loss, "parameters": 1, "gradients": reference.gradients},
        "measured": {"first_loss": reference.first_loss, "parameters": 1},
    }

    launched = run(bench, monkeypatch, {**RAW, "gate": gate}, mode="gate")

    assert launched.gate is not None
    assert all(entry["ok"] for entry in check_gate(launched.gate, reference, "ieee"))
