"""What the five documents printed is all there, with its defects at the numbers they concern, in every format."""

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from orchestrator.analysis.printed import Printed, PrintedStudy, read_study, study_files
from orchestrator.analysis.printed_tables import PrintedDocument, build_document
from orchestrator.analysis.printing import render_documents
from orchestrator.errors import ConfigurationError, UsageError
from orchestrator.publications import render_published

SUITES = Path(__file__).parents[2] / "suites"
SEED = {"glample2016": 24, "maximumentropy2016": 40, "braun2018": 143, "kawakami2017": 7, "soumith2014": 341}
REPOSITORY = {"glample2016": 172, "maximumentropy2016": 100, "braun2018": 206, "kawakami2017": 37, "soumith2014": 825}
PREAMBLE = "# Somebody 2020, title, address."
HEAD = (SUITES / "published" / "braun2018.csv").read_text(encoding="utf-8").splitlines()[1]
LINE = "S,b,batch=2,F,1.0,I,,D,,,train,ms,batch,5,,,,,5ms,seed,table 1,"


def read(key: str) -> PrintedStudy:
    return read_study(SUITES / "published" / f"{key}.csv")


def write(folder: Path, *lines: str) -> Path:
    path = folder / "published" / "own.csv"
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join((PREAMBLE, HEAD, *lines)) + "\n", encoding="utf-8")
    return path


def shown(document: PrintedDocument) -> list[str]:
    """Return every printed text of a document's tables."""
    rows = [cells for table in document.tables for _, cells in table.rows]
    return [text for cells in rows for cell in cells for text, _ in cell.texts]


def with_defect(key: str, words: str) -> Sequence[Printed]:
    return [number for number in read(key).seed if any(words in defect for defect in number.defects)]


@pytest.mark.parametrize("key", SEED)
def test_every_number_of_a_document_is_there(key: str) -> None:
    study = read(key)

    assert len(study.seed) == SEED[key]
    assert len(study.numbers) - len(study.seed) == REPOSITORY[key]


@pytest.mark.parametrize("key", SEED)
def test_its_tables_show_each_number_once_as_it_was_printed(key: str) -> None:
    study = read(key)

    document = build_document(study)

    assert sorted(shown(document)) == sorted(number.text for number in study.seed)


@pytest.mark.parametrize("key", SEED)
def test_all_shows_what_stands_elsewhere_in_the_repository_too(key: str) -> None:
    document = build_document(read(key), everything=True)

    assert len(shown(document)) == SEED[key] + REPOSITORY[key]


@pytest.mark.parametrize("key", SEED)
def test_each_defect_is_a_footnote(key: str) -> None:
    study = read(key)
    defects = {defect for number in study.seed for defect in number.defects}

    (text,) = [render_documents([build_document(study)], "markdown")]

    assert defects
    assert all(f"</sup> {defect}" in text for defect in defects)


@pytest.mark.parametrize(
    ("key", "words", "count"),
    [
        ("glample2016", "the README suggests peepholes", 4),
        ("glample2016", "the activation is a sigmoid", 8),
        ("glample2016", "CPU time (os.clock)", 12),
        ("glample2016", "first printed as ms", 24),
        ("maximumentropy2016", "axes swapped", 20),
        ("maximumentropy2016", "gradients of the last layer only", 4),
        ("maximumentropy2016", "skip input", 20),
        ("braun2018", "uniform between -1 and 1", 62),
        ("braun2018", "the last class, which never occurs", 62),
        ("braun2018", "3.33", 1),
        ("kawakami2017", "not synchronised", 7),
        ("kawakami2017", "the weights are tied", 6),
        ("kawakami2017", "the text says that clipping was removed", 6),
        ("kawakami2017", "measured on the validation split", 3),
        ("soumith2014", "truncated to whole ms", 341),
        ("soumith2014", "measured on another network", 3),
        ("soumith2014", "the five layers sum to", 6),
        ("soumith2014", "differs by 1 from forward + backward", 6),
        ("soumith2014", "stale", 20),
        ("soumith2014", "a lower bound", 1),
        ("soumith2014", "measured between August and December 2014", 305),
        ("soumith2014", "needs much memory", 27),
    ],
)
def test_a_known_defect_stands_at_the_numbers_it_concerns(key: str, words: str, count: int) -> None:
    assert len(with_defect(key, words)) == count


def test_processor_time_is_told_of_torch_alone() -> None:
    assert {number.framework for number in with_defect("glample2016", "CPU time")} == {"Torch7"}


def test_a_layer_is_left_out_of_the_gradient_of_deep_nets_alone() -> None:
    found = with_defect("maximumentropy2016", "gradients of the last layer")

    assert {(number.metric, number.parameters["depth"]) for number in found} == {("train", "3")}


def test_a_lower_bound_is_printed_as_one() -> None:
    (number,) = with_defect("soumith2014", "a lower bound")

    assert number.text == "809+bw"
    assert number.framework == "ccv"


def test_a_defect_of_all_numbers_stands_at_the_title_and_at_no_number() -> None:
    document = build_document(read("soumith2014"))

    (mark,) = document.marks
    own = [marks for table in document.tables for _, cells in table.rows for cell in cells for _, marks in cell.texts]

    assert document.footnotes[mark - 1] == "truncated to whole ms, not rounded"
    assert all(mark not in marks for marks in own)


def test_layers_are_columns_as_the_study_prints_them() -> None:
    tables = build_document(read("soumith2014")).tables

    (forward,) = [table for table in tables if "breakdown forward" in table.title]

    assert forward.columns == ("L1", "L2", "L3", "L4", "L5", "L1-L5")
    assert len(forward.rows) == 12


def test_json_keeps_every_number_with_its_seconds_per_iteration() -> None:
    content = json.loads(render_published(SUITES, None, "json", everything=False))

    counts = {study["key"]: len(study["numbers"]) for study in content["studies"]}
    first = content["studies"][1]["numbers"][0]

    assert content["schema"] == "orch.published/1"
    assert counts == SEED
    assert first["iteration_s"] == pytest.approx(20 * 343.8e-6)
    assert first["cuda"] == ""  # not stated


def test_csv_has_a_line_for_each_number() -> None:
    text = render_published(SUITES, "kawakami2017", "csv", everything=True)

    lines = list(csv.DictReader(io.StringIO(text)))

    assert len(lines) == 44
    assert lines[0]["mean"] == "547106.703"
    assert "not synchronised" in lines[0]["defects"]


def test_the_terminal_shows_the_source_and_the_count() -> None:
    text = render_published(SUITES, "glample2016", "terminal", everything=False)

    assert text.startswith('glample 2016, "rnn-benchmarks", README of the repository')
    assert "24 numbers" in " ".join(text.split())


@pytest.mark.parametrize(("key", "form", "words"), [("braun", "csv", "Did you mean"), ("braun2018", "xml", "Known:")])
def test_what_is_not_known_is_refused(key: str, form: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        render_published(SUITES, key, form, everything=False)


def test_a_project_has_studies_of_its_own_beside_those_that_are_shipped(tmp_path: Path) -> None:
    write(tmp_path, LINE)

    assert {"own", *SEED} <= set(study_files(tmp_path))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (LINE.replace(",5,,", ",5 ms,,", 1), "own.csv:4: mean: '5 ms' is no number"),
        (LINE.replace(",5,,", ",nan,,", 1), "own.csv:4: mean: 'nan' is no finite number"),
        (LINE.replace(",5,,", ",-1,,", 1), "own.csv:4: mean: '-1' is no finite number"),
        (LINE.replace("seed", "paper"), "own.csv:4: origin: 'paper' is neither seed nor repo"),
        (LINE.replace("5ms", "5,ms"), "own.csv:4: 22 values are wanted"),
        (LINE[:-9], "own.csv:4: 22 values are wanted"),
    ],
)
def test_a_wrong_line_is_refused_with_its_number_and_column(tmp_path: Path, line: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        read_study(write(tmp_path, LINE, line))
