"""Published numbers beside measured ones: columns of their own."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from orchestrator.analysis.columns import version_order
from orchestrator.analysis.comparison import PublishedColumn, PublishedEntry, Row, Table
from orchestrator.analysis.published import Published, PublishedNumber
from orchestrator.analysis.published_systems import find_systems, name_same_systems
from orchestrator.analysis.ranks import rank_agreements
from orchestrator.images import framework_version

Numbers = Mapping[str, PublishedNumber]  # of one row, by version, or by system


def add_published(table: Table, published: Published | None, labels: Mapping[str, str]) -> Table:
    """Put a study's numbers beside the rows they belong to; the table as it is where it has none.

    labels: implementation -> the study's name for it.
    """
    if published is None:
        return table
    if table.across == "system":
        found = [find_systems(row, table.phase, published) for row in table.rows]
        beside = name_same_systems(table, found, labels, of_any_release=False)
        ranked = name_same_systems(table, found, labels, of_any_release=True)
    else:
        found = [_find(row, table.phase, published, labels) for row in table.rows]
        beside = tuple(framework_version(column.version) for column in table.columns)
        ranked = ()
    names = sorted({name for numbers in found for name in numbers}, key=version_order)
    columns = tuple(_column(name, table, found, published.year) for name in names)
    rows = tuple(_add(row, numbers, columns) for row, numbers in zip(table.rows, found, strict=True))
    told = tuple(name if name in names else None for name in beside)
    table = replace(table, rows=rows, published=columns, beside=told)
    return replace(table, ranks=rank_agreements(table, ranked)) if columns else table


def _find(row: Row, phase: str, published: Published, labels: Mapping[str, str]) -> Numbers:
    label = labels.get(row.implementation or "", row.implementation or "")
    found = (published.find(row.configuration, name, label, phase) for name in sorted(row.frameworks))
    return next((numbers for numbers in found if numbers), {})


def _column(name: str, table: Table, found: Sequence[Numbers], year: str) -> PublishedColumn:
    numbers = [by_name[name] for by_name in found if name in by_name]
    shared = [note for note in numbers[0].defects if all(note in number.defects for number in numbers)]
    return PublishedColumn(
        version=numbers[0].version,
        system=name if table.across == "system" else None,
        device=numbers[0].device,
        year=year,
        notes=tuple(shared),
    )


def _add(row: Row, numbers: Numbers, columns: Sequence[PublishedColumn]) -> Row:
    return replace(row, published=tuple(_entry(numbers.get(column.name), column) for column in columns))


def _entry(number: PublishedNumber | None, column: PublishedColumn) -> PublishedEntry | None:
    if number is None:
        return None
    own = tuple(note for note in number.defects if note not in column.notes)
    return PublishedEntry(
        value_s=number.value_s,
        text=number.text,
        ratio_to_fastest=number.ratio_to_fastest or number.times_fastest,
        ratio_is_printed=number.ratio_to_fastest is not None,
        compared=number.compared,
        notes=own,
    )
