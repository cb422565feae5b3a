"""What of a record is written where: 32 KiB for the record, a trace for the rest; else it is a failed record."""

import csv
import gzip
import io
import json
import statistics
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from orchestrator.records import Environment, Failure, Record
from orchestrator.specs import Scalar
from orchestrator.summaries import Telemetry
from orchestrator.traces import RECORD_AT_MOST_BYTES, cut, fits, record_bytes, separate, summarise, trace_bytes
from tests.records import RECORD

LONG = tuple(0.1 + index * 1e-6 for index in range(2001))
ENVIRONMENT = Environment(framework="a", version="1.0", python="3.11.7")


def read_trace(content: bytes) -> dict[str, list[str]]:
    """Read a trace as any program would."""
    rows = list(csv.DictReader(io.StringIO(gzip.decompress(content).decode())))
    return {name: [row[name] for row in rows] for name in rows[0]}


def gate_entry(number: int, *, ok: bool = True) -> dict[str, Scalar | None]:
    return {"check": "gate_gradient", "tensor": f"layer{number}", "ok": ok, "error": number * 1e-9, "gate": "g" * 71}


def test_a_short_record_is_written_as_it_is() -> None:
    assert separate(RECORD) == (RECORD, {})


def test_a_record_is_json_with_a_line_for_each_part_and_begins_with_its_schema() -> None:
    content = record_bytes(RECORD)

    assert content.startswith(b'{\n "schema": "orch.record/1",\n "status": "ok",\n')
    assert json.loads(content)["samples"] == {"step": [0.5, 0.25]}


def test_samples_beyond_2000_go_to_the_trace_and_leave_their_summary() -> None:
    record = replace(RECORD, samples={"step": LONG, "other": (1.0,)})

    stored, columns = separate(record)

    assert columns == {"samples.step": LONG}
    assert stored.samples == {"other": (1.0,)}
    assert stored.summaries["samples"]["step"].n == stored.count("step") == 2001
    assert stored.median_s("step") == record.median_s("step") == statistics.median(LONG)


def test_of_kinds_that_do_not_fit_together_the_samples_stay() -> None:
    values = LONG[:1500]
    record = replace(RECORD, samples={"step": values}, cpu_samples={"step": values}, warmup={"step": values})

    stored, columns = separate(record)

    assert set(columns) == {"cpu_samples.step", "warmup.step"}
    assert stored.samples == {"step": values}
    assert fits(record_bytes(stored))


def test_readings_of_telemetry_always_go_to_the_trace() -> None:
    telemetry = Telemetry(period_s=0.1, n=2, rate_hz=10, gaps=0, longest_gap_s=0.1, rows={"sm_mhz": (1980.0, None)})

    stored, columns = separate(replace(RECORD, telemetry=telemetry))

    assert stored.telemetry == replace(telemetry, rows={})
    assert columns == {"telemetry.sm_mhz": (1980.0, None)}


def test_a_trace_is_csv_that_gives_every_number_back() -> None:
    content = trace_bytes({"samples.step": (0.1, 1 / 3), "telemetry.sm_mhz": (None, 1980.0, 1755.0)})

    read = read_trace(content)

    assert read["index"] == ["0", "1", "2"]
    assert [float(text) for text in read["samples.step"][:2]] == [0.1, 1 / 3]
    assert read["samples.step"][2] == read["telemetry.sm_mhz"][0] == ""


def test_the_same_columns_give_the_same_bytes() -> None:
    assert trace_bytes({"a": (1.0,)}) == trace_bytes({"a": (1.0,)})


@pytest.mark.parametrize("values", [(3.0,), (1.0, 2.0), (5.0, 1.0, 4.0, 2.0, 9.0, 7.0), LONG])
def test_a_summary_is_what_numpy_computes(values: tuple[float, ...]) -> None:
    found = summarise(values)

    assert found.quartiles == pytest.approx(tuple(np.quantile(values, [0.25, 0.75])))
    assert (found.median, found.mean) == pytest.approx((np.median(values), np.mean(values)))
    assert found.std == pytest.approx(np.std(values, ddof=1) if len(values) > 1 else 0.0)
    assert (found.n, found.min, found.max) == (len(values), min(values), max(values))


def test_of_many_gate_checks_that_passed_the_worst_is_kept() -> None:
    other: dict[str, Scalar | None] = {"check": "loss_falls", "ok": True, "first": 2.0, "last": 1.0}
    passed, failed = [gate_entry(number) for number in range(300)], gate_entry(999, ok=False)

    stored, columns = separate(replace(RECORD, sanity=(other, *passed, failed)))

    assert stored.sanity == (other, gate_entry(299), failed)
    assert (columns, fits(record_bytes(stored))) == ({}, True)


def test_checks_that_a_program_made_up_are_no_error() -> None:
    entries: list[dict[str, Scalar | None]] = [{"gate": "x", "ok": True, "error": 0.5}, {}, {"ok": True}]
    made_up = (*entries * 2000,)

    stored, _ = separate(replace(RECORD, sanity=made_up))

    assert stored.sanity[0] == made_up[0]


def test_gate_checks_that_fit_are_all_kept() -> None:
    record = replace(RECORD, sanity=tuple(gate_entry(number) for number in range(20)))

    assert separate(record) == (record, {})


TOO_LARGE = (
    ("environment", replace(RECORD, environment=replace(ENVIRONMENT, packages={f"p{n}": "1" for n in range(10_000)}))),
    ("sanity", replace(RECORD, sanity=tuple({"check": f"own{n}", "ok": True} for n in range(2000)))),
    ("measures", replace(RECORD, measures={f"m{n}": 1.0 for n in range(5000)})),
    ("samples", replace(RECORD, samples={f"phase{n}": (0.1,) for n in range(5000)})),
    ("workload", replace(RECORD, workload=replace(RECORD.workload, parameters={"p": "x" * 40_000}))),
    ("provenance", replace(RECORD, provenance=replace(RECORD.provenance, command=("orch", "x" * 40_000)))),
)


@pytest.mark.parametrize(("part", "record"), TOO_LARGE, ids=[part for part, _ in TOO_LARGE])
def test_what_is_too_large_for_another_reason_is_a_failed_record_that_says_which(part: str, record: Record) -> None:
    stored, _ = separate(record)
    size = len(record_bytes(stored))

    failed = cut(stored, size, "logs/whole.json")

    assert failed.status == "failed"
    assert failed.failure is not None
    assert failed.failure.message == (
        f"a record of {size} bytes, more than {RECORD_AT_MOST_BYTES}; the most is {part} (whole: logs/whole.json)"
    )
    assert fits(record_bytes(failed))


@pytest.mark.parametrize("text", ["long " * 10_000, "\x00" * 50_000, "\N{GRINNING FACE}" * 20_000, "\udcff" * 50_000])
def test_a_failure_that_is_too_long_stays_what_it_is_and_is_cut(text: str) -> None:
    failure = Failure(phase=text, kind=text, message=text, log_tail=text, remedy="Choose another build.")
    record = replace(RECORD, status="oom", failure=failure)

    failed = cut(record, len(record_bytes(record)), "logs/whole.json")

    assert failed.failure is not None
    assert (failed.status, failed.failure.remedy) == ("oom", "Choose another build.")
    assert text.startswith(failed.failure.message.removesuffix(" (whole: logs/whole.json)"))
    assert text.endswith(failed.failure.log_tail)
    assert fits(record_bytes(failed))


def test_what_is_no_unicode_makes_no_record_that_nobody_can_read() -> None:
    record = replace(RECORD, provenance=replace(RECORD.provenance, command=("orch", "--project", "/caf\udce9")))

    content = json.loads(record_bytes(record))

    assert content["provenance"]["command"] == ["orch", "--project", "/caf?"]


@pytest.mark.parametrize("count", [1, 19, 20, 21, 1000, 1999, 2000, 2001, 20_000])
def test_however_many_samples_there_are_the_record_fits(count: int) -> None:
    values = tuple(0.123456 + index * 1e-6 for index in range(count))
    phases: Sequence[str] = ("forward", "backward", "train_step")
    by_phase = dict.fromkeys(phases, values)

    stored, columns = separate(
        replace(RECORD, samples=by_phase, cpu_samples=by_phase, event_samples=by_phase, warmup=by_phase)
    )

    kept = (stored.samples, stored.cpu_samples, stored.event_samples, stored.warmup)
    assert fits(record_bytes(stored))
    assert (
        sum(len(values) for values in columns.values()) + sum(len(values) for kind in kept for values in kind.values())
        == 12 * count
    )
