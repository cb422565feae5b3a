"""A machine behind ssh: what it is, who uses it, whose turn it is. All of it is asked over one connection."""

import shlex
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import Path
from types import TracebackType

from orchestrator import console
from orchestrator.engines.links import Link
from orchestrator.errors import HostError
from orchestrator.fleet.nvidia_smi import (
    LIST_GPUS,
    LIST_INSTANCES,
    LIST_PROCESSES,
    add_instances,
    parse_gpus,
    parse_processes,
)
from orchestrator.fleet.remote_locks import RemoteLocks
from orchestrator.fleet.shells import Answer, Shell
from orchestrator.fleet.ssh import ENGINE_SOCKET
from orchestrator.hardware import Disk, Gpu, GpuUsers, Machine
from orchestrator.machine import LOADAVG, SOURCES, describe_machine, parse_load
from orchestrator.summaries import Telemetry
from orchestrator.telemetry import Window

NOT_WATCHED = "with --host nothing reads clocks and heat: run orch on that machine itself"
HEADING = "==> "
READ_FILES = (
    f"for file in %s; do if test -d $file; then printf '\\n{HEADING}%%s/\\n' $file; "
    f"elif test -e $file; then printf '\\n{HEADING}%%s\\n' $file; cat $file 2>/dev/null; fi; done"
)
READ_CPUS = "grep Cpus_allowed_list /proc/self/status"
LOOK_AT_SOCKET = f"test -S {ENGINE_SOCKET} || exit 3; test -w {ENGINE_SOCKET} || exit 4"


class NoWatch:
    """Says in a record that nobody watched, where one that watched would say what it saw."""

    def __enter__(self) -> "NoWatch":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None, /
    ) -> None: ...

    def telemetry(self, _windows: Mapping[str, Window]) -> Telemetry:
        return Telemetry(period_s=0.0, n=0, rate_hz=None, gaps=0, longest_gap_s=0.0, failure=NOT_WATCHED)


class RemoteMachine:
    """A machine that an ssh connection leads to."""

    def __init__(self, name: str, shell: Shell, locks: RemoteLocks) -> None:
        """name: in messages."""
        self.name = name
        self._shell = shell
        self._locks = locks

    @property
    def link(self) -> Link:
        return self._shell

    @cached_property
    def machine(self) -> Machine:
        """Describe it. Raises HostError if it is no Linux."""
        system, kernel, architecture = self._shell.ask("uname -srm").text.split()
        if system != "Linux":
            raise HostError(f"{self.name}: runs {system}; launches need Linux.")
        files = self.read_files(SOURCES)
        cpus = parse_cpus(self._shell.ask(READ_CPUS).text.partition(":")[2])
        return describe_machine(
            lambda path: files.get(path, ""),
            kernel=kernel,
            architecture=architecture,
            cpus=cpus,
            gpus=self._read_gpus(),
        )

    def check_engine(self) -> None:
        """Raise HostError, with the remedy, if there is no engine's socket there for this user."""
        seen = self._shell.ask(f"({LOOK_AT_SOCKET})").exit_code
        if seen == 3:
            raise HostError(
                f"{self.name}: no Docker engine there: it has no {ENGINE_SOCKET}. Install it (Debian, Ubuntu: "
                "sudo apt install docker.io) and start it: sudo systemctl start docker."
            )
        if seen == 4:
            user = self._shell.ask("id -un").text
            raise HostError(
                f"{self.name}: its Docker engine is not open to {user}. There: sudo usermod -aG docker {user}; that "
                "counts from the next login on."
            )
        if not self._shell.reaches_engine():
            raise HostError(
                f"{self.name}: it has {ENGINE_SOCKET}, but no engine answers there. Start it: sudo systemctl start "
                "docker; or let its sshd forward sockets: AllowStreamLocalForwarding yes in /etc/ssh/sshd_config."
            )

    @cached_property
    def _listed(self) -> Answer:
        """What its nvidia-smi lists: nothing, where there is none."""
        has_driver = self._shell.ask("command -v nvidia-smi").exit_code == 0
        return self._shell.ask(LIST_GPUS) if has_driver else Answer(text="", exit_code=0)

    @property
    def driver_says(self) -> str:
        """What its nvidia-smi says instead of listing GPUs; empty if it lists them, or there is none."""
        return f"nvidia-smi: {' '.join(self._listed.text.split())}" if self._listed.exit_code else ""

    def ask(self, command: str) -> str:
        """Return what a line of shell writes there."""
        return self._shell.ask(command).text

    def read_files(self, patterns: Sequence[str]) -> dict[str, str]:
        """Read the files there that patterns of the shell name: path -> content; a folder's path ends in a slash."""
        return parse_files(self._shell.ask(READ_FILES % " ".join(patterns)).text)

    def read_load(self) -> float | None:
        return parse_load(self._shell.ask(f"cat {LOADAVG}").text)

    def read_users(self, gpu: Gpu) -> GpuUsers:
        """See Host; nvidia-smi does not tell who computes on which MIG instance, nor who draws."""
        if gpu.instance is not None:
            return GpuUsers()
        return GpuUsers(compute=parse_processes(self._shell.ask(LIST_PROCESSES).text, gpu))

    def watch(self, _gpu: Gpu | None, _cpus: Sequence[int]) -> "NoWatch":
        """See Host: nothing is watched from afar."""
        return NoWatch()

    def disk(self, folder: Path) -> Disk | None:
        """See Host; None too where df does not say."""
        columns = self._shell.ask(f"df -Pk {shlex.quote(str(folder))}").text.splitlines()[-1:]
        found = columns[0].split() if columns else []
        free_kib = found[3] if len(found) > 5 else ""
        return Disk(name=f"{folder} of {self.name}", free_bytes=int(free_kib) * 1024) if free_kib.isdigit() else None

    def taken(self, name: str, what: str, *, shared: bool = False) -> AbstractContextManager[None]:
        return self._locks.taken(name, what, shared=shared)

    def is_taken(self, name: str) -> bool:
        return self._locks.is_taken(name)

    def before_launch(self) -> float | None:
        """See Host. Raises HostError if another run has taken the machine while the connection was lost."""
        load = self.read_load()  # makes a lost connection again
        self._locks.keep()
        return load

    def _read_gpus(self) -> tuple[Gpu, ...]:
        """List its GPUs; what its driver complains of is said aloud."""
        if self.driver_says:
            console.note(f"{self.name}: its driver lists no GPU: {self.driver_says}")
            return ()
        gpus = parse_gpus(self._listed.text)
        if any(gpu.mig for gpu in gpus):
            return add_instances(gpus, self._shell.ask(LIST_INSTANCES).text)
        return gpus


def parse_files(text: str) -> dict[str, str]:
    """Read what READ_FILES wrote: path -> content. Paths that lead elsewhere are left out."""
    parts = [part.partition("\n") for part in f"\n{text}".split(f"\n{HEADING}")[1:]]
    return {path: content.strip() for path, _, content in parts if ".." not in path.split("/")}


def parse_cpus(text: str) -> tuple[int, ...]:
    """Read a list as the kernel writes it: 0-3,8."""
    ranges = [part.partition("-") for part in text.strip().split(",")]
    return tuple(cpu for first, _, last in ranges for cpu in range(int(first), int(last or first) + 1))
