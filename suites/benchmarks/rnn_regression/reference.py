"""The recurrent nets of rnn_regression in float64 NumPy: loss and gradients of the first step, written for clarity.

    a(t) = W x(t) + b + R h(t-1) + b'        h(t) = cell(a(t), h(t-1), c(t-1)), see reference_cells.py

Layers feed all their h(t) to the next. Loss: the mean of (h - y)^2 over the last h, or over every h of the last layer.

Parameter cell: rnn or lstm. Traits: the cell's; biases 2 (b and b') or 1 (b); skip_input: the first layer has no W, and
each gate gets x(t) as it is, as in cuDNN's skip mode; trained_start: h(0) of each layer is trained, else it is zero.
Weights are uniform in +-1/sqrt(units), x and y in [0, 1), all float32.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import portable
from reference_cells import CELLS, PEEPHOLE, Array, Cell, State, Values

START = "start"


@dataclass(frozen=True, kw_only=True)
class Model:
    """The weights by their canonical names, and what they are for."""

    w: Mapping[str, Array]
    cell: Cell
    skip_input: bool
    all_outputs: bool

    @property
    def layers(self) -> Sequence[str]:
        return [name.removesuffix("recurrent") for name in self.w if name.endswith(".recurrent")]

    def biases(self, layer: str) -> list[str]:
        return [layer + name for name in ("bias_input", "bias_recurrent") if layer + name in self.w]


def parameter_shapes(parameters: Values, traits: Values) -> dict[str, tuple[int, ...]]:
    """Return the shape of each trained tensor by its canonical name."""
    units, features = int(parameters["units"]), int(parameters.get("features", parameters["units"]))
    rows = CELLS[str(parameters["cell"])].gates * units
    if traits.get("skip_input") and features != units:
        raise ValueError("skip_input needs as many features as units")
    shapes: dict[str, tuple[int, ...]] = {}
    for layer in range(int(parameters["layers"])):
        own: dict[str, tuple[int, ...]] = {"input": (rows, units if layer else features), "recurrent": (rows, units)}
        own |= {name: (rows,) for name in ("bias_input", "bias_recurrent")[: int(traits["biases"])]}
        own |= {PEEPHOLE: (3 * units,)} if traits.get("peepholes") else {}
        own |= {START: (units,)} if traits.get("trained_start") else {}
        if traits.get("skip_input") and layer == 0:
            del own["input"]
        shapes |= {f"layer.{layer}.{name}": shape for name, shape in own.items()}
    return shapes


def initial_model(parameters: Values, traits: Values) -> Model:
    """Return the model with its initial weights as the portable generator gives them."""
    bound = 1.0 / math.sqrt(int(parameters["units"]))
    return Model(
        w={name: _array(name, shape, -bound, bound) for name, shape in parameter_shapes(parameters, traits).items()},
        cell=CELLS[str(parameters["cell"])].of(traits),
        skip_input=bool(traits.get("skip_input", False)),
        all_outputs=parameters["outputs"] == "all",
    )


def batch(parameters: Values) -> tuple[Array, Array]:
    """Return x (steps, batch, features) and y: (steps, batch, units), or without steps for the last output."""
    steps, size, units = (int(parameters[name]) for name in ("steps", "batch", "units"))
    x = _array("x", (steps, size, int(parameters.get("features", units))), 0.0, 1.0)
    return x, _array("y", (steps, size, units) if parameters["outputs"] == "all" else (size, units), 0.0, 1.0)


def first_loss(parameters: Values, traits: Values) -> float:
    """Return the loss of the first step."""
    return loss_of(initial_model(parameters, traits), *batch(parameters))


def loss_and_gradients(parameters: Values, traits: Values) -> tuple[float, dict[str, Array]]:
    """Return the loss of the first step and its gradient for each canonical name."""
    return gradients_of(initial_model(parameters, traits), *batch(parameters))


def loss_of(model: Model, x: Array, y: Array) -> float:
    """Return the loss; keeps the h(t) of one layer at a time."""
    for layer in model.layers:
        x = np.stack([state.h for state in _states(model, layer, x)][1:])
    return _loss(model, x, y)[0]


def gradients_of(model: Model, x: Array, y: Array) -> tuple[float, dict[str, Array]]:
    """Return the loss, and its gradients by back-propagation through layers and time."""
    gradients = {name: np.zeros_like(value) for name, value in model.w.items()}
    inputs, states = [x], []
    for layer in model.layers:
        states.append(list(_states(model, layer, inputs[-1])))
        inputs.append(np.stack([state.h for state in states[-1][1:]]))
    loss, d_outputs = _loss(model, inputs.pop(), y)
    for layer in reversed(model.layers):
        d_outputs = _backward(model, layer, inputs.pop(), states.pop(), d_outputs, gradients)
    return loss, gradients


def _states(model: Model, layer: str, x: Array) -> Iterator[State]:
    """Yield the states of a layer at the times 0 (before the first step) to T."""
    recurrent = model.w[layer + "recurrent"]
    zero = np.zeros((x.shape[1], recurrent.shape[1]))
    state = State(h=zero + model.w.get(layer + START, 0.0), c=zero)
    yield state
    for x_t in x:
        a = _from_input(model, layer, x_t) + state.h @ recurrent.T
        for name in model.biases(layer):
            a = a + model.w[name]
        state = model.cell.forward(a, state, model.w.get(layer + PEEPHOLE))
        yield state


def _from_input(model: Model, layer: str, x_t: Array) -> Array:
    if layer + "input" in model.w:
        return x_t @ model.w[layer + "input"].T
    return np.tile(x_t, model.cell.gates)


def _backward(
    model: Model, layer: str, x: Array, states: Sequence[State], d_outputs: Array, gradients: dict[str, Array]
) -> Array:
    """Add the gradients of a layer's weights and return that of its input; without W nothing goes further back."""
    d_x, d_h, d_c = np.zeros_like(x), np.zeros_like(states[0].h), np.zeros_like(states[0].c)
    for t in reversed(range(len(x))):
        before, after = states[t], states[t + 1]
        d_a, d_c, d_peephole = model.cell.backward(
            after, before, d_h + d_outputs[t], d_c, model.w.get(layer + PEEPHOLE)
        )
        d_h = d_a @ model.w[layer + "recurrent"]
        gradients[layer + "recurrent"] += d_a.T @ before.h
        for name in model.biases(layer):
            gradients[name] += d_a.sum(axis=0)
        if layer + PEEPHOLE in gradients:
            gradients[layer + PEEPHOLE] += d_peephole
        if layer + "input" in gradients:
            gradients[layer + "input"] += d_a.T @ x[t]
            d_x[t] = d_a @ model.w[layer + "input"]
    if layer + START in gradients:
        gradients[layer + START] += d_h.sum(axis=0)
    return d_x


def _loss(model: Model, outputs: Array, y: Array) -> tuple[float, Array]:
    """Return the mean squared error and its gradient for every output of the last layer."""
    error = (outputs if model.all_outputs else outputs[-1]) - y
    d_error = 2 * error / error.size
    if model.all_outputs:
        return float(np.mean(error**2)), d_error
    d_outputs = np.zeros_like(outputs)
    d_outputs[-1] = d_error
    return float(np.mean(error**2)), d_outputs


def _array(name: str, shape: tuple[int, ...], low: float, high: float) -> npt.NDArray[np.float64]:
    flat = np.frombuffer(portable.tensor(name, shape, low, high), dtype=np.float32)
    return flat.astype(np.float64).reshape(shape)
