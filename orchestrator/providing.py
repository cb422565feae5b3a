"""The images that a verb needs: locked, looked up, weighed against disk and agreement, built."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from orchestrator import console
from orchestrator.building import NotBuilt, Workshop, build_images, find_built
from orchestrator.catalog import load_images, match_images
from orchestrator.disk_space import check_space
from orchestrator.engines import BuiltImage
from orchestrator.errors import Exit, LockError, NothingSelectedError, UsageError
from orchestrator.images import Image, ImageVariant
from orchestrator.locking import is_locked, why_unlocked
from orchestrator.names import did_you_mean
from orchestrator.pinning import named_variants
from orchestrator.planning import Plan, require_cells
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
        workshop = Workshop(wheelhouse=bench.wheelhouse, folder=bench.settings.cache / "build")
        done |= {one.target.name: one for one in build_images(bench.engine, rest, workshop)}
    for one in done.values():
        if isinstance(one, NotBuilt) and one.phase != "resolve":
            console.note(f"{one.target.name}: no image ({one.phase}): {one.reason}")
    return tuple(done[target.name] for target in targets)


def lock_missing(bench: Workbench, targets: Sequence[ImageVariant]) -> dict[str, NotBuilt]:
    """With --resolve, lock what has no lock yet; returns what has none in the end, by variant name."""
    unlocked = [target for target in targets if not is_locked(target)]
    if not bench.options.resolve:
        return {
            one.name: NotBuilt(target=one, phase="resolve", reason=f"{why_unlocked(one)}, or add --resolve")
            for one in unlocked
        }
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
    left_out: dict[str, Provided] = {}
    for name in names or (bench.settings.suite,):
        found: Sequence[ImageVariant] = choose_named(bench, name)
        named |= {target.name for target in found}
        if not found:
            plan = _plan_of_suite(bench, name)
            found = plan.targets
            left_out |= {one.image: one for one in _left_out(plan)}
        targets |= {target.name: target for target in found}
    bench.engine.check()
    before = find_built(bench.engine, targets.values())
    provided = provide_images(bench, tuple(targets.values()))
    return (
        *(_describe(one, was_there=one.target.name in before, is_named=one.target.name in named) for one in provided),
        *left_out.values(),
    )


def choose_named(bench: Workbench, name: str) -> tuple[ImageVariant, ...]:
    """Return the images that a name means, each in the variant that is named or fits here; none if it names none."""
    try:
        images = match_images(load_images(bench.project), name.partition("+")[0])
    except ValueError:
        return ()
    return tuple(_variant_of(bench, image, name) for image in images)


def _plan_of_suite(bench: Workbench, name: str) -> Plan:
    try:
        plan = bench.with_suite(name).plan_suite().plan
    except UsageError as error:
        near = did_you_mean(name, [image.name for image in load_images(bench.project)])
        raise UsageError(f"{error} Nor is it an image.{near}") from error
    require_cells(plan)
    return plan


def _left_out(plan: Plan) -> Iterator[Provided]:
    """Yield the images of a suite that nothing runs in here, with the reason."""
    there = {target.image.name for target in plan.targets}
    for image, reason in {one.image: one.reason for one in plan.unsupported if one.image not in there}.items():
        yield Provided(image=image, state="unsupported", text=reason)


def _variant_of(bench: Workbench, image: Image, name: str) -> ImageVariant:
    """Return the variant that is named (`pytorch-1.0.1+cu90`), else the planner's choice for this machine."""
    if "+" in name:
        return named_variants(image, name)[0]
    choice = choose_variant(image, bench.target.gpu, is_locked)
    if isinstance(choice, str):
        raise NothingSelectedError(f"{image.name}: {choice}")
    return choice.target


def _describe(one: BuiltImage | NotBuilt, *, was_there: bool, is_named: bool) -> Provided:
    if isinstance(one, NotBuilt):
        state = "unsupported" if one.phase == "resolve" else "failed"
        text = one.reason if one.phase == "resolve" else f"{one.phase}: {one.reason}"
        return Provided(image=one.target.name, state=state, text=text, is_named=is_named)
    return Provided(image=one.target.name, state="there" if was_there else "built", text=one.reference)
