"""What a GPU and CPUs are doing: NVML's answers and the kernel's files as plain numbers, what is not told as None."""

from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from orchestrator.errors import EngineError
from orchestrator.hardware import Gpu
from orchestrator.sensors import CpuReading, CpuSensor, GpuReading, GpuSensor, opened
from tests.nvml_replay import Replay

GPU = Gpu(name="NVIDIA H100", compute="9.0", uuid="GPU-1")
STAT = """cpu  8154 0 4313 124961 578 0 90 12 7 0
cpu0 2314 0 1573 65106 58 0 10 3 7 0
cpu1 5839 0 2740 59855 520 0 79 9 0 0
intr 12345 0 0
"""


def read(name: str, count: int) -> list[GpuReading]:
    """Return so many readings of a GPU that is written down."""
    sensor = GpuSensor(Replay(name), GPU)
    return [sensor.read() for _ in range(count)]


def silent(reading: GpuReading) -> set[str]:
    return {name for name, value in asdict(reading).items() if value is None}


def test_answers_come_in_mhz_watts_degrees_shares_bytes_and_joules() -> None:
    _, second = read("h100_steady", 2)

    assert second == GpuReading(
        sm_mhz=1980,
        memory_mhz=2619,
        power_w=412.345,
        temperature_c=38,
        reasons=0,
        utilization=0.87,
        memory_used_bytes=4520809984,
        energy_j=912362.0,
        pcie_generation=5,
        pcie_width=16,
    )


def test_an_old_driver_is_asked_for_the_reasons_by_their_old_name() -> None:
    readings = read("gtx1080_old_driver", 3)

    assert [reading.reasons for reading in readings] == [4, 4, 132]
    assert silent(readings[0]) == {"energy_j"}


def test_what_a_gpu_never_answers_is_asked_once() -> None:
    replay = Replay("gtx1080_old_driver")
    sensor = GpuSensor(replay, GPU)

    for _ in range(3):
        sensor.read()

    assert replay.asked.count("nvmlDeviceGetCurrentClocksEventReasons") == 1
    assert replay.asked.count("nvmlDeviceGetCurrentClocksThrottleReasons") == 3


def test_a_gpu_that_says_little_is_asked_again_what_it_could_not_say_in_time() -> None:
    first, second, third = read("virtual_gpu", 3)

    assert (first.sm_mhz, second.sm_mhz, third.sm_mhz) == (1695, None, 1710)
    assert {"reasons", "power_w", "temperature_c", "energy_j"} <= silent(third)


def test_a_gpu_that_is_lost_is_an_error() -> None:
    with pytest.raises(EngineError, match=r"^NVML: GPU is lost$"):
        read("lost", 3)


def test_a_binding_without_a_question_is_no_error() -> None:
    assert GpuSensor(SimpleNamespace(nvmlDeviceGetHandleByUUID=str), GPU).read() == GpuReading()


def test_a_mig_instance_has_the_clocks_of_its_gpu() -> None:
    replay = Replay("h100_steady")

    with opened(replace(GPU, uuid="MIG-1", instance=0), replay) as sensor:
        assert sensor is not None

    assert replay.asked == [
        "nvmlInit",
        "nvmlDeviceGetHandleByUUID",
        "nvmlDeviceGetDeviceHandleFromMigDeviceHandle",
        "nvmlShutdown",
    ]


def test_without_a_gpu_nothing_is_asked() -> None:
    replay = Replay("h100_steady")

    with opened(None, replay) as sensor:
        assert (sensor, replay.asked) == (None, [])


def test_ticks_are_those_of_the_pinned_cpus_with_guests_counted_once(tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc" / "stat").write_text(STAT, encoding="ascii")

    assert CpuSensor((1,), tmp_path).read() == CpuReading(steal_ticks=9, all_ticks=69042)
    assert CpuSensor((0, 1), tmp_path).read() == CpuReading(steal_ticks=12, all_ticks=138106)
    assert CpuSensor((), tmp_path).read() == CpuReading(steal_ticks=12, all_ticks=138108)


def test_the_clock_is_the_mean_of_the_pinned_cpus(tmp_path: Path) -> None:
    for cpu, khz in enumerate((3_500_000, 2_000_000, 3_000_000)):
        folder = tmp_path / "sys" / "devices" / "system" / "cpu" / f"cpu{cpu}" / "cpufreq"
        folder.mkdir(parents=True)
        (folder / "scaling_cur_freq").write_text(f"{khz}\n", encoding="ascii")

    assert CpuSensor((1, 2), tmp_path).read().cpu_mhz == 2500


@pytest.mark.parametrize("stat", ["", "cpu0 1 2 3\n", "nothing here\n", "cpu 1 2 3 4 5 6 7 8\n"], ids=repr)
def test_a_machine_that_does_not_say_is_no_error(tmp_path: Path, stat: str) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc" / "stat").write_text(stat, encoding="ascii")

    assert CpuSensor((0,), tmp_path).read() == CpuReading()
