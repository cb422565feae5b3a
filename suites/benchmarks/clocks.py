"""Wall and CPU clocks in seconds, alike on Python 2.7 and 3, and one timed sample."""
from __future__ import absolute_import, division, print_function

import io
import itertools
import math
import re
import resource
import sys
import time


def _posix_clock(number):
    import ctypes  # only Python 2.7, whose `time` has neither clock, comes here

    class Timespec(ctypes.Structure):
        _fields_ = [("s", ctypes.c_long), ("ns", ctypes.c_long)]

    spec, clock_gettime = Timespec(), ctypes.CDLL(None).clock_gettime
    pointer = ctypes.byref(spec)

    def read():
        clock_gettime(number, pointer)
        return spec.s + spec.ns * 1e-9

    return read


REST_S = 0.02  # by then a step no longer than this has ended, waited for or not
TIMER = "perf_counter" if hasattr(time, "perf_counter") else "clock_gettime(CLOCK_MONOTONIC)"
wall_clock = getattr(time, "perf_counter", None) or _posix_clock(1)
cpu_clock = getattr(time, "process_time", None) or _posix_clock(2)
_RAW, _read = getattr(time, "CLOCK_MONOTONIC_RAW", 4), getattr(time, "clock_gettime", None)
raw_clock = (lambda: _read(_RAW)) if _read else _posix_clock(_RAW)


def read_clocks():
    """Read the wall clock and, to hold it against, the one that nobody sets, as close together as can be."""
    readings = []
    for _ in range(5):  # the scheduler may take the CPU in between
        before, wall = raw_clock(), wall_clock()
        apart = raw_clock() - before
        readings.append((apart, wall, before + apart / 2))
    return min(readings)[1:]


class Sample(object):
    """A group of steps, timed together: wall, CPU of all threads, and `fetch`, the wait for the result after the stop.

    again: the same result fetched once more, when nothing is left to wait for: what a fetch takes by itself.
    rest_s: slept before the first fetch, by when a short step has ended, waited for or not.
    event: the same by the device's own clock, between marks before the first and after the last step; None without.
    start and end are clock readings; the first sync lies before start, so what it waits for is in no sample.
    """

    def __init__(self, workload, step, group, rest_s=0.0):
        marks = (workload.event(), workload.event()) if workload.event else ()
        workload.sync()
        cpu_start = cpu_clock()
        self.start = wall_clock()
        for mark in marks[:1]:
            mark.record()
        for _ in itertools.repeat(None, group):
            step()
        for mark in marks[1:]:
            mark.record()
        workload.sync()
        stop, cpu_stop = wall_clock(), cpu_clock()
        self.event = marks[0].elapsed_time(marks[1]) / 1e3 if marks else None
        if marks and finite(self.event) is None:
            raise ValueError("the device's own clock gave %r for a sample" % self.event)
        if rest_s:
            time.sleep(rest_s)
        asked = wall_clock()  # reading the CPU clock takes microseconds on some machines: no part of the fetch
        self.loss = float(workload.fetch())
        fetched = wall_clock()
        workload.fetch()
        self.end = wall_clock()
        self.wall, self.cpu = stop - self.start, cpu_stop - cpu_start
        self.fetch, self.again = fetched - asked, self.end - fetched


def fetch_alone(workload, step, group, wall):
    """Return the seconds that a fetch takes of a result that has long been there, and the losses of the steps for it.

    It comes after a step, which leaves the caches full: a second fetch, which finds its code there, says less.
    wall: of a sample, in seconds; where 1 % of it is longer than a fetch takes by itself, nothing is tried: (0.0, []).
    """
    if wall >= REST_S:
        return 0.0, []
    rested = [Sample(workload, step, group, REST_S) for _ in range(3)]
    return sorted(sample.fetch for sample in rested)[1], [sample.loss for sample in rested]


def peak_memory_bytes():
    """Return the most memory this program has held; ru_maxrss, which survives exec, may be that of who started it."""
    try:
        with io.open("/proc/self/status", "rb") as stream:
            held = re.search(br"VmHWM:\s*(\d+) kB", stream.read())
    except EnvironmentError:  # no /proc
        held = None
    if held:
        return int(held.group(1)) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # KiB on Linux


def rounded(number):
    """Keep six significant digits: more is noise, and a record is small."""
    return float("%.6g" % number)


def finite(number):
    """Return the number, None in place of NaN and infinity, which JSON does not have."""
    return None if math.isnan(number) or math.isinf(number) else number
