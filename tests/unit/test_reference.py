"""The float64 references and the portable generator, against published numbers and finite differences."""

import importlib.util
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[2] / "suites" / "benchmarks"
STUDY = {"layers": 1, "units": 320, "bidirectional": False, "classes": 10, "batch": 64, "steps": 100, "features": 123}
SMALL = {**STUDY, "units": 3, "classes": 4, "batch": 2, "steps": 5, "features": 6}


@pytest.fixture(autouse=True)
def generator_on_path(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    yield
    sys.modules.pop("portable", None)


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def portable() -> ModuleType:
    return load(BENCHMARKS / "portable.py")


@pytest.fixture
def lstm() -> ModuleType:
    return load(BENCHMARKS / "lstm_asr" / "reference.py")


def test_the_10000th_number_after_seed_1_is_the_one_of_the_cpp_standard(portable: ModuleType) -> None:
    numbers = portable.lehmer(1)

    assert numbers[0] == 48271
    assert numbers[9999] == 399268537  # ISO C++ [rand.predef], minstd_rand


def test_the_seed_is_the_crc_of_the_name_and_never_zero(portable: ModuleType) -> None:
    crc = 0xCBF43926  # of "123456789": the check value of CRC-32

    assert portable.seed_of("123456789") == crc % (2**31 - 2) + 1 == 1274296617


def test_a_tensor_repeats_its_block_and_fills_its_range(portable: ModuleType) -> None:
    values = np.array(portable.tensor("x", (3, 50000), -2.0, 6.0))

    assert values.shape == (150000,)
    assert (values[:65521] == values[65521 : 2 * 65521]).all()
    assert values.min() == pytest.approx(-2.0, abs=1e-3)
    assert values.max() == pytest.approx(6.0, abs=1e-3)
    assert values.mean() == pytest.approx(2.0, abs=0.02)


def test_tensors_of_different_names_are_not_correlated(portable: ModuleType) -> None:
    names = ("lstm.0.input", "lstm.0.recurrent", "lstm.0.bias_input", "lstm.0.bias_recurrent", "head", "x")

    correlations = np.corrcoef([portable.tensor(name, (60000,), -1.0, 1.0) for name in names])

    assert np.abs(correlations - np.eye(len(names))).max() < 0.02


def test_labels_take_every_class(portable: ModuleType) -> None:
    assert set(portable.labels("y", 1000, 10)) == set(range(10))


@pytest.mark.parametrize(("biases", "parameters"), [(2, 572800), (1, 571520)])
def test_the_model_has_as_many_parameters_as_the_study_counted(lstm: ModuleType, biases: int, parameters: int) -> None:
    shapes = lstm.parameter_shapes(STUDY, {"biases": biases})

    assert sum(math.prod(shape) for shape in shapes.values()) == parameters


def test_no_initial_weight_is_zero(lstm: ModuleType) -> None:
    weights = lstm.weights(STUDY, {"biases": 2})

    assert all(value.all() for value in weights.values())
    assert max(float(abs(value).max()) for value in weights.values()) <= np.float32(1 / math.sqrt(320))


def test_gradients_agree_with_finite_differences(lstm: ModuleType) -> None:
    weights, (x, labels) = lstm.weights(SMALL, {"biases": 2}), lstm.batch(SMALL)
    step = 1e-6

    _, gradients = lstm.gradients_of(weights, x, labels)

    for name, gradient in gradients.items():
        flat = weights[name].reshape(-1)
        for place in range(flat.size):
            kept = flat[place]
            flat[place] = kept + step
            above = lstm.loss_of(weights, x, labels)
            flat[place] = kept - step
            below = lstm.loss_of(weights, x, labels)
            flat[place] = kept
            assert gradient.reshape(-1)[place] == pytest.approx((above - below) / (2 * step), abs=1e-8), name


def test_both_ways_to_the_loss_agree(lstm: ModuleType) -> None:
    loss, _ = lstm.loss_and_gradients(SMALL, {"biases": 1})

    assert lstm.first_loss(SMALL, {"biases": 1}) == loss


def test_one_step_of_one_unit_is_the_formula_by_hand(lstm: ModuleType) -> None:
    weights = {
        "lstm.0.input": np.array([[0.5], [9.0], [0.25], [-1.0]]),  # gates i, f, g, o
        "lstm.0.recurrent": np.full((4, 1), 7.0),
        "lstm.0.bias_input": np.array([0.1, 9.0, 0.2, 0.3]),
        "head": np.array([[2.0], [-2.0]]),
    }
    i, g, o = 1 / (1 + math.exp(-1.1)), math.tanh(0.7), 1 / (1 + math.exp(1.7))
    h = o * math.tanh(i * g)

    loss = lstm.loss_of(weights, np.array([[[2.0]]]), np.array([1]))

    assert loss == pytest.approx(math.log(1 + math.exp(4 * h)), rel=1e-14)


def test_stacked_nets_are_refused(lstm: ModuleType) -> None:
    with pytest.raises(ValueError, match="one layer in one direction"):
        lstm.first_loss({**SMALL, "layers": 4}, {"biases": 2})
