"""The LSTM acoustic model in float64 NumPy: loss and gradients of the first step, written for clarity.

    a(t) = W x(t) + b + R h(t-1) + b'      h(t) = cell(a(t), c(t-1))      logits = H h

Layers feed all their h(t) to the next. A bidirectional layer has a second net that goes from each sequence's own end to
its start, and hands on both h(t), forward first. After the end of a sequence every h(t) is zero.
Cross entropy: mean over the batch, of the logits of the last step. CTC: sum over the batch, see reference_ctc.py.

Traits: biases 2 (b and b'), 1 (b) or 0; and those of the cell, see reference_cell.py.
Weights are uniform in +-1/sqrt(units), data in (-1, 1), all float32.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import portable
import reference_ctc as ctc
from reference_cell import Cell, Step, Values

Array = npt.NDArray[np.float64]
FORWARD, REVERSE = "", "reverse."
WEIGHTS = ("input", "recurrent", "bias_input", "bias_recurrent")
PEEPHOLE = "peephole"  # (3 units,): i, f, o


@dataclass(frozen=True, kw_only=True)
class Batch:
    """What a step trains on. The longest sequence comes first, and labels and x are in the same order."""

    x: Array  # (steps, batch, features)
    mask: Array  # (steps, batch, 1): 1 up to the end of a sequence, then 0
    labels: npt.NDArray[np.int64]  # (batch,), for CTC (batch, labels)


@dataclass(frozen=True, kw_only=True)
class Model:
    """The weights by their canonical names, and the cell they are for."""

    w: Mapping[str, Array]
    cell: Cell

    def peephole(self, net: str) -> Array:
        """Return (3, units), zero in a net without."""
        units = self.w[f"{net}recurrent"].shape[1]
        return self.w.get(f"{net}{PEEPHOLE}", np.zeros(3 * units)).reshape(3, units)

    def biases(self, net: str) -> list[str]:
        return [f"{net}{name}" for name in WEIGHTS[2:] if f"{net}{name}" in self.w]


def parameter_shapes(parameters: Values, traits: Values) -> dict[str, tuple[int, ...]]:
    """Return the shape of each trained tensor by its canonical name."""
    units, features, classes = (int(parameters[name]) for name in ("units", "features", "classes"))
    directions = (FORWARD, REVERSE) if parameters["bidirectional"] else (FORWARD,)
    kept = WEIGHTS[: 2 + int(traits["biases"])] + ((PEEPHOLE,) if traits.get("peepholes") else ())
    shapes: dict[str, tuple[int, ...]] = {}
    for layer in range(int(parameters["layers"])):
        inputs = units * len(directions) if layer else features
        sizes = {"input": (4 * units, inputs), "recurrent": (4 * units, units), PEEPHOLE: (3 * units,)}
        for direction in directions:
            shapes |= {f"lstm.{layer}.{direction}{name}": sizes.get(name, (4 * units,)) for name in kept}
    return shapes | {"head": (classes, units * len(directions))}


def initial_model(parameters: Values, traits: Values) -> Model:
    """Return the model with its initial weights as the portable generator gives them."""
    bound = 1.0 / math.sqrt(int(parameters["units"]))
    shapes = parameter_shapes(parameters, traits)
    return Model(w={name: _array(name, shape, bound) for name, shape in shapes.items()}, cell=Cell.of(traits))


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
    return loss_of(initial_model(parameters, traits), batch(parameters))


def loss_and_gradients(parameters: Values, traits: Values) -> tuple[float, dict[str, Array]]:
    """Return the loss of the first step and its gradient for each canonical name."""
    return gradients_of(initial_model(parameters, traits), batch(parameters))


def loss_of(model: Model, data: Batch) -> float:
    """Return the loss; keeps the h(t) of one layer at a time."""
    outputs = data.x
    for nets in _layers(model.w):
        outputs = np.concatenate([_outputs(model, net, outputs, data.mask) for net in nets], axis=2)
    return _loss(model.w, outputs, data)[0]


def gradients_of(model: Model, data: Batch) -> tuple[float, dict[str, Array]]:
    """Return the loss, and its gradients by back-propagation through layers and time."""
    gradients = {name: np.zeros_like(value) for name, value in model.w.items()}
    inputs = [data.x]
    for nets in _layers(model.w):
        inputs.append(np.concatenate([_outputs(model, net, inputs[-1], data.mask) for net in nets], axis=2))
    loss, d_outputs, gradients["head"] = _loss(model.w, inputs.pop(), data)
    for nets in reversed(_layers(model.w)):
        x = inputs.pop()
        parts = np.split(d_outputs, len(nets), axis=2)
        d_outputs = sum(
            (_backward(model, net, x, data.mask, d_h, gradients) for net, d_h in zip(nets, parts, strict=True)),
            start=np.zeros_like(x),
        )
    return loss, gradients


def _layers(w: Mapping[str, Array]) -> list[list[str]]:
    """Return for each layer the prefixes of its nets: lstm.0., lstm.0.reverse."""
    nets = [name.removesuffix("input") for name in w if name.endswith(".input")]
    return [[net for net in nets if net.startswith(f"lstm.{layer}.")] for layer in range(len(nets)) if
            f"lstm.{layer}.input" in w]


def _outputs(model: Model, net: str, x: Array, mask: Array) -> Array:
    """Return the h(t) of a net, (steps, batch, units)."""
    outputs = np.empty((*x.shape[:2], model.w[f"{net}recurrent"].shape[1]))
    for t, step in zip(_order(net, len(x)), _steps(model, net, x, mask), strict=True):
        outputs[t] = step.h
    return outputs


def _order(net: str, steps: int) -> range:
    return range(steps)[::-1] if net.endswith(REVERSE) else range(steps)


def _steps(model: Model, net: str, x: Array, mask: Array) -> Iterator[Step]:
    """Yield the steps of a net in its own order. Masked states are zero: so a reverse net starts at each end."""
    step = _initial(model, net, x)
    for t in _order(net, len(x)):
        step = _forward(model, net, x[t], step, mask[t])
        yield step


def _forward(model: Model, net: str, x_t: Array, before: Step, mask_t: Array) -> Step:
    a = x_t @ model.w[f"{net}input"].T + before.h @ model.w[f"{net}recurrent"].T
    for name in model.biases(net):
        a = a + model.w[name]
    step = model.cell.forward(a, before, model.peephole(net))
    return replace(step, c=mask_t * step.c, h=mask_t * step.h)


def _backward(
    model: Model, net: str, x: Array, mask: Array, d_outputs: Array, gradients: dict[str, Array]
) -> Array:
    """Add the gradients of a net's weights and return that of its input."""
    steps = [_initial(model, net, x), *_steps(model, net, x, mask)]
    recurrent, inputs = model.w[f"{net}recurrent"], model.w[f"{net}input"]
    d_x, d_h, d_c = np.empty_like(x), np.zeros_like(steps[0].h), np.zeros_like(steps[0].c)
    for t, before, step in zip(_order(net, len(x))[::-1], steps[-2::-1], steps[:0:-1], strict=True):
        d_h, d_c = mask[t] * (d_h + d_outputs[t]), mask[t] * d_c
        d_a, d_c, d_peephole = model.cell.backward(step, before, d_h, d_c, model.peephole(net))
        d_h, d_x[t] = d_a @ recurrent, d_a @ inputs
        gradients[f"{net}input"] += d_a.T @ x[t]
        gradients[f"{net}recurrent"] += d_a.T @ before.h
        for name in model.biases(net):
            gradients[name] += d_a.sum(axis=0)
        if f"{net}{PEEPHOLE}" in gradients:
            gradients[f"{net}{PEEPHOLE}"] += d_peephole.ravel()
    return d_x


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


def _initial(model: Model, net: str, x: Array) -> Step:
    zero = np.zeros((x.shape[1], model.w[f"{net}recurrent"].shape[1]))
    return Step(i=zero, f=zero, g=zero, o=zero, c=zero, h=zero)


def _array(name: str, shape: tuple[int, ...], bound: float) -> Array:
    flat = np.frombuffer(portable.tensor(name, shape, -bound, bound), dtype=np.float32)
    return flat.astype(np.float64).reshape(shape)
