"""What the doctor says of GPUs and their driver, on machines of every kind."""

from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.doctor.checks import Check
from orchestrator.doctor.facts import Distribution, GpuState, System
from orchestrator.doctor.gpu_checks import check_driver, check_driver_age, check_mig, check_state
from orchestrator.hardware import Gpu, GpuProcess, GpuUsers
from orchestrator.images import Image, Variant
from orchestrator.sensors import GpuReading

UBUNTU = System(distribution=Distribution(id="ubuntu", like=("debian",), version="24.04", name="Ubuntu 24.04.1 LTS"))
H100 = Gpu(name="NVIDIA H100", compute="9.0", driver="570.86.15", uuid="GPU-a", memory_bytes=80 * 10**9, mig=False)
CARD = replace(UBUNTU, nvidia_cards=1)
NO_LIBRARY = "NVML: NVML Shared Library Not Found"
NOBODY = GpuUsers()
QUIET = GpuState(
    address="0",
    now=GpuReading(sm_mhz=1980.0, reasons=0x1, temperature_c=31.0),
    highest_clock_mhz=1980,
    base_clock_mhz=1980,
    persistence=True,
    ecc=True,
    ecc_after_reboot=True,
    compute_mode="default",
)


def driver(reason: str, system: System, *gpus: Gpu, is_needed: bool = False) -> Check:
    return check_driver(gpus, reason, system, is_needed=is_needed)


def states(*changed: GpuState, users: GpuUsers = NOBODY, system: System = UBUNTU) -> dict[str, Check]:
    """Return the checks of these GPUs by name."""
    return {check.name: check for check in check_state(changed, [users] * len(changed), system)}


def image(version: str, min_driver: str, compute: tuple[str, ...] = ("9.0",)) -> Image:
    return Image(
        family="pytorch",
        framework="pytorch",
        version=version,
        released="",
        python="3.11.7",
        base="",
        requirements=(),
        variants=(Variant(name="cu130", cuda="13.0", compute=compute, min_driver=min_driver),),
        folder=Path(),
    )


def test_a_gpu_that_the_driver_shows_is_named_with_its_driver() -> None:
    check = driver("", CARD, H100)

    assert (check.state, check.found) == ("ok", "570.86.15: NVIDIA H100 (compute 9.0, 80.00 GB)")


def test_a_machine_without_a_card_needs_none_for_the_cpu() -> None:
    check = driver(NO_LIBRARY, UBUNTU)

    assert check.state == "missing"
    assert "studies on the CPU need none" in check.found
    assert not check.advice.text


def test_a_machine_without_a_card_is_told_where_to_get_one_if_a_gpu_was_asked_for() -> None:
    assert "Take a machine that has one" in driver(NO_LIBRARY, UBUNTU, is_needed=True).advice.text


def test_a_container_without_a_card_is_told_to_be_started_with_one() -> None:
    system = replace(UBUNTU, is_container=True)

    assert "--gpus all" in driver(NO_LIBRARY, system, is_needed=True).advice.text


def test_a_card_without_a_driver_gets_the_command_of_its_distribution() -> None:
    check = driver(NO_LIBRARY, CARD)

    assert check.state == "missing"
    assert check.found == "NVIDIA GPUs in this machine: 1; NVML: NVML Shared Library Not Found"
    assert "sudo ubuntu-drivers install" in check.advice.commands


def test_a_card_that_a_driver_which_answers_does_not_show_is_looked_after() -> None:
    check = driver("", CARD)

    assert check.found == "NVIDIA GPUs in this machine: 1; the driver shows none"
    assert check.advice.commands == ("sudo nvidia-smi", "sudo dmesg | grep -i nvrm")


@pytest.mark.parametrize(("is_container", "state"), [(False, "warning"), (True, "ok")])
def test_a_card_that_is_not_shown_beside_others_is_told_but_in_containers(is_container: bool, state: str) -> None:
    check = driver("", replace(CARD, nvidia_cards=2, is_container=is_container), H100)

    assert check.state == state


def test_in_wsl_the_driver_is_installed_in_windows_only() -> None:
    check = driver(NO_LIBRARY, replace(UBUNTU, is_wsl=True))

    assert "none inside WSL" in check.advice.text
    assert check.advice.commands == ("wsl --update", "wsl --shutdown")


@pytest.mark.parametrize(
    ("reason", "remedy"),
    [
        ("NVML: RM has detected an NVML/RM version mismatch.", "Reboot"),
        ("NVML: Driver Not Loaded", "modprobe nvidia"),
        ("NVML: Insufficient Permissions", "device files"),
    ],
)
def test_a_known_answer_of_nvml_comes_with_its_own_remedy(reason: str, remedy: str) -> None:
    check = driver(reason, CARD)

    assert check.found == reason
    assert remedy in check.advice.text


def test_an_old_driver_is_told_with_what_it_is_too_old_for() -> None:
    images = [image("2.15.0", "580.65.06"), image("2.8.0", "525.60.13")]

    check = check_driver_age(H100, images, "pytorch_versions", UBUNTU)

    assert check.state == "warning"
    assert "too old for 1 of 2 images of 'pytorch_versions', such as pytorch-2.15.0" in check.found
    assert "580.65.06" in check.found
    assert "sudo ubuntu-drivers install" in check.advice.commands


def test_an_image_that_this_gpu_can_never_run_says_nothing_of_the_driver() -> None:
    images = [image("1.0.1", "384.81", compute=("7.0",))]

    assert check_driver_age(H100, images, "pytorch_versions", UBUNTU).state == "ok"


def test_a_gpu_that_is_set_well_gets_no_advice() -> None:
    checks = states(QUIET)

    assert {check.state for check in checks.values()} == {"ok"}
    assert checks["GPU clocks"].found == "1980 MHz of at most 1980 while idle, as if locked"


def test_clocks_that_sink_while_idle_are_not_locked() -> None:
    reading = GpuReading(sm_mhz=345.0, reasons=0x1)

    check = states(replace(QUIET, now=reading, base_clock_mhz=1590))["GPU clocks"]

    assert check.state == "warning"
    assert check.found == "345 MHz of at most 1980 while idle: not locked"
    assert check.advice.commands == ("sudo nvidia-smi -lgc 1590",)


def test_of_a_gpu_at_work_nothing_is_said_about_a_lock() -> None:
    check = states(replace(QUIET, now=GpuReading(sm_mhz=345.0, reasons=0x0)))["GPU clocks"]

    assert check.state == "ok"
    assert "only an idle GPU" in check.found


@pytest.mark.parametrize(
    ("change", "name", "found", "command"),
    [
        ({"persistence": False}, "persistence mode", "off", "sudo nvidia-smi -pm 1"),
        ({"ecc_after_reboot": False}, "ECC", "on, off after the next start", "sudo reboot"),
        ({"ecc": False}, "ECC", "off, on after the next start", "sudo reboot"),
        ({"compute_mode": "prohibited"}, "compute mode", "prohibited", "sudo nvidia-smi -c DEFAULT"),
    ],
    ids=str,
)
def test_a_setting_that_spoils_times_comes_with_its_command(
    change: dict[str, object], name: str, found: str, command: str
) -> None:
    check = states(replace(QUIET, **change))[name]  # type: ignore[arg-type]

    assert check.state != "ok"
    assert check.found == found
    assert check.advice.commands == (command,)


def test_root_is_not_told_to_use_sudo() -> None:
    check = states(replace(QUIET, persistence=False), system=replace(UBUNTU, is_root=True))["persistence mode"]

    assert check.advice.commands == ("nvidia-smi -pm 1",)


def test_a_gpu_that_is_too_hot_says_by_what_it_is_slowed_down() -> None:
    check = states(replace(QUIET, now=GpuReading(sm_mhz=900.0, reasons=0x40 | 0x80, temperature_c=91.0)))[
        "GPU slowdown"
    ]

    assert check.state == "warning"
    assert check.found == "by heat (hardware), the power supply at 91 °C"


def test_a_driver_that_says_nothing_is_no_fault() -> None:
    checks = states(GpuState(address="0"))

    assert {check.state for check in checks.values()} == {"ok"}


def test_a_lost_gpu_is_missing_and_nothing_more_is_said_of_it() -> None:
    checks = states(replace(QUIET, lost="NVML: GPU is lost"), replace(QUIET, address="1"))

    assert checks["GPU"].state == "missing"
    assert checks["GPU"].found == "NVML: GPU is lost"
    assert checks["persistence mode"].found == "on"


def test_gpus_that_are_set_alike_are_one_line_and_the_others_are_named() -> None:
    checks = states(QUIET, replace(QUIET, address="1", persistence=False), replace(QUIET, address="2"))

    assert checks["persistence mode of 0, 2"].found == "on"
    assert checks["persistence mode of 1"].found == "off"
    assert checks["ECC"].found == "on"


def test_others_that_compute_are_named() -> None:
    users = GpuUsers(compute=(GpuProcess(pid=7, name="python3", memory_bytes=3 * 10**9),))

    check = states(QUIET, users=users)["GPU in use"]

    assert check.state == "warning"
    assert check.found == "process 7 (python3, 3.00 GB)"


def test_a_desktop_is_told_from_those_that_compute() -> None:
    check = states(QUIET, users=GpuUsers(graphics=(GpuProcess(pid=8, name="Xorg"),)))["GPU in use"]

    assert check.state == "warning"
    assert check.found == "a desktop draws on it: process 8 (Xorg)"


def test_mig_without_instances_computes_nothing() -> None:
    check = check_mig([replace(H100, mig=True)], UBUNTU)

    assert check.state == "missing"
    assert check.advice.commands == ("sudo nvidia-smi -i 0 -mig 0",)


def test_a_gpu_beside_one_that_is_divided_in_vain_can_be_taken() -> None:
    assert check_mig([replace(H100, mig=True), replace(H100, index=1)], UBUNTU).state == "warning"


def test_mig_is_not_reached_without_a_gpu() -> None:
    assert check_mig([], UBUNTU).found == "after: GPU driver"


def test_mig_with_instances_says_how_they_are_named() -> None:
    check = check_mig([replace(H100, mig=True), replace(H100, mig=None, instance=0)], UBUNTU)

    assert check.state == "warning"
    assert "--gpus 0:0" in check.advice.text


def test_mig_that_is_off_is_in_order() -> None:
    assert check_mig([H100], UBUNTU).state == "ok"
