"""Which GPUs of this machine a run takes: by index, uuid or MIG instance, all alike, and no one else on them."""

from collections.abc import Callable, Sequence

from orchestrator import console
from orchestrator.errors import EngineError, UsageError
from orchestrator.hardware import Gpu, GpuProcess

ALL = "all"
FREE, OURS, FOREIGN = range(3)  # who has a GPU now: nobody, another orch run (which ends), somebody else


def choose_gpus(gpus: Sequence[Gpu], wanted: str | None, held_by: Callable[[Gpu], int]) -> tuple[Gpu, ...]:
    """Return the GPUs to compute on, in the machine's order.

    gpus: all of the machine, at least one. wanted: as `--gpus` has it; None: the first that is free, or gets free.
    held_by: FREE, OURS or FOREIGN; asked only where none is named.
    Raises UsageError for names that are none, and for GPUs whose times must not be compared; EngineError where all
    GPUs are in MIG mode and none has an instance.
    """
    usable = computable(gpus)
    if not usable:
        raise EngineError(f"no GPU here can be computed on: {_why_not_whole(gpus[0], gpus)}")
    if wanted is None:
        return (min(usable, key=held_by),)
    names = [name.strip() for name in wanted.split(",") if name.strip()]
    found = usable if names == [ALL] else tuple(_find(name, gpus) for name in names)
    if not found:
        raise UsageError(f"--gpus {wanted!r}: names no GPU. There are: {_list(gpus)}.")
    chosen = tuple(gpu for gpu in usable if gpu in found)
    _require_alike(chosen, wanted)
    return chosen


def computable(gpus: Sequence[Gpu]) -> tuple[Gpu, ...]:
    """Return what can be computed on: GPUs that are whole, and MIG instances."""
    return tuple(gpu for gpu in gpus if not gpu.mig)


def require_nobody(gpu: Gpu, processes: Sequence[GpuProcess], others: Sequence[Gpu]) -> None:
    """Raise EngineError if somebody computes on a GPU. others: those of the machine, of which one may be free."""
    if processes:
        elsewhere = f", or take another: --gpus {others[0].address}" if others else ""
        raise EngineError(
            f"GPU {gpu.address} ({gpu.name}): others compute on it: {tell_processes(processes)}. Times beside them say "
            f"nothing. Wait for their end, end them{elsewhere}."
        )


def tell_processes(processes: Sequence[GpuProcess]) -> str:
    """Name processes with what they hold of the GPU's memory."""
    return ", ".join(_tell(process) for process in processes)


def _tell(process: GpuProcess) -> str:
    known = [process.name, console.size(process.memory_bytes) if process.memory_bytes is not None else ""]
    details = ", ".join(text for text in known if text)
    return f"process {process.pid}" + (f" ({details})" if details else "")


def _find(name: str, gpus: Sequence[Gpu]) -> Gpu:
    exact = [gpu for gpu in gpus if name in (gpu.address, gpu.uuid)]
    is_uuid = name.upper().startswith(("GPU-", "MIG-"))
    found = exact or [gpu for gpu in gpus if is_uuid and gpu.uuid.lower().startswith(name.lower())]
    if len(found) != 1:
        why = "no such GPU" if not found else "more than one begins so"
        raise UsageError(f"--gpus {name}: {why}. There are: {_list(gpus)}.")
    (gpu,) = found
    if gpu.mig:
        raise UsageError(f"--gpus {name}: {_why_not_whole(gpu, gpus)}")
    return gpu


def _why_not_whole(gpu: Gpu, gpus: Sequence[Gpu]) -> str:
    """Say what to name in place of a GPU in MIG mode."""
    instances = [one.address for one in gpus if one.instance is not None and one.index == gpu.index]
    what = f"GPU {gpu.index} ({gpu.name}) is in MIG mode, in which only its instances compute"
    if instances:
        return f"{what}. Name them: --gpus {','.join(instances)}."
    return (
        f"{what}, and it has none. Make some, such as one of the whole GPU: nvidia-smi mig -i {gpu.index} -cgi 0 -C; "
        f"or end the mode: nvidia-smi -i {gpu.index} -mig 0."
    )


def _require_alike(gpus: Sequence[Gpu], wanted: str) -> None:
    first = gpus[0]
    for other in gpus[1:]:
        if (other.name, other.power_limit_w) != (first.name, first.power_limit_w):
            raise UsageError(
                f"--gpus {wanted}: {_describe(first)} and {_describe(other)} must not share a table: the times of a "
                "row would be of different GPUs. Name GPUs of one model and power limit, or make a run for each."
            )


def _describe(gpu: Gpu) -> str:
    limit = f" at {gpu.power_limit_w:g} W" if gpu.power_limit_w else ""
    return f"{gpu.address} ({gpu.name}{limit})"


def _list(gpus: Sequence[Gpu]) -> str:
    return ", ".join(f"{gpu.address} ({gpu.name}, {gpu.uuid}{', in MIG mode' if gpu.mig else ''})" for gpu in gpus)
