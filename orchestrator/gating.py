"""The gate launch of a cell: does it compute what its reference computes? Passed gates are remembered."""

import json
from pathlib import Path

from orchestrator.errors import EngineError, RecordError
from orchestrator.gates import check_gate, compute_reference
from orchestrator.keys import digest
from orchestrator.launching import NO_REPORT, judge, launch
from orchestrator.loading import parse_gate
from orchestrator.machine import read_load
from orchestrator.recording import Gate, Place, Prepared, Setting, Verdict, ended_launch, make_record, now
from orchestrator.records import Failure, Record, Status
from orchestrator.store import write_atomically

PLACE = Place(block=None)


def pass_gate(setting: Setting, prepared: Prepared, cache: Path) -> Gate | Record:
    """Return the gate a cell has passed, now or before, or the record that says why it is not measured.

    cache: folder of passed gates and references, both found by the hash of all that enters them.
    """
    key = _gate_key(setting, prepared)
    path = cache / "gates" / f"{key.removeprefix('sha256:')}.json"
    if path.exists():
        passed = json.loads(path.read_text(encoding="utf-8"))
        return Gate(entries=tuple(passed["entries"]), setup_cold_s=passed["setup_cold_s"])
    load, started = read_load(), now()
    verdict, gate = _launch_gate(setting, prepared, cache, key)
    if verdict.failure is not None:
        ended = ended_launch(setting, prepared.cell.row, PLACE, started=started, load=load)
        return make_record(setting, prepared, ended, verdict, gate)
    write_atomically(path, json.dumps({"entries": gate.entries, "setup_cold_s": gate.setup_cold_s}))
    return gate


def _gate_key(setting: Setting, prepared: Prepared) -> str:
    return digest(
        {
            "image": prepared.image.digest,
            "engine": setting.engine.name,
            "code": prepared.code_sha256,
            "cell": prepared.cell.id,
            "device": prepared.cell.device,
            "gpu": setting.gpu.name if setting.gpu else None,
            "precision": setting.protocol.precision,
            "parameters": dict(prepared.configuration.parameters),
            "traits": dict(prepared.implementation.traits),
        }
    )


def _launch_gate(setting: Setting, prepared: Prepared, cache: Path, key: str) -> tuple[Verdict, Gate]:
    try:
        outcome = launch(setting, prepared, "gate", PLACE)
    except EngineError as error:
        return _fail("launch", "EngineError", str(error)), Gate()
    verdict = judge(outcome)
    if verdict.failure is not None:
        return verdict, Gate()
    cold_s = verdict.report.measures.get("setup_s")
    if prepared.benchmark.reference is None:
        return verdict, Gate(setup_cold_s=cold_s)
    try:
        found = parse_gate(outcome.files.get("gate.json", b""))
    except RecordError as error:
        return _fail("gate", "BrokenGate", str(error)), Gate(setup_cold_s=cold_s)
    reference = compute_reference(
        prepared.benchmark, prepared.implementation, prepared.configuration, cache / "references"
    )
    entries = tuple({**entry, "gate": key} for entry in check_gate(found, reference, setting.protocol.precision))
    gate = Gate(entries=entries, setup_cold_s=cold_s)
    wrong = [entry for entry in entries if not entry["ok"]]
    if wrong:
        message = "; ".join(
            ", ".join(f"{name} {value}" for name, value in entry.items() if name != "gate") for entry in wrong
        )
        return _fail("gate", "NotEquivalent", f"disagrees with the reference: {message}", status="invalid"), gate
    return verdict, gate


def _fail(phase: str, kind: str, message: str, status: Status = "failed") -> Verdict:
    return Verdict(status=status, report=NO_REPORT, failure=Failure(phase=phase, kind=kind, message=message))
