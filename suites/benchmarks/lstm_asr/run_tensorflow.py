"""One training step of the LSTM acoustic model in TensorFlow 1.x and 2.x: a session runs Adam's update and the loss."""
from __future__ import absolute_import, division, print_function

import math

import harness
import numpy
import tensorflow
from layers_tensorflow import LAYERS, setup_layers
from nets_tensorflow import TIME_MAJOR, CellNet, CudnnNet, Head
from settings_tensorflow import RELEASE, open_session, set_flags, v1

VERSION = tensorflow.__version__
STACKED = ("lstm_cell", "lstm_block_cell", "compat_lstm_cell", "cudnn_lstm_tf")
KEPT = 1 - float(numpy.float32(0.9))  # of a gradient in Adam's first moment, after the first step


def make_tensor(job):
    """Return a function that gives the first values of a canonical weight."""
    weight_bound = 1 / math.sqrt(job.parameters["units"])

    def tensor(name, shape, bound=weight_bound):
        return numpy.frombuffer(job.tensor(name, shape, -bound, bound), numpy.float32).reshape(shape)

    return tensor


def check(job):
    """Refuse what no graph of this script computes."""
    sizes, is_cudnn = job.parameters, job.implementation == "cudnn_lstm_tf"
    if job.traits["biases"] != 1 + is_cudnn or job.traits.get("forget_bias", 0) != 1 - is_cudnn:
        raise ValueError("the cells have one bias and a forget_bias of 1, cuDNN has two biases")
    is_flat = sizes["layers"] == 1 and not sizes["bidirectional"]
    if not is_flat and job.implementation not in STACKED or (is_cudnn and sizes["loss"] == "ctc"):
        raise ValueError("this script has no %s of this kind" % job.implementation)


def setup(job):
    tensor = make_tensor(job)
    x = tensor("x", (job.parameters["steps"], job.parameters["batch"], job.parameters["features"]), 1.0)
    if job.implementation in LAYERS:
        return setup_layers(job, tensor, x)
    check(job)
    facts = set_flags(job)
    if RELEASE >= (2, 0):
        v1.disable_v2_behavior()
    graph = tensorflow.Graph()
    with graph.as_default():
        return setup_graph(job, graph, tensor, x, facts)


def setup_graph(job, graph, tensor, x, facts):
    sizes, is_cudnn = job.parameters, job.implementation == "cudnn_lstm_tf"
    time_major = is_cudnn or job.implementation in TIME_MAJOR
    x = x if time_major else numpy.ascontiguousarray(x.transpose(1, 0, 2))
    inputs = v1.placeholder(tensorflow.float32, x.shape)
    lengths = v1.placeholder(tensorflow.int32, (sizes["batch"],))
    net = (CudnnNet if is_cudnn else CellNet)(job, inputs, lengths, tensor)
    head = Head(job, tensor)
    loss = head.loss(net.outputs, lengths, time_major)
    optimizer = v1.train.AdamOptimizer(1e-3)
    update = optimizer.minimize(loss)
    session = open_session(job, graph)
    session.run(v1.global_variables_initializer())
    net.fill(session)
    head.fill(session)
    feed = {inputs: x, head.labels: head.fed,
            lengths: job.lengths(sizes.get("shortest", sizes["steps"]), sizes["steps"], sizes["batch"])}
    last = {}

    def train_step():
        last["loss"] = session.run([update, loss], feed)[1]

    def gradients():
        """Recover them from the first moment: to fetch them would be another step than the study's."""
        moments = session.run([optimizer.get_slot(variable, "m") for variable in net.variables + [head.variable]])
        moments = [value / KEPT for value in moments]
        found = dict(net.canonical(session, moments[:-1]), **head.canonical(moments[-1]))
        return dict((name, value.ravel().tolist()) for name, value in found.items())

    return harness.Workload(
        steps={"train_step": train_step}, fetch=lambda: last["loss"], gradients=gradients, facts=facts,
        sync_name="session.run returns the loss", parameter_count=net.parameter_count + head.parameter_count)
