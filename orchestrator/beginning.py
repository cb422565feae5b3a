"""The run folder that a study continues or begins, and what all its launches share."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from orchestrator import console
from orchestrator.prepared import Prepared, Setting
from orchestrator.recording import keys
from orchestrator.records import SuiteKeys
from orchestrator.specs import Scalar
from orchestrator.store import RunFolder, create_run, find_run
from orchestrator.workbench import PlannedStudy, Workbench

RUN_SCHEMA = "orch.run/1"


def open_folder(
    bench: Workbench, planned: PlannedStudy, cells: Sequence[Prepared], command: tuple[str, ...]
) -> RunFolder:
    """Return the run to continue, or a new one.

    A run is continued if all it has measured is still what would be measured: same code, images and parameters.
    """
    identity = _identity(bench, planned)
    folder = None if bench.options.fresh else find_earlier(bench, planned)
    if folder is not None:
        current = {keys(make_setting(bench, planned, folder, "", command), prepared).key for prepared in cells}
        records, _ = folder.read_records()
        if all(record.launch.block is None or record.cell.key in current for record in records):
            console.note(f"Run: {folder.path}, continued; --fresh starts anew.")
            return folder
        console.note(f"Code, images or parameters have changed since {folder.path}: a new run.")
    folder = create_run(bench.settings.runs, _plan_content(planned, identity, command))
    console.note(f"Run: {folder.path}")
    return folder


def find_earlier(bench: Workbench, planned: PlannedStudy) -> RunFolder | None:
    """Return the last run of the same suite on the same machine, whether it can be continued or not."""
    return find_run(bench.settings.runs, _identity(bench, planned))


def _identity(bench: Workbench, planned: PlannedStudy) -> dict[str, Scalar | None]:
    suite, gpu = planned.plan.suite, planned.target.gpu
    return {
        "suite": suite.name,
        "sha256": suite.sha256,
        "profile": suite.profile,
        "engine": bench.engine.name,
        "device": planned.target.device,
        "machine": bench.machine.id,
        "gpu": f"{gpu.name}, {gpu.power_limit_w} W" if gpu else None,  # a machine may have several kinds
    }


def _plan_content(
    planned: PlannedStudy, identity: Mapping[str, Scalar | None], command: tuple[str, ...]
) -> dict[str, object]:
    """What a run folder remembers of its plan: enough to continue it and to make its table anywhere."""
    plan = planned.plan
    benchmarks = planned.study.benchmarks.values()
    labels = {one.name: one.label for benchmark in benchmarks for one in benchmark.implementations}
    return {
        "schema": RUN_SCHEMA,
        "identity": dict(identity),
        "title": plan.suite.title,
        "study": plan.suite.study,
        "compare": asdict(plan.suite.compare),
        "labels": labels,
        "measures": {one.name: [asdict(measure) for measure in one.measures] for one in benchmarks},
        "rows": list(dict.fromkeys([cell.row for cell in plan.cells] + [cell.row for cell in plan.unsupported])),
        "cells": [cell.id for cell in plan.cells],
        "seed": secrets.randbelow(2**31),
        "command": list(command),
    }


def make_setting(
    bench: Workbench, planned: PlannedStudy, folder: RunFolder, engine_version: str, command: tuple[str, ...]
) -> Setting:
    suite = planned.plan.suite
    seed = folder.read_plan().get("seed")
    return Setting(
        run=folder.id,
        suite=SuiteKeys(name=suite.name, profile=suite.profile, sha256=suite.sha256),
        seed=seed if isinstance(seed, int) else 0,
        protocol=suite.protocol,
        host=bench.host,
        machine=bench.machine,
        engine=bench.engine,
        engine_version=engine_version,
        command=command,
        logs=folder.logs,
        slot=planned.slots[0],
    )
