"""What this machine is: processor, memory, GPUs, load. Read from /proc, /sys and the driver; nothing is started."""

import hashlib
import os
import platform
from pathlib import Path

from orchestrator.hardware import Machine
from orchestrator.nvml import read_gpus

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}  # uname's name -> the one images use
CLOUDS = {"amazon": "aws", "google": "gcp", "microsoft": "azure", "oracle": "oracle", "digitalocean": "digitalocean"}


def read_machine() -> Machine:
    """Describe this machine; its id is a hash of hardware and installation and names nobody."""
    cpuinfo = _text("/proc/cpuinfo")
    gpus = read_gpus()
    cpu, cores, memory_bytes = _cpu_model(cpuinfo), _physical_cores(cpuinfo), _memory_bytes()
    identity = [
        _text("/etc/machine-id"),
        cpu,
        str(cores),
        str(memory_bytes),
        *(gpu.uuid for gpu in gpus if gpu.instance is None),
    ]
    return Machine(
        id="sha256:" + hashlib.sha256("\n".join(identity).encode()).hexdigest(),
        cpu=cpu,
        cores=cores,
        cpus=tuple(sorted(os.sched_getaffinity(0))),
        memory_bytes=memory_bytes,
        kernel=platform.release(),
        platform="linux/" + ARCHITECTURES.get(platform.machine(), platform.machine()),
        governor=_text("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor") or None,
        cloud=_cloud(_text("/sys/class/dmi/id/sys_vendor")),
        gpus=gpus,
    )


def read_load() -> float | None:
    """Return the one-minute load average, None where the kernel does not say."""
    try:
        return round(os.getloadavg()[0], 2)
    except OSError:
        return None


def choose_cpus(machine: Machine, threads: int) -> tuple[int, ...]:
    """Return the logical CPUs to pin `threads` to: the last ones, since CPU 0 serves most interrupts."""
    return machine.cpus[-threads:]


def _cpu_model(cpuinfo: str) -> str:
    for line in cpuinfo.splitlines():
        if line.startswith(("model name", "Model")):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _physical_cores(cpuinfo: str) -> int:
    """Count distinct (socket, core) pairs; virtual machines that name none have one core per CPU."""
    cores: set[tuple[str, str]] = set()
    socket = ""
    for line in cpuinfo.splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "physical id":
            socket = value.strip()
        elif key.strip() == "core id":
            cores.add((socket, value.strip()))
    usable = len(os.sched_getaffinity(0))
    return min(len(cores), usable) or usable


def _memory_bytes() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _cloud(vendor: str) -> str | None:
    return next((cloud for name, cloud in CLOUDS.items() if name in vendor.lower()), None)


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
