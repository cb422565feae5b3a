"""Image variants -> built images: lock, fetch, context, build, check, keep. One that fails never stops the others."""

import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from orchestrator import console
from orchestrator.engines import BuildContext, BuiltImage, Engine
from orchestrator.engines.claims import Claim, remove_leftovers
from orchestrator.errors import ConfigurationError, EngineError, LockError, WheelError
from orchestrator.fetching import fetch_files
from orchestrator.health import CHECK, check_image
from orchestrator.images import ImageVariant
from orchestrator.locking import Lock, check_lock, inputs_sha256, lock_sha256, read_lock, requirements
from orchestrator.wheelhouse import Wheelhouse, find_installer

BUILD_REQUIREMENTS = "build-requirements.txt"  # of a context: the tools that make wheels of source archives
CHECKED_AT_ONCE = 2
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
    say: Callable[[str], None] = console.note


def find_built(engine: Engine, targets: Iterable[ImageVariant]) -> Mapping[str, BuiltImage]:
    """Return the images that are there already, by variant name. Starts no program, asks no index."""
    found = {}
    for target in targets:
        try:
            image = _find(engine, target, _read_current_lock(target))
        except (LockError, EngineError):
            continue  # building says why
        if image is not None:
            found[target.name] = image
    return found


def _find(engine: Engine, target: ImageVariant, lock: Lock) -> BuiltImage | None:
    """Look for the image of a lock on its base; where that is not to be had, on the base it was once built on."""
    try:
        return engine.find(_describe(target, lock, engine.resolve_base(target, lock.base_digest)))
    except EngineError:
        images = (engine.find(_describe(target, lock, base)) for base in engine.bases(target))
        return next((image for image in images if image), None)


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
        if isinstance(image, str):
            reason = image + _damage(context.target, workshop)
            done[context.target.name] = NotBuilt(target=context.target, phase="build", reason=reason)
    done |= _check(engine, [image for image in built.values() if isinstance(image, BuiltImage)])
    return done


def _check(engine: Engine, images: Sequence[BuiltImage]) -> dict[str, BuiltImage | NotBuilt]:
    """Keep the images that pass their health check, by variant name; each check is a launch that mostly imports."""
    with ThreadPoolExecutor(CHECKED_AT_ONCE) as pool:
        try:
            kept = list(pool.map(lambda image: _keep_or_discard(engine, image), images))
        finally:
            pool.shutdown(cancel_futures=True)
    return {one.target.name: one for one in kept}


def _prepare(engine: Engine, target: ImageVariant, workshop: Workshop, folder: Path) -> BuildContext | NotBuilt:
    """Bring one variant to the point where only the engine is needed."""
    phase: Phase = "base"
    try:
        reason = engine.unsupported_reason(target)
        if reason is not None:
            return NotBuilt(target=target, phase=phase, reason=reason)
        phase = "lock"
        lock = _read_current_lock(target)
        phase = "base"
        base = engine.resolve_base(target, lock.base_digest)
        context = replace(_describe(target, lock, base), folder=folder / target.name)
        phase = "fetch"
        _fill(context, lock, workshop)
    except (LockError, EngineError, WheelError, OSError) as error:  # OSError: the disk is full, or not ours
        return NotBuilt(target=target, phase=phase, reason=str(error))
    return context


def _read_current_lock(target: ImageVariant) -> Lock:
    lock = read_lock(target.lock_path)
    check_lock(lock, target)
    return lock


def _describe(target: ImageVariant, lock: Lock, base: str) -> BuildContext:
    """Say what an image would be made of; reads files, writes none. Raises ConfigurationError for a missing one."""
    dockerfile = _read_of_family(target, "Dockerfile")
    _read_of_family(target, CHECK)  # it would be missed only after the build
    sources = [pin.file for pin in lock.pins if pin.is_source]
    if sources and BUILD_REQUIREMENTS.encode() not in dockerfile:
        what = f"installs wheels only, and {target.name} needs {sources[0]}"
        remedy = f"Build wheels in a stage of their own, with {BUILD_REQUIREMENTS}: images/README.md shows one."
        raise ConfigurationError(f"{what}. {remedy}", file=str(target.image.folder / "Dockerfile"))
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
