"""Foreign times become records in a run folder of their own, so that the same tables are made of them.

What a file does not state stays empty, 0 or None; nothing is filled in.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from orchestrator import __version__
from orchestrator.beginning import RUN_SCHEMA
from orchestrator.errors import UsageError
from orchestrator.foreign import ForeignCell, ForeignFile, ForeignLaunch, read_foreign
from orchestrator.hardware import Gpu, Machine
from orchestrator.keys import digest
from orchestrator.records import (
    CellKeys,
    Environment,
    ImageUsed,
    Launch,
    ProtocolUsed,
    Provenance,
    Record,
    SuiteKeys,
    Workload,
)
from orchestrator.specs import Compare
from orchestrator.store import RunFolder, create_run

FOOTNOTE = "footnote"  # the check under which a record keeps what a reader of its time must know
IMPORTED = "imported"


def import_files(
    paths: Sequence[Path], runs: Path, *, suite: str | None, study: str | None, warmup: int, command: tuple[str, ...]
) -> RunFolder:
    """Write the records of files to a new run folder.

    suite: its name; None for that of the first file. study: whose published numbers stand beside them.
    Raises UsageError or ConfigurationError before anything is written.
    """
    files = [read_foreign(path, warmup) for path in paths]
    _check_apart(files)
    name = suite or files[0].name
    folder = create_run(runs, _plan(files, name, study, command))
    seen: dict[str, int] = {}
    for file in files:
        for launch in file.launches:
            identity = cell_id(launch.cell)
            seen[identity] = max(launch.number, seen.get(identity, 0) + 1)
            place = (folder.id, seen[identity])
            folder.write_record(_record(file, launch, place, name, command))
    return folder


def _check_apart(files: Sequence[ForeignFile]) -> None:
    """Refuse the same launch twice."""
    seen: dict[tuple[ForeignCell, int], Path] = {}
    for file in files:
        for launch in file.launches:
            key = (launch.cell, launch.number)
            if key in seen:
                what = f"{cell_id(launch.cell)}, launch {launch.number}, is in {seen[key]} too"
                raise UsageError(f"{file.path}: {what}. Number launches apart.")
            seen[key] = file.path


def _plan(files: Sequence[ForeignFile], name: str, study: str | None, command: tuple[str, ...]) -> dict[str, object]:
    cells = [launch.cell for file in files for launch in file.launches]
    units = {file.unit for file in files}
    is_one = len({cell.framework for cell in cells}) == 1 and len({cell.version for cell in cells}) > 1
    compare = Compare(across="image", baseline="oldest") if is_one else Compare(across="system", baseline="fastest")
    return {
        "schema": RUN_SCHEMA,
        "identity": {"imported": name, "sha256": digest([file.sha256 for file in files])},
        "title": "; ".join(file.title for file in files),
        "study": study,
        "compare": {**asdict(compare), "unit": units.pop() if len(units) == 1 else None},
        "labels": {},
        "rows": list(dict.fromkeys(_row(cell, is_one) for cell in cells)),
        "cells": list(dict.fromkeys(cell_id(cell) for cell in cells)),
        "command": list(command),
    }


def _row(cell: ForeignCell, is_across_images: bool) -> str:
    parts = (cell.benchmark, cell.implementation, cell.configuration)
    return "/".join(parts if is_across_images else (parts[0], parts[2]))


def image_name(cell: ForeignCell) -> str:
    """Name what computed as images are named: theano, lasagne-0.2.1dev."""
    family = re.sub(r"[^a-z0-9]+", "-", cell.framework.casefold()).strip("-")
    family = re.sub(r"-(?=\d)", "", family)  # Torch-7 is no version of Torch
    version = cell.version.partition(" (")[0]
    return f"{family}-{version}" if version else family


def cell_id(cell: ForeignCell) -> str:
    """Return the id of a cell, as those of measured ones are made."""
    return "/".join((image_name(cell), cell.benchmark, cell.implementation, cell.configuration))


def _record(
    file: ForeignFile, launch: ForeignLaunch, place: tuple[str, int], suite: str, command: tuple[str, ...]
) -> Record:
    cell, (run, block) = launch.cell, place
    samples = max(len(values) for values in launch.samples.values())
    warmup = max((len(values) for values in launch.warmup.values()), default=0)
    origin = f"{IMPORTED}:{suite}"
    return Record(
        status="ok",
        cell=CellKeys(id=cell_id(cell), key="", comparable=digest([origin, cell.device])),
        suite=SuiteKeys(name=suite, profile=None, sha256=file.sha256),
        launch=Launch(
            run=run,
            row=f"{cell.benchmark}/{cell.configuration}",
            block=block,
            position=None,
            order_seed=0,
            attempt=1,
            load=None,
            started="",
            ended="",
            paired=False,
        ),
        workload=Workload(
            benchmark=cell.benchmark,
            implementation=cell.implementation,
            configuration=cell.configuration,
            parameters=launch.parameters,
            code_sha256="",
        ),
        protocol=_protocol(launch, warmup, samples),
        environment=Environment(
            framework=cell.framework,
            version=cell.version,
            python=cell.python,
            cuda=cell.cuda or None,
            cudnn=cell.cudnn or None,
        ),
        image=ImageUsed(name=image_name(cell), variant=None),
        machine=_machine(origin, cell.device),
        provenance=Provenance(orch=__version__, command=command, source="imported"),
        samples=launch.samples,
        warmup=launch.warmup,
        sanity=tuple(_footnotes(launch)),
    )


def _protocol(launch: ForeignLaunch, warmup: int, samples: int) -> ProtocolUsed:
    return ProtocolUsed(
        phases=tuple(launch.samples),
        warmup=warmup,
        samples=samples,
        at_most_s=0.0,
        precision="",
        caches="",
        threads=0,
        device=device_of(launch.cell.device),
    )


def device_of(text: str) -> str:
    """Return cpu, cuda or nothing. text: cpu, or `CPU: Xeon W-2195`; a GPU's name; or empty where it is not stated."""
    kind = text.casefold().partition(":")[0].strip()
    return kind if kind in {"", "cpu"} else "cuda"


def _machine(origin: str, device: str) -> Machine:
    gpus = (Gpu(name=device, compute=""),) if device_of(device) == "cuda" else ()
    return Machine(id=origin, cpu="", cores=0, cpus=(), memory_bytes=0, kernel="", platform="", gpus=gpus)


def _footnotes(launch: ForeignLaunch) -> Iterator[Mapping[str, str | bool]]:
    for phase, text in launch.footnotes:
        yield {"check": FOOTNOTE, "ok": True, "phase": phase, "text": text}
