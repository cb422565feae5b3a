"""Time one step as the harness does and bare, in turns, in one process. Writes out/pairs.json: [[harness_s, bare_s]].

Runs in place of harness.py, beside it. job.json has besides the harness's keys: pairs. A pair is one sample of the
harness, garbage collector off as in its loop, and one step between two readings of the clock, in random order.
"""
import gc
import json
import random
import time

import harness

PHASE = "train_step"


def by_harness(workload, step):
    gc.disable()
    try:
        return harness.Sample(workload, step, 1).wall
    finally:
        gc.enable()


def bare(_workload, step):
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


with open("in/job.json") as stream:
    job = json.load(stream)
launch = harness.Launch(job)
launch.load()
workload = launch.setup(job["parameters"])
step = workload.steps[PHASE]
for _ in range(job["protocol"]["warmup"]):
    step()
ways, pairs, order, generator = (by_harness, bare), [], [0, 1], random.Random(1)
for _ in range(job["pairs"]):
    pair = [None, None]
    generator.shuffle(order)
    for which in order:
        pair[which] = ways[which](workload, step)
    pairs.append(pair)
with open("out/pairs.json", "w") as stream:
    json.dump(pairs, stream)
