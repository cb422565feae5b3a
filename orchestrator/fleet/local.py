"""The GPUs of one machine, or its processor, each to one run at a time."""

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager

from orchestrator import console
from orchestrator.devices import FOREIGN, FREE, OURS, computable, require_nobody, tell_processes
from orchestrator.errors import UsageError
from orchestrator.fleet import Slot, Unit
from orchestrator.fleet.hosts import Host
from orchestrator.fleet.locks import MACHINE, lock_name
from orchestrator.hardware import Gpu, Machine
from orchestrator.machine import choose_cpus

_LOOK_S = 0.5
_END_AGAIN_S = 0.2  # a launch that was just being made when all were ended is found the next time


def make_slots(machine: Machine, gpus: Sequence[Gpu], threads: int | None) -> tuple[Slot, ...]:
    """Return a slot for each GPU, or the one of the processor where there is none.

    gpus: to compute on. threads: of a launch; None: its physical cores.
    Each GPU of the machine has a share of the cores for itself, used or not: runs on two GPUs do not meet, and a GPU
    has the same cores in each run. Raises UsageError for more threads than a share has processors.
    """
    if not gpus:
        return (Slot(cpus=_pin(machine, threads)),)
    there = computable(machine.gpus)
    return tuple(Slot(gpu=gpu, cpus=_pin(machine, threads, there.index(gpu), len(there))) for gpu in gpus)


def _pin(machine: Machine, threads: int | None, share: int = 0, of: int = 1) -> tuple[int, ...]:
    cpus = choose_cpus(machine, threads, share, of)
    if threads is not None and threads > len(cpus):
        whose = f"the share of each of the {of} GPUs" if of > 1 else "this machine"
        raise UsageError(
            f"the suite asks for {threads} threads, but {whose} has {len(cpus)} processors. Ask for fewer."
        )
    return cpus


def held_by(host: Host, gpu: Gpu) -> int:
    """Say who has a GPU now: FREE, OURS or FOREIGN."""
    if host.is_taken(lock_name(gpu)):
        return OURS
    return FOREIGN if host.read_users(gpu).compute else FREE


def refuse_foreign(host: Host, gpus: Sequence[Gpu], patience_s: float = 0.0) -> None:
    """Raise EngineError if somebody else computes on these GPUs now; a desktop on one is told, no more.

    One that another run holds is left out: it is waited for. patience_s: for programs that were just killed.
    """
    until = time.monotonic() + patience_s
    for gpu in gpus:
        if host.is_taken(lock_name(gpu)):
            continue
        while (users := host.read_users(gpu)).compute and time.monotonic() < until:
            time.sleep(_END_AGAIN_S)
        free = [one for one in computable(host.machine.gpus) if one not in gpus and held_by(host, one) == FREE]
        require_nobody(gpu, users.compute, free if users.compute else ())
        if users.graphics:
            console.note(f"GPU {gpu.address} draws a desktop too ({tell_processes(users.graphics)}): times will vary.")


class LocalFleet:
    """One slot per GPU of a machine, or one on its processor; its locks keep other runs away."""

    def __init__(self, slots: tuple[Slot, ...], host: Host, poll_s: float = 1.0) -> None:
        """host: whose slots they are. poll_s: how often is looked while waiting."""
        self.slots = slots
        self._host = host
        self._poll_s = poll_s

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the GPUs against other runs; see Fleet.

        A run on the processor is alone on the machine; runs on GPUs share it with each other, not with that one.
        """
        gpus = sorted((slot.gpu for slot in self.slots if slot.gpu), key=lambda gpu: gpu.uuid)  # never crosswise
        with ExitStack() as stack:
            stack.enter_context(self._host.taken(MACHINE, self._host.name, shared=bool(gpus)))
            for gpu in gpus:
                stack.enter_context(self._host.taken(lock_name(gpu), f"GPU {gpu.address} ({gpu.name})"))
            yield

    def await_free(self, slot: Slot, is_stopped: Callable[[], bool]) -> None:
        """Wait until nobody else computes on the slot's GPU; see Fleet."""
        told = False
        while slot.gpu and not is_stopped() and (others := self._host.read_users(slot.gpu).compute):
            if not told:
                console.note(
                    f"GPU {slot.gpu.address}: others compute on it now: {tell_processes(others)}. Waiting for their "
                    "end; Ctrl-C stops, and the same command continues later."
                )
                told = True
            time.sleep(self._poll_s)

    def run(self, units: Sequence[Unit], work: Callable[[Unit, Slot], None], end: Callable[[], object]) -> None:
        """Do the work on the slots side by side; see Fleet. With one slot in this thread."""
        if len(self.slots) == 1:
            for unit in units:
                work(unit, self.slots[0])
            return
        left, busy = deque(units), set[Slot]()
        with ThreadPoolExecutor(len(self.slots)) as pool:
            try:
                serving = [pool.submit(_serve, slot, left, work, busy) for slot in self.slots]
                while wait(serving, timeout=_LOOK_S).not_done:
                    pass  # a signal that reached another thread is seen when this one wakes up
            except KeyboardInterrupt:
                left.clear()
                while busy:
                    end()
                    time.sleep(min(self._poll_s, _END_AGAIN_S))
                raise
        for one in serving:
            one.result()


def _serve(slot: Slot, left: "deque[Unit]", work: Callable[[Unit, Slot], None], busy: set[Slot]) -> None:
    """Do units that are left until none is; one that raises leaves none to the other slots."""
    busy.add(slot)
    try:
        while (unit := _take(left)) is not None:
            work(unit, slot)
    except BaseException:
        left.clear()
        raise
    finally:
        busy.discard(slot)


def _take(left: "deque[Unit]") -> Unit | None:
    try:
        return left.popleft()
    except IndexError:
        return None
