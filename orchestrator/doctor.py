"""What this machine can do for `orch`: each check with what was found and, where it matters, the remedy."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from orchestrator import console
from orchestrator.engines import Engine
from orchestrator.errors import EngineError
from orchestrator.hardware import Machine
from orchestrator.interpreters import list_interpreters
from orchestrator.machine import read_load


@dataclass(frozen=True, kw_only=True)
class Check:
    """One finding; a remedy is given where something is missing."""

    name: str
    state: Literal["ok", "warning", "missing"]
    found: str
    remedy: str = ""


def examine(machine: Machine, engines: Sequence[Engine], cache: Path) -> tuple[Check, ...]:
    """Look at processor, load, disk, engines, interpreters and GPUs; starts no container."""
    return (
        Check(name="processor", state="ok", found=f"{machine.cpu}, {machine.cores} cores, {machine.platform}"),
        _check_load(machine),
        _check_disk(cache),
        *(_check_engine(engine) for engine in engines),
        _check_interpreters(),
        _check_gpus(machine),
    )


def _check_load(machine: Machine) -> Check:
    load = read_load()
    if load is None:
        return Check(name="load", state="warning", found="the kernel does not say")
    if load > machine.cores / 2:
        remedy = "Others compute here: samples will be marked. Wait until they are done."
        return Check(name="load", state="warning", found=f"{load:g} on {machine.cores} cores", remedy=remedy)
    return Check(name="load", state="ok", found=f"{load:g} on {machine.cores} cores")


def _check_disk(cache: Path) -> Check:
    existing = next(folder for folder in (cache, *cache.parents) if folder.exists())
    free = shutil.disk_usage(existing).free
    return Check(name="free disk", state="ok", found=f"{console.size(free)} at {cache}")


def _check_engine(engine: Engine) -> Check:
    try:
        return Check(name=f"engine {engine.name}", state="ok", found=engine.check())
    except EngineError as error:
        return Check(name=f"engine {engine.name}", state="missing", found="does not answer", remedy=str(error))


def _check_interpreters() -> Check:
    found = list_interpreters()
    versions = ", ".join(sorted(found, key=lambda minor: tuple(int(part) for part in minor.split("."))))
    return Check(name="interpreters", state="ok", found=versions or "none besides our own")


def _check_gpus(machine: Machine) -> Check:
    if machine.gpus:
        found = ", ".join(f"{gpu.name} (compute {gpu.compute}, driver {gpu.driver})" for gpu in machine.gpus)
        return Check(name="GPU", state="ok", found=found)
    remedy = "Studies run on the CPU. For a GPU install its NVIDIA driver; NVML must answer on the host."
    return Check(name="GPU", state="missing", found="none that the NVIDIA driver shows", remedy=remedy)
