"""The LSTM classifier in float64 NumPy: loss and gradients of the first step, written for clarity.

    a(t) = W x(t) + b + R h(t-1) + b'      gates i, f, g, o: quarters of a
    c(t) = sigmoid(f) c(t-1) + sigmoid(i) tanh(g)
    h(t) = sigmoid(o) tanh(c(t))           logits = H h(T)      loss = mean cross entropy

Source: Hochreiter & Schmidhuber 1997 with the forget gate of Gers et al. 2000; no peepholes.
Traits: biases 2 (b and b'), 1 (b) or 0. Weights are uniform in +-1/sqrt(units), data in (-1, 1), all float32.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import portable

Array = npt.NDArray[np.float64]
Values = Mapping[str, str | int | float | bool]


@dataclass(frozen=True, kw_only=True)
class Step:
    """What the backward pass needs of one time step; each (batch, units)."""

    i: Array
    f: Array
    g: Array
    o: Array
    c: Array
    h: Array


def parameter_shapes(parameters: Values, traits: Values) -> dict[str, tuple[int, ...]]:
    """Return the shape of each trained tensor by its canonical name. Raises ValueError for more than one layer."""
    if int(parameters["layers"]) != 1 or parameters["bidirectional"]:
        raise ValueError("the reference has one layer in one direction")
    units, features, classes = (int(parameters[name]) for name in ("units", "features", "classes"))
    biases = ("lstm.0.bias_input", "lstm.0.bias_recurrent")[: int(traits["biases"])]
    return {
        "lstm.0.input": (4 * units, features),
        "lstm.0.recurrent": (4 * units, units),
        **dict.fromkeys(biases, (4 * units,)),
        "head": (classes, units),
    }


def weights(parameters: Values, traits: Values) -> dict[str, Array]:
    """Return the initial weights as the portable generator gives them."""
    bound = 1.0 / math.sqrt(int(parameters["units"]))
    shapes = parameter_shapes(parameters, traits)
    return {name: _array(name, shape, bound) for name, shape in shapes.items()}


def batch(parameters: Values) -> tuple[Array, npt.NDArray[np.int64]]:
    """Return x (steps, batch, features) and the labels (batch,)."""
    steps, size, features = (int(parameters[name]) for name in ("steps", "batch", "features"))
    labels = portable.labels("y", size, int(parameters["classes"]))
    return _array("x", (steps, size, features), 1.0), np.array(labels, dtype=np.int64)


def first_loss(parameters: Values, traits: Values) -> float:
    """Return the loss of the first step."""
    return loss_of(weights(parameters, traits), *batch(parameters))


def loss_and_gradients(parameters: Values, traits: Values) -> tuple[float, dict[str, Array]]:
    """Return the loss of the first step and its gradient for each canonical name."""
    return gradients_of(weights(parameters, traits), *batch(parameters))


def loss_of(w: Mapping[str, Array], x: Array, labels: npt.NDArray[np.int64]) -> float:
    """Return the mean cross entropy; keeps one time step at a time."""
    step = _initial(w, x)
    for x_t in x:
        step = _forward(w, x_t, step)
    return _cross_entropy(step.h @ w["head"].T, labels)[0]


def gradients_of(w: Mapping[str, Array], x: Array, labels: npt.NDArray[np.int64]) -> tuple[float, dict[str, Array]]:
    """Return the loss, and its gradients by back-propagation through time."""
    steps = [_initial(w, x)]
    for x_t in x:
        steps.append(_forward(w, x_t, steps[-1]))
    loss, d_logits = _cross_entropy(steps[-1].h @ w["head"].T, labels)
    gradients = {name: np.zeros_like(value) for name, value in w.items()}
    gradients["head"] = d_logits.T @ steps[-1].h
    d_h, d_c = d_logits @ w["head"], np.zeros_like(steps[-1].c)
    for x_t, before, step in zip(x[::-1], steps[-2::-1], steps[:0:-1], strict=True):
        d_a, d_c = _backward(step, before, d_h, d_c)
        d_h = d_a @ w["lstm.0.recurrent"]
        gradients["lstm.0.input"] += d_a.T @ x_t
        gradients["lstm.0.recurrent"] += d_a.T @ before.h
        for name in _biases(w):
            gradients[name] += d_a.sum(axis=0)
    return loss, gradients


def _forward(w: Mapping[str, Array], x_t: Array, before: Step) -> Step:
    a = x_t @ w["lstm.0.input"].T + before.h @ w["lstm.0.recurrent"].T
    for name in _biases(w):
        a = a + w[name]
    a_i, a_f, a_g, a_o = np.split(a, 4, axis=1)
    i, f, g, o = _sigmoid(a_i), _sigmoid(a_f), np.tanh(a_g), _sigmoid(a_o)
    c = f * before.c + i * g
    return Step(i=i, f=f, g=g, o=o, c=c, h=o * np.tanh(c))


def _backward(step: Step, before: Step, d_h: Array, d_c: Array) -> tuple[Array, Array]:
    """Return the gradients of a(t) (batch, 4 units) and of c(t-1)."""
    tanh_c = np.tanh(step.c)
    d_c = d_c + d_h * step.o * (1 - tanh_c**2)
    d_a = (
        d_c * step.g * step.i * (1 - step.i),
        d_c * before.c * step.f * (1 - step.f),
        d_c * step.i * (1 - step.g**2),
        d_h * tanh_c * step.o * (1 - step.o),
    )
    return np.concatenate(d_a, axis=1), d_c * step.f


def _cross_entropy(logits: Array, labels: npt.NDArray[np.int64]) -> tuple[float, Array]:
    """Return the mean cross entropy and its gradient for the logits (batch, classes)."""
    rows = np.arange(len(labels))
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    d_logits = np.exp(log_p)
    d_logits[rows, labels] -= 1
    return float(-log_p[rows, labels].mean()), d_logits / len(labels)


def _initial(w: Mapping[str, Array], x: Array) -> Step:
    zero = np.zeros((x.shape[1], w["head"].shape[1]))
    return Step(i=zero, f=zero, g=zero, o=zero, c=zero, h=zero)


def _biases(w: Mapping[str, Array]) -> list[str]:
    return [name for name in w if name.startswith("lstm.0.bias")]


def _array(name: str, shape: tuple[int, ...], bound: float) -> Array:
    flat = np.frombuffer(portable.tensor(name, shape, -bound, bound), dtype=np.float32)
    return flat.astype(np.float64).reshape(shape)


def _sigmoid(a: Array) -> Array:
    return 1 / (1 + np.exp(-a))
