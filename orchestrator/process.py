"""One way to start a program: argument tuple, time limit, log file, readable failure."""

import fcntl
import logging
import os
import select
import shlex
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import DiskError, ProgramError

LOG_TAIL_LINES = 12
_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A program that ended: exit code, stdout, and stdout and stderr as they lie in the log."""

    argv: tuple[str, ...]
    exit_code: int
    stdout: str
    stderr: str

    @property
    def log(self) -> str:
        return self.stdout + self.stderr


def run(
    argv: tuple[str, ...],
    *,
    timeout_s: float,
    log_file: Path | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    check: bool = True,
) -> Finished:
    """Run a program to its end and return what it said.

    timeout_s: seconds after which it is killed. log_file: gets the command line and everything it printed.
    env: its whole environment; None: ours. check: raise if the exit code is not 0.
    Raises ProgramError if it is missing, runs out of time, or (with check) fails.
    """
    command = shlex.join(argv)
    _log.debug("%s", command)
    try:
        done = subprocess.run(argv, capture_output=True, timeout=timeout_s, env=env, cwd=cwd, check=False)
    except FileNotFoundError as error:
        raise ProgramError(f"{argv[0]}: program not found. Install it or put it on PATH.") from error
    except subprocess.TimeoutExpired as error:
        raise ProgramError(f"no end after {timeout_s:g} s: {command}\n{_tail(_text(error.stdout))}") from error
    finished = Finished(argv=argv, exit_code=done.returncode, stdout=_text(done.stdout), stderr=_text(done.stderr))
    if log_file is not None:
        log_file.parent.mkdir(parents=True, exist_ok=True)
        with log_file.open("a", encoding="utf-8") as log:
            log.write(f"$ {command}\n{finished.log}")
    if check and done.returncode != 0:
        raise ProgramError(f"exit code {done.returncode} from: {command}\n{_tail(finished.log)}")
    return finished


def attach(argv: tuple[str, ...], *, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> int:
    """Run a program that has our own terminal, to its end; returns its exit code, 128 + n where signal n ended it.

    Ctrl-C is meant for it, not for us. Raises ProgramError if it is missing.
    """
    _log.debug("%s", shlex.join(argv))
    before = signal.signal(signal.SIGINT, lambda *_: None)  # SIG_IGN would be its own too
    try:
        exit_code = subprocess.call(argv, env=env, cwd=cwd)
    except FileNotFoundError as error:
        raise ProgramError(f"{argv[0]}: program not found. Install it or put it on PATH.") from error
    finally:
        signal.signal(signal.SIGINT, before)
    return exit_code if exit_code >= 0 else 128 - exit_code


class Companion:
    """A program beside ours that reads lines from us and writes lines to us.

    Its stdin ends when we die, however that happens. Ctrl-C in our terminal does not reach it.
    """

    def __init__(self, argv: tuple[str, ...], log_file: Path) -> None:
        """Start it. log_file: gets its stderr, in place of what was there. Raises ProgramError if it is missing."""
        _log.debug("%s", shlex.join(argv))
        self._log_file = log_file
        self._unread = b""
        try:
            with log_file.open("wb") as log:
                self._program = subprocess.Popen(
                    argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, start_new_session=True
                )
        except FileNotFoundError as error:
            raise ProgramError(f"{argv[0]}: program not found. Install it or put it on PATH.") from error

    def write_line(self, line: str) -> None:
        """Send a line. Raises OSError if the program reads no more."""
        assert self._program.stdin
        self._program.stdin.write(f"{line}\n".encode())
        self._program.stdin.flush()

    def read_line(self, timeout_s: float) -> str | None:
        """Return the next line it writes, without its end; None if it writes no more.

        Raises TimeoutError if none comes in time.
        """
        assert self._program.stdout
        until = time.monotonic() + timeout_s
        while b"\n" not in self._unread:
            ready, _, _ = select.select([self._program.stdout], [], [], max(until - time.monotonic(), 0))
            if not ready:
                raise TimeoutError
            chunk = os.read(self._program.stdout.fileno(), 2**16)
            if not chunk:
                return None
            self._unread += chunk
        line, _, self._unread = self._unread.partition(b"\n")
        return line.decode("utf-8", errors="replace")

    def has_ended(self, within_s: float = 0.0) -> bool:
        """Say whether it has ended, or does so in this time."""
        try:
            self._program.wait(within_s)
        except subprocess.TimeoutExpired:
            return False
        return True

    def complaints(self) -> str:
        """Return what it has written to stderr."""
        return self._log_file.read_text(encoding="utf-8", errors="replace")

    def end(self) -> None:
        """Kill it, if it still runs."""
        self._program.kill()
        self._program.wait()
        for stream in (self._program.stdin, self._program.stdout):
            assert stream
            with suppress(OSError):  # what could not be sent any more
                stream.close()


def _text(raw: bytes | None) -> str:
    return (raw or b"").decode("utf-8", errors="replace")


def _tail(text: str) -> str:
    return "\n".join("  " + line for line in text.strip().splitlines()[-LOG_TAIL_LINES:])


@contextmanager
def exclusive(lock_file: Path, *, shared: bool = False) -> Iterator[None]:
    """Let one process at a time into the block; the others wait. The file stays behind, empty.

    shared: several that say so may be in it together. Raises DiskError if the file cannot be made.
    """
    try:
        lock_file.parent.mkdir(parents=True, exist_ok=True)
        lock = lock_file.open("w")
    except OSError as error:
        raise DiskError(
            f"{lock_file}: cannot be written ({error.strerror}). Free disk space, or put the cache elsewhere: "
            "XDG_CACHE_HOME."
        ) from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        yield


def is_held(lock_file: Path, *, shared: bool = False) -> bool:
    """Say whether `exclusive` would have to wait for another process now."""
    try:
        with lock_file.open("r") as lock:
            fcntl.flock(lock, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False
