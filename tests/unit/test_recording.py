"""What a record says of suite, machine, image, protocol and container."""

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from orchestrator.fleet import Slot
from orchestrator.hardware import Gpu
from orchestrator.prepared import Gate, Judged, Place
from orchestrator.recording import ended_launch, keys, make_record, never_launched, now
from orchestrator.records import Failure, GpuUsed, Record, Report
from orchestrator.specs import UnsupportedCell
from tests.launches import MACHINE, FakeEngine, make_prepared, make_setting

UNSUPPORTED = UnsupportedCell(
    image="toy-0.1", benchmark="step", implementation="steady", configuration="small", reason="Python 2.7"
)


def record_with(tmp_path: Path, engine: str = "fake", **report: object) -> Record:
    setting = make_setting(tmp_path, FakeEngine(name=engine))
    launch = ended_launch(setting, "row", Place(block=1), started=now(), load=0.5)
    verdict = Judged(status="ok", report=Report(status="ok", **report), gpu_mode="cdi")  # type: ignore[arg-type]
    gate = Gate(entries=({"check": "gate_loss", "ok": True},), setup_cold_s=2.0)
    return make_record(setting, make_prepared(tmp_path), launch, verdict, gate)


def test_a_record_holds_what_the_program_reported_and_what_its_gate_found(tmp_path: Path) -> None:
    record = record_with(
        tmp_path, measures={"setup_s": 1.0}, sanity=({"check": "loss", "ok": True},), group={"train_step": 4}, timer="t"
    )

    assert record.measures == {"setup_s": 1.0, "setup_cold_s": 2.0}
    assert [entry["check"] for entry in record.sanity] == ["loss", "gate_loss"]
    assert (record.protocol.group, record.protocol.timer) == ({"train_step": 4}, "t")


def test_a_record_names_image_and_machine_in_full(tmp_path: Path) -> None:
    record = record_with(tmp_path)

    assert (record.image.name, record.image.variant, record.image.digest) == ("toy-1.0", "cpu", "sha256:1.0")
    assert record.machine == MACHINE
    assert record.workload.parameters == {"n": 3}
    assert record.provenance.command == ("orch", "run", "toy")


@pytest.mark.parametrize(("engine", "network"), [("docker", "none"), ("venv", "host")])
def test_only_a_container_is_said_to_be_isolated(tmp_path: Path, engine: str, network: str) -> None:
    container = record_with(tmp_path, engine).container

    assert container is not None
    assert (container.network, container.gpu_mode) == (network, "cdi")


def test_a_launch_on_a_gpu_names_it_and_one_that_was_not_made_names_none(tmp_path: Path) -> None:
    instance = Gpu(name="NVIDIA H100 MIG 1g.10gb", compute="9.0", uuid="MIG-c", index=1, instance=0)
    setting = make_setting(tmp_path).on(Slot(gpu=instance, cpus=(1,)))
    failure = Failure(phase="plan", kind="Unsupported", message="no build")

    launch = ended_launch(setting, "row", Place(block=1), started=now(), load=0.5)
    never = never_launched(setting, UNSUPPORTED, "unsupported", failure).launch

    assert launch.gpu == GpuUsed(uuid="MIG-c", address="1:0")
    assert never.gpu is None


def test_code_compiled_from_ptx_is_told_and_has_a_key_of_its_own(tmp_path: Path) -> None:
    setting, native = make_setting(tmp_path), make_prepared(tmp_path)
    compiled = replace(native, cell=replace(native.cell, jit=True))
    launch = ended_launch(setting, "row", Place(block=1), started=now(), load=0.5)
    judged = Judged(status="ok", report=Report(status="ok"))

    records = [make_record(setting, one, launch, judged, Gate()) for one in (native, compiled)]

    assert [record.image.jit for record in records] == [False, True]
    assert records[0].cell.comparable != records[1].cell.comparable


def test_the_memory_a_launch_might_take_is_recorded(tmp_path: Path) -> None:
    setting = make_setting(tmp_path)
    launch = ended_launch(setting, "row", Place(block=1), started=now(), load=0.5)
    judged = Judged(status="ok", report=Report(status="ok"), memory_bytes=2**30)

    container = make_record(setting, make_prepared(tmp_path), launch, judged, Gate()).container

    assert container is not None
    assert container.memory_bytes == 2**30


def test_a_cell_that_cannot_run_has_a_record_with_its_reason(tmp_path: Path) -> None:
    failure = Failure(phase="plan", kind="Unsupported", message="Python 2.7")

    record = never_launched(make_setting(tmp_path), UNSUPPORTED, "unsupported", failure, attempt=2)

    assert record.cell.id == UNSUPPORTED.id == "toy-0.1/step/steady/small"
    assert (record.launch.block, record.launch.attempt) == (None, 2)
    assert (record.image.name, record.image.variant, record.container) == ("toy-0.1", None, None)
    assert record.failure == failure


def test_a_cell_without_an_image_keeps_its_variant(tmp_path: Path) -> None:
    cell = make_prepared(tmp_path).cell

    record = never_launched(
        make_setting(tmp_path), cell, "failed", Failure(phase="build", kind="NotBuilt", message="no")
    )

    assert record.cell.id == cell.id
    assert record.image.variant == "cpu"


def test_keys_follow_code_image_and_protocol_but_not_how_often(tmp_path: Path) -> None:
    setting, prepared = make_setting(tmp_path), make_prepared(tmp_path)
    own = keys(setting, prepared).key

    assert keys(setting, make_prepared(tmp_path, code="other")).key != own
    assert keys(setting, make_prepared(tmp_path, version="2.0")).key != own
    assert keys(replace(setting, protocol=replace(setting.protocol, samples=6)), prepared).key != own
    assert keys(replace(setting, protocol=replace(setting.protocol, blocks=9)), prepared).key == own


def test_times_are_utc_with_milliseconds() -> None:
    text = now()

    assert text.endswith("Z")
    assert datetime.fromisoformat(text).utcoffset() is not None
    assert len(text) == len("2026-01-01T00:00:00.000Z")
