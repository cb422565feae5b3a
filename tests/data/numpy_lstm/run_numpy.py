"""The LSTM acoustic model in float32 NumPy, one sequence at a time, gradients by hand: to plant faults in."""
from __future__ import absolute_import, division, print_function

import math

import harness
import numpy as np

VERSION = np.__version__
RATE = np.float32(0.01)
BLANK = 0


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def forward(w, net, x):
    """Return every h of a net over one sequence (steps, features), and what the way back needs."""
    h = c = np.zeros(w[net + "recurrent"].shape[1], np.float32)
    outputs, trace = [], []
    for x_t in x:
        a = w[net + "input"].dot(x_t) + w[net + "bias_input"]
        a = a + w[net + "recurrent"].dot(h) + w[net + "bias_recurrent"]
        i, f, g, o = np.split(a, 4)
        i, f, g, o = sigmoid(i), sigmoid(f), np.tanh(g), sigmoid(o)
        before = (h, c)
        c = f * c + i * g
        h = o * np.tanh(c)
        outputs.append(h)
        trace.append((x_t, before, i, f, g, o, c))
    return np.array(outputs), trace


def backward(w, net, trace, d_outputs, gradients):
    """Add the gradients of a net's weights and return that of its input."""
    d_x, d_h, d_c = [], 0, 0
    for (x_t, (h, c_before), i, f, g, o, c), d_output in zip(reversed(trace), d_outputs[::-1]):
        d_h = d_h + d_output
        d_c = d_c + d_h * o * (1 - np.tanh(c) ** 2)
        d_i, d_f, d_g, d_o = d_c * g, d_c * c_before, d_c * i, d_h * np.tanh(c)
        d_a = np.concatenate((d_i * i * (1 - i), d_f * f * (1 - f), d_g * (1 - g ** 2), d_o * o * (1 - o)))
        gradients[net + "input"] += np.outer(d_a, x_t)
        gradients[net + "recurrent"] += np.outer(d_a, h)
        gradients[net + "bias_input"] += d_a
        gradients[net + "bias_recurrent"] += d_a
        d_c, d_h = d_c * f, d_a.dot(w[net + "recurrent"])
        d_x.append(d_a.dot(w[net + "input"]))
    return np.array(d_x[::-1])


def log_softmax(logits):
    shifted = logits - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def cross_entropy(logits, label):
    """Return the loss of the last step of one sequence, and its gradient for the logits of every step."""
    log_p = log_softmax(logits[-1:])[0]
    gradient = np.zeros_like(logits)
    gradient[-1] = np.exp(log_p)
    gradient[-1, label] -= 1
    return -log_p[label], gradient


def paths(emitted, symbols):
    """Return the log probability of all paths up to each symbol (steps, symbols), emission included."""
    sums = np.full(emitted.shape, -np.inf, np.float32)
    sums[0, :2] = emitted[0, :2]
    for t in range(1, len(emitted)):
        for s in range(len(symbols)):
            total = sums[t - 1, s]
            if s > 0:
                total = np.logaddexp(total, sums[t - 1, s - 1])
            if s > 1 and symbols[s] not in (BLANK, symbols[s - 2]):
                total = np.logaddexp(total, sums[t - 1, s - 2])
            sums[t, s] = emitted[t, s] + total
    return sums


def ctc(logits, labels):
    """Return the CTC loss of one sequence and its gradient, by paths from both ends (Graves et al. 2006)."""
    log_p = log_softmax(logits)
    symbols = [BLANK]
    for label in labels:
        symbols += [label, BLANK]
    emitted = log_p[:, symbols]
    there, back = paths(emitted, symbols), paths(emitted[::-1, ::-1], symbols[::-1])[::-1, ::-1]
    total = np.logaddexp(there[-1, -1], there[-1, -2])
    gradient = np.exp(log_p)
    for s, symbol in enumerate(symbols):
        gradient[:, symbol] -= np.exp(there[:, s] + back[:, s] - emitted[:, s] - total)
    return -total, gradient


def shapes_of(sizes):
    directions = ("", "reverse.") if sizes["bidirectional"] else ("",)
    units, inputs, nets, shapes = sizes["units"], sizes["features"], [], {}
    for layer in range(sizes["layers"]):
        nets.append(["lstm.%d.%s" % (layer, direction) for direction in directions])
        for net in nets[-1]:
            shapes.update({net + "input": (4 * units, inputs), net + "recurrent": (4 * units, units),
                           net + "bias_input": (4 * units,), net + "bias_recurrent": (4 * units,)})
        inputs = units * len(directions)
    return nets, dict(shapes, head=(sizes["classes"], inputs))


def read_labels(job, sizes, is_ctc):
    if not is_ctc:
        return job.labels("y", sizes["batch"], sizes["classes"])
    flat = [1 + label for label in job.labels("y", sizes["batch"] * sizes["labels"], sizes["classes"] - 1)]
    return [flat[first:first + sizes["labels"]] for first in range(0, len(flat), sizes["labels"])]


def setup(job):
    sizes, is_ctc = job.parameters, job.parameters["loss"] == "ctc"
    nets, shapes = shapes_of(sizes)
    bound = 1 / math.sqrt(sizes["units"])

    def tensor(name, shape, bound):
        return np.array(job.tensor(name, shape, -bound, bound), dtype=np.float32).reshape(shape)

    w = {name: tensor(name, shape, bound) for name, shape in shapes.items()}
    x = tensor("x", (sizes["steps"], sizes["batch"], sizes["features"]), 1.0)
    labels = read_labels(job, sizes, is_ctc)
    lengths = job.lengths(sizes.get("shortest", sizes["steps"]), sizes["steps"], sizes["batch"])
    last = {}

    def train_on(sequence, label, gradients):
        layers, outputs = [], sequence
        for pair in nets:
            runs = [forward(w, net, outputs[::-1] if "reverse" in net else outputs) for net in pair]
            layers.append([trace for _, trace in runs])
            outputs = np.concatenate([h[::-1] if "reverse" in net else h for net, (h, _) in zip(pair, runs)], axis=1)
        loss, d_logits = (ctc if is_ctc else cross_entropy)(outputs.dot(w["head"].T), label)
        d_logits = d_logits if is_ctc else d_logits / sizes["batch"]  # CTC is summed over the batch
        gradients["head"] += d_logits.T.dot(outputs)
        d_outputs = d_logits.dot(w["head"])
        for pair, traces in zip(nets[::-1], layers[::-1]):
            parts = np.split(d_outputs, len(pair), axis=1)
            d_outputs = 0
            for net, trace, part in zip(pair, traces, parts):
                turn = -1 if "reverse" in net else 1
                d_outputs = d_outputs + backward(w, net, trace, part[::turn], gradients)[::turn]
        return loss if is_ctc else loss / sizes["batch"]

    def train_step():
        gradients = {name: np.zeros_like(value) for name, value in w.items()}
        last["loss"] = sum(train_on(x[:length, row], labels[row], gradients) for row, length in enumerate(lengths))
        last["gradients"] = gradients
        for name, gradient in gradients.items():
            w[name] -= RATE * gradient

    return harness.Workload(
        steps={"train_step": train_step}, fetch=lambda: last["loss"], sync_name="none (NumPy)",
        gradients=lambda: {name: value.ravel().tolist() for name, value in last["gradients"].items()},
        parameter_count=sum(value.size for value in w.values()), facts={"threads": job.threads})
