"""Where images and suites are found, and what the names in a suite mean."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from orchestrator.definitions import load_benchmark, load_suite
from orchestrator.errors import ConfigurationError, UsageError
from orchestrator.images import Image
from orchestrator.names import did_you_mean, expand_braces, in_version_range, is_pattern, matches, version_key
from orchestrator.rows import load_versions
from orchestrator.selection_checks import check_baseline, check_phases, check_scripts, check_selection, check_unit
from orchestrator.shipped import shipped_folders
from orchestrator.specs import Benchmark, Selection, Suite
from orchestrator.yaml_lines import shown_path


@dataclass(frozen=True, kw_only=True)
class Project:
    """The folders that images and suites are read from."""

    root: Path  # orch.toml and a suite's relative path are looked up here
    images: Path
    suites: Path
    cwd: Path  # paths in messages are relative to it


@dataclass(frozen=True, kw_only=True)
class Study:
    """A suite with everything it names, found and checked."""

    suite: Suite
    images: tuple[Image, ...]  # by family, oldest first
    benchmarks: Mapping[str, Benchmark]


def find_project(option: Path | None, cwd: Path) -> Project:
    """Find images/ and suites/, each in the first place that has it.

    option: --project; else the working folder and its parents; last what orch was shipped with.
    Raises UsageError if the option has neither, or nothing was shipped.
    """
    if option is not None:
        places: tuple[Path, ...] = (cwd / option,)
        if not any(_has_images(place) or _has_suites(place) for place in places):
            raise UsageError(f"--project {option}: no images/*/versions.yaml and no suites/*.yaml there.")
    else:
        places = (cwd, *cwd.parents)
    everywhere = (*places, *shipped_folders())
    images = next((place for place in everywhere if _has_images(place)), None)
    suites = next((place for place in everywhere if _has_suites(place)), None)
    if images is None or suites is None:
        raise UsageError("no images/ and suites/ found. Go to a project folder or name one with --project.")
    root = next((place for place in places if place in (images, suites)), cwd)
    return Project(root=root, images=images / "images", suites=suites / "suites", cwd=cwd)


def load_images(project: Project) -> tuple[Image, ...]:
    """Read every row of every family, by family, oldest first. Raises ConfigurationError."""
    paths = sorted(project.images.glob("*/versions.yaml"))
    return sort_images(image for path in paths for image in load_versions(path, project.cwd))


def sort_images(images: Iterable[Image]) -> tuple[Image, ...]:
    """Sort images by family and version, oldest first."""
    return tuple(sorted(images, key=lambda image: (image.family, version_key(image.version))))


def load_benchmarks(project: Project) -> tuple[Benchmark, ...]:
    """Read every benchmark, by name. Raises ConfigurationError."""
    return tuple(load_benchmark(path, project.cwd) for path in sorted(_benchmark_files(project)))


def list_suites(project: Project) -> tuple[Path, ...]:
    """Return the files of the suites, by name."""
    return tuple(sorted(project.suites.glob("*.yaml")))


def find_suite(project: Project, text: str) -> Suite:
    """Read a suite by its path (from the working folder or the project) or its bare name.

    Raises UsageError if there is none, ConfigurationError if it is wrong.
    """
    shipped = project.suites.parent
    places = (project.cwd, project.root, shipped, *shipped_folders())
    candidates = (place / name for place in places for name in (text, f"suites/{text}.yaml"))
    path = next((candidate for candidate in candidates if candidate.is_file()), None)
    if path is None:
        known = [suite.stem for suite in list_suites(project)]
        near = did_you_mean(Path(text).stem, known)
        raise UsageError(
            f"{text}: no such suite in {shown_path(project.suites, project.cwd)} or the folder here.{near}"
        )
    return load_suite(path, project.cwd)


def find_study(project: Project, suite: Suite) -> Study:
    """Look up everything a suite names, scripts included. Raises ConfigurationError with the suite's line."""
    file = shown_path(suite.path, project.cwd)
    known = load_images(project)
    chosen: dict[str, Image] = {}
    for number, pattern in enumerate(suite.images):
        try:
            _add_images(chosen, match_images(known, pattern))
        except ValueError as error:
            raise ConfigurationError(f"images.{number}: {error}", file=file, line=suite.image_lines[number]) from error
    benchmarks = {choice.benchmark: _find_benchmark(project, choice, file) for choice in suite.selections}
    for choice in suite.selections:
        check_selection(choice, benchmarks[choice.benchmark], file)
        check_unit(suite, choice, benchmarks[choice.benchmark], file)
        check_phases(suite, choice, benchmarks[choice.benchmark], file)
    check_scripts(benchmarks.values(), {image.framework for image in chosen.values()}, project.cwd)
    check_baseline(suite, known_baselines(suite, chosen.values(), benchmarks), file)
    return Study(suite=suite, images=sort_images(chosen.values()), benchmarks=benchmarks)


def known_baselines(suite: Suite, images: Iterable[Image], benchmarks: Mapping[str, Benchmark]) -> tuple[str, ...]:
    """Return what the suite's tables could be divided by: first the rule that chooses one, then those to be named."""
    if suite.compare.across == "image":
        return ("oldest", *(image.name for image in images))
    systems = (
        f"{image.name}/{implementation.name}"
        for image in images
        for benchmark in benchmarks.values()
        for implementation in benchmark.implementations
        if image.framework in implementation.frameworks
        and any(
            matches(implementation.name, choice.implementations)
            for choice in suite.selections
            if choice.benchmark == benchmark.name
        )
    )
    return ("fastest", *dict.fromkeys(systems))


def select_images(images: Sequence[Image], patterns: Sequence[str]) -> tuple[Image, ...]:
    """Return the images that a command line names. Raises UsageError for a pattern without any."""
    try:
        return sort_images({image.name: image for text in patterns for image in match_images(images, text)}.values())
    except ValueError as error:
        raise UsageError(str(error)) from error


def match_images(images: Sequence[Image], pattern: str) -> tuple[Image, ...]:
    """Return the images of a name, a glob with {a,b} or a version range such as `pytorch>=1.0,<2.0`.

    A name that ends in a variant, `pytorch-1.13.1+cu117`, is that image with no other variant.
    Raises ValueError, with a suggestion, if one of the names is unknown or nothing matches.
    """
    from_names: list[Image] = []
    for written in expand_braces(pattern):
        text, _, variant = written.partition("+")
        found = [_with_variant(image, variant) for image in images if _fits(image, text)]
        if not found:
            what = f"nothing matches '{text}'." if is_pattern(text) else f"unknown image '{text}'."
            raise ValueError(what + did_you_mean(text, [image.name for image in images]))
        from_names += found
    return tuple(from_names)


def _add_images(chosen: dict[str, Image], images: Iterable[Image]) -> None:
    for image in images:
        before = chosen.setdefault(image.name, image)
        if before != image:
            raise ValueError(f"{image.name} is named in two ways. A table has one column for each image: name one.")


def _with_variant(image: Image, name: str) -> Image:
    """Keep only the variant of that name, all without one."""
    if not name:
        return image
    kept = tuple(variant for variant in image.variants if variant.name == name)
    if not kept:
        known = [variant.name for variant in image.variants]
        raise ValueError(f"{image.name} has no variant '{name}'.{did_you_mean(name, known)}")
    return replace(image, variants=kept, variant_is_named=True)


def _fits(image: Image, text: str) -> bool:
    return matches(image.name, (text,)) or in_version_range(image.family, image.version, text)


def find_benchmark(project: Project, name: str) -> Benchmark:
    """Read a benchmark of the project, or one that `orch` was shipped with. Raises UsageError if there is none."""
    folders = (project.suites, *(place / "suites" for place in shipped_folders()))
    paths = [folder / "benchmarks" / name / "benchmark.yaml" for folder in folders]
    path = next((path for path in paths if path.is_file()), None)
    if path is None:
        known = {path.parent.name for folder in folders for path in folder.glob("benchmarks/*/benchmark.yaml")}
        raise UsageError(f"unknown benchmark '{name}'.{did_you_mean(name, known)}")
    return load_benchmark(path, project.cwd)


def _find_benchmark(project: Project, choice: Selection, file: str) -> Benchmark:
    try:
        return find_benchmark(project, choice.benchmark)
    except UsageError as error:
        raise ConfigurationError(f"benchmarks: {error}", file=file, line=choice.line) from error


def _benchmark_files(project: Project) -> Iterable[Path]:
    return project.suites.glob("benchmarks/*/benchmark.yaml")


def _has_images(place: Path) -> bool:
    return any(place.glob("images/*/versions.yaml"))


def _has_suites(place: Path) -> bool:
    return any(place.glob("suites/*.yaml"))
