"""What a study concludes: read from its file, and tested on records with numbers that are computed by hand."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.analysis.conclusion_texts import outcome_text
from orchestrator.analysis.conclusions import JudgedConclusion, judge_conclusions
from orchestrator.analysis.printed import read_study
from orchestrator.analysis.published_systems import configuration_names
from orchestrator.analysis.systems import framework_of, what_sets_apart
from orchestrator.catalog import find_project, find_study, find_suite
from orchestrator.conclusions import load_conclusions
from orchestrator.errors import ConfigurationError
from orchestrator.names import matches
from orchestrator.records import Failure, ImageUsed, Record
from tests.records import RECORD

PUBLISHED = Path(__file__).parents[2] / "suites" / "published"
CLAIM = """\
study: study
conclusions:
  fused:
    says: the fused cell is twice as fast
    where: Table 1
    faster: TensorFlow 1.8.0 Fused
    slower: TensorFlow 1.8.0 Basic
    configurations: [short]
    ratio: [2.0]
"""
FUSED, BASIC = "Fused", "Basic"
TENSORFLOW = "tensorflow1-1.8.0"


def launches(
    implementation: str,
    times_s: Sequence[float],
    *,
    image: str = TENSORFLOW,
    configuration: str = "short",
    device: str = "cpu",
) -> list[Record]:
    """Make a record for each block; the label of an implementation is its name."""
    return [
        replace(
            RECORD,
            image=ImageUsed(name=image, variant="cpu" if device == "cpu" else "cu90"),
            launch=replace(RECORD.launch, block=block, row=configuration),
            workload=replace(RECORD.workload, implementation=implementation, configuration=configuration),
            protocol=replace(RECORD.protocol, phases=("train_step",), device=device),
            samples={"train_step": (time_s,) * 5},
        )
        for block, time_s in enumerate(times_s, 1)
    ]


def judge(tmp_path: Path, records: Sequence[Record], text: str = CLAIM) -> JudgedConclusion:
    path = tmp_path / "study.yaml"
    path.write_text(text, encoding="utf-8")
    (judged,) = judge_conclusions(records, load_conclusions(path), {})
    return judged


@pytest.mark.parametrize(
    ("fused_s", "basic_s", "outcome", "size"),
    [
        ([0.1] * 3, [0.19, 0.2, 0.21], "holds", "as claimed"),
        ([0.1] * 3, [0.3] * 3, "holds", "more than claimed"),
        ([0.1] * 3, [0.15] * 3, "holds", "less than claimed"),
        ([0.2] * 3, [0.1] * 3, "does not hold", "less than claimed"),
        ([0.1] * 3, [0.101] * 3, "does not hold", "less than claimed"),  # the same within 2 %
        ([0.1, 0.1, 0.1], [0.05, 0.2, 0.2], "inconclusive", "as claimed"),
    ],
)
def test_the_interval_of_the_ratio_decides_the_direction_and_the_size_apart(
    tmp_path: Path, fused_s: list[float], basic_s: list[float], outcome: str, size: str
) -> None:
    judged = judge(tmp_path, launches(FUSED, fused_s) + launches(BASIC, basic_s))

    (trial,) = judged.trials
    assert judged.outcome == trial.outcome == outcome
    assert trial.size == size
    assert trial.device == "cpu"


@pytest.mark.parametrize(("basic_s", "size"), [(0.163, "as claimed"), (0.166, "more than claimed")])
def test_a_claimed_size_is_as_wide_as_the_rounding_of_its_last_digit(tmp_path: Path, basic_s: float, size: str) -> None:
    text = CLAIM.replace("ratio: [2.0]", "ratio: [1.6]")

    judged = judge(tmp_path, launches(FUSED, [0.1] * 3) + launches(BASIC, [basic_s] * 3), text)

    assert judged.trials[0].size == size


def test_what_holds_by_less_than_the_study_says_is_not_called_confirmed(tmp_path: Path) -> None:
    records = launches(FUSED, [0.1] * 3) + launches(BASIC, [0.11] * 3)
    path = tmp_path / "study.yaml"
    path.write_text(CLAIM.replace("ratio: [2.0]", "ratio: [3.4]"), encoding="utf-8")

    (judged,) = judge_conclusions(records, load_conclusions(path), {})

    assert judged.outcome == "holds"
    assert outcome_text(judged) == "holds, but by less"


def test_the_ratio_is_the_mean_paired_ratio_of_the_slower_over_the_faster(tmp_path: Path) -> None:
    judged = judge(tmp_path, launches(FUSED, [0.1, 0.2, 0.4]) + launches(BASIC, [0.2, 0.4, 1.6]))

    (trial,) = judged.trials
    assert trial.ratio == pytest.approx(16 ** (1 / 3))  # of 2, 2 and 4
    assert (trial.slower, trial.faster) == ("TensorFlow 1.8.0 Basic", "TensorFlow 1.8.0 Fused")


def test_below_three_blocks_there_is_a_ratio_and_no_verdict(tmp_path: Path) -> None:
    judged = judge(tmp_path, launches(FUSED, [0.1] * 2) + launches(BASIC, [0.3] * 2))

    (trial,) = judged.trials
    assert (judged.outcome, trial.interval, trial.size) == ("inconclusive", None, None)
    assert trial.ratio == pytest.approx(3.0)
    assert trial.reason == "fewer than 3 blocks: no interval, no verdict"


def test_a_claim_about_a_gpu_is_not_tested_on_a_cpu(tmp_path: Path) -> None:
    records = launches(FUSED, [0.1] * 3) + launches(BASIC, [0.2] * 3)

    judged = judge(tmp_path, records, f"{CLAIM}    needs: cuDNN on a GPU\n")

    assert (judged.outcome, judged.reason) == ("cannot be tested here", "the claim is about cuDNN on a GPU")


def test_a_claim_about_a_gpu_is_tested_on_one(tmp_path: Path) -> None:
    records = launches(FUSED, [0.1] * 3, device="cuda") + launches(BASIC, [0.2] * 3, device="cuda")

    assert judge(tmp_path, records, f"{CLAIM}    needs: cuDNN on a GPU\n").outcome == "holds"


def test_a_system_without_records_makes_a_claim_absent(tmp_path: Path) -> None:
    judged = judge(tmp_path, launches(FUSED, [0.1] * 3))

    assert judged.is_absent
    assert judged.reason == "not measured: TensorFlow 1.8.0 Basic"


def test_a_system_that_could_not_run_is_the_reason(tmp_path: Path) -> None:
    failure = Failure(phase="plan", kind="Unsupported", message="no cpu wheel")
    lost = [
        replace(one, status="unsupported", failure=failure, launch=replace(one.launch, block=None))
        for one in launches(BASIC, [1.0])
    ]

    judged = judge(tmp_path, [*launches(FUSED, [0.1] * 3), *lost])

    assert not judged.is_absent
    assert judged.outcome == "cannot be tested here"
    assert judged.reason == "TensorFlow 1.8.0 Basic: unsupported: no cpu wheel"


def test_a_configuration_that_was_not_measured_is_not_judged_by_another_but_told_beside_it(tmp_path: Path) -> None:
    elsewhere = launches(FUSED, [0.1] * 3, configuration="long") + launches(BASIC, [0.2] * 3, configuration="long")

    judged = judge(tmp_path, elsewhere)

    claimed, other = judged.trials
    assert (judged.outcome, judged.reason) == ("cannot be tested here", "not measured: short")
    assert (claimed.is_elsewhere, other.is_elsewhere) == (False, True)
    assert other.configuration == "long"
    assert other.ratio == pytest.approx(2.0)


def test_the_studys_release_is_taken_and_else_the_oldest_and_both_of_one_image(tmp_path: Path) -> None:
    newer, newest = (
        launches(FUSED, [time_s] * 3, image=image) + launches(BASIC, [1.0] * 3, image=image)
        for image, time_s in (("tensorflow1-1.9.0", 0.5), ("tensorflow1-1.15.0", 0.25))
    )
    own = launches(FUSED, [0.1] * 3) + launches(BASIC, [1.0] * 3)

    with_own, without = judge(tmp_path, newest + newer + own), judge(tmp_path, newest + newer)
    only_one_has_own = judge(tmp_path, newest + newer + launches(FUSED, [0.1] * 3))

    assert [judged.trials[0].ratio for judged in (with_own, without, only_one_has_own)] == pytest.approx([10, 2, 2])


def test_a_claim_about_releases_takes_no_other_release(tmp_path: Path) -> None:
    text = CLAIM.replace("1.8.0 Basic", "1.4.1 Fused")
    newer = launches(FUSED, [0.1] * 3, image="tensorflow1-1.9.0")

    absent = judge(tmp_path, newer + launches(FUSED, [0.1] * 3), text)
    judged = judge(tmp_path, launches(FUSED, [0.3] * 3, image="tensorflow1-1.4.1") + launches(FUSED, [0.1] * 3), text)

    assert absent.is_absent
    assert judged.trials[0].ratio == pytest.approx(3.0)


def test_one_system_may_be_held_against_itself_at_another_configuration(tmp_path: Path) -> None:
    text = CLAIM.replace("1.8.0 Fused", "1.8.0 Fused at short").replace("1.8.0 Basic", "1.8.0 Fused at long")
    records = launches(FUSED, [0.1, 0.11, 0.1]) + launches(FUSED, [0.2, 0.22, 0.2], configuration="long")

    (trial,) = judge(tmp_path, records, text).trials

    assert trial.configuration == "long against short"
    assert trial.ratio == pytest.approx(2.0)
    assert trial.outcome == "holds"


def test_the_worst_outcome_of_several_pairs_is_that_of_the_conclusion(tmp_path: Path) -> None:
    text = CLAIM.replace("TensorFlow 1.8.0 Basic", "[TensorFlow 1.8.0 Basic, TensorFlow 1.8.0 Block]")
    records = launches(FUSED, [0.1] * 3) + launches(BASIC, [0.2] * 3)

    judged = judge(tmp_path, records + launches("Block", [0.05] * 3), text)
    partly = judge(tmp_path, records, text)

    assert [trial.outcome for trial in judged.trials] == ["holds", "does not hold"]
    assert judged.outcome == "does not hold"
    assert [trial.outcome for trial in partly.trials] == ["holds", "cannot be tested here"]
    assert partly.outcome == "holds"


def test_systems_of_other_machines_are_not_divided(tmp_path: Path) -> None:
    there = [replace(one, machine=replace(one.machine, id="other", cpu="Xeon B")) for one in launches(BASIC, [0.2] * 3)]

    judged = judge(tmp_path, launches(FUSED, [0.1] * 3) + there)

    assert judged.outcome == "cannot be tested here"
    assert "the two are not comparable: machine" in (judged.reason or "")


def test_what_no_suite_can_test_says_so(tmp_path: Path) -> None:
    text = "study: study\nconclusions:\n  one: {says: it is fast, where: text, untested: no suite yet}\n"

    judged = judge(tmp_path, launches(FUSED, [0.1] * 3), text)

    assert (judged.outcome, judged.reason, judged.trials) == ("cannot be tested here", "no suite yet", ())


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("study: study", "study: other", "study.yaml:1: study: must be 'study', as the file is called."),
        ("    slower: TensorFlow 1.8.0 Basic\n", "", "needs 'faster' and 'slower', or 'untested' with the reason."),
        ("TensorFlow 1.8.0 Fused", "Fused", "'Fused' is no system. Write it as tables do: TensorFlow 1.8.0 LSTMCell."),
        ("says:", "say:", "say: unknown key. Did you mean 'says'?"),
        ("[2.0]", "[1.0, 2.0, 3.0]", "ratio: must be one number from 1 on, or the least and the most."),
        ("[2.0]", "[0.5]", "ratio: must be one number from 1 on, or the least and the most."),
        ("[2.0]", "twice", "ratio: must be a list"),
    ],
)
def test_a_wrong_file_is_refused_with_line_and_remedy(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        judge(tmp_path, [], CLAIM.replace(old, new))

    assert message in str(caught.value)


def test_a_study_without_a_file_has_no_conclusions(tmp_path: Path) -> None:
    assert load_conclusions(tmp_path / "none.yaml") == ()


@pytest.mark.parametrize("path", sorted(PUBLISHED.glob("*.csv")), ids=lambda path: path.stem)
def test_every_study_has_its_conclusions_and_they_are_about_configurations_it_printed(path: Path) -> None:
    conclusions = load_conclusions(path.with_suffix(".yaml"))

    seed = read_study(path).seed
    printed = {name for one in seed for name in configuration_names(one.configuration, one.parameters)}
    named = {name for one in conclusions for name in one.configurations}
    assert conclusions
    assert named <= printed


def test_all_ratios_that_the_text_of_the_paper_states_are_claimed() -> None:
    stated = {
        number.mean for number in read_study(PUBLISHED / "braun2018.csv").seed if number.metric == "claimed_ratio"
    }

    claimed = {value for one in load_conclusions(PUBLISHED / "braun2018.yaml") for value in one.ratio}

    assert claimed == stated


@pytest.mark.parametrize(
    ("study", "name"),
    [("glample2016", "theano_fast_lstm_500"), ("maximumentropy2016", "cudnn_three_layers")],
)
def test_the_ratios_of_a_study_without_text_are_those_of_its_printed_times(study: str, name: str) -> None:
    (claim,) = [one for one in load_conclusions(PUBLISHED / f"{study}.yaml") if one.name == name]
    phases = {"train": "train_step", "forward": "forward"}
    times = {
        (name, phases[number.metric], number.implementation.startswith("FastLSTM")): number.mean
        for number in read_study(PUBLISHED / f"{study}.csv").seed
        for name in configuration_names(number.configuration, number.parameters)
        if number.framework == "Theano" and number.benchmark == "lstm" and name in claim.configurations
    }

    ratios = [
        max(times[place, phase, True], times[place, phase, False])
        / min(times[place, phase, True], times[place, phase, False])
        for place in claim.configurations
        for phase in claim.phases
    ]

    assert claim.ratio == pytest.approx((min(ratios), max(ratios)), rel=0.01)


@pytest.mark.parametrize("name", ["lstm_frameworks", "rnn_libraries", "cudnn_rnn"])
def test_every_system_of_a_claim_is_one_that_the_studys_suite_measures(name: str) -> None:
    project = find_project(PUBLISHED.parents[1], PUBLISHED)
    study = find_study(project, find_suite(project, name))
    measured = {
        (framework_of(image.family), what_sets_apart(image.family), implementation.label)
        for image in study.images
        for benchmark in study.benchmarks.values()
        for implementation in benchmark.implementations
        if image.framework in implementation.frameworks
    }

    claims = load_conclusions(PUBLISHED / f"{study.suite.study}.yaml")
    for system in (system for claim in claims for system in (*claim.faster, *claim.slower)):
        apart = f" on {system.back_end}" if system.back_end else ""
        assert any(
            (framework, back_end) == (system.framework, apart) and matches(label, (system.implementation,))
            for framework, back_end, label in measured
        ), system.text
