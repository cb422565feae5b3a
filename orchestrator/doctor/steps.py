"""The steps that are the same for this machine and for one behind ssh."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from orchestrator.catalog import find_study, find_suite, list_suites
from orchestrator.doctor.checks import Check, not_reached
from orchestrator.doctor.engine_checks import ENGINE, TOOLKIT
from orchestrator.doctor.facts import Docker, Reach, System
from orchestrator.doctor.gpu_checks import DRIVER, MIG, check_driver_age
from orchestrator.doctor.local_images import choose_image, find_base
from orchestrator.doctor.online import check_online
from orchestrator.doctor.probing import CUDA, SIGHT
from orchestrator.doctor.suite_checks import check_disk, check_suite, runnable, suite_is_wrong
from orchestrator.doctor.trying import try_in_container
from orchestrator.doctor.verdict import PLACES, Means
from orchestrator.engines import BuiltImage, Engine
from orchestrator.engines.docker import DockerEngine
from orchestrator.errors import ConfigurationError, UsageError
from orchestrator.hardware import Gpu
from orchestrator.images import Image
from orchestrator.workbench import Workbench


@dataclass(frozen=True, kw_only=True)
class Collected:
    """What was collected of a machine before anything is tried there."""

    bench: Workbench
    system: System
    gpu: Gpu | None  # the one that is tried
    catalog: tuple[Image, ...]
    engine: DockerEngine
    reach: Reach
    docker: Docker | None
    built: tuple[BuiltImage, ...]  # on the engine

    @property
    def before_gpu(self) -> str:
        """The step that failed where there is no GPU to try."""
        return MIG if self.bench.machine.gpus else DRIVER


def try_gpu(one: Collected, toolkit: Check, otherwise: Callable[[str], Check]) -> Iterator[Check]:
    """Try the GPU in a container. otherwise: makes the last step where that cannot be, from the step that failed."""
    gpu, docker = one.gpu, one.docker
    if gpu is not None and docker is not None and toolkit.is_good:
        computing = choose_image(one.built, gpu)
        image = computing or next(iter(one.built), find_base(docker, one.catalog, one.bench.settings.mirrors))
        yield from try_in_container(one.engine, gpu, image, computing)
        return
    after = one.before_gpu if gpu is None else TOOLKIT if docker else ENGINE
    yield not_reached(SIGHT, after)
    yield not_reached(CUDA, after)
    yield otherwise(after)


def check_default_suite(
    one: Collected, engine: Engine, built: Iterable[BuiltImage], *, is_online: bool
) -> Iterator[Check]:
    """What the default suite finds on an engine. built: the images it has."""
    bench, gpu = one.bench, one.gpu
    try:
        suite = find_suite(bench.project, bench.settings.suite)
        images = find_study(bench.project, suite).images
    except (UsageError, ConfigurationError) as error:
        yield suite_is_wrong(str(error))
        return
    targets = runnable(images, engine, gpu)
    yield check_suite(suite.name, images, targets, f"the {'GPU' if gpu else 'CPU'} {PLACES[engine.name]}")
    if gpu is not None:
        yield check_driver_age(gpu, images, suite.name, one.system)
    there = {image.target.name for image in built}
    cost = bench.cost_of([target for target in targets if target.name not in there])
    storage = engine.storage()
    away = bench.host.disk(storage) if storage else None
    yield check_disk(cost, suite.name, bench.settings.cache, storage, away)
    if is_online:
        yield from check_online(targets, engine, bench.wheelhouse)


def collect_means(one: Collected, on_gpu: Iterable[str]) -> Means:
    """Sum up what the verdict needs besides the checks. on_gpu: engines with an image that has code for the GPU."""
    return Means(
        has_built=bool(one.built),
        has_gpu=bool(one.bench.machine.gpus) or one.system.nvidia_cards > 0,
        gpu=one.gpu.name if one.gpu else "",
        on_gpu=frozenset(on_gpu),
        has_quickstart="quickstart" in {path.stem for path in list_suites(one.bench.project)},
        host=one.bench.options.host or "",
    )
