"""Telemetry: what readings say together, which of them count, who is foreign, and what its own failures are."""

import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pynvml
import pytest

from orchestrator.hardware import Gpu, GpuProcess, GpuUsers
from orchestrator.sensors import CpuReading, GpuReading, GpuSensor
from orchestrator.summaries import TelemetrySummary
from orchestrator.telemetry import Row, Watch, Window, summarise
from tests.nvml_replay import Replay

GPU = Gpu(name="NVIDIA H100", compute="9.0", uuid="GPU-1")
ALL: dict[str, Window] = {}


def replayed(name: str, count: int) -> list[Row]:
    """Return a reading every 0.1 s of a GPU that is written down."""
    sensor = GpuSensor(Replay(name), GPU)
    return [Row(time_s=round(0.1 * number, 1), gpu=sensor.read(), cpu=CpuReading()) for number in range(count)]


def on_cpu(*ticks: tuple[int, int]) -> list[Row]:
    """Return a reading every half second of ticks stolen and ticks in all."""
    readings = (CpuReading(steal_ticks=steal, all_ticks=ticks) for steal, ticks in ticks)
    return [Row(time_s=0.5 * number, gpu=GpuReading(), cpu=cpu) for number, cpu in enumerate(readings)]


def summary_of(rows: list[Row], windows: dict[str, Window] = ALL) -> TelemetrySummary:
    return summarise(rows, windows, 0.1, 0, None).summary


def test_a_hot_gpu_is_throttled_and_says_why() -> None:
    summary = summary_of(replayed("t4_hot", 8))

    assert summary.throttle == 6
    assert summary.reasons == {"sw_power_cap": 0.375, "hw_slowdown": 0.375, "sw_thermal": 0.75, "hw_thermal": 0.375}
    assert summary.sm_mhz == (300, 712.5, 1590)
    assert summary.temperature_c == (78, 89.5, 94)


def test_a_power_limit_alone_is_no_throttling() -> None:
    summary = summary_of(replayed("gtx1080_old_driver", 2))

    assert (summary.throttle, summary.reasons) == (0, {"sw_power_cap": 1.0})


def test_a_power_brake_is_throttling() -> None:
    assert summary_of(replayed("gtx1080_old_driver", 3)).throttle == 1


def test_a_gpu_that_gives_no_reasons_is_not_said_to_run_free() -> None:
    summary = summary_of(replayed("virtual_gpu", 3))

    assert (summary.throttle, summary.reasons, summary.power_w, summary.energy_j) == (None, {}, None, None)
    assert summary.sm_mhz == (1695, 1702.5, 1710)


def test_a_reason_that_is_not_known_has_its_number() -> None:
    row = Row(time_s=0, gpu=GpuReading(reasons=0x400), cpu=CpuReading())

    assert summary_of([row]).reasons == {"0x400": 1.0}


def test_only_readings_around_the_samples_count_but_energy_is_of_the_whole_launch() -> None:
    rows = replayed("h100_steady", 6)

    summary = summary_of(rows, {"train_step": (0.15, 0.25)})

    assert summary.sm_mhz == (1980, 1980, 1980)
    assert summary.reasons == {}
    assert summary.energy_j == pytest.approx(234.622)


def test_without_samples_all_readings_count() -> None:
    summary = summary_of(replayed("h100_steady", 6))

    assert summary.sm_mhz == (345, 1972.5, 1980)
    assert summary.reasons == {"idle": pytest.approx(1 / 3, abs=1e-4)}
    assert summary.power_mean_w == pytest.approx(424.214, abs=0.001)
    assert summary.pcie_generation == (1, 5, 5)


def test_late_readings_are_gaps() -> None:
    rows = [Row(time_s=time_s, gpu=GpuReading(), cpu=CpuReading()) for time_s in (0.0, 0.1, 0.24, 0.5, 0.6)]

    telemetry = summarise(rows, {}, 0.1, None, None)

    assert (telemetry.n, telemetry.gaps, telemetry.longest_gap_s) == (5, 1, 0.26)
    assert telemetry.rate_hz == pytest.approx(4 / 0.6, abs=1e-3)


def test_stolen_time_is_a_share_of_the_time_between_the_readings() -> None:
    assert summary_of(on_cpu((10, 1000), (11, 1050), (15, 1100))).steal == 0.05


@pytest.mark.parametrize("ticks", [((10, 1000), (11, 1050)), ((10, 1000),), ()])
def test_stolen_time_that_cannot_be_told_to_one_percent_is_not_told(ticks: tuple[tuple[int, int], ...]) -> None:
    assert summary_of(on_cpu(*ticks)).steal is None


def test_readings_of_a_gpu_are_kept_as_columns_without_what_it_never_said() -> None:
    telemetry = summarise(replayed("virtual_gpu", 3), {}, 0.1, 0, None)

    assert telemetry.rows["time_s"] == (0.0, 0.1, 0.2)
    assert telemetry.rows["sm_mhz"] == (1695, None, 1710)
    assert set(telemetry.rows) == {"time_s", "sm_mhz", "utilization", "memory_used_bytes"}


def test_readings_of_the_cpu_alone_are_not_kept() -> None:
    assert summarise(on_cpu((10, 1000), (15, 1100)), {}, 0.5, None, None).rows == {}


def test_no_reading_at_all_is_no_error() -> None:
    telemetry = summarise([], {}, 0.1, None, "NVML: Driver Not Loaded")

    assert (telemetry.n, telemetry.rate_hz, telemetry.summary) == (0, None, TelemetrySummary())
    assert telemetry.failure == "NVML: Driver Not Loaded"


# --- the thread ------------------------------------------------------------------------------------------------------


def nobody(_gpu: Gpu) -> GpuUsers:
    return GpuUsers()


def test_the_first_reading_lies_before_the_launch_and_the_last_after_it(tmp_path: Path) -> None:
    watch = Watch(GPU, (), library=Replay("h100_steady"), users=nobody, root=tmp_path)

    with watch:
        before = len(watch.telemetry({}).rows["time_s"])

    telemetry = watch.telemetry({})
    assert before == 1
    assert (telemetry.n >= 2, telemetry.failure, telemetry.period_s) == (True, None, 0.1)


def test_a_launch_on_the_cpu_is_watched_without_a_gpu(tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc" / "stat").write_text("cpu0 1 2 3 4 5 6 7 8\n", encoding="ascii")
    watch = Watch(None, (0,), root=tmp_path)

    with watch:
        pass

    telemetry = watch.telemetry({})
    assert (telemetry.failure, telemetry.summary.foreign_processes, telemetry.rows) == (None, None, {})
    assert telemetry.n >= 2


def test_a_gpu_that_is_lost_ends_the_readings_and_not_the_launch(tmp_path: Path) -> None:
    replay = Replay("lost")
    watch = Watch(GPU, (), library=replay, users=nobody, root=tmp_path)

    with watch:
        assert replay.closed.wait(60)

    telemetry = watch.telemetry({})
    assert (telemetry.failure, telemetry.n) == ("NVML: GPU is lost", 2)
    assert telemetry.rows["energy_j"] == (5.0, 40.0)


def test_a_driver_that_does_not_answer_keeps_no_launch_waiting_for_long(tmp_path: Path) -> None:
    answered = threading.Event()

    def start() -> None:
        answered.wait()
        raise pynvml.NVMLError(pynvml.NVML_ERROR_DRIVER_NOT_LOADED)

    watch = Watch(GPU, (), library=SimpleNamespace(nvmlInit=start), users=nobody, root=tmp_path)
    watch.patience_s = 0.01

    with watch:
        pass

    telemetry = watch.telemetry({})
    answered.set()
    assert (telemetry.n, telemetry.failure) == (0, "the driver did not answer")


def test_an_error_of_the_launch_passes_and_ends_the_readings(tmp_path: Path) -> None:
    watch = Watch(GPU, (), library=Replay("h100_steady"), users=nobody, root=tmp_path)

    with pytest.raises(KeyboardInterrupt), watch:
        raise KeyboardInterrupt

    assert watch.telemetry({}).failure is None


def test_who_computes_before_a_launch_or_still_after_it_is_foreign(tmp_path: Path) -> None:
    moments = iter([(1, 2), (2, 3)])
    processes = {pid: GpuProcess(pid=pid, name="") for pid in (1, 2, 3)}

    def users(_gpu: Gpu) -> GpuUsers:
        return GpuUsers(compute=tuple(processes[pid] for pid in next(moments)))

    watch = Watch(GPU, (), library=Replay("h100_steady"), users=users, root=tmp_path)
    with watch:
        pass

    assert watch.telemetry({}).summary.foreign_processes == 3


def test_a_desktop_is_not_foreign(tmp_path: Path) -> None:
    desktop = GpuUsers(graphics=(GpuProcess(pid=1, name="Xorg"),))
    watch = Watch(GPU, (), library=Replay("h100_steady"), users=lambda _gpu: desktop, root=tmp_path)

    with watch:
        pass

    assert watch.telemetry({}).summary.foreign_processes == 0


def test_the_time_of_the_samples_is_told_from_the_start(tmp_path: Path) -> None:
    watch = Watch(GPU, (), library=Replay("h100_steady"), users=nobody, root=tmp_path)

    with watch:
        begin_s, end_s = time.monotonic(), time.monotonic()

    windows = watch.telemetry({"train_step": (begin_s, end_s)}).windows
    assert 0 <= windows["train_step"][0] <= windows["train_step"][1] < 60


@pytest.mark.parametrize("lie", ["before", "after", "turned"])
def test_a_program_that_lies_about_the_time_of_its_samples_is_not_believed(tmp_path: Path, lie: str) -> None:
    watch = Watch(GPU, (), library=Replay("h100_steady"), users=nobody, root=tmp_path)

    with watch:
        now_s = time.monotonic()

    lies: dict[str, Window] = {"before": (-1, now_s), "after": (now_s, 1e308), "turned": (now_s, now_s - 1e-6)}
    assert watch.telemetry({"train_step": lies[lie]}).windows == {}
