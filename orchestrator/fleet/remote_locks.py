"""Whose turn it is on a remote machine: locks that its shell holds, and lets go when the connection is lost."""

import shlex
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from threading import RLock

from orchestrator import console
from orchestrator.errors import HostError
from orchestrator.fleet.shells import Shell
from orchestrator.fleet.ssh import BEAT_S, SILENCE_S

# The folder that an orch run of the same user there locks in too.
LOCKS = '"${XDG_CACHE_HOME:-$HOME/.cache}"/orch/locks'
BUSY = 75  # exit code of flock where another holds the lock
POLL_S = 2.0
# A connection that broke without a word leaves a shell behind that holds its locks a while.
OUTLIVED_S = SILENCE_S + BEAT_S


@dataclass(frozen=True, kw_only=True)
class Lock:
    """A lock that is held there by an open file of the shell."""

    name: str
    shared: bool
    descriptor: int


class RemoteLocks:
    """The locks of one machine."""

    def __init__(self, machine: str, shell: Shell, *, poll_s: float = POLL_S, outlived_s: float = OUTLIVED_S) -> None:
        """machine: its name in messages. poll_s: how often is looked while waiting.

        outlived_s: how long a lock of ours may outlive a lost connection.
        """
        self._machine, self._shell = machine, shell
        self._poll_s, self._outlived_s = poll_s, outlived_s
        self._turn = RLock()  # slots are threads
        self._held: list[Lock] = []
        self._held_in = shell.generation  # the connection whose shell holds them
        self._descriptors = count(20)  # below, bash has its own

    @contextmanager
    def taken(self, name: str, what: str, *, shared: bool = False) -> Iterator[None]:
        """Hold a lock for the time of the block; waits, aloud, for another run that holds it.

        what: it stands for. shared: several that say so hold it together.
        """
        lock = Lock(name=name, shared=shared, descriptor=next(self._descriptors))
        if not self._held:
            self._held_in = self._shell.generation
        told = False
        while not self._try_to_take(lock):
            if not told:
                where = what if what == self._machine else f"{what} of {self._machine}"
                console.note(f"Another orch run is measuring on {where}. Waiting for its end …")
                told = True
            time.sleep(self._poll_s)
        self._held.append(lock)
        try:
            yield
        finally:
            self._held.remove(lock)
            self._shell.tell(f"exec {lock.descriptor}>&-")

    def is_taken(self, name: str) -> bool:
        """Say whether another run holds a lock now."""
        file = _lock_file(name)
        return self._shell.ask(f"test -e {file} && flock -x -n -E {BUSY} {file} true").exit_code == BUSY

    def keep(self) -> None:
        """See that the locks are still ours: take them again if the connection was lost.

        Raises HostError if another run has taken one meanwhile.
        """
        with self._turn:
            if self._held_in != self._shell.generation:
                self._take_again()

    def _take_again(self) -> None:
        until, generation = time.monotonic() + self._outlived_s, self._shell.generation
        while True:
            are_ours = all(self._try_to_take(lock) for lock in self._held)
            if generation != self._shell.generation:  # lost once more meanwhile
                until, generation = time.monotonic() + self._outlived_s, self._shell.generation
                continue
            if are_ours:
                self._held_in = generation
                return
            if time.monotonic() > until:
                raise HostError(
                    f"{self._machine}: another orch run measures there since the connection was lost. Wait for its "
                    "end; the same command then continues this one."
                )
            time.sleep(self._poll_s)

    def _try_to_take(self, lock: Lock) -> bool:
        """Say whether a lock could be had. Raises HostError if there are no locks to be had there."""
        how = f"flock {'-s' if lock.shared else '-x'} -n -E {BUSY} {lock.descriptor}"
        answer = self._shell.ask(f"mkdir -p {LOCKS} && exec {lock.descriptor}>>{_lock_file(lock.name)} && {how}")
        if answer.exit_code not in (0, BUSY):
            raise HostError(
                f"{self._machine}: no lock can be taken in ~/.cache/orch/locks there (exit code {answer.exit_code}). "
                "It needs flock (package util-linux), and a home folder it may write to."
            )
        return answer.exit_code == 0


def _lock_file(name: str) -> str:
    """Return the file of a lock, as the shell there takes it."""
    return f"{LOCKS}/{shlex.quote(name)}.lock"
