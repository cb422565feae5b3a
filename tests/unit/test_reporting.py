"""From a run folder to its comparison, as its plan asks for it."""

import csv
import io
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from orchestrator.analysis.comparison import Comparison
from orchestrator.analysis.report import render_csv
from orchestrator.errors import ConfigurationError
from orchestrator.reporting import compare_run
from orchestrator.store import create_run

RECORDS = Path(__file__).parents[1] / "data" / "records"  # of two releases of PyTorch and three implementations
SUITES = Path(__file__).parents[2] / "suites"
LABELS = {"cudnn_lstm": "cuDNNLSTM", "lstmcell_fused": "LSTMCell-fused", "lstmcell_basic": "LSTMCell-basic"}


def compare(folder: Path, plan: Mapping[str, object], suites: Path = SUITES) -> Comparison:
    run = create_run(folder / "runs", {"schema": "orch.run/1", "labels": LABELS, **plan})
    for path in RECORDS.glob("*.json"):
        shutil.copy(path, run.path / "records")
    return compare_run(run, suites)


def test_a_run_of_an_older_version_has_a_baseline_and_compares_images(tmp_path: Path) -> None:
    comparison = compare(tmp_path, {"baseline": "pytorch-2.13.0"})

    (table,) = comparison.tables
    assert (comparison.baseline, table.across, table.unit, table.once) == ("pytorch-2.13.0", "image", None, ())


def test_a_run_is_compared_as_its_plan_asks(tmp_path: Path) -> None:
    asked = {"across": "system", "baseline": "fastest", "unit": "ms/batch", "columns": ["setup", "first_step"]}

    (table,) = compare(tmp_path, {"compare": asked}).tables

    assert (table.across, table.unit, table.once) == ("system", "ms/batch", ("setup", "first_step"))
    assert len(table.columns) == 6


def test_what_a_plan_asks_for_in_words_of_no_meaning_is_left_out(tmp_path: Path) -> None:
    asked = {"across": "galaxy", "baseline": "oldest", "unit": "hours", "columns": "setup"}

    (table,) = compare(tmp_path, {"compare": asked}).tables

    assert (table.across, table.unit, table.once) == ("image", None, ())


def test_a_run_of_a_study_has_its_published_numbers_and_its_conclusions(tmp_path: Path) -> None:
    comparison = compare(tmp_path, {"study": "braun2018"})

    assert comparison.tables[0].published
    assert len(comparison.conclusions) == 15


def test_a_run_tells_what_its_benchmarks_derive_from_times(tmp_path: Path) -> None:
    time = {"name": "time", "phase": "train_step", "unit": "s", "better": "lower"}
    rate = {"name": "rate", "phase": "train_step", "unit": "1/s", "better": "higher", "per": "batch"}
    other = {"name": "other", "phase": "forward", "unit": "s", "better": "lower"}

    comparison = compare(tmp_path, {"measures": {"lstm_asr": [time, rate, other], "spin": [rate]}})

    (row, *_) = comparison.tables[0].rows
    entry = row.entries[0]
    assert entry.value_s
    assert entry.interval
    assert row.batch
    assert set(entry.measures) == {"time", "rate"}
    assert entry.measures["time"].value == entry.value_s
    assert entry.measures["rate"].value == pytest.approx(row.batch / entry.value_s)
    assert entry.measures["rate"].low == pytest.approx(row.batch / entry.interval.high)
    (line, *_) = csv.DictReader(io.StringIO(render_csv(comparison)))
    assert float(line["measure_rate"]) == entry.measures["rate"].value


def test_measures_in_a_form_of_no_meaning_are_left_out(tmp_path: Path) -> None:
    comparison = compare(tmp_path, {"measures": {"lstm_asr": [{"speed": 1}]}})

    assert all(not entry.measures for row in comparison.tables[0].rows for entry in row.entries)


def test_a_study_without_published_numbers_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no published numbers of study 'braun2081'"):
        compare(tmp_path, {"study": "braun2081"})
