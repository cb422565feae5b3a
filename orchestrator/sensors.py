"""What a GPU and the CPUs of a launch are doing now, in plain numbers: read from NVML, /proc and /sys."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from orchestrator.errors import EngineError
from orchestrator.hardware import Gpu

# Why the clocks are not higher, by bit. Source: NVML API reference, nvmlClocksEventReasons.
REASONS = {
    0x1: "idle",
    0x2: "application_clocks",
    0x4: "sw_power_cap",
    0x8: "hw_slowdown",
    0x10: "sync_boost",
    0x20: "sw_thermal",
    0x40: "hw_thermal",
    0x80: "hw_power_brake",
    0x100: "display_clocks",
}
# NVML's error codes, by what they mean for the readings after them.
NEVER = (3, 4, 13, 25, 26)  # not supported, no permission, function not found, version mismatch, deprecated
LOST = (1, 9, 15, 16, 18, 28)  # uninitialised, no driver, GPU lost, reset required, driver changed, GPU not found
CLOCK_SM, CLOCK_MEMORY, TEMPERATURE_GPU = 1, 2, 0  # NVML's enumerations
STAT_FIELDS = 8  # of /proc/stat: user nice system idle iowait irq softirq steal; guest time is in user already


@dataclass(frozen=True, kw_only=True)
class GpuReading:
    """One look at a GPU; None: this board or driver does not say."""

    sm_mhz: float | None = None
    memory_mhz: float | None = None
    power_w: float | None = None
    temperature_c: float | None = None
    reasons: int | None = None  # bits of REASONS
    utilization: float | None = None  # share
    memory_used_bytes: float | None = None
    energy_j: float | None = None  # since the driver was loaded
    pcie_generation: float | None = None
    pcie_width: float | None = None


@dataclass(frozen=True, kw_only=True)
class CpuReading:
    """One look at some CPUs together; None: this machine does not say."""

    steal_ticks: int | None = None  # since the machine started
    all_ticks: int | None = None
    cpu_mhz: float | None = None  # mean


class GpuSensor:
    """Asks NVML about one GPU; about a MIG instance, what is known of the GPU it is a part of: clocks, power, heat."""

    def __init__(self, library: object, gpu: Gpu) -> None:
        """library: pynvml, initialised, or what answers like it. Raises EngineError if it does not know the GPU."""
        self._library = library
        self._silent: set[tuple[str, tuple[int, ...]]] = set()  # what this board or driver never answers
        self._handle: object = None
        self._handle = self._find(gpu)

    def read(self) -> GpuReading:
        """Look at the GPU. Raises EngineError if it is lost."""
        reasons = self._ask("nvmlDeviceGetCurrentClocksEventReasons")
        if reasons is None:  # its name in older drivers
            reasons = self._ask("nvmlDeviceGetCurrentClocksThrottleReasons")
        return GpuReading(
            sm_mhz=_number(self._ask("nvmlDeviceGetClockInfo", CLOCK_SM)),
            memory_mhz=_number(self._ask("nvmlDeviceGetClockInfo", CLOCK_MEMORY)),
            power_w=_number(self._ask("nvmlDeviceGetPowerUsage"), 1000),
            temperature_c=_number(self._ask("nvmlDeviceGetTemperature", TEMPERATURE_GPU)),
            reasons=reasons if isinstance(reasons, int) else None,
            utilization=_number(getattr(self._ask("nvmlDeviceGetUtilizationRates"), "gpu", None), 100),
            memory_used_bytes=_number(getattr(self._ask("nvmlDeviceGetMemoryInfo"), "used", None)),
            energy_j=_number(self._ask("nvmlDeviceGetTotalEnergyConsumption"), 1000),
            pcie_generation=_number(self._ask("nvmlDeviceGetCurrPcieLinkGeneration")),
            pcie_width=_number(self._ask("nvmlDeviceGetCurrPcieLinkWidth")),
        )

    def _find(self, gpu: Gpu) -> object:
        handle = _call(self._library, "nvmlDeviceGetHandleByUUID", gpu.uuid)
        if gpu.instance is None:
            return handle
        return _call(self._library, "nvmlDeviceGetDeviceHandleFromMigDeviceHandle", handle)

    def _ask(self, function: str, *arguments: int) -> object:
        """Return the answer as NVML gives it, None if there is none."""
        import pynvml

        question = getattr(self._library, function, None)  # an older nvidia-ml-py has fewer
        if question is None or (function, arguments) in self._silent:
            return None
        try:
            answer: object = question(self._handle, *arguments)
        except pynvml.NVMLError as error:
            if error.value in LOST:
                raise EngineError(f"NVML: {error}") from error
            if error.value in NEVER:
                self._silent.add((function, arguments))
            return None
        return answer


class CpuSensor:
    """Reads what /proc and /sys say of some CPUs."""

    def __init__(self, cpus: Sequence[int], root: Path = Path("/")) -> None:
        """cpus: logical ones; empty: all. root: where proc/ and sys/ lie."""
        self._names = {f"cpu{cpu}" for cpu in cpus} or {"cpu"}
        self._stat = root / "proc" / "stat"
        frequency = "cpufreq/scaling_cur_freq"
        self._clocks = [root / "sys/devices/system/cpu" / f"cpu{cpu}" / frequency for cpu in cpus]

    def read(self) -> CpuReading:
        """Look at the CPUs."""
        ticks = list(self._ticks())
        clocks_khz = [int(text) for clock in self._clocks if (text := _text(clock).strip()).isdigit()]
        return CpuReading(
            steal_ticks=sum(line[-1] for line in ticks) if ticks else None,
            all_ticks=sum(sum(line) for line in ticks) if ticks else None,
            cpu_mhz=fmean(clocks_khz) / 1000 if clocks_khz else None,
        )

    def _ticks(self) -> Iterator[list[int]]:
        for line in _text(self._stat).splitlines():
            name, *ticks = line.split() or [""]
            if name in self._names and len(ticks) >= STAT_FIELDS:
                yield [int(tick) for tick in ticks[:STAT_FIELDS]]


@contextmanager
def opened(gpu: Gpu | None, library: object | None = None) -> Iterator[GpuSensor | None]:
    """Open NVML for one GPU; None without one. Raises EngineError if NVML or the GPU does not answer.

    library: what answers in the place of pynvml.
    """
    if gpu is None:
        yield None
        return
    if library is None:
        import pynvml

        library = pynvml
    _call(library, "nvmlInit")
    try:
        yield GpuSensor(library, gpu)
    finally:
        _call(library, "nvmlShutdown")


def _call(library: object, function: str, *arguments: object) -> object:
    import pynvml

    try:
        answer: object = getattr(library, function)(*arguments)
    except pynvml.NVMLError as error:
        raise EngineError(f"NVML: {error}") from error
    return answer


def _number(answer: object, per: int = 1) -> float | None:
    return answer / per if isinstance(answer, int | float) else None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
