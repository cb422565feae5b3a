"""Two of the files a person writes, benchmark.yaml and suites, into specs; the third is read by `rows`."""

import hashlib
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from orchestrator.loading import build
from orchestrator.names import in_version_range, is_pattern
from orchestrator.rows import check_folder
from orchestrator.specs import (
    Benchmark,
    Compare,
    Configuration,
    Exclusion,
    Implementation,
    Measure,
    Profile,
    Protocol,
    Selection,
    Suite,
    Unsupported,
)
from orchestrator.yaml_lines import Node, read_yaml, shown_path

SAMPLES_AT_LEAST = 5
SAMPLES_AT_MOST = 20_000  # what a report holds, of several phases
_AT_LEAST = {"warmup": 0, "samples": SAMPLES_AT_LEAST, "blocks": 1, "threads": 1, "phases": 1}
BLOCKS_AT_MOST = 1000
_AT_MOST = {"warmup": SAMPLES_AT_MOST, "samples": SAMPLES_AT_MOST}


def load_benchmark(path: Path, cwd: Path) -> Benchmark:
    """Read a `benchmark.yaml`; whether its scripts are there is not looked at.

    cwd: the folder that a relative path and the paths in messages start from. Raises ConfigurationError.
    """
    root = read_yaml(cwd / path, shown_path(path, cwd))
    check_folder(root.required("benchmark"), path)
    scripts = root.required("scripts")
    configurations = tuple(_load_configuration(*entry) for entry in root.required("configurations").mapping().items())
    probe = root.entries("probe")
    known = {name for configuration in configurations for name in configuration.parameters}
    if probe:
        root.required("probe").check_keys(known)
    return build(
        Benchmark,
        root,
        read=("benchmark", "implementations", "configurations", "measures", "probe", "falls"),
        name=path.parent.name,
        folder=(cwd / path).parent,
        implementations=tuple(
            _load_implementation(name, node, scripts)
            for name, node in root.required("implementations").mapping().items()
        ),
        configurations=configurations,
        measures=tuple(_load_measure(name, node, configurations) for name, node in root.entries("measures").items()),
        probe={key: node.scalar() for key, node in probe.items()},
        falls=_load_falls(root),
    )


def _load_measure(name: str, node: Node, configurations: Sequence[Configuration]) -> Measure:
    """Read a measure; its time is in seconds, and only numbers of every configuration are divided by it."""
    measure = build(Measure, node, read=("from",), name=name, phase=node.required("from").text())
    if measure.per is None and measure.unit != "s":
        raise node.at(("unit",)).error("must be s, or say with 'per' of what there are so many in a second.")
    if measure.per is not None and not measure.unit.endswith("/s"):
        raise node.at(("unit",)).error(f"must end in /s, since {measure.per} is divided by the time.")
    for one in configurations if measure.per is not None else ():
        value = one.parameters.get(str(measure.per))
        if value is None or isinstance(value, str | bool):
            raise node.at(("per",)).error(f"configuration {one.name} has no number called {measure.per}.")
    return measure


def _load_falls(root: Node) -> bool | dict[str, bool]:
    """Read whether the loss has to fall: everywhere, nowhere, or one for each pattern of configurations."""
    written = root.mapping().get("falls")
    if written is None:
        return False
    patterns = {"*": written} if isinstance(written.value, str) else written.mapping()
    for node in patterns.values():
        if not isinstance(node.scalar(), bool):
            raise node.error(f"must be true or false, not {node.kind}.")
    falls = {pattern: bool(node.scalar()) for pattern, node in patterns.items()}
    return falls["*"] if isinstance(written.value, str) else falls


def load_suite(path: Path, cwd: Path) -> Suite:
    """Read a suite; the images and benchmarks it names are looked up by `catalog`.

    cwd: the folder that a relative path and the paths in messages start from. Raises ConfigurationError.
    """
    root = read_yaml(cwd / path, shown_path(path, cwd))
    written = root.mapping()
    compare, baseline_line = _load_compare(root)
    protocol = (
        _checked(written["protocol"], build(Protocol, written["protocol"])) if "protocol" in written else Protocol()
    )
    return build(
        Suite,
        root,
        read=("suite", "benchmarks", "protocol", "profiles", "compare", "download_at_most"),
        name=root.required("suite").text(),
        path=cwd / path,
        sha256=hashlib.sha256((cwd / path).read_bytes()).hexdigest(),
        selections=tuple(_load_selection(node) for node in _filled(root, "benchmarks")),
        protocol=protocol,
        profiles=tuple(_load_profile(name, node, protocol) for name, node in root.entries("profiles").items()),
        profile=None,
        compare=compare,
        baseline_line=baseline_line,
        download_at_most_bytes=written["download_at_most"].size_bytes() if "download_at_most" in written else None,
        image_lines=tuple(node.line for node in _filled(root, "images")),
    )


def _filled(root: Node, key: str) -> tuple[Node, ...]:
    items = root.required(key).items()
    if not items:
        raise root.required(key).error(f"is empty. Name at least one of the {key}; `orch list` shows them.")
    return items


def _load_implementation(name: str, node: Node, scripts: Node) -> Implementation:
    own = ("label", "frameworks", "parameters", "unsupported")
    traits = {key: value.scalar() for key, value in node.mapping().items() if key not in own}
    label = node.mapping().get("label")
    frameworks = node.mapping().get("frameworks")
    for item in frameworks.items() if frameworks else ():
        if item.text() not in scripts.mapping():
            raise item.error(f"there is no script for '{item.text()}'. Add it to 'scripts', in line {scripts.line}.")
    return build(
        Implementation,
        node,
        read=("label", "frameworks", "parameters", "unsupported", *traits),
        name=name,
        label=label.text() if label else name,
        frameworks=tuple(item.text() for item in frameworks.items()) if frameworks else tuple(scripts.mapping()),
        traits=traits,
        parameters=_load_counts(node),
        unsupported=_load_unsupported(node),
    )


def _load_counts(node: Node) -> dict[str, int]:
    """Read how many values are trained: one number, or one for each pattern of configurations."""
    written = node.mapping().get("parameters")
    counts = {} if written is None else {"*": written} if isinstance(written.value, str) else written.mapping()
    for count in counts.values():
        if type(count.scalar()) is not int:
            raise count.error(f"must be a whole number, not {count.kind}.")
    return {pattern: int(count.text()) for pattern, count in counts.items()}


def _load_unsupported(node: Node) -> tuple[Unsupported, ...]:
    written = node.mapping().get("unsupported")
    return tuple(_load_group(item) for item in written.items()) if written else ()


def _load_group(node: Node) -> Unsupported:
    for framework, wanted in node.entries("versions").items():
        text = framework + wanted.text()
        try:
            in_version_range(framework, "1.0", text)
        except ValueError as error:
            raise wanted.error(f"{error}.") from error
        if not is_pattern(text):
            raise wanted.error(f"'{wanted.text()}' is not a range such as <2.0 or >=1.0,<2.0.")
    return build(Unsupported, node)


def _load_configuration(name: str, node: Node) -> Configuration:
    own = ("step_s", "unsupported")
    parameters = {key: value.scalar() for key, value in node.mapping().items() if key not in own}
    read = ("unsupported", *parameters)
    return build(Configuration, node, read=read, name=name, parameters=parameters, unsupported=_load_unsupported(node))


def _load_selection(node: Node) -> Selection:
    exclude = node.mapping().get("exclude")
    exclusions = tuple(build(Exclusion, item) for item in exclude.items()) if exclude else ()
    return build(Selection, node, read=("exclude",), exclude=exclusions, line=node.line)


def _load_compare(root: Node) -> tuple[Compare, int | None]:
    """Return what is compared, and the line the baseline is written in."""
    written = root.entries("compare")
    if not written:
        return Compare(), None
    baseline = written.get("baseline")
    is_across_systems = "across" in written and written["across"].text() == "system"
    default = {} if baseline or not is_across_systems else {"baseline": "fastest"}
    compare = build(Compare, root.required("compare"), **default)
    return compare, baseline.line if baseline else None


def _load_profile(name: str, node: Node, protocol: Protocol) -> Profile:
    known = [field.name for field in fields(Protocol)]
    node.check_keys((*known, "configurations", "images"))
    changed = [key for key in known if key in node.mapping()]
    kept = {key: getattr(protocol, key) for key in known if key not in changed}
    built = _checked(node, build(Protocol, node, read=("configurations", "images"), **kept))
    patterns = node.mapping().get("configurations")
    images = _filled(node, "images") if "images" in node.mapping() else ()
    return Profile(
        name=name,
        protocol={key: getattr(built, key) for key in changed},
        configurations=tuple(item.text() for item in patterns.items()) if patterns else ("*",),
        images=tuple(item.text() for item in images),
        image_lines=tuple(item.line for item in images),
    )


def _checked(node: Node, protocol: Protocol) -> Protocol:
    """Refuse counts and times that nothing can be measured with."""
    for key, least in _AT_LEAST.items():
        value = getattr(protocol, key)
        count = len(value) if isinstance(value, tuple) else value
        if count is not None and count < least:
            raise node.at((key,)).error(f"must be at least {least}, not {count}.")
    for key, most in _AT_MOST.items():
        if getattr(protocol, key) > most:
            what = f"must be at most {most}, not {getattr(protocol, key)}: a report holds at most {most} samples."
            raise node.at((key,)).error(f"{what} Longer samples say more.")
    if protocol.blocks > BLOCKS_AT_MOST:
        raise node.at(("blocks",)).error(f"must be at most {BLOCKS_AT_MOST}, not {protocol.blocks}.")
    for phase, count in Counter(protocol.phases).items():
        if count > 1:
            raise node.at(("phases",)).error(f"names {phase} {count} times. Once is enough.")
    for key in ("at_most_s", "timeout_s"):
        if not 0 < getattr(protocol, key) < math.inf:
            raise node.at((key,)).error(f"must be a positive number of seconds, not {getattr(protocol, key)}.")
    return protocol
