"""A row of a table as lines: measured, published, or both side by side."""

import math

from orchestrator.analysis.columns import version_order
from orchestrator.analysis.comparison import Line, Row, Table


def lines_of(table: Table, row: Row) -> tuple[Line, ...]:
    """Return the lines of a row: versions from oldest to newest; systems from fastest to slowest, those tried."""
    numbers = dict(zip(table.published, row.published, strict=True))
    named = {printed.name: printed for printed in table.published}
    beside = table.beside or (None,) * len(table.columns)
    lines = []
    for column, label, entry, name in zip(table.columns, table.labels, row.entries, beside, strict=True):
        printed = named.pop(name, None) if name else None  # of one release in two variants the first has it
        number = numbers.pop(printed) if printed else None
        if entry.is_recorded or number or table.across == "image":
            lines.append(Line(label=label, column=column, entry=entry, printed=printed, number=number))
    for printed, number in numbers.items():
        if number or table.across == "image":
            lines.append(Line(label=printed.name, column=None, entry=None, printed=printed, number=number))
    return tuple(sorted(lines, key=_speed if table.across == "system" else _age))


def _age(line: Line) -> tuple[object, ...]:
    return version_order(line.column.version if line.column else line.label)


def _speed(line: Line) -> tuple[int, float]:
    """Order what was measured by its time, then what was published alone, then what has no time at all."""
    if line.entry and line.entry.value_s:
        return 0, line.entry.value_s
    return (1, line.number.value_s) if line.number else (2, math.inf)


def shared_notes(table: Table) -> tuple[str, ...]:
    """Return the notes that hold for every published number."""
    others = [set(column.notes) for column in table.published[1:]]
    return tuple(note for column in table.published[:1] for note in column.notes if all(note in one for one in others))
