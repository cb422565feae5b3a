"""The JSON Schema that is shipped: it names every field, takes every record that is written, refuses what is none."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import cast

import jsonschema
import pytest

from orchestrator.records import Failure, Record
from orchestrator.store import create_run
from orchestrator.summaries import Telemetry, TelemetrySummary
from tests.record_schema import SCHEMA_FILE, make_schema
from tests.records import RECORD

RECORDS = sorted((Path(__file__).parents[1] / "data" / "records").glob("*.json"))
SUMMARY = TelemetrySummary(sm_mhz=(1.0, 2.0, 3.0), throttle=1, reasons={"hw_thermal": 0.5}, steal=0.0)
TELEMETRY = Telemetry(
    period_s=0.1, n=2, rate_hz=None, gaps=0, longest_gap_s=0.1, windows={"step": (0.0, 1.0)}, summary=SUMMARY
)
FAILURE = Failure(phase="plan", kind="Unsupported", message="Python 2.7")
WRITTEN = {
    "good": RECORD,
    "with telemetry": replace(RECORD, telemetry=replace(TELEMETRY, rows={"time_s": (0.0, 0.1)})),
    "with a trace": replace(RECORD, samples={"step": (0.1,) * 3000}),
    "failed": replace(RECORD, status="failed", failure=FAILURE, samples={}),
    "never launched": replace(RECORD, status="unsupported", launch=replace(RECORD.launch, block=None, position=None)),
    "cut": replace(RECORD, measures={f"m{number}": None for number in range(5000)}),
}


@pytest.fixture
def schema() -> Mapping[str, object]:
    return cast(Mapping[str, object], json.loads(SCHEMA_FILE.read_text(encoding="utf-8")))


def shape(schema: Mapping[str, object]) -> dict[str, tuple[list[str], list[str]]]:
    """Return the names in a schema, without what a version of pydantic says of them."""
    parts = cast(dict[str, dict[str, list[str]]], {**cast(dict[str, object], schema["$defs"]), "record": schema})
    return {name: (sorted(one["properties"]), sorted(one.get("required", ()))) for name, one in parts.items()}


def written(folder: Path, record: Record) -> dict[str, object]:
    run = create_run(folder, {})
    path = run.record_path(run.write_record(record))
    return cast(dict[str, object], json.loads(path.read_text(encoding="utf-8")))


def test_the_schema_that_is_shipped_is_that_of_the_types(schema: Mapping[str, object]) -> None:
    assert shape(schema) == shape(make_schema()), "python -m tests.record_schema writes it anew"


@pytest.mark.parametrize("name", WRITTEN)
def test_a_record_that_is_written_is_valid(tmp_path: Path, schema: Mapping[str, object], name: str) -> None:
    content = written(tmp_path, WRITTEN[name])

    jsonschema.validate(content, schema)


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.name)
def test_a_record_of_a_real_run_is_valid(schema: Mapping[str, object], path: Path) -> None:
    jsonschema.validate(json.loads(path.read_text(encoding="utf-8")), schema)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("schema", "orch.record/2"),
        ("status", "fine"),
        ("samples", {"step": ["0.1"]}),
        ("launch", {"run": "r"}),
        ("machine", None),
        ("trace", {"name": "t"}),
    ],
)
def test_what_is_no_record_is_refused(tmp_path: Path, schema: Mapping[str, object], key: str, value: object) -> None:
    content = written(tmp_path, RECORD)

    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**content, key: value}, schema)


@pytest.mark.parametrize("key", ["schema", "status", "cell", "launch", "provenance"])
def test_a_record_without_a_part_is_refused(tmp_path: Path, schema: Mapping[str, object], key: str) -> None:
    content = {name: value for name, value in written(tmp_path, RECORD).items() if name != key}

    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(content, schema)
