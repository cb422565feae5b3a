"""Which of a study's systems stand at a configuration, and which measured ones are the same."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from orchestrator.analysis.columns import Column
from orchestrator.analysis.comparison import Row, Table
from orchestrator.analysis.published import Published, PublishedNumber
from orchestrator.analysis.systems import framework_of, what_sets_apart
from orchestrator.images import framework_version

SAME = ("cell", "batch")  # parameters that must not differ between a row and a number, where both state them


@dataclass(frozen=True, kw_only=True)
class PublishedSystem:
    """A framework in a version, on a back end where it has one, and an implementation in it."""

    framework: str  # Keras
    version: str  # 2.1.6; empty: not stated
    back_end: str  # TensorFlow 1.8.0; empty: none
    implementation: str

    @property
    def name(self) -> str:
        """Write it as measured systems are written: Keras 2.1.6 on TensorFlow 1.8.0 LSTM."""
        on = f"on {self.back_end}" if self.back_end else ""
        return " ".join(part for part in (self.framework, self.version, on, self.implementation) if part)


def find_systems(row: Row, phase: str, published: Published) -> Mapping[str, PublishedNumber]:
    """Return system -> number for one configuration, from the comparison of frameworks where there are several."""
    panel = _panel_of_frameworks(published.numbers)
    return {
        _system(number).name: number
        for number in published.numbers
        if number.panel == panel and number.phase == phase and _is_of(number, row)
    }


def name_same_systems(
    table: Table, found: Sequence[Mapping[str, PublishedNumber]], labels: Mapping[str, str], *, of_any_release: bool
) -> tuple[str | None, ...]:
    """Return for each measured system the published one that is the same release and implementation.

    of_any_release: where the study does not state its own.
    """
    systems = {name: _system(number) for numbers in found for name, number in numbers.items()}
    wanted = {name: system for name, system in systems.items() if system.version or of_any_release}
    return tuple(
        next((name for name, system in wanted.items() if _is_same(system, column, labels)), None)
        for column in table.columns
    )


def _panel_of_frameworks(numbers: Sequence[PublishedNumber]) -> str:
    frameworks: dict[str, set[str]] = {}
    for number in numbers:
        frameworks.setdefault(number.panel, set()).add(number.framework)
    return max(frameworks, key=lambda panel: len(frameworks[panel]), default="")


def configuration_names(configuration: str, parameters: Mapping[str, str]) -> frozenset[str]:
    """Return what a printed configuration may be called here: a study has `h100/b20` of two nets, lstm/h100/b20."""
    cell = parameters.get("cell", "").casefold()
    return frozenset({configuration, f"{cell}/{configuration}"} if cell else {configuration})


def _is_of(number: PublishedNumber, row: Row) -> bool:
    """Say whether a number is of a row's configuration: one name may stand for several nets of a study."""
    if row.configuration not in configuration_names(number.configuration, number.parameters):
        return False
    both = [name for name in SAME if name in number.parameters and name in row.parameters]
    if any(number.parameters[name].casefold() != str(row.parameters[name]).casefold() for name in both):
        return False
    is_told_apart = "cell" in both or number.benchmark == number.configuration
    return is_told_apart or row.benchmark.partition("_")[0] == number.benchmark


def _system(number: PublishedNumber) -> PublishedSystem:
    """Take a study's `Keras-TensorFlow 2.1.6 (TensorFlow 1.8.0)` apart."""
    version, _, back_end = number.version.rstrip(")").partition(" (")
    framework = re.sub(r"-.*", "", number.framework) if back_end else number.framework
    implementation = re.sub(r" \(.*\)$", "", number.implementation)  # FastLSTM (theano.scan, one fused 4h matmul, …)
    return PublishedSystem(framework=framework, version=version, back_end=back_end, implementation=implementation)


def _is_same(system: PublishedSystem, column: Column, labels: Mapping[str, str]) -> bool:
    """Compare release, back end and implementation; a library without images of its own is named in the label.

    A release that is not stated may be any.
    """
    label = labels.get(column.implementation or "", column.implementation)
    framework, version = framework_of(column.family), framework_version(column.version)
    apart = what_sets_apart(column.family)
    if label == f"{system.framework} {system.implementation}":
        return not apart and system.back_end == f"{framework} {version}"
    on = f" on {system.back_end.partition(' ')[0]}" if system.back_end else ""
    release = system.version or version
    return (label, framework, version, apart) == (system.implementation, system.framework, release, on)
