"""From what a launch gave to its record: which cell, where in the run, in which image, on which machine."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

from orchestrator import __version__
from orchestrator.engines import BuiltImage
from orchestrator.keys import cell_key, comparable_key
from orchestrator.prepared import Gate, Judged, Place, Prepared, Setting
from orchestrator.records import (
    CellKeys,
    ContainerUsed,
    Failure,
    GpuUsed,
    ImageUsed,
    Launch,
    ProtocolUsed,
    Provenance,
    Record,
    Report,
    Status,
    Workload,
)
from orchestrator.specs import Cell, UnsupportedCell
from orchestrator.workloads import expected_parameters, has_to_fall


def make_record(setting: Setting, prepared: Prepared, launch: Launch, judged: Judged, gate: Gate) -> Record:
    """Put together the record of one launch, good or failed."""
    report = judged.report
    return Record(
        status=judged.status,
        failure=judged.failure,
        cell=keys(setting, prepared),
        suite=setting.suite,
        launch=launch,
        workload=Workload(
            benchmark=prepared.benchmark.name,
            implementation=prepared.implementation.name,
            configuration=prepared.configuration.name,
            parameters=prepared.configuration.parameters,
            code_sha256=prepared.code_sha256,
        ),
        protocol=_protocol_used(setting, report),
        environment=report.environment,
        image=_image_used(prepared.image, prepared.cell),
        container=_container_used(setting, judged),
        machine=setting.machine,
        samples=report.samples,
        cpu_samples=report.cpu_samples,
        event_samples=report.event_samples,
        warmup=report.warmup,
        measures={**report.measures, "setup_cold_s": gate.setup_cold_s},
        sanity=(*report.sanity, *gate.entries),
        provenance=Provenance(orch=__version__, command=setting.command),
    )


def _work(prepared: Prepared) -> Mapping[str, object]:
    return {
        "parameters": dict(prepared.configuration.parameters),
        "traits": dict(prepared.implementation.traits),
        "trained": expected_parameters(prepared.implementation, prepared.configuration),
        "probe": dict(prepared.benchmark.probe),
        "falls": has_to_fall(prepared.benchmark, prepared.configuration),
    }


def never_launched(
    setting: Setting, cell: Cell | UnsupportedCell, status: Status, failure: Failure, attempt: int = 1
) -> Record:
    """Make the record of a cell that has no image to be launched in."""
    place = Place(block=None, attempt=attempt)
    name = cell.image if isinstance(cell, UnsupportedCell) else cell.image.image.name
    variant = None if isinstance(cell, UnsupportedCell) else cell.image.variant.name
    return Record(
        status=status,
        failure=failure,
        cell=CellKeys(id=cell.id, key="", comparable=""),
        suite=setting.suite,
        launch=ended_launch(setting, cell.row, place, started=now(), load=None, is_launched=False),
        workload=Workload(
            benchmark=cell.benchmark,
            implementation=cell.implementation,
            configuration=cell.configuration,
            parameters={},
            code_sha256="",
        ),
        protocol=_protocol_used(setting, Report(status="failed")),
        image=ImageUsed(name=name, variant=variant, jit=isinstance(cell, Cell) and cell.jit),
        machine=setting.machine,
        provenance=Provenance(orch=__version__, command=setting.command),
    )


def keys(setting: Setting, prepared: Prepared) -> CellKeys:
    """Compute the keys of a cell under this setting."""
    comparable = comparable_key(
        engine=setting.engine.name,
        machine=setting.machine,
        gpu=setting.gpu,
        protocol=replace(setting.protocol, threads=setting.threads),
        code_sha256=prepared.code_sha256,
        jit=prepared.cell.jit,
    )
    return CellKeys(
        id=prepared.cell.id,
        key=cell_key(prepared.cell, comparable, prepared.image.inputs_sha256, _work(prepared)),
        comparable=comparable,
    )


def ended_launch(
    setting: Setting, row: str, place: Place, *, started: str, load: float | None, is_launched: bool = True
) -> Launch:
    """Describe a launch that ends now, or that was not made."""
    return Launch(
        run=setting.run,
        row=row,
        block=place.block,
        position=place.position,
        order_seed=setting.seed,
        attempt=place.attempt,
        load=load,
        started=started,
        ended=now(),
        paired=place.paired,
        gpu=_gpu_used(setting) if is_launched else None,
    )


def _gpu_used(setting: Setting) -> GpuUsed | None:
    return GpuUsed(uuid=setting.gpu.uuid, address=setting.gpu.address) if setting.gpu else None


def now() -> str:
    """Return the time as records have it: ISO 8601, UTC, milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _protocol_used(setting: Setting, report: Report) -> ProtocolUsed:
    protocol = setting.protocol
    return ProtocolUsed(
        phases=protocol.phases,
        warmup=protocol.warmup,
        samples=protocol.samples,
        at_most_s=protocol.at_most_s,
        precision=protocol.precision,
        caches=protocol.caches,
        device=setting.device,
        threads=setting.threads,
        cpuset=",".join(str(cpu) for cpu in setting.cpus),
        group=report.group,
        timer=report.timer,
        sync=report.sync,
    )


def _image_used(image: BuiltImage, cell: Cell) -> ImageUsed:
    return ImageUsed(
        name=image.target.image.name,
        variant=image.target.variant.name,
        digest=image.digest,
        base=image.base,
        inputs_sha256=image.inputs_sha256,
        lock_sha256=image.lock_sha256,
        jit=cell.jit,
    )


def _container_used(setting: Setting, judged: Judged) -> ContainerUsed:
    contained = setting.engine.name == "docker"
    return ContainerUsed(
        engine=setting.engine_version,
        gpu_mode=judged.gpu_mode,
        memory_bytes=judged.memory_bytes,
        network="none" if contained else "host",
        user="1000:1000" if contained else "caller",
    )
