"""A machine behind ssh: what it is, who uses it, whose turn it is. All of it is asked over one connection."""

import shlex
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import count
from threading import RLock
from types import TracebackType
from typing import Protocol

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
from orchestrator.fleet.ssh import BEAT_S, ENGINE_SOCKET, SILENCE_S, Answer
from orchestrator.hardware import Gpu, GpuUsers, Machine
from orchestrator.machine import LOADAVG, SOURCES, describe_machine, parse_load
from orchestrator.summaries import Telemetry
from orchestrator.telemetry import Window

# The folder that an orch run of the same user there locks in too.
LOCKS = '"${XDG_CACHE_HOME:-$HOME/.cache}"/orch/locks'
BUSY = 75  # exit code of flock where another holds the lock
POLL_S = 2.0
# A connection that broke without a word leaves a shell behind that holds its locks a while.
OUTLIVED_S = SILENCE_S + BEAT_S
NOT_WATCHED = "with --host nothing reads clocks and heat: run orch on that machine itself"
HEADING = "==> "
READ_SOURCES = f"for file in {' '.join(SOURCES)}; do printf '\\n{HEADING}%s\\n' $file; cat $file 2>/dev/null; done"
READ_CPUS = "grep Cpus_allowed_list /proc/self/status"
LOOK_AT_SOCKET = f"test -S {ENGINE_SOCKET} || exit 3; test -w {ENGINE_SOCKET} || exit 4"


@dataclass(frozen=True, kw_only=True)
class Lock:
    """A lock that is held there by an open file of the shell."""

    name: str
    what: str
    shared: bool
    descriptor: int


class Shell(Link, Protocol):
    """What is needed of a connection; see ssh.Connection."""

    def ask(self, command: str, /) -> Answer: ...

    def tell(self, command: str, /) -> None: ...

    def reaches_engine(self) -> bool: ...


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

    def __init__(self, name: str, connection: Shell, *, poll_s: float = POLL_S, outlived_s: float = OUTLIVED_S) -> None:
        """name: of the machine, in messages. poll_s: how often is looked while waiting.

        outlived_s: how long a lock of ours may outlive a lost connection.
        """
        self.name = name
        self._connection = connection
        self._poll_s, self._outlived_s = poll_s, outlived_s
        self._turn = RLock()  # slots are threads
        self._locks: list[Lock] = []
        self._locked_in = connection.generation  # of the connection whose shell holds them
        self._descriptors = count(20)  # below, bash has its own

    @property
    def link(self) -> Link:
        return self._connection

    @cached_property
    def machine(self) -> Machine:
        """Describe it. Raises HostError if it is no Linux."""
        system, kernel, architecture = self._connection.ask("uname -srm").text.split()
        if system != "Linux":
            raise HostError(f"{self.name}: runs {system}; launches need Linux.")
        files = parse_files(self._connection.ask(READ_SOURCES).text)
        cpus = parse_cpus(self._connection.ask(READ_CPUS).text.partition(":")[2])
        return describe_machine(
            lambda path: files.get(path, ""),
            kernel=kernel,
            architecture=architecture,
            cpus=cpus,
            gpus=self._read_gpus(),
        )

    def check_engine(self) -> None:
        """Raise HostError, with the remedy, if there is no engine's socket there for this user."""
        seen = self._connection.ask(f"({LOOK_AT_SOCKET})").exit_code
        if seen == 3:
            raise HostError(
                f"{self.name}: no Docker engine there: it has no {ENGINE_SOCKET}. Install it (Debian, Ubuntu: "
                "sudo apt install docker.io) and start it: sudo systemctl start docker."
            )
        if seen == 4:
            user = self._connection.ask("id -un").text
            raise HostError(
                f"{self.name}: its Docker engine is not open to {user}. There: sudo usermod -aG docker {user}; that "
                "counts from the next login on."
            )
        if not self._connection.reaches_engine():
            raise HostError(
                f"{self.name}: it has {ENGINE_SOCKET}, but no engine answers there. Start it: sudo systemctl start "
                "docker; or let its sshd forward sockets: AllowStreamLocalForwarding yes in /etc/ssh/sshd_config."
            )

    def read_load(self) -> float | None:
        return parse_load(self._connection.ask(f"cat {LOADAVG}").text)

    def read_users(self, gpu: Gpu) -> GpuUsers:
        """See Host; nvidia-smi does not tell who computes on which MIG instance, nor who draws."""
        if gpu.instance is not None:
            return GpuUsers()
        return GpuUsers(compute=parse_processes(self._connection.ask(LIST_PROCESSES).text, gpu))

    def watch(self, _gpu: Gpu | None, _cpus: Sequence[int]) -> "NoWatch":
        """See Host: nothing is watched from afar."""
        return NoWatch()

    @contextmanager
    def taken(self, name: str, what: str, *, shared: bool = False) -> Iterator[None]:
        """Hold a lock there; see Host. It is held by the shell there: who loses the connection loses it."""
        lock = Lock(name=name, what=what, shared=shared, descriptor=next(self._descriptors))
        if not self._locks:
            self._locked_in = self._connection.generation
        told = False
        while not self._try_to_take(lock):
            if not told:
                where = what if what == self.name else f"{what} of {self.name}"
                console.note(f"Another orch run is measuring on {where}. Waiting for its end …")
                told = True
            time.sleep(self._poll_s)
        self._locks.append(lock)
        try:
            yield
        finally:
            self._locks.remove(lock)
            self._connection.tell(f"exec {lock.descriptor}>&-")

    def is_taken(self, name: str) -> bool:
        file = _lock_file(name)
        return self._connection.ask(f"test -e {file} && flock -x -n -E {BUSY} {file} true").exit_code == BUSY

    def before_launch(self) -> float | None:
        """See Host. Raises HostError if another run has taken the machine while the connection was lost."""
        load = self.read_load()
        with self._turn:
            if self._locked_in != self._connection.generation:
                self._take_again()
        return load

    def _take_again(self) -> None:
        until, generation = time.monotonic() + self._outlived_s, self._connection.generation
        while True:
            are_ours = all(self._try_to_take(lock) for lock in self._locks)
            if generation != self._connection.generation:  # lost once more meanwhile
                until, generation = time.monotonic() + self._outlived_s, self._connection.generation
                continue
            if are_ours:
                self._locked_in = generation
                return
            if time.monotonic() > until:
                raise HostError(
                    f"{self.name}: another orch run measures there since the connection was lost. Wait for its end; "
                    "the same command then continues this one."
                )
            time.sleep(self._poll_s)

    def _try_to_take(self, lock: Lock) -> bool:
        """Say whether a lock could be had. Raises HostError if there are no locks to be had there."""
        how = f"flock {'-s' if lock.shared else '-x'} -n -E {BUSY} {lock.descriptor}"
        answer = self._connection.ask(f"mkdir -p {LOCKS} && exec {lock.descriptor}>>{_lock_file(lock.name)} && {how}")
        if answer.exit_code not in (0, BUSY):
            raise HostError(
                f"{self.name}: no lock can be taken in ~/.cache/orch/locks there (exit code {answer.exit_code}). "
                "It needs flock (package util-linux), and a home folder it may write to."
            )
        return answer.exit_code == 0

    def _read_gpus(self) -> tuple[Gpu, ...]:
        """List its GPUs; what its driver complains of is said aloud."""
        if self._connection.ask("command -v nvidia-smi").exit_code != 0:
            return ()
        answer = self._connection.ask(LIST_GPUS)
        if answer.exit_code != 0:
            console.note(f"{self.name}: nvidia-smi lists no GPU: {' '.join(answer.text.split())}")
            return ()
        gpus = parse_gpus(answer.text)
        if any(gpu.mig for gpu in gpus):
            return add_instances(gpus, self._connection.ask(LIST_INSTANCES).text)
        return gpus


def _lock_file(name: str) -> str:
    """Return the file of a lock, as the shell there takes it."""
    return f"{LOCKS}/{shlex.quote(name)}.lock"


def parse_files(text: str) -> dict[str, str]:
    """Read what READ_SOURCES wrote: path -> content."""
    parts = f"\n{text}".split(f"\n{HEADING}")[1:]
    return {path: content.strip() for path, _, content in (part.partition("\n") for part in parts)}


def parse_cpus(text: str) -> tuple[int, ...]:
    """Read a list as the kernel writes it: 0-3,8."""
    ranges = [part.partition("-") for part in text.strip().split(",")]
    return tuple(cpu for first, _, last in ranges for cpu in range(int(first), int(last or first) + 1))
