"""One training step of the LSTM classifier in PyTensor: scan, one bias, and Adam, which PyTensor has not, in the graph."""
from __future__ import absolute_import, division, print_function

import math
import os

import harness
import numpy
import pytensor
import pytensor.tensor as pt
from layouts import LAYOUTS, from_layout, to_layout

VERSION = pytensor.__version__
LAYOUT = LAYOUTS["pytensor"]
RATE, BETA_1, BETA_2, EPSILON = (numpy.float32(number) for number in (1e-3, 0.9, 0.999, 1e-8))  # Adam as in PyTorch
ONE = numpy.float32(1)


def loss_of(weights, x, y, sizes):
    """Return the mean cross entropy of x (steps, batch, features) and y (batch,). One product with x for all steps."""
    units = sizes["units"]
    projected = pt.dot(x, weights["lstm.0.input"]) + weights["lstm.0.bias_input"]

    def cell(x_t, h, c):
        gates = x_t + pt.dot(h, weights["lstm.0.recurrent"])
        i, f, g, o = [gates[:, number * units:(number + 1) * units] for number in range(4)]  # the order of LAYOUT
        c = pt.sigmoid(f) * c + pt.sigmoid(i) * pt.tanh(g)
        return pt.sigmoid(o) * pt.tanh(c), c

    zero = pt.zeros((sizes["batch"], units), dtype="float32")
    h = pytensor.scan(cell, sequences=[projected], outputs_info=[zero, zero], return_updates=False)[0][-1]
    log_p = pt.special.log_softmax(pt.dot(h, weights["head"]), axis=1)
    return -log_p[pt.arange(sizes["batch"]), y].mean()


def adam(loss, weights):
    """Return the changes of one step of Adam, and the slots of the first moments by canonical name."""
    names = sorted(weights)
    slopes = dict(zip(names, pt.grad(loss, [weights[name] for name in names])))
    first, second = (dict((name, pytensor.shared(weights[name].get_value() * 0)) for name in names) for _ in "mv")
    count = pytensor.shared(numpy.float32(0))
    changes = [(count, count + ONE)]
    rate, scale = RATE / (ONE - BETA_1 ** (count + ONE)), pt.sqrt(ONE - BETA_2 ** (count + ONE))
    for name in names:
        m = BETA_1 * first[name] + (ONE - BETA_1) * slopes[name]
        v = BETA_2 * second[name] + (ONE - BETA_2) * slopes[name] ** 2
        changes += [(first[name], m), (second[name], v),
                    (weights[name], weights[name] - rate * m / (pt.sqrt(v) / scale + EPSILON))]
    return changes, first


def check(job):
    """Refuse what this script does not compute, and where it cannot."""
    sizes = job.parameters
    if sizes["layers"] != 1 or sizes["bidirectional"] or job.traits["biases"] != 1 or job.implementation != "pytensor_scan":
        raise ValueError("this script has pytensor_scan: one layer, one direction, one bias")
    if job.precision != "ieee" or job.device != "cpu":
        raise harness.UnsupportedError("PyTensor compiles for the CPU, and for ieee only")


def setup(job):
    check(job)
    sizes, bound = job.parameters, 1 / math.sqrt(job.parameters["units"])

    def tensor(name, shape, bound):
        return numpy.frombuffer(job.tensor(name, shape, -bound, bound), numpy.float32).reshape(shape)

    rows = 4 * sizes["units"]
    shapes = {"lstm.0.input": (rows, sizes["features"]), "lstm.0.recurrent": (rows, sizes["units"]),
              "lstm.0.bias_input": (rows,), "head": (sizes["classes"], sizes["units"])}
    weights = {}
    for name, shape in shapes.items():
        value = tensor(name, shape, bound)
        value = value.T if name == "head" else to_layout(value, LAYOUT)
        weights[name] = pytensor.shared(numpy.ascontiguousarray(value), name=name)
    x = pt.tensor("x", dtype="float32", shape=(sizes["steps"], sizes["batch"], sizes["features"]))
    y = pt.tensor("y", dtype="int64", shape=(sizes["batch"],))
    loss = loss_of(weights, x, y, sizes)
    changes, first = adam(loss, weights)
    train = pytensor.function([x, y], loss, updates=changes)
    batch = tensor("x", (sizes["steps"], sizes["batch"], sizes["features"]), 1.0)
    labels = numpy.array(job.labels("y", sizes["batch"], sizes["classes"]), numpy.int64)
    last = {}

    def train_step():
        last["loss"] = train(batch, labels)

    def gradients():
        """Recover them from the first moments, which after one step are (1 - beta_1) times the gradients."""
        moments = dict((name, slot.get_value() / (ONE - BETA_1)) for name, slot in first.items())
        return dict((name, (value.T if name == "head" else from_layout(value, LAYOUT)).ravel().tolist())
                    for name, value in moments.items())

    return harness.Workload(
        steps={"train_step": train_step}, fetch=lambda: float(last["loss"]), gradients=gradients, sync_name="none (cpu)",
        parameter_count=sum(int(weight.get_value().size) for weight in weights.values()),
        facts={"threads": os.environ.get("OMP_NUM_THREADS"), "precision": job.precision, "mode": pytensor.config.mode,
               "linker": pytensor.config.linker, "blas": "OpenBLAS of NumPy " + numpy.__version__})
