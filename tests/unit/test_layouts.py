"""The layouts of weights: there and back, and a planted order that would not be seen otherwise."""

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

PATH = Path(__file__).parents[2] / "suites" / "benchmarks" / "layouts.py"


@pytest.fixture
def layouts() -> ModuleType:
    spec = importlib.util.spec_from_file_location("layouts", PATH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_layout_has_all_four_gates_and_gives_back_what_it_was_given(layouts: ModuleType) -> None:
    matrix, bias = np.arange(24.0).reshape(8, 3), np.arange(8.0)

    for name, layout in layouts.LAYOUTS.items():
        assert sorted(layout.gates) == sorted(layouts.CANONICAL), name
        assert (layouts.from_layout(layouts.to_layout(matrix, layout), layout) == matrix).all(), name
        assert (layouts.from_layout(layouts.to_layout(bias, layout), layout) == bias).all(), name


def test_a_gate_moves_to_its_place_as_a_block_of_rows(layouts: ModuleType) -> None:
    bias = np.array([1, 1, 2, 2, 3, 3, 4, 4])  # i, f, g, o of two units

    assert layouts.as_gates(bias, "ifgo", "igfo").tolist() == [1, 1, 3, 3, 2, 2, 4, 4]


def test_gates_that_are_interleaved_lie_together_unit_by_unit(layouts: ModuleType) -> None:
    bias = np.array([10, 11, 20, 21, 30, 31, 40, 41])  # i, f, g, o of two units

    moved = layouts.to_layout(bias, layouts.Layout("gifo", False, False, interleaved=True))

    assert moved.tolist() == [30, 10, 20, 40, 31, 11, 21, 41]


def test_a_joined_matrix_has_the_input_above_the_recurrent_part_and_splits_again(layouts: ModuleType) -> None:
    weights, recurrent = np.arange(24.0).reshape(8, 3), -np.arange(16.0).reshape(8, 2)
    layout = layouts.LAYOUTS["tensorflow_cell"]

    joined = layouts.join(weights, recurrent, layout)

    assert joined.shape == (5, 8)
    assert joined[0].tolist() == [0, 3, 12, 15, 6, 9, 18, 21]  # the first feature: i, g, f, o
    assert [part.tolist() for part in layouts.split(joined, 3, layout)] == [weights.tolist(), recurrent.tolist()]
