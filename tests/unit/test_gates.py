"""The comparison of a gate launch with its reference, and the reference's cache."""

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.errors import ConfigurationError
from orchestrator.gates import Reference, check_gate, compute_reference
from orchestrator.specs import Benchmark, Configuration, Implementation, Precision, Scalar

REFERENCE = Reference(
    sha256="0",
    loss=2.0,
    gradients={"a": (3.0, 4.0), "b": (0.0, 0.0)},
    parameters=4,
    first_loss=1.0,
    measured_parameters=400,
)
SOURCE = """
import portable
LOADED.write_text(LOADED.read_text() + "x")
def parameter_shapes(parameters, traits): return {"w": (2, parameters["n"])}
def first_loss(parameters, traits): return portable.tensor("x", (1,), 1.0, 2.0)[0] * parameters["n"]
def loss_and_gradients(parameters, traits):
    import numpy
    return 0.1 * traits["biases"], {"w": numpy.full((2, parameters["n"]), 0.1)}
"""


def gate(**changes: object) -> dict[str, object]:
    probe = {"loss": 2.0, "gradients": {"a": [3.0, 4.0], "b": [0.0, 0.0]}, "parameters": 4}
    return {"probe": probe | changes, "measured": {"first_loss": 1.0, "parameters": 400}}


def failed(found: Mapping[str, object], precision: Precision = "ieee") -> list[Mapping[str, Scalar | None]]:
    return [entry for entry in check_gate(found, REFERENCE, precision) if not entry["ok"]]


def test_equal_numbers_pass_with_an_error_of_zero() -> None:
    entries = check_gate(gate(), REFERENCE, "ieee")

    assert [entry["check"] for entry in entries] == [
        "gate_parameters",
        "gate_loss",
        "gate_gradient",
        "gate_gradient",
        "gate_measured_parameters",
        "gate_first_loss",
    ]
    assert all(entry["ok"] for entry in entries)


def test_the_error_of_a_gradient_is_its_relative_l2_distance() -> None:
    (entry,) = failed(gate(gradients={"a": [3.0, 4.5], "b": [0.0, 0.0]}))

    assert entry == {"check": "gate_gradient", "tensor": "a", "ok": False, "error": 0.1, "limit": 1e-4}


@pytest.mark.parametrize(
    ("precision", "error", "ok"),
    [("ieee", 0.9e-5, True), ("ieee", 1.1e-5, False), ("tf32", 1.9e-2, True), ("tf32", 2.1e-2, False),
     ("amp", 1.9e-2, True), ("amp", 2.1e-2, False)],
)  # fmt: skip
def test_the_limit_of_the_loss_follows_the_precision(precision: Precision, error: float, ok: bool) -> None:
    assert (failed(gate(loss=2.0 * (1 + error)), precision) == []) is ok


@pytest.mark.parametrize(("error", "ok"), [(0.9e-4, True), (1.1e-4, False)])
def test_gradients_and_the_first_loss_have_limits_of_their_own(error: float, ok: bool) -> None:
    found = gate(gradients={"a": [3.0 * (1 + error), 4.0 * (1 + error)], "b": [0.0, 0.0]})
    found["measured"] = {"first_loss": 1 + error, "parameters": 400}

    assert len(failed(found)) == (0 if ok else 2)


def test_a_gradient_that_should_be_zero_is_compared_without_division() -> None:
    (entry,) = failed(gate(gradients={"a": [3.0, 4.0], "b": [0.0, 0.5]}))

    assert (entry["tensor"], entry["error"]) == ("b", 0.5)


@pytest.mark.parametrize(
    ("gradients", "wrong"),
    [
        ({"a": [3.0, 4.0]}, "not reported, or the layer is detached"),
        ({"a": [3.0, 4.0], "b": None}, "not reported, or the layer is detached"),
        ({"a": [3.0, 4.0], "b": "00"}, "not reported, or the layer is detached"),
        ({"a": [3.0, 4.0], "b": [0.0]}, "1 numbers in place of 2"),
        ({"a": [3.0, 4.0], "b": [0.0, None]}, "1 are no finite numbers"),
        ({"a": [3.0, 4.0], "b": [0.0, math.nan]}, "1 are no finite numbers"),
        ({"a": [3.0, 4.0], "b": [True, "1"]}, "2 are no finite numbers"),
        ({"a": [3.0, 4.0], "b": [0, 10**400]}, "1 are no finite numbers"),
        ({"a": [3.0, 4.0], "b": [0.0, 0.0], "c": []}, "1 names the reference does not have: c"),
    ],
)
def test_what_is_wrong_with_a_gradient_is_said(gradients: object, wrong: str) -> None:
    (entry,) = failed(gate(gradients=gradients))

    assert wrong in str(entry["wrong"])


@pytest.mark.parametrize("loss", [None, math.nan, math.inf, "2.0", True, [2.0], 10**400])
def test_a_loss_that_is_no_finite_number_does_not_pass(loss: object) -> None:
    (entry,) = failed(gate(loss=loss))

    assert entry["check"] == "gate_loss"


@pytest.mark.parametrize("found", [{}, {"probe": None}, {"probe": [], "measured": 3}, {"probe": {"gradients": []}}])
def test_nothing_passes_where_everything_is_missing(found: Mapping[str, object]) -> None:
    entries = check_gate(found, REFERENCE, "ieee")

    assert [entry["check"] for entry in entries if entry["ok"]] == []


def test_an_error_beyond_all_numbers_is_none_and_not_ok() -> None:
    entries = failed(gate(loss=1.7e308, gradients={"a": [1.7e308, -1.7e308], "b": [0.0, 0.0]}))

    assert [entry["check"] for entry in entries] == ["gate_loss", "gate_gradient"]
    json.dumps(entries, allow_nan=False)


@pytest.fixture
def benchmark(tmp_path: Path) -> Benchmark:
    folder = tmp_path / "benchmarks" / "mine"
    folder.mkdir(parents=True)
    loaded = tmp_path / "loaded"
    loaded.write_text("")
    (folder / "reference.py").write_text(f"from pathlib import Path\nLOADED = Path({str(loaded)!r})\n{SOURCE}")
    return Benchmark(
        name="mine",
        title="",
        folder=folder,
        scripts={},
        implementations=(Implementation(name="one", label="one", frameworks=(), traits={"biases": 2}),),
        configurations=(Configuration(name="big", parameters={"n": 50, "m": 1}),),
        measures=(),
        reference="reference.py",
        probe={"n": 3},
    )


def reference_of(benchmark: Benchmark, cache: Path) -> Reference:
    return compute_reference(benchmark, benchmark.implementations[0], benchmark.configurations[0], cache)


def test_the_reference_is_taken_at_the_probe_and_at_the_measured_size(benchmark: Benchmark, tmp_path: Path) -> None:
    reference = reference_of(benchmark, tmp_path / "cache")

    assert (reference.loss, reference.parameters, reference.measured_parameters) == (0.2, 6, 100)
    assert reference.gradients == {"w": (0.1,) * 6}
    assert 50 < reference.first_loss < 100


def test_a_reference_is_computed_once_and_then_read_to_the_last_digit(benchmark: Benchmark, tmp_path: Path) -> None:
    first = reference_of(benchmark, tmp_path / "cache")

    second = reference_of(benchmark, tmp_path / "cache")

    assert (tmp_path / "loaded").read_text() == "x"
    assert (second.loss, second.first_loss) == (first.loss, first.first_loss)
    assert all(entry["ok"] for entry in check_gate(found_like(first), second, "ieee"))


def found_like(reference: Reference) -> dict[str, object]:
    probe = {"loss": reference.loss, "gradients": dict(reference.gradients), "parameters": reference.parameters}
    return {
        "probe": probe,
        "measured": {"first_loss": reference.first_loss, "parameters": reference.measured_parameters},
    }


def test_other_traits_parameters_or_code_give_another_reference(benchmark: Benchmark, tmp_path: Path) -> None:
    one, big = benchmark.implementations[0], benchmark.configurations[0]
    keys = {
        compute_reference(benchmark, one, big, tmp_path).sha256,
        compute_reference(benchmark, replace(one, traits={"biases": 1}), big, tmp_path).sha256,
        compute_reference(benchmark, one, replace(big, parameters={"n": 50, "m": 2}), tmp_path).sha256,
        compute_reference(replace(benchmark, probe={"n": 4}), one, big, tmp_path).sha256,
    }
    with (benchmark.folder / "reference.py").open("a") as source:
        source.write("# changed\n")

    keys.add(reference_of(benchmark, tmp_path).sha256)

    assert len(keys) == 5


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"sha256": "0"}'])
def test_a_damaged_cache_is_computed_again(benchmark: Benchmark, tmp_path: Path, damage: str) -> None:
    key = reference_of(benchmark, tmp_path / "cache").sha256
    (tmp_path / "cache" / f"{key}.json").write_text(damage)

    reference = reference_of(benchmark, tmp_path / "cache")

    assert reference.gradients == {"w": (0.1,) * 6}
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [f"{key}.json"]


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("import nosuchmodule", "ModuleNotFoundError: No module named 'nosuchmodule'"),
        ("def (:", "SyntaxError: invalid syntax"),
        ("raise RuntimeError", "RuntimeError"),
        ("del loss_and_gradients", "AttributeError: module 'reference' has no attribute 'loss_and_gradients'"),
        ("def first_loss(parameters, traits): return parameters['x']", "KeyError: 'x'"),
        ("def first_loss(parameters, traits): return 1 / 0", "ZeroDivisionError: division by zero"),
    ],
)
def test_what_is_wrong_with_a_reference_is_said_with_its_line(
    benchmark: Benchmark, tmp_path: Path, code: str, message: str
) -> None:
    path = benchmark.folder / "reference.py"
    last = len(path.read_text().splitlines()) + 1
    with path.open("a") as source:
        source.write(code + "\n")

    with pytest.raises(ConfigurationError) as caught:
        reference_of(benchmark, tmp_path)

    line = "" if code.startswith("del") else f":{last}"
    assert str(caught.value).startswith(f"{path}{line}: {message}")
    assert "Mend the reference" in str(caught.value)


def test_a_reference_that_does_not_cover_the_parameters_is_named(benchmark: Benchmark, tmp_path: Path) -> None:
    with (benchmark.folder / "reference.py").open("a") as source:
        source.write("def first_loss(parameters, traits): raise ValueError('no stacked nets')\n")

    with pytest.raises(ConfigurationError, match=r"reference\.py: no stacked nets"):
        reference_of(benchmark, tmp_path)
