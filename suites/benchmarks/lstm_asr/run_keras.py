"""One training step of the LSTM classifier in Keras 2.1, on TensorFlow or on Theano: one-hot labels, train_on_batch."""
from __future__ import absolute_import, division, print_function

import math

import harness
import keras
import numpy
from keras.layers import LSTM, CuDNNLSTM, Dense
from keras.models import Sequential
from keras.optimizers import Adam
from keras.utils import to_categorical
from layouts import LAYOUTS, from_layout, to_layout
from settings_keras import set_flags

VERSION = keras.__version__
LAYOUT = LAYOUTS["keras"]
KEPT = 1 - float(numpy.float32(0.9))  # of a gradient in Adam's first moment, after the first step
MAKERS = {
    "keras_lstm": lambda sizes: LSTM(sizes["units"], implementation=2, input_shape=(sizes["steps"], sizes["features"])),
    "keras_cudnn_lstm": lambda sizes: CuDNNLSTM(sizes["units"], input_shape=(sizes["steps"], sizes["features"])),
}


def check(job):
    """Refuse what this script does not compute: one layer in one direction, with as many biases as the layer has."""
    sizes, wanted = job.parameters, 2 if job.implementation == "keras_cudnn_lstm" else 1
    activation = job.traits.get("recurrent_activation", "sigmoid")
    if sizes["layers"] != 1 or sizes["bidirectional"] or sizes["loss"] != "cross_entropy":
        raise ValueError("this script has one layer, one direction and cross_entropy")
    if (job.traits["biases"], activation) != (wanted, "sigmoid" if wanted == 2 else "hard_sigmoid"):
        raise ValueError("LSTM has one bias and a hard_sigmoid, CuDNNLSTM two and a sigmoid")


def encode(name, value):
    """Return a canonical weight as Keras has it; the head is the matrix of a Dense layer."""
    return value.T if name == "head" else to_layout(value, LAYOUT)


def decode(name, value):
    return value.T if name == "head" else from_layout(value, LAYOUT)


def setup(job):
    check(job)
    facts, sizes, bound = set_flags(job), job.parameters, 1 / math.sqrt(job.parameters["units"])

    def tensor(name, shape, bound):
        return numpy.frombuffer(job.tensor(name, shape, -bound, bound), numpy.float32).reshape(shape)

    rows = 4 * sizes["units"]
    shapes = [("lstm.0.input", (rows, sizes["features"])), ("lstm.0.recurrent", (rows, sizes["units"])),
              ("lstm.0.bias_input", (rows,)), ("lstm.0.bias_recurrent", (rows,))]
    shapes = shapes[:2 + job.traits["biases"]] + [("head", (sizes["classes"], sizes["units"]))]
    values = [encode(name, tensor(name, shape, bound)) for name, shape in shapes]
    head = Dense(sizes["classes"], activation="softmax", use_bias=False)
    model = Sequential([MAKERS[job.implementation](sizes), head])
    biases = numpy.concatenate(values[2:-1])  # one after the other in CuDNNLSTM
    model.set_weights(values[:2] + [biases] + values[-1:])
    optimizer = Adam(lr=1e-3)
    model.compile(loss="categorical_crossentropy", optimizer=optimizer)
    x = tensor("x", (sizes["steps"], sizes["batch"], sizes["features"]), 1.0)
    x = numpy.ascontiguousarray(x.transpose(1, 0, 2))
    y = numpy.array(job.labels("y", sizes["batch"], sizes["classes"]))
    last = {}

    def train_step():
        last["loss"] = model.train_on_batch(x, to_categorical(y, sizes["classes"]))

    def gradients():
        """Recover them from the first moment, which lies behind the count of iterations: one for each weight."""
        moments = [moment / KEPT for moment in optimizer.get_weights()[1:5]]
        moments[2:3] = numpy.split(moments[2], job.traits["biases"])
        return dict((name, decode(name, moment).ravel().tolist()) for (name, _), moment in zip(shapes, moments))

    return harness.Workload(
        steps={"train_step": train_step}, fetch=lambda: last["loss"], gradients=gradients, facts=facts,
        sync_name="train_on_batch returns the loss", parameter_count=sum(value.size for value in values))
