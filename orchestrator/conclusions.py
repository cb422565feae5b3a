"""What a study concludes, as claims that a table can test: `suites/published/<study>.yaml`."""

import re
from dataclasses import dataclass
from pathlib import Path

from orchestrator.loading import build
from orchestrator.yaml_lines import Node, read_yaml

# As tables write it: Keras 2.1.6 on TensorFlow LSTM; and where it is another one than the claim's: … at 4x320/CE-long.
_SYSTEM = re.compile(
    r"(?P<framework>\S+)(?: (?P<version>\d\S*))?(?: on (?P<back_end>\S+))? (?P<implementation>.+?)"
    r"(?: at (?P<configuration>\S+))?"
)


@dataclass(frozen=True, kw_only=True)
class NamedSystem:
    """A system of a claim. Text is empty where the claim does not say."""

    framework: str
    version: str
    back_end: str
    implementation: str
    configuration: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Conclusion:
    """One sentence of a study, in our own words: each of some systems is faster than each of others."""

    name: str
    says: str
    where: str  # in the document
    faster: tuple[NamedSystem, ...] = ()
    slower: tuple[NamedSystem, ...] = ()
    configurations: tuple[str, ...] = ()
    phases: tuple[str, ...] = ("train_step",)
    ratio: tuple[float, ...] = ()  # time of the slower / time of the faster: one, or least and most; none: not claimed
    needs: str = ""  # what the claim is about that a CPU has not
    untested: str = ""  # why no suite can test it


def load_conclusions(path: Path) -> tuple[Conclusion, ...]:
    """Read the conclusions of a study, none where it has no file. Raises ConfigurationError."""
    if not path.is_file():
        return ()
    root = read_yaml(path, str(path))
    root.check_keys(("study", "conclusions"))
    if root.required("study").text() != path.stem:
        raise root.required("study").error(f"must be '{path.stem}', as the file is called.")
    return tuple(_load(name, node) for name, node in root.required("conclusions").mapping().items())


def _load(name: str, node: Node) -> Conclusion:
    sides = {side: _load_systems(node, side) for side in ("faster", "slower")}
    loaded = build(Conclusion, node, read=tuple(sides), name=name, **sides)
    if not loaded.untested and not (loaded.faster and loaded.slower):
        raise node.error("needs 'faster' and 'slower', or 'untested' with the reason.")
    if len(loaded.ratio) > 2 or any(value < 1 for value in loaded.ratio):
        raise node.required("ratio").error("must be one number from 1 on, or the least and the most.")
    return loaded


def _load_systems(node: Node, side: str) -> tuple[NamedSystem, ...]:
    written = node.mapping().get(side)
    if written is None:
        return ()
    return tuple(_load_system(item) for item in (written.items() if isinstance(written.value, tuple) else (written,)))


def _load_system(node: Node) -> NamedSystem:
    found = _SYSTEM.fullmatch(node.text())
    if found is None:
        raise node.error(f"'{node.text()}' is no system. Write it as tables do: TensorFlow 1.8.0 LSTMCell.")
    parts = {name: value or "" for name, value in found.groupdict().items()}
    return NamedSystem(text=node.text().partition(" at ")[0], **parts)
