"""The gate of the LSTM benchmark against planted faults: in NumPy always, in PyTorch where it is found."""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy
import pytest

from orchestrator.gates import check_gate, compute_reference
from orchestrator.names import version_key
from orchestrator.specs import Benchmark, Precision, Scalar
from tests.bench import QUICK, Bench, Launched, interpreters, make_bench, reduced, with_numpy_lstm

NUMPY = "lstm_asr/run_numpy.py"
NETS, STEP, TODAY = (f"lstm_asr/{name}_pytorch.py" for name in ("nets", "run", "today"))
SETTINGS = "settings_pytorch.py"
CONFIGURATIONS = ("1x320/CE-short", "4x320/CE-long", "4x320/CTC-long")
Entries = tuple[Mapping[str, Scalar | None], ...]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return make_bench(tmp_path)


def run_gate(bench: Bench, benchmark: Benchmark, python: str, implementation: str, version: str) -> Entries:
    launched = bench.launch(benchmark, python, implementation=implementation, version=version, mode="gate")
    return held_against(bench, benchmark, implementation, launched, "ieee")


def held_against(
    bench: Bench, benchmark: Benchmark, implementation: str, launched: Launched, precision: Precision
) -> Entries:
    assert launched.gate is not None, launched.report.failure
    one = next(one for one in benchmark.implementations if one.name == implementation)
    reference = compute_reference(benchmark, one, benchmark.configurations[0], bench.folder / "references")
    return check_gate(launched.gate, reference, precision)


def failed(entries: Entries) -> list[Mapping[str, Scalar | None]]:
    return [entry for entry in entries if not entry["ok"]]


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_a_correct_float32_implementation_passes_with_room(bench: Bench, name: str) -> None:
    entries = run_gate(bench, with_numpy_lstm(bench, name), sys.executable, "by_hand", numpy.__version__)

    assert failed(entries) == []
    assert max(float(entry["error"] or 0) for entry in entries if "error" in entry) < 1e-5


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ("i, f, g, o = np.split(a, 4)", "f, i, g, o = np.split(a, 4)"),
        ("i, f, g, o = np.split(a, 4)", "i, f, o, g = np.split(a, 4)"),
        (' + w[net + "bias_recurrent"]', ""),
        ("sigmoid(o)\n", "sigmoid(o) + np.float32(1e-3)\n"),
        ('d_c * f, d_a.dot(w[net + "recurrent"])', 'd_c * f, 0 * d_a.dot(w[net + "recurrent"])'),
        ('d_outputs = d_logits.dot(w["head"])', 'd_outputs = 0 * d_logits.dot(w["head"])'),
        ('d_logits / sizes["batch"]', "d_logits"),
        ("value.ravel().tolist() for", "None if name == 'head' else value.ravel().tolist() for"),
        ("for x_t in x:", "for x_t in x[:-1]:"),
        ('job.labels("y", sizes["batch"], sizes["classes"])', 'job.labels("y", sizes["batch"], sizes["classes"] - 1)'),
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


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("4x320/CE-long", "for direction in directions]", "for direction in directions[::-1]]"),
        ("4x320/CE-long", 'outputs[::-1] if "reverse" in net else outputs', "outputs"),
        ("4x320/CE-long", "d_outputs = d_outputs + backward(", "d_outputs = 0 * d_outputs + backward("),
        ("4x320/CE-long", "zip(nets[::-1], layers[::-1])", "zip(nets[:0:-1], layers[:0:-1])"),
        ("4x320/CTC-long", "labels[row], gradients", "labels[-1 - row], gradients"),
        ("4x320/CTC-long", "in enumerate(lengths)", "in enumerate(lengths[::-1])"),
        ("4x320/CTC-long", "in enumerate(lengths)", "in enumerate([max(lengths)] * len(lengths))"),
        ("4x320/CTC-long", "BLANK = 0", "BLANK = 58"),
        ("4x320/CTC-long", "return -total, gradient", "return -total / len(labels), gradient / len(labels)"),
    ],
    ids=[
        "swapped directions", "no reverse direction", "gradient of one direction", "layer left out of the gradient",
        "labels in another order", "lengths in another order", "lengths ignored", "wrong blank", "mean in place of sum",
    ],
)  # fmt: skip
def test_a_fault_of_a_stacked_net_does_not_pass(bench: Bench, name: str, good: str, bad: str) -> None:
    benchmark = with_numpy_lstm(bench, name)
    bench.plant(NUMPY, good, bad)

    entries = run_gate(bench, benchmark, sys.executable, "by_hand", numpy.__version__)

    assert failed(entries) != []


def test_a_fault_that_shows_only_at_the_measured_size_does_not_pass(bench: Bench) -> None:
    benchmark = with_numpy_lstm(bench)
    bench.plant(NUMPY, "    last = {}\n", "    last = {}\n    w['head'] *= 1.1 if sizes['units'] != 5 else 1.0\n")

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
SMALL: Mapping[str, Scalar] = {"units": 16, "batch": 8, "steps": 20, "shortest": 12, "labels": 4}
CELLS = (
    ("cudnn_lstm", "1x320/CE-short"),
    ("lstmcell_fused", "1x320/CE-short"),
    ("lstmcell_basic", "1x320/CE-short"),
    ("lstmcell_scripted", "1x320/CE-short"),
    ("cudnn_lstm", "4x320/CE-long"),
    ("cudnn_lstm", "4x320/CTC-long"),
    ("padded_lstm", "4x320/CTC-long"),
)


def torch_gate(bench: Bench, implementation: str, name: str) -> Entries:
    assert AT_HAND is not None
    benchmark = reduced(bench.benchmark("lstm_asr"), name, **SMALL)
    return run_gate(bench, benchmark, AT_HAND[0], implementation, AT_HAND[1])


@needs_torch
@pytest.mark.parametrize(("implementation", "name"), CELLS)
def test_each_pytorch_implementation_passes(bench: Bench, implementation: str, name: str) -> None:
    entries = torch_gate(bench, implementation, name)

    assert failed(entries) == []


@needs_torch
@pytest.mark.parametrize(
    ("implementation", "name", "script", "good", "bad"),
    [
        ("lstmcell_basic", "1x320/CE-short", NETS, "i, f, g, o = gates.chunk(4, 1)", "f, i, g, o = gates.chunk(4, 1)"),
        ("lstmcell_basic", "1x320/CE-short", NETS, "F.linear(h, self.weight_hh, self.bias_hh)",
         "F.linear(h, self.weight_hh)"),
        ("lstmcell_basic", "1x320/CE-short", NETS, "self.head(self.lstm(x))", "self.head(self.lstm(x).detach())"),
        ("lstmcell_scripted", "1x320/CE-short", TODAY, "F.linear(h, weight_hh, bias_hh)", "F.linear(h, weight_hh)"),
        ("lstmcell_basic", "1x320/CE-short", SETTINGS, "            loss.backward()\n", ""),
        ("cudnn_lstm", "4x320/CE-long", STEP, "(canonical(name), parameter)",
         "(canonical(name.replace('_reverse', '') if '_reverse' in name else name + '_reverse'), parameter)"),
        ("cudnn_lstm", "4x320/CTC-long", STEP, "tuple(lengths), counts", "tuple(lengths[::-1]), counts"),
        ("cudnn_lstm", "4x320/CTC-long", STEP, "blank=0", "blank=58"),
        ("padded_lstm", "4x320/CTC-long", NETS, "length - 1 - t if t < length else t", "steps - 1 - t"),
        ("padded_lstm", "4x320/CTC-long", NETS, "torch.cat([forward(x)[0]", "torch.cat([forward(x.detach())[0]"),
    ],
    ids=["swapped gates", "dropped bias", "detached layer", "dropped bias in TorchScript", "no backward pass",
         "swapped directions", "lengths in another order", "wrong blank", "turned within the padding",
         "layers left out of the gradient"],
)  # fmt: skip
def test_a_fault_planted_in_pytorch_does_not_pass(
    bench: Bench, implementation: str, name: str, script: str, good: str, bad: str
) -> None:
    bench.plant(script, good, bad)

    entries = torch_gate(bench, implementation, name)

    assert [entry["check"] for entry in failed(entries) if entry["check"] == "gate_gradient"] != []


def is_before(release: str) -> bool:
    assert AT_HAND is not None
    return version_key(AT_HAND[1].partition("+")[0]) < version_key(release)


def launch_small(bench: Bench, name: str, precision: Precision) -> Launched:
    assert AT_HAND is not None
    return bench.launch(
        reduced(bench.benchmark("lstm_asr"), name, **SMALL), AT_HAND[0],
        implementation="cudnn_lstm", version=AT_HAND[1], mode="gate", protocol=replace(QUICK, precision=precision),
    )  # fmt: skip


def compare(bench: Bench, launched: Launched, name: str, precision: Precision) -> Entries:
    benchmark = reduced(bench.benchmark("lstm_asr"), name, **SMALL)
    return held_against(bench, benchmark, "cudnn_lstm", launched, precision)


@needs_torch
@pytest.mark.parametrize("name", ["1x320/CE-short", "4x320/CE-long"])
def test_mixed_precision_passes_within_its_own_limits_or_is_not_there(bench: Bench, name: str) -> None:
    launched = launch_small(bench, name, "amp")

    if is_before("1.10"):
        assert launched.report.failure is not None
        assert (launched.report.status, launched.report.failure.kind) == ("unsupported", "Unsupported")
    else:
        assert failed(compare(bench, launched, name, "amp")) == []
        assert failed(compare(bench, launched, name, "ieee")) != []


@needs_torch
def test_tf32_is_set_and_read_back_or_is_not_there(bench: Bench) -> None:
    launched = launch_small(bench, "1x320/CE-short", "tf32")

    if is_before("1.7"):
        assert launched.report.failure is not None
        assert (launched.report.status, launched.report.failure.kind) == ("unsupported", "Unsupported")
    else:
        assert launched.report.environment is not None
        assert "matmul" in str(launched.report.environment.flags["tf32"])


@needs_torch
def test_what_was_set_is_recorded_beside_what_the_version_had_by_default(bench: Bench) -> None:
    launched = launch_small(bench, "1x320/CE-short", "ieee")

    assert launched.report.environment is not None
    flags = launched.report.environment.flags
    assert (flags["precision"], flags["tf32"], flags["threads"], flags["cudnn_benchmark"]) == ("ieee", "", 1, False)
    assert ("matmul" in str(flags["tf32_default"])) is (not is_before("1.7") and is_before("1.12"))
    assert (flags["tf32_default"] != "") is (not is_before("1.7"))


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
