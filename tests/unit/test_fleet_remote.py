"""What the shell of a remote machine answers, read."""

import pytest

from orchestrator.fleet.remote import parse_cpus, parse_files


@pytest.mark.parametrize(("text", "cpus"), [("\t0-3", (0, 1, 2, 3)), ("0,2-3,8\n", (0, 2, 3, 8)), ("7", (7,))])
def test_a_list_of_cpus_is_read_as_the_kernel_writes_it(text: str, cpus: tuple[int, ...]) -> None:
    assert parse_cpus(text) == cpus


def test_files_are_told_apart_and_one_that_is_not_there_is_empty() -> None:
    text = (
        "==> /proc/meminfo\nMemTotal: 1 kB\nMemFree: 1 kB\n\n==> /etc/machine-id\n\n==> /proc/cpuinfo\n\na: 1\n\nb: 2\n"
    )

    files = parse_files(text)

    assert files == {
        "/proc/meminfo": "MemTotal: 1 kB\nMemFree: 1 kB",
        "/etc/machine-id": "",
        "/proc/cpuinfo": "a: 1\n\nb: 2",
    }
