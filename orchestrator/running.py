"""Gates first, then blocks: every row's cells back to back in random order, one record saved before the next starts."""

import random
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from orchestrator import console
from orchestrator.analysis.columns import clean
from orchestrator.analysis.texts import seconds
from orchestrator.gating import pass_gate
from orchestrator.launching import measure
from orchestrator.prepared import Gate, Place, Prepared, Setting
from orchestrator.recording import keys
from orchestrator.records import Record
from orchestrator.recovering import await_engine, is_engine_failure
from orchestrator.store import RunFolder

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True, kw_only=True)
class PlannedLaunch:
    """One launch that is to be made."""

    prepared: Prepared
    block: int
    position: int  # in the whole order, from 1
    paired: bool = True


@dataclass
class Stop:
    """Ctrl-C: once lets the launch end and stops; twice kills it; more often changes nothing while that goes on."""

    asked: bool = False
    killing: bool = False

    @contextmanager
    def watching(self) -> Iterator["Stop"]:
        """Watch for Ctrl-C, and for SIGTERM and a lost terminal, which kill; what is ignored (nohup) stays so."""
        watched = [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
        before = {number: signal.signal(number, self._on_signal) for number in watched}
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if self.killing:
            return  # a container is being removed: it would stay
        if self.asked or number != signal.SIGINT:
            self.killing = True
            raise KeyboardInterrupt
        self.asked = True
        console.note("\nStopping after this launch; Ctrl-C again kills it. The same command continues later.")


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a run ended: the records it made now, how many launches were there before, whether it was stopped."""

    made: tuple[Record, ...]
    found: int
    interrupted: bool = False


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run under way."""

    setting: Setting
    folder: RunFolder
    cells: tuple[Prepared, ...]
    cache: Path
    estimate_s: float | None = None
    stop: Stop = field(default_factory=Stop)

    def execute(self, found: Sequence[Record]) -> Ended:
        """Gate and measure what has no record yet. found: the records that lie in the folder."""
        made: list[Record] = []
        try:
            with self.stop.watching():
                self._execute(found, made.append)
                if any(is_engine_failure(record) for record in made):
                    self.setting.engine.reap(self.folder.id)  # what it could not remove while it was away
        except KeyboardInterrupt:
            return Ended(made=tuple(made), found=len(found), interrupted=True)
        return Ended(made=tuple(made), found=len(found), interrupted=self.stop.asked)

    def _execute(self, found: Sequence[Record], keep: Callable[[Record], None]) -> None:
        planned = missing_launches(self.setting, self.cells, found)
        gates = self._pass_gates([cell for cell in self.cells if any(one.prepared is cell for one in planned)], keep)
        planned = tuple(one for one in planned if one.prepared.cell.id in gates)
        if len(planned) == 0:
            return
        progress = console.Progress(len(planned), self.estimate_s)
        for one in planned:
            if self.stop.asked:
                return
            what = f"block {one.block}  {one.prepared.cell.id}"
            progress.start(what)
            attempt = self.folder.next_attempt(one.prepared.cell.id, one.block)
            place = Place(block=one.block, position=one.position, paired=one.paired, attempt=attempt)
            record = measure(self.setting, one.prepared, place, gates[one.prepared.cell.id])
            progress.finish(what, describe(self._keep(record, keep)))

    def _keep(self, record: Record, keep: Callable[[Record], None]) -> Record:
        """Save a record before anything else happens, and return it; an engine that failed the launch is waited for."""
        stored = self.folder.write_record(record)
        keep(stored)
        if is_engine_failure(stored):
            await_engine(self.setting.engine)
        return stored

    def _pass_gates(self, cells: Sequence[Prepared], keep: Callable[[Record], None]) -> dict[str, Gate]:
        gates: dict[str, Gate] = {}
        progress = console.Progress(len(cells))
        for prepared in cells:
            if self.stop.asked:
                return {}
            progress.start(f"gate  {prepared.cell.id}")
            gate = pass_gate(self.setting, prepared, self.cache, self.folder.next_attempt(prepared.cell.id, None))
            if isinstance(gate, Record):
                progress.finish(f"gate  {prepared.cell.id}", describe(self._keep(gate, keep)))
            else:
                gates[prepared.cell.id] = gate
                progress.finish(f"gate  {prepared.cell.id}", describe_gate(gate))
        return gates


def order_launches(cells: Sequence[Prepared], blocks: int, seed: int) -> tuple[PlannedLaunch, ...]:
    """Order the launches: in each block the rows in random order, in each row its cells in random order.

    The cells of a row, which a table divides by each other, run back to back: minutes apart, not hours.
    seed: stored in every record; the same seed gives the same order.
    """
    generator = random.Random(seed)
    rows: dict[str, list[Prepared]] = {}
    for prepared in cells:
        rows.setdefault(prepared.cell.row, []).append(prepared)
    ordered: list[PlannedLaunch] = []
    for block in range(1, blocks + 1):
        for row in generator.sample(sorted(rows), len(rows)):
            members = sorted(rows[row], key=lambda prepared: prepared.cell.id)
            for prepared in generator.sample(members, len(members)):
                ordered.append(PlannedLaunch(prepared=prepared, block=block, position=len(ordered) + 1))
    return tuple(ordered)


def missing_launches(setting: Setting, cells: Sequence[Prepared], found: Sequence[Record]) -> tuple[PlannedLaunch, ...]:
    """Return the launches without a record, in the run's order.

    A block of a row that was cut in two by a stop is finished, but its later launches are not paired with the
    earlier ones: hours may lie between them. A launch that the engine failed is made again: it was no launch. A cell
    whose gate launch failed is not tried again, unless it disagreed with a reference, which may have changed.
    """
    launched = [record for record in found if not is_engine_failure(record)]
    done = {(record.cell.key, record.launch.block) for record in launched if record.launch.block is not None}
    failed = {one.cell.key for one in launched if one.failure and one.launch.block is None and one.cell.key}
    failed -= {one.cell.key for one in launched if one.failure and one.failure.phase == "gate"}
    current = {keys(setting, prepared).key for prepared in cells}
    begun = {(record.launch.row, record.launch.block) for record in found if record.cell.key in current}
    missing = []
    for one in order_launches(cells, setting.protocol.blocks, setting.seed):
        key = keys(setting, one.prepared).key
        if key not in failed and (key, one.block) not in done:
            paired = (one.prepared.cell.row, one.block) not in begun
            missing.append(PlannedLaunch(prepared=one.prepared, block=one.block, position=one.position, paired=paired))
    return tuple(missing)


def newest_of_each(records: Sequence[Record]) -> tuple[Record, ...]:
    """Return the last attempt of every launch; what kept a cell from being launched counts until it is launched."""
    newest = {(one.cell.id, one.launch.block): one for one in sorted(records, key=lambda one: one.launch.attempt)}
    # The last launch of a cell is the last of the sorted ones, which dict keeps.
    launched = dict(sorted((one.cell.id, one.launch.order) for one in newest.values() if one.launch.block is not None))
    return tuple(
        one
        for one in newest.values()
        if one.launch.block is not None or launched.get(one.cell.id, one.launch.order) <= one.launch.order
    )


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
