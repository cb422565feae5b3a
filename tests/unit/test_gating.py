"""The gate launch: passed once, remembered by all that enters it, and never passed by a damaged answer."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.engines import Job, Outcome
from orchestrator.errors import EngineError
from orchestrator.gating import pass_gate
from orchestrator.prepared import Gate, Prepared
from orchestrator.records import Record
from orchestrator.specs import Protocol
from tests.launches import GOOD_REPORT, FakeEngine, make_prepared, make_setting, outcome_of

REFERENCE = """
import numpy as np

def parameter_shapes(parameters, traits):
    return {"w": (2,)}

def first_loss(parameters, traits):
    return 4.0

def loss_and_gradients(parameters, traits):
    return 2.0, {"w": np.array([1.0, -1.0])}
"""
PROBE: dict[str, object] = {"loss": 2.0, "parameters": 2, "gradients": {"w": [1.0, -1.0]}}
GATE: dict[str, object] = {"probe": PROBE, "measured": {"first_loss": 4.0, "parameters": 2}}


@pytest.fixture
def gated(tmp_path: Path) -> Prepared:
    """A cell whose benchmark has a reference of two numbers."""
    (tmp_path / "reference.py").write_text(REFERENCE, encoding="utf-8")
    prepared = make_prepared(tmp_path)
    return replace(prepared, benchmark=replace(prepared.benchmark, reference="reference.py", probe={"n": 2}))


def engine_with(gate: object) -> FakeEngine:
    """Return an engine whose launches write this gate.json; bytes as they are."""
    content = gate if isinstance(gate, bytes) else json.dumps(gate).encode()
    good = outcome_of(GOOD_REPORT)
    return FakeEngine(lambda _job: replace(good, files={**good.files, "gate.json": content}))


def attempt(tmp_path: Path, prepared: Prepared, engine: FakeEngine) -> Gate | Record:
    return pass_gate(make_setting(tmp_path, engine), prepared, tmp_path / "cache")


def test_a_cell_that_agrees_with_its_reference_passes(tmp_path: Path, gated: Prepared) -> None:
    gate = attempt(tmp_path, gated, engine_with(GATE))

    assert isinstance(gate, Gate)
    assert all(entry["ok"] for entry in gate.entries)
    assert len(gate.entries) >= 4
    assert gate.setup_cold_s == 0.5


def test_a_passed_gate_is_remembered(tmp_path: Path, gated: Prepared) -> None:
    engine = engine_with(GATE)

    first, second = attempt(tmp_path, gated, engine), attempt(tmp_path, gated, engine)

    assert first == second
    assert len(engine.jobs) == 1


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"entries": 3}', "{}"], ids=repr)
def test_a_damaged_memory_is_passed_again(tmp_path: Path, gated: Prepared, damage: str) -> None:
    engine = engine_with(GATE)
    first = attempt(tmp_path, gated, engine)
    (path,) = (tmp_path / "cache" / "gates").iterdir()
    path.write_text(damage, encoding="utf-8")

    assert attempt(tmp_path, gated, engine) == first
    assert len(engine.jobs) == 2


def test_another_reference_code_image_or_probe_asks_again(tmp_path: Path, gated: Prepared) -> None:
    engine = engine_with(GATE)
    attempt(tmp_path, gated, engine)

    attempt(tmp_path, replace(gated, files={"run_toy.py": b"d"}), engine)
    attempt(tmp_path, replace(gated, image=replace(gated.image, digest="sha256:other")), engine)
    attempt(tmp_path, replace(gated, benchmark=replace(gated.benchmark, probe={"n": 1})), engine)
    (tmp_path / "reference.py").write_text(REFERENCE + "# changed\n", encoding="utf-8")
    attempt(tmp_path, gated, engine)

    assert len(engine.jobs) == 5


@pytest.mark.parametrize(
    "wrong",
    [
        {**GATE, "probe": {**PROBE, "loss": 2.1}},
        {**GATE, "probe": {**PROBE, "gradients": {"w": [1.0, 1.0]}}},
        {**GATE, "probe": {**PROBE, "gradients": {"w": None}}},
        {**GATE, "probe": {**PROBE, "gradients": {}}},
        {**GATE, "measured": {"first_loss": 4.1, "parameters": 2}},
        {**GATE, "measured": {"first_loss": None, "parameters": 2}},
        {},
    ],
    ids=["loss", "gradient", "detached", "not reported", "first loss", "not finite", "empty"],
)
def test_a_cell_that_disagrees_is_invalid_and_not_remembered(
    tmp_path: Path, gated: Prepared, wrong: dict[str, object]
) -> None:
    engine = engine_with(wrong)

    record = attempt(tmp_path, gated, engine)

    assert isinstance(record, Record)
    assert record.failure is not None
    assert (record.status, record.failure.phase, record.launch.block) == ("invalid", "gate", None)
    assert "disagrees with the reference" in record.failure.message
    assert any(not entry["ok"] for entry in record.sanity)
    assert isinstance(attempt(tmp_path, gated, engine), Record)
    assert len(engine.jobs) == 2


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b'{"probe": {"loss": NaN}}', b'{"probe": "yes"}'], ids=repr)
def test_a_gate_that_cannot_be_read_is_a_failure(tmp_path: Path, gated: Prepared, content: bytes) -> None:
    record = attempt(tmp_path, gated, engine_with(content))

    assert isinstance(record, Record)
    assert record.status in {"failed", "invalid"}
    assert record.failure is not None
    assert record.failure.phase == "gate"


def test_a_launch_that_dies_is_a_record_with_its_status(tmp_path: Path, gated: Prepared) -> None:
    engine = FakeEngine(lambda _job: Outcome(status="oom", exit_code=137, files={}, log=""))

    record = attempt(tmp_path, gated, engine)

    assert isinstance(record, Record)
    assert record.status == "oom"


def test_an_engine_that_fails_is_a_record(tmp_path: Path, gated: Prepared) -> None:
    def die(job: Job) -> Outcome:
        raise EngineError("gone")

    record = attempt(tmp_path, gated, FakeEngine(die))

    assert isinstance(record, Record)
    assert record.failure is not None
    assert record.failure.message == "gone"


def test_without_a_reference_a_launch_that_works_passes(tmp_path: Path) -> None:
    gate = attempt(tmp_path, make_prepared(tmp_path), FakeEngine())

    assert gate == Gate(entries=(), setup_cold_s=0.5)


def test_lower_precision_has_wider_limits(tmp_path: Path, gated: Prepared) -> None:
    near = {**GATE, "probe": {**PROBE, "loss": 2.001}}
    setting = make_setting(tmp_path, engine_with(near), protocol=Protocol(precision="tf32", threads=1))

    assert isinstance(attempt(tmp_path, gated, engine_with(near)), Record)
    assert isinstance(pass_gate(setting, gated, tmp_path / "cache"), Gate)
