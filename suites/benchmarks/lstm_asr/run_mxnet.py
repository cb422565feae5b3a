"""One training step of the LSTM classifier in MXNet's Gluon: copy, forward, loss, backward, Adam of a Trainer."""
from __future__ import absolute_import, division, print_function

import math
import os

import harness
import mxnet
import numpy
from layouts import LAYOUTS, from_layout, to_layout
from mxnet import autograd, gluon

VERSION = mxnet.__version__
LAYOUT = LAYOUTS["mxnet"]
KINDS = {"i2h_weight": "input", "h2h_weight": "recurrent", "i2h_bias": "bias_input", "h2h_bias": "bias_recurrent"}


class Fused(gluon.Block):
    """rnn.LSTM, time-major. MXNet 1.2 takes its kernel to train on a GPU only, and cells of the same weights on the CPU."""

    def __init__(self, sizes):
        super(Fused, self).__init__()
        with self.name_scope():
            self.lstm = gluon.rnn.LSTM(sizes["units"], sizes["layers"], bidirectional=sizes["bidirectional"],
                                       input_size=sizes["features"])
            self.head = head_of(sizes)

    def forward(self, x):
        return self.head(self.lstm(x)[-1])


class Unrolled(gluon.HybridBlock):
    """rnn.LSTMCell for each step in one graph, which hybridize() compiles."""

    def __init__(self, sizes):
        super(Unrolled, self).__init__()
        self.steps = sizes["steps"]
        with self.name_scope():
            self.lstm = gluon.rnn.LSTMCell(sizes["units"], input_size=sizes["features"])
            self.head = head_of(sizes)

    def hybrid_forward(self, F, x):
        return self.head(self.lstm.unroll(self.steps, x, layout="TNC", merge_outputs=False)[0][-1])


def head_of(sizes):
    return gluon.nn.Dense(sizes["classes"], use_bias=False, in_units=sizes["units"] * (1 + sizes["bidirectional"]))


def canonical(name):
    """Return the canonical name of lstm0_r1_i2h_weight, and of the head's weight."""
    kind = name[-10:] if name.endswith("weight") else name[-8:]
    if kind not in KINDS:
        return "head"
    place = name[:-len(kind) - 1].rpartition("_")[2]  # l0, r0; a cell has none
    layer = place[1:] if place[:1] in "lr" and place[1:].isdigit() else "0"
    return "lstm.%s.%s%s" % (layer, "reverse." if place == "r" + layer else "", KINDS[kind])


def set_flags(job):
    """Return the context, and what decides speed and precision as facts. The engine has set the threads: OMP_NUM_THREADS."""
    if job.precision != "ieee":
        raise harness.UnsupportedError("this script has no %s. Take ieee." % job.precision)
    facts = {"threads": os.environ.get("OMP_NUM_THREADS"), "precision": job.precision}
    features = getattr(mxnet, "runtime", None)  # since 1.5
    if features:
        found = features.Features()
        facts.update(features=" ".join(sorted(name for name in found if found.is_enabled(name))))
    return mxnet.gpu(0) if job.device == "cuda" else mxnet.cpu(), facts


def setup(job):
    sizes, bound = job.parameters, 1 / math.sqrt(job.parameters["units"])
    if job.traits["biases"] != 2 or sizes["loss"] != "cross_entropy":
        raise ValueError("this script has two biases and cross_entropy")
    context, facts = set_flags(job)

    def tensor(name, shape, bound):
        return numpy.frombuffer(job.tensor(name, shape, -bound, bound), numpy.float32).reshape(shape)

    model = (Fused if job.implementation == "mxnet_lstm" else Unrolled)(sizes)
    model.initialize(ctx=context)
    if job.implementation == "mxnet_lstmcell":
        model.hybridize()
    weights = dict((canonical(name), weight) for name, weight in model.collect_params().items())
    for name, weight in weights.items():
        value = tensor(name, weight.shape, bound)
        weight.set_data(mxnet.nd.array(value if name == "head" else to_layout(value, LAYOUT)))
    trainer = gluon.Trainer(model.collect_params(), "adam", {"learning_rate": 1e-3})
    loss_of = gluon.loss.SoftmaxCrossEntropyLoss()
    x = tensor("x", (sizes["steps"], sizes["batch"], sizes["features"]), 1.0)
    y = numpy.array(job.labels("y", sizes["batch"], sizes["classes"]), numpy.float32)
    last = {}

    def train_step():
        on_device = mxnet.nd.array(x, context), mxnet.nd.array(y, context)
        with autograd.record():
            loss = loss_of(model(on_device[0]), on_device[1]).mean()
        loss.backward()
        trainer.step(1)  # the loss is a mean already
        last["loss"] = loss

    def gradients():
        found = dict((name, weight.grad(context).asnumpy()) for name, weight in weights.items())
        return dict((name, (value if name == "head" else from_layout(value, LAYOUT)).ravel().tolist())
                    for name, value in found.items())

    return harness.Workload(
        steps={"train_step": train_step}, fetch=lambda: float(last["loss"].asscalar()), gradients=gradients,
        sync=mxnet.nd.waitall, sync_name="nd.waitall", facts=facts,
        parameter_count=sum(int(numpy.prod(weight.shape)) for weight in weights.values()))
