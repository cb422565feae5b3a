"""What is put into a launch: the harness, the benchmark's script, and the job they read."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from orchestrator.errors import ConfigurationError
from orchestrator.names import matches
from orchestrator.shipped import shipped_folders
from orchestrator.specs import Benchmark, Cell, Configuration, Implementation, Protocol, Scalar

HARNESS = "harness.py"


def common_folder(benchmark: Benchmark) -> Path:
    """Return the folder of the harness: beside the benchmark's own, else the one that comes with `orch`.

    Raises ConfigurationError if it is in neither.
    """
    shipped = [folder / "suites" / "benchmarks" for folder in shipped_folders()]
    for folder in (benchmark.folder.parent, *shipped):
        if (folder / HARNESS).is_file():
            return folder
    raise ConfigurationError(
        f"no {HARNESS} here nor in {shipped[-1]}. Copy suites/benchmarks/*.py of `orch` here.",
        file=str(benchmark.folder.parent),
    )


def launch_files(benchmark: Benchmark, framework: str) -> Mapping[str, bytes]:
    """Return the files of a launch but job.json: name below in/ -> content.

    Besides the harness and the script these are its modules: what is called *_<framework>.py in the benchmark's folder.
    A script in another language (.lua) has modules, and what runs it beside the harness, of the same ending.
    Raises ConfigurationError if the benchmark has no script for the framework, or the file is missing.
    """
    if framework not in benchmark.scripts:
        raise ConfigurationError(
            f"no script for {framework}. Add one to `scripts`.", file=str(benchmark.folder / "benchmark.yaml")
        )
    script = benchmark.folder / benchmark.scripts[framework]
    if not script.is_file():
        raise ConfigurationError("no such script. Write it or correct `scripts` in benchmark.yaml.", file=str(script))
    own = {script, *benchmark.folder.glob(f"*_{framework}{script.suffix}")}
    common = {path for suffix in {".py", script.suffix} for path in common_folder(benchmark).glob(f"*{suffix}")}
    paths = (*sorted(common), *sorted(own))
    return {path.name: path.read_bytes() for path in paths}


def code_sha256(files: Mapping[str, bytes]) -> str:
    """Hash all code of a launch that is not in its image, as "sha256:…". files: from launch_files."""
    total = hashlib.sha256()
    for name, content in sorted(files.items()):
        total.update(f"{name} {len(content)}\n".encode() + content)
    return f"sha256:{total.hexdigest()}"


def job_content(
    cell: Cell, benchmark: Benchmark, protocol: Protocol, *, mode: Literal["measure", "gate"], threads: int
) -> bytes:
    """Return job.json, whose meaning is documented in harness.py.

    threads: the protocol's, resolved where it names none.
    """
    implementation = next(one for one in benchmark.implementations if one.name == cell.implementation)
    configuration = next(one for one in benchmark.configurations if one.name == cell.configuration)
    image = cell.image.image
    job = {
        "mode": mode,
        "script": benchmark.scripts[image.framework],
        "framework": image.framework,
        "promised_version": image.framework_version,
        "implementation": implementation.name,
        "traits": dict(implementation.traits),
        "configuration": configuration.name,
        "parameters": dict(configuration.parameters),
        "probe": probe_of(benchmark, configuration),
        "protocol": {
            "phases": protocol.phases,
            "warmup": protocol.warmup,
            "samples": protocol.samples,
            "at_most_s": protocol.at_most_s,
            "threads": threads,
            "precision": protocol.precision,
        },
        "device": cell.device,
        "falls": has_to_fall(benchmark, configuration),
        "expected_parameters": expected_parameters(implementation, configuration),
    }
    return json.dumps(job, sort_keys=True, indent=1).encode()


def probe_of(benchmark: Benchmark, configuration: Configuration) -> dict[str, Scalar]:
    """Return what the gate's probe replaces in a configuration: of the benchmark's probe, the parameters it has."""
    return {name: value for name, value in benchmark.probe.items() if name in configuration.parameters}


def has_to_fall(benchmark: Benchmark, configuration: Configuration) -> bool:
    """Say whether the loss has to be lower after the training steps than before."""
    if isinstance(benchmark.falls, bool):
        return benchmark.falls
    return any(falls for pattern, falls in benchmark.falls.items() if matches(configuration.name, (pattern,)))


def expected_parameters(implementation: Implementation, configuration: Configuration) -> int | None:
    """Return how many values are trained, None where the benchmark does not say it."""
    counts = implementation.parameters.items()
    return next((count for pattern, count in counts if matches(configuration.name, (pattern,))), None)
