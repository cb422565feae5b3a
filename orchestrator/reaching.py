"""What can be had from here: locks that are committed, wheels within reach, base images of the engine."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from orchestrator.engines import Engine
from orchestrator.errors import EngineError, LockError
from orchestrator.hardware import Gpu
from orchestrator.planning import Candidate
from orchestrator.resolving import resolve
from orchestrator.specs import Image, ImageVariant
from orchestrator.variants import Choice, choose_variant
from orchestrator.wheelhouse import Wheelhouse

AT_ONCE = 4  # look-ups: they wait for the network


def is_locked(target: ImageVariant) -> bool:
    """Say whether a variant has its committed lock."""
    return target.lock_path.exists()


def find_candidates(
    images: Sequence[Image], gpu: Gpu | None, engine: Engine, wheelhouse: Wheelhouse
) -> tuple[Candidate, ...]:
    """Return what of these can really run here, each in its variant for the GPU, or for the CPU without one."""
    choices = [choose_variant(image, gpu, is_locked) for image in images]
    targets = [choice.target for choice in choices if isinstance(choice, Choice) and _can_run(choice.target, engine)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        sizes = pool.map(lambda target: reachable_bytes(target, wheelhouse), targets)
        found = zip(targets, sizes, strict=True)
        return tuple(Candidate(target=target, download_bytes=size) for target, size in found if size is not None)


def reachable_bytes(target: ImageVariant, wheelhouse: Wheelhouse) -> int | None:
    """Return what a variant would download, None if it cannot be had from here."""
    if is_locked(target):
        return wheelhouse.missing_bytes(target) if wheelhouse.reachable(target) else None
    try:
        pins = resolve(target, target.requirements, {**wheelhouse.env, "UV_HTTP_RETRIES": "0"})  # without patience
    except LockError:
        return None
    sizes = [pin.bytes for pin in pins]
    return None if None in sizes else sum(size or 0 for size in sizes)


def _can_run(target: ImageVariant, engine: Engine) -> bool:
    if engine.unsupported_reason(target) is not None:
        return False
    try:
        engine.resolve_base(target, None)
    except EngineError:
        return False
    return True
