"""The sanity checks of every launch, on samples made by hand."""

import importlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest

BENCHMARKS = Path(__file__).parents[2] / "suites" / "benchmarks"


@dataclass(frozen=True, kw_only=True)
class Sample:
    start: float
    wall: float
    fetch: float
    again: float

    @property
    def end(self) -> float:
        return self.start + self.wall + self.fetch + self.again


@pytest.fixture
def sanity(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    yield importlib.import_module("sanity")
    for name in ("sanity", "clocks"):
        sys.modules.pop(name, None)


def samples_with(gaps: list[float], wall: float = 1.0, fetch: float = 0.0, again: float = 0.0) -> list[Sample]:
    samples = [Sample(start=10.0, wall=wall, fetch=fetch, again=again)]
    for gap in gaps:
        samples.append(Sample(start=samples[-1].end + gap, wall=wall, fetch=fetch, again=again))
    return samples


@pytest.mark.parametrize(("gap", "ok"), [(0.0135, True), (0.0145, False)])
def test_gaps_of_one_percent_are_too_long(sanity: ModuleType, gap: float, ok: bool) -> None:
    entry = sanity.check_loop_time("train_step", samples_with([gap] * 4, wall=0.84))  # 3 gaps count, of 5 samples

    assert entry["ok"] is ok
    assert entry["error"] == pytest.approx(3 * gap / (5 * 0.84), rel=1e-5)


def test_one_gap_in_which_the_scheduler_took_the_cpu_is_set_aside(sanity: ModuleType) -> None:
    entry = sanity.check_loop_time("train_step", samples_with([1e-6, 7.0, 1e-6, 1e-6]))

    assert (entry["ok"], entry["set_aside"]) == (True, 1)


def test_a_tenth_of_the_gaps_is_set_aside_and_no_more(sanity: ModuleType) -> None:
    entry = sanity.check_loop_time("train_step", samples_with([7.0] * 6 + [1e-6] * 44))

    assert (entry["ok"], entry["set_aside"]) == (False, 5)
    assert entry["error"] == pytest.approx(7.0 / 51, rel=1e-4)


def test_a_short_loop_is_judged_by_the_floor(sanity: ModuleType) -> None:
    entry = sanity.check_loop_time("train_step", samples_with([0.0005] * 4, wall=0.001))

    assert (entry["ok"], entry["floor_s"]) == (True, 0.002)


@pytest.mark.parametrize(("fetch", "ok"), [(0.0099, True), (0.0101, False)])
def test_a_result_that_comes_late_was_not_waited_for(sanity: ModuleType, fetch: float, ok: bool) -> None:
    entry = sanity.check_synchronised("train_step", samples_with([0.0] * 4, fetch=fetch))

    assert (entry["ok"], entry["error"]) == (ok, fetch)


@pytest.mark.parametrize(("fetch", "ok"), [(49e-6, True), (51e-6, False)])
def test_of_a_short_sample_a_fetch_may_take_what_a_call_takes(sanity: ModuleType, fetch: float, ok: bool) -> None:
    entry = sanity.check_synchronised("train_step", samples_with([0.0] * 4, wall=0.001, fetch=fetch))

    assert entry["ok"] is ok


@pytest.mark.parametrize(
    ("fetch", "again", "ok"),
    [(190e-6, 180e-6, True), (190e-6, 130e-6, False), (0.003, 0.003, False)],
    ids=["slow by itself", "waits", "computes the result each time"],
)
def test_what_a_fetch_takes_by_itself_is_no_wait(sanity: ModuleType, fetch: float, again: float, ok: bool) -> None:
    entry = sanity.check_synchronised("train_step", samples_with([0.0] * 4, wall=0.001, fetch=fetch, again=again))

    assert entry["ok"] is ok


@pytest.mark.parametrize(("alone", "ok"), [(60e-6, True), (20e-6, False)])
def test_what_fetching_takes_after_a_step_though_nothing_is_left_to_wait_for_is_no_wait(
    sanity: ModuleType, alone: float, ok: bool
) -> None:
    entry = sanity.check_synchronised("train_step", samples_with([0.0] * 4, wall=0.004, fetch=80e-6, again=2e-6), alone)

    assert (entry["ok"], entry["alone_s"]) == (ok, alone)


def test_a_fetch_that_computes_is_late_however_long_it_takes_by_itself(sanity: ModuleType) -> None:
    entry = sanity.check_synchronised("train_step", samples_with([0.0] * 4, wall=0.004, fetch=0.003), 0.003)

    assert entry["ok"] is False


@pytest.mark.parametrize(
    ("losses", "falls", "failed"),
    [
        ([2.3, 2.4, 2.2], True, []),
        ([2.3, 2.2, 2.3], True, ["loss_falls"]),
        ([2.3, 2.4], False, []),
        ([2.3, float("nan"), 2.2], True, ["loss_finite", "loss_falls"]),
        ([2.3, float("inf")], False, ["loss_finite"]),
        ([float("nan"), 2.2], True, ["loss_finite", "loss_falls"]),
    ],
)
def test_losses_are_finite_and_fall_where_they_have_to(
    sanity: ModuleType, losses: list[float], falls: bool, failed: list[str]
) -> None:
    protocol = {"phases": ["train_step"], "precision": "ieee"}

    entries = sanity.check_losses({"train_step": losses}, protocol, falls)

    assert [entry["check"] for entry in entries if not entry["ok"]] == failed
    assert all(sanity.MESSAGES[entry["check"]] % entry for entry in entries)


@pytest.mark.parametrize(
    ("forward", "precision", "failed"),
    [
        ([2.3, 2.3], "ieee", []),
        ([2.3, 2.3002], "ieee", []),
        ([2.3, 2.3003], "ieee", ["loss_forward"]),
        ([2.3, 2.31], "tf32", []),
        ([0.0], "ieee", ["loss_forward"]),
        ([float("nan")], "ieee", ["loss_finite", "loss_forward"]),
    ],
)
def test_forward_gives_the_loss_that_training_begins_with(
    sanity: ModuleType, forward: list[float], precision: str, failed: list[str]
) -> None:
    losses = {"forward": forward, "train_step": [2.3, 2.2]}

    entries = sanity.check_losses(losses, {"phases": ["forward", "train_step"], "precision": precision}, False)

    assert [entry["check"] for entry in entries if not entry["ok"]] == failed
    assert all(sanity.MESSAGES[entry["check"]] % entry for entry in entries if not entry["ok"])


def test_a_forward_phase_alone_or_after_the_training_is_held_against_nothing_and_needs_not_fall(
    sanity: ModuleType,
) -> None:
    after = sanity.check_losses(
        {"train_step": [2.3, 2.2], "forward": [2.2, 2.2]},
        {"phases": ["train_step", "forward"], "precision": "ieee"},
        True,
    )
    alone = sanity.check_losses({"forward": [2.3, 2.3]}, {"phases": ["forward"], "precision": "ieee"}, True)

    assert [entry["check"] for entry in after] == ["loss_finite", "loss_falls"]
    assert [entry["check"] for entry in alone] == ["loss_finite"]
    assert all(entry["ok"] for entry in (*after, *alone))


@pytest.mark.parametrize(
    ("wall_s", "raw_s", "ok"),
    [(10.0, 10.05, True), (10.0, 10.2, False), (10.2, 10.0, False), (0.0021, 0.003, True), (0.002, 0.004, False)],
    ids=["half a percent", "slow", "fast", "within the reading", "short and slow"],
)
def test_the_clock_of_the_samples_goes_as_the_machines_own(
    sanity: ModuleType, wall_s: float, raw_s: float, ok: bool
) -> None:
    entry = sanity.check_clock("train_step", (100.0, 7.0), (100.0 + wall_s, 7.0 + raw_s))

    assert entry["ok"] is ok
    assert sanity.MESSAGES["clock"] % entry


@pytest.mark.parametrize(
    ("promised", "found", "same"),
    [
        ("1.10.2", "1.10.2+cu113", True),
        ("1.0.1", "1.0.1.post2", True),
        ("0.1.12_2", "0.1.12_2", True),
        ("0.1.12_2", "0.1.12", True),
        ("0.3.1post2", "0.3.1.post2", True),
        ("0.3.1post2", "0.3.1.post3", False),
        ("1.1", "1.10", False),
        ("2.8.0", "2.8.0a0+git1", False),
        ("2.8.0", "2.8.1", False),
    ],
)
def test_a_version_is_the_promised_one_up_to_its_local_part(
    sanity: ModuleType, promised: str, found: str, same: bool
) -> None:
    assert sanity.same_release(promised, found) is same
