"""The toy step, and the ways in which a script can go wrong."""
from __future__ import absolute_import, division, print_function

import os
import sys
import time

import toy

import harness

VERSION = toy.__version__


def raises():
    raise RuntimeError("the step does not work")


def exits():
    os._exit(7)


def hangs():
    time.sleep(3600)


def write_report(text):
    with open(os.path.join("out", "report.json"), "w") as file:
        file.write(text)
    os._exit(0)


def garbage():
    sys.stdout.write("\x1b[31m\x00\xff garbage " * 1000)
    write_report("\x00\x01 not json [red]")


def truncated():
    write_report('{"status": "ok", "samples": {"train_step": [0.1, 0.')


def lies():
    write_report('{"status": "ok", "samples": {"train_step": [NaN, 1e308, -1.0]}}')


FAULTS = {"raises": raises, "exits": exits, "hangs": hangs, "garbage": garbage, "truncated": truncated, "lies": lies}


def setup(job):
    iterations = job.parameters["iterations"]
    state = {"loss": 0.0}

    def step():
        FAULTS.get(job.implementation, lambda: None)()
        state["loss"] = toy.work(iterations)

    return harness.Workload(steps={"train_step": step}, fetch=lambda: state["loss"])
