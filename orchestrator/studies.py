"""The main job, whole: plan, build, gate, measure, compare; and its parts as verbs of their own."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from orchestrator import console
from orchestrator.analysis.comparison import Comparison
from orchestrator.beginning import find_earlier, make_setting, open_folder
from orchestrator.building import NotBuilt
from orchestrator.engines import BuiltImage, Engine
from orchestrator.errors import EngineError, Exit, StoppedError, UsageError
from orchestrator.fleet.local import LocalFleet, refuse_foreign
from orchestrator.gating import find_reference
from orchestrator.ordering import newest_of_each
from orchestrator.plan_texts import render_plan
from orchestrator.planning import Plan, require_cells
from orchestrator.prepared import Prepared, Setting
from orchestrator.providing import provide_images
from orchestrator.recording import never_launched
from orchestrator.records import Failure, Record, Status
from orchestrator.reporting import compare_run, find_conclusions, find_published, render_comparison, save_comparison
from orchestrator.running import Ended, Run
from orchestrator.specs import Cell
from orchestrator.store import RunFolder
from orchestrator.usage import mark_used
from orchestrator.workbench import PlannedStudy, Workbench
from orchestrator.workloads import launch_files

# A version whose wheels cannot be had here is unsupported; one that is built badly is a failure.
UNSUPPORTED_PHASES = ("resolve",)
KILLED_WITHIN_S = 10.0  # a killed program still has to give back its GPU


@dataclass(frozen=True, kw_only=True)
class Done:
    """A run that ended, with its comparison."""

    folder: RunFolder
    comparison: Comparison
    exit_code: Exit

    def render(self, form: str) -> str:
        return render_comparison(self.comparison, form)


def run_suite(bench: Workbench, command: tuple[str, ...]) -> Done:
    """Run the suite asked for to its comparison.

    Raises an OrchError for everything that can be known before the first launch; a launch that fails is a record.
    """
    planned = bench.plan_suite()
    _announce(bench, planned)
    require_cells(planned.plan)
    find_published(bench.project.suites, planned.plan.suite.study)  # a wrong file is known before any launch
    find_conclusions(bench.project.suites, planned.plan.suite.study)
    engine_version = bench.engine.check()
    _require_gpus(bench, planned)
    built = {one.target.name: one for one in _provide(bench, planned)}
    cells = tuple(
        _prepare(planned, cell, image)
        for cell in planned.plan.cells
        if isinstance(image := built[cell.image.name], BuiltImage)
    )
    for prepared in cells:
        find_reference(prepared, bench.settings.cache)  # a configuration it does not cover is known before any launch
    folder = open_folder(bench, planned, cells, command)
    setting = make_setting(bench, planned, folder, engine_version, command)
    fleet = LocalFleet(planned.slots, bench.host)
    estimate_s = bench.estimate(planned).seconds
    run = Run(
        setting=setting, fleet=fleet, folder=folder, cells=cells, cache=bench.settings.cache, estimate_s=estimate_s
    )
    with folder.held(), fleet.held():
        ended = _measure(setting, planned, built, folder, run)
    if ended.interrupted:
        console.note(f"Stopped. The same command continues {folder.path}.")
        if not ended.found and not ended.made:
            raise StoppedError("nothing was measured yet.")
    comparison = compare_run(folder, bench.project.suites)
    save_comparison(folder, comparison)
    return Done(folder=folder, comparison=comparison, exit_code=_exit_code(folder, ended))


def _require_gpus(bench: Workbench, planned: PlannedStudy) -> None:
    """See that the engine can hand over the GPUs, and that nobody else computes on them, before anything is fetched."""
    gpus = planned.target.gpus
    for gpu in gpus:
        bench.engine.check_gpu(gpu)
    reaped = _reap_earlier(bench, planned) if gpus else ()
    refuse_foreign(bench.host, gpus, KILLED_WITHIN_S if reaped else 0.0)


def _reap_earlier(bench: Workbench, planned: PlannedStudy) -> tuple[str, ...]:
    """Remove what the last run left if it died: what still computes for it is nobody else."""
    folder = find_earlier(bench, planned)
    if folder is None:
        return ()
    try:
        with folder.held():
            return _reap(bench.engine, folder)
    except UsageError:
        return ()  # it lives


def _reap(engine: Engine, folder: RunFolder) -> tuple[str, ...]:
    removed = engine.reap(folder.id)
    for name in removed:
        console.note(f"removed {name}, which a run that died here left")
    return removed


def _provide(bench: Workbench, planned: PlannedStudy) -> tuple[BuiltImage | NotBuilt, ...]:
    if bench.options.use_python:
        return tuple(bench.adopted[target.name] for target in planned.plan.targets)
    provided = provide_images(bench, planned.plan.targets)
    mark_used(bench.settings.cache, [one.inputs_sha256 for one in provided if isinstance(one, BuiltImage)])
    return provided


def _announce(bench: Workbench, planned: PlannedStudy) -> None:
    console.note(render_plan(planned, bench.estimate(planned)))
    idle = bench.machine.cores - sum(len(slot.cpus) for slot in planned.slots)
    load = bench.host.read_load()
    if load is not None and load > max(idle, 1):
        console.note(f"Load {load:g} on {bench.machine.cores} cores: others compute here, and intervals will be wide.")


def _measure(
    setting: Setting,
    planned: PlannedStudy,
    built: Mapping[str, BuiltImage | NotBuilt],
    folder: RunFolder,
    run: Run,
) -> Ended:
    """Clear what a dead run left, note what is not launched, launch the rest."""
    _reap(setting.engine, folder)
    for complaint in folder.set_broken_aside():
        console.note(complaint)
    found, _ = folder.read_records()
    for record in _record_unmade(setting, planned.plan, built, folder):
        if not _is_known(record, found):
            folder.write_record(record)
    return run.execute(found)


def _record_unmade(
    setting: Setting, plan: Plan, built: Mapping[str, BuiltImage | NotBuilt], folder: RunFolder
) -> Iterator[Record]:
    """Make the records of cells that are not launched: unsupported, or without an image."""
    for unsupported in plan.unsupported:
        failure = Failure(phase="plan", kind="Unsupported", message=unsupported.reason)
        attempt = folder.next_attempt(unsupported.id, None)
        yield never_launched(setting, unsupported, "unsupported", failure, attempt)
    for cell in plan.cells:
        image = built[cell.image.name]
        if isinstance(image, NotBuilt):
            status: Status = "unsupported" if image.phase in UNSUPPORTED_PHASES else "failed"
            failure = Failure(phase=image.phase, kind="NotBuilt", message=image.reason)
            yield never_launched(setting, cell, status, failure, folder.next_attempt(cell.id, None))


def _is_known(record: Record, found: Sequence[Record]) -> bool:
    """Say whether a cell has not been launched before for the same reason."""
    return any(
        (one.cell.id, one.status, one.failure) == (record.cell.id, record.status, record.failure) for one in found
    )


def _exit_code(folder: RunFolder, ended: Ended) -> Exit:
    """A failing launch, now or before in this run, never ends in 0."""
    if ended.interrupted:
        return Exit.INTERRUPTED
    records, complaints = folder.read_records()
    launched = [record for record in newest_of_each(records) if record.status != "unsupported"]
    if complaints or any(record.status != "ok" for record in launched):
        return Exit.LAUNCHES_FAILED
    return Exit.OK if launched else Exit.NOTHING


def _prepare(planned: PlannedStudy, cell: Cell, image: BuiltImage) -> Prepared:
    benchmark = planned.study.benchmarks[cell.benchmark]
    return Prepared(
        cell=cell,
        benchmark=benchmark,
        implementation=next(one for one in benchmark.implementations if one.name == cell.implementation),
        configuration=next(one for one in benchmark.configurations if one.name == cell.configuration),
        image=image,
        files=launch_files(benchmark, cell.image.image.framework),
    )


def reap_all(bench: Workbench) -> tuple[str, ...]:
    """Remove what dead runs left, on every engine that answers; returns what was removed."""
    removed: list[str] = []
    bench.host.check_engine()
    for name in bench.options.engine_names:
        engine = bench.open_engine(name)
        try:
            engine.check()
        except EngineError:
            continue
        removed += engine.reap()
    return tuple(removed)
