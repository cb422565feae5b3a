"""Locks by name: made, and compared with what upstream has now."""

from collections.abc import Iterator, Sequence

from orchestrator import console
from orchestrator.catalog import load_images, select_images
from orchestrator.errors import EngineError, Exit, LockError, UsageError, WheelError
from orchestrator.fetching import fetch_files
from orchestrator.images import Image, ImageVariant
from orchestrator.indexes import read_indexes
from orchestrator.locking import is_locked, read_lock
from orchestrator.resolving import lock_image
from orchestrator.upstream import Finding, check_locks
from orchestrator.workbench import Workbench


def lock_named(bench: Workbench, names: Sequence[str], *, fetch: bool) -> tuple[tuple[str, ...], Exit]:
    """Lock variants by name, all of an image's where none is named; returns a line for each and the exit code.

    fetch: download the wheels too. One that cannot be locked does not stop the others.
    """
    lines: list[str] = []
    exit_code = Exit.OK
    for name in names:
        for target in select_variants(bench, name):
            try:
                lines.append(_lock(bench, target, fetch=fetch))
            except (LockError, WheelError) as error:
                lines.append(f"{target.name}: not locked: {error}")
                exit_code = error.exit_code
    return tuple(lines), exit_code


def _lock(bench: Workbench, target: ImageVariant, *, fetch: bool) -> str:
    lock = lock_image(target, bench.env, bench.base_digest(target))
    if fetch:
        fetch_files(bench.wheelhouse, lock, target.variant.index)
    size = "size unknown" if lock.bytes is None else console.size(lock.bytes)
    is_mirrored = target.base in bench.settings.mirrors
    why_not = "your mirror of it is not everybody's" if is_mirrored else "no registry answered"
    return f"{target.name}: {len(lock.files)} files, {size}, base {lock.base_digest or f'not pinned: {why_not}'}"


def check_named(bench: Workbench, names: Sequence[str]) -> tuple[tuple[Finding, ...], int]:
    """Compare locks with what upstream has now; returns what differs, and how many locks there were.

    names: images, with or without a variant; none: all. Raises LockError where what is named has no lock.
    """
    found: dict[str, ImageVariant] = {}
    for name in names or ("*",):
        locked = {one.name: one for one in select_variants(bench, name) if is_locked(one)}
        if not locked:
            raise LockError(f"{name}: not locked, so there is nothing to compare. Lock it: orch lock {name}")
        found |= locked
    locks = [(target, read_lock(target.lock_path)) for target in found.values()]
    engine = bench.open_docker()
    try:
        console.note(f"Asking for the files and bases of {len(locks)} locks; {engine.check()} asks registries.")
    except EngineError as error:
        console.note(str(error))
        return check_locks(locks, read_indexes(bench.env), None, bench.settings.mirrors), len(locks)
    return check_locks(locks, read_indexes(bench.env), engine.registry_digest, bench.settings.mirrors), len(locks)


def select_variants(bench: Workbench, name: str) -> Iterator[ImageVariant]:
    """Yield the variants that a name means; a pattern may end in a variant too."""
    images = select_images(load_images(bench.project), (name.partition("+")[0],))
    for image in images:
        if len(images) == 1 or not image.unavailable:
            yield from named_variants(image, name)


def named_variants(image: Image, name: str) -> tuple[ImageVariant, ...]:
    """Return the variant that a name ends in, all of the image's if it ends in none. Raises UsageError."""
    if image.unavailable:
        raise UsageError(f"{image.name}: {image.unavailable}. It cannot be locked or built.")
    wanted = name.partition("+")[2]
    found = tuple(ImageVariant(image=image, variant=one) for one in image.variants if wanted in ("", one.name))
    if not found:
        known = ", ".join(one.name for one in image.variants)
        raise UsageError(f"{name}: {image.name} has no variant '{wanted}'. It has {known}.")
    return found
