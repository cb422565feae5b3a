"""Read how the GPUs of this machine are set, and what they are doing now."""

from collections.abc import Callable

from orchestrator.doctor.facts import GpuState
from orchestrator.errors import EngineError
from orchestrator.hardware import Gpu
from orchestrator.nvml import Handle, ask, session
from orchestrator.sensors import CLOCK_SM, opened


def read_state(gpu: Gpu) -> GpuState:
    """Return how a GPU is set; what its driver does not say is None, and why it says nothing a sentence."""
    import pynvml

    try:
        with opened(gpu) as sensor, session():
            handle = pynvml.nvmlDeviceGetHandleByUUID(gpu.uuid)
            return _read(handle, GpuState(address=gpu.address, now=sensor.read() if sensor else None))
    except (EngineError, pynvml.NVMLError) as error:
        return GpuState(address=gpu.address, lost=str(error))


def _read(handle: Handle, state: GpuState) -> GpuState:
    import pynvml

    def clock(function: Callable[[Handle, int], int]) -> int | None:
        return ask(lambda one: function(one, CLOCK_SM), handle)

    ecc = ask(pynvml.nvmlDeviceGetEccMode, handle)
    persistence = ask(pynvml.nvmlDeviceGetPersistenceMode, handle)
    modes = {
        pynvml.NVML_COMPUTEMODE_DEFAULT: "default",
        pynvml.NVML_COMPUTEMODE_EXCLUSIVE_PROCESS: "exclusive",
        pynvml.NVML_COMPUTEMODE_PROHIBITED: "prohibited",
    }
    mode = ask(pynvml.nvmlDeviceGetComputeMode, handle)
    return GpuState(
        address=state.address,
        now=state.now,
        highest_clock_mhz=clock(pynvml.nvmlDeviceGetMaxClockInfo),
        base_clock_mhz=clock(pynvml.nvmlDeviceGetDefaultApplicationsClock),
        persistence=None if persistence is None else bool(persistence),
        ecc=bool(ecc[0]) if ecc else None,
        ecc_after_reboot=bool(ecc[1]) if ecc else None,
        compute_mode=None if mode is None else modes.get(mode),
    )
