"""Suite × images -> cells, or why not; what they cost. Nothing is fetched, started or looked up here."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from orchestrator.errors import NothingSelectedError, UsageError
from orchestrator.hardware import Gpu
from orchestrator.images import Image, ImageVariant
from orchestrator.names import did_you_mean, matches, version_key
from orchestrator.specs import (
    Benchmark,
    Cell,
    Configuration,
    Device,
    Implementation,
    Protocol,
    Selection,
    Suite,
    UnsupportedCell,
)
from orchestrator.unsupported import why_unsupported
from orchestrator.variants import Choice, choose_variant

QUICK = "quick"  # the profile taken without a GPU
STEPS_AT_LEAST = 7  # of a phase, whatever they take: the harness warms up with two and takes five samples
# Unpacked to packed, measured: 1.8 to 2.2 for the CUDA builds of PyTorch 1.0.1 to 2.14.0, whose kernels are compressed
# in the library; 4.0 to 4.5 for the CPU builds of PyTorch 2.13.0 and JAX 0.4.30 and 0.7.0.
UNPACKED_CUDA, UNPACKED_CPU = 2.3, 4.6
BASE_BYTES = 200 * 10**6  # of a slim Python base, once per image at most
# Import and set-up of a launch: 0.1 to 6 s measured over eight frameworks. Build: 45 s for torch 1.0.0, two cores.
LAUNCH_S, BUILD_S = 5.0, 45.0


@dataclass(frozen=True, kw_only=True)
class Target:
    """What a plan is made for."""

    device: Device
    gpu: Gpu | None = None  # needed for "cuda"
    platform: str = "linux/amd64"
    gpus: tuple[Gpu, ...] = ()  # to compute on, all like `gpu`; none where the plan is for one that is not here


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is launched, and what is not and why. Rows in the suite's order; columns by family, oldest first."""

    suite: Suite  # with its profile applied
    cells: tuple[Cell, ...]
    unsupported: tuple[UnsupportedCell, ...]
    notes: Mapping[str, str]  # image variant -> what a reader should know

    @cached_property
    def targets(self) -> tuple[ImageVariant, ...]:
        """The image variants the cells need, oldest first."""
        return tuple({cell.image.name: cell.image for cell in self.cells}.values())


@dataclass(frozen=True, kw_only=True)
class BuildCost:
    """What building images takes."""

    download_bytes: int  # of the known ones
    unknown_downloads: tuple[str, ...]  # image variants whose size nobody knows before they are locked
    disk_bytes: int


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What a plan costs before its first result."""

    build: BuildCost
    seconds: float  # building and measuring, without the download


def default_profile(suite: Suite, device: Device, asked: str | None) -> str | None:
    """Return the profile to apply: the one asked for, else `quick` on the CPU where the suite has it."""
    has_quick = any(profile.name == QUICK for profile in suite.profiles)
    return QUICK if asked is None and device == "cpu" and has_quick else asked


def apply_profile(suite: Suite, name: str | None) -> Suite:
    """Return the suite with the profile's protocol and images. Raises UsageError for an unknown profile."""
    if name is None:
        return suite
    profile = next((one for one in suite.profiles if one.name == name), None)
    if profile is None:
        near = did_you_mean(name, [one.name for one in suite.profiles]) or " The suite has none."
        raise UsageError(f"--profile {name}: suite '{suite.name}' has no such profile.{near}")
    values = {field: getattr(suite.protocol, field) for field in Protocol.__dataclass_fields__} | dict(profile.protocol)
    images, lines = (profile.images, profile.image_lines) if profile.images else (suite.images, suite.image_lines)
    return replace(suite, protocol=Protocol(**values), profile=name, images=images, image_lines=lines)


def plan_cells(
    suite: Suite,
    images: Sequence[Image],
    benchmarks: Mapping[str, Benchmark],
    target: Target,
    locked: Callable[[ImageVariant], bool],
    engine_reason: Callable[[ImageVariant], str | None],
) -> Plan:
    """Make the cells of a suite whose profile is applied.

    images: the suite's. locked, engine_reason: asked once per image; the latter says why the engine can never run it.
    An implementation that is not written for a framework makes no combination with it.
    Raises NothingSelectedError if there is no combination at all; all of them unsupported is a plan.
    """
    if target.device == "cuda" and target.gpu is None:
        raise ValueError("a plan for a GPU needs one")
    ordered = sorted(images, key=lambda image: (image.family, version_key(image.version)))
    columns = [(image, _choose(image, target, locked, engine_reason)) for image in ordered]
    cells: list[Cell] = []
    unsupported: list[UnsupportedCell] = []
    seen: set[tuple[str, ...]] = set()  # two selections may overlap
    for selection, implementation, configuration in _rows(suite, benchmarks):
        place = {
            "benchmark": selection.benchmark,
            "implementation": implementation.name,
            "configuration": configuration.name,
        }
        across = suite.compare.across
        for image, chosen in columns:
            if image.framework not in implementation.frameworks or _is_excluded(selection, image, place):
                continue
            if (image.name, *place.values()) in seen:
                continue
            seen.add((image.name, *place.values()))
            choice = chosen
            if isinstance(chosen, Choice):
                choice = why_unsupported(image, target.device, implementation, configuration) or chosen
            if isinstance(choice, Choice):
                cells.append(Cell(image=choice.target, device=target.device, jit=choice.jit, across=across, **place))
            else:
                unsupported.append(UnsupportedCell(image=image.name, reason=choice, across=across, **place))
    if not cells and not unsupported:
        raise NothingSelectedError(
            f"suite '{suite.name}' selects nothing: no image fits its benchmarks. Check the names."
        )
    return Plan(
        suite=suite,
        cells=tuple(cells),
        unsupported=tuple(unsupported),
        notes={one.target.name: one.note for _, one in columns if isinstance(one, Choice) and one.note},
    )


def require_cells(plan: Plan) -> None:
    """Raise NothingSelectedError, with the reasons, if nothing of the plan can run."""
    if not plan.cells:
        reasons = {f"  {cell.image}: {cell.reason}": None for cell in plan.unsupported}
        raise NothingSelectedError("nothing of this suite can run here:\n" + "\n".join(reasons))


def estimate(
    plan: Plan,
    benchmarks: Mapping[str, Benchmark],
    missing_bytes: Callable[[ImageVariant], int | None],
    is_built: Callable[[ImageVariant], bool],
    slots: int = 1,
) -> Estimate:
    """Say what a plan downloads, takes on disk and lasts; a step without a hint counts as long as its phase may.

    slots: how many launches run side by side.
    """
    missing = [target for target in plan.targets if not is_built(target)]
    alike = Counter((cell.benchmark, cell.configuration, cell.device) for cell in plan.cells)
    measuring_s = sum(count * _cell_s(plan.suite.protocol, benchmarks, *cell) for cell, count in alike.items())
    return Estimate(build=estimate_build(missing, missing_bytes), seconds=BUILD_S * len(missing) + measuring_s / slots)


def estimate_build(targets: Sequence[ImageVariant], missing_bytes: Callable[[ImageVariant], int | None]) -> BuildCost:
    """Say what building these downloads and takes on disk: a wheel lies in the wheelhouse, builder and image.

    missing_bytes: what is still to be fetched for an image variant, None if not known.
    """
    missing = {target: missing_bytes(target) for target in targets}
    return BuildCost(
        download_bytes=sum(size or 0 for size in missing.values()),
        unknown_downloads=tuple(target.name for target, size in missing.items() if size is None),
        disk_bytes=sum(BASE_BYTES + _disk_bytes(target, size or 0) for target, size in missing.items()),
    )


def _disk_bytes(target: ImageVariant, missing_bytes: int) -> int:
    """Bytes in the wheelhouse, in the builder's copy of the wheels and unpacked in the image."""
    packed = max(missing_bytes, target.variant.download_bytes or 0)
    return round(missing_bytes + packed + packed * (UNPACKED_CUDA if target.variant.cuda else UNPACKED_CPU))


def _rows(
    suite: Suite, benchmarks: Mapping[str, Benchmark]
) -> Iterator[tuple[Selection, Implementation, Configuration]]:
    profile = next((one for one in suite.profiles if one.name == suite.profile), None)
    kept = profile.configurations if profile else ("*",)
    for selection in suite.selections:
        benchmark = benchmarks[selection.benchmark]
        for configuration in benchmark.configurations:
            if not matches(configuration.name, selection.configurations) or not matches(configuration.name, kept):
                continue
            for implementation in benchmark.implementations:
                if matches(implementation.name, selection.implementations):
                    yield selection, implementation, configuration


def _choose(
    image: Image,
    target: Target,
    locked: Callable[[ImageVariant], bool],
    engine_reason: Callable[[ImageVariant], str | None],
) -> Choice | str:
    if image.platform != target.platform:
        return f"no {target.platform.rpartition('/')[2]} wheel"
    choice = choose_variant(image, target.gpu if target.device == "cuda" else None, locked)
    if isinstance(choice, str):
        return choice
    return engine_reason(choice.target) or choice


def _is_excluded(selection: Selection, image: Image, names: Mapping[str, str]) -> bool:
    return any(
        matches(image.name, (one.image,))
        and matches(names["implementation"], (one.implementation,))
        and matches(names["configuration"], (one.configuration,))
        for one in selection.exclude
    )


def _cell_s(
    protocol: Protocol, benchmarks: Mapping[str, Benchmark], benchmark: str, configuration: str, device: Device
) -> float:
    """Seconds of all launches of a cell, its gate launch included."""
    hints = next(one.step_s for one in benchmarks[benchmark].configurations if one.name == configuration)
    step_s = hints.get(device)
    gate_s, phase_s = LAUNCH_S, protocol.at_most_s
    if step_s is not None:
        gate_s += step_s  # a gate launch makes one step of the measured size
        capped_s = min(protocol.at_most_s, (protocol.warmup + protocol.samples) * step_s)
        phase_s = max(capped_s, STEPS_AT_LEAST * step_s)
    return protocol.blocks * (len(protocol.phases) * phase_s + LAUNCH_S) + gate_s
