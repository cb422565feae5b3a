"""Built images elsewhere: saved to a file, loaded from one, pushed to a registry; and one entered with a terminal."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from orchestrator import console
from orchestrator.building import find_built
from orchestrator.engines import BuiltImage, Job
from orchestrator.engines.carriage import load_archive, push_image, read_tags, save_images
from orchestrator.errors import BuildError, UsageError
from orchestrator.images import ImageVariant
from orchestrator.keeping import list_images
from orchestrator.pinning import select_variants
from orchestrator.providing import choose_named
from orchestrator.usage import mark_used
from orchestrator.workbench import Workbench

SHELL_S = 7 * 24 * 3600.0  # after which `orch reap` takes a container for forgotten
LICENCE = (
    "These images hold NVIDIA's libraries: their licence covers use at your own site, not publication "
    "(docs.nvidia.com/cuda/eula)."
)


@dataclass(frozen=True, kw_only=True)
class Carried:
    """One image that was saved, loaded or pushed."""

    image: str
    reference: str  # tag, or name in a registry
    state: str = ""  # of a loaded one: current | stale | other project


def save_named(bench: Workbench, names: Sequence[str], path: Path) -> tuple[tuple[Carried, ...], int]:
    """Save what is built of the images named; returns these and the size of the file. Raises BuildError if none is."""
    images = _built(bench, names)
    _tell_licence(images)
    size = bench.open_docker().ask(lambda api: save_images(api, [one.reference for one in images], path))
    return tuple(Carried(image=one.target.name, reference=one.reference) for one in images), size


def load_file(bench: Workbench, path: Path) -> tuple[Carried, ...]:
    """Load what `orch save` wrote; says of each image whether `orch build` finds it. Raises UsageError."""
    tags = read_tags(path)
    engine = bench.open_docker()
    engine.check()
    engine.ask(lambda api: load_archive(api, path))
    loaded = [one for one in list_images(bench) if one.reference in tags]
    return tuple(Carried(image=one.image, reference=one.reference, state=one.state) for one in loaded)


def push_named(bench: Workbench, names: Sequence[str], registry: str) -> tuple[Carried, ...]:
    """Push what is built of the images named. Raises BuildError if none is, UsageError for a registry without host."""
    host = registry.partition("/")[0]
    if host != "localhost" and not set(host) & set(".:"):
        remedy = "Name a registry of your own: registry.example.com/team"
        raise UsageError(f"{registry}: no host, so the engine would publish to Docker Hub. {remedy}")
    images = _built(bench, names)
    _tell_licence(images)
    engine, pushed = bench.open_docker(), []
    for one in images:
        console.note(f"Pushing {one.reference} …")
        name = engine.ask(partial(push_image, reference=one.reference, registry=registry))
        pushed.append(Carried(image=one.target.name, reference=name))
    return tuple(pushed)


def enter_named(bench: Workbench, name: str, command: Sequence[str]) -> int:
    """Run a program in a built image under the restrictions of a launch, with our terminal; returns its exit code."""
    (target, *others) = choose_named(bench, name) or select_variants(bench, name)
    if others:
        raise UsageError(f"{name}: means several images. A terminal is of one: {target.name}.")
    image = find_built(bench.engine, [target]).get(target.name)
    if image is None:
        raise BuildError(f"{target.name} is not built on {bench.engine.name}. Build it: orch build {target.name}")
    mark_used(bench.settings.cache, [image.inputs_sha256])
    return bench.engine.enter(image, Job(argv=tuple(command), files={}, timeout_s=SHELL_S, gpu=bench.target.gpu))


def _built(bench: Workbench, names: Sequence[str]) -> tuple[BuiltImage, ...]:
    targets: dict[str, ImageVariant] = {one.name: one for name in names for one in select_variants(bench, name)}
    engine = bench.open_docker()
    engine.check()
    built = find_built(engine, targets.values())
    for name in names:
        if not any(one.name in built for one in select_variants(bench, name)):
            raise BuildError(f"{name}: nothing of it is built on the docker engine. Build it: orch build {name}")
    return tuple(built.values())


def _tell_licence(images: Sequence[BuiltImage]) -> None:
    if any(one.target.variant.cuda for one in images):
        console.note(LICENCE)
