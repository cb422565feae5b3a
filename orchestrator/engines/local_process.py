"""Run an untrusted program on this machine in a session of its own, so that all of it can be ended."""

import os
import select
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from orchestrator.engines import LOG_AT_MOST_BYTES

# Every process of a launch inherits this variable: one that left the session is still found by it.
MARK = "ORCH_LAUNCH"
_POLL_S = 0.05
_CHUNK_BYTES = 65536


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a program ended, and the end of what it said."""

    status: Literal["exited", "timeout"]
    exit_code: int | None
    log: str
    elapsed_s: float


def run_program(
    argv: Sequence[str], *, folder: Path, env: Mapping[str, str], cpus: Sequence[int], timeout_s: float
) -> Ended:
    """Run a program in a folder to its end or its time limit; nothing it started outlives this call.

    env: its whole environment, MARK included. cpus: logical CPUs it may use; empty: all.
    Raises OSError if it cannot be started. KeyboardInterrupt passes after everything is ended.
    """
    began_s = time.monotonic()
    with _pinned(cpus):
        program = subprocess.Popen(
            argv,
            cwd=folder,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    log = _Tail()
    try:
        timed_out = not _follow(program, log, began_s + timeout_s)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(program.pid, signal.SIGKILL)
        kill_marked(env[MARK])
        program.wait()
        elapsed_s = time.monotonic() - began_s
        if program.stdout is not None:
            log.read_rest(program.stdout.fileno())
            program.stdout.close()
    if timed_out:
        return Ended(status="timeout", exit_code=None, log=log.text, elapsed_s=elapsed_s)
    note = "\norch: killed by SIGKILL, not by orch: most likely out of memory.\n" if program.returncode == -9 else ""
    return Ended(status="exited", exit_code=program.returncode, log=log.text + note, elapsed_s=elapsed_s)


def kill_marked(mark: str) -> bool:
    """Kill all processes of a launch, wherever they went; returns whether there was any."""
    wanted = f"{MARK}={mark}".encode()
    found = False
    for entry in Path("/proc").glob("[0-9]*"):
        # Processes end while we look, and those of other users are none of our business.
        with suppress(OSError):
            if wanted in (entry / "environ").read_bytes().split(b"\0"):
                os.kill(int(entry.name), signal.SIGKILL)
                found = True
    return found


class _Tail:
    """The last bytes of a log: a program that prints without end fills neither memory nor disk."""

    def __init__(self) -> None:
        self._kept = b""

    @property
    def text(self) -> str:
        return self._kept.decode("utf-8", errors="replace")

    def read(self, descriptor: int) -> bool:
        """Take one chunk; False at the end."""
        chunk = os.read(descriptor, _CHUNK_BYTES)
        self._kept = (self._kept + chunk)[-LOG_AT_MOST_BYTES:]
        return bool(chunk)

    def read_rest(self, descriptor: int) -> None:
        while select.select([descriptor], [], [], 0)[0] and self.read(descriptor):
            pass


def _follow(program: "subprocess.Popen[bytes]", log: _Tail, deadline: float) -> bool:
    """Read the log until the program ends; False if its time is up."""
    descriptor = program.stdout.fileno() if program.stdout is not None else -1
    is_open = True
    while program.poll() is None:
        if time.monotonic() > deadline:
            return False
        if not is_open:  # it closed its output and goes on
            with suppress(subprocess.TimeoutExpired):
                program.wait(_POLL_S)
        elif select.select([descriptor], [], [], _POLL_S)[0]:
            is_open = log.read(descriptor)
    return True


@contextmanager
def _pinned(cpus: Sequence[int]) -> Iterator[None]:
    """Give this thread, and what it starts, some CPUs only: a child inherits them before its first instruction."""
    before = os.sched_getaffinity(0)
    if cpus:
        os.sched_setaffinity(0, cpus)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
