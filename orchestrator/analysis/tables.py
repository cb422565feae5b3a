"""From records to comparison tables, without any rendering."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from orchestrator.analysis.baselines import Cells, RowId, check_baseline, find_baselines
from orchestrator.analysis.columns import Column, clean, setups_of, sort_into_columns
from orchestrator.analysis.comparison import Comparison, Entry, Row, Table
from orchestrator.analysis.conclusions import judge_conclusions
from orchestrator.analysis.launches import Launches, summarise
from orchestrator.analysis.lines import lines_of, shared_notes
from orchestrator.analysis.panels import add_published
from orchestrator.analysis.published import Published
from orchestrator.analysis.ratios import differences, divide
from orchestrator.analysis.stats import RatioEstimate, geometric_mean, geometric_mean_interval
from orchestrator.analysis.systems import label_images, label_systems
from orchestrator.analysis.verdicts import Verdict, judge
from orchestrator.conclusions import Conclusion
from orchestrator.errors import NothingSelectedError
from orchestrator.records import Record
from orchestrator.specs import Across, Compare, Scalar

IMAGES = Compare()
Found = Mapping[Column, Sequence[Record]]


@dataclass(frozen=True, kw_only=True)
class Draft:
    """An entry; with an estimate, its verdict waits for the whole table."""

    entry: Entry
    estimate: RatioEstimate | None = None


def build_comparison(
    records: Sequence[Record],
    *,
    compare: Compare = IMAGES,
    rows: Sequence[str] = (),
    labels: Mapping[str, str] | None = None,
    published: Published | None = None,
    conclusions: Sequence[Conclusion] = (),
) -> Comparison:
    """Compare the images of all records, or the systems: a table per phase, of systems also per benchmark.

    compare: what is divided by what; a baseline is a rule (oldest, fastest) or a name.
    rows: ids of rows in the order to show; others follow by name.
    labels: implementation -> the published study's name for it. conclusions: of that study, to be tested.
    Raises NothingSelectedError without records, UsageError for a baseline that no record is of.
    """
    if not records:
        raise NothingSelectedError("no records to compare. Name a run folder with records, or start one with orch run.")
    columns = sort_into_columns(records, compare.across)
    check_baseline(compare, tuple(columns))
    tables = [
        table for group in _groups(columns, compare) for table in _build_tables(group, rows, compare, labels or {})
    ]
    blocks = [record for record in records if record.launch.block is not None]
    return Comparison(
        suites=tuple(dict.fromkeys(_suite(record) for record in records)),
        runs=tuple(sorted({clean(record.launch.run) for record in records})),
        setups=setups_of(tuple(columns)),
        baseline=compare.baseline,
        started=min(clean(record.launch.started) for record in records),
        ended=max(clean(record.launch.ended) for record in records),
        blocks=max((record.launch.block or 0 for record in blocks), default=0),
        launches=len(blocks),
        failed=sum(record.status != "ok" for record in blocks),
        study=published.study if published else None,
        source=published.source if published else None,
        conclusions=judge_conclusions(records, conclusions, labels or {}),
        tables=tuple(_number_notes(add_published(table, published, labels or {})) for table in tables),
    )


def _groups(columns: Mapping[Column, Sequence[Record]], compare: Compare) -> Iterable[Found]:
    """Return the records of each table: across systems those of one benchmark, which has systems of its own."""
    if compare.across == "image":
        return (columns,)
    groups: dict[str, dict[Column, list[Record]]] = {}
    for column, records in columns.items():
        for record in records:
            groups.setdefault(record.workload.benchmark, {}).setdefault(column, []).append(record)
    return groups.values()


def _build_tables(found: Found, rows: Sequence[str], compare: Compare, labels: Mapping[str, str]) -> Iterator[Table]:
    columns = tuple(found)
    arranged = _arrange(found, rows, compare.across)
    names = label_systems(columns, labels) if compare.across == "system" else label_images(columns)
    phases = dict.fromkeys(phase for records in found.values() for one in records for phase in one.protocol.phases)
    for phase in phases:
        yield _build_table(phase, arranged, dict(zip(columns, names, strict=True)), compare)


def _suite(record: Record) -> str:
    profile = f" ({clean(record.suite.profile)})" if record.suite.profile else ""
    return clean(record.suite.name) + profile


def _arrange(found: Found, rows: Sequence[str], across: Across) -> dict[RowId, dict[Column, list[Record]]]:
    """Sort the records of columns into rows, rows in the order to show."""
    arranged: dict[RowId, dict[Column, list[Record]]] = {}
    for column, records in found.items():
        for record in records:
            work = record.workload
            row = (work.benchmark, work.implementation if across == "image" else None, work.configuration)
            arranged.setdefault(row, {}).setdefault(column, []).append(record)
    order = {row: index for index, row in enumerate(rows)}

    def key(row: RowId) -> tuple[int, tuple[str, ...]]:
        parts = tuple(part for part in row if part is not None)
        return order.get("/".join(parts), len(order)), parts

    return {row: arranged[row] for row in sorted(arranged, key=key)}


def _build_table(
    phase: str,
    arranged: Mapping[RowId, Mapping[Column, Sequence[Record]]],
    labels: Mapping[Column, str],
    compare: Compare,
) -> Table:
    cells = {row: {column: summarise(found, phase) for column, found in by.items()} for row, by in arranged.items()}
    columns = tuple(labels)
    bases = find_baselines(cells, columns, compare)
    cells = {row: _tell_missing(by_column, cells) for row, by_column in cells.items()}
    drafts = [_draft(column, bases[row][column], cells[row], labels) for row in cells for column in columns]
    verdicts = iter(judge([draft.estimate for draft in drafts if draft.estimate]))
    entries = [replace(draft.entry, verdict=next(verdicts)) if draft.estimate else draft.entry for draft in drafts]
    width = len(columns)
    several = len({row[0] for row in cells}) > 1
    rows = tuple(
        _row(row, tuple(entries[index * width : (index + 1) * width]), arranged[row], several=several)
        for index, row in enumerate(cells)
    )
    return Table(
        phase=phase,
        columns=columns,
        labels=tuple(labels.values()),
        rows=rows,
        across=compare.across,
        unit=compare.unit,
        once=compare.columns,
    )


def _tell_missing(row: Cells, cells: Mapping[RowId, Cells]) -> dict[Column, Launches]:
    """Mark cells with fewer launches than others have: the run was stopped, or runs of different length are merged."""
    most = max(launches.launched for by_column in cells.values() for launches in by_column.values())
    return {
        column: replace(one, notes=(*one.notes, f"launches: {one.launched}, where other cells have {most}"))
        if 0 < one.launched < most
        else one
        for column, one in row.items()
    }


def _draft(column: Column, base_column: Column | None, row: Cells, labels: Mapping[Column, str]) -> Draft:
    """Say what one column has in one row, and divide it by its baseline if it may be."""
    cell = row.get(column)
    if cell is None or not cell.medians_s:
        reason = cell.failure if cell and cell.failure else "no launch recorded"
        notes = (reason, *(cell.notes if cell else ()))
        launched = cell.launched if cell else 0
        verdict = Verdict(name="n/a", reason=reason)
        return Draft(entry=Entry(launched=launched, verdict=verdict, notes=notes, is_recorded=cell is not None))
    medians_s = tuple(cell.medians_s.values())
    entry = Entry(
        value_s=geometric_mean(medians_s),
        interval=geometric_mean_interval(medians_s),
        launches=len(medians_s),
        launched=cell.launched,
        once_s=cell.once_s,
        notes=cell.notes,
    )
    base = row.get(base_column) if base_column else None
    if column == base_column:
        return Draft(entry=replace(entry, verdict=Verdict(name="baseline")))
    if base_column is None or base is None or not base.medians_s:
        name = f"its baseline {labels[base_column]}" if base_column else "its baseline"
        reason = f"{name} has no time in this row"
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


def _row(row: RowId, entries: tuple[Entry, ...], found: Mapping[Column, Sequence[Record]], *, several: bool) -> Row:
    benchmark, implementation, configuration = (clean(part) if part else None for part in row)
    names = (benchmark if several else None, implementation, configuration)
    return Row(
        benchmark=benchmark or "",
        implementation=implementation,
        configuration=configuration or "",
        label=" ".join(name for name in names if name),
        frameworks=_frameworks(found),
        entries=entries,
        parameters=_parameters(found),
    )


def _parameters(found: Mapping[Column, Sequence[Record]]) -> Mapping[str, Scalar]:
    """Return the parameters of a row's configuration; records of what never ran have none."""
    told = (one.workload.parameters for records in found.values() for one in records)
    return next((parameters for parameters in told if parameters), {})


def _number_notes(table: Table) -> Table:
    """Collect the footnotes of a table in reading order, each once."""
    notes = list(shared_notes(table)) if table.is_in_lines else [note for one in table.published for note in one.notes]
    for row in table.rows:
        if table.is_in_lines:
            notes += [note for line in lines_of(table, row) for note in line.notes]
        else:
            notes += [note for entry in (*row.entries, *row.published) if entry for note in entry.notes]
    return replace(table, footnotes=tuple(dict.fromkeys(notes)))
