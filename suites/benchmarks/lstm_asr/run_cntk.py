"""One training step of the LSTM classifier in CNTK: a Trainer with Adam, on a batch that lies on the host."""
from __future__ import absolute_import, division, print_function

import math

import cntk
import harness
import numpy
from layouts import LAYOUTS, from_layout, to_layout

VERSION = cntk.__version__
LAYOUT = LAYOUTS["cntk"]
BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8
KEPT = 1 - float(numpy.float32(BETA_1))  # of a gradient in Adam's first moment, after the first step


def set_flags(job):
    """Choose device and threads, and return what decides speed and precision as facts."""
    if job.precision != "ieee":
        raise harness.UnsupportedError("this script has no %s. Take ieee." % job.precision)
    on_gpu = job.device == "cuda"
    device = cntk.device.gpu(0) if on_gpu else cntk.device.cpu()
    if not cntk.device.try_set_default_device(device):
        raise harness.UnsupportedError("this build of CNTK cannot use %s" % device)
    cntk.cntk_py.set_max_num_cputhreads(job.threads)  # by itself it counts the processors of the machine
    return {"threads": cntk.cntk_py.get_max_num_cputhreads(), "precision": job.precision, "cntk_device": str(device)}


def adam(parameters, batch):
    """Return Adam as it is elsewhere: moments of weights 1 - beta, constant whatever the batch; a rate of 1e-3.

    CNTK divides the rate by the batch, since its gradients are sums; without unit_gain it would not weigh them.
    """
    same = cntk.learners.IGNORE
    rate = cntk.learning_parameter_schedule(1e-3 * batch, minibatch_size=same)
    betas = [cntk.momentum_schedule(beta, minibatch_size=same) for beta in (BETA_1, BETA_2)]
    return cntk.adam(parameters, rate, betas[0], unit_gain=True, variance_momentum=betas[1], epsilon=EPSILON)


def setup(job):
    sizes, bound = job.parameters, 1 / math.sqrt(job.parameters["units"])
    if job.implementation != "cntk_lstm" or (sizes["layers"], sizes["bidirectional"], job.traits["biases"]) != (1, False, 1):
        raise ValueError("this script has cntk_lstm: one layer, one direction, one bias")
    facts = set_flags(job)

    def tensor(name, shape, bound):
        return numpy.frombuffer(job.tensor(name, shape, -bound, bound), numpy.float32).reshape(shape)

    inputs, labels = cntk.sequence.input_variable(sizes["features"]), cntk.input_variable(sizes["classes"])
    last_h = cntk.layers.Fold(cntk.layers.LSTM(sizes["units"]))(inputs)
    head = cntk.layers.Dense(sizes["classes"], bias=False)
    logits = head(last_h)
    weights = {"lstm.0.input": last_h.W, "lstm.0.recurrent": last_h.H, "lstm.0.bias_input": last_h.b, "head": head.W}
    for name, weight in weights.items():
        value = tensor(name, weight.shape[::-1], bound)
        weight.value = numpy.ascontiguousarray(value.T if name == "head" else to_layout(value, LAYOUT))
    loss = cntk.cross_entropy_with_softmax(logits, labels)
    learner = adam(logits.parameters, sizes["batch"])
    trainer = cntk.Trainer(logits, loss, [learner])
    x = tensor("x", (sizes["steps"], sizes["batch"], sizes["features"]), 1.0)
    y = numpy.array(job.labels("y", sizes["batch"], sizes["classes"]))
    batch = {inputs: numpy.ascontiguousarray(x.transpose(1, 0, 2)),
             labels: numpy.eye(sizes["classes"], dtype=numpy.float32)[y]}
    last = {}

    def train_step():
        trainer.train_minibatch(batch)
        last["loss"] = trainer.previous_minibatch_loss_average

    def gradients():
        """Recover them from the first moments, which lie below the second ones, of the sum over the batch."""
        states = learner.create_checkpoint()["smoothed_gradients"]
        moments = dict((weight.uid, state[len(state) // 2:] / KEPT / sizes["batch"])
                       for weight, state in zip(learner.parameters, states))
        found = dict((name, moments[weight.uid].reshape(weight.shape)) for name, weight in weights.items())
        return dict((name, (value.T if name == "head" else from_layout(value, LAYOUT)).ravel().tolist())
                    for name, value in found.items())

    return harness.Workload(
        steps={"train_step": train_step}, fetch=lambda: last["loss"], gradients=gradients, facts=facts,
        sync_name="reading the loss of the batch",
        parameter_count=sum(int(numpy.prod(weight.shape)) for weight in weights.values()))
