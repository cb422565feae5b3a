import math
import random

import pytest

from orchestrator.analysis.stats import Interval, RatioEstimate, paired_ratio
from orchestrator.analysis.verdicts import judge


def estimate(low: float, high: float, p: float = 0.5) -> RatioEstimate:
    ratio = math.sqrt(low * high)
    return RatioEstimate(ratio=ratio, interval=Interval(low=low, high=high), p=p, n=5, log_sd=0.02, paired=True)


def launches(source: random.Random, median_s: float, noise: float, blocks: int = 5) -> list[float]:
    return [median_s * math.exp(source.gauss(0, noise)) for _ in range(blocks)]


@pytest.mark.parametrize(
    ("low", "high", "p", "expected"),
    [
        (0.985, 1.015, 0.9, "same"),
        (0.985, 0.995, 0.001, "same"),  # sure, but too small to matter
        (0.90, 0.95, 0.001, "faster"),
        (1.05, 1.10, 0.001, "slower"),
        (0.97, 1.03, 0.9, "inconclusive"),
        (0.97, 0.999, 0.04, "faster"),
    ],
)
def test_a_single_ratio_gets_the_first_verdict_that_fits(low: float, high: float, p: float, expected: str) -> None:
    (verdict,) = judge([estimate(low, high, p)])

    assert verdict.name == expected


def test_swapping_column_and_baseline_turns_faster_into_slower_and_keeps_same() -> None:
    forward = judge([estimate(0.5, 0.6, 0.001), estimate(0.981, 1.0, 0.1)])
    backward = judge([estimate(1 / 0.6, 1 / 0.5, 0.001), estimate(1.0, 1 / 0.981, 0.1)])

    assert [verdict.name for verdict in forward] == ["faster", "same"]
    assert [verdict.name for verdict in backward] == ["slower", "same"]


def test_a_ratio_that_is_significant_only_by_itself_is_inconclusive_in_a_large_table() -> None:
    alone = judge([estimate(0.95, 0.99, 0.03)])
    among_many = judge([estimate(0.95, 0.99, 0.03)] + [estimate(0.9, 1.1, 0.6)] * 9)

    assert alone[0].name == "faster"
    assert among_many[0].name == "inconclusive"


def test_an_inconclusive_verdict_says_how_many_blocks_more() -> None:
    (verdict,) = judge([estimate(0.97, 1.03)])

    assert verdict.blocks_more is not None
    assert verdict.blocks_more >= 1


def test_an_empty_table_has_no_verdicts() -> None:
    assert judge([]) == ()


@pytest.mark.parametrize("noise", [0.003, 0.01, 0.05])
def test_the_same_image_against_itself_is_called_different_at_most_24_times_in_300_disjoint_pairs(noise: float) -> None:
    source = random.Random(300)
    pairs = [paired_ratio(launches(source, 0.1, noise), launches(source, 0.1, noise)) for _ in range(300)]

    alone = [judge([pair])[0].name for pair in pairs]
    together = [verdict.name for verdict in judge(pairs)]

    assert sum(name in {"faster", "slower"} for name in alone) <= 24
    assert sum(name in {"faster", "slower"} for name in together) <= 2


def test_an_injected_five_percent_is_found_in_nine_of_ten_runs_of_five_blocks_at_one_percent_noise() -> None:
    source = random.Random(5)
    pairs = [paired_ratio(launches(source, 0.105, 0.01), launches(source, 0.1, 0.01)) for _ in range(300)]

    names = [judge([pair])[0].name for pair in pairs]

    assert names.count("slower") >= 270
    assert names.count("faster") == 0


def test_the_blocks_asked_for_settle_an_inconclusive_ratio_in_at_least_nine_of_ten_runs() -> None:
    source = random.Random(9)
    noise, slowdown = 0.03, 1.04
    exact = RatioEstimate(
        ratio=slowdown,
        interval=Interval(low=0.99, high=1.09),
        p=0.2,
        n=5,
        log_sd=noise * math.sqrt(2),
        paired=True,
    )
    (verdict,) = judge([exact])
    assert verdict.blocks_more is not None
    blocks = 5 + verdict.blocks_more

    pairs = [
        paired_ratio(launches(source, slowdown, noise, blocks), launches(source, 1.0, noise, blocks))
        for _ in range(300)
    ]

    assert sum(judge([pair])[0].name != "inconclusive" for pair in pairs) >= 260  # 270 expected, 3 sd below
