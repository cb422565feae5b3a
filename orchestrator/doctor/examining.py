"""Go through this machine from the driver to a framework that computes; each step says what was found."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from orchestrator.catalog import load_images
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
from orchestrator.doctor.gpu_checks import check_driver, check_mig, check_state
from orchestrator.doctor.gpu_state import read_state
from orchestrator.doctor.local_images import built_in_folders, built_on_docker, choose_image
from orchestrator.doctor.probing import FRAMEWORK, HOST_CUDA
from orchestrator.doctor.steps import Collected, check_default_suite, collect_means, try_gpu
from orchestrator.doctor.suite_checks import check_venv, fitting, runnable
from orchestrator.doctor.system import read_conditions, read_system
from orchestrator.doctor.system_checks import check_system
from orchestrator.doctor.trying import try_computing, try_here
from orchestrator.doctor.verdict import Diagnosis, diagnose
from orchestrator.engines import BuiltImage
from orchestrator.engines.docker import DockerEngine
from orchestrator.engines.venv import VenvEngine
from orchestrator.errors import UsageError
from orchestrator.fleet.remote import RemoteMachine
from orchestrator.hardware import Gpu
from orchestrator.interpreters import list_interpreters
from orchestrator.nvml import read_users, why_no_gpu
from orchestrator.options import DEVICES
from orchestrator.workbench import Workbench


def examine(bench: Workbench, *, is_online: bool) -> Diagnosis:
    """Look at everything that studies need here. Starts containers only where there is a GPU, and pulls nothing.

    is_online: ask indexes and registries too. Raises UsageError for an unknown device.
    """
    device = bench.options.device
    if device not in DEVICES:
        raise UsageError(f"--device {device}: unknown device. Known: {', '.join(DEVICES)}.")
    if isinstance(bench.host, RemoteMachine):
        return examine_away(bench, bench.host, is_online=is_online)
    here = _look(bench)
    checks = (*_path(here), *_state_of_gpus(here), *check_system(bench.machine, read_conditions(), here.system))
    checks = (*checks, *_suite(here, checks, is_online=is_online))
    return diagnose(checks, collect_means(here, _engines_on_gpu(here)), device)


@dataclass(frozen=True, kw_only=True)
class _Here(Collected):
    """And what this machine has without containers."""

    venv: VenvEngine
    environments: tuple[BuiltImage, ...]  # of the venv engine


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
        yield from try_gpu(
            here,
            toolkit,
            lambda after: _compute(here, gpu) if gpu and in_process.is_good else not_reached(FRAMEWORK["cuda"], after),
        )
    else:
        yield _compute(here, None)


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
    in_venv = runnable(here.catalog, here.venv, None)
    yield check_venv(here.venv, list_interpreters(here.bench.env), len(in_venv), len(here.catalog))
    if is_good(checks, ENGINE):
        yield from check_default_suite(here, here.engine, here.built, is_online=is_online)
    else:
        yield from check_default_suite(here, here.venv, here.environments, is_online=is_online)


def _engines_on_gpu(here: _Here) -> Iterator[str]:
    """Yield the engines that have an image with code for the GPU, whether they answer or not."""
    if here.gpu is not None and fitting(here.catalog, here.gpu):
        yield here.engine.name
        if runnable(here.catalog, here.venv, here.gpu):
            yield here.venv.name
