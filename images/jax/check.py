"""Say what JAX an image holds. Needs no GPU. Python 3."""

import json

import jax
import jax.numpy

product = jax.jit(lambda a: (a @ a).sum())(jax.numpy.ones((2, 2)))

with open("out/check.json", "w") as file:
    json.dump({"version": jax.__version__, "works": float(product) == 8.0}, file)
