"""What GPU and CPUs do while a launch runs, read on the host by a thread of its own. It marks launches, drops none."""

import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from itertools import pairwise
from pathlib import Path
from statistics import fmean, median
from types import TracebackType

from orchestrator.errors import EngineError
from orchestrator.hardware import Gpu, GpuUsers
from orchestrator.nvml import read_users
from orchestrator.sensors import REASONS, CpuReading, CpuSensor, GpuReading, opened
from orchestrator.summaries import Spread, Telemetry, TelemetrySummary

GPU_PERIOD_S = 0.1
CPU_PERIOD_S = 0.5  # /proc/stat counts in hundredths of a second
TICKS_AT_LEAST = 100
PATIENCE_S = 5.0  # with a driver that does not answer; without persistence mode it takes seconds to start
HARD = 0x8 | 0x20 | 0x40 | 0x80  # of REASONS: slow-down, thermal by software and hardware, power brake
NO_ANSWER = "the driver did not answer"

Window = tuple[float, float]  # begin and end, seconds


@dataclass(frozen=True, kw_only=True)
class Row:
    """One reading, so many seconds after the start."""

    time_s: float
    gpu: GpuReading
    cpu: CpuReading


class Watch:
    """Reads while its block runs. What goes wrong with it is a part of what it says, and never ends the launch."""

    def __init__(
        self,
        gpu: Gpu | None,
        cpus: Sequence[int],
        *,
        library: object | None = None,
        users: Callable[[Gpu], GpuUsers] = read_users,
        root: Path = Path("/"),
    ) -> None:
        """gpu: the launch computes on it; None: on the CPU. cpus: those it is pinned to; empty: all.

        library, users, root: what answers in the place of pynvml, of NVML's list of processes, of /proc and /sys.
        """
        self._gpu, self._cpus, self._library, self._users = gpu, cpus, library, users
        self._sensor = CpuSensor(cpus, root)
        self._period_s = GPU_PERIOD_S if gpu else CPU_PERIOD_S
        self._rows: list[Row] = []
        self._foreign: set[int] = set()
        self._failure: str | None = NO_ANSWER
        self.patience_s = PATIENCE_S
        self._ready, self._ended = threading.Event(), threading.Event()
        # A driver that hangs would keep the program from ending, but for a daemon.
        self._thread = threading.Thread(target=self._run, name="telemetry", daemon=True)
        self._start_s, self._end_s = 0.0, 0.0

    def __enter__(self) -> "Watch":
        """Start to read; the first reading lies before the block."""
        self._start_s = time.monotonic()
        self._thread.start()
        self._ready.wait(self.patience_s)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._end_s = time.monotonic()
        self._ended.set()
        self._thread.join(self.patience_s if self._ready.is_set() else 0.0)

    def telemetry(self, windows: Mapping[str, Window]) -> Telemetry:
        """Sum up the readings.

        windows: phase -> when its samples began and ended, by the monotonic clock of the program, which is not
        believed where that is not within the block.
        """
        rows = tuple(self._rows)
        end_s = self._end_s - self._start_s
        shifted = {phase: (begin - self._start_s, end - self._start_s) for phase, (begin, end) in windows.items()}
        inside = {phase: window for phase, window in shifted.items() if 0 <= window[0] <= window[1] <= end_s}
        foreign = len(self._foreign) if self._gpu and rows else None
        return summarise(rows, inside, self._period_s, foreign, self._failure)

    def _run(self) -> None:
        try:
            self._leave_pinned_cpus()
            with opened(self._gpu, self._library) as gpu:
                self._foreign |= self._computing()
                number = 0
                while not self._ended.wait(max(0.0, self._start_s + number * self._period_s - time.monotonic())):
                    self._rows.append(self._read(gpu.read() if gpu else GpuReading()))
                    self._ready.set()
                    number = int((time.monotonic() - self._start_s) / self._period_s) + 1
                self._rows.append(self._read(gpu.read() if gpu else GpuReading()))
                self._foreign |= self._computing()
            self._failure = None
        except (EngineError, OSError, ValueError) as error:
            self._failure = str(error)
        finally:
            self._ready.set()

    def _read(self, gpu: GpuReading) -> Row:
        return Row(time_s=round(time.monotonic() - self._start_s, 4), gpu=gpu, cpu=self._sensor.read())

    def _computing(self) -> set[int]:
        """Return who computes on the GPU now. Before a launch begins and after all of it has ended, that is not it.

        By that they are told apart: a process in a container has another number on the host than inside.
        """
        return {process.pid for process in self._users(self._gpu).compute} if self._gpu else set()

    def _leave_pinned_cpus(self) -> None:
        spare = os.sched_getaffinity(0) - set(self._cpus)
        if self._cpus and spare:
            with suppress(OSError):  # a CPU was taken from us meanwhile
                os.sched_setaffinity(0, {min(spare)})  # 0: this thread alone


def summarise(
    rows: Sequence[Row], windows: Mapping[str, Window], period_s: float, foreign: int | None, failure: str | None
) -> Telemetry:
    """Sum up readings: of the windows and a period around them, or of all where there are none."""
    steps_s = [after.time_s - before.time_s for before, after in pairwise(rows)]
    seen = [row for row in rows if not windows or _is_near(row.time_s, windows.values(), period_s)]
    return Telemetry(
        period_s=period_s,
        n=len(rows),
        rate_hz=round(len(steps_s) / sum(steps_s), 3) if steps_s and sum(steps_s) else None,
        gaps=sum(step_s > 1.5 * period_s for step_s in steps_s),
        longest_gap_s=round(max(steps_s, default=0.0), 4),
        windows={phase: (round(begin, 3), round(end, 3)) for phase, (begin, end) in windows.items()},
        summary=_summary([row.gpu for row in seen], [row.cpu for row in seen], _energy_j(rows), foreign),
        failure=failure,
        rows=_columns(rows) if any(row.gpu != GpuReading() for row in rows) else {},
    )


def _is_near(time_s: float, windows: Iterable[Window], period_s: float) -> bool:
    return any(begin - period_s <= time_s <= end + period_s for begin, end in windows)


def _summary(
    gpu: Sequence[GpuReading], cpu: Sequence[CpuReading], energy_j: float | None, foreign: int | None
) -> TelemetrySummary:
    reasons = [one.reasons for one in gpu if one.reasons is not None]
    power_w = [one.power_w for one in gpu if one.power_w is not None]
    return TelemetrySummary(
        sm_mhz=_spread(one.sm_mhz for one in gpu),
        memory_mhz=_spread(one.memory_mhz for one in gpu),
        power_w=_spread(power_w),
        power_mean_w=round(fmean(power_w), 3) if power_w else None,
        temperature_c=_spread(one.temperature_c for one in gpu),
        utilization=_spread(one.utilization for one in gpu),
        memory_used_bytes=_spread(one.memory_used_bytes for one in gpu),
        pcie_generation=_spread(one.pcie_generation for one in gpu),
        pcie_width=_spread(one.pcie_width for one in gpu),
        throttle=sum(bool(bits & HARD) for bits in reasons) if reasons else None,
        reasons=_shares(reasons),
        energy_j=energy_j,
        foreign_processes=foreign,
        cpu_mhz=_spread(one.cpu_mhz for one in cpu),
        steal=_steal(cpu),
    )


def _spread(values: Iterable[float | None]) -> Spread | None:
    told = [round(value, 3) for value in values if value is not None]
    return (min(told), round(median(told), 3), max(told)) if told else None


def _shares(reasons: Sequence[int]) -> dict[str, float]:
    """Return for each reason that was seen the share of the readings that have it; unknown bits by their number."""
    bits = sorted({1 << place for seen in reasons for place in range(seen.bit_length()) if seen >> place & 1})
    shares = {REASONS.get(bit, hex(bit)): sum(bool(seen & bit) for seen in reasons) / len(reasons) for bit in bits}
    return {name: round(share, 4) for name, share in shares.items()}


def _energy_j(rows: Sequence[Row]) -> float | None:
    told = [row.gpu.energy_j for row in rows if row.gpu.energy_j is not None]
    return round(told[-1] - told[0], 3) if len(told) > 1 else None


def _steal(cpu: Sequence[CpuReading]) -> float | None:
    """Return the share of the time between the readings that the hypervisor gave to others; None if not to 1 %."""
    told = [(one.steal_ticks, one.all_ticks) for one in cpu if one.steal_ticks is not None and one.all_ticks]
    steal, ticks = (told[-1][i] - told[0][i] for i in (0, 1)) if told else (0, 0)
    return round(steal / ticks, 4) if ticks >= TICKS_AT_LEAST else None


def _columns(rows: Sequence[Row]) -> dict[str, tuple[float | None, ...]]:
    """Return the readings as columns; those without any number are left out."""
    columns: dict[str, tuple[float | None, ...]] = {"time_s": tuple(row.time_s for row in rows)}
    for name in (one.name for one in fields(GpuReading)):
        columns[name] = tuple(getattr(row.gpu, name) for row in rows)
    for name in (one.name for one in fields(CpuReading)):
        columns[name] = tuple(getattr(row.cpu, name) for row in rows)
    return {name: values for name, values in columns.items() if any(value is not None for value in values)}
