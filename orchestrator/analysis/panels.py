"""Published numbers beside measured ones: columns of their own, and how far the ranks agree."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from orchestrator.analysis.columns import version_order
from orchestrator.analysis.comparison import PublishedColumn, PublishedEntry, RankAgreement, Row, Table
from orchestrator.analysis.published import Published, PublishedNumber
from orchestrator.analysis.stats import kendall_tau

Numbers = Mapping[str, PublishedNumber]  # of one row, by version


def add_published(table: Table, published: Published | None, labels: Mapping[str, str]) -> Table:
    """Put a study's numbers beside the rows they belong to; the table as it is where it has none.

    labels: implementation -> the study's name for it.
    """
    if published is None:
        return table
    found = [_find(row, published, labels) for row in table.rows]
    versions = sorted({version for numbers in found for version in numbers}, key=version_order)
    columns = tuple(_column(version, found, published.year) for version in versions)
    rows = tuple(_add(row, numbers, columns) for row, numbers in zip(table.rows, found, strict=True))
    table = replace(table, rows=rows, published=columns)
    return replace(table, ranks=_rank_agreements(table)) if columns else table


def _find(row: Row, published: Published, labels: Mapping[str, str]) -> Numbers:
    label = labels.get(row.implementation, row.implementation)
    found = (published.find(row.configuration, name, label) for name in sorted(row.frameworks))
    return next((numbers for numbers in found if numbers), {})


def _column(version: str, found: Sequence[Numbers], year: str) -> PublishedColumn:
    numbers = [by_version[version] for by_version in found if version in by_version]
    shared = [note for note in numbers[0].defects if all(note in number.defects for number in numbers)]
    return PublishedColumn(version=version, device=numbers[0].device, year=year, notes=tuple(shared))


def _add(row: Row, numbers: Numbers, columns: Sequence[PublishedColumn]) -> Row:
    return replace(row, published=tuple(_entry(numbers.get(column.version), column) for column in columns))


def _entry(number: PublishedNumber | None, column: PublishedColumn) -> PublishedEntry | None:
    if number is None:
        return None
    own = tuple(note for note in number.defects if note not in column.notes)
    return PublishedEntry(
        value_s=number.value_s,
        text=number.text,
        ratio_to_fastest=number.ratio_to_fastest,
        compared=number.compared,
        notes=own,
    )


def _rank_agreements(table: Table) -> tuple[RankAgreement, ...]:
    """Compare each measured column with the study's newest version, over the implementations of a configuration."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in table.rows:
        groups.setdefault((row.benchmark, row.configuration), []).append(row)
    agreements = (
        _agreement(rows, index, label, table.published[-1].version)
        for rows in groups.values()
        for index, label in enumerate(table.labels)
    )
    return tuple(agreement for agreement in agreements if agreement)


def _agreement(rows: Sequence[Row], index: int, label: str, version: str) -> RankAgreement | None:
    pairs = [
        (row.entries[index].value_s, row.published[-1].value_s)
        for row in rows
        if row.published[-1] and row.entries[index].value_s
    ]
    tau = kendall_tau([measured or 0 for measured, _ in pairs], [printed for _, printed in pairs])
    if tau is None:
        return None
    first = rows[0]
    return RankAgreement(
        benchmark=first.benchmark,
        configuration=first.configuration,
        column=label,
        version=version,
        tau=tau,
        n=len(pairs),
    )
