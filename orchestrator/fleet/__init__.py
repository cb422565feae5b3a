"""What a fleet is: it gives launches a place of their own, a slot with a GPU or the processor. `local` is the one."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol, TypeVar

from orchestrator.hardware import Gpu

Unit = TypeVar("Unit")


@dataclass(frozen=True, kw_only=True)
class Slot:
    """A place for one launch at a time."""

    cpus: tuple[int, ...]  # logical CPUs its launches are pinned to, one per thread
    gpu: Gpu | None = None  # None: on the processor


class Fleet(Protocol):
    """Places work on slots; engines know nothing of it."""

    slots: tuple[Slot, ...]  # all alike: what one measures, each may

    def held(self) -> AbstractContextManager[None]:
        """Keep all slots from other runs for the time of the block; waits for them, aloud."""

    def await_free(self, slot: Slot, is_stopped: Callable[[], bool]) -> None:
        """Wait, aloud, until no program of others computes on a slot's GPU, or the run is stopped."""

    def run(self, units: Sequence[Unit], work: Callable[[Unit, Slot], None], end: Callable[[], object]) -> None:
        """Do the work of each unit on some slot: in order, at most one at a time on each.

        end: ends what is under way on all slots, from another thread; called until all have ended when the user stops.
        Raises what the work raised first, once the other slots have done the units they were at.
        """
