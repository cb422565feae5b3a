"""What telemetry and traces add to the marks of a cell: throttling, foreign programs, stolen time, a lost trace."""

from collections.abc import Callable, Sequence

from orchestrator.analysis.columns import clean
from orchestrator.records import Record
from orchestrator.summaries import TelemetrySummary

STEAL_AT_MOST = 0.01  # of the CPUs' time
POWER_CAP = "sw_power_cap"
NOTHING_SEEN = TelemetrySummary()


def observations(good: Sequence[Record]) -> tuple[str, ...]:
    """Say what was observed while the times of a cell were taken, each once; nothing is left out for it."""
    marks: tuple[tuple[Callable[[Record], object], str], ...] = (
        (lambda record: _seen(record).throttle, "hardware throttling in {}"),
        (_is_capped, "the GPU ran into its power limit in {}"),
        (_is_unobserved, "throttling was not observed in {}: no telemetry of the GPU"),
        (lambda record: _seen(record).foreign_processes, "others computed on the GPU around {}"),
        (
            lambda record: (_seen(record).steal or 0) > STEAL_AT_MOST,
            "the hypervisor took more than 1 % of the CPU time of {}",
        ),
    )
    found = [(text, [record for record in good if applies(record)]) for applies, text in marks]
    notes = [text.format(some_of(records, good)) for text, records in found if records]
    problems = dict.fromkeys(record.trace.problem for record in good if record.trace and record.trace.problem)
    return (*notes, *(f"the trace of a launch {clean(problem)}; its summary is used" for problem in problems))


def footnotes(good: Sequence[Record], phase: str) -> tuple[str, ...]:
    """Return what imported records say of a phase's times, each once."""
    entries = [entry for record in good for entry in record.sanity if entry.get("check") == "footnote"]
    return tuple(dict.fromkeys(clean(str(entry.get("text"))) for entry in entries if entry.get("phase") == phase))


def some_of(some: Sequence[Record], good: Sequence[Record]) -> str:
    """Say how many launches something is true of, without their number."""
    return "every launch" if len(some) == len(good) else "some launches"


def _seen(record: Record) -> TelemetrySummary:
    return record.telemetry.summary if record.telemetry else NOTHING_SEEN


def _is_capped(record: Record) -> bool:
    """The power limit is a note beside what throttles: it is how a GPU is meant to work."""
    return POWER_CAP in _seen(record).reasons and not _seen(record).throttle


def _is_unobserved(record: Record) -> bool:
    is_ours = record.provenance.source == "measured"
    return is_ours and record.protocol.device == "cuda" and _seen(record).throttle is None
