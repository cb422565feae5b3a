"""Fit one weight w to points p by gradient descent on mean((w - p)^2) / 2, in a plain Python loop."""
from __future__ import absolute_import, division, print_function

import platform

import harness

VERSION = platform.python_version()
RATE = 0.01


def setup(job):
    points = job.tensor("points", (job.parameters["points"],), -1.0, 1.0)
    weight = job.tensor("weight", (1,), 1.0, 2.0)
    last = {}

    def train_step():
        loss = gradient = 0.0
        for point in points:
            difference = weight[0] - point
            loss += difference * difference
            gradient += difference
        last["loss"], last["gradient"] = loss / len(points) / 2, gradient / len(points)
        weight[0] -= RATE * last["gradient"]

    return harness.Workload(
        steps={"train_step": train_step}, sync_name="none (Python)", fetch=lambda: last["loss"],
        gradients=lambda: {"weight": [last["gradient"]]}, parameter_count=len(weight),
        facts={"threads": 1, "implementation": platform.python_implementation()})
