"""Recurrent layers that regress random numbers, in JAX: lax.scan, one bias, compiled as a whole."""
from __future__ import absolute_import, division, print_function

import math
import os
from functools import partial

import harness
import jax
import jax.numpy as jnp
import numpy

VERSION = jax.__version__
MATMUL = {"ieee": "highest", "tf32": "tensorfloat32"}
CELLS = {"scan_rnn": "rnn", "scan_lstm": "lstm"}


def rnn(w, layer, state, x_t):
    h = jax.nn.sigmoid(x_t + jnp.dot(state[0], w[layer + "recurrent"].T))
    return (h,), h


def lstm(w, layer, state, x_t):
    h, c = state
    i, f, g, o = jnp.split(x_t + jnp.dot(h, w[layer + "recurrent"].T), 4, axis=1)
    c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
    h = jax.nn.sigmoid(o) * jnp.tanh(c)
    return (h, c), h


def loss_of(w, x, y, cell, only_last):
    """Return the mean squared error of x (steps, batch, features); the input projection is made before the scan."""
    step = {"rnn": rnn, "lstm": lstm}[cell]
    for number in range(sum(name.endswith("recurrent") for name in w)):
        layer = "layer.%d." % number
        zero = jnp.zeros((x.shape[1], w[layer + "recurrent"].shape[1]), x.dtype)
        projected = jnp.dot(x, w[layer + "input"].T) + w[layer + "bias_input"]
        _, x = jax.lax.scan(partial(step, w, layer), (zero,) * (1 if cell == "rnn" else 2), projected)
    return jnp.mean(((x[-1] if only_last else x) - y) ** 2)


def setup(job):
    sizes = job.parameters
    if CELLS.get(job.implementation) != sizes["cell"] or job.traits["biases"] != 1 or job.precision not in MATMUL:
        raise ValueError("this script has scan_rnn and scan_lstm with one bias, in ieee and tf32")
    jax.config.update("jax_default_matmul_precision", MATMUL[job.precision])
    jax.config.update("jax_platform_name", "gpu" if job.device == "cuda" else "cpu")
    steps, batch, units, rate = sizes["steps"], sizes["batch"], sizes["units"], sizes["rate"]
    features, bound, only_last = sizes.get("features", units), 1 / math.sqrt(units), sizes["outputs"] == "last"

    def tensor(name, shape, low, high):
        return jnp.asarray(numpy.frombuffer(job.tensor(name, shape, low, high), numpy.float32).reshape(shape))

    rows, weights = units * (4 if sizes["cell"] == "lstm" else 1), {}
    for number in range(sizes["layers"]):
        shapes = {"input": (rows, units if number else features), "recurrent": (rows, units), "bias_input": (rows,)}
        for name, shape in shapes.items():
            name = "layer.%d.%s" % (number, name)
            weights[name] = tensor(name, shape, -bound, bound)
    x = tensor("x", (steps, batch, features), 0.0, 1.0)
    y = tensor("y", (batch, units) if only_last else (steps, batch, units), 0.0, 1.0)
    loss = partial(loss_of, cell=sizes["cell"], only_last=only_last)
    last = {"weights": weights, "loss": None, "gradients": None}

    @jax.jit
    def update(weights, x, y):
        value, gradients = jax.value_and_grad(loss)(weights, x, y)
        if rate:
            weights = {name: weights[name] - rate * gradients[name] for name in weights}
        return weights, value, gradients

    only_loss = jax.jit(loss)

    def forward():
        last["loss"] = only_loss(last["weights"], x, y)

    def train_step():
        last["weights"], last["loss"], last["gradients"] = update(last["weights"], x, y)

    def gradients():
        return {name: numpy.asarray(value).ravel().tolist() for name, value in last["gradients"].items()}

    device = jax.devices()[0]
    return harness.Workload(
        steps={"forward": forward, "train_step": train_step}, fetch=lambda: numpy.asarray(last["loss"]),
        gradients=gradients, sync=lambda: jax.block_until_ready(last), sync_name="block_until_ready",
        parameter_count=sum(int(value.size) for value in weights.values()),
        facts={"threads": None, "xla_flags": os.environ.get("XLA_FLAGS"),  # it takes the CPUs it may run on
               "precision": job.precision, "matmul_precision": MATMUL[job.precision],
               "platform": device.platform, "device_kind": device.device_kind,
               "backend": device.client.platform_version})
