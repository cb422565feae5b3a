"""One launch: job in, outcome out, record made. A launch that fails is a record with its reason."""

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from orchestrator.engines import Job, Outcome
from orchestrator.errors import EngineError, RecordError
from orchestrator.loading import parse_report
from orchestrator.prepared import Gate, Judged, Place, Prepared, Setting
from orchestrator.recording import ended_launch, make_record, now
from orchestrator.records import Failure, Record, Report, Status
from orchestrator.remedies import find_remedy
from orchestrator.store import save, slug
from orchestrator.workloads import job_content

Mode = Literal["measure", "gate"]
ENGINE_FAILED = "EngineError"  # kind of a failure that says nothing about the cell
ARGV = ("python", "in/harness.py")
REAP_MARGIN_S = 60.0  # a container this long past its time limit belongs to nobody
LOG_TAIL_CHARACTERS = 2000
ENGINE_SAYS = "orch: "  # begins a line of a log that is not the program's
NO_REPORT = Report(status="failed")
# Each library has a variable of its own; with more threads than pinned CPUs they wait for each other.
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")


def measure(setting: Setting, prepared: Prepared, place: Place, gate: Gate) -> Record:
    """Launch a cell once and return its record, whatever happened."""
    load, started = setting.host.before_launch(), now()
    watch = setting.host.watch(setting.gpu if prepared.cell.device == "cuda" else None, setting.cpus)
    try:
        with watch:
            outcome = launch(setting, prepared, "measure", place)
        judged = judge(outcome, setting.protocol.phases)
    except EngineError as error:
        judged = engine_failed(error)
    ended = ended_launch(setting, prepared.cell.row, place, started=started, load=load)
    return replace(
        make_record(setting, prepared, ended, judged, gate), telemetry=watch.telemetry(judged.report.windows)
    )


def launch(setting: Setting, prepared: Prepared, mode: Mode, place: Place) -> Outcome:
    """Run the harness once in the cell's image and keep its log in the run folder.

    mode: "gate" or "measure". Raises EngineError if the engine itself fails, DiskError if the log cannot be kept.
    """
    outcome = setting.engine.launch(prepared.image, make_job(setting, prepared, mode, place))
    name = f"{slug(prepared.cell.id)}.{mode}{place.block or ''}.attempt{place.attempt}.log"
    save(setting.logs / name, outcome.log.encode(errors="replace"))
    return outcome


def make_job(setting: Setting, prepared: Prepared, mode: Mode, place: Place) -> Job:
    """Describe the program of a launch to the engine."""
    cell, protocol = prepared.cell, setting.protocol
    deadline = int(time.time() + protocol.timeout_s + REAP_MARGIN_S)
    return Job(
        argv=ARGV,
        files={
            **prepared.files,
            "job.json": job_content(cell, prepared.benchmark, protocol, mode=mode, threads=setting.threads),
        },
        timeout_s=protocol.timeout_s,
        labels={"run": setting.run, "cell": cell.id, "attempt": str(place.attempt), "deadline": str(deadline)},
        env={**dict.fromkeys(THREAD_VARIABLES, str(setting.threads)), "PYTHONFAULTHANDLER": "1"},
        cpus=setting.cpus,
        gpu=setting.gpu if cell.device == "cuda" else None,
        cache=f"{cell.image.name}-{prepared.code_sha256[-12:]}" if protocol.caches == "warm" else None,
    )


def engine_failed(error: EngineError) -> Judged:
    """Say of a launch that it was none."""
    failure = _failure("launch", ENGINE_FAILED, str(error))
    return Judged(status="failed", report=NO_REPORT, failure=_explained(failure))


def judge(outcome: Outcome, phases: Sequence[str]) -> Judged:
    """Say what became of a launch from how it ended and what it wrote; neither is trusted.

    phases: those that must have been timed; none in a gate launch.
    """
    judged = _judge(outcome, phases)
    # On the processor a log tells of missing GPUs too, which is no fault there.
    log = outcome.log if outcome.gpu_mode != "none" else ""
    failure = _explained(judged.failure, log) if judged.failure else None
    return replace(judged, failure=failure, gpu_mode=outcome.gpu_mode, memory_bytes=outcome.memory_bytes)


def _explained(failure: Failure, log: str = "") -> Failure:
    """Add what is known about an error of the GPU; what the program itself gave as the reason comes first."""
    remedy = find_remedy(f"{failure.kind}: {failure.message}") or find_remedy(log)
    return replace(failure, remedy=str(remedy) if remedy else "")


def _judge(outcome: Outcome, phases: Sequence[str]) -> Judged:
    if outcome.status == "oom":
        return _lost(outcome, "oom", _failure("launch", "OutOfMemory", "killed by the kernel: out of memory"))
    if outcome.status == "timeout":
        message = "no end within the time limit of a launch (protocol: timeout_s)"
        return _lost(outcome, "timeout", _failure("launch", "Timeout", message))
    if "report.json" not in outcome.files:
        message = f"no report written; exit code {outcome.exit_code}{_engine_note(outcome.log)}"
        return _lost(outcome, "failed", _failure("record", "NoReport", message))
    try:
        report = parse_report(outcome.files["report.json"], outcome.elapsed_s)
    except RecordError as error:
        return _lost(outcome, "failed", _failure("record", "BrokenReport", str(error)))
    return _judge_report(outcome, report, phases)


def _judge_report(outcome: Outcome, report: Report, phases: Sequence[str]) -> Judged:
    failure: Failure | None = None
    if report.status != "ok":
        failure = report.failure or _failure("record", "NoReason", "failed without a reason")
    elif outcome.exit_code != 0:
        failure = _failure("launch", "ExitCode", f"exit code {outcome.exit_code} after a good report")
    elif untimed := [phase for phase in phases if not report.samples.get(phase)]:
        failure = _failure("record", "NoSamples", f"a good report without samples of {', '.join(untimed)}")
    elif report.environment is None:
        failure = _failure("record", "NoEnvironment", "a good report that names no framework version")
    elif unsound := [str(entry.get("check")) for entry in report.sanity if entry.get("ok") is not True]:
        failure = _failure("sanity", unsound[0], f"a good report with a failed check: {', '.join(unsound)}")
    status: Status = "ok"
    if report.status == "unsupported" and report.failure is not None:
        status = "unsupported"
    elif failure is not None:
        status = "invalid" if failure.phase == "sanity" else "failed"
    return Judged(status=status, report=report, failure=failure)


def _engine_note(log: str) -> str:
    """Return what the engine itself added to the end of a log: why an output was refused, or who killed the program."""
    last = log.strip().rpartition("\n")[2]
    return f"; {last.removeprefix(ENGINE_SAYS).rstrip('.')}" if last.startswith(ENGINE_SAYS) else ""


def _lost(outcome: Outcome, status: Status, failure: Failure) -> Judged:
    tail = outcome.log[-LOG_TAIL_CHARACTERS:]
    failure = Failure(phase=failure.phase, kind=failure.kind, message=failure.message, log_tail=tail)
    return Judged(status=status, report=NO_REPORT, failure=failure)


def _failure(phase: str, kind: str, message: str) -> Failure:
    return Failure(phase=phase, kind=kind, message=message)
