"""Records from disk and reports from containers: what is not right is an error with its reason."""

import dataclasses
import json
from pathlib import Path

import pytest

from orchestrator import loading
from orchestrator.errors import RecordError
from orchestrator.loading import parse_gate, parse_report, read_record
from orchestrator.records import Record
from tests.records import RECORD


def text_of(record: Record) -> str:
    return json.dumps(dataclasses.asdict(record))


def test_a_record_comes_back_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    path.write_text(text_of(RECORD))

    assert read_record(path) == RECORD


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (text_of(RECORD)[:200], "EOF while parsing"),
        ("", "it is empty"),
        ("\x00\x01", "expected value"),
        ("[1, 2]", "its schema is None, this orch reads 'orch.record/1'"),
        (text_of(RECORD).replace("orch.record/1", "orch.record/9"), "its schema is 'orch.record/9'"),
        (text_of(RECORD).replace("0.25", "NaN"), "expected value"),
        (text_of(RECORD).replace("0.25", "-Infinity"), "invalid number"),
        (text_of(RECORD).replace("0.25", "1e999"), "samples.step.1: must be a finite number"),
        (text_of(RECORD).replace("0.25", '"0.25"'), "samples.step.1: must be a valid number"),
        (text_of(RECORD).replace('"status": "ok"', '"status": "fine"'), "status: must be 'ok', 'failed'"),
    ],
    ids=["truncated", "empty", "binary", "no mapping", "schema", "nan", "infinity", "overflow", "text", "status"],
)
def test_a_record_that_is_not_right_is_refused_with_path_and_reason(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "record.json"
    path.write_text(text)

    with pytest.raises(RecordError) as caught:
        read_record(path)

    assert str(caught.value).startswith(f"{path}: not a record: ")
    assert reason in str(caught.value)


def test_a_record_without_its_schema_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    path.write_text(json.dumps({key: value for key, value in json.loads(text_of(RECORD)).items() if key != "schema"}))

    with pytest.raises(RecordError, match="its schema is None"):
        read_record(path)


def test_a_record_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="No such file"):
        read_record(tmp_path / "none.json")


def test_a_report_is_read() -> None:
    report = parse_report(b'{"status": "ok", "samples": {"step": [1, 0.5]}, "cpu_samples": {"step": [0.0]}}')

    assert report.samples == {"step": (1.0, 0.5)}


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "it is empty"),
        (b"Segmentation fault\n", "expected value"),
        (b"\xff\xfe\x00", "expected value"),
        (b"{}", "status: Field required"),
        (b'{"status": "ok"}, {"status": "ok"}', "at most 1 item"),
        (b'{"status": "ok", "samples": {"step": [true]}}', "samples.step.0: must be a valid number"),
        (b'{"status": "ok", "samples": {"step": [NaN]}}', "samples.step.0: must be a finite number"),
        (b'{"status": "ok", "samples": {"step": [0.1, -0.1]}}', "samples.step: -0.1 is no duration"),
        (b'{"status": "ok", "samples": {"step": [0]}}', "samples.step: 0.0 is no duration"),
        (b'{"status": "ok", "sanity": [{"last": Infinity}]}', "must be a finite number"),
        (b'{"status":' + b"[" * 100_000, "recursion limit"),
    ],
    ids=["empty", "garbage", "binary", "keys", "two", "bool", "nan", "negative", "zero", "infinity", "deep"],
)
def test_a_report_that_is_not_right_is_refused_with_the_reason(raw: bytes, reason: str) -> None:
    with pytest.raises(RecordError) as caught:
        parse_report(raw)

    assert str(caught.value).startswith("not a report: ")
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("times", "reason"),
    [
        ('"samples": {"step": [1e308]}', "samples.step: 1e+308 s is longer than the launch"),
        ('"samples": {"step": [1e308, 1e308]}', "samples.step: 1e+308 s is longer than the launch"),
        ('"samples": {"step": [4, 4, 4]}', "samples.step: 12 s in all, longer than the launch"),
        ('"samples": {"step": [1]}, "group": {"step": 11}', "samples.step: 11 s in all, longer than the launch"),
        ('"samples": {"step": [1]}, "group": {"step": -1}', "group.step is no count of iterations"),
        ('"samples": {"step": [1]}, "group": {"step": 1' + "0" * 400 + "}", "group.step is no count of iterations"),
        ('"samples": {"step": [5e-324]}', "samples.step: 5e-324 is no duration"),
        ('"warmup": {"step": [1e308]}', "warmup.step: 1e+308 s is longer than the launch"),
        ('"warmup": {"step": [-1]}', "warmup.step: -1.0 is no duration"),
        ('"event_samples": {"step": [-1]}', "event_samples.step: -1.0 is no duration"),
        ('"event_samples": {"step": [11]}', "event_samples.step: 11 s is longer than the launch"),
        ('"cpu_samples": {"step": [-1]}', "cpu_samples.step: from -1.0 to -1.0 s is no CPU time"),
        ('"cpu_samples": {"step": [1, 1e308]}', "cpu_samples.step: from 1.0 to 1e+308 s is no CPU time"),
    ],
)
def test_times_that_a_launch_of_ten_seconds_cannot_have_are_refused(times: str, reason: str) -> None:
    with pytest.raises(RecordError) as caught:
        parse_report(b'{"status": "failed", ' + times.encode() + b"}", elapsed_s=10.0)

    assert str(caught.value) == f"not a report: {reason}."


def test_times_that_a_launch_of_ten_seconds_can_have_are_taken() -> None:
    report = parse_report(
        b'{"status": "ok", "samples": {"step": [5.0, 5.05]}, "cpu_samples": {"step": [0, 64]}}', elapsed_s=10.0
    )

    assert report.samples == {"step": (5.0, 5.05)}


def test_a_report_that_is_too_large_is_refused_unread() -> None:
    with pytest.raises(RecordError, match=r"8388609 bytes, more than 8388608"):
        parse_report(b" " * loading.REPORT_AT_MOST_BYTES + b"{")


def test_a_gate_is_read_with_its_counts_as_whole_numbers() -> None:
    gate = parse_gate(b'{"probe": {"loss": 2.5, "gradients": {"w": [1, 0.5]}, "parameters": 572800}}')

    assert gate == {"probe": {"loss": 2.5, "gradients": {"w": (1.0, 0.5)}, "parameters": 572800}}
    assert isinstance(gate["probe"]["parameters"], int)


@pytest.mark.parametrize("raw", [b"", b"[]", b'{"probe": {"loss": NaN}}', b'{"probe": {"gradients": {"w": ["x"]}}}'])
def test_a_gate_that_is_not_right_is_refused(raw: bytes) -> None:
    with pytest.raises(RecordError, match="not a gate: "):
        parse_gate(raw)
