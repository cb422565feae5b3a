"""The float64 reference of rnn_regression: finite differences, formulas by hand, weights in a wrong order."""

import importlib
import importlib.util
import math
import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import permutations
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from orchestrator.definitions import load_benchmark
from orchestrator.gates import Reference, check_gate

BENCHMARKS = Path(__file__).parents[2] / "suites" / "benchmarks"
RNN = {
    "cell": "rnn", "layers": 1, "units": 3, "batch": 2, "steps": 5, "features": 4, "outputs": "last", "rate": 0.01,
}  # fmt: skip
LSTM = {**RNN, "cell": "lstm"}
STACK = {"cell": "lstm", "layers": 3, "units": 3, "batch": 2, "steps": 5, "outputs": "all", "rate": 0.0}


def load_layouts() -> ModuleType:
    spec = importlib.util.spec_from_file_location("layouts", BENCHMARKS / "layouts.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


layouts = load_layouts()
MODULES = load_benchmark(BENCHMARKS / "rnn_regression" / "benchmark.yaml", BENCHMARKS).implementations
LAYOUTS = layouts.LAYOUTS | {
    one.name: layouts.Layout(one.traits["gates"], False, False) for one in MODULES if "gates" in one.traits
}


@pytest.fixture
def net(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    monkeypatch.syspath_prepend(str(BENCHMARKS / "rnn_regression"))
    names = ("reference", "reference_cells", "portable")
    for name in names:
        sys.modules.pop(name, None)
    yield importlib.import_module("reference")
    for name in names:
        sys.modules.pop(name, None)


@pytest.mark.parametrize(
    ("sizes", "traits"),
    [
        (RNN, {"biases": 1, "activation": "sigmoid"}),
        (RNN, {"biases": 2, "activation": "tanh"}),
        (RNN, {"biases": 1, "activation": "sigmoid", "trained_start": True}),
        ({**RNN, "layers": 2, "outputs": "all"}, {"biases": 1, "activation": "tanh", "trained_start": True}),
        (LSTM, {"biases": 1}),
        (LSTM, {"biases": 2, "forget_bias": 1.0}),
        (LSTM, {"biases": 1, "peepholes": True}),
        (STACK, {"biases": 1, "peepholes": True}),
        (STACK, {"biases": 2, "skip_input": True}),
    ],
    ids=[
        "sigmoid", "tanh and two biases", "trained start", "stack of trained starts", "LSTM", "forget bias",
        "peepholes", "stack with peepholes", "stack without an input matrix",
    ],
)  # fmt: skip
def test_gradients_agree_with_finite_differences(
    net: ModuleType, sizes: dict[str, object], traits: dict[str, object]
) -> None:
    model, (x, y), step = net.initial_model(sizes, traits), net.batch(sizes), 1e-5

    loss, gradients = net.gradients_of(model, x, y)

    assert loss == net.first_loss(sizes, traits)
    assert gradients.keys() == net.parameter_shapes(sizes, traits).keys()
    for name, gradient in gradients.items():
        flat = model.w[name].reshape(-1)
        for place in range(flat.size):
            kept = flat[place]
            flat[place] = kept + step
            above = net.loss_of(model, x, y)
            flat[place] = kept - step
            below = net.loss_of(model, x, y)
            flat[place] = kept
            assert gradient.reshape(-1)[place] == pytest.approx((above - below) / (2 * step), abs=1e-9), name


def test_without_an_input_matrix_every_gate_gets_the_input_as_it_is(net: ModuleType) -> None:
    skipping = net.initial_model(STACK, {"biases": 1, "skip_input": True})
    identity = {**skipping.w, "layer.0.input": np.tile(np.eye(3), (4, 1))}
    plain = net.Model(w=identity, cell=skipping.cell, skip_input=False, all_outputs=True)
    x, y = net.batch(STACK)

    assert net.loss_of(skipping, x, y) == pytest.approx(net.loss_of(plain, x, y), rel=1e-14)


def test_a_net_without_an_input_matrix_needs_as_many_features_as_units(net: ModuleType) -> None:
    with pytest.raises(ValueError, match="as many features as units"):
        net.parameter_shapes(LSTM, {"biases": 2, "skip_input": True})


def test_no_initial_weight_is_zero_and_a_net_has_as_many_values_as_the_formula_says(net: ModuleType) -> None:
    seed = {**LSTM, "units": 100, "features": 100, "batch": 20, "steps": 30}

    weights = net.initial_model(seed, {"biases": 1}).w

    assert sum(value.size for value in weights.values()) == 4 * 100 * (100 + 100 + 1)
    assert all(value.all() for value in weights.values())


@pytest.mark.parametrize(("outputs", "expected"), [("last", 1), ("all", 2)])
def test_the_loss_is_the_mean_over_the_last_output_or_over_all(net: ModuleType, outputs: str, expected: int) -> None:
    weights = {
        "layer.0.input": np.array([[0.5]]),
        "layer.0.recurrent": np.array([[2.0]]),
        "layer.0.bias_input": np.array([0.1]),
    }
    first = 1 / (1 + math.exp(-1.1))
    second = 1 / (1 + math.exp(-(0.6 + 2 * first)))
    errors = [(first - 0.25) ** 2, (second - 0.5) ** 2]
    cell = net.CELLS["rnn"].of({"activation": "sigmoid"})
    model = net.Model(w=weights, cell=cell, skip_input=False, all_outputs=outputs == "all")
    y = np.array([[[0.25]], [[0.5]]])

    loss = net.loss_of(model, np.array([[[2.0]], [[1.0]]]), y if outputs == "all" else y[-1])

    assert loss == pytest.approx(sum(errors[-expected:]) / expected, rel=1e-14)


def test_one_step_with_peepholes_is_the_formula_by_hand(net: ModuleType) -> None:
    weights = {
        "layer.0.input": np.array([[0.5], [9.0], [0.25], [-0.5]]),  # gates i, f, g, o
        "layer.0.recurrent": np.zeros((4, 1)),
        "layer.0.peephole": np.array([3.0, 5.0, 0.5]),  # the first two see a cell of 0
    }
    c = math.tanh(0.5) / (1 + math.exp(-1.0))
    h = math.tanh(c) / (1 + math.exp(1.0 - 0.5 * c))
    model = net.Model(w=weights, cell=net.CELLS["lstm"].of({}), skip_input=False, all_outputs=False)

    loss = net.loss_of(model, np.array([[[2.0]]]), np.array([[0.0]]))

    assert loss == pytest.approx(h**2, rel=1e-14)


@pytest.mark.parametrize("name", LAYOUTS)
def test_weights_handed_over_in_another_order_of_gates_do_not_pass_the_gate(net: ModuleType, name: str) -> None:
    model, (x, y), right = net.initial_model(LSTM, {"biases": 1}), net.batch(LSTM), LAYOUTS[name]
    loss, gradients = net.gradients_of(model, x, y)
    reference = Reference(
        sha256="", loss=loss, gradients={key: tuple(value.ravel()) for key, value in gradients.items()},
        parameters=1, first_loss=loss, measured_parameters=1,
    )  # fmt: skip

    def passes(order: str) -> bool:
        wrong = right._replace(gates=order)
        moved = {key: layouts.from_layout(layouts.to_layout(value, wrong), right) for key, value in model.w.items()}
        found, slopes = net.gradients_of(replace(model, w=moved), x, y)
        said = {key: layouts.from_layout(layouts.to_layout(value, right), wrong) for key, value in slopes.items()}
        probe = {
            "loss": found,
            "parameters": 1,
            "gradients": {key: value.ravel().tolist() for key, value in said.items()},
        }
        gate = {"probe": probe, "measured": {"first_loss": found, "parameters": 1}}
        return all(entry["ok"] for entry in check_gate(gate, reference, "ieee"))

    assert [order for order in map("".join, permutations(layouts.CANONICAL)) if passes(order)] == [right.gates]
