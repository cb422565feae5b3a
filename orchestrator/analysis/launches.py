"""What the launches of one cell say together: their medians, and the marks a reader must know of."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from orchestrator.analysis.columns import clean
from orchestrator.analysis.observations import footnotes, observations, some_of
from orchestrator.analysis.stats import geometric_mean
from orchestrator.records import Record

ONCE = ("setup_cold_s", "setup_s", "first_step_s")  # measures of a launch; setup_cold_s: of its gate launch
Block = tuple[str, str, int]  # run, row, block


@dataclass(frozen=True, kw_only=True)
class Launches:
    """The launches of one cell, the last attempt of each block."""

    medians_s: dict[Block, float]  # of the good ones
    paired: frozenset[Block]  # of them, those whose block was not cut in two
    launched: int
    failure: str | None  # why there is no time, where there is none
    notes: tuple[str, ...]
    comparable: str
    code_sha256: str
    once_s: Mapping[str, float]  # of the good ones, the geometric mean of what happens once in a launch


def summarise(records: Sequence[Record], phase: str) -> Launches:
    """Sum up the records of one cell, n >= 1, in any order; seconds per iteration of one phase."""
    launched, unlaunched = _last_attempts(records)
    newest = max(launched or unlaunched, key=lambda record: record.launch.order)
    kept = [record for record in launched if record.cell.comparable == newest.cell.comparable]
    times = [(record, _median(record, phase)) for record in kept]
    good = [record for record, time_s in times if time_s is not None]
    bad = [record for record, time_s in times if time_s is None]
    partly = (f"{len(bad)} of {len(kept)} launches: {_reasons(bad, phase)}",) if good and bad else ()
    later = (f"not launched again: {_reasons(unlaunched, phase)}",) if good and unlaunched else ()
    return Launches(
        medians_s={_block(record): time_s for record, time_s in times if time_s is not None},
        paired=frozenset(_block(record) for record in good if record.launch.paired),
        launched=len(kept),
        failure=None if good else _reasons([*bad, *unlaunched], phase),
        notes=(*partly, *later, *_marks(good, phase), *_left_out(len(launched) - len(kept))),
        comparable=newest.cell.comparable,
        code_sha256=newest.workload.code_sha256,
        once_s={name: mean for name in ONCE if (mean := _mean_s(good, name)) is not None},
    )


def _mean_s(good: Sequence[Record], name: str) -> float | None:
    """Return the geometric mean of a measure; None where a launch lacks it, or it is no time."""
    told = [record.measures.get(name) for record in good]
    times_s = [value for value in told if value is not None and 0 < value < math.inf]
    return geometric_mean(times_s) if times_s and len(times_s) == len(told) else None


def _last_attempts(records: Sequence[Record]) -> tuple[list[Record], list[Record]]:
    """Return the last attempt of each block, and what kept the cell from being launched since, if anything did."""
    ordered = sorted(records, key=lambda record: (record.launch.attempt, record.launch.order))
    blocks = {_block(record): record for record in ordered if record.launch.block is not None}
    latest = max(record.launch.order for record in blocks.values()) if blocks else ("", 0, "")
    unlaunched = [record for record in ordered if record.launch.block is None and record.launch.order > latest]
    if blocks:
        unlaunched = [record for record in unlaunched if record.status != "unsupported"]
    return list(blocks.values()), sorted(unlaunched, key=lambda record: record.launch.order)[-1:]


def _block(record: Record) -> Block:
    return (record.launch.run, record.launch.row, record.launch.block or 0)


def _median(record: Record, phase: str) -> float | None:
    """Return the launch median in seconds, None unless the launch is good and all its samples are times."""
    least_s, median_s = record.least_s(phase), record.median_s(phase)
    if record.status != "ok" or least_s is None or median_s is None:
        return None
    is_time = least_s > 0 and all(math.isfinite(value) for value in record.samples.get(phase, ()))
    return median_s if is_time else None


def _reasons(bad: Sequence[Record], phase: str) -> str:
    counted = Counter(_reason(record, phase) for record in bad)
    return "; ".join(reason for reason, _ in counted.most_common(2)) + (" …" if len(counted) > 2 else "")


def _reason(record: Record, phase: str) -> str:
    if record.failure:
        where = f" ({clean(record.failure.phase)})" if record.status in {"failed", "invalid"} else ""
        return f"{record.status}{where}: {clean(record.failure.message) or clean(record.failure.kind)}"
    return f"invalid: no times of {phase}" if record.status == "ok" else f"{record.status}: no reason recorded"


def _marks(good: Sequence[Record], phase: str) -> tuple[str, ...]:
    """Say what weakens the times: too few samples, a busy machine, throttling, compilation, a cut block.

    Without counts and loads, which the records have: cells with the same trouble share a footnote.
    """
    ours = [record for record in good if record.provenance.source == "measured"]  # of others nothing was asked
    short = [record.count(phase) for record in ours if record.count(phase) < record.protocol.samples]
    busy = [record for record in good if _is_busy(record)]
    compiled = [record for record in good if record.image.jit]
    cut = [record for record in ours if not record.launch.paired]
    marks = (
        (short, f"{min(short, default=0)} samples in the time limit, fewer than asked for"),
        (busy, f"busy machine: load above its CPUs before {some_of(busy, good)}"),
        (compiled, "the GPU's code was compiled from PTX at the start"),
        (cut, f"not paired: a stop cut the block of {some_of(cut, good)} in two"),
    )
    return (*(text for applies, text in marks if applies), *observations(good), *footnotes(good, phase))


def _is_busy(record: Record) -> bool:
    """Tell whether others used more than the idle CPUs: the launch before it explains a load of its own threads."""
    load, cpus = record.launch.load, len(record.machine.cpus) or record.machine.cores
    return load is not None and load > cpus


def _left_out(count: int) -> tuple[str, ...]:
    return (f"older launches of other code or protocol left out: {count}",) if count else ()
