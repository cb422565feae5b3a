"""One training step of the LSTM acoustic model in Lasagne on Theano 1.0: a compiled function of x and y, with Adam."""
from __future__ import absolute_import, division, print_function

import math

import harness
import numpy
import theano
import theano.tensor as T
from lasagne import layers, nonlinearities, objectives, updates
from layouts import LAYOUTS, from_layout, to_layout
from settings_theano import set_flags, wait_for

VERSION = theano.__version__
LAYOUT = LAYOUTS["lasagne"]
GATES = ("ingate", "forgetgate", "cell", "outgate")  # in the order of LAYOUT; a matrix for each
PARTS = {"input": "W_in_to_%s", "recurrent": "W_hid_to_%s", "bias_input": "b_%s"}
KEPT = 1 - float(numpy.float32(0.9))  # of a gradient in Adam's first moment, after the first step


class Net(object):
    """LSTMLayers and a head without bias; a layer in both directions is two and a ConcatLayer, as the study has it."""

    def __init__(self, sizes, x):
        self.lstms = []  # (canonical prefix, layer)
        net = layers.InputLayer((None, None, sizes["features"]), x)
        for number in range(sizes["layers"]):
            nets = [self.lstm(net, sizes, "lstm.%d." % number, False)]
            if sizes["bidirectional"]:
                nets.append(self.lstm(net, sizes, "lstm.%d.reverse." % number, True))
            net = layers.ConcatLayer(nets, axis=2) if sizes["bidirectional"] else nets[0]
        self.head = layers.DenseLayer(layers.SliceLayer(net, -1, axis=1), sizes["classes"], b=None,
                                      nonlinearity=nonlinearities.softmax)

    def lstm(self, net, sizes, prefix, backwards):
        layer = layers.LSTMLayer(net, sizes["units"], peepholes=True, backwards=backwards)
        self.lstms.append((prefix, layer))
        return layer

    def parts(self):
        """Yield canonical names, each with its layout and the parameters that make it up."""
        for prefix, layer in self.lstms:
            for name, pattern in PARTS.items():
                yield prefix + name, LAYOUT, [getattr(layer, pattern % gate) for gate in GATES]
            yield prefix + "peephole", None, [getattr(layer, "W_cell_to_" + gate) for gate in GATES if gate != "cell"]
        yield "head", None, [self.head.W]

    def trained(self):
        """Return what is trained: not the first h and c, which the study's count of 573120 has in it."""
        return [part for _, _, parts in self.parts() for part in parts]


def encode(value, layout):
    """Return a canonical weight as Lasagne has it: x W, gates side by side."""
    return numpy.ascontiguousarray(to_layout(value, layout) if layout else value.T)


def setup(job):
    facts, sizes, bound = set_flags(job), job.parameters, 1 / math.sqrt(job.parameters["units"])
    if job.traits["biases"] != 1 or not job.traits["peepholes"] or sizes["loss"] != "cross_entropy":
        raise ValueError("LSTMLayer has one bias and peepholes, and this script cross_entropy")

    def tensor(name, shape, bound):
        return numpy.array(job.tensor(name, shape, -bound, bound), "float32").reshape(shape)

    inputs, labels = T.tensor3("x"), T.ivector("y")
    net = Net(sizes, inputs)
    for name, layout, parts in net.parts():
        widths = [part.get_value().shape[-1] for part in parts]
        shape = parts[0].get_value().shape[:-1][::-1]
        value = encode(tensor(name, (sum(widths),) + shape, bound), layout)
        for part, piece in zip(parts, numpy.split(value, numpy.cumsum(widths)[:-1], axis=-1)):
            part.set_value(numpy.ascontiguousarray(piece))
    loss = objectives.categorical_crossentropy(layers.get_output(net.head), labels).mean()
    weights = net.trained()
    changes = updates.adam(loss, weights, 1e-3)
    moments = dict(zip(weights, list(changes)[::3]))  # of each parameter: first moment, second moment, itself
    train = theano.function([inputs, labels], loss, updates=changes)
    x = tensor("x", (sizes["steps"], sizes["batch"], sizes["features"]), 1.0)
    x = numpy.ascontiguousarray(x.transpose(1, 0, 2))
    y = numpy.array(job.labels("y", sizes["batch"], sizes["classes"]), "int32")
    last = {}

    def train_step():
        last["loss"] = train(x, y)  # both lie on the host

    def gradients():
        """Recover them from the first moments."""
        found = {}
        for name, layout, parts in net.parts():
            value = numpy.concatenate([moments[part].get_value() for part in parts], axis=-1) / KEPT
            found[name] = (from_layout(value, layout) if layout else value.T).ravel().tolist()
        return found

    return harness.Workload(
        steps={"train_step": train_step}, fetch=lambda: float(last["loss"]), gradients=gradients, facts=facts,
        sync=lambda: wait_for(weights[-1]), sync_name="sync of a shared variable",
        parameter_count=sum(int(weight.get_value().size) for weight in weights))
