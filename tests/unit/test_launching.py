"""One launch: every way it can end becomes a verdict or a record with its reason."""

from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.engines import Job, Outcome
from orchestrator.errors import EngineError
from orchestrator.launching import LOG_TAIL_CHARACTERS, judge, make_job, measure
from orchestrator.prepared import Gate, Place
from orchestrator.specs import Protocol
from tests.launches import GOOD_REPORT, FakeEngine, make_prepared, make_setting, outcome_of

PHASES = ("train_step",)


def ended(content: bytes, exit_code: int = 0, log: str = "") -> Outcome:
    return Outcome(status="exited", exit_code=exit_code, files={"report.json": content}, log=log)


def test_a_good_report_is_ok() -> None:
    verdict = judge(outcome_of(GOOD_REPORT), PHASES)

    assert verdict.status == "ok"
    assert verdict.failure is None
    assert verdict.report.samples["train_step"] == (0.2, 0.1, 0.3)


@pytest.mark.parametrize(
    ("outcome", "status", "phase", "kind"),
    [
        (Outcome(status="oom", exit_code=137, files={}, log=""), "oom", "launch", "OutOfMemory"),
        (Outcome(status="timeout", exit_code=None, files={}, log=""), "timeout", "launch", "Timeout"),
        (Outcome(status="exited", exit_code=0, files={}, log=""), "failed", "record", "NoReport"),
        (Outcome(status="exited", exit_code=-9, files={"x": b""}, log=""), "failed", "record", "NoReport"),
        (ended(b""), "failed", "record", "BrokenReport"),
        (ended(b"\x00\x01 [red] garbage"), "failed", "record", "BrokenReport"),
        (ended(b'{"status": "ok", "samples": {"train_step": [0.1,'), "failed", "record", "BrokenReport"),
        (ended(b'{"status": "ok", "samples": {"train_step": [NaN]}}'), "failed", "record", "BrokenReport"),
        (ended(b'{"status": "ok", "samples": {"train_step": [Infinity]}}'), "failed", "record", "BrokenReport"),
        (ended(b'{"status": "ok", "samples": {"train_step": [1e999]}}'), "failed", "record", "BrokenReport"),
        (ended(b'{"status": "ok", "samples": {"train_step": [-0.1]}}'), "failed", "record", "BrokenReport"),
        (ended(b'{"status": "ok", "samples": {"train_step": [0]}}'), "failed", "record", "BrokenReport"),
        (ended(b'{"status": "ok", "samples": {"train_step": "fast"}}'), "failed", "record", "BrokenReport"),
        (ended(b'{"status": "great"}'), "failed", "record", "BrokenReport"),
        (ended(b"[" * 100_000), "failed", "record", "BrokenReport"),
        (ended(b'["ok"]'), "failed", "record", "BrokenReport"),
        (ended(b'{"status": "ok"}'), "failed", "record", "NoSamples"),
        (ended(b'{"status": "ok", "samples": {"train_step": []}}'), "failed", "record", "NoSamples"),
        (ended(b'{"status": "ok", "samples": {"forward": [0.1]}}'), "failed", "record", "NoSamples"),
        (ended(b'{"status": "failed"}', 1), "failed", "record", "NoReason"),
        (ended(b'{"status": "unsupported"}', 1), "failed", "record", "NoReason"),
        (outcome_of(GOOD_REPORT, exit_code=3), "failed", "launch", "ExitCode"),
    ],
)  # fmt: skip
def test_whatever_is_not_a_good_report_is_a_failure(outcome: Outcome, status: str, phase: str, kind: str) -> None:
    verdict = judge(outcome, PHASES)

    assert verdict.failure is not None
    assert (verdict.status, verdict.failure.phase, verdict.failure.kind) == (status, phase, kind)
    assert verdict.failure.message


def test_what_the_program_says_it_cannot_do_is_unsupported_and_no_failed_launch() -> None:
    failure = {"phase": "setup", "kind": "Unsupported", "message": "needs a C++ compiler"}

    verdict = judge(outcome_of({"status": "unsupported", "failure": failure}, exit_code=1), PHASES)

    assert verdict.status == "unsupported"
    assert verdict.failure is not None
    assert verdict.failure.message == "needs a C++ compiler"


@pytest.mark.parametrize(("phase", "status"), [("sanity", "invalid"), ("setup", "failed"), ("import", "failed")])
def test_a_failure_the_program_reports_is_taken_over(phase: str, status: str) -> None:
    failure = {"phase": phase, "kind": "ValueError", "message": "no", "log_tail": "trace"}

    verdict = judge(outcome_of({"status": "failed", "failure": failure}, exit_code=1), PHASES)

    assert verdict.status == status
    assert verdict.failure is not None
    assert verdict.failure.message == "no"


def test_a_memory_death_counts_even_after_a_good_report() -> None:
    good = outcome_of(GOOD_REPORT)

    verdict = judge(Outcome(status="oom", exit_code=137, files=good.files, log=""), PHASES)

    assert verdict.status == "oom"
    assert verdict.report.samples == {}


def test_a_gate_launch_needs_no_samples() -> None:
    verdict = judge(outcome_of({**GOOD_REPORT, "samples": {}}), phases=())

    assert verdict.status == "ok"


def test_a_good_report_that_names_no_version_is_not_believed() -> None:
    verdict = judge(outcome_of({**GOOD_REPORT, "environment": None}), PHASES)

    assert verdict.failure is not None
    assert (verdict.status, verdict.failure.kind) == ("failed", "NoEnvironment")


def test_a_good_report_with_a_failed_check_is_invalid() -> None:
    checks = [{"check": "loss_falls", "ok": True}, {"check": "synchronised", "ok": False}]

    verdict = judge(outcome_of({**GOOD_REPORT, "sanity": checks}), PHASES)

    assert verdict.failure is not None
    assert (verdict.status, verdict.failure.phase, verdict.failure.kind) == ("invalid", "sanity", "synchronised")


def test_the_end_of_the_log_is_kept_and_no_more() -> None:
    verdict = judge(Outcome(status="timeout", exit_code=None, files={}, log="x" * 9999 + "end"), PHASES)

    assert verdict.failure is not None
    assert verdict.failure.log_tail.endswith("end")
    assert len(verdict.failure.log_tail) == LOG_TAIL_CHARACTERS


def test_what_the_engine_says_of_a_refused_output_is_the_reason() -> None:
    log = "training\n\norch: the output is refused: out/ is larger than 64 MiB.\n"

    verdict = judge(Outcome(status="exited", exit_code=0, files={}, log=log), PHASES)

    assert verdict.failure is not None
    assert "the output is refused: out/ is larger than 64 MiB" in verdict.failure.message


NO_CODE = "RuntimeError: CUDA error: no kernel image is available for execution on the device"
LOST_GPU = "Failed to initialize NVML: Unknown Error"


@pytest.mark.parametrize(
    ("message", "log", "gpu_mode", "remedy"),
    [
        (NO_CODE, "", "cdi", "The variant has no code"),
        (NO_CODE, LOST_GPU, "cdi", "The variant has no code"),
        ("it ended", LOST_GPU, "cdi", "The container lost its GPU"),
        ("it ended", LOST_GPU, "none", ""),
        ("it ended", "all went well", "cdi", ""),
    ],
)
def test_a_known_error_is_explained_by_its_message_and_on_a_gpu_by_its_log(
    message: str, log: str, gpu_mode: str, remedy: str
) -> None:
    failure = {"phase": "setup", "kind": "RuntimeError", "message": message, "remedy": "a program's own"}
    outcome = outcome_of({"status": "failed", "failure": failure}, exit_code=1)

    verdict = judge(replace(outcome, log=log, gpu_mode=gpu_mode), PHASES)

    assert verdict.failure is not None
    assert verdict.failure.remedy.startswith(remedy)
    assert bool(verdict.failure.remedy) is bool(remedy)


def test_an_engine_that_has_no_gpu_is_explained(tmp_path: Path) -> None:
    def refuse(job: Job) -> Outcome:
        raise EngineError('docker: could not select device driver "" with capabilities: [[gpu]]')

    record = measure(make_setting(tmp_path, FakeEngine(refuse)), make_prepared(tmp_path), Place(block=1), Gate())

    assert record.failure is not None
    assert "Install nvidia-container-toolkit" in record.failure.remedy


def test_an_engine_that_fails_makes_a_record(tmp_path: Path) -> None:
    def die(job: Job) -> Outcome:
        raise EngineError("docker: the engine reports: gone")

    record = measure(make_setting(tmp_path, FakeEngine(die)), make_prepared(tmp_path), Place(block=1), Gate())

    assert record.status == "failed"
    assert record.failure is not None
    assert record.failure.message == "docker: the engine reports: gone"


def test_a_record_says_what_was_launched_and_where_it_stands(tmp_path: Path) -> None:
    setting, prepared = make_setting(tmp_path), make_prepared(tmp_path)

    record = measure(setting, prepared, Place(block=2, position=4, attempt=3), Gate(setup_cold_s=9.0))

    assert record.status == "ok"
    assert (record.launch.block, record.launch.position, record.launch.attempt) == (2, 4, 3)
    assert record.launch.started <= record.launch.ended
    assert record.cell.id == "toy-1.0+cpu/step/steady/small"
    assert record.measures == {"setup_s": 0.5, "setup_cold_s": 9.0}


def test_the_log_of_a_launch_lies_in_the_run_folder(tmp_path: Path) -> None:
    engine = FakeEngine(lambda _job: Outcome(status="exited", exit_code=1, files={}, log="trace\udcff"))

    measure(make_setting(tmp_path, engine), make_prepared(tmp_path), Place(block=1), Gate())

    (log,) = (tmp_path / "logs").iterdir()
    assert log.name == "toy-1.0+cpu_step_steady_small.measure1.attempt1.log"
    assert log.read_text(encoding="utf-8") == "trace?"


def test_a_job_is_pinned_limited_and_labelled(tmp_path: Path) -> None:
    setting = make_setting(tmp_path, protocol=Protocol(threads=2, timeout_s=9.0))

    job = make_job(setting, make_prepared(tmp_path), "measure", Place(block=1))

    assert job.timeout_s == 9.0
    assert job.cpus == (0, 1)
    assert job.env["OMP_NUM_THREADS"] == "2"
    assert (job.labels["run"], job.labels["cell"]) == ("run-1", "toy-1.0+cpu/step/steady/small")
    assert set(job.files) == {"run_toy.py", "job.json"}


@pytest.mark.parametrize(("caches", "kept"), [("warm", True), ("cold", False)])
def test_a_compile_cache_is_kept_only_where_caches_are_warm(tmp_path: Path, caches: str, kept: bool) -> None:
    protocol = Protocol(caches="warm" if caches == "warm" else "cold")

    job = make_job(make_setting(tmp_path, protocol=protocol), make_prepared(tmp_path), "measure", Place(block=1))

    assert (job.cache is not None) is kept
