"""The frozen types of what the doctor reads. Nothing is judged here."""

from dataclasses import dataclass

from orchestrator.engines.facts import EngineFacts
from orchestrator.sensors import GpuReading


@dataclass(frozen=True, kw_only=True)
class Distribution:
    """What /etc/os-release says."""

    id: str = ""  # debian, ubuntu, fedora …; empty where there is no such file
    like: tuple[str, ...] = ()  # ids of those it comes from, the nearest first
    version: str = ""  # 12
    name: str = "this Linux"


@dataclass(frozen=True, kw_only=True)
class System:
    """The system orch runs in, and what decides which remedy fits."""

    distribution: Distribution = Distribution()
    is_wsl: bool = False
    is_container: bool = False
    is_root: bool = False
    has_systemd: bool = True
    programs: frozenset[str] = frozenset()  # of those asked for, the ones that are installed
    nvidia_cards: int = 0  # display controllers of NVIDIA's that PCI lists
    libcuda: str = ""  # folder of CUDA's driver library, of those that this user names or NVIDIA is known to use


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """What makes times on the processor steady or not; None: the kernel does not say."""

    load: float | None = None
    turbo: bool | None = None
    cores: tuple[tuple[int, ...], ...] = ()  # of each core its logical CPUs; empty where not known
    available_bytes: int | None = None  # of memory, now
    limit_bytes: int | None = None  # of memory, for this process; None: no limit
    cgroup: int | None = None  # version 1 or 2


@dataclass(frozen=True, kw_only=True)
class LocalImage:
    """An image on the engine."""

    id: str
    tags: tuple[str, ...]
    labels: tuple[tuple[str, str], ...]
    created: int  # seconds since 1970

    def label(self, name: str) -> str:
        """Return a label, empty if the image has none of that name."""
        return dict(self.labels).get(name, "")


@dataclass(frozen=True, kw_only=True)
class Reach:
    """Where the Docker engine was looked for, and why it does not answer."""

    endpoint: str  # unix:///var/run/docker.sock
    chosen_by: str = ""  # DOCKER_HOST, or a context of the user's; empty: the usual place
    reason: str = ""  # empty: it answers


@dataclass(frozen=True, kw_only=True)
class Docker:
    """What a Docker engine that answers says of itself."""

    version: str
    engine: EngineFacts
    product: str = ""  # Docker Engine - Community, where its packager says
    runs_on: str = ""  # Debian GNU/Linux 12 (bookworm), Docker Desktop
    is_here: bool = True  # on this machine
    security: tuple[str, ...] = ()  # name=seccomp,profile=builtin
    cgroup_driver: str = ""
    missing_limits: tuple[str, ...] = ()  # of memory, CPUs and processes, those the kernel cannot set
    images: tuple[LocalImage, ...] = ()

    @property
    def is_snap(self) -> bool:
        return self.engine.storage.is_relative_to("/var/snap")

    @property
    def is_rootless(self) -> bool:
        return any(option.startswith("name=rootless") for option in self.security)


@dataclass(frozen=True, kw_only=True)
class GpuState:
    """How a GPU is set; None: the driver does not say."""

    address: str  # 0
    now: GpuReading | None = None
    lost: str = ""  # why it does not answer
    highest_clock_mhz: int | None = None  # of its multiprocessors
    base_clock_mhz: int | None = None  # the one they can always hold
    persistence: bool | None = None
    ecc: bool | None = None
    ecc_after_reboot: bool | None = None
    compute_mode: str | None = None  # default, exclusive, prohibited


@dataclass(frozen=True, kw_only=True)
class GpuReport:
    """What a program saw of the GPUs where it ran."""

    devices: tuple[str, ...]  # names in /dev
    error: str = ""  # why CUDA's driver library gives none
    cuda: str = ""  # the newest CUDA version the driver library knows
    gpus: tuple[tuple[str, str], ...] = ()  # name, compute capability
