"""Read what system this is: distribution, what it runs in, installed programs, and what its processor is set to."""

import os
import re
import shlex
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from orchestrator.doctor.facts import Conditions, Distribution, System
from orchestrator.machine import read_load

PROGRAMS = ("docker", "dockerd", "podman", "nvidia-ctk", "nvidia-container-runtime-hook", "nvidia-cdi-hook")
_SERVICE_FOLDERS = ("/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/local/bin", "/usr/bin")  # not on every user's PATH
# Where a driver may lie that the loader does not know: of WSL, of machines that mount it.
_DRIVER_FOLDERS = ("/usr/lib/wsl/lib", "/usr/local/nvidia/lib64", "/usr/local/nvidia/lib")
_CPUS = "sys/devices/system/cpu"
_NVIDIA, _DISPLAY = "0x10de", "0x03"  # PCI vendor, and the class of display controllers


def read_system(env: Mapping[str, str], root: Path = Path("/")) -> System:
    """Describe the system. env: PATH of the user, and what a cluster sets. root: where its files lie."""
    pci = root / "sys/bus/pci/devices"
    return System(
        distribution=_read_distribution(root),
        is_wsl="microsoft" in _text(root / "proc/version").lower(),
        is_container=(root / ".dockerenv").exists()
        or (root / "run/.containerenv").exists()
        or "KUBERNETES_SERVICE_HOST" in env,
        is_root=os.geteuid() == 0,
        has_systemd=(root / "run/systemd/system").is_dir(),
        programs=frozenset(_installed(env.get("PATH", ""), root)),
        nvidia_cards=sum(
            _text(card / "vendor") == _NVIDIA and _text(card / "class").startswith(_DISPLAY) for card in pci.glob("*")
        ),
        libcuda=next(
            (
                folder
                for folder in (*env.get("LD_LIBRARY_PATH", "").split(":"), *_DRIVER_FOLDERS)
                if folder and (root / folder.lstrip("/") / "libcuda.so.1").exists()
            ),
            "",
        ),
    )


def read_conditions(root: Path = Path("/")) -> Conditions:
    """Read what makes times on the processor steady or not. root: where /proc and /sys lie."""
    groups = {_cpu_list(_text(path)) for path in (root / _CPUS).glob("cpu[0-9]*/topology/thread_siblings_list")}
    version = {True: 2, False: 1 if (root / "sys/fs/cgroup/memory").is_dir() else None}
    return Conditions(
        load=read_load(),
        turbo=_read_turbo(root),
        cores=tuple(sorted(group for group in groups if group)),
        available_bytes=_read_available(root),
        limit_bytes=min(_memory_limits(root), default=None),
        cgroup=version[(root / "sys/fs/cgroup/cgroup.controllers").exists()],
    )


def _read_distribution(root: Path) -> Distribution:
    """Source: os-release(5): lines as a shell reads them."""
    text = _text(root / "etc/os-release") or _text(root / "usr/lib/os-release")
    pairs = [line.partition("=") for line in text.splitlines() if "=" in line and not line.startswith("#")]
    said = {name: " ".join(shlex.split(value)) for name, _, value in pairs}
    return Distribution(
        id=said.get("ID", ""),
        like=tuple(said.get("ID_LIKE", "").split()),
        version=said.get("VERSION_ID", ""),
        name=said.get("PRETTY_NAME", "this Linux"),
    )


def _installed(path: str, root: Path) -> Iterator[str]:
    folders = [str(root / folder.lstrip("/")) for folder in (*path.split(":"), *_SERVICE_FOLDERS) if folder]
    for program in PROGRAMS:
        if shutil.which(program, path=":".join(folders)):
            yield program


def _read_turbo(root: Path) -> bool | None:
    """Intel's own driver says whether it is off, all others whether it is on."""
    off, on = _text(root / _CPUS / "intel_pstate/no_turbo"), _text(root / _CPUS / "cpufreq/boost")
    return off == "0" if off else (on == "1" if on else None)


def _cpu_list(text: str) -> tuple[int, ...]:
    """Read a list of the kernel's: `0-1,8`."""
    spans = [part.partition("-") for part in text.split(",") if part]
    return tuple(cpu for first, _, last in spans for cpu in range(int(first), int(last or first) + 1))


def _read_available(root: Path) -> int | None:
    found = re.search(r"^MemAvailable:\s+(\d+) kB$", _text(root / "proc/meminfo"), re.MULTILINE)
    return int(found[1]) * 1024 if found else None


def _memory_limits(root: Path) -> Iterator[int]:
    """Yield the limits of this process's control group and of those around it; far above all memory means none."""
    groups = [line.split(":", 2) for line in _text(root / "proc/self/cgroup").splitlines() if line.count(":") >= 2]
    for _, controllers, path in groups:
        if "memory" in controllers.split(","):
            folder, file = root / "sys/fs/cgroup/memory", "memory.limit_in_bytes"
        elif not controllers:
            folder, file = root / "sys/fs/cgroup", "memory.max"
        else:
            continue
        own = folder / path.lstrip("/")
        for place in (own, *own.parents):
            if place.is_relative_to(folder):
                text = _text(place / file)
                if text.isdigit() and int(text) < 2**60:
                    yield int(text)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
