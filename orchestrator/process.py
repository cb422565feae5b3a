"""One way to start a program: argument tuple, time limit, log file, readable failure."""

import fcntl
import logging
import shlex
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import ProgramError

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


def _text(raw: bytes | None) -> str:
    return (raw or b"").decode("utf-8", errors="replace")


def _tail(text: str) -> str:
    return "\n".join("  " + line for line in text.strip().splitlines()[-LOG_TAIL_LINES:])


@contextmanager
def exclusive(lock_file: Path) -> Iterator[None]:
    """Let one process at a time into the block; the others wait. The file stays behind, empty."""
    lock_file.parent.mkdir(parents=True, exist_ok=True)
    with lock_file.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def is_held(lock_file: Path) -> bool:
    """Say whether another process is in the block of `exclusive` now."""
    try:
        with lock_file.open("r") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False
