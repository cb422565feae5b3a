"""What the launches of one cell say together: their medians, and the marks a reader must know of."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from orchestrator.analysis.columns import clean
from orchestrator.records import Record

Block = tuple[str, int]  # run, block


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


def summarise(records: Sequence[Record], phase: str) -> Launches:
    """Sum up the records of one cell, n >= 1, in any order; seconds per iteration of one phase."""
    last = _last_attempts(records)
    newest = max(last, key=lambda record: record.launch.started)
    kept = [record for record in last if record.cell.comparable == newest.cell.comparable]
    times = [(record, _median(record, phase)) for record in kept]
    good = [record for record, time_s in times if time_s is not None]
    bad = [record for record, time_s in times if time_s is None]
    notes = (*_marks(good, phase), *_left_out(len(last) - len(kept)))
    return Launches(
        medians_s={_block(record): time_s for record, time_s in times if time_s is not None},
        paired=frozenset(_block(record) for record in good if record.launch.paired),
        launched=sum(record.launch.block is not None for record in kept),
        failure=_reasons(bad, phase) if not good else None,
        notes=(f"{len(bad)} of {len(kept)} launches: {_reasons(bad, phase)}", *notes) if good and bad else notes,
        comparable=newest.cell.comparable,
        code_sha256=newest.workload.code_sha256,
    )


def _last_attempts(records: Sequence[Record]) -> list[Record]:
    """Keep the last attempt of each block; a gate that failed counts only if nothing was launched after it."""
    ordered = sorted(records, key=lambda record: (record.launch.attempt, record.launch.started))
    blocks = {_block(record): record for record in ordered if record.launch.block is not None}
    others = [record for record in ordered if record.launch.block is None]
    if not blocks:
        return others[-1:]
    latest = max(record.launch.started for record in blocks.values())
    gates = [one for one in others if one.status != "unsupported" and one.launch.started > latest]
    return [*blocks.values(), *gates[-1:]]


def _block(record: Record) -> Block:
    return (record.launch.run, record.launch.block or 0)


def _median(record: Record, phase: str) -> float | None:
    """Return the launch median in seconds, None unless the launch is good and all its samples are times."""
    samples = record.samples.get(phase, ()) if record.status == "ok" else ()
    is_time = bool(samples) and all(math.isfinite(value) and value > 0 for value in samples)
    return median(samples) if is_time else None


def _reasons(bad: Sequence[Record], phase: str) -> str:
    counted = Counter(_reason(record, phase) for record in bad)
    return "; ".join(reason for reason, _ in counted.most_common(2)) + (" …" if len(counted) > 2 else "")


def _reason(record: Record, phase: str) -> str:
    if record.failure:
        where = f" ({clean(record.failure.phase)})" if record.status in {"failed", "invalid"} else ""
        return f"{record.status}{where}: {clean(record.failure.message) or clean(record.failure.kind)}"
    return f"invalid: no times of {phase}" if record.status == "ok" else f"{record.status}: no reason recorded"


def _marks(good: Sequence[Record], phase: str) -> tuple[str, ...]:
    """Say what weakens the times: a busy machine, too few samples, throttling, compilation, a cut block."""
    short = [len(record.samples[phase]) for record in good if len(record.samples[phase]) < record.protocol.samples]
    busy = [record.launch.load or 0 for record in good if _is_busy(record)]
    throttled = sum(bool((record.telemetry or {}).get("throttle")) for record in good)
    cut = sum(not record.launch.paired for record in good)
    compiled = any(record.environment and record.environment.flags.get("jit") for record in good)
    marks = (
        (short, f"{min(short, default=0)} of {good[0].protocol.samples if good else 0} samples: time limit"),
        (busy, f"busy machine: load {max(busy, default=0):.1f} before {len(busy)} of {len(good)} launches"),
        (throttled, f"hardware throttling in {throttled} of {len(good)} launches"),
        (compiled, "the GPU's code was compiled from PTX at the start"),
        (cut, f"not paired: a stop cut {cut} of {len(good)} blocks in two"),
    )
    return tuple(text for applies, text in marks if applies)


def _is_busy(record: Record) -> bool:
    """Tell whether others used more than the idle CPUs: the launch before it explains a load of its own threads."""
    load, cpus = record.launch.load, len(record.machine.cpus) or record.machine.cores
    return load is not None and load > cpus


def _left_out(count: int) -> tuple[str, ...]:
    return (f"{count} launches of other code left out",) if count else ()
