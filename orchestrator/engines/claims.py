"""Folders that belong to a process for as long as it lives: what a killed one leaves is told from what is in use."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from orchestrator import process
from orchestrator.errors import EngineError

_LOCK = ".lock"


class Claim:
    """A new folder of ours; the kernel lets go of the lock beside it when we die, however that happens."""

    def __init__(self, parent: Path, note: str = "") -> None:
        """parent: made if missing. note: one line that whoever finds the folder later can read.

        Raises EngineError if the folder cannot be made.
        """
        try:
            parent.mkdir(parents=True, exist_ok=True)
            self._lock, self._lock_file = _new_lock(parent)
            self.folder = self._lock_file.with_suffix("")
            os.write(self._lock, note.encode())
            self.folder.mkdir()
        except OSError as error:
            raise EngineError(
                f"{parent}: cannot be written ({error.strerror}). "
                "Free disk space, or put the cache elsewhere: XDG_CACHE_HOME."
            ) from error

    def release(self) -> None:
        """Remove the folder, if it is still there, and the claim."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self._lock_file.unlink(missing_ok=True)
        os.close(self._lock)


def take_leftovers(parent: Path, note: str | None = None) -> Iterator[Path]:
    """Yield the folders of dead processes, of one note or of all; each is removed once the caller is done with it.

    What has no note is anybody's: its owner died before it wrote one, or never meant to.
    """
    for lock_file in sorted(parent.glob(f"*{_LOCK}")):
        with suppress(FileNotFoundError), lock_file.open(encoding="utf-8") as lock:  # another may have removed it
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue  # its owner lives
            if note is not None and lock.read() not in (note, ""):
                continue
            folder = lock_file.with_suffix("")
            yield folder
            shutil.rmtree(folder, ignore_errors=True)
            lock_file.unlink(missing_ok=True)


def find_dead(parent: Path) -> tuple[Path, ...]:
    """Return the folders of dead processes; removes nothing."""
    return tuple(lock.with_suffix("") for lock in sorted(parent.glob(f"*{_LOCK}")) if not process.is_held(lock))


def is_any_alive(parent: Path) -> bool:
    """Say whether a folder belongs to a process that lives."""
    return any(process.is_held(lock) for lock in parent.glob(f"*{_LOCK}"))


def remove_leftovers(parent: Path) -> tuple[str, ...]:
    """Remove the folders of dead processes; returns their names."""
    return tuple(folder.name for folder in take_leftovers(parent))


def _new_lock(parent: Path) -> tuple[int, Path]:
    """Return a new file and our lock on it; one that was removed as a dead process's before is made anew."""
    while True:
        lock, name = tempfile.mkstemp(dir=parent, suffix=_LOCK)
        fcntl.flock(lock, fcntl.LOCK_EX)
        if os.fstat(lock).st_nlink:
            return lock, Path(name)
        os.close(lock)
