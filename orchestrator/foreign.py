"""Times that others measured, read from CSV: a study's raw iterations, or its published numbers, as launches."""

import csv
import hashlib
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.analysis.printed import Printed, PrintedStudy, read_study
from orchestrator.analysis.published import PHASES
from orchestrator.errors import ConfigurationError, UsageError
from orchestrator.loading import SHORTEST_S
from orchestrator.names import did_you_mean
from orchestrator.specs import Scalar

REQUIRED = ("framework", "version", "implementation", "configuration", "iteration", "seconds")
OPTIONAL = ("benchmark", "phase", "launch", "device", "cuda", "cudnn", "python", "batch")
MAY_BE_BLANK = ("version", *OPTIONAL)  # blank: not stated


@dataclass(frozen=True, kw_only=True)
class ForeignCell:
    """Whose times they are, as the file says it; empty: not stated."""

    benchmark: str
    framework: str
    version: str
    implementation: str
    configuration: str
    device: str
    cuda: str
    cudnn: str
    python: str = ""


@dataclass(frozen=True, kw_only=True)
class ForeignLaunch:
    """What one launch of a cell took, in seconds per iteration."""

    cell: ForeignCell
    number: int  # from 1
    samples: Mapping[str, tuple[float, ...]]  # by phase
    warmup: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    parameters: Mapping[str, Scalar] = field(default_factory=dict)
    footnotes: tuple[tuple[str, str], ...] = ()  # phase, and what a reader of its time must know


@dataclass(frozen=True, kw_only=True)
class ForeignFile:
    """One file of times."""

    path: Path
    name: str  # what a suite of it is called
    title: str
    sha256: str
    unit: str | None  # in which a table shows the times
    launches: tuple[ForeignLaunch, ...]


def read_foreign(path: Path, warmup: int) -> ForeignFile:
    """Read a CSV of raw iterations, or a file of suites/published/.

    warmup: first iterations of each launch that do not count.
    Raises UsageError if it is not there, ConfigurationError with line and column where it is wrong.
    """
    try:
        raw = path.read_bytes()
        text = raw.decode("utf-8-sig")
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror}). Name a CSV file.") from error
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise ConfigurationError("is not text in UTF-8. Save it so.", file=str(path), line=line) from error
    sha256 = f"sha256:{hashlib.sha256(raw).hexdigest()}"
    if text.startswith("# "):
        if warmup:
            raise UsageError("--warmup: a published mean has no iterations to leave out. Drop it.")
        return _published(read_study(path), sha256)
    launches = tuple(_launches(_rows(text.splitlines(), path), warmup, path))
    return ForeignFile(path=path, name=path.stem, title=path.name, sha256=sha256, unit=None, launches=launches)


def _published(study: PrintedStudy, sha256: str) -> ForeignFile:
    cells: dict[ForeignCell, list[Printed]] = {}
    for number in study.seed:
        if number.iteration_s is not None:
            cells.setdefault(_printed_cell(number, study.key), []).append(number)
    units = {(number.unit, number.per) for found in cells.values() for number in found}
    unit = {("us", "example"): "us/example", ("ms", "batch"): "ms/batch"}.get(next(iter(units))) if units else None
    return ForeignFile(
        path=study.path,
        name=study.key,
        title=study.source,
        sha256=sha256,
        unit=unit if len(units) == 1 else None,
        launches=tuple(_printed_launch(cell, numbers) for cell, numbers in cells.items()),
    )


def _printed_cell(number: Printed, key: str) -> ForeignCell:
    return ForeignCell(
        benchmark=number.benchmark if number.benchmark != number.configuration else key,
        framework=number.framework,
        version=number.version,
        implementation=number.implementation,
        configuration=number.configuration,
        device=number.device,
        cuda=number.cuda,
        cudnn=number.cudnn,
    )


def _printed_launch(cell: ForeignCell, numbers: Sequence[Printed]) -> ForeignLaunch:
    """Make one launch with one sample of each phase: more is not known of a printed mean. numbers: n >= 1."""
    phases = {PHASES.get(number.metric, number.metric): number for number in numbers}
    footnotes = {(phase, note): None for phase, number in phases.items() for note in number.defects}
    return ForeignLaunch(
        cell=cell,
        number=1,
        samples={phase: (number.iteration_s or 0.0,) for phase, number in phases.items()},
        parameters={name: _scalar(text) for name, text in numbers[0].parameters.items() if name != "comparison"},
        footnotes=tuple(footnotes),
    )


def _scalar(text: str) -> Scalar:
    return int(text) if text.isdigit() else text


def _rows(lines: Sequence[str], path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Return number and values of each line, checked but for what only several say together."""
    reader = csv.DictReader(lines, strict=True)
    try:
        _check_head(reader.fieldnames or (), path)
        for row in reader:
            values = {name: (row.get(name) or "").strip() for name in (*REQUIRED, *OPTIONAL)}
            if None in row or None in row.values():
                wanted = len(reader.fieldnames or ())
                raise _error(path, reader.line_num, f"{wanted} values are wanted. Quote text that has a comma.")
            for name, text in values.items():
                if not text and name not in MAY_BE_BLANK:
                    raise _error(path, reader.line_num, f"{name}: is empty. Write it, or remove the line.")
            yield reader.line_num, values
    except csv.Error as error:
        line = min(reader.line_num + 1, len(lines))
        raise _error(path, line, f"is not CSV ({error}). Save it as comma-separated text.") from error


def _check_head(names: Sequence[str], path: Path) -> None:
    known = (*REQUIRED, *OPTIONAL)
    missing = [name for name in REQUIRED if name not in names]
    if missing:
        raise _error(path, 1, f"no column {', '.join(missing)}. The first line names them: {','.join(REQUIRED)}.")
    for name, count in Counter(names).items():
        if count > 1:
            raise _error(path, 1, f"{name}: {count} columns have this name. Keep one of them.")
        if name not in known:
            raise _error(path, 1, f"{name}: unknown column.{did_you_mean(name, known)}")


def _launches(rows: Iterator[tuple[int, dict[str, str]]], warmup: int, path: Path) -> Iterator[ForeignLaunch]:
    found: dict[tuple[ForeignCell, int, str], dict[str, dict[int, float]]] = {}
    for line, row in rows:
        launch = _whole(row["launch"] or "1", "launch", path, line)
        key = (_raw_cell(row), launch, row["batch"])
        iterations = found.setdefault(key, {}).setdefault(row["phase"] or "train_step", {})
        iteration = _whole(row["iteration"], "iteration", path, line)
        if iteration in iterations:
            raise _error(path, line, f"iteration: {iteration} of this launch is there already. Number launches apart.")
        iterations[iteration] = _seconds(row["seconds"], path, line)
    if not found:
        raise _error(path, 2, "no iterations. Write one line for each.")
    for (cell, number, batch), phases in found.items():
        times = {phase: tuple(value for _, value in sorted(by.items())) for phase, by in phases.items()}
        for phase, values in times.items():
            if len(values) <= warmup:
                raise UsageError(f"--warmup {warmup}: {path} has {len(values)} iterations of {phase} in a launch.")
        yield ForeignLaunch(
            cell=cell,
            number=number,
            samples={phase: values[warmup:] for phase, values in times.items()},
            warmup={phase: values[:warmup] for phase, values in times.items() if warmup},
            parameters={"batch": _scalar(batch)} if batch else {},
        )


def _raw_cell(row: Mapping[str, str]) -> ForeignCell:
    return ForeignCell(
        benchmark=row["benchmark"] or "imported",
        **{name: row[name] for name in ("framework", "version", "implementation", "configuration")},
        **{name: row[name] for name in ("device", "cuda", "cudnn", "python")},
    )


def _whole(text: str, column: str, path: Path, line: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise _error(path, line, f"{column}: '{text}' is no whole number. Count from 0 or 1.")
    return int(text)


def _seconds(text: str, path: Path, line: int) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not SHORTEST_S <= value < math.inf:
        raise _error(path, line, f"seconds: '{text}' is no duration. Write seconds, such as 0.0125.")
    return value


def _error(path: Path, line: int, what: str) -> ConfigurationError:
    return ConfigurationError(what, file=str(path), line=line)
