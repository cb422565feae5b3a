"""The files of `suites/published/`: every number a study printed, one line each, with its defects."""

import csv
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import ConfigurationError
from orchestrator.shipped import shipped_folders

PER_SECOND = {"ms": 1e3, "us": 1e6, "s": 1.0}
DEFECT = "defect: "
FIELDS = (
    *("benchmark", "config", "framework", "framework_version", "implementation", "binding", "device", "cuda", "cudnn"),
    *("metric", "unit", "per", "mean", "std", "stat", "warmup_iters", "timed_iters", "mean_text", "origin", "source"),
    "note",
)
ORIGINS = ("seed", "repo")  # the document itself; elsewhere in its repository


@dataclass(frozen=True, kw_only=True)
class Printed:
    """One printed number. Text is empty where it was not stated."""

    line: int  # in the file
    benchmark: str
    parameters: Mapping[str, str]  # of the configuration, in the order of the file
    framework: str
    version: str
    implementation: str  # the study's own label
    binding: str
    device: str
    cuda: str
    cudnn: str
    metric: str  # train, forward, compile, relative_to_fastest …
    unit: str
    per: str
    mean: float
    std: float | None
    warmup: str
    timed: str
    text: str  # as printed
    origin: str  # seed or repo
    source: str
    notes: tuple[str, ...]
    defects: tuple[str, ...]

    @property
    def configuration(self) -> str:
        """The name of the configuration, such as 1x320/CE-short."""
        return self.parameters.get("configuration", self.benchmark)

    @property
    def panel(self) -> str:
        """What the number stands beside, where the study compares the same in two ways: framework, version."""
        return self.parameters.get("comparison", "")

    @property
    def batch(self) -> int | None:
        """Examples in an iteration, None where it is not stated."""
        text = self.parameters.get("batch", self.parameters.get("batch_size", ""))
        return int(text) if text.isdigit() else None

    @property
    def iteration_s(self) -> float | None:
        """Seconds per iteration, None where the number is no time of one."""
        steps = self.parameters.get("seq_len", "")
        if self.unit in PER_SECOND and self.per == "batch":
            return self.mean / PER_SECOND[self.unit]
        if self.unit in PER_SECOND and self.per == "example" and self.batch:
            return self.mean * self.batch / PER_SECOND[self.unit]
        if self.unit == "words/s" and self.batch and steps.isdigit():
            return self.batch * int(steps) / self.mean
        return None


@dataclass(frozen=True, kw_only=True)
class PrintedStudy:
    """All that is kept of what a study printed."""

    key: str  # of the file: braun2018
    name: str  # Braun 2018
    year: str
    source: str
    path: Path
    numbers: tuple[Printed, ...]

    @property
    def seed(self) -> tuple[Printed, ...]:
        """The numbers of the document itself."""
        return tuple(number for number in self.numbers if number.origin == "seed")


def study_files(suites: Path) -> Mapping[str, Path]:
    """Return key -> file of all studies: those that `orch` is shipped with, and the project's own in their place."""
    folders = (*(place / "suites" for place in reversed(shipped_folders())), suites)
    found = {path.stem: path for folder in folders for path in folder.glob("published/*.csv")}
    return dict(sorted(found.items()))


def read_study(path: Path) -> PrintedStudy:
    """Read all that a study printed.

    The first line is a comment that starts with the source: `# Braun 2018, "LSTM Benchmarks …", address.`
    Raises ConfigurationError with file, line and column where it, a column or a number is missing.
    """
    first, *lines = path.read_text(encoding="utf-8", errors="replace").splitlines() or [""]
    named = re.match(r"# (?P<source>(?P<study>[^,]*?\b(?P<year>(19|20)\d\d)\b[^,]*), .+?)\.( |$)", first)
    if named is None:
        raise ConfigurationError(
            "no source. Start with '# <study> <year>, <title>, <address>.'", file=str(path), line=1
        )
    return PrintedStudy(
        key=path.stem,
        name=named["study"],
        year=named["year"],
        source=named["source"],
        path=path,
        numbers=tuple(_read_numbers(lines, path)),
    )


def _read_numbers(lines: list[str], path: Path) -> Iterator[Printed]:
    reader = csv.DictReader(lines)
    missing = [name for name in FIELDS if name not in (reader.fieldnames or ())]
    if missing:
        raise ConfigurationError(
            f"no column {', '.join(missing)}. Copy the head of braun2018.csv.", file=str(path), line=2
        )
    for row in reader:
        try:
            yield _number(row, reader.line_num + 1)
        except ValueError as error:
            raise ConfigurationError(str(error), file=str(path), line=reader.line_num + 1) from error


def _number(row: Mapping[str, str | None], line: int) -> Printed:
    text = {name: row.get(name) or "" for name in FIELDS}
    if None in row.values() or None in row:
        raise ValueError(f"{len(FIELDS) + 1} values are wanted. Put text with a comma into quotes.")
    if text["origin"] not in ORIGINS:
        raise ValueError(f"origin: '{text['origin']}' is neither {' nor '.join(ORIGINS)}. Write seed for the document.")
    parts = [part for part in text["note"].split("; ") if part]
    return Printed(
        line=line,
        benchmark=text["benchmark"],
        parameters=dict(part.split("=", 1) for part in re.split(";(?! )", text["config"]) if "=" in part),
        version=text["framework_version"],
        mean=_float("mean", text["mean"]),
        std=_float("std", text["std"]) if text["std"] else None,
        warmup=text["warmup_iters"],
        timed=text["timed_iters"],
        text=text["mean_text"].strip("*_"),
        notes=tuple(part for part in parts if not part.startswith(DEFECT)),
        defects=tuple(part.removeprefix(DEFECT) for part in parts if part.startswith(DEFECT)),
        **{name: text[name] for name in ("framework", "implementation", "binding", "device", "cuda", "cudnn")},
        **{name: text[name] for name in ("metric", "unit", "per", "origin", "source")},
    )


def _float(column: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"{column}: '{text}' is no number. Write it plainly, such as 12.5.") from None
    if not 0 <= value < math.inf:
        raise ValueError(f"{column}: '{text}' is no finite number from 0 on. Correct it or remove the line.")
    return value
