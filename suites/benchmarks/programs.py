"""Scripts in another language: a program takes the times by itself, and what it wrote is judged as a script's samples.

Started as PROGRAMS says, with the name of the script, where the harness was; it reads in/job.json, does what harness.py
describes (phases, warm-up, grouping, gate), and writes out/raw.json, all times in seconds:

    version, timer, sync, import_s, setup_s, first_step_s, parameters, peak_memory_bytes, facts {name: value}
    phases     {name: {"group", "clocks": [[wall, raw] before, after], "warmup": [[wall of an iteration, loss]],
                       "samples": [[start, wall, fetch, again, end, cpu, loss]]}}, of whole samples, as clocks.Sample has them
    gate       as gate.json, or null
    failure    {"phase", "kind", "message", "log_tail"} or null; kind Unsupported: the script cannot do it
A number that is not finite is null.
"""
from __future__ import absolute_import, division, print_function

import io
import json
import os
import subprocess
from collections import namedtuple

from clocks import rounded
from reports import described

PROGRAMS = {".lua": ("luajit", "in/program.lua")}
RAW = os.path.join("out", "raw.json")
MEASURES = ("import_s", "setup_s", "first_step_s")
Timed = namedtuple("Timed", "start wall fetch again end cpu loss")


def run(launch):
    """Run the program of a launch, and make its report of what it wrote. launch: harness.Launch."""
    raw = read_raw(launch.description["script"])
    launch.measures.update((name, rounded(raw[name])) for name in MEASURES if raw.get(name) is not None)
    launch.measures["peak_memory_bytes"] = raw["peak_memory_bytes"]
    launch.report.update(timer=raw["timer"], sync=raw["sync"])
    failure = raw["failure"]
    if raw["version"]:  # none: the script could not be read
        launch.identify(raw["version"])
        launch.report["environment"].update(described(raw["facts"]))
    if failure:
        launch.phase = failure["phase"]
        status = "unsupported" if failure["kind"] == "Unsupported" else "failed"
        launch.fail(failure["kind"], failure["message"], failure["log_tail"], status=status)
    elif launch.description["mode"] == "gate":
        launch.gate = raw["gate"]
    else:
        checks = []
        for phase in launch.protocol["phases"]:
            checks += keep_phase(launch, phase, raw["phases"][phase])
        launch.conclude(checks, raw["parameters"])


def read_raw(script):
    argv = PROGRAMS[os.path.splitext(script)[1]] + (script,)
    code = subprocess.call(argv)
    if not os.path.exists(RAW):
        raise RuntimeError("%s ended with exit code %d and wrote no times. Look at the log." % (" ".join(argv), code))
    with io.open(RAW, encoding="utf-8") as stream:
        raw = json.load(stream)
    os.remove(RAW)
    return raw


def keep_phase(launch, phase, raw):
    """Put a phase into the report and return its checks."""
    launch.report["group"][phase] = raw["group"]
    launch.report["warmup"][phase] = [rounded(wall) for wall, _ in raw["warmup"]]
    launch.losses[phase] = [number(loss) for _, loss in raw["warmup"]]
    samples = [Timed(*sample[:-1], loss=number(sample[-1])) for sample in raw["samples"]]
    launch.keep_samples(phase, raw["group"], samples)
    return launch.check_samples(phase, samples, *raw["clocks"])


def number(loss):
    return float("nan") if loss is None else loss
