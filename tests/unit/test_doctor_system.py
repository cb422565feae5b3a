"""What the doctor reads and says of the system and its processor, on machines of every kind."""

from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.doctor.checks import Check
from orchestrator.doctor.facts import Conditions, Distribution, System
from orchestrator.doctor.system import read_conditions, read_system
from orchestrator.doctor.system_checks import check_system
from orchestrator.hardware import Machine

MACHINE = Machine(
    id="",
    cpu="AMD EPYC 9654",
    cores=4,
    cpus=tuple(range(8)),
    memory_bytes=64 * 10**9,
    kernel="6.8",
    governor="performance",
)
QUIET = Conditions(
    load=0.1, turbo=False, cores=tuple((cpu, cpu + 4) for cpu in range(4)), available_bytes=60 * 10**9, cgroup=2
)
SYSTEM = System(distribution=Distribution(id="fedora", name="Fedora Linux 42"))
CPUS = "sys/devices/system/cpu"


def write(root: Path, **files: str) -> Path:
    """Write files below a root; `__` in a name stands for `/`."""
    for name, text in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


def look(machine: Machine = MACHINE, conditions: Conditions = QUIET, system: System = SYSTEM) -> dict[str, Check]:
    return {check.name: check for check in check_system(machine, conditions, system)}


def test_the_distribution_is_read_as_a_shell_reads_it(tmp_path: Path) -> None:
    text = '# a comment\nID=rocky\nID_LIKE="rhel centos fedora"\nVERSION_ID="9.4"\nPRETTY_NAME="Rocky Linux 9.4"\n'

    found = read_system({}, write(tmp_path, **{"etc__os-release": text})).distribution

    assert found == Distribution(id="rocky", like=("rhel", "centos", "fedora"), version="9.4", name="Rocky Linux 9.4")


def test_a_root_without_any_file_is_a_system_of_which_nothing_is_known(tmp_path: Path) -> None:
    system, conditions = read_system({}, tmp_path), read_conditions(tmp_path)

    assert replace(system, is_root=False) == System(has_systemd=False)
    assert replace(conditions, load=None) == Conditions()


@pytest.mark.parametrize(
    ("files", "variables", "is_wsl", "is_container"),
    [
        ({"proc__version": "Linux version 6.6.87.2-microsoft-standard-WSL2"}, {}, True, False),
        ({".dockerenv": ""}, {}, False, True),
        ({"run__.containerenv": ""}, {}, False, True),
        ({}, {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, False, True),
        ({"proc__version": "Linux version 6.8.0-41-generic (buildd@lcy02)"}, {}, False, False),
    ],
    ids=["wsl", "docker", "podman", "kubernetes", "plain"],
)
def test_what_a_system_runs_in_is_recognised(
    files: dict[str, str], variables: dict[str, str], is_wsl: bool, is_container: bool, tmp_path: Path
) -> None:
    system = read_system(variables, write(tmp_path, **files))

    assert (system.is_wsl, system.is_container) == (is_wsl, is_container)


def test_cards_are_counted_where_they_draw_or_compute_and_are_nvidias(tmp_path: Path) -> None:
    pci = {
        "0__vendor": "0x10de\n",
        "0__class": "0x030200\n",
        "1__vendor": "0x10de\n",
        "1__class": "0x040300\n",  # its sound
        "2__vendor": "0x1002\n",
        "2__class": "0x030000\n",
    }

    system = read_system({}, write(tmp_path, **{f"sys__bus__pci__devices__{name}": text for name, text in pci.items()}))

    assert system.nvidia_cards == 1


def test_programs_are_found_on_the_path_and_where_daemons_lie(tmp_path: Path) -> None:
    write(tmp_path, opt__bin__docker="", usr__sbin__dockerd="", home__podman="")
    for path in tmp_path.rglob("*"):
        path.chmod(0o755)

    assert read_system({"PATH": "/opt/bin:"}, tmp_path).programs == {"docker", "dockerd"}


@pytest.mark.parametrize(
    ("variables", "place"),
    [({"LD_LIBRARY_PATH": "/nowhere::/opt/driver"}, "/opt/driver"), ({}, "/usr/lib/wsl/lib")],
    ids=["named", "known"],
)
def test_the_driver_library_is_found_where_the_loader_does_not_look(
    variables: dict[str, str], place: str, tmp_path: Path
) -> None:
    write(tmp_path, **{f"{place[1:]}/libcuda.so.1": ""})

    assert read_system(variables, tmp_path).libcuda == place


@pytest.mark.parametrize(
    ("files", "turbo"),
    [
        ({f"{CPUS}/intel_pstate/no_turbo": "1\n"}, False),
        ({f"{CPUS}/intel_pstate/no_turbo": "0\n"}, True),
        ({f"{CPUS}/cpufreq/boost": "1\n"}, True),
        ({f"{CPUS}/cpufreq/boost": "0\n"}, False),
    ],
    ids=["intel off", "intel on", "others on", "others off"],
)
def test_turbo_is_read_from_either_driver(files: dict[str, str], turbo: bool, tmp_path: Path) -> None:
    assert read_conditions(write(tmp_path, **files)).turbo is turbo


def test_threads_of_a_core_are_read_in_both_forms(tmp_path: Path) -> None:
    siblings = {"cpu0": "0-1", "cpu1": "0-1", "cpu2": "2,10", "cpu10": "2,10"}
    files = {f"{CPUS}/{name}/topology/thread_siblings_list": f"{text}\n" for name, text in siblings.items()}

    assert read_conditions(write(tmp_path, **files)).cores == ((0, 1), (2, 10))


@pytest.mark.parametrize(
    ("files", "limit", "version"),
    [
        (
            {
                "proc/self/cgroup": "0::/user.slice/job\n",
                "sys/fs/cgroup/cgroup.controllers": "memory",
                "sys/fs/cgroup/user.slice/memory.max": "8000000000\n",
                "sys/fs/cgroup/user.slice/job/memory.max": "max\n",
            },
            8_000_000_000,
            2,
        ),
        (
            {
                "proc/self/cgroup": "5:cpu,memory:/job\n3:cpuset:/\n",
                "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
                "sys/fs/cgroup/memory/job/memory.limit_in_bytes": "4000000000\n",
            },
            4_000_000_000,
            1,
        ),
    ],
    ids=["version 2", "version 1"],
)
def test_the_memory_limit_of_a_job_is_found(files: dict[str, str], limit: int, version: int, tmp_path: Path) -> None:
    conditions = read_conditions(write(tmp_path, **files))

    assert (conditions.limit_bytes, conditions.cgroup) == (limit, version)


def test_a_quiet_machine_gets_no_advice() -> None:
    assert {check.state for check in look().values()} == {"ok"}


@pytest.mark.parametrize(
    ("system", "found"),
    [
        (SYSTEM, "Fedora Linux 42, kernel 6.8"),
        (replace(SYSTEM, is_wsl=True), "Fedora Linux 42 in WSL, kernel 6.8"),
        (replace(SYSTEM, is_container=True), "Fedora Linux 42 in a container, kernel 6.8"),
    ],
    ids=["plain", "wsl", "container"],
)
def test_the_system_is_named_with_what_it_runs_in(system: System, found: str) -> None:
    assert look(system=system)["system"].found == found


def test_a_governor_that_saves_power_is_told_with_the_command_that_ends_it() -> None:
    check = look(replace(MACHINE, governor="powersave"))["CPU governor"]

    assert (check.state, check.found) == ("warning", "powersave")
    assert check.advice.commands == (
        "echo performance | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor",
    )


def test_a_machine_without_a_governor_is_in_order() -> None:
    assert look(replace(MACHINE, governor=None))["CPU governor"].state == "ok"


@pytest.mark.parametrize(("load", "state"), [(None, "warning"), (2.0, "ok"), (2.1, "warning")])
def test_a_load_above_half_the_cores_is_a_warning(load: float | None, state: str) -> None:
    assert look(conditions=replace(QUIET, load=load))["load"].state == state


def test_threads_of_a_core_that_stand_apart_do_not_disturb_pinned_launches() -> None:
    assert look()["SMT"].found == "on; a launch is pinned to one thread of each core"


def test_threads_of_a_core_that_are_neighbours_would_share_it() -> None:
    neighbours = tuple((cpu, cpu + 1) for cpu in range(0, 8, 2))

    check = look(conditions=replace(QUIET, cores=neighbours))["SMT"]

    assert check.state == "warning"
    assert "The 4 CPUs that launches are pinned to share 2 cores" in check.advice.text
    assert check.advice.commands == ("echo off | sudo tee /sys/devices/system/cpu/smt/control",)


def test_one_thread_a_core_is_smt_off() -> None:
    conditions = replace(QUIET, cores=tuple((cpu,) for cpu in range(8)))

    assert look(replace(MACHINE, cores=8), conditions)["SMT"].found == "off: one thread a core"


def test_memory_that_others_hold_is_a_warning() -> None:
    check = look(conditions=replace(QUIET, available_bytes=20 * 10**9))["memory"]

    assert (check.state, check.found) == ("warning", "64.00 GB, 20.00 GB available")


def test_a_limit_of_a_job_is_said_where_it_is_below_the_machines_memory() -> None:
    found = look(conditions=replace(QUIET, limit_bytes=8 * 10**9))["memory"].found

    assert found == "64.00 GB, 60.00 GB available, limited to 8.00 GB for this program"
