"""How one GPU is handed to a container: CDI where the engine lists it, else device request, else nvidia runtime."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from docker.types import DeviceRequest

from orchestrator.engines.facts import EngineFacts
from orchestrator.errors import EngineError
from orchestrator.hardware import Gpu

NVIDIA_CDI = "nvidia.com/gpu="
# Source: podman issue 22645; nvidia-container-toolkit issue 833.
PODMAN_HAS_NO_GPU = (
    "docker: this engine is Podman, whose Docker-compatible interface starts containers without the GPU and says "
    "nothing. Take a Docker engine (DOCKER_HOST), or run without containers: --engine venv. Podman by hand: "
    "podman run --device nvidia.com/gpu=all …"
)
# Said by an engine that finds no NVIDIA hook for a device request (moby daemon/errors.go).
NO_DEVICE_DRIVER = "could not select device driver"


@dataclass(frozen=True, kw_only=True)
class GpuAttachment:
    """One way to hand over a GPU, and what `docker create` needs for it."""

    mode: str  # none | cdi | device_request | runtime, as in Outcome.gpu_mode
    requests: tuple[DeviceRequest, ...] = ()
    runtime: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)


# The variable keeps an engine whose default runtime is NVIDIA's from attaching every GPU.
NO_GPU = GpuAttachment(mode="none", env={"NVIDIA_VISIBLE_DEVICES": "void"})


def find_attachments(gpu: Gpu | None, facts: EngineFacts) -> tuple[GpuAttachment, ...]:
    """Return the ways to hand over a GPU, or none, to try on an engine, the best first.

    Raises EngineError if it says that it has none.
    """
    if gpu is None:
        return (NO_GPU,)
    if facts.is_podman:
        raise EngineError(PODMAN_HAS_NO_GPU)
    return gpu_attachments(gpu, facts.cdi_devices, facts.runtimes)


def gpu_attachments(gpu: Gpu, cdi_devices: Sequence[str], runtimes: Sequence[str]) -> tuple[GpuAttachment, ...]:
    """Return the ways to try on this engine, the best first.

    cdi_devices: `DiscoveredDevices` of the engine's /info; runtimes: its `Runtimes`.
    Raises EngineError if the engine lists NVIDIA devices by CDI, but not this one.
    Source: docker-py `types/containers.py`, moby `daemon/devices_nvidia_linux.go` and `daemon/cdi.go`.
    """
    names = [name for name in (gpu.uuid, gpu.address) if name]
    listed = [device for device in cdi_devices if device.startswith(NVIDIA_CDI)]
    if listed:
        by_type = f"gpu{gpu.address}" if gpu.instance is None else f"mig{gpu.address}"
        ours = [NVIDIA_CDI + name for name in (*names, by_type) if NVIDIA_CDI + name in listed]
        if not ours:
            raise EngineError(
                f"docker: the engine lists no CDI device for GPU {gpu.address} ({gpu.name}), only {', '.join(listed)}. "
                "Renew their list: systemctl restart nvidia-cdi-refresh, or nvidia-ctk cdi generate."
            )
        return (GpuAttachment(mode="cdi", requests=(DeviceRequest(driver="cdi", device_ids=ours[:1]),)),)
    request = DeviceRequest(device_ids=names[:1], capabilities=[["gpu", "compute", "utility"]])
    ways = [GpuAttachment(mode="device_request", requests=(request,))]
    if "nvidia" in runtimes:
        env = {"NVIDIA_VISIBLE_DEVICES": names[0], "NVIDIA_DRIVER_CAPABILITIES": "compute,utility"}
        ways.append(GpuAttachment(mode="runtime", runtime="nvidia", env=env))
    return tuple(ways)
