"""The frozen types that describe a machine and its GPUs."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Gpu:
    """One NVIDIA GPU of a machine, or one that a plan is made for."""

    name: str
    compute: str  # "9.0"
    driver: str | None = None
    uuid: str = ""
    index: int = 0
    memory_bytes: int | None = None
    power_limit_w: float | None = None
    ecc: bool | None = None
    mig: bool | None = None  # divided into MIG instances, on which alone it computes
    instance: int | None = None  # of a MIG instance: its number on GPU `index`

    @property
    def address(self) -> str:
        """What the engine and `--gpus` call it besides its uuid: "0", of a MIG instance "0:1"."""
        return str(self.index) if self.instance is None else f"{self.index}:{self.instance}"


@dataclass(frozen=True, kw_only=True)
class GpuProcess:
    """A process that uses a GPU."""

    pid: int  # as the host counts
    name: str  # empty where it may not be read
    memory_bytes: int | None = None


@dataclass(frozen=True, kw_only=True)
class GpuUsers:
    """Who uses a GPU: those that compute, and those that draw a desktop."""

    compute: tuple[GpuProcess, ...] = ()
    graphics: tuple[GpuProcess, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Disk:
    """Room on another machine."""

    name: str  # /var/lib/docker of ssh://me@gpu-vm
    free_bytes: int


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What a record says of the machine it was measured on."""

    id: str
    cpu: str
    cores: int  # physical
    cpus: tuple[int, ...]  # logical ones this process may use: first one of each physical core, then the others
    memory_bytes: int
    kernel: str
    platform: str = "linux/amd64"
    governor: str | None = None
    cloud: str | None = None
    gpus: tuple[Gpu, ...] = ()  # behind one in MIG mode its instances
