"""Whose turn it is on a machine: locks that the kernel lets go when their holder dies."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from orchestrator import console, process
from orchestrator.hardware import Gpu

MACHINE = "machine"  # held alone by a run on the processor, together by runs on GPUs


def lock_name(gpu: Gpu) -> str:
    """Return the name of a GPU's lock."""
    return gpu.uuid or gpu.address


def lock_file(folder: Path, name: str) -> Path:
    """Return the file of a lock."""
    return folder / f"{name}.lock"


@contextmanager
def taken(lock: Path, what: str, *, shared: bool = False) -> Iterator[None]:
    """Hold a lock for the time of the block; waits, aloud, for another run that holds it.

    what: it stands for. shared: several that say so hold it together.
    """
    if process.is_held(lock, shared=shared):
        console.note(f"Another orch run is measuring on {what}. Waiting for its end …")
    with process.exclusive(lock, shared=shared):
        yield
