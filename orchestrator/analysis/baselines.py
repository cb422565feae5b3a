"""What each column of a row is divided by."""

from collections.abc import Iterable, Mapping, Sequence

from orchestrator.analysis.columns import Column
from orchestrator.analysis.launches import Launches
from orchestrator.analysis.stats import geometric_mean
from orchestrator.errors import UsageError
from orchestrator.names import did_you_mean
from orchestrator.specs import Compare

RowId = tuple[str, str | None, str]  # benchmark, implementation (None: across systems), configuration
Cells = Mapping[Column, Launches]  # of one row
RULES = ("oldest", "fastest")  # by which a baseline is chosen where none is named


def check_baseline(compare: Compare, columns: Sequence[Column]) -> None:
    """Raise UsageError for a baseline that no record is of."""
    known = sorted({_name(column) for column in columns})
    if compare.baseline not in {*RULES, *known}:
        what = "image" if compare.across == "image" else "system"
        raise UsageError(
            f"baseline '{compare.baseline}': no record is of this {what}.{did_you_mean(compare.baseline, known)}"
        )


def find_baselines(
    rows: Mapping[RowId, Cells], columns: Sequence[Column], compare: Compare
) -> Mapping[RowId, Mapping[Column, Column | None]]:
    """Return what each column is divided by in each row of a table.

    Across images that of its family; across systems one for all. In both in its own setup, if there is one there.
    """
    if compare.across == "system":
        systems = {row: _baseline_systems(cells, columns, compare.baseline) for row, cells in rows.items()}
        return {row: {one: _nearest(one, systems[row]) for one in columns} for row in rows}
    images = _baseline_images(rows.values(), columns, compare.baseline)
    families = {family: [one for one in columns if one.image == image] for family, image in images.items()}
    nearest = {one: _nearest(one, families.get(one.family, ())) for one in columns}
    return dict.fromkeys(rows, nearest)


def _nearest(column: Column, candidates: Sequence[Column]) -> Column | None:
    """Return the first in the column's setup, else the first that ran."""
    own = (one for one in candidates if one.setup and one.setup == column.setup)
    return next(own, next((one for one in candidates if one.setup), None))


def _name(column: Column) -> str:
    return f"{column.image}/{column.implementation}" if column.implementation else column.image


def _baseline_images(table: Iterable[Cells], columns: Sequence[Column], baseline: str) -> dict[str, str]:
    """Return family -> baseline image: the one asked for, else the oldest that has a time in any row.

    One whose code was compiled from PTX, by which no native column may be divided, only where there is no other.
    """
    timed = {column for row in table for column, launches in row.items() if launches.medians_s}
    if baseline != "oldest":
        return {column.family: column.image for column in columns if column.image == baseline}
    found: dict[str, Column] = {}
    for column in columns:
        if column in timed and (column.family not in found or (found[column.family].jit and not column.jit)):
            found[column.family] = column
    return {family: column.image for family, column in found.items()}


def _baseline_systems(row: Cells, columns: Sequence[Column], baseline: str) -> list[Column]:
    """Return the systems asked for, else those with a time from fastest to slowest, compiled from PTX last."""
    if baseline != "fastest":
        return [column for column in columns if _name(column) == baseline]
    times_s = {one: geometric_mean(tuple(cell.medians_s.values())) for one, cell in row.items() if cell.medians_s}
    return sorted(times_s, key=lambda one: (one.jit, times_s[one]))
