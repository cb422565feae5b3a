"""What a cell may be divided by, and the ratio."""

from dataclasses import dataclass

from orchestrator.analysis.columns import Column
from orchestrator.analysis.launches import Launches
from orchestrator.analysis.stats import PAIRS_AT_LEAST, RatioEstimate, geometric_mean, paired_ratio, welch_ratio

NO_VERDICT = f"fewer than {PAIRS_AT_LEAST} blocks: no interval, no verdict"


@dataclass(frozen=True, kw_only=True)
class Ratio:
    """Time over time of the baseline; estimate None where there are too few launches."""

    value: float
    estimate: RatioEstimate | None
    note: str | None


def divide(cell: Launches, base: Launches) -> Ratio:
    """Divide two comparable cells that both have times.

    Over the blocks they share; by Welch where those are fewer than 3 but the launches are not.
    """
    shared = sorted(cell.paired & base.paired)
    if len(shared) >= PAIRS_AT_LEAST:
        estimate = paired_ratio([cell.medians_s[key] for key in shared], [base.medians_s[key] for key in shared])
        most = max(len(cell.medians_s), len(base.medians_s))
        note = (
            f"ratio from {len(shared)} of {most} blocks: those in which both ran back to back"
            if len(shared) < most
            else None
        )
        return Ratio(value=estimate.ratio, estimate=estimate, note=note)
    mine, others = tuple(cell.medians_s.values()), tuple(base.medians_s.values())
    if min(len(mine), len(others)) >= PAIRS_AT_LEAST:
        estimate = welch_ratio(mine, others)
        return Ratio(value=estimate.ratio, estimate=estimate, note="ratio of unpaired launches (Welch)")
    return Ratio(value=geometric_mean(mine) / geometric_mean(others), estimate=None, note=NO_VERDICT)


def differences(column: Column, cell: Launches, base_column: Column, base: Launches) -> tuple[str, ...]:
    """Name the keys in which two cells differ, so that they must not be divided; empty if they may."""
    if column.setup is None or base_column.setup is None:
        return ("setup",)
    found = column.setup.differences(base_column.setup)
    is_same_family = column.family == base_column.family  # the code of another framework is never the same
    if is_same_family and cell.code_sha256 != base.code_sha256:
        found = (*found, "code")
    if column.jit != base_column.jit:
        found = (*found, f"GPU code: {_code_of(column)}, not {_code_of(base_column)}")
    return found or (("comparable key",) if is_same_family and cell.comparable != base.comparable else ())


def _code_of(column: Column) -> str:
    return "compiled from PTX (jit)" if column.jit else "native"
