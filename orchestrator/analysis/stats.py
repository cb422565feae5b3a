"""The statistics of a table: means, intervals and tests on the logarithms of launch medians."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev, variance

# scipy.stats has all of this but takes a second to import, half of what a report may take.
from scipy.special import stdtr, stdtrit

CONFIDENCE = 0.95
FALSE_DISCOVERY_RATE = 0.05
SAME_WITHIN = 0.02  # two times are the same when the whole interval of their ratio is this close to 1
POWER = 0.9
PAIRS_AT_LEAST = 3  # fewer give a ratio, no interval


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A 95 % confidence interval, in the unit of what it bounds."""

    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class RatioEstimate:
    """The ratio a/b of two cells' times and how well it is known."""

    ratio: float
    interval: Interval
    p: float  # two-sided, of the ratio being 1
    n: int  # pairs, or the smaller number of launches when unpaired
    log_sd: float  # standard deviation of one log ratio
    paired: bool


def geometric_mean(values_s: Sequence[float]) -> float:
    """Return the geometric mean, in the unit of the values.

    values_s: (n,) positive, n >= 1. Raises ValueError if empty or not positive.
    """
    return math.exp(fmean(math.log(value) for value in values_s))


def geometric_mean_interval(values_s: Sequence[float]) -> Interval | None:
    """Bound the geometric mean by the 95 % t-interval of the mean logarithm, None from one value.

    values_s: (n,) positive launch medians.
    Source: Hoefler & Belli 2015, "Scientific Benchmarking of Parallel Computing Systems", rule 5.
    """
    if len(values_s) < 2:
        return None
    logs = [math.log(value) for value in values_s]
    return _log_interval(fmean(logs), stdev(logs) / math.sqrt(len(logs)), len(logs) - 1)


def paired_ratio(a_s: Sequence[float], b_s: Sequence[float]) -> RatioEstimate:
    """Estimate the ratio a/b from the mean of its paired logarithms, with their 95 % t-interval.

    a_s, b_s: (n,) launch medians in seconds, n >= 3, paired by block.
    Raises ValueError if n < 3 or the lengths differ.
    Source: Hoefler & Belli 2015, rule 5; Student's paired t-test.
    """
    if len(a_s) < PAIRS_AT_LEAST:
        raise ValueError(f"{len(a_s)} pairs: an interval needs {PAIRS_AT_LEAST}")
    logs = [math.log(a) - math.log(b) for a, b in zip(a_s, b_s, strict=True)]
    spread = stdev(logs)
    return _estimate(fmean(logs), spread / math.sqrt(len(logs)), len(logs) - 1, n=len(logs), log_sd=spread)


def welch_ratio(a_s: Sequence[float], b_s: Sequence[float]) -> RatioEstimate:
    """Estimate the ratio a/b of geometric means of launches that share no block, by Welch on the logarithms.

    a_s: (n,), b_s: (m,) launch medians in seconds, n and m >= 3.
    Raises ValueError if there are fewer.
    Source: Welch 1947, "The generalization of Student's problem", degrees of freedom after Satterthwaite.
    """
    if min(len(a_s), len(b_s)) < PAIRS_AT_LEAST:
        raise ValueError(f"{min(len(a_s), len(b_s))} launches: an interval needs {PAIRS_AT_LEAST}")
    a, b = [math.log(value) for value in a_s], [math.log(value) for value in b_s]
    variance_a, variance_b = variance(a), variance(b)
    squares = variance_a / len(a), variance_b / len(b)
    terms = squares[0] ** 2 / (len(a) - 1) + squares[1] ** 2 / (len(b) - 1)
    degrees = sum(squares) ** 2 / terms if terms else len(a) + len(b) - 2
    return _estimate(
        fmean(a) - fmean(b),
        math.sqrt(sum(squares)),
        degrees,
        n=min(len(a), len(b)),
        log_sd=math.sqrt(variance_a + variance_b),
        paired=False,
    )


def _estimate(
    mean: float, error: float, degrees: float, *, n: int, log_sd: float, paired: bool = True
) -> RatioEstimate:
    # Launches without any spread (a coarse clock) leave no doubt, and no 0/0.
    p = 2 * float(stdtr(degrees, -abs(mean) / error)) if error else float(mean == 0)
    interval = _log_interval(mean, error, degrees)
    return RatioEstimate(ratio=math.exp(mean), interval=interval, p=p, n=n, log_sd=log_sd, paired=paired)


def _log_interval(mean: float, error: float, degrees: float) -> Interval:
    half = float(stdtrit(degrees, (1 + CONFIDENCE) / 2)) * error
    return Interval(low=math.exp(mean - half), high=math.exp(mean + half))


def benjamini_hochberg(p_values: Sequence[float], rate: float = FALSE_DISCOVERY_RATE) -> tuple[bool, ...]:
    """Say which hypotheses are rejected at a false discovery rate, in the order given.

    p_values: (m,). Source: Benjamini & Hochberg 1995, "Controlling the false discovery rate", procedure (1).
    """
    ordered = sorted(p_values)
    passing = [p for rank, p in enumerate(ordered, start=1) if p <= rank * rate / len(ordered)]
    return tuple(p <= max(passing, default=-1.0) for p in p_values)


def blocks_more(estimate: RatioEstimate) -> int:
    """Return how many blocks more make the verdict conclusive with power 0.9, by the effect and noise seen; >= 1.

    The smaller of two sample sizes for noise s and effect d of the logarithms: to tell d from 0,
    n = ((t(0.975) + t(power)) s / |d|)^2, and to show that |d| < w = log(1.02),
    n = ((t(0.975) + t((1 + power) / 2)) s / (w - |d|))^2, both with n - 1 degrees of freedom
    (at most one block above the exact non-central t).
    Source: Chow, Shao & Wang 2008, "Sample Size Calculations in Clinical Research", 3.1.1 and 3.1.3.
    """
    effect = abs(math.log(estimate.ratio))
    margin = math.log1p(SAME_WITHIN) - effect
    sizes = [_sample_size(effect / estimate.log_sd, POWER)] if effect and estimate.log_sd else []
    if margin > 0 and estimate.log_sd:
        sizes.append(_sample_size(margin / estimate.log_sd, (1 + POWER) / 2))
    return max(1, min(sizes, default=1) - estimate.n)


def _sample_size(effect: float, power: float) -> int:
    """Return the least n that satisfies its own formula; effect in standard deviations, > 0."""

    def is_enough(n: int) -> bool:
        quantiles = float(stdtrit(n - 1, (1 + CONFIDENCE) / 2)) + float(stdtrit(n - 1, power))
        return n >= (quantiles / effect) ** 2

    high = PAIRS_AT_LEAST
    while not is_enough(high):
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if is_enough(middle) else (middle, high)
    return max(high, PAIRS_AT_LEAST)


def kendall_tau(a: Sequence[float], b: Sequence[float]) -> float | None:
    """Return Kendall's tau-b of two rankings, -1 to 1; None below 3 items or where all of one side tie.

    a, b: (n,). Raises ValueError if the lengths differ.
    Source: Kendall 1945, "The treatment of ties in ranking problems".
    """
    items = list(zip(a, b, strict=True))
    if len(items) < 3:
        return None
    pairs = [(x, y) for index, x in enumerate(items) for y in items[:index]]
    signs = [(_sign(x[0] - y[0]), _sign(x[1] - y[1])) for x, y in pairs]
    untied = sum(i != 0 for i, _ in signs) * sum(j != 0 for _, j in signs)
    return sum(i * j for i, j in signs) / math.sqrt(untied) if untied else None


def _sign(value: float) -> int:
    return (value > 0) - (value < 0)
