"""The GPU code that was found in an image's libraries against what its row promises."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from orchestrator.images import Variant

# A capability is held if it has at least this share of the fat binaries that the most frequent one has. In TensorFlow
# 2.15.1 most kernels have only PTX for 8.0, and 18 % have native code; in PyTorch 1.0.1 for CUDA 9.0, which was not
# built for 6.1, what came from cuBLAS and cuDNN has native code for it: 6 %.
HELD_SHARE = 0.1
# PTX is of every kernel if this share of all fat binaries has it: 99.8 % in TensorFlow, 31 % in PyTorch 1.0.1.
FULL_SHARE = 0.9
_NAME = re.compile(r"(?:sm|compute)_(?P<major>[0-9]{1,2})(?P<minor>[0-9][a-z]?)")


@dataclass(frozen=True, kw_only=True)
class FatBinaries:
    """Fat binaries of one library that hold the same."""

    native: tuple[str, ...]  # sm_80; sm_90a runs on no other capability
    ptx: tuple[str, ...]  # compute_80
    count: int


def read_gpu_code(content: bytes) -> tuple[FatBinaries, ...] | str:
    """Read what a scan wrote (`out/gpu_code.json`), or say what is wrong with it."""
    try:
        libraries = json.loads(content)["libraries"]
        return tuple(
            FatBinaries(native=_known(one["native"]), ptx=_known(one["ptx"]), count=int(one["count"]))
            for kinds in libraries.values()
            for one in kinds
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return "the scan of its GPU code wrote no gpu_code.json that can be read"


def _known(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(name for name in names if _NAME.fullmatch(name))


def judge_gpu_code(variant: Variant, found: Sequence[FatBinaries]) -> str | None:
    """Compare what the libraries hold with what a row promises; returns the first difference.

    Partial and documented PTX is promised to nobody. What an image holds beyond its row is no fault.
    """
    if not any(one.native or one.ptx for one in found):
        return f"native code for {', '.join(variant.compute)} promised, but none of its libraries holds GPU code"
    return _native_difference(variant.compute, found) or _ptx_difference(variant.ptx, found)


def _native_difference(promised: Sequence[str], found: Sequence[FatBinaries]) -> str | None:
    counts: Counter[str] = Counter()
    for one in found:
        counts.update(dict.fromkeys(one.native, one.count))
    enough = HELD_SHARE * max(counts.values(), default=0)
    held = {name for name, count in counts.items() if count >= enough}
    missing = [capability for capability in promised if f"sm_{capability.replace('.', '')}" not in held]
    if not missing:
        return None
    ptx = _show({name for one in found for name in one.ptx})
    has = f"{_show(held) or 'none'}{f', and PTX {ptx}' if ptx else ''}"
    return f"native code for {', '.join(missing)} promised, not found: it has {has}"


def _ptx_difference(promised: str, found: Sequence[FatBinaries]) -> str | None:
    if promised == "none" or ":" in promised:
        return None
    highest = int(promised.replace(".", ""))
    total = sum(one.count for one in found)
    compiled = sum(one.count for one in found if any(_is_compiled_from(name, highest) for name in one.ptx))
    if compiled >= FULL_SHARE * total:
        return None
    return f"PTX {promised} of every kernel promised, but only {compiled} of {total} fat binaries have it"


def _is_compiled_from(name: str, highest: int) -> bool:
    number = _number(name)
    return number is not None and number <= highest


def _show(names: Iterable[str]) -> str:
    """Write sm_80 and sm_90a as 8.0, 9.0a."""
    found = filter(None, map(_NAME.fullmatch, names))
    parts = sorted((int(one["major"]), one["minor"]) for one in found)
    return ", ".join(f"{major}.{minor}" for major, minor in parts)


def _number(name: str) -> int | None:
    """Return 90 of compute_90, and None of compute_90a, which is compiled for nothing else."""
    number = name.rpartition("_")[2]
    return int(number) if number.isdecimal() else None
