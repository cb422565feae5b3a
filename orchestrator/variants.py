"""Which CUDA build of an image runs on a GPU, or on none."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from orchestrator.gpus import TOOLKIT_DRIVERS
from orchestrator.hardware import Gpu
from orchestrator.images import Image, ImageVariant, Variant
from orchestrator.names import version_key

Capability = tuple[int, int]
NO_BUILD = "no CUDA build is listed for this version"


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The variant that is taken."""

    target: ImageVariant
    jit: bool = False  # no native code: PTX is compiled on the first start
    note: str = ""  # what a reader of the plan should know


def choose_variant(image: Image, gpu: Gpu | None, locked: Callable[[ImageVariant], bool]) -> Choice | str:
    """Return the variant of an image for a GPU, or for the CPU, or a sentence that says why there is none.

    gpu: None for the CPU; without its driver the floor is not checked. locked: whether a variant has a lock, which
    decides between builds that would run: on a GPU the newest CUDA, on the CPU the CPU build is taken if none has one.
    Rule: native code runs on the same major with an equal or higher minor; full PTX on any higher capability; partial
    PTX counts for nothing. Source: CUDA C++ Programming Guide, "Compute Capabilities".
    """
    if image.unavailable:
        return image.unavailable
    return _choose_for_cpu(image, locked) if gpu is None else _choose_for_gpu(image, gpu, locked)


def _choose_for_cpu(image: Image, locked: Callable[[ImageVariant], bool]) -> Choice | str:
    targets = [ImageVariant(image=image, variant=variant) for variant in image.variants]
    cpu = [target for target in targets if target.variant.cuda is None]
    carrying = [target for target in reversed(targets) if target.variant.cuda and target.variant.self_contained]
    candidates = targets if image.variant_is_named else [*cpu, *carrying]
    if not candidates:
        return "no CPU build was published for this version"
    target = next((target for target in candidates if locked(target)), candidates[0])
    return Choice(target=target, note=f"CUDA build {target.variant.name} on the CPU" if target.variant.cuda else "")


def _choose_for_gpu(image: Image, gpu: Gpu, locked: Callable[[ImageVariant], bool]) -> Choice | str:
    builds = sorted(
        (one for one in image.variants if one.cuda), key=lambda one: version_key(one.cuda or ""), reverse=True
    )
    native = [build for build in builds if _is_native(build, gpu)]
    compiled = [build for build in builds if _is_full_ptx(build, gpu)]
    floors = [(build, build.min_driver) for build in native]
    floors += [(build, _ptx_driver(build)) for build in compiled if build not in native]
    choices = [
        Choice(
            target=ImageVariant(image=image, variant=build),
            jit=build not in native,
            note=f"needs driver >= {floor}, not checked" if floor and gpu.driver is None else "",
        )
        for build, floor in floors
        if floor is None or gpu.driver is None or version_key(gpu.driver) >= version_key(floor)
    ]
    if choices:  # code for this GPU comes before code that is compiled at the start, with a lock or without
        return min(choices, key=lambda choice: (choice.jit, not locked(choice.target)))
    if floors:
        lowest, floor = min(floors, key=lambda pair: version_key(pair[1] or "0"))
        return f"needs driver >= {floor} ({lowest.name}), found {gpu.driver}"
    return _no_build_reason(builds, gpu) if builds else image.without_cuda or NO_BUILD


def _no_build_reason(builds: Sequence[Variant], gpu: Gpu) -> str:
    """builds: newest first, at least one."""
    unknown = [build.name for build in builds if not build.compute]
    more = f"; capabilities of {', '.join(sorted(unknown))} not known" if unknown else ""
    known = [(capability(text), build) for build in builds for text in build.compute]
    if not known:
        return f"no build known for compute {gpu.compute}{more}"
    below = [pair for pair in known if pair[0] <= capability(gpu.compute)]
    pick, word = (max, "newest") if below else (min, "oldest")
    (major, minor), build = pick(below or known, key=lambda pair: pair[0])
    partial = f"; PTX {build.ptx.replace(':', ' only ')}" if ":" in build.ptx else ""
    return f"no build for compute {gpu.compute}: {word} native is {major}.{minor} ({build.name}){partial}{more}"


def _is_native(build: Variant, gpu: Gpu) -> bool:
    device = capability(gpu.compute)
    return any(have[0] == device[0] and have[1] <= device[1] for have in map(capability, build.compute))


def _is_full_ptx(build: Variant, gpu: Gpu) -> bool:
    return build.ptx != "none" and ":" not in build.ptx and capability(build.ptx) <= capability(gpu.compute)


def _ptx_driver(build: Variant) -> str | None:
    """Return the driver that compiles a build's PTX: its CUDA version's own, else that of the next one listed."""
    cuda = version_key(build.cuda or "0")
    later = (driver for version, driver in TOOLKIT_DRIVERS.items() if version_key(version) >= cuda)
    found = [driver for driver in (build.min_driver, next(later, None)) if driver]
    return max(found, key=version_key, default=None)


def capability(text: str) -> Capability:
    """Return a compute capability as (major, minor)."""
    major, _, minor = text.partition(".")
    return int(major), int(minor or 0)
