"""A machine described by its files: processor, cores, memory, cloud, and an id that changes with none but these."""

from collections.abc import Mapping

import pytest

from orchestrator.hardware import Machine
from orchestrator.machine import (
    CPUINFO,
    GOVERNOR,
    MACHINE_ID,
    MEMINFO,
    VENDOR,
    choose_cpus,
    describe_machine,
    parse_load,
)

# Two sockets of two cores with two threads each.
CPUS = [(cpu, cpu // 4, cpu // 2 % 2) for cpu in range(8)]
SERVER = {
    CPUINFO: "\n\n".join(
        f"processor\t: {cpu}\nmodel name\t: A CPU @ 2.00GHz\nphysical id\t: {socket}\ncore id\t\t: {core}"
        for cpu, socket, core in CPUS
    ),
    MEMINFO: "MemTotal:       24684084 kB\nMemFree:        1 kB",
    MACHINE_ID: "0123",
    VENDOR: "Amazon EC2",
    GOVERNOR: "performance",
}


def describe(
    files: Mapping[str, str], cpus: tuple[int, ...] = tuple(range(8)), architecture: str = "x86_64"
) -> Machine:
    return describe_machine(
        lambda path: files.get(path, ""), kernel="6.1", architecture=architecture, cpus=cpus, gpus=()
    )


def test_cores_are_counted_per_socket_and_threads_are_not_cores() -> None:
    machine = describe(SERVER)

    assert (machine.cpu, machine.cores) == ("A CPU @ 2.00GHz", 4)
    assert machine.cpus == (0, 2, 4, 6, 1, 3, 5, 7)
    assert (machine.memory_bytes, machine.governor, machine.cloud) == (24684084 * 1024, "performance", "aws")
    assert machine.platform == "linux/amd64"


def test_only_cores_whose_cpus_may_be_used_are_counted() -> None:
    machine = describe(SERVER, cpus=(6, 7, 3))

    assert (machine.cores, machine.cpus) == (2, (3, 6, 7))


@pytest.mark.parametrize(
    ("threads", "chosen"), [(1, (6,)), (2, (4, 6)), (None, (0, 2, 4, 6)), (5, (0, 2, 4, 6, 7)), (99, tuple(range(8)))]
)
def test_threads_are_pinned_to_a_core_each_before_any_core_gets_two(
    threads: int | None, chosen: tuple[int, ...]
) -> None:
    assert choose_cpus(describe(SERVER), threads) == chosen


def test_where_no_core_is_named_each_cpu_is_one() -> None:
    machine = describe({MEMINFO: SERVER[MEMINFO]}, cpus=(0, 1, 2))

    assert choose_cpus(machine, None) == (0, 1, 2)
    assert choose_cpus(machine, 1) == (2,)


@pytest.mark.parametrize(("of", "size"), [(2, 2), (3, 1), (4, 1)])
def test_shares_have_one_size_and_no_cpu_in_common(of: int, size: int) -> None:
    machine = describe(SERVER)

    shares = [choose_cpus(machine, None, share, of) for share in range(of)]
    wholes = [choose_cpus(machine, 99, share, of) for share in range(of)]

    assert [len(share) for share in shares] == [size] * of
    assert [len(whole) for whole in wholes] == [2 * size] * of
    assert len({cpu for whole in wholes for cpu in whole}) == 2 * size * of


def test_more_shares_than_cores_share_cores() -> None:
    machine = describe(SERVER, cpus=(0, 2))

    assert [choose_cpus(machine, None, share, 3) for share in range(3)] == [(0,), (2,), (0,)]


def test_a_processor_without_a_name_goes_by_its_architecture() -> None:
    machine = describe({MEMINFO: "MemTotal: 1 kB"}, cpus=(0, 1), architecture="aarch64")

    assert (machine.cpu, machine.cores, machine.platform) == ("aarch64", 2, "linux/arm64")
    assert (machine.governor, machine.cloud) == (None, None)


@pytest.mark.parametrize("path", [CPUINFO, MEMINFO, MACHINE_ID])
def test_another_installation_or_hardware_is_another_machine(path: str) -> None:
    other = {**SERVER, path: SERVER[path].replace("2.00", "3.00").replace("24684084", "1").replace("0123", "4567")}

    assert describe(other).id != describe(SERVER).id


@pytest.mark.parametrize(("content", "load"), [("0.52 0.58 0.59 1/389 12345", 0.52), ("", None)])
def test_the_load_is_that_of_the_last_minute(content: str, load: float | None) -> None:
    found = parse_load(content)

    assert found == load
