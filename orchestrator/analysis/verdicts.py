"""What a table says of a ratio: the first verdict that fits."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from orchestrator.analysis.stats import SAME_WITHIN, Interval, RatioEstimate, benjamini_hochberg, blocks_more

VerdictName = Literal["baseline", "n/a", "not comparable", "same", "faster", "slower", "inconclusive"]


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """One word, and what a reader needs beside it."""

    name: VerdictName
    reason: str | None = None  # of n/a (no time, no baseline) and of not comparable (the keys that differ)
    blocks_more: int | None = None  # of inconclusive


def judge(estimates: Sequence[RatioEstimate]) -> tuple[Verdict, ...]:
    """Judge all ratios of one table together, so that the false discovery rate holds over the table.

    estimates: (m,) ratios of times, column over baseline, each with its interval: below 1 is faster.
    """
    discoveries = benjamini_hochberg([estimate.p for estimate in estimates])
    return tuple(_judge_one(*pair) for pair in zip(estimates, discoveries, strict=True))


def _judge_one(estimate: RatioEstimate, is_discovery: bool) -> Verdict:
    if _is_same(estimate.interval):
        return Verdict(name="same")
    if is_discovery and estimate.interval.high < 1:
        return Verdict(name="faster")
    if is_discovery and estimate.interval.low > 1:
        return Verdict(name="slower")
    return Verdict(name="inconclusive", blocks_more=blocks_more(estimate))


def _is_same(interval: Interval) -> bool:
    # The bounds are each other's inverse, so that swapping column and baseline does not change the verdict.
    return interval.low >= 1 / (1 + SAME_WITHIN) and interval.high <= 1 + SAME_WITHIN
