"""Where images and suites are found, and what the names in a suite mean."""

from pathlib import Path

import pytest

from orchestrator.catalog import (
    Project,
    find_project,
    find_study,
    find_suite,
    list_suites,
    load_benchmarks,
    load_images,
    match_images,
    select_images,
)
from orchestrator.errors import ConfigurationError, UsageError

ROOT = Path(__file__).parents[2]
ROW = """\
  "{version}":
    released: 2020-01-01
    python: 3.8.18
    base: python:3.8-slim
    requirements: [torch=={version}]
    variants: {{cpu: {{}}}}
"""
BENCHMARK = """\
benchmark: lstm
title: LSTM
scripts: {pytorch: run_pytorch.py, jax: run_jax.py}
implementations: {fused: {}, basic: {}}
configurations: {1x320/short: {batch: 8}, 1x320/long: {batch: 8}}
"""
SUITE = """\
suite: mine
title: Mine
images:
  - pytorch-{1.0.1,1.4.0}
  - pytorch-1.10.2
benchmarks:
  - benchmark: lstm
    implementations: [fused]
    configurations: [1x320/*]
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    family = tmp_path / "images" / "pytorch"
    benchmark = tmp_path / "suites" / "benchmarks" / "lstm"
    family.mkdir(parents=True)
    benchmark.mkdir(parents=True)
    rows = "".join(ROW.format(version=version) for version in ("1.10.2", "1.0.1", "1.4.0", "0.3.1post2"))
    (family / "versions.yaml").write_text(f"family: pytorch\nframework: pytorch\nversions:\n{rows}")
    (benchmark / "benchmark.yaml").write_text(BENCHMARK)
    (benchmark / "run_pytorch.py").touch()
    write_suite(tmp_path, SUITE)
    return find_project(None, tmp_path)


def write_suite(folder: Path, text: str) -> None:
    (folder / "suites" / "mine.yaml").write_text(text)


def names(project: Project, pattern: str) -> list[str]:
    return [image.version for image in select_images(load_images(project), [pattern])]


def test_a_project_is_found_from_a_folder_below_it(project: Project, tmp_path: Path) -> None:
    below = tmp_path / "deep" / "down"
    below.mkdir(parents=True)

    found = find_project(None, below)

    assert (found.root, found.images, found.suites) == (tmp_path, tmp_path / "images", tmp_path / "suites")


def test_outside_of_any_project_the_shipped_images_and_suites_are_taken(tmp_path: Path) -> None:
    found = find_project(None, tmp_path)

    assert (found.root, found.images, found.suites) == (tmp_path, ROOT / "images", ROOT / "suites")


def test_a_folder_with_suites_only_takes_the_shipped_images(tmp_path: Path) -> None:
    (tmp_path / "suites").mkdir()
    write_suite(tmp_path, SUITE)

    found = find_project(None, tmp_path)

    assert (found.root, found.images, found.suites) == (tmp_path, ROOT / "images", tmp_path / "suites")


def test_a_project_named_without_images_or_suites_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--project .*: no images/\*/versions.yaml and no suites/\*.yaml there."):
        find_project(tmp_path, tmp_path)


@pytest.mark.parametrize(
    ("pattern", "versions"),
    [
        ("pytorch-1.0.1", ["1.0.1"]),
        ("pytorch-*", ["0.3.1post2", "1.0.1", "1.4.0", "1.10.2"]),
        ("pytorch-{1.10.2,1.0.1}", ["1.0.1", "1.10.2"]),
        ("pytorch>=1.0,<1.10", ["1.0.1", "1.4.0"]),
        ("pytorch-1.?.*", ["1.0.1", "1.4.0"]),
    ],
)
def test_images_are_selected_by_name_glob_braces_and_range_oldest_first(
    project: Project, pattern: str, versions: list[str]
) -> None:
    assert names(project, pattern) == versions


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("pytorch-1.0.3", "unknown image 'pytorch-1.0.3'. Did you mean 'pytorch-1.0.1'?"),
        ("pytorch-{1.0.1,1.4.1}", "unknown image 'pytorch-1.4.1'. Did you mean 'pytorch-1.4.0'?"),
        ("theano-*", "nothing matches 'theano-*'."),
        ("pytorch>=3", "nothing matches 'pytorch>=3'."),
        ("pytorch>=three", "'pytorch>=three' is not a version range"),
        ("pytorch-1.4.0+cu101", "pytorch-1.4.0 has no variant 'cu101'. Known: cpu."),
    ],
)
def test_an_image_that_is_not_there_is_an_error_with_a_suggestion(project: Project, pattern: str, message: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        match_images(load_images(project), pattern)

    assert message in str(caught.value)


def test_a_name_may_end_in_the_variant_that_is_wanted(project: Project) -> None:
    (image,) = match_images(load_images(project), "pytorch-1.4.0+cpu")

    assert [variant.name for variant in image.variants] == ["cpu"]
    assert image.variant_is_named


def test_an_unknown_image_on_the_command_line_is_a_usage_error(project: Project) -> None:
    with pytest.raises(UsageError, match="unknown image 'pytorch'"):
        names(project, "pytorch")


@pytest.mark.parametrize("text", ["mine", "suites/mine.yaml"])
def test_a_suite_is_found_by_name_and_by_path(project: Project, text: str) -> None:
    assert find_suite(project, text).path.resolve() == (project.suites / "mine.yaml").resolve()


def test_an_unknown_suite_gets_a_suggestion(project: Project) -> None:
    with pytest.raises(UsageError, match=r"suites/mini.yaml: no such suite in suites .* Did you mean 'mine'\?"):
        find_suite(project, "suites/mini.yaml")


def test_a_study_holds_what_its_suite_names(project: Project) -> None:
    study = find_study(project, find_suite(project, "mine"))

    assert [image.version for image in study.images] == ["1.0.1", "1.4.0", "1.10.2"]
    assert list(study.benchmarks) == ["lstm"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("1.10.2", "1.10.1", "suites/mine.yaml:5: images.1: unknown image 'pytorch-1.10.1'. Did you mean"),
        (
            "benchmark: lstm",
            "benchmark: lstn",
            "suites/mine.yaml:7: benchmarks: unknown benchmark 'lstn'. Did you mean",
        ),
        (
            "pytorch-1.10.2",
            "pytorch-{1.10.2+cpu,1.10.*}",
            "suites/mine.yaml:5: images.1: pytorch-1.10.2 is named in two ways.",
        ),
        ("[fused]", "[fsued]", "suites/mine.yaml:7: lstm.implementations: nothing is called 'fsued'. Did you mean"),
        ("1x320/*", "4x320/*", "suites/mine.yaml:7: lstm.configurations: nothing is called '4x320/*'."),
        ("title: Mine", "compare: {baseline: pytorch-9}", "key 'title' is missing."),
        (
            "title: Mine",
            "title: Mine\ncompare: {baseline: pytorch-0.3.1post2}",
            "suites/mine.yaml:3: compare.baseline: must be 'oldest' or an image of the suite, not 'pytorch-0",
        ),
        ("title: Mine", "title: Mine\ncompare: {baseline: newest}", "suites/mine.yaml:3: compare.baseline: must be"),
        (
            "title: Mine",
            "title: Mine\ncompare: {across: system, baseline: oldest}",
            "must be 'fastest' or a system, written image/implementation, of the suite, not 'oldest'.",
        ),
        (
            "title: Mine",
            "title: Mine\ncompare: {across: system, baseline: pytorch-1.10.2/fusd}",
            "not 'pytorch-1.10.2/fusd'. Did you mean 'pytorch-1.10.2/fused'?",
        ),
    ],
)
def test_a_suite_that_names_what_is_not_there_is_an_error_with_its_line(
    project: Project, tmp_path: Path, old: str, new: str, message: str
) -> None:
    write_suite(tmp_path, SUITE.replace(old, new, 1))

    with pytest.raises(ConfigurationError) as caught:
        find_study(project, find_suite(project, "mine"))

    assert message in str(caught.value)


def test_a_time_per_example_needs_configurations_that_say_their_batch(project: Project, tmp_path: Path) -> None:
    write_suite(tmp_path, SUITE.replace("title: Mine", "title: Mine\ncompare: {unit: us/example}"))
    file = tmp_path / "suites" / "benchmarks" / "lstm" / "benchmark.yaml"
    file.write_text(BENCHMARK.replace("1x320/long: {batch: 8}", "1x320/long: {steps: 8}"), encoding="utf-8")

    with pytest.raises(ConfigurationError) as caught:
        find_study(project, find_suite(project, "mine"))

    assert "mine.yaml:8: compare.unit: 1x320/long of lstm says no batch. Add it, or use ms/batch." in str(caught.value)


def test_a_phase_that_no_measure_is_from_is_refused_before_anything_is_built(project: Project, tmp_path: Path) -> None:
    file = tmp_path / "suites" / "benchmarks" / "lstm" / "benchmark.yaml"
    measures = "measures: {speed: {from: forward, unit: s, better: lower}}\n"
    file.write_text(BENCHMARK + measures, encoding="utf-8")

    with pytest.raises(ConfigurationError) as caught:
        find_study(project, find_suite(project, "mine"))

    assert "mine.yaml:7: phases: lstm has no measure from 'train_step'. Known: forward." in str(caught.value)


def test_a_missing_script_is_an_error_only_for_the_frameworks_of_the_suite(project: Project) -> None:
    suite = find_suite(project, "mine")
    script = project.suites / "benchmarks" / "lstm" / "run_pytorch.py"

    assert find_study(project, suite).benchmarks  # run_jax.py is missing too, but no image is of JAX

    script.unlink()
    with pytest.raises(ConfigurationError, match=r"scripts.pytorch: there is no file 'run_pytorch.py' beside it."):
        find_study(project, suite)


def test_everything_shipped_can_be_read_and_found() -> None:
    project = find_project(None, ROOT)

    studies = [find_study(project, find_suite(project, path.stem)) for path in list_suites(project)]

    assert {study.suite.name for study in studies} >= {"pytorch_versions", "quickstart"}
    assert {benchmark.name for benchmark in load_benchmarks(project)} >= {"lstm_asr"}


def test_the_suite_of_the_pytorch_study_has_its_fourteen_versions() -> None:
    project = find_project(None, ROOT)

    study = find_study(project, find_suite(project, "pytorch_versions"))

    assert " ".join(image.version for image in study.images) == (
        "0.1.12_2 0.2.0_4 0.3.1post2 0.4.0 1.0.1 1.4.0 1.7.1 1.12.1 1.13.1 2.0.1 2.4.1 2.8.0 2.13.0 2.15.0"
    )
