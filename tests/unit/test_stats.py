import math
import random

import pytest
import scipy.stats

from orchestrator.analysis.stats import (
    Interval,
    RatioEstimate,
    benjamini_hochberg,
    blocks_more,
    geometric_mean,
    geometric_mean_interval,
    kendall_tau,
    paired_ratio,
    welch_ratio,
)

# Student 1908, "The probable error of a mean": hours of sleep gained by ten patients under two drugs.
# Published: mean difference 1.58, s.e. 0.38896, t = 4.0621 with 9 degrees of freedom, p = 0.002833.
DRUG_1 = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
DRUG_2 = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]


def exp(values: list[float]) -> list[float]:
    return [math.exp(value) for value in values]


def estimate(ratio: float, log_sd: float, n: int = 5) -> RatioEstimate:
    return RatioEstimate(ratio=ratio, interval=Interval(low=0.5, high=2.0), p=0.5, n=n, log_sd=log_sd, paired=True)


def test_the_geometric_mean_of_two_and_eight_is_four() -> None:
    assert geometric_mean([2.0, 8.0]) == pytest.approx(4.0)


def test_the_interval_of_a_geometric_mean_is_the_hand_computed_one() -> None:
    # logs 0, 1, 2: mean 1, sd 1, s.e. 1/sqrt(3), t(0.975, 2) = 4.302653
    interval = geometric_mean_interval(exp([0.0, 1.0, 2.0]))

    assert interval is not None
    assert math.log(interval.low) == pytest.approx(1 - 4.302653 / math.sqrt(3), abs=1e-6)
    assert math.log(interval.high) == pytest.approx(1 + 4.302653 / math.sqrt(3), abs=1e-6)


def test_one_launch_has_no_interval() -> None:
    assert geometric_mean_interval([0.145]) is None


def test_the_paired_ratio_reproduces_students_sleep_data() -> None:
    found = paired_ratio(exp(DRUG_2), exp(DRUG_1))

    assert math.log(found.ratio) == pytest.approx(1.58)
    assert found.p == pytest.approx(0.002833, abs=5e-7)
    assert math.log(found.interval.low) == pytest.approx(0.7001142, abs=1e-6)
    assert math.log(found.interval.high) == pytest.approx(2.4598858, abs=1e-6)


def test_the_unpaired_ratio_reproduces_welch_on_students_sleep_data() -> None:
    # R's t.test(extra ~ group, data = sleep): t = -1.8608, df = 17.776, p = 0.07939, interval -3.3654832 to 0.2054832
    found = welch_ratio(exp(DRUG_1), exp(DRUG_2))

    assert found.p == pytest.approx(0.07939, abs=5e-6)
    assert math.log(found.interval.low) == pytest.approx(-3.3654832, abs=1e-6)
    assert math.log(found.interval.high) == pytest.approx(0.2054832, abs=1e-6)
    assert not found.paired


def test_swapping_the_sides_inverts_the_ratio_and_its_interval() -> None:
    a, b = [1.0, 1.1, 1.05, 1.02], [2.0, 2.3, 2.1, 2.2]

    forward, backward = paired_ratio(a, b), paired_ratio(b, a)

    assert forward.ratio == pytest.approx(1 / backward.ratio)
    assert forward.interval.low == pytest.approx(1 / backward.interval.high)
    assert forward.p == pytest.approx(backward.p)


@pytest.mark.parametrize("ratio_of", [paired_ratio, welch_ratio])
@pytest.mark.parametrize(("factor", "p"), [(1.0, 1.0), (1.05, 0.0)])
def test_launches_without_spread_give_a_point_and_no_nan(ratio_of, factor, p) -> None:  # type: ignore[no-untyped-def]
    found = ratio_of([0.25 * factor] * 3, [0.25] * 3)

    assert found.interval.low == found.interval.high == pytest.approx(factor)
    assert found.p == p


@pytest.mark.parametrize("ratio_of", [paired_ratio, welch_ratio])
def test_two_launches_are_refused(ratio_of) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match="an interval needs 3"):
        ratio_of([1.0, 2.0], [1.0, 2.0])


def test_benjamini_and_hochbergs_own_example_rejects_the_first_four() -> None:
    # Benjamini & Hochberg 1995, section 3.2: 15 hypotheses on thrombolysis; Bonferroni would reject three.
    p_values = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459]
    p_values += [0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0000]

    rejected = benjamini_hochberg(p_values[::-1])[::-1]

    assert rejected == (True,) * 4 + (False,) * 11


def test_benjamini_hochberg_rejects_a_value_above_its_own_step_when_a_later_one_passes() -> None:
    # steps 0.0167, 0.0333, 0.05: the second misses its own, the third passes
    assert benjamini_hochberg([0.01, 0.04, 0.045]) == (True, True, True)


def test_benjamini_hochberg_of_nothing_is_nothing() -> None:
    assert benjamini_hochberg([]) == ()


def test_blocks_needed_are_those_of_the_published_power_tables() -> None:
    # R's power.t.test(delta = 0.5, sd = 1, power = 0.9, type = "paired"): n = 43.99; ours may be one above.
    more = blocks_more(estimate(math.exp(0.5), log_sd=1.0, n=5))

    assert more in {39, 40}


def test_noise_without_an_effect_needs_the_blocks_of_an_equivalence_test() -> None:
    # s = w: n = (t(0.975) + t(0.95))^2; at n = 15: (2.1448 + 1.7613)^2 = 15.26; at n = 16: (2.1314 + 1.7531)^2 = 15.09
    more = blocks_more(estimate(1.0, log_sd=math.log(1.02), n=5))

    assert more == 11


def test_more_noise_needs_more_blocks_and_at_least_one_is_asked_for() -> None:
    needed = [blocks_more(estimate(1.05, log_sd=noise)) for noise in (0.0, 0.005, 0.05, 0.1)]

    assert needed == sorted(needed)
    assert needed[0] == 1
    assert needed[3] > 20


def test_kendalls_tau_of_a_reversed_ranking_is_minus_one() -> None:
    assert kendall_tau([1, 2, 3], [30, 20, 10]) == -1.0


@pytest.mark.parametrize("seed", range(20))
def test_kendalls_tau_agrees_with_scipy_with_and_without_ties(seed: int) -> None:
    source = random.Random(seed)
    a = [source.randrange(6) for _ in range(12)]
    b = [source.random() for _ in range(12)]

    assert kendall_tau(a, b) == pytest.approx(scipy.stats.kendalltau(a, b).statistic)


@pytest.mark.parametrize(("a", "b"), [([1, 2], [1, 2]), ([1, 1, 1], [1, 2, 3])])
def test_kendalls_tau_of_two_items_or_of_ties_only_is_none(a: list[float], b: list[float]) -> None:
    assert kendall_tau(a, b) is None


def test_a_true_effect_of_five_percent_is_found_in_nine_of_ten_runs_of_five_blocks() -> None:
    source = random.Random(20180425)

    found = sum(
        paired_ratio(
            exp([math.log(1.05) + source.gauss(0, 0.01) for _ in range(5)]),
            exp([source.gauss(0, 0.01) for _ in range(5)]),
        ).p
        <= 0.05
        for _ in range(1000)
    )

    assert found >= 900
