"""Time one step by the harness and by a plain loop, in turns, in one process. Writes out/pairs.json: [[harness_s, bare_s]].

Runs in place of harness.py, beside it. job.json has besides the harness's keys: pairs; a pair is the median of
`samples` steps each way, in random order.
"""
import json
import random
import statistics
import time

import harness

PHASE = "train_step"


def by_harness(launch, workload):
    launch.take_samples(workload, PHASE, 1, float("inf"))
    return statistics.median(launch.report["samples"][PHASE])


def bare(step, count):
    times_s = []
    for _ in range(count):
        start = time.perf_counter()
        step()
        times_s.append(time.perf_counter() - start)
    return statistics.median(times_s)


with open("in/job.json") as stream:
    job = json.load(stream)
launch = harness.Launch(job)
launch.load()
workload = launch.setup(job["parameters"])
step, count = workload.steps[PHASE], job["protocol"]["samples"]
ways = [lambda: by_harness(launch, workload), lambda: bare(step, count)]
for _ in range(job["protocol"]["warmup"]):
    step()
pairs, order, generator = [], [0, 1], random.Random(1)
for _ in range(job["pairs"]):
    pair = [None, None]
    generator.shuffle(order)
    for which in order:
        pair[which] = ways[which]()
    pairs.append(pair)
with open("out/pairs.json", "w") as stream:
    json.dump(pairs, stream)
