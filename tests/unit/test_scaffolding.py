"""What `orch new` writes: examples that can be read back, never over a file that is there."""

from pathlib import Path

import pytest

from orchestrator.catalog import Project, find_study, find_suite
from orchestrator.errors import UsageError
from orchestrator.examples import new_benchmark, new_suite
from orchestrator.scaffolding import schema_for, write_new

ROOT = Path(__file__).parents[2]
FRAMEWORKS = ("pytorch", "jax", "tensorflow", "keras", "theano", "chainer", "mxnet")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """An empty folder where only what is shipped is found."""
    return Project(root=tmp_path, images=ROOT / "images", suites=tmp_path / "suites", cwd=tmp_path)


def test_a_new_suite_can_be_planned_as_it_is(project: Project) -> None:
    write_new(new_suite(project, "mine", None, ()), project.cwd)

    study = find_study(project, find_suite(project, "mine"))

    assert study.suite.name == "mine"
    assert study.suite.choose == "oldest_and_newest"
    assert {image.framework for image in study.images} == {"pytorch"}


def test_a_new_suite_has_at_most_25_lines(project: Project) -> None:
    (text,) = new_suite(project, "mine", None, ()).values()

    assert len(text.splitlines()) <= 25


def test_images_that_are_named_are_all_measured(project: Project) -> None:
    write_new(new_suite(project, "mine", "lstm_asr", ("pytorch-{1.0.1,2.8.0}",)), project.cwd)

    suite = find_suite(project, "suites/mine.yaml")

    assert suite.images == ("pytorch-{1.0.1,2.8.0}",)
    assert suite.choose == "all"


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_new_benchmark_and_its_suite_can_be_planned_as_they_are(project: Project, framework: str) -> None:
    files = new_benchmark(project, "mine", framework)
    write_new(files, project.cwd)

    study = find_study(project, find_suite(project, "mine"))

    assert study.benchmarks["mine"].scripts == {framework: f"run_{framework}.py"}
    assert {image.framework for image in study.images} == {framework}
    assert max(len(text.splitlines()) for text in files.values()) <= 80


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_new_script_compiles(project: Project, framework: str) -> None:
    files = new_benchmark(project, "mine", framework)

    for path, text in files.items():
        if path.suffix == ".py":
            compile(text, str(path), "exec")


@pytest.mark.parametrize("name", ["", ".", "../up", "a b", "-x", "a/b", "x" * 65])
def test_a_name_that_is_no_file_name_is_refused(project: Project, name: str) -> None:
    with pytest.raises(UsageError, match="Use letters, digits"):
        new_suite(project, name, None, ())


def test_a_file_that_is_there_is_kept_and_nothing_else_is_written(project: Project) -> None:
    script = project.suites / "benchmarks" / "mine" / "run_pytorch.py"
    script.parent.mkdir(parents=True)
    script.write_text("precious", encoding="utf-8")

    with pytest.raises(UsageError, match=r"mine/run_pytorch\.py: there already"):
        write_new(new_benchmark(project, "mine", "pytorch"), project.cwd)

    assert script.read_text(encoding="utf-8") == "precious"
    assert list(script.parent.iterdir()) == [script]


def test_what_cannot_be_written_whole_is_not_written_at_all(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder", encoding="utf-8")

    with pytest.raises(UsageError, match=r"file/second: cannot be written"):
        write_new({tmp_path / "first": "1", tmp_path / "file" / "second": "2"}, tmp_path)

    assert not (tmp_path / "first").exists()


@pytest.mark.parametrize(
    ("framework", "words"), [("pytroch", "Did you mean 'pytorch'"), ("torch7", "no example is shipped")]
)
def test_a_framework_without_an_example_is_refused(project: Project, framework: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        new_benchmark(project, "mine", framework)


def test_a_benchmark_that_is_not_there_is_refused_with_a_suggestion(project: Project) -> None:
    with pytest.raises(UsageError, match="Did you mean 'lstm_asr'"):
        new_suite(project, "mine", "lstm_ars", ())


def test_images_that_the_benchmark_has_no_script_for_are_refused(project: Project) -> None:
    with pytest.raises(UsageError, match="no script for chainer"):
        new_suite(project, "mine", "spin", ("chainer-*",))


def test_the_schema_of_a_file_in_the_repository_is_named_relative_to_it() -> None:
    assert schema_for("suite", ROOT / "suites" / "x.yaml", ROOT) == "../orchestrator/schemas/suite.json"


def test_the_schema_of_a_file_elsewhere_is_named_by_its_place(tmp_path: Path) -> None:
    assert schema_for("suite", tmp_path / "suites" / "x.yaml", tmp_path).startswith("file:///")
