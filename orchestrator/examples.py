"""A small suite and a small benchmark that run as they are: what `orch new suite` and `orch new benchmark` write."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from orchestrator.catalog import Project, find_benchmark, load_benchmarks, load_images, select_images
from orchestrator.errors import UsageError
from orchestrator.names import did_you_mean
from orchestrator.scaffolding import check_name, fill, schema_for
from orchestrator.specs import Benchmark

SIZES = {  # a step of a few milliseconds
    "run_pytorch.py": {"small": "batch: 64, features: 512", "large": "batch: 256, features: 512"},
    "run_plain.py": {"small": "batch: 8, features: 16", "large": "batch: 16, features: 32"},
}
NOT_PYTHON = ("torch7", "ccv", "cudnn", "cuda-convnet")  # frameworks without a module of their name
FIRST_LOOK = "lstm_asr"  # what a suite measures that names nothing
PYTORCH_LIMIT = """
    unsupported: [{versions: {pytorch: "<0.4"}, reason: "written for PyTorch 0.4 and newer"}]"""


def new_suite(project: Project, name: str, benchmark: str | None, images: Sequence[str]) -> Mapping[Path, str]:
    """Return the file of a suite that takes the first implementation and configuration of a benchmark.

    benchmark: None for the one of the first look. images: patterns; none for all of the benchmark's framework.
    Raises UsageError for a name that cannot be used, or a benchmark or images that are not there.
    """
    check_name(name, "suite")
    found = _find_benchmark(project, benchmark)
    first, configuration = found.implementations[0], found.configurations[0].name
    chosen = {image.framework for image in select_images(load_images(project), images)}
    others = chosen - set(found.scripts)
    if others:
        raise UsageError(f"benchmark {found.name} has no script for {', '.join(sorted(others))}. Choose other images.")
    able = (one for one in found.implementations if chosen <= set(one.frameworks))
    return _suite_file(
        project,
        name,
        title=f"{found.title}, on several releases",
        benchmark=found.name,
        implementation=next(able, first).name,
        configuration=configuration,
        images=images or _families(project, first.frameworks[0]),
        is_free=not images,
    )


def new_benchmark(project: Project, name: str, framework: str) -> Mapping[Path, str]:
    """Return the files of a benchmark with its reference, one script, and a suite that runs it.

    Raises UsageError for a name or a framework that cannot be used.
    """
    check_name(name, "benchmark")
    families = _families(project, framework)
    if framework in NOT_PYTHON:
        raise UsageError(f"--framework {framework}: no example is shipped for it, since it is no Python module.")
    folder = project.root / "suites" / "benchmarks" / name
    script = "run_pytorch.py" if framework == "pytorch" else "run_plain.py"
    values = {"name": name, "framework": framework, "module": framework}
    benchmark = fill(
        "benchmark.yaml",
        **values,
        **_sizes(script),
        label="nn.Linear" if framework == "pytorch" else "plain Python",
        unsupported=PYTORCH_LIMIT if framework == "pytorch" else "",
        schema=schema_for("benchmark", folder / "benchmark.yaml", project.root),
    )
    suite = _suite_file(
        project,
        name,
        title="A linear layer, one training step, on several releases",
        benchmark=name,
        implementation="linear",
        configuration="small, large",
        images=families,
        is_free=True,
    )
    own = {
        "benchmark.yaml": benchmark,
        "reference.py": fill("reference.py", **values),
        f"run_{framework}.py": fill(script, **values),
    }
    return {**{folder / file: text for file, text in own.items()}, **suite}


def _sizes(script: str) -> Mapping[str, str]:
    """Return the configurations of an example, and how many values each trains."""
    sizes = SIZES[script]
    features = {name: int(text.rpartition(" ")[2]) for name, text in sizes.items()}
    return {**sizes, **{f"{name}count": str(count * count + count) for name, count in features.items()}}


def _suite_file(
    project: Project, name: str, *, images: Sequence[str], is_free: bool, **values: str
) -> Mapping[Path, str]:
    path = project.root / "suites" / f"{name}.yaml"
    patterns = ", ".join(f'"{image}"' for image in images)
    choose = fill("choose.yaml") if is_free else ""
    schema = schema_for("suite", path, project.root)
    return {path: fill("suite.yaml", name=name, images=patterns, choose=choose, schema=schema, **values)}


def _find_benchmark(project: Project, name: str | None) -> Benchmark:
    if name is not None:
        return find_benchmark(project, name)
    known = {benchmark.name: benchmark for benchmark in load_benchmarks(project)}
    if not known:
        return find_benchmark(project, FIRST_LOOK)
    return known.get(FIRST_LOOK) or next(iter(known.values()))


def _families(project: Project, framework: str) -> tuple[str, ...]:
    """Return a pattern for each family with images of a framework. Raises UsageError if there is none."""
    images = [image for image in load_images(project) if not image.unavailable]
    families = sorted({image.family for image in images if image.framework == framework})
    if not families:
        near = did_you_mean(framework, {image.framework for image in images})
        raise UsageError(f"no images of framework '{framework}'.{near} `orch list` names all images.")
    return tuple(f"{family}-*" for family in families)
