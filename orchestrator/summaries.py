"""What a record keeps of what lies in the trace beside it: the summary of long samples, and of telemetry."""

from collections.abc import Mapping
from dataclasses import dataclass, field

Spread = tuple[float, float, float]  # least, median, largest


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What a record keeps of values that lie in its trace."""

    n: int
    median: float
    quartiles: tuple[float, float]
    min: float
    max: float
    mean: float
    std: float  # of a sample; 0 of one value


@dataclass(frozen=True, kw_only=True)
class Trace:
    """The file with what is too long for a record: columns of samples and of telemetry, a line for each index."""

    name: str  # from the run folder: traces/….csv.gz
    sha256: str  # sha256:…
    problem: str = ""  # why it cannot be used; found out by who reads the run folder


@dataclass(frozen=True, kw_only=True)
class TelemetrySummary:
    """What the machine did while samples were taken. None: it did not say."""

    sm_mhz: Spread | None = None
    memory_mhz: Spread | None = None
    power_w: Spread | None = None
    power_mean_w: float | None = None
    temperature_c: Spread | None = None
    utilization: Spread | None = None  # share of the time in which a kernel ran
    memory_used_bytes: Spread | None = None
    pcie_generation: Spread | None = None
    pcie_width: Spread | None = None
    throttle: int | None = None  # readings at which the hardware held the GPU back: thermal, power brake, slow-down
    reasons: Mapping[str, float] = field(default_factory=dict)  # why the clock was not higher -> share of the readings
    energy_j: float | None = None  # of the whole launch
    foreign_processes: int | None = None  # that computed on the GPU before the launch, or still after it
    cpu_mhz: Spread | None = None  # of the pinned CPUs
    steal: float | None = None  # share of the pinned CPUs' time that the hypervisor gave to others


@dataclass(frozen=True, kw_only=True)
class Telemetry:
    """What the host read while a launch ran."""

    period_s: float  # asked for
    n: int  # readings
    rate_hz: float | None  # reached; None of one reading
    gaps: int  # times that a reading came more than half a period late
    longest_gap_s: float
    windows: Mapping[str, tuple[float, float]] = field(default_factory=dict)  # phase -> begin, end; s from the start
    summary: TelemetrySummary = field(default_factory=TelemetrySummary)  # of the windows; without one, of the launch
    failure: str | None = None  # why readings are missing
    rows: Mapping[str, tuple[float | None, ...]] = field(default_factory=dict)  # on disk they lie in the trace
