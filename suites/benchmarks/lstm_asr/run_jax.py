"""One training step of the LSTM classifier in JAX: lax.scan, one bias, Adam, compiled as a whole."""
from __future__ import absolute_import, division, print_function

import math
import os

import harness
import jax
import jax.numpy as jnp
import numpy

VERSION = jax.__version__
RATE, BETA_1, BETA_2, EPSILON = 1e-3, 0.9, 0.999, 1e-8  # Adam as in PyTorch
MATMUL = {"ieee": "highest", "tf32": "tensorfloat32"}


def loss_of(weights, x, y):
    """Return the mean cross entropy of x (steps, batch, features) and y (batch,)."""

    def cell(state, x_t):
        h, c = state
        gates = jnp.dot(x_t, weights["lstm.0.input"].T) + jnp.dot(h, weights["lstm.0.recurrent"].T)
        gates = gates + weights["lstm.0.bias_input"]
        i, f, g, o = jnp.split(gates, 4, axis=1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        return (jax.nn.sigmoid(o) * jnp.tanh(c), c), None

    zero = jnp.zeros((x.shape[1], weights["head"].shape[1]), x.dtype)
    (h, _), _ = jax.lax.scan(cell, (zero, zero), x)
    log_p = jax.nn.log_softmax(jnp.dot(h, weights["head"].T))
    return -jnp.mean(jnp.take_along_axis(log_p, y[:, None], axis=1))


@jax.jit
def update(state, x, y):
    """Return the state (weights, first and second moments, count) after one step of Adam, and the loss before it."""
    weights, first, second, count = state
    loss, gradients = jax.value_and_grad(loss_of)(weights, x, y)
    count = count + 1
    first = {name: BETA_1 * first[name] + (1 - BETA_1) * gradients[name] for name in weights}
    second = {name: BETA_2 * second[name] + (1 - BETA_2) * gradients[name] ** 2 for name in weights}
    rate, scale = RATE / (1 - BETA_1 ** count), jnp.sqrt(1 - BETA_2 ** count)
    weights = {name: value - rate * first[name] / (jnp.sqrt(second[name]) / scale + EPSILON)
               for name, value in weights.items()}
    return (weights, first, second, count), loss


def setup(job):
    sizes = job.parameters
    if sizes["layers"] != 1 or sizes["bidirectional"] or job.traits["biases"] != 1 or job.implementation != "scan_lstm":
        raise ValueError("this script has scan_lstm: one layer, one direction, one bias")
    if job.precision not in MATMUL:
        raise ValueError("no %s in this script. Take ieee." % job.precision)
    jax.config.update("jax_default_matmul_precision", MATMUL[job.precision])
    jax.config.update("jax_platform_name", "gpu" if job.device == "cuda" else "cpu")
    units, bound = sizes["units"], 1 / math.sqrt(sizes["units"])

    def tensor(name, shape, bound):
        return numpy.frombuffer(job.tensor(name, shape, -bound, bound), numpy.float32).reshape(shape)

    shapes = {"lstm.0.input": (4 * units, sizes["features"]), "lstm.0.recurrent": (4 * units, units),
              "lstm.0.bias_input": (4 * units,), "head": (sizes["classes"], units)}
    weights = {name: jnp.asarray(tensor(name, shape, bound)) for name, shape in shapes.items()}
    zeros = {name: jnp.zeros_like(value) for name, value in weights.items()}
    x = tensor("x", (sizes["steps"], sizes["batch"], sizes["features"]), 1.0)
    y = numpy.array(job.labels("y", sizes["batch"], sizes["classes"]), numpy.int32)
    last = {"state": (weights, zeros, zeros, jnp.zeros((), jnp.float32)), "loss": None}

    def train_step():
        last["state"], last["loss"] = update(last["state"], x, y)  # x and y lie on the host: copied in the step

    def sync():
        for leaf in jax.tree_util.tree_leaves((last["state"], last["loss"])):
            leaf.block_until_ready()

    def gradients():
        """Recover them from the first moment, which after one step is (1 - beta_1) times the gradient."""
        return {name: (numpy.asarray(value, numpy.float64) / (1 - BETA_1)).ravel().tolist()
                for name, value in last["state"][1].items()}

    device = jax.devices()[0]
    return harness.Workload(
        steps={"train_step": train_step}, fetch=lambda: last["loss"], gradients=gradients, sync=sync,
        sync_name="block_until_ready", parameter_count=sum(int(value.size) for value in weights.values()),
        facts={"threads": None, "xla_flags": os.environ.get("XLA_FLAGS"),  # it takes the CPUs it may run on
               "precision": job.precision, "matmul_precision": MATMUL[job.precision],
               "platform": device.platform, "device_kind": device.device_kind,
               "backend": device.client.platform_version})
