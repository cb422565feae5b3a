"""What the recurrent studies got wrong, planted in NumPy: the gate of rnn_regression or a sanity check refuses it."""

import shutil
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy
import pytest

from orchestrator.gates import check_gate, compute_reference
from orchestrator.specs import Benchmark, Protocol, Scalar
from tests.bench import QUICK, Bench, Launched, make_bench, reduced

NUMPY = "rnn_regression/run_numpy.py"
FLAT, STACKED = "lstm/h100/b20", "3x512/b128/t30"
BOTH = replace(QUICK, phases=("forward", "train_step"))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return make_bench(tmp_path)


def with_numpy(bench: Bench, name: str = FLAT) -> Benchmark:
    """Give rnn_regression a script in NumPy, small enough for a test."""
    shutil.copy(Path(__file__).parents[1] / "data" / "numpy_rnn" / "run_numpy.py", bench.folder / "rnn_regression")
    small = reduced(bench.benchmark("rnn_regression"), name, units=16, features=8, batch=6, steps=10)
    by_hand = replace(small.implementations[0], name="by_hand", frameworks=("numpy",), traits={"biases": 1})
    return replace(small, scripts={"numpy": "run_numpy.py"}, implementations=(by_hand,))


def launch(bench: Bench, benchmark: Benchmark, protocol: Protocol = BOTH) -> Launched:
    return bench.launch(
        benchmark, sys.executable, implementation="by_hand", version=numpy.__version__, protocol=protocol
    )


def wrong_at_the_gate(bench: Bench, benchmark: Benchmark) -> list[Mapping[str, Scalar | None]]:
    launched = bench.launch(
        benchmark, sys.executable, implementation="by_hand", version=numpy.__version__, mode="gate", protocol=BOTH
    )
    assert launched.gate is not None, launched.report.failure
    one, configuration = benchmark.implementations[0], benchmark.configurations[0]
    reference = compute_reference(benchmark, one, configuration, bench.folder / "references")
    return [entry for entry in check_gate(launched.gate, reference, "ieee") if not entry["ok"]]


@pytest.mark.parametrize("name", [FLAT, STACKED])
def test_a_correct_implementation_passes_the_gate_and_is_measured(bench: Bench, name: str) -> None:
    benchmark = with_numpy(bench, name)

    launched = launch(bench, benchmark)

    assert wrong_at_the_gate(bench, benchmark) == []
    assert launched.report.status == "ok", launched.report.failure
    assert launched.sanity("loss_forward")["ok"]
    assert ("loss_falls" in {entry["check"] for entry in launched.report.sanity}) is (name == FLAT)


@pytest.mark.parametrize(
    ("name", "good", "bad", "checks"),
    [
        (FLAT, "i, f, g, o = np.split(a, 4, axis=1)", "i, f, o, g = np.split(a, 4, axis=1)", {"gate_loss"}),
        (FLAT, ' + w[layer + "bias_input"]', "", {"gate_loss"}),
        (STACKED, "zip(layers[::-1], traces[::-1])", "zip(layers[:-2:-1], traces[::-1])", {"gate_gradient"}),
        (STACKED, "    last = {}\n", "    last = {}\n    x, y = x.swapaxes(0, 1), y.swapaxes(0, 1)\n", {"gate_loss"}),
        (FLAT, "np.mean(error ** 2)", "np.sum(error ** 2)", {"gate_loss"}),
        (FLAT, '0.0, 1.0)\n    y_shape', '-1.0, 1.0)\n    y_shape', {"gate_loss"}),
    ],
    ids=[
        "gates in another order", "dropped bias", "gradients of the last layer only", "batch taken for time",
        "sum in place of mean", "data of another range",
    ],
)  # fmt: skip
def test_a_planted_fault_does_not_pass_the_gate(bench: Bench, name: str, good: str, bad: str, checks: set[str]) -> None:
    benchmark = with_numpy(bench, name)
    bench.plant(NUMPY, good, bad)

    wrong = wrong_at_the_gate(bench, benchmark)

    assert {entry["check"] for entry in wrong} >= checks


def test_gradients_of_the_last_layer_only_are_named_by_the_layers_that_are_missing(bench: Bench) -> None:
    benchmark = with_numpy(bench, STACKED)
    bench.plant(NUMPY, "zip(layers[::-1], traces[::-1])", "zip(layers[:-2:-1], traces[::-1])")

    wrong = wrong_at_the_gate(bench, benchmark)

    assert {str(entry["tensor"])[:7] for entry in wrong} == {"layer.0", "layer.1"}


def test_a_forward_phase_that_leaves_out_a_layer_is_a_failed_launch(bench: Bench) -> None:
    benchmark = with_numpy(bench, STACKED)
    bench.plant(NUMPY, '"forward": run', '"forward": lambda: (layers.pop(), run(), layers.append("layer.2."))')

    assert_refused(launch(bench, benchmark), "loss_forward")


def test_a_step_that_is_not_waited_for_is_a_failed_launch(bench: Bench) -> None:
    """The third study's fault: the clock is stopped when the work is handed over, not when it is done."""
    benchmark = with_numpy(bench)
    bench.plant(
        NUMPY,
        "    return harness.Workload(",
        "    import threading, time\n    running = []\n\n"
        "    def slow(step):\n        time.sleep(0.01)\n        step()\n\n"
        "    def start(step):\n        running.append(threading.Thread(target=slow, args=(step,)))\n"
        "        running[-1].start()\n\n"
        "    def fetch():\n        while running:\n            running.pop().join()\n        return last['loss']\n\n"
        "    return harness.Workload(",
    )
    bench.plant(
        NUMPY,
        'steps={"forward": run, "train_step": train_step}, fetch=lambda: last["loss"]',
        'steps={"forward": lambda: start(run), "train_step": lambda: start(train_step)}, fetch=fetch',
    )

    assert_refused(launch(bench, benchmark), "synchronised")


def test_cpu_time_in_place_of_wall_time_is_a_failed_launch(bench: Bench) -> None:
    """The first study's fault, os.clock: while a device computes, the processor's time stands still."""
    benchmark = with_numpy(bench)
    bench.plant("clocks.py", 'wall_clock = getattr(time, "perf_counter", None)', "wall_clock = time.process_time")
    bench.plant(NUMPY, "    def run():\n", "    import time\n\n    def run():\n        time.sleep(0.01)\n")

    assert_refused(launch(bench, benchmark), "clock")


def assert_refused(launched: Launched, check: str) -> None:
    assert launched.report.failure is not None
    assert (launched.report.failure.phase, launched.report.failure.kind) == ("sanity", check)
    assert launched.exit_code == 1
