"""The LSTM of rnn_regression in float32 NumPy, gradients by hand: to plant faults in."""
from __future__ import absolute_import, division, print_function

import math

import harness
import numpy as np

VERSION = np.__version__


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def forward(w, layer, x):
    """Return every h of a layer over x (steps, batch, features), and what the way back needs."""
    h = c = np.zeros((x.shape[1], w[layer + "recurrent"].shape[1]), np.float32)
    outputs, trace = [], []
    for x_t in x:
        a = x_t.dot(w[layer + "input"].T) + h.dot(w[layer + "recurrent"].T) + w[layer + "bias_input"]
        i, f, g, o = np.split(a, 4, axis=1)
        i, f, g, o = sigmoid(i), sigmoid(f), np.tanh(g), sigmoid(o)
        before = (h, c)
        c = f * c + i * g
        h = o * np.tanh(c)
        outputs.append(h)
        trace.append((x_t, before, i, f, g, o, c))
    return np.array(outputs), trace


def backward(w, layer, trace, d_outputs, gradients):
    """Add the gradients of a layer's weights and return that of its input."""
    d_x, d_h, d_c = [], 0, 0
    for (x_t, (h, c_before), i, f, g, o, c), d_output in zip(reversed(trace), d_outputs[::-1]):
        d_h = d_h + d_output
        d_c = d_c + d_h * o * (1 - np.tanh(c) ** 2)
        d_i, d_f, d_g, d_o = d_c * g, d_c * c_before, d_c * i, d_h * np.tanh(c)
        d_a = np.concatenate((d_i * i * (1 - i), d_f * f * (1 - f), d_g * (1 - g ** 2), d_o * o * (1 - o)), axis=1)
        gradients[layer + "input"] += d_a.T.dot(x_t)
        gradients[layer + "recurrent"] += d_a.T.dot(h)
        gradients[layer + "bias_input"] += d_a.sum(axis=0)
        d_c, d_h = d_c * f, d_a.dot(w[layer + "recurrent"])
        d_x.append(d_a.dot(w[layer + "input"]))
    return np.array(d_x[::-1])


def setup(job):
    sizes, units, only_last = job.parameters, job.parameters["units"], job.parameters["outputs"] == "last"
    layers, features = ["layer.%d." % number for number in range(sizes["layers"])], sizes.get("features", units)
    bound, rate = 1 / math.sqrt(units), np.float32(sizes["rate"])

    def tensor(name, shape, low, high):
        return np.array(job.tensor(name, shape, low, high), np.float32).reshape(shape)

    w = {}
    for layer in layers:
        shapes = {"input": (4 * units, units if w else features), "recurrent": (4 * units, units),
                  "bias_input": (4 * units,)}
        w.update({layer + name: tensor(layer + name, shape, -bound, bound) for name, shape in shapes.items()})
    x = tensor("x", (sizes["steps"], sizes["batch"], features), 0.0, 1.0)
    y_shape = (sizes["batch"], units) if only_last else (sizes["steps"], sizes["batch"], units)
    y = tensor("y", y_shape, 0.0, 1.0)
    last = {}

    def run():
        traces, outputs = [], x
        for layer in layers:
            outputs, trace = forward(w, layer, outputs)
            traces.append(trace)
        error = (outputs[-1] if only_last else outputs) - y
        last["loss"] = np.mean(error ** 2)
        return traces, outputs, error

    def train_step():
        gradients = {name: np.zeros_like(value) for name, value in w.items()}
        traces, outputs, error = run()
        d_outputs = np.zeros_like(outputs)
        d_outputs[slice(-1, None) if only_last else slice(None)] = 2 * error / error.size
        for layer, trace in zip(layers[::-1], traces[::-1]):
            d_outputs = backward(w, layer, trace, d_outputs, gradients)
        last["gradients"] = gradients
        for name, gradient in gradients.items():
            w[name] -= rate * gradient

    return harness.Workload(
        steps={"forward": run, "train_step": train_step}, fetch=lambda: last["loss"], sync_name="none (NumPy)",
        gradients=lambda: {name: value.ravel().tolist() for name, value in last["gradients"].items()},
        parameter_count=sum(value.size for value in w.values()), facts={"threads": job.threads})
