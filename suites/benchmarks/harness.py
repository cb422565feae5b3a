"""Run one benchmark script inside an image: set up, warm up, time, check, report. Standard library, Python 2.7 to 3.14.

Started as `python in/harness.py` in a folder with `in/` (this folder's files, the script, job.json) and a writable
`out/`. Writes out/report.json, and in mode `gate` out/gate.json; exits with 0 if the report says ok, else with 1.
The report's status is ok, failed, or unsupported where the script raised UnsupportedError.

job.json  mode "measure" | "gate"; script "run_pytorch.py"; framework; promised_version (null: any); implementation;
          traits {name: value}; configuration; parameters {name: value}; probe {name: value: replaces parameters at
          the gate}; protocol {phases, warmup, samples, at_most_s, threads, precision}; device "cpu" | "cuda";
          falls (true: the loss has to); expected_parameters (trained values, null: not known)
          A phase `forward` gives the loss that `train_step` begins with; where `falls`, train_step is what lowers it.
script    VERSION       what the framework says of itself; must be what was promised
          setup(job)    returns a harness.Workload, data and model made, nothing run yet; job.parameters,
                        .implementation, .traits, .device, .precision, .threads say what is wanted, and
                        job.tensor, .labels and .lengths (see portable.py) make weights and data
          One in another language (run_torch7.lua) times itself, and is judged here by the same checks: programs.py.
gate.json {"probe": {"loss", "gradients": {name: [numbers in C order]}, "parameters"},
          "measured": {"first_loss", "parameters"}}: one step of the last phase at the probe's, one at the measured
          size, through the functions that are timed. null stands for what is not finite or not there.

A phase: at least two warm-up samples, iterations grouped until one is long enough for the clock, for half of at_most_s;
clocks.fetch_alone; then `samples` samples or what fits into at_most_s, at least 5. Stored per iteration.
"""
from __future__ import absolute_import, division, print_function

import gc
import importlib
import io
import json
import os
import platform
import sys
import traceback

import portable
import programs
import sanity
from clocks import TIMER, Sample, fetch_alone, finite, peak_memory_bytes, read_clocks, rounded, wall_clock
from reports import as_text, described, installed_packages, write_json

LEAST_SAMPLES = 5
SHORTEST_SAMPLE_S = {"cpu": 0.001, "cuda": 0.010}


class UnsupportedError(Exception):
    """Raised by a script whose work this version or this image cannot do: no failure, but a reason."""


class Job(object):
    """What a script is asked for."""

    tensor = staticmethod(portable.tensor)
    labels = staticmethod(portable.labels)
    lengths = staticmethod(portable.lengths)

    def __init__(self, description, parameters):
        self.parameters = parameters
        self.implementation = description["implementation"]
        self.traits = description["traits"]
        self.device = description["device"]
        self.precision = description["protocol"]["precision"]
        self.threads = description["protocol"]["threads"]


class Workload(object):
    """What `setup` returns.

    steps: {phase: function of nothing}. fetch: brings the loss of the last step to the host, as a float.
    sync: drains the device; sync_name: how. gradients: {canonical name: flat list, None: none} of the last step.
    parameter_count: trained values. facts: cuda, cudnn, and everything that was set (threads, tf32 ...).
    event: makes a mark of the device's own clock, with record() and elapsed_time(later mark) in milliseconds.
    device_memory: returns the peak in bytes since reset_device_memory, which is called before the samples.
    """

    sync, sync_name, gradients, parameter_count, facts = None, "", None, None, {}
    event, device_memory, reset_device_memory = None, None, None

    def __init__(self, steps, fetch, **others):
        unknown = sorted(set(others) - set(vars(Workload)))
        if unknown:
            raise TypeError("a Workload has no %s" % ", ".join(unknown))
        self.__dict__.update(others, steps=steps, fetch=fetch)
        self.sync = self.sync or (lambda: None)


class Launch(object):
    """One launch. `report` is complete at any time: a failure keeps what was seen before it."""

    def __init__(self, description):
        self.description, self.protocol = description, description["protocol"]
        self.phase, self.losses, self.gate, self.measures = "import", {}, None, {}
        self.report = {
            "status": "ok", "failure": None, "environment": None, "samples": {}, "cpu_samples": {},
            "event_samples": {}, "warmup": {}, "measures": self.measures, "sanity": [], "group": {}, "windows": {},
            "timer": TIMER, "sync": ""}

    def run(self):
        try:
            if not self.description["script"].endswith(".py"):
                programs.run(self)
                return
            self.load()
            if self.description["mode"] == "gate":
                self.run_gate()
            else:
                self.measure()
        except UnsupportedError as error:
            self.fail("Unsupported", as_text(str(error)), status="unsupported")
        except BaseException as error:  # whatever a framework raises is data, SystemExit too
            message = as_text("".join(traceback.format_exception_only(type(error), error)).strip())
            memory = isinstance(error, MemoryError) or "out of memory" in message.lower()
            self.fail("OutOfMemory" if memory else type(error).__name__, message, as_text(traceback.format_exc()))
        self.measures.setdefault("peak_memory_bytes", peak_memory_bytes())

    def fail(self, kind, message, log="", status="failed"):
        self.report["status"] = status
        self.report["failure"] = {
            "phase": self.phase, "kind": kind, "message": message[:1000], "log_tail": log[-4000:]}

    def load(self):
        start = wall_clock()
        self.script = importlib.import_module(os.path.splitext(self.description["script"])[0])
        self.measures["import_s"] = rounded(wall_clock() - start)
        self.identify(str(self.script.VERSION))

    def identify(self, version):
        name, promised = self.description["framework"], self.description["promised_version"]
        self.report["environment"] = {
            "framework": name, "version": version, "python": platform.python_version(), "cuda": None, "cudnn": None,
            "packages": installed_packages(), "flags": {}}
        if promised is not None and not sanity.same_release(promised, version):
            raise ImportError("%s %s was promised, %s imports. Build the image again." % (name, promised, version))

    def setup(self, parameters):
        self.phase = "setup"
        start = wall_clock()
        workload = self.script.setup(Job(self.description, parameters))
        workload.sync()
        # A gate launch sets up twice: the cold one, which loads and compiles what the other finds, is the longer.
        self.measures["setup_s"] = max(rounded(wall_clock() - start), self.measures.get("setup_s", 0.0))
        self.report["sync"] = workload.sync_name
        self.report["environment"].update(described(workload.facts))
        missing = sorted(set(self.protocol["phases"]) - set(workload.steps))
        if missing:
            raise ValueError("no phase %s here, only %s. Change `phases` of the protocol."
                             % (", ".join(missing), ", ".join(sorted(workload.steps))))
        return workload

    def run_gate(self):
        workload, loss = self.first_step(dict(self.description["parameters"], **self.description["probe"]))
        gradients = workload.gradients() if workload.gradients else {}
        probe = {"loss": loss, "parameters": workload.parameter_count, "gradients": dict(
            (name, None if flat is None else [finite(value) for value in flat]) for name, flat in gradients.items())}
        workload, loss = self.first_step(self.description["parameters"])
        self.gate = {"probe": probe, "measured": {"first_loss": loss, "parameters": workload.parameter_count}}

    def first_step(self, parameters):
        workload = self.setup(parameters)
        self.phase = "warmup"
        sample = Sample(workload, workload.steps[self.protocol["phases"][-1]], 1)
        self.measures["first_step_s"] = rounded(sample.wall)
        return workload, finite(sample.loss)

    def measure(self):
        workload = self.setup(self.description["parameters"])
        checks = [entry for phase in self.protocol["phases"] for entry in self.measure_phase(workload, phase)]
        self.conclude(checks, workload.parameter_count)

    def conclude(self, checks, parameter_count):
        self.phase = "sanity"
        checks = sanity.check_losses(self.losses, self.protocol, self.description["falls"]) + checks
        checks += sanity.check_parameters(self.description["expected_parameters"], parameter_count)
        self.report["sanity"] = checks
        failed = [entry for entry in checks if not entry["ok"]]
        if failed:
            self.fail(failed[0]["check"], sanity.MESSAGES[failed[0]["check"]] % failed[0])

    def measure_phase(self, workload, phase):
        before = read_clocks()
        group = self.warm_up(workload, phase, before[0] + self.protocol["at_most_s"] / 2)
        alone_s, losses = fetch_alone(workload, workload.steps[phase], group, self.report["warmup"][phase][-1] * group)
        self.losses[phase] += losses
        self.phase = "samples"
        samples = self.take_samples(workload, phase, group, before[0] + self.protocol["at_most_s"])
        if workload.device_memory:
            peaks = (self.measures.get("device_memory_bytes", 0), workload.device_memory())
            self.measures["device_memory_bytes"] = max(peaks)
        events = [sanity.check_events(phase, samples)] if workload.event else []
        return self.check_samples(phase, samples, before, read_clocks(), alone_s) + events

    def check_samples(self, phase, samples, before, after, alone_s=0.0):
        self.report["windows"][phase] = [round(samples[0].start, 4), round(samples[-1].end, 4)]  # for the host's readings
        loop_s = samples[-1].end - samples[0].start - sum(sample.fetch + sample.again for sample in samples)
        self.measures["loop_s"] = rounded(self.measures.get("loop_s", 0.0) + loop_s)
        return [sanity.check_synchronised(phase, samples, alone_s), sanity.check_loop_time(phase, samples),
                sanity.check_clock(phase, before, after)]

    def warm_up(self, workload, phase, until):
        """Warm up and return how many iterations make a sample long enough; the first one, cold, says nothing."""
        self.phase, group, wall = "warmup", 1, 0.0
        walls = self.report["warmup"][phase] = []
        shortest_s = SHORTEST_SAMPLE_S[self.description["device"]]
        while len(walls) < 2 or wall < shortest_s or (len(walls) < self.protocol["warmup"] and wall_clock() < until):
            sample = Sample(workload, workload.steps[phase], group)
            wall = sample.wall
            walls.append(rounded(wall / group))
            self.losses.setdefault(phase, []).append(sample.loss)
            self.measures.setdefault("first_step_s", walls[0])
            if wall < shortest_s:
                group = int(group * min(100.0, 1.2 * shortest_s / max(wall, 1e-9))) + 1
        self.report["group"][phase] = group
        return group

    def take_samples(self, workload, phase, group, until):
        """Take the samples of a phase, with the garbage collector off."""
        step, wanted, samples = workload.steps[phase], self.protocol["samples"], []
        if workload.reset_device_memory:
            workload.reset_device_memory()
        gc.collect()
        gc.disable()
        try:
            while len(samples) < wanted and (len(samples) < LEAST_SAMPLES or wall_clock() < until):
                samples.append(Sample(workload, step, group))
        finally:
            gc.enable()
            self.keep_samples(phase, group, samples)
            if workload.event:
                self.report["event_samples"][phase] = [rounded(sample.event / group) for sample in samples]
        return samples

    def keep_samples(self, phase, group, samples):
        self.report["samples"][phase] = [rounded(sample.wall / group) for sample in samples]
        self.report["cpu_samples"][phase] = [rounded(sample.cpu / group) for sample in samples]
        self.losses.setdefault(phase, []).extend(sample.loss for sample in samples)


def main():
    sys.modules["harness"] = sys.modules["__main__"]  # what a script imports is this module, not a second one
    with io.open(os.path.join("in", "job.json"), encoding="utf-8") as stream:
        launch = Launch(json.load(stream))
    launch.run()
    if launch.gate is not None:
        write_json(os.path.join("out", "gate.json"), launch.gate)
    write_json(os.path.join("out", "report.json"), launch.report)
    return 0 if launch.report["status"] == "ok" else 1


if __name__ == "__main__":
    sys.exit(main())
