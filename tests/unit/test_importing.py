"""Times that others measured become records: nothing invented, nothing divided by what was measured here."""

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest

from orchestrator.analysis.tables import build_comparison
from orchestrator.errors import ConfigurationError, UsageError
from orchestrator.foreign import read_foreign
from orchestrator.importing import device_of, import_files
from orchestrator.records import Record
from orchestrator.reporting import compare_run, render_comparison
from orchestrator.store import RunFolder
from tests.record_schema import SCHEMA_FILE
from tests.records import RECORD

SUITES = Path(__file__).parents[2] / "suites"
PUBLISHED = SUITES / "published"
HEAD = "framework,version,implementation,configuration,iteration,seconds"
LINE = "PyTorch,1.0,cell,small,1,0.5"
LAUNCHES = {  # a newer version that takes half the time, in four launches of three iterations
    version: [[time_s * (1 + 0.01 * launch + 0.001 * i) for i in range(3)] for launch in range(4)]
    for version, time_s in (("1.0", 2.0), ("2.0", 1.0))
}


def write(folder: Path, *lines: str, head: str = HEAD, name: str = "raw.csv") -> Path:
    path = folder / name
    path.write_text("\n".join((head, *lines)) + "\n", encoding="utf-8")
    return path


def bring(folder: Path, *paths: Path, warmup: int = 0, study: str | None = None, suite: str | None = None) -> RunFolder:
    return import_files(paths, folder / "runs", suite=suite, study=study, warmup=warmup, command=("orch", "import"))


def records(folder: RunFolder) -> list[Record]:
    found, complaints = folder.read_records()
    assert complaints == ()
    return list(found)


def measured(folder: Path) -> Path:
    lines = [
        f"PyTorch,{version},cell,small,{iteration},{time_s},{number}"
        for version, launches in LAUNCHES.items()
        for number, times_s in enumerate(launches, start=1)
        for iteration, time_s in enumerate(times_s)
    ]
    return write(folder, *lines, head=f"{HEAD},launch")


def test_raw_iterations_are_the_samples_of_a_launch_in_their_order(tmp_path: Path) -> None:
    path = write(tmp_path, "PyTorch,1.0,cell,small,2,0.25", "PyTorch,1.0,cell,small,1,0.5")

    (record,) = records(bring(tmp_path, path))

    assert record.samples == {"train_step": (0.5, 0.25)}
    assert record.provenance.source == "imported"
    assert record.cell.id == "pytorch-1.0/imported/cell/small"


def test_what_is_not_stated_stays_empty(tmp_path: Path) -> None:
    (record,) = records(bring(tmp_path, write(tmp_path, "PyTorch,,cell,small,1,0.5")))

    assert record.image.name == "pytorch"
    assert record.environment is not None
    assert (record.environment.version, record.environment.cuda) == ("", None)
    assert (record.machine.cpu, record.machine.gpus, record.protocol.threads) == ("", (), 0)
    assert (record.launch.started, record.launch.load, record.protocol.precision) == ("", None, "")


@pytest.mark.parametrize(
    ("told", "device"), [("cpu", "cpu"), ("CPU: Xeon W-2195", "cpu"), ("GeForce GTX 1080", "cuda"), ("", "")]
)
def test_a_device_is_a_processor_if_it_says_so(told: str, device: str) -> None:
    assert device_of(told) == device


def test_first_iterations_can_be_left_out_and_are_kept_as_warm_up(tmp_path: Path) -> None:
    path = write(tmp_path, LINE, LINE.replace("1,0.5", "2,0.25"))

    (record,) = records(bring(tmp_path, path, warmup=1))

    assert record.warmup == {"train_step": (0.5,)}
    assert record.samples == {"train_step": (0.25,)}


def test_launches_of_raw_iterations_get_intervals_and_verdicts(tmp_path: Path) -> None:
    comparison = compare_run(bring(tmp_path, measured(tmp_path)), SUITES)

    ((row,),) = [table.rows for table in comparison.tables]
    older, newer = row.entries

    assert [table.across for table in comparison.tables] == ["image"]
    assert [entry.verdict.name for entry in (older, newer) if entry.verdict] == ["baseline", "faster"]
    assert newer.ratio == pytest.approx(0.5)
    assert "ratio of unpaired launches (Welch)" in newer.notes  # that they ran back to back is not known


@pytest.mark.parametrize("key", ["glample2016", "maximumentropy2016", "braun2018", "kawakami2017", "soumith2014"])
def test_every_imported_record_fits_the_schema_that_is_shipped(tmp_path: Path, key: str) -> None:
    schema = jsonschema.Draft202012Validator(json.loads(SCHEMA_FILE.read_text(encoding="utf-8")))
    folder = bring(tmp_path, PUBLISHED / f"{key}.csv")

    paths = list((folder.path / "records").glob("*.json"))

    assert paths
    for path in paths:
        schema.validate(json.loads(path.read_text(encoding="utf-8")))
    assert {record.provenance.source for record in records(folder)} == {"imported"}


@pytest.mark.parametrize(
    ("key", "times"),
    [("glample2016", 24), ("maximumentropy2016", 40), ("braun2018", 62 - 8), ("kawakami2017", 6)],
)
def test_every_printed_time_is_one_sample(tmp_path: Path, key: str, times: int) -> None:
    found = records(bring(tmp_path, PUBLISHED / f"{key}.csv"))

    assert sum(len(samples) for record in found for samples in record.samples.values()) == times


def test_a_printed_mean_has_a_ratio_and_no_verdict(tmp_path: Path) -> None:
    comparison = compare_run(bring(tmp_path, PUBLISHED / "maximumentropy2016.csv"), SUITES)

    rows = {row.configuration: row for table in comparison.tables if table.phase == "forward" for row in table.rows}
    slower = next(entry for entry in rows["1x128/b32/t30"].entries if entry.ratio)

    assert slower.ratio == pytest.approx(89.9 / 42.8)
    assert slower.verdict is None
    assert slower.interval is None


def test_a_printed_time_keeps_its_unit_and_its_defects(tmp_path: Path) -> None:
    folder = bring(tmp_path, PUBLISHED / "glample2016.csv")

    text = render_comparison(compare_run(folder, SUITES), "markdown")

    assert "time per example, forward" in text
    assert "344 µs" in text.replace("\N{NO-BREAK SPACE}", " ")
    assert "CPU time (os.clock) and not wall time" in text
    assert "date not stated" in text


def test_a_spreadsheet_says_that_times_were_imported(tmp_path: Path) -> None:
    text = render_comparison(compare_run(bring(tmp_path, write(tmp_path, LINE)), SUITES), "csv")

    (line,) = csv.DictReader(io.StringIO(text))
    assert (line["source"], line["device"]) == ("imported", "")  # not stated


def test_a_defect_of_training_is_no_footnote_of_forward(tmp_path: Path) -> None:
    comparison = compare_run(bring(tmp_path, PUBLISHED / "maximumentropy2016.csv"), SUITES)

    told = {table.phase: any("last layer only" in note for note in table.footnotes) for table in comparison.tables}

    assert told == {"train_step": True, "forward": False}


def test_gpus_of_one_study_are_not_divided_by_each_other(tmp_path: Path) -> None:
    comparison = compare_run(bring(tmp_path, PUBLISHED / "kawakami2017.csv"), SUITES)

    entries = [entry for table in comparison.tables for row in table.rows for entry in row.entries]

    assert len(entries) == 6
    assert all(entry.ratio is None for entry in entries)


def test_imported_and_measured_are_never_divided_by_each_other(tmp_path: Path) -> None:
    (foreign,) = records(bring(tmp_path, write(tmp_path, LINE)))
    workload = replace(foreign.workload, code_sha256=RECORD.workload.code_sha256)
    ours = replace(
        RECORD,
        workload=workload,
        image=replace(RECORD.image, name="pytorch-2.0", variant=None),
        samples=foreign.samples,
        protocol=replace(RECORD.protocol, phases=("train_step",)),
    )

    comparison = build_comparison([foreign, ours])

    ((row,),) = [table.rows for table in comparison.tables]
    assert [entry.ratio for entry in row.entries] == [None, None]
    assert "not comparable" in {entry.verdict.name for entry in row.entries if entry.verdict}


def test_published_numbers_stand_beside_raw_iterations_of_the_same_versions(tmp_path: Path) -> None:
    lines = [f"PyTorch,{version},cuDNNLSTM,1x320/CE-long,1,0.08" for version in ("0.3.1post2", "0.4.0")]

    comparison = compare_run(bring(tmp_path, write(tmp_path, *lines), study="braun2018"), SUITES)

    assert comparison.study == "Braun 2018"
    assert [column.version for column in comparison.tables[0].published][-1] == "0.4.0"


def test_several_files_are_one_run_with_the_name_that_is_given(tmp_path: Path) -> None:
    paths = write(tmp_path, LINE, name="a.csv"), write(tmp_path, LINE.replace("1.0", "2.0"), name="b.csv")

    folder = bring(tmp_path, *paths, suite="both")

    assert {record.suite.name for record in records(folder)} == {"both"}
    assert len(records(folder)) == 2


def test_a_launch_that_stands_in_two_files_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    path = write(tmp_path, LINE)

    with pytest.raises(UsageError, match=r"is in .*raw\.csv too"):
        bring(tmp_path, path, path)

    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (("PyTorch,1.0,cell,small,1,fast",), r"raw\.csv:2: seconds: 'fast' is no duration"),
        (("PyTorch,1.0,cell,small,1,nan",), r"raw\.csv:2: seconds: 'nan' is no duration"),
        ((LINE, "PyTorch,1.0,cell,small,2,-0.5"), r"raw\.csv:3: seconds: '-0\.5' is no duration"),
        (("PyTorch,1.0,cell,small,1,0",), r"raw\.csv:2: seconds: '0' is no duration"),
        (("PyTorch,1.0,cell,small,1.5,0.5",), r"raw\.csv:2: iteration: '1\.5' is no whole number"),
        (("PyTorch,1.0,cell,small,²,0.5",), r"raw\.csv:2: iteration: '²' is no whole number"),
        ((LINE, LINE), r"raw\.csv:3: iteration: 1 of this launch is there already"),
        (("PyTorch,1.0,,small,1,0.5",), r"raw\.csv:2: implementation: is empty"),
        (("PyTorch,1.0,cell,small,1",), r"raw\.csv:2: 6 values are wanted"),
        (("PyTorch,1.0,cell,small,1,0.5,7",), r"raw\.csv:2: 6 values are wanted"),
        (('PyTorch,1.0,"cell,small,1,0.5',), r"raw\.csv:2: is not CSV"),
        ((), r"raw\.csv:2: no iterations"),
    ],
)
def test_a_wrong_line_is_refused_with_its_number_and_column(tmp_path: Path, lines: tuple[str, ...], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        read_foreign(write(tmp_path, *lines), 0)


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (HEAD.replace(",seconds", ""), r"raw\.csv:1: no column seconds\. The first line names them"),
        (HEAD + ",devise", r"raw\.csv:1: devise: unknown column\. Did you mean 'device'\?"),
        (HEAD + ",seconds", r"raw\.csv:1: seconds: 2 columns have this name\. Keep one of them\."),
        ("", r"raw\.csv:1: no column framework, version"),
    ],
)
def test_a_wrong_head_is_refused(tmp_path: Path, head: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        read_foreign(write(tmp_path, LINE, head=head), 0)


def test_a_file_that_is_no_text_is_refused_with_the_line(tmp_path: Path) -> None:
    path = tmp_path / "raw.csv"
    path.write_bytes(HEAD.encode() + b"\nPyTorch,1.0,\xff,small,1,0.5\n")

    with pytest.raises(ConfigurationError, match=r"raw\.csv:2: is not text in UTF-8"):
        read_foreign(path, 0)


@pytest.mark.parametrize("name", ["none.csv", "."])
def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        read_foreign(tmp_path / name, 0)


def test_more_warm_up_than_iterations_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has 1 iterations of train_step in a launch"):
        read_foreign(write(tmp_path, LINE), 1)


def test_a_published_mean_has_no_warm_up_to_leave_out() -> None:
    with pytest.raises(UsageError, match="Drop it"):
        read_foreign(PUBLISHED / "braun2018.csv", 100)
