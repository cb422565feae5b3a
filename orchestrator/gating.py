"""The gate launch of a cell: does it compute what its reference computes? Passed gates are remembered."""

import json
from pathlib import Path

from orchestrator.errors import EngineError, RecordError
from orchestrator.gates import Reference, check_gate, compute_reference
from orchestrator.keys import digest
from orchestrator.launching import NO_REPORT, engine_failed, judge, launch
from orchestrator.loading import parse_gate
from orchestrator.prepared import Gate, Judged, Place, Prepared, Setting
from orchestrator.recording import ended_launch, make_record, now
from orchestrator.records import Failure, Record, Status
from orchestrator.store import save


def pass_gate(setting: Setting, prepared: Prepared, cache: Path, attempt: int = 1) -> Gate | Record:
    """Return the gate a cell has passed, now or before, or the record that says why it is not measured.

    cache: folder of passed gates and references, both found by the hash of all that enters them.
    """
    place = Place(block=None, attempt=attempt)
    reference = find_reference(prepared, cache)
    key = _gate_key(setting, prepared, reference)
    path = cache / "gates" / f"{key.removeprefix('sha256:')}.json"
    passed = _read_passed(path)
    if passed is not None:
        return passed
    load, started = setting.host.before_launch(), now()
    judged, gate = _launch_gate(setting, prepared, reference, key, place)
    if judged.failure is not None:
        ended = ended_launch(setting, prepared.cell.row, place, started=started, load=load)
        return make_record(setting, prepared, ended, judged, gate)
    save(path, json.dumps({"entries": gate.entries, "setup_cold_s": gate.setup_cold_s}).encode())
    return gate


def _read_passed(path: Path) -> Gate | None:
    """Return a passed gate, None if there is none or the file is damaged: the gate is then passed again."""
    try:
        passed = json.loads(path.read_text(encoding="utf-8"))
        return Gate(entries=tuple(passed["entries"]), setup_cold_s=passed["setup_cold_s"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def find_reference(prepared: Prepared, cache: Path) -> Reference | None:
    """Compute or read the reference of a cell; None if its benchmark has none.

    Raises ConfigurationError if the reference does not cover the configuration.
    """
    if prepared.benchmark.reference is None:
        return None
    return compute_reference(prepared.benchmark, prepared.implementation, prepared.configuration, cache / "references")


def _gate_key(setting: Setting, prepared: Prepared, reference: Reference | None) -> str:
    return digest(
        {
            "reference": reference.sha256 if reference else None,
            "image": prepared.image.digest,
            "engine": setting.engine.name,
            "code": prepared.code_sha256,
            "cell": prepared.cell.id,
            "device": prepared.cell.device,
            "gpu": setting.gpu.name if setting.gpu else None,
            "precision": setting.protocol.precision,
            "parameters": dict(prepared.configuration.parameters),
            "probe": dict(prepared.benchmark.probe),
            "traits": dict(prepared.implementation.traits),
        }
    )


def _launch_gate(
    setting: Setting, prepared: Prepared, reference: Reference | None, key: str, place: Place
) -> tuple[Judged, Gate]:
    try:
        outcome = launch(setting, prepared, "gate", place)
    except EngineError as error:
        return engine_failed(error), Gate()
    judged = judge(outcome, phases=())
    if judged.failure is not None:
        return judged, Gate()
    cold_s = judged.report.measures.get("setup_s")
    if reference is None:
        return judged, Gate(setup_cold_s=cold_s)
    try:
        found = parse_gate(outcome.files.get("gate.json", b""))
    except RecordError as error:
        return _fail("gate", "BrokenGate", str(error)), Gate(setup_cold_s=cold_s)
    entries = tuple({**entry, "gate": key} for entry in check_gate(found, reference, setting.protocol.precision))
    gate = Gate(entries=entries, setup_cold_s=cold_s)
    wrong = [entry for entry in entries if not entry["ok"]]
    if wrong:
        message = "; ".join(
            ", ".join(f"{name} {value}" for name, value in entry.items() if name != "gate") for entry in wrong
        )
        return _fail("gate", "NotEquivalent", f"disagrees with the reference: {message}", status="invalid"), gate
    return judged, gate


def _fail(phase: str, kind: str, message: str, status: Status = "failed") -> Judged:
    return Judged(status=status, report=NO_REPORT, failure=Failure(phase=phase, kind=kind, message=message))
