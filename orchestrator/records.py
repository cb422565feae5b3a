"""The record of one launch, as it lies in a run folder: `orch.record/1`."""

import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from orchestrator.hardware import Machine
from orchestrator.specs import Scalar
from orchestrator.summaries import Summary, Telemetry, Trace

# orch.record/1: first version.
SCHEMA: Final = "orch.record/1"
Status = Literal["ok", "failed", "timeout", "oom", "unsupported", "invalid"]


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Why a launch has no samples."""

    phase: str  # plan build gate launch import setup warmup samples sanity record
    kind: str  # class of the error
    message: str
    log_tail: str = ""
    remedy: str = ""  # of a known error its cause, and what helps


@dataclass(frozen=True, kw_only=True)
class CellKeys:
    """Who the cell is; `key` finds it again on resume, `comparable` says what it may be divided by."""

    id: str
    key: str
    comparable: str


@dataclass(frozen=True, kw_only=True)
class SuiteKeys:
    name: str
    profile: str | None
    sha256: str


@dataclass(frozen=True, kw_only=True)
class GpuUsed:
    """The GPU a launch computed on: one of the machine's."""

    uuid: str
    address: str  # "0", of a MIG instance "0:1"


@dataclass(frozen=True, kw_only=True)
class Launch:
    """Place of the launch in the run. block is None where nothing was measured: unsupported, not built, gate failed."""

    run: str
    row: str
    block: int | None  # from 1
    position: int | None  # in the whole order, from 1
    order_seed: int
    attempt: int
    load: float | None  # one-minute load average before the start
    started: str  # ISO 8601, UTC
    ended: str
    paired: bool = True  # False: the block was cut in two by a stop and finished later
    number: int = 0  # from 1, in the order in which a run's records were written; 0: not told
    gpu: GpuUsed | None = None  # None: on the processor, or not launched

    @property
    def order(self) -> tuple[str, int, str]:
        """What launches are put in order by: within a run not by the clock, which may be set back."""
        return (self.run, self.number, self.started)


@dataclass(frozen=True, kw_only=True)
class Workload:
    benchmark: str
    implementation: str
    configuration: str
    parameters: Mapping[str, Scalar]
    code_sha256: str


@dataclass(frozen=True, kw_only=True)
class ProtocolUsed:
    """The protocol as it was really followed."""

    phases: tuple[str, ...]
    warmup: int
    samples: int
    at_most_s: float
    precision: str
    caches: str
    threads: int
    device: str = "cpu"  # cpu | cuda
    cpuset: str = ""  # "1", "0,1"; empty: not pinned
    group: Mapping[str, int] = field(default_factory=dict)  # phase -> iterations in one sample
    timer: str = ""
    sync: str = ""


@dataclass(frozen=True, kw_only=True)
class Environment:
    """What the program found inside: reported by it, not promised by us."""

    framework: str
    version: str
    python: str
    cuda: str | None = None
    cudnn: str | None = None
    packages: Mapping[str, str] = field(default_factory=dict)
    flags: Mapping[str, Scalar | None] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ImageUsed:
    name: str
    variant: str | None
    digest: str | None = None
    base: str | None = None
    inputs_sha256: str | None = None
    lock_sha256: str | None = None
    jit: bool = False  # it has no native code for the GPU, which was compiled from PTX: kept apart


@dataclass(frozen=True, kw_only=True)
class ContainerUsed:
    engine: str  # docker 28.5.2, venv
    gpu_mode: str = "none"
    network: str = "none"
    user: str = "1000:1000"
    memory_bytes: int | None = None


@dataclass(frozen=True, kw_only=True)
class Provenance:
    orch: str
    command: tuple[str, ...]
    source: Literal["measured", "imported"] = "measured"


@dataclass(frozen=True, kw_only=True)
class Report:
    """What the harness writes to `out/report.json`: the part of a record only the program itself can know."""

    status: Literal["ok", "failed", "unsupported"]
    failure: Failure | None = None
    environment: Environment | None = None
    samples: Mapping[str, tuple[float, ...]] = field(default_factory=dict)  # phase -> seconds per iteration
    cpu_samples: Mapping[str, tuple[float, ...]] = field(default_factory=dict)  # phase -> CPU seconds per iteration
    event_samples: Mapping[str, tuple[float, ...]] = field(default_factory=dict)  # the same by the device's own clock
    warmup: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    measures: Mapping[str, float | None] = field(default_factory=dict)
    sanity: tuple[Mapping[str, Scalar | None], ...] = ()  # {"check": …, "ok": …, numbers}
    group: Mapping[str, int] = field(default_factory=dict)
    windows: Mapping[str, tuple[float, float]] = field(default_factory=dict)  # phase -> begin, end; CLOCK_MONOTONIC, s
    timer: str = ""
    sync: str = ""


@dataclass(frozen=True, kw_only=True)
class Record:
    """One launch on one machine, good or failed.

    In memory all is there as it was made; on disk what is too long lies in the trace, and its summary here.
    """

    status: Status
    cell: CellKeys
    suite: SuiteKeys
    launch: Launch
    workload: Workload
    protocol: ProtocolUsed
    image: ImageUsed
    machine: Machine
    provenance: Provenance
    failure: Failure | None = None
    environment: Environment | None = None
    container: ContainerUsed | None = None
    telemetry: Telemetry | None = None
    trace: Trace | None = None
    samples: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    cpu_samples: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    event_samples: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    warmup: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    measures: Mapping[str, float | None] = field(default_factory=dict)
    sanity: tuple[Mapping[str, Scalar | None], ...] = ()
    summaries: Mapping[str, Mapping[str, Summary]] = field(default_factory=dict)  # samples, … -> phase -> of the trace
    schema: Literal["orch.record/1"] = SCHEMA

    def count(self, phase: str) -> int:
        """Return how many samples a phase has, here or in the trace."""
        moved = self.summaries.get("samples", {}).get(phase)
        return moved.n if moved else len(self.samples.get(phase, ()))

    def least_s(self, phase: str) -> float | None:
        """Return the shortest sample of a phase, None without any."""
        moved = self.summaries.get("samples", {}).get(phase)
        return moved.min if moved else min(self.samples.get(phase, ()), default=None)

    def median_s(self, phase: str) -> float | None:
        """Return the median sample of a phase, None without any."""
        moved = self.summaries.get("samples", {}).get(phase)
        values = self.samples.get(phase, ())
        return moved.median if moved else statistics.median(values) if values else None
