"""One training step of the LSTM classifier in Chainer: define-by-run, Adam."""
from __future__ import absolute_import, division, print_function

import math
import os

import chainer
import chainer.functions as F
import chainer.links as L
import harness
import numpy
from layouts import LAYOUTS, from_layout, to_layout

VERSION = chainer.__version__


class NStep(object):
    """L.NStepLSTM over a list of sequences: two biases, a matrix and a vector for each gate."""

    biases, layout, batch_major = 2, LAYOUTS["chainer_nstep"], True

    def __init__(self, sizes):
        self.link = L.NStepLSTM(1, sizes["features"], sizes["units"], 0.0)

    def parts(self):
        numbers, weights = (range(4), range(4, 8)), self.link[0]
        for name, pattern in (("", "w%d"), ("bias_", "b%d")):
            for kind, chosen in zip(("input", "recurrent"), numbers):
                yield "lstm.0." + name + kind, [getattr(weights, pattern % number) for number in chosen]

    def last(self, x):
        return self.link(None, None, list(x))[0][-1]


class Cells(object):
    """L.LSTM, step by step: one bias."""

    biases, layout, batch_major = 1, LAYOUTS["chainer_lstm"], False

    def __init__(self, sizes):
        self.link = L.LSTM(sizes["features"], sizes["units"])

    def parts(self):
        yield "lstm.0.input", [self.link.upward.W]
        yield "lstm.0.recurrent", [self.link.lateral.W]
        yield "lstm.0.bias_input", [self.link.upward.b]

    def last(self, x):
        self.link.reset_state()
        for x_t in x:
            h = self.link(x_t)
        return h


NETS = {"chainer_nstep_lstm": NStep, "chainer_lstm": Cells}


def find_device(job):
    """Return the device, and what decides speed and precision as facts."""
    if job.precision != "ieee":
        raise harness.UnsupportedError("this script has no %s. Take ieee." % job.precision)
    on_gpu = job.device == "cuda"
    if on_gpu and not chainer.backends.cuda.available:
        raise harness.UnsupportedError("Chainer needs CuPy on a GPU, and there is none here")
    device = chainer.get_device("@cupy:0" if on_gpu else "@numpy")
    device.use()
    chainer.global_config.cudnn_deterministic = False
    facts = {"threads": os.environ.get("OPENBLAS_NUM_THREADS"), "precision": job.precision, "device": str(device),
             "blas": "OpenBLAS of NumPy " + numpy.__version__, "ideep": chainer.backends.intel64.is_ideep_available()}
    return device, facts


def setup(job):
    sizes, bound = job.parameters, 1 / math.sqrt(job.parameters["units"])
    net = NETS[job.implementation](sizes)
    if (sizes["layers"], sizes["bidirectional"], job.traits["biases"]) != (1, False, net.biases):
        raise ValueError("this script has one layer in one direction, NStepLSTM with two biases, LSTM with one")
    device, facts = find_device(job)

    def tensor(name, shape, bound):
        return numpy.frombuffer(job.tensor(name, shape, -bound, bound), numpy.float32).reshape(shape)

    head = L.Linear(sizes["units"], sizes["classes"], nobias=True)
    parts = dict(net.parts())
    for name, owned in parts.items():
        shape = (4 * sizes["units"],) + owned[0].shape[1:]
        pieces = numpy.split(to_layout(tensor(name, shape, bound), net.layout), len(owned))
        for one, piece in zip(owned, pieces):
            one.array[...] = piece
    head.W.array[...] = tensor("head", head.W.shape, bound)
    model = chainer.ChainList(net.link, head)
    model.to_device(device)
    optimizer = chainer.optimizers.Adam(1e-3).setup(model)
    x = tensor("x", (sizes["steps"], sizes["batch"], sizes["features"]), 1.0)
    x = numpy.ascontiguousarray(x.transpose(1, 0, 2)) if net.batch_major else x
    y = numpy.array(job.labels("y", sizes["batch"], sizes["classes"]), numpy.int32)
    last = {}

    def train_step():
        on_device = device.send(x), device.send(y)
        loss = F.softmax_cross_entropy(head(net.last(on_device[0])), on_device[1])
        model.cleargrads()
        loss.backward()
        optimizer.update()
        last["loss"] = loss.array

    def gradients():
        found = dict((name, from_layout(numpy.concatenate([chainer.get_device("@numpy").send(one.grad)
                                                           for one in owned]), net.layout))
                     for name, owned in parts.items())
        found["head"] = chainer.get_device("@numpy").send(head.W.grad)
        return dict((name, value.ravel().tolist()) for name, value in found.items())

    return harness.Workload(
        steps={"train_step": train_step}, fetch=lambda: float(last["loss"]), gradients=gradients, facts=facts,
        sync=chainer.cuda.Stream.null.synchronize if job.device == "cuda" else None,
        sync_name="Stream.synchronize" if job.device == "cuda" else "none (cpu)",
        parameter_count=sum(one.size for one in model.params()))
