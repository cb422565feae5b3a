"""The GPU lane on a machine that has no GPU: it says so, and nothing else."""

import subprocess
import sys

import pytest

from orchestrator.machine import read_machine
from tests.gpu_lane import ROOT, step_flop

SMALL = {"layers": 1, "units": 320, "bidirectional": False, "batch": 64, "steps": 100, "features": 123}


@pytest.mark.skipif(bool(read_machine().gpus), reason="this machine has a GPU")
def test_without_a_gpu_the_lane_says_in_one_line_what_is_missing() -> None:
    ended = subprocess.run(
        (sys.executable, "-m", "tests.gpu_lane"), cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert ended.returncode == 3
    assert ended.stderr.splitlines() == [
        "make gpu: no NVIDIA GPU here: the driver's library (NVML) shows none. Nothing was executed."
    ]


def test_the_operations_of_a_step_are_counted_from_its_weights() -> None:
    weights = 4 * 320 * (123 + 320)

    assert step_flop(SMALL) == 3 * 2 * weights * 64 * 100


def test_upper_layers_of_a_bidirectional_net_take_both_directions_as_input() -> None:
    weights = 2 * 4 * 320 * (123 + 320) + 3 * 2 * 4 * 320 * (640 + 320)

    assert step_flop({**SMALL, "layers": 4, "bidirectional": True}) == 3 * 2 * weights * 64 * 100
