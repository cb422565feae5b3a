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
    mig: bool | None = None


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What a record says of the machine it was measured on."""

    id: str
    cpu: str
    cores: int  # physical
    cpus: tuple[int, ...]  # logical ones this process may use
    memory_bytes: int
    kernel: str
    platform: str = "linux/amd64"
    governor: str | None = None
    cloud: str | None = None
    gpus: tuple[Gpu, ...] = ()
