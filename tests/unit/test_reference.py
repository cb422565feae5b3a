"""The float64 references and the portable generator, against published numbers and finite differences."""

import importlib.util
import math
import sys
from collections.abc import Iterator
from itertools import groupby, product
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[2] / "suites" / "benchmarks"
FLAT = {
    "layers": 1, "units": 320, "bidirectional": False, "loss": "cross_entropy", "classes": 10,
    "batch": 64, "steps": 100, "features": 123,
}  # fmt: skip
STACKED = {**FLAT, "layers": 4, "bidirectional": True, "batch": 32, "steps": 1000}
CTC = {**STACKED, "loss": "ctc", "classes": 59, "shortest": 500, "labels": 100}
TINY = {"units": 3, "classes": 4, "batch": 2, "steps": 5, "features": 6}
SMALL = {**FLAT, **TINY}
SMALL_STACK = {**STACKED, **TINY, "layers": 2}
SMALL_CTC = {**CTC, **TINY, "layers": 2, "batch": 3, "shortest": 3, "labels": 2}


@pytest.fixture(autouse=True)
def generator_on_path(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    monkeypatch.syspath_prepend(str(BENCHMARKS / "lstm_asr"))
    yield
    for name in ("portable", "reference_cell", "reference_ctc"):
        sys.modules.pop(name, None)


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


@pytest.fixture
def ctc() -> ModuleType:
    return load(BENCHMARKS / "lstm_asr" / "reference_ctc.py")


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


def test_lengths_are_those_of_the_study_longest_first(portable: ModuleType) -> None:
    ascending = [int(length) for length in np.linspace(500, 1000, 32)]

    assert portable.lengths(500, 1000, 32) == ascending[::-1]
    assert portable.lengths(500, 1000, 1) == [1000]


@pytest.mark.parametrize(
    ("sizes", "biases", "parameters"),
    [(FLAT, 2, 572800), (FLAT, 1, 571520), (STACKED, 2, 8533760), (CTC, 2, 8565120)],
    ids=["1x320", "1x320 with one bias", "4x320 CE", "4x320 CTC"],
)
def test_the_model_has_as_many_parameters_as_the_study_counted(
    lstm: ModuleType, sizes: dict[str, object], biases: int, parameters: int
) -> None:
    shapes = lstm.parameter_shapes(sizes, {"biases": biases})

    assert sum(math.prod(shape) for shape in shapes.values()) == parameters


def test_no_initial_weight_is_zero(lstm: ModuleType) -> None:
    weights = lstm.initial_model(FLAT, {"biases": 2, "peepholes": True}).w

    assert all(value.all() for value in weights.values())
    assert max(float(abs(value).max()) for value in weights.values()) <= np.float32(1 / math.sqrt(320))


@pytest.mark.parametrize("sizes", [SMALL, SMALL_STACK, SMALL_CTC], ids=["flat", "stacked", "CTC"])
@pytest.mark.parametrize(
    "traits",
    [{"biases": 2}, {"biases": 1, "peepholes": True}, {"biases": 1, "recurrent_activation": "hard_sigmoid"},
     {"biases": 1, "forget_bias": 1.0}],
    ids=["plain", "peepholes", "hard sigmoid", "forget bias"],
)  # fmt: skip
def test_gradients_agree_with_finite_differences(
    lstm: ModuleType, sizes: dict[str, object], traits: dict[str, object]
) -> None:
    model, data = lstm.initial_model(sizes, traits), lstm.batch(sizes)
    step = 1e-5

    _, gradients = lstm.gradients_of(model, data)

    assert gradients.keys() == lstm.parameter_shapes(sizes, traits).keys()
    for name, gradient in gradients.items():
        flat = model.w[name].reshape(-1)
        for place in range(flat.size):
            kept = flat[place]
            flat[place] = kept + step
            above = lstm.loss_of(model, data)
            flat[place] = kept - step
            below = lstm.loss_of(model, data)
            flat[place] = kept
            assert gradient.reshape(-1)[place] == pytest.approx((above - below) / (2 * step), abs=1e-8), name


@pytest.mark.parametrize("sizes", [SMALL, SMALL_STACK, SMALL_CTC], ids=["flat", "stacked", "CTC"])
def test_both_ways_to_the_loss_agree(lstm: ModuleType, sizes: dict[str, object]) -> None:
    loss, _ = lstm.loss_and_gradients(sizes, {"biases": 1})

    assert lstm.first_loss(sizes, {"biases": 1}) == loss


def test_what_lies_after_the_end_of_a_sequence_changes_nothing(lstm: ModuleType) -> None:
    model, data = lstm.initial_model(SMALL_CTC, {"biases": 2}), lstm.batch(SMALL_CTC)
    lengths = data.mask.sum(axis=(0, 2)).astype(int)
    loss, gradients = lstm.gradients_of(model, data)

    for row, length in enumerate(lengths):
        data.x[length:, row] = 7.0
    other_loss, other_gradients = lstm.gradients_of(model, data)

    assert lengths.tolist() == [5, 4, 3]
    assert other_loss == loss
    assert all((other_gradients[name] == gradient).all() for name, gradient in gradients.items())


def test_a_reverse_net_reads_each_sequence_backwards_from_its_own_end(lstm: ModuleType) -> None:
    sizes = {**SMALL_CTC, "layers": 1, "batch": 1, "shortest": 5}
    model, data = lstm.initial_model(sizes, {"biases": 2}), lstm.batch(sizes)
    forward = {name.replace("reverse.", ""): value for name, value in model.w.items() if ".reverse." in name}
    mirrored = lstm.Model(w=forward, cell=model.cell)
    padded = np.concatenate([data.x, np.full((2, 1, 6), 7.0)])

    backwards = lstm._outputs(model, "lstm.0.reverse.", padded, np.array([1, 1, 1, 1, 1, 0, 0])[:, None, None])
    forwards = lstm._outputs(mirrored, "lstm.0.", data.x[::-1], data.mask)

    assert backwards[:5] == pytest.approx(forwards[::-1], abs=1e-15)
    assert not backwards[5:].any()


def test_one_step_of_one_unit_is_the_formula_by_hand(lstm: ModuleType) -> None:
    weights = {
        "lstm.0.input": np.array([[0.5], [9.0], [0.25], [-1.0]]),  # gates i, f, g, o
        "lstm.0.recurrent": np.full((4, 1), 7.0),
        "lstm.0.bias_input": np.array([0.1, 9.0, 0.2, 0.3]),
        "head": np.array([[2.0], [-2.0]]),
    }
    i, g, o = 1 / (1 + math.exp(-1.1)), math.tanh(0.7), 1 / (1 + math.exp(1.7))
    h = o * math.tanh(i * g)

    batch = lstm.Batch(x=np.array([[[2.0]]]), mask=np.ones((1, 1, 1)), labels=np.array([1]))
    loss = lstm.loss_of(lstm.Model(w=weights, cell=lstm.Cell()), batch)

    assert loss == pytest.approx(math.log(1 + math.exp(4 * h)), rel=1e-14)


def test_one_step_with_peepholes_and_a_hard_sigmoid_is_the_formula_by_hand(lstm: ModuleType) -> None:
    weights = {
        "lstm.0.input": np.array([[0.5], [9.0], [0.25], [-0.5]]),  # gates i, f, g, o
        "lstm.0.recurrent": np.zeros((4, 1)),
        "lstm.0.peephole": np.array([3.0, 5.0, 0.5]),  # the first two see a cell of 0
        "head": np.array([[2.0], [-2.0]]),
    }
    c = (0.2 * 1.0 + 0.5) * math.tanh(0.5)
    h = (0.2 * (-1.0 + 0.5 * c) + 0.5) * math.tanh(c)

    cell = lstm.Cell.of({"recurrent_activation": "hard_sigmoid", "forget_bias": 1.0})
    batch = lstm.Batch(x=np.array([[[2.0]]]), mask=np.ones((1, 1, 1)), labels=np.array([1]))
    loss = lstm.loss_of(lstm.Model(w=weights, cell=cell), batch)

    assert loss == pytest.approx(math.log(1 + math.exp(4 * h)), rel=1e-14)


def spell(path: tuple[int, ...]) -> list[int]:
    """Return what a path says: repetitions once, blanks not at all."""
    return [symbol for symbol, _ in groupby(path) if symbol != 0]


@pytest.mark.parametrize("labels", [[1, 2], [1, 1], [2, 1, 2]], ids=["two", "the same twice", "three"])
def test_ctc_is_the_sum_over_all_paths_that_spell_the_labels(ctc: ModuleType, labels: list[int]) -> None:
    logits = np.random.default_rng(5).normal(size=(5, 1, 3))
    p = np.exp(logits[:, 0]) / np.exp(logits[:, 0]).sum(axis=1, keepdims=True)
    paths = [path for path in product(range(3), repeat=5) if spell(path) == labels]
    total = sum(math.prod(p[t, symbol] for t, symbol in enumerate(path)) for path in paths)

    loss, _ = ctc.loss_and_gradient(logits, np.array([labels]), np.array([5]))

    assert loss == pytest.approx(-math.log(total), rel=1e-13)


def test_the_gradient_of_ctc_agrees_with_finite_differences_and_ends_with_the_sequence(ctc: ModuleType) -> None:
    logits = np.random.default_rng(6).normal(size=(6, 2, 4))
    labels, lengths, step = np.array([[1, 1], [3, 2]]), np.array([6, 4]), 1e-5

    _, gradient = ctc.loss_and_gradient(logits, labels, lengths)

    assert not gradient[4:, 1].any()
    for place in np.ndindex(*logits.shape):
        moved = [logits.copy(), logits.copy()]
        moved[0][place] += step
        moved[1][place] -= step
        above, below = (ctc.loss_and_gradient(one, labels, lengths)[0] for one in moved)
        assert gradient[place] == pytest.approx((above - below) / (2 * step), abs=1e-8)
