"""The machine where launches run, and all that is asked of it: this one, or one behind ssh."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Protocol

from orchestrator import process
from orchestrator.engines.links import DIRECT, Link
from orchestrator.fleet.locks import lock_file, taken
from orchestrator.hardware import Disk, Gpu, GpuUsers, Machine
from orchestrator.machine import read_load, read_machine
from orchestrator.nvml import read_users

if TYPE_CHECKING:
    from orchestrator.summaries import Telemetry
    from orchestrator.telemetry import Window


def open_host(text: str | None, locks: Path) -> "Host":
    """Return the machine of --host, this one without. Raises UsageError, or HostError if it cannot be reached.

    locks: folder of this machine's lock files.
    """
    if text is None:
        return ThisMachine(locks)
    from orchestrator.fleet.addresses import parse_address
    from orchestrator.fleet.remote import RemoteMachine
    from orchestrator.fleet.remote_locks import RemoteLocks
    from orchestrator.fleet.ssh import Connection

    address = parse_address(text)
    shell = Connection(address)
    return RemoteMachine(str(address), shell, RemoteLocks(str(address), shell))


class Watcher(Protocol):
    """What looks at a machine while its block runs, and never ends it."""

    def __enter__(self) -> object: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None, /
    ) -> None: ...

    def telemetry(self, windows: Mapping[str, "Window"]) -> "Telemetry":
        """Sum up what was seen. windows: phase -> when its samples began and ended, by the program's clock."""


class Host(Protocol):
    """What a record says of the machine, it says of this one."""

    name: str  # in messages: "this machine", "ssh://me@gpu-vm"

    @property
    def link(self) -> Link:
        """What carries its engine's socket here."""

    @property
    def machine(self) -> Machine:
        """Describe it; asked once."""

    def read_load(self) -> float | None:
        """Return its one-minute load average, None where its kernel does not say."""

    def read_users(self, gpu: Gpu) -> GpuUsers:
        """List the processes that use one of its GPUs now; none where the driver does not say."""

    def watch(self, gpu: Gpu | None, cpus: Sequence[int]) -> Watcher:
        """Return what watches a GPU (None: there is none to watch) and CPUs while a launch runs."""

    def disk(self, folder: Path) -> Disk | None:
        """Return the disk that a folder there is on; None of this machine, where the folder itself can be looked at."""

    def taken(self, name: str, what: str, *, shared: bool = False) -> AbstractContextManager[None]:
        """Hold a lock there; waits, aloud, for other runs that hold it.

        what: it stands for, in messages. shared: several that say so hold it together.
        """

    def is_taken(self, name: str) -> bool:
        """Say whether another run holds a lock there now."""

    def before_launch(self) -> float | None:
        """See that the locks are still ours, and return the load."""

    def check_engine(self) -> None:
        """Raise HostError, with the remedy, if its engine cannot be reached from there."""


class ThisMachine:
    """The machine we run on."""

    name = "this machine"
    link: Link = DIRECT

    def __init__(self, locks: Path) -> None:
        """locks: folder of the lock files."""
        self._locks = locks

    @cached_property
    def machine(self) -> Machine:
        return read_machine()

    def read_load(self) -> float | None:
        return read_load()

    def read_users(self, gpu: Gpu) -> GpuUsers:
        return read_users(gpu)

    def watch(self, gpu: Gpu | None, cpus: Sequence[int]) -> Watcher:
        from orchestrator.telemetry import Watch

        return Watch(gpu, cpus)

    def disk(self, _folder: Path) -> Disk | None:
        return None

    def taken(self, name: str, what: str, *, shared: bool = False) -> AbstractContextManager[None]:
        return taken(lock_file(self._locks, name), what, shared=shared)

    def is_taken(self, name: str) -> bool:
        return process.is_held(lock_file(self._locks, name))

    def before_launch(self) -> float | None:
        return read_load()  # the kernel keeps our locks

    def check_engine(self) -> None:
        """The engine itself says what is wrong."""
