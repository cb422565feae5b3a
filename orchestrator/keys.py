"""What a record may be divided by (`comparable`) and how it is found again on resume (`key`)."""

import hashlib
import json
from collections.abc import Mapping

from orchestrator.hardware import Gpu, Machine
from orchestrator.specs import Cell, Protocol

HOW_MANY = ("blocks", "timeout_s")  # of the protocol: how often and how long, not how it is measured


def comparable_key(
    *, engine: str, machine: Machine, gpu: Gpu | None, protocol: Protocol, code_sha256: str, jit: bool
) -> str:
    """Hash what must agree before two cells are divided: engine kind, protocol, code, GPU, driver, CPU.

    protocol: with the threads it resolves to. jit: the GPU's code was compiled from PTX.
    """
    return digest(
        {
            "engine": engine,
            "protocol": {name: value for name, value in vars(protocol).items() if name not in HOW_MANY},
            "code": code_sha256,
            "gpu": [gpu.name, gpu.power_limit_w, gpu.driver] if gpu else None,
            "cpu": machine.cpu,
            "jit": jit,
        }
    )


def cell_key(cell: Cell, comparable: str, inputs_sha256: str, work: Mapping[str, object]) -> str:
    """Hash what must agree before a record is taken for a launch that is already made.

    work: what the harness is asked for besides the protocol: parameters, traits, probe, whether the loss falls.
    """
    return digest(
        {
            "comparable": comparable,
            "image": inputs_sha256,
            "cell": cell.id,
            "device": cell.device,
            "work": dict(work),
        }
    )


def digest(value: object) -> str:
    """Hash a JSON value independently of the order of its keys."""
    return "sha256:" + hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
