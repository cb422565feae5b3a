"""Printed times of a study as they stand beside measured ones: what is looked up for a row of a table."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.analysis.printed import Printed, read_study

PHASES = {"train": "train_step", "train_wps": "train_step", "forward": "forward", "eval_wps": "forward"}
RATIO = "relative_to_fastest"


@dataclass(frozen=True, kw_only=True)
class PublishedNumber:
    """One printed time, and its ratio to the fastest time of the same panel as the study printed it."""

    configuration: str
    framework: str
    version: str  # empty: not stated
    implementation: str  # the study's own label
    device: str
    value_s: float  # per iteration
    text: str  # as printed, with its unit
    ratio_to_fastest: float | None
    compared: str  # what the panel compares, of which one is the fastest: PyTorch versions, or frameworks
    defects: tuple[str, ...] = ()
    benchmark: str = ""
    phase: str = "train_step"  # as records name it, where they measure it; else the study's own word
    batch: int | None = None  # examples in an iteration
    parameters: Mapping[str, str] = field(default_factory=dict)
    panel: str = ""
    times_fastest: float | None = None  # the same ratio, derived from the printed times: every number has it


@dataclass(frozen=True, kw_only=True)
class Published:
    """The times of a document, without those elsewhere in its repository."""

    study: str  # short name: Braun 2018
    year: str
    source: str
    numbers: tuple[PublishedNumber, ...]
    panels: Mapping[str, str] = field(default_factory=dict)  # framework -> panel with most of its versions

    def find(
        self, configuration: str, framework: str, implementation: str, phase: str = "train_step"
    ) -> Mapping[str, PublishedNumber]:
        """Return version -> number for one row of a table, from the comparison of versions where there is one."""
        wanted = (configuration, framework.casefold(), implementation, phase)
        return {
            number.version: number
            for number in self.numbers
            if (number.configuration, number.framework.casefold(), number.implementation, number.phase) == wanted
            and number.version
            and number.panel == self.panels.get(number.framework, "")
        }


def read_published(path: Path) -> Published:
    """Read the printed times of a study. Raises ConfigurationError where its file is wrong."""
    study = read_study(path)
    numbers = tuple(_numbers(study.seed))
    return Published(
        study=study.name, year=study.year, source=study.source, numbers=numbers, panels=_version_panels(study.seed)
    )


def _numbers(printed: Sequence[Printed]) -> Iterable[PublishedNumber]:
    compared = _compared(printed)
    ratios = {_key(number): number.mean for number in printed if number.metric == RATIO}
    times = [(number, number.iteration_s) for number in printed]
    fastest: dict[tuple[str, ...], float] = {}
    for number, time_s in times:
        if time_s:
            fastest[_group(number)] = min(time_s, fastest.get(_group(number), time_s))
    for number, time_s in times:
        if time_s:
            ratio = ratios.get(_key(number)) if number.metric == "train" else None
            derived = time_s / fastest[_group(number)]
            yield _published(number, time_s, ratio, derived, compared[number.panel])


def _published(number: Printed, time_s: float, ratio: float | None, derived: float, compared: str) -> PublishedNumber:
    return PublishedNumber(
        configuration=number.configuration,
        framework=number.framework,
        version=number.version,
        implementation=number.implementation,
        device=short_device(number.device),
        value_s=time_s,
        text=f"{number.mean:g} {unit_text(number)}" if number.mean < 1e5 else f"{number.mean:.0f} {unit_text(number)}",
        ratio_to_fastest=ratio,
        times_fastest=derived,
        compared=compared,
        defects=number.defects,
        benchmark=number.benchmark,
        phase=PHASES.get(number.metric, number.metric),
        batch=number.batch,
        parameters=number.parameters,
        panel=number.panel,
    )


def _version_panels(printed: Sequence[Printed]) -> dict[str, str]:
    """Choose, per framework, the panel with most versions: one number may stand in several panels of a study."""
    versions: dict[str, dict[str, set[str]]] = {}
    for number in printed:
        if number.version:
            versions.setdefault(number.framework, {}).setdefault(number.panel, set()).add(number.version)
    return {name: max(panels, key=lambda panel: len(panels[panel])) for name, panels in versions.items()}


def _compared(printed: Sequence[Printed]) -> dict[str, str]:
    """Say of each panel what it compares: the versions of its one framework, or frameworks."""
    frameworks: dict[str, set[str]] = {}
    for number in printed:
        if number.iteration_s is not None:
            frameworks.setdefault(number.panel, set()).add(number.framework)
    return {
        panel: f"{next(iter(names))} versions" if len(names) == 1 else "frameworks"
        for panel, names in frameworks.items()
    }


def _key(number: Printed) -> tuple[str, ...]:
    return (number.panel, number.benchmark, number.framework, number.version, number.implementation)


def _group(number: Printed) -> tuple[str, ...]:
    """Return what the fastest is looked for in: all but who computes, and with what."""
    return (number.panel, number.benchmark, number.configuration, number.device, number.metric, number.source)


def unit_text(number: Printed) -> str:
    """Return the unit as people write it: ms, µs per example."""
    unit = number.unit.replace("us", "µs")
    return f"{unit} per {number.per}" if number.per == "example" else unit


def short_device(name: str) -> str:
    """Return a device without its maker and what stands in brackets."""
    return re.sub(r"^(NVIDIA )?(GeForce )?|( Founders Edition)?( \(.*\))?$", "", name)
