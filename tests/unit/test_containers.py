"""What a launch is allowed, without a container."""

import pytest

from orchestrator.engines.containers import memory_limit

GIB = 2**30


@pytest.mark.parametrize(("machine", "limit"), [(8 * GIB, 7 * GIB), (100 * GIB, 95 * GIB), (GIB, GIB // 2)])
def test_a_launch_leaves_memory_for_the_machine(machine: int, limit: int) -> None:
    assert memory_limit(machine) == limit
