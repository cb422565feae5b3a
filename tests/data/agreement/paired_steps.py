"""Time one step as the harness and as torch.utils.benchmark do, in turns, in one process: out/pairs.json.

Runs in place of harness.py, beside it. job.json has besides the harness's keys: pairs. A pair is one sample of the
harness, garbage collector off as in its loop, and one run of the step by Timer.timeit, which warms up twice before, in
random order: [[harness_s, timer_s]].
"""
import gc
import json
import random

import harness
from torch.utils.benchmark import Timer

PHASE = "train_step"


def by_harness(workload, step):
    gc.disable()
    try:
        return harness.Sample(workload, step, 1).wall
    finally:
        gc.enable()


def by_timer(workload, step):
    return Timer("step()", globals={"step": step}, num_threads=workload.facts["threads"]).timeit(1).mean


with open("in/job.json") as stream:
    job = json.load(stream)
launch = harness.Launch(job)
launch.load()
workload = launch.setup(job["parameters"])
step = workload.steps[PHASE]
for _ in range(job["protocol"]["warmup"]):
    step()
ways, pairs, order, generator = (by_harness, by_timer), [], [0, 1], random.Random(1)
for _ in range(job["pairs"]):
    pair = [None, None]
    generator.shuffle(order)
    for which in order:
        pair[which] = ways[which](workload, step)
    pairs.append(pair)
with open("out/pairs.json", "w") as stream:
    json.dump(pairs, stream)
