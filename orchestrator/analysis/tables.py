"""From records to comparison tables, without any rendering."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from orchestrator.analysis.columns import Column, clean, columns_of, place, setups_of
from orchestrator.analysis.comparison import Comparison, Entry, Row, Table
from orchestrator.analysis.launches import Launches, summarise
from orchestrator.analysis.panels import add_published
from orchestrator.analysis.published import Published
from orchestrator.analysis.ratios import differences, divide, find_baseline
from orchestrator.analysis.stats import RatioEstimate, geometric_mean, geometric_mean_interval
from orchestrator.analysis.verdicts import Verdict, judge
from orchestrator.errors import NothingSelectedError, UsageError
from orchestrator.names import did_you_mean
from orchestrator.records import Record

RowId = tuple[str, str, str]  # benchmark, implementation, configuration
Cells = Mapping[Column, Launches]  # of one row


@dataclass(frozen=True, kw_only=True)
class Draft:
    """An entry; with an estimate, its verdict waits for the whole table."""

    entry: Entry
    estimate: RatioEstimate | None = None


def build_comparison(
    records: Sequence[Record],
    *,
    baseline: str = "oldest",
    rows: Sequence[str] = (),
    labels: Mapping[str, str] | None = None,
    published: Published | None = None,
) -> Comparison:
    """Compare the images of all records, one table per phase of their protocols.

    baseline: "oldest" (of the images with a time), or the name of an image.
    rows: ids `benchmark/implementation/configuration` in the order to show; others follow by name.
    labels: implementation -> the published study's name for it.
    Raises NothingSelectedError without records, UsageError for a baseline that no record is of.
    """
    if not records:
        raise NothingSelectedError("no records to compare. Name a run folder with records, or start one with orch run.")
    columns = columns_of(records)
    _check_baseline(baseline, columns)
    arranged = _arrange(records, columns, rows)
    phases = dict.fromkeys(phase for record in records for phase in record.protocol.phases)
    tables = (_build_table(phase, arranged, columns, baseline) for phase in phases)
    blocks = [record for record in records if record.launch.block is not None]
    return Comparison(
        suites=tuple(dict.fromkeys(_suite(record) for record in records)),
        runs=tuple(sorted({clean(record.launch.run) for record in records})),
        setups=setups_of(columns),
        baseline=baseline,
        started=min(clean(record.launch.started) for record in records),
        ended=max(clean(record.launch.ended) for record in records),
        blocks=max((record.launch.block or 0 for record in blocks), default=0),
        launches=len(blocks),
        failed=sum(record.status != "ok" for record in blocks),
        study=published.study if published else None,
        source=published.source if published else None,
        tables=tuple(_number_notes(add_published(table, published, labels or {})) for table in tables),
    )


def _check_baseline(baseline: str, columns: Sequence[Column]) -> None:
    images = sorted({column.image for column in columns})
    if baseline not in {"oldest", *images}:
        raise UsageError(f"baseline '{baseline}': no record is of this image.{did_you_mean(baseline, images)}")


def _suite(record: Record) -> str:
    profile = f" ({clean(record.suite.profile)})" if record.suite.profile else ""
    return clean(record.suite.name) + profile


def _arrange(
    records: Sequence[Record], columns: Sequence[Column], rows: Sequence[str]
) -> dict[RowId, dict[Column, list[Record]]]:
    """Sort the records into rows and columns, rows in the order to show."""
    arranged: dict[RowId, dict[Column, list[Record]]] = {}
    for record in records:
        work = record.workload
        cells = arranged.setdefault((work.benchmark, work.implementation, work.configuration), {})
        for column in place(record, columns):
            cells.setdefault(column, []).append(record)
    order = {row: index for index, row in enumerate(rows)}
    return dict(sorted(arranged.items(), key=lambda item: (order.get("/".join(item[0]), len(order)), item[0])))


def _build_table(
    phase: str, arranged: Mapping[RowId, Mapping[Column, Sequence[Record]]], columns: Sequence[Column], baseline: str
) -> Table:
    cells = {row: {column: summarise(found, phase) for column, found in by.items()} for row, by in arranged.items()}
    images = _baseline_images(cells, columns, baseline)
    bases = {column: find_baseline(column, columns, images) for column in columns}
    cells = {row: _tell_missing(by_column, cells) for row, by_column in cells.items()}
    drafts = [_draft(column, bases[column], cells[row]) for row in cells for column in columns]
    verdicts = iter(judge([draft.estimate for draft in drafts if draft.estimate]))
    entries = [replace(draft.entry, verdict=next(verdicts)) if draft.estimate else draft.entry for draft in drafts]
    width = len(columns)
    several = len({row[0] for row in cells}) > 1
    rows = tuple(
        _row(row, tuple(entries[index * width : (index + 1) * width]), _frameworks(arranged[row]), several=several)
        for index, row in enumerate(cells)
    )
    return Table(phase=phase, columns=tuple(columns), labels=_labels(columns), rows=rows)


def _tell_missing(row: Cells, cells: Mapping[RowId, Cells]) -> dict[Column, Launches]:
    """Mark cells with fewer launches than others have: the run was stopped, or runs of different length are merged."""
    most = max(launches.launched for by_column in cells.values() for launches in by_column.values())
    return {
        column: replace(one, notes=(*one.notes, f"launches: {one.launched}, where other cells have {most}"))
        if 0 < one.launched < most
        else one
        for column, one in row.items()
    }


def _baseline_images(cells: Mapping[RowId, Cells], columns: Sequence[Column], baseline: str) -> dict[str, str]:
    """Return family -> baseline image: the one asked for, else the oldest that has a time in any row.

    One whose code was compiled from PTX, by which no native column may be divided, only where there is no other.
    """
    timed = {column for row in cells.values() for column, launches in row.items() if launches.medians_s}
    if baseline != "oldest":
        return {column.family: column.image for column in columns if column.image == baseline}
    found: dict[str, Column] = {}
    for column in columns:
        if column in timed and (column.family not in found or (found[column.family].jit and not column.jit)):
            found[column.family] = column
    return {family: column.image for family, column in found.items()}


def _draft(column: Column, base_column: Column | None, row: Cells) -> Draft:
    """Say what one column has in one row, and divide it by its baseline if it may be."""
    cell = row.get(column)
    if cell is None or not cell.medians_s:
        reason = cell.failure if cell and cell.failure else "no launch recorded"
        notes = (reason, *(cell.notes if cell else ()))
        launched = cell.launched if cell else 0
        return Draft(entry=Entry(launched=launched, verdict=Verdict(name="n/a", reason=reason), notes=notes))
    medians_s = tuple(cell.medians_s.values())
    entry = Entry(
        value_s=geometric_mean(medians_s),
        interval=geometric_mean_interval(medians_s),
        launches=len(medians_s),
        launched=cell.launched,
        notes=cell.notes,
    )
    base = row.get(base_column) if base_column else None
    if column == base_column:
        return Draft(entry=replace(entry, verdict=Verdict(name="baseline")))
    if base_column is None or base is None or not base.medians_s:
        reason = f"its baseline {base_column.label if base_column else ''} has no time in this row".replace("  ", " ")
        return Draft(entry=_annotated(entry, Verdict(name="n/a", reason=reason)))
    different = differences(column, cell, base_column, base)
    if different:
        return Draft(entry=_annotated(entry, Verdict(name="not comparable", reason="; ".join(different))))
    return _divided(entry, cell, base)


def _annotated(entry: Entry, verdict: Verdict) -> Entry:
    prefix = "not comparable with the baseline: " if verdict.name == "not comparable" else ""
    return replace(entry, verdict=verdict, notes=(*entry.notes, f"{prefix}{verdict.reason}"))


def _divided(entry: Entry, cell: Launches, base: Launches) -> Draft:
    ratio = divide(cell, base)
    divided = replace(
        entry,
        ratio=ratio.value,
        ratio_interval=ratio.estimate.interval if ratio.estimate else None,
        ratio_n=ratio.estimate.n if ratio.estimate else None,
        is_paired=ratio.estimate.paired if ratio.estimate else None,
        notes=(*entry.notes, *((ratio.note,) if ratio.note else ())),
    )
    return Draft(entry=divided, estimate=ratio.estimate)


def _frameworks(found: Mapping[Column, Sequence[Record]]) -> frozenset[str]:
    told = {one.environment.framework for records in found.values() for one in records if one.environment}
    return frozenset({*(clean(name) for name in told), *(column.family for column in found)})


def _row(row: RowId, entries: tuple[Entry, ...], frameworks: frozenset[str], *, several: bool) -> Row:
    benchmark, implementation, configuration = (clean(part) for part in row)
    return Row(
        benchmark=benchmark,
        implementation=implementation,
        configuration=configuration,
        label=f"{benchmark} {implementation} {configuration}" if several else f"{implementation} {configuration}",
        frameworks=frameworks,
        entries=entries,
    )


def _labels(columns: Sequence[Column]) -> tuple[str, ...]:
    """Label the columns; family and setup are named only where there are several."""
    setups = setups_of(columns)
    several = len({column.family for column in columns}) > 1
    names = [f"{column.family} {column.label}" if several else column.label for column in columns]
    numbers = [setups.index(column.setup) + 1 if column.setup and len(setups) > 1 else 0 for column in columns]
    labels = [f"{name}, setup {number}" if number else name for name, number in zip(names, numbers, strict=True)]
    repeated = Counter(labels)
    # The same release in two variants without a name of their own: never two columns under one heading.
    return tuple(label if repeated[label] == 1 else f"{label} ({index})" for index, label in enumerate(labels, start=1))


def _number_notes(table: Table) -> Table:
    """Collect the footnotes of a table in reading order, each once."""
    notes = [note for column in table.published for note in column.notes]
    for row in table.rows:
        notes += [note for entry in (*row.entries, *row.published) if entry for note in entry.notes]
    return replace(table, footnotes=tuple(dict.fromkeys(notes)))
