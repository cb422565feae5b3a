"""How far the ranks of measured times agree with those of published ones."""

from collections.abc import Sequence

from orchestrator.analysis.comparison import RankAgreement, Row, Table
from orchestrator.analysis.stats import kendall_tau

Pair = tuple[float, float]  # measured, published; s


def rank_agreements(table: Table, same: Sequence[str | None]) -> tuple[RankAgreement, ...]:
    """Compare the systems of a configuration that stand in both; across images, the implementations of a column.

    The latter with the study's newest version. same: per column the published system that it is, across systems.
    """
    if table.across == "system":
        agreements = [_agreement(row, _both(table, row, same)) for row in table.rows]
    else:
        version = table.published[-1].version
        agreements = [
            _agreement(rows[0], _in_column(rows, index), column=label, version=version)
            for rows in _by_configuration(table.rows)
            for index, label in enumerate(table.labels)
        ]
    return tuple(agreement for agreement in agreements if agreement)


def _by_configuration(rows: Sequence[Row]) -> Sequence[Sequence[Row]]:
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.benchmark, row.configuration), []).append(row)
    return tuple(groups.values())


def _in_column(rows: Sequence[Row], index: int) -> list[Pair]:
    pairs = ((row.entries[index].value_s, row.published[-1]) for row in rows)
    return [(time_s, number.value_s) for time_s, number in pairs if number and time_s]


def _both(table: Table, row: Row, same: Sequence[str | None]) -> list[Pair]:
    """Pair each published system with the first measured one that it is: of several releases the oldest."""
    numbers = {column.name: number for column, number in zip(table.published, row.published, strict=True)}
    pairs = []
    for entry, name in zip(row.entries, same, strict=True):
        number = numbers.pop(name, None) if name and entry.value_s else None
        if number and entry.value_s:
            pairs.append((entry.value_s, number.value_s))
    return pairs


def _agreement(row: Row, pairs: Sequence[Pair], column: str = "", version: str = "") -> RankAgreement | None:
    tau = kendall_tau([measured for measured, _ in pairs], [printed for _, printed in pairs])
    if tau is None:
        return None
    return RankAgreement(
        benchmark=row.benchmark,
        configuration=row.configuration,
        column=column,
        version=version,
        tau=tau,
        n=len(pairs),
    )
