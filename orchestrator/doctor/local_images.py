"""Which images are here already, so that something can be tried without a download."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from orchestrator.building import find_built
from orchestrator.doctor.facts import Docker, LocalImage
from orchestrator.doctor.probing import PROBE
from orchestrator.engines import BuiltImage, Engine
from orchestrator.engines.images import FINAL
from orchestrator.hardware import Gpu
from orchestrator.images import Image, ImageVariant
from orchestrator.names import version_key
from orchestrator.variants import Choice, choose_variant


def built_on_docker(docker: Docker, catalog: Sequence[Image]) -> tuple[BuiltImage, ...]:
    """Return the finished images of the engine that the catalog has a row for, the newest built first."""
    rows = {target.name: target for target in _variants(catalog)}
    newest_first = sorted(docker.images, key=lambda one: one.created, reverse=True)
    return tuple(
        _as_built(rows[name], one, tag)
        for one in newest_first
        for tag in one.tags
        if tag.startswith(f"{FINAL}/") and (name := f"{one.label('orch.image')}+{one.label('orch.variant')}") in rows
    )


def built_in_folders(folder: Path, engine: Engine, catalog: Sequence[Image]) -> tuple[BuiltImage, ...]:
    """Return the finished environments of the venv engine, the newest framework version first.

    folder: of the environments.
    """
    there = [target for target in _variants(catalog) if any(folder.glob(f"{target.name}-*"))]
    found = find_built(engine, there).values()
    return tuple(sorted(found, key=lambda one: version_key(one.target.image.version), reverse=True))


def find_base(docker: Docker, catalog: Sequence[Image], mirrors: Mapping[str, str]) -> BuiltImage | None:
    """Return a base image that lies on the engine, with the newest Python: it needs no build to be tried."""
    for target in sorted(_variants(catalog), key=lambda one: version_key(one.image.python), reverse=True):
        name = mirrors.get(target.base, target.base)
        local = next((one for one in docker.images if name in one.tags), None)
        if local is not None:
            return _as_built(target, local, name)
    return None


def choose_image(images: Sequence[BuiltImage], gpu: Gpu | None) -> BuiltImage | None:
    """Return the first whose family has a probe and whose variant computes on the GPU, or (None) on the CPU."""
    for one in images:
        image, variant = one.target.image, one.target.variant
        if not (image.folder / PROBE).is_file():
            continue
        if gpu is None:
            fits = variant.cuda is None or variant.self_contained
        else:
            fits = isinstance(choose_variant(replace(image, variants=(variant,)), gpu, lambda _target: True), Choice)
        if fits:
            return one
    return None


def _variants(catalog: Sequence[Image]) -> Iterator[ImageVariant]:
    for image in catalog:
        for variant in image.variants:
            yield ImageVariant(image=image, variant=variant)


def _as_built(target: ImageVariant, local: LocalImage, tag: str) -> BuiltImage:
    return BuiltImage(
        target=target,
        reference=tag,
        digest=local.id,
        base=local.label("orch.base") or tag,
        inputs_sha256=local.label("orch.inputs"),
        lock_sha256=local.label("orch.lock"),
    )
