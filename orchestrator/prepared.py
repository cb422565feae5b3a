"""What launches share, a cell that is ready for one, and what became of it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from orchestrator.engines import BuiltImage, Engine
from orchestrator.fleet import Slot
from orchestrator.fleet.hosts import Host
from orchestrator.hardware import Gpu, Machine
from orchestrator.records import Failure, Report, Status, SuiteKeys
from orchestrator.specs import Benchmark, Cell, Configuration, Device, Implementation, Protocol, Scalar
from orchestrator.workloads import code_sha256


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What all launches of a run share."""

    run: str
    suite: SuiteKeys
    seed: int
    protocol: Protocol
    host: Host  # where launches run
    machine: Machine  # what it is
    engine: Engine
    engine_version: str
    command: tuple[str, ...]
    logs: Path
    slot: Slot  # where the launches run; all slots of a run are alike

    def on(self, slot: Slot) -> "Setting":
        """Return the same for another slot."""
        return replace(self, slot=slot)

    @property
    def gpu(self) -> Gpu | None:
        return self.slot.gpu

    @property
    def device(self) -> Device:
        return "cuda" if self.gpu else "cpu"

    @property
    def threads(self) -> int:
        return len(self.cpus)

    @property
    def cpus(self) -> tuple[int, ...]:
        return self.slot.cpus


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A cell whose image is built: ready to be launched."""

    cell: Cell
    benchmark: Benchmark
    implementation: Implementation
    configuration: Configuration
    image: BuiltImage
    files: Mapping[str, bytes]  # the code, read once: what is launched is what the hash names

    @cached_property
    def code_sha256(self) -> str:
        return code_sha256(self.files)


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a launch stands in its run; block None: outside the measured blocks."""

    block: int | None
    position: int | None = None
    attempt: int = 1
    paired: bool = True


@dataclass(frozen=True, kw_only=True)
class Judged:
    """What became of a launch."""

    status: Status
    report: Report
    failure: Failure | None = None
    gpu_mode: str = "none"
    memory_bytes: int | None = None  # the limit it ran under


@dataclass(frozen=True, kw_only=True)
class Gate:
    """What a cell's gate launch found: sanity entries, and the set-up time without a compile cache, seconds."""

    entries: tuple[Mapping[str, Scalar | None], ...] = ()
    setup_cold_s: float | None = None
