"""What the studies printed: `suites/published/*.csv`, read and cut into columns of a table."""

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import ConfigurationError

PER_SECOND = {"ms": 1e3, "us": 1e6, "s": 1.0}
DEFECT = "defect: "
FIELDS = ("benchmark", "config", "framework", "framework_version", "implementation", "device", "metric", "unit", "mean")


@dataclass(frozen=True, kw_only=True)
class PublishedNumber:
    """One printed time, and its ratio to the fastest time of the same panel as the study printed it."""

    configuration: str
    framework: str
    version: str
    implementation: str  # the study's own label
    device: str
    value_s: float
    text: str  # as printed, with its unit
    ratio_to_fastest: float | None
    compared: str  # what the panel compares, of which one is the fastest: PyTorch versions, or frameworks
    defects: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Published:
    """The times a study printed, one panel per framework: the comparison of its versions where there is one."""

    study: str  # short name: Braun 2018
    year: str
    source: str
    numbers: tuple[PublishedNumber, ...]

    def find(self, configuration: str, framework: str, implementation: str) -> Mapping[str, PublishedNumber]:
        """Return version -> number for one row of a table."""
        wanted = (configuration, framework.casefold(), implementation)
        return {
            number.version: number
            for number in self.numbers
            if (number.configuration, number.framework.casefold(), number.implementation) == wanted
        }


def read_published(path: Path) -> Published:
    """Read the printed training times of a study.

    The first line is a comment that starts with the source: `# Braun 2018, "LSTM Benchmarks …", address.`
    Raises ConfigurationError where it, a column or a number is missing.
    """
    first, *lines = path.read_text(encoding="utf-8", errors="replace").splitlines() or [""]
    named = re.match(r"# (?P<source>(?P<study>[^,]*?\b(?P<year>(19|20)\d\d)\b[^,]*), .+?)\.( |$)", first)
    if named is None:
        raise ConfigurationError(
            "no source. Start with '# <study> <year>, <title>, <address>.'", file=str(path), line=1
        )
    reader = csv.DictReader(lines)
    missing = [name for name in FIELDS if name not in (reader.fieldnames or ())]
    if missing:
        raise ConfigurationError(
            f"no column {', '.join(missing)}. Copy the head of braun2018.csv.", file=str(path), line=2
        )
    rows = [row for row in reader if row.get("origin") == "seed" and row["framework_version"]]
    numbers = _read_numbers(rows, path)
    return Published(study=named["study"], year=named["year"], source=named["source"], numbers=numbers)


def _read_numbers(rows: Sequence[Mapping[str, str]], path: Path) -> tuple[PublishedNumber, ...]:
    panels, compared = _version_panels(rows), _compared(rows)
    ratios = {_key(row): row["mean"] for row in rows if row["metric"] == "relative_to_fastest"}
    times = [row for row in rows if row["metric"] == "train" and row["unit"] in PER_SECOND]
    try:
        return tuple(
            _number(row, ratios.get(_key(row)), compared[_panel(row)])
            for row in times
            if _panel(row) == panels[row["framework"]]
        )
    except ValueError as error:
        raise ConfigurationError(f"{error}. Write means as plain numbers.", file=str(path)) from error


def _version_panels(rows: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Choose, per framework, the panel with most versions: one number may stand in several panels of a study."""
    versions: dict[str, dict[str, set[str]]] = {}
    for row in rows:
        versions.setdefault(row["framework"], {}).setdefault(_panel(row), set()).add(row["framework_version"])
    return {name: max(panels, key=lambda panel: len(panels[panel])) for name, panels in versions.items()}


def _compared(rows: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Say of each panel what it compares: the versions of its one framework, or frameworks."""
    frameworks: dict[str, set[str]] = {}
    for row in rows:
        frameworks.setdefault(_panel(row), set()).add(row["framework"])
    return {
        panel: f"{next(iter(names))} versions" if len(names) == 1 else "frameworks"
        for panel, names in frameworks.items()
    }


def _panel(row: Mapping[str, str]) -> str:
    found = re.search(r"comparison=(\w+)", row["config"])
    return found[1] if found else ""


def _key(row: Mapping[str, str]) -> tuple[str, ...]:
    return (_panel(row), *(row[name] for name in ("benchmark", "framework", "framework_version", "implementation")))


def _number(row: Mapping[str, str], ratio: str | None, compared: str) -> PublishedNumber:
    return PublishedNumber(
        configuration=row["benchmark"],
        framework=row["framework"],
        version=row["framework_version"],
        implementation=row["implementation"],
        device=_short_device(row["device"]),
        value_s=float(row["mean"]) / PER_SECOND[row["unit"]],
        text=f"{row['mean']} {row['unit'].replace('us', 'µs')}",
        ratio_to_fastest=float(ratio) if ratio else None,
        compared=compared,
        defects=tuple(
            part.removeprefix(DEFECT) for part in (row.get("note") or "").split("; ") if part.startswith(DEFECT)
        ),
    )


def _short_device(name: str) -> str:
    return re.sub(r"^(NVIDIA )?(GeForce )?|( Founders Edition)?( \(.*\))?$", "", name)
