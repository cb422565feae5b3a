"""What of a record goes into its own file, at most 32 KiB, and what into the trace beside it."""

import csv
import gzip
import io
import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from itertools import zip_longest
from statistics import fmean, median, quantiles, stdev

from orchestrator.records import Failure, Record
from orchestrator.specs import Scalar
from orchestrator.summaries import Summary

RECORD_AT_MOST_BYTES = 32 * 2**10
SAMPLES_AT_MOST = 2000  # of one kind and phase in a record
SHORT = 20  # values that take no more room than their summary
TRACE_ROOM_BYTES = 512  # for name and hash of the trace, which are known last
# Of a record that is cut; JSON takes up to 6 bytes for a character.
NAME_CHARACTERS, MESSAGE_CHARACTERS, LOG_TAIL_CHARACTERS = 100, 1000, 1000

Columns = Mapping[str, tuple[float | None, ...]]


def record_bytes(record: Record) -> bytes:
    """Write a record as JSON, a line for each of its parts; what it is stands first."""
    parts = {"schema": record.schema, **asdict(record)}
    lines = (f" {json.dumps(name)}: {_json(part)}" for name, part in parts.items())
    # What the command line holds that is no UTF-8 would make a record that nobody can read.
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode(errors="replace")


def fits(content: bytes) -> bool:
    """Say whether a record may be as long as this."""
    return len(content) <= RECORD_AT_MOST_BYTES


def separate(record: Record) -> tuple[Record, Columns]:
    """Return the record that is written, and the columns of its trace.

    Readings of telemetry always move there, samples beyond 2000 too; then the longest samples, until the record fits.
    """
    columns: dict[str, tuple[float | None, ...]] = {}
    if record.telemetry is not None:
        columns = {f"telemetry.{name}": values for name, values in record.telemetry.rows.items()}
        record = replace(record, telemetry=replace(record.telemetry, rows={}))
    for kind, phase, values in _longest_first(record):
        if len(values) <= SAMPLES_AT_MOST and _has_room(record):
            break
        columns[f"{kind}.{phase}"] = values
        record = _summarised(record, kind, phase)
    return (record if _has_room(record) else _condensed(record)), columns


def trace_bytes(columns: Columns) -> bytes:
    """Write columns as compressed CSV; the same columns give the same bytes."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("index", *columns))
    writer.writerows((index, *row) for index, row in enumerate(zip_longest(*columns.values())))
    return gzip.compress(text.getvalue().encode(), mtime=0)


def cut(record: Record, size_bytes: int, whole: str) -> Record:
    """Return what stands for a record that does not fit for a reason other than its samples: a failed one.

    whole: where the whole record lies.
    """
    failure = record.failure or Failure(
        phase="record",
        kind="RecordTooLarge",
        message=f"a record of {size_bytes} bytes, more than {RECORD_AT_MOST_BYTES}; the most is {_largest(record)}",
    )
    return replace(
        record,
        status="failed" if record.status == "ok" else record.status,
        failure=replace(
            failure,
            phase=failure.phase[:NAME_CHARACTERS],
            kind=failure.kind[:NAME_CHARACTERS],
            message=f"{failure.message[:MESSAGE_CHARACTERS]} (whole: {whole})",
            log_tail=failure.log_tail[-LOG_TAIL_CHARACTERS:],
        ),
        workload=replace(record.workload, parameters={}),
        protocol=replace(record.protocol, group={}, timer="", sync=""),
        provenance=replace(record.provenance, command=()),
        environment=None,
        telemetry=None,
        trace=None,
        samples={},
        cpu_samples={},
        event_samples={},
        warmup={},
        summaries={},
        measures={},
        sanity=(),
    )


def summarise(values: tuple[float, ...]) -> Summary:
    """Sum up values, n >= 1; quartiles as R's type 7, which numpy and pandas use."""
    several = len(values) > 1
    low, _, high = quantiles(values, method="inclusive") if several else values * 3
    return Summary(
        n=len(values),
        median=median(values),
        quartiles=(low, high),
        min=min(values),
        max=max(values),
        mean=fmean(values),
        std=stdev(values) if several else 0.0,
    )


def _json(content: object) -> str:
    return json.dumps(content, allow_nan=False, ensure_ascii=False)


def _series(record: Record) -> dict[str, dict[str, tuple[float, ...]]]:
    """Return all that a record lists by phase."""
    kinds = {
        "samples": record.samples,
        "cpu_samples": record.cpu_samples,
        "event_samples": record.event_samples,
        "warmup": record.warmup,
    }
    return {kind: {phase: tuple(values) for phase, values in phases.items()} for kind, phases in kinds.items()}


def _longest_first(record: Record) -> list[tuple[str, str, tuple[float, ...]]]:
    """Return kind, phase and values; of the same length the samples last, which readers want most."""
    found = [(kind, phase, values) for kind, phases in _series(record).items() for phase, values in phases.items()]
    return sorted((one for one in found if len(one[2]) > SHORT), key=lambda one: (-len(one[2]), one[0] == "samples"))


def _has_room(record: Record) -> bool:
    return len(record_bytes(record)) + TRACE_ROOM_BYTES <= RECORD_AT_MOST_BYTES


def _summarised(record: Record, kind: str, phase: str) -> Record:
    left = _series(record)
    summary = summarise(left[kind].pop(phase))
    return replace(
        record,
        samples=left["samples"],
        cpu_samples=left["cpu_samples"],
        event_samples=left["event_samples"],
        warmup=left["warmup"],
        summaries={**record.summaries, kind: {**record.summaries.get(kind, {}), phase: summary}},
    )


def _condensed(record: Record) -> Record:
    """Keep of the gate's checks of one kind that passed the one with the largest error: a model may have 200 tensors.

    All of them lie in the cache, under the gate's hash.
    """
    kept: dict[object, Mapping[str, Scalar | None]] = {}
    for position, entry in enumerate(record.sanity):
        passed = entry.get("ok") is True and "gate" in entry and isinstance(entry.get("error"), float)
        place = entry.get("check") if passed else position
        known = kept.get(place)
        if known is None or _error(entry) > _error(known):
            kept[place] = entry
    return replace(record, sanity=tuple(kept.values()))


def _error(entry: Mapping[str, Scalar | None]) -> float:
    error = entry.get("error")
    return error if isinstance(error, float) else 0.0


def _largest(record: Record) -> str:
    """Name the part of a record that takes the most room."""
    parts = asdict(record)
    return max(parts, key=lambda name: len(_json(parts[name])))
