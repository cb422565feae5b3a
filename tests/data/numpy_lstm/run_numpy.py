"""The LSTM classifier in float32 NumPy with gradients by hand: an implementation to plant faults in."""
from __future__ import absolute_import, division, print_function

import math

import harness
import numpy as np

VERSION = np.__version__
RATE = np.float32(0.1)


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def setup(job):
    sizes = job.parameters
    units, classes, batch = sizes["units"], sizes["classes"], sizes["batch"]
    bound = 1 / math.sqrt(units)

    def tensor(name, shape, bound):
        return np.array(job.tensor(name, shape, -bound, bound), dtype=np.float32).reshape(shape)

    shapes = {"lstm.0.input": (4 * units, sizes["features"]), "lstm.0.recurrent": (4 * units, units),
              "lstm.0.bias_input": (4 * units,), "lstm.0.bias_recurrent": (4 * units,), "head": (classes, units)}
    w = {name: tensor(name, shape, bound) for name, shape in shapes.items()}
    x = tensor("x", (sizes["steps"], batch, sizes["features"]), 1.0)
    y = np.array(job.labels("y", batch, classes))
    last = {}

    def forward():
        h = c = np.zeros((batch, units), np.float32)
        trace = []
        for x_t in x:
            a = x_t.dot(w["lstm.0.input"].T) + w["lstm.0.bias_input"]
            a = a + h.dot(w["lstm.0.recurrent"].T) + w["lstm.0.bias_recurrent"]
            i, f, g, o = np.split(a, 4, axis=1)
            i, f, g, o = sigmoid(i), sigmoid(f), np.tanh(g), sigmoid(o)
            before = (h, c)
            c = f * c + i * g
            h = o * np.tanh(c)
            trace.append((x_t, before, i, f, g, o, c))
        return h, trace

    def backward(d_h, trace):
        gradients = {name: np.zeros_like(value) for name, value in w.items()}
        d_c = np.zeros_like(d_h)
        for x_t, (h, c_before), i, f, g, o, c in reversed(trace):
            d_c = d_c + d_h * o * (1 - np.tanh(c) ** 2)
            d_i, d_f, d_g, d_o = d_c * g, d_c * c_before, d_c * i, d_h * np.tanh(c)
            d_a = np.concatenate(
                (d_i * i * (1 - i), d_f * f * (1 - f), d_g * (1 - g ** 2), d_o * o * (1 - o)), axis=1)
            gradients["lstm.0.input"] += d_a.T.dot(x_t)
            gradients["lstm.0.recurrent"] += d_a.T.dot(h)
            gradients["lstm.0.bias_input"] += d_a.sum(axis=0)
            gradients["lstm.0.bias_recurrent"] += d_a.sum(axis=0)
            d_c, d_h = d_c * f, d_a.dot(w["lstm.0.recurrent"])
        return gradients

    def train_step():
        h, trace = forward()
        logits = h.dot(w["head"].T)
        p = np.exp(logits - logits.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        last["loss"] = -np.log(p[np.arange(batch), y]).mean()
        d_logits = p
        d_logits[np.arange(batch), y] -= 1
        d_logits /= batch
        last["gradients"] = backward(d_logits.dot(w["head"]), trace)
        last["gradients"]["head"] = d_logits.T.dot(h)
        for name, gradient in last["gradients"].items():
            w[name] -= RATE * gradient

    return harness.Workload(
        steps={"train_step": train_step}, fetch=lambda: last["loss"], sync_name="none (NumPy)",
        gradients=lambda: {name: value.ravel().tolist() for name, value in last["gradients"].items()},
        parameter_count=sum(value.size for value in w.values()), facts={"threads": job.threads})
