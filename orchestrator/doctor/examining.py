"""Go through this machine from the driver to a framework that computes; each step says what was found."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from orchestrator.catalog import find_study, find_suite, list_suites, load_images
from orchestrator.devices import computable
from orchestrator.doctor.away import examine_away
from orchestrator.doctor.checks import Check, is_good, not_reached
from orchestrator.doctor.engine_checks import (
    ENGINE,
    TOOLKIT,
    check_buildx,
    check_engine,
    check_limits,
    check_toolkit,
)
from orchestrator.doctor.engine_facts import read_buildx, read_docker
from orchestrator.doctor.facts import Docker, Reach, System
from orchestrator.doctor.gpu_checks import DRIVER, MIG, check_driver, check_driver_age, check_mig, check_state
from orchestrator.doctor.gpu_state import read_state
from orchestrator.doctor.local_images import built_in_folders, built_on_docker, choose_image, find_base
from orchestrator.doctor.online import check_online
from orchestrator.doctor.probing import CUDA, FRAMEWORK, HOST_CUDA, SIGHT
from orchestrator.doctor.suite_checks import check_disk, check_suite, check_venv, fitting, runnable, suite_is_wrong
from orchestrator.doctor.system import read_conditions, read_system
from orchestrator.doctor.system_checks import check_system
from orchestrator.doctor.trying import try_computing, try_here, try_in_container
from orchestrator.doctor.verdict import PLACES, Diagnosis, Means, diagnose
from orchestrator.engines import BuiltImage
from orchestrator.engines.docker import DockerEngine
from orchestrator.engines.venv import VenvEngine
from orchestrator.errors import ConfigurationError, UsageError
from orchestrator.fleet.remote import RemoteMachine
from orchestrator.hardware import Gpu
from orchestrator.interpreters import list_interpreters
from orchestrator.nvml import read_users, why_no_gpu
from orchestrator.options import DEVICES
from orchestrator.specs import Image
from orchestrator.workbench import Workbench


def examine(bench: Workbench, *, is_online: bool) -> Diagnosis:
    """Look at everything that studies need here. Starts containers only where there is a GPU, and pulls nothing.

    is_online: ask indexes and registries too. Raises UsageError for an unknown device.
    """
    device = bench.options.device
    if device not in DEVICES:
        raise UsageError(f"--device {device}: unknown device. Known: {', '.join(DEVICES)}.")
    if isinstance(bench.host, RemoteMachine):
        return examine_away(bench, bench.host)
    here = _look(bench)
    checks = (*_path(here), *_state_of_gpus(here), *check_system(bench.machine, read_conditions(), here.system))
    checks = (*checks, *_suite(here, checks, is_online=is_online))
    return diagnose(checks, _means(here), device)


@dataclass(frozen=True, kw_only=True)
class _Here:
    """What was collected before anything is tried."""

    bench: Workbench
    system: System
    gpu: Gpu | None  # the one that is tried
    catalog: tuple[Image, ...]
    engine: DockerEngine
    venv: VenvEngine
    reach: Reach
    docker: Docker | None
    built: tuple[BuiltImage, ...]  # on the engine
    environments: tuple[BuiltImage, ...]  # of the venv engine

    @property
    def before_gpu(self) -> str:
        """The step that failed where there is no GPU to try."""
        return MIG if self.bench.machine.gpus else DRIVER


def _look(bench: Workbench) -> _Here:
    settings, catalog = bench.settings, load_images(bench.project)
    gpus = computable(bench.machine.gpus)
    engine = DockerEngine(mirrors=settings.mirrors, ca_bundle=settings.ca_bundle)
    venv = VenvEngine(cache=settings.cache, env=bench.env)
    reach, docker = read_docker(engine, bench.env)
    return _Here(
        bench=bench,
        system=read_system(bench.env),
        gpu=gpus[0] if gpus and bench.options.device != "cpu" else None,
        catalog=catalog,
        engine=engine,
        venv=venv,
        reach=reach,
        docker=docker,
        built=built_on_docker(docker, catalog) if docker else (),
        environments=built_in_folders(venv.storage(), venv, catalog),
    )


def _path(here: _Here) -> Iterator[Check]:
    """From the driver to a framework that computes. An engine is looked at whether there is a GPU or not."""
    system, gpu, docker = here.system, here.gpu, here.docker
    for_gpu = here.bench.options.device != "cpu"
    in_process = try_here(here.venv, gpu, system) if gpu else not_reached(HOST_CUDA, here.before_gpu)
    if for_gpu:
        gpus, is_needed = here.bench.machine.gpus, here.bench.options.device == "cuda"
        yield check_driver(gpus, why_no_gpu(), system, is_needed=is_needed)
        yield check_mig(gpus, system)
        yield in_process
    yield check_engine(here.reach, docker, system)
    yield check_buildx(docker, *read_buildx(), system)
    yield check_limits(docker)
    if for_gpu:
        toolkit = check_toolkit(gpu, docker, system) if gpu else not_reached(TOOLKIT, here.before_gpu)
        yield toolkit
        yield from _try_gpu(here, toolkit, in_process)
    else:
        yield _compute(here, None)


def _try_gpu(here: _Here, toolkit: Check, in_process: Check) -> Iterator[Check]:
    """Try the GPU in a container; where that cannot be, in a virtual environment."""
    gpu, docker = here.gpu, here.docker
    if gpu is not None and docker is not None and toolkit.is_good:
        computing = choose_image(here.built, gpu)
        image = computing or next(iter(here.built), find_base(docker, here.catalog, here.bench.settings.mirrors))
        yield from try_in_container(here.engine, gpu, image, computing)
        return
    after = here.before_gpu if gpu is None else TOOLKIT if docker else ENGINE
    yield not_reached(SIGHT, after)
    yield not_reached(CUDA, after)
    yield _compute(here, gpu) if gpu and in_process.is_good else not_reached(FRAMEWORK["cuda"], after)


def _compute(here: _Here, gpu: Gpu | None) -> Check:
    """Let a framework compute in what is built: on the CPU in a container if there is one, else in an environment."""
    image = choose_image(here.built, None) if gpu is None else None
    if image is not None:
        return try_computing(here.engine, image, None)
    return try_computing(here.venv, choose_image(here.environments, gpu), gpu)


def _state_of_gpus(here: _Here) -> Iterator[Check]:
    whole = [gpu for gpu in here.bench.machine.gpus if gpu.instance is None]
    if here.bench.options.device == "cpu" or not whole:
        return
    yield from check_state([read_state(gpu) for gpu in whole], [read_users(gpu) for gpu in whole], here.system)


def _suite(here: _Here, checks: Sequence[Check], *, is_online: bool) -> Iterator[Check]:
    """What the default suite finds here, on the engine that would be taken."""
    bench, gpu = here.bench, here.gpu
    in_venv = runnable(here.catalog, here.venv, None)
    yield check_venv(here.venv, list_interpreters(bench.env), len(in_venv), len(here.catalog))
    try:
        suite = find_suite(bench.project, bench.settings.suite)
        images = find_study(bench.project, suite).images
    except (UsageError, ConfigurationError) as error:
        yield suite_is_wrong(str(error))
        return
    engine, built = (here.engine, here.built) if is_good(checks, ENGINE) else (here.venv, here.environments)
    targets = runnable(images, engine, gpu)
    where = f"the {'GPU' if gpu else 'CPU'} {PLACES[engine.name]}"
    yield check_suite(suite.name, images, targets, where)
    if gpu is not None:
        yield check_driver_age(gpu, images, suite.name, here.system)
    there = {one.target.name for one in built}
    cost = bench.cost_of([target for target in targets if target.name not in there])
    yield check_disk(cost, suite.name, bench.settings.cache, engine.storage())
    if is_online:
        yield from check_online(targets, engine, bench.wheelhouse)


def _means(here: _Here) -> Means:
    gpus = here.bench.machine.gpus
    return Means(
        has_built=bool(here.built),
        has_gpu=bool(gpus) or here.system.nvidia_cards > 0,
        gpu=here.gpu.name if here.gpu else "",
        on_gpu=frozenset(_engines_on_gpu(here)),
        has_quickstart="quickstart" in {path.stem for path in list_suites(here.bench.project)},
    )


def _engines_on_gpu(here: _Here) -> Iterator[str]:
    """Yield the engines that have an image with code for the GPU, whether they answer or not."""
    if here.gpu is not None and fitting(here.catalog, here.gpu):
        yield here.engine.name
        if runnable(here.catalog, here.venv, here.gpu):
            yield here.venv.name
