"""The gate of the LSTM benchmark against planted faults: in NumPy always, in PyTorch where it is found."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy
import pytest

from orchestrator.gates import check_gate, compute_reference
from orchestrator.specs import Benchmark, Scalar
from tests.bench import Bench, interpreters, make_bench, with_numpy_lstm

NUMPY = "lstm_asr/run_numpy.py"
NETS, STEP = "lstm_asr/nets_pytorch.py", "lstm_asr/run_pytorch.py"
Entries = tuple[Mapping[str, Scalar | None], ...]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return make_bench(tmp_path)


def run_gate(bench: Bench, benchmark: Benchmark, python: str, implementation: str, version: str) -> Entries:
    launched = bench.launch(benchmark, python, implementation=implementation, version=version, mode="gate")
    assert launched.gate is not None, launched.report.failure
    one = next(one for one in benchmark.implementations if one.name == implementation)
    reference = compute_reference(benchmark, one, benchmark.configurations[0], bench.folder / "references")
    return check_gate(launched.gate, reference, "ieee")


def failed(entries: Entries) -> list[Mapping[str, Scalar | None]]:
    return [entry for entry in entries if not entry["ok"]]


def test_a_correct_float32_implementation_passes_with_room(bench: Bench) -> None:
    entries = run_gate(bench, with_numpy_lstm(bench), sys.executable, "by_hand", numpy.__version__)

    assert failed(entries) == []
    assert max(float(entry["error"] or 0) for entry in entries if "error" in entry) < 1e-5


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ("i, f, g, o = np.split(a, 4, axis=1)", "f, i, g, o = np.split(a, 4, axis=1)"),
        ("i, f, g, o = np.split(a, 4, axis=1)", "i, f, o, g = np.split(a, 4, axis=1)"),
        (' + w["lstm.0.bias_recurrent"]', ""),
        ("sigmoid(o)\n", "sigmoid(o) + np.float32(1e-3)\n"),
        ("d_c, d_h = d_c * f, d_a", "d_c, d_h = d_c * f, 0 * d_a"),
        ('backward(d_logits.dot(w["head"]), trace)', 'backward(0 * d_logits.dot(w["head"]), trace)'),
        ("d_logits /= batch\n", "pass\n"),
        ("value.ravel().tolist() for", "None if name == 'head' else value.ravel().tolist() for"),
        ("for x_t in x:", "for x_t in x[:-1]:"),
        ('job.labels("y", batch, classes)', 'job.labels("y", batch, classes - 1)'),
    ],
    ids=[
        "swapped gates", "swapped cell and output gate", "dropped bias", "a gate off by 0.001",
        "truncated back-propagation", "detached layer", "sum in place of mean", "gradient not reported",
        "last time step left out", "last class never occurs",
    ],
)  # fmt: skip
def test_a_planted_fault_does_not_pass(bench: Bench, good: str, bad: str) -> None:
    benchmark = with_numpy_lstm(bench)
    bench.plant(NUMPY, good, bad)

    entries = run_gate(bench, benchmark, sys.executable, "by_hand", numpy.__version__)

    assert failed(entries) != []


def test_a_fault_that_shows_only_at_the_measured_size_does_not_pass(bench: Bench) -> None:
    benchmark = with_numpy_lstm(bench)
    bench.plant(NUMPY, "RATE = np.float32(0.1)\n", "RATE = np.float32(0.1)\nPROBE = 5\n")
    bench.plant(
        NUMPY, "    def forward():\n", "    if units != PROBE:\n        w['head'] *= 1.1\n\n    def forward():\n"
    )

    entries = run_gate(bench, benchmark, sys.executable, "by_hand", numpy.__version__)

    assert [entry["check"] for entry in failed(entries)] == ["gate_first_loss"]


def test_a_correct_implementation_is_measured_and_its_loss_falls(bench: Bench) -> None:
    launched = bench.launch(with_numpy_lstm(bench), sys.executable, implementation="by_hand", version=numpy.__version__)

    assert launched.report.status == "ok", launched.report.failure
    assert launched.sanity("parameters")["found"] == 9184


def torch_at_hand() -> tuple[str, str] | None:
    """Find a Python with torch: in ORCH_TEST_TORCH (a virtual environment), else among the interpreters."""
    named = os.environ.get("ORCH_TEST_TORCH")
    for python in [str(Path(named) / "bin" / "python")] if named else [sys.executable, *interpreters().values()]:
        done = subprocess.run(
            (python, "-c", "import torch; print(torch.__version__)"), capture_output=True, check=False
        )
        if done.returncode == 0:
            return python, done.stdout.decode().strip()
    return None


AT_HAND = torch_at_hand()
needs_torch = pytest.mark.skipif(AT_HAND is None, reason="no torch: name an environment in ORCH_TEST_TORCH")
IMPLEMENTATIONS = ("cudnn_lstm", "lstmcell_fused", "lstmcell_basic")


def torch_gate(bench: Bench, implementation: str) -> Entries:
    assert AT_HAND is not None
    return run_gate(bench, bench.benchmark("lstm_asr"), AT_HAND[0], implementation, AT_HAND[1])


@needs_torch
@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_each_pytorch_implementation_passes(bench: Bench, implementation: str) -> None:
    entries = torch_gate(bench, implementation)

    assert failed(entries) == []


@needs_torch
@pytest.mark.parametrize(
    ("script", "good", "bad"),
    [
        (NETS, "i, f, g, o = gates.chunk(4, 1)", "f, i, g, o = gates.chunk(4, 1)"),
        (NETS, "F.linear(h, self.weight_hh, self.bias_hh)", "F.linear(h, self.weight_hh)"),
        (NETS, "return self.head(self.lstm(x))", "return self.head(self.lstm(x).detach())"),
        (STEP, "        loss.backward()\n", ""),
    ],
    ids=["swapped gates", "dropped bias", "detached layer", "no backward pass"],
)
def test_a_fault_planted_in_pytorch_does_not_pass(bench: Bench, script: str, good: str, bad: str) -> None:
    bench.plant(script, good, bad)

    entries = torch_gate(bench, "lstmcell_basic")

    assert [entry["check"] for entry in failed(entries) if entry["check"] == "gate_gradient"] != []


@needs_torch
def test_a_pytorch_step_that_is_not_waited_for_is_a_failed_launch(bench: Bench) -> None:
    assert AT_HAND is not None
    bench.plant(
        STEP,
        "    def fetch():\n",
        "    import time\n    from concurrent.futures import ThreadPoolExecutor\n"
        "    queue, waiting = ThreadPoolExecutor(1), []\n\n"
        "    def start():\n        waiting.append(queue.submit(train_step))\n        time.sleep(0.002)\n\n"
        "    def fetch():\n        waiting[-1].result()\n",
    )
    bench.plant(STEP, '{"train_step": train_step}', '{"train_step": start}')
    small = bench.benchmark("lstm_asr")

    launched = bench.launch(
        small, AT_HAND[0], implementation="cudnn_lstm", version=AT_HAND[1],
        parameters={**small.configurations[0].parameters, "steps": 20}, falls=False,
    )  # fmt: skip

    assert launched.report.failure is not None
    assert launched.report.failure.kind == "synchronised"
