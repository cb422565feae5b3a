"""The LSTM acoustic model in float64 NumPy: loss and gradients of the first step, written for clarity.

    a(t) = W x(t) + b + R h(t-1) + b'      gates i, f, g, o: quarters of a
    c(t) = sigmoid(f) c(t-1) + sigmoid(i) tanh(g)
    h(t) = sigmoid(o) tanh(c(t))           logits = H h

Layers feed all their h(t) to the next. A bidirectional layer has a second net that goes from each sequence's own end to
its start, and hands on both h(t), forward first. After the end of a sequence every h(t) is zero.
Cross entropy: mean over the batch, of the logits of the last step. CTC: sum over the batch, see reference_ctc.py.

Source: Hochreiter & Schmidhuber 1997 with the forget gate of Gers et al. 2000; no peepholes.
Traits: biases 2 (b and b'), 1 (b) or 0. Weights are uniform in +-1/sqrt(units), data in (-1, 1), all float32.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import portable
import reference_ctc as ctc

Array = npt.NDArray[np.float64]
Values = Mapping[str, str | int | float | bool]
FORWARD, REVERSE = "", "reverse."
WEIGHTS = ("input", "recurrent", "bias_input", "bias_recurrent")


@dataclass(frozen=True, kw_only=True)
class Batch:
    """What a step trains on. The longest sequence comes first, and labels and x are in the same order."""

    x: Array  # (steps, batch, features)
    mask: Array  # (steps, batch, 1): 1 up to the end of a sequence, then 0
    labels: npt.NDArray[np.int64]  # (batch,), for CTC (batch, labels)


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
    """Return the shape of each trained tensor by its canonical name."""
    units, features, classes = (int(parameters[name]) for name in ("units", "features", "classes"))
    directions = (FORWARD, REVERSE) if parameters["bidirectional"] else (FORWARD,)
    kept = WEIGHTS[: 2 + int(traits["biases"])]
    shapes: dict[str, tuple[int, ...]] = {}
    for layer in range(int(parameters["layers"])):
        inputs = units * len(directions) if layer else features
        sizes = {"input": (4 * units, inputs), "recurrent": (4 * units, units)}
        for direction in directions:
            shapes |= {f"lstm.{layer}.{direction}{name}": sizes.get(name, (4 * units,)) for name in kept}
    return shapes | {"head": (classes, units * len(directions))}


def weights(parameters: Values, traits: Values) -> dict[str, Array]:
    """Return the initial weights as the portable generator gives them."""
    bound = 1.0 / math.sqrt(int(parameters["units"]))
    shapes = parameter_shapes(parameters, traits)
    return {name: _array(name, shape, bound) for name, shape in shapes.items()}


def batch(parameters: Values) -> Batch:
    """Return the data of the first step; without `shortest` all sequences have the same length."""
    steps, size, features, classes = (int(parameters[name]) for name in ("steps", "batch", "features", "classes"))
    lengths = np.array(portable.lengths(int(parameters.get("shortest", steps)), steps, size))
    if parameters["loss"] == "ctc":
        count = int(parameters["labels"])
        labels = 1 + np.array(portable.labels("y", size * count, classes - 1)).reshape(size, count)
    else:
        labels = np.array(portable.labels("y", size, classes))
    mask = (np.arange(steps)[:, None] < lengths).astype(np.float64)[:, :, None]
    return Batch(x=_array("x", (steps, size, features), 1.0), mask=mask, labels=labels)


def first_loss(parameters: Values, traits: Values) -> float:
    """Return the loss of the first step."""
    return loss_of(weights(parameters, traits), batch(parameters))


def loss_and_gradients(parameters: Values, traits: Values) -> tuple[float, dict[str, Array]]:
    """Return the loss of the first step and its gradient for each canonical name."""
    return gradients_of(weights(parameters, traits), batch(parameters))


def loss_of(w: Mapping[str, Array], data: Batch) -> float:
    """Return the loss; keeps the h(t) of one layer at a time."""
    outputs = data.x
    for nets in _layers(w):
        outputs = np.concatenate([_outputs(w, net, outputs, data.mask) for net in nets], axis=2)
    return _loss(w, outputs, data)[0]


def gradients_of(w: Mapping[str, Array], data: Batch) -> tuple[float, dict[str, Array]]:
    """Return the loss, and its gradients by back-propagation through layers and time."""
    gradients = {name: np.zeros_like(value) for name, value in w.items()}
    inputs = [data.x]
    for nets in _layers(w):
        inputs.append(np.concatenate([_outputs(w, net, inputs[-1], data.mask) for net in nets], axis=2))
    loss, d_outputs, gradients["head"] = _loss(w, inputs.pop(), data)
    for nets in reversed(_layers(w)):
        x = inputs.pop()
        parts = np.split(d_outputs, len(nets), axis=2)
        d_outputs = sum(
            (_backward(w, net, x, data.mask, d_h, gradients) for net, d_h in zip(nets, parts, strict=True)),
            start=np.zeros_like(x),
        )
    return loss, gradients


def _layers(w: Mapping[str, Array]) -> list[list[str]]:
    """Return for each layer the prefixes of its nets: lstm.0., lstm.0.reverse."""
    nets = [name.removesuffix("input") for name in w if name.endswith(".input")]
    return [[net for net in nets if net.startswith(f"lstm.{layer}.")] for layer in range(len(nets)) if
            f"lstm.{layer}.input" in w]


def _outputs(w: Mapping[str, Array], net: str, x: Array, mask: Array) -> Array:
    """Return the h(t) of a net, (steps, batch, units)."""
    outputs = np.empty((*x.shape[:2], w[f"{net}recurrent"].shape[1]))
    for t, step in zip(_order(net, len(x)), _steps(w, net, x, mask), strict=True):
        outputs[t] = step.h
    return outputs


def _order(net: str, steps: int) -> range:
    return range(steps)[::-1] if net.endswith(REVERSE) else range(steps)


def _steps(w: Mapping[str, Array], net: str, x: Array, mask: Array) -> Iterator[Step]:
    """Yield the steps of a net in its own order. Masked states are zero: so a reverse net starts at each end."""
    step = _initial(w, net, x)
    for t in _order(net, len(x)):
        step = _forward(w, net, x[t], step, mask[t])
        yield step


def _forward(w: Mapping[str, Array], net: str, x_t: Array, before: Step, mask_t: Array) -> Step:
    a = x_t @ w[f"{net}input"].T + before.h @ w[f"{net}recurrent"].T
    for name in _biases(w, net):
        a = a + w[name]
    a_i, a_f, a_g, a_o = np.split(a, 4, axis=1)
    i, f, g, o = _sigmoid(a_i), _sigmoid(a_f), np.tanh(a_g), _sigmoid(a_o)
    c = mask_t * (f * before.c + i * g)
    return Step(i=i, f=f, g=g, o=o, c=c, h=mask_t * o * np.tanh(c))


def _backward(
    w: Mapping[str, Array], net: str, x: Array, mask: Array, d_outputs: Array, gradients: dict[str, Array]
) -> Array:
    """Add the gradients of a net's weights and return that of its input."""
    steps = [_initial(w, net, x), *_steps(w, net, x, mask)]
    d_x, d_h, d_c = np.empty_like(x), np.zeros_like(steps[0].h), np.zeros_like(steps[0].c)
    for t, before, step in zip(_order(net, len(x))[::-1], steps[-2::-1], steps[:0:-1], strict=True):
        d_a, d_c = _backward_step(step, before, mask[t] * (d_h + d_outputs[t]), mask[t] * d_c)
        d_h, d_x[t] = d_a @ w[f"{net}recurrent"], d_a @ w[f"{net}input"]
        gradients[f"{net}input"] += d_a.T @ x[t]
        gradients[f"{net}recurrent"] += d_a.T @ before.h
        for name in _biases(w, net):
            gradients[name] += d_a.sum(axis=0)
    return d_x


def _backward_step(step: Step, before: Step, d_h: Array, d_c: Array) -> tuple[Array, Array]:
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


def _loss(w: Mapping[str, Array], outputs: Array, data: Batch) -> tuple[float, Array, Array]:
    """Return the loss and its gradients for the outputs of the last layer and for the head."""
    d_outputs = np.zeros_like(outputs)
    if data.labels.ndim == 1:
        loss, d_logits = _cross_entropy(outputs[-1] @ w["head"].T, data.labels)
        d_outputs[-1] = d_logits @ w["head"]
        return loss, d_outputs, d_logits.T @ outputs[-1]
    lengths = data.mask.sum(axis=(0, 2)).astype(np.int64)
    loss, d_logits = ctc.loss_and_gradient(outputs @ w["head"].T, data.labels, lengths)
    return loss, d_logits @ w["head"], np.einsum("tbk,tbu->ku", d_logits, outputs, optimize=True)


def _cross_entropy(logits: Array, labels: npt.NDArray[np.int64]) -> tuple[float, Array]:
    """Return the mean cross entropy and its gradient for the logits (batch, classes)."""
    rows = np.arange(len(labels))
    log_p = ctc.log_softmax(logits)
    d_logits = np.exp(log_p)
    d_logits[rows, labels] -= 1
    return float(-log_p[rows, labels].mean()), d_logits / len(labels)


def _initial(w: Mapping[str, Array], net: str, x: Array) -> Step:
    zero = np.zeros((x.shape[1], w[f"{net}recurrent"].shape[1]))
    return Step(i=zero, f=zero, g=zero, o=zero, c=zero, h=zero)


def _biases(w: Mapping[str, Array], net: str) -> list[str]:
    return [f"{net}{name}" for name in WEIGHTS[2:] if f"{net}{name}" in w]


def _array(name: str, shape: tuple[int, ...], bound: float) -> Array:
    flat = np.frombuffer(portable.tensor(name, shape, -bound, bound), dtype=np.float32)
    return flat.astype(np.float64).reshape(shape)


def _sigmoid(a: Array) -> Array:
    return 1 / (1 + np.exp(-a))
