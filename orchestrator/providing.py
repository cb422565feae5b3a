"""The images that a verb needs: locked, looked up, weighed against disk and agreement, built."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from orchestrator import console
from orchestrator.building import NotBuilt, Workshop, build_images, check_space, find_built
from orchestrator.catalog import load_images, match_images, select_images
from orchestrator.engines import BuiltImage
from orchestrator.errors import Exit, LockError, NothingSelectedError, UsageError, WheelError
from orchestrator.fetching import fetch_files
from orchestrator.images import Image, ImageVariant
from orchestrator.locking import is_locked
from orchestrator.names import did_you_mean
from orchestrator.planning import require_cells
from orchestrator.resolving import lock_image
from orchestrator.variants import choose_variant
from orchestrator.workbench import Workbench

AT_ONCE = 4  # resolutions: they wait for the network


@dataclass(frozen=True, kw_only=True)
class Provided:
    """One line of `orch build`."""

    image: str
    state: str  # there | built | unsupported | failed
    text: str
    is_named: bool = False  # by itself, not by a suite

    @property
    def exit_code(self) -> Exit:
        """An image asked for by name has to be there; of a suite, what cannot be had here may be missing."""
        failed = self.state == "failed" or (self.state == "unsupported" and self.is_named)
        return Exit.ENGINE if failed else Exit.OK


def provide_images(bench: Workbench, targets: Sequence[ImageVariant]) -> tuple[BuiltImage | NotBuilt, ...]:
    """Return an image, or why there is none, for each variant; builds what is missing.

    All locks come first, so that what cannot be had is known before anything is downloaded.
    Raises DiskError or UsageError before the first download, EngineError if the engine cannot build.
    """
    done: dict[str, BuiltImage | NotBuilt] = dict(find_built(bench.engine, targets))
    done |= lock_missing(bench, [target for target in targets if target.name not in done])
    rest = [target for target in targets if target.name not in done]
    if rest:
        cost = bench.cost_of(rest)
        console.note(f"To fetch: {console.size(cost.download_bytes)}; disk: {console.size(cost.disk_bytes)}.")
        settings, storage = bench.settings, bench.engine.storage()
        check_space(
            cost,
            settings.cache,
            ask_above_bytes=settings.ask_above_bytes,
            agreed=bench.options.yes,
            storage=storage,
            away=bench.host.disk(storage) if storage else None,
        )
        workshop = Workshop(
            wheelhouse=bench.wheelhouse, folder=bench.settings.cache / "build", locked_only=bench.options.locked
        )
        done |= {one.target.name: one for one in build_images(bench.engine, rest, workshop)}
    for one in done.values():
        if isinstance(one, NotBuilt) and one.phase != "resolve":
            console.note(f"{one.target.name}: no image ({one.phase}): {one.reason}")
    return tuple(done[target.name] for target in targets)


def lock_missing(bench: Workbench, targets: Sequence[ImageVariant]) -> dict[str, NotBuilt]:
    """Lock what has no lock yet; returns what could not be locked, by variant name."""
    unlocked = [target for target in targets if not is_locked(target)]
    if bench.options.locked:
        reason = "it has no lock, and --locked resolves nothing. Make one: orch lock {}"
        return {one.name: NotBuilt(target=one, phase="resolve", reason=reason.format(one.name)) for one in unlocked}
    if unlocked:
        console.note(f"Not locked yet, resolving: {', '.join(target.name for target in unlocked)}")
    with ThreadPoolExecutor(AT_ONCE) as pool:
        errors = [error for error in pool.map(lambda target: _try_lock(bench, target), unlocked) if error]
    for _, error in errors:
        console.note(f"  {error.what}")
    for remedy in dict.fromkeys(error.remedy for _, error in errors if error.remedy):
        console.note(f"  {remedy}")
    return {
        target.name: NotBuilt(target=target, phase="resolve", reason=error.what.removeprefix(f"{target.name}: "))
        for target, error in errors
    }


def _try_lock(bench: Workbench, target: ImageVariant) -> tuple[ImageVariant, LockError] | None:
    try:
        lock_image(target, bench.env)
    except LockError as error:
        return target, error
    return None


def build_named(bench: Workbench, names: Sequence[str]) -> tuple[Provided, ...]:
    """Build suites or images by name, the default suite without one.

    Raises NothingSelectedError if none of it can run here.
    """
    targets: dict[str, ImageVariant] = {}
    named: set[str] = set()
    for name in names or (bench.settings.suite,):
        images = _find_images(bench, name)
        found = [_variant_of(bench, image, name) for image in images] if images else _targets_of_suite(bench, name)
        targets |= {target.name: target for target in found}
        named |= {target.name for target in found if images}
    bench.engine.check()
    before = find_built(bench.engine, targets.values())
    provided = provide_images(bench, tuple(targets.values()))
    return tuple(
        _describe(one, was_there=one.target.name in before, is_named=one.target.name in named) for one in provided
    )


def _find_images(bench: Workbench, name: str) -> tuple[Image, ...]:
    try:
        return match_images(load_images(bench.project), name.partition("+")[0])
    except ValueError:
        return ()


def _targets_of_suite(bench: Workbench, name: str) -> tuple[ImageVariant, ...]:
    try:
        plan = bench.with_suite(name).plan_suite().plan
    except UsageError as error:
        near = did_you_mean(name, [image.name for image in load_images(bench.project)])
        raise UsageError(f"{error} Nor is it an image.{near}") from error
    require_cells(plan)
    return plan.targets


def _variant_of(bench: Workbench, image: Image, name: str) -> ImageVariant:
    """Return the variant that is named (`pytorch-1.0.1+cu90`), else the planner's choice for this machine."""
    if "+" in name:
        return _named_variants(image, name)[0]
    choice = choose_variant(image, bench.target.gpu, is_locked)
    if isinstance(choice, str):
        raise NothingSelectedError(f"{image.name}: {choice}")
    return choice.target


def _named_variants(image: Image, name: str) -> tuple[ImageVariant, ...]:
    """Return the variant that a name ends in, all of the image's if it ends in none. Raises UsageError."""
    wanted = name.partition("+")[2]
    found = tuple(ImageVariant(image=image, variant=one) for one in image.variants if wanted in ("", one.name))
    if not found:
        known = ", ".join(one.name for one in image.variants)
        raise UsageError(f"{name}: {image.name} has no variant '{wanted}'. It has {known}.")
    return found


def _describe(one: BuiltImage | NotBuilt, *, was_there: bool, is_named: bool) -> Provided:
    if isinstance(one, NotBuilt):
        state = "unsupported" if one.phase == "resolve" else "failed"
        return Provided(image=one.target.name, state=state, text=f"{one.phase}: {one.reason}", is_named=is_named)
    return Provided(image=one.target.name, state="there" if was_there else "built", text=one.reference)


def lock_named(bench: Workbench, names: Sequence[str], *, fetch: bool) -> tuple[tuple[str, ...], Exit]:
    """Lock variants by name, all of an image's where none is named; returns a line for each and the exit code.

    fetch: download the wheels too. One that cannot be locked does not stop the others.
    """
    lines: list[str] = []
    exit_code = Exit.OK
    for name in names:
        for image in select_images(load_images(bench.project), (name.partition("+")[0],)):
            for target in _named_variants(image, name):
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
    return (
        f"{target.name}: {len(lock.files)} files, {size}, base {lock.base_digest or 'not pinned: no registry answered'}"
    )
