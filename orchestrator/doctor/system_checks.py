"""Judge the processor and its memory: what makes times unsteady, and what ends it."""

from collections.abc import Iterator

from orchestrator import console
from orchestrator.doctor.checks import Advice, Check
from orchestrator.doctor.facts import Conditions, System
from orchestrator.doctor.packages import as_root
from orchestrator.hardware import Machine
from orchestrator.machine import choose_cpus

UNKNOWN = "the kernel does not say"


def check_system(machine: Machine, conditions: Conditions, system: System) -> Iterator[Check]:
    """Look at what times on the processor depend on."""
    where = " in WSL" if system.is_wsl else " in a container" if system.is_container else ""
    yield Check(name="system", state="ok", found=f"{system.distribution.name}{where}, kernel {machine.kernel}")
    yield Check(name="processor", state="ok", found=f"{machine.cpu}, {machine.cores} cores, {machine.platform}")
    yield _check_load(machine, conditions)
    yield _check_governor(machine, system)
    yield _check_turbo(conditions)
    yield _check_smt(machine, conditions, system)
    yield _check_memory(machine, conditions)
    found = f"version {conditions.cgroup}" if conditions.cgroup else UNKNOWN
    yield Check(name="control groups", state="ok", found=found)


def _check_load(machine: Machine, conditions: Conditions) -> Check:
    load = conditions.load
    if load is None:
        return Check(name="load", state="warning", found=UNKNOWN)
    found = f"{load:g} on {machine.cores} cores"
    if load > machine.cores / 2:
        advice = Advice(text="Others compute here: samples will be marked. Wait until they are done.")
        return Check(name="load", state="warning", found=found, advice=advice)
    return Check(name="load", state="ok", found=found)


def _check_governor(machine: Machine, system: System) -> Check:
    governor = machine.governor
    if governor is None:
        found = "none: the clock is set outside of this system, as in a virtual machine"
        return Check(name="CPU governor", state="ok", found=found)
    if governor == "performance":
        return Check(name="CPU governor", state="ok", found=governor)
    command = "echo performance | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor"
    text = "The clock rises only after work has begun. Until the next start of the machine:"
    advice = Advice(text=text, commands=as_root(system, command))
    return Check(name="CPU governor", state="warning", found=governor, advice=advice)


def _check_turbo(conditions: Conditions) -> Check:
    known = {None: UNKNOWN, False: "off: the clock is steady", True: "on: the clock depends on heat and busy cores"}
    return Check(name="turbo", state="ok", found=known[conditions.turbo])


def _check_smt(machine: Machine, conditions: Conditions, system: System) -> Check:
    """Launches are pinned to as many CPUs as they have threads: these should be as many cores."""
    groups = [group for group in conditions.cores if set(group) & set(machine.cpus)]
    if not groups:
        return Check(name="SMT", state="ok", found=UNKNOWN)
    if all(len(group) == 1 for group in groups):
        return Check(name="SMT", state="ok", found="off: one thread a core")
    pinned = set(choose_cpus(machine, machine.cores))
    used = sum(bool(pinned & set(group)) for group in groups)
    if used < min(machine.cores, len(pinned)):
        text = f"The {len(pinned)} CPUs that launches are pinned to share {used} cores. Switch SMT off for a study:"
        advice = Advice(text=text, commands=as_root(system, "echo off | sudo tee /sys/devices/system/cpu/smt/control"))
        return Check(name="SMT", state="warning", found="on, threads of a core are neighbours", advice=advice)
    return Check(name="SMT", state="ok", found="on; a launch is pinned to one thread of each core")


def _check_memory(machine: Machine, conditions: Conditions) -> Check:
    """Warn where a launch may take more than there is: half of a machine is the least it is allowed."""
    total, free, limit = machine.memory_bytes, conditions.available_bytes, conditions.limit_bytes
    parts = [console.size(total)]
    parts += [f"{console.size(free)} available"] if free is not None else []
    parts += [f"limited to {console.size(limit)} for this program"] if limit is not None and limit < total else []
    found = ", ".join(parts)
    if free is not None and free < total / 2:
        advice = Advice(text="Others hold most of it: a launch may be ended for want of memory. See who: top -o %MEM.")
        return Check(name="memory", state="warning", found=found, advice=advice)
    return Check(name="memory", state="ok", found=found)
