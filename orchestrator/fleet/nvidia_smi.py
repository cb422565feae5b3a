"""The GPUs of a machine as its nvidia-smi lists them, where its NVML cannot be asked from here."""

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from orchestrator.hardware import Gpu, GpuProcess

_FIELDS = (
    "index",
    "uuid",
    "name",
    "compute_cap",
    "driver_version",
    "memory.total",
    "enforced.power.limit",
    "ecc.mode.current",
    "mig.mode.current",
)
_FORM = "--format=csv,noheader,nounits"
LIST_GPUS = f"nvidia-smi --query-gpu={','.join(_FIELDS)} {_FORM}"
LIST_INSTANCES = "nvidia-smi -L"
LIST_PROCESSES = f"nvidia-smi --query-compute-apps=gpu_uuid,pid,used_memory,process_name {_FORM}"
# `  MIG 1g.10gb     Device  0: (UUID: MIG-…)`, below the line of its GPU
_INSTANCE = re.compile(r"\s*MIG (?P<profile>\S+)\s+Device\s+(?P<number>\d+): \(UUID: (?P<uuid>[^)]+)\)")
_GPU = re.compile(r"GPU (?P<index>\d+): ")
MIB = 2**20


def parse_gpus(answer: str) -> tuple[Gpu, ...]:
    """Read what LIST_GPUS answers; a GPU that does not say what it can compute is left out, as by NVML."""
    rows = [row for row in _rows(answer) if len(row) == len(_FIELDS) and re.fullmatch(r"\d+\.\d+", row[3])]
    return tuple(
        Gpu(
            index=int(index),
            uuid=uuid,
            name=name,
            compute=compute,
            driver=driver,
            memory_bytes=memory * MIB if (memory := _integer(memory_mib)) is not None else None,
            power_limit_w=_number(power),
            ecc=_switch(ecc),
            mig=_switch(mig),
        )
        for index, uuid, name, compute, driver, memory_mib, power, ecc, mig in rows
    )


def add_instances(gpus: Sequence[Gpu], answer: str) -> tuple[Gpu, ...]:
    """Put behind each GPU in MIG mode its instances. answer: of LIST_INSTANCES."""
    instances: dict[int, list[Gpu]] = {}
    by_index = {gpu.index: gpu for gpu in gpus}
    parent: Gpu | None = None
    for line in answer.splitlines():
        if found := _GPU.match(line):
            parent = by_index.get(int(found["index"]))
        elif parent and (found := _INSTANCE.match(line)):
            instance = replace(
                parent,
                name=f"{parent.name} MIG {found['profile']}",
                uuid=found["uuid"],
                instance=int(found["number"]),
                memory_bytes=None,
                mig=None,
            )
            instances.setdefault(parent.index, []).append(instance)
    return tuple(one for gpu in gpus for one in (gpu, *(instances.get(gpu.index, ()) if gpu.mig else ())))


def parse_processes(answer: str, gpu: Gpu) -> tuple[GpuProcess, ...]:
    """Read who computes on a GPU from what LIST_PROCESSES answers."""
    return tuple(
        GpuProcess(
            pid=int(pid),
            name="" if name.startswith("[") else PurePosixPath(name).name,  # [Not Found], [Insufficient Permissions]
            memory_bytes=used * MIB if (used := _integer(used_mib)) is not None else None,
        )
        for uuid, pid, used_mib, name in (row for row in _rows(answer) if len(row) == 4)
        if uuid == gpu.uuid
    )


def _rows(answer: str) -> Iterator[list[str]]:
    return csv.reader(answer.splitlines(), skipinitialspace=True)


def _number(text: str) -> float | None:
    """What a board does not have reads [N/A] or [Not Supported]."""
    try:
        return float(text)
    except ValueError:
        return None


def _integer(text: str) -> int | None:
    return int(text) if text.isdigit() else None


def _switch(text: str) -> bool | None:
    return {"Enabled": True, "Disabled": False}.get(text)
