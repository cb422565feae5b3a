"""Gates first, then blocks: each block on one slot of the fleet, one record saved before the next launch starts."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import Lock

from orchestrator import console
from orchestrator.analysis.columns import clean
from orchestrator.analysis.texts import seconds
from orchestrator.fleet import Fleet, Slot
from orchestrator.gating import pass_gate
from orchestrator.launching import measure
from orchestrator.ordering import PlannedLaunch, into_blocks, missing_launches
from orchestrator.prepared import Gate, Place, Prepared, Setting
from orchestrator.records import Record
from orchestrator.recovering import await_engine, is_engine_failure
from orchestrator.stopping import Stop
from orchestrator.store import RunFolder


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a run ended: the records it made now, how many launches were there before, whether it was stopped."""

    made: tuple[Record, ...]
    found: int
    interrupted: bool = False


class Progress:
    """What the user sees of the launches, from all slots one at a time; a remedy is told once."""

    def __init__(self, told: set[str], steps: int, estimate_s: float | None = None, after_s: float = 0.0) -> None:
        """told: remedies that were told already; the others as in console.Progress."""
        self._told = told
        self._lines = console.Progress(steps, estimate_s, after_s)
        self._turn = Lock()

    def start(self, what: str) -> None:
        with self._turn:
            self._lines.start(what)

    def finish(self, what: str, outcome: str, remedy: str = "") -> None:
        with self._turn:
            self._lines.finish(what, outcome)
            if remedy and remedy not in self._told:
                self._told.add(remedy)
                console.note(f"  {remedy}")


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run under way."""

    setting: Setting
    fleet: Fleet
    folder: RunFolder
    cells: tuple[Prepared, ...]
    cache: Path
    estimate_s: float | None = None
    stop: Stop = field(default_factory=Stop)
    made: list[Record] = field(default_factory=list)
    gates: dict[str, Gate] = field(default_factory=dict)  # passed ones, by cell

    def execute(self, found: Sequence[Record]) -> Ended:
        """Gate and measure what has no record yet. found: the records that lie in the folder."""
        try:
            with self.stop.watching():
                self._execute(found)
                if any(is_engine_failure(record) for record in self.made):
                    self.setting.engine.reap(self.folder.id)  # what it could not remove while it was away
        except KeyboardInterrupt:
            return Ended(made=tuple(self.made), found=len(found), interrupted=True)
        return Ended(made=tuple(self.made), found=len(found), interrupted=self.stop.asked)

    def _execute(self, found: Sequence[Record]) -> None:
        planned = missing_launches(self.setting, self.cells, found)
        wanted = {one.prepared.cell.id for one in planned}
        cells = [prepared for prepared in self.cells if prepared.cell.id in wanted]
        told: set[str] = set()
        gating = Progress(told, len(cells), after_s=self.estimate_s or 0.0)
        self.fleet.run(cells, partial(self._pass_gate, gating), self._end)
        planned = tuple(one for one in planned if one.prepared.cell.id in self.gates)
        if planned and not self.stop.is_near:
            progress = Progress(told, len(planned), self.estimate_s)
            self.fleet.run(into_blocks(planned), partial(self._launch_block, progress), self._end)

    def _pass_gate(self, progress: Progress, prepared: Prepared, slot: Slot) -> None:
        if self.stop.is_near:
            return
        what = f"gate  {self._place(slot)}{prepared.cell.id}"
        progress.start(what)
        attempt = self.folder.next_attempt(prepared.cell.id, None)
        gate = pass_gate(self.setting.on(slot), prepared, self.cache, attempt)
        if isinstance(gate, Record):
            self._keep(progress, what, gate)
        else:
            self.gates[prepared.cell.id] = gate
            progress.finish(what, describe_gate(gate))

    def _launch_block(self, progress: Progress, block: Sequence[PlannedLaunch], slot: Slot) -> None:
        self.fleet.await_free(slot, lambda: self.stop.is_near)
        for one in block:
            if self.stop.is_near:
                return
            cell = one.prepared.cell
            what = f"block {one.block}  {self._place(slot)}{cell.id}"
            progress.start(what)
            attempt = self.folder.next_attempt(cell.id, one.block)
            place = Place(block=one.block, position=one.position, paired=one.paired, attempt=attempt)
            self._keep(progress, what, measure(self.setting.on(slot), one.prepared, place, self.gates[cell.id]))

    def _keep(self, progress: Progress, what: str, record: Record) -> None:
        """Save a record before anything else happens; an engine that failed the launch is waited for.

        One of a launch that was killed with its run is dropped: it says nothing about the cell.
        """
        if self.stop.killing:
            return
        stored = self.folder.write_record(record)
        self.made.append(stored)
        progress.finish(what, describe(stored), stored.failure.remedy if stored.failure else "")
        if is_engine_failure(stored):
            await_engine(self.setting.engine)

    def _end(self) -> None:
        """End the launches under way on all slots."""
        self.setting.engine.end(self.folder.id)

    def _place(self, slot: Slot) -> str:
        return f"GPU {slot.gpu.address}  " if slot.gpu and len(self.fleet.slots) > 1 else ""


def describe(record: Record) -> str:
    """Say in a few words how a launch ended."""
    if record.failure is not None:
        return f"{record.status}: {clean(record.failure.message) or clean(record.failure.kind)}"
    phase = record.protocol.phases[0]
    return f"{phase} {seconds(record.median_s(phase) or 0.0)} × {record.count(phase)}"


def describe_gate(gate: Gate) -> str:
    """Say how far a cell is from its reference."""
    errors = [error for entry in gate.entries if isinstance(error := entry.get("error"), float)]
    return f"passed, largest error {max(errors):.1e}" if errors else "passed, no reference"
