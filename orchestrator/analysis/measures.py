"""What a benchmark derives from its times, such as sequences per second."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from orchestrator.analysis.comparison import Derived, Entry, Row, Table
from orchestrator.specs import Measure, Scalar


def add_measures(table: Table, measures: Mapping[str, Sequence[Measure]]) -> Table:
    """Return a table whose entries tell the measures of its phase. measures: of each benchmark."""
    rows = tuple(_add_to_row(row, table.phase, measures.get(row.benchmark, ())) for row in table.rows)
    return replace(table, rows=rows)


def _add_to_row(row: Row, phase: str, measures: Sequence[Measure]) -> Row:
    asked = [one for one in measures if one.phase == phase]
    return replace(row, entries=tuple(_add_to_entry(entry, asked, row.parameters) for entry in row.entries))


def _add_to_entry(entry: Entry, measures: Sequence[Measure], parameters: Mapping[str, Scalar]) -> Entry:
    derived = {one.name: derive(one, entry, parameters) for one in measures} if entry.value_s else {}
    return replace(entry, measures={name: one for name, one in derived.items() if one})


def derive(measure: Measure, entry: Entry, parameters: Mapping[str, Scalar]) -> Derived | None:
    """Return a measure of an entry that has a time: the time itself, or a parameter over it.

    None where the configuration has no such number. The bounds of a rate are the other way round.
    """
    count = parameters.get(measure.per) if measure.per else None
    if isinstance(count, str | bool) or (measure.per and not count):
        return None
    bounds = [entry.interval.low, entry.interval.high] if entry.interval else [None, None]
    value, low, high = (_measured(time_s, count) for time_s in (entry.value_s, *bounds))
    if count is not None:
        low, high = high, low
    return Derived(value=value, low=low, high=high, unit=measure.unit, better=measure.better)


def _measured(time_s: float | None, count: float | None) -> float | None:
    return time_s if count is None or time_s is None else count / time_s
