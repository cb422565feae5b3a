"""What this machine is: processor, memory, GPUs, load. Read from /proc, /sys and the driver; nothing is started."""

import hashlib
import os
import platform
from collections.abc import Callable, Sequence
from itertools import zip_longest
from pathlib import Path

from orchestrator.hardware import Gpu, Machine
from orchestrator.nvml import read_gpus

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}  # uname's name -> the one images use
CPUINFO, MEMINFO, LOADAVG = "/proc/cpuinfo", "/proc/meminfo", "/proc/loadavg"
MACHINE_ID, VENDOR = "/etc/machine-id", "/sys/class/dmi/id/sys_vendor"
GOVERNOR = "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"
SOURCES = (CPUINFO, MEMINFO, MACHINE_ID, VENDOR, GOVERNOR)  # what describes a machine
CLOUDS = {"amazon": "aws", "google": "gcp", "microsoft": "azure", "oracle": "oracle", "digitalocean": "digitalocean"}


def read_machine() -> Machine:
    """Describe this machine."""
    cpus = tuple(sorted(os.sched_getaffinity(0)))
    return describe_machine(
        _text, kernel=platform.release(), architecture=platform.machine(), cpus=cpus, gpus=read_gpus()
    )


def describe_machine(
    read: Callable[[str], str], *, kernel: str, architecture: str, cpus: tuple[int, ...], gpus: tuple[Gpu, ...]
) -> Machine:
    """Describe a machine by its files; its id is a hash of hardware and installation and names nobody.

    read: path (one of SOURCES) -> content without white space around it, empty where there is no such file.
    kernel, architecture: as uname says them. cpus: logical ones that may be used.
    """
    cpuinfo = read(CPUINFO)
    cpu, cores = _cpu_model(cpuinfo) or architecture, _cores(cpuinfo, cpus)
    memory_bytes = _memory_bytes(read(MEMINFO))
    identity = [
        read(MACHINE_ID),
        cpu,
        str(len(cores)),
        str(memory_bytes),
        *(gpu.uuid for gpu in gpus if gpu.instance is None),
    ]
    return Machine(
        id="sha256:" + hashlib.sha256("\n".join(identity).encode()).hexdigest(),
        cpu=cpu,
        cores=len(cores),
        cpus=tuple(cpu for turn in zip_longest(*cores) for cpu in turn if cpu is not None),
        memory_bytes=memory_bytes,
        kernel=kernel,
        platform="linux/" + ARCHITECTURES.get(architecture, architecture),
        governor=read(GOVERNOR) or None,
        cloud=_cloud(read(VENDOR)),
        gpus=gpus,
    )


def read_load() -> float | None:
    """Return the one-minute load average, None where the kernel does not say."""
    return parse_load(_text(LOADAVG))


def parse_load(loadavg: str) -> float | None:
    """Read the one-minute load average from the content of /proc/loadavg."""
    first = loadavg.partition(" ")[0]
    return float(first) if first else None


def choose_cpus(machine: Machine, threads: int | None, share: int = 0, of: int = 1) -> tuple[int, ...]:
    """Return the logical CPUs to pin threads to, from one of `of` shares of the machine.

    threads: None for the physical cores of the share; fewer CPUs are returned where it has no more.
    One CPU of each core comes before a second one of any, and the last first, since CPU 0 serves most interrupts. All
    shares have the same size; what is left over is at the beginning.
    """
    first, second = machine.cpus[: machine.cores], machine.cpus[machine.cores :]
    mine = _cut(first, share, of) or (first[share % len(first)],)
    return tuple(sorted((*reversed(mine), *reversed(_cut(second, share, of)))[: threads or len(mine)]))


def _cut(cpus: tuple[int, ...], share: int, of: int) -> tuple[int, ...]:
    size = len(cpus) // of
    end = len(cpus) - size * (of - 1 - share)
    return cpus[end - size : end]


def _cpu_model(cpuinfo: str) -> str:
    for line in cpuinfo.splitlines():
        if line.startswith(("model name", "Model")):
            return line.partition(":")[2].strip()
    return ""


def _cores(cpuinfo: str, cpus: Sequence[int]) -> tuple[tuple[int, ...], ...]:
    """Sort logical CPUs by physical core; where /proc/cpuinfo names no cores, each is one of its own."""
    places: dict[int, str] = {}
    cpu, socket = -1, ""
    for line in cpuinfo.splitlines():
        key, _, value = (part.strip() for part in line.partition(":"))
        if key == "processor":
            cpu, socket = int(value), ""
        elif key == "physical id":
            socket = value
        elif key == "core id":
            places[cpu] = f"{socket}/{value}"
    cores: dict[str, list[int]] = {}
    for cpu in sorted(cpus):
        cores.setdefault(places.get(cpu, f"cpu {cpu}"), []).append(cpu)
    return tuple(tuple(core) for core in cores.values())


def _memory_bytes(meminfo: str) -> int:
    """Read MemTotal of /proc/meminfo, `MemTotal:       24684084 kB`."""
    total = next(line for line in meminfo.splitlines() if line.startswith("MemTotal:"))
    return int(total.split()[1]) * 1024


def _cloud(vendor: str) -> str | None:
    return next((cloud for name, cloud in CLOUDS.items() if name in vendor.lower()), None)


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
