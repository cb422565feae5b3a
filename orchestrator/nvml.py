"""What the NVIDIA driver says of the GPUs of this machine, through NVML: which there are, and who uses them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from orchestrator.hardware import Gpu, GpuProcess, GpuUsers

T = TypeVar("T")
Handle = object  # a pointer of NVML's


def read_gpus() -> tuple[Gpu, ...]:
    """List the NVIDIA GPUs of this machine, and behind each its MIG instances; empty without a driver.

    A GPU that does not answer (lost, or closed to this user) is left out.
    """
    import pynvml

    try:
        with session():
            return tuple(gpu for index in range(pynvml.nvmlDeviceGetCount()) for gpu in _read_gpu(index))
    except pynvml.NVMLError:
        return ()


def why_no_gpu() -> str:
    """Say in NVML's words why there is no GPU; empty if it answers."""
    import pynvml

    try:
        with session():
            return ""
    except pynvml.NVMLError as error:
        return f"NVML: {error}"


def read_users(gpu: Gpu) -> GpuUsers:
    """List the processes that use a GPU or a MIG instance now; none where the driver does not say."""
    import pynvml

    try:
        with session():
            handle = pynvml.nvmlDeviceGetHandleByUUID(gpu.uuid)
            return GpuUsers(compute=_processes(handle, "Compute"), graphics=_processes(handle, "Graphics"))
    except pynvml.NVMLError:
        return GpuUsers()


@contextmanager
def session() -> Iterator[None]:
    """Let the block ask NVML. Raises its error where there is no driver."""
    import pynvml

    pynvml.nvmlInit()
    try:
        yield
    finally:
        pynvml.nvmlShutdown()


def _read_gpu(index: int) -> Iterator[Gpu]:
    import pynvml

    try:
        handle = pynvml.nvmlDeviceGetHandleByIndex(index)
        major, minor = pynvml.nvmlDeviceGetCudaComputeCapability(handle)
    except pynvml.NVMLError:
        return
    power, ecc, mig = (
        ask(getattr(pynvml, f"nvmlDeviceGet{name}"), handle) for name in ("EnforcedPowerLimit", "EccMode", "MigMode")
    )
    gpu = Gpu(
        name=str(pynvml.nvmlDeviceGetName(handle)),
        compute=f"{major}.{minor}",
        driver=str(pynvml.nvmlSystemGetDriverVersion()),
        uuid=str(pynvml.nvmlDeviceGetUUID(handle)),
        index=index,
        memory_bytes=int(pynvml.nvmlDeviceGetMemoryInfo(handle).total),
        power_limit_w=power / 1000 if isinstance(power, int) else None,  # NVML gives milliwatts
        ecc=bool(ecc[0]) if ecc else None,
        mig=bool(mig[0]) if mig else None,
    )
    yield gpu
    if gpu.mig:
        yield from _read_instances(gpu, handle)


def _read_instances(gpu: Gpu, parent: Handle) -> Iterator[Gpu]:
    import pynvml

    for number in range(ask(pynvml.nvmlDeviceGetMaxMigDeviceCount, parent) or 0):
        try:
            handle = pynvml.nvmlDeviceGetMigDeviceHandleByIndex(parent, number)
        except pynvml.NVMLError:
            continue  # numbers that are not in use
        yield Gpu(
            name=str(pynvml.nvmlDeviceGetName(handle)),
            compute=gpu.compute,
            driver=gpu.driver,
            uuid=str(pynvml.nvmlDeviceGetUUID(handle)),
            index=gpu.index,
            instance=number,
            memory_bytes=int(pynvml.nvmlDeviceGetMemoryInfo(handle).total),
            power_limit_w=gpu.power_limit_w,
            ecc=gpu.ecc,
        )


def _processes(handle: Handle, kind: str) -> tuple[GpuProcess, ...]:
    """kind: Compute or Graphics. Drivers before 510 know only the second form of the question."""
    import pynvml

    for form in ("v3", "v2"):
        try:
            found = getattr(pynvml, f"nvmlDeviceGet{kind}RunningProcesses_{form}")(handle)
        except pynvml.NVMLError_FunctionNotFound:
            continue
        return tuple(GpuProcess(pid=one.pid, name=_name(one.pid), memory_bytes=one.usedGpuMemory) for one in found)
    return ()


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""  # of another user's, or of another container's


def ask(question: Callable[[Handle], T], handle: Handle) -> T | None:
    """Return an answer of NVML, None where it has none: not every board has every property."""
    import pynvml

    try:
        return question(handle)
    except pynvml.NVMLError:
        return None
