"""The toy step, and the ways in which a script can go wrong."""
from __future__ import absolute_import, division, print_function

import json
import os
import signal
import subprocess
import sys
import time

import toy

import harness

VERSION = toy.__version__
GATE_STEPS = 3  # a gate launch makes fewer
GOOD = '{"status": "ok", "samples": {"train_step": [1e-5, 1e-5, 1e-5, 1e-5, 1e-5]}}'
LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def write_report(text, exit_code=0):
    with open(os.path.join("out", "report.json"), "w") as file:
        file.write(text)
    os._exit(exit_code)


def raises(step):
    raise RuntimeError("the step does not work \x1b[31m[red]")


def no_kernel(step):
    raise RuntimeError("CUDA error: no kernel image is available for execution on the device")


def raises_later(step):
    if step > GATE_STEPS:
        raise RuntimeError("the step worked a while")


def exits(step):
    os._exit(7)


def exits_after_report(step):
    write_report(GOOD, exit_code=3)


def hangs(step):
    time.sleep(3600)


def hangs_deaf(step):
    """Leave a child in a session of its own and hear no polite signal."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"], start_new_session=True)
    time.sleep(3600)


def silent(step):
    os._exit(0)


def garbage(step):
    sys.stdout.write("\x1b[31m\x00\x07 garbage " * 1000)
    sys.stdout.flush()
    write_report("\x00\x01 not json [red]")


def truncated(step):
    write_report('{"status": "ok", "samples": {"train_step": [0.1, 0.')


def lies(step):
    write_report('{"status": "ok", "samples": {"train_step": [NaN, 1e308, -1.0]}}')


def times(text):
    write_report('{"status": "ok", "samples": {"train_step": [%s]}}' % text)


def no_time(step):
    times("0.01, 0")


def back_in_time(step):
    times("0.01, -1")


def out_of_time(step):
    times("1e308, 1e308")


def longer_than_it_took(step):
    times(", ".join(["0.01"] * 10000))


def good_with(**parts):
    report = json.loads(GOOD)
    report["environment"] = {"framework": "toy", "version": VERSION, "python": "3"}
    write_report(json.dumps(dict(report, **parts)))


def packed(step):
    packages = dict(("package%d" % number, "1.0") for number in range(10000))
    good_with(environment={"framework": "toy", "version": VERSION, "python": "3", "packages": packages})


def checks_all(step):
    good_with(sanity=[{"check": "own%d" % number, "ok": True} for number in range(3000)])


def talks(step):
    write_report(json.dumps({"status": "failed", "failure": {
        "phase": "setup", "kind": "Error", "message": "so much to say " * 100000}}))


def nests(step):
    write_report('{"status": "ok", "sanity": ' + "[" * 100000)


def links(step):
    os.symlink("/etc/hostname", os.path.join("out", "secret"))
    times("0.01")


def moves_out(step):
    """Put another folder in its place, where that is allowed; in a container it is not."""
    try:
        os.rename("out", "gone")
        os.symlink("/etc", "out")
    finally:
        os._exit(0)


def says_nothing(step):
    write_report('{"status": "ok"}' if step > GATE_STEPS else '{"status": "failed", "failure": null}')


def huge(step):
    write_report('"' + "x" * (80 << 20) + '"')


def memory_limit():
    for path in LIMITS:
        if os.path.exists(path):
            with open(path) as file:
                text = file.read().strip()
            return int(text) if text.isdigit() else None
    return None


def hoards(step):
    """Eat memory once somebody has set a low limit; without one this is no place for it."""
    until = time.time() + 20
    while time.time() < until:
        if (memory_limit() or 1 << 40) < 1 << 28:
            hoard = []
            while len(hoard) < 64:
                hoard.append(b"x" * (8 << 20))
        time.sleep(0.02)


FAULTS = dict((fault.__name__, fault) for fault in (
    raises, no_kernel, raises_later, exits, exits_after_report, hangs, hangs_deaf, silent, garbage, truncated, lies,
    says_nothing, huge, hoards, no_time, back_in_time, out_of_time, longer_than_it_took, packed, checks_all, talks, nests,
    links, moves_out))


def setup(job):
    iterations = job.parameters["iterations"]
    state = {"loss": 0.0, "steps": 0}
    fault = FAULTS.get(job.implementation)

    def step():
        state["steps"] += 1
        if fault is not None:
            fault(state["steps"])
        if job.implementation == "slow":
            time.sleep(0.05)
        loss = toy.work(iterations)
        state["loss"] = float("nan") if job.implementation == "not_finite" else loss

    # A container knows its GPU by a variable that came with it, a process by the one that hides the others.
    sees = os.environ.get("GIVEN", os.environ.get("CUDA_VISIBLE_DEVICES", ""))
    return harness.Workload(steps={"train_step": step}, fetch=lambda: state["loss"], facts={"sees": sees})
