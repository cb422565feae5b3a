"""What can be had from here: locks that are committed, wheels within reach, base images of the engine."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import dropwhile

from orchestrator.catalog import Study, match_images, sort_images
from orchestrator.engines import Engine
from orchestrator.errors import EngineError, LockError, NothingSelectedError
from orchestrator.fetching import is_reachable
from orchestrator.hardware import Gpu
from orchestrator.images import Image, ImageVariant
from orchestrator.locking import is_locked
from orchestrator.resolving import resolve
from orchestrator.variants import Choice, choose_variant
from orchestrator.wheelhouse import Wheelhouse

AT_ONCE = 4  # look-ups: they wait for the network


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """An image variant that can really run here: interpreter or engine found, wheels within reach."""

    target: ImageVariant
    download_bytes: int


def find_pair(
    images: Sequence[Image],
    gpu: Gpu | None,
    engine: Engine,
    why_not: Callable[[ImageVariant], str | None],
    wheelhouse: Wheelhouse,
    at_most_bytes: int | None,
) -> tuple[Candidate, Candidate] | None:
    """Return the oldest and the newest two of these that can really run here, None if no two do.

    Each in its variant for the GPU, or for the CPU without one. why_not: why a variant is left out, None if it is not.
    at_most_bytes: of both downloads; None for no limit.
    """
    choices = [choose_variant(image, gpu, is_locked) for image in sort_images(images)]
    wanted = [one.target for one in choices if isinstance(one, Choice) and why_not(one.target) is None]
    can_run = [target for target in wanted if _has_base(target, engine)]
    targets = one_of_each_version(can_run)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        asked = {target.name: pool.submit(reachable_bytes, target, wheelhouse) for target in _outermost_first(targets)}
        try:
            return choose_pair(targets, lambda target: asked[target.name].result(), at_most_bytes)
        finally:
            pool.shutdown(cancel_futures=True)  # the rest lies between the two


def find_ends(study: Study, gpu: Gpu | None) -> tuple[Image, Image]:
    """Return the oldest and the newest image of the first pattern with two that are locked in a variant for a GPU.

    Raises NothingSelectedError if no pattern has two.
    """
    for pattern in study.suite.images:
        choices = [choose_variant(image, gpu, is_locked) for image in sort_images(match_images(study.images, pattern))]
        locked = [one.target for one in choices if isinstance(one, Choice) and is_locked(one.target)]
        targets = one_of_each_version(locked)
        if len(targets) > 1:
            return targets[0].image, targets[-1].image
    what = "no two releases are locked in a build that runs on this GPU"
    raise NothingSelectedError(f"suite '{study.suite.name}': {what}. Plan another suite, or lock them.")


def one_of_each_version(targets: Sequence[ImageVariant]) -> list[ImageVariant]:
    """Leave out second rows of a version (another Python): they only seem to make a span wider. targets: in order."""
    first = {(target.image.family, target.image.framework_version): target for target in reversed(targets)}
    return [target for target in targets if target in first.values()]


def choose_pair(
    targets: Sequence[ImageVariant], size_of: Callable[[ImageVariant], int | None], at_most_bytes: int | None
) -> tuple[Candidate, Candidate] | None:
    """Return two that fit the download together, None if no two do: the widest span, then the smaller download.

    targets: oldest first. size_of: what one would download, None if it cannot be had; asked from the outermost inwards.
    """
    kept = list(dropwhile(lambda target: size_of(target) is None, targets))
    kept = list(dropwhile(lambda target: size_of(target) is None, reversed(kept)))[::-1]
    for span in range(len(kept) - 1, 0, -1):
        pairs = [
            (Candidate(target=old, download_bytes=old_bytes), Candidate(target=new, download_bytes=new_bytes))
            for old, new in zip(kept, kept[span:], strict=False)
            if (old_bytes := size_of(old)) is not None and (new_bytes := size_of(new)) is not None
        ]
        fitting = [pair for pair in pairs if at_most_bytes is None or _sum_bytes(pair) <= at_most_bytes]
        if fitting:
            return min(fitting, key=_sum_bytes)
    return None


def _sum_bytes(pair: tuple[Candidate, Candidate]) -> int:
    return pair[0].download_bytes + pair[1].download_bytes


def _outermost_first(targets: Sequence[ImageVariant]) -> list[ImageVariant]:
    """Order as `choose_pair` asks: oldest, newest, second oldest, second newest …"""
    last = len(targets) - 1
    ranked = sorted(enumerate(targets), key=lambda pair: min(pair[0], last - pair[0]))
    return [target for _, target in ranked]


def reachable_bytes(target: ImageVariant, wheelhouse: Wheelhouse) -> int | None:
    """Return what a variant would download, None if it cannot be had from here."""
    if is_locked(target):
        return wheelhouse.missing_bytes(target) if is_reachable(wheelhouse, target) else None
    try:
        pins = resolve(target, target.requirements, {**wheelhouse.env, "UV_HTTP_RETRIES": "0"})  # without patience
    except LockError:
        return None
    sizes = [pin.bytes for pin in pins]
    return None if None in sizes else sum(size or 0 for size in sizes)


def _has_base(target: ImageVariant, engine: Engine) -> bool:
    try:
        engine.resolve_base(target, None)
    except EngineError:
        return False
    return True
