"""The order of launches: blocks of rows, each row's cells back to back; and what of it is still missing."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from orchestrator.prepared import Prepared, Setting
from orchestrator.recording import keys
from orchestrator.records import Record
from orchestrator.recovering import is_engine_failure


@dataclass(frozen=True, kw_only=True)
class PlannedLaunch:
    """One launch that is to be made."""

    prepared: Prepared
    block: int
    position: int  # in the whole order, from 1
    paired: bool = True


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


def into_blocks(planned: Sequence[PlannedLaunch]) -> tuple[tuple[PlannedLaunch, ...], ...]:
    """Cut an order into what has to run back to back in one place: the launches of one row in one block."""
    return tuple(tuple(block) for _, block in groupby(planned, lambda one: (one.prepared.cell.row, one.block)))
