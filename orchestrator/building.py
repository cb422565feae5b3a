"""Image variants -> built images: lock, fetch, context, build, check, keep. One that fails never stops the others."""

import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from orchestrator import console
from orchestrator.engines import BuildContext, BuiltImage, Engine
from orchestrator.engines.claims import Claim, remove_leftovers
from orchestrator.errors import ConfigurationError, DiskError, EngineError, LockError, UsageError, WheelError
from orchestrator.fetching import fetch_files
from orchestrator.hardware import Disk
from orchestrator.health import CHECK, check_image
from orchestrator.images import ImageVariant
from orchestrator.locking import Lock, check_lock, inputs_sha256, lock_sha256, read_lock, requirements
from orchestrator.planning import BuildCost
from orchestrator.resolving import lock_image
from orchestrator.wheelhouse import Wheelhouse, find_installer

BUILD_REQUIREMENTS = "build-requirements.txt"  # of a context: the tools that make wheels of source archives
Phase = Literal["resolve", "lock", "base", "fetch", "build", "health"]


@dataclass(frozen=True, kw_only=True)
class NotBuilt:
    """An image variant that there is no image of, and why."""

    target: ImageVariant
    phase: Phase
    reason: str


@dataclass(frozen=True, kw_only=True)
class Workshop:
    """What building needs besides an engine."""

    wheelhouse: Wheelhouse
    folder: Path  # contexts/ while a build lasts, logs/
    locked_only: bool = False  # never resolve: an image without a lock is not built
    say: Callable[[str], None] = console.note


def find_built(engine: Engine, targets: Iterable[ImageVariant]) -> Mapping[str, BuiltImage]:
    """Return the images that are there already, by variant name. Starts no program, asks no index."""
    found = {}
    for target in targets:
        try:
            image = engine.find(_describe(engine, target, _read_current_lock(target)))
        except (LockError, EngineError):
            continue  # building says why
        if image is not None:
            found[target.name] = image
    return found


def check_space(
    cost: BuildCost,
    folder: Path,
    *,
    ask_above_bytes: int,
    agreed: bool,
    storage: Path | None = None,
    away: Disk | None = None,
) -> None:
    """Stop before the first download: DiskError if a disk is too small, UsageError for a large one without --yes.

    folder: the cache. storage: of the engine, where images lie; None: not known, all is counted at the cache.
    away: the disk of that storage where it is on another machine.
    """
    cache, images = _existing(folder), _existing(folder if storage is None or away else storage)
    if away is not None:
        _check_free(cache, cost.download_bytes, "put the cache elsewhere (XDG_CACHE_HOME)")
        _require_free(away, cost.disk_bytes - cost.download_bytes, "remove images there (docker image prune)")
    elif cache.stat().st_dev == images.stat().st_dev:
        _check_free(cache, cost.disk_bytes, "put the cache elsewhere (XDG_CACHE_HOME)")
    else:
        _check_free(cache, cost.download_bytes, "put the cache elsewhere (XDG_CACHE_HOME)")
        _check_free(images, cost.disk_bytes - cost.download_bytes, "remove images there (docker image prune)")
    if cost.download_bytes > ask_above_bytes and not agreed:
        raise UsageError(
            f"{console.size(cost.download_bytes)} would be downloaded, more than build.ask_above_gb "
            f"({console.size(ask_above_bytes)}). Say --yes, or name fewer images."
        )


def _existing(folder: Path) -> Path:
    return next(parent for parent in (folder, *folder.parents) if parent.exists())


def _check_free(folder: Path, needed_bytes: int, remedy: str) -> None:
    _require_free(Disk(name=str(folder), free_bytes=shutil.disk_usage(folder).free), needed_bytes, remedy)


def _require_free(disk: Disk, needed_bytes: int, remedy: str) -> None:
    if needed_bytes > disk.free_bytes:
        needed, free = console.size(needed_bytes), console.size(disk.free_bytes)
        raise DiskError(
            f"{needed} of disk are needed, {free} are free at {disk.name}. Free some, name fewer images, or {remedy}."
        )


def build_images(
    engine: Engine, targets: Sequence[ImageVariant], workshop: Workshop
) -> tuple[BuiltImage | NotBuilt, ...]:
    """Return an image, or the reason why there is none, for every target, in their order.

    What is there already costs a look. Raises EngineError if the engine does not answer or cannot build at all.
    """
    done: dict[str, BuiltImage | NotBuilt] = dict(find_built(engine, targets))
    rest = [target for target in targets if target.name not in done]
    if rest:
        engine.check()
        engine.check_builder()
        remove_leftovers(workshop.folder / "contexts")
        claim = Claim(workshop.folder / "contexts")
        try:
            done |= _build(engine, rest, workshop, claim.folder)
        finally:
            claim.release()
    return tuple(done[target.name] for target in targets)


def _build(
    engine: Engine, targets: Sequence[ImageVariant], workshop: Workshop, folder: Path
) -> dict[str, BuiltImage | NotBuilt]:
    prepared = {target.name: _prepare(engine, target, workshop, folder) for target in targets}
    contexts = [one for one in prepared.values() if isinstance(one, BuildContext)]
    done: dict[str, BuiltImage | NotBuilt] = {name: one for name, one in prepared.items() if isinstance(one, NotBuilt)}
    logs = workshop.folder / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    if contexts:
        workshop.say(f"building {', '.join(context.target.name for context in contexts)}")
    # The venv engine builds one after the other anyway; docker builds all at once.
    built = engine.build(contexts, logs) if contexts else {}
    for context in contexts:
        image = built[context.target.name]
        done[context.target.name] = (
            NotBuilt(target=context.target, phase="build", reason=image + _damage(context.target, workshop))
            if isinstance(image, str)
            else _keep_or_discard(engine, image)
        )
    return done


def _prepare(engine: Engine, target: ImageVariant, workshop: Workshop, folder: Path) -> BuildContext | NotBuilt:
    """Bring one variant to the point where only the engine is needed."""
    phase: Phase = "base"
    try:
        reason = engine.unsupported_reason(target)
        if reason is not None:
            return NotBuilt(target=target, phase=phase, reason=reason)
        phase = "lock"
        lock = _ensure_lock(target, workshop)
        phase = "base"
        context = replace(_describe(engine, target, lock), folder=folder / target.name)
        phase = "fetch"
        _fill(context, lock, workshop)
    except (LockError, EngineError, WheelError, OSError) as error:  # OSError: the disk is full, or not ours
        return NotBuilt(target=target, phase=phase, reason=str(error))
    return context


def _ensure_lock(target: ImageVariant, workshop: Workshop) -> Lock:
    if target.lock_path.exists() or workshop.locked_only:
        return _read_current_lock(target)
    workshop.say(f"{target.name} has no lock yet: resolving it")
    return lock_image(target, workshop.wheelhouse.env)


def _read_current_lock(target: ImageVariant) -> Lock:
    lock = read_lock(target.lock_path)
    check_lock(lock, target)
    return lock


def _describe(engine: Engine, target: ImageVariant, lock: Lock) -> BuildContext:
    """Say what an image would be made of; reads files, writes none. Raises ConfigurationError for a missing one."""
    dockerfile = _read_of_family(target, "Dockerfile")
    _read_of_family(target, CHECK)  # it would be missed only after the build
    sources = [pin.file for pin in lock.pins if pin.is_source]
    if sources and BUILD_REQUIREMENTS.encode() not in dockerfile:
        what = f"installs wheels only, and {target.name} needs {sources[0]}"
        remedy = f"Build wheels in a stage of their own, with {BUILD_REQUIREMENTS}: images/README.md shows one."
        raise ConfigurationError(f"{what}. {remedy}", file=str(target.image.folder / "Dockerfile"))
    base = engine.resolve_base(target, lock.base_digest)
    return BuildContext(
        target=target,
        folder=target.image.folder,
        base=base,
        installer=find_installer(target.image.folder.parent, target.python).file,
        inputs_sha256=inputs_sha256(dockerfile, base, lock),
        lock_sha256=lock_sha256(lock),
    )


def _read_of_family(target: ImageVariant, name: str) -> bytes:
    path = target.image.folder / name
    try:
        return path.read_bytes()
    except OSError as error:
        remedy = f"A family needs its {name}: restore it, or start from that of another family."
        raise ConfigurationError(f"cannot be read ({error.strerror}). {remedy}", file=str(path)) from error


def _fill(context: BuildContext, lock: Lock, workshop: Workshop) -> None:
    """Make the context folder: Dockerfile, the lock, hard links of its files and of the pip that installs them."""
    image = context.target.image
    wheels = replace(lock, pins=(*lock.pins, find_installer(image.folder.parent, context.target.python)))
    missing = workshop.wheelhouse.missing(wheels)
    if missing:
        size = sum(pin.bytes or 0 for pin in missing)
        workshop.say(f"{context.target.name}: fetching {len(missing)} files, {console.size(size)}")
        log_file = workshop.folder / "logs" / f"{context.target.name}.fetch.log"
        fetch_files(workshop.wheelhouse, wheels, context.target.variant.index, log_file)
    context.folder.mkdir()
    shutil.copyfile(image.folder / "Dockerfile", context.folder / "Dockerfile")
    (context.folder / "requirements.txt").write_text(requirements(lock.pins), encoding="utf-8")
    (context.folder / BUILD_REQUIREMENTS).write_text(requirements(lock.build_pins), encoding="utf-8")
    workshop.wheelhouse.link(wheels.files, context.folder / "wheels")


def _damage(target: ImageVariant, workshop: Workshop) -> str:
    """Say whether a damaged disk is why a build failed: installers check hashes, but cannot mend them."""
    damaged = workshop.wheelhouse.remove_damaged(read_lock(target.lock_path))
    return (
        f"\nDamaged on disk and removed: {', '.join(damaged)}. Build again: it is downloaded anew." if damaged else ""
    )


def _keep_or_discard(engine: Engine, image: BuiltImage) -> BuiltImage | NotBuilt:
    try:
        wrong = check_image(engine, image)
    except EngineError as error:
        wrong = str(error)
    if wrong is None:
        return engine.keep(image)
    engine.discard(image)
    return NotBuilt(target=image.target, phase="health", reason=wrong)
