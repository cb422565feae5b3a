"""What a launch is allowed, and until when, without a container."""

import pytest

from orchestrator.engines.containers import is_past_deadline, memory_limit

GIB = 2**30


@pytest.mark.parametrize(("machine", "limit"), [(8 * GIB, 7 * GIB), (100 * GIB, 95 * GIB), (GIB, GIB // 2)])
def test_a_launch_leaves_memory_for_the_machine(machine: int, limit: int) -> None:
    assert memory_limit(machine) == limit


@pytest.mark.parametrize("ahead_s", [-3600, 0, 3600])
def test_a_launch_has_its_time_whatever_the_clock_of_who_made_it_says(ahead_s: int) -> None:
    made_s, allowed_s = 1_000_000, 960
    labels = {"orch.created": str(made_s + ahead_s), "orch.deadline": str(made_s + ahead_s + allowed_s)}

    found = [is_past_deadline(labels, made_s, made_s + passed_s) for passed_s in (allowed_s - 1, allowed_s + 1)]

    assert found == [False, True]
