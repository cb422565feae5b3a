"""Recurrent layers that regress random numbers: BasicRNNCell and BasicLSTMCell in TensorFlow 1, tf.keras in 2."""
from __future__ import absolute_import, division, print_function

import math

import harness
import numpy
import tensorflow
from nets_tensorflow import Keras, Unrolled
from settings_tensorflow import set_flags

VERSION = tensorflow.__version__
NETS = {("basic_rnn", "rnn"): Unrolled, ("basic_lstm", "lstm"): Unrolled, ("keras_rnn", "rnn"): Keras,
        ("keras_lstm", "lstm"): Keras}


def setup(job):
    facts, sizes = set_flags(job), job.parameters
    make_net = NETS.get((job.implementation, sizes["cell"]))
    if make_net is None or job.traits["biases"] != 1 or job.traits.get("forget_bias", 0) != (
            1 if job.implementation == "basic_lstm" else 0):
        raise ValueError("this script has no %s of this kind" % job.implementation)
    steps, batch, units, only_last = sizes["steps"], sizes["batch"], sizes["units"], sizes["outputs"] == "last"
    features, bound = sizes.get("features", units), 1 / math.sqrt(units)
    rows = units * (4 if sizes["cell"] == "lstm" else 1)

    def tensor(name, shape, low, high):
        return numpy.array(job.tensor(name, shape, low, high), "float32").reshape(shape)

    values = {}
    for layer in range(sizes["layers"]):
        shapes = {"input": (rows, units if layer else features), "recurrent": (rows, units), "bias_input": (rows,)}
        for name, shape in shapes.items():
            name = "layer.%d.%s" % (layer, name)
            values[name] = tensor(name, shape, -bound, bound)
    x = tensor("x", (steps, batch, features), 0.0, 1.0)
    net = make_net(job, x, tensor("y", (batch, units) if only_last else (steps, batch, units), 0.0, 1.0))
    net.fill(values)
    last = {}

    def forward():
        last["loss"] = net.forward()

    def train_step():
        last["loss"] = net.step()

    def sync():
        """Wait for the gradients and the update too; session.run has, before it returns the loss."""
        if job.device == "cuda" and make_net is Keras:
            tensorflow.test.experimental.sync_devices()

    return harness.Workload(
        steps={"forward": forward, "train_step": train_step}, fetch=lambda: float(last["loss"]), sync=sync,
        sync_name="session.run returns the loss" if make_net is Unrolled else "sync_devices", facts=facts,
        gradients=lambda: dict((name, numpy.ravel(value).tolist()) for name, value in net.gradients().items()),
        parameter_count=sum(value.size for value in values.values()))
