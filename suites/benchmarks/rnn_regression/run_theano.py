"""Recurrent layers that regress random numbers, in Theano 1.0: theano.scan, and on a GPU with cuDNN its RNNBlock."""
from __future__ import absolute_import, division, print_function

import math

import harness
import numpy
import theano
import theano.tensor as T
from nets_theano import LAYERS, Block, Tensors
from settings_theano import set_flags, wait_for

VERSION = theano.__version__


def shapes_of(job, features):
    """Return the shape of each weight by its canonical name."""
    sizes, traits = job.parameters, job.traits
    units, rows = sizes["units"], sizes["units"] * (4 if sizes["cell"] == "lstm" else 1)
    shapes = {}
    for layer in range(sizes["layers"]):
        own = {"input": (rows, units if layer else features), "recurrent": (rows, units), "bias_input": (rows,)}
        if layer == 0 and traits.get("skip_input"):
            del own["input"]
        if traits["biases"] == 2:
            own["bias_recurrent"] = (rows,)
        if traits.get("trained_start"):
            own["start"] = (units,)
        shapes.update(("layer.%d.%s" % (layer, name), shape) for name, shape in own.items())
    return shapes


def make_net(job, values, x):
    """Return the weights, and all outputs of the last layer."""
    sizes = job.parameters
    if job.implementation == "theano_rnnblock" and sizes["cell"] == "lstm":
        net = Block(values, sizes)
        return net, net.outputs(x, T.zeros((sizes["layers"], sizes["batch"], sizes["units"])))
    make_layer = LAYERS.get((job.implementation, sizes["cell"]))
    if make_layer is None:
        raise ValueError("this script has no %s for %s" % (job.implementation, sizes["cell"]))
    net, outputs = Tensors(sizes["cell"], job.implementation), x
    for name, value in values.items():
        net.add(name, value)
    for layer in range(sizes["layers"]):
        outputs = make_layer(net.parts, "layer.%d." % layer, outputs, T.zeros((sizes["batch"], sizes["units"])))
    return net, outputs


def setup(job):
    facts, sizes = set_flags(job), job.parameters
    steps, batch, units, only_last = sizes["steps"], sizes["batch"], sizes["units"], sizes["outputs"] == "last"
    features, bound, rate = sizes.get("features", units), 1 / math.sqrt(units), numpy.float32(sizes["rate"])

    def tensor(name, shape, low, high):
        return numpy.array(job.tensor(name, shape, low, high), "float32").reshape(shape)

    values = dict((name, tensor(name, shape, -bound, bound)) for name, shape in shapes_of(job, features).items())
    x = theano.shared(tensor("x", (steps, batch, features), 0.0, 1.0))
    y = theano.shared(tensor("y", (batch, units) if only_last else (steps, batch, units), 0.0, 1.0))
    net, outputs = make_net(job, values, x)
    loss = T.mean(((outputs[-1] if only_last else outputs) - y) ** 2)
    weights = net.all()
    slopes = theano.grad(loss, weights)
    slots = [theano.shared(weight.get_value() * 0) for weight in weights]  # where the gradients stay, on the device
    updates = list(zip(slots, slopes))
    if rate:
        updates += [(weight, weight - rate * slope) for weight, slope in zip(weights, slopes)]
    compute, train = theano.function([], loss), theano.function([], loss, updates=updates)
    last = {}

    def forward():
        last["loss"] = compute()

    def train_step():
        last["loss"] = train()

    def gradients():
        return dict((name, numpy.ravel(value).tolist()) for name, value in net.canonical(slots).items())

    return harness.Workload(
        steps={"forward": forward, "train_step": train_step}, fetch=lambda: float(last["loss"]), gradients=gradients,
        sync=lambda: wait_for((slots + weights)[-1]), sync_name="sync of a shared variable",
        parameter_count=sum(value.size for value in values.values()), facts=facts)
